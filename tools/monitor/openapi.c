/* The routes and schemas as an OpenAPI 3.1 document. Each schema stands there once, under
 * components, whichever routes use it. */
#include "tools/monitor/routes.h"

enum { SCHEMAS_MAX = 128 };

struct document {
    struct buffer *out;
    const struct schema *schemas[SCHEMAS_MAX]; /* that were used, each once */
    uint32_t count;
};

static const char *const METHOD_KEYS[METHOD_COUNT] = {
    [METHOD_GET] = "get",     [METHOD_POST] = "post",     [METHOD_PUT] = "put",
    [METHOD_PATCH] = "patch", [METHOD_DELETE] = "delete", [METHOD_OPTIONS] = "options",
};

/* --- Schemas --- */

static void use(struct document *document, const struct schema *schema) {
    for (uint32_t i = 0; i < document->count; i++)
        if (document->schemas[i] == schema)
            return;
    if (document->count < SCHEMAS_MAX)
        document->schemas[document->count++] = schema;
}

static void add_reference(struct document *document, const struct schema *schema) {
    struct buffer path;

    use(document, schema);
    buffer_init(&path);
    buffer_add_format(&path, "#/components/schemas/%s", schema->name);
    json_text(document->out, "$ref", buffer_slice(&path));
    buffer_deinit(&path);
}

static void add_type(struct buffer *out, const char *type, bool nullable) {
    if (!nullable) {
        json_words(out, "type", type);
        return;
    }
    json_open(out, "type", '[');
    json_words(out, NULL, type);
    json_words(out, NULL, "null");
    json_close(out, ']');
}

static void add_items(struct document *document, const struct schema_field *field) {
    json_open(document->out, "items", '{');
    if (field->of)
        add_reference(document, field->of);
    else
        json_words(document->out, "type", field->type == SCHEMA_NUMBERS ? "number" : "string");
    json_close(document->out, '}');
}

static void add_choices(struct buffer *out, const struct schema_field *field) {
    json_open(out, "enum", '[');
    for (const char *const *choice = field->choices; *choice; choice++)
        json_words(out, NULL, *choice);
    if (field->flags & SCHEMA_NULLABLE)
        json_null(out, NULL);
    json_close(out, ']');
}

/* The members of the schema of a field, without the braces around them. */
static void add_field(struct document *document, const struct schema_field *field) {
    static const char *const types[] = {
        [SCHEMA_TEXT] = "string",   [SCHEMA_INTEGER] = "integer", [SCHEMA_NUMBER] = "number",
        [SCHEMA_FLAG] = "boolean",  [SCHEMA_TIME] = "string",     [SCHEMA_ANY] = "object",
        [SCHEMA_OF] = "object",     [SCHEMA_LIST] = "array",      [SCHEMA_NUMBERS] = "array",
        [SCHEMA_COUNTS] = "object",
    };
    struct buffer *out = document->out;

    if (field->type == SCHEMA_OF) {
        add_reference(document, field->of);
        return;
    }
    add_type(out, types[field->type], field->flags & SCHEMA_NULLABLE);
    if (field->type == SCHEMA_TIME)
        json_words(out, "format", "date-time");
    if (field->type == SCHEMA_LIST || field->type == SCHEMA_NUMBERS)
        add_items(document, field);
    if (field->type == SCHEMA_COUNTS)
        json_raw(out, "additionalProperties", slice_of("{\"type\":\"integer\"}"));
    if (field->choices)
        add_choices(out, field);
    if (field->maximum) {
        json_integer(out, "minimum", field->minimum);
        json_integer(out, "maximum", field->maximum);
    }
}

static void add_object(struct document *document, const struct schema *schema) {
    struct buffer *out = document->out;
    bool has_required = false;

    json_words(out, "type", "object");
    json_open(out, "properties", '{');
    for (const struct schema_field *field = schema->fields; field->name; field++) {
        json_open(out, field->name, '{');
        add_field(document, field);
        if (field->summary)
            json_words(out, "description", field->summary);
        json_close(out, '}');
        has_required |= field->flags & SCHEMA_REQUIRED;
    }
    json_close(out, '}');
    if (!has_required)
        return;
    json_open(out, "required", '[');
    for (const struct schema_field *field = schema->fields; field->name; field++)
        if (field->flags & SCHEMA_REQUIRED)
            json_words(out, NULL, field->name);
    json_close(out, ']');
}

static void add_schema(struct document *document, const struct schema *schema) {
    struct buffer *out = document->out;

    json_open(out, schema->name, '{');
    if (schema->summary)
        json_words(out, "description", schema->summary);
    if (schema->list_of) {
        json_words(out, "type", "array");
        json_open(out, "items", '{');
        add_reference(document, schema->list_of);
        json_close(out, '}');
    } else {
        add_object(document, schema);
    }
    json_close(out, '}');
}

/* --- Operations --- */

static void add_path_parameters(struct buffer *out, const char *path) {
    for (const char *at = strchr(path, '{'); at; at = strchr(at, '{')) {
        const char *end = strchr(at, '}');
        json_open(out, NULL, '{');
        json_text(out, "name", (struct slice){(const uint8_t *)at + 1, (size_t)(end - at - 1)});
        json_words(out, "in", "path");
        json_flag(out, "required", true);
        json_raw(out, "schema", slice_of("{\"type\":\"string\"}"));
        json_close(out, '}');
        at = end;
    }
}

