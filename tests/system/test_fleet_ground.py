"""What a fleet stands on, from several processes at once: buckets with compare-and-swap, leases,
queues with pull consumers, jobs; on one server, and on three nodes of which the leader is killed.

    python3 test_fleet_ground.py FOLDER [NAME...]     NAME: only that test
"""
import base64
import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from nats_support import SERVER_PATIENCE, NatsCluster, NatsServer, run_tests, wait_until
from support import HANG_SECONDS, check

TOOL = os.path.join(sys.argv[1], "tool_fleet_ground")
PROCESSES = 4
ODD_JOB = "00000000000000ff"
ATTEMPTS = 20
LEASE_SECONDS = 5
AWAY = os.strerror(errno.ENOTCONN)


class Disturbed(Exception):
    """The machine stood still for longer than what is to be seen takes."""


class Between:
    """Between one tool and a server. What has the id `known` goes nowhere, and is answered as
    servers do when they know the id, but have no message of it."""

    def __init__(self, port, known):
        self._known = b"Nats-Msg-Id: " + known.encode() + b"\r\n"
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"nats://127.0.0.1:{self._listener.getsockname()[1]}"
        self.lies = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._up, args=(client,), daemon=True).start()

    def _up(self, client):
        numbers, lock = {}, threading.Lock()  # numbers: of subscriptions
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            threading.Thread(target=self._down, args=(client, server, lock), daemon=True).start()
            for words, unit in self._units(client):
                if words[0] == b"SUB":
                    numbers[words[1]] = words[-1]
                if self._known in unit:
                    self.lies += 1
                    reply = words[2]
                    self._lie(client, reply, numbers[reply[:reply.rindex(b".")] + b".*"], lock)
                else:
                    server.sendall(unit)

    def _down(self, client, server, lock):
        with contextlib.suppress(OSError):
            for _, unit in self._units(server):
                with lock:
                    client.sendall(unit)

    @staticmethod
    def _lie(client, reply, number, lock):
        answer = b'{"stream":"Q", "seq":0,"duplicate": true}'
        with lock:
            client.sendall(b"MSG %s %s %d\r\n%s\r\n" % (reply, number, len(answer), answer))

    @staticmethod
    def _units(source):
        """Lines of the protocol, each with its message."""
        try:
            with source.makefile("rb") as file:
                while line := file.readline():
                    words = line.split()
                    if words[0] in (b"PUB", b"HPUB", b"MSG", b"HMSG"):
                        line += file.read(int(words[-1]) + 2)
                    yield words, line
        except OSError:
            pass


