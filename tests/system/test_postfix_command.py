"""What postfix(1) does, ours and Postfix's own alike."""
import grp
import os
import pwd
import re
import signal
import subprocess

import pytest

from harness.instance import MTA
from harness.smtp_sink import Rule
from harness.waiting import wait_until

pytestmark = pytest.mark.peer

SMTPD_ALONE = """
127.0.0.1:{port} inet n - n - - smtpd
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""


@pytest.fixture
def mta(make_instance):
    return make_instance({"smtpd_peername_lookup": "no", "service_throttle_time": "2s"}, SMTPD_ALONE)


def test_life(mta):
    assert mta.postfix("status").returncode == 1
    assert mta.postfix("start").returncode == 0
    assert mta.postfix("status").returncode == 0
    with mta.smtp() as client:
        client.ehlo()
        client.quit()
    assert mta.postfix("stop").returncode == 0
    assert mta.postfix("status").returncode == 1
    for pattern in (r"postfix/postfix-script\[\d+\]: the Postfix mail system is not running",
                    r"postfix/postfix-script\[\d+\]: starting the Postfix mail system",
                    rf"postfix/master\[\d+\]: daemon started -- version 3\.\S+, configuration {mta.etc}",
                    r"postfix/postfix-script\[\d+\]: the Postfix mail system is running: PID: \d+",
                    r"postfix/postfix-script\[\d+\]: stopping the Postfix mail system"):
        mta.wait_log(pattern)


def test_second_start_is_refused(mta):
    mta.expected_errors.append("already running")
    mta.start()
    assert mta.postfix("start").returncode == 1
    mta.wait_log(r"postfix-script\[\d+\]: fatal: the Postfix mail system is already running")


@pytest.mark.parametrize("command", ["stop", "abort", "reload"])
def test_commands_need_a_running_system(mta, command):
    mta.expected_errors.append("not running")
    assert mta.postfix(command).returncode == 1
    mta.wait_log(r"postfix-script\[\d+\]: fatal: the Postfix mail system is not running")


def test_stale_pid_file(mta):
    mta.postfix("check", check=True)
    (mta.spool / "pid/master.pid").write_text(f"{os.getpid():>32}\n")
    mta.start()
    assert re.fullmatch(r" *\d+\n", (mta.spool / "pid/master.pid").read_text())
    assert len((mta.spool / "pid/master.pid").read_text()) == 33


def test_killed_service_is_replaced(mta):
    mta.start()
    with mta.smtp() as client:
        pids = mta.processes("smtpd")
        assert len(pids) == 1
        os.kill(pids[0], signal.SIGKILL)
        assert client.at_end()
    mta.wait_log(rf"master\[\d+\]: warning: process \S+/smtpd pid {pids[0]} killed by signal 9")
    with mta.smtp() as client:
        client.ehlo()


def test_service_that_does_not_start_is_throttled(mta):
    mta.expected_errors.append("smtpd_timeout")
    mta.set_master(["127.0.0.1:{port} inet n - n - - smtpd -o smtpd_timeout=soon",
                    "postlog unix-dgram n - n - 1 postlogd"])
    mta.start()
    mta.smtp(greeting=None)
    mta.wait_log(r"warning: process \S+/smtpd pid \d+ exit status 1")
    mta.wait_log(r"warning: \S+/smtpd: bad command startup -- throttling")


def test_reload_cuts_no_session(mta):
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        mta.set_main(smtpd_banner="$myhostname after")
        mta.reload()
        mta.wait_log(rf"master\[{mta.pid}\]: reload -- version 3\.\S+, configuration {mta.etc}")

        def new_banner():
            with mta.smtp() as other:
                return other.greeting.text.endswith(" after")
        wait_until(new_banner, what="the new banner")
        client.command("NOOP", 250)
        client.quit()


def test_queue_directories(mta):
    mta.postfix("check", check=True)
    owner = mta.main["mail_owner"]
    for name in ("incoming", "active", "deferred", "bounce", "defer", "trace", "corrupt", "hold", "saved", "flush",
                 "private"):
        status = (mta.spool / name).stat()
        assert (oct(status.st_mode & 0o777), (mta.spool / name).owner()) == ("0o700", owner), name
    assert (mta.spool / "maildrop").stat().st_mode & 0o777 == 0o730
    assert (mta.spool / "public").stat().st_mode & 0o777 == 0o710
    assert (mta.spool / "pid").stat().st_mode & 0o777 == 0o755


def test_logrotate(mta):
    mta.start()
    mta.wait_log("daemon started")
    mta.postfix("logrotate", check=True)
    rotated = list(mta.directory.glob("mail.log.*.gz"))
    assert len(rotated) == 1
    assert re.fullmatch(r"mail\.log\.\d{8}-\d{6}\.gz", rotated[0].name)
    with mta.smtp() as client:
        client.quit()
    mta.wait_log("smtpd.*: connect from")
    assert "daemon started" not in mta.log()


def test_log_line_form(mta):
    mta.start()
    with mta.smtp() as client:
        client.quit()
    mta.wait_log(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ postfix/smtpd\[\d+\]: connect from unknown\[127.0.0.1\]$")
    assert (mta.log_path.stat().st_mode & 0o777) in (0o600, 0o644)


def test_options_and_words(mta):
    """-v and -D change nothing of what is done; what is no command or option is refused."""
    mta.expected_errors.append("unknown command")
    for options in (["-v"], ["-vv"], ["-D"]):
        assert mta.postfix(*options, "status").returncode == 1
    for arguments in ([], ["bogus"], ["-x"], ["-c"]):
        assert mta.postfix(*arguments).returncode == 1, arguments
    assert mta.postfix("-v", "start").returncode == 0
    assert mta.postfix("-v", "status").returncode == 0
    assert mta.postfix("-v", "reload").returncode == 0
    assert mta.postfix("-v", "stop").returncode == 0
    assert mta.postfix("status").returncode == 1


def test_start_in_the_foreground(mta):
    command = [f"{mta.main['command_directory']}/postfix", "-c", str(mta.etc), "start-fg"]
    process = subprocess.Popen(command, env=mta.environment, cwd="/", stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: mta.pid, what="master")
        assert MTA == "postfix" or mta.pid == process.pid  # Postfix has a script in between
        with mta.smtp() as client:
            client.ehlo()
        assert process.poll() is None
        mta.stop()
        assert process.wait(10) == (143 if MTA == "postfix" else 0)  # its script is killed
    finally:
        process.kill()
        process.wait()


def test_abort(mta):
    mta.start()
    assert mta.postfix("abort").returncode == 0
    wait_until(lambda: not mta.processes(), 10, lambda: f"left: {mta.processes()}")


def test_flush(make_instance, make_sink):
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "450 4.2.0 later", times=1))
    mta = make_instance({"relayhost": sink.nexthop})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        client.transaction("a@x.example", ["b@y.example"])
    wait_until(lambda: mta.queue_files("deferred"), what="deferred mail")
    assert mta.postfix("flush").returncode == 0
    assert sink.wait_for(1)[0].recipients == ["b@y.example"]


@pytest.mark.root
def test_set_permissions(mta):
    """Debian's needs files of its documentation to say that it worked."""
    mta.postfix("check", check=True)
    wanted = {name: (mta.spool / name).stat() for name in ("active", "hold", "public")}
    (mta.spool / "active").chmod(0o755)
    (mta.spool / "public").chmod(0o700)
    os.chown(mta.spool / "hold", 0, 0)
    done = mta.postfix("set-permissions")
    assert MTA == "postfix" or done.returncode == 0
    for name, before in wanted.items():
        now = (mta.spool / name).stat()
        assert (now.st_uid, now.st_mode & 0o777) == (before.st_uid, before.st_mode & 0o777), name


