"""A deferred queue, written as files: messages differ in sender, recipients and reason, and are what a relay would have
deferred: content of some KiB, one or two recipients, a defer log each."""
import os
import shutil
import time

DOMAINS = ["yahoo.com"] * 5 + ["aol.com"] * 3 + ["hotmail.com"] * 2 + [f"d{n}.example" for n in range(20)]


def record(kind, text):
    data, length, head = text.encode(), len(text), b""
    while length > 127:
        head += bytes([length & 127 | 128])
        length >>= 7
    return kind.encode() + head + bytes([length]) + data


def message(number, arrival):
    sender = f"user{number % 997}@{'pay.adp.com' if number % 50 == 0 else 'news.example'}"
    recipients = [f"r{number}@{DOMAINS[number % len(DOMAINS)]}"]
    if number % 10 == 0:
        recipients.append(f"s{number}@{DOMAINS[(number * 7) % len(DOMAINS)]}")
    head = (record("T", f"{arrival} 1") + record("A", "log_client_name=client.example")
            + record("A", f"log_client_address=192.0.2.{number % 200}") + record("S", sender))
    envelope = b"".join(record("O", r) + record("R", r) for r in recipients)
    content = b"".join(record("N", "x" * 76) for _ in range(50))
    start = 97 + len(head) + len(envelope) + len(record("M", ""))
    size = record("C", "".join(f"{n:15d} " for n in (len(content), start, len(recipients), 0, len(content))) + f"{0:15d}")
    assert len(size) == 97
    reason = f"connect to mx.{recipients[0].split('@')[1]}[192.0.2.1]:25: Connection timed out"
    log = "".join(f"<{r}>: {reason}\nrecipient={r}\noffset=1\ndsn_orig_rcpt=rfc822;{r}\nstatus=4.4.1\naction=delayed\n"
                  f"reason={reason}\n\n" for r in recipients)
    return size + head + envelope + record("M", "") + content + record("X", "") + record("E", ""), log.encode()


def write(path, data, mode, owner):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
    shutil.chown(path, owner)


def fill(mta, count):
    """So many messages, to be tried again tomorrow, take the place of what the instance has deferred. Each is named after its
    inode, as both systems want it."""
    now, owner = int(time.time()), mta.main["mail_owner"]
    for queue in ("deferred", "defer"):
        for path in (mta.spool / queue).iterdir():
            shutil.rmtree(path)
    for number in range(count):
        body, log = message(number, now - number % 20000)
        fresh = mta.spool / "deferred" / "new"
        write(fresh, body, 0o700, owner)
        os.utime(fresh, (now, now + 86400))
        queue_id = f"{number * 16:05X}"[-5:] + f"{fresh.stat().st_ino:X}"
        folder = mta.spool / "deferred" / queue_id[0]
        folder.mkdir(exist_ok=True)
        fresh.rename(folder / queue_id)
        write(mta.spool / "defer" / queue_id[0] / queue_id, log, 0o600, owner)
    for queue in ("deferred", "defer"):
        for folder in (mta.spool / queue).iterdir():
            shutil.chown(folder, owner)
    os.sync()