class Tool:
    """A process of its own, as long as the `with` block: a command in, an answer out."""

    def __init__(self, url):
        self.process = subprocess.Popen([TOOL, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.hello = self.answer()

    def __enter__(self):
        if "no NATS server answers" in self.hello:
            self.process.communicate()
            raise Disturbed(self.hello)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        check(self.process.wait(HANG_SECONDS) == 0, "the tool ends with", self.process.returncode)
        self.process.stdout.close()

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().rstrip()

    def told(self, words):
        """What keeps a command from its end, which is told before its answer."""
        while words not in (line := self.answer()):
            if not line.startswith("trouble"):
                return check(False, "it never told", words, "but", line)
        return True

    def result(self):
        """The answer to a command, whatever was told before."""
        while (line := self.answer()).startswith("trouble"):
            pass
        return line

    def ask(self, *words):
        self.tell(*words)
        got = self.result()
        if words[0] == "take" and got.startswith(AWAY):
            raise Disturbed(got)
        return got

    def expect(self, answer, *words):
        got = self.ask(*words)
        if words[0] == "take" and got != answer and answer.startswith(got):
            raise Disturbed(got)  # the rest is on its way
        check(got.startswith(answer) if answer != "ok" else got == "ok", words, "is answered", got,
              "expected", answer)

    def words(self, *words):
        """Of an answer that is expected to be good."""
        got = self.ask(*words).split()
        check(got[:1] == ["ok"], words, "is answered", got)
        return got[1:]

    def drain(self, wait_ms):
        """Names of messages and where in the stream each was; all that is there is done then."""
        return [word.split(":") for word in self.words("drain", wait_ms)]

    def takes(self, names):
        """How often each of these was delivered, which come by and by."""
        seen = {}

        def are_here():
            seen.update(word.split(":") for word in self.words("take", 1, 1000))
            return len(seen) >= len(names)
        wait_until(are_here, f"{names} never come")
        check(sorted(seen) == names, "taken:", seen, "expected:", names)
        return {int(deliveries) for deliveries in seen.values()}


def alone(folder, body):
    """With another server where it was disturbed."""
    for number in range(ATTEMPTS):
        try:
            with NatsServer(folder, name=f"alone{number}") as server, Tool(server.url) as tool:
                check(tool.hello == "ok 1 1048576", tool.hello)
                return body(server, tool)
        except Disturbed as why:
            print(f"{body.__qualname__}: once more, {why}")
    raise TimeoutError("disturbed again and again")


def test_bucket(folder, _):
    def body(server, tool):
        tool.expect("ok", "bucket", "b")
        tool.expect("No such file", "get", "key")
        tool.expect("ok", "put", "key", "one")
        tool.expect("ok 1 one", "get", "key")
        tool.expect("File exists", "swap", "key", 0, "two")
        tool.expect("File exists", "swap", "key", 7, "two")
        tool.expect("ok 2", "swap", "key", 1, "two")
        tool.expect("ok 3", "swap", "other.key", 0, "x")
        check(sorted(tool.words("keys")) == ["key", "other.key"], "keys")
        tool.expect("File exists", "delete", "key", 1)
        tool.expect("ok", "delete", "key", 2)
        tool.expect("No such file", "get", "key")
        check(tool.words("keys") == ["other.key"], "a deleted key is there")
        tool.expect("ok 5", "swap", "key", 0, "again")
        tool.expect("ok", "delete", "key", 0)
        tool.expect("ok", "delete", "key", 0)
        tool.expect("No such file", "get", "key")
        # What another client deleted: its marker stays behind.
        with server.client() as client:
            client.request("$KV.b.other.key", b"hello")
            headers = b"NATS/1.0\r\nKV-Operation: DEL\r\n\r\n"
            client._send(b"HPUB $KV.b.other.key %d %d\r\n%s\r\n" % (len(headers), len(headers),
                                                                  headers))
            wait_until(lambda: tool.ask("get", "other.key").startswith("No such"), "no marker")
        tool.expect("ok 8", "swap", "other.key", 0, "y")
        tool.expect("wrong usage", "put", "a*", "y")

    alone(folder, body)


def race(tools, key, count):
    """Each adds to its own number in one value; the sum is exact when no write replaces what its
    writer has not seen."""
    for slot, tool in enumerate(tools):
        tool.tell("add", key, count, slot)


def check_race(tools, key, count):
    answers = [tool.answer() for tool in tools]
    check(answers == ["ok"] * PROCESSES, "race:", answers)
    check(tools[0].words("get", key)[1:] == [str(count)] * PROCESSES, "race:", tools[0].ask("get", key))


def test_lease(folder, _):
    def body(server, one):
        with Tool(server.url) as other:
            for tool, name in (one, "one"), (other, "other"):
                tool.expect("ok", "bucket", "b")
                tool.expect("ok", "lease", "log.a", name, 1000, 0)
            one.expect("ok", "try")
            one.expect("ok", "keep", "at-17")
            check("log.a is taken by one" in other.ask("try"), "who has it is not told")
            # Kept: longer than its time.
            for _ in range(4):
                one.expect("ok", "keep", "at-18")
                other.expect("Device or resource busy", "try")
                time.sleep(0.3)
            one.process.send_signal(signal.SIGSTOP)
            wait_until(lambda: other.ask("try") == "ok at-18", "a stopped holder keeps its lease")
            one.process.send_signal(signal.SIGCONT)
            one.expect("ok 0", "held")
            one.expect("reader went away", "keep", "at-19")
            other.expect("ok", "give", "at-20")
            one.expect("ok at-20", "try")
            # One that comes back need not wait.
            one.expect("ok", "lease", "log.b", "one", 60000, 4711)
            other.expect("ok", "lease", "log.b", "other", 60000, 4711)
            one.expect("ok", "try")
            one.expect("ok 1", "held")
            other.expect("ok", "try")
            one.expect("ok 1", "held")
            one.expect("reader went away", "keep", "x")
            one.expect("ok 0", "held")
            # What is no lease is overwritten in the end.
            one.expect("ok", "put", "log.c", "nonsense")
            one.expect("ok", "lease", "log.c", "one", 100, 0)
            one.expect("Device or resource busy", "try")
            wait_until(lambda: one.ask("try").startswith("ok"), "nonsense holds a lease")

    alone(folder, body)


def keep_by_words(one, other):
    """A word keeps messages, silence does not."""
    for tool in one, other:
        tool.expect("ok", "queue", "W", "w.x", 1000 * LEASE_SECONDS, 0)
    one.expect("ok 2 0", "publish", "W", "w.x", "w", 2, 10)
    last = before = time.monotonic()  # words, of which the server has heard the one before the last
    one.expect("ok w.0:1 w.1:1", "take", 2, 0)
    for _ in range(LEASE_SECONDS + 1):
        got = other.ask("take", 1, 1000)
        if time.monotonic() - before > LEASE_SECONDS:
            raise Disturbed("a word came too late")
        check(got == "ok", "a word does not keep messages:", got)
        before, last = last, time.monotonic()
        one.expect("ok", "extend")
    check(min(other.takes(["w.0", "w.1"])) > 1, "silence keeps messages")


def test_queue(folder, _):
    def body(server, one):
        with Tool(server.url) as other:
            keep_by_words(one, other)
            for tool in one, other:
                tool.expect("ok", "forget")
                tool.expect("ok", "queue", "Q", "q.x", 60000, 0)
            one.expect("ok", "take", 5, 0)
            one.expect("ok 3 0", "publish", "Q", "q.x", "m", 3, 10)
            one.expect("ok m.0:1 m.1:1", "take", 2, 0)
            other.expect("ok m.2:1", "take", 5, 1000)
            other.expect("ok", "done")
            begun = time.monotonic()
            one.expect("ok", "return", 200)
            check(other.takes(["m.0", "m.1"]) == {2}, "what is given back does not come")
            check(time.monotonic() - begun > 0.2, "it comes too early")
            other.expect("ok", "done")
            # The same once more: the server knows them.
            one.expect("ok 3 0", "publish", "Q", "q.x", "m", 3, 10)
            other.expect("ok", "take", 5, 1000)
            with server.client() as client:
                check(client.count("Q") == 0, "what is done stays in the queue")
                one.expect("ok 2 0", "publish", "Q", "q.x", "n", 2, 10)
                one.expect("ok n.0:1", "take", 1, 0)
                client.api("CONSUMER.DELETE.Q.all")
                one.expect("No such file", "done")
                one.expect("No such file", "take", 1, 1000)

    alone(folder, body)


def test_abandoned(folder, _):
    """Answers that come for a subscription that is just being given up: libnats up to 3.5 crashes
    where that is freed at once."""
    def body(_, one):
        one.expect("ok", "queue", "Q", "q.x", 60000, 0)
        one.expect("ok", "abandon", "Q", "q.x", 400)
        one.expect("ok 3 0", "publish", "Q", "q.x", "m", 3, 10)

    alone(folder, body)


def test_refusing_queue(folder, _):
    """One that refuses what it has no room for."""
    def body(server, one):
        one.expect("ok", "queue", "FULL", "full.x", 30000, 100000)
        crowd(server.url, one, 0, "maximum bytes")

    alone(folder, body)


def test_id_of_what_was_refused(folder, _):
    """Servers of 2.10 and newer, in a cluster, take what they have refused for a duplicate when it
    comes again."""
    def body(server, one):
        one.expect("ok", "queue", "Q", "q.x", 30000, 0)
        with Between(server.port, "m.1") as between:
            with Tool(between.url) as other:
                other.tell("publish", "Q", "q.x", "m", 3, 10)
                other.told("told before")
                check(other.result() == "ok 3 0", "not all is stored")
            check(between.lies > 0, "the server has not lied")
        taken = [name for name, _ in one.drain(100)]
        check(sorted(taken) == ["m.0", "m.1", "m.2"], "taken:", taken)

    alone(folder, body)


def crowd(url, one, most, trouble):
    """The publisher waits until there is room."""
    with Tool(url) as other:
        other.expect("ok", "queue", "FULL", "full.x", 30000, 0)
        one.tell("publish", "FULL", "full.x", "f", 1000, 1000, most)
        one.told(trouble)
        places = {}

        def are_taken():
            for name, place in other.drain(50):
                check(places.setdefault(name, place) == place, "a full queue doubled", name)
            return len(places) >= 1000
        wait_until(are_taken, "a full queue lost something")
        check(sorted(places) == sorted(f"f.{i}" for i in range(1000)), "a full queue:", len(places))
    check(one.result() == "ok 1000 0", "not all is stored")


def test_jobs(folder, _):
    first, second = "00000000000000aa", "00000000000000ab"

    def body(server, tool):
        tool.expect("ok", "jobs")
        tool.expect("ok", "list")
        tool.expect("ok 5", "submit", first, 2000, 2_500_000)
        tool.expect("File exists", "submit", first, 2000, 3)
        tool.expect("ok 1", "submit", second, 1000, 3)
        tool.expect(f"ok {second}:cutting {first}:cutting", "list")
        tool.expect("ok cutting 2500000", "options", first)
        tool.expect("ok 0 0 0 0", "progress", first)
        tool.expect("ok 2 0", "publish", "trawl-work", f"trawl.work.{first}", "s", 2, 10)
        tool.expect("ok", "work", first)
        tool.expect("ok s.0:1", "take", 1, 0)
        tool.expect("ok 1 1 0 0", "progress", first)
        with server.client() as client, Tool(server.url) as other:
            other.expect("ok", "jobs")
            other.expect(f"ok {second}:cutting {first}:cutting", "list")
            tool.expect("ok", "bucket", "trawl-leases")
            tool.expect("ok", "put", f"collect.{first}", "x")
            odd(client, tool)
            tool.expect("ok", "end", first, "cancelled")
            tool.expect("ok", "end", first, "done")
            tool.expect("No such file", "take", 1, 100)
            tool.expect("No such file", "done")
            tool.expect("No such file", "options", first)
            check(client.count("trawl-work") == 0, "shards of a cancelled job stay")
            check(not client.stream(f"trawl-results-{first}"), "results of a cancelled job stay")
            for each in tool, other, other:
                each.expect(f"ok {second}:cutting {first}:cancelled", "list")
            tool.expect("ok", "forget-jobs", 2000)
            tool.expect(f"ok {second}:cutting {first}:cancelled", "list")
            # A submit that was killed before its end.
            tool.expect("ok", "delete-descriptor", second)
            tool.expect("ok", "forget-jobs", 2001)
            for each in tool, other:
                each.expect("ok", "list")
            tool.expect("No such file", "get", f"collect.{first}")
            check(client.stream(f"trawl-results-{second}"), "a job that is being made is forgotten")
            tool.expect("ok 1", "submit", second, 1000, 3)
            tool.expect("ok", "delete-descriptor", second)
            tool.expect("ok", "forget-jobs", 10**15)
            check(not client.stream(f"trawl-results-{second}"), "an orphan stays")
            check(client.count("KV_trawl-jobs") == 0, "something is left in the bucket")

    def odd(client, tool):
        """A descriptor of a newer version is told, not read, and stays."""
        found = client.api("STREAM.MSG.GET.KV_trawl-jobs", last_by_subj=f"$KV.trawl-jobs.{first}")
        descriptor = json.loads(base64.b64decode(found["message"]["data"]))
        newer = json.dumps({**descriptor, "version": 99, "id": ODD_JOB})
        client.request(f"$KV.trawl-jobs.{ODD_JOB}", newer.encode())
        listed = tool.words("list")
        check(sorted(listed) == sorted([f"{ODD_JOB}:odd", f"{second}:cutting", f"{first}:cutting"]),
              "odd:", listed)
        tool.expect("not supported", "end", ODD_JOB, "done")
        tool.expect("ok", "forget-jobs", 10**15)
        check(f"{ODD_JOB}:odd" in tool.words("list"), "a newer job is forgotten")
        tool.expect("ok", "delete-descriptor", ODD_JOB)

    alone(folder, body)


def test_work_stays(folder, _):
    """Shards that are done stay until they are dropped, and the other job's stay in any case."""
    jobs = ["00000000000000aa", "00000000000000ab"]

    def publish(tool, job, prefix, count):
        tool.expect(f"ok {count} 0", "publish", "trawl-work", f"trawl.work.{job}", prefix, count, 10)

    def body(server, tool):
        tool.expect("ok", "jobs")
        for job in jobs:
            tool.expect("ok 1", "submit", job, 1000, 3)
        for prefix in "rst":
            for number, job in enumerate(jobs):
                publish(tool, job, f"{prefix}{number}", 2)
        tool.expect("ok", "drop-done", jobs[0])
        with server.client() as client:
            tool.expect("ok", "work", jobs[0])
            tool.expect("ok r0.0:1 r0.1:1 s0.0:1", "take", 3, 0)
            tool.expect("ok", "done")
            tool.expect("ok 3 0 0 0", "progress", jobs[0])
            check(client.count("trawl-work") == 12, "shards that are done are gone")
            tool.expect("ok", "drop-done", jobs[0])
            check(client.count("trawl-work") == 9, "they are not dropped")
            for job, waiting in zip(jobs, (3, 6)):
                tool.expect(f"ok {waiting} 0 0 0", "progress", job)
            found = [name for name, _ in tool.drain(50)]
            check(sorted(found) == ["s0.1", "t0.0", "t0.1"], "the rest is lost:", found)
            tool.expect("ok", "drop-done", jobs[0])
            publish(tool, jobs[0], "u0", 1)
            tool.expect("ok u0.0:1", "take", 1, 1000)
            tool.expect("ok", "end", jobs[0], "done")
            check(client.count("trawl-work") == 6, "shards of a job that has ended stay")
        tool.expect("No such file", "drop-done", jobs[0])
        tool.expect("ok", "work", jobs[1])
        found = [name for name, _ in tool.drain(50)]
        check(sorted(found) == [f"{prefix}1.{i}" for prefix in "rst" for i in range(2)],
              "of the other job:", found)

    alone(folder, body)


def test_bad_ways_in(folder, _):
    def refused(url, *words):
        tool = Tool(url)
        check(all(word in tool.hello for word in words), url, "is answered", tool.hello)
        check(tool.process.wait(HANG_SECONDS) == 1, url, "is taken")

    refused("nats://127.0.0.1:1", "no NATS server answers at nats://127.0.0.1:1")
    refused("http://127.0.0.1", "a fleet is named by its NATS servers")
    refused("nats://127.0.0.1/a.b", "the name of a fleet")
    refused("nats://127.0.0.1#replica=3", "unknown option", "replicas")
    with NatsServer(folder, jetstream=False, name="plain") as server:
        refused(server.url, "no JetStream", "-js")
    with NatsServer(folder, options=f"authorization {{ user: me, password: good, {SERVER_PATIENCE} }}",
                    name="closed") as server:
        refused(server.url.replace("//", "//me:bad@"), "refuses the login", "#password-file")
        refused(server.url.replace("//", "//me:good@") + "#replicas=3", "not so many servers")
        with server.client(login={"user": "me", "pass": "good"}) as client:
            client.api("STREAM.CREATE.other-work", name="other-work", subjects=["other.work.*"],
                       retention="workqueue")
        refused(server.url.replace("//", "//me:good@") + "/other", "other-work", "loses what is acknowledged")


def find_bucket(cluster, tools, leader):
    """A bucket that this node leads."""
    for i in range(50):
        for tool in tools:
            tool.expect("ok", "bucket", f"b{i}")
        if wait_until(lambda: cluster.leader(f"KV_b{i}"), "no leader") is leader:
            return
    raise TimeoutError("no bucket at that node")


def test_cluster(folder, _):
    """Creation and change by several at once are exact, and nothing of a queue is lost, also when
    the node dies that leads both."""
    with NatsCluster(folder) as cluster:
        tools = [Tool(cluster.url) for _ in range(PROCESSES)]
        one, other = Tool(cluster.url), Tool(cluster.url)
        check(one.hello.startswith("ok 3 "), "replicas:", one.hello)
        for tool in one, other:
            tool.expect("ok", "queue", "Q", "q.x", 10000, 0)
        tools[0].expect("ok", "queue", "FULL", "full.x", 30000, 0)
        leader = wait_until(lambda: cluster.leader("Q"), "no leader")
        find_bucket(cluster, tools, leader)
        for i in range(10):
            for tool in tools:
                tool.tell("swap", f"new{i}", 0, "x")
            answers = [tool.answer() for tool in tools]
            made = sum(answer.startswith("ok") for answer in answers)
            unsure = sum(answer.startswith(AWAY) for answer in answers)
            check(made == 1 or (made == 0 and unsure), "creation:", answers)
        race(tools, "n", 200)
        one.tell("publish", "Q", "q.x", "m", 6000, 10)
        with leader.client() as client:
            client.wait_for("Q", 1000)
        other.tell("drain", 1000)
        leader.kill()
        check_race(tools, "n", 200)
        check(one.result() == "ok 6000 0", "not all is stored")
        taken = other.result()
        check(taken.startswith("ok"), "not taken:", taken)
        names = {word.split(":")[0] for word in taken.split()[1:]}

        def are_taken():  # some may have been on their way from the node that died
            names.update(name for name, _ in other.drain(1000))
            return len(names) >= 6000
        wait_until(are_taken, "not all that was stored is taken")
        check(names == {f"m.{i}" for i in range(6000)}, "taken:", len(names))
        crowd(cluster.url, one, 300000, "there is enough in FULL")
        for tool in [*tools, one, other]:
            tool.__exit__()


def test_race(folder, _):
    def body(server, tool):
        tools = [tool, *(Tool(server.url) for _ in range(PROCESSES - 1))]
        for each in tools:
            each.expect("ok", "bucket", "b")
        race(tools, "n", 200)
        check_race(tools, "n", 200)
        for each in tools[1:]:
            each.__exit__()

    alone(folder, body)


run_tests([test_cluster, test_bucket, test_race, test_lease, test_queue, test_abandoned,
           test_refusing_queue, test_id_of_what_was_refused, test_jobs, test_work_stays,
           test_bad_ways_in])
