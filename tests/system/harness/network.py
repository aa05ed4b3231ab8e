"""A network of its own for a test's processes: loopback, where port 25 is free and the name server is the test's.

    with PrivateNetwork(directory):
        DnsServer(zone, NAME_SERVER, 53)
        SmtpSink(host="127.0.0.11", port=25)

The thread that enters it, and the threads and processes that it starts meanwhile, are in there. Needs root.
"""
import ctypes
import os
import subprocess

CLONE_FS, CLONE_NEWNS, CLONE_NEWNET = 0x200, 0x20000, 0x40000000
NAME_SERVER = "127.0.0.53"


def possible():
    return os.geteuid() == 0 and subprocess.run(["unshare", "-n", "-m", "ip", "link"], capture_output=True).returncode == 0


def call(function, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), function)


class PrivateNetwork:
    def __init__(self, directory):
        self.resolver = directory / "resolv.conf"

    def __enter__(self):
        self.resolver.write_text(f"nameserver {NAME_SERVER}\noptions trust-ad\n")
        self.outside = [os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY) for kind in ("net", "mnt")]
        self.cwd = os.getcwd()
        call("unshare", CLONE_FS | CLONE_NEWNS | CLONE_NEWNET)
        subprocess.run(f"mount --make-rprivate / && mount --bind {self.resolver} /etc/resolv.conf && ip link set lo up",
                       shell=True, check=True)
        return self

    def __exit__(self, *_):
        call("unshare", CLONE_FS)  # what threads share cannot change
        for namespace in self.outside:
            call("setns", namespace, 0)
            os.close(namespace)
        os.chdir(self.cwd)
