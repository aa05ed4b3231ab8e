"""The delivery agent for virtual mailboxes: files and maildirs, and who may not be tricked into writing where."""
import fcntl
import os
import re
import threading
import time

import pytest

from harness.agent import Agent
from harness.waiting import wait_until

UID = 2001 if os.geteuid() == 0 else os.geteuid()
NAMES = ["dir", "file", "sub/dir", "gone/file", "link", "hard", "other", "folder", "fifo", "locked", "base", "outside"]


@pytest.fixture
def make_agent(directory):
    agents = []

    def make(main=None):
        box = directory / "box"
        box.mkdir(mode=0o755)
        slash = {"dir", "sub/dir", "outside"}
        (directory / "boxes").write_text("".join(
            f"{n.replace('/', '-')}@v.example {n}{'/' if n in slash else ''}\n" for n in NAMES) +
            "up@v.example ../up/\nlow@v.example low/\nnone@v.example none/\nword@v.example word/\n@all.example all\n")
        (directory / "uids").write_text("".join(f"{n.replace('/', '-')}@v.example {UID}\n" for n in NAMES) +
                                        f"up@v.example {UID}\nlow@v.example 50\nword@v.example x1\n@all.example {UID}\n")
        own(box)
        settings = {"virtual_mailbox_maps": f"texthash:{directory}/boxes", "virtual_mailbox_base": box,
                    "virtual_uid_maps": f"texthash:{directory}/uids", "virtual_gid_maps": f"static:{UID}",
                    "recipient_delimiter": "+", "deliver_lock_attempts": 3, "deliver_lock_delay": "1s",
                    "message_size_limit": 100000} | (main or {})
        agents.append(Agent(directory, "virtual", settings, unprivileged=False))
        agents[-1].box = box
        return agents[-1]

    yield make
    for agent in agents:
        agent.finish()


@pytest.fixture
def agent(make_agent):
    return make_agent()


def own(path):
    if os.geteuid() == 0:
        os.chown(path, UID, UID, follow_symlinks=False)


def deliver(agent, address, **request):
    """(dsn, status, reason)"""
    agent.last = agent.deliver(recipients=[address], **request)
    line = agent.line(address)
    assert "relay=virtual, delay=" in line
    return re.search(r"dsn=([^,]+), status=(\S+) \((.*)\)$", line).groups()


HEADERS = "Return-Path: <a@b.example>\nX-Original-To: {0}\nDelivered-To: {0}\n"


def test_maildir(agent):
    for i in range(3):
        assert deliver(agent, "dir@v.example", content=f"Subject: {i}\n\nFrom here\n.\nno end") == \
            ("2.0.0", "sent", "delivered to maildir")
    new = sorted((agent.box / "dir/new").iterdir(), key=lambda path: path.read_text())
    assert len(new) == 3 and not list((agent.box / "dir/tmp").iterdir()) and (agent.box / "dir/cur").is_dir()
    assert new[0].read_text() == HEADERS.format("dir@v.example") + "Subject: 0\n\nFrom here\n.\nno end\n"
    for path in new:
        assert re.fullmatch(r"\d+\.V[0-9a-f]+I[0-9a-f]+M\d+\.\S+", path.name)
        assert path.stat().st_mode & 0o777 == 0o600 and path.stat().st_uid == UID
    assert (agent.box / "dir").stat().st_mode & 0o777 == 0o700


def test_maildir_below_a_directory(agent):
    assert deliver(agent, "sub-dir@v.example")[1] == "sent"
    assert len(list((agent.box / "sub/dir/new").iterdir())) == 1


def test_file(agent):
    agent.deliver(recipients=["file@v.example"], sender="", content="Subject: x\n\nFrom here\n>From there\nend",
                  originals=["info@b.example"])
    assert deliver(agent, "file@v.example", content="Subject: y\n\n") == ("2.0.0", "sent", "delivered to mailbox")
    text = (agent.box / "file").read_text()
    date = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"
    assert re.fullmatch(
        rf"From MAILER-DAEMON  {date}\nReturn-Path: <>\nX-Original-To: info@b.example\nDelivered-To: file@v.example\n"
        rf"Subject: x\n\n>From here\n>From there\nend\n\nFrom a@b.example  {date}\n"
        rf"{re.escape(HEADERS.format('file@v.example'))}Subject: y\n\n\n", text)
    status = (agent.box / "file").stat()
    assert status.st_mode & 0o777 == 0o600 and status.st_uid == UID
    assert not (agent.box / "file.lock").exists()


def test_tables(agent):
    assert deliver(agent, "DIR+Ext@V.example")[1] == "sent"
    assert deliver(agent, "anyone@all.example") == ("2.0.0", "sent", "delivered to mailbox")
    assert deliver(agent, "nobody@v.example") == ("5.1.1", "bounced", 'unknown user: "nobody@v.example"')


