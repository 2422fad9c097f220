"""Fleets: a sweep over NATS gives what the same sweep gives on one machine; what travels and what does
not; policies of workers; several jobs, lists and ends of them; collectors that go away and come
back; and what is wrong, told in a line.

    python3 test_fleet.py FOLDER [NAME...]     FOLDER holds tool_farm, tool_dns_server; NAME: only that test
"""
import concurrent.futures
import contextlib
import csv
import hashlib
import json
import os
import pathlib
import signal
import ssl
import sys
import tempfile
import time

import servers
from dns_server import Dns
from fleet_support import (LEASE, PATIENCE, Collector, Lines, Targets, Worker, add_workers,
                           check_exactly, check_ids, compare, content_of, ids_in_sqlite, jobs, listed,
                           records_of, row_of, stored)
from nats_support import SERVER, SERVER_PATIENCE, NatsServer, tls_context, wait_until
from starttls_peers import Peers
from support import (HANG_SECONDS, SKIPPED, Farm, block, check, finish, loopback, msgpack_objects, refusing_port,
                     run)

ENDPOINTS = 100
SILENT = ("silent", "dripping")  # those that only end by a timeout
SLOW = 500  # connections a second and worker: a job lasts as long as is needed
LOGIN = f"authorization {{ user: u, password: secret1, {SERVER_PATIENCE} }}"
LONG_LEASE = "5s"  # a collector that stands still for a while has it all the same


class Site:
    """What the tests share: a farm, a server, a port that refuses; a fleet and a folder each."""

    def __init__(self, stack, tools, folder):
        holder, self.port = refusing_port()
        stack.enter_context(holder)
        self.tools, self._folder = tools, folder
        self.farm = stack.enter_context(Farm(tools, os.path.join(folder, "root.pem"), ENDPOINTS,
                                             SILENT))
        os.environ["XDG_STATE_HOME"] = folder  # where collectors remember
        self.server = stack.enter_context(NatsServer(folder))

    def url(self, name):
        return f"{self.server.url}/{name}"

    def folder(self, name):
        path = os.path.join(self._folder, name)
        os.mkdir(path)
        return path

    def targets(self, folder, count):
        return Targets(folder, self.farm.endpoints, self.port, count)


# --- The same as on one machine ---

def test_same(site):
    """A list and two blocks, into four outputs at once, by two workers."""
    folder, url = site.folder("same"), site.url("same")
    targets = site.targets(folder, 2000)
    sweep = [targets.spec, "127.80.0.0/22", block(500), "-p", site.port, "--seed", 7, "--ca-file",
             site.farm.root, "-q", *PATIENCE]
    alone = os.path.join(folder, "alone.jsonl")
    result = run("scan", *sweep, "-o", alone)
    check(result.returncode == 0, "same: alone", result.stderr)
    lines, rows, packed, store = (os.path.join(folder, f"fleet.{end}")
                                  for end in ("jsonl", "csv", "msgpack", "db"))
    with Worker(url), Worker(url):
        fleet = Collector(url, *sweep, "-o", lines, "-o", rows, "-o", packed, "-o",
                          f"sqlite:{store}")
        fleet.end()
    ledger = targets.rows + [(f"127.80.{i >> 8}.{i & 255}", site.port, "refused")
                             for i in range(1024)]
    ledger += [(loopback(i), site.port, "refused") for i in range(500)]
    records = check_exactly("same:", lines, ledger)
    compare("same: content", map(content_of, records_of(alone)), map(content_of, records))
    # The numbers too: of lists in their order, of blocks in the order of the seed.
    compare("same: numbers", ((r["id"][16:], *row_of(r)) for r in records_of(alone)),
            ((r["id"][16:], *row_of(r)) for r in records))
    ids = [record["id"] for record in records]
    compare("same: MessagePack", map(content_of, records),
            map(content_of, msgpack_objects(pathlib.Path(packed).read_bytes())))
    compare("same: SQLite", ids, ids_in_sqlite(store))
    with open(rows, encoding="utf-8", newline="") as file:
        compare("same: CSV", ids, (row["id"] for row in csv.DictReader(file)))


