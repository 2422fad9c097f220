"""Audits servers of other hands, each configured in another way, and compares what is found with
what sslscan, nmap and `openssl s_client` find there, with what the servers were told to do, and with
the records of a sweep.

    python3 check_audit.py FOLDER     FOLDER holds tool_audit; $TRAWL is the program
"""
import calendar
import json
import os
import pathlib
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET

from servers import ENVIRONMENT, Servers, find, free_port, start_nginx
from support import FOREVER, HANG_SECONDS, SKIPPED, check, finish, run as trawl

# For what comes behind a handshake: tickets that come late, and such that do not come.
LATE_SECONDS, NEVER_SECONDS = 60, 2
AGAIN = 10  # how often those are asked who take what is late for missing
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


ROOT_NAME = "CN=Root,O=Audit"
OLD = ["-cipher", "ALL:@SECLEVEL=0"]

# Name, key, options of `openssl s_server`, and what must be found beside what the others see.
OPENSSL = [
    ("default", "rsa", ["-alpn", "h2,http/1.1", "-status_file", "ocsp.der"],
     {"protocols": ["h2", "http/1.1"], "client_certificate": False, "fallback_scsv": True,
      "session_tickets": True, "secure_renegotiation": True, "compression": False,
      "extended_master_secret": True, "encrypt_then_mac": True, "ocsp": True,
      "ca_names": [], "resumes_id": True, "resumes_ticket": True, "resumes_tls13": True}),
    ("old", "rsa", [*OLD, "-no_tls1_3", "-no_etm", "-no_ticket", "-serverpref", "-cipher",
                    "HIGH:!CAMELLIA:!ARIA:!PSK:!SRP:!aNULL:@SECLEVEL=0", "-alpn", "pop3"],
     {"protocols": ["pop3"], "encrypt_then_mac": False, "session_tickets": False,
      "session_ids": True, "heartbeat": False, "resumes_id": True, "resumes_ticket": False,
      "resumes_tls13": None}),
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
    ("one", "rsa", ["-tls1_2", "-cipher", "AES128-SHA", "-no_ticket", "-no_cache",
                    "-legacy_renegotiation"],
     {"suites": {"TLS 1.2": ["TLS_RSA_WITH_AES_128_CBC_SHA"]}, "groups12": [],
      "resumes_id": False, "resumes_ticket": False}),
    # BoringSSL knows no finite fields for TLS 1.3: no handshake, no session.
    ("finite", "rsa", ["-tls1_3", "-groups", "ffdhe3072:ffdhe2048"],
     {"groups": ["ffdhe2048", "ffdhe3072"], "resumes_tls13": None}),
    # Silent behind the handshake, for s_server answers no HEAD: nothing is known then.
    ("ticketless", "rsa", ["-num_tickets", "0", "-alpn", "http/1.1"],
     {"resumes_ticket": True, "resumes_tls13": None, "never": True}),
    ("null", "rsa", ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256:NULL-SHA256:@SECLEVEL=0"],
     {"suites": {"TLS 1.2": ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                             "TLS_RSA_WITH_NULL_SHA256"]}}),
    ("anonymous", None, ["-nocert", "-tls1_2", "-cipher", "aNULL+AES:@SECLEVEL=0"],
     {"client_certificate": None}),
]

