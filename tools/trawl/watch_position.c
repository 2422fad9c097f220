#include "tools/trawl/watch_position.h"

#include "engine/base/base64.h"
#include "engine/base/text.h"
#include "tools/fleet/json_document.h"

#include <inttypes.h>

enum {
    VERSION = 1,
    VALUE_MAX = 64 * 1024, /* of a position with trees: 22 KB */
};

static const char what[] = "position of a log";

void watch_position_init(struct watch_position *position) {
    *position = (struct watch_position){0};
    buffer_init(&position->saved);
}

void watch_position_deinit(struct watch_position *position) {
    buffer_deinit(&position->saved);
}

void watch_position_write(const struct watch_position *position, struct buffer *out) {
    buffer_add_format(
        out, "{\"version\":%d,\"committed\":%" PRIu64 ",\"verified\":%" PRIu64 ",\"saved\":\"",
        VERSION, position->committed, position->verified);
    text_add_base64(out, buffer_slice(&position->saved));
    buffer_add_text(out, "\"}");
}

static bool read_saved(yyjson_val *object, struct buffer *out) {
    struct slice text = json_document_text(yyjson_obj_get(object, "saved"));
    size_t len = 0;

    if (!text.ptr)
        return false;
    uint8_t *to = buffer_reserve(out, base64_decoded_max(text.len));
    if (!to || !base64_decode(text, to, &len, NULL))
        return false;
    out->len = len;
    return true;
}

enum error watch_position_read(struct watch_position *out, struct slice value,
                               struct failure *failure) {
    yyjson_doc *document;

    if (value.len == 0)
        return ERROR_NONE;
    enum error error = json_document_read(&document, value, VALUE_MAX, VERSION, what, failure);
    if (error)
        return error;
    yyjson_val *object = yyjson_doc_get_root(document);
    if (!json_document_number(object, "committed", 0, UINT64_MAX, &out->committed) ||
        !json_document_number(object, "verified", 0, UINT64_MAX, &out->verified) ||
        !read_saved(object, &out->saved))
        error = json_document_refuse(what, failure);
    yyjson_doc_free(document);
    return error;
}
