"""postconf(1): which options go together, templates of notifications, TLS facts, JSON, and edits of master.cf."""
import itertools
import json
import os
import stat
import threading

import pytest

from harness.instance import MTA
from harness.postconf_command import fatal, output, run

pytestmark = pytest.mark.peer

MAIN_CF = """\
compatibility_level = 3.6
myhostname = h.test
used_name = zz
header_checks = $used_name
"""

MASTER_CF = """\
# top
s1 inet n - n - - smtpd -v
s2 inet n - n - - smtpd -v -o smtpd_timeout=5 -D
# mid
s3 inet n - n - - smtpd -o smtpd_timeout=5 -o {smtpd_banner = a $used_name} -v
s4 unix - n n - - pipe flags=$used_name user=x argv=/bin/x $used_name -o smtpd_timeout=$used_name ${recipient}
s5 unix - n n - - pipe -v -o header_checks=$used_name -D flags=x user=x argv=/bin/some/long/name/of/a/command a b
# end
"""


@pytest.fixture
def etc(tmp_path):
    (tmp_path / "main.cf").write_text(MAIN_CF)
    (tmp_path / "master.cf").write_text(MASTER_CF)
    return tmp_path


def services(etc):
    return (etc / "master.cf").read_text()


# ---- options ----

EXCLUSIVE = ["aAbFlmMpPT", "aAFlmMpPtT", "deX#", "dn", "do", "hH", "efX#", "ehX#", "eHX#", "enX#", "eoX#", "exX#"]
USELESS = {"aAblmtT": "defhHnoxX#", "F": "dnX#", "M": "dhHn", "P": "dn#"}
ARGUMENTS = {"T": ["run-version"], "C": ["all"], "o": ["stress="]}


def refusals():
    """Pairs of options that make no sense together, and what is said of them."""
    for modes, useless in USELESS.items():
        for mode, other in itertools.product(modes, useless):
            yield mode, other, f"with option -{mode}, do not specify -{other}"
    for letters in EXCLUSIVE:
        for first, second in itertools.combinations(letters, 2):
            yield first, second, f"specify one of -{first} -{second}"
    yield "b", "t", "specify one of -b and -t"


@pytest.mark.parametrize("start", range(12))
def test_options_that_exclude_one_another(etc, start):
    for first, second, message in list(refusals())[start::12]:
        arguments = [f"-{first}", *ARGUMENTS.get(first, []), f"-{second}", *ARGUMENTS.get(second, [])]
        assert fatal(etc, *arguments) == f"postconf: fatal: {message}", arguments


def test_options_end_at_the_first_name(etc):
    done = run(etc, "myhostname", "-h")
    assert (done.stdout, done.stderr) == ("myhostname = h.test\n", "postconf: warning: -h: unknown parameter\n")
    assert fatal(etc, "-e", "used_name=a", "-X") == "postconf: fatal: missing '=' after attribute name: \"-X\""


def test_a_value_makes_an_edit(etc):
    assert fatal(etc, "-d", "used_name=x") == "postconf: fatal: specify one of -d -e"
    assert fatal(etc, "-n", "used_name=x") == "postconf: fatal: specify one of -e -n"
    run(etc, "-p", "used_name=x")
    run(etc, "-C", "all", "header_checks=")
    run(etc, "-M", "s1/inet=s1 inet n - n - - smtpd -d")
    run(etc, "-F", "s1/inet/chroot=y")
    run(etc, "-P", "s1/inet/smtpd_timeout=7")
    assert (etc / "main.cf").read_text().endswith("used_name = x\nheader_checks = \n")
    assert "s1         inet  n       -       y       -       -       smtpd -d\n    -o smtpd_timeout=7\n" in services(etc)


def test_tells_of_the_tls_library(etc):
    for mode in ("compile-version", "run-version"):
        assert output(etc, "-T", mode).startswith("OpenSSL ")
    assert output(etc, "-T", "public-key-algorithms") == "dsa\necdsa\nrsa\n"
    assert "unknown 'postconf -T' mode: bad" in fatal(etc, "-T", "bad")
    assert fatal(etc, "-T", "run-version", "-T", "run-version") == (
        "postconf: fatal: At most one -T <mode> option may be specified")


