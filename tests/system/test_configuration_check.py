"""Mistakes in main.cf and master.cf: postfix check names file and line, postfix reload refuses what could not work and
the running configuration stays, postfix start starts with whatever works."""
import os
import signal

import pytest

from harness.instance import USUAL_SERVICES
from harness.waiting import wait_until


@pytest.fixture
def mta(make_instance):
    return make_instance()


def line_of(mta, name):
    return next(number for number, line in enumerate((mta.etc / "main.cf").read_text().splitlines(), 1)
                if line.startswith(f"{name} "))


def complaints(mta, command="check", status=1):
    done = mta.postfix(command)
    assert done.returncode == status, done.stderr
    return [line.removeprefix("postfix/postfix-script: ") for line in done.stderr.splitlines()]


def check_main(mta, name, value):
    """What is said of one setting, without where it stands."""
    mta.set_main(**{name: value})
    said = complaints(mta)
    place = f"{mta.etc}/main.cf: line {line_of(mta, name)}: "
    assert all(place in line or " map " in line for line in said), said
    return [line.replace(place, "") for line in said]


def test_says_nothing_of_what_works(mta):
    (mta.etc / "networks").write_text("# ours\n192.0.2.1\n198.51.100.0/24\n")
    mta.set_main(
        smtpd_restriction_classes="strict, loose", strict="reject_unauth_destination, reject", loose="permit",
        smtpd_recipient_restrictions="Permit_Mynetworks, check_client_access inline:{{1.2.3.4=strict}}, "
                                     "inline:{a@b=REJECT}, sleep 1, warn_if_reject reject_non_fqdn_sender, strict",
        mynetworks=f"127.0.0.0/8 [::1]/128 2001:db8::/32, !10.0.0.1, {mta.etc}/networks, cidr:{{{{0.0.0.0/0 x}}}}",
        mydestination="$myhostname, .example.com, pcre:{{/x/ y}}, static:all", defer_transports="smtp, hold-[1]",
        transport_maps="inline:{a=smtp:[b]}, static:{ smtp:[c]:25 } unionmap:{static:d,static:e}",
        header_checks="regexp:{{/^a/ WARN}}", default_transport="smtp:[127.0.0.1]:25", content_filter="",
        virtual_alias_domains="$virtual_alias_maps", virtual_alias_maps="inline:{a@b=c@d}")
    mta.set_master(USUAL_SERVICES + "sub inet n - n - - smtpd -o { mynetworks = 192.0.2.1 } -o smtpd_timeout=5\n"
                   .replace("sub", "127.0.0.1:2"))
    assert complaints(mta, status=0) == []


@pytest.mark.parametrize("name, value, wanted", [
    ("smtpd_client_restrictions", "permit_mynetwork", ['unknown restriction "permit_mynetwork"']),
    ("smtpd_helo_restrictions", "permit, check_helo_access",
     ['restriction check_helo_access needs an argument: "check_helo_access type:table"']),
    ("smtpd_sender_restrictions", "check_nothing_at_all odd:x, reject_other zen.example.org, permit, sleep",
     ['unknown restriction "check_nothing_at_all"', 'unknown restriction "reject_other"',
      'restriction sleep needs an argument: "sleep value"']),
    ("smtpd_data_restrictions", "hush:/x check_sender_access hush:y",
     ["unsupported dictionary type: hush", "unsupported dictionary type: hush"]),
    ("transport_maps", "/etc/transport", ['open dictionary: expecting "type:name" form instead of "/etc/transport"']),
    ("transport_maps", "hush:/x, proxy:hush:/x", ["unsupported dictionary type: hush"] * 2),
    ("transport_maps", "lmdb:/none/x", ["open database /none/x.lmdb: No such file or directory"]),
    ("virtual_alias_maps", "texthash:/none/x", ["open database /none/x: No such file or directory"]),
    ("header_checks", "regexp:/none/x", ["open /none/x: No such file or directory"]),
    ("canonical_maps", "inline:{a}", ["missing '=' after attribute name: \"inline:{a}\"; need \"inline:{name=value...}\""]),
    ("mynetworks", "127.0.0.1/8, 10.0.0.0/40 1.2.3, /none/x hush:x", [
        "unsupported dictionary type: hush",
        'non-null host address bits in "127.0.0.1/8", perhaps you should use "127.0.0.0/8" instead',
        'bad mask length in "10.0.0.0/40"', 'bad network value in "1.2.3"',
        "open file /none/x: No such file or directory"]),
    ("relay_domains", "a.example, !", ["no pattern after '!' in \"a.example ! \""]),
    ("relay_domains", "!lmdb:/none/x", ["open database /none/x.lmdb: No such file or directory"]),
    ("smtpd_relay_restrictions", "permit_mynetworks, permit", [
        "here or in smtpd_recipient_restrictions, specify at least one working instance of: reject_unauth_destination, "
        "defer_unauth_destination, reject, defer or defer_if_permit"]),
])
def test_mistakes_in_what_values_refer_to(mta, name, value, wanted):
    assert check_main(mta, name, value) == [f"error: {name}: {complaint}" for complaint in wanted]


