"""SCRAM-SHA-256 (RFC 7677), the client's side, written down from the RFC by itself."""
import base64
import hashlib
import hmac
import os


class ScramClient:
    def __init__(self, username, password, header="n,,"):
        self.username, self.password, self.header = username, password, header
        self.nonce = base64.b64encode(os.urandom(12)).decode()
        name = username.replace("=", "=3D").replace(",", "=2C")
        self.bare = f"n={name},r={self.nonce}"

    def first(self):
        return self.header + self.bare

    def final(self, challenge):
        self.fields = dict(field.split("=", 1) for field in challenge.split(","))
        assert self.fields["r"].startswith(self.nonce) and len(self.fields["r"]) > len(self.nonce)
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(self.fields["s"]),
                                     int(self.fields["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        stored_key = hashlib.sha256(client_key).digest()
        bare = "c=" + base64.b64encode(self.header.encode()).decode() + ",r=" + self.fields["r"]
        message = f"{self.bare},{challenge},{bare}".encode()
        proof = bytes(a ^ b for a, b in zip(client_key, hmac.digest(stored_key, message, "sha256")))
        self.server_signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        return f"{bare},p={base64.b64encode(proof).decode()}"

    def verify(self, message):
        assert message == "v=" + base64.b64encode(self.server_signature).decode()
