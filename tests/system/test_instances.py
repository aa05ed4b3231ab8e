"""Several instances on one host: postmulti, and postfix start and stop for all of them.

The first instance is always the one in /etc/postfix: the tests have an /etc of their own, in a mount namespace."""
import json
import shutil
from pathlib import Path

import pytest

from harness.host import Host
from harness.instance import MTA
from harness.waiting import free_port, wait_until

pytestmark = [pytest.mark.root, pytest.mark.peer]


@pytest.fixture
def host(make_instance):
    made = Host(make_instance())
    yield made
    made.close()


def test_without_other_instances(host):
    assert host.multi("-l") == "-               -               y         /etc/postfix\n"
    host.multi(status=1, text="fatal: Specify exactly one of '-e', '-l', '-p', '-x'")
    host.multi("-I", "postfix-a", "-e", "create", status=1,
               text="fatal: multi_instance_wrapper is empty, run 'postmulti -e init' first.")
    host.multi("-e", "init")
    assert host.value("multi_instance_enable") == "yes"
    assert host.value("multi_instance_wrapper").endswith("/postmulti -p --")


def test_usage(host):
    for arguments, text in (
            (["-x"], "Command required with '-p' or '-x' option"),
            (["-p"], "Command required with '-p' or '-x' option"),
            (["-l", "foo"], "Command not allowed with '-l'"),
            (["-l", "-p", "start"], "Specify exactly one of '-e', '-l', '-p', '-x'"),
            (["-R", "-p", "status"], "The '-p' and '-e' options preclude the use of '-R'"),
            (["-e", "foo"], "Invalid '-e' edit action 'foo'. Specify 'create', 'destroy', 'import', 'deport', 'enable', "
                            "'disable', 'assign' or 'init'"),
            (["-e", "create"], "Missing config_directory parameter value"),
            (["-e", "import"], "Missing config_directory parameter value"),
            (["-e", "destroy"], "Select an instance via '-i name'"),
            (["-i", "x", "-e", "destroy"], "No instance named x"),
            (["-i", "-", "-e", "destroy"], "Cannot remove the primary instance"),
            (["-I", "bad", "-e", "create"], "New instance name must start with 'postfix-'"),
            (["-I", "postfix-b", "-e", "create", "foo=bar"], "Parameter 'foo' not valid with action create"),
            (["-I", "postfix-b", "-e", "create", "config_directory=relative"],
             "Parameter setting 'config_directory' is not an absolute path"),
            (["-e", "init", "foo=bar"], "Parameter overrides not valid with '-e init'"),
            (["-l", "-I", "postfix-x"], "Cannot assign instance name or group without '-e assign'"),
            (["-i", "-", "-e", "assign"], "Specify new instance name or group with '-e assign'"),
            (["-I", "-", "-e", "create", "config_directory=/etc/postfix-r"], "Missing queue_directory parameter value")):
        host.multi(*arguments, status=1, text=f"fatal: {text}")


