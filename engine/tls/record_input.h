/* Cuts what a server sends into whole records (RFC 8446 section 5.1) for BoringSSL, which would set
 * aside the whole of a record when its header has come, up to 16 KB of it. Here only the bytes that
 * have come are held until the record is there. One owner, one thread. */
#ifndef ENGINE_TLS_RECORD_INPUT_H
#define ENGINE_TLS_RECORD_INPUT_H

#include "engine/base/slice.h"

/* Starts as zeroes. */
struct tls_record_input {
    uint8_t
        *ptr; /* heap: what has come of a record that is not there whole; NULL when nothing has */
    uint32_t len, capacity;
};

/* Takes bytes off the front of `bytes`, which is not empty, as far as they make whole records or
 * belong to one that is not whole. `records` is what can be read now: whole records, or a header
 * that nobody can take with what is there of it; empty when more bytes must come first. It lies in
 * `bytes` or in the heap, and is valid until tls_record_input_drop, which must come before the next
 * call. False when there is no memory. */
bool tls_record_input_take(struct tls_record_input *input, struct slice *bytes,
                           struct slice *records);

/* Frees what is held. */
void tls_record_input_drop(struct tls_record_input *input);

#endif
