"""A log made with Python and OpenSSL: precertificates, certificates, tiles, heads and proofs, and
what engine/ct makes of them.

    check_ct_log.py [FOLDER OF tool_dump_ct]      (PATH is searched otherwise)

Everything is made by other means than the engine's: certificates by `cryptography`, trees by
recursion over hashlib as RFC 6962 section 2.1 has it, tiles as static-ct-api describes them.
"""

import base64
import datetime
import functools
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

SIZE, OLD_SIZE = 600, 333
ORIGIN = "log.example/2026h1"
SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
KEY = ec.generate_private_key(ec.SECP256R1())
DER = serialization.Encoding.DER
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


def sha256(data):
    return hashlib.sha256(data).digest()


KEY_HASH = sha256(KEY.public_key().public_bytes(DER, SPKI))


def vector(data, length_bytes):
    return len(data).to_bytes(length_bytes, "big") + data


# --- Certificates -------------------------------------------------------------------------------


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def builder(subject, issuer, serial, days, names=()):
    start = datetime.datetime(2026, 1, 1)
    made = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
            .public_key(KEY.public_key()).serial_number(serial)
            .not_valid_before(start).not_valid_after(start + datetime.timedelta(days=days)))
    if names:
        made = made.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
    return made


def sign(made):
    return made.sign(KEY, hashes.SHA256())


def authority(made, key_id):
    return made.add_extension(x509.AuthorityKeyIdentifier(key_id, None, None), critical=False)


ROOT = sign(builder("Root", "Root", 1, 4000)).public_bytes(DER)
ISSUER = sign(builder("Issuer", "Root", 2, 2000)).public_bytes(DER)
SIGNER = sign(builder("Precert signing", "Issuer", 3, 2000)).public_bytes(DER)
CHAIN = [ISSUER, ROOT]


class Entry:
    """The index says what it is: every second one is a precertificate, some of those come from a
    signing certificate, and the certificate that follows a precertificate is its final one."""

    def __init__(self, index):
        self.index, self.precert = index, index % 2 == 0
        self.timestamp = 1767225600000 + 137 * index
        pair = index // 2
        self.signed_by_other = pair % 10 == 7
        self.names = [f"host{pair}-{i}.example.org" for i in range(pair % 7 + 1)]

        def make(issuer, key_id):
            made = builder(self.names[0], issuer, 1000 + pair, 90, self.names)
            return authority(made, key_id)

        final = make("Issuer", b"issuer")
        self.tbs = sign(final).tbs_certificate_bytes
        if self.precert:
            submitted = make("Precert signing", b"other") if self.signed_by_other else final
            submitted = submitted.add_extension(x509.PrecertPoison(), critical=True)
            self.der = sign(submitted).public_bytes(DER)
        else:
            scts = x509.UnrecognizedExtension(SCT_LIST, b"\x04\x04\x00\x02\x00\x00")
            self.der = sign(final.add_extension(scts, critical=False)).public_bytes(DER)
        self.chain = [SIGNER] + CHAIN if self.precert and self.signed_by_other else CHAIN

    def timestamped(self, in_tile):
        body = KEY_HASH + vector(self.tbs, 3) if self.precert else vector(self.der, 3)
        leaf_index = b"\0\0\5" + self.index.to_bytes(5, "big")
        # Types that nobody knows may stand beside it.
        extensions = (b"\x2a\0\1x" * (self.index % 3) + leaf_index) if in_tile else b""
        return struct.pack(">QH", self.timestamp, self.precert) + body + vector(extensions, 2)

    def tile_leaf(self):
        precert = vector(self.der, 3) if self.precert else b""
        return (self.timestamped(True) + precert +
                vector(b"".join(sha256(one) for one in self.chain), 2))

    def extra_data(self):
        precert = vector(self.der, 3) if self.precert else b""
        return precert + vector(b"".join(vector(one, 3) for one in self.chain), 3)

    def expected(self, form, in_tile):
        binding = "final"
        if self.precert:
            binding = "bound, but for the issuer" if self.signed_by_other else "bound"
        counts = f"0 {len(self.chain)}" if form == "tile" else f"{len(self.chain)} 0"
        return (f"{form} {self.index} {int(self.precert)} {self.timestamp} "
                f"{self.index if in_tile else -1} "
                f"{sha256(bytes(3) + self.timestamped(in_tile)).hex()} {sha256(self.tbs).hex()} "
                f"{sha256(self.der).hex()} {binding} {counts} {','.join(self.names)}")


# --- The tree -----------------------------------------------------------------------------------


class Tree:
    def __init__(self, leaves):
        self.leaves = leaves

    @functools.cache
    def root(self, start, end):
        if start == end:
            return sha256(b"")
        if end - start == 1:
            return self.leaves[start]
        middle = start + self.split(end - start)
        return sha256(b"\1" + self.root(start, middle) + self.root(middle, end))

    @staticmethod
    def split(count):
        return 1 << (count - 1).bit_length() - 1

    def path(self, index, start, end):
        if end - start == 1:
            return []
        middle = start + self.split(end - start)
        if index < middle:
            return self.path(index, start, middle) + [self.root(middle, end)]
        return self.path(index, middle, end) + [self.root(start, middle)]

    def consistency(self, old, start, end, whole=True):
        if old == end:
            return [] if whole else [self.root(start, end)]
        middle = start + self.split(end - start)
        if old <= middle:
            return self.consistency(old, start, middle, whole) + [self.root(middle, end)]
        return self.consistency(old, middle, end, False) + [self.root(start, middle)]


