"""Webhooks of the built program against an HTTP server of Python's: what is sent, what is tried
again, what is counted when nothing helps, signatures, TLS, and that nothing secret is told.

    python3 test_webhook.py FOLDER     $TRAWL is the program, $TRAWL_BUILD holds bench-ctserver
"""
import base64
import hashlib
import hmac
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from ct_support import CtFarm
from hooks import SESAME, Hook, Sweep, interrupt_twice
from support import HANG_SECONDS, SKIPPED, check, finish, loopback, run, start

def version():
    return run("version").stdout.split()[1].split("\n")[0]


# --- What is sent ---

def each_record_once(sweep):
    with Hook() as hook:
        path = sweep.folder / "records.jsonl"
        done = sweep.run(40, "-o", hook.spec(), "-o", path)
        check(done.returncode == 0, "status", done.returncode, done.stderr)
        records = {r["host"]: r for r in map(json.loads, path.read_text().splitlines())}
        check(len(hook.requests) == len(records) == 40, len(hook.requests))
        check(hook.most == 1, "at once", hook.most)
        check(len({r.connection for r in hook.requests}) == 1, "more than one connection")
        for request in hook.requests:
            event = json.loads(request.body)
            check(request.path == f"/{SESAME}?k={SESAME}", request.path)
            check(request.headers["Content-Type"] == "application/json")
            check(request.headers["User-Agent"] == "trawl/" + version(), request.headers)
            check(request.headers["webhook-id"] == event.pop("id"))
            check(abs(int(request.headers["webhook-timestamp"]) - time.time()) < HANG_SECONDS)
            check("webhook-signature" not in request.headers)
            check(event.pop("schema_version") == "1" and event.pop("event") == "tls_result")
            check(event.pop("title") == f"{event['host']}:{sweep.port}: error", event)
            check(event.pop("message").startswith("refused") and event.pop("priority") == "high")
            check(isinstance(event.pop("ts"), int))
            record = records[event["host"]]
            record.pop("id", None)  # that of the payload stands in its place
            check(event == record, event)
        check(len({r.headers["webhook-id"] for r in hook.requests}) == 40)


def records_as_they_are(sweep):
    with Hook() as hook:
        done = sweep.run(3, "-o", hook.spec(), "--format", "json", "--fields", "host,outcome")
        check(done.returncode == 0, done.stderr)
        check(sorted(r["host"] for r in hook.payloads()) == [loopback(i) for i in range(3)])
        for request in hook.requests:
            check(list(json.loads(request.body)) == ["host", "outcome"], request.body)
            expected = hashlib.sha256(request.body).hexdigest()[:32]
            check(request.headers["webhook-id"] == expected, request.headers["webhook-id"])
    with Hook() as hook:
        done = sweep.run(3, "-o", hook.spec(), "--format", "csv")
        check(done.returncode == 2 and "--format json" in done.stderr, done.stderr)
        check(not hook.requests)


