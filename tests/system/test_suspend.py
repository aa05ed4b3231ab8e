"""postqueue --suspend, --resume, --suspended."""
import json
import re
import subprocess
import time

import pytest

from harness.smtp_sink import Rule
from harness.waiting import wait_until

SLOW = {"minimal_backoff_time": "1h", "maximal_backoff_time": "1h", "queue_run_delay": "1h"}
REASON = r"delivery to yahoo\.com suspended by the administrator"


def send(mta, *recipients):
    with mta.smtp() as client:
        client.ehlo()
        return client.transaction("s@x.example", list(recipients), "Subject: x\r\n\r\ntext\r\n").text.split()[-1]


@pytest.fixture
def sink(make_sink):
    return make_sink()


@pytest.fixture
def mta(make_instance, sink):
    made = make_instance(SLOW | {"relayhost": sink.nexthop})
    made.start()
    return made


def ask(mta, *arguments):
    result = mta.run("postqueue", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_new_mail_waits_other_mail_passes(mta, sink):
    assert ask(mta, "--suspended") == ""
    assert ask(mta, "--suspend", "Yahoo.com") == ""
    assert ask(mta, "--suspended") == "yahoo.com until resumed\n"
    queue_id = send(mta, "a@YAHOO.com", "b@aol.com")
    assert sink.wait_for(1)[0].recipients == ["b@aol.com"]
    mta.wait_log(rf"{queue_id}: to=<a@YAHOO\.com>, relay=none, .* dsn=4\.3\.2, status=deferred \({REASON}\)$")
    wait_until(lambda: mta.queue_files("deferred"), what="deferred message")
    ask(mta, "-f")
    time.sleep(0.5)
    assert len(sink.messages) == 1
    ask(mta, "--resume", "yahoo.com")
    assert sink.wait_for(2)[1].recipients == ["a@YAHOO.com"]
    wait_until(mta.queue_is_empty, what="empty queue")
    assert ask(mta, "--suspended") == ""


def test_what_is_under_way_finishes_what_waits_does_not(make_instance, sink):
    sink.rules.append(Rule("DATA", delay=2))
    mta = make_instance(SLOW | {"relayhost": sink.nexthop, "initial_destination_concurrency": "1",
                                "smtp_destination_concurrency_limit": "1", "smtp_destination_recipient_limit": "10"})
    mta.start()
    send(mta, "first@yahoo.com")
    wait_until(lambda: sink.sessions and any("DATA" in c for c in sink.sessions[0].commands), what="a delivery")
    mixed = send(mta, "second@yahoo.com", "third@aol.com", "fourth@yahoo.com")
    mta.wait_log(rf"{mixed}: from=<s@x\.example>.*queue active")
    ask(mta, "--suspend", "yahoo.com")
    for name in ("second", "fourth"):
        mta.wait_log(rf"{mixed}: to=<{name}@yahoo\.com>, .*status=deferred \({REASON}\)")
    sink.rules.clear()
    sink.wait_for(2)
    assert [m.recipients for m in sink.messages] == [["first@yahoo.com"], ["third@aol.com"]]
    ask(mta, "--resume", "yahoo.com")
    assert sink.wait_for(3)[2].recipients == ["second@yahoo.com", "fourth@yahoo.com"]
    wait_until(mta.queue_is_empty, what="empty queue")


def test_survives_restart_and_reload(mta, sink):
    ask(mta, "--suspend", "yahoo.com")
    ask(mta, "--suspend", "aol.com", "--for", "2h")
    before = ask(mta, "--suspended")
    assert re.fullmatch(r"aol\.com until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\nyahoo\.com until resumed\n", before)
    mta.reload()
    assert ask(mta, "--suspended") == before
    mta.stop()
    mta.start()
    assert ask(mta, "--suspended") == before
    send(mta, "a@yahoo.com")
    mta.wait_log(REASON)
    assert not sink.messages


def test_ends_by_itself(mta, sink):
    ask(mta, "--suspend", "yahoo.com", "--for", "3s")
    send(mta, "a@yahoo.com")
    mta.wait_log(REASON + r" until 2")
    sink.wait_for(1)
    mta.wait_log(r"delivery to yahoo\.com resumed")
    assert ask(mta, "--suspended") == ""


def test_next_hop_by_its_name(mta, sink):
    ask(mta, "--suspend", sink.nexthop)
    send(mta, "a@yahoo.com")
    mta.wait_log(rf"status=deferred \(delivery to {re.escape(sink.nexthop)} suspended")
    ask(mta, "--resume", sink.nexthop)
    sink.wait_for(1)


def test_one_message_all_the_same(mta, sink):
    """Suspended, and one sent to see whether they take it again."""
    ask(mta, "--suspend", "yahoo.com")
    ids = [send(mta, f"r{n}@yahoo.com") for n in range(3)]
    wait_until(lambda: len(mta.queue_files("deferred")) == 3, what="deferred mail")
    ask(mta, "-i", ids[1])
    assert sink.wait_for(1)[0].recipients == ["r1@yahoo.com"]
    time.sleep(0.3)
    assert len(sink.messages) == 1


def test_listings_show_it(mta, sink):
    sink.rules.append(Rule("RCPT", "450 4.2.0 later"))
    send(mta, "a@yahoo.com")
    wait_until(lambda: mta.queue_files("deferred"), what="deferred message")
    ask(mta, "--suspend", "yahoo.com")
    send(mta, "b@aol.com")
    wait_until(lambda: len(mta.queue_files("deferred")) == 2, what="deferred messages")
    assert re.search(r"\n\n-- Suspended: yahoo\.com until resumed\n-- \d+ Kbytes in 2 Requests\.\n$", ask(mta, "-p"))
    recipients = [r for line in ask(mta, "-j").splitlines() for r in json.loads(line)["recipients"]]
    assert {r["address"]: r.get("suspended") for r in recipients} == {"a@yahoo.com": True, "b@aol.com": None}
    assert re.search(r"^yahoo\.com 1 \S+ \(suspended\) ", ask(mta, "--oldest"), re.M)
    assert json.loads(ask(mta, "--oldest", "yahoo.com", "--json"))["suspended"] is True
    assert json.loads(ask(mta, "--suspended", "--json")) == {"domain": "yahoo.com"}


@pytest.mark.parametrize("arguments, error", [
    (["--resume", "yahoo.com"], "yahoo.com is not suspended"), (["--suspend", "a b"], '"a b" is not a domain'),
    (["--suspend", ""], ""), (["--suspend", "a.example", "--for", "never"], "--for never: not a time"),
])
def test_refused(mta, arguments, error):
    mta.expected_errors.append("fatal: ")
    result = mta.run("postqueue", *arguments)
    assert result.returncode == 69 and f"postqueue: fatal: {error}" in result.stderr


@pytest.mark.root
def test_who_may(mta):
    mta.expected_errors.append("not allowed")

    def try_as(user):
        command = ["setpriv", f"--reuid={user}", "--regid=postdrop", "--clear-groups",
                   f"{mta.command_directory}/postqueue", "-c", str(mta.etc), "--suspend", f"{user}.example"]
        return subprocess.run(command, capture_output=True, text=True, env=mta.environment, cwd="/")

    assert re.search(r"fatal: User nobody\(\d+\) is not allowed to suspend destinations\n", try_as("nobody").stderr)
    assert try_as("postfix").stderr == ""
    mta.set_main(authorized_suspend_users="nobody")
    assert try_as("nobody").stderr == ""
    assert ask(mta, "--suspended") == "nobody.example until resumed\npostfix.example until resumed\n"


def test_says_that_it_is_down(make_instance):
    mta = make_instance()
    mta.expected_errors.append("mail system is down")
    result = mta.run("postqueue", "--suspend", "yahoo.com")
    assert result.returncode == 69 and "fatal: Cannot suspend yahoo.com - mail system is down\n" in result.stderr


def test_damaged_file(make_instance, sink):
    mta = make_instance(SLOW | {"relayhost": sink.nexthop})
    (mta.directory / "data/suspended").write_bytes(b"\n\xff\x00 x\nnonsense\nyahoo.com 0\naol.com 5x\n")
    mta.start()
    assert ask(mta, "--suspended") == "yahoo.com until resumed\n"
    mta.wait_log("data/suspended: a line makes no sense")
