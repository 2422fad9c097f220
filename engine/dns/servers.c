#include "engine/dns/servers.h"

#include "engine/base/limits.h"

#include <stdio.h>

/* An address, with or without a port: "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:5353". */
static bool parse_server(struct slice text, struct dns_server *out) {
    struct slice port = {NULL, 0};
    uint64_t number = DNS_PORT;

    if (address_parse(text, &out->address)) {
        out->port = DNS_PORT;
        return true;
    }
    if (text.len && text.ptr[0] == '[') {
        const uint8_t *close = memchr(text.ptr, ']', text.len);
        if (!close)
            return false;
        port = slice_from(text, (size_t)(close - text.ptr) + 1);
        text = (struct slice){text.ptr + 1, (size_t)(close - text.ptr) - 1};
        if (!address_parse(text, &out->address) || out->address.family != ADDRESS_V6)
            return false;
    } else {
        const uint8_t *colon = text.len ? memchr(text.ptr, ':', text.len) : NULL;
        if (!colon)
            return false;
        port = slice_from(text, (size_t)(colon - text.ptr));
        text.len -= port.len;
        if (!address_parse(text, &out->address))
            return false;
    }
    if (port.len && (port.ptr[0] != ':' || !slice_to_u64(slice_from(port, 1), UINT16_MAX, &number)))
        return false;
    out->port = (uint16_t)number;
    return number > 0;
}

enum error dns_servers_parse(struct slice list, struct dns_servers *out, struct failure *failure) {
    out->count = 0;
    for (;;) {
        const uint8_t *comma = list.len ? memchr(list.ptr, ',', list.len) : NULL;
        struct slice item = comma ? slice_first(list, (size_t)(comma - list.ptr)) : list;
        struct dns_server server;
        if (!parse_server(slice_trim(item), &server))
            return failure_set(failure, ERROR_USAGE,
                               "'%.*s' is no DNS server: give addresses such as 192.0.2.53 or "
                               "[2001:db8::53]:5353, with commas between them",
                               (int)item.len, item.len ? (const char *)item.ptr : "");
        if (out->count == DNS_SERVERS_MAX)
            return failure_set(failure, ERROR_USAGE, "more than %d DNS servers",
                               (int)DNS_SERVERS_MAX);
        out->items[out->count++] = server;
        if (!comma)
            return ERROR_NONE;
        list = slice_from(list, item.len + 1);
    }
}

static void read_line(struct slice line, struct dns_servers *out) {
    static const char KEY[] = "nameserver";
    const size_t key_len = sizeof KEY - 1;
    struct dns_server *server = &out->items[out->count];

    line = slice_trim(line);
    if (out->count == DNS_SERVERS_MAX || !slice_is(slice_first(line, key_len), KEY))
        return;
    struct slice text = slice_trim(slice_from(line, key_len));
    if (text.len + key_len == line.len) /* nothing parts the key from what follows */
        return;
    size_t len = 0;
    while (len < text.len && text.ptr[len] != ' ' && text.ptr[len] != '\t')
        len++;
    server->port = DNS_PORT;
    if (address_parse(slice_first(text, len), &server->address))
        out->count++;
}

void dns_servers_read(const char *path, struct dns_servers *out) {
    char line[LIMIT_LINE_BYTES];
    FILE *file = fopen(path ? path : "/etc/resolv.conf", "re");

    out->count = 0;
    while (file && fgets(line, sizeof line, file))
        read_line(slice_of(line), out);
    if (file)
        fclose(file);
    if (out->count == 0)
        out->items[out->count++] = (struct dns_server){
            .address = {.family = ADDRESS_V4, .bytes = {127, 0, 0, 1}}, .port = DNS_PORT};
}
