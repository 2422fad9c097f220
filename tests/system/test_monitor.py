"""`trawl monitor` does what RemotePower's TLS monitor and SSL Scout do, and does not fail where they
fail: each of their known defects is a test here.

    python3 test_monitor.py FOLDER [test_NAME]     FOLDER holds tool_dns_server
"""
import calendar
import json
import os
import pathlib
import signal
import sys
import tempfile
import threading
import warnings

from certwatch_support import Postgres, find_postgres, wait_until
from dns_server import Dns
from monitor_support import (Authority, Monitor, Receiver, TlsServer, certificate_of, fingerprint,
                             once, split_smtp)
from support import HANG_SECONDS, Server, check, finish, loopback, refusing_port, run

DEAD = 200
PATIENCE = "60"  # seconds for a server that answers, however busy the machine is


class Site:
    def __init__(self, tools, folder):
        self.tools, self.folder = tools, pathlib.Path(folder)
        self.authority = Authority(folder)
        self.made = 0

    def monitor(self, *arguments, **options):
        self.made += 1
        return Monitor(self.folder / f"monitor{self.made}", "--ca-file", self.authority.file,
                       "--timeout", PATIENCE, *arguments, **options)


def not_after(certificate):
    with warnings.catch_warnings():  # the name of later versions is not there in older ones
        warnings.simplefilter("ignore")
        return certificate.not_valid_after


def equal(got, wanted, *what):
    return check(got == wanted, *what, "is", repr(got)[:600], "and not", repr(wanted)[:600])


# --- Where RemotePower's fails ---

def test_dead_targets_together(site):
    """200 servers that never answer: asked at the same time, each is an error, nothing crashes, and
    one alert each is told, once."""
    with Server(hold=60) as silent, \
            site.monitor("--timeout", "1", *(f"{loopback(i)}:{silent.port}"
                                             for i in range(DEAD))) as monitor:
        equal(monitor.scan(), DEAD, "scanned")
        check(silent.most[None] >= DEAD, "only", silent.most[None], "were asked at once")
        rows = monitor.get("/api/tls/targets")
        equal(len(rows), DEAD, "targets")
        for row in rows:
            equal((row["status"], row["days_left"], row["expires_at"]), ("error", None, None), row)
            check(row["tls_error"] and not row["dns_error"] and row["last_check"], row)
        monitor.scan()
        wait_until("an alert each", lambda: len(
            monitor.alerts(event="tls_unreachable", limit=1000)) >= DEAD)
        monitor.scan()
        equal(len(monitor.alerts(event="tls_unreachable", limit=1000)), DEAD, "alerts")


