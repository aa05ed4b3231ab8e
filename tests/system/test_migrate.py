"""postern-migrate(7): everything on the page that is configuration or a command is tried as it stands there."""
import re
import shlex
from dataclasses import dataclass

import pytest

from harness.host import Host
from harness.instance import MTA, ROOT
from harness.smtp_sink import Rule
from harness.waiting import wait_until

pytestmark = pytest.mark.skipif(MTA == "postfix", reason="about Postern")

PAGE = (ROOT / "docs/man/postern-migrate.7").read_text()


@dataclass
class Snippet:
    kind: str
    arguments: list
    text: str
    line: int


def read_snippets():
    """The literal displays, each with what the comment before it says of it."""
    found, mark, inside = [], None, None
    for number, line in enumerate(PAGE.splitlines(), 1):
        if line.startswith('.\\" '):
            mark = line[4:]
        elif line.startswith(".Bd -literal"):
            assert mark, f"line {number}: a display without a mark: TRY KIND or SENDMAIL"
            kind, *arguments = shlex.split(mark.removeprefix("TRY "))
            inside = Snippet(kind, arguments, "", number)
        elif line == ".Ed":
            found.append(inside)
            mark = inside = None
        elif inside:
            inside.text += line.removeprefix("\\&").replace("\\e", "\\") + "\n"
    return found


SNIPPETS = read_snippets()


def of_kind(*kinds):
    return [pytest.param(snippet, id=f"line{snippet.line}") for snippet in SNIPPETS if snippet.kind in kinds]


def settings(text):
    return [line.split(" = ", 1) for line in text.splitlines() if not line.startswith("#")]


def parameters(*words):
    """Names that .def files declare with these macros."""
    names = set()
    for path in [*ROOT.glob("mail/config/*.def"), *ROOT.glob("*/*.def")]:
        for word in words:
            names |= set(re.findall(rf"^{word}\((?:\w+, )?(\w+)", path.read_text(), re.M))
    for match in re.findall(r"^CLIENT\(\w+, \w+,\s+(\w+),", (ROOT / "smtp/smtp.def").read_text(), re.M):
        names.add(match)
    return names


# ---- the page ----

def test_each_kind_is_there():
    assert {snippet.kind for snippet in SNIPPETS} == {"SENDMAIL", "main.cf", "master.cf", "table", "text", "list", "shell"}


def test_only_what_has_an_effect_is_promised():
    """Every parameter that is named anywhere on the page is one that some program obeys."""
    named = set(re.findall(r"^\.(?:Cm|It Cm) (.*)$", PAGE, re.M))
    words = {word for line in named for word in re.findall(r"\b[0-9a-z]+(?:_[a-z0-9]+)+\b", line)}
    words |= {name for snippet in SNIPPETS if snippet.kind == "main.cf" for name, _ in settings(snippet.text)}
    restrictions = set(re.findall(r"^RESTRICTION\((\w+)", (ROOT / "mail/restriction/restriction.def").read_text(), re.M))
    assert len(words) > 50
    assert words - parameters("PARAMETER") - restrictions == set()


# ---- snippets by themselves ----

@pytest.fixture(scope="module")
def host(module_instance):
    """/etc/postfix in a namespace, with the page's tables in it."""
    mta = module_instance({"alias_maps": "", "alias_database": ""})
    made = Host(mta)
    try:
        for place in ("/var/spool", "/var/lib"):
            made.enter("mount", "-t", "tmpfs", "tmpfs", place, check=True)
        made.enter("install", "-d", "-o", "postfix", "/var/lib/postfix", check=True)
        for snippet in SNIPPETS:
            if snippet.kind in ("table", "text", "list"):
                write(made, snippet.arguments[0], snippet.text)
        yield made
    finally:
        made.close()


def write(host, name, text):
    assert host.enter("tee", f"/etc/postfix/{name}", input=text).returncode == 0


def restore(host):
    host.write("postfix", host.settings)
    host.enter("cp", str(host.mta.etc / "master.cf"), "/etc/postfix/master.cf", check=True)


def make_tables(host):
    for snippet in SNIPPETS:
        if snippet.kind == "table":
            host.run("postmap", f"hash:/etc/postfix/{snippet.arguments[0]}")


def accepted(host):
    done = host.enter(f"{host.mta.main['command_directory']}/postfix", "check")
    return done.returncode == 0 and done.stderr == "", done.stderr


