"""Lookup tables of a running system: what changes in them is seen without a reload."""
import time
from pathlib import Path

import pytest

from harness.instance import MTA

RECIPIENT = "someone@there.example"


@pytest.fixture
def make_mta(make_instance, make_sink):
    """An instance whose smtpd asks a table of the given type about recipients; makes the table with one text."""

    def make(table_type, text):
        mta = make_instance({"relayhost": make_sink().nexthop})
        path = Path(mta.directory) / "access"
        mta.set_main(smtpd_recipient_restrictions=f"check_recipient_access {table_type}:{path}, permit_mynetworks")
        write_table(mta, table_type, text)
        mta.start()
        return mta

    return make


def write_table(mta, table_type, text):
    """As an editor does: a new file in the old one's place."""
    path = Path(mta.directory) / "access"
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o644)
    new.rename(path)
    if table_type in ("lmdb", "hash"):
        mta.run("postmap", f"{table_type}:{path}", check=True)


def reply(mta):
    with mta.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@b.example>", 250)
        return client.command(f"RCPT TO:<{RECIPIENT}>").text


@pytest.mark.peer
@pytest.mark.parametrize("table_type", [
    "lmdb",
    pytest.param("hash", marks=pytest.mark.skipif(MTA == "postfix", reason="Postfix looks at whole seconds")),
])
def test_a_replaced_index_is_seen_by_the_next_session(make_mta, table_type):
    mta = make_mta(table_type, f"{RECIPIENT} REJECT first\n")
    assert "first" in reply(mta)
    write_table(mta, table_type, f"{RECIPIENT} REJECT second\n")
    assert "second" in reply(mta)
    write_table(mta, table_type, "nobody@there.example REJECT\n")
    assert "Ok" in reply(mta)


@pytest.mark.skipif(MTA == "postfix", reason="Postfix reads these files once")
@pytest.mark.parametrize("table_type, line", [
    ("texthash", "{} REJECT {}\n"),
    ("regexp", "/^{}$/ REJECT {}\n"),
])
def test_a_changed_text_is_seen_by_the_next_session(make_mta, table_type, line):
    mta = make_mta(table_type, line.format(RECIPIENT, "first"))
    assert "first" in reply(mta)
    write_table(mta, table_type, line.format(RECIPIENT, "second"))
    time.sleep(0.1)
    assert "second" in reply(mta)
    mta.wait_log(rf"postfix/smtpd\[\d+\]: table {table_type}:\S+ has changed -- restarting")


@pytest.mark.peer
def test_a_session_keeps_going_when_its_table_changes(make_mta):
    mta = make_mta("lmdb", f"{RECIPIENT} REJECT first\n")
    with mta.smtp() as client:
        client.ehlo()
        write_table(mta, "lmdb", f"{RECIPIENT} REJECT second\n")
        assert "second" in reply(mta)
        client.command("MAIL FROM:<a@b.example>", 250)
        client.command(f"RCPT TO:<{RECIPIENT}>", 554)
        client.command("QUIT", 221)


@pytest.mark.peer
def test_a_missing_table_defers_mail(make_instance, make_sink):
    mta = make_instance({"relayhost": make_sink().nexthop,
                         "smtpd_recipient_restrictions": "check_recipient_access lmdb:/nowhere/x, permit_mynetworks"})
    mta.start()
    assert reply(mta) == f"4.3.5 <{RECIPIENT}>: Recipient address rejected: Server configuration error"
    mta.wait_log(r"error: open database /nowhere/x\.lmdb: No such file or directory")
    mta.wait_log(r"warning: lmdb:/nowhere/x is unavailable\. open database /nowhere/x\.lmdb: No such file")
    mta.wait_log(rf'warning: lmdb:/nowhere/x lookup error for "{RECIPIENT}"')


@pytest.mark.skipif(MTA == "postfix", reason="Postfix reads these files once")
def test_changes_cost_no_session(make_mta):
    mta = make_mta("texthash", f"{RECIPIENT} REJECT 0\n")
    for turn in range(1, 20):
        write_table(mta, "texthash", f"{RECIPIENT} REJECT {turn}{'.' * turn}\n")
        for _ in range(5):
            assert "Recipient address rejected" in reply(mta)
    time.sleep(0.1)
    assert "rejected: 19." in reply(mta)
