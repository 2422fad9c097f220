#include "ingest/xml.h"

static bool is_blank(uint8_t byte) {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static bool begins_name(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
           byte == ':' || byte >= 0x80;
}

static bool is_name(uint8_t byte) {
    return begins_name(byte) || (byte >= '0' && byte <= '9') || byte == '-' || byte == '.';
}

static void name_begin(struct xml_name *name) {
    name->len = 0;
    name->hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
}

static void name_add(struct xml_name *name, uint8_t byte) {
    if (name->len < XML_NAME_MAX)
        name->bytes[name->len] = byte;
    name->len++;
    name->hash = (name->hash ^ byte) * UINT64_C(0x100000001b3);
}

bool xml_name_is(const struct xml_name *name, const char *text) {
    return name->len <= XML_NAME_MAX && slice_is((struct slice){name->bytes, name->len}, text);
}

static enum xml_event broken(struct xml *xml, const char *reason) {
    xml->reason = reason;
    return XML_BROKEN;
}

/* The same at a byte behind others, which are taken, so that the line is right. */
static enum xml_event broken_at(struct xml *xml, struct slice *bytes, size_t at,
                                const char *reason) {
    *bytes = slice_from(*bytes, at);
    return broken(xml, reason);
}

static enum xml_event go(struct xml *xml, enum xml_state state) {
    xml->state = state;
    xml->matched = 0;
    xml->quote = 0;
    return XML_MORE;
}

/* --- Between tags --- */

static enum xml_event in_text(struct xml *xml, struct slice *bytes) {
    const uint8_t *less = memchr(bytes->ptr, '<', bytes->len);
    size_t len = less ? (size_t)(less - bytes->ptr) : bytes->len;
    for (size_t i = 0; xml->depth == 0 && i < len; i++)
        if (!is_blank(bytes->ptr[i]))
            return broken_at(xml, bytes, i, "text outside of the root element");
    *bytes = slice_from(*bytes, len + (less ? 1 : 0));
    return less ? go(xml, XML_AFTER_LESS) : XML_MORE;
}

static enum xml_event after_less(struct xml *xml, uint8_t byte) {
    if (byte == '!')
        return go(xml, XML_AFTER_MARK);
    if (byte == '?')
        return go(xml, XML_IN_INSTRUCTION);
    if (byte == '/') {
        name_begin(&xml->element);
        return go(xml, XML_IN_END_NAME);
    }
    if (!begins_name(byte))
        return broken(xml, "no tag after \"<\"");
    if (xml->depth == 0 && xml->had_root)
        return broken(xml, "a second root element");
    if (xml->depth == XML_DEPTH_MAX)
        return broken(xml, "elements are nested too deep");
    name_begin(&xml->element);
    name_add(&xml->element, byte);
    return go(xml, XML_IN_START_NAME);
}

/* After "<!": which of the three it is. */
static enum xml_event after_mark(struct xml *xml, uint8_t byte) {
    static const struct {
        const char *mark;
        enum xml_state state;
    } marks[] = {{"--", XML_IN_COMMENT}, {"[CDATA[", XML_IN_CDATA}, {"DOCTYPE", XML_IN_DOCTYPE}};
    xml->mark[xml->matched++] = byte;
    struct slice seen = {xml->mark, xml->matched};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        struct slice mark = slice_of(marks[i].mark);
        if (!slice_equal(slice_first(mark, seen.len), seen))
            continue;
        if (seen.len < mark.len)
            return XML_MORE;
        bool in_root = marks[i].state == XML_IN_CDATA;
        if (marks[i].state != XML_IN_COMMENT && in_root != (xml->depth > 0))
            break;
        return go(xml, marks[i].state);
    }
    return broken(xml, "\"<!\" begins nothing that is known here");
}

/* In a comment, CDATA or instruction: up to `times` marks and ">". */
static enum xml_event until(struct xml *xml, struct slice *bytes, uint8_t mark, uint32_t times) {
    size_t i = 0;
    for (; i < bytes->len; i++) {
        uint8_t byte = bytes->ptr[i];
        if (byte == mark) {
            xml->matched += xml->matched < times;
        } else if (byte == '>' && xml->matched == times) {
            *bytes = slice_from(*bytes, i + 1);
            return go(xml, XML_IN_TEXT);
        } else {
            xml->matched = 0;
        }
    }
    *bytes = (struct slice){0};
    return XML_MORE;
}

