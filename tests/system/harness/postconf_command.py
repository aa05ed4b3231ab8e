"""postconf by itself: a folder with main.cf and master.cf, and either system's command run on it."""
import subprocess

from harness.instance import BUILD, MTA

POSTCONF = "/usr/sbin/postconf" if MTA == "postfix" else str(BUILD / "sbin/postconf")


def run(etc, *arguments, status=0, **options):
    done = subprocess.run(["postconf", "-c", str(etc), *arguments], executable=POSTCONF, capture_output=True,
                          text=True, timeout=60, **options)
    assert done.returncode == status, done.stderr
    return done


def output(etc, *arguments):
    done = run(etc, *arguments)
    assert done.stderr == ""
    return done.stdout


def fatal(etc, *arguments):
    return run(etc, *arguments, status=1).stderr.strip()
