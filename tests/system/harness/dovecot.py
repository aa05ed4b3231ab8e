"""A private instance of Debian's Dovecot: an authentication server, and an LMTP server with maildirs.

    dovecot = Dovecot(directory, {"joe": "secret"})    # needs root and the package dovecot-core (and -lmtpd)
    dovecot.auth, dovecot.lmtp                         # paths of its sockets
    dovecot.restart(), dovecot.stop(), dovecot.log()
    dovecot.mail("joe")                                # the files in joe's maildir
"""
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from harness.waiting import wait_until

CONFIG = """
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/log
ssl = no
protocols = {protocols}
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
mail_location = maildir:{directory}/mail/%n
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {directory}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={directory}/mail/%n allow_all_users=yes
}}
service auth {{
  unix_listener {directory}/auth {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
{lmtp}
"""
LMTP = """
service lmtp {{
  unix_listener {directory}/lmtp {{
    mode = 0666
  }}
}}
"""


def dovecot_is_here(*programs):
    return os.geteuid() == 0 and shutil.which("dovecot") and all(Path("/usr/lib/dovecot", p).exists() for p in programs)


class Dovecot:
    def __init__(self, directory, users, mechanisms="plain login cram-md5 scram-sha-256", lmtp=False):
        self.directory, self.auth, self.lmtp = Path(directory), Path(directory) / "auth", Path(directory) / "lmtp"
        owner = pwd.getpwnam("nobody")
        for name in ("run", "state", "mail"):
            (self.directory / name).mkdir()
        os.chown(self.directory / "mail", owner.pw_uid, owner.pw_gid)
        (self.directory / "users").write_text("".join(f"{name}:{{PLAIN}}{word}::::::\n" for name, word in users.items()))
        self.pid_file = self.directory / "run/master.pid"
        self.config = self.directory / "dovecot.conf"
        self.config.write_text(CONFIG.format(
            directory=directory, protocols="lmtp" if lmtp else "", mechanisms=mechanisms, uid=owner.pw_uid,
            gid=owner.pw_gid, lmtp=LMTP.format(directory=directory) if lmtp else ""))
        self.start()

    def start(self):
        subprocess.run(["dovecot", "-c", self.config], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        # of the one before, the socket may be left, and not the file with the number
        wait_until(lambda: self.auth.exists() and self.pid_file.exists() and self.pid_file.read_text(), 10)

    def stop(self):
        pid = int(self.pid_file.read_text())
        subprocess.run(["doveadm", "-c", self.config, "stop"], check=True, capture_output=True)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), 20)

    def restart(self):
        self.stop()
        self.start()

    def log(self):
        return (self.directory / "log").read_text(errors="replace")

    def mail(self, user):
        return sorted((self.directory / "mail" / user / "new").glob("*"))
