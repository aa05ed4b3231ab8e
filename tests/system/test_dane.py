"""DANE (RFC 7671, 7672): what a server has to show, by the records that its domain has in signed DNS.

Names below .signed are signed, those below .plain are not; the name server is the test's own.
"""

import pytest

from harness.certificates import make_certificate, make_expired, tlsa_data
from harness.dane import (NOT_VERIFIED, OTHER, SERVER, WRONG, authority, certificate, deferred, deliver, dns,  # noqa: F401
                          make_sender, make_server, name_server, publish, send, server_context)
from harness.smtp_sink import SmtpSink

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("network")]
peer = pytest.mark.peer
UNUSABLE = ["1 1 1 " + "00" * 32, "0 0 1 " + "00" * 32, "3 1 1 00", "3 7 9 1234", "3 1 9 1234", "3 0 0 1234", ""]


@pytest.fixture
def clear_server(network):
    server = SmtpSink(host=SERVER, port=25)
    yield server
    server.close()


def sent(mta, server, trust="Verified"):
    mta.wait_log("status=sent")
    mta.wait_log(rf"{trust} TLS connection established to \S+\[{server.host}\]:{server.port}: TLSv1")
    assert all(message.encrypted for message in server.wait_for(1))


# ---- usage 3 ----

@peer
@pytest.mark.parametrize("selector, matching", [(1, 1), (0, 1), (1, 2), (0, 2), (0, 0), (1, 0)])
def test_own_certificate_or_key(dns, make_server, deliver, certificate, selector, matching):
    publish(dns, "mx.signed", tlsa_data(certificate, 3, selector, matching))
    server = make_server()
    sent(deliver(), server)
    assert server.asked == ["mx.signed"]


@peer
@pytest.mark.parametrize("level", ["dane", "dane-only"])
def test_wrong_key(dns, make_server, deliver, level):
    publish(dns, "mx.signed", WRONG)
    server = make_server()
    mta = deliver(smtp_tls_security_level=level)
    deferred(mta, NOT_VERIFIED, server)
    mta.wait_log(rf"server certificate verification failed for mx.signed\[{SERVER}\]:25: num=65:no matching DANE TLSA records")


@peer
def test_rollover(dns, make_server, deliver, certificate):
    publish(dns, "mx.signed", WRONG, tlsa_data(certificate))
    sent(deliver(), make_server())


@peer
def test_stronger_digest_counts(dns, make_server, deliver, certificate):
    """RFC 7671 section 9: a forged sha256 must not help where there is sha512 as well."""
    publish(dns, "mx.signed", "3 1 2 " + "00" * 64, tlsa_data(certificate))
    server = make_server()
    deferred(deliver(), NOT_VERIFIED, server)


@peer
def test_names_and_dates_do_not_matter(dns, make_server, deliver, tmp_path):
    old = make_certificate(tmp_path, "somebody.else")
    expired = make_expired(tmp_path, "somebody.else", old.key)
    publish(dns, "mx.signed", tlsa_data(expired))
    sent(deliver(), make_server(context=server_context(expired)))


# ---- usage 2 ----

@peer
@pytest.mark.parametrize("hop, host, good", [("hop.signed", "mx.signed", True), ("hop-in-cert.signed", "other.signed", True),
                                             ("hop.signed", "other.signed", False)])
def test_trust_anchor_asks_for_a_name(dns, make_server, deliver, authority, hop, host, good):
    dns.zone |= {hop: {"MX": [f"10 {host}"]}, host: {"A": [SERVER]}}
    publish(dns, host, tlsa_data(authority, 2, 0))
    server = make_server()
    mta = deliver(hop)
    if good:
        sent(mta, server)
    else:
        deferred(mta, NOT_VERIFIED, server)
        mta.wait_log(rf"verification failed for other.signed\[{SERVER}\]:25: num=62:hostname mismatch")


