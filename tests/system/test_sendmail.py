"""Mail from this host: sendmail, postdrop, pickup."""
import os
import pwd
import re
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from harness.instance import MTA
from harness.smtp_sink import Rule
from harness.waiting import wait_until

pytestmark = pytest.mark.root
MESSAGE = "Subject: hello\nTo: there@far.example\n\nbody\n"
DOWN = "postdrop: warning: unable to look up public/pickup: No such file or directory\n"


@pytest.fixture(scope="module")
def stopped(module_instance):
    """An instance that does not run: what is submitted stays in maildrop."""
    mta = module_instance({"fast_flush_domains": ""})
    mta.postfix("check", check=True)
    mta.expected_errors.append(r"(sendmail|postdrop|postqueue)\[\d+\]: fatal: ")
    return mta


@pytest.fixture(scope="module")
def sink(module_sink):
    return module_sink


@pytest.fixture(scope="module")
def running(module_instance, sink):
    mta = module_instance({"relayhost": sink.nexthop, "smtp_destination_concurrency_limit": 1})
    mta.start()
    return mta


def records(path):
    """[(type, data)] of a file of records."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        kind, at, length, shift = chr(data[at]), at + 1, 0, 0
        while True:
            byte = data[at]
            length, shift, at = length | (byte & 127) << shift, shift + 7, at + 1
            if not byte & 128:
                break
        found.append((kind, data[at:at + length].decode("latin-1")))
        at += length
    return found


def record(kind, data=b""):
    data = data.encode() if isinstance(data, str) else data
    length, left = b"", len(data)
    while True:
        length += bytes([left & 127 | (128 if left > 127 else 0)])
        left >>= 7
        if not left:
            return kind.encode() + length + data


def empty(mta):
    for path in (mta.spool / "maildrop").iterdir():
        path.unlink()


def dropped(mta):
    """The one file in maildrop, without its time; the queue is emptied."""
    files = list((mta.spool / "maildrop").iterdir())
    assert len(files) == 1, files
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o744
    found = records(files[0])
    empty(mta)
    assert found[0][0] == "T" and found[-1] == ("E", "")
    return found[1:]


def next_message(sink, count):
    """The message after the first `count`."""
    sink.wait_for(count + 1)
    return sink.messages[count]


def send(mta, *arguments, text=MESSAGE, status=0, **more):
    result = mta.run("sendmail", *arguments, input=text, **more)
    assert result.returncode == status, result
    return result


def of(found, kinds):
    return [r for r in found if r[0] in kinds]


# ---- sendmail and what it writes ----

@pytest.mark.peer
def test_message_goes_to_maildrop_when_the_system_is_down(stopped):
    result = send(stopped, "u1@x.example", "u2@x.example")
    assert result.stderr == DOWN and result.stdout == ""
    assert dropped(stopped) == [
        ("A", "rewrite_context=local"), ("F", "root"), ("S", "root"), ("R", "u1@x.example"), ("R", "u2@x.example"),
        ("M", ""), ("N", "Subject: hello"), ("N", "To: there@far.example"), ("N", ""), ("N", "body"), ("X", ""),
        ("E", "")]


@pytest.mark.peer
def test_envelope_options(stopped):
    send(stopped, "-f", "me@here", "-F", "Full Name", "-N", "success,delay", "-R", "hdrs", "-V", "env+id", "-B",
         "8BITMIME", "-XV-=", "u1", '"q r"@x', "Foo Bar <foo@bar>", "a,b")
    found = dropped(stopped)
    assert of(found, "AFSVR") == [
        ("A", "envelope_id=env+id"), ("A", "ret_flags=2"), ("A", "rewrite_context=local"), ("F", "Full Name"),
        ("S", "me@here"), ("A", "encoding=8bit"), ("V", "-="),
        ("A", "notify_flags=10"), ("R", "u1"), ("A", "notify_flags=10"), ("R", "q r@x"), ("A", "notify_flags=10"),
        ("R", "foo@bar"), ("A", "notify_flags=10"), ("R", "a"), ("A", "notify_flags=10"), ("R", "b")]


@pytest.mark.peer
@pytest.mark.parametrize("arguments, expected", [
    (["-f", "foo bar <a@b>", "u"], ("S", "a@b")),
    (["-f", '"a b"@c', "u"], ("S", "a b@c")),
    (["-fx", "u"], ("S", "x")),
    (["-f", "", "u"], ("S", "")),
    (["-f", "<>", "u"], ("S", "")),
    (["-f", "", "-r", "<z@z>", "u"], ("S", "z@z")),
    (["-f", "a@b,c@d", "u"], ("S", "a@b")),
    (["-F", 'a"b', "u"], ("F", 'a"b')),
    (["-F", "", "u"], ("F", "")),
    (["-G", "u"], ("A", "rewrite_context=remote")),
    (["-XV", "u"], ("V", "+=")),
    (["-XV=+", "u"], ("V", "=+")),
    (["-V+=", "u"], ("V", "+=")),
    (["-V", "zzz", "u"], ("A", "envelope_id=zzz")),
    (["-V", "a=b", "u"], ("A", "envelope_id=a=b")),
    (["-N", "never", "u"], ("A", "notify_flags=1")),
    (["-R", "full", "u"], ("A", "ret_flags=1")),
    (["-B7BIT", "u"], ("A", "encoding=7bit")),
    (["--", "-f"], ("R", "-f")),
    (["u1", "-f", "xx"], ("R", "xx")),
    (["<a@b>"], ("R", "a@b")),
    (["grp: a@b, c@d;"], ("R", "c@d")),
    (["c (comment) @d"], ("R", "c@d")),
    ([""], ("R", "")),
    ([":include:/x"], ("R", ":include:/x")),
    (["-v", "u"], ("A", "trace_flags=1024")),
])
def test_one_record(stopped, arguments, expected):
    send(stopped, *arguments)
    assert expected in dropped(stopped)


@pytest.mark.peer
@pytest.mark.parametrize("arguments", [
    "-i", "-oi", "-oem", "-odq", "-em", "-U", "-G", "-m", "-h5", "-h 5", "-L label", "-Am", "-Ac", "-o x", "-oX", "-o7",
    "-O foo=bar", "-p foo", "-c", "-x", "-om", "-bm", "-FCronDaemon -i -B8BITMIME -oem", "-N never", "-R hdrs",
    "-oi -f a@b -F x",
])
def test_accepted_options(stopped, arguments):
    assert send(stopped, *arguments.split(), "u").stderr == DOWN
    assert ("R", "u") in dropped(stopped)


@pytest.mark.peer
@pytest.mark.parametrize("arguments, text", [
    ([], "root(0): Recipient addresses must be specified on the command line or via the -t option"),
    (["-f", "a@b"], "a@b(0): Recipient addresses must be specified on the command line or via the -t option"),
    (["-bt"], "unsupported: -bt"),
    (["-bx", "u"], "unsupported: -bx"),
    (["-n", "u"], "-n option not supported"),
    (["-B", "foo", "u"], "-B option needs 8BITMIME or 7BIT"),
    (["-XVa", "u"], "-V requires two characters from -=+"),
    (["-XVab", "u"], "-V requires two characters from -=+"),
    (["-XQ", "u"], "unsupported: -XQ"),
    (["-X", "/tmp/x", "u"], "unsupported: -X/"),
    (["-qSdom"], "-qS is not implemented"),
    (["-bs", "-t"], "-t can be used only in delivery mode"),
    (["-bv", "-t", "u"], "-t option cannot be used with -bv"),
    (["-bd", "foo"], "daemon mode requires no recipient"),
    (["-I", "foo"], "alias initialization mode requires no recipient"),
])
def test_refused_options(stopped, arguments, text):
    assert send(stopped, *arguments, status=75).stderr == f"sendmail: fatal: {text}\n"
    assert list((stopped.spool / "maildrop").iterdir()) == []


@pytest.mark.peer
@pytest.mark.parametrize("option", ["-Q", "-d", "-J", "-k", "-a", "-7", "-f"])
def test_unknown_option(stopped, option):
    assert send(stopped, option, status=75).stderr.endswith("sendmail: fatal: usage: sendmail [options]\n")


@pytest.mark.peer
@pytest.mark.parametrize("arguments, warning", [
    (["-N", "bogus"], 'unknown DSN NOTIFY command value "bogus" in "bogus"\nsendmail: warning: bad -N option value -- ignored'),
    (["-N", "never,success"], "bad -N option value -- ignored"),
    (["-R", "foo"], "bad -R option value -- ignored"),
    (["-V+="], "option -V+= is deprecated with Postfix 2.3; specify -XV+= instead"),
    (["-f", "a@b,c@d"], "-f option specified malformed sender: a@b,c@d"),
])
def test_warnings(stopped, arguments, warning):
    assert send(stopped, *arguments, "u").stderr == f"sendmail: warning: {warning}\n{DOWN}"
    empty(stopped)


@pytest.mark.peer
@pytest.mark.parametrize("arguments, text, expected", [
    ([], "a\n.\nb\n", ["a"]),
    (["-i"], "a\n.\nb\n", ["a", ".", "b"]),
    (["-oi"], "a\n.\nb\n", ["a", ".", "b"]),
    ([], "Subject: x\r\n\r\nfoo\r\nbaz\rq\r\n", ["Subject: x", "", "foo", "baz\rq"]),
    ([], "Subject: x\n\nfoo\r\n", ["Subject: x", "", "foo"]),
    ([], "From me\n>From x\nTo: y\n\nFrom z\n", ["To: y", "", "From z"]),
    ([], "leading body\nSubject: x\n", ["leading body", "Subject: x"]),
    ([], "", []),
    ([], "..\n", [".."]),
    (["-i"], "\x00a\x00b\n", ["\x00a\x00b"]),
])
def test_content(stopped, arguments, text, expected):
    send(stopped, *arguments, "u", text=text)
    assert [data for kind, data in dropped(stopped) if kind == "N"] == expected


@pytest.mark.peer
def test_long_lines_are_cut_into_records(stopped):
    send(stopped, "u", text="Subject: x\n\n" + "y" * 5000 + "\nend")
    content = of(dropped(stopped), "NL")
    assert [(kind, len(data)) for kind, data in content[2:]] == [("L", 2048), ("L", 2048), ("N", 904), ("L", 3)]


@pytest.mark.peer
@pytest.mark.parametrize("text, expected", [
    ('To: "Q" <a@b>,\n c@d (hey),\n\t=?x?=@e\nCc: g: h@i, j;\nApparently-To: at@x\nX: y\n\nTo: no@x\n',
     ["a@b", "c@d", "=?x?=@e", "h@i", "j"]),
    ("To: undisclosed-recipients:;\nBcc: a\n\n", ["a"]),
    ("From me\n>From x\nTo : sp@x\nTo:nb@x\n\n", ["sp@x", "nb@x"]),
    ("Resent-To: r\nTo: b\nResent-Bcc: s\n", ["r", "s"]),
    ("To: a@b\r\nCc: c@d\r\n\r\n", ["a@b", "c@d"]),
])
def test_recipients_from_the_header(stopped, text, expected):
    send(stopped, "-t", text=text)
    found = dropped(stopped)
    assert [data for kind, data in found if kind == "R"] == expected
    assert found.index(("X", "")) < found.index(("R", expected[0]))
    send(stopped, "-t", "extra@x", text=text)
    assert [data for kind, data in dropped(stopped) if kind == "R"] == ["extra@x", *expected]


@pytest.mark.peer
@pytest.mark.parametrize("text", ["", "Subject: foo\n", "\nTo: b\n", " To: a\nTo: b\n"])
def test_no_recipients_in_the_header(stopped, text):
    result = send(stopped, "-t", text=text, status=75)
    assert result.stderr == "sendmail: fatal: root(0): No recipient addresses found in message header\n"


@pytest.mark.peer
def test_verification_request(stopped):
    result = send(stopped, "-bv", "u1@x.example", "u2")
    assert result.stdout == "Mail Delivery Status Report will be mailed to <root>.\n"
    found = dropped(stopped)
    assert of(found, "AR")[1:] == [("A", "trace_flags=512"), ("R", "u1@x.example"), ("R", "u2")]
    assert of(found, "N")[:2] == [("N", "From: root"), ("N", "Subject: probe")]


@pytest.mark.peer
def test_full_name_from_environment_and_sender_from_login(stopped):
    environment = {**stopped.environment, "NAME": "Zork"}
    command = [f"{stopped.main['command_directory']}/sendmail", "-C", str(stopped.etc), "u"]
    subprocess.run(command, input=MESSAGE, text=True, env=environment, check=True, capture_output=True)
    assert of(dropped(stopped), "FS") == [("F", "Zork"), ("S", "root")]


@pytest.mark.peer
def test_line_ending_choices(stopped):
    for choice, expected in (("always", ["a", "b"]), ("strict", ["a", "b\r"]), ("never", ["a", "b\r"])):
        stopped.set_main(sendmail_fix_line_endings=choice)
        send(stopped, "u", text="a\nb\r\n")
        assert [data for kind, data in dropped(stopped) if kind == "N"] == expected
    stopped.set_main(sendmail_fix_line_endings="strict")
    send(stopped, "u", text="a\r\nb\r\n")
    assert [data for kind, data in dropped(stopped) if kind == "N"] == ["a", "b"]
    stopped.set_main(sendmail_fix_line_endings="always")


@pytest.mark.peer
def test_modes_that_are_other_commands(stopped):
    assert "Mail queue is empty" in stopped.run("mailq").stdout
    assert "Mail queue is empty" in stopped.run("sendmail", "-bp").stdout
    for arguments in (["-bi"], ["-I"], ["-bh"], ["-bH"], ["-q5m"], ["-q30s"]):
        assert stopped.run("sendmail", *arguments).returncode == 0, arguments
    assert stopped.run("newaliases").returncode == 0
    flush = stopped.run("sendmail", "-q")
    assert flush.returncode == 69
    assert flush.stderr.endswith("postqueue: fatal: Cannot flush mail queue - mail system is down\n")
    assert stopped.run("sendmail", "-qRdom").returncode == 69


@pytest.mark.peer
@pytest.mark.parametrize("option", ["-bd", "-bl"])
def test_daemon_modes_start_the_system(make_instance, option):
    mta = make_instance()
    mta.postfix("check", check=True)
    assert mta.run("sendmail", option).returncode == 0
    wait_until(lambda: mta.pid, 10, lambda: "it does not run")


@pytest.mark.peer
def test_configuration_directory(stopped):
    result = subprocess.run([f"{stopped.main['command_directory']}/sendmail", "-C", "/nonexistent", "u"], text=True,
                            input="", capture_output=True, env=stopped.environment)
    assert result.returncode == 75
    assert result.stderr == "sendmail: fatal: open /nonexistent/main.cf: No such file or directory\n"
    result = subprocess.run([f"{stopped.main['command_directory']}/sendmail", "-C", f"{stopped.etc}/main.cf", "-bp"],
                            text=True, capture_output=True, env=stopped.environment)
    assert "Mail queue is empty" in result.stdout


@pytest.mark.peer
def test_who_may_submit(stopped):
    stopped.set_main(authorized_submit_users="!root, static:all")
    result = send(stopped, "u", status=75)
    assert result.stderr == "sendmail: fatal: User root(0) is not allowed to submit mail\n"
    stopped.set_main(authorized_submit_users="static:anyone", local_login_sender_maps="inline:{{root=me @good.example}}")
    assert send(stopped, "u", status=75).stderr == \
        "sendmail: fatal: root(0): not authorized to use sender='root'\n"
    for path in (stopped.spool / "maildrop").iterdir():
        path.unlink()
    for sender in ("me", "any@good.example"):
        send(stopped, "-f", sender, "u")
        empty(stopped)
    stopped.set_main(local_login_sender_maps="static:*")


@pytest.mark.peer
def test_size_limit(stopped):
    stopped.set_main(message_size_limit=500)
    result = send(stopped, "u", text="Subject: x\n\n" + "hello\n" * 200, status=75)
    assert result.stderr == ("postdrop: warning: uid=0: File too large\n"
                             "sendmail: warning: mail_stream_cleanup: close error\n"
                             "sendmail: fatal: root(0): message file too big\n")
    assert list((stopped.spool / "maildrop").iterdir()) == []
    stopped.set_main(message_size_limit=10240000)


def test_free_space(stopped):
    stopped.set_main(queue_minfree=10 ** 17)
    result = send(stopped, "u", status=75)
    assert "not enough free space" in result.stderr
    assert result.stderr.endswith("sendmail: fatal: root(0): queue file write error\n")
    assert list((stopped.spool / "maildrop").iterdir()) == []
    stopped.set_main(queue_minfree=0)


# ---- postdrop, and who abuses it ----

ENVELOPE = (record("A", "rewrite_context=local") + record("F", "root") + record("S", "root") +
            record("R", "u@x.example"))
BODY = record("M") + record("N", "Subject: x") + record("N") + record("N", "hi")
END = record("X") + record("E")


def drop(mta, data, *arguments, **more):
    command = [f"{mta.main['command_directory']}/postdrop", "-c", str(mta.etc), "-r", *arguments]
    return subprocess.run(command, input=data, capture_output=True, env=mta.environment, timeout=30, **more)


@pytest.mark.peer
def test_postdrop_protocol(stopped):
    result = drop(stopped, ENVELOPE + BODY + END)
    name = next((stopped.spool / "maildrop").iterdir()).name
    assert result.returncode == 0
    assert result.stdout == (b"protocol\0postdrop_protocol\0queue_id\0" + name.encode() + b"\0\0"
                             b"status\x000\0reason\0\0\0")
    assert [kind for kind, _ in dropped(stopped)] == list("AFSRMNNNXE")


@pytest.mark.peer
@pytest.mark.parametrize("data, text", [
    (record("S", "a") + record("D", "x"), "unexpected record type: 68"),
    (record("T", "1 2") + ENVELOPE + BODY + END, "unexpected record type: 84"),
    (record("C", "1 2 3") + ENVELOPE + BODY + END, "unexpected record type: 67"),
    (record("L", "smtp:") + ENVELOPE + BODY + END, "unexpected record type: 76"),
    (record(">", "r@r") + ENVELOPE + BODY + END, "unexpected record type: 62"),
    (record("I", "smtp:") + ENVELOPE + BODY + END, "unexpected record type: 73"),
    (ENVELOPE + BODY + record("p", "0") + END, "unexpected record type: 112"),
    (ENVELOPE + BODY + record("R", "x") + END, "unexpected record type: 82"),
    (ENVELOPE + BODY + record("X") + record("S", "x") + record("E"), "unexpected record type: 83"),
    (ENVELOPE + BODY + END[:-1], "malformed input"),
    ((ENVELOPE + BODY)[:-1], "malformed input"),
    ((ENVELOPE + BODY)[:-3], "malformed input"),
    (record("S", "a") + b"N\xff\xff\xff\xff\xff\x7f", "malformed input"),
    (record("S", "a" * 3000) + BODY + END, "malformed input"),
])
def test_postdrop_refuses(stopped, data, text):
    result = drop(stopped, data)
    assert result.returncode == 1 and result.stderr.decode().endswith(f"postdrop: fatal: uid=0: {text}\n")
    assert list((stopped.spool / "maildrop").iterdir()) == []


@pytest.mark.peer
@pytest.mark.parametrize("attribute", ["foo=bar", "log_client_name=x", "client_name=x", "sasl_username=x",
                                       "encoding=9bit", "rewrite_context=bogus"])
def test_postdrop_ignores_attributes(stopped, attribute):
    result = drop(stopped, record("A", attribute) + ENVELOPE + BODY + END)
    assert result.returncode == 0
    assert f"postdrop: warning: uid=0: ignoring attribute record: {attribute}\n" in result.stderr.decode()
    assert ("A", attribute) not in dropped(stopped)


@pytest.mark.peer
def test_postdrop_needs_sender_and_recipient(stopped):
    for data in (record("R", "u@x") + BODY + END, record("S", "a") + BODY + END, record("S", "a\0b") + BODY + END):
        result = drop(stopped, data)
        assert result.returncode == 1 and b"status\x001\0" in result.stdout
        empty(stopped)


@pytest.mark.peer
@pytest.mark.parametrize("data", [b"", ENVELOPE, ENVELOPE + BODY, ENVELOPE + BODY + record("X")])
def test_message_that_is_given_up(stopped, data):
    """Between two records: not a mistake, and not a message."""
    result = drop(stopped, data)
    assert result.returncode == 0 and result.stderr == b"" and b"status" not in result.stdout
    assert list((stopped.spool / "maildrop").iterdir()) == []


@pytest.mark.peer
def test_postdrop_usage(stopped):
    result = drop(stopped, b"", "-x")
    assert result.returncode == 1
    assert result.stderr.decode().endswith("postdrop: fatal: usage: postdrop [-c config_dir] [-v]\n")
    assert drop(stopped, b"").returncode == 0 and list((stopped.spool / "maildrop").iterdir()) == []


def is_asleep(pid):
    """It waits for something, which after its first words can only be input."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@pytest.mark.peer
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def test_postdrop_removes_its_file_when_interrupted(stopped, number):
    command = [f"{stopped.main['command_directory']}/postdrop", "-c", str(stopped.etc), "-r"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=stopped.environment)
    assert process.stdout.read(9) == b"protocol\0"
    assert len(list((stopped.spool / "maildrop").iterdir())) == 1
    wait_until(lambda: is_asleep(process.pid), 10, lambda: "it does not wait for input")
    process.send_signal(number)
    process.wait(10)
    process.stdin.close()
    process.stdout.close()
    assert list((stopped.spool / "maildrop").iterdir()) == []


