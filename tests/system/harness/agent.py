"""One delivery agent by itself: this module is its master, its queue manager and its bounce services.

    agent = Agent(directory, "smtp", {"smtp_mail_timeout": "2s"})
    reply = agent.deliver(nexthop="[127.0.0.1]:2525", recipients=["a@b.example"], content="Subject: x\\n\\nhello\\n")
    reply["deferred"], reply["status"]; agent.log; agent.records[0]["reason"]; agent.done(reply) -> addresses done
"""
import fcntl
import itertools
import os
import pwd
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

from harness.instance import BUILD, SANITIZER_VARIABLES

REQUEST_TAGS = {"flags": 1, "queue_name": 2, "queue_id": 3, "data_offset": 4, "data_size": 5, "nexthop": 6,
                "encoding": 7, "sender": 8, "dsn_envid": 9, "dsn_ret": 10, "sendopts": 11, "arrival_time": 12,
                "active_time": 13, "attributes": 14, "transport": 15, "rcpt_address": 20, "rcpt_original": 21,
                "rcpt_dsn_orig_rcpt": 22, "rcpt_dsn_notify": 23, "rcpt_offset": 24}
REPLY_TAGS = {1: "status", 2: "deferred", 3: "dsn", 4: "reason"}
APPEND_TAGS = {1: "queue_id", 2: "recipient", 3: "original", 4: "dsn_orig_rcpt", 5: "dsn_notify", 6: "offset",
               7: "action", 8: "dsn", 9: "reason", 10: "diag_type", 11: "diag_text", 12: "mta_type", 13: "mta_name",
               14: "relay", 15: "arrival_time"}
NUMBERS = {"status", "deferred", "dsn_notify", "offset", "arrival_time"}
DELIVERY_REQUEST, DELIVERY_REPLY, BOUNCE_APPEND, BOUNCE_REPLY = 30, 31, 40, 42
RECORD_LIMIT = 2048


def record(kind, data):
    length, out = len(data), kind.encode()
    while True:
        out += bytes([length & 127 | (128 if length > 127 else 0)])
        length >>= 7
        if not length:
            return out + data


def queue_file(sender, recipients, content):
    """(bytes of the file, offset of the content, offsets of the recipients)"""
    body = []
    for line in content.split(b"\n")[:-1] if content.endswith(b"\n") else content.split(b"\n"):
        while len(line) > RECORD_LIMIT:
            body.append(record("L", line[:RECORD_LIMIT]))
            line = line[RECORD_LIMIT:]
        body.append(record("N", line))
    out, offsets = record("C", b" " * 95) + record("T", b"1 2") + record("S", sender.encode()), []
    for address in recipients:
        offsets.append(len(out))
        out += record("R", address.encode())
    out += record("M", b"")
    return out + b"".join(body) + record("X", b"") + record("E", b""), len(out), offsets


def encode(fields):
    out = b""
    for name, value in fields.items():
        for item in value if isinstance(value, list) else [value]:
            data = struct.pack("<q", item) if isinstance(item, int) else item.encode()
            out += struct.pack("<HI", REQUEST_TAGS[name], len(data)) + data
    return out


def decode(body, tags):
    fields = {name: 0 if name in NUMBERS else "" for name in tags.values()}
    while body:
        tag, length = struct.unpack("<HI", body[:6])
        data, body = body[6:6 + length], body[6 + length:]
        if tag in tags:
            name = tags[tag]
            fields[name] = struct.unpack("<q", data)[0] if name in NUMBERS else data.decode("utf-8", "replace")
    return fields


def read_frame(stream):
    header = stream.read(12)
    if len(header) < 12:
        raise EOFError
    length, call, message, _ = struct.unpack("<IIHH", header)
    return call, message, stream.read(length)


def frame(call, message, body, last=True):
    return struct.pack("<IIHH", len(body), call, message, 1 if last else 0) + body


