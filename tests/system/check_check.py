"""`trawl check`: each form read by another's parser, each kind of server and file, each way in which
PRTG calls a sensor, and every case in which the sensors that came before failed.

    python3 check_check.py FOLDER     FOLDER holds tool_farm; $TRAWL is the program
"""
import datetime
import hashlib
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

import support
from support import check

ENDPOINTS = 60
GOLDEN = pathlib.Path("tests/golden/check")
LOOKUP = "prtg.standardlookups.sslcertificatesensor."
PATIENT = [*map(str, support.FOREVER), "--starttls-timeout", "3600"]
LDAP_RESPONSE = bytes.fromhex("300c02010178070a010004000400")

# --- Certificates, by openssl ---


class Certificates:
    """A root, and under it NAME.pem, NAME.key, NAME.der."""

    KEYS = {"rsa": ["rsa:2048"], "ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]}

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-keyout", self.path("root.key"), "-out", self.path("root.pem"),
                     "-subj", "/CN=Check Root", "-days", "400")

    def path(self, name):
        return str(self.folder / name)

    @staticmethod
    def openssl(*arguments, **options):
        done = subprocess.run(["openssl", *arguments], capture_output=True, check=False, **options,
                              env={**os.environ, "OPENSSL_CONF": "/etc/ssl/openssl.cnf"})
        if done.returncode:
            sys.exit(f"openssl {arguments}: {done.stderr.decode()}")
        return done.stdout

    def make(self, name, subject, alternative, key="ec", days=90):
        extensions = self.path(name + ".ext")
        pathlib.Path(extensions).write_text(
            (f"subjectAltName={alternative}\n" if alternative else "") +
            "extendedKeyUsage=serverAuth\n", encoding="ascii")
        self.openssl("req", "-new", "-newkey", *self.KEYS[key], "-nodes", "-keyout",
                     self.path(name + ".key"), "-out", self.path(name + ".csr"), "-subj", subject)
        self.openssl("x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.path("root.pem"),
                     "-CAkey", self.path("root.key"), "-CAcreateserial", "-days", str(days),
                     "-extfile", extensions, "-out", self.path(name + ".pem"))
        self.openssl("x509", "-in", self.path(name + ".pem"), "-outform", "DER", "-out",
                     self.path(name + ".der"))
        return self.path(name + ".pem")

    def sha1(self, name):
        der = pathlib.Path(self.path(name + ".der")).read_bytes()
        return hashlib.sha1(der).hexdigest().upper()


# --- Servers ---


def in_pieces(connection, data):
    """Byte by byte, each in a segment of its own as far as the kernel lets it."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for i in range(len(data)):
        connection.sendall(data[i:i + 1])


def greet(connection, protocol):
    """What comes before TLS; False when the client wants something else."""
    if protocol == "ldap":
        request = connection.recv(4096)
        in_pieces(connection, LDAP_RESPONSE)
        return b"1.3.6.1.4.1.1466.20037" in request
    lines = connection.makefile("rb")
    in_pieces(connection, b"220-mail.test\r\n220 ready\r\n")
    hello = lines.readline()[:4]
    in_pieces(connection, b"250-mail.test\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 HELP\r\n")
    wanted = lines.readline().strip().upper()
    in_pieces(connection, b"220 go\r\n")
    return hello == {"smtp": b"EHLO", "lmtp": b"LHLO"}[protocol] and wanted == b"STARTTLS"


class Server:
    """TLS, or a protocol before it, until the end of the `with` block; with no certificate it takes
    connections and says nothing."""

    def __init__(self, certificates=None, name=None, protocol="tls", address="127.0.0.1"):
        self.listener = socket.create_server((address, 0))
        self.port = self.listener.getsockname()[1]
        self.protocol, self.context = protocol, None
        self.held, self.holds = [], threading.Event()
        if certificates:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificates.path(name + ".pem"),
                                         certificates.path(name + ".key"))
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(support.HANG_SECONDS)

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if not self.context:
                self.held.append(connection)
                self.holds.set()
                continue
            try:
                if self.protocol == "tls" or greet(connection, self.protocol):
                    with self.context.wrap_socket(connection, server_side=True) as tls:
                        tls.recv(1)
            except OSError:
                pass
            connection.close()


# --- Runs ---


def run(*arguments, status=None, text=None, **options):
    done = support.run("check", *arguments, input=text,
                       **({"stdin": subprocess.DEVNULL} if text is None else {}), **options)
    if status is not None:
        check(done.returncode == status, arguments, "exit status", done.returncode, done.stdout,
              done.stderr)
    return done


def as_json(*arguments, status=0):
    done = run(*arguments, "--as", "json", status=status)
    return [json.loads(line) for line in done.stdout.splitlines()]


def advanced(*arguments, **options):
    """The result of PRTG's Python Script Advanced form: always one object, always status 0."""
    done = run("--as", "prtg", *arguments, status=0, **options)
    check(done.stdout.count("\n") == 1 and not done.stderr, arguments, done.stdout, done.stderr)
    answer = json.loads(done.stdout)
    check(list(answer) == ["prtg"], answer)
    return answer["prtg"]


