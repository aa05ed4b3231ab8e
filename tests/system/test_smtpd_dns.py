"""What smtpd asks the name server: who the client is, and whether sender and recipient domains exist."""
import socket
import time

import pytest

from harness.dns_server import DnsServer

ZONE = {
    "5.0.0.127.in-addr.arpa": {"PTR": ["good.c.example"]}, "good.c.example": {"A": ["127.0.0.5"]},
    "6.0.0.127.in-addr.arpa": {"PTR": ["liar.c.example"]}, "liar.c.example": {"A": ["192.0.2.1"]},
    "7.0.0.127.in-addr.arpa": {"PTR": ["gone.c.example"]},
    "mx.example": {"MX": ["10 mail.mx.example"]}, "a.example": {"A": ["127.0.0.9"]}, "null.example": {"MX": ["0 ."]},
    "txt.example": {"TXT": ["x"]}, "fail.example": "SERVFAIL",
}


@pytest.fixture(scope="module")
def mta(module_instance, module_sink):
    server = DnsServer(ZONE)
    mta = module_instance({
        "relayhost": module_sink.nexthop, "dns_servers": f"127.0.0.1:{server.port}",
        "smtpd_recipient_restrictions": "check_client_access inline:{c.example=DUNNO}, reject_unknown_sender_domain, "
                                        "reject_unknown_recipient_domain"})
    mta.start()
    return mta


@pytest.mark.parametrize("source, name, warning", [
    ("127.0.0.5", "good.c.example", None),
    ("127.0.0.6", "unknown", "hostname liar.c.example does not resolve to address 127.0.0.6"),
    ("127.0.0.7", "unknown", "hostname gone.c.example does not resolve to address 127.0.0.7"),
    ("127.0.0.8", "unknown", None),
])
def test_client_name(mta, source, name, warning):
    with mta.smtp(source=source) as client:
        client.ehlo()
        client.transaction("a@mx.example", ["b@mx.example"])
    mta.wait_log(rf"connect from {name}\[{source}\]")
    if warning:
        mta.wait_log("warning: " + warning)


@pytest.mark.parametrize("sender, recipient, reply", [
    ("a@a.example", "b@a.example", "250 2.1.5 Ok"),
    ("a@none.example", "b@a.example", "450 4.1.8 <a@none.example>: Sender address rejected: Domain not found"),
    ("a@txt.example", "b@a.example", "450 4.1.8 <a@txt.example>: Sender address rejected: Domain not found"),
    ("a@fail.example", "b@a.example", "450 4.1.8 <a@fail.example>: Sender address rejected: Domain not found"),
    ("a@null.example", "b@a.example",
     "550 5.7.27 <a@null.example>: Sender address rejected: Domain null.example does not accept mail (nullMX)"),
    ("a@mx.example", "b@none.example", "450 4.1.2 <b@none.example>: Recipient address rejected: Domain not found"),
    ("a@mx.example", "b@null.example",
     "556 5.1.10 <b@null.example>: Recipient address rejected: Domain null.example does not accept mail (nullMX)"),
    ("", "b@a.example", "250 2.1.5 Ok"),
])
def test_unknown_domain(mta, sender, recipient, reply):
    with mta.smtp() as client:
        client.ehlo()
        client.command(f"MAIL FROM:<{sender}>", 250)
        assert str(client.command(f"RCPT TO:<{recipient}>")) == reply


def test_a_dead_name_server_delays_no_greeting(make_instance):
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # takes questions, answers none
    silent.bind(("127.0.0.1", 0))
    mta = make_instance({"dns_servers": f"127.0.0.1:{silent.getsockname()[1]}"})
    mta.start()
    with mta.smtp():
        pass  # smtpd runs
    start = time.monotonic()
    with mta.smtp(source="127.0.0.5") as client:
        client.ehlo()
        client.command("NOOP", 250)
        assert time.monotonic() - start < 2
    mta.wait_log(r"disconnect from unknown\[127\.0\.0\.5\] ehlo=1 noop=1 commands=2")
    silent.close()

