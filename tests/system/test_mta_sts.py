"""MTA-STS (RFC 8461): what a domain publishes is found, kept and held to, and what an attacker, or a sloppy administrator, can do
about it."""
import os
import shutil
import signal
import time

import pytest

from harness.certificates import make_certificate, tlsa_data
from harness.policy_host import policy
from harness.sts import DOMAIN, MX, authority, certificates, context_of, world  # noqa: F401
from harness.waiting import wait_until


# ---- enforce ----

def test_enforced(world):
    asked = []
    world.sink.tls.sni_callback = lambda connection, name, context: asked.append(name)
    world.start()
    assert world.send()[1] == "sent"
    assert world.sink.messages[0].encrypted and asked == [MX]
    world.mta.wait_log(rf"Verified TLS connection established to {MX}\[127.0.0.1\]:\d+: ")
    assert world.host.requests == [DOMAIN]


@pytest.mark.parametrize("mode, header, tls, status", [
    ("enforce", "Require-TLS-ESMTP: yes", r"\w+/requiretls", "sent"),
    ("testing", "Require-TLS-ESMTP: yes", r"may/!requiretls:nocertmatch", "bounced"),
    ("enforce", "TLS-Required: no", "may", "sent")])
def test_what_the_sender_wants(world, mode, header, tls, status):
    """RFC 8689: an enforced policy is what REQUIRETLS asks for; TLS-Required: no is sent as if there were none."""
    world.publish("1", policy(mode, MX if header.startswith("Require") else "other.example"))
    world.sink.inside_tls = ["REQUIRETLS"]
    world.start(smtp_requiretls_policy="enforce", smtp_log_tls_feature_status="yes")
    with world.mta.smtp() as client:
        client.ehlo()
        client.transaction("", ["u@y.example"], header + "\r\nSubject: x\r\n\r\nhello\r\n")
    world.mta.wait_log(rf"to=<u@y.example>, .*tls={tls}, dsn=\S+, status={status} ", timeout=30)


def test_session_is_not_shared_with_what_came_before(world):
    """A connection kept from before the policy is no more used when there is one."""
    del world.dns.zone["_mta-sts." + DOMAIN]
    world.start(smtp_connection_cache_on_demand="yes", smtp_connection_cache_destinations=DOMAIN,
                smtp_connection_cache_time_limit="60s")
    for _ in range(2):
        assert world.send()[1] == "sent"
    assert [m.session for m in world.sink.messages] == [1, 1]
    world.publish("1")
    for _ in range(2):
        assert world.send()[1] == "sent"
    assert [m.session for m in world.sink.messages] == [1, 1, 2, 2]


@pytest.mark.parametrize("kind", ["other", "nobody"])
def test_enforced_on_certificates(world, certificates, kind):
    world.sink.tls = context_of(certificates[kind])
    world.start()
    assert world.send() == ("4.7.5", "deferred", "Server certificate not verified")
    assert not world.sink.messages


@pytest.mark.parametrize("level, sent", [("may", True), ("verify", False)])
def test_system_authorities_are_for_mta_sts_alone(world, authority, level, sent):
    """Who lists no authorities in main.cf trusts none, but for what MTA-STS is about."""
    world.start(smtp_tls_CAfile="", smtp_tls_security_level=level)
    mta = world.mta
    assert world.send()[:2] == ("4.7.5", "deferred")
    mta.set_main(import_environment=mta.main["import_environment"] + f" SSL_CERT_FILE={authority.certificate}")
    mta.stop()
    mta.start()
    assert world.send()[1] == ("sent" if sent else "deferred")


def test_enforced_on_starttls(world):
    world.sink.tls = None
    world.start()
    dsn, status, reason = world.send()
    assert (dsn, status) == ("4.7.4", "deferred") and "TLS is required, but was not offered by host" in reason
    assert not world.sink.messages


def test_enforced_on_mx_names(world):
    world.publish("1", policy("enforce", "mx1.sts.example", "*.other.example"))
    world.start()
    assert world.send() == ("4.7.5", "deferred", f"host {MX} is not in the MTA-STS policy of {DOMAIN}")
    assert not world.sink.sessions