def version2(*arguments, **options):
    done = run("--as", "prtg-v2", *arguments, status=0, **options)
    check(done.stdout.count("\n") == 1 and not done.stderr, arguments, done.stdout, done.stderr)
    return json.loads(done.stdout)


def channels(answer):
    """Name to value and lookup, of either form; both are checked for what PRTG wants."""
    if "result" in answer:
        check_advanced(answer)
        return {c["Channel"]: (c["Value"], c.get("ValueLookup")) for c in answer["result"]}
    check_version2(answer)
    return {c["name"]: (c["value"], c.get("lookup_name")) for c in answer["channels"]}


def check_advanced(answer):
    names = [c["Channel"] for c in answer["result"]]
    check(names == ["Days to Expiration", "Common Name Check", "Public Key Length",
                    "Root Authority Trusted", "Self-Signed"], names)
    days, *others = answer["result"]
    check((days["Unit"], days["LimitMode"], days["Float"]) == ("Count", 1, 0), days)
    check(all(isinstance(c["Value"], int) for c in answer["result"]), answer)
    check(all(c["Unit"] == "Custom" and c["LimitMode"] == 0 and c["ValueLookup"].startswith(LOOKUP)
              for c in others), others)
    check(len(answer["text"]) <= 2000, answer["text"])


def check_version2(answer):
    ids = {12: "Days to Expiration", 13: "Root Authority Trusted", 15: "Public Key Length",
           16: "Self-Signed", 17: "Common Name Check"}
    check(answer["version"] == 2 and answer["status"] in ("ok", "warning", "error"), answer)
    check({c["id"]: c["name"] for c in answer["channels"]} == ids, answer)
    check(answer["channels"][0]["type"] == "integer" and answer["channels"][0]["kind"] == "count",
          answer)
    check(all(c["type"] == "lookup" and isinstance(c["value"], int)
              for c in answer["channels"][1:]), answer)
    check(len(answer["message"]) <= 2000, answer["message"])


# --- Prometheus' text format, strictly ---

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')


def labels_of(text):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        if not match:
            raise ValueError(text[at:])
        value = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], match[2])
        if match[1] in labels:
            raise ValueError(f"{match[1]} twice")
        labels[match[1]], at = value, match.end()
    return labels


def prometheus(text):
    """Metric to a list of labels and value. All lines of a metric stand together, HELP and TYPE
    first; no sample occurs twice."""
    check(text.endswith("\n"), "the last line must end")
    metrics, current, seen = {}, None, set()
    for line in text.split("\n")[:-1]:
        if line.startswith("# "):
            _, kind, name, rest = line.split(" ", 3)
            if kind == "HELP":
                check(name not in metrics, "twice:", name)
                metrics[name], current = [], name
            check(name == current and not metrics[name] and
                  (kind == "HELP" or rest in ("gauge", "counter")), line)
            continue
        match = SAMPLE.fullmatch(line)
        if not check(match is not None, "no sample:", line):
            continue
        check(match[1] == current, "out of place:", line)
        labels = labels_of(match[2] or "")
        key = (match[1], tuple(sorted(labels.items())))
        check(key not in seen, "twice:", line)
        seen.add(key)
        metrics[current].append((labels, float(match[3])))
    return metrics


PERFORMANCE = re.compile(r"days_chain_elem(\d+)=(-?\d+);([\d.]+);([\d.]+);;")


