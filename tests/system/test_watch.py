"""`trawl watch` against logs and feeds that behave and that do not: every entry once, in order; hits
as the farm's own code knows them; what a log does wrong is found out.

    python3 test_watch.py FOLDER     $TRAWL_BUILD holds bench-ctserver
"""
import collections
import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

from ct_support import CtFarm, fetch
from fleet_support import records_of
from servers import free_port
from support import HANG_SECONDS, check, command, finish, run, start

SIZE = 3000
AT_ONCE = 6


def read_text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def watch(*arguments, **options):
    return run("watch", *arguments, **options)


class Listening(subprocess.Popen):
    """A run with a page of metrics."""

    def __init__(self, folder, *arguments):
        self.error_path = os.path.join(folder, f"errors-{time.monotonic_ns()}")
        self.port = free_port()
        with open(self.error_path, "w", encoding="utf-8") as file:
            super().__init__(command("watch", *arguments, "--listen", f"127.0.0.1:{self.port}"),
                             stderr=file)

    def __exit__(self, *_):
        if self.poll() is None:
            self.kill()
        self.wait(HANG_SECONDS)

    def page(self, path):
        """Its status and text; the status is 0 as long as it is not there."""
        url = f"http://127.0.0.1:{self.port}{path}"
        status, _, body = fetch(urllib.request.Request(url))
        return status, body.decode()

    def metrics(self):
        """Values by name with labels."""
        status, text = self.page("/metrics")
        lines = text.splitlines() if status == 200 else []
        return {name: float(value) for name, _, value in
                (line.rpartition(" ") for line in lines if not line.startswith("#"))}

    def value(self, name):
        return self.metrics().get(name)

    def total(self, name):
        """Of all sources."""
        return sum(value for key, value in self.metrics().items() if key.startswith(name + "{"))

    def said(self):
        return read_text(self.error_path)


def list_of(farm):
    return ("--log-list", farm.list_path, "--log-list-key",
            os.path.join(farm.folder, "log_list.pem"))


def whole_log(farm, name, *arguments):
    return (*list_of(farm), "--log", name, "--to-the-end", *arguments)


LOGS = ("Tiles2026", "Classic2026")


# --- Wrong usage ---

def test_usage(folder):
    listed = os.path.join(folder, "empty.json")
    with open(listed, "w", encoding="utf-8") as file:
        file.write("{}")
    cases = [
        ((), "nothing to watch"),
        (("-d", "example.org"), "no source"),
        (("--all", "-d", "example.org"), "--all"),
        (("ftp://example.org", "--all"), "no source"),
        (("https://127.0.0.1:1/log", "--all"), "--log-key"),
        (("https://127.0.0.1:1/log", "--all", "--log-key", "no key!"), "--log-key"),
        (("ws://127.0.0.1:1/", "--all", "--from", "yesterday"), "--from"),
        (("ws://127.0.0.1:1/", "-d", "org"), "two at least"),
        (("ws://127.0.0.1:1/", "-d", "a.*.org"), "--domain"),
        (("ws://127.0.0.1:1/", "-w", "/nonexistent"), "/nonexistent"),
        (("ws://127.0.0.1:1/", "--lookalike", "x"), "--lookalike"),
        (("--log-list", "/nonexistent", "--all"), "/nonexistent"),
        (("--log-list", listed, "--all"), listed),
        (("ws://127.0.0.1:1/", "--all", "--state", "/nonexistent/x.db"), "/nonexistent/x.db"),
        (("ws://127.0.0.1:1/", "-d", "a.org", "-i", "/nonexistent"), "/nonexistent"),
    ]
    for arguments, words in cases:
        result = watch(*arguments)
        check(result.returncode in (1, 2), arguments, "ended with", result.returncode)
        check(words in result.stderr, arguments, "says", result.stderr)
        check(len(result.stderr.splitlines()) == 1, arguments, "says more than a line",
              result.stderr)
        check(not result.stdout, arguments, "wrote", result.stdout)


# --- Every entry, once ---

def compare_with_truth(what, records, truth):
    indices = [record["index"] for record in records]
    check(indices == list(range(len(truth))), what, "indices", len(indices), "of", len(truth))
    wrong = 0
    for record, true in zip(records, truth):
        certificate = record.get("certificate", {})
        same = (record["update_type"] == ("PrecertLogEntry" if true["type"] == "precert"
                                          else "X509LogEntry") and
                record["tbs_sha256"] == true["tbs_sha256"] and
                certificate.get("fingerprint_sha256") == true["fingerprint_sha256"])
        wrong += not same
        if not same and wrong < 3:
            print(record, true)
    check(wrong == 0, what, wrong, "records differ from the log")


