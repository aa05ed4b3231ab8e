"""cleanup, spoken to over its channel: what it makes of a message, and what it refuses."""
import re
import subprocess
from pathlib import Path

import pytest

from harness.channel import CLEANUP_CONTENT, MESSAGES, Channel, decode
from harness.queue_file import QueueFile
from harness.waiting import wait_until

FILTER, HOLD, DISCARD, BCC, MAP = 1, 2, 4, 8, 16
SERVICES = """
cleanup unix n - n - 0 cleanup
postlog unix-dgram n - n - 1 postlogd
"""
OPEN = {"flags": FILTER | BCC | MAP, "sender": "s@x.example", "arrival_time": 1795558883305818,
        "rewrite_context": "local", "client": "localhost[127.0.0.1]", "helo": "here", "protocol": "ESMTP",
        "attributes": ["log_client_name=localhost", "client_address=127.0.0.1"], "queue": "incoming"}
COMPLETE = b"From: a@b.example\nDate: now\nMessage-Id: <1@b>\n"


@pytest.fixture
def cleanup(make_instance):
    """cleanup(main.cf settings): an instance with this service only; submit() gives it a message."""
    def make(**main):
        mta = make_instance(main, SERVICES)
        mta.start()
        mta.submit = lambda *arguments, **named: submit(mta, *arguments, **named)
        return mta
    return make


def submit(mta, content, recipients=("r@y.example",), end=None, cut=None, **changes):
    """(cleanup_status, queue file or None)"""
    with Channel(mta.spool / "public/cleanup", "cleanup") as channel:
        channel.send("cleanup_open", **{**OPEN, **changes})
        queue_id = channel.receive("cleanup_queue_id")["queue_id"]
        for recipient in recipients:
            channel.send("cleanup_recipient", **(recipient if isinstance(recipient, dict) else {"address": recipient}))
        for at in range(0, len(content), cut or 100000):
            channel.send_raw(CLEANUP_CONTENT, content[at:at + (cut or 100000)])
        channel.send("cleanup_end", **(end or {}))
        status = channel.receive("cleanup_status")
    for queue in ("incoming", "hold"):
        if (mta.spool / queue / queue_id).exists():
            return status, QueueFile(mta.spool / queue / queue_id)
    return status, None


def test_message_is_written_as_postfix_does(cleanup):
    mta = cleanup(delay_warning_time="4h")
    status, file = mta.submit(b"Subject: hi\nTo: joe, Bar <bar@h.example>\n\nbody\n.dot\n" + b"y" * 5000 + b"\n",
                              [{"address": "a b@y.example", "dsn_notify": 10, "dsn_orig_rcpt": "rfc822;o@y"}, "joe"],
                              encoding="8bit", dsn_envid="e+d", dsn_ret=2)
    assert (status["code"], status["dsn"]) == (250, "2.0.0")
    assert file.path.stat().st_mode & 0o777 == 0o700
    queue_id = file.path.name
    assert "".join(r.type for r in file.records if r.type not in "NL") == "CTAAAAASAAAWAAORAORMXE"
    assert file.all("R") == ["a b@y.example", "joe@mail.test.example"]
    assert file.all("O") == ["a b@y.example", "joe"]
    assert file.all("W") == [f"{1795558883 + 4 * 3600:15}"]
    assert file.attributes | {"create_time": 0} == {
        "create_time": 0, "log_ident": queue_id, "rewrite_context": "local", "envelope_id": "e+d", "ret_flags": "2",
        "encoding": "8bit", "log_client_name": "localhost", "client_address": "127.0.0.1", "notify_flags": "10",
        "dsn_orig_rcpt": "rfc822;joe"}
    assert file.content == (
        b"Subject: hi\nTo: joe@mail.test.example, Bar <bar@h.example>\n"
        b"Message-Id: <20261124222123.%b@mail.test.example>\nDate: Tue, 24 Nov 2026 22:21:23 +0000 (UTC)\n"
        b"From: s@x.example\n\nbody\n.dot\n%b\n" % (queue_id.encode(), b"y" * 5000))
    start = next(r for r in file.records if r.type == "M").offset + 2
    end = next(r for r in file.records if r.type == "X").offset
    assert file.sizes == [end - start, start, 2, 0, end - start, 0]
    mta.wait_log(rf"{queue_id}: message-id=<20261124222123\.{queue_id}@mail.test.example>")


