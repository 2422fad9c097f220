"""Compares every field that engine/x509 reads from a certificate with what OpenSSL prints.

    python3 check_openssl_x509.py FOLDER     FOLDER holds the executable tool_dump_certificate

Over Debian's ca-certificates, every certificate in the package python3-cryptography-vectors (NIST
PKITS among them), and made_certificates.py. OpenSSL prints many certificates in one process:
`openssl cms -print` gives names in RFC 2253 form, `openssl storeutl -text` the text of `openssl
x509`. Self-signatures are asked of `openssl verify`. Fingerprints, spki_sha256 and tbs_sha256 are
computed here, and one TBS is held against the precertificate's that came with it. Where OpenSSL
cannot print a certificate (a date that it calls bad is enough), ours may do either.

Known differences, and nothing else is let through:
- 2.5.4.9 is STREET, as RFC 4514 has it; OpenSSL says street.
- Subject alternative names that OpenSSL will not print (one holds a NUL, or the list is broken) are
  not compared, and others than the four known forms are only compared around them.
- Orders of curves that certificate_key.c does not know are 0.
- Versions over 128 are refused.
- Self-signed: OpenSSL does not say when it finds that the certificate may not issue certificates,
  and holds RSA-PSS keys to their own restrictions; BoringSSL cannot verify Ed448 and rare curves.
"""

import base64
import concurrent.futures
import datetime
import glob
import hashlib
import ipaddress
import json
import os
import re
import subprocess
import sys
import tempfile

from made_certificates import (
    POISON,
    SCT_LIST,
    certificate,
    ct_pairs,
    elements,
    made_certificates,
    oid,
    sequence,
    tlv,
)

AUTHORITIES = "/usr/share/ca-certificates"
VECTORS = "/usr/lib/python3/dist-packages/cryptography_vectors"
MINIMUM = 1000
NAME_OPTIONS = "RFC2253,utf8,-esc_msb"

# --- Where certificates come from ---


def certificates_in(path):
    """Every certificate in a file: PEM, DER, or the DER of a CertificatePair (.cp)."""
    with open(path, "rb") as file:
        content = file.read()
    for block in re.findall(rb"-----BEGIN CERTIFICATE-----(.*?)-----END", content, re.DOTALL):
        yield base64.b64decode(block)
    if path.endswith((".der", ".crt", ".cer")) and content[:1] == b"\x30":
        yield content
    if path.endswith(".cp"):
        ((_, pair),) = elements(content)
        for _, der in elements(pair):
            yield der


def corpus():
    """{DER: label} of distinct certificates."""
    found = {}
    for folder in (AUTHORITIES, VECTORS):
        if not os.path.isdir(folder):
            sys.exit(f"no {folder}: install ca-certificates and python3-cryptography-vectors")
        for path in sorted(glob.glob(folder + "/**/*", recursive=True)):
            if path.endswith((".pem", ".der", ".crt", ".cer", ".cp")):
                for der in certificates_in(path):
                    found.setdefault(der, path)
    for label, der in made_certificates():
        found.setdefault(der, label)
    return found


# --- What OpenSSL says ---


def run(*arguments, given=None):
    return subprocess.run(arguments, input=given, capture_output=True)


def cms_names(ders):
    """(issuer, subject) of each, or None when OpenSSL refuses one of them."""
    signed_data, data = oid("1.2.840.113549.1.7.2"), oid("1.2.840.113549.1.7.1")
    content = (b"\2\1\1", tlv(0x31), sequence(data), tlv(0xA0, *ders), tlv(0x31))
    message = sequence(signed_data, tlv(0xA0, sequence(*content)))
    command = "openssl cms -cmsout -print -noout -inform DER -nameopt".split()
    printed = run(*command, NAME_OPTIONS, given=message)
    issuers = re.findall(rb"^ {10}issuer: {11}(.*)$", printed.stdout, re.MULTILINE)
    subjects = re.findall(rb"^ {10}subject: {11}(.*)$", printed.stdout, re.MULTILINE)
    if printed.returncode or not len(issuers) == len(subjects) == len(ders):
        return None
    return list(zip(issuers, subjects))