def test_every_entry(folder):
    with CtFarm("--entries", SIZE, "--gzip", "--seed", 7) as farm:
        truth = farm.truth(0, SIZE)
        for name in LOGS:
            path = os.path.join(folder, f"{name}.jsonl")
            result = watch(*whole_log(farm, name, "--all", "--from", 0, "-o", path,
                                      "--page", 100))
            check(result.returncode == 0, name, result.stderr)
            compare_with_truth(name, records_of(path), truth)


def test_from_the_middle(folder):
    with CtFarm("--entries", SIZE, "--seed", 8) as farm:
        for name in LOGS:
            for index in (1, 255, 256, 1000, SIZE - 1, SIZE, SIZE + 5):
                path = os.path.join(folder, "middle.jsonl")
                result = watch(*whole_log(farm, name, "--all", "--from", index, "-o", path))
                found = [record["index"] for record in records_of(path)]
                check(result.returncode == 0, name, index, result.stderr)
                check(found == list(range(index, SIZE)), name, "from", index, "gave", len(found))


FAULTS = ("http-429,p=0.05,retry=0", "http-500,p=0.05", "short-page,p=0.3", "cut,p=0.05",
          "bad-framing,p=0.05", "broken-gzip,p=0.05", "partial-gone,p=0.5", "reset,p=0.03",
          "wrong-type,p=0.2", "html,p=0.03", "wrong-issuer,p=0.2")


def check_faults(folder, name):
    """What passes is waited out, and nothing is lost or told twice."""
    arguments = [word for fault in FAULTS for word in ("--fault", fault)]
    with CtFarm("--entries", 1500, "--gzip", "--seed", 9, *arguments) as farm:
        path = os.path.join(folder, "faults.jsonl")
        result = watch(*whole_log(farm, name, "--all", "--from", 0, "-o", path, "--page", 64,
                                  "--retry", "20ms"))
        check(result.returncode == 0, name, result.stderr)
        farm.control(clear=1)
        compare_with_truth(f"{name} with faults", records_of(path), farm.truth(0, 1500))


# --- Logs that lie ---

def wait_until(process, condition, what):
    """Whether it came about while the program ran."""
    end = time.monotonic() + HANG_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if condition():
            return True
        time.sleep(0.05)
    return check(condition(), what, "did not come about")


def end(process, sig=signal.SIGINT):
    """A run that would never end is interrupted."""
    process.send_signal(sig)
    check(process.wait(HANG_SECONDS) == 130, "exit status", process.returncode)


def check_liar(folder, name, fault, words):
    path, errors = os.path.join(folder, "liar.jsonl"), os.path.join(folder, "liar.txt")
    with CtFarm("--entries", 1024, "--seed", 11, "--fault", fault) as farm:
        with open(errors, "w", encoding="utf-8") as file:
            process = start("watch", *whole_log(farm, name, "--all", "--from", 0, "-q", "-o", path,
                                                "--retry", "200ms"), stderr=file)
        if wait_until(process, lambda: words in read_text(errors), f"{name}: {words}"):
            print(f"{name}: {fault}: {words}")
        check(not records_of(path) or fault.startswith("wrong-leaf"), name, fault,
              "took what is not signed")
        farm.control(clear=1)
        check(process.wait(HANG_SECONDS) == 0, name, fault, read_text(errors))
        compare_with_truth(f"{name} after {fault}", records_of(path), farm.truth(0, 1024))


LIES = {"wrong-leaf,at=700": "root mismatch", "bad-signature": "bad signature"}


# --- Watching ---

WISHES = ("--wish", "300:precert,names=www.example.org+example.org",
          "--wish", "340:x509,partner=300",
          "--wish", "500:precert,names=login.example.org",
          "--wish", "540:x509,partner=500",
          "--wish", "600:x509,names=*.example.net",
          "--wish", "650:x509,names=example.com+a.b.c.example.com",
          "--wish", "700:x509,kind=garbage",
          "--wish", "800:precert,names=paypa1.com")


SEEN = 'certwatch_ct_messages_total{type="certificate_update"}'


