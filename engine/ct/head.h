/* Signed tree heads: what a log says its tree is. In RFC 6962 (section 4.3) JSON from get-sth, in
 * static-ct-api a checkpoint, which is a signed note:
 *
 *   log.example/2026h2
 *   1843208
 *   cCSyRC9zGJUd1BmhKyYX0Dm7XpAEDVLJPqCYOSbqqZk=
 *
 *   — log.example/2026h2 base64(key id[4], u64 timestamp, DigitallySigned)
 *
 * Both carry the same signature: over 00 01, timestamp, tree size and root (RFC 6962 section 3.5).
 * A head is only given out when it verifies.
 *
 * Sans-I/O; safe on every thread. JSON is read with memory of its own, freed on return. */
#ifndef ENGINE_CT_HEAD_H
#define ENGINE_CT_HEAD_H

#include "engine/ct/key.h"
#include "engine/ct/merkle.h"

struct ct_head {
    uint64_t tree_size;
    uint64_t timestamp_ms; /* since 1970 */
    struct ct_hash root;
};

enum ct_head_error {
    CT_HEAD_OK = 0,
    CT_HEAD_TOO_LARGE,     /* over LIMIT_CT_HEAD_BYTES */
    CT_HEAD_UNREADABLE,    /* no JSON with the four fields; no note with three lines of text, a
                              blank one and signatures */
    CT_HEAD_BAD_SIZE,      /* no number, or over CT_TREE_SIZE_MAX */
    CT_HEAD_BAD_TIMESTAMP, /* no number */
    CT_HEAD_BAD_ROOT,      /* not 32 bytes in base64; or a root of no leaves that is not the empty
                              one */
    CT_HEAD_UNSIGNED,      /* a note without a signature by this key */
    CT_HEAD_BAD_SIGNATURE, /* by this key, it says, but it does not verify */
};

/* The answer to get-sth. */
enum ct_head_error ct_head_parse_sth(struct slice json, const struct ct_log_key *key,
                                     struct ct_head *out) __attribute__((warn_unused_result));

/* A checkpoint. Signatures by others (witnesses) are passed over, up to LIMIT_CT_NOTE_SIGNATURES
 * lines. The log is who signs, not what the origin line says, which no signature covers: that is
 * given out in `origin`, unless it is NULL, for a message. */
enum ct_head_error ct_head_parse_checkpoint(struct slice note, const struct ct_log_key *key,
                                            struct ct_head *out, struct slice *origin)
    __attribute__((warn_unused_result));

/* "root hash cannot be read" and the like. */
const char *ct_head_error_text(enum ct_head_error error);

#endif
