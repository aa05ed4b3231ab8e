"""Mail submitted on this host: what commands write into maildrop, and files that a test puts there itself."""
import stat

from harness.queue_file import QueueFile

MESSAGE = "Subject: hello\nTo: there@far.example\n\nbody\n"


def record(kind, data=b""):
    data = data.encode() if isinstance(data, str) else data
    length, left = b"", len(data)
    while True:
        length += bytes([left & 127 | (128 if left > 127 else 0)])
        left >>= 7
        if not left:
            return kind.encode() + length + data


ENVELOPE = (record("A", "rewrite_context=local") + record("F", "root") + record("S", "root") +
            record("R", "u@x.example"))
BODY = record("M") + record("N", "Subject: x") + record("N") + record("N", "hi")
END = record("X") + record("E")


def stopped_instance(make_instance):
    """An instance that does not run: what is submitted stays in maildrop."""
    mta = make_instance({"fast_flush_domains": ""})
    mta.postfix("check", check=True)
    mta.expected_errors.append(r"(sendmail|postdrop|postqueue)\[\d+\]: fatal: ")
    return mta


def sendmail(mta, *arguments, text=MESSAGE, status=0, **more):
    result = mta.run("sendmail", *arguments, input=text, **more)
    assert result.returncode == status, result
    return result


def in_maildrop(mta):
    return list((mta.spool / "maildrop").iterdir())


def empty(mta):
    for path in in_maildrop(mta):
        path.unlink()


def dropped(mta):
    """[(type, data)] of the one file in maildrop, without its time; the queue is emptied."""
    files = in_maildrop(mta)
    assert len(files) == 1, files
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o744
    found = [(record.type, record.data.decode("latin-1")) for record in QueueFile(files[0]).records]
    empty(mta)
    assert found[0][0] == "T" and found[-1] == ("E", "")
    return found[1:]
