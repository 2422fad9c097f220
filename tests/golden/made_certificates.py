"""Certificates made for tests: an own DER writer, and a few hundred certificates with the oddities
that collections of real ones lack. Signatures are random bytes. The same seed gives the same
certificates, but for the curves, whose list is the installed OpenSSL's."""

import random
import subprocess


def tlv(tag, *contents):
    content = b"".join(contents)
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 128 | len(length)]) + length + content


def sequence(*contents):
    return tlv(0x30, *contents)


def integer(value):
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def bit_string(content):
    return tlv(3, b"\0" + content)


def octet_string(content):
    return tlv(4, content)


def oid(dotted):
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    out = b""
    for arc in [first * 40 + second, *rest]:
        digits = [arc & 127]
        while arc := arc >> 7:
            digits.insert(0, 128 | arc & 127)
        out += bytes(digits)
    return tlv(6, out)


def algorithm(dotted, *parameters):
    return sequence(oid(dotted), *parameters)


NULL = tlv(5)
TRUE = tlv(1, b"\xff")
SHA256_WITH_RSA = algorithm("1.2.840.113549.1.1.11", NULL)
UTF8, NUMERIC, PRINTABLE, T61, IA5, VISIBLE, UNIVERSAL, BMP = 12, 18, 19, 20, 22, 26, 28, 30
POISON = "1.3.6.1.4.1.11129.2.4.3"
SCT_LIST = "1.3.6.1.4.1.11129.2.4.2"


def attribute(dotted, tag, content):
    return sequence(oid(dotted), tlv(tag, content))


def name(*rdns):
    """Each RDN is a list of attributes; sets are not sorted, as in sloppy certificates."""
    return sequence(*(tlv(0x31, *rdn) for rdn in rdns))


def common_name(text):
    return name([attribute("2.5.4.3", UTF8, text.encode())])


def extension(dotted, content, critical=b""):
    return sequence(oid(dotted), critical, octet_string(content))


def utc_time(text):
    return tlv(23, text.encode())


def generalized_time(text):
    return tlv(24, text.encode())


def ed25519_key(content=bytes(range(32))):
    return sequence(algorithm("1.3.101.112"), bit_string(content))


def certificate(
    serial=integer(1),
    issuer=common_name("issuer"),
    not_before=utc_time("250101000000Z"),
    not_after=utc_time("260101000000Z"),
    subject=common_name("subject"),
    key=ed25519_key(),
    extensions=(),
    version=2,
    signature_algorithm=SHA256_WITH_RSA,
    unique_ids=b"",
    signature=b"\x5a" * 64,
):
    tbs = sequence(
        tlv(0xA0, integer(version)) if version else b"",
        serial,
        signature_algorithm,
        issuer,
        sequence(not_before, not_after),
        subject,
        key,
        unique_ids,
        tlv(0xA3, sequence(*extensions)) if extensions else b"",
    )
    return sequence(tbs, signature_algorithm, bit_string(signature))


# --- Keys ---


def odd_number(source, bits):
    return source.getrandbits(bits) | 1 << (bits - 1) | 1


def rsa_key(source, bits, identifier=algorithm("1.2.840.113549.1.1.1", NULL)):
    key = sequence(integer(odd_number(source, bits)), integer(65537))
    return sequence(identifier, bit_string(key))


def dsa_key(source, bits):
    parameters = sequence(*(integer(odd_number(source, size)) for size in (bits, 256, bits - 1)))
    identifier = algorithm("1.2.840.10040.4.1", parameters)
    return sequence(identifier, bit_string(integer(odd_number(source, bits - 2))))


def openssl(*arguments):
    """What it prints; nothing when it fails."""
    run = subprocess.run(["openssl", *arguments], capture_output=True)
    return b"" if run.returncode else run.stdout


def elements(content):
    """The elements of a DER string as (tag, content)."""
    at = 0
    while at < len(content):
        length, header = content[at + 1], 2
        if length & 128:
            header += length & 127
            length = int.from_bytes(content[at + 2 : at + header], "big")
        yield content[at], content[at + header : at + header + length]
        at += header + length


