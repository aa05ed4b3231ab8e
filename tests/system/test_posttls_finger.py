"""posttls-finger: how a server does TLS. What it says is what Debian's says."""
import re
import ssl
import subprocess

import pytest

from harness.certificates import make_certificate, make_expired, openssl, tlsa_data
from harness.dane import (OTHER, SERVER, WRONG, authority, certificate, dns, make_server, name_server,  # noqa: F401
                          publish, server_context)
from harness.smtp_sink import Rule, SmtpSink

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("network")]
peer = pytest.mark.peer
AGREED = r"TLSv1.3 with cipher TLS_\w+ \(256/256 bits\) key-exchange X25519 server-signature RSA-PSS \(2048 bits\) server-digest SHA256"


@pytest.fixture
def finger(make_instance):
    """finger(arguments...): the lines that it prints."""
    mta = make_instance()

    def run(*arguments, status=0):
        result = subprocess.run([f"{mta.main['command_directory']}/posttls-finger", *map(str, arguments)], text=True,
                                capture_output=True, timeout=60, env=mta.environment | {"MAIL_CONFIG": str(mta.etc)})
        assert result.returncode == status, result.stdout + result.stderr
        lines = result.stdout.splitlines()
        return [line.removeprefix("posttls-finger: ") for line in lines if "DNSSEC validation" not in line and "dnssec_probe" not in line]

    return run


@pytest.fixture
def signed(dns, certificate):
    publish(dns, "mx.signed", tlsa_data(certificate))
    return dns


def peer_line(certificate, relay=rf"mx.signed\[{SERVER}\]:25"):
    return (rf"{relay}: subject_CN=mx.signed, issuer_CN=authority, fingerprint={certificate.fingerprint()}, "
            rf"pkey_fingerprint={certificate.key_fingerprint()}")


def same(lines, *patterns):
    assert len(lines) == len(patterns), "\n".join(lines)
    for line, pattern in zip(lines, patterns):
        assert re.fullmatch(pattern, line), f"{line}\nis not\n{pattern}"


OFFER = [r"< 250-sink.example", "< 250-PIPELINING", "< 250-8BITMIME", "< 250-SIZE 20000000"]


@peer
def test_all_of_it(signed, make_server, finger, certificate):
    make_server()
    line = tlsa_data(certificate).upper()
    same(finger("hop.signed"), rf"Connected to mx.signed\[{SERVER}\]:25", "< 220 sink.example ESMTP", "> EHLO mail.test.example",
         *OFFER, "< 250-DSN", "< 250 STARTTLS", "> STARTTLS", "< 220 2.0.0 go on",
         rf"mx.signed\[{SERVER}\]:25: Matched DANE EE certificate at depth 0: {line}", peer_line(certificate),
         rf"Verified TLS connection established to mx.signed\[{SERVER}\]:25: {AGREED}",
         "> EHLO mail.test.example", *OFFER, "< 250 DSN", "> QUIT", "< 221 2.0.0 Bye")


@peer
def test_wrong_key(dns, make_server, finger, certificate):
    publish(dns, "mx.signed", WRONG)
    make_server()
    same(finger("-c", "hop.signed"),
         rf"server certificate verification failed for mx.signed\[{SERVER}\]:25: num=65:no matching DANE TLSA records",
         peer_line(certificate), rf"Untrusted TLS connection established to mx.signed\[{SERVER}\]:25: {AGREED}")


@peer
def test_trust_anchor(dns, make_server, finger, authority, certificate):
    record = tlsa_data(authority, 2, 0)
    publish(dns, "mx.signed", record)
    make_server()
    same(finger("-c", "hop.signed"), rf"mx.signed\[{SERVER}\]:25: matched peername: mx.signed",
         rf"mx.signed\[{SERVER}\]:25: Matched DANE TA certificate at depth 1: {record.upper()}", peer_line(certificate),
         f"Verified TLS connection established to .*: {AGREED}")


@peer
@pytest.mark.parametrize("policy, note, trust", [
    ("dane", "MX RRset insecure: log verified as trusted", "Trusted"),
    ("encrypt", "TLSA RRs found, MX RRset insecure: just encrypt", "Untrusted"),
    ("may", "MX RRset is insecure: try to encrypt", "Untrusted")])
