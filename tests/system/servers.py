"""Servers of other hands for the scripts of this folder: programs, free ports, certificates, and
processes that are ended with the `with` block that started them."""
import http.server
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import time

from support import HANG_SECONDS

END_SECONDS = 10  # until those are killed that do not end when asked to, as xrdp at its start
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
# The machine's own configuration may forbid old versions.
ENVIRONMENT = {**os.environ, "OPENSSL_CONF": "/dev/null"}


def find(name):
    return shutil.which(name, path=PATH)


_claims = []  # sockets whose names say which ports are ours, until the script ends


def _claim(port):
    """Of all scripts on the machine one has a port, also while nobody listens there."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0trawl-test-port-{port}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True


def free_port():
    """Free on all addresses (some servers take them all), and none that the kernel gives to
    clients."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        ephemeral = int(file.read().split()[0])
    for _ in range(1000):
        port = random.randrange(min(10000, ephemeral // 2), min(ephemeral, 32768))
        with socket.socket() as tried:
            try:
                tried.bind(("", port))
            except OSError:
                continue
            if _claim(port):
                return port
    sys.exit("no free port")


class HttpServer(http.server.ThreadingHTTPServer):
    """Of many that come at once none is sent away."""
    daemon_threads = True
    request_queue_size = 256


def listening_ports():
    """Told by the kernel: some servers serve one connection only, which is not for us to take."""
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(table):
            continue
        for line in pathlib.Path(table).read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state = line.split()[:4]
            if state == "0A":
                ports.add(int(local.rpartition(":")[2], 16))
    return ports


class Certificates:
    """A root, and a certificate a name under it: NAME.pem (with key in NAME.key)."""

    KEYS = {"rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            "ec": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]}

    def __init__(self, folder):
        self.folder = folder
        self.fingerprints = {}
        self.root = self.make("root", "ec", "basicConstraints=critical,CA:TRUE\n"
                                            "keyUsage=critical,keyCertSign,cRLSign\n")

    def run(self, *arguments):
        done = subprocess.run([find("openssl"), *arguments], capture_output=True, text=True,
                              check=False)
        if done.returncode:
            sys.exit(f"openssl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def file(self, name):
        return str(pathlib.Path(self.folder, name))

    def make(self, name, key="rsa", extensions=None):
        private, request, config, out = (self.file(name + end)
                                         for end in (".key", ".csr", ".cnf", ".pem"))
        pathlib.Path(config).write_text("[v3]\n" + (
            extensions or f"subjectAltName=DNS:{name}\nextendedKeyUsage=serverAuth\n"),
            encoding="ascii")
        self.run("genpkey", "-algorithm", *self.KEYS[key], "-out", private)
        self.run("req", "-new", "-key", private, "-subj", f"/CN={name}", "-out", request)
        signer = (["-signkey", private] if extensions else
                  ["-CA", self.file("root.pem"), "-CAkey", self.file("root.key"),
                   "-set_serial", str(random.getrandbits(63) + 1)])
        self.run("x509", "-req", "-in", request, "-days", "60", "-sha256", "-extfile", config,
                 "-extensions", "v3", "-out", out, *signer)
        text = self.run("x509", "-in", out, "-noout", "-fingerprint", "-sha256")
        self.fingerprints[name] = text.partition("=")[2].strip().replace(":", "").lower()
        return out


class Servers:
    """Ends what it started at the end of the `with` block."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []  # and their logs
        self._awaited = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process, _log in self.processes:
            process.terminate()
        for process, _log in self.processes:
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def launch(self, label, ports, *command, **options):
        """Does not wait until it listens; `wait` does."""
        log = pathlib.Path(self.folder, f"{label}.log")
        with open(log, "wb") as output:
            process = subprocess.Popen(command, **{
                "stdin": subprocess.DEVNULL, "stdout": output, "stderr": output,
                "cwd": self.folder, "env": ENVIRONMENT, **options})
        self.processes.append((process, log))
        self._awaited.append((process, log, set(ports)))

    def wait(self):
        """Until all listen on all their ports."""
        deadline = time.monotonic() + HANG_SECONDS
        for process, log, ports in self._awaited:
            while not ports <= listening_ports():
                if time.monotonic() > deadline or process.poll() is not None:
                    sys.exit(f"{log.stem} does not listen: {log.read_text(errors='replace')}")
                time.sleep(0.02)
        self._awaited = []

    def start(self, label, port, *command, **options):
        self.launch(label, [port], *command, **options)
        self.wait()

    def check_alive(self, check):
        for process, log in self.processes:
            check(process.poll() is None, log.name, "ended by itself:", process.poll(),
                  log.read_text(errors="replace")[-1000:])


NGINX_CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{blocks}
}}
"""


def start_nginx(servers, folder, port, blocks):
    """nginx with these server blocks, which listen on the port; all that it writes goes into the
    folder."""
    config = pathlib.Path(folder, "nginx.conf")
    config.write_text(NGINX_CONFIG.format(folder=folder, blocks=blocks), encoding="ascii")
    servers.start("nginx", port, find("nginx"), "-e", "stderr", "-p", folder, "-c", str(config))
