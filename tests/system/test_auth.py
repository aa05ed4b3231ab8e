"""AUTH (RFC 4954): what is said, logged, and written into messages. The login server is a scripted one of Dovecot's
protocol, so that Postfix does the same."""
import re

import pytest

from harness.instance import MTA
from harness.login_server import b64, plain
from harness.waiting import wait_until

pytestmark = pytest.mark.peer

GOOD, BAD = plain("joe", "secret"), plain("joe", "wrong")
# What fail2ban's postfix-sasl jail looks for.
FAIL2BAN = r"warning: [-._\w]+\[127\.0\.0\.1\]: SASL (?:(?i:LOGIN|PLAIN|(?:CRAM|DIGEST)-MD5)) authentication failed:"


SETTINGS = {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "mydestination": "local.example",
            "local_recipient_maps": "", "mynetworks": "127.0.0.2", "smtpd_peername_lookup": "no",
            "defer_transports": "smtp local", "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination",
            "local_header_rewrite_clients": "", "smtpd_soft_error_limit": "100", "smtpd_hard_error_limit": "100"}


@pytest.fixture(scope="module")
def mta(module_instance, login_server):
    instance = module_instance(SETTINGS | {"smtpd_sasl_path": login_server.path})
    instance.start()
    return instance


@pytest.fixture
def client(mta):
    mta.mark_log()
    with mta.smtp() as client:
        yield client


def ehlo(client):
    return client.ehlo("here")


# ---- the command ----

def test_offer(client):
    lines = ehlo(client).lines
    assert "AUTH PLAIN LOGIN" in lines and not any(line.startswith("AUTH=") for line in lines)
    assert lines.index("ETRN") < lines.index("AUTH PLAIN LOGIN") < lines.index("ENHANCEDSTATUSCODES")


@pytest.mark.parametrize("dialogue", [
    [(f"AUTH PLAIN {GOOD}", "235 2.7.0 Authentication successful")],
    [(f"auth plain {GOOD}", "235 2.7.0 Authentication successful")],
    [("AUTH PLAIN", "334 "), (GOOD, "235 2.7.0 Authentication successful")],
    [("AUTH LOGIN", "334 VXNlcm5hbWU6"), (b64("joe"), "334 UGFzc3dvcmQ6"),
     (b64("secret"), "235 2.7.0 Authentication successful")],
    [(f"AUTH LOGIN {b64('joe')}", "334 UGFzc3dvcmQ6"), (b64("secret"), "235 2.7.0 Authentication successful")],
    [(f"AUTH PLAIN {GOOD}", "235 2.7.0 Authentication successful"),
     (f"AUTH PLAIN {GOOD}", "503 5.5.1 Error: already authenticated"), ("EHLO again", "250 mail.test.example"),
     (f"AUTH PLAIN {GOOD}", "503 5.5.1 Error: already authenticated"), ("RSET", "250 2.0.0 Ok"),
     ("AUTH", "503 5.5.1 Error: already authenticated")],
    [(f"AUTH PLAIN {BAD}", "535 5.7.8 Error: authentication failed: (reason unavailable)"),
     (f"AUTH PLAIN {GOOD}", "235 2.7.0 Authentication successful")],
    [("AUTH", "501 5.5.4 Syntax: AUTH mechanism"), ("AUTH PLAIN x y", "501 5.5.4 Syntax: AUTH mechanism")],
    [("AUTH FOO", "535 5.7.8 Error: authentication failed: Invalid authentication mechanism"),
     ("AUTH @@", "535 5.7.8 Error: authentication failed: Invalid authentication mechanism"),
     (f"AUTH {'X' * 40}", "535 5.7.8 Error: authentication failed: Invalid authentication mechanism"),
     ("NOOP", "250 2.0.0 Ok")],
    [("AUTH LOGIN", "334 VXNlcm5hbWU6"), ("*", "501 5.7.0 Authentication aborted"), ("NOOP", "250 2.0.0 Ok")],
    [("AUTH PLAIN", "334 "), ("*", "501 5.7.0 Authentication aborted"), ("NOOP", "250 2.0.0 Ok"),
     ("AUTH PLAIN", "334 "), (GOOD, "235 2.7.0 Authentication successful")],
    [("MAIL FROM:<a@b.example>", "250 2.1.0 Ok"), (f"AUTH PLAIN {GOOD}", "503 5.5.1 Error: MAIL transaction in progress"),
     ("RSET", "250 2.0.0 Ok"), (f"AUTH PLAIN {GOOD}", "235 2.7.0 Authentication successful")],
    [("MAIL FROM:<a@b.example> AUTH=<>", "250 2.1.0 Ok")],
    [("MAIL FROM:<a@b.example> AUTH=who+40b.example", "250 2.1.0 Ok")],
    [("AUTH PLAIN =", "535 5.7.8 Error: authentication failed: (reason unavailable)")],
    [("AUTH PLAIN", "334 "), ("", "535 5.7.8 Error: authentication failed: (reason unavailable)")],
    [("AUTH LOGIN =", "334 UGFzc3dvcmQ6"), ("*", "501 5.7.0 Authentication aborted")],
], ids=lambda dialogue: dialogue[0][0][:16] + f"-{len(dialogue)}")
def test_dialogue(client, dialogue):
    ehlo(client)
    for line, answer in dialogue:
        reply = client.command(line)
        assert f"{reply.code} {reply.lines[0]}".rstrip() == answer.rstrip(), line