def test_crossings(site):
    """Scan now, the schedule and a restart tell one crossing once; warn_days raised from outside,
    renewal, change and expiry are told; a webhook that fails is tried again."""
    soon, later = site.authority.make("127.0.0.1", days=10.5), site.authority.make("127.0.0.1")
    with TlsServer(soon) as server, TlsServer(later) as other, Receiver(refused=1) as hook, \
            site.monitor("--webhook", hook.url) as monitor:
        known = monitor.add("127.0.0.1", server.port, label="shop")
        calm = monitor.add("127.0.0.1", other.port)
        monitor.scan()
        told = wait_until("the notice", lambda: hook.of("tls_expiry"))[0]
        monitor.settle()
        equal((told["schema_version"], told["target"], told["state"]), ("1", known, "open"), told)
        check({"event", "ts", "title", "message", "priority"} <= told.keys(), told)
        equal((told["host"], told["port"], int(told["days_left"])), ("127.0.0.1", server.port, 10), told)
        check(hook.attempts == 2, "attempts:", hook.attempts)
        row = monitor.listed()[known]
        equal((row["status"], row["days_left"], row["label"]), ("warning", 10, "shop"), row)
        equal(monitor.listed()[calm]["status"], "ok", "the other")
        monitor.scan()
        monitor.again(signal.SIGKILL)
        monitor.scan()
        monitor.post(f"/api/tls/targets/{calm}", {"warn_days": 90}, method="PUT")
        monitor.scan()
        wait_until("the raised days", lambda: len(hook.of("tls_expiry")) == 2)
        equal([body["target"] for body in hook.of("tls_expiry")], [known, calm], "told")
        server.file = site.authority.make("127.0.0.1", days=80)
        monitor.scan()
        renewed = wait_until("the renewal", lambda: hook.of("tls_renewed"))
        equal([(body["target"], body["state"]) for body in renewed], [(known, "resolved")], "renewed")
        server.file = site.authority.make("127.0.0.1", "127.9.9.9", days=79)
        monitor.scan()
        changed = wait_until("the change", lambda: hook.of("tls_changed"))[0]
        equal(changed["target"], known, changed)
        check("names" in json.dumps(changed), changed)
        server.file = site.authority.make("127.0.0.1", "127.9.9.9", days=-0.5)
        monitor.scan()
        wait_until("the end", lambda: hook.of("tls_expired"))
        monitor.settle()
        row = monitor.listed()[known]
        equal((row["status"], row["days_left"]), ("critical", -1), "expired 12 hours ago:", row)
        order = [target["status"] for target in monitor.get("/api/tls/targets")]
        equal(order, ["critical", "warning"], "order")
        equal(sorted(hook.events()), sorted(["tls_expiry", "tls_changed"] * 2 +
                                             ["tls_renewed", "tls_expired"]), "all notices")


def test_what_is_seen(site):
    """STARTTLS with a split EHLO, SNI and connect address, addresses in certificates, every address
    of a name, and names that do not resolve."""
    zone = "two.test a 127.64.9.1 a 127.64.9.2\n"
    make = site.authority.make
    with Dns(site.tools, zone) as dns, TlsServer(make("mail.test"), split_smtp) as smtp, \
            TlsServer(make("other.test")) as web, \
            site.monitor("--resolver", dns.server) as monitor:
        web.by_name["shop.test"] = make("shop.test")
        web.by_address = {"127.64.9.1": make("two.test", days=50),
                          "127.64.9.2": make("two.test", days=5)}
        mail = monitor.add("mail.test", smtp.port, starttls="smtp", connect_address="127.0.0.1")
        shop = monitor.add("shop.test", web.port, connect_address="127.0.0.1")
        web.by_address["127.64.8.8"] = make("127.64.8.8", "::1")
        bare = monitor.add("127.64.8.8", web.port)
        two = monitor.add("two.test", web.port)
        lost = monitor.add("lost.test", web.port)
        equal(monitor.scan(), 5, "scanned")
        rows = monitor.listed()
        equal((rows[mail]["status"], rows[mail]["hostname_match"], rows[mail]["starttls"]),
              ("ok", True, "smtp"), rows[mail])
        equal((rows[shop]["status"], rows[shop]["san"]), ("ok", ["shop.test"]), rows[shop])
        check("shop.test" in web.names, web.names)
        equal((rows[bare]["hostname_match"], rows[bare]["san"]), (True, ["127.64.8.8", "::1"]),
              rows[bare])
        equal(rows[bare]["verify_error"], "", rows[bare])
        equal(rows[lost]["status"], "error", rows[lost])
        check(rows[lost]["dns_error"] and not rows[lost]["tls_error"], rows[lost])
        equal((rows[two]["status"], rows[two]["addresses"]), ("warning", ["127.64.9.1",
                                                                        "127.64.9.2"]), rows[two])
        seen = monitor.get(f"/api/targets/{two}")
        equal(len(seen["results"]), 2, "results", seen["results"])
        leaf = certificate_of(web.by_name["shop.test"])
        equal(rows[shop]["expires_at"], calendar.timegm(not_after(leaf).timetuple()), rows[shop])
        link = rows[shop]["chain"][0]
        equal(sorted(link), ["expires_at", "issuer", "subject"], link)
        check("CN=shop.test" in link["subject"] and "Monitor Test CA" in link["issuer"], link)
        health = monitor.call("GET", f"/probe?target=127.64.8.8:{web.port}")
        equal(health.status, 200, health.text)
        for metric in ("probe_success", "probe_ssl_earliest_cert_expiry",
                       "probe_ssl_last_chain_expiry_timestamp_seconds",
                       "probe_ssl_last_chain_info", "probe_tls_version_info",
                       "probe_tls_cipher_info"):
            check(f"\n{metric}" in "\n" + health.text, metric, "is not in", health.text)
        check(fingerprint(web.by_address["127.64.8.8"]) in health.text, health.text)


