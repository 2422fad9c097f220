/* Fuzzes what the grab says and hears before the first certificate: ClientHellos for any profile
 * and name, and ServerHellos and HelloRetryRequests of any content.
 *
 * An input is
 *     versions (high half of the byte: least; low half: most), kind of certificate, name (with its
 *     length before it), then hellos of the server, each
 *         choices (see below), what is not right by choice, extensions (length of two bytes)
 * Three things must hold for every input: the hellos that go out are well-formed, the second one
 * differs from the first only where RFC 8446 section 4.1.2 lets it, and bytes that come one by one
 * have the effect of bytes that come at once. */
#include "engine/tls/grab.h"

#include "tests/fuzz/take.h"
#include "tests/unit/tls/script_server.h"

#include <openssl/bytestring.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HELLOS_MAX = 3 };

/* Choices of one hello of the server. */
enum {
    IS_RETRY = 1,
    ECHOES_SESSION_ID = 2, /* else an own one, with its length before it */
    IS_VERSION_TLS12 = 4,  /* the legacy version; else two bytes of the input */
    HAS_TLS13_SUITE = 8,   /* the one of the two top bits; else two bytes of the input */
    HAS_NO_EXTENSIONS = 16,
};

static const uint8_t random_bytes[TLS_GRAB_RANDOM_BYTES] = {1, [TLS_RANDOM_BYTES] = 2};
static const uint8_t retry_random[32] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

static void require(bool condition) {
    if (!condition)
        abort();
}

/* --- The hellos that go out ------------------------------------------------------------------ */

struct hello {
    CBS fixed; /* version, random, session id, suites and compressions */
    CBS others[16];
    uint16_t other_types[16];
    size_t other_count; /* extensions, but for the four below */
    CBS name, shares, groups, cookie;
    bool has_shares, has_cookie;
};

static bool same(const CBS *a, const CBS *b) {
    return CBS_mem_equal(a, CBS_data(b), CBS_len(b));
}

static void read_extension(struct hello *hello, uint16_t type, CBS body) {
    switch (type) {
    case TLS_EXTENSION_SERVER_NAME: {
        CBS list;
        uint8_t name_type;
        require(!CBS_len(&hello->name) && CBS_get_u16_length_prefixed(&body, &list) &&
                !CBS_len(&body) && CBS_get_u8(&list, &name_type) && name_type == 0 &&
                CBS_get_u16_length_prefixed(&list, &hello->name) && !CBS_len(&list) &&
                CBS_len(&hello->name));
        break;
    }
    case TLS_EXTENSION_KEY_SHARE:
        require(!hello->has_shares && CBS_get_u16_length_prefixed(&body, &hello->shares) &&
                !CBS_len(&body));
        hello->has_shares = true;
        break;
    case TLS_EXTENSION_COOKIE:
        require(!hello->has_cookie && CBS_get_u16_length_prefixed(&body, &hello->cookie) &&
                !CBS_len(&body));
        hello->has_cookie = true;
        break;
    case TLS_EXTENSION_PADDING:
        while (CBS_len(&body)) {
            uint8_t zero;
            require(CBS_get_u8(&body, &zero) && zero == 0);
        }
        break;
    default:
        require(hello->other_count < 16);
        hello->other_types[hello->other_count] = type;
        hello->others[hello->other_count++] = body;
        if (type == TLS_EXTENSION_SUPPORTED_GROUPS)
            require(CBS_get_u16_length_prefixed(&body, &hello->groups) && !CBS_len(&body));
    }
}

static bool offers_group(CBS groups, uint16_t wanted) {
    uint16_t group;
    while (CBS_get_u16(&groups, &group))
        if (group == wanted)
            return true;
    return false;
}

/* One record with one ClientHello, taken off `sent`. */
static struct hello read_hello(CBS *sent) {
    struct hello hello = {0};
    CBS record, message, part, extensions, body, key;
    uint8_t type;
    uint16_t version, extension, group;

    require(CBS_get_u8(sent, &type) && type == TLS_CONTENT_HANDSHAKE &&
            CBS_get_u16(sent, &version) && CBS_get_u16_length_prefixed(sent, &record));
    size_t message_len = CBS_len(&record);
    require(CBS_get_u8(&record, &type) && type == TLS_MESSAGE_CLIENT_HELLO);
    require(CBS_get_u24_length_prefixed(&record, &message) && !CBS_len(&record));
    CBS all = message;
    require(CBS_get_u16(&message, &version) && CBS_skip(&message, TLS_RANDOM_BYTES) &&
            CBS_get_u8_length_prefixed(&message, &part) &&
            (CBS_len(&part) == 0 || CBS_len(&part) == TLS_SESSION_ID_BYTES) &&
            CBS_get_u16_length_prefixed(&message, &part) && CBS_len(&part) &&
            CBS_len(&part) % 2 == 0 && CBS_get_u8_length_prefixed(&message, &part) &&
            CBS_len(&part) == 1);
    CBS_init(&hello.fixed, CBS_data(&all), CBS_len(&all) - CBS_len(&message));
    if (!CBS_len(&message)) {
        require(version == TLS_VERSION_SSL30);
        return hello;
    }
    require(CBS_get_u16_length_prefixed(&message, &extensions) && !CBS_len(&message));
    require(message_len < 256 || message_len >= 512);
    while (CBS_len(&extensions)) {
        require(CBS_get_u16(&extensions, &extension) &&
                CBS_get_u16_length_prefixed(&extensions, &body));
        read_extension(&hello, extension, body);
    }
    for (CBS shares = hello.shares; CBS_len(&shares);)
        require(CBS_get_u16(&shares, &group) && CBS_get_u16_length_prefixed(&shares, &key) &&
                CBS_len(&key) && offers_group(hello.groups, group));
    return hello;
}

