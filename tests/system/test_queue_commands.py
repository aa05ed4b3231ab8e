"""postqueue, postsuper, postcat and showq, on a queue whose messages are on hold."""
import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from harness.instance import MTA
from harness.queue_file import QueueFile
from harness.waiting import wait_until

pytestmark = [pytest.mark.peer, pytest.mark.root]
DATE = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"


@pytest.fixture
def mta(make_instance, directory):
    """An instance in which every message is put on hold; hold(n) queues some and returns their IDs."""
    (directory / "hold").write_text("/^Subject: hold/ HOLD\n")
    made = make_instance({"header_checks": f"regexp:{directory}/hold", "relay_domains": "y.example"})
    made.start()

    def hold(count=1, sender="s@x.example", recipients=("r@y.example",), text="body"):
        ids = []
        for _ in range(count):
            with made.smtp() as client:
                client.command("EHLO here", 250)
                reply = client.transaction(sender, list(recipients), f"Subject: hold\r\n\r\n{text}\r\n")
                ids.append(re.search(r"queued as (\w+)", str(reply))[1])
        return ids

    made.hold = hold
    return made


def queue_of(mta, queue_id):
    found = [p for p in mta.spool.glob("*/**/" + queue_id)
             if p.relative_to(mta.spool).parts[0] not in ("defer", "bounce", "trace")]
    return found[0].relative_to(mta.spool).parts[0] if found else None


# ---- postqueue ----

def test_list_for_people(mta):
    assert mta.run("postqueue", "-p").stdout == "Mail queue is empty\n"
    first, = mta.hold(sender="", recipients=['"a b"@y.example', "r2@y.example"])
    second, = mta.hold(text="x" * 3000)
    listing = mta.run("postqueue", "-p").stdout
    lines = listing.splitlines()
    assert lines[0] == "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------"
    assert re.search(rf"^{first}! +\d+ {DATE}  MAILER-DAEMON\n {{41}}\"a b\"@y.example\n {{41}}r2@y.example\n\n", listing, re.M)
    assert re.search(rf"^{second}! +3\d\d\d {DATE}  s@x.example\n {{41}}r@y.example\n\n", listing, re.M)
    assert re.fullmatch(r"-- 3 Kbytes in 2 Requests.", lines[-1])


def test_list_for_programs(mta):
    assert mta.run("postqueue", "-j").stdout == ""
    queue_id, = mta.hold(sender='"s\\"s"@z.example')
    mta.run("postsuper", "-e", queue_id, check=True)
    entry = json.loads(mta.run("postqueue", "-j").stdout)
    size = QueueFile(mta.spool / "hold" / queue_id).sizes[0]
    assert abs(entry.pop("arrival_time") - time.time()) < 60
    assert entry == {"queue_name": "hold", "queue_id": queue_id, "message_size": size, "forced_expire": True,
                     "sender": '"s\\"s"@z.example', "recipients": [{"address": "r@y.example"}]}
    assert re.search(rf"^{queue_id}!# ", mta.run("postqueue", "-p").stdout, re.M)


def test_reasons_from_the_defer_log(mta):
    queue_id, = mta.hold(recipients=["a@y.example", "b@y.example", "c@y.example"])
    log = mta.spool / "defer" / queue_id[0]
    log.mkdir(exist_ok=True)
    (log / queue_id).write_text("".join(
        f"\n<{who}@y.example>: {reason}\nrecipient={who}@y.example\noffset=1\nstatus=4.0.0\naction=delayed\nreason={reason}\n\n"
        for who, reason in (("b", "no \"route\""), ("a", 'no "route"'), ("z", "x" * 90))))
    subprocess.run(["chown", "-R", "postfix", str(log)], check=True)
    listing = mta.run("postqueue", "-p").stdout
    assert (f"\n{'':66}(no \"route\")\n{'':41}b@y.example\n{'':41}a@y.example\n({'x' * 90})\n{'':41}z@y.example\n"
            f"{'':58}(reason unavailable)\n{'':41}c@y.example\n") in listing
    assert json.loads(mta.run("postqueue", "-j").stdout)["recipients"] == [
        {"address": "b@y.example", "delay_reason": 'no "route"'}, {"address": "a@y.example", "delay_reason": 'no "route"'},
        {"address": "z@y.example", "delay_reason": "x" * 90}, {"address": "c@y.example"}]