def test_before_greeting(client):
    client.command(f"AUTH PLAIN {GOOD}", 235)


@pytest.mark.skipif(MTA == "postfix", reason="asks the login server")
@pytest.mark.parametrize("data", ["A", "AB", "ABC", "ABCDE", "@@@@", "AB=C", "====", "=A==", "AB==CDEF", "AGpvZQBzZWNyZXQ",
                                  "AGpvZQBzZWNyZXQ==", "AGpvZQBzZWNyZXR=", "A\tB="])
def test_damaged_base64(mta, client, login_server, data):
    ehlo(client)
    before = len(login_server.lines)
    for line, what in ((f"AUTH PLAIN {data}", "initial"), ("AUTH PLAIN", "continued")):
        if "\t" in data and what == "initial":
            continue
        reply = client.command(line)
        if reply.code == 334:
            reply = client.command(data)
        assert str(reply) == f"535 5.7.8 Error: authentication failed: Invalid base64 data in {what} response"
    assert not [words for words in login_server.lines[before:] if data in words or "resp=" + data in words]
    client.command(f"AUTH PLAIN {GOOD}", 235)


def test_response_limit(mta, client):
    ehlo(client)
    client.command("AUTH PLAIN", 334)
    reply = client.command("A" * 12292)
    assert str(reply) == "500 5.5.6 SASL response limit exceeded"
    client.command("AUTH PLAIN", 334)
    client.send_raw(b"B" * 3000000 + b"\r\n")
    client.expect(500)
    client.command("NOOP", 250)
    client.command("AUTH PLAIN " + "A" * 3000, 535)
    client.command(f"AUTH PLAIN {GOOD}", 235)


def test_lost_in_the_middle(mta, client):
    ehlo(client)
    client.command("AUTH LOGIN", 334)
    client.close()
    mta.log_since(r"lost connection after AUTH from unknown\[127\.0\.0\.1\]")
    mta.log_since(r"disconnect from unknown\[127\.0\.0\.1\] ehlo=1 auth=0/1 commands=1/2$")


# ---- the log, the message ----

def test_failure_is_logged(mta, client):
    ehlo(client)
    client.command("AUTH FOO", 535)
    mta.log_since(r"SASL FOO authentication failed: Invalid authentication mechanism, sasl_username=\(unavailable\)$")
    client.command(f"AUTH PLAIN {BAD}", 535)
    line = mta.log_since(r"^.*SASL PLAIN authentication failed.*$")
    assert line.endswith("/smtpd[" + re.search(r"smtpd\[(\d+)\]", line).group(1) + "]: warning: unknown[127.0.0.1]: SASL "
                         "PLAIN authentication failed: (reason unavailable), sasl_username=joe")
    assert re.search(FAIL2BAN, line)
    client.command(f"AUTH LOGIN {b64('nobody')}", 334)
    client.command(b64("x"), 535)
    assert re.search(FAIL2BAN, mta.log_since(r"^.*SASL LOGIN .*sasl_username=nobody$"))
    client.command("AUTH login", 334)
    client.command("*", 501)
    mta.log_since(r"warning: unknown\[127.0.0.1\]: SASL login authentication aborted$")
    client.quit()
    mta.log_since(r"disconnect from unknown\[127\.0\.0\.1\] ehlo=1 auth=0/4 quit=1 commands=2/6$")


