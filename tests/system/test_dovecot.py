"""Debian's Dovecot beside it: its authentication server for logins, its LMTP server for mail."""
import base64
import hmac

import pytest

from harness.dovecot import Dovecot, dovecot_is_here
from harness.instance import MTA
from harness.login_server import b64, plain
from harness.scram import ScramClient
from harness.waiting import wait_until

SETTINGS = {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_peername_lookup": "no",
            "mynetworks": "127.0.0.2", "defer_transports": "smtp", "smtpd_hard_error_limit": "100",
            "smtpd_relay_restrictions": "permit_sasl_authenticated, reject"}


@pytest.fixture
def dovecot(directory):
    if not dovecot_is_here():
        pytest.skip("needs root and dovecot-core")
    dovecot = Dovecot(directory, {"joe": "secret", "ann@example.com": "pa ss"})
    yield dovecot
    dovecot.stop()


@pytest.fixture
def mta(make_instance, dovecot):
    mta = make_instance(SETTINGS | {"smtpd_sasl_path": dovecot.auth})
    mta.start()
    return mta


@pytest.mark.peer
def test_login(mta):
    with mta.smtp() as client:
        assert "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256" in client.ehlo("here").lines
        client.command(f"AUTH PLAIN {plain('ann@example.com', 'pa ss')}", 235)
        client.envelope("a@b.example", ["u@far.example"])
    mta.wait_log(r"client=unknown\[127\.0\.0\.1\], sasl_method=PLAIN, sasl_username=ann@example\.com$")
    with mta.smtp() as client:
        client.command("AUTH LOGIN", 334)
        client.command(b64("joe"), 334)
        client.command(b64("secret"), 235)
    with mta.smtp() as client:
        challenge = base64.b64decode(client.command("AUTH CRAM-MD5", 334).text)
        client.command(b64("joe " + hmac.new(b"secret", challenge, "md5").hexdigest()), 235)
    with mta.smtp() as client:
        scram = ScramClient("joe", "secret")
        challenge = base64.b64decode(client.command(f"AUTH SCRAM-SHA-256 {b64(scram.first())}", 334).text).decode()
        scram.verify(base64.b64decode(client.command(b64(scram.final(challenge)), 334).text).decode())
        client.command("", 235)


@pytest.mark.peer
def test_refused(mta):
    with mta.smtp() as client:
        reply = client.command(f"AUTH PLAIN {plain('joe', 'wrong')}")
        assert str(reply) == "535 5.7.8 Error: authentication failed: (reason unavailable)"
        mta.wait_log(r"warning: unknown\[127\.0\.0\.1\]: SASL PLAIN authentication failed: \(reason unavailable\), "
                     r"sasl_username=joe$")
        client.command("AUTH FOO", 535)
        reply = client.command("AUTH PLAIN @@@@")
        assert str(reply) == "535 5.7.8 Error: authentication failed: Invalid base64 data in initial response"


@pytest.mark.skipif(MTA == "postfix", reason="ours alone")
def test_many_and_a_restart(mta, dovecot):
    clients = [mta.smtp() for _ in range(20)]
    for client in clients:
        client.command("AUTH LOGIN", 334)
    for client in clients[:10]:
        client.command(b64("joe"), 334)
    for client in clients[:5]:
        client.command("*", 501)
    for client in clients[5:10]:
        client.command(b64("secret"), 235)
    dovecot.restart()
    for client in clients[10:]:  # the old server lets its clients finish, for as long as it likes
        client.command(b64("joe"), 334, 454)
    for client in clients:
        client.close()
    clients = [mta.smtp()]
    wait_until(lambda: clients[0].command(f"AUTH PLAIN {plain('joe', 'secret')}").code == 235, 20)
    clients[0].close()
    assert "BUG" not in dovecot.log()


@pytest.mark.skipif(MTA == "postfix", reason="ours alone")
def test_lmtp(make_instance, directory):
    if not dovecot_is_here("lmtp"):
        pytest.skip("needs root and dovecot-lmtpd")
    dovecot = Dovecot(directory, {"joe": "secret"}, lmtp=True)
    try:
        mta = make_instance({"relayhost": "", "transport_maps": f"inline:{{*=lmtp:unix:{dovecot.lmtp}}}",
                             "mynetworks": "127.0.0.0/8", "lmtp_sasl_auth_enable": "yes",
                             "lmtp_sasl_password_maps": "static:joe:secret"})
        mta.start()
        with mta.smtp() as client:
            client.ehlo()
            client.transaction("a@b.example", ["joe@far.example"], "Subject: here it is\r\n\r\n.dot\r\n")
        wait_until(lambda: dovecot.mail("joe"), 15, lambda: mta.log() + dovecot.log())
        text = dovecot.mail("joe")[0].read_text()
        assert "\nSubject: here it is\n" in text and text.endswith("\n\n.dot\n")
        mta.wait_log(r"postfix/lmtp\[\d+\]: \w+: to=<joe@far\.example>, relay=mail\.test\.example\[\S+lmtp\], .*"
                     r"dsn=2\.0\.0, status=sent \(250 2\.0\.0 <joe@far\.example> \S+ Saved\)")
    finally:
        dovecot.stop()
