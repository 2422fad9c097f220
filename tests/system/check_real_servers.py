"""Scans servers of other hands on loopback, with both plans: OpenSSL, GnuTLS, nginx, stunnel. The
certificate must be the one that the server was given, by `openssl x509`.

    python3 check_real_servers.py [FOLDER]     $TRAWL is the program; FOLDER is not used
"""
import json
import pathlib
import sys
import tempfile

from servers import Certificates, Servers, find, free_port, start_nginx
from support import FOREVER, SKIPPED, check, finish, run


class Case:
    """One target: a server and what a scan of it must find."""

    def __init__(self, name, port, version=None, outcome="ok", finding=None, fingerprint_of=None):
        self.name, self.port, self.version = name, port, version
        self.outcome, self.finding = outcome, finding
        self.fingerprint_of = fingerprint_of or name


def start_openssl(servers, certificates):
    """One server for each way to be; a server takes one connection after another."""
    old = ["-tls1", "-cipher", "ALL:@SECLEVEL=0"]
    asks = ["-Verify", "1", "-CAfile", certificates.root]
    requested = "client_certificate_requested"
    for name, key, options, expected in (
            ("openssl-tls12.test", "rsa", ["-tls1_2"], {"version": "TLS 1.2"}),
            ("openssl-tls13.test", "ec", ["-tls1_3"], {"version": "TLS 1.3"}),
            ("openssl-p384.test", "ec", ["-tls1_3", "-groups", "P-384"], {"version": "TLS 1.3"}),
            ("openssl-client12.test", "rsa", ["-tls1_2", *asks],
             {"version": "TLS 1.2", "outcome": "tls_alert", "finding": requested}),
            # The client's part is over before the server can object: RFC 8446 section 4.4.2.4.
            ("openssl-client13.test", "ec", ["-tls1_3", *asks],
             {"version": "TLS 1.3", "finding": requested}),
            ("openssl-tls10.test", "rsa", old, {"version": "TLS 1.0", "finding": "old_protocol"})):
        port = free_port()
        pem = certificates.make(name, key)
        servers.start(name, port, find("openssl"), "s_server", "-accept", f"127.0.0.1:{port}",
                      "-cert", pem, "-key", certificates.file(name + ".key"), "-www", *options)
        yield Case(name, port, **expected)


def start_gnutls(servers, certificates):
    for name, priority, version in (
            ("gnutls-tls12.test", "NORMAL:-VERS-ALL:+VERS-TLS1.2", "TLS 1.2"),
            ("gnutls-tls13.test", "NORMAL", "TLS 1.3")):
        port = free_port()
        pem = certificates.make(name)
        servers.start(name, port, find("gnutls-serv"), "--http", "--port", str(port),
                      "--x509certfile", pem, "--x509keyfile", certificates.file(name + ".key"),
                      "--priority", priority)
        yield Case(name, port, version)


NGINX_SERVER = """
    server {{
        listen 127.0.0.1:{port} ssl{default};
        server_name {name};
        ssl_certificate {folder}/{name}.pem;
        ssl_certificate_key {folder}/{name}.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        return 204;
    }}
"""


def start_names(servers, certificates):
    """Two names on one port; the first serves names that nobody has, too."""
    port, folder = free_port(), certificates.folder
    names = ["nginx-one.test", "nginx-two.test"]
    blocks = ""
    for name in names:
        certificates.make(name, "ec")
        blocks += NGINX_SERVER.format(port=port, folder=folder, name=name,
                                      default=" default_server" if name == names[0] else "")
    start_nginx(servers, folder, port, blocks)
    yield Case(names[0], port, "TLS 1.3")
    yield Case(names[1], port, "TLS 1.3")
    yield Case("nginx-other.test", port, "TLS 1.3", finding="name_mismatch",
               fingerprint_of=names[0])


def start_stunnel(servers, certificates, behind):
    name, port = "stunnel.test", free_port()
    pem = certificates.make(name)
    config = pathlib.Path(certificates.folder, "stunnel.conf")
    config.write_text(f"foreground = yes\npid =\n[tls]\naccept = 127.0.0.1:{port}\n"
                      f"connect = 127.0.0.1:{behind}\ncert = {pem}\n"
                      f"key = {certificates.file(name + '.key')}\n", encoding="ascii")
    servers.start(name, port, find("stunnel4") or find("stunnel"), str(config))
    yield Case(name, port, "TLS 1.3")


def scan(plan, cases, root):
    lines = "".join(f"{case.name}@127.0.0.1:{case.port}\n" for case in cases)
    done = run("scan", "-", "--plan", plan, "--ca-file", root, "--format", "json", *FOREVER,
               input=lines)
    check(done.returncode == 0, plan, "exit status", done.returncode, done.stderr)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    check(len(records) == len(cases), plan, len(records), "records for", len(cases), "targets")
    return {record["host"]: record for record in records}


def check_record(plan, case, record, fingerprint):
    # A grab is over before the server can object, and below TLS 1.3 before it asks for anything.
    outcome = case.outcome if plan == "handshake" else "ok"
    check(record["outcome"] == outcome, plan, case.name, "outcome", record["outcome"],
          record.get("error"), "expected", outcome)
    certificate = record.get("certificate", {})
    check(certificate.get("fingerprint_sha256") == fingerprint, plan, case.name, "fingerprint",
          certificate.get("fingerprint_sha256"), "expected", fingerprint)
    check(certificate.get("subject_cn") == case.fingerprint_of, plan, case.name, "subject_cn")
    check(record.get("tls", {}).get("version") == case.version, plan, case.name,
          record.get("tls"), "expected", case.version)
    # A grab need not verify the chain, but then it must not call it untrusted either.
    trusted = (True,) if plan == "handshake" else (True, None)
    check(record.get("trust", {}).get("trusted") in trusted, plan, case.name, record.get("trust"))
    asked_later = plan == "grab" and case.finding == "client_certificate_requested"
    check(not case.finding or asked_later or case.finding in record["findings"], plan, case.name,
          "findings", record["findings"], "expected", case.finding)
    if plan == "grab":
        check(record.get("tls", {}).get("key_proven") is False, plan, case.name, "key_proven")
    elif outcome == "ok" and "handshake_fallback" not in record["findings"]:
        check(record.get("tls", {}).get("key_proven") is True, plan, case.name, "key_proven")


def main():
    for name in ("openssl", "gnutls-serv", "nginx"):
        if not find(name):
            print(f"SKIPPED: no {name}: apt-get install openssl gnutls-bin nginx-light")
            sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory() as folder, Servers(folder) as servers:
        certificates = Certificates(folder)
        cases = [*start_openssl(servers, certificates), *start_gnutls(servers, certificates),
                 *start_names(servers, certificates)]
        if find("stunnel4") or find("stunnel"):
            cases += start_stunnel(servers, certificates, behind=cases[-1].port)
        else:
            print("no stunnel4: done without")
        for plan in ("handshake", "grab"):
            records = scan(plan, cases, certificates.root)
            for case in cases:
                if case.name in records:
                    check_record(plan, case, records[case.name],
                                 certificates.fingerprints[case.fingerprint_of])
                else:
                    check(False, plan, case.name, "has no record")
        servers.check_alive(check)
    print(f"{len(cases)} targets")
    finish()


main()