def readable_names(ders):
    """{DER: (issuer, subject)} of those that OpenSSL can parse."""
    names = cms_names(ders)
    if names:
        return dict(zip(ders, names))
    if len(ders) == 1:
        return {}
    middle = len(ders) // 2
    return {**readable_names(ders[:middle]), **readable_names(ders[middle:])}


def to_pem(der):
    text = base64.encodebytes(der)
    return b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n"


def texts(ders, folder):
    """{DER: text of `openssl x509 -text`}."""
    path = os.path.join(folder, "all.pem")
    with open(path, "wb") as file:
        file.writelines(to_pem(der) for der in ders)
    printed = run("openssl", "storeutl", "-certs", "-text", "-noout", path).stdout
    parts = re.split(rb"^\d+: Certificate\n", printed, flags=re.MULTILINE)[1:]
    if len(parts) != len(ders):
        sys.exit(f"openssl storeutl printed {len(parts)} certificates of {len(ders)}")
    return dict(zip(ders, (part.decode("latin-1") for part in parts)))


def verifies_itself(der, folder):
    """Whether its signature verifies with its own key; None when OpenSSL does not say."""
    path = os.path.join(folder, hashlib.sha256(der).hexdigest() + ".pem")
    with open(path, "wb") as file:
        file.write(to_pem(der))
    printed = run(*"openssl verify -no_check_time -check_ss_sig -trusted".split(), path, path)
    words = printed.stdout + printed.stderr
    if b"error 20 at" in words or b"digest not allowed" in words:
        return None
    return not re.search(rb"error [1-7] at|Could not|Error loading|unable to load", words)


MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class Text:
    """The fields in the text that OpenSSL prints; None where it prints none."""

    def __init__(self, text):
        self.text = text

    def find(self, pattern):
        match = re.search(pattern, self.text, re.MULTILINE)
        return match[1] if match else None

    def version(self):
        known = self.find(r"^ +Version: (\d+)")
        return int(known) if known else int(self.find(r"^ +Version: Unknown \((\d+)\)")) + 1

    def serial(self):
        small = self.find(r"Serial Number: (-?\d+) \(")
        if small is not None:
            return int(small)
        large = re.search(r"Serial Number:\n +( \(Negative\))?([0-9a-f:]+)", self.text)
        value = int(large[2].replace(":", ""), 16)
        return -value if large[1] else value

    def date(self, label):
        """Seconds since 1970."""
        words = self.find(rf"{label} ?: (.*)")
        parts = re.fullmatch(r"(\w+) +(\d+) (\d+):(\d+):(\d+)(?:\.\d+)? (\d+) GMT", words)
        month = MONTHS.index(parts[1]) + 1
        day, hours, minutes, seconds, year = (int(part) for part in parts.groups()[1:])
        cycles = 1 if year == 0 else 0  # datetime knows no year 0
        date = datetime.date(year + 400 * cycles, month, day) - datetime.date(1970, 1, 1)
        days = date.days - 146097 * cycles
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds

    def extension(self, title):
        """The lines below its title; None when it is absent."""
        block = re.search(rf"^ {{12}}{title}:.*\n((?: {{13,}}.*\n|\n)*)", self.text, re.MULTILINE)
        return block[1] if block else None


# --- What is expected of ours ---


def content_of(der):
    return next(elements(der))[1]


def tbs_parts(der):
    """The elements of the TBSCertificate, as (tag, content)."""
    return list(elements(content_of(content_of(der))))


def spki_of(der):
    parts = [part for part in tbs_parts(der) if part[0] != 0xA0]
    return tlv(*parts[5])


