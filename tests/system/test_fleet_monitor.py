"""`trawl monitor --via`: what workers see is what the monitor would; a network that only its worker
reaches; a label that nobody answers for, and is answered again; a monitor that is killed. In networks
of their own where the kernel allows that."""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import machines
from fleet_support import Worker, jobs, listed
from monitor_support import Authority, Monitor, Receiver, TlsServer, fingerprint
from nats_support import SERVER, NatsServer, wait_until
from servers import free_port
from support import SKIPPED, check, finish, run

SHARED = "127.77.0.5"  # reached from all machines
PROBING = ("--timeout", "1s", "--scan-interval", "1h")
VOLATILE = ("time", "timing_us", "id", "days_left")


class Place:
    """A network with a server that is reached from there alone, or, where there is no such thing,
    from everywhere."""

    def __init__(self, stack, networks):
        self.machine = stack.enter_context(machines.Machine()) if networks else None
        self.prefix = self.machine.prefix if networks else []
        self.address = self.machine.inner if networks else "127.78.0.2"
        self.hub = machines.HERE if networks else "127.0.0.1"

    def worker(self, url, **options):
        return Worker(url, "--label", "lan", "--name", "inner", "--allow", f"{self.address}/32",
                      prefix=self.prefix, **options)

    @contextlib.contextmanager
    def server(self, file):
        port = free_port()
        with subprocess.Popen([*self.prefix, sys.executable, "-B", __file__, "--serve", file,
                               self.address, str(port)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as server:
            server.stdout.readline()
            yield port
            server.stdin.close()


def serve(file, address, port):
    with TlsServer(file, address=address, port=int(port)):
        print("ready", flush=True)
        sys.stdin.read()


# --- What is known of a target ---

def lasting(record):
    return {name: value for name, value in record.items() if name not in VOLATILE}


def detail(monitor, target):
    return monitor.get(f"/api/targets/{target}")


def begin_scan(monitor, path="/api/tls/scan?wait=0"):
    return monitor.post(path)["scan_id"]


def end_scan(monitor, scan):
    """However long it takes."""
    return wait_until(lambda: (found := monitor.get(f"/api/scans/{scan}"))["done"] and found,
                      "the scan never ends")


def scan_late(monitor, target):
    """Once more, if it did not answer in time: a busy machine."""
    if detail(monitor, target)["outcome"] == "timeout":
        end_scan(monitor, begin_scan(monitor, f"/api/targets/{target}/scan"))


def wait_for(monitor, target, **wanted):
    def fits():
        scan_late(monitor, target)
        found = detail(monitor, target)
        return all(found[name] == value for name, value in wanted.items()) and found
    return wait_until(fits, f"{target} is never {wanted}: {detail(monitor, target)}")


def wait_for_alerts(monitor, targets, *titles):
    """Those that are open, and no others."""
    def fits():
        for target in targets.values():
            scan_late(monitor, target)
        found = sorted(alert["title"] for alert in monitor.alerts(state="open"))
        return found == sorted(titles)
    wait_until(fits, f"alerts are never {titles} but {monitor.alerts(state='open')}")


def wait_for_notices(receiver, event, *labels):
    """It is the newest that is told of each label, and nothing is told twice in a row: a label may
    have been silent before, on a busy machine."""
    def told(label):
        return [body["event"] for body in list(receiver.bodies)
                if body["title"].endswith(f" with the label {label}")]
    wait_until(lambda: all(told(label)[-1:] == [event] for label in labels),
               f"{event} is not told of {labels}")
    for label in labels:
        events = told(label)
        check(all(one != other for one, other in zip(events, events[1:])), label, "is told", events)


def wait_for_probe(monitor, target, last):
    """One that is later than `last`, a time in whole seconds."""
    def again():
        end_scan(monitor, begin_scan(monitor, f"/api/targets/{target}/scan"))
        return detail(monitor, target)["last_check"] > last
    wait_until(again, f"{target} is not probed again")


def running(url):
    """The jobs that have not ended."""
    return {job for job, found in listed(url).items() if found["state"] == "cutting"}


def title(label):
    return f"no worker answers with the label {label}"


# --- The test ---

def check_seen(monitor, targets, files):
    """By whom does not show; the roots went with the job, those of a single target too."""
    records = {}
    for name, file in files.items():
        found = wait_for(monitor, targets[name], outcome="ok")
        result = found["results"][0]
        records[name] = result["record"]
        check(result["fingerprint"] == fingerprint(file), name, "is another certificate", result)
        check(result["agent"] == "" and result["endpoint"] == "", name, result)
        check(result["record"]["trust"]["trusted"] is (name != "odd"), name, result["record"])
    here, there = records["here"], records["any"]
    check(lasting(here) == lasting(there), "a worker's record is another:", json.dumps(here),
          json.dumps(there))
    block = wait_for(monitor, targets["block"], endpoints=4)
    check({result["endpoint"] for result in block["results"]} ==
          {f"127.77.1.{i}" for i in range(4)}, "the block has", block["results"])


def check_silence(monitor, targets, receiver, scan, again):
    """A worker was killed, and of another label there never was one: each is told, once; it is not
    known how their targets are. A scan does not wait for them."""
    found = end_scan(monitor, scan)
    check(found["scanned"] == found["total"], "the scan has", found)
    silent = wait_for(monitor, targets["lan"], status="unknown", outcome="unanswered")
    check("lan" in silent["error"] and silent["results"][0]["outcome"] == "ok", silent)
    wait_for(monitor, targets["lost"], status="unknown", outcome="unanswered", endpoints=0)
    wait_for(monitor, targets["any"], outcome="ok")
    wait_for_alerts(monitor, targets, title("lan"), title("nobody"))
    wait_for_notices(receiver, "workers_silent", "lan", "nobody")
    scan = begin_scan(monitor, f"/api/targets/{targets['lan']}/scan")
    check(end_scan(monitor, scan)["done"], "a scan waits for nobody")
    wait_until(lambda: monitor.get("/healthz")["fleet_labels_silent"] == 2, "health does not tell")
    wait_until(lambda: "trawl_fleet_labels_silent 2" in monitor.get("/metrics"), "metrics do not")
    text = monitor.get("/metrics")
    check(f'target="{silent["host"]}:{silent["port"]}"' not in text, "stale samples")
    again()
    wait_for(monitor, targets["lan"], status="ok", outcome="ok", error="")
    wait_for_alerts(monitor, targets, title("nobody"))


def check_changes(monitor, targets, receiver):
    """A target that nobody answers for is taken back; its label is not waited for any more."""
    own = f"/api/tls/targets/{targets.pop('lost')}"
    monitor.post(own, {"via": ""}, method="PATCH")
    wait_for(monitor, own.rsplit("/", 1)[1], outcome="ok")
    wait_for_alerts(monitor, targets)  # of a label that there is not, none stays
    monitor.post(own, method="DELETE")
    check(monitor.call("PATCH", f"/api/tls/targets/{targets['any']}", {"via": "a b"}).status == 400,
          "a label with a blank is taken")
    wait_for_notices(receiver, "workers_back", "lan", "nobody")


def check_cancelled(monitor, targets, url):
    """A job that somebody ends is made again, and nothing stays in the old one's queue."""
    [gone] = (job for job, found in listed(url).items()
              if found["label"] == "" and found["state"] == "cutting")
    told = jobs(url, "cancel", gone)
    check(told.returncode == 0, told)
    wait_for_probe(monitor, targets["any"], detail(monitor, targets["any"])["last_check"])

    def is_replaced():
        found = listed(url)
        return (found[gone]["state"] == "cancelled" and found[gone]["shards_waiting"] == 0 and
                len(running(url)) == 3)
    wait_until(is_replaced, f"a job a label: {listed(url)}")
    check("was ended by somebody" in monitor.text(), monitor.text())


def check_restart(monitor, targets, url):
    """Killed, it goes on; the jobs that it had are over."""
    before = wait_until(lambda: len(left := running(url)) == 2 and left, "a job of no label stays")
    last = detail(monitor, targets["lan"])["last_check"]
    monitor.again(signal.SIGKILL)
    wait_for_probe(monitor, targets["lan"], last)
    wait_for(monitor, targets["lan"], outcome="ok")
    found = listed(url)
    check(all(found[job]["state"] == "done" for job in before), "left:", found)
    wait_until(lambda: len(running(url)) == 2, f"a job a label: {found}")


def check_refusals(folder):
    """Without --via nobody may be asked; without a cluster a single run says so, a daemon waits."""
    with Monitor(pathlib.Path(folder, "alone")) as alone:
        answer = alone.call("POST", "/api/tls/targets", {"host": "a.example", "via": "lan"})
        check(answer.status == 400 and "--via" in answer.text, "taken:", answer.text)
    config = pathlib.Path(folder, "config.json")
    config.write_text('{"targets": [{"host": "a.example", "via": "*"}]}')
    told = run("monitor", "--config", config, "--once", "--store", pathlib.Path(folder, "x.db"))
    check(told.returncode == 2 and "--via" in told.stderr, told)
    away = f"nats://127.0.0.1:{free_port()}"
    told = run("monitor", "--via", away, "--once", "--store", pathlib.Path(folder, "y.db"))
    check(told.returncode != 0 and len(told.stderr.splitlines()) == 1, told)
    with Monitor(pathlib.Path(folder, "waits"), "--via", away) as waits:
        check(waits.get("/healthz")["ok"], "a cluster that is away makes the monitor ill")

def test(folder, networks):
    authority, other = Authority(folder), Authority(folder, "Inner CA")
    shared, lan = authority.make(SHARED), authority.make("lan.test")
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor())
        refusals = pool.submit(check_refusals, folder)
        place = Place(stack, networks)
        nats = stack.enter_context(NatsServer(folder, host=place.hub))
        url = f"{nats.url}/monitored"
        lan_port = stack.enter_context(place.server(lan))
        receiver = stack.enter_context(Receiver())
        server = stack.enter_context(TlsServer(shared))
        port = server.port
        stack.enter_context(Worker(url, "--name", "outer"))
        inner = stack.enter_context(place.worker(url))
        monitor = stack.enter_context(Monitor(
            pathlib.Path(folder, "monitor"), "--via", url, *PROBING, "--ca-file", authority.file,
            "--ca-folder", folder, "--webhook", receiver.url, "--open-metrics"))
        targets = {
            "here": monitor.add(SHARED, port),
            "any": monitor.add(SHARED, port, via="*", label="the same"),
            "block": monitor.add("127.77.1.0/30", port, via="*"),
            "odd": monitor.add("odd.test", lan_port, via="lan", connect_address=place.address,
                               ca_file=os.path.basename(other.file)),
            "lan": monitor.add("lan.test", lan_port, via="lan", connect_address=place.address),
        }
        check_seen(monitor, targets, {"here": shared, "any": shared, "lan": lan, "odd": lan})
        monitor.post(f"/api/tls/targets/{targets.pop('odd')}", method="DELETE")
        wait_for_alerts(monitor, targets)  # of a target that is gone, none stays
        targets["lost"] = monitor.add(SHARED, port, via="nobody")
        inner.kill()
        scan = begin_scan(monitor)
        check_cancelled(monitor, targets, url)
        check_silence(monitor, targets, receiver, scan,
                      lambda: stack.enter_context(place.worker(url)))
        check_changes(monitor, targets, receiver)
        check_restart(monitor, targets, url)
        refusals.result()


def main():
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
        return
    if not SERVER:
        print("there is no nats-server on this machine")
        sys.exit(SKIPPED)
    networks = machines.enter()
    if not networks:
        print("no network namespaces here: all in one network")
    with tempfile.TemporaryDirectory() as folder:
        test(folder, networks)
    finish()


main()
