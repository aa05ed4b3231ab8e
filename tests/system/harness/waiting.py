"""Waiting for what other processes do, and finding ports that nobody uses."""
import socket
import time

_given_ports = set()


def wait_until(condition, timeout=10.0, what="condition", interval=0.02):
    """The first true value of condition(); fails after timeout seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(interval)


def free_port():
    """A loopback port that nobody listens on, different at each call."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _given_ports:
            _given_ports.add(port)
            return port
