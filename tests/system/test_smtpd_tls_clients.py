"""Clients of smtpd's that come again with the session they had, and clients that are known by their certificates."""
import ssl

import pytest

from harness.certificates import Certificate
from harness.smtpd_tls import TLS12, TLS13, connect, keys, server  # noqa: F401
from harness.smtp_client import tls_context

pytestmark = pytest.mark.peer


# ---- sessions ----

@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_session_is_resumed(server, version):
    mta = server(smtpd_tls_loglevel=2)
    context = tls_context(most=version)
    with connect(mta, context=context) as client:
        client.ehlo()
        session = client.socket.session
        client.quit()
    with connect(mta, context=context, session=session) as client:
        client.ehlo()
        assert client.socket.session_reused
        client.quit()
    mta.wait_log(r"unknown\[127.0.0.1\]: Decrypting session ticket, key expiration: \d+")
    mta.wait_log(r"unknown\[127.0.0.1\]: Reusing old session \(RFC 5077 session ticket\)")


def test_session_of_a_client_without_tickets(server, directory):
    mta = server(smtpd_tls_loglevel=2, smtpd_tls_session_cache_database="lmdb:${data_directory}/smtpd_scache")
    context = tls_context(most=TLS12)
    context.options |= ssl.OP_NO_TICKET
    with connect(mta, context=context) as client:
        client.ehlo()
        session = client.socket.session
        client.quit()
    for _ in range(2):
        with connect(mta, context=context, session=session) as client:
            client.ehlo()
            assert client.socket.session_reused
            client.quit()
    mta.wait_log(r"unknown\[127.0.0.1\]: save session [0-9A-F]{64}\S* to smtpd cache")
    mta.wait_log(r"unknown\[127.0.0.1\]: looking up session [0-9A-F]{64}\S* in smtpd cache")
    mta.wait_log(r"unknown\[127.0.0.1\]: reloaded session [0-9A-F]{64}\S* from smtpd cache")
    mta.wait_log(r"unknown\[127.0.0.1\]: Reusing old session$")


@pytest.mark.parametrize("setting, issued", [("yes", True), ("no", False)])
def test_session_ids(server, setting, issued):
    mta = server(smtpd_tls_session_cache_timeout="0", smtpd_tls_always_issue_session_ids=setting)
    context = tls_context(most=TLS12)
    with connect(mta, context=context) as client:
        client.ehlo()
        assert (client.socket.session.id != b"") == issued


def test_session_is_not_resumed_where_that_is_off(server):
    mta = server(smtpd_tls_session_cache_timeout="0")
    context = tls_context()
    with connect(mta, context=context) as client:
        client.ehlo()
        session = client.socket.session
    with connect(mta, context=context, session=session) as client:
        assert not client.socket.session_reused


# ---- restrictions ----

@pytest.fixture
def judging(server, keys):
    def make(restrictions, **settings):
        return server(smtpd_recipient_restrictions=restrictions, smtpd_relay_restrictions="", smtpd_tls_ask_ccert="yes",
                      smtpd_tls_CAfile=keys.ca.certificate, **settings)

    return make


def judge(mta, certificate=None):
    pair = certificate.pair if certificate else None
    with connect(mta, context=tls_context(certificate=pair)) as client:
        client.ehlo()
        client.command("MAIL FROM:<a@b.example>", 250)
        return str(client.command("RCPT TO:<c@d.example>"))


DENIED = "554 5.7.1 <c@d.example>: Recipient address rejected: Access denied"


@pytest.mark.parametrize("fingerprint", [Certificate.fingerprint, Certificate.key_fingerprint])
@pytest.mark.parametrize("digest", ["sha256", "sha1"])
def test_permit_tls_clientcerts(judging, keys, fingerprint, digest):
    mta = judging("permit_tls_clientcerts, reject", smtpd_tls_fingerprint_digest=digest,
                  relay_clientcerts=f"inline:{{{fingerprint(keys.stranger, digest)}=yes}}")
    assert judge(mta, keys.stranger) == "250 2.1.5 Ok"
    assert judge(mta, keys.trusted) == DENIED
    assert judge(mta) == DENIED


def test_permit_tls_all_clientcerts(judging, keys):
    mta = judging("permit_tls_all_clientcerts, reject")
    assert judge(mta, keys.trusted) == "250 2.1.5 Ok"
    assert judge(mta, keys.stranger) == DENIED
    assert judge(mta) == DENIED


def test_client_certificates_that_nobody_asks_for(server, keys):
    mta = server(smtpd_recipient_restrictions="permit_tls_clientcerts, permit_tls_all_clientcerts, reject",
                 smtpd_relay_restrictions="")
    assert judge(mta, keys.trusted) == DENIED
    mta.wait_log('warning: permit_tls_clientcerts is requested, but "smtpd_tls_ask_ccert = no"')
    mta.wait_log('warning: permit_tls_all_clientcerts is requested, but "smtpd_tls_ask_ccert = no"')


def test_check_ccert_access(judging, keys):
    mta = judging(f"check_ccert_access inline:{{{{{keys.stranger.fingerprint()}=REJECT no way}}}}, "
                  f"check_ccert_access inline:{{{keys.trusted.key_fingerprint()}=OK}}, reject")
    assert judge(mta, keys.stranger) == "554 5.7.1 <client.example>: Client certificate rejected: no way"
    mta.wait_log(r"NOQUEUE: reject: RCPT from unknown\[127.0.0.1\]: 554 5.7.1 <client.example>: Client certificate rejected: "
                 r"no way; from=<a@b.example> to=<c@d.example> proto=ESMTP helo=<client.example>")
    assert judge(mta, keys.trusted) == "250 2.1.5 Ok"
    assert judge(mta) == DENIED


@pytest.mark.parametrize("order, reply", [("cert_fingerprint", "by certificate"), ("pubkey_fingerprint", "by key"),
                                          ("pubkey_fingerprint, cert_fingerprint", "by key"),
                                          ("cert_fingerprint pubkey_fingerprint", "by certificate")])
def test_search_order(judging, keys, order, reply):
    table = (f"inline:{{{{{keys.stranger.fingerprint()}=REJECT by certificate}}, "
             f"{{{keys.stranger.key_fingerprint()}=REJECT by key}}}}")
    mta = judging(f"check_ccert_access {{ {table}, {{ search_order = {order} }} }}, reject")
    assert judge(mta, keys.stranger).endswith(f"Client certificate rejected: {reply}")


@pytest.mark.parametrize("order", ["{ search_order = foo }", "{ search_order }", "search_order = cert_fingerprint"])
def test_search_order_that_is_none(judging, keys, order):
    mta = judging(f"check_ccert_access {{ inline:{{a=b}}, {order} }}, reject")
    assert judge(mta, keys.stranger) == "451 4.3.5 Server configuration error"
