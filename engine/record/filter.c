#include "engine/record/filter.h"

#include "engine/base/quote.h"
#include "engine/base/text.h"
#include "engine/record/msgpack_token.h"
#include "engine/record/value_text.h"

#include <stdlib.h>

struct wanted {
    struct slice text;
    bool is_integer;
    int64_t integer;
};

/* Where a field stands: "chain.issuer" is the name "chain" with the member "issuer",
 * "certificate.key_type" the name "key_type" in the group "certificate". */
struct condition {
    struct slice group, name, member; /* group and member may be empty */
    struct {
        const struct field *field; /* NULL when records of this kind have none */
        const struct field *member;
    } of_kind[FILTER_KINDS_MAX];
    bool is_negated, ignores_case;
    struct wanted *wanted;
    uint32_t count;
};

struct filter {
    const struct record_kind *kinds[FILTER_KINDS_MAX];
    uint32_t kind_count, count;
    uint32_t parts;
    struct arena memory;
    struct condition conditions[FILTER_CONDITIONS_MAX];
};

/* --- Records as they are made --- */

static bool is_wanted_text(const struct condition *condition, struct slice text) {
    for (uint32_t i = 0; i < condition->count; i++)
        if (condition->ignores_case ? slice_equal_nocase(text, condition->wanted[i].text)
                                    : slice_equal(text, condition->wanted[i].text))
            return true;
    return false;
}

static bool is_wanted_integer(const struct condition *condition, int64_t integer) {
    for (uint32_t i = 0; i < condition->count; i++)
        if (condition->wanted[i].is_integer && condition->wanted[i].integer == integer)
            return true;
    return false;
}

static bool is_wanted(const struct condition *condition, const struct value *value) {
    struct buffer text;

    switch (value->kind) {
    case VALUE_ABSENT:
        return false;
    case VALUE_TEXT:
        return is_wanted_text(condition, value->bytes);
    case VALUE_INTEGER:
        return is_wanted_integer(condition, value->integer);
    case VALUE_BOOLEAN:
        return is_wanted_text(condition, slice_of(value->boolean ? "true" : "false"));
    case VALUE_REAL:
    case VALUE_TIME:
    case VALUE_TIME_MS:
    case VALUE_HEX:
    case VALUE_BASE64:
    case VALUE_ADDRESS:
    case VALUE_CODE:
        break;
    }
    buffer_init(&text);
    value_text_add(value, &text);
    bool wanted = is_wanted_text(condition, buffer_slice(&text));
    buffer_deinit(&text);
    return wanted;
}

static bool holds(const struct condition *condition, uint32_t kind, const struct record *record) {
    const struct field *field = condition->of_kind[kind].field;
    const struct field *member = condition->of_kind[kind].member;
    struct value value;

    if (!field)
        return false;
    uint32_t items = field->count ? field->count(record) : 1;
    for (uint32_t i = 0; i < items; i++) {
        (member ? member : field)->get(record, i, &value);
        if (is_wanted(condition, &value))
            return true;
    }
    return false;
}

bool filter_matches(const struct filter *filter, const struct record *record) {
    uint32_t kind = 0;

    while (kind + 1 < filter->kind_count && filter->kinds[kind] != record->kind)
        kind++;
    bool known = filter->kinds[kind] == record->kind;
    for (uint32_t i = 0; i < filter->count; i++) {
        const struct condition *condition = &filter->conditions[i];
        if ((known && holds(condition, kind, record)) == condition->is_negated)
            return false;
    }
    return true;
}

uint32_t filter_parts(const struct filter *filter) {
    return filter->parts;
}

/* --- Packed records --- */

static struct slice packed_text(struct slice bytes, const struct msgpack_token *token) {
    return slice_first(slice_from(bytes, token->head), token->length);
}

static bool is_wanted_packed(const struct condition *condition, struct slice bytes) {
    struct msgpack_token token;
    struct value value = {0};

    if (!msgpack_token_read(bytes, &token))
        return false;
    switch (token.kind) {
    case MSGPACK_TOKEN_TEXT:
        return is_wanted_text(condition, packed_text(bytes, &token));
    case MSGPACK_TOKEN_BOOLEAN:
        value = (struct value){.kind = VALUE_BOOLEAN, .boolean = token.boolean};
        break;
    case MSGPACK_TOKEN_INTEGER:
        value = (struct value){.kind = VALUE_INTEGER, .integer = token.integer};
        break;
    case MSGPACK_TOKEN_NATURAL:
        if (token.natural <= INT64_MAX)
            value = (struct value){.kind = VALUE_INTEGER, .integer = (int64_t)token.natural};
        break;
    case MSGPACK_TOKEN_REAL:
        value = (struct value){.kind = VALUE_REAL, .real = token.real};
        break;
    case MSGPACK_TOKEN_NIL:
    case MSGPACK_TOKEN_BINARY:
    case MSGPACK_TOKEN_EXTENSION:
    case MSGPACK_TOKEN_LIST:
    case MSGPACK_TOKEN_MAP:
    case MSGPACK_TOKEN_INVALID:
        break;
    }
    return is_wanted(condition, &value);
}

