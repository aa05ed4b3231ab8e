"""XCLIENT and XFORWARD: clients that speak for others, if they may."""
import re

import pytest

from harness.instance import MTA
from harness.login_server import plain
from harness.waiting import wait_until

pytestmark = pytest.mark.peer
GOOD = plain("joe", "secret")
SETTINGS = {"smtpd_authorized_xclient_hosts": "127.0.0.1", "smtpd_authorized_xforward_hosts": "127.0.0.1",
            "mydestination": "local.example", "local_recipient_maps": "", "mynetworks": "127.0.0.2",
            "smtpd_peername_lookup": "no", "defer_transports": "smtp local", "local_header_rewrite_clients": "",
            "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
            "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "inet_protocols": "all",
            "smtpd_soft_error_limit": "1000", "smtpd_hard_error_limit": "1000"}
XCLIENT = "XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT"
XFORWARD = "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT"


@pytest.fixture(scope="module")
def mta(module_instance, login_server):
    instance = module_instance(SETTINGS | {"smtpd_sasl_path": login_server.path})
    instance.start()
    return instance


@pytest.fixture
def client(mta):
    mta.mark_log()
    with mta.smtp() as client:
        client.ehlo("here")
        yield client


def message(mta, client, recipient="u@local.example"):
    client.command("MAIL FROM:<a@b.example>", 250)
    client.command(f"RCPT TO:<{recipient}>", 250)
    queue_id = client.data("Subject: x\r\n\r\nx\r\n").text.split()[-1]
    wait_until(lambda: any(path.name == queue_id for path in mta.queue_files("deferred")))
    return queue_id, mta.run("postcat", "-q", queue_id).stdout


def attributes(text):
    return dict(re.findall(r"^named_attribute: (\w+)=(.*)$", text, re.M))


# ---- XCLIENT ----

def test_announced(mta):
    with mta.smtp() as client:
        lines = client.ehlo().lines
        assert XCLIENT in lines and XFORWARD in lines
        assert lines.index("AUTH PLAIN LOGIN") < lines.index(XCLIENT) < lines.index(XFORWARD) < \
            lines.index("ENHANCEDSTATUSCODES")


@pytest.mark.parametrize("command, reply", [
    ("XCLIENT", "501 5.5.4 Syntax: XCLIENT attribute=value..."),
    ("XCLIENT FOO=x", "501 5.5.4 Bad XCLIENT attribute name: FOO"),
    ("XCLIENT NAME", "501 5.5.4 Error: attribute=value expected"),
    ("XCLIENT NAME=", "501 5.5.4 Error: attribute=value expected"),
    ("XCLIENT NAME=a+4", "501 5.5.4 Bad NAME syntax: a+4"),
    ("XCLIENT NAME=bad_$$", "501 5.5.4 Bad NAME syntax: bad_$$"),
    ("XCLIENT NAME=a=b", "501 5.5.4 Bad NAME syntax: a=b"),
    ("XCLIENT NAME=a+0Ab", "501 5.5.4 Bad NAME syntax: a?b"),
    ("XCLIENT ADDR=1.2.3", "501 5.5.4 Bad ADDR syntax: 1.2.3"),
    ("XCLIENT ADDR=::1", "501 5.5.4 Bad ADDR syntax: ::1"),
    ("XCLIENT ADDR=192.0.2.1 PORT=x", "501 5.5.4 Bad PORT syntax: x"),
    ("XCLIENT PROTO=foo", "501 5.5.4 Bad PROTO syntax: foo"),
    ("XCLIENT REVERSE_NAME=..", "501 5.5.4 Bad REVERSE_NAME syntax: .."),
    ("XCLIENT DESTADDR=x", "501 5.5.4 Bad DESTADDR syntax: x"),
    ("XCLIENT DESTPORT=-1", "501 5.5.4 Bad DESTPORT syntax: -1"),
    ("XCLIENT HELO=" + "x" * 300, "501 5.5.4 Error: attribute value too long"),
    ("XFORWARD", "501 5.5.4 Syntax: XFORWARD attribute=value..."),
    ("XFORWARD FOO=x", "501 5.5.4 Bad XFORWARD attribute name: FOO"),
    ("XFORWARD NAME", "501 5.5.4 Error: attribute=value expected"),
    ("XFORWARD NAME=bad_+20x", "501 5.5.4 Bad NAME syntax: bad_?x"),
    ("XFORWARD ADDR=1.2.3", "501 5.5.4 Bad ADDR syntax: 1.2.3"),
    ("XFORWARD PORT=x", "501 5.5.4 Bad PORT syntax: x"),
    ("XFORWARD SOURCE=foo", "501 5.5.4 Bad SOURCE syntax: foo"),
    ("XFORWARD PROTO=" + "x" * 70, "501 5.5.4 Bad PROTO syntax: " + "x" * 70),
    ("XFORWARD IDENT=" + "x" * 300, "501 5.5.4 Error: attribute value too long"),
])
def test_bad_syntax(client, command, reply):
    if "+20" in command and MTA == "postern":
        reply = reply.replace("?", " ")  # a blank is shown as it is
    assert str(client.command(command)) == reply
    client.command("NOOP", 250)