static enum xml_event in_doctype(struct xml *xml, uint8_t byte) {
    if (xml->quote) {
        xml->quote = byte == xml->quote ? 0 : xml->quote;
        return XML_MORE;
    }
    if (byte == '[' || byte == '<')
        return broken(xml, "the DOCTYPE declares something");
    if (byte == '"' || byte == '\'')
        xml->quote = byte;
    return byte == '>' ? go(xml, XML_IN_TEXT) : XML_MORE;
}

/* --- Tags --- */

static enum xml_event end_element(struct xml *xml) {
    go(xml, XML_IN_TEXT);
    if (xml->depth == 0 || xml->open[xml->depth - 1] != xml->element.hash)
        return broken(xml, "a tag closes an element that is not open");
    xml->depth--;
    return XML_END;
}

/* The name is complete; what follows it was not taken yet. */
static enum xml_event start_element(struct xml *xml) {
    go(xml, XML_AFTER_VALUE);
    xml->open[xml->depth++] = xml->element.hash;
    xml->had_root = true;
    return XML_START;
}

static enum xml_event in_end_name(struct xml *xml, uint8_t byte) {
    if (byte == '>')
        return end_element(xml);
    if (is_blank(byte))
        return go(xml, XML_AFTER_END_NAME);
    if (xml->state == XML_AFTER_END_NAME || !is_name(byte))
        return broken(xml, "a closing tag is not closed");
    name_add(&xml->element, byte);
    return XML_MORE;
}

/* Before an attribute or the end of the tag. */
static enum xml_event in_tag(struct xml *xml, uint8_t byte) {
    if (byte == '>' && xml->state != XML_AFTER_SLASH)
        return go(xml, XML_IN_TEXT);
    if (byte == '>')
        return end_element(xml);
    if (xml->state == XML_AFTER_SLASH)
        return broken(xml, "\"/\" in a tag");
    if (byte == '/')
        return go(xml, XML_AFTER_SLASH);
    if (is_blank(byte))
        return go(xml, XML_IN_TAG);
    if (xml->state == XML_AFTER_VALUE || !begins_name(byte))
        return broken(xml, "no attribute in a tag");
    name_begin(&xml->attribute);
    name_add(&xml->attribute, byte);
    return go(xml, XML_IN_ATTRIBUTE);
}

static enum xml_event in_attribute(struct xml *xml, uint8_t byte) {
    if (byte == '=')
        return go(xml, XML_BEFORE_VALUE);
    if (is_blank(byte))
        return go(xml, XML_AFTER_ATTRIBUTE);
    if (xml->state == XML_AFTER_ATTRIBUTE || !is_name(byte))
        return broken(xml, "an attribute without \"=\"");
    name_add(&xml->attribute, byte);
    return XML_MORE;
}

static enum xml_event before_value(struct xml *xml, uint8_t byte) {
    if (is_blank(byte))
        return XML_MORE;
    if (byte != '"' && byte != '\'')
        return broken(xml, "an attribute without quotes");
    go(xml, XML_IN_VALUE);
    xml->quote = byte;
    xml->value_len = 0;
    return XML_MORE;
}

/* --- Values --- */

/* Writes a character in UTF-8; returns its length, 0 when it is none. */
static size_t put_character(uint8_t *to, uint32_t code) {
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0;
    if (code < 0x80) {
        to[0] = (uint8_t)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i; i--, code >>= 6)
        to[i] = (uint8_t)(0x80 | (code & 0x3f));
    to[0] = (uint8_t)(0xf00 >> len | code);
    return len;
}

/* "#233" or "#xe9"; 0 when it is neither. */
static uint32_t character_number(struct slice text) {
    uint32_t base = text.len > 1 && text.ptr[1] == 'x' ? 16 : 10, code = 0;
    size_t i = base == 16 ? 2 : 1;
    if (i == text.len)
        return 0;
    for (; i < text.len; i++) {
        uint8_t byte = text.ptr[i], letter = byte | 0x20;
        uint32_t digit = 16;
        if (byte >= '0' && byte <= '9')
            digit = byte - '0';
        else if (letter >= 'a' && letter <= 'f')
            digit = letter - 'a' + 10u;
        if (digit >= base || code > 0x10ffff)
            return 0;
        code = code * base + digit;
    }
    return code;
}

