"""MessagePack over sockets: every reader gets what the file got, whoever is slow, leaves, is killed
or comes back; `trawl decode` gives back the JSON of the same sweep, or hands it on; readers that
acknowledge lose nothing when they are killed; and filters leave out what Python would.

    python3 test_msgpack.py FOLDER     FOLDER holds tool_farm and example_read_records
"""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import servers
import support
from support import (FOREVER, HANG_SECONDS, Farm, block, check, command, finish, lines_of, loopback,
                     msgpack_objects, refusing_port, run, start)

ENDPOINTS = 60
MANY = 60000  # records: several times what sockets and queues hold
SOME = 16000  # records: several windows of acknowledgements
TURNS = 8  # in which they come
EXAMPLE = "tools/examples/read_records.py"


class Sweep(support.Sweep):
    """On one worker, so that all outputs have the same order."""

    def __init__(self, *arguments, **options):
        super().__init__("--workers", "1", *arguments, **options)

    def feed(self, targets):
        """On its standard input, which is to be a pipe."""
        self.process.stdin.write(targets + "\n")
        self.process.stdin.flush()


def connect(where):
    """To a path or a port, as soon as somebody listens there."""
    deadline = threading.Event()
    for _ in range(HANG_SECONDS * 100):
        family, address = ((socket.AF_INET, ("127.0.0.1", where)) if isinstance(where, int)
                           else (socket.AF_UNIX, where))
        connection = socket.socket(family)
        try:
            connection.connect(address)
            return connection
        except OSError:
            connection.close()
            deadline.wait(0.01)
    sys.exit(f"nobody listens at {where}")


def wait_until_listening(path, process):
    """Told by the kernel: a socket has its path before it listens."""
    listens = re.compile(rf"^\S+ \S+ \S+ 00010000 .* {re.escape(path)}$", re.M)
    while process.poll() is None and not listens.search(pathlib.Path("/proc/net/unix").read_text()):
        time.sleep(0.005)


def read_some(connection, count):
    data = b""
    while len(data) < count and (piece := connection.recv(min(65536, count - len(data)))):
        data += piece
    return data


def read_all(connection):
    data = b"".join(iter(lambda: connection.recv(1 << 20), b""))
    connection.close()
    return data


def whole_records(data):
    """The records of a stream that may be cut off."""
    found = []
    try:
        for record in msgpack_objects(data):
            found.append(record)
    except ValueError:
        pass
    return found


def records_in(path):
    return [json.loads(line) for line in pathlib.Path(path).read_bytes().splitlines()]


