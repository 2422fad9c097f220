"""Addresses as text against Python's ipaddress: what is read, and the one form that is written.

    check_addresses.py [FOLDER OF tool_format_addresses]      (PATH is searched otherwise)
"""

import ipaddress
import itertools
import random
import shutil
import subprocess
import sys


def canonical(address):
    """RFC 5952. Python before 3.13 writes IPv4-mapped addresses without dotted decimals, later ones
    with them; section 5 wants them."""
    if address.version == 6 and address.ipv4_mapped:
        return f"::ffff:{address.ipv4_mapped}"
    return address.compressed


def expected(text):
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "-"
    return f"{address.packed.hex()} {canonical(address)}"


def addresses(source):
    """Every pattern of zero groups, with groups of every length; mapped and compatible ones."""
    lengths = (0xF, 0xFF, 0xFFF, 0xFFFF)
    for pattern in itertools.product((False, True), repeat=8):
        for _ in range(12):
            groups = [source.randint(1, source.choice(lengths)) if used else 0 for used in pattern]
            yield ipaddress.IPv6Address(b"".join(group.to_bytes(2, "big") for group in groups))
    for _ in range(500):
        v4 = source.getrandbits(32)
        yield ipaddress.IPv4Address(v4)
        for prefix in (0, 0xFFFF << 32, 0xFFFF << 48, 0x64FF9B << 96, 0xFFFE << 32):
            yield ipaddress.IPv6Address(prefix | v4)
        yield ipaddress.IPv6Address(source.getrandbits(128))


def spellings(address, source):
    """The same address as others might write it."""
    yield str(address)
    yield address.exploded
    if address.version == 4:
        return
    yield address.compressed.upper()
    groups = [f"{int.from_bytes(address.packed[i:i + 2], 'big'):x}" for i in range(0, 16, 2)]
    yield ":".join(groups)
    dotted = str(ipaddress.IPv4Address(address.packed[12:]))
    yield ":".join(groups[:6] + [dotted])
    zeros = [i for i, group in enumerate(groups) if group == "0"]
    if zeros:  # any run of zeros may be left out, one alone as well
        start = end = source.choice(zeros)
        while end < 8 and groups[end] == "0":
            end += 1
        yield ":".join(groups[:start]) + "::" + ":".join(groups[end:])


def damaged(text, source):
    """One or two characters changed, removed or added."""
    for _ in range(source.randint(1, 2)):
        at = source.randrange(len(text) + 1)
        text = text[:at] + source.choice(["", *"0123459af:.:.gG /-"]) + text[at + source.randint(0, 1):]
    return text


def main():
    tool = shutil.which("tool_format_addresses", path=sys.argv[1] if len(sys.argv) > 1 else None)
    assert tool, "tool_format_addresses is not there"
    source = random.Random(5952)
    texts = [text for address in addresses(source) for text in spellings(address, source)]
    texts += [damaged(source.choice(texts), source) for _ in range(20000)]
    run = subprocess.run([tool], input="".join(text + "\n" for text in texts), capture_output=True,
                         text=True, check=True)
    answers = run.stdout.splitlines()
    assert len(answers) == len(texts), (len(answers), len(texts))
    wrong = [(text, answer, expected(text)) for text, answer in zip(texts, answers)
             if answer != expected(text)]
    for text, answer, right in wrong[:20]:
        print(f"{text!r}: {answer}, expected {right}")
    refused = answers.count("-")
    assert 1000 < refused < len(texts) - 1000, refused
    print(f"{len(texts)} texts, {refused} of them refused, {len(wrong)} wrong")
    sys.exit(1 if wrong else 0)


main()
