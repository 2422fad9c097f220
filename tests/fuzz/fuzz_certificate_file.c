/* Fuzzes the reader of certificate files: PEM, DER, PKCS#12. Whatever the bytes are, what is found
 * is bounded by them, and the same with and without a password that no file has. */
#include "tools/trawl/certificate_file.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct certificate_file file = {0}, again = {0};
    struct failure failure = {0};
    struct slice bytes = {data, size};
    size_t total = 0;
    enum error error = certificate_file_read(&file, bytes, NULL, &failure);
    assert(error == failure.code && (error == ERROR_NONE || failure.text[0]));
    for (uint32_t i = 0; i < file.count; i++)
        total += file.items[i].len;
    assert(total <= size && file.count <= size);
    enum error second = certificate_file_read(&again, bytes, "nobody's password", &failure);
    assert(second == error && again.count == file.count && again.together == file.together);
    certificate_file_deinit(&file);
    certificate_file_deinit(&again);
    return 0;
}
