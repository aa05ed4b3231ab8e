"""postfix tls: keys, certificates and settings by command."""
import re
import subprocess

import pytest

from harness.certificates import openssl
from harness.smtp_client import tls_context
from harness.waiting import wait_until

pytestmark = pytest.mark.peer


@pytest.fixture
def mta(make_instance):
    return make_instance({"smtpd_peername_lookup": "no"})


def tls(mta, *arguments, status=0):
    result = mta.run("postfix", "tls", *arguments)
    assert result.returncode == status, f"{result.stdout}{result.stderr}{mta.log()}"
    return result.stdout


def setting(mta, name):
    return mta.run("postconf", "-h", name).stdout.strip()


def made(mta, kind):
    return sorted(mta.etc.glob(f"{kind}-*.pem"))


def test_nothing_is_set_at_first(mta):
    tls(mta, "all-default-client")
    tls(mta, "all-default-server")


@pytest.mark.parametrize("name", ["smtpd_use_tls", "smtpd_tls_cert_file", "smtpd_tls_security_level"])
def test_something_is_set(mta, name):
    mta.set_main(**{name: "yes", "smtpd_tls_loglevel": 1})
    tls(mta, "all-default-server", status=1)
    tls(mta, "all-default-client")


def test_enable_client(mta):
    tls(mta, "enable-client", "-r", "dev:/dev/urandom")
    assert setting(mta, "smtp_tls_security_level") == "may"
    assert setting(mta, "smtp_tls_loglevel") == "1"
    assert setting(mta, "tls_random_source") == "dev:/dev/urandom"
    mta.wait_log("Enabled opportunistic TLS in the Postfix SMTP client.")
    tls(mta, "all-default-client", status=1)
    tls(mta, "enable-client")
    mta.wait_log(r"\*\*\* Non-default SMTP client TLS settings detected, no changes made.")


def test_enable_server_and_use_it(mta):
    tls(mta, "enable-server")
    assert setting(mta, "smtpd_tls_security_level") == "may"
    assert setting(mta, "smtpd_tls_received_header") == "yes"
    assert setting(mta, "smtpd_tls_cert_file") == str(made(mta, "cert")[0])
    assert setting(mta, "smtpd_tls_key_file") == str(made(mta, "key")[0])
    assert made(mta, "key")[0].stat().st_mode & 0o777 == 0o600
    mta.wait_log("Enabled opportunistic TLS in the Postfix SMTP server")
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        client.starttls(context=tls_context(trust=made(mta, "cert")[0]))
        client.ehlo()
    tls(mta, "enable-server")
    mta.wait_log(r"\*\*\* Non-default SMTP server TLS settings detected, no changes made.")
    assert len(made(mta, "key")) == 1


def names(path):
    text = openssl("x509", "-in", path, "-noout", "-text")
    return (re.search(r"Subject: CN = (\S+)", text)[1], re.findall(r"DNS:([^,\s]+)", text),
            re.search(r"Public Key Algorithm: (\S+)", text)[1])


@pytest.mark.parametrize("arguments, files, shown", [
    ([], "", ("mail.test.example", ["mail.test.example"], "rsaEncryption")),
    (["-a", "rsa", "-b", "3072", "a.example", "b.example"], "", ("a.example", ["a.example", "b.example"], "rsaEncryption")),
    (["-a", "ecdsa"], "ec", ("mail.test.example", ["mail.test.example"], "id-ecPublicKey")),
    (["-a", "ecdsa", "-b", "secp384r1", "c.example"], "ec", ("c.example", ["c.example"], "id-ecPublicKey")),
])
def test_new_server_key(mta, arguments, files, shown):
    tls(mta, "new-server-key", *arguments)
    (key,), (certificate,) = made(mta, f"{files}key"), made(mta, f"{files}cert")
    assert names(certificate) == shown
    assert (openssl("x509", "-in", certificate, "-noout", "-pubkey") ==
            openssl("pkey", "-in", key, "-pubout"))
    log = mta.wait_log(r"(?s)New private key and self-signed certificate created. To deploy run:\n"
                       r".*# postfix tls deploy-server-cert \S+ \S+\n").group(0)
    assert f"deploy-server-cert {certificate} {key}" in log
    assert setting(mta, "smtpd_tls_cert_file") == ""


@pytest.mark.parametrize("arguments", [["-a", "dsa"], ["-a", "ecdsa", "-b", "nocurve"], ["-b", "x"], ["-z"]])
def test_keys_that_cannot_be(mta, arguments):
    tls(mta, "new-server-key", *arguments, status=1)
    assert "fatal: " in mta.log()
    assert not made(mta, "key") or mta.mta == "postfix"
    mta.expected_errors.append("fatal: ")


