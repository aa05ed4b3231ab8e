"""Clients that abuse TLS: what it costs them, and that it costs nobody else anything."""
import os
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from harness.certificates import make_certificate, openssl
from harness.smtp_client import tls_context
from harness.waiting import wait_until


@pytest.fixture
def server(make_instance, directory):
    made = make_certificate(directory, "mail.test.example", "ec")

    def make(**settings):
        mta = make_instance({"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": made.chain, "smtpd_tls_loglevel": 1,
                             "smtpd_peername_lookup": "no", "default_transport": "discard",
                             "smtpd_client_connection_count_limit": 0} | settings)
        mta.start()
        return mta

    return make


def begin(mta):
    client = mta.smtp()
    client.ehlo()
    client.command("STARTTLS", 220)
    return client


def connect(mta, **options):
    return begin(mta).tls(**options)


def works(mta):
    """Somebody else is served, by the same process."""
    with connect(mta) as client:
        client.ehlo()
        client.transaction("a@b.example", ["c@d.example"])
        client.quit()
    return True


def raw(client, data):
    """Past TLS, onto the wire."""
    os.write(client.socket.fileno(), data)


def process(mta):
    pids = mta.processes("smtpd")
    assert len(pids) == 1
    return pids[0]


# ---- before and in the handshake ----

def test_many_that_never_go_on(server):
    mta = server(smtpd_starttls_timeout="60s")
    stuck = [begin(mta) for _ in range(80)]  # the service has room for 100
    for client in stuck[::2]:
        client.send_raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    before = set(mta.processes("smtpd"))
    assert works(mta)
    for client in stuck:
        client.close()
    assert works(mta) and before <= set(mta.processes("smtpd"))


def test_a_byte_now_and_then_is_silence(server):
    mta = server(smtpd_starttls_timeout="1s")
    with begin(mta) as client:
        stop = threading.Event()

        def drip():
            while not stop.wait(0.05):
                try:
                    client.send_raw(b"\x16")
                except OSError:
                    return

        client.send_raw(b"\x16\x03\x01\x3f\x00\x01\x00\x3e\xfc\x03\x03")
        thread = threading.Thread(target=drip)
        thread.start()
        client.at_end()
        stop.set()
        thread.join()
    mta.wait_log("SSL_accept error from .*: Connection timed out")


@pytest.mark.parametrize("hello", [
    b"\x16\x03\x01\xff\xff" + b"\x01" * 65535,                          # a record that is too long
    b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" + b"\0" * 16380,       # a message of 16 MB begins
    b"\x16\x03\x01\x00\x00" * 1000,                                      # records with nothing in them
    b"\x15\x03\x01\x00\x02\x01\x64" * 1000,                              # warnings
    b"\x80\x2e\x01\x00\x02" + b"\0" * 44,                                # SSLv2
    b"\x17\x03\x03\x00\x10" + b"\0" * 16,                                # data before the handshake
    b"\x16\x03\x01\x00\x04\x14\x00\x00\x00",                             # Finished, first
], ids=range(7))
def test_handshakes_that_are_none(server, hello):
    mta = server(smtpd_starttls_timeout="5s")
    with begin(mta) as client:
        try:
            client.send_raw(hello)
        except OSError:
            pass
        client.at_end()
    mta.wait_log("SSL_accept error from")
    assert works(mta)


@pytest.mark.parametrize("name", ["a\\", "." * 100, "a" * 254, "xn--" + "z" * 60 + ".example", "-a.example", "a..b", "*.example"])
def test_names_that_are_none(server, directory, name):
    (directory / "sni").write_text("")
    mta = server(tls_server_sni_maps=f"texthash:{directory}/sni")
    subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{mta.port}", "-starttls", "smtp", "-servername", name],
                   input=b"QUIT\r\n", capture_output=True, timeout=20)
    mta.wait_log("TLS SNI from .* is invalid: |TLS SNI .* not matched, |SSL_accept error")
    assert works(mta)


