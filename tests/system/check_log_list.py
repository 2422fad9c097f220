"""Certificate Transparency: SCTs of logs of our own, whose keys OpenSSL made, in a certificate, in a
TLS extension and in a stapled OCSP response, against a log list. `openssl s_client -ct` judges the
same servers.

    python3 check_log_list.py [FOLDER]     $TRAWL is the program; FOLDER is not used
"""
import base64
import calendar
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from servers import ENVIRONMENT, Certificates, Servers, find, free_port
from support import HANG_SECONDS, SKIPPED, check, finish, run

NOW_MS = int(time.time() * 1000)
EMBEDDED_OID = bytes.fromhex("060a2b06010401d679020402")
OCSP_OID = bytes.fromhex("060a2b06010401d679020405")
PATIENCE = ["--connect-timeout", "60s", "--handshake-timeout", "60s", "--timeout", "200s"]


# --- DER, as far as it is needed ---

def tlv(tag, *parts):
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content


def children(der):
    """The elements within the first element of `der`, whole; its own tag."""
    def element(at):
        first = der[at + 1]
        size = first & 0x7F if first & 0x80 else 0
        length = int.from_bytes(der[at + 2:at + 2 + size], "big") if size else first
        return at + 2 + size, at + 2 + size + length

    at, end = element(0)
    inside = []
    while at < end:
        _, after = element(at)
        inside.append(der[at:after])
        at = after
    return der[0], inside


def with_extension(holder, oid, value):
    """`holder` is EXPLICIT [n] { SEQUENCE OF Extension }; one more at its end."""
    tag, (extensions,) = children(holder)
    _, items = children(extensions)
    return tlv(tag, tlv(0x30, *items, tlv(0x30, oid, tlv(0x04, tlv(0x04, value)))))


# --- Logs ---

class Log:
    def __init__(self, certificates, name, kind):
        self.certificates, self.name = certificates, name
        self.path = certificates.file(f"{name}.log.key")
        certificates.run("genpkey", "-algorithm", *Certificates.KEYS[kind], "-out", self.path)
        der = certificates.file(f"{name}.log.der")
        certificates.run("pkey", "-in", self.path, "-pubout", "-outform", "DER", "-out", der)
        self.key = pathlib.Path(der).read_bytes()
        self.id = hashlib.sha256(self.key).digest()
        self.algorithm = 3 if kind == "ec" else 1

    def sct(self, entry, broken=False):
        """RFC 6962 section 3.2 over `entry`: type, and what is logged."""
        head = bytes(1) + bytes(1) + NOW_MS.to_bytes(8, "big")
        signature = bytearray(sign(self.certificates, self.path, head + entry + bytes(2)))
        signature[-1] ^= broken
        item = (bytes(1) + self.id + NOW_MS.to_bytes(8, "big") + bytes(2) +
                bytes([4, self.algorithm]) + len(signature).to_bytes(2, "big") + signature)
        return len(item).to_bytes(2, "big") + item

    def entry(self, state):
        return {"description": f"Test '{self.name}' log", "mmd": 86400,
                "log_id": base64.b64encode(self.id).decode(),
                "key": base64.b64encode(self.key).decode(),
                "url": f"https://{self.name}.example/",
                "state": {state: {"timestamp": "2026-01-01T00:00:00Z"}}}


def sign(certificates, key, data):
    path = pathlib.Path(certificates.file("signed"))
    path.write_bytes(data)
    return subprocess.run([find("openssl"), "dgst", "-sha256", "-sign", key, str(path)],
                          capture_output=True, check=True).stdout


def sct_list(*scts):
    together = b"".join(scts)
    return len(together).to_bytes(2, "big") + together


def certificate_entry(der):
    return b"\0\0" + len(der).to_bytes(3, "big") + der


# --- Certificates and what is stapled ---

def der_of(certificates, name):
    return subprocess.run([find("openssl"), "x509", "-in", certificates.file(name + ".pem"),
                           "-outform", "DER"], capture_output=True, check=True).stdout


def write_pem(path, label, der):
    path = pathlib.Path(path)
    body = base64.encodebytes(der).decode()
    path.write_text(f"-----BEGIN {label}-----\n{body}-----END {label}-----\n", encoding="ascii")


