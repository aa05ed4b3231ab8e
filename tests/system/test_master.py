"""master and postfix(1): starting, watching, restarting, reloading, stopping. The services are stand-ins."""
import os
import pwd
import re
import signal
import socket
import subprocess
import time

import pytest

from harness.echo import Line, POSTLOG, connect, echo  # noqa: F401
from harness.waiting import free_port, wait_until


# ---- start, stop, status ----

def test_start_status_stop(echo, connect):
    mta = echo(start=False)
    result = mta.postfix("status")
    assert result.returncode == 1
    assert "postfix/postfix-script: the Postfix mail system is not running" in result.stderr
    assert mta.postfix("start").stderr == "postfix/postfix-script: starting the Postfix mail system\n"
    assert connect(mta.port).say("hello") == "hello"
    assert f"the Postfix mail system is running: PID: {mta.pid}" in mta.postfix("status", check=True).stderr
    mta.wait_log(r"postfix/postfix-script\[\d+\]: starting the Postfix mail system")
    mta.wait_log(r"postfix/master\[\d+\]: daemon started -- version 3\.\S+, configuration " + str(mta.etc))
    assert mta.postfix("stop").stderr == "postfix/postfix-script: stopping the Postfix mail system\n"
    assert mta.processes() == {}
    mta.wait_log(r"postfix/master\[\d+\]: terminating on signal 15")
    assert mta.postfix("status").returncode == 1


def test_second_start_is_refused(echo):
    mta = echo()
    mta.expected_errors.append("already running|exclusive lock")
    result = mta.postfix("start")
    assert (result.returncode, result.stderr) == (
        1, "postfix/postfix-script: fatal: the Postfix mail system is already running\n")
    pid = mta.pid
    refused = mta.run("../libexec/master")
    assert refused.returncode == 1 and "unable to set exclusive lock" in refused.stderr
    assert mta.pid == pid


@pytest.mark.parametrize("command", ["stop", "abort", "reload"])
def test_commands_without_master(echo, command):
    mta = echo(start=False)
    mta.expected_errors.append("not running")
    result = mta.postfix(command)
    assert (result.returncode, result.stderr) == (
        1, "postfix/postfix-script: fatal: the Postfix mail system is not running\n")


def test_unknown_command(echo):
    mta = echo(start=False)
    mta.expected_errors.append("unknown command")
    result = mta.postfix("foo")
    assert result.returncode == 1
    assert result.stderr.startswith("postfix/postfix-script: fatal: unknown command: 'foo'. Usage: postfix start (or")


def test_pid_file_is_padded(echo):
    mta = echo()
    assert re.fullmatch(rb" +%d\n" % mta.pid, (mta.spool / "pid/master.pid").read_bytes())
    assert len((mta.spool / "pid/master.pid").read_bytes()) == 33


def test_stale_pid_file_is_no_obstacle(echo):
    mta = echo(start=False)
    (mta.spool / "pid").mkdir(parents=True)
    (mta.spool / "pid/master.pid").write_text(f"{os.getpid():>32}\n")
    assert mta.postfix("status").returncode == 1
    mta.start()
    assert mta.pid != os.getpid()


def test_master_dash_t(echo):
    mta = echo(start=False)
    assert mta.run("../libexec/master", "-t").returncode == 0
    mta.start()
    assert mta.run("../libexec/master", "-t").returncode == 1


def test_stop_ends_a_service_that_hangs(echo, connect):
    mta = echo()
    line = connect(mta.port)
    line.socket.sendall(b"hang\n")
    os.kill(line.pid, signal.SIGSTOP)
    mta.stop()
    assert mta.processes() == {}


def test_services_end_with_master(echo, connect):
    mta = echo()
    connect(mta.port)
    os.kill(mta.pid, signal.SIGKILL)
    wait_until(lambda: not mta.processes(), what="services end")


