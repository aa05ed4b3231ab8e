"""postmap(1): indexed files made, changed and queried, and every table type that needs no server."""
import os
import stat
import subprocess

import pytest

from harness.instance import MTA
from harness.reach import open_up
from harness.table_command import TableCommand, lay_out

pytestmark = pytest.mark.peer

SOURCE = """\
# comment
Foo bar baz
"key space" v1
foo second
novalue
 
x: y
"unclosed  z
long one
  two
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "table").write_text(SOURCE)
    return lay_out(tmp_path)


def run(folder, *arguments, **options):
    return TableCommand("postmap", folder).run(*arguments, **options)


def query(folder, key, table, *options):
    return TableCommand("postmap", folder).query(key, table, *options)


def missing(folder, key, table, *options):
    return TableCommand("postmap", folder).missing(key, table, *options)


def test_makes_a_table(folder):
    assert run(folder, "lmdb:table").stderr.splitlines() == [
        'postmap: warning: lmdb:table: duplicate entry: "foo"',
        "postmap: warning: table, line 5: expected format: key whitespace value",
        'postmap: warning: table, line 7: record is in "key: value" format; is this an alias file?',
        "postmap: warning: table, line 8: unbalanced '\"' in '\"unclosed  z' -- ignoring this line",
    ]
    assert query(folder, "FOO", "lmdb:table") == "bar baz\n"
    assert query(folder, "foo", "table") == "bar baz\n"
    assert query(folder, "long", "lmdb:table") == "one  two\n"
    assert query(folder, '"key space"', "lmdb:table") == "v1\n"
    assert missing(folder, "FOO", "lmdb:table", "-f")
    assert missing(folder, "nothing", "lmdb:table")
    assert run(folder, "-s", "lmdb:table").stdout == '"key space"\tv1\nfoo\tbar baz\nlong\tone  two\nx:\ty\n'


def test_queries_keys_from_stdin(folder):
    run(folder, "lmdb:table")
    assert run(folder, "-q", "-", "lmdb:table", stdin="Foo\nnope\nx:\n").stdout == "Foo\tbar baz\nx:\ty\n"
    assert run(folder, "-q", "-", "lmdb:table", stdin="nope\n", status=1).stdout == ""
    assert run(folder, "-q", "foo", "inline:{z=1}", "lmdb:table").stdout == "bar baz\n"


def test_adds_and_deletes(folder):
    run(folder, "lmdb:table")
    done = run(folder, "-i", "lmdb:table", stdin="foo new\nadded 1\n")
    assert done.stderr == 'postmap: warning: lmdb:table: duplicate entry: "foo"\n'
    assert query(folder, "foo", "lmdb:table") == "bar baz\n"
    assert query(folder, "added", "lmdb:table") == "1\n"
    assert run(folder, "-i", "-w", "lmdb:table", stdin="foo new\n").stderr == ""
    assert query(folder, "foo", "lmdb:table") == "bar baz\n"
    assert run(folder, "-i", "-r", "lmdb:table", stdin="foo new\n").stderr == ""
    assert query(folder, "foo", "lmdb:table") == "new\n"
    run(folder, "-d", "foo", "lmdb:table")
    run(folder, "-d", "foo", "lmdb:table", status=1)
    assert missing(folder, "foo", "lmdb:table")
    run(folder, "-f", "-d", "ADDED", "lmdb:table", status=1)
    run(folder, "-d", "-", "lmdb:table", stdin="added\nnone\n")
    assert missing(folder, "added", "lmdb:table")


def test_stores_with_and_without_nuls(folder):
    (folder / "short").write_text("key value\n")
    for option, other, stored in (("-N", "-n", b"key\0value\0"), ("-n", "-N", b"keyvalue")):
        (folder / "short.lmdb").unlink(missing_ok=True)
        run(folder, option, "lmdb:short")
        assert stored in (folder / "short.lmdb").read_bytes()
        assert query(folder, "key", "lmdb:short", option) == query(folder, "key", "lmdb:short") == "value\n"
        assert missing(folder, "key", "lmdb:short", other)
        run(folder, other, "-d", "key", "lmdb:short", status=1)
        run(folder, option, "-d", "key", "lmdb:short")


def test_options_end_at_the_first_table(folder):
    done = run(folder, "lmdb:table", "-q", "foo", status=1)
    assert done.stderr.splitlines()[-1] == "postmap: fatal: open -q: No such file or directory"


def test_skips_a_first_line_that_continues_nothing(folder):
    (folder / "table").write_text("  \n  # x\n  lead v\nk v\n")
    for arguments in (["lmdb:table"], ["-q", "k", "texthash:table"]):
        said = run(folder, *arguments).stderr
        assert said.startswith("postmap: warning: table") and "must not start with whitespace: \"  lead v\"" in said
    assert run(folder, "-s", "lmdb:table").stdout == "k\tv\n"


@pytest.mark.root
def test_works_as_the_source_s_owner(folder):
    open_up(folder)
    os.chown(folder / "table", 65534, 65534)
    assert "ermission denied" in run(folder, "lmdb:table", status=1).stderr
    run(folder, "-o", "lmdb:table")
    assert (folder / "table.lmdb").stat().st_uid == 0


@pytest.fixture
def files(folder):
    for name, content in (("one", "first\nsecond"), ("two", "third\n"), ("none", "")):
        (folder / name).write_text(content)
    (folder / "files").write_text("a one\nb one, two  one\nc missing\nd none\n")
    return folder


def test_stores_what_files_hold(files):
    assert run(files, "-F", "lmdb:files").stderr == (
        "postmap: warning: files, line 3: open missing: No such file or directory: skipping this entry\n")
    assert query(files, "a", "lmdb:files") == "Zmlyc3QKc2Vjb25k\n"
    assert query(files, "A", "lmdb:files", "-F") == "first\nsecond\n"
    assert query(files, "b", "lmdb:files", "-F") == "first\nsecond\nthird\n\nfirst\nsecond\n"
    assert missing(files, "c", "lmdb:files")
    assert "empty string result is not allowed" in run(files, "-F", "-q", "d", "lmdb:files").stderr
    assert run(files, "-F", "-q", "-", "lmdb:files", stdin="x\na\n").stdout == "a\tfirst\nsecond\n"
    assert run(files, "-F", "-s", "lmdb:files").stdout.startswith("a\tfirst\nsecond\nb\tfirst\n")
    run(files, "-F", "-i", "lmdb:files", stdin="new two\n")
    assert query(files, "new", "lmdb:files") == "dGhpcmQK\n"
    run(files, "-F", "-d", "new", "lmdb:files")


def test_complains_of_values_that_are_no_files(files):
    (files / "plain").write_text("a one\n")
    run(files, "lmdb:plain")
    done = run(files, "-F", "-q", "a", "lmdb:plain", status=1)
    assert done.stderr.splitlines() == ["postmap: warning: table lmdb:plain: key a: malformed BASE64 value: one",
                                        "postmap: fatal: table lmdb:plain: query error"]
    done = run(files, "-F", "-s", "lmdb:plain")
    assert done.stdout == ""
    assert done.stderr == "postmap: warning: table lmdb:plain: key a: malformed BASE64 value: one\n"


@pytest.mark.parametrize("table, key, complaint", [
    ("inline:{x=one}", "x", None),
    ("inline:{ {x = one two} }", "x", None),
    ("inline:{x=missing}", "x", 'fatal: open missing: No such file or directory: "inline:{x=missing}"; '
                                'need "inline:{name=filename...}"'),
    ("static:one", "x", None),
    ("static:{one, two}", "x", None),
    ("static:missing", "x", "fatal: open missing: No such file or directory"),
    ("texthash:files", "a", "warning: files, line 3: open missing: No such file or directory: skipping this entry"),
    ("cidr:{{0.0.0.0/0 one}}", "1.2.3.4", None),
    ("cidr:{{1.2.3.4 missing}, {0.0.0.0/0 one}}", "1.2.3.4",
     "line 1: open missing: No such file or directory: skipping this rule"),
    ("regexp:{{/x/ one}}", "x", None),
    ("regexp:{{if /x/}, {/./ one}, {endif}}", "x", None),
    ("pcre:{{/x/ one}}", "x", None),
    ("pcre:{{/(x)/ $1}, {/x/ one}}", "x", "line 1: open $1: No such file or directory: skipping this rule"),
    ("randmap:{one}", "x", None),
    ("randmap:{missing}", "x", "fatal: open missing: No such file or directory"),
    ("unionmap:{inline:{x=one}}", "x", None),
    ("unionmap:{inline:{x=one},inline:{x=two}}", "x", "malformed BASE64 value: Zmlyc3QKc2Vjb25k,dGhpcmQK"),
    ("pipemap:{inline:{x=one}}", "x", None),
    ("unix:passwd.byname", "root", "malformed BASE64 value: root:x:0:0:"),
])
def test_other_types_read_files_when_they_are_opened(files, table, key, complaint):
    failed = complaint is not None and "skipping" not in complaint
    done = run(files, "-F", "-q", key, table, status=1 if failed else 0)
    if complaint is None:
        assert done.stderr == ""
    else:
        assert complaint in done.stderr
    if not failed:
        wanted = "first\nsecond\nthird\n\n" if "two" in table else "first\nsecond\n"
        assert done.stdout == wanted


@pytest.mark.skipif(MTA == "postfix", reason="newer than Debian's")
def test_prints_json(folder):
    (folder / "odd").write_bytes(b'"a\\"b" x\ty\\z\nutf\xc3\xa9 \xc3\xa9\n')
    run(folder, "lmdb:odd")
    assert run(folder, "-j", "-s", "lmdb:odd").stdout == '{"\\"a\\\\\\"b\\"": "x\\ty\\\\z"}\n{"utf\u00e9": "\u00e9"}\n'
    assert run(folder, "-j", "-q", "K", "inline:{k=v}").stdout == '{"K": "v"}\n'
    assert run(folder, "-j", "-q", "-", "inline:{k=v}", stdin="k\nx\n").stdout == '{"k": "v"}\n'


def test_keys_of_a_message_need_be_utf8_only_when_told(folder):
    message = b"Subject: \xe9\n\nbo\xe9dy\n"
    done = run(folder, "-hb", "-q", "-", "regexp:{{/./ x}}", stdin=message, text=False)
    assert done.stdout == b"Subject: \xe9\tx\nbo\xe9dy\tx\n"
    done = run(folder, "-hbU", "-q", "-", "regexp:{{/./ x}}", stdin=message, text=False, status=1)
    assert done.stdout == b"" and done.stderr.count(b"malformed UTF-8") == 2


def test_takes_the_configuration_from_the_environment(folder):
    run(folder, "lmdb:table")
    command = TableCommand("postmap", folder)
    done = subprocess.run([command.path, "-q", "foo", "table"], cwd=folder, capture_output=True, text=True,
                          env=os.environ | {"MAIL_CONFIG": str(folder)})
    assert done.stdout == "bar baz\n"


def test_gives_the_source_s_mode(folder):
    (folder / "table").chmod(0o640)
    run(folder, "lmdb:table")
    assert stat.S_IMODE((folder / "table.lmdb").stat().st_mode) == 0o640
    (folder / "table.lmdb").unlink()
    run(folder, "-p", "lmdb:table")
    assert stat.S_IMODE((folder / "table.lmdb").stat().st_mode) == 0o644


def test_fails_clearly(folder):
    def fatal(*arguments):
        return TableCommand("postmap", folder).fatal(*arguments)

    assert fatal("none") == "postmap: fatal: open none: No such file or directory"
    assert fatal("-q", "x", "lmdb:none") == "postmap: fatal: open database none.lmdb: No such file or directory"
    assert fatal("-q", "x", "cidr:none") == "postmap: fatal: open none: No such file or directory"
    assert fatal("-q", "x", "fail:x").startswith("postmap: fatal: table fail:x: query error")
    assert "does not support bulk-mode creation" in fatal("texthash:table")
    assert fatal("-d", "x", "texthash:table").endswith("postmap: fatal: texthash:table map requires O_RDONLY access mode")
    assert fatal("-d", "x", "cidr:table").endswith("postmap: fatal: cidr:table map requires O_RDONLY access mode")
    assert "does not support bulk-mode creation" in fatal("-i", "texthash:table")
    assert fatal("-x") == fatal()
    assert fatal("-q") == fatal()
    assert fatal("-s", "static:x") == "postmap: fatal: table static:x: sequence operation is not supported"
    assert fatal("-q", "x", "-s", "static:x") == "postmap: fatal: specify only one of -s or -q or -d"
    assert fatal("-h", "lmdb:table") == 'postmap: fatal: specify -b -h or -m only with "-q -"'
    assert fatal().startswith("postmap: fatal: usage: postmap [-bfFhi")
    assert fatal("-c", "none", "x").endswith("open none/main.cf: No such file or directory")


def test_refuses_what_is_not_utf8(folder):
    (folder / "odd").write_bytes(b"k\xe9y v\ngood v\n")
    assert run(folder, "lmdb:odd").stderr == 'postmap: warning: odd, line 1: non-UTF-8 input "k?y v" -- ignoring this line\n'
    assert query(folder, "good", "lmdb:odd") == "v\n"
    assert run(folder, "-u", "lmdb:odd").stderr == ""
    assert run(folder, "-u", "-q", b"k\xe9y", "lmdb:odd").stdout == "v\n"
    assert "malformed UTF-8" in run(folder, "-q", b"k\xe9y", "lmdb:odd", status=1).stderr


@pytest.mark.parametrize("table, key, answer", [
    ("inline:{a=b, {c = d e}}", "C", "d e"),
    ("static:{ some text }", "anything", "some text"),
    ("texthash:table", "FOO", "bar baz"),
    ("cidr:{{192.168.0.0/16 inside}, {!10.0.0.0/8 outside}}", "192.168.1.1", "inside"),
    ("cidr:{{192.168.0.0/16 inside}, {!10.0.0.0/8 outside}}", "1.2.3.4", "outside"),
    ("cidr:{{2001:db8::/32 six}}", "2001:DB8::1", "six"),
    ("regexp:{{/^(.*)@(.*)$/ $2 at ${1}}}", "user@host", "host at user"),
    ("regexp:{{if /a/}, {/b/ both}, {endif}, {/b/ b}}", "b", "b"),
    ("pcre:{{/^(?!owner-)(.*)-out@/ $1}}", "List-out@x", "List"),
    ("pcre:{{!/x/ none}}", "abc", "none"),
    ("pipemap:{inline:{a=b}, inline:{b=c}}", "a", "c"),
    ("unionmap:{static:one, inline:{a=b}}", "a", "one,b"),
    ("unix:passwd.byname", "root", None),
])
def test_queries_every_type(folder, table, key, answer):
    got = query(folder, key, table)
    assert got == f"{answer}\n" if answer is not None else got.startswith("root:x:0:0:")


@pytest.mark.parametrize("table, warning", [
    ("cidr:{{10.0.0.1/8 x}}", 'line 1: non-null host address bits in "10.0.0.1/8", perhaps you should use '
                              '"10.0.0.0/8" instead: skipping this rule'),
    ("cidr:{{bogus x}}", 'line 1: bad address pattern: "bogus": skipping this rule'),
    ("regexp:{{/a/ $1}}", 'line 1: out of range replacement index "1": skipping this rule'),
    ("pcre:{{/(/ x}}", "line 1: error in regex at offset 1: missing closing parenthesis"),
    ("pcre:{{if /x/}}", "line 1: IF has no matching ENDIF"),
    ("regexp:{{/a x}}", 'line 1: no closing regexp delimiter "/": skipping this rule'),
])
def test_warns_of_damaged_rules(folder, table, warning):
    assert warning in run(folder, "-q", "1.2.3.4", table, status=1).stderr


@pytest.mark.skipif(MTA == "postfix" or not os.path.exists("/usr/sbin/postmap"), reason="compares the two")
def test_reads_and_writes_the_peer_s_files(folder):
    environment = {**os.environ, "MAIL_CONFIG": "/etc/postfix"}
    if subprocess.run(["/usr/sbin/postmap", "lmdb:table"], cwd=folder, env=environment).returncode != 0:
        pytest.skip("the peer is not set up")
    assert query(folder, "foo", "lmdb:table") == "bar baz\n"
    run(folder, "-i", "lmdb:table", stdin="added 1\n")
    answer = subprocess.run(["/usr/sbin/postmap", "-q", "added", "lmdb:table"], cwd=folder, env=environment,
                            capture_output=True, text=True)
    assert answer.stdout == "1\n"


MESSAGE = """\
Subject: a
Content-Type: multipart/mixed;
 boundary="B 1"

before
--B 1
X-Part: 1
 folded

part
--B 1
Content-Type: message/rfc822

Subject: inner

inner body
--B 1--
after
"""


def test_takes_keys_from_a_message(folder):
    def keys(*options):
        done = run(folder, *options, "-q", "-", "regexp:{{/^(.*)$/ <$1>}}", stdin=MESSAGE)
        return [answer.split(">")[0] for answer in done.stdout.split("\t<")[1:]]

    header = ["Subject: a", 'Content-Type: multipart/mixed;\n boundary="B 1"']
    assert keys("-h") == header
    assert keys("-hm") == header + ["X-Part: 1\n folded", "Content-Type: message/rfc822", "Subject: inner"]
    assert keys("-b") == MESSAGE.splitlines()[3:]
    assert keys("-hb") == header + MESSAGE.splitlines()[3:]
    assert keys("-hU") == keys("-hf") == keys("-hv") == header
    assert keys("-bm") == ["", "before", "--B 1", "", "part", "--B 1", "", "", "inner body", "--B 1--", "after"]
