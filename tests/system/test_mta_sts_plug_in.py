"""MTA-STS by a plug-in of smtp_tls_policy_maps, in place of the service mtasts."""
import pytest

from harness.socketmap_server import SocketmapServer
from harness.sts import DOMAIN, MX, authority, certificates, context_of, world  # noqa: F401


def plug_in(world, answer, **settings):
    """What postfix-mta-sts-resolver and its kin are to smtp_tls_policy_maps."""
    world.plug_in = SocketmapServer({"postfix": {DOMAIN: "OK " + answer}})
    world.start(smtp_mta_sts="no", smtp_tls_policy_maps=f"socketmap:inet:127.0.0.1:{world.plug_in.port}:postfix", **settings)


STS = "policy_type=sts policy_domain=sts.example policy_ttl=86400 { policy_string = version: STSv1 } { policy_string = mode: enforce }"


@pytest.mark.parametrize("answer", [
    f"secure match={MX} servername=hostname", "secure match=.sts.example servername=hostname",
    f"secure match=x.example servername=hostname {STS} mx_host_pattern={MX}",
    f"secure match=x.example servername=hostname {STS} mx_host_pattern=*.sts.example mx_host_pattern=x.example",
    f"verify {STS} mx_host_pattern=.sts.example", f"secure match={MX} {STS}",
    f"may {STS} mx_host_pattern=x.example", f"may policy_type=no-policy-found policy_domain={DOMAIN} policy_failure=sts-policy-invalid"])
def test_plug_in(world, answer):
    plug_in(world, answer)
    assert world.send()[1] == "sent"
    assert world.sink.messages[0].encrypted
    assert {question for question in world.plug_in.questions} == {("postfix", f"{DOMAIN}:{world.sink.port}"), ("postfix", DOMAIN)}


def test_plug_in_whose_patterns_do_not_match(world):
    plug_in(world, f"secure match=*.sts.example servername=hostname {STS} mx_host_pattern=mx1.sts.example")
    assert world.send() == ("4.7.5", "deferred", f"host {MX} is not in the MTA-STS policy of {DOMAIN}")


def test_plug_in_whose_patterns_are_not_enforced(world):
    plug_in(world, f"secure match=.sts.example servername=hostname {STS} mx_host_pattern=mx1.sts.example",
            smtp_tls_enforce_sts_mx_patterns="no")
    assert world.send()[1] == "sent"


def test_plug_in_and_a_certificate_of_another_of_its_hosts(world, certificates):
    """It is the certificate of the host that is talked to that counts, not that of any in the policy."""
    world.sink.tls = context_of(certificates["other"])
    plug_in(world, f"secure match=other.example:{MX} servername=hostname {STS} mx_host_pattern=other.example mx_host_pattern={MX}")
    assert world.send()[:2] == ("4.7.5", "deferred")


@pytest.mark.parametrize("attribute", ["policy_type=tls", "policy_ttl=soon", "policy_failure=bad", "policy=sts"])
def test_plug_in_that_errs(world, attribute):
    plug_in(world, f"may {attribute}")
    assert world.send() == ("4.7.5", "deferred", "client TLS configuration problem")
