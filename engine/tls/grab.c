#include "engine/tls/grab.h"

#include "engine/tls/hello.h"

#include <assert.h>
#include <openssl/bytestring.h>

static_assert(sizeof(struct tls_grab) <= 1024, "thousands are held at once");
static_assert((size_t)TLS_HELLO_FIRST_MAX <= (size_t)TLS_GRAB_HELLO_MAX, "any first hello fits");
static_assert(sizeof((struct tls_grab *)0)->private_keys ==
                  (size_t)TLS_HELLO_SHARES * TLS_SHARE_PRIVATE_MAX,
              "one private key a share");
static_assert(LIMIT_HOST_NAME_BYTES <= UINT8_MAX, "name_len holds it");

enum state { WAIT_SERVER_HELLO, WAIT_EXTENSIONS, WAIT_CERTIFICATE };

/* In a ClientHello message */
enum {
    RANDOM_AT = TLS_MESSAGE_HEADER_BYTES + 2,
    SESSION_ID_AT = RANDOM_AT + TLS_RANDOM_BYTES + 1,
};

/* RFC 8446 section 4.1.3: SHA-256 of "HelloRetryRequest" in the place of the server random. */
static const uint8_t retry_random[TLS_RANDOM_BYTES] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

/* An answer that only says "go on with the next message" is TLS_MORE throughout this file. */

/* --- Hellos -------------------------------------------------------------------------------- */

/* Appends a hello's record to `out` and sets `message` to what of it the transcript takes, which
 * will be stored at `at`. */
static enum tls_status write_hello(struct tls_grab *grab, const struct tls_hello_parts *parts,
                                   size_t at, struct buffer *out, struct slice *message) {
    size_t len = tls_hello_bytes(grab->profile, parts);
    if (len > TLS_HELLO_MAX || at + len > grab->capacity)
        return TLS_TOO_LARGE;
    uint8_t *record = buffer_reserve(out, len);
    if (!record)
        return TLS_NO_MEMORY;
    grab->name_at = tls_hello_write(grab->profile, parts, record);
    out->len += len;
    *message = slice_from((struct slice){record, len}, TLS_RECORD_HEADER_BYTES);
    return TLS_MORE;
}

/* The hello is the end of the transcript, and the server's messages come behind it. */
static void store_hello(struct tls_grab *grab, size_t at, struct slice message) {
    memcpy(grab->storage + at, message.ptr, message.len);
    grab->hello_at = (uint32_t)at;
    grab->transcript = grab->filled = grab->read = (uint32_t)(at + message.len);
}

/* Real shares for the groups of the first hello, as key_share entries. */
static bool make_shares(struct tls_grab *grab, uint8_t shares[TLS_HELLO_SHARES_BYTES]) {
    for (size_t i = 0; i < TLS_HELLO_SHARES; i++) {
        const struct tls_group *group = grab->profile->shared[i];
        shares = tls_hello_share_entry(group, shares);
        if (!tls_group_real_share(group, shares, grab->private_keys[i]))
            return false;
        shares += group->share_bytes;
    }
    return true;
}

bool tls_grab_start(struct tls_grab *grab, const struct tls_grab_profile *profile, uint8_t *storage,
                    size_t storage_bytes, struct slice sni,
                    const uint8_t random[TLS_GRAB_RANDOM_BYTES], struct buffer *out) {
    uint8_t shares[TLS_HELLO_SHARES_BYTES];

    memset(grab, 0, sizeof *grab);
    grab->status = TLS_BROKEN; /* for those who feed it in spite of a failure */
    if (sni.len > LIMIT_HOST_NAME_BYTES)
        return false;
    grab->profile = profile;
    grab->storage = storage;
    grab->capacity = (uint32_t)(storage_bytes < UINT32_MAX ? storage_bytes : UINT32_MAX);
    grab->name_len = (uint8_t)sni.len;
    struct tls_hello_parts parts = {
        .random = random,
        .session_id = random + TLS_RANDOM_BYTES,
        .shares = {profile->shares, sizeof profile->shares},
        .name = sni,
    };
    if (profile->random_share && profile->offers_tls13) {
        if (!make_shares(grab, shares))
            return false;
        parts.shares.ptr = shares;
    }
    struct slice message;
    if (write_hello(grab, &parts, 0, out, &message) != TLS_MORE)
        return false;
    store_hello(grab, 0, message);
    grab->status = TLS_MORE;
    return true;
}

