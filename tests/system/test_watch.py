"""`trawl watch` against logs and feeds that behave and that do not: every entry once, in order, also
after kill -9; hits as the farm's own code knows them; what a log does wrong is found out.

    python3 test_watch.py FOLDER     $TRAWL_BUILD holds bench-ctserver
"""
import collections
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from ct_support import CtFarm
from support import HANG_SECONDS, check, command, finish, run, start

SIZE = 3000


def records_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def watch(*arguments, **options):
    return run("watch", *arguments, **options)


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


def test_faults(folder):
    """What passes is waited out, and nothing is lost or told twice."""
    faults = ("http-429,p=0.05,retry=0", "http-500,p=0.05", "short-page,p=0.3", "cut,p=0.05",
              "bad-framing,p=0.05", "broken-gzip,p=0.05", "partial-gone,p=0.5", "reset,p=0.03",
              "wrong-type,p=0.2", "html,p=0.03", "wrong-issuer,p=0.2")
    arguments = [word for fault in faults for word in ("--fault", fault)]
    with CtFarm("--entries", 1500, "--gzip", "--seed", 9, *arguments) as farm:
        truth = farm.truth(0, 1500)
        for name in LOGS:
            path = os.path.join(folder, f"faults-{name}.jsonl")
            result = watch(*whole_log(farm, name, "--all", "--from", 0, "-o", path,
                                      "--page", 64))
            check(result.returncode == 0, name, result.stderr)
            compare_with_truth(f"{name} with faults", records_of(path), truth)


def test_killed(folder):
    """kill -9 again and again: the file is the log, to the entry."""
    with CtFarm("--entries", 20000, "--seed", 10) as farm:
        path, state = os.path.join(folder, "killed.jsonl"), os.path.join(folder, "killed.db")
        arguments = ("watch", *list_of(farm), "--to-the-end", "--all", "--from",
                     "saved,0", "--state", state, "-o", path, "-q")
        kills = 0
        for number in range(60):
            process = start(*arguments, stderr=subprocess.PIPE, text=True)
            try:
                _, errors = process.communicate(timeout=0.15 + 0.02 * (number % 20))
                check(process.returncode == 0, "ended with", process.returncode, errors)
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
        else:
            result = run(*arguments)
            check(result.returncode == 0, result.stderr)
        print(f"killed {kills} times")
        counts = collections.Counter((record["source_log"], record["index"])
                                     for record in records_of(path))
        check(kills > 0, "it was never killed")
        check(len(counts) == 40000, "entries", len(counts))
        check(max(counts.values(), default=0) == 1, "entries twice",
              sum(count > 1 for count in counts.values()))


# --- Logs that lie ---

