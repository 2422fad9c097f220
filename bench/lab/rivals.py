"""Other people's programs in Go. Each has a module of its own in bench/peers/modules, so that none
changes the versions of another's dependencies: go.mod names one exact version, go.sum the checksum of
everything that goes into the build. Where a Go tool chain is at hand, they are built from there into
build/peers; nothing is looked up that go.sum does not already know, neither newer versions nor
checksums."""
import os
import pathlib
import shutil
import subprocess

from lab.build import ROOT

MODULES = ROOT / "bench" / "peers" / "modules"
BUILT = ROOT / "build" / "peers"
TIMEOUT_S = 3600  # of the first build, with its downloads; the next is a look at two files


class Missing(Exception):
    """A program that is neither built nor installed; says why."""


def _compiler():
    return shutil.which("go") or shutil.which("/usr/local/go/bin/go")


def _is_current(module):
    """Nobody changed what it is built from since."""
    stamp = BUILT / module / "built"
    return stamp.exists() and all((MODULES / module / name).stat().st_mtime <=
                                  stamp.stat().st_mtime for name in ("go.mod", "go.sum"))


def _build(module):
    compiler = _compiler()
    if not compiler:
        raise Missing("neither installed nor is there a Go tool chain to build it with")
    print(f"building {module} and what it needs; the first time takes minutes", flush=True)
    folder = BUILT / module
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            [compiler, "build", "-mod=readonly", "-buildvcs=false", "-o", f"{folder}/",
             "tool"], cwd=MODULES / module, capture_output=True, text=True, check=False,
            timeout=TIMEOUT_S, env={**os.environ, "GO111MODULE": "on", "GOTOOLCHAIN": "local",
                                    "GOWORK": "off"})
    except subprocess.TimeoutExpired:
        raise Missing(f"not built within {TIMEOUT_S} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if not line.startswith("go: downloading")]
        raise Missing(f"does not build: {' '.join(lines[:2]).strip()[:300]}")
    (folder / "built").touch()


def program(module, name=None):
    """The path of a program of a module, which has its name unless another is given. The pinned
    version goes before one on the PATH: what these scripts expect of its output and options fits that
    one, and figures of different machines are of the same program."""
    name = name or module
    try:
        if not _is_current(module):
            _build(module)
        return str(BUILT / module / name)
    except Missing:
        installed = shutil.which(name)
        if not installed:
            raise
        return installed


def version(module):
    """Which one `program` has found: what go.mod pins, unless it is one from the PATH."""
    if not _is_current(module):
        return "(as installed)"
    for line in (MODULES / module / "go.mod").read_text(encoding="ascii").splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "require":
            return words[2]
    raise ValueError(f"{module}: go.mod requires nothing")
