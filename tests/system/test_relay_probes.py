"""Nobody relays through us who may not: every known way to write an address that goes elsewhere, from every sender."""
import pytest

pytestmark = pytest.mark.peer

HOST, LOCAL, VIRTUAL, IP = "mail.probe.example", "local.example", "virtual.example", "127.0.0.1"

SENDERS = ["", "spam@far.example", f"spam@{LOCAL}", "spam", "spam@localhost", f"spam@{VIRTUAL}", f"spam@[{IP}]",
           f"spam@{HOST}"]
RECIPIENTS = [
    "u@far.example", '"u@far.example"', '"u%far.example"', "u%far.example", f"u%far.example@{LOCAL}",
    f"u%far.example@[{IP}]", f"u%far.example@{HOST}", f'"u@far.example"@{LOCAL}', f'"u@far.example"@[{IP}]',
    f'"u@far.example"@{VIRTUAL}', f"u@far.example@{LOCAL}", f"u@far.example@[{IP}]", f"u@far.example@{VIRTUAL}",
    f"@{LOCAL}:u@far.example", f"@[{IP}]:u@far.example", f"@{HOST}:u@far.example", "far.example!u",
    f"far.example!u@{LOCAL}", f"far.example!u@[{IP}]", "u@far.example.", "u@far.example@", "u@[198.51.100.1]",
    "u@198.51.100.1", "u@#3325256705", " u@far.example", "u@far.example ", f"u%far.example@{VIRTUAL}",
    f"u@{VIRTUAL}%far.example", f"far.example!u%{LOCAL}", f"u%far.example%{LOCAL}@{LOCAL}",
]


@pytest.fixture(scope="module")
def mta(module_instance):
    mta = module_instance({
        "relayhost": "[127.0.0.1]:9", "myhostname": HOST, "mydestination": f"{LOCAL}, {HOST}, localhost",
        "local_recipient_maps": "", "mynetworks": "192.0.2.1/32", "virtual_alias_domains": VIRTUAL,
        "virtual_alias_maps": f"inline:{{known@{VIRTUAL}=known@{LOCAL}}}", "relay_domains": "",
        "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        "smtpd_error_sleep_time": "0", "smtpd_hard_error_limit": "1000", "smtpd_soft_error_limit": "1000"})
    mta.start()
    return mta


@pytest.mark.parametrize("sender", SENDERS)
def test_no_probe_is_accepted(mta, sender):
    accepted = []
    with mta.smtp() as client:
        client.ehlo()
        for recipient in RECIPIENTS:
            client.command("RSET", 250)
            if client.command(f"MAIL FROM:<{sender}>").code == 250 and \
               client.command(f"RCPT TO:<{recipient}>").code == 250:
                accepted.append(recipient)
    assert accepted == []


def test_own_mail_is_accepted(mta):
    with mta.smtp() as client:
        client.ehlo()
        client.envelope("spam@far.example", [f"joe@{LOCAL}", f"known@{VIRTUAL}", "postmaster", f"joe@{HOST}",
                                             f"joe@[{IP}]"])
