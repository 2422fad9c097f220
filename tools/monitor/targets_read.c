#include "engine/base/quote.h"
#include "engine/base/text.h"
#include "engine/record/json.h"
#include "engine/starttls/dialogues.h"
#include "ingest/target_parse.h"
#include "tools/monitor/targets.h"

#include <stdio.h>

static enum error invalid(struct failure *failure) {
    return failure_set(failure, ERROR_USAGE, TARGET_INVALID);
}

static struct slice text_of(yyjson_val *value) {
    return json_slice(value);
}

/* A text of the row; null stands for an empty one. False when it is no text, or does not fit. */
static bool take_text(yyjson_val *value, char *out, size_t size) {
    struct slice text = slice_trim(text_of(value));

    if ((!yyjson_is_str(value) && !yyjson_is_null(value)) || text.len >= size ||
        (text.len && memchr(text.ptr, 0, text.len)))
        return false;
    if (text.len)
        memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

static bool take_number(yyjson_val *value, int64_t least, int64_t most, int64_t *out) {
    uint64_t number;

    if (yyjson_is_int(value)) {
        if (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX)
            return false;
        *out = yyjson_get_sint(value);
    } else if (yyjson_is_real(value)) { /* "14.0", as some clients write it */
        double real = yyjson_get_real(value);
        if (!(real >= (double)least && real <= (double)most) || (double)(int64_t)real != real)
            return false;
        *out = (int64_t)real;
    } else if (yyjson_is_str(value)) { /* what a form sends */
        if (!slice_to_u64(slice_trim(text_of(value)), INT64_MAX, &number))
            return false;
        *out = (int64_t)number;
    } else {
        return false;
    }
    return *out >= least && *out <= most;
}

/* --- Members --- */

typedef enum error read_member(struct monitor_target *target, const char *name, yyjson_val *value,
                               struct failure *failure);

static enum error read_block(struct monitor_target *target, struct slice text,
                             struct failure *failure) {
    struct cidr_block block;
    char first[ADDRESS_TEXT_MAX];
    unsigned tail = 0;
    enum error error = cidr_parse(text, &block, failure);

    if (error)
        return error;
    target->is_cidr = true;
    address_format(&block.first, first);
    for (unsigned __int128 rest = block.last_offset; rest; rest >>= 1)
        tail++;
    if (memchr(text.ptr, '/', text.len))
        snprintf(target->host, sizeof target->host, "%s/%u", first,
                 (block.first.family == ADDRESS_V4 ? 32 : 128) - tail);
    else if (text.len < sizeof target->host)
        snprintf(target->host, sizeof target->host, "%.*s", (int)text.len, (const char *)text.ptr);
    else
        return invalid(failure);
    return ERROR_NONE;
}

/* Names whose last label is a number are IPv4 addresses in a short or odd form to some resolvers
 * ("127.1", "0x7f000001"): nothing that should slip through here. */
static bool is_odd_address(struct slice name) {
    size_t start = name.len;

    while (start > 0 && name.ptr[start - 1] != '.')
        start--;
    struct slice label = slice_from(name, start);
    bool is_hex = label.len > 1 && label.ptr[0] == '0' && (label.ptr[1] | 0x20) == 'x';
    for (size_t i = is_hex ? 2 : 0; i < label.len; i++) {
        uint8_t byte = label.ptr[i] | 0x20;
        bool digit = label.ptr[i] >= '0' && label.ptr[i] <= '9';
        if (!digit && !(is_hex && byte >= 'a' && byte <= 'f'))
            return false;
    }
    return true;
}

static enum error read_host(struct monitor_target *target, const char *name, yyjson_val *value,
                            struct failure *failure) {
    struct slice text = slice_trim(text_of(value));
    struct target parsed = {0};

    (void)name;
    if (!yyjson_is_str(value) || !text.len || text.len > LIMIT_LINE_BYTES)
        return invalid(failure);
    if (cidr_is_block(text))
        return read_block(target, text, failure);
    enum error error = target_parse(text, &protocol_lookup_all, &parsed, failure);
    if (error)
        return error;
    target->is_cidr = false;
    if (parsed.port)
        target->port = parsed.port;
    if (memmem(text.ptr, text.len, "://", 3))
        snprintf(target->protocol, sizeof target->protocol, "%s", dialogues[parsed.protocol]->name);
    if (!parsed.name_len) {
        address_format(&parsed.address, target->host);
        return ERROR_NONE;
    }
    if (is_odd_address(target_name(&parsed)))
        return failure_set(failure, ERROR_USAGE, "%s is neither a name nor an IP address",
                           quote_of(text).text);
    memcpy(target->host, parsed.name, sizeof target->host);
    if (parsed.address.family != ADDRESS_NONE)
        address_format(&parsed.address, target->connect_address);
    return ERROR_NONE;
}

static enum error read_port(struct monitor_target *target, const char *name, yyjson_val *value,
                            struct failure *failure) {
    int64_t port;

    (void)name;
    if (!take_number(value, 1, 65535, &port))
        return invalid(failure);
    target->port = (uint16_t)port;
    return ERROR_NONE;
}

static enum error read_protocol(struct monitor_target *target, const char *name, yyjson_val *value,
                                struct failure *failure) {
    struct slice text = slice_trim(text_of(value));
    uint16_t port;
    int index;

    if (yyjson_is_null(value) || slice_equal_nocase(text, slice_of("auto")) ||
        (yyjson_is_str(value) && !text.len)) {
        target->protocol[0] = '\0';
        return ERROR_NONE;
    }
    /* RemotePower's word for plain TLS. */
    index = slice_equal_nocase(text, slice_of("none")) ? 0 : dialogue_by_name(text, &port);
    if (!yyjson_is_str(value) || index < 0)
        return failure_set(failure, ERROR_USAGE, "%s: %s is no protocol (see trawl list protocols)",
                           name, quote_of(text).text);
    snprintf(target->protocol, sizeof target->protocol, "%s", dialogues[index]->name);
    return ERROR_NONE;
}

static enum error read_connect_address(struct monitor_target *target, const char *name,
                                       yyjson_val *value, struct failure *failure) {
    struct address address;

    if (!take_text(value, target->connect_address, sizeof target->connect_address))
        return failure_set(failure, ERROR_USAGE, "%s is no IP address", name);
    if (!target->connect_address[0])
        return ERROR_NONE;
    if (!address_parse(slice_of(target->connect_address), &address))
        return failure_set(failure, ERROR_USAGE, "%s: %s is no IP address", name,
                           quote_of(slice_of(target->connect_address)).text);
    address_format(&address, target->connect_address);
    return ERROR_NONE;
}

static enum error read_label(struct monitor_target *target, const char *name, yyjson_val *value,
                             struct failure *failure) {
    struct slice text = slice_trim(text_of(value)), rest = text;
    size_t len = 0;

    if (!yyjson_is_str(value) && !yyjson_is_null(value))
        return failure_set(failure, ERROR_USAGE, "%s is no text", name);
    for (int i = 0; i < TARGET_LABEL_CHARACTERS && rest.len; i++) {
        struct text_rune rune = text_rune_first(rest);
        bool is_unsafe = !rune.valid || text_rune_is_unsafe(rune.code);

        if (!is_unsafe) {
            memcpy(target->label + len, rest.ptr, rune.len);
            len += rune.len;
        }
        rest = slice_from(rest, rune.len);
    }
    target->label[len] = '\0';
    return ERROR_NONE;
}

static enum error read_tags(struct monitor_target *target, const char *name, yyjson_val *value,
                            struct failure *failure) {
    struct buffer out;
    yyjson_arr_iter items = yyjson_arr_iter_with(value);
    yyjson_val *item;
    bool fine =
        (yyjson_is_arr(value) || yyjson_is_null(value)) && yyjson_arr_size(value) <= TARGET_TAGS;

    buffer_init(&out);
    buffer_add_byte(&out, '[');
    while (fine && (item = yyjson_arr_iter_next(&items))) {
        struct slice tag = slice_trim(text_of(item));
        fine = yyjson_is_str(item) && tag.len && tag.len <= TARGET_TAG_BYTES;
        if (out.len > 1)
            buffer_add_byte(&out, ',');
        json_add_text(tag, &out);
    }
    buffer_add_text(&out, "]");
    fine = fine && out.len < sizeof target->tags;
    if (fine && !out.failed) {
        memcpy(target->tags, out.ptr, out.len);
        target->tags[out.len] = '\0';
    }
    bool failed = out.failed;
    buffer_deinit(&out);
    if (failed)
        return failure_set(failure, ERROR_MEMORY, "no memory for tags");
    return fine ? ERROR_NONE
                : failure_set(failure, ERROR_USAGE,
                              "%s is a list of at most %d texts of at most %d bytes", name,
                              TARGET_TAGS, TARGET_TAG_BYTES);
}

static enum error take_days(yyjson_val *value, const char *name, int32_t *out,
                            struct failure *failure) {
    int64_t days;

    if (!take_number(value, 0, TARGET_DAYS_MAX, &days))
        return failure_set(failure, ERROR_USAGE, "%s: days from 0 to %d", name, TARGET_DAYS_MAX);
    *out = (int32_t)days;
    return ERROR_NONE;
}

static enum error read_warn_days(struct monitor_target *target, const char *name, yyjson_val *value,
                                 struct failure *failure) {
    return take_days(value, name, &target->warn_days, failure);
}

static enum error read_crit_days(struct monitor_target *target, const char *name, yyjson_val *value,
                                 struct failure *failure) {
    return take_days(value, name, &target->crit_days, failure);
}

static enum error read_thresholds(struct monitor_target *target, const char *name,
                                  yyjson_val *value, struct failure *failure) {
    yyjson_arr_iter items = yyjson_arr_iter_with(value);
    yyjson_val *item;

    target->has_thresholds = !yyjson_is_null(value);
    target->threshold_count = 0;
    if (!target->has_thresholds)
        return ERROR_NONE;
    if (!yyjson_is_arr(value) || yyjson_arr_size(value) > TARGET_THRESHOLDS)
        return failure_set(failure, ERROR_USAGE, "%s is a list of at most %d days", name,
                           TARGET_THRESHOLDS);
    while ((item = yyjson_arr_iter_next(&items))) {
        int32_t days = 0, *list = target->thresholds;
        uint32_t at = 0;
        enum error error = take_days(item, name, &days, failure);

        if (error)
            return error;
        while (at < target->threshold_count && list[at] > days)
            at++;
        if (at < target->threshold_count && list[at] == days)
            continue;
        memmove(&list[at + 1], &list[at], (target->threshold_count - at) * sizeof list[0]);
        list[at] = days;
        target->threshold_count++;
    }
    return ERROR_NONE;
}

static enum error read_ca_file(struct monitor_target *target, const char *name, yyjson_val *value,
                               struct failure *failure) {
    bool fits = take_text(value, target->ca_file, sizeof target->ca_file);
    bool is_bare = target->source == TARGET_FROM_CONFIG ||
                   (!strchr(target->ca_file, '/') && target->ca_file[0] != '.');

    if (fits && is_bare)
        return ERROR_NONE;
    target->ca_file[0] = '\0';
    return failure_set(failure, ERROR_USAGE, "%s: the name of a file%s", name,
                       is_bare ? "" : ", without its folder");
}

static enum error take_flag(yyjson_val *value, const char *name, bool *out,
                            struct failure *failure) {
    if (!yyjson_is_bool(value))
        return failure_set(failure, ERROR_USAGE, "%s is true or false", name);
    *out = yyjson_get_bool(value);
    return ERROR_NONE;
}

static enum error read_dane(struct monitor_target *target, const char *name, yyjson_val *value,
                            struct failure *failure) {
    return take_flag(value, name, &target->dane, failure);
}

static enum error read_via(struct monitor_target *target, const char *name, yyjson_val *value,
                           struct failure *failure) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    char *via = target->via;

    if (take_text(value, via, sizeof target->via) &&
        (strcmp(via, "*") == 0 || !via[strspn(via, allowed)]))
        return ERROR_NONE;
    return failure_set(failure, ERROR_USAGE,
                       "%s is \"*\", or a label of workers: at most %d letters, digits, \"-\", "
                       "\"_\" and \".\"",
                       name, TARGET_VIA_BYTES - 1);
}

