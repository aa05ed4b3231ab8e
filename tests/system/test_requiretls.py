"""REQUIRETLS and TLS-Required: no (RFC 8689), as Postfix 3.11 has them: from the client's EHLO to the next server's."""
import pytest

from harness.queue_file import QueueFile
from harness.smtp_sink import Rule
from harness.waiting import wait_until

REQUIRETLS, TLS_REQUIRED_NO = 256, 512
MESSAGE = "Subject: x\r\nTo: b@y.example\r\n\r\nsecret body\r\n"


@pytest.fixture
def server(make_instance, certificate):
    """An instance that offers TLS. What is sent through it stays deferred unless settings say otherwise."""
    def make(**settings):
        mta = make_instance({"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": certificate.chain,
                             "smtp_tls_security_level": "may", "smtp_log_tls_feature_status": "yes",
                             "relayhost": "[127.0.0.1]:9", "smtpd_peername_lookup": "no"} | settings)
        mta.start()
        return mta

    return make


@pytest.fixture
def strict(server, authority):
    """The same, with a next hop that has to do what REQUIRETLS demands, and a way to be found to do so."""
    def make(nexthop, **settings):
        return server(**{"relayhost": nexthop, "smtp_requiretls_policy": "enforce", "smtp_tls_security_level": "secure",
                         "smtp_tls_secure_cert_match": "mx.example", "smtp_tls_CAfile": authority.certificate} | settings)

    return make


def encrypted(mta):
    client = mta.smtp()
    client.ehlo()
    client.starttls()
    client.ehlo()
    return client


def send(mta, message=MESSAGE, sender="a@x.example", recipients=("b@y.example",), options=" REQUIRETLS"):
    with encrypted(mta) as client:
        client.transaction(sender, list(recipients), message, options)


def logged(mta, tls, dsn, status, reason=""):
    mta.wait_log(rf"to=<b@y.example>, relay=.*, tls={tls}, dsn={dsn}, status={status} \({reason}")


def mail_commands(message):
    return [command for command in message.commands if command.startswith("MAIL")]


# ---- the server ----

def test_announced_within_tls_alone(server):
    mta = server()
    with mta.smtp() as client:
        assert "REQUIRETLS" not in client.ehlo().lines
        assert str(client.command("MAIL FROM:<a@x.example> REQUIRETLS")) == "555 5.5.4 Unsupported option: REQUIRETLS"
        client.starttls()
        assert client.ehlo().lines[-1] == "REQUIRETLS"
        assert str(client.command("MAIL FROM:<a@x.example> REQUIRETLS")) == "250 2.1.0 Ok"


@pytest.mark.parametrize("settings", [{"requiretls_enable": "no"}, {"smtpd_discard_ehlo_keywords": "RequireTLS"}])
def test_not_announced(server, settings):
    with encrypted(server(**settings)) as client:
        assert "REQUIRETLS" not in client.ehlo().lines
        assert str(client.command("MAIL FROM:<a@x.example> REQUIRETLS")) == "555 5.5.4 Unsupported option: REQUIRETLS"


def test_it_has_no_value(server):
    with encrypted(server()) as client:
        assert str(client.command("MAIL FROM:<a@x.example> requiretls=yes")) == "501 5.5.4 Bad REQUIRETLS parameter syntax"
        assert str(client.command("MAIL FROM:<a@x.example> requiretls")) == "250 2.1.0 Ok"


def test_forgotten_with_the_transaction(server):
    mta = server(defer_transports="smtp")
    with encrypted(mta) as client:
        client.command("MAIL FROM:<a@x.example> REQUIRETLS", 250)
        client.command("RSET", 250)
        client.transaction("a@x.example", ["b@y.example"], MESSAGE)
    assert queued(mta).sizes[5] == 0


# ---- the queue ----

def queued(mta):
    wait_until(lambda: mta.queue_files("deferred"), what="a deferred message")
    return QueueFile(mta.queue_files("deferred")[0])


@pytest.mark.parametrize("options, header, expected", [
    (" REQUIRETLS", "", REQUIRETLS),
    ("", "", 0),
    ("", "Require-TLS-ESMTP: yes\r\n", REQUIRETLS),
    ("", "require-tls-esmtp:YES \r\n", REQUIRETLS),
    ("", "Require-TLS-ESMTP: no\r\n", 0),
    ("", "TLS-Required: no\r\n", TLS_REQUIRED_NO),
    ("", "tls-required: No\r\n", TLS_REQUIRED_NO),
    ("", "TLS-Required: nobody\r\n", 0),
    ("", "Subject: x\r\n\r\nTLS-Required: no\r\n", 0),
    (" REQUIRETLS", "TLS-Required: no\r\n", REQUIRETLS | TLS_REQUIRED_NO),
])
def test_kept_in_the_queue_file(server, options, header, expected):
    mta = server(defer_transports="smtp")
    send(mta, header + MESSAGE, options=options)
    file = queued(mta)
    assert file.sizes[5] == expected
    assert (b"Require-TLS-ESMTP: yes" in file.content.splitlines()) == (" REQUIRETLS" in options or header.startswith("Require-TLS-ESMTP: yes"))


