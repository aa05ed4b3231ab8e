"""How a TLS connection ends: tls_fast_shutdown_enable."""
import select
import time

import pytest

pytestmark = pytest.mark.peer


@pytest.fixture
def server(make_instance, certificate):
    def make(**settings):
        mta = make_instance({"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": certificate.chain,
                             "smtpd_peername_lookup": "no"} | settings)
        mta.start()
        return mta

    return make


def said_goodbye(mta):
    """A client that got the answer to QUIT and the server's goodbye, and has not said its own."""
    client = mta.smtp()
    client.ehlo()
    client.starttls()
    client.command("QUIT", 221)
    client.socket.settimeout(5)
    assert client.socket.recv(10) == b""
    return client


def closed(client, seconds):
    """Nothing but the end of the TCP connection is left to come."""
    return bool(select.select([client.socket.fileno()], [], [], seconds)[0])


def test_the_peers_goodbye_is_not_waited_for(server):
    with said_goodbye(server()) as client:
        assert closed(client, 10)


def test_the_peers_goodbye_is_waited_for(server):
    mta = server(tls_fast_shutdown_enable="no")
    with said_goodbye(mta) as client:
        assert not closed(client, 1)
        client.socket = client.socket.unwrap()
        assert closed(client, 10)
    mta.wait_log("disconnect from")


def test_not_for_ever(server):
    mta = server(tls_fast_shutdown_enable="no", smtpd_starttls_timeout="2s")
    with said_goodbye(mta) as client:
        assert closed(client, 10)
    mta.wait_log("disconnect from")


def test_of_our_client_by_our_server(server, make_instance):
    receiver = server(default_transport="discard")
    sender = make_instance({"relayhost": f"[127.0.0.1]:{receiver.port}", "smtp_tls_security_level": "encrypt",
                            "tls_fast_shutdown_enable": "no"})
    sender.start()
    with sender.smtp() as client:
        client.ehlo()
        client.transaction("a@x.example", ["b@y.example"])
    sender.wait_log("status=sent")
    receiver.wait_log("disconnect from .* quit=1")
    started = time.monotonic()
    sender.stop()
    assert time.monotonic() - started < 20
