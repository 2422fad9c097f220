"""The CT servers of bench/ctfarm for scripts: starting them, asking them, and what is needed to
check their answers without any of trawl's code: Merkle trees, tiles, notes, WebSocket.

    with CtFarm("--entries", 1000, "--fault", "short-page,p=0.5") as farm:
        farm.url, farm.rfc6962["url"], farm.static["url"], farm.feed, farm.log_list
        farm.truth(0, 10)
        farm.control(fault="wrong-leaf,at=12")
        farm.stats()["faults"]
"""
import base64
import gzip
import hashlib
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

from support import HANG_SECONDS, check


class CtFarm:
    """Runs bench-ctserver as long as the `with` block. `folder` has log_list.json, log_list.sig,
    log_list.pem, ca.pem and authorities.pem."""

    def __init__(self, *arguments):
        self._folder = tempfile.TemporaryDirectory(prefix="ctfarm-")
        self.folder = self._folder.name
        self.process = subprocess.Popen(
            [os.path.join(os.environ["TRAWL_BUILD"], "bench-ctserver"), "--dir", self.folder,
             *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"bench-ctserver ended with {self.process.wait()}")
        self.ready = json.loads(line)
        self.port, self.url, self.feed = (self.ready[key] for key in ("port", "url", "feed"))
        self.rfc6962, self.static = self.ready["rfc6962"], self.ready["static"]
        self.origin, self.log_list = self.ready["origin"], self.ready["log_list"]
        self.list_path = os.path.join(self.folder, "log_list.json")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        check(self.process.wait(HANG_SECONDS) == 0, "bench-ctserver ended badly")
        self._folder.cleanup()

    def get(self, path, **headers):
        """Status, headers and body; the status is 0 when the connection broke."""
        request = urllib.request.Request(self.url + path, headers=headers)
        return fetch(request)

    def control(self, **changes):
        query = urllib.parse.urlencode(changes)
        status, _, body = fetch(urllib.request.Request(f"{self.url}/control?{query}", data=b"",
                                                       method="POST"))
        if status != 200:
            raise ValueError(body)
        return json.loads(body)

    def stats(self):
        return json.loads(self.get("/stats")[2])

    def truth(self, start, end):
        """A dictionary for each entry; bench/ctfarm/ctfarm_log.h says what is in it."""
        lines = []
        for first in range(start, end, 65536):
            last = min(end, first + 65536)
            lines += self.get(f"/truth?start={first}&end={last}")[2].splitlines()
        return [json.loads(line) for line in lines]


def fetch(request):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=HANG_SECONDS) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()
    except (OSError, EOFError) as error:
        return 0, {}, str(error).encode()
    except Exception as error:  # http.client: the body is shorter than was promised
        return 0, {}, str(error).encode()


# --- Trees, RFC 6962 section 2.1, as it is written there ---

def leaf_hash(leaf):
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def split(size):
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def tree_root(hashes):
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = split(len(hashes))
    return node_hash(tree_root(hashes[:k]), tree_root(hashes[k:]))


def root_of_inclusion(index, size, leaf, path):
    """RFC 9162 section 2.1.3.2: the root that the path leads to."""
    node, last = index, size - 1
    root = leaf
    for step in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            root = node_hash(step, root)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, step)
        node, last = node >> 1, last >> 1
    return root if last == 0 else None


def roots_of_consistency(first, second, first_root, path):
    """RFC 9162 section 2.1.4.2: both roots that the proof leads to."""
    if first == second:
        return (first_root, first_root) if not path else None
    if not path:
        return None
    path = ([first_root] if first & (first - 1) == 0 else []) + path
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            return None
        if node & 1 or node == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, step)
        node, last = node >> 1, last >> 1
    return (old, new) if last == 0 else None


# --- Entries ---

class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError("cut off")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def prefixed(self, size):
        return self.take(self.number(size))

    def rest(self):
        return self.data[self.at:]


class Entry:
    """What a log says about one certificate. `leaf`: MerkleTreeLeaf; `signed`: the certificate or
    the TBS in it; `certificate`: as submitted; `chain`: certificates, or their hashes in a tile."""

    def __init__(self, reader):
        begin = reader.at
        self.timestamp = reader.number(8)
        self.type = reader.number(2)
        self.issuer_key_hash = reader.take(32) if self.type else None
        self.signed = reader.prefixed(3)
        self.extensions = reader.prefixed(2)
        self.leaf = b"\0\0" + reader.data[begin:reader.at]
        self.certificate = None if self.type else self.signed
        self.chain = []

    @property
    def leaf_index(self):
        reader = Reader(self.extensions)
        while reader.rest():
            kind, value = reader.number(1), reader.prefixed(2)
            if kind == 0:
                return int.from_bytes(value, "big")
        return None