def joined_tbs(der):
    """RFC 6962 section 3.2: the TBS without poison and SCT list."""
    parts = []
    for tag, content in tbs_parts(der):
        if tag == 0xA3:
            kept = [
                tlv(0x30, extension)
                for _, extension in elements(content_of(content))
                if not extension.startswith((oid(POISON), oid(SCT_LIST)))
            ]
            if kept:
                parts.append(tlv(tag, sequence(*kept)))
        else:
            parts.append(tlv(tag, content))
    return sequence(*parts)


def as_openssl_prints(name):
    """Our text of a name in OpenSSL's dialect: control characters as \\XX, capitals in #hex."""
    name = re.sub(rb"[\x00-\x1f\x7f]", lambda match: b"\\%02X" % match[0][0], name)
    name = re.sub(rb"(^|(?<!\\)[,+])STREET=", rb"\1street=", name)
    return re.sub(rb"=#([0-9a-f]+)", lambda match: b"=#" + match[1].upper(), name)


def first_value(name, kind):
    """The most specific value of a kind in RFC 2253 text, as bytes; None when there is none."""
    for part in re.split(rb"(?<!\\)(?:\\\\)*[,+](?=[A-Za-z0-9.]+=)", name):
        if part.startswith(kind + b"="):
            value = part[len(kind) + 1 :]
            if value.startswith(b"#"):
                return None
            unescape = lambda m: bytes.fromhex(m[1].decode()) if len(m[1]) == 2 else m[1]
            return re.sub(rb"\\([0-9A-F]{2}|.)", unescape, value, flags=re.DOTALL)
    return None


def printable(content):
    """As ASN1_STRING_print has it."""
    shown = (chr(byte) if 32 <= byte <= 126 or byte in b"\r\n" else "." for byte in content)
    return "".join(shown)


def alternative_names_line(names):
    """The line that OpenSSL prints, with None for the names whose form is not known here."""
    for kind, content in names:
        content = bytes.fromhex(content)
        if kind in (1, 2, 6):
            yield {1: "email:", 2: "DNS:", 6: "URI:"}[kind] + content.decode("latin-1")
        elif kind == 7 and len(content) == 4:
            yield "IP Address:" + str(ipaddress.ip_address(content))
        elif kind == 7 and len(content) == 16:
            groups = (f"{content[i] << 8 | content[i + 1]:X}" for i in range(0, 16, 2))
            yield "IP Address:" + ":".join(groups)
        elif kind == 7:
            yield "IP Address:<invalid>"
        else:
            yield None


KEY_TYPES = {
    "rsaEncryption": "rsa",
    "rsassaPss": "rsa-pss",
    "ED25519": "ed25519",
    "ED448": "ed448",
    "X25519": "x25519",
    "dsaEncryption": "dsa",
    **{name: name.lower() for name in ("ML-DSA-44", "ML-DSA-65", "ML-DSA-87")},
    **{f"2.16.840.1.101.3.4.3.{17 + i}": f"ml-dsa-{size}" for i, size in enumerate((44, 65, 87))},
}
FIXED_BITS = {"ed25519": 256, "ed448": 456, "x25519": 253}
CURVES = {
    "prime256v1": "ec-p256",
    "secp224r1": "ec-p224",
    "secp256k1": "ec-secp256k1",
    "secp384r1": "ec-p384",
    "secp521r1": "ec-p521",
}
RARE_CURVES = re.compile(r"c2pnb|c2tnb|wap-wsg|secp112|sect113|sect131|sect193")