/* Section 4.4.1: after a HelloRetryRequest a hash stands for the first hello. The storage becomes
 *     message_hash · HelloRetryRequest · second ClientHello */
static enum tls_status send_second_hello(struct tls_grab *grab, struct slice retry,
                                         struct slice cookie, struct buffer *out) {
    const size_t first_share_at = grab->profile->head_len - TLS_RECORD_HEADER_BYTES + 6;
    const size_t hash_bytes = grab->suite->hash_bytes;
    const size_t at = TLS_MESSAGE_HEADER_BYTES + hash_bytes + retry.len;
    uint8_t digest[TLS13_HASH_MAX], share[4 + TLS_SHARE_MAX];
    const uint8_t *first = grab->storage;
    struct tls_hello_parts parts = {
        .random = first + RANDOM_AT,
        .session_id = first + SESSION_ID_AT,
        .shares = {first + first_share_at, TLS_HELLO_SHARES_BYTES},
        .cookie = cookie,
        .name = {first + grab->name_at, grab->name_len},
    };
    if (grab->retry) {
        uint8_t *key = tls_hello_share_entry(grab->retry, share);
        if (!grab->profile->random_share)
            tls_group_base_share(grab->retry, key);
        else if (!tls_group_real_share(grab->retry, key, grab->private_keys[0]))
            return TLS_NO_MEMORY;
        parts.shares = (struct slice){share, 4 + (size_t)grab->retry->share_bytes};
    }
    struct slice message;
    enum tls_status status = write_hello(grab, &parts, at, out, &message);
    if (status != TLS_MORE)
        return status;
    if (!tls13_hash(grab->suite, (struct slice){first, grab->transcript}, digest))
        return TLS_NO_MEMORY;
    memmove(grab->storage + TLS_MESSAGE_HEADER_BYTES + hash_bytes, retry.ptr, retry.len);
    memcpy(grab->storage + TLS_MESSAGE_HEADER_BYTES, digest, hash_bytes);
    memcpy(grab->storage, (const uint8_t[]){TLS_MESSAGE_MESSAGE_HASH, 0, 0, (uint8_t)hash_bytes},
           TLS_MESSAGE_HEADER_BYTES);
    store_hello(grab, at, message);
    return TLS_MORE;
}

/* --- Messages ------------------------------------------------------------------------------ */

struct server_hello {
    uint16_t version; /* of supported_versions; 0 without it */
    bool has_share;
    CBS random, session_id, share, cookie;
    uint16_t legacy_version, suite;
    uint8_t compression;
};

/* Those extensions of a ServerHello or HelloRetryRequest that mean something here; servers send
 * others, too, up to TLS 1.2. */
static bool read_extensions(CBS extensions, struct server_hello *out) {
    while (CBS_len(&extensions)) {
        uint16_t type;
        CBS body;
        if (!CBS_get_u16(&extensions, &type) || !CBS_get_u16_length_prefixed(&extensions, &body))
            return false;
        if (type == TLS_EXTENSION_SUPPORTED_VERSIONS) {
            if (out->version || !CBS_get_u16(&body, &out->version) || !out->version ||
                CBS_len(&body))
                return false;
        } else if (type == TLS_EXTENSION_KEY_SHARE) {
            if (out->has_share)
                return false;
            out->has_share = true;
            out->share = body;
        } else if (type == TLS_EXTENSION_COOKIE) {
            if (CBS_len(&out->cookie) || !CBS_get_u16_length_prefixed(&body, &out->cookie) ||
                !CBS_len(&out->cookie) || CBS_len(&body))
                return false;
        }
    }
    return true;
}

