"""The same program as lmtp: sockets in the file system, LHLO, and an answer for each recipient."""
import os
import re

import pytest

from harness.agent import Agent
from harness.scripted import Scripted

RECIPIENTS = ["a@d.example", "b@d.example", "c@d.example"]


@pytest.fixture
def agent(directory):
    running = Agent(directory, "lmtp", {"lmtp_lhlo_timeout": "1s", "lmtp_data_done_timeout": "1s"})
    yield running
    running.finish()
    Scripted.close_all()


def outcome(agent, address):
    return re.search(r"relay=([^,]+), .*dsn=([^,]+), status=(\S+) \((.*)\)$", agent.line(address)).groups()


@pytest.fixture
def make_store(agent):
    def make(**answers):
        path = agent.spool / "private/store"
        server = Scripted(path=path, **answers)
        os.chmod(path, 0o666)
        return server
    return make


STORE = "mail.test.example[private/store]"


def test_an_answer_for_each(agent, make_store):
    server = make_store(end=b"250 2.1.5 saved\r\n552 5.2.2 full\r\n451 4.2.0 locked\r\n")
    reply = agent.deliver(nexthop="unix:private/store", recipients=RECIPIENTS, notify=[2, 0, 0])
    assert outcome(agent, RECIPIENTS[0]) == (STORE, "2.1.5", "sent", "250 2.1.5 saved")
    assert outcome(agent, RECIPIENTS[1]) == (
        STORE, "5.2.2", "bounced", f"host {STORE} said: 552 5.2.2 full (in reply to end of DATA command)")
    assert outcome(agent, RECIPIENTS[2]) == (
        STORE, "4.2.0", "deferred", f"host {STORE} said: 451 4.2.0 locked (in reply to end of DATA command)")
    assert reply["deferred"] == 1 and agent.done(reply) == RECIPIENTS[:2]
    assert server.lines[0] == "LHLO mail.test.example\r\n"
    assert [(r["service"], r["action"]) for r in agent.records if r["recipient"] == RECIPIENTS[0]] == \
        [("trace", "delivered")]


def test_refused_recipients_have_no_answer(agent, make_store):
    make_store(rcpt=["250 ok", "550 5.1.1 nobody", "250 ok"], end=b"250 2.0.0 one\r\n250 2.0.0 three\r\n")
    assert agent.deliver(nexthop="unix:private/store", recipients=RECIPIENTS)["deferred"] == 0
    assert [outcome(agent, r)[2:] for r in RECIPIENTS] == [
        ("sent", "250 2.0.0 one"), ("bounced", f"host {STORE} said: 550 5.1.1 nobody (in reply to RCPT TO command)"),
        ("sent", "250 2.0.0 three")]


def test_answers_that_stay_away(agent, make_store):
    make_store(end=b"250 2.0.0 saved\r\n")
    reply = agent.deliver(nexthop="unix:private/store", recipients=RECIPIENTS)
    assert agent.done(reply) == RECIPIENTS[:1] and reply["deferred"] == 2
    assert outcome(agent, RECIPIENTS[2]) == (STORE, "4.4.2", "deferred", f"conversation with {STORE} timed out while "
                                             "sending end of data -- message may be sent more than once")


def test_inet(agent):
    server = Scripted()
    agent.deliver(nexthop=f"inet:127.0.0.1:{server.port}", recipients=RECIPIENTS[:1])
    assert outcome(agent, RECIPIENTS[0])[::2] == (f"127.0.0.1[127.0.0.1]:{server.port}", "sent")


def test_no_lhlo(agent, make_store):
    make_store(lhlo="500 5.5.1 what?")
    agent.deliver(nexthop="unix:private/store", recipients=RECIPIENTS[:1])
    assert outcome(agent, RECIPIENTS[0]) == (STORE, "5.5.1", "bounced",
                                             f"host {STORE} refused to talk to me: 500 5.5.1 what?")


def test_no_socket(agent):
    reply = agent.deliver(nexthop="unix:private/store", recipients=RECIPIENTS[:1])
    assert outcome(agent, RECIPIENTS[0]) == ("none", "4.4.1", "deferred",
                                             f"connect to {STORE}: No such file or directory")
    assert reply["status"] == 1
