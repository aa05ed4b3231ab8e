"""TLSRPT (RFC 8460): what smtp counts, what tlsrpt makes of it, and where the reports go."""
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

import harness.certificates
from harness import network
from harness.certificates import make_certificate, openssl
from harness.dns_server import DnsServer
from harness.instance import ROOT, USUAL_SERVICES, new_directory, remove_directory
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
def certificates():
    directory = new_directory()  # that the service, too, may look into
    authority = make_certificate(directory, "authority")
    names = ("subjectAltName=DNS:mx.good.t,DNS:localhost", "basicConstraints=critical,CA:FALSE")
    yield authority, make_certificate(directory, "mx.good.t", issuer=authority, extensions=names)
    remove_directory(directory)


def make_late_certificate(directory, name, issuer):
    made = make_certificate(directory, name, issuer=issuer)
    request = openssl("req", "-new", "-key", made.key, "-subj", f"/CN={name}")
    openssl("x509", "-req", "-CA", issuer.certificate, "-CAkey", issuer.key, "-CAcreateserial", "-days", "-1",
            "-out", made.certificate, input=request)
    return made


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

    def domain(self, domain, address, record="v=TLSRPTv1; rua=mailto:tls@reports.t", **options):
        """A domain with one MX host, that asks for reports; its sink."""
        self.zone[domain] = {"MX": [f"10 mx.{domain}"]}
        self.zone[f"mx.{domain}"] = {"A": [address]}
        if record:
            self.zone[f"_smtp._tls.{domain}"] = {"TXT": [record]}
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


def domain_of(report):
    return report["policies"][0]["policy"]["policy-domain"]


def sums(reports):
    """(successes, failures) over all policies. A period may have ended in between: there is one report or there are two."""
    found = [p["summary"] for r in reports for p in r["policies"]]
    return (sum(s["total-successful-session-count"] for s in found), sum(s["total-failure-session-count"] for s in found))


def details(reports):
    return [d for r in reports for p in r["policies"] for d in p.get("failure-details", [])]


def mailed(world, domain):
    return [r for r in map(unpack, list(world.reports.messages)) if domain_of(r) == domain]


def wait_for_mail(mta, world, domain, expected):
    wait_until(lambda: sums(mailed(world, domain)) == expected, 15, mta.log)
    return mailed(world, domain)


def shown(mta, *domain):
    result = mta.run("postfix", "tlsrpt", "show", *domain)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def wait_for_counts(mta, domain, expected):
    wait_until(lambda: sums(shown(mta, domain)) == expected, 10, lambda: f"{shown(mta)}\n{mta.log()}")
    return shown(mta, domain)


# ---- what is counted ----

def test_counts_outlive_a_restart_and_a_crash(world, start):
    world.domain("good.t", "127.0.0.11", tls=world.context)
    mta = start(tlsrpt_report_interval="86400s")
    assert shown(mta) == []
    send(mta, "good.t")
    wait_for_counts(mta, "good.t", (1, 0))
    mta.stop()
    assert sums(shown(mta, "good.t")) == (1, 0)
    mta.start()
    send(mta, "good.t")
    wait_for_counts(mta, "good.t", (2, 0))
    send(mta, "good.t")
    for pid in mta.processes("tlsrpt"):  # perhaps before it has written that down: then it is told again
        os.kill(pid, signal.SIGKILL)
    wait_for_counts(mta, "good.t", (3, 0))
    send(mta, "good.t")
    [report] = wait_for_counts(mta, "good.t", (4, 0))
    assert report["date-range"]["start-datetime"].endswith("T00:00:00Z")
    assert report["date-range"]["end-datetime"].endswith("T23:59:59Z")
    mta.reload()
    send(mta, "good.t")
    wait_for_counts(mta, "good.t", (5, 0))


