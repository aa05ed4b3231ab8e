"""socketmap tables: what is asked, what is made of each answer, and of servers that do not play along."""
import pytest

from harness.socketmap_server import SocketmapServer

ANSWERS = {"found": "OK some text", "later": "TEMP come again", "slow": "TIMEOUT took too long", "never": "PERM no such map",
           "odd": "MAYBE", "lower": "ok text", "digits": b"hello,", "comma": b"4:OK x;", "short": b"0:,",
           "long": b"100001:OK " + b"x" * 99998 + b",", "huge": b"99999999999:OK x,", "more": b"4:OK x,4:OK y,", "nul": b"6:OK a\0b,"}


@pytest.fixture
def server():
    made = SocketmapServer({"my map": {}, "map": dict(ANSWERS)})
    yield made
    made.close()


@pytest.fixture
def ask(make_instance, server):
    mta = make_instance()
    mta.expected_errors.append(r"postmap\[\d+\]: fatal: .*query error")

    def ask(key, name="map"):
        return mta.run("postmap", "-q", key, f"socketmap:inet:127.0.0.1:{server.port}:{name}")

    ask.mta = mta
    return ask


@pytest.mark.peer
def test_found_and_not_found(ask, server):
    assert ask("found").stdout == "some text\n"
    missing = ask("Missing Key")
    assert (missing.returncode, missing.stdout, missing.stderr) == (1, "", "")
    assert server.questions == [("map", "found"), ("map", "Missing Key")]


@pytest.mark.peer
@pytest.mark.parametrize("key, reason", [("later", "temporary error: come again"), ("slow", "timeout error: took too long"),
                                         ("never", "permanent error: no such map"), ("odd", ""), ("lower", ""), ("digits", ""),
                                         ("comma", ""), ("short", ""), ("long", ""), ("huge", "")])
def test_failures(ask, key, reason):
    result = ask(key)
    assert result.returncode == 1 and result.stdout == ""
    assert "query error" in result.stderr and reason in result.stderr


@pytest.mark.parametrize("key", ["more", "nul"])
def test_answers_that_could_mislead(ask, key):
    result = ask(key)
    assert result.returncode == 1 and result.stdout == "" and "query error" in result.stderr


@pytest.mark.peer
def test_longest_answer(ask, server):
    server.maps["map"]["x"] = "OK " + "x" * 99997
    assert ask("x").stdout == "x" * 99997 + "\n"


@pytest.mark.peer
def test_nobody_there(make_instance):
    mta = make_instance()
    mta.expected_errors.append("fatal: ")
    for name in ("inet:127.0.0.1:1:map", "unix:/nowhere:map", "inet:127.0.0.1", "inet:127.0.0.1:25", "map", "tcp:a:1:b"):
        result = mta.run("postmap", "-q", "key", f"socketmap:{name}")
        assert result.returncode == 1 and result.stdout == "" and "fatal" in result.stderr, name


def test_service_keeps_its_connection(make_instance, directory):
    """smtpd, within its tasks, over a socket in the file system; a server that hung up meanwhile is asked anew."""
    server = SocketmapServer({"access": {"found@x.example": "OK REJECT found in the map", "later@x.example": "TEMP come again"}},
                             path=directory / "socket")
    directory.chmod(0o755)
    mta = make_instance({"smtpd_sender_restrictions": f"check_sender_access socketmap:unix:{directory}/socket:access",
                         "smtpd_delay_reject": "no"})
    mta.start()
    with mta.smtp() as client:
        client.ehlo()
        for _ in range(3):
            assert "found in the map" in client.command("MAIL FROM:<found@x.example>", 554).text
        assert len(server.connections) == 1
        server.hang_up()
        client.command("MAIL FROM:<found@x.example>", 554)
        client.command("MAIL FROM:<later@x.example>", 451)
        client.command("MAIL FROM:<other@x.example>", 250)
    assert {name for name, _ in server.questions} == {"access"}
    server.close()
