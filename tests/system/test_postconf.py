"""postconf(1): what it prints, and what it makes of main.cf and master.cf."""
import stat

import pytest

from harness.instance import MTA
from harness.postconf_command import fatal, output, run

pytestmark = pytest.mark.peer

MAIN_CF = """\
# a comment
compatibility_level = 3.6
myhostname=h.test
mydomain = test
mydestination = $myhostname,
   localhost.$mydomain
  # in between
   foo
my_class = permit
smtpd_restriction_classes = my_class
used_name = zz
header_checks = $used_name
relay_domains =
"""

MASTER_CF = """\
# services
smtp      inet  n       -       n       -       -       smtpd
pickup    unix  n       -       n       60      1       pickup
sub inet n - n - - smtpd -o smtpd_timeout=5 -o { mynetworks = a b }
  -o smtpd_banner=$used_name
  -v
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient} and some more words to fold
"""


@pytest.fixture
def etc(tmp_path):
    (tmp_path / "main.cf").write_text(MAIN_CF)
    (tmp_path / "master.cf").write_text(MASTER_CF)
    return tmp_path


def test_prints_what_main_cf_sets(etc):
    assert output(etc, "-n").splitlines() == [
        "compatibility_level = 3.6",
        f"config_directory = {etc}",
        "header_checks = $used_name",
        "my_class = permit",
        "mydestination = $myhostname, localhost.$mydomain foo",
        "mydomain = test",
        "myhostname = h.test",
        "relay_domains =",
        "smtpd_restriction_classes = my_class",
        "used_name = zz",
    ]


def test_prints_named_parameters_in_the_order_asked_for(etc):
    assert output(etc, "myhostname", "mydomain") == "myhostname = h.test\nmydomain = test\n"
    assert output(etc, "-h", "relay_domains", "mydomain") == "\ntest\n"
    assert output(etc, "-H", "mydomain") == "mydomain\n"
    assert output(etc, "-x", "mydestination") == "mydestination = h.test, localhost.test foo\n"
    assert output(etc, "-d", "mydestination") == "mydestination = $myhostname, localhost.$mydomain, localhost\n"
    assert output(etc, "-o", "mydomain=other", "-x", "mydestination", "mydomain") == (
        "mydestination = h.test, localhost.other foo\nmydomain = other\n")
    assert output(etc, "-n", "relay_domains", "myorigin") == "relay_domains =\n"


def test_prints_all_sorted(etc):
    names = output(etc, "-H").split()
    assert names == sorted(names)
    assert {"myhostname", "smtpd_banner", "maildrop_destination_recipient_limit", "maildrop_time_limit",
            "used_name"} <= set(names)
    assert len(names) > 800
    assert set(output(etc, "-dH").split()) == set(names) - {"used_name", "my_class"}
    assert output(etc, "-C", "user", "-n") == "my_class = permit\nused_name = zz\n"
    assert "maildrop_initial_destination_concurrency = $initial_destination_concurrency" in (
        output(etc, "-C", "service"))


def test_folds_long_lines(etc):
    run(etc, "-e", "mynetworks=" + " ".join(f"192.0.2.{n}" for n in range(20)))
    text = output(etc, "-f", "mynetworks")
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.splitlines()[1].startswith("    192.0.2.")
    assert " ".join(text.split()) == output(etc, "mynetworks").strip()


def test_warns_of_names_that_mean_nothing(etc):
    with (etc / "main.cf").open("a") as file:
        file.write("bogus = x\nsmtpd_banner = $nobody\nmydomain = again\n")
    (etc / "master.cf").write_text(MASTER_CF + "odd unix - - n - - smtp -o odd_name=1\n")
    warnings = run(etc, "mydomain", "unheard_of").stderr
    for warning in (f"{etc}/main.cf: unused parameter: bogus=x", f"{etc}/main.cf: undefined parameter: nobody",
                    f"{etc}/main.cf, line 16: overriding earlier entry: mydomain=test",
                    f"{etc}/master.cf: unused parameter: odd_name=1", "unheard_of: unknown parameter"):
        assert f"postconf: warning: {warning}\n" in warnings


def test_refuses_what_makes_no_sense(etc):
    assert fatal(etc, "-n", "-d") == "postconf: fatal: specify one of -d -n"
    assert fatal(etc, "-h", "-H") == "postconf: fatal: specify one of -h -H"
    assert fatal(etc, "-e") == "postconf: fatal: -e requires name=value argument"
    assert fatal(etc, "-e", "bad") == "postconf: fatal: missing '=' after attribute name: \"bad\""
    assert fatal(etc, "-e", "=x") == "postconf: fatal: missing attribute name: \"=x\""
    assert fatal(etc, "-e", "#x=y") == "postconf: fatal: -e, -X, or -# accepts no comment input"
    assert fatal(etc, "-e", "x=a\nb") == "postconf: fatal: -e, -X, or -# accepts no multi-line input"
    assert fatal(etc, "-C", "odd") == 'postconf: fatal: unknown -C option value "odd" in "odd"'
    assert fatal(etc / "none", "mydomain") == f"postconf: fatal: open {etc}/none/main.cf: No such file or directory"
    assert (etc / "main.cf").read_text() == MAIN_CF


