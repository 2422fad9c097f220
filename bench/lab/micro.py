"""Single steps, as bench-micro measures them."""
import json

from lab import process
from lab.rows import Row

# The words for a case, by the group that it stands in.
STEPS = {
    "hello": "a grab's hello", "hello.random-share": "the same with a random key share",
    "grab.tls12-ecdsa": "a grab without its socket, TLS 1.2, ECDSA",
    "grab.tls12-rsa": "… TLS 1.2, RSA", "grab.tls13-ecdsa": "… TLS 1.3, ECDSA",
    "grab.tls13-rsa": "… TLS 1.3, RSA",
    "decode.ecdsa": "certificate decoded, ECDSA", "decode.rsa": "certificate decoded, RSA",
    "fields.ecdsa": "its texts and hashes, ECDSA", "fields.rsa": "its texts and hashes, RSA",
    "trust.first": "trust: all is new", "trust.new-leaf": "trust: the leaf is new, ECDSA",
    "trust.new-leaf-rsa": "trust: the leaf is new, RSA", "trust.again": "trust: seen before",
    "record": "chain to judged record",
    "io_uring.connect": "io_uring, a refused connection", "io_uring.wake": "io_uring, a wake-up",
    "epoll.connect": "epoll, a refused connection", "epoll.wake": "epoll, a wake-up",
}
RECORDS = {
    "encode.json": "record to JSON", "encode.csv": "record to CSV",
    "encode.msgpack": "record to msgpack", "encode.names": "record to names",
    "encode.pem": "record to PEM",
    "sink.null": "null sink", "sink.file": "file sink, JSON", "sink.file-gzip": "file sink, gzip",
    "queue.targets": "work ring, a target in and out",
    "queue.batches": "batch queue, a batch in and out",
}
CT_STEPS = {
    "ct.frame": "tile: entries found", "ct.frame-decode": "… and certificates decoded",
    "ct.frame-bind": "… or bound to what was logged", "ct.frame-tree": "… or hashed into the tree",
    "ct.all": "all of these", "ct.frame-cold": "entries found, from memory",
    "ct.all-cold": "all of these, from memory",
    "hash.leaf": "leaf hash, 706 bytes", "hash.leaf-plain": "… plain",
    "hash.node": "node hash", "hash.node-plain": "… plain",
    "base64.decode": "base64 decoded, 4 KB", "base64.decode-plain": "… plain",
    "base64.encode": "base64 encoded, 4 KB", "base64.encode-plain": "… plain",
    "page.entry": "entry of a get-entries page, 5 KB", "page.entry-parser": "… by a JSON parser",
    "feed.full": "feed message, full", "feed.full-parser": "… by a JSON parser",
    "feed.lite": "feed message, lite", "feed.lite-parser": "… by a JSON parser",
    "feed.domains": "feed message, domains", "feed.domains-parser": "… by a JSON parser",
    "match.names": "name prepared", "match.watch-10": "… matched against 10",
    "match.watch-1000": "… against 1,000", "match.watch-1000000": "… against 1,000,000",
    "match.lookalike-1": "… compared with one brand", "match.lookalike-20": "… with 20 brands",
}
DECODER = {
    "decoder.tile": "tile: verified, bound, a million names", "decoder.tile-cold": "… from memory",
    "decoder.tile-no-tree": "… without the tree", "decoder.tile-no-names": "… without the names",
    "decoder.tile-gzip": "… compressed, without the names, from memory",
    "decoder.tile-json": "tile: a record of each to JSON", "decoder.tile-json-cold": "… from memory",
    "decoder.tile-json-names": "… index and names only",
    "decoder.get-entries": "RFC 6962: verified, bound, a million names",
    "decoder.get-entries-cold": "… from memory",
    "decoder.get-entries-json-cold": "RFC 6962: a record of each to JSON, from memory",
    "decoder.feed-full": "feed, full: a million names", "decoder.feed-full-cold": "… from memory",
    "decoder.feed-full-json-cold": "feed, full: a record of each to JSON, from memory",
    "decoder.feed-lite-cold": "feed, lite, from memory",
    "decoder.feed-domains-cold": "feed, domains, from memory",
}
GROUPS = {"Single steps: CPU each": STEPS, "Records and rings: CPU each": RECORDS,
          "CT, single steps: CPU each": CT_STEPS, "CT, the decoder alone: CPU an entry": DECODER}
TOLD_AS_RATES = ("Records and rings: CPU each", "CT, the decoder alone: CPU an entry")
CHARTED = ("encode.json", "encode.csv", "encode.msgpack", "sink.file")
OF_DECODER = "decoder."


def group_of(case):
    for group, names in GROUPS.items():
        if case in names:
            return group, names[case]
    return next(iter(GROUPS)), case


def _row(case, ns):
    group, name = group_of(case)
    if group not in TOLD_AS_RATES:
        return Row(group, name, "ns", ns)
    rate = 1e3 / max(ns, 1e-3)
    return Row(group, name, "ns", ns,
               note=f"{rate:.3g} million/s" if rate < 1000 else "nothing to do",
               rate_million=rate if case in CHARTED else None)


def _measure(lab, *options):
    batches, seconds = (5, "20ms") if lab.quick else (15, "100ms")
    run = process.run([lab.programs.micro, f"--batches={batches}", f"--batch-time={seconds}",
                       *options])
    cases = [json.loads(line) for line in run.output.splitlines()]
    rows = [_row(case["name"], case["fastest_ns"]) for case in cases]
    return sorted(rows, key=lambda row: list(GROUPS).index(row.group))


def measure_micro(lab):
    lab.say("single steps")
    return _measure(lab, f"--without={OF_DECODER}")


def measure_decoder(lab):
    """The decoder of CT pages, which is shown beside the whole program."""
    lab.say("CT, the decoder alone")
    return _measure(lab, f"--only={OF_DECODER}")
