"""DANE: TLSA records of every kind, and every way in which they come or do not come, from a DNS
server that does as the test says; `openssl s_client` must agree on each match.

    python3 test_dane.py FOLDER     FOLDER holds tool_dns_server; $TRAWL is the program
"""
import collections
import concurrent.futures
import hashlib
import itertools
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

import support
from dns_server import Dns
from support import FOREVER, check

CONFIG = """
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
subjectAltName = DNS:*.dane.test
extendedKeyUsage = serverAuth
[other]
subjectAltName = DNS:other.test
extendedKeyUsage = serverAuth
[authority]
database = FOLDER/index
new_certs_dir = FOLDER
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
"""
# Where OpenSSL accepts more: it lets the certificate of a record 0 0 0 complete a path that the server
# left incomplete, and the bare key of a record 2 1 0 be that of a leaf that is its own issuer.
ACCEPTED_BY_OPENSSL = {"0-0-0-middle-leaf-stranger.dane.test", "2-1-0-own-own.dane.test"}
SILENT = "no answer from the DNS server in time"
AGAIN = 5  # how often a server is asked that was too late with what it says
HASHES = [lambda data: data, lambda data: hashlib.sha256(data).digest(),
          lambda data: hashlib.sha512(data).digest()]

# --- Certificates and servers ---


def openssl(*arguments, data=None):
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True,
                          check=False)
    if done.returncode:
        sys.exit(f"openssl {arguments}: {done.stderr.decode()}")
    return done.stdout