def test_list_when_the_system_is_down(mta):
    queue_id, = mta.hold()
    mta.expected_errors.append("Cannot flush mail queue")
    with_showq = mta.run("postqueue", "-p").stdout
    mta.stop()
    result = mta.run("postqueue", "-p")
    assert result.stdout == with_showq
    assert re.search(r"postqueue: warning: Mail system is down -- accessing queue directly "
                     r"\(Connect to the \w+ showq service: .*\)", result.stderr)
    result = mta.run("postqueue", "-f")
    assert result.returncode == 69
    assert "postqueue: fatal: Cannot flush mail queue - mail system is down\n" in result.stderr


def test_showq_protocol(mta):
    queue_id, = mta.hold()
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(mta.spool / "public/showq"))
    answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"protocol\0mail_queue_list_protocol\0\0queue_name\0hold\0queue_id\0%b\0time\0" % queue_id.encode())
    assert b"\0forced_expire\0" b"0\0sender\0s@x.example\0" in answer
    assert b"recipient\0r@y.example\0" in answer and answer.endswith(b"reason\0\0\0\0")


@pytest.mark.parametrize("arguments, error", [
    ([], "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site"),
    (["-f", "-p"], "usage: postqueue"), (["-p", "extra"], "usage: postqueue"), (["-x"], "usage: postqueue"),
    (["-i", "../x"], 'Cannot flush queue ID - invalid name: "../x"'),
    (["-s", "other.example"], 'Flush service is not configured for destination "other.example"'),
])
def test_postqueue_refuses(mta, arguments, error):
    mta.expected_errors.append("postqueue.*fatal: ")
    result = mta.run("postqueue", *arguments)
    assert result.returncode == 69
    assert f"postqueue: fatal: {error}" in result.stderr


# ---- postsuper ----

def postsuper(mta, *arguments, **named):
    if mta.log_path.exists():
        shutil.chown(mta.log_path, "postfix")  # Debian's writes to it with the rights of that user
    result = mta.run("postsuper", *arguments, **named)
    assert result.returncode == 0, result.stderr
    return result.stderr


def test_delete(mta):
    ids = mta.hold(4)
    assert postsuper(mta, "-d", ids[0]) == f"postsuper: {ids[0]}: removed\npostsuper: Deleted: 1 message\n"
    assert queue_of(mta, ids[0]) is None
    mta.wait_log(rf"postfix/postsuper\[\d+\]: {ids[0]}: removed$")
    mta.wait_log(r"postfix/postsuper\[\d+\]: Deleted: 1 message$")
    assert postsuper(mta, "-d", ids[1], "deferred") == "postsuper: Deleted: 0 messages\n"
    assert postsuper(mta, "-d", "-", input=f"{ids[1]}\nbad/id\n\n") == (
        f"postsuper: {ids[1]}: removed\npostsuper: warning: invalid mail queue id: bad/id\n"
        "postsuper: warning: invalid mail queue id: \npostsuper: Deleted: 1 message\n")
    assert postsuper(mta, "-d", "NOSUCHID") == "postsuper: Deleted: 0 messages\n"
    assert postsuper(mta, "-d", "all") == "postsuper: Deleted: 0 messages\n"
    assert postsuper(mta, "-d", "ALL") == "postsuper: Deleted: 2 messages\n"
    assert mta.queue_is_empty()


def test_delete_takes_the_logs_along(mta):
    queue_id, = mta.hold()
    (mta.spool / "defer" / queue_id[0]).mkdir(exist_ok=True)
    logs = [mta.spool / "defer" / queue_id[0] / queue_id, mta.spool / "bounce" / queue_id, mta.spool / "trace" / queue_id]
    for log in logs:
        log.write_text("")
    subprocess.run(["chown", "-R", "postfix", str(mta.spool / "defer")], check=True)
    postsuper(mta, "-d", queue_id)
    assert not any(log.exists() for log in logs)


