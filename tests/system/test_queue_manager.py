"""The queue manager: retries, dead destinations, fairness, expiry, delays, what survives a restart."""
import os
import time

import pytest

from harness.instance import MTA
from harness.smtp_sink import Rule
from harness.waiting import free_port, wait_until

pytestmark = pytest.mark.peer


def send(mta, recipients, sender="a@x.example", message="Subject: test\r\n\r\ntest\r\n"):
    with mta.smtp() as client:
        client.ehlo()
        return client.transaction(sender, recipients, message).text.split()[-1]


def transports(**nexthops):
    """transport_maps: a domain each."""
    return "inline:{" + ", ".join(f"{{{domain.replace('_', '.')}=smtp:{nexthop}}}" for domain, nexthop in nexthops.items()) + "}"


def test_deferred_mail_is_tried_again(make_instance, make_sink):
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "450 4.2.0 later", times=2))
    mta = make_instance({"relayhost": sink.nexthop, "minimal_backoff_time": "1s", "maximal_backoff_time": "1s",
                         "queue_run_delay": "1s"})
    mta.start()
    queue_id = send(mta, ["b@y.example"])
    mta.wait_log(rf"{queue_id}: to=<b@y\.example>.* status=deferred")
    mta.wait_log(rf"{queue_id}: to=<b@y\.example>.* status=sent", timeout=20)
    mta.wait_log(rf"{queue_id}: removed")
    assert len(sink.messages) == 1
    wait_until(mta.queue_is_empty, what="empty queue")


def test_flush_retries_at_once(make_instance, make_sink):
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "450 4.2.0 later", times=1))
    mta = make_instance({"relayhost": sink.nexthop})
    mta.start()
    queue_id = send(mta, ["b@y.example"])
    mta.wait_log(rf"{queue_id}: to=<b@y\.example>.* status=deferred")
    wait_until(lambda: mta.queue_files("deferred"), what="deferred message")
    mta.run("postqueue", "-f", check=True)
    sink.wait_for(1)


def test_dead_destination_is_suspended(make_instance, make_sink):
    sink, dead = make_sink(), free_port()
    mta = make_instance({"transport_maps": transports(dead_example=f"[127.0.0.1]:{dead}", live_example=sink.nexthop),
                         "smtp_destination_concurrency_limit": "2", "initial_destination_concurrency": "2"})
    mta.start()
    for _ in range(6):
        send(mta, ["b@dead.example"])
    mta.wait_log(r"to=<b@dead\.example>, relay=none, .* dsn=4\.4\.1, status=deferred \(connect to 127\.0\.0\.1\[127\.0\.0\.1\]:"
                 rf"{dead}: Connection refused\)")
    for _ in range(3):
        send(mta, ["c@dead.example"])
    mta.wait_log(r"to=<c@dead\.example>, relay=none, .* status=deferred \(delivery temporarily suspended: connect to "
                 rf"127\.0\.0\.1\[127\.0\.0\.1\]:{dead}: Connection refused\)")
    send(mta, ["d@live.example"])
    sink.wait_for(1)


def test_slow_destination_delays_no_other(make_instance, make_sink):
    slow, fast = make_sink(), make_sink()
    slow.rules.append(Rule("DATA", delay=3))
    mta = make_instance({"transport_maps": transports(slow_example=slow.nexthop, fast_example=fast.nexthop),
                         "smtp_destination_concurrency_limit": "3"})
    mta.start()
    for _ in range(10):
        send(mta, ["b@slow.example"])
    start = time.monotonic()
    for _ in range(20):
        send(mta, ["b@fast.example"])
    fast.wait_for(20, timeout=10)
    assert len(slow.messages) < 10 or time.monotonic() - start < 10
    slow.wait_for(10, timeout=60)