def embed(certificates, name, logs, broken=False):
    """Makes a certificate, has it logged as it is, and adds the SCTs: what a CA does with a
    precertificate comes to the same."""
    certificates.make(name, "ec")
    _, (tbs, algorithm, _) = children(der_of(certificates, name))
    _, (_, _, _, _, _, _, issuer_key, *_) = children(children(der_of(certificates, "root"))[1][0])
    entry = (b"\0\1" + hashlib.sha256(issuer_key).digest() + len(tbs).to_bytes(3, "big") + tbs)
    scts = sct_list(*(log.sct(entry, broken) for log in logs))
    _, parts = children(tbs)
    tbs = tlv(0x30, *parts[:-1], with_extension(parts[-1], EMBEDDED_OID, scts))
    signature = sign(certificates, certificates.file("root.key"), tbs)
    write_pem(certificates.file(name + ".pem"), "CERTIFICATE",
              tlv(0x30, tbs, algorithm, tlv(0x03, b"\0", signature)))


def server_info(certificates, name, log):
    """For s_server: extension 18 in the ServerHello, or beside the certificate in TLS 1.3."""
    scts = sct_list(log.sct(certificate_entry(der_of(certificates, name))))
    path = certificates.file(name + ".info")
    contexts = 0x0080 | 0x0100 | 0x1000
    write_pem(path, "SERVERINFOV2 FOR SCT", contexts.to_bytes(4, "big") + b"\0\x12" +
              len(scts).to_bytes(2, "big") + scts)
    return path


def staple(certificates, name, log):
    """An OCSP response by OpenSSL, to which the SCTs are added."""
    file = certificates.file
    serial = certificates.run("x509", "-in", file(name + ".pem"), "-noout", "-serial")
    pathlib.Path(file("index.txt")).write_text(
        f"V\t491231235959Z\t\t{serial.strip().partition('=')[2]}\tunknown\t/CN={name}\n",
        encoding="ascii")
    certificates.run("ocsp", "-issuer", file("root.pem"), "-cert", file(name + ".pem"), "-reqout",
                     file("request.der"))
    certificates.run("ocsp", "-index", file("index.txt"), "-CA", file("root.pem"), "-rsigner",
                     file("root.pem"), "-rkey", file("root.key"), "-reqin", file("request.der"),
                     "-respout", file("plain.der"), "-ndays", "7")
    _, (status, rest) = children(pathlib.Path(file("plain.der")).read_bytes())
    _, (kind, octets) = children(children(rest)[1][0])
    basic = octets[len(octets) - len(b"".join(children(octets)[1])):]
    _, (data, algorithm, _, *certs) = children(basic)
    _, parts = children(data)
    at = next(i for i, part in enumerate(parts) if part[0] == 0x30)
    _, (single,) = children(parts[at])
    scts = sct_list(log.sct(certificate_entry(der_of(certificates, name))))
    extensions = tlv(0xA1, tlv(0x30, tlv(0x30, OCSP_OID, tlv(0x04, tlv(0x04, scts)))))
    parts[at] = tlv(0x30, tlv(0x30, *children(single)[1], extensions))
    data = tlv(0x30, *parts)
    signature = sign(certificates, file("root.key"), data)
    basic = tlv(0x30, data, algorithm, tlv(0x03, b"\0", signature), *certs)
    path = pathlib.Path(file(name + ".ocsp"))
    path.write_bytes(tlv(0x30, status, tlv(0xA0, tlv(0x30, kind, tlv(0x04, basic)))))
    return str(path)


# --- Servers ---