def test_outputs(site):
    """What an output wants of the records: fields, a filter, certificates, names."""
    folder, url = site.folder("outputs"), site.url("outputs")
    targets = site.targets(folder, 600)
    outputs = [os.path.join(folder, name) for name in ("few.jsonl#only=findings:expired", "a.pem",
                                                       "bad.csv#only=outcome:refused")]
    options = [targets.spec, "--ca-file", site.farm.root, "-q", *PATIENCE]
    with Worker(url):
        fleet = Collector(url, *options, *(word for out in outputs for word in ("-o", out)))
        fleet.end()
    by_name = {e["name"]: e for e in site.farm.endpoints}
    expired = [row for row in targets.rows
               if by_name.get(row[0], {}).get("expected_finding") == "expired"]
    check(expired, "outputs: none is expired")
    compare("outputs: only some", expired, map(row_of, records_of(outputs[0].partition("#")[0])))
    pems = pathlib.Path(outputs[1]).read_text().count("BEGIN CERTIFICATE")
    check(pems > 100, "outputs: PEM", pems)
    alone = run("scan", *options, "-o", os.path.join(folder, "b.pem"))
    check(alone.returncode == 0 and pems == pathlib.Path(folder, "b.pem").read_text().count(
        "BEGIN CERTIFICATE"), "outputs: PEM", pems, alone.stderr)
    with open(outputs[2].partition("#")[0], encoding="utf-8", newline="") as file:
        compare("outputs: CSV", (row for row in targets.rows if row[2] == "refused"),
                ((row["host"], int(row["port"]), row["outcome"]) for row in csv.DictReader(file)))
    with Worker(url):
        found = run("scan", "--via", url, *options, "--print", "names")
    alone = run("scan", *options, "--print", "names")
    check(found.returncode == 0, "outputs: names", found.stderr)
    compare("outputs: names", alone.stdout.splitlines(), found.stdout.splitlines())


# --- What travels ---

def smtp(context):
    """A server that speaks as much of RFC 3207 as a probe needs."""
    async def serve(reader, writer):
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            if line.startswith(b"EHLO"):
                writer.write(b"250-here\r\n250 STARTTLS\r\n")
            elif line.startswith(b"STARTTLS"):
                writer.write(b"220 go on\r\n")
                await writer.start_tls(context)
            else:
                return
    return serve


