"""smtpd_sasl_type = table: users in lookup tables, and postsasl, which makes their entries."""
import base64
import os
import re
import smtplib
import threading

import pytest

from harness.instance import MTA
from harness.login_server import b64, plain
from harness.scram import ScramClient

pytestmark = pytest.mark.skipif(MTA == "postfix", reason="ours alone")

USERS = {"scram": ("scram", "pencil"), "yes": ("yescrypt", "pa ss"), "sha@example.com": ("sha512", "pässword"),
         "com,ma=": ("scram", "pencil"), "andré": ("scram", "pässword")}
SETTINGS = {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "table", "smtpd_peername_lookup": "no",
            "mynetworks": "127.0.0.2", "smtpd_hard_error_limit": "1000", "smtpd_error_sleep_time": "0",
            "defer_transports": "smtp"}


def entry(mta, method, password, *options):
    result = mta.run("postsasl", "-m", method, *options, input=password + "\n")
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.fixture(scope="module")
def mta(module_instance):
    mta = module_instance()
    users = mta.etc / "users"
    users.write_text("".join(f"{name}\t{entry(mta, method, password)}\n" for name, (method, password) in USERS.items())
                     + "both\t" + entry(mta, "sha512", "secret") + " " + entry(mta, "scram", "secret") + "\n"
                     + "dovecot\t{SHA512-CRYPT}" + entry(mta, "sha512", "secret") + "\n"
                     + "clear\tsecret\ndamaged\tSCRAM-SHA-256$4096:abc$x:y\nlong\t" + "$6$" + "x" * 5000 + "\n"
                     + "local@dom.example\t" + entry(mta, "sha256", "secret") + "\n")
    mta.set_main(**SETTINGS, smtpd_sasl_path=f"texthash:{users}", smtpd_sasl_local_domain="")
    mta.start()
    return mta


@pytest.fixture
def client(mta):
    with mta.smtp() as client:
        client.ehlo("here")
        yield client


def test_offer(mta):
    with mta.smtp() as client:
        assert "AUTH PLAIN LOGIN SCRAM-SHA-256" in client.ehlo("here").lines


def test_as_it_was_typed(mta):
    """An accent may be part of its letter or stand behind it (RFC 4013)."""
    name, password = "andre\u0301", "pa\u0308ssword"
    with mta.smtp() as client:
        client.ehlo("here")
        client.command(f"AUTH PLAIN {plain(name, password, 'andré')}", 235)
        client.envelope("a@b.example", ["u@far.example"])
    mta.wait_log("sasl_username=andré")
    with mta.smtp() as client:
        client.ehlo("here")
        client.command(f"AUTH PLAIN {plain(chr(0x0627) + '1', password)}", 535)
    assert mta.run("postsasl", "-t", name, input=password + "\n").returncode == 0


@pytest.mark.parametrize("name, password", [(name, password) for name, (_, password) in USERS.items()]
                         + [("both", "secret"), ("dovecot", "secret")])
def test_plain_and_login(mta, name, password):
    for method in ("PLAIN", "LOGIN"):
        with mta.smtp() as client:
            client.ehlo("here")
            if method == "PLAIN":
                client.command(f"AUTH PLAIN {plain(name, password + 'x')}", 535)
                client.command(f"AUTH PLAIN {plain(name, password[:-1])}", 535)
                client.command(f"AUTH PLAIN {plain(name, password, name)}", 235)
            else:
                client.command("AUTH LOGIN", 334)
                client.command(b64(name), 334)
                client.command(b64(password), 235)
            client.envelope("a@b.example", ["u@far.example"])
    mta.wait_log(f"client=unknown.*, sasl_method=PLAIN, sasl_username={re.escape(name)}$")


def scram(client, name, password, header="n,,", code=235):
    scram = ScramClient(name, password, header)
    challenge = base64.b64decode(client.command(f"AUTH SCRAM-SHA-256 {b64(scram.first())}", 334).text).decode()
    reply = client.command(b64(scram.final(challenge)))
    if code == 535:
        assert reply.code == 535
        return scram
    scram.verify(base64.b64decode(reply.text).decode())
    client.command("", 235)
    return scram


@pytest.mark.parametrize("name, password", [("scram", "pencil"), ("com,ma=", "pencil"), ("both", "secret")])
def test_scram(mta, name, password):
    for header in ("n,,", "y,,", f"n,a={name.replace('=', '=3D').replace(',', '=2C')},"):
        with mta.smtp() as client:
            client.ehlo("here")
            scram(client, name, password + "x", header, 535)
            scram(client, name, password, header)
            client.envelope("a@b.example", ["u@far.example"])
    mta.wait_log(f"sasl_method=SCRAM-SHA-256, sasl_username={re.escape(name)}$")


@pytest.mark.parametrize("first", [
    "", "n", "n,", "n,,", "n,,n=scram", "n,,n=scram,r=", "n,,n=,r=abc", "x,,n=scram,r=abc", "p=tls-unique,,n=scram,r=abc",
    "n,a=other,n=scram,r=abc", "n,b=x,n=scram,r=abc", "n,,m=ext,n=scram,r=abc", "n,,n=sc=41ram,r=abc", "n,,n=scram,r=a\0bc",
    "n,,n=" + "x" * 5000 + ",r=abc", "n,,r=abc,n=scram"])
