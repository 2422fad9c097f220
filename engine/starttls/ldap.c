/* LDAP (RFC 4511 section 4.14): an extended request and its response, in BER of definite lengths
 * (section 5.1). */
#include "engine/starttls/dialogue.h"

enum {
    BER_INTEGER = 0x02,
    BER_OCTETS = 0x04,
    BER_ENUMERATED = 0x0a,
    BER_SEQUENCE = 0x30,
    LDAP_EXTENDED_RESPONSE = 0x78, /* [APPLICATION 24] */
};

/* LDAPMessage { messageID 1, extendedReq { requestName [0] } } */
static const char REQUEST[] = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
                              "1.3.6.1.4.1.1466.20037";

static void ldap_start(struct dialogue_state *state, struct buffer *out) {
    (void)state;
    buffer_add(out, REQUEST, sizeof REQUEST - 1);
}

/* Reads the length behind a tag; `header` gets the bytes of both. False when more bytes are needed,
 * or when it is none that LDAP allows: then `broken` is set. */
static bool read_length(struct slice bytes, size_t *header, size_t *len, bool *broken) {
    *broken = false;
    if (bytes.len < 2)
        return false;
    *header = 2;
    *len = bytes.ptr[1];
    if (*len < 0x80)
        return true;
    size_t octets = *len & 0x7f;
    *broken = octets == 0 || octets > 4;
    if (*broken || bytes.len < 2 + octets)
        return false;
    uint32_t value = 0;
    for (size_t i = 0; i < octets; i++)
        value = value << 8 | bytes.ptr[2 + i];
    *header += octets;
    *len = value;
    return true;
}

/* Takes one element with this tag off the front of `bytes`. */
static bool take(struct slice *bytes, uint8_t tag, struct slice *content) {
    size_t header, len;
    bool broken;

    if (!bytes->len || bytes->ptr[0] != tag || !read_length(*bytes, &header, &len, &broken) ||
        len > bytes->len - header)
        return false;
    *content = slice_first(slice_from(*bytes, header), len);
    *bytes = slice_from(*bytes, header + len);
    return true;
}

static size_t ldap_length(struct dialogue_state *state, struct slice bytes) {
    size_t header, len;
    bool broken;
    (void)state;

    if (bytes.ptr[0] != BER_SEQUENCE)
        return 1;
    if (!read_length(bytes, &header, &len, &broken))
        return broken ? bytes.len : 0;
    return len > DIALOGUE_LINE_BYTES ? (size_t)DIALOGUE_LINE_BYTES + 1 : header + len;
}

/* RFC 4511 section 4.1.9: those that servers say instead of success. */
static const char *result_name(uint8_t code) {
    switch (code) {
    case 1:
        return "operationsError";
    case 2:
        return "protocolError";
    case 8:
        return "strongerAuthRequired";
    case 10:
        return "referral";
    case 12:
        return "unavailableCriticalExtension";
    case 13:
        return "confidentialityRequired";
    case 50:
        return "insufficientAccessRights";
    case 51:
        return "busy";
    case 52:
        return "unavailable";
    case 53:
        return "unwillingToPerform";
    case 80:
        return "other";
    default:
        return "error";
    }
}

/* Also a notice of disconnection (section 4.4.1), which has the number 0. */
static enum dialogue_status ldap_message(struct dialogue_state *state, struct slice message,
                                         struct buffer *out) {
    struct slice rest = message, body, id, response, code, name, words;
    (void)out;

    if (!take(&rest, BER_SEQUENCE, &body) || !take(&body, BER_INTEGER, &id) ||
        !take(&body, LDAP_EXTENDED_RESPONSE, &response) ||
        !take(&response, BER_ENUMERATED, &code) || !take(&response, BER_OCTETS, &name) ||
        !take(&response, BER_OCTETS, &words))
        return DIALOGUE_BROKEN;
    if (id.len != 1 || id.ptr[0] > 1 || code.len != 1 || (id.ptr[0] == 0 && code.ptr[0] == 0))
        return DIALOGUE_BROKEN;
    if (code.ptr[0] == 0)
        return DIALOGUE_TLS;
    return dialogue_refused_with(state, words, "%s (%u)", result_name(code.ptr[0]), code.ptr[0]);
}

const struct dialogue dialogue_ldap = {
    .name = "ldap",
    .summary = "directories, RFC 4511",
    .port = 389,
    .ports = {3268},
    .start = ldap_start,
    .length = ldap_length,
    .message = ldap_message,
};
