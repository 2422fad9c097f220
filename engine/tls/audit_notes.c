#include "engine/tls/audit_internal.h"

#include <openssl/bytestring.h>

bool audit_has(const uint16_t *list, size_t count, uint16_t number) {
    for (size_t i = 0; i < count; i++)
        if (list[i] == number)
            return true;
    return false;
}

static void note_suite(struct tls_audit_version *version, uint16_t suite) {
    if (version->suite_count < TLS_AUDIT_SUITES_MAX &&
        !audit_has(version->suites, version->suite_count, suite))
        version->suites[version->suite_count++] = suite;
}

static void note_group(struct tls_audit_groups *groups, uint16_t group) {
    if (group && groups->count < TLS_AUDIT_GROUPS_MAX &&
        !audit_has(groups->ids, groups->count, group))
        groups->ids[groups->count++] = group;
}

/* Once is enough for a yes. */
static void note_fact(uint8_t *fact, bool yes) {
    if (yes)
        *fact = TLS_AUDIT_YES;
    else if (*fact == TLS_AUDIT_UNKNOWN)
        *fact = TLS_AUDIT_NO;
}

/* Up to TLS 1.2; what needs extensions is not known from SSL 3.0, which has none. */
static void note_properties(struct tls_audit_result *result, const struct audit_answer *answer) {
    const char *name = tls_cipher_name(answer->suite);

    note_fact(&result->secure_renegotiation, answer->extensions & AUDIT_HAS_RENEGOTIATION);
    note_fact(&result->compression, answer->compression == 1);
    note_fact(&result->session_ids, answer->session_id);
    if (answer->version < TLS_VERSION_TLS10)
        return;
    note_fact(&result->session_tickets, answer->extensions & AUDIT_HAS_TICKET);
    note_fact(&result->extended_master_secret, answer->extensions & AUDIT_HAS_MASTER_SECRET);
    note_fact(&result->heartbeat, answer->extensions & AUDIT_HAS_HEARTBEAT);
    if (name && strstr(name, "_CBC_"))
        note_fact(&result->encrypt_then_mac, answer->extensions & AUDIT_HAS_ENCRYPT_THEN_MAC);
}

void audit_note_answer(struct tls_audit *audit) {
    const struct audit_answer *answer = &audit->answer;
    struct tls_audit_result *result = &audit->result;
    struct tls_audit_version *version = &result->versions[audit_version_index(answer->version)];

    version->offered = TLS_AUDIT_YES;
    note_suite(version, answer->suite);
    note_group(answer->version >= TLS_VERSION_TLS13 ? &result->groups13 : &result->groups12,
               answer->group);
    if (answer->version >= TLS_VERSION_TLS13)
        return;
    note_properties(result, answer);
    if (answer->dh_bits && (!result->dh_bits || answer->dh_bits < result->dh_bits))
        result->dh_bits = answer->dh_bits;
}

static void keep(struct tls_audit *audit, struct slice *place, struct slice bytes) {
    if (!place->len && bytes.len)
        *place = arena_copy(&audit->memory, bytes);
}

static void keep_ca_names(struct tls_audit *audit, struct slice names) {
    struct tls_audit_result *result = &audit->result;
    CBS list, name;

    if (!names.len || result->ca_names_total)
        return;
    names = arena_copy(&audit->memory, names);
    CBS_init(&list, names.ptr, names.len);
    while (CBS_get_u16_length_prefixed(&list, &name)) {
        if (result->ca_name_count < TLS_AUDIT_CA_NAMES_MAX)
            result->ca_names[result->ca_name_count++] =
                (struct slice){CBS_data(&name), CBS_len(&name)};
        result->ca_names_total++;
    }
}

void audit_note_flight(struct tls_audit *audit) {
    const struct audit_answer *answer = &audit->answer;

    if (answer->certificate_requested || answer->whole)
        note_fact(&audit->result.client_certificate, answer->certificate_requested);
    audit->flight_known |= answer->whole;
    keep_ca_names(audit, answer->ca_names);
    keep(audit, &audit->result.ocsp_response, answer->ocsp_response);
    keep(audit, &audit->result.sct_list, answer->sct_list);
}