def many_in_arrays(sweep):
    count = 16000
    with Hook() as hook:
        begun = time.monotonic()
        done = sweep.run(count, "-o", hook.spec("batch=500,batch-wait=1m"), "-q")
        took = time.monotonic() - begun
        check(done.returncode == 0, done.stderr)
        payloads = hook.payloads()
        check(len(payloads) == count == len({p["host"] for p in payloads}), len(payloads))
        sizes = [len(json.loads(r.body)) for r in hook.requests]
        check(sizes == [500] * (count // 500), len(sizes), max(sizes))
        check(len({r.headers["webhook-id"] for r in hook.requests}) == len(sizes))
        print(f"{count} records in {len(sizes)} requests: {count / took:.0f}/s")


def arrays_of_large_records(sweep):
    """No array has more bytes than common servers take."""
    folder = sweep.folder / "certificates"
    folder.mkdir()
    names = ",".join(f"DNS:{'n' * 60}{i:05}.{'m' * 60}.example" for i in range(600))
    made = make_certificate(sweep.folder / "large.pem", names)
    for i in range(40):
        shutil.copy(made, folder / f"{i}.pem")
    with Hook() as hook:
        done = run("scan", f"file:{folder}", "-o", hook.spec("batch=1000"), "--fields",
                   "host,certificate", "--no-verify")
        check(done.returncode == 0, done.stderr)
        check(len(hook.payloads()) == 40, len(hook.payloads()))
        sizes = [len(r.body) for r in hook.requests]
        check(len(sizes) > 2 and max(sizes) <= 1000 * 1000 + 2, sizes)


def several_at_once(sweep):
    gate = threading.Barrier(4)

    def reply(_, number):
        if number <= 4:
            gate.wait(HANG_SECONDS)  # only when four are under way at once
        return 200, {}, b"ok"

    with Hook(reply) as hook:
        done = sweep.run(200, "-o", hook.spec("concurrency=4,timeout=10m"))
        check(done.returncode == 0, done.stderr)
        check(hook.most == 4, "at once", hook.most)
        check(len({p["host"] for p in hook.payloads()}) == len(hook.requests) == 200)


# --- What fails ---

def tried_again(sweep):
    with Hook(lambda _, n: (500, {}, b"") if n <= 3 else (202, {}, b"")) as hook:
        done = sweep.run(2, "-o", hook.spec("backoff=20ms"))
        check(done.returncode == 0, done.stderr)
        check("answers HTTP 500" in done.stderr and "works again" in done.stderr, done.stderr)
        first = hook.requests[0]
        check(len(hook.requests) == 5, len(hook.requests))
        for request in hook.requests[:4]:
            check(request.body == first.body)
            check(request.headers["webhook-id"] == first.headers["webhook-id"])
        pauses = [b.time - a.time for a, b in zip(hook.requests, hook.requests[1:4])]
        for pause, least in zip(pauses, (0.02, 0.08, 0.32)):
            check(pause >= least, pauses)
        check(sweep.stats()["records_refused"] == 0)


def asked_to_wait(sweep):
    def reply(_, number):
        return (429, {"Retry-After": "1"}, b"") if number == 1 else (200, {}, b"")

    with Hook(reply) as hook:
        done = sweep.run(2, "-o", hook.spec("backoff=1ms"))
        check(done.returncode == 0 and len(hook.requests) == 3, done.stderr)
        check(hook.requests[1].time - hook.requests[0].time >= 1, "Retry-After was not kept")


def not_wanted(sweep):
    """Refused at once, counted, and it stops nobody."""
    def reply(request, _):
        return (400, {}, b"no such field\nmore") if loopback(5).encode() in request.body \
            else (200, {}, b"")

    with Hook(reply) as hook:
        done = sweep.run(20, "-o", hook.spec())
        check(done.returncode == 1, done.returncode)
        check(len(hook.requests) == 20, len(hook.requests))
        check('answers HTTP 400: "no such field"; 1 records were refused' in done.stderr,
              done.stderr)
        check("1 records were refused by an output" in done.stderr, done.stderr)
        stats = sweep.stats()
        check(stats["records_refused"] == 1 and stats["records_lost"] == 0, stats)
        check(stats["records"] == 20, stats)


def given_up(sweep, name, hook_or_port, words, options="retries=1,backoff=1ms"):
    port = hook_or_port if isinstance(hook_or_port, str) else f"127.0.0.1:{hook_or_port}"
    done = sweep.run(3, "-o", f"webhook+http://{port}/{SESAME}#{options}")
    check(done.returncode == 1, name, done.returncode)
    check(words in done.stderr, name, done.stderr)
    check("3 records were refused by an output" in done.stderr, name, done.stderr)
    check(sweep.stats()["records_refused"] == 3, name)


def nobody_takes_it(sweep):
    given_up(sweep, "down", sweep.port, "Connection refused, given up after 2 attempts")
    given_up(sweep, "no such name", "a" * 64 + ".example", "no address for the host, given up")
    with Hook(lambda *_: None) as hook:
        given_up(sweep, "closes", hook.port, "the connection ended too early, given up")
        check(len(hook.requests) == 6, len(hook.requests))
    with Hook(lambda *_: (503, {}, b"<h1>Busy</h1>")) as hook:
        given_up(sweep, "busy", hook.port, 'answers HTTP 503: "<h1>Busy</h1>", given up')
    never = threading.Event()
    with Hook(lambda *_: never) as hook:
        given_up(sweep, "silent", hook.port, "timed out, given up",
                 "retries=1,backoff=1ms,timeout=100ms")
        never.set()
    with Hook() as other, Hook(lambda *_: (301, {"Location": other.spec()[8:]}, b"")) as hook:
        given_up(sweep, "redirects", hook.port, "answers HTTP 301")
        check(not other.requests and len(hook.requests) == 3, "a redirect was followed")
    with Hook() as hook:
        given_up(sweep, "private", hook.port, "the address is not allowed", "deny-private")
        check(not hook.requests)


def slow_but_well(sweep):
    """A late answer is no answer; the message comes again, by the same id. So may others, when the
    machine is busy."""
    late = threading.Event()
    with Hook(lambda _, n: late if n == 1 else (200, {}, b"")) as hook:
        done = sweep.run(2, "-o", hook.spec("timeout=300ms,backoff=1ms,retries=8"))
        late.set()
        check(done.returncode == 0, done.stderr)
        ids = [r.headers["webhook-id"] for r in hook.requests]
        check(ids[0] == ids[1] and len(set(ids)) == 2, ids)
        check(len({r["id"] for r in hook.taken()}) == 2, ids)


def interrupted(sweep):
    """Twice Ctrl-C ends it, whatever the webhook does; all that it has not taken is counted."""
    never = threading.Event()
    with Hook(lambda _, n: (200, {}, b"") if n <= 2 else never) as hook:
        command = sweep.arguments(50, "-o", hook.spec("timeout=10m"))
        with start(*command, stderr=subprocess.PIPE, text=True) as process:
            while len(hook.requests) < 3 and process.poll() is None:
                time.sleep(0.01)
            stderr = interrupt_twice(process)
        never.set()
        stats = sweep.stats()
        check(process.returncode == 1, process.returncode)
        check("its reader is too slow" in stderr, stderr)
        check(stats["records_lost"] == stats["records"] - 2, stats)
        check(f"{stats['records_lost']} records could not be written" in stderr, stderr)


def wrong_usage(sweep):
    with Hook() as hook:
        for options, words in [
                ("btach=5", "did you mean batch?"),
                ("batch=0", "#batch: 0 is out of range"),
                ("timeout=soon", "#timeout:"),
                ("secret-file=/nowhere/key", "/nowhere/key"),
                ("secret-env=TRAWL_NO_SUCH_SECRET", "TRAWL_NO_SUCH_SECRET"),
                ("ca-file=/nowhere/ca.pem", "/nowhere/ca.pem")]:
            done = sweep.run(3, "-o", hook.spec(options))
            check(done.returncode == 2 and words in done.stderr, options, done.stderr)
        done = sweep.run(3, "-o", "webhook+ftp://127.0.0.1/")
        check(done.returncode == 2 and "https:// or http://" in done.stderr, done.stderr)
        check(not hook.requests, "something was sent")
    listed = run("list", "sinks").stdout
    for word in ("webhook+https://", "#batch=N", "#secret-file=PATH", "#deny-private"):
        check(word in listed, word, listed)


# --- Signatures and TLS ---

def verify(request, key):
    """As the specification of Standard Webhooks says, section Verifying signatures."""
    signed = b".".join([request.headers["webhook-id"].encode(),
                        request.headers["webhook-timestamp"].encode(), request.body])
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(part, "v1," + expected)
               for part in request.headers["webhook-signature"].split(" "))


def signed(sweep):
    key = bytes(range(32))
    encoded = "whsec_" + base64.b64encode(key).decode()
    (sweep.folder / "key").write_text(encoded + "\n")
    (sweep.folder / "plain").write_text(f"{SESAME} {SESAME}")
    environment = dict(os.environ, HOOK_SECRET=encoded)
    for options, expected in [(f"secret-file={sweep.folder / 'key'}", key),
                              (f"secret-file={sweep.folder / 'plain'}", b"sesame sesame"),
                              ("secret-env=HOOK_SECRET,batch=3", key)]:
        with Hook(lambda _, n: (500, {}, b"") if n == 1 else (200, {}, b"")) as hook:
            done = sweep.run(5, "-o", hook.spec(options + ",backoff=1ms"), env=environment)
            check(done.returncode == 0, done.stderr)
            check(encoded not in done.stderr, "the secret is told")
            check(len(hook.payloads()) > 5 and all(verify(r, expected) for r in hook.requests),
                  options)
            check(not verify(hook.requests[0], b"another"))


def make_certificate(path, names):
    openssl = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-subj", "/CN=hook", "-days", "30", "-keyout", path, "-out", f"{path}.crt"]
    config = f"{path}.cnf"
    pathlib.Path(config).write_text("[req]\ndistinguished_name=dn\nx509_extensions=v3\n[dn]\n"
                                    f"[v3]\nsubjectAltName={names}\nbasicConstraints=CA:TRUE\n")
    subprocess.run([*openssl, "-config", config], check=True, capture_output=True)
    with open(path, "a", encoding="ascii") as out:
        out.write(pathlib.Path(f"{path}.crt").read_text())
    return f"{path}.crt"


def over_tls(sweep):
    good = make_certificate(sweep.folder / "good.pem", "IP:127.0.0.1")
    other = make_certificate(sweep.folder / "other.pem", "DNS:elsewhere.example")
    with Hook(certificate=sweep.folder / "good.pem") as hook:
        done = sweep.run(3, "-o", hook.spec(f"ca-file={good}"))
        check(done.returncode == 0 and len(hook.requests) == 3, done.stderr)
        done = sweep.run(3, "-o", hook.spec("retries=0"))
        check(done.returncode == 1 and "certificate" in done.stderr, done.stderr)
        done = sweep.run(3, "-o", hook.spec(f"retries=0,ca-file={other}"))
        check(done.returncode == 1 and "certificate" in done.stderr, done.stderr)
        check(len(hook.requests) == 3, "sent over a connection that nobody vouches for")
    with Hook(certificate=sweep.folder / "other.pem") as hook:
        done = sweep.run(3, "-o", hook.spec(f"retries=0,ca-file={other}"))
        check(done.returncode == 1 and not hook.requests, "another's name", done.stderr)
    with Hook() as hook: # speaks no TLS
        done = sweep.run(3, "-o", hook.spec("retries=0").replace("http:", "https:"))
        check(done.returncode == 1 and not hook.requests, done.stderr)


# --- Alerts ---

def watch(sweep, farm, *more):
    done = run("watch", "--log-list", farm.list_path, "--log-list-key",
               os.path.join(farm.folder, "log_list.pem"), "-d", "example.org", "--from", "saved,0",
               "--to-the-end", "--grace", "0", "--stats", sweep.folder / "stats.json", *more)
    check(SESAME not in done.stderr, "a secret is told:", done.stderr)
    return done


def alerts_are_offered_again(sweep):
    """Precertificate and certificate, in two logs, are one alert; refused, it waits for the next
    run, which comes before --retry, and arrives there by the same id."""
    state = sweep.folder / "watch.db"
    answers = [(400, {}, b"no"), (200, {}, b""), (200, {}, b"")]
    got = []
    with CtFarm("--entries", 60, "--wish", "7:precert,names=www.example.org+example.net",
                "--wish", "20:x509,partner=7") as farm:
        for answer in answers:
            with Hook(lambda *_, now=answer: now) as hook:
                done = watch(sweep, farm, "--state", state, "--retry", "2m", "-o", hook.spec())
                got.append((done.returncode, hook.requests, sweep.stats(), done.stderr))
    refused, taken, after = got
    check(refused[0] == 1 and refused[2]["records_refused"] == 1, refused)
    check("1 alerts have not reached every output" in refused[3], refused[3])
    check([code for code, *_ in got] == [1, 0, 0], got)
    check([len(requests) for _, requests, *_ in got] == [1, 1, 0], got)
    check(taken[2]["delivered"] == 1 and taken[2]["untold"] == 0, taken[2])
    check(refused[1][0].body == taken[1][0].body, "not the same alert")
    alert = json.loads(taken[1][0].body)
    check(alert["severity"] == "suspicious" and alert["matched_entries"] == ["example.org"], alert)
    check(alert["matched_sans"] == ["www.example.org"], alert)
    check(alert["all_sans"] == ["www.example.org", "example.net"], alert)
    check(alert["id"] == alert["issuance_id"] + "-suspicious", alert)
    check(taken[1][0].headers["webhook-id"] == alert["id"], alert)


def main():
    if not shutil.which("openssl"):
        print("no openssl: apt-get install openssl")
        sys.exit(SKIPPED)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    with tempfile.TemporaryDirectory(prefix="trawl-webhook-") as folder:
        sweep = Sweep(pathlib.Path(folder))
        for scenario in (each_record_once, records_as_they_are, many_in_arrays,
                         arrays_of_large_records, several_at_once, tried_again, asked_to_wait,
                         not_wanted, nobody_takes_it, slow_but_well, interrupted, wrong_usage,
                         signed, over_tls, alerts_are_offered_again):
            print(scenario.__name__, flush=True)
            scenario(sweep)
    finish()


main()
