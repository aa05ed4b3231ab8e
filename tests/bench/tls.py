"""Rows of `make bench` about TLS as a server."""
import re
import resource
import subprocess
from pathlib import Path

from harness.certificates import make_certificate
from harness.instance import USUAL_SERVICES
from harness.smtp_client import tls_context
from system import TICK, System, among_idle, with_limit

TLS_SESSIONS = 2000
CLIENTS, SECONDS = 4, 5


def tls_system(mta, services=None, kind="rsa", **settings):
    system = System(mta, settings, services)
    system.instance.stop()
    made = make_certificate(system.instance.directory, "mail.test.example", kind)
    system.instance.set_main(smtpd_tls_chain_files=made.chain, smtpd_tls_security_level="may")
    system.instance.start()
    return system


def processor_time(instance):
    """ms of all its processes, those that have ended with them."""
    used = 0
    for pid in instance.processes():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        used += sum(map(int, fields[11:15 if pid == instance.pid else 13])) * TICK
    return used


def handshakes(kind, *how):
    """openssl s_time, several at once: a connection, a handshake, and away."""
    def measure(mta, scale=1):
        system = tls_system(mta, USUAL_SERVICES.replace("- smtpd", "- smtpd -o smtpd_tls_wrappermode=yes", 1), kind)
        command = ["openssl", "s_time", "-connect", f"127.0.0.1:{system.instance.port}", "-time", str(SECONDS), *how]
        try:
            before = processor_time(system.instance)
            runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(CLIENTS)]
            outputs = [run.communicate()[0] for run in runs]
            made = sum(int(re.search(r"(\d+) connections in \d+ real seconds", output)[1]) for output in outputs)
            return {"handshakes/s": made / SECONDS,
                    "server's CPU, ms/handshake": (processor_time(system.instance) - before) / made}
        finally:
            system.close()
    return measure


def idle_tls_sessions(mta, scale=1):
    """Sessions that have said EHLO within TLS and wait; then mail passes among them."""
    sessions = TLS_SESSIONS if mta == "postern" else 300  # a process each
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    context = tls_context()

    def begin(client):
        client.ehlo()
        client.starttls(context=context)
        client.ehlo()

    return among_idle(tls_system(mta, with_limit("smtpd", sessions + 100)), sessions, begin)


def through_two(mta, scale=1):
    """Mail from one instance to another over TLS: a client's side and a server's for each message. Postfix keeps such
    connections by its tlsproxy."""
    behind = tls_system(mta)
    front = System(mta, {"relayhost": f"[127.0.0.1]:{behind.instance.port}", "smtp_tls_security_level": "encrypt",
                         "smtp_tls_connection_reuse": "yes", "smtp_connection_cache_on_demand": "yes"},
                   USUAL_SERVICES + ("tlsproxy unix - - n - 0 tlsproxy\n" if mta == "postfix" else ""))
    try:
        behind.through(200, 10, 1024, "-d", generate=front.generate)
        figures = behind.through(int(3000 * scale), 20, 4096, "-d", generate=front.generate)
        return {"through both, messages/s": figures["through, messages/s"]}
    finally:
        front.close()
        behind.close()


TLS_ROWS = {
    "tls-full": ("full TLS 1.3 handshakes, ECDSA P-256", handshakes("ec", "-new"), {"handshakes/s": "≥ 2 x"}),
    "tls-full-rsa": ("full TLS 1.3 handshakes, RSA 2048 (of which OpenSSL's signature alone is most)", handshakes("rsa", "-new")),
    "tls-resumed": ("resumed TLS 1.2 handshakes", handshakes("rsa", "-reuse", "-tls1_2"), {"handshakes/s": "≥ 2 x"}),
    "tls-through": ("4 KiB, 20 kept-open sessions, from one instance to another over TLS", through_two,
                    {"through both, messages/s": "≥ 4 x"}),
    "tls-idle": (f"{TLS_SESSIONS} sessions open after EHLO within TLS (Postfix: 300)", idle_tls_sessions),
}
