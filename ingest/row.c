#include "ingest/row.h"

#include "engine/base/quote.h"
#include "ingest/target_parse.h"

static const struct {
    const char *name;
    enum column column;
} names[] = {
    {"host", COLUMN_HOST},
    {"hostname", COLUMN_HOST},
    {"domain", COLUMN_HOST},
    {"fqdn", COLUMN_HOST},
    {"target", COLUMN_HOST},
    {"url", COLUMN_HOST},
    {"ip", COLUMN_IP},
    {"ip_str", COLUMN_IP},
    {"ip_address", COLUMN_IP},
    {"address", COLUMN_IP},
    {"addr", COLUMN_IP},
    {"port", COLUMN_PORT},
    {"sni", COLUMN_SNI},
    {"server_name", COLUMN_SNI},
    {"protocol", COLUMN_PROTOCOL},
    {"ca_file", COLUMN_CA_FILE},
    {"saddr", COLUMN_SOURCE_IP},
    {"sport", COLUMN_SOURCE_PORT},
    {"success", COLUMN_SUCCESS},
    {"repeat", COLUMN_REPEAT},
    {"daddr", COLUMN_DESTINATION_IP},
    {"dport", COLUMN_DESTINATION_PORT},
};

enum column column_of(struct slice name) {
    name = slice_trim(name);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_equal_nocase(name, slice_of(names[i].name)))
            return names[i].column;
    return COLUMN_COUNT;
}

bool column_is_host(enum column column) {
    return column == COLUMN_HOST || column == COLUMN_IP || column == COLUMN_SOURCE_IP ||
           column == COLUMN_DESTINATION_IP;
}

static bool is_true(struct slice text) {
    return slice_is(text, "1") || slice_equal_nocase(text, slice_of("true"));
}

static bool is_false(struct slice text) {
    return slice_is(text, "0") || slice_equal_nocase(text, slice_of("false"));
}

/* The cells that count, trimmed, with those of packets in their places. */
static void choose(const struct row *row, struct slice cells[COLUMN_COUNT]) {
    for (int i = 0; i < COLUMN_COUNT; i++)
        cells[i] = row->cells[i].len ? slice_trim(row->cells[i]) : row->cells[i];
    bool from_packet = !cells[COLUMN_IP].len && cells[COLUMN_SOURCE_IP].len;
    if (from_packet)
        cells[COLUMN_IP] = cells[COLUMN_SOURCE_IP];
    else if (!cells[COLUMN_IP].len)
        cells[COLUMN_IP] = cells[COLUMN_DESTINATION_IP];
    /* The port of a packet that came back is the one that it came from. */
    if (!cells[COLUMN_PORT].len)
        cells[COLUMN_PORT] = cells[from_packet ? COLUMN_SOURCE_PORT : COLUMN_DESTINATION_PORT];
}

/* Without a host, the address stands for it. */
static enum error set_host(struct slice cells[COLUMN_COUNT], const struct source_context *context,
                           struct spec *spec, struct failure *failure) {
    struct slice host = cells[COLUMN_HOST];
    bool is_ip = !host.len;
    if (is_ip) {
        host = cells[COLUMN_IP];
        cells[COLUMN_IP] = (struct slice){0};
    }
    if (!host.len)
        return failure_set(failure, ERROR_USAGE, "the host is missing");
    struct slice path;
    if (slice_is(cells[COLUMN_PROTOCOL], "file") && !target_is_file(host, &path))
        return spec_read_file(spec, context, host, failure);
    if (host.ptr[0] == '@' || slice_is(host, "-"))
        return failure_set(failure, ERROR_USAGE, "a list cannot name another list");
    enum error error = spec_read(spec, context, host, failure);
    if (!error && is_ip && !spec->is_block && spec->target.address.family == ADDRESS_NONE)
        return failure_set(failure, ERROR_USAGE, "%s is not an IP address", quote_of(host).text);
    return error;
}

static enum error set_address(struct spec *spec, struct slice text, struct failure *failure) {
    struct address address;
    if (!address_parse(text, &address))
        return failure_set(failure, ERROR_USAGE, "%s is not an IP address", quote_of(text).text);
    bool other = spec->target.address.family != ADDRESS_NONE &&
                 !address_equal(&spec->target.address, &address);
    if (spec->is_block || other)
        return failure_set(failure, ERROR_USAGE, "the host and the IP address %s differ",
                           quote_of(text).text);
    spec->target.address = address;
    return ERROR_NONE;
}