def test_hosts_that_the_policy_does_not_name_are_passed_over(world):
    world.dns.zone[DOMAIN] = {"MX": ["5 mx.evil.example", f"10 {MX}"]}
    world.dns.zone["mx.evil.example"] = {"A": ["127.0.0.1"]}
    world.start()
    assert world.send()[1] == "sent"
    assert len(world.sink.sessions) == 1
    world.mta.wait_log(rf"host mx.evil.example is not in the MTA-STS policy of {DOMAIN}")


def test_wildcard(world):
    world.publish("1", policy("enforce", "*.sts.example"))
    world.start()
    assert world.send()[1] == "sent"


def test_what_has_waited_does_not_go_in_the_clear(world):
    world.sink.tls = context_of(world.certificates["other"])
    world.start(minimal_backoff_time="1s", queue_run_delay="1s")
    world.send()
    world.mta.wait_log(r"(status=deferred(.|\n)*){3}")
    assert not world.sink.messages


# ---- and DANE ----

@pytest.mark.parametrize("good", [True, False])
def test_where_dane_finds_nothing(world, certificates, good):
    if not good:
        world.sink.tls = context_of(certificates["nobody"])
    world.start(smtp_tls_security_level="dane", smtp_dns_support_level="dnssec")
    assert world.send()[1] == ("sent" if good else "deferred")


@pytest.mark.parametrize("good", [True, False])
def test_dane_goes_first(world, certificates, good):
    """RFC 8461 section 2: a failure of DANE is not mended by MTA-STS, and its success needs no CA."""
    world.dns.signed = (".example",)
    record = tlsa_data(certificates["nobody"]) if good else "3 1 1 " + "00" * 32
    world.dns.zone[f"_{world.sink.port}._tcp.{MX}"] = {"TLSA": [record]}
    if good:
        world.sink.tls = context_of(certificates["nobody"])
    world.start(smtp_tls_security_level="dane", smtp_dns_support_level="dnssec")
    assert world.send()[1] == ("sent" if good else "deferred")


# ---- testing, none ----

@pytest.mark.parametrize("trouble", ["nothing", "certificate", "mx", "clear"])
def test_testing_delivers_all_the_same(world, certificates, trouble):
    world.publish("1", policy("testing", "mx1.sts.example" if trouble == "mx" else MX))
    if trouble == "certificate":
        world.sink.tls = context_of(certificates["other"])
    if trouble == "clear":
        world.sink.tls = None
    world.start()
    assert world.send()[1] == "sent"
    if trouble != "clear":
        word = "Untrusted" if trouble == "certificate" else "Verified"
        world.mta.wait_log(rf"{word} TLS connection established to {MX}\[127.0.0.1\]")


def test_mode_none_ends_a_policy(world, certificates):
    world.start()
    assert world.send()[1] == "sent"
    world.sink.tls = context_of(certificates["other"])
    assert world.send()[1] == "deferred"
    wait_for_next_fetch(world, "2", policy("none"))
    assert world.send()[1] == "sent"


# ---- finding and keeping ----

def wait_for_next_fetch(world, id, text=None):
    time.sleep(1.1)  # mtasts_fetch_interval
    world.publish(id, text)


def test_kept_policy_is_not_fetched_again(world):
    world.start()
    for _ in range(3):
        assert world.send()[1] == "sent"
    assert world.host.requests == [DOMAIN]


def test_new_id_brings_a_new_policy(world):
    world.start()
    assert world.send()[1] == "sent"
    wait_for_next_fetch(world, "2", policy("enforce", "elsewhere.example"))
    assert world.send()[1] == "deferred"
    assert world.host.requests == [DOMAIN, DOMAIN]


def test_new_ids_do_not_hurry_us(world):
    """Each answer of the name server with another id: no fetch for each message."""
    world.start(mtasts_fetch_interval="600s")
    for id in "abc":
        world.publish(id)
        assert world.send()[1] == "sent"
    assert world.host.requests == [DOMAIN]


