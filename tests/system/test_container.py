"""conf/Containerfile without a container engine, and the package in a fresh system.

Each step of the Containerfile runs in a tree that debootstrap makes, from the mirror that this system's apt uses; then the
image's command is process 1 of namespaces of its own, as an engine would start it. That takes minutes and the network:
POSTERN_CONTAINER=1 asks for it. KEEP=1 keeps the trees.
"""
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness.instance import ROOT
from harness.waiting import wait_until

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not os.environ.get("POSTERN_CONTAINER"), reason="POSTERN_CONTAINER is not set"),
    pytest.mark.skipif(shutil.which("debootstrap") is None, reason="debootstrap is not here"),
]
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive",
               "LANG": "C"}


# ---- trees ----

def enter(tree, *command, namespaces=()):
    """Words that run a command in the tree, in a mount namespace whose /proc and /dev go when it ends."""
    script = ('mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && '
              '{ [ "$(id -u)" != 0 ] || ip link set lo up 2> /dev/null || :; } && exec chroot "$0" "$@"')
    return ["unshare", "-m", *namespaces, "sh", "-c", script, str(tree), *map(str, command)]


def inside(tree, command, status=0, timeout=900, input=None):
    done = subprocess.run(enter(tree, "sh", "-ec", command), capture_output=True, text=True, timeout=timeout, input=input,
                          env=ENVIRONMENT)
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def mirror(codename):
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages", f"Codename: {codename}"],
                          capture_output=True, text=True)
    return done.stdout.split("\n")[0]


@pytest.fixture(scope="module")
def workplace():
    path = Path(tempfile.mkdtemp(prefix="postern-container-", dir="/var/tmp"))
    path.chmod(0o755)
    yield path
    if not os.environ.get("KEEP"):
        subprocess.run(["rm", "-rf", "--one-file-system", str(path)], check=True)


