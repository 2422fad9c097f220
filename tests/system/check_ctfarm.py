"""The CT farm itself, which other tests rely on, against Python and OpenSSL: certificates, hashes,
signatures, proofs, feeds, and that each fault does what its name says.

    python3 check_ctfarm.py FOLDER     $TRAWL_BUILD holds bench-ctserver
"""
import base64
import calendar
import contextlib
import gzip
import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import zlib

from ct_support import (CtFarm, Feed, Reader, download_rfc6962, download_tiles, entries_of_tile,
                        entry_of_json, leaf_hash, root_of_inclusion, roots_of_consistency,
                        tile_path, tree_root)
from support import HANG_SECONDS, SKIPPED, check, finish

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding
    from cryptography.x509.oid import ExtensionOID, NameOID
except ImportError:
    print("no python3-cryptography: apt-get install python3-cryptography")
    sys.exit(SKIPPED)

SIZE = 700
ODD = 5
EMPTY_SHA1 = "DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def verifies(spki, signature, message):
    key = serialization.load_der_public_key(spki)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        else:
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def digitally_signed(data, algorithm):
    reader = Reader(data)
    if reader.take(2) != bytes([4, algorithm]):
        return b""
    return reader.prefixed(2)


# --- Heads ---

def head_bytes(timestamp, size, root):
    return struct.pack("!BBQQ", 0, 1, timestamp, size) + root


def sth_of(farm):
    return json.loads(farm.get("/rfc6962/ct/v1/get-sth")[2])


def sth_verifies(farm, sth, algorithm=3):
    key = base64.b64decode(farm.rfc6962["key"])
    root = base64.b64decode(sth["sha256_root_hash"])
    signature = digitally_signed(base64.b64decode(sth["tree_head_signature"]), algorithm)
    return verifies(key, signature, head_bytes(sth["timestamp"], sth["tree_size"], root))


def checkpoint_of(farm):
    """Size, root, and whether the log's signature is good."""
    text = farm.get("/static/checkpoint")[2].decode()
    body, _, signatures = text.partition("\n\n")
    origin, size, root = body.split("\n")
    check(origin == farm.origin, "origin", origin)
    key = base64.b64decode(farm.static["key"])
    log_id = hashlib.sha256(key).digest()
    check(base64.b64encode(log_id).decode() == farm.static["log_id"], "log id")
    key_id = hashlib.sha256(origin.encode() + b"\n\x05" + log_id).digest()[:4]
    root, good, lines = base64.b64decode(root), False, signatures.splitlines()
    check(len(lines) == 2, "the checkpoint has another signature too", lines)
    for line in lines:
        dash, name, data = line.split(" ")
        check(dash == "\u2014", "em dash", line)
        data = base64.b64decode(data)
        if name == origin and data[:4] == key_id:
            timestamp, = struct.unpack("!Q", data[4:12])
            good = verifies(key, digitally_signed(data[12:], 3),
                            head_bytes(timestamp, int(size), root))
    return int(size), root, good


def check_heads(farm, leaves, algorithm):
    root = tree_root(leaves)
    sth = sth_of(farm)
    check(sth["tree_size"] == len(leaves), "tree size", sth)
    check(base64.b64decode(sth["sha256_root_hash"]) == root, "root of the STH")
    check(sth_verifies(farm, sth, algorithm), "signature of the STH")
    check(checkpoint_of(farm) == (len(leaves), root, True), "checkpoint")