@pytest.mark.skipif(not Path("/usr/sbin/postcat").exists(), reason="no Postfix here")
def test_debians_postcat_reads_it(cleanup):
    _, file = cleanup().submit(COMPLETE + b"\nbody\n")
    result = subprocess.run(["/usr/sbin/postcat", "-o", str(file.path)], capture_output=True, text=True)
    if result.returncode:
        pytest.skip("no postcat here")
    assert " recipient: r@y.example" in result.stdout and "MESSAGE FILE END" in result.stdout
    assert result.stdout.endswith("***") or result.stdout.rstrip().endswith("***")
    assert result.stderr == ""


@pytest.mark.parametrize("cut", [1, 2, 7, 4096])
def test_cuts_do_not_matter(cleanup, cut):
    content = COMPLETE + b"X: a\n b\n\tc\n\nbody\n\n" + b"z" * 6000 + b"\nend without line end"
    _, file = cleanup().submit(content, cut=cut)
    assert file.content == content + b"\n"


@pytest.mark.parametrize("content, expected", [
    (b"", COMPLETE + b""),
    (b"no header\n", COMPLETE + b"\nno header\n"),
    (b"\n", COMPLETE + b"\n"),
    (b" leading\nX: y\n\nb\n", COMPLETE + b"\n leading\nX: y\n\nb\n"),
    (b"X: y\n: z\nTo: a\n\nb\n", b"X: y\n" + COMPLETE + b"\n: z\nTo: a\n\nb\n"),
    (b"X: a\rb\0c\n\na\rb\0c\n", b"X: a b\n" + COMPLETE + b"\na b\0c\n"),
    (b"Return-Path: <x>\nBcc: z\nContent-Length: 3\nResent-Bcc: q\nX: y\n\n", None),
    (b"Sender: u%h\nTo : x\nX-To: joe\n\n",
     b"Sender: u@h\nTo : x@mail.test.example\nX-To: joe\n" + COMPLETE + b"\n"),
])
def test_headers(cleanup, content, expected):
    _, file = cleanup(message_drop_headers="bcc, content-length, resent-bcc, return-path").submit(
        content, prepend=[COMPLETE.decode().rstrip("\n")], rewrite_context="local")
    text = re.sub(rb"(?m)^(Message-Id: <2026|Date: Tue|From: s@x|Resent-).*\n", b"", file.content)
    text = text.replace(COMPLETE, b"")
    if expected is None:
        assert text == b"X: y\n\n"
    else:
        assert text == expected.replace(COMPLETE, b"")


def test_mail_from_outside_stays_as_it_is(cleanup):
    _, file = cleanup().submit(b"To: joe\n\nb\n", rewrite_context="remote")
    assert file.content == b"To: joe\n\nb\n"


def test_remote_rewrite_domain(cleanup):
    _, file = cleanup(remote_header_rewrite_domain="invalid.example").submit(b"To: joe\n\nb\n", rewrite_context="remote")
    assert file.content == b"To: joe@invalid.example\n\nb\n"


def test_long_header_is_cut(cleanup):
    mta = cleanup(header_size_limit=2000)
    _, file = mta.submit(COMPLETE + b"X: " + b"x" * 5000 + b"\n " + b"y" * 100 + b"\nY: z\n\nb\n")
    assert file.content == COMPLETE + b"X: " + b"x" * 1997 + b"\nY: z\n\nb\n"
    _, file = mta.submit(COMPLETE + b"x" * 5000 + b"\nb\n")
    assert file.content == COMPLETE + b"\n" + b"x" * 5000 + b"\nb\n"


def test_resent(cleanup):
    mta = cleanup()
    _, file = mta.submit(b"Resent-From: a@b.example\nMessage-Id: <1@2>\n\n")
    assert re.fullmatch(rb"Resent-From: a@b.example\nMessage-Id: <1@2>\nResent-Message-Id: <\S+>\n"
                        rb"Resent-Date: Tue, .*\n\n", file.content)
    mta.wait_log(r"message-id=<1@2>")
    mta.wait_log(r"resent-message-id=<2026")


