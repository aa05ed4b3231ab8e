"""A name server that knows a few names.

    server = DnsServer({"example": {"MX": ["10 mx.example"]}, "mx.example": {"A": ["127.0.0.2"]}}, "127.0.0.1", 53)

A name that is missing does not exist; a value of "SERVFAIL" or "silence" does that. "*" in a type's list of values is
not special. Questions are kept in server.questions; server.ttl (seconds) is
that of all answers.
"""
import socket
import struct
import threading

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
NAMES = {number: name for name, number in TYPES.items()}


def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def encode_value(kind, value):
    if kind in ("A", "AAAA"):
        return socket.inet_pton(socket.AF_INET if kind == "A" else socket.AF_INET6, value)
    if kind == "MX":
        preference, name = value.split(" ", 1)
        return struct.pack(">H", int(preference)) + encode_name(name)
    if kind == "TXT":
        return bytes([len(value)]) + value.encode()
    return encode_name(value)


class DnsServer:
    def __init__(self, zone, address="127.0.0.1", port=0):
        self.zone, self.questions, self.ttl = zone, [], 60
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, port))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(4096)
                reply = self._answer(query)
            except (OSError, IndexError, struct.error):
                continue
            if reply is not None:
                self.socket.sendto(reply, peer)

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
            at += 1 + query[at]
        name, kind = ".".join(labels).lower(), struct.unpack(">H", query[at + 1:at + 3])[0]
        question = query[12:at + 5]
        self.questions.append((name, NAMES.get(kind, str(kind))))
        entry = self.zone.get(name)
        if entry == "silence":
            return None
        if entry in (None, "SERVFAIL"):
            code, answers = (2 if entry else 3), []
        else:
            code, answers = 0, self._records(name, entry, NAMES.get(kind))
        header = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(answers), 0, 0)
        return header + question + b"".join(answers)

    def _records(self, name, entry, kind):
        if "CNAME" in entry and kind != "CNAME":
            target = entry["CNAME"][0]
            return [self._record(name, "CNAME", target)] + self._records(target, self.zone.get(target) or {}, kind)
        values = entry.get(kind, [])
        return [] if values == "SERVFAIL" else [self._record(name, kind, value) for value in values]

    def _record(self, name, kind, value):
        data = encode_value(kind, value)
        return encode_name(name) + struct.pack(">HHIH", TYPES[kind], 1, self.ttl, len(data)) + data