/* The value of a map's key; empty when it is no map or has no such key. */
static struct slice member_of(struct slice bytes, struct slice name) {
    const struct slice none = {NULL, 0};
    struct msgpack_token map, key;

    if (!msgpack_token_read(bytes, &map) || map.kind != MSGPACK_TOKEN_MAP)
        return none;
    bytes = slice_from(bytes, map.head);
    for (uint32_t i = 0; i < map.length; i++) {
        size_t key_len = msgpack_value_length(bytes);
        struct slice value = slice_from(bytes, key_len);
        size_t value_len = msgpack_value_length(value);
        if (!key_len || !value_len || !msgpack_token_read(bytes, &key))
            return none;
        if (key.kind == MSGPACK_TOKEN_TEXT && slice_equal(packed_text(bytes, &key), name))
            return slice_first(value, value_len);
        bytes = slice_from(value, value_len);
    }
    return none;
}

static bool item_holds(const struct condition *condition, struct slice item) {
    return is_wanted_packed(condition,
                            condition->member.len ? member_of(item, condition->member) : item);
}

static bool holds_packed(const struct condition *condition, struct slice record) {
    struct slice holder = condition->group.len ? member_of(record, condition->group) : record;
    struct slice bytes = member_of(holder, condition->name);
    struct msgpack_token list;

    if (!msgpack_token_read(bytes, &list))
        return false;
    if (list.kind != MSGPACK_TOKEN_LIST)
        return item_holds(condition, bytes);
    bytes = slice_from(bytes, list.head);
    for (uint32_t i = 0; i < list.length; i++) {
        size_t len = msgpack_value_length(bytes);
        if (!len)
            return false;
        if (item_holds(condition, slice_first(bytes, len)))
            return true;
        bytes = slice_from(bytes, len);
    }
    return false;
}

bool filter_matches_packed(const struct filter *filter, struct slice record) {
    for (uint32_t i = 0; i < filter->count; i++)
        if (holds_packed(&filter->conditions[i], record) == filter->conditions[i].is_negated)
            return false;
    return true;
}

/* --- Fields --- */

static const struct field *find_field(const struct field *fields, uint32_t count,
                                      struct slice name) {
    for (uint32_t i = 0; i < count; i++)
        if (slice_is(name, fields[i].name))
            return &fields[i];
    return NULL;
}

/* "a.b" and "c" of "a.b.c"; the latter is empty when there is no dot. */
static struct slice before_last_dot(struct slice path, struct slice *last) {
    const uint8_t *dot = path.len ? memrchr(path.ptr, '.', path.len) : NULL;
    size_t at = dot ? (size_t)(dot - path.ptr) : path.len;

    *last = slice_from(path, at + 1);
    return slice_first(path, at);
}

static bool find_in_kind(const struct record_kind *kind, struct slice path,
                         const struct field **field, const struct field **member) {
    struct slice last, rest = before_last_dot(path, &last);

    *member = NULL;
    *field = find_field(kind->fields, kind->field_count, path);
    if (*field)
        return (*field)->members == NULL;
    *field = find_field(kind->fields, kind->field_count, rest);
    if (*field && (*field)->members)
        *member = find_field((*field)->members, (*field)->member_count, last);
    if (!*member)
        *field = NULL;
    return *member != NULL;
}

static enum error refuse_field(const struct filter *filter, struct slice path,
                               struct failure *failure) {
    struct slice near = {NULL, 0};
    const struct field *field, *member;

    for (uint32_t i = 0; i < filter->kind_count && !near.len; i++) {
        (void)find_in_kind(filter->kinds[i], path, &field, &member);
        if (field && field->members)
            return failure_set(failure, ERROR_USAGE,
                               "only=%.64s: this is a list of objects; name one of their fields: "
                               "only=%s.%s:VALUE",
                               field->name, field->name, field->members[0].name);
        near = field_nearest(filter->kinds[i], path);
    }
    if (near.len)
        return failure_set(failure, ERROR_USAGE, "only=: unknown field %s; did you mean \"%.*s\"?",
                           quote_of(path).text, (int)near.len, (const char *)near.ptr);
    return failure_set(failure, ERROR_USAGE,
                       "only=: unknown field %s; `trawl list fields` shows all",
                       quote_of(path).text);
}