def test_null_sender_and_full_name(cleanup):
    mta = cleanup(delay_warning_time="4h")
    _, file = mta.submit(b"\n", sender="")
    assert b"From: MAILER-DAEMON\n" in file.content
    assert file.all("S") == [""] and file.all("W") == []
    _, file = mta.submit(b"\n", full_name="J. Q. Public")
    assert b'From: "J. Q. Public" <s@x.example>\n' in file.content


@pytest.mark.parametrize("hops, code", [(49, 250), (50, 554)])
def test_hops(cleanup, hops, code):
    mta = cleanup()
    status, file = mta.submit(b"Received: x\n" * hops + b"\n")
    assert status["code"] == code
    assert (file is None) == (code != 250)
    if code != 250:
        assert (status["dsn"], status["reason"]) == ("5.4.0", "Error: too many hops")
        mta.wait_log(r"warning: \w+: message rejected: hopcount exceeded")


def test_too_big(cleanup):
    mta = cleanup(message_size_limit=100000)
    status, file = mta.submit(COMPLETE + b"\n" + b"x\n" * 200000)
    assert (status["code"], status["dsn"], status["reason"]) == (552, "5.3.4", "Error: message file too big")
    assert file is None and mta.queue_is_empty()


def test_duplicates_and_aliases(cleanup):
    mta = cleanup(recipient_delimiter="+", virtual_alias_maps="inline:{{alias@y=one@y, two@y, one@y} {one@y=uno@y} "
                  "{loop@y=loop@y, x@y} {tail@y=x@y, tail@y} {@dom=catch@y} {ext@y=e1@y} {joe=jim}}")
    for given, expected in [
            (["a@y", "A@Y", "a@y"], ["a@y"]),
            (["alias@y"], ["uno@y", "two@y"]),
            (["loop@y"], ["loop@y", "x@y"]),
            (["tail@y"], ["tail@y", "x@y"]),
            (["a@dom", "b@dom"], ["catch@y", "catch@y"]),
            (["ext+foo@y"], ["e1+foo@y"]),
            (["joe"], ["jim@mail.test.example"])]:
        _, file = mta.submit(COMPLETE, given)
        assert file.recipients == expected
        assert file.sizes[2] == len(expected)
    _, file = mta.submit(COMPLETE, ["alias@y"])
    assert file.all("O") == ["alias@y", "alias@y"]
    assert file.all("A").count("dsn_orig_rcpt=rfc822;alias@y") == 2


def test_endless_aliases(cleanup):
    mta = cleanup(virtual_alias_expansion_limit=3, virtual_alias_maps="inline:{{many@y=a@y,b@y,c@y,d@y} "
                  "{ping@y=pong@y} {pong@y=ping@y}}")
    for recipient in ("many@y", "ping@y"):
        status, file = mta.submit(COMPLETE, [recipient])
        assert (status["code"], status["dsn"], status["reason"]) == (451, "4.6.0", "Alias expansion error")
        assert file is None
    mta.wait_log(r"warning: \w+: unreasonable virtual_alias_maps map expansion size for many@y -- message not accepted")


def test_table_that_cannot_answer(cleanup):
    mta = cleanup(virtual_alias_maps="fail:x")
    status, file = mta.submit(COMPLETE)
    assert status["code"] == 451 and file is None


def test_canonical(cleanup):
    mta = cleanup(canonical_maps="inline:{{c@x=canon@x} {h@x=hh@x}}", sender_canonical_maps="inline:{only@x=sender@x}")
    _, file = mta.submit(b"From: h@x, only@x\nTo: only@x\n\n", ["c@x", "only@x"], sender="only@x")
    assert file.all("S") == ["sender@x"]
    assert file.recipients == ["canon@x", "only@x"] and file.all("O") == ["c@x", "only@x"]
    assert file.content.startswith(b"From: hh@x, sender@x\nTo: only@x\n")
    _, file = mta.submit(b"From: h@x\n\n", ["c@x"], flags=0)
    assert file.recipients == ["c@x"]


def test_masquerade(cleanup):
    mta = cleanup(masquerade_domains="!keep.x.example x.example", masquerade_exceptions="root")
    _, file = mta.submit(b"From: a@h.x.example, root@h.x.example, b@z.keep.x.example, c@yx.example, d@x.example\n"
                         b"To: t@h.x.example\n\n", ["r@h.x.example"], sender="s@H.x.example")
    assert file.content.startswith(
        b"From: a@x.example, root@h.x.example, b@z.keep.x.example, c@yx.example, d@x.example\nTo: t@x.example\n")
    assert file.all("S") == ["s@x.example"] and file.recipients == ["r@h.x.example"]


