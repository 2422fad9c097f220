"""The monitor's API: who may do what, what is refused, that every route answers as the OpenAPI
document says, events over WebSocket, alerts and notices by hand, and lists by page.

    python3 test_monitor_api.py FOLDER [test_NAME]
"""
import base64
import datetime
import hashlib
import json
import pathlib
import re
import socket
import sys
import tempfile
import urllib.parse

from certwatch_support import wait_until
from monitor_support import Authority, Monitor, Receiver, TlsServer, fingerprint
from support import HANG_SECONDS, check, finish

MANY = 1005
ROLES = ("read", "operate", "admin")


def equal(got, wanted, *what):
    return check(got == wanted, *what, "is", repr(got)[:600], "and not", repr(wanted)[:600])


class Site:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.authority = Authority(folder)

    def monitor(self, *arguments, **options):
        return Monitor(self.folder / "monitor", "--ca-file", self.authority.file, "--timeout", "60",
                       *arguments, **options)


# --- Who may do what ---

def token_of(role):
    return f"the-token-of-{role}"


def test_roles(site):
    config = site.folder / "config.json"
    config.write_text(json.dumps({"tokens": [
        {"name": f"mr {role}", "role": role,
         "sha256": hashlib.sha256(token_of(role).encode()).hexdigest()} for role in ROLES]}),
        encoding="ascii")
    with site.monitor("--config", config, token=None) as monitor:
        cases = [("GET", "/api/tls/targets", "read", 200), ("GET", "/metrics", "read", 200),
                 ("POST", "/api/tls/targets", "operate", 400), ("POST", "/api/tls/scan", "operate", 200),
                 ("DELETE", "/api/tls/targets/tls_000000000000", "operate", 404),
                 ("POST", "/api/mutes", "operate", 200), ("GET", "/api/audit", "admin", 200),
                 ("GET", "/api/openapi.json", None, 200), ("GET", "/", None, 200)]
        for method, path, least, status in cases:
            body = {} if method == "POST" else None
            for role in (None, *ROLES):
                may = not least or (role and ROLES.index(role) >= ROLES.index(least))
                wanted = status if may else 403 if role else 401
                token = token_of(role) if role else None
                answer = monitor.call(method, path, body, token=token)
                equal(answer.status, wanted, method, path, role, answer.text[:200])
        equal(monitor.get("/api/session", token=token_of("operate"))["role"], "operate", "session")
        equal(monitor.call("GET", "/api/session", token=None,
                           headers={"X-API-Key": token_of("read")}).status, 200, "X-API-Key")
        equal(monitor.call("GET", "/api/session", token="nobody's-token-at-all").status, 401, "wrong")
        audit = monitor.get("/api/audit", token=token_of("admin"))["audit"]
        check(any(line["who"] == "mr operate" and line["action"] == "tls_scan" for line in audit),
              audit)
    monitor = site.monitor(store=f"sqlite:{site.folder}/first.db", token=None)
    with monitor:  # the first start makes a token, shows it once, and keeps it for its owner alone
        made = re.fullmatch(r"#token=(\S+)", monitor.link)
        file = pathlib.Path(f"{site.folder}/first.db.token")
        equal((file.read_text(encoding="ascii").strip(), file.stat().st_mode & 0o777),
              (made[1], 0o600), "the token's file")
        equal(monitor.get("/api/session", token=made[1])["role"], "admin", "the first token")
        monitor.again()
        equal(monitor.link, "", "the second link")
        equal(monitor.get("/api/session", token=made[1])["role"], "admin", "the token later")