@pytest.mark.parametrize("settings", [{"requiretls_esmtp_header": "no"}, {"requiretls_enable": "no"}])
def test_the_header_is_of_no_interest(server, settings):
    mta = server(defer_transports="smtp", **settings)
    send(mta, "Require-TLS-ESMTP: yes\r\n" + MESSAGE, options="")
    assert queued(mta).sizes[5] == 0


def test_the_wish_is_of_no_interest(server):
    mta = server(defer_transports="smtp", tls_required_enable="no")
    send(mta, "TLS-Required: no\r\n" + MESSAGE, options="")
    assert queued(mta).sizes[5] == 0


def test_no_header_where_no_filter_needs_it(server):
    mta = server(defer_transports="smtp", requiretls_esmtp_header="no")
    send(mta)
    assert queued(mta).sizes[5] == REQUIRETLS and b"Require-TLS-ESMTP" not in queued(mta).content


@pytest.mark.root
@pytest.mark.parametrize("option, expected", [("requiretls=yes", REQUIRETLS), ("smtputf8=yes", 1), ("requiretls=no", 0)])
def test_from_the_command_line(server, option, expected):
    mta = server(defer_transports="smtp")
    mta.run("sendmail", "-C", mta.etc, "-O", option, "-f", "a@x.example", "b@y.example", input="Subject: x\n\nhello\n",
            check=True)
    assert queued(mta).sizes[5] == expected


# ---- the next server, where it has to do what is demanded ----

def test_passed_on(strict, make_tls_sink):
    sink = make_tls_sink(inside_tls=["REQUIRETLS"])
    mta = strict(sink.nexthop)
    send(mta)
    message = sink.wait_for(1)[0]
    assert message.encrypted and mail_commands(message)[0].endswith(" REQUIRETLS")
    logged(mta, "secure/requiretls", "2.0.0", "sent")
    send(mta, options="")
    assert not mail_commands(sink.wait_for(2)[1])[-1].endswith(" REQUIRETLS")


def test_from_server_to_server_to_mailbox(strict, server):
    """Our client at our server, which keeps the demand in its queue file and delivers."""
    receiver = server(virtual_mailbox_domains="y.example", virtual_mailbox_maps="static:box/", virtual_uid_maps="static:65534",
                      virtual_gid_maps="static:65534", virtual_minimum_uid="1")
    receiver.set_main(virtual_mailbox_base=receiver.directory / "mail")
    (receiver.directory / "mail").mkdir()
    (receiver.directory / "mail").chmod(0o777)
    receiver.reload()
    sender = strict(f"[127.0.0.1]:{receiver.port}")
    send(sender)
    logged(sender, "secure/requiretls", "2.0.0", "sent")
    receiver.wait_log(r"to=<b@y.example>, relay=virtual, .*status=sent")
    delivered = next((receiver.directory / "mail/box/new").iterdir()).read_text()
    assert "Require-TLS-ESMTP: yes" in delivered and "secret body" in delivered


def test_not_offered(strict, make_tls_sink):
    sink = make_tls_sink()
    mta = strict(sink.nexthop)
    send(mta, sender="")  # so that nothing is returned
    logged(mta, "secure/!requiretls:none", "5.7.30", "bounced",
           r"REQUIRETLS is required, but was not offered by host 127\.0\.0\.1\[127\.0\.0\.1\]\)")
    assert not any("MAIL" in command for session in sink.sessions for command in session.commands)


def test_offered_in_the_clear_alone(strict, make_tls_sink):
    sink = make_tls_sink(extensions=["REQUIRETLS", "PIPELINING"])
    sink.rules.append(Rule("EHLO", "250 mx.example\n250 STARTTLS\n250 REQUIRETLS", times=1))
    sink.rules.append(Rule("EHLO", "250 mx.example\n250 PIPELINING"))
    mta = strict(sink.nexthop)
    send(mta)
    logged(mta, "secure/!requiretls:none", "5.7.30", "bounced")


def test_no_starttls(strict, make_sink):
    sink = make_sink(extensions=["REQUIRETLS"])
    mta = strict(sink.nexthop)
    send(mta, sender="")  # so that nothing is returned
    logged(mta, "secure/!requiretls:nostarttls", "5.7.10", "bounced", "REQUIRETLS is required, but STARTTLS was not offered")
    assert not sink.messages