def test_copies(cleanup):
    mta = cleanup(always_bcc="always@y", sender_bcc_maps="inline:{s@x.example=sb@y}",
                  recipient_bcc_maps="inline:{r@y.example=rb@y}")
    _, file = mta.submit(COMPLETE)
    assert file.recipients == ["sb@y", "r@y.example", "rb@y", "always@y"]
    assert file.all("A").count("notify_flags=1") == 3
    _, file = mta.submit(COMPLETE, flags=0)
    assert file.recipients == ["r@y.example"]


CHECKS = [("reject (.*)", "REJECT go away $1"), ("rej2", "REJECT 5.2.2 gone"), ("rejx", "REJECT"), ("drop", "DISCARD dtext"),
          ("hold", "HOLD htext"), ("warn", "WARN wtext"), ("info", "INFO"), ("ignore", "IGNORE"), ("strip", "STRIP foo"),
          ("prepend", "PREPEND X-Pre: pended"), ("replace", "REPLACE Subject: replaced"),
          ("redirect", "REDIRECT other@y"), ("filter", "FILTER smtp:[127.0.0.1]"), ("bcc", "BCC bcc@y"), ("bad", "BOGUS")]


def test_header_checks(cleanup, directory):
    rules = directory / "rules"
    rules.write_text("".join(f"/^Subject: {pattern}/ {action}\n" for pattern, action in CHECKS))
    mta = cleanup(header_checks=f"regexp:{rules}")
    tail = r" from localhost\[127.0.0.1\]; from=<s@x.example> to=<r@y.example> proto=ESMTP helo=<here>"

    def check(subject, log):
        status, file = mta.submit(COMPLETE + f"Subject: {subject}\n\nb\n".encode())
        if log:
            mta.wait_log(log.replace("TAIL", f"header Subject: {subject}{tail}"))
        return status, file

    assert check("reject foo", r"reject: TAIL: 5.7.1 go away foo$")[0]["reason"] == "go away foo"
    status, file = check("rej2", r"reject: TAIL: 5.2.2 gone$")
    assert (status["code"], status["dsn"], status["reason"], file) == (550, "5.2.2", "gone", None)
    assert check("rejx", r"reject: TAIL: 5.7.1 message content rejected$")[0]["code"] == 550
    status, file = check("drop", r"discard: TAIL: dtext$")
    assert status["code"] == 250 and file is None
    assert check("hold", r"hold: TAIL: htext$")[1].path.parent.name == "hold"
    assert check("warn", r"warning: TAIL: wtext$")[1]
    assert check("info", r"info: TAIL$")[1]
    assert b"Subject" not in check("ignore", None)[1].content
    assert b"Subject" not in check("strip", r"strip: TAIL: foo$")[1].content
    assert b"X-Pre: pended\nSubject: prepend\n" in check("prepend", r"prepend: TAIL: X-Pre: pended$")[1].content
    assert b"Subject: replaced\n" in check("replace", r"replace: TAIL: Subject: replaced$")[1].content
    assert check("redirect", r"redirect: TAIL: other@y$")[1].all(">") == ["other@y"]
    assert check("filter", r"filter: TAIL: smtp:\[127.0.0.1\]$")[1].all("L") == ["smtp:[127.0.0.1]"]
    assert check("bcc", r"bcc: TAIL: bcc@y$")[1].recipients == ["r@y.example", "bcc@y"]
    assert check("bad", r"warning: \w+: unknown command in header_checks map: BOGUS")[1]
    assert b"Subject: reject" in mta.submit(COMPLETE + b"Subject: reject\n\n", flags=0)[1].content


