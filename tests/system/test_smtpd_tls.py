"""STARTTLS in smtpd as clients and the log see it. The texts are Postfix's."""
import re
import socket
import ssl

import pytest

from harness.certificates import make_certificate
from harness.instance import USUAL_SERVICES
from harness.smtp_client import SmtpClient, tls_context
from harness.smtpd_tls import TLS12, TLS13, connect, keys, server  # noqa: F401

pytestmark = pytest.mark.peer


# ---- the command ----

def test_announced_until_it_is_used(server):
    mta = server()
    with mta.smtp() as client:
        assert "STARTTLS" in client.ehlo().lines
        client.starttls()
        assert "STARTTLS" not in client.ehlo().lines


def test_not_announced_without_tls(server):
    mta = server(smtpd_tls_security_level="none")
    with mta.smtp() as client:
        assert "STARTTLS" not in client.ehlo().lines
        assert str(client.command("STARTTLS")) == "502 5.5.1 Error: command not implemented"


def test_not_announced_where_it_is_discarded(server):
    mta = server(smtpd_discard_ehlo_keywords="starttls, silent-discard")
    with mta.smtp() as client:
        assert "STARTTLS" not in client.ehlo().lines
        assert client.command("STARTTLS").code == 502


def test_old_parameters(server):
    mta = server(smtpd_tls_security_level="", smtpd_use_tls="yes")
    with mta.smtp() as client:
        assert "STARTTLS" in client.ehlo().lines
        client.command("MAIL FROM:<a@b.example>", 250)
    mta = server(smtpd_tls_security_level="", smtpd_enforce_tls="yes")
    with mta.smtp() as client:
        assert "STARTTLS" in client.ehlo().lines
        client.command("MAIL FROM:<a@b.example>", 530)


def test_replies(server):
    with server().smtp() as client:
        assert str(client.command("STARTTLS now")) == "501 5.5.4 Syntax: STARTTLS"
        assert str(client.command("STARTTLS")) == "220 2.0.0 Ready to start TLS"
        client.tls()
        assert str(client.command("STARTTLS")) == "554 5.5.1 Error: TLS already active"


def test_what_was_said_before_is_forgotten(server):
    mta = server(smtpd_helo_required="yes")
    with mta.smtp() as client:
        client.ehlo("before.example")
        client.envelope("a@b.example", ["c@d.example"])
        client.starttls()
        assert str(client.command("RCPT TO:<c@d.example>")) == "503 5.5.1 Error: need MAIL command"
        assert str(client.command("MAIL FROM:<a@b.example>")) == "503 5.5.1 Error: send HELO/EHLO first"
        client.ehlo("after.example")
        client.transaction("a@b.example", ["c@d.example"])


@pytest.mark.parametrize("injected", ["RSET", "EHLO x", "MAIL FROM:<a@b.example>"])
def test_nothing_that_came_before_is_obeyed(server, injected):
    mta = server(smtpd_forbid_unauth_pipelining="no")
    with mta.smtp() as client:
        client.ehlo()
        client.send("STARTTLS", injected)
        client.expect(220)
        client.tls()
        assert str(client.command("NOOP")) == "250 2.0.0 Ok"
        client.command("RCPT TO:<a@b.example>", 503)


def test_counted(server):
    mta = server()
    with connect(mta) as client:
        client.ehlo()
        client.command("STARTTLS", 554)
        client.quit()
    mta.wait_log(r"disconnect from \S+ ehlo=2 starttls=1/2 quit=1 commands=4/5$")


# ---- the log, Received ----

def test_log_level_0_says_nothing(server):
    mta = server(smtpd_tls_loglevel=0)
    with connect(mta) as client:
        client.quit()
    mta.wait_log("disconnect from")
    assert "TLS" not in mta.log()