def wait_until(process, condition, what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if condition():
            return True
        time.sleep(0.1)
    return check(False, what, "did not come about")


def read_text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_liars(folder):
    """A wrong leaf, a second root, a forged head: told, waited for, and nothing wrong is taken."""
    cases = {
        "wrong-leaf,at=700": "root mismatch",
        "bad-signature": "bad signature",
    }
    for name in LOGS:
        for fault, words in cases.items():
            with CtFarm("--entries", 1024, "--seed", 11, "--fault", fault) as farm:
                path, errors = os.path.join(folder, "liar.jsonl"), os.path.join(folder, "liar.txt")
                with open(errors, "w", encoding="utf-8") as file:
                    process = start("watch", *whole_log(farm, name, "--all", "--from", 0, "-q",
                                                        "-o", path), stderr=file)
                told = wait_until(process, lambda: words in read_text(errors), f"{name}: {words}")
                check(not os.path.exists(path) or
                      all(record["index"] < 700 for record in records_of(path)) or
                      fault.startswith("wrong-leaf"), name, fault, "took what is not verified")
                farm.control(clear=1)
                check(process.wait(HANG_SECONDS) == 0, name, fault, read_text(errors))
                compare_with_truth(f"{name} after {fault}", records_of(path),
                                   farm.truth(0, 1024))
                if told:
                    print(f"{name}: {fault}: {words}")


# --- Watching ---

WISHES = ("--wish", "300:precert,names=www.example.org+example.org",
          "--wish", "340:x509,partner=300",
          "--wish", "500:precert,names=login.example.org",
          "--wish", "540:x509,partner=500",
          "--wish", "600:x509,names=*.example.net",
          "--wish", "650:x509,names=example.com+a.b.c.example.com",
          "--wish", "700:x509,kind=garbage",
          "--wish", "800:precert,names=paypa1.com")


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
        arguments = (*list_of(farm), "--from", 0, "--duration", "4s", "-w", names,
                     "-i", inventory, "--state", state, "--grace", "500ms", "--lookalike",
                     "paypal=paypal.com", "--head-interval", "300ms", "--append", "-o", path)
        for attempt in range(2):
            result = watch(*arguments)
            check(result.returncode == 0, result.stderr)
            check("bad..name" in result.stderr, "the bad line is not told", result.stderr)
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
    with CtFarm("--entries", 4000, "--start", 200, "--rate", 100, "--seed", 13,
                "--wish", "3000:x509,names=new.example.org") as farm:
        names, path = os.path.join(folder, "reload.txt"), os.path.join(folder, "reload.jsonl")
        errors = os.path.join(folder, "reload.err")
        with open(names, "w", encoding="utf-8") as file:
            file.write("nobody.example.net\n")
        with open(errors, "w", encoding="utf-8") as file:
            process = start("watch", *list_of(farm), "-w", names, "--refresh",
                            "200ms", "--grace", 0, "--head-interval", "200ms", "--partial-after",
                            "500ms", "-q", "-o", path, stderr=file)
        time.sleep(1)
        os.truncate(names, 0)  # an empty list does not take the place of the old one
        wait_until(process, lambda: "stays in use" in read_text(errors), "the empty list")
        with open(names, "w", encoding="utf-8") as file:
            file.write("example.org\n")
        wait_until(process, lambda: "has changed" in read_text(errors), "the new list")
        farm.control(size=4000)
        wait_until(process, lambda: os.path.exists(path) and records_of(path), "the hit")
        process.send_signal(signal.SIGINT)
        check(process.wait(HANG_SECONDS) == 130, "exit status", process.returncode)
        found = records_of(path)
        check([record["matched_names"] for record in found] == [["new.example.org"]], found)


# --- Feeds ---

def test_feeds(folder):
    for dialect in ("go", "calidog", "rust"):
        with CtFarm("--entries", 600, "--dialect", dialect, "--seed", 14,
                    "--wish", "300:x509,names=www.example.org") as farm:
            path = os.path.join(folder, f"{dialect}.jsonl")
            result = watch(f"{farm.feed}?from=0", "--all", "--duration", "3s", "-o", path)
            check(result.returncode == 0, dialect, result.stderr)
            found = records_of(path)
            check(len(found) == 600, dialect, "gave", len(found))
            truth = {entry["index"]: entry for entry in farm.truth(0, 600)}
            for record in found:
                true = truth[record["index"]]
                if record["certificate"].get("fingerprint_sha256"):
                    check(record["certificate"]["fingerprint_sha256"] ==
                          true["fingerprint_sha256"], dialect, record["index"])
            result = watch(f"{farm.feed}?from=0", "-d", "example.org", "--duration", "3s",
                           "--grace", 0, "-o", path)
            check([record["index"] for record in records_of(path)] == [300], dialect,
                  result.stderr)


def test_feed_faults(folder):
    """What a server leaves out is counted; connections that end are made again."""
    stats = os.path.join(folder, "feed.json")
    with CtFarm("--entries", 60000, "--start", 1, "--rate", 500, "--seed", 15, "--fault",
                "feed-drop,at=100-149", "--fault", "feed-garbage,p=0.01", "--fault",
                "feed-close,p=0.001") as farm:
        result = watch(farm.feed, "-d", "example.org", "--duration", "14s", "-o", "null",
                       "--stats", stats)
        check(result.returncode == 0, result.stderr)
        with open(stats, encoding="utf-8") as file:
            figures = json.load(file)
        check(figures["entries"] > 2000, figures)
        check(figures["malformed"] > 0, figures)
        check(figures["lost"] == 0, figures)


def test_nobody_there(folder):
    result = watch("ws://127.0.0.1:1/full-stream", "--all", "--duration", "5s", "-o", "null")
    check("unreachable" in result.stderr, result.stderr)
    check(result.returncode == 0, result.returncode)


# --- Interruption ---

def test_interrupted(folder):
    with CtFarm("--entries", 100000, "--start", 1000, "--rate", 200, "--seed", 16) as farm:
        path = os.path.join(folder, "interrupted.jsonl")
        process = start("watch", *list_of(farm), "--all", "--from", 0, "-q", "-o",
                        path, "--head-interval", "200ms")
        wait_until(process, lambda: os.path.exists(path) and os.path.getsize(path), "records")
        process.send_signal(signal.SIGTERM)
        check(process.wait(HANG_SECONDS) == 130, "exit status", process.returncode)
        check(read_text(path).endswith("}\n"), "the file ends within a record")
        head = subprocess.run(["sh", "-c", 'exec "$@" | head -n 3', "sh",
                               *command("watch", *list_of(farm), "--all", "--from",
                                        0, "-q")],
                              capture_output=True, text=True, timeout=HANG_SECONDS, check=False)
        check(len(head.stdout.splitlines()) == 3 and not head.stderr, head)


def main():
    tests = [test_usage, test_every_entry, test_from_the_middle, test_faults, test_killed,
             test_liars, test_hits, test_reload, test_feeds, test_feed_faults, test_nobody_there,
             test_interrupted]
    wanted = sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix="watch-") as folder:
        for test in tests:
            if wanted and test.__name__ not in wanted:
                continue
            print(test.__name__, flush=True)
            test(folder)
    finish()


main()
