#!/usr/bin/python3
"""large_queue.py [BUILD] [MESSAGES]: how long postqueue and postsuper take for a deferred queue of that many (100000),
Postern's and, as root and where it is installed, Debian's Postfix's on the same files.

Messages differ in sender, recipients and reason, and are what a relay would have deferred: content of some KiB, one or
two recipients, a defer log each.
"""
import os
import sys
import time
from pathlib import Path

BUILD = Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 100000
os.environ["POSTERN_BUILD"] = str(BUILD)
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))

from harness.instance import Instance, new_directory, remove_directory  # noqa: E402
from queue_files import fill  # noqa: E402

BOTH = [[("postqueue", "-p"), ("postqueue", "-j"), ("postsuper", "-s")], [("postsuper", "-h", "ALL"), ("postsuper", "-H", "ALL")]]
OURS = [
    ("postqueue", "-p", "--domain", "yahoo.com", "--older", "2h"),
    ("postqueue", "-j", "--sender", r"/@(\w+\.)?adp\.com$/"), ("postqueue", "-j", "--client", "192.0.2.7"),
    ("postqueue", "--oldest"), ("postqueue", "--top", "domain"), ("postqueue", "--top", "recipient"),
    ("postsuper", "-d", "ALL", "--sender", r"/@(\w+\.)?adp\.com$/", "--dry-run"),
    ("postsuper", "-d", "ALL", "--domain", "yahoo.com"),
]
DELETE = [("postsuper", "-d", "ALL")]


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
        fill(ours, COUNT)
        for commands in BOTH:
            compare(mtas, commands)
        compare([ours], OURS[:-1])
        best = {}
        measure(ours, OURS[-1:], best)
        for mta in mtas:
            fill(ours, COUNT)
            measure(mta, DELETE, best)
        tell(best)
    finally:
        for mta in mtas:
            mta.finish()
            remove_directory(mta.directory)


if __name__ == "__main__":
    main()