def nagios(*arguments, status):
    """The text and the performance data of the one line."""
    done = run("--as", "nagios", *arguments, status=status)
    check(done.stdout.count("\n") == 1 and not done.stderr, arguments, done.stdout, done.stderr)
    text, _, data = done.stdout.rstrip("\n").partition(" | ")
    word = ["OK", "WARNING", "CRITICAL", "UNKNOWN"][status]
    check(text.startswith(f"TLS {word} - "), text)
    parts = [PERFORMANCE.fullmatch(p) for p in data.split()]
    check(all(parts) and [int(p[1]) for p in parts] == list(range(1, len(parts) + 1)), data)
    return text, [(int(p[2]), p[3], p[4]) for p in parts]


# --- The cases ---


def check_farm(farm):
    """Each kind of server has its verdict in every form."""
    verdicts = {"good-rsa-chain": 0, "expired": 2, "expires-in-12-days": 1,
                "not-yet-valid": 2, "self-signed": 2, "wrong-name": 2, "untrusted": 2,
                "missing-intermediate": 2, "tls10-only": 1, "client-certificate-tls13": 0,
                "unparsable": 2, "alert": 2, "not-tls": 2, "silent": 2, "refusing": 2,
                "resetting": 2, "closing": 2}
    for kind, verdict in verdicts.items():
        endpoint = [e for e in farm.endpoints if e["kind"] == kind][0]
        target = f"{endpoint['name']}@{endpoint['address']}:{endpoint['port']}"
        options = [target, "--ca-file", farm.root,
                   *(["--timeout", "2"] if kind == "silent" else PATIENT)]
        _, elements = nagios(*options, status=verdict)
        records = as_json(*options, status=[0, 4, 5][verdict])
        check(len(records) == 1 and records[0]["outcome"] == endpoint["expected_outcome"], kind,
              records)
        has = "certificate" in records[0]
        check(len(elements) == (1 + len(records[0].get("chain", [])) if has else 0), kind, elements)
        human = run(*options, status=[0, 4, 5][verdict]).stdout
        check(endpoint["name"] in human and "\033" not in human, kind, human)
        metrics = prometheus(run(*options, "--as", "prometheus", status=0).stdout)
        check(metrics["probe_success"][0][1] == (records[0]["outcome"] == "ok"), kind, metrics)
        check(("probe_ssl_earliest_cert_expiry" in metrics) == has, kind, metrics)
        first, second = advanced(*options), version2(*options)
        if has:
            check(channels(first) == channels(second), kind, first, second)
            check(second["status"] == {"warning": "warning", "ok": "ok"}.get(
                records[0]["status"], "error"), kind, second)
            check(second["message"].startswith("OK. ") == (second["status"] == "ok"), second)
        else:
            check(first["Error"] == 1 and endpoint["name"] in first["Text"], kind, first)
            check((second["status"], second["message"]) == ("error", first["Text"]), kind, second)


def check_dates(farm):
    chain = [e for e in farm.endpoints if e["kind"] == "good-rsa-chain"][0]
    target = f"{chain['name']}@{chain['address']}:{chain['port']}"
    text, elements = nagios(target, "--ca-file", farm.root, "-w", "20", "-c", "25%", status=0)
    record = as_json(target, "--ca-file", farm.root)[0]
    now = datetime.datetime.now(datetime.timezone.utc)
    ends = [record["certificate"]["not_after"], *(c["not_after"] for c in record["chain"])]
    days = [(datetime.datetime.fromisoformat(e.replace("Z", "+00:00")) - now).days for e in ends]
    check(all(abs(d - e[0]) <= 1 for d, e in zip(days, elements)) and len(elements) == 2, days,
          elements)
    check(elements[0][1:] == ("20", "22.5"), elements)
    check(f"({ends[0][:10]})" in text, text)
    metrics = prometheus(run(target, "--ca-file", farm.root, "--as", "prometheus").stdout)
    stamps = [datetime.datetime.fromisoformat(e.replace("Z", "+00:00")).timestamp() for e in ends]
    check(metrics["probe_ssl_earliest_cert_expiry"][0][1] == min(stamps), metrics)
    check(metrics["probe_ssl_last_chain_expiry_timestamp_seconds"][0][1] <= min(stamps), metrics)
    info = metrics["probe_ssl_last_chain_info"][0][0]
    check((info["fingerprint_sha256"], info["serialnumber"], info["subject"]) ==
          tuple(record["certificate"][f] for f in ("fingerprint_sha256", "serial", "subject")),
          info)
    # Limits of the channel: those of old, or those that are given.
    first = advanced(target, "--ca-file", farm.root)["result"][0]
    check((first["LimitMinError"], first["LimitMinWarning"]) == (17, 35), first)
    first = advanced(target, "--ca-file", farm.root, "-w", "70", "-c", "1")
    check(first["text"].startswith("Warning: expires in ") and
          first["result"][0]["LimitMinWarning"] == 70, first)
    nagios(target, "--no-verify", status=0)
    nagios(target, status=2)
    nagios(target, "--ignore", "untrusted", status=0)


