"""TLSRPT (RFC 8460): what smtp counts, what tlsrpt makes of it, and where the reports go."""
import base64
import email
import gzip
import json
import os
import signal
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from harness import network
from harness.certificates import make_certificate
from harness.dns_server import DnsServer
from harness.instance import USUAL_SERVICES
from harness.smtp_sink import Rule, SmtpSink
from harness.waiting import wait_until

pytestmark = [pytest.mark.root, pytest.mark.skipif(not network.possible(), reason="no namespaces here")]

SERVICES = USUAL_SERVICES + "tlsrpt unix - - n 3600 1 tlsrpt\n"
MAIN = {
    "smtp_tlsrpt_enable": "yes",
    "smtp_tls_security_level": "may",
    "smtp_dns_support_level": "enabled",
    "smtp_connection_cache_on_demand": "no",
    "tlsrpt_organization_name": "Test, Inc.",
    "tlsrpt_contact_info": "tls@test.example",
    "tlsrpt_from_address": "reports@test.example",
    "tlsrpt_report_interval": "3s",
    "tlsrpt_maximal_delay": "0",
    "tlsrpt_retry_delay": "1s",
}
REPORTS = "127.0.0.10"  # takes the mail for reports.t


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificates")
    directory.chmod(0o755)
    authority = make_certificate(directory, "authority")
    names = ("subjectAltName=DNS:mx.good.t,DNS:localhost", "basicConstraints=critical,CA:FALSE")
    return authority, make_certificate(directory, "mx.good.t", issuer=authority, extensions=names)


def server_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate.pair)
    return context


class World:
    """Name server and mail servers in a network of their own."""

    def __init__(self, context):
        self.context, self.servers = context, []
        self.zone = {"reports.t": {"A": [REPORTS]}}
        self.dns = DnsServer(self.zone, network.NAME_SERVER, 53)
        self.reports = self.serve(REPORTS)

    def serve(self, address, **options):
        self.servers.append(SmtpSink(host=address, port=25, **options))
        return self.servers[-1]

    def domain(self, name, address, record="v=TLSRPTv1; rua=mailto:tls@reports.t", **options):
        """A domain with one MX host, that asks for reports; its sink."""
        self.zone[name] = {"MX": [f"10 mx.{name}"]}
        self.zone[f"mx.{name}"] = {"A": [address]}
        if record:
            self.zone[f"_smtp._tls.{name}"] = {"TXT": [record]}
        return self.serve(address, **options)

    def close(self):
        for server in self.servers:
            server.close()


@pytest.fixture
def world(directory, certificates):
    with network.PrivateNetwork(directory):
        made = World(server_context(certificates[1]))
        yield made
        made.close()


@pytest.fixture
def start(make_instance):
    def start(**settings):
        mta = make_instance(MAIN | settings, services=SERVICES)
        mta.start()
        return mta

    return start


def send(mta, *domains, count=1):
    with mta.smtp() as client:
        client.ehlo()
        for domain in domains:
            for _ in range(count):
                client.transaction("a@x.example", [f"u@{domain}"], "Subject: x\r\n\r\nhello\r\n")
    for domain in domains:
        mta.wait_log(rf"(?s)(to=<u@{domain}>.*){{{count}}}")


def unpack(message):
    """The report in a message."""
    for part in email.message_from_bytes(message.data).walk():
        if part.get_content_type() == "application/tlsrpt+gzip":
            return json.loads(gzip.decompress(part.get_payload(decode=True)))
    raise AssertionError("no report in it")


def sums(reports):
    """(successes, failures) over all policies."""
    found = [p["summary"] for r in reports for p in r["policies"]]
    return (sum(s["total-successful-session-count"] for s in found), sum(s["total-failure-session-count"] for s in found))


def details(reports):
    return [d for r in reports for p in r["policies"] for d in p.get("failure-details", [])]


def reports_for(world, domain):
    return [unpack(m) for m in world.reports.messages if unpack(m)["policies"][0]["policy"]["policy-domain"] == domain]


def test_successes_and_failures_are_reported_by_mail(world, start):
    world.domain("good.t", "127.0.0.11", tls=world.context)
    world.domain("bare.t", "127.0.0.12")
    mta = start()
    send(mta, "good.t", "bare.t", count=2)
    wait_until(lambda: sums(reports_for(world, "good.t")) == (2, 0) and sums(reports_for(world, "bare.t")) == (0, 2), 15,
               lambda: mta.log())
    report = reports_for(world, "bare.t")[0]
    assert report["organization-name"] == "Test, Inc." and report["contact-info"] == "tls@test.example"
    assert report["policies"][0]["policy"] == {"policy-type": "no-policy-found", "policy-domain": "bare.t"}
    assert details([report])[0] == {"result-type": "starttls-not-supported", "sending-mta-ip": "127.0.0.1",
                                    "receiving-mx-hostname": "mx.bare.t", "receiving-mx-helo": "sink.example",
                                    "receiving-ip": "127.0.0.12", "failed-session-count": details([report])[0]["failed-session-count"]}
