"""Mail of `trawl monitor`, against a small SMTP server; agents that report to a centre, which is
killed and comes back; reports as SSL Scout's daemon sends them; agents that fall silent."""
import base64
import concurrent.futures
import datetime
import email
import email.policy
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import ssl
import sys
import tempfile
import threading
import time

from cryptography.hazmat.primitives import hashes, serialization

from certwatch_support import wait_until
from monitor_support import (TOKEN, Authority, Monitor, Server, TlsServer, certificate_of,
                             fingerprint, once)
from servers import HttpServer, free_port
from support import check, finish, loopback, refusing_port


# --- Mail ---

class Mailbox(Server):
    """SMTP (RFC 5321) on loopback: keeps (recipient, message) of what it took. `replies`: what
    RCPT says to a recipient, taken from a list as long as there is one. With `password` it wants a
    login first, with `certificate` it offers STARTTLS (RFC 3207), and counts who takes it."""

    def __init__(self, replies=None, password=None, certificate=None):
        self.replies, self.password = replies or {}, password
        self.certificate, self.secured = certificate, 0
        self.taken, self.envelopes, self.raw = [], [], []
        super().__init__(socket.create_server(("127.0.0.1", 0)))

    def _answer(self, recipient):
        left = self.replies.get(recipient, [])
        return left.pop(0) if left else "250 fine"

    def serve(self, connection):
        with connection:
            connection.sendall(b"220 mail.test ESMTP\r\n")
            if not self._converse(connection, self.certificate):
                return
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            with context.wrap_socket(connection, server_side=True) as tls:
                self.secured += 1
                self._converse(tls, None)

    def _converse(self, connection, certificate):
        """True when TLS is to begin."""
        with connection.makefile("rwb", buffering=0) as stream:
            def say(text):
                stream.write(text.encode() + b"\r\n")
            known, sender, recipients = not self.password, None, []
            while line := stream.readline():
                word = line.strip().upper()
                if word.startswith(b"EHLO"):
                    say("250-mail.test" + ("\r\n250-AUTH PLAIN" if self.password else "")
                        + ("\r\n250-STARTTLS" if certificate else "") + "\r\n250 SIZE 1000000")
                elif word == b"STARTTLS":
                    say("220 go on")
                    return True
                elif word.startswith(b"AUTH PLAIN"):
                    given = line.split()[2:] or [stream_line(stream, say)]
                    known = base64.b64decode(given[0]).split(b"\0")[2].decode() == self.password
                    say("235 welcome" if known else "535 5.7.8 wrong")
                elif word.startswith(b"MAIL"):
                    sender, recipients = line.split(b"<")[1].split(b">")[0].decode(), []
                    say("250 fine" if known else "530 5.7.0 who are you")
                elif word.startswith(b"RCPT"):
                    recipients.append(line.split(b"<")[1].split(b">")[0].decode())
                    say(self._answer(recipients[-1]))
                elif word == b"DATA":
                    say("354 go on")
                    data = b""
                    while (part := stream.readline()) not in (b".\r\n", b""):
                        data += part[1:] if part.startswith(b".") else part
                    self.raw.append(data)
                    self.envelopes.append(sender)
                    self.taken.append((recipients[-1],
                                       email.message_from_bytes(data, policy=email.policy.SMTP)))
                    say("250 taken")
                elif word == b"QUIT":
                    say("221 bye")
                    return False
                else:
                    say("250 fine")
        return False

    def of(self, recipient):
        return [message for to, message in list(self.taken) if to == recipient]


def stream_line(stream, say):
    say("334 ")
    return stream.readline().strip()


DIGEST = 64  # notices are the most of one


