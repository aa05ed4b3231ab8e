"""Servers, and those between us and them, that abuse TLS: nothing of the mail is said, and nobody else has to wait."""
import os
import signal
import ssl
import subprocess
import time

import pytest

from harness.certificates import make_certificate, openssl
from harness.instance import MTA
from harness.scripted import Scripted
from harness.smtp_sink import SmtpSink

pytestmark = pytest.mark.peer
OFFER = "250-scripted.example\r\n250-PIPELINING\r\n250 STARTTLS"
LOST = "Cannot start TLS: handshake failure"


@pytest.fixture(autouse=True)
def close_servers():
    yield
    Scripted.close_all()


def accept_tls(connection, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate.pair)
    return context.wrap_socket(connection.dup(), server_side=True)


def send(make_instance, nexthop, level="encrypt", **settings):
    mta = make_instance({"relayhost": nexthop, "smtp_tls_security_level": level, "smtp_tls_loglevel": "1",
                         "smtp_tls_fingerprint_digest": "sha256", "smtp_tls_fingerprint_cert_match": "AA:" * 31 + "AA",
                         "minimal_backoff_time": "1000s"} | settings)
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        client.transaction("a@x.example", ["b@y.example"], "Subject: x\r\n\r\nhello\r\n")
    return mta


def deferred(mta, reason, dsn="4.7.5"):
    mta.wait_log(rf"to=<b@y.example>, relay=127.0.0.1\[127.0.0.1\]:\d+, .*dsn={dsn}, status=deferred \({reason}", timeout=30)


def nothing_said(server):
    said = [line.split()[0].upper() for line in server.lines if line.strip()]
    return not {"MAIL", "RCPT", "DATA", "AUTH"} & set(said) and not server.bodies


# ---- STARTTLS is taken out of the server's answers ----

@pytest.mark.parametrize("level", ["encrypt", "fingerprint", "verify", "secure"])
@pytest.mark.parametrize("answers", [{}, {"ehlo": "502 5.5.1 what?"}, {"ehlo": OFFER, "starttls": "454 4.7.0 not now"}],
                         ids=["not offered", "no EHLO", "later"])
def test_stripped(make_instance, level, answers):
    server = Scripted(**answers)
    mta = send(make_instance, server.nexthop, level)
    deferred(mta, "TLS is required, but ", dsn=r"4\.7\.[04]")
    assert nothing_said(server)


@pytest.mark.skipif(MTA == "postfix", reason="returns the mail")
@pytest.mark.parametrize("level", ["encrypt", "secure"])
def test_refused_for_good(make_instance, level):
    """So may say who sits in between: the mail waits."""
    server = Scripted(ehlo=OFFER, starttls="502 5.5.1 what?")
    deferred(send(make_instance, server.nexthop, level), "TLS is required, but host ", dsn="4.5.1")
    assert nothing_said(server)


def test_stripped_where_it_may_be(make_instance):
    """At level may whoever sits between us and the server can have the mail: postconf(5) says so."""
    server = Scripted()
    send(make_instance, server.nexthop, "may").wait_log("status=sent")
    assert len(server.bodies) == 1


# ---- what comes in place of a handshake ----

@pytest.mark.parametrize("bytes", [
    b"", b"250 2.1.0 Ok\r\n" * 10, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x28",
    b"\x16\x03\x03\xff\xff" + b"x" * 70000, b"\x16\x03\x03\x00\x04\x02\xff\xff\xff" + b"\x16\x03\x03\x40\x00" + b"\0" * 16384,
    b"\x17\x03\x03\x00\x05hello", b"\0" * 100000, bytes(range(256)) * 40,
], ids=["nothing", "SMTP", "HTTP", "alert", "long record", "long message", "data", "zeros", "all bytes"])
@pytest.mark.parametrize("level", ["may", "encrypt"])
def test_no_handshake(make_instance, bytes, level):
    def answer(server, connection, line):
        connection.sendall(b"220 go\r\n")
        connection.recv(4096)
        connection.sendall(bytes)

    server = Scripted(ehlo=OFFER, starttls=answer)
    deferred(send(make_instance, server.nexthop, level), LOST)
    assert nothing_said(server)


@pytest.mark.parametrize("byte", [b"", pytest.param(b"\x16", marks=pytest.mark.skipif(
    MTA == "postfix", reason="waits for each byte anew"))], ids=["silence", "a byte now and then"])
