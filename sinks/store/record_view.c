#include "sinks/store/record_view.h"

#include "engine/base/base64.h"
#include "engine/base/text.h"
#include "engine/record/msgpack_token.h"

#include <math.h>

static const char GROUP[] = "certificate";

/* Of the record itself up to GROUP and behind its members. */
static const char *const NAMES[VIEW_FIELDS] = {
    [VIEW_RECORD] = "record",
    [VIEW_ID] = "id",
    [VIEW_TIME] = "time",
    [VIEW_HOST] = "host",
    [VIEW_IP] = "ip",
    [VIEW_PORT] = "port",
    [VIEW_PROTOCOL] = "protocol",
    [VIEW_OUTCOME] = "outcome",
    [VIEW_STATUS] = "status",
    [VIEW_DAYS_LEFT] = "days_left",
    [VIEW_CHAIN] = "chain",
    [VIEW_CERTIFICATE] = GROUP,
    [VIEW_SUBJECT] = "subject",
    [VIEW_ISSUER] = "issuer",
    [VIEW_ISSUER_CN] = "issuer_cn",
    [VIEW_ISSUER_O] = "issuer_o",
    [VIEW_SERIAL] = "serial",
    [VIEW_NOT_BEFORE] = "not_before",
    [VIEW_NOT_AFTER] = "not_after",
    [VIEW_DNS_NAMES] = "dns_names",
    [VIEW_IP_ADDRESSES] = "ip_addresses",
    [VIEW_FINGERPRINT_SHA256] = "fingerprint_sha256",
    [VIEW_FINGERPRINT_SHA1] = "fingerprint_sha1",
    [VIEW_TBS_SHA256] = "tbs_sha256",
    [VIEW_SPKI_SHA256] = "spki_sha256",
    [VIEW_KEY_TYPE] = "key_type",
    [VIEW_KEY_BITS] = "key_bits",
    [VIEW_SIGNATURE_ALGORITHM] = "signature_algorithm",
    [VIEW_IS_CA] = "is_ca",
    [VIEW_SELF_SIGNED] = "self_signed",
    [VIEW_DER] = "der",
    [VIEW_UPDATE_TYPE] = "update_type",
    [VIEW_SOURCE_LOG] = "source_log",
    [VIEW_LOG_ID] = "log_id",
    [VIEW_INDEX] = "index",
    [VIEW_SEEN_AT] = "seen_at",
    [VIEW_ENTRY_TIME] = "entry_time",
    [VIEW_VERDICT] = "verdict",
    [VIEW_SEVERITY] = "severity",
    [VIEW_KNOWN_BY] = "known_by",
    [VIEW_ISSUANCE_ID] = "issuance_id",
};

/* --- Maps and lists --- */

bool packed_walk_init(struct packed_walk *walk, struct slice packed, bool is_map) {
    struct msgpack_token token;

    if (!msgpack_token_read(packed, &token) ||
        token.kind != (is_map ? MSGPACK_TOKEN_MAP : MSGPACK_TOKEN_LIST))
        return false;
    *walk = (struct packed_walk){slice_from(packed, token.head), token.length, is_map};
    return true;
}

static bool take_value(struct slice *rest, struct slice *out) {
    size_t len = msgpack_value_length(*rest);

    *out = slice_first(*rest, len);
    *rest = slice_from(*rest, len);
    return len > 0;
}

/* The content of a text; empty for anything else. */
static struct slice text_of(struct slice packed) {
    struct msgpack_token token;

    if (!msgpack_token_read(packed, &token) || token.kind != MSGPACK_TOKEN_TEXT)
        return (struct slice){NULL, 0};
    return slice_first(slice_from(packed, token.head), token.length);
}

bool packed_walk_next(struct packed_walk *walk, struct slice *key, struct slice *value) {
    if (walk->left == 0)
        return false;
    walk->left--;
    *key = (struct slice){NULL, 0};
    if (walk->is_map) {
        struct slice packed;
        if (!take_value(&walk->rest, &packed))
            return false;
        *key = text_of(packed);
    }
    return take_value(&walk->rest, value);
}

/* --- Records --- */

static bool find(struct record_view *view, struct slice key, struct slice value, int first,
                 int last) {
    for (int i = first; i <= last; i++)
        if (slice_is(key, NAMES[i])) {
            view->values[i] = value;
            return true;
        }
    return false;
}

bool record_view_take(struct slice *bytes, struct record_view *out) {
    struct packed_walk walk;
    struct slice key, value;

    *out = (struct record_view){0};
    if (!take_value(bytes, &out->bytes) || !packed_walk_init(&walk, out->bytes, true))
        return false;
    while (packed_walk_next(&walk, &key, &value))
        if (!find(out, key, value, VIEW_RECORD, VIEW_CERTIFICATE))
            find(out, key, value, VIEW_UPDATE_TYPE, VIEW_ISSUANCE_ID);
    if (packed_walk_init(&walk, out->values[VIEW_CERTIFICATE], true))
        while (packed_walk_next(&walk, &key, &value))
            find(out, key, value, VIEW_SUBJECT, VIEW_DER);
    return true;
}

