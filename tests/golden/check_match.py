"""Names of certificates against watch lists, compared with a plain matcher that goes through all
entries label by label. Its IDNA is Python's Unicode tables and punycode, its addresses are Python's.

    check_match.py [FOLDER OF tool_match_names]      (PATH is searched otherwise)
"""

import ipaddress
import random
import re
import shutil
import subprocess
import sys
import unicodedata

LIMIT = 64  # hits of a name that are listed
LONGEST = 512  # bytes of a name
PLAIN, WILDCARD, ODD, ADDRESS = range(4)


# --- The plain matcher: text is bytes as they are in the certificate ---

def to_ascii(label):
    """A label outside ASCII as its A-label, or None: what IDNA 2008 allows, found by category."""
    mapped = unicodedata.normalize("NFKC", label.replace("\xad", "").lower())
    mapped = unicodedata.normalize("NFC", mapped.lower())
    if "\0" in mapped:
        return None
    if mapped.isascii():
        return mapped
    if any(unicodedata.category(c) not in ("Ll", "Lo", "Lm", "Mn", "Mc", "Nd") and c != "-"
           for c in mapped):
        return None
    if mapped[0] == "-" or mapped[-1] == "-" or mapped[2:4] == "--" or \
            unicodedata.category(mapped[0]).startswith("M"):
        return None
    ascii_form = "xn--" + mapped.encode("punycode").decode()
    return ascii_form if len(ascii_form) <= 63 else None


def convert(text):
    """Labels of a str as bytes; those that IDNA refuses stay UTF-8."""
    labels = []
    for label in text.split("."):
        form = label if label.isascii() else to_ascii(label)
        labels.append((label if form is None else form).encode())
    return tail(b".".join(labels))


def tail(name):
    """Of what is too long for a name the end counts, from a dot on."""
    return name if len(name) <= LONGEST else name[-LONGEST:].partition(b".")[2]


def forms(raw, is_common_name):
    raw = re.sub(rb"(?i)^https?://", b"", raw)
    for part in ([raw[:raw.index(0)]] if 0 in raw else []) + [raw]:
        for form in ([part[:part.index(b"/")]] if b"/" in part else []) + [part]:
            form = tail(re.sub(rb"^[ \t-\r]+|[ \t-\r.]+$", b"", form))
            try:
                yield ipaddress.ip_address(form.decode("ascii")).packed, True
                continue
            except ValueError:
                pass
            if is_common_name and b" " in form:
                continue
            form = form.lower()
            if form.isascii():
                yield form, False
                continue
            try:
                yield convert(form.decode("utf-8")), False
            except UnicodeDecodeError:
                pass
            yield convert(form.decode("latin-1")), False


def is_senseless(label):
    return label == b"?" or any(byte < 0x20 or byte > 0x7e for byte in label)


def kind_of(name):
    odd = [is_senseless(label) or b"*" in label for label in name.split(b".")]
    if not any(odd):
        return PLAIN
    return WILDCARD if name.startswith(b"*.") and not any(odd[1:]) else ODD


def mapped_to_v4(packed):
    return packed[12:] if packed[:12] == b"\0" * 10 + b"\xff\xff" else packed


def identifiers(kind, raw):
    """(kind, bytes) of a raw name, each once."""
    if kind == "A":
        return [(ADDRESS, mapped_to_v4(raw))] if len(raw) in (4, 16) else []
    found = []
    for name, is_address in forms(raw, kind == "C"):
        if is_address:
            found.append((ADDRESS, mapped_to_v4(name)))
        elif b"." in name and (kind_of(name), name) not in found:
            found.append((kind_of(name), name))
    return found