def test_other_client(mta, client):
    assert client.command("XCLIENT NAME=spike.example ADDR=192.0.2.9 PORT=1234", 220).text.startswith("mail.test.example")
    lines = client.ehlo("there").lines
    assert XCLIENT not in lines and XFORWARD in lines or MTA == "postern"
    assert str(client.command("XCLIENT NAME=x")) == "550 5.7.0 Error: insufficient authorization"
    queue_id, text = message(mta, client)
    mta.log_since(queue_id + r": client=spike\.example\[192\.0\.2\.9\]$")
    found = attributes(text)
    assert (found["client_name"], found["reverse_client_name"], found["client_address"], found["client_port"],
            found["helo_name"], found["log_message_origin"]) == \
        ("spike.example", "spike.example", "192.0.2.9", "1234", "there", "spike.example[192.0.2.9]")
    assert "Received: from there (spike.example [192.0.2.9])\n" in text
    client.quit()
    mta.log_since(r"disconnect from spike\.example\[192\.0\.2\.9\] ehlo=2 ")


def test_no_privileges_are_left(mta, client):
    client.command("XCLIENT ADDR=127.0.0.2", 220)
    client.command("MAIL FROM:<a@b.example>", 250)
    client.command("RCPT TO:<u@far.example>", 250)  # mynetworks
    client.close()
    with mta.smtp() as other:
        other.ehlo()
        other.command(f"AUTH PLAIN {GOOD}", 235)
        other.command("XCLIENT HELO=foo.example PROTO=ESMTP", 220)
        other.command("MAIL FROM:<a@b.example>", 250)
        other.command("RCPT TO:<u@far.example>", 554)  # the login is forgotten
    mta.log_since(r"reject: RCPT from unknown\[127\.0\.0\.1\]: 554 .* proto=ESMTP helo=<foo\.example>$")


def test_login(mta, client):
    client.command("XCLIENT LOGIN=bob+40example", 220)
    assert str(client.command(f"AUTH PLAIN {GOOD}")) == "503 5.5.1 Error: already authenticated"
    queue_id, text = message(mta, client, "u@far.example")
    mta.log_since(queue_id + r": client=unknown\[127\.0\.0\.1\], sasl_method=XCLIENT, sasl_username=bob@example$")
    client.command("XCLIENT LOGIN=[UNAVAILABLE]", 220)
    client.command("MAIL FROM:<a@b.example>", 250)
    client.command("RCPT TO:<u@far.example>", 554)


@pytest.mark.parametrize("values, name, address", [
    ("NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE]", "unknown", "unknown"),
    ("NAME=[tempunavail] ADDR=IPV6:2001:db8::1 PORT=[unavailable] HELO=[UNAVAILABLE]", "unknown", "2001:db8::1"),
    ("NAME=spike.example", "spike.example", "127.0.0.1"),
])
def test_not_to_be_had(mta, client, values, name, address):
    client.command(f"XCLIENT {values}", 220)
    queue_id, text = message(mta, client)
    mta.log_since(queue_id + ": client=" + re.escape(f"{name}[{address}]") + "$")


