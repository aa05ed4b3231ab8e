"""Reload under load: no session is cut, no message lost, and the old processes go."""
import threading

from harness.waiting import wait_until


def send_until(stop, mta, number, sent, failures):
    """One long session that sends message after message."""
    try:
        with mta.smtp() as client:
            client.ehlo()
            while not stop.is_set():
                name = f"r{number}-{len(sent)}@y.example"
                client.transaction("s@x.example", [name])
                sent.append(name)
            client.quit()
    except Exception as failure:  # noqa: BLE001 - whatever it is, the test wants to know
        failures.append(f"session {number}: {failure!r}")


def test_reload_under_load(make_instance, make_sink):
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "queue_run_delay": "1s", "minimal_backoff_time": "1s"})
    mta.start()
    stop, sent, failures = threading.Event(), [], []
    threads = [threading.Thread(target=send_until, args=(stop, mta, n, sent, failures)) for n in range(4)]
    for thread in threads:
        thread.start()
    for times in range(1, 6):
        count = len(sent)
        wait_until(lambda: len(sent) > count + 20 or failures, 20, "messages go on")
        mta.reload()
        wait_until(lambda: mta.log().count("reload -- version") == times, what="the reload")
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    wait_until(lambda: {m.recipients[0] for m in sink.messages} == set(sent), 60, "every message")
    wait_until(mta.queue_is_empty, timeout=20, what="an empty queue")
    assert len(sink.messages) == len(sent), "none twice"
    wait_until(lambda: all(len(mta.processes(name)) <= 1 for name in ("smtpd", "cleanup", "qmgr", "smtp")), 15,
               lambda: f"old processes: {mta.processes()}")
