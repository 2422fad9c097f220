"""NIST PKITS (the vectors of python3-cryptography-vectors) against engine/x509/trust.h.

    python3 check_pkits.py [FOLDER]     FOLDER holds the executable tool_verify_chain

Each end-entity certificate says by its name whether its path is valid. Chains are all certificates
that could be issuers, going up by name. What PKITS tests and trust.h does not do: revocation, DSA,
and initial policy sets of the user.
"""

import glob
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import sys
import tempfile

CERTIFICATES = "/usr/lib/python3/dist-packages/cryptography_vectors/x509/PKITS_data/certs"
AT = 1577836800  # 2020-01-01, when the certificates are valid
MINIMUM = 100

# Invalid only because of a CRL: valid here.
REVOCATION = re.compile(
    "CRL(?!SigningKeyTest8)|Revoked|IDP|cRLSign|deltaCRL|distributionPoint|onlyContains|onlySome"
    "|LongSerialNumberTest18|NegativeSerialNumberTest15"
    "|SelfIssuedNewWithOldTest5|SelfIssuedOldWithNewTest2"
)
# Valid, and rightly refused here.
OTHERWISE = {
    "ValidDSASignaturesTest4": "weak_key",
    "ValidDSAParameterInheritanceTest5": "weak_key",
}


def names(paths):
    """(subject, issuer) of certificates, as openssl prints them, folded for comparison."""
    pem = "".join(ssl.DER_cert_to_PEM_cert(pathlib.Path(path).read_bytes()) for path in paths)
    bundle = subprocess.run(
        ["openssl", "crl2pkcs7", "-nocrl", "-certfile", "/dev/stdin"],
        input=pem.encode(), capture_output=True, check=True,
    )  # fmt: skip
    done = subprocess.run(
        ["openssl", "pkcs7", "-print_certs", "-noout"],
        input=bundle.stdout, capture_output=True, check=True,
    )  # fmt: skip
    folded = re.sub(r"[ \t\"]+", "", done.stdout.decode().lower())
    pairs = re.findall(r"^subject=(.*)\nissuer=(.*)$", folded, re.M)
    return dict(zip(paths, pairs, strict=True))


def chain_of(leaf, all_names):
    chain, wanted = [leaf], [all_names[leaf][1]]
    while wanted:
        name = wanted.pop()
        for path, (subject, issuer) in all_names.items():
            if subject == name and path not in chain and not path.endswith("EE.crt"):
                chain.append(path)
                wanted.append(issuer)
    return chain


def main():
    places = sys.argv[1] if len(sys.argv) > 1 else None
    tool = shutil.which("tool_verify_chain", path=places)
    if not tool:
        sys.exit("tool_verify_chain is not there")
    paths = sorted(glob.glob(CERTIFICATES + "/*.crt"))
    if not paths or not shutil.which("openssl"):
        print("needs python3-cryptography-vectors and openssl")
        sys.exit(77)
    all_names = names(paths)
    leaves = [path for path in paths if re.search("/(Valid|Invalid).*EE.crt$", path)]
    lines = [f"{AT} {' '.join(chain_of(leaf, all_names))}\n" for leaf in leaves]
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, "root.pem")
        anchor = os.path.join(CERTIFICATES, "TrustAnchorRootCertificate.crt")
        subprocess.run(
            ["openssl", "x509", "-inform", "DER", "-in", anchor, "-out", root], check=True
        )
        done = subprocess.run(
            [tool, root], input="".join(lines), text=True, capture_output=True, check=True
        )
    answers = [line.split()[0] for line in done.stdout.splitlines()]
    wrong = 0
    for leaf, answer in zip(leaves, answers, strict=True):
        name = os.path.basename(leaf).removesuffix("EE.crt")
        valid = name.startswith("Valid") or REVOCATION.search(name)
        if answer != OTHERWISE.get(name, answer if not valid and answer != "ok" else "ok"):
            wrong += 1
            print(f"{name}: {answer}")
    print(f"{len(answers)} paths, {wrong} wrong")
    sys.exit(1 if wrong or len(answers) < MINIMUM else 0)


if __name__ == "__main__":
    main()
