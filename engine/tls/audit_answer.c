#include "engine/tls/audit_answer.h"

#include "engine/tls/key_share.h"

#include <assert.h>
#include <openssl/bytestring.h>
#include <openssl/sha.h>

/* An answer that only says "go on with the next message" is TLS_MORE throughout this file. */

static struct slice slice_of_cbs(const CBS *cbs) {
    return (struct slice){CBS_data(cbs), CBS_len(cbs)};
}

static bool is_offered(const uint16_t *list, size_t count, uint16_t number) {
    for (size_t i = 0; i < count; i++)
        if (list[i] == number)
            return true;
    return false;
}

/* --- Hello --------------------------------------------------------------------------------- */

struct server_hello {
    uint16_t legacy_version, version; /* `version` of the extension; 0 without it */
    CBS random, share;
    bool has_share;
};

static bool read_protocol(struct audit_answer *answer, CBS body) { /* RFC 7301 section 3.1 */
    CBS list, name;
    if (!CBS_get_u16_length_prefixed(&body, &list) || CBS_len(&body) ||
        !CBS_get_u8_length_prefixed(&list, &name) || CBS_len(&list) || !CBS_len(&name))
        return false;
    answer->protocol = slice_of_cbs(&name);
    return true;
}

static bool read_extension(struct audit_answer *answer, uint16_t type, CBS body,
                           struct server_hello *hello) {
    switch (type) {
    case TLS_EXTENSION_SUPPORTED_VERSIONS:
        return CBS_get_u16(&body, &hello->version) && !CBS_len(&body);
    case TLS_EXTENSION_KEY_SHARE:
        hello->has_share = true;
        hello->share = body;
        return CBS_get_u16(&body, &answer->group);
    case TLS_EXTENSION_ALPN:
        return read_protocol(answer, body);
    case TLS_EXTENSION_SIGNED_CERTIFICATE_TIMESTAMP:
        answer->sct_list = slice_of_cbs(&body);
        break;
    case TLS_EXTENSION_RENEGOTIATION_INFO:
        answer->extensions |= AUDIT_HAS_RENEGOTIATION;
        break;
    case TLS_EXTENSION_SESSION_TICKET:
        answer->extensions |= AUDIT_HAS_TICKET;
        break;
    case TLS_EXTENSION_EXTENDED_MASTER_SECRET:
        answer->extensions |= AUDIT_HAS_MASTER_SECRET;
        break;
    case TLS_EXTENSION_ENCRYPT_THEN_MAC:
        answer->extensions |= AUDIT_HAS_ENCRYPT_THEN_MAC;
        break;
    case TLS_EXTENSION_HEARTBEAT:
        answer->extensions |= AUDIT_HAS_HEARTBEAT;
        break;
    default:
        break;
    }
    return true;
}

/* Of a ServerHello, or with a `hello` that is thrown away of EncryptedExtensions. */
static bool read_extensions(struct audit_answer *answer, CBS *in, struct server_hello *hello) {
    CBS list, body;
    uint16_t type;
    if (!CBS_get_u16_length_prefixed(in, &list) || CBS_len(in))
        return false;
    while (CBS_len(&list))
        if (!CBS_get_u16(&list, &type) || !CBS_get_u16_length_prefixed(&list, &body) ||
            !read_extension(answer, type, body, hello))
            return false;
    return true;
}

static bool is_retry(const struct server_hello *hello) {
    /* RFC 8446 section 4.1.3 */
    static const char words[] = "HelloRetryRequest";
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256((const uint8_t *)words, sizeof words - 1, digest);
    return CBS_mem_equal(&hello->random, digest, sizeof digest);
}

static enum tls_status derive_keys(struct audit_answer *answer, CBS share) {
    uint8_t digest[TLS13_HASH_MAX];
    struct tls13_derived derived;
    struct slice secret;
    uint16_t id;
    CBS key;

    const struct tls_group *group = tls_group_find(answer->group);
    answer->cipher = tls13_suite_find(answer->suite);
    if (!group || !answer->cipher)
        return TLS_REFUSED;
    if (!CBS_get_u16(&share, &id) || !CBS_get_u16_length_prefixed(&share, &key) ||
        CBS_len(&share) || !tls_group_base_secret(group, slice_of_cbs(&key), &secret) ||
        answer->read != answer->filled)
        return TLS_BROKEN;
    if (!tls13_derived_init(&derived) ||
        !tls13_hash(answer->cipher, (struct slice){answer->messages, answer->read}, digest) ||
        !tls13_server_keys(answer->cipher, &derived, secret, digest, &answer->keys))
        return TLS_NO_MEMORY;
    answer->encrypted = true;
    return TLS_MORE;
}

