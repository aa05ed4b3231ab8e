"""Selections: --sender, --recipient, --domain, --client, --older, --larger, --reason; --oldest and --top."""
import json
import re
import subprocess
import time

import pytest

from harness.smtp_sink import Rule
from harness.waiting import wait_until

pytestmark = pytest.mark.root

# sender, recipients, bytes of text
MAIL = {
    "yahoo": ("news@shop.example", ["a@yahoo.com"], 100),
    "both": ("news@shop.example", ["b@Yahoo.com", "c@aol.com"], 100),
    "large": ("boss@pay.adp.com", ["d@aol.com"], 20000),
    "null": ("", ["e@aol.com"], 100),
    "fine": ("x@adp.com.example", ["f@fine.example"], 100),
}


@pytest.fixture
def mta(make_instance, make_sink):
    """All of MAIL deferred; mta.ids has their queue IDs by name, mta.sink.rules what the next hop refuses."""
    sink = make_sink()
    sink.rules += [Rule("RCPT", "450 4.2.1 over quota", match="@yahoo.com"), Rule("RCPT", "450 4.2.1 over quota", match="@Yahoo.com"),
                   Rule("RCPT", "451 4.7.1 greylisted", match="@aol.com"), Rule("RCPT", "452 4.1.1 later", match="@fine")]
    made = make_instance({"relayhost": sink.nexthop, "minimal_backoff_time": "1h", "maximal_backoff_time": "1h",
                          "relay_domains": "yahoo.com, aol.com"})
    made.start()
    made.sink, made.ids = sink, {}
    for name, (sender, recipients, size) in MAIL.items():
        with made.smtp() as client:
            client.ehlo()
            reply = client.transaction(sender, recipients, "Subject: x\r\n\r\n" + ("y" * 70 + "\r\n") * (size // 70))
            made.ids[name] = reply.text.split()[-1]
    wait_until(lambda: len(made.queue_files("deferred")) == len(MAIL), what="deferred mail")
    return made


def listed(mta, *options):
    """Names of the messages that postqueue -j shows with these options."""
    names = {queue_id: name for name, queue_id in mta.ids.items()}
    result = mta.run("postqueue", "-j", *options, check=True)
    return {names[json.loads(line)["queue_id"]] for line in result.stdout.splitlines()}


def age(mta, name, hours):
    """As if the message had arrived that long ago."""
    path = next(p for p in mta.queue_files("deferred") if p.name == mta.ids[name])
    data = path.read_bytes()
    then = re.search(rb"T(.)(\d{10}) ", data, re.DOTALL)
    path.write_bytes(data.replace(then[2] + b" ", b"%d " % (int(then[2]) - hours * 3600), 1))


def test_each_option(mta):
    age(mta, "null", 3)
    assert listed(mta) == set(MAIL)
    assert listed(mta, "--domain", "yahoo.com") == {"yahoo", "both"}
    assert listed(mta, "--domain", "/^(aol|yahoo)\\.com$/") == {"yahoo", "both", "large", "null"}
    assert listed(mta, "--domain", "com") == set()
    assert listed(mta, "--sender", "news@shop.example") == {"yahoo", "both"}
    assert listed(mta, "--sender", r"/@(\w+\.)?adp\.com$/") == {"large"}
    assert listed(mta, "--sender", "<>") == listed(mta, "--sender", "") == {"null"}
    assert listed(mta, "--recipient", "C@AOL.com") == {"both"}
    assert listed(mta, "--recipient", "/^[cd]@/") == {"both", "large"}
    assert listed(mta, "--recipient", "/^[CD]@/i") == set()  # the flag toggles, as in pcre_table(5)
    assert listed(mta, "--older", "2h") == {"null"}
    assert listed(mta, "--older", "4h") == set()
    assert listed(mta, "--larger", "10k") == {"large"}
    assert listed(mta, "--larger", "1m") == set()
    assert listed(mta, "--reason", "/greylisted/") == {"both", "large", "null"}
    assert listed(mta, "--reason", "greylisted") == set()
    assert listed(mta, "--client", "127.0.0.1") == listed(mta, "--client", "localhost") == set(MAIL)
    assert listed(mta, "--client", "192.0.2.1") == set()


def test_together(mta):
    assert listed(mta, "--domain", "aol.com", "--sender", "/shop/") == {"both"}
    # What is asked of recipients is asked of one of them.
    assert listed(mta, "--domain", "yahoo.com", "--reason", "/greylisted/") == set()
    assert listed(mta, "--domain", "aol.com", "--reason", "/greylisted/", "--larger", "10k") == {"large"}
    listing = mta.run("postqueue", "-p", "--domain", "yahoo.com").stdout
    assert "c@aol.com" in listing and "d@aol.com" not in listing
    assert re.search(r"\n\n-- \d+ Kbytes in 2 Requests\.\n$", listing)
    assert mta.run("postqueue", "-p", "--domain", "nowhere.example").stdout == "No message in the mail queue is selected\n"


def test_the_same_without_showq(mta):
    mta.stop()
    assert listed(mta, "--domain", "yahoo.com") == {"yahoo", "both"}


def test_flush_just_those(mta):
    assert mta.ids["yahoo"] in mta.run("postqueue", "-f", "--domain", "yahoo.com", "--dry-run", check=True).stdout
    assert not mta.sink.messages
    mta.sink.rules.clear()
    result = mta.run("postqueue", "-f", "--domain", "yahoo.com")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    mta.sink.wait_for(2)
    wait_until(lambda: len(mta.queue_files("deferred")) == 3, what="two gone")
    time.sleep(0.3)
    assert sorted(r for m in mta.sink.messages for r in m.recipients) == ["a@yahoo.com", "b@Yahoo.com", "c@aol.com"]


def test_flush_a_site(mta):
    mta.sink.rules.clear()
    mta.expected_errors.append("Flush service is not configured")
    assert mta.run("postqueue", "-s", "fine.example").returncode == 69
    mta.run("postqueue", "-s", "aol.com", check=True)
    mta.sink.wait_for(3)
    wait_until(lambda: len(mta.queue_files("deferred")) == 2, what="three gone")


def test_postsuper_verbs(mta):
    result = mta.run("postsuper", "-d", "ALL", "--sender", r"/@(\w+\.)?adp\.com$/", "--dry-run")
    assert result.stdout == f"deferred/{mta.ids['large']}\nDry run. Deleted: 1 message\n" and result.stderr == ""
    assert listed(mta) == set(MAIL)
    assert mta.run("postsuper", "-d", "ALL", "--sender", r"/@(\w+\.)?adp\.com$/").stderr == "postsuper: Deleted: 1 message\n"
    assert listed(mta) == set(MAIL) - {"large"}
    assert mta.run("postsuper", "-h", "ALL", "--domain", "yahoo.com").stderr == "postsuper: Placed on hold: 2 messages\n"
    assert {p.name for p in mta.queue_files("hold")} == {mta.ids["yahoo"], mta.ids["both"]}
    assert mta.run("postsuper", "-H", "ALL", "--reason", "/greylisted/").stderr == "postsuper: Released from hold: 1 message\n"
    assert mta.run("postsuper", "-e", "ALL", "--older", "1h").stderr == "postsuper: Force-expired: 0 messages\n"
    # Also of named messages those only that are selected.
    assert mta.run("postsuper", "-d", "-", "--sender", "<>", input="\n".join(mta.ids.values())).stderr == (
        f"postsuper: {mta.ids['null']}: removed\npostsuper: Deleted: 1 message\n")
    assert mta.run("postsuper", "-d", mta.ids["yahoo"], "--client", "192.0.2.1").stderr == "postsuper: Deleted: 0 messages\n"


@pytest.mark.parametrize("command, options, error", [
    ("postqueue", ["-p", "--older", "soon"], "--older soon: not a time such as 90, 30m, 2h or 5d"),
    ("postqueue", ["-p", "--larger", "1x"], "--larger 1x: not a size such as 5000, 20k or 1m"),
    ("postqueue", ["-p", "--sender", "/("], "/(: no closing / of the expression"),
    ("postqueue", ["-p", "--sender", "/(/"], "/(/: error in regex at offset"),
    ("postqueue", ["-p", "--sender", "/a/q"], "/a/q: unknown flag \"q\""),
    ("postqueue", ["--top", "colour"], "usage: postqueue"),
    ("postqueue", ["--top", "domain", "x"], "usage: postqueue"),
    ("postqueue", ["--oldest", "a", "b"], "usage: postqueue"),
    ("postsuper", ["--sender", "a@b"], "usage: postsuper"),
    ("postsuper", ["-s", "--dry-run"], "usage: postsuper"),
])
def test_refused(make_instance, command, options, error):
    mta = make_instance()
    mta.expected_errors.append("fatal: ")
    result = mta.run(command, *options)
    assert result.returncode != 0 and f"{command}: fatal: {error}" in result.stderr


def test_client_is_for_those_who_may_read_files(mta):
    mta.expected_errors.append("only the super-user")
    result = subprocess.run(["setpriv", "--reuid=nobody", "--regid=postdrop", "--clear-groups",
                             f"{mta.command_directory}/postqueue", "-c", str(mta.etc), "-p", "--client", "x"],
                            capture_output=True, text=True, env=mta.environment, cwd="/")
    assert result.returncode == 69 and "only the super-user and the owner of the queue" in result.stderr


def test_oldest(mta):
    age(mta, "both", 5)
    lines = mta.run("postqueue", "--oldest", check=True).stdout.splitlines()
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
    assert re.fullmatch(rf"aol\.com 3 {stamp} host 127\.0\.0\.1\[127\.0\.0\.1\] said: 451 4\.7\.1 greylisted \(in reply to RCPT TO command\)", lines[0])
    assert re.fullmatch(rf"yahoo\.com 2 {stamp} host .* over quota .*", lines[1])
    assert re.fullmatch(rf"fine\.example 1 {stamp} host .* later .*", lines[2]) and len(lines) == 3
    then = time.mktime(time.strptime(lines[0].split()[2], "%Y-%m-%dT%H:%M:%S"))
    assert abs(time.time() - 5 * 3600 - then) < 120
    assert mta.run("postqueue", "--oldest", "Yahoo.com").stdout == lines[1] + "\n"
    found = [json.loads(line) for line in mta.run("postqueue", "--oldest", "--json").stdout.splitlines()]
    assert [(f["domain"], f["messages"], f["oldest_arrival_time"]) for f in found][0] == ("aol.com", 3, int(then))
    assert "greylisted" in found[0]["reason"] and set(found[0]) == {"domain", "messages", "oldest_arrival_time", "reason"}


def test_top(mta):
    def top(*arguments):
        return [tuple(line.split(None, 2)) for line in mta.run("postqueue", "--top", *arguments, check=True).stdout.splitlines()]

    assert [(count, key) for count, _, key in top("domain")] == [("3", "aol.com"), ("2", "yahoo.com"), ("1", "fine.example")]
    assert [(count, key) for count, _, key in top("sender", "1")] == [("2", "news@shop.example")]
    assert {key for _, _, key in top("recipient")} == {"a@yahoo.com", "b@Yahoo.com", "c@aol.com", "d@aol.com", "e@aol.com", "f@fine.example"}
    assert "greylisted" in top("reason")[0][2]
    entry = json.loads(mta.run("postqueue", "--top", "sender", "--json", "--larger", "10k").stdout)
    assert entry["sender"] == "boss@pay.adp.com" and entry["messages"] == 1 and entry["bytes"] > 19000
