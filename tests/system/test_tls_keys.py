"""Keys that are renewed while smtpd runs, and keys that processes share: without a reload, and never half."""
import os
import shutil
import ssl

import pytest

from harness.certificates import make_certificate
from harness.instance import USUAL_SERVICES
from harness.smtp_client import SmtpClient, tls_context
from harness.waiting import free_port, wait_until


@pytest.fixture
def keys(directory):
    """As certbot leaves them: live/ has links into archive/, which only root may enter."""
    for name in ("live", "archive", "made"):
        (directory / name).mkdir()
    (directory / "archive").chmod(0o700)
    return directory


def install(keys, number, name):
    """A renewal: new files in archive/, then the links, one after another."""
    made = make_certificate(keys / "made", name, "ec")
    new = {"privkey": keys / f"archive/privkey{number}.pem", "fullchain": keys / f"archive/fullchain{number}.pem"}
    shutil.copy(made.key, new["privkey"])
    shutil.copy(made.certificate, new["fullchain"])
    new["privkey"].chmod(0o600)
    return new


def link(keys, new, which):
    temporary = keys / "live/new"
    temporary.symlink_to(os.path.relpath(new[which], keys / "live"))
    temporary.rename(keys / f"live/{which}.pem")


def link_both(keys, new):
    link(keys, new, "privkey")
    link(keys, new, "fullchain")


@pytest.fixture
def server(make_instance, keys):
    def make(services=None, **settings):
        link_both(keys, install(keys, 1, "first.example"))
        mta = make_instance({"smtpd_tls_security_level": "may", "smtpd_tls_cert_file": keys / "live/fullchain.pem",
                             "smtpd_tls_key_file": keys / "live/privkey.pem", "smtpd_tls_loglevel": 1,
                             "smtpd_peername_lookup": "no"} | settings, services)
        mta.start()
        return mta

    return make


def shown(mta, **options):
    """The common name of the certificate that the next client sees."""
    with mta.smtp() as client:
        client.ehlo()
        client.starttls(**options)
        der = client.socket.getpeercert(binary_form=True)
        client.ehlo()
        client.quit()
    return next(name for name in (b"first", b"second", b"third", b"named") if name + b".example" in der).decode()


def test_next_handshake_has_the_renewed_certificate(server, keys):
    mta = server()
    assert shown(mta) == "first"
    with mta.smtp() as early:
        early.ehlo()
        link_both(keys, install(keys, 2, "second.example"))
        assert shown(mta) == "second"
        early.starttls()
        assert b"second.example" in early.socket.getpeercert(binary_form=True)
    link_both(keys, install(keys, 3, "third.example"))
    assert shown(mta) == "third"
    line = "private keys and certificates have changed -- using the new ones"
    wait_until(lambda: mta.log().count(line) >= 2, 10, "the second renewal is not in the log")
    assert mta.log().count(line) == 2
    assert len(mta.processes("smtpd")) == 1


def test_renewal_ends_no_session(server, keys):
    mta = server()
    with mta.smtp() as client:
        client.ehlo()
        client.starttls()
        client.ehlo()
        link_both(keys, install(keys, 2, "second.example"))
        assert shown(mta) == "second"
        client.command("NOOP", 250)


def test_half_of_a_pair_changes_nothing(server, keys):
    mta = server()
    assert shown(mta) == "first"
    new = install(keys, 2, "second.example")
    link(keys, new, "privkey")
    assert shown(mta) == "first"
    assert shown(mta) == "first"
    mta.wait_log("warning: cannot get RSA certificate and private key from .*: the private key does not match the certificate")
    mta.wait_log("warning: the private keys and certificates read before stay in use")
    link(keys, new, "fullchain")
    assert shown(mta) == "second"


@pytest.mark.parametrize("damage", ["", "-----BEGIN CERTIFICATE-----\nMIIB", "no PEM at all\n", None])
def test_damaged_file_changes_nothing(server, keys, damage):
    mta = server()
    assert shown(mta) == "first"
    path = keys / "archive/fullchain1.pem"
    kept = path.read_bytes()
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage)
    assert shown(mta) == "first"
    mta.wait_log("warning: the private keys and certificates read before stay in use")
    path.write_bytes(kept)
    assert shown(mta) == "first"


def test_written_in_place(server, keys, directory):
    chain = directory / "chain.pem"
    shutil.copy(make_certificate(keys / "made", "first.example").chain, chain)
    mta = server(smtpd_tls_chain_files=chain, smtpd_tls_cert_file="")
    assert shown(mta) == "first"
    second = make_certificate(keys / "made", "second.example").chain.read_bytes()
    with chain.open("wb") as file:
        file.write(second[:900])
        file.flush()
        assert shown(mta) == "first"
        file.write(second[900:])
    assert shown(mta) == "second"


def test_files_beside_are_no_news(server, keys):
    mta = server()
    assert shown(mta) == "first"
    (keys / "live/README").write_text("x")
    (keys / "live/fullchain.pem").touch()
    assert shown(mta) == "first"
    assert "have changed" not in mta.log() and "warning: " not in mta.log().replace("no such program", "").split("connect", 1)[1]