static bool read_server_hello(CBS body, struct server_hello *out) {
    CBS extensions;
    memset(out, 0, sizeof *out);
    if (!CBS_get_u16(&body, &out->legacy_version) ||
        !CBS_get_bytes(&body, &out->random, TLS_RANDOM_BYTES) ||
        !CBS_get_u8_length_prefixed(&body, &out->session_id) ||
        CBS_len(&out->session_id) > TLS_SESSION_ID_BYTES || !CBS_get_u16(&body, &out->suite) ||
        !CBS_get_u8(&body, &out->compression))
        return false;
    if (!CBS_len(&body)) /* before TLS 1.3 there may be none */
        return true;
    return CBS_get_u16_length_prefixed(&body, &extensions) && !CBS_len(&body) &&
           read_extensions(extensions, out);
}

/* Section 4.1.4; `message` is the whole of it, with its header. */
static enum tls_status on_retry(struct tls_grab *grab, const struct server_hello *hello,
                                struct slice message, struct buffer *out) {
    CBS share = hello->share;
    if (grab->retried || (!hello->has_share && !CBS_len(&hello->cookie)))
        return TLS_BROKEN;
    grab->retried = true;
    if (hello->has_share) {
        if (!CBS_get_u16(&share, &grab->seen.group) || CBS_len(&share))
            return TLS_BROKEN;
        for (size_t i = 0; i < TLS_HELLO_SHARES; i++)
            if (grab->profile->shared[i]->id == grab->seen.group)
                return TLS_BROKEN;
        grab->retry = tls_group_find(grab->seen.group);
        if (!grab->retry || (grab->profile->random_share && !grab->retry->curve))
            return TLS_REFUSED;
    }
    return send_second_hello(
        grab, message, (struct slice){CBS_data(&hello->cookie), CBS_len(&hello->cookie)}, out);
}

/* The group of the server's share, if it is one that we have sent; `index` is that of our private
 * key. */
static const struct tls_group *shared_group(const struct tls_grab *grab, uint16_t id,
                                            size_t *index) {
    *index = 0;
    if (grab->retry)
        return grab->retry->id == id ? grab->retry : NULL;
    for (size_t i = 0; i < TLS_HELLO_SHARES; i++)
        if (grab->profile->shared[i]->id == id) {
            *index = i;
            return grab->profile->shared[i];
        }
    return NULL;
}

static enum tls_status derive_keys(struct tls_grab *grab, CBS share, struct slice transcript) {
    uint8_t digest[TLS13_HASH_MAX], real[TLS_SHARE_SECRET_MAX];
    size_t index;
    CBS key;
    if (!CBS_get_u16(&share, &grab->seen.group) || !CBS_get_u16_length_prefixed(&share, &key) ||
        CBS_len(&share))
        return TLS_BROKEN;
    const struct tls_group *group = shared_group(grab, grab->seen.group, &index);
    if (!group)
        return TLS_REFUSED;
    struct slice peer = {CBS_data(&key), CBS_len(&key)}, secret = {real, group->secret_bytes};
    if (!(grab->profile->random_share
              ? tls_group_real_secret(group, grab->private_keys[index], peer, real)
              : tls_group_base_secret(group, peer, &secret)))
        return TLS_BROKEN;
    if (!tls13_hash(grab->suite, transcript, digest) ||
        !tls13_server_keys(grab->suite, &grab->profile->derived, secret, digest, &grab->keys))
        return TLS_NO_MEMORY;
    grab->encrypted = true;
    grab->state = WAIT_EXTENSIONS;
    return TLS_MORE;
}