def test_refused(site):
    with site.monitor() as monitor:
        for headers, status in (({"Host": "evil.example"}, 403), ({"Origin": "http://evil.example"}, 403),
                                ({"Host": f"localhost:{monitor.port}"}, 200),
                                ({"Origin": f"http://127.0.0.1:{monitor.port}"}, 200)):
            equal(monitor.call("GET", "/api/session", headers=headers).status, status, headers)
        equal(monitor.call("GET", "/api/nothing").status, 404, "no such path")
        answer = monitor.call("DELETE", "/api/tls/targets")
        equal((answer.status, "POST" in answer.headers["Allow"]), (405, True), answer.headers)
        equal(monitor.call("POST", "/api/tls/targets", raw=b"{nonsense").status, 400, "no JSON")
        equal(monitor.call("POST", "/api/tls/targets", raw=b"{}",
                           headers={"Content-Length": "2000000"}).status, 413, "too large")
        equal(monitor.call("GET", "/api/targets?limit=banana").status, 400, "no number")
        for answer in (monitor.call("GET", "/api/nothing"), monitor.call("GET", "/api/session", token="x")):
            equal(list(answer.json), ["error"], answer.text)
        page = monitor.call("GET", "/")
        check("default-src" in page.headers.get("Content-Security-Policy", ""), page.headers)


# --- The document ---

class Document:
    """As much of JSON Schema as the document uses; a keyword that is not known is a problem."""

    TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
             "boolean": bool, "null": type(None)}
    KNOWN = {"type", "properties", "required", "items", "enum", "format", "description", "minimum",
             "maximum", "title", "additionalProperties", "examples", "default"}

    def __init__(self, document):
        self.document = document
        self.used = set()

    def resolve(self, schema):
        while "$ref" in schema:
            name = schema["$ref"].removeprefix("#/components/schemas/")
            self.used.add(name)
            schema = self.document["components"]["schemas"][name]
        return schema

    def fits(self, value, schema, where):
        schema = self.resolve(schema)
        check(not set(schema) - self.KNOWN, where, "unknown keywords", set(schema) - self.KNOWN)
        kinds = schema.get("type")
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if kinds and not check(any(isinstance(value, self.TYPES[kind]) and not (
                isinstance(value, bool) and kind in ("integer", "number")) for kind in kinds),
                where, "is", repr(value)[:100], "and not", kinds):
            return
        if value is not None and "enum" in schema:
            check(value in schema["enum"], where, value, "is none of", schema["enum"])
        if isinstance(value, str) and schema.get("format") == "date-time":
            datetime.datetime.strptime(value.split(".")[0].rstrip("Z"), "%Y-%m-%dT%H:%M:%S")
            check(value.endswith("Z"), where, value)
        if isinstance(value, dict) and "properties" in schema:
            lost = set(schema.get("required", ())) - value.keys()
            check(not lost, where, "without", lost)
            names = schema["properties"].keys()
            parent = re.fullmatch(r"The members of (\w+), and:", schema.get("description", ""))
            if parent:
                parent = self.resolve({"$ref": f"#/components/schemas/{parent[1]}"})
                names = names | parent["properties"].keys()
                self.fits({name: value[name] for name in parent["properties"] if name in value},
                          parent, where)
            more = value.keys() - names
            check(not more, where, "has what the document does not name:", more)
            for name, part in schema["properties"].items():
                if name in value:
                    self.fits(value[name], part, f"{where}.{name}")
        if isinstance(value, list) and "items" in schema:
            for item in value:
                self.fits(item, schema["items"], f"{where}[]")


