"""Logs by other people, each with a folder of its own: sunlight with skylight (static-ct over HTTPS and
HTTP/2, tiles compressed) and TesseraCT's POSIX form (static-ct, tiles as they are, served from its
folder, as its makers intend)."""
import base64
import contextlib
import datetime
import functools
import http.client
import http.server
import ipaddress
import json
import os
import sqlite3
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

from cryptography.hazmat.primitives.asymmetric import ec

from lab import issuance, rivals
from lab.daemon import HOST, PATIENCE_S, Daemon, free_port
from lab.process import Failed

SUBMITTERS = 48  # at once: a log answers when it has sequenced, some times a second
TRIES = 5        # to submit something


class Log:
    """What both have: certificates are submitted at `port`, below `prefix`, and read at `url`."""
    context = None  # of TLS, where that is spoken

    def __init__(self, authority, folder):
        self.authority, self.folder, self.open = authority, folder, contextlib.ExitStack()
        folder.mkdir()
        (folder / "roots.pem").write_bytes(issuance.pem(authority.root.certificate))
        self.port = free_port()
        try:
            self.start()
        except Exception:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.open.close()

    def daemon(self, *argv, port=None):
        daemon = Daemon(self.folder, port or self.port, *argv)
        self.open.callback(daemon.stop)

    def options(self):
        """Of `trawl watch`."""
        return [self.url, "--tiles", "--log-key", self.key, "--ca-file", self.folder / "roots.pem",
                "--contact", "peers@farm.test"]

    def _connection(self):
        if self.context:
            return http.client.HTTPSConnection(HOST, self.port, timeout=PATIENCE_S,
                                               context=self.context)
        return http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE_S)

    def _post(self, local, path, body):
        if not hasattr(local, "connection"):
            local.connection = self._connection()
        local.connection.request("POST", f"{self.prefix}/ct/v1/{path}", body,
                                 {"Content-Type": "application/json"})
        answer = local.connection.getresponse()
        return answer.status, answer.read()

    def _submit(self, local, submission):
        """A log may say that it cannot right now: TesseraCT does when two at once bring the first
        certificates of an issuer."""
        path = "add-pre-chain" if submission.is_precertificate else "add-chain"
        body = json.dumps({"chain": [base64.b64encode(one).decode() for one in submission.chain]})
        for _ in range(TRIES):
            status, text = self._post(local, path, body)
            if status < 500:
                break
        if status != 200:
            raise Failed(f"{self.name} refuses {path}: {status} {text[:200]}")
        fields = json.loads(text)
        submission.sct, submission.index = issuance.sct_of(fields)
        submission.timestamp_ms = fields["timestamp"]
        return submission

    def submit(self, submissions):
        """Gives them to the log, many at once; returns them with what it answered."""
        local = threading.local()
        with ThreadPoolExecutor(SUBMITTERS) as pool:
            return list(pool.map(functools.partial(self._submit, local), submissions))

    def issue(self, count):
        """Precertificates, and for every second one the final certificate, too."""
        issuances = [self.authority.issuance() for _ in range(count - count // 3)]
        first = self.submit([one.precertificate() for one in issuances])
        pairs = list(zip(issuances, first))[:count // 3]
        return first + self.submit([one.final(before.sct) for one, before in pairs])


class Sunlight(Log):
    """Log and reader side, each a program of its own."""
    name, module = "sunlight", "sunlight"

    def start(self):
        certificate, key = self.authority.server(ipaddress.ip_address(HOST))
        for who in ("sunlight", "skylight"):  # their names for it
            (self.folder / f"{who}.pem").write_bytes(certificate)
            (self.folder / f"{who}-key.pem").write_bytes(key)
        self.context = ssl.create_default_context(cafile=self.folder / "roots.pem")
        (self.folder / "seed").write_bytes(os.urandom(32))
        with sqlite3.connect(self.folder / "checkpoints.db") as database:
            database.execute("CREATE TABLE checkpoints (logID BLOB PRIMARY KEY, body BLOB NOT NULL)"
                             " STRICT")
        database.close()
        self.prefix, reader = "/log", free_port()
        self._configure("sunlight", self.port, checkpoints="checkpoints.db")
        self._configure("skylight", reader)
        self.daemon(rivals.program("sunlight"), "-c", "sunlight.json", "-testcert")
        self.daemon(rivals.program("sunlight", "skylight"), "-c", "skylight.json", "-testcert",
                    port=reader)
        self.url = f"https://{HOST}:{reader}/"
        about = json.loads((self.folder / "data" / "log.v3.json").read_text(encoding="utf-8"))
        self.key = about["key"]

    def _configure(self, who, port, **more):
        """JSON is YAML. Both tell their logs apart by host names without a port, and skylight serves
        none below a path."""
        log = {"shortname": "peers", "localdirectory": "data", "monitoringprefix": f"https://{HOST}"}
        if who == "sunlight":
            log.update(inception=datetime.date.today().isoformat(), period=100,
                       submissionprefix=f"https://{HOST}{self.prefix}", roots="roots.pem",
                       secret="seed", cache="cache.db",
                       notafterstart=issuance.day(-400).isoformat().replace("+00:00", "Z"),
                       notafterlimit=issuance.day(400).isoformat().replace("+00:00", "Z"))
        (self.folder / f"{who}.json").write_text(
            json.dumps({"listen": [f"{HOST}:{port}"], "logs": [log], **more}), encoding="ascii")


class _Files(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def files(folder):
    """Serves a folder; gives its URL."""
    server = http.server.ThreadingHTTPServer((HOST, 0),
                                             functools.partial(_Files, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Tesseract(Log):
    name, module = "TesseraCT", "tesseract"

    def start(self):
        key = ec.generate_private_key(ec.SECP256R1())
        (self.folder / "key.pem").write_bytes(issuance.key_pem(key))
        self.key = base64.b64encode(issuance.public_der(key)).decode()
        self.prefix, storage = "", self.folder / "storage"
        self.daemon(rivals.program("tesseract", "posix"), f"--http_endpoint={HOST}:{self.port}",
                    "--origin=tesseract.test/peers", "--private_key=key.pem",
                    f"--storage_dir={storage}", "--roots_pem_file=roots.pem",
                    "--checkpoint_interval=200ms",
                    "--batch_max_age=100ms", "--garbage_collection_interval=2s")
        self.url = self.open.enter_context(files(storage))
