"""Each header compiles alone, and twice; its guard is its path."""
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import source_tree as tree


def compiler():
    """The compiler of this build and the include paths of all its compilations."""
    database = pathlib.Path(os.environ["TRAWL_BUILD"]) / "compile_commands.json"
    command, flags = None, []
    for entry in json.loads(database.read_text()):
        words = shlex.split(entry["command"])
        command = words[0]
        for i, word in enumerate(words):
            pair = words[i:i + 2] if word == "-isystem" else [word] if word[:2] == "-I" else []
            if pair and pair not in flags:
                flags.append(pair)
    return [command, "-fsyntax-only", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
            *(word for pair in flags for word in pair), "-x", "c", "-"]


def problems_of(path, command):
    guard = re.sub(r"\W", "_", str(path)).upper()
    if not re.search(rf"^#ifndef {guard}\n#define {guard}$", tree.read(path), re.M):
        yield f"{path}: expected the guard {guard}"
    run = subprocess.run(command, input=f'#include "{path}"\n' * 2, cwd=tree.ROOT,
                         capture_output=True, text=True)
    if run.returncode:
        yield f"{path}: does not compile alone:\n{run.stderr}"


def main():
    if "TRAWL_BUILD" not in os.environ:
        sys.exit("TRAWL_BUILD must name a build folder")
    command = compiler()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda path: list(problems_of(path, command)), tree.files(".h"))
        tree.finish([p for problems in found for p in problems], "headers")


main()