static void add_parameters(struct document *document, const struct route *route) {
    struct buffer *out = document->out;

    json_open(out, "parameters", '[');
    add_path_parameters(out, route->path);
    for (const struct schema_field *field = route->parameters; field && field->name; field++) {
        json_open(out, NULL, '{');
        json_words(out, "name", field->name);
        json_words(out, "in", "query");
        json_flag(out, "required", field->flags & SCHEMA_REQUIRED);
        if (field->summary)
            json_words(out, "description", field->summary);
        json_open(out, "schema", '{');
        add_field(document, field);
        json_close(out, '}');
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void add_content(struct document *document, const char *type, const struct schema *schema) {
    struct buffer *out = document->out;

    json_open(out, "content", '{');
    json_open(out, type, '{');
    json_open(out, "schema", '{');
    if (schema)
        add_reference(document, schema);
    else
        json_words(out, "type", strcmp(type, "application/json") == 0 ? "object" : "string");
    json_close(out, '}');
    json_close(out, '}');
    json_close(out, '}');
}

static void add_answer(struct document *document, const char *status, const char *words,
                       const char *type, const struct schema *schema) {
    json_open(document->out, status, '{');
    json_words(document->out, "description", words);
    if (type)
        add_content(document, type, schema);
    json_close(document->out, '}');
}

static void add_answers(struct document *document, const struct route *route) {
    const char *type = route->type ? route->type : "application/json";

    json_open(document->out, "responses", '{');
    if (route->flags & ROUTE_UPGRADE)
        add_answer(document, "101", "A WebSocket (RFC 6455).", NULL, NULL);
    else
        add_answer(document, "200", "What was asked for.", type, route->response);
    if (route->flags & ROUTE_PUBLIC_FAILURE)
        add_answer(document, "503", "Something is not well; the page says what.", type,
                   route->response);
    add_answer(document, "default", "Why not.", "application/json", &schema_error);
    json_close(document->out, '}');
}

static void add_security(struct buffer *out, const struct route *route) {
    json_open(out, "security", '[');
    if (route->role != ROLE_NONE) {
        json_raw(out, NULL, slice_of("{\"bearer\":[]}"));
        json_raw(out, NULL, slice_of("{\"key\":[]}"));
        json_raw(out, NULL, slice_of("{\"cookie\":[]}"));
    }
    json_close(out, ']');
}

static void add_operation(struct document *document, const struct route_group *group,
                          const struct route *route) {
    struct buffer *out = document->out;

    json_open(out, METHOD_KEYS[route->method], '{');
    json_words(out, "operationId", route->operation);
    json_words(out, "summary", route->summary);
    json_open(out, "tags", '[');
    json_words(out, NULL, group->name);
    json_close(out, ']');
    json_words(out, "x-role", role_name(route->role));
    add_security(out, route);
    add_parameters(document, route);
    if (route->body_max) {
        json_open(out, "requestBody", '{');
        json_flag(out, "required", route->request != NULL);
        add_content(document, "application/json", route->request);
        json_close(out, '}');
    }
    add_answers(document, route);
    json_close(out, '}');
}

/* All methods of a path stand together, in whichever group they are; only at its first route. */
static void add_path(struct document *document, const struct route *first) {
    for (uint32_t i = 0; route_groups[i]; i++) {
        for (const struct route *route = route_groups[i]->routes; route->path; route++) {
            if (strcmp(route->path, first->path) != 0)
                continue;
            if (route == first)
                json_open(document->out, route->path, '{');
            add_operation(document, route_groups[i], route);
        }
    }
    json_close(document->out, '}');
}

static bool is_first(const struct route *wanted) {
    for (uint32_t i = 0; route_groups[i]; i++)
        for (const struct route *route = route_groups[i]->routes; route->path; route++)
            if (strcmp(route->path, wanted->path) == 0)
                return route == wanted;
    return false;
}

/* --- The document --- */

static void add_head(const char *version, struct buffer *out) {
    json_words(out, "openapi", "3.1.0");
    json_open(out, "info", '{');
    json_words(out, "title", "trawl monitor");
    json_words(out, "version", version);
    json_words(out, "description",
               "Watched TLS endpoints, their certificates, alerts and notices. Times are RFC 3339, "
               "but for /api/tls and /api/sslscout, which are as their originals.");
    json_close(out, '}');
    json_open(out, "tags", '[');
    for (uint32_t i = 0; route_groups[i]; i++) {
        json_open(out, NULL, '{');
        json_words(out, "name", route_groups[i]->name);
        json_words(out, "description", route_groups[i]->summary);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void add_components(struct document *document) {
    struct buffer *out = document->out;

    json_open(out, "components", '{');
    json_open(out, "schemas", '{');
    for (uint32_t i = 0; i < document->count; i++) /* grows by what they refer to */
        add_schema(document, document->schemas[i]);
    json_close(out, '}');
    json_raw(
        out, "securitySchemes",
        slice_of("{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"},"
                 "\"key\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-API-Key\"},"
                 "\"cookie\":{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":\"trawl_token\"}}"));
    json_close(out, '}');
}

void routes_add_openapi(const char *version, struct buffer *out) {
    struct document document = {.out = out};

    json_open(out, NULL, '{');
    add_head(version, out);
    json_open(out, "paths", '{');
    for (uint32_t i = 0; route_groups[i]; i++)
        for (const struct route *route = route_groups[i]->routes; route->path; route++)
            if (!(route->flags & ROUTE_PAGE) && is_first(route))
                add_path(&document, route);
    json_close(out, '}');
    add_components(&document);
    json_close(out, '}');
}
