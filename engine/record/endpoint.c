#include "engine/record/endpoint.h"

#include "engine/base/text.h"

void endpoint_add_host(const struct probe_record *probe, struct buffer *out) {
    struct address address;
    bool brackets = address_parse(probe->host, &address) && address.family == ADDRESS_V6;

    if (brackets)
        buffer_add_byte(out, '[');
    text_add_safe_word(out, probe->host);
    if (brackets)
        buffer_add_byte(out, ']');
}

void endpoint_add(const struct probe_record *probe, struct buffer *out) {
    endpoint_add_host(probe, out);
    buffer_add_byte(out, ':');
    text_add_integer(out, probe->port);
}