def test_upgrade_configuration(mta):
    assert mta.postfix("upgrade-configuration").returncode == 0
    assert mta.run("postconf", "-h", "myhostname").stdout == "mail.test.example\n"
    assert mta.postfix("check").returncode == 0


@pytest.mark.root
@pytest.mark.skipif(MTA == "postfix", reason="Debian's leaves off halfway without its documentation")
def test_set_permissions_for_another_owner(mta):
    mta.expected_errors += ["no such user", "attribute name"]
    mta.postfix("check", check=True)
    before = (mta.etc / "main.cf").read_text()
    for word in ("bogus", "=x", "mail_owner=no-such-user"):
        assert mta.postfix("set-permissions", word).returncode == 1
        assert (mta.etc / "main.cf").read_text() == before
    assert mta.postfix("set-permissions", "mail_owner=nobody", "setgid_group=nogroup").returncode == 0
    assert (mta.spool / "active").stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert (mta.spool / "maildrop").stat().st_gid == grp.getgrnam("nogroup").gr_gid
    assert mta.run("postconf", "-h", "mail_owner", "setgid_group").stdout == "nobody\nnogroup\n"
    assert mta.postfix("upgrade-configuration", "mail_owner=postfix", "setgid_group=postdrop").returncode == 0
    assert (mta.etc / "main.cf").read_text() == before