class Entry:
    def __init__(self, text):
        self.exact = text.startswith("=")
        text = text.removeprefix("=")
        self.block = None
        try:
            self.block = ipaddress.ip_network(text, strict=False)
        except ValueError:
            pass
        if self.block:
            if self.exact:
                raise ValueError(text)
            return
        if text.startswith("*."):
            if self.exact:
                raise ValueError(text)
            text = text[2:]
        text = text.removesuffix(".")
        self.name = convert(text.lower())
        if not re.fullmatch(rb"([a-z0-9_-]{1,63}\.)+[a-z0-9_-]{1,63}", self.name) or \
                len(self.name) > 253 or re.search(rb"\.[0-9]+$", self.name):
            raise ValueError(text)
        self.labels = self.name.split(b".")[::-1]

    def key(self):
        return self.block or self.name

    def matches(self, kind, name):
        if kind == ADDRESS:
            return self.block is not None and ipaddress.ip_address(name) in self.block
        labels = name.split(b".")[::-1]
        if self.block or len(labels) < len(self.labels):
            return False
        if self.exact and len(labels) != len(self.labels):
            return False
        return all(self.stands_for(label, own) for label, own in zip(labels, self.labels))

    @staticmethod
    def stands_for(label, own):
        if is_senseless(label):
            return True
        pattern = b".*".join(re.escape(part) for part in label.split(b"*"))
        return label == own or (b"*" in label and re.fullmatch(pattern, own) is not None)


# --- Lists and names by chance, of few labels, so that they meet ---

WORDS = ["a", "ab", "abc", "b", "www", "mail", "example", "sub", "x-y", "a1", "foo", "fo", "foobar",
         "long-label-of-more-than-eight", "long-label-of-more-than-nine", "xn--bcher-kva"]
UNICODE = ["bücher", "Bücher", "пример", "παράδειγμα", "例え", "ÉCOLE", "ñandú"]
TLDS = ["com", "org", "de", "co.uk", "рф"]


def name(source, words, most=4):
    labels = [source.choice(words) for _ in range(source.randint(1, most))]
    return ".".join([*labels, source.choice(TLDS)])


def block(source):
    if source.random() < 0.5:
        return f"10.0.{source.randrange(4)}.{source.randrange(4)}/{source.choice([8, 24, 30, 32])}"
    return f"2001:db8::{source.randrange(8):x}/{source.choice([32, 100, 126, 128])}"


def entry_text(source):
    kind = source.random()
    text = name(source, WORDS + UNICODE, 3)
    if kind < 0.1:
        return block(source).removesuffix("/32").removesuffix("/128")
    if kind < 0.2:
        return "*." + text
    if kind < 0.3:
        return "=" + text
    if kind < 0.4:
        return source.choice(["com", "", ".", "a..com", "*", "*.com", "a.*.com", "f*.com", "a b.com",
                              "-.com", "a.com.", "A.COM", "1.2.3", "a" * 64 + ".com", "=*.a.com",
                              ".a.com", "a_b.com", "10.0.0.0/33", "http://a.com", "a:b.com",
                              "\u2028.com", "=10.0.0.1", "b" * 63 + ".com", ".".join(["ab"] * 85)])
    return text.upper() if kind < 0.45 else text


def odd_label(source):
    return source.choice(["*", "?", "f*", "*o", "f*o", "*a*", "**", "fo*bar", "\x01", "a\x00b", "\x7f",
                          "\u2028x", "a\xadb", "", "a b", "-ü", "ab--ü", "ü" * 70, "x*", "*."])


def raw_name(source):
    kind = source.random()
    labels = name(source, WORDS + UNICODE).split(".")
    if kind < 0.15:
        labels[0] = "*"
    elif kind < 0.35:
        labels[source.randrange(len(labels))] = odd_label(source)
    elif kind < 0.4:
        labels = [odd_label(source) if source.random() < 0.4 else label for label in labels]
    text = ".".join(labels)
    decoration = source.random()
    if decoration < 0.3:
        text = source.choice([f" {text} ", text + ".", text + " . ", f"http://{text}/x",
                              f"HTTPS://{text}", f"{text}/{name(source, WORDS)}", text.upper(),
                              f"{text}\0.{name(source, WORDS)}", f"{text}\0", f"{text}:443",
                              f"{text} of {text}", f"{text}\t", "." + text, text.replace(".", "..")])
    encoding = "latin-1" if source.random() < 0.3 else "utf-8"
    return text.encode(encoding, "ignore")


