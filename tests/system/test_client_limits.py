"""smtpd_client_*_limit: how much one client may do. anvil counts."""
import os
import re
import signal

import pytest

from harness.certificates import make_certificate
from harness.instance import MTA, USUAL_SERVICES
from harness.login_server import plain
from harness.smtp_client import SmtpClient, tls_context
from harness.waiting import wait_until

SETTINGS = {"mynetworks": "127.0.0.9", "mydestination": "local.example", "local_recipient_maps": "",
            "defer_transports": "local smtp", "smtpd_peername_lookup": "no"}
HERE = "127.0.0.1"

peer = pytest.mark.peer


@pytest.fixture
def limited(make_instance):
    def make(services=None, **limits):
        mta = make_instance(SETTINGS | {f"smtpd_client_{name}" if name.endswith(("_limit", "_length")) else name: value
                                        for name, value in limits.items()}, services=services)
        mta.start()
        return mta
    return make


def told(mta, what, count):
    line = rf"smtpd\[\d+\]: warning: {what} limit exceeded: {count} from unknown\[{HERE}\] for service {HERE}:{mta.port}$"
    wait_until(lambda: re.search(line, mta.log(), re.M), 10, lambda: f"no line {line}\n{mta.log()}")


def refused(mta):
    """What a client that is turned away reads; then the connection ends."""
    with SmtpClient(mta.port, greeting=None) as client:
        reply = client.read_reply()
        assert client.at_end()
        return str(reply.code) + " " + reply.text


# ---- connections ----

@peer
def test_connections_at_a_time(limited):
    mta = limited(connection_count_limit=2)
    first, second = mta.smtp(), mta.smtp()
    assert refused(mta) == f"421 4.7.0 mail.test.example Error: too many connections from {HERE}"
    told(mta, "Connection concurrency", 3)
    first.command("QUIT", 221)
    first.close()
    with wait_until(lambda: try_greeting(mta), 10, "no room after a client has gone") as third:
        third.ehlo()
    second.close()


def try_greeting(mta):
    client = SmtpClient(mta.port, greeting=None)
    if client.read_reply().code == 220:
        return client
    client.close()


@peer
def test_reload_beside_an_old_session(limited):
    """The old session goes on for as long as it likes; new ones are greeted at once, and counted."""
    mta = limited(connection_count_limit=1)
    with mta.smtp() as old:
        old.ehlo()
        mta.reload()
        for _ in range(3):  # whoever was there before the reload has gone by then
            with wait_until(lambda: try_greeting(mta), 5, "a greeting") as new:
                new.ehlo()
                assert refused(mta).startswith("421 ")
        old.command("NOOP", 250)


@peer
def test_connections_in_a_while(limited):
    mta = limited(connection_rate_limit=3)
    for _ in range(3):
        with mta.smtp() as client:
            client.command("QUIT", 221)
    assert refused(mta) == f"421 4.7.0 mail.test.example Error: too many connections from {HERE}"
    told(mta, "Connection rate", 4)


@peer
def test_a_new_while(limited):
    mta = limited(connection_rate_limit=1, anvil_rate_time_unit="2s")
    with mta.smtp():
        refused(mta)
    wait_until(lambda: try_greeting(mta), 10, "the rate never fell").close()


@peer
def test_exceptions(limited):
    mta = limited(connection_count_limit=1, smtpd_client_event_limit_exceptions=f"192.0.2.0/24 {HERE}")
    with mta.smtp(), mta.smtp(), mta.smtp() as client:
        client.ehlo()
    assert "limit exceeded" not in mta.log()


@peer
def test_own_networks_are_exceptions(limited):
    mta = limited(connection_count_limit=1, mynetworks="127.0.0.0/8")
    with mta.smtp(), mta.smtp() as client:
        client.ehlo()


# ---- mail ----

@peer
def test_messages_and_recipients(limited):
    mta = limited(message_rate_limit=2, recipient_rate_limit=3)
    with mta.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@b.example>", 250)
        client.command("RCPT TO:<u0@local.example>", 250)
        client.command("RCPT TO:<u1@local.example>", 250)
        client.command("RSET", 250)
        client.command("MAIL FROM:<a@b.example>", 250)
        client.command("RCPT TO:<u0@local.example>", 250)
        assert client.command("RCPT TO:<u1@local.example>", 450).text == f"4.7.1 Error: too many recipients from {HERE}"
        client.command("RSET", 250)
        assert client.command("MAIL FROM:<a@b.example>", 450).text == f"4.7.1 Error: too much mail from {HERE}"
        assert client.command("VRFY u@local.example", 450).text == f"4.7.1 Error: too many recipients from {HERE}"
    told(mta, "Recipient address rate", 4)
    told(mta, "Message delivery request rate", 3)
    told(mta, "Recipient address rate", 5)


