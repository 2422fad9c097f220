/* More than any machine has: an allocation of it fails, also under the sanitizers, whose allocators
 * end the program otherwise. One test program includes this once. */
#ifndef TESTS_UNIT_BASE_NO_MEMORY_H
#define TESTS_UNIT_BASE_NO_MEMORY_H

#include <stdint.h>

#define NO_MEMORY_BYTES (SIZE_MAX / 8)

#define NO_MEMORY_OPTIONS(sanitizer)                                                               \
    const char *__##sanitizer##_default_options(void);                                             \
    __attribute__((visibility("default"))) const char *__##sanitizer##_default_options(void) {     \
        return "allocator_may_return_null=1";                                                      \
    }

NO_MEMORY_OPTIONS(asan)
NO_MEMORY_OPTIONS(tsan)

#endif
