"""From a domain to the servers that take its mail: what Debian's Postfix does with the same names."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.root
SENT, FAIL = "250 2.0.0 queued as X", "Host or domain name not found. Name service error for name="
EXPECTED = {
    "one.t": ("mx1.t[127.0.0.11]:25", "2.0.0", "sent", SENT),
    "two.t": ("mx1.t[127.0.0.11]:25", "2.0.0", "sent", SENT),
    "a-only.t": ("a-only.t[127.0.0.11]:25", "2.0.0", "sent", SENT),
    "cname.t": ("mx1.t[127.0.0.11]:25", "2.0.0", "sent", SENT),
    "alias-mx.t": ("alias.t[127.0.0.11]:25", "2.0.0", "sent", SENT),
    "numeric.t": ("127.0.0.11[127.0.0.11]:25", "2.0.0", "sent", SENT),
    "null.t": ("none", "5.1.0", "bounced", "Domain null.t does not accept mail (nullMX)"),
    "gone.t": ("none", "5.4.4", "bounced", FAIL + "gone.t type=A: Host not found"),
    "no-data.t": ("none", "5.4.4", "bounced",
                  FAIL + "no-data.t type=A: Host found but no data record of requested type"),
    "fail.t": ("none", "4.4.3", "deferred", FAIL + "fail.t type=MX: Host not found, try again"),
    # Postfix returns this one at once; what a name server cannot answer now is no reason to lose mail.
    "refused.t": ("none", "4.4.3", "deferred", FAIL + "refused.t type=MX: Host not found, try again"),
    "malformed.t": ("none", "5.4.4", "bounced",
                    "Name service error for name=malformed.t type=MX: Malformed or unexpected name server reply"),
    "half-malformed.t": ("mx1.t[127.0.0.11]:25", "2.0.0", "sent", SENT),
    "mx-gone.t": ("none", "5.4.4", "bounced", FAIL + "gone.t type=A: Host not found"),
    "mx-no-data.t": ("none", "5.4.4", "bounced",
                     FAIL + "no-data.t type=A: Host found but no data record of requested type"),
    "mx-fail.t": ("none", "4.4.3", "deferred", FAIL + "fail.t type=A: Host not found, try again"),
    "loop.t": ("none", "5.4.6", "bounced", "mail for loop.t loops back to myself"),
    "loop-a.t": ("none", "5.4.6", "bounced", "mail for loop-a.t loops back to myself"),
    "[me.t]": ("none", "5.4.6", "bounced", "mail for me.t loops back to myself"),
    "mirror.t": ("mirror-mx.t[127.0.0.14]:25", "5.4.6", "bounced", "mail for mirror.t loops back to myself"),
    "behind-us.t": ("mx1.t[127.0.0.11]:25", "2.0.0", "sent", SENT),
    "only-behind-us.t": ("none", "4.4.1", "deferred", "connect to dead.t[127.0.0.19]:25: Connection refused"),
    "soft.t": ("mx1.t[127.0.0.11]:25", "2.0.0", "sent", SENT),
    "hard.t": ("mx1.t[127.0.0.11]:25", "2.0.0", "sent", SENT),
    "mail4.t": ("mx1.t[127.0.0.11]:25", "2.0.0", "sent", SENT),
    "grey.t": ("grey2.t[127.0.0.18]:25", "4.2.0", "deferred",
               "host grey2.t[127.0.0.18] said: 451 4.2.0 greyer (in reply to RCPT TO command)"),
    "[mx1.t]": ("mx1.t[127.0.0.11]:25", "2.0.0", "sent", SENT),
    "[gone.t]": ("none", "5.4.4", "bounced", FAIL + "gone.t type=A: Host not found"),
    "mx1.t:25": ("mx1.t[127.0.0.11]:25", "2.0.0", "sent", SENT),
    "gone.t, two.t": ("mx1.t[127.0.0.11]:25", "2.0.0", "sent", SENT),
}
LOG = [
    "warning: no MX host for mx-gone.t has a valid address record",
    "warning: numeric domain name in resource data of MX record for numeric.t: 127.0.0.11",
    "warning: host mirror-mx.t[127.0.0.14]:25 replied to HELO/EHLO with my own hostname mail.test.example",
    "host soft-mx.t[127.0.0.15] refused to talk to me: 421 4.3.2 no",
    "host hard-mx.t[127.0.0.16] refused to talk to me: 554 5.3.2 no",
    "host grey1.t[127.0.0.17] said: 450 4.2.0 grey (in reply to RCPT TO command)",
    "host mail4-mx.t[127.0.0.20] said: 451 4.2.0 not now (in reply to MAIL FROM command)",
    "connect to dead.t[127.0.0.19]:25: Connection refused",
]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    if os.geteuid() != 0 or subprocess.run(["unshare", "-n", "-m", "ip", "link"], capture_output=True).returncode != 0:
        pytest.skip("no namespaces here")
    directory = tmp_path_factory.mktemp("mx")
    for path in (directory, *directory.parents[:2]):
        path.chmod(0o755)
    request = json.dumps({"directory": str(directory), "destinations": [*EXPECTED, "many.t", "flood.t"]})
    run = subprocess.run(["unshare", "-n", "-m", sys.executable, str(Path(__file__).parent / "mx_scenarios.py")],
                         input=request, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("destination", EXPECTED)
def test_destination(seen, destination):
    assert tuple(seen["outcomes"][destination]) == EXPECTED[destination]


def test_log(seen):
    lines = [line.split(": ", 1)[1] if line[:5].isalnum() and line[0].isdigit() else line for line in seen["log"]]
    assert [line for line in LOG if line not in lines] == []


def test_address_limit(seen):
    assert sum("connect to d" in line and ".t[127.0.0.3" in line and "to=<" not in line for line in seen["log"]) == 5


def test_records_limit(seen):
    """As with Postfix since 3.9: who has very many servers keeps nobody busy with looking for all of them."""
    assert seen["looked_for"] == 100