/* A share for the group that was asked for, or the same shares as before; and nothing else new. */
static void check_second(const struct hello *first, const struct hello *second,
                         const struct tls_grab *grab) {
    uint16_t group;
    CBS shares = second->shares, key;
    require(same(&first->fixed, &second->fixed) && same(&first->name, &second->name) &&
            first->other_count == second->other_count && second->has_shares && !first->has_cookie);
    for (size_t i = 0; i < first->other_count; i++)
        require(first->other_types[i] == second->other_types[i] &&
                same(&first->others[i], &second->others[i]));
    require(grab->retried && (second->has_cookie || grab->retry));
    if (grab->retry)
        require(CBS_get_u16(&shares, &group) && group == grab->retry->id &&
                CBS_get_u16_length_prefixed(&shares, &key) && !CBS_len(&shares));
    else
        require(same(&first->shares, &second->shares));
}

static void check_hellos(struct slice sent, struct slice name, const struct tls_grab *grab) {
    CBS rest;
    CBS_init(&rest, sent.ptr, sent.len);
    struct hello first = read_hello(&rest);
    require(!CBS_len(&first.name) || CBS_mem_equal(&first.name, name.ptr, name.len));
    require(!name.len || CBS_len(&first.name) || !first.other_count); /* SSL 3.0 has no names */
    if (!CBS_len(&rest))
        return;
    struct hello second = read_hello(&rest);
    require(!CBS_len(&rest));
    check_second(&first, &second, grab);
}

/* --- The hellos that come in ------------------------------------------------------------------ */

static void write_hello(struct buffer *flight, struct slice *in) {
    struct buffer body, message;
    uint8_t choices = take_byte(in);

    buffer_init(&body);
    buffer_init(&message);
    script_u16(&body, choices & IS_VERSION_TLS12 ? TLS_VERSION_TLS12 : take_u16(in));
    buffer_add(&body, choices & IS_RETRY ? retry_random : random_bytes, TLS_RANDOM_BYTES);
    struct slice session_id = {random_bytes + TLS_RANDOM_BYTES, TLS_SESSION_ID_BYTES};
    if (!(choices & ECHOES_SESSION_ID))
        session_id = take(in, take_byte(in));
    buffer_add_byte(&body, (uint8_t)session_id.len);
    buffer_add_slice(&body, session_id);
    script_u16(&body,
               choices & HAS_TLS13_SUITE ? tls13_suites[(choices >> 6) % 3].id : take_u16(in));
    buffer_add_byte(&body, choices & IS_VERSION_TLS12 ? 0 : take_byte(in));
    if (!(choices & HAS_NO_EXTENSIONS)) {
        struct slice extensions = take(in, take_u16(in) & 0x3fff);
        script_u16(&body, extensions.len);
        buffer_add_slice(&body, extensions);
    }
    script_message(&message, TLS_MESSAGE_SERVER_HELLO, buffer_slice(&body));
    for (struct slice rest = buffer_slice(&message); rest.len;)
        script_record(flight, TLS_CONTENT_HANDSHAKE, take(&rest, TLS_PLAINTEXT_MAX));
    buffer_deinit(&body);
    buffer_deinit(&message);
}

/* Whether two grabs have come to the same, one of them byte by byte. */
static void check_same(const struct tls_grab *a, const struct tls_grab *b) {
    require(a->status == b->status && a->retried == b->retried && a->encrypted == b->encrypted &&
            a->retry == b->retry && a->suite == b->suite);
    require(a->seen.version == b->seen.version && a->seen.cipher == b->seen.cipher &&
            a->seen.group == b->seen.group);
    require(!a->encrypted || memcmp(&a->keys, &b->keys, sizeof a->keys) == 0);
    require(a->status != TLS_DONE && a->seen.certificate_count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t storage[2][TLS_GRAB_STORAGE_BYTES];
    struct slice in = {data, size};
    struct buffer flight, sent[2];
    struct tls_grab grabs[2];

    uint8_t versions = take_byte(&in);
    struct tls_grab_options options = {
        .version_min = (uint16_t)(TLS_VERSION_SSL30 + (versions >> 4) % 5),
        .version_max = (uint16_t)(TLS_VERSION_SSL30 + (versions & 15) % 5),
        .signatures = take_byte(&in) % 3,
    };
    if (options.version_min > options.version_max)
        return 0;
    struct slice name = take(&in, take_byte(&in) % (LIMIT_HOST_NAME_BYTES + 1));
    struct tls_grab_profile *profile = tls_grab_profile_new(&options);
    require(profile != NULL);
    buffer_init(&flight);
    for (int i = 0; i < HELLOS_MAX && in.len; i++)
        write_hello(&flight, &in);
    for (int i = 0; i < 2; i++) {
        buffer_init(&sent[i]);
        require(tls_grab_start(&grabs[i], profile, storage[i], sizeof storage[i], name,
                               random_bytes, &sent[i]));
    }
    tls_grab_feed(&grabs[0], buffer_slice(&flight), &sent[0]);
    for (size_t i = 0; i < flight.len; i++)
        tls_grab_feed(&grabs[1], (struct slice){flight.ptr + i, 1}, &sent[1]);
    check_same(&grabs[0], &grabs[1]);
    require(slice_equal(buffer_slice(&sent[0]), buffer_slice(&sent[1])));
    check_hellos(buffer_slice(&sent[0]), name, &grabs[0]);
    for (int i = 0; i < 2; i++)
        buffer_deinit(&sent[i]);
    buffer_deinit(&flight);
    tls_grab_profile_free(profile);
    return 0;
}
