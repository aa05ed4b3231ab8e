"""Access restrictions: lists, tables, relaying, users that do not exist. Replies and log lines are Postfix's."""
import re

import pytest

from harness.instance import MTA
from harness.waiting import wait_until

pytestmark = pytest.mark.peer

TABLE = """
reject@t.example REJECT
rejt@t.example REJECT some text
rejd@t.example REJECT 5.1.2 text
hold@t.example HOLD
holdt@t.example HOLD because
warnt@t.example WARN careful
disc@t.example DISCARD
filt@t.example FILTER smtp:foo
filtb@t.example FILTER foo
redir@t.example REDIRECT other@t.example
redirb@t.example REDIRECT ab
prep@t.example PREPEND X-Prepended: yes
prepb@t.example PREPEND
num@t.example 550
numt@t.example 450 later
numd@t.example 550 5.7.9 text
num2@t.example 250 text
defer@t.example DEFER
defert@t.example DEFER x y
dip@t.example DEFER_IF_PERMIT
dipt@t.example DEFER_IF_PERMIT 4.7.3 some
info@t.example INFO hello
bcc@t.example BCC copy@t.example
list@t.example reject_unauth_destination,reject
class@t.example my_class
dunno@t.example DUNNO
ok@t.example OK
unknown@t.example FOOBAR
domain.example REJECT by domain
.sub.example REJECT by parent
user@ REJECT by user
"""

REPLIES = {
    "reject@t.example": "554 5.7.1 <reject@t.example>: Recipient address rejected: Access denied",
    "rejt@t.example": "554 5.7.1 <rejt@t.example>: Recipient address rejected: some text",
    "rejd@t.example": "554 5.1.2 <rejd@t.example>: Recipient address rejected: text",
    "numt@t.example": "450 4.7.1 <numt@t.example>: Recipient address rejected: later",
    "numd@t.example": "550 5.7.9 <numd@t.example>: Recipient address rejected: text",
    "num2@t.example": "451 4.3.5 Server configuration error",
    "defer@t.example": "450 4.7.1 <defer@t.example>: Recipient address rejected: Access denied",
    "defert@t.example": "450 4.7.1 <defert@t.example>: Recipient address rejected: x y",
    "dip@t.example": "450 4.7.1 <dip@t.example>: Recipient address rejected: Service unavailable",
    "dipt@t.example": "450 4.7.3 <dipt@t.example>: Recipient address rejected: some",
    "list@t.example": "554 5.7.1 <list@t.example>: Relay access denied",
    "class@t.example": "554 5.7.1 <class@t.example>: Recipient address rejected: Access denied",
    "unknown@t.example": "451 4.3.5 Server configuration error",
    "a@domain.example": "554 5.7.1 <a@domain.example>: Recipient address rejected: by domain",
    "a@x.sub.example": "250 2.1.5 Ok",  # smtpd_access_maps: parents match without the dot
    "a@x.domain.example": "554 5.7.1 <a@x.domain.example>: Recipient address rejected: by domain",
    "user@z.example": "554 5.7.1 <user@z.example>: Recipient address rejected: by user",
    "ok@t.example": "250 2.1.5 Ok",
    "dunno@t.example": "250 2.1.5 Ok",
    "num@t.example": "250 2.1.5 Ok",
    "hold@t.example": "250 2.1.5 Ok",
    "warnt@t.example": "250 2.1.5 Ok",
    "disc@t.example": "250 2.1.5 Ok",
    "filtb@t.example": "250 2.1.5 Ok",
    "redirb@t.example": "250 2.1.5 Ok",
    "prepb@t.example": "250 2.1.5 Ok",
    "info@t.example": "250 2.1.5 Ok",
}