def test_openapi(site):
    """The document is whole, and every route that reads answers as it says."""
    with TlsServer(site.authority.make("shop.test", "127.0.0.1", days=9)) as server, \
            Receiver() as hook, site.monitor("--webhook", hook.url) as monitor:
        document = monitor.get("/api/openapi.json", token=None)
        check(document["openapi"].startswith("3.1"), document["openapi"])
        known = monitor.add("127.0.0.1", server.port, tags=["web"], label="shop")
        monitor.add("127.0.0.1", 9)
        scan = monitor.post("/api/tls/scan")
        monitor.post("/api/mutes", {"target": known, "reason": "planned"})
        wait_until("a notice", lambda: hook.bodies)
        places = {"/api/targets/{id}": known, "/api/scans/{id}": scan["scan_id"],
                  "/api/certificates/{sha256}": fingerprint(server.file)}
        wait_until("the certificate", lambda: monitor.get("/api/certificates")["certificates"])
        schemas, operations = Document(document), set()
        asked = 0
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if method == "parameters":
                    continue
                check(operation["operationId"] not in operations, operation["operationId"], "twice")
                operations.add(operation["operationId"])
                check(operation.get("summary") and operation["responses"], path, method)
                named = re.findall(r"\{(\w+)\}", path)
                given = [p["name"] for p in operation.get("parameters", methods.get("parameters", []))
                         if p["in"] == "path"]
                equal(given, named, path, "parameters")
                ok = operation["responses"].get("200", {})
                for content in ok.get("content", {}).values():
                    schemas.resolve(content.get("schema", {}))
                if method != "get" or (named and path not in places) or path == "/api/events" or \
                        path == "/probe":
                    continue
                answer = monitor.call("GET", re.sub(r"\{\w+\}", str(places.get(path)), path))
                equal(answer.status, 200, path, answer.text[:200])
                asked += 1
                schema = ok.get("content", {}).get("application/json", {}).get("schema")
                if schema:
                    schemas.fits(answer.json, schema, path)
        check(asked >= 20, asked)
        for path in ("/api/tls/targets", "/api/sslscout/report", "/api/sslscout/alerts/{id}/acknowledge"):
            check(path in document["paths"], path)


# --- Events ---

class WebSocket:
    def __init__(self, monitor, path):
        self.socket = socket.create_connection(("127.0.0.1", monitor.port), timeout=HANG_SECONDS)
        key = base64.b64encode(b"sixteen bytes!!!").decode()
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{monitor.port}\r\n"
                             f"Authorization: Bearer {monitor.token}\r\nUpgrade: websocket\r\n"
                             f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                             "Sec-WebSocket-Version: 13\r\n\r\n").encode())
        self.stream = self.socket.makefile("rb")
        self.status = self.stream.readline().split()[1].decode()
        while self.stream.readline().strip():
            pass

    def next(self):
        """The next message; pings are passed over."""
        while True:
            kind, length = self.stream.read(2)
            length &= 127
            if length == 126:
                length = int.from_bytes(self.stream.read(2), "big")
            elif length == 127:
                length = int.from_bytes(self.stream.read(8), "big")
            body = self.stream.read(length)
            if kind & 15 == 1:
                return json.loads(body)
            if kind & 15 == 8:
                raise SystemExit("the WebSocket was closed")

    def until(self, kind):
        """All messages up to the next of that kind."""
        seen = []
        while not seen or seen[-1].get("kind") != kind:
            seen.append(self.next())
        return seen

    def close(self):
        self.stream.close()
        self.socket.close()


def test_events(site):
    """Live events are numbered; who comes again gets what it missed, once; what is gone is told."""
    with TlsServer(site.authority.make("127.0.0.1", days=5)) as server, site.monitor() as monitor:
        live = WebSocket(monitor, "/api/events")
        equal(live.status, "101", "status")
        one = monitor.add("127.0.0.1", server.port)
        seen = live.until("target")
        first = seen[-1]["seq"]
        live.close()
        monitor.add("127.0.0.2", server.port)
        monitor.scan()
        monitor.post(f"/api/tls/targets/{one}", method="DELETE")
        again = WebSocket(monitor, f"/api/events?since={first}")
        numbers = []
        wanted = monitor.get("/api/audit")["audit"]
        check(len(wanted) == 4, wanted)
        while True:
            message = again.next()
            if "seq" in message:
                numbers.append(message["seq"])
            if message.get("kind") == "target" and message.get("change") == "delete":
                break
        equal(numbers, list(range(first + 1, first + 1 + len(numbers))), "numbers")
        check(len(numbers) >= 3, numbers)
        again.close()
        ahead = monitor.call("GET", "/api/events")
        check(ahead.status in (400, 426), ahead.status)
        monitor.again()  # numbers go on
        live = WebSocket(monitor, f"/api/events?since={numbers[-1]}")
        monitor.add("127.0.0.3", server.port)
        seen = live.until("target")
        check([m["seq"] for m in seen if "seq" in m][0] == numbers[-1] + 1, seen)
        live.close()