def test_start_fg_ends_with_its_services(echo, connect):
    mta = echo(start=False)
    command = mta.as_user([f"{mta.main['command_directory']}/postfix", "-c", str(mta.etc), "start-fg"])
    running = subprocess.Popen(command, env=mta.environment, stderr=subprocess.DEVNULL)
    wait_until(lambda: mta.pid, what="master runs")
    mta.wait_log("daemon started")
    assert mta.pid == running.pid
    connect(mta.port)
    running.terminate()
    assert running.wait(10) == 0
    assert mta.processes() == {}


def test_log_to_stdout(echo, connect):
    mta = echo(start=False, maillog_file="/dev/stdout", maillog_file_prefixes="/dev/stdout")
    command = mta.as_user([f"{mta.main['command_directory']}/postfix", "-c", str(mta.etc), "start-fg"])
    with open(mta.directory / "out", "wb") as out:
        running = subprocess.Popen(command, env=mta.environment, stdout=out, stderr=subprocess.DEVNULL)
    wait_until(lambda: "daemon started" in (mta.directory / "out").read_text(), what="a line on stdout")
    running.send_signal(signal.SIGINT)
    assert running.wait(10) == 0
    assert "terminating on signal 2" in (mta.directory / "out").read_text()


def test_two_instances_side_by_side(echo, connect):
    one, other = echo(), echo()
    assert connect(one.port).pid != connect(other.port).pid
    one.stop()
    assert connect(other.port).say("still here") == "still here"


# ---- processes ----

def test_service_is_restarted_after_kill(echo, connect):
    mta = echo()
    first = connect(mta.port)
    os.kill(first.pid, signal.SIGKILL)
    assert connect(mta.port).pid != first.pid
    mta.wait_log(rf"warning: process \S+/echo pid {first.pid} killed by signal 9")


def test_exit_status_is_logged(echo, connect):
    mta = echo()
    line = connect(mta.port)
    line.say("exit 3")
    mta.wait_log(rf"warning: process \S+/echo pid {line.pid} exit status 3")


def test_failing_service_is_throttled_while_others_run(echo, connect):
    mta = echo("fails unix n - n - - echo -o echo_fails=yes", service_throttle_time="2s")
    mta.expected_errors.append("echo_fails")
    failing = Line(mta.spool / "public/fails")
    mta.wait_log(r"warning: \S+/echo: bad command startup -- throttling")
    assert connect(mta.port).say("fine") == "fine"
    time.sleep(1)
    assert mta.log().count("echo_fails = yes") == 1
    wait_until(lambda: mta.log().count("echo_fails = yes") == 2, 5, "another try after service_throttle_time")
    failing.close()


def test_service_that_keeps_crashing_is_throttled(echo, connect):
    mta = echo()
    for _ in range(5):
        connect(mta.port).say("abort")
    mta.wait_log(r"killed by signal 6(.|\n)*throttling")


def test_stuck_service_is_ended(echo, connect):
    mta = echo(daemon_timeout="1s")
    line = connect(mta.port)
    line.socket.sendall(b"hang\n")
    mta.wait_log(rf"warning: process \S+/echo pid {line.pid} killed by signal 14")
    assert connect(mta.port).say("on") == "on"


def test_service_with_a_wakeup_is_restarted_at_once(echo):
    mta = echo("woken unix n - n 300 1 echo-trigger")
    mta.wait_log("woken with W")
    for times in range(2, 10):
        os.kill(wait_until(lambda: mta.processes("echo-trigger"), what="it runs")[0], signal.SIGKILL)
        wait_until(lambda: mta.log().count("woken with W") == times, what="it runs again")


def test_program_that_does_not_exist_is_one_warning(echo, connect):
    mta = echo("one unix - - n - - nosuch", "two unix - - n - - nosuch", "scache unix - - n - 1 scache",
               "tlsproxy unix - - n - 0 tlsproxy")
    connect(mta.port)
    mta.wait_log("daemon started")
    lines = [line for line in mta.log().splitlines() if "nosuch" in line]
    assert len(lines) == 1
    assert lines[0].endswith("libexec/nosuch: no such program: not started: one/unix, two/unix")
    assert "scache" not in mta.log() and "tlsproxy" not in mta.log()
    assert list((mta.spool / "private").iterdir()) == []


