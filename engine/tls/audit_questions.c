/* What an audit asks. Every question offers something, strikes out what the server takes of it, and
 * asks again until the server refuses. */
#include "engine/tls/audit_internal.h"
#include "engine/tls/key_share.h"

enum {
    ALERT_ILLEGAL_PARAMETER = 47,
    ALERT_DECODE_ERROR = 50,
    ALERT_INTERNAL_ERROR = 80,
    ALERT_INAPPROPRIATE_FALLBACK = 86,
    ALERT_MISSING_EXTENSION = 109,
    SCSV_FALLBACK = 0x5600,
};

/* --- Offers -------------------------------------------------------------------------------- */

static struct tls_audit_version *version_at(struct tls_audit *audit, unsigned index) {
    return &audit->result.versions[index];
}

unsigned audit_newest_classic(const struct tls_audit *audit) {
    unsigned index = 1;
    while (index < TLS_AUDIT_VERSIONS && !audit_is_offered(audit, index))
        index++;
    return index;
}

/* An offer of all groups, and of no suite yet. */
static struct audit_offer *start_offer(struct tls_audit *audit, unsigned index,
                                       enum audit_depth depth) {
    struct audit_offer *offer = &audit->offer;

    offer->version = version_at(audit, index)->version;
    offer->shares = audit->shares;
    offer->protocols = 0;
    offer->suite_count = 0;
    offer->group_count = (uint16_t)audit_group_list(offer->version, offer->groups);
    audit->depth = depth;
    return offer;
}

static uint16_t strike(uint16_t *list, size_t count, const uint16_t *out, size_t out_count) {
    uint16_t left = 0;
    for (size_t i = 0; i < count; i++)
        if (!audit_has(out, out_count, list[i]))
            list[left++] = list[i];
    return left;
}

/* Suites that were not taken yet; false when none is left. */
static bool offer_suites(struct tls_audit *audit, unsigned index, enum audit_suites kind) {
    const struct tls_audit_version *version = version_at(audit, index);
    struct audit_offer *offer = &audit->offer;
    size_t count = audit_suite_list(version->version, kind, offer->suites);

    offer->suite_count = strike(offer->suites, count, version->suites, version->suite_count);
    return offer->suite_count && version->suite_count < TLS_AUDIT_SUITES_MAX;
}

/* Groups that were not taken yet; false when none is left. */
static bool offer_groups(struct audit_offer *offer, const struct tls_audit_groups *taken) {
    offer->group_count = strike(offer->groups, offer->group_count, taken->ids, taken->count);
    return offer->group_count && taken->count < TLS_AUDIT_GROUPS_MAX;
}

static void offer_one(uint16_t *list, uint16_t *count, uint16_t number) {
    list[0] = number;
    *count = 1;
}

/* What goes out is complete when the server said no, and not when it said nothing. */
static bool refused(const struct tls_audit *audit) {
    return !audit->answer.greeted && !audit->timed_out;
}

/* --- Which versions ------------------------------------------------------------------------ */

static bool ask_tls13(struct tls_audit *audit, unsigned index) {
    start_offer(audit, index, AUDIT_HELLO);
    return !audit->done && offer_suites(audit, index, AUDIT_SUITES_USUAL);
}

/* A server that knows TLS 1.3 and stumbles over the empty key share gets full ones. */
static void learn_tls13(struct tls_audit *audit, unsigned index) {
    const struct audit_answer *answer = &audit->answer;
    bool stumbled =
        answer->alerted &&
        (answer->alert == ALERT_ILLEGAL_PARAMETER || answer->alert == ALERT_DECODE_ERROR ||
         answer->alert == ALERT_INTERNAL_ERROR || answer->alert == ALERT_MISSING_EXTENSION);
    if (answer->greeted) {
        audit_note_answer(audit);
    } else if (stumbled && !audit->shares) {
        audit->shares = true;
        return;
    } else if (refused(audit)) {
        version_at(audit, index)->offered = TLS_AUDIT_NO;
    }
    audit->shares &= answer->greeted;
    audit->done = true;
}

static bool ask_version(struct tls_audit *audit, unsigned index) {
    start_offer(audit, index, AUDIT_FLIGHT);
    return !audit->done && version_at(audit, index)->offered == TLS_AUDIT_UNKNOWN &&
           offer_suites(audit, index, AUDIT_SUITES_USUAL);
}