def test_says_more_when_asked(etc):
    assert run(etc, "-v", "-h", "myhostname").stdout == "h.test\n"


# ---- templates of notifications ----

def write_templates(etc, text):
    (etc / "templates").write_bytes(text.encode("latin-1"))
    return str(etc / "templates")


def test_prints_built_in_templates(etc):
    text = output(etc, "-t")
    assert [line for line in text.splitlines() if "<<" in line or ": " in line] == [
        "failure_template = <<EOF",
        "Charset: us-ascii",
        "From: Mail Delivery System <MAILER-DAEMON>",
        "Subject: Undelivered Mail Returned to Sender",
        "Postmaster-Subject: Postmaster Copy: Undelivered Mail",
        "delay_template = <<EOF",
        "Charset: us-ascii",
        "From: Mail Delivery System <MAILER-DAEMON>",
        "Subject: Delayed Mail (still being retried)",
        "Postmaster-Subject: Postmaster Warning: Delayed Mail",
        "success_template = <<EOF",
        "Charset: us-ascii",
        "From: Mail Delivery System <MAILER-DAEMON>",
        "Subject: Successful Mail Delivery Report",
        "verify_template = <<EOF",
        "Charset: us-ascii",
        "From: Mail Delivery System <MAILER-DAEMON>",
        "Subject: Mail Delivery Status Report"]
    assert text.count("\nEOF\n") == 4
    assert text.count("\n\nThis is the mail system at host $myhostname.\n") == 4
    assert output(etc, "-t", write_templates(etc, text)) == text


def test_previews_templates(etc):
    text = output(etc, "-b")
    for name in ("failure", "delay", "success", "verify"):
        assert f"expanded_{name}_text = <<EOF\nThis is the mail system at host h.test.\n" in text
    assert "will be" in text and "until it is 5 day(s) old." in text
    assert "$" not in text


def test_prints_templates_of_a_file(etc):
    path = write_templates(etc, """\
# c

failure_template = <<EOF
Charset: utf-8
SUBJECT:  S  $myhostname
Subject: twice

body $myhostname ${delay_warning_time_hours} $$5 ${nosuch:no} $maximal_queue_lifetime_days \xe9
 EOF
EOF x
EOF
delay_template = <<END_1

no header
END_1
success_template = one line
""")
    wanted = """\
failure_template = <<EOF
Charset: utf-8
From: Mail Delivery System <MAILER-DAEMON>
Subject: twice
Postmaster-Subject: Postmaster Copy: Undelivered Mail

body $myhostname ${delay_warning_time_hours} $$5 ${nosuch:no} $maximal_queue_lifetime_days \xe9
 EOF
EOF x
EOF

delay_template = <<EOF
Charset: us-ascii
From: Mail Delivery System <MAILER-DAEMON>
Subject: Delayed Mail (still being retried)
Postmaster-Subject: Postmaster Warning: Delayed Mail

no header
EOF

success_template = <<EOF
Charset: us-ascii
From: Mail Delivery System <MAILER-DAEMON>
Subject: Successful Mail Delivery Report

one line
EOF

verify_template = <<EOF
"""
    assert run(etc, "-t", path, encoding="latin-1").stdout.startswith(wanted)
    run(etc, "-e", f"bounce_template_file={path}")
    assert run(etc, "-t", encoding="latin-1").stdout.startswith(wanted)
    assert "\xe9" not in run(etc, "-t", "", encoding="latin-1").stdout
    assert run(etc, "-b", encoding="latin-1").stdout.startswith(
        "expanded_failure_text = <<EOF\nbody h.test 0 $5 no 5 \xe9\n EOF\nEOF x\nEOF\n\n"
        "expanded_delay_text = <<EOF\nno header\nEOF\n\nexpanded_success_text = <<EOF\none line\nEOF\n\n")


