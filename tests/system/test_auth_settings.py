"""What main.cf makes of logins: smtpd_sasl_* and the restrictions that look at who has logged in."""
import re

import pytest

from harness.instance import MTA
from harness.login_server import LoginServer, b64, plain
from harness.waiting import wait_until

GOOD = plain("joe", "secret")
postern = pytest.mark.skipif(MTA == "postfix", reason="ours alone")
GREETING = ("VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nMECH\tCRAM-MD5\tdictionary\tactive\n"
            "MECH\tSCRAM-SHA-256\tmutual-auth\nMECH\tANONYMOUS\tanonymous\nMECH\tHIDDEN\tprivate\nMECH\tEXTERNAL\n"
            "MECH\tGSSAPI\tmutual-auth\tforward-secrecy\nSPID\t1\nCUID\t1\nCOOKIE\tabc\nDONE\n")
BASE = {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "mydestination": "local.example",
        "local_recipient_maps": "", "mynetworks": "127.0.0.2", "smtpd_peername_lookup": "no",
        "defer_transports": "smtp local", "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination",
        "local_header_rewrite_clients": "", "smtpd_soft_error_limit": "100", "smtpd_hard_error_limit": "100"}


@pytest.fixture(scope="module")
def login_server(socket_directory):
    server = LoginServer(socket_directory / "auth", greeting=GREETING)
    yield server
    server.close()


@pytest.fixture
def start(make_instance, login_server):
    def start(path=None, **settings):
        mta = make_instance(BASE | {"smtpd_sasl_path": path or login_server.path} | settings)
        mta.start()
        return mta
    return start


def offer(client):
    return [line for line in client.ehlo("here").lines if line.startswith("AUTH")]


# ---- what is offered ----

ALL = "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 GSSAPI"


@pytest.mark.peer
@pytest.mark.parametrize("settings, offered", [
    ({}, [ALL]),
    ({"broken_sasl_auth_clients": "yes"}, [ALL, ALL.replace(" ", "=", 1)]),
    ({"smtpd_sasl_security_options": ""}, ["AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 ANONYMOUS GSSAPI"]),
    ({"smtpd_sasl_security_options": "noplaintext, noanonymous"}, ["AUTH CRAM-MD5 SCRAM-SHA-256 GSSAPI"]),
    ({"smtpd_sasl_security_options": "noactive noanonymous"}, ["AUTH PLAIN LOGIN SCRAM-SHA-256 GSSAPI"]),
    ({"smtpd_sasl_security_options": "nodictionary noanonymous"}, ["AUTH PLAIN LOGIN SCRAM-SHA-256 GSSAPI"]),
    ({"smtpd_sasl_security_options": "mutual_auth"}, ["AUTH SCRAM-SHA-256 GSSAPI"]),
    ({"smtpd_sasl_security_options": "forward_secrecy"}, ["AUTH GSSAPI"]),
    ({"smtpd_sasl_mechanism_filter": "plain, LOGIN"}, ["AUTH PLAIN LOGIN"]),
    ({"smtpd_sasl_mechanism_filter": "!gssapi, !external, static:rest"}, ["AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256"]),
    ({"smtpd_sasl_mechanism_filter": "static:rest"}, ["AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 EXTERNAL GSSAPI"]),
    ({"smtpd_sasl_exceptions_networks": "127.0.0.0/8"}, []),
    ({"smtpd_sasl_exceptions_networks": "!127.0.0.1, 127.0.0.0/8"}, [ALL]),
    ({"smtpd_discard_ehlo_keywords": "auth, silent-discard"}, []),
    ({"smtpd_sasl_auth_enable": "no"}, []),
    ({"smtpd_tls_auth_only": "yes"}, []),
])
def test_offer(start, settings, offered):
    mta = start(**settings)
    with mta.smtp() as client:
        assert offer(client) == offered
        if offered or "smtpd_sasl_exceptions_networks" in settings:
            expected = 235 if not offered or "PLAIN " in offered[0] else 535
        else:
            expected = 503
        reply = client.command(f"AUTH PLAIN {GOOD}")
        assert reply.code == expected
        if expected == 503:
            assert str(reply) == "503 5.5.1 Error: authentication not enabled"
        if expected == 535:
            assert str(reply) == "535 5.7.8 Error: authentication failed: Invalid authentication mechanism"