/* The answer may come in an older version, which says no to those between. */
static void learn_version(struct tls_audit *audit, unsigned index) {
    unsigned last = audit->answer.greeted ? audit_version_index(audit->answer.version) : index + 1;

    audit->done = true;
    if (audit->answer.greeted || refused(audit))
        for (unsigned i = index; i < last; i++)
            version_at(audit, i)->offered = TLS_AUDIT_NO;
    if (audit->answer.greeted) {
        audit_note_answer(audit);
        audit_note_flight(audit);
    }
}

/* --- Protocols, and the flight of TLS 1.3 -------------------------------------------------- */

/* TLS 1.3 is read by a group with a base point: the one known to be taken, or the common ones. */
static void offer_readable(struct tls_audit *audit) {
    struct audit_offer *offer = &audit->offer;
    const struct tls_audit_groups *taken = &audit->result.groups13;

    offer->shares = true;
    for (size_t i = 0; i < TLS13_SUITE_COUNT; i++)
        offer->suites[offer->suite_count++] = tls13_suites[i].id;
    offer->group_count = 0;
    for (size_t i = 0; i < taken->count && !offer->group_count; i++)
        if (tls_group_find(taken->ids[i]))
            offer_one(offer->groups, &offer->group_count, taken->ids[i]);
    if (offer->group_count)
        return;
    static const uint16_t common[] = {TLS_GROUP_X25519, TLS_GROUP_P256, TLS_GROUP_P384,
                                      TLS_GROUP_P521, TLS_GROUP_X448};
    memcpy(offer->groups, common, sizeof common);
    offer->group_count = sizeof common / sizeof *common;
}

static bool ask_protocols(struct tls_audit *audit, unsigned index) {
    struct tls_audit_result *result = &audit->result;
    /* `again`: TLS 1.3 cannot be read */
    unsigned version =
        audit_is_offered(audit, 0) && !audit->again ? 0 : audit_newest_classic(audit);

    (void)index;
    if (audit->done || version >= audit_version_index(TLS_VERSION_SSL30) ||
        (result->protocols_complete && audit->flight_known))
        return false;
    struct audit_offer *offer =
        start_offer(audit, version, audit->flight_known ? AUDIT_PROTOCOL : AUDIT_FLIGHT);
    if (version == 0) {
        offer_readable(audit);
        if (!result->protocol_count && !result->protocols_complete)
            audit->depth = AUDIT_FLIGHT;
    } else {
        offer->suite_count =
            (uint16_t)audit_suite_list(offer->version, AUDIT_SUITES_USUAL, offer->suites);
    }
    for (size_t i = 0; i < AUDIT_PROTOCOLS && !result->protocols_complete; i++)
        offer->protocols |= UINT64_C(1) << i;
    for (size_t i = 0; i < result->protocol_count; i++)
        for (size_t j = 0; j < AUDIT_PROTOCOLS; j++)
            if (slice_is(result->protocols[i], audit_protocols[j]))
                offer->protocols &= ~(UINT64_C(1) << j);
    return true;
}

/* The name in our table of what the server chose; NULL when that was not offered. */
static const char *chosen_protocol(const struct tls_audit *audit) {
    for (size_t i = 0; i < AUDIT_PROTOCOLS; i++)
        if ((audit->offer.protocols >> i & 1) &&
            slice_is(audit->answer.protocol, audit_protocols[i]))
            return audit_protocols[i];
    return NULL;
}

static void learn_protocols(struct tls_audit *audit, unsigned index) {
    struct tls_audit_result *result = &audit->result;
    const char *chosen = chosen_protocol(audit);

    (void)index;
    if (!audit->answer.greeted) {
        /* Refused over the protocols (alert 120, mostly), if there were any. What TLS 1.3 encrypts
           is then read without them. */
        audit->done = audit->timed_out || !audit->offer.protocols;
        result->protocols_complete |= refused(audit) && audit->offer.protocols;
        return;
    }
    if (audit->depth == AUDIT_FLIGHT)
        audit_note_flight(audit);
    if (chosen) {
        result->protocols[result->protocol_count++] = slice_of(chosen);
        result->protocols_complete = result->protocol_count == AUDIT_PROTOCOLS;
    } else if (audit->answer.status == TLS_DONE) {
        result->protocols_complete = true;
        audit->done = true;
    } else if (audit->offer.version >= TLS_VERSION_TLS13 && !audit->again) {
        audit->again = true;
    } else {
        audit->done = true;
    }
}