def mail(folder):
    """A digest that is as large as it may be does not wait for its time to come."""
    authority = Authority(folder)
    evil = "Café\r\nBcc: thief@example.org"
    holder, refused = refusing_port()
    with holder, TlsServer(authority.make("127.0.0.1", days=-3)) as old, \
            TlsServer(authority.make("127.0.0.1", days=5)) as ending, \
            Mailbox({"gone@example.org": ["550 5.1.1 no such user"] * 9,
                     "slow@example.org": ["451 4.7.1 later"]},
                    certificate=authority.make("mail.test")) as box, \
            Monitor(folder / "mail", "--email", "ops@example.org", "--email", "slow@example.org",
                    "--email", "gone@example.org", "--email-from", "trawl@monitor.test", "--smtp",
                    f"smtp://127.0.0.1:{box.port}", "--digest", "1h", "--failures", "1",
                    "--timeout", "60", "--ca-file", authority.file) as monitor:
        monitor.add("127.0.0.1", old.port, label=evil)
        monitor.add("127.0.0.1", ending.port, label=evil)
        for i in range(DIGEST - 2):
            monitor.add(loopback(i), refused, label=evil)
        monitor.scan()
        wait_until("a mail for each", lambda: box.of("ops@example.org") and
                   box.of("slow@example.org"))
        waiting = wait_until("what became of them", lambda: [
            n for n in monitor.get("/api/outbox")["outbox"] if n["state"] == "dead"])
        messages = box.of("ops@example.org")
        check(len(messages) == 1, "one digest of all, and no second one:", len(messages))
        check(len(box.of("slow@example.org")) == 1, "later is once more, not twice")
        check(not box.of("gone@example.org"), "refused and taken")
        check(all("550 5.1.1" in n["last_error"] and "gone@example.org" in n["last_error"]
                  for n in waiting), waiting)
        message = messages[0]
        text = message.get_content()
        titles = [alert["title"] for alert in monitor.alerts(limit=1000)]
        check(len(titles) == DIGEST == len(waiting) and all(title in text for title in titles),
              titles, text)
        check(message["From"] == "trawl@monitor.test" and "ops@example.org" in message["To"]
              and "slow@example.org" in message["To"], message.items())
        check(message["Bcc"] is None and message.defects == [], message.items(), message.defects)
        check(re.match(rf"\[critical\] {len(titles)} notices: ", message["Subject"]),
              message["Subject"])
        check(abs(message["Date"].datetime.timestamp() - time.time()) < 3600, message["Date"])
        check(re.fullmatch(r"<[0-9a-f]{32}@\S+>", message["Message-ID"]), message["Message-ID"])
        check(box.secured >= 1, "STARTTLS was offered")
        check(set(box.envelopes) == {"trawl@monitor.test"}, box.envelopes)
        check(all(len(line) <= 78 and line.isascii() for line in box.raw[0].split(b"\r\n")),
              box.raw[0])


def mail_login(folder):
    """By --once, which waits until all is told; what was refused is not."""
    authority = Authority(folder)
    secret = folder / "password"
    secret.write_text("open sesame\n", encoding="ascii")
    with TlsServer(authority.make("127.0.0.1", days=5)) as server, \
            Mailbox(password="open sesame") as box:
        done = once(folder, f"127.0.0.1:{server.port}", "--email", "ops@example.org", "--smtp",
                    f"smtp://127.0.0.1:{box.port}", "--smtp-user", "trawl",
                    "--smtp-password-file", secret)
        check(done.returncode == 0, done.stderr)
        check(len(box.of("ops@example.org")) >= 1, done.stderr)
        check(box.envelopes[0].startswith("trawl@"), box.envelopes)
        check("sesame" not in done.stdout + done.stderr, done.stderr)
    for url, address in (("smtp://trawl:sesame@127.0.0.1:25", "a@b.c"),
                         ("http://127.0.0.1", "a@b.c"), ("smtp://127.0.0.1", "a b@c"),
                         ("smtp://127.0.0.1", "a@b.c\nBcc: d@e.f")):
        done = once(folder, "--email", address, "--smtp", url)
        check(done.returncode == 2 and "sesame" not in done.stderr, url, address, done.stderr)


# --- Agents ---

def rows(monitor, statement):
    with sqlite3.connect(monitor.folder / "monitor.db", timeout=60) as database:
        return database.execute(statement).fetchall()