def test_travels(site):
    """Roots as bytes, exclusions, names, STARTTLS; the worker comes when the files are gone, and is
    somewhere else. Lines that are no targets are told."""
    folder, url = site.folder("travels"), site.url("travels")
    good = site.farm.named("good-ecdsa")[0]
    certificates = servers.Certificates(folder)
    certificates.make("mail.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.file("mail.test.pem"), certificates.file("mail.test.key"))
    files = {"root.pem": pathlib.Path(site.farm.root).read_text() +
             pathlib.Path(certificates.root).read_text(),
             "never": f"{loopback(100)}-{loopback(163)}\n"}
    for name, text in files.items():
        pathlib.Path(folder, name).write_text(text)
    zone = f"{good['name']} a {good['address']}\nmail.test a 127.0.0.1\n"
    with Dns(site.tools, zone) as dns, Peers() as peers:
        mail = peers.serve(smtp(context))
        pathlib.Path(folder, "list").write_text(
            f"{good['name']}:{good['port']}\nsmtp://mail.test:{mail}\nno target at all\n"
            f"none.test:1\n\n# a comment\nalso:none:of:them\n")
        fleet = Collector(url, "@list", block(500), "-p", site.port, "--ca-file", "root.pem",
                          "--exclude", "@never", "--exclude", f"{loopback(400)}/31", "--resolver",
                          dns.server, *PATIENCE, "-o", "out.jsonl", cwd=folder)
        # Then it is in the bucket, whole.
        job = fleet.job
        wait_until(lambda: listed(url).get(job, {}).get("state") == "running", "it is never queued")
        for name in (*files, "list"):
            os.unlink(os.path.join(folder, name))
        with Worker(url, cwd="/"):
            fleet.end(3)
    check("2 " in fleet.said, "travels: bad lines", fleet.said)
    excluded = {*range(100, 164), 400, 401}
    ledger = [(good["name"], good["port"], "ok"), ("mail.test", mail, "ok"),
              ("none.test", 1, "dns_failed")]
    ledger += [(loopback(i), site.port, "refused") for i in range(500) if i not in excluded]
    records = records_of(os.path.join(folder, "out.jsonl"))
    compare("travels:", ledger, map(row_of, records))
    check(len({record["id"] for record in records}) == len(ledger), "travels: ids")
    by_host = {record["host"]: record for record in records}
    for name in (good["name"], "mail.test"):
        check(by_host[name].get("trust", {}).get("trusted"), "travels: not trusted", by_host[name])
    check(by_host["mail.test"].get("certificate", {}).get("fingerprint_sha256") ==
          certificates.fingerprints["mail.test"], "travels: another certificate")


def test_policy(site):
    """What a worker's own policy does not allow is blocked, whatever the job says."""
    folder, url = site.folder("policy"), site.url("policy")
    for name, allow, options, outcome in (
            ("no policy", None, [], "blocked"), ("another", "127.65.0.0/16", [], "blocked"),
            ("this one", "127.64.0.0/16", [], "refused"),
            ("not there", "127.0.0.0/8", ["--exclude", "127.64.0.0/24"], "blocked")):
        output = os.path.join(folder, f"{name}.jsonl")
        with Worker(url, *options, allow=allow):
            Collector(url, block(100), "-p", site.port, "-q", "-o", output).end()
        check_exactly(f"policy: {name}:", output,
                      [(loopback(i), site.port, outcome) for i in range(100)])


# --- Several jobs ---

def wait_for_cancelled(fleet):
    fleet.process.wait(HANG_SECONDS)
    fleet._thread.join()
    check(fleet.process.returncode not in (0, -9) and "cancelled" in fleet.said, "cancel: not told",
          fleet.process.returncode, fleet.said)


def test_shares(site):
    """A small job that comes while a large one is under way need not wait for its end, which would
    be long in coming."""
    folder, url = site.folder("shares"), site.url("shares")
    large, small = (os.path.join(folder, name) for name in ("large.jsonl", "small.jsonl"))
    with Worker(url), Worker(url), \
            Collector(url, block(200000), "-p", site.port, "--rate", 1000, "-q", "-o", large) as first:
        Lines(large).wait(1000, first)
        Collector(url, block(500), "-p", site.port, "-q", "-o", small).end()
        check(first.process.poll() is None, "shares: the large one was over first")
        for job in listed(url).values():
            if job["state"] != "done":
                result = jobs(url, "cancel", job["id"])
                check(result.returncode == 0, "shares: cancel", result.stderr)
        wait_for_cancelled(first)
    check_exactly("shares:", small, [(loopback(i), site.port, "refused") for i in range(500)])
    found = [record["id"] for record in records_of(large)]
    check(len(set(found)) == len(found), "shares: records twice")


def test_cancel(site):
    """The list, and the end of a job: its worker stops, its collector is told, its queues go; the
    other job goes on."""
    folder, url = site.folder("cancel"), site.url("cancel")
    paths = [os.path.join(folder, f"{i}.jsonl") for i in range(2)]
    with Worker(url) as worker, \
            Collector(url, block(200000), "-p", site.port, "--rate", 2000, "-o", paths[0]) as doomed, \
            Collector(url, block(3000), "-p", site.port, "--rate", 1500, "-o", paths[1]) as other, \
            site.server.client() as client:
        Lines(paths[0]).wait(500, doomed)
        both = {doomed.job, other.job}
        wait_until(lambda: both == set(listed(url)), "cancel: the list")
        shown = jobs(url).stdout
        check(doomed.job in shown and other.job in shown, "cancel: the table", shown)
        result = jobs(url, "cancel", doomed.job)
        check(result.returncode == 0, "cancel:", result.stderr)
        wait_for_cancelled(doomed)
        other.end()
        check_exactly("cancel: the other", paths[1],
                      [(loopback(i), site.port, "refused") for i in range(3000)])
        check(len(records_of(paths[0])) < 200000, "cancel: it was done")
        check(listed(url)[doomed.job]["state"] == "cancelled", "cancel: state", listed(url))
        wait_until(lambda: client.stream(f"cancel-results-{doomed.job}") is None,
                   "the queue of results is still there")
        check(worker.process.poll() is None, "cancel: the worker ended", worker.said)
        result = jobs(url, "cancel", "0" * 16)
        check(result.returncode != 0 and len(result.stderr.splitlines()) == 1, "cancel: no such job",
              result.returncode, result.stderr)


# --- Collectors that go away ---

def attached(url, job, path, **options):
    return Collector(url, "--attach", job, "-o", path, **options)


def test_attach(site):
    """Interrupted, killed, and taken up again: the file is whole, and has each record once."""
    folder, url = site.folder("attach"), site.url("attach")
    output, count = os.path.join(folder, "a.jsonl"), 12000
    with Worker(url), contextlib.ExitStack() as others:
        fleet = Collector(url, block(count), "-p", site.port, "--rate", SLOW, "--lease", LEASE, "-o",
                          output)
        job = fleet.job
        Lines(output).wait(500, fleet)
        fleet.process.send_signal(signal.SIGINT)
        fleet.end(130)
        check("--attach" in fleet.said and job in fleet.said, "attach: no word of it", fleet.said)
        for lines in (1000, 1500):
            before = len(records_of(output))
            fleet = attached(url, job, output)
            if not Lines(output).wait(max(lines, before + 100), fleet):
                break
            fleet.kill()
        fleet = attached(url, job, output)
        add_workers(others, url)
        fleet.end()
    check_exactly("attach:", output, [(loopback(i), site.port, "refused") for i in range(count)], job)
    result = run("scan", "--via", url, "--attach", job, "-o", output)
    check(result.returncode != 0 and "has ended" in result.stderr, "attach: to a job that is done",
          result.returncode, result.stderr)
    result = run("scan", "--via", url, "--attach", "0123456789abcdef", "-o", output)
    check(result.returncode != 0 and len(result.stderr.splitlines()) == 1, "attach: no such job",
          result.returncode, result.stderr)


def test_two_collectors(site):
    """The second, on another machine, is told who has the job; when the first dies, it takes over
    what is left."""
    folder, url = site.folder("two"), site.url("two")
    elsewhere = {**os.environ, "XDG_STATE_HOME": os.path.join(folder, "elsewhere")}
    first, second = (os.path.join(folder, name) for name in ("a.jsonl", "b.jsonl"))
    count = 8000
    with Worker(url), contextlib.ExitStack() as others, \
            Collector(url, block(count), "-p", site.port, "--rate", SLOW, "--lease", LONG_LEASE, "-o",
                      first) as fleet:
        job = fleet.job
        Lines(first).wait(500, fleet)
        busy = attached(url, job, second, env=elsewhere)
        busy.end(1)
        check(f"pid {fleet.process.pid}" in busy.said and not os.path.exists(second),
              "two: the second is not told", busy.said)
        Lines(first).wait(1000, fleet)
        fleet.kill()
        add_workers(others, url)
        attached(url, job, second, env=elsewhere).end()
    # What the first had written, and the cluster not been told of, the second has too.
    by_id = {r["id"]: r for path in (first, second) for r in records_of(path)}
    compare("two:", [(loopback(i), site.port, "refused") for i in range(count)],
            map(row_of, by_id.values()))
    check_ids("two:", list(by_id), count, job)
    check(len(records_of(second)) < count, "two: the second did all of it anew")


# --- What the cluster loses ---

def delete(client, stream, chosen):
    """Messages, as if they had been lost, of those that are there: `chosen` are their places."""
    state = client.stream(stream)["state"]
    check(state["messages"] == state["last_seq"] - state["first_seq"] + 1, "lost: gaps", state)
    for place in chosen:
        sequence = range(state["first_seq"], state["last_seq"] + 1)[place]
        answer = client.api(f"STREAM.MSG.DELETE.{stream}", seq=sequence)
        check(answer and answer.get("success"), "lost:", stream, sequence, answer)


@contextlib.contextmanager
def losing(site, name, count):
    """A collector that stands still when all of its job is done, none of it collected."""
    url, output = site.url(name), os.path.join(site.folder(name), "a.jsonl")
    with Collector(url, block(count), "-p", site.port, "--lease", LEASE, "-o", output, "--stats",
                   f"{output}.stats") as fleet, site.server.client() as client:
        job, consumer = fleet.job, f"{name}-results-{fleet.job}.collector"
        wait_until(lambda: listed(url).get(job, {}).get("state") == "running", "it is never queued")
        fleet.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: client.api(f"CONSUMER.INFO.{consumer}")["num_waiting"] == 0,
                   "the collector still asks")
        with Worker(url):
            wait_until(lambda: (found := listed(url)[job])["shards_waiting"] +
                       found["shards_under_way"] == 0, "it is never done")
            yield fleet, client, output


