"""An HTTPS server of MTA-STS policies that misbehaves as it is told.

    host = PolicyHost(context)                     # an ssl.SSLContext
    host.policies["sts.example"] = policy("enforce", "mx.sts.example")
    host.status, host.headers, host.delay ...      # of all answers
    host.requests                                  # the domains that were asked for, in order
"""
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def policy(mode, *mx, max_age=86400):
    return "".join(["version: STSv1\r\n", f"mode: {mode}\r\n", *(f"mx: {m}\r\n" for m in mx), f"max_age: {max_age}\r\n"])


class PolicyHost:
    def __init__(self, context):
        self.policies, self.requests = {}, []
        self.status, self.content_type, self.headers, self.delay = 200, "text/plain; charset=utf-8", {}, 0
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()
        self.context = context
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                owner.answer(self)

            def log_message(self, *arguments):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def finish_request(self, request, address):  # in the connection's own thread
                try:
                    with owner.context.wrap_socket(request, server_side=True) as wrapped:
                        self.RequestHandlerClass(wrapped, address, self)
                except OSError:
                    pass

            def handle_error(self, request, address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler):
        domain = handler.headers["Host"].split(":")[0].removeprefix("mta-sts.")
        with self.lock:
            self.requests.append(domain)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        time.sleep(self.delay)
        with self.lock:
            self.under_way -= 1
        known = domain in self.policies and handler.path == "/.well-known/mta-sts.txt"
        body = self.policies[domain] if known else "what?\n"
        body = body if isinstance(body, bytes) else body.encode()
        handler.send_response(self.status if known else 404)
        handler.send_header("Content-Type", self.content_type)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
