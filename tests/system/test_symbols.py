"""No function of BoringSSL is visible outside the executables: libraries that bring OpenSSL into the
process (libpq, libcurl) would call it by the same name and crash."""
import os
import re
import subprocess
import sys

OPENSSL_NAMES = re.compile(r"^(SSL|EVP|BIO|X509|CRYPTO|ASN1|BN|EC|RSA|ERR|OPENSSL|PEM|SHA256|CBS)_")


def names(path, *options):
    run = subprocess.run(["nm", *options, path], capture_output=True, text=True, check=True)
    return {line.split()[-1] for line in run.stdout.splitlines() if line}


def main():
    status = 0
    build = os.environ["TRAWL_BUILD"]
    for path in (os.environ["TRAWL"], f"{build}/tests/system.openssl_beside"):
        inside = {n for n in names(path, "--defined-only") if OPENSSL_NAMES.match(n)}
        visible = {n for n in names(path, "-D", "--defined-only") if OPENSSL_NAMES.match(n)}
        print(f"{path}: {len(inside)} inside, {len(visible)} visible: {sorted(visible)[:5]}")
        # None inside would mean that this looks for the wrong names.
        if not inside or visible:
            status = 1
    sys.exit(status)


main()
