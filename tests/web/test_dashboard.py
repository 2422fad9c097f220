"""The dashboard in Chromium: logging in, adding, scanning, watching a certificate turn bad, seeing the
alert arrive and acknowledging it; from the keyboard, on a phone, in the dark, and with names that
would like to be markup."""
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "system"))
import support  # noqa: E402
from support import Farm, check, finish  # noqa: E402

try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:
    print("no Playwright in this Python")
    sys.exit(support.SKIPPED)
CHROMIUM = shutil.which("chromium")
if not CHROMIUM:
    print("no chromium on this machine")
    sys.exit(support.SKIPPED)

ENDPOINTS = 34
MANY = 205  # more than the dashboard reads at first
MARKUP = "<img src=x onerror=document.title='owned'>"
NAMES = "<b>bold</b>.example"
TURNED_AROUND = "\u202egnp.exe"


class Monitor:
    """`trawl monitor` with an empty store, as long as the `with` block."""

    def __init__(self, folder, root):
        self.folder, self.root = folder, root

    def __enter__(self):
        config = os.path.join(self.folder, "config.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"targets": [{"host": f"many-{number:03}.example", "port": 9, "enabled": False}
                                   for number in range(MANY)]}, file)
        self.process = support.start(
            "monitor", "--config", config, "--store", os.path.join(self.folder, "m.db"), "--listen", "127.0.0.1:0",
            "--ca-file", self.root, "--timeout", "3s", stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL, text=True)
        for line in self.process.stderr:
            found = re.search(r"(http://127\.0\.0\.1:\d+)/#token=(\S+)", line)
            if found:
                self.origin, self.token = found.groups()
                break
        else:
            sys.exit(f"trawl monitor ended with {self.process.wait()}")
        self.reader = threading.Thread(target=self.process.stderr.read)
        self.reader.start()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        check(self.process.wait(support.HANG_SECONDS) == 0, "trawl monitor ended badly")
        self.reader.join()
        self.process.stderr.close()

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            self.origin + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"X-API-Key": self.token, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=support.HANG_SECONDS) as answer:
            return json.load(answer)


class HostileServer:
    """A TLS server whose certificate is full of markup."""

    def __init__(self, folder):
        key, chain = (os.path.join(folder, name) for name in ("hostile.key", "hostile.pem"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", key, "-out", chain, "-days", "60", "-utf8",
             "-subj", f"/CN={MARKUP}/O={TURNED_AROUND}", "-addext", f"subjectAltName=DNS:{NAMES}"],
            check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(chain, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(connection, server_side=True) as session:
                    session.recv(1)
            except OSError:
                connection.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()


class Browser:
    """Chromium; all that a page complains of, and all that it asks other machines for, is a problem."""

    def __init__(self, playwright, origin):
        self.origin = origin
        self.chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else [])

    def page(self, **options):
        context = self.chromium.new_context(**options)
        page = context.new_page()
        page.set_default_timeout(60000)
        page.on("console", lambda message: check(message.type not in ("error", "warning"),
                                                 "console:", message.text))
        page.on("response", lambda response: check(response.status < 400, response.status, response.url))
        page.on("pageerror", lambda error: check(False, "in a page:", error))
        page.on("dialog", lambda dialog: check(False, "a page opened a dialog:", dialog.message))
        page.on("request", lambda request: check(request.url.startswith(self.origin + "/"),
                                                 "a page asked for", request.url))
        return page


expect.set_options(timeout=60000)


def status_of(page, host):
    return page.locator("tbody tr", has_text=host).locator(".status")


def log_in(page, monitor):
    page.goto(f"{monitor.origin}/#token={monitor.token}")
    expect(page.get_by_role("heading", name="Targets")).to_be_visible()
    check("token" not in page.url, "the token stays in the address:", page.url)
    check(monitor.token not in page.evaluate("document.cookie"), "a script can read the token")
    expect(page.locator("#live")).to_have_text("live")


def add(page, target):
    """With the keyboard alone, from the search field on."""
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Add target")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Host, address or block")).to_be_focused()
    for value in (target["host"], str(target["port"]), "", target["label"]):
        page.keyboard.type(value)
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # over the tags
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.type(target["address"])
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).not_to_be_visible()


