"""How `trawl monitor` is run: what is wrong is told in one line, signals, systemd, rights, restarts,
and certificates of logs as alerts.

    python3 test_monitor_operation.py FOLDER [TEST]     $TRAWL_BUILD holds bench-ctserver
"""
import collections
import concurrent.futures
import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from ct_support import CtFarm
from monitor_support import Receiver
from servers import free_port
from support import HANG_SECONDS, Farm, check, command, finish, run

AT_ONCE = 4
STOP_SECONDS = 60  # far from what a stop takes, and from what the longest of probes may take


def wait_for(what, condition):
    until = time.monotonic() + HANG_SECONDS
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    check(False, "waited in vain for", what)
    return None


def read_text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text if isinstance(text, str) else json.dumps(text))


class Monitor(subprocess.Popen):
    """One that runs in `folder`, with its store there; ended at the end of the block."""

    def __init__(self, folder, *arguments, address="127.0.0.1", port=None, environment=None):
        self.folder = folder
        self.address, self.port = address, port or free_port()
        self.error_path = os.path.join(folder, "errors")
        self.listen = f"{self.address}:{self.port}"
        with open(self.error_path, "a", encoding="utf-8") as file:
            super().__init__(command("monitor", "--store", "m.db", "--listen", self.listen,
                                     *arguments), stderr=file, cwd=folder,
                             env={**os.environ, **(environment or {})})

    def __exit__(self, *_):
        if self.poll() is None:
            self.kill()
        self.wait(HANG_SECONDS)

    def said(self):
        return read_text(self.error_path)

    def token(self):
        return read_text(os.path.join(self.folder, "m.db.token")).strip()

    def call(self, path, body=None):
        """Status and JSON, or text; (0, None) when it does not answer."""
        try:
            request = urllib.request.Request(
                f"http://{self.listen}{path}", headers={"X-API-Key": self.token()},
                data=None if body is None else json.dumps(body).encode())
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=HANG_SECONDS) as answer:
                text = answer.read().decode()
                status = answer.status
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        except OSError:
            return 0, None
        with contextlib.suppress(ValueError):
            return status, json.loads(text)
        return status, text

    def is_up(self):
        return self.poll() is not None or self.call("/api/session")[0] == 200

    def wait_until_up(self):
        wait_for("the monitor", self.is_up)
        check(self.poll() is None, "the monitor ended:", self.said())
        return self

    def settle(self):
        """Until it is written what became of all notices: none is told again after a restart."""
        wait_for("all notices on their way",
                 lambda: self.call("/healthz")[1]["waiting_notices"] == 0)

    def stop(self):
        """SIGTERM; ends well, in time."""
        began = time.monotonic()
        self.terminate()
        code = self.wait(HANG_SECONDS)
        check(code == 0, "the monitor ended with", code, self.said())
        took = time.monotonic() - began
        check(took < STOP_SECONDS, "it took", took, "seconds to stop")


# --- Wrong usage ---