# What the log has of those that are no plain reject.
LOGGED = {
    "hold@t.example": "hold: RCPT from CLIENT: <hold@t.example>: Recipient address triggers HOLD action; ENVELOPE",
    "holdt@t.example": "hold: RCPT from CLIENT: <holdt@t.example>: Recipient address because; ENVELOPE",
    "warnt@t.example": "warn: RCPT from CLIENT: careful; ENVELOPE",
    "disc@t.example": "discard: RCPT from CLIENT: <disc@t.example>: Recipient address triggers DISCARD action; ENVELOPE",
    "filt@t.example": "filter: RCPT from CLIENT: <filt@t.example>: Recipient address triggers FILTER smtp:foo; ENVELOPE",
    "redir@t.example": "redirect: RCPT from CLIENT: <redir@t.example>: Recipient address triggers REDIRECT "
                       "other@t.example; ENVELOPE",
    "bcc@t.example": "bcc: RCPT from CLIENT: <bcc@t.example>: Recipient address triggers BCC copy@t.example; ENVELOPE",
    "info@t.example": "info: RCPT from CLIENT: hello; ENVELOPE",
    "rejt@t.example": "reject: RCPT from CLIENT: 554 5.7.1 <rejt@t.example>: Recipient address rejected: some text; "
                      "ENVELOPE",
}


@pytest.fixture(scope="module")
def table_mta(module_instance, module_sink):
    mta = module_instance({"relayhost": module_sink.nexthop, "smtpd_restriction_classes": "my_class",
                           "my_class": "permit_auth_destination, reject"})
    table = mta.directory / "access"
    table.write_text(TABLE)
    mta.set_main(smtpd_recipient_restrictions=f"check_recipient_access texthash:{table}, permit_mynetworks, reject")
    mta.start()
    return mta


@pytest.mark.parametrize("recipient", REPLIES)
def test_table_result(table_mta, recipient):
    with table_mta.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<s@x.example>", 250)
        assert str(client.command(f"RCPT TO:<{recipient}>")) == REPLIES[recipient]


@pytest.mark.parametrize("recipient", LOGGED)
def test_table_result_is_logged(table_mta, recipient):
    with table_mta.smtp() as client:
        client.ehlo("h.example")
        client.command("MAIL FROM:<s@x.example>", 250)
        client.command(f"RCPT TO:<{recipient}>")
    expected = LOGGED[recipient].replace("CLIENT", "localhost[127.0.0.1]").replace(
        "ENVELOPE", f"from=<s@x.example> to=<{recipient}> proto=ESMTP helo=<h.example>")
    table_mta.wait_log("NOQUEUE: " + re.escape(expected) + "$")


def send(mta, *recipients):
    with mta.smtp() as client:
        client.ehlo()
        return client.transaction("s@x.example", recipients).text.split()[-1]


def test_hold(table_mta):
    queue_id = send(table_mta, "hold@t.example")
    wait_until(lambda: (table_mta.spool / "hold" / queue_id).exists(), what="message in the hold queue")


def test_discard(table_mta, module_sink):
    send(table_mta, "disc@t.example")
    send(table_mta, "after-discard@t.example")
    wait_until(lambda: any("after-discard@t.example" in m.recipients for m in module_sink.messages))
    assert not any("disc@t.example" in m.recipients for m in module_sink.messages)


def test_prepend(table_mta, module_sink):
    send(table_mta, "prep@t.example")
    wait_until(lambda: any("prep@t.example" in m.recipients for m in module_sink.messages))
    message = next(m for m in module_sink.messages if "prep@t.example" in m.recipients)
    assert b"X-Prepended: yes\r\n" in message.data


def test_redirect_and_bcc(table_mta, module_sink):
    send(table_mta, "redir@t.example")
    wait_until(lambda: any(m.recipients == ["other@t.example"] for m in module_sink.messages))
    send(table_mta, "bcc@t.example")
    wait_until(lambda: {"copy@t.example", "bcc@t.example"} <=
               {r for m in module_sink.messages for r in m.recipients})


# ---- relaying and users ----

@pytest.fixture(scope="module")
def strict_mta(module_instance, module_sink):
    mta = module_instance({
        "relayhost": module_sink.nexthop, "mynetworks": "127.0.0.2/32", "relay_domains": "relay.example, .tree.example",
        "mydestination": "local.example", "local_recipient_maps": "inline:{joe=x, jane@local.example=x}",
        "virtual_alias_domains": "alias.example", "virtual_alias_maps": "inline:{a@alias.example=joe@local.example}",
        "virtual_mailbox_domains": "box.example", "virtual_mailbox_maps": "inline:{b@box.example=b/}",
        "relay_recipient_maps": "inline:{@tree.example=x, r@relay.example=x}",
        "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        "smtpd_helo_restrictions": "reject_non_fqdn_helo_hostname",
        "smtpd_sender_restrictions": "reject_non_fqdn_sender, check_sender_access inline:{{bad@x.example=REJECT no}}",
        "smtpd_client_restrictions": "check_client_access inline:{127.0.0.3=REJECT, 127.0.0.4=WARN}",
        "smtpd_data_restrictions": "check_sender_access inline:{{data@x.example=REJECT at data}}"})
    mta.start()
    return mta