def test_refused(site):
    """RemotePower's errors, word by word."""
    with site.monitor() as monitor:
        words = "invalid target \u2014 host required, port 1-65535"
        for wrong in ({}, {"host": ""}, {"host": "a.test", "port": 0},
                      {"host": "a.test", "port": 65536}, {"port": 443}):
            equal(monitor.post("/api/tls/targets", wrong, 400), {"error": words}, wrong)
        for host in ("169.254.169.254", "224.0.0.1", "0.0.0.0", "fe80::1", "ff02::1",
                     "::ffff:169.254.169.254"):
            monitor.post("/api/tls/targets", {"host": host}, 400)
            monitor.post("/api/tls/targets", {"host": "a.test", "connect_address": host}, 400)
        equal(monitor.post("/api/tls/targets/tls_000000000000", {}, 404, method="PUT"),
              {"error": "target not found"}, "PUT")
        equal(monitor.post("/api/tls/targets/tls_000000000000", None, 404, method="DELETE"),
              {"error": "target not found"}, "DELETE")
        monitor.post("/api/tls/targets", {}, 405, method="PATCH")
        made = monitor.post("/api/tls/targets", {"host": "UPPER.Test", "warn_days": 5,
                                                 "crit_days": 9, "label": "x" * 200})
        check(made["ok"] and len(made["id"]) == 16 and made["id"].startswith("tls_"), made)
        row = monitor.listed()[made["id"]]
        equal((row["host"], row["port"], row["warn_days"], row["crit_days"], row["label"]),
              ("upper.test", 443, 5, 5, "x" * 128), row)
        equal((row["starttls"], row["dane_check"]), ("auto", False), row)
        monitor.post(f"/api/tls/targets/{made['id']}", method="DELETE")
        equal(monitor.get("/api/tls/targets"), [], "after it was deleted")


# --- Where SSL Scout's fails ---

class Block:
    """Of a block's addresses one answers with TLS; the others take connections, and say nothing
    until so many of them have one at the same time. From then on they hang up."""

    def __init__(self, alive, others):
        self.alive, self.others, self.lock = alive, others, threading.Lock()
        self.silent, self.together = 0, threading.Event()

    def __call__(self, connection):
        if connection.getsockname()[0] == self.alive:
            return
        with self.lock:
            self.silent += 1
            if self.silent == self.others:
                self.together.set()
        self.together.wait(HANG_SECONDS)
        with self.lock:
            self.silent -= 1
        raise OSError


def test_dead_network(site):
    """A /24 in which one answers: all are asked together, that one is found, and missed when it is
    away."""
    block = Block("127.64.7.77", 255)
    with TlsServer(site.authority.make("127.64.7.77"), block) as server, site.monitor() as monitor:
        known = monitor.add("127.64.7.0/24", server.port)
        equal(monitor.scan(), 1, "scanned")
        check(block.together.is_set(), "only", block.silent, "were asked at once")
        seen = monitor.get(f"/api/targets/{known}")
        equal([(row["endpoint"], row["status"]) for row in seen["results"]],
              [("127.64.7.77", "ok")], "results")
        block.alive = None
        monitor.scan()
        monitor.scan()
        equal([alert["endpoint"] for alert in monitor.alerts(event="tls_unreachable")],
              ["127.64.7.77"], "unreachable")
        equal(monitor.listed()[known]["status"], "error", "status")


