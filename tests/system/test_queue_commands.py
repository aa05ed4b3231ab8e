"""postqueue, postsuper, postcat and showq, on a queue whose messages are on hold."""
import itertools
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


def test_damaged_defer_log(mta):
    queue_id, = mta.hold()
    log = mta.spool / "defer" / queue_id[0]
    log.mkdir(exist_ok=True)
    (log / queue_id).write_text("junk\n\n<x>: y\n\nrecipient=q@q\nreason=\n\nreason=zz\n\n")
    subprocess.run(["chown", "-R", "postfix", str(log)], check=True)
    assert json.loads(mta.run("postqueue", "-j").stdout)["recipients"][-2:] == [
        {"address": "(recipient address unavailable)", "delay_reason": "zz"}, {"address": "r@y.example"}]


def test_order_of_queues(mta):
    ids = mta.hold(4)
    mta.stop()
    for queue, queue_id in zip(("deferred/" + ids[0][0], "incoming", "active"), ids):
        (mta.spool / queue).mkdir(exist_ok=True)
        (mta.spool / "hold" / queue_id).rename(mta.spool / queue / queue_id)
    mta.run("sendmail", "u@x.example", input="Subject: x\n\n", check=True)
    entries = [json.loads(line) for line in mta.run("postqueue", "-j").stdout.splitlines()]
    assert [e["queue_name"] for e in entries] == ["maildrop", "active", "incoming", "deferred", "hold"]
    listing = mta.run("postqueue", "-p").stdout
    assert re.search(rf"^{ids[2]}\* ", listing, re.M) and re.search(rf"^{ids[1]} ", listing, re.M)


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
    (["-s", "1.2.3.4"], 'Cannot flush mail queue - invalid destination: "1.2.3.4"'),
    (["-s", "a@b"], 'Cannot flush mail queue - invalid destination: "a@b"'),
    (["-s", ""], 'Cannot flush mail queue - invalid destination: ""'),
    (["-s", "[127.0.0.1]"], 'Flush service is not configured for destination "[127.0.0.1]"'),
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


def test_word_all_is_for_the_command_line(mta):
    ids = mta.hold(2)
    for option, word in (("-d", "Deleted"), ("-h", "Placed on hold"), ("-H", "Released from hold"), ("-r", "Requeued"),
                         ("-e", "Force-expired")):
        assert postsuper(mta, option, "-", input="ALL\n") == f"postsuper: {word}: 0 messages\n"
    assert {p.name for p in mta.queue_files("hold")} == set(ids)


def test_delete_finds_mail_in_maildrop(mta):
    mta.stop()
    mta.run("sendmail", "u@x.example", input="Subject: x\n\n", check=True)
    path, = mta.queue_files("maildrop")
    for option, word in (("-h", "Placed on hold"), ("-H", "Released from hold"), ("-r", "Requeued"), ("-e", "Force-expired")):
        assert postsuper(mta, option, path.name) == f"postsuper: {word}: 0 messages\n"
    assert postsuper(mta, "-d", path.name) == f"postsuper: {path.name}: removed\npostsuper: Deleted: 1 message\n"
    mta.run("sendmail", "u@x.example", input="Subject: x\n\n", check=True)
    assert postsuper(mta, "-d", "ALL") == "postsuper: Deleted: 1 message\n"
    assert mta.queue_files("maildrop") == []


def test_several_operations(mta):
    """Those that are named in the order of the command line, then the one on all."""
    ids = mta.hold(4)
    mta.stop()
    postsuper(mta, "-H", ids[1], "-H", ids[3])
    assert postsuper(mta, "-d", ids[0], "-h", ids[1], "-H", ids[2], "-r", ids[3], "-e", "ALL") == (
        f"postsuper: {ids[0]}: removed\npostsuper: {ids[1]}: placed on hold\npostsuper: {ids[2]}: released from hold\n"
        f"postsuper: {ids[3]}: requeued\npostsuper: Requeued: 1 message\npostsuper: Deleted: 1 message\n"
        "postsuper: Force-expired: 2 messages\npostsuper: Placed on hold: 1 message\npostsuper: Released from hold: 1 message\n")
    assert [queue_of(mta, i) for i in ids] == [None, "hold", "deferred", "maildrop"]
    assert postsuper(mta, "-r", ids[1], "-d", ids[1]).startswith(f"postsuper: {ids[1]}: requeued\npostsuper: {ids[1]}: removed\n")


def test_verbose(mta):
    first, second = mta.hold(2)
    (mta.spool / "deferred" / first[0]).mkdir(exist_ok=True)
    shutil.chown(mta.spool / "deferred" / first[0], "postfix")
    mta.stop()
    assert f"postsuper: renamed file hold/{first} as deferred/{first[0]}/{first}\n" in postsuper(mta, "-v", "-H", first)
    assert f"postsuper: removed file hold/{second}\n" in postsuper(mta, "-v", "-d", second)
    assert f"postsuper: renamed file deferred/{first[0]}/{first} as maildrop/{first}\n" in postsuper(mta, "-v", "-r", first)


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
    (["-d", "ALL", "nosuchqueue"], "invalid directory name: nosuchqueue"), (["-d"], "usage: postsuper"),
    (["-d", "ALL", "corrupt"], "invalid directory name: corrupt"), (["-s", "saved"], "invalid directory name: saved"),
    (["-h", "ALL", "deferred/A"], "invalid directory name: deferred/A"), (["-p", "."], "invalid directory name: ."),
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