def check_old_defects(certificates):
    """What the sensors of old could not do."""
    root = ["--ca-trust", certificates.path("root.pem"), *PATIENT]
    certificates.make("nocn", "/O=Nobody", "DNS:nocn.test", key="rsa")
    certificates.make("wild", "/CN=other.test", "DNS:*.wild.test")
    certificates.make("ip", "/CN=other.test", "IP:127.0.0.1")
    certificates.make("onlycn", "/CN=only.test", None)

    def ask(name, *arguments):
        with Server(certificates, name) as server:
            return version2("127.0.0.1", server.port, "tls", *arguments, *root)

    answer = ask("nocn", "--sni-domain", "nocn.test", "--name-validation", "CN/SAN")
    check(answer["message"].startswith("OK. Certificate Common Name: (none) - ") and
          certificates.sha1("nocn") in answer["message"], answer)
    check(channels(answer)["Common Name Check"] == (5, LOOKUP + "cncheck"), answer)
    check(channels(answer)["Public Key Length"] == (2048, LOOKUP + "publickey"), answer)
    check(channels(answer)["Root Authority Trusted"] == (0, LOOKUP + "trustedroot"), answer)
    check(channels(ask("nocn", "--sni-domain", "nocn.test", "--name-validation", "CN"))
          ["Common Name Check"][0] == 1, "no CN")
    answer = ask("wild", "--sni-domain", "a.wild.test", "--name-validation", "CN/SAN")
    check(channels(answer)["Common Name Check"][0] == 5, answer)
    check(channels(answer)["Public Key Length"] == (256, LOOKUP + "publickeyecc"), answer)
    check(channels(ask("wild", "--sni-domain", "a.b.wild.test", "--name-validation", "CN/SAN"))
          ["Common Name Check"][0] == 6, "two labels")
    check(channels(ask("ip", "--name-validation", "CN/SAN"))["Common Name Check"][0] == 5, "IP")
    check(channels(ask("ip"))["Common Name Check"][0] == 2, "disabled")
    check(channels(ask("onlycn", "--sni-domain", "ONLY.test", "--name-validation", "CN"))
          ["Common Name Check"][0] == 0, "CN alone")
    check(channels(ask("onlycn", "--sni-domain", "only.test", "--name-validation", "CN/SAN"))
          ["Common Name Check"][0] == 5, "CN alone, CN/SAN")
    with Server(certificates, "ip") as server:
        nagios(f"127.0.0.1:{server.port}", "--ca-file", certificates.path("root.pem"), status=0)
        answer = version2("127.0.0.1", server.port, "tls", "--system-ca-trust")
        check(channels(answer)["Root Authority Trusted"][0] == 1, answer)
        answer = version2("127.0.0.1", server.port, "tls", *root, "--system-ca-trust")
        check(channels(answer)["Root Authority Trusted"][0] == 0, answer)
        nagios(f"127.0.0.1:{server.port}", "--ca-add", root[1], status=0)