def test_hostile_environment(stopped, directory):
    """Closed and leaked descriptors, limits, umask, timers, working directory, variables: none of it matters."""
    hostile = directory / "hostile"
    hostile.mkdir(mode=0o777)
    (hostile / "main.cf").write_text("queue_directory = /tmp\n")
    sendmail, etc = f"{stopped.main['command_directory']}/sendmail", stopped.etc
    environment = {**stopped.environment, "LD_PRELOAD": "/nonexistent.so", "TZ": "/etc/shadow", "IFS": "x",
                   "MALLOC_TRACE": str(hostile / "trace"), "PATH": str(hostile)}
    for prepare in ("cd $2", "umask 777", "umask 0", "exec 5<$2/main.cf 9>$2/other", "ulimit -n 20", "trap '' HUP TERM"):
        command = f"{prepare}; exec $0 -C $1 u@x.example"
        result = subprocess.run(["/bin/bash", "-c", command, sendmail, str(etc), str(hostile)], input=MESSAGE, text=True,
                                capture_output=True, env=environment, timeout=30)
        assert result.returncode == 0, (prepare, result.stderr)
        assert ("R", "u@x.example") in dropped(stopped), prepare
    result = subprocess.run(["/bin/bash", "-c", "ulimit -f 0; exec $0 -C $1 u", sendmail, str(etc)], input=MESSAGE,
                            text=True, capture_output=True, env=environment)
    assert result.returncode == 75 and list((stopped.spool / "maildrop").iterdir()) == []
    for closed in ("0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"):
        subprocess.run(["/bin/bash", "-c", f"exec $0 -C $1 u {closed}", sendmail, str(etc)], env=environment, timeout=30)
        empty(stopped)


