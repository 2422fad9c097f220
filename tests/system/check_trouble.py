"""Outputs that are full, slow, closed or left: nothing is lost in silence, and the user stays the
master.

    python3 check_trouble.py FOLDER     $TRAWL is the program
"""
import collections
import json
import os
import pathlib
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time

from support import HANG_SECONDS, check, command, finish, loopback, refusing_port, run, start

NAMESPACE = "--on-a-disk-of-its-own"
ATTEMPTS = 5  # at what cannot be told when the machine stands still too long


def block(count):
    return f"{loopback(0)}-{loopback(count - 1)}"


def figures(path):
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def records_in(path):
    return [json.loads(line) for line in pathlib.Path(path).read_bytes().splitlines()]


def expect_all(name, path, count):
    hosts = collections.Counter(record["host"] for record in records_in(path))
    check(len(hosts) == count == sum(hosts.values()), name, sum(hosts.values()), "records of",
          len(hosts), "targets; there are", count)


def read_until(process, word):
    """Lines of its errors, up to one with the word."""
    lines = []
    for line in process.stderr:
        lines.append(line)
        if word in line:
            return "".join(lines)
    check(False, "it never said", repr(word), "but", lines)
    return "".join(lines)


# --- A disk that stays full ---

class Full:
    """A sweep onto /dev/full, and maybe more, up to where it waits for room."""

    def __init__(self, folder, port, name, outputs=()):
        self.name, self.stats = name, os.path.join(folder, name + ".stats")
        self.process = start("scan", block(200000), "-p", port, "--stats", self.stats, "-o",
                             "/dev/full", *(word for output in outputs for word in ("-o", output)),
                             stderr=subprocess.PIPE, text=True)
        self.said = read_until(self.process, "waits until it can be written")
        check("/dev/full" in self.said and "No space left" in self.said, name, self.said)

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        self.said += self.process.communicate(timeout=HANG_SECONDS)[1]
        stats = figures(self.stats)
        check(self.process.returncode == 1, self.name, "exit status", self.process.returncode)
        check(stats["records"] == stats["targets"] > 0, self.name, stats)
        check(stats["records_lost"] == stats["records"], self.name, stats["records_lost"],
              "records lost of", stats["records"])
        check(f"{stats['records_lost']} records could not be written" in self.said, self.name,
              self.said)
        check(stats["targets"] < 200000, self.name, "took all targets while nothing was written")
        return stats


def end_full(folder, port):
    """Those that get one signal get it first. True if all that got two ended sooner."""
    output = os.path.join(folder, "beside.jsonl")
    patient = [Full(folder, port, "interrupted"), Full(folder, port, "terminated")]
    hasty = [Full(folder, port, "interrupted-twice"), Full(folder, port, "terminated-twice"),
             Full(folder, port, "one-of-two", [output])]
    numbers = [signal.SIGINT, signal.SIGTERM]
    for full, number in zip(patient + hasty, numbers * 3):
        full.signal(number)
    for full, number in zip(hasty, numbers * 2):
        full.said += read_until(full.process, "interrupt again to give it up")
        full.signal(number)
    stats = [full.end() for full in hasty][-1]
    sooner = all(full.process.poll() is None for full in patient)
    for full in patient:
        full.said += read_until(full.process, "interrupt again to give it up")
    for full in patient:
        full.end()
    records = records_in(output)
    check(len(records) == stats["records"], "one-of-two:", len(records), "records in the other of",
          stats["records"])
    check(sum(r["outcome"] == "cancelled" for r in records) == stats["cancelled"],
          "one-of-two: cancelled", stats["cancelled"])
    return sooner


def check_full(folder, port):
    """One signal: it ends by itself some time later. A second one: at once."""
    check(any(end_full(folder, port) for _ in range(ATTEMPTS)),
          "full: the second signal did not end it sooner")