def test_body_checks(cleanup, directory):
    rules = directory / "rules"
    rules.write_text("/rejectbody/ REJECT\n/ignorebody/ IGNORE\n/prependbody/ PREPEND before\n/replacebody/ REPLACE with\n")
    mta = cleanup(body_checks=f"regexp:{rules}", body_checks_size_limit=1000)
    content = COMPLETE + b"X: rejectbody\n\na\nignorebody\nprependbody\nreplacebody\n" + b"z" * 5000 + b"\nrejectbody\n"
    for cut in (1, 10000):
        _, file = mta.submit(content, cut=cut)
        assert file.content == COMPLETE + b"X: rejectbody\n\na\nbefore\nprependbody\nwith\n" + b"z" * 5000 + b"\nrejectbody\n"
    status, file = mta.submit(COMPLETE + b"\nrejectbody\n")
    assert status["code"] == 550 and file is None
    mta.wait_log(r"reject: body rejectbody from localhost\[127.0.0.1\]; .*: 5.7.1 message content rejected")


def test_checks_of_parts(cleanup, directory):
    for name in ("prim", "mime", "nested", "body"):
        (directory / name).write_text(f"/^(.*)$/ WARN {name}:$1\n")
    mta = cleanup(header_checks=f"regexp:{directory}/prim", mime_header_checks=f"regexp:{directory}/mime",
                  nested_header_checks=f"regexp:{directory}/nested", body_checks=f"regexp:{directory}/body")
    content = COMPLETE + b"""Subject: top
MIME-Version: 1.0
Content-Type: multipart/mixed;
 boundary="B"

preamble
--B
Content-Type: text/plain
X-In-Part: yes

text
--B
Content-Type: message/rfc822

Subject: nested
Content-Type: multipart/mixed; boundary=C

pre2
--C
Content-Type: text/html
X-Y: z

<html>
--C--
--B
Content-Type: application/x; name="evil.exe"

data
--B--
epilogue
"""
    expected = """prim:From: a@b.example
prim:Date: now
prim:Message-Id: <1@b>
prim:Subject: top
mime:MIME-Version: 1.0
mime:Content-Type: multipart/mixed;? boundary="B"
body:preamble
body:--B
mime:Content-Type: text/plain
mime:X-In-Part: yes
body:text
body:--B
mime:Content-Type: message/rfc822
nested:Subject: nested
mime:Content-Type: multipart/mixed; boundary=C
body:pre2
body:--C
mime:Content-Type: text/html
mime:X-Y: z
body:<html>
body:--C--
body:--B
mime:Content-Type: application/x; name="evil.exe"
body:data
body:--B--
body:epilogue
"""
    for cut in (1, 100000):
        _, file = mta.submit(content, cut=cut)
        assert file.content == content
        mta.wait_log("body:epilogue")
        logged = re.findall(rf"{file.path.name}: warning: (?:header|body) .*helo=<here>: (.*\n)", mta.log())
        assert "".join(line for line in logged if line != "body:\n") == expected


def test_attachments_by_name(cleanup, directory):
    (directory / "mime").write_text('/name="[^"]*\\.exe"/ REJECT no programs\n/^X-Drop:/ IGNORE\n')
    mta = cleanup(mime_header_checks=f"regexp:{directory}/mime")
    head = COMPLETE + b"Content-Type: multipart/mixed; boundary=B\n\n--B\n"
    status, _ = mta.submit(head + b'Content-Type: a/b;\n name="x.exe"\n\nx\n--B--\n')
    assert (status["code"], status["reason"]) == (550, "no programs")
    _, file = mta.submit(head + b"X-Drop: a\n b\nX-Keep: " + b"y" * 5000 + b"\nX-Drop: " + b"z" * 5000 + b"\n\n" + b"t" * 5000)
    assert file.content == head + b"X-Keep: " + b"y" * 5000 + b"\nX-Drop: " + b"z" * 5000 + b"\n\n" + b"t" * 5000 + b"\n"


def test_hold_and_discard_that_turn_up_late(cleanup):
    mta = cleanup()
    assert mta.submit(COMPLETE, end={"flags": HOLD})[1].path.parent.name == "hold"
    assert mta.submit(COMPLETE, queue="hold")[1].path.parent.name == "hold"
    status, file = mta.submit(COMPLETE, end={"flags": DISCARD})
    assert status["code"] == 250 and file is None


def test_call_that_ends_early_leaves_nothing(cleanup):
    mta = cleanup()
    with Channel(mta.spool / "public/cleanup", "cleanup") as channel:
        channel.send("cleanup_open", **OPEN)
        queue_id = channel.receive("cleanup_queue_id")["queue_id"]
        channel.send("cleanup_recipient", address="r@y")
        channel.send_raw(CLEANUP_CONTENT, b"x" * 1000000)
        assert (mta.spool / "incoming" / queue_id).exists()
    wait_until(mta.queue_is_empty, 5, lambda: "the file is still there")
    mta.wait_log(rf"{queue_id}: removed \(canceled\)")


