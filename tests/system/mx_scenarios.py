"""Run by test_smtp_mx.py in network and mount namespaces of its own, where port 25 and the name server are ours:
delivers to each destination named on stdin (JSON) and prints the delivery lines and the log (JSON)."""
import json
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from harness.agent import Agent  # noqa: E402
from harness.dns_server import DnsServer  # noqa: E402
from harness.scripted import Scripted  # noqa: E402

OWN = "198.51.100.1"
ZONE = {
    "one.t": {"MX": ["10 mx1.t"]}, "two.t": {"MX": ["20 mx1.t", "10 dead.t"]}, "a-only.t": {"A": ["127.0.0.11"]},
    "null.t": {"MX": ["0 ."]}, "no-data.t": {"TXT": ["x"]}, "fail.t": "SERVFAIL",
    "malformed.t": {"MX": ["10 mx!1.t", "10 -mx2.t"], "A": ["127.0.0.11"]}, "half-malformed.t": {"MX": ["10 mx!1.t", "20 mx1.t"]},
    "flood.t": {"MX": [f"10 f{i}.t" for i in range(300)]},
    "refused.t": {"MX": "FORMERR", "A": ["127.0.0.11"]}, "cname.t": {"CNAME": ["one.t"]},
    "alias-mx.t": {"MX": ["10 alias.t"]}, "alias.t": {"CNAME": ["mx1.t"]}, "mx-gone.t": {"MX": ["10 gone.t"]},
    "mx-no-data.t": {"MX": ["10 no-data.t"]}, "mx-fail.t": {"MX": ["10 fail.t"]}, "numeric.t": {"MX": ["10 127.0.0.11"]},
    "loop.t": {"MX": ["10 me.t"]}, "behind-us.t": {"MX": ["10 mx1.t", "20 me.t", "30 mx2.t"]},
    "only-behind-us.t": {"MX": ["10 dead.t", "20 me.t", "30 mx1.t"]}, "loop-a.t": {"A": [OWN]},
    "mirror.t": {"MX": ["10 mirror-mx.t"]}, "soft.t": {"MX": ["10 soft-mx.t", "20 mx1.t"]},
    "hard.t": {"MX": ["10 hard-mx.t", "20 mx1.t"]}, "mail4.t": {"MX": ["10 mail4-mx.t", "20 mx1.t"]},
    "grey.t": {"MX": ["10 grey1.t", "20 grey2.t", "30 mx1.t"]}, "many.t": {"MX": [f"10 d{i}.t" for i in range(7)]},
    **{f"d{i}.t": {"A": [f"127.0.0.{30 + i}"]} for i in range(7)},
    "mx1.t": {"A": ["127.0.0.11"]}, "mx2.t": {"A": ["127.0.0.12"]}, "dead.t": {"A": ["127.0.0.19"]},
    "me.t": {"A": [OWN]}, "mirror-mx.t": {"A": ["127.0.0.14"]}, "soft-mx.t": {"A": ["127.0.0.15"]},
    "hard-mx.t": {"A": ["127.0.0.16"]}, "grey1.t": {"A": ["127.0.0.17"]}, "grey2.t": {"A": ["127.0.0.18"]},
    "mail4-mx.t": {"A": ["127.0.0.20"]},
}
SERVERS = {
    "127.0.0.11": {}, "127.0.0.12": {}, "127.0.0.14": {"ehlo": "250-mail.test.example hi\r\n250 PIPELINING"},
    "127.0.0.15": {"greeting": "421 4.3.2 no"}, "127.0.0.16": {"greeting": "554 5.3.2 no"},
    "127.0.0.17": {"rcpt": "450 4.2.0 grey"}, "127.0.0.18": {"rcpt": "451 4.2.0 greyer"},
    "127.0.0.20": {"mail": "451 4.2.0 not now"},
}


def main():
    request = json.load(sys.stdin)
    directory = Path(request["directory"])
    (directory / "resolv.conf").write_text("nameserver 127.0.0.53\n")
    subprocess.run(f"ip link set lo up && ip addr add {OWN}/24 dev lo && "
                   f"mount --bind {directory}/resolv.conf /etc/resolv.conf", shell=True, check=True)
    dns = DnsServer(ZONE, "127.0.0.53", 53)
    for address, answers in SERVERS.items():
        Scripted(address=address, port=25, **answers)
    (directory / "agent").mkdir()
    (directory / "agent").chmod(0o755)
    agent = Agent(directory / "agent", "smtp", {"smtp_dns_support_level": "enabled", "inet_interfaces": OWN,
                                                "smtp_bind_address": "0.0.0.0"})
    calls = {name: agent.send(nexthop=name, recipients=[f"u{i}@x.example"])
             for i, name in enumerate(request["destinations"])}
    outcomes = {}
    for i, (name, call) in enumerate(calls.items()):
        agent.wait(call, 60)
        line = agent.line(f"u{i}@x.example")
        outcomes[name] = re.search(r"relay=([^,]+), .*dsn=([^,]+), status=(\S+) \((.*)\)$", line).groups()
    agent.finish()
    looked_for = len({name for name, kind in dns.questions if re.fullmatch(r"f\d+\.t", name)})
    json.dump({"outcomes": outcomes, "log": agent.log, "looked_for": looked_for}, sys.stdout)


if __name__ == "__main__":
    main()
