"""An instance: its own configuration, queue and log below one directory, Postern's or Debian's Postfix's."""
import grp
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from harness.smtp_client import SmtpClient
from harness.waiting import free_port, wait_until

MTA = os.environ.get("MTA", "postern")
ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("POSTERN_BUILD", ROOT / "build/test")).resolve()
SANITIZER_VARIABLES = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS")

# name type private unprivileged chroot wakeup maxproc command
USUAL_SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
tlsmgr unix - - n 1000? 1 tlsmgr
mtasts unix - - n - 1 mtasts
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

SET_GID_COMMANDS = ("postqueue", "postdrop")
SENDMAIL_NAMES = ("sendmail", "mailq", "newaliases")
QUEUES = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt", "defer", "bounce", "trace")


def new_directory():
    path = Path(tempfile.mkdtemp(prefix="postern-"))
    path.chmod(0o755)
    return path


def remove_directory(path):
    if os.environ.get("KEEP"):
        print(f"kept: {path}")
    else:
        shutil.rmtree(path, ignore_errors=True)


class Instance:
    def __init__(self, directory, main, services=None, user=None, mta=MTA):
        self.mta = mta
        self.directory = directory
        self.etc, self.spool = directory / "etc", directory / "spool"
        self.log_path = directory / "mail.log"
        self.port = free_port()
        self.user = user if user else pwd.getpwuid(os.geteuid()).pw_name
        self.privileged = self.user == "root"
        self.expected_errors = []
        self.mark = 0
        self.daemon_directory, self.command_directory = directory / "libexec", directory / "sbin"
        self._lay_out()
        self.main = self._main_defaults() | {k: str(v) for k, v in main.items()}
        self.set_main()
        self.set_master(services or USUAL_SERVICES)
        if user:
            subprocess.run(["chown", "-R", user, str(directory)], check=True)

    # ---- configuration ----

    def _lay_out(self):
        for path in (self.etc, self.spool, self.directory / "data", self.directory / "sanitizer"):
            path.mkdir()
        (self.directory / "sanitizer").chmod(0o777)
        self._link_programs()
        self._link_commands()
        if self.mta == "postfix":
            for name in ("dynamicmaps.cf", "postfix-files"):
                shutil.copy(f"/etc/postfix/{name}", self.etc)
            for name in ("dynamicmaps.cf.d", "postfix-files.d"):
                shutil.copytree(f"/etc/postfix/{name}", self.etc / name)
        if self.privileged:
            shutil.chown(self.directory / "data", "postfix")

    def _link_programs(self):
        """A directory of programs of our own, where tests may add and take away."""
        self.daemon_directory.mkdir()
        sources = [Path("/usr/lib/postfix/sbin")] if self.mta == "postfix" else [BUILD / "libexec", BUILD / "test-services"]
        for source in sources:
            for program in source.glob("*"):
                (self.daemon_directory / program.name).symlink_to(program.resolve())
        if (self.daemon_directory / "smtp").exists() and not (self.daemon_directory / "lmtp").exists():
            (self.daemon_directory / "lmtp").symlink_to(BUILD / "libexec/smtp")
        if (self.daemon_directory / "echo").exists():
            (self.daemon_directory / "echo-trigger").symlink_to(BUILD / "test-services/echo")

    def _link_commands(self):
        """The build's commands, those that have to be set-gid so."""
        self.command_directory.mkdir()
        for command in (BUILD / "sbin").glob("*"):
            own = self.command_directory / command.name
            if self.privileged and command.name in SET_GID_COMMANDS:
                shutil.copy(command, own)
                shutil.chown(own, "root", "postdrop")
                own.chmod(0o2755)
            else:
                own.symlink_to(command)

    def _main_defaults(self):
        account = pwd.getpwnam(self.user)
        postern = self.mta == "postern"
        return {
            "compatibility_level": "3.6",
            "queue_directory": self.spool,
            "data_directory": self.directory / "data",
            "command_directory": self.command_directory if postern else "/usr/sbin",
            "daemon_directory": self.daemon_directory if postern else "/usr/lib/postfix/sbin",
            "mail_owner": "postfix" if self.privileged else self.user,
            "setgid_group": "postdrop" if self.privileged else grp.getgrgid(account.pw_gid).gr_name,
            "myhostname": "mail.test.example",
            "mydomain": "test.example",
            "mydestination": "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "smtp_dns_support_level": "disabled",
            "alias_maps": "",
            "alias_database": "",
            "maillog_file": self.log_path,
            "maillog_file_prefixes": self.directory,
            "import_environment": "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME "
                                  + " ".join(SANITIZER_VARIABLES if postern else ()),
        }

    def set_main(self, **settings):
        """Changes main.cf; takes effect at start or reload."""
        self.main |= {k: str(v) for k, v in settings.items()}
        (self.etc / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in self.main.items()))

    def set_master(self, lines):
        lines = lines if isinstance(lines, str) else "\n".join(lines) + "\n"
        (self.etc / "master.cf").write_text(lines.replace("{port}", str(self.port)).lstrip("\n"))

    # ---- commands ----

    @property
    def environment(self):
        options = f"log_path={self.directory}/sanitizer/report:detect_leaks=0:abort_on_error=0"
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C",
                **{name: options for name in SANITIZER_VARIABLES}}

    def run(self, program, *arguments, check=False, input=None, timeout=60):
        """Runs a command of this instance: run("postqueue", "-p"). Text in, CompletedProcess with text out."""
        path = f"{self.main['command_directory']}/{program}"
        if self.mta == "postfix" and program in ("mailq", "newaliases"):
            path = f"/usr/bin/{program}"
        where = "-C" if program in SENDMAIL_NAMES else "-c"
        command = [path, where, str(self.etc), *map(str, arguments)]
        result = subprocess.run(self.as_user(command), input=input, capture_output=True, text=True, timeout=timeout,
                                env=self.environment, cwd="/")
        assert not check or result.returncode == 0, f"{command}: {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def as_user(self, command):
        if os.geteuid() != 0 or self.privileged:
            return command
        account = pwd.getpwnam(self.user)
        return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", *command]

    def as_the_system(self, *command, user="root"):
        """Words that run a command, as that user, where /etc/postfix is this instance's configuration. Needs root."""
        script = f"mkdir -p /etc/postfix && mount --bind {self.etc} /etc/postfix && exec \"$@\""
        become = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]
        return ["unshare", "-m", "sh", "-c", script, "sh", *(become if user != "root" else []), *map(str, command)]

    def postfix(self, *arguments, check=False):
        return self.run("postfix", *arguments, check=check)

    def start(self):
        self.postfix("start", check=True)
        assert self.pid

    def reload(self):
        self.postfix("reload", check=True)

    def stop(self):
        """Stops, and sees to it that nothing is left."""
        self.postfix("stop", check=True)
        wait_until(lambda: not self.processes(), 10, lambda: f"processes left: {self.processes()}")

    @property
    def mail_name(self):
        return "Postfix" if self.mta == "postfix" else "Postern"

    def smtp(self, **options):
        return SmtpClient(self.port, **options)

    # ---- what is there ----

    @property
    def pid(self):
        """master's, or None when it does not run."""
        try:
            pid = int((self.spool / "pid/master.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if command_name(pid) == "master" else None

    def processes(self, name=None):
        """{pid: program} of the instance, or the pids of one program."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            if belongs_to(entry, self.etc):
                found[int(entry.name)] = command_name(int(entry.name))
        if self.pid:
            found[self.pid] = "master"
        return found if name is None else [pid for pid, program in found.items() if program == name]

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_log(self, pattern, timeout=10.0):
        """Waits until some log line matches; the re.Match."""
        return wait_until(lambda: re.search(pattern, self.log(), re.MULTILINE), timeout,
                          lambda: f"no log line matches {pattern}\n{self.log()}")

    def mark_log(self):
        """What was logged until now does not count for log_since."""
        self.mark = len(self.log())

    def log_since(self, pattern):
        """The text that matches behind the mark; waits for it."""
        return wait_until(lambda: re.search(pattern, self.log()[self.mark:], re.MULTILINE), 10,
                          lambda: f"no line matches {pattern}\n{self.log()[self.mark:]}").group(0)

    def queue_files(self, queue):
        """Paths of the files in a queue, subdirectories included."""
        return sorted(p for p in (self.spool / queue).rglob("*") if p.is_file())

    def queue_is_empty(self):
        return not any(self.queue_files(queue) for queue in QUEUES)

    # ---- the end ----

    def finish(self):
        """After the test: what was wrong, as a list of texts."""
        failures = []
        if self.pid:
            try:
                self.stop()
            except (AssertionError, subprocess.TimeoutExpired) as failure:
                failures.append(f"stop: {failure}")
        for pid in self.processes():
            failures.append(f"process left: {pid} {command_name(pid)}")
            os.kill(pid, signal.SIGKILL)
        if self.mta == "postern":
            failures += self._log_complaints() + self._sanitizer_reports()
        return failures

    def _log_complaints(self):
        bad = [line for line in self.log().splitlines() if re.search(r"\b(panic|fatal): |AddressSanitizer", line)]
        return [f"in the log: {line}" for line in bad
                if not any(re.search(pattern, line) for pattern in self.expected_errors)]

    def _sanitizer_reports(self):
        reports = [p.read_text(errors="replace") for p in (self.directory / "sanitizer").glob("report*")]
        return [r for r in reports if not any(re.search(pattern, r) for pattern in self.expected_errors)]


def command_name(pid):
    """None for a process that has ended, even when nobody has collected it yet."""
    try:
        if Path(f"/proc/{pid}/cmdline").read_bytes() == b"":
            return None
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None


def belongs_to(process, etc):
    """By its environment, which a process that has ended does not have any more."""
    try:
        variables = (process / "environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return f"MAIL_CONFIG={etc}".encode() in variables and int(process.name) != os.getpid()