@pytest.mark.parametrize("number, body", [(12, b"\x01\x00\xff\xff\xff\xff"), (12, b"\x01"), (99, b""), (30, b"x" * 100)])
def test_damaged_requests(cleanup, number, body):
    mta = cleanup()
    with Channel(mta.spool / "public/cleanup", "cleanup") as channel:
        channel.send("cleanup_open", **OPEN)
        channel.receive("cleanup_queue_id")
        channel.send_raw(number, body)
        wait_until(mta.queue_is_empty, 5, lambda: "the file is still there")
    assert mta.submit(COMPLETE)[0]["code"] == 250


def test_no_recipients(cleanup):
    status, file = cleanup().submit(COMPLETE, [])
    assert status["code"] == 554 and file is None


def test_many_at_once(cleanup):
    """All of one process, over one channel: their durability is waited for side by side."""
    mta = cleanup()
    with Channel(mta.spool / "public/cleanup", "cleanup") as channel:
        for call in range(1, 101):
            channel.send("cleanup_open", call, **OPEN)
        ids = [channel.receive("cleanup_queue_id", call)["queue_id"] for call in range(1, 101)]
        for call in range(1, 101):
            channel.send("cleanup_recipient", call, address=f"r{call}@y")
            channel.send_raw(CLEANUP_CONTENT, COMPLETE + b"\n%d\n" % call, call)
            channel.send("cleanup_end", call)
        statuses = {}
        while len(statuses) < 100:
            call, message, body = channel.receive_frame()
            if message == MESSAGES["cleanup_status"][0]:
                statuses[call] = decode("cleanup_status", body)
    assert all(status["code"] == 250 for status in statuses.values())
    for call, queue_id in enumerate(ids, 1):
        file = QueueFile(mta.spool / "incoming" / queue_id)
        assert file.recipients == [f"r{call}@y"] and file.content.endswith(b"\n%d\n" % call)


@pytest.mark.root
def test_full_disk(cleanup, directory):
    mta = cleanup()
    mounted = mta.spool / "incoming"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=700,uid=postfix", "none", mounted]).returncode:
        pytest.skip("no tmpfs here")
    try:
        status, file = mta.submit(COMPLETE + b"\n" + b"x" * 70 * 10000 + b"\n")
        assert (status["code"], status["dsn"], status["reason"]) == (452, "4.3.1", "Insufficient system storage")
        assert file is None and mta.queue_is_empty()
        assert mta.submit(COMPLETE)[0]["code"] == 250
    finally:
        subprocess.run(["umount", "-l", mounted], check=True)


def test_what_is_beyond_ascii_is_noted(cleanup):
    mta = cleanup()
    assert mta.submit(COMPLETE + b"\n\xe9\n")[1].sizes[5] == 0
    assert mta.submit(COMPLETE + b"X: \xe9\n\n")[1].sizes[5] == 2
    _, file = mta.submit(COMPLETE, ["\u00e9@y.example"], sender="\u00e9@x.example", sendopts=1)
    assert file.sizes[5] == 13


def test_many_addresses_take_no_memory(cleanup):
    """Ten megabytes of addresses in headers, each of which is completed."""
    mta = cleanup(message_size_limit=0)
    line = b"To: " + b"a," * 4000 + b"a\n"
    status, file = mta.submit(COMPLETE + line * 500)
    assert status["code"] == 250
    assert file.content.count(b"a@mail.test.example") == 4001 * 500
    for pid in mta.processes("cleanup"):
        peak = int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
        # What AddressSanitizer has freed it keeps for a while.
        assert peak < 30 * 1024 or "libasan" in Path(f"/proc/{pid}/maps").read_text()


def test_long_queue_ids(cleanup):
    mta = cleanup(enable_long_queue_ids="yes")
    _, file = mta.submit(b"X: y\n\n")
    assert re.fullmatch(r"[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10}z[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]+", file.path.name)
    assert b"Message-Id: <%b@mail.test.example>\n" % file.path.name.encode() in file.content
