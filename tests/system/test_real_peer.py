"""Debian's Postfix downstream: every message arrives, once, unchanged. And the tools of that world read our log and
queue. COUNT=10000 sends as many."""
import hashlib
import os
import random
import re
import shutil
import subprocess
import threading

import pytest

from harness.waiting import wait_until

COUNT = int(os.environ.get("COUNT", "300"))
CLIENTS = 10

pytestmark = [pytest.mark.root, pytest.mark.skipif(not os.path.exists("/usr/sbin/postfix"), reason="no Postfix here")]


@pytest.fixture
def downstream(make_instance):
    """Debian's Postfix; all mail for there.example goes to one maildir."""
    peer = make_instance({"virtual_mailbox_domains": "there.example", "virtual_mailbox_maps": "static:box/",
                          "virtual_uid_maps": "static:65534", "virtual_gid_maps": "static:65534",
                          "virtual_mailbox_limit": "0", "mailbox_size_limit": "0",
                          "smtpd_client_connection_count_limit": "0", "in_flow_delay": "0"}, mta="postfix")
    mailbox = peer.directory / "mail"
    mailbox.mkdir()
    shutil.chown(mailbox, 65534, 65534)
    peer.set_main(virtual_mailbox_base=mailbox)
    peer.start()
    peer.maildir = mailbox / "box" / "new"
    return peer


def make_body(dice):
    """What goes wrong elsewhere: dots, empty lines, 8bit, long lines, "From ", no line end at the end."""
    lines = []
    for _ in range(dice.randrange(1, 40)):
        lines.append(dice.choice([b".", b"..", b"", b"From here", b".dot", b"plain text " * dice.randrange(1, 8),
                                  bytes(dice.randrange(128, 256) for _ in range(60)), b"x" * dice.randrange(900, 998),
                                  b"trailing blanks  \t"]))
    return b"\r\n".join(lines) + b"\r\n"


def send_share(mta, number, count):
    dice = random.Random(number)
    with mta.smtp() as client:
        client.ehlo()
        for n in range(count):
            body = make_body(dice)
            head = f"Subject: {number}-{n}\r\nX-Sum: {hashlib.sha256(body).hexdigest()}\r\n\r\n"
            client.envelope("a@here.example", ["b@there.example"], " BODY=8BITMIME")
            client.data(head.encode() + body)


def sum_and_name(path):
    header, _, body = path.read_bytes().partition(b"\n\n")
    fields = dict(line.split(b": ", 1) for line in header.split(b"\n") if b": " in line)
    return fields[b"Subject"].decode(), fields[b"X-Sum"].decode(), hashlib.sha256(body.replace(b"\n", b"\r\n")).hexdigest()


def test_everything_arrives_unchanged(make_instance, downstream):
    mta = make_instance({"relayhost": f"[127.0.0.1]:{downstream.port}"})
    mta.start()
    clients = [threading.Thread(target=send_share, args=(mta, n, COUNT // CLIENTS)) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    arrived = lambda: os.listdir(downstream.maildir) if downstream.maildir.exists() else []  # noqa: E731
    wait_until(lambda: len(arrived()) >= COUNT, timeout=60 + COUNT / 50, interval=0.2,
               what=lambda: f"{COUNT} messages: {len(arrived())}")
    messages = [sum_and_name(downstream.maildir / name) for name in arrived()]
    assert sorted(m[0] for m in messages) == sorted(f"{c}-{n}" for c in range(CLIENTS) for n in range(COUNT // CLIENTS))
    assert [m[0] for m in messages if m[1] != m[2]] == []
    wait_until(mta.queue_is_empty, what="empty queue")


@pytest.mark.skipif(not shutil.which("pflogsumm"), reason="no pflogsumm here")
def test_pflogsumm_reads_our_log(make_instance, make_sink):
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        for _ in range(3):
            client.transaction("a@x.example", ["b@y.example", "c@y.example"])
        client.command("MAIL FROM:<a@x.example>", 250)
        client.command("RCPT TO:<-bad@y.example>", 501)
    sink.wait_for(3)
    mta.wait_log(r"(?s)(removed.*){3}")
    report = subprocess.run(["pflogsumm", str(mta.log_path)], capture_output=True, text=True, check=True).stdout
    figures = {name: int(number) for number, name in re.findall(r"^ +(\d+) +(received|delivered|deferred|bounced|rejected)\b",
                                                                report, re.M)}
    assert figures == {"received": 3, "delivered": 6, "deferred": 0, "bounced": 0, "rejected": 0}


@pytest.mark.skipif(not shutil.which("qshape"), reason="no qshape here")
def test_qshape_reads_our_queue(make_instance):
    mta = make_instance({"relayhost": "[127.0.0.1]:9", "defer_transports": "smtp"})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        for n in range(4):
            client.transaction("a@x.example", ["b@one.example", "c@two.example"][: 1 + n % 2])
    wait_until(lambda: len(mta.queue_files("deferred")) == 4, what="deferred messages")
    report = subprocess.run(["qshape", "-c", str(mta.etc), "deferred"], capture_output=True, text=True, check=True).stdout
    counts = {line.split()[0]: int(line.split()[1]) for line in report.splitlines()[1:] if line.strip()}
    assert counts == {"TOTAL": 6, "one.example": 4, "two.example": 2}