/* --- Fallback ------------------------------------------------------------------------------ */

static bool ask_fallback(struct tls_audit *audit, unsigned index) {
    unsigned newest = audit_is_offered(audit, 0) ? 0 : audit_newest_classic(audit),
             older = newest + 1;

    (void)index;
    while (older < TLS_AUDIT_VERSIONS && !audit_is_offered(audit, older))
        older++;
    if (audit->done || older >= TLS_AUDIT_VERSIONS)
        return false;
    start_offer(audit, older, AUDIT_HELLO);
    audit->offer.suite_count =
        (uint16_t)audit_suite_list(audit->offer.version, AUDIT_SUITES_USUAL, audit->offer.suites);
    audit->offer.suites[audit->offer.suite_count++] = SCSV_FALLBACK;
    return true;
}

static void learn_fallback(struct tls_audit *audit, unsigned index) {
    (void)index;
    audit->done = true;
    if (audit->answer.greeted)
        audit->result.fallback_scsv = TLS_AUDIT_NO;
    else if (audit->answer.alerted && audit->answer.alert == ALERT_INAPPROPRIATE_FALLBACK)
        audit->result.fallback_scsv = TLS_AUDIT_YES;
}

/* --- JARM ---------------------------------------------------------------------------------- */

static bool ask_jarm(struct tls_audit *audit, unsigned index) {
    (void)index;
    return !audit->done && !audit->without_jarm;
}

/* A hello that nothing came back to in time says nothing: no fingerprint then. */
static void learn_jarm(struct tls_audit *audit, unsigned index) {
    (void)index;
    audit->done = audit->timed_out;
    if (audit->done)
        return;
    audit_jarm_answer(&audit->jarm, (struct slice){audit->answer.record, audit->jarm_len});
    if (++audit->jarm_number < AUDIT_JARM_HELLOS)
        return;
    audit_jarm_finish(&audit->jarm);
    memcpy(audit->result.jarm, audit->jarm.text, sizeof audit->result.jarm);
    audit->done = true;
}

/* --- Suites and groups of TLS 1.3 ---------------------------------------------------------- */

/* Both at once, for one does not depend on the other ... */
static bool ask_pairs(struct tls_audit *audit, unsigned index) {
    start_offer(audit, index, AUDIT_HELLO);
    return !audit->done && audit_is_offered(audit, index) &&
           offer_suites(audit, index, AUDIT_SUITES_USUAL) &&
           offer_groups(&audit->offer, &audit->result.groups13);
}

static void learn_pairs(struct tls_audit *audit, unsigned index) {
    (void)index;
    if (audit->answer.greeted)
        audit_note_answer(audit);
    else
        audit->done = true;
}

/* ... until one of them has come to its end: then each alone, beside one of the other that is known
 * to be taken. */
static bool ask_groups13(struct tls_audit *audit, unsigned index) {
    struct tls_audit_groups *groups = &audit->result.groups13;

    start_offer(audit, index, AUDIT_HELLO);
    if (audit->done || !audit_is_offered(audit, index))
        return false;
    offer_one(audit->offer.suites, &audit->offer.suite_count, version_at(audit, index)->suites[0]);
    if (offer_groups(&audit->offer, groups))
        return true;
    groups->complete = true;
    return false;
}

/* One more group means that it was the suites that had come to their end. */
static void learn_groups13(struct tls_audit *audit, unsigned index) {
    if (audit->answer.greeted) {
        audit_note_answer(audit);
        version_at(audit, index)->suites_complete = true;
        return;
    }
    audit->result.groups13.complete = refused(audit);
    audit->done = true;
}

static bool ask_suites13(struct tls_audit *audit, unsigned index) {
    struct tls_audit_version *version = version_at(audit, index);

    start_offer(audit, index, AUDIT_HELLO);
    if (audit->done || !audit_is_offered(audit, index) || version->suites_complete)
        return false;
    offer_one(audit->offer.groups, &audit->offer.group_count, audit->result.groups13.ids[0]);
    if (offer_suites(audit, index, AUDIT_SUITES_USUAL))
        return true;
    version->suites_complete = true;
    return false;
}

