"""MessagePack over sockets: every reader gets what the file got, whoever is slow, leaves, is killed
or comes back; and `trawl decode` gives back the JSON of the same sweep.

    python3 test_msgpack.py FOLDER     FOLDER holds tool_farm and example_read_records
"""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading

from support import (HANG_SECONDS, Farm, check, command, finish, lines_of, loopback,
                     msgpack_objects, refusing_port, run, start)

ENDPOINTS = 60
MANY = 60000  # records: several times what sockets and queues hold
EXAMPLE = "tools/examples/read_records.py"


def block(count):
    return f"{loopback(0)}-{loopback(count - 1)}"


class Sweep:
    """A sweep on one worker, so that all outputs have the same order. What it says is kept."""

    def __init__(self, *arguments):
        self.said = ""
        self._heard = threading.Condition()
        self.process = start("scan", "--workers", "1", *arguments, stderr=subprocess.PIPE, text=True)
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


def wait_for_socket(path):
    connect(path).close()


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
    except (IndexError, ValueError):
        pass
    return found


def records_in(path):
    return [json.loads(line) for line in pathlib.Path(path).read_bytes().splitlines()]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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
        sweep = Sweep(f"@{targets}", "--ca-file", farm.root, "--timeout", "4", "-o",
                      paths["a.jsonl"], "-o", paths["a.msgpack"], "-o",
                      f"msgpack+unix://{paths['a.sock']}#listen,wait=3")
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
        check(process.wait(HANG_SECONDS) == 0 and not said, "decode: head", process.returncode, said)
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
    where = free_port()
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


def check_gap(name, hosts, before, after):
    """The first reader has a beginning, the second an end; only what was on its way is missing."""
    first = [record["host"] for record in whole_records(before)]
    second = [record["host"] for record in msgpack_objects(after)]
    check(first and first == hosts[:len(first)], name, "the first reader's records")
    check(second and second == hosts[-len(second):], name, "the second reader's records")
    check(len(first) + len(second) <= len(hosts), name, "records came twice:", len(first),
          len(second))


def check_comes_back(folder, port):
    """With #listen: the only reader leaves within a record, and another comes."""
    path, output = os.path.join(folder, "c.sock"), os.path.join(folder, "c.jsonl")
    stats = os.path.join(folder, "c.stats")
    sweep = Sweep(block(MANY), "-p", port, "-o", output, "--stats", stats, "-o",
                  f"msgpack+unix://{path}#listen")
    reader = connect(path)
    before = read_some(reader, 500001)
    reader.close()
    sweep.hears("the reader left")
    after = read_all(connect(path))
    sweep.end()
    check_gap("comes back:", [r["host"] for r in records_in(output)], before, after)
    check("writing works again" in sweep.said and "1 readers of a socket left" in sweep.said,
          "comes back:", sweep.said)
    check(json.loads(pathlib.Path(stats).read_text())["readers_left"] == 1, "comes back: stats")


def check_restart(folder, port):
    """Connecting: nobody is there at first; the server is restarted in the midst."""
    path, output = os.path.join(folder, "d.sock"), os.path.join(folder, "d.jsonl")
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
    check_gap("restart:", [r["host"] for r in records_in(output)], before, after)
    check("writing works again" in sweep.said, "restart:", sweep.said)


def check_killed(folder, port):
    """One of two readers is killed; the other gets everything."""
    path, output = os.path.join(folder, "e.sock"), os.path.join(folder, "e.jsonl")
    sweep = Sweep(block(MANY), "-p", port, "-o", output, "-o", f"msgpack+unix://{path}#listen,wait=2")
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
        check_nobody(folder, port)
        check_refused(folder)
    finish()


main()