@pytest.mark.parametrize("headers, complaint", [
    ("X-Other: x\n\nbody\n", 'unknown "X-Other" header label in failure template'),
    ("Subject:\n\nbody\n", 'empty "Subject" header value in failure template'),
    ("From: \xe9\n\nbody\n", 'non-ASCII "From" header value in failure template'),
    ("Subject: x\n\n", "missing message text in failure template"),
    ("", "missing message text in failure template"),
    ("\nb\xe9\n", "8-bit message text in failure template"),
])
def test_a_damaged_template_is_left_out(etc, headers, complaint):
    path = write_templates(etc, f"failure_template = <<EOF\n{headers}EOF\nverify_template = <<EOF\nfine\nEOF\n")
    done = run(etc, "-t", path)
    assert f"warning: {path}: {complaint}" in done.stderr
    assert "\nSubject: Undelivered Mail Returned to Sender\n" in done.stdout
    assert done.stdout.endswith("\nSubject: Mail Delivery Status Report\n\nfine\nEOF\n")


def test_what_the_postmaster_does_not_get_has_no_subject_for_him(etc):
    path = write_templates(etc, "verify_template = <<EOF\nPostmaster-Subject: x\n\nb\nEOF\n")
    assert 'inapplicable "Postmaster-Subject" header label in verify template' in run(etc, "-t", path).stderr


@pytest.mark.parametrize("text, complaint", [
    ("failure_template = <<EOF\n\nx\nEOF\nbad line\n", "missing '=' after attribute name: \"bad line\""),
    ("failure_template = <<\n", "missing end marker after <<"),
    ('failure_template = <<"EOF"\n\nx\n"EOF"\n', "malformed end marker after <<"),
])
def test_a_file_of_something_else_is_refused(etc, text, complaint):
    path = write_templates(etc, text)
    for option in ("-t", "-b"):
        said = fatal(etc, option, path)
        assert "fatal: " in said and path in said and said.endswith(complaint)


def test_warns_of_a_missing_end_and_of_other_names(etc):
    path = write_templates(etc, "other = x\nfailure_template = <<EOF\n\nx\nmore\n")
    done = run(etc, "-t", path)
    assert "missing \"EOF\" end marker" in done.stderr
    assert "unknown template name: other -- ignoring this template" in done.stderr
    assert "\n\nx\nmore\nEOF\n\ndelay_template" in done.stdout


def test_a_preview_needs_names_that_there_are(etc):
    assert "undefined $" in fatal(etc, "-b", write_templates(etc, "failure_template = a $nosuch_name\n"))
    assert 'unrecognized suffix "secs" in parameter "maximal_queue_lifetime_secs"' in (
        fatal(etc, "-b", write_templates(etc, "failure_template = $maximal_queue_lifetime_secs\n")))
    done = run(etc, "-b", write_templates(
        etc, "failure_template = $maximal_queue_lifetime_weeks $maximal_queue_lifetime_seconds\n"))
    assert done.stdout.startswith("expanded_failure_text = <<EOF\n0 432000\nEOF\n")
    assert 'please reduce time unit "weeks" of "maximal_queue_lifetime_weeks" in failure template' in done.stderr
    assert 'please increase time unit "seconds" of "maximal_queue_lifetime_seconds" in failure template' in done.stderr


def test_templates_that_cannot_be_read(etc):
    assert fatal(etc, "-t", "/none/such").endswith("fatal: open /none/such: No such file or directory")
    assert fatal(etc, "-b", str(etc)).endswith(f"fatal: read {etc}: Is a directory")
    assert fatal(etc, "-t", "a", "b") == "postconf: fatal: options -b and -t require at most one template file"


# ---- master.cf ----

def test_folds_services(etc):
    assert output(etc, "-Mf") == """\
s1         inet  n       -       n       -       -       smtpd -v
s2         inet  n       -       n       -       -       smtpd -v
    -o smtpd_timeout=5
    -D
s3         inet  n       -       n       -       -       smtpd
    -o smtpd_timeout=5
    -o {smtpd_banner=a $used_name}
    -v
s4         unix  -       n       n       -       -       pipe flags=$used_name
    user=x argv=/bin/x $used_name -o smtpd_timeout=$used_name ${recipient}
s5         unix  -       n       n       -       -       pipe -v
    -o header_checks=$used_name
    -D flags=x user=x argv=/bin/some/long/name/of/a/command a b
"""
    assert output(etc, "-Ff", "s3/inet/command") == (
        "s3/inet/command = smtpd\n    -o smtpd_timeout=5\n    -o {smtpd_banner=a $used_name}\n    -v\n")


