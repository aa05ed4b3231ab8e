"""AUTH for Scripted servers: Scripted(ehlo=offer("PLAIN", "LOGIN"), auth=Login("joe", "secret")).

login.tried: (mechanism, what the client said...) of each try. login.verdict: what to answer in place of the judgement.
"""
import base64
import hashlib
import hmac

OK, FAILED = "235 2.7.0 ok", "535 5.7.8 bad credentials"


def offer(*mechanisms, more=()):
    return "\r\n".join(["250-scripted.example", *("250-" + line for line in more), "250 AUTH " + " ".join(mechanisms)])


def encode(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


class Aborted(Exception):
    pass


class Login:
    def __init__(self, username="joe", password="secret", verdict=None, iterations=4096, salt=b"0123456789abcdef"):
        self.username, self.password, self.verdict = username, password, verdict
        self.iterations, self.salt, self.tried = iterations, salt, []
        self.challenge_change = self.final_change = lambda text: text

    def __call__(self, server, connection, line):
        words = line.decode().split()
        mechanism, initial = words[1].upper(), words[2] if len(words) > 2 else None
        self.connection, said = connection, [mechanism]
        self.tried.append(said)
        self.said = said
        try:
            good = getattr(self, mechanism.replace("-", "_"))(initial)
        except Aborted:
            return "501 5.7.0 aborted"
        return self.verdict or (OK if good else FAILED)

    def ask(self, question):
        self.connection.sendall(b"334 " + encode(question).encode() + b"\r\n")
        line = b""
        while not line.endswith(b"\n"):
            more = self.connection.recv(1)
            if not more:
                raise OSError
            line += more
        return self.take(line.strip().decode())

    def take(self, encoded):
        if encoded == "*":
            self.said.append("*")
            raise Aborted
        self.said.append(base64.b64decode("" if encoded == "=" else encoded, validate=True).decode("latin-1"))
        return self.said[-1]

    def first(self, initial):
        return self.ask("") if initial is None else self.take(initial)

    def PLAIN(self, initial):
        return self.first(initial).split("\0")[1:] == [self.username, self.password]

    def LOGIN(self, initial):
        return [self.ask("Username:") if initial is None else self.take(initial), self.ask("Password:")] == \
            [self.username, self.password]

    def CRAM_MD5(self, initial):
        challenge = "<1896.697170952@postoffice.reston.mci.net>"
        digest = hmac.new(self.password.encode(), challenge.encode(), "md5").hexdigest()
        return self.ask(challenge) == f"{self.username} {digest}"

    def SCRAM_SHA_256(self, initial):
        first = self.first(initial)
        bare = first.split(",", 2)[2]
        fields = dict(field.split("=", 1) for field in bare.split(","))
        challenge = self.challenge_change(f"r={fields['r']}SERVER,s={encode(self.salt)},i={self.iterations}")
        final = self.ask(challenge)
        without, proof = final.rsplit(",p=", 1)
        message = f"{bare},{challenge},{without}".encode()
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), self.salt, self.iterations)
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        if bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature)) != key:
            return False
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        self.ask(self.final_change("v=" + encode(hmac.digest(server_key, message, "sha256"))))
        return fields["n"] == self.username

    def XOAUTH2(self, initial):
        if self.first(initial) == f"user={self.username}\1auth=Bearer {self.password}\1\1":
            return True
        self.ask('{"status":"401","schemes":"bearer"}')
        return False

    def OAUTHBEARER(self, initial):
        fields = self.first(initial).split("\1")
        if fields[0] == f"n,a={self.username}," and fields[-3:] == [f"auth=Bearer {self.password}", "", ""]:
            return True
        self.ask('{"status":"invalid_token"}')
        return False
