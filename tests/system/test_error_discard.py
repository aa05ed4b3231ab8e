"""The delivery agents that deliver nowhere. What they say is what Debian's Postfix says."""
import re

import pytest

from harness.agent import Agent


@pytest.fixture
def run(directory):
    agents = []

    def make(program, nexthop, service=None, **request):
        path = directory / str(len(agents))
        path.mkdir(mode=0o755)
        agents.append(Agent(path, program, service=service))
        reply = agents[-1].deliver(nexthop=nexthop, **request)
        line = agents[-1].line("u@d.example")
        assert "relay=none, delay=" in line
        return agents[-1], reply, re.search(r"dsn=([^,]+), status=(\S+) \((.*)\)$", line).groups()

    yield make
    for agent in agents:
        agent.finish()


@pytest.mark.parametrize("service, nexthop, dsn, status, reason", [
    ("error", "plain text", "5.0.0", "bounced", "plain text"),
    ("error", "5.7.1 with code", "5.7.1", "bounced", "with code"),
    ("error", "4.7.1 soft code", "5.0.0", "bounced", "soft code"),
    ("error", "4.2.2", "5.0.0", "bounced", ""),
    ("error", "", "5.0.0", "bounced", "Address is undeliverable"),
    ("retry", "hard later", "4.0.0", "deferred", "hard later"),
    ("retry", "4.7.7 fours", "4.7.7", "deferred", "fours"),
    ("retry", "5.9.9 fives", "4.0.0", "deferred", "fives"),
])
def test_error(run, service, nexthop, dsn, status, reason):
    agent, reply, outcome = run("error", nexthop, service)
    assert outcome == (dsn, status, reason)
    assert reply["deferred"] == (status == "deferred") and reply["status"] == 0
    assert [(r["service"], r["recipient"], r["dsn"], r["reason"]) for r in agent.records] == \
        [("bounce" if status == "bounced" else "defer", "u@d.example", dsn, reason)]
    assert agent.done(reply) == (["u@d.example"] if status == "bounced" else [])


@pytest.mark.parametrize("nexthop, dsn, reason", [
    ("silently", "2.0.0", "silently"), ("2.9.9 foo bar", "2.9.9", "foo bar"), ("5.9.9 foo", "2.0.0", "foo"),
])
def test_discard(run, nexthop, dsn, reason):
    agent, reply, outcome = run("discard", nexthop, recipients=["u@d.example", "v@d.example"], notify=[2, 0])
    assert outcome == (dsn, "sent", reason)
    assert agent.done(reply) == ["u@d.example", "v@d.example"]
    assert [(r["service"], r["recipient"], r["action"]) for r in agent.records] == \
        [("trace", "u@d.example", "delivered")]


def test_orig_to(run):
    agent, _, _ = run("discard", "x", recipients=["u@d.example"], originals=["other@d.example"])
    assert agent.line("u@d.example").startswith("to=<u@d.example>, orig_to=<other@d.example>, relay=none, delay=")


def test_damaged_requests(run):
    agent, _, _ = run("discard", "x")
    assert agent.deliver(rcpt_offset=["x"], queue_id="nonsense")["deferred"] == 1
    assert agent.deliver(queue_id="0123456789AB")["deferred"] == 1
    assert agent.deliver(queue_name="../etc")["deferred"] == 1
    assert agent.alive()


def test_file_that_moved_to_the_active_queue_meanwhile(run):
    agent, reply, outcome = run("discard", "x", queue_name="incoming")  # where it is not any more
    assert outcome == ("2.0.0", "sent", "x")
    assert agent.done(reply) == ["u@d.example"]
