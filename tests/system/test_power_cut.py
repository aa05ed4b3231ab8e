"""The power fails under full load: what was acknowledged before is there afterwards.

The queue is an ext4 or XFS image on a loop device. The cut is their shutdown call without flushing the journal: what was
not synced is gone. Then everything is killed, the image mounted anew (the journal replayed), and the instance started:
every message that was acknowledged before the cut must arrive, and whatever arrives must be one message, whole. CUTS=20
cuts as often."""
import fcntl
import os
import random
import shutil
import signal
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness.smtp_client import SmtpClient
from harness.waiting import wait_until

CUTS = int(os.environ.get("CUTS", "1"))
CLIENTS = 6
SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2  # EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are one number
MAKE = {"ext4": ("mkfs.ext4", "-q", "-F"), "xfs": ("mkfs.xfs", "-q", "-f")}
MOUNT = {"ext4": "loop,commit=60", "xfs": "loop,nouuid"}

pytestmark = pytest.mark.root


def run(*command):
    return subprocess.run(command, capture_output=True, text=True)


class Disk:
    """A file system of its own, mounted where the queue is."""

    def __init__(self, kind, image, mount_point):
        self.kind, self.image, self.mount_point = kind, image, mount_point
        with open(image, "wb") as file:
            file.truncate(400 << 20)
        if not shutil.which(MAKE[kind][0]) or run(*MAKE[kind], str(image)).returncode != 0 or not self.mount():
            pytest.skip(f"no loop device with {kind} here")

    def mount(self):
        return run("mount", "-o", MOUNT[self.kind], str(self.image), str(self.mount_point)).returncode == 0

    def cut(self):
        fd = os.open(self.mount_point, os.O_RDONLY)
        fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(fd)

    def unmount(self):
        """Who was just killed may hold it for a moment. After a cut only the list of mounts tells whether it is mounted."""
        wait_until(lambda: run("umount", str(self.mount_point)).returncode == 0
                   or f" {self.mount_point} " not in Path("/proc/mounts").read_text(), timeout=20, interval=0.2,
                   what="unmounting")

    def mount_anew(self):
        """A copy of what is on the disk: a mount name space that somebody else made meanwhile may still have the image mounted,
        as it is, shut down."""
        copy = self.image.with_suffix(".after")
        assert run("cp", "--sparse=always", str(self.image), str(copy)).returncode == 0
        self.image = copy
        return self.mount()


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
                        text = "Subject: x\r\n\r\n" + f"{name} and nobody else\r\n" * random.choice((3, 100, 300, 900))
                        client.transaction("a@x.example", [f"{name}@y.example"], text)
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


def mixed(message):
    """Lines of the body that are another message's."""
    name = message.recipients[0].split("@")[0]
    body = message.data.decode().split("\r\n\r\n", 1)[1]
    return [line for line in body.splitlines() if line != f"{name} and nobody else"]


@pytest.mark.parametrize("cut", range(CUTS))
@pytest.mark.parametrize("kind", MAKE)
def test_power_cut(make_instance, make_sink, kind, cut):
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "minimal_backoff_time": "1s", "maximal_backoff_time": "1s",
                         "queue_run_delay": "1s"})
    disk = Disk(kind, mta.directory / "disk.img", mta.spool)
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
        assert disk.mount_anew()
        mta.start()
        arrived = lambda: [m.recipients[0].split("@")[0] for m in sink.messages]  # noqa: E731
        wait_until(lambda: acknowledged <= set(arrived()), timeout=60, interval=0.3,
                   what=lambda: f"{len(acknowledged - set(arrived()))} of {len(acknowledged)} lost")
        assert not [m.recipients for m in sink.messages if mixed(m)]
        names = arrived()
        print(f"{len(acknowledged)} acknowledged, 0 lost, {len(names) - len(set(names))} twice")
        mta.stop()
    finally:
        kill_everything(mta)
        disk.unmount()