static void learn_suites13(struct tls_audit *audit, unsigned index) {
    if (audit->answer.greeted) {
        audit_note_answer(audit);
        return;
    }
    version_at(audit, index)->suites_complete = refused(audit);
    audit->done = true;
}

/* --- Suites and groups up to TLS 1.2 ------------------------------------------------------- */

/* A server that takes a finite-field suite but has no group for it breaks down over it: `again`
 * leaves those out. */
static bool ask_suites(struct tls_audit *audit, unsigned index) {
    struct audit_offer *offer = start_offer(audit, index, AUDIT_KEY_EXCHANGE);
    uint16_t left = 0;

    if (audit->done || !audit_is_offered(audit, index) ||
        !offer_suites(audit, index, AUDIT_SUITES_USUAL))
        return false;
    for (size_t i = 0; i < offer->suite_count; i++) {
        const char *name = tls_cipher_name(offer->suites[i]);
        if (!audit->again || !name || !strstr(name, "_DHE_"))
            offer->suites[left++] = offer->suites[i];
    }
    offer->suite_count = left;
    return left > 0;
}

static bool answers_in_version(const struct tls_audit *audit) {
    return audit->answer.greeted && audit->answer.version == audit->offer.version;
}

/* They are complete when the rare ones are, too. */
static void learn_suites(struct tls_audit *audit, unsigned index) {
    bool broke_down = audit->answer.alerted && audit->answer.alert == ALERT_INTERNAL_ERROR;

    (void)index;
    if (answers_in_version(audit))
        audit_note_answer(audit);
    else if (broke_down && !audit->again)
        audit->again = true;
    else
        audit->done = true;
}

/* Also of a server that has refused everything so far: it may know no certificates. */
static bool ask_rare_suites(struct tls_audit *audit, unsigned index) {
    bool nothing = !audit_is_offered(audit, 0) && audit_newest_classic(audit) == TLS_AUDIT_VERSIONS;

    start_offer(audit, index, AUDIT_KEY_EXCHANGE);
    if (audit->done ||
        !(audit_is_offered(audit, index) || (nothing && audit->offer.version == TLS_VERSION_TLS12)))
        return false;
    return offer_suites(audit, index, AUDIT_SUITES_RARE);
}

static void learn_rare_suites(struct tls_audit *audit, unsigned index) {
    if (audit->answer.greeted) {
        audit_note_answer(audit);
        audit->done = !answers_in_version(audit);
        return;
    }
    version_at(audit, index)->suites_complete = audit_is_offered(audit, index) && refused(audit);
    audit->done = true;
}

/* The suites that are known to be taken, backwards. */
static bool ask_order(struct tls_audit *audit, unsigned index) {
    const struct tls_audit_version *version = version_at(audit, index);
    struct audit_offer *offer = start_offer(audit, index, AUDIT_HELLO);

    for (size_t i = version->suite_count; i-- > 0;)
        offer->suites[offer->suite_count++] = version->suites[i];
    return !audit->done && version->suite_count > 1 && version->order == TLS_AUDIT_ORDER_UNKNOWN;
}

static void learn_order(struct tls_audit *audit, unsigned index) {
    struct tls_audit_version *version = version_at(audit, index);

    audit->done = true;
    if (!audit->answer.greeted)
        return;
    if (audit->answer.suite == version->suites[0])
        version->order = TLS_AUDIT_ORDER_SERVER;
    else if (audit->answer.suite == version->suites[version->suite_count - 1])
        version->order = TLS_AUDIT_ORDER_CLIENT;
}

/* Suites with an elliptic key exchange that is signed by RSA, or else by anything. */
static void offer_elliptic(struct tls_audit *audit, unsigned index) {
    const struct tls_audit_version *version = version_at(audit, index);
    static const char *const kinds[] = {"_ECDHE_RSA_", "_ECDH"};

    for (size_t kind = 0; kind < 2 && !audit->offer.suite_count; kind++)
        for (size_t i = 0; i < version->suite_count; i++) {
            const char *name = tls_cipher_name(version->suites[i]);
            if (name && strstr(name, kinds[kind]))
                audit->offer.suites[audit->offer.suite_count++] = version->suites[i];
        }
}

