"""Certificates in files and folders through `trawl scan`: the records are those of `trawl check`, the
certificates those that openssl finds, nothing is lost, and files stand beside servers.

    python3 check_local.py FOLDER     FOLDER is not used; $TRAWL is the program
"""
import csv
import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import resource
import shutil
import socket
import subprocess
import sys
import tempfile

import support
from servers import Certificates, Servers, find, free_port
from support import FOREVER, check

NAME = "local.test"


def scan(*arguments, text=None, status=0):
    done = support.run("scan", *FOREVER, *arguments, "-q", input=text)
    check(done.returncode == status, arguments, "exit status", done.returncode, done.stderr)
    return done


def records(*arguments, **options):
    return [json.loads(line)
            for line in scan(*arguments, "--format", "json", **options).stdout.splitlines()]


def openssl_fingerprints(path):
    """SHA-256 of every certificate of a PEM file, without a parser of certificates."""
    import base64
    import re
    text = pathlib.Path(path).read_text(encoding="latin-1")
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", text, re.S)
    return [hashlib.sha256(base64.b64decode(block)).hexdigest() for block in blocks]


def without_times(record):
    """What may differ from one run to the next."""
    return {key: value for key, value in record.items() if key not in ("time", "days_left", "id")}


def name_of(record):
    return (os.path.basename(record["host"]), record.get("certificate", {}).get("subject_cn"))


def fill(folder, certificates):
    """A folder with everything that may lie in one; returns how many records are due."""
    def pem(name):
        return pathlib.Path(certificates.file(name + ".pem")).read_bytes()

    def key(name):
        return pathlib.Path(certificates.file(name + ".key")).read_bytes()

    deep = folder / "live" / NAME
    deep.mkdir(parents=True)
    (deep / "fullchain.pem").write_bytes(pem(NAME) + pem("root"))
    (deep / "cert.pem").write_bytes(pem(NAME))
    (deep / "chain.pem").write_bytes(pem("root"))
    (deep / "privkey.pem").write_bytes(key(NAME))
    (deep / "README").write_text("this folder holds keys\n", encoding="ascii")
    (folder / "bundle.pem").write_bytes(pem(NAME) + pem("other.test") + pem("root"))
    (folder / "empty.crt").write_bytes(b"")
    (folder / "damaged.pem").write_bytes(pem(NAME) + b"-----BEGIN CERTIFICATE-----\nMII")
    (folder / "noise.der").write_bytes(random.Random(1).randbytes(4000))
    with open(folder / "huge.pem", "wb") as file:
        file.truncate(64 << 20)
    (folder / "round").symlink_to(folder)
    (folder / "gone.pem").symlink_to(folder / "nowhere")
    (folder / "again.pem").symlink_to(deep / "cert.pem")
    os.mkfifo(folder / "pipe.pem")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket.crt"))
    listener.close()
    # further down than anybody goes, and a file beyond that
    bottom = folder
    for _ in range(20):
        bottom = bottom / "d"
        bottom.mkdir()
    (bottom / "deep.pem").write_bytes(pem(NAME))
    return [("again.pem", NAME), ("bundle.pem", NAME), ("bundle.pem", "other.test"),
            ("cert.pem", NAME), ("chain.pem", "root"), ("damaged.pem", NAME),
            ("damaged.pem", None), ("empty.crt", None), ("fullchain.pem", NAME),
            ("gone.pem", None), ("huge.pem", None)]


def check_folder(folder, certificates):
    due = fill(folder, certificates)
    root = ["--ca-file", certificates.root]
    found = records(f"file:{folder}", *root)
    check(sorted(map(name_of, found), key=str) == sorted(due, key=str), list(map(name_of, found)))
    by_name = {name_of(r): r for r in found}
    expected = {"gone.pem": "unreachable", "huge.pem": "too_large",
                "empty.crt": "certificate_unparsable", "damaged.pem": "certificate_unparsable"}
    for name, outcome in expected.items():
        record = by_name[name, None]
        check(record["outcome"] == outcome and record["error"] and record["status"] == "error",
              record)
    for record in found:
        check(record["protocol"] == "file" and record["ip"] is None and "port" not in record and
              "tls" not in record and "sni" not in record and not record["addresses"], record)
        check(("certificate" in record) == (record["outcome"] == "ok"), record)
        if "certificate" in record:
            check(record["trust"]["trusted"] is True and "name_matches" not in record["trust"],
                  record)
    whole = by_name["fullchain.pem", NAME]
    check([whole["certificate"]["fingerprint_sha256"]] +
          [link["fingerprint_sha256"] for link in whole["chain"]] ==
          openssl_fingerprints(folder / "live" / NAME / "fullchain.pem"), whole)
    check("no_subject_alt_name" not in by_name["chain.pem", "root"]["findings"], "a CA's names")

    # The same from check, record by record.
    told = support.run("check", f"file:{folder}", *root, "--as", "json").stdout
    told = [json.loads(line) for line in told.splitlines()]
    check(list(map(without_times, sorted(told, key=lambda r: (r["host"], r["outcome"])))) ==
          list(map(without_times, sorted(found, key=lambda r: (r["host"], r["outcome"])))) or
          sorted(map(json.dumps, map(without_times, told))) ==
          sorted(map(json.dumps, map(without_times, found))), "check tells otherwise")


