"""What stands around certwatch, for scripts: a PostgreSQL of the test's own, a certstream server
that says what the script wants, a receiver of webhooks, and certificates as logs have them."""
import base64
import datetime
import glob
import hashlib
import http.server
import itertools
import json
import os
import pathlib
import pwd
import shutil
import socket
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ObjectIdentifier

from servers import ENVIRONMENT, HttpServer, free_port
from support import HANG_SECONDS, check

SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")

# As certwatch's own document has them.
CERTWATCH_TABLES = """
DROP TABLE IF EXISTS public.intent_current, public.certs, public.alerts;
CREATE TABLE public.intent_current (fqdn text);
CREATE TABLE public.certs (fingerprint_sha1 text PRIMARY KEY, serial text, sans jsonb,
    not_before bigint, not_after bigint, source text, added_at bigint);
CREATE TABLE public.alerts (id bigserial PRIMARY KEY, fingerprint text NOT NULL, sans jsonb,
    matched jsonb, issuer text, seen_at bigint NOT NULL, delivered boolean DEFAULT false,
    severity text DEFAULT 'suspicious');
"""


def wait_until(what, condition):
    """The first value of `condition` that is true; None when there never is one."""
    deadline, pause = time.monotonic() + HANG_SECONDS, 0.01
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(pause)
        pause = min(1.5 * pause, 0.1)
    check(False, "this never came:", what)
    return None


# --- PostgreSQL ---