/* Whether more follows that the question needs. */
static enum tls_status after_hello(struct audit_answer *answer, const struct server_hello *hello,
                                   bool retry) {
    if (answer->version >= TLS_VERSION_TLS13) {
        if (retry || answer->depth == AUDIT_HELLO || answer->depth == AUDIT_KEY_EXCHANGE)
            return TLS_DONE;
        return derive_keys(answer, hello->share);
    }
    if (answer->depth == AUDIT_KEY_EXCHANGE) {
        const char *name = tls_cipher_name(answer->suite);
        bool ephemeral = name && (strstr(name, "DHE_") || strstr(name, "DH_anon"));
        return ephemeral ? TLS_MORE : TLS_DONE;
    }
    return answer->depth == AUDIT_FLIGHT ? TLS_MORE : TLS_DONE;
}

static enum tls_status on_server_hello(struct audit_answer *answer, CBS body) {
    const struct audit_offer *offer = answer->offer;
    bool tls13 = offer->version >= TLS_VERSION_TLS13;
    struct server_hello hello = {0};
    CBS session_id;

    if (!CBS_get_u16(&body, &hello.legacy_version) ||
        !CBS_get_bytes(&body, &hello.random, TLS_RANDOM_BYTES) ||
        !CBS_get_u8_length_prefixed(&body, &session_id) ||
        CBS_len(&session_id) > TLS_SESSION_ID_BYTES || !CBS_get_u16(&body, &answer->suite) ||
        !CBS_get_u8(&body, &answer->compression) ||
        (CBS_len(&body) && !read_extensions(answer, &body, &hello)))
        return TLS_BROKEN;
    answer->version = hello.version ? hello.version : hello.legacy_version;
    answer->session_id = !tls13 && CBS_len(&session_id);
    if ((tls13 ? answer->version != offer->version
               : hello.version || answer->version > offer->version ||
                     answer->version < TLS_VERSION_SSL30) ||
        !is_offered(offer->suites, offer->suite_count, answer->suite) ||
        (tls13 &&
         (!hello.has_share || !is_offered(offer->groups, offer->group_count, answer->group))))
        return TLS_BROKEN;
    answer->greeted = true;
    return after_hello(answer, &hello, tls13 && is_retry(&hello));
}

/* --- The rest of the flight ---------------------------------------------------------------- */

/* RFC 8422 section 5.4, RFC 5246 section 7.4.3, RFC 4279 section 3 and RFC 5489 section 2. What
 * cannot be read is a key exchange of another sort. */
static void read_key_exchange(struct audit_answer *answer, CBS body) {
    const char *name = tls_cipher_name(answer->suite);
    uint8_t curve_type;
    uint16_t group;
    CBS part;

    if (!name || (strstr(name, "PSK") && !CBS_get_u16_length_prefixed(&body, &part)))
        return;
    if (strstr(name, "ECDH")) {
        if (CBS_get_u8(&body, &curve_type) && curve_type == 3 && CBS_get_u16(&body, &group))
            answer->group = group;
    } else if (strstr(name, "DH") && CBS_get_u16_length_prefixed(&body, &part)) {
        while (CBS_len(&part) && CBS_data(&part)[0] == 0)
            CBS_skip(&part, 1);
        if (CBS_len(&part) && CBS_len(&part) < 0x1000)
            answer->dh_bits =
                (uint16_t)(CBS_len(&part) * 8 - (size_t)(__builtin_clz(CBS_data(&part)[0]) - 24));
    }
}

/* Before TLS 1.3: types, since TLS 1.2 signature algorithms, names. Then: a context, extensions. */
static bool read_certificate_request(struct audit_answer *answer, CBS body) {
    CBS part, extensions, list;
    uint16_t type;

    answer->certificate_requested = true;
    if (!CBS_get_u8_length_prefixed(&body, &part))
        return false;
    if (!answer->encrypted) {
        if ((answer->version >= TLS_VERSION_TLS12 && !CBS_get_u16_length_prefixed(&body, &part)) ||
            !CBS_get_u16_length_prefixed(&body, &list))
            return false;
        answer->ca_names = slice_of_cbs(&list);
        return true;
    }
    if (!CBS_get_u16_length_prefixed(&body, &extensions))
        return false;
    while (CBS_len(&extensions)) {
        if (!CBS_get_u16(&extensions, &type) || !CBS_get_u16_length_prefixed(&extensions, &part))
            return false;
        if (type == TLS_EXTENSION_CERTIFICATE_AUTHORITIES) {
            if (!CBS_get_u16_length_prefixed(&part, &list))
                return false;
            answer->ca_names = slice_of_cbs(&list);
        }
    }
    return true;
}