def test_life_of_an_instance(host):
    host.multi("-e", "init")
    host.multi("-I", "postfix-a", "-G", "grp", "-e", "create")
    assert host.value("multi_instance_directories") == "/etc/postfix-a"
    for name, value in {"multi_instance_name": "postfix-a", "multi_instance_group": "grp", "multi_instance_enable": "no",
                        "master_service_disable": "inet", "authorized_submit_users": "",
                        "queue_directory": str(host.directory / "multi/spools/postfix-a"),
                        "data_directory": str(host.directory / "multi/datas/postfix-a")}.items():
        assert host.value(name, "/etc/postfix-a") == value
    assert (host.directory / "multi/spools/postfix-a/maildrop").is_dir()
    host.multi("-I", "postfix-a", "-e", "create", status=1,
               text="fatal: new config_directory=/etc/postfix-a is already in use by instance /etc/postfix-a, "
                    "config_directory=/etc/postfix-a")
    spool = host.directory / "multi/spools/postfix"
    host.multi("-I", "postfix-b", "-e", "create", f"queue_directory={spool}", status=1,
               text=f"fatal: instance /etc/postfix-b, queue_directory={spool} conflicts with instance /etc/postfix, "
                    f"queue_directory={spool}")
    host.multi("-I", "postfix-b", "-e", "create")
    host.multi("-i", "postfix-a", "-I", "postfix-c", "-e", "create")
    host.multi("-g", "grp", "-I", "postfix-d", "-e", "create")
    host.multi("-a", "-I", "postfix-e", "-e", "create")
    host.multi("-g", "none", "-I", "postfix-f", "-e", "create", status=1, text="fatal: No matching secondary instances")
    assert host.value("multi_instance_directories") == " ".join(f"/etc/postfix-{x}" for x in "ecdab")
    host.multi("-i", "postfix-b", "-e", "assign", "-G", "g2")
    host.multi("-i", "postfix-b", "-e", "assign", "-I", "postfix-a", status=1,
               text="fatal: instance /etc/postfix-b, multi_instance_name=postfix-a conflicts with instance "
                    "/etc/postfix-a, multi_instance_name=postfix-a")
    host.multi("-i", "postfix-b", "-e", "enable")
    assert host.multi("-l", "-i", "postfix-b") == "postfix-b       g2              y         /etc/postfix-b\n"
    for action in ("destroy", "deport"):
        host.multi("-i", "postfix-b", "-e", action, status=1, text="fatal: Cannot remove enabled instances")
    host.multi("-i", "postfix-b", "-e", "disable")
    host.multi("-i", "postfix-b", "-e", "assign", "-I", "-", "-G", "-")
    assert host.multi("-l", "-i", "/etc/postfix-b") == "-               -               n         /etc/postfix-b\n"
    host.multi("-i", "/etc/postfix-b", "-e", "deport")
    assert host.value("alternate_config_directories") == "/etc/postfix-b"
    host.multi("-e", "import", "config_directory=/etc/postfix-b")
    assert host.value("alternate_config_directories") == ""
    host.multi("-i", "/etc/postfix-b", "-e", "destroy")
    host.multi("-i", "postfix-a", "-e", "destroy")
    assert host.value("multi_instance_directories") == " ".join(f"/etc/postfix-{x}" for x in "ecd")
    assert host.enter("ls", "-d", "/etc/postfix-b").returncode != 0
    assert sorted(p.name for p in (host.directory / "multi/spools").iterdir()) == \
        ["postfix", "postfix-c", "postfix-d", "postfix-e"]
    assert not (host.directory / "multi/datas/postfix-b").exists()
    host.multi("-e", "import", "config_directory=/nonexistent", status=1,
               text="fatal: Failed to obtain all required /nonexistent/main.cf parameters")


def test_which_and_in_what_order(host):
    host.multi("-e", "init")
    host.multi("-I", "postfix-a", "-G", "grp", "-e", "create")
    host.multi("-I", "postfix-b", "-e", "create")
    first, a, b = ("-               -               y         /etc/postfix\n",
                   "postfix-a       grp             n         /etc/postfix-a\n",
                   "postfix-b       -               n         /etc/postfix-b\n")
    for arguments, expected in (([], first + a + b), (["-a"], first + a + b), (["-R"], b + a + first), (["-g", "grp"], a),
                                (["-i", "postfix-b"], b), (["-i", "/etc/postfix-a"], a), (["-i", "-"], first),
                                (["-i", "no"], ""), (["-g", "no"], "")):
        assert host.multi("-l", *arguments) == expected
    assert host.multi("-v", "-l") == first + a + b
    names = host.multi("-x", "sh", "-c", 'echo "$MAIL_CONFIG $config_directory $multi_instance_name $multi_instance_group '
                                         '$multi_instance_enable $queue_directory"')
    top = host.directory / "multi/spools"
    assert names.splitlines() == [f"/etc/postfix /etc/postfix   yes {top}/postfix",
                                  f"/etc/postfix-a /etc/postfix-a postfix-a grp no {top}/postfix-a",
                                  f"/etc/postfix-b /etc/postfix-b postfix-b  no {top}/postfix-b"]
    assert host.multi("-R", "-x", "postconf", "-h", "multi_instance_name").split() == ["postfix-b", "postfix-a"]
    assert host.multi("-v", "-a", "-x", "echo", "here").splitlines() == ["here"] * 3
    host.multi("-x", "false", status=1)


@pytest.mark.skipif(MTA == "postfix", reason="newer than Debian's")
def test_lists_in_json(host):
    host.multi("-e", "init")
    host.multi("-I", "postfix-a", "-G", "grp", "-e", "create")
    assert [json.loads(line) for line in host.multi("-lj").splitlines()] == [
        {"name": "-", "group": "-", "enable": "y", "config_directory": "/etc/postfix"},
        {"name": "postfix-a", "group": "grp", "enable": "n", "config_directory": "/etc/postfix-a"}]
    host.multi("-j", "-p", "status", status=1, text="fatal: The '-j' option requires '-l'")