static enum error find_everywhere(struct filter *filter, struct condition *condition,
                                  struct slice path, struct failure *failure) {
    const struct field *any = NULL, *member = NULL;

    for (uint32_t i = 0; i < filter->kind_count; i++) {
        const struct field *field, *of_list;
        if (!find_in_kind(filter->kinds[i], path, &field, &of_list))
            continue;
        condition->of_kind[i].field = any = field;
        condition->of_kind[i].member = member = of_list;
        filter->parts |= field->parts;
    }
    if (!any)
        return refuse_field(filter, path, failure);
    condition->ignores_case = (member ? member : any)->kind == VALUE_HEX;
    if (member)
        path = before_last_dot(path, &condition->member);
    condition->group = before_last_dot(path, &condition->name);
    if (!condition->name.len) {
        condition->name = condition->group;
        condition->group = (struct slice){NULL, 0};
    }
    return ERROR_NONE;
}

/* --- Values --- */

static bool parse_integer(struct slice text, int64_t *out) {
    bool negative = text.len && text.ptr[0] == '-';
    uint64_t size;

    if (!slice_to_u64(slice_from(text, negative), INT64_MAX, &size))
        return false;
    *out = negative ? -(int64_t)size : (int64_t)size;
    return true;
}

static enum error refuse_word(const struct field *field, struct slice given,
                              struct failure *failure) {
    struct slice nearest = {NULL, 0};
    uint32_t best = UINT32_MAX;

    for (uint32_t i = 0; field->word(i); i++) {
        struct slice word = slice_of(field->word(i));
        uint32_t distance = text_distance(given, word);
        if (word.len && distance < best && text_is_near(given, word)) {
            best = distance;
            nearest = word;
        }
    }
    if (nearest.len)
        return failure_set(failure, ERROR_USAGE, "only=%.64s: it is never %s; did you mean %.*s?",
                           field->name, quote_of(given).text, (int)nearest.len,
                           (const char *)nearest.ptr);
    return failure_set(failure, ERROR_USAGE, "only=%.64s: it is never %s; it is %.300s",
                       field->name, quote_of(given).text, field->summary);
}

static enum error check_word(const struct field *field, struct slice given,
                             struct failure *failure) {
    for (uint32_t i = 0; field->word(i); i++)
        if (given.len && slice_is(given, field->word(i)))
            return ERROR_NONE;
    return refuse_word(field, given, failure);
}

static enum error check_value(const struct field *field, const struct wanted *wanted,
                              struct failure *failure) {
    bool is_boolean = slice_is(wanted->text, "true") || slice_is(wanted->text, "false");

    if (field->word)
        return check_word(field, wanted->text, failure);
    if (field->kind == VALUE_INTEGER && !wanted->is_integer)
        return failure_set(failure, ERROR_USAGE, "only=%.64s is a number, not %s", field->name,
                           quote_of(wanted->text).text);
    if (field->kind == VALUE_BOOLEAN && !is_boolean)
        return failure_set(failure, ERROR_USAGE, "only=%.64s is true or false, not %s", field->name,
                           quote_of(wanted->text).text);
    return ERROR_NONE;
}

static enum error add_value(struct filter *filter, struct condition *condition, char *text,
                            struct failure *failure) {
    struct wanted *wanted = &condition->wanted[condition->count++];
    enum error error = ERROR_NONE;

    if (!text_decode_percent(text))
        return failure_set(failure, ERROR_USAGE, "only=: a %% must be written as %%25");
    wanted->text = slice_of(text);
    wanted->is_integer = parse_integer(wanted->text, &wanted->integer);
    for (uint32_t i = 0; i < filter->kind_count; i++) {
        const struct field *field = condition->of_kind[i].field;
        const struct field *member = condition->of_kind[i].member;
        if (!field)
            continue;
        error = check_value(member ? member : field, wanted, failure);
        if (!error) /* one kind that knows it is enough */
            return ERROR_NONE;
    }
    return error;
}

static enum error add_values(struct filter *filter, struct condition *condition, char *text,
                             struct failure *failure) {
    enum error error = ERROR_NONE;
    size_t count = 1;

    for (const char *at = text; *at; at++)
        count += *at == ',';
    if (count > FILTER_VALUES_MAX)
        return failure_set(failure, ERROR_USAGE, "only=: at most %d values", FILTER_VALUES_MAX);
    condition->wanted = arena_take(&filter->memory, count * sizeof *condition->wanted);
    if (!condition->wanted)
        return failure_set(failure, ERROR_MEMORY, "no memory for a filter");
    for (char *next; text && !error; text = next) {
        next = strchr(text, ',');
        if (next)
            *next++ = 0;
        error = add_value(filter, condition, text, failure);
    }
    return error;
}

/* --- Conditions --- */

static enum error add_condition(struct filter *filter, char *text, struct failure *failure) {
    struct condition *condition = &filter->conditions[filter->count];
    char *colon = strchr(text, ':');