static bool read_status(struct audit_answer *answer, CBS body) { /* RFC 6066 section 8 */
    uint8_t type;
    CBS response;
    if (!CBS_get_u8(&body, &type) || type != 1 || !CBS_get_u24_length_prefixed(&body, &response))
        return false;
    answer->ocsp_response = slice_of_cbs(&response);
    return true;
}

/* RFC 8446 section 4.4.2: what comes with the leaf. */
static bool read_certificate13(struct audit_answer *answer, CBS body) {
    CBS context, list, der, extensions, part;
    uint16_t type;

    if (!CBS_get_u8_length_prefixed(&body, &context) ||
        !CBS_get_u24_length_prefixed(&body, &list) || !CBS_get_u24_length_prefixed(&list, &der) ||
        !CBS_get_u16_length_prefixed(&list, &extensions))
        return false;
    while (CBS_len(&extensions)) {
        if (!CBS_get_u16(&extensions, &type) || !CBS_get_u16_length_prefixed(&extensions, &part))
            return false;
        if (type == TLS_EXTENSION_STATUS_REQUEST && !read_status(answer, part))
            return false;
        if (type == TLS_EXTENSION_SIGNED_CERTIFICATE_TIMESTAMP)
            answer->sct_list = slice_of_cbs(&part);
    }
    return true;
}

static enum tls_status finish(struct audit_answer *answer) {
    answer->whole = true;
    return TLS_DONE;
}

static enum tls_status on_message13(struct audit_answer *answer, uint8_t type, CBS body) {
    struct server_hello ignored = {0};
    switch (type) {
    case TLS_MESSAGE_ENCRYPTED_EXTENSIONS:
        if (!read_extensions(answer, &body, &ignored))
            return TLS_BROKEN;
        return answer->depth == AUDIT_PROTOCOL ? TLS_DONE : TLS_MORE;
    case TLS_MESSAGE_CERTIFICATE_REQUEST:
        return read_certificate_request(answer, body) ? TLS_MORE : TLS_BROKEN;
    case TLS_MESSAGE_CERTIFICATE:
        return read_certificate13(answer, body) ? finish(answer) : TLS_BROKEN;
    default:
        return TLS_BROKEN;
    }
}

static enum tls_status on_message12(struct audit_answer *answer, uint8_t type, CBS body) {
    switch (type) {
    case TLS_MESSAGE_CERTIFICATE:
        return TLS_MORE;
    case TLS_MESSAGE_CERTIFICATE_STATUS:
        return read_status(answer, body) ? TLS_MORE : TLS_BROKEN;
    case TLS_MESSAGE_SERVER_KEY_EXCHANGE:
        read_key_exchange(answer, body);
        return answer->depth == AUDIT_KEY_EXCHANGE ? TLS_DONE : TLS_MORE;
    case TLS_MESSAGE_CERTIFICATE_REQUEST:
        return read_certificate_request(answer, body) ? TLS_MORE : TLS_BROKEN;
    case TLS_MESSAGE_SERVER_HELLO_DONE:
        return finish(answer);
    default:
        return TLS_BROKEN;
    }
}

static enum tls_status read_messages(struct audit_answer *answer) {
    enum tls_status status = TLS_MORE;
    CBS body;