def test_another_certificate(strict, make_tls_sink):
    sink = make_tls_sink(inside_tls=["REQUIRETLS"])
    mta = strict(sink.nexthop, smtp_tls_secure_cert_match="another.example")
    send(mta, sender="")  # so that nothing is returned
    logged(mta, "secure/!requiretls:nocertmatch", "5.7.10", "bounced")
    assert not sink.messages


@pytest.mark.parametrize("level, lack", [("none", "noencryption"), ("may", "nocertmatch"), ("encrypt", "nocertmatch")])
def test_a_policy_that_verifies_nobody(strict, make_tls_sink, level, lack):
    sink = make_tls_sink(inside_tls=["REQUIRETLS"])
    mta = strict(sink.nexthop, smtp_tls_security_level=level)
    send(mta, sender="")  # so that nothing is returned
    logged(mta, f"{level}/!requiretls:{lack}", "5.7.10", "bounced")
    assert not sink.sessions


def test_what_may_pass_is_waited_for(strict, make_tls_sink):
    sink = make_tls_sink(inside_tls=["REQUIRETLS"])
    sink.rules.append(Rule("STARTTLS", "220 go", cut=True))
    mta = strict(sink.nexthop)
    send(mta)
    logged(mta, r"secure\?/requiretls\?", "4.7.5", "deferred", "Cannot start TLS: handshake failure")


def test_another_host_may_do_it(strict, make_tls_sink):
    plain, good = make_tls_sink(), make_tls_sink(inside_tls=["REQUIRETLS"])
    mta = strict(f"{plain.nexthop}, {good.nexthop}")
    send(mta)
    assert mail_commands(good.wait_for(1)[0])[0].endswith(" REQUIRETLS")
    logged(mta, "secure/requiretls", "2.0.0", "sent")
    assert not plain.messages


@pytest.mark.parametrize("order", [1, -1])
def test_a_host_that_is_down_may_be_the_one(strict, make_tls_sink, order):
    hosts = [make_tls_sink().nexthop, "[127.0.0.1]:9"][::order]
    mta = strict(", ".join(hosts))
    send(mta)
    logged(mta, r"secure\?/requiretls\?", "4.4.1", "deferred")


def test_a_kept_connection_has_to_fit(strict, make_tls_sink):
    """The server stops to offer it; the connection that was made before that still has it, a later one has not."""
    sink = make_tls_sink()
    mta = strict(sink.nexthop, smtp_connection_cache_destinations="127.0.0.1", smtp_connection_cache_time_limit="30s")
    send(mta, options="")
    sink.wait_for(1)
    mta.wait_log("status=sent")
    send(mta, sender="")  # so that nothing is returned
    logged(mta, "secure/!requiretls:none", "5.7.30", "bounced")
    assert len(sink.messages) == 1


# ---- where less is demanded ----

def test_opportunistic(server, make_tls_sink):
    """The policy as it is without a setting: this next hop is an address."""
    sink = make_tls_sink(inside_tls=["REQUIRETLS"])
    mta = server(relayhost=sink.nexthop)
    send(mta)
    assert mail_commands(sink.wait_for(1)[0])[0].endswith(" REQUIRETLS")
    logged(mta, "may/requiretls:nocertmatch", "2.0.0", "sent")


def test_opportunistic_in_the_clear(server, make_sink):
    sink = make_sink(extensions=["REQUIRETLS", "PIPELINING"])
    mta = server(relayhost=sink.nexthop)
    send(mta)
    assert not mail_commands(sink.wait_for(1)[0])[0].endswith(" REQUIRETLS")
    logged(mta, "may:none/requiretls:none", "2.0.0", "sent")


def test_starttls_is_demanded(server, make_sink, make_tls_sink):
    clear, good = make_sink(), make_tls_sink()
    mta = server(relayhost=f"{clear.nexthop}, {good.nexthop}", smtp_requiretls_policy="opportunistic+starttls")
    send(mta)
    good.wait_for(1)
    logged(mta, "may/requiretls:none", "2.0.0", "sent")
    assert not clear.messages


def test_starttls_is_demanded_of_the_only_one(server, make_sink):
    mta = server(relayhost=make_sink().nexthop, smtp_requiretls_policy="opportunistic+starttls")
    send(mta)
    logged(mta, "may/!requiretls:nostarttls", "5.7.10", "bounced")


@pytest.mark.parametrize("settings", [{"smtp_requiretls_policy": "disable"}, {"requiretls_enable": "no"}])
def test_disabled(server, make_tls_sink, settings):
    sink = make_tls_sink(inside_tls=["REQUIRETLS"])
    mta = server(relayhost=sink.nexthop, **settings)
    send(mta, options="" if "requiretls_enable" in settings else " REQUIRETLS")
    assert not mail_commands(sink.wait_for(1)[0])[0].endswith(" REQUIRETLS")
    logged(mta, "may", "2.0.0", "sent")