def test_exchanger_that_is_not_signed(signed, make_server, finger, policy, note, trust):
    make_server()
    lines = finger("-c", "-M", policy, "hop.plain")
    assert lines[0] == note and lines[-1].startswith(f"{trust} TLS connection established to mx.signed[{SERVER}]:25: ")


@peer
def test_no_records(dns, make_server, finger):
    make_server()
    lines = finger("-c", "-l", "dane-only", "hop.signed")
    assert lines[0] == 'no TLSA records found, resorting to "secure"'
    assert lines[-1].startswith("Untrusted TLS connection")


@peer
def test_bogus_records_lead_to_the_next_host(signed, make_server, finger):
    signed.zone |= {"_25._tcp.bad.signed": "SERVFAIL", "bad.signed": {"A": [OTHER]},
                    "hop.signed": {"MX": ["10 bad.signed", "20 mx.signed"]}}
    make_server()
    lines = finger("-c", "hop.signed")
    assert "Failed to establish session to hop.signed via bad.signed: TLSA lookup error for bad.signed:25" in lines
    assert lines[-1].startswith("Verified ")


@peer
@pytest.mark.parametrize("options, expected", [
    (["-l", "secure", "hop.signed"], "server certificate verification failed for .*: num=62:hostname mismatch"),
    (["-l", "secure", "-F", "CA", "hop-in-cert.signed"], r"mx.signed\S+ matched peername: hop-in-cert.signed"),
    (["-l", "verify", "-F", "CA", "hop.signed"], r"mx.signed\S+ matched peername: mx.signed"),
    (["-l", "verify", "-F", "CA", "hop.signed", "foo.example"], "server certificate verification failed for .*: num=62:hostname mismatch"),
    (["-l", "verify", "hop.signed"], "certificate verification failed for .*: untrusted issuer /CN=authority"),
    (["-l", "secure", "-A", "CA", "hop.signed", "mx.signed"], r"mx.signed\S+ Matched trust anchor at depth 1"),
    (["-l", "fingerprint", "-d", "sha256", "hop.signed", "KEY"], "mx.signed.*: Matched fingerprint: [0-9A-F]{64}"),
    (["-l", "fingerprint", "-d", "sha256", "hop.signed", "WRONG"], "server certificate verification failed for .*: num=65:.*"),
])
def test_levels(signed, make_server, finger, authority, certificate, options, expected):
    make_server()
    words = {"CA": authority.certificate, "KEY": certificate.key_fingerprint(), "WRONG": ":".join(["00"] * 32)}
    lines = finger("-c", *(words.get(option, option) for option in options))
    assert any(re.fullmatch(expected, line) for line in lines), lines
    assert lines[-1].startswith("Untrusted " if "failed" in expected else "Verified ")


@peer
@pytest.mark.parametrize("level", ["may", "encrypt"])
def test_levels_that_ask_for_nobody(signed, make_server, finger, certificate, level):
    make_server()
    same(finger("-c", "-l", level, "hop.signed"), peer_line(certificate), f"Untrusted TLS connection established to .*: {AGREED}")


@peer
def test_level_none(signed, make_server, finger):
    server = make_server()
    assert finger("-c", "-l", "none", "hop.signed") == []
    assert [c.split()[0] for c in server.sessions[0].commands] == ["EHLO", "QUIT"]


@peer
@pytest.mark.parametrize("kind", ["expired", "self-signed"])
def test_why_it_is_not_trusted(dns, make_server, finger, tmp_path, kind):
    own = make_certificate(tmp_path, "mx.signed")
    if kind == "expired":
        own = make_expired(tmp_path, "mx.signed", own.key, "subjectAltName=DNS:mx.signed\nbasicConstraints=CA:TRUE\n")
    make_server(context=server_context(own))
    lines = finger("-c", "-l", "secure", *(["-F", own.certificate] if kind == "expired" else []), "[mx.signed]", "mx.signed")
    assert re.fullmatch(r"server certificate verification failed for \S+: certificate has expired" if kind == "expired" else
                        r"certificate verification failed for \S+: self-signed certificate", lines[0])


