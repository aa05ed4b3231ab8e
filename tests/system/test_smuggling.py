"""SMTP smuggling: what ends a message, and nothing else does; as a server and as a client."""
import pytest

from harness.waiting import wait_until

pytestmark = pytest.mark.peer

# What stands where the end of data might be, and what it is with smtpd_forbid_bare_newline no, normalize, reject.
ENDS, CONTENT, REFUSED = "ends", "content", "refused"
MATRIX = [
    (b"\n.\n", ENDS, CONTENT, REFUSED),
    (b"\n.\r\n", ENDS, CONTENT, REFUSED),
    (b"\r\n.\n", ENDS, CONTENT, REFUSED),
    (b"\r\n.\r\r\n", ENDS, CONTENT, CONTENT),
    (b"\r.\r", CONTENT, CONTENT, CONTENT),
    (b"\r.\n", CONTENT, CONTENT, REFUSED),
    (b"\n.\r", CONTENT, CONTENT, REFUSED),
    (b"\r.\r\n", CONTENT, CONTENT, CONTENT),
    (b"\r\n\0.\r\n", CONTENT, CONTENT, CONTENT),
    (b"\r\n.\0\r\n", CONTENT, CONTENT, CONTENT),
    (b"\r\r\n.\r\n", ENDS, ENDS, ENDS),
    (b"\r\n.\r", CONTENT, CONTENT, CONTENT),
]
MODES = ["no", "normalize", "reject"]
CASES = [(mode, row[0], row[1 + column]) for column, mode in enumerate(MODES) for row in MATRIX]


@pytest.fixture(scope="module")
def relays(module_instance, module_sink):
    """An instance for each mode."""
    instances = {}
    for mode in MODES:
        instances[mode] = module_instance({"relayhost": module_sink.nexthop, "smtpd_forbid_bare_newline": mode,
                                           "smtpd_forbid_bare_newline_exclusions": "",
                                           "smtpd_forbid_unauth_pipelining": "no"})
        instances[mode].start()
    return instances


SMUGGLED = b"MAIL FROM:<smuggled@x.example>\r\nRCPT TO:<victim@y.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nbody"


@pytest.mark.parametrize("mode, end, outcome", CASES, ids=[f"{m}-{e!r}" for m, e, _ in CASES])
def test_end_of_data(relays, module_sink, mode, end, outcome):
    mta = relays[mode]
    with mta.smtp() as client:
        client.ehlo()
        client.envelope("a@x.example", ["b@y.example"])
        client.command("DATA", 354)
        client.send_raw(b"Subject: one\r\n\r\nfirst" + end + SMUGGLED + b"\r\n.\r\n")
        first = client.read_reply()
        if outcome == ENDS:
            assert first.code == 250
            assert [client.read_reply().code for _ in range(4)] == [250, 250, 354, 250]
        elif outcome == CONTENT:
            assert first.code == 250
            queue_id = first.text.split()[-1]
            assert client.command("NOOP").code == 250  # nothing else was obeyed
            mta.wait_log(rf"{queue_id}: from=<a@x\.example>")
        else:
            assert str(first).startswith("550 5.5.2 ")
            # What follows is whatever the mode makes of it; the session is none the worse, or closed.


@pytest.mark.parametrize("end", [row[0] for row in MATRIX if row[2] == CONTENT], ids=repr)
def test_client_sends_no_second_end(make_instance, make_sink, end):
    """What was content stays content on its way out: one CR LF . CR LF, no CR or LF by itself."""
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "smtpd_forbid_bare_newline": "normalize",
                         "smtpd_forbid_bare_newline_exclusions": ""})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        client.envelope("a@x.example", ["b@y.example"])
        client.command("DATA", 354)
        client.send_raw(b"Subject: one\r\n\r\nfirst" + end + b"MAIL FROM:<smuggled@x.example>\r\n.\r\n")
        client.expect(250)
    message = sink.wait_for(1)[0]
    wait_until(mta.queue_is_empty, what="empty queue")
    assert len(sink.messages) == 1
    assert b"smuggled@x.example" in message.data
    plain = message.data.replace(b"\r\n", b"")
    assert b"\r" not in plain and b"\n" not in plain


@pytest.mark.parametrize("forbid", ["normalize", "no"])
def test_megabytes_that_were_held_back_come_at_once(make_instance, make_sink, forbid):
    """CRs may be the beginning of a line's end; when it turns out that they are not, all of them are content."""
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "smtpd_forbid_bare_newline": forbid})
    mta.start()
    with mta.smtp(timeout=120) as client:
        client.ehlo()
        client.envelope("a@x.example", ["b@y.example"])
        client.command("DATA", 354)
        client.send_raw(b"Subject: x\r\n\r\n" + b"\r" * 6000000 + b"end\r\n.\r\n")
        client.expect(250)
        client.command("NOOP", 250)
    assert len(sink.wait_for(1)[0].data) > 6000000