@pytest.mark.root
def test_bad_ids(agent):
    for name, warning in {"low": "bad uid 50 in virtual_uid_maps", "none": "not found in virtual_uid_maps",
                          "word": "bad uid x1 in virtual_uid_maps"}.items():
        assert deliver(agent, f"{name}@v.example") == ("4.3.5", "deferred", "mail system configuration error")
        assert f"warning: recipient {name}@v.example: {warning}" in agent.log
        assert not (agent.box / name).exists()


def test_broken_table(make_agent):
    agent = make_agent({"virtual_mailbox_maps": "fail:always"})
    assert deliver(agent, "dir@v.example")[:2] == ("4.3.5", "deferred")


def refused(agent, name, reason):
    path = agent.box / name
    assert deliver(agent, f"{name.replace('/', '-')}@v.example") == \
        ("4.2.0", "deferred", f"delivery failed to mailbox {path}: {reason}".replace("PATH", str(path)))


def test_where_not_to_write(agent):
    target = agent.box / "target"
    target.write_text("untouched")
    own(target)
    (agent.box / "link").symlink_to(target)
    os.link(target, agent.box / "hard")
    (agent.box / "folder").mkdir()
    os.mkfifo(agent.box / "fifo")
    (agent.box / "fifo").chmod(0o666)
    refused(agent, "link", "file is a symbolic link")
    refused(agent, "hard", "file has 2 hard links")
    refused(agent, "folder", "cannot open file: Is a directory")
    refused(agent, "fifo", "cannot open file: No such device or address")
    refused(agent, "gone/file", "unable to create lock file PATH.lock: No such file or directory")
    assert target.read_text() == "untouched"


@pytest.mark.root
def test_files_of_others(agent):
    (agent.box / "other").write_text("")
    (agent.box / "other").chmod(0o666)
    refused(agent, "other", "destination PATH is not owned by recipient")
    (agent.box / "other").chmod(0o600)
    refused(agent, "other", "cannot open file: Permission denied")
    assert (agent.box / "other").read_text() == ""


@pytest.mark.root
def test_rights_end_at_the_owner(agent):
    # A maildir whose owner points it at root's directory gets nothing there.
    closed = agent.directory / "closed"
    closed.mkdir(mode=0o700)
    (agent.box / "outside").symlink_to(closed)
    dsn, status, reason = deliver(agent, "outside@v.example")
    assert (dsn, status) == ("4.2.0", "deferred") and reason.endswith("Permission denied")
    dsn, status, reason = deliver(agent, "up@v.example")
    assert (dsn, status) == ("4.2.0", "deferred") and reason.endswith("Permission denied")
    assert not list(closed.iterdir()) and not (agent.directory / "up").exists()
    assert deliver(agent, "dir@v.example")[1] == "sent"


def test_full(make_agent):
    agent = make_agent({"virtual_mailbox_limit": 100001})
    (agent.box / "file").write_bytes(b"\n" * 100000)
    own(agent.box / "file")
    assert deliver(agent, "file@v.example") == (
        "5.2.2", "bounced", f"delivery failed to mailbox {agent.box}/file: error writing message: File too large")
    assert (agent.box / "file").stat().st_size == 100000
    assert deliver(agent, "dir@v.example", content="x" * 100001)[:2] == ("5.2.2", "bounced")
    assert not list((agent.box / "dir/tmp").iterdir()) and not list((agent.box / "dir/new").iterdir())


def test_a_lock_is_waited_for(agent):
    lock = agent.box / "locked.lock"
    lock.write_text("")
    threading.Timer(1.5, lock.unlink).start()
    call = agent.send(recipients=["locked@v.example"])
    assert deliver(agent, "dir@v.example")[1] == "sent"  # others do not wait
    assert agent.wait(call)["deferred"] == 0
    with open(agent.box / "locked", "a") as mailbox:
        fcntl.lockf(mailbox, fcntl.LOCK_EX)
        refused(agent, "locked", "unable to lock for exclusive access: Resource temporarily unavailable")
    lock.write_text("")
    refused(agent, "locked", "unable to create lock file PATH.lock: File exists")
    os.utime(lock, (time.time() - 1000, time.time() - 1000))
    assert deliver(agent, "locked@v.example")[1] == "sent"


def test_damaged_message(agent):
    call = agent.send(recipients=["file@v.example"], data_offset=3)
    assert agent.wait(call)["deferred"] == 1
    assert (agent.box / "file").read_text() == ""


def test_many_at_once(agent):
    calls = [agent.send(recipients=[f"{n}@v.example"], content=f"Subject: {i}\n\n" + "x\n" * 2000)
             for i in range(50) for n in ("dir", "file")]
    assert sum(agent.wait(call)["deferred"] for call in calls) == 0 or \
        all("File exists" in line or "sent" in line or "temporarily" in line for line in agent.log)
    assert len(list((agent.box / "dir/new").iterdir())) == 50
    written = (agent.box / "file").read_text().count("\nDelivered-To: ")
    assert written > 0
    wait_until(lambda: sum("to=<file@" in line and "status=sent" in line for line in agent.log) == written,
               what="a line for each delivery")