@peer
def test_trust_anchor_behind_an_alias_of_the_domain(dns, make_server, deliver, authority):
    dns.zone |= {"alias.signed": {"CNAME": ["hop-in-cert.signed"]}, "hop-in-cert.signed": {"MX": ["10 other.signed"]},
                 "other.signed": {"A": [SERVER]}}
    publish(dns, "other.signed", tlsa_data(authority, 2, 1))
    sent(deliver("alias.signed"), make_server())


@peer
def test_trust_anchor_that_is_not_in_the_chain(dns, make_server, deliver, authority, tmp_path):
    publish(dns, "mx.signed", tlsa_data(make_certificate(tmp_path, "another"), 2, 0))
    server = make_server()
    deferred(deliver(), NOT_VERIFIED, server)


@peer
def test_trust_anchor_asks_for_dates(dns, make_server, deliver, tmp_path):
    expired = make_expired(tmp_path, "mx.signed", make_certificate(tmp_path, "mx.signed").key,
                           "subjectAltName=DNS:mx.signed\nbasicConstraints=CA:TRUE\n")
    publish(dns, "mx.signed", tlsa_data(expired, 2, 0))
    server = make_server(context=server_context(expired))
    deferred(deliver(), NOT_VERIFIED, server)


# ---- no records, or none of use ----

@peer
def test_no_records_is_may(dns, make_server, deliver):
    server = make_server()
    sent(deliver(), server, "Untrusted")
    assert server.asked == [None]


@peer
def test_no_records_and_no_tls(dns, clear_server, deliver):
    deliver()
    assert not clear_server.wait_for(1)[0].encrypted


@peer
def test_no_records_where_they_are_demanded(dns, make_server, deliver):
    server = make_server()
    mta = deliver(smtp_tls_security_level="dane-only")
    deferred(mta, "no TLSA records found", server)
    mta.wait_log("warning: TLS policy lookup for hop.signed/mx.signed: no TLSA records found")


@peer
def test_records_without_tls(dns, clear_server, deliver):
    publish(dns, "mx.signed", WRONG)
    deferred(deliver(), rf"TLS is required, but was not offered by host mx.signed\[{SERVER}\]", clear_server, dsn="4.7.4")


@peer
def test_unusable_records_ask_for_tls(dns, make_server, deliver):
    publish(dns, "mx.signed", *UNUSABLE)
    mta = deliver()
    sent(mta, make_server(), "Untrusted")
    mta.wait_log("warning: _25._tcp.mx.signed unsupported TLSA certificate usage: 1 1 1 0000")
    mta.wait_log("warning: _25._tcp.mx.signed: truncated TLSA RR length == 0")
    mta.wait_log(rf"warning: mx.signed\[{SERVER}\]:25: unusable TLSA RR: 3 7 9 1234")
    mta.wait_log(rf"warning: mx.signed\[{SERVER}\]:25: all TLSA records unusable, fallback to unauthenticated TLS")


def test_unusable_records_without_tls(dns, clear_server, deliver):
    publish(dns, "mx.signed", *UNUSABLE)
    deferred(deliver(), r"TLS is required, but was not offered by host .*", clear_server, dsn="4.7.4")


@peer
def test_unusable_records_where_usable_ones_are_demanded(dns, make_server, deliver):
    publish(dns, "mx.signed", *UNUSABLE[:2])
    server = make_server()
    deferred(deliver(smtp_tls_security_level="dane-only"), "TLSA records unusable", server)


@peer
def test_usable_record_among_others(dns, make_server, deliver, certificate):
    publish(dns, "mx.signed", *UNUSABLE, tlsa_data(certificate))
    sent(deliver(), make_server())


def test_short_records_are_harmless(dns, make_server, deliver, certificate):  # Postfix 3.7 panics
    publish(dns, "mx.signed", "", "3", "3 1", "3 1 1", tlsa_data(certificate))
    mta = deliver()
    sent(mta, make_server())
    mta.wait_log("truncated TLSA RR length == 3")