def raw(source):
    kind = source.random()
    if kind < 0.05:
        return "A", source.choice([bytes([10, 0, source.randrange(4), source.randrange(4)]),
                                   ipaddress.ip_address(f"2001:db8::{source.randrange(8)}").packed,
                                   ipaddress.ip_address("::ffff:10.0.0.1").packed, b"\n\0\0", b""])
    if kind < 0.1:
        return source.choice("DC"), source.choice(
            [b"10.0.0.1", b" 10.0.1.2 ", b"2001:DB8::5", b"::ffff:10.0.0.1", b"10.0.0.256",
             b"10.0.0.1.", b"10.0.1", b"[2001:db8::5]", b"10.0.0.0/24"])
    if kind < 0.12:  # longer than any name, with something to find at its end
        return "D", b"x" * 200 + b"." + name(source, WORDS).encode().ljust(60, b"y") + b"." + \
            b"." .join([b"z"] * 40) + b".a.com"
    return source.choice("DDDC"), raw_name(source)


def ask(tool, entries, certificates):
    lines = [f"E{text.encode().hex()}" for text in entries]
    for names in certificates:
        lines += [f"{kind}{raw.hex()}" for kind, raw in names] + ["-"]
    run = subprocess.run([tool], input="\n".join(lines) + "\n", capture_output=True, text=True,
                         check=True)
    answers = run.stdout.splitlines()
    return answers[:len(entries)], answers[len(entries):]


def expected_entries(texts):
    """What is said about each, and those that count: number, entry; a name twice counts once, for
    all that either means."""
    good, verdicts = {}, []
    for number, text in enumerate(texts):
        try:
            entry = Entry(text)
        except (ValueError, UnicodeError):
            verdicts.append("bad")
            continue
        verdicts.append("ok")
        if entry.key() in good:
            good[entry.key()][1].exact &= entry.exact
        else:
            good[entry.key()] = (number, entry)
    return verdicts, list(good.values())


def expected_names(entries, certificates):
    for owner, names in enumerate(certificates):
        seen = []
        for kind, raw_bytes in names:
            for found in identifiers(kind, raw_bytes):
                is_plain = re.fullmatch(rb"(?i)(\*\.)?[a-z0-9._-]{0,62}[a-z_-]", raw_bytes)
                if found in seen and found[0] != ADDRESS and not (kind == "D" and is_plain):
                    continue
                seen.append(found)
                yield owner, found, {n for n, entry in entries if entry.matches(*found)}


def differences(answers, expected):
    if len(answers) != len(expected):
        yield f"{len(answers)} names, expected {len(expected)}"
    for answer, (owner, (kind, name_bytes), hits) in zip(answers, expected):
        words = answer.split(" ")
        more = words[-1] == "more"
        listed = [int(word) for word in words[3:len(words) - more]]
        right = set(listed) <= hits if more else set(listed) == hits
        if words[:3] != [str(owner), str(kind), name_bytes.hex()] or not right or \
                len(set(listed)) != len(listed) or (more and len(listed) != LIMIT) or \
                (len(hits) > LIMIT) != more:
            yield f"{answer}: expected {owner} {kind} {name_bytes} {sorted(hits)}"


def main():
    tool = shutil.which("tool_match_names", path=sys.argv[1] if len(sys.argv) > 1 else None)
    assert tool, "tool_match_names is not there"
    source = random.Random(6962)
    wrong, counts = [], {"entries": 0, "refused": 0, "names": 0, "hits": 0}
    for size in [0, 1, 5, 20] * 3 + [300] * 6 + [3000]:
        texts = [entry_text(source) for _ in range(size)]
        certificates = [[raw(source) for _ in range(source.randint(0, 8))] for _ in range(120)]
        verdicts, names = ask(tool, texts, certificates)
        expected_verdicts, entries = expected_entries(texts)
        wrong += [f"{text!r}: {verdict}, expected {right}"
                  for text, verdict, right in zip(texts, verdicts, expected_verdicts)
                  if verdict.split(" ")[0] != right]
        expected = list(expected_names(entries, certificates))
        wrong += differences(names, expected)
        counts["entries"] += size
        counts["refused"] += sum(verdict != "ok" for verdict in verdicts)
        counts["names"] += len(expected)
        counts["hits"] += sum(len(hits) for _, _, hits in expected)
    for line in wrong[:20]:
        print(line)
    assert counts["refused"] > 300 and counts["hits"] > 3000, counts
    print(f"{counts}, {len(wrong)} wrong")
    sys.exit(1 if wrong else 0)


main()