static enum error set_server_name(struct spec *spec, struct slice text, struct failure *failure) {
    struct target named = {0};
    enum error error = target_set_name(&named, text, failure);
    if (error)
        return error;
    bool same = slice_equal(target_name(&named), target_name(&spec->target));
    if (!same && !spec->is_block && spec->target.address.family == ADDRESS_NONE)
        return failure_set(failure, ERROR_USAGE,
                           "the server name %s is not the host; with an IP address it can be",
                           quote_of(text).text);
    memcpy(spec->target.name, named.name, sizeof named.name);
    spec->target.name_len = named.name_len;
    return ERROR_NONE;
}

static enum error set_port(struct spec *spec, struct slice text, struct failure *failure) {
    uint64_t port;
    if (!slice_to_u64(text, 65535, &port) || port == 0)
        return failure_set(failure, ERROR_USAGE, "port %s is not between 1 and 65535",
                           quote_of(text).text);
    if (spec->target.port && spec->target.port != port)
        return failure_set(failure, ERROR_USAGE, "port %d and port %d", spec->target.port,
                           (int)port);
    spec->target.port = (uint16_t)port;
    return ERROR_NONE;
}

static enum error set_protocol(struct spec *spec, const struct source_context *context,
                               struct slice text, struct failure *failure) {
    uint16_t default_port = 0;
    if (slice_equal_nocase(text, slice_of("tcp")))
        return ERROR_NONE;
    bool https = slice_equal_nocase(text, slice_of("https"));
    int protocol = context->protocols->by_name(https ? slice_of("tls") : text, &default_port);
    if (protocol < 0)
        return failure_set(failure, ERROR_USAGE, "unknown protocol %s", quote_of(text).text);
    spec->target.protocol = (uint8_t)protocol;
    if (!spec->target.port)
        spec->target.port = default_port;
    return ERROR_NONE;
}

static enum error set_cells(const struct slice cells[COLUMN_COUNT],
                            const struct source_context *context, struct spec *spec,
                            struct failure *failure) {
    enum error error = ERROR_NONE;
    if (cells[COLUMN_IP].len)
        error = set_address(spec, cells[COLUMN_IP], failure);
    if (!error && cells[COLUMN_SNI].len)
        error = set_server_name(spec, cells[COLUMN_SNI], failure);
    if (!error && cells[COLUMN_PORT].len)
        error = set_port(spec, cells[COLUMN_PORT], failure);
    if (!error && spec->target.port && !spec->target.protocol)
        spec->target.protocol = protocol_of_port(context->protocols, spec->target.port);
    if (!error && cells[COLUMN_PROTOCOL].len)
        error = set_protocol(spec, context, cells[COLUMN_PROTOCOL], failure);
    return error;
}

/* Of the server, or of the certificates of a file: whom they should be for. */
static enum error set_more(const struct slice cells[COLUMN_COUNT],
                           const struct source_context *context, struct spec *spec,
                           struct failure *failure) {
    struct slice name = cells[COLUMN_SNI];
    enum error error = ERROR_NONE;
    if (!spec->file.len)
        error = set_cells(cells, context, spec, failure);
    else if (name.len && !address_parse(name, &spec->target.address))
        error = target_set_name(&spec->target, name, failure);
    if (error || !cells[COLUMN_CA_FILE].len || !context->roots)
        return error;
    spec->target.roots =
        context->roots->open(context->roots->owner, cells[COLUMN_CA_FILE], failure);
    return spec->target.roots ? ERROR_NONE : failure->code;
}

enum error row_to_spec(const struct row *row, const struct source_context *context,
                       struct spec *spec, struct failure *failure) {
    struct slice cells[COLUMN_COUNT];
    choose(row, cells);
    spec->next = spec->count = 0;
    if (cells[COLUMN_SOURCE_IP].len &&
        (is_false(cells[COLUMN_SUCCESS]) || is_true(cells[COLUMN_REPEAT])))
        return ERROR_NONE;

    enum error error = set_host(cells, context, spec, failure);
    if (!error)
        error = set_more(cells, context, spec, failure);
    if (!error)
        spec_begin(spec, context);
    return error;
}
