"""Keys and certificates for tests, made by openssl."""
import base64
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


def tlsa_data(certificate, usage=3, selector=1, matching=1):
    """The TLSA record for a certificate, as text."""
    if matching == 0:
        form = ["x509"] if selector == 0 else ["x509", "-pubkey", "-noout"]
        text = openssl(*form[:1], "-in", certificate.certificate, *form[1:])
        data = "".join(line for line in text.splitlines() if "-----" not in line)
        return f"{usage} {selector} 0 {base64.b64decode(data).hex()}"
    digest = {1: "sha256", 2: "sha512"}[matching]
    printed = certificate.key_fingerprint(digest) if selector else certificate.fingerprint(digest)
    return f"{usage} {selector} {matching} {printed.replace(':', '').lower()}"


def make_expired(directory, name, key, extensions=""):
    """A self-signed certificate for the key that was good in 2020."""
    work = directory / f"{name}.ca"
    work.mkdir()
    (work / "index").write_text("")
    (work / "serial").write_text("01\n")
    (work / "cnf").write_text(f"[ca]\ndefault_ca=own\n[own]\ndatabase={work}/index\nserial={work}/serial\nnew_certs_dir={work}\n"
                              "default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n[extra]\n" + extensions)
    openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", work / "request")
    made = Certificate(key, directory / f"{name}-expired.pem")
    openssl("ca", "-config", work / "cnf", "-selfsign", "-batch", "-notext", "-keyfile", key, "-in", work / "request",
            "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-extensions", "extra", "-out", made.certificate)
    return made


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
