"""All C is as clang-format 19 writes it. Versions differ in details, so this one alone counts; both
Debian 12 and 13 have it as clang-format-19."""
import re
import shutil
import subprocess
import source_tree as tree


def find():
    for name in ("clang-format-19", "clang-format"):
        if shutil.which(name):
            version = subprocess.run([name, "--version"], capture_output=True, text=True).stdout
            if re.search(r"version 19\.", version):
                return name
    return None


def main():
    formatter = find()
    if not formatter:
        tree.skip("no clang-format of version 19: apt-get install clang-format-19")
    paths = [str(p) for p in tree.files(".c", ".h")]
    run = subprocess.run([formatter, "--dry-run", "-Werror", *paths], cwd=tree.ROOT,
                         capture_output=True, text=True)
    lines = run.stderr.splitlines()
    off = sorted({line.split(":")[0] for line in lines if "error:" in line})
    problems = [f"{path}: run tools/dev/format" for path in off]
    if run.returncode and not off:
        problems = lines[:5]
    tree.finish(problems, "formatting")


main()
