"""Compares what engine/x509 reads from a CRL with what OpenSSL prints of it.

    python3 check_openssl_crl.py FOLDER     FOLDER holds the executable tool_dump_crl

Over CRLs that `openssl ca -gencrl` makes here (keys of several kinds, reasons, hundreds of entries in
no order, PEM and DER) and those of NIST PKITS in the package python3-cryptography-vectors. Dates,
serial numbers and reasons are held against `openssl crl -text`, signatures against `openssl crl
-CAfile`. OpenSSL reads more than we take: a list that we refuse must be one of the kinds that we say
we refuse.
"""

import calendar
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import time

REASONS = {
    "Unspecified": "unspecified", "Key Compromise": "key_compromise",
    "CA Compromise": "ca_compromise", "Affiliation Changed": "affiliation_changed",
    "Superseded": "superseded", "Cessation Of Operation": "cessation_of_operation",
    "Certificate Hold": "certificate_hold", "Remove From CRL": "remove_from_crl",
    "Privilege Withdrawn": "privilege_withdrawn", "AA Compromise": "aa_compromise",
}

CONFIG = """
[ca]
default_ca = own
[own]
database = {0}/index.txt
crlnumber = {0}/crlnumber
default_md = {1}
default_crl_days = 30
crl_extensions = ext
[ext]
authorityKeyIdentifier = keyid
[req]
distinguished_name = dn
[dn]
"""


def run(*command, data=None):
    return subprocess.run(command, input=data, capture_output=True, check=False)


def must(*command, data=None):
    result = run(*command, data=data)
    if result.returncode:
        sys.exit(f"{' '.join(command)}: {result.stderr.decode()}")
    return result.stdout


def seconds(text):
    return calendar.timegm(time.strptime(text.strip(), "%b %d %H:%M:%S %Y GMT"))


def printed(der):
    """What OpenSSL prints of a CRL, in our words."""
    text = must("openssl", "crl", "-inform", "DER", "-noout", "-text", data=der).decode()
    head, _, tail = text.partition("Revoked Certificates:")
    entries = []
    for part in tail.split("    Serial Number: ")[1:]:
        part = part.split("    Signature Algorithm:")[0]
        serial = part.split()[0].lower()
        date = re.search(r"Revocation Date: (.*)", part).group(1)
        reason = re.search(r"CRL Reason Code:\s*(?:critical)?\s*\n\s*(.*)", part)
        entries.append([int(serial, 16), seconds(date),
                        REASONS[reason.group(1).strip()] if reason else "unspecified"])
    following = re.search(r"Next Update: (.*)", head).group(1)
    return {
        "this_update": seconds(re.search(r"Last Update: (.*)", head).group(1)),
        "next_update": 0 if following == "NONE" else seconds(following),
        "entries": sorted(entries),
    }


def is_signed(folder, der, issuer_der):
    issuer = os.path.join(folder, "issuer.pem")
    with open(issuer, "wb") as file:
        file.write(must("openssl", "x509", "-inform", "DER", data=issuer_der))
    result = run("openssl", "crl", "-inform", "DER", "-noout", "-CAfile", issuer, data=der)
    return b"verify OK" in result.stderr