def test_keys_that_turn_up_later(server, keys):
    mta = server()
    shutil.move(keys / "archive", keys / "away")
    mta.stop()
    mta.start()
    with mta.smtp() as client:
        client.command("STARTTLS", 454)
    mta.wait_log("warning: no usable private keys and certificates until the files are in order")
    shutil.move(keys / "away", keys / "archive")
    link_both(keys, install(keys, 2, "second.example"))
    assert shown(mta) == "second"


def test_names_of_clients_have_renewed_certificates_too(server, keys, directory):
    named = make_certificate(keys / "made", "named.example", "ec")
    chain = directory / "named.pem"
    shutil.copy(named.chain, chain)
    chain.chmod(0o600)
    (directory / "sni").write_text(f"asked.example {chain}\n")
    mta = server(tls_server_sni_maps=f"texthash:{directory}/sni")
    assert shown(mta) == "first"
    assert shown(mta, name="asked.example") == "named"
    shutil.copy(make_certificate(keys / "made", "third.example", "ec").chain, directory / "new.pem")
    (directory / "new.pem").rename(chain)
    assert shown(mta, name="asked.example") == "third"
    assert shown(mta) == "first"


@pytest.mark.root
def test_smtpd_cannot_read_the_keys(server, keys):
    """Neither it nor its chroot has them: the process that stays root does."""
    mta = server(USUAL_SERVICES.replace("inet n - n", "inet n - y", 1))
    assert shown(mta) == "first"
    smtpd = mta.processes("smtpd")[0]
    assert os.stat(f"/proc/{smtpd}/task/{smtpd}/stat")
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{smtpd}/status").read().splitlines())
    assert status["Uid"].split()[0] != "0" and status["CapEff"] == "0000000000000000"
    link_both(keys, install(keys, 2, "second.example"))
    assert shown(mta) == "second"


@pytest.mark.root
def test_the_reader_ends_with_smtpd(server):
    mta = server()
    assert shown(mta) == "first"
    assert len(mta.processes("private-files")) == 1
    mta.stop()
    assert not mta.processes("private-files")


@pytest.mark.root
def test_no_key_is_left_where_it_could_be_dumped(server):
    mta = server()
    assert shown(mta) == "first"
    for name in ("smtpd", "private-files", "tlsmgr"):
        for pid in mta.processes(name):
            assert os.stat(f"/proc/{pid}/environ").st_uid == 0, f"{name} is dumpable"


# ---- session tickets ----

def resumed(first, second):
    """Is a session that one service (port) began taken up by another?"""
    context = tls_context()
    with SmtpClient(first) as client:
        client.ehlo()
        client.starttls(context=context)
        client.ehlo()
        session = client.socket.session
    with SmtpClient(second) as client:
        client.ehlo()
        client.starttls(context=context, session=session)
        return client.socket.session_reused


def test_processes_of_a_service_share_ticket_keys(server):
    mta = server(sessions_per_process="1")
    with mta.smtp(), mta.smtp():
        assert resumed(mta.port, mta.port)
    assert len(mta.processes("smtpd")) > 1


def test_ticket_keys_outlive_a_process(server):
    mta = server()
    context = tls_context()
    with mta.smtp() as client:
        client.starttls(context=context)
        client.ehlo()
        session = client.socket.session
    for pid in mta.processes("smtpd"):
        os.kill(pid, 15)
    wait_until(lambda: not mta.processes("smtpd"), what="smtpd has ended")
    with mta.smtp() as client:
        client.starttls(context=context, session=session)
        assert client.socket.session_reused


def test_services_do_not_share_sessions(server):
    other = free_port()
    mta = server(USUAL_SERVICES + f"127.0.0.1:{other} inet n - n - - smtpd\n")
    assert resumed(mta.port, mta.port) and resumed(other, other)
    assert not resumed(mta.port, other) and not resumed(other, mta.port)


def test_without_tlsmgr(server):
    mta = server("\n".join(line for line in USUAL_SERVICES.splitlines() if "tlsmgr" not in line) + "\n")
    assert shown(mta) == "first"
    assert not resumed(mta.port, mta.port)
    mta.wait_log("warning: no TLS session ticket keys: .*private/tlsmgr.*: sessions are not resumed until there are")


def test_tlsmgr_that_starts_anew(server):
    mta = server()
    assert resumed(mta.port, mta.port)
    for pid in mta.processes("tlsmgr"):
        os.kill(pid, 9)
    wait_until(lambda: not mta.processes("tlsmgr"), what="tlsmgr has ended")
    assert resumed(mta.port, mta.port)
    mta.stop()
    mta.start()
    assert resumed(mta.port, mta.port)


def test_ticket_cipher_that_will_not_do(server):
    mta = server(tls_session_ticket_cipher="aes-128-gcm")
    with mta.smtp() as client:
        client.command("STARTTLS", 454)
    mta.wait_log("warning: tls_session_ticket_cipher = aes-128-gcm: .*aes-256-cbc.*: disabling TLS support")


def test_raw_public_keys_are_not_to_be_had(server):
    mta = server(smtpd_tls_enable_rpk="yes")
    assert shown(mta) == "first"
    if ssl.OPENSSL_VERSION_INFO < (3, 2):
        mta.wait_log("warning: smtpd_tls_enable_rpk = yes: raw public keys need OpenSSL 3.2 or later, this is OpenSSL 3")