def test_summary(server, keys):
    mta = server(smtpd_tls_chain_files=keys.both, smtpd_tls_ask_ccert="yes", smtpd_tls_CAfile=keys.ca.certificate)
    tls13 = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 "
    ec_server = "server-signature ECDSA (prime256v1) server-digest SHA256"
    ec_client = " client-signature ECDSA (prime256v1) client-digest SHA256"
    rsa12 = "TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits)"
    for context, said in [
        (tls_context(), f"Anonymous TLS connection established from {{}}: {tls13}{ec_server}"),
        (tls_context(certificate=keys.trusted.pair),
         f"Trusted TLS connection established from {{}}: {tls13}{ec_server}{ec_client}"),
        (tls_context(certificate=keys.stranger.pair),
         f"Untrusted TLS connection established from {{}}: {tls13}{ec_server}{ec_client}"),
        (tls_context(most=TLS12, ciphers="ECDHE-RSA-AES256-GCM-SHA384"),
         f"Anonymous TLS connection established from {{}}: {rsa12}"),
    ]:
        with connect(mta, context=context) as client:
            client.quit()
        mta.wait_log(": " + re.escape(said.format("unknown[127.0.0.1]")) + "$")


def test_signature_of_rsa(server):
    mta = server()
    with connect(mta) as client:
        client.quit()
    mta.wait_log(r"key-exchange X25519 server-signature RSA-PSS \(2048 bits\) server-digest SHA256$")


def test_ed25519(server, keys, directory):
    mta = server(smtpd_tls_chain_files=make_certificate(directory, "ed", "ED25519").chain)
    with connect(mta) as client:
        client.quit()
    mta.wait_log(r"key-exchange X25519 server-signature ED25519$")


STEPS = r"""setting up TLS connection from C
C: TLS cipher list "aNULL:-aNULL:HIGH:MEDIUM:\+RC4:@STRENGTH:!aNULL"
SSL_accept:before SSL initialization
SSL_accept:SSLv3/TLS read client hello
SSL_accept:SSLv3/TLS write certificate request
C: depth=0 verify=0 subject=/C=DE/O=Client Org/CN=client.example
C: depth=0 verify=1 subject=/C=DE/O=Client Org/CN=client.example
C: Issuing session ticket, key expiration: \d+
subject=/C=DE/O=Client Org/CN=client.example
issuer=/C=DE/O=Client Org/CN=client.example
C: subject_CN=client.example, issuer=client.example, fingerprint=FINGER, pkey_fingerprint=KEY
Untrusted TLS connection established from C: TLSv1.3"""


def test_steps(server, keys):
    mta = server(smtpd_tls_loglevel=2, smtpd_tls_ask_ccert="yes")
    with connect(mta, context=tls_context(certificate=keys.stranger.pair)) as client:
        client.quit()
    mta.wait_log("disconnect from")
    log = [line.split(": ", 1)[1] for line in mta.log().splitlines() if "/smtpd[" in line]
    assert log[0] == "initializing the server-side TLS engine"
    for wanted in STEPS.splitlines():
        wanted = wanted.replace("FINGER", keys.stranger.fingerprint()).replace("KEY", keys.stranger.key_fingerprint())
        wanted = re.compile(wanted.replace("from C", r"from unknown\[127.0.0.1\]").replace("C: ", r"unknown\[127.0.0.1\]: ", 1))
        while log and not wanted.match(log[0]):
            log.pop(0)
        assert log, wanted.pattern


def test_bytes_are_shown_at_level_3_until_the_handshake_is_done(server):
    mta = server(smtpd_tls_loglevel=3)
    with connect(mta) as client:
        client.command("NOOP")
        client.quit()
    mta.wait_log("disconnect from")
    mta.wait_log(r"read from \S+.* \(5 bytes => 5 \(0x5\)\)$")
    mta.wait_log(r": 0000 16 03 01 \S\S ")
    assert "read from" not in mta.log().split("connection established")[1]


def test_bytes_are_shown_at_level_4_all_the_time(server):
    mta = server(smtpd_tls_loglevel=4)
    with connect(mta) as client:
        client.command("NOOP")
        client.quit()
    mta.wait_log("disconnect from")
    assert re.search(r"read from .* bytes => \d+ ", mta.log().split("connection established")[1])


