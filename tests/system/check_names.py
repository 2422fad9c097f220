"""Scans by name, with a DNS server that does as it should and one that does not.

    python3 check_names.py FOLDER     FOLDER holds tool_farm, tool_dns_server; $TRAWL is the program
"""
import collections
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

from dns_server import Dns
from support import FOREVER, HANG_SECONDS, check, finish

ENDPOINTS = 60
MANY = 5000
LONGEST = ".".join(["a" * 63] * 3 + ["b" * 61])  # 253 bytes
UNUSED = "127.77.99.99"  # an address where nothing listens
# Patience for silent servers only; for where silence and answers are mixed; and for answers.
SHORT, LONG = ["--dns-timeout", "1"], ["--dns-timeout", "8"]
PATIENT = [*map(str, FOREVER), "--dns-timeout", "60"]

ZONE = f"""
none.test         rcode 3
empty.test
broken.test       rcode 2
denied.test       rcode 5
garbage.test      garbage
loop.test         loop
aliasloop.test    cname aliasloop.test
noise.test        noise
silent.test       silent
otherid.test      wrong id       a 127.0.0.1
otherport.test    wrong port     a 127.0.0.1
othername.test    wrong name     a 127.0.0.1
notcp.test        truncate silent tcp
alias.test        cname real.test cname realer.test a {UNUSED}
truncated.test    truncate       a {UNUSED}
thousands.test    truncate       many 4000
lost.test         lose 1         a {UNUSED}
halfbroken.test/aaaa rcode 3
halfbroken.test   a {UNUSED}
halfsilent.test/aaaa silent
halfsilent.test   a {UNUSED}
_dmarc.under_score.test a {UNUSED}
xn--bcher-kva.test a {UNUSED}
{LONGEST}         a {UNUSED}
*.sweep.test      a {UNUSED}
ports.test        a {UNUSED}
"""
ERRORS = {
    "none.test": "no such name", "empty.test": "the name has no address",
    "broken.test": "the DNS server failed", "denied.test": "the DNS server refused",
    "garbage.test": "the DNS server's answer makes no sense",
    "loop.test": "the DNS server's answer makes no sense",
    "aliasloop.test": "the name has no address", "nowhere.test": "no such name",
}
SILENT = ["noise.test", "silent.test", "otherid.test", "otherport.test", "othername.test",
          "notcp.test"]
ADDRESSES = {  # how many
    "alias.test": 1, "truncated.test": 1, "thousands.test": 16, "lost.test": 1,
    "halfbroken.test": 1, "halfsilent.test": 1, "_dmarc.under_score.test": 1,
    "xn--bcher-kva.test": 1, LONGEST: 1,
}

