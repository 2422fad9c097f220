#include "engine/ct/feed_message.h"
#include "engine/base/limits.h"
#include "engine/ct/feed_fields.h"

#include <yyjson.h>

static struct slice text_of(yyjson_val *string) {
    return (struct slice){(const uint8_t *)yyjson_get_str(string), yyjson_get_len(string)};
}

static void walk_object(struct feed_builder *builder, enum feed_place place, yyjson_val *object);

static void walk_array(struct feed_builder *builder, enum feed_place place, yyjson_val *array) {
    yyjson_val *item;
    size_t i, count;

    yyjson_arr_foreach(array, i, count, item) {
        if (yyjson_is_str(item))
            feed_item(builder, place, text_of(item));
        else if (yyjson_is_obj(item) && place == FEED_CHAIN)
            walk_object(builder, FEED_CHAIN_CERTIFICATE, item);
    }
}

/* As deep as there are places in places: no peer can make it deeper. */
static void walk_object(struct feed_builder *builder, enum feed_place place, yyjson_val *object) {
    yyjson_val *key, *value;
    size_t i, count;

    yyjson_obj_foreach(object, i, count, key, value) {
        enum feed_field field = feed_field_of(place, text_of(key));
        if (field == FEED_NO_FIELD)
            continue;
        if (yyjson_is_str(value))
            feed_string(builder, place, field, text_of(value));
        else if (yyjson_is_raw(value))
            feed_number(
                builder, field,
                (struct slice){(const uint8_t *)yyjson_get_raw(value), yyjson_get_len(value)});
        else if (yyjson_is_bool(value))
            feed_boolean(builder, field, yyjson_get_bool(value));
        else if (yyjson_is_obj(value) && feed_enter_object(field) != FEED_NOWHERE)
            walk_object(builder, feed_enter_object(field), value);
        else if (yyjson_is_arr(value))
            walk_array(builder, feed_enter_array(builder, field), value);
    }
}

enum feed_message_result feed_message_parse_any(struct slice text, struct arena *arena,
                                                struct feed_message *out) {
    struct feed_builder builder;
    yyjson_read_err error;

    feed_begin(&builder, arena, out, true);
    if (text.len > LIMIT_FEED_MESSAGE_BYTES)
        return FEED_MESSAGE_TOO_LARGE;
    /* the text is only written to with a flag that is not given */
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len,
                                            YYJSON_READ_NUMBER_AS_RAW, NULL, &error);
    if (!document)
        return error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? FEED_MESSAGE_NO_MEMORY
                                                                 : FEED_MESSAGE_NOT_JSON;
    walk_object(&builder, FEED_ROOT, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
    return feed_end(&builder);
}

enum feed_message_result feed_message_parse(struct slice text, struct arena *arena,
                                            struct feed_message *out) {
    enum feed_message_result result = feed_message_parse_quick(text, arena, out);
    return result == FEED_MESSAGE_NOT_JSON ? feed_message_parse_any(text, arena, out) : result;
}

const char *feed_message_result_text(enum feed_message_result result) {
    switch (result) {
    case FEED_MESSAGE_OK:
        return "the message is whole";
    case FEED_MESSAGE_NOT_JSON:
        return "the message is not JSON";
    case FEED_MESSAGE_BAD_SHAPE:
        return "the message has no type";
    case FEED_MESSAGE_TOO_LARGE:
        return "the message is too large";
    case FEED_MESSAGE_NO_MEMORY:
        return "no memory for the message";
    }
    return "unknown";
}
