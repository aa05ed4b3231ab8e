"""smtpd's own keys and certificates: those that are not there, several of them, and those of a name that a client asks for."""
import socket

import pytest

from harness.smtpd_tls import TLS12, connect, keys, server  # noqa: F401
from harness.smtp_client import tls_context

pytestmark = pytest.mark.peer


# ---- keys that are not there ----

@pytest.mark.parametrize("settings, warning", [
    ({"smtpd_tls_chain_files": ""}, "No server certs available. TLS won't be enabled"),
    ({"smtpd_tls_chain_files": "/nonexistent"}, "error opening chain file: /nonexistent: No such file or directory"),
    ({"smtpd_tls_chain_files": "", "smtpd_tls_cert_file": "/nonexistent"},
     "error opening chain file: /nonexistent: No such file or directory"),
    ({"smtpd_tls_protocols": "SSLv9"}, "disabling TLS support"),
    ({"smtpd_tls_fingerprint_digest": "sha77"}, "disabling TLS support"),
    ({"smtpd_tls_CAfile": "/nonexistent"}, "/nonexistent"),
])
def test_without_keys(server, settings, warning):
    mta = server(**settings)
    with mta.smtp() as client:
        assert "STARTTLS" in client.ehlo().lines
        if warning != "error opening chain file: /nonexistent: No such file or directory" or mta.mta == "postern":
            assert str(client.command("STARTTLS")) == "454 4.7.0 TLS not available due to local problem"
        client.command("MAIL FROM:<a@b.example>")
    mta.wait_log(f"warning: .*{warning}")


def test_key_of_another_certificate(server, keys):
    mta = server(smtpd_tls_chain_files="", smtpd_tls_cert_file=keys.rsa.certificate, smtpd_tls_key_file=keys.ca.key)
    with mta.smtp() as client:
        client.command("STARTTLS", 454)
    mta.wait_log("warning: cannot get RSA (private key|certificate and private key) from .*ca.key")


def test_certificate_before_its_key(server, keys, directory):
    path = directory / "chain"
    path.write_bytes(keys.rsa.certificate.read_bytes() + keys.rsa.key.read_bytes())
    mta = server(smtpd_tls_chain_files=path)
    with mta.smtp() as client:
        client.command("STARTTLS", 454)
    mta.wait_log(f"warning: error loading .*{path}")


def test_pairs_of_several_algorithms(server, keys):
    mta = server(smtpd_tls_chain_files="", smtpd_tls_cert_file=keys.rsa.certificate, smtpd_tls_key_file=keys.rsa.key,
                 smtpd_tls_eccert_file=keys.ec.certificate, smtpd_tls_eckey_file=keys.ec.key)
    for ciphers in ("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"):
        connect(mta, context=tls_context(most=TLS12, ciphers=ciphers)).close()
        mta.wait_log(f"TLSv1.2 with cipher {ciphers}")


def test_pairs_do_not_count_beside_chain_files(server, keys):
    mta = server(smtpd_tls_cert_file=keys.ec.certificate, smtpd_tls_key_file=keys.ec.key)
    connect(mta).close()
    mta.wait_log("Both smtpd_tls_chain_files and one or more of the legacy  smtpd_tls_cert_file, smtpd_tls_eccert_file or "
                 "smtpd_tls_dcert_file are non-empty; the legacy  parameters will be ignored")
    mta.wait_log("server-signature RSA-PSS")


def test_level_that_does_not_exist(server):
    mta = server(smtpd_tls_security_level="maybe")
    mta.expected_errors.append("TLS level")
    socket.create_connection(("127.0.0.1", mta.port)).close()
    mta.wait_log('fatal: .*Invalid TLS level "maybe"')


# ---- the name that a client asks for ----

@pytest.fixture(params=["lmdb", "texthash"])
def names(request, server, keys, directory):
    table = directory / "sni"
    table.write_text(f"named.example {keys.ec.key}, {keys.ec.certificate}\n"
                     f".below.example {keys.ec.key} {keys.ec.certificate}\n")
    if request.param == "lmdb":
        mta = server()
        assert mta.run("postmap", "-F", f"lmdb:{table}").returncode == 0
        mta.stop()
    return server(tls_server_sni_maps=f"{request.param}:{table}")


def subject(client):
    der = client.socket.getpeercert(binary_form=True)
    return "ec" if b"ec.test.example" in der else "rsa"


@pytest.mark.parametrize("name, shown", [("named.example", "ec"), ("NAMED.example", "ec"), ("a.below.example", "ec"),
                                         ("b.a.below.example", "ec"), ("below.example", "rsa"), ("other.example", "rsa"),
                                         (None, "rsa")])
def test_certificate_by_name(names, name, shown):
    with connect(names, name=name) as client:
        assert subject(client) == shown
        client.ehlo()
    if shown == "ec":
        names.wait_log(rf"TLS connection established from unknown\[127.0.0.1\] to {name}: TLSv1.3")
    elif name:
        names.wait_log(rf"TLS SNI {name} from unknown\[127.0.0.1\] not matched, using default chain")
        names.wait_log(r"TLS connection established from unknown\[127.0.0.1\]: TLSv1.3")


def test_name_that_is_none(names):
    with connect(names, name="bad_name!") as client:
        assert subject(client) == "rsa"
    names.wait_log(r"warning: TLS SNI from unknown\[127.0.0.1\] is invalid: bad_name!")
