"""The internal protocol as a script: calls over a channel (util/task/channel.h), messages as mail/ipc/ipc.def has them."""
import re
import socket
import struct
from pathlib import Path

DEFINITIONS = Path(__file__).resolve().parents[3] / "mail/ipc/ipc.def"


def read_definitions():
    """{name: (number, {field: (tag, type)})}"""
    messages, fields = {}, None
    for line in DEFINITIONS.read_text().splitlines():
        if match := re.match(r"MESSAGE\((\w+), (\d+)\)", line):
            fields = {}
            messages[match[1]] = (int(match[2]), fields)
        elif match := re.match(r"\s+(STRINGS|STRING|NUMBER)\((\d+), (\w+)\)", line):
            fields[match[3]] = (int(match[2]), match[1])
    return messages


MESSAGES = read_definitions()
CLEANUP_CONTENT = 15


def encode(name, values):
    body = b""
    for field, value in values.items():
        tag, kind = MESSAGES[name][1][field]
        if kind == "NUMBER":
            body += struct.pack("<HIq", tag, 8, value)
        else:
            for item in value if kind == "STRINGS" else [value]:
                item = item if isinstance(item, bytes) else item.encode()
                body += struct.pack("<HI", tag, len(item)) + item
    return body


def decode(name, body):
    by_tag = {tag: (field, kind) for field, (tag, kind) in MESSAGES[name][1].items()}
    values = {field: {"NUMBER": 0, "STRING": "", "STRINGS": []}[kind] for field, kind in by_tag.values()}
    while body:
        tag, length = struct.unpack_from("<HI", body)
        item, body = body[6:6 + length], body[6 + length:]
        field, kind = by_tag[tag]
        if kind == "NUMBER":
            values[field] = struct.unpack("<q", item)[0]
        elif kind == "STRING":
            values[field] = item.decode()
        else:
            values[field].append(item.decode())
    return values


class Channel:
    def __init__(self, path, protocol, timeout=20):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.reader = self.socket.makefile("rb")
        self.socket.sendall(f"postern {protocol} 1\n".encode())
        assert self.reader.readline() == f"postern {protocol} 1\n".encode()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.reader.close()
        self.socket.close()

    def send_raw(self, number, body, call=1, flags=0):
        self.socket.sendall(struct.pack("<IIHH", len(body), call, number, flags) + body)

    def send(self, name, call=1, **values):
        self.send_raw(MESSAGES[name][0], encode(name, values), call)

    def receive_frame(self):
        """(call, message number, body), of any call."""
        length, call, message, _ = struct.unpack("<IIHH", self.reader.read(12))
        return call, message, self.reader.read(length)

    def receive(self, name, call=1):
        """The next frame of the call, which has to be this message; those of other calls are dropped."""
        while True:
            number_of_call, message, body = self.receive_frame()
            if number_of_call == call and message != 0:
                assert message == MESSAGES[name][0], f"message {message} in place of {name}"
                return decode(name, body)