static enum tls_status on_server_hello13(struct tls_grab *grab, const struct server_hello *hello,
                                         struct slice message, struct buffer *out) {
    const uint8_t *session_id = grab->storage + grab->hello_at + SESSION_ID_AT;
    const struct tls13_suite *suite = tls13_suite_find(hello->suite);
    if (!grab->profile->offers_tls13 || hello->version != TLS_VERSION_TLS13 || !suite)
        return TLS_REFUSED;
    if (hello->legacy_version != TLS_VERSION_TLS12 || hello->compression ||
        !CBS_mem_equal(&hello->session_id, session_id, TLS_SESSION_ID_BYTES) ||
        (grab->suite && grab->suite != suite))
        return TLS_BROKEN;
    /* Section 5.1: what follows has other keys or answers another hello, so it must not begin in
       this record. */
    if (grab->read != grab->filled || grab->record_have != grab->record_len)
        return TLS_BROKEN;
    grab->suite = suite;
    if (CBS_mem_equal(&hello->random, retry_random, sizeof retry_random))
        return on_retry(grab, hello, message, out);
    if (!hello->has_share)
        return TLS_BROKEN;
    /* The storage holds the transcript so far and this message right behind it. */
    return derive_keys(grab, hello->share, (struct slice){grab->storage, grab->read});
}

static enum tls_status on_server_hello(struct tls_grab *grab, CBS body, struct slice message,
                                       struct buffer *out) {
    struct server_hello hello;
    if (!read_server_hello(body, &hello))
        return TLS_BROKEN;
    grab->seen.cipher = hello.suite;
    grab->seen.version = hello.version ? hello.version : hello.legacy_version;
    if (hello.version)
        return on_server_hello13(grab, &hello, message, out);
    if (grab->retried)
        return TLS_BROKEN;
    if (grab->seen.version < grab->profile->version_min ||
        grab->seen.version > grab->profile->version_max || grab->seen.version > TLS_VERSION_TLS12)
        return TLS_REFUSED;
    grab->state = WAIT_CERTIFICATE;
    return TLS_MORE;
}

/* Extensions of the leaf's entry (section 4.4.2): not asked for, but noted. */
static bool read_leaf_extensions(struct tls_observation *seen, CBS extensions) {
    while (CBS_len(&extensions)) {
        uint16_t type;
        CBS body, list, sct;
        if (!CBS_get_u16(&extensions, &type) || !CBS_get_u16_length_prefixed(&extensions, &body))
            return false;
        if (type == TLS_EXTENSION_STATUS_REQUEST) {
            seen->ocsp_stapled = true;
        } else if (type == TLS_EXTENSION_SIGNED_CERTIFICATE_TIMESTAMP) {
            if (!CBS_get_u16_length_prefixed(&body, &list) || CBS_len(&body))
                return false;
            while (CBS_len(&list)) { /* RFC 6962 section 3.3 */
                if (!CBS_get_u16_length_prefixed(&list, &sct))
                    return false;
                seen->sct_count++;
            }
        }
    }
    return true;
}

/* Section 4.4.2; before TLS 1.3 there are neither context nor extensions. */
static enum tls_status on_certificate(struct tls_grab *grab, CBS body) {
    struct tls_observation *seen = &grab->seen;
    CBS context, list, der, extensions;

    if (grab->encrypted && (!CBS_get_u8_length_prefixed(&body, &context) || CBS_len(&context)))
        return TLS_BROKEN;
    if (!CBS_get_u24_length_prefixed(&body, &list) || CBS_len(&body) || !CBS_len(&list))
        return TLS_BROKEN;
    while (CBS_len(&list)) {
        if (!CBS_get_u24_length_prefixed(&list, &der) || !CBS_len(&der))
            return TLS_BROKEN;
        if (seen->certificate_count < LIMIT_CHAIN_CERTIFICATES)
            seen->certificates[seen->certificate_count++] =
                (struct slice){CBS_data(&der), CBS_len(&der)};
        seen->certificates_sent++;
        if (!grab->encrypted)
            continue;
        if (!CBS_get_u16_length_prefixed(&list, &extensions) ||
            (seen->certificates_sent == 1 && !read_leaf_extensions(seen, extensions)))
            return TLS_BROKEN;
    }
    return TLS_DONE;
}

