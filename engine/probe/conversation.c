#include "engine/probe/conversation.h"

#include "engine/tls/wire.h"

#include <stdio.h>

/* --- In the clear --- */

static const struct dialogue *dialogue_of(const struct conversation *conversation) {
    return dialogues[conversation->terms.target->protocol];
}

/* --- TLS --- */

/* Servers of other protocols know ALPN to refuse what was meant for a web server. */
static const struct tls_client *client_of(const struct conversation *conversation) {
    const struct tls_client *client = conversation->terms.settings->client;
    bool offer = conversation->terms.target->protocol == 0 && !conversation->terms.without_alpn;

    return offer ? client : tls_client_without_alpn(client);
}

static bool start_hello(struct conversation *conversation, struct buffer *out) {
    const struct conversation_terms *terms = &conversation->terms;
    struct slice sni = target_name(terms->target);
    uint8_t hello_random[TLS_GRAB_RANDOM_BYTES];

    if (terms->plan == PLAN_AUDIT) {
        buffer_add_slice(out, buffer_slice(&terms->auditing->hello));
        return !out->failed;
    }
    if (terms->plan == PLAN_HANDSHAKE)
        return tls_handshake_start(&conversation->handshake, client_of(conversation), sni, out);
    random_fill(terms->random, hello_random, sizeof hello_random);
    return tls_grab_start(&conversation->grab, terms->settings->profile, conversation->storage,
                          TLS_GRAB_STORAGE_BYTES, sni, hello_random, out);
}

static enum tls_status feed_plain(struct conversation *conversation, struct slice bytes,
                                  struct buffer *out) {
    switch (conversation->terms.plan) {
    case PLAN_HANDSHAKE:
        return tls_handshake_feed(&conversation->handshake, bytes, out);
    case PLAN_AUDIT:
        return tls_audit_feed(conversation->terms.auditing->audit, bytes, out);
    default:
        return tls_grab_feed(&conversation->grab, bytes, out);
    }
}

/* Where the protocol carries TLS in packets of its own, what was appended from `from` on is put
 * into them. */
static enum tls_status wrap(struct conversation *conversation, struct buffer *out, size_t from,
                            enum tls_status status) {
    const struct dialogue *dialogue = dialogue_of(conversation);
    struct buffer wrapped;

    if (!dialogue->wrap || out->len == from)
        return status;
    buffer_init(&wrapped);
    dialogue->wrap(slice_from(buffer_slice(out), from), &wrapped);
    out->len = from;
    buffer_add_slice(out, buffer_slice(&wrapped));
    bool ok = !wrapped.failed && !out->failed;
    buffer_deinit(&wrapped);
    return ok ? status : TLS_NO_MEMORY;
}

static enum conversation_status tls_result(struct conversation *conversation,
                                           enum tls_status status) {
    conversation->tls_status = status;
    return status == TLS_MORE ? CONVERSATION_MORE : CONVERSATION_OVER;
}

static enum conversation_status start_tls(struct conversation *conversation, struct buffer *out) {
    size_t from = out->len;

    conversation->phase = CONVERSATION_TLS;
    enum tls_status status = start_hello(conversation, out) ? TLS_MORE : TLS_NO_MEMORY;
    return tls_result(conversation, wrap(conversation, out, from, status));
}

static enum conversation_status feed_tls(struct conversation *conversation, struct slice bytes,
                                         struct buffer *out) {
    const struct dialogue *dialogue = dialogue_of(conversation);
    size_t from = out->len;

    if (!dialogue->unwrap)
        return tls_result(conversation, feed_plain(conversation, bytes, out));
    struct buffer plain;
    buffer_init(&plain);
    enum tls_status status = TLS_MORE;
    if (!dialogue->unwrap(conversation->dialogue, bytes, &plain))
        status = TLS_NOT_TLS;
    else if (plain.failed)
        status = TLS_NO_MEMORY;
    else if (plain.len)
        status = wrap(conversation, out, from, feed_plain(conversation, buffer_slice(&plain), out));
    buffer_deinit(&plain);
    return tls_result(conversation, status);
}

/* --- Both --- */

enum conversation_status conversation_start(struct conversation *conversation,
                                            const struct conversation_terms *terms,
                                            struct buffer *out) {
    conversation->terms = *terms;
    conversation->dialogue_status = DIALOGUE_MORE;
    conversation->tls_status = TLS_MORE;
    if (dialogue_is_direct(dialogue_of(conversation)))
        return start_tls(conversation, out);
    conversation->phase = CONVERSATION_DIALOGUE;
    dialogue_start(conversation->dialogue, dialogue_of(conversation), target_name(terms->target),
                   out);
    return CONVERSATION_MORE;
}

static enum conversation_status feed_dialogue(struct conversation *conversation, struct slice bytes,
                                              struct buffer *out) {
    size_t used;

    conversation->dialogue_status = dialogue_feed(conversation->dialogue, bytes, &used, out);
    if (conversation->dialogue_status == DIALOGUE_MORE)
        return CONVERSATION_MORE;
    if (conversation->dialogue_status != DIALOGUE_TLS)
        return CONVERSATION_OVER;
    enum conversation_status status = start_tls(conversation, out);
    struct slice rest = slice_from(bytes, used);
    return status == CONVERSATION_MORE && rest.len ? feed_tls(conversation, rest, out) : status;
}

