"""The SMTP client logs in: names and passwords, mechanisms, refusals, tokens, connections that are used again."""
import os
import pwd
import re

import pytest

from harness.agent import Agent
from harness.scripted import Scripted
from harness.smtp_login import FAILED, OK, Login, encode, offer
from harness.waiting import wait_until

HOST = "127.0.0.1[127.0.0.1]"
SETTINGS = {"smtp_sasl_auth_enable": "yes", "smtp_sasl_security_options": "noanonymous", "smtp_helo_timeout": "5s",
            "smtp_sasl_password_maps": "inline:{127.0.0.1=joe:secret}", "recipient_delimiter": "+"}


@pytest.fixture
def make_agent(directory):
    agents = []

    def make(main=None, program="smtp", **options):
        path = directory / str(len(agents))
        path.mkdir()
        path.chmod(0o755)
        if os.geteuid() == 0:
            os.chown(path, pwd.getpwnam("postfix").pw_uid, -1)
        settings = SETTINGS | (main or {})
        if program == "lmtp":
            settings = {name.replace("smtp_", "lmtp_", 1).replace("helo", "lhlo"): value
                        for name, value in settings.items()}
        agents.append(Agent(path, program, settings, **options))
        return agents[-1]

    yield make
    for agent in agents:
        agent.finish()
        assert "secret" not in "\n".join(agent.log) and encode("secret") not in "\n".join(agent.log)
    Scripted.close_all()


def outcome(agent, address="u@d.example"):
    """(dsn, status, reason)"""
    return re.search(r"dsn=([^,]+), status=(\S+) \((.*)\)$", agent.line(address)).groups()


SENT = ("2.0.0", "sent", "250 2.0.0 queued as X")


# ---- mechanisms ----