def check_proofs(farm, leaves):
    def hashes_of(path, key):
        return [base64.b64decode(h) for h in json.loads(farm.get(path)[2])[key]]

    for size in (1, 2, 3, 255, 256, 257, 511, 512, 513, SIZE):
        root = tree_root(leaves[:size])
        for index in {0, size // 2, size - 1}:
            path = hashes_of(f"/rfc6962/ct/v1/get-entry-and-proof?leaf_index={index}"
                             f"&tree_size={size}", "audit_path")
            check(root_of_inclusion(index, size, leaves[index], path) == root, "inclusion", index,
                  size)
        for first in {1, size // 2, size - 1, size} - {0}:
            path = hashes_of(f"/rfc6962/ct/v1/get-sth-consistency?first={first}&second={size}",
                             "consistency")
            check(roots_of_consistency(first, size, tree_root(leaves[:first]), path) ==
                  (tree_root(leaves[:first]), root), "consistency", first, size)
    wanted = base64.b64encode(leaves[333]).decode().replace("+", "%2B")
    answer = json.loads(farm.get(f"/rfc6962/ct/v1/get-proof-by-hash?hash={wanted}"
                                 f"&tree_size={SIZE}")[2])
    check(answer["leaf_index"] == 333, "proof by hash", answer["leaf_index"])


def check_tiles(farm, leaves):
    level = leaves
    for number in range(3):
        for at in range(0, len(level), 256):
            part = level[at:at + 256]
            width = "" if len(part) == 256 else f".p/{len(part)}"
            status, headers, body = farm.get(f"/static/tile/{number}/{tile_path(at // 256)}{width}")
            check(status == 200 and body == b"".join(part), "tile", number, at, status)
            check("immutable" in headers["Cache-Control"], headers)
        level = [tree_root(level[at:at + 256]) for at in range(0, len(level) // 256 * 256, 256)]
    for missing in ("0/003", "0/002.p/200", "0/x001/000", "0/002.p/0", "0/2.p/1", "data/003", "6/0",
                    "0/002.p/188/", "2/000", "0/000.p/256"):
        check(farm.get("/static/tile/" + missing)[0] == 404, missing, "is no tile")


# --- Entries against the truth, and certificates against Python's library ---

UNREADABLE = {"bad-dates", "zero-serial", "negative-serial", "long-serial", "two-sans",
              "san-trailing-zero", "name-utf8", "name-latin1", "name-nul"}


def check_names(certificate, truth):
    names = certificate.extensions.get_extension_for_oid(
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value.get_values_for_type(x509.DNSName) \
        if truth["kind"] != "no-san" else []
    check(names == truth["names"], truth["index"], names, truth["names"])
    common = [a.value for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    check(common == truth["common_names"], truth["index"], common)


def check_certificate(entry, truth, authorities):
    certificate = x509.load_der_x509_certificate(entry.certificate)
    issuer = authorities[entry.chain_hashes[0]]
    spki = issuer.public_key().public_bytes(serialization.Encoding.DER,
                                            serialization.PublicFormat.SubjectPublicKeyInfo)
    check(certificate.issuer == issuer.subject, truth["index"], "issuer")
    check(verifies(spki, certificate.signature, certificate.tbs_certificate_bytes), truth["index"],
          "signature of the certificate")
    own = certificate.public_key().public_bytes(serialization.Encoding.DER,
                                                serialization.PublicFormat.SubjectPublicKeyInfo)
    check(sha256(own) == truth["spki_sha256"], truth["index"], "SPKI")
    check(f"{certificate.serial_number:x}" == truth["serial"].lstrip("0"), truth["index"], "serial")
    for key, date in (("not_before", certificate.not_valid_before),
                      ("not_after", certificate.not_valid_after)):
        check(calendar.timegm(date.timetuple()) == truth[key], truth["index"], key)
    if truth["kind"] != "unbound":
        check_names(certificate, truth)
    return certificate


def check_scts(certificate, entry, truth, logs, issuer_key_hash):
    """SCTs of the farm's logs: signature over the precertificate's entry. How many they are."""
    if not has_scts(certificate):
        return 0
    scts = certificate.extensions.get_extension_for_class(
        x509.PrecertificateSignedCertificateTimestamps).value
    der = scts.public_bytes()
    outer = Reader(der)
    outer.take({0x80: 2, 0x81: 3, 0x82: 4}.get(der[1] if der[1] & 0x80 else 0x80))
    reader, checked = Reader(Reader(outer.rest()).prefixed(2)), 0
    while reader.rest():
        sct = Reader(reader.prefixed(2))
        head, log_id = sct.take(1), sct.take(32)
        timestamp, extensions = sct.take(8), sct.prefixed(2)
        if log_id not in logs:
            continue
        signature = digitally_signed(sct.rest(), 3)
        tbs = certificate.tbs_precertificate_bytes
        message = (head + b"\0" + timestamp + b"\0\1" + issuer_key_hash +
                   len(tbs).to_bytes(3, "big") + tbs + struct.pack("!H", len(extensions)) +
                   extensions)
        check(verifies(logs[log_id], signature, message), truth["index"], "signature of an SCT")
        checked += 1
    check(len(scts) == 2, truth["index"], "SCTs", len(scts))
    return checked


def without_issuer(tbs):
    """A TBS's parts but for issuer, authority key identifier and poison."""
    certificate = Der(tbs)
    parts = certificate.children()
    extensions = [e.raw for e in parts[-1].children()[0].children()
                  if e.children()[0].raw not in (b"\x06\x03\x55\x1d\x23", b"\x06\x0a" + bytes.fromhex(
                      "2b06010401d679020403"))]
    return [p.raw for i, p in enumerate(parts[:-1]) if i != 3] + extensions


class Der:
    def __init__(self, data):
        length, at = data[1], 2
        if length & 0x80:
            at += length & 0x7F
            length = int.from_bytes(data[2:at], "big")
        self.raw, self.content, self.rest = data[:at + length], data[at:at + length], \
            data[at + length:]

    def children(self):
        found, rest = [], self.content
        while rest:
            found.append(Der(rest))
            rest = found[-1].rest
        return found


def check_precert(entry, truth):
    check(sha256(entry.signed) == truth["tbs_sha256"], truth["index"], "TBS")
    check(entry.issuer_key_hash.hex() == truth["issuer_key_hash"], truth["index"], "key hash")
    submitted = Der(entry.certificate).children()[0].raw
    bound = without_issuer(submitted) == without_issuer(entry.signed)
    poisoned = bytes.fromhex("060a2b06010401d6790204030101ff04020500") in submitted
    check((bound and poisoned) == truth["bound"], truth["index"], "bound", bound, poisoned)


def read_authorities(farm):
    with open(os.path.join(farm.folder, "authorities.pem"), encoding="ascii") as file:
        pems = re.findall(r"-----BEGIN.*?-----END CERTIFICATE-----\n", file.read(), re.S)
    found = {}
    for pem in pems:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        found[certificate.fingerprint(hashes.SHA256())] = certificate
    return found


def check_entries(farm, entries, truths, signed):
    logs = {base64.b64decode(side["log_id"]): base64.b64decode(side["key"])
            for side in (farm.rfc6962, farm.static)}
    authorities = read_authorities(farm)
    by_issuance, pairs, scts, kinds = {}, 0, 0, set()
    for index, (entry, truth) in enumerate(zip(entries, truths)):
        kinds.add(truth["kind"])
        entry.chain_hashes = [c if len(c) == 32 else hashlib.sha256(c).digest()
                              for c in entry.chain]
        check(truth["index"] == index == entry.leaf_index, "index", index, entry.leaf_index)
        check(entry.timestamp == truth["timestamp"], index, "timestamp")
        check(truth["type"] == ("precert" if entry.type else "x509"), index, "type")
        check(leaf_hash(entry.leaf).hex() == truth["leaf_hash"], index, "leaf hash")
        check(sha256(entry.certificate) == truth["fingerprint_sha256"], index, "fingerprint")
        check(hashlib.sha1(entry.certificate).hexdigest() == truth["fingerprint_sha1"], index)
        if not truth["parsable"]:
            check("tbs_sha256" not in truth, index)
            continue
        check([h.hex() for h in entry.chain_hashes] == truth["chain"], index, "chain")
        check(all(h in authorities for h in entry.chain_hashes), index, "authorities")
        if entry.type:
            check_precert(entry, truth)
            by_issuance[truth["issuance"]] = truth["tbs_sha256"]
        elif truth["issuance"] in by_issuance:
            pairs += 1
            check(truth["tbs_sha256"] == by_issuance[truth["issuance"]], index, "joins")
        if signed and truth["kind"] not in UNREADABLE and truth["key"] != "ed25519":
            certificate = check_certificate(entry, truth, authorities)
            if not entry.type:
                tbs = certificate.tbs_precertificate_bytes if has_scts(certificate) else \
                    certificate.tbs_certificate_bytes
                check(sha256(tbs) == truth["tbs_sha256"], index, "TBS without SCTs")
                scts += check_scts(certificate, entry, truth, logs,
                                   bytes.fromhex(truth["issuer_key_hash"]))
    check(pairs > len(entries) / 8, "pairs", pairs)
    check(not signed or scts > len(entries) / 4, "SCTs", scts)
    return kinds


def has_scts(certificate):
    try:
        certificate.extensions.get_extension_for_class(
            x509.PrecertificateSignedCertificateTimestamps)
        return True
    except x509.ExtensionNotFound:
        return False


def check_issuers(farm):
    for fingerprint, certificate in read_authorities(farm).items():
        status, _, body = farm.get(f"/static/issuer/{fingerprint.hex()}")
        check(status == 200 and hashlib.sha256(body).digest() == fingerprint, "issuer", status)
        if certificate.issuer != certificate.subject:
            continue
        roots = json.loads(farm.get("/rfc6962/ct/v1/get-roots")[2])["certificates"]
        check(base64.b64encode(body).decode() in roots, "roots")


def check_list(farm):
    status, headers, body = farm.get("/log_list.json")
    with open(farm.list_path, "rb") as file:
        check(status == 200 and file.read() == body, "list")
    signature = farm.get("/log_list.sig")[2]
    key = serialization.load_pem_public_key(farm.get("/log_list.pem")[2])
    spki = key.public_bytes(serialization.Encoding.DER,
                            serialization.PublicFormat.SubjectPublicKeyInfo)
    check(verifies(spki, signature, body), "signature of the list")
    status, _, again = farm.get("/log_list.json", **{"If-None-Match": headers["ETag"]})
    check(status == 304 and not again, "ETag", status)
    operator, = json.loads(body)["operators"]
    check(operator["logs"][0]["key"] == farm.rfc6962["key"], "key in the list")
    check(operator["tiled_logs"][0]["monitoring_url"] == farm.static["url"], "URL in the list")


def check_log():
    """Everything about a log that is signed throughout, odd entries among the others."""
    arguments = ("--entries", SIZE, "--odd", ODD, "--seed", 5, "--time", 1790000000000)
    with CtFarm(*arguments, "--signed") as farm:
        entries = download_rfc6962(farm, SIZE)
        tiled = download_tiles(farm, SIZE)
        check(len(entries) == len(tiled) == SIZE, len(entries), len(tiled))
        for entry, other in zip(entries, tiled):
            check(entry.leaf == other.leaf and entry.certificate == other.certificate and
                  [hashlib.sha256(c).digest() for c in entry.chain] == other.chain,
                  "both sides say the same")
        leaves = [leaf_hash(entry.leaf) for entry in entries]
        check_heads(farm, leaves, 3)
        check_proofs(farm, leaves)
        check_tiles(farm, leaves)
        kinds = check_entries(farm, entries, farm.truth(0, SIZE), True)
        check(len(kinds) > 20, "kinds", sorted(kinds))
        check_issuers(farm)
        check_list(farm)
    with CtFarm(*arguments, "--signed", "--rsa", "--gzip", "--tls") as farm:
        context = ssl.create_default_context(cafile=os.path.join(farm.folder, "ca.pem"))
        with Feed(farm, "/domains-only?from=0", context) as feed:
            check(len(feed.take(5)) == 5, "feed over TLS")
    with CtFarm(*arguments, "--rsa", "--gzip") as farm:
        check_entries(farm, download_tiles(farm, SIZE), farm.truth(0, SIZE), False)
        check(sth_verifies(farm, sth_of(farm), 1), "RSA")


def check_same_again():
    """The same seed makes the same log, another one another."""
    def data(*arguments):
        with CtFarm("--entries", 300, "--signed", "--odd", 4, "--time", 1790000000000,
                    *arguments) as farm:
            return [e.leaf + e.certificate for e in download_tiles(farm, 300)]
    check(data("--seed", 3) == data("--seed", 3), "not the same again")
    check(data("--seed", 3) != data("--seed", 4), "another seed, the same log")


def check_repeating():
    """A log whose entries come again has the tree that belongs to them."""
    size = 1000
    with CtFarm("--entries", size, "--distinct", 256) as farm:
        entries = download_rfc6962(farm, size)
        check(entries[0].leaf == entries[256].leaf != entries[1].leaf, "repeats")
        leaves = [leaf_hash(entry.leaf) for entry in entries]
        check_heads(farm, leaves, 3)
        check([e.leaf for e in download_tiles(farm, size)] == [e.leaf for e in entries], "tiles")
        check(entries[0].leaf_index is None, "leaf index")


def check_wishes():
    wishes = ("10:precert,names=www.example.org+example.org,ca=0",
              "20:x509,partner=10", "30:x509,names=login.example.org,ca=5",
              "40:precert,names=renewed.example.org,key=10", "50:precert,kind=unparsable")
    with CtFarm("--entries", 100, *(w for wish in wishes for w in ("--wish", wish))) as farm:
        truths = farm.truth(0, 100)
        check(truths[10]["names"] == truths[20]["names"] == ["www.example.org", "example.org"])
        check(truths[10]["tbs_sha256"] == truths[20]["tbs_sha256"], "pair")
        check(truths[30]["issuer_cn"].startswith("Elsewhere"), truths[30]["issuer_cn"])
        check(truths[40]["spki_sha256"] == truths[10]["spki_sha256"], "same key")
        check(not truths[50]["parsable"], "unparsable")
        spkis = [t["spki_sha256"] for t in truths if t["index"] not in (10, 20, 40, 50)]
        check(truths[10]["spki_sha256"] not in spkis, "the key of a wish is its own")


# --- Growth ---

def check_growth():
    with CtFarm("--entries", 5000, "--start", 100, "--head-every", "0") as farm:
        check(sth_of(farm)["tree_size"] == 100, "start")
        check(farm.control(size=4000)["size"] == 4000, "size")
        check(sth_of(farm)["tree_size"] == 4000 and checkpoint_of(farm)[0] == 4000, "grown")
        check(farm.get("/rfc6962/ct/v1/get-entries?start=4000&end=4000")[0] == 400, "beyond")
        first, second = sth_of(farm), None
        farm.control(rate=1000)
        while (second := sth_of(farm))["tree_size"] < 4200:
            pass
        check(second["timestamp"] >= first["timestamp"], "time goes on")
        check(sth_verifies(farm, second), "signature")


# --- Feeds ---

def same_certificate(seen, truth, dialect):
    if dialect != "calidog":
        check(seen["sha256"].replace(":", "").lower() == truth["fingerprint_sha256"], "sha256")
    check(seen["fingerprint"].replace(":", "").lower() == truth["fingerprint_sha1"], "sha1")
    check(int(seen["serial_number"], 16) == int(truth["serial"], 16), "serial")
    check(seen["not_after"] == truth["not_after"], "not_after", seen["not_after"])
    check(set(truth["names"]) <= set(seen["all_domains"]), seen["all_domains"], truth["names"])
    check(seen["issuer"]["CN"] == truth["issuer_cn"], seen["issuer"])


def check_update(message, truth, dialect, full, tiled):
    data = message["data"]
    leaf = data["leaf_cert"]
    precert = truth["type"] == "precert"
    kinds = {"PrecertLogEntry", "PreCertEntry"} if precert else {"X509LogEntry"}
    check(data["update_type"] in kinds, data["update_type"])
    if tiled and precert:
        check("as_der" not in leaf and leaf["fingerprint"] == EMPTY_SHA1, "tiled")
        return
    same_certificate(leaf, truth, dialect)
    check(("as_der" in leaf) == full and ("chain" in data) == full, "detail")
    if full:
        check(sha256(base64.b64decode(leaf["as_der"])) == truth["fingerprint_sha256"], "as_der")
        check([sha256(base64.b64decode(c["as_der"])) for c in data["chain"]] ==
              truth["chain"][:-1], "chain without the root")
    check(("emailAddress" in leaf["subject"]) == (dialect == "calidog"), leaf["subject"])
    check(dialect != "rust" or None not in leaf["subject"].values(), leaf["subject"])
    check(leaf["extensions"].get("ctlPoisonByte", False) == precert, "poison")


def check_feeds():
    size = 600
    with CtFarm("--entries", size, "--seed", 9) as farm:
        truths = farm.truth(0, size)
        for dialect in ("go", "calidog", "rust"):
            for path, full in (("/full-stream", True), ("/", False)):
                with Feed(farm, f"/{dialect}{path}?from=0") as feed:
                    check(feed.accepted, feed.status, feed.headers)
                    messages = feed.take(size)
                check([m["data"]["cert_index"] for m in messages] == list(range(size)), "gaps")
                for message, truth in zip(messages, truths):
                    check_update(message, truth, dialect, full, False)
        with Feed(farm, "/domains-only?from=0") as feed:
            for message, truth in zip(feed.take(size), truths):
                check(set(truth["names"]) == set(message["data"]), message)
        with Feed(farm, "/nothing") as feed:
            check(b"404" in feed.status, feed.status)
    with CtFarm("--entries", 300, "--tiled-feed", "--odd", 4) as farm:
        truths = {t["index"]: t for t in farm.truth(0, 300) if t["parsable"]}
        with Feed(farm, "/full-stream?from=0") as feed:
            messages = feed.take(len(truths))
        check([m["data"]["cert_index"] for m in messages] == list(truths), "unparsable left out")
        for message in messages:
            truth = truths[message["data"]["cert_index"]]
            if truth["kind"] == "normal":
                check_update(message, truth, "go", True, True)
    check_live_feeds()


def check_live_feeds():
    with CtFarm("--entries", 2000, "--start", 100, "--heartbeat", "0.05", "--ping", "0.05",
                "--idle", "600", "--queue", 300) as farm:
        with Feed(farm) as feed:
            farm.control(size=110)
            indices = [m["data"]["cert_index"] for m in feed.take(10)]
            check(indices == list(range(100, 110)), indices)
            check(any(m["message_type"] == "heartbeat" for m in feed.messages()), "heartbeat")
            feed.send(9, b"hello")
            while (frame := feed.frame()) != (10, b"hello"):
                check(frame, "pong") or sys.exit(1)
            farm.control(size=1500)
            check(feed.take(1)[0]["data"]["cert_index"] == 1200, "what a full queue leaves out")
            check(farm.stats()["missed"] == 1090, farm.stats()["missed"])
        with Feed(farm) as feed:
            feed.send(1, b"x" * 513)
            check(list(feed.texts()) is not None and feed.close_code == 1009, feed.close_code)
    with CtFarm("--idle", "0.2", "--ping", "0") as farm:
        with Feed(farm) as feed:
            check(not list(feed.texts()) and feed.close_code == 1008, feed.close_code)
        with Feed(farm, "/calidog/full-stream") as feed:
            check(feed.frame() is None, "CaliDog's says nothing when it goes")


# --- Faults ---

@contextlib.contextmanager
def faulty(farm, rule):
    """The rule holds within; it must have happened."""
    name = rule.split(",")[0]
    before = farm.stats()["faults"].get(name, 0)
    farm.control(fault=rule)
    yield
    check(farm.stats()["faults"].get(name, 0) > before, rule, "is not counted")
    farm.control(clear=1)


def asking(farm, path):
    """A connection that has sent a request."""
    connection = socket.create_connection(("127.0.0.1", farm.port), timeout=HANG_SECONDS)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return connection


def check_answer_faults(farm):
    sth, data = "/rfc6962/ct/v1/get-sth", "/static/tile/data/000"
    with faulty(farm, "http-429,retry=7,times=1"):
        status, headers, _ = farm.get(sth)
        check(status == 429 and headers["Retry-After"] == "7", status)
        check(farm.get(sth)[0] == 200, "only once")
    with faulty(farm, "http-429"):
        check("Retry-After" not in farm.get(sth)[1], "no Retry-After")
    with faulty(farm, "http-500,on=data"):
        check(farm.get(data)[0] == 500 and farm.get(sth)[0] == 200, "by class")
    for rule, status in (("http-503", 503), ("http-404", 404), ("reset", 0), ("cut", 0)):
        with faulty(farm, rule):
            check(farm.get(data)[0] == status, rule)
            check(farm.get(sth)[0] == status, rule)
    with faulty(farm, "html"):
        check(farm.get(sth)[2].startswith(b"<html>"), "html")
    with faulty(farm, "wrong-type"):
        check(farm.get(data)[1]["Content-Type"] == "text/html", "type")
    with faulty(farm, "drip,on=heads"):
        check(sth_verifies(farm, sth_of(farm)), "slow, but right")
    with faulty(farm, "http-429,over=1,on=heads"):
        check(429 in [farm.get(sth)[0] for _ in range(1000)], "over")
    with faulty(farm, "huge,on=heads"), asking(farm, sth) as connection:
        file = connection.makefile("rb")
        check(b"\r\nContent-Length: 1073741824\r\n" in file.read(1 << 22), "huge")
    check_stall(farm, sth)


def check_stall(farm, path):
    with faulty(farm, "stall"), asking(farm, path) as connection:
        while not farm.stats()["faults"].get("stall"):
            pass
        connection.setblocking(False)
        try:
            check(not connection.recv(1), "an answer")
        except BlockingIOError:
            pass


def check_head_faults(farm):
    true_size, true_root, _ = checkpoint_of(farm)
    with faulty(farm, "bad-signature"):
        check(not sth_verifies(farm, sth_of(farm)) and not checkpoint_of(farm)[2], "signature")
    with faulty(farm, "equivocate"):
        sth, (size, root, good) = sth_of(farm), checkpoint_of(farm)
        check(good and size == true_size and root != true_root and sth_verifies(farm, sth) and
              base64.b64decode(sth["sha256_root_hash"]) == root, "equivocation")
    with faulty(farm, "shrink"):
        sth = sth_of(farm)
        check(sth["tree_size"] < true_size and sth_verifies(farm, sth), "shrink")
        leaves = [leaf_hash(e.leaf) for e in download_rfc6962(farm, sth["tree_size"])]
        check(tree_root(leaves) == base64.b64decode(sth["sha256_root_hash"]), "smaller, but right")
    now = sth_of(farm)
    with faulty(farm, "stale"):
        first = sth_of(farm)
        farm.control(size=true_size + 1)
        second = sth_of(farm)
        check(first["timestamp"] == second["timestamp"] < now["timestamp"] - 86400000 and
              second["tree_size"] == true_size and sth_verifies(farm, second), "stale")


def check_entry_faults(farm):
    data, page = "/static/tile/data/000", "/rfc6962/ct/v1/get-entries?start=0&end=255"
    true = entries_of_tile(farm.get(data)[2])
    with faulty(farm, "short-page"):
        counts = {len(json.loads(farm.get(page)[2])["entries"]) for _ in range(20)}
        check(max(counts) < 256 and len(counts) > 1, counts)
        check(len(download_rfc6962(farm, 300)) == 300, "with patience")
    with faulty(farm, "wrong-leaf,at=17"):
        for found in (entries_of_tile(farm.get(data)[2]),
                      [entry_of_json(e) for e in json.loads(farm.get(page)[2])["entries"]]):
            wrong = [i for i, (a, b) in enumerate(zip(found, true)) if a.leaf != b.leaf]
            check(wrong == [17], wrong)
            x509.load_der_x509_certificate(found[17].certificate)
        check(farm.get("/static/tile/0/000")[2][17 * 32:18 * 32] == leaf_hash(true[17].leaf))
    check(entries_of_tile(farm.get(data)[2])[17].leaf == true[17].leaf, "right again")
    with faulty(farm, "bad-framing"):
        for parse, path in ((entries_of_tile, data),
                            (lambda b: [entry_of_json(e) for e in json.loads(b)["entries"]], page)):
            try:
                parse(farm.get(path)[2])
                check(False, path, "can be parsed")
            except ValueError:
                pass
    with faulty(farm, "wrong-tile"):
        check(farm.get("/static/tile/0/000")[2] != b"".join(leaf_hash(e.leaf) for e in true))
    with faulty(farm, "partial-gone"):
        check(farm.get("/static/tile/0/001.p/9")[0] == 404 and
              farm.get("/static/tile/0/000")[0] == 200, "gone")
    with faulty(farm, "broken-gzip"):
        check(farm.get(data)[1]["Content-Encoding"] == "gzip", "gzip")
        try:
            gzip.decompress(farm.get(data)[2])
            check(False, "can be inflated")
        except (OSError, zlib.error, EOFError):
            pass
    with faulty(farm, "gzip-bomb"):
        body = farm.get(data)[2]
        check(len(body) < 1 << 21 and struct.unpack("<I", body[-4:])[0] == 1 << 30, len(body))
        check(len(zlib.decompressobj(31).decompress(body, 1 << 24)) == 1 << 24, "inflates")
    issuer = true[0].chain[0]
    with faulty(farm, "wrong-issuer"):
        check(hashlib.sha256(farm.get(f"/static/issuer/{issuer.hex()}")[2]).digest() != issuer)


def check_feed_faults(farm):
    def first(count, rule):
        with faulty(farm, rule), Feed(farm, "/full-stream?from=0") as feed:
            texts = [text for text, _ in zip(feed.texts(), range(count))]
        return texts, feed.close_code

    def indices(texts):
        return [json.loads(t)["data"]["cert_index"] for t in texts]

    check(indices(first(5, "feed-drop,at=1-2")[0]) == [0, 3, 4, 5, 6], "drop")
    check(indices(first(5, "feed-twice,at=1")[0]) == [0, 1, 1, 2, 3], "twice")
    texts, code = first(5, "feed-close,at=3")
    check(indices(texts) == [0, 1, 2] and code == 1001, "close", code)
    texts, code = first(5, "feed-cut,at=3")
    check(indices(texts) == [0, 1, 2] and code is None, "cut", code)
    texts, _ = first(5, "feed-garbage,at=1")
    check(indices(texts[:1] + texts[2:]) == [0, 2, 3, 4], "garbage")
    texts, _ = first(3, "feed-binary,at=1")
    check(texts[1].startswith(b"\0\xff"), texts[1][:20])
    with faulty(farm, "feed-stall,at=2"), Feed(farm, "/full-stream?from=0") as feed:
        check(indices([feed.frame()[1], feed.frame()[1]]) == [0, 1], "stall")
        feed.send(9, b"still there?")
        check(feed.frame() == (10, b"still there?"), "nothing else comes")


def check_faults():
    with CtFarm("--entries", 1000, "--start", 800, "--head-every", "0") as farm:
        check_answer_faults(farm)
        check_head_faults(farm)
        check_entry_faults(farm)
        check_feed_faults(farm)
        for wrong in ("nonsense", "cut,p=2", "cut,at=x", "cut,on=nowhere", "cut,unknown=1"):
            try:
                farm.control(fault=wrong)
                check(False, wrong, "is taken")
            except ValueError:
                pass
    with CtFarm("--fault", "http-500,p=0.5") as farm:
        answers = [farm.get("/rfc6962/ct/v1/get-sth")[0] for _ in range(200)]
        check(60 < answers.count(500) < 140, answers.count(500))


# --- An independent monitor ---

def check_certspotter():
    if not shutil.which("certspotter"):
        print("no certspotter: it is not asked")
        return
    size = 3000
    with CtFarm("--entries", size, "--wish", f"{size - 7}:precert,names=login.watched.test") as farm, \
            tempfile.TemporaryDirectory(prefix="certspotter-") as folder:
        watch = os.path.join(folder, "watch")
        with open(watch, "w", encoding="ascii") as file:
            file.write(".watched.test\n")
        process = subprocess.Popen(
            ["certspotter", "-logs", farm.list_path, "-state_dir", folder + "/state", "-watchlist",
             watch, "-stdout", "-verbose"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env={**os.environ, "HOME": folder})
        try:
            output = ""
            while "login.watched.test" not in output and (line := process.stdout.readline()):
                output += line
            check("login.watched.test" in output, "certspotter:", output)
            name = farm.rfc6962["log_id"].replace("/", "_").replace("+", "-").rstrip("=")
            state = os.path.join(folder, "state/logs", name, "state.json")
            while process.poll() is None:  # until it has compared the root
                with contextlib.suppress(OSError, ValueError), open(state, "rb") as file:
                    if json.load(file)["verified_position"]["size"] == size:
                        break
                time.sleep(0.02)
            check(process.poll() is None, "certspotter ended")
        finally:
            process.kill()
            process.wait(HANG_SECONDS)


def main():
    check_log()
    check_same_again()
    check_repeating()
    check_wishes()
    check_growth()
    check_feeds()
    check_faults()
    check_certspotter()
    finish()


main()