def test_sessions_of_a_service_share_a_process(echo, connect):
    mta = echo(service="127.0.0.1:{port} inet n - n - 50 echo")
    assert len({connect(mta.port).pid for _ in range(20)}) == 1
    assert connect(mta.port).about["limit"] == "50"


def test_one_session_a_process_when_told(echo, connect):
    mta = echo(service="127.0.0.1:{port} inet n - n - 3 echo", sessions_per_process=1)
    lines = [connect(mta.port) for _ in range(3)]
    assert len({line.pid for line in lines}) == 3
    assert {line.about["limit"] for line in lines} == {"1"}


def test_stress_at_the_process_limit(echo, connect):
    mta = echo(service="127.0.0.1:{port} inet n - n - 2 echo")
    lines = [connect(mta.port), connect(mta.port)]
    assert {line.about["stress"] for line in lines} == {""}
    mta.wait_log(r'warning: service "127\.0\.0\.1:%d" \(\S+\) has reached its process limit "2": '
                 "new clients may experience noticeable delays" % mta.port)
    under_stress = connect(mta.port)
    assert under_stress.about["stress"] == "yes"
    assert lines[0].say("not cut") == "not cut"


def test_process_leaves_when_idle_and_after_max_use(echo, connect):
    mta = echo(max_idle="1s", service="127.0.0.1:{port} inet n - n - 100 echo -o max_use=1")  # all sessions in one process
    line = connect(mta.port)
    line.close()
    wait_until(lambda: not mta.processes("echo"), what="the idle process ends")
    assert "has reached its process limit" not in mta.log()
    mta.stop()
    mta.set_main(max_idle="100s")
    mta.set_master(["127.0.0.1:{port} inet n - n - 2 echo -o max_use=3", POSTLOG])
    mta.start()
    pids = set()
    for _ in range(9):
        line = connect(mta.port)
        pids.add(line.pid)
        line.close()
    assert len(pids) > 1


# ---- kinds of sockets, wakeups ----

def test_kinds_of_sockets(echo, connect):
    mta = echo("hidden unix - - n - - echo", "shown unix n - n - - echo", "handed pass n - n - - echo",
               "old fifo n - n - 1 echo-trigger", "{port2} inet n - n - - echo".replace("{port2}", str(free_port())))
    assert connect(mta.spool / "private/hidden").about["name"] == "hidden"
    assert connect(mta.spool / "public/shown").about["name"] == "shown"
    assert connect(mta.spool / "public/handed").about["name"] == "handed"
    with open(mta.spool / "public/old", "wb", buffering=0) as fifo:
        fifo.write(b"X")
    mta.wait_log("old: woken with X")
    for path in ("private/hidden", "public/shown"):
        assert (mta.spool / path).stat().st_mode & 0o777 == 0o666
        assert (mta.spool / path).owner() == mta.main["mail_owner"]


def test_wakeup(echo):
    mta = echo("woken unix n - n 1 1 echo-trigger", "asleep unix n - n 1? 1 echo-trigger")
    wait_until(lambda: mta.log().count("woken: woken with W") >= 2, what="two wakeups")
    assert "asleep: woken" not in mta.log()
    line = socket.socket(socket.AF_UNIX)
    line.connect(str(mta.spool / "public/asleep"))
    line.send(b"X")
    line.close()
    mta.wait_log("asleep: woken with W")


def test_braces_and_spaces_in_arguments(echo, connect):
    mta = echo(service="127.0.0.1:{port} inet n - n - - echo -o { myorigin = two  words } -o mydomain=d.example")
    assert connect(mta.port).say("get myorigin") == "two  words"
    assert connect(mta.port).say("get mydomain") == "d.example"