@peer
def test_chain(signed, make_server, finger, certificate, authority):
    make_server()
    lines = finger("-cC", "-L", "none", "hop.signed")
    assert lines[:7] == ["", "---", "Certificate chain", " 0 subject: /CN=mx.signed", "    issuer: /CN=authority",
                         f"   cert digest={certificate.fingerprint()}", f"   pkey digest={certificate.key_fingerprint()}"]
    assert lines[7:] == [*pem(certificate), " 1 subject: /CN=authority", "    issuer: /CN=authority",
                         f"   cert digest={authority.fingerprint()}", f"   pkey digest={authority.key_fingerprint()}",
                         *pem(authority)]


def pem(made):
    return openssl("x509", "-in", made.certificate).splitlines()


@peer
@pytest.mark.parametrize("options, starts", [
    ("none", []), ("summary", ["Verified"]), ("certmatch", ["mx.signed", "mx.signed"]), ("peercert,routine", ["mx.signed"] * 2 + ["Verified"])])
def test_what_is_logged(signed, make_server, finger, options, starts):
    make_server()
    lines = finger("-c", "-L", options, "hop.signed")
    assert len(lines) == len(starts) and all(line.startswith(start) for line, start in zip(lines, starts)), lines


@peer
def test_steps(signed, make_server, finger, certificate):
    make_server()
    lines = finger("-c", "-L", "2", "hop.signed")
    relay = f"mx.signed[{SERVER}]:25"
    for line in (f"DNSSEC-signed TLSA record: _25._tcp.mx.signed: {tlsa_data(certificate).upper()}",
                 f"setting up TLS connection to {relay}", f"{relay}: SNI hostname: mx.signed", "SSL_connect:TLSv1.3 read server certificate verify"):
        assert line in lines, lines
    assert sum("subject_CN=" in line for line in lines) == 1


@peer
def test_reconnecting(signed, make_server, finger):
    make_server()
    lines = finger("-c", "-r", "1", "hop.signed")[3:]
    session = rf"session \[{SERVER}\]:25&[0-9A-F]{{64}}"
    same(lines[:5], "Reconnecting after 1 seconds", f"looking for {session} in memory cache",
         f"reloaded {session} from memory cache", r"mx.signed\S+: Reusing old session", "Verified TLS connection established to .*")
    assert lines[-1] == "Found a previously used server.  Done reconnecting."


@peer
@pytest.mark.parametrize("count", [1, 2])
def test_reconnecting_to_ever_other_servers(signed, make_server, finger, count):
    server = make_server()
    server._answer_as_before = server._answer

    def answer(session, verb, line, usual):
        return server._answer_as_before(session, verb, line, usual.replace("sink.example", f"n{session.number}.example"))

    server._answer = answer
    lines = finger("-c", "-r", "1", "-m", count, "hop.signed")
    assert lines[-1] == "Maximum reconnect count reached." and len(server.sessions) == count + 1
    assert not any("reloaded" in line for line in lines)


@peer
def test_server_that_keeps_no_sessions(signed, make_server, finger, certificate, authority):
    context = server_context(certificate, authority)
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    make_server(context=context)
    assert finger("-c", "-r", "1", "hop.signed")[-1] == "Server declined session caching. Done reconnecting."


@peer
@pytest.mark.parametrize("verb, reply, cut, last", [
    ("CONNECT", "554 5.3.2 go away", False, "SMTP service not available: 554 5.3.2 go away"),
    ("CONNECT", None, True, "lost connection while reading server greeting"),
    ("EHLO", "500 what", False, "EHLO rejected: 500 what"),
    ("STARTTLS", "454 4.7.0 no", False, "STARTTLS rejected: 454 4.7.0 no"),
    ("STARTTLS", "220 go", True, f"SSL_connect error to mx.signed[{SERVER}]:25: lost connection")])
def test_servers_that_do_not_go_along(signed, make_server, finger, verb, reply, cut, last):
    make_server().rules.append(Rule(verb, reply, cut=cut))
    assert finger("hop.signed")[-1] == last