@peer
def test_digest_that_is_not_to_be_used(dns, make_server, deliver, certificate):
    publish(dns, "mx.signed", WRONG)
    sent(deliver(tls_dane_digests="sha512=2"), make_server(), "Untrusted")


# ---- answers that cannot be had, or believed ----

@peer
@pytest.mark.parametrize("level, code", [("dane", "SERVFAIL"), ("dane-only", "SERVFAIL"), ("dane", "FORMERR"), ("dane", "NOTAUTH")])
def test_bogus_records(dns, make_server, deliver, level, code):
    """No answer is no answer, whatever the name server calls it: it is not that there are no records."""
    dns.zone["_25._tcp.mx.signed"] = code
    server = make_server()
    mta = deliver(smtp_tls_security_level=level)
    deferred(mta, "TLSA lookup error for mx.signed:25", server)
    mta.wait_log("warning: TLS policy lookup for hop.signed/mx.signed: TLSA lookup error for mx.signed:25")
    assert not server.sessions


@peer
def test_bogus_records_of_one_host_of_two(dns, make_server, deliver, certificate):
    dns.zone |= {"_25._tcp.mx.signed": "SERVFAIL", "hop.signed": {"MX": ["10 mx.signed", "20 mx2.signed"]},
                 "mx2.signed": {"A": [OTHER]}}
    publish(dns, "mx2.signed", tlsa_data(certificate))
    first, second = make_server(), make_server(OTHER)
    sent(deliver(), second)
    assert not first.sessions


@peer
def test_wrong_key_of_one_host_of_two(dns, make_server, deliver, certificate):
    dns.zone |= {"hop.signed": {"MX": ["10 mx.signed", "20 mx2.signed"]}, "mx2.signed": {"A": [OTHER]}}
    publish(dns, "mx.signed", WRONG)
    publish(dns, "mx2.signed", tlsa_data(certificate))
    first, second = make_server(), make_server(OTHER)
    sent(deliver(), second)
    assert not first.messages


@peer
def test_records_that_are_not_signed(dns, make_server, deliver):
    dns.zone |= {"_25._tcp.mx.signed": {"CNAME": ["record.plain"]}, "record.plain": {"TLSA": [WRONG]}}
    sent(deliver(), make_server(), "Untrusted")


@peer
@pytest.mark.parametrize("force", ["no", "yes"])
def test_address_that_is_not_signed(dns, make_server, deliver, force):
    publish(dns, "mx.plain", WRONG)
    sent(deliver("mx.plain", smtp_tls_force_insecure_host_tlsa_lookup=force), make_server(), "Untrusted")
    assert (("_25._tcp.mx.plain", "TLSA") in dns.questions) == (force == "yes")


@peer
def test_address_literal(dns, make_server, deliver):
    server = make_server()
    sent(deliver(relayhost=f"[{SERVER}]"), server, "Untrusted")
    assert not any(kind == "TLSA" for _, kind in dns.questions)


@peer
@pytest.mark.parametrize("policy, trust, asked", [("may", "Untrusted", None), ("encrypt", "Untrusted", None),
                                                  ("dane", "Trusted", "mx.signed"), (None, "Trusted", "mx.signed")])
def test_exchanger_that_is_not_signed(dns, make_server, deliver, certificate, policy, trust, asked):
    publish(dns, "mx.signed", tlsa_data(certificate))
    server = make_server()
    sent(deliver("hop.plain", **({"smtp_tls_dane_insecure_mx_policy": policy} if policy else {})), server, trust)
    assert server.asked == [asked]


@peer
@pytest.mark.parametrize("policy, accepted", [("may", True), ("encrypt", False), ("dane", False)])
def test_exchanger_that_is_not_signed_and_has_no_tls(dns, clear_server, deliver, policy, accepted):
    publish(dns, "mx.signed", WRONG)
    mta = deliver("hop.plain", smtp_tls_dane_insecure_mx_policy=policy)
    if accepted:
        clear_server.wait_for(1)
    else:
        deferred(mta, "TLS is required, but was not offered by host .*", clear_server, dsn="4.7.4")