def made(folder):
    """Pairs of a CRL and its issuer's certificate, and the same in PEM."""
    kinds = [(["rsa:2048"], "sha256"), (["rsa:2048"], "sha512"),
             (["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], "sha384"), (["ed25519"], "default")]
    for number, (key, digest) in enumerate(kinds):
        place = os.path.join(folder, str(number))
        os.mkdir(place)
        config, pem = os.path.join(place, "ca.cnf"), os.path.join(place, "crl.pem")
        with open(config, "w", encoding="ascii") as file:
            file.write(CONFIG.format(place, digest))
        with open(os.path.join(place, "crlnumber"), "w", encoding="ascii") as file:
            file.write("01\n")
        with open(os.path.join(place, "index.txt"), "w", encoding="ascii") as file:
            for i in range(0 if number == 1 else 300):
                reason = ["", ",keyCompromise", ",superseded", ",CACompromise",
                          ",cessationOfOperation"][i % 5]
                serial = f"{(i * 2654435761) % 2 ** 32 + 1:010X}"
                file.write(f"R\t351231235959Z\t2510{i % 28 + 1:02}123456Z{reason}\t{serial}\t"
                           f"unknown\t/CN=leaf {i}\n")
        must("openssl", "req", "-x509", "-config", config, "-newkey", *key, "-nodes", "-keyout",
             f"{place}/key.pem", "-out", f"{place}/ca.pem", "-subj", f"/O=Test/CN=CA {number}",
             "-days", "30", "-addext", "basicConstraints=critical,CA:true", "-addext",
             "keyUsage=critical,keyCertSign,cRLSign", "-addext", "subjectKeyIdentifier=hash")
        must("openssl", "ca", "-config", config, "-gencrl", "-cert", f"{place}/ca.pem",
             "-keyfile", f"{place}/key.pem", "-out", pem)
        issuer = must("openssl", "x509", "-in", f"{place}/ca.pem", "-outform", "DER")
        der = must("openssl", "crl", "-in", pem, "-outform", "DER")
        with open(pem, "rb") as file:
            yield file.read(), der, issuer
        yield der, der, issuer


def pkits():
    roots = glob.glob("/usr/lib/python3/dist-packages/cryptography_vectors/x509/PKITS_data")
    for root in roots:
        for path in sorted(glob.glob(f"{root}/crls/*.crl")):
            name = os.path.basename(path)[:-len("CRL.crl")]
            issuers = [f"{root}/certs/{name}{end}Cert.crt" for end in ("", "CACert")]
            issuer = next((p for p in issuers if os.path.exists(p)), f"{root}/certs/GoodCACert.crt")
            with open(path, "rb") as crl, open(issuer, "rb") as certificate:
                der = crl.read()
                yield der, der, certificate.read()


def may_be_refused(der, issuer):
    """OpenSSL's `crl` minds neither SHA-1 nor a key that may not sign CRLs."""
    crl = must("openssl", "crl", "-inform", "DER", "-noout", "-text", data=der).decode()
    text = must("openssl", "x509", "-inform", "DER", "-noout", "-text", data=issuer).decode()
    return "sha1" in crl.lower() or ("X509v3 Key Usage" in text and "CRL Sign" not in text)


def compare(folder, ours, der, issuer):
    if "error" in ours:
        text = run("openssl", "crl", "-inform", "DER", "-noout", "-text", data=der).stdout.decode()
        kinds = {"it is a delta CRL": "Delta CRL Indicator",
                 "it is an indirect CRL": "Indirect CRL|CRL Certificate Issuer|Certificate Issuer",
                 "the CRL has a critical extension that is not known": ": critical"}
        pattern = kinds.get(ours["error"])
        return None if pattern and re.search(pattern, text) else f"refused: {ours['error']}"
    theirs = printed(der)
    ours["entries"] = sorted([int.from_bytes(bytes.fromhex(serial), "big", signed=True), at, reason]
                             for serial, at, reason in ours["entries"])
    for key, value in theirs.items():
        if ours[key] != value:
            return f"{key}: ours {ours[key]}, theirs {value}"
    theirs_signed = is_signed(folder, der, issuer)
    if ours["signed"] and not theirs_signed:
        return "ours says that it is signed, theirs does not"
    return "weaker" if theirs_signed and not ours["signed"] else None


def main():
    tool = os.path.join(sys.argv[1], "tool_dump_crl")
    problems, compared, refused, weaker = [], 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        cases = list(made(folder)) + list(pkits())
        lines = "".join(f"{given.hex()} {issuer.hex()}\n" for given, _, issuer in cases)
        output = must(tool, data=lines.encode()).decode().splitlines()
        for (_, der, issuer), line in zip(cases, output, strict=True):
            ours = json.loads(line)
            problem = compare(folder, ours, der, issuer)
            compared += 1
            refused += "error" in ours
            if problem == "weaker" and may_be_refused(der, issuer):
                weaker += 1
            elif problem:
                problems.append(f"{line[:100]}: {problem}")
    for problem in problems:
        print(problem)
    print(f"{compared} CRLs compared, {refused} refused, {weaker} signed in a way that we refuse")
    made_count = 8
    if problems or compared < made_count or refused > compared / 3:
        sys.exit(1)


main()