def check_formats(folder, certificates):
    """One certificate in each form, and the forms of no password."""
    run = certificates.run
    source, key = certificates.file(NAME + ".pem"), certificates.file(NAME + ".key")
    der = str(folder / "one.der")
    run("x509", "-in", source, "-outform", "DER", "-out", der)
    word = folder / "word"
    word.write_text("open sesame\r\nnot this\n", encoding="ascii")
    for name, password, options in (
            ("open.p12", "open sesame", []), ("bare.p12", "", []),
            ("old.pfx", "open sesame", ["-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES",
                                        "-macalg", "sha1"]),
            ("slow.p12", "open sesame", ["-iter", "20000000"])):
        run("pkcs12", "-export", "-inkey", key, "-in", source, "-certfile", certificates.root,
            "-out", str(folder / name), "-passout", f"pass:{password}", *options,
            *(["-nomac"] if name == "slow.p12" else []))
    root = ["--ca-file", certificates.root]
    paths = [f"file:{folder}/{name}" for name in
             ("one.der", "open.p12", "bare.p12", "old.pfx")] + [f"file:{source}"]
    found = records(*paths, *root, "--password-file", word, "--workers", "1")
    fingerprints = [r.get("certificate", {}).get("fingerprint_sha256") for r in found]
    check(fingerprints == openssl_fingerprints(source) * len(paths),
          [(r["host"], r.get("error")) for r in found])
    check([len(r.get("chain", [])) for r in found] == [0, 1, 1, 1, 0], "chains")
    wrong = records(f"file:{folder}/open.p12", f"file:{folder}/bare.p12", *root, "--workers", "1")
    check([r["outcome"] for r in wrong] == ["certificate_unparsable", "ok"] and
          "password" in wrong[0]["error"], wrong)
    slow = records(f"file:{folder}/slow.p12", "--password-file", word)
    check(slow[0]["outcome"] == "too_large" and "too long" in slow[0]["error"], slow)


def check_bundle():
    """The system's own roots: one record each, in the file's order."""
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    if not os.path.exists(bundle):
        return
    found = records(f"file:{bundle}", "--workers", "1")
    check([r["certificate"]["fingerprint_sha256"] for r in found] == openssl_fingerprints(bundle),
          len(found), "records of the system's roots")
    check(all(r["trust"]["trusted"] or "expired" in r["findings"] for r in found),
          [r for r in found if not r["trust"]["trusted"]][:1])


def check_among_servers(folder, certificates):
    """Files in lists of each form beside servers; all outputs; statistics; shards; exclusions."""
    pem = certificates.file(NAME + ".pem")
    port = free_port()
    with Servers(folder) as servers:
        servers.start("server", port, find("openssl"), "s_server", "-accept", f"127.0.0.1:{port}",
                      "-cert", pem, "-key", certificates.file(NAME + ".key"), "-www")
        servers.wait()
        listed = folder / "list.txt"
        listed.write_text(f"file:{pem}\n{NAME}@127.0.0.1:{port}\n# no target\n"
                          f"file:{folder}/nowhere # why\nfile:\n", encoding="ascii")
        stats = folder / "stats.json"
        outputs = [folder / ("out" + end) for end in (".jsonl", ".csv", ".msgpack", ".pem",
                                                      ".json.gz")]
        scan(f"@{listed}", f"file:{pem}", "--ca-file", certificates.root, "--stats", stats,
             *(word for path in outputs for word in ("-o", path)), status=3)
    found = [json.loads(line) for line in outputs[0].read_text(encoding="utf-8").splitlines()]
    check(sorted((r["protocol"], r["outcome"]) for r in found) ==
          [("file", "ok"), ("file", "ok"), ("file", "unreachable"), ("tls", "ok")], found)
    good = [r for r in found if r["outcome"] == "ok"]
    check(len({json.dumps([r["certificate"], r["trust"]["trusted"], r["status"]])
               for r in good}) == 1, "a file and a server differ", good)
    told = json.loads(stats.read_text(encoding="utf-8"))
    check((told["targets"], told["records"], told["bad_lines"], told["connections"]) ==
          (4, 4, 1, 1) and told["outcomes"] == {"ok": 3, "unreachable": 1}, told)
    check(told["trust"]["checks"] == 3 and
          told["trust"]["certificates_parsed"] + 3 * told["trust"]["verdicts_remembered"] >= 3,
          told["trust"])
    rows = list(csv.DictReader(io.StringIO(outputs[1].read_text(encoding="utf-8"))))
    check(sorted(row["host"] for row in rows) == sorted(r["host"] for r in found), rows)
    packed = list(support.msgpack_objects(outputs[2].read_bytes()))
    check(sorted(r["host"] for r in packed) == sorted(r["host"] for r in found), packed)
    check(openssl_fingerprints(outputs[3]) == openssl_fingerprints(pem) * 3, "PEM")
    with gzip.open(outputs[4], "rt", encoding="utf-8") as file:
        check(len(file.readlines()) == 4, "gzip")

    # What trawl has written of a file is read as a target again.
    again = records(f"@{outputs[0]}", "--ca-file", certificates.root, "--timeout", "2")
    check(sorted(r["protocol"] for r in again) == ["file", "file", "file", "tls"], again)
    # A name is checked where one is given.
    text = (f"host,sni\nfile:{pem},{NAME}\nfile:{pem},x.test\nfile:{pem},192.0.2.1\n"
            f"file:{pem},\n")
    named = records("-", "--ca-file", certificates.root, "--workers", "1", text=text)
    check([r["trust"].get("name_matches") for r in named] == [True, False, False, None], named)


