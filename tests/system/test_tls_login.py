"""Logins within TLS: none before it where main.cf says so, bound to the connection, and told of."""
import os
import re

import pytest

from harness.certificates import make_certificate
from harness.instance import MTA
from harness.login_server import plain
from harness.smtp_client import tls_context

pytestmark = pytest.mark.skipif(MTA == "postfix", reason="logins by table are ours alone")


@pytest.fixture
def server(make_instance, directory):
    """A submission server with one user, joe."""
    certificate = make_certificate(directory, "mail.test.example")
    mta = make_instance({"smtpd_tls_security_level": "may", "smtpd_tls_auth_only": "yes", "smtpd_tls_loglevel": "1",
                         "smtpd_tls_cert_file": certificate.certificate, "smtpd_tls_key_file": certificate.key,
                         "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "table",
                         "smtpd_sasl_authenticated_header": "yes", "mynetworks": "127.0.0.2", "defer_transports": "smtp"})
    users = mta.etc / "users"
    entry = mta.run("postsasl", "-m", "scram", input="pencil\n", check=True).stdout.strip()
    users.write_text(f"joe\t{entry}\n")
    mta.set_main(smtpd_sasl_path=f"texthash:{users}")
    mta.start()
    return mta


def queued_text(mta):
    queue_id = mta.wait_log(r"cleanup\[\d+\]: (\w+): message-id")[1]
    return mta.run("postcat", "-q", queue_id, check=True).stdout


def test_no_login_before_tls(server):
    with server.smtp() as client:
        assert not [line for line in client.ehlo("here").lines if line.startswith("AUTH")]
        client.command("AUTH PLAIN " + plain("joe", "pencil"), 503)
        client.starttls(context=tls_context())
        offered = [line for line in client.ehlo("here").lines if line.startswith("AUTH")]
        assert offered == ["AUTH PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS"]
        client.command("AUTH PLAIN " + plain("joe", "pencil"), 235)
        client.transaction("a@x.example", ["b@y.example"], "Subject: x\r\n\r\nhello\r\n")
    server.wait_log("client=.*sasl_method=PLAIN, sasl_username=joe")
    text = queued_text(server)
    assert "(Authenticated sender: joe)" in text and "with ESMTPSA id" in text


def test_a_login_is_forgotten_by_starttls(server):
    server.set_main(smtpd_tls_auth_only="no")
    server.stop()
    server.start()
    with server.smtp() as client:
        client.ehlo("here")
        client.command("AUTH PLAIN " + plain("joe", "pencil"), 235)
        client.starttls(context=tls_context())
        client.ehlo("here")
        client.command("MAIL FROM:<a@x.example>", 250)
        client.command("RCPT TO:<b@y.example>", 454)  # relaying is for who has logged in


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN"])
def test_our_client_at_our_server(make_instance, server, mechanism):
    relay = make_instance({"relayhost": f"[127.0.0.1]:{server.port}", "smtp_tls_security_level": "encrypt",
                           "smtp_sasl_auth_enable": "yes", "smtp_sasl_tls_security_options": "noanonymous",
                           "smtp_sasl_mechanism_filter": mechanism})
    passwords = relay.etc / "passwords"
    passwords.write_text(f"[127.0.0.1]:{server.port} joe:pencil\n")
    relay.set_main(smtp_sasl_password_maps=f"texthash:{passwords}")
    relay.start()
    with relay.smtp() as client:
        client.ehlo("here")
        client.transaction("a@x.example", ["b@y.example"], "Subject: x\r\n\r\nhello\r\n")
    relay.wait_log("status=sent")
    assert re.search(rf"client=.*sasl_method={mechanism}, sasl_username=joe", server.log())


@pytest.mark.root
def test_who_handles_passwords_leaves_no_core_file(make_instance, server):
    """Also where nobody ever was root, which alone would keep processes from being dumped."""
    sender = make_instance({"relayhost": f"[127.0.0.1]:{server.port}", "smtp_sasl_auth_enable": "yes",
                            "smtp_tls_security_level": "encrypt", "smtp_sasl_password_maps": "static:joe:pencil",
                            "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "table",
                            "smtpd_sasl_path": "inline:{joe=none}"}, user="nobody")
    sender.start()
    with sender.smtp() as client:
        client.ehlo()
        client.transaction("a@b.example", ["c@far.example"])
    server.wait_log("sasl_username=joe")
    for name, dumped in ("smtpd", False), ("smtp", False), ("qmgr", True):
        for pid in sender.processes(name):
            assert (os.stat(f"/proc/{pid}/environ").st_uid != 0) == dumped, name
    assert "pencil" not in server.log() + sender.log()