def entry_of_json(entry):
    leaf, extra = (base64.b64decode(entry[key], validate=True) for key in ("leaf_input",
                                                                           "extra_data"))
    if leaf[:2] != b"\0\0":
        raise ValueError("no timestamped entry")
    parsed, reader = Entry(Reader(leaf[2:])), Reader(extra)
    if parsed.leaf != leaf:
        raise ValueError("bytes behind the leaf")
    if parsed.type:
        parsed.certificate = reader.prefixed(3)
    chain = Reader(reader.prefixed(3))
    while chain.rest():
        parsed.chain.append(chain.prefixed(3))
    if reader.rest():
        raise ValueError("bytes behind the chain")
    return parsed


def entries_of_tile(data):
    reader, entries = Reader(data), []
    while reader.rest():
        entry = Entry(reader)
        if entry.type:
            entry.certificate = reader.prefixed(3)
        hashes = reader.prefixed(2)
        entry.chain = [hashes[i:i + 32] for i in range(0, len(hashes), 32)]
        entries.append(entry)
    return entries


def tile_path(number):
    """1234067 -> x001/x234/067"""
    digits = f"{number:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i:i + 3] for i in range(0, len(digits), 3)]
    return "/".join(["x" + group for group in groups[:-1]] + groups[-1:])


def download_rfc6962(farm, size, page=256):
    """All entries, however short the pages are."""
    entries = []
    while len(entries) < size:
        last = min(size, len(entries) + page) - 1
        status, _, body = farm.get(f"/rfc6962/ct/v1/get-entries?start={len(entries)}&end={last}")
        if status == 200:
            entries += [entry_of_json(entry) for entry in json.loads(body)["entries"]]
    return entries


def download_tiles(farm, size):
    entries = []
    for number in range(-(-size // 256)):
        width = min(256, size - 256 * number)
        part = f".p/{width}" if width < 256 else ""
        _, headers, body = farm.get(f"/static/tile/data/{tile_path(number)}{part}")
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        entries += entries_of_tile(body)
    return entries


# --- Feeds ---

class Feed:
    """A client of a certstream server. `messages()` are JSON texts, decoded; pings are answered."""

    def __init__(self, farm, path="/full-stream", ssl_context=None):
        self.socket = socket.create_connection(("127.0.0.1", farm.port), timeout=HANG_SECONDS)
        if ssl_context:
            self.socket = ssl_context.wrap_socket(self.socket, server_hostname="127.0.0.1")
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                             f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                             "Sec-WebSocket-Version: 13\r\n\r\n").encode())
        self.file = self.socket.makefile("rb")
        self.status = self.file.readline()
        self.headers = {}
        while (line := self.file.readline().strip()):
            name, _, value = line.decode().partition(": ")
            self.headers[name.lower()] = value
        guid = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.accepted = self.headers.get("sec-websocket-accept") == base64.b64encode(
            hashlib.sha1(guid.encode()).digest()).decode()
        self.close_code = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, opcode, payload=b""):
        mask = os.urandom(4)
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | len(payload)) if len(payload) < 126 else \
            struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, len(payload))
        self.socket.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def frame(self):
        """Opcode and payload, or None at the end."""
        head = self.file.read(2)
        if len(head) < 2:
            return None
        length = head[1] & 0x7F
        if length > 125:
            length = int.from_bytes(self.file.read(2 if length == 126 else 8), "big")
        payload = self.file.read(length)
        return (head[0] & 15, payload) if len(payload) == length else None

    def texts(self):
        while (frame := self.frame()):
            opcode, payload = frame
            if opcode == 8:
                self.close_code = int.from_bytes(payload[:2], "big")
                return
            if opcode == 9:
                self.send(10, payload)
            elif opcode != 10:
                yield payload

    def messages(self):
        for text in self.texts():
            yield json.loads(text)

    def take(self, count):
        """The next so many updates, without heartbeats."""
        taken = []
        for message in self.messages():
            if message["message_type"] != "heartbeat":
                taken.append(message)
            if len(taken) == count:
                break
        return taken
