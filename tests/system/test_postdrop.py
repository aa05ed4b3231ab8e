"""postdrop, and who abuses it."""
import signal
import subprocess
from pathlib import Path

import pytest

from harness.maildrop import BODY, END, ENVELOPE, dropped, empty, in_maildrop, record, stopped_instance
from harness.waiting import wait_until

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def stopped(module_instance):
    return stopped_instance(module_instance)


def drop(mta, data, *arguments, **more):
    command = [f"{mta.main['command_directory']}/postdrop", "-c", str(mta.etc), "-r", *arguments]
    return subprocess.run(command, input=data, capture_output=True, env=mta.environment, timeout=30, **more)


@pytest.mark.peer
def test_postdrop_protocol(stopped):
    result = drop(stopped, ENVELOPE + BODY + END)
    name = in_maildrop(stopped)[0].name
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
    assert in_maildrop(stopped) == []


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
    assert in_maildrop(stopped) == []


@pytest.mark.peer
def test_postdrop_usage(stopped):
    result = drop(stopped, b"", "-x")
    assert result.returncode == 1
    assert result.stderr.decode().endswith("postdrop: fatal: usage: postdrop [-c config_dir] [-v]\n")
    assert drop(stopped, b"").returncode == 0 and in_maildrop(stopped) == []


def is_asleep(pid):
    """It waits for something, which after its first words can only be input."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@pytest.mark.peer
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def test_postdrop_removes_its_file_when_interrupted(stopped, number):
    command = [f"{stopped.main['command_directory']}/postdrop", "-c", str(stopped.etc), "-r"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=stopped.environment)
    assert process.stdout.read(9) == b"protocol\0"
    assert len(in_maildrop(stopped)) == 1
    wait_until(lambda: is_asleep(process.pid), 10, lambda: "it does not wait for input")
    process.send_signal(number)
    process.wait(10)
    process.stdin.close()
    process.stdout.close()
    assert in_maildrop(stopped) == []


def test_other_configuration_only_when_listed(stopped):
    """A user without rights may not choose what a set-gid command obeys."""
    command = [f"{stopped.main['command_directory']}/postdrop", "-c", str(stopped.etc), "-r"]
    result = subprocess.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command],
                            input=ENVELOPE + BODY + END, capture_output=True, env=stopped.environment)
    assert result.returncode == 1
    # Who is authorized stands in the system's own main.cf; without one nobody is.
    said = b"postdrop: error: unauthorized configuration directory name: "
    assert (said if Path("/etc/postfix/main.cf").exists() else b"postdrop: fatal: open /etc/postfix/main.cf: ") in result.stderr
    assert in_maildrop(stopped) == []
