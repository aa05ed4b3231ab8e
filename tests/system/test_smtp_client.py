"""The SMTP client against servers that answer well, badly and with malice."""
import re
import time

import pytest

from harness.agent import Agent
from harness.scripted import NO_PIPELINING, Scripted
from harness.waiting import wait_until

PATIENCE = {"smtp_helo_timeout": "1s", "smtp_mail_timeout": "1s", "smtp_rcpt_timeout": "1s",
            "smtp_data_init_timeout": "1s", "smtp_data_xfer_timeout": "2s", "smtp_data_done_timeout": "1s"}


@pytest.fixture
def make_agent(directory):
    agents = []

    def make(main=None, **options):
        path = directory / str(len(agents))
        path.mkdir()
        path.chmod(0o755)
        agents.append(Agent(path, "smtp", PATIENCE | (main or {}), **options))
        return agents[-1]

    yield make
    for agent in agents:
        agent.finish()
    Scripted.close_all()


@pytest.fixture
def agent(make_agent):
    return make_agent()


def outcome(agent, address="u@d.example"):
    """(relay, dsn, status, reason)"""
    return re.search(r"relay=([^,]+), .*dsn=([^,]+), status=(\S+) \((.*)\)$", agent.line(address)).groups()


HOST = "127.0.0.1[127.0.0.1]"


# What Debian's Postfix makes of the same servers, word for word.
@pytest.mark.parametrize("answers, dsn, status, reason", [
    ({}, "2.0.0", "sent", "250 2.0.0 queued as X"),
    ({"greeting": "421 4.3.2 busy"}, "4.3.2", "deferred", f"host {HOST} refused to talk to me: 421 4.3.2 busy"),
    ({"greeting": "554 5.3.2 no"}, "4.3.2", "deferred", f"host {HOST} refused to talk to me: 554 5.3.2 no"),
    ({"greeting": None}, "4.4.2", "deferred",
     f"lost connection with {HOST} while receiving the initial server greeting"),
    ({"greeting": 5}, "4.4.2", "deferred",
     f"conversation with {HOST} timed out while receiving the initial server greeting"),
    ({"ehlo": "502 5.5.1 what"}, "2.0.0", "sent", "250 2.0.0 queued as X"),
    ({"ehlo": "502 5.5.1 what", "helo": "550 5.7.1 no helo"}, "5.7.1", "bounced",
     f"host {HOST} refused to talk to me: 550 5.7.1 no helo"),
    ({"ehlo": "421 4.0.0 later"}, "4.0.0", "deferred", f"host {HOST} refused to talk to me: 421 4.0.0 later"),
    ({"ehlo": None}, "4.4.2", "deferred", f"lost connection with {HOST} while performing the EHLO handshake"),
    ({"mail": "550 5.7.1 bad"}, "5.7.1", "bounced", f"host {HOST} said: 550 5.7.1 bad (in reply to MAIL FROM command)"),
    ({"mail": "451 4.7.1 wait"}, "4.7.1", "deferred",
     f"host {HOST} said: 451 4.7.1 wait (in reply to MAIL FROM command)"),
    ({"mail": "421 4.4.2 bye"}, "4.4.2", "deferred", f"host {HOST} said: 421 4.4.2 bye (in reply to MAIL FROM command)"),
    ({"mail": "550-one\r\n550-two\r\n550 three"}, "5.0.0", "bounced",
     f"host {HOST} said: 550-one 550-two 550 three (in reply to MAIL FROM command)"),
    ({"mail": None}, "4.4.2", "deferred", f"lost connection with {HOST} while sending MAIL FROM"),
    ({"mail": 5}, "4.4.2", "deferred", f"conversation with {HOST} timed out while sending MAIL FROM"),
    ({"rcpt": "550 5.1.1 nobody"}, "5.1.1", "bounced",
     f"host {HOST} said: 550 5.1.1 nobody (in reply to RCPT TO command)"),
    ({"rcpt": "550 4.1.1 odd"}, "5.0.0", "bounced", f"host {HOST} said: 550 4.1.1 odd (in reply to RCPT TO command)"),
    ({"rcpt": "450 busy"}, "4.0.0", "deferred", f"host {HOST} said: 450 busy (in reply to RCPT TO command)"),
    ({"rcpt": None, "ehlo": NO_PIPELINING}, "4.4.2", "deferred", f"lost connection with {HOST} while sending RCPT TO"),
    ({"data": "554 5.5.0 no"}, "5.5.0", "bounced", f"host {HOST} said: 554 5.5.0 no (in reply to DATA command)"),
    ({"data": "451 not now"}, "4.0.0", "deferred", f"host {HOST} said: 451 not now (in reply to DATA command)"),
    ({"data": "250 hm"}, "5.5.0", "bounced", f"Protocol error: host {HOST} said: 250 hm (in reply to DATA command)"),
    ({"data": None, "ehlo": NO_PIPELINING}, "4.4.2", "deferred",
     f"lost connection with {HOST} while sending DATA command"),
    ({"end": "554 5.7.0 spam"}, "5.7.0", "bounced",
     f"host {HOST} said: 554 5.7.0 spam (in reply to end of DATA command)"),
    ({"end": "452 4.3.1 full"}, "4.3.1", "deferred",
     f"host {HOST} said: 452 4.3.1 full (in reply to end of DATA command)"),
    ({"end": None}, "4.4.2", "deferred",
     f"lost connection with {HOST} while sending end of data -- message may be sent more than once"),
    ({"end": 5}, "4.4.2", "deferred",
     f"conversation with {HOST} timed out while sending end of data -- message may be sent more than once"),
    ({"ehlo": "250-scripted\r\n250 SIZE 10"}, "5.3.4", "bounced",
     f"message size 18 exceeds size limit 10 of server {HOST}"),
])
def test_answers(agent, answers, dsn, status, reason):
    server = Scripted(**answers)
    reply = agent.deliver(nexthop=server.nexthop)
    assert outcome(agent) == (f"{HOST}:{server.port}", dsn, status, reason)
    assert reply["deferred"] == (status == "deferred")
    assert agent.done(reply) == ([] if status == "deferred" else ["u@d.example"])
    handshake = "refused to talk" in reason or "handshake" in reason or "greeting" in reason
    assert reply["status"] == (1 if handshake and status == "deferred" else 0)
    said = re.search(r"(?:said|refused to talk to me): (.*?)(?: \(in reply to .*)?$", reason)
    for entry in agent.records:
        assert (entry["diag_type"], entry["diag_text"], entry["mta_type"], entry["mta_name"]) == \
            (("smtp", said.group(1), "dns", "127.0.0.1") if said else ("", "", "", ""))
    kept = [(r["service"], r["action"], r["dsn"], r["reason"]) for r in agent.records]
    assert kept == {"sent": [], "deferred": [("defer", "delayed", dsn, reason)],
                    "bounced": [("bounce", "failed", dsn, reason)]}[status]


