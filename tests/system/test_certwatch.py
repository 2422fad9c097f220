"""`trawl watch` in certwatch's place: its environment, its tables in a real PostgreSQL, its
webhook, its pages; and what certwatch itself gets wrong.

    python3 test_certwatch.py FOLDER     $TRAWL is the program
"""
import concurrent.futures
import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import sys
import tempfile
import time

from support import HANG_SECONDS, SKIPPED, check, command, finish

try:
    from certwatch_support import (CERTWATCH_TABLES, Authority, FeedServer, Postgres, Receiver,
                                   find_postgres, get, message_of, wait_until, with_colons)
except ImportError:
    print("no python3-cryptography: apt-get install python3-cryptography")
    sys.exit(SKIPPED)
from servers import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRECERT, FINAL = "PrecertLogEntry", "X509LogEntry"
SITES = 5  # at once; most of the time goes into waiting
CA = Authority()


def written(file):
    """What the program has written so far. It shares our place in the file, which must not move."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode()


class Watch:
    """trawl watch with certwatch's environment; it hears signals, and its feed is connected."""

    def __init__(self, site, *arguments, port=None, **environment):
        self.port = port or free_port()
        values = {"POSTGRES_DSN": site.dsn(), "CERTSTREAM_URL": site.feed.url,
                  "WEBHOOK_URL": site.receiver.url, "API_PORT": str(self.port),
                  "SUSPICIOUS_GRACE_S": "0.1", "WATCH_REFRESH_INTERVAL_S": "0.1", **environment}
        clean = {k: v for k, v in os.environ.items() if k not in values}
        self.errors = tempfile.TemporaryFile()
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command("watch", *arguments), stdin=subprocess.DEVNULL, stdout=self.output,
            stderr=self.errors, env={**clean, **{k: v for k, v in values.items() if v is not None}})
        self.wait_connected()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.has_ended():
            self.end()
        self.errors.close()
        self.output.close()

    def has_ended(self):
        return self.process.poll() is not None

    def wait_connected(self):
        wait_until("the feed", lambda: self.health()[1].get("connected") or self.has_ended())
        check(not self.has_ended(), "it has ended:", self.said())

    def page(self, path):
        """Status and text; asked for again when it was cut off."""
        def ask():
            answer = get(f"http://127.0.0.1:{self.port}{path}")
            return answer if answer[0] or self.has_ended() else None
        return wait_until(path, ask) or (0, "")

    def health(self):
        status, text = self.page("/healthz")
        return status, json.loads(text) if text else {}

    def metrics(self):
        """Values by name with labels."""
        lines = self.page("/metrics")[1].splitlines()
        return {name: float(value) for name, _, value in
                (line.rpartition(" ") for line in lines if not line.startswith("#"))}

    def wait_noted(self, count):
        """Until so many alerts have been delivered, and no other is left."""
        def has_noted():
            metrics = self.metrics()
            return metrics["trawl_watch_delivered_total"] == count and \
                metrics["trawl_watch_untold"] == metrics["trawl_watch_pending"] == 0
        wait_until(f"{count} are noted", has_noted)

    def said(self):
        return written(self.errors)

    def shown(self):
        """The records in whole lines."""
        return [json.loads(line) for line in written(self.output).split("\n")[:-1]]

    def end(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        return self.process.wait(HANG_SECONDS)


class Site:
    """What a watch has around it: a database, a feed, a receiver of webhooks."""

    def __init__(self, postgres, database, feed, receiver):
        self.postgres, self.database = postgres, database
        self.feed, self.receiver = feed, receiver

    def dsn(self, **options):
        return self.postgres.dsn(**{"database": self.database, **options})

    def run(self, text):
        return self.postgres.run(text, self.database)

    def alerts(self):
        return self.postgres.alerts(self.database)

    def clear(self, *names, tables=CERTWATCH_TABLES):
        self.run(tables + "".join(f"INSERT INTO public.intent_current VALUES ('{name}');"
                                  for name in names))
        self.receiver.events.clear()
        self.receiver.status = 200

    def know(self, issuance, serial=None):
        begin, end = issuance.times()
        self.run("INSERT INTO public.certs(fingerprint_sha1, serial, not_before, not_after) VALUES "
                 f"('{issuance.sha1()}', '{serial}', {begin}, {end})")

    def alert_of(self, issuance):
        hashes = (issuance.sha1(PRECERT), issuance.sha1())
        return [a for a in self.alerts() if a["fingerprint"] in hashes]

    def wait_delivered(self, issuance):
        return wait_until(f"a delivered row of {issuance.names}",
                          lambda: [a for a in self.alert_of(issuance) if a["delivered"]])


def with_trawls_tables():
    return CERTWATCH_TABLES + (ROOT / "tools/certwatch.sql").read_text(encoding="ascii")


# --- certwatch's own smoke test, and what it gets wrong ---

def check_payload(event, issuance, message):
    begin, end = issuance.times()
    data = message["data"]
    expected = {
        "fingerprint_sha1": issuance.sha1(data["update_type"]), "severity": "suspicious",
        "matched_entries": ["example.org"], "matched_sans": ["www.example.org"],
        "all_sans": ["www.example.org", "other.test"], "issuer_o": "Honest Trust",
        "issuer_cn": "Honest CA 1", "not_before": begin, "not_after": end, "lifetime_days": 90.0,
        "source_log": "Test 'Log2026'", "cert_link": data["cert_link"],
        "serial": f"{issuance.serial:X}".zfill(2 * (len(f"{issuance.serial:X}") + 1 >> 1)),
        "update_type": data["update_type"], "seen_at": int(data["seen"]),
        "tbs_sha256": issuance.tbs_sha256,
    }
    for key, value in expected.items():
        check(event.get(key) == value, key, event.get(key), "and not", value)


def check_smoke(site, tables, sends_der=True):
    unauthorised = CA.issue("www.example.org", "other.test")
    known = CA.issue("known.example.org")
    unwatched = CA.issue("www.example.com", "example.org.test")
    twice, own, late = (CA.issue(f"{name}.example.org") for name in ("twice", "own", "late"))
    colons, last = CA.issue("colons.example.org"), CA.issue("last.example.org")
    site.clear("example.org", tables=tables)
    site.know(known)
    site.know(own, serial=f"00{own.serial:x}")
    site.run("INSERT INTO public.certs(fingerprint_sha1) VALUES "
                      f"('{with_colons(colons.sha1())}')")
    with Watch(site) as watch:
        message = message_of(unauthorised, with_der=sends_der)
        site.feed.send(message)
        event = site.receiver.wait_for(unauthorised)
        if sends_der:
            check_payload(event, unauthorised, message)
        check(event.get("severity") == "suspicious", event)
        row = site.wait_delivered(unauthorised)[0]
        check(row["severity"] == "suspicious" and row["matched"] == ["example.org"] and
              row["sans"] == ["www.example.org", "other.test"] and
              row["issuer"] == "Honest CA 1" and row["seen_at"] == int(message["data"]["seen"]), row)
        for issuance in (known, colons):
            site.feed.send(issuance, with_der=sends_der)
            event = site.receiver.wait_for(issuance)
            check(event.get("severity") == "info", event)
            check(site.wait_delivered(issuance)[0]["severity"] == "info", "a row of info")
        site.feed.send(unwatched, with_der=sends_der)
        # Both at once: one event.
        site.feed.send(twice, PRECERT, with_der=sends_der)
        site.feed.send(twice, FINAL, with_der=sends_der)
        site.feed.send(twice, PRECERT, with_der=sends_der)
        check(site.receiver.wait_for(twice).get("severity") == "suspicious", "one issuance")
        site.feed.send(twice, FINAL, with_der=sends_der)
        # The renewal is in the inventory by its certificate; its precertificate comes first.
        site.feed.send(own, PRECERT, with_der=sends_der)
        event = site.receiver.wait_for(own)
        check(event.get("severity") == "info" and event.get("update_type") == PRECERT, event)
        # It is put into the inventory while its precertificate waits, without a serial number.
        with_grace = CA.issue("grace.example.org")
        site.feed.send(last, with_der=sends_der)
        site.receiver.wait_for(last)
        for issuance in (unauthorised, known, twice, own, last):
            check(len(site.receiver.of(issuance)) == 1, "events of", issuance.names,
                  len(site.receiver.of(issuance)))
            check(len(site.alert_of(issuance)) == 1, "rows of", issuance.names)
        watch.wait_noted(6)
        check(not site.receiver.of(unwatched) and not site.alert_of(unwatched), "unwatched names")
        check_pages(watch)
        check(watch.end() == 130, "its end", watch.said())
    with Watch(site, SUSPICIOUS_GRACE_S="120") as watch:
        site.feed.send(late, PRECERT, with_der=sends_der)
        wait_until("it waits", lambda: watch.metrics()["trawl_watch_pending"] == 1)
        site.run(f"INSERT INTO public.certs(fingerprint_sha1) VALUES ('{late.sha1()}')")
        site.feed.send(late, FINAL, with_der=sends_der)
        check(site.receiver.wait_for(late).get("severity") == "info", "the certificate is known")
        # The inventory learns of a precertificate's certificate within the grace period.
        site.feed.send(with_grace, PRECERT, with_der=sends_der)
        wait_until("it waits", lambda: watch.metrics()["trawl_watch_pending"] == 1)
        site.know(with_grace, serial=with_colons(f"{with_grace.serial:040X}"))
        event = site.receiver.wait_for(with_grace)
        check(event.get("severity") == "info", event)


def check_pages(watch):
    status, health = watch.health()
    check(status == 200 and health["ok"] is True and health["watch_entries"] == 1, health)
    check(abs(health["last_ct_event_at"] - time.time()) < HANG_SECONDS, health)
    metrics = watch.metrics()
    text = watch.page("/metrics")[1]
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    for name, kind in {
            "certwatch_ct_messages_total": "counter", "certwatch_alerts_total": "counter",
            "certwatch_webhook_total": "counter", "certwatch_webhook_duration_seconds": "histogram",
            "certwatch_watch_entries": "gauge", "certwatch_ws_connected": "gauge",
            "certwatch_last_ct_event_timestamp_seconds": "gauge",
            "certwatch_dedupe_cache_size": "gauge"}.items():
        check(types.get(name) == kind, name, types.get(name))
    for name, value in {
            'certwatch_ct_messages_total{type="certificate_update"}': 10,
            'certwatch_alerts_total{severity="info"}': 3,
            'certwatch_alerts_total{severity="suspicious"}': 3,
            'certwatch_webhook_total{result="success"}': 6,
            'certwatch_webhook_total{result="failure"}': 0,
            "certwatch_webhook_duration_seconds_count": 6,
            'certwatch_webhook_duration_seconds_bucket{le="+Inf"}': 6,
            "certwatch_watch_entries": 1, "certwatch_ws_connected": 1,
            "certwatch_dedupe_cache_size": 6, "trawl_watch_pending": 0, "trawl_watch_untold": 0,
            "trawl_watch_delivered_total": 6}.items():
        check(metrics.get(name) == value, name, metrics.get(name), "and not", value)
    buckets = re.findall(r'duration_seconds_bucket\{le="([^"]+)"', text)
    check(buckets == ["0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "+Inf"] or
          (buckets[0] == "0.05" and buckets[-2:] == ["30", "+Inf"]), buckets)


def check_names(site):
    """What stands in intent_current, and what it matches."""
    cases = {"*.wild.test": "a.wild.test", "münchen.test": "www.xn--mnchen-3ya.test",
             "xn--bcher-kva.test": "xn--bcher-kva.test", "UPPER.test.": "*.upper.test",
             "deep.below.test": "*.below.test"}
    site.clear(*cases, "a.*.inner.test", "localhost", "empty..label.test")
    with Watch(site) as watch:
        check("3 rows of public.intent_current are no names" in watch.said(), watch.said())
        check(watch.metrics()["certwatch_watch_entries"] == len(cases), watch.metrics())
        issuances = {entry: CA.issue(name) for entry, name in cases.items()}
        for issuance in issuances.values():
            site.feed.send(issuance)
        for entry, issuance in issuances.items():
            event = site.receiver.wait_for(issuance)
            check(event.get("matched_entries") == [entry], event)
        site.run("INSERT INTO public.intent_current VALUES ('more.test')")
        wait_until("another list", lambda: watch.metrics()["certwatch_watch_entries"] == 6)
        check(watch.said().count("are no names") == 1, "once", watch.said())


def check_reload(site):
    site.clear()
    before, after, gone = (CA.issue(f"{name}.example.org") for name in ("before", "after", "gone"))
    with Watch(site) as watch:
        check("public.intent_current has no name to watch yet" in watch.said(), watch.said())
        site.feed.send(before)
        received = 'certwatch_ct_messages_total{type="certificate_update"}'
        wait_until("it has come", lambda: watch.metrics()[received] == 1)
        site.run("INSERT INTO public.intent_current VALUES ('example.org')")
        wait_until("the new list", lambda: watch.metrics()["certwatch_watch_entries"] == 1)
        site.feed.send(after)
        site.receiver.wait_for(after)
        check(not site.receiver.of(before), "before it was watched")
        # An empty list never takes the place of one; and that is told, at /healthz too.
        site.run("TRUNCATE public.intent_current")
        wait_until("503", lambda: watch.health()[0] == 503)
        site.feed.send(gone)
        site.receiver.wait_for(gone)
        site.run("INSERT INTO public.intent_current VALUES ('example.org'), ('b.test')")
        wait_until("200", lambda: watch.health()[0] == 200)
        check(watch.metrics()["certwatch_watch_entries"] == 2, "two names")


# --- Outages ---

def check_database_outage(folder):
    with Postgres(folder) as postgres, FeedServer() as feed, Receiver() as receiver:
        check_outage_of(Site(postgres, "postgres", feed, receiver))


def check_outage_of(site):
    site.clear("example.org")
    issuances = [CA.issue(f"n{i}.example.org") for i in range(20)]
    with Watch(site) as watch:
        first = CA.issue("first.example.org")
        site.feed.send(first)
        site.wait_delivered(first)
        site.postgres.stop()
        for issuance in issuances[:10]:
            site.feed.send(issuance)
        wait_until("503", lambda: watch.health()[0] == 503)
        wait_until("the database", lambda: watch.health()[1]["database_ok"] is False)
        for issuance in issuances[10:]:
            site.feed.send(issuance)
        wait_until("they wait", lambda: watch.metrics()["trawl_watch_pending"] == len(issuances))
        check(len(site.receiver.events) == 1, "nothing without a look into the inventory")
        site.postgres.start()
        for issuance in issuances:
            site.receiver.wait_for(issuance)
            check(site.wait_delivered(issuance), "a row")
        order = [e["matched_sans"][0] for e in site.receiver.events[1:]]
        check(order == [i.names[0] for i in issuances], "the order", order)
        wait_until("200", lambda: watch.health()[0] == 200)
        check(watch.said().count("the database works again") == 1, watch.said())
        check(Postgres.PASSWORD not in watch.said(), "the password")


def check_feed_outage(site):
    site.clear("example.org")
    with Watch(site) as watch:
        wait_until("200", lambda: watch.health()[0] == 200)
        site.feed.down()
        wait_until("503", lambda: watch.health()[0] == 503)
        check(watch.metrics()["certwatch_ws_connected"] == 0, "a metric")
        check(watch.health()[1]["ok"] is False, watch.health())
        site.feed.up()
        issuance = CA.issue("back.example.org")
        site.feed.send(issuance)
        site.receiver.wait_for(issuance)
        wait_until("200", lambda: watch.health()[0] == 200)
        check(watch.metrics()["certwatch_ws_connected"] == 1, "a metric")


def check_webhook_outage(site):
    """The row says that it is not delivered, until it is."""
    site.clear("example.org")
    site.receiver.status = 500
    issuance, later = CA.issue("down.example.org"), CA.issue("later.example.org")
    output = f"webhook+{site.receiver.url}#retries=1,backoff=50ms"
    with Watch(site, "-o", output, WEBHOOK_URL=None) as watch:
        site.feed.send(issuance)
        failures = 'certwatch_webhook_total{result="failure"}'
        wait_until("a failure", lambda: watch.metrics()[failures])
        check([a["delivered"] for a in site.alert_of(issuance)] == [False], "not delivered")
        check(watch.health()[0] == 200, "an outage of others")
        site.receiver.status = 200
        site.feed.send(later)
        site.receiver.wait_for(later)
        site.receiver.wait_for(issuance)
        check(site.wait_delivered(issuance), "delivered")
        site.wait_delivered(later)
        check(len(site.receiver.of(issuance)) == 1 and len(site.alert_of(issuance)) == 1, "once")


# --- Restarts ---

def check_restart(site, *arguments, ends=(signal.SIGTERM, signal.SIGKILL)):
    site.clear("example.org", tables=with_trawls_tables())
    told, unknown = CA.issue("told.example.org"), CA.issue("new.example.org")
    with Watch(site, *arguments) as watch:
        site.feed.send(told, PRECERT)
        site.wait_delivered(told)
        wait_until("all is noted", lambda: watch.metrics()["trawl_watch_untold"] == 0)
        watch.end(ends[0])
    for number, end in enumerate(ends[1:]):
        with Watch(site, *arguments) as watch:
            fresh = CA.issue(f"fresh{number}.example.org")
            for update in (FINAL, PRECERT):
                site.feed.send(told, update)
            site.feed.send(fresh)
            site.wait_delivered(fresh)
            wait_until("all is noted", lambda: watch.metrics()["trawl_watch_untold"] == 0)
            check(watch.metrics()['certwatch_alerts_total{severity="suspicious"}'] == 1,
                  "what was told before counts no more")
            watch.end(end)
    with Watch(site, *arguments) as watch:
        site.feed.send(told, FINAL)
        site.feed.send(unknown)
        site.wait_delivered(unknown)
        check(len(site.receiver.of(told)) == 1, "told again:", len(site.receiver.of(told)))
        check(len(site.alert_of(told)) == 1, "one row")


def check_killed_while_down(site, folder):
    """Killed with alerts that the webhook has not taken: with a state they are told later."""
    site.clear("example.org")
    site.receiver.status = 503
    issuances = [CA.issue(f"k{i}.example.org") for i in range(5)]
    state = ["--state", os.path.join(folder, "killed.db")]
    with Watch(site, *state) as watch:
        for issuance in issuances:
            site.feed.send(issuance)
        wait_until("all have a verdict", lambda: watch.metrics()["trawl_watch_untold"] == 5)
        watch.end(signal.SIGKILL)
    site.receiver.status = 200
    with Watch(site, *state) as watch:
        for issuance in issuances:
            site.receiver.wait_for(issuance)
            check(len(site.wait_delivered(issuance)) == 1, "a row")


# --- Settings ---

def check_observer(site):
    """Without a webhook records are shown, and count as delivered to nobody."""
    site.clear("example.org")
    issuance = CA.issue("seen.example.org")
    with Watch(site, WEBHOOK_URL=None) as watch:
        site.feed.send(issuance)
        wait_until("all is noted", lambda: watch.metrics()["trawl_watch_delivered_total"] == 1)
        wait_until("a record", watch.shown)
        check([r["verdict"] for r in watch.shown()] == ["suspicious"], watch.shown())
        check([a["delivered"] for a in site.alert_of(issuance)] == [False], site.alerts())


def check_retention(site):
    site.clear("example.org")
    now = int(time.time())
    for age, name in ((4000, "old"), (100, "young")):
        site.run("INSERT INTO public.alerts(fingerprint, seen_at, delivered) VALUES "
                          f"('{name}', {now - age}, true)")
    with Watch(site, ALERT_RETENTION_S="3600", CLEANUP_INTERVAL_S="1") as watch:
        wait_until("the old alert goes", lambda: len(site.alerts()) == 1)
        check(site.alerts()[0]["fingerprint"] == "young", site.alerts())
        site.run("INSERT INTO public.alerts(fingerprint, seen_at) SELECT 'many', 1 FROM "
                          "generate_series(1, 12000)")
        wait_until("all old alerts go", lambda: len(site.alerts()) == 1)
        check(watch.health()[0] == 200, watch.health(), watch.said())


def check_options_win(site):
    site.clear("example.org")
    port = free_port()
    issuance, other = CA.issue("www.option.test"), CA.issue("www.example.org")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "hits.jsonl")
        with Watch(site, "-d", "option.test", "--grace", "0", "--listen", f"127.0.0.1:{port}", "-o",
                   path, port=port, SUSPICIOUS_GRACE_S="3600", API_PORT="1") as watch:
            site.feed.send(other)
            site.feed.send(issuance)
            lines = wait_until("a record", lambda: path.read_text(encoding="utf-8").rpartition(
                "\n")[0])
            check("www.option.test" in lines and "www.example.org" not in lines, lines)
            arguments = pathlib.Path(f"/proc/{watch.process.pid}/cmdline").read_bytes().decode()
            check(Postgres.PASSWORD not in arguments, "the password in the arguments")
            site.wait_delivered(issuance)
        check(not site.receiver.of(issuance) and not site.receiver.of(other),
              "the webhook of the environment")


def run_with(site, *arguments, **environment):
    values = {"POSTGRES_DSN": site.dsn(), "CERTSTREAM_URL": site.feed.url, **environment}
    return subprocess.run(command("watch", *arguments), capture_output=True, text=True,
                          timeout=HANG_SECONDS, check=False, env={**os.environ, **values})


def check_bad_values(site):
    site.clear("example.org")
    for name, value in {
            "API_PORT": "70000", "WEBHOOK_URL": "ftp://x/y",
            "WEBHOOK_TIMEOUT_S": "soon", "CLEANUP_INTERVAL_S": "-1", "ALERT_RETENTION_S": "x",
            "SUSPICIOUS_GRACE_S": "1e9", "WATCH_REFRESH_INTERVAL_S": "0", "LOG_LEVEL": "LOUD",
            "CERTSTREAM_URL": "gopher://x"}.items():
        done = run_with(site, **{name: value})
        known_by = {"CERTSTREAM_URL": "is no source"}.get(name, name)
        check(done.returncode == 2 and known_by in done.stderr and done.stderr.count("\n") == 1,
              name, done.returncode, done.stderr)
    done = run_with(site, API_HOST="192.0.2.1")
    check(done.returncode == 1 and "cannot listen on 192.0.2.1:8765" in done.stderr, done.stderr)
    secret = "s3cr3t-pass"
    for dsn in (f"postgresql//user:{secret}@host/db", f"host=x password={secret} nonsense",
                f"postgresql://u:{secret}@h/db?x=y",
                f"postgresql://postgres:{secret}@127.0.0.1:port/db"):
        done = run_with(site, POSTGRES_DSN=dsn)
        check(done.returncode == 2 and "DSN" in done.stderr and secret not in done.stderr, dsn,
              done.returncode, done.stderr)
    for dsn in (f"postgresql://postgres:{secret}@127.0.0.1:{free_port()}/db",
                site.dsn(password=secret), site.dsn(database="no_such_database")):
        done = run_with(site, POSTGRES_DSN=dsn)
        check(done.returncode == 1 and "PostgreSQL" in done.stderr and secret not in done.stderr and
              Postgres.PASSWORD not in done.stderr, dsn, done.returncode, done.stderr)
    site.run("DROP TABLE public.certs")
    done = run_with(site)
    check(done.returncode == 1 and "public.certs" in done.stderr and
          "tools/certwatch.sql" in done.stderr, done.stderr)
    done = run_with(site, POSTGRES_DSN="")
    check(done.returncode == 2, done.returncode, done.stderr)


def check_quiet(site):
    site.clear("example.org")
    for level, is_quiet in (("info", False), ("WARNING", True), ("ERROR", True)):
        with Watch(site, LOG_LEVEL=level) as watch:
            wait_until("200", lambda: watch.health()[0] == 200)
            watch.end()
            check((watch.said() == "") == is_quiet, level, watch.said())


def check_poisonous(site):
    """A name that the database's encoding does not know silences nobody."""
    site.run("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    site = Site(site.postgres, "latin", site.feed, site.receiver)
    site.clear("example.org")
    poison, after = CA.issue("poison.example.org"), CA.issue("after.example.org")
    message = message_of(poison, with_der=False)
    message["data"]["leaf_cert"]["all_domains"].append("中文.example.org")
    with Watch(site) as watch:
        for nonsense in ({}, {"message_type": "certificate_update"}, {"data": "\0"},
                         {"message_type": "certificate_update", "data": {"leaf_cert": {
                             "all_domains": ["zero\0.example.org", "\udc80.example.org"]}}}):
            site.feed.send(nonsense)
        site.feed.send(message)
        site.feed.send(after)
        site.receiver.wait_for(after)
        site.receiver.wait_for(poison)
        wait_until("all is noted", lambda: watch.metrics()["trawl_watch_untold"] == 0)
        fingerprints = [alert["fingerprint"] for alert in site.alerts()]
        check(after.sha1() in fingerprints and poison.sha1() not in fingerprints, fingerprints)
        check(watch.health()[0] == 200, watch.health(), watch.said())
        check("PostgreSQL: a query failed" in watch.said(), watch.said())


def check_schema(site):
    """tools/certwatch.sql makes the tables, and leaves those that are there as they are."""
    site.clear("example.org")
    site.run("INSERT INTO public.alerts(fingerprint, seen_at) VALUES ('x', 1)")
    own = (ROOT / "tools/certwatch.sql").read_text(encoding="ascii")
    for _ in range(2):
        site.run(own)
    check(len(site.alerts()) == 1 and "tbs_sha256" in site.alerts()[0],
          site.alerts())
    site.run("DROP TABLE public.intent_current, public.certs, public.alerts;" + own)
    known = CA.issue("tbs.example.org")
    site.run("INSERT INTO public.intent_current VALUES ('example.org'); INSERT INTO "
                      "public.certs(fingerprint_sha1, tbs_sha256) VALUES ('by its TBS alone', "
                      f"'{known.tbs_sha256.upper()}')")
    site.receiver.events.clear()
    with Watch(site):
        site.feed.send(known, PRECERT)
        event = site.receiver.wait_for(known)
        check(event.get("severity") == "info" and event.get("known_by") == "tbs_sha256", event)
        check(site.wait_delivered(known)[0]["tbs_sha256"] == known.tbs_sha256, "its TBS")


# --- All of them ---

def jobs_of(folder):
    """What is checked on any site; the longest first."""
    return [
        lambda site: check_smoke(site, CERTWATCH_TABLES, sends_der=False),
        lambda site: check_smoke(site, CERTWATCH_TABLES),
        lambda site: check_smoke(site, with_trawls_tables()),
        check_webhook_outage, check_restart,
        lambda site: check_restart(site, "--state", os.path.join(folder, "watch.db")),
        check_names, check_reload, check_feed_outage, check_retention, check_schema,
        lambda site: check_killed_while_down(site, folder),
        check_poisonous, check_quiet, check_observer, check_bad_values, check_options_win,
    ]


def work_off(jobs, postgres, database):
    postgres.run(f"CREATE DATABASE {database}")
    with FeedServer() as feed, Receiver() as receiver:
        site = Site(postgres, database, feed, receiver)
        while True:
            try:
                job = jobs.get_nowait()
            except queue.Empty:
                return
            job(site)


def main():
    if not find_postgres():
        print("no PostgreSQL: apt-get install postgresql")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory(prefix="certwatch-") as folder, \
            Postgres(folder) as postgres, concurrent.futures.ThreadPoolExecutor(SITES + 1) as pool:
        jobs = queue.Queue()
        for job in jobs_of(folder):
            jobs.put(job)
        second = os.path.join(folder, "second")
        os.mkdir(second)
        running = [pool.submit(check_database_outage, second)]
        running += [pool.submit(work_off, jobs, postgres, f"site{i}") for i in range(SITES)]
        for future in running:
            future.result()
    finish()


main()
