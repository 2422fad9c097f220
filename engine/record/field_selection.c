#include "engine/base/text.h"
#include "engine/record/fields.h"

#include <assert.h>
#include <stdio.h>

/* --- Names --- */

/* "tls" of "tls.version"; empty when the field stands in the record itself. */
static struct slice group_of(const struct field *field) {
    const char *dot = strchr(field->name, '.');
    return (struct slice){(const uint8_t *)field->name, dot ? (size_t)(dot - field->name) : 0};
}

static struct slice own_name(const struct field *field) {
    const char *dot = strchr(field->name, '.');
    return slice_of(dot ? dot + 1 : field->name);
}

/* Keeps `name` when `known`, which stands for it, is near to `word`, and nearer than all before. */
static void suggest(struct slice word, struct slice known, struct slice name, struct slice *nearest,
                    uint32_t *best) {
    uint32_t distance = text_distance(word, known);

    if (known.len && distance < *best && text_is_near(word, known)) {
        *best = distance;
        *nearest = name;
    }
}

/* A field's own name without its group is a near miss too. */
struct slice field_nearest(const struct record_kind *kind, struct slice word) {
    struct slice nearest = {NULL, 0};
    uint32_t best = UINT32_MAX;

    for (uint32_t i = 0; i < kind->field_count; i++) {
        const struct field *field = &kind->fields[i];
        struct slice name = slice_of(field->name), group = group_of(field);
        suggest(word, name, name, &nearest, &best);
        suggest(word, group, group, &nearest, &best);
    }
    for (uint32_t i = 0; i < kind->field_count; i++)
        suggest(word, own_name(&kind->fields[i]), slice_of(kind->fields[i].name), &nearest, &best);
    return nearest;
}

/* --- Which fields --- */

static bool mark_matching(const struct record_kind *kind, struct slice name, bool *wanted) {
    bool found = false;

    for (uint32_t i = 0; i < kind->field_count; i++) {
        const struct field *field = &kind->fields[i];
        if (slice_is(name, field->name) || slice_equal(name, group_of(field)))
            wanted[i] = found = true;
    }
    return found;
}

static enum error mark_wanted(const struct record_kind *kind, const char *names, bool *wanted,
                              struct failure *failure) {
    struct slice rest = slice_of(names);

    for (;;) {
        const uint8_t *comma = rest.len ? memchr(rest.ptr, ',', rest.len) : NULL;
        size_t len = comma ? (size_t)(comma - rest.ptr) : rest.len;
        struct slice name = slice_trim(slice_first(rest, len));

        if (name.len == 0)
            return failure_set(failure, ERROR_USAGE, "an empty field name in \"%.200s\"", names);
        if (!mark_matching(kind, name, wanted)) {
            struct slice near = field_nearest(kind, name);
            return failure_set(failure, ERROR_USAGE, "unknown field \"%.*s\"%s%.*s%s",
                               (int)(name.len < 200 ? name.len : 200), (const char *)name.ptr,
                               near.len ? "; did you mean \"" : "; `trawl list fields` shows all",
                               (int)near.len, near.len ? (const char *)near.ptr : "",
                               near.len ? "\"?" : "");
        }
        if (!comma)
            return ERROR_NONE;
        rest = slice_from(rest, len + 1);
    }
}

/* --- What encoders need of them --- */

/* The three texts lie in one piece of memory, with a step behind the last. */
static bool make_key(struct arena *memory, struct slice name, const char *tail,
                     struct field_key *out) {
    size_t json_len = strlen(",\"\":") + name.len + strlen(tail);
    size_t room = json_len + 1 + name.len + FIELD_KEY_STEP;
    char *json = arena_take(memory, room);

    assert(name.len <= FIELD_NAME_MAX);
    if (!json)
        return false;
    memset(json, 0, room);
    snprintf(json, room, ",\"%.*s\":%s", (int)name.len, (const char *)name.ptr, tail);
    uint8_t *msgpack = (uint8_t *)json + json_len;
    msgpack[0] = (uint8_t)(0xa0 | name.len);
    memcpy(msgpack + 1, name.ptr, name.len);
    *out = (struct field_key){
        .name = {msgpack + 1, name.len},
        .json = {(const uint8_t *)json, json_len},
        .msgpack = {msgpack, 1 + name.len},
    };
    return true;
}

static bool pick(struct arena *memory, const struct field *field, uint32_t group,
                 struct picked_field *out) {
    *out = (struct picked_field){
        .field = field,
        .group = group,
    };
    if (!make_key(memory, own_name(field), "", &out->key))
        return false;
    if (!field->members)
        return true;
    struct picked_field *members = arena_take(memory, field->member_count * sizeof *members);
    if (!members)
        return false;
    for (uint32_t i = 0; i < field->member_count; i++)
        if (!pick(memory, &field->members[i], 0, &members[i]))
            return false;
    out->members = members;
    return true;
}

static bool build(struct field_selection *selection, const bool *wanted) {
    const struct record_kind *kind = selection->kind;
    struct arena *memory = &selection->memory;
    struct picked_field *fields = arena_take(memory, kind->field_count * sizeof *fields);
    struct field_key *groups = arena_take(memory, (kind->field_count + 1) * sizeof *groups);
    uint32_t last = 0; /* group; 0 is the record itself */

    if (!fields || !groups)
        return false;
    groups[0] = (struct field_key){{NULL, 0}, {NULL, 0}, {NULL, 0}};
    selection->fields = fields;
    selection->groups = groups;
    for (uint32_t i = 0; i < kind->field_count; i++) {
        struct slice name = group_of(&kind->fields[i]);
        if (!wanted[i])
            continue;
        if (name.len && !slice_equal(name, groups[last].name) &&
            !make_key(memory, name, "{", &groups[++last]))
            return false;
        if (!pick(memory, &kind->fields[i], name.len ? last : 0, &fields[selection->count++]))
            return false;
        selection->parts |= kind->fields[i].parts;
    }
    return true;
}

static enum error init(struct field_selection *selection, const bool *wanted,
                       struct failure *failure) {
    if (arena_init(&selection->memory, 4096) && build(selection, wanted))
        return ERROR_NONE;
    field_selection_deinit(selection);
    return failure_set(failure, ERROR_MEMORY, "no memory for the field selection");
}

enum error field_selection_init(struct field_selection *selection, const struct record_kind *kind,
                                const char *names, struct failure *failure) {
    bool wanted[FIELDS_MAX] = {false};

    *selection = (struct field_selection){.kind = kind};
    if (names) {
        enum error error = mark_wanted(kind, names, wanted, failure);
        if (error)
            return error;
    } else {
        for (uint32_t i = 0; i < kind->field_count; i++)
            wanted[i] = !kind->fields[i].on_request;
    }
    return init(selection, wanted, failure);
}

enum error field_selection_init_all(struct field_selection *selection,
                                    const struct record_kind *kind, struct failure *failure) {
    bool wanted[FIELDS_MAX];

    *selection = (struct field_selection){.kind = kind};
    for (uint32_t i = 0; i < FIELDS_MAX; i++)
        wanted[i] = true;
    return init(selection, wanted, failure);
}

void field_selection_deinit(struct field_selection *selection) {
    arena_deinit(&selection->memory);
    *selection = (struct field_selection){0};
}