def check_shards(folder, certificates):
    """A path is one target of a shard, whatever is in it: servers are where they would be."""
    bundle = folder / "many.pem"
    bundle.write_bytes(pathlib.Path(certificates.root).read_bytes() * 7)
    (folder / "none").mkdir(exist_ok=True)
    holder, port = support.refusing_port()
    text = "".join(f"{support.loopback(i)}:{port}\n" + (f"file:{bundle}\n" if i == 3 else "")
                   for i in range(9))
    seen = []
    for shard in ("1/3", "2/3", "3/3"):
        seen.append([(r["protocol"], r["host"])
                     for r in records("-", "--shard", shard, "--workers", "1", text=text)])
    holder.close()
    check(sorted(len(part) for part in seen) == [3, 4, 9], [len(part) for part in seen])
    every = sorted(record for part in seen for record in part)
    check(every == sorted([("file", str(bundle))] * 7 +
                          [("tls", support.loopback(i)) for i in range(9)]), every)


def check_refused(folder, certificates):
    pem = certificates.file(NAME + ".pem")
    done = scan(f"file:{pem}", "--checkpoint", folder / "ckpt", status=2)
    check("--checkpoint" in done.stderr and not (folder / "ckpt").exists(), done.stderr)
    done = scan("-", "--checkpoint", folder / "ckpt", text=f"file:{pem}\n", status=3)
    check("stdin:1:" in done.stderr and done.stdout == "", done.stderr)
    done = scan("file:", status=2)
    check("without a path" in done.stderr, done.stderr)
    done = scan(f"file:{pem}", "--password-file", folder / "nowhere", status=1)
    check("nowhere" in done.stderr, done.stderr)
    for path, outcome in ((folder / "nowhere", "unreachable"), ("/dev/zero", "unreachable"),
                          (certificates.file(NAME + ".key"), "certificate_unparsable")):
        found = records(f"file:{path}")
        check([(r["host"], r["outcome"]) for r in found] == [(str(path), outcome)], found)
    (folder / "bare").mkdir()
    found = records(f"file:{folder}/bare")
    check(len(found) == 1 and found[0]["error"] == "no certificate in this folder", found)
    if os.geteuid() != 0:
        closed = folder / "closed.crt"
        shutil.copy(pem, closed)
        closed.chmod(0)
        check(records(f"file:{closed}")[0]["outcome"] == "blocked", "no permission")


def check_many(folder, certificates):
    """Far more than the rings hold, by several workers: nothing is lost, and memory is bounded."""
    pem = pathlib.Path(certificates.file(NAME + ".pem")).read_bytes()
    other = pathlib.Path(certificates.file("other.test.pem")).read_bytes()
    bundle = folder / "large.pem"
    bundle.write_bytes((pem + other) * 4000)
    stats = folder / "large.json"

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 28, 1 << 28))

    done = subprocess.run(support.command(
        "scan", f"file:{bundle}", f"file:{bundle}", "--workers", "3", "--ca-file",
        certificates.root, "--format", "names", "--stats", stats, "-q"), capture_output=True,
        text=True, check=False, timeout=support.HANG_SECONDS, preexec_fn=limit)
    check(done.returncode == 0 and done.stdout.count(NAME) == 8000 and
          done.stdout.count("other.test") == 8000, done.returncode, done.stderr[-300:])
    trust = json.loads(stats.read_text(encoding="utf-8"))["trust"]
    check(trust["checks"] == 16000 and trust["verdicts_remembered"] >= 16000 - 3 * 2 and
          trust["signatures_checked"] <= 6, trust)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        certificates = Certificates(scratch)
        for name in (NAME, "other.test"):
            certificates.make(name, "ec")
        folder = pathlib.Path(scratch, "files")
        folder.mkdir()
        check_folder(folder, certificates)
        work = pathlib.Path(scratch, "work")
        work.mkdir()
        check_formats(work, certificates)
        check_bundle()
        check_among_servers(work, certificates)
        check_shards(work, certificates)
        check_refused(work, certificates)
        check_many(work, certificates)
    support.finish()


if not find("openssl"):
    print("no openssl command")
    sys.exit(support.SKIPPED)
main()
