/* Remote Desktop, MS-RDPBCGR sections 2.2.1.1 and 2.2.1.2: an X.224 connection request that asks
 * for a security protocol, and the confirm that picks one. TPKT (RFC 1006): 3, 0, length, big
 * endian. */
#include "engine/starttls/dialogue.h"

enum {
    TPKT_BYTES = 4,
    TPKT_VERSION = 3,
    /* Of the packet: the TPDU's code, then what was negotiated: type, flags, length 2, value 4. */
    CODE_AT = 5,
    NEGOTIATION_AT = 11,
    NEGOTIATION_BYTES = 8,
    CONNECTION_CONFIRM = 0xd0,
    DISCONNECT_REQUEST = 0x80,
    TYPE_RESPONSE = 2,
    TYPE_FAILURE = 3,
};

/* Connection request, RDP_NEG_REQ: TLS (1) or TLS and then CredSSP (2). */
static const uint8_t REQUEST[] = {TPKT_VERSION,
                                  0,
                                  0,
                                  19, /* TPKT */
                                  14,
                                  0xe0,
                                  0,
                                  0,
                                  0,
                                  0,
                                  0, /* X.224 */
                                  1,
                                  0,
                                  8,
                                  0,
                                  3,
                                  0,
                                  0,
                                  0};

static void rdp_start(struct dialogue_state *state, struct buffer *out) {
    (void)state;
    buffer_add(out, REQUEST, sizeof REQUEST);
}

static size_t rdp_length(struct dialogue_state *state, struct slice bytes) {
    (void)state;
    if (bytes.ptr[0] != TPKT_VERSION)
        return 1;
    if (bytes.len < TPKT_BYTES)
        return 0;
    size_t len = (size_t)(bytes.ptr[2] << 8 | bytes.ptr[3]);
    return len < TPKT_BYTES ? TPKT_BYTES : len;
}

static const char *failure_name(uint32_t code) {
    static const char *const NAMES[] = {
        NULL,
        "the server requires TLS",
        "the server allows no TLS, only standard RDP security",
        "the server has no certificate",
        "inconsistent flags",
        "the server requires CredSSP",
        "the server requires TLS with a client certificate",
    };
    return code && code < sizeof NAMES / sizeof NAMES[0] ? NAMES[code] : "unknown reason";
}

static enum dialogue_status rdp_message(struct dialogue_state *state, struct slice message,
                                        struct buffer *out) {
    (void)out;
    if (message.len < NEGOTIATION_AT)
        return DIALOGUE_BROKEN;
    if (message.ptr[CODE_AT] == DISCONNECT_REQUEST)
        return dialogue_refused(state, slice_of("the server disconnected"));
    if (message.ptr[CODE_AT] != CONNECTION_CONFIRM)
        return DIALOGUE_BROKEN;
    struct slice negotiation = slice_from(message, NEGOTIATION_AT);
    if (!negotiation.len) /* section 5.4.2.2: servers that know no negotiation */
        return dialogue_refused(state, slice_of("TLS is not offered, only standard RDP security"));
    if (negotiation.len < NEGOTIATION_BYTES)
        return DIALOGUE_BROKEN;
    const uint8_t *at = negotiation.ptr;
    uint32_t value = at[4] | (uint32_t)at[5] << 8 | (uint32_t)at[6] << 16 | (uint32_t)at[7] << 24;
    if (at[0] == TYPE_FAILURE)
        return dialogue_refused_with(state, slice_of(failure_name(value)), "failure %u", value);
    if (at[0] != TYPE_RESPONSE)
        return DIALOGUE_BROKEN;
    return value ? DIALOGUE_TLS
                 : dialogue_refused(state,
                                    slice_of("TLS is not offered, only standard RDP security"));
}

const struct dialogue dialogue_rdp = {
    .name = "rdp",
    .summary = "remote desktops, MS-RDPBCGR",
    .port = 3389,
    .aliases = {{"ms-wbt-server", 0}},
    .start = rdp_start,
    .length = rdp_length,
    .message = rdp_message,
};