static enum error read_enabled(struct monitor_target *target, const char *name, yyjson_val *value,
                               struct failure *failure) {
    return take_flag(value, name, &target->enabled, failure);
}

static enum error read_interval(struct monitor_target *target, const char *name, yyjson_val *value,
                                struct failure *failure) {
    int64_t seconds = 0;

    if (!yyjson_is_null(value) && (!take_number(value, 0, TARGET_INTERVAL_S_MAX, &seconds) ||
                                   (seconds != 0 && seconds < TARGET_INTERVAL_S_MIN)))
        return failure_set(failure, ERROR_USAGE, "%s: %d to %d seconds, or 0 for the usual", name,
                           TARGET_INTERVAL_S_MIN, TARGET_INTERVAL_S_MAX);
    target->interval_s = seconds;
    return ERROR_NONE;
}

/* In the order in which they are read: a port of its own counts more than that of the host. */
static const struct {
    const char *name;
    read_member *read;
} MEMBERS[] = {
    {"host", read_host},
    {"port", read_port},
    {"protocol", read_protocol},
    {"starttls", read_protocol},
    {"connect_address", read_connect_address},
    {"label", read_label},
    {"tags", read_tags},
    {"warn_days", read_warn_days},
    {"crit_days", read_crit_days},
    {"thresholds", read_thresholds},
    {"alert_days_before_expiry", read_thresholds},
    {"ca_file", read_ca_file},
    {"dane", read_dane},
    {"dane_check", read_dane},
    {"via", read_via},
    {"enabled", read_enabled},
    {"interval_s", read_interval},
    {"scan_interval", read_interval},
};
enum { MEMBER_COUNT = sizeof MEMBERS / sizeof MEMBERS[0] };