def test_hostile_scram_first(client, first):
    client.command("AUTH SCRAM-SHA-256", 334)
    reply = client.command(b64(first))
    if reply.code == 334:  # somebody who does not exist
        reply = client.command(b64("c=biws,r=abc,p=AAAA"))
    assert str(reply) == "535 5.7.8 Error: authentication failed: (reason unavailable)"
    client.command("NOOP", 250)


def test_hostile_scram_final(client):
    for change in (lambda f: "", lambda f: f[:-4], lambda f: f.replace("c=biws", "c=eSws"), lambda f: f + ",p=AAAA",
                   lambda f: f.replace(",r=", ",r=x"), lambda f: f.split(",p=")[0], lambda f: "\0" + f,
                   lambda f: f.replace(",p=", ",p=,p="), lambda f: f[:-2] + ("A=" if f[-2] != "A" else "Q=")):
        scram = ScramClient("scram", "pencil")
        challenge = base64.b64decode(client.command(f"AUTH SCRAM-SHA-256 {b64(scram.first())}", 334).text).decode()
        client.command(b64(change(scram.final(challenge))), 535)
    # Right, but what follows is not the end.
    scram = ScramClient("scram", "pencil")
    challenge = base64.b64decode(client.command(f"AUTH SCRAM-SHA-256 {b64(scram.first())}", 334).text).decode()
    client.command(b64(scram.final(challenge)), 334)
    client.command(b64("more"), 535)
    # The proof of one exchange is none for another.
    client.command(f"AUTH SCRAM-SHA-256 {b64(scram.first())}", 334)
    client.command(b64(scram.final(challenge)), 535)


@pytest.mark.parametrize("message", ["", "\0", "\0\0", "joe", "\0scram", "\0scram\0", "\0\0pencil", "\0scram\0pencil\0",
                                     "yes\0scram\0pencil", "\0scram\0pencil\n", "\0" + "x" * 1000 + "\0pencil",
                                     "\0scram\0" + "x" * 600, "\0sc\nram\0pencil", b"\0\xff\xfe\0pencil", "\0clear\0secret",
                                     "\0damaged\0x", "\0long\0x", "\0nobody\0", "\0clear\0", "\0SCRAM \0pencil"])
def test_refused(client, message):
    assert str(client.command(f"AUTH PLAIN {b64(message) or '='}")) == \
        "535 5.7.8 Error: authentication failed: (reason unavailable)"


def test_failures_look_alike(mta, client):
    """A user who does not exist, one with another kind of entry, a wrong password: nothing tells them apart."""
    said, salts = set(), {}
    for name in ("nobody", "scram", "yes", "clear", "x" * 300):
        said.add(str(client.command(f"AUTH PLAIN {plain(name, 'wrong')}")))
        client.command("AUTH LOGIN", 334)
        said.add(str(client.command(b64(name), 334)).replace("334 UGFzc3dvcmQ6", "same"))
        said.add(str(client.command(b64("wrong"))))
        for _ in range(2):
            exchange = scram(client, name, "wrong", code=535)
            salts.setdefault(name, set()).add(exchange.fields["s"])
            assert exchange.fields["i"] == "15000"
            assert len(base64.b64decode(exchange.fields["s"])) == 16
    assert said == {"535 5.7.8 Error: authentication failed: (reason unavailable)", "same"}
    assert all(len(found) == 1 for found in salts.values()), "a salt that changes tells that the user does not exist"
    assert len(set.union(*salts.values())) == len(salts)
    # Other processes say the same.
    mta.reload()
    with mta.smtp() as other:
        other.ehlo("here")
        assert scram(other, "nobody", "wrong", code=535).fields["s"] in salts["nobody"]
    secret = mta.directory / "data/sasl_salt_secret"
    assert secret.stat().st_mode & 0o777 == 0o600 and secret.stat().st_size == 32
    assert secret.stat().st_uid == (mta.directory / "data").stat().st_uid


def test_wrong_entry_is_logged(mta, client):
    client.command(f"AUTH PLAIN {plain('clear', 'secret')}", 535)
    mta.wait_log(r"warning: texthash:\S+: the entry of user clear is neither a crypt\(3\) string nor a SCRAM-SHA-256")
    assert "secret" not in re.sub(r"sasl_salt_secret", "", mta.log())


def test_python_logs_in(mta):
    with smtplib.SMTP("127.0.0.1", mta.port) as client:
        client.login("yes", "pa ss")
        client.sendmail("a@b.example", ["u@far.example"], "Subject: x\r\n\r\nx\r\n")
    with smtplib.SMTP("127.0.0.1", mta.port) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("yes", "wrong")


