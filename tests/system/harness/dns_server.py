"""A name server that knows a few names.

    server = DnsServer({"example": {"MX": ["10 mx.example"]}, "mx.example": {"A": ["127.0.0.2"]}}, "127.0.0.1", 53)

A name that is missing does not exist; a value of "silence" or of a word of CODES does that, for a name or for one of its types.
Names that end in one of server.signed (".signed") have authentic answers (AD) for who asks for that. Questions are kept in server.questions,
server.ttl (seconds) is that of all answers, and the zone may be changed at any time.
"""
import socket
import struct
import threading

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}
NAMES = {number: name for name, number in TYPES.items()}
CODES = {"FORMERR": 1, "SERVFAIL": 2, "NOTIMP": 4, "REFUSED": 5, "NOTAUTH": 9}
AUTHENTIC, DNSSEC_OK, TRUNCATED, DATAGRAM_LIMIT = 0x20, 0x8000, 0x0200, 512


def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def encode_value(kind, value):
    if kind in ("A", "AAAA"):
        return socket.inet_pton(socket.AF_INET if kind == "A" else socket.AF_INET6, value)
    if kind == "MX":
        preference, name = value.split(" ", 1)
        return struct.pack(">H", int(preference)) + encode_name(name)
    if kind == "TLSA":
        words = value.split()
        return bytes(map(int, words[:3])) + bytes.fromhex("".join(words[3:]))
    if kind == "TXT":
        return bytes([len(value)]) + value.encode()
    return encode_name(value)


def open_sockets(address, port):
    """For datagrams and for connections, on the same port; one that is free for both when port is 0."""
    while True:
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind((address, port))
        try:
            return datagrams, socket.create_server((address, datagrams.getsockname()[1]))
        except OSError:
            datagrams.close()
            if port:
                raise


class DnsServer:
    def __init__(self, zone, address="127.0.0.1", port=0):
        self.zone, self.questions, self.ttl = zone, [], 60
        self.follows_aliases = True  # else an alias alone is the answer
        self.signed, self.root_is_signed = (".signed",), False
        self.socket, self.listener = open_sockets(address, port)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        threading.Thread(target=self._serve_connections, daemon=True).start()

    def _serve_connections(self):
        """One question a connection: what is too long for a datagram."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                length = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))[0]
                reply = self._answer(connection.recv(length, socket.MSG_WAITALL)) or b""
                connection.sendall(struct.pack(">H", len(reply)) + reply)

    def _serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(4096)
                reply = self._answer(query)
            except (OSError, IndexError, struct.error):
                continue
            if reply is not None and len(reply) > DATAGRAM_LIMIT and len(query) == question_end(query):
                end = question_end(reply)
                reply = reply[:2] + struct.pack(">HHHHH", 0x8180 | TRUNCATED, 1, 0, 0, 0) + reply[12:end]
            if reply is not None:
                self.socket.sendto(reply, peer)

    def close(self):
        self.socket.close()
        self.listener.close()

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
            at += 1 + query[at]
        name, kind = ".".join(labels).lower(), struct.unpack(">H", query[at + 1:at + 3])[0]
        question, rest = query[12:at + 5], query[at + 5:]
        self.questions.append((name, NAMES.get(kind, str(kind))))
        path, entry, values = self._find(name, NAMES.get(kind))
        if "silence" in (entry, values):
            return None
        failure = next((CODES[value] for value in (entry, values) if isinstance(value, str) and value in CODES), None)
        code = failure or (3 if entry is None else 0)
        answers = [] if failure else [self._record(*alias, "CNAME") for alias in zip(path, path[1:])]
        if code == 0:
            answers += [self._record(path[-1], value, NAMES.get(kind)) for value in values]
        authentic = AUTHENTIC if not failure and asks_authentic(query, rest) and all(map(self._is_signed, path)) else 0
        header = query[:2] + struct.pack(">HHHHH", 0x8180 | authentic | code, 1, len(answers), 0, 0)
        return header + question + b"".join(answers)

    def _is_signed(self, name):
        return name.endswith(self.signed) or (name == "" and self.root_is_signed)

    def _find(self, name, kind):
        """(names along the aliases, what the zone has for the last one, its values)"""
        path, entry = [name], self.zone.get(name)
        while isinstance(entry, dict) and "CNAME" in entry and kind != "CNAME":
            path.append(entry["CNAME"][0])
            if not self.follows_aliases:
                return path, entry, []
            entry = self.zone.get(path[-1])
        return path, entry, entry.get(kind, []) if isinstance(entry, dict) else []

    def _record(self, name, value, kind):
        data = encode_value(kind, value)
        return encode_name(name) + struct.pack(">HHIH", TYPES[kind], 1, self.ttl, len(data)) + data


def question_end(packet):
    """Without EDNS, nothing stands behind it in a query."""
    at = 12
    while packet[at]:
        at += 1 + packet[at]
    return at + 5


def asks_authentic(query, rest):
    """By a flag of its own (RFC 6840), or by EDNS's (RFC 3225)."""
    return query[3] & AUTHENTIC or (len(rest) >= 11 and struct.unpack(">H", rest[7:9])[0] & DNSSEC_OK)
