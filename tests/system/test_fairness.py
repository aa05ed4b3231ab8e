"""Under load, everybody gets a share: a long message, a flood or a message to many stops nobody beside it.

Nothing here is timed: the load goes on until what is beside it has got through, and would go on for ever otherwise."""
import threading
import time

import pytest

from harness.smtp_sink import Rule
from harness.waiting import wait_until

pytestmark = pytest.mark.peer

DISCARDED = "inline:{{big.example=discard:}, {flood.example=discard:}}"


class Load:
    """Work in a thread, again and again until it is told to end; a failure in it is one of the test."""

    def __init__(self, work):
        self.going, self.failure = True, None
        self.thread = threading.Thread(target=self._run, args=(work,))

    def _run(self, work):
        try:
            work(lambda: self.going)
        except Exception as failure:
            self.failure = failure

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.going = False
        self.thread.join(60)
        assert not self.thread.is_alive() and not self.failure, f"the load: {self.failure}"


def send(mta, count, recipients):
    with mta.smtp() as client:
        client.ehlo()
        for _ in range(count):
            client.transaction("a@x.example", recipients)


@pytest.mark.parametrize("content", [b"x" * 76 + b"\r\n", b"y", b"\r\n", b"\0\r", b"..\r\n"],
                         ids=["lines", "one line", "empty lines", "carriage returns", "dots"])
def test_long_message_stops_no_session_beside_it(make_instance, make_sink, content):
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "transport_maps": DISCARDED, "message_size_limit": "0",
                         "smtpd_forbid_bare_newline": "no"})
    mta.start()
    block = content * (65536 // len(content))

    def long_message(going):
        with mta.smtp(timeout=60) as client:
            client.ehlo()
            client.envelope("a@x.example", ["b@big.example"])
            client.command("DATA", 354)
            while going():
                client.send_raw(block)
                time.sleep(0.002)  # 32 MB a second fill no disk
            client.send_raw(b"\r\n.\r\n")
            client.expect(250)

    with Load(long_message):
        send(mta, 30, ["b@y.example"])
        sink.wait_for(30)
    mta.wait_log(r"to=<b@big\.example>, relay=none, .*status=sent")


def flood(mta):
    """Mail as fast as a session takes it."""
    def work(going):
        with mta.smtp() as client:
            client.ehlo()
            while going():
                client.transaction("a@x.example", ["b@flood.example"])
    return work


def test_flood_stops_no_delivery(make_instance, make_sink):
    """New mail of others is delivered while it lasts, and so is what was deferred before it."""
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "450 4.2.0 later", times=5))
    mta = make_instance({"relayhost": sink.nexthop, "transport_maps": DISCARDED})
    mta.start()
    send(mta, 5, ["late@y.example"])
    wait_until(lambda: len([p for p in mta.queue_files("deferred")]) == 5, what="deferred messages")
    with Load(flood(mta)), Load(flood(mta)), Load(flood(mta)), Load(flood(mta)):
        mta.wait_log(r"to=<b@flood\.example>.*status=sent")
        send(mta, 20, ["new@y.example"])
        mta.run("postqueue", "-f", check=True)
        messages = sink.wait_for(25, timeout=30)
    assert sorted(m.recipients[0] for m in messages) == ["late@y.example"] * 5 + ["new@y.example"] * 20
    wait_until(mta.queue_is_empty, timeout=60, what="empty queue")


def test_message_to_many_gives_way_to_one_to_few(make_instance, make_sink):
    """One destination, one delivery at a time: who comes later with one recipient does not wait for all of those before."""
    many = 100
    sink = make_sink()
    sink.rules.append(Rule("END", delay=0.05))
    mta = make_instance({"relayhost": sink.nexthop, "smtp_destination_concurrency_limit": "1",
                         "smtp_destination_recipient_limit": "2"})
    mta.start()
    send(mta, 1, [f"r{n}@y.example" for n in range(2 * many)])
    sink.wait_for(5)
    send(mta, 1, ["single@y.example"])
    order = [m.recipients for m in sink.wait_for(many + 1, timeout=60)]
    assert order.index(["single@y.example"]) < many - 50
    assert len({recipient for recipients in order for recipient in recipients}) == 2 * many + 1