def test_scan_host(site):
    """SSL Scout's command line: a probe that fails ends with an error."""
    holder, closed = refusing_port()
    with holder, TlsServer(site.authority.make("127.0.0.1")) as server:
        done = run("monitor", "--scan-host", "127.0.0.1", "--port", server.port, "--timeout",
                   PATIENCE, env={**os.environ, "TRAWL_CA_FILE": site.authority.file})
        equal(done.returncode, 0, done.stdout, done.stderr)
        check("Monitor Test CA" in done.stdout, done.stdout)
        done = run("monitor", "--scan-host", "127.0.0.1", "--port", closed)
        check(done.returncode not in (0, None), done.returncode, done.stdout, done.stderr)


SCOUT = """{
  "api_key": "YOUR_API_KEY_HERE",
  "api_endpoint": "%s",
  "scan_interval": 3600,
  "targets": [
    {"host": "127.0.0.1", "port": %d},
    {"host": "127.0.0.1", "port": %d}
  ],
  "alert_days_before_expiry": [30, 14, 7, 1],
  "log_file": "%s",
  "websocket_alerts": true,
  "timeout": 10
}
"""


def test_config(site):
    """SSL Scout's file, --once, SIGHUP, --generate-config."""
    made = site.authority.make
    with TlsServer(made("127.0.0.1", days=20)) as server, TlsServer(made("127.0.0.1")) as other, \
            Receiver() as hook:
        config = site.folder / "scout.json"
        text = SCOUT.replace('"api_endpoint": "%s",\n', "").replace(
            '"log_file": "%s"', '"webhook": ["%s"]') % (server.port, other.port, hook.url)
        config.write_text(text, encoding="ascii")
        folder = site.folder / "once"
        folder.mkdir()
        for _ in range(2):
            done = once(folder, "--config", config, "--ca-file", site.authority.file)
            equal(done.returncode, 0, done.stderr)
            check("2 of 2 targets were probed" in done.stderr, done.stderr)
        equal([(body["event"], body["days_left"]) for body in hook.bodies],
              [("tls_expiry", 20)] if hook.bodies and hook.bodies[0]["days_left"] == 20 else
              [("tls_expiry", 19)], "notices of two runs")
        with site.monitor("--config", config) as monitor:
            wait_until("both", lambda: all(row["last_check"] for row in monitor.listed().values()))
            rows = monitor.listed()
            equal(len(rows), 2, rows)
            one = next(iter(rows))
            equal(monitor.post(f"/api/tls/targets/{one}", {"label": "x"}, 409, method="PUT"),
                  {"error": "this target stands in the config file"}, "PUT")
            config.write_text(text.replace(f'"port": {other.port}',
                                           f'"port": {other.port}, "label": "second"').replace(
                f'{{"host": "127.0.0.1", "port": {server.port}}},', ""), encoding="ascii")
            monitor.process.send_signal(signal.SIGHUP)
            wait_until("the new config", lambda: [row["label"] for row in monitor.listed().values()]
                       == ["second"])
            config.write_text("{ nonsense", encoding="ascii")
            monitor.process.send_signal(signal.SIGHUP)
            wait_until("the refusal", lambda: "the config is not taken" in monitor.text())
            check(f"{config}:1:3: " in monitor.text(), monitor.text())
            equal(len(monitor.listed()), 1, "targets")
    sample = site.folder / "sample.json"
    sample.write_text(run("monitor", "--generate-config").stdout, encoding="utf-8")
    done = once(folder, "--config", sample)
    equal(done.returncode, 0, "the sample:", done.stderr)