def test_each_kind_of_failure(world, start, certificates, tmp_path):
    authority = certificates[0]
    late = make_late_certificate(tmp_path, "mx.late.t", authority)
    other = make_certificate(tmp_path, "elsewhere.t", issuer=authority)
    stranger = make_certificate(tmp_path, "mx.stranger.t")
    world.domain("good.t", "127.0.0.11", tls=world.context)
    world.domain("late.t", "127.0.0.12", tls=server_context(late))
    world.domain("other.t", "127.0.0.13", tls=server_context(other))
    world.domain("stranger.t", "127.0.0.14", tls=server_context(stranger))
    world.domain("bare.t", "127.0.0.15", name="bare.example")
    world.domain("refuses.t", "127.0.0.16", tls=world.context).rules.append(Rule("STARTTLS", "454 4.7.0 not today"))
    world.domain("hangs-up.t", "127.0.0.17", tls=world.context).rules.append(Rule("STARTTLS", "220 ready", cut=True))
    kinds = {"late.t": "certificate-expired", "other.t": "certificate-host-mismatch", "stranger.t": "certificate-not-trusted",
             "bare.t": "starttls-not-supported", "refuses.t": "starttls-not-supported", "hangs-up.t": "validation-failure"}
    mta = start(tlsrpt_report_interval="86400s", smtp_tls_security_level="verify", smtp_tls_CAfile=authority.certificate)
    send(mta, "good.t", *kinds)
    wait_for_counts(mta, "good.t", (1, 0))
    for domain, kind in kinds.items():
        reports = wait_for_counts(mta, domain, (0, 1))
        [detail] = details(reports)
        assert detail["result-type"] == kind and detail["receiving-mx-hostname"] == f"mx.{domain}", detail
        assert detail["sending-mta-ip"] == "127.0.0.1" and detail["failed-session-count"] == 1
    assert details(shown(mta, "bare.t")) == [
        {"result-type": "starttls-not-supported", "sending-mta-ip": "127.0.0.1", "receiving-mx-hostname": "mx.bare.t",
         "receiving-mx-helo": "bare.example", "receiving-ip": "127.0.0.15", "failed-session-count": 1}]
    assert "454 4.7.0 not today" in details(shown(mta, "refuses.t"))[0]["failure-reason-code"]
    assert details(shown(mta, "late.t"))[0]["failure-reason-code"] == "certificate has expired"


def test_who_is_not_counted(world, start):
    """Next hops that no domain chose, and everything when it is off."""
    world.domain("good.t", "127.0.0.11", tls=world.context)
    mta = start(tlsrpt_report_interval="86400s", transport_maps="inline:{named.t=smtp:[mx.good.t],number.t=smtp:127.0.0.11}")
    send(mta, "named.t", "number.t", "good.t")
    wait_for_counts(mta, "good.t", (1, 0))
    assert [domain_of(r) for r in shown(mta)] == ["good.t"]
    assert (mta.directory / "data/tlsrpt.lmdb").exists()
    mta.set_main(smtp_tlsrpt_enable="no")
    mta.stop()
    mta.start()
    send(mta, "good.t", count=2)
    time.sleep(1)
    assert sums(shown(mta)) == (1, 0)


def test_without_the_service_mail_goes_on(world, make_instance):
    world.domain("good.t", "127.0.0.11", tls=world.context)
    mta = make_instance(MAIN)
    mta.start()
    send(mta, "good.t", count=3)
    mta.wait_log("warning: TLS results are not counted for reports: ")
    assert mta.log().count("(is the service tlsrpt in master.cf?)") == 1 and mta.log().count("status=sent") == 3
    mta.expected_errors.append("fatal: the tlsrpt service does not answer")
    result = mta.run("postfix", "tlsrpt", "send")
    assert result.returncode == 1 and "the tlsrpt service does not answer" in result.stderr


def test_a_service_that_hangs_holds_up_no_mail(world, start):
    world.domain("good.t", "127.0.0.11", tls=world.context)
    mta = start(tlsrpt_report_interval="86400s")
    send(mta, "good.t")
    wait_for_counts(mta, "good.t", (1, 0))
    [pid] = mta.processes("tlsrpt")
    os.kill(pid, signal.SIGSTOP)
    send(mta, "good.t", count=4)
    assert mta.log().count("status=sent") >= 4 and sums(shown(mta)) == (1, 0)
    os.kill(pid, signal.SIGCONT)
    wait_for_counts(mta, "good.t", (5, 0))