@pytest.mark.parametrize("trouble", ["https", "record", "name server", "garbage"])
def test_kept_policy_holds_when_it_cannot_be_found_any_more(world, certificates, trouble):
    """An attacker who can suppress the record, or the policy, gains nothing."""
    world.start()
    assert world.send()[1] == "sent"
    world.sink.tls = context_of(certificates["other"])
    if trouble == "https":
        world.host.context = context_of(certificates["other"])
        wait_for_next_fetch(world, "2")
    elif trouble == "garbage":
        wait_for_next_fetch(world, "2", "mode: none\r\n")
    elif trouble == "record":
        del world.dns.zone["_mta-sts." + DOMAIN]
    else:
        world.dns.zone["_mta-sts." + DOMAIN] = "SERVFAIL"
    assert world.send()[:2] == ("4.7.5", "deferred")


def test_kept_policy_survives_a_restart(world, certificates):
    world.start()
    assert world.send()[1] == "sent"
    world.mta.stop()
    world.host.close()
    world.sink.tls = context_of(certificates["other"])
    world.mta.start()
    assert world.send()[:2] == ("4.7.5", "deferred")


def test_expired_policy_holds_no_more(world, certificates):
    world.publish("1", policy("enforce", MX, max_age=2))
    world.start()
    assert world.send()[1] == "sent"
    world.sink.tls = context_of(certificates["other"])
    del world.dns.zone["_mta-sts." + DOMAIN]
    assert world.send()[1] == "deferred"
    time.sleep(2.1)
    assert world.send()[1] == "sent"


def test_policy_is_refreshed_before_it_expires(world):
    """Nobody asks for it meanwhile."""
    world.publish("1", policy("enforce", MX, max_age=3))
    world.start(mtasts_refresh_interval="1s")
    assert world.send()[1] == "sent"
    wait_until(lambda: len(world.host.requests) >= 3, 20, lambda: f"{world.host.requests}")
    world.mta.wait_log(r"(policy of sts.example: mode=enforce, id=1, mx=1, max_age=3(.|\n)*){3}")


def test_damaged_store_begins_anew(world):
    world.start()
    world.mta.stop()
    store = world.mta.directory / "data" / "mtasts.lmdb"
    if not store.exists():  # nobody has asked yet
        store.write_bytes(b"")
    store.write_bytes(b"garbage" * 1000)
    if world.mta.privileged:
        shutil.chown(store, "postfix")
    world.mta.start()
    assert world.send()[1] == "sent"
    world.mta.wait_log(r"mtasts.lmdb is damaged")
    assert world.host.requests == [DOMAIN]


# ---- policies that are none ----