def test_scout_certificates(site):
    """SSL Scout's queries: dates that are dates, names and key of a certificate, alerts."""
    with TlsServer(site.authority.make("shop.test", "127.0.0.1", days=6)) as server, \
            site.monitor() as monitor:
        monitor.add("127.0.0.1", server.port)
        monitor.scan()
        key = {"X-API-Key": monitor.token}

        def get(path):
            return monitor.get(path, token=None, headers=key)
        found = wait_until("the certificate", lambda: get(
            "/api/sslscout/certificates?expiring_within=30")["certificates"])[0]
        equal(get("/api/sslscout/certificates?expiring_within=1")["certificates"], [], "in a day")
        equal(get("/api/sslscout/certificates?host=nowhere")["certificates"], [], "elsewhere")
        equal(sorted(found), sorted([
            "scan_host", "scan_port", "scan_timestamp", "subject", "issuer", "validity",
            "serial_number", "version", "signature_algorithm", "fingerprints",
            "subject_alternative_names", "key_info", "is_self_signed", "raw_certificate"]), found)
        leaf = certificate_of(server.file)
        equal(found["validity"]["not_after"][:19], not_after(leaf).isoformat()[:19], found)
        for name in ("not_before", "not_after"):
            check(found["validity"][name].endswith("Z") and "+" not in found["validity"][name],
                  found["validity"])
        equal(found["fingerprints"]["sha256"], fingerprint(server.file), found)
        equal(found["subject_alternative_names"], [{"type": "DNS", "value": "shop.test"},
                                                   {"type": "IP", "value": "127.0.0.1"}], found)
        equal((found["subject"]["common_name"], found["issuer"]["organization"],
               found["key_info"]["size"], found["version"], found["is_self_signed"]),
              ("shop.test", "Tests", 256, 3, False), found)
        alert = get("/api/sslscout/alerts?unread=true")["alerts"][0]
        equal((alert["scan_host"], alert["scan_port"]), ("127.0.0.1", server.port), alert)
        monitor.post(f"/api/sslscout/alerts/{alert['id']}/acknowledge", token=None, headers=key)
        equal(get("/api/sslscout/alerts?unread=true")["alerts"], [], "unread")
        equal(get("/api/sslscout/alerts")["alerts"][0]["acknowledged"], True, "all")


# --- Both stores ---

def test_postgresql(site):
    """The same on PostgreSQL: targets, crossings, restart, results."""
    if not find_postgres():
        print("no PostgreSQL here")
        return
    with tempfile.TemporaryDirectory() as folder, Postgres(folder) as postgres, \
            TlsServer(site.authority.make("127.0.0.1", days=5)) as server, Receiver() as hook:
        postgres.run("CREATE DATABASE monitor")
        with site.monitor("--webhook", hook.url, "--resolver", "127.0.0.1:9",
                          store=postgres.dsn("monitor")) as monitor:
            known = monitor.add("127.0.0.1", server.port, tags=["web", "pg"])
            monitor.add("127.64.3.0/30", server.port)
            monitor.post(f"/api/tls/targets/{known}", {"label": "shop"}, method="PUT")
            equal(monitor.scan(), 2, "scanned")
            wait_until("the notice", lambda: hook.of("tls_expiry"))
            monitor.settle()
            monitor.again()
            monitor.scan()
            server.file = site.authority.make("127.0.0.1", days=50)
            monitor.scan()
            wait_until("the renewal", lambda: [body for body in hook.of("tls_renewed")
                                               if body["target"] == known])
            equal(len([body for body in hook.of("tls_expiry") if body["target"] == known]), 1,
                  "crossings")
            row = monitor.listed()[known]
            equal((row["status"], row["hostname_match"], row["label"]), ("ok", True, "shop"), row)
            page = monitor.get("/api/targets?tag=pg&q=127.0")
            equal([target["id"] for target in page["targets"]], [known], page)
            equal(len(monitor.get("/api/certificates")["certificates"]), 2, "certificates")
            equal(sum(day["count"] for day in monitor.get("/api/expiry?days=90")), 1, "in 90 days")
            check(monitor.get("/api/health")["ok"], "health")
            check("tls_scan" in json.dumps(monitor.get("/api/audit")), "audit")


def main():
    tools = sys.argv[1]
    tests = [test for name, test in sorted(globals().items()) if name.startswith("test_") and
             (len(sys.argv) < 3 or name in sys.argv[2:])]
    for test in tests:
        with tempfile.TemporaryDirectory() as folder:
            test(Site(tools, folder))
    finish()


if __name__ == "__main__":
    main()