class Comparison:
    def __init__(self):
        self.compared = 0
        self.fields = 0
        self.problems = []

    def same(self, label, field, ours, theirs):
        self.fields += 1
        if ours != theirs:
            self.problems.append(f"{label}: {field}: ours {ours!r}, OpenSSL {theirs!r}")

    def certificate(self, label, der, ours, names, text):
        self.compared += 1
        issuer, subject = names
        check = lambda field, theirs: self.same(label, field, ours.get(field), theirs)

        self.names(label, ours, issuer, subject)
        serial = int.from_bytes(bytes.fromhex(ours["serial"]), "big", signed=True)
        self.same(label, "serial", serial, text.serial())
        check("version", text.version())
        for field, title in (("not_before", "Not Before"), ("not_after", "Not After")):
            check(field, text.date(title))
        check("sha256", hashlib.sha256(der).hexdigest())
        check("sha1", hashlib.sha1(der).hexdigest())
        check("spki_sha256", hashlib.sha256(spki_of(der)).hexdigest())
        check("tbs_sha256", hashlib.sha256(joined_tbs(der)).hexdigest())
        self.key(label, ours, text)
        self.signature(label, ours, text)
        self.extensions(label, ours, text)

    def names(self, label, ours, issuer, subject):
        for field, theirs in (("issuer", issuer), ("subject", subject)):
            self.same(label, field, as_openssl_prints(bytes.fromhex(ours[field])), theirs)
        for field, name, kind in (
            ("subject_cn", subject, b"CN"),
            ("issuer_cn", issuer, b"CN"),
            ("issuer_o", issuer, b"O"),
        ):
            value = ours.get(field)
            value = None if value is None else bytes.fromhex(value)
            self.same(label, field, value, first_value(name, kind))

    def key(self, label, ours, text):
        algorithm = text.find(r"Public Key Algorithm: (.*)")
        curve = text.find(r"ASN1 OID: (.*)")
        if algorithm == "id-ecPublicKey":
            expected = CURVES.get(curve, "ec")
            if curve is None and "Field Type" not in text.text:
                expected = ours["key_type"]  # OpenSSL could not load the key
        else:
            expected = KEY_TYPES.get(algorithm, "unknown")
        self.same(label, "key_type", ours["key_type"], expected)
        bits = text.find(r"Public-Key: \((\d+) bit")
        if bits and not (curve and RARE_CURVES.match(curve) and ours["key_bits"] == 0):
            self.same(label, "key_bits", ours["key_bits"], int(bits))
        elif expected in FIXED_BITS:
            self.same(label, "key_bits", ours["key_bits"], FIXED_BITS[expected])

    def signature(self, label, ours, text):
        algorithm = text.find(r"^    Signature Algorithm: (.*)")
        name = bytes.fromhex(ours["signature_algorithm"]).decode()
        self.same(label, "signature_algorithm", name, algorithm)
        weak = re.search(r"md[245]|sha1|shaWith|SHA1", algorithm) is not None
        if algorithm == "rsassaPss":
            tail = text.text.split("    Signature Algorithm: rsassaPss")[-1]
            weak = re.search(r"Hash Algorithm: (sha1|SHA1)", tail) is not None
        self.same(label, "weak", ours["weak"], weak)

    def extensions(self, label, ours, text):
        constraints = text.extension("X509v3 Basic Constraints")
        self.same(label, "is_ca", ours["is_ca"], "CA:TRUE" in (constraints or ""))
        self.alternative_names(label, ours, text)
        access = text.extension("Authority Information Access") or ""
        for field, title in (("ocsp_urls", "OCSP"), ("ca_issuers_urls", "CA Issuers")):
            theirs = re.findall(rf"^ +{title} - URI:(.*)$", access, re.MULTILINE)
            self.same(label, field, [printable(bytes.fromhex(url)) for url in ours[field]], theirs)
        points = text.extension("X509v3 CRL Distribution Points") or ""
        points = re.sub(r" +Reasons:$", "", points, flags=re.MULTILINE)
        points = re.sub(r"CRL Issuer:\n(?: {18,}.*\n)*", "", points)
        theirs = re.findall(r"^ +URI:(.*)$", points, re.MULTILINE)
        urls = [printable(bytes.fromhex(url)) for url in ours["crl_urls"]]
        self.same(label, "crl_urls", urls, theirs)

    def alternative_names(self, label, ours, text):
        block = text.extension("X509v3 Subject Alternative Name")
        if block is None:
            self.same(label, "names", ours["names"], [])
            return
        values = [bytes.fromhex(value) for _, value in ours["names"]]
        if ours["names_broken"] or any(0 in value for value in values if len(value) not in (4, 16)):
            return
        line = re.sub(r"<invalid length=\d+>", "<invalid>", block[16:].rstrip("\n"))
        line = "" if line == "<EMPTY>" else line
        expected = list(alternative_names_line(ours["names"]))
        if None not in expected:
            self.same(label, "names", ", ".join(expected), line)
            return
        pattern = ".*".join(re.escape(name) for name in expected if name is not None)
        self.same(label, "names", re.search(pattern, line, re.DOTALL) is not None, True)