@pytest.mark.peer
def test_hidden_mechanisms_are_refused(start, login_server):
    mta = start()
    before = len(login_server.lines)
    with mta.smtp() as client:
        client.ehlo()
        for mechanism in ("HIDDEN", "ANONYMOUS"):
            client.command(f"AUTH {mechanism} YQ==", 535)
        if MTA == "postern":  # in Postfix the filter is for the announcement alone
            client.command("AUTH EXTERNAL YQ==", 535)
    assert not [words for words in login_server.lines[before:] if words[0] == "AUTH"]


@postern
def test_who_is_anonymous_is_nobody(start, login_server):
    mta = start(smtpd_sasl_security_options="")
    login_server.answers[""] = "OK\t{id}\tuser=anonymous\tanonymous"
    try:
        with mta.smtp() as client:
            client.ehlo()
            client.command("AUTH ANONYMOUS YQ==", 235)
            client.command("MAIL FROM:<a@b.example>", 250)
            client.command("RCPT TO:<u@far.example>", 554)
    finally:
        del login_server.answers[""]


@pytest.mark.peer
def test_helo_required(start):
    with start(smtpd_helo_required="yes").smtp() as client:
        assert str(client.command(f"AUTH PLAIN {GOOD}")) == "503 5.5.1 Error: send HELO/EHLO first"
        client.command("HELO here", 250)
        client.command(f"AUTH PLAIN {GOOD}", 235)


@pytest.mark.peer
def test_service_name(start, login_server):
    with start(smtpd_sasl_service="submission").smtp() as client:
        client.command(f"AUTH PLAIN {GOOD}", 235)
    assert "service=submission" in login_server.lines[-1]


@pytest.mark.peer
def test_too_many_errors(start):
    mta = start(smtpd_hard_error_limit="3", smtpd_error_sleep_time="0")
    with mta.smtp() as client:
        client.ehlo()
        for _ in range(3):
            client.command(f"AUTH PLAIN {plain('joe', 'x')}", 535)
        client.expect(421)
        assert client.at_end()
    mta.wait_log(r"too many errors after AUTH from unknown\[127\.0\.0\.1\]$")
    mta.wait_log(r"disconnect from unknown\[127\.0\.0\.1\] ehlo=1 auth=0/3 commands=1/4$")


@pytest.mark.peer
def test_authenticated_header(start):
    mta = start(smtpd_sasl_authenticated_header="yes")
    with mta.smtp() as client:
        client.ehlo("here")
        client.command(f"AUTH PLAIN {GOOD}", 235)
        client.envelope("a@b.example", ["u@far.example"])
        queue_id = client.data("Subject: x\r\n\r\nx\r\n").text.split()[-1]
    wait_until(lambda: any(path.name == queue_id for path in mta.queue_files("deferred")))
    text = mta.run("postcat", "-q", queue_id).stdout
    assert re.search(r"^Received: from here \(unknown \[127\.0\.0\.1\]\)\n\t\(Authenticated sender: joe\)\n"
                     rf"\tby mail\.test\.example \({mta.mail_name}\) with ESMTPA id {queue_id}\n", text, re.M)


# ---- the login server comes and goes ----

@pytest.mark.peer
def test_network_socket(start):
    server = LoginServer()
    with start(server.path).smtp() as client:
        client.command(f"AUTH PLAIN {GOOD}", 235)
    server.close()