def curve_keys():
    """A public key on each curve that OpenSSL knows by name: the curve's base point."""
    lines = openssl("ecparam", "-list_curves").decode().splitlines()
    for curve in (line.split(":")[0].strip() for line in lines if ":" in line):
        arguments = ("ecparam", "-name", curve, "-outform", "DER", "-param_enc")
        named = openssl(*arguments, "named_curve")
        if not named:
            continue  # a curve without an OID
        explicit = openssl(*arguments, "explicit", "-conv_form", "uncompressed")
        ((_, content),) = elements(explicit)
        base_point = list(elements(content))[3][1]
        for parameters in (named, explicit) if curve == "secp384r1" else (named,):
            yield sequence(algorithm("1.2.840.10045.2.1", parameters), bit_string(base_point))


def keys(source):
    for bits in (512, 768, 1023, 1024, 1025, 2047, 2048, 2049, 3072, 4096, 8192):
        yield rsa_key(source, bits)
    pss = "1.2.840.113549.1.1.10"
    yield rsa_key(source, 2048, algorithm(pss))
    yield rsa_key(source, 2056, algorithm(pss, pss_parameters("2.16.840.1.101.3.4.2.1", 32)))
    yield rsa_key(source, 1024, algorithm("1.2.840.113549.1.1.1"))
    for bits in (512, 1024, 2048, 3072):
        yield dsa_key(source, bits)
    for dotted, size in (
        ("1.3.101.112", 32),
        ("1.3.101.113", 57),
        ("1.3.101.110", 32),
        ("2.16.840.1.101.3.4.3.17", 1312),
        ("2.16.840.1.101.3.4.3.18", 1952),
        ("2.16.840.1.101.3.4.3.19", 2592),
        ("1.2.3.4.5", 16),
    ):
        yield sequence(algorithm(dotted), bit_string(source.randbytes(size)))
    yield sequence(algorithm("1.2.840.113549.1.1.1", NULL), bit_string(b"no key"))
    yield sequence(algorithm("1.2.840.10045.2.1", NULL), bit_string(b"\4no key"))
    yield sequence(algorithm("1.2.840.10045.2.1"), bit_string(b""))
    yield from curve_keys()


# --- Signature algorithms ---


def pss_parameters(digest, salt):
    identifier = algorithm(digest, NULL)
    mask = algorithm("1.2.840.113549.1.1.8", identifier)
    return sequence(tlv(0xA0, identifier), tlv(0xA1, mask), tlv(0xA2, integer(salt)))


SIGNATURE_OIDS = [
    *(f"1.2.840.113549.1.1.{n}" for n in (2, 3, 4, 5, 11, 12, 13, 14, 15, 16, 17, 99)),
    *(f"1.3.14.3.2.{n}" for n in (3, 15, 27, 29)),
    *("1.2.840.10045.4.1", *(f"1.2.840.10045.4.3.{n}" for n in (1, 2, 3, 4))),
    *("1.2.840.10040.4.3", *(f"2.16.840.1.101.3.4.3.{n}" for n in range(1, 17))),
    *("1.3.101.112", "1.3.101.113", "1.3.36.3.3.1.2", "1.2.156.10197.1.501"),
    *("1.2.643.2.2.3", "1.2.643.7.1.1.3.2", "1.2.643.7.1.1.3.3"),
    *("1.2.3.4.5.6.7.8.9", "2.999.1", "0.39.2", "2.25.329800735698586629295641978511506172918"),
]

SHA1, SHA256 = "1.3.14.3.2.26", "2.16.840.1.101.3.4.2.1"


def signature_algorithms():
    for dotted in SIGNATURE_OIDS:
        yield algorithm(dotted, NULL)
        yield algorithm(dotted)
    pss = "1.2.840.113549.1.1.10"
    yield algorithm(pss, sequence())
    yield algorithm(pss, pss_parameters(SHA1, 20))
    yield algorithm(pss, pss_parameters(SHA256, 32))


# --- Names ---

STRING_CONTENTS = [
    *(b"plain", b"", b" ", b"  ", b" both ends ", b"#hash", b"a#b", b"a=b", b"comma, plus+ semi;"),
    *(b'quote " back \\ slash', b"<angle>", b"tab\tline\nbell\7", b"nul\0inside", b"\0", b"\x7f"),
    *("Łódź €uro 😀".encode(), "עברית".encode(), b"x" * 300),
    *(b"caf\xe9", b"\xff\xfe", b"cut \xc3"),  # not UTF-8
]

WIDE_CONTENTS = ["", "wide", "Łódź €", " 中文 ", "a,b", "#x"]