class World:
    """Logs, lists of them, and a server for each way in which SCTs come."""

    def __init__(self, servers, certificates):
        self.certificates, self.servers = certificates, servers
        self.elliptic = Log(certificates, "elliptic", "ec")
        self.rsa = Log(certificates, "rsa", "rsa")
        self.ports = {}

    def start(self, name, *options):
        self.ports[name] = free_port()
        file = self.certificates.file
        self.servers.start(name, self.ports[name], find("openssl"), "s_server", "-accept",
                           f"127.0.0.1:{self.ports[name]}", "-cert", file(name + ".pem"), "-key",
                           file(name + ".key"), "-cert_chain", file("root.pem"), "-www", *options)

    def start_all(self):
        certificates = self.certificates
        embed(certificates, "embedded.test", [self.elliptic, self.rsa])
        embed(certificates, "broken.test", [self.elliptic], broken=True)
        for name in ("extension12.test", "extension13.test", "ocsp.test", "none.test"):
            certificates.make(name, "ec")
        self.start("embedded.test")
        self.start("broken.test")
        for name, version in (("extension12.test", "-tls1_2"), ("extension13.test", "-tls1_3")):
            self.start(name, version, "-serverinfo",
                       server_info(certificates, name, self.elliptic))
        self.start("ocsp.test", "-status_file", staple(certificates, "ocsp.test", self.rsa))
        self.start("none.test")

    def list(self, name, states):
        path = self.certificates.file(name)
        logs = [log.entry(states[log.name]) for log in (self.elliptic, self.rsa)
                if log.name in states]
        pathlib.Path(path).write_text(json.dumps({
            "version": "1.0", "log_list_timestamp": "2026-05-29T12:00:00Z",
            "operators": [{"name": "Test", "email": [], "logs": logs}]}), encoding="utf-8")
        return path


# What there is, with the logs known: source, verdict, log.
EXPECTED = {
    "embedded.test": [("embedded", "valid", "elliptic"), ("embedded", "valid", "rsa")],
    "broken.test": [("embedded", "invalid", "elliptic")],
    "extension12.test": [("tls", "valid", "elliptic")],
    "extension13.test": [("tls", "valid", "elliptic")],
    "ocsp.test": [("ocsp", "valid", "rsa")],
    "none.test": [],
}


def scan(world, *options):
    lines = "".join(f"{name}@127.0.0.1:{port}\n" for name, port in world.ports.items())
    result = run("scan", "-", "--ca-file", world.certificates.file("root.pem"), "--format", "json",
                 *PATIENCE, *options, input=lines)
    check(result.returncode == 0, options, result.returncode, result.stderr)
    return {record["host"]: record for record in map(json.loads, result.stdout.splitlines())}


def told(record):
    return [(sct["source"], sct["verdict"], sct.get("log", "")) for sct in record.get("scts", [])]


def check_verdicts(world):
    every = world.list("every.json", {"elliptic": "usable", "rsa": "retired"})
    names = {"": "", **{log: f"Test '{log}' log" for log in ("elliptic", "rsa")}}
    for plan in ("handshake", "audit", "grab"):
        for name, record in scan(world, "--plan", plan, "--log-list", every).items():
            expected = [(source, verdict, names[log]) for source, verdict, log in EXPECTED[name]]
            if plan == "grab":  # asks for nothing but the certificate
                expected = [e for e in expected if e[0] == "embedded"]
            check(told(record) == expected, plan, name, told(record), "expected", expected)
            check(("sct_invalid" in record["findings"]) == (name == "broken.test"), plan, name,
                  record["findings"])
            for sct in record.get("scts", []):
                check(abs(calendar_ms(sct["time"]) - NOW_MS) < 1, plan, name, sct["time"])
    # A log that is not in the list, or was never accepted.
    for states in ({"elliptic": "usable"}, {"elliptic": "usable", "rsa": "rejected"}):
        record = scan(world, "--log-list", world.list("some.json", states))["embedded.test"]
        check([verdict for _, verdict, _ in told(record)] == ["valid", "unknown_log"], states,
              told(record))
    # Without a list nothing is said but by an audit, which knows no log.
    for plan in ("handshake", "audit"):
        for name, record in scan(world, "--plan", plan).items():
            expected = [(source, "unknown_log", "") for source, _, _ in EXPECTED[name]]
            check(told(record) == (expected if plan == "audit" else []), plan, name, told(record))
            check("sct_invalid" not in record["findings"], plan, name, record["findings"])


