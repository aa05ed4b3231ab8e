"""tls= in delivery lines: how TLS was used with the server at hand. smtp_log_tls_feature_status, Postfix 3.11."""
import pytest

from harness.smtp_sink import Rule


def send(make_instance, nexthop, count=1, **settings):
    mta = make_instance({"relayhost": nexthop, "smtp_log_tls_feature_status": "yes", "lmtp_log_tls_feature_status": "yes"}
                        | settings)
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        for _ in range(count):
            client.transaction("a@x.example", ["b@y.example"], "Subject: x\r\n\r\nhello\r\n")
    return mta


def logged(mta, tls, status="sent"):
    mta.wait_log(rf"to=<b@y.example>, relay=.*, delays=[\d./]+, tls={tls}, dsn=[\d.]+, status={status} ")


@pytest.mark.parametrize("level", ["may", "encrypt"])
def test_encrypted(make_instance, make_tls_sink, level):
    logged(send(make_instance, make_tls_sink().nexthop, smtp_tls_security_level=level), level)


def test_in_the_clear(make_instance, make_sink):
    logged(send(make_instance, make_sink().nexthop, smtp_tls_security_level="may"), "may:none")


def test_without_tls(make_instance, make_tls_sink):
    logged(send(make_instance, make_tls_sink().nexthop, smtp_tls_security_level="none"), "none")


def test_verified(make_instance, make_tls_sink, authority):
    mta = send(make_instance, make_tls_sink().nexthop, smtp_tls_security_level="secure",
               smtp_tls_secure_cert_match="mx.example", smtp_tls_CAfile=authority.certificate)
    logged(mta, "secure")


def test_no_server(make_instance):
    logged(send(make_instance, "[127.0.0.1]:9", smtp_tls_security_level="may"), r"may\?", "deferred")


def test_no_name(make_instance):
    logged(send(make_instance, "[nowhere.invalid]", smtp_tls_security_level="encrypt"), r"encrypt\?", "(deferred|bounced)")


def test_not_as_demanded(make_instance, make_sink):
    logged(send(make_instance, make_sink().nexthop, smtp_tls_security_level="encrypt"), r"encrypt\?", "deferred")


def test_not_verified(make_instance, make_tls_sink):
    logged(send(make_instance, make_tls_sink().nexthop, smtp_tls_security_level="verify"), r"verify\?", "deferred")


@pytest.mark.parametrize("rule", [Rule("RCPT", "450 4.2.0 later"), Rule("DATA", cut=True), Rule("END", cut=True)])
def test_used_and_refused_or_lost(make_instance, make_tls_sink, rule):
    sink = make_tls_sink()
    sink.rules.append(rule)
    logged(send(make_instance, sink.nexthop, smtp_tls_security_level="may"), "may", "deferred")


def test_handshake_lost_then_in_the_clear(make_instance, make_tls_sink):
    sink = make_tls_sink()
    sink.rules.append(Rule("STARTTLS", "220 go", cut=True))
    mta = send(make_instance, sink.nexthop, smtp_tls_security_level="may", minimal_backoff_time="1s", queue_run_delay="1s")
    logged(mta, r"may\?", "deferred")
    logged(mta, "may:none")


def test_a_connection_used_again(make_instance, make_tls_sink):
    mta = send(make_instance, make_tls_sink().nexthop, count=10, smtp_tls_security_level="may",
               smtp_connection_cache_destinations="127.0.0.1")
    mta.wait_log(r"conn_use=\d, .*, tls=may, dsn")


def test_over_lmtp(make_instance, make_sink):
    sink = make_sink(lmtp=True)
    mta = send(make_instance, sink.nexthop, default_transport="lmtp", lmtp_tls_security_level="may")
    logged(mta, "may:none")


@pytest.mark.parametrize("level, there", [("3.6", False), ("3.11", True)])
def test_where_nobody_asked_for_it(make_instance, make_tls_sink, level, there):
    """Debian's pflogsumm (1.1.5) counts no delivery that has it."""
    mta = make_instance({"relayhost": make_tls_sink().nexthop, "compatibility_level": level})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        client.transaction("a@x.example", ["b@y.example"], "Subject: x\r\n\r\nhello\r\n")
    mta.wait_log("status=sent")
    assert ("tls=" in mta.log()) == there