def test_other_configuration_only_when_listed(stopped):
    """A user without rights may not choose what a set-gid command obeys."""
    command = [f"{stopped.main['command_directory']}/postdrop", "-c", str(stopped.etc), "-r"]
    result = subprocess.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command],
                            input=ENVELOPE + BODY + END, capture_output=True, env=stopped.environment)
    assert result.returncode == 1
    # Who is authorized stands in the system's own main.cf; without one nobody is.
    said = b"postdrop: error: unauthorized configuration directory name: "
    assert (said if Path("/etc/postfix/main.cf").exists() else b"postdrop: fatal: open /etc/postfix/main.cf: ") in result.stderr
    assert list((stopped.spool / "maildrop").iterdir()) == []


# ---- pickup ----

@pytest.mark.peer
def test_message_is_picked_up_and_sent(running, sink):
    count = len(sink.messages)
    send(running, "-F", "Jo Doe", "-f", "me@x.example", "-t",
         text="Subject: x\r\nTo: a@far.example, b@far.example\r\nBcc: c@far.example\r\n\r\nhi\r\n")
    message = next_message(sink, count)
    assert sorted(message.recipients) == ["a@far.example", "b@far.example", "c@far.example"]
    queue_id = running.wait_log(r"pickup\[\d+\]: (\w+): uid=0 from=<me@x\.example>$")[1]
    text = message.data.decode()
    assert re.search(rf"Received: by mail\.test\.example \({running.mail_name}, from userid 0\)\r?\n\tid {queue_id}; ", text)
    assert "Bcc" not in text and "From: Jo Doe <me@x.example>" in text and "Message-Id: <" in text and "Date: " in text
    assert "To: a@far.example, b@far.example" in text
    running.wait_log(rf"cleanup\[\d+\]: {queue_id}: message-id=<")
    wait_until(lambda: not running.queue_files("maildrop"), 10)


