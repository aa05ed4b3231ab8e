"""postlogd and how services reach it."""
import os
import signal
import socket

import pytest

from harness.waiting import wait_until

POSTLOG = "postlog unix-dgram n - n - 1 postlogd"
WOKEN = "woken unix n - n 1 1 echo-trigger"


@pytest.fixture
def mta(make_instance):
    return make_instance({}, [WOKEN, POSTLOG])


def send_line(mta, line):
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.connect(str(mta.spool / "public/postlog"))
    sender.send(line)
    sender.close()


def test_a_datagram_is_a_line(mta):
    mta.start()
    send_line(mta, b"Jan  1 00:00:00 host postfix/x[1]: first")
    send_line(mta, b"Jan  1 00:00:00 host postfix/x[1]: second\n")
    mta.wait_log("^Jan  1 00:00:00 host postfix/x\\[1\\]: first$(.|\n)*^Jan  1 00:00:00 host postfix/x\\[1\\]: second$")
    assert "\n\n" not in mta.log()


def test_nobody_forges_a_second_line(mta):
    mta.start()
    send_line(mta, b"evil\nJan  1 00:00:00 forged\0\x1b[2Jend " + "é".encode() + b"\xff")
    mta.wait_log(r"^evil\?Jan  1 00:00:00 forged\?\?\[2Jend é?")
    send_line(mta, b"x" * 60000)
    mta.wait_log("^x{3000}")
    assert max(len(line) for line in mta.log().splitlines()) < 5000


def test_permissions_of_the_file(mta):
    mta.set_main(maillog_file_permissions="0644")
    mta.postfix("check", check=True)
    assert not mta.log_path.exists()
    mta.run("../libexec/master", "-w", check=True)
    mta.wait_log("daemon started")
    assert mta.log_path.stat().st_mode & 0o777 == 0o644


def test_a_renamed_file_is_begun_anew_at_reload(mta):
    mta.start()
    mta.wait_log("daemon started")
    mta.log_path.rename(mta.directory / "old.log")
    mta.reload()
    mta.wait_log("reload -- version|woken with W")


def test_file_outside_the_prefixes_is_not_written(mta):
    outside = mta.directory / "outside.log"
    mta.set_main(maillog_file=outside, maillog_file_prefixes="/var, /dev/stdout")
    assert mta.postfix("start").returncode == 0
    send_line(mta, b"Jan  1 00:00:00 host postfix/x[1]: to be lost")
    wait_until(lambda: mta.processes("postlogd"), what="postlogd runs")
    mta.stop()
    assert not outside.exists()


def test_killed_postlogd_comes_back(mta):
    mta.start()
    mta.wait_log("woken with W")
    pid = wait_until(lambda: mta.processes("postlogd"), what="postlogd runs")[0]
    os.kill(pid, signal.SIGKILL)
    mta.wait_log(rf"warning: process \S+/postlogd pid {pid} killed by signal 9")
    count = mta.log().count("woken with W")
    wait_until(lambda: mta.log().count("woken with W") > count, what="more lines")


def test_a_stopped_postlogd_holds_nobody_up(mta):
    mta.start()
    pid = wait_until(lambda: mta.processes("postlogd"), what="postlogd runs")[0]
    os.kill(pid, signal.SIGSTOP)
    for _ in range(15):
        trigger = socket.socket(socket.AF_UNIX)
        trigger.settimeout(5)
        trigger.connect(str(mta.spool / "public/woken"))
        trigger.send(b"X")
        trigger.close()
    mta.reload()
    os.kill(pid, signal.SIGCONT)
    mta.wait_log("woken with X")
    assert mta.pid


@pytest.mark.root
def test_a_chrooted_service_logs_to_the_file(make_instance):
    mta = make_instance({}, ["woken unix n - y 1 1 echo-trigger", POSTLOG])
    mta.start()
    mta.wait_log("postfix/echo-trigger.*woken with W")


def test_a_burst_is_written_completely(make_instance):
    mta = make_instance({}, [f"w{i} unix n - n 1 1 echo-trigger" for i in range(30)] + [POSTLOG])
    mta.start()
    wait_until(lambda: all(f"w{i}: woken with W" in mta.log() for i in range(30)), what="a line of each service")