def test_expands_what_services_set(etc):
    assert output(etc, "-Mx", "s3").endswith("smtpd -o smtpd_timeout=5 -o {smtpd_banner=a zz} -v\n")
    assert output(etc, "-Mx", "s4").endswith(
        "pipe flags=$used_name user=x argv=/bin/x $used_name -o smtpd_timeout=$used_name ${recipient}\n")
    assert output(etc, "-Fx", "s3/inet/command") == (
        "s3/inet/command = smtpd -o smtpd_timeout=5 -o {smtpd_banner=a zz} -v\n")
    assert output(etc, "-Px", "s5/unix") == "s5/unix/header_checks = zz\n"
    run(etc, "-Pe", "s1/inet/used_name=own", "s1/inet/smtpd_banner=$used_name")
    assert output(etc, "-Mx", "s1").endswith("smtpd -v -o used_name=own -o smtpd_banner=own\n")
    assert output(etc, "-Px", "s1/inet/smtpd_banner") == "s1/inet/smtpd_banner = own\n"


def test_shows_names_or_values_of_services_alone(etc):
    assert output(etc, "-FH", "s1/inet").splitlines()[::7] == ["s1/inet/service", "s1/inet/command"]
    assert output(etc, "-Fh", "s1/inet").splitlines() == ["s1", "inet", "n", "-", "n", "-", "-", "smtpd -v"]
    assert output(etc, "-PH", "s3") == "s3/inet/smtpd_banner\ns3/inet/smtpd_timeout\n"
    assert output(etc, "-Ph", "s3") == "a $used_name\n5\n"
    assert output(etc, "-Pf", "s2") == "s2/inet/smtpd_timeout = 5\n"


def test_selects_services(etc):
    assert output(etc, "-FH", "*/inet/chroot") == "s1/inet/chroot\ns2/inet/chroot\ns3/inet/chroot\n"
    assert output(etc, "-P", "*/*/smtpd_timeout") == "s2/inet/smtpd_timeout = 5\ns3/inet/smtpd_timeout = 5\n"
    assert len(output(etc, "-M", "*/unix").splitlines()) == 2
    for mode, shape in (("M", "service_name[/type]"), ("F", "service_name[/type[/field]]"),
                        ("P", "service_name[/type[/parameter]]")):
        assert run(etc, f"-{mode}", "none").stderr == 'postconf: warning: unmatched request: "none"\n'
        assert fatal(etc, f"-{mode}", "a/b/c/d") == f"postconf: fatal: -{mode} option requires {shape}"


def test_changes_many_services_at_once(etc):
    run(etc, "-Fe", "*/inet/chroot=y", "s4/*/wakeup=60?")
    assert output(etc, "-F", "*/inet/chroot") == "s1/inet/chroot = y\ns2/inet/chroot = y\ns3/inet/chroot = y\n"
    assert output(etc, "-F", "*/unix/wakeup") == "s4/unix/wakeup = 60?\ns5/unix/wakeup = -\n"
    run(etc, "-Pe", "*/inet/smtpd_timeout=8", "*/inet/myorigin=x")
    assert output(etc, "-P", "*/inet/smtpd_timeout").count("smtpd_timeout = 8") == 3
    assert output(etc, "-P", "*/inet/myorigin").count("myorigin = x") == 3
    run(etc, "-Fe", "*/inet/command=smtpd -o smtpd_timeout=9 -v")
    assert output(etc, "-Fh", "*/inet/command") == "smtpd -o smtpd_timeout=9 -v\n" * 3
    run(etc, "-PX", "*/*/smtpd_timeout")
    assert "smtpd_timeout=8" not in services(etc)
    run(etc, "-M#", "*/unix")
    assert services(etc).count("\n#s") == 2
    run(etc, "-Me", "*/inet=one inet n - n - - smtpd")
    assert output(etc, "-M") == "one        inet  n       -       n       -       -       smtpd\n"
    run(etc, "-MX", "*/*")
    assert [line for line in services(etc).splitlines() if not line.startswith("#")] == []


def test_the_last_request_counts(etc):
    run(etc, "-Me", "s1/inet=s1 inet n - n - - a", "s1/inet=s1 inet n - n - - c")
    assert services(etc).count("\ns1 ") == 1
    assert output(etc, "-Fh", "s1/inet/command") == "c\n"


