"""Instances whose only service is a stand-in that tells about itself and repeats what it hears. To be imported by name."""
import re
import socket

import pytest

POSTLOG = "postlog unix-dgram n - n - 1 postlogd"


class Line:
    """A connection to an echo service (tests/system/services/echo_main.c)."""

    def __init__(self, address):
        family = socket.AF_INET if isinstance(address, int) else socket.AF_UNIX
        self.socket = socket.socket(family)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", address) if isinstance(address, int) else str(address))
        self.reader = self.socket.makefile("r")

    def greeting(self):
        self.about = dict(re.findall(r"(\w+)=(\S*)", self.reader.readline()))
        self.pid = int(self.about["pid"])
        return self

    def say(self, text):
        self.socket.sendall(text.encode() + b"\n")
        return self.reader.readline().rstrip("\n")

    def close(self):
        self.reader.close()
        self.socket.close()


@pytest.fixture
def connect():
    lines = []

    def make(address):
        lines.append(Line(address))
        return lines[-1].greeting()

    yield make
    for line in lines:
        line.close()


@pytest.fixture
def echo(make_instance):
    """An instance with one echo service at {port}, running; more lines and settings as asked."""

    def make(*lines, start=True, service="127.0.0.1:{port} inet n - n - - echo", user=None, **main):
        instance = make_instance(main, [service, POSTLOG, *lines], user)
        if start:
            instance.start()
        return instance

    return make
