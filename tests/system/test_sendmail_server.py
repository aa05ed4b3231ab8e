"""sendmail -bs: an SMTP server on standard input and output, also while the system is down."""
import os
import re
import signal
import subprocess

import pytest

from harness.waiting import wait_until

pytestmark = pytest.mark.root

BEGIN = ["EHLO me.example", "MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>"]
TEXT = ["DATA", "Subject: hello", "", "..body", "."]


@pytest.fixture(scope="module")
def stopped(module_instance):
    """Nothing in it needs another service, but for what only the owner of the mail system asks."""
    mta = module_instance({"local_recipient_maps": "", "message_size_limit": 30000, "smtpd_error_sleep_time": "0s"})
    mta.postfix("check", check=True)
    mta.start()
    mta.stop()
    return mta


def command(mta, user="root"):
    sendmail = f"{mta.main['command_directory']}/sendmail"
    return [sendmail, "-C", str(mta.etc), "-bs"] if user == "root" else mta.as_the_system(sendmail, "-bs", user=user)


def serve(mta, lines, user="root", ending="\r\n", status=0):
    """What it answers, the multiline answers in one; IDs of queue files are X."""
    data = lines if isinstance(lines, bytes) else "".join(line + ending for line in lines).encode()
    result = subprocess.run(command(mta, user), input=data, capture_output=True, timeout=60, env=mta.environment)
    assert result.returncode == status, result
    text = result.stdout.decode().replace("\r\n", "\n")
    text = re.sub(r"queued as \w+", "queued as X", text).replace(mta.mail_name, "NAME")
    return re.sub(r"(?m)^(\d\d\d)-(.*)\n(?:\1-.*\n)*\1 .*", r"\1 \2 ...", text).splitlines()


def dropped(mta):
    """What postcat says of each file in maildrop, without time and ID; they are removed."""
    found = []
    for path in sorted((mta.spool / "maildrop").iterdir(), key=lambda path: path.stat().st_mtime_ns):
        text = mta.run("postcat", path, check=True).stdout
        path.unlink()
        found.append(text.replace(path.name, "X").replace(mta.mail_name, "NAME"))
    return found


@pytest.mark.peer
def test_message_goes_to_maildrop(stopped):
    assert serve(stopped, BEGIN + TEXT + ["QUIT"]) == [
        "220 mail.test.example ESMTP NAME", "250 mail.test.example ...", "250 2.1.0 Ok", "250 2.1.5 Ok",
        "354 End data with <CR><LF>.<CR><LF>", "250 2.0.0 Ok: queued as X", "221 2.0.0 Bye"]
    message, = dropped(stopped)
    lines = message.splitlines()
    assert lines[2] == "sender: a@b.example" and "recipient: c@d.example" in lines
    assert re.search(r"(?m)^Received: from me.example \(localhost \[127.0.0.1\]\)\n\tby mail.test.example \(NAME\) with "
                     r"ESMTP id X\n\tfor <c@d.example>; .*\nSubject: hello\n\n\.body\n\*\*\* HEADER EXTRACTED", message)


@pytest.mark.peer
def test_extensions(stopped):
    answers = serve(stopped, ["EHLO me"])
    raw = subprocess.run(command(stopped), input=b"EHLO me\r\nQUIT\r\n", capture_output=True, env=stopped.environment)
    assert answers[-1].startswith("250 ")
    assert raw.stdout.decode().split("\r\n")[1:-2] == [
        "250-mail.test.example", "250-PIPELINING", "250-SIZE 30000", "250-VRFY", "250-ETRN", "250-ENHANCEDSTATUSCODES",
        "250-8BITMIME", "250-DSN", "250-SMTPUTF8", "250 CHUNKING"]


@pytest.mark.peer
@pytest.mark.parametrize("line, answer", [
    ("VRFY root", "252 2.0.0 root"), ("VRFY", "501 5.5.4 Syntax: VRFY address [SMTPUTF8]"), ("NOOP", "250 2.0.0 Ok"),
    ("RSET", "250 2.0.0 Ok"), ("XCLIENT NAME=a", "550 5.7.0 Error: insufficient authorization"),
    ("XFORWARD NAME=a", "550 5.7.0 Error: insufficient authorization"),
    ("STARTTLS", "502 5.5.1 Error: command not implemented"), ("foo", "500 5.5.2 Error: command not recognized"),
    ("DATA", "503 5.5.1 Error: need RCPT command"), ("RCPT TO:<a@b>", "503 5.5.1 Error: need MAIL command"),
    ("MAIL FROM:<a", "501 5.1.7 Bad sender address syntax"), ("ETRN foo.example", "458 Unable to queue messages"),
    ("MAIL FROM:<> SIZE=99999999", "552 5.3.4 Message size exceeds fixed limit"),
    ("AUTH PLAIN", "503 5.5.1 Error: authentication not enabled"), ("BDAT x", "521 5.5.4 Syntax: BDAT count [LAST]"),
    ("GET / HTTP/1.0", "221 2.7.0 Error: I can break rules, too. Goodbye."),
])
def test_answers(stopped, line, answer):
    assert serve(stopped, [line])[1:] == [answer]
    assert dropped(stopped) == []