def test_what_is_said(agent):
    server = Scripted(ehlo="250-scripted\r\n250-SIZE 100000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 PIPELINING")
    agent.deliver(nexthop=server.nexthop, sender="a b@x.example", encoding="8bit", dsn_ret=2, dsn_envid="id+1",
                  recipients=["u@d.example", "v@d.example"], notify=[6, 1], orcpt=["rfc822;o=u@d.example", ""],
                  content=b"Subject: x\n\n.dot\ncarriage\rreturn\n\xc3\xbc")
    wait_until(lambda: len(server.lines) == 6, 5)
    assert server.lines == [
        "EHLO mail.test.example\r\n",
        'MAIL FROM:<"a b"@x.example> SIZE=35 BODY=8BITMIME RET=HDRS ENVID=id+2B1\r\n',
        "RCPT TO:<u@d.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o+3Du@d.example\r\n",
        "RCPT TO:<v@d.example> NOTIFY=NEVER\r\n",
        "DATA\r\n",
        "QUIT\r\n"]
    assert server.bodies == [b"Subject: x\r\n\r\n..dot\r\ncarriage return\r\n\xc3\xbc\r\n"]
    assert agent.records == []  # the server took over NOTIFY=SUCCESS


def test_success_is_reported_when_the_server_will_not(agent):
    server = Scripted()
    agent.deliver(nexthop=server.nexthop, notify=[2])
    assert [(r["service"], r["action"]) for r in agent.records] == [("trace", "relayed")]
    assert server.lines[1] == "MAIL FROM:<a@b.example>\r\n"


def test_never_means_no_bounce(agent):
    server = Scripted(rcpt="550 5.1.1 nobody")
    reply = agent.deliver(nexthop=server.nexthop, notify=[1])
    assert agent.records == [] and agent.done(reply) == ["u@d.example"]


def test_8bit_becomes_quoted_printable(agent):
    server = Scripted()
    content = "MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n\ngrüß\n"
    agent.deliver(nexthop=server.nexthop, encoding="8bit", content=content)
    assert server.bodies == [b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
                             b"gr=C3=BC=C3=9F\r\n"]


@pytest.mark.parametrize("sender, content, needed", [
    ("a@b.example", "Subject: x\n\ngrüß\n", False),
    ("ü@b.example", "Subject: x\n\n", True),
    ("a@b.example", "Subject: grüß\n\n", True),
])
def test_smtputf8(agent, sender, content, needed):
    agent.deliver(nexthop=Scripted().nexthop, sendopts=1, sender=sender, content=content)
    assert outcome(agent)[1:] == (("5.6.7", "bounced", f"SMTPUTF8 is required, but was not offered by host {HOST}")
                                  if needed else ("2.0.0", "sent", "250 2.0.0 queued as X"))