def find_postgres():
    """Its folder of programs, or None."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
    return pathlib.Path(found[-1]).parent if found else None


class Postgres:
    """A server of its own, with passwords. It can be stopped and started again."""

    PASSWORD = "dont-tell-anybody"

    def __init__(self, folder):
        self.bin = find_postgres()
        self.folder = pathlib.Path(folder, "postgres")
        self.folder.mkdir()
        self.port = free_port()
        self.process = None
        self.as_user = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            shutil.chown(self.folder, user.pw_uid, user.pw_gid)
            os.chmod(folder, 0o755)
            self.as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def dsn(self, database="postgres", user="postgres", password=PASSWORD):
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def __enter__(self):
        password = self.folder / "password"
        password.write_text(self.PASSWORD, encoding="ascii")
        password.chmod(0o644)
        subprocess.run([self.bin / "initdb", "-D", self.folder / "data", "-U", "postgres", "-A",
                        "scram-sha-256", "--pwfile", password, "--no-sync", "--no-instructions",
                        "--locale=C", "-E", "UTF8"], cwd=self.folder, check=True,
                       stdout=subprocess.DEVNULL, **self.as_user)
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.folder / "data", "-F", f"--port={self.port}",
                 "--listen_addresses=127.0.0.1", "--unix_socket_directories="],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env=ENVIRONMENT, **self.as_user)
        wait_until("PostgreSQL", lambda: self.psql("SELECT 1").returncode == 0)

    def stop(self):
        """At once: connections are cut."""
        self.process.send_signal(2)
        self.process.wait(HANG_SECONDS)

    def psql(self, text, database="postgres"):
        return subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d",
                               self.dsn(database), "-f", "-"], input=text, capture_output=True,
                              text=True, timeout=HANG_SECONDS, check=False, env=ENVIRONMENT)

    def run(self, text, database="postgres"):
        done = self.psql(text, database)
        check(done.returncode == 0, text, done.stderr)
        return done.stdout.strip()

    def rows(self, text, database="postgres"):
        """Of a SELECT, each as a dictionary."""
        answer = self.run(f"SELECT coalesce(json_agg(rows), '[]') FROM ({text}) rows", database)
        return json.loads(answer or "[]")

    def alerts(self, database="postgres"):
        return self.rows("SELECT * FROM public.alerts ORDER BY id", database)


# --- Certificates ---

class Authority:
    def __init__(self, organization="Honest Trust", name="Honest CA 1"):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
                               x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.organization, self.common_name = organization, name

    def issue(self, *names):
        return Issuance(self, names)


class Issuance:
    """A precertificate and the certificate that follows from it."""

    def __init__(self, authority, names):
        self.authority, self.names = authority, list(names)
        begin = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        self.not_before = begin - datetime.timedelta(hours=1)
        self.not_after = self.not_before + datetime.timedelta(days=90)
        self.serial = x509.random_serial_number()
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        builder = (x509.CertificateBuilder()
                   .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "subject")]))
                   .issuer_name(authority.name).public_key(key).serial_number(self.serial)
                   .not_valid_before(self.not_before).not_valid_after(self.not_after)
                   .add_extension(x509.SubjectAlternativeName(
                       [x509.DNSName(name) for name in names]), critical=False))
        self.precert = self._sign(builder.add_extension(x509.PrecertPoison(), critical=True))
        sct = struct.pack("!HH", 2 + 119, 119) + os.urandom(119)
        self.final = self._sign(builder.add_extension(x509.UnrecognizedExtension(
            SCT_LIST, b"\x04" + bytes([len(sct)]) + sct), critical=False))
        bare = builder.sign(authority.key, hashes.SHA256())
        self.tbs_sha256 = hashlib.sha256(bare.tbs_certificate_bytes).hexdigest()

    def _sign(self, builder):
        certificate = builder.sign(self.authority.key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.DER)

    def der(self, update):
        return self.precert if update == "PrecertLogEntry" else self.final

    def sha1(self, update="X509LogEntry"):
        return hashlib.sha1(self.der(update)).hexdigest()

    def times(self):
        return int(self.not_before.timestamp()), int(self.not_after.timestamp())


def with_colons(hexadecimal):
    return ":".join(hexadecimal[i:i + 2] for i in range(0, len(hexadecimal), 2)).upper()


_indices = itertools.count(1)


def message_of(issuance, update="X509LogEntry", with_der=True):
    """As certstream-server-go sends it."""
    index = next(_indices)
    der = issuance.der(update)
    begin, end = issuance.times()
    authority = issuance.authority
    leaf = {
        "all_domains": issuance.names, "extensions": {},
        "fingerprint": with_colons(hashlib.sha1(der).hexdigest()),
        "sha1": with_colons(hashlib.sha1(der).hexdigest()),
        "sha256": with_colons(hashlib.sha256(der).hexdigest()),
        "not_before": begin, "not_after": end, "serial_number": f"{issuance.serial:X}",
        "signature_algorithm": "sha256, ecdsa",
        "subject": {"aggregated": "/CN=subject", "CN": "subject"},
        "issuer": {"aggregated": f"/CN={authority.common_name}/O={authority.organization}",
                   "CN": authority.common_name, "O": authority.organization},
        "is_ca": False,
    }
    if with_der:
        leaf["as_der"] = base64.b64encode(der).decode()
    return {"message_type": "certificate_update", "data": {
        "cert_index": index, "cert_link": f"https://ct.test/entry/{index}", "chain": [],
        "leaf_cert": leaf, "seen": time.time(),
        "source": {"name": "Test 'Log2026'", "url": "https://ct.test/"}, "update_type": update}}


# --- A certstream server ---

class FeedServer:
    """One WebSocket that tells what `send` is given. `down` and `up` are its outages. `accepted` is
    who has come, `connection` the same once it can be told something."""

    def __init__(self):
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}/full-stream"
        self.listener = self.accepted = self.connection = self.thread = None
        self.lock = threading.Lock()
        self.is_up = False

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *_):
        self.down()

    def up(self):
        self.is_up = True
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def down(self):
        with self.lock:
            self.is_up = False
            self._close(self.listener)
            self._close(self.accepted)
        self.thread.join()

    @staticmethod
    def _close(sock):
        if sock:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def _serve(self):
        while self.is_up:
            try:
                connection, _ = self.listener.accept()
                if self._keep(connection):
                    self._talk(connection)
            except OSError:
                pass
            with self.lock:
                self.connection = None

    def _keep(self, connection):
        """Who comes when it is over is sent away."""
        with self.lock:
            self.accepted = connection
            if not self.is_up:
                self._close(connection)
            return self.is_up

    def _talk(self, connection):
        file = connection.makefile("rb")
        key = ""
        while (line := file.readline().strip()):
            name, _, value = line.decode().partition(": ")
            if name.lower() == "sec-websocket-key":
                key = value
        accept = base64.b64encode(hashlib.sha1(
            (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        connection.sendall((
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode())
        with self.lock:
            self.connection = connection
        while len(head := file.read(2)) == 2:
            payload = file.read(4 + (head[1] & 0x7F))
            text = bytes(b ^ payload[i % 4] for i, b in enumerate(payload[4:]))
            if head[0] & 15 == 9:
                self._frame(10, text)

    def _frame(self, opcode, payload):
        length = (bytes([len(payload)]) if len(payload) < 126 else
                  b"\x7e" + struct.pack("!H", len(payload)))
        with self.lock:
            if not self.connection:
                return False
            self.connection.sendall(bytes([0x80 | opcode]) + length + payload)
            return True

    def send(self, *arguments, **options):
        """An issuance, or a message as it is; waits for somebody who listens. Who is not connected,
        as far as it knows itself, may not get it."""
        message = arguments[0] if isinstance(arguments[0], dict) else \
            message_of(*arguments, **options)
        text = json.dumps(message).encode()
        wait_until("a client of the feed", lambda: self._frame(1, text))


# --- A receiver of webhooks ---

class Receiver:
    """`events` are what came and is answered with 200; `status` is what is answered."""

    def __init__(self):
        self.events, self.refused, self.status = [], 0, 200
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.status == 200:
                    receiver.events.append(json.loads(body))
                else:
                    receiver.refused += 1
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HttpServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def of(self, issuance):
        """Events about an issuance."""
        return [e for e in self.events
                if e["fingerprint_sha1"] in (issuance.sha1("PrecertLogEntry"), issuance.sha1())]

    def wait_for(self, issuance):
        events = wait_until(f"a webhook about {issuance.names}", lambda: self.of(issuance))
        return events[0] if events else {}


# --- HTTP ---

def get(url):
    """Status and body; status 0 when nobody answers."""
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=HANG_SECONDS) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""
