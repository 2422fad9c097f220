"""Scans with io_uring refused, as in a container, and with each backend by name: the same records.

    python3 check_io_backends.py FOLDER     FOLDER holds the executables tool_farm,
                                            tool_refuse_uring and the tests unit.io.*;
                                            $TRAWL is the program
"""
import json
import os
import re
import subprocess
import sys
import tempfile

from support import FOREVER, HANG_SECONDS, Farm, check, finish, lines_of

ENDPOINTS = 60
UNTOLD = {"silent", "dripping"}  # end by a timeout: slow, and nothing here depends on them
CANNOT_FILTER = 77  # tool_refuse_uring's word for it
USING_EPOLL = re.compile(r"^trawl: .*io_uring.*; using epoll$", re.M)


def run(*command, text=""):
    return subprocess.run(command, input=text, capture_output=True, text=True,
                          timeout=HANG_SECONDS, check=False)


class BackendFarm(Farm):
    def scan(self, *options, before=()):
        """Returns the run and what its records say of each host."""
        done = run(*before, os.environ["TRAWL"], "scan", "-", "--ca-file", self.root,
                   *map(str, FOREVER), "--format", "json", *options,
                   text=lines_of(self.endpoints))
        records = [json.loads(line) for line in done.stdout.splitlines()]
        return done, {r["host"]: (r["outcome"], r["status"],
                                  r.get("certificate", {}).get("fingerprint_sha256"))
                      for r in records}


def check_records(farm, what, done, told):
    check(done.returncode == 0, what, "exit status", done.returncode, done.stderr)
    check(len(told) == len(farm.endpoints), what, len(told), "records for", len(farm.endpoints))
    for endpoint in farm.endpoints:
        outcome, status, fingerprint = told.get(endpoint["name"], (None, None, None))
        check(outcome == endpoint["expected_outcome"], what, endpoint["name"], outcome,
              "expected", endpoint["expected_outcome"])
        if endpoint["kind"].startswith("good"):
            check(status == "ok" and fingerprint, what, endpoint["name"], status, fingerprint)


def check_refused(farm, refuse):
    done, told = farm.scan(before=refuse)
    check_records(farm, "refused:", done, told)
    check(len(USING_EPOLL.findall(done.stderr)) == 1 and done.stderr.count("epoll") == 1,
          "refused: no line, or more than one, says that epoll is used and why:", done.stderr)

    # Who insists is told why not, and nothing else is done.
    done, _ = farm.scan("--io", "uring", before=refuse)
    check(done.returncode == 1 and not done.stdout and "io_uring is refused" in done.stderr,
          "refused, --io uring:", done.returncode, done.stdout[:200], done.stderr)

    done, epoll = farm.scan("--io", "epoll", before=refuse)
    check("io_uring" not in done.stderr, "refused, --io epoll:", done.stderr)
    check(epoll == told, "refused, --io epoll: other records")
    return told


def check_allowed(farm, expected):
    done, told = farm.scan("--io", "epoll")
    check_records(farm, "--io epoll:", done, told)
    check(told == expected and "epoll" not in done.stderr, "--io epoll:", done.stderr)

    done, told = farm.scan()
    check_records(farm, "by itself:", done, told)
    check(told == expected, "by itself: other records")
    if USING_EPOLL.search(done.stderr):
        print("no io_uring on this machine: done without")
        return
    check("epoll" not in done.stderr, "by itself:", done.stderr)
    done, told = farm.scan("--io", "uring")
    check_records(farm, "--io uring:", done, told)
    check(told == expected, "--io uring: other records")


def check_unit_tests(folder, refuse):
    """They skip what is refused, and epoll passes all of them under the same filter."""
    for name in ("unit.io.backends", "unit.io.watches", "unit.io.limits"):
        done = run(*refuse, os.path.join(folder, name))
        output = done.stdout + done.stderr
        check(done.returncode == 0, name, "refused:", done.returncode, output)
        check("io_uring is refused" in output and "SKIPPED" in output, name, output)


def main():
    folder = sys.argv[1]
    refuse = [os.path.join(folder, "tool_refuse_uring")]
    if run(*refuse, "true").returncode == CANNOT_FILTER:
        print("SKIPPED: this kernel installs no seccomp filters")
        sys.exit(77)
    check_unit_tests(folder, refuse)
    with tempfile.TemporaryDirectory() as scratch, \
            BackendFarm(folder, os.path.join(scratch, "root.pem"), ENDPOINTS, UNTOLD) as farm:
        check_allowed(farm, check_refused(farm, refuse))
    finish()


main()
