"""bounce_template_file: the words of notifications, as they are sent."""
import pytest

from harness.instance import MTA
from harness.smtp_sink import Rule


@pytest.fixture
def bounced(make_instance, make_sink):
    """Sends mail that is returned, with the given templates (or file), and gives the notification and the log."""
    def send(templates, path=None):
        sink = make_sink()
        sink.rules.append(Rule("RCPT", "550 5.1.1 no such user", match="b@y.example"))
        mta = make_instance({"relayhost": sink.nexthop})
        (mta.etc / "templates").write_text(templates)
        mta.set_main(bounce_template_file=path or f"{mta.etc}/templates", maximal_queue_lifetime="1w")
        mta.start()
        with mta.smtp() as client:
            client.ehlo()
            client.transaction("a@x.example", ["b@y.example"], "Subject: test\r\n\r\ntest\r\n")
        message = sink.wait_for(1)[0]
        assert message.recipients == ["a@x.example"]
        return message.data.decode().replace("\r\n", "\n"), mta.log()
    return send


@pytest.mark.peer
def test_other_words(bounced):
    message, _ = bounced("""\
failure_template = <<EOF
Charset: utf-8
From: The Postmaster <postmaster@$myhostname>
Subject: It did not work

This is $myhostname. $maximal_queue_lifetime_days days, $$5.
${relayhost?There is a relay}
EOF
""")
    header, _, body = message.partition("\n\n")
    assert "\nSubject: It did not work" in header
    assert "Content-Type: text/plain; charset=utf-8\n" in body
    assert "\n\nThis is mail.test.example. 7 days, $5.\nThere is a relay\n\n<b@y.example>: " in body


@pytest.mark.peer
def test_a_damaged_template_is_not_used(bounced):
    message, log = bounced("failure_template = <<EOF\nSubject: wrong\nX-Odd: x\n\nwrong\nEOF\n")
    assert "\nSubject: Undelivered Mail Returned to Sender\n" in message
    assert "wrong" not in message.partition("\n\n")[0]
    assert 'unknown "X-Odd" header label in failure template -- ignoring this template' in log


@pytest.mark.parametrize("templates, path, complaint", [
    ("failure_template\n", None, "line 1: missing '=' after attribute name: \"failure_template\"; using the built-in"),
    ("", "/none/such", "bounce_template_file: open /none/such: No such file or directory; using the built-in texts"),
])
@pytest.mark.skipif(MTA == "postfix", reason="Postfix keeps such mail until the file is mended")
def test_mail_is_returned_without_the_file(bounced, templates, path, complaint):
    message, log = bounced(templates, path)
    assert "\nSubject: Undelivered Mail Returned to Sender\n" in message
    assert complaint in log


@pytest.mark.skipif(MTA == "postfix", reason="Postfix keeps such mail until the file is mended")
def test_a_name_that_means_nothing_is_sent_as_it_is(bounced):
    message, log = bounced("failure_template = costs $nosuch and $myhostname\n")
    assert "\ncosts $nosuch and $myhostname\n" in message
    assert "/templates: failure template: undefined $nosuch; it is sent unexpanded" in log