def test_changes_main_cf(etc):
    run(etc, "-e", "mydomain = new", "mydestination=x  y", "added=z", "relay_domains=")
    text = MAIN_CF.replace("mydomain = test", "mydomain = new")
    text = text.replace("mydestination = $myhostname,\n   localhost.$mydomain\n", "mydestination = x  y\n")
    text = text.replace("   foo\n", "").replace("relay_domains =\n", "relay_domains = \n")
    assert (etc / "main.cf").read_text() == text + "added = z\n"


def test_comments_out_and_removes(etc):
    run(etc, "-#", "mydestination", "nothing")
    commented = MAIN_CF.replace("mydestination =", "#mydestination =").replace("   localhost", "#   localhost")
    assert (etc / "main.cf").read_text() == commented.replace("   foo", "#   foo")
    run(etc, "-X", "myhostname", "nothing")
    assert "myhostname=" not in (etc / "main.cf").read_text()


def test_says_which_entries_and_requests_are_doubled(etc):
    with (etc / "main.cf").open("a") as file:
        file.write("mydomain = again\n")
    warnings = run(etc, "-e", "mydomain=a", "mydomain=b").stderr
    assert "postconf: warning: ignoring earlier request: 'mydomain = a'\n" in warnings
    assert f'postconf: warning: {etc}/main.cf: multiple entries for "mydomain"\n' in warnings
    assert (etc / "main.cf").read_text().count("mydomain = b\n") == 2


@pytest.mark.skipif(MTA == "postfix", reason="Postfix gives main.cf a new owner and mode")
def test_changed_files_keep_their_mode_and_nothing_is_left_behind(etc):
    (etc / "main.cf").chmod(0o640)
    run(etc, "mydomain=new")
    assert stat.S_IMODE((etc / "main.cf").stat().st_mode) == 0o640
    assert sorted(path.name for path in etc.iterdir()) == ["main.cf", "master.cf"]


def test_prints_services(etc):
    assert output(etc, "-M", "smtp/inet") == "smtp       inet  n       -       n       -       -       smtpd\n"
    assert output(etc, "-M", "sub") == (
        "sub        inet  n       -       n       -       -       smtpd -o smtpd_timeout=5 -o {mynetworks=a b}"
        " -o smtpd_banner=$used_name -v\n")
    assert output(etc, "-Mf", "sub") == (
        "sub        inet  n       -       n       -       -       smtpd\n    -o smtpd_timeout=5\n"
        "    -o {mynetworks=a b}\n    -o smtpd_banner=$used_name\n    -v\n")
    assert output(etc, "-Mf", "maildrop") == (
        "maildrop   unix  -       n       n       -       -       pipe flags=DRXhu\n"
        "    user=vmail argv=/usr/bin/maildrop -d ${recipient} and some more words to\n    fold\n")
    assert run(etc, "-M", "none").stderr == 'postconf: warning: unmatched request: "none"\n'


def test_prints_fields_and_overrides(etc):
    assert output(etc, "-F", "pickup/unix/wakeup") == "pickup/unix/wakeup = 60\n"
    assert output(etc, "-Fh", "*/*/command").splitlines()[:2] == ["smtpd", "pickup"]
    assert output(etc, "-P") == ("sub/inet/mynetworks = a b\nsub/inet/smtpd_banner = $used_name\n"
                                 "sub/inet/smtpd_timeout = 5\n")
    assert output(etc, "-Px", "sub/inet/smtpd_banner") == "sub/inet/smtpd_banner = zz\n"
    assert "invalid service attribute name" in fatal(etc, "-F", "smtp/inet/odd")


def test_changes_services(etc):
    run(etc, "-Me", "smtp/inet=smtp inet n - y - 20 smtpd -o smtpd_timeout=1")
    run(etc, "-Me", "new/unix=new unix - - n - - smtp")
    run(etc, "-Fe", "pickup/unix/wakeup=30?", "pickup/unix/chroot=y")
    run(etc, "-Pe", "sub/inet/smtpd_timeout=9", "sub/inet/myorigin=here")
    run(etc, "-PX", "sub/inet/mynetworks")
    run(etc, "-M#", "maildrop/unix")
    assert (etc / "master.cf").read_text() == (
        "# services\n"
        "smtp       inet  n       -       y       -       20      smtpd\n    -o smtpd_timeout=1\n"
        "pickup     unix  n       -       y       30?     1       pickup\n"
        "sub        inet  n       -       n       -       -       smtpd\n    -o smtpd_timeout=9\n"
        "    -o smtpd_banner=$used_name\n    -v\n    -o myorigin=here\n"
        "#maildrop  unix  -       n       n       -       -       pipe\n"
        "#  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient} and some more words to fold\n"
        "new        unix  -       -       n       -       -       smtp\n")
    run(etc, "-MX", "new/unix")
    assert "new" not in (etc / "master.cf").read_text()
    assert "bad field count" in fatal(etc, "-Me", "smtp/inet=smtp inet n")
    assert 'invalid process_limit field "bad"' in fatal(etc, "-Fe", "smtp/inet/process_limit=bad")


def test_lists_what_there_is(etc):
    assert output(etc, "-l") == "flock\nfcntl\ndotlock\n"
    types = output(etc, "-m").split()
    assert types == sorted(types)
    assert "dovecot" in output(etc, "-a").split()
    assert run(etc, "-A").returncode == 0
    assert {"cidr", "inline", "lmdb", "pcre", "regexp", "static", "texthash"} <= set(types)