def test_mistakes_in_types(mta):
    assert check_main(mta, "smtpd_timeout", "5x") == [
        "error: bad time value: smtpd_timeout = 5x; an integer is wanted, with s, m, h, d or w behind it"]


def test_mistakes_in_classes_are_where_the_class_is(mta):
    mta.set_main(smtpd_restriction_classes="first, second, loop, gone", first="second", second="permit oops",
                 loop="loop", smtpd_client_restrictions="first, gone", smtpd_helo_restrictions="loop")
    place = f"error: {mta.etc}/main.cf: line"
    assert complaints(mta) == [
        f'{place} {line_of(mta, "second")}: second: unknown restriction "oops"',
        f"{place} {line_of(mta, 'smtpd_client_restrictions')}: smtpd_client_restrictions: "
        "restriction class gone is not defined",
        f"{place} {line_of(mta, 'loop')}: loop: restriction class loop contains itself"]


def test_a_class_may_guard_the_relay(mta):
    mta.set_main(smtpd_restriction_classes="guard", guard="permit_mynetworks, reject_unauth_destination",
                 smtpd_relay_restrictions="", smtpd_recipient_restrictions="guard")
    assert complaints(mta, status=0) == []


def test_what_services_set_themselves(mta):
    (mta.etc / "master.cf").write_text((mta.etc / "master.cf").read_text().lstrip("\n") + """\
127.0.0.1:2 inet n - n - - smtpd
  -o smtpd_timeout=7y
  -o { smtpd_client_restrictions = oops, permit }
  -o odd_name=x
  -o mynetworks=1.2.3.4/99
127.0.0.1:3 inet n - n - - smtpd -o smtpd_relay_restrictions=permit
127.0.0.1:4 inet n - n - - smtpd -o smtpd_recipient_restrictions=reject -o smtpd_relay_restrictions=
""")
    lines = (mta.etc / "master.cf").read_text().splitlines()
    first = lines.index("127.0.0.1:2 inet n - n - - smtpd") + 1
    place = f"{mta.etc}/master.cf: line"
    said = complaints(mta)
    assert said[:4] == [
        f"error: {place} {first}: service 127.0.0.1:2: smtpd_timeout: bad time value: smtpd_timeout = 7y; "
        "an integer is wanted, with s, m, h, d or w behind it",
        f'error: {place} {first}: service 127.0.0.1:2: smtpd_client_restrictions: unknown restriction "oops"',
        f"warning: {place} {first}: service 127.0.0.1:2: odd_name: unused parameter",
        f'error: {place} {first}: service 127.0.0.1:2: mynetworks: bad mask length in "1.2.3.4/99"']
    assert len(said) == 5
    assert said[4].startswith(f"error: {place} {first + 5}: service 127.0.0.1:3: smtpd_relay_restrictions: here or in")


def test_a_table_that_was_not_made_is_a_warning(mta):
    for name in ("transport", "aliases"):
        (mta.etc / name).write_text("a: b\n")
    mta.set_main(transport_maps=f"proxy:hash:{mta.etc}/transport", alias_maps=f"hash:{mta.etc}/aliases")
    said = complaints(mta, status=0)
    assert said == [
        f"warning: {mta.etc}/main.cf: line {line_of(mta, 'alias_maps')}: alias_maps: open database {mta.etc}/aliases.lmdb: "
        f'No such file or directory; make it with "postalias hash:{mta.etc}/aliases"',
        f"warning: {mta.etc}/main.cf: line {line_of(mta, 'transport_maps')}: transport_maps: open database "
        f'{mta.etc}/transport.lmdb: No such file or directory; make it with "postmap hash:{mta.etc}/transport"']
    mta.run("postmap", f"hash:{mta.etc}/transport", check=True)
    mta.run("postalias", f"hash:{mta.etc}/aliases", check=True)
    assert complaints(mta, status=0) == []


@pytest.mark.parametrize("parameter, service, otherwise", [
    ("smtp_mta_sts", "mtasts", "mail for domains waits"),
    ("smtp_tlsrpt_enable", "tlsrpt", "nothing is counted, nor reported")])
def test_a_service_that_is_not_there_is_a_warning(mta, parameter, service, otherwise):
    others = "\n".join(line for line in USUAL_SERVICES.splitlines() if service not in line) + "\n"
    mta.set_main(**{parameter: "yes"})
    mta.set_master(others + f"{service} unix - - n - 1 {service}\n")
    assert complaints(mta, status=0) == []
    mta.set_master(others)
    assert complaints(mta, status=0) == [f'warning: {mta.etc}/main.cf: line {line_of(mta, parameter)}: {parameter} = yes: '
                                         f'{mta.etc}/master.cf has no service "{service}": {otherwise}']