def test_concurrency_and_recipient_limits(make_instance, make_sink):
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "smtp_destination_recipient_limit": "3",
                         "smtp_destination_concurrency_limit": "2"})
    mta.start()
    send(mta, [f"r{n}@y.example" for n in range(10)])
    sizes = sorted(len(m.recipients) for m in sink.wait_for(4))
    assert sizes == [1, 3, 3, 3]
    assert sorted(r for m in sink.messages for r in m.recipients) == sorted(f"r{n}@y.example" for n in range(10))


def test_expired_mail_is_returned(make_instance, make_sink):
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "450 4.2.0 never", match="b@y.example"))
    mta = make_instance({"relayhost": sink.nexthop, "maximal_queue_lifetime": "0"})
    mta.start()
    queue_id = send(mta, ["b@y.example"])
    mta.wait_log(rf"{queue_id}: from=<a@x\.example>, status=expired, returned to sender")
    mta.wait_log(rf"{queue_id}: sender non-delivery notification: \w+")
    mta.wait_log(rf"{queue_id}: removed")
    report = sink.wait_for(1)[0]
    assert report.sender == "" and report.recipients == ["a@x.example"]
    assert b"Status: 4.2.0" in report.data and b"Action: failed" in report.data


def test_no_bounce_to_the_null_sender(make_instance, make_sink):
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "550 5.1.1 no", match="b@y.example"))
    mta = make_instance({"relayhost": sink.nexthop})
    mta.start()
    queue_id = send(mta, ["b@y.example"], sender="")
    mta.wait_log(rf"{queue_id}: to=<b@y\.example>.* status=bounced")
    mta.wait_log(rf"{queue_id}: removed")
    wait_until(mta.queue_is_empty, what="empty queue")
    assert sink.messages == []


def test_double_bounce_to_the_postmaster(make_instance, make_sink):
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "550 5.1.1 no", match="b@y.example"))
    mta = make_instance({"relayhost": sink.nexthop, "notify_classes": "bounce, 2bounce"})
    mta.start()
    send(mta, ["b@y.example"], sender="")
    send(mta, ["b@y.example"], sender="a@x.example")
    messages = sink.wait_for(3)
    to_postmaster = [m for m in messages if m.recipients[0].startswith("postmaster@")]
    assert len(to_postmaster) == 2
    assert all(m.sender.startswith("double-bounce@") for m in to_postmaster)


def test_delay_warning(make_instance, make_sink):
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "450 4.2.0 later", match="b@y.example"))
    mta = make_instance({"relayhost": sink.nexthop, "delay_warning_time": "1s", "minimal_backoff_time": "1s",
                         "maximal_backoff_time": "1s", "queue_run_delay": "1s"})
    mta.start()
    queue_id = send(mta, ["b@y.example"])
    mta.wait_log(rf"{queue_id}: sender delay notification: \w+", timeout=20)
    report = sink.wait_for(1)[0]
    assert b"Action: delayed" in report.data and b"Will-Retry-Until: " in report.data
    time.sleep(2.5)
    assert len(sink.messages) == 1  # once


def test_success_report(make_instance, make_sink):
    sink = make_sink(extensions=("8BITMIME",))
    mta = make_instance({"relayhost": sink.nexthop})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@x.example> RET=HDRS ENVID=e1", 250)
        client.command("RCPT TO:<b@y.example> NOTIFY=SUCCESS ORCPT=rfc822;orig@y.example", 250)
        client.data("Subject: s\r\n\r\nb\r\n")
    report = next(m for m in sink.wait_for(2) if m.sender == "")
    for line in (b"Original-Envelope-Id: e1", b"Original-Recipient: rfc822;orig@y.example", b"Action: relayed",
                 b"Status: 2.0.0"):
        assert line in report.data
    mta.wait_log(r"sender delivery status notification: \w+")


def test_defer_transports(make_instance, make_sink):
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "defer_transports": "smtp"})
    mta.start()
    send(mta, ["b@y.example"])
    mta.wait_log(r"to=<b@y\.example>, relay=none, .* dsn=4\.3\.2, status=deferred \(deferred transport\)")