def test_hold_release_expire(mta):
    mta.stop()
    mta.start()
    first, second = mta.hold(2)
    mta.stop()
    assert postsuper(mta, "-H", first) == (f"postsuper: {first}: released from hold\npostsuper: Released from hold: 1 message\n")
    assert queue_of(mta, first) == "deferred"
    assert postsuper(mta, "-H", first) == "postsuper: Released from hold: 0 messages\n"
    assert postsuper(mta, "-h", first) == f"postsuper: {first}: placed on hold\npostsuper: Placed on hold: 1 message\n"
    assert queue_of(mta, first) == "hold"
    assert postsuper(mta, "-e", first) == f"postsuper: {first}: expired\npostsuper: Force-expired: 1 message\n"
    assert postsuper(mta, "-e", first) == "postsuper: Force-expired: 0 messages\n"
    assert (mta.spool / "hold" / first).stat().st_mode & 0o777 == 0o710
    assert postsuper(mta, "-f", first) == (f"postsuper: {first}: released from hold\npostsuper: Force-expired: 0 messages\n"
                                           "postsuper: Released from hold: 1 message\n")
    assert postsuper(mta, "-h", "ALL", "hold") == "postsuper: Placed on hold: 0 messages\n"
    assert postsuper(mta, "-H", "ALL") == "postsuper: Released from hold: 1 message\n"
    assert postsuper(mta, "-h", "ALL", "deferred") == "postsuper: Placed on hold: 2 messages\n"


def test_requeue(mta):
    queue_id, = mta.hold()
    mta.stop()
    assert postsuper(mta, "-r", queue_id) == f"postsuper: {queue_id}: requeued\npostsuper: Requeued: 1 message\n"
    assert queue_of(mta, queue_id) == "maildrop"


@pytest.mark.parametrize("arguments, error", [
    (["-x"], "usage: postsuper [-c config_dir] [-d queue_id (delete)]"),
    (["-d", "ABCDEF01", "nosuchqueue"], "invalid directory name: nosuchqueue"),
])
def test_postsuper_refuses(mta, arguments, error):
    mta.expected_errors.append("postsuper.*fatal: ")
    result = mta.run("postsuper", *arguments)
    assert result.returncode == 1 and f"postsuper: fatal: {error}" in result.stderr


def test_names_follow_inodes(mta):
    first, second = mta.hold(2)
    mta.stop()
    hold = mta.spool / "hold"
    contents = {(hold / i).read_bytes() for i in (first, second)}
    # As a restore may leave them: each under the other's name, and one more that is nobody's.
    (hold / first).rename(hold / "x")
    (hold / second).rename(hold / first)
    (hold / "x").rename(hold / second)
    result = postsuper(mta, "-s")
    assert "postsuper: Renamed to match inode number: 2 messages\n" in result
    assert "postsuper: warning: QUEUE FILE NAMES WERE CHANGED TO MATCH INODE NUMBERS\n" in result
    names = [p.name for p in mta.queue_files("hold")]
    assert {(hold / n).read_bytes() for n in names} == contents
    assert all(int(n[5:], 16) == (hold / n).stat().st_ino for n in names)
    assert {n[:5] for n in names} == {first[:5], second[:5]}
    assert postsuper(mta, "-s") == ""


def test_places_follow_the_configuration(mta):
    ids = mta.hold(2)
    mta.stop()
    mta.set_main(hash_queue_names="hold, deferred, defer", hash_queue_depth=2)
    assert postsuper(mta, "-s") == ""
    for queue_id in ids:
        assert (mta.spool / "hold" / queue_id[0] / queue_id[1] / queue_id).exists()
    assert len(mta.run("postqueue", "-j").stdout.splitlines()) == 2
    mta.set_main(hash_queue_names="deferred, defer", hash_queue_depth=1)
    assert postsuper(mta) == ""
    assert sorted(p.name for p in (mta.spool / "hold").iterdir()) == sorted(ids)


def test_long_names_become_short(mta):
    mta.set_main(enable_long_queue_ids="yes")
    mta.reload()
    queue_id, = mta.hold()
    assert re.fullmatch(r"[0-9A-Za-z]{10}z\w+", queue_id)
    assert re.search(r"^----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n"
                     rf"{queue_id}! +\d+ {DATE} s@x.example\n {{47}}r@y.example\n", mta.run("postqueue", "-p").stdout)
    mta.stop()
    assert postsuper(mta, "-S") == ""
    mta.set_main(enable_long_queue_ids="no")
    assert "Renamed to match inode number: 1 message" in postsuper(mta)
    name, = [p.name for p in mta.queue_files("hold")]
    assert re.fullmatch(r"[0-9A-F]+", name)