def test_lost(site):
    """Pages that the cluster has acknowledged and lost are probed again, and no others are written
    twice."""
    count = 3000
    with losing(site, "lost", count) as (fleet, client, output):
        check(client.count("lost-work") > 10, "lost: shards that are done are gone")
        delete(client, f"lost-results-{fleet.job}", (0, 1, 20, -1))
        fleet.process.send_signal(signal.SIGCONT)
        fleet.end()
        check(client.count("lost-work") == 0, "lost: shards stay when the job has ended")
    check("4 pages that the cluster had acknowledged never came: their targets are probed again" in
          fleet.said, "lost: not told", fleet.said)
    check_exactly("lost:", output, [(loopback(i), site.port, "refused") for i in range(count)], fleet.job)
    stats = json.loads(pathlib.Path(f"{output}.stats").read_text())["fleet"]
    check((stats["again"], stats["lost"]) == (4, 0), "lost: statistics", stats)


def test_lost_for_good(site):
    """Where their shards are lost, too, that is told, and the rest is there."""
    with losing(site, "gone", 640) as (fleet, client, output):
        delete(client, f"gone-results-{fleet.job}", (0,))
        client.api("STREAM.PURGE.gone-work")
        fleet.process.send_signal(signal.SIGCONT)
        fleet.end(1)
    check("1 pages of up to 64 targets never came" in fleet.said and "probed again" not in fleet.said,
          "gone: not told", fleet.said)
    check(len({record["id"] for record in records_of(output)}) == 640 - 64, "gone: the rest")


