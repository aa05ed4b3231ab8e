#!/usr/bin/env python3
"""where BUILD [MTA [MESSAGES [SESSIONS [SIZE [smtp-source options...]]]]] - where a message's time goes.

One run through an instance, after one to warm it up; for each of its programs, for the generator and the sink: processor
time in user and system mode, and how often it had to wait, a message. MTA is postern or postfix. STRACE=program counts that
program's system calls, a message.
"""
import os
import re
import subprocess
import sys
import tempfile
import time

os.environ["POSTERN_BUILD"] = os.path.realpath(sys.argv[1] if len(sys.argv) > 1 else "build")

from system import System  # noqa: E402


def start_counting(system):
    """strace of one program, or None."""
    program = os.environ.get("STRACE")
    if not program:
        return None
    output = tempfile.NamedTemporaryFile(prefix="strace-")
    attach = [word for pid in system.instance.processes(program) for word in ("-p", str(pid))]
    tracer = subprocess.Popen(["strace", "-c", "-f", "-o", output.name, *attach], stderr=subprocess.DEVNULL)
    time.sleep(1)
    return tracer, output


def print_counts(counting, messages):
    tracer, output = counting
    tracer.terminate()
    tracer.wait()
    calls = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) (?: +\d+)? +(\w+)$", output.read().decode(), re.MULTILINE)
    for count, name in sorted(calls, key=lambda call: -int(call[0])):
        if int(count) > messages / 100:
            print(f"  {int(count) / messages:7.2f} {name}")


def main():
    arguments = sys.argv[2:]
    mta = arguments[0] if arguments else "postern"
    messages, sessions, size = (int(a) for a in (arguments[1:4] + ["5000", "20", "4096"][len(arguments[1:4]):]))
    options = arguments[4:] or ["-d"]
    system = System(mta)
    try:
        system.through(500, sessions, size, *options)
        counting = start_counting(system)
        before, children = system.usages(), os.times()
        result = system.through(messages, sessions, size, *options)
        children_after = os.times()
        rows = {"smtp-source": [(children_after.children_user - children.children_user) * 1000,
                                (children_after.children_system - children.children_system) * 1000, 0]}
        for key, now in system.usages().items():
            row = rows.setdefault(key[1], [0, 0, 0])
            for i, then in enumerate(before.get(key, (0, 0, 0))[:3]):
                row[i] += now[i] - then
        print(f"{mta}: " + ", ".join(f"{value:.2f} {name}" for name, value in result.items()))
        for name, (user, kernel, waits) in sorted(rows.items(), key=lambda row: -sum(row[1][:2])):
            if user + kernel > 0:
                print(f"  {name:16} user {user / messages:6.3f}  system {kernel / messages:6.3f} ms   waits {waits / messages:6.2f}")
        if counting:
            print_counts(counting, messages)
    finally:
        system.close()


if __name__ == "__main__":
    main()
