/* What travels with a job, beside its descriptor. */
#include "engine/base/base64.h"
#include "engine/base/text.h"
#include "engine/record/json.h"
#include "tools/fleet/job.h"
#include "tools/fleet/json_document.h"

#include <stdlib.h>

static const char WHAT[] = "set of options";

void job_options_init(struct job_options *options) {
    *options = (struct job_options){0};
}

void job_options_deinit(struct job_options *options) {
    for (uint32_t i = 0; i < options->option_count; i++) {
        free(options->options[i].name);
        free(options->options[i].value);
    }
    for (uint32_t i = 0; i < options->file_count; i++) {
        free(options->files[i].name);
        buffer_deinit(&options->files[i].bytes);
    }
    for (uint32_t i = 0; i < options->rendering_count; i++) {
        free(options->renderings[i].encoder);
        free(options->renderings[i].fields);
        free(options->renderings[i].only);
    }
    free(options->options);
    free(options->files);
    *options = (struct job_options){0};
}

/* --- Adding --- */

/* Letters, digits, "-" and "_"; with `is_file` "/" between them. */
static bool is_name(struct slice name, bool is_file) {
    bool slash = true; /* before */

    for (size_t i = 0; i < name.len; i++) {
        uint8_t byte = name.ptr[i], letter = byte | 0x20;
        bool word = (letter >= 'a' && letter <= 'z') || (byte >= '0' && byte <= '9') ||
                    byte == '-' || byte == '_';
        if (!word && (byte != '/' || slash || !is_file))
            return false;
        slash = !word;
    }
    return !slash && name.len < JOB_NAME_BYTES;
}

/* NULL of NULL, which is fine. JSON holds nothing but UTF-8. */
static bool copy_text(char **out, const char *text) {
    if (text && !text_is_utf8(slice_of(text)))
        return false;
    *out = text ? strdup(text) : NULL;
    return *out || !text;
}

const struct job_file *job_options_file(const struct job_options *options, const char *name) {
    for (uint32_t i = 0; i < options->file_count; i++)
        if (strcmp(options->files[i].name, name) == 0)
            return &options->files[i];
    return NULL;
}

bool job_options_add(struct job_options *options, const char *name, const char *value,
                     bool is_file) {
    if (options->option_count == JOB_OPTIONS_MAX || !is_name(slice_of(name), false) ||
        (is_file && (!value || !job_options_file(options, value))))
        return false;
    struct job_option *grown =
        realloc(options->options, (options->option_count + 1) * sizeof *grown);
    if (!grown)
        return false;
    options->options = grown;
    struct job_option *option = &grown[options->option_count++];
    *option = (struct job_option){.is_file = is_file};
    bool copied = copy_text(&option->name, name) && copy_text(&option->value, value);
    return copied;
}