def test_hits(folder):
    """One alert an issuance, however many logs have it; known ones are an info; a restart tells
    nothing twice."""
    with CtFarm("--entries", 1000, "--seed", 12, *WISHES) as farm:
        truth = {entry["index"]: entry for entry in farm.truth(0, 1000)}
        names = os.path.join(folder, "names.txt")
        inventory = os.path.join(folder, "inventory.jsonl")
        with open(names, "w", encoding="utf-8") as file:
            file.write("example.org\nsub.example.net\n# comment\n*.example.com\nbad..name\n")
        with open(inventory, "w", encoding="utf-8") as file:
            known = truth[340]
            json.dump({"certificate": {"fingerprint_sha256": known["fingerprint_sha256"],
                                       "tbs_sha256": known["tbs_sha256"]}}, file)
            file.write("\n")
        path, state = os.path.join(folder, "hits.jsonl"), os.path.join(folder, "hits.db")
        arguments = (*list_of(farm), "--from", 0, "-w", names, "-i", inventory, "--state", state,
                     "--grace", "300ms", "--lookalike", "paypal=paypal.com", "--head-interval",
                     "300ms", "--partial-after", "300ms", "--append", "-o", path)
        for attempt in range(2):
            with Listening(folder, *arguments) as process:
                if attempt == 0:
                    wait_until(process, lambda: process.value("trawl_watch_delivered_total") == 6,
                               "all hits")
                wait_until(process, lambda: (process.value(SEEN) or 0) >= 2000, "entries")
                wait_until(process, lambda: process.value("trawl_watch_pending") == 0, "verdicts")
                end(process)
            check("bad..name" in process.said(), "the bad line is not told", process.said())
            found = records_of(path)
            verdicts = collections.Counter(record["verdict"] for record in found)
            check(verdicts == {"info": 1, "suspicious": 3, "malformed": 1, "lookalike": 1},
                  "run", attempt, verdicts)
        by_id = {record["issuance_id"] for record in found}
        check(len(by_id) == len(found), "an issuance was told twice")
        for record in found:
            expected = {"info": ["example.org"], "malformed": [], "lookalike": []}
            if record["verdict"] in expected:
                check(record["matched_entries"] == expected[record["verdict"]], record)
            if record["verdict"] == "info":
                check(record["known_by"] == "tbs_sha256", record)
            if record["verdict"] == "malformed":
                check(record["entry"] and record["error"], record)
            if record["verdict"] == "lookalike":
                check(record["lookalike"]["brand"] == "paypal", record)
        entries = collections.Counter(entry for record in found
                                      for entry in record["matched_entries"])
        check(entries == {"example.org": 2, "sub.example.net": 1, "*.example.com": 1}, entries)


def test_reload(folder):
    """A name that is added while it runs is watched from then on."""
    with CtFarm("--entries", 4000, "--start", 200, "--seed", 13,
                "--wish", "3000:x509,names=new.example.org") as farm:
        names, path = os.path.join(folder, "reload.txt"), os.path.join(folder, "reload.jsonl")
        errors = os.path.join(folder, "reload.err")
        with open(names, "w", encoding="utf-8") as file:
            file.write("nobody.example.net\n")
        with open(errors, "w", encoding="utf-8") as file:
            process = start("watch", *list_of(farm), "--from", 0, "-w", names, "--refresh",
                            "200ms", "--grace", 0, "--head-interval", "200ms", "--partial-after",
                            "500ms", "-q", "-o", path, stderr=file)
        wait_until(process, lambda: farm.stats()["requests"], "a request")
        os.truncate(names, 0)  # an empty list does not take the place of the old one
        wait_until(process, lambda: "stays in use" in read_text(errors), "the empty list")
        with open(names, "w", encoding="utf-8") as file:
            file.write("example.org\n")
        wait_until(process, lambda: "has changed" in read_text(errors), "the new list")
        farm.control(size=4000)
        wait_until(process, lambda: records_of(path), "the hit")
        end(process)
        found = records_of(path)
        check([record["matched_names"] for record in found] == [["new.example.org"]], found)


# --- Feeds ---

