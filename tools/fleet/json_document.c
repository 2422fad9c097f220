#include "tools/fleet/json_document.h"

#include <inttypes.h>

/* A value takes 16 bytes of memory for the two that it has in the document at least. */
enum { VALUES_MAX = 1 << 18 };

static bool is_bounded(struct slice bytes) {
    size_t values = 1;

    for (size_t i = 0; i < bytes.len; i++)
        values += bytes.ptr[i] == ',' || bytes.ptr[i] == ':' || bytes.ptr[i] == '[' ||
                  bytes.ptr[i] == '{';
    return values <= VALUES_MAX;
}

enum error json_document_refuse(const char *what, struct failure *failure) {
    return failure_set(failure, ERROR_INPUT, "what should be a %s is none", what);
}

enum error json_document_read(yyjson_doc **out, struct slice bytes, size_t bytes_max,
                              uint64_t version, const char *what, struct failure *failure) {
    uint64_t found;

    *out = NULL;
    if (bytes.len && bytes.len <= bytes_max && is_bounded(bytes))
        *out = yyjson_read((const char *)bytes.ptr, bytes.len, YYJSON_READ_NOFLAG);
    bool known =
        json_document_number(yyjson_doc_get_root(*out), "version", version, UINT64_MAX, &found);
    if (known && found == version)
        return ERROR_NONE;
    yyjson_doc_free(*out);
    *out = NULL;
    if (!known)
        return json_document_refuse(what, failure);
    return failure_set(failure, ERROR_UNSUPPORTED,
                       "a %s of version %" PRIu64 " is of a newer trawl: this one knows version "
                       "%" PRIu64 ", and has to be brought up to date",
                       what, found, version);
}

struct slice json_document_text(yyjson_val *value) {
    const char *text = yyjson_get_str(value);
    size_t len = yyjson_get_len(value);

    if (!text || memchr(text, 0, len))
        return (struct slice){0};
    return (struct slice){(const uint8_t *)text, len};
}

bool json_document_number(yyjson_val *object, const char *name, uint64_t minimum, uint64_t maximum,
                          uint64_t *out) {
    yyjson_val *value = yyjson_obj_get(object, name);

    *out = yyjson_get_uint(value);
    return yyjson_is_uint(value) && *out >= minimum && *out <= maximum;
}
