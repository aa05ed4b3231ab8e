"""What tests of DANE share: a zone, of which names below .signed are signed and those below .plain are not, certificates, and
servers on port 25. To be imported into a test file that uses the fixture `network`."""
import ssl

import pytest

from harness.certificates import make_certificate
from harness.dns_server import DnsServer
from harness.network import NAME_SERVER
from harness.smtp_sink import SmtpSink

SERVER, OTHER = "127.0.0.11", "127.0.0.12"
WRONG = "3 1 1 " + "00" * 32
NOT_VERIFIED = "Server certificate not verified"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory, authority):
    return make_certificate(tmp_path_factory.mktemp("server"), "mx.signed", issuer=authority, extensions=(
        "subjectAltName=DNS:mx.signed,DNS:hop-in-cert.signed,DNS:hop-in-cert.plain", "basicConstraints=critical,CA:FALSE"))


@pytest.fixture(scope="module")
def name_server(network):
    server = DnsServer({}, NAME_SERVER, 53)
    yield server
    server.close()


@pytest.fixture
def dns(name_server):
    """The zone of this test: hop.* leads to mx.signed, which has an address and nothing else yet."""
    name_server.questions, name_server.ttl, name_server.follows_aliases = [], 60, True
    name_server.root_is_signed = False
    name_server.zone = {"mx.signed": {"A": [SERVER]}, "mx.plain": {"A": [SERVER]},
                        **{f"{hop}.{kind}": {"MX": ["10 mx.signed"]} for hop in ("hop", "hop-in-cert")
                           for kind in ("signed", "plain")}}
    return name_server


def publish(dns, name, *records, port=25):
    dns.zone[f"_{port}._tcp.{name}"] = {"TLSA": list(records)}


def server_context(certificate, *chain):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = certificate.certificate.with_suffix(".served")
    path.write_text("".join(made.certificate.read_text() for made in (certificate, *chain)))
    context.load_cert_chain(path, certificate.key)
    return context


@pytest.fixture
def make_server(network, certificate, authority):
    """A server on port 25 that has the certificate; server.asked: the names that SNI asked it for."""
    made = []

    def make(host=SERVER, port=25, context=None, **options):
        server = SmtpSink(host=host, port=port, tls=context or server_context(certificate, authority), **options)
        server.asked = []
        server.tls.sni_callback = lambda connection, name, context: server.asked.append(name)
        made.append(server)
        return server

    yield make
    for server in made:
        server.close()


@pytest.fixture
def make_sender(make_instance):
    def make(**settings):
        mta = make_instance({"smtp_tls_security_level": "dane", "smtp_dns_support_level": "dnssec",
                             "smtp_tls_loglevel": "1", "smtp_address_preference": "ipv4"} | settings)
        mta.start()
        return mta
    return make


def send(mta, *recipients):
    with mta.smtp() as client:
        client.ehlo()
        for recipient in recipients:
            client.transaction("a@x.example", [recipient], "Subject: x\r\n\r\nhello\r\n")


@pytest.fixture
def deliver(make_sender):
    def run(domain="hop.signed", **settings):
        mta = make_sender(**settings)
        send(mta, f"b@{domain}")
        return mta
    return run


def deferred(mta, reason, *servers, dsn="4.7.5"):
    mta.wait_log(rf"dsn={dsn}, status=deferred \({reason}\)")
    for server in servers:
        assert not server.messages
        assert all("MAIL" not in command for session in server.sessions for command in session.commands)