class Certificates:
    """NAME.pem, NAME.key; each of them by `openssl`."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.path("config").write_text(CONFIG.replace("FOLDER", folder), encoding="ascii")
        self.path("index").write_text("", encoding="ascii")
        for name, issuer, kind, expired in (
                ("root", None, "ca", False), ("middle", "root", "ca", False),
                ("leaf", "middle", "leaf", False), ("direct", "root", "leaf", False),
                ("other", "middle", "other", False), ("own", None, "leaf", False),
                ("expired", "middle", "leaf", True),
                ("stranger", None, "ca", False), ("child", "stranger", "leaf", False)):
            self.make(name, issuer, kind, expired)

    def path(self, name):
        return self.folder / name

    def make(self, name, issuer, kind, expired):
        key, pem = self.path(name + ".key"), self.path(name + ".pem")
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        request = openssl("req", "-new", "-config", self.path("config"), "-key", key, "-subj",
                          f"/CN={name}")
        signer = (["-CA", self.path(issuer + ".pem"), "-CAkey", self.path(issuer + ".key"),
                   "-CAcreateserial"] if issuer else ["-signkey", key])
        if expired:
            self.path("request").write_bytes(request)
            openssl("ca", "-batch", "-notext", "-config", self.path("config"), "-name",
                    "authority", "-cert", self.path(issuer + ".pem"), "-keyfile",
                    self.path(issuer + ".key"), "-in", self.path("request"), "-startdate",
                    "20200101000000Z", "-enddate", "20200201000000Z", "-extfile",
                    self.path("config"), "-extensions", kind, "-out", pem)
        else:
            openssl("x509", "-req", "-days", "90", *signer, "-extfile", self.path("config"),
                    "-extensions", kind, "-out", pem, data=request)

    def pem(self, name):
        return self.path(name + ".pem").read_text(encoding="ascii")

    def tlsa(self, usage, selector, matching, name):
        """The record for a certificate, as in a zone file."""
        data = openssl("x509", "-in", self.path(name + ".pem"), "-outform", "DER")
        if selector:
            data = openssl("pkey", "-pubin", "-outform", "DER", data=openssl(
                "x509", "-in", self.path(name + ".pem"), "-noout", "-pubkey"))
        return f"{usage} {selector} {matching} {HASHES[matching](data).hex()}"


class Server(threading.Thread):
    """Serves a chain, over SMTP with STARTTLS when told so, until it is closed."""

    def __init__(self, certificates, chain, smtp=False):
        super().__init__(daemon=True)
        self.smtp = smtp
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        joined = certificates.path("chain-" + "-".join(chain))
        joined.write_text("".join(map(certificates.pem, chain)), encoding="ascii")
        self.context.load_cert_chain(joined, certificates.path(chain[0] + ".key"))
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            if self.smtp:
                self.greet(connection)
            with self.context.wrap_socket(connection, server_side=True) as secure:
                secure.recv(1)
        except OSError:
            connection.close()

    @staticmethod
    def greet(connection):
        connection.sendall(b"220 mail.dane.test\r\n")
        for reply in (b"250-mail.dane.test\r\n250 STARTTLS\r\n", b"220 go ahead\r\n"):
            while not connection.recv(1024).endswith(b"\n"):
                pass
            connection.sendall(reply)


# --- The program ---

def scan(lines, *options, dns_timeout=20):
    """The records, by host."""
    run = support.run("scan", "-", "--format", "json", "--quiet", "--dns-timeout", dns_timeout,
                      *FOREVER, *options, input="".join(line + "\n" for line in lines))
    check(run.returncode == 0, options, "exit status", run.returncode, run.stderr)
    records = collections.defaultdict(list)
    for line in run.stdout.splitlines():
        record = json.loads(line)
        records[record["host"]].append(record)
    return records


def only(records, host):
    found = records.get(host, [])
    check(len(found) == 1, host, len(found), "records")
    return found[0] if found else {}


def tlsa_name(port, host):
    return f"_{port}._tcp.{host}"


# --- Every kind of record, beside OpenSSL ---

Case = collections.namedtuple("Case", "host port record chain")


def cases_of(certificates, servers):
    """Each usage and selector for each certificate, at servers that send more and less. Every
    matching type with each of them at three servers, and one after the other elsewhere."""
    thorough = {("leaf", "middle"), ("leaf", "stranger"), ("own",)}
    turns = itertools.cycle(range(3))
    plans = {("leaf", "middle"): ("leaf", "middle", "root", "stranger"),
             ("leaf", "middle", "root"): ("leaf", "middle", "root", "stranger"),
             ("leaf", "stranger"): ("middle", "stranger"),
             ("direct",): ("root", "stranger"),
             ("own",): ("own",),
             ("other", "middle"): ("other", "middle", "root"),
             ("expired", "middle"): ("expired", "middle"),
             ("child", "stranger"): ("child", "stranger")}
    for chain, subjects in plans.items():
        kinds = [(usage, selector, matching) for usage in range(4) for selector in range(2)
                 for matching in (range(3) if chain in thorough else (next(turns),))]
        for subject, kind in itertools.product(subjects, kinds):
            host = f"{'-'.join(map(str, kind))}-{subject}-{'-'.join(chain)}.dane.test"
            yield Case(host, servers[chain].port, certificates.tlsa(*kind, subject), chain)


def openssl_matches(case, root):
    """What s_client makes of it; it wants names of leaves unless told otherwise (RFC 7671 5.1)."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{case.port}", "-servername", case.host,
         "-CAfile", root, "-no-CApath", "-dane_tlsa_domain", case.host, "-dane_tlsa_rrdata",
         case.record, "-dane_ee_no_namechecks", "-verify_return_error", "-brief"],
        stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode == 0 and b"Verification: OK" in done.stderr


