"""The systemd units: systemd reads them without a complaint, they keep their promise, and what they forbid nobody does."""
import re
import shutil
import signal
import subprocess

import pytest

from harness.instance import BUILD, ROOT
from harness.waiting import wait_until

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
MOST_EXPOSED = 4.5  # of 10; Debian's postfix@.service has 9.6


@pytest.fixture(params=["postern.service", "postern@.service"])
def unit(request, directory):
    """The unit file, its commands being those of the build."""
    path = directory / request.param.replace("@", "@one")
    path.write_text((ROOT / "conf" / request.param).read_text().replace("/usr/sbin/", f"{BUILD}/sbin/"))
    return path


def analyze(*words):
    return subprocess.run(["systemd-analyze", *map(str, words)], capture_output=True, text=True)


def test_systemd_has_no_complaint(unit):
    result = analyze("verify", "--man=no", unit)
    assert result.returncode == 0 and result.stdout + result.stderr == ""


def test_exposure(unit):
    if "--offline" not in analyze("--help").stdout:
        pytest.skip("this systemd-analyze needs a running systemd")
    level = re.search(r"Overall exposure level for .*: ([\d.]+)", analyze("security", "--offline=true", unit).stdout)
    assert float(level[1]) <= MOST_EXPOSED


def calls_of(name):
    """The system calls of a group, those of the groups in it too."""
    lines = [line.strip() for line in analyze("syscall-filter", name).stdout.splitlines()[1:]]
    found = {line for line in lines if line and line[0] not in "#@"}
    return found.union(*(calls_of(line) for line in lines if line.startswith("@")))


def allowed_calls():
    words = re.search(r"^SystemCallFilter=(.*)$", (ROOT / "conf/postern.service").read_text(), re.M)[1].split()
    return {w for w in words if w[0] != "@"}.union(calls_of("@default"), *(calls_of(w) for w in words if w[0] == "@"))


@pytest.mark.root
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not here")
def test_no_forbidden_system_call(make_instance, make_sink, directory):
    """From the start over mail in, out, bounced, deferred and into a mailbox, and a reload, to the end."""
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "virtual_mailbox_domains": "box.example",
                         "virtual_mailbox_base": directory, "virtual_mailbox_maps": "static:Maildir/", "virtual_minimum_uid": 1,
                         "virtual_uid_maps": "static:65534", "virtual_gid_maps": "static:65534", "queue_minfree": 1,
                         "transport_maps": "inline:{{no.example=error:5.1.1 no}, {late.example=retry:4.0.0 later}}"})
    (directory / "Maildir").mkdir()
    shutil.chown(directory / "Maildir", "nobody")
    counts = directory / "calls"
    running = subprocess.Popen(["strace", "-f", "-qq", "-c", "-o", counts, f"{mta.main['command_directory']}/postfix", "-c",
                                mta.etc, "start-fg"], env=mta.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        mta.wait_log("daemon started", 30)
        with mta.smtp(timeout=60) as client:
            client.command("EHLO here", 250)
            client.transaction("a@x.example", ["b@y.example", "u@box.example"], "Subject: hi\r\n\r\nhello\r\n")
        mta.run("sendmail", "-f", "a@box.example", "b@y.example", "c@no.example", "d@late.example",
                input="Subject: local\n\nhello\n", check=True)
        mta.run("postqueue", "-p", check=True)
        mta.wait_log(r"to=<u@box.example>, relay=virtual.*status=sent", 30)
        mta.wait_log(r"sender non-delivery notification", 30)
        mta.wait_log(r"to=<d@late.example>.*status=deferred", 30)
        mta.wait_log(r"uid=0 from=<a@box.example>", 60)
        mta.reload()
        mta.wait_log("reload -- version", 30)
    finally:
        if mta.pid:
            mta.postfix("stop")
        else:
            running.send_signal(signal.SIGTERM)
        running.communicate(timeout=60)
        wait_until(lambda: not mta.processes(), 10, lambda: "processes are left")
    used = {line.split()[-1] for line in counts.read_text().splitlines()[2:-2]}
    assert {"clone3", "fsync", "chroot"} & used, counts.read_text()
    assert used - allowed_calls() == set()
