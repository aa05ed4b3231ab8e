"""sendmail, and what it leaves in maildrop."""
import subprocess

import pytest

from harness.maildrop import MESSAGE, dropped, empty, in_maildrop, sendmail, stopped_instance
from harness.waiting import wait_until

pytestmark = pytest.mark.root
DOWN = "postdrop: warning: unable to look up public/pickup: No such file or directory\n"


@pytest.fixture(scope="module")
def stopped(module_instance):
    return stopped_instance(module_instance)


def of(found, kinds):
    return [r for r in found if r[0] in kinds]


@pytest.mark.peer
def test_message_goes_to_maildrop_when_the_system_is_down(stopped):
    result = sendmail(stopped, "u1@x.example", "u2@x.example")
    assert result.stderr == DOWN and result.stdout == ""
    assert dropped(stopped) == [
        ("A", "rewrite_context=local"), ("F", "root"), ("S", "root"), ("R", "u1@x.example"), ("R", "u2@x.example"),
        ("M", ""), ("N", "Subject: hello"), ("N", "To: there@far.example"), ("N", ""), ("N", "body"), ("X", ""),
        ("E", "")]


@pytest.mark.peer
def test_envelope_options(stopped):
    sendmail(stopped, "-f", "me@here", "-F", "Full Name", "-N", "success,delay", "-R", "hdrs", "-V", "env+id", "-B",
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
    (["-V", "7", "u"], ("A", "envelope_id=7")),
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
    sendmail(stopped, *arguments)
    assert expected in dropped(stopped)


@pytest.mark.peer
@pytest.mark.parametrize("arguments", [
    "-i", "-oi", "-oem", "-odq", "-em", "-U", "-G", "-m", "-h5", "-h 5", "-L label", "-Am", "-Ac", "-o x", "-oX", "-o7",
    "-O foo=bar", "-p foo", "-c", "-x", "-om", "-bm", "-FCronDaemon -i -B8BITMIME -oem", "-N never", "-R hdrs",
    "-oi -f a@b -F x",
])
def test_accepted_options(stopped, arguments):
    assert sendmail(stopped, *arguments.split(), "u").stderr == DOWN
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
    assert sendmail(stopped, *arguments, status=75).stderr == f"sendmail: fatal: {text}\n"
    assert in_maildrop(stopped) == []


@pytest.mark.peer
@pytest.mark.parametrize("option", ["-Q", "-d", "-J", "-k", "-a", "-7", "-f"])
def test_unknown_option(stopped, option):
    assert sendmail(stopped, option, status=75).stderr.endswith("sendmail: fatal: usage: sendmail [options]\n")


@pytest.mark.peer
@pytest.mark.parametrize("arguments, warning", [
    (["-N", "bogus"], 'unknown DSN NOTIFY command value "bogus" in "bogus"\nsendmail: warning: bad -N option value -- ignored'),
    (["-N", "never,success"], "bad -N option value -- ignored"),
    (["-R", "foo"], "bad -R option value -- ignored"),
    (["-V", ""], "bad syntax in -V option value -- ignored"),
    (["-V+="], "option -V+= is deprecated with Postfix 2.3; specify -XV+= instead"),
    (["-f", "a@b,c@d"], "-f option specified malformed sender: a@b,c@d"),
])
def test_warnings(stopped, arguments, warning):
    assert sendmail(stopped, *arguments, "u").stderr == f"sendmail: warning: {warning}\n{DOWN}"
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
    sendmail(stopped, *arguments, "u", text=text)
    assert [data for kind, data in dropped(stopped) if kind == "N"] == expected


@pytest.mark.peer
def test_long_lines_are_cut_into_records(stopped):
    sendmail(stopped, "u", text="Subject: x\n\n" + "y" * 5000 + "\nend")
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
    sendmail(stopped, "-t", text=text)
    found = dropped(stopped)
    assert [data for kind, data in found if kind == "R"] == expected
    assert found.index(("X", "")) < found.index(("R", expected[0]))
    sendmail(stopped, "-t", "extra@x", text=text)
    assert [data for kind, data in dropped(stopped) if kind == "R"] == ["extra@x", *expected]


@pytest.mark.peer
@pytest.mark.parametrize("text", ["", "Subject: foo\n", "\nTo: b\n", " To: a\nTo: b\n"])
def test_no_recipients_in_the_header(stopped, text):
    result = sendmail(stopped, "-t", text=text, status=75)
    assert result.stderr == "sendmail: fatal: root(0): No recipient addresses found in message header\n"


@pytest.mark.peer
def test_verification_request(stopped):
    result = sendmail(stopped, "-bv", "u1@x.example", "u2")
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
        sendmail(stopped, "u", text="a\nb\r\n")
        assert [data for kind, data in dropped(stopped) if kind == "N"] == expected
    stopped.set_main(sendmail_fix_line_endings="strict")
    sendmail(stopped, "u", text="a\r\nb\r\n")
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
    result = sendmail(stopped, "u", status=75)
    assert result.stderr == "sendmail: fatal: User root(0) is not allowed to submit mail\n"
    stopped.set_main(authorized_submit_users="static:anyone", local_login_sender_maps="inline:{{root=me @good.example}}")
    assert sendmail(stopped, "u", status=75).stderr == \
        "sendmail: fatal: root(0): not authorized to use sender='root'\n"
    empty(stopped)
    for sender in ("me", "any@good.example"):
        sendmail(stopped, "-f", sender, "u")
        empty(stopped)
    stopped.set_main(local_login_sender_maps="static:*")


@pytest.mark.peer
def test_size_limit(stopped):
    stopped.set_main(message_size_limit=500)
    result = sendmail(stopped, "u", text="Subject: x\n\n" + "hello\n" * 200, status=75)
    assert result.stderr == ("postdrop: warning: uid=0: File too large\n"
                             "sendmail: warning: mail_stream_cleanup: close error\n"
                             "sendmail: fatal: root(0): message file too big\n")
    assert in_maildrop(stopped) == []
    stopped.set_main(message_size_limit=10240000)


def test_free_space(stopped):
    stopped.set_main(queue_minfree=10 ** 17)
    result = sendmail(stopped, "u", status=75)
    assert "not enough free space" in result.stderr
    assert result.stderr.endswith("sendmail: fatal: root(0): queue file write error\n")
    assert in_maildrop(stopped) == []
    stopped.set_main(queue_minfree=0)


def test_hostile_environment(stopped, directory):
    """Closed and leaked descriptors, limits, umask, timers, working directory, variables: none of it matters."""
    hostile = directory / "hostile"
    hostile.mkdir(mode=0o777)
    (hostile / "main.cf").write_text("queue_directory = /tmp\n")
    program, etc = f"{stopped.main['command_directory']}/sendmail", stopped.etc
    environment = {**stopped.environment, "LD_PRELOAD": "/nonexistent.so", "TZ": "/etc/shadow", "IFS": "x",
                   "MALLOC_TRACE": str(hostile / "trace"), "PATH": str(hostile)}
    for prepare in ("cd $2", "umask 777", "umask 0", "exec 5<$2/main.cf 9>$2/other", "ulimit -n 20", "trap '' HUP TERM"):
        command = f"{prepare}; exec $0 -C $1 u@x.example"
        result = subprocess.run(["/bin/bash", "-c", command, program, str(etc), str(hostile)], input=MESSAGE, text=True,
                                capture_output=True, env=environment, timeout=30)
        assert result.returncode == 0, (prepare, result.stderr)
        assert ("R", "u@x.example") in dropped(stopped), prepare
    result = subprocess.run(["/bin/bash", "-c", "ulimit -f 0; exec $0 -C $1 u", program, str(etc)], input=MESSAGE,
                            text=True, capture_output=True, env=environment)
    assert result.returncode == 75 and in_maildrop(stopped) == []
    for closed in ("0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"):
        subprocess.run(["/bin/bash", "-c", f"exec $0 -C $1 u {closed}", program, str(etc)], env=environment, timeout=30)
        empty(stopped)