/* A certificate with an elliptic key needs its curve among the groups (RFC 8422 section 5.1.1):
 * when nothing is taken without the groups already known, `again`, they stand behind the others,
 * last found first, for servers that follow the client's order. */
static bool ask_groups12(struct tls_audit *audit, unsigned index) {
    struct tls_audit_groups *groups = &audit->result.groups12;

    (void)index;
    index = audit_newest_classic(audit);
    if (audit->done || index >= audit_version_index(TLS_VERSION_SSL30))
        return false;
    struct audit_offer *offer = start_offer(audit, index, AUDIT_KEY_EXCHANGE);
    offer_elliptic(audit, index);
    if (!offer->suite_count)
        return false;
    groups->complete = !offer_groups(offer, groups) && groups->count < TLS_AUDIT_GROUPS_MAX;
    for (size_t i = groups->count; audit->again && i-- > 0;)
        if (offer->group_count < AUDIT_OFFER_GROUPS_MAX)
            offer->groups[offer->group_count++] = groups->ids[i];
    return !groups->complete && groups->count < TLS_AUDIT_GROUPS_MAX;
}

static void learn_groups12(struct tls_audit *audit, unsigned index) {
    struct tls_audit_groups *groups = &audit->result.groups12;
    uint16_t group = audit->answer.greeted ? audit->answer.group : 0;
    const char *name = tls_cipher_name(audit->offer.suites[0]);

    (void)index;
    if (group && !audit_has(groups->ids, groups->count, group)) {
        audit_note_answer(audit);
        /* A group that was not offered is the server's fixed one. */
        audit->done = !audit_has(audit->offer.groups, audit->offer.group_count, group);
        return;
    }
    if (!audit->again && groups->count && refused(audit) && name && strstr(name, "ECDSA")) {
        audit->again = true;
        return;
    }
    /* With the known ones behind, only a server that was seen to follow the client has said no. */
    groups->complete =
        !audit->timed_out &&
        (!audit->again || (groups->count > 1 && group == groups->ids[groups->count - 1]));
    audit->done = true;
}

/* ------------------------------------------------------------------------------------------- */

enum { AT_TLS13, AT_TLS12, AT_TLS11, AT_TLS10, AT_SSL30 };

const struct audit_question audit_questions[] = {
    {ask_tls13, learn_tls13, AT_TLS13},
    {ask_version, learn_version, AT_TLS12},
    {ask_version, learn_version, AT_TLS11},
    {ask_version, learn_version, AT_TLS10},
    {ask_version, learn_version, AT_SSL30},
    {ask_protocols, learn_protocols, 0},
    {ask_fallback, learn_fallback, 0},
    {audit_ask_resumption, audit_learn_resumption, AUDIT_BY_PSK},
    {audit_ask_resumption, audit_learn_resumption, AUDIT_BY_TICKET},
    {audit_ask_resumption, audit_learn_resumption, AUDIT_BY_ID},
    {ask_jarm, learn_jarm, 0},
    {ask_pairs, learn_pairs, AT_TLS13},
    {ask_groups13, learn_groups13, AT_TLS13},
    {ask_suites13, learn_suites13, AT_TLS13},
    {ask_order, learn_order, AT_TLS13},
    {ask_suites, learn_suites, AT_TLS12},
    {ask_order, learn_order, AT_TLS12},
    {ask_suites, learn_suites, AT_TLS11},
    {ask_suites, learn_suites, AT_TLS10},
    {ask_suites, learn_suites, AT_SSL30},
    {ask_groups12, learn_groups12, 0},
    {ask_order, learn_order, AT_TLS11},
    {ask_order, learn_order, AT_TLS10},
    {ask_order, learn_order, AT_SSL30},
    {ask_rare_suites, learn_rare_suites, AT_TLS12},
    {ask_rare_suites, learn_rare_suites, AT_TLS11},
    {ask_rare_suites, learn_rare_suites, AT_TLS10},
    {ask_rare_suites, learn_rare_suites, AT_SSL30},
    {ask_order, learn_order, AT_TLS12}, /* of servers that only take rare ones */
    {NULL, NULL, 0},
};

bool audit_is_jarm(const struct tls_audit *audit) {
    return audit_questions[audit->question].ask == ask_jarm;
}
