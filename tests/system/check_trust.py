"""Chains end to end: servers of openssl with certificates of our own making, swept by `trawl scan`.
The verdict must be that of `openssl verify` wherever the two should agree, and what was meant.

    python3 check_trust.py FOLDER     FOLDER is not used; $TRAWL is the program
"""
import datetime
import json
import os
import pathlib
import sys
import tempfile
import time

import support
from servers import Servers, find, free_port
from support import FOREVER, check

sys.path.insert(0, "tests/golden")
from check_openssl_verify import CA, Folder, openssl  # noqa: E402

ADDRESS = "127.0.0.1"


def server_name(names):
    return f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n"


class Case:
    """A server: the chain that it sends, whom it is asked for, and what is to come of it. `expected`
    is the verdict on the chain, `matches` that on the name."""

    def __init__(self, label, chain, asked, expected="ok", matches=True, openssl_differs=False):
        self.label, self.chain, self.asked = label, chain.split(), asked
        self.expected, self.matches, self.openssl_differs = expected, matches, openssl_differs
        self.port = free_port()

    def target(self):
        return f"{self.asked}@{ADDRESS}:{self.port}" if self.asked else f"{ADDRESS}:{self.port}"


def make_chains(folder):
    """Issuers by name; leaves are made with their cases."""
    make = folder.make
    make("root", extensions=CA, days=400)
    make("private", extensions=CA)
    make("old", extensions=CA)
    make("middle", "root", extensions=CA, days=20)
    make("last", "middle", key="p384", extensions=CA, days=50)
    make("private-middle", "private", extensions=CA)
    # One CA, cross-signed: its key under a root that nobody trusts, and under one that is trusted.
    make("cross-old", "old", extensions=CA, subject="/CN=cross")
    os.link(folder.file("cross-old.key"), folder.file("cross.key"))
    make("cross", "root", extensions=CA, subject="/CN=cross")
    # The same name with another key: not the one that signed.
    make("false-cross", "root", extensions=CA, subject="/CN=cross")
    make("dns-ca", "root", extensions=CA + "nameConstraints=critical,permitted;DNS:in.test\n")
    make("ip-ca", "root",
         extensions=CA + "nameConstraints=critical,excluded;IP:127.0.0.0/255.0.0.0\n")
    make("no-ca", "root", extensions="basicConstraints=CA:FALSE\n")
    make("weak-ca", "root", key="rsa1024", extensions=CA)
    make("stranger", extensions=CA, days=5)


def make_cases(folder):
    def leaf(name, issuer, names, **options):
        folder.make(name, issuer, extensions=server_name(names), subject="/CN=" + name, **options)

    leaf("good", "last", "DNS:good.test", days=60)
    leaf("ours", "private-middle", "DNS:ours.test")
    leaf("crossed", "cross", "DNS:crossed.test")
    leaf("ip", "root", f"IP:{ADDRESS},DNS:ip.test")
    leaf("no-ip", "root", "DNS:127.0.0.1.test")
    leaf("wild", "root", "DNS:*.wild.test")
    leaf("idn", "root", "DNS:xn--bcher-kva.test")
    leaf("inside", "dns-ca", "DNS:www.in.test")
    leaf("outside", "dns-ca", "DNS:www.out.test")
    leaf("ip-outside", "ip-ca", f"IP:{ADDRESS}")
    leaf("under-no-ca", "no-ca", "DNS:no-ca.test")
    leaf("under-weak", "weak-ca", "DNS:weak.test")
    leaf("alone", None, "DNS:alone.test")
    folder.make("client", "root",
                extensions="subjectAltName=DNS:client.test\nextendedKeyUsage=clientAuth\n")
    return [
        Case("plain", "good last middle", "good.test"),
        Case("with its root", "good last middle root", "good.test"),
        Case("wrong order", "good root middle last", "good.test"),
        Case("strangers", "good stranger last private middle", "good.test"),
        Case("one intermediate missing", "good last", "good.test", "unknown_issuer"),
        Case("all intermediates missing", "good", "good.test", "unknown_issuer"),
        Case("private, without root", "ours private-middle", "ours.test", "unknown_issuer"),
        Case("private, with root", "ours private-middle private", "ours.test", "untrusted_root"),
        Case("cross-signed", "crossed cross-old cross", "crossed.test", openssl_differs=True),
        Case("cross-signed, to a root that came along", "crossed cross-old old cross",
             "crossed.test", openssl_differs=True),
        Case("cross-signed, a false one", "crossed false-cross cross", "crossed.test",
             openssl_differs=True),
        Case("cross-signed, only the old one", "crossed cross-old", "crossed.test",
             "unknown_issuer"),
        Case("IP", "ip", None),
        Case("IP, asked by name", "ip", "ip.test"),
        Case("no IP", "no-ip", None, matches=False),
        Case("wildcard", "wild", "a.wild.test"),
        Case("wildcard, two labels", "wild", "a.b.wild.test", matches=False),
        Case("wildcard, no label", "wild", "wild.test", matches=False),
        Case("IDN", "idn", "b\u00fccher.test"),
        Case("IDN, in capitals", "idn", "B\u00dcCHER.test"),
        Case("IDN, as it is on the wire", "idn", "xn--bcher-kva.test"),
        Case("name constraint kept", "inside dns-ca", "www.in.test"),
        Case("name constraint broken", "outside dns-ca", "www.out.test", "name_constraint"),
        Case("name constraint on an address", "ip-outside ip-ca", None, "name_constraint"),
        Case("no CA", "under-no-ca no-ca", "no-ca.test", "not_a_ca"),
        Case("weak CA", "under-weak weak-ca", "weak.test", "weak_key"),
        Case("for clients", "client", "client.test", "wrong_purpose"),
        Case("self-signed", "alone", "alone.test", "self_signed"),
    ]


