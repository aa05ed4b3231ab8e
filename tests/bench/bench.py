#!/usr/bin/env python3
"""bench BUILD [ROW...] - Postern beside Debian's Postfix in the same run, as ratios.

Each row runs both systems in turns (PAIRS times, 3 unless set) and prints the medians and their ratio. Generator and
sink are Postfix's smtp-source and smtp-sink and count as part of the run. Needs root, for Postfix's instance.
"""
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUILD = Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
os.environ["POSTERN_BUILD"] = str(BUILD)
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))

from harness.instance import Instance, new_directory, remove_directory  # noqa: E402
from harness.waiting import free_port, wait_until  # noqa: E402

PAIRS = int(os.environ.get("PAIRS", "3"))
TUNING = {"smtpd_client_connection_count_limit": "0", "in_flow_delay": "0", "smtpd_peername_lookup": "no",
          "smtpd_forbid_unauth_pipelining": "no"}


class CountingSink:
    """smtp-sink, which prints how many messages it has taken."""

    def __init__(self, port):
        self.output = tempfile.TemporaryFile()
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


def busy_seconds():
    """Processor time of the whole machine, everything included."""
    fields = open("/proc/stat").readline().split()
    return sum(map(int, fields[1:4] + fields[6:8])) / os.sysconf("SC_CLK_TCK")


class Run:
    def __init__(self, mta):
        self.sink_port = free_port()
        self.instance = Instance(new_directory(), TUNING | {"relayhost": f"[127.0.0.1]:{self.sink_port}"}, mta=mta)
        self.sink = CountingSink(self.sink_port)
        self.instance.start()

    def close(self):
        self.instance.stop()
        self.sink.close()
        remove_directory(self.instance.directory)

    def through(self, messages, sessions, size, *options):
        """Messages a second from the first connection to the last one in the sink; CPU milliseconds a message."""
        before, cpu, start = self.sink.count(), busy_seconds(), time.monotonic()
        subprocess.run(["smtp-source", *options, "-s", str(sessions), "-m", str(messages), "-l", str(size),
                        "-f", "a@src.example", "-t", "b@dst.example", f"127.0.0.1:{self.instance.port}"],
                       check=True, capture_output=True)
        taken = time.monotonic() - start
        wait_until(lambda: self.sink.count() - before >= messages, timeout=300, interval=0.01, what="all messages")
        passed = time.monotonic() - start
        return {"taken in, messages/s": messages / taken, "through, messages/s": messages / passed,
                "CPU, ms/message": (busy_seconds() - cpu) * 1000 / messages}


ROWS = {
    "kept-4k": ("4 KiB, 20 kept-open sessions", lambda run: run.through(3000, 20, 4096, "-d")),
    "new-4k": ("4 KiB, a new connection for each message", lambda run: run.through(2000, 20, 4096)),
    "kept-100k": ("100 KB, 20 kept-open sessions", lambda run: run.through(500, 20, 100000, "-d")),
    "one-client": ("4 KiB, one client, one message after another", lambda run: run.through(500, 1, 4096, "-d")),
}


def measure(mta, row):
    run = Run(mta)
    try:
        run.through(200, 10, 1024, "-d")  # processes started, caches warm
        return row(run)
    finally:
        run.close()


def main():
    names = sys.argv[2:] or list(ROWS)
    subprocess.run(["postconf", "-h", "mail_version"], check=True, capture_output=True)
    for name in names:
        title, row = ROWS[name]
        results = {"postern": [], "postfix": []}
        for _ in range(PAIRS):
            for mta in results:
                results[mta].append(measure(mta, row))
        print(f"\n{name}: {title}")
        for figure in results["postern"][0]:
            ours, theirs = (statistics.median(r[figure] for r in results[mta]) for mta in ("postern", "postfix"))
            print(f"  {figure:24} Postern {ours:9.2f}   Postfix {theirs:9.2f}   ratio {ours / theirs:5.2f}")


if __name__ == "__main__":
    main()
