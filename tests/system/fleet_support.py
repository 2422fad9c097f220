"""Fleets for the scripts of this folder: workers and collectors as processes, and ledgers of what a
job must bring, computed from its targets and not by trawl."""
import base64
import collections
import json
import os
import pathlib
import re
import signal
import sqlite3
import tempfile

from nats_support import wait_until
from support import HANG_SECONDS, Spoken, check, loopback, run

LEASE = "2s"
LEASE_SECONDS = 2
# Of a probe, for a machine that is busy: nothing here is ended by its time.
PATIENCE = ("--dns-timeout", "90s", "--connect-timeout", "90s", "--starttls-timeout", "90s",
            "--handshake-timeout", "90s", "--timeout", "100s")
MORE = 6  # workers
ID = re.compile(r"\b[0-9a-f]{16}\b")
VOLATILE = ("time", "timing_us", "id", "days_left")  # of a record, from run to run


# --- Processes ---

class Worker(Spoken):
    """`trawl worker` as long as the `with` block; may aim at loopback unless told otherwise."""

    def __init__(self, url, *arguments, allow="127.0.0.0/8", **options):
        policy = ["--allow", allow] if allow else []
        self._is_killed = False
        super().__init__("worker", url, *policy, *arguments, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """It ends what it has begun, and well; unless it was killed."""
        if self._is_killed:
            return
        check(self.process.poll() is None, "a worker ended by itself:", self.said[-1000:])
        self.process.send_signal(signal.SIGCONT)
        self.hears(" serves ")  # and hears signals, too
        self.process.terminate()
        self.end()
        self._check_sanity()

    def _check_sanity(self):
        check("Sanitizer" not in self.said and "runtime error" not in self.said, self.said)

    def kill(self):
        self._is_killed = True
        self.process.kill()
        self.process.wait(HANG_SECONDS)
        self._thread.join()
        self._check_sanity()

    def signal(self, number):
        self.process.send_signal(number)


def add_workers(stack, url):
    """So that a job is soon done that was to last until now."""
    for _ in range(MORE):
        stack.enter_context(Worker(url))


class Collector(Spoken):
    """`trawl scan --via`; `job` is the id that it says."""

    def __init__(self, url, *arguments, **options):
        super().__init__("scan", "--via", url, *arguments, **options)

    @property
    def job(self):
        """As soon as it is told."""
        with self._heard:
            self._heard.wait_for(lambda: ID.search(self.said) or "(end)" in self.said, HANG_SECONDS)
            found = ID.search(self.said)
        check(found, "it never said the job's id:", self.said[-1000:])
        return found[0] if found else "0" * 16

    def kill(self):
        self.process.kill()
        self.process.wait(HANG_SECONDS)
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        self._thread.join()


def jobs(url, *arguments):
    return run("jobs", url, *arguments)


def listed(url):
    """The jobs of a fleet, by id."""
    result = run("jobs", url, "--json")
    check(result.returncode == 0, "jobs:", result.stderr)
    return {job["id"]: job for job in map(json.loads, result.stdout.splitlines())}


def stored(client, stream):
    """The messages of a stream with their headers, as bytes: also of one that is a queue."""
    state = client.stream(stream)["state"]
    found = []
    for sequence in range(state["first_seq"], state["last_seq"] + 1):
        message = client.api(f"STREAM.MSG.GET.{stream}", seq=sequence).get("message", {})
        found += [base64.b64decode(message.get(part, "")) for part in ("hdrs", "data")]
        found.append(message.get("subject", "").encode())
    return found


# --- What came out ---

def whole_lines(path):
    """Of a file that is still written, perhaps."""
    if not os.path.exists(path):
        return []
    data = pathlib.Path(path).read_bytes()
    return data[:data.rfind(b"\n") + 1].splitlines()


def records_of(path):
    return [json.loads(line) for line in whole_lines(path)]


class Lines:
    """How many a file has, which grows; `wait` for so many."""

    def __init__(self, path):
        self.path, self._read, self._count = path, 0, 0

    def count(self):
        if os.path.exists(self.path):
            with open(self.path, "rb") as file:
                file.seek(self._read)
                while data := file.read(1 << 20):
                    self._read += len(data)
                    self._count += data.count(b"\n")
        return self._count

    def wait(self, count, collector):
        wait_until(lambda: self.count() >= count or collector.process.poll() is not None,
                   f"{self.path} never has {count} lines")
        return check(collector.process.poll() is None, "the job was over before line", count, "of",
                     self.path, collector.said[-1000:])


def row_of(record):
    return record["host"], record["port"], record["outcome"]


def content_of(record):
    """All that is the same from run to run, as text."""
    return json.dumps({k: v for k, v in record.items() if k not in VOLATILE}, sort_keys=True)


def numbers_of(ids):
    """Of ids: RUN (16 digits), number of the target (12), part (4)."""
    return sorted(int(one[16:28], 16) for one in ids)


def compare(name, wanted, found):
    """Counters, or sets."""
    wanted, found = collections.Counter(wanted), collections.Counter(found)
    missing, more = wanted - found, found - wanted
    return check(wanted == found, name, f"{missing.total()} of {wanted.total()} are missing,",
                 f"{more.total()} too many:", list(missing)[:2], list(more)[:2])


def check_ids(name, ids, count, job=None):
    """Each target of the job once: numbers 1 to `count`, all of one run."""
    runs = {one[:16] for one in ids}
    check(len(runs) == 1 and job in (None, *runs), name, "ids of other runs:", sorted(runs)[:3], job)
    check(len(set(ids)) == len(ids), name, len(ids) - len(set(ids)), "records twice")
    return check(numbers_of(ids) == list(range(1, count + 1)), name, "numbers are not 1 to", count,
                 f"but {len(set(ids))} others,", numbers_of(ids)[:3], numbers_of(ids)[-3:])


def check_exactly(name, path, wanted, job=None):
    """A file of JSON lines has one record a target, those of the ledger and no others: `wanted` are
    rows (host, port, outcome)."""
    records = records_of(path)
    compare(name, wanted, map(row_of, records))
    check_ids(name, [record["id"] for record in records], collections.Counter(wanted).total(), job)
    return records


def ids_in_sqlite(path):
    with sqlite3.connect(path) as connection:
        return [row[0] for row in connection.execute("SELECT lower(hex(id)) FROM observations")]


# --- Targets ---

class Targets:
    """A list of the farm's endpoints with refusing addresses between, and its ledger: what a farm's
    endpoint does is known from its kind."""

    def __init__(self, folder, endpoints, port, count, every=4):
        self.rows, lines = [], []
        for number in range(count):
            if endpoints and number % every == 0:
                one = endpoints[number // every % len(endpoints)]
                lines.append(f"{one['name']}@{one['address']}:{one['port']}")
                self.rows.append((one["name"], one["port"], one["expected_outcome"]))
            else:
                lines.append(f"{loopback(number)}:{port}")
                self.rows.append((loopback(number), port, "refused"))
        self.count = count
        self.lines = lines
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".targets", delete=False) as file:
            file.write("".join(line + "\n" for line in lines))
        self.path = file.name

    @property
    def spec(self):
        return f"@{self.path}"