@peer
def test_exchanger_that_is_not_signed_and_has_the_wrong_key(dns, make_server, deliver):
    publish(dns, "mx.signed", WRONG)
    server = make_server()
    deferred(deliver("hop.plain"), NOT_VERIFIED, server)


@peer
def test_policy_table_alone_leaves_unsigned_exchangers_alone(dns, make_server, deliver, directory):
    """The default is `may` unless main.cf's level is dane."""
    publish(dns, "mx.signed", WRONG)
    (directory / "policy").write_text("hop.plain dane\n")
    sent(deliver("hop.plain", smtp_tls_security_level="may", smtp_tls_policy_maps=f"texthash:{directory}/policy"),
         make_server(), "Untrusted")


@peer
def test_exchanger_that_is_not_signed_where_it_has_to_be(dns, make_server, deliver, certificate):
    publish(dns, "mx.signed", tlsa_data(certificate))
    server = make_server()
    deferred(deliver("hop.plain", smtp_tls_security_level="dane-only"), "non DNSSEC destination", server)


# ---- aliases ----

@peer
@pytest.mark.parametrize("chain, records, trust, asked", [
    (["alias.signed", "mx.signed"], ["mx.signed"], "Verified", "mx.signed"),
    (["alias.signed", "mx.signed"], ["alias.signed"], "Verified", "alias.signed"),
    (["alias.signed", "mx.signed"], ["mx.signed", "alias.signed!"], "Verified", "mx.signed"),
    (["alias.signed", "mx.plain"], ["alias.signed"], "Verified", "alias.signed"),
    (["alias.signed", "mx.plain"], ["mx.plain!"], "Untrusted", None),
    (["alias.plain", "mx.signed"], ["mx.signed!"], "Untrusted", None),
])
def test_host_that_is_an_alias(dns, make_server, deliver, certificate, chain, records, trust, asked):
    """RFC 7672 section 2.2.2. "!": the record there is wrong."""
    alias, target = chain
    dns.zone |= {alias: {"CNAME": [target]}, "hop.signed": {"MX": [f"10 {alias}"]}}
    for name in records:
        publish(dns, name.rstrip("!"), WRONG if name.endswith("!") else tlsa_data(certificate))
    server = make_server()
    sent(deliver(), server, trust)
    assert server.asked == [asked]


@pytest.mark.parametrize("alias, trust", [("alias.signed", "Verified"), ("alias.plain", "Untrusted")])
def test_alias_in_a_reply_of_its_own(dns, make_server, deliver, certificate, alias, trust):
    """All steps have to be signed, not just the last one."""
    dns.follows_aliases = False
    dns.zone |= {alias: {"CNAME": ["mx.signed"]}, "hop.signed": {"MX": [f"10 {alias}"]}}
    publish(dns, "mx.signed", tlsa_data(certificate))
    sent(deliver(), make_server(), trust)


@peer
def test_records_behind_an_alias(dns, make_server, deliver, certificate):
    dns.zone |= {"_25._tcp.mx.signed": {"CNAME": ["record.signed"]}, "record.signed": {"TLSA": [tlsa_data(certificate)]}}
    server = make_server()
    sent(deliver(), server)
    assert server.asked == ["mx.signed"]


# ---- configuration ----

@peer
def test_without_dnssec_it_is_may(dns, make_server, deliver):
    publish(dns, "mx.signed", WRONG)
    mta = deliver(smtp_dns_support_level="enabled")
    sent(mta, make_server(), "Untrusted")
    mta.wait_log("warning: hop.signed: dane configured with dnssec lookups disabled")


@peer
@pytest.mark.parametrize("settings", [{"smtp_dns_support_level": "enabled"}, {"smtp_host_lookup": "native"}])
def test_without_dnssec_where_it_is_needed(dns, make_server, deliver, settings):
    server = make_server()
    mta = deliver(smtp_tls_security_level="dane-only", **settings)
    deferred(mta, "client TLS configuration problem", server)
    mta.wait_log("hop.signed: dane-only configured with dnssec lookups disabled")


