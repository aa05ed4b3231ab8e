"""make install and make run, without make."""
import os
import pwd
import signal
import subprocess

import pytest

from harness.instance import BUILD, ROOT, belongs_to
from harness.waiting import free_port, wait_until
from pathlib import Path


def mode(path):
    return oct(path.stat().st_mode & 0o7777)


def install(destination):
    subprocess.run(["sh", ROOT / "conf/install-tree", BUILD, destination, "/usr"], check=True, capture_output=True)


def test_install_lays_out_a_system(directory):
    install(directory)
    assert mode(directory / "usr/sbin/postfix") == "0o755"
    assert mode(directory / "usr/lib/postfix/sbin/master") == "0o755"
    assert (directory / "usr/lib/postfix/sbin/lmtp").resolve() == directory / "usr/lib/postfix/sbin/smtp"
    assert (directory / "etc/postfix/main.cf").exists() and (directory / "etc/postfix/master.cf").exists()
    spool = directory / "var/spool/postfix"
    assert mode(spool / "maildrop") == "0o1730" and mode(spool / "public") == "0o2710"
    assert {mode(spool / name) for name in ("incoming", "active", "deferred", "private", "hold")} == {"0o700"}
    for name in ("postqueue", "postdrop"):
        if (directory / "usr/sbin" / name).exists():
            assert mode(directory / "usr/sbin" / name) == "0o2555"


@pytest.mark.root
def test_install_gives_owners(directory):
    install(directory)
    spool = directory / "var/spool/postfix"
    assert (spool / "incoming").owner() == "postfix"
    assert ((spool / "public").owner(), (spool / "public").group()) == ("postfix", "postdrop")
    if (directory / "usr/sbin/postqueue").exists():
        assert (directory / "usr/sbin/postqueue").group() == "postdrop"


def test_install_keeps_configuration(directory):
    install(directory)
    (directory / "etc/postfix/main.cf").write_text("# mine\n")
    install(directory)
    assert (directory / "etc/postfix/main.cf").read_text() == "# mine\n"
    assert "compatibility_level" in (directory / "usr/share/doc/postern/main.cf.sample").read_text()


def test_shipped_configuration_is_right(make_instance):
    """No mistake, no unknown name, in what conf/ has."""
    mta = make_instance()
    for name in ("main.cf", "master.cf"):
        (mta.etc / name).write_text((ROOT / "conf" / name).read_text())
    with open(mta.etc / "main.cf", "a") as file:
        for name in ("queue_directory", "data_directory", "daemon_directory", "command_directory", "mail_owner",
                     "setgid_group", "maillog_file", "maillog_file_prefixes"):
            file.write(f"{name} = {mta.main[name]}\n")
    assert mta.postfix("check", check=True).stderr == ""


@pytest.mark.parametrize("user", ["self", pytest.param("nobody", marks=pytest.mark.root)])
def test_run_private(directory, user):
    command = ["bash", ROOT / "conf/run-private", BUILD]
    if user == "nobody":
        account = pwd.getpwnam("nobody")
        os.chown(directory, account.pw_uid, account.pw_gid)
        command = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", *command]
    output = directory / "output"
    with open(output, "w") as file:
        os.chmod(output, 0o666)
        running = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True,
                                   env={"PATH": os.environ["PATH"], "PORT": str(free_port()), "RUN": str(directory / "run"),
                                        "ASAN_OPTIONS": "detect_leaks=0"})
    try:
        wait_until(lambda: "Stop:" in output.read_text() or running.poll() is not None, 30, output.read_text)
        assert "A message has arrived: " in output.read_text()
        assert len(list((directory / "run/Maildir/new").iterdir())) == 1
        assert "TLS connection established to 127.0.0.1" in output.read_text()
        assert "sasl_method=SCRAM-SHA-256-PLUS, sasl_username=me" in output.read_text()
    finally:
        os.killpg(running.pid, signal.SIGINT)  # as Ctrl-C on a terminal
        assert running.wait(20) == 0, output.read_text()
    left = [entry.name for entry in Path("/proc").glob("[0-9]*") if belongs_to(entry, directory / "run/etc")]
    assert left == []