HISTORY = ("SELECT t.host, t.port, h.endpoint, h.at, h.status, h.outcome, hex(h.fingerprint),"
           " h.change FROM monitor_history h JOIN monitor_targets t ON t.key = h.target"
           " WHERE h.agent = '{}' ORDER BY t.port, h.endpoint, h.at, h.id")
SITE = "token-of-the-site-agent"
RESULTS = ("SELECT t.host, t.port, r.endpoint, r.last_check, r.outcome, r.error, r.status,"
           " hex(r.fingerprint), r.subject, r.issuer FROM monitor_results r"
           " JOIN monitor_targets t ON t.key = r.target WHERE r.agent = '{}'"
           " ORDER BY t.port, r.endpoint")


def agent_and_centre(folder):
    authority = Authority(folder)
    files = [authority.make("127.0.0.1", days=days) for days in (60, 61, 62)]
    holder, refused = refusing_port()
    port = free_port()
    key, secret, config = folder / "key", folder / "secret", folder / "centre.json"
    key.write_text(SITE + "\n", encoding="ascii")
    secret.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", encoding="ascii")
    config.write_text(json.dumps({"tokens": [
        {"name": "site", "role": "operate", "token_file": str(key),
         "report_secret_file": str(secret)}]}), encoding="ascii")
    with holder, TlsServer(files[0]) as server, TlsServer(files[0], address="127.0.0.2") as block, \
            Monitor(folder / "centre", "--listen", f"127.0.0.1:{port}", "--config",
                    config) as centre, \
            Monitor(folder / "agent", f"127.0.0.1:{server.port}", f"127.0.0.1:{refused}",
                    "--timeout", "60",
                    "--report-to", f"http://127.0.0.1:{port}", "--api-key-file", key,
                    "--report-secret-file", secret, "--agent-name", "site-1", "--failures", "1",
                    "--ca-file", authority.file) as agent:
        agent.add("127.0.0.0/30", block.port)
        agent.scan()
        wait_until("all results at the centre", lambda: len(rows(centre, RESULTS.format("site-1")))
                   == len(rows(agent, RESULTS.format(""))) >= 3)
        forged = centre.call("POST", "/api/sslscout/report", {"agent": "x", "certificates": []},
                             token=SITE)
        check(forged.status == 403 and "not signed" in forged.text, forged.status, forged.text)
        check([agent["name"] for agent in centre.get("/api/agents")["agents"]] == ["site-1"],
              "who reports")
        centre.end(signal.SIGKILL)
        for file in (files[1], files[2], files[0]):
            server.file = file
            agent.scan()
        check(rows(agent, "SELECT count(*) FROM monitor_reports")[0][0] >= 9, "what waits",
              rows(agent, "SELECT * FROM monitor_reports"), rows(agent, HISTORY.format("")))
        wait_until("words about it", lambda: "reports: " in agent.text())
        agent.again(signal.SIGKILL)
        centre.begin()
        wait_until("nothing waits", lambda: not rows(agent,
                                                     "SELECT count(*) FROM monitor_reports")[0][0])
        ours, theirs = rows(agent, HISTORY.format("")), rows(centre, HISTORY.format("site-1"))
        check(ours == theirs, "history", ours, theirs)
        served = [row[6].lower() for row in theirs if row[1] == server.port]
        check(served == [fingerprint(file) for file in (*files, files[0])], served)
        ours, theirs = rows(agent, RESULTS.format("")), rows(centre, RESULTS.format("site-1"))
        check(ours == theirs, "results", ours, theirs)
        check([row[4] for row in theirs if row[1] == refused] == ["refused"], theirs)
        events = {alert["event"] for alert in centre.alerts()}
        check({"tls_unreachable", "tls_changed"} <= events, events)
        sources = rows(centre, "SELECT DISTINCT source, enabled FROM monitor_targets")
        check(sources == [("agent", 0)], "the centre does not probe:", sources)