@peer
def test_sessions_share_a_clients_counts(limited):
    mta = limited(message_rate_limit=2)
    with mta.smtp() as one, mta.smtp() as other:
        for client in (one, other, one):
            client.ehlo()
        one.command("MAIL FROM:<a@b.example>", 250)
        other.command("MAIL FROM:<a@b.example>", 250)
        one.command("RSET", 250)
        one.command("MAIL FROM:<a@b.example>", 450)


# ---- logins and TLS ----

@peer
def test_logins(limited, login_server):
    mta = limited(auth_rate_limit=2, smtpd_sasl_auth_enable="yes", smtpd_sasl_type="dovecot", smtpd_sasl_path=login_server.path)
    with mta.smtp() as client:
        client.ehlo()
        client.command("AUTH PLAIN " + plain("joe", "wrong"), 535)
        client.command("AUTH PLAIN " + plain("joe", "wrong"), 535)
        assert client.command("AUTH PLAIN " + plain("joe", "secret"), 450).text == \
            f"4.7.1 Error: too many AUTH commands from {HERE}"
    told(mta, "AUTH command rate", 3)


@peer
def test_tls_sessions(limited, tmp_path):
    made = make_certificate(tmp_path, "mail.test.example")
    mta = limited(new_tls_session_rate_limit=1, smtpd_tls_security_level="may", smtpd_tls_chain_files=made.chain)
    with mta.smtp() as client:
        client.ehlo()
        client.starttls(context=tls_context())
        client.ehlo()
    with mta.smtp() as client:
        client.ehlo()
        client.starttls(context=tls_context())
        reply = client.read_reply()
        assert (reply.code, reply.text) == (421, f"4.7.0 mail.test.example Error: too many new TLS sessions from unknown[{HERE}]")
        assert client.at_end()
    told(mta, "New TLS session rate", 2)
    with mta.smtp() as client:
        client.ehlo()
        assert client.command("STARTTLS", 454).text == f"4.7.0 Error: too many new TLS sessions from unknown[{HERE}]"


# ---- what is told, and when anvil or smtpd dies ----

@peer
def test_statistics(limited):
    mta = limited(connection_count_limit=5, message_rate_limit=9, anvil_status_update_time="1s", anvil_rate_time_unit="30s")
    with mta.smtp() as one, mta.smtp():
        one.ehlo()
        one.command("MAIL FROM:<a@b.example>", 250)
    of = rf"for \({HERE}:{mta.port}:{HERE}\) at \w{{3}} [ \d]\d \d\d:\d\d:\d\d$"
    for line in (rf"max connection rate 2/30s {of}", rf"max connection count 2 {of}", rf"max message rate 1/30s {of}",
                 r"max cache size 1 at \w{3} "):
        wait_until(lambda: re.search(rf"anvil\[\d+\]: statistics: {line}", mta.log(), re.M), 10,
                   lambda: f"no line {line}\n{mta.log()}")


def test_a_killed_smtpd_gives_its_connections_back(limited):
    mta = limited(connection_count_limit=1)
    with mta.smtp():
        refused(mta)
        for pid in mta.processes("smtpd"):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: try_greeting(mta), 20, "its connections are still counted").close()


def test_without_anvil_mail_passes(limited):
    mta = limited(connection_count_limit=1, services=USUAL_SERVICES.replace("anvil unix", "#anvil unix"))
    with mta.smtp(), mta.smtp() as client:
        client.ehlo()
        client.transaction("a@b.example", ["u@local.example"], "Subject: x\r\n\r\nx\r\n")
    assert len(re.findall("warning: clients are not limited: ", mta.log())) == 1


@pytest.mark.skipif(MTA == "postfix", reason="Debian's Postfix 3.7 counts each address by itself")
def test_addresses_with_one_prefix_are_one_client(limited):
    mta = limited(connection_count_limit=1, ipv4_prefix_length=24)
    with mta.smtp():
        with SmtpClient(mta.port, greeting=None, source="127.0.0.77") as client:
            assert client.read_reply().code == 421
    wait_until(lambda: "concurrency limit exceeded: 2 from unknown[127.0.0.77]" in mta.log())
