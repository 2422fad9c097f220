/* Fuzzes engine/tls/audit: whatever a server answers to whichever hello, the audit ends, stays
 * within its bounds, and only believes in what it has offered.
 *
 * The input is a sequence of answers, one a connection and over again from the start when they are
 * used up: a byte with kind and piece size, a length of two bytes, so many bytes.
 *     0  the server's bytes as they are
 *     1  a ServerHello up to TLS 1.2 (version, suite by number in the hello, then a byte that says
 *        how many bytes of extensions follow), and the rest as handshake messages
 *     2  a HelloRetryRequest (suite and group by number in the hello)
 *     3  a ServerHello of TLS 1.3 to our base point, and the rest as sealed handshake messages
 *     4  nothing: the connection ends in the way that the next byte says */
#include "engine/tls/audit.h"
#include "tests/fuzz/take.h"
#include "tests/unit/tls/policy_server.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KIND_RAW, KIND_HELLO, KIND_RETRY, KIND_SEALED, KIND_END, KINDS };

static void write_hello(const struct policy_hello *hello, struct slice in, struct buffer *out) {
    static const uint8_t random[32] = {5};
    uint16_t version = (uint16_t)(0x0300 + take_byte(&in) % 5);
    uint16_t suite = hello->suites[take_byte(&in) % hello->suite_count];
    struct slice extensions = take(&in, take_byte(&in));
    struct buffer messages;
    buffer_init(&messages);
    script_server_hello(&messages, version, suite, random, (struct slice){NULL, 0}, extensions);
    buffer_add_slice(&messages, in);
    script_record(out, TLS_CONTENT_HANDSHAKE, slice_first(buffer_slice(&messages), 0xffff));
    buffer_deinit(&messages);
}

/* A policy of one suite and one group lets the server of the unit tests write these. */
static void write_tls13(const struct policy_hello *hello, struct slice record, struct slice in,
                        bool sealed, struct buffer *out) {
    static const uint8_t share[32] = {8, 7, 6};
    const uint16_t suites[] = {hello->suites[take_byte(&in) % hello->suite_count], 0};
    uint8_t number = take_byte(&in);
    const uint16_t groups[] = {hello->group_count ? hello->groups[number % hello->group_count] : 0,
                               0};
    struct policy policy = {.versions = {0x0304}, .suites13 = suites, .groups13 = groups};
    struct script script;
    if (!sealed || CBS_len(&hello->shares) == 0) {
        policy_answer13(&policy, hello, record, out);
        return;
    }
    script_init(&script, &tls13_suites[number % TLS13_SUITE_COUNT], record);
    script_server_hello13(&script, share);
    script_seal(&script, TLS_CONTENT_HANDSHAKE, slice_first(in, TLS_PLAINTEXT_MAX), 0);
    buffer_add_slice(out, buffer_slice(&script.flight));
    script_deinit(&script);
}

static void answer(struct tls_audit *audit, struct slice record, unsigned kind, size_t piece,
                   struct slice in) {
    struct policy_hello hello;
    struct buffer flight;

    if (kind == KIND_END) {
        tls_audit_ended(audit, (enum tls_audit_end)(take_byte(&in) % 3));
        return;
    }
    buffer_init(&flight);
    policy_read(&hello, record);
    if (kind == KIND_RAW)
        buffer_add_slice(&flight, in);
    else if (kind == KIND_HELLO)
        write_hello(&hello, in, &flight);
    else
        write_tls13(&hello, record, in, kind == KIND_SEALED, &flight);
    enum tls_status status = TLS_MORE;
    struct buffer out;
    buffer_init(&out);
    for (struct slice rest = buffer_slice(&flight); rest.len && status == TLS_MORE;)
        status = tls_audit_feed(audit, take(&rest, piece), &out);
    assert(!out.len);
    tls_audit_ended(audit, TLS_AUDIT_CLOSED);
    buffer_deinit(&out);
    buffer_deinit(&flight);
}

static void check(const struct tls_audit_result *result, unsigned connections) {
    assert(result->connections == connections && connections <= TLS_AUDIT_CONNECTIONS);
    for (size_t i = 0; i < TLS_AUDIT_VERSIONS; i++) {
        const struct tls_audit_version *version = &result->versions[i];
        assert(version->suite_count <= TLS_AUDIT_SUITES_MAX);
        assert(version->offered == TLS_AUDIT_YES || !version->suite_count);
        for (size_t j = 0; j < version->suite_count; j++)
            for (size_t k = 0; k < j; k++)
                assert(version->suites[j] != version->suites[k]);
    }
    assert(result->groups13.count <= TLS_AUDIT_GROUPS_MAX);
    assert(result->groups12.count <= TLS_AUDIT_GROUPS_MAX);
    assert(result->protocol_count <= TLS_AUDIT_PROTOCOLS_MAX);
    assert(result->ca_name_count <= result->ca_names_total);
    size_t jarm = strlen(result->jarm);
    assert(jarm == 0 || jarm == TLS_AUDIT_JARM_CHARS);
    volatile uint8_t sink = 0;
    for (size_t i = 0; i < result->ca_name_count; i++)
        for (size_t j = 0; j < result->ca_names[i].len; j++)
            sink ^= result->ca_names[i].ptr[j];
    for (size_t i = 0; i < result->ocsp_response.len; i++)
        sink ^= result->ocsp_response.ptr[i];
    (void)sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = {data, size};
    struct tls_audit *audit =
        tls_audit_new(slice_of("a.test"), &(struct tls_audit_options){.without_jarm = size % 2});
    uint8_t random[32] = {1};
    struct buffer hello;
    unsigned connections = 0;

    assert(audit);
    buffer_init(&hello);
    while (tls_audit_next(audit, random, &hello)) {
        if (!in.len)
            in = (struct slice){data, size};
        uint8_t choice = take_byte(&in);
        size_t len = (size_t)take_byte(&in) << 8;
        len |= take_byte(&in);
        size_t piece = choice >> 4 ? (size_t)1 << ((choice >> 4) - 1) : SIZE_MAX;
        answer(audit, buffer_slice(&hello), choice % KINDS, piece, take(&in, len));
        hello.len = 0;
        connections++;
    }
    check(tls_audit_result(audit), connections);
    buffer_deinit(&hello);
    tls_audit_free(audit);
    return 0;
}