def check_kinds(folder, certificates, servers):
    cases = list(cases_of(certificates, servers))
    root = certificates.path("root.pem")
    zone = "".join(f"{c.host} a 127.0.0.1\n{tlsa_name(c.port, c.host)} tlsa {c.record} ad\n"
                   for c in cases)
    with Dns(folder, zone) as dns, concurrent.futures.ThreadPoolExecutor(4) as pool:
        records = scan([f"{c.host}:{c.port}" for c in cases], "--dane", "--resolver", dns.server,
                       "--ca-file", root)
        theirs = list(pool.map(lambda case: openssl_matches(case, root), cases))
    matched = 0
    for case, accepted in zip(cases, theirs):
        check(accepted or case.host not in ACCEPTED_BY_OPENSSL, case.host, "by openssl")
        expected = accepted and case.host not in ACCEPTED_BY_OPENSSL
        dane = only(records, case.host).get("dane", {})
        status = "matched" if expected else "mismatched"
        check(dane.get("status") == status, case.host, "openssl:", status, "ours:", dane)
        check(dane.get("secure") is True and dane.get("checked") is True, case.host, dane)
        shown = [" ".join((str(r["usage"]), str(r["selector"]), str(r["matching_type"]), r["data"]))
                 for r in dane.get("records", [])]
        check(shown == [case.record[:6 + 128]], case.host, shown, case.record)
        check([r.get("matched") for r in dane.get("records", [])] == [expected], case.host, dane)
        check(("dane_mismatch" in only(records, case.host)["findings"]) != expected, case.host)
        matched += expected
    check(50 < matched < len(cases) - 50, "of", len(cases), "cases openssl accepts", matched)
    print(f"{len(cases)} kinds of records and chains, {matched} of them match")


# --- How the records come ---

def zone_of_answers(port, good, bad):
    """Hosts, what their TLSA records are, and (status, secure, error) of the answer."""
    server_failed, nonsense = "the DNS server failed", "the DNS server's answer makes no sense"
    answers = {
        "plain": (f"tlsa {good} ad", "matched", True, None),
        "insecure": (f"tlsa {good}", "insecure", False, None),
        "wronginsecure": (f"tlsa {bad}", "insecure", False, None),
        "several": (f"tlsa {bad} tlsa {good} tlsa 7 1 1 00 ad", "matched", True, None),
        "truncated": (f"truncate tlsa {good} ad", "matched", True, None),
        "alias": (f"cname tlsa.elsewhere.test tlsa {good} ad", "matched", True, None),
        "unusable": ("tlsa 3 1 1 00 tlsa 9 9 9 00 ad", "unusable", True, None),
        "none": ("rcode 3 ad", "absent", True, None),
        "noneinsecure": ("rcode 3", "absent", False, None),
        "empty": ("ad", "absent", True, None),
        "broken": ("rcode 2", "failed", False, server_failed),
        "refused": ("rcode 5", "failed", False, "the DNS server refused"),
        "garbage": ("garbage", "failed", False, nonsense),
        "loop": ("loop", "failed", False, nonsense),
        "stub": ("stub ad", "failed", None, nonsense),
        "many": (" ".join(["tlsa " + bad] * 10 + ["ad"]), "mismatched", True, None),
        "silent": ("silent", "failed", False, SILENT),
        "deaf": ("truncate silent tcp", "failed", False, SILENT),
        "otherid": (f"wrong id tlsa {good} ad", "failed", False, SILENT),
        "lost": (f"lose 1 tlsa {good} ad", "matched", True, None),
    }
    zone = "".join(f"{tlsa_name(port, host + '.dane.test')} {words}\n"
                   for host, (words, *_) in answers.items()) + "*.dane.test a 127.0.0.1\n"
    return zone, answers


def check_answers(folder, certificates, server):
    port = server.port
    good, bad = certificates.tlsa(3, 1, 1, "leaf"), certificates.tlsa(3, 1, 1, "stranger")
    zone, answers = zone_of_answers(port, good, bad)
    silent = {host for host, (*_, error) in answers.items() if error == SILENT}
    with Dns(folder, zone) as dns:
        options = ["--dane", "--resolver", dns.server, "--ca-file", certificates.path("root.pem")]
        records = scan([f"{host}.dane.test:{port}" for host in answers if host not in silent],
                       *options, dns_timeout=8)
        for _ in range(AGAIN):  # no address either: the server was late with all
            late = scan([f"{host}.dane.test:{port}" for host in silent], *options, dns_timeout=2)
            if all(only(late, f"{host}.dane.test").get("outcome") != "dns_failed"
                   for host in silent):
                break
        records |= late
    for host, (_, status, secure, error) in answers.items():
        record = only(records, host + ".dane.test")
        dane = record.get("dane", {})
        check(record.get("outcome") == "ok" and record["status"] == "ok", host, record)
        check((dane.get("status"), dane.get("error")) == (status, error) and
              secure in (None, dane.get("secure")), host, dane)
        found = {f for f in record["findings"] if f.startswith("dane_")}
        expected = {"mismatched": {"dane_mismatch"}, "failed": {"dane_failed"},
                    "insecure": {"dane_insecure"}}.get(status, set())
        if host == "wronginsecure":
            expected = expected | {"dane_mismatch"}
        check(found == expected, host, found)
    several = only(records, "several.dane.test")["dane"]["records"]
    check([r.get("matched") for r in several] == [False, True, None], several)
    check(("tcp", "tlsa") in dns.asked(tlsa_name(port, "truncated.dane.test")), "truncated")