# --- What is wrong ---

def check_told(name, arguments, words, environment=None, status=(1, 2)):
    """In one line, at once."""
    result = run(*arguments, env={**os.environ, **(environment or {})})
    check(result.returncode in status and words in result.stderr and
          len(result.stderr.splitlines()) == 1 and "secret" not in result.stderr, name,
          result.returncode, result.stderr)


def check_all_told(name, url, words, environment=None):
    """By all three commands."""
    commands = (("scan", "127.0.0.1", "-o", "null", "--via", url), ("worker", url), ("jobs", url))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for done in [pool.submit(check_told, f"{name}, {arguments[0]}:", arguments, words, environment)
                     for arguments in commands]:
            done.result()


def test_told(site):
    """Wrong URLs, logins and options, servers that are not there or have no JetStream; that nobody
    works."""
    folder = site.folder("told")
    nobody = Collector(site.url("told"), block(64), "-p", site.port, "-o", "null")
    check_all_told("no server", f"nats://127.0.0.1:{site.port}", "no NATS server answers")
    check_all_told("no URL", "nats:///", "HOST:PORT")
    check_all_told("a bad name", site.url("a.b"), "a.b")
    check_all_told("an option", f"{site.server.url}#straem=T", "straem")
    with NatsServer(folder, jetstream=False, name="plain") as plain:
        check_all_told("no JetStream", plain.url, "has no JetStream")
    with NatsServer(folder, LOGIN, name="users") as users:
        at = f"127.0.0.1:{users.port}"
        check_all_told("nobody", f"nats://{at}", "refuses the login")
        check_all_told("wrong password", f"nats://u:secret9@{at}", "refuses the login")
        check_all_told("wrong variable", f"nats://{at}", "refuses the login",
                       {"TRAWL_NATS_USER": "u", "TRAWL_NATS_PASSWORD": "secret9"})
    via = ["--via", site.url("told")]
    for words, arguments in (
            ("--via", ["scan", "-o", "null", "--attach", "0123456789abcdef"]),
            ("--attach", ["scan", "-o", "null", *via, "--attach", "x"]),
            ("--attach", ["scan", "127.0.0.1", "-o", "null", *via, "--attach", "0123456789abcdef"]),
            ("--lease", ["scan", "127.0.0.1", "-o", "null", *via, "--lease", "10ms"]),
            ("--shard", ["scan", "127.0.0.1", "-o", "null", *via, "--shard", "1/2"]),
            ("cannot be resumed", ["scan", "127.0.0.1", "-o", os.path.join(folder, "a.gz"), *via]),
            ("cluster", ["worker"]), ("--allow", ["worker", via[1], "--allow", "all of it"]),
            ("ID", ["jobs", via[1], "cancel", "x"]), ("none of", ["jobs", via[1], "stop"])):
        check_told(" ".join(arguments), arguments, words)
    nobody.hears("no worker")
    nobody.kill()


