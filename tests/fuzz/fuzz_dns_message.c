/* Fuzzes engine/dns/message: whatever an answer holds, it is read within its bounds, and what is
 * found stays within its own. The first byte picks the type. */
#include "engine/dns/message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_addresses(const struct dns_answer *answer, enum dns_type type) {
    if (answer->count > LIMIT_ADDRESSES)
        abort();
    for (uint32_t i = 0; i < answer->count; i++)
        if (answer->addresses[i].family != (type == DNS_A ? ADDRESS_V4 : ADDRESS_V6))
            abort();
}

static void check_tlsa(const struct dns_answer *answer, struct slice message) {
    size_t bytes = 0;

    if (answer->count > LIMIT_TLSA_RECORDS)
        abort();
    for (uint32_t i = 0; i < answer->count; i++) {
        struct slice data = answer->tlsa[i].data;
        if (!data.len || data.ptr < message.ptr || data.ptr + data.len > message.ptr + message.len)
            abort();
        bytes += data.len;
    }
    if (bytes > LIMIT_TLSA_BYTES)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dns_answer answer;

    if (size == 0)
        return 0;
    enum dns_type type = data[0] & 2 ? DNS_TLSA : data[0] & 1 ? DNS_AAAA : DNS_A;
    struct slice message = {data + 1, size - 1};
    message_read(message, type, &answer);
    if ((answer.result == DNS_FOUND) != (answer.count > 0))
        abort();
    if (type == DNS_TLSA)
        check_tlsa(&answer, message);
    else
        check_addresses(&answer, type);
    return 0;
}
