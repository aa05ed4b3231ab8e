"""The rows of `make bench`."""
import statistics
import subprocess
import time
from dataclasses import dataclass, field

from harness.waiting import free_port, wait_until
from scale import listing, queued
from system import SlowSink, System, among_idle, with_limit
from tls import TLS_ROWS

SLOW_SECONDS, SLOW_SESSIONS = 0.2, 1000
IDLE_SESSIONS = 5000
RECIPIENTS = 1000  # and more of them, for smtp-source -N goes on counting


def numbered(mta, destinations, more=""):
    """A system that sends recipient number n (smtp-source writes "nb@dst.example") to destination n modulo so many. A list of
    next hops is a queue of its own, though its first host is the same for all."""
    system = System(mta)
    table = system.instance.directory / "transport"
    table.write_text("".join(f"{n}b@dst.example smtp:[127.0.0.1]:{system.sink_port}, [127.0.1.1]:{10000 + n % destinations}\n"
                             for n in range(10 * RECIPIENTS)) + more)
    system.instance.set_main(transport_maps=f"texthash:{table}")
    system.instance.stop()
    system.instance.start()
    system.through(50, 10, 1024, "-d")
    return system


def relay(messages, sessions, size, *options):
    def measure(mta, scale=1):
        system = System(mta)
        try:
            system.through(200, 10, 1024, "-d")  # processes started, caches warm
            return system.through(int(messages * scale), sessions, size, *options)
        finally:
            system.close()
    return measure


def fan_out(mta, scale=1):
    """Messages, one after another, to 1,000 recipients at 100 destinations; smtp-source -r numbers the recipients."""
    system = numbered(mta, 100)
    try:
        # The ten recipients of a destination go in one transaction.
        figures = system.through(4, 1, 4096, "-d", "-r", "1000", arriving=400)
        return {"recipients through/s": figures["through, messages/s"] * 1000}
    finally:
        system.close()


def many_destinations(mta, scale=1):
    """1,000 messages to 1,000 destinations; smtp-source -N numbers the recipients."""
    system = numbered(mta, RECIPIENTS)
    try:
        return system.through(RECIPIENTS, 20, 4096, "-d", "-N")
    finally:
        system.close()


def slow_sink(mta, scale=1):
    """Messages are taken in first, then delivered as fast as 1,000 deliveries at once can."""
    messages = int(30000 * scale)  # sessions are made and the queue is read in the first second
    system = System(mta, {"default_destination_concurrency_limit": SLOW_SESSIONS, "defer_transports": "smtp",
                          "initial_destination_concurrency": SLOW_SESSIONS, "minimal_backoff_time": "1s",
                          "default_process_limit": 1000, "smtp_connection_cache_on_demand": "yes"},
                    services=with_limit("smtp", SLOW_SESSIONS), sink=lambda port: SlowSink(port, SLOW_SECONDS))
    try:
        system.generate(messages, 20, 4096, "-d")
        wait_until(lambda: len(system.instance.queue_files("deferred")) >= messages, timeout=300, interval=1, what="all deferred")
        system.instance.stop()
        system.instance.set_main(defer_transports="")
        system.instance.start()
        start = time.monotonic()
        system.instance.run("postqueue", "-f", check=True)
        most = 0
        while system.sink.count() < messages and time.monotonic() - start < 300:
            time.sleep(0.2)
            most = max(most, system.resident("smtp"))
        rate = system.sink.count() / (time.monotonic() - start)
        # Pipelined, a message on a kept connection costs two round trips, each of one pause.
        return {"delivered, messages/s": rate, "of what is possible": rate / (SLOW_SESSIONS / (2 * SLOW_SECONDS)),
                "KiB a delivery": most / SLOW_SESSIONS}
    finally:
        system.close()


def submitted(mta, scale=1):
    """sendmail, a process for each message."""
    system = System(mta)
    program = [f"{system.instance.main['command_directory']}/sendmail", "-C", str(system.instance.etc),
               "-f", "a@src.example", "b@dst.example"]

    def generate(messages, *unused):
        for _ in range(messages):
            subprocess.run(program, input=b"Subject: x\n\n" + b"body\n" * 20, check=True, env=system.instance.environment)

    try:
        generate(10)
        wait_until(lambda: system.sink.count() >= 10, what="the first")
        return system.through(int(300 * scale), 1, 0, generate=generate)
    finally:
        system.close()