static enum tls_status on_message(struct tls_grab *grab, uint8_t type, struct slice message,
                                  struct buffer *out) {
    CBS body;
    CBS_init(&body, message.ptr + TLS_MESSAGE_HEADER_BYTES, message.len - TLS_MESSAGE_HEADER_BYTES);
    switch (grab->state) {
    case WAIT_SERVER_HELLO:
        return type == TLS_MESSAGE_SERVER_HELLO ? on_server_hello(grab, body, message, out)
                                                : TLS_BROKEN;
    case WAIT_EXTENSIONS:
        grab->state = WAIT_CERTIFICATE;
        return type == TLS_MESSAGE_ENCRYPTED_EXTENSIONS ? TLS_MORE : TLS_BROKEN;
    case WAIT_CERTIFICATE:
        if (type == TLS_MESSAGE_CERTIFICATE)
            return on_certificate(grab, body);
        if (grab->encrypted && type == TLS_MESSAGE_CERTIFICATE_REQUEST &&
            !grab->seen.client_certificate_requested) {
            grab->seen.client_certificate_requested = true;
            return TLS_MORE;
        }
        if (!grab->encrypted &&
            (type == TLS_MESSAGE_SERVER_KEY_EXCHANGE || type == TLS_MESSAGE_SERVER_HELLO_DONE))
            return TLS_REFUSED; /* anonymous or by a pre-shared key */
        return TLS_BROKEN;
    }
    return TLS_BROKEN;
}

/* Deals with all messages that are there whole. */
static enum tls_status read_messages(struct tls_grab *grab, struct buffer *out) {
    enum tls_status status = TLS_MORE;
    while (status == TLS_MORE && grab->filled - grab->read >= TLS_MESSAGE_HEADER_BYTES) {
        const uint8_t *at = grab->storage + grab->read;
        uint32_t len =
            TLS_MESSAGE_HEADER_BYTES + ((uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]);
        if (len > LIMIT_FLIGHT_BYTES)
            return TLS_TOO_LARGE;
        if (grab->filled - grab->read < len)
            return TLS_MORE;
        grab->read += len;
        status = on_message(grab, at[0], (struct slice){at, len}, out);
    }
    return status;
}

/* --- Records, section 5 -------------------------------------------------------------------- */

/* Whether `len` more bytes can be stored behind the messages. */
static bool has_room(const struct tls_grab *grab, size_t len) {
    return len <= grab->capacity - grab->filled;
}

static enum tls_status add_handshake_bytes(struct tls_grab *grab, size_t len, struct buffer *out) {
    grab->filled += (uint32_t)len;
    if (grab->filled - grab->transcript > LIMIT_FLIGHT_BYTES)
        return TLS_TOO_LARGE;
    return read_messages(grab, out);
}

static enum tls_status on_alert(struct tls_grab *grab, const uint8_t *content, size_t len) {
    if (len != 2)
        return TLS_BROKEN;
    /* "unrecognized_name" and the like: up to TLS 1.2 the handshake goes on. */
    if (!grab->encrypted && content[0] == TLS_ALERT_LEVEL_WARNING &&
        content[1] != TLS_ALERT_CLOSE_NOTIFY)
        return TLS_MORE;
    grab->seen.alert_received = true;
    grab->seen.alert = content[1];
    return TLS_ALERT;
}

static enum tls_status on_ciphertext(struct tls_grab *grab, struct slice payload,
                                     struct buffer *out) {
    uint8_t *content = grab->storage + grab->filled;
    size_t len;

    if (!grab->encrypted)
        return TLS_BROKEN;
    if (!has_room(grab, payload.len))
        return TLS_TOO_LARGE;
    if (!tls13_open(grab->suite, &grab->keys, grab->header, payload, content, &len))
        return TLS_BROKEN;
    while (len && content[len - 1] == 0) /* section 5.4: padding */
        len--;
    if (len < 2 || --len > TLS_PLAINTEXT_MAX)
        return TLS_BROKEN;
    switch (content[len]) {
    case TLS_CONTENT_HANDSHAKE:
        return add_handshake_bytes(grab, len, out);
    case TLS_CONTENT_ALERT:
        return on_alert(grab, content, len);
    default:
        return TLS_BROKEN;
    }
}

