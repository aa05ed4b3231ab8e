"""TLS on the way out: what each level demands, what is said when it is not met, and what an attacker cannot do."""
import ssl

import pytest

from harness.certificates import make_certificate
from harness.instance import MTA
from harness.smtp_sink import Rule

pytestmark = pytest.mark.peer


def send(make_instance, sink, text="Subject: x\r\n\r\nhello\r\n", **settings):
    mta = make_instance({"relayhost": sink.nexthop, "smtp_tls_loglevel": "1"} | settings)
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        client.transaction("a@x.example", ["b@y.example"], text)
    return mta


def deferred(mta, dsn, reason):
    mta.wait_log(rf"to=<b@y.example>, relay=127.0.0.1\[127.0.0.1\]:\d+, .*dsn={dsn}, status=deferred \({reason}\)")


HOST = r"127\.0\.0\.1\[127\.0\.0\.1\]"


@pytest.mark.parametrize("level", ["may", "encrypt"])
def test_encrypted_to_whoever_it_is(make_instance, make_tls_sink, level):
    sink = make_tls_sink()
    mta = send(make_instance, sink, smtp_tls_security_level=level)
    assert sink.wait_for(1)[0].encrypted
    mta.wait_log(rf"Untrusted TLS connection established to {HOST}:{sink.port}: TLSv1.3 with cipher TLS_\w+ \(256/256 bits\) "
                 r"key-exchange X25519 server-signature RSA-PSS \(2048 bits\) server-digest SHA256")
    assert [c.split()[0] for c in sink.messages[0].commands][:3] == ["EHLO", "STARTTLS", "EHLO"]


def test_none_goes_in_the_clear(make_instance, make_tls_sink):
    sink = make_tls_sink()
    mta = send(make_instance, sink, smtp_tls_security_level="none", smtp_tls_note_starttls_offer="yes")
    assert not sink.wait_for(1)[0].encrypted
    mta.wait_log(r"Host offered STARTTLS: \[127\.0\.0\.1\]")


def test_not_offered(make_instance, make_sink):
    mta = send(make_instance, make_sink(), smtp_tls_security_level="encrypt")
    deferred(mta, "4.7.4", rf"TLS is required, but was not offered by host {HOST}")


def test_refused(make_instance, make_tls_sink):
    sink = make_tls_sink()
    sink.rules.append(Rule("STARTTLS", "454 4.7.0 not now"))
    mta = send(make_instance, sink, smtp_tls_security_level="encrypt")
    deferred(mta, "4.7.0", rf"TLS is required, but host {HOST} refused to start TLS: 454 4.7.0 not now")


def test_refused_where_it_is_not_needed(make_instance, make_tls_sink):
    sink = make_tls_sink()
    sink.rules.append(Rule("STARTTLS", "502 5.5.1 what"))
    send(make_instance, sink, smtp_tls_security_level="may")
    assert not sink.wait_for(1)[0].encrypted


def test_handshake_that_ends_at_once(make_instance, make_tls_sink):
    """Mail waits first; when it has waited, and may, it goes in the clear."""
    sink = make_tls_sink()
    sink.rules.append(Rule("STARTTLS", "220 go", cut=True))
    mta = send(make_instance, sink, smtp_tls_security_level="may", minimal_backoff_time="2s", queue_run_delay="2s")
    deferred(mta, "4.7.5", "Cannot start TLS: handshake failure")
    mta.wait_log(rf"SSL_connect error to {HOST}:{sink.port}: lost connection")
    assert not sink.wait_for(1, timeout=30)[0].encrypted


def test_handshake_that_fails_where_it_must_not(make_instance, make_tls_sink):
    sink = make_tls_sink()
    sink.rules.append(Rule("STARTTLS", "220 go", cut=True))
    mta = send(make_instance, sink, smtp_tls_security_level="encrypt", minimal_backoff_time="1s", queue_run_delay="1s")
    deferred(mta, "4.7.5", "Cannot start TLS: handshake failure")
    mta.wait_log(r"(status=deferred(.|\n)*){3}")
    assert not sink.messages


@pytest.mark.parametrize("names, verified", [("mx.example", True), ("a.wild.example", True), ("other.example", False),
                                             ("a.b.wild.example", False), ("other.example:mx.example", True)])
