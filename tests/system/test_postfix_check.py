"""postfix check: the configuration, line by line, and the queue's directories; what set-permissions mends."""
import os
import re
import shutil

import pytest

from harness.echo import echo  # noqa: F401
from harness.waiting import free_port


def test_check_names_file_and_line(echo):
    mta = echo(start=False)
    mta.expected_errors.append("integrity check failed")
    with open(mta.etc / "main.cf", "a") as file:
        file.write("foo_bar = x\nmax_idle = soon\nmax_use = many\n")
    with open(mta.etc / "master.cf", "a") as file:
        file.write("a b - - n - - echo\nc unix - - n - - echo\nd unix - - x - - echo\n"
                   "nosuchport inet n - n - - echo\ne unix - - n - - echo -o a b\n")
    count = len((mta.etc / "main.cf").read_text().splitlines())
    result = mta.postfix("check")
    assert result.returncode == 1
    assert f"warning: {mta.etc}/main.cf: line {count - 2}: unused parameter: foo_bar=x" in result.stderr
    assert f"error: {mta.etc}/main.cf: line {count - 1}: " in result.stderr
    assert f"error: {mta.etc}/main.cf: line {count}: " in result.stderr
    assert f"error: {mta.etc}/master.cf: line 3: bad type" in result.stderr
    assert f"error: {mta.etc}/master.cf: line 5: " in result.stderr
    assert f"error: {mta.etc}/master.cf: line 6: nosuchport: no such port" in result.stderr
    assert f'error: {mta.etc}/master.cf: line 7: bad option "-o a"' in result.stderr
    start = mta.postfix("start")
    assert start.returncode == 1 and "fatal: Postfix integrity check failed!" in start.stderr
    assert not mta.pid


def test_check_makes_the_queue(echo):
    mta = echo(start=False)
    result = mta.postfix("check", check=True)
    assert result.stderr == ""
    for name in ("incoming", "active", "deferred", "bounce", "defer", "trace", "corrupt", "hold", "saved", "private"):
        assert (mta.spool / name).stat().st_mode & 0o7777 == 0o700
        assert (mta.spool / name).owner() == mta.main["mail_owner"]
    assert (mta.spool / "maildrop").stat().st_mode & 0o7777 == 0o1730
    assert (mta.spool / "public").stat().st_mode & 0o7777 == 0o2710


def test_check_finds_a_file_in_place_of_a_queue(echo):
    mta = echo(start=False)
    mta.expected_errors.append("is no directory")
    (mta.spool / "active").write_text("")
    result = mta.postfix("check")
    assert result.returncode == 1 and f"error: {mta.spool}/active is no directory" in result.stderr


@pytest.mark.root
def test_set_permissions_repairs(echo):
    mta = echo(start=False)
    mta.postfix("check", check=True)
    os.chown(mta.spool / "active", 0, 0)
    os.chmod(mta.spool / "incoming", 0o777)
    result = mta.postfix("check", check=True)
    assert f"warning: not owned by postfix: {mta.spool}/active" in result.stderr
    assert f"{mta.spool}/incoming" in result.stderr
    os.chmod(mta.command_directory / "postqueue", 0o755)
    mta.postfix("set-permissions", check=True)
    assert mta.postfix("check", check=True).stderr == ""


@pytest.mark.skipif(not os.path.exists("/etc/postfix/master.cf"), reason="Debian's postfix is not installed")
def test_debians_master_cf_starts_unchanged(make_instance):
    port = free_port()
    mta = make_instance({"known_tcp_ports": f"smtp={port}"})
    shutil.copy("/etc/postfix/master.cf", mta.etc / "master.cf")
    mta.start()
    mta.wait_log("daemon started")
    warnings = re.findall(r"master\[\d+\]: warning: (.*)", mta.log())
    assert all("no such program" in warning for warning in warnings)
    assert len(warnings) == len(set(warnings))
