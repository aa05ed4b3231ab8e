"""Bytes that make no sense: the session ends or is answered, the process goes on, the next message passes."""
import random
import socket

import pytest

from harness.waiting import wait_until

pytestmark = pytest.mark.peer

NOISE = [
    b"\0" * 4000,
    b"\xff" * 4000 + b"\r\n",
    b"EHLO " + b"x" * 11000 + b"\r\n",
    b"MAIL FROM:<" + b"a" * 3000 + b"@x.example>\r\n",
    b"EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<" + b"\\" * 1500 + b">\r\n",
    b"BDAT 99999999999999999999\r\n",
    b"BDAT -1 LAST\r\nabc",
    b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@y.example>\r\nBDAT 10\r\nabc",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2,
    b"\r\n" * 30,
    b"A" * 100000,
    b"EHLO x\r\nMAIL FROM:<a@x.example> " + b"ENVID=" + b"+4" * 900 + b"\r\n",
    b"EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example> ORCPT=rfc822;" + b"+0D+0A" * 50 + b"\r\n",
]


def throw(port, data):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except (ConnectionError, socket.timeout):
            pass


def test_noise(make_instance, make_sink):
    sink = make_sink()
    mta = make_instance({"relayhost": sink.nexthop, "smtpd_error_sleep_time": "0"})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        client.transaction("a@x.example", ["first@y.example"])
    sink.wait_for(1)
    servers = mta.processes("smtpd")
    dice = random.Random(2821)
    for data in NOISE + [dice.randbytes(dice.randrange(1, 3000)) for _ in range(40)]:
        throw(mta.port, data)
    with mta.smtp() as client:
        client.ehlo()
        client.transaction("a@x.example", ["last@y.example"])
    wait_until(lambda: any("last@y.example" in m.recipients for m in sink.messages), what="the last message")
    assert [m.recipients for m in sink.messages] == [["first@y.example"], ["last@y.example"]]
    if mta.mail_name == "Postern":
        assert set(servers) <= set(mta.processes("smtpd")), "smtpd was restarted"
