/* Fuzzes engine/dns/message: whatever an answer holds, it is read within its bounds, and the
 * addresses stay within theirs. The first byte picks the family. */
#include "engine/dns/message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dns_answer answer;

    if (size == 0)
        return 0;
    uint8_t family = data[0] & 1 ? ADDRESS_V6 : ADDRESS_V4;
    message_read((struct slice){data + 1, size - 1}, family, &answer);
    if (answer.result == DNS_ADDRESSES ? answer.count == 0 || answer.count > LIMIT_ADDRESSES
                                       : answer.count != 0)
        abort();
    for (uint32_t i = 0; i < answer.count; i++)
        if (answer.addresses[i].family != family)
            abort();
    return 0;
}
