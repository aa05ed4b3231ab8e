"""Where mail goes: classes of domains, transport_maps, relay hosts, senders' own routes; beside Postfix."""
import pytest

from harness.waiting import wait_until

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def sinks(module_sinks):
    return {name: module_sinks() for name in ("host", "other", "sender", "default")}


def settings(sinks):
    at = {name: sink.nexthop for name, sink in sinks.items()}
    return {
        "relayhost": at["host"], "mydestination": "local.example", "local_recipient_maps": "",
        "relay_domains": "relay.example", "virtual_alias_domains": "alias.example",
        "virtual_alias_maps": "inline:{{one@alias.example=x@other.example}, {@all.example=y@other.example}, "
                              "{ext@alias.example=z@other.example}, {two@alias.example=p@other.example,q@host.example}}",
        "local_transport": "error:5.1.1 no local mail here", "recipient_delimiter": "+",
        "relocated_maps": "inline:{{gone@local.example=new@there.example}}",
        "transport_maps": "inline:{{other.example=smtp:" + at["other"] + "}, {.sub.example=smtp:" + at["other"]
                          + "}, {user@host.example=smtp:" + at["other"] + "}, {nomail.example=error:5.2.1 closed}, "
                          "{later.example=retry:4.2.1 closed for now}, {void.example=discard:away}, "
                          "{hop.example=:" + at["other"] + "}, {same.example=:}}",
        "sender_dependent_relayhost_maps": "inline:{{special@x.example=" + at["sender"] + "}, {@own.example="
                                           + at["sender"] + "}, {dunno@own.example=DUNNO}}",
        "sender_dependent_default_transport_maps": "inline:{{direct@x.example=smtp:" + at["default"] + "}}",
        "canonical_maps": "inline:{{old@host.example=new@host.example}}"}


@pytest.fixture(scope="module")
def mta(module_instance, sinks):
    mta = module_instance(settings(sinks))
    mta.start()
    return mta


@pytest.fixture(scope="module")
def careless_mta(module_instance, sinks):
    """Takes mail for anyone."""
    mta = module_instance(settings(sinks) | {"smtpd_reject_unlisted_recipient": "no"})
    mta.start()
    return mta


def send(mta, sender, recipient):
    with mta.smtp() as client:
        client.ehlo()
        return client.transaction(sender, [recipient]).text.split()[-1]


ROUTES = [
    ("a@x.example", "b@host.example", "host", "b@host.example"),
    ("a@x.example", "b@other.example", "other", "b@other.example"),
    ("a@x.example", "b@deep.sub.example", "other", "b@deep.sub.example"),
    ("a@x.example", "b@sub.example", "host", "b@sub.example"),
    ("a@x.example", "user@host.example", "other", "user@host.example"),
    ("a@x.example", "user+box@host.example", "other", "user+box@host.example"),
    ("a@x.example", "b@relay.example", "host", "b@relay.example"),
    ("a@x.example", "one@alias.example", "other", "x@other.example"),
    ("a@x.example", "ext+tag@alias.example", "other", "z+tag@other.example"),
    ("a@x.example", "any@all.example", "other", "y@other.example"),
    ("a@x.example", "b@hop.example", "other", "b@hop.example"),
    ("a@x.example", "b@same.example", "host", "b@same.example"),
    ("special@x.example", "b@host.example", "sender", "b@host.example"),
    ("who@own.example", "b@host.example", "sender", "b@host.example"),
    ("dunno@own.example", "b@host.example", "host", "b@host.example"),
    ("special@x.example", "b@other.example", "other", "b@other.example"),
    ("direct@x.example", "b@host.example", "default", "b@host.example"),
    ("a@x.example", "old@host.example", "host", "new@host.example"),
    ("a@x.example", "<route>", "host", "b@host.example"),
]


@pytest.mark.parametrize("sender, recipient, sink, arrives", ROUTES, ids=[f"{r[0]}-{r[1]}" for r in ROUTES])
def test_route(mta, sinks, sender, recipient, sink, arrives):
    before = len(sinks[sink].messages)
    send(mta, sender, "@relay.example:b@host.example" if recipient == "<route>" else recipient)
    wait_until(lambda: any(m.recipients == [arrives] for m in sinks[sink].messages[before:]),
               what=lambda: f"{arrives} at {sink}: {[(n, m.recipients) for n, s in sinks.items() for m in s.messages[-1:]]}")


def test_one_alias_to_two_addresses(mta, sinks):
    send(mta, "a@x.example", "two@alias.example")
    wait_until(lambda: any(m.recipients == ["p@other.example"] for m in sinks["other"].messages))
    wait_until(lambda: any(m.recipients == ["q@host.example"] for m in sinks["host"].messages))


NOWHERE = [
    ("b@nomail.example", "550 5.2.1 <{}>: Recipient address rejected: closed",
     r"dsn=5\.2\.1, status=bounced \(closed\)"),
    ("b@later.example", "450 4.2.1 <{}>: Recipient address rejected: closed for now",
     r"dsn=4\.2\.1, status=deferred \(closed for now\)"),
    ("b@local.example", "550 5.1.1 <{}>: Recipient address rejected: no local mail here",
     r"dsn=5\.1\.1, status=bounced \(no local mail here\)"),
    ("gone@local.example", "550 5.1.6 <{}>: Recipient address rejected: User has moved to new@there.example",
     r"dsn=5\.1\.6, status=bounced \(User has moved to new@there\.example\)"),
    ("b@void.example", "250 2.1.5 Ok", r"dsn=2\.0\.0, status=sent \(away\)"),
]


@pytest.mark.parametrize("recipient, reply, outcome", NOWHERE, ids=[n[0] for n in NOWHERE])
def test_nowhere_is_refused_at_the_door(mta, recipient, reply, outcome):
    with mta.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<>", 250)
        assert str(client.command(f"RCPT TO:<{recipient}>")) == reply.format(recipient)


@pytest.mark.parametrize("recipient, reply, outcome", NOWHERE, ids=[n[0] for n in NOWHERE])
def test_nowhere_when_taken(careless_mta, recipient, reply, outcome):
    queue_id = send(careless_mta, "", recipient)
    careless_mta.wait_log(rf"{queue_id}: to=<{recipient}>, relay=none, .* {outcome}")


def test_a_result_without_a_user_keeps_the_user(make_instance, sinks):
    """@domain on the right hand side: the same user there, extension and all."""
    mta = make_instance({
        "relayhost": sinks["host"].nexthop, "recipient_delimiter": "+", "virtual_alias_domains": "v.example, w.example",
        "virtual_alias_maps": "inline:{{@v.example=@new.example}, {@w.example=@one.example, two@two.example}, "
                              "{p@w.example=@p.example}}",
        "canonical_maps": "inline:{{@old.example=@young.example}}"})
    mta.start()
    count = len(sinks["host"].messages)
    with mta.smtp() as client:
        client.ehlo()
        client.transaction("s@old.example", ["any@v.example", "x+y@v.example", '"a b"@v.example', "p+f@w.example",
                                             "r@old.example"])
    wait_until(lambda: len(sinks["host"].messages) > count, what="the message")
    message = sinks["host"].messages[count]
    assert message.sender == "s@young.example"
    assert sorted(message.recipients) == ['"a b"@new.example', "any@new.example", "p+f@p.example", "r@young.example",
                                          "x+y@new.example"]