@pytest.mark.parametrize("arguments, message", [
    (["-MX", "s1/inet", "s2"], "-Me, -MX or -M# requires service_name/type"),
    (["-Me", "s1/inet=s1 inet n - n - - smtpd -d", "s2/inet=bad"], 'bad field count: "s2/inet=bad"'),
    (["-Me", "s1/inet=s1 odd n - n - - smtpd"], 'invalid type field "odd" in "s1 odd n - n - - smtpd"'),
    (["-Me", "s1/inet=s1 inet q - n - - smtpd"], 'invalid private field "q" in "s1 inet q - n - - smtpd"'),
    (["-Me", "s1/inet=s1 inet n - n x - smtpd"], 'invalid wakeup field "x" in "s1 inet n - n x - smtpd"'),
    (["-Fe", "s1/inet/chroot=y", "s2/inet/chroot=z"], 'invalid chroot field "z" in "z"'),
    (["-Fe", "s1/inet/*=y"], "-Fe does not accept wild-card field name"),
    (["-Fe", "s1/inet/odd=y"], 'invalid service attribute name: "odd"'),
    (["-Fe", "s1/inet=y"], "-Fe or -FX requires service_name/type/field_name"),
    (["-Pe", "s1/inet/a=b", "s2=z"], "-Pe or -PX requires service_name/type/parameter"),
    (["-PX", "s1/inet/*"], "-Pe does not accept wild-card parameter name"),
    (["-X", "bad=x"], None),
    (["-MX"], None),
    (["-Pe", "s1/inet/smtpd_banner=a\nb"], "-Me, -Fe, -Pe, -X, or -# accept no multi-line input"),
    (["-MX", "s1/inet\nx"], "-Me, -Fe, -Pe, -X, or -# accept no multi-line input"),
    (["-Me", "#s1/inet=s1 inet n - n - - smtpd"], "-Me, -Fe, -Pe, -X, or -# accept no comment input"),
])
def test_a_wrong_request_changes_nothing(etc, arguments, message):
    said = fatal(etc, *arguments)
    assert message is None or said == f"postconf: fatal: {message}"
    assert services(etc) == MASTER_CF
    assert MTA == "postfix" or sorted(path.name for path in etc.iterdir()) == ["main.cf", "master.cf"]


def test_what_fits_nothing_is_said_and_left(etc):
    assert run(etc, "-Fe", "none/inet/chroot=y").stderr == (
        'postconf: warning: unmatched service_name/type: "none/inet/chroot=y"\n')
    assert services(etc) == MASTER_CF
    run(etc, "-MX", "none/inet")
    assert services(etc) == MASTER_CF


# ---- ours alone ----

ours = pytest.mark.skipif(MTA == "postfix", reason="newer than Debian's, or better")


@ours
def test_a_file_without_its_last_line_end(etc):
    (etc / "main.cf").write_text(MAIN_CF + "# last")
    run(etc, "added=x")
    assert (etc / "main.cf").read_text() == MAIN_CF + "# last\nadded = x\n"
    (etc / "main.cf").write_text(MAIN_CF + "myorigin = x")
    run(etc, "myorigin=y", "added=z")
    assert (etc / "main.cf").read_text() == MAIN_CF + "myorigin = y\nadded = z\n"
    (etc / "master.cf").write_text(MASTER_CF + "s9 unix - - n - - x")
    run(etc, "-Me", "new/unix=new unix - - n - - y")
    assert services(etc).endswith("s9 unix - - n - - x\nnew        unix  -       -       n       -       -       y\n")


@ours
def test_new_services_are_new_once(etc):
    run(etc, "-Me", "new/unix=new unix - - n - - b", "new/unix=new unix - - n - - d")
    assert services(etc) == MASTER_CF + "new        unix  -       -       n       -       -       d\n"


@ours
def test_says_where_a_file_of_templates_is_wrong(etc):
    path = write_templates(etc, "failure_template = <<EOF\n\nx\nEOF\nbad line\n")
    assert f"{path}, line 5: missing" in fatal(etc, "-t", path)
    path = write_templates(etc, "failure_template = <<EOF\n\nx\nmore\n")
    assert f'{path}, line 4: missing "EOF" end marker' in run(etc, "-t", path).stderr


