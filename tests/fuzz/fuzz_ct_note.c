/* Any bytes as a checkpoint. The one head that the log has signed is the only one that is ever
 * believed, whoever else signs the note. */
#include "tests/fuzz/ct_signed_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice note = {data, size}, origin;
    struct ct_log_key key = signed_head_key();
    struct ct_head head;

    enum ct_head_error error = ct_head_parse_checkpoint(note, &key, &head, &origin);
    require_signed_head(error, &head);
    require(!origin.len || (origin.ptr == data && origin.len < size));
    require(error != CT_HEAD_OK || origin.len);
    ct_log_key_deinit(&key);
    return 0;
}
