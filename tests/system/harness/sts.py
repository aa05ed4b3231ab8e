"""A domain with an MTA-STS policy, its servers, and an instance that sends mail there. To be imported by name."""
import ssl

import pytest

from harness.certificates import make_certificate
from harness.dns_server import DnsServer
from harness.instance import new_directory, remove_directory
from harness.policy_host import PolicyHost, policy
from harness.smtp_sink import SmtpSink

DOMAIN, MX = "sts.example", "mx.sts.example"


def context_of(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate.pair)
    return context


@pytest.fixture(scope="module")
def authority():
    """Its certificate is for every user to read."""
    directory = new_directory()
    yield make_certificate(directory, "authority")
    remove_directory(directory)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory, authority):
    """By purpose."""
    directory = tmp_path_factory.mktemp("servers")

    def make(name, names, issuer=authority):
        return make_certificate(directory, name, issuer=issuer, extensions=(f"subjectAltName={names}",
                                                                            "basicConstraints=critical,CA:FALSE"))

    return {"policy": make("policy", "DNS:mta-sts.sts.example"), "mx": make("mx", f"DNS:{MX}"),
            "other": make("other", "DNS:other.example"), "nobody": make("nobody", f"DNS:{MX},DNS:mta-sts.sts.example", None)}


class World:
    """A domain with its name server, its policy host and its MX, and an instance that sends mail there."""

    def __init__(self, make_instance, authority, certificates, directory):
        self.directory = directory
        self.make_instance, self.authority, self.certificates = make_instance, authority, certificates
        self.host = PolicyHost(context_of(certificates["policy"]))
        self.sink = SmtpSink(tls=context_of(certificates["mx"]))
        self.dns = DnsServer({DOMAIN: {"MX": [f"10 {MX}"]}, MX: {"A": ["127.0.0.1"]}, "mta-sts." + DOMAIN: {"A": ["127.0.0.1"]}})
        self.dns.ttl = 0
        self.publish("1", policy("enforce", MX))
        self.mta = self.plug_in = None
        self.sent = 0

    def publish(self, id, text=None):
        self.dns.zone["_mta-sts." + DOMAIN] = {"TXT": [f"v=STSv1; id={id};"]}
        if text is not None:
            self.host.policies[DOMAIN] = text

    def start(self, **settings):
        self.mta = self.make_instance({
            "relayhost": f"{DOMAIN}:{self.sink.port}", "dns_servers": f"127.0.0.1:{self.dns.port}",
            "smtp_dns_support_level": "enabled", "smtp_host_lookup": "dns", "smtp_tls_security_level": "may",
            "smtp_tls_loglevel": "1", "smtp_mta_sts": "yes", "smtp_tls_CAfile": self.authority.certificate,
            "smtp_connection_cache_on_demand": "no", "default_destination_concurrency_failed_cohort_limit": "0",
            "mtasts_tls_CAfile": self.authority.certificate,
            "mtasts_https_port": self.host.port, "mtasts_fetch_interval": "1s"} | settings)
        self.mta.start()
        return self.mta

    def send(self, recipient=None):
        """The line that says what became of it."""
        self.sent += 1
        recipient = recipient or f"u{self.sent}@y.example"
        with self.mta.smtp() as client:
            client.ehlo()
            client.transaction("a@x.example", [recipient], "Subject: x\r\n\r\nhello\r\n")
        return self.mta.wait_log(rf"to=<{recipient}>, .*dsn=(\S+), status=(\w+) \((.*)\)$", timeout=30).groups()

    def close(self):
        self.host.close()
        self.sink.close()
        if self.plug_in:
            self.plug_in.close()


@pytest.fixture
def world(make_instance, authority, certificates, tmp_path):
    made = World(make_instance, authority, certificates, tmp_path)
    yield made
    made.close()