def start(servers, folder, cases):
    for number, case in enumerate(cases):
        chain = folder.file(f"sent-{number}.pem")
        pathlib.Path(chain).write_text("".join(
            pathlib.Path(folder.file(name + ".pem")).read_text(encoding="ascii")
            for name in case.chain[1:]), encoding="ascii")
        key = case.chain[0]
        servers.launch(f"server-{number}", [case.port], find("openssl"), "s_server", "-accept",
                       f"{ADDRESS}:{case.port}", "-cert", folder.file(key + ".pem"), "-key",
                       folder.file(key + ".key"), "-www", "-cipher", "ALL:@SECLEVEL=0",
                       *(["-cert_chain", chain] if case.chain[1:] else []))
    servers.wait()


def scan(*arguments, text=None, status=0, **options):
    done = support.run("scan", *FOREVER, *arguments, "--format", "json", "-q", input=text,
                       **options)
    check(done.returncode == status, arguments, "exit status", done.returncode, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def verdict_of(record):
    trust = record.get("trust", {})
    return trust.get("error") or ("ok" if trust.get("trusted") else "unverified")


def check_cases(folder, cases, stats):
    found, _ = scan("-", "--ca-file", folder.file("root.pem"), "--stats", stats, "--workers", "1",
                    text="".join(case.target() + "\n" for case in cases))
    by_port = {record["port"]: record for record in found}
    check(len(by_port) == len(cases), len(found), "records of", len(cases), "servers")
    now = int(time.time())
    for case in cases:
        record = by_port.get(case.port, {})
        check(record.get("outcome") == "ok", case.label, record.get("outcome"),
              record.get("error"))
        ours = verdict_of(record)
        check(ours == case.expected, case.label, ours, "expected", case.expected)
        check(("untrusted" in record["findings"]) == (case.expected != "ok"), case.label,
              record["findings"])
        theirs = folder.openssl_verdict("root", case.chain, now)
        check(theirs == ours or case.openssl_differs, case.label, ours, "openssl:", theirs)
        check(record["trust"]["name_matches"] == case.matches, case.label, record["trust"])
        host = ["-verify_hostname", case.asked.encode("idna").decode()] if case.asked else [
            "-verify_ip", ADDRESS]
        done = openssl("verify", "-partial_chain", "-no-CApath", "-no-CAstore", "-CAfile",
                       folder.file(case.chain[0] + ".pem"), *host,
                       folder.file(case.chain[0] + ".pem"))
        says = "mismatch" not in done.stderr
        check(says == case.matches, case.label, "openssl matches the name:", says)
        check(record["status"] in ("ok", "warning"), case.label, "trust changes the status",
              record["status"])


def date_of(folder, name):
    words = openssl("x509", "-in", folder.file(name + ".pem"), "-noout", "-enddate").stdout
    end = datetime.datetime.strptime(words.strip().removeprefix("notAfter="),
                                     "%b %d %H:%M:%S %Y GMT")
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")


def check_dates(folder, cases):
    """The leaf's own end, that of the path, and the earliest of all that was sent."""
    case = [c for c in cases if c.label == "strangers"][0]
    found, _ = scan(case.target(), "--ca-file", folder.file("root.pem"))
    record = found[0]
    check(record["certificate"]["not_after"] == date_of(folder, "good"), record["certificate"])
    check(59 < record["days_left"] <= 60 and record["status"] == "ok", record["days_left"])
    check(record["trust"]["chain_not_after"] == date_of(folder, "middle"), record["trust"])
    check(record["trust"]["earliest_not_after"] == date_of(folder, "stranger"), record["trust"])
    check("chain_expires_sooner" in record["findings"], record["findings"])


def check_private_roots(folder, cases):
    """Roots for single targets, in each form that a list may have; the others keep the sweep's."""
    by_label = {case.label: case for case in cases}
    ours, plain = by_label["private, without root"], by_label["plain"]
    root, private = folder.file("root.pem"), folder.file("private.pem")
    blank = folder.file("with blank.pem")
    os.link(private, blank)
    lists = [
        f"{ours.target()} ca-file={private}\n{plain.target()}\n{plain.target()} ca-file={blank}\n",
        "host,ip,port,ca_file\n"
        f"ours.test,{ADDRESS},{ours.port},{private}\n"
        f"good.test,{ADDRESS},{plain.port},\n"
        f"good.test,{ADDRESS},{plain.port},{blank}\n",
        "".join(json.dumps(entry) + "\n" for entry in (
            {"host": "ours.test", "ip": ADDRESS, "port": ours.port, "ca_file": private},
            {"host": "good.test", "ip": ADDRESS, "port": plain.port},
            {"host": "good.test", "ip": ADDRESS, "port": plain.port, "ca_file": blank})),
    ]
    due = [("good.test", "ok"), ("good.test", "unknown_issuer"), ("ours.test", "ok")]
    for text in lists:
        for workers in ("1", "2"):
            found, _ = scan("-", "--ca-file", root, "--workers", workers, text=text)
            check(sorted((r["host"], verdict_of(r)) for r in found) == due, text,
                  [(r["host"], verdict_of(r), r["outcome"], r.get("error")) for r in found])
    for path, words in ((folder.file("gone.pem"), "No such file"), ("/dev/zero", "neither a file"),
                        (folder.file("root.key"), "no PEM certificate")):
        found, told = scan("-", "--ca-file", root, status=3,
                           text=f"{ours.target()} ca-file={path}\n{plain.target()}\n")
        check([verdict_of(r) for r in found] == ["ok"] and "stdin:1:" in told and words in told,
              told)
    # Nothing is verified: what a list says of roots does not matter.
    found, _ = scan("-", "--no-verify", text=f"{ours.target()} ca-file=/nowhere\n")
    check([verdict_of(r) for r in found] == ["unverified"], found)


def check_more_roots(folder, cases):
    """--ca-add beside --ca-file, and beside the system's store."""
    by_label = {case.label: case for case in cases}
    targets = [by_label[label].target() for label in ("plain", "private, without root")]
    root, private = folder.file("root.pem"), folder.file("private.pem")
    system = {**os.environ, "SSL_CERT_FILE": root}
    for options, environment, due in (
            (["--ca-file", root], None, ["ok", "unknown_issuer"]),
            (["--ca-file", root, "--ca-add", private], None, ["ok", "ok"]),
            (["--ca-file", private, "--ca-add", root], None, ["ok", "ok"]),
            ([], system, ["ok", "unknown_issuer"]),
            (["--ca-add", private], system, ["ok", "ok"]),
            (["--ca-file", private], system, ["unknown_issuer", "ok"])):
        found, _ = scan(*targets, *options, "--workers", "1", env=environment)
        by_host = {r["host"]: verdict_of(r) for r in found}
        check([by_host.get("good.test"), by_host.get("ours.test")] == due, options, by_host)
    found, told = scan(targets[0], "--ca-file", root, "--ca-add", folder.file("gone.pem"), status=1)
    check(not found and "gone.pem" in told, told)


def check_statistics(folder, cases, stats):
    """Known chains and signatures are not looked at again, and the figures say so."""
    keys = {"checks", "verdicts_remembered", "certificates_parsed", "certificates_remembered",
            "signatures_checked", "signatures_remembered", "paths_validated"}
    first = json.loads(pathlib.Path(stats).read_text(encoding="utf-8"))["trust"]
    check(set(first) == keys and first["checks"] == len(cases) and
          first["signatures_remembered"] > 0 and first["certificates_remembered"] > 0, first)
    plain = [c for c in cases if c.label == "plain"][0]
    done = support.run("scan", *[plain.target()] * 20, "--ca-file", folder.file("root.pem"),
                       "--workers", "1", "--stats", stats, "-o", "null", *FOREVER)
    again = json.loads(pathlib.Path(stats).read_text(encoding="utf-8"))["trust"]
    check(again == {"checks": 20, "verdicts_remembered": 19, "certificates_parsed": 3,
                    "certificates_remembered": 0, "signatures_checked": 3,
                    "signatures_remembered": 0, "paths_validated": 1}, again)
    check("20 chains verified, 95% of them known already" in done.stderr, done.stderr)
    done = support.run("scan", plain.target(), "--no-verify", "--stats", stats, "-o", "null")
    none = json.loads(pathlib.Path(stats).read_text(encoding="utf-8"))["trust"]
    check(none == {key: 0 for key in keys} and "chains verified" not in done.stderr, none)


def check_one_at_a_time(folder, cases):
    """A server of one connection after another is kept by no worker that has nothing else to do."""
    plain = [c for c in cases if c.label == "plain"][0]
    for _ in range(20):
        found, _ = scan(plain.target(), plain.target(), "--ca-file", folder.file("root.pem"),
                        "--workers", "2", "--handshake-timeout", "30")
        check([verdict_of(r) for r in found] == ["ok", "ok"],
              [(r["outcome"], r.get("error")) for r in found])


def main():
    with tempfile.TemporaryDirectory() as scratch, Servers(scratch) as servers:
        folder = Folder(scratch)
        make_chains(folder)
        cases = make_cases(folder)
        start(servers, folder, cases)
        stats = folder.file("stats.json")
        check_cases(folder, cases, stats)
        check_statistics(folder, cases, stats)
        check_one_at_a_time(folder, cases)
        check_dates(folder, cases)
        check_private_roots(folder, cases)
        check_more_roots(folder, cases)
    support.finish()


if not find("openssl"):
    print("no openssl command")
    sys.exit(support.SKIPPED)
main()