# --- Alerts and notices by hand ---

def test_by_hand(site):
    made = site.authority.make
    with TlsServer(made("127.0.0.1", days=5)) as server, TlsServer(made("127.0.0.1", days=5)) as other, \
            Receiver() as hook, site.monitor("--webhook", hook.url) as monitor:
        mute = monitor.post("/api/mutes", {"event": "tls_expiry", "reason": "a move"})["id"]
        known = monitor.add("127.0.0.1", server.port)
        monitor.scan()
        alert = monitor.alerts(event="tls_expiry")[0]
        equal((alert["target"], alert["muted"]), (known, True), alert)
        equal(monitor.get("/api/outbox")["outbox"], [], "outbox while muted")
        equal([entry["reason"] for entry in monitor.get("/api/mutes")["mutes"]], ["a move"], "mutes")
        monitor.post(f"/api/mutes/{mute}", method="DELETE")
        monitor.add("127.0.0.1", other.port)
        monitor.scan()
        wait_until("the notice", lambda: hook.bodies)
        notice = wait_until("its delivery", lambda: [
            row for row in monitor.get("/api/outbox")["outbox"] if row["state"] == "delivered"])[0]
        monitor.post(f"/api/outbox/{notice['id']}/replay")
        wait_until("the replay", lambda: len(hook.bodies) >= 2)
        equal(hook.bodies[0]["id"], hook.bodies[1]["id"], "ids")
        number = alert["id"]
        monitor.post(f"/api/alerts/{number}/acknowledge")
        row = [entry for entry in monitor.alerts() if entry["id"] == number][0]
        check(row["acknowledged_at"] and row["acknowledged_by"] == "environment", row)
        open_ones = monitor.get("/api/alerts?acknowledged=false")["alerts"]
        check(number not in [entry["id"] for entry in open_ones], open_ones)
        monitor.post(f"/api/alerts/{number}/unacknowledge")
        equal(monitor.post("/api/alerts/999/acknowledge", {}, 404), {"error": "alert not found"}, "404")
        wait_until("the replay's end", lambda: monitor.get("/api/outbox")["outbox"][0]["state"] ==
                   "delivered")
        monitor.post(f"/api/outbox/{notice['id']}", method="DELETE")
        equal(monitor.get("/api/outbox")["outbox"], [], "outbox")


# --- Many ---

def test_pages(site):
    """More than a thousand targets: each on one page, whatever changes meanwhile; filters."""
    config = site.folder / "many.json"
    config.write_text(json.dumps({"targets": [
        {"host": f"host{i}.test", "enabled": False, "tags": ["odd" if i % 2 else "even"]}
        for i in range(MANY)]}), encoding="ascii")
    with site.monitor("--config", config) as monitor:
        for limit, query in ((100, ""), (1000, ""), (200, "tag=odd")):
            hosts, cursor, pages = [], None, 0
            while pages == 0 or cursor:
                asked = {"limit": limit, **({"cursor": cursor} if cursor else {})}
                page = monitor.get(f"/api/targets?{query}&" + urllib.parse.urlencode(asked))
                hosts += [row["host"] for row in page["targets"]]
                cursor, pages = page["next"], pages + 1
                check(len(page["targets"]) <= limit and pages < 20, pages)
            wanted = [f"host{i}.test" for i in range(MANY) if not query or i % 2]
            equal(sorted(hosts), sorted(wanted), "hosts", limit, query)
        equal(page["counts"], {"ok": 0, "warning": 0, "critical": 0, "error": 0, "unknown": MANY}, "counts")
        found = monitor.get("/api/targets?q=HOST77.")["targets"]
        equal([row["host"] for row in found], ["host77.test"], "q")


def main():
    for name, test in sorted(globals().items()):
        if name.startswith("test_") and (len(sys.argv) < 3 or name in sys.argv[2:]):
            with tempfile.TemporaryDirectory() as folder:
                test(Site(folder))
    finish()


if __name__ == "__main__":
    main()