@pytest.mark.peer
def test_several_messages(stopped):
    answers = serve(stopped, BEGIN + ["RSET", "MAIL FROM:<>", "RCPT TO:<one@d.example>", "RCPT TO:<two@d.example>"] + TEXT
                    + ["MAIL FROM:<x@y> BODY=8BITMIME", "RCPT TO:<z@d.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o@d"] + TEXT)
    assert answers[-1] == "250 2.0.0 Ok: queued as X" and len(answers) == 14
    first, second = dropped(stopped)
    assert re.findall(r"(?m)^(?:sender|recipient): .*", first) == ["sender: ", "recipient: one@d.example",
                                                                   "recipient: two@d.example"]
    assert "\tby mail.test.example (NAME) with ESMTP id X;\n" in first
    for line in ("sender: x@y", "named_attribute: encoding=8bit", "named_attribute: notify_flags=10",
                 "named_attribute: dsn_orig_rcpt=rfc822;o@d", "recipient: z@d.example"):
        assert line in second.splitlines()


@pytest.mark.peer
def test_unix_line_ends(stopped):
    answers = serve(stopped, BEGIN + TEXT, ending="\n")
    assert answers[-1] == "250 2.0.0 Ok: queued as X"
    assert "\n.body\n" in dropped(stopped)[0]


@pytest.mark.peer
def test_chunks(stopped):
    data = "".join(line + "\r\n" for line in BEGIN).encode()
    answers = serve(stopped, data + b"BDAT 9\r\nSubject: BDAT 12 LAST\r\nx\r\n\r\n.\r\nyz\r\nQUIT\r\n")
    assert answers[-3:] == ["250 2.0.0 Ok: 9 bytes", "250 2.0.0 Ok: 21 bytes queued as X", "221 2.0.0 Bye"]
    assert "Subject: x\n\n.\nyz\n" in dropped(stopped)[0]


@pytest.mark.peer
@pytest.mark.parametrize("lines", [BEGIN[:n] for n in range(4)]
                         + [BEGIN + TEXT[:n] for n in range(1, 5)] + [BEGIN + ["BDAT 100", "abc"], BEGIN + ["BDAT 1", "a"]])
def test_input_that_ends_early_leaves_nothing(stopped, lines):
    answers = serve(stopped, lines)
    assert answers[0].startswith("220 ")
    assert dropped(stopped) == []


@pytest.mark.peer
def test_long_lines(stopped):
    serve(stopped, BEGIN + ["DATA", "Subject: " + "x" * 3000, "", "y" * 10000, "z" * 2048, "w" * 2049, "."])
    message, = dropped(stopped)
    for line in ("y" * 10000, "z" * 2048, "w" * 2049):
        assert f"\n{line}\n" in message


@pytest.mark.peer
def test_too_large(stopped):
    answers = serve(stopped, BEGIN + ["DATA", *(["x" * 998] * 100), ".", "NOOP"])
    assert answers[-2:] == ["552 5.3.4 Error: message file too big", "250 2.0.0 Ok"]
    assert dropped(stopped) == []


@pytest.mark.peer
def test_no_access_control(stopped):
    stopped.set_main(smtpd_client_restrictions="reject", smtpd_sender_restrictions="reject",
                     smtpd_recipient_restrictions="reject", smtpd_data_restrictions="reject",
                     smtpd_end_of_data_restrictions="reject", smtpd_helo_restrictions="reject")
    try:
        assert serve(stopped, BEGIN + TEXT)[-1] == "250 2.0.0 Ok: queued as X"
        assert serve(stopped, BEGIN + TEXT, user="nobody")[-1] == "250 2.0.0 Ok: queued as X"
        assert len(dropped(stopped)) == 2
    finally:
        for name in ("client", "sender", "recipient", "data", "end_of_data", "helo"):
            del stopped.main[f"smtpd_{name}_restrictions"]
        stopped.set_main()


@pytest.mark.peer
def test_ordinary_user(stopped):
    assert serve(stopped, BEGIN + TEXT, user="nobody")[-1] == "250 2.0.0 Ok: queued as X"
    path, = (stopped.spool / "maildrop").iterdir()
    assert path.owner() == "nobody"
    dropped(stopped)