@pytest.mark.peer
def test_sender_and_headers_are_completed(running, sink):
    count = len(sink.messages)
    send(running, "u1@far.example", text="To: local\n\nx\n")
    message = next_message(sink, count)
    assert message.sender == "root@mail.test.example"
    assert "To: local@mail.test.example" in message.data.decode()


def wake(mta):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(mta.spool / "public/pickup"))
        connection.send(b"W")


TIME = record("T", "1795563187 250281")


def put(mta, name, data, mode=0o744, owner=None):
    path = mta.spool / "maildrop" / name
    path.write_bytes(data)
    path.chmod(mode)
    if owner is not None:
        os.chown(path, owner, -1)
    return path


@pytest.mark.peer
def test_owner_of_the_file_is_logged(running, sink):
    count = len(sink.messages)
    put(running, "AAAA01", TIME + record("A", "rewrite_context=local") + record("S", "root@z.example") +
        record("R", "u@far.example") + BODY + END, owner=1)
    wake(running)
    running.wait_log(r"pickup\[\d+\]: \w+: uid=1 from=<root@z\.example>")
    assert next_message(sink, count).recipients == ["u@far.example"]


@pytest.mark.peer
def test_what_is_no_message_is_not_taken(running, sink):
    count = len(sink.messages)
    whole = TIME + ENVELOPE + BODY + END
    maildrop = running.spool / "maildrop"
    unfinished = put(running, "AAAA02", whole, 0o600)
    link = maildrop / "AAAA03"
    link.symlink_to("/etc/passwd")
    (maildrop / "AAAA04").mkdir()
    os.mkfifo(maildrop / "AAAA05", 0o744)
    wake(running)
    for name in ("AAAA03", "AAAA04", "AAAA05"):
        running.wait_log(rf"pickup\[\d+\]: warning: maildrop/{name}: uid 0: not a regular file")
    assert unfinished.exists() and len(sink.messages) == count
    unfinished.unlink()
    link.unlink()
    (maildrop / "AAAA04").rmdir()
    (maildrop / "AAAA05").unlink()


