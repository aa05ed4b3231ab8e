"""postmap(1): indexed files made, changed and queried, and every table type that needs no server."""
import os
import stat
import subprocess

import pytest

from harness.instance import MTA
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
    run(folder, "-d", "-", "lmdb:table", stdin="added\nnone\n")
    assert missing(folder, "added", "lmdb:table")


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
    assert fatal("-s", "static:x") == "postmap: fatal: table static:x: sequence operation is not supported"
    assert fatal("-q", "x", "-s", "static:x") == "postmap: fatal: specify only one of -s or -q or -d"
    assert fatal("-h", "lmdb:table") == 'postmap: fatal: specify -b -h or -m only with "-q -"'
    assert fatal().startswith("postmap: fatal: usage: postmap [-bfFhimnNoprsuUvw]")
    assert fatal("-c", "none", "x").endswith("open none/main.cf: No such file or directory")


def test_refuses_what_is_not_utf8(folder):
    (folder / "odd").write_bytes(b"k\xe9y v\ngood v\n")
    assert run(folder, "lmdb:odd").stderr == 'postmap: warning: odd, line 1: non-UTF-8 input "k?y v" -- ignoring this line\n'
    assert query(folder, "good", "lmdb:odd") == "v\n"


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
    assert keys("-bm") == ["", "before", "--B 1", "", "part", "--B 1", "", "", "inner body", "--B 1--", "after"]