GNUTLS = [
    # sslscan's OpenSSL may have no 3DES.
    ("gnutls-3des", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+3DES-CBC:+AES-128-CBC:-DHE-RSA",
     {"without": ["sslscan"]}),
    ("gnutls-old", "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:-DHE-RSA:-CURVE-ALL:+CURVE-SECP384R1",
     {"groups12": ["P-384"], "client_certificate": True}),
    # sslscan's OpenSSL refuses it.
    ("gnutls-unsafe", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-DHE-RSA:%DISABLE_SAFE_RENEGOTIATION",
     {"secure_renegotiation": False, "without": ["sslscan"]}),
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

NGINX_SERVERS = """
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
    server {{
        listen 127.0.0.1:{other} ssl;
        ssl_certificate {folder}/ec.pem;
        ssl_certificate_key {folder}/ec.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_conf_command NumTickets 0;
        ssl_session_cache off;
        return 204;
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
    port, other = free_port(), free_port()
    start_nginx(servers, folder, port, NGINX_SERVERS.format(folder=folder, port=port, other=other))
    yield "nginx-ticketless", other, {"resumes_id": False, "resumes_ticket": True,
                                      "resumes_tls13": False}
    yield "nginx", port, {
        "protocols": ["h2", "http/1.1", "http/1.0", "http/0.9"], "groups": ["P-384", "X25519"], "ocsp": True,
        "session_tickets": False, "session_ids": True, "fallback_scsv": True, "resumes_id": True,
        "resumes_ticket": False, "resumes_tls13": True,
        "suites": {"TLS 1.2": ["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
                               "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                               "TLS_RSA_WITH_AES_256_CBC_SHA"]}}


def check_expected(name, found, expected, response_bytes):
    for key, value in expected.items():
        if key in ("without", "never"):
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


def agree(compare, *arguments):
    """Others take an answer that is late for none: where they differ they are asked again."""
    for _ in range(AGAIN):
        differences = []
        compare(lambda same, *what: same or differences.append(what), *arguments)
        if not differences:
            break
    for what in differences:
        check(False, *what)


def read_xml(*arguments):
    """None when it comes to nothing."""
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=HANG_SECONDS,
                          check=False, env=ENVIRONMENT)
    try:
        return ET.fromstring(done.stdout) if done.returncode == 0 else None
    except ET.ParseError:
        return None


def compare_sslscan(check, name, port, found):
    """sslscan's XML: versions, suites, groups."""
    root = read_xml(find("sslscan"), "--xml=-", "--no-colour", f"--sni-name={NAME}",
                    "--no-check-certificate", f"127.0.0.1:{port}")
    if not check(root is not None, name, "sslscan has no answer"):
        return
    for protocol in root.iter("protocol"):
        version = f"{protocol.get('type').upper()} {protocol.get('version')}"
        version = {"SSL 3": "SSL 3.0"}.get(version, version)
        if version in found["versions"]:
            ours = found["versions"][version]["offered"]
            check(ours == (protocol.get("enabled") == "1"), name, version, ours, "sslscan:",
                  protocol.get("enabled"))
    for ours, element in (("compression", "compression"), ("fallback_scsv", "fallback")):
        said = root.find(f".//{element}")
        if found[ours] is not None and said is not None:
            check(found[ours] == (said.get("supported") == "1"), name, ours, found[ours], "sslscan:",
                  ET.tostring(said))
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


def compare_nmap(check, name, port, found):
    """nmap's ssl-enum-ciphers: suites by IANA's names, and who decides on their order."""
    root = read_xml(find("nmap"), "-Pn", "-n", "-p", str(port), "--script", "+ssl-enum-ciphers",
                    "-oX", "-", "127.0.0.1")
    script = root.find(".//script[@id='ssl-enum-ciphers']") if root is not None else None
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


# --- Sessions, by `openssl s_client` ---

S_CLIENT = {"TLS 1.3": "-tls1_3", "TLS 1.2": "-tls1_2", "TLS 1.1": "-tls1_1", "TLS 1.0": "-tls1"}


def s_client(port, *options):
    """What it says of a connection on which it asks for a page, so that the server has reason to say
    something behind the handshake. -www and --http end the connection with the page."""
    done = subprocess.run([find("openssl"), "s_client", "-connect", f"127.0.0.1:{port}",
                           "-servername", NAME, "-ign_eof", *options],
                          input=b"GET / HTTP/1.0\r\n\r\n", capture_output=True,
                          timeout=HANG_SECONDS, check=False, env=ENVIRONMENT)
    return done.stdout.decode(errors="replace")


def openssl_resumes(folder, port, version, tickets):
    """None when there is no handshake."""
    session = pathlib.Path(folder, "session.pem")
    session.unlink(missing_ok=True)
    options = [S_CLIENT[version], "-legacy_server_connect"] + ([] if tickets else ["-no_ticket"])
    if version < "TLS 1.2":
        options += ["-cipher", "ALL:@SECLEVEL=0"]
    said = s_client(port, *options, "-sess_out", str(session))
    if "\nNew, " not in said or "Cipher is (NONE)" in said:
        return None
    if tickets and version < "TLS 1.3" and "TLS session ticket:" not in said:
        return False
    return session.exists() and "\nReused, " in s_client(port, *options, "-sess_in", str(session))


def check_sessions(name, folder, port, found):
    """Resumption, and the extension that secures renegotiation."""
    classic = [v for v in ("TLS 1.2", "TLS 1.1", "TLS 1.0") if found["versions"][v]["offered"]]
    ways = [("resumes_tls13", "TLS 1.3", True)] if found["versions"]["TLS 1.3"]["offered"] else []
    if classic:
        ways += [("resumes_ticket", classic[0], True), ("resumes_id", classic[0], False)]
        said = s_client(port, S_CLIENT[classic[0]], "-legacy_server_connect", "-cipher",
                        "ALL:@SECLEVEL=0")
        check(f"Secure Renegotiation IS {'' if found['secure_renegotiation'] else 'NOT '}supported"
              in said, name, "secure_renegotiation", found["secure_renegotiation"])
    for key, version, tickets in ways:
        theirs = openssl_resumes(folder, port, version, tickets)
        print(f"    {key}: {found[key]}, openssl: {theirs}")
        if found[key] is not None:
            check(found[key] == theirs, name, key, found[key], "openssl:", theirs)


# --- Records of the same servers ---

FACTS = {"resumption_tls12_session_id": "resumes_id", "resumption_tls12_ticket": "resumes_ticket",
         "resumption_tls13": "resumes_tls13", "secure_renegotiation": "secure_renegotiation",
         "compression": "compression", "fallback_scsv": "fallback_scsv",
         "client_certificate": "client_certificate", "session_tickets": "session_tickets",
         "session_ids": "session_ids", "encrypt_then_mac": "encrypt_then_mac"}


def expected_findings(found):
    """Those that follow from what the audit found, by rules of our own: see engine/tls/strength.h."""
    suites = [suite for facts in found["versions"].values() for suite in facts["suites"]]
    insecure = {s for s in suites if any(part in s for part in ("_NULL_", "_anon_", "EXPORT"))}
    weak = {s for s in suites if any(part in s for part in ("RC4", "RC2", "DES", "IDEA", "MD5"))}
    old = any(found["versions"][v]["offered"] for v in ("SSL 3.0", "TLS 1.0", "TLS 1.1"))
    secret = any("DHE_" in s for s in suites) or found["versions"]["TLS 1.3"]["offered"]
    return {name for name, there in (
        ("weak_version", old), ("insecure_suite", insecure), ("weak_suite", weak - insecure),
        ("compression", found["compression"]), ("no_forward_secrecy", not secret),
        ("no_secure_renegotiation", found["secure_renegotiation"] is False),
        ("weak_group", 0 < found["dh_bits"] < 2048)) if there}


ALL_FINDINGS = {"weak_version", "insecure_suite", "weak_suite", "compression", "weak_group",
                "no_forward_secrecy", "no_secure_renegotiation"}


def sweep(ports):
    """Records by port."""
    result = trawl("scan", "-", "--plan", "audit", "--no-verify", "--format", "json", *FOREVER,
                   input="".join(f"{NAME}@127.0.0.1:{port}\n" for port in ports))
    check(result.returncode == 0, "scan:", result.returncode, result.stderr)
    return {record["port"]: record for record in map(json.loads, result.stdout.splitlines())}


def sweep_again(records, ports, audits):
    """Those whose tickets were late, which a record leaves open."""
    late = [port for port, name in ports.items() if port in records and any(
        field.startswith("resumption") and audits[name][key] is not None
        and records[port].get("audit", {}).get(field) is None for field, key in FACTS.items())]
    return sweep(late) if late else {}


def check_records(ports, audits):
    """One sweep over all of them, against what the tool found at each."""
    records = sweep(ports)
    for _ in range(AGAIN):
        records |= sweep_again(records, ports, audits)
    for port, name in ports.items():
        record, found = records.get(port, {}), audits[name]
        audit = record.get("audit", {})
        if not check(record.get("plan") == "audit" and "stopped" not in audit, name, "record:",
                     record):
            continue
        for field, key in FACTS.items():
            check(audit.get(field) == found[key], name, field, audit.get(field), "expected",
                  found[key])
        versions = [v for v, facts in found["versions"].items() if facts["offered"]]
        check(audit["versions"] == versions, name, audit["versions"])
        check(audit["complete"] == ("incomplete" not in audit), name, audit)
        unfinished = [v for v, facts in found["versions"].items()
                      if facts["offered"] and not facts["complete"]]
        unfinished += ["tls13_groups"] * (versions[0] == "TLS 1.3" and
                                          not found["groups13"]["complete"])
        unfinished += ["tls12_groups"] * (bool(found["groups12"]["names"]) and
                                          not found["groups12"]["complete"])
        unfinished += ["alpn"] * (not found["protocols_complete"])
        check(audit.get("incomplete", []) == unfinished, name, "incomplete:", audit, unfinished)
        check(ALL_FINDINGS & set(record["findings"]) == expected_findings(found), name,
              record["findings"], "expected", expected_findings(found))
        print(f"    {name}: {sorted(ALL_FINDINGS & set(record['findings']))}")


def check_verdicts(ports):
    """What the findings come to in a check of one server."""
    for name, status in (("nginx", 0), ("gnutls-3des", 4), ("gnutls-old", 4), ("null", 5)):
        port = next(port for port, other in ports.items() if other == name)
        result = trawl("check", f"127.0.0.1:{port}", "--plan", "audit", "--no-verify", "--ignore",
                       "name_mismatch,old_protocol")
        check(result.returncode == status, name, "check ends with", result.returncode, "expected",
              status, result.stdout)


# --- How fast, and how many at once ---

class Relay(threading.Thread):
    """Stands before a server and knows when each connection came, and, when it is `patient`, how many
    were open at once: while a new one waits, those before it get nothing more, and those that are
    closed all the same within `patient` seconds were about to be: the kernel may be late with it."""

    def __init__(self, port, patient):
        super().__init__()
        self.behind, self.patient, self.times, self.most = port, patient, [], 0
        self.peers, self.clients = {}, set()  # of each socket the one on the other side
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.ended, self.end = socket.socketpair()

    def _drop(self, one):
        for each in (one, self.peers.pop(one)):
            self.peers.pop(each, None)
            self.clients.discard(each)
            each.close()

    def _pass_on(self, one):
        try:
            data = one.recv(65536)
            self.peers[one].sendall(data)
        except OSError:
            data = b""
        if not data:
            self._drop(one)

    def _accept(self):
        client, _ = self.listener.accept()
        deadline = time.monotonic() + self.patient
        while self.clients and time.monotonic() < deadline:
            left = max(0, deadline - time.monotonic())
            for one in select.select(list(self.clients), [], [], left)[0]:
                self._pass_on(one)
        server = socket.create_connection(("127.0.0.1", self.behind))
        self.peers.update({client: server, server: client})
        self.clients.add(client)
        self.times.append(time.monotonic())
        self.most = max(self.most, len(self.clients))

    def run(self):
        while True:
            ready, _, _ = select.select([self.listener, self.ended, *self.peers], [], [])
            if self.ended in ready:
                break
            if ready == [self.listener]:
                self._accept()
            for one in ready:
                if one in self.peers:
                    self._pass_on(one)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end.send(b".")
        self.join()
        for each in (*self.peers, self.listener, self.ended, self.end):
            each.close()


def check_pace(port):
    """The connections of an audit are connections like others, and there is one at a time."""
    rate, workers = 200, 2
    burst = workers + rate * 0.020  # what a loop that slept makes up for
    for options, targets, most in ((["--rate", rate, "--workers", workers], 2, None), ([], 1, 1),
                                   (["--max-per-host", 1], 3, 1)):
        with Relay(port, HANG_SECONDS if most else 0) as relay:
            begin = time.monotonic()
            result = trawl("scan", "-", "--plan", "audit", "--no-verify", "--format", "json",
                           *options, input=f"{NAME}@127.0.0.1:{relay.port}\n" * targets)
        records = [json.loads(line) for line in result.stdout.splitlines()]
        made = sum(1 + record["audit"]["connections"] for record in records)
        check(len(records) == targets and all(record["audit"]["complete"] for record in records),
              options, result.stderr, [record["audit"] for record in records])
        check(made == len(relay.times), options, len(relay.times), "connections, said to be", made)
        early = [(i + 1, at - begin) for i, at in enumerate(relay.times)
                 if "--rate" in options and i + 1 > rate * (at - begin) + burst]
        check(not early, options, "too early:", early[:3])
        check(not most or relay.most <= most, options, relay.most, "at once")
        print(f"    {options}: {made} connections, {relay.most} at once")


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
        ports, audits = {}, {}
        for name, port, expected in start_all(servers, folder):
            patience = NEVER_SECONDS if "never" in expected else LATE_SECONDS
            found = json.loads(run(tool, "127.0.0.1", str(port), NAME, "200", str(patience),
                                   str(pathlib.Path(folder, "ec.der" if name == "client13"
                                                    else "rsa.der")),
                                   str(pathlib.Path(folder, "root.der"))))
            print(f"{name}: {found['connections']} connections, JARM {found['jarm']}")
            ports[port], audits[name] = name, found
            check_expected(name, found, expected, response_bytes)
            check_sessions(name, folder, port, found)
            if "ocsp" in expected:
                check_ocsp(name, found, folder)
            if find("sslscan") and "sslscan" not in expected.get("without", []):
                agree(compare_sslscan, name, port, found)
            if find("nmap"):
                agree(compare_nmap, name, port, found)
        check_records(ports, audits)
        check_verdicts(ports)
        check_pace(next(port for port, name in ports.items() if name == "nginx"))
    finish()


main()