def test_a_handshake_without_an_end(make_instance, byte):
    def answer(server, connection, line):
        connection.sendall(b"220 go\r\n")
        for count in range(100):
            time.sleep(0.2)
            connection.sendall((b"\x16\x03\x03\x10\x00" + b"\x02" * 1000)[count:count + 1] if byte else b"")

    server = Scripted(ehlo=OFFER, starttls=answer)
    mta = send(make_instance, server.nexthop, smtp_starttls_timeout="2s")
    deferred(mta, LOST)
    mta.wait_log(r"SSL_connect error to .*: Connection timed out")
    assert nothing_said(server)


@pytest.mark.parametrize("record", [b"\x15\x03\x03\x00\x02\x01\x5a", b"\x16\x03\x03\x00\x04\x00\x00\x00\x00",
                                    b"\x14\x03\x03\x00\x01\x01", b"\x16\x03\x03\x00\x00"],
                         ids=["warnings", "hello requests", "cipher changes", "empty records"])
def test_a_handshake_of_nothing_but(make_instance, make_sink, directory, record):
    """It ends, and mail for others goes on meanwhile."""
    def answer(server, connection, line):
        connection.sendall(b"220 go\r\n")
        connection.recv(4096)
        for _ in range(2000):
            connection.sendall(record * 1000)

    server, sink = Scripted(ehlo=OFFER, starttls=answer), make_sink()
    transport = directory / "transport"
    transport.write_text(f"other.example smtp:{sink.nexthop}\n")
    mta = send(make_instance, server.nexthop, "encrypt", transport_maps=f"texthash:{transport}",
               smtp_tls_policy_maps=f"inline:{{ {{ {sink.nexthop} = none }} }}", smtp_starttls_timeout="10s")
    with mta.smtp() as client:
        client.ehlo()
        client.transaction("a@x.example", ["b@other.example"])
    sink.wait_for(1)
    deferred(mta, LOST)
    assert nothing_said(server)


def test_plain_text_after_the_handshake(make_instance, certificate):
    """Who cannot speak TLS but writes onto the wire is not taken for the server."""
    def answer(server, connection, line):
        connection.sendall(b"220 go\r\n")
        encrypted = accept_tls(connection, certificate)
        server.lines.append(encrypted.recv(4096).decode())
        os.write(encrypted.fileno(), b"250-evil.example\r\n250 SIZE 1\r\n250 ok\r\n" * 3)

    server = Scripted(ehlo=OFFER, starttls=answer)
    mta = send(make_instance, server.nexthop)
    deferred(mta, r"lost connection with \S+ while performing the EHLO handshake", dsn="4.4.2")
    assert nothing_said(server) and "evil" not in mta.log()


def test_more_answers_than_were_asked_for(make_instance, certificate):
    """All that leads to the handshake comes at once, with answers to what would come after it."""
    def answer(server, connection, line):
        encrypted = accept_tls(connection, certificate)
        server.lines.append(encrypted.recv(4096).decode())
        encrypted.sendall(b"250 honest.example\r\n")
        server.lines.append(encrypted.recv(4096).decode())

    evil = b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go on\r\n250 2.0.0 queued\r\n"
    server = Scripted(greeting=b"220 scripted.example ESMTP\r\n" + OFFER.encode() + b"\r\n220 go\r\n" + evil, ehlo=b"",
                      starttls=answer)
    mta = send(make_instance, server.nexthop)
    mta.wait_log("status=deferred", timeout=30)
    assert "status=sent" not in mta.log() and not server.bodies


@pytest.mark.parametrize("level", ["may", "encrypt"])
@pytest.mark.parametrize("watched", ["no", pytest.param("yes", marks=pytest.mark.skipif(
    MTA == "postfix", reason="does not notice this one"))])
def test_answers_to_commands_that_were_put_in_front(make_instance, certificate, watched, level):
    """CVE-2009-3555: within our TLS the server answers what an attacker said to it before."""
    def answer(server, connection, line):
        connection.sendall(b"220 go\r\n")
        encrypted = accept_tls(connection, certificate)
        server.lines.append(encrypted.recv(4096).decode())
        encrypted.sendall(b"250 scripted.example\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go on\r\n")
        while data := encrypted.recv(4096):
            server.lines += data.decode().splitlines()
            if data.endswith(b"\r\n.\r\n"):
                encrypted.sendall(b"250 2.0.0 ok\r\n")

    server = Scripted(ehlo=OFFER, starttls=answer)
    mta = send(make_instance, server.nexthop, level, smtp_tls_block_early_mail_reply=watched)
    if watched == "yes":
        deferred(mta, "unexpected server message", dsn="4.7.0")
        assert nothing_said(server)
    else:
        mta.wait_log("status=sent")


