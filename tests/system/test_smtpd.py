"""smtpd: what a client is answered, and what the log says of it. The texts are Postfix's."""
import re
import time

import pytest

from harness.smtp_sink import Rule
from harness.waiting import wait_until

pytestmark = pytest.mark.peer


@pytest.fixture
def sink(make_sink):
    return make_sink()


@pytest.fixture
def mta(make_instance, sink):
    mta = make_instance({"relayhost": sink.nexthop})
    mta.start()
    return mta


# (commands before, the command, the reply)
REPLIES = [
    ([], "HELO", "501 Syntax: HELO hostname"),
    ([], "EHLO", "501 Syntax: EHLO hostname"),
    ([], "NOOP", "250 2.0.0 Ok"),
    ([], "RSET", "250 2.0.0 Ok"),
    ([], "RSET x", "501 5.5.4 Syntax: RSET"),
    ([], "FOO", "500 5.5.2 Error: command not recognized"),
    ([], "VRFY u@d.example", "252 2.0.0 u@d.example"),
    ([], "ETRN", "500 Syntax: ETRN domain"),
    ([], "STARTTLS", "502 5.5.1 Error: command not implemented"),
    ([], "AUTH PLAIN", "503 5.5.1 Error: authentication not enabled"),
    ([], "XCLIENT NAME=x", "550 5.7.0 Error: insufficient authorization"),
    ([], "MAIL", "501 5.5.4 Syntax: MAIL FROM:<address>"),
    ([], "MAIL FROM", "501 5.5.4 Syntax: MAIL FROM:<address>"),
    ([], "MAIL FROM:<a b@c.example>", "501 5.1.7 Bad sender address syntax"),
    ([], "MAIL FROM:<a@b.example> SIZE=x", "501 5.5.4 Bad message size syntax"),
    ([], "MAIL FROM:<a@b.example> SIZE=99999999999", "552 5.3.4 Message size exceeds fixed limit"),
    ([], "MAIL FROM:<a@b.example> FOO=1", "555 5.5.4 Unsupported option: FOO=1"),
    ([], "MAIL FROM:<a@b.example> RET=x", "501 5.5.4 Bad RET parameter syntax"),
    ([], "MAIL FROM:<a@b.example> ENVID=a+", "501 5.5.4 Bad ENVID parameter syntax"),
    ([], "MAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=x", "250 2.1.0 Ok"),
    ([], "MAIL FROM:<a@b.example> BODY=FOO", "555 5.5.4 Unsupported option: BODY=FOO"),
    ([], "MAIL FROM:<>", "250 2.1.0 Ok"),
    ([], "mail from: a@b.example", "250 2.1.0 Ok"),
    (["MAIL FROM:<>"], "MAIL FROM:<>", "503 5.5.1 Error: nested MAIL command"),
    ([], "RCPT TO:<a@b.example>", "503 5.5.1 Error: need MAIL command"),
    (["MAIL FROM:<>"], "RCPT", "501 5.5.4 Syntax: RCPT TO:<address>"),
    (["MAIL FROM:<>"], "RCPT TO:<>", "501 5.1.3 Bad recipient address syntax"),
    (["MAIL FROM:<>"], "RCPT TO:<-x@y.example>", "501 5.1.3 Bad recipient address syntax"),
    (["MAIL FROM:<>"], "RCPT TO:<x@1.2.3.4>", "501 5.1.3 Bad recipient address syntax"),
    (["MAIL FROM:<>"], "RCPT TO:<x@y..example>", "501 5.1.3 Bad recipient address syntax"),
    (["MAIL FROM:<>"], "RCPT TO:<x\rRSET@y.example>", "501 5.1.3 Bad recipient address syntax"),
    (["MAIL FROM:<>"], "rcpt to: <x@y.example>", "250 2.1.5 Ok"),
    (["MAIL FROM:<>"], "RCPT TO:<\"a b\"@y.example>", "250 2.1.5 Ok"),
    (["MAIL FROM:<>"], "RCPT TO:<x@y.example> NOTIFY=NEVER,SUCCESS", "501 5.5.4 Error: Bad NOTIFY parameter syntax"),
    (["MAIL FROM:<>"], "RCPT TO:<x@y.example> ORCPT=x", "501 5.5.4 Error: Bad ORCPT parameter syntax"),
    (["MAIL FROM:<>"], "RCPT TO:<x@y.example> NOTIFY=DELAY,FAILURE ORCPT=rfc822;a+2Bb@c", "250 2.1.5 Ok"),
    (["MAIL FROM:<>"], "RCPT TO:<x@y.example> ORCPT=rfc822;", "250 2.1.5 Ok"),
    ([], "DATA", "503 5.5.1 Error: need RCPT command"),
    (["MAIL FROM:<>"], "DATA", "554 5.5.1 Error: no valid recipients"),
    (["MAIL FROM:<>", "RCPT TO:<a@b.example>"], "DATA x", "501 5.5.4 Syntax: DATA"),
    ([], "BDAT x", "521 5.5.4 Syntax: BDAT count [LAST]"),
    ([], "", "500 5.5.2 Error: bad syntax"),
    ([], b"\xff\xfe", "500 5.5.2 Error: bad UTF-8 syntax"),
    ([], "GET / HTTP/1.0", "221 2.7.0 Error: I can break rules, too. Goodbye."),
    ([], "QUIT", "221 2.0.0 Bye"),
]


