/* Any bytes as a packed record: none, or one that can be written and packed again. */
#include "engine/record/ct_record_pack.h"
#include "engine/record/encoder.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ct_record *record = ct_record_unpack((struct slice){data, size});
    struct field_selection fields;
    struct buffer out;

    if (!record)
        return 0;
    buffer_init(&out);
    ct_record_pack(record, &out);
    require(slice_equal(buffer_slice(&out), (struct slice){data, size}));
    require(field_selection_init(&fields, &ct_record_kind, NULL, NULL) == ERROR_NONE);
    for (size_t i = 0; encoders[i]; i++) {
        const struct encoding encoding = {.encoder = encoders[i], .fields = &fields};
        encoders[i]->encode(&encoding, &record->head, &out);
        require(!out.failed);
    }
    field_selection_deinit(&fields);
    buffer_deinit(&out);
    record_put(&record->head);
    return 0;
}
