"""postalias(1) and aliases(5): alias databases made, changed and queried; newaliases."""
import os
import re
import stat
import subprocess

import pytest

from harness.instance import MTA
from harness.reach import open_up
from harness.table_command import TableCommand, lay_out

pytestmark = pytest.mark.peer

# What stands in a source, and what the database holds; values in lists are warned of as duplicates.
ENTRIES = [
    ("Postmaster: root", "postmaster", "root"),
    ("list: a, B,\n # a comment within\n\n c@D.example", "list", "a, B, c@D.example"),
    ('"joe smith": joe', "joe smith", "joe"),
    ('"a:b": x', "a:b", "x"),
    ('"a#b": x', "a#b", "x"),
    ('"a@b": x', "a@b", "x"),
    ('"t\\"u": x', 't"u', "x"),
    ("bs\\ x: y", "bs x", "y"),
    ("joe . smith: x", "joe.smith", "x"),
    ('j"o"e: x', "j o e", "x"),
    ("x y z: x", "x y z", "x"),
    ("(a) com: x", "(a) com", "x"),
    ("<z>: x", "<z>", "x"),
    ("e<f>g: x", "e <f>g", "x"),
    ("c;d: x", "c;d", "x"),
    ("q|r: x", "q|r", "x"),
    ("j:k:l", "j", "k:l"),
    ("nospace:v", "nospace", "v"),
    ("spaced   :    v w   ", "spaced", "v w"),
    ("v1: a ,b  ,\tc", "v1", "a, b, c"),
    ("v2: |/bin/cmd arg", "v2", "|/bin/cmd arg"),
    ('v3: "|/bin/cmd arg, b"', "v3", '"|/bin/cmd arg, b"'),
    ('v4: | "/bin/cmd" arg', "v4", '|"/bin/cmd" arg'),
    ("v5: :include: /etc/list", "v5", ":include:/etc/list"),
    ('v6: ":include:/a b"', "v6", '":include:/a b"'),
    ("v7: /var/mail/x", "v7", "/var/mail/x"),
    ('v8: "a b"@c.d, e', "v8", '"a b"@c.d, e'),
    ('v9: "Joe S" <joe@x>, b (c)', "v9", '"Joe S" <joe@x>, b (c)'),
    ("w1: Joe<joe@x>", "w1", "Joe <joe@x>"),
    ("w2: <a><b>", "w2", "<a> <b>"),
    ("w3: a <b> c", "w3", "a <b>c"),
    ("w4: ,,a,", "w4", ", , a, "),
    ("w5: friends: a, b;", "w5", "friends:a, b;"),
    ('w6: a\\,b, a\\|b, \\"x, c\\d', "w6", '"a,b", "a|b", "\\"x", cd'),
    ('w7: un"closed', "w7", 'un "closed"'),
    ("w8: un(closed", "w8", "un (closed"),
    ("w9: un[clo\\]sed", "w9", "un [clo]sed]"),
    ("x1: a @ b . c, a % b ! c", "x1", "a@b.c, a%b!c"),
    ('x2: "a\n\tb"', "x2", '"a b"'),
    ('x3: ""@x, ""', "x3", '""@x, ""'),
    ("x4: (a(b)\\)c) d", "x4", "(a(b)\\)c) d"),
    ("x5: a/b c=d {e} 'f'", "x5", "a/b c=d {e} 'f'"),
    ("utf\u00e9: \u00e9", "utf\u00e9", "\u00e9"),
]

MISTAKES = [
    ("a@c: d", "name must be local"),
    ("@all: d", "name must be local"),
    ("<y@x>: d", "name must be local"),
    ("m%n: d", "name must be local"),
    ("no pair", "need name:value pair"),
    ("empty:", "need name:value pair"),
    (": d", "need name:value pair"),
    ("a,b: d", "need name:value pair"),
    ("a@c:", "need name:value pair"),
    ('"un: closed', "need name:value pair"),
    ("(un: closed", "need name:value pair"),
]


@pytest.fixture
def postalias(tmp_path):
    return TableCommand("postalias", lay_out(tmp_path))


