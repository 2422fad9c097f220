/* The names of a page of certificates, in the form in which they are matched: all bytes in one
 * array, one small item a name. A worker has one of these, fills it with a page's certificates,
 * matches it against the watch list and the brands, and clears it for the next page.
 *
 *      certificate ── dNSName, CN, iPAddress ──▶ match_names ──▶ watch_list_match
 *                                                            └─▶ lookalike_match
 *
 * What certificates hold is not always a host name, and whoever wants to go unseen writes it oddly.
 * Therefore a raw name may become several, or none:
 *
 *      trimmed of blanks and of final dots; lower case; "http://" in front goes
 *      with a NUL byte       the whole, and what stands before it: old clients stop there
 *      with a slash          the whole, and what stands before it: a URL where a name should be
 *      an address as text    an address
 *      not ASCII             read as UTF-8 (when it is that) and as Latin-1, each label through
 *                            IDNA 2008 with UTS 46 mapping
 *      a label that is still no text after that is kept as it is and matches anything
 *
 * Names of one label are left out, for no watch entry is that short. One owner, one thread at a
 * time. Running out of memory is remembered in `failed`; check once at the end. */
#ifndef ENGINE_MATCH_NAMES_H
#define ENGINE_MATCH_NAMES_H

#include "engine/base/slice.h"

enum {
    /* A host name has at most 253 characters; of what is longer the last bytes count, from a dot
     * on, for names are matched from the right. */
    MATCH_NAME_BYTES_MAX = 512,
    /* Names of one page: beyond, adding fails. 256 certificates of LIMIT_CERTIFICATE_NAMES fit. */
    MATCH_NAMES_MAX = 1 << 21,
};

enum match_name_kind {
    MATCH_NAME_PLAIN,    /* a host name; no wildcard */
    MATCH_NAME_WILDCARD, /* "*." and a host name */
    MATCH_NAME_ODD,      /* a wildcard anywhere else, or a label that makes no sense */
    MATCH_NAME_ADDRESS,  /* 4 or 16 bytes */
};

struct match_name {
    uint64_t dots;   /* bit i: byte i is a dot; of the first 64 bytes */
    uint32_t offset; /* of its first byte in `bytes` */
    uint32_t owner;  /* whose it is: the caller's number of a certificate */
    uint16_t len;
    uint8_t kind; /* enum match_name_kind */
};

struct match_names {
    uint8_t *bytes; /* readable a good way behind the last name */
    size_t bytes_len, bytes_capacity;
    struct match_name *items; /* in the order in which they were added */
    uint32_t count, capacity;
    uint32_t odd_owner, odd_labels; /* how many labels of this owner went through IDNA */
    bool failed;
};

void match_names_init(struct match_names *names);
void match_names_deinit(struct match_names *names);

/* Forgets all names and keeps the memory. */
void match_names_clear(struct match_names *names);

/* A dNSName as the certificate holds it; or any other text that stands for a host name, such as one
 * from a feed. The same name twice in a certificate is there twice. */
void match_names_add_dns(struct match_names *names, struct slice raw, uint32_t owner);

/* A common name, as UTF-8 or Latin-1. One with a blank inside is a person's or a company's and is
 * left out, as is one that its owner has already among its last few hundred names: add these behind
 * the dNSNames. */
void match_names_add_common_name(struct match_names *names, struct slice raw, uint32_t owner);

/* The content of an iPAddress: 4 or 16 bytes; nothing else is taken. An IPv4-mapped address is the
 * IPv4 address. */
void match_names_add_address(struct match_names *names, struct slice raw, uint32_t owner);

/* Bytes of a name, lower-case; not safe for a terminal when the kind is MATCH_NAME_ODD. Valid until
 * the next addition. */
static inline struct slice match_names_text(const struct match_names *names, uint32_t index) {
    const struct match_name *name = &names->items[index];
    return (struct slice){names->bytes + name->offset, name->len};
}

/* The same as text for a record, into `out`: addresses in their canonical form. Valid until the
 * next addition or the next call with the same `out`. */
enum { MATCH_TEXT_MAX = 64 };
struct slice match_names_display(const struct match_names *names, uint32_t index,
                                 char out[MATCH_TEXT_MAX]);

#endif
