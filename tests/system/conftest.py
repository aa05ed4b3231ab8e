"""System tests: whole instances on loopback, started, talked to and stopped.

    def test_relays(make_instance, make_sink):
        sink = make_sink()                                    # an SMTP server that keeps what it gets
        mta = make_instance({"relayhost": sink.nexthop})      # main.cf settings; master.cf has the usual services
        mta.start()
        with mta.smtp() as client:                            # a scripted SMTP client
            client.command("HELO here", 250)
            client.transaction("a@x.example", ["b@y.example"], "Subject: hi\\r\\n\\r\\nhello\\r\\n")
        mta.wait_log(r"status=sent")                          # re.Match, or fails after 10 seconds
        assert sink.wait_for(1)[0].recipients == ["b@y.example"]

make_instance(main, services=None, user=None, mta=MTA)   services: master.cf lines in place of the usual ones ("{port}" is
                                 the instance's SMTP port); user: run as that user, without privileges
instance.start(), stop(), reload(), run("postqueue", "-p"), log(), wait_log(regex, timeout), processes(),
instance.port, etc, spool, directory, log_path; set_main(NAME=VALUE), set_master(lines)
instance.expected_errors.append(regex)   for lines with fatal: or panic: that are part of the test

After each test every instance is stopped: no process of it may be left, no sanitizer may have reported anything,
and no log line may say fatal: or panic: unless expected.

A file whose tests use the fixture `network` runs in a network of its own, where port 25 and the name server are free
(harness/network.py, harness/dns_server.py; harness/dane.py has servers with certificates).

Tests marked `peer` describe what Postfix does too: with MTA=postfix in the environment they run against Debian's
(as root). Tests marked `root` need to be root. POSTERN_BUILD says where the build is (build/test by default).
KEEP=1 keeps the directories of instances.
"""
import os
import ssl
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.certificates import make_certificate  # noqa: E402
from harness.instance import Instance, MTA, new_directory, remove_directory  # noqa: E402
from harness.login_server import LoginServer  # noqa: E402
from harness.network import PrivateNetwork, possible as network_possible  # noqa: E402
from harness.reach import open_up  # noqa: E402
from harness.smtp_sink import SmtpSink  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "peer: Postfix does the same; runs with MTA=postfix as well")
    config.addinivalue_line("markers", "root: needs to be root")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="not root"))
        if MTA == "postfix" and not item.get_closest_marker("peer"):
            item.add_marker(pytest.mark.skip(reason="not a scenario of both"))


@pytest.fixture
def directory():
    """A directory of its own that every user may look into."""
    path = new_directory()
    yield path
    remove_directory(path)


def instances():
    made = []

    def make(main=None, services=None, user=None, mta=MTA):
        made.append(Instance(new_directory(), main or {}, services, user, mta))
        return made[-1]

    yield make
    failures = []
    for instance in made:
        failures += instance.finish()
        remove_directory(instance.directory)
    assert not failures, "\n".join(failures)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """All tests of a file that uses it run where port 25 and the name server (harness.network.NAME_SERVER) are theirs."""
    if not network_possible():
        pytest.skip("no namespaces here")
    with PrivateNetwork(tmp_path_factory.mktemp("network")) as made:
        yield made


@pytest.fixture
def make_instance():
    yield from instances()


@pytest.fixture(scope="module")
def module_instance():
    """As make_instance, for instances that all tests of a file share."""
    yield from instances()


@pytest.fixture(scope="module")
def socket_directory(tmp_path_factory):
    """A directory for the sockets of servers that services have to reach."""
    return open_up(tmp_path_factory.mktemp("sockets"))


@pytest.fixture(scope="module")
def login_server(socket_directory):
    """A server of Dovecot's authentication protocol that knows joe (harness/login_server.py)."""
    server = LoginServer(socket_directory / "login", {"joe": "secret"})
    yield server
    server.close()


def smtp_sinks():
    made = []

    def make(**options):
        made.append(SmtpSink(**options))
        return made[-1]

    yield make
    for sink in made:
        sink.close()


@pytest.fixture
def make_sink():
    yield from smtp_sinks()


@pytest.fixture(scope="module")
def module_sinks():
    """As make_sink, for sinks that all tests of a file share."""
    yield from smtp_sinks()


@pytest.fixture(scope="module")
def module_sink(module_sinks):
    """One sink for all tests of a file."""
    return module_sinks()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority that nobody trusts who was not told to."""
    return make_certificate(open_up(tmp_path_factory.mktemp("authority")), "authority")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory, authority):
    """Made by it, for mx.example and *.wild.example."""
    directory = tmp_path_factory.mktemp("server")
    return make_certificate(directory, "mx.example", issuer=authority,
                            extensions=("subjectAltName=DNS:mx.example,DNS:*.wild.example",
                                        "basicConstraints=critical,CA:FALSE"))


@pytest.fixture
def make_tls_sink(certificate):
    """As make_sink, with STARTTLS and that certificate."""
    sinks = []

    def make(**options):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate.pair)
        sinks.append(SmtpSink(tls=context, **options))
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.close()


@pytest.fixture
def instance(make_instance):
    """A running instance with the usual services."""
    made = make_instance()
    made.start()
    return made
