"""postmap and postalias by themselves: a folder with a main.cf and sources, and either system's command run in it."""
import os
import subprocess
from pathlib import Path

from harness.instance import BUILD, MTA


def lay_out(folder, *settings):
    lines = ["compatibility_level = 3.6", "default_database_type = lmdb", "myhostname = mail.test.example", *settings]
    (folder / "main.cf").write_text("".join(f"{line}\n" for line in lines))
    for name in ("dynamicmaps.cf", "dynamicmaps.cf.d"):  # Debian's lmdb and pcre are plug-ins
        if MTA == "postfix" and os.path.exists(f"/etc/postfix/{name}"):
            (folder / name).symlink_to(f"/etc/postfix/{name}")
    return folder


class TableCommand:
    def __init__(self, name, folder):
        self.path = Path("/usr/sbin" if MTA == "postfix" else BUILD / "sbin") / name
        self.folder = folder

    def run(self, *arguments, status=0, stdin="", text=True, **options):
        done = subprocess.run([self.path, "-c", str(self.folder), *arguments], capture_output=True, text=text,
                              input=stdin if text or isinstance(stdin, bytes) else stdin.encode(), cwd=self.folder, timeout=60, **options)
        assert done.returncode == status, done.stderr
        return done

    def query(self, key, table, *options):
        return self.run(*options, "-q", key, table).stdout

    def missing(self, key, table, *options):
        done = self.run(*options, "-q", key, table, status=1)
        return done.stdout == "" and "fatal" not in done.stderr

    def warnings(self, *arguments, **options):
        return self.run(*arguments, **options).stderr.splitlines()

    def fatal(self, *arguments, **options):
        return self.run(*arguments, status=1, **options).stderr.strip().splitlines()[-1]