def test_verify_asks_for_a_name(make_instance, make_tls_sink, authority, names, verified):
    sink = make_tls_sink()
    mta = send(make_instance, sink, smtp_tls_security_level="verify", smtp_tls_verify_cert_match=names,
               smtp_tls_CAfile=authority.certificate)
    if verified:
        assert sink.wait_for(1)[0].encrypted
        mta.wait_log(rf"Verified TLS connection established to {HOST}")
    else:
        deferred(mta, "4.7.5", "Server certificate not verified")
        assert not sink.messages


def test_verify_asks_for_a_chain(make_instance, make_tls_sink):
    mta = send(make_instance, make_tls_sink(), smtp_tls_security_level="verify", smtp_tls_verify_cert_match="mx.example")
    deferred(mta, "4.7.5", "Server certificate not verified")
    mta.wait_log(rf"certificate verification failed for {HOST}:\d+: ")


@pytest.mark.parametrize("where", ["main.cf", "policy"])
@pytest.mark.parametrize("right", [True, False])
def test_trust_anchor_in_place_of_the_authorities(make_instance, make_tls_sink, authority, directory, where, right):
    file = directory / "anchor.pem"  # the client reads it without privileges
    file.write_text((authority if right else make_certificate(directory, "another")).certificate.read_text())
    sink = make_tls_sink()
    table = directory / "policy"
    table.write_text(f"{sink.nexthop} verify match=mx.example tafile={file}\n")
    main_cf = {"smtp_tls_security_level": "verify", "smtp_tls_verify_cert_match": "mx.example",
               "smtp_tls_trust_anchor_file": file}
    mta = send(make_instance, sink, **(main_cf if where == "main.cf" else {"smtp_tls_policy_maps": f"texthash:{table}"}))
    if right:
        assert sink.wait_for(1)[0].encrypted
    else:
        deferred(mta, "4.7.5", "Server certificate not (verified|trusted)")


@pytest.mark.parametrize("of", ["certificate", "key", "another"])
def test_fingerprint(make_instance, make_tls_sink, authority, certificate, of):
    prints = {"certificate": certificate.fingerprint(), "key": certificate.key_fingerprint(), "another": authority.fingerprint()}
    sink = make_tls_sink()
    mta = send(make_instance, sink, smtp_tls_security_level="fingerprint", smtp_tls_fingerprint_digest="sha256",
               smtp_tls_fingerprint_cert_match=prints[of])
    if of == "another":
        deferred(mta, "4.7.5", "Server certificate not verified")
    else:
        assert sink.wait_for(1)[0].encrypted
        mta.wait_log(rf"Verified TLS connection established to {HOST}")


def test_policy_of_the_next_hop(make_instance, make_tls_sink, directory):
    sink = make_tls_sink()
    table = directory / "policy"
    table.write_text(f"{sink.nexthop} encrypt protocols=TLSv1.2 ciphers=high\n")
    mta = send(make_instance, sink, smtp_tls_security_level="none", smtp_tls_policy_maps=f"texthash:{table}")
    assert sink.wait_for(1)[0].encrypted
    mta.wait_log(rf"TLS connection established to {HOST}:{sink.port}: TLSv1.2 with cipher")


@pytest.mark.parametrize("entry", ["sometimes", "encrypt colour=red", "encrypt protocols"])
def test_policy_that_makes_no_sense(make_instance, make_tls_sink, directory, entry):
    sink = make_tls_sink()
    table = directory / "policy"
    table.write_text(f"{sink.nexthop} {entry}\n")
    mta = send(make_instance, sink, smtp_tls_policy_maps=f"texthash:{table}")
    mta.wait_log(r"relay=none, .*dsn=4.7.5, status=deferred \(client TLS configuration problem\)")
    assert not sink.messages and "warning: " in mta.log()


def test_attributes_without_tls_are_of_no_use(make_instance, make_tls_sink, directory):
    sink = make_tls_sink()
    table = directory / "policy"
    table.write_text(f"{sink.nexthop} none protocols=TLSv1.2\n")
    mta = send(make_instance, sink, smtp_tls_policy_maps=f"texthash:{table}", smtp_tls_security_level="encrypt")
    assert not sink.wait_for(1)[0].encrypted
    mta.wait_log('warning: .*ignoring attribute "protocols=TLSv1.2" with TLS disabled')


