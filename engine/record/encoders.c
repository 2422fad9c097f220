#include "engine/record/encoder.h"

const struct encoder *const encoders[] = {
    &json_encoder,  &csv_encoder,   &msgpack_encoder, &pem_encoder,
    &names_encoder, &table_encoder, &webhook_encoder, NULL,
};

uint32_t encoding_parts(const struct encoding *encoding) {
    const struct encoder *encoder = encoding->encoder;

    if (!encoder)
        return 0;
    return encoder->parts | (encoder->takes_fields ? encoding->fields->parts : 0);
}

const struct encoder *encoder_by_name(struct slice name) {
    for (size_t i = 0; encoders[i]; i++)
        if (slice_is(name, encoders[i]->name))
            return encoders[i];
    return NULL;
}

static bool ends_with(struct slice path, const char *suffix) {
    struct slice end = slice_of(suffix ? suffix : "");
    return end.len > 0 && path.len > end.len &&
           slice_equal_nocase(slice_from(path, path.len - end.len), end);
}

const struct encoder *encoder_by_path(struct slice path) {
    if (ends_with(path, ".gz"))
        path = slice_first(path, path.len - strlen(".gz"));
    for (size_t i = 0; encoders[i]; i++)
        if (ends_with(path, encoders[i]->suffix) || ends_with(path, encoders[i]->other_suffix))
            return encoders[i];
    return NULL;
}
