"""For the tests of `trawl monitor`: a monitor in a folder of its own, a client of its API, TLS
servers whose certificate can be exchanged, and a receiver of webhooks."""
import datetime
import http.client
import http.server
import ipaddress
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import threading
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from certwatch_support import wait_until
from servers import HttpServer
from support import HANG_SECONDS, check, run, start

TOKEN = "an-administrator-of-the-tests"
DAY = datetime.timedelta(days=1)


# --- Certificates ---

class Authority:
    """Its root is in `file`."""

    def __init__(self, folder, name="Monitor Test CA"):
        self.folder = pathlib.Path(folder)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests"),
                               x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.timezone.utc)
        root = (self._builder(self.name, self.key.public_key(), now - 400 * DAY, now + 4000 * DAY)
                .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
                .sign(self.key, hashes.SHA256()))
        self.file = str(self.folder / f"{name}.pem")
        pathlib.Path(self.file).write_bytes(root.public_bytes(serialization.Encoding.PEM))
        self._made = 0

    def _builder(self, subject, public, begin, end):
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
                .public_key(public).serial_number(x509.random_serial_number())
                .not_valid_before(begin).not_valid_after(end))

    def make(self, *names, days=60.0):
        """A file with key and certificate for the names (or addresses) that ends in `days`."""
        now = datetime.datetime.now(datetime.timezone.utc)
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = []
        for name in names:
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        certificate = (self._builder(subject, key.public_key(), now - 100 * DAY, now + days * DAY)
                       .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
                       .sign(self.key, hashes.SHA256()))
        self._made += 1
        path = self.folder / f"{self._made}.pem"
        path.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                              serialization.NoEncryption()) +
            certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)


def certificate_of(path):
    return x509.load_pem_x509_certificate(pathlib.Path(path).read_bytes())


def fingerprint(path):
    return certificate_of(path).fingerprint(hashes.SHA256()).hex()


# --- TLS servers ---

class Server:
    """Accepts on `listening` as long as the `with` block; serve(connection) has a thread each."""

    def __init__(self, listening):
        self.socket = listening
        self.port = listening.getsockname()[1]
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()

    def _run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()


class TlsServer(Server):
    """On every address of 127.0.0.0/8, or on `addresses` of it: TLS at once, or after `dialogue`,
    which gets the connection. `file` may be exchanged, for all or by name (SNI) in `by_name`, or
    by the address that was asked in `by_address`."""

    def __init__(self, file, dialogue=None, address="0.0.0.0", port=0):
        self.file, self.dialogue = file, dialogue
        self.by_name, self.by_address = {}, {}
        self.names = []  # that were asked for
        super().__init__(socket.create_server((address, port), backlog=1024))

    def _context(self, file):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def serve(self, connection):
        def choose(tls, name, _context):
            self.names.append(name)
            if name in self.by_name:
                tls.context = self._context(self.by_name[name])
        try:
            with connection:
                connection.settimeout(HANG_SECONDS)
                if self.dialogue:
                    self.dialogue(connection)
                address = connection.getsockname()[0]
                context = self._context(self.by_address.get(address, self.file))
                context.sni_callback = choose
                with context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(1)
        except (OSError, ssl.SSLError):
            pass


def split_smtp(connection):
    """A greeting and an answer to EHLO that come a few bytes at a time."""
    def send(text):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(text), 7):
            connection.sendall(text[at:at + 7])
    stream = connection.makefile("rb", buffering=0)
    send(b"220-mail.example.org\r\n220 ready\r\n")
    stream.readline()
    send(b"250-mail.example.org\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 8BITMIME\r\n")
    stream.readline()
    send(b"220 2.0.0 go ahead\r\n")


# --- Webhooks ---

class Receiver:
    """Takes notices; refuses the first `refused` of them. `bodies` are those that it took, before
    the sender knows: Monitor.settle waits until it does."""

    def __init__(self, refused=0):
        receiver = self
        self.refused, self.bodies, self.attempts = refused, [], 0
        self.lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:  # the sender was killed
                    self.close_connection = True
                    return
                with receiver.lock:
                    receiver.attempts += 1
                    fine = receiver.attempts > receiver.refused
                    if fine:
                        receiver.bodies.append(json.loads(body))
                self.send_response(200 if fine else 500)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HttpServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def events(self):
        return [body["event"] for body in self.bodies]

    def of(self, event):
        return [body for body in list(self.bodies) if body["event"] == event]