def test_deferred_transports_deliver_when_asked(make_instance, make_sink):
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "defer_transports": "smtp"})
    mta.start()
    queue_ids = [send(mta, [f"{name}@y.example"]) for name in "abc"]
    wait_until(lambda: len(mta.queue_files("deferred")) == 3, what="three deferred messages")
    mta.run("postqueue", "-i", queue_ids[1], check=True)
    assert [message.recipients for message in sink.wait_for(1)] == [["b@y.example"]]
    mta.run("postqueue", "-f", check=True)
    assert sorted(message.recipients for message in sink.wait_for(3)) == [["a@y.example"], ["b@y.example"], ["c@y.example"]]
    queue_id = send(mta, ["d@y.example"])
    mta.wait_log(rf"{queue_id}: to=<d@y\.example>, .* status=deferred \(deferred transport\)")


def test_missing_transport(make_instance):
    mta = make_instance({"transport_maps": "static:nowhere:"})
    mta.start()
    send(mta, ["b@y.example"])
    mta.wait_log(r"to=<b@y\.example>, relay=none, .* dsn=4\.3\.0, status=deferred \(mail transport unavailable\)",
                 timeout=20)


def test_restart_finds_everything(make_instance, make_sink):
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "defer_transports": "smtp"})
    mta.start()
    for n in range(20):
        send(mta, [f"r{n}@y.example"])
    wait_until(lambda: len(mta.queue_files("deferred")) == 20, what="20 deferred messages")
    mta.stop()
    mta.set_main(defer_transports="")
    for path in mta.queue_files("deferred"):
        os.rename(path, mta.spool / "active" / path.name)  # as a crash leaves them
    mta.start()
    assert sorted(m.recipients[0] for m in sink.wait_for(20)) == sorted(f"r{n}@y.example" for n in range(20))
    wait_until(mta.queue_is_empty, what="empty queue")


def test_rate_delay(make_instance, make_sink):
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "smtp_destination_rate_delay": "1s"})
    mta.start()
    start = time.monotonic()
    for _ in range(3):
        send(mta, ["b@y.example"])
    sink.wait_for(3, timeout=20)
    assert time.monotonic() - start >= 1.9


def test_many_recipients_at_many_destinations(make_instance, make_sink):
    sinks = [make_sink() for _ in range(5)]
    mta = make_instance({"transport_maps": transports(**{f"d{n}_example": s.nexthop for n, s in enumerate(sinks)})})
    mta.start()
    send(mta, [f"r{n}@d{n % 5}.example" for n in range(300)])
    for n, sink in enumerate(sinks):
        wait_until(lambda sink=sink: sum(len(m.recipients) for m in sink.messages) == 60, timeout=20)
    wait_until(mta.queue_is_empty, what="empty queue")


def test_input_waits_for_output(make_instance, make_sink):
    """in_flow_delay: with no room in the active queue, mail is still taken in, but slowly."""
    sink = make_sink()
    sink.rules.append(Rule("DATA", delay=2, times=4))
    mta = make_instance({"relayhost": sink.nexthop, "qmgr_message_active_limit": "2", "in_flow_delay": "1s",
                         "default_process_limit": "5", "smtp_destination_concurrency_limit": "1"})
    mta.start()
    start = time.monotonic()
    with mta.smtp() as client:
        client.ehlo()
        for n in range(12):
            client.transaction("a@x.example", [f"r{n}@y.example"])
    assert time.monotonic() - start > 2
    assert len(sink.wait_for(12, timeout=60)) == 12


