"""A webhook on loopback, and a sweep that makes records at once, for tests of what is sent."""
import collections
import contextlib
import http.server
import json
import signal
import socket
import ssl
import struct
import threading
import time

from servers import HttpServer, free_port
from support import HANG_SECONDS, block, check, refusing_port, run

Request = collections.namedtuple("Request", "path headers body time connection")
RESET = "reset"
SESAME = "sesame"  # in a URL's path, as with services whose path is the key; never to be told


def records_of(request):
    payload = json.loads(request.body)
    return payload if isinstance(payload, list) else [payload]


class Hook:
    """A webhook on loopback as long as the `with` block; another may take its port later.
    `reply(request, number)` returns a status, headers and a body; None closes the connection, RESET
    cuts it, and a threading.Event holds it that long. `answers` are what the requests got, in the
    same order."""

    def __init__(self, reply=lambda request, number: (200, {}, b""), certificate=None, port=None):
        self.requests, self.answers, self.most, self._now = [], [], 0, 0
        self._lock = threading.Lock()
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def do_POST(self):
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:  # the sender was killed
                    self.close_connection = True
                    return
                request = Request(self.path, self.headers, body, time.monotonic(),
                                  self.client_address)
                with hook._lock:
                    hook.requests.append(request)
                    hook.answers.append(None)
                    number = len(hook.requests)
                    hook._now += 1
                    hook.most = max(hook.most, hook._now)
                answer = reply(request, number)
                with hook._lock:
                    hook.answers[number - 1] = answer
                    hook._now -= 1
                if isinstance(answer, threading.Event):
                    answer.wait(HANG_SECONDS)
                if answer == RESET:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                               struct.pack("ii", 1, 0))
                if not isinstance(answer, tuple):
                    self.close_connection = True
                    return
                status, headers, text = answer
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)

            def log_message(self, *_):
                pass

        class Server(HttpServer):

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", port or free_port()), Handler)
        self.port = self.server.server_address[1]
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.scheme = "https" if certificate else "http"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def spec(self, options=""):
        return f"webhook+{self.scheme}://127.0.0.1:{self.port}/{SESAME}?k={SESAME}#{options}"

    def payloads(self):
        """All records, those of arrays too."""
        return [record for request in self.requests for record in records_of(request)]

    def taken(self):
        """Those of requests that were answered with 200: the ledger of a receiver."""
        return [record for request, answer in zip(self.requests, self.answers)
                if isinstance(answer, tuple) and answer[0] == 200 for record in records_of(request)]


class Sweep:
    """Sweeps addresses where nobody listens: a record each, at once."""

    def __init__(self, folder):
        self.holder, self.port = refusing_port()
        self.folder = folder

    def arguments(self, targets, *more):
        """Of so many addresses, or of these targets."""
        if isinstance(targets, int):
            targets = [block(targets)]
        return ["scan", *targets, "-p", self.port, "--plan", "grab", "--stats",
                self.folder / "stats.json", *more]

    def run(self, count, *more, **options):
        done = run(*self.arguments(count, *more), **options)
        check(SESAME not in done.stderr + done.stdout, "a secret is told:", done.stderr)
        return done

    def stats(self):
        return json.loads((self.folder / "stats.json").read_text())


def interrupt_twice(process):
    """The second time when it asks for it: of two that come at once it hears one. Returns what it
    says until its end."""
    process.send_signal(signal.SIGINT)
    said = line = process.stderr.readline()
    while line and "interrupt again" not in line:
        line = process.stderr.readline()
        said += line
    process.send_signal(signal.SIGINT)
    return said + process.communicate(timeout=HANG_SECONDS)[1]