/* --- Values --- */

bool packed_integer(struct slice packed, int64_t *out) {
    struct msgpack_token token;

    if (!msgpack_token_read(packed, &token))
        return false;
    if (token.kind == MSGPACK_TOKEN_NATURAL && token.natural <= INT64_MAX)
        *out = (int64_t)token.natural;
    else if (token.kind == MSGPACK_TOKEN_INTEGER)
        *out = token.integer;
    else
        return false;
    return true;
}

bool packed_real(struct slice packed, double *out) {
    struct msgpack_token token;
    int64_t integer;

    if (packed_integer(packed, &integer)) {
        *out = (double)integer;
        return true;
    }
    if (!msgpack_token_read(packed, &token) || token.kind != MSGPACK_TOKEN_REAL ||
        !isfinite(token.real))
        return false;
    *out = token.real;
    return true;
}

bool packed_boolean(struct slice packed, bool *out) {
    struct msgpack_token token;

    if (!msgpack_token_read(packed, &token) || token.kind != MSGPACK_TOKEN_BOOLEAN)
        return false;
    *out = token.boolean;
    return true;
}

static bool is_text(struct slice packed) {
    struct msgpack_token token;
    return msgpack_token_read(packed, &token) && token.kind == MSGPACK_TOKEN_TEXT;
}

/* How much of `text` is sound: whole runes that a database takes, at most `most` bytes. */
static size_t sound_length(struct slice text, size_t most) {
    size_t at = 0;

    while (at < text.len) {
        struct text_rune rune = text_rune_first(slice_from(text, at));
        if (!rune.valid || text.ptr[at] == 0 || at + rune.len > most)
            break;
        at += rune.len;
    }
    return at;
}

bool packed_text(struct slice packed, size_t most, struct arena *arena, struct slice *out) {
    static const uint8_t replacement[] = {0xef, 0xbf, 0xbd}; /* U+FFFD */
    struct slice text = text_of(packed);
    size_t sound = sound_length(text, most);

    *out = slice_first(text, sound);
    if (!is_text(packed))
        return false;
    if (sound == text.len || text.len == 0)
        return true;
    size_t room = text.len < most / sizeof replacement ? text.len * sizeof replacement : most;
    uint8_t *at = arena_take(arena, room);
    size_t used = 0;
    while (at && text.len) {
        struct text_rune rune = text_rune_first(text);
        bool good = rune.valid && text.ptr[0] != 0;
        size_t len = good ? rune.len : sizeof replacement;
        if (used + len > room)
            break;
        memcpy(at + used, good ? text.ptr : replacement, len);
        used += len;
        text = slice_from(text, rune.len);
    }
    *out = (struct slice){at, used};
    return true;
}

static int hex_digit(uint8_t digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool packed_hex(struct slice packed, struct arena *arena, struct slice *out) {
    struct slice text = text_of(packed);
    uint8_t *at = text.len && text.len % 2 == 0 ? arena_take(arena, text.len / 2) : NULL;

    if (!at)
        return false;
    for (size_t i = 0; i < text.len; i += 2) {
        int high = hex_digit(text.ptr[i]), low = hex_digit(text.ptr[i + 1]);
        if (high < 0 || low < 0)
            return false;
        at[i / 2] = (uint8_t)(high << 4 | low);
    }
    *out = (struct slice){at, text.len / 2};
    return true;
}

bool packed_base64(struct slice packed, struct arena *arena, struct slice *out) {
    struct slice text = text_of(packed);
    uint8_t *at = text.len ? arena_take(arena, base64_decoded_max(text.len) + 1) : NULL;
    size_t written = 0;

    if (!at || !base64_decode(text, at, &written, NULL))
        return false;
    *out = (struct slice){at, written};
    return true;
}

/* Days from 1970-01-01 to a day of the Gregorian calendar: years begin in March, so that the leap
 * day is the last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool text_to_time_ms(struct slice text, int64_t *out) {
    static const char with_ms[] = "0000-00-00T00:00:00.000Z";
    static const char without[] = "0000-00-00T00:00:00Z";
    const char *form = text.len == strlen(with_ms) ? with_ms : without;
    int64_t numbers[7] = {0};
    size_t which = 0;

    if (text.len != strlen(form))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        bool digit = text.ptr[i] >= '0' && text.ptr[i] <= '9';
        if (form[i] == '0' ? !digit : text.ptr[i] != (uint8_t)form[i])
            return false;
        if (digit)
            numbers[which] = numbers[which] * 10 + (text.ptr[i] - '0');
        else
            which++;
    }
    if (numbers[1] < 1 || numbers[1] > 12 || numbers[2] < 1 || numbers[2] > 31)
        return false;
    int64_t seconds = days_of(numbers[0], numbers[1], numbers[2]) * 86400 + numbers[3] * 3600 +
                      numbers[4] * 60 + numbers[5];
    *out = seconds * 1000 + (form == with_ms ? numbers[6] : 0);
    return true;
}

bool packed_time_ms(struct slice packed, int64_t *out) {
    return text_to_time_ms(text_of(packed), out);
}