# ---- reload ----

def test_reload_cuts_no_session(echo, connect):
    mta = echo(myorigin="before.example")
    old = connect(mta.port)
    mta.set_main(myorigin="after.example")
    mta.reload()
    mta.wait_log("reload -- version")
    new = connect(mta.port)
    while new.pid == old.pid:  # until the old one has heard of the reload
        new.close()
        new = connect(mta.port)
    assert new.say("get myorigin") == "after.example"
    assert old.say("get myorigin") == "before.example"
    old.close()
    wait_until(lambda: old.pid not in mta.processes(), what="the old process ends")


def test_reload_loses_no_connection(echo, connect):
    mta = echo()
    for _ in range(10):
        mta.reload()
        for _ in range(10):
            line = connect(mta.port)
            assert line.say("x") == "x"
            line.close()


def answers(host, port):
    try:
        socket.create_connection((host, port), timeout=10).close()
    except ConnectionRefusedError:
        return False
    return True


def test_reload_opens_and_closes_sockets(echo, connect):
    mta = echo("gone unix n - n - - echo")
    port = free_port()
    connect(mta.spool / "public/gone")
    mta.set_master(["127.0.0.1:{port} inet n - n - - echo", f"127.0.0.1:{port} inet n - n - - echo", POSTLOG])
    mta.reload()
    wait_until(lambda: not (mta.spool / "public/gone").exists(), what="the socket is gone")
    assert connect(port).say("new") == "new"
    assert connect(mta.port).say("kept") == "kept"


def test_bad_reload_is_refused(echo, connect):
    mta = echo()
    mta.expected_errors.append("the running configuration stays")
    pid = mta.pid
    with open(mta.etc / "master.cf", "a") as file:
        file.write("smtp inet n\n")
    result = mta.postfix("reload")
    assert result.returncode == 1 and f"{mta.etc}/master.cf: line 3: " in result.stderr
    os.kill(pid, signal.SIGHUP)
    mta.wait_log(r"error: reload refused, the configuration of before stays in force: \S+/master.cf: line 3: ")
    assert mta.pid == pid and connect(mta.port).say("on") == "on"


def test_reload_with_a_port_in_use_is_refused(echo, connect):
    mta = echo()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        mta.set_master([f"127.0.0.1:{taken.getsockname()[1]} inet n - n - - echo", POSTLOG])
        mta.reload()
        mta.wait_log("reload refused.*Address already in use")
    assert connect(mta.port).say("on") == "on"


def test_last_of_several_lines_for_a_service_counts(echo, connect):
    mta = echo("127.0.0.1:{port} inet n - n - - echo -o mail_name=last")
    mta.wait_log(r'warning: duplicate master.cf entry for service "127.0.0.1:\d+" \(line 1\) -- using the last entry')
    assert connect(mta.port).say("get mail_name") == "last"


def test_closed_socket_refuses_clients_while_a_session_goes_on(echo, connect):
    port = free_port()
    mta = echo(f"127.0.0.1:{port} inet n - n - - echo")
    line = connect(port)
    mta.set_master(["127.0.0.1:{port} inet n - n - - echo", POSTLOG])
    mta.reload()
    wait_until(lambda: not answers("127.0.0.1", port), what="the socket is closed")
    assert line.say("still here") == "still here"


def test_reload_changes_the_interfaces_of_a_port(echo, connect):
    mta = echo(service="{port} inet n - n - - echo", inet_interfaces="all", inet_protocols="ipv4")
    mta.set_main(inet_interfaces="127.0.0.1")
    mta.reload()
    wait_until(lambda: not answers("127.0.0.2", mta.port), what="the socket of all interfaces is gone")
    assert connect(mta.port).say("one") == "one"
    mta.set_main(inet_interfaces="all")
    mta.reload()
    wait_until(lambda: answers("127.0.0.2", mta.port), what="a socket of all interfaces")

    def talks():
        try:
            return connect(mta.port).say("all") == "all"
        except (OSError, KeyError):  # the socket before it was still there
            return False

    wait_until(talks, what="the socket of all interfaces alone")
    assert "refused" not in mta.log()