def test_password_is_not_logged(mta, client):
    ehlo(client)
    secret = plain("joe", "A password that nobody may read" + "x" * 2000)
    client.command(f"AUTH PLAIN {BAD}", 535)
    if MTA == "postern":
        client.command(f"AUTH PLAIN {secret}", 535)
        client.command("AUTH PLAIN", 334)
        client.command(secret * 5, 500)
        client.send_raw(f"AUTH PLAIN\r\n{secret[:80]}\r\n")
        client.expect(554)
        client.close()
    with mta.smtp() as other:
        other.send_raw(f"EHLO x\r\nAUTH PLAIN {secret[:60]}\r\n")
        other.read_reply()
    mta.log_since("disconnect from")
    assert BAD not in mta.log()
    if MTA == "postern":
        assert secret[:12] not in mta.log()


def sent_message(mta, client, *options, sender="a@b.example", recipient="u@far.example"):
    client.command(f"MAIL FROM:<{sender}>{''.join(options)}", 250)
    client.command(f"RCPT TO:<{recipient}>", 250)
    queue_id = client.data("Subject: x\r\n\r\nx\r\n").text.split()[-1]
    wait_until(lambda: any(path.name == queue_id for path in mta.queue_files("deferred")))
    return queue_id, mta.run("postcat", "-q", queue_id).stdout


def test_message(mta, client):
    ehlo(client)
    client.command(f"AUTH PLAIN {GOOD}", 235)
    queue_id, text = sent_message(mta, client, " AUTH=e+3Dmc2@example.com")
    mta.log_since(queue_id + r": client=unknown\[127\.0\.0\.1\], sasl_method=PLAIN, sasl_username=joe, "
                  r"sasl_sender=e\+3Dmc2@example\.com$")
    assert " with ESMTPA id " in text and "(Authenticated sender" not in text
    for attribute in ("sasl_method=PLAIN", "sasl_username=joe", "sasl_sender=e+3Dmc2@example.com"):
        assert f"named_attribute: {attribute}\n" in text
    queue_id, text = sent_message(mta, client, " AUTH=<>")
    mta.log_since(queue_id + r": client=unknown\[127\.0\.0\.1\], sasl_method=PLAIN, sasl_username=joe$")
    assert "sasl_sender" not in text
    queue_id, text = sent_message(mta, client, " SMTPUTF8")
    assert " with UTF8SMTPA id " in text
    client.quit()
    mta.log_since(r"disconnect from \S+ ehlo=1 auth=1 mail=3 rcpt=3 data=3 quit=1 commands=12$")


def test_without_login(mta, client):
    ehlo(client)
    client.command(f"AUTH PLAIN {BAD}", 535)
    # Postfix keeps what anybody says in AUTH=, against RFC 4954 section 5.
    options = [] if MTA == "postfix" else [" AUTH=who@b.example"]
    queue_id, text = sent_message(mta, client, *options, recipient="u@local.example")
    mta.log_since(queue_id + r": client=unknown\[127\.0\.0\.1\]$")
    assert " with ESMTP id " in text and "sasl" not in text
    client.command("MAIL FROM:<a@b.example>", 250)
    client.command("RCPT TO:<u@far.example>", 554)


def test_helo(mta, client):
    client.command("HELO here", 250)
    client.command(f"AUTH PLAIN {GOOD}", 235)
    assert " with SMTP id " in sent_message(mta, client)[1]


# ---- what is sent to the login server ----

