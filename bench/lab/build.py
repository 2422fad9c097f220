"""The programs that are measured: built when they are missing or out of date."""
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGETS = ["trawl", "bench-server", "bench-floors", "bench-micro", "bench-ctserver", "trawl-plain"]


class Programs:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.trawl, self.server, self.floors, self.micro, self.ctserver, self.plain = \
            (str(self.folder / name) for name in TARGETS)
        self.scan_help = subprocess.run([self.trawl, "help", "scan"], capture_output=True,
                                        text=True, check=True).stdout
        self.version = subprocess.run([self.trawl, "version"], capture_output=True, text=True,
                                      check=True).stdout.split("\n")[0]

    def knows(self, option):
        return option in self.scan_help


def _step(argv, log):
    with open(log, "ab") as file:
        done = subprocess.run(argv, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise SystemExit(f"failed: {' '.join(argv)}; the log is in {log}")


def programs(folder=None):
    """Those of a build folder, or of the release preset, built first: on a bare machine by tools/run,
    which installs what a build needs."""
    if folder:
        return Programs(folder)
    release = ROOT / "build" / "release"
    log = ROOT / "build" / "bench.log"
    log.parent.mkdir(exist_ok=True)
    if not (release / "build.ninja").exists():
        print("building trawl, preset release", flush=True)
        _step(["tools/run", "version"], log)
    _step(["cmake", "--build", str(release), "--target", *TARGETS], log)
    return Programs(release)