def test_usage(folder):
    config = os.path.join(folder, "wrong.json")
    text_file = os.path.join(folder, "text")
    write(text_file, "this is not a database at all, but a text of some length " * 20)
    cases = [
        (("--listen", "nowhere"), None, 2, "nowhere"),
        (("--tls-cert", "x"), None, 2, "--tls-key"),
        (("--store", "/nonexistent/x.db"), None, None, "/nonexistent/x.db"),
        (("--store", text_file), None, None, "text"),
        (("--log-file", "/nonexistent/log"), None, 1, "/nonexistent/log"),
        (("--user", "no-such-user"), None, 2, "no-such-user"),
        (("--config", "/nonexistent.json"), None, 2, "/nonexistent.json"),
        (("--watch=--nonsense",), None, 2, "--nonsense"),
        (("--watch=--all",), None, 2, "--all"),
        (("--watch=-d", "--watch=example.org"), None, 2, "no source"),
        (("--watch=--log-list", "--watch=/nonexistent", "--watch=-d", "--watch=example.org"), None,
         None, "/nonexistent"),
        (("--webhook-at", "dire", "--webhook", "http://127.0.0.1:1/"), None, 2, "dire"),
        (("not a host",), None, 2, "not a host"),
        ((), "{\n  \"targets\": [{\"host\": \"\"}]\n}", 2, "wrong.json:2:"),
        ((), "{\n  \"scan_intervall\": 3\n}", 2, "wrong.json:2:3"),
        ((), "{\"scan_interval\": 3,\n", 2, "wrong.json:2"),
        ((), "{\"watch\": [\"--nonsense\"]}", 2, "--nonsense"),
    ]
    for number, (arguments, text, code, words) in enumerate(cases):
        if text is not None:
            write(config, text)
            arguments = ("--config", config)
        result = run("monitor", "--store", os.path.join(folder, f"{number}.db"), "--listen",
                     "127.0.0.1:0", *arguments)
        check(result.returncode == code if code else result.returncode in (1, 2), arguments, text,
              "ended with", result.returncode)
        lines = [line for line in result.stderr.splitlines() if "Landlock" not in line]
        check(len(lines) == 1 and words in lines[0], arguments, text, "says", result.stderr)


def test_port_taken(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("monitor", "--store", os.path.join(folder, "m.db"), "--listen",
                     f"127.0.0.1:{taken.getsockname()[1]}")
    check(result.returncode == 1 and "in use" in result.stderr, "a port that is taken", result)
    check(not os.path.exists(os.path.join(folder, "m.db")), "it made a store all the same")


# --- Once ---

def test_once(folder):
    with Farm(FOLDER, os.path.join(folder, "root.pem"), 40) as farm, Receiver() as hooks:
        good = farm.named("good")[0] if farm.named("good") else farm.endpoints[0]
        target = f"{good['address']}:{good['port']}"
        result = run("monitor", "--once", "--store", os.path.join(folder, "m.db"), target,
                     "127.0.0.1:1", "--webhook", hooks.url, "--failures", "1", "--timeout", "60")
        check(result.returncode == 0, "--once ended with", result.returncode, result.stderr)
        check("2 of 2 targets" in result.stderr, "--once says", result.stderr)
        check(len(hooks.of("tls_unreachable")) == 1, "--once told", hooks.bodies)
        told = len(hooks.bodies)
        again = run("monitor", "--once", "--quiet", "--store", os.path.join(folder, "m.db"),
                    target, "127.0.0.1:1", "--webhook", hooks.url, "--failures", "1",
                    "--timeout", "60")
        check(again.returncode == 0 and not again.stderr, "--once again", again)
        check(len(hooks.bodies) == told, "it was told again", hooks.bodies[told:])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = subprocess.Popen(
            command("monitor", "--once", "--store", os.path.join(folder, "n.db"), "--timeout",
                    "600", f"127.0.0.1:{silent.getsockname()[1]}"), stderr=subprocess.PIPE)
        with silent.accept()[0] as connection:
            connection.recv(1)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=HANG_SECONDS)[1]
        check(process.returncode == 130, "--once, interrupted, ended with", process.returncode,
              said)


# --- Signals, and systemd ---