class Foreign:
    """A centre of somebody else, that says 503 first, then takes everything but one host."""

    def __init__(self, poison):
        foreign = self
        self.bodies, self.headers, self.attempts = [], [], 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                body = json.loads(raw)
                foreign.attempts += 1
                items = body["certificates"] + body["failures"]
                status = (503 if foreign.attempts == 1 else
                          400 if any(item["scan_port"] == poison for item in items) else 200)
                if status == 200:
                    foreign.bodies.append(body)
                    foreign.headers.append((self.path, dict(self.headers), raw))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HttpServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def to_another(folder):
    """What an agent sends, as SSL Scout's centre reads it: signed, tried again; what is refused in
    words is singled out."""
    authority = Authority(folder)
    file = authority.make("127.0.0.1", "xn--caf-dma.example", days=40.5)
    holder, refused = refusing_port()
    secret = folder / "secret"
    secret.write_bytes(b"a secret of two")
    with holder, TlsServer(file) as server, Foreign(refused) as foreign:
        done = once(folder, f"127.0.0.1:{server.port}", f"127.0.0.1:{refused}", "--report-to",
                    f"http://127.0.0.1:{foreign.server.server_port}/api/in", "--api-key",
                    "k3y-of-the-agent", "--report-secret-file", secret, "--ca-file", authority.file)
        check(done.returncode == 0 and "HTTP 400" in done.stderr, done.stderr)
        items = [item for body in foreign.bodies for item in body["certificates"]]
        check(len(items) == 1 and not any(body["failures"] for body in foreign.bodies), items)
        path, headers, raw = foreign.headers[-1]
        check(path == "/api/in" and headers["X-API-Key"] == "k3y-of-the-agent", path, headers)
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + raw
        check(headers["webhook-signature"] == "v1," + base64.b64encode(
            hmac.digest(b"a secret of two", signed, hashlib.sha256)).decode(), headers)
        item, known = items[0], certificate_of(file)
        check((item["scan_host"], item["scan_port"]) == ("127.0.0.1", server.port), item)
        check(item["subject"]["common_name"] == "127.0.0.1"
              and item["issuer"]["organization"] == "Tests", item)
        check(item["fingerprints"]["sha256"] == fingerprint(file), item)
        check(item["validity"]["days_until_expiry"] == 40 and not item["validity"]["is_expired"],
              item["validity"])
        check({"type": "IP", "value": "127.0.0.1"} in item["subject_alternative_names"] and
              {"type": "DNS", "value": "xn--caf-dma.example"} in item["subject_alternative_names"],
              item)
        check(base64.b64decode(item["raw_certificate"]) ==
              known.public_bytes(serialization.Encoding.DER), "raw_certificate")
        check(item["record"]["trust"] == {**item["record"]["trust"], "trusted": True,
                                          "name_matches": True}, item["record"])


def scout_item(file, host, port=443, raw=True):
    """As the original's daemon writes it, invalid dates included."""
    known = certificate_of(file)
    pem = known.public_bytes(serialization.Encoding.PEM).decode()

    def when(end):
        moment = getattr(known, f"not_valid_{end}_utc", None)  # by newer versions of the library
        moment = moment or getattr(known, f"not_valid_{end}").replace(tzinfo=datetime.timezone.utc)
        return moment.isoformat() + "Z"
    return {"scan_host": host, "scan_port": port,
            "scan_timestamp": datetime.datetime.now(datetime.timezone.utc).isoformat() + "Z",
            "subject": {"common_name": "127.0.0.1", "organization": None},
            "issuer": {"common_name": "Monitor Test CA", "organization": "Tests", "country": None},
            "validity": {"not_before": when("before"),
                         "not_after": when("after"), "days_until_expiry": 5,
                         "is_expired": False},
            "serial_number": str(known.serial_number), "version": "v3",
            "signature_algorithm": "ecdsa-with-SHA256",
            "fingerprints": {"sha256": known.fingerprint(hashes.SHA256()).hex(":").upper(),
                             "sha1": known.fingerprint(hashes.SHA1()).hex()},
            "subject_alternative_names": [{"type": "IP", "value": "127.0.0.1"}],
            "key_info": {"type": "EC", "size": 256}, "is_self_signed": False,
            "raw_certificate": pem if raw else None}


