"""Next hops beyond ASCII (RFC 6531 section 3.2, RFC 5891): DNS and certificates know them by their A-labels, tables as people
write them."""
import pytest

from harness.certificates import make_certificate
from harness.dane import (SERVER, authority, certificate, dns, make_sender, make_server, name_server,  # noqa: F401
                          server_context)
from harness.instance import USUAL_SERVICES
from harness.waiting import wait_until

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("network")]
peer = pytest.mark.peer
NAME, ASCII = "münchen.plain", "xn--mnchen-3ya.plain"
UTF8 = {"extensions": ["SMTPUTF8", "8BITMIME"], "inside_tls": ["SMTPUTF8", "8BITMIME"]}


def send(mta, domain=NAME):
    with mta.smtp() as client:
        client.ehlo()
        client.envelope("a@hop.plain", [f"b@{domain}"], " SMTPUTF8")
        client.data("Subject: x\r\n\r\nhello\r\n")


@peer
@pytest.mark.parametrize("domain", [NAME, "MÜNCHEN.plain"])
def test_servers_are_those_of_the_domain(dns, make_server, make_sender, domain):
    dns.zone[ASCII] = {"MX": ["10 mx.plain"]}
    server = make_server(**UTF8)
    send(make_sender(smtp_tls_security_level="may"), domain)
    assert server.wait_for(1)[0].recipients == [f"b@{domain}"]


@peer
@pytest.mark.parametrize("names, sent", [(ASCII, True), ("other.plain", False)])
def test_certificate(dns, make_server, make_sender, authority, directory, tmp_path, names, sent):
    dns.zone[ASCII] = {"A": [SERVER]}
    served = make_certificate(tmp_path, "server", issuer=authority,
                              extensions=(f"subjectAltName=DNS:{names}", "basicConstraints=critical,CA:FALSE"))
    trusted = directory / "authority"
    trusted.write_text(authority.certificate.read_text())
    trusted.chmod(0o644)
    make_server(context=server_context(served, authority), **UTF8)
    mta = make_sender(smtp_tls_security_level="secure", smtp_tls_CAfile=trusted)
    send(mta)
    mta.wait_log(rf"relay={ASCII}\[{SERVER}\]:25, .*status={'sent' if sent else 'deferred'} ")


@peer
def test_policy_is_found_by_the_name_as_it_is_written(dns, make_server, make_sender, directory):
    dns.zone[ASCII] = {"MX": ["10 mx.plain"]}
    table = directory / "policies"
    table.write_text(f"{NAME} verify\n")
    table.chmod(0o644)
    make_server(**UTF8)
    mta = make_sender(smtp_tls_security_level="may", smtp_tls_policy_maps=f"texthash:{table}")
    send(mta)
    mta.wait_log(r"status=deferred \(Server certificate not verified\)")


def test_mta_sts_policy_is_asked_for(dns, make_server, make_sender):
    dns.zone[ASCII] = {"MX": ["10 mx.plain"]}
    make_server(**UTF8)
    send(make_sender(smtp_tls_security_level="may", smtp_mta_sts="yes"))
    wait_until(lambda: (f"_mta-sts.{ASCII}", "TXT") in dns.questions)


@pytest.mark.parametrize("chroot", [pytest.param("n", marks=peer), "y"])
def test_sender_domain(dns, make_instance, chroot):
    """reject_unknown_sender_domain knows it too, also where no library can be loaded any more."""
    dns.zone[ASCII] = {"A": [SERVER]}
    mta = make_instance({"smtpd_sender_restrictions": "reject_unknown_sender_domain"})
    mta.set_master(USUAL_SERVICES.replace("inet n - n - - smtpd", f"inet n - {chroot} - - smtpd"))
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        client.command(f"MAIL FROM:<a@{NAME}> SMTPUTF8", 250)
        client.command("RCPT TO:<b@hop.plain>", 250)
        client.command("RSET", 250)
        client.command("MAIL FROM:<a@bücher.plain> SMTPUTF8", 250)
        client.command("RCPT TO:<b@hop.plain>", 450)
