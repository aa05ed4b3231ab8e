"""The Debian package: what is in it, and that it installs, runs, upgrades and purges in a copy of this system."""
import re
import shutil
import socket
import subprocess

import pytest

from harness.instance import BUILD, ROOT
from harness.waiting import free_port

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not here")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    build = tmp_path_factory.mktemp("package") / "build"
    build.mkdir()
    for name in ("sbin", "libexec"):
        shutil.copytree(BUILD / name, build / name, symlinks=True)
    subprocess.run(["sh", ROOT / "conf/make-deb", build], check=True, capture_output=True)
    return next(build.glob("postern_*.deb"))


def field(package, name):
    return subprocess.run(["dpkg-deb", "-f", package, name], check=True, capture_output=True, text=True).stdout.strip()


def test_control(package):
    assert re.fullmatch(r"3\.11\+postern[\d.]+", field(package, "Version"))
    for name in ("Provides", "Conflicts", "Replaces"):
        assert field(package, name) == "mail-transport-agent"
    for library in ("libc6", "libevent-2.1-7", "liblmdb0", "libpcre2-8-0", "libc-ares2", "libicu72", "libidn2-0", "passwd"):
        assert library in field(package, "Depends")


def test_contents(package):
    lines = subprocess.run(["dpkg-deb", "-c", package], check=True, capture_output=True, text=True).stdout.splitlines()
    modes = {line.split()[5]: line.split()[0] for line in lines}
    for path in ("./usr/sbin/postfix", "./usr/lib/postfix/sbin/master", "./etc/postfix/main.cf", "./etc/logrotate.d/postern",
                 "./usr/lib/tmpfiles.d/postern.conf", "./lib/systemd/system/postern.service",
                 "./lib/systemd/system/postern@.service"):
        assert path in modes
    assert all("s" not in mode for mode in modes.values()), "set-gid bits wait for their group"
    assert all(line.split()[1] == "root/root" for line in lines)


@pytest.fixture
def system(directory, package):
    """A copy of this system that can be written to, without a mail system."""
    root = directory / "root"
    root.mkdir()
    top = directory / "top"
    top.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", top]).returncode == 0
    if mounted:
        (top / "upper").mkdir()
        (top / "work").mkdir()
        mounted = subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                                  f"lowerdir=/,upperdir={top}/upper,workdir={top}/work", root]).returncode == 0
    if not mounted:
        subprocess.run(["umount", top], stderr=subprocess.DEVNULL)
        pytest.skip("no overlay file system here")
    subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)
    subprocess.run(["mount", "--bind", "/dev", root / "dev"], check=True)
    shutil.copy(package, root / "tmp/postern.deb")
    yield root
    for place in (root / "dev", root / "proc", root, top):
        subprocess.run(["umount", "-l", place])


def inside(root, command, status=0):
    done = subprocess.run(["chroot", root, "sh", "-c", command], capture_output=True, text=True, timeout=120,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive",
                               "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode == status, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.root
def test_life_of_the_package(system):
    inside(system, "for p in $(dpkg-query -W -f '${Package} ${Status}\\n' 'postfix*' | sed -n 's/ install ok installed//p'); "
                   "do dpkg --force-all --purge $p; done; rm -rf /etc/postfix /run/systemd/system; "
                   "deluser --system postfix; delgroup --system postfix; delgroup --system postdrop; true")
    inside(system, "dpkg --force-depends -i /tmp/postern.deb")
    assert inside(system, "stat -c '%a %U %G' /usr/sbin/postqueue /var/spool/postfix/maildrop").splitlines() == \
        ["2755 root postdrop", "1730 postfix postdrop"]
    port = free_port()
    inside(system, f"sed -i 's/^smtp      inet/127.0.0.1:{port} inet/; s/^smtp *inet/127.0.0.1:{port} inet/' "
                   "/etc/postfix/master.cf; postconf -e maillog_file=/var/log/postfix.log")
    assert inside(system, "postfix check 2>&1") == ""
    inside(system, "postfix start")
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            assert client.recv(100).startswith(b"220 ")
        inside(system, "dpkg --force-depends -i /tmp/postern.deb")  # an upgrade keeps what was changed
        assert inside(system, "postconf -h maillog_file") == "/var/log/postfix.log\n"
    finally:
        inside(system, "postfix stop")
    inside(system, "dpkg --purge postern")
    assert not (system / "var/spool/postfix").exists() and not (system / "etc/postfix/main.cf").exists()
    inside(system, "getent passwd postfix", status=2)
