"""Everything that belongs in a table is in it, once: a source, a sink, an encoder, a command."""
import re
import source_tree as tree

# struct -> the folder whose files define them and whose table lists them
REGISTRIES = {
    "source_kind": "ingest",
    "sink_kind": "sinks",
    "encoder": "engine/record",
    "io_backend": "engine/io",
    "dialogue": "engine/starttls",
    "format": "ingest",
    "command": "tools/trawl",
}


def check(kind, folder):
    sources = {p: tree.without_comments(tree.read(p)) for p in tree.files(".c")
               if str(p.parent) == folder}
    defined = {}
    for path, text in sources.items():
        for name in re.findall(rf"^(?:static )?const struct {kind} (\w+)\s*=", text, re.M):
            defined[name] = path
    tables = [(path, body) for path, text in sources.items() for body in re.findall(
        rf"const struct {kind} \*const \w+\[\w*\]\s*=\s*\{{(.*?)\}};", text, re.S)]
    if defined and len(tables) != 1:
        yield f"{folder}: {len(tables)} tables of struct {kind}, expected one"
        return
    listed = re.findall(r"&(\w+)", tables[0][1]) if tables else []
    for name, path in defined.items():
        if listed.count(name) != 1:
            yield f"{path}: {name} is {listed.count(name)} times in {tables[0][0]}, expected once"


def main():
    tree.finish([p for kind, folder in REGISTRIES.items() for p in check(kind, folder)],
                "registries")


main()