DN_TYPES = [
    *(f"2.5.4.{n}" for n in (*range(3, 29), 41, 42, 43, 44, 45, 46, 49, 50, 51, 54, 65, 72, 97)),
    *("1.2.840.113549.1.9.1", "1.2.840.113549.1.9.2", "1.2.840.113549.1.9.8"),
    *("0.9.2342.19200300.100.1.25", "0.9.2342.19200300.100.1.1", "0.9.2342.19200300.100.1.3"),
    *(f"1.3.6.1.4.1.311.60.2.1.{n}" for n in (1, 2, 3)),
    *("1.2.643.3.131.1.1", "1.2.643.100.1", "1.2.643.100.3"),
    *("1.2.3.4", "2.5.4.200", "2.999.1000000000000", "1.3.6.1.4.1.99999.1"),
]


def names(source):
    for dotted in DN_TYPES:
        yield name([attribute(dotted, UTF8, b"value of " + dotted.encode())])
    for tag in (UTF8, NUMERIC, PRINTABLE, T61, IA5, VISIBLE):
        for content in STRING_CONTENTS:
            yield name([attribute("2.5.4.10", tag, content)], [attribute("2.5.4.3", UTF8, b"x")])
    for text in WIDE_CONTENTS:
        yield name([attribute("2.5.4.3", BMP, text.encode("utf-16-be"))])
        yield name([attribute("2.5.4.3", UNIVERSAL, text.encode("utf-32-be"))])
    yield name([attribute("2.5.4.3", UNIVERSAL, "😀 smile".encode("utf-32-be"))])
    for tag, content in ((3, b"\0bits"), (4, b"octets"), (2, b"\5"), (0x30, b""), (5, b"")):
        yield name([attribute("2.5.4.45", tag, content)])
    yield sequence()
    for _ in range(60):
        yield name(*(random_rdn(source) for _ in range(source.randint(1, 8))))


def random_rdn(source):
    """OpenSSL refuses a UTF8String that is not UTF-8, so there are none of these here."""
    return [
        attribute(source.choice(DN_TYPES), source.choice((UTF8, PRINTABLE, T61, IA5)), content)
        for content in source.choices(STRING_CONTENTS[:-3], k=source.choice((1, 1, 1, 2, 3)))
    ]


# --- Times, serials, extensions ---

UTC_TIMES = [
    *("000101000000Z", "491231235959Z", "500101000000Z", "991231235959Z", "000229120000Z"),
    *("2501010000Z", "250101000000+0000", "250101000000+0130", "250101000000-0800"),
    *("240229235959Z", "700101000000Z", "691231235959Z", "250630120030Z"),
]

GENERALIZED_TIMES = [
    *("20500101000000Z", "99991231235959Z", "19500101000000Z", "20240229000000Z"),
    *("20250101000000.5Z", "20250101000000.123456Z", "202501010000Z", "20250101000000+0545"),
    *("19000228235959Z", "20000229000000Z", "16010101000000Z", "00010101000000Z"),
    *("00000301000000Z", "00000101000000Z", "21000228235959Z"),
]

BAD_TIMES = [
    *("", "Z", "250229000000Z", "251301000000Z", "250100000000Z", "250101240000Z", "25010100"),
]

SERIALS = [
    *(tlv(2, b"\0"), tlv(2, b"\x7f"), tlv(2, b"\x80"), tlv(2, b"\xff"), tlv(2, b"\0\x80")),
    *(integer(2**63 - 1), integer(2**63), integer(2**64), integer(-(2**63)), integer(-(2**71))),
    *(integer(2**159 - 1), integer(2**160), integer(2**400 + 12345)),
]

HOSTS = [
    *(b"example.com", b"*.example.com", b"", b".", b"a" * 300, b"under_score.example", b"sp ace"),
    *(b"nul\0.com", b"comma, DNS:b.example", b"xn--bcher-kva.example", "bücher.example".encode()),
]


def general_name(number, content):
    return tlv(0x80 | number, content)


def alternative_names(source):
    choices = [general_name(2, host) for host in HOSTS]
    choices += [general_name(1, b"user@example.com"), general_name(6, b"https://example.com/?a,b")]
    choices += [general_name(7, source.randbytes(size)) for size in (4, 4, 16, 16, 5, 0)]
    choices += [tlv(0xA4, common_name("directory")), general_name(8, b"\x2a\x03\x04")]
    choices += [tlv(0xA0, oid("1.3.6.1.4.1.311.20.2.3"), tlv(0xA0, tlv(UTF8, b"upn@example")))]
    for choice in choices:
        yield extension("2.5.29.17", sequence(choice))
    for _ in range(40):
        picked = source.choices(choices, k=source.randint(0, 12))
        yield extension("2.5.29.17", sequence(*picked))


