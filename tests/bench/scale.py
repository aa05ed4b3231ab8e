"""Rows of `make bench` about queues that hold much: how the cost grows with what waits."""
import time
from pathlib import Path

from queue_files import fill
from system import System

QUEUED = (1000, 10000, 100000)
PATIENCE = 900


def most_memory(instance, program):
    """MiB that a program's processes have had at most."""
    return sum(int(line.split()[1]) for pid in instance.processes(program)
               for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")) / 1024


def seconds(work):
    start = time.monotonic()
    work()
    return time.monotonic() - start


def with_queued(mta, count):
    """Figures with so many deferred messages, which at the end are all delivered."""
    system = System(mta)
    instance = system.instance
    try:
        instance.stop()
        fill(instance, count)

        def start():
            instance.start()
            system.through(1, 1, 1024)

        started = seconds(start)
        system.through(200, 10, 1024, "-d")
        beside = system.through(2000, 20, 4096, "-d")
        listed = seconds(lambda: instance.run("postqueue", "-p", check=True))
        flushed = system.through(count, 0, 0, generate=lambda *unused: instance.run("postqueue", "-f", check=True),
                                 patience=PATIENCE)
        return {"start to first delivery, s": started, "postqueue -p, s": listed,
                "CPU beside them, ms/message": beside["CPU, ms/message"],
                "postqueue -f, delivered/s": flushed["through, messages/s"],
                "CPU, ms/delivered message": flushed["CPU, ms/message"],
                "qmgr's most memory, MiB": most_memory(instance, "qmgr")}
    finally:
        system.close()


def queued(mta, scale=1):
    return {f"{count} queued: {name}": figure for count in QUEUED
            for name, figure in with_queued(mta, int(count * scale)).items()}


def listing(mta, scale=1):
    """20,000 deferred messages: listed, then deleted."""
    system = System(mta)
    try:
        system.instance.stop()
        fill(system.instance, int(20000 * scale))
        system.instance.start()
        return {"postqueue -p, s": seconds(lambda: system.instance.run("postqueue", "-p", check=True)),
                "postsuper -d ALL, s": seconds(lambda: system.instance.run("postsuper", "-d", "ALL", check=True))}
    finally:
        system.close()
