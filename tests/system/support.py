"""What the scripts of this folder share: problems, runs of the program, targets, decoders."""
import asyncio
import collections
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

HANG_SECONDS = 240  # only stops what hangs
SKIPPED = 77
# For probes that must not end because the machine is slow.
FOREVER = ["--timeout", 3600, "--connect-timeout", 3600, "--handshake-timeout", 3600]

problems = []

os.environ.setdefault("TRAWL_SPOOL", "off")  # nothing of a test stays behind in a home


def check(condition, *what):
    if not condition:
        problems.append(" ".join(str(w) for w in what))
        print("FAILED:", problems[-1][:2000], flush=True)
    return bool(condition)


def finish():
    print(f"{len(problems)} problems")
    sys.exit(1 if problems else 0)


# --- The program ---

def command(*arguments):
    return [os.environ["TRAWL"], *map(str, arguments)]


def run(*arguments, **options):
    """Runs it to its end; output and errors as text unless told otherwise."""
    options.setdefault("capture_output", True)
    options.setdefault("text", True)
    return subprocess.run(command(*arguments), timeout=HANG_SECONDS, check=False, **options)


def start(*arguments, **options):
    return subprocess.Popen(command(*arguments), **options)


class Farm:
    """Runs tool_farm as long as the `with` block. `endpoints` are its servers but for those of the
    kinds `without`."""

    def __init__(self, folder, root, endpoints, without=()):
        self.process = subprocess.Popen(
            [os.path.join(folder, "tool_farm"), "--endpoints", str(endpoints), "--root", root],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.root = root
        self.without = without
        self.endpoints = []

    def __enter__(self):
        for line in self.process.stdout:
            if line == "ready\n":
                return self
            endpoint = json.loads(line)
            if endpoint["kind"] not in self.without:
                self.endpoints.append(endpoint)
        sys.exit(f"tool_farm ended with {self.process.wait()}")

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(HANG_SECONDS)

    def named(self, prefix):
        return [e for e in self.endpoints if e["kind"].startswith(prefix)]


def lines_of(endpoints):
    """A list of targets."""
    return "".join(f"{e['name']}@{e['address']}:{e['port']}\n" for e in endpoints)


# --- Addresses ---

def refusing_port():
    """A socket that holds a port on every address of 127.0.0.0/8, and refuses connections there."""
    holder = socket.socket()
    holder.bind(("0.0.0.0", 0))
    return holder, holder.getsockname()[1]


def loopback(number):
    """The address of that number, from 127.64.0.0 on."""
    return socket.inet_ntoa(struct.pack("!I", 0x7F400000 + number))


def block(count):
    return f"{loopback(0)}-{loopback(count - 1)}"


# --- Runs that are followed ---

class Spoken:
    """A run whose words are kept, and can be waited for. `prefix` is a command that runs it."""

    def __init__(self, *arguments, prefix=(), **options):
        self.said = ""
        self._heard = threading.Condition()
        self.process = subprocess.Popen([*prefix, *command(*arguments)], stderr=subprocess.PIPE,
                                        text=True, errors="replace", **options)
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self):
        for line in self.process.stderr:
            with self._heard:
                self.said += line
                self._heard.notify_all()
        with self._heard:
            self.said += "\n(end)\n"
            self._heard.notify_all()

    def hears(self, words):
        with self._heard:
            self._heard.wait_for(lambda: words in self.said or "(end)" in self.said, HANG_SECONDS)
        check(words in self.said, "it never said", repr(words), "but", self.said[-1000:])

    def end(self, code=0):
        status = self.process.wait(HANG_SECONDS)
        self._thread.join()
        check(status == code, "exit status", status, self.said[-1000:])


class Sweep(Spoken):
    def __init__(self, *arguments, **options):
        super().__init__("scan", *arguments, **options)