@pytest.mark.parametrize("before, command, reply", REPLIES, ids=[str(r[1])[:40] for r in REPLIES])
def test_reply(shared_mta, before, command, reply):
    with shared_mta.smtp() as client:
        client.ehlo()
        for line in before:
            client.command(line, 250)
        assert str(client.command(command)) == reply


@pytest.fixture(scope="module")
def shared_mta(module_instance):
    mta = module_instance({"relayhost": "[127.0.0.1]:9"})
    mta.start()
    return mta


def test_greeting_and_extensions(mta):
    with mta.smtp() as client:
        assert client.greeting.text.endswith(" ESMTP " + mta.mail_name)
        lines = client.ehlo().lines
        assert lines[1:] == ["PIPELINING", "SIZE 10240000", "VRFY", "ETRN", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN",
                             "SMTPUTF8", "CHUNKING"]


def test_a_message_and_its_log(mta, sink):
    with mta.smtp() as client:
        client.ehlo("here.example")
        reply = client.transaction("a@x.example", ["b@y.example"], "Subject: hi\r\n\r\n..dots\r\n.\r\n")
        queue_id = reply.text.split()[-1]
        assert reply.text == f"2.0.0 Ok: queued as {queue_id}"
        client.quit()
    mta.wait_log(rf"smtpd\[\d+\]: {queue_id}: client=localhost\[127\.0\.0\.1\]$")
    mta.wait_log(rf"cleanup\[\d+\]: {queue_id}: message-id=<.*{queue_id}@")
    mta.wait_log(rf"qmgr\[\d+\]: {queue_id}: from=<a@x\.example>, size=\d+, nrcpt=1 \(queue active\)$")
    mta.wait_log(rf"smtp\[\d+\]: {queue_id}: to=<b@y\.example>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:{sink.port}, "
                 r"delay=[\d.]+, delays=[\d.]+/[\d.]+/[\d.]+/[\d.]+, dsn=2\.0\.0, status=sent \(250 ")
    mta.wait_log(rf"qmgr\[\d+\]: {queue_id}: removed$")
    mta.wait_log(r"disconnect from localhost\[127\.0\.0\.1\] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5$")
    message = sink.wait_for(1)[0]
    assert message.data.endswith(b"\r\n\r\n..dots\r\n.\r\n")
    assert re.match(rb"Received: from here\.example \(localhost \[127\.0\.0\.1\]\)\r\n\tby \S+ \(\w+\) with ESMTP id "
                    + queue_id.encode() + rb"\r\n\tfor <b@y\.example>; ", message.data)


