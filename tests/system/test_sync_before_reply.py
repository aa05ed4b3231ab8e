"""Each 250 comes after the syncs that it promises: strace watches smtpd and cleanup while mail comes in.

For each message the recorder must show, ended before the reply was begun: a sync of its file's content; for a file that
was written over another, the rename that gives it its name, behind that sync; then a sync of the directory."""
import re
import shutil
import subprocess
import threading

import pytest

from harness.smtp_client import SmtpClient
from harness.waiting import wait_until

pytestmark = [pytest.mark.root, pytest.mark.skipif(not shutil.which("strace"), reason="no strace here")]

CLIENTS, MESSAGES = 6, 40
CALLS = "fsync,fdatasync,rename,write"


class Recorder:
    """strace's lines in order, calls that were interrupted put together: (began, ended, call) by line number."""

    def __init__(self, mta):
        self.path = mta.directory / "trace"
        pids = mta.processes("smtpd") + mta.processes("cleanup")
        self.process = subprocess.Popen(["strace", "-f", "-y", "-s", "200", "-e", f"trace={CALLS}", "-o", str(self.path),
                                         *[word for pid in pids for word in ("-p", str(pid))]],
                                        stderr=subprocess.PIPE, text=True)
        attached = 0
        while attached < len(pids):
            line = self.process.stderr.readline()
            if not line or "Operation not permitted" in line:
                self.process.kill()
                pytest.skip(f"strace cannot attach: {line}")
            attached += "attached" in line

    def calls(self):
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()
        calls, open_calls = [], {}
        for number, line in enumerate(self.path.read_text(errors="replace").splitlines()):
            pid, _, text = line.partition(" ")
            text = text.strip()
            if text.endswith("<unfinished ...>"):
                open_calls[pid] = number, text[:-len("<unfinished ...>")].strip()
            elif "resumed>" in text and pid in open_calls:
                began, head = open_calls.pop(pid)
                calls.append((began, number, head + text.partition("resumed>")[2]))
            else:
                calls.append((number, number, text))
        return calls


def send_all(port):
    def run():
        with SmtpClient(port) as client:
            client.ehlo()
            for count in range(MESSAGES):
                client.transaction("a@x.example", ["b@y.example"], f"Subject: {count}\r\n\r\n" + "line\r\n" * (count * 7))

    threads = [threading.Thread(target=run) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def last_end(calls, pattern, before):
    """When the latest call that matches, succeeded and ended before `before` was begun; None: there is none."""
    return max((began for began, ended, text in calls if ended < before and re.search(pattern, text)), default=None)


def test_each_250_follows_its_syncs(make_instance, make_sink):
    mta = make_instance({"relayhost": make_sink().nexthop})
    mta.start()
    send_all(mta.port)  # processes are there, and files to be used again
    wait_until(lambda: any((mta.spool / "spare").iterdir()), what="spare files")
    recorder = Recorder(mta)
    send_all(mta.port)
    calls = recorder.calls()
    replies = [(began, match[1]) for began, _, text in calls
               if (match := re.search(r"write\(.*250 2\.0\.0 Ok: queued as (\w+)", text))]
    assert len(replies) == CLIENTS * MESSAGES
    reused = 0
    for replied, queue_id in replies:
        synced_directory = last_end(calls, r"fsync\(\d+<[^>]*/incoming>\) *= 0", replied)
        assert synced_directory is not None, queue_id
        named = [(began, ended, text) for began, ended, text in calls
                 if re.search(rf'rename\("spare/\w+", "incoming/{queue_id}"\) *= 0', text)]
        if named:
            began, ended, text = named[0]
            spare = re.search(r'"spare/(\w+)"', text)[1]
            assert ended < synced_directory, f"{queue_id}: named after its directory was synced"
            synced = last_end(calls, rf"fdatasync\(\d+<[^>]*/spare/{spare}>\) *= 0", began)
            used_before = last_end(calls, rf'rename\("spare/{spare}"', began)
            assert synced is not None and synced > (used_before or -1), queue_id
            reused += 1
        else:
            synced = last_end(calls, rf"fsync\(\d+<[^>]*/incoming/{queue_id}>\) *= 0", replied)
            assert synced is not None and synced < synced_directory, queue_id
    assert reused > 0