@pytest.mark.skipif(MTA == "postfix", reason="still has it")
def test_old_policies_are_not_passed_over_in_silence(make_instance, make_sink):
    mta = send(make_instance, make_sink(), smtp_tls_per_site="static:MUST")
    mta.wait_log(r"smtp\[\d+\]: warning: smtp_tls_per_site has no effect: smtp_tls_policy_maps takes its place")


def test_server_name(make_instance, make_tls_sink):
    sink, asked = make_tls_sink(), []
    sink.tls.sni_callback = lambda connection, name, context: asked.append(name)
    send(make_instance, sink, smtp_tls_security_level="encrypt", smtp_tls_servername="sni.example")
    sink.wait_for(1)
    assert asked == ["sni.example"]


def test_wrapper_mode(make_instance, make_tls_sink):
    sink = make_tls_sink(wrapped=True)
    send(make_instance, sink, smtp_tls_security_level="encrypt", smtp_tls_wrappermode="yes")
    assert sink.wait_for(1)[0].encrypted
    assert [c.split()[0] for c in sink.messages[0].commands][:2] == ["EHLO", "MAIL"]


def test_what_stands_before_the_handshake_is_not_obeyed(make_instance, make_tls_sink):
    """An attacker adds answers to the one to STARTTLS: they must not be taken for the server's."""
    sink = make_tls_sink(behind_starttls=b"250-evil.example\r\n250-SIZE 10\r\n250 DSN\r\n250 2.1.0 ok\r\n" * 3)
    mta = send(make_instance, sink, smtp_tls_security_level="may", minimal_backoff_time="100s")
    mta.wait_log("status=(sent|deferred)")
    assert all(message.encrypted for message in sink.messages)
    assert "evil" not in mta.log()


def test_client_certificate(make_instance, make_tls_sink, authority, directory):
    ours = make_certificate(directory, "relay.example", issuer=authority)
    sink = make_tls_sink()
    sink.tls.verify_mode = ssl.CERT_REQUIRED
    sink.tls.load_verify_locations(authority.certificate)
    send(make_instance, sink, smtp_tls_security_level="encrypt", smtp_tls_cert_file=ours.certificate,
         smtp_tls_key_file=ours.key)
    assert sink.wait_for(1)[0].encrypted


def test_a_kept_connection_stays_with_its_policy(make_instance, make_tls_sink, directory):
    """Two next hops, one host, one of them in the clear: neither uses the other's connection."""
    sink = make_tls_sink()
    policy = directory / "policy"
    other = f"[localhost]:{sink.port}"
    policy.write_text(f"{sink.nexthop} encrypt\n{other} none\n")
    transport = directory / "transport"
    transport.write_text(f"clear.example smtp:{other}\n")
    mta = make_instance({"relayhost": sink.nexthop, "smtp_tls_policy_maps": f"texthash:{policy}",
                         "transport_maps": f"texthash:{transport}", "smtp_host_lookup": "native",
                         "smtp_connection_cache_destinations": "127.0.0.1, localhost"})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        for count in range(6):
            client.transaction("a@x.example", [f"b@{'clear' if count % 2 else 'y'}.example"], "Subject: x\r\n\r\nhello\r\n")
    for message in sink.wait_for(6):
        assert message.encrypted == ("clear" not in message.recipients[0])


@pytest.mark.skipif(MTA == "postfix", reason="Postfix resumes the session")
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_server_that_was_refused_and_has_mended_its_certificate(make_instance, make_tls_sink, certificate, authority, tmp_path, version):
    """The session of before is not resumed: all it says is what was wrong then."""
    sink = make_tls_sink()
    sink.tls.maximum_version = ssl.TLSVersion[version]
    sink.tls.load_cert_chain(*make_certificate(tmp_path, "mx.example").pair)
    mta = send(make_instance, sink, smtp_tls_security_level="verify", smtp_tls_verify_cert_match="mx.example",
               smtp_tls_CAfile=authority.certificate, smtp_connection_cache_on_demand="no", smtp_skip_quit_response="no",
               smtp_tls_session_cache_database="lmdb:${data_directory}/sessions")
    deferred(mta, "4.7.5", "Server certificate not (verified|trusted)")
    sink.tls.load_cert_chain(*certificate.pair)
    mta.run("postqueue", "-f")
    assert sink.wait_for(1)[0].encrypted
