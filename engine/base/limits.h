/* Every bound on what a peer, a file or a user controls, with its reason. */
#ifndef ENGINE_BASE_LIMITS_H
#define ENGINE_BASE_LIMITS_H

enum {
    /* RFC 1035 2.3.4: 255 octets on the wire are at most 253 characters of text. */
    LIMIT_HOST_NAME_BYTES = 253,

    /* A line of a target list: a URL with a long path fits, a file without newlines does not eat
       memory. */
    LIMIT_LINE_BYTES = 4096,

    /* Addresses of one name that are kept and probed. Large pools hand out at most a dozen or so at
       once. */
    LIMIT_ADDRESSES = 16,

    /* Certificates of one chain that are kept. Chains in the wild have up to about ten. */
    LIMIT_CHAIN_CERTIFICATES = 16,

    /* All handshake bytes of one server. BoringSSL and OpenSSL accept chains up to 100 KB by
       default. */
    LIMIT_FLIGHT_BYTES = 112 * 1024,

    /* TLS records of one server's flight: real ones need under 20; stops trickles of tiny or empty
       records. */
    LIMIT_FLIGHT_RECORDS = 512,

    /* One certificate. The largest seen in public CT logs are about 100 KB, with thousands of
       names. */
    LIMIT_CERTIFICATE_BYTES = 100 * 1024,

    /* Names of one certificate that are listed; the certificate itself is kept whole. */
    LIMIT_CERTIFICATE_NAMES = 4096,

    /* URLs of a certificate that are listed, of each kind (OCSP responders, CRLs). Real
       certificates have one or two. */
    LIMIT_CERTIFICATE_URLS = 16,

    /* Text of one distinguished name. RFC 5280 allows 64 to 128 characters an attribute; oddities
       are longer. */
    LIMIT_NAME_TEXT_BYTES = 8 * 1024,

    /* Words about an error in a record, ours or the peer's. */
    LIMIT_ERROR_TEXT_BYTES = 256,

    /* Ports of one sweep: all of them. */
    LIMIT_PORTS = 65535,
};

#endif
