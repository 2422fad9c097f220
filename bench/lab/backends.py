"""What records are sent to: servers of the measurement's own on the server's core, empty again
whenever `clear` is called."""
import contextlib
import glob
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.request

from lab.process import SERVER_CORES, TIMEOUT_S, Failed

ENVIRONMENT = {**os.environ, "OPENSSL_CONF": "/dev/null"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition):
    until = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > until:
            raise Failed(f"{what} does not start")
        time.sleep(0.02)


def _answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _start(argv, **options):
    return subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            preexec_fn=lambda: os.sched_setaffinity(0, SERVER_CORES), **options)


class Sqlite:
    def __init__(self, folder, name):
        self.path = folder / f"{name}.db"
        self.url = f"sqlite:{self.path}"

    def clear(self):
        for path in glob.glob(f"{self.path}*"):
            os.unlink(path)

    def count(self):
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return connection.execute("SELECT count(*) FROM observations").fetchone()[0]


class Postgres:
    """As it is installed, with fsync, which a user's has too."""

    def __init__(self, folder):
        self.bin = self.find()
        self.folder = pathlib.Path(folder, "postgres")
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self.child = None
        self.owner = {}

    @staticmethod
    def find():
        """Its folder of programs, or None."""
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        return pathlib.Path(found[-1]).parent if found and shutil.which("psql") else None

    def __enter__(self):
        self.folder.mkdir()
        if os.geteuid() == 0:  # it refuses to run as root
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            os.chmod(self.folder.parent, 0o755)
            self.owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        subprocess.run([self.bin / "initdb", "-D", self.folder / "data", "-U", "postgres", "-A",
                        "trust", "--no-sync", "--no-instructions", "--locale=C", "-E", "UTF8"],
                       cwd=self.folder, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT,
                       **self.owner)
        self.child = _start([self.bin / "postgres", "-D", self.folder / "data", f"--port={self.port}",
                             "--listen_addresses=127.0.0.1", "--unix_socket_directories="],
                            cwd=self.folder, env=ENVIRONMENT, **self.owner)
        wait_for("PostgreSQL", lambda: self._ask("SELECT 1").returncode == 0)
        return self

    def __exit__(self, *_):
        self.child.send_signal(signal.SIGINT)
        self.child.wait()

    def _ask(self, text):
        return subprocess.run(["psql", "-X", "-q", "-A", "-t", "-d", self.url, "-c", text],
                              capture_output=True, text=True, check=False, env=ENVIRONMENT)

    def clear(self):
        self._ask("DROP SCHEMA IF EXISTS trawl CASCADE")

    def count(self):
        return int(self._ask("SELECT count(*) FROM trawl.observations").stdout or 0)


class Nats:
    """One server with JetStream on disk."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder, "nats")
        self.port, self.monitor = free_port(), free_port()
        self.url = f"nats://127.0.0.1:{self.port}/trawl.records#stream=TRAWL,create"
        self.child = None

    @staticmethod
    def find():
        return shutil.which("nats-server", path=os.environ["PATH"] + ":/usr/sbin")

    def __enter__(self):
        self._start()
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()

    def _start(self):
        self.child = _start([self.find(), "-a", "127.0.0.1", "-p", self.port, "-m", self.monitor,
                             "-js", "-sd", self.folder])
        wait_for("nats-server", lambda: _answers(self.port) and _answers(self.monitor))

    def clear(self):
        """It remembers ids: only a new stream takes the same records again."""
        self.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._start()

    def count(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}/jsz") as answer:
            return json.load(answer)["messages"]


class Reader:
    """`trawl decode` at a socket, which throws away what it reads."""

    def __init__(self, trawl, folder, name, acknowledges):
        self.path = folder / f"{name}.sock"
        self.url = f"msgpack+unix://{self.path}{'#ack' if acknowledges else ''}"
        listens = f"{self.url}{',' if acknowledges else '#'}listen"
        self.argv = [trawl, "decode", listens, "--follow", "-q", "-o", "null"]
        self.child = None

    def __enter__(self):
        self.child = _start(self.argv)
        wait_for("trawl decode", self.path.exists)
        return self

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait()


class Webhook:
    """Says 204 to everything, one connection after the other, on a thread of its own."""

    def __init__(self, options):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"webhook+http://127.0.0.1:{self.listener.getsockname()[1]}/#{options}"
        self.bytes = 0
        self.thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def _serve(self):
        os.sched_setaffinity(0, SERVER_CORES)
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with contextlib.suppress(OSError), connection, connection.makefile("rb") as file:
                    while self._answer(connection, file):
                        pass

    def _answer(self, connection, file):
        length = 0
        while (line := file.readline().strip()):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        if not length or len(file.read(length)) < length:
            return False
        self.bytes += length
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        return True