def check_file_limit(folder, port):
    """An error that does not pass ends the sweep; the file ends at a record."""
    output, stats_path = (os.path.join(folder, name) for name in
                          ("limited.jsonl", "limited.stats"))
    limit = 500000
    result = run("scan", block(200000), "-p", port, "-o", output, "--stats", stats_path,
                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    check(result.returncode == 1 and "ulimit -f" in result.stderr, "file limit:",
          result.returncode, result.stderr)
    stats, records = figures(stats_path), records_in(output)
    check(0 < len(records) and len(records) + stats["records_lost"] == stats["records"],
          "file limit:", len(records), "written,", stats["records_lost"], "lost of",
          stats["records"])


# --- A disk that has room again ---

def check_room_comes_back(folder, port):
    """Inside the namespace, on a disk of three megabytes."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", folder], check=True)
    output, count = os.path.join(folder, "r.jsonl"), 20000
    process = start("scan", block(count), "-p", port, "-o", output, "--checkpoint",
                    os.path.join(folder, "checkpoint"), stderr=subprocess.PIPE, text=True)
    said = read_until(process, "waits until it can be written")
    check("make room and it goes on" in said, "room:", said)
    subprocess.run(["mount", "-o", "remount,size=50m", folder], check=True)
    said += process.communicate(timeout=HANG_SECONDS)[1]
    check(process.returncode == 0 and "writing works again" in said, "room:", process.returncode,
          said)
    expect_all("room:", output, count)
    check(os.listdir(folder) == ["r.jsonl"], "room:", os.listdir(folder))


def check_disk_in_namespace(tools):
    unshare = ["unshare", "--mount"]
    if os.geteuid() != 0:
        unshare += ["--map-root-user"]
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "none", folder]
        if subprocess.run([*unshare, *mount], capture_output=True, check=False).returncode != 0:
            print("room: skipped, for no file system can be mounted here")
            return
        result = subprocess.run([*unshare, sys.executable, "-B", __file__, tools, NAMESPACE,
                                 folder], timeout=HANG_SECONDS, check=False)
    check(result.returncode == 0, "room: see above")


# --- Readers ---

class Pipe:
    """A named pipe that nobody reads until the test wants it."""

    def __init__(self, folder, name):
        self.path = os.path.join(folder, name)
        os.mkfifo(self.path)
        self.end = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def is_full(self):
        """As a writer sees it."""
        writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        try:
            return not select.select([], [writer], [], 0)[1]
        finally:
            os.close(writer)

    def wait_until_full(self, process):
        while process.poll() is None and not self.is_full():
            time.sleep(0.002)

    def read_all(self):
        os.set_blocking(self.end, True)
        with os.fdopen(self.end, "rb") as pipe:
            return pipe.read()


def wait_for_lines(process, path, count):
    while process.poll() is None and (not os.path.exists(path) or
                                      pathlib.Path(path).read_bytes().count(b"\n") < count):
        time.sleep(0.002)


def check_stall_in_the_last_write(folder, port):
    """Everything is probed, and the reader takes no more."""
    count = 300  # a little more than fits into the pipe
    for signals, status in (((), 0), ((signal.SIGINT, signal.SIGINT), 1),
                            ((signal.SIGTERM, signal.SIGTERM), 1)):
        name = f"stall with {len(signals)} signals"
        pipe = Pipe(folder, f"stall-{len(signals)}-{sum(signals)}.jsonl")
        stats_path, beside = pipe.path + ".stats", pipe.path + ".beside.jsonl"
        process = start("scan", block(count), "-p", port, "-o", pipe.path, "-o", beside, "--stats",
                        stats_path, stderr=subprocess.PIPE, text=True)
        wait_for_lines(process, beside, count)
        pipe.wait_until_full(process)
        check(process.poll() is None, name, "ended before its reader took everything")
        if signals:
            process.send_signal(signals[0])
            read_until(process, "interrupt again to give it up")
            process.send_signal(signals[1])
            errors = process.communicate(timeout=HANG_SECONDS)[1]
            got = pipe.read_all()
        else:
            got = pipe.read_all()
            errors = process.communicate(timeout=HANG_SECONDS)[1]
        stats = figures(stats_path)
        whole = got.count(b"\n")
        check(process.returncode == status, name, "exit status", process.returncode, errors)
        check(stats["records"] == count, name, stats["records"], "records")
        check(whole + stats["records_lost"] >= count if signals else
              whole == count and stats["records_lost"] == 0, name, whole, "arrived,",
              stats["records_lost"], "lost of", count)
        check(not signals or 0 < stats["records_lost"] <= count, name, stats["records_lost"],
              "lost")


def check_stopped_reader(folder, port):
    """SIGSTOP, and much later SIGCONT: nothing is lost, and meanwhile nothing piles up."""
    count = 60000
    pipe, output = Pipe(folder, "stopped.jsonl"), os.path.join(folder, "copied.jsonl")
    process = start("scan", block(count), "-p", port, "-o", pipe.path, stderr=subprocess.PIPE,
                    text=True)
    pipe.wait_until_full(process)  # so that it has a writer
    os.set_blocking(pipe.end, True)
    with open(output, "wb") as sink:
        reader = subprocess.Popen(["cat"], stdin=pipe.end, stdout=sink)
    while process.poll() is None and os.stat(output).st_size < 100000:
        time.sleep(0.002)
    reader.send_signal(signal.SIGSTOP)
    pipe.wait_until_full(process)
    reader.send_signal(signal.SIGCONT)
    os.close(pipe.end)
    errors = process.communicate(timeout=HANG_SECONDS)[1]
    check(process.returncode == 0, "stopped reader: exit status", process.returncode, errors)
    check(reader.wait(HANG_SECONDS) == 0, "stopped reader: it ended with", reader.returncode)
    expect_all("stopped reader:", output, count)


def check_reader_leaves(folder, port):
    """The sweep ends quietly; the other output is whole."""
    pipe, output = Pipe(folder, "left.jsonl"), os.path.join(folder, "stays.jsonl")
    stats_path = os.path.join(folder, "left.stats")
    process = start("scan", block(200000), "-p", port, "-o", pipe.path, "-o", output, "--stats",
                    stats_path, "--quiet", stderr=subprocess.PIPE, text=True)
    pipe.wait_until_full(process)
    os.close(pipe.end)
    errors = process.communicate(timeout=HANG_SECONDS)[1]
    stats = figures(stats_path)
    check(process.returncode == 0 and not errors, "reader leaves:", process.returncode, errors)
    check(len(records_in(output)) == stats["records"] == stats["targets"] < 200000,
          "reader leaves:", len(records_in(output)), "records in the other;", stats)


# --- Signals of its own ---

def check_late_signals(port):
    """Threads wake the main one by SIGUSR1, which may come when nobody waits for it any more."""
    for arguments in (["scan", "-", "-o", "null", "-q"],
                      ["bench", f"127.0.0.1:{port}", "-n", 2000, "--warmup", 0]):
        process = start(*arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, text=True)
        blocked = pathlib.Path(f"/proc/{process.pid}/status")
        usr1, hup = 1 << signal.SIGUSR1 - 1, 1 << signal.SIGHUP - 1
        mask = 0
        # All are blocked for a moment when a thread begins.
        while process.poll() is None and (not mask & usr1 or mask & hup):
            mask = int(blocked.read_text(encoding="ascii").split("SigBlk:")[1].split()[0], 16)
        process.stdin.close()
        while process.poll() is None:
            process.send_signal(signal.SIGUSR1)
        check(process.returncode == (0 if arguments[0] == "scan" else 1), arguments, "ended with",
              process.returncode)
        process.stdout.close()
        process.stderr.close()


# --- Descriptors that are closed ---

def closing(*fds):
    def close():
        for fd in fds:
            os.close(fd)
    return close


def check_closed_descriptors(folder, port):
    """What is opened instead must not be taken for standard output or error."""
    target, output = f"127.0.0.1:{port}", os.path.join(folder, "closed.jsonl")
    for closed in ((1,), (0, 1)):
        result = run("scan", target, preexec_fn=closing(*closed))
        check(result.returncode == 2 and "standard output is closed" in result.stderr, "closed",
              closed, result.returncode, result.stderr)
    listed = os.path.join(folder, "bad.txt")
    count = 3000
    lines = [f"{loopback(i)}:{port}\nno target: {i}\n" for i in range(count)]
    pathlib.Path(listed).write_text("".join(lines), encoding="ascii")
    for closed in ((2,), (1, 2), (0, 1, 2)):
        result = subprocess.run(command("scan", f"@{listed}", "-o", output), check=False,
                                timeout=HANG_SECONDS, preexec_fn=closing(*closed))
        check(result.returncode == 3, "closed", closed, result.returncode)
        expect_all(f"closed {closed}:", output, count)
    result = run("scan", "-", "-o", output, preexec_fn=closing(0))
    check(result.returncode == 1 and result.stderr, "closed input:", result.returncode,
          result.stderr)


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # children started in the background ignore it
    holder, port = refusing_port()
    with holder:
        if NAMESPACE in sys.argv:
            check_room_comes_back(sys.argv[3], port)
            finish()
        with tempfile.TemporaryDirectory() as folder:
            check_full(folder, port)
            check_file_limit(folder, port)
            check_disk_in_namespace(sys.argv[1])
            check_stall_in_the_last_write(folder, port)
            check_stopped_reader(folder, port)
            check_reader_leaves(folder, port)
            check_late_signals(port)
            check_closed_descriptors(folder, port)
    finish()


main()