def received(mta, client, sender="a@b.example"):
    reply = client.transaction(sender, ["c@d.example"], "Subject: kept\r\n\r\nx\r\n")
    queue_id = reply.text.split()[-1]
    mta.wait_log(f"{queue_id}: .*status=")
    text = mta.run("postcat", "-q", queue_id).stdout
    return text[text.index("Received:"):text.index("\nSubject")]


@pytest.fixture
def keeper(server, keys):
    """Mail that comes stays in the queue."""
    def make(**settings):
        return server(default_transport="smtp", relayhost="[127.0.0.1]:9", smtpd_tls_received_header="yes", **settings)

    return make


def test_received_tells_nothing_unless_asked(server):
    mta = server(default_transport="smtp", relayhost="[127.0.0.1]:9")
    with connect(mta) as client:
        client.ehlo("here.example")
        assert re.fullmatch(r"Received: from here.example \(unknown \[127.0.0.1\]\)\n"
                            r"\tby mail.test.example \(\w+\) with ESMTPS id \w+\n\tfor <c@d.example>; .*",
                            received(mta, client))


def test_received_without_client_certificates(keeper):
    mta = keeper()
    with connect(mta) as client:
        client.ehlo("here.example")
        assert re.fullmatch(r"Received: from here.example \(unknown \[127.0.0.1\]\)\n"
                            r"\t\(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 \(256/256 bits\)\n"
                            r"\t key-exchange X25519 server-signature RSA-PSS \(2048 bits\) server-digest SHA256\)\n"
                            r"\t\(No client certificate requested\)\n"
                            r"\tby mail.test.example \(\w+\) with ESMTPS id \w+\n\tfor <c@d.example>; .*",
                            received(mta, client))


@pytest.mark.parametrize("who, line", [
    (None, r"\t\(Client did not present a certificate\)\n"),
    ("trusted", r"\t\(Client CN \"good.example\", Issuer \"Test Root\" \(verified OK\)\)\n"),
    ("stranger", r"\t\(Client CN \"client.example\", Issuer \"client.example\" \(not verified\)\)\n"),
])
def test_received_with_client_certificates(keeper, keys, who, line):
    mta = keeper(smtpd_tls_ask_ccert="yes", smtpd_tls_CAfile=keys.ca.certificate)
    certificate = getattr(keys, who).pair if who else None
    with connect(mta, context=tls_context(certificate=certificate)) as client:
        client.ehlo("here.example")
        text = received(mta, client)
    assert re.search(line + r"\tby mail", text), text
    assert ("\n\t client-signature ECDSA (prime256v1) client-digest SHA256)" in text) == bool(who)


def test_received_of_an_older_protocol(keeper):
    mta = keeper()
    context = tls_context(most=TLS12, ciphers="ECDHE-RSA-AES128-GCM-SHA256")
    with connect(mta, context=context) as client:
        client.command("HELO here.example", 250)
        assert re.match(r"Received: from here.example \(unknown \[127.0.0.1\]\)\n"
                        r"\t\(using TLSv1.2 with cipher ECDHE-RSA-AES128-GCM-SHA256 \(128/128 bits\)\)\n"
                        r"\t\(No client certificate requested\)\n\tby mail.test.example \(\w+\) with ESMTPS id",
                        received(mta, client))


# ---- encrypt, wrapper mode, client certificates demanded ----

ENCRYPT_REPLIES = [("HELO x", 250), ("NOOP", 250), ("RSET", 530), ("VRFY x", 530), ("ETRN x", 530),
                   ("MAIL FROM:<a@b.example>", 530), ("RCPT TO:<a@b.example>", 530), ("DATA", 530), ("BDAT 1", 530),
                   ("AUTH PLAIN", 530), ("XCLIENT NAME=x", 550), ("FOO", 500), ("QUIT", 221)]


