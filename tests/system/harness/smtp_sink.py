"""An SMTP (or LMTP) server that keeps what it gets, and misbehaves as it is told.

    sink.rules.append(Rule("RCPT", "450 4.2.0 later", match="slow@", times=1))
    sink.rules.append(Rule("DATA", delay=3))              # waits, then answers as usual
    sink.rules.append(Rule("END", cut=True))              # closes the connection in place of an answer

Verbs are what clients send, and CONNECT (the greeting) and END (the end of DATA or of the last BDAT).
"""
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field

from harness.waiting import wait_until


@dataclass
class Rule:
    verb: str
    reply: str = None     # with its code; "\n" between lines; None: the usual one
    match: str = ""       # somewhere in the command line
    times: int = None     # how often; None: always
    delay: float = 0
    cut: bool = False     # closes the connection (after reply, when there is one)


@dataclass
class Message:
    sender: str
    recipients: list
    data: bytes           # dots removed
    commands: list        # all lines of the session until now
    session: int
    encrypted: bool
    resumed: bool         # its TLS session is one from before


@dataclass
class Session:
    number: int
    connection: socket.socket
    reader: object = None
    commands: list = field(default_factory=list)
    sender: str = None
    recipients: list = field(default_factory=list)
    body: bytes = b""

    @property
    def encrypted(self):
        return isinstance(self.connection, ssl.SSLSocket)


class Hangup(Exception):
    pass


class SmtpSink:
    """tls: an ssl.SSLContext; STARTTLS is offered then, or (wrapped) TLS begins with the connection. behind_starttls: bytes
    that leave together with the answer to STARTTLS. inside_tls: extensions that are offered once TLS stands."""

    def __init__(self, port=0, host="127.0.0.1", extensions=("PIPELINING", "8BITMIME", "SIZE 20000000", "DSN"),
                 lmtp=False, name="sink.example", tls=None, wrapped=False, behind_starttls=b"",
                 inside_tls=()):
        self.listener = socket.create_server((host, port), backlog=200)
        self.host, self.port = self.listener.getsockname()
        self.extensions, self.inside_tls = list(extensions), list(inside_tls)
        self.lmtp, self.name = lmtp, name
        self.tls, self.wrapped, self.behind_starttls = tls, wrapped, behind_starttls
        self.rules = []
        self.messages = []
        self.sessions = []
        self.lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def nexthop(self):
        return f"[{self.host}]:{self.port}"

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for session in self.sessions:
            session.connection.close()

    def wait_for(self, count, timeout=20):
        """The messages, when there are at least count."""
        wait_until(lambda: len(self.messages) >= count, timeout,
                   lambda: f"{count} messages at the sink, {len(self.messages)} came")
        return self.messages

    # ---- serving ----

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            session = Session(len(self.sessions) + 1, connection)
            self.sessions.append(session)
            threading.Thread(target=self._serve, args=(session,), daemon=True).start()

    def _serve(self, session):
        try:
            if self.wrapped:
                self._encrypt(session)
            session.reader = session.connection.makefile("rb")
            self._answer(session, "CONNECT", "", f"220 {self.name} ESMTP")
            while line := session.reader.readline():
                text = line.rstrip(b"\r\n").decode("utf-8", "replace")
                session.commands.append(text)
                self._command(session, text)
        except (Hangup, OSError, ValueError):
            pass
        finally:
            if session.reader:
                session.reader.close()
            session.connection.close()

    def _encrypt(self, session):
        session.connection = self.tls.wrap_socket(session.connection, server_side=True)
        session.reader = session.connection.makefile("rb")

    def _start_tls(self, session, line):
        if not any(rule.verb == "STARTTLS" for rule in self.rules):
            session.connection.sendall(b"220 2.0.0 go on\r\n" + self.behind_starttls)
            self._encrypt(session)
        elif self._answer(session, "STARTTLS", line, "220 2.0.0 go on"):
            self._encrypt(session)

    def _find_rule(self, verb, line):
        with self.lock:
            for rule in self.rules:
                if rule.verb == verb and rule.match in line and rule.times != 0:
                    if rule.times:
                        rule.times -= 1
                    return rule
        return None

    def _say(self, session, reply):
        lines = reply.split("\n")
        out = [f"{l[:3]}-{l[4:]}" for l in lines[:-1]] + [lines[-1]]
        session.connection.sendall(("\r\n".join(out) + "\r\n").encode())

    def _answer(self, session, verb, line, usual):
        """True when the answer is a positive one."""
        rule = self._find_rule(verb, line) or Rule(verb)
        time.sleep(rule.delay)
        reply = rule.reply or usual
        if not rule.cut or rule.reply:
            self._say(session, reply)
        if rule.cut:
            session.connection.shutdown(socket.SHUT_RDWR)
            raise Hangup
        return reply[0] in "23"

    def _command(self, session, line):
        verb = line.split(" ", 1)[0].upper()
        argument = line[line.find("<") + 1:line.rfind(">")]
        if verb in ("EHLO", "LHLO"):
            offered = self.extensions + (self.inside_tls if session.encrypted else ["STARTTLS"] if self.tls else [])
            self._answer(session, verb, line, "\n".join(f"250 {w}" for w in [self.name] + offered))
        elif verb == "STARTTLS" and self.tls:
            self._start_tls(session, line)
        elif verb == "MAIL":
            if self._answer(session, verb, line, "250 2.1.0 Ok"):
                session.sender, session.recipients, session.body = argument, [], b""
        elif verb == "RCPT":
            if self._answer(session, verb, line, "250 2.1.5 Ok"):
                session.recipients.append(argument)
        elif verb == "DATA":
            usual = "354 go on" if session.recipients else "554 5.5.1 no valid recipients"
            if self._answer(session, verb, line, usual):
                session.body = self._read_data(session)
                self._end(session, line)
        elif verb == "BDAT":
            self._bdat(session, line)
        elif verb == "RSET":
            session.sender, session.recipients, session.body = None, [], b""
            self._answer(session, verb, line, "250 2.0.0 Ok")
        elif verb == "QUIT":
            self._answer(session, verb, line, "221 2.0.0 Bye")
            raise Hangup
        else:
            self._answer(session, verb, line, "250 2.0.0 Ok" if verb in ("HELO", "NOOP", "XFORWARD") else "502 5.5.2 no")

    def _read_data(self, session):
        lines = []
        while (line := session.reader.readline()) != b".\r\n":
            if not line:
                raise Hangup
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def _bdat(self, session, line):
        words = line.split()
        session.body += session.reader.read(int(words[1]))
        if words[-1].upper() == "LAST":
            self._end(session, line)
        else:
            self._answer(session, "BDAT", line, "250 2.0.0 Ok")

    def _end(self, session, line):
        message = Message(session.sender, session.recipients, session.body, list(session.commands), session.number,
                          session.encrypted, session.encrypted and session.connection.session_reused)
        accepted = False
        for recipient in session.recipients if self.lmtp else [line]:
            accepted |= self._answer(session, "END", recipient, "250 2.0.0 Ok: kept")
        if accepted:
            self.messages.append(message)
        session.sender, session.recipients, session.body = None, [], b""