def test_limits(world, start):
    for number in range(3):
        world.domain(f"d{number}.t", f"127.0.0.{20 + number}")
    mta = start(tlsrpt_report_interval="86400s", tlsrpt_domain_limit="2")
    send(mta, "d0.t", "d1.t", "d2.t")
    mta.wait_log(r"warning: 1 TLS results were not counted: limits are reached")
    assert len(shown(mta)) == 2


# ---- policies that domains publish ----

def signed_domain(world, name, address, certificate, *records):
    """A domain with signed names, and TLSA records for its one host."""
    sink = world.domain(name, address, tls=server_context(certificate))
    world.zone[f"_25._tcp.mx.{name}"] = {"TLSA": list(records)}
    return sink


def test_dane(world, start, certificates):
    """Failures are counted under the policy that was broken; for those before a connection, too."""
    tlsa_data = getattr(harness.certificates, "tlsa_data", None) or pytest.skip("no DANE here")
    good, wrong = tlsa_data(certificates[1]), "3 1 1 " + "00" * 32
    signed_domain(world, "good.signed", "127.0.0.11", certificates[1], good)
    signed_domain(world, "wrong.signed", "127.0.0.12", certificates[1], wrong)
    signed_domain(world, "lost.signed", "127.0.0.13", certificates[1])
    world.zone["_25._tcp.mx.lost.signed"] = "SERVFAIL"
    mta = start(tlsrpt_report_interval="86400s", smtp_dns_support_level="dnssec", smtp_tls_security_level="dane")
    send(mta, "good.signed", "wrong.signed", "lost.signed")
    [report] = wait_for_counts(mta, "good.signed", (1, 0))
    assert report["policies"][0]["policy"]["policy-type"] == "tlsa"
    assert report["policies"][0]["policy"]["policy-string"][0].lower() == good
    [report] = wait_for_counts(mta, "wrong.signed", (0, 1))
    assert report["policies"][0]["policy"]["policy-type"] == "tlsa"
    assert details([report])[0]["result-type"] == "validation-failure"
    [report] = wait_for_counts(mta, "lost.signed", (0, 1))
    assert report["policies"][0]["policy"]["policy-type"] == "tlsa"
    assert details([report])[0]["result-type"] == "dnssec-invalid"
    assert details([report])[0]["receiving-mx-hostname"] == "mx.lost.signed"


def test_mta_sts(world, start, certificates, tmp_path):
    """What is broken in testing, a host that the policy does not name, and a policy that cannot be had."""
    policies = pytest.importorskip("harness.policy_host")
    authority, good = certificates
    names = [f"{name}.t" for name in ("good", "tested", "unnamed", "lost")]
    host = policies.PolicyHost(server_context(make_certificate(tmp_path, "policies", issuer=authority, extensions=(
        "subjectAltName=" + ",".join(f"DNS:mta-sts.{name}" for name in names), "basicConstraints=critical,CA:FALSE"))))
    stranger = make_certificate(tmp_path, "stranger")
    for number, (name, mode, mx) in enumerate(zip(names, ("enforce", "testing", "enforce", None),
                                                  ("*.good.t", "mx.tested.t", "mx.else.t", ""))):
        world.domain(name, f"127.0.0.{11 + number}", tls=server_context(stranger if name == "tested.t" else good))
        world.zone[f"_mta-sts.{name}"] = {"TXT": ["v=STSv1; id=1;"]}
        world.zone[f"mta-sts.{name}"] = {"A": ["127.0.0.1"]}
        if mode:
            host.policies[name] = policies.policy(mode, mx)
    mta = start(tlsrpt_report_interval="86400s", smtp_mta_sts="yes", mtasts_https_port=host.port,
                smtp_tls_CAfile=authority.certificate, mtasts_tls_CAfile=authority.certificate)
    send(mta, *names)
    [report] = wait_for_counts(mta, "good.t", (1, 0))
    assert report["policies"][0]["policy"] == {
        "policy-type": "sts", "policy-domain": "good.t", "mx-host": ["*.good.t"],
        "policy-string": ["version: STSv1", "mode: enforce", "mx: *.good.t", "max_age: 86400"]}
    for name, kind in zip(names[1:], ("certificate-not-trusted", "validation-failure", "sts-policy-fetch-error")):
        [report] = wait_for_counts(mta, name, (0, 1))
        assert report["policies"][0]["policy"]["policy-type"] == "sts"
        assert details([report])[0]["result-type"] == kind, name
    assert mta.log().count("status=sent") == 3