def check_starttls(certificates):
    """Replies in pieces, of each protocol that the sensors had; each way to call them."""
    certificates.make("mail", "/CN=mail.test", "DNS:mail.test")
    root = ["--ca-file", certificates.path("root.pem"), *PATIENT]
    for protocol in ("smtp", "lmtp", "ldap"):
        with Server(certificates, "mail", protocol) as server:
            argument = json.dumps({"host": "127.0.0.1", "params": (
                f"port: {server.port}, protocol: {protocol}, cert_domainname: mail.test, "
                "cert_domainname_validation: cn_san")})
            answer = advanced(argument, *root)
            check(answer.get("text") == "OK. Certificate Common Name: mail.test - Certificate "
                  f"Thumbprint: {certificates.sha1('mail')} - STARTTLS Protocol: "
                  f"{protocol.upper()}", protocol, answer)
            if "result" in answer:
                check(channels(answer)["Common Name Check"][0] == 5, answer)
            check(advanced(*root, text=argument).get("text") ==
                  advanced(argument, *root)["text"] if "text" in answer else True, protocol)
            words = f"127.0.0.1 {server.port} {protocol} --sni-domain mail.test"
            piped = version2(text=words + f" --name-validation 'CN' --ca-trust '{root[1]}'\n")
            check(channels(piped)["Common Name Check"][0] == 0 and piped["status"] == "ok" and
                  channels(piped)["Root Authority Trusted"][0] == 0, protocol, piped)
            nagios(f"{protocol}://mail.test@127.0.0.1:{server.port}", *root, status=0)
    with Server(certificates, "mail", "tls") as server:  # not the protocol that was awaited
        answer = version2("127.0.0.1", server.port, "ldap", "--timeout", "2")
        check(answer["status"] == "error" and "channels" not in answer, answer)


def check_wrong_usage():
    """An error in the form that is awaited, whatever is wrong."""
    wrong = [[], ["a", "b"], ["--no-such-option", "h"], ["h", "--protocol", "gopher"],
             ["h:0"], ["192.0.2.0/24"], ["h:1", "--port", "2"], ["h", "--ignore", "nothing"],
             ["{"], ["file:"], ["file:/no/such/file"], ["h", "--password-file", "/no", "-p", "0"],
             ["h", "--warn", "soon"], ["h", "--ca-file", "/no/such/file"]]
    for arguments in wrong:
        done = run(*arguments)
        check(done.returncode in (1, 2) and not done.stdout and
              done.stderr.startswith("trawl: ") and done.stderr.count("\n") == 1, arguments,
              done.returncode, done.stdout, done.stderr)
        text, elements = nagios(*arguments, status=3)
        check(len(text) > 20 and not elements, text)
        check(advanced(*arguments, text="")["Error"] == 1, arguments)
        answer = version2(*arguments, text="")
        check(answer["status"] == "error" and answer["message"], answer)
    for text in ("{\"host\": \"h\"}", "{", "h 25 'smtp", "h port smtp", "h", "\0", "x" * 70000,
                 "{\"host\": \"h\", \"params\": \"port: 25, protocol: gopher\"}"):
        if text != "h":
            check(advanced(text=text)["Error"] == 1, text[:50])
    check(run("--as", "json", "192.0.2.7", "--as=xml").returncode == 2, "form")
    names = run("no-such-host.invalid", "--name", "other.test", "--as", "json", status=5).stdout
    check(json.loads(names)["outcome"] == "dns_failed", names)


def check_signals():
    for form, status in (("human", 130), ("nagios", 3), ("prtg-v2", 0)):
        with Server() as silent:
            process = support.start("check", f"127.0.0.1:{silent.port}", "--as", form, *PATIENT,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
            check(silent.holds.wait(support.HANG_SECONDS), form, "it does not connect")
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=support.HANG_SECONDS)
            check(process.returncode == status, form, process.returncode, out)
            check((out == "") == (form == "human") and "\n" not in out[:-1], form, out)


