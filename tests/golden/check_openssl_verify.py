"""Compares verdicts on chains with `openssl verify`, where both should say the same.

    python3 check_openssl_verify.py [FOLDER]     FOLDER holds the executable tool_verify_chain

The certificates are made by the openssl command and valid from now on; dates are tested by moving
the time of verification. Cases where OpenSSL is known to differ (no way back from a wrong issuer,
the last second, wildcards under excluded names) are in tests/unit/x509.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time

DAY = 86400
LIFETIME_DAYS = 100

# Codes of X509_V_ERR_* to names of trust_error.
NAMES = {
    7: "bad_signature",
    9: "not_yet_valid",
    10: "expired",
    18: "self_signed",
    19: "untrusted_root",
    20: "unknown_issuer",
    21: "unknown_issuer",
    24: "not_a_ca",
    25: "not_a_ca",
    26: "wrong_purpose",
    32: "not_a_ca",
    34: "other",
    47: "name_constraint",
    48: "name_constraint",
    66: "weak_key",
    67: "weak_key",
    68: "weak_signature",
    79: "not_a_ca",
}

CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
KEYS = {
    "p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "p521": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    "ed25519": ["-algorithm", "ED25519"],
    "rsa2048": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "rsa1024": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
}


def openssl(*arguments, text=None):
    return subprocess.run(
        ["openssl", *arguments], input=text, text=True, capture_output=True, check=False
    )


class Folder:
    """Certificates by name: NAME.pem, NAME.der, NAME.key."""

    def __init__(self, path):
        self.path = path

    def file(self, name):
        return os.path.join(self.path, name)

    def make(self, name, issuer=None, key="p256", extensions="", subject=None, digest="sha256",
             days=LIFETIME_DAYS):
        subject = subject or f"/CN={name}"
        private, request, config = (self.file(name + end) for end in (".key", ".csr", ".cnf"))
        if not os.path.exists(private):
            self.run("genpkey", *KEYS[key], "-out", private)
        self.run("req", "-new", "-key", private, "-subj", subject, "-out", request)
        with open(config, "w", encoding="ascii") as file:
            file.write("[v3]\n" + extensions)
        signer = (
            ["-CA", self.file(issuer + ".pem"), "-CAkey", self.file(issuer + ".key")]
            if issuer
            else ["-signkey", private]
        )
        self.run(
            *("x509", "-req", "-in", request, "-days", str(days), f"-{digest}"),
            *("-extfile", config, "-extensions", "v3", "-out", self.file(name + ".pem")),
            *signer,
        )
        self.run(
            "x509", "-in", self.file(name + ".pem"), "-outform", "DER",
            "-out", self.file(name + ".der"),
        )  # fmt: skip

    def run(self, *arguments):
        done = openssl(*arguments)
        if done.returncode:
            sys.exit(f"openssl {' '.join(arguments)}: {done.stderr}")

    def openssl_verdict(self, root, chain, at):
        with open(self.file("untrusted.pem"), "w", encoding="ascii") as bundle:
            for name in chain[1:]:
                with open(self.file(name + ".pem"), encoding="ascii") as file:
                    bundle.write(file.read())
        untrusted = ["-untrusted", bundle.name] if chain[1:] else []
        done = openssl(
            *("verify", "-no-CApath", "-no-CAstore", "-CAfile", self.file(root + ".pem")),
            *("-partial_chain", "-purpose", "sslserver", "-auth_level", "2"),
            *("-attime", str(at), *untrusted, self.file(chain[0] + ".pem")),
        )
        if done.returncode == 0:
            return "ok"
        words = done.stderr.split()
        code = int(words[words.index("error") + 1])
        return NAMES.get(code, f"openssl error {code}")


def make_all(folder):
    make = folder.make
    make("root", extensions=CA)
    make("other", extensions=CA)
    make("middle", "root", extensions=CA)
    make("last", "middle", key="p384", extensions=CA)
    make(
        "leaf", "last",
        extensions="subjectAltName=DNS:leaf.example\nextendedKeyUsage=serverAuth\n",
    )  # fmt: skip
    make("direct", "root")
    make("lone", extensions="subjectAltName=DNS:lone.example\n")
    for key in KEYS:
        make(f"{key}-root", key=key, extensions=CA)
        make(f"{key}-middle", f"{key}-root", key=key, extensions=CA)
        make(f"{key}-leaf", f"{key}-middle", key=key)
    make("weak-leaf", "root", key="rsa1024")
    make("sha1-middle", "root", extensions=CA, digest="sha1")
    make("under-sha1", "sha1-middle")
    make("sha1-leaf", "root", digest="sha1")
    make("client", "root", extensions="extendedKeyUsage=clientAuth\n")
    make("no-ca", "root", extensions="basicConstraints=CA:FALSE\n")
    make("under-no-ca", "no-ca")
    make("short", "root", extensions="basicConstraints=critical,CA:TRUE,pathlen:0\n")
    make("too-long", "short", extensions=CA)
    make("under-short", "short")
    make("under-too-long", "too-long")
    make("mail-ca", "root", extensions=CA + "extendedKeyUsage=emailProtection\n")
    make("under-mail-ca", "mail-ca")
    make("odd", "root", extensions="1.2.3.4=critical,DER:0500\n")
    # An issuer with the name of another and a key of its own
    make("fake-middle", "root", extensions=CA, subject="/CN=middle")
    make("forged", "fake-middle")
    make("dns-ca", "root", extensions=CA + "nameConstraints=critical,permitted;DNS:example.com\n")
    make("dns-in", "dns-ca", extensions="subjectAltName=DNS:www.example.com\n", subject="/O=x")
    make("dns-out", "dns-ca", extensions="subjectAltName=DNS:www.example.org\n", subject="/O=x")
    make(
        "ip-ca", "root",
        extensions=CA + "nameConstraints=critical,excluded;IP:10.0.0.0/255.0.0.0\n",
    )  # fmt: skip
    make("ip-in", "ip-ca", extensions="subjectAltName=IP:192.0.2.1\n", subject="/O=x")
    make("ip-out", "ip-ca", extensions="subjectAltName=IP:10.1.2.3\n", subject="/O=x")
    make(
        "dn-ca", "root",
        extensions=CA + "nameConstraints=critical,permitted;dirName:base\n[base]\nO=Base\n",
    )  # fmt: skip
    make("dn-in", "dn-ca", subject="/O=Base/CN=x")
    make("dn-out", "dn-ca", subject="/O=Other/CN=x")


def cases(now):
    """(root, chain, time)"""
    chains = [
        "leaf last middle", "leaf middle last", "leaf last middle root", "leaf last", "leaf",
        "leaf root last other middle", "direct", "lone", "lone middle", "weak-leaf",
        "under-sha1 sha1-middle", "sha1-leaf", "client", "under-no-ca no-ca", "under-short short",
        "under-too-long too-long short", "under-mail-ca mail-ca", "odd", "forged fake-middle",
        "forged middle", "dns-in dns-ca", "dns-out dns-ca", "ip-in ip-ca", "ip-out ip-ca",
        "dn-in dn-ca", "dn-out dn-ca",
    ]  # fmt: skip
    for chain in chains:
        yield "root", chain.split(), now
    for root in ("other", "middle", "leaf", "last"):
        yield root, ["leaf", "last", "middle"], now
    yield "other", ["leaf", "last", "middle", "root"], now
    yield "lone", ["lone"], now
    yield "other", ["root"], now
    for key in KEYS:
        yield f"{key}-root", [f"{key}-leaf", f"{key}-middle"], now
    for days in (-1, 1, LIFETIME_DAYS - 1, LIFETIME_DAYS + 1):
        yield "root", ["leaf", "last", "middle"], now + days * DAY
        yield "lone", ["lone"], now + days * DAY
        yield "other", ["leaf", "last", "middle"], now + days * DAY
        yield "other", ["lone"], now + days * DAY


def our_verdict(tool, folder, root, chain, at):
    files = " ".join(folder.file(name + ".der") for name in chain)
    done = subprocess.run(
        [tool, folder.file(root + ".pem")],
        input=f"{at} {files}\n", text=True, capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout.split()[0]


def main():
    places = sys.argv[1] if len(sys.argv) > 1 else None
    tool = shutil.which("tool_verify_chain", path=places)
    if not tool:
        sys.exit("tool_verify_chain is not there")
    if not shutil.which("openssl"):
        print("no openssl command")
        sys.exit(77)
    differ = compared = 0
    with tempfile.TemporaryDirectory() as path:
        folder = Folder(path)
        make_all(folder)
        for root, chain, at in cases(int(time.time()) + 60):
            ours = our_verdict(tool, folder, root, chain, at)
            theirs = folder.openssl_verdict(root, chain, at)
            compared += 1
            if ours != theirs:
                differ += 1
                print(f"root {root}, chain {' '.join(chain)}, {at}: {ours}, openssl: {theirs}")
    print(f"{compared} chains compared, {differ} differ")
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