def kv_put(client, bucket, key, value):
    check(client.request(f"$KV.{bucket}.{key}", value), "the bucket does not take", key)


def kv_all(client, bucket):
    """The last value of each key."""
    return {m.subject.split(".", 2)[2]: m.data for m in client.messages(f"KV_{bucket}")}


def queued(site, url, *options):
    """The id of a job that is whole in the cluster, and whose collector has died."""
    with Collector(url, block(64), "-p", site.port, "-o", "null", *options) as fleet:
        job = fleet.job
        wait_until(lambda: listed(url).get(job, {}).get("state") == "running", "it is never queued")
        return job


def forge(client, bucket, job, descriptor=None, options=None):
    """Changes a job: members of its descriptor, and bytes of its options."""
    found = kv_all(client, bucket)
    pieces = b"".join(found[key] for key in sorted(found) if key.startswith(f"{job}.options."))
    for old, new in (options or {}).items():
        check(old in pieces, "newer: nothing to be forged in", pieces)
        pieces = pieces.replace(old, new)
    kv_put(client, bucket, f"{job}.options.0", pieces)
    kv_put(client, bucket, job, json.dumps({
        **json.loads(found[job]), "options_sha256": hashlib.sha256(pieces).hexdigest(),
        **(descriptor or {})}).encode())


def test_newer(site):
    """A job of a newer version, one with an option of a newer version, those that would read or write
    files of the worker's machine, one that is damaged, and what is no job: told once each, while
    other jobs go on."""
    folder, url, bucket = site.folder("newer"), site.url("newer"), "newer-jobs"
    output, stolen = (os.path.join(folder, name) for name in ("a.jsonl", "stolen.jsonl"))
    forgeries = {"a newer version": [{"version": 99}],
                 "a newer option": [{}, {b'"warn"': b'"warp"'}],
                 "a file to read": [{}, {b'"warn"': b'"ca-file"', b'"20"': b'"/etc/shadow"'}],
                 "a file to write": [{}, {b'"warn"': b'"output"', b'"20"': json.dumps(stolen).encode()}],
                 "damaged": [{"options_sha256": "0" * 64}]}
    with site.server.client() as client:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            ids = list(pool.map(lambda _: queued(site, url, "--warn", 20), forgeries))
        for job, forgery in zip(ids, forgeries.values()):
            forge(client, bucket, job, *forgery)
        ids.append("5" * 16)
        kv_put(client, bucket, ids[-1], b"\xff{")
        with Worker(url) as worker:
            Collector(url, block(500), "-p", site.port, "-q", "-o", output).end()
            for job in ids:
                worker.hears(job)
            check(worker.process.poll() is None, "newer: the worker ended", worker.said)
            said = worker.said
        told = {job: [line for line in said.splitlines() if job in line] for job in ids}
        check(all(len(lines) == 1 for lines in told.values()), "newer: told again and again", said)
        check("newer" in told[ids[0]][0] and "newer" in told[ids[1]][0], "newer: no cure", told)
        check(not os.path.exists(stolen), "newer: a job has written a file")
        check_exactly("newer:", output, [(loopback(i), site.port, "refused") for i in range(500)])
        shown = jobs(url)
        check(shown.returncode == 0 and all(job in shown.stdout + shown.stderr for job in ids),
              "newer: the list", shown.stdout, shown.stderr)