@pytest.mark.skipif(MTA == "postfix", reason="Postfix puts it off for minimal_backoff_time")
def test_reload_during_a_delivery(make_instance, make_sink):
    """The agent finishes for a queue manager that is gone; the next one waits for it, and finds the work done."""
    sink = make_sink()
    sink.rules.append(Rule("END", delay=3))
    mta = make_instance({"relayhost": sink.nexthop})
    mta.start()
    queue_id = send(mta, ["b@y.example"])
    wait_until(lambda: sink.sessions and any(c.startswith("DATA") for c in sink.sessions[0].commands), what="DATA")
    mta.reload()
    mta.wait_log(rf"{queue_id}: skipped, still being delivered")
    mta.wait_log(rf"{queue_id}: to=<b@y\.example>.* status=sent", timeout=20)
    mta.wait_log(rf"{queue_id}: removed", timeout=20)
    assert len(sink.messages) == 1


def place_of(mta, queue_id):
    return [queue for queue in ("incoming", "active", "deferred", "hold")
            if queue_id in [path.name for path in mta.queue_files(queue)]]


def test_slow_delivery_is_in_the_active_queue(make_instance, make_sink):
    """A new message may be delivered from where it came in; when that takes longer, people find it where they look."""
    sink = make_sink()
    sink.rules.append(Rule("END", delay=4, times=1))
    mta = make_instance({"relayhost": sink.nexthop})
    mta.start()
    queue_id = send(mta, ["b@y.example"])
    wait_until(lambda: place_of(mta, queue_id) == ["active"], timeout=3, what="the active queue")
    assert f"{queue_id}*" in mta.run("postqueue", "-p", check=True).stdout
    mta.wait_log(rf"{queue_id}: to=<b@y\.example>.* status=sent")
    mta.wait_log(rf"{queue_id}: removed")
    assert len(sink.messages) == 1
    wait_until(mta.queue_is_empty, what="empty queue")


def test_waiting_mail_is_in_the_active_queue(make_instance, make_sink):
    """What waits for its turn moves while its delivery has not begun."""
    sink = make_sink()
    sink.rules.append(Rule("END", delay=3, times=1))
    mta = make_instance({"relayhost": sink.nexthop, "default_destination_concurrency_limit": "1",
                         "initial_destination_concurrency": "1"})
    mta.start()
    ids = [send(mta, ["b@y.example"]) for _ in range(60)]  # more than move in one turn
    wait_until(lambda: all(place_of(mta, i) == ["active"] for i in ids), timeout=3, what="the active queue")
    for queue_id in ids:
        mta.wait_log(rf"{queue_id}: removed")
    assert len(sink.messages) == len(ids)
    wait_until(mta.queue_is_empty, what="empty queue")


@pytest.mark.parametrize("rule, place", [(Rule("RCPT", "450 4.2.0 later"), ["deferred"]), (Rule("RCPT", "550 5.1.1 no"), [])])
def test_quick_failure(make_instance, make_sink, rule, place):
    sink = make_sink()
    sink.rules.append(rule)
    mta = make_instance({"relayhost": sink.nexthop})
    mta.start()
    queue_id = send(mta, ["b@y.example"], sender="")
    mta.wait_log(rf"{queue_id}: to=<b@y\.example>.* status={'deferred' if place else 'bounced'}")
    wait_until(lambda: place_of(mta, queue_id) == place, what=f"{queue_id} in {place}")


@pytest.mark.skipif(MTA == "postfix", reason="puts it by for minutes")
def test_delivery_from_the_incoming_queue_outlives_its_queue_manager(make_instance, make_sink):
    sink = make_sink()
    sink.rules.append(Rule("END", delay=3, times=1))
    mta = make_instance({"relayhost": sink.nexthop, "minimal_backoff_time": "1s", "queue_run_delay": "1s"})
    mta.start()
    queue_id = send(mta, ["b@y.example"])
    wait_until(lambda: any("DATA" in session.commands for session in sink.sessions), what="the delivery")
    mta.reload()
    mta.wait_log(rf"{queue_id}: to=<b@y\.example>.* status=sent")
    mta.wait_log(rf"{queue_id}: removed", timeout=30)
    assert len(sink.messages) == 1
    wait_until(mta.queue_is_empty, what="empty queue")