class Systemd:
    """The socket of sd_notify, and what was heard there."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.heard = []

    def __enter__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.thread = threading.Thread(target=self._listen)
        self.thread.start()
        return self

    def _listen(self):
        while True:
            words = self.socket.recv(4096).decode()
            if not words:
                return
            self.heard.extend(words.splitlines())

    def __exit__(self, *_):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.path)
        self.thread.join()
        self.socket.close()


def test_signals(folder):
    config, log = os.path.join(folder, "monitor.json"), os.path.join(folder, "log")
    with Systemd(folder) as systemd:
        heard = systemd.heard

        def hear(word):
            return word in heard

        write(config, {"targets": [{"host": "127.0.0.1", "port": 1}], "log_file": log})
        with Monitor(folder, "--config", config, environment={
                "NOTIFY_SOCKET": systemd.path, "WATCHDOG_USEC": "200000"}) as monitor:
            monitor.wait_until_up()
            wait_for("READY and WATCHDOG", lambda: hear("READY=1") and hear("WATCHDOG=1"))
            check(heard.index("READY=1") < heard.index("WATCHDOG=1"), "in the wrong order", heard)

            heard.clear()
            write(config, {"targets": [{"host": "127.0.0.2", "port": 2}], "log_file": log})
            monitor.send_signal(signal.SIGHUP)
            wait_for("RELOADING", lambda: hear("RELOADING=1") and hear("READY=1"))
            hosts = [t["host"] for t in monitor.call("/api/targets")[1]["targets"]]
            check(hosts == ["127.0.0.2"], "after SIGHUP there are", hosts)
            write(config, "{ nonsense")
            monitor.send_signal(signal.SIGHUP)
            wait_for("a refusal", lambda: "monitor.json:1:3" in read_text(log))
            hosts = [t["host"] for t in monitor.call("/api/targets")[1]["targets"]]
            check(hosts == ["127.0.0.2"], "after a wrong config there are", hosts)

            os.rename(log, log + ".1")
            monitor.send_signal(signal.SIGUSR1)
            wait_for("another log", lambda: os.path.exists(log))
            monitor.send_signal(signal.SIGHUP)
            wait_for("a line in it", lambda: "monitor.json:1:3" in read_text(log))

            heard.clear()
            monitor.stop()
            wait_for("STOPPING", lambda: hear("STOPPING=1"))
        for name in ("log", "m.db", "m.db.token"):
            mode = os.stat(os.path.join(folder, name)).st_mode & 0o777
            check(mode == 0o600, name, "has mode", oct(mode))


# --- Rights ---

def status_of(process):
    lines = read_text(f"/proc/{process.pid}/status").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_confinement(folder):
    """A log that was moved to another folder behind its back is not written there."""
    inside, outside = os.path.join(folder, "logs"), os.path.join(folder, "outside")
    os.mkdir(inside)
    os.mkdir(outside)
    store = os.path.join(folder, "store")
    os.mkdir(store)
    log = os.path.join(inside, "log")
    with Monitor(store, "--log-file", log) as monitor:
        monitor.wait_until_up()
        check(status_of(monitor)["NoNewPrivs"] == "1", "it could get new privileges")
        if "no Landlock" not in read_text(log):
            os.rename(inside, os.path.join(folder, "moved"))
            os.symlink(outside, inside)
            monitor.send_signal(signal.SIGUSR1)
            moved = os.path.join(folder, "moved", "log")
            wait_for("a refusal", lambda: "cannot log to" in read_text(moved))
            check(not os.listdir(outside), "it has written to", os.listdir(outside))
        monitor.stop()


def test_user(folder):
    """A port that only root may take, and a user that is not root."""
    if os.getuid() != 0:
        return
    user = pwd.getpwnam("nobody")
    os.chmod(folder, 0o755)
    os.chown(folder, user.pw_uid, user.pw_gid)
    address = socket.inet_ntoa((0x7F800000 + os.getpid() % 0x7FFFFF).to_bytes(4, "big"))  # ours
    port = next(port for port in range(1023, 512, -1) if is_free(address, port))
    with Monitor(folder, "--user", "nobody", address=address, port=port) as monitor:
        monitor.wait_until_up()
        status = status_of(monitor)
        check(set(status["Uid"].split()) == {str(user.pw_uid)}, "it runs as", status["Uid"])
        check(set(status["Gid"].split()) == {str(user.pw_gid)}, "it runs as", status["Gid"])
        check("0" not in status["Groups"].split(), "it is in the groups", status["Groups"])
        for name in ("CapEff", "CapPrm", "CapInh"):
            check(int(status[name], 16) == 0, name, "is", status[name])
        for task in os.listdir(f"/proc/{monitor.pid}/task"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                text = read_text(f"/proc/{monitor.pid}/task/{task}/status")
                check("CapEff:\t0000000000000000" in text, "a thread has more rights", text)
        monitor.stop()
    locked = os.path.join(folder, "locked")
    os.mkdir(locked, 0o755)
    result = run("monitor", "--user", "nobody", "--listen", "127.0.0.1:0", "--store",
                 os.path.join(locked, "m.db"))
    lines = [line for line in result.stderr.splitlines() if "Landlock" not in line]
    check(result.returncode in (1, 2) and len(lines) == 1 and locked in lines[0],
          "a store that cannot be written", result)


def is_free(address, port):
    with socket.socket() as test:
        try:
            test.bind((address, port))
        except OSError:
            return False
    return True


# --- Health ---

def ask(monitor, *arguments, **environment):
    return run("monitor", "--ask-health", "--store", "m.db", "--listen", monitor.listen,
               *arguments, cwd=monitor.folder, env={**os.environ, **environment})


def test_ask_health(folder):
    with Monitor(folder) as monitor:
        monitor.wait_until_up()
        well = ask(monitor)
        check(well.returncode == 0 and json.loads(well.stdout)["ok"] is True, "healthy", well)
        wrong = ask(monitor, TRAWL_TOKEN="not-the-token-that-it-has")
        check(wrong.returncode == 1 and "token" in wrong.stdout, "with a wrong token", wrong)
        right = ask(monitor, "--store", "elsewhere.db", TRAWL_TOKEN=monitor.token())
        check(right.returncode == 0, "with the token of the environment", right)
        monitor.stop()
        gone = ask(monitor)
        check(gone.returncode == 1 and monitor.listen in gone.stderr, "when it is gone", gone)
    with Monitor(folder, address="0.0.0.0") as monitor:
        monitor.listen = f"127.0.0.1:{monitor.port}"
        monitor.wait_until_up()
        monitor.listen = f"0.0.0.0:{monitor.port}"
        every = ask(monitor)
        check(every.returncode == 0, "on all addresses", every)


# --- Restarts ---

def test_kill(folder):
    """Killed between two probes: nothing is told twice, nothing is forgotten."""
    with Receiver() as hooks:
        arguments = ("127.0.0.1:1", "--failures", "1", "--webhook", hooks.url)
        with Monitor(folder, *arguments) as monitor:
            monitor.wait_until_up()
            wait_for("the webhook", lambda: hooks.of("tls_unreachable"))
            monitor.settle()
            token = monitor.token()
            monitor.kill()
            check(monitor.wait(HANG_SECONDS) == -signal.SIGKILL, "it was not killed")
        with Monitor(folder, *arguments) as monitor:
            monitor.wait_until_up()
            check(monitor.token() == token, "it has another token")
            target = monitor.call("/api/targets")[1]["targets"][0]
            check(monitor.call("/api/tls/scan", {})[0] == 200, "cannot scan")
            alerts = monitor.call("/api/alerts")[1]["alerts"]
            check(len(alerts) == 1 and alerts[0]["event"] == "tls_unreachable", "alerts", alerts)
            check(target["status"] == "error", "the target is", target)
            monitor.stop()
            check(monitor.said().count("dashboard") == 2 and monitor.said().count("#token=") == 1,
                  "the token is told once", monitor.said())
        check(len(hooks.bodies) == 1, "told twice", hooks.bodies)


def open_events(monitor):
    """A WebSocket reader that says nothing more."""
    client = socket.create_connection(("127.0.0.1", monitor.port), HANG_SECONDS)
    client.sendall((f"GET /api/events HTTP/1.1\r\nHost: {monitor.listen}\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                    f"X-API-Key: {monitor.token()}\r\n\r\n").encode())
    head = b""
    while b"\r\n\r\n" not in head:
        more = client.recv(4096)
        if not more:
            break
        head += more
    check(b" 101 " in head, "the WebSocket is answered", head)
    return client


def test_stop_under_load(folder):
    """Probes that hang, readers that hold on, a scan that waits: it stops in time all the same."""
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("0.0.0.0", 0), backlog=512))
        port = silent.getsockname()[1]
        targets = [f"127.0.{i}.{j}:{port}" for i in range(2) for j in range(1, 100)]
        monitor = stack.enter_context(Monitor(folder, *targets, "--timeout", "300"))
        monitor.wait_until_up()
        stack.enter_context(silent.accept()[0]).recv(1)
        readers = [stack.enter_context(open_events(monitor)) for _ in range(8)]
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", monitor.port)))
                for _ in range(8)]
        scan = threading.Thread(target=monitor.call, args=("/api/tls/scan", {}))
        scan.start()
        wait_for("the scan", lambda: monitor.call("/api/scans/1")[0] == 200)
        monitor.stop()
        scan.join(HANG_SECONDS)
        for client in readers + idle:
            client.settimeout(HANG_SECONDS)
            with contextlib.suppress(ConnectionResetError):
                while client.recv(65536):
                    pass


# --- Certificate Transparency inside ---

def watch_arguments(farm, *more):
    return [f"--watch={argument}" for argument in (
        "--log-list", farm.list_path, "--log-list-key", os.path.join(farm.folder, "log_list.pem"),
        "--from", "0", "--head-interval", "0.2", "--partial-after", "0", *more)]


def most_frequent(truth):
    """The name with a single dot that has the most certificates, at most a dozen."""
    found = collections.defaultdict(set)
    for entry in truth:
        for name in (entry["names"] if entry["parsable"] else []):
            apex = ".".join(name.lower().split(".")[-2:])
            found[apex].add(entry["tbs_sha256"])
    return max((name for name in found if name.isascii() and len(found[name]) <= 12),
               key=lambda name: len(found[name]))


def issuances(truth, name):
    """TBS hashes of certificates that can be read and are for the name or below it."""
    found = set()
    for entry in truth:
        names = [n.lower() for n in entry.get("names") or []]
        if entry["parsable"] and any(n == name or n.endswith("." + name) for n in names):
            found.add(entry["tbs_sha256"])
    return found


def test_transparency(folder):
    with CtFarm("--entries", 400) as farm, Receiver() as hooks:
        truth = farm.truth(0, 400)
        name = most_frequent(truth)
        expected = issuances(truth, name)
        check(len(expected) > 1, "the logs have too little for", name)
        ours = sorted(expected)[0]
        make_known(folder, next(e for e in truth if e.get("tbs_sha256") == ours))
        arguments = ("--webhook", hooks.url, *watch_arguments(farm, "-d", name, "--grace", "0"))
        with Monitor(folder, *arguments) as monitor:
            monitor.wait_until_up()
            wait_for("all webhooks", lambda: len(hooks.bodies) >= len(expected))
            wait_for("the end of the logs", lambda: ct_metric(monitor, "entries_total") >= 800)
            health = monitor.call("/healthz")
            check(health[0] == 200 and health[1]["watch"]["ok"], "health", health)
            compare_hits(monitor, hooks, expected, ours, name)
            monitor.settle()
            monitor.stop()
        # What was told before a restart is not told again, but that one is ours after all.
        show(folder, sorted(expected)[1])
        with Monitor(folder, *arguments) as monitor:
            monitor.wait_until_up()
            wait_for("the logs", lambda: ct_metric(monitor, "connected") >= 2)
            wait_for("its end", lambda: len(hooks.bodies) > len(expected))
            alerts = monitor.call("/api/alerts?state=open&event=ct_unknown_certificate")[1]
            check(len(alerts["alerts"]) == len(expected) - 2, "still open", alerts)
            monitor.stop()
        last = hooks.bodies[len(expected):]
        check([body["state"] for body in last] == ["resolved"], "told after the restart", last)


def make_known(folder, entry):
    """As if a probe had seen the certificate of this entry; there is no key to serve it with."""
    with Monitor(folder) as monitor:
        monitor.wait_until_up().stop()
    database = sqlite3.connect(os.path.join(folder, "m.db"))
    with contextlib.closing(database), database:
        database.execute(
            "INSERT INTO certificates (fingerprint_sha256, serial, tbs_sha256, first_seen,"
            " last_seen) VALUES (?, ?, ?, 1, 1)",
            (bytes(32), entry["serial"], bytes.fromhex(entry["tbs_sha256"])))
    show(folder, entry["tbs_sha256"])


def show(folder, tbs):
    """As if an endpoint had this certificate, which the store has."""
    database = sqlite3.connect(os.path.join(folder, "m.db"))
    with contextlib.closing(database), database:
        database.execute(
            "INSERT INTO endpoints (host, ip, port, protocol, first_seen, last_seen, outcome,"
            " status, certificate) SELECT ?, '', 443, 'tls', 1, 1, 'ok', 'ok', min(id)"
            " FROM certificates WHERE tbs_sha256 = ?", (tbs, bytes.fromhex(tbs)))


def ct_metric(monitor, name):
    text = monitor.call("/metrics")[1] or ""
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines()
               if line.startswith(f"trawl_source_{name}{{"))


def compare_hits(monitor, hooks, expected, ours, name):
    told = {body["tbs_sha256"] for body in hooks.bodies}
    check(told == expected, "told", told, "not", expected)
    for body in hooks.bodies:
        words = [body[key] for key in ("event", "severity", "priority", "verdict", "state")]
        check(words == (["ct_new_certificate", "info", "normal", "info", "told"]
                        if body["tbs_sha256"] == ours else
                        ["ct_unknown_certificate", "critical", "urgent", "suspicious", "open"]),
              "told", body)
        check(body["matched_entries"] == [name], "told", body)
    for event, count in ("ct_unknown_certificate", len(expected) - 1), ("ct_new_certificate", 1):
        alerts = monitor.call(f"/api/alerts?state=all&event={event}")[1]["alerts"]
        check(len(alerts) == count, event, "alerts", alerts)
    hits = monitor.call("/api/ct")[1]["hits"]
    check(len(hits) == len(expected), "the store has", len(hits), "hits")
    counted = f'certwatch_alerts_total{{severity="suspicious"}} {len(expected) - 1}\n'
    wait_for("the last to be counted", lambda: counted in (monitor.call("/metrics")[1] or ""))
    text = monitor.call("/metrics")[1]
    helps = re.findall(r"^# HELP (\S+)", text, re.MULTILINE)
    check(len(helps) == len(set(helps)), "metrics are explained twice", sorted(helps))


def test_silent_feed(folder):
    """A feed that cannot be reached is an alert, until it can."""
    port = free_port()
    with Monitor(folder, f"--watch=ws://127.0.0.1:{port}/", "--watch=-d",
                 "--watch=example.org") as monitor:
        monitor.wait_until_up()
        alert = wait_for("the alert", lambda: monitor.call(
            "/api/alerts?event=feed_stale")[1]["alerts"])[0]
        check(f"127.0.0.1:{port}" in alert["title"], "the alert", alert)
        check(monitor.call("/healthz")[0] == 503, "it says that it is well")
        check(ask(monitor).returncode == 1, "--ask-health says that it is well")
        with CtFarm("--entries", 10, "--port", port):
            wait_for("its end", lambda: not monitor.call(
                "/api/alerts?state=open&event=feed_stale")[1]["alerts"])
        monitor.stop()


FOLDER = sys.argv[1]


def main():
    tests = [value for name, value in sorted(globals().items()) if name.startswith("test_")]
    chosen = [test for test in tests if len(sys.argv) < 3 or test.__name__ == sys.argv[2]]

    def guarded(test):
        folder = tempfile.mkdtemp(prefix="monitor-")
        began = time.monotonic()
        try:
            test(folder)
        except Exception as error:  # so that the others go on
            check(False, test.__name__, "raised", repr(error))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print(f"{test.__name__} {time.monotonic() - began:.1f} s", flush=True)

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(guarded, chosen))
    finish()


main()