def change_address(monitor, target, address):
    monitor.ask("PATCH", f"/api/tls/targets/{target}", {"connect_address": address})


def check_refused(page, monitor):
    """What is wrong is told in the dialog, and what was typed stays."""
    page.get_by_role("button", name="Add target").click()
    page.get_by_label("Host, address or block").fill("169.254.169.254")
    with_errors = page.locator("dialog [role=alert]")
    page.evaluate("window.wasFetch = window.fetch; window.fetch = async () => new Response("
                  "JSON.stringify({error: 'no such <b>place</b>'}), {status: 400, "
                  "headers: {'Content-Type': 'application/json'}}); 0")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(with_errors).to_have_text("no such <b>place</b>")
    page.evaluate("window.fetch = window.wasFetch; 0")
    expect(page.get_by_label("Host, address or block")).to_have_value("169.254.169.254")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).not_to_be_visible()


def check_life(page, monitor, farm):
    """A target is added, scanned, turns bad while somebody types, and the alert is acknowledged."""
    good = farm.named("good-ecdsa")[0]
    expired = farm.named("expired")[0]
    log_in(page, monitor)
    add(page, {"host": good["name"], "port": good["port"], "label": "the shop", "address": good["address"]})
    expect(status_of(page, good["name"])).to_have_text("ok")
    check_refused(page, monitor)

    search = page.get_by_role("searchbox", name="Search")
    search.fill("shop")
    expect(page).to_have_url(re.compile(r"#/targets\?q=shop$"))
    target = monitor.ask("GET", "/api/targets?q=shop")["targets"][0]["id"]
    change_address(monitor, target, expired["address"])
    page.get_by_role("button", name="Scan now").click()
    expect(status_of(page, good["name"])).to_have_text("critical")
    expect(search).to_have_value("shop")
    expect(page.locator(".toast.critical").first).to_be_visible()
    expect(page.locator("nav .count")).to_be_visible()

    page.locator("tbody").get_by_role("link", name=good["name"]).press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(good["name"])
    expect(page.locator(".card .chain li, .card dl").first).to_be_visible()
    expect(page.locator("main")).to_contain_text("certificate")
    check(page.title().startswith(good["name"]), "title:", page.title())
    page.go_back()
    expect(search).to_have_value("shop")


def check_alerts(page, monitor, farm):
    """An alert arrives at somebody who waits for it, and is acknowledged from the keyboard."""
    target = monitor.ask("GET", "/api/targets?q=shop")["targets"][0]["id"]
    wrong = farm.named("self-signed")[0]
    page.goto(f"{monitor.origin}/#/alerts?q=not+trusted")
    expect(page.get_by_role("heading", name="Alerts")).to_be_visible()
    before = page.locator("table").first.locator("tbody tr").count()
    page.keyboard.press("/")
    change_address(monitor, target, wrong["address"])
    monitor.ask("POST", f"/api/targets/{target}/scan")
    rows = page.locator("table").first.locator("tbody tr")
    expect(rows).to_have_count(before + 1)
    expect(page.get_by_role("searchbox", name="Search")).to_be_focused()
    acknowledge = rows.first.get_by_role("button", name="Acknowledge")
    acknowledge.focus()
    page.keyboard.press("Enter")
    undo = rows.first.get_by_role("button", name=re.compile("^Not seen"))
    expect(undo).to_be_visible()
    found = monitor.ask("GET", "/api/alerts?state=open&acknowledged=true")["alerts"]
    check([a["acknowledged_by"] for a in found] == ["admin"], "acknowledged:", found)

    page.get_by_role("button", name=re.compile("^Mute:")).first.press("Enter")
    page.keyboard.type("until Monday")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("until Monday")
    expect(page.locator("main table").last).to_contain_text("good-ecdsa")
    page.get_by_role("button", name="Unmute").press("Enter")
    expect(page.locator("main")).to_contain_text("Nothing is muted.")
    page.goto(f"{monitor.origin}/#/targets?q=shop")  # whose days are fine
    expect(page.get_by_role("heading", name="Targets")).to_be_visible()
    row = page.locator("tbody tr", has_text=farm.named("good-ecdsa")[0]["name"])
    expect(row.locator(".status")).to_have_text("ok")
    expect(row).to_contain_text(re.compile("[0-9] alert"))


