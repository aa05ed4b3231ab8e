#!/usr/bin/env python3
"""where BUILD [MTA [MESSAGES [SESSIONS [SIZE [smtp-source options...]]]]] - where a message's time goes, process by process.

One run through an instance; for each of its programs, for the generator and the sink: processor time in user and system
mode, and how often it had to wait, a message. MTA is postern or postfix. STRACE=program counts its system calls.
"""
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench
from harness.instance import command_name

TICK = 1000 / os.sysconf("SC_CLK_TCK")


def usage(pid):
    """(user ms, system ms, waits) so far; nothing for a process that has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        waits = 0
        for task in Path(f"/proc/{pid}/task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt"):
                    waits += int(line.split()[1])
        return int(fields[11]) * TICK, int(fields[12]) * TICK, waits
    except (OSError, IndexError):
        return 0, 0, 0


def snapshot(run):
    pids = run.instance.processes() | {run.sink.process.pid: "smtp-sink"}
    return {(pid, name): usage(pid) for pid, name in pids.items()}


def counter(run):
    """strace of one program, or None."""
    program = os.environ.get("STRACE")
    if not program:
        return None
    output = tempfile.NamedTemporaryFile(prefix="strace-", delete=False)
    pids = [str(pid) for pid, name in run.instance.processes().items() if name == program]
    tracer = subprocess.Popen(["strace", "-c", "-f", "-S", "calls", "-o", output.name, *[w for pid in pids for w in ("-p", pid)]],
                              stderr=subprocess.DEVNULL)
    time.sleep(1)
    return tracer, output.name


def main():
    arguments = sys.argv[2:]
    mta = arguments[0] if arguments else "postern"
    messages, sessions, size = (int(a) for a in (arguments[1:4] + ["5000", "20", "4096"][len(arguments[1:4]):]))
    options = arguments[4:] or ["-d"]
    run = bench.Run(mta)
    try:
        run.through(500, sessions, size, *options)
        tracer = counter(run)
        before, children = snapshot(run), os.times()
        result = run.through(messages, sessions, size, *options)
        after, children_after = snapshot(run), os.times()
        if tracer:
            tracer[0].terminate()
            tracer[0].wait()
            print(Path(tracer[1]).read_text())
        rows = {}
        for (pid, name), now in after.items():
            then = before.get((pid, name), (0, 0, 0))
            row = rows.setdefault(name, [0, 0, 0, 0])
            for i in range(3):
                row[i] += now[i] - then[i]
            row[3] += 1
        rows["smtp-source"] = [(children_after.children_user - children.children_user) * 1000,
                               (children_after.children_system - children.children_system) * 1000, 0, 1]
        total = sum(r[0] + r[1] for r in rows.values())
        print(f"{mta}: {result['through, messages/s']:.0f} messages/s through, {result['taken in, messages/s']:.0f} taken in, "
              f"{total / messages:.3f} ms/message")
        for name, (user, system, waits, count) in sorted(rows.items(), key=lambda r: -sum(r[1][:2])):
            if user + system > 0:
                print(f"  {name:16} x{count:<3} user {user / messages:6.3f}  system {system / messages:6.3f} ms   "
                      f"waits {waits / messages:6.2f}")
    finally:
        run.close()


if __name__ == "__main__":
    main()