def test_secrets(site):
    """Nothing of the cluster has a password of an output."""
    folder, url = site.folder("secrets"), site.url("secrets")
    output, stream = os.path.join(folder, "a.jsonl"), "secret1stream"
    with NatsServer(folder, LOGIN, name="users") as users, site.server.client() as client:
        sink = f"nats://u:secret1@127.0.0.1:{users.port}/{stream}#stream={stream},create"
        with Collector(url, block(1000), "-p", site.port, "-o", output, "-o", sink, "-o",
                       f"webhook+http://me:secret1@127.0.0.1:{users.port}/x?token=secret1#only=outcome:ok",
                       env={**os.environ, "TRAWL_NATS_PASSWORD": "secret1"}) as fleet:
            wait_until(lambda: listed(url).get(fleet.job, {}).get("state") == "running", "never queued")
            streams = client.api("STREAM.NAMES")["streams"]
            seen = [m for name in streams if "secrets" in name for m in stored(client, name)]
            check(len(seen) > 10 and any(b"127.64.3.231" in m for m in seen), "secrets: what is there",
                  seen)
            told = [m for m in seen if b"secret1" in m]
            check(not told, "secrets:", told)
            with Worker(url):
                fleet.end()
        with users.client(login={"user": "u", "pass": "secret1"}) as receiver:
            check(receiver.count(stream) == 1000, "secrets: the sink has", receiver.count(stream))
    check_exactly("secrets:", output, [(loopback(i), site.port, "refused") for i in range(1000)])


def test_logins(site):
    """TLS, and user and password: by the URL, its options and the environment, for all three."""
    folder = site.folder("logins")
    made = servers.Certificates(folder)
    made.make("localhost")
    password = os.path.join(folder, "password")
    pathlib.Path(password).write_text("secret1\n")
    options = (f'tls {{ cert_file: "{made.file("localhost.pem")}", '
               f'key_file: "{made.file("localhost.key")}", {SERVER_PATIENCE} }}\n{LOGIN}')
    with NatsServer(folder, options, name="tls") as server:
        at = f"localhost:{server.port}"
        ways = {
            "options": (f"nats+tls://{at}/F#ca-file={made.root},user=u,password-file={password}", {}),
            "URL": (f"nats+tls://u:secret1@{at}/F#ca-file={made.root}", {}),
            "variables": (f"nats+tls://{at}/F#ca-file={made.root}",
                          {"TRAWL_NATS_USER": "u", "TRAWL_NATS_PASSWORD": "secret1"})}
        with Worker(ways["options"][0]) as worker:
            for name, (url, environment) in ways.items():
                result = run("scan", "--via", url, block(64), "-p", site.port, "-o", "-",
                             env={**os.environ, **environment})
                check(result.returncode == 0 and len(result.stdout.splitlines()) == 64, "logins:",
                      name, result.stderr)
                check("secret" not in result.stderr + result.stdout, "logins: told", name)
                found = run("jobs", url, env={**os.environ, **environment})
                check(found.returncode == 0 and "secret" not in found.stdout, "logins: jobs", name,
                      found.stderr)
            check("secret" not in worker.said, "logins: the worker tells", worker.said)
        check_all_told("unknown root", f"nats+tls://u:secret1@{at}", "TLS failed")
        with server.client(tls=tls_context(made.root), login={"user": "u", "pass": "secret1"}) as client:
            check(client.stream("F-work"), "logins: no stream F-work")


def test_labels(site):
    """A job with a label waits for a worker that has it; others go by."""
    folder, url = site.folder("labels"), site.url("labels")
    output, other = (os.path.join(folder, name) for name in ("a.jsonl", "b.jsonl"))
    with Worker(url):
        with Collector(url, block(300), "-p", site.port, "--label", "inside", "-o", output) as fleet:
            Collector(url, block(200), "-p", site.port, "-q", "-o", other).end()
            check(not records_of(output), "labels: somebody else did it")
            with Worker(url, "--label", "inside", "--name", "nils"):
                fleet.end()
            check("nils" in fleet.said, "labels: the worker's name", fleet.said)
    check_exactly("labels:", output, [(loopback(i), site.port, "refused") for i in range(300)])


TESTS = [test_told, test_two_collectors, test_same, test_outputs, test_travels, test_policy, test_shares,
         test_cancel, test_attach, test_newer, test_lost, test_lost_for_good, test_secrets, test_logins, test_labels]  # the longest first


def timed(test, site):
    began = time.monotonic()
    test(site)
    print(f"{test.__name__}: {time.monotonic() - began:.1f} s", flush=True)


def main():
    if not SERVER:
        print("there is no nats-server on this machine")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        site = Site(stack, sys.argv[1], folder)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(timed, test, site) for test in TESTS
                         if len(sys.argv) < 3 or test.__name__ in sys.argv[2:]]:
                done.result()
    finish()


main()