@peer
def test_server_that_is_silent(signed, make_server, finger):
    make_server().rules.append(Rule("CONNECT", delay=4))
    assert finger("-t", "1", "hop.signed")[-1] == "timeout while reading server greeting"


@peer
def test_server_without_tls(signed, network, finger):
    server = SmtpSink(host=SERVER, port=25)
    assert finger("hop.signed")[-3:] == ["< 250 DSN", "> QUIT", "< 221 2.0.0 Bye"]
    server.close()


@peer
def test_places_that_are_not_there(dns, finger, directory):
    assert finger("-c", "gone.signed")[-1].startswith("Destination address lookup failed: Host or domain name not found.")
    assert finger("-c", "[127.0.0.99]") == [
        "Failed to establish session to [127.0.0.99] via 127.0.0.99: connect to 127.0.0.99[127.0.0.99]:25: Connection refused"]
    path = directory / "none"
    assert finger("-S", f"unix:{path}")[0].endswith(f"[{path}]: No such file or directory")


@peer
def test_lmtp(dns, network, finger, certificate, authority):
    server = SmtpSink(host=SERVER, port=24, lmtp=True, tls=server_context(certificate, authority))
    lines = finger("-S", "-l", "encrypt", f"inet:[{SERVER}]")
    assert "> LHLO mail.test.example" in lines and lines[-1] == "< 221 2.0.0 Bye"
    server.close()


@peer
def test_wrapper_mode(dns, make_server, finger, certificate):
    publish(dns, "mx.signed", tlsa_data(certificate), port=465)
    make_server(port=465, wrapped=True)
    assert finger("-c", "-w", "[mx.signed]:465")[-1].startswith(f"Verified TLS connection established to mx.signed[{SERVER}]:465: ")


@peer
def test_what_is_sent(signed, make_server, finger, certificate, authority, tmp_path):
    """Protocols, names and certificates of our own."""
    publish(signed, "mx.signed")
    server = make_server()
    assert ": TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384" in finger("-c", "-p", "TLSv1.2", "-g", "high", "hop.signed")[-1]
    finger("-c", "-s", "sni.example", "-l", "encrypt", "hop.signed")
    assert server.asked[-1] == "sni.example"
    server.tls.verify_mode = ssl.CERT_REQUIRED
    server.tls.load_verify_locations(authority.certificate)
    ours = make_certificate(tmp_path, "client", issuer=authority)
    for options in (["-k", ours.certificate, "-K", ours.key], ["-H", ours.chain]):
        assert "Untrusted TLS connection" in finger("-l", "encrypt", "-o", "myhostname=here.example", *options, "hop.signed")[-9]
        assert server.sessions[-1].commands == ["EHLO here.example", "STARTTLS", "EHLO here.example", "QUIT"]
        assert server.sessions[-1].encrypted


@peer
def test_without_dnssec(signed, make_server, finger, network):
    """Hosts that are not looked up in DNS have no records: their certificate is judged by its CA."""
    make_server()
    lines = finger("-c", "-h", "native", "hop.signed")
    assert "num=62:hostname mismatch" in lines[0]


@peer
@pytest.mark.parametrize("options, message", [(["-l", "bad"], 'fatal: Invalid TLS level "bad"'),
                                              (["-a", "bad"], "fatal: bad '-a' option value: bad"),
                                              (["-M", "bad"], "fatal: bad '-M' option value: bad")])
def test_options_that_make_no_sense(finger, options, message):
    assert finger(*options, "hop.signed", status=1)[-1] == message


@pytest.mark.parametrize("options", [["-t", "0"], ["-T", "x"], ["-r", "-1"], ["-m", "1x"], ["-X"], ["-H", "a", "-k", "b"], ["-h", "bad"], ["-o", "x"]])
def test_options_that_are_refused(finger, options):
    assert finger(*options, "hop.signed", status=1)[-1].startswith("fatal: ")


@peer
def test_unknown_option_of_logging(signed, make_server, finger):
    make_server()
    assert 'warning: unknown -L option value "bad" in "bad"' in finger("-c", "-L", "bad", "hop.signed")