def calendar_ms(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 1000 + int(fraction or 0)


def check_openssl(world):
    """OpenSSL's own verification of the same SCTs."""
    config = pathlib.Path(world.certificates.file("ct.cnf"))
    config.write_text("enabled_logs=elliptic,rsa\n" + "".join(
        f"[{log.name}]\ndescription={log.name}\nkey={base64.b64encode(log.key).decode()}\n"
        for log in (world.elliptic, world.rsa)), encoding="ascii")
    for name, port in world.ports.items():
        said = subprocess.run([find("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-ct",
                               "-ctlogfile", str(config), "-CAfile",
                               world.certificates.file("root.pem")], input=b"", check=False,
                              capture_output=True, timeout=HANG_SECONDS, env=ENVIRONMENT)
        theirs = [line.rpartition(b": ")[2].decode() for line in said.stdout.splitlines()
                  if b"SCT validation status" in line]
        ours = [verdict for _, verdict, _ in EXPECTED[name]]
        check(sorted(theirs) == sorted(ours), name, "openssl:", theirs, "ours:", ours, said.stderr)


def check_check(world):
    every = world.certificates.file("every.json")
    common = ["--ca-file", world.certificates.file("root.pem"), "--log-list", every, *PATIENCE]
    for name, status in (("embedded.test", 0), ("broken.test", 4)):
        target = f"{name}@127.0.0.1:{world.ports[name]}"
        result = run("check", target, *common)
        check(result.returncode == status, name, result.returncode, result.stdout, result.stderr)
    pem = pathlib.Path(world.certificates.file("chain.pem"))
    pem.write_bytes(b"".join(pathlib.Path(world.certificates.file(name)).read_bytes()
                             for name in ("embedded.test.pem", "root.pem")))
    result = run("check", f"file:{pem}", "--name", "embedded.test", "--as", "json", *common)
    check('"verdict":"valid"' in result.stdout.replace(" ", ""), "file:", result.stdout,
          result.stderr)


def check_signature(world):
    certificates, every = world.certificates, world.certificates.file("every.json")
    key, other = certificates.file("signer.pem"), certificates.file("other.pem")
    for path in (key, other):
        certificates.run("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096", "-out",
                         path + ".key")
        certificates.run("pkey", "-in", path + ".key", "-pubout", "-out", path)
    signature = pathlib.Path(certificates.file("every.sig"))
    signature.write_bytes(sign(certificates, key + ".key", pathlib.Path(every).read_bytes()))
    target = f"none.test@127.0.0.1:{world.ports['none.test']}"
    for options, status, words in (
            (["--log-list-signature", signature, "--log-list-key", key], 0, ""),
            (["--log-list-signature", signature, "--log-list-key", other], 1, "does not fit"),
            (["--log-list-signature", signature], 1, "does not fit"),  # Google's key
            (["--log-list-signature", every, "--log-list-key", key], 1, "does not fit"),
            (["--log-list-signature", signature, "--log-list-key", every], 1, "no RSA key"),
            (["--log-list-signature", certificates.file("missing")], 1, "missing"),
            (["--log-list-key", key], 2, "--log-list-signature")):
        result = run("scan", target, "--no-verify", "-q", "-o", "null", "--log-list", every,
                     *PATIENCE, *options)
        check(result.returncode == status and words in result.stderr, options, result.returncode,
              result.stderr)
    broken = pathlib.Path(certificates.file("broken.json"))
    broken.write_text(pathlib.Path(every).read_text(encoding="utf-8").replace('"key": "M', '"key": "N'),
                      encoding="utf-8")
    result = run("scan", target, "-q", "-o", "null", "--log-list", broken)
    check(result.returncode == 1 and f"{broken}: log list: operators[0].logs[0].log_id" in
          result.stderr, "broken list:", result.returncode, result.stderr)
    result = run("scan", target, "-q", "--log-list-signature", signature)
    check(result.returncode == 2 and "--log-list" in result.stderr, "no list:", result.stderr)


def main():
    if not find("openssl"):
        print("SKIPPED: no openssl: apt-get install openssl")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory() as folder, Servers(folder) as servers:
        world = World(servers, Certificates(folder))
        world.start_all()
        check_verdicts(world)
        check_openssl(world)
        check_check(world)
        check_signature(world)
        servers.check_alive(check)
    finish()


main()