GARBAGE = {
    "empty": "", "binary": b"\0\1\2" * 100, "html": "<html><body>version: STSv1</body></html>\r\n",
    "no version": "mode: enforce\r\nmx: nowhere.example\r\nmax_age: 9\r\n", "no mx": "version: STSv1\nmode: enforce\nmax_age: 9\n",
    "bad mx": "version: STSv1\nmode: enforce\nmx: *\nmax_age: 9\n", "bad age": policy("enforce", "nowhere.example", max_age=-1),
    "bad mode": policy("force", "nowhere.example"), "oversize": policy("enforce", *["nowhere.example"] * 5000),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_no_policy(world, kind):
    """With none known from before, mail goes as without MTA-STS (RFC 8461 section 3.3); and nobody is asked again at once."""
    world.publish("1", GARBAGE[kind])
    world.start(mtasts_fetch_interval="600s")
    for _ in range(2):
        assert world.send()[1] == "sent"
    world.mta.wait_log(rf"no policy from {DOMAIN}: ")
    assert world.host.requests == [DOMAIN]


@pytest.mark.parametrize("what, reason", [
    ({"status": 301, "headers": {"Location": "https://mta-sts.sts.example/other"}}, "the policy host answered with status 301"),
    ({"status": 404}, "the policy host answered with status 404"), ({"status": 500}, "the policy host answered with status 500"),
    ({"content_type": "text/html"}, 'the policy host sent "text/html", not text/plain'),
    ({"headers": {"X": "y" * 70000}}, "https://.* header"), ({"delay": 10}, "https://.*"),
])
def test_answers_that_are_no_policy(world, what, reason):
    world.publish("1", policy("enforce", "nowhere.example"))
    for name, value in what.items():
        setattr(world.host, name, value)
    world.start(mtasts_fetch_timeout="2s")
    assert world.send()[1] == "sent"
    world.mta.wait_log(rf"no policy from {DOMAIN}: {reason}")
    assert len(world.host.requests) == 1


@pytest.mark.parametrize("kind", ["other", "nobody"])
def test_policy_host_has_to_show_who_it_is(world, certificates, kind):
    world.publish("1", policy("enforce", "nowhere.example"))
    world.host.context = context_of(certificates[kind])
    world.start()
    assert world.send()[1] == "sent"
    world.mta.wait_log(rf"no policy from {DOMAIN}: https://mta-sts.sts.example:.* (SSL|certificate)")


@pytest.mark.parametrize("records", [["v=STSv1; id=1", "v=STSv1; id=2"], ["v=STSv1"], ["v=STSv1;"], ["v=STSv1; id=a-b"],
                                     ["v=STSv10; id=1"], ["id=1; v=STSv1"]])
def test_records_that_announce_nothing(world, records):
    world.dns.zone["_mta-sts." + DOMAIN] = {"TXT": records}
    world.start()
    assert world.send()[1] == "sent"
    assert not world.host.requests


def test_other_records_do_not_count(world):
    world.dns.zone["_mta-sts." + DOMAIN] = {"TXT": ["v=spf1 -all", "v=STSv1 ; future=1;id=1 ; ", "hello"]}
    world.start()
    assert world.send()[1] == "sent"
    assert world.host.requests == [DOMAIN]


# ---- when it is asked for ----

@pytest.mark.parametrize("settings", [{"smtp_mta_sts": "no"}, {"smtp_tls_security_level": "none"}, {"relayhost": "[mx.sts.example]"},
                                      {"smtp_tls_policy_maps": "inline:{sts.example=encrypt}"}])
def test_not_asked_for(world, settings):
    """An entry of the administrator's goes first."""
    if "relayhost" in settings:
        settings["relayhost"] += f":{world.sink.port}"
    world.publish("1", policy("enforce", "nowhere.example"))
    world.start(**settings)
    assert world.send()[1] == "sent"
    assert not world.host.requests and ("_mta-sts." + DOMAIN, "TXT") not in world.dns.questions


def test_encrypt_is_raised(world, certificates):
    world.sink.tls = context_of(certificates["other"])
    world.start(smtp_tls_security_level="encrypt")
    assert world.send()[:2] == ("4.7.5", "deferred")


def stop_service(mta):
    (mta.etc / "master.cf").write_text((mta.etc / "master.cf").read_text().replace("\nmtasts ", "\n#mtasts "))
    mta.reload()


@pytest.mark.parametrize("dane", [False, True])
def test_mail_waits_without_the_service(world, dane):
    """A broken service of ours must not take a domain's protection away."""
    world.start(**({"smtp_tls_security_level": "dane", "smtp_dns_support_level": "dnssec"} if dane else {}))
    stop_service(world.mta)
    dsn, status, reason = world.send()
    assert (dsn, status) == ("4.3.0", "deferred") and f"MTA-STS policy of {DOMAIN} cannot be found out" in reason
    assert not world.sink.messages


def test_service_is_not_asked_where_dane_protects(world, certificates):
    world.dns.signed = (".example",)
    world.dns.zone[f"_{world.sink.port}._tcp.{MX}"] = {"TLSA": [tlsa_data(certificates["mx"])]}
    world.start(smtp_tls_security_level="dane", smtp_dns_support_level="dnssec")
    stop_service(world.mta)
    assert world.send()[1] == "sent"


def test_mail_waits_for_a_stalled_service(world):
    world.start(smtp_mta_sts_timeout="2s")
    assert world.send()[1] == "sent"
    for pid in world.mta.processes("mtasts"):
        os.kill(pid, signal.SIGSTOP)
    dsn, status, reason = world.send()
    for pid in world.mta.processes("mtasts"):
        os.kill(pid, signal.SIGCONT)
    assert (dsn, status) == ("4.3.0", "deferred") and f"MTA-STS policy of {DOMAIN} cannot be found out" in reason


def test_mail_waits_when_certificates_cannot_be_judged(world):
    world.start(mtasts_tls_CAfile="/nowhere/missing.pem")
    dsn, status, reason = world.send()
    assert (dsn, status) == ("4.3.0", "deferred") and f"MTA-STS policy of {DOMAIN} cannot be found out" in reason
    assert not world.host.requests


def test_reload_while_a_policy_is_fetched(world):
    world.host.delay = 2
    world.start()
    with world.mta.smtp() as client:
        client.ehlo()
        client.transaction("a@x.example", ["u@y.example"], "Subject: x\r\n\r\nhello\r\n")
    wait_until(lambda: world.host.requests, 20, "the policy host is asked")
    world.mta.reload()
    world.sink.wait_for(1)
    world.host.delay = 0
    assert world.send()[1] == "sent"
    assert world.host.requests == [DOMAIN]


def test_two_services_ask(world):
    """mtasts has one process, however many ask."""
    world.start(relayhost="", transport_maps="inline:{" + ", ".join(
        f"{name}.example={name}:{DOMAIN}:{world.sink.port}" for name in ("smtp", "relay")) + "}")
    assert world.send("u@smtp.example")[1] == "sent"
    assert world.send("u@relay.example")[1] == "sent"
    assert len(world.mta.processes("mtasts")) == 1
    assert world.host.requests == [DOMAIN]


# ---- many at once ----

def test_one_fetch_for_all_who_ask(world):
    world.host.delay = 1
    world.start()
    with world.mta.smtp() as client:
        client.ehlo()
        for i in range(20):
            client.transaction("a@x.example", [f"v{i}@y.example"], "Subject: x\r\n\r\nhello\r\n")
    world.sink.wait_for(20)
    assert world.host.requests == [DOMAIN]


def start_with_many(world, count, text, **settings):
    """So many domains that publish the same. Their names."""
    domains = [f"d{i}.example" for i in range(count)]
    for domain in domains:
        world.dns.zone[domain] = {"MX": [f"10 {MX}"]}
        world.dns.zone["_mta-sts." + domain] = {"TXT": ["v=STSv1; id=1"]}
        world.dns.zone["mta-sts." + domain] = {"A": ["127.0.0.1"]}
        world.host.policies[domain] = text
    world.host.context = context_of(make_certificate(
        world.directory, "many", issuer=world.authority,
        extensions=("subjectAltName=" + ",".join(f"DNS:mta-sts.{domain}" for domain in domains), "basicConstraints=CA:FALSE")))
    world.start(relayhost="", transport_maps="inline:{" + ", ".join(f"{d}=smtp:{d}:{world.sink.port}" for d in domains) + "}",
                **settings)
    return domains


def test_fetches_at_once_are_bounded(world):
    """Slow policy hosts of many domains: no more than so many are asked at once, and none is asked twice."""
    world.host.delay = 0.5
    domains = start_with_many(world, 6, policy("enforce", MX), mtasts_fetch_limit="2", mtasts_cache_limit="10")
    with world.mta.smtp() as client:
        client.ehlo()
        for domain in domains:
            client.transaction("a@x.example", [f"u@{domain}"], "Subject: x\r\n\r\nhello\r\n")
    world.sink.wait_for(6)
    assert sorted(world.host.requests) == domains
    assert world.host.most_under_way == 2


def test_policies_for_which_there_is_no_room(world):
    """What was fetched a moment ago and had to make room for others is fetched again: it is not as if there were none."""
    domains = start_with_many(world, 12, policy("enforce", "nowhere.example"), mtasts_fetch_interval="600s", mtasts_cache_limit="10")
    for turn in range(2):
        for domain in domains:
            assert world.send(f"u{turn}@{domain}") == ("4.7.5", "deferred", f"host {MX} is not in the MTA-STS policy of {domain}")
    assert not world.sink.messages