def test_damaged_files_are_not_delivered(running, sink):
    count = len(sink.messages)
    for name, data in {"BBBB01": b"garbage", "BBBB02": TIME + ENVELOPE + BODY + END[:-2],
                       "BBBB03": TIME + ENVELOPE + record("D", "x") + BODY + END,
                       "BBBB04": TIME + ENVELOPE + BODY + record("p", "0") + END, "BBBB05": b"",
                       "BBBB06": TIME + record("R", "x@far.example") + BODY + END}.items():
        put(running, name, data)
    wake(running)
    running.wait_log(r"pickup\[\d+\]: warning: uid=0: unexpected|maildrop/BBBB03: uid=0: unexpected record type: 68")
    time.sleep(1)
    assert len(sink.messages) == count
    if MTA == "postern":
        assert [path.name for path in running.queue_files("corrupt")] == [f"BBBB0{i}" for i in range(1, 7)]
        assert running.queue_files("maildrop") == []
        for path in running.queue_files("corrupt"):
            path.unlink()
    else:
        empty(running)


def test_hard_link_is_left_alone(running, sink, directory):
    """Who links another's file into the queue does not get it sent, nor removed."""
    count = len(sink.messages)
    path = put(running, "CCCC01", TIME + ENVELOPE + BODY + END)
    other = running.directory / "other"
    os.link(path, other)
    wake(running)
    running.wait_log(r"warning: maildrop/CCCC01: uid 0: file has 2 links")
    assert path.exists() and len(sink.messages) == count
    path.unlink()
    other.unlink()


