"""What got its 250 arrives, whatever dies meanwhile: every service is killed again and again under load."""
import hashlib
import os
import random
import signal
import threading
import time

import pytest

from harness.smtp_client import SmtpClient
from harness.waiting import wait_until

pytestmark = pytest.mark.peer

SERVICES = ["smtpd", "cleanup", "qmgr", "trivial-rewrite", "smtp", "bounce"]
LOAD_SECONDS = 8
CLIENTS = 4


class Sender(threading.Thread):
    """Sends one message after another; remembers those that were acknowledged."""

    def __init__(self, port, number, until):
        super().__init__()
        self.port, self.number, self.until = port, number, until
        self.acknowledged = []

    def run(self):
        count = 0
        while time.monotonic() < self.until:
            try:
                self._send_some(count)
            except (OSError, EOFError, AssertionError):
                time.sleep(0.05)
            count += 1000

    def _send_some(self, first):
        with SmtpClient(self.port, timeout=10) as client:
            client.ehlo()
            for count in range(first, first + 20):
                if time.monotonic() >= self.until:
                    return
                name = f"m{self.number}-{count}-{random.getrandbits(32)}"
                body = f"line of {name}\r\n" * 40
                text = f"Subject: {name}\r\nX-Sum: {hashlib.sha256(body.encode()).hexdigest()}\r\n\r\n{body}"
                client.transaction("a@x.example", [f"{name}@y.example"], text)
                self.acknowledged.append(name)


def kill_again_and_again(mta, until):
    kills = 0
    dice = random.Random(5321)
    while time.monotonic() < until:
        pids = mta.processes(dice.choice(SERVICES))
        if pids:
            try:
                os.kill(dice.choice(list(pids)), signal.SIGKILL)
                kills += 1
            except ProcessLookupError:
                pass
        time.sleep(dice.uniform(0.05, 0.2))
    return kills


def name_of(message):
    return message.recipients[0].split("@")[0]


def is_whole(message):
    header, _, body = message.data.partition(b"\r\n\r\n")
    for line in header.split(b"\r\n"):
        if line.startswith(b"X-Sum: "):
            return line[7:].decode() == hashlib.sha256(body).hexdigest()
    return False


def complete_files(mta):
    """A file that its writer did not live to finish was never acknowledged, and stays for postsuper -p."""
    files = [f for queue in ("incoming", "active", "deferred") for f in mta.queue_files(queue)]
    return [f for f in files if f.exists() and f.stat().st_mode & 0o100]


def test_killed_services_lose_nothing(make_instance, make_sink):
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "minimal_backoff_time": "1s", "maximal_backoff_time": "1s",
                         "queue_run_delay": "1s", "transport_retry_time": "1s", "service_throttle_time": "1s",
                         "ipc_timeout": "20s", "smtp_destination_concurrency_failed_cohort_limit": "100"})
    mta.expected_errors.append("fatal: ")  # what a service says when its neighbour has just died
    mta.start()
    until = time.monotonic() + LOAD_SECONDS
    senders = [Sender(mta.port, number, until) for number in range(CLIENTS)]
    for sender in senders:
        sender.start()
    kills = kill_again_and_again(mta, until)
    for sender in senders:
        sender.join()
    acknowledged = {name for sender in senders for name in sender.acknowledged}
    assert kills > 10 and len(acknowledged) > 20

    mta.postfix("flush")
    try:
        wait_until(lambda: acknowledged <= {name_of(m) for m in sink.messages}, timeout=60,
                   what="all acknowledged messages", interval=0.5)
    finally:
        arrived = [name_of(m) for m in sink.messages]
        print(f"{kills} kills, {len(acknowledged)} acknowledged, {len(acknowledged - set(arrived))} lost, "
              f"{len(arrived) - len(set(arrived))} twice")
    # The postmaster may hear of the trouble as well (notify_classes): those messages have no sum.
    assert all(is_whole(m) for m in sink.messages if m.recipients[0].endswith("@y.example"))
    wait_until(lambda: not complete_files(mta), timeout=30, what=lambda: f"empty queue: {complete_files(mta)}")