def write(postalias, *lines):
    (postalias.folder / "aliases").write_bytes("".join(f"{line}\n" for line in lines).encode())


def contents(postalias, *options):
    listed = postalias.run(*options, "-s", "lmdb:aliases").stdout
    return dict(line.split(":\t", 1) for line in re.findall(r"(?m)^(?!YP_|@).*:\t.*$", listed))


def test_stores_names_and_values_in_their_forms(postalias):
    write(postalias, *(source for source, _, _ in ENTRIES))
    assert postalias.warnings("lmdb:aliases") == []
    assert contents(postalias) == {key: value for _, key, value in ENTRIES}


def test_warns_of_each_mistake_and_goes_on(postalias):
    write(postalias, *(source for source, _ in MISTAKES), "good: x")
    assert postalias.warnings("lmdb:aliases") == [
        f"postalias: warning: aliases, line {number}: {complaint}"
        for number, (_, complaint) in enumerate(MISTAKES, 1)]
    assert contents(postalias) == {"good": "x"}


def test_warns_of_what_is_there_twice(postalias):
    write(postalias, "list: a", "LIST: b", '"list": c', '"@": d')
    assert postalias.warnings("lmdb:aliases") == [
        'postalias: warning: lmdb:aliases: duplicate entry: "list"',
        'postalias: warning: lmdb:aliases: duplicate entry: "list"',
        'postalias: warning: lmdb:aliases: duplicate entry: "@"']
    assert contents(postalias) == {"list": "a"}
    assert postalias.query("@", "aliases") == "d\n"
    assert postalias.warnings("-w", "lmdb:aliases") == []
    assert contents(postalias) == {"list": "a"}
    assert postalias.warnings("-r", "lmdb:aliases") == []
    assert contents(postalias) == {"list": "c"}
    assert postalias.query("@", "aliases") == "@\n"
    assert postalias.warnings("-f", "lmdb:aliases") == [
        'postalias: warning: lmdb:aliases: duplicate entry: "list"',
        'postalias: warning: lmdb:aliases: duplicate entry: "@"']
    assert contents(postalias) == {"list": "a", "LIST": "b"}


def test_signs_for_sendmail_and_nis(postalias):
    write(postalias, "a: b")
    postalias.run("lmdb:aliases")
    listed = postalias.run("-s", "lmdb:aliases").stdout
    assert re.fullmatch(r"@:\t@\nYP_LAST_MODIFIED:\t\d{10}\nYP_MASTER_NAME:\tmail.test.example\na:\tb\n", listed)
    raw = (postalias.folder / "aliases.lmdb").read_bytes()
    assert b"YP_MASTER_NAMEmail.test.example" in raw  # NIS wants no NULs
    assert b"@\0@\0" in raw and b"a\0b\0" in raw


def test_adds_and_deletes(postalias):
    write(postalias, "a: b", "k: v")
    postalias.run("lmdb:aliases")
    done = postalias.run("-i", "lmdb:aliases", stdin="A: c\nnew: x\nbad\n@c: d\n")
    assert done.stderr.splitlines() == ['postalias: warning: lmdb:aliases: duplicate entry: "a"',
                                        "postalias: warning: stdin, line 3: need name:value pair",
                                        "postalias: warning: stdin, line 4: name must be local"]
    assert contents(postalias) == {"a": "b", "k": "v", "new": "x"}
    assert postalias.warnings("-iw", "lmdb:aliases", stdin="new: y\n") == []
    assert postalias.query("new", "aliases") == "x\n"
    assert postalias.warnings("-ir", "lmdb:aliases", stdin="new: y\n") == []
    assert postalias.query("NEW", "aliases") == "y\n"
    postalias.run("-d", "New", "lmdb:aliases")
    postalias.run("-d", "new", "lmdb:aliases", status=1)
    postalias.run("-d", "-", "lmdb:aliases", stdin="a\nnone\n")
    postalias.run("-d", "-", "lmdb:aliases", stdin="a\nnone\n", status=1)
    postalias.run("-f", "-d", "K", "lmdb:aliases", status=1)
    assert contents(postalias) == {"k": "v"}
    (postalias.folder / "aliases.lmdb").unlink()
    postalias.run("-i", "lmdb:aliases", stdin="first: x\n")
    assert contents(postalias) == {"first": "x"}
    assert postalias.query("@", "aliases") == "@\n"