@pytest.mark.peer
def test_relative_path(start, login_server):
    mta = start("private/auth")
    server = LoginServer(mta.spool / "private/auth")
    with mta.smtp() as client:
        client.command(f"AUTH PLAIN {GOOD}", 235)
    server.close()


@postern
def test_server_that_is_restarted(start, socket_directory):
    path = socket_directory / "restarted"
    mta = start(path)
    with mta.smtp() as client:  # not there yet
        assert offer(client) == []
        reply = client.command(f"AUTH PLAIN {GOOD}")
        assert str(reply) == "454 4.7.0 Temporary authentication failure: Connection lost to authentication server"
        client.command("MAIL FROM:<a@b.example>", 250)
        assert client.command("RCPT TO:<u@far.example>").code == 454
        client.command("RCPT TO:<u@local.example>", 250)
        server = LoginServer(path)
        client.command("RSET", 250)
        wait_until(lambda: client.command(f"AUTH PLAIN {GOOD}").code == 235)
        client.command("MAIL FROM:<a@b.example>", 250)
        client.command("RCPT TO:<u@far.example>", 250)
    mta.wait_log(r"warning: SASL: cannot connect to the login server .*/restarted: ")
    with mta.smtp() as client, mta.smtp() as other:
        assert offer(client) == ["AUTH PLAIN LOGIN"]
        other.command("AUTH LOGIN", 334)
        server.close()
        server = LoginServer(path)
        client.command(f"AUTH PLAIN {GOOD}", 235)
        other.command(b64("joe"), 454)  # begun with the old one
        other.command(f"AUTH PLAIN {GOOD}", 235)
    server.close()


@postern
def test_sessions_share_a_connection(start, socket_directory):
    server = LoginServer(socket_directory / "shared")
    mta = start(server.path, default_process_limit="50")
    clients = [mta.smtp() for _ in range(20)]
    for client in clients:
        client.command("AUTH LOGIN", 334)
    for client in reversed(clients):
        client.command(b64("joe"), 334)
    for i, client in enumerate(clients):
        client.command(b64("secret" if i % 2 else "wrong"), 235 if i % 2 else 535)
    assert server.connections <= len(mta.processes("smtpd"))
    client = mta.smtp()
    client.command("AUTH LOGIN", 334)
    number = server.lines[-1][1]
    client.command("*", 501)
    wait_until(lambda: ["CANCEL", number] in server.lines)
    for client in clients:
        client.close()
    server.close()


# ---- restrictions ----

LOGINS = "inline:{{a@b.example=JOE, bob}, {ann@b.example=ann}, {@d.example=joe}, {bare=joe}, {p+q@b.example=joe}}"
SENDERS = ["a@b.example", "ann@b.example", "x@d.example", "nobody@b.example", "", "bare@mail.test.example", "a+x@b.example",
           "A@B.example", "p+q@b.example"]
NOT_LOGGED_IN, NOT_OWNED = "not logged in", "not owned by user joe"
UNAUTHENTICATED = [NOT_LOGGED_IN, NOT_LOGGED_IN, NOT_LOGGED_IN, None, None, NOT_LOGGED_IN, NOT_LOGGED_IN, NOT_LOGGED_IN,
                   NOT_LOGGED_IN]
AUTHENTICATED = [None, NOT_OWNED, None, NOT_OWNED, None, None, None, None, None]
KNOWN = [None, NOT_OWNED, None, None, None, None, None, None, None]
NOTHING = [None] * len(SENDERS)