def idle_sessions(mta, scale=1):
    """Sessions that have said EHLO and wait; then mail passes among them."""
    sessions = IDLE_SESSIONS if mta == "postern" else 500  # a process each
    return among_idle(System(mta, services=with_limit("smtpd", sessions + 100)), sessions, lambda client: client.ehlo())


def dead_destination(mta, scale=1):
    """100 destinations beside a dead one that many messages wait for, and without it before and after: the medians."""
    def usual():
        return [system.through(6000, 20, 4096, "-d", "-N")["through, messages/s"] for _ in range(5)]

    system = numbered(mta, 100, f"dead@dst.example smtp:[127.0.0.1]:{free_port()}\n")
    try:
        alone = usual()
        system.generate(int(50000 * scale), 20, 1024, "-d", recipient="dead@dst.example")
        wait_until(lambda: not system.instance.queue_files("incoming") and not system.instance.queue_files("active"),
                   timeout=600, interval=0.5, what="the dead destination's messages to be put by")
        beside = statistics.median(usual())
        system.instance.run("postsuper", "-d", "ALL", check=True)
        alone = statistics.median(alone + usual())
        return {"through alone, messages/s": alone, "through beside it, messages/s": beside, "of what it was": beside / alone}
    finally:
        system.close()


def isolation(mta, scale=1):
    """sessions_per_process: how many share a process."""
    figures = {}
    for count in (1, 10, 100):
        system = System(mta, {"sessions_per_process": count})
        try:
            system.through(200, 10, 1024, "-d")
            run = system.through(int(3000 * scale), 20, 4096, "-d")
            figures[f"through with {count}, messages/s"] = run["through, messages/s"]
            figures[f"CPU with {count}, ms/message"] = run["CPU, ms/message"]
        finally:
            system.close()
    return figures


@dataclass
class Row:
    title: str
    run: callable        # of "postern" or "postfix", and a scale
    want: dict = field(default_factory=dict)  # figure: what the project has set itself; "5 x" is a ratio
    alone: bool = False  # Postern's own
    once: bool = False   # one pair: it takes minutes


def through(ratio, **more):
    return {"through, messages/s": f"≥ {ratio} x"} | more


ROWS = {
    "kept-4k": Row("4 KiB, 20 kept-open sessions", relay(4000, 20, 4096, "-d"), through(5, **{"CPU, ms/message": "≤ 0.5"})),
    "new-4k": Row("4 KiB, a new connection for each message", relay(3000, 20, 4096), through(4)),
    "kept-100k": Row("100 KB, 20 kept-open sessions", relay(800, 20, 100000, "-d"), through(3)),
    "one-client": Row("4 KiB, one client, one message after another", relay(600, 1, 4096, "-d"), through(1.5)),
    "fan-out": Row("a message to 1,000 recipients at 100 destinations, four times", fan_out, {"recipients through/s": "≥ 3 x"}),
    "many-destinations": Row("1,000 messages to 1,000 destinations", many_destinations, through(3)),
    "slow-sink": Row("a sink that takes 200 ms for each answer, 1,000 deliveries at once", slow_sink,
                     {"delivered, messages/s": "≥ 2 x", "of what is possible": "≥ 0.8", "KiB a delivery": "≤ 40"}, once=True),
    "sendmail": Row("submitted by sendmail, one process each", submitted, through(1.5)),
    "idle-sessions": Row(f"{IDLE_SESSIONS} sessions open after EHLO (Postfix: 500)", idle_sessions, {"KiB a session": "≤ 24"}),
    "listing": Row("20,000 deferred messages", listing, {"postqueue -p, s": "≤ 1", "postsuper -d ALL, s": "≤ 3"}),
    "queued": Row("from 1,000 to 100,000 deferred messages", queued, once=True),
    "dead-destination": Row("100 destinations beside a dead one with 50,000 messages", dead_destination,
                            {"of what it was": "≥ 0.95"}, once=True),
    "isolation": Row("4 KiB, 20 kept-open sessions, by sessions_per_process", isolation, alone=True),
    **{name: Row(*row) for name, row in TLS_ROWS.items()},
}