@pytest.mark.peer
def test_attributes_of_others_are_not_believed(running, sink):
    count = len(sink.messages)
    put(running, "DDDD01", TIME + record("A", "rewrite_context=local") + record("A", "client_name=evil") +
        record("S", "s@z.example") + record("R", "attributes@far.example") + BODY + END)
    wake(running)
    message = next_message(sink, count)
    assert message.recipients == ["attributes@far.example"]
    assert "evil" not in running.log()


@pytest.mark.peer
def test_kept_while_the_system_is_down(make_instance, sink):
    mta = make_instance({"relayhost": sink.nexthop})
    mta.start()
    mta.stop()
    count = len(sink.messages)
    for i in range(5):
        send(mta, f"down{i}@far.example")
    assert len(mta.queue_files("maildrop")) == 5
    listing = mta.run("mailq").stdout
    assert "-- 0 Kbytes in 5 Requests." in listing
    mta.start()
    sink.wait_for(count + 5)
    wait_until(mta.queue_is_empty, 15)


@pytest.mark.peer
def test_what_is_refused_is_returned(make_instance, sink, directory):
    checks = directory / "checks"
    checks.write_text("/^Subject: bad/ REJECT no bads\n")
    mta = make_instance({"relayhost": sink.nexthop, "header_checks": f"regexp:{checks}"})
    mta.start()
    count = len(sink.messages)
    send(mta, "-f", "me@far.example", "u1@far.example", text="Subject: bad\n\nx\n")
    message = next_message(sink, count)
    assert message.sender == "" and message.recipients == ["me@far.example"]
    assert "Subject: Undelivered Mail Returned to Sender" in message.data.decode() and "no bads" in message.data.decode()
    mta.wait_log(r"to=<u1@far\.example>, relay=none, .*, dsn=5\.7\.1, status=bounced \(no bads\)")
    wait_until(mta.queue_is_empty, 15)