def test_over_lmtp(server, make_sink):
    sink = make_sink(lmtp=True)
    mta = server(relayhost=sink.nexthop, default_transport="lmtp")
    send(mta)
    sink.wait_for(1)
    mta.wait_log("status=sent")


def test_a_policy_that_makes_no_sense(server, make_tls_sink):
    sink = make_tls_sink()
    mta = server(relayhost=sink.nexthop, smtp_requiretls_policy="static:always")
    send(mta)
    mta.wait_log(r'warning: REQUIRETLS policy lookup for .*: smtp_requiretls_policy: "always" in a table is none of enforce, ')
    logged(mta, r"may\?/requiretls\?", "4.7.5", "deferred", "client TLS configuration problem")
    assert not sink.sessions


# ---- TLS-Required: no ----

def test_tls_does_not_matter(server, make_sink):
    sink = make_sink()
    mta = server(relayhost=sink.nexthop, smtp_tls_security_level="secure")
    send(mta, "TLS-Required: no\r\n" + MESSAGE, options="")
    assert b"TLS-Required: no" in sink.wait_for(1)[0].data
    logged(mta, "may:none", "2.0.0", "sent")
    send(mta, options="")
    logged(mta, r"secure\?", "4.7.4", "deferred")


def test_tls_is_used_all_the_same(server, make_tls_sink, directory):
    sink = make_tls_sink()
    table = directory / "policy"
    table.write_text(f"{sink.nexthop} fingerprint\n")
    mta = server(relayhost=sink.nexthop, smtp_tls_policy_maps=f"texthash:{table}")
    send(mta, "TLS-Required: no\r\n" + MESSAGE, options="")
    assert sink.wait_for(1)[0].encrypted
    logged(mta, "may", "2.0.0", "sent")


def test_no_tls_where_there_is_none(server, make_tls_sink):
    sink = make_tls_sink()
    mta = server(relayhost=sink.nexthop, smtp_tls_security_level="none")
    send(mta, "TLS-Required: no\r\n" + MESSAGE, options="")
    assert not sink.wait_for(1)[0].encrypted


def test_requiretls_goes_first(strict, make_sink):
    mta = strict(make_sink().nexthop)
    send(mta, "TLS-Required: no\r\n" + MESSAGE)
    logged(mta, "secure/!requiretls:nostarttls", "5.7.10", "bounced")


def test_wrapper_mode_stays_encrypted(server, make_tls_sink):
    sink = make_tls_sink(wrapped=True)
    mta = server(relayhost=sink.nexthop, smtp_tls_security_level="verify", smtp_tls_wrappermode="yes")
    send(mta, "TLS-Required: no\r\n" + MESSAGE, options="")
    assert sink.wait_for(1)[0].encrypted
    logged(mta, "encrypt", "2.0.0", "sent")


# ---- notifications ----

def returned(mta, sink, message, options):
    """The notification about a recipient that nobody takes, and its queue file's sendopts as MAIL FROM shows them."""
    send(mta, message, sender="a@back.example", recipients=["nobody@gone.example"], options=options)
    return sink.wait_for(1)[0]


@pytest.fixture
def bouncing(server, make_tls_sink, directory):
    """Mail for gone.example bounces; what goes back arrives at a server that has everything."""
    sink = make_tls_sink(inside_tls=["REQUIRETLS"])

    def make(**settings):
        transport = directory / "transport"
        transport.write_text("gone.example error:5.1.1 nobody here\n")
        return server(relayhost=sink.nexthop, transport_maps=f"texthash:{transport}",
                      smtpd_reject_unlisted_recipient="no", **settings), sink

    return make


def test_redacted(bouncing):
    notice = returned(*bouncing(), MESSAGE, " REQUIRETLS")
    assert not mail_commands(notice)[0].endswith(" REQUIRETLS")
    assert b"Subject: Undelivered" in notice.data and b"secret body" not in notice.data
    assert b"Content-Type: text/rfc822-headers" in notice.data
    assert not notice.data.split(b"\r\n\r\n")[0].count(b"TLS-Required")


def test_whole_under_the_same_demand(bouncing):
    notice = returned(*bouncing(requiretls_redact_dsn="no"), MESSAGE, " REQUIRETLS")
    assert mail_commands(notice)[0].endswith(" REQUIRETLS") and b"secret body" in notice.data


def test_the_wish_comes_back(bouncing):
    notice = returned(*bouncing(), "TLS-Required: no\r\n" + MESSAGE, "")
    assert b"\r\nTLS-Required: no\r\n" in notice.data.split(b"\r\n\r\n")[0] and b"secret body" in notice.data