def test_bdat(mta, sink):
    with mta.smtp() as client:
        client.ehlo()
        client.envelope("a@x.example", ["b@y.example"])
        client.send_raw(b"BDAT 14\r\nSubject: one\r\n")
        assert str(client.read_reply()) == "250 2.0.0 Ok: 14 bytes"
        assert str(client.command("DATA")) == "503 5.5.1 Error: DATA after BDAT"
        client.command("RSET", 250)
        client.envelope("a@x.example", ["b@y.example"])
        client.send_raw(b"BDAT 14\r\nSubject: two\r\nBDAT 11 LAST\r\n\r\n.\r\nbody\r\n")
        client.expect(250)
        client.expect(250)
    data = sink.wait_for(1)[0].data
    assert b"\r\nSubject: two\r\n" in data and data.endswith(b"\r\n\r\n.\r\nbody\r\n")


def test_pipelined_group(mta, sink):
    with mta.smtp() as client:
        client.ehlo()
        client.send("MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>", "RCPT TO:<bad@@y.example.>", "DATA")
        assert [client.read_reply().code for _ in range(4)][::3] == [250, 354]
        client.send("Subject: x", "", "body", ".", "QUIT")
        assert [client.read_reply().code for _ in range(2)] == [250, 221]
    assert sink.wait_for(1)[0].recipients[0] == "b@y.example"


def test_message_too_large(make_instance, sink):
    mta = make_instance({"relayhost": sink.nexthop, "message_size_limit": 5000})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        client.envelope("a@x.example", ["b@y.example"])
        reply = client.data("Subject: x\r\n\r\n" + "0123456789\r\n" * 1000, 552)
        assert str(reply) == "552 5.3.4 Error: message file too big"
        client.transaction("a@x.example", ["c@y.example"])
    assert sink.wait_for(1)[0].recipients == ["c@y.example"]
    wait_until(mta.queue_is_empty, what="empty queue")


def test_too_many_errors(make_instance, sink):
    mta = make_instance({"relayhost": sink.nexthop, "smtpd_hard_error_limit": 3, "smtpd_error_sleep_time": 0})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        for _ in range(3):
            client.command("FOO", 500)
        reply = client.expect(421)
        assert reply.text.startswith("4.7.0 ") and reply.text.endswith(" Error: too many errors")
        assert client.at_end()
    mta.wait_log(r"too many errors after UNKNOWN from localhost\[127\.0\.0\.1\]")


def test_too_many_recipients(make_instance, sink):
    mta = make_instance({"relayhost": sink.nexthop, "smtpd_recipient_limit": 2})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        client.envelope("a@x.example", ["b@y.example", "c@y.example"])
        assert str(client.command("RCPT TO:<d@y.example>")) == "452 4.5.3 Error: too many recipients"


def test_timeout(make_instance, sink):
    mta = make_instance({"relayhost": sink.nexthop, "smtpd_timeout": "1s"})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        reply = client.expect(421)
        assert reply.text.startswith("4.4.2 ") and reply.text.endswith("Error: timeout exceeded")
        assert client.at_end()
    mta.wait_log(r"timeout after EHLO from localhost\[127\.0\.0\.1\]")


def test_lost_connection(mta):
    with mta.smtp() as client:
        client.ehlo()
        client.envelope("a@x.example", ["b@y.example"])
        client.command("DATA", 354)
        client.send("Subject: cut")
    mta.wait_log(r"lost connection after DATA \(\d+ bytes\) from localhost\[127\.0\.0\.1\]")
    wait_until(mta.queue_is_empty, what="empty queue")


