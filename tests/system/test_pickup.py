"""pickup: mail from maildrop, and what is no mail there."""
import os
import pwd
import re
import socket
import time

import pytest

from harness.instance import MTA
from harness.maildrop import BODY, END, ENVELOPE, empty, record, sendmail
from harness.smtp_sink import Rule
from harness.waiting import wait_until

pytestmark = pytest.mark.root
TIME = record("T", "1795563187 250281")


@pytest.fixture(scope="module")
def sink(module_sink):
    return module_sink


@pytest.fixture(scope="module")
def running(module_instance, sink):
    mta = module_instance({"relayhost": sink.nexthop, "smtp_destination_concurrency_limit": 1})
    mta.start()
    return mta


def next_message(sink, count):
    """The message after the first `count`."""
    sink.wait_for(count + 1)
    return sink.messages[count]


def wake(mta):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(mta.spool / "public/pickup"))
        connection.send(b"W")


def put(mta, name, data, mode=0o744, owner=None):
    path = mta.spool / "maildrop" / name
    path.write_bytes(data)
    path.chmod(mode)
    if owner is not None:
        os.chown(path, owner, -1)
    return path


@pytest.mark.peer
def test_message_is_picked_up_and_sent(running, sink):
    count = len(sink.messages)
    sendmail(running, "-F", "Jo Doe", "-f", "me@x.example", "-t",
         text="Subject: x\r\nTo: a@far.example, b@far.example\r\nBcc: c@far.example\r\n\r\nhi\r\n")
    message = next_message(sink, count)
    assert sorted(message.recipients) == ["a@far.example", "b@far.example", "c@far.example"]
    queue_id = running.wait_log(r"pickup\[\d+\]: (\w+): uid=0 from=<me@x\.example>$")[1]
    text = message.data.decode()
    assert re.search(rf"Received: by mail\.test\.example \({running.mail_name}, from userid 0\)\r?\n\tid {queue_id}; ", text)
    assert "Bcc" not in text and "From: Jo Doe <me@x.example>" in text and "Message-Id: <" in text and "Date: " in text
    assert "To: a@far.example, b@far.example" in text
    running.wait_log(rf"cleanup\[\d+\]: {queue_id}: message-id=<")
    wait_until(lambda: not running.queue_files("maildrop"), 10)


@pytest.mark.peer
def test_sender_and_headers_are_completed(running, sink):
    count = len(sink.messages)
    sendmail(running, "u1@far.example", text="To: local\n\nx\n")
    message = next_message(sink, count)
    assert message.sender == "root@mail.test.example"
    assert "To: local@mail.test.example" in message.data.decode()


@pytest.mark.peer
def test_owner_of_the_file_is_logged(running, sink):
    count = len(sink.messages)
    put(running, "AAAA01", TIME + record("A", "rewrite_context=local") + record("S", "root@z.example") +
        record("R", "u@far.example") + BODY + END, owner=1)
    wake(running)
    running.wait_log(r"pickup\[\d+\]: \w+: uid=1 from=<root@z\.example>")
    assert next_message(sink, count).recipients == ["u@far.example"]


@pytest.mark.peer
def test_what_is_no_message_is_not_taken(running, sink):
    count = len(sink.messages)
    whole = TIME + ENVELOPE + BODY + END
    maildrop = running.spool / "maildrop"
    unfinished = put(running, "AAAA02", whole, 0o600)
    link = maildrop / "AAAA03"
    link.symlink_to("/etc/passwd")
    (maildrop / "AAAA04").mkdir()
    os.mkfifo(maildrop / "AAAA05", 0o744)
    wake(running)
    for name in ("AAAA03", "AAAA04", "AAAA05"):
        running.wait_log(rf"pickup\[\d+\]: warning: maildrop/{name}: uid 0: not a regular file")
    assert unfinished.exists() and len(sink.messages) == count
    unfinished.unlink()
    link.unlink()
    (maildrop / "AAAA04").rmdir()
    (maildrop / "AAAA05").unlink()


def test_damaged_files_are_not_delivered(running, sink):
    count = len(sink.messages)
    for name, data in {"BBBB01": b"garbage", "BBBB02": TIME + ENVELOPE + BODY + END[:-2],
                       "BBBB03": TIME + ENVELOPE + record("D", "x") + BODY + END,
                       "BBBB04": TIME + ENVELOPE + BODY + record("p", "0") + END, "BBBB05": b"",
                       "BBBB06": TIME + record("R", "x@far.example") + BODY + END}.items():
        put(running, name, data)
    wake(running)
    running.wait_log(r"pickup\[\d+\]: warning: uid=0: unexpected|maildrop/BBBB03: uid=0: unexpected record type: 68")
    time.sleep(1)
    assert len(sink.messages) == count
    if MTA == "postern":
        assert [path.name for path in running.queue_files("corrupt")] == [f"BBBB0{i}" for i in range(1, 7)]
        assert running.queue_files("maildrop") == []
        for path in running.queue_files("corrupt"):
            path.unlink()
    else:
        empty(running)


