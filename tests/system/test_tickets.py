"""Queue files that cleanup keeps for who brings it mail (cleanup_open in mail/ipc/ipc.def): the ID is known before cleanup is
told of the message."""
import os
import signal

import pytest

from harness.channel import CLEANUP_CONTENT, Channel
from harness.instance import MTA
from harness.waiting import wait_until

pytestmark = pytest.mark.skipif(MTA == "postfix", reason="ours alone")


def kept(mta):
    """Names of the files in spare/ that cleanup holds open."""
    links = [os.readlink(path) for pid in mta.processes("cleanup") for path in (os.scandir(f"/proc/{pid}/fd"))]
    return [os.path.basename(link) for link in links if "/spare/" in link]


@pytest.fixture
def mta(make_instance, make_sink):
    """An instance whose smtpd has a ticket, in client's session; to hold@, mail is held."""
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "smtpd_recipient_restrictions":
                         "check_recipient_access inline:{{hold@y.example=HOLD}, {no@y.example=REJECT}}, permit_mynetworks, reject"})
    mta.sink = sink
    mta.start()
    with mta.smtp() as mta.client:
        mta.client.ehlo()
        for _ in range(200):
            send(mta, "b@y.example")
            if kept(mta):
                break
        assert kept(mta), "cleanup keeps no file"
        yield mta


def send(mta, recipient, content="Subject: x\r\n\r\nx\r\n"):
    return mta.client.transaction("a@x.example", [recipient], content).text.split()[-1]


def lines_of(mta, queue_id):
    return [line.split(": ", 2)[2] for line in mta.log().splitlines() if f": {queue_id}: " in line]


def test_id_names_the_file(mta):
    file, = kept(mta)
    queue_id = send(mta, "hold@y.example")
    path, = mta.queue_files("hold")
    assert path.name == queue_id and queue_id[5:] == file == f"{path.stat().st_ino:X}"
    mta.wait_log(f"{queue_id}: message-id=")
    assert [line.split("=")[0] for line in lines_of(mta, queue_id) if "=" in line][:2] == ["client", "message-id"]


@pytest.mark.parametrize("size", [20000, 32768, 300000])
def test_small_and_large(mta, size):
    file, = kept(mta)
    content = "Subject: x\r\n\r\n" + ("y" * 70 + "\r\n") * (size // 72)
    queue_id = send(mta, "b@y.example", content)
    assert queue_id[5:] == file
    mta.wait_log(rf"{queue_id}: removed")
    assert mta.sink.messages[-1].data.endswith(content.encode().split(b"\r\n\r\n", 1)[1])


def test_ticket_of_a_message_that_does_not_come(mta):
    file, = kept(mta)
    mta.client.command("MAIL FROM:<a@x.example>", 250)
    mta.client.command("RCPT TO:<b@y.example>", 250)
    mta.client.command("RCPT TO:<c@", 501)
    mta.client.command("RSET", 250)
    assert mta.queue_is_empty() and kept(mta) == [file]
    assert send(mta, "b@y.example")[5:] == file


def test_refused_recipient_is_logged_with_the_id(mta):
    mta.client.command("MAIL FROM:<a@x.example>", 250)
    mta.client.command("RCPT TO:<b@y.example>", 250)
    mta.client.command("RCPT TO:<no@y.example>", 554)
    mta.client.command("DATA", 354)
    queue_id = mta.client.command("Subject: y\r\n\r\ny\r\n.", 250).text.split()[-1]
    mta.wait_log(rf"smtpd\[\d+\]: {queue_id}: reject: RCPT from ")


def test_cleanup_that_has_died_meanwhile(mta):
    """The ID is out already: another file gets it."""
    file, = kept(mta)
    mta.client.command("MAIL FROM:<a@x.example>", 250)
    mta.client.command("RCPT TO:<b@y.example>", 250)
    mta.expected_errors.append("cleanup.*(killed by signal|terminated)|master.*cleanup|process .*cleanup pid")
    pid, = mta.processes("cleanup")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid not in mta.processes("cleanup"), what="the end of cleanup")
    mta.client.command("DATA", 354)
    queue_id = mta.client.command("Subject: y\r\n\r\ny\r\n.", 250).text.split()[-1]
    assert queue_id[5:] == file
    mta.wait_log(rf"{queue_id}: to=<b@y\.example>, .*status=sent")
    mta.wait_log(rf"{queue_id}: removed")
    assert mta.sink.messages[-1].data.endswith(b"\r\n\r\ny\r\n")


def test_reload_leaves_no_file_behind(mta):
    file, = kept(mta)
    mta.reload()
    wait_until(lambda: not (mta.spool / "spare" / file).exists(), what="the end of the file")
    assert send(mta, "b@y.example") and not mta.queue_files("hold")


# ---- who makes up tickets ----

OPEN = {"sender": "s@x.example", "rewrite_context": "local", "queue": "hold"}


def submit(mta, **opening):
    with Channel(mta.spool / "public/cleanup", "cleanup") as channel:
        channel.send("cleanup_open", **OPEN, **opening)
        channel.send("cleanup_recipient", address="b@y.example")
        channel.send_raw(CLEANUP_CONTENT, b"Subject: z\n\nz\n")
        channel.send("cleanup_end")
        return channel.receive("cleanup_status")


@pytest.mark.parametrize("ticket, queue_id", [(0x1234, "00000999"), (0x1234, "../../1234"), (0x1234, ""), (0x1234, "1234"),
                                              (-1, "00000FFFF")])
def test_id_that_is_not_the_tickets(mta, ticket, queue_id):
    mta.expected_errors.append("cleanup.*queue file ")
    assert submit(mta, ticket=ticket, queue_id=queue_id)["code"] == 451
    assert not mta.queue_files("hold")


def test_unknown_ticket_never_takes_the_name_of_a_message(mta):
    mta.expected_errors.append("cleanup.*queue file .*File exists")
    assert submit(mta, ticket=0x999, queue_id="00000999")["code"] == 250
    before = (mta.spool / "hold/00000999").read_bytes()
    assert submit(mta, ticket=0x999, queue_id="00000999")["code"] == 451
    assert (mta.spool / "hold/00000999").read_bytes() == before
