/* XMPP (RFC 6120 section 5), between clients and servers and between servers:
 *
 *     C: <stream:stream …>    S: <stream:stream …> <stream:features> <starttls …/> … </…>
 *     C: <starttls …/>        S: <proceed …/>
 *
 * No XML parser: the stream is cut into tags and text, text is passed over, and of a tag only the
 * local name and a few attributes are read. Comments and declarations are not allowed (section
 * 11.1), so that ">" outside of quotes is the end of a tag. */
#include "engine/starttls/dialogue.h"
#include "engine/starttls/reply.h"

enum { HEADER, STREAM, FEATURES, GO_AHEAD, PROCEED, STREAM_ERROR };

static const char TLS_NAMESPACE[] = "urn:ietf:params:xml:ns:xmpp-tls";

static void add_escaped(struct buffer *out, struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        if (byte == '&' || byte == '<' || byte == '>' || byte == '\'' || byte < ' ')
            buffer_add_format(out, "&#%u;", byte);
        else
            buffer_add_byte(out, byte);
    }
}

static void start_stream(struct dialogue_state *state, const char *namespace, struct buffer *out) {
    buffer_add_format(out,
                      "<?xml version='1.0'?><stream:stream xmlns='%s' "
                      "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'",
                      namespace);
    if (state->host.len) {
        buffer_add_text(out, " to='");
        add_escaped(out, state->host);
        buffer_add_text(out, "'");
    }
    buffer_add_text(out, ">");
}

static void client_start(struct dialogue_state *state, struct buffer *out) {
    start_stream(state, "jabber:client", out);
}

static void server_start(struct dialogue_state *state, struct buffer *out) {
    start_stream(state, "jabber:server", out);
}

/* A tag up to its ">", or one byte of text. The mark is the quote that is open. */
static size_t xmpp_length(struct dialogue_state *state, struct slice bytes) {
    uint8_t last = bytes.ptr[bytes.len - 1];

    if (bytes.ptr[0] != '<' || (bytes.len == 2 && last == '!'))
        return bytes.len;
    if (state->mark)
        state->mark = last == state->mark ? 0 : state->mark;
    else if (last == '>')
        return bytes.len;
    else if (last == '"' || last == '\'')
        state->mark = last;
    return 0;
}