# --- The monitor ---

class Answer:
    def __init__(self, response, raw):
        self.status, self.headers, self.raw = response.status, response.headers, raw
        self.text = raw.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.text)


class Monitor:
    """Runs as long as the `with` block, with an administrator's token in the environment."""

    def __init__(self, folder, *arguments, store=None, environment=None, token=TOKEN):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.store = store or f"sqlite:{self.folder / 'monitor.db'}"
        self.arguments = arguments
        self.token = token
        self.environment = {**os.environ, "OPENSSL_CONF": "/dev/null", **(environment or {})}
        if token:
            self.environment["TRAWL_TOKEN"] = token
        self.log = self.folder / "log"
        self.process = None
        self.port = self.link = None

    def __enter__(self):
        self.begin()
        return self

    def __exit__(self, *_):
        if self.process.returncode is None:  # it may have ended, but not by us
            self.end()

    def begin(self):
        said = len(self.text()) if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = start("monitor", "--store", self.store, "--listen", "127.0.0.1:0",
                                 *self.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                 env=self.environment, cwd=self.folder)

        def told():
            ended = self.process.poll() is not None
            found = re.search(r"dashboard and API: https?://127\.0\.0\.1:(\d+)/(\S*)\n",
                              self.text()[said:])
            if not found and ended:
                raise SystemExit(f"the monitor ended: {self.text()}")
            return found
        found = wait_until("the monitor's address", told)
        self.port, self.link = int(found[1]), found[2]

    def end(self, how=signal.SIGTERM, code=0):
        self.process.send_signal(how)
        ended = self.process.wait(HANG_SECONDS)
        check(ended == (code if how != signal.SIGKILL else -signal.SIGKILL), "the monitor ended with",
              ended, self.text()[-2000:])

    def again(self, how=signal.SIGTERM):
        self.end(how)
        self.begin()

    def text(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def call(self, method, path, body=None, headers=None, token="", raw=None):
        """`token` None: without one. `raw`: bytes as they are."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_SECONDS)
        token = self.token if token == "" else token
        sent = {} if token is None else {"Authorization": f"Bearer {token}"}
        if body is not None:
            raw = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        connection.request(method, path, raw, sent)
        response = connection.getresponse()
        answer = Answer(response, response.read())
        connection.close()
        return answer

    def get(self, path, status=200, **options):
        answer = self.call("GET", path, **options)
        check(answer.status == status, "GET", path, answer.status, answer.text[:500])
        return answer.json if "json" in answer.headers.get("Content-Type", "") else answer.text

    def post(self, path, body=None, status=200, method="POST", **options):
        if body is None and method != "DELETE":
            body = {}
        answer = self.call(method, path, body, **options)
        check(answer.status == status, method, path, body, answer.status, answer.text[:500])
        return answer.json

    def add(self, host, port=443, **more):
        return self.post("/api/tls/targets", {"host": host, "port": port, **more})["id"]

    def scan(self):
        """To its end; the answer comes after half a minute at most."""
        scan = self.post("/api/tls/scan")
        if not scan["done"]:
            scan = wait_until("the scan's end", lambda: next(
                (now for now in [self.get(f"/api/scans/{scan['scan_id']}")] if now["done"]), None))
        return scan["scanned"]

    def settle(self):
        """Until it is written what became of all notices: none is told again after a restart."""
        wait_until("all notices on their way", lambda: all(
            notice["state"] != "waiting" for notice in self.get("/api/outbox")["outbox"]))

    def listed(self):
        """RemotePower's list, by id."""
        return {target["id"]: target for target in self.get("/api/tls/targets")}

    def alerts(self, **query):
        return self.get("/api/alerts?" + urllib.parse.urlencode({"state": "all", **query}))["alerts"]


def once(folder, *arguments, **options):
    """`--once`, to its end."""
    store = pathlib.Path(folder, "monitor.db")
    return run("monitor", "--once", "--store", store, *arguments, **options)