def listener(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    return server


# --- The farm, through everything ---

def check_farm(tools, folder):
    """One sweep into files, and to three readers at once: decode and both examples."""
    paths = {name: os.path.join(folder, name) for name in ("a.jsonl", "a.msgpack", "a.sock")}
    with Farm(tools, os.path.join(folder, "root.pem"), ENDPOINTS, {"silent", "dripping"}) as farm:
        targets = os.path.join(folder, "targets")
        pathlib.Path(targets).write_text(lines_of(farm.endpoints))
        sweep = Sweep(f"@{targets}", "--ca-file", farm.root, *FOREVER, "-o", paths["a.jsonl"],
                      "-o", paths["a.msgpack"], "-o",
                      f"msgpack+unix://{paths['a.sock']}#listen,wait=3",
                      *filtered_outputs(folder, "worker"))
        sweep.hears("of 3 readers are there")
        check(os.stat(paths["a.sock"]).st_mode & 0o777 == 0o600, "mode of the socket")
        commands = [command("decode", f"msgpack+unix://{paths['a.sock']}"),
                    [sys.executable, EXAMPLE, paths["a.sock"]],
                    [os.path.join(tools, "example_read_records"), paths["a.sock"]]]
        readers = [subprocess.Popen(c, stdout=subprocess.PIPE) for c in commands]
        outputs = []
        threads = [threading.Thread(target=lambda r=r: outputs.append((r, r.communicate()[0])))
                   for r in readers]
        for thread in threads:
            thread.start()
        sweep.end()
        for thread in threads:
            thread.join()
        check_chosen_by_hash(folder, farm, paths["a.jsonl"])
    outputs = dict(outputs)
    wanted = pathlib.Path(paths["a.jsonl"]).read_bytes()
    check(len(wanted.splitlines()) == len(farm.endpoints), "farm: lines", len(wanted.splitlines()))
    check(outputs[readers[0]] == wanted, "farm: decode of the socket is not the JSON of the file")
    lines = "".join(f"{r['host']} {r['port']} {r['outcome']}\n" for r in records_in(
        paths["a.jsonl"])).encode()
    for name, reader in zip(("Python", "C"), readers[1:]):
        check(outputs[reader] == lines, "farm: the example in", name, outputs[reader][:500])
    check(all(r.wait() == 0 for r in readers), "farm: exit statuses",
          [r.returncode for r in readers])
    check("writing works again" in sweep.said, "farm:", sweep.said)
    check(not os.path.exists(paths["a.sock"]), "farm: the socket is still there")
    check_decode(folder, paths["a.msgpack"], wanted)
    check_filters(folder, paths["a.msgpack"], wanted)


# --- Filters ---

def values(record, path):
    """All that stand there, of all items of lists on the way."""
    found = [record]
    for name in path.split("."):
        found = [member for holder in found for member in (holder if isinstance(holder, list)
                                                           else [holder])]
        found = [holder[name] for holder in found if isinstance(holder, dict) and name in holder]
    return [text for item in found for text in (item if isinstance(item, list) else [item])]


FILTERS = {
    "status": ("only=status:critical,warning",
               lambda r: r["status"] in ("critical", "warning")),
    "both": ("only=outcome:ok&only=!findings:expired,untrusted",
             lambda r: r["outcome"] == "ok" and not {"expired", "untrusted"} & set(r["findings"])),
    "list": ("only=findings:self_signed,name_mismatch",
             lambda r: bool({"self_signed", "name_mismatch"} & set(r["findings"]))),
    "absent": ("only=!tls.version:TLS 1.3", lambda r: "TLS 1.3" not in values(r, "tls.version")),
    "boolean": ("only=certificate.self_signed:true",
                lambda r: True in values(r, "certificate.self_signed")),
    "member": ("only=chain.subject:CN%3DFarm CA", lambda r: "CN=Farm CA" in values(
        r, "chain.subject")),
    "number": ("only=attempt:2", lambda r: r["attempt"] == 2),
}


def filtered_outputs(folder, name):
    return [word for key, (text, _) in FILTERS.items()
            for word in ("-o", os.path.join(folder, f"{name}.{key}.jsonl") + "#" + text)]


def check_filters(folder, path, wanted):
    """What workers left out, and what decode does of the same records, is what Python would."""
    result = run("decode", path, *filtered_outputs(folder, "decode"))
    check(result.returncode == 0, "filters: decode", result.stderr)
    left_out = 0
    for key, (text, holds) in FILTERS.items():
        lines = [line for line in wanted.splitlines(keepends=True) if holds(json.loads(line))]
        left_out += len(wanted.splitlines()) - len(lines)
        for name in ("worker", "decode"):
            found = pathlib.Path(folder, f"{name}.{key}.jsonl").read_bytes()
            check(found == b"".join(lines), "filters:", name, text, len(found.splitlines()),
                  "records instead of", len(lines))
    check(f"{left_out} records were left out by filters" in result.stderr, "filters:",
          result.stderr)
    for only, words in (("status:critcal", "did you mean critical?"), ("stats:ok", 'mean "status"'),
                        ("port:http", "is a number"), ("chain:x", "name one of their fields"),
                        ("status", "write a field"), ("status:ok,append=1", "follow a &")):
        result = run("scan", "127.0.0.1", "-o", f"null#only={only}")
        check(result.returncode == 2 and words in result.stderr, "filters:", only,
              result.returncode, result.stderr)


def check_chosen_by_hash(folder, farm, path):
    """A filter sees what no output writes."""
    record = next(r for r in records_in(path) if r.get("certificate"))
    chosen = os.path.join(folder, "chosen.jsonl")
    for name in ("spki_sha256", "tbs_sha256", "fingerprint_sha1"):
        only = f"certificate.{name}:{record['certificate'][name]}"
        result = run("scan", f"{record['host']}@{record['ip']}:{record['port']}", "--ca-file",
                     farm.root, *FOREVER, "-q", "--fields", "host", "-o",
                     f"{chosen}#only={only}")
        check(result.returncode == 0 and records_in(chosen) == [{"host": record["host"]}],
              "filters:", only, result.stderr, pathlib.Path(chosen).read_text())


# --- decode ---

def check_decode(folder, path, wanted):
    """Files whole, cut off and broken."""
    data = pathlib.Path(path).read_bytes()
    result = run("decode", path, text=False)
    check(result.returncode == 0 and result.stdout == wanted, "decode: not the JSON of the sweep",
          result.stderr)
    result = run("decode", input=data, text=False)
    check(result.returncode == 0 and result.stdout == wanted, "decode of a pipe", result.stderr)
    check(run("decode", os.devnull).returncode == 0, "decode of nothing")
    lines = wanted.splitlines(keepends=True)
    # A record's length is what Python's decoder makes of it.
    last = len(data) - len(bytes_of_last(data))
    cases = {
        "cut": (data[:-5], b"".join(lines[:-1]),
                f"the last {len(data) - 5 - last} bytes, from byte {last} on"),
        "wrong": (data + b"\xc1", wanted, f"at byte {len(data)}: not MessagePack"),
        "json": (data + wanted, wanted, f"at byte {len(data)}: not a record"),
        "compressed": (b"\x1f\x8b\x08\x00", b"", "gzip -dc"),
        "claims": (b"\xdf\xff\xff\xff\xff", b"", "at byte 0: a record of more than"),
    }
    for name, (content, output, words) in cases.items():
        file = os.path.join(folder, name)
        pathlib.Path(file).write_bytes(content)
        result = run("decode", file, text=False)
        said = result.stderr.decode()
        check(result.returncode == 1 and result.stdout == output and words in said, "decode:", name,
              result.returncode, said)
    for arguments, status, words in ((["/nonexistent"], 1, "No such file"), ([folder], 1, "folder"),
                                     (["a", "b"], 2, "one input"), (["--x"], 2, "--x"),
                                     (["msgpack+unix:///nonexistent/x"], 1, "No such file"),
                                     (["msgpack+tcp://127.0.0.1"], 2, "a host and a port"),
                                     ([f"msgpack+unix://{path}"], 2, "is no socket")):
        result = run("decode", *arguments)
        check(result.returncode == status and words in result.stderr, "decode", arguments,
              result.returncode, result.stderr)


def bytes_of_last(data):
    """The bytes of the last record: found from behind, as the part that decodes to one."""
    for at in range(len(data) - 1, -1, -1):
        try:
            found = list(msgpack_objects(data[at:]))
        except (IndexError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if len(found) == 1 and isinstance(found[0], dict) and found[0].get("record") == "probe":
            return data[at:]
    return b""


def check_decode_ends(path, wanted):
    """`| head`, and an interrupt while nobody takes the output, or no input comes."""
    with start("decode", path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        line = process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        check(process.wait(HANG_SECONDS) == 0 and not said, "decode: head", process.returncode,
              said)
        check(line == wanted[:len(line)], "decode: the first line", line[:200])
    for stdin, arguments in ((None, [path]), (subprocess.PIPE, [])):
        with start("decode", *arguments, stdin=stdin, stdout=subprocess.PIPE) as process:
            if stdin:
                process.stdin.write(b"\x81\xa1a\x01\x81")
                process.stdin.flush()
            first = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            check(process.wait(HANG_SECONDS) == 130, "decode: interrupt", process.returncode)
            if stdin:
                check(first == b'{"a":1}\n', "decode: one record of a pipe", first)


# --- Many records ---

def check_slow(folder, port):
    """A reader that does not read holds the sweep back; nothing is lost or comes twice."""
    paths = {name: os.path.join(folder, name) for name in ("b.jsonl", "b.msgpack")}
    where = servers.free_port()
    sweep = Sweep(block(MANY), "-p", port, "-o", paths["b.jsonl"], "-o", paths["b.msgpack"], "-o",
                  f"msgpack+tcp://127.0.0.1:{where}#listen,wait=2")
    slow, quick = connect(where), connect(where)
    rest = []
    thread = threading.Thread(target=lambda: rest.append(read_all(quick)))
    thread.start()
    begin = read_some(slow, 100000)
    check(sweep.process.poll() is None, "slow: it ended without its reader")
    begin += read_all(slow)
    thread.join()
    sweep.end()
    wanted = pathlib.Path(paths["b.msgpack"]).read_bytes()
    check(begin == wanted and rest[0] == wanted, "slow: not the bytes of the file:", len(begin),
          len(rest[0]), len(wanted))
    lines = pathlib.Path(paths["b.jsonl"]).read_bytes()
    check(len(lines.splitlines()) == MANY, "slow:", len(lines.splitlines()), "records")
    check(run("decode", paths["b.msgpack"], text=False).stdout == lines, "slow: decode")
    check_decode_ends(paths["b.msgpack"], lines)


def check_gap(name, wanted, before, after):
    """The first reader has a beginning, the second an end; only what was on its way is missing."""
    first = whole_records(before)
    check(first and wanted.startswith(before), name, "the first reader's records")
    check(after and wanted.endswith(after) and
          next(msgpack_objects(after))["record"] == "probe", name, "the second reader's records")
    # What does not come from the second reader on holds all that the first has.
    only_first = whole_records(before[:len(wanted) - len(after)])
    check(len(only_first) == len(first), name, "records came twice:", len(first), len(only_first))


def check_comes_back(folder, port):
    """With #listen: the only reader leaves within a record, and another comes."""
    path, output = os.path.join(folder, "c.sock"), os.path.join(folder, "c.msgpack")
    stats = os.path.join(folder, "c.stats")
    sweep = Sweep(block(MANY), "-p", port, "-o", output, "--stats", stats, "-o",
                  f"msgpack+unix://{path}#listen")
    reader = connect(path)
    before = read_some(reader, 500001)
    reader.close()
    sweep.hears("the reader left")
    after = read_all(connect(path))
    sweep.end()
    check_gap("comes back:", pathlib.Path(output).read_bytes(), before, after)
    check("writing works again" in sweep.said and "1 readers of a socket left" in sweep.said,
          "comes back:", sweep.said)
    check(json.loads(pathlib.Path(stats).read_text())["readers_left"] == 1, "comes back: stats")


def check_restart(folder, port):
    """Connecting: nobody is there at first; the server is restarted in the midst."""
    path, output = os.path.join(folder, "d.sock"), os.path.join(folder, "d.msgpack")
    sweep = Sweep(block(MANY), "-p", port, "-o", output, "-o", f"msgpack+unix://{path}")
    sweep.hears("cannot connect")
    server = listener(path)
    reader, _ = server.accept()
    before = read_some(reader, 500001)
    server.close()
    os.unlink(path)
    reader.close()
    sweep.hears("the reader left")
    server = listener(path)
    after = read_all(server.accept()[0])
    sweep.end()
    server.close()
    check_gap("restart:", pathlib.Path(output).read_bytes(), before, after)
    check("writing works again" in sweep.said, "restart:", sweep.said)


def check_killed(folder, port):
    """One of two readers is killed; the other gets everything."""
    path, output = os.path.join(folder, "e.sock"), os.path.join(folder, "e.jsonl")
    sweep = Sweep(block(MANY), "-p", port, "-o", output, "-o",
                  f"msgpack+unix://{path}#listen,wait=2")
    reader = connect(path)
    with subprocess.Popen([sys.executable, EXAMPLE, path], stdout=subprocess.PIPE) as victim:
        victim.stdout.readline()
        victim.kill()
    decoded = run("decode", "-", input=read_all(reader), text=False).stdout
    sweep.end()
    check(decoded == pathlib.Path(output).read_bytes(), "killed: the other reader's records")
    check("1 readers of a socket left" in sweep.said, "killed:", sweep.said)


def check_decode_listens(folder, port):
    """trawl connects to the socket at which decode listens."""
    path, output = os.path.join(folder, "f.sock"), os.path.join(folder, "f.jsonl")
    with start("decode", f"msgpack+unix://{path}#listen", stdout=subprocess.PIPE) as decode:
        sweep = Sweep(block(1000), "-p", port, "-o", output, "-o", f"msgpack+unix://{path}")
        decoded = decode.stdout.read()
        sweep.end()
        check(decode.wait(HANG_SECONDS) == 0, "decode listens:", decode.returncode)
    check(decoded == pathlib.Path(output).read_bytes(), "decode listens: not the same records")
    check(not os.path.exists(path), "decode listens: the socket is still there")


# --- Readers that acknowledge ---

class Ledger:
    """What readers have written that were killed again and again: each into a file of its own,
    whose last line may be torn."""

    def __init__(self, tools, folder, url):
        path = url.partition("//")[2].partition("#")[0]
        self.folder, self.count, self.lines = folder, 0, []
        self.commands = (
            lambda output: (command("decode", url), output),
            lambda output: (command("decode", url, "-q", "-o", output), None),
            lambda output: ([sys.executable, EXAMPLE, "--ack", path], output),
            lambda output: ([os.path.join(tools, "example_read_records"), "--ack", path], output))

    def run(self, enough):
        """The next reader, killed when it has written so much."""
        output = os.path.join(self.folder, f"ledger.{self.count}.jsonl")
        arguments, stdout = self.commands[self.count % len(self.commands)](output)
        self.count += 1
        pathlib.Path(output).touch()
        with open(stdout or os.devnull, "wb") as file, subprocess.Popen(
                arguments, stdout=file, stderr=subprocess.DEVNULL) as reader:
            pause = threading.Event()
            while reader.poll() is None and os.stat(output).st_size < enough:
                pause.wait(0.002)
            reader.kill()
        self.take(pathlib.Path(output).read_bytes())

    def take(self, data):
        for line in data[:data.rfind(b"\n") + 1].splitlines():
            if line.startswith(b"{"):
                record = json.loads(line)
                line = f"{record['host']} {record['port']} {record['outcome']}".encode()
            self.lines.append(line)


def check_acknowledged(tools, folder, port):
    """Readers of every sort are killed with SIGKILL; all records are in some reader's file. The
    sweep gets a part of its targets for each, lest one reads everything before it is killed."""
    path, output = os.path.join(folder, "h.sock"), os.path.join(folder, "h.jsonl")
    url = f"msgpack+unix://{path}#ack"
    sweep = Sweep("-", "-p", port, "-o", output, "-o", f"{url},listen,window=500",
                  stdin=subprocess.PIPE)
    ledger = Ledger(tools, folder, url)
    for first in range(0, SOME, SOME // TURNS):
        sweep.feed(f"{loopback(first)}-{loopback(first + SOME // TURNS - 1)}")
        sweep.hears("no reader is there")
        ledger.run(20000 if ledger.count % 4 > 1 else 400000)
    sweep.process.stdin.close()
    while sweep.process.poll() is None:
        ledger.run(20000 if ledger.count % 4 > 1 else 400000)
    sweep.end()
    wanted = {f"{r['host']} {r['port']} {r['outcome']}".encode() for r in records_in(output)}
    check(len(wanted) == SOME and set(ledger.lines) == wanted, "acknowledged:",
          len(wanted - set(ledger.lines)), "records are missing")
    check(ledger.count >= TURNS, "acknowledged: only", ledger.count, "readers")
    check(len(ledger.lines) < 3 * SOME, "acknowledged:", len(ledger.lines), "records for", SOME)
    check("readers of a socket left" in sweep.said, "acknowledged:", sweep.said)


def check_spooled(folder, port):
    """Nobody is there: the sweep ends, and the next one brings what the spool kept, and its own."""
    path, spool = os.path.join(folder, "l.sock"), os.path.join(folder, "spool")
    os.mkdir(spool)
    url, got = f"msgpack+unix://{path}#ack", os.path.join(folder, "l.got.jsonl")
    hosts = []
    for turn, count in enumerate((1000, 10)):
        output = os.path.join(folder, f"l.{turn}.jsonl")
        sweep = Sweep("-", "-p", port, "-o", output, "-o", f"{url},listen,spool={spool}",
                      stdin=subprocess.PIPE)
        sweep.feed(block(count))
        if turn:  # it has no end before its reader is there
            wait_until_listening(path, sweep.process)
            reader = start("decode", url, "-q", "-o", got)
            while reader.poll() is None and not (os.path.exists(got) and os.stat(got).st_size):
                time.sleep(0.005)
        sweep.process.stdin.close()
        if turn:
            check(reader.wait(HANG_SECONDS) == 0, "spooled: decode", reader.returncode)
        sweep.end()
        hosts += [record["host"] for record in records_in(output)]
    check([record["host"] for record in records_in(got)] == hosts, "spooled: not the same records")


def check_lies(folder, port):
    """Who acknowledges more than it got, or talks nonsense, is thrown out; the next gets all that
    was not acknowledged before that."""
    path, output = os.path.join(folder, "i.sock"), os.path.join(folder, "i.msgpack")
    sweep = Sweep(block(100), "-p", port, "-o", output, "-o", f"msgpack+unix://{path}#listen,ack")
    while sweep.process.poll() is None and (not os.path.exists(output) or len(
            whole_records(pathlib.Path(output).read_bytes())) < 100):
        time.sleep(0.005)
    for word in (b"\xcf" + b"\xff" * 8, b"\xa3yes", b"\xff", b"\xc1", b"\x32\x31"):
        liar = connect(path)
        begin = read_some(liar, 10)
        check(len(begin) == 10, "lies: nothing came")
        if word[0] == 0x32:  # fifty, then one less
            read_some(liar, pathlib.Path(output).stat().st_size - 10)
        liar.sendall(word)
        try:
            read_all(liar)
        except ConnectionResetError:
            pass
    honest = connect(path)
    data = b""
    while len(whole_records(data)) < 50 and (piece := honest.recv(65536)):
        data += piece
    honest.sendall(b"\x14")
    honest.sendall(b"\xcc\x32")
    check(honest.recv(1) == b"", "lies: more came")
    honest.close()
    sweep.end()
    check(len(whole_records(data)) == 50 and pathlib.Path(output).read_bytes().endswith(data),
          "lies: the honest reader's records")
    # Trouble is not told again soon after other trouble.
    check(f"acknowledged {2 ** 64 - 1} of " in sweep.said or "no reader is there" in sweep.said,
          "lies:", sweep.said)
    check("5 readers of a socket left" in sweep.said, "lies:", sweep.said)


def check_pipeline(folder, port):
    """One trawl scans, another stores: the same files; and it goes on with the next that scans."""
    names = [os.path.join(folder, name) for name in ("j.jsonl", "j.msgpack", "k.jsonl", "k.msgpack",
                                                     "j.sock", "k.sock")]
    json_file, packed, json_again, packed_again, path, further = names
    with start("decode", f"msgpack+unix://{path}#listen,ack", "--follow", "-o", json_again, "-o",
               packed_again, "-o", f"msgpack+unix://{further}#listen,ack", stderr=subprocess.PIPE,
               text=True) as decode:
        reader = threading.Thread(target=lambda: run("decode", f"msgpack+unix://{further}#ack",
                                                     "-o", os.devnull))
        wait_until_listening(path, decode)
        wait_until_listening(further, decode)
        reader.start()
        wanted = [b"", b""]
        for count in (SOME, 100):
            sweep = Sweep(block(count), "-p", port, "-o", json_file, "-o", packed, "-o",
                          f"msgpack+unix://{path}#ack")
            sweep.end()
            wanted[0] += pathlib.Path(json_file).read_bytes()
            wanted[1] += pathlib.Path(packed).read_bytes()
        # All was acknowledged, so all is written.
        check(pathlib.Path(json_again).read_bytes() == wanted[0], "pipeline: JSON")
        check(pathlib.Path(packed_again).read_bytes() == wanted[1], "pipeline: MessagePack")
        decode.send_signal(signal.SIGINT)
        said = decode.stderr.read()
        check(decode.wait(HANG_SECONDS) == 130, "pipeline:", decode.returncode, said)
        check(f"{SOME + 100} records were read" in said, "pipeline:", said)
        reader.join()
    for output, words in (("x.csv", "would be csv"), ("webhook+http://127.0.0.1:1", "webhook"),
                          ("x.pem", "would be pem")):
        result = run("decode", packed, "-o", output)
        check(result.returncode == 2 and words in result.stderr, "pipeline:", output,
              result.returncode, result.stderr)
        check(not os.path.exists(output), "pipeline:", output, "was made")


def check_nobody(folder, port):
    """No reader ever comes: the user ends it, and what is lost is counted."""
    path, stats = os.path.join(folder, "g.sock"), os.path.join(folder, "g.stats")
    sweep = Sweep(block(100), "-p", port, "--stats", stats, "-o", f"msgpack+unix://{path}#listen")
    sweep.hears("no reader is there")
    sweep.process.send_signal(signal.SIGINT)
    sweep.hears("interrupt again to give it up")
    sweep.process.send_signal(signal.SIGINT)
    sweep.end(1)
    figures = json.loads(pathlib.Path(stats).read_text())
    check(figures["records_lost"] == figures["records"] > 0, "nobody:", figures)
    check(not os.path.exists(path), "nobody: the socket is still there")


def check_refused(folder):
    """Told before the sweep begins."""
    file = os.path.join(folder, "file")
    pathlib.Path(file).write_text("precious")
    for output, words in ((f"msgpack+unix://{file}", "is no socket"),
                          (f"msgpack+unix://{file}#listen", "is no socket"),
                          ("msgpack+unix:///nonexistent/x.sock#listen", "No such file"),
                          ("msgpack+unix://x#listen", "absolute path"),
                          ("msgpack+tcp://127.0.0.1:1#listne", "did you mean listen")):
        result = run("scan", "127.0.0.1", "-o", output)
        check(result.returncode in (1, 2) and words in result.stderr and "target" not in
              result.stderr, output, result.returncode, result.stderr)
    check(pathlib.Path(file).read_text() == "precious", "a file was touched")


def main():
    tools = sys.argv[1]
    holder, port = refusing_port()
    with holder, tempfile.TemporaryDirectory() as folder:
        check_farm(tools, folder)
        check_slow(folder, port)
        check_comes_back(folder, port)
        check_restart(folder, port)
        check_killed(folder, port)
        check_decode_listens(folder, port)
        check_acknowledged(tools, folder, port)
        check_spooled(folder, port)
        check_lies(folder, port)
        check_pipeline(folder, port)
        check_nobody(folder, port)
        check_refused(folder)
    finish()


main()
