"""kill -9 of any service, again and again under load, loses no message that got its 250."""
import collections
import os
import random
import signal
import threading
import time

from harness.waiting import wait_until

SECONDS = 12
SESSIONS = 4


def send_until(stop, mta, number, accepted):
    """Session after session; what is not answered with 250 does not count."""
    count = 0
    while not stop.is_set():
        try:
            with mta.smtp(timeout=5) as client:
                client.ehlo()
                while not stop.is_set():
                    count += 1
                    recipient = f"k{number}-{count}@y.example"
                    client.transaction("s@x.example", [recipient])
                    accepted.append(recipient)
        except (AssertionError, EOFError, OSError, ValueError):
            time.sleep(0.05)


def kill_until(stop, mta, killed):
    random.seed(1)
    while not stop.is_set():
        time.sleep(0.15)
        pids = [(pid, name) for pid, name in mta.processes().items() if name and name != "master"]
        if pids:
            pid, name = random.choice(pids)
            try:
                os.kill(pid, signal.SIGKILL)
                killed[name] += 1
            except ProcessLookupError:
                pass


def owed(mta):
    """Files that are complete. What cleanup was writing when it was killed is removed at the next start."""
    return [path for queue in ("incoming", "active", "deferred") for path in mta.queue_files(queue)
            if path.stat().st_mode & 0o100]


def test_kill_loses_nothing(make_instance, make_sink):
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "queue_run_delay": "1s", "minimal_backoff_time": "1s",
                         "maximal_backoff_time": "2s", "transport_retry_time": "1s", "service_throttle_time": "1s"})
    mta.start()
    stop, accepted, killed = threading.Event(), [], collections.Counter()
    threads = [threading.Thread(target=send_until, args=(stop, mta, n, accepted)) for n in range(SESSIONS)]
    threads.append(threading.Thread(target=kill_until, args=(stop, mta, killed)))
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)
    stop.set()
    for thread in threads:
        thread.join()
    master = mta.pid
    assert len(accepted) > 50 and sum(killed.values()) > 20
    assert {"smtpd", "cleanup", "qmgr", "smtp"} <= set(killed)

    arrived = lambda: collections.Counter(m.recipients[0] for m in sink.messages)  # noqa: E731
    wait_until(lambda: set(accepted) <= set(arrived()), 60,
               lambda: f"lost of {len(accepted)}: {sorted(set(accepted) - set(arrived()))}\n{mta.log()[-5000:]}")
    wait_until(lambda: not owed(mta), 30, lambda: f"queue: {owed(mta)}")
    assert mta.pid == master
    twice = sum(count - 1 for count in arrived().values())
    print(f"{sum(killed.values())} killed, {len(accepted)} accepted, 0 lost, {twice} twice")
    assert twice <= sum(killed.values())