def test_hard_link_is_left_alone(running, sink, directory):
    """Who links another's file into the queue does not get it sent, nor removed."""
    count = len(sink.messages)
    path = put(running, "CCCC01", TIME + ENVELOPE + BODY + END)
    other = running.directory / "other"
    os.link(path, other)
    wake(running)
    running.wait_log(r"warning: maildrop/CCCC01: uid 0: file has 2 links")
    assert path.exists() and len(sink.messages) == count
    path.unlink()
    other.unlink()


@pytest.mark.peer
def test_attributes_of_others_are_not_believed(running, sink):
    count = len(sink.messages)
    put(running, "DDDD01", TIME + record("A", "rewrite_context=local") + record("A", "client_name=evil") +
        record("S", "s@z.example") + record("R", "attributes@far.example") + BODY + END)
    wake(running)
    message = next_message(sink, count)
    assert message.recipients == ["attributes@far.example"]
    assert "evil" not in running.log()


@pytest.mark.peer
def test_kept_while_the_system_is_down(make_instance, sink):
    mta = make_instance({"relayhost": sink.nexthop})
    mta.start()
    mta.stop()
    count = len(sink.messages)
    for i in range(5):
        sendmail(mta, f"down{i}@far.example")
    assert len(mta.queue_files("maildrop")) == 5
    listing = mta.run("mailq").stdout
    assert "-- 0 Kbytes in 5 Requests." in listing
    mta.start()
    sink.wait_for(count + 5)
    wait_until(mta.queue_is_empty, 15)


@pytest.mark.peer
def test_what_is_refused_is_returned(make_instance, sink, directory):
    checks = directory / "checks"
    checks.write_text("/^Subject: bad/ REJECT no bads\n")
    mta = make_instance({"relayhost": sink.nexthop, "header_checks": f"regexp:{checks}"})
    mta.start()
    count = len(sink.messages)
    sendmail(mta, "-f", "me@far.example", "u1@far.example", text="Subject: bad\n\nx\n")
    message = next_message(sink, count)
    assert message.sender == "" and message.recipients == ["me@far.example"]
    assert "Subject: Undelivered Mail Returned to Sender" in message.data.decode() and "no bads" in message.data.decode()
    mta.wait_log(r"to=<u1@far\.example>, relay=none, .*, dsn=5\.7\.1, status=bounced \(no bads\)")
    wait_until(mta.queue_is_empty, 15)


@pytest.mark.peer
def test_verification_report(make_instance, make_sink):
    """sendmail -bv: no message goes out but the report."""
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "550 5.1.1 nobody", match="bad@"))
    mta = make_instance({"relayhost": sink.nexthop, "defer_transports": "discard",
                         "transport_maps": "inline:{{later.example=discard:}}"})
    mta.start()
    sendmail(mta, "-f", "me@far.example", "-bv", "good@far.example", "bad@far.example", "u@later.example")
    report = next_message(sink, 0)
    assert report.sender == "" and report.recipients == ["me@far.example"]
    text = report.data.decode()
    assert "Subject: Mail Delivery Status Report" in text
    for recipient, action in (("good@far.example", "deliverable"), ("bad@far.example", "undeliverable"),
                              ("u@later.example", "undeliverable")):
        assert re.search(rf"Final-Recipient: rfc822; {recipient}\r?\n.*\r?\nAction: {action}\r?\n", text), text
        mta.wait_log(rf"to=<{recipient}>, .*status={action} ")
    wait_until(mta.queue_is_empty, 15)
    assert len(sink.messages) == 1


@pytest.mark.peer
def test_report_of_the_first_try(make_instance, make_sink):
    """sendmail -v: the message, and one report, however often it is tried."""
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "450 4.2.0 later", match="slow@", times=2))
    mta = make_instance({"relayhost": sink.nexthop})
    mta.start()
    sendmail(mta, "-f", "me@there.example", "-v", "slow@far.example")
    report = next_message(sink, 0)
    assert report.recipients == ["me@there.example"]
    assert re.search(r"Final-Recipient: rfc822; slow@far.example\r?\n.*\r?\nAction: delayed\r?\n", report.data.decode())
    for _ in range(2):
        wait_until(lambda: mta.queue_files("deferred"), 15)
        mta.run("postqueue", "-f")
        time.sleep(2)
    sink.wait_for(2)
    wait_until(mta.queue_is_empty, 15)
    assert [m.recipients for m in sink.messages] == [["me@there.example"], ["slow@far.example"]]


def test_many_at_once(make_instance, sink):
    mta = make_instance({"relayhost": sink.nexthop})
    mta.postfix("check", check=True)
    count = len(sink.messages)
    for i in range(100):
        put(mta, f"{i:05X}F00", TIME + record("S", "s@z.example") + record("R", f"m{i}@far.example") + BODY + END)
    mta.start()
    sink.wait_for(count + 100, timeout=30)
    wait_until(mta.queue_is_empty, 15)
    assert len({m.recipients[0] for m in sink.messages[count:]}) == 100


def test_as_ordinary_user(make_instance, sink):
    mta = make_instance({"relayhost": sink.nexthop}, user="daemon")
    mta.start()
    count = len(sink.messages)
    result = sendmail(mta, "u@far.example")
    assert result.stderr == ""
    assert next_message(sink, count).sender == "daemon@mail.test.example"
    mta.wait_log(rf"uid={pwd.getpwnam('daemon').pw_uid} from=<daemon>")