def test_purge(mta):
    mta.stop()
    for name, mode, days in (("incoming/1.2", 0o600, 8), ("incoming/3.4", 0o600, 3), ("incoming/ABCDEF00", 0o600, 8),
                             ("incoming/ABCDEF01", 0o700, 8), ("maildrop/5.6", 0o600, 8)):
        path = mta.spool / name
        path.write_text("")
        path.chmod(mode)
        os.utime(path, (time.time() - days * 86400,) * 2)
        subprocess.run(["chown", "postfix", str(path)], check=True)
    postsuper(mta, "-p")
    assert [p.name for p in mta.queue_files("incoming") + mta.queue_files("maildrop")] == ["3.4", "ABCDEF01"]


# ---- postcat ----

def test_postcat_by_id(mta):
    queue_id, = mta.hold(text="a line\r\n" + "y" * 5000)
    whole = mta.run("postcat", "-q", queue_id).stdout
    assert whole.startswith(f"*** ENVELOPE RECORDS hold/{queue_id} ***\nmessage_size: ")
    assert "\nsender: s@x.example\n" in whole and "\nrecipient: r@y.example\n" in whole
    assert f"\n*** MESSAGE CONTENTS hold/{queue_id} ***\nReceived: " in whole
    assert f"\n*** HEADER EXTRACTED hold/{queue_id} ***\n*** MESSAGE FILE END hold/{queue_id} ***\n" in whole
    assert mta.run("postcat", "-qb", queue_id).stdout == "\na line\n" + "y" * 5000 + "\n"
    header = mta.run("postcat", "-qh", queue_id).stdout
    assert header.startswith("Received: ") and header.endswith("From: s@x.example\n")
    assert mta.run("postcat", "-qbh", queue_id).stdout == header + "\na line\n" + "y" * 5000 + "\n"
    assert re.search(r"^ +\d+  82 recipient: r@y", mta.run("postcat", "-qdo", queue_id).stdout, re.M)


@pytest.mark.parametrize("arguments, status, error", [
    (["-q", "NOSUCH1"], 1, "postcat: fatal: open queue file NOSUCH1: No such file or directory\n"),
    (["-q", "../../x"], 1, "postcat: fatal: bad mail queue ID: ../../x\n"),
    (["/nonexistent"], 1, "postcat: fatal: open /nonexistent: No such file or directory\n"),
    (["/etc/passwd"], 0, "postcat: warning: /etc/passwd: input is not a valid queue file\n"),
    (["/dev/null"], 0, ""),
    (["-x"], 1, "[-b (body text)]"),
])
def test_postcat_refuses(mta, arguments, status, error):
    result = mta.run("postcat", *arguments)
    assert result.returncode == status and error in result.stderr


def test_postcat_of_damaged_files(mta, directory):
    queue_id, = mta.hold()
    whole = (mta.spool / "hold" / queue_id).read_bytes()
    for length in range(3, len(whole) - 1, 17):
        cut = directory / "cut"
        cut.write_bytes(whole[:length])
        result = mta.run("postcat", str(cut))
        assert result.returncode in (0, 1)
        assert "MESSAGE FILE END" not in result.stdout


@pytest.mark.skipif(MTA == "postfix" or not Path("/usr/sbin/postcat").exists(), reason="compares with Debian's postcat")
def test_both_postcats_agree(mta):
    """Debian's command and ours, on our file."""
    queue_id, = mta.hold(recipients=["a@y.example", '"q r"@y.example'], text="z" * 5000 + "\r\n.\r\nx")
    path = str(mta.spool / "hold" / queue_id)
    for options in ("-o", "-b", "-h", "-e", "-eh", "-d", "-do", "-r", "-vdo"):
        theirs = subprocess.run(["/usr/sbin/postcat", options, path], capture_output=True, text=True)
        assert mta.run("postcat", options, path).stdout == theirs.stdout
