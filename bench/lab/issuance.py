"""A CA that issues certificates as public ones do, with SCTs of a log: precertificates first, and for
each answer the final certificate with that SCT in it. What a record of each must say is computed here,
by python3-cryptography, from the certificate that was meant: not from what was logged."""
import base64
import datetime
import hashlib
import struct
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, \
    PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
PRECERTIFICATE_SIGNING = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.4")


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def day(number):
    """That many days from now."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    return now + datetime.timedelta(days=number)


def pem(*certificates):
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def key_pem(key):
    """In the oldest form, which all servers read."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def public_der(key):
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _der(certificate):
    return certificate.public_bytes(Encoding.DER)


def _octets(content):
    """An OCTET STRING of up to 255 bytes, in DER."""
    return bytes([4, *([0x81] if len(content) > 127 else []), len(content)]) + content


def _authority_key(issuer):
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())


class Issuer:
    """A certificate that signs others; `chain` goes from itself to the root."""

    def __init__(self, common_name, above=None, usage=None):
        self.key, self.name = ec.generate_private_key(ec.SECP256R1()), _name(common_name)
        builder = x509.CertificateBuilder(
            (above or self).name, self.name, self.key.public_key(), x509.random_serial_number(),
            day(-30), day(3000)) \
            .add_extension(x509.BasicConstraints(True, None), True) \
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)
        if above:
            builder = builder.add_extension(_authority_key(above), False)
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
        self.certificate = builder.sign((above or self).key, SHA256())
        self.chain = [self.certificate, *(above.chain if above else [])]


@dataclass
class Submission:
    """What a log is given, what it answered, and what a reader of the log must find."""
    chain: list       # of DER, the leaf first, the root left out
    is_precertificate: bool
    expected: dict
    key: object
    index: int = -1
    timestamp_ms: int = 0
    sct: bytes = b""


class Issuance:
    """One certificate in all its forms."""

    def __init__(self, names, key, issuer, signer):
        self.names, self.key, self.issuer, self.signer = names, key, issuer, signer
        self.serial, self.dates = x509.random_serial_number(), (day(-1), day(60))
        # What the forms have in common, RFC 6962 section 3.2: without poison, without SCTs.
        meant = self._builder(issuer).sign(issuer.key, SHA256())
        self.common = {"dns_names": names, "serial": self.serial,
                       "tbs_sha256": hashlib.sha256(meant.tbs_certificate_bytes).hexdigest(),
                       "spki_sha256": hashlib.sha256(public_der(key)).hexdigest()}

    def _builder(self, issuer):
        return x509.CertificateBuilder(
            issuer.name, _name(self.names[0]), self.key.public_key(), self.serial, *self.dates) \
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False) \
            .add_extension(_authority_key(issuer), False) \
            .add_extension(x509.SubjectAlternativeName(map(x509.DNSName, self.names)), False)

    def _submission(self, builder, issuer, update_type):
        certificate = _der(builder.sign(issuer.key, SHA256()))
        chain = [_der(above) for above in issuer.chain]
        return Submission([certificate, *chain[:-1]], update_type == "PrecertLogEntry", {
            **self.common, "update_type": update_type,
            "fingerprint_sha256": hashlib.sha256(certificate).hexdigest(),
            "fingerprint_sha1": hashlib.sha1(certificate).hexdigest(),
            "chain": [hashlib.sha256(above).hexdigest() for above in chain]}, self.key)

    def precertificate(self):
        return self._submission(
            self._builder(self.signer).add_extension(x509.PrecertPoison(), True), self.signer,
            "PrecertLogEntry")

    def final(self, sct):
        listed = _octets(struct.pack(">HH", len(sct) + 2, len(sct)) + sct)
        return self._submission(
            self._builder(self.issuer).add_extension(
                x509.UnrecognizedExtension(SCT_LIST, listed), False), self.issuer, "X509LogEntry")


class Authority:
    """A root, an intermediate, and one that signs precertificates for it (RFC 6962 section 3.1)."""

    def __init__(self):
        self.root = Issuer("Peers Root")
        self.intermediate = Issuer("Peers Intermediate", self.root)
        self.signer = Issuer("Peers Precertificates", self.intermediate, PRECERTIFICATE_SIGNING)
        self.keys = [ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)]
        self.issued = 0

    def issuance(self):
        """Every eighth precertificate is signed by the one made for that, whose name and key
        identifier the log must replace by the intermediate's."""
        self.issued += 1
        number = self.issued
        names = [f"www{number}.peer-{number % 97}.test", f"*.w{number}.peer.test"]
        return Issuance(names, self.keys[number % 8 == 3], self.intermediate,
                        self.signer if number % 8 == 0 else self.intermediate)

    def server(self, address):
        """Certificate with its chain, and key, as PEM, of a server at that address."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = x509.CertificateBuilder(
            self.intermediate.name, _name("server"), key.public_key(),
            x509.random_serial_number(), day(-1), day(60)) \
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(address)]), False) \
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False) \
            .add_extension(_authority_key(self.intermediate), False) \
            .sign(self.intermediate.key, SHA256())
        return pem(leaf, self.intermediate.certificate), key_pem(key)


def sct_of(answer):
    """RFC 6962 section 3.2, as TLS writes it, from a log's JSON; and the index that a static-ct log
    puts into its extensions: type 0, 5 bytes."""
    extensions = base64.b64decode(answer["extensions"])
    sct = bytes([answer["sct_version"]]) + base64.b64decode(answer["id"]) + \
        struct.pack(">QH", answer["timestamp"], len(extensions)) + extensions + \
        base64.b64decode(answer["signature"])
    if extensions[:3] != b"\x00\x00\x05" or len(extensions) != 8:
        raise ValueError(f"extensions without a leaf index: {extensions.hex()}")
    return sct, int.from_bytes(extensions[3:], "big")
