"""A server of Dovecot's authentication protocol that knows a few users, and misbehaves as it is told.

    server = LoginServer(directory / "auth", users={"joe": "secret"})
    server.lines          what clients said, of all connections; server.connections: how many
    server.answers["joe"] = "FAIL\\t{id}\\tuser=joe\\ttemp"   in place of the judgement, for that user ("" for all)

An answer is text ({id} is the request's number, LF is added), None (close the connection) or "" (say nothing).
"""
import base64
import os
import socket
import threading
import time

GREETING = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\tabc\nDONE\n"


def b64(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def plain(username, password, authorization=""):
    return b64(f"{authorization}\0{username}\0{password}")


class LoginServer:
    def __init__(self, path=None, users=None, greeting=GREETING):
        self.users, self.greeting = users or {"joe": "secret"}, greeting
        self.lines, self.answers, self.connections, self.open = [], {}, 0, []
        self.path, self.delay = path, 0
        if path is None:
            self.socket = socket.create_server(("127.0.0.1", 0))
            self.path = "inet:127.0.0.1:%d" % self.socket.getsockname()[1]
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(str(path))
            os.chmod(path, 0o666)
            self.socket.listen(50)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        """No more connections, and those that there are end."""
        self.socket.shutdown(socket.SHUT_RDWR)
        if os.path.exists(str(self.path)):
            os.unlink(self.path)
        self.cut()

    def cut(self):
        while self.open:
            try:
                self.open.pop().shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                self.socket.close()
                return
            self.connections += 1
            self.open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        half = {}
        try:
            connection.sendall(self.greeting.encode("latin-1"))
            with connection.makefile("rb") as stream:
                for line in stream:
                    words = line.decode("latin-1").rstrip("\n").split("\t")
                    self.lines.append(words)
                    if words[0] in ("AUTH", "CONT"):
                        self._answer(connection, self._judge(words, half), words[1])
        except OSError:
            pass
        connection.close()

    def _answer(self, connection, answer, number):
        if self.delay:
            time.sleep(self.delay)
        if answer is None:
            connection.shutdown(socket.SHUT_RDWR)
        elif answer:
            answer = answer if isinstance(answer, bytes) else answer.replace("{id}", number).encode("latin-1") + b"\n"
            connection.sendall(answer)

    def _judge(self, words, half):
        if "" in self.answers:
            return self.answers[""]
        data = words[2] if words[0] == "CONT" else None
        if words[0] == "AUTH":
            half[words[1]] = [words[2].upper()]
            if words[-1].startswith("resp="):
                data = words[-1][5:]
        said = half[words[1]]
        if data is not None:
            try:
                said.append(base64.b64decode("" if data == "=" else data, validate=True).decode("latin-1"))
            except ValueError:
                kind = "continued" if words[0] == "CONT" else "initial"
                return "FAIL\t{id}\treason=Invalid base64 data in " + kind + " response"
        if said[0] == "LOGIN" and len(said) < 3:
            return "CONT\t{id}\t" + b64("Username:" if len(said) == 1 else "Password:")
        if len(said) == 1:
            return "CONT\t{id}\t"
        if said[0] == "PLAIN":
            if said[1].count("\0") != 2:
                return "FAIL\t{id}"
            said[1:] = said[1].split("\0")[1:]
        return self._verdict(*said[1:])

    def _verdict(self, username, password):
        if username in self.answers:
            return self.answers[username]
        good = self.users.get(username) == password
        return ("OK" if good else "FAIL") + "\t{id}\tuser=" + username
