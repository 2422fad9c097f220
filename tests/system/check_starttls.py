"""Scans real servers with every protocol that speaks TLS after a dialogue in the clear: those of
Debian's packages, and a peer after the specification for TDS, which none serves. Each must show the
certificate that it was given, with both plans, also when what it says comes one byte at a time; or
the refusal that it was told to give. Servers of other protocols must not be taken for right ones.

    python3 check_starttls.py [FOLDER]     $TRAWL is the program; FOLDER is not used

A package that is not installed is skipped with a line that says so.
"""
import json
import os
import ssl
import tempfile

from servers import Certificates, Servers
from starttls_peers import ENCRYPT_NOT_SUPPORTED, ENCRYPT_ON, Peers, WebServer, tds_server
from starttls_servers import NAME, PACKAGES, Absent, Endpoint, Site
from support import FOREVER, Server, check, finish, problems, run

# The slowest of them starts a process for each connection, on a machine that does other things.
PATIENCE = (*FOREVER, "--starttls-timeout", 3600)


def protocols():
    listed = run("list", "protocols").stdout.splitlines()
    return [line.split()[0] for line in listed if line.split()[0] != "tls"]


def launch(site, skipped):
    """Endpoints of all packages that are there."""
    for package, server in PACKAGES.items():
        try:
            yield from server(site)
        except Absent as absent:
            print(f"skipped: {package}: {absent}", flush=True)
            skipped.append(package)


def start_tds(peers, certificates):
    """TLS 1.2 in packets as SQL Server has them; TLS 1.3 in packets that cut through its records;
    and none."""
    for version, size, encryption, refusal in (
            (ssl.TLSVersion.TLSv1_2, 4096, ENCRYPT_ON, None),
            (ssl.TLSVersion.TLSv1_3, 100, ENCRYPT_ON, None),
            (ssl.TLSVersion.TLSv1_2, 4096, ENCRYPT_NOT_SUPPORTED, "TLS is not offered")):
        context = server_context(certificates)
        context.maximum_version = version
        server = tds_server(context, encryption, size, problems)
        yield Endpoint("mssql", peers.serve(server), "a peer after MS-TDS", refusal)


def server_context(certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.file(f"{NAME}.pem"), certificates.file(f"{NAME}.key"))
    return context


def scan(lines, *arguments):
    """Records by protocol and port."""
    done = run("scan", "-", "--format", "json", "-q", *arguments, input="\n".join(lines) + "\n")
    check(done.returncode == 0, arguments, "exit status", done.returncode, done.stderr)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    check(len(records) == len(lines), len(records), "records for", len(lines), "targets")
    return {(record["protocol"], record["port"]): record for record in records}


def check_record(what, plan, endpoint, record, fingerprint):
    what = f"{what}: {endpoint.protocol} of {endpoint.server}, {plan}:"
    if not check(record, what, "no record"):
        return
    expected = "starttls_refused" if endpoint.refusal else "ok"
    if not check(record["outcome"] == expected, what, record["outcome"], record.get("error")):
        return
    check(record["plan"] == plan and record["host"] == record["sni"] == NAME, what, record)
    check(record["timing_us"].get("starttls", 0) > 0, what, record["timing_us"])
    if endpoint.refusal:
        check(endpoint.refusal in record["error"], what, record["error"])
        check(record["stage"] == "starttls" and "certificate" not in record, what, record["stage"])
        return
    check(record["stage"] == "done", what, record["stage"])
    seen = record["certificate"]
    check(seen["fingerprint_sha256"] == fingerprint, what, seen["fingerprint_sha256"])
    check(record["trust"]["name_matches"] is True, what, record["trust"])
    if plan == "handshake":
        check(record["trust"]["trusted"] is True, what, record["trust"])
        check(record["tls"]["key_proven"] is True, what, record["tls"])


def check_endpoints(what, endpoints, certificates, port_of):
    for plan in ("handshake", "grab"):
        records = scan([f"{e.protocol}://{NAME}@127.0.0.1:{port_of[e]}" for e in endpoints],
                       "--plan", plan, "--ca-file", certificates.root, *PATIENCE)
        for endpoint in endpoints:
            check_record(what, plan, endpoint, records.get((endpoint.protocol, port_of[endpoint])),
                         certificates.fingerprints[NAME])


def check_port_list(endpoints, certificates):
    """The same by -p PROTOCOL:PORT."""
    offering = [e for e in endpoints if not e.refusal]
    ports = ",".join(f"{e.protocol}:{e.port}" for e in offering)
    done = run("scan", f"{NAME}@127.0.0.1", "-p", ports, "--format", "json", "-q", "--ca-file",
               certificates.root, *PATIENCE)
    records = {record["port"]: record for record in map(json.loads, done.stdout.splitlines())}
    for endpoint in offering:
        check_record("port list", "handshake", endpoint, records.get(endpoint.port),
                     certificates.fingerprints[NAME])


def check_others(certificates):
    """Servers that wait for TLS, speak HTTP, or say nothing: no certificate, and an end."""
    expected = {"protocol_error", "timeout", "reset"}
    with WebServer() as web, Server(hold=600) as silent, \
            WebServer(server_context(certificates)) as secure:
        label_of = {web.port: "HTTP", secure.port: "HTTPS", silent.port: "silence"}
        records = scan([f"{protocol}://{NAME}@127.0.0.1:{port}" for protocol in protocols()
                        for port in label_of], "--ca-file", certificates.root, *FOREVER,
                       "--starttls-timeout", "2s")
    for (protocol, port), record in records.items():
        outcome, label = record["outcome"], label_of[port]
        check(outcome in expected and record["stage"] == "starttls"
              and "certificate" not in record,
              f"{protocol} to {label}:", outcome, record.get("error"), record["stage"])
        check(label != "silence" or outcome == "timeout", f"{protocol} to {label}:",
              outcome, record.get("error"))


def check_complete(endpoints, skipped):
    for protocol in protocols():
        servers = {e.server for e in endpoints if e.protocol == protocol and not e.refusal}
        print(f"{protocol:12} {', '.join(sorted(servers)) or 'none'}")
        check(servers or skipped, "no server speaks", protocol)


def main():
    # Processes of those servers that have several may write there a moment longer.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, \
            Servers(folder) as servers, Peers() as peers:
        os.chmod(folder, 0o711)  # servers go about as users of their own
        certificates, skipped = Certificates(folder), []
        certificate = certificates.make(NAME)
        site = Site(folder, servers, peers, certificate, certificates.file(f"{NAME}.key"))
        endpoints = [*launch(site, skipped), *start_tds(peers, certificates)]
        servers.wait()
        check_endpoints("direct", endpoints, certificates, {e: e.port for e in endpoints})
        dripping = {e: peers.drip(e.port) for e in endpoints}
        check_endpoints("by single bytes", endpoints, certificates, dripping)
        check_port_list(endpoints, certificates)
        check_others(certificates)
        check_complete(endpoints, skipped)
        servers.check_alive(check)
    finish()


main()