@pytest.mark.peer
def test_who_may_submit(stopped):
    stopped.set_main(authorized_submit_users="root")
    result = subprocess.run(command(stopped, "nobody"), input=b"QUIT\r\n", capture_output=True, env=stopped.environment)
    stopped.set_main(authorized_submit_users="static:anyone")
    assert result.returncode == 75 and result.stdout == b""
    assert re.fullmatch(rb"sendmail: fatal: User nobody\(\d+\) is not allowed to submit mail\n", result.stderr)


@pytest.mark.peer
def test_recipients_are_refused(stopped):
    result = stopped.run("sendmail", "-bs", "u@x.example")
    assert result.returncode == 75
    assert result.stderr == "sendmail: fatal: stand-alone mode requires no recipient\n"


@pytest.mark.peer
def test_too_many_errors(stopped):
    answers = serve(stopped, ["foo"] * 30)
    assert answers[-1] == "421 4.7.0 mail.test.example Error: too many errors"
    assert len(answers) == 22


def test_file_and_closed_output(stopped, directory):
    """Standard input is a file; nobody reads the answers."""
    path = directory / "input"
    path.write_bytes("".join(line + "\r\n" for line in BEGIN + TEXT + ["QUIT"]).encode())
    for output in (">/dev/null", "| true", ">&-"):
        subprocess.run(["bash", "-c", f"{' '.join(command(stopped))} < {path} 2> /dev/null {output}"], timeout=30,
                       env=stopped.environment, check=False)
        for message in dropped(stopped):
            assert "\n.body\n" in message
    with path.open("rb") as file:
        result = subprocess.run(command(stopped), stdin=file, capture_output=True, timeout=30, env=stopped.environment)
    assert result.stdout.endswith(b"221 2.0.0 Bye\r\n")
    assert len(dropped(stopped)) == 1


def test_killed_in_the_middle(stopped):
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = subprocess.Popen(command(stopped), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=stopped.environment)
        process.stdin.write("".join(line + "\r\n" for line in BEGIN + TEXT[:-1]).encode())
        process.stdin.flush()
        wait_until(lambda: list((stopped.spool / "maildrop").iterdir()), 10, lambda: "no file was begun")
        os.kill(process.pid, number)
        process.wait(10)
        process.stdin.close()
        process.stdout.close()
        wait_until(lambda: not list((stopped.spool / "maildrop").iterdir()), 10, lambda: "a file is left")


def test_queue_that_cannot_be_written(stopped):
    (stopped.spool / "maildrop").rename(stopped.spool / "moved")
    try:
        result = subprocess.run(command(stopped), input="".join(line + "\r\n" for line in BEGIN + ["NOOP"]).encode(),
                                capture_output=True, timeout=30, env=stopped.environment)
        made = (stopped.spool / "maildrop").exists()
    finally:
        if made:
            for path in (stopped.spool / "maildrop").iterdir():
                path.unlink()
            (stopped.spool / "maildrop").rmdir()
        (stopped.spool / "moved").rename(stopped.spool / "maildrop")
    assert result.returncode == 0
    assert made or b"451 4.3.0 Error: queue file write error" in result.stdout


# ---- beside a system that runs ----

@pytest.mark.peer
def test_owner_is_a_client_like_others(make_instance):
    """What mail_owner sends is judged, and goes to cleanup."""
    mta = make_instance({"local_recipient_maps": "", "defer_transports": "smtp", "smtpd_forbid_unauth_pipelining": "no",
                         "smtpd_sender_restrictions":
                         "check_sender_access inline:{{bad@b.example=REJECT}}"})
    mta.start()
    answers = serve(mta, ["EHLO me.example", "MAIL FROM:<bad@b.example>", "RCPT TO:<c@d.example>", "RSET"] + BEGIN[1:]
                    + TEXT + ["ETRN foo.example", "QUIT"], user="postfix")
    assert "554 5.7.1 <bad@b.example>: Sender address rejected: Access denied" in answers
    assert answers[-3:] == ["250 2.0.0 Ok: queued as X", "459 <foo.example>: service unavailable", "221 2.0.0 Bye"]
    mta.wait_log(r"smtpd\[\d+\]: \w+: client=localhost\[127.0.0.1\]")


@pytest.mark.peer
def test_message_is_picked_up(make_instance, make_sink):
    sink = make_sink()
    mta = make_instance({"local_recipient_maps": "", "relayhost": sink.nexthop})
    mta.start()
    assert serve(mta, BEGIN + TEXT)[-1] == "250 2.0.0 Ok: queued as X"
    message = sink.wait_for(1)[0]
    assert (message.sender, message.recipients) == ("a@b.example", ["c@d.example"])
    mta.wait_log(r"pickup\[\d+\]: \w+: uid=0 from=<a@b.example>")