def test_soft_bounce(make_agent):
    agent = make_agent({"soft_bounce": "yes"})
    reply = agent.deliver(nexthop=Scripted(rcpt="550 5.1.1 nobody").nexthop)
    assert outcome(agent)[1:3] == ("4.1.1", "SOFTBOUNCE")
    assert reply["deferred"] == 1 and agent.records[0]["service"] == "defer"


def test_nothing_is_lost_without_a_bounce_service(make_agent):
    agent = make_agent(bounce=False)
    reply = agent.deliver(nexthop=Scripted(rcpt="550 5.1.1 nobody").nexthop)
    assert reply["deferred"] == 1 and agent.done(reply) == []
    assert outcome(agent)[1:] == ("4.3.0", "deferred", "bounce failed")


@pytest.mark.parametrize("ehlo", [NO_PIPELINING, "250-scripted\r\n250 PIPELINING"])
def test_recipients_part(agent, ehlo):
    server = Scripted(rcpt=["550 5.1.1 no", "450 4.2.1 later", "250 ok"], ehlo=ehlo)
    reply = agent.deliver(nexthop=server.nexthop, recipients=["a@d.example", "b@d.example", "c@d.example"])
    assert [outcome(agent, f"{x}@d.example")[2] for x in "abc"] == ["bounced", "deferred", "sent"]
    assert reply["deferred"] == 1 and sorted(agent.done(reply)) == ["a@d.example", "c@d.example"]
    assert server.lines[1:6] == ["MAIL FROM:<a@b.example>\r\n", *(f"RCPT TO:<{x}@d.example>\r\n" for x in "abc"),
                                 "DATA\r\n"]


def test_no_data_without_a_recipient(agent):
    server = Scripted(rcpt="550 5.1.1 no", ehlo=NO_PIPELINING)
    agent.deliver(nexthop=server.nexthop)
    assert "DATA\r\n" not in server.lines
    server = Scripted(rcpt="550 5.1.1 no", data="354 go on")
    agent.deliver(nexthop=server.nexthop)
    assert server.bodies == [b""]


def test_the_next_server_is_asked(agent):
    first, second = Scripted(rcpt=["250 ok", "450 4.2.1 later"]), Scripted()
    reply = agent.deliver(nexthop=f"[127.0.0.1]:1 {first.nexthop},{second.nexthop}",
                          recipients=["a@d.example", "b@d.example"])
    assert outcome(agent, "a@d.example")[0] == f"{HOST}:{first.port}"
    assert outcome(agent, "b@d.example")[0] == f"{HOST}:{second.port}"
    assert reply["deferred"] == 0
    assert f"connect to {HOST}:1: Connection refused" in agent.log


def test_no_second_copy_after_a_lost_end(agent):
    first, second = Scripted(end=None), Scripted()
    assert agent.deliver(nexthop=f"{first.nexthop} {second.nexthop}")["deferred"] == 1
    assert second.sessions == 0


def test_fallback_relay(make_agent):
    server = Scripted()
    agent = make_agent({"smtp_fallback_relay": server.nexthop})
    assert agent.deliver(nexthop="[no-such-host.invalid]")["deferred"] == 0
    assert outcome(agent)[2] == "sent"


@pytest.mark.parametrize("nexthop, relay, dsn, status, reason", [
    ("[127.0.0.1]:1", "none", "4.4.1", "deferred", f"connect to {HOST}:1: Connection refused"),
    ("[no-such-host.invalid]", "none", "5.4.4", "bounced",
     "unable to look up host no-such-host.invalid: Name or service not known"),
    ("[127.0.0.1]:no-such-port", "none", "4.3.5", "deferred", "unknown service: no-such-port"),
    ("", "none", "4.3.0", "deferred", "no server to deliver to"),
])
def test_unreachable(agent, nexthop, relay, dsn, status, reason):
    agent.deliver(nexthop=nexthop)
    assert outcome(agent) == (relay, dsn, status, reason)


def test_connections_are_used_again(make_agent):
    agent, server = make_agent({"smtp_connection_cache_destinations": "127.0.0.1"}), Scripted()
    for i in range(5):
        agent.deliver(nexthop=server.nexthop, recipients=[f"u{i}@d.example"])
    assert server.sessions == 1 and len(server.bodies) == 5
    assert "conn_use" not in agent.line("u0@d.example") and "conn_use=5, delay=" in agent.line("u4@d.example")
    time.sleep(3)
    assert server.lines[-1] == "QUIT\r\n"


