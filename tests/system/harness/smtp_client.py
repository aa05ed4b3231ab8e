"""A scripted SMTP client: sends exactly the bytes it is told to, reads replies."""
import socket
import ssl
from dataclasses import dataclass


@dataclass
class Reply:
    code: int
    lines: list  # without the code

    @property
    def text(self):
        return "\n".join(self.lines)

    def __str__(self):
        return "\n".join(f"{self.code} {line}" for line in self.lines)


def tls_context(certificate=None, trust=None, ciphers=None, most=None, least=None):
    """How a client goes into a handshake: certificate is a pair of paths; without trust, any server is good."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if trust else ssl.CERT_NONE
    if trust:
        context.load_verify_locations(str(trust))
    if certificate:
        context.load_cert_chain(*certificate)
    if ciphers:
        context.set_ciphers(ciphers)
    if most:
        context.maximum_version = most
    if least:
        context.minimum_version = least
    return context


class SmtpClient:
    def __init__(self, port, host="127.0.0.1", greeting=220, timeout=20, source=None):
        self.socket = socket.create_connection((host, port), timeout=timeout,
                                               source_address=(source, 0) if source else None)
        self.reader = self.socket.makefile("rb")
        self.greeting = self.expect(greeting) if greeting else None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.reader.close()
        self.socket.close()

    # ---- TLS ----

    def tls(self, context=None, name=None, session=None):
        """The handshake: after STARTTLS was answered, or, for a service in wrapper mode, at once."""
        self.reader.close()
        self.socket = (context or tls_context()).wrap_socket(self.socket, server_hostname=name, session=session)
        self.reader = self.socket.makefile("rb")
        return self

    def starttls(self, **options):
        self.command("STARTTLS", 220)
        return self.tls(**options)

    # ---- raw ----

    def send_raw(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def send(self, *lines):
        """Lines without their CR LF, all in one packet."""
        self.send_raw(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\r\n" for line in lines))

    def read_line(self):
        line = self.reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError(f"connection closed after {line!r}")
        return line.rstrip(b"\r\n").decode("utf-8", "replace")

    def read_reply(self):
        lines = []
        while True:
            line = self.read_line()
            lines.append(line[4:])
            if line[3:4] != "-":
                return Reply(int(line[:3]), lines)

    def at_end(self):
        """Waits for the server to close; False when it says something instead."""
        try:
            return self.reader.read(1) == b""
        except ConnectionResetError:
            return True

    # ---- dialogue ----

    def expect(self, *codes):
        reply = self.read_reply()
        assert reply.code in codes, f"expected {codes}, got: {reply}"
        return reply

    def command(self, line, *codes):
        """Sends one line and reads its reply, which must have one of the codes (when any is given)."""
        self.send(line)
        return self.expect(*codes) if codes else self.read_reply()

    def ehlo(self, name="client.example"):
        return self.command(f"EHLO {name}", 250)

    def envelope(self, sender, recipients, options=""):
        self.command(f"MAIL FROM:<{sender}>{options}", 250)
        for recipient in recipients:
            self.command(f"RCPT TO:<{recipient}>", 250)

    def data(self, message, *codes):
        """Sends a message, dots stuffed, and reads the reply to it (250 unless said otherwise)."""
        message = message if isinstance(message, bytes) else message.encode()
        self.command("DATA", 354)
        if message.startswith(b"."):
            message = b"." + message
        self.send_raw(message.replace(b"\r\n.", b"\r\n..") + (b"" if message.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        return self.expect(*(codes or (250,)))

    def transaction(self, sender, recipients, message="Subject: test\r\n\r\ntest\r\n", options=""):
        """One message; the reply to its end. The queue ID is the reply's last word."""
        self.envelope(sender, recipients, options)
        return self.data(message)

    def quit(self):
        self.command("QUIT", 221)
        self.close()