def test_queries(postalias):
    write(postalias, '"joe smith": x', "a: b")
    postalias.run("aliases")
    assert postalias.query("A", "lmdb:aliases") == "b\n"
    assert postalias.missing("A", "lmdb:aliases", "-f")
    assert postalias.missing("nobody", "aliases")
    assert postalias.run("-q", "joe smith", "inline:{z=1}", "aliases").stdout == "x\n"
    assert postalias.query("x", "regexp:{{/x/ y}}") == "y\n"
    assert postalias.run("-q", "-", "aliases", stdin="A\nnope\nJoe Smith\n").stdout == "A:\tb\nJoe Smith:\tx\n"
    assert postalias.run("-q", "-", "aliases", stdin="nope\n", status=1).stdout == ""


def test_stores_with_and_without_nuls(postalias):
    write(postalias, "key: value")
    for option, stored in (("-N", b"key\0value\0"), ("-n", b"keyvalue")):
        (postalias.folder / "aliases.lmdb").unlink(missing_ok=True)
        postalias.run(option, "lmdb:aliases")
        assert stored in (postalias.folder / "aliases.lmdb").read_bytes()
        assert postalias.query("key", "lmdb:aliases", option) == postalias.query("key", "aliases") == "value\n"
        other = "-N" if option == "-n" else "-n"
        assert postalias.missing("key", "lmdb:aliases", other)
        postalias.run(other, "-d", "key", "lmdb:aliases", status=1)
        postalias.run(option, "-d", "key", "lmdb:aliases")


def test_gives_the_source_s_mode(postalias):
    write(postalias, "a: b")
    (postalias.folder / "aliases").chmod(0o640)
    postalias.run("lmdb:aliases")
    assert stat.S_IMODE((postalias.folder / "aliases.lmdb").stat().st_mode) == 0o640
    (postalias.folder / "aliases.lmdb").unlink()
    postalias.run("-p", "lmdb:aliases")
    assert stat.S_IMODE((postalias.folder / "aliases.lmdb").stat().st_mode) == 0o644


@pytest.mark.root
def test_works_as_the_source_s_owner(postalias):
    write(postalias, "a: b")
    open_up(postalias.folder)
    os.chown(postalias.folder / "aliases", 65534, 65534)
    assert "ermission denied" in postalias.run("lmdb:aliases", status=1).stderr
    postalias.run("-o", "lmdb:aliases")
    assert (postalias.folder / "aliases.lmdb").stat().st_uid == 0


def test_takes_what_is_no_utf8_only_when_told(postalias):
    (postalias.folder / "aliases").write_bytes(b"k\xe9y: v\ngood: v\n")
    assert postalias.warnings("lmdb:aliases") == [
        'postalias: warning: aliases, line 1: non-UTF-8 input "k?y: v" -- ignoring this line']
    assert contents(postalias) == {"good": "v"}
    assert postalias.warnings("-u", "lmdb:aliases") == []
    done = postalias.run("-u", "-s", "lmdb:aliases", text=False)
    assert b"k\xe9y:\tv\n" in done.stdout