class Targets:
    """Lines for the standard input of a sweep of "-", which is given no more of them than `allow`
    says: what is done to it is done amid it, however long that takes, until all are allowed."""

    def __init__(self, process, lines):
        self._lines, self._allowed, self._more = lines, 0, threading.Condition()
        self._input, process.stdin = process.stdin, None  # others are not to close it
        threading.Thread(target=self._write, daemon=True).start()

    def allow(self, count):
        with self._more:
            self._allowed = count
            self._more.notify()

    def _write(self):
        given = 0
        with contextlib.suppress(BrokenPipeError), self._input:  # it was killed
            while given < len(self._lines):
                with self._more:
                    self._more.wait_for(lambda: self._allowed > given)
                    lines, given = self._lines[given:self._allowed], self._allowed
                self._input.write("".join(f"{line}\n" for line in lines))
                self._input.flush()


# --- msgpack, as far as records use it ---

def _raw(data, at, length):
    if at + length > len(data):
        raise ValueError("cut off")
    return data[at:at + length], at + length


def _length(data, at, size):
    raw, at = _raw(data, at, size)
    return int.from_bytes(raw, "big"), at


def _items(data, at, count):
    items = []
    for _ in range(count):
        item, at = msgpack_object(data, at)
        items.append(item)
    return items, at


def _text(data, at, length, binary=False):
    raw, at = _raw(data, at, length)
    return (raw if binary else raw.decode()), at


def msgpack_object(data, at):
    """The object at that offset, and the offset behind it. ValueError if the data ends within."""
    (kind,), at = _raw(data, at, 1)
    if kind < 0x80 or kind >= 0xE0:
        return kind - 0x100 * (kind >= 0xE0), at
    if kind < 0x90 or kind in (0xDE, 0xDF):
        count, at = (kind & 15, at) if kind < 0x90 else _length(data, at, 2 << (kind & 1))
        items, at = _items(data, at, 2 * count)
        return dict(zip(items[::2], items[1::2])), at
    if kind < 0xA0 or kind in (0xDC, 0xDD):
        count, at = (kind & 15, at) if kind < 0xA0 else _length(data, at, 2 << (kind & 1))
        return _items(data, at, count)
    if kind < 0xC0:
        return _text(data, at, kind & 31)
    if kind in (0xC4, 0xC5, 0xC6, 0xD9, 0xDA, 0xDB):
        binary = kind < 0xC7
        length, at = _length(data, at, 1 << (kind - (0xC4 if binary else 0xD9)))
        return _text(data, at, length, binary)
    if 0xCC <= kind <= 0xD3:
        raw, at = _raw(data, at, 1 << (kind & 3))
        return int.from_bytes(raw, "big", signed=kind >= 0xD0), at
    if kind == 0xCB:
        raw, at = _raw(data, at, 8)
        return struct.unpack("!d", raw)[0], at
    return {0xC0: None, 0xC2: False, 0xC3: True}[kind], at


def msgpack_objects(data):
    at = 0
    while at < len(data):
        item, at = msgpack_object(data, at)
        yield item


# --- A server ---

class Server:
    """Accepts on every address of 127.0.0.0/8, says nothing, and closes after `hold` seconds. Runs
    on a thread of its own as long as the `with` block. `port` is where, `times` when each
    connection was accepted and `hosts` to which address it went; `most` is how many were open at
    once, by `key_of(address)`. What it counts is never more than there was: a connection counts
    from when it is accepted, and no longer once it is closed."""

    def __init__(self, hold=0.0, reset=False, key_of=lambda address: None):
        self.hold, self.reset, self.key_of = hold, reset, key_of
        self.times, self.hosts = [], []
        self.most = collections.Counter()
        self._open = collections.Counter()
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.bind(("0.0.0.0", 0))
        self._socket.listen(4096)
        self.port = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        self._loop.add_reader(self._socket, self._accept)
        self._loop.run_forever()
        self._loop.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except BlockingIOError:
                return
            host = connection.getsockname()[0]
            self.times.append(time.monotonic())
            self.hosts.append(host)
            key = self.key_of(host)
            self._open[key] += 1
            self.most[key] = max(self.most[key], self._open[key])
            if self.hold:
                self._loop.call_later(self.hold, self._close, connection, key)
            else:
                self._close(connection, key)

    def _close(self, connection, key):
        self._open[key] -= 1
        if self.reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._socket.close()