/* A whole record other than handshake messages in the clear. */
static enum tls_status on_record(struct tls_grab *grab, struct slice payload, struct buffer *out) {
    switch (grab->header[0]) {
    case TLS_CONTENT_APPLICATION_DATA:
        return on_ciphertext(grab, payload, out);
    case TLS_CONTENT_ALERT: /* a server that could not make its keys sends it in the clear */
        return on_alert(grab, payload.ptr, payload.len);
    default: /* appendix D.4: a change_cipher_spec means nothing in TLS 1.3, but has one form only
              */
        return (grab->encrypted || grab->retried) && payload.len == 1 && payload.ptr[0] == 1
                   ? TLS_MORE
                   : TLS_BROKEN;
    }
}

/* Checks a header as far as it is there; the first one says whether the server speaks TLS. */
static enum tls_status check_header(const struct tls_grab *grab) {
    const uint8_t *header = grab->header;
    if (header[0] < TLS_CONTENT_CHANGE_CIPHER_SPEC || header[0] > TLS_CONTENT_APPLICATION_DATA ||
        (grab->header_len > 1 && header[1] != TLS_VERSION_SSL30 >> 8))
        return grab->records == 0 ? TLS_NOT_TLS : TLS_BROKEN;
    return TLS_MORE;
}

static enum tls_status take_header(struct tls_grab *grab, struct slice *bytes) {
    struct slice piece = slice_first(*bytes, TLS_RECORD_HEADER_BYTES - grab->header_len);
    memcpy(grab->header + grab->header_len, piece.ptr, piece.len);
    grab->header_len = (uint8_t)(grab->header_len + piece.len);
    *bytes = slice_from(*bytes, piece.len);
    enum tls_status status = check_header(grab);
    if (status != TLS_MORE || grab->header_len < TLS_RECORD_HEADER_BYTES)
        return status;
    if (++grab->records > LIMIT_FLIGHT_RECORDS)
        return TLS_TOO_LARGE;
    bool sealed = grab->header[0] == TLS_CONTENT_APPLICATION_DATA;
    grab->record_len = (uint32_t)grab->header[3] << 8 | grab->header[4];
    grab->record_have = 0;
    if (grab->record_len == 0 ||
        grab->record_len > (sealed ? TLS_CIPHERTEXT_MAX : TLS_PLAINTEXT_MAX) ||
        (grab->encrypted && grab->header[0] == TLS_CONTENT_HANDSHAKE))
        return TLS_BROKEN;
    return TLS_MORE;
}

/* Handshake messages in the clear are read as they come; any other record must be whole. One that
 * came in one piece is read where it is, others are put together behind the messages. */
static enum tls_status take_payload(struct tls_grab *grab, struct slice *bytes,
                                    struct buffer *out) {
    struct slice piece = slice_first(*bytes, grab->record_len - grab->record_have);
    bool handshake = grab->header[0] == TLS_CONTENT_HANDSHAKE;
    bool whole = piece.len == grab->record_len;
    uint32_t at = handshake ? 0 : grab->record_have;

    *bytes = slice_from(*bytes, piece.len);
    grab->record_have += (uint32_t)piece.len;
    if (grab->record_have == grab->record_len)
        grab->header_len = 0;
    if (whole && !handshake)
        return on_record(grab, piece, out);
    if (!has_room(grab, at + piece.len))
        return TLS_TOO_LARGE;
    memcpy(grab->storage + grab->filled + at, piece.ptr, piece.len);
    if (handshake)
        return add_handshake_bytes(grab, piece.len, out);
    if (grab->record_have < grab->record_len)
        return TLS_MORE;
    return on_record(grab, (struct slice){grab->storage + grab->filled, grab->record_len}, out);
}

enum tls_status tls_grab_feed(struct tls_grab *grab, struct slice bytes, struct buffer *out) {
    while (grab->status == TLS_MORE && bytes.len)
        grab->status =
            (uint8_t)(grab->header_len < TLS_RECORD_HEADER_BYTES ? take_header(grab, &bytes)
                                                                 : take_payload(grab, &bytes, out));
    return grab->status;
}
