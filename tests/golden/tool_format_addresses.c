/* Reads a text a line and answers with a line each: the bytes of the address in hexadecimal and its
 * canonical form, or "-" for what is no address. */
#include "engine/base/address.h"

#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *line = NULL;
    size_t capacity = 0;

    for (ssize_t len; (len = getline(&line, &capacity, stdin)) > 0;) {
        struct slice text = {(const uint8_t *)line, (size_t)len - (line[len - 1] == '\n')};
        struct address address;
        char out[ADDRESS_TEXT_MAX];
        if (!address_parse(text, &address)) {
            puts("-");
            continue;
        }
        for (size_t i = 0; i < address_length(&address); i++)
            printf("%02x", address.bytes[i]);
        address_format(&address, out);
        printf(" %s\n", out);
    }
    free(line);
    return ferror(stdin) || fflush(stdout) ? 1 : 0;
}
