#include "tools/monitor/routes.h"

#include "engine/record/json.h"

const struct route_group *const route_groups[] = {
    &routes_tls,    &routes_sslscout, &routes_targets, &routes_certificates, &routes_alerts,
    &routes_outbox, &routes_agents,   &routes_probe,   &routes_session,      NULL,
};

const struct schema schema_ok = {
    .name = "Ok",
    .fields =
        (const struct schema_field[]){
            {.name = "ok", .type = SCHEMA_FLAG, .flags = SCHEMA_REQUIRED, .summary = "True."}, {0}},
};

const struct schema schema_error = {
    .name = "Error",
    .summary = "Why a request was refused.",
    .fields = (const struct schema_field[]){{.name = "error",
                                             .type = SCHEMA_TEXT,
                                             .flags = SCHEMA_REQUIRED,
                                             .summary = "In words."},
                                            {0}},
};

const struct route *route_find(enum request_method method, struct slice path,
                               struct slice parts[REQUEST_PARTS_MAX], uint32_t *allowed) {
    *allowed = 0;
    for (uint32_t i = 0; route_groups[i]; i++) {
        for (const struct route *route = route_groups[i]->routes; route->path; route++) {
            if (!request_path_matches(path, route->path, parts))
                continue;
            if (route->method == method)
                return route;
            if (!(route->flags & ROUTE_PAGE))
                *allowed |= 1u << route->method;
        }
    }
    return NULL;
}

void routes_add_methods(uint32_t allowed, struct buffer *out) {
    for (int i = 0; i < METHOD_COUNT; i++)
        if (allowed >> i & 1)
            buffer_add_format(out, "%s, ", request_method_name((enum request_method)i));
    if (allowed >> METHOD_GET & 1)
        buffer_add_text(out, "HEAD, ");
    buffer_add_text(out, "OPTIONS");
}

/* --- Queries --- */

static enum error check_number(const struct schema_field *field, struct slice value,
                               struct failure *failure) {
    uint64_t number, most = field->maximum ? (uint64_t)field->maximum : UINT32_MAX;

    if (slice_to_u64(value, most, &number) && (int64_t)number >= field->minimum)
        return ERROR_NONE;
    return failure_set(failure, ERROR_USAGE, "%s is not a number from %lld to %llu", field->name,
                       (long long)field->minimum, (unsigned long long)most);
}

static enum error check_choice(const struct schema_field *field, struct slice value,
                               struct failure *failure) {
    struct buffer words;

    for (const char *const *choice = field->choices; *choice; choice++)
        if (slice_is(value, *choice))
            return ERROR_NONE;
    buffer_init(&words);
    for (const char *const *choice = field->choices; *choice; choice++)
        buffer_add_format(&words, "%s%s", words.len ? ", " : "", *choice);
    enum error error = failure_set(failure, ERROR_USAGE, "%s is none of %.*s", field->name,
                                   (int)words.len, (const char *)words.ptr);
    buffer_deinit(&words);
    return error;
}

static enum error check_flag(const struct schema_field *field, struct slice value,
                             struct failure *failure) {
    if (slice_is(value, "true") || slice_is(value, "false") || slice_is(value, "1") ||
        slice_is(value, "0"))
        return ERROR_NONE;
    return failure_set(failure, ERROR_USAGE, "%s is neither true nor false", field->name);
}

static enum error check_field(const struct schema_field *field, struct slice value,
                              struct failure *failure) {
    if (!value.len) /* as forms send what was not filled in */
        return field->flags & SCHEMA_REQUIRED
                   ? failure_set(failure, ERROR_USAGE, "%s is missing", field->name)
                   : ERROR_NONE;
    if (field->type == SCHEMA_INTEGER)
        return check_number(field, value, failure);
    if (field->type == SCHEMA_FLAG)
        return check_flag(field, value, failure);
    return field->choices ? check_choice(field, value, failure) : ERROR_NONE;
}

enum error route_check_query(const struct route *route, const struct request *request,
                             struct failure *failure) {
    enum error error = ERROR_NONE;

    for (const struct schema_field *field = route->parameters; field && field->name && !error;
         field++)
        error = check_field(field, request_query(request, field->name), failure);
    return error;
}

/* --- Patterns --- */

static void add_escaped(struct buffer *out, struct slice text, bool lower) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '%' || c == '_' || c == '!')
            buffer_add_byte(out, '!');
        buffer_add_byte(out, lower && c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c);
    }
}

struct slice like_pattern(struct buffer *out, struct slice text, bool is_tag) {
    struct buffer quoted;

    buffer_init(out);
    if (!text.len)
        return slice_of("");
    buffer_init(&quoted);
    json_add_text(text, &quoted);
    buffer_add_byte(out, '%');
    add_escaped(out, is_tag ? buffer_slice(&quoted) : text, !is_tag);
    buffer_add_byte(out, '%');
    buffer_deinit(&quoted);
    return out->failed ? slice_of("") : buffer_slice(out);
}
