"""rmail: what UUCP brought."""
import subprocess

import pytest

pytestmark = pytest.mark.root
TEXT = "Subject: x\n\nbody\n"


@pytest.fixture(scope="module")
def stopped(module_instance):
    mta = module_instance({"sendmail_path": "/usr/sbin/sendmail"})
    mta.postfix("check", check=True)
    mta.start()
    mta.stop()
    mta.expected_errors.append(r"(sendmail|postdrop)\[\d+\]: fatal: ")
    return mta


def rmail(mta, text, *arguments):
    text = text if isinstance(text, bytes) else text.encode()
    return subprocess.run(mta.as_the_system(f"{mta.main['command_directory']}/rmail", *arguments), input=text,
                          capture_output=True, timeout=30, env=mta.environment)


def dropped(mta):
    """(sender, recipients, content) of what is in maildrop; it is removed."""
    found = []
    for path in (mta.spool / "maildrop").iterdir():
        head, _, rest = mta.run("postcat", path, check=True).stdout.partition("*** MESSAGE CONTENTS")
        lines = head.splitlines()
        assert "named_attribute: rewrite_context=remote" in lines
        found.append(([line[8:] for line in lines if line.startswith("sender: ")][0],
                      [line[11:] for line in lines if line.startswith("recipient: ")],
                      rest.partition("***\n")[2].partition("*** HEADER")[0]))
        path.unlink()
    return found


@pytest.mark.peer
@pytest.mark.parametrize("head, sender", [
    ("From b Thu Nov 26 10:00:00 2026\n", "b"),
    ("From a!b Thu Nov 26 10:00:00 2026 remote from host\n", "host!a!b"),
    ("From b Thu remote from h1\n>From c Thu Nov 26 remote from h2\n", "h1!h2!c"),
    (">From c Thu remote from h2\nFrom b Thu remote from h1\n", "h2!h1!b"),
    ("From b Thu remote from h1\n>From c Thu\n", "h1!c"),
    ("From b Thu\n>From c Thu remote from h2\n", "h2!c"),
    ("From b Thu remote from h1\n>From c Thu remote from h2\n>From d Thu remote from h3\n", "h1!h2!h3!d"),
    ("From a!b!c Thu remote from host\n>From a!d Thu remote from h2\n", "host!h2!a!d"),
    ("From b@c.example Thu\n", "b@c.example"), ("From b@c Thu remote from h0\n", "h0!b@c"), ("From b\n", "b"),
    ("From <> Thu\n", ""), ("From -f Thu remote from h1\n", "h1!-f"), ("From b\tThu remote from host more\n", "host!b"),
    ("From b forwarded by c remote from h0\n", "h0!b"),
])
def test_sender(stopped, head, sender):
    result = rmail(stopped, head + TEXT, "u@x.example", "v")
    assert result.returncode == 0, result
    assert dropped(stopped) == [(sender, ["u@x.example", "v"], TEXT)]


@pytest.mark.peer
def test_content_is_left_alone(stopped):
    text = TEXT + ".\nFrom a Thu remote from b\n>From c\nlast"
    assert rmail(stopped, "From b Thu remote from h1\n" + text, "-D", "some.domain", "h3!user").returncode == 0
    (sender, recipients, content), = dropped(stopped)
    assert (sender, recipients, content.rstrip("\n")) == ("h1!b", ["h3!user"], text)


@pytest.mark.peer
@pytest.mark.parametrize("text, arguments, status", [
    (TEXT, ["u"], 65), ("", ["u"], 65), ("From \n" + TEXT, ["u"], 65), ("From b Thu remote from h1\n", ["u"], 65),
    ("From b Thu\n" + TEXT, [], 64), ("From b Thu\n" + TEXT, ["-x", "u"], 64),
])
def test_refusals(stopped, text, arguments, status):
    assert rmail(stopped, text, *arguments).returncode == status
    assert dropped(stopped) == []


@pytest.mark.peer
@pytest.mark.parametrize("text, words", [(TEXT, b"rmail: fatal: missing or empty From line: Subject: x"),
                                         ("From \n" + TEXT, b"rmail: fatal: corrupted From line: From ")])
def test_refusals_say_why(stopped, text, words):
    assert rmail(stopped, text, "u").stderr.rstrip().replace(b"fatal: ", b"") == words.replace(b"fatal: ", b"").rstrip()


def test_status_is_sendmails(stopped):
    """UUCP keeps what was not taken; Debian's rmail says 0."""
    stopped.set_main(authorized_submit_users="nobody")
    result = rmail(stopped, "From b Thu\n" + TEXT, "u")
    stopped.set_main(authorized_submit_users="static:anyone")
    assert result.returncode == 75
