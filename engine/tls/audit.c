#include "engine/tls/audit_internal.h"

#include <assert.h>
#include <stdlib.h>

static_assert((int)AUDIT_PROTOCOLS <= (int)TLS_AUDIT_PROTOCOLS_MAX && AUDIT_PROTOCOLS < 64,
              "all fit");
static_assert((int)AUDIT_JARM_CHARS == (int)TLS_AUDIT_JARM_CHARS, "one JARM");
static_assert((int)AUDIT_JARM_ANSWER_MAX <= (int)TLS_CIPHERTEXT_MAX, "its answers fit a record");

enum {
    TIMEOUTS_MAX = 3, /* each costs the target a deadline's time */
    MISSES_MAX = 2,
    MEMORY_BYTES = 2048, /* both names, and a small OCSP response */
};

struct tls_audit *tls_audit_new(struct slice sni, const struct tls_audit_options *options) {
    if (sni.len > LIMIT_HOST_NAME_BYTES || options->jarm_name.len > LIMIT_HOST_NAME_BYTES)
        return NULL;
    struct tls_audit *audit = calloc(1, sizeof *audit);
    if (!audit || !arena_init(&audit->memory, MEMORY_BYTES)) {
        free(audit);
        return NULL;
    }
    audit->sni = arena_copy(&audit->memory, sni);
    audit->jarm_name =
        options->jarm_name.len ? arena_copy(&audit->memory, options->jarm_name) : audit->sni;
    audit->without_jarm = options->without_jarm;
    audit->client = options->client;
    audit->connections_max =
        options->connections_max ? options->connections_max : TLS_AUDIT_CONNECTIONS;
    for (uint16_t i = 0; i < TLS_AUDIT_VERSIONS; i++)
        audit->result.versions[i].version = (uint16_t)(TLS_VERSION_TLS13 - i);
    audit_jarm_init(&audit->jarm);
    return audit;
}

void tls_audit_free(struct tls_audit *audit) {
    if (!audit)
        return;
    audit_drop_resumption(audit);
    arena_deinit(&audit->memory);
    free(audit);
}

const struct tls_audit_result *tls_audit_result(const struct tls_audit *audit) {
    return &audit->result;
}

/* What the connection has shown, whole or not. */
static void conclude(struct tls_audit *audit) {
    const struct audit_question *question = &audit_questions[audit->question];

    audit->asking = false;
    audit->misses = 0;
    question->learn(audit, question->index);
}

/* The next question that has something to ask; false when none has. */
static bool find_question(struct tls_audit *audit) {
    const struct audit_question *question = &audit_questions[audit->question];

    while (question->ask && !question->ask(audit, question->index)) {
        question++;
        audit->question++;
        audit->done = audit->again = false;
    }
    return question->ask != NULL;
}

static bool begin(struct tls_audit *audit, const uint8_t random[32], struct buffer *hello) {
    size_t before = hello->len;

    if (audit_is_jarm(audit)) {
        audit->jarm_len = 0;
        return audit_jarm_hello(audit->jarm_number, audit->jarm_name, random, hello);
    }
    if (audit_is_resumption(audit))
        return audit_begin_resumption(audit, hello);
    if (!audit_hello_write(&audit->offer, audit->sni, random, hello))
        return false;
    audit_answer_start(&audit->answer, &audit->offer, slice_from(buffer_slice(hello), before),
                       audit->depth);
    return true;
}

bool tls_audit_next(struct tls_audit *audit, const uint8_t random[32], struct buffer *hello) {
    if (audit->asking)
        tls_audit_ended(audit, TLS_AUDIT_CLOSED);
    if (audit->result.stop != TLS_AUDIT_FINISHED || !find_question(audit))
        return false;
    if (audit->result.connections >= audit->connections_max) {
        audit->result.stop = TLS_AUDIT_OUT_OF_CONNECTIONS;
        return false;
    }
    if (!begin(audit, random, hello)) {
        audit->result.stop = TLS_AUDIT_OUT_OF_MEMORY;
        return false;
    }
    audit->result.connections++;
    audit->asking = true;
    audit->timed_out = false;
    return true;
}

static enum tls_status feed_jarm(struct tls_audit *audit, struct slice bytes) {
    uint8_t *at = audit->answer.record;

    bytes = slice_first(bytes, (size_t)(AUDIT_JARM_ANSWER_MAX - audit->jarm_len));
    if (bytes.len)
        memcpy(at + audit->jarm_len, bytes.ptr, bytes.len);
    audit->jarm_len = (uint16_t)(audit->jarm_len + bytes.len);
    return audit_jarm_is_whole((struct slice){at, audit->jarm_len}) ? TLS_DONE : TLS_MORE;
}

enum tls_status tls_audit_feed(struct tls_audit *audit, struct slice bytes, struct buffer *out) {
    if (!audit->asking)
        return TLS_DONE;
    enum tls_status status = audit_is_jarm(audit) ? feed_jarm(audit, bytes)
                             : audit_is_resumption(audit)
                                 ? tls_handshake_feed(&audit->handshake, bytes, out)
                                 : audit_answer_feed(&audit->answer, bytes);
    if (status != TLS_MORE)
        conclude(audit);
    return status;
}

bool tls_audit_lingers(const struct tls_audit *audit) {
    return audit->asking && audit_is_resumption(audit) && tls_handshake_lingers(&audit->handshake);
}

void tls_audit_ended(struct tls_audit *audit, enum tls_audit_end how) {
    if (!audit->asking)
        return;
    if (how == TLS_AUDIT_NOT_CONNECTED) {
        audit->asking = false;
        if (++audit->misses >= MISSES_MAX)
            audit->result.stop = TLS_AUDIT_UNREACHABLE;
        return;
    }
    bool lingered = tls_audit_lingers(audit);
    audit->timed_out = how == TLS_AUDIT_TIMED_OUT;
    conclude(audit);
    if (audit->timed_out && !lingered && ++audit->timeouts >= TIMEOUTS_MAX)
        audit->result.stop = TLS_AUDIT_UNREACHABLE;
}

void tls_audit_stop(struct tls_audit *audit, enum tls_audit_stop why) {
    audit->asking = false;
    if (audit->result.stop == TLS_AUDIT_FINISHED)
        audit->result.stop = (uint8_t)why;
}