static enum error refuse_unknown(yyjson_val *object, struct failure *failure) {
    yyjson_obj_iter members = yyjson_obj_iter_with(object);
    yyjson_val *key;

    while ((key = yyjson_obj_iter_next(&members))) {
        unsigned at = 0;
        while (at < MEMBER_COUNT && !slice_is(text_of(key), MEMBERS[at].name))
            at++;
        if (at == MEMBER_COUNT)
            return failure_set(failure, ERROR_USAGE, "a target has no %s",
                               quote_of(text_of(key)).text);
    }
    return ERROR_NONE;
}

enum error target_read(struct monitor_target *target, yyjson_val *object, struct failure *failure) {
    struct monitor_target read = *target;
    enum error error = ERROR_NONE;

    if (!yyjson_is_obj(object))
        return invalid(failure);
    if (target->source == TARGET_FROM_CONFIG)
        error = refuse_unknown(object, failure);
    for (unsigned i = 0; i < MEMBER_COUNT && !error; i++) {
        yyjson_val *value = yyjson_obj_get(object, MEMBERS[i].name);
        if (value)
            error = MEMBERS[i].read(&read, MEMBERS[i].name, value, failure);
    }
    if (!error)
        error = target_check(&read, failure);
    if (!error)
        *target = read;
    return error;
}
