#!/usr/bin/python3
"""large_queue.py [BUILD] [MESSAGES]: how long postqueue and postsuper take for a deferred queue of that many (100000),
Postern's and, as root and where it is installed, Debian's Postfix's on the same files.

Messages differ in sender, recipients and reason, and are what a relay would have deferred: content of some KiB, one or
two recipients, a defer log each.
"""
import os
import shutil
import sys
import time
from pathlib import Path

BUILD = Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 100000
os.environ["POSTERN_BUILD"] = str(BUILD)
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))

from harness.instance import Instance, new_directory, remove_directory  # noqa: E402

DOMAINS = ["yahoo.com"] * 5 + ["aol.com"] * 3 + ["hotmail.com"] * 2 + [f"d{n}.example" for n in range(20)]
BOTH = [[("postqueue", "-p"), ("postqueue", "-j"), ("postsuper", "-s")], [("postsuper", "-h", "ALL"), ("postsuper", "-H", "ALL")]]
OURS = [
    ("postqueue", "-p", "--domain", "yahoo.com", "--older", "2h"),
    ("postqueue", "-j", "--sender", r"/@(\w+\.)?adp\.com$/"), ("postqueue", "-j", "--client", "192.0.2.7"),
    ("postqueue", "--oldest"), ("postqueue", "--top", "domain"), ("postqueue", "--top", "recipient"),
    ("postsuper", "-d", "ALL", "--sender", r"/@(\w+\.)?adp\.com$/", "--dry-run"),
    ("postsuper", "-d", "ALL", "--domain", "yahoo.com"),
]
DELETE = [("postsuper", "-d", "ALL")]


def record(kind, text):
    data, length, head = text.encode(), len(text), b""
    while length > 127:
        head += bytes([length & 127 | 128])
        length >>= 7
    return kind.encode() + head + bytes([length]) + data


def message(number, arrival):
    sender = f"user{number % 997}@{'pay.adp.com' if number % 50 == 0 else 'news.example'}"
    recipients = [f"r{number}@{DOMAINS[number % len(DOMAINS)]}"]
    if number % 10 == 0:
        recipients.append(f"s{number}@{DOMAINS[(number * 7) % len(DOMAINS)]}")
    head = (record("T", f"{arrival} 1") + record("A", "log_client_name=client.example")
            + record("A", f"log_client_address=192.0.2.{number % 200}") + record("S", sender))
    envelope = b"".join(record("O", r) + record("R", r) for r in recipients)
    content = b"".join(record("N", "x" * 76) for _ in range(50))
    start = 97 + len(head) + len(envelope) + len(record("M", ""))
    size = record("C", "".join(f"{n:15d} " for n in (len(content), start, len(recipients), 0, len(content))) + f"{0:15d}")
    assert len(size) == 97
    reason = f"connect to mx.{recipients[0].split('@')[1]}[192.0.2.1]:25: Connection timed out"
    log = "".join(f"<{r}>: {reason}\nrecipient={r}\noffset=1\ndsn_orig_rcpt=rfc822;{r}\nstatus=4.4.1\naction=delayed\n"
                  f"reason={reason}\n\n" for r in recipients)
    return size + head + envelope + record("M", "") + content + record("X", "") + record("E", ""), log.encode()


def fill(mta):
    now = int(time.time())
    for queue in ("deferred", "defer"):
        for path in (mta.spool / queue).iterdir():
            shutil.rmtree(path)
    for number in range(COUNT):
        queue_id = f"{number * 16:05X}"[-5:] + f"{number:06X}"
        body, log = message(number, now - number % 20000)
        for queue, data, mode in (("deferred", body, 0o700), ("defer", log, 0o600)):
            folder = mta.spool / queue / queue_id[0]
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / queue_id
            path.write_bytes(data)
            path.chmod(mode)
            if queue == "deferred":
                os.utime(path, (now, now + 86400))
    os.sync()
    for queue in ("deferred", "defer"):
        for path in (mta.spool / queue).rglob("*"):
            shutil.chown(path, mta.main["mail_owner"])


def measure(mta, commands, best):
    """Keeps the best time of each command in best."""
    for command in commands:
        start = time.monotonic()
        result = mta.run(*command, timeout=600)
        took, key = time.monotonic() - start, (command, mta.mail_name)
        if key not in best or took < best[key][0]:
            best[key] = took, result


def tell(best):
    for (command, name), (took, result) in best.items():
        lines = result.stdout.count("\n")
        print(f"{name:8} {took:6.2f} s {lines:8d} lines  {' '.join(command)}  {' '.join(result.stderr.split())[:60]}", flush=True)


def compare(mtas, commands):
    """The best of three rounds, in each of which they take turns."""
    best = {}
    for _ in range(3):
        for mta in mtas:
            mta.start()
            measure(mta, commands, best)
            mta.stop()
    tell(best)


def instances():
    """Both have one queue directory."""
    ours = Instance(new_directory(), {})
    if os.geteuid() != 0 or not Path("/usr/lib/postfix/sbin/master").exists():
        return [ours]
    theirs = Instance(new_directory(), {"queue_directory": ours.spool, "maillog_file": ""}, mta="postfix")
    theirs.spool = ours.spool
    return [ours, theirs]


def main():
    mtas = instances()
    ours = mtas[0]
    try:
        ours.start()
        ours.stop()
        fill(ours)
        for commands in BOTH:
            compare(mtas, commands)
        compare([ours], OURS[:-1])
        best = {}
        measure(ours, OURS[-1:], best)
        for mta in mtas:
            fill(ours)
            measure(mta, DELETE, best)
        tell(best)
    finally:
        for mta in mtas:
            mta.finish()
            remove_directory(mta.directory)


if __name__ == "__main__":
    main()