def test_encrypt_refuses_mail_without_it(server):
    mta = server(smtpd_tls_security_level="encrypt")
    with mta.smtp() as client:
        for command, code in ENCRYPT_REPLIES:
            reply = client.command(command, code)
            assert code != 530 or str(reply) == "530 5.7.0 Must issue a STARTTLS command first"
    with connect(mta) as client:
        client.ehlo()
        client.transaction("a@b.example", ["c@d.example"])


def test_refused_commands_are_not_where_it_was_lost(server):
    mta = server(smtpd_tls_security_level="encrypt")
    with mta.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@b.example>", 530)
    mta.wait_log(r"lost connection after EHLO from")


def test_a_clients_level_means_encrypt(server):
    mta = server(smtpd_tls_security_level="verify")
    with mta.smtp() as client:
        client.command("MAIL FROM:<a@b.example>", 530)
    mta.wait_log('unsupported (TLS )?level "verify", using "encrypt"')


def test_client_certificate_demanded(server, keys):
    mta = server(smtpd_tls_security_level="encrypt", smtpd_tls_req_ccert="yes", smtpd_tls_CAfile=keys.ca.certificate)
    with connect(mta) as client:
        reply = client.command("EHLO client.example", 421)
        assert str(reply) == "421 4.7.1 mail.test.example Error: No client certificate presented"
        assert client.at_end()
    mta.wait_log(r"NOQUEUE: abort: TLS from unknown\[127.0.0.1\]: No client certificate presented")
    with connect(mta, context=tls_context(certificate=keys.stranger.pair)) as client:
        reply = client.command("EHLO client.example", 421)
        assert str(reply) == "421 4.7.1 mail.test.example Error: Client certificate not trusted"
    mta.wait_log(r"certificate verification failed for unknown\[127.0.0.1\]: self-signed certificate")
    mta.wait_log(r"NOQUEUE: abort: TLS from unknown\[127.0.0.1\]: Client certificate not trusted")
    mta.wait_log(r"disconnect from \S+ ehlo=1 starttls=1 commands=2$")
    with connect(mta, context=tls_context(certificate=keys.trusted.pair)) as client:
        client.ehlo()
        client.transaction("a@b.example", ["c@d.example"])


def test_client_certificate_cannot_be_demanded_of_some(server):
    mta = server(smtpd_tls_req_ccert="yes")
    with connect(mta) as client:
        client.ehlo()
    mta.wait_log("warning: Can't require client certs unless TLS is required")


WRAPPED = USUAL_SERVICES.replace("- smtpd", "- smtpd -o smtpd_tls_wrappermode=yes", 1)


def test_wrapper_mode(server):
    mta = server(WRAPPED, smtpd_tls_security_level="none")
    with SmtpClient(mta.port, greeting=None) as client:
        client.tls()
        client.expect(220)
        assert "STARTTLS" not in client.ehlo().lines
        client.command("STARTTLS", 554)
        client.transaction("a@b.example", ["c@d.example"])
        client.quit()
    mta.wait_log(r"disconnect from \S+ ehlo=1 starttls=0/1 mail=1 rcpt=1 data=1 quit=1 commands=5/6$")


def test_wrapper_mode_and_a_client_that_does_not_know(server):
    mta = server(WRAPPED)
    with SmtpClient(mta.port, greeting=None) as client:
        client.send("EHLO here.example")
        client.at_end()
    mta.wait_log(r"SSL_accept error from unknown\[127.0.0.1\]: -1\n.*warning: TLS library problem: error:0A00010B:"
                 r"SSL routines::wrong version number:.*\n.*lost connection after CONNECT from \S+\n"
                 r".*disconnect from \S+ commands=0/0\n")


# ---- handshakes that fail ----

def begin(mta):
    client = mta.smtp()
    client.ehlo()
    client.command("STARTTLS", 220)
    return client