@pytest.mark.root
@pytest.mark.parametrize("snippet", of_kind("table", "text"))
def test_tables_answer(host, snippet):
    name, *questions = snippet.arguments
    kind = "hash" if snippet.kind == "table" else questions.pop(0)
    if snippet.kind == "table":
        done = host.enter(f"{host.mta.main['command_directory']}/postmap", f"hash:/etc/postfix/{name}")
        assert (done.returncode, done.stderr) == (0, "")
    assert len(questions) >= len(snippet.text.splitlines()) - 1, "each entry is asked for"
    for question in questions:
        key, _, answer = question.partition("=")
        found = host.run("postmap", "-q", key, f"{kind}:/etc/postfix/{name}", status=1 if answer == "-" else 0)
        assert found == ("" if answer == "-" else answer.replace("_", " ").replace(",", ", ") + "\n")


@pytest.mark.root
@pytest.mark.parametrize("snippet", of_kind("main.cf"))
def test_settings_are_taken(host, snippet):
    make_tables(host)
    wanted = dict(settings(snippet.text))
    host.write("postfix", host.settings | wanted)
    assert accepted(host) == (True, "")
    for name, value in wanted.items():
        done = host.enter(f"{host.mta.main['command_directory']}/postconf", "-h", name)
        assert (done.stdout, done.stderr) == (value + "\n", "")
    restore(host)


@pytest.mark.root
@pytest.mark.parametrize("snippet", of_kind("master.cf"))
def test_services_are_taken(host, snippet):
    restore(host)
    host.enter("sh", "-c", "cat >> /etc/postfix/master.cf", input=snippet.text, check=True)
    assert accepted(host) == (True, "")
    name = re.search(r"^([^#\s]\S*) +(\S+)", snippet.text, re.M)
    assert host.run("postconf", "-M", f"{name[1]}/{name[2]}").startswith(name[1])
    restore(host)


@pytest.mark.root
@pytest.mark.parametrize("snippet", of_kind("shell"))
def test_commands_work(host, snippet):
    restore(host)
    starts = "postfix start" in snippet.text
    if "postqueue" in snippet.text or "status" in snippet.text:
        starts or host.run("postfix", "start")
    script = "set -e\nPATH=$1:$PATH\n" + snippet.text
    done = host.enter("bash", "-c", script, "bash", host.mta.main["command_directory"])
    host.enter(f"{host.mta.main['command_directory']}/postfix", "stop")
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr and "fatal" not in done.stderr
    restore(host)


# ---- what they do ----

def snippet_with(text):
    return next(snippet for snippet in SNIPPETS if text in snippet.text and snippet.kind != "SENDMAIL")


def configured(make_instance, sink, *texts, **more):
    """An instance with the main.cf snippets that hold these texts, and the page's tables."""
    mta = make_instance({"relayhost": sink.nexthop, **more})
    wanted = {}
    for text in texts:
        wanted |= dict(settings(snippet_with(text).text))
    for snippet in SNIPPETS:
        if snippet.kind in ("table", "text", "list"):
            (mta.etc / snippet.arguments[0]).write_text(snippet.text)
        if snippet.kind == "table":
            mta.run("postmap", f"hash:{mta.etc}/{snippet.arguments[0]}", check=True)
    mta.set_main(**{name: value.replace("/etc/postfix", str(mta.etc)) for name, value in wanted.items()})
    mta.start()
    return mta


def test_senders_of_the_access_file(make_instance, make_sink):
    sink = make_sink()
    mta = configured(make_instance, sink, "smtpd_sender_restrictions = ", "smtpd_recipient_restrictions = ")

    def rcpt(sender, recipient="b@y.example"):
        with mta.smtp() as client:
            client.ehlo()
            client.command(f"MAIL FROM:<{sender}>", 250)
            return client.command(f"RCPT TO:<{recipient}>")

    def sent(sender):
        with mta.smtp() as client:
            client.ehlo()
            return client.transaction(sender, ["b@y.example"]).text.split()[-1]

    refused = rcpt("x@mail.linkedin-mail.com")
    assert (refused.code, refused.text) == (550, "5.7.1 <x@mail.linkedin-mail.com>: Sender address rejected: Sender banned.")
    assert rcpt("spam@example.net").code == 554
    assert rcpt("ham@example.net").code == 250
    unknown = rcpt("a@x.example", "nobody@example.com")
    assert (unknown.code, unknown.text) == (
        550, "5.1.1 <nobody@example.com>: Recipient address rejected: No such user here")
    sent("x@linkedinmail.com")
    mta.wait_log(r"discard: RCPT from \S+: <x@linkedinmail\.com>")
    held = sent("x@aicpa.org")
    mta.wait_log(r"hold: RCPT from \S+: <x@aicpa\.org>: Sender address look at these")
    wait_until(lambda: [path.name for path in mta.queue_files("hold")] == [held], what="the message on hold")
    sent("ham@example.net")
    assert sink.wait_for(1)[0].sender == "ham@example.net"
    mta.run("postsuper", "-H", held, check=True)
    assert {message.sender for message in sink.wait_for(2)} == {"ham@example.net", "x@aicpa.org"}


