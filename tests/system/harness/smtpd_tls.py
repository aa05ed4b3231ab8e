"""Servers that offer STARTTLS, and what they and their clients show. To be imported by name."""
import ssl

import pytest

from harness.certificates import make_certificate
from harness.instance import new_directory, remove_directory

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class Keys:
    """What servers and clients show in these tests."""

    def __init__(self, directory):
        self.directory = directory
        self.rsa = make_certificate(directory, "mail.test.example")
        self.ec = make_certificate(directory, "ec.test.example", "ec")
        self.ca = make_certificate(directory, "ca", subject="/O=Test CA/CN=Test Root")
        self.trusted = make_certificate(directory, "trusted", "ec", "/O=Good/CN=good.example", self.ca)
        self.stranger = make_certificate(directory, "stranger", "ec", "/C=DE/O=Client Org/CN=client.example")
        self.both = directory / "both.chain"
        self.both.write_bytes(self.rsa.chain.read_bytes() + self.ec.chain.read_bytes())


@pytest.fixture(scope="module")
def keys():
    directory = new_directory()
    yield Keys(directory)
    remove_directory(directory)


@pytest.fixture
def server(make_instance, keys):
    def make(services=None, **settings):
        mta = make_instance({"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": keys.rsa.chain,
                             "smtpd_tls_loglevel": 1, "notify_classes": "", "default_transport": "discard",
                             "smtpd_peername_lookup": "no"} | settings, services)
        mta.start()
        return mta

    return make


def connect(mta, **options):
    client = mta.smtp()
    client.ehlo()
    return client.starttls(**options)