@ours
def test_comments_stay_where_they_are(etc):
    run(etc, "-Fe", "s3/inet/chroot=y")
    assert "    -D\n" not in services(etc)
    assert "smtpd_timeout=5 -D\n# mid\ns3         inet" in services(etc)
    assert services(etc).endswith(" a b\n# end\n")


@ours
def test_mends_a_file_that_cannot_be_read(etc):
    with (etc / "master.cf").open("a") as file:
        file.write("odd bogus n - n - - x\n")
    assert "bad type" in fatal(etc, "-Fe", "s1/inet/chroot=y")
    run(etc, "-MX", "odd/bogus")
    assert services(etc) == MASTER_CF


@ours
@pytest.mark.root
def test_edited_files_keep_owner_and_mode(etc):
    for name, arguments in (("main.cf", ["added=x"]), ("master.cf", ["-MX", "s1/inet"])):
        os.chown(etc / name, 65534, 65533)
        (etc / name).chmod(0o640)
        run(etc, *arguments)
        status = (etc / name).stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (65534, 65533, 0o640)


@ours
def test_a_link_stays_a_link(etc, tmp_path_factory):
    real = tmp_path_factory.mktemp("real") / "main.cf"
    real.write_text(MAIN_CF)
    (etc / "main.cf").unlink()
    (etc / "main.cf").symlink_to(real)
    run(etc, "added=x")
    assert (etc / "main.cf").is_symlink()
    assert real.read_text() == MAIN_CF + "added = x\n"


@ours
def test_edits_at_the_same_time_are_all_there_and_readers_see_whole_files(etc):
    stop, broken = threading.Event(), []

    def read():
        while not stop.is_set():
            if not (etc / "main.cf").read_text().startswith(MAIN_CF):
                broken.append((etc / "main.cf").read_text())

    def edit(writer):
        for number in range(5):
            run(etc, f"name_{writer}_{number}=x")

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=edit, args=(writer,)) for writer in range(6)]
    for thread in [reader, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert not broken
    added = (etc / "main.cf").read_text().removeprefix(MAIN_CF).splitlines()
    assert sorted(added) == [f"name_{writer}_{number} = x" for writer in range(6) for number in range(5)]


@ours
def test_prints_json(etc):
    run(etc, "-e", 'smtpd_banner=a "b" \\c', "relay_domains=")
    lines = [json.loads(line) for line in output(etc, "-j", "smtpd_banner", "header_checks", "relay_domains").splitlines()]
    assert lines == [{"smtpd_banner": 'a "b" \\c'}, {"header_checks": "$used_name"}, {"relay_domains": ""}]
    assert output(etc, "-jx", "header_checks") == '{"header_checks": "zz"}\n'
    assert len(output(etc, "-jd").splitlines()) > 800
    assert json.loads(output(etc, "-jM", "s3")) == {
        "service": "s3", "type": "inet", "private": "n", "unprivileged": "-", "chroot": "n", "wakeup": "-",
        "process_limit": "-", "command": "smtpd -o smtpd_timeout=5 -o {smtpd_banner=a $used_name} -v"}
    assert output(etc, "-jF", "s1/inet/chroot") == '{"s1/inet/chroot": "n"}\n'
    assert output(etc, "-jPx", "s5") == '{"s5/unix/header_checks": "zz"}\n'
    assert fatal(etc, "-j", "-h") == "postconf: fatal: specify one of -h -j"
    assert fatal(etc, "-j", "-m") == "postconf: fatal: with option -m, do not specify -j"


@ours
def test_warns_of_what_will_be_removed(etc):
    run(etc, "-e", "smtpd_use_tls=yes")
    run(etc, "-Pe", "s1/inet/smtpd_tls_eecdh_grade=auto")
    warnings = [
        f'postconf: warning: {etc}/main.cf: support for parameter "smtpd_use_tls" will be removed; '
        'instead, specify "smtpd_tls_security_level"',
        f'postconf: warning: {etc}/master.cf: support for parameter "smtpd_tls_eecdh_grade" will be removed; '
        "instead, do not specify (leave at default)"]
    assert run(etc, "myhostname").stderr.splitlines() == warnings
    assert run(etc, "-M").stderr.splitlines() == warnings
    assert run(etc, "-q", "myhostname").stderr == ""
    assert run(etc, "-d", "myhostname").stderr == ""