def check_self_signed(comparison, found, ours, names, folder):
    """OpenSSL is asked where subject and issuer are the same; elsewhere ours must say no."""
    read = [der for der in names if "error" not in ours[der]]
    asked = [der for der in read if names[der][0] == names[der][1]]
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        answers = dict(zip(asked, pool.map(lambda der: verifies_itself(der, folder), asked)))
    for der in read:
        theirs = answers.get(der, False)
        unverifiable = ours[der]["key_type"] in ("ed448", "ec", "ec-secp256k1")
        if theirs is not None and not (theirs and unverifiable):
            comparison.same(found[der], "self_signed", ours[der]["self_signed"], theirs)
    return list(answers.values()).count(True)


def check_pairs(comparison, dump):
    """A precertificate joins its final certificate, and no other."""
    seen = set()
    for pair in ct_pairs():
        hashes = {fields["tbs_sha256"] for fields in dump([certificate(**half) for half in pair])}
        comparison.same("made pair", "tbs_sha256", (len(hashes), seen & hashes), (1, set()))
        seen |= hashes


def check_known_tbs(comparison, dump):
    """A certificate from a real log's time, and the TBS that its SCTs were signed over."""
    (der,) = certificates_in(f"{VECTORS}/x509/cryptography-scts.pem")
    with open(f"{VECTORS}/x509/cryptography-scts-tbs-precert.der", "rb") as file:
        expected = hashlib.sha256(file.read()).hexdigest()
    comparison.same("cryptography-scts.pem", "tbs_sha256", dump([der])[0]["tbs_sha256"], expected)


def main():
    tool = os.path.join(sys.argv[1], "tool_dump_certificate")

    def dump(ders):
        lines = b"".join(der.hex().encode() + b"\n" for der in ders)
        done = run(tool, given=lines)
        if done.returncode:
            sys.exit(f"tool_dump_certificate failed: {done.returncode} {done.stderr.decode()}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    found = corpus()
    ours = dict(zip(found, dump(found)))
    names = readable_names(list(found))
    comparison = Comparison()
    refused = []
    with tempfile.TemporaryDirectory() as folder:
        for der, text in texts(list(names), folder).items():
            if "error" in ours[der]:
                refused.append((found[der], ours[der]["error"], text))
            else:
                comparison.certificate(found[der], der, ours[der], names[der], Text(text))
        self_signed = check_self_signed(comparison, found, ours, names, folder)
    check_pairs(comparison, dump)
    check_known_tbs(comparison, dump)

    for label, error, text in refused:
        if "Version: Unknown (" not in text:
            comparison.problems.append(f"{label}: refused: {error}")
    if comparison.compared < MINIMUM:
        comparison.problems.append(f"only {comparison.compared} certificates, wanted {MINIMUM}")
    print("\n".join(comparison.problems))
    print(
        f"{comparison.compared} certificates compared in {comparison.fields} fields, "
        f"{self_signed} of them self-signed; OpenSSL could not print {len(found) - len(names)}, "
        f"ours refused {len(refused)} more; {len(comparison.problems)} differences"
    )
    sys.exit(1 if comparison.problems else 0)


if __name__ == "__main__":
    main()