def constraints():
    for content in (sequence(), sequence(TRUE), sequence(TRUE, integer(3)), sequence(integer(0))):
        yield extension("2.5.29.19", content)
        yield extension("2.5.29.19", content, critical=TRUE)
    yield extension("2.5.29.19", sequence(tlv(1, b"\1")))
    yield extension("2.5.29.19", sequence(tlv(1, b"\0")))


def urls(source):
    ldap = general_name(6, b"ldap:///CN=x,DC=y?certificateRevocationList?base")
    http = general_name(6, b"http://crl.example/a.crl")
    directory = tlv(0xA4, common_name("crl"))
    full = [tlv(0xA0, tlv(0xA0, *names)) for names in ((http,), (ldap, http), (directory, http))]
    relative = tlv(0xA0, tlv(0xA1, attribute("2.5.4.3", UTF8, b"relative")))
    reasons, issuer = tlv(0x81, b"\1\6"), tlv(0xA2, directory)
    points = [sequence(point) for point in full]
    points += [sequence(full[1], reasons, issuer), sequence(relative, issuer), sequence(issuer)]
    for point in points:
        yield extension("2.5.29.31", sequence(point))
    accesses = [
        sequence(oid(f"1.3.6.1.5.5.7.48.{method}"), location)
        for method in (1, 2, 3)
        for location in (general_name(6, b"http://ocsp.example/%d" % method), directory)
    ]
    for _ in range(20):
        chosen = source.choices(points, k=source.randint(1, 4))
        yield extension("2.5.29.31", sequence(*chosen))
        chosen = source.choices(accesses, k=source.randint(1, 5))
        yield extension("1.3.6.1.5.5.7.1.1", sequence(*chosen))


def odd_lists():
    unknown = extension("1.2.3.4", b"anything", critical=TRUE)
    yield {"extensions": [unknown]}
    yield {"extensions": [unknown], "version": 0}
    yield {"extensions": [extension("2.5.29.17", b"")]}
    yield {"extensions": [extension("2.5.29.17", sequence(b"\x82\x7fshort"))]}
    yield {"extensions": [extension("2.5.29.19", b"\x30\x05")]}
    yield {"extensions": [extension("2.5.29.31", tlv(0x31))]}
    yield {"extensions": [extension("1.3.6.1.5.5.7.1.1", sequence(b"\x30"))]}
    yield {"unique_ids": tlv(0x81, b"\0id")}
    yield {"unique_ids": tlv(0x81, b"\0id") + tlv(0x82, b"\0id2")}
    yield {"unique_ids": tlv(0x82, b"\0id2"), "extensions": [unknown]}
    for version in (0, 1, 3, 100, 127, 128, -1, 70000):
        yield {"version": version}


def ct_pair(extensions):
    """A precertificate and its final certificate, which share their RFC 6962 TBS."""
    poison = extension(POISON, NULL, critical=TRUE)
    scts = extension(SCT_LIST, octet_string(b"\0\x77\0\x75" + bytes(0x75)))
    middle = len(extensions) // 2
    for added in (poison, scts):
        yield {"extensions": [*extensions[:middle], added, *extensions[middle:]]}


def ct_pairs():
    """Lists of extensions around each length where the DER length of something changes."""
    for size in (None, 0, 40, 60, 90, 100, 110, 120, 200, 230, 245, 60000, 65300, 65400, 65520):
        padding = [] if size is None else [extension("1.2.3.4", bytes(size))]
        yield list(ct_pair(padding))
        yield list(ct_pair(padding + [extension("2.5.29.19", sequence())]))


def variations():
    source = random.Random(6962)
    yield from ({"key": key} for key in keys(source))
    yield from ({"signature_algorithm": value} for value in signature_algorithms())
    for value in names(source):
        yield {"subject": value, "issuer": name(random_rdn(source))}
    for text in UTC_TIMES + BAD_TIMES:
        yield {"not_before": utc_time(text)}
    for text in GENERALIZED_TIMES + BAD_TIMES:
        yield {"not_after": generalized_time(text)}
    yield from ({"serial": value} for value in SERIALS)
    for value in (*alternative_names(source), *constraints(), *urls(source)):
        yield {"extensions": [value]}
    yield from odd_lists()
    for pair in ct_pairs():
        yield from pair


def made_certificates():
    """(label, DER) of every variation."""
    for number, arguments in enumerate(variations()):
        yield f"made {number} ({', '.join(arguments)})", certificate(**arguments)