static uint32_t entity(struct slice text) {
    static const struct {
        const char *name;
        uint32_t code;
    } entities[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    if (text.len && text.ptr[0] == '#')
        return character_number(text);
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
        if (slice_is(text, entities[i].name))
            return entities[i].code;
    return 0;
}

/* Puts characters in the places of their entities, which are longer. */
static enum xml_event decode_value(struct xml *xml) {
    uint8_t *from = xml->value_bytes, *to = from, *end = from + xml->value_len;
    if (xml->value_len > XML_VALUE_MAX) {
        xml->value = (struct slice){xml->value_bytes, XML_VALUE_MAX};
        return XML_ATTRIBUTE;
    }
    while (from < end) {
        uint8_t *mark = memchr(from, '&', (size_t)(end - from));
        size_t plain = (size_t)((mark ? mark : end) - from);
        memmove(to, from, plain);
        to += plain;
        from += plain;
        if (!mark)
            break;
        uint8_t *semicolon = memchr(mark, ';', (size_t)(end - mark));
        size_t len = 0;
        if (semicolon)
            len =
                put_character(to, entity((struct slice){mark + 1, (size_t)(semicolon - mark - 1)}));
        if (!len)
            return broken(xml, "an unknown entity");
        to += len;
        from = semicolon + 1;
    }
    xml->value = (struct slice){xml->value_bytes, (size_t)(to - xml->value_bytes)};
    return XML_ATTRIBUTE;
}

static enum xml_event in_value(struct xml *xml, struct slice *bytes) {
    const uint8_t *quote = memchr(bytes->ptr, xml->quote, bytes->len);
    size_t len = quote ? (size_t)(quote - bytes->ptr) : bytes->len;
    const uint8_t *less = len ? memchr(bytes->ptr, '<', len) : NULL;
    if (less)
        return broken_at(xml, bytes, (size_t)(less - bytes->ptr),
                         "\"<\" in the value of an attribute");
    if (xml->value_len < XML_VALUE_MAX && len) {
        size_t room = XML_VALUE_MAX - xml->value_len;
        memcpy(xml->value_bytes + xml->value_len, bytes->ptr, len < room ? len : room);
    }
    xml->value_len += len;
    *bytes = slice_from(*bytes, len + (quote ? 1 : 0));
    if (!quote)
        return XML_MORE;
    go(xml, XML_AFTER_VALUE);
    return decode_value(xml);
}

/* One byte in a state that takes them one by one. */
static enum xml_event take_byte(struct xml *xml, uint8_t byte) {
    switch (xml->state) {
    case XML_AFTER_LESS:
        return after_less(xml, byte);
    case XML_AFTER_MARK:
        return after_mark(xml, byte);
    case XML_IN_DOCTYPE:
        return in_doctype(xml, byte);
    case XML_IN_END_NAME:
    case XML_AFTER_END_NAME:
        return in_end_name(xml, byte);
    case XML_IN_ATTRIBUTE:
    case XML_AFTER_ATTRIBUTE:
        return in_attribute(xml, byte);
    case XML_BEFORE_VALUE:
        return before_value(xml, byte);
    default:
        return in_tag(xml, byte);
    }
}

enum xml_event xml_next(struct xml *xml, struct slice *bytes) {
    enum xml_event event = XML_MORE;
    while (event == XML_MORE && bytes->len) {
        switch (xml->state) {
        case XML_IN_TEXT:
            event = in_text(xml, bytes);
            break;
        case XML_IN_COMMENT:
            event = until(xml, bytes, '-', 2);
            break;
        case XML_IN_CDATA:
            event = until(xml, bytes, ']', 2);
            break;
        case XML_IN_INSTRUCTION:
            event = until(xml, bytes, '?', 1);
            break;
        case XML_IN_VALUE:
            event = in_value(xml, bytes);
            break;
        case XML_IN_START_NAME:
            if (!is_name(bytes->ptr[0])) {
                event = start_element(xml);
                break;
            }
            name_add(&xml->element, bytes->ptr[0]);
            *bytes = slice_from(*bytes, 1);
            break;
        default:
            event = take_byte(xml, bytes->ptr[0]);
            *bytes = slice_from(*bytes, 1);
            break;
        }
    }
    return event;
}

const char *xml_unfinished(const struct xml *xml) {
    if (xml->state != XML_IN_TEXT)
        return "the XML ends within a tag or a comment";
    if (xml->depth)
        return "the XML ends within an element";
    return xml->had_root ? NULL : "the XML has no element";
}
