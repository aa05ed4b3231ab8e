"""A mail system under load: an instance of either kind, a generator before it, a sink behind it.

Generator and sink are Postfix's smtp-source and smtp-sink, but for the sink that takes its time (slow_sink.c). They count
as part of the run. Needs root, for Postfix's instance.
"""
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BENCH = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH.parent / "system"))

from harness.instance import USUAL_SERVICES, Instance, new_directory, remove_directory  # noqa: E402
from harness.smtp_client import SmtpClient  # noqa: E402
from harness.waiting import free_port, wait_until  # noqa: E402

# Neither is held back on purpose, and both leave out what the other does not do.
TUNING = {"smtpd_client_connection_count_limit": "0", "in_flow_delay": "0", "smtpd_peername_lookup": "no",
          "smtpd_forbid_unauth_pipelining": "no"}
TICK = 1000 / os.sysconf("SC_CLK_TCK")
PATIENCE = 60  # seconds for the last message to arrive


class CountingSink:
    """smtp-sink, which prints how many messages it has taken. Its output is appended: reading must not move where it writes."""

    def __init__(self, port):
        self.output = tempfile.TemporaryFile("a+b")
        self.process = subprocess.Popen(["smtp-sink", "-u", "nobody", "-c", f"127.0.0.1:{port}", "4000"],
                                        stdout=self.output, stderr=self.output)
        time.sleep(0.4)

    def count(self):
        end = self.output.seek(0, 2)
        self.output.seek(max(0, end - 120))
        counts = re.findall(rb"mesg=(\d+)", self.output.read())
        return int(counts[-1]) if counts else 0

    def close(self):
        self.process.kill()
        self.process.wait()


class SlowSink:
    """slow_sink: waits before each answer."""

    def __init__(self, port, seconds):
        self.output = tempfile.TemporaryFile("a+b")
        self.process = subprocess.Popen([f"{os.environ['POSTERN_BUILD']}/bench/slow_sink", str(port), str(int(seconds * 1000))],
                                        stdout=self.output)
        time.sleep(0.4)

    def count(self):
        self.output.seek(0)
        lines = self.output.read().split()
        return int(lines[-1]) if lines else 0

    close = CountingSink.close


def usage(pid):
    """(processor ms in user mode, in system mode, voluntary waits, resident KiB) so far; zeros when it has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        waits = sum(int(line.split()[1]) for task in Path(f"/proc/{pid}/task").iterdir()
                    for line in (task / "status").read_text().splitlines() if line.startswith("voluntary_ctxt"))
        resident = int(fields[21]) * os.sysconf("SC_PAGE_SIZE") // 1024
        return int(fields[11]) * TICK, int(fields[12]) * TICK, waits, resident
    except (OSError, IndexError):
        return 0, 0, 0, 0


class System:
    """An instance of `mta` that relays to a sink."""

    def __init__(self, mta, settings=None, services=None, sink=CountingSink):
        self.sink_port = free_port()
        self.instance = Instance(new_directory(), TUNING | {"relayhost": f"[127.0.0.1]:{self.sink_port}"} | (settings or {}),
                                 services=services, mta=mta)
        self.sink = sink(self.sink_port)
        self.instance.start()

    def close(self):
        self.instance.stop()
        self.sink.close()
        remove_directory(self.instance.directory)

    def resident(self, program):
        """KiB of all processes of a program."""
        return sum(usage(pid)[3] for pid in self.instance.processes(program))

    def usages(self):
        pids = self.instance.processes() | {self.sink.process.pid: Path(self.sink.process.args[0]).name}
        return {(pid, name): usage(pid) for pid, name in pids.items()}

    def generate(self, messages, sessions, size, *options, recipient="b@dst.example"):
        subprocess.run(["smtp-source", *options, "-s", str(sessions), "-m", str(messages), "-l", str(size),
                        "-f", "a@src.example", "-t", recipient, f"127.0.0.1:{self.instance.port}"],
                       check=True, capture_output=True)

    def through(self, messages, sessions, size, *options, generate=None, arriving=None, patience=PATIENCE):
        """Messages a second from the first connection to the last one in the sink; processor time a message of the
        instance, the generator and the sink together."""
        before, children, start = self.sink.count(), os.times(), time.monotonic()
        usages = self.usages()
        (generate or self.generate)(messages, sessions, size, *options)
        taken = time.monotonic() - start
        wait_until(lambda: self.sink.count() - before >= (arriving or messages), timeout=patience, interval=0.01,
                   what="all messages")
        passed = time.monotonic() - start
        after = os.times()
        cpu = (after.children_user + after.children_system - children.children_user - children.children_system) * 1000
        for key, now in self.usages().items():
            then = usages.get(key, (0, 0))
            cpu += now[0] + now[1] - then[0] - then[1]
        return {"taken in, messages/s": messages / taken, "through, messages/s": messages / passed,
                "CPU, ms/message": cpu / messages}


def with_limit(program, limit):
    """master.cf with another process (or session) limit for a program's services."""
    rows = [line.split() for line in USUAL_SERVICES.strip().splitlines()]
    return [" ".join(row[:6] + [str(limit)] + row[7:] if row[7] == program else row) for row in rows]


def among_idle(system, sessions, begin):
    """What so many sessions take that were begun so and wait, and how fast mail passes among them. Ends the system."""
    clients = []
    try:
        system.through(100, 10, 1024, "-d")
        empty = system.resident("smtpd")
        for _ in range(sessions):
            clients.append(SmtpClient(system.instance.port, timeout=60))
            begin(clients[-1])
        held = system.resident("smtpd") - empty
        figures = system.through(500, 10, 4096, "-d")
        return {"KiB a session": held / sessions, "through among them, messages/s": figures["through, messages/s"]}
    finally:
        for client in clients:
            client.close()
        system.close()