# ---- reports ----

def test_a_report_by_mail(world, start):
    world.domain("good.t", "127.0.0.11", tls=world.context)
    mta = start()
    send(mta, "good.t", count=2)
    reports = wait_for_mail(mta, world, "good.t", (2, 0))
    message = world.reports.messages[0]
    assert message.sender == "" and message.recipients == ["tls@reports.t"]
    parsed = email.message_from_bytes(message.data)
    assert parsed.get_content_type() == "multipart/report" and parsed.get_param("report-type") == "tlsrpt"
    assert parsed["TLS-Report-Domain"] == "good.t" and parsed["TLS-Report-Submitter"] == "test.example"
    assert parsed["TLS-Required"] == "no" and parsed["From"] == "reports@test.example" and parsed["To"] == "tls@reports.t"
    words, attachment = parsed.get_payload()
    start_time, end_time = (int(n) for n in attachment.get_filename().split(".json")[0].split("!")[2:])
    assert attachment.get_filename() == f"test.example!good.t!{start_time}!{end_time}.json.gz" and end_time - start_time == 2
    assert words.get_content_type() == "text/plain" and attachment.get_content_type() == "application/tlsrpt+gzip"
    report = reports[0]
    assert f"Report-ID: <{report['report-id']}@test.example>" in " ".join(parsed["Subject"].split())
    assert report["organization-name"] == "Test, Inc." and report["contact-info"] == "tls@test.example"
    assert [p["policy"] for p in report["policies"]] == [{"policy-type": "no-policy-found", "policy-domain": "good.t"}]
    mta.wait_log(r"tlsrpt\[\d+\]: report for good.t sent to mailto:tls@reports.t as [0-9A-F]+, from=\S+Z, to=\S+Z, successes=[12], ")
    wait_until(lambda: shown(mta, "good.t") == [], 5)


@pytest.mark.skipif(not (ROOT / "smtp/requiretls.h").exists(), reason="TLS-Required is not heeded here")
def test_a_report_leaves_whatever_tls_is_like(world, start):
    """RFC 8460 section 3: who has trouble with TLS has to hear of it."""
    world.domain("bare.t", "127.0.0.11")
    mta = start(smtp_tls_security_level="encrypt")
    send(mta, "bare.t")
    mta.wait_log("to=<u@bare.t>, .*status=deferred")
    wait_for_mail(mta, world, "bare.t", (0, 1))
    assert not world.reports.messages[0].encrypted