enum conversation_status conversation_feed(struct conversation *conversation, struct slice bytes,
                                           struct buffer *out) {
    return conversation->phase == CONVERSATION_DIALOGUE ? feed_dialogue(conversation, bytes, out)
                                                        : feed_tls(conversation, bytes, out);
}

void conversation_end(struct conversation *conversation) {
    if (conversation->phase == CONVERSATION_TLS && conversation->terms.plan == PLAN_HANDSHAKE)
        tls_handshake_end(&conversation->handshake);
    conversation->phase = CONVERSATION_IDLE;
}

bool conversation_lingers(const struct conversation *conversation) {
    return conversation->phase == CONVERSATION_TLS && conversation->terms.plan == PLAN_AUDIT &&
           tls_audit_lingers(conversation->terms.auditing->audit);
}

/* --- How it went --- */

const struct tls_observation *conversation_seen(const struct conversation *conversation) {
    if (conversation->phase != CONVERSATION_TLS || conversation->terms.plan == PLAN_AUDIT)
        return NULL;
    return conversation->terms.plan == PLAN_HANDSHAKE ? &conversation->handshake.seen
                                                      : &conversation->grab.seen;
}

bool conversation_was_refused(const struct conversation *conversation) {
    const struct tls_observation *seen = conversation_seen(conversation);
    enum tls_status status = conversation->tls_status;

    return seen && seen->certificate_count == 0 &&
           (status == TLS_ALERT || status == TLS_REFUSED || status == TLS_BROKEN);
}

bool conversation_refused_alpn(const struct conversation *conversation) {
    return conversation->terms.plan == PLAN_HANDSHAKE && !conversation->terms.without_alpn &&
           conversation->terms.target->protocol == 0 && conversation->tls_status == TLS_ALERT &&
           conversation->handshake.seen.alert == TLS_ALERT_NO_APPLICATION_PROTOCOL;
}

static enum outcome outcome_of_dialogue(enum dialogue_status status) {
    switch (status) {
    case DIALOGUE_REFUSED:
        return OUTCOME_STARTTLS_REFUSED;
    case DIALOGUE_TOO_LARGE:
        return OUTCOME_TOO_LARGE;
    default:
        return OUTCOME_PROTOCOL_ERROR;
    }
}

enum outcome conversation_outcome(const struct conversation *conversation) {
    if (conversation->phase == CONVERSATION_DIALOGUE)
        return outcome_of_dialogue(conversation->dialogue_status);
    switch (conversation->tls_status) {
    case TLS_DONE:
        return OUTCOME_OK;
    case TLS_ALERT:
        return OUTCOME_TLS_ALERT;
    case TLS_TOO_LARGE:
        return OUTCOME_TOO_LARGE;
    case TLS_NOT_TLS:
        return OUTCOME_PROTOCOL_ERROR;
    default:
        return OUTCOME_TLS_FAILED;
    }
}

static void words_of_dialogue(const struct conversation *conversation,
                              char words[LIMIT_ERROR_TEXT_BYTES]) {
    const struct dialogue_state *dialogue = conversation->dialogue;

    if (conversation->dialogue_status == DIALOGUE_REFUSED)
        snprintf(words, LIMIT_ERROR_TEXT_BYTES, "%.*s", dialogue->words_len,
                 (const char *)dialogue->words);
    else if (conversation->dialogue_status == DIALOGUE_TOO_LARGE)
        snprintf(words, LIMIT_ERROR_TEXT_BYTES, "the server said more than any real server does");
    else
        snprintf(words, LIMIT_ERROR_TEXT_BYTES, "the server does not speak %s",
                 dialogue->dialogue->name);
}

static const char *words_of_tls(const struct conversation *conversation) {
    const char *reason = conversation->terms.plan == PLAN_HANDSHAKE
                             ? tls_handshake_reason(&conversation->handshake)
                             : NULL;
    const char *alert;

    switch (conversation->tls_status) {
    case TLS_DONE:
        return "";
    case TLS_ALERT:
        alert = tls_alert_name(conversation_seen(conversation)->alert);
        return alert ? alert : "an alert without a name";
    case TLS_TOO_LARGE:
        return "the server sent more than any real server does";
    case TLS_NOT_TLS:
        return "the server does not speak TLS";
    case TLS_REFUSED:
        return reason ? reason : "the server chose what cannot be spoken here";
    case TLS_NO_MEMORY:
        return "no memory for the conversation";
    default:
        return reason ? reason : "the server breaks the rules of TLS";
    }
}

void conversation_words(const struct conversation *conversation,
                        char words[LIMIT_ERROR_TEXT_BYTES]) {
    if (conversation->phase == CONVERSATION_DIALOGUE)
        words_of_dialogue(conversation, words);
    else
        snprintf(words, LIMIT_ERROR_TEXT_BYTES, "%s", words_of_tls(conversation));
}
