"""The power fails under full load: what was acknowledged before is there afterwards.

The queue is an ext4 image on a loop device. The cut is EXT4_IOC_SHUTDOWN without flushing the journal: what was not
synced is gone. Then everything is killed, the image mounted anew (the journal replayed), and the instance started:
every message that was acknowledged before the cut must be in the queue or in the sink. CUTS=20 cuts as often."""
import fcntl
import os
import shutil
import signal
import struct
import subprocess
import threading
import time

import pytest

from harness.smtp_client import SmtpClient
from harness.waiting import wait_until

CUTS = int(os.environ.get("CUTS", "1"))
CLIENTS = 6
EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2

pytestmark = [pytest.mark.root, pytest.mark.skipif(not shutil.which("mkfs.ext4"), reason="no mkfs.ext4 here")]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True)


class Disk:
    """A file system of its own, mounted where the queue is."""

    def __init__(self, image, mount_point):
        self.image, self.mount_point = image, mount_point
        with open(image, "wb") as file:
            file.truncate(256 << 20)
        made = run("mkfs.ext4", "-q", "-F", str(image))
        if made.returncode != 0 or not self.mount():
            pytest.skip("no loop device with ext4 here")

    def mount(self):
        return run("mount", "-o", "loop,commit=60", str(self.image), str(self.mount_point)).returncode == 0

    def cut(self):
        fd = os.open(self.mount_point, os.O_RDONLY)
        fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(fd)

    def unmount(self):
        wait_until(lambda: run("umount", str(self.mount_point)).returncode == 0
                   or not os.path.ismount(self.mount_point), timeout=20, interval=0.2, what="unmounting")


class Sender(threading.Thread):
    def __init__(self, port, number):
        super().__init__()
        self.port, self.number = port, number
        self.acknowledged = []  # (name, when)
        self.stopped = False

    def run(self):
        count = 0
        while not self.stopped:
            try:
                with SmtpClient(self.port, timeout=5) as client:
                    client.ehlo()
                    while not self.stopped:
                        count += 1
                        name = f"c{self.number}-{count}"
                        client.transaction("a@x.example", [f"{name}@y.example"], "Subject: x\r\n\r\n" + "line\r\n" * 500)
                        self.acknowledged.append((name, time.monotonic()))
            except (OSError, EOFError, AssertionError):
                time.sleep(0.05)


def kill_everything(mta, master=None):
    """As the power does: nobody gets to finish anything."""
    for pid in [master] * (master is not None) + list(mta.processes()):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    wait_until(lambda: not mta.processes(), what="the end of all processes")


@pytest.mark.parametrize("cut", range(CUTS))
def test_power_cut(make_instance, make_sink, cut):
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "minimal_backoff_time": "1s", "maximal_backoff_time": "1s",
                         "queue_run_delay": "1s"})
    disk = Disk(mta.directory / "disk.img", mta.spool)
    try:
        mta.start()
        os.sync()
        senders = [Sender(mta.port, number) for number in range(CLIENTS)]
        for sender in senders:
            sender.start()
        time.sleep(1.5 + 0.13 * cut)
        master = mta.pid
        when = time.monotonic()
        disk.cut()
        kill_everything(mta, master)
        for sender in senders:
            sender.stopped = True
        for sender in senders:
            sender.join()
        disk.unmount()
        acknowledged = {name for sender in senders for name, then in sender.acknowledged if then < when}
        assert len(acknowledged) > 50
        assert disk.mount()
        mta.start()
        arrived = lambda: [m.recipients[0].split("@")[0] for m in sink.messages]  # noqa: E731
        wait_until(lambda: acknowledged <= set(arrived()), timeout=60, interval=0.3,
                   what=lambda: f"{len(acknowledged - set(arrived()))} of {len(acknowledged)} lost")
        print(f"{len(acknowledged)} acknowledged, 0 lost, {len(arrived()) - len(set(arrived()))} twice")
        mta.stop()
    finally:
        kill_everything(mta)
        disk.unmount()