def test_deferred_and_bounced_recipients(mta, sink):
    """A refused recipient's text must not leak into what is sent next."""
    sink.extensions.remove("PIPELINING")
    sink.rules.append(Rule("RCPT", "450 4.2.0 come back", match="slow@"))
    sink.rules.append(Rule("RCPT", "550 5.1.1 no such user", match="bad@"))
    with mta.smtp() as client:
        client.ehlo()
        client.transaction("a@x.example", ["good@y.example", "slow@y.example", "bad@y.example"])
    mta.wait_log(r"to=<good@y\.example>.* dsn=2\.0\.0, status=sent")
    mta.wait_log(r"to=<slow@y\.example>.* dsn=4\.2\.0, status=deferred \(host 127\.0\.0\.1\[127\.0\.0\.1\] said: "
                 r"450 4\.2\.0 come back \(in reply to RCPT TO command\)\)")
    mta.wait_log(r"to=<bad@y\.example>.* dsn=5\.1\.1, status=bounced \(host 127\.0\.0\.1\[127\.0\.0\.1\] said: "
                 r"550 5\.1\.1 no such user \(in reply to RCPT TO command\)\)")
    mta.wait_log(r"bounce\[\d+\]: \w+: sender non-delivery notification: \w+")
    bounce = next(m for m in sink.wait_for(2) if m.sender == "")
    assert bounce.recipients == ["a@x.example"]
    for line in (b"Content-Type: multipart/report; report-type=delivery-status;", b"Final-Recipient: rfc822; bad@y.example",
                 b"Action: failed", b"Status: 5.1.1", b"Diagnostic-Code: smtp; 550 5.1.1 no such user"):
        assert line in bounce.data


EVERYTHING = ("reject_unauth_pipelining reject_multi_recipient_bounce "
              "check_client_access inline:{none=OK} check_reverse_client_hostname_access inline:{none=OK} "
              "check_helo_access inline:{none=OK} check_sender_access inline:{none=OK} "
              "check_recipient_access inline:{none=OK} reject_non_fqdn_helo_hostname reject_invalid_helo_hostname "
              "reject_non_fqdn_sender reject_non_fqdn_recipient reject_unlisted_sender reject_unlisted_recipient "
              "reject_unauth_destination permit_auth_destination")


@pytest.mark.parametrize("delay", ["yes", "no"])
def test_every_restriction_at_every_stage(make_instance, sink, delay):
    """What a stage does not know yet is no reason to fall over."""
    lists = ("client", "helo", "sender", "recipient", "data", "end_of_data", "etrn")
    mta = make_instance({"relayhost": sink.nexthop, "relay_domains": "y.example", "smtpd_delay_reject": delay,
                         **{f"smtpd_{name}_restrictions": EVERYTHING for name in lists}})
    mta.start()
    with mta.smtp() as client:
        client.command("EHLO client.example", 250)
        client.command("VRFY b@y.example", 252)
        client.command("ETRN y.example")
        client.transaction("a@x.example", ["b@y.example"])
    assert sink.wait_for(1)[0].recipients == ["b@y.example"]


def test_reject_footer(make_instance, sink):
    mta = make_instance({"relayhost": sink.nexthop, "smtpd_reject_footer":
                         r"\c. Call us\nand say $client_address, $server_name"})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        assert str(client.command("RSET x")) == ("501 5.5.4 Syntax: RSET. Call us\n"
                                                 "501 5.5.4 and say 127.0.0.1, mail.test.example")


def test_bare_newline_in_a_command(make_instance, sink):
    mta = make_instance({"relayhost": sink.nexthop, "smtpd_forbid_bare_newline": "reject",
                         "smtpd_forbid_bare_newline_exclusions": ""})
    mta.start()
    with mta.smtp() as client:
        client.ehlo("h.example")
        client.send_raw(b"NOOP\n")
        assert str(client.read_reply()) == "550 5.5.2 mail.test.example Error: bare <LF> received"
        assert client.at_end()
    mta.wait_log(r"NOQUEUE: reject: EHLO from localhost\[127\.0\.0\.1\]: bare <LF> received; proto=ESMTP helo=<h\.example>")


def test_delivery_pardons_errors(make_instance, sink):
    mta = make_instance({"relayhost": sink.nexthop, "smtpd_hard_error_limit": "3", "smtpd_error_sleep_time": "0"})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        for _ in range(3):
            client.command("FOO", 500)
            client.command("FOO", 500)
            client.transaction("a@x.example", ["b@y.example"])
        for _ in range(3):
            client.command("FOO", 500)
        assert client.command("NOOP", 421).text.endswith("Error: too many errors")


