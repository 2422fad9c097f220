#include "tests/sim/sim_peer.h"

#include "tests/sim/sim_flight.h"

#include <openssl/err.h>
#include <stdlib.h>

/* The next turn of the dialogue. */
static void speak(struct sim_peer *peer) {
    const struct sim_dialogue *dialogue = peer->persona->dialogue;
    bool refuses = peer->persona->refuses && peer->turn + 1u == dialogue->turns;

    buffer_add_text(&peer->stream, refuses ? dialogue->refuses : dialogue->says[peer->turn]);
    peer->turn++;
}

struct sim_peer *sim_peer_new(const struct persona *persona, const struct sim_pki *pki,
                              uint64_t seed) {
    struct sim_peer *peer = calloc(1, sizeof *peer);

    peer->persona = persona;
    peer->pki = pki;
    peer->fresh = true;
    random_init(&peer->random, seed);
    buffer_init(&peer->stream);
    if (persona->dialogue)
        speak(peer);
    else if (persona->service == SERVICE_GREETING)
        sim_flight_answer(pki, persona, (struct slice){NULL, 0}, &peer->stream);
    peer->bidden = peer->stream.len > 0;
    return peer;
}

void sim_peer_free(struct sim_peer *peer) {
    if (!peer)
        return;
    test_server_deinit(&peer->server);
    buffer_deinit(&peer->stream);
    free(peer);
}

bool sim_peer_is_clear(const struct sim_peer *peer) {
    const struct sim_dialogue *dialogue = peer->persona->dialogue;

    return dialogue && peer->turn < dialogue->turns;
}

static void serve(struct sim_peer *peer, struct slice bytes) {
    struct buffer sent;

    if (!peer->server.ssl)
        test_server_init(&peer->server,
                         peer->pki->servers[peer->persona->server][peer->persona->leaf]);
    buffer_init(&sent);
    buffer_add_slice(&sent, bytes);
    test_server_answer(&peer->server, &sent, &peer->stream);
    buffer_deinit(&sent);
    ERR_clear_error();
}

/* One-shot services answer what comes first; retries answer every hello. */
static void answer(struct sim_peer *peer, struct slice bytes) {
    const struct persona *persona = peer->persona;
    bool first = !peer->greeted;

    peer->greeted = true;
    if (persona->service == SERVICE_REAL)
        serve(peer, bytes);
    else if (persona->service != SERVICE_GREETING && (first || persona->service == SERVICE_RETRIES))
        sim_flight_answer(peer->pki, persona, bytes, &peer->stream);
}

bool sim_peer_take(struct sim_peer *peer, struct slice bytes) {
    const struct persona *persona = peer->persona;
    bool clear = sim_peer_is_clear(peer);
    size_t before = peer->stream.len;

    if (++peer->sends == persona->send_fails)
        return false;
    peer->bidden = true;
    if (clear)
        speak(peer);
    else
        answer(peer, bytes);
    if (peer->told >= before)
        peer->fresh = true;
    return true;
}

/* How many bytes may come yet, as far as that is known. */
static uint64_t left(const struct sim_peer *peer) {
    const struct persona *persona = peer->persona;
    bool endless = sim_flight_forever((enum service)persona->service).len > 0;
    uint64_t all = peer->greeted && endless ? UINT64_MAX : peer->stream.len;
    bool cut = persona->fault == FAULT_END || persona->fault == FAULT_RESET ||
               persona->fault == FAULT_STALL;

    if (cut && persona->fault_at < all)
        all = persona->fault_at;
    return all > peer->told ? all - peer->told : 0;
}

static bool is_over(const struct sim_peer *peer) {
    const struct persona *persona = peer->persona;

    return (persona->fault == FAULT_END || persona->fault == FAULT_RESET) &&
           peer->told >= persona->fault_at && (peer->bidden || persona->unbidden);
}

bool sim_peer_has_news(struct sim_peer *peer, uint64_t *delay_ns) {
    const struct persona *persona = peer->persona;

    *delay_ns = peer->fresh ? persona->think_ns : persona->gap_ns;
    if (peer->told < persona->dribble)
        *delay_ns = peer->fresh ? persona->think_ns : 1000;
    return left(peer) > 0 || is_over(peer);
}

static uint8_t byte_at(const struct sim_peer *peer, uint64_t at) {
    struct slice forever = sim_flight_forever((enum service)peer->persona->service);

    return at < peer->stream.len ? peer->stream.ptr[at]
                                 : forever.ptr[(at - peer->stream.len) % forever.len];
}

size_t sim_peer_tell(struct sim_peer *peer, uint8_t out[SIM_PIECE_MAX], int *error) {
    const struct persona *persona = peer->persona;
    uint64_t len = left(peer), piece = persona->piece;

    *error = 0;
    peer->fresh = false;
    if (len == 0) {
        *error = persona->fault == FAULT_RESET ? persona->fault_error : 0;
        return 0;
    }
    if (peer->told < persona->dribble)
        piece = 1;
    else if (!persona->even)
        piece = sim_between(&peer->random, 1, piece);
    len = len < piece ? len : piece;
    len = len < SIM_PIECE_MAX ? len : SIM_PIECE_MAX;
    for (size_t i = 0; i < len; i++, peer->told++) {
        out[i] = byte_at(peer, peer->told);
        if (persona->fault == FAULT_DAMAGE && peer->told == persona->fault_at)
            out[i] ^= persona->damage;
    }
    return (size_t)len;
}