@pytest.mark.peer
def test_verification_report(make_instance, make_sink):
    """sendmail -bv: no message goes out but the report."""
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "550 5.1.1 nobody", match="bad@"))
    mta = make_instance({"relayhost": sink.nexthop, "defer_transports": "discard",
                         "transport_maps": "inline:{{later.example=discard:}}"})
    mta.start()
    send(mta, "-f", "me@far.example", "-bv", "good@far.example", "bad@far.example", "u@later.example")
    report = next_message(sink, 0)
    assert report.sender == "" and report.recipients == ["me@far.example"]
    text = report.data.decode()
    assert "Subject: Mail Delivery Status Report" in text
    for recipient, action in (("good@far.example", "deliverable"), ("bad@far.example", "undeliverable"),
                              ("u@later.example", "undeliverable")):
        assert re.search(rf"Final-Recipient: rfc822; {recipient}\r?\n.*\r?\nAction: {action}\r?\n", text), text
        mta.wait_log(rf"to=<{recipient}>, .*status={action} ")
    wait_until(mta.queue_is_empty, 15)
    assert len(sink.messages) == 1


@pytest.mark.peer
def test_report_of_the_first_try(make_instance, make_sink):
    """sendmail -v: the message, and one report, however often it is tried."""
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "450 4.2.0 later", match="slow@", times=2))
    mta = make_instance({"relayhost": sink.nexthop})
    mta.start()
    send(mta, "-f", "me@there.example", "-v", "slow@far.example")
    report = next_message(sink, 0)
    assert report.recipients == ["me@there.example"]
    assert re.search(r"Final-Recipient: rfc822; slow@far.example\r?\n.*\r?\nAction: delayed\r?\n", report.data.decode())
    for _ in range(2):
        wait_until(lambda: mta.queue_files("deferred"), 15)
        mta.run("postqueue", "-f")
        time.sleep(2)
    sink.wait_for(2)
    wait_until(mta.queue_is_empty, 15)
    assert [m.recipients for m in sink.messages] == [["me@there.example"], ["slow@far.example"]]


def test_many_at_once(make_instance, sink):
    mta = make_instance({"relayhost": sink.nexthop})
    mta.postfix("check", check=True)
    count = len(sink.messages)
    for i in range(100):
        put(mta, f"{i:05X}F00", TIME + record("S", "s@z.example") + record("R", f"m{i}@far.example") + BODY + END)
    mta.start()
    sink.wait_for(count + 100, timeout=30)
    wait_until(mta.queue_is_empty, 15)
    assert len({m.recipients[0] for m in sink.messages[count:]}) == 100


def test_as_ordinary_user(make_instance, sink):
    mta = make_instance({"relayhost": sink.nexthop}, user="daemon")
    mta.start()
    count = len(sink.messages)
    result = send(mta, "u@far.example")
    assert result.stderr == ""
    assert next_message(sink, count).sender == "daemon@mail.test.example"
    mta.wait_log(rf"uid={pwd.getpwnam('daemon').pw_uid} from=<daemon>")