def test_many_errors_slow_every_reply_down(make_instance, sink):
    mta = make_instance({"relayhost": sink.nexthop, "smtpd_soft_error_limit": "1", "smtpd_error_sleep_time": "1s"})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        began = time.monotonic()
        client.command("FOO", 500)
        assert time.monotonic() - began < 0.9
        client.command("NOOP", 250)
        assert time.monotonic() - began >= 0.9


def test_vrfy_leaves_the_transaction_alone(mta, sink):
    with mta.smtp() as client:
        client.ehlo()
        client.envelope("a@x.example", ["b@y.example"])
        client.command("VRFY c@y.example", 252)
        client.data("Subject: x\r\n\r\nx\r\n")
    assert sink.wait_for(1)[0].recipients == ["b@y.example"]


def test_what_will_bounce_is_refused_at_once(make_instance, sink):
    mta = make_instance({
        "relayhost": sink.nexthop,
        "transport_maps": "inline:{{y.example=error:5.7.1 go away}, {z.example=error:}, {r.example=retry:4.4.4 later}}",
        "sender_dependent_default_transport_maps": "inline:{{c@x.example=error:not you}}",
        "virtual_alias_maps": "inline:{alias@y.example=d@q.example}"})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@x.example>", 250)
        for recipient, reply in [("b@y.example", "550 5.7.1 <b@y.example>: Recipient address rejected: go away"),
                                 ("b@z.example", "550 5.1.1 <b@z.example>: Recipient address rejected: "
                                                 "Address is undeliverable"),
                                 ("b@r.example", "450 4.4.4 <b@r.example>: Recipient address rejected: later"),
                                 ("alias@y.example", "250 2.1.5 Ok"), ("d@q.example", "250 2.1.5 Ok")]:
            assert str(client.command(f"RCPT TO:<{recipient}>")) == reply
        client.command("RSET", 250)
        client.command("MAIL FROM:<c@x.example>", 250)
        assert str(client.command("RCPT TO:<d@q.example>")) == \
            "550 5.1.1 <d@q.example>: Recipient address rejected: not you"


def test_soft_bounce_softens_every_refusal(make_instance):
    mta = make_instance({"soft_bounce": "yes"})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        assert str(client.command("FOO")) == "400 4.5.2 Error: command not recognized"
        assert str(client.command("MAIL")) == "401 4.5.4 Syntax: MAIL FROM:<address>"


def test_discarded_keywords(make_instance):
    mta = make_instance({"smtpd_discard_ehlo_keyword_address_maps": "inline:{{127.0.0.1=dsn chunking}}"})
    mta.start()
    with mta.smtp() as client:
        assert not {"DSN", "CHUNKING"} & set(client.ehlo().lines)
        assert str(client.command("MAIL FROM:<a@x.example> RET=HDRS")) == "501 5.7.1 DSN support is disabled"
        client.command("MAIL FROM:<a@x.example>", 250)
        assert str(client.command("BDAT 3 LAST")) == "521 5.5.1 Error: command not implemented"
    mta.wait_log("discarding EHLO keywords: CHUNKING DSN|discarding EHLO keywords: DSN CHUNKING")


@pytest.mark.parametrize("mynetworks, code", [("cidr:{d}/nets", 250), ("{d}/list", 250), ("!127.0.0.1 127.0.0.0/8", 454),
                                              ("127.0.0.1/8", 451), ("{d}/none", 451), ("hash:{d}/none", 451)])
def test_mynetworks(make_instance, directory, mynetworks, code):
    """What cannot be read defers mail and ends nothing."""
    (directory / "nets").write_text("127.0.0.0/8 x\n")
    (directory / "list").write_text("# ours\n127.0.0.1\n")
    mta = make_instance({"mynetworks": mynetworks.replace("{d}", str(directory))})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@x.example>", 250)
        client.command("RCPT TO:<b@y.example>", code)