@pytest.mark.parametrize("offered, settings, used", [
    (["PLAIN", "LOGIN"], {}, ["PLAIN", "\0joe\0secret"]),
    (["LOGIN", "PLAIN"], {}, ["PLAIN", "\0joe\0secret"]),
    (["plain"], {}, ["PLAIN", "\0joe\0secret"]),
    (["LOGIN"], {}, ["LOGIN", "joe", "secret"]),
    (["PLAIN", "LOGIN", "CRAM-MD5"], {}, ["CRAM-MD5", "joe "]),
    (["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"], {}, ["SCRAM-SHA-256", "n,,n=joe,r="]),
    (["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "GSSAPI"], {}, ["SCRAM-SHA-256", "n,,n=joe,r="]),
    (["PLAIN", "LOGIN", "CRAM-MD5"], {"smtp_sasl_security_options": "noactive"}, ["PLAIN", "\0joe\0secret"]),
    (["PLAIN", "LOGIN", "CRAM-MD5"], {"smtp_sasl_security_options": "noplaintext"}, ["CRAM-MD5", "joe "]),
    (["PLAIN", "CRAM-MD5", "SCRAM-SHA-256"], {"smtp_sasl_security_options": "mutual_auth"},
     ["SCRAM-SHA-256", "n,,n=joe,r="]),
    (["PLAIN", "LOGIN", "CRAM-MD5"], {"smtp_sasl_mechanism_filter": "plain, login"}, ["PLAIN", "\0joe\0secret"]),
    (["PLAIN", "LOGIN"], {"smtp_sasl_mechanism_filter": "!plain, static:rest"}, ["LOGIN", "joe", "secret"]),
    (["PLAIN", "XOAUTH2", "OAUTHBEARER"], {}, ["PLAIN", "\0joe\0secret"]),
    (["PLAIN", "XOAUTH2"], {"smtp_sasl_mechanism_filter": "xoauth2"}, ["XOAUTH2", "user=joe\1auth=Bearer secret\1\1"]),
    (["XOAUTH2", "OAUTHBEARER"], {"smtp_sasl_mechanism_filter": "xoauth2 oauthbearer"},
     ["OAUTHBEARER", "n,a=joe,\1host=127.0.0.1\1port=%d\1auth=Bearer secret\1\1"]),
    (["PLAIN"], {"send_cyrus_sasl_authzid": "yes"}, ["PLAIN", "joe\0joe\0secret"]),
])
def test_mechanisms(make_agent, offered, settings, used):
    login = Login()
    server = Scripted(ehlo=offer(*offered), auth=login)
    agent = make_agent(settings)
    agent.deliver(nexthop=server.nexthop)
    assert outcome(agent) == SENT
    assert login.tried[0][0] == used[0]
    for said, expected in zip(login.tried[0][1:], used[1:]):
        assert said.startswith(expected % server.port if "%d" in expected else expected)
    assert "secret" not in used[1] or login.tried[0][1] == (used[1] % server.port if "%d" in used[1] else used[1])
    assert [line.split(":")[0] for line in server.lines if line[0] in "MR"] == ["MAIL FROM", "RCPT TO"]


@pytest.mark.parametrize("arguments", [[], ["-c"]])
def test_a_name_beyond_ascii(make_agent, arguments):
    """RFC 4013: the one form of it, even where the root directory has no libraries."""
    login = Login()
    server = Scripted(ehlo=offer("SCRAM-SHA-256"), auth=login)
    agent = make_agent({"smtp_sasl_password_maps": "inline:{127.0.0.1=\u2168x:secret}"}, arguments=arguments)
    agent.deliver(nexthop=server.nexthop)
    assert login.tried[0][1].startswith("n,,n=IXx,r=")


def test_old_servers_offer(make_agent):
    login = Login()
    server = Scripted(ehlo="250-x\r\n250-AUTH=PLAIN\r\n250 AUTH GSSAPI", auth=login)
    agent = make_agent()
    agent.deliver(nexthop=server.nexthop)
    assert login.tried == [["PLAIN", "\0joe\0secret"]] and outcome(agent) == SENT


@pytest.mark.parametrize("offered, settings, reason", [
    (["PLAIN", "LOGIN"], {"smtp_sasl_security_options": "noplaintext, noanonymous"},
     f"SASL authentication failed; cannot authenticate to server {HOST}: no mechanism available"),
    (["XOAUTH2"], {}, f"SASL authentication failed; cannot authenticate to server {HOST}: no mechanism available"),
    (["GSSAPI", "X" * 600], {}, f"SASL authentication failed; cannot authenticate to server {HOST}: no mechanism available"),
    (["PLAIN"], {"smtp_sasl_mechanism_filter": "login"},
     f"SASL authentication failed: server {HOST} offered no compatible authentication mechanisms for this type of "
     "connection security"),
    (["PLAIN"], {"smtp_sasl_password_maps": "fail:x"}, f"local data error while talking to {HOST}"),
])
def test_no_way(make_agent, offered, settings, reason):
    server = Scripted(ehlo=offer(*offered), auth=Login())
    agent = make_agent(settings)
    agent.deliver(nexthop=server.nexthop)
    assert outcome(agent) == ("4.3.0" if "local" in reason else "4.7.0", "deferred", reason)
    assert not any(line.startswith(("AUTH", "MAIL")) for line in server.lines)


def test_mail_goes_without_login(make_agent):
    """No AUTH offered, or none believed, or nobody to log in as: as Postfix does."""
    for settings, lines in (({}, "250 x"), ({"smtp_discard_ehlo_keywords": "auth"}, offer("PLAIN")),
                            ({"smtp_sasl_password_maps": "inline:{other=joe:secret}"}, offer("PLAIN")),
                            ({"smtp_sasl_auth_enable": "no"}, offer("PLAIN"))):
        server = Scripted(ehlo=lines, auth=Login())
        agent = make_agent(settings | {"smtp_send_dummy_mail_auth": "yes"})
        agent.deliver(nexthop=server.nexthop)
        assert outcome(agent) == SENT
        assert server.lines[1] == "MAIL FROM:<a@b.example>\r\n"


def test_dummy_auth(make_agent):
    server = Scripted(ehlo=offer("PLAIN", more=["DSN", "SIZE"]), auth=Login())
    make_agent({"smtp_send_dummy_mail_auth": "yes"}).deliver(nexthop=server.nexthop)
    assert server.lines[2] == "MAIL FROM:<a@b.example> SIZE=18 AUTH=<>\r\n"


def test_lmtp(make_agent):
    login = Login()
    server = Scripted(lhlo=offer("PLAIN"), auth=login)
    agent = make_agent(program="lmtp")
    agent.deliver(nexthop="inet:" + server.nexthop)
    assert outcome(agent) == SENT and login.tried == [["PLAIN", "\0joe\0secret"]]


# ---- names and passwords ----

@pytest.mark.parametrize("table, sender, user", [
    ("{NEXT=next:p} {127.0.0.1=host:p}", "a@b.example", "host"),
    ("{NEXT=next:p}", "a@b.example", "next"),
    ("{NEXT=next:p} {127.0.0.1=host:p} {a@b.example=sender:p}", "a@b.example", "sender"),
    ("{NEXT=next:p} {@b.example=domain:p}", "x+y@b.example", "domain"),
    ("{NEXT=next:p} {x@b.example=plain:p}", "x+y@b.example", "plain"),
    ("{NEXT=next:p} {<>=null:p} {@=at:p}", "", "next"),
    ("{NEXT=next:p} {b=bare:p}", "b@b.example", "next"),
])
def test_lookup_order(make_agent, table, sender, user):
    login = Login(verdict=OK)
    server = Scripted(ehlo=offer("PLAIN"), auth=login)
    tables = "inline:{" + table.replace("NEXT", server.nexthop).replace("} {", "}, {") + "}"
    dependent = "sender" in table or "@" in table
    agent = make_agent({"smtp_sasl_password_maps": tables,
                        "smtp_sender_dependent_authentication": "yes" if dependent else "no"})
    agent.deliver(nexthop=server.nexthop, sender=sender)
    assert login.tried == [["PLAIN", f"\0{user}\0p"]]


def test_sender_does_not_count_unless_asked(make_agent):
    login = Login(verdict=OK)
    server = Scripted(ehlo=offer("PLAIN"), auth=login)
    make_agent({"smtp_sasl_password_maps": "inline:{{127.0.0.1=host:p}, {a@b.example=sender:p}}"}).deliver(
        nexthop=server.nexthop)
    assert login.tried == [["PLAIN", "\0host\0p"]]


@pytest.mark.parametrize("entry, delimiter, said", [
    ("joe:a:b:c", ":", "\0joe\0a:b:c"), ("joe", ":", "\0joe\0"), ("joe:", ":", "\0joe\0"), ("urn:x::pw", "::", "\0urn:x\0pw"),
    ("joe/p w", "/", "\0joe\0p w")])
def test_entries(make_agent, entry, delimiter, said):
    login = Login(verdict=OK)
    server = Scripted(ehlo=offer("PLAIN"), auth=login)
    make_agent({"smtp_sasl_password_maps": "inline:{{127.0.0.1=" + entry + "}}",
                "smtp_sasl_password_result_delimiter": delimiter}).deliver(nexthop=server.nexthop)
    assert login.tried == [["PLAIN", said]]


# ---- refusals: what Debian's Postfix makes of the same, word for word ----

@pytest.mark.parametrize("answer, settings, result", [
    (FAILED, {}, ("4.7.8", "deferred", f"SASL authentication failed; server {HOST} said: {FAILED}")),
    (FAILED, {"smtp_sasl_auth_soft_bounce": "no"},
     ("5.7.8", "bounced", f"SASL authentication failed; server {HOST} said: {FAILED}")),
    ("534 5.7.9 weak", {"smtp_sasl_auth_soft_bounce": "no"},
     ("5.7.9", "bounced", f"SASL authentication failed; server {HOST} said: 534 5.7.9 weak")),
    ("454 4.7.0 later", {}, ("4.7.0", "deferred", f"SASL authentication failed; server {HOST} said: 454 4.7.0 later")),
    (None, {}, ("4.4.2", "deferred", f"lost connection with {HOST} while performing the EHLO handshake")),
    ("503-5.5.1 one\r\n503 5.5.1 two", {},
     ("4.5.1", "deferred", f"SASL authentication failed; server {HOST} said: 503-5.5.1 one 503 5.5.1 two")),
    ("235", {}, SENT),
])
def test_refusals(make_agent, answer, settings, result):
    server = Scripted(ehlo=offer("PLAIN"), auth=answer)
    agent = make_agent(settings)
    reply = agent.deliver(nexthop=server.nexthop)
    assert outcome(agent) == result
    assert reply["deferred"] == (result[1] == "deferred")
    if result is not SENT:
        assert not any(line.startswith("MAIL") for line in server.lines)


@pytest.mark.parametrize("mechanism, answer, reason", [
    ("LOGIN", "334 @@@", "the server's challenge is not in base64"),
    ("LOGIN", "334", None),
    ("PLAIN", "334 " + encode("more"), "the server asks for more than the mechanism has"),
    ("SCRAM-SHA-256", "334 ", "the server's challenge makes no sense"),
    ("SCRAM-SHA-256", "334 " + encode("r=abc,s=AAAA,i=4096"), "the server's challenge is for somebody else"),
    ("SCRAM-SHA-256", OK, "the server has not proved that it knows the password"),
    ("SCRAM-SHA-256", "334 " + encode("x" * 1400), "the server's challenge makes no sense"),
    ("CRAM-MD5", "334 " + encode("\0" * 100), None),
])
def test_servers_that_make_no_sense(make_agent, mechanism, answer, reason):
    server = Scripted(ehlo=offer(mechanism), auth=answer)
    server.answers["*"] = "501 5.7.0 aborted"
    agent = make_agent()
    agent.deliver(nexthop=server.nexthop)
    dsn, status, said = outcome(agent)
    assert status == "deferred" and not any(line.startswith("MAIL") for line in server.lines)
    if reason:
        assert said == f"SASL authentication failed; cannot authenticate to server {HOST}: {reason}"
    if reason and answer != OK:
        assert "*\r\n" in server.lines


def test_server_without_the_password(make_agent):
    """SCRAM proves both sides: a server that only says yes is not believed, nor one that asks for too little work."""
    for change in ("final", "nonce", "iterations", "salt"):
        login = Login()
        if change == "final":
            login.final_change = lambda text: "v=" + encode(b"x" * 32)
        if change == "nonce":
            login.challenge_change = lambda text: text.replace("SERVER", "")
        if change == "iterations":
            login.iterations = 100
        if change == "salt":
            login.challenge_change = lambda text: re.sub("s=[^,]*", "s=", text)
        server = Scripted(ehlo=offer("SCRAM-SHA-256"), auth=login)
        agent = make_agent()
        agent.deliver(nexthop=server.nexthop)
        assert outcome(agent)[1] == "deferred" and login.tried[0][-1] == "*"


def test_refused_logins_are_not_tried_again(make_agent, directory):
    (directory / "cache").mkdir()
    (directory / "cache").chmod(0o777)
    settings = {"smtp_sasl_auth_cache_name": f"proxy:lmdb:{directory}/cache/refused"}
    server = Scripted(ehlo=offer("PLAIN"), auth=Login(password="other"))
    agent = make_agent(settings)
    agent.deliver(nexthop=server.nexthop)
    agent.deliver(nexthop=server.nexthop, recipients=["v@d.example"])
    assert outcome(agent, "v@d.example") == \
        ("4.7.8", "deferred", f"SASL [CACHED] authentication failed; server 127.0.0.1 said: {FAILED}")
    assert len([line for line in server.lines if line.startswith("AUTH")]) == 1
    # Another process knows it too, another password is another login.
    make_agent(settings).deliver(nexthop=server.nexthop)
    assert len([line for line in server.lines if line.startswith("AUTH")]) == 1
    make_agent(settings | {"smtp_sasl_password_maps": "inline:{127.0.0.1=joe:other}"}).deliver(nexthop=server.nexthop)
    assert len([line for line in server.lines if line.startswith("AUTH")]) == 2
    make_agent(settings | {"smtp_sasl_auth_cache_time": "0"}).deliver(nexthop=server.nexthop)
    assert len([line for line in server.lines if line.startswith("AUTH")]) == 3
    assert b"secret" not in (directory / "cache/refused.lmdb").read_bytes()


# ---- connections that are used again ----

def test_connection_of_another_sender_is_not_used(make_agent):
    login = Login(verdict=OK)
    server = Scripted(ehlo=offer("PLAIN"), auth=login)
    tables = "inline:{{a@b.example=ann:p}, {j@b.example=joe:p}, {127.0.0.1=all:p}}"
    agent = make_agent({"smtp_sasl_password_maps": tables, "smtp_sender_dependent_authentication": "yes",
                        "smtp_connection_cache_destinations": "127.0.0.1", "smtp_connection_cache_time_limit": "20s"})
    senders = ["a@b.example", "j@b.example", "a@b.example", "x@b.example", "j@b.example", "", "a@b.example"]
    for sender in senders:
        agent.deliver(nexthop=server.nexthop, sender=sender)
    assert server.sessions == 4
    assert [said[1].split("\0")[1] for said in login.tried] == ["ann", "joe", "all", "all"]
    # Each message went over a session of its own sender's name.
    assert server.lines.count("RSET\r\n") == 0 and len([x for x in server.lines if x.startswith("MAIL")]) == 7


def test_connection_is_used_again(make_agent):
    server = Scripted(ehlo=offer("PLAIN"), auth=Login())
    agent = make_agent({"smtp_connection_cache_destinations": "127.0.0.1"})
    for sender in ("a@b.example", "j@b.example"):
        agent.deliver(nexthop=server.nexthop, sender=sender)
    assert server.sessions == 1 and len([line for line in server.lines if line.startswith("AUTH")]) == 1


# ---- tokens ----

def helper(directory, text):
    path = directory / "token"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


XOAUTH2 = offer("XOAUTH2", "PLAIN")


def test_token_command(make_agent, directory):
    (directory / "runs").touch()
    (directory / "runs").chmod(0o666)
    path = helper(directory, f"""
cat > {directory}/runs.$$
tr '\\0' ' ' < /proc/$$/cmdline >> {directory}/runs
echo >> {directory}/runs
env >> {directory}/runs
ls -l /proc/$$/fd >> {directory}/runs
echo to.ken; echo 3600
""")
    directory.chmod(0o777)
    login = Login(password="to.ken")
    server = Scripted(ehlo=XOAUTH2, auth=login)
    agent = make_agent({"smtp_sasl_token_command": f"{path} --account {{two words}}",
                        "smtp_connection_cache_on_demand": "no"})
    for _ in range(3):
        agent.deliver(nexthop=server.nexthop)
    assert outcome(agent) == SENT
    assert login.tried == [["XOAUTH2", "user=joe\1auth=Bearer to.ken\1\1"]] * 3
    question, = directory.glob("runs.*")  # it ran once
    assert question.read_text() == "username=joe\nhost=127.0.0.1\nsecret=secret\n\n"
    seen = (directory / "runs").read_text()
    assert "secret" not in seen and f"{path} --account two words" in seen
    assert not {"MAIL_CONFIG"} - set(re.findall(r"^(\w+)=", seen, re.M)) and "_OPTIONS=" not in seen
    assert "-> pipe:" in seen and "-> socket:" not in seen and "eventpoll" not in seen and "/spool" not in \
        re.sub("PWD=.*", "", seen), "no descriptor of the service gets there"


def test_token_that_expires_or_is_refused(make_agent, directory):
    (directory / "count").touch()
    (directory / "count").chmod(0o666)
    for life, tokens in (("", ["t1", "t2", "t3"]), ("echo 10", ["t1", "t2", "t3"]), ("echo 3600", ["t1", "t1", "t2"])):
        (directory / "count").write_text("")
        path = helper(directory, f"echo x >> {directory}/count; echo t$(wc -l < {directory}/count); {life}\n")
        login = Login(password="t1")
        server = Scripted(ehlo=XOAUTH2, auth=login)
        agent = make_agent({"smtp_sasl_token_command": str(path), "smtp_connection_cache_on_demand": "no"})
        agent.deliver(nexthop=server.nexthop)
        login.password = "none"
        agent.deliver(nexthop=server.nexthop)  # refused: forgotten
        assert login.tried[-1][-1] == ""
        agent.deliver(nexthop=server.nexthop)
        assert [re.search("Bearer (.*?)\1", said[1]).group(1) for said in login.tried] == tokens


@pytest.mark.parametrize("script, complaint", [
    ("exit 3", "does not print a token"), ("echo token; exit 3", "it ended with status 3"), ("", "does not print a token"),
    ("echo", "does not print a token"), ("echo two words", "does not print a token"), ("printf 'a\\001b\\n'", "does not print a token"),
    ("printf token", "does not print a token"), ("head -c 100000 /dev/zero | tr '\\0' x; echo", "does not print a token"),
    ("kill -9 $$", "does not print a token"), ("echo token; kill -9 $$", "it was ended by signal 9"),
    ("cat > /dev/null & echo token; exec >&-; sleep 0.1; exit 1", "it ended with status 1"),
])
def test_token_command_that_fails(make_agent, directory, script, complaint):
    path = helper(directory, script + "\n")
    login = Login()
    server = Scripted(ehlo=XOAUTH2, auth=login)
    agent = make_agent({"smtp_sasl_token_command": str(path)})
    agent.deliver(nexthop=server.nexthop)
    assert outcome(agent) == ("4.7.0", "deferred", f"SASL authentication failed; cannot authenticate to server {HOST}: "
                              "no token can be had")
    assert login.tried == []
    wait_until(lambda: any(f"smtp_sasl_token_command: {path}: " in line and complaint in line for line in agent.log),
               10, lambda: agent.log)


def test_token_command_that_does_not_exist(make_agent, directory):
    server = Scripted(ehlo=XOAUTH2, auth=Login())
    agent = make_agent({"smtp_sasl_token_command": f"{directory}/none"})
    agent.deliver(nexthop=server.nexthop)
    assert outcome(agent)[1] == "deferred"
    agent = make_agent({"smtp_sasl_token_command": "token"})
    wait_until(lambda: any("the first word has to be an absolute path" in line for line in agent.log))


def test_long_token(make_agent):
    """Too long for a command line (RFC 5321: 512 bytes): it follows when the server asks."""
    token = "x" * 3000
    login = Login(password=token)
    server = Scripted(ehlo=XOAUTH2, auth=login)
    agent = make_agent({"smtp_sasl_mechanism_filter": "xoauth2",
                        "smtp_sasl_password_maps": "inline:{127.0.0.1=joe:" + token + "}"})
    agent.deliver(nexthop=server.nexthop)
    assert outcome(agent) == SENT and "AUTH XOAUTH2\r\n" in server.lines


def test_refused_token(make_agent):
    for mechanism, last in (("XOAUTH2", ""), ("OAUTHBEARER", "\1")):
        login = Login(password="other")
        server = Scripted(ehlo=offer(mechanism), auth=login)
        agent = make_agent({"smtp_sasl_mechanism_filter": mechanism})
        agent.deliver(nexthop=server.nexthop)
        assert outcome(agent) == ("4.7.8", "deferred", f"SASL authentication failed; server {HOST} said: {FAILED}")
        assert login.tried[0][-1] == last
