"""Issuers that servers do not send (--fetch-issuers) and certificates that their CAs have revoked
(--crl, --crl-file): the program against TLS servers and an HTTP server of this script, with CAs made
by `openssl`. What OpenSSL says of the same files (`openssl verify -crl_check_all`) must agree.

    python3 test_revocation.py FOLDER
"""
import asyncio
import collections
import http.server
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from servers import HttpServer
from support import FOREVER, HANG_SECONDS, check, finish, loopback, run, start

HOST = "site.test"
HOUR, DAY = 3600, 86400
PATIENT = [*FOREVER, "--fetch-timeout", 3600]


def openssl(*arguments, fails=False):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False,
                          env={**os.environ, "OPENSSL_CONF": "/dev/null"})
    if done.returncode and not fails:
        sys.exit(f"openssl {' '.join(map(str, arguments))}: {done.stderr.decode()}")
    return done


# --- What is fetched ---

class Files(HttpServer):
    """Serves `files` by path, or what a function of `ways` does with the handler. `asked` counts."""

    def __init__(self):
        self.files, self.ways = {}, {}
        self.asked = collections.Counter()
        self.ending = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.ending.set()
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        files = self.server
        files.asked[self.path] += 1
        try:
            if self.path in files.ways:
                files.ways[self.path](self)
            elif self.path in files.files:
                self.give(200, files.files[self.path])
            else:
                self.give(404, b"nothing here")
        except OSError: # the client has had enough
            self.close_connection = True

    def give(self, status, body=b"", **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    while True:
        handler.wfile.write(b"0" * 65536)


def drip(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.close_connection = True
    while not handler.server.ending.wait(0.02):
        handler.wfile.write(b"0")


def announce_100_mb(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(100 << 20))
    handler.end_headers()
    handler.close_connection = True
    handler.server.ending.wait()


def redirect_to(where):
    return lambda handler: handler.give(302, Location=where)


# --- Who issues ---

class Authority:
    """A CA in `folder`, under `parent` or by itself."""

    def __init__(self, folder, name, parent=None, extensions="", called=None):
        self.folder = pathlib.Path(folder, name)
        self.folder.mkdir()
        self.key, self.pem = self.folder / "key.pem", self.folder / "ca.pem"
        (parent or self).issue(
            self, "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n"
                  "subjectKeyIdentifier=hash\n" + extensions, f"/O=Test/CN={called or name}",
            self.key, self.pem)
        self.der = openssl("x509", "-in", self.pem, "-outform", "DER").stdout

    serial = 0x1000 # the last that was given

    def issue(self, subject, extensions, name, key, pem):
        config, request = self.folder / "ext.cnf", self.folder / "request.pem"
        config.write_text(f"[v3]\n{extensions}", encoding="ascii")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        openssl("req", "-new", "-key", key, "-subj", name, "-config", "/dev/null", "-out", request)
        Authority.serial += 1
        signer = (["-signkey", key] if subject is self
                  else ["-CA", self.pem, "-CAkey", self.key])
        openssl("x509", "-req", "-in", request, "-days", "60", "-sha256", "-extfile", config,
                "-extensions", "v3", "-set_serial", hex(Authority.serial), "-out", pem, *signer)
        return Authority.serial

    def crl(self, revoked=(), last=-HOUR, following=DAY):
        """DER of a CRL with these serial numbers, its dates counted from now."""
        config = self.folder / "crl.cnf"
        config.write_text(f"[ca]\ndefault_ca=own\n[own]\ndatabase={self.folder}/index.txt\n"
                          f"crlnumber={self.folder}/number\ndefault_md=sha256\n", encoding="ascii")
        (self.folder / "number").write_text("01\n", encoding="ascii")
        stamp = lambda offset: time.strftime("%y%m%d%H%M%SZ", time.gmtime(time.time() + offset))
        (self.folder / "index.txt").write_text("".join(
            f"R\t351231235959Z\t{stamp(-DAY)},keyCompromise\t{serial:04X}\tunknown\t/CN=x\n"
            for serial in revoked), encoding="ascii")
        out = self.folder / "crl.pem"
        openssl("ca", "-config", config, "-gencrl", "-cert", self.pem, "-keyfile", self.key,
                "-crl_lastupdate", stamp(last), "-crl_nextupdate",
                stamp(following), "-out", out)
        return openssl("crl", "-in", out, "-outform", "DER").stdout


class Leaf:
    """A server's certificate. `chain` is what the server sends behind it."""

    def __init__(self, authority, label, aia=(), points=(), chain=()):
        self.key = authority.folder / f"{label}.key"
        self.pem = authority.folder / f"{label}.pem"
        extensions = f"subjectAltName=DNS:{HOST}\nextendedKeyUsage=serverAuth\n"
        if aia:
            extensions += "authorityInfoAccess=" + ",".join(f"caIssuers;URI:{u}" for u in aia) + "\n"
        if points:
            extensions += "crlDistributionPoints=" + ",".join(f"URI:{u}" for u in points) + "\n"
        self.serial = authority.issue(None, extensions, f"/CN={HOST}", self.key, self.pem)
        self.sent = authority.folder / f"{label}.chain.pem"
        self.sent.write_bytes(self.pem.read_bytes() + b"".join(a.pem.read_bytes() for a in chain))


# --- Who serves ---

class Servers:
    """TLS servers on every address of 127.0.0.0/8, a port a leaf."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    @staticmethod
    async def serve(_, writer):
        writer.close()

    def port_of(self, leaf):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf.sent, leaf.key)
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self.serve, "0.0.0.0", 0, ssl=context, backlog=512), self.loop)
        return server.result().sockets[0].getsockname()[1]


class World:
    def __init__(self, folder):
        self.folder = folder
        self.files, self.servers = Files(), Servers()
        url = self.files.url
        self.root = Authority(folder, "root")
        self.upper = Authority(folder, "upper", self.root, f"authorityInfoAccess=caIssuers;URI:"
                               f"{url}/root.der\ncrlDistributionPoints=URI:{url}/root.crl\n")
        self.lower = Authority(folder, "lower", self.upper, f"authorityInfoAccess=caIssuers;URI:"
                               f"{url}/upper.der\ncrlDistributionPoints=URI:{url}/upper.crl\n")
        self.stranger = Authority(folder, "stranger")
        self.files.files.update({
            "/root.der": self.root.der, "/upper.der": self.upper.der, "/lower.der": self.lower.der,
            "/stranger.der": self.stranger.der, "/upper.pem": self.upper.pem.read_bytes(),
            "/upper.p7c": openssl("crl2pkcs7", "-nocrl", "-certfile", self.root.pem, "-certfile",
                                  self.upper.pem, "-outform", "DER").stdout,
            "/root.crl": self.root.crl(), "/garbage": b"<html>gone</html>"})
        self.files.ways.update({
            "/endless": endless, "/drip": drip, "/100mb": announce_100_mb,
            "/moved": redirect_to("/upper.der"), "/to-file": redirect_to("file:///etc/passwd"),
            "/round": redirect_to("/round")})

    def scan(self, targets, *options, root=None):
        done = run("scan", *targets, "--ca-file", root or self.root.pem, "-o", "-", "-q", *PATIENT,
                   *options)
        check(done.returncode == 0, "scan", options, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def probe(self, leaf, *options, **more):
        records = self.scan([f"{HOST}@127.0.0.1:{self.servers.port_of(leaf)}"], *options, **more)
        check(len(records) == 1 and records[0]["outcome"] == "ok", records)
        return records[0]


# --- Issuers ---

def test_missing_issuers(world):
    url, upper, lower = world.files.url, world.upper, world.lower
    cases = [ # what the server's certificate names, who issued it, what comes of it, how many
        ("der", [f"{url}/upper.der"], upper, None, 1),
        ("pem", [f"{url}/upper.pem"], upper, None, 1),
        ("p7c", [f"{url}/upper.p7c"], upper, None, 2),
        ("moved", [f"{url}/moved"], upper, None, 1),
        ("second", [f"{url}/nothing", "ldap://127.0.0.1/x", f"{url}/upper.der"], upper, None, 1),
        ("two", [f"{url}/lower.der"], lower, None, 2),
        ("none", [], upper, "unknown_issuer", None),
        ("file", ["file:///etc/passwd"], upper, "unknown_issuer", None),
        ("stranger", [f"{url}/stranger.der"], upper, "unknown_issuer", 1),
        ("garbage", [f"{url}/garbage"], upper, "unknown_issuer", None),
        ("missing", [f"{url}/nothing"], upper, "unknown_issuer", None),
        ("100mb", [f"{url}/100mb"], upper, "unknown_issuer", None),
        ("endless", [f"{url}/endless"], upper, "unknown_issuer", None),
        ("to-file", [f"{url}/to-file"], upper, "unknown_issuer", None),
        ("round", [f"{url}/round"], upper, "unknown_issuer", None),
        ("dead", ["http://127.0.0.1:1/x"], upper, "unknown_issuer", None),
        ("metadata", ["http://169.254.169.254/x"], upper, "unknown_issuer", None),
    ]
    for label, aia, authority, error, fetched in cases:
        leaf = Leaf(authority, f"aia-{label}", aia=aia)
        asked = world.files.asked.total()
        plain = world.probe(leaf)
        check(plain["trust"]["error"] == "unknown_issuer" and not plain["trust"]["trusted"] and
              {"untrusted", "incomplete_chain"} <= set(plain["findings"]), label, plain["trust"])
        check(world.files.asked.total() == asked, label, "fetched without being asked to")
        record = world.probe(leaf, "--fetch-issuers")
        trust = record["trust"]
        check(trust["trusted"] == (error is None) and trust.get("error") == error and
              trust.get("fetched_issuers") == fetched, label, trust)
        check("incomplete_chain" in record["findings"], label, record["findings"])
        check(("untrusted" in record["findings"]) == (error is not None), label, record["findings"])
        check("revocation" not in record, label)


def test_slow_issuers(world):
    leaf = Leaf(world.upper, "aia-drip", aia=[f"{world.files.url}/drip"])
    record = world.probe(leaf, "--fetch-issuers", "--fetch-timeout", "300ms")
    check(record["trust"]["error"] == "unknown_issuer", record["trust"])


def test_loops(world):
    """Two CAs that name each other as where their issuers are, and one that names itself."""
    url = world.files.url
    first = Authority(world.folder, "first", world.stranger,
                      f"authorityInfoAccess=caIssuers;URI:{url}/loop-first\n")
    leaf = Leaf(first, "looped", aia=[f"{url}/loop-first"])
    world.files.files["/loop-first"] = first.der
    record = world.probe(leaf, "--fetch-issuers")
    check(record["trust"]["error"] == "unknown_issuer", record["trust"])
    check(world.files.asked["/loop-first"] == 1, world.files.asked)

    # A ladder without an end: each step is a new CA, whose issuer stands behind the next URL.
    above = world.stranger
    for step in range(8, 0, -1):
        above = Authority(world.folder, f"step-{step}", above,
                          f"authorityInfoAccess=caIssuers;URI:{url}/step-{step + 1}\n")
        world.files.files[f"/step-{step}"] = above.der
    record = world.probe(Leaf(above, "ladder", aia=[f"{url}/step-1"]), "--fetch-issuers")
    check(record["trust"] ["fetched_issuers"] == 4, record["trust"])
    asked = [n for n in range(1, 9) if world.files.asked[f"/step-{n}"]]
    check(asked == [1, 2, 3, 4], asked)


def test_wrong_roots(world):
    """A private CA: its root is found, but it is not trusted, and nothing is missing."""
    leaf = Leaf(world.stranger, "private", aia=[f"{world.files.url}/stranger.der"])
    record = world.probe(leaf, "--fetch-issuers")
    check(record["trust"]["error"] == "untrusted_root" and
          "incomplete_chain" not in record["findings"], record["trust"], record["findings"])


def test_excluded(world):
    """What --exclude names is not asked for issuers either; the target has another address."""
    leaf = Leaf(world.upper, "aia-excluded", aia=[f"{world.files.url}/excluded.der"])
    world.files.files["/excluded.der"] = world.upper.der
    [record] = world.scan([f"{HOST}@127.0.0.2:{world.servers.port_of(leaf)}"], "--fetch-issuers",
                          "--exclude", "127.0.0.1")
    check(record["trust"]["error"] == "unknown_issuer" and
          not world.files.asked["/excluded.der"], record["trust"])


# --- CRLs ---

def openssl_says(world, leaf, crl):
    """None, or what `openssl verify` has against the leaf of `upper`, with that CRL."""
    path, chain = pathlib.Path(world.folder, "asked.pem"), pathlib.Path(world.folder, "chain.pem")
    path.write_bytes(subprocess.run(["openssl", "crl", "-inform", "DER"], input=crl,
                                    capture_output=True, check=True).stdout)
    chain.write_bytes(world.upper.pem.read_bytes())
    done = openssl("verify", "-CAfile", world.root.pem, "-untrusted", chain, "-crl_check",
                   "-CRLfile", path, leaf.pem, fails=True)
    return None if done.returncode == 0 else done.stderr.decode()


def test_crls(world):
    url, upper = world.files.url, world.upper
    forger = Authority(world.folder, "forger", called="upper")
    victim = Leaf(upper, "victim", points=[f"{url}/victim.crl"], chain=[upper])
    cases = [ # label, CRL, status, what OpenSSL says
        ("good", upper.crl(), "good", None),
        ("others", upper.crl([1, 2, 3]), "good", None),
        ("revoked", upper.crl([victim.serial]), "revoked", "certificate revoked"),
        ("expired", upper.crl(last=-DAY, following=-HOUR), "stale", "CRL has expired"),
        ("early", upper.crl(last=HOUR, following=DAY), "unknown", "CRL is not yet valid"),
        ("foreign", forger.crl([victim.serial]), "unknown",
         "CRL signature failure"),
        ("of-another", world.stranger.crl(), "unknown", "unable to get certificate CRL"),
    ]
    for label, crl, status, openssl_words in cases:
        world.files.files["/victim.crl"] = crl
        theirs = openssl_says(world, victim, crl)
        check(theirs is None if openssl_words is None else openssl_words in (theirs or ""), label,
              theirs)
        record = world.probe(victim, "--crl")
        found = record["revocation"]
        check(record["trust"]["trusted"] and found["checked"] and found["status"] == status, label,
              found)
        check(("revoked" in record["findings"]) == (status == "revoked") and
              (record["status"] == "critical") == (status == "revoked"), label, record["findings"])
        check(("revocation_unknown" in record["findings"]) == (status in ("unknown", "stale")),
              label, record["findings"])
        check(found["url"] == f"{url}/victim.crl" or status == "good", label, found)
        if status == "revoked":
            check(found["reason"] == "key_compromise" and "revoked_at" in found and
                  found["depth"] == 0, found)
        check(("error" in found) == (status == "unknown"), label, found)
        local = pathlib.Path(world.folder, f"{label}.crl")
        local.write_bytes(crl)
        asked = world.files.asked.total()
        record = world.probe(victim, "--crl-file", local, "--crl-file", local)
        # The intermediate's CRL is not among the files, so the path as a whole is not known.
        wanted = "revoked" if status == "revoked" else "unknown"
        check(record["revocation"]["status"] == wanted, label, record["revocation"])
        check(world.files.asked.total() == asked, label, "fetched with --crl-file alone")
    plain = world.probe(victim)
    check("revocation" not in plain, plain.get("revocation"))


def test_crl_troubles(world):
    url = world.files.url
    for label, points, words in [("missing", [f"{url}/nothing"], "404"),
                                 ("garbage", [f"{url}/garbage"], "malformed"),
                                 ("100mb", [f"{url}/100mb"], "too long"),
                                 ("endless", [f"{url}/endless"], "too long"),
                                 ("to-file", [f"{url}/to-file"], "file"),
                                 ("dead", ["http://127.0.0.1:1/x"], "refused"),
                                 ("ldap", ["ldap://127.0.0.1/x"], "names no CRL"),
                                 ("none", [], "names no CRL"),
                                 ("drip", [f"{url}/drip"], "in time")]:
        leaf = Leaf(world.upper, f"crl-{label}", points=points, chain=[world.upper])
        record = world.probe(leaf, "--crl", *(["--fetch-timeout", "500ms"] * (label == "drip")))
        found = record["revocation"]
        check(found["status"] == "unknown" and words in found["error"], label, found)
        check("revocation_unknown" in record["findings"] and record["status"] != "critical", label)


def test_revoked_intermediate(world):
    url = world.files.url
    leaf = Leaf(world.lower, "below", points=[f"{url}/lower.crl"], aia=[f"{url}/lower.der"])
    serial = int(openssl("x509", "-in", world.lower.pem, "-noout",
                         "-serial").stdout.decode().strip().partition("=")[2], 16)
    world.files.files["/lower.crl"] = world.lower.crl()
    for revoked, status in (([], "good"), ([serial], "revoked")):
        world.files.files["/upper.crl"] = world.upper.crl(revoked)
        record = world.probe(leaf, "--crl", "--fetch-issuers")
        found = record["revocation"]
        check(record["trust"]["trusted"] and record["trust"]["fetched_issuers"] == 2 and
              found["status"] == status, found)
        if revoked:
            check(found["depth"] == 1 and found["url"] == f"{url}/upper.crl", found)
    # The same in an audit, and nothing for a chain that is not trusted.
    record = world.probe(leaf, "--crl", "--fetch-issuers", "--plan", "audit")
    check(record["plan"] == "audit" and record["revocation"]["status"] == "revoked" and
          "audit" in record, record.get("revocation"))
    record = world.probe(leaf, "--crl")
    check(record["revocation"] == {"checked": False, "error": "no path leads to a trusted root"},
          record["revocation"])


def test_many_targets(world):
    """One request for the issuer, and one for each CRL, for 200 targets at once."""
    url = world.files.url
    world.files.files["/once.der"] = world.upper.der
    leaf = Leaf(world.upper, "many", aia=[f"{url}/once.der"], points=[f"{url}/once.crl"])
    world.files.files["/once.crl"] = world.upper.crl([leaf.serial])
    port, before = world.servers.port_of(leaf), world.files.asked.copy()
    stats = pathlib.Path(world.folder, "stats.json")
    records = world.scan([f"{HOST}@{loopback(n)}:{port}" for n in range(200)], "--crl",
                         "--fetch-issuers", "--workers", "2", "--stats", stats)
    check(len(records) == 200 and all(r["revocation"]["status"] == "revoked" for r in records),
          len(records), records[:1])
    asked = world.files.asked - before
    check(asked == {"/once.der": 1, "/once.crl": 1}, asked)
    fetched = json.loads(stats.read_text(encoding="ascii"))["fetched"]
    check(fetched["requests"] == 2 and fetched["questions"] == 400 and
          fetched["remembered"] == 398 and fetched["failures"] == 0, fetched)


def test_check_command(world):
    url = world.files.url
    leaf = Leaf(world.upper, "checked", points=[f"{url}/checked.crl"], aia=[f"{url}/upper.der"])
    world.files.files["/checked.crl"] = world.upper.crl([leaf.serial])
    where = f"{HOST}@127.0.0.1:{world.servers.port_of(leaf)}"
    common = ["--ca-file", world.root.pem, "--fetch-issuers", "--as", "nagios", *PATIENT]
    done = run("check", where, *common)
    check(done.returncode == 1 and "incomplete chain" in done.stdout, done.returncode, done.stdout)
    done = run("check", where, *common, "--crl")
    check(done.returncode == 2 and "revoked" in done.stdout, done.returncode, done.stdout)
    done = run("check", f"file:{leaf.pem}", "--name", HOST, *common, "--crl")
    check(done.returncode == 2 and "revoked" in done.stdout, done.returncode, done.stdout)


def test_usage(world):
    for arguments in (["--crl", "--no-verify"], ["--fetch-issuers", "--plan", "grab"],
                      ["--crl-file", "/nowhere/at.all"], ["--crl-file", world.root.pem]):
        done = run("scan", "127.0.0.1:1", *arguments)
        check(done.returncode in (1, 2) and arguments[0][2:] in done.stderr + "crl-file" and
              done.stderr.startswith("trawl: "), arguments, done.returncode, done.stderr)


def test_interruption(world):
    """What is still fetched does not hold up the end; the record says so, and is there."""
    leaf = Leaf(world.upper, "interrupted", points=[f"{world.files.url}/held"], chain=[world.upper])
    asked = threading.Event()

    def hold(handler):
        asked.set()
        handler.close_connection = True
        handler.server.ending.wait()

    world.files.ways["/held"] = hold
    process = start("scan", f"{HOST}@127.0.0.1:{world.servers.port_of(leaf)}", "--ca-file",
                    world.root.pem, "--crl", *PATIENT, "-q", stdout=subprocess.PIPE, text=True)
    check(asked.wait(HANG_SECONDS), "it does not ask")
    process.terminate()
    output, _ = process.communicate(timeout=HANG_SECONDS)
    check(process.returncode == 130, process.returncode)
    record = json.loads(output)
    check(record["outcome"] == "ok" and record["revocation"]["status"] == "unknown" and
          record["revocation"]["error"] == "interrupted", record.get("revocation"))


def main():
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder)
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                test(world)
        world.files.close()
    finish()


main()
