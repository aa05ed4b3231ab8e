"""An SMTP server that answers as told, well or badly.

    server = Scripted(rcpt="550 5.1.1 no such user")   # what to answer to a command; every session alike
    server.nexthop, server.lines (of all sessions), server.bodies, server.sessions (how many so far)

An answer is text (CRLF is added), bytes (sent as they are), None (close the connection), a number (sleep that many
seconds, then close), or a function of (server, socket, line). A list gives one answer after another.
"""
import socket
import threading
import time

ANSWERS = {"greeting": "220 scripted.example ESMTP", "ehlo": "250-scripted.example\r\n250 PIPELINING",
           "lhlo": "250-scripted.example\r\n250 PIPELINING", "helo": "250 scripted.example", "mail": "250 2.1.0 ok", "rcpt": "250 2.1.5 ok", "data": "354 go on",
           "end": "250 2.0.0 queued as X", "rset": "250 2.0.0 ok", "quit": "221 2.0.0 bye"}
NO_PIPELINING = "250 scripted.example"


class Closed(Exception):
    pass


class Scripted:
    everyone = []

    def __init__(self, address="127.0.0.1", port=0, path=None, **answers):
        self.answers = ANSWERS | answers
        self.lines, self.bodies, self.sessions = [], [], 0
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(str(path))
            self.socket.listen(100)
        else:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            self.socket = socket.create_server((address, port), family=family, backlog=100)
            self.port = self.socket.getsockname()[1]
            self.nexthop = f"[{address}]:{self.port}"
        self.everyone.append(self)
        threading.Thread(target=self._accept, daemon=True).start()

    @classmethod
    def close_all(cls):
        """After a test: its servers take no more connections."""
        while cls.everyone:
            cls.everyone.pop().socket.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                self.socket.close()
                return
            self.sessions += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _answer(self, connection, command, line=b""):
        answer = self.answers.get(command, "502 5.5.1 what?")
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(self, connection, line)
        if answer is None:
            raise Closed
        if isinstance(answer, (int, float)):
            time.sleep(answer)
            raise Closed
        data = answer if isinstance(answer, bytes) else answer.encode() + b"\r\n"
        connection.sendall(data)
        return data

    def _serve(self, connection):
        stream = connection.makefile("rb", buffering=0)  # what follows may be for TLS
        try:
            self._answer(connection, "greeting")
            while line := stream.readline():
                self.lines.append(line.decode("utf-8", "replace"))
                command = line.split()[0].lower().decode("latin-1") if line.split() else ""
                answer = self._answer(connection, command, line)
                if command == "data" and answer.startswith(b"3"):
                    self._take_body(connection, stream)
                if command == "quit":
                    break
        except (Closed, OSError):
            pass
        stream.close()
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        connection.close()

    def _take_body(self, connection, stream):
        body = b""
        while (line := stream.readline()) != b".\r\n":
            if not line:
                raise Closed
            body += line
        self.bodies.append(body)
        self._answer(connection, "end")
