"""DANE on connections that are kept and sessions that are resumed: they go with the records that they were made under."""
import ssl

import pytest

from harness.certificates import tlsa_data
from harness.dane import (NOT_VERIFIED, SERVER, WRONG, authority, certificate, deferred, dns, make_sender,  # noqa: F401
                          make_server, name_server, publish, send, server_context)

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("network")]


def test_kept_connection_stays_with_its_records(dns, make_server, make_sender, certificate):
    dns.ttl = 0
    publish(dns, "mx.signed", tlsa_data(certificate))
    server = make_server()
    mta = make_sender(smtp_connection_cache_destinations="hop.signed", smtp_connection_cache_time_limit="60s")
    for count in (1, 2):
        send(mta, "b@hop.signed")
        server.wait_for(count)
    assert len(server.sessions) == 1
    publish(dns, "mx.signed", WRONG)
    send(mta, "b@hop.signed")
    mta.wait_log(rf"status=deferred \({NOT_VERIFIED}\)")
    publish(dns, "mx.signed", tlsa_data(certificate), WRONG)
    send(mta, "b@hop.signed")
    assert len(server.wait_for(3)) == 3 and len(server.sessions) == 3


@pytest.mark.parametrize("turned", [True, False])
def test_resumed_session_stays_with_its_records(dns, make_server, make_sender, certificate, turned):
    dns.ttl = 0
    publish(dns, "mx.signed", tlsa_data(certificate), tlsa_data(certificate, 3, 0))
    server = make_server()
    mta = make_sender(smtp_connection_cache_on_demand="no", smtp_tls_session_cache_database="lmdb:${data_directory}/sessions")
    send(mta, "b@hop.signed")
    server.wait_for(1)
    publish(dns, "mx.signed", *([tlsa_data(certificate, 3, 0), tlsa_data(certificate)] if turned else [WRONG]))
    send(mta, "b@hop.signed")
    if turned:
        server.wait_for(2)
        assert server.messages[1].resumed and not server.messages[0].resumed
    else:
        deferred(mta, NOT_VERIFIED)
        assert len(server.messages) == 1


def test_resumed_session_of_a_chain(dns, make_server, make_sender, authority):
    publish(dns, "mx.signed", tlsa_data(authority, 2, 0))
    server = make_server()
    mta = make_sender(smtp_connection_cache_on_demand="no", smtp_tls_session_cache_database="lmdb:${data_directory}/sessions")
    for count in (1, 2):
        send(mta, "b@hop.signed")
        server.wait_for(count)
    assert [message.resumed for message in server.messages] == [False, True]
    mta.wait_log("(Verified TLS connection established(.|\n)*){2}")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_session_of_a_server_that_was_refused_is_not_resumed(dns, make_server, make_sender, certificate, authority, version):
    """A chain that is good, of a server that is another one: that it was seen before makes it no better."""
    dns.zone |= {"other.signed": {"A": [SERVER]}}
    publish(dns, "other.signed", tlsa_data(authority, 2, 0))
    context = server_context(certificate, authority)
    context.maximum_version = ssl.TLSVersion[version]
    server = make_server(context=context)
    mta = make_sender(smtp_tls_session_cache_database="lmdb:${data_directory}/sessions", smtp_skip_quit_response="no")
    for count in (1, 2, 3):
        send(mta, f"b{count}@other.signed")
        mta.wait_log(rf"to=<b{count}@other.signed>, .*status=deferred \({NOT_VERIFIED}\)")
    assert not server.messages