def test_deploy(mta):
    for algorithm, prefix, parameters in [("rsa", "", ("smtpd_tls_cert_file", "smtpd_tls_key_file")),
                                          ("ecdsa", "ec", ("smtpd_tls_eccert_file", "smtpd_tls_eckey_file"))]:
        tls(mta, "new-server-key", "-a", algorithm)
        (key,), (certificate,) = made(mta, f"{prefix}key"), made(mta, f"{prefix}cert")
        tls(mta, "deploy-server-cert", certificate.name, key.name)
        assert [setting(mta, name) for name in parameters] == [str(certificate), str(key)]
    tls(mta, "deploy-server-cert", made(mta, "cert")[0], made(mta, "eckey")[0], status=1)
    tls(mta, "deploy-server-cert", made(mta, "cert")[0], status=1)
    tls(mta, "deploy-server-cert", "x", "y", status=1)
    mta.expected_errors.append("fatal: ")


def test_new_certificate_for_the_key_in_use(mta):
    tls(mta, "enable-server")
    before = made(mta, "cert")[0]
    wait_until(lambda: mta.run("postfix", "tls", "new-server-cert", "new.example").returncode == 0, what="another second")
    after = made(mta, "cert")[1]
    assert openssl("x509", "-in", before, "-noout", "-pubkey") == openssl("x509", "-in", after, "-noout", "-pubkey")
    assert names(after)[0] == "new.example"
    mta.expected_errors.append("already exists")


def test_request(mta):
    tls(mta, "output-server-csr", status=1)
    tls(mta, "enable-server")
    request = tls(mta, "output-server-csr", "-k", "rsa", "a.example", "b.example")
    text = openssl("req", "-noout", "-text", "-verify", input=request)
    assert re.findall(r"DNS:([^,\s]+)", text) == ["a.example", "b.example"]
    assert "DNS:mail.test.example" in openssl("req", "-noout", "-text", input=tls(mta, "output-server-csr"))
    mta.expected_errors.append("fatal: ")


def test_tlsa_records(mta):
    tls(mta, "output-server-tlsa", status=1)
    tls(mta, "enable-server")
    key = made(mta, "key")[0]
    der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], capture_output=True, check=True).stdout
    digest = subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=der, capture_output=True, check=True).stdout
    record = f"; {key}\n_25._tcp.%s. IN TLSA 3 1 1 {digest.decode().split()[0]}\n"
    assert tls(mta, "output-server-tlsa") == record % "mail.test.example"
    assert tls(mta, "output-server-tlsa", "-h", "mx.example", key.name) == record % "mx.example"
    mta.expected_errors.append("fatal: ")


def test_unknown_subcommand(mta):
    tls(mta, "nonsense", status=1)
    mta.wait_log("error: unknown tls command: 'nonsense'")
    mta.expected_errors.append("fatal: usage: postfix tls ")


@pytest.fixture
def ours(mta):
    if mta.mta == "postfix":
        pytest.skip("Postfix has none")
    return mta


def test_status(ours):
    assert tls(ours, "status").startswith("SMTP server: none\n")
    tls(ours, "enable-server")
    shown = tls(ours, "status")
    assert shown.startswith("SMTP server: may\n")
    assert re.search(r"rsa, /CN=mail.test.example, good until \d{4}-\d\d-\d\d \(36\d{3} days\)", shown)
    made(ours, "key")[0].write_text("nothing\n")
    assert "PROBLEM: " in tls(ours, "status", status=1)


def test_status_of_a_certificate_that_has_expired(ours, directory):
    tls(ours, "enable-server")
    (directory / "index.txt").write_text("")
    (directory / "ca.cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={directory}/index.txt\nnew_certs_dir={directory}\n"
                                      "rand_serial=yes\npolicy=p\ndefault_md=sha256\n[p]\ncommonName=optional\n")
    (directory / "csr").write_text(tls(ours, "output-server-csr"))
    key, certificate = made(ours, "key")[0], made(ours, "cert")[0]
    openssl("ca", "-batch", "-notext", "-selfsign", "-config", directory / "ca.cnf", "-in", directory / "csr", "-keyfile", key,
            "-subj", "/CN=old", "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-out", certificate)
    assert "PROBLEM: it has expired" in tls(ours, "status", status=1)


def test_deploying_beside_chain_files_changes_nothing(ours):
    tls(ours, "new-server-key")
    ours.set_main(smtpd_tls_chain_files="/some/where")
    tls(ours, "deploy-server-cert", made(ours, "cert")[0], made(ours, "key")[0], status=1)
    assert setting(ours, "smtpd_tls_cert_file") == ""
    ours.wait_log("fatal: smtpd_tls_chain_files is set")
    ours.expected_errors.append("fatal: ")