@pytest.mark.peer
@pytest.mark.parametrize("restriction, without, within", [
    ("reject_sender_login_mismatch", UNAUTHENTICATED, AUTHENTICATED),
    ("reject_known_sender_login_mismatch", UNAUTHENTICATED, KNOWN),
    ("reject_authenticated_sender_login_mismatch", NOTHING, AUTHENTICATED),
    ("reject_unauthenticated_sender_login_mismatch", UNAUTHENTICATED, NOTHING),
])
def test_sender_logins(start, restriction, without, within):
    mta = start(smtpd_sender_login_maps=LOGINS, smtpd_sender_restrictions=restriction, recipient_delimiter="+",
                mydestination="local.example mail.test.example")
    for answers in (without, within):
        with mta.smtp() as client:
            client.ehlo("here")
            if answers is within:
                client.command(f"AUTH PLAIN {GOOD}", 235)
            for sender, expected in zip(SENDERS, answers):
                client.command(f"MAIL FROM:<{sender}>", 250)
                reply = str(client.command("RCPT TO:<u@local.example>"))
                assert reply == ("250 2.1.5 Ok" if expected is None else
                                 f"553 5.7.1 <{sender}>: Sender address rejected: {expected}"), (sender, answers)
                client.command("RSET", 250)


@pytest.mark.peer
def test_sender_logins_that_cannot_be_read(start):
    mta = start(smtpd_sender_login_maps="fail:x", smtpd_sender_restrictions="reject_sender_login_mismatch")
    with mta.smtp() as client:
        client.ehlo()
        client.command(f"AUTH PLAIN {GOOD}", 235)
        client.command("MAIL FROM:<a@b.example>", 250)
        assert str(client.command("RCPT TO:<u@far.example>")) == "451 4.3.0 <a@b.example>: Temporary lookup failure"


@pytest.mark.peer
@pytest.mark.parametrize("action, reply", [
    ("REJECT", "554 5.7.1 <joe>: SASL login name rejected: Access denied"),
    ("450 4.2.0 come back", "450 4.2.0 <joe>: SASL login name rejected: come back"),
    ("OK", "250 2.1.5 Ok"), ("DUNNO", "250 2.1.5 Ok"),
])
def test_check_sasl_access(start, action, reply):
    mta = start(smtpd_sender_restrictions="check_sasl_access inline:{{joe=" + action + "}}, reject_non_fqdn_sender")
    with mta.smtp() as client:
        client.ehlo("here")
        client.command("MAIL FROM:<a@b.example>", 250)
        client.command("RCPT TO:<u@local.example>", 250)  # nobody has logged in
        client.command("RSET", 250)
        client.command(f"AUTH PLAIN {GOOD}", 235)
        client.command("MAIL FROM:<a@b.example> AUTH=z@b.example", 250)
        assert str(client.command("RCPT TO:<u@local.example>")) == reply
    if reply.startswith("2"):
        return
    # Postfix says who has logged in since 3.10.
    who = " sasl_method=PLAIN sasl_username=joe sasl_sender=z@b.example" if MTA == "postern" else ""
    mta.wait_log(rf"NOQUEUE: reject: RCPT from unknown\[127\.0\.0\.1\]: {re.escape(reply)}; from=<a@b\.example> "
                 rf"to=<u@local\.example> proto=ESMTP helo=<here>{who}$")


@pytest.mark.peer
def test_only_for_those_who_log_in(start):
    mta = start(smtpd_client_restrictions="permit_sasl_authenticated, reject")
    with mta.smtp() as client:
        client.ehlo("here")
        client.command("MAIL FROM:<a@b.example>", 250)
        client.command("RCPT TO:<u@local.example>", 554)
        client.command("RSET", 250)
        client.command(f"AUTH PLAIN {GOOD}", 235)
        client.command("MAIL FROM:<a@b.example>", 250)
        client.command("RCPT TO:<u@far.example>", 250)


@postern
def test_restriction_without_logins(start):
    mta = start(smtpd_sasl_auth_enable="no", smtpd_sender_login_maps=LOGINS,
                smtpd_sender_restrictions="reject_sender_login_mismatch")
    with mta.smtp() as client:
        client.envelope("a@b.example", ["u@local.example"])
    mta.wait_log("warning: restriction reject_sender_login_mismatch is ignored: smtpd_sasl_auth_enable = no")
