/* The XML that `nmap -oX` and `masscan -oX` write:
 *
 *      <nmaprun ...><host><status state="up"/><address addr="192.0.2.1" addrtype="ipv4"/>
 *        <hostnames><hostname name="www.example.org" type="user"/></hostnames>
 *        <ports><port protocol="tcp" portid="443"><state state="open"/></port></ports></host>
 *
 * Each open TCP port of a host is a row; a host that is not down and was not scanned for ports is
 * one without a port. A name that the user gave to nmap is the name to ask for, one from reverse
 * DNS is not. */
#include "ingest/format.h"
#include "ingest/xml.h"

#include "engine/base/address.h"
#include "engine/base/limits.h"
#include "engine/base/quote.h"

enum { NAME_BYTES = LIMIT_HOST_NAME_BYTES + 2 /* a dot at its end; and one too many stays so */ };

struct text {
    uint8_t bytes[NAME_BYTES];
    size_t len;
};

struct nmap {
    struct xml xml;
    struct text address, name;           /* of the host */
    struct text address_next, name_next; /* of the element at hand */
    struct text port;
    bool is_mac, is_user_name;
    bool is_down, has_ports;           /* the host */
    bool is_tcp, is_open, is_repeated; /* the port */
};

static bool nmap_recognizes(struct slice line) {
    return format_starts(line, "<");
}

static void set(struct text *text, struct slice value) {
    value = slice_first(value, NAME_BYTES);
    if (value.len)
        memcpy(text->bytes, value.ptr, value.len);
    text->len = value.len;
}

static struct slice slice_of_text(const struct text *text) {
    return (struct slice){text->bytes, text->len};
}

static void begin_element(struct nmap *state) {
    const struct xml_name *element = &state->xml.element;
    if (xml_name_is(element, "host")) {
        state->address.len = state->name.len = 0;
        state->is_down = state->has_ports = false;
    } else if (xml_name_is(element, "address")) {
        state->address_next.len = 0;
        state->is_mac = false;
    } else if (xml_name_is(element, "hostname")) {
        state->name_next.len = 0;
        state->is_user_name = false;
    } else if (xml_name_is(element, "ports")) {
        state->has_ports = true;
    } else if (xml_name_is(element, "port")) {
        state->port.len = 0;
        state->is_tcp = state->is_open = state->is_repeated = false;
    }
}

static void take_attribute(struct nmap *state) {
    const struct xml_name *element = &state->xml.element, *name = &state->xml.attribute;
    struct slice value = state->xml.value;
    if (xml_name_is(element, "port")) {
        if (xml_name_is(name, "portid"))
            set(&state->port, value);
        else if (xml_name_is(name, "protocol"))
            state->is_tcp = slice_is(value, "tcp");
    } else if (xml_name_is(element, "state")) {
        if (xml_name_is(name, "state"))
            state->is_open = slice_is(value, "open");
        else if (xml_name_is(name, "reason")) /* so masscan tells a banner of a port told before */
            state->is_repeated = slice_is(value, "response");
    } else if (xml_name_is(element, "address")) {
        if (xml_name_is(name, "addr"))
            set(&state->address_next, value);
        else if (xml_name_is(name, "addrtype")) /* masscan calls IPv6 addresses ipv4 */
            state->is_mac = slice_is(value, "mac");
    } else if (xml_name_is(element, "hostname")) {
        if (xml_name_is(name, "name"))
            set(&state->name_next, value);
        else if (xml_name_is(name, "type"))
            state->is_user_name = slice_is(value, "user");
    } else if (xml_name_is(element, "status") && xml_name_is(name, "state")) {
        state->is_down = slice_is(value, "down");
    }
}

static enum row_result give(struct nmap *state, struct row *row, bool with_port) {
    row->text = row->cells[COLUMN_IP] = slice_of_text(&state->address);
    row->cells[COLUMN_SNI] = slice_of_text(&state->name);
    if (with_port)
        row->cells[COLUMN_PORT] = slice_of_text(&state->port);
    return ROW_GIVEN;
}

/* ROW_MORE when the element is no row. */
static enum row_result end_element(struct nmap *state, struct row *row) {
    const struct xml_name *element = &state->xml.element;
    if (xml_name_is(element, "address")) {
        if (!state->is_mac && !state->address.len)
            state->address = state->address_next;
    } else if (xml_name_is(element, "hostname")) {
        if (state->is_user_name && !state->name.len)
            state->name = state->name_next;
    } else if (xml_name_is(element, "port")) {
        if (state->is_tcp && state->is_open && !state->is_repeated)
            return give(state, row, true);
    } else if (xml_name_is(element, "host")) {
        if (!state->has_ports && !state->is_down)
            return give(state, row, false);
    }
    return ROW_MORE;
}

static enum row_result break_off(struct row *row, const char *why, struct failure *reason) {
    row->text = (struct slice){0};
    failure_set(reason, ERROR_INPUT, "broken XML: %s", why);
    return ROW_BROKEN;
}

/* Handles one event; ROW_MORE when it gives no row. */
static enum row_result take_event(struct nmap *state, enum xml_event event, struct row *row,
                                  struct failure *reason) {
    struct xml *xml = &state->xml;
    switch (event) {
    case XML_START:
        if (xml->depth == 1 && !xml_name_is(&xml->element, "nmaprun")) {
            struct slice name =
                slice_first((struct slice){xml->element.bytes, xml->element.len}, XML_NAME_MAX);
            failure_set(reason, ERROR_INPUT, "not nmap's XML: its root element is %s",
                        quote_of(name).text);
            return ROW_BROKEN;
        }
        begin_element(state);
        return ROW_MORE;
    case XML_ATTRIBUTE:
        take_attribute(state);
        return ROW_MORE;
    case XML_END:
        return end_element(state, row);
    case XML_BROKEN:
        return break_off(row, xml->reason, reason);
    case XML_MORE:
        break;
    }
    return ROW_MORE;
}

static enum row_result nmap_next(void *format_state, struct input *input, struct row *row,
                                 struct failure *reason) {
    struct nmap *state = format_state;
    struct slice bytes = input_bytes(input);
    enum row_result result = ROW_MORE;
    while (bytes.len && result == ROW_MORE) {
        size_t before = bytes.len;
        enum xml_event event = xml_next(&state->xml, &bytes);
        input_take(input, before - bytes.len);
        row->line = input->line;
        result = take_event(state, event, row, reason);
    }
    if (result != ROW_MORE || !input->finished)
        return result;
    const char *why = xml_unfinished(&state->xml);
    row->line = input->line;
    return why ? break_off(row, why, reason) : ROW_END;
}

const struct format format_nmap = {
    .name = "nmap",
    .summary = "XML of nmap and masscan (-oX): open TCP ports, or hosts that are up",
    .example = "<nmaprun><host><address addr=\"192.0.2.1\"/>...",
    .size = sizeof(struct nmap),
    .recognizes = nmap_recognizes,
    .next = nmap_next,
};