def check_hostile(page, monitor):
    """Labels and certificates are text, wherever they stand."""
    with tempfile.TemporaryDirectory() as folder, HostileServer(folder) as server:
        monitor.ask("POST", "/api/tls/targets", {
            "host": "hostile.example", "port": server.port, "connect_address": "127.0.0.1",
            "label": MARKUP, "tags": ["<i>tag</i>"]})
        monitor.ask("POST", "/api/tls/scan")
    target = monitor.ask("GET", "/api/targets?q=hostile")["targets"][0]
    for place, words in (("targets", MARKUP), (f"target/{target['id']}", NAMES),
                         (f"certificate/{target['fingerprint']}", NAMES), ("certificates", MARKUP),
                         ("alerts", MARKUP), ("targets?tag=%3Ci%3Etag%3C/i%3E", MARKUP)):
        page.goto(f"{monitor.origin}/#/{place}")
        expect(page.locator("main")).to_contain_text(words)
        check(page.locator("main img, main b b, main i, main script").count() == 0, "markup in", place)
    check(page.title() != "owned", "a certificate ran a script")


def check_pages(browser, monitor):
    """Every page, on a phone in the dark: nothing is wider than the screen, nothing is unreadable."""
    page = browser.page(viewport={"width": 360, "height": 740}, color_scheme="dark", is_mobile=True,
                        has_touch=True)
    log_in(page, monitor)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    check(all(int(part) < 64 for part in re.findall(r"\d+", ground)[:3]), "in the dark the ground is", ground)
    target = monitor.ask("GET", "/api/targets")["targets"][0]["id"]
    for place in ("targets", "alerts", "certificates", "expiry", "ct", "agents", "health", f"target/{target}"):
        page.goto(f"{monitor.origin}/#/{place}")
        expect(page.locator("main[aria-busy]")).to_have_count(0)
        expect(page.locator("h1")).to_be_visible()
        width = page.evaluate("document.documentElement.scrollWidth")
        check(width <= 360, place, "is", width, "wide")
    expect(page.locator("thead").first).not_to_be_in_viewport()


def check_expiry(page, monitor, farm):
    soon = farm.named("expires-in-3-days")[0]
    monitor.ask("POST", "/api/tls/targets", {"host": soon["name"], "port": soon["port"],
                                             "connect_address": soon["address"]})
    monitor.ask("POST", "/api/tls/scan")
    page.goto(f"{monitor.origin}/#/expiry")
    day = page.locator(".calendar a.soon")
    expect(day).to_have_count(1)
    expect(page.locator(".chart rect.soon")).to_have_count(1)
    day.press("Enter")
    expect(page.locator("tbody").get_by_role("link", name=soon["name"])).to_be_visible()


def check_many(page, monitor):
    """A long list is read by page, and stays where it was scrolled to when somebody comes back."""
    page.goto(f"{monitor.origin}/#/targets?q=many-")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(200)
    page.get_by_role("button", name="More").click()
    expect(rows).to_have_count(MANY)
    last = page.get_by_role("link", name="many-204.example")
    last.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("many-204")
    page.go_back()
    expect(rows).to_have_count(MANY)
    expect(last).to_be_in_viewport()


def check_restart(page, monitor):
    """Who is logged out sees nothing any more, and logs in by hand."""
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    expect(page.locator("tbody")).to_have_count(0)
    page.reload()
    token = page.get_by_label("Token")
    expect(token).to_be_focused()
    token.fill(monitor.token)
    token.press("Enter")
    expect(page.get_by_role("heading", name="Targets")).to_be_visible()


def main():
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, \
            Farm(sys.argv[1], os.path.join(folder, "root.pem"), ENDPOINTS) as farm, \
            Monitor(folder, farm.root) as monitor:
        browser = Browser(playwright, monitor.origin)
        page = browser.page(viewport={"width": 1200, "height": 800})
        check_life(page, monitor, farm)
        check_alerts(page, monitor, farm)
        check_hostile(page, monitor)
        check_expiry(page, monitor, farm)
        check_pages(browser, monitor)
        check_many(page, monitor)
        check_restart(page, monitor)
        browser.chromium.close()
    finish()


main()