def check_targets(folder, certificates, server):
    """Who is asked for TLSA records, and who is not."""
    port, root = server.port, certificates.path("root.pem")
    zone = (f"{tlsa_name(port, 'one.dane.test')} tlsa {certificates.tlsa(3, 1, 1, 'leaf')} ad\n"
            f"{tlsa_name(port, 'two.dane.test')} tlsa {certificates.tlsa(2, 0, 1, 'middle')} ad\n"
            f"one.dane.test a 127.0.0.1\ntwo.dane.test a 127.0.0.1\nslow.dane.test silent\n"
            "both.dane.test a 127.0.0.1 a 127.0.0.2\n"
            f"{tlsa_name(port, 'both.dane.test')} tlsa {certificates.tlsa(3, 0, 2, 'leaf')} ad\n")
    lines = [f"one.dane.test:{port}", f"two.dane.test@127.0.0.1:{port}"]
    with Dns(folder, zone) as dns:
        without = scan(lines, "--resolver", dns.server, "--ca-file", root)
    check(all("dane" not in r for found in without.values() for r in found), without)
    check(dns.lines and not [line for line in dns.lines if line[1] == "tlsa"], dns.lines)
    with Dns(folder, zone) as dns:
        options = ["--resolver", dns.server, "--ca-file", root]
        by_plan = {plan: scan(lines, *options, "--dane", "--plan", plan)
                   for plan in ("handshake", "grab", "audit")}
        unverified = scan(lines, *options, "--dane", "--no-verify")
        addresses = scan([f"127.0.0.1:{port}"], *options, "--dane")
        both = scan([f"both.dane.test:{port}"], *options, "--dane", "--addresses", "all")
        gone = scan([f"gone.dane.test:{port}", f"slow.dane.test:{port}"], *options, "--dane",
                    dns_timeout=1)
    for plan, records in (*by_plan.items(), ("no-verify", unverified)):
        for host in ("one.dane.test", "two.dane.test"):
            record = only(records, host)
            check(record.get("dane", {}).get("status") == "matched", plan, host, record)
            check(record["tls"]["key_proven"] is (plan != "grab"), plan, record["tls"])
            check((record["trust"].get("trusted") is None) == (plan in ("grab", "no-verify")),
                  plan, record["trust"])
    check("dane" not in only(addresses, "127.0.0.1"), addresses)
    check([r.get("dane", {}).get("status") for r in both["both.dane.test"]] == ["matched", None] and
          both["both.dane.test"][1]["dane"]["records"], both)
    for host in ("gone.dane.test", "slow.dane.test"):
        check(only(gone, host)["outcome"] == "dns_failed" and "dane" not in only(gone, host), gone)
        check(dns.asked(tlsa_name(port, host)), "asked for together with the addresses:", host)


def check_smtp(folder, certificates, server):
    """RFC 7672: usages 0 and 1 are not for SMTP."""
    port, root = server.port, certificates.path("root.pem")
    kinds = {f"{usage}.dane.test": certificates.tlsa(usage, 1, 1, "middle" if usage in (0, 2)
                                                     else "leaf") for usage in range(4)}
    zone = "*.dane.test/a a 127.0.0.1\n" + "".join(
        f"{tlsa_name(port, host)} tlsa {record} ad\n" for host, record in kinds.items())
    with Dns(folder, zone) as dns:
        records = scan([f"smtp://{host}:{port}" for host in kinds], "--dane", "--resolver",
                       dns.server, "--ca-file", root, "--starttls-timeout", 3600)
    found = [only(records, host).get("dane", {}).get("status") for host in kinds]
    check(found == ["unusable", "unusable", "matched", "matched"], found)


