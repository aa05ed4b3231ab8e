"""Keys and certificates for tests, made by openssl."""
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Certificate:
    key: Path
    certificate: Path

    @property
    def chain(self):
        """Both in one file, the key first."""
        path = self.key.with_suffix(".chain")
        path.write_bytes(self.key.read_bytes() + self.certificate.read_bytes())
        return path

    @property
    def pair(self):
        return str(self.certificate), str(self.key)

    def fingerprint(self, digest="sha256"):
        text = openssl("x509", "-in", self.certificate, "-noout", "-fingerprint", f"-{digest}")
        return text.split("=", 1)[1].strip()

    def key_fingerprint(self, digest="sha256"):
        key = openssl("x509", "-in", self.certificate, "-noout", "-pubkey")
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key.encode(), capture_output=True,
                             check=True).stdout
        text = subprocess.run(["openssl", "dgst", f"-{digest}", "-c"], input=der, capture_output=True, check=True).stdout
        return text.decode().split("= ")[1].strip().upper()


def openssl(*arguments, input=None):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=True, input=input).stdout


def new_key(path, kind):
    if kind == "rsa":
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", path)
    elif kind == "ec":
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    else:
        openssl("genpkey", "-algorithm", kind, "-out", path)
    path.chmod(0o600)


def make_certificate(directory, name, kind="rsa", subject=None, issuer=None, days=30, extensions=()):
    """A certificate for subject ("/CN=name" unless said otherwise), self-signed or by an issuer."""
    made = Certificate(directory / f"{name}.key", directory / f"{name}.pem")
    new_key(made.key, kind)
    arguments = ["req", "-new", "-x509", "-key", made.key, "-subj", subject or f"/CN={name}", "-days", days,
                 "-out", made.certificate]
    for extension in extensions:
        arguments += ["-addext", extension]
    if issuer:
        arguments += ["-CA", issuer.certificate, "-CAkey", issuer.key]
    openssl(*arguments)
    return made