@peer
def test_policy_table(dns, make_server, deliver, certificate, directory):
    publish(dns, "mx.signed", tlsa_data(certificate))
    (directory / "policy").write_text("hop.signed dane-only\n")
    sent(deliver(smtp_tls_security_level="may", smtp_tls_policy_maps=f"texthash:{directory}/policy"), make_server())


@peer
@pytest.mark.parametrize("attribute", ["match=mx.signed", "tafile=/etc/hosts"])
def test_policy_with_names_of_its_own(dns, make_server, deliver, directory, attribute):
    (directory / "policy").write_text(f"hop.signed dane {attribute}\n")
    server = make_server()
    deferred(deliver(smtp_tls_policy_maps=f"texthash:{directory}/policy"), "client TLS configuration problem", server)


@peer
def test_protocols(dns, make_server, deliver, certificate):
    """With records those that are mandatory, without them the others."""
    dns.zone |= {"bare.signed": {"A": [OTHER]}}
    publish(dns, "mx.signed", tlsa_data(certificate))
    make_server(), make_server(OTHER)
    mta = deliver(smtp_tls_protocols=">=TLSv1.3", smtp_tls_mandatory_protocols="TLSv1.2")
    send(mta, "b@bare.signed")
    mta.wait_log(rf"Verified TLS connection established to mx.signed\[{SERVER}\]:25: TLSv1.2 ")
    mta.wait_log(rf"Untrusted TLS connection established to bare.signed\[{OTHER}\]:25: TLSv1.3 ")


@peer
def test_port(dns, make_server, deliver, certificate):
    publish(dns, "mx.signed", WRONG)
    publish(dns, "mx.signed", tlsa_data(certificate), port=2525)
    sent(deliver(relayhost="[mx.signed]:2525"), make_server(port=2525))


@peer
def test_lmtp(dns, make_server, deliver, certificate):
    publish(dns, "mx.signed", tlsa_data(certificate), port=2424)
    sent(deliver(default_transport="lmtp:inet:mx.signed:2424", lmtp_tls_security_level="dane-only", lmtp_tls_loglevel="1",
                 lmtp_dns_support_level="dnssec"), make_server(port=2424, lmtp=True))


@peer
def test_wrapper_mode_is_never_in_the_clear(dns, make_server, deliver):
    server = make_server(port=4650, wrapped=True)
    deferred(deliver(relayhost="[mx.signed]:4650", smtp_tls_wrappermode="yes"), "server unavailable or unable to receive mail",
             server, dsn="4.3.0")


def test_setting_that_makes_no_sense(dns, make_instance):
    mta = make_instance({"smtp_tls_dane_insecure_mx_policy": "sometimes", "relayhost": "[mx.signed]"})
    mta.expected_errors.append("fatal: ")
    mta.start()
    send(mta, "b@hop.signed")
    mta.wait_log('fatal: .*invalid smtp_tls_dane_insecure_mx_policy: "sometimes"')


@peer
@pytest.mark.parametrize("probe, root, warned", [
    ("ns:.", "plain", "received a response that is not DNSSEC validated"), ("ns:.", "signed", None),
    ("ns:always.signed", "plain", None), ("", "plain", None), ("ns:.", "SERVFAIL", "received no response: ")])
def test_name_server_that_checks_nothing(dns, make_server, deliver, probe, root, warned):
    """Asked for what is always signed as soon as something is not."""
    dns.zone |= {"": "SERVFAIL" if root == "SERVFAIL" else {"NS": ["root.signed"]}, "always.signed": {"NS": ["root.signed"]}}
    dns.root_is_signed = root == "signed"
    mta = deliver("hop.plain", dnssec_probe=probe)
    sent(mta, make_server(), "Untrusted")
    assert ("warning: DNSSEC validation may be unavailable" in mta.log()) == bool(warned)
    assert not warned or f"warning: reason: dnssec_probe '{probe}' {warned}" in mta.log()