# --- One endpoint ---

def check_command(folder, certificates, servers):
    """`trawl check --dane`: what counts, and how it is told."""
    own, good = servers[("own",)].port, servers[("leaf", "middle")].port
    own_key, wrong = certificates.tlsa(3, 1, 1, "own"), certificates.tlsa(3, 1, 1, "stranger")
    zone = (f"{tlsa_name(own, 'own.dane.test')} tlsa {own_key} ad\n"
            f"{tlsa_name(own, 'else.where.test')} tlsa {own_key} ad\n"
            f"{tlsa_name(own, 'unsigned.dane.test')} tlsa {own_key}\n"
            f"{tlsa_name(good, 'wrong.dane.test')} tlsa {wrong} ad\n"
            f"{tlsa_name(good, 'drift.dane.test')} tlsa {wrong}\n"
            f"{tlsa_name(good, 'broken.dane.test')} rcode 2\n"
            "*.dane.test/a a 127.0.0.1\nelse.where.test/a a 127.0.0.1\n")
    expected = {  # exit status as nagios, words there, line of the page
        ("own.dane.test", own): (0, "expires in", "TLSA 3 1 1 matches"),
        ("else.where.test", own): (0, "expires in", "TLSA 3 1 1 matches"),
        ("unsigned.dane.test", own): (2, "not trusted: self signed",
                                      "TLSA 3 1 1 matches, but DNSSEC does not protect it"),
        ("wrong.dane.test", good): (2, "dane mismatch", "none of the TLSA records (1) matches"),
        ("drift.dane.test", good): (1, "dane mismatch", "none of the TLSA records (1) matches, but "
                                                        "DNSSEC does not protect it"),
        ("broken.dane.test", good): (1, "dane failed", "not known: the DNS server failed"),
        ("none.dane.test", good): (0, "expires in", "no TLSA records"),
    }
    with Dns(folder, zone) as dns:
        for (host, port), (code, words, line) in expected.items():
            options = [f"{host}:{port}", "--dane", "--resolver", dns.server, "--ca-file",
                       certificates.path("root.pem"), "--dns-timeout", 20]
            nagios = support.run("check", *options, "--as", "nagios")
            check(nagios.returncode == code and words in nagios.stdout, host, nagios)
            human = support.run("check", *options)
            rows = [row.split(None, 1)[1] for row in human.stdout.splitlines()
                    if row.startswith("  DANE ")]
            check(rows == [line], host, human.stdout)
            record = json.loads(support.run("check", *options, "--as", "json").stdout)
            check(record["dane"]["status"], host, record)
        ignored = support.run("check", f"wrong.dane.test:{good}", "--dane", "--resolver", dns.server,
                              "--ca-file", certificates.path("root.pem"), "--dns-timeout", 20,
                              "--ignore", "dane_mismatch", "--as", "nagios")
        check(ignored.returncode == 0, ignored)


def main():
    folder = sys.argv[1]
    os.environ["OPENSSL_CONF"] = "/etc/ssl/openssl.cnf"
    with tempfile.TemporaryDirectory() as place:
        certificates = Certificates(place)
        chains = [("leaf", "middle"), ("leaf", "middle", "root"), ("leaf", "stranger"), ("direct",),
                  ("own",), ("other", "middle"), ("expired", "middle"), ("child", "stranger")]
        servers = {chain: Server(certificates, chain) for chain in chains}
        check_kinds(folder, certificates, servers)
        check_answers(folder, certificates, servers[("leaf", "middle")])
        check_targets(folder, certificates, servers[("leaf", "middle")])
        check_smtp(folder, certificates, Server(certificates, ("leaf", "middle"), smtp=True))
        check_command(folder, certificates, servers)
    support.finish()


main()
