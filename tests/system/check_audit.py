"""Audits servers of other hands, each configured in another way, and compares what is found with
what sslscan and nmap find there, and with what the servers were told to do.

    python3 check_audit.py FOLDER     FOLDER holds tool_audit
"""
import calendar
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

from servers import ENVIRONMENT, find, free_port
from support import SKIPPED, check, finish

HANG_SECONDS = 120  # only stops what hangs
NAME = "audit.test"
VERSIONS = {"TLSv1.3": "TLS 1.3", "TLSv1.2": "TLS 1.2", "TLSv1.1": "TLS 1.1",
            "TLSv1.0": "TLS 1.0", "SSLv3": "SSL 3.0"}


def run(*arguments, **options):
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=HANG_SECONDS,
                          check=False, env=ENVIRONMENT, **options)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)}: {done.returncode} {done.stderr}")
    return done.stdout


def make_certificates(folder):
    """A root; a certificate of each kind under it; and an OCSP response for one of them."""
    openssl = find("openssl")

    def path(name):
        return str(pathlib.Path(folder, name))

    for name, kind in (("root", "ec"), ("rsa", "rsa"), ("ec", "ec")):
        key = (["rsa:2048"] if kind == "rsa" else
               ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        issuer = [] if name == "root" else ["-CA", path("root.pem"), "-CAkey", path("root.key"),
                                            "-addext", "basicConstraints=CA:FALSE"]
        subject = "/O=Audit/CN=Root" if name == "root" else f"/CN={NAME}"
        run(openssl, "req", "-x509", "-newkey", *key, "-nodes", "-keyout", path(name + ".key"),
            "-out", path(name + ".pem"), "-days", "30", "-subj", subject, *issuer)
        run(openssl, "x509", "-in", path(name + ".pem"), "-outform", "DER", "-out",
            path(name + ".der"))
    serial = run(openssl, "x509", "-in", path("rsa.pem"), "-noout", "-serial").split("=")[1]
    pathlib.Path(path("index.txt")).write_text(
        f"V\t491231235959Z\t\t{serial.strip()}\tunknown\t/CN={NAME}\n", encoding="ascii")
    run(openssl, "ocsp", "-issuer", path("root.pem"), "-cert", path("rsa.pem"), "-reqout",
        path("request.der"))
    run(openssl, "ocsp", "-index", path("index.txt"), "-CA", path("root.pem"), "-rsigner",
        path("root.pem"), "-rkey", path("root.key"), "-reqin", path("request.der"), "-respout",
        path("ocsp.der"), "-ndays", "7")


class Servers:
    """Ends what it started at the end of the `with` block."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(HANG_SECONDS)

    def start(self, label, port, *command):
        log = pathlib.Path(self.folder, f"{label}.log")
        with open(log, "wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=output, cwd=self.folder, env=ENVIRONMENT)
        self.processes.append(process)
        deadline = time.monotonic() + HANG_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1):
                    return
            except OSError:
                time.sleep(0.02)
        sys.exit(f"{label} does not listen: {log.read_text(errors='replace')}")


ROOT_NAME = "CN=Root,O=Audit"
OLD = ["-cipher", "ALL:@SECLEVEL=0"]

# Name, key, options of `openssl s_server`, and what must be found beside what the others see.
OPENSSL = [
    ("default", "rsa", ["-alpn", "h2,http/1.1", "-status_file", "ocsp.der"],
     {"protocols": ["h2", "http/1.1"], "client_certificate": False, "fallback_scsv": True,
      "session_tickets": True, "secure_renegotiation": True, "compression": False,
      "extended_master_secret": True, "encrypt_then_mac": True, "ocsp": True,
      "ca_names": []}),
    ("old", "rsa", [*OLD, "-no_tls1_3", "-no_etm", "-no_ticket", "-serverpref", "-cipher",
                    "HIGH:!CAMELLIA:!ARIA:!PSK:!SRP:!aNULL:@SECLEVEL=0", "-alpn", "pop3"],
     {"protocols": ["pop3"], "encrypt_then_mac": False, "session_tickets": False,
      "session_ids": True, "heartbeat": False}),
    ("client", "ec", ["-serverpref", "-verify", "1", "-CAfile", "root.pem", "-tls1_2", "-cipher",
                      "ECDHE+AESGCM:ECDHE+AES"],
     {"client_certificate": True, "ca_names": [ROOT_NAME], "fallback_scsv": None}),
    ("client13", "ec", ["-tls1_3", "-verify", "1", "-CAfile", "root.pem", "-groups", "P-384:P-521",
                        "-ciphersuites", "TLS_AES_256_GCM_SHA384:TLS_AES_128_CCM_SHA256",
                        "-alpn", "http/1.1,imap", "-status_file", "ocsp.der"],
     {"client_certificate": True, "ca_names": [ROOT_NAME], "protocols": ["http/1.1", "imap"],
      "session_tickets": None, "ocsp": True,
      "groups": ["P-384", "P-521"],
      "suites": {"TLS 1.3": ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_CCM_SHA256"]}}),
    ("one", "rsa", ["-tls1_2", "-cipher", "AES128-SHA", "-no_ticket", "-legacy_renegotiation"],
     {"suites": {"TLS 1.2": ["TLS_RSA_WITH_AES_128_CBC_SHA"]}, "groups12": []}),
    ("finite", "rsa", ["-tls1_3", "-groups", "ffdhe3072:ffdhe2048"],
     {"groups": ["ffdhe2048", "ffdhe3072"]}),
    ("anonymous", None, ["-nocert", "-tls1_2", "-cipher", "aNULL+AES:@SECLEVEL=0"],
     {"client_certificate": None}),
]

GNUTLS = [
    ("gnutls-old", "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:-DHE-RSA:-CURVE-ALL:+CURVE-SECP384R1",
     {"groups12": ["P-384"], "client_certificate": True}),
    # Takes finite-field suites without a group for them, and breaks down: sslscan stops there.
    ("gnutls-broken", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CURVE-ALL:+CURVE-SECP384R1:-AES-256-CCM:"
                      "-AES-128-CCM:-CHACHA20-POLY1305",
     {"groups12": ["P-384"], "without": ["sslscan"], "suites": {"TLS 1.2": [
         "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
         "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
         "TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_GCM_SHA384",
         "TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_AES_256_CBC_SHA"]}}),
    ("gnutls-server", "NORMAL:%SERVER_PRECEDENCE:-DHE-RSA:-GROUP-ALL:+GROUP-X25519:"
                      "+GROUP-SECP256R1:-VERS-TLS1.1:-VERS-TLS1.0",
     {"groups": ["P-256", "X25519"], "session_ids": True}),
]

NGINX_CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {folder}/rsa.pem;
        ssl_certificate_key {folder}/rsa.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_ciphers ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA;
        ssl_prefer_server_ciphers on;
        ssl_ecdh_curve secp384r1:X25519;
        ssl_session_tickets off;
        ssl_session_cache shared:one:1m;
        ssl_stapling on;
        ssl_stapling_file {folder}/ocsp.der;
        return 204;
    }}
}}
"""


def start_all(servers, folder):
    for name, key, options, expected in OPENSSL:
        port = free_port()
        identity = ["-cert", f"{key}.pem", "-key", f"{key}.key"] if key else []
        servers.start(name, port, find("openssl"), "s_server", "-accept", f"127.0.0.1:{port}",
                      "-www", *identity, *options)
        yield name, port, expected
    for name, priority, expected in GNUTLS:
        port = free_port()
        servers.start(name, port, find("gnutls-serv"), "--http", "--port", str(port),
                      "--x509certfile", "rsa.pem", "--x509keyfile", "rsa.key", "--priority",
                      priority)
        yield name, port, expected
    port = free_port()
    config = pathlib.Path(folder, "nginx.conf")
    config.write_text(NGINX_CONFIG.format(folder=folder, port=port), encoding="ascii")
    servers.start("nginx", port, find("nginx"), "-e", "stderr", "-p", folder, "-c", str(config))
    yield "nginx", port, {
        "protocols": ["h2", "http/1.1", "http/1.0", "http/0.9"], "groups": ["P-384", "X25519"], "ocsp": True,
        "session_tickets": False, "session_ids": True, "fallback_scsv": True,
        "suites": {"TLS 1.2": ["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
                               "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                               "TLS_RSA_WITH_AES_256_CBC_SHA"]}}


def check_expected(name, found, expected, response_bytes):
    for key, value in expected.items():
        if key == "without":
            pass
        elif key == "suites":
            for version, suites in value.items():
                got = found["versions"][version]["suites"]
                check(sorted(got) == sorted(suites), name, version, got)
        elif key in ("groups", "groups12"):
            got = found["groups13" if key == "groups" else key]["names"]
            check(sorted(got) == sorted(value), name, key, got)
        elif key == "ocsp":
            check(found["ocsp_bytes"] == response_bytes, name, "OCSP", found["ocsp_bytes"])
        elif key == "protocols":
            check(sorted(found[key]) == sorted(value) and found["protocols_complete"], name, key,
                  found[key])
        else:
            check(found[key] == value, name, key, found[key], "expected", value)
    check(found["stop"] == "finished", name, found["stop"])
    check(len(found["jarm"]) == 62, name, "JARM", found["jarm"])
    for version, facts in found["versions"].items():
        check(facts["complete"] == bool(facts["offered"]), name, version, "is not complete")


def openssl_time(text, label):
    """Seconds since 1970 of a line of `openssl ocsp -text`: "This Update: Nov 21 08:28:47 2026 GMT"."""
    value = next(line.partition(": ")[2] for line in text.splitlines() if label in line)
    return calendar.timegm(time.strptime(value.strip(), "%b %d %H:%M:%S %Y GMT"))


def check_ocsp(name, found, folder):
    """The stapled response, as `openssl ocsp` reads it; it speaks of the RSA certificate."""
    text = run(find("openssl"), "ocsp", "-respin", str(pathlib.Path(folder, "ocsp.der")), "-text",
               "-noverify")
    ocsp = found["ocsp"]
    if name == "client13":
        check(ocsp["result"] == "other_certificate", name, ocsp)
        return
    check(ocsp["result"] == "read" and ocsp["signature"] == "valid", name, ocsp)
    check(f"Cert Status: {ocsp['status']}" in text, name, ocsp["status"])
    check(ocsp["this_update"] == openssl_time(text, "This Update"), name, ocsp)
    check(ocsp["next_update"] == openssl_time(text, "Next Update"), name, ocsp)


def check_sslscan(name, port, found):
    """sslscan's XML: versions, suites, groups."""
    root = ET.fromstring(run(find("sslscan"), "--xml=-", "--no-colour", f"--sni-name={NAME}",
                             "--no-check-certificate", f"127.0.0.1:{port}"))
    for protocol in root.iter("protocol"):
        version = f"{protocol.get('type').upper()} {protocol.get('version')}"
        version = {"SSL 3": "SSL 3.0"}.get(version, version)
        if version in found["versions"]:
            ours = found["versions"][version]["offered"]
            check(ours == (protocol.get("enabled") == "1"), name, version, ours, "sslscan:",
                  protocol.get("enabled"))
    suites, groups, preferred = {}, {}, {}
    for cipher in root.iter("cipher"):
        version, number = VERSIONS[cipher.get("sslversion")], int(cipher.get("id"), 16)
        suites.setdefault(version, set()).add(number)
        if cipher.get("status") == "preferred":
            preferred[version] = number
    for group in root.iter("group"):
        groups.setdefault(group.get("sslversion"), set()).add(int(group.get("id"), 16))
    for version, facts in found["versions"].items():
        ours, theirs = set(facts["numbers"]), suites.get(version, set())
        check(ours == theirs, name, version, "sslscan differs: only here",
              [hex(n) for n in ours - theirs], "only there", [hex(n) for n in theirs - ours])
        if facts["order"] == "server":
            check(facts["numbers"][0] == preferred.get(version), name, version, "prefers",
                  facts["suites"][0])
    # sslscan knows no group with ML-KEM, whose numbers begin there.
    ours = {number for number in found["groups13"]["numbers"] if number < 0x200}
    if found["groups13"]["complete"]:
        check(ours == groups.get("TLSv1.3", set()), name, "groups",
              found["groups13"]["names"], "sslscan:", groups)
    # sslscan strikes out the curve of an elliptic certificate, and with it the certificate.
    if found["groups12"]["complete"]:
        check(set(found["groups12"]["numbers"]) >= groups.get("TLSv1.2", set()), name, "groups12",
              found["groups12"]["names"], "sslscan:", groups)


def check_nmap(name, port, found):
    """nmap's ssl-enum-ciphers: suites by IANA's names, and who decides on their order."""
    root = ET.fromstring(run(find("nmap"), "-Pn", "-n", "-p", str(port), "--script",
                             "+ssl-enum-ciphers", "-oX", "-", "127.0.0.1"))
    script = root.find(".//script[@id='ssl-enum-ciphers']")
    if not check(script is not None, name, "nmap has no answer"):
        return
    for table in script.findall("table"):
        facts = found["versions"][VERSIONS[table.get("key")]]
        theirs = {elem.text for elem in table.findall("table[@key='ciphers']/table/elem[@key='name']")}
        # nmap writes TLS_AKE_WITH_AES_128_GCM_SHA256 for TLS 1.3
        theirs = {suite.replace("TLS_AKE_WITH_", "TLS_") for suite in theirs}
        check(theirs == set(facts["suites"]), name, table.get("key"), "nmap differs: only here",
              set(facts["suites"]) - theirs, "only there", theirs - set(facts["suites"]))
        preference = table.find("elem[@key='cipher preference']")
        if preference is not None and preference.text in ("server", "client"):
            check(facts["order"] == preference.text, name, table.get("key"), "order",
                  facts["order"], "nmap:", preference.text)


def main():
    tool = os.path.join(sys.argv[1], "tool_audit")
    for name in ("openssl", "gnutls-serv", "nginx"):
        if not find(name):
            print(f"SKIPPED: no {name}: apt-get install openssl gnutls-bin nginx-light")
            sys.exit(SKIPPED)
    if not find("sslscan") and not find("nmap"):
        print("SKIPPED: nothing to compare with: apt-get install sslscan")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory() as folder, Servers(folder) as servers:
        make_certificates(folder)
        response_bytes = pathlib.Path(folder, "ocsp.der").stat().st_size
        for name, port, expected in start_all(servers, folder):
            found = json.loads(run(tool, "127.0.0.1", str(port), NAME, "200",
                                   str(pathlib.Path(folder, "ec.der" if name == "client13"
                                                    else "rsa.der")),
                                   str(pathlib.Path(folder, "root.der"))))
            print(f"{name}: {found['connections']} connections, JARM {found['jarm']}")
            check_expected(name, found, expected, response_bytes)
            if "ocsp" in expected:
                check_ocsp(name, found, folder)
            if find("sslscan") and "sslscan" not in expected.get("without", []):
                check_sslscan(name, port, found)
            if find("nmap"):
                check_nmap(name, port, found)
    finish()


main()