static bool is_blank(uint8_t byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

struct tag {
    struct slice name, attributes;
    bool opens, closes; /* both for <name/> */
};

static struct tag read_tag(struct slice text) {
    struct tag tag = {.opens = true};

    text = slice_first(slice_from(text, 1), text.len - 2); /* without < and > */
    if (text.len && text.ptr[0] == '/') {
        tag.opens = false;
        tag.closes = true;
        text = slice_from(text, 1);
    } else if (text.len && text.ptr[text.len - 1] == '/') {
        tag.closes = true;
        text.len--;
    }
    size_t start = 0, end = 0;
    for (; end < text.len && !is_blank(text.ptr[end]); end++)
        if (text.ptr[end] == ':')
            start = end + 1;
    tag.name = slice_first(slice_from(text, start), end - start);
    tag.attributes = slice_from(text, end);
    return tag;
}

/* The value of an attribute; empty when there is none. */
static struct slice attribute(const struct tag *tag, const char *name) {
    struct slice rest = slice_trim(tag->attributes), wanted = slice_of(name);

    while (rest.len) {
        const uint8_t *equals = memchr(rest.ptr, '=', rest.len);
        if (!equals)
            break;
        struct slice key = slice_trim(slice_first(rest, (size_t)(equals - rest.ptr)));
        struct slice value = slice_trim(slice_from(rest, (size_t)(equals - rest.ptr) + 1));
        if (value.len < 2 || (value.ptr[0] != '"' && value.ptr[0] != '\''))
            break;
        const uint8_t *quote = memchr(value.ptr + 1, value.ptr[0], value.len - 1);
        if (!quote)
            break;
        size_t len = (size_t)(quote - value.ptr) - 1;
        if (slice_equal(key, wanted))
            return slice_first(slice_from(value, 1), len);
        rest = slice_trim(slice_from(value, len + 2));
    }
    return (struct slice){NULL, 0};
}

/* True for an element of that name, in the namespace of STARTTLS as far as it says. */
static bool is_tls(const struct tag *tag, const char *name) {
    struct slice namespace = attribute(tag, "xmlns");
    return slice_is(tag->name, name) && (!namespace.len || slice_is(namespace, TLS_NAMESPACE));
}

static enum dialogue_status end_features(struct dialogue_state *state, struct buffer *out) {
    if (!state->seen)
        return dialogue_refused(state, slice_of("STARTTLS is not offered"));
    buffer_add_format(out, "<starttls xmlns='%s'/>", TLS_NAMESPACE);
    state->step = GO_AHEAD;
    return DIALOGUE_MORE;
}

static enum dialogue_status take_header(struct dialogue_state *state, const struct tag *tag) {
    if (!tag->opens || tag->closes || !slice_is(tag->name, "stream"))
        return DIALOGUE_BROKEN;
    if (!attribute(tag, "version").len) /* section 4.7.5: there will be no features */
        return dialogue_refused(state, slice_of("STARTTLS is not offered: XMPP older than 1.0"));
    state->step = STREAM;
    return DIALOGUE_MORE;
}

static enum dialogue_status take_answer(struct dialogue_state *state, const struct tag *tag) {
    if (is_tls(tag, "failure"))
        return dialogue_refused(state, slice_of("failure"));
    if (!is_tls(tag, "proceed"))
        return DIALOGUE_MORE;
    state->step = PROCEED;
    return tag->closes ? DIALOGUE_TLS : DIALOGUE_MORE;
}

static enum dialogue_status take_tag(struct dialogue_state *state, const struct tag *tag,
                                     struct buffer *out) {
    if (state->step == HEADER)
        return take_header(state, tag);
    if (state->step == STREAM_ERROR) /* its condition comes first (section 4.9.2) */
        return dialogue_refused_with(state, tag->opens ? tag->name : (struct slice){NULL, 0},
                                     "stream error");
    if (tag->closes && !tag->opens && slice_is(tag->name, "stream"))
        return dialogue_refused(state, slice_of("the stream was closed"));
    if (tag->opens && slice_is(tag->name, "error")) {
        state->step = STREAM_ERROR;
        return tag->closes ? dialogue_refused(state, slice_of("stream error")) : DIALOGUE_MORE;
    }
    switch (state->step) {
    case STREAM:
        if (!slice_is(tag->name, "features"))
            return DIALOGUE_MORE;
        state->step = FEATURES;
        return tag->closes ? end_features(state, out) : DIALOGUE_MORE;
    case FEATURES:
        if (tag->opens && is_tls(tag, "starttls"))
            state->seen = true;
        return tag->closes && slice_is(tag->name, "features") ? end_features(state, out)
                                                              : DIALOGUE_MORE;
    case GO_AHEAD:
        return tag->opens ? take_answer(state, tag) : DIALOGUE_MORE;
    default:
        return slice_is(tag->name, "proceed") ? DIALOGUE_TLS : DIALOGUE_MORE;
    }
}

static enum dialogue_status xmpp_message(struct dialogue_state *state, struct slice message,
                                         struct buffer *out) {
    if (message.ptr[0] != '<') /* text: nothing but blanks until the stream begins */
        return state->step == HEADER && !is_blank(message.ptr[0]) ? DIALOGUE_BROKEN : DIALOGUE_MORE;
    if (message.ptr[1] == '!')
        return DIALOGUE_BROKEN;
    if (message.ptr[1] == '?')
        return state->step == HEADER ? DIALOGUE_MORE : DIALOGUE_BROKEN;
    struct tag tag = read_tag(message);
    return tag.name.len ? take_tag(state, &tag, out) : DIALOGUE_BROKEN;
}

const struct dialogue dialogue_xmpp = {
    .name = "xmpp",
    .summary = "chat, RFC 6120",
    .port = 5222,
    .aliases = {{"xmpp-client", 0}, {"jabber", 0}},
    .start = client_start,
    .length = xmpp_length,
    .message = xmpp_message,
};

const struct dialogue dialogue_xmpp_server = {
    .name = "xmpp-server",
    .summary = "chat between servers, RFC 6120",
    .port = 5269,
    .start = server_start,
    .length = xmpp_length,
    .message = xmpp_message,
};
