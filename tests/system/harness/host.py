"""A host with an /etc of its own, in a mount namespace, for what concerns /etc/postfix itself. Needs root."""
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from harness.instance import MTA

COMMON = ("compatibility_level", "command_directory", "daemon_directory", "mail_owner", "setgid_group", "inet_interfaces",
          "inet_protocols", "myhostname", "mydomain", "mydestination", "alias_maps", "alias_database", "mynetworks",
          "smtp_dns_support_level", "import_environment", "maillog_file_prefixes")


class Host:
    """An /etc of its own, with a first instance in /etc/postfix."""

    def __init__(self, mta):
        self.mta, self.directory, self.log = mta, mta.directory, mta.directory / "host.log"
        (self.directory / "multi").mkdir()
        for name in ("upper", "work", "spools/postfix", "datas/postfix"):
            (self.directory / "multi" / name).mkdir(parents=True)
        shutil.chown(self.directory / "multi/datas/postfix", "postfix")
        self.keeper = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c",
                                        "echo; exec sleep 1000"], stdout=subprocess.PIPE)
        self.keeper.stdout.readline()
        top = self.directory / "multi"
        self.enter("mount", "-t", "overlay", "-o", f"lowerdir=/etc,upperdir={top}/upper,workdir={top}/work", "overlay",
                   "/etc", check=True)
        stock = "! -name '*.proto'" if MTA == "postfix" else ""
        self.enter("sh", "-c", "rm -rf /etc/postfix-*; mkdir -p /etc/postfix; find /etc/postfix -mindepth 1 "
                   f"{stock} -delete", check=True)
        for path in mta.etc.iterdir():
            self.enter("cp", "-r", str(path), "/etc/postfix", check=True)
        self.settings = {name: mta.main[name] for name in COMMON if name in mta.main}
        self.write("postfix", {**self.settings, "queue_directory": top / "spools/postfix",
                               "data_directory": top / "datas/postfix", "maillog_file": self.log})

    @property
    def environment(self):
        return self.mta.environment

    def enter(self, *command, check=False, **more):
        result = subprocess.run(["nsenter", "-t", str(self.keeper.pid), "-m", *command], capture_output=True, text=True,
                                env=self.environment, timeout=60, **more)
        assert not check or result.returncode == 0, result
        return result

    def run(self, program, *arguments, status=0, text=None):
        before = self.log_text()
        result = self.enter(f"{self.mta.main['command_directory']}/{program}", *arguments)
        assert result.returncode == status, (arguments, result, self.log_text()[len(before):])
        if text is not None:
            assert text in result.stderr + self.log_text()[len(before):]
        return result.stdout

    def multi(self, *arguments, **more):
        return self.run("postmulti", *arguments, **more)

    def log_text(self):
        return self.log.read_text() if self.log.exists() else ""

    def write(self, name, settings):
        text = "".join(f"{key} = {value}\n" for key, value in settings.items())
        subprocess.run(["nsenter", "-t", str(self.keeper.pid), "-m", "tee", f"/etc/{name}/main.cf"], input=text, text=True,
                       stdout=subprocess.DEVNULL, check=True)

    def value(self, name, directory="/etc/postfix"):
        return self.run("postconf", "-c", directory, "-h", name).strip()

    def create(self, name, *arguments):
        """Creates an instance that could be started, beside the others."""
        self.multi("-I", name, *arguments, "-e", "create")
        settings = {**self.settings, "maillog_file": self.log, "multi_instance_name": name, "inet_interfaces": "127.0.0.1",
                    "queue_directory": self.directory / "multi/spools" / name, "master_service_disable": "inet",
                    "data_directory": self.directory / "multi/datas" / name,
                    "multi_instance_group": self.value("multi_instance_group", f"/etc/{name}")}
        self.write(name, settings)
        self.enter("cp", "/etc/postfix/master.cf", f"/etc/{name}/master.cf", check=True)

    def master(self, name):
        try:
            pid = int((self.directory / "multi/spools" / name / "pid/master.pid").read_text())
            return pid if Path(f"/proc/{pid}/comm").read_text().strip() == "master" else None
        except (FileNotFoundError, ValueError):
            return None

    def processes(self):
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if re.search(rb"\0?MAIL_CONFIG=/etc/postfix", (entry / "environ").read_bytes()) and \
                        os.readlink(entry / "ns/mnt") == os.readlink(f"/proc/{self.keeper.pid}/ns/mnt"):
                    found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                pass
        return found

    def close(self):
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.keeper.kill()
        self.keeper.wait()
        self.keeper.stdout.close()