def test_many_at_once(mta):
    """Guessing does not hold up those beside it."""
    failed = []

    def guess():
        with mta.smtp() as client:
            client.ehlo("here")
            for i in range(3):
                if client.command(f"AUTH PLAIN {plain('yes', str(i))}").code != 535:
                    failed.append(i)

    threads = [threading.Thread(target=guess) for _ in range(30)]
    for thread in threads:
        thread.start()
    with mta.smtp() as client:
        client.ehlo("here")
        client.command(f"AUTH PLAIN {plain('yes', 'pa ss')}", 235)
    for thread in threads:
        thread.join()
    assert not failed


def test_no_core_file(mta, client):
    """Nor may another process of the same user look into it."""
    pid, = {int(pid) for pid in mta.processes("smtpd")} or {0}
    if os.geteuid() == 0:
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0


def test_local_domain(make_instance, mta):
    other = make_instance(SETTINGS | {"smtpd_sasl_path": mta.main["smtpd_sasl_path"],
                                      "smtpd_sasl_local_domain": "dom.example"})
    other.start()
    with other.smtp() as client:
        client.ehlo("here")
        client.command(f"AUTH PLAIN {plain('scram', 'pencil')}", 535)
        client.command(f"AUTH PLAIN {plain('local', 'secret')}", 235)
        client.envelope("a@b.example", ["u@far.example"])
    other.wait_log(r"sasl_method=PLAIN, sasl_username=local@dom\.example$")


@pytest.mark.parametrize("settings, complaint", [
    ({"smtpd_sasl_type": "cyrus"}, r"error: smtpd_sasl_type = cyrus, .*: no such type of login server; there are: dovecot, table"),
    ({"smtpd_sasl_path": "smtpd"}, r"error: smtpd_sasl_type = table, smtpd_sasl_path = smtpd: .*a lookup table is needed"),
    ({"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "inet:nowhere"}, r"error: .*it has to be a socket's path, or inet:host:port"),
])
def test_no_login_server(make_instance, settings, complaint):
    """Mail comes in all the same; who might have logged in comes again."""
    mta = make_instance(SETTINGS | {"smtpd_sasl_path": "inline:{a=b}", "mydestination": "local.example",
                                    "local_recipient_maps": "",
                                    "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination"}
                        | settings)
    mta.start()
    with mta.smtp() as client:
        assert not any(line.startswith("AUTH") for line in client.ehlo("here").lines)
        client.command(f"AUTH PLAIN {plain('a', 'b')}", 454)
        client.command("MAIL FROM:<a@b.example>", 250)
        reply = client.command("RCPT TO:<u@far.example>")
        assert str(reply) == "454 4.7.0 Temporary authentication failure: the login server cannot be reached"
        client.command("RCPT TO:<u@local.example>", 250)
    mta.wait_log(complaint)


def test_table_that_fails(make_instance):
    mta = make_instance(SETTINGS | {"smtpd_sasl_path": "fail:x"})
    mta.start()
    with mta.smtp() as client:
        client.ehlo("here")
        for _ in range(2):
            reply = client.command(f"AUTH PLAIN {plain('a', 'b')}")
            assert str(reply) == "454 4.7.0 Temporary authentication failure: the user table cannot be read"
        client.command(f"AUTH SCRAM-SHA-256 {b64('n,,n=a,r=b')}", 454)


@pytest.mark.parametrize("settings, complaint", [
    ({"smtpd_sasl_security_options": "noplaintxt"}, 'smtpd_sasl_security_options = noplaintxt: "noplaintxt" is none of'),
    ({"smtpd_sasl_tls_security_options": "x"}, 'smtpd_sasl_tls_security_options = x: "x" is none of'),
])
def test_bad_settings(make_instance, settings, complaint):
    mta = make_instance(SETTINGS | {"smtpd_sasl_path": "inline:{a=b}"} | settings)
    mta.expected_errors.append("fatal: ")
    mta.start()
    with pytest.raises((EOFError, OSError)):
        mta.smtp(timeout=2)
    mta.wait_log(f"fatal: .*{complaint}")


# ---- postsasl ----

def test_postsasl(mta):
    assert entry(mta, "scram", "x").startswith("SCRAM-SHA-256$15000:")
    assert entry(mta, "scram", "x", "-i", "4096").startswith("SCRAM-SHA-256$4096:")
    assert entry(mta, "scram", "x") != entry(mta, "scram", "x")
    assert entry(mta, "yescrypt", "x", "joe@example.com").startswith("joe@example.com\t$y$")
    for options, text in ((["-i", "100"], "x"), (["-i", "x"], "x"), (["-m", "rot13"], "x"), ([], ""), ([], "x" * 1000),
                          (["a", "b"], "x"), (["a b"], "x"), (["-t"], "x"), (["-t", "nobody"], "x"), (["-t", "clear"], "x"),
                          (["-i", "99999999999"], "x")):
        result = mta.run("postsasl", *options, input=text + "\n")
        assert result.returncode == 1 and result.stderr and not result.stdout, options


def test_postsasl_tries(mta):
    for name, (method, password) in USERS.items():
        result = mta.run("postsasl", "-t", name, input=password)
        assert result.returncode == 0 and result.stdout.startswith("That is the password.")
        assert ("PLAIN and LOGIN only" in result.stdout) == (method != "scram")
        assert mta.run("postsasl", "-t", name, input=password + "x").returncode == 1