def test_directory_that_cannot_be_read(mta):
    queue_id, = mta.hold()
    mta.stop()
    (mta.spool / "hold").chmod(0)
    mta.expected_errors.append("postsuper.*fatal: ")
    for arguments in (["-s"], ["-d", "ALL"], ["-H", "ALL"]):
        result = mta.run("postsuper", *arguments)
        assert result.returncode == 1
        assert "open directory hold: Permission denied" in result.stderr
    (mta.spool / "hold").chmod(0o700)
    assert queue_of(mta, queue_id) == "hold"


def test_renaming_that_fails(mta):
    queue_id, = mta.hold()
    (mta.spool / "defer" / queue_id[0]).mkdir(exist_ok=True)
    (mta.spool / "defer" / queue_id[0] / queue_id).write_text("")
    subprocess.run(["chown", "-R", "postfix", str(mta.spool / "defer")], check=True)
    mta.stop()
    hold = mta.spool / "hold"
    (hold / queue_id).rename(hold / (queue_id[:-1] + "0" * 3))
    (mta.spool / "defer" / queue_id[0] / queue_id).rename(mta.spool / "defer" / queue_id[0] / (queue_id[:-1] + "0" * 3))
    hold.chmod(0o500)
    mta.expected_errors.append("postsuper.*fatal: ")
    result = mta.run("postsuper", "-s")
    assert result.returncode == 1
    assert f"rename file hold/{queue_id[:-1]}000 as hold/{queue_id}" in result.stderr
    if MTA == "postern":  # Debian's only says so when it has renamed something
        assert "postsuper: warning: OPERATION INCOMPLETE -- RERUN COMMAND " in result.stderr
    hold.chmod(0o700)
    assert "Renamed to match inode number: 1 message" in postsuper(mta, "-s")
    assert queue_of(mta, queue_id) == "hold"


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


@pytest.mark.parametrize("where", ["pipe", "file"])
def test_postcat_of_standard_input(mta, where):
    queue_id, = mta.hold(text="y" * 2000)
    path = mta.spool / "hold" / queue_id
    command = [f"{mta.main['command_directory']}/postcat", "-c", str(mta.etc)]
    whole = mta.run("postcat", path).stdout.replace(str(path), "stdin")
    with path.open("rb") as file:
        if where == "file":
            assert subprocess.run(command, stdin=file, capture_output=True).stdout.decode() == whole
        else:
            shown = subprocess.run(command, input=file.read(), capture_output=True).stdout.decode()
            assert shown.startswith(whole[:whole.rindex("*** MESSAGE FILE END")])  # Debian's leaves out that mark
            assert MTA == "postfix" or shown == whole
    assert subprocess.run(command, input=b"", capture_output=True).returncode == 0
    result = subprocess.run(command, input=b"x", capture_output=True)
    assert result.returncode == 0 and b"stdin: input is not a valid queue file" in result.stderr


def test_postcat_of_several(mta):
    first, second = mta.hold(2)
    both = mta.run("postcat", "-q", first, second).stdout
    assert both == mta.run("postcat", "-q", first).stdout + mta.run("postcat", "-q", second).stdout
    result = mta.run("postcat", "-q", first, "NOSUCH1", second)
    assert result.returncode == 1 and result.stdout == mta.run("postcat", "-q", first).stdout


@pytest.mark.parametrize("arguments, status, error", [
    (["-q", "NOSUCH1"], 1, "postcat: fatal: open queue file NOSUCH1: No such file or directory\n"),
    (["-q", "../../x"], 1, "postcat: fatal: bad mail queue ID: ../../x\n"),
    (["/nonexistent"], 1, "postcat: fatal: open /nonexistent: No such file or directory\n"),
    (["/etc/passwd"], 0, "postcat: warning: /etc/passwd: input is not a valid queue file\n"),
    (["/dev/null"], 0, ""),
    (["-x"], 1, "[-b (body text)]"), (["-s"], 1, "usage: "), (["-s", "-1", "/dev/null"], 1, "postcat: fatal: bad offset: -1\n"),
    (["-s", "x", "/dev/null"], 1, "postcat: fatal: bad offset: x\n"),
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
    letters = "bdehorv"
    combinations = [c for n in range(4) for c in itertools.combinations(letters, n)] + [tuple(letters)]
    for options in [["-" + "".join(c)] if c else [] for c in combinations] + [["-s", "97"], ["-rs", "97"], ["-s", "100000"]]:
        theirs = subprocess.run(["/usr/sbin/postcat", *options, path], capture_output=True, text=True)
        ours = mta.run("postcat", *options, path)
        assert (ours.stdout, ours.returncode) == (theirs.stdout, theirs.returncode), options