def test_reload_with_two_sockets_for_an_address_is_refused(echo, connect):
    mta = echo(service="0.0.0.0:{port} inet n - n - - echo")
    mta.set_master(["127.0.0.1:{port} inet n - n - - echo", "0.0.0.0:{port} inet n - n - - echo", POSTLOG])
    mta.reload()
    mta.wait_log("reload refused.*Address already in use")
    mta.set_master(["127.0.0.1:{port} inet n - n - - echo", POSTLOG])
    mta.reload()
    wait_until(lambda: not answers("127.0.0.2", mta.port), what="the socket of all interfaces is gone")
    assert connect(mta.port).say("on") == "on"


# ---- as an ordinary user ----

@pytest.mark.root
def test_as_an_ordinary_user(echo, connect):
    mta = echo("hidden unix - - y - - echo", user="nobody")
    nobody = str(pwd.getpwnam("nobody").pw_uid)
    assert connect(mta.port).about["uid"] == nobody
    assert connect(mta.spool / "private/hidden").about["uid"] == nobody
    mta.reload()
    mta.wait_log("reload -- version")
    mta.stop()


@pytest.mark.root
def test_services_run_as_mail_owner(echo, connect):
    mta = echo("rooted unix n n n - - echo", "jailed unix n - y - - echo")
    assert connect(mta.port).about["uid"] == str(pwd.getpwnam("postfix").pw_uid)
    assert connect(mta.spool / "public/rooted").about["uid"] == "0"
    jailed = connect(mta.spool / "public/jailed")
    assert os.readlink(f"/proc/{jailed.pid}/root") == str(mta.spool)
    jailed.say("abort")
    mta.wait_log("killed by signal 6")


def test_environment_is_cleaned(echo, connect):
    mta = echo()
    pid = connect(mta.port).pid
    names = {entry.split(b"=")[0].decode() for entry in open(f"/proc/{pid}/environ", "rb").read().split(b"\0") if entry}
    assert names <= {"MAIL_CONFIG", "PATH", "LANG", "TZ", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
                     "TSAN_OPTIONS"}
    fds = sorted(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
    assert fds[:5] == [0, 1, 2, 3, 4]


@pytest.mark.root
def test_process_one_of_a_container(echo, connect):
    if subprocess.run(["unshare", "-pf", "--mount-proc", "true"], capture_output=True).returncode != 0:
        pytest.skip("no namespaces here")
    mta = echo(start=False)
    command = ["unshare", "-pf", "--mount-proc", f"{mta.main['command_directory']}/postfix", "-c", mta.etc, "start-fg"]
    running = subprocess.Popen(command, env=mta.environment, stderr=subprocess.DEVNULL)
    mta.wait_log(r"master\[1\]: daemon started")
    assert connect(mta.port).say("hello") == "hello"
    master, = [int(pid) for pid in open(f"/proc/{running.pid}/task/{running.pid}/children").read().split()]
    os.kill(master, signal.SIGHUP)
    mta.wait_log(r"master\[1\]: reload")
    os.kill(master, signal.SIGTERM)
    assert running.wait(10) == 0
    assert mta.processes() == {}


def test_service_manager_is_told(echo):
    mta = echo(start=False)
    address = str(mta.directory / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(20)
        running = subprocess.Popen([mta.command_directory / "postfix", "-c", mta.etc, "start-fg"],
                                   env=mta.environment | {"NOTIFY_SOCKET": address})
        try:
            told = manager.recv(1000).decode().splitlines()
            assert told[0] == "READY=1" and f"MAINPID={mta.pid}" in told
        finally:
            running.send_signal(signal.SIGTERM)
            assert running.wait(20) == 0
        assert manager.recv(1000) == b"STOPPING=1"