def test_fails_clearly(postalias):
    write(postalias, "a: b")
    assert postalias.fatal("none") == "postalias: fatal: open none: No such file or directory"
    assert postalias.fatal("-q", "x", "lmdb:none").startswith("postalias: fatal: open database none.lmdb: No such file")
    assert "does not support bulk-mode creation" in postalias.fatal("texthash:aliases")
    assert postalias.fatal("-q", "x", "foo:y") == "postalias: fatal: unsupported dictionary type: foo"
    assert "unsupported dictionary type: foo" in postalias.fatal("foo:aliases")
    assert postalias.fatal("-s", "static:x") == "postalias: fatal: table static:x: sequence operation is not supported"
    assert postalias.fatal("-q", "x", "fail:x").startswith("postalias: fatal: table fail:x: query error")
    assert postalias.fatal("-q", "x", "-d", "y", "a").startswith("postalias: fatal: specify only one of -s -q or -d")
    assert postalias.fatal("-s", "-q", "x", "a").startswith("postalias: fatal: specify only one of -s")
    assert postalias.fatal("-c", "none", "x").endswith("open none/main.cf: No such file or directory")
    for arguments in ((), ("-b", "aliases"), ("-h", "aliases"), ("-F", "aliases"), ("-U", "aliases")):
        assert postalias.fatal(*arguments).startswith("postalias: fatal: usage: postalias [-Nfi")


def test_takes_the_configuration_from_the_environment(postalias):
    write(postalias, "a: b")
    environment = os.environ | {"MAIL_CONFIG": str(postalias.folder)}
    subprocess.run([postalias.path, "aliases"], cwd=postalias.folder, env=environment, check=True)
    assert contents(postalias) == {"a": "b"}


def test_says_more_when_asked(postalias):
    write(postalias, "a: b")
    postalias.run("-v", "-v", "aliases")
    assert contents(postalias) == {"a": "b"}


@pytest.mark.skipif(MTA == "postfix" or not os.path.exists("/usr/sbin/postalias"), reason="compares the two")
def test_reads_and_writes_the_peer_s_databases(postalias):
    write(postalias, *(source for source, _, _ in ENTRIES))

    def peer(*arguments):
        return subprocess.run(["/usr/sbin/postalias", *arguments], cwd=postalias.folder, capture_output=True, text=True,
                              env={**os.environ, "MAIL_CONFIG": "/etc/postfix"})

    if peer("lmdb:aliases").returncode != 0:
        pytest.skip("the peer is not set up")
    theirs = postalias.run("-s", "lmdb:aliases").stdout
    assert peer("-s", "lmdb:aliases").stdout == theirs
    postalias.run("lmdb:aliases")
    assert contents(postalias) == {key: value for _, key, value in ENTRIES}
    assert peer("-q", "joe smith", "lmdb:aliases").stdout == "joe\n"
    postalias.run("-i", "lmdb:aliases", stdin="added: x\n")
    assert peer("-q", "added", "lmdb:aliases").stdout == "x\n"


# ---- newaliases ----


@pytest.fixture
def instance(make_instance):
    made = make_instance()
    for name in ("first", "second"):
        (made.etc / name).write_text(f"{name}: root\nBad@x: y\n")
    made.set_main(default_database_type="lmdb", alias_database=f"lmdb:{made.etc}/first, {made.etc}/second")
    return made


def looked_up(instance, name):
    return instance.run("postalias", "-q", name, f"lmdb:{instance.etc}/{name}").stdout


def test_newaliases_makes_all_databases(instance):
    for arguments in (["newaliases"], ["sendmail", "-bi"], ["sendmail", "-I"]):
        done = instance.run(*arguments)
        assert done.returncode == 0, done.stderr
        assert done.stderr.splitlines() == [f"postalias: warning: {instance.etc}/{name}, line 2: name must be local"
                                            for name in ("first", "second")]
        for name in ("first", "second"):
            assert looked_up(instance, name) == "root\n"
            (instance.etc / f"{name}.lmdb").unlink()
    if MTA == "postern":
        instance.wait_log(r"postfix/postalias\[\d+\]: warning: .*/first, line 2: name must be local")


def test_newaliases_takes_another_file(instance):
    assert instance.run("sendmail", "-bi", f"-oA{instance.etc}/second").returncode == 0
    assert looked_up(instance, "second") == "root\n"
    assert not (instance.etc / "first.lmdb").exists()


def test_newaliases_passes_on_what_postalias_says(instance):
    instance.expected_errors.append("second: No such file or directory")
    (instance.etc / "second").unlink()
    done = instance.run("newaliases")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"postalias: fatal: open {instance.etc}/second: No such file or directory"
    assert looked_up(instance, "first") == "root\n"