def check_files(certificates):
    certificates.make("one", "/CN=one.test", "DNS:one.test", days=60)
    certificates.make("two", "/CN=two.test", "DNS:two.test", days=2)
    path = certificates.path
    root = ["--ca-file", path("root.pem")]
    folder = pathlib.Path(path("files"))
    (folder / "deep").mkdir(parents=True)
    read = {n: pathlib.Path(path(n)).read_bytes() for n in
            ("one.pem", "two.pem", "root.pem", "one.der", "one.key")}
    (folder / "chain.pem").write_bytes(read["one.key"] + read["one.pem"] + read["root.pem"])
    (folder / "bundle.pem").write_bytes(read["one.pem"] + read["two.pem"] + read["root.pem"])
    (folder / "deep" / "one.der").write_bytes(read["one.der"])
    (folder / "key.pem").write_bytes(read["one.key"])
    (folder / "broken.crt").write_bytes(b"\x30\x03abc")
    (folder / "notes.txt").write_bytes(read["two.pem"])
    (folder / "loop").symlink_to(folder)
    pathlib.Path(path("word")).write_text("open sesame\nnot this\n", encoding="ascii")
    for name, word in (("open.p12", "open sesame"), ("bare.p12", "")):
        certificates.openssl("pkcs12", "-export", "-inkey", path("one.key"), "-in", path("one.pem"),
                             "-certfile", path("root.pem"), "-out", path(name), "-passout",
                             f"pass:{word}")

    def subjects(records):
        return [(pathlib.Path(r["host"]).name, r.get("certificate", {}).get("subject_cn"))
                for r in records]

    record = as_json(f"file:{folder}/chain.pem", "--name", "one.test", *root)[0]
    check((record["outcome"], record["stage"], record["protocol"], "tls" in record) ==
          ("ok", "done", "file", False), record)
    check(record["trust"]["trusted"] and record["trust"]["name_matches"] and
          len(record["chain"]) == 1 and record["status"] == "ok", record)
    check("name_matches" not in as_json(f"file:{folder}/chain.pem", *root)[0]["trust"], "no name")
    check("name_mismatch" in as_json(f"file://{folder}/chain.pem", "-n", "x.test", *root,
                                     status=5)[0]["findings"], "name")
    check(subjects(as_json(f"file:{folder}/bundle.pem", "-c", "5", *root, status=5)) ==
          [("bundle.pem", "one.test"), ("bundle.pem", "two.test")], "bundle")
    check(subjects(as_json(f"file:{path('one.der')}", *root)) == [("one.der", "one.test")], "DER")
    for name, options in (("open.p12", ["--password-file", path("word")]), ("bare.p12", [])):
        record = as_json(f"file:{path(name)}", *options, *root)[0]
        check(record["certificate"]["subject_cn"] == "one.test" and len(record["chain"]) == 1 and
              record["trust"]["trusted"], record)
    check("password" in run(f"file:{path('open.p12')}", status=1).stderr, "password")
    for name in ("key.pem", "broken.crt"):
        check(run(f"file:{folder}/{name}", status=1).stderr, name)
    found = subjects(as_json(f"file:{folder}", *root, status=5))
    check(found == [("broken.crt", None), ("bundle.pem", "one.test"), ("bundle.pem", "two.test"),
                    ("chain.pem", "one.test"), ("one.der", "one.test")], found)
    text, elements = nagios(f"file:{folder}", *root, status=2)
    check("5 checked, the worst: " in text and not elements, text)
    metrics = prometheus(run(f"file:{folder}/chain.pem", *root, "--as", "prometheus").stdout)
    check(metrics["trawl_certificate_trusted"] == [({"target": f"{folder}/chain.pem"}, 1.0)],
          metrics)
    check("60 days" in run(f"file:{path('one.der')}", *root).stdout or
          "59 days" in run(f"file:{path('one.der')}", *root).stdout, "human")
    os.mkfifo(folder / "pipe.crt")
    check(run(f"file:{folder}/pipe.crt", status=1).stderr, "a pipe")


def check_golden():
    """The golden files of the unit test, as others read them."""
    for line in (GOLDEN / "prtg.jsonl").read_text(encoding="utf-8").splitlines():
        answer = json.loads(line)["prtg"]
        check(channels(answer) if "result" in answer else answer["Error"] == 1, line)
    for line in (GOLDEN / "prtg-v2.jsonl").read_text(encoding="utf-8").splitlines():
        answer = json.loads(line)
        check(channels(answer) if "channels" in answer else answer["status"] == "error", line)
    metrics = prometheus((GOLDEN / "prometheus.txt").read_text(encoding="utf-8"))
    check(len(metrics["probe_success"]) == 10, metrics["probe_success"])
    for line in (GOLDEN / "nagios.txt").read_text(encoding="utf-8").splitlines():
        check(re.fullmatch(r"TLS (OK|WARNING|CRITICAL|UNKNOWN) - [^|]+(\| \S.*)?", line) and
              not re.search(r"[\x00-\x1f\x7f]", line), line)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        certificates = Certificates(scratch)
        check_golden()
        check_wrong_usage()
        check_files(certificates)
        check_old_defects(certificates)
        check_starttls(certificates)
        check_signals()
        with support.Farm(sys.argv[1], os.path.join(scratch, "farm-root.pem"), ENDPOINTS) as farm:
            check_farm(farm)
            check_dates(farm)
    support.finish()


main()
