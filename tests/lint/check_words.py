"""Words that have no place in the project: unfinished work, machines of the authors, and hosts that
packages come from (apt knows its own)."""
import pathlib
import re
import source_tree as tree

FORBIDDEN = {
    r"\b(TODO|FIXME|XXX)\b": "unfinished work",
    r"/work/|\.\./shared\b|\bshared/": "a path of somebody's machine",
    r"\b(pypi\.org|crates\.io|npmjs\.(com|org)|proxy\.golang\.org|rubygems\.org|"
    r"repo1?\.maven|(deb|ftp|snapshot|security|archive)\.debian\.org)\b": "the host of a registry",
}


def main():
    problems = []
    for path in tree.files():
        if path == pathlib.Path(__file__).resolve().relative_to(tree.ROOT) or path.name == "LICENSE":
            continue
        data = (tree.ROOT / path).read_bytes()
        if b"\0" in data:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            for pattern, why in FORBIDDEN.items():
                if re.search(pattern, line):
                    problems.append(f"{path}:{number}: {why}: {line.strip()}")
    tree.finish(problems, "words")


main()
