"""A queue changes hands between Debian's Postfix and Postern: each delivers what the other has received."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.waiting import wait_until

DEBIAN = Path("/usr/lib/postfix/sbin")
pytestmark = [pytest.mark.root, pytest.mark.skipif(not (DEBIAN / "master").exists(), reason="no Postfix here")]


class Debian:
    """Debian's Postfix on the queue of an instance that is stopped."""

    def __init__(self, mta):
        self.mta, self.etc = mta, mta.directory / "debian"
        self.etc.mkdir()
        for name in ("dynamicmaps.cf", "postfix-files"):
            shutil.copy(f"/etc/postfix/{name}", self.etc)
        for name in ("dynamicmaps.cf.d", "postfix-files.d"):
            shutil.copytree(f"/etc/postfix/{name}", self.etc / name)

    def start(self):
        main = (self.mta.etc / "main.cf").read_text()
        main = re.sub(r"(?m)^daemon_directory.*", f"daemon_directory = {DEBIAN}", main)
        main = re.sub(r"(?m)^command_directory.*", "command_directory = /usr/sbin", main)
        (self.etc / "main.cf").write_text(main)
        shutil.copy(self.mta.etc / "master.cf", self.etc)
        subprocess.run(["/usr/sbin/postfix", "-c", self.etc, "start"], check=True, capture_output=True)

    def stop(self):
        subprocess.run(["/usr/sbin/postfix", "-c", self.etc, "stop"], check=True, capture_output=True)


def receive(mta):
    with mta.smtp() as client:
        client.command("EHLO here", 250)
        client.command("MAIL FROM:<s@x.example> BODY=8BITMIME RET=HDRS ENVID=abc", 250)
        client.command("RCPT TO:<a@y.example> NOTIFY=NEVER ORCPT=rfc822;o@y", 250)
        client.command('RCPT TO:<"q r"@y.example>', 250)
        client.command("DATA", 354)
        text = "Subject: x\r\n\r\nx\r\n" + "y" * 900 + "\r\n..\r\nend\r\n."
        return re.search(r"queued as (\w+)", str(client.command(text, 250)))[1]


def check(message):
    assert message.sender == "s@x.example"
    assert sorted(message.recipients) == ['"q r"@y.example', "a@y.example"]
    assert message.data.endswith(b"\r\n\r\nx\r\n" + b"y" * 900 + b"\r\n.\r\nend\r\n")


@pytest.fixture
def mta(make_instance, make_sink):
    sink = make_sink()
    made = make_instance({"relayhost": sink.nexthop, "defer_transports": "smtp", "minimal_backoff_time": "1s",
                          "maximal_backoff_time": "1s", "queue_run_delay": "1s"})
    made.sink = sink
    return made


def test_postfix_delivers_what_postern_received(mta):
    mta.start()
    queue_id = receive(mta)
    mta.wait_log(rf"{queue_id}: to=.*status=deferred")
    mta.stop()
    mta.set_main(defer_transports="")
    debian = Debian(mta)
    debian.start()
    try:
        check(mta.sink.wait_for(1)[0])
        mta.wait_log(rf"{queue_id}: removed")
    finally:
        debian.stop()
    assert mta.queue_is_empty()


def test_postern_delivers_what_postfix_received(mta):
    debian = Debian(mta)
    debian.start()
    try:
        queue_id = receive(mta)
        mta.wait_log(rf"{queue_id}: to=.*status=deferred")
    finally:
        debian.stop()
    mta.set_main(defer_transports="")
    mta.start()
    check(mta.sink.wait_for(1)[0])
    mta.wait_log(rf"{queue_id}: removed")
    wait_until(mta.queue_is_empty, 10, lambda: "something is left in the queue")