def test_huge_chain_of_a_client(server, directory):
    issuer = make_certificate(directory, "ca")
    leaf = make_certificate(directory, "client", issuer=issuer)
    chain = directory / "huge.pem"
    chain.write_bytes(leaf.certificate.read_bytes() + issuer.certificate.read_bytes() * 300)
    mta = server(smtpd_tls_ask_ccert="yes")
    before = process_after(mta)
    with pytest.raises((ssl.SSLError, OSError, EOFError)):
        with connect(mta, context=tls_context(certificate=(str(chain), str(leaf.key)))) as client:
            client.ehlo()
    mta.wait_log("warning: TLS library problem: error:.*excessive message size")
    assert works(mta) and process(mta) == before


def process_after(mta):
    assert works(mta)
    return process(mta)


@pytest.mark.peer
def test_long_chain_of_a_client(server, directory):
    """Longer than smtpd_tls_ccert_verifydepth: not trusted, and not refused."""
    root = issuer = make_certificate(directory, "root", "ec")
    certificates = []
    for number in range(4):
        issuer = make_certificate(directory, f"level{number}", "ec", issuer=issuer)
        certificates.insert(0, issuer.certificate.read_bytes())
    chain = directory / "long.pem"
    chain.write_bytes(b"".join(certificates))
    pair = (str(chain), str(issuer.key))
    for depth, trust in [(9, "Trusted"), (2, "Trusted"), (1, "Untrusted")]:
        mta = server(smtpd_tls_ask_ccert="yes", smtpd_tls_CAfile=root.certificate, smtpd_tls_ccert_verifydepth=depth)
        with connect(mta, context=tls_context(certificate=pair)) as client:
            client.ehlo()
        mta.wait_log(f"{trust} TLS connection established")


def sign(directory, ca, client, start, end):
    """A certificate that is good from start to end only."""
    (directory / "index.txt").write_text("")
    (directory / "ca.cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={directory}/index.txt\nnew_certs_dir={directory}\n"
                                      "rand_serial=yes\npolicy=p\ndefault_md=sha256\n[p]\ncommonName=supplied\n")
    (directory / "client.csr").write_text(openssl("req", "-new", "-key", client.key, "-subj", "/CN=client"))
    openssl("ca", "-batch", "-notext", "-config", directory / "ca.cnf", "-in", directory / "client.csr", "-cert",
            ca.certificate, "-keyfile", ca.key, "-startdate", start, "-enddate", end, "-out", client.certificate)


@pytest.mark.parametrize("what", ["expired", "not yet", "another's name"])
def test_certificates_of_clients_that_are_not_good(server, directory, what):
    ca = make_certificate(directory, "ca", "ec")
    client = make_certificate(directory, "client", "ec", issuer=ca)
    if what == "expired":
        sign(directory, ca, client, "20200101000000Z", "20210101000000Z")
    elif what == "not yet":
        sign(directory, ca, client, "20900101000000Z", "20910101000000Z")
    else:
        client = make_certificate(directory, "fake", "ec", issuer=make_certificate(directory, "fakeca", "ec", "/CN=ca"))
    mta = server(smtpd_tls_security_level="encrypt", smtpd_tls_req_ccert="yes", smtpd_tls_CAfile=ca.certificate)
    with connect(mta, context=tls_context(certificate=client.pair)) as session:
        session.command("EHLO x", 421)
    mta.wait_log("abort: TLS from .*: Client certificate not trusted")


# ---- afterwards ----

@pytest.mark.parametrize("record", [
    b"\x17\x03\x03\xff\xff" + b"x" * 70000, b"\x17\x03\x03\x00\x20" + b"x" * 32, b"MAIL FROM:<a@b.example>\r\n",
    b"\x16\x03\x01\x00\x10" + b"\x01" * 16, b"\x15\x03\x03\x00\x02\x02\x28",
], ids=range(5))
def test_records_of_somebody_else(server, record):
    mta = server()
    before = process_after(mta)
    with connect(mta) as client:
        client.ehlo()
        try:
            raw(client, record)
            client.at_end()
        except (OSError, ssl.SSLError):
            pass
    mta.wait_log("lost connection after EHLO")
    assert works(mta) and process(mta) == before