def test_a_list_of_addresses_may_relay(make_instance, make_sink):
    sink = make_sink()
    mta = configured(make_instance, sink, "mynetworks = ", "relay_domains = ")

    def reply(address, recipient):
        with mta.smtp(source=address) as client:
            client.ehlo()
            client.command("MAIL FROM:<a@x.example>", 250)
            return client.command(f"RCPT TO:<{recipient}>").code

    assert reply("127.0.0.1", "b@y.example") == 250
    (mta.etc / "access").write_text("127.0.0.7\n")
    mta.set_main(mynetworks=f"192.0.2.1 {mta.etc}/access")
    mta.reload()
    wait_until(lambda: reply("127.0.0.1", "b@y.example") == 554, what="the new list")
    assert reply("127.0.0.7", "b@y.example") == 250
    assert reply("127.0.0.1", "b@example.net") == 250


def test_the_sender_chooses_the_way(make_instance, make_sink):
    default, chosen = make_sink(), make_sink()
    mta = configured(make_instance, default, "sender_dependent_relayhost_maps = ",
                     sender_dependent_default_transport_maps="")
    mta.set_main(sender_dependent_default_transport_maps="")
    (mta.etc / "sender_relay").write_text(snippet_with("@aicpa.org              [127").text.replace(
        "[127.0.0.2]", chosen.nexthop))
    mta.run("postmap", f"hash:{mta.etc}/sender_relay", check=True)
    mta.reload()
    for sender in ("x@aicpa.org", "x@other.example"):
        with mta.smtp() as client:
            client.ehlo()
            client.transaction(sender, ["b@y.example"])
    assert [message.sender for message in chosen.wait_for(1)] == ["x@aicpa.org"]
    assert [message.sender for message in default.wait_for(1)] == ["x@other.example"]


def test_queueing_without_delivery(make_instance, make_sink):
    sink = make_sink()
    mta = configured(make_instance, sink, "defer_transports = smtp, relay")
    with mta.smtp() as client:
        client.ehlo()
        queue_ids = [client.transaction("a@x.example", [f"{name}@y.example"]).text.split()[-1] for name in "bc"]
    for queue_id in queue_ids:
        mta.wait_log(rf"{queue_id}: to=.*, status=deferred \(deferred transport\)")
    wait_until(lambda: len(mta.queue_files("deferred")) == 2, what="both to be put by")
    assert sink.messages == []
    mta.run("postqueue", "-i", queue_ids[0], check=True)
    assert sink.wait_for(1)[0].recipients == ["b@y.example"]
    mta.run("postqueue", "-f", check=True)
    sink.wait_for(2)


def test_masquerading_and_genericstable(make_instance, make_sink):
    sink = make_sink()
    mta = configured(make_instance, sink, "masquerade_domains = ", "sender_canonical_maps = ")
    for sender, header in (("joe@host.example.com", "joe@host.example.com"), ("ann@host.example.com", "root@host.example.com")):
        with mta.smtp() as client:
            client.ehlo()
            client.transaction(sender, ["b@y.example"], f"From: {header}\r\nSubject: x\r\n\r\nx\r\n")
    messages = sorted(sink.wait_for(2), key=lambda message: message.sender)
    assert [message.sender for message in messages] == ["ann@example.com", "joe.smith@example.com"]
    assert b"From: root@host.example.com" in messages[0].data
    assert b"From: joe.smith@example.com" in messages[1].data


def test_virtusertable(make_instance, make_sink):
    sink = make_sink()
    mta = configured(make_instance, sink, "virtual_alias_domains = ")
    with mta.smtp() as client:
        client.ehlo()
        client.transaction("a@x.example", ["info@example.com", "anybody@example.com"])
    assert sorted(r for message in sink.wait_for(1) for r in message.recipients) == ["anybody@example.net", "joe@example.net"]


def test_a_server_that_stumbles_over_ehlo(make_instance, make_sink):
    sink = make_sink()
    sink.rules.append(Rule("EHLO", "421 4.3.0 what?"))
    mta = make_instance({"transport_maps": f"inline:{{plain.example=old:{sink.nexthop}}}"})
    mta.set_master((mta.etc / "master.cf").read_text() + snippet_with("smtp_never_send_ehlo").text)
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        client.transaction("a@x.example", ["b@plain.example"])
    assert sink.wait_for(1)[0].recipients == ["b@plain.example"]