def scout(folder):
    authority = Authority(folder)
    file = authority.make("127.0.0.1", days=5.5)
    with Monitor(folder / "scout") as monitor:
        def report(status=200, key=TOKEN, **body):
            body = {"scan_timestamp": "2026-11-21T03:56:45.123456+00:00Z", "daemon_version": "1.0",
                    "websocket_alerts": True, "alert_thresholds": [30, 14, 7, 1], **body}
            answer = monitor.call("POST", "/api/sslscout/report", body, {"X-API-Key": key}, None)
            check(answer.status == status, answer.status, answer.text)
            return answer.json
        items = [scout_item(file, "10.0.0.7"), scout_item(file, "told.example", 8443, raw=False)]
        told = report(certificates=items)
        check(told["certificates_processed"] == 2 and told["alerts_generated"] == 2, told)
        check(report(certificates=items)["alerts_generated"] == 0, "once more is the same")
        report(401, "wrong-key-of-somebody", certificates=items)
        report(400, certificates={"a": 1})
        report(400, certificate=[])
        bad = [{}, 7, {**items[0], "scan_host": "169.254.169.254"},
               {**items[0], "raw_certificate": "AAAA"}, {**items[1], "validity": {}},
               {**items[0], "scan_port": 0}, {**items[0], "endpoint": "nowhere"},
               {**items[0], "target": {"host": "10.0.0.0/24", "port": 443}},
               {**items[0], "record": {"outcome": "splendid"}}]
        told = report(certificates=bad, failures=[{"scan_host": "10.0.0.8"}])
        check(told["certificates_rejected"] == len(bad) + 1 and told["rejected_because"], told)
        own = monitor.get("/api/sslscout/certificates?expiring_within=30&host=10.0.0",
                          headers={"X-API-Key": TOKEN}, token=None)["certificates"]
        check([item["fingerprints"]["sha256"] for item in own] == [fingerprint(file)], own)
        alerts = monitor.get("/api/sslscout/alerts?unread=true")["alerts"]
        check(sorted(alert["scan_host"] for alert in alerts) == ["10.0.0.7", "told.example"],
              alerts)
        monitor.post(f"/api/sslscout/alerts/{alerts[0]['id']}/acknowledge")
        check(len(monitor.get("/api/sslscout/alerts?unread=true")["alerts"]) == 1, "acknowledged")
        check(report(agent="quick", scan_interval=1, certificates=[])["alerts_generated"] == 0)
        silent = wait_until("an agent that is silent", lambda: [
            alert for alert in monitor.alerts() if alert["event"] == "agent_silent"])[0]
        check("quick" in silent["title"] and silent["severity"] == "critical", silent)
        agents = {agent["name"]: agent for agent in monitor.get("/api/agents")["agents"]}
        check(agents["quick"]["silent"] and not agents["environment"]["silent"], agents)
        report(agent="quick", scan_interval=1, certificates=[])
        check([alert for alert in monitor.alerts() if alert["id"] == silent["id"]
               and alert["resolved_at"]], "it is back")


def main():
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    with tempfile.TemporaryDirectory(prefix="trawl-agents-") as folder:
        scenarios = [scenario for scenario in (mail, mail_login, agent_and_centre, to_another, scout)
                     if scenario.__name__ in sys.argv[2:] or not sys.argv[2:]]
        with concurrent.futures.ThreadPoolExecutor(len(scenarios)) as pool:  # they mostly wait
            places = [pathlib.Path(folder, scenario.__name__) for scenario in scenarios]
            for place in places:
                place.mkdir()
            for done in [pool.submit(*each) for each in zip(scenarios, places)]:
                done.result()
    finish()


main()
