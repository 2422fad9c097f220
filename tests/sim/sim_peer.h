/* One connection as the other side sees it: bytes of the client go in, pieces of the answer come
 * out, and the time each of them takes. */
#ifndef TESTS_SIM_SIM_PEER_H
#define TESTS_SIM_SIM_PEER_H

#include "tests/sim/persona.h"
#include "tests/unit/tls/memory_server.h"

enum { SIM_PIECE_MAX = 8192 };

struct sim_peer {
    const struct persona *persona;
    const struct sim_pki *pki;
    struct random random;
    struct test_server server; /* ssl NULL when there is none */
    struct buffer stream;      /* all that was answered so far */
    uint64_t told;             /* bytes, those of an endless answer included */
    uint32_t sends, turn;      /* of the client, and of the dialogue */
    bool greeted;              /* a hello of TLS has come, or what stands for one */
    bool bidden;               /* something of the client has come */
    bool fresh;                /* what comes next begins an answer */
};

struct sim_peer *sim_peer_new(const struct persona *persona, const struct sim_pki *pki,
                              uint64_t seed);
void sim_peer_free(struct sim_peer *peer);

/* What comes next belongs to the dialogue before TLS. */
bool sim_peer_is_clear(const struct sim_peer *peer);

/* Bytes of the client; false when they must not reach the peer: persona->send_error. */
bool sim_peer_take(struct sim_peer *peer, struct slice bytes);

/* Whether there is something to receive, and how long it takes. */
bool sim_peer_has_news(struct sim_peer *peer, uint64_t *delay_ns);

/* What is received: a piece of at most SIM_PIECE_MAX bytes, none for the end, or an errno. */
size_t sim_peer_tell(struct sim_peer *peer, uint8_t out[SIM_PIECE_MAX], int *error);

#endif