def test_rules_with_mistakes_are_named(mta):
    (mta.etc / "checks").write_text("/a/ WARN\n/b( WARN\n")
    mta.set_main(header_checks=f"regexp:{mta.etc}/checks")
    said = complaints(mta, status=0)
    assert len(said) == 1 and f"{mta.etc}/checks, line 2: no closing regexp delimiter" in said[0]


def test_everything_is_said_at_once(mta):
    mta.set_main(smtpd_timeout="5x", smtpd_client_restrictions="oops", transport_maps="hush:x", bogus="1")
    mta.set_master(USUAL_SERVICES + "bad line\nx odd n - n - - smtpd\n")
    said = complaints(mta)
    assert len(said) == 6, said


# ---- reload and start ----

def greets_as(mta):
    with mta.smtp() as client:
        return client.greeting.text


@pytest.mark.parametrize("settings", [
    {"smtpd_client_restrictions": "oops"},
    {"transport_maps": "hush:x"},
    {"mynetworks": "127.0.0.1/8"},
    {"smtpd_timeout": "5x"},
    {"smtpd_relay_restrictions": "permit"},
    {"mail_owner": "no-such-user"},
])
def test_reload_refuses_what_could_not_work(mta, settings):
    mta.expected_errors.append("the running configuration stays")
    mta.set_main(smtpd_banner="$myhostname ESMTP first")
    mta.start()
    master = mta.pid
    assert greets_as(mta).endswith("ESMTP first")
    good = dict(mta.main)
    mta.set_main(smtpd_banner="$myhostname ESMTP second", **settings)
    done = mta.postfix("reload")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "postfix/postfix-script: fatal: the running configuration stays"
    assert any("error: " in line and "main.cf: line" in line for line in done.stderr.splitlines())
    assert mta.pid == master and "reload -- version" not in mta.log()
    mta.main = good
    mta.set_main(smtpd_banner="$myhostname ESMTP third")
    mta.reload()
    wait_until(lambda: greets_as(mta).endswith("ESMTP third"), 5, "the new banner")


def test_reload_refuses_a_master_cf_that_could_not_work(mta):
    mta.expected_errors += ["the running configuration stays", "qmgr.*master.cf: line"]  # qmgr may start just now
    mta.start()
    mta.set_master(USUAL_SERVICES + "bad line\n")
    assert f"{mta.etc}/master.cf: line {len(USUAL_SERVICES.splitlines())}: " in complaints(mta, "reload")[0]
    assert greets_as(mta)


def test_master_itself_refuses_too(mta):
    """Whoever sends it SIGHUP does not go by postfix check."""
    mta.expected_errors.append("qmgr.*(master|main).cf")  # it may start just now
    mta.start()
    mta.set_master(USUAL_SERVICES + "bad line\n")
    os.kill(mta.pid, signal.SIGHUP)
    mta.wait_log(r"master\[\d+\]: error: reload refused, the configuration of before stays in force: .*/master\.cf: line \d+")
    assert greets_as(mta)
    mta.set_master(USUAL_SERVICES)
    (mta.etc / "main.cf").write_text("broken\n")
    os.kill(mta.pid, signal.SIGHUP)
    wait_until(lambda: mta.log().count("reload refused") == 2, what="the second refusal")
    mta.set_main()
    assert greets_as(mta)
    mta.reload()
    assert greets_as(mta)


def test_starts_with_what_works(mta):
    """A restriction that is not there yet is answered with 451 when its turn comes; the rest of the system works."""
    mta.set_main(smtpd_sender_restrictions="check_policy_of_the_future unix:private/x")
    done = mta.postfix("start")
    assert done.returncode == 0
    place = f"{mta.etc}/main.cf: line {line_of(mta, 'smtpd_sender_restrictions')}: smtpd_sender_restrictions"
    assert done.stderr.splitlines()[0] == (
        f'postfix/postfix-script: warning: {place}: unknown restriction "check_policy_of_the_future"')
    with mta.smtp() as client:
        client.ehlo()
        client.command("MAIL FROM:<a@x.example>", 250)
        assert client.command("RCPT TO:<b@y.example>", 451).text.startswith("4.3.5")


def test_a_class_without_a_definition_does_not_crash_smtpd(mta):
    mta.expected_errors.append("restriction class gone is not defined")
    mta.set_main(smtpd_restriction_classes="gone", smtpd_client_restrictions="gone")
    assert mta.postfix("start").returncode == 0
    wait_until(lambda: "smtpd_client_restrictions: restriction class gone is not defined" in mta.log() or
               not _connects(mta), 10, "a complaint")
    assert "restriction class gone is not defined" in mta.log()


def _connects(mta):
    try:
        return bool(greets_as(mta))
    except OSError:
        return False