def check_feed(folder, dialect):
    path, hits = os.path.join(folder, "all.jsonl"), os.path.join(folder, "hits.jsonl")
    with CtFarm("--entries", 600, "--dialect", dialect, "--seed", 14,
                "--wish", "300:x509,names=www.example.org") as farm:
        process = start("watch", f"{farm.feed}?from=0", "--all", "-q", "-o", path)
        wait_until(process, lambda: len(records_of(path)) >= 600, f"{dialect}: all entries")
        end(process)
        found = records_of(path)
        check(len(found) == 600, dialect, "gave", len(found))
        truth = {entry["index"]: entry for entry in farm.truth(0, 600)}
        for record in found:
            true = truth[record["index"]]
            if record["certificate"].get("fingerprint_sha256"):
                check(record["certificate"]["fingerprint_sha256"] == true["fingerprint_sha256"],
                      dialect, record["index"])
        with Listening(folder, f"{farm.feed}?from=0", "-d", "example.org", "--grace", 0, "-q",
                       "-o", hits) as process:
            wait_until(process, lambda: process.total("trawl_source_entries_total") >= 600 and
                       records_of(hits), f"{dialect}: all entries")
            end(process)
        check([record["index"] for record in records_of(hits)] == [300], dialect, process.said())


def test_feed_faults(folder):
    """What a server leaves out is counted; connections that end are made again."""
    stats = os.path.join(folder, "feed.json")
    with CtFarm("--entries", 100000, "--start", 1, "--seed", 15, "--fault", "feed-drop,at=100-149",
                "--fault", "feed-garbage,p=0.01", "--fault", "feed-close,at=6000") as farm:
        with Listening(folder, farm.feed, "-d", "example.org", "-q", "-o", "null",
                       "--stats", stats) as process:
            seen, failures = 0, lambda: process.total("trawl_source_failures_total")
            for size in range(5000, 100001, 5000):
                failed = failures()
                wait_until(process, lambda: farm.stats()["feeds_open"], "the feed")
                if process.total("trawl_source_gaps_total") > 500:
                    break
                farm.control(size=size)
                # counted, since a feed may be away and back between two looks; what it missed
                # meanwhile never comes
                wait_until(process, lambda: failures() > failed or
                           process.total("trawl_source_entries_total") > seen + 2500, "entries")
                seen = process.total("trawl_source_entries_total")
            end(process)
        check(farm.stats()["faults"].get("feed-close"), "it was never closed")
        with open(stats, encoding="utf-8") as file:
            figures = json.load(file)
        check(figures["malformed"] > 0, figures)
        check(figures["gaps"] > 500, figures)
        check(figures["lost"] == 0, figures)


def test_nobody_there(folder):
    with Listening(folder, "ws://127.0.0.1:1/full-stream", "--all", "-q", "-o", "null") as process:
        wait_until(process, lambda: "unreachable" in process.said(), "the word")
        wait_until(process, lambda: process.page("/healthz")[0] == 503, "its health")
        end(process)


# --- Interruption ---

def test_interrupted(folder):
    with CtFarm("--entries", 100000, "--start", 1000, "--rate", 200, "--seed", 16) as farm:
        path = os.path.join(folder, "interrupted.jsonl")
        process = start("watch", *list_of(farm), "--all", "--from", 0, "-q", "-o",
                        path, "--head-interval", "200ms")
        wait_until(process, lambda: os.path.exists(path) and os.path.getsize(path), "records")
        end(process, signal.SIGTERM)
        check(read_text(path).endswith("}\n"), "the file ends within a record")
        head = subprocess.run(["sh", "-c", 'exec "$@" | head -n 3', "sh",
                               *command("watch", *list_of(farm), "--all", "--from",
                                        0, "-q")],
                              capture_output=True, text=True, timeout=HANG_SECONDS, check=False)
        check(len(head.stdout.splitlines()) == 3 and not head.stderr, head)


# --- All of them ---

def cases():
    """The longest first; most of the time goes into waiting."""
    yield from [(check_liar, name, *lie) for name in LOGS for lie in LIES.items()]
    yield from [(check_faults, name) for name in LOGS]
    yield from [(check_feed, dialect) for dialect in ("go", "calidog", "rust")]
    for test in (test_feed_faults, test_hits, test_reload, test_from_the_middle, test_every_entry,
                 test_interrupted, test_usage, test_nobody_there):
        yield (test,)


def run_case(folder, number, test, *arguments):
    own = os.path.join(folder, str(number))
    os.mkdir(own)
    began = time.monotonic()
    test(own, *arguments)
    print(f"{test.__name__}{arguments}: {time.monotonic() - began:.1f} s", flush=True)


def main():
    wanted = sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix="watch-") as folder, \
            concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(run_case, folder, number, *case)
                   for number, case in enumerate(cases())
                   if not wanted or case[0].__name__ in wanted]
        for future in running:
            future.result()
    finish()


main()