class Endpoint:
    """An https server that takes reports, and answers with the statuses it is told first."""

    def __init__(self, context):
        self.posts, self.statuses = [], []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = endpoint.statuses.pop(0) if endpoint.statuses else 201
                endpoint.posts.append((status, self.path, self.headers["Content-Type"], body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"https://localhost:{self.server.server_port}/reports"

    def reports(self):
        return [json.loads(gzip.decompress(body)) for status, _, _, body in self.posts if status == 201]


def test_a_report_by_https_that_is_tried_again(world, start, certificates):
    endpoint = Endpoint(server_context(certificates[1]))
    endpoint.statuses = [503, 500]
    world.domain("good.t", "127.0.0.11", f"v=TLSRPTv1; rua={endpoint.url},mailto:tls@reports.t;", tls=world.context)
    mta = start(tlsrpt_tls_CAfile=certificates[0].certificate)
    send(mta, "good.t")
    mta.wait_log(rf"warning: report for good.t not sent to {endpoint.url}: .*status 503", 15)
    mta.wait_log(rf"report for good.t sent to {endpoint.url}, from=", 15)
    assert sums(endpoint.reports()) == (1, 0)
    assert [p[:3] for p in endpoint.posts] == [(s, "/reports", "application/tlsrpt+gzip") for s in (503, 500, 201)]
    assert sums(mailed(world, "good.t")) == (1, 0), "the other destination gets it once"
    endpoint.server.shutdown()


def test_an_endpoint_that_nobody_vouches_for(world, start, certificates):
    endpoint = Endpoint(server_context(certificates[1]))
    world.domain("good.t", "127.0.0.11", f"v=TLSRPTv1; rua={endpoint.url}", tls=world.context)
    mta = start(tlsrpt_maximal_retry_time="2s")
    send(mta, "good.t")
    mta.wait_log(rf"warning: report for good.t not sent to {endpoint.url}: ", 15)
    mta.wait_log(r"warning: report for good.t given up after \d+ tries", 15)
    assert endpoint.posts == [] and shown(mta, "good.t") == []
    endpoint.server.shutdown()


def test_who_gets_no_report(world, start):
    world.domain("silent.t", "127.0.0.11", None, tls=world.context)
    world.domain("broken.t", "127.0.0.12", "v=TLSRPTv1; rua=ftp://x.t/", tls=world.context)
    world.domain("twice.t", "127.0.0.13", tls=world.context)
    world.zone["_smtp._tls.twice.t"]["TXT"] *= 2
    world.domain("later.t", "127.0.0.14", tls=world.context)
    record, world.zone["_smtp._tls.later.t"] = world.zone["_smtp._tls.later.t"], "SERVFAIL"
    mta = start()
    send(mta, "silent.t", "broken.t", "twice.t", "later.t")
    mta.wait_log(r"no report for broken.t: its record is malformed, or has no usable destination: v=TLSRPTv1; rua=ftp://x.t/", 15)
    mta.wait_log(r"report for later.t waits: .*try again", 15)
    world.zone["_smtp._tls.later.t"] = record
    wait_for_mail(mta, world, "later.t", (1, 0))
    wait_until(lambda: shown(mta) == [], 10, lambda: f"{shown(mta)}\n{mta.log()}")
    assert {domain_of(unpack(m)) for m in world.reports.messages} == {"later.t"}


def test_sending_at_once(world, start):
    world.domain("good.t", "127.0.0.11", tls=world.context)
    mta = start(tlsrpt_report_interval="2s", tlsrpt_maximal_delay="36000s")
    send(mta, "good.t")
    wait_for_counts(mta, "good.t", (1, 0))
    time.sleep(2.5)
    assert world.reports.messages == []
    assert mta.run("postfix", "tlsrpt", "send", "other.t").stdout == "0 reports sent, 0 not wanted, 0 to be tried again\n"
    assert mta.run("postfix", "tlsrpt", "send").stdout == "1 reports sent, 0 not wanted, 0 to be tried again\n"
    wait_for_mail(mta, world, "good.t", (1, 0))
    assert mta.run("postfix", "tlsrpt", "send").stdout == "0 reports sent, 0 not wanted, 0 to be tried again\n"
    mta.expected_errors.append("fatal: usage: postfix tlsrpt show")
    assert mta.run("postfix", "tlsrpt", "list").returncode == 1


def test_a_crash_while_a_report_is_sent(world, start, certificates):
    """It is sent by the next process, under the same ID."""
    world.domain("good.t", "127.0.0.11", tls=world.context)
    world.zone["_smtp._tls.good.t"] = "silence"
    mta = start(tlsrpt_maximal_delay="1s", tlsrpt_retry_delay="2s")
    send(mta, "good.t")
    [before] = wait_for_counts(mta, "good.t", (1, 0))
    wait_until(lambda: ("_smtp._tls.good.t", "TXT") in world.dns.questions, 10, mta.log)
    for pid in mta.processes("tlsrpt"):
        os.kill(pid, signal.SIGKILL)
    world.zone["_smtp._tls.good.t"] = {"TXT": ["v=TLSRPTv1; rua=mailto:tls@reports.t"]}
    assert shown(mta, "good.t") == [before]
    mta.run("postfix", "tlsrpt", "send")
    assert wait_for_mail(mta, world, "good.t", (1, 0)) == [before]