    if (filter->count == FILTER_CONDITIONS_MAX)
        return failure_set(failure, ERROR_USAGE, "at most %d conditions (only=)",
                           FILTER_CONDITIONS_MAX);
    if (!colon || !colon[1])
        return failure_set(failure, ERROR_USAGE,
                           "only=%s: write a field and what it is: only=status:critical,warning",
                           quote_of(slice_of(text)).text);
    if (strchr(colon, '='))
        return failure_set(failure, ERROR_USAGE,
                           "only=%s: options behind it follow a &; a = of a value is written as "
                           "%%3D",
                           quote_of(slice_of(text)).text);
    *colon = 0;
    condition->is_negated = text[0] == '!';
    filter->count++;
    enum error error =
        find_everywhere(filter, condition, slice_of(text + condition->is_negated), failure);
    return error ? error : add_values(filter, condition, colon + 1, failure);
}

enum error filter_new(struct filter **out, const struct record_kind *const *kinds,
                      const char *conditions, struct failure *failure) {
    struct filter *filter = calloc(1, sizeof *filter);
    size_t size = strlen(conditions) + 1;
    enum error error = ERROR_NONE;

    if (!filter || !arena_init(&filter->memory, 2 * size)) {
        free(filter);
        return failure_set(failure, ERROR_MEMORY, "no memory for a filter");
    }
    for (; kinds[filter->kind_count] && filter->kind_count < FILTER_KINDS_MAX; filter->kind_count++)
        filter->kinds[filter->kind_count] = kinds[filter->kind_count];
    char *text = (char *)arena_take(&filter->memory, size);
    if (!text)
        error = failure_set(failure, ERROR_MEMORY, "no memory for a filter");
    else
        memcpy(text, conditions, size);
    for (char *next; text && !error; text = next) {
        next = strchr(text, '&');
        if (next)
            *next++ = 0;
        error = add_condition(filter, text, failure);
    }
    if (error) {
        filter_free(filter);
        return error;
    }
    *out = filter;
    return ERROR_NONE;
}

void filter_free(struct filter *filter) {
    if (!filter)
        return;
    arena_deinit(&filter->memory);
    free(filter);
}

/* --- Out of a spec --- */

static const char ONLY[] = "only=";

static bool begins_condition(const char *text) {
    return strncmp(text, ONLY, sizeof ONLY - 1) == 0;
}

/* The pieces of a query or a fragment that are no conditions, behind its mark, which goes when none
 * is left. A fragment parts options with commas, and keeps doing so where a condition stood. */
static const char *cut_part(const char *text, struct buffer *spec, struct buffer *conditions,
                            bool *any) {
    bool in_fragment = *text == '#';
    char separator = *text++;
    const char *ends = in_fragment ? "&," : "&#";

    for (;;) {
        bool condition = begins_condition(text);
        size_t len = strcspn(text, condition ? "&#" : ends);
        if (condition) {
            if (*any)
                buffer_add_byte(conditions, '&');
            *any = true;
            buffer_add(conditions, text + sizeof ONLY - 1, len - (sizeof ONLY - 1));
        } else {
            buffer_add_byte(spec, (uint8_t)separator);
            buffer_add(spec, text, len);
            separator = in_fragment ? ',' : '&';
        }
        text += len;
        if (*text != '&' && (!in_fragment || *text != ','))
            return text;
        text++;
    }
}

/* Whether there is a condition behind the mark, up to the end of its part. */
static bool has_condition(const char *text) {
    const char *separators = *text == '#' ? "&," : "&", *end = text + 1;

    if (*text == '?')
        end += strcspn(end, "#");
    else
        end += strlen(end);
    while (++text < end) {
        if (begins_condition(text))
            return true;
        text += strcspn(text, separators);
    }
    return false;
}

enum error filter_cut(const char *text, char **spec, char **conditions, struct failure *failure) {
    struct buffer kept, cut;
    bool any = false;

    *spec = *conditions = NULL;
    buffer_init(&kept);
    buffer_init(&cut);
    while (*text) {
        size_t len = strcspn(text, "?#");
        buffer_add(&kept, text, len);
        text += len;
        if (*text && has_condition(text))
            text = cut_part(text, &kept, &cut, &any);
        else if (*text)
            buffer_add_byte(&kept, (uint8_t)*text++);
    }
    buffer_add_byte(&kept, 0);
    buffer_add_byte(&cut, 0);
    if (kept.failed || cut.failed) {
        buffer_deinit(&kept);
        buffer_deinit(&cut);
        return failure_set(failure, ERROR_MEMORY, "no memory for an output");
    }
    *spec = (char *)kept.ptr;
    if (any)
        *conditions = (char *)cut.ptr;
    else
        buffer_deinit(&cut);
    return ERROR_NONE;
}