    while (status == TLS_MORE && answer->filled - answer->read >= TLS_MESSAGE_HEADER_BYTES) {
        const uint8_t *at = answer->messages + answer->read;
        uint32_t len = (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
        if (len > LIMIT_FLIGHT_BYTES)
            return TLS_TOO_LARGE;
        if (answer->filled - answer->read < TLS_MESSAGE_HEADER_BYTES + len)
            return TLS_MORE;
        CBS_init(&body, at + TLS_MESSAGE_HEADER_BYTES, len);
        answer->read += TLS_MESSAGE_HEADER_BYTES + len;
        if (!answer->greeted)
            status = at[0] == TLS_MESSAGE_SERVER_HELLO ? on_server_hello(answer, body) : TLS_BROKEN;
        else
            status = (answer->encrypted ? on_message13 : on_message12)(answer, at[0], body);
    }
    return status;
}

/* --- Records ------------------------------------------------------------------------------- */

static enum tls_status on_content(struct audit_answer *answer, uint8_t type, struct slice content) {
    switch (type) {
    case TLS_CONTENT_HANDSHAKE:
        if (content.len > sizeof answer->messages - answer->filled)
            return TLS_TOO_LARGE;
        memmove(answer->messages + answer->filled, content.ptr, content.len);
        answer->filled += (uint32_t)content.len;
        return read_messages(answer);
    case TLS_CONTENT_ALERT:
        if (content.len != 2)
            return TLS_BROKEN;
        if (!answer->encrypted && content.ptr[0] == TLS_ALERT_LEVEL_WARNING &&
            content.ptr[1] != TLS_ALERT_CLOSE_NOTIFY)
            return TLS_MORE;
        answer->alerted = true;
        answer->alert = content.ptr[1];
        return TLS_ALERT;
    default:
        return TLS_BROKEN;
    }
}

static enum tls_status on_record(struct audit_answer *answer) {
    uint8_t *payload = answer->record + TLS_RECORD_HEADER_BYTES;
    size_t len = answer->record_len - TLS_RECORD_HEADER_BYTES;
    uint8_t type = answer->record[0];

    if (++answer->records > LIMIT_FLIGHT_RECORDS)
        return TLS_TOO_LARGE;
    if (answer->encrypted && type == TLS_CONTENT_CHANGE_CIPHER_SPEC)
        return TLS_MORE;
    if (!answer->encrypted || type != TLS_CONTENT_APPLICATION_DATA)
        return answer->encrypted && type == TLS_CONTENT_HANDSHAKE
                   ? TLS_BROKEN
                   : on_content(answer, type, (struct slice){payload, len});
    if (!tls13_open(answer->cipher, &answer->keys, answer->record, (struct slice){payload, len},
                    payload, &len))
        return TLS_BROKEN;
    while (len && payload[len - 1] == 0) /* section 5.4: padding */
        len--;
    return len ? on_content(answer, payload[len - 1], (struct slice){payload, len - 1})
               : TLS_BROKEN;
}

static enum tls_status check_header(const struct audit_answer *answer) {
    const uint8_t *header = answer->record;
    if (header[0] < TLS_CONTENT_CHANGE_CIPHER_SPEC || header[0] > TLS_CONTENT_APPLICATION_DATA ||
        (answer->record_len > 1 && header[1] != TLS_VERSION_SSL30 >> 8))
        return answer->records ? TLS_BROKEN : TLS_NOT_TLS;
    return TLS_MORE;
}

static size_t payload_len(const struct audit_answer *answer) {
    return (size_t)answer->record[3] << 8 | answer->record[4];
}

static enum tls_status take(struct audit_answer *answer, struct slice *bytes) {
    size_t wanted = TLS_RECORD_HEADER_BYTES;
    if (answer->record_len >= TLS_RECORD_HEADER_BYTES)
        wanted += payload_len(answer);
    struct slice piece = slice_first(*bytes, wanted - answer->record_len);
    memcpy(answer->record + answer->record_len, piece.ptr, piece.len);
    answer->record_len += (uint32_t)piece.len;
    *bytes = slice_from(*bytes, piece.len);

    enum tls_status status = check_header(answer);
    if (status != TLS_MORE || answer->record_len < TLS_RECORD_HEADER_BYTES)
        return status;
    if (payload_len(answer) == 0 || payload_len(answer) > TLS_CIPHERTEXT_MAX)
        return TLS_BROKEN;
    if (answer->record_len < TLS_RECORD_HEADER_BYTES + payload_len(answer))
        return TLS_MORE;
    status = on_record(answer);
    answer->record_len = 0;
    return status;
}

void audit_answer_start(struct audit_answer *answer, const struct audit_offer *offer,
                        struct slice hello, enum audit_depth depth) {
    /* all but the storage at the end, most of which is seldom touched */
    memset(answer, 0, offsetof(struct audit_answer, record));
    assert(hello.len <= AUDIT_HELLO_MAX);
    struct slice message = slice_from(hello, TLS_RECORD_HEADER_BYTES);
    memcpy(answer->messages, message.ptr, message.len);
    answer->filled = answer->read = (uint32_t)message.len;
    answer->offer = offer;
    answer->depth = depth;
}

enum tls_status audit_answer_feed(struct audit_answer *answer, struct slice bytes) {
    while (answer->status == TLS_MORE && bytes.len)
        answer->status = take(answer, &bytes);
    return answer->status;
}