def test_plain_text_after_the_handshake_is_not_obeyed(server):
    mta = server()
    with connect(mta) as client:
        client.ehlo()
        raw(client, b"MAIL FROM:<plain@b.example>\r\nRCPT TO:<c@d.example>\r\n")
        try:
            client.at_end()
        except (OSError, ssl.SSLError):
            pass
    mta.wait_log(r"disconnect from \S+ ehlo=2 starttls=1 commands=3$")


def test_greatest_records(server):
    mta = server()
    with connect(mta) as client:
        client.ehlo()
        body = b"Subject: big\r\n\r\n" + (b"x" * 900 + b"\r\n") * 4000
        assert client.transaction("a@b.example", ["c@d.example"], body).code == 250


def test_smallest_records(server):
    mta = server()
    with connect(mta) as client:
        for byte in b"EHLO client.example\r\n":
            client.send_raw(bytes([byte]))
        client.expect(250)
        client.transaction("a@b.example", ["c@d.example"])


def test_ahead_of_its_turn_within_tls(server):
    mta = server()
    with connect(mta) as client:
        client.send("EHLO x", "MAIL FROM:<a@b.example>")
        client.expect(554)
    mta.wait_log(r"improper command pipelining after EHLO from unknown\[127.0.0.1\]: MAIL FROM:<a@b.example>\\r\\n")


def test_pipelined_with_starttls(server):
    mta = server()
    with mta.smtp() as client:
        client.ehlo()
        client.send("STARTTLS", "MAIL FROM:<a@b.example>")
        client.expect(554)
        assert client.at_end()


def test_client_that_stops_reading(server):
    mta = server(smtpd_timeout="2s", smtpd_junk_command_limit="1000000")
    before = process_after(mta)
    with connect(mta) as client:
        client.ehlo()
        client.socket.settimeout(1)
        try:
            while True:
                client.send_raw(b"HELP\r\n" * 1000)
        except OSError:
            pass
        assert works(mta) and process(mta) == before
        mta.wait_log("timeout after HELP from")


def test_renegotiation(server):
    """Asked for again and again: refused, by whoever notices first."""
    mta = server()
    before = process_after(mta)
    subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{mta.port}", "-starttls", "smtp", "-tls1_2"],
                   input=b"R\n" * 50, capture_output=True, timeout=30)
    mta.wait_log("lost connection after STARTTLS")
    assert works(mta) and process(mta) == before


def test_half_closed_session(server):
    mta = server()
    with connect(mta) as client:
        client.ehlo()
        client.socket.shutdown(socket.SHUT_WR)
        assert wait_until(lambda: "disconnect from" in mta.log(), what="the session has ended")
    assert works(mta)


# ---- what is offered ----

@pytest.mark.skipif(not shutil.which("sslscan"), reason="no sslscan")
def test_sslscan_finds_nothing_weak(server, directory):
    rsa = make_certificate(directory, "rsa.test.example")
    mta = server(smtpd_tls_cert_file="", smtpd_tls_chain_files=f"{rsa.chain} {directory}/mail.test.example.chain",
                 smtpd_tls_loglevel=0, smtpd_hard_error_limit=100)
    result = subprocess.run(["sslscan", "--starttls-smtp", "--no-colour", f"127.0.0.1:{mta.port}"], capture_output=True,
                            text=True, timeout=300)
    report = result.stdout
    for old in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"):
        assert f"{old} " in report and f"{old}     enabled" not in report and f"{old}   enabled" not in report
    assert "TLSv1.2   enabled" in report and "TLSv1.3   enabled" in report
    offered = [line.split() for line in report.splitlines() if line.startswith(("Accepted", "Preferred"))]
    assert len(offered) > 5
    for line in offered:
        assert line[1] in ("TLSv1.2", "TLSv1.3") and int(line[2]) >= 128, line
        for weak in ("NULL", "ADH", "AECDH", "anon", "RC4", "DES", "MD5", "EXP"):
            assert weak not in line[4], line
    assert "Secure session renegotiation supported" in report or "Session renegotiation not supported" in report
    assert "vulnerable to heartbleed" not in report.replace("not vulnerable to heartbleed", "")
