"""A server of Postfix's socketmap protocol.

    server = SocketmapServer({"postfix": {"key": "OK text"}})      # by name and key; others are NOTFOUND
    server.questions                                               # ("postfix", "key"), in order
An answer that is bytes goes out as it stands; None: no answer; a function is called with the connection.
"""
import socket
import threading


class SocketmapServer:
    def __init__(self, maps, path=None):
        self.maps, self.questions, self.connections = maps, [], []
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            self.listener.listen()
            path.chmod(0o777)
        else:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        reader = connection.makefile("rb")
        try:
            while (text := self._read(reader)) is not None:
                name, key = text.split(" ", 1)
                self.questions.append((name, key))
                answer = self.maps.get(name, {}).get(key, "NOTFOUND ")
                if callable(answer):
                    answer(connection)
                elif answer is not None:
                    connection.sendall(answer if isinstance(answer, bytes) else b"%d:%s," % (len(answer), answer.encode()))
        except OSError:
            pass

    @staticmethod
    def _read(reader):
        digits = b""
        while (byte := reader.read(1)) != b":":
            if not byte:
                return None
            digits += byte
        text = reader.read(int(digits)).decode()
        assert reader.read(1) == b","
        return text

    def hang_up(self):
        """All connections that there are."""
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()
        self.connections.clear()

    def close(self):
        self.listener.close()
        self.hang_up()
