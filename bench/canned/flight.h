/* What a TLS server sends after a ClientHello, made beforehand: for measuring a scanner by a server
 * that does next to no work. Sans-I/O. Made once; then read-only, for all threads.
 *
 * A TLS 1.2 flight is the same bytes for everybody. Of a TLS 1.3 flight the messages are, and are
 * encrypted anew for each hello, since the keys come from the transcript. To a client whose share
 * is the base point of X25519 that costs hashing and AES; any other share costs an X25519 more.
 *
 * All is right but for what takes a private key: signatures and Finished are random bytes of the
 * right length. A client that reads certificates sees them; one that goes on says "bad signature".
 */
#ifndef BENCH_CANNED_FLIGHT_H
#define BENCH_CANNED_FLIGHT_H

#include "bench/farm/farm_chain.h"
#include "engine/base/buffer.h"
#include "engine/tls/key_schedule.h"

enum { FLIGHT_SHARE_BYTES = 32 };

struct flight {
    uint16_t version;       /* wire number: TLS 1.2 or 1.3 */
    struct buffer messages; /* TLS 1.2: records, ready to send. TLS 1.3: what is to be encrypted */
    uint8_t random[32], private_key[FLIGHT_SHARE_BYTES], share[FLIGHT_SHARE_BYTES];
    struct tls13_derived derived;
};

/* The chain's kind decides what signs: RSA or ECDSA. The chain is copied. False when there is no
 * memory. */
bool flight_init(struct flight *flight, uint16_t version, const struct farm_chain *chain, bool rsa)
    __attribute__((warn_unused_result));
void flight_deinit(struct flight *flight);

/* Bytes of every answer. */
size_t flight_bytes(const struct flight *flight);

/* Appends the answer to `hello`, a whole ClientHello in one record. False when there is none: no
 * hello, or for TLS 1.3 one without a share for X25519. */
bool flight_answer(const struct flight *flight, struct slice hello, struct buffer *out);

#endif