def tile_path(kind, index, width):
    groups = f"{index:03}" if index < 1000 else f"x{index // 1000:03}/{index % 1000:03}"
    return f"tile/{kind}/{groups}" + (f".p/{width}" if width < 256 else "")


# --- The log's files ----------------------------------------------------------------------------


def signature(key, message):
    if isinstance(key, rsa.RSAPrivateKey):
        return b"\4\1" + vector(key.sign(message, padding.PKCS1v15(), hashes.SHA256()), 2)
    return b"\4\3" + vector(key.sign(message, ec.ECDSA(hashes.SHA256())), 2)


def base64_text(data):
    return base64.b64encode(data).decode()


class Log:
    def __init__(self, key, folder, entries):
        self.key, self.folder, self.entries = key, folder, entries
        self.tiled = Tree([sha256(bytes(3) + one.timestamped(True)) for one in entries])
        self.plain = Tree([sha256(bytes(3) + one.timestamped(False)) for one in entries])

    def write(self, path, data):
        path = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())

    def signed(self, size, root, timestamp):
        return signature(self.key, struct.pack(">BBQQ", 0, 1, timestamp, size) + root)

    def write_sth(self, path, size, timestamp):
        root = self.plain.root(0, size)
        self.write(path, json.dumps({
            "tree_size": size, "timestamp": timestamp, "sha256_root_hash": base64_text(root),
            "tree_head_signature": base64_text(self.signed(size, root, timestamp))}))

    def write_checkpoint(self, timestamp):
        root = self.tiled.root(0, SIZE)
        log_id = sha256(self.key.public_key().public_bytes(DER, SPKI))
        key_id = sha256(ORIGIN.encode() + b"\n\5" + log_id)[:4]
        body = key_id + struct.pack(">Q", timestamp) + self.signed(SIZE, root, timestamp)
        lines = [("witness.example", b"wxyz" + bytes(72)), (ORIGIN, body),
                 (ORIGIN, b"abcd" + bytes(64))]
        self.write("checkpoint", f"{ORIGIN}\n{SIZE}\n{base64_text(root)}\n\n" + "".join(
            f"\N{EM DASH} {who} {base64_text(what)}\n" for who, what in lines))

    def write_tiles(self):
        for level in range(6):
            step = 256 ** level
            hashed = [self.tiled.root(i * step, (i + 1) * step) for i in range(SIZE // step)]
            for index in range(0, len(hashed), 256):
                some = hashed[index:index + 256]
                self.write(tile_path(level, index // 256, len(some)), b"".join(some))
        for index in range(0, SIZE, 256):
            some = self.entries[index:index + 256]
            self.write(tile_path("data", index // 256, len(some)),
                       b"".join(one.tile_leaf() for one in some))

    def write_all(self):
        self.write("key.der", self.key.public_key().public_bytes(DER, SPKI))
        self.write_checkpoint(1767300000001)
        self.write_tiles()
        self.write_sth("sth.json", SIZE, 1767300000002)
        self.write_sth("old_sth.json", OLD_SIZE, 1767200000003)
        self.write("entries.hex", "".join(
            f"{(bytes(2) + one.timestamped(False)).hex()} {one.extra_data().hex()}\n"
            for one in self.entries))
        last = self.entries[-1]
        self.write("entry_and_proof.json", json.dumps({
            "leaf_input": base64_text(bytes(2) + last.timestamped(False)),
            "extra_data": base64_text(last.extra_data()),
            "audit_path": [base64_text(one) for one in self.plain.path(SIZE - 1, 0, SIZE)]}))
        self.write("consistency.json", json.dumps({"consistency": [
            base64_text(one) for one in self.plain.consistency(OLD_SIZE, 0, SIZE)]}))

    def expected(self):
        plain, old = self.plain.root(0, SIZE).hex(), self.plain.root(0, OLD_SIZE).hex()
        yield f"checkpoint {SIZE} 1767300000001 {self.tiled.root(0, SIZE).hex()}"
        yield f"origin {ORIGIN}"
        yield f"sth.json {SIZE} 1767300000002 {plain}"
        yield f"old_sth.json {OLD_SIZE} 1767200000003 {old}"
        yield from (one.expected("tile", True) for one in self.entries)
        yield "root same"
        yield from (one.expected("entry", False) for one in self.entries)
        yield "edge " + tile_path(1, 0, SIZE // 256)
        yield "edge " + tile_path(0, SIZE // 256, SIZE % 256)
        path = self.plain.path(SIZE - 1, 0, SIZE)
        yield f"proof {len(path)} {SIZE.bit_count()}"
        yield f"consistency {len(self.plain.consistency(OLD_SIZE, 0, SIZE))}"


def main():
    tool = os.path.join(sys.argv[1], "tool_dump_ct") if len(sys.argv) > 1 else "tool_dump_ct"
    if not shutil.which(tool):
        sys.exit("tool_dump_ct is not built")
    entries = [Entry(index) for index in range(SIZE)]
    keys = [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)]
    for key in keys:
        with tempfile.TemporaryDirectory() as folder:
            log = Log(key, folder, entries)
            log.write_all()
            ran = subprocess.run([tool, folder], capture_output=True, text=True)
            if ran.returncode:
                sys.exit(f"tool_dump_ct: {ran.stderr}")
            got, wanted = ran.stdout.splitlines(), list(log.expected())
            for line, (one, other) in enumerate(zip(got, wanted), 1):
                if one != other:
                    sys.exit(f"line {line}: got\n  {one}\ninstead of\n  {other}")
            if len(got) != len(wanted):
                sys.exit(f"{len(got)} lines instead of {len(wanted)}")
            print(f"{len(wanted)} lines as expected")


main()
