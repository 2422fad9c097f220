"""Who includes whom: the table of CMakeLists.txt, the libraries that stay behind one door, and the
folders that see no descriptor, clock or log."""
import re
import source_tree as tree

# Headers of libraries, and where alone they may be included (a folder or a file).
DOORS = {
    r"liburing\.h": ["engine/io/uring.c", "bench/floors"],
    r"sys/epoll\.h": ["engine/io", "bench/farm", "bench/ctfarm", "bench/canned"],
    r"ck_.*\.h": ["engine/queue"],
    r"ares.*\.h": ["engine/dns"],
    r"curl/.*": ["engine/http"],
    r"nats/.*": ["engine/nats"],
    r"sqlite3\.h": ["sinks", "tools"],
    r"libpq-fe\.h": ["sinks", "tools"],
    r"microhttpd\.h": ["tools"],
    r"openssl/ssl\.h": ["engine/tls/handshake.c", "bench"],
    r"msgpack.*": ["engine/record", "tools"],
    r"zlib\.h": ["sinks", "engine/decode", "bench/ctfarm"],
    r"idn2\.h": ["ingest", "engine/match"],
    r"yyjson\.h": ["engine/record", "engine/ct", "engine/nats", "ingest", "tools"],
    r"getopt\.h": ["tools"],
}

SANS_IO = ["engine/tls", "engine/x509", "engine/record", "engine/ct", "engine/match",
           "engine/hash", "engine/starttls"]
SANS_IO_HEADERS = r"sys/(socket|epoll|select|uio|time|stat)\.h|(poll|fcntl|unistd|netdb|syslog)\.h"
SANS_IO_CALLS = ("socket connect accept send sendto sendmsg recv recvfrom recvmsg read write open "
                 "openat fopen close poll printf fprintf perror syslog clock_gettime gettimeofday "
                 "time getrandom getenv").split()
# Set-up only, before any worker starts.
SANS_IO_EXCEPT = {"engine/x509/trust_store.c": "reads the trust store's files"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(?:"([^"]+)"|<([^>]+)>)', re.M)


def may_include(path, table):
    """The folders that `path` may include, or None for all."""
    folder = str(path.parent)
    if folder in table:
        return table[folder]
    if path.parts[0] in ("bench", "tools"):
        below = {"bench": ("bench", "tools", "tests"), "tools": ("tests",)}[path.parts[0]]
        return {f for f in table if f.split("/")[0] not in below} | {folder}
    return None if path.parts[0] == "tests" else set()


def stands_behind(path, doors):
    return path.parts[0] == "tests" or any(str(path) == d or str(path).startswith(d + "/")
                                           for d in doors)


def includes_of(path, text, table):
    allowed = may_include(path, table)
    if allowed == set():
        yield f"{path}: its folder is not in the table of CMakeLists.txt"
        return
    for match in INCLUDE.finditer(text):
        ours, theirs = match.groups()
        where = f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
        if ours and not (tree.ROOT / ours).is_file():
            yield f'{where}: "{ours}" is not a full path from the root'
        elif ours and allowed is not None and ours.rpartition("/")[0] not in allowed:
            yield f'{where}: {path.parent} must not see "{ours}"'
        elif theirs:
            for pattern, doors in DOORS.items():
                if re.fullmatch(pattern, theirs) and not stands_behind(path, doors):
                    yield f"{where}: <{theirs}> belongs to {', '.join(doors)} alone"


def calls_of(path, text):
    def calls(names, why):
        for match in re.finditer(rf"(?<![\w.>])(?:{'|'.join(names)})\s*\(", text):
            line = text.count("\n", 0, match.start()) + 1
            yield f"{path}:{line}: {match.group().rstrip('( ')}: {why}"

    if path.parts[0] in ("engine", "ingest", "sinks"):
        yield from calls(["exit", "_exit", "quick_exit"], "only tools may exit")
    if str(path.parent) in SANS_IO and str(path) not in SANS_IO_EXCEPT:
        yield from calls(SANS_IO_CALLS, f"{path.parent} sees no descriptor, clock or log")
        for match in INCLUDE.finditer(text):
            if match.group(2) and re.fullmatch(SANS_IO_HEADERS, match.group(2)):
                yield f"{path}: <{match.group(2)}>: {path.parent} sees no descriptor, clock or log"


def main():
    table = tree.layers()
    problems = []
    for path in tree.files(".c", ".h"):
        text = tree.read(path)
        problems += includes_of(path, tree.without_comments(text, keep_strings=True), table)
        problems += calls_of(path, tree.without_comments(text))
    if "sinks" in table["ingest"] or "ingest" in table["sinks"]:
        problems.append("CMakeLists.txt: ingest and sinks must never see each other")
    tree.finish(problems, "layers")


main()