RECIPIENTS = {
    "x@elsewhere.example": "554 5.7.1 <x@elsewhere.example>: Relay access denied",
    "joe@local.example": "250 2.1.5 Ok",
    "jane@local.example": "250 2.1.5 Ok",
    "jim@local.example": "550 5.1.1 <jim@local.example>: Recipient address rejected: User unknown in local recipient table",
    "a@alias.example": "250 2.1.5 Ok",
    "z@alias.example": "550 5.1.1 <z@alias.example>: Recipient address rejected: User unknown in virtual alias table",
    "b@box.example": "250 2.1.5 Ok",
    "z@box.example": "550 5.1.1 <z@box.example>: Recipient address rejected: User unknown in virtual mailbox table",
    "r@relay.example": "250 2.1.5 Ok",
    "z@relay.example": "550 5.1.1 <z@relay.example>: Recipient address rejected: User unknown in relay recipient table",
    "r@sub.relay.example": "550 5.1.1 <r@sub.relay.example>: Recipient address rejected: User unknown in relay "
                           "recipient table",
}


@pytest.mark.parametrize("recipient", RECIPIENTS)
def test_destination(strict_mta, recipient):
    with strict_mta.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<s@x.example>", 250)
        assert str(client.command(f"RCPT TO:<{recipient}>")) == RECIPIENTS[recipient]


def test_mynetworks_may_relay(strict_mta):
    with strict_mta.smtp(source="127.0.0.2") as client:
        client.ehlo()
        client.envelope("s@x.example", ["x@elsewhere.example"])


@pytest.mark.parametrize("source, helo, sender, reply", [
    ("127.0.0.3", "h.example", "s@x.example", r"554 5\.7\.1 <\S+\[127\.0\.0\.3\]>: Client host rejected: Access denied"),
    ("127.0.0.1", "short", "s@x.example", r"504 5\.5\.2 <short>: Helo command rejected: need fully-qualified hostname"),
    ("127.0.0.1", "h.example", "s", r"504 5\.5\.2 <s>: Sender address rejected: need fully-qualified address"),
    ("127.0.0.1", "h.example", "bad@x.example", r"554 5\.7\.1 <bad@x\.example>: Sender address rejected: no"),
])
def test_all_stages_are_judged_at_rcpt(strict_mta, source, helo, sender, reply):
    with strict_mta.smtp(source=source) as client:
        client.ehlo(helo)
        client.command(f"MAIL FROM:<{sender}>", 250)
        assert re.fullmatch(reply, str(client.command("RCPT TO:<joe@local.example>")))


def test_data_restrictions(strict_mta):
    with strict_mta.smtp() as client:
        client.ehlo()
        client.envelope("data@x.example", ["joe@local.example"])
        assert str(client.command("DATA")) == "554 5.7.1 <data@x.example>: Sender address rejected: at data"


def test_without_delay(make_instance):
    mta = make_instance({"smtpd_delay_reject": "no", "smtpd_client_restrictions": "check_client_access "
                         "inline:{127.0.0.3=REJECT}", "smtpd_sender_restrictions": "reject_non_fqdn_sender"})
    mta.start()
    with mta.smtp(source="127.0.0.3", greeting=554) as client:
        assert str(client.command("EHLO x")) == "503 5.7.0 Error: access denied for unknown[127.0.0.3]"
        client.command("QUIT", 221)
    with mta.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<s>", 504)


@pytest.mark.skipif(MTA == "postfix", reason="Postfix does not even start smtpd")
def test_no_relay_guard_is_a_refusal(make_instance):
    mta = make_instance({"smtpd_relay_restrictions": "", "smtpd_recipient_restrictions": "permit_mynetworks"})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<s@x.example>", 250)
        client.command("RCPT TO:<x@elsewhere.example>", 451)
    mta.wait_log("specify at least one working instance of")