class Agent:
    def __init__(self, directory, program, main=None, service=None, arguments=(), bounce=True, unprivileged=True):
        self.directory, self.spool = Path(directory), Path(directory) / "spool"
        self.log, self.records, self.bounce_works, self.ended = [], [], bounce, False
        self.calls, self.servers = itertools.count(1), []
        self.replies, self.reply_came, self.sent = {}, threading.Condition(), {}
        (self.directory / "etc").mkdir()
        for name in ("active", "private", "public"):
            (self.spool / name).mkdir(parents=True)
        owner = "postfix" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        settings = {"queue_directory": self.spool, "data_directory": self.directory, "mail_owner": owner,
                    "myhostname": "mail.test.example", "mydomain": "test.example", "inet_protocols": "ipv4",
                    "inet_interfaces": "127.0.0.1", "compatibility_level": "3.6", "maillog_file": "/x",
                    "smtp_dns_support_level": "disabled"} | (main or {})
        (self.directory / "etc/main.cf").write_text("".join(f"{k} = {v}\n" for k, v in settings.items()))
        self._listen("public/postlog", socket.SOCK_DGRAM, self._take_log)
        for name in ("bounce", "defer", "trace"):
            self._listen("private/" + name, socket.SOCK_STREAM, self._serve_bounce, name)
        self._start(program, service or program, list(arguments) + (["-u"] if unprivileged else []))
        self._connect()

    # ---- what the agent sees around it ----

    def _listen(self, path, kind, serve, *arguments):
        server = socket.socket(socket.AF_UNIX, kind)
        server.bind(str(self.spool / path))
        os.chmod(self.spool / path, 0o666)
        if kind == socket.SOCK_STREAM:
            server.listen(5)
        self.servers.append(server)
        threading.Thread(target=serve, args=(server, *arguments), daemon=True).start()

    def _take_log(self, server):
        while packet := server.recv(65536):
            for line in packet.decode("utf-8", "replace").splitlines():  # a turn's lines come together
                self.log.append(line.split("]: ", 1)[-1])
        server.close()

    def _serve_bounce(self, server, name):
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                server.close()
                return
            threading.Thread(target=self._serve_bounce_channel, args=(connection, name), daemon=True).start()

    def _serve_bounce_channel(self, connection, name):
        stream = connection.makefile("rb")
        connection.sendall(b"postern bounce 1\n")
        stream.readline()
        try:
            while True:
                call, message, body = read_frame(stream)
                if message == BOUNCE_APPEND:
                    self.records.append({"service": name} | decode(body, APPEND_TAGS))
                    failed = b"" if self.bounce_works else struct.pack("<HIq", 1, 8, 1)
                    connection.sendall(frame(call, BOUNCE_REPLY, failed))
        except (EOFError, OSError):
            stream.close()
            connection.close()

    def _start(self, program, service, arguments):
        control, child_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.spool / "private" / service))
        listener.listen(5)
        listener.setblocking(False)
        command = [BUILD / "libexec" / program, "-n", service, "-t", "unix", "-m", "100", "-k", "1", *arguments]
        environment = {"PATH": "/usr/bin:/bin", "MAIL_CONFIG": str(self.directory / "etc"),
                       **{k: "quarantine_size_mb=16:detect_leaks=0" for k in SANITIZER_VARIABLES}}

        fds = [os.dup(child_control.fileno()), os.dup(listener.fileno())]
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "postfix", str(self.spool)], check=True)

        def place():
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in fds]  # whatever has the low numbers
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)

        self.errors = open(self.directory / "stderr", "w+b")
        self.process = subprocess.Popen(command, env=environment, preexec_fn=place, close_fds=False,
                                        stderr=self.errors, stdin=subprocess.DEVNULL)
        for fd in fds:
            os.close(fd)
        child_control.close()
        listener.close()
        self.control, self.socket_path = control, self.spool / "private" / service
        control.settimeout(20)
        assert control.recv(1) == b"R", self.error_text()

    def error_text(self):
        self.errors.seek(0)
        return self.errors.read().decode()

    # ---- what the queue manager does ----

    def _connect(self):
        self.channel = socket.socket(socket.AF_UNIX)
        try:
            self.channel.connect(str(self.socket_path))
        except ConnectionRefusedError as refused:
            raise AssertionError(f"the agent has gone, status {self.process.poll()}: {self.error_text()}") from refused
        self.stream = self.channel.makefile("rb")
        self.channel.sendall(b"postern delivery 1\n")
        assert self.stream.readline() == b"postern delivery 1\n"
        threading.Thread(target=self._take_replies, daemon=True).start()

    def _take_replies(self):
        try:
            while True:
                call, message, body = read_frame(self.stream)
                if message == DELIVERY_REPLY:
                    with self.reply_came:
                        self.replies[call] = decode(body, REPLY_TAGS)
                        self.reply_came.notify_all()
        except (EOFError, OSError, ValueError):
            pass

    def send(self, nexthop="", recipients=("u@d.example",), content="Subject: x\n\nhello\n", sender="a@b.example",
             originals=None, notify=None, orcpt=None, **fields):
        """Begins a delivery; wait(call) brings the reply."""
        call = next(self.calls)
        queue_id = "%05XA%05X" % (call, call)
        content = content.encode() if isinstance(content, str) else content
        data, offset, offsets = queue_file(sender, recipients, content)
        path = self.spool / "active" / queue_id
        path.write_bytes(data)
        path.chmod(0o700)
        if os.geteuid() == 0:
            os.chown(path, pwd.getpwnam("postfix").pw_uid, -1)
        now = int(time.time() * 1000000)
        count = len(recipients)
        request = {"flags": 1, "queue_name": "active", "queue_id": queue_id, "data_offset": offset,
                   "data_size": len(content), "nexthop": nexthop, "sender": sender, "arrival_time": now,
                   "active_time": now, "transport": "test"} | fields
        request |= {"rcpt_address": list(recipients), "rcpt_original": originals or [""] * count,
                    "rcpt_dsn_orig_rcpt": orcpt or [""] * count,
                    "rcpt_dsn_notify": [str(n) for n in notify or [0] * count],
                    "rcpt_offset": [str(o) for o in offsets]}
        self.channel.sendall(frame(call, DELIVERY_REQUEST, encode(request)))
        self.sent[call] = path, offsets, list(recipients)
        return call

    def wait(self, call, timeout=30):
        with self.reply_came:
            assert self.reply_came.wait_for(lambda: call in self.replies, timeout), (self.log, self.error_text())
            return self.replies[call] | {"call": call}

    def deliver(self, timeout=30, **request):
        return self.wait(self.send(**request), timeout)

    def done(self, reply):
        """The recipients marked done in the queue file."""
        path, offsets, recipients = self.sent[reply["call"]]
        data = path.read_bytes()
        return [r for o, r in zip(offsets, recipients) if data[o:o + 1] == b"D"]

    def line(self, address):
        """The delivery line of that recipient in the newest call that had it, from `to=` on."""
        queue_id = [path.name for path, _, recipients in self.sent.values() if address in recipients][-1]
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            lines = [line for line in list(self.log) if line.startswith(f"{queue_id}: to=<{address}>")]
            if lines:
                return lines[-1].split(": ", 1)[1]
            time.sleep(0.02)
        raise AssertionError(f"no line for {address} in {self.log}")

    def alive(self):
        return self.process.poll() is None

    def finish(self):
        alive = self.alive() or self.ended
        self.control.close()
        if not self.ended:
            self.channel.shutdown(socket.SHUT_RDWR)
        self.process.wait(10)
        for server in self.servers:
            server.shutdown(socket.SHUT_RDWR)
        self.stream.close()
        self.channel.close()
        errors = self.error_text()
        self.errors.close()
        assert alive, errors
        assert "ERROR: " not in errors and "runtime error" not in errors, errors
