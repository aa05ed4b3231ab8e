"""XFORWARD as the SMTP client says it: smtp_send_xforward_command. What a server makes of it is in test_xclient.py."""
import re

import pytest

from harness.smtp_sink import Rule

pytestmark = pytest.mark.peer
ALL = "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT"


def send(make_instance, sink, count=1, helo="client+here.example", **settings):
    mta = make_instance({"relayhost": sink.nexthop, "smtp_send_xforward_command": "yes"} | settings)
    mta.start()
    with mta.smtp() as client:
        client.ehlo(helo)
        for _ in range(count):
            client.transaction("a@x.example", ["b@y.example"], "Subject: x\r\n\r\nhello\r\n")
    return mta


def said(message):
    return [command for command in message.commands if command.startswith("XFORWARD")]


@pytest.mark.parametrize("extensions", [["PIPELINING", ALL], [ALL]])
def test_who_the_client_was(make_instance, make_sink, extensions):
    sink = make_sink(extensions=extensions)
    mta = send(make_instance, sink)
    first, second = said(sink.wait_for(1)[0])
    queue_id = mta.wait_log(r"smtp\[\d+\]: (\w+): to=").group(1)
    assert re.fullmatch(r"XFORWARD NAME=localhost ADDR=127\.0\.0\.1 PORT=\d+", first)
    assert second == f"XFORWARD PROTO=ESMTP HELO=client+2Bhere.example IDENT={queue_id} SOURCE=LOCAL"


def test_from_a_stranger(make_instance, make_sink):
    sink = make_sink(extensions=[ALL])
    send(make_instance, sink, local_header_rewrite_clients="", smtpd_peername_lookup="no")
    first, second = said(sink.wait_for(1)[0])
    assert re.fullmatch(r"XFORWARD (NAME=\[UNAVAILABLE\] )?ADDR=127\.0\.0\.1 PORT=\d+", first)
    assert second.endswith(" SOURCE=REMOTE")


def test_what_the_server_knows(make_instance, make_sink):
    sink = make_sink(extensions=["XFORWARD HELO SHOESIZE ADDR"])
    send(make_instance, sink)
    assert said(sink.wait_for(1)[0]) == ["XFORWARD ADDR=127.0.0.1", "XFORWARD HELO=client+2Bhere.example"]


@pytest.mark.root
def test_mail_of_this_host(make_instance, make_sink):
    sink = make_sink(extensions=[ALL])
    mta = make_instance({"relayhost": sink.nexthop, "smtp_send_xforward_command": "yes"})
    mta.start()
    mta.run("sendmail", "-f", "a@x.example", "b@y.example", input="Subject: x\n\nhello\n", check=True)
    assert said(sink.wait_for(1)[0]) == ["XFORWARD SOURCE=LOCAL"]


@pytest.mark.parametrize("extensions, settings", [
    (["PIPELINING"], {}), ([ALL], {"smtp_send_xforward_command": "no"}), ([ALL], {"smtp_discard_ehlo_keywords": "xforward"}),
    (["XFORWARD"], {})])
def test_not_said(make_instance, make_sink, extensions, settings):
    sink = make_sink(extensions=extensions)
    send(make_instance, sink, **settings)
    assert said(sink.wait_for(1)[0]) == []


@pytest.mark.parametrize("extensions", [["PIPELINING", ALL], [ALL]])
@pytest.mark.parametrize("reply", ["550 5.7.1 no", "450 4.7.1 no"])
def test_a_server_that_does_not_want_to_know(make_instance, make_sink, extensions, reply):
    sink = make_sink(extensions=extensions)
    sink.rules.append(Rule("XFORWARD", reply))
    mta = send(make_instance, sink)
    sink.wait_for(1)
    mta.wait_log("status=sent")
    for part in "name/address", "helo/protocol":
        mta.wait_log(rf"warning: host 127\.0\.0\.1\[127\.0\.0\.1\]:{sink.port} said: {reply} \(in reply to XFORWARD {part} command\)")


@pytest.mark.parametrize("match, what", [("NAME", "name/address"), ("PROTO", "protocol/helo_name")])
def test_a_server_that_hangs_up(make_instance, make_sink, match, what):
    sink = make_sink(extensions=[ALL])
    sink.rules.append(Rule("XFORWARD", match=match, cut=True))
    mta = send(make_instance, sink)
    mta.wait_log(rf"dsn=4\.4\.2, status=deferred \(lost connection with \S+ while sending XFORWARD {what}\)")


def test_said_again_on_a_kept_connection(make_instance, make_sink):
    sink = make_sink(extensions=[ALL])
    send(make_instance, sink, 4, smtp_connection_cache_destinations="127.0.0.1", smtp_destination_concurrency_limit="1",
         initial_destination_concurrency="1")
    assert all(len(said(m)) >= 2 * m.commands.count("DATA") for m in sink.wait_for(4))
    assert any(m.commands.count("DATA") > 1 for m in sink.messages)
