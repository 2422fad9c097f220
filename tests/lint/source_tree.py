"""What the checks share: the files of the project, C without comments, and how to complain."""
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED_FOLDERS = {"build", "__pycache__", "corpus"}
SKIP_STATUS = 77


def files(*suffixes):
    """All files of the project with one of the suffixes (all of them when none is given), as paths
    relative to ROOT."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(f for f in folders
                            if f not in SKIPPED_FOLDERS and (not f.startswith(".") or f == ".ci"))
        for name in sorted(names):
            if not suffixes or name.endswith(suffixes):
                yield (pathlib.Path(folder) / name).relative_to(ROOT)


def read(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def layers():
    """The table of CMakeLists.txt: folder -> every folder it may include, itself among them."""
    sees = {}
    for call in re.findall(r"^trawl_layer\(([^)]*)\)", read("CMakeLists.txt"), re.M):
        words = call.split()
        uses = words[1:]
        if "LINKS" in uses:
            uses = uses[:uses.index("LINKS")]
        sees[words[0]] = {words[0]} | {w for w in uses if w != "SEES"}
    for folder in sees:  # in the table's order, so what it names is complete already
        for seen in sorted(sees[folder] - {folder}):
            if seen not in sees:
                sys.exit(f"CMakeLists.txt: {folder} sees {seen}, which the table does not have")
            sees[folder] |= sees[seen]
    return sees


_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def without_comments(text, keep_strings=False):
    """The same text, on the same lines, with comments (and the insides of strings) blanked out."""
    def blank(match):
        token = match.group()
        if token[0] in "\"'":
            return token if keep_strings else token[0] + " " * (len(token) - 2) + token[0]
        return re.sub(r"[^\n]", " ", token)
    return _TOKEN.sub(blank, text)


def finish(problems, what):
    """Prints the problems; the exit status says whether there were any."""
    for problem in problems:
        print(problem)
    print(f"{what}: {len(problems)} problem{'' if len(problems) == 1 else 's'}")
    sys.exit(1 if problems else 0)


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(SKIP_STATUS)