# ---- chains ----

@pytest.fixture
def sink_with(request):
    sinks = []

    def make(chain, key):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(chain), str(key))
        sinks.append(SmtpSink(tls=context))
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.close()


@pytest.mark.parametrize("depth, verified", [(9, True), (2, True), (1, False)])
def test_long_chain(make_instance, sink_with, directory, depth, verified):
    root = issuer = make_certificate(directory, "root", "ec")
    certificates = []
    for number in range(4):
        issuer = make_certificate(directory, f"level{number}", "ec", subject="/CN=mx.example" if number == 3 else None, issuer=issuer)
        certificates.insert(0, issuer.certificate.read_bytes())
    chain = directory / "long.pem"
    chain.write_bytes(b"".join(certificates))
    sink = sink_with(chain, issuer.key)
    mta = send(make_instance, sink.nexthop, "verify", smtp_tls_CAfile=root.certificate, smtp_tls_verify_cert_match="mx.example",
               smtp_tls_scert_verifydepth=depth)
    if verified:
        assert sink.wait_for(1)[0].encrypted
    else:
        deferred(mta, "Server certificate not (verified|trusted)")
        assert not sink.messages


def test_huge_chain(make_instance, sink_with, authority, certificate, directory):
    chain = directory / "huge.pem"
    chain.write_bytes(certificate.certificate.read_bytes() + authority.certificate.read_bytes() * 300)
    sink = sink_with(chain, certificate.key)
    mta = send(make_instance, sink.nexthop)
    deferred(mta, LOST)
    mta.wait_log("warning: TLS library problem: error:.*excessive message size")
    assert not sink.messages


# ---- certificates that were taken back ----

def revocation_list(directory, authority, certificate):
    """The authority says that the certificate is not good any more."""
    (directory / "index.txt").write_text("")
    (directory / "crlnumber").write_text("01\n")
    config = directory / "ca.cnf"
    config.write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={directory}/index.txt\ncrlnumber={directory}/crlnumber\n"
                      "default_md=sha256\ndefault_crl_days=30\n")
    by = ("-config", config, "-cert", authority.certificate, "-keyfile", authority.key)
    openssl("ca", "-revoke", certificate.certificate, *by)
    return openssl("ca", "-gencrl", *by)


@pytest.mark.parametrize("where", ["CAfile", "CApath"])
def test_revocation_lists_are_not_looked_at(make_instance, make_tls_sink, authority, certificate, directory, where):
    """Neither in the file of CA certificates nor in their directory: smtp(8) says so."""
    crl = revocation_list(directory, authority, certificate)
    if where == "CAfile":
        place = directory / "ca.pem"
        place.write_text(authority.certificate.read_text() + crl)
    else:
        place = directory / "authorities"
        place.mkdir()
        (place / "ca.pem").write_text(authority.certificate.read_text())
        (place / "ca.crl").write_text(crl)
        subprocess.run(["openssl", "rehash", str(place)], check=True)
        assert list(place.glob("*.r0"))
    sink = make_tls_sink()
    mta = send(make_instance, sink.nexthop, "verify", smtp_tls_verify_cert_match="mx.example", **{f"smtp_tls_{where}": place})
    assert sink.wait_for(1)[0].encrypted
    mta.wait_log("Verified TLS connection established")


@pytest.mark.skipif(MTA == "postfix", reason="about our own tlsmgr")
def test_tickets_hold_up_nothing(make_instance, make_tls_sink):
    """However many a server sends, and however slowly they are kept: the mail does not wait for that."""
    sink = make_tls_sink()
    sink.tls.num_tickets = 50
    mta = send(make_instance, sink.nexthop, smtp_tls_session_cache_database="lmdb:none", smtp_connection_cache_on_demand="no")
    mta.wait_log("to=<b@y.example>, .*status=sent")
    stopped = mta.processes("tlsmgr")
    try:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        with mta.smtp() as client:
            client.ehlo()
            client.transaction("a@x.example", ["c@y.example"], "Subject: x\r\n\r\nhello\r\n")
        mta.wait_log("to=<c@y.example>, .*status=sent", timeout=30)
        assert mta.log().split("to=<c@y.example>")[0].count("no TLS session cache") == 1  # whether there is a session to resume
        mta.wait_log("no TLS session cache(.*\\n)+.*no TLS session cache")
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