/* A new one with its name; NULL when there is no memory, or it cannot be. */
static struct job_file *add_file(struct job_options *options, struct slice name) {
    if (options->file_count == JOB_FILES_MAX || !is_name(name, true) ||
        job_options_file(options, (const char *)name.ptr))
        return NULL;
    struct job_file *grown = realloc(options->files, (options->file_count + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    options->files = grown;
    struct job_file *file = &grown[options->file_count];
    *file = (struct job_file){.name = strdup((const char *)name.ptr)};
    if (!file->name)
        return NULL;
    options->file_count++;
    return file;
}

bool job_options_add_file(struct job_options *options, const char *name, struct slice bytes) {
    struct job_file *file = add_file(options, slice_of(name));

    if (!file)
        return false;
    buffer_add_slice(&file->bytes, bytes);
    return !file->bytes.failed;
}

/* --- Renderings --- */

static bool is_same_text(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_same(const struct job_rendering *a, const struct job_rendering *b) {
    return is_same_text(a->encoder, b->encoder) && is_same_text(a->fields, b->fields) &&
           is_same_text(a->only, b->only) && a->terminal_columns == b->terminal_columns &&
           a->color == b->color;
}

/* Copies it, unless there is such a one. */
static int add_rendering(struct job_options *options, const struct job_rendering *wanted) {
    for (uint32_t i = 0; i < options->rendering_count; i++)
        if (is_same(&options->renderings[i], wanted))
            return (int)i;
    if (options->rendering_count == JOB_RENDERINGS_MAX)
        return -1;
    struct job_rendering *rendering = &options->renderings[options->rendering_count++];
    *rendering = (struct job_rendering){.terminal_columns = wanted->terminal_columns,
                                        .color = wanted->color};
    bool copied = copy_text(&rendering->encoder, wanted->encoder) &&
                  copy_text(&rendering->fields, wanted->fields) &&
                  copy_text(&rendering->only, wanted->only);
    return copied ? (int)options->rendering_count - 1 : -1;
}

/* The names of what is picked, as --fields takes them. */
static void add_names(const struct field_selection *fields, struct buffer *out) {
    for (uint32_t i = 0; i < fields->count; i++) {
        if (i > 0)
            buffer_add_byte(out, ',');
        buffer_add_text(out, fields->fields[i].field->name);
    }
    buffer_add_byte(out, 0);
}

int job_options_add_rendering(struct job_options *options, const struct encoding *encoding,
                              const char *only) {
    bool takes_fields = encoding->encoder->takes_fields && encoding->fields;
    struct buffer names;

    buffer_init(&names);
    if (takes_fields)
        add_names(encoding->fields, &names);
    struct job_rendering wanted = {
        .encoder = (char *)(uintptr_t)encoding->encoder->name,
        .fields = (char *)names.ptr,
        .only = (char *)(uintptr_t)only,
        .terminal_columns = encoding->terminal_columns,
        .color = encoding->color,
    };
    int number = names.failed ? -1 : add_rendering(options, &wanted);
    buffer_deinit(&names);
    return number;
}

/* --- Writing --- */

static void write_member(struct buffer *out, const char *key, const char *text) {
    if (!text)
        return;
    buffer_add_format(out, ", \"%s\": ", key);
    json_add_text(slice_of(text), out);
}

static void write_option(struct buffer *out, const struct job_option *option) {
    buffer_add_text(out, "{\"name\": ");
    json_add_text(slice_of(option->name), out);
    write_member(out, option->is_file ? "file" : "value", option->value);
    buffer_add_byte(out, '}');
}

static void write_file(struct buffer *out, const struct job_file *file) {
    size_t size = base64_encoded_size(file->bytes.len);

    buffer_add_text(out, "{\"name\": ");
    json_add_text(slice_of(file->name), out);
    buffer_add_text(out, ", \"base64\": \"");
    uint8_t *at = buffer_reserve(out, size);
    if (at) {
        base64_encode(buffer_slice(&file->bytes), at);
        out->len += size;
    }
    buffer_add_text(out, "\"}");
}

static void write_rendering(struct buffer *out, const struct job_rendering *rendering) {
    buffer_add_text(out, "{\"encoder\": ");
    json_add_text(slice_of(rendering->encoder), out);
    write_member(out, "fields", rendering->fields);
    write_member(out, "only", rendering->only);
    buffer_add_format(out, ", \"terminal_columns\": %u, \"color\": %s}",
                      rendering->terminal_columns, rendering->color ? "true" : "false");
}

static void begin_item(struct buffer *out, uint32_t index) {
    buffer_add_text(out, index > 0 ? ",\n    " : "\n    ");
}

void job_options_write(const struct job_options *options, struct buffer *out) {
    buffer_add_format(out, "{\n  \"version\": %d,\n  \"options\": [", JOB_VERSION);
    for (uint32_t i = 0; i < options->option_count; i++) {
        begin_item(out, i);
        write_option(out, &options->options[i]);
    }
    buffer_add_text(out, "],\n  \"renderings\": [");
    for (uint32_t i = 0; i < options->rendering_count; i++) {
        begin_item(out, i);
        write_rendering(out, &options->renderings[i]);
    }
    buffer_add_text(out, "],\n  \"files\": [");
    for (uint32_t i = 0; i < options->file_count; i++) {
        begin_item(out, i);
        write_file(out, &options->files[i]);
    }
    buffer_add_text(out, "]\n}\n");
}

/* --- Reading --- */

/* A text that may be missing: NULL then. False for what is none. */
static bool read_text(yyjson_val *object, const char *name, const char **out) {
    yyjson_val *value = yyjson_obj_get(object, name);

    *out = (const char *)json_document_text(value).ptr;
    return *out || !value;
}

static bool read_file(yyjson_val *item, struct job_options *out) {
    struct slice name = json_document_text(yyjson_obj_get(item, "name"));
    struct slice text = json_document_text(yyjson_obj_get(item, "base64"));
    struct job_file *file = text.ptr && name.ptr ? add_file(out, name) : NULL;
    uint8_t *bytes = file ? buffer_reserve(&file->bytes, base64_decoded_max(text.len) + 1) : NULL;

    return bytes && base64_decode(text, bytes, &file->bytes.len, NULL);
}

static bool read_option(yyjson_val *item, struct job_options *out) {
    const char *name, *value, *file;

    return read_text(item, "name", &name) && name && read_text(item, "value", &value) &&
           read_text(item, "file", &file) && !(value && file) &&
           job_options_add(out, name, file ? file : value, file != NULL);
}

static bool read_rendering(yyjson_val *item, struct job_options *out) {
    const char *encoder, *fields, *only;
    uint32_t before = out->rendering_count;
    uint64_t columns;

    if (!read_text(item, "encoder", &encoder) || !encoder || !read_text(item, "fields", &fields) ||
        !read_text(item, "only", &only) ||
        !json_document_number(item, "terminal_columns", 0, UINT16_MAX, &columns))
        return false;
    struct job_rendering rendering = {
        .encoder = (char *)(uintptr_t)encoder,
        .fields = (char *)(uintptr_t)fields,
        .only = (char *)(uintptr_t)only,
        .terminal_columns = (uint16_t)columns,
        .color = yyjson_get_bool(yyjson_obj_get(item, "color")),
    };
    /* Each has its number: with two that are equal, those behind would have another. */
    return add_rendering(out, &rendering) == (int)before;
}

static bool read_items(yyjson_val *root, const char *name,
                       bool (*read)(yyjson_val *item, struct job_options *out),
                       struct job_options *out) {
    yyjson_val *array = yyjson_obj_get(root, name), *item;
    size_t index, count;

    yyjson_arr_foreach(array, index, count, item) {
        if (!read(item, out))
            return false;
    }
    return yyjson_is_arr(array);
}

enum error job_options_read(struct job_options *out, struct slice bytes, struct failure *failure) {
    yyjson_doc *document;

    job_options_init(out);
    enum error error =
        json_document_read(&document, bytes, JOB_OPTIONS_BYTES_MAX, JOB_VERSION, WHAT, failure);
    if (error)
        return error;
    yyjson_val *root = yyjson_doc_get_root(document);
    /* Files first: options name them. */
    if (!read_items(root, "files", read_file, out) ||
        !read_items(root, "options", read_option, out) ||
        !read_items(root, "renderings", read_rendering, out))
        error = json_document_refuse(WHAT, failure);
    yyjson_doc_free(document);
    return error;
}
