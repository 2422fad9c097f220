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

    /* TLSA records of one name, and the bytes of all their data together. RFC 7671 section 8 asks
       for two to four; whole certificates have 1 to 2 KB. More is told as an error. */
    LIMIT_TLSA_RECORDS = 16,
    LIMIT_TLSA_BYTES = 16 * 1024,

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

    /* One CRL, and what is remembered of all of them together. Those of busy public CAs have 1 to
       20 MB; most are small. */
    LIMIT_CRL_BYTES = 32 * 1024 * 1024,
    LIMIT_CRLS_BYTES = 256 * 1024 * 1024,

    /* What stands behind a caIssuers URL: a certificate, or a dozen in a PKCS#7 envelope. */
    LIMIT_ISSUERS_BYTES = 256 * 1024,

    /* A URL that a certificate names and that is fetched. Real ones have under a hundred bytes. */
    LIMIT_FETCH_URL_BYTES = 1024,

    /* Text of one distinguished name. RFC 5280 allows 64 to 128 characters an attribute; oddities
       are longer. */
    LIMIT_NAME_TEXT_BYTES = 8 * 1024,

    /* Entries of one page of a log (RFC 6962 get-entries): logs send 32 to 1,024. */
    LIMIT_GET_ENTRIES = 4096,

    /* JSON of such a page: 1,024 entries of the usual 5 KB are 5 MB, long chains several times
     * that.
     */
    LIMIT_GET_ENTRIES_BYTES = 64 * 1024 * 1024,

    /* A page of log entries, inflated: as LIMIT_GET_ENTRIES_BYTES; 256 entries of a tile with the
       largest certificates are about as much. */
    LIMIT_CT_PAGE_BYTES = 64 * 1024 * 1024,

    /* One message of a certstream feed: usually 5 KB; the largest certificate, its names written
       out three times and its chain fit. */
    LIMIT_FEED_MESSAGE_BYTES = 4 * 1024 * 1024,

    /* Issuers that the decoder keeps, and their bytes: public logs accept some thousands of
       intermediates of 1 to 2 KB; a log can make up any number. */
    LIMIT_CT_ISSUERS = 8192,
    LIMIT_CT_ISSUERS_BYTES = 32 * 1024 * 1024,

    /* Names, and entries of the watch list, that one record lists as matching: one certificate has
       thousands of names, and "*.com" matches any number of entries. */
    LIMIT_CT_MATCHES = 1024,

    /* A signed tree head, as JSON or as a note. A witness's post-quantum signature is 5 KB. */
    LIMIT_CT_HEAD_BYTES = 64 * 1024,

    /* Signatures of a note that are looked at. static-ct-api asks for at least 16. */
    LIMIT_CT_NOTE_SIGNATURES = 64,

    /* JSON of a Merkle proof; get-entry-and-proof brings the entry too, a chain in its extra data.
     */
    LIMIT_CT_PROOF_BYTES = 1024 * 1024,

    /* An array of records in one request to a webhook, unless one record alone is larger: nginx
       refuses bodies over 1 MiB by default. */
    LIMIT_WEBHOOK_BODY_BYTES = 1000 * 1000,

    /* What a webhook answers is read for an error's first words only. */
    LIMIT_WEBHOOK_ANSWER_BYTES = 1024 * 1024,

    /* How long a webhook may ask for a pause (Retry-After): its records wait all the while. */
    LIMIT_WEBHOOK_RETRY_AFTER_MS = 60 * 1000,

    /* One record of a MessagePack stream that is read back. The largest that trawl writes is a log
       entry that nobody can parse, with all of its bytes as base64. */
    LIMIT_UNPACKED_RECORD_BYTES = 32 * 1024 * 1024,

    /* Words about an error in a record, ours or the peer's. */
    LIMIT_ERROR_TEXT_BYTES = 256,

    /* A path that a list names: PATH_MAX of Linux, with its terminator. */
    LIMIT_PATH_BYTES = 4095,

    /* Ports of one sweep: all of them. */
    LIMIT_PORTS = 65535,
};

#endif
