"""postqueue -i: one message now; and postsuper beside a queue manager at work: nothing lost, nothing doubled."""
import re
import subprocess
import threading

import pytest

from harness.smtp_sink import Rule
from harness.waiting import free_port, wait_until

SLOW = {"minimal_backoff_time": "1h", "maximal_backoff_time": "1h", "queue_run_delay": "1h"}


def send(mta, recipients, sender="a@x.example", subject="test"):
    with mta.smtp() as client:
        client.ehlo()
        return client.transaction(sender, recipients, f"Subject: {subject}\r\n\r\ntest\r\n").text.split()[-1]


def deferred(mta, count):
    wait_until(lambda: len(mta.queue_files("deferred")) == count, what=f"{count} deferred messages")


@pytest.mark.peer
def test_one_message_and_no_other(make_instance, make_sink):
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "450 4.2.0 later", times=3))
    mta = make_instance(SLOW | {"relayhost": sink.nexthop})
    mta.start()
    ids = [send(mta, [f"r{n}@y.example"]) for n in range(3)]
    deferred(mta, 3)
    result = mta.run("postqueue", "-i", ids[1])
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert sink.wait_for(1)[0].recipients == ["r1@y.example"]
    mta.wait_log(rf"{ids[1]}: removed")
    deferred(mta, 2)
    result = mta.run("postqueue", "-i", "ABCDEF0123")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.peer
def test_dead_destination_or_not(make_instance, make_sink):
    port = free_port()
    mta = make_instance(SLOW | {"relayhost": f"[127.0.0.1]:{port}", "smtp_destination_concurrency_limit": "1"})
    mta.start()
    ids = [send(mta, [f"r{n}@y.example"]) for n in range(3)]
    deferred(mta, 3)
    mta.wait_log(r"delivery temporarily suspended: connect to 127\.0\.0\.1")
    sink = make_sink(port=port)
    mta.run("postqueue", "-i", ids[2], check=True)
    assert sink.wait_for(1)[0].recipients == ["r2@y.example"]
    deferred(mta, 2)


@pytest.mark.root
def test_an_ordinary_user_may(make_instance, make_sink):
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "450 4.2.0 later", times=1))
    mta = make_instance(SLOW | {"relayhost": sink.nexthop})
    mta.start()
    queue_id = send(mta, ["r@y.example"])
    deferred(mta, 1)

    # The rights that set-gid gives, and no other.
    command = ["setpriv", "--reuid=nobody", "--regid=postdrop", "--clear-groups", f"{mta.command_directory}/postqueue",
               "-c", str(mta.etc), "-i", queue_id]
    assert subprocess.run(command, capture_output=True, text=True, env=mta.environment, cwd="/").stderr == ""
    sink.wait_for(1)
    mta.set_main(authorized_flush_users="root")
    mta.expected_errors.append("not allowed")
    result = subprocess.run(command, capture_output=True, text=True, env=mta.environment, cwd="/")
    assert re.search(r"postqueue: fatal: User nobody\(\d+\) is not allowed to flush the mail queue\n", result.stderr)


def test_says_that_it_is_being_delivered(make_instance, make_sink):
    sink = make_sink()
    sink.rules.append(Rule("DATA", delay=3))
    mta = make_instance(SLOW | {"relayhost": sink.nexthop})
    mta.start()
    queue_id = send(mta, ["r@y.example"])
    wait_until(lambda: busy(mta, queue_id), what="a lock")
    result = mta.run("postqueue", "-i", queue_id)
    assert (result.returncode, result.stderr) == (0, f"postqueue: warning: {queue_id}: is being delivered\n")
    result = mta.run("postsuper", "-r", queue_id)
    assert result.stderr == (f"postsuper: warning: {queue_id}: is being delivered: not requeued\n"
                             "postsuper: Requeued: 0 messages\n")
    result = mta.run("postsuper", "-h", queue_id)
    assert f"{queue_id}: is being delivered: what is under way is not stopped\n" in result.stderr
    assert f"postsuper: {queue_id}: placed on hold\n" in result.stderr
    result = mta.run("postsuper", "-H", queue_id)
    assert f"postsuper: {queue_id}: released from hold\n" in result.stderr
    sink.wait_for(1)
    mta.run("postqueue", "-i", queue_id, check=True)
    wait_until(lambda: mta.run("postqueue", "-i", queue_id) and mta.queue_is_empty(), what="empty queue")
    assert len(sink.messages) == 1


def busy(mta, queue_id):
    path = mta.spool / "active" / queue_id
    return path.exists() and subprocess.run(["flock", "-n", "-x", str(path), "true"]).returncode != 0


def test_hold_all_release_one(make_instance, make_sink):
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "450 4.2.0 later", times=5))
    mta = make_instance(SLOW | {"relayhost": sink.nexthop})
    mta.start()
    ids = [send(mta, [f"r{n}@y.example"]) for n in range(5)]
    deferred(mta, 5)
    mta.run("postsuper", "-h", "ALL", check=True)
    mta.run("postsuper", "-H", ids[3], check=True)
    mta.run("postqueue", "-i", ids[3], check=True)
    assert sink.wait_for(1)[0].recipients == ["r3@y.example"]
    mta.wait_log(rf"{ids[3]}: removed")
    assert len(mta.queue_files("hold")) == 4 and len(sink.messages) == 1


def test_expire_while_it_is_being_delivered(make_instance, make_sink):
    """The wish counts although the queue manager read the file before."""
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "450 4.2.0 later", delay=2))
    mta = make_instance(SLOW | {"relayhost": sink.nexthop})
    mta.start()
    queue_id = send(mta, ["r@y.example"], sender="")
    wait_until(lambda: busy(mta, queue_id), what="a delivery")
    mta.run("postsuper", "-e", queue_id, check=True)
    mta.wait_log(rf"{queue_id}: from=<>, status=force-expired, returned to sender")
    mta.wait_log(rf"{queue_id}: removed")


def test_under_load(make_instance, make_sink):
    """Messages are held, released, flushed and expired while they pass; each arrives once."""
    sink = make_sink()
    sink.rules.append(Rule("RCPT", "450 4.2.0 later", times=40))
    mta = make_instance({"relayhost": sink.nexthop, "minimal_backoff_time": "1s", "maximal_backoff_time": "1s",
                         "queue_run_delay": "1s"})
    mta.start()
    done = threading.Event()
    failures = []

    def meddle():
        while not done.is_set():
            for arguments in (("postsuper", "-h", "ALL"), ("postsuper", "-H", "ALL"), ("postqueue", "-f")):
                result = mta.run(*arguments)
                if result.returncode != 0:
                    failures.append(result.stderr)
            for path in mta.queue_files("deferred")[:3]:
                mta.run("postqueue", "-i", path.name)
                mta.run("postsuper", "-h", path.name)
                mta.run("postsuper", "-H", path.name)

    thread = threading.Thread(target=meddle)
    thread.start()
    try:
        ids = [send(mta, [f"r{n}@y.example"]) for n in range(200)]
    finally:
        done.set()
        thread.join()
    mta.run("postsuper", "-H", "ALL", check=True)
    assert not failures
    wait_until(lambda: mta.run("postqueue", "-f") and mta.queue_is_empty(), 60, what="empty queue")
    arrived = sorted(m.recipients[0] for m in sink.messages)
    assert arrived == sorted(f"r{n}@y.example" for n in range(len(ids)))
    assert not re.search(r"panic|fatal", mta.log())
