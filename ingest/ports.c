#include "ingest/ports.h"

#include "engine/base/limits.h"
#include "engine/base/quote.h"
#include "engine/starttls/dialogue.h"

#include <stdlib.h>

static int tls_by_name(struct slice name, uint16_t *default_port) {
    if (!slice_equal_nocase(name, slice_of("tls")))
        return -1;
    *default_port = 443;
    return 0;
}

static const char *name_of(uint8_t protocol) {
    return dialogues[protocol]->name;
}

const struct protocol_lookup protocol_lookup_tls = {tls_by_name, NULL, name_of};
const struct protocol_lookup protocol_lookup_all = {dialogue_by_name, dialogue_by_port, name_of};

/* One bit for each protocol and port. */
enum { SEEN_BYTES = 256 * 65536 / 8 };

struct parser {
    const struct protocol_lookup *protocols;
    struct port_list *out;
    uint32_t capacity;
    uint8_t *seen;
    size_t position; /* of the item at hand, from 1 */
    struct failure *failure;
};

static enum error item_failure(const struct parser *parser, struct slice item, const char *reason) {
    return failure_set(parser->failure, ERROR_USAGE, "%s at position %zu of the ports: %s", reason,
                       parser->position, quote_of(item).text);
}

static enum error add(struct parser *parser, uint8_t protocol, uint16_t port) {
    uint32_t bit = (uint32_t)protocol << 16 | port;
    uint8_t mask = (uint8_t)(1U << (bit & 7));
    if (parser->seen[bit >> 3] & mask)
        return ERROR_NONE;
    parser->seen[bit >> 3] |= mask;

    struct port_list *out = parser->out;
    if (out->count == LIMIT_PORTS)
        return failure_set(parser->failure, ERROR_LIMIT, "more than %d ports in one sweep",
                           LIMIT_PORTS);
    if (out->count == parser->capacity) {
        uint32_t capacity = parser->capacity ? parser->capacity * 2 : 16;
        struct port_choice *items = realloc(out->items, capacity * sizeof *items);
        if (!items)
            return failure_set(parser->failure, ERROR_MEMORY, "no memory for the ports");
        out->items = items;
        parser->capacity = capacity;
    }
    out->items[out->count++] = (struct port_choice){.port = port, .protocol = protocol};
    return ERROR_NONE;
}

static bool port_number(struct slice text, uint64_t *out) {
    return slice_to_u64(text, 65535, out) && *out != 0;
}

/* PORT or PORT-PORT behind the protocol; -1 for the one that usually listens there. */
static enum error parse_numbers(struct parser *parser, struct slice item, struct slice numbers,
                                int protocol) {
    const uint8_t *dash = numbers.len ? memchr(numbers.ptr, '-', numbers.len) : NULL;
    size_t first_len = dash ? (size_t)(dash - numbers.ptr) : numbers.len;
    uint64_t first, last;
    if (!port_number(slice_first(numbers, first_len), &first))
        return item_failure(parser, item, "no port between 1 and 65535");
    last = first;
    if (dash && !port_number(slice_from(numbers, first_len + 1), &last))
        return item_failure(parser, item, "the range does not end in a port between 1 and 65535");
    if (last < first)
        return item_failure(parser, item, "the range ends before it starts");
    for (uint64_t port = first; port <= last; port++) {
        uint8_t usual = protocol_of_port(parser->protocols, (uint16_t)port);
        enum error error = add(parser, protocol < 0 ? usual : (uint8_t)protocol, (uint16_t)port);
        if (error)
            return error;
    }
    return ERROR_NONE;
}

static enum error parse_item(struct parser *parser, struct slice item) {
    if (!item.len)
        return item_failure(parser, item, "an empty item");
    if (item.ptr[0] >= '0' && item.ptr[0] <= '9')
        return parse_numbers(parser, item, item, -1);

    const uint8_t *colon = memchr(item.ptr, ':', item.len);
    size_t name_len = colon ? (size_t)(colon - item.ptr) : item.len;
    uint16_t default_port = 0;
    int protocol = parser->protocols->by_name(slice_first(item, name_len), &default_port);
    if (protocol < 0)
        return item_failure(parser, item, "no port and no known protocol");
    if (!colon)
        return add(parser, (uint8_t)protocol, default_port);
    return parse_numbers(parser, item, slice_from(item, name_len + 1), protocol);
}

enum error ports_parse(struct port_list *out, struct slice text,
                       const struct protocol_lookup *protocols, struct failure *failure) {
    *out = (struct port_list){0};
    struct parser parser = {.protocols = protocols, .out = out, .failure = failure};
    if (!text.len)
        return failure_set(failure, ERROR_USAGE, "the list of ports is empty");
    parser.seen = calloc(1, SEEN_BYTES);
    if (!parser.seen)
        return failure_set(failure, ERROR_MEMORY, "no memory for the ports");

    enum error error = ERROR_NONE;
    for (size_t start = 0; start <= text.len && !error;) {
        struct slice item = {text.ptr + start, text.len - start};
        const uint8_t *comma = item.len ? memchr(item.ptr, ',', item.len) : NULL;
        if (comma)
            item.len = (size_t)(comma - item.ptr);
        parser.position = start + 1;
        start += item.len + 1;
        error = parse_item(&parser, slice_trim(item));
    }
    free(parser.seen);
    if (error)
        ports_free(out);
    return error;
}

void ports_free(struct port_list *ports) {
    free(ports->items);
    *ports = (struct port_list){0};
}