def test_quit_comes_before_the_process_ends(make_agent):
    agent, server = make_agent({"smtp_connection_cache_destinations": "127.0.0.1"}), Scripted()
    agent.deliver(nexthop=server.nexthop)
    assert server.lines[-1] == "DATA\r\n"
    agent.control.send(b"D")
    agent.channel.shutdown(2)
    assert agent.process.wait(5) == 0
    assert server.lines[-1] == "QUIT\r\n"
    agent.ended = True


def test_ipv6(make_agent):
    agent, server = make_agent({"inet_protocols": "all"}), Scripted(address="::1")
    agent.deliver(nexthop=server.nexthop)
    assert outcome(agent)[::2] == (f"::1[::1]:{server.port}", "sent")
    agent = make_agent({"inet_protocols": "ipv4"})
    agent.deliver(nexthop=server.nexthop)
    assert outcome(agent)[2] == "bounced"


def test_bind_address(make_agent):
    server = Scripted(greeting=lambda s, c, l: f"220 {c.getpeername()[0]} ESMTP", ehlo=lambda s, c, l: b"250 x\r\n",
                      rcpt=lambda s, c, l: f"550 {c.getpeername()[0]}")
    agent = make_agent({"smtp_bind_address": "127.0.0.9"})
    agent.deliver(nexthop=server.nexthop)
    assert "550 127.0.0.9" in outcome(agent)[3]
    agent = make_agent({"smtp_bind_address": "192.0.2.1"})
    agent.deliver(nexthop=server.nexthop)
    assert "550 127.0.0.1" in outcome(agent)[3]
    agent = make_agent({"smtp_bind_address": "192.0.2.1", "smtp_bind_address_enforce": "yes"})
    agent.deliver(nexthop=server.nexthop)
    assert outcome(agent)[2] == "deferred"


def test_a_dead_connection_is_replaced_silently(make_agent):
    agent = make_agent({"smtp_connection_cache_destinations": "127.0.0.1"})
    server = Scripted(mail=["250 ok", "421 4.4.2 idle for too long", "250 ok", None, "250 ok"])
    for i in range(3):
        assert agent.deliver(nexthop=server.nexthop, recipients=[f"u{i}@d.example"])["deferred"] == 0
    assert server.sessions == 3 and len(server.bodies) == 3
    assert all("to=<" in line for line in agent.log)


def test_reset_before_the_next_message(make_agent):
    agent = make_agent({"smtp_connection_cache_destinations": "127.0.0.1"})
    server = Scripted(ehlo=NO_PIPELINING, rcpt=["550 5.1.1 nobody", "250 ok"])
    agent.deliver(nexthop=server.nexthop)
    assert agent.deliver(nexthop=server.nexthop, recipients=["v@d.example"])["deferred"] == 0
    assert server.sessions == 1
    assert [line.split()[0] for line in server.lines] == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"]


def test_many_recipients_without_deadlock(agent):
    server = Scripted(rcpt="250 2.1.5 " + "x" * 1900)
    recipients = [f"{'r' * 50}{i}@d.example" for i in range(2000)]
    assert agent.deliver(nexthop=server.nexthop, recipients=recipients, timeout=60)["deferred"] == 0


def flood(data):
    def answer(server, connection, line):
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            connection.sendall(data)
        return None
    return answer


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "mail", "rcpt", "data", "end"])
@pytest.mark.parametrize("malice", [
    flood(b"x" * 65536), flood(b"250-more\r\n" * 1000), flood(b"\0" * 4096), flood(b"\r\n" * 4096),
    b"\xff\xfe\0\0\r\n550 \x1b[2J\0\r\n", b"250 ok\r\n" * 5000, b"2\r\n25\r\n250\r\n", b"-1 \r\n999 x\r\n",
    b"550-" + b"y" * 100000 + b"\r\n550 z\r\n",
], ids=["line", "lines", "nul", "empty", "binary", "ahead", "short", "codes", "long"])
def test_malice_hurts_only_itself(agent, stage, malice):
    bad, good = Scripted(**{stage: malice}), Scripted()
    call = agent.send(nexthop=bad.nexthop, recipients=["bad@d.example"])
    assert agent.deliver(nexthop=good.nexthop, recipients=["good@d.example"])["deferred"] == 0
    agent.wait(call)
    resident = int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{agent.process.pid}/status").read()).group(1))
    assert agent.alive() and resident < 200000
    assert all(line.isprintable() for line in agent.log)


def test_a_damaged_queue_file_waits(agent):
    server = Scripted()
    call = agent.send(nexthop=server.nexthop, content="Subject: x\n\n" + "x" * 100000 + "\n", data_offset=3)
    assert agent.wait(call)["deferred"] == 1
    assert server.bodies == []