@pytest.fixture(scope="module")
def base(workplace):
    """The image that both stages start from."""
    release = dict(re.findall(r'(?m)^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text()))
    image, = {words[0] for name, words in steps() if name == "FROM"}
    if image != f"debian:{release.get('VERSION_ID')}":
        pytest.skip(f"this system is no {image}")
    codename, tree = release["VERSION_CODENAME"], workplace / "base"
    site = mirror(codename)
    if not site:
        pytest.skip("apt knows no mirror")
    done = subprocess.run(["debootstrap", "--variant=minbase", codename, str(tree), site], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return tree


# ---- the Containerfile ----

def steps():
    """[(instruction, words or text)]"""
    text = (ROOT / "conf/Containerfile").read_text().replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if name.isupper():
            found.append((name, rest if name in ("RUN", "CMD") else shlex.split(rest)))
    return found


def copy_sources(destination):
    destination.mkdir(parents=True)
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    names = files.stdout.splitlines() if files.returncode == 0 else [
        str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file() and "build" not in p.relative_to(ROOT).parts]
    subprocess.run(["cpio", "-pdm", "--quiet", str(destination)] if shutil.which("cpio") else
                   ["sh", "-c", 'tar -cf - -T - | tar -xf - -C "$0"', str(destination)],
                   input="\n".join(n for n in names if (ROOT / n).exists()) + "\n", text=True, cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def image(base, workplace):
    """The tree after the last step."""
    stages, tree = {}, None
    for name, words in steps():
        if name == "FROM":
            tree = workplace / f"stage{len(stages)}"
            subprocess.run(["cp", "-a", str(base), str(tree)], check=True)
            stages[words[2] if len(words) > 2 else "result"] = tree
        elif name == "RUN":
            inside(tree, words)
        elif name == "COPY" and words[0].startswith("--from="):
            sources = sorted(stages[words[0][7:]].glob(words[1].lstrip("/")))
            assert sources, f"nothing is {words[1]}"
            for source in sources:
                shutil.copy(source, tree / words[2].lstrip("/"))
        elif name == "COPY":
            assert words[0] == "."
            copy_sources(tree / words[1].lstrip("/"))
        else:
            assert name in ("VOLUME", "EXPOSE", "CMD"), f"{name} is not known here"
    return tree


def command_of_image():
    text, = [text for name, text in steps() if name == "CMD"]
    return re.findall(r'"([^"]*)"', text)


# ---- what runs ----

class Container:
    """The command is process 1; its log is what it prints."""

    def __init__(self, tree, command, log):
        self.log_path = log
        self.output = open(log, "wb")
        self.process = subprocess.Popen(enter(tree, *command, namespaces=("-n", "-p", "-f", "--kill-child")),
                                        stdout=self.output, stderr=subprocess.STDOUT, env=ENVIRONMENT)
        wait_until(lambda: self.init() is not None, 20, lambda: "nothing was started")

    def init(self):
        try:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        except FileNotFoundError:
            return None
        return int(children[0]) if children else None

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, pattern):
        return wait_until(lambda: re.search(pattern, self.log(), re.M), 30, self.log)

    def run(self, *command, input=None):
        done = subprocess.run(["nsenter", "-t", str(self.init()), "-m", "-p", "-n", "-r", "-w", *command], input=input,
                              capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}\n{self.log()}"
        return done.stdout

    def stop(self):
        """As an engine does. The status of process 1."""
        os.kill(self.init(), signal.SIGTERM)
        status = self.process.wait(30)
        self.output.close()
        return status


MAILBOXES = {"virtual_mailbox_domains": "box.example", "virtual_mailbox_maps": "static:Maildir/", "virtual_minimum_uid": "1",
             "mydestination": "", "alias_maps": "", "alias_database": "", "myhostname": "mail.box.example"}


def deliver_one(container, tree, mailbox, prefix=()):
    container.run(*prefix, "sendmail", *(["-C", prefix_directory(prefix)] if prefix else []), "-f", "a@b.example",
                  "u@box.example", input="Subject: hello\n\nin a container\n")
    container.wait_log(r"to=<u@box\.example>, relay=virtual.*status=sent")
    path, = (tree / mailbox.lstrip("/") / "new").iterdir()
    assert "in a container" in path.read_text()


def prefix_directory(prefix):
    return "/home/mta/etc" if prefix else "/etc/postfix"


def test_image_runs(image, workplace):
    assert command_of_image() == ["postfix", "start-fg"]
    inside(image, "mkdir /srv/mail && chown postfix /srv/mail && " + "postconf -e " + " ".join(
        shlex.quote(f"{k}={v}") for k, v in {**MAILBOXES, "virtual_mailbox_base": "/srv/mail"}.items()) +
        " virtual_uid_maps=static:$(id -u postfix) virtual_gid_maps=static:$(id -g postfix)")
    assert inside(image, "postfix check 2>&1") == ""
    container = Container(image, command_of_image(), workplace / "log")
    try:
        container.wait_log(r"master\[1\]: daemon started")
        assert container.run("cat", "/proc/1/comm") == "master\n"
        deliver_one(container, image, "/srv/mail/Maildir")
        assert container.run("mailq") == "Mail queue is empty\n"
        answer = container.run("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/25; read line <&3; echo \"$line\"; echo QUIT >&3")
        assert answer.startswith("220 mail.box.example ESMTP")
        container.run("postfix", "reload")
        container.wait_log("reload -- version")
    finally:
        status = container.stop()
    assert status == 0, container.log()
    assert not re.search("fatal|panic", container.log()), container.log()


def test_image_runs_as_ordinary_user(image, workplace):
    """`--user`: configuration and queue belong to that user, and nobody has any privilege."""
    inside(image, "useradd --create-home mta && cd /home/mta && mkdir etc data mail && cp /etc/postfix/master.cf etc && "
                  "sed -i 's/^smtp  *inet/127.0.0.1:2525 inet/' etc/master.cf")
    settings = {**MAILBOXES, "compatibility_level": "3.6", "queue_directory": "/home/mta/spool", "data_directory": "/home/mta/data",
                "command_directory": "/home/mta/sbin", "mail_owner": "mta", "setgid_group": "mta",
                "virtual_mailbox_base": "/home/mta/mail", "maillog_file": "/dev/stdout", "inet_protocols": "ipv4"}
    uid = inside(image, "id -u mta").strip()
    settings |= {"virtual_uid_maps": f"static:{uid}", "virtual_gid_maps": f"static:{inside(image, 'id -g mta').strip()}"}
    (image / "home/mta/etc/main.cf").write_text("".join(f"{k} = {v}\n" for k, v in settings.items()))
    # Commands that are set-gid to a group of the system would not be trusted by this configuration.
    inside(image, "mkdir /home/mta/sbin && cp /usr/sbin/post* /usr/sbin/sendmail /home/mta/sbin/ && "
                  "chown -R mta:mta /home/mta && chmod 755 /home/mta/sbin/* && chmod g+s /home/mta/sbin/postqueue /home/mta/sbin/postdrop")
    become = ["setpriv", f"--reuid={uid}", f"--regid={settings['virtual_gid_maps'][7:]}", "--clear-groups", "--no-new-privs"]
    container = Container(image, [*become, "/home/mta/sbin/postfix", "-c", "/home/mta/etc", "start-fg"], workplace / "log-user")
    try:
        container.wait_log(r"master\[1\]: daemon started")
        assert container.run("stat", "-c", "%U", "/proc/1") == "mta\n"
        deliver_one(container, image, "/home/mta/mail/Maildir", become)
    finally:
        status = container.stop()
    assert status == 0, container.log()
    assert not re.search("fatal|panic", container.log()), container.log()


# ---- the package ----

def files(tree):
    """All paths of the system, but what apt, dpkg and their like keep about themselves."""
    own = ("var/lib/apt", "var/cache", "var/lib/dpkg", "var/log", "tmp", "proc", "dev", "sys", "run", "etc/ld.so.cache", "root",
           *(f"etc/{name}-" for name in ("passwd", "group", "shadow", "gshadow")))
    found = set()
    for path, directories, names in os.walk(tree):
        relative = os.path.relpath(path, tree)
        directories[:] = [d for d in directories if os.path.normpath(f"{relative}/{d}") not in own]
        found |= {os.path.normpath(f"{relative}/{n}") for n in (*directories, *names)
                  if os.path.normpath(f"{relative}/{n}") not in own}
    return found


def accounts(tree):
    """Names in the user database."""
    return {(name, line.split(":")[0]) for name in ("passwd", "group", "shadow", "gshadow")
            for line in (tree / "etc" / name).read_text().splitlines()}


def newer(package, directory):
    """The same package as another version."""
    subprocess.run(["dpkg-deb", "-R", package, directory], check=True)
    control = directory / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^(Version: .*)$", r"\1.1", control.read_text()))
    made = directory.with_suffix(".deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", directory, made], check=True, capture_output=True)
    return made


def test_life_of_the_package(image, base, workplace):
    """Installs, delivers, is upgraded, and purges without a trace; what it depends on is installed before."""
    package, = (workplace / "stage0/src/build").glob("postern_*.deb")
    tree = workplace / "package"
    subprocess.run(["cp", "-a", str(base), str(tree)], check=True)
    shutil.copy(package, tree / "tmp/postern.deb")
    shutil.copy(newer(package, workplace / "newer"), tree / "tmp/newer.deb")
    depends = subprocess.run(["dpkg-deb", "-f", package, "Depends"], capture_output=True, text=True, check=True).stdout
    inside(tree, "apt-get update && apt-get install -y --no-install-recommends bsd-mailx- logrotate "
                 + " ".join(re.sub(r"\(.*?\)|,", "", depends).split()))
    before, people = files(tree), accounts(tree)
    inside(tree, "apt-get install -y --no-install-recommends /tmp/postern.deb")
    assert inside(tree, "dpkg-query -W -f '${Status}' postern") == "install ok installed"
    assert inside(tree, "stat -c '%a %U %G' /usr/sbin/postqueue /usr/sbin/postdrop /var/spool/postfix/maildrop").splitlines() \
        == ["2755 root postdrop", "2755 root postdrop", "1730 postfix postdrop"]
    assert inside(tree, "dpkg -V postern; readlink -f /usr/lib/sendmail; postfix check 2>&1") == "/usr/sbin/sendmail\n"
    inside(tree, "logrotate -d /etc/logrotate.d/postern")
    inside(tree, "postconf -e myhostname=mine.example maillog_file=/var/log/mail.log && echo '# mine' >> /etc/postfix/master.cf")
    inside(tree, "apt-get install -y --no-install-recommends /tmp/newer.deb")
    assert inside(tree, "dpkg-query -W -f '${Version}' postern").endswith(".1")
    assert inside(tree, "postconf -h myhostname; tail -1 /etc/postfix/master.cf") == "mine.example\n# mine\n"
    inside(tree, "echo hello | sendmail -f a@b.example u@box.example")  # kept, since nothing runs
    assert len(list((tree / "var/spool/postfix/maildrop").iterdir())) == 1
    inside(tree, "apt-get remove -y postern")
    assert (tree / "etc/postfix/main.cf").exists() and len(list((tree / "var/spool/postfix/maildrop").iterdir())) == 1
    inside(tree, "apt-get purge -y postern")
    assert files(tree) - before == set()
    assert before - files(tree) == set()
    assert accounts(tree) == people