class Tool:
    """A program that serves as long as its standard input is open: the `with` block."""

    def __init__(self, folder, *command):
        self.process = subprocess.Popen([os.path.join(folder, command[0]), *command[1:]],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(HANG_SECONDS)


class Farm(Tool):
    def __init__(self, folder, root):
        super().__init__(folder, "tool_farm", "--endpoints", str(ENDPOINTS), "--root", root)
        self.root = root
        self.endpoints = [json.loads(line) for line in iter(self.process.stdout.readline, "ready\n")
                          if line or sys.exit("tool_farm ended")]

    def kind(self, prefix):
        return [e for e in self.endpoints if e["kind"].startswith(prefix)]


def run_scan(arguments, text="", prefix=(), **environment):
    return subprocess.run([*prefix, os.environ["TRAWL"], "scan", *arguments], input=text,
                          capture_output=True, text=True, timeout=HANG_SECONDS, check=False,
                          env={**os.environ, **environment})


def scan(*arguments, **options):
    """The records, by host."""
    run = run_scan([*arguments, "--format", "json", "--quiet"], **options)
    check(run.returncode == 0, arguments, "exit status", run.returncode, run.stderr)
    records = collections.defaultdict(list)
    for line in run.stdout.splitlines():
        record = json.loads(line)
        records[record["host"]].append(record)
    return records


def only(records, host):
    found = records.get(host, [])
    check(len(found) == 1, host, len(found), "records")
    return found[0] if found else collections.defaultdict(str)


def check_farm(folder, farm):
    """Every kind of server, found by its name."""
    zone = "".join(f"{e['name']} a {e['address']}\n" for e in farm.endpoints)
    records = {}
    with Dns(folder, zone) as dns:
        for never, options in ((False, PATIENT),
                               (True, ["--dns-timeout", "60", "--handshake-timeout", "2"])):
            records |= scan("-", "--resolver", dns.server, "--ca-file", farm.root, *options,
                            text="".join(f"{e['name']}:{e['port']}\n" for e in farm.endpoints
                                         if (e["expected_outcome"] == "timeout") == never))
    for endpoint in farm.endpoints:
        name, record = endpoint["name"], only(records, endpoint["name"])
        check(record["outcome"] == endpoint["expected_outcome"], name, record["outcome"],
              record.get("error"))
        check((record["ip"], record["addresses"]) ==
              (endpoint["address"], [endpoint["address"]]), name, record["ip"],
              record["addresses"])
        check(record["timing_us"].get("dns", 0) > 0, name, record["timing_us"])


def check_several_addresses(folder, farm):
    one, two = farm.kind("good")[:2]
    refusing = farm.kind("refusing")[0]["address"]
    port = one["port"]
    zone = (f"several.test a {refusing} a {one['address']} a {two['address']}\n"
            f"dual.test aaaa ::1 a {one['address']} a {one['address']}\n"
            f"deaf.test aaaa ::1 a {refusing}\n")
    texts = f"several.test:{port}\ndual.test:{port}\ndeaf.test:{port}\n"
    all_of_several = [refusing, one["address"], two["address"]]
    with Dns(folder, zone) as dns:
        options = ["-", "--resolver", dns.server, "--ca-file", farm.root, *PATIENT]
        first = scan(*options, "--addresses", "first", text=texts)
        every = scan(*options, "--addresses", "all", text=texts)
    record = only(first, "several.test")
    check((record["outcome"], record["ip"], record["attempt"], record["addresses"]) ==
          ("ok", one["address"], 2, all_of_several), "first:", record)
    record = only(first, "dual.test")
    check((record["outcome"], record["ip"], sorted(record["addresses"])) ==
          ("ok", one["address"], sorted(["::1", one["address"]])), "dual, first:", record)
    record = only(first, "deaf.test")
    check(record["outcome"] in ("refused", "unreachable") and record["attempt"] == 2,
          "deaf, first:", record)
    records = every["several.test"]
    check([r["ip"] for r in records] == all_of_several and
          [r["outcome"] for r in records] == ["refused", "ok", "ok"] and
          all(r["addresses"] == all_of_several for r in records), "all:", records)
    names = [r.get("certificate", {}).get("subject_cn") for r in records]
    check(names == [None, one["name"], two["name"]], "all: certificates", names)
    differ = ["addresses_differ" in r["findings"] for r in records]
    check(differ == [False, False, True], "all: addresses_differ", differ)
    outcomes = {r["ip"]: r["outcome"] for r in every["dual.test"]}
    check(len(every["dual.test"]) == 2 and outcomes[one["address"]] == "ok", "dual, all:",
          outcomes)


def check_answers(folder):
    """Each way of answering has its outcome and its words; names are asked as they are."""
    hosts = [h.encode("ascii").decode("idna") if h.startswith("xn--") else h for h in ADDRESSES]
    text = "".join(f"{host}:1\n" for host in [*ERRORS, *hosts])
    with Dns(folder, ZONE) as dns:
        records = scan("-", "--resolver", dns.server, *LONG, text=text,
                       LOCALDOMAIN="search.test", RES_OPTIONS="ndots:9")
        silent = scan("-", "--resolver", dns.server, *SHORT, text="".join(
            f"{host}:1\n" for host in SILENT))
    for host, words in ERRORS.items():
        record = only(records, host)
        check((record["outcome"], record["stage"], record.get("error")) ==
              ("dns_failed", "dns", words), host, record)
    for host, count in ADDRESSES.items():
        record = only(records, host)
        check(record["outcome"] == "refused" and len(record["addresses"]) == count, host, record)
    for host in SILENT:
        record = only(silent, host)
        check((record["outcome"], record.get("error")) ==
              ("dns_failed", "no answer from the DNS server in time"), host, record)
    names = {name for _, _, name in dns.lines}
    check(names == set(ERRORS) | set(ADDRESSES) | set(SILENT), "asked for", names)
    check(dns.asked("none.test") == {("udp", "a"): 1, ("udp", "aaaa"): 1}, "none.test",
          dns.asked("none.test"))
    check(("tcp", "a") in dns.asked("truncated.test"), "truncated.test",
          dns.asked("truncated.test"))


def check_many(folder):
    """Thousands of names are all found; one name with many ports is asked for once."""
    with Dns(folder, ZONE) as dns:
        records = scan("-", "--resolver", dns.server, "--dns-timeout", "15",
                       text="".join(f"n{i}.sweep.test:1\n" for i in range(MANY)))
        ports = scan("ports.test", "-p", "1-2000", "--workers", "1", "--resolver", dns.server)
    outcomes = collections.Counter(r["outcome"] for found in records.values() for r in found)
    check(len(records) == MANY and outcomes == {"refused": MANY}, len(records), "names", outcomes)
    check(len(ports["ports.test"]) == 2000, "ports:", len(ports["ports.test"]))
    check(dns.asked("ports.test") == {("udp", "a"): 1, ("udp", "aaaa"): 1}, "ports.test",
          dns.asked("ports.test"))


def check_servers(folder):
    """The first server is dead, or silent; both are; the list is none."""
    with socket.socket(type=socket.SOCK_DGRAM) as silent, \
            socket.socket(type=socket.SOCK_DGRAM) as closed, Dns(folder, ZONE) as dns:
        silent.bind(("127.0.0.1", 0))
        closed.bind(("127.0.0.1", 0))
        closed.connect(closed.getsockname())  # the kernel refuses what others send there
        silent_server, dead_server = (f"127.0.0.1:{s.getsockname()[1]}" for s in (silent, closed))
        for servers, error in ((f"{dead_server},{dns.server}", "Connection refused"),
                               (f"{silent_server},{dns.server}", "Connection refused"),
                               (dead_server, "cannot reach the DNS server"),
                               (f"{dead_server},{dead_server}", "cannot reach the DNS server")):
            record = only(scan("alias.test:1", "--resolver", servers, *LONG), "alias.test")
            check(record.get("error") == error, servers, record)
        record = only(scan("broken.test:1", "--resolver", f"{dns.server},{dead_server}", *LONG),
                      "broken.test")
        check(record.get("error") == "the DNS server failed", record)
    for servers in ("dns.example", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1,,127.0.0.2", ""):
        run = run_scan(["alias.test", "--resolver", servers])
        check(run.returncode == 2 and "DNS server" in run.stderr and not run.stdout, servers,
              run.returncode, run.stderr)


def check_files(folder, farm):
    """/etc/hosts and /etc/resolv.conf, as seen from a namespace that has others."""
    good = farm.kind("good")[0]
    with tempfile.TemporaryDirectory() as place:
        hosts, resolv_conf = pathlib.Path(place, "hosts"), pathlib.Path(place, "resolv.conf")
        hosts.write_text(f"{good['address']} other.test Named.Test # {UNUSED}\n{UNUSED} two.test\n"
                         f"{good['address']} two.test\n", encoding="ascii")
        resolv_conf.write_text("", encoding="ascii")
        script = (f'mount --bind {hosts} "$(readlink -f /etc/hosts)" &&'
                  f' mount --bind {resolv_conf} "$(readlink -f /etc/resolv.conf)" && exec "$@"')
        inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
        if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode != 0:
            print("no namespaces here: /etc/hosts and /etc/resolv.conf are not tried")
            return
        port = good["port"]
        records = scan(f"named.test:{port}", f"two.test:{port}", "--ca-file", farm.root,
                       *PATIENT, prefix=inside)
        check((only(records, "named.test")["outcome"], only(records, "named.test")["addresses"]) ==
              ("ok", [good["address"]]), records["named.test"])
        check((only(records, "two.test")["outcome"], only(records, "two.test")["addresses"]) ==
              ("ok", [UNUSED, good["address"]]), records["two.test"])
        # No network either, where a DNS server could be at 127.0.0.1.
        inside.insert(1, "--net")
        records = scan("named.test:1", "somewhere.test:1", prefix=inside)
        check(only(records, "named.test")["outcome"] == "unreachable", records["named.test"])
        record = only(records, "somewhere.test")
        check(record.get("error") == "cannot reach the DNS server", record)


def check_localhost():
    with socket.socket() as closed:  # bound, so that nobody else listens there
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        record = only(scan(f"LOCALHOST:{port}", "--resolver", "127.0.0.1:1"), "localhost")
    check("127.0.0.1" in record["addresses"], record)


def main():
    folder = sys.argv[1]
    with tempfile.TemporaryDirectory() as place, \
            Farm(folder, os.path.join(place, "root.pem")) as farm:
        check_farm(folder, farm)
        check_several_addresses(folder, farm)
        check_files(folder, farm)
    check_answers(folder)
    check_many(folder)
    check_servers(folder)
    check_localhost()
    finish()


main()