def test_garbage(server):
    mta = server()
    with begin(mta) as client:
        client.send("MAIL FROM:<a@b.example>")
        client.at_end()
    mta.wait_log(r"SSL_accept error from unknown\[127.0.0.1\]: -1\n.*warning: TLS library problem: error:0A00010B:"
                 r"SSL routines::wrong version number:.*\n.*lost connection after STARTTLS from unknown\[127.0.0.1\]\n"
                 r".*disconnect from \S+ ehlo=1 starttls=0/1 commands=1/2\n")


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00\x01\x00"])
def test_closed_in_the_middle(server, said):
    mta = server()
    with begin(mta) as client:
        client.send_raw(said)
        client.socket.shutdown(socket.SHUT_WR)
        client.at_end()
    mta.wait_log(r"SSL_accept error from unknown\[127.0.0.1\]: lost connection\n"
                 r".*lost connection after STARTTLS from unknown\[127.0.0.1\]\n")


def test_silence(server):
    mta = server(smtpd_starttls_timeout="1s")
    with begin(mta) as client:
        assert client.at_end()
    mta.wait_log(r"SSL_accept error from unknown\[127.0.0.1\]: Connection timed out\n"
                 r".*lost connection after STARTTLS from unknown\[127.0.0.1\]\n")


def test_client_that_does_not_trust_us(server, keys):
    mta = server()
    with pytest.raises(ssl.SSLError):
        connect(mta, context=tls_context(trust=keys.ca.certificate))
    mta.wait_log(r"SSL_accept error from unknown\[127.0.0.1\]: -1\n.*warning: TLS library problem: error:0A000418:SSL "
                 r"routines::tlsv1 alert unknown ca:.*:SSL alert number 48:")


@pytest.mark.parametrize("settings, context", [
    ({"smtpd_tls_protocols": ">=TLSv1.3"}, {"most": TLS12}),
    ({"smtpd_tls_protocols": "!TLSv1.3"}, {"least": TLS13}),
    ({"smtpd_tls_protocols": "TLSv1.2"}, {"least": TLS13}),
    ({"smtpd_tls_exclude_ciphers": "AESGCM"}, {"most": TLS12, "ciphers": "ECDHE-RSA-AES256-GCM-SHA384"}),
    ({"smtpd_tls_ciphers": "high", "tls_high_cipherlist": "ECDHE-RSA-AES128-GCM-SHA256"},
     {"most": TLS12, "ciphers": "ECDHE-RSA-AES256-GCM-SHA384"}),
])
def test_what_is_not_spoken(server, settings, context):
    mta = server(**settings)
    with pytest.raises(ssl.SSLError):
        connect(mta, context=tls_context(**context))
    mta.wait_log("SSL_accept error from .*: -1")
    with connect(mta) as client:
        client.ehlo()


@pytest.mark.parametrize("settings", [{"smtpd_tls_mandatory_protocols": ">=TLSv1.3"},
                                      {"smtpd_tls_mandatory_exclude_ciphers": "aRSA"}])
def test_mandatory_settings_hold_where_tls_is_demanded(server, settings):
    with connect(server(**settings), context=tls_context(most=TLS12)) as client:
        client.ehlo()
    with pytest.raises(ssl.SSLError):
        connect(server(smtpd_tls_security_level="encrypt", **settings), context=tls_context(most=TLS12))


def test_own_order_of_ciphers(server):
    theirs = tls_context(most=TLS12, ciphers="ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384")
    mta = server()
    connect(mta, context=theirs).close()
    mta.wait_log("TLSv1.2 with cipher ECDHE-RSA-AES128-GCM-SHA256")
    mta = server(tls_preempt_cipherlist="yes")
    connect(mta, context=theirs).close()
    mta.wait_log("TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384")


def test_curves(server):
    mta = server(tls_eecdh_auto_curves="secp384r1")
    connect(mta).close()
    mta.wait_log(r"key-exchange ECDHE \(secp384r1\)|key-exchange ECDHE \(P-384\)")