def test_start_and_stop_all(host):
    host.multi("-e", "init")
    for name in ("postfix-a", "postfix-b", "postfix-c"):
        host.create(name, *(["-G", "grp"] if name == "postfix-a" else []))
    for name in ("postfix-a", "postfix-b"):
        host.multi("-i", name, "-e", "enable")
    host.run("postfix", "start")
    running = [host.master(name) for name in ("postfix", "postfix-a", "postfix-b")]
    assert all(running) and host.master("postfix-c") is None
    starts = [line.split()[4].split("/")[0] for line in host.log_text().splitlines() if "starting the" in line]
    assert starts == ["postfix", "postfix-a", "postfix-b"]
    host.run("postfix", "status", status=1)                  # postfix-c does not run
    host.multi("-g", "grp", "-p", "status")
    host.run("postfix", "reload")
    host.run("postfix", "flush")
    assert [host.master(name) for name in ("postfix", "postfix-a", "postfix-b")] == running
    host.run("postfix", "-c", "/etc/postfix-a", "stop")      # just that one
    wait_until(lambda: host.master("postfix-a") is None, 10)
    assert host.master("postfix-b")
    host.multi("-i", "postfix-a", "-p", "start")
    assert host.master("postfix-a")
    host.run("postfix", "stop")
    wait_until(lambda: not host.processes(), 15, lambda: f"left: {host.processes()}")
    stops = [line.split()[4].split("/")[0] for line in host.log_text().splitlines() if "stopping the" in line]
    if MTA == "postern":  # Postfix loses lines while its postlogd ends
        assert stops[-3:] == ["postfix-b", "postfix-a", "postfix"]
    host.run("postfix", "stop", status=1)


def test_wrapper_is_needed(host):
    host.run("postconf", "-e", "multi_instance_directories=/etc/postfix-a")
    host.run("postfix", "status", status=1,
             text="fatal: multi-instance support is requested, but multi_instance_wrapper is empty")


@pytest.mark.skipif(MTA == "postfix", reason="Postfix stops nothing then")
def test_half_made_instance_harms_no_other(host):
    host.multi("-e", "init")
    for name in ("postfix-a", "postfix-b"):
        host.create(name)
        host.multi("-i", name, "-e", "enable")
    host.enter("rm", "/etc/postfix-a/main.cf", check=True)
    text = "Failed to obtain all required /etc/postfix-a/main.cf parameters"
    host.run("postfix", "start", status=1, text=text)
    assert host.master("postfix") and host.master("postfix-b")
    assert host.multi("-l", status=1, text=text).splitlines()[1].startswith("postfix-b ")
    host.run("postfix", "stop", status=1, text=text)
    wait_until(lambda: not host.processes(), 15, lambda: f"left: {host.processes()}")
    host.multi("-i", "/etc/postfix-a", "-e", "deport")
    host.run("postfix", "start")
    assert host.master("postfix-b")
    host.run("postfix", "stop")


@pytest.mark.skipif(MTA == "postfix", reason="Postfix removes what is around the mail")
def test_instance_with_mail_is_not_destroyed(host):
    host.multi("-e", "init")
    host.create("postfix-a")
    message = host.directory / "multi/spools/postfix-a/deferred/A/ABCDEF"
    message.parent.mkdir(mode=0o700)
    shutil.chown(message.parent, "postfix")  # start refuses what it cannot look into
    message.write_text("x")
    host.multi("-i", "postfix-a", "-e", "destroy", status=1, text="fatal: Cannot remove instances with mail in their queue")
    message.unlink()
    host.run("postfix", "-c", "/etc/postfix-a", "start")
    host.multi("-i", "postfix-a", "-e", "destroy", status=1, text="is running, cannot remove")
    host.run("postfix", "-c", "/etc/postfix-a", "stop")
    host.multi("-i", "postfix-a", "-e", "destroy")
    assert not (host.directory / "multi/spools/postfix-a").exists()


def test_set_gid_commands_serve_listed_instances(host):
    """An ordinary user may look into the instances that the first one lists, and into no other."""
    host.multi("-e", "init")
    for name in ("postfix-a", "postfix-b"):
        host.create(name)
        host.multi("-i", name, "-e", "enable")
    host.run("postfix", "start")
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
              f"{host.mta.main['command_directory']}/postqueue", "-c"]
    assert "Mail queue is empty" in host.enter(*nobody, "/etc/postfix-b", "-p").stdout
    other = host.directory / "other"
    other.mkdir()
    shutil.copy(host.mta.etc / "main.cf", other)
    refused = host.enter(*nobody, str(other), "-p")
    assert refused.returncode != 0 and "unauthorized configuration directory name" in refused.stderr
    host.run("postfix", "stop")


def test_services_left_out(host):
    port = free_port()
    host.run("postconf", "-M", f"127.0.0.1:{port}/inet=127.0.0.1:{port} inet n - n - - smtpd")
    for choice, expected in (("inet", False), (f"127.0.0.1:{port}/inet", False), ("", True),
                             (f"!127.0.0.1:{port}/inet, inet", True)):
        host.run("postconf", "-e", f"master_service_disable={choice}")
        host.run("postfix", "start")
        listening = f"{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text()
        host.run("postfix", "stop")
        assert listening == expected, choice