def test_request(mta, client, login_server):
    ehlo(client)
    before = len(login_server.lines)
    client.command(f"AUTH PLAIN {GOOD}", 235)
    words = next(words for words in login_server.lines[before:] if words[0] == "AUTH")
    assert words[2:5] == ["PLAIN", "service=smtp", "nologin"] and words[-1] == f"resp={GOOD}"
    assert {"lip=127.0.0.1", "rip=127.0.0.1"} <= set(words) and "secured" not in words
    assert login_server.lines[0][:2] == ["VERSION", "1"] and login_server.lines[1][0] == "CPID"


@pytest.mark.parametrize("answer, reply", [
    ("FAIL\t{id}\tuser=joe\treason=Account is locked", "535 5.7.8 Error: authentication failed: Account is locked"),
    ("FAIL\t{id}", "535 5.7.8 Error: authentication failed: (reason unavailable)"),
    ("FAIL\t{id}\tuser=joe\tauthz", "535 5.7.8 Error: authentication failed: (reason unavailable)"),
    ("FAIL\t{id}\tuser=joe\tcode=user_disabled", "535 5.7.8 Error: authentication failed: (reason unavailable)"),
    ("OK\t{id}", "535 5.7.8 Error: authentication failed: Authentication backend error"),
    ("CONT\t{id}", "535 5.7.8 Error: authentication failed: Authentication backend error"),
    ("OK\t{id}\tfoo=bar\tuser=x y\tmore", "235 2.7.0 Authentication successful"),
    ("FAIL\t99999\nXYZ\t1\nMECH\tFOO\nOK\t{id}\tuser=joe", "235 2.7.0 Authentication successful"),
    (None, "454 4.7.0 Temporary authentication failure: Connection lost to authentication server"),
    ("OK", "454 4.7.0 Temporary authentication failure: Connection lost to authentication server"),
])
def test_answers(mta, client, login_server, answer, reply):
    ehlo(client)
    login_server.answers["joe"] = answer
    try:
        assert str(client.command(f"AUTH PLAIN {GOOD}")) == reply
    finally:
        del login_server.answers["joe"]
    client.command("NOOP", 250)
    if reply.startswith("4") or reply.startswith("5"):
        mta.log_since(r"SASL PLAIN authentication failed: " + re.escape(reply.split(": ")[-1]) + ", sasl_username=")
        client.command(f"AUTH PLAIN {GOOD}", 235)


@pytest.mark.skipif(MTA == "postfix", reason="Postfix answers otherwise")
@pytest.mark.parametrize("answer, reply", [
    ("FAIL\t{id}\tuser=joe\ttemp", "454 4.7.0 Temporary authentication failure: the login server cannot tell"),
    ("FAIL\t{id}\tuser=joe\ttemp\treason=no database", "454 4.7.0 Temporary authentication failure: no database"),
    ("FAIL\t{id}\tcode=temp_fail", "454 4.7.0 Temporary authentication failure: the login server cannot tell"),
    ("FAIL\t{id}\treason=a\001r\001nb\001tc", "535 5.7.8 Error: authentication failed: a??b?c"),
    ("OK\t{id}\tuser=", "535 5.7.8 Error: authentication failed: Authentication backend error"),
    ("OK\t{id}\tuser=a\001nb", "535 5.7.8 Error: authentication failed: Authentication backend error"),
    ("CONT\t{id}\tYWJj\001r\001n250 ok", "535 5.7.8 Error: authentication failed: Authentication backend error"),
    ("CONT\t{id}\t@@@@", "535 5.7.8 Error: authentication failed: Authentication backend error"),
    ("x" * 100000, "454 4.7.0 Temporary authentication failure: Connection lost to authentication server"),
    ("FAIL\t{id}" + "\tx" * 1000, "535 5.7.8 Error: authentication failed: (reason unavailable)"),
    (b"\0" * 100 + b"\n\n\n\tOK\nOK\t-1\tuser=joe\nOK\n", "454 4.7.0 Temporary authentication failure: Connection lost to "
     "authentication server"),
])
def test_hostile_answers(mta, client, login_server, answer, reply):
    test_answers(mta, client, login_server, answer, reply)