def test_in_a_transaction(client):
    client.command("MAIL FROM:<a@b.example>", 250)
    for verb in ("XCLIENT", "XFORWARD"):
        assert str(client.command(f"{verb} NAME=x.example")) == "503 5.5.1 Error: MAIL transaction in progress"
    client.command("RCPT TO:<u@local.example>", 250)


def test_not_authorized(make_instance):
    mta = make_instance(SETTINGS | {"smtpd_authorized_xclient_hosts": "192.0.2.1", "smtpd_sasl_auth_enable": "no",
                                    "smtpd_authorized_xforward_hosts": ""})
    mta.start()
    with mta.smtp() as client:
        assert not [line for line in client.ehlo().lines if line.startswith("X")]
        for verb in ("XCLIENT", "XFORWARD"):
            assert str(client.command(f"{verb} NAME=x.example")) == "550 5.7.0 Error: insufficient authorization"
            client.command(verb, 501)


def test_client_that_is_refused(make_instance):
    mta = make_instance(SETTINGS | {"smtpd_delay_reject": "no", "smtpd_sasl_auth_enable": "no",
                                    "smtpd_client_restrictions": "check_client_access inline:{192.0.2.9=REJECT}"})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        assert str(client.command("XCLIENT ADDR=192.0.2.9")) == \
            "554 5.7.1 <unknown[192.0.2.9]>: Client host rejected: Access denied"
        assert str(client.command("EHLO y")) == "503 5.7.0 Error: access denied for unknown[192.0.2.9]"
    mta.wait_log(r"NOQUEUE: reject: XCLIENT from unknown\[192\.0\.2\.9\]: 554 5\.7\.1 .*; proto=SMTP$")


# ---- XFORWARD ----

def test_forwarded(mta, client):
    client.command("XFORWARD NAME=spike.example ADDR=192.0.2.9 PORT=99 PROTO=SMTP HELO=h+2Bh IDENT=ABCDEF", 250)
    queue_id, text = message(mta, client)
    mta.log_since(queue_id + r": client=unknown\[127\.0\.0\.1\], orig_queue_id=ABCDEF, "
                  r"orig_client=spike\.example\[192\.0\.2\.9\]$")
    found = attributes(text)
    assert {name: found[name] for name in ("log_ident", "log_client_name", "log_client_address", "log_client_port",
                                           "log_message_origin", "log_helo_name", "log_protocol_name", "client_name",
                                           "client_address", "helo_name", "protocol_name")} == {
        "log_ident": "ABCDEF", "log_client_name": "spike.example", "log_client_address": "192.0.2.9",
        "log_client_port": "99", "log_message_origin": "spike.example[192.0.2.9]", "log_helo_name": "h+h",
        "log_protocol_name": "SMTP", "client_name": "unknown", "client_address": "127.0.0.1", "helo_name": "here",
        "protocol_name": "ESMTP"}
    assert "Received: from here (unknown [127.0.0.1])\n" in text
    queue_id, text = message(mta, client)  # for one message only
    mta.log_since(queue_id + r": client=unknown\[127\.0\.0\.1\]$")
    assert attributes(text)["log_client_name"] == "unknown"


def test_forwarded_in_pieces(mta, client):
    for part in ("NAME=spike.example", "ADDR=192.0.2.9", "SOURCE=LOCAL"):
        client.command(f"XFORWARD {part}", 250)
    client.command("XFORWARD NAME=spike.example HELO=", 501)
    queue_id, text = message(mta, client)
    mta.log_since(queue_id + r": client=unknown\[127\.0\.0\.1\], orig_client=spike\.example\[192\.0\.2\.9\]$")
    assert attributes(text)["rewrite_context"] == "local"
    client.command("XFORWARD IDENT=ABC", 250)
    client.command("MAIL FROM:<a@b.example>", 250)
    client.command("RCPT TO:<u@local.example>", 250)
    mta.log_since(r": client=unknown\[127\.0\.0\.1\], orig_queue_id=ABC$")
    client.command("RSET", 250)
    queue_id, _ = message(mta, client)
    mta.log_since(queue_id + r": client=unknown\[127\.0\.0\.1\]$")
