/* Raw names that are not plain host names at first sight. Rare, so that care comes before speed;
 * but whoever makes certificates chooses them, so that everything is bounded. */
#include "engine/base/text.h"
#include "engine/match/names_internal.h"

#include <idn2.h>

enum {
    /* Labels outside ASCII of one certificate that go through IDNA, a microsecond or two each.
     * Those beyond are left as they are and then match anything, so that nothing hides behind them.
     */
    ODD_LABELS_MAX = 1024,
    /* Latin-1 as UTF-8 is twice as long. */
    UTF8_BYTES_MAX = 2 * MATCH_NAME_BYTES_MAX,
    /* A label of a few bytes may grow to one of 63. */
    ASCII_BYTES_MAX = 16 * MATCH_NAME_BYTES_MAX,
};

static bool is_blank(uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Without blanks at the ends and final dots. */
static struct slice trim(struct slice text) {
    while (text.len && is_blank(text.ptr[0]))
        text = slice_from(text, 1);
    while (text.len && (is_blank(text.ptr[text.len - 1]) || text.ptr[text.len - 1] == '.'))
        text.len--;
    return text;
}

/* The end of what is too long, from the first dot on that it has. */
static struct slice tail(struct slice text) {
    if (text.len <= MATCH_NAME_BYTES_MAX)
        return text;
    text = slice_from(text, text.len - MATCH_NAME_BYTES_MAX);
    const uint8_t *dot = memchr(text.ptr, '.', text.len);
    return dot ? slice_from(text, (size_t)(dot - text.ptr) + 1) : (struct slice){NULL, 0};
}

static struct slice without_scheme(struct slice text) {
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (slice_equal_nocase(slice_first(text, strlen(schemes[i])), slice_of(schemes[i])))
            return slice_from(text, strlen(schemes[i]));
    return text;
}

static bool is_ascii(struct slice text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] >= 0x80)
            return false;
    return true;
}

bool names_label_is_senseless(struct slice label) {
    for (size_t i = 0; i < label.len; i++)
        if (label.ptr[i] < ' ' || label.ptr[i] >= 0x7f)
            return true;
    return slice_is(label, "?");
}

size_t names_to_ascii(struct slice text, uint8_t out[NAMES_IDNA_BYTES], const char **why) {
    char terminated[UTF8_BYTES_MAX + 1];
    uint8_t *ascii = NULL;
    *why = "too long";
    if (text.len >= sizeof terminated || memchr(text.ptr, 0, text.len))
        return 0;
    memcpy(terminated, text.ptr, text.len);
    terminated[text.len] = '\0';
    int result =
        idn2_lookup_u8((const uint8_t *)terminated, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (result != IDN2_OK) {
        *why = idn2_strerror(result);
        return 0;
    }
    size_t len = strlen((const char *)ascii);
    if (len >= NAMES_IDNA_BYTES)
        len = 0;
    memcpy(out, ascii, len);
    idn2_free(ascii);
    return len;
}

/* How it matches, and where its dots are. */
static struct match_name describe(struct slice text, uint32_t owner) {
    struct match_name name = {.owner = owner, .len = (uint16_t)text.len};
    for (size_t i = 0; i < text.len && i < NAMES_DOTS; i++)
        name.dots |= (uint64_t)(text.ptr[i] == '.') << i;
    for (size_t end = text.len; end != SIZE_MAX;) {
        struct slice label = names_label_before(text, &end);
        if (end == SIZE_MAX && slice_is(label, "*") && name.kind == MATCH_NAME_PLAIN)
            name.kind = MATCH_NAME_WILDCARD;
        else if (names_label_is_senseless(label) ||
                 (label.len && memchr(label.ptr, '*', label.len)))
            name.kind = MATCH_NAME_ODD;
    }
    return name;
}

static void add_text(struct match_names *names, struct slice text, uint32_t owner) {
    text = tail(text);
    if (!text.len || !memchr(text.ptr, '.', text.len) || names_has(names, owner, text, false))
        return;
    uint8_t *to = names_reserve(names, text.len);
    if (!to)
        return;
    memcpy(to, text.ptr, text.len);
    names_commit(names, describe(text, owner));
}

static void lower_ascii(uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (bytes[i] >= 'A' && bytes[i] <= 'Z')
            bytes[i] |= 0x20;
}

/* One label as it will be matched, into `out`, which has room for NAMES_IDNA_BYTES. */
static size_t convert_label(struct match_names *names, struct slice label, uint8_t *out) {
    const char *why;
    if (!is_ascii(label) && names->odd_labels < ODD_LABELS_MAX) {
        names->odd_labels++;
        size_t len = names_to_ascii(label, out, &why);
        if (len)
            return len;
    }
    if (label.len)
        memcpy(out, label.ptr, label.len);
    return label.len;
}

/* Valid UTF-8 outside ASCII. From the right, so that what is cut off is on the left. */
static void add_unicode(struct match_names *names, struct slice text, uint32_t owner) {
    uint8_t ascii[ASCII_BYTES_MAX], label_ascii[NAMES_IDNA_BYTES];
    size_t start = sizeof ascii;
    if (names->odd_owner != owner) {
        names->odd_owner = owner;
        names->odd_labels = 0;
    }
    for (size_t end = text.len; end != SIZE_MAX;) {
        size_t len = convert_label(names, names_label_before(text, &end), label_ascii);
        if (len + 1 > start)
            break;
        start -= len;
        memcpy(ascii + start, label_ascii, len);
        if (end != SIZE_MAX)
            ascii[--start] = '.';
    }
    lower_ascii(ascii + start, sizeof ascii - start);
    add_text(names, (struct slice){ascii + start, sizeof ascii - start}, owner);
}

static void add_latin1(struct match_names *names, struct slice text, uint32_t owner) {
    uint8_t utf8[UTF8_BYTES_MAX];
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        if (byte >= 0x80)
            utf8[len++] = (uint8_t)(0xc0 | byte >> 6);
        utf8[len++] = byte < 0x80 ? byte : (uint8_t)(0x80 | (byte & 0x3f));
    }
    add_unicode(names, (struct slice){utf8, len}, owner);
}

static bool add_as_address(struct match_names *names, struct slice text, uint32_t owner) {
    struct address address;
    if (!address_parse(text, &address))
        return false;
    match_names_add_address(names, (struct slice){address.bytes, address_length(&address)}, owner);
    return true;
}

/* One of the forms of a raw name. */
static void add_form(struct match_names *names, struct slice text, uint32_t owner,
                     bool is_common_name) {
    uint8_t lower[MATCH_NAME_BYTES_MAX];
    text = tail(trim(text));
    if (!text.len || add_as_address(names, text, owner))
        return;
    if (is_common_name && memchr(text.ptr, ' ', text.len))
        return;
    memcpy(lower, text.ptr, text.len);
    lower_ascii(lower, text.len);
    text.ptr = lower;
    if (is_ascii(text)) {
        add_text(names, text, owner);
        return;
    }
    if (text_is_utf8(text))
        add_unicode(names, text, owner);
    add_latin1(names, text, owner);
}

static void add_with_slash(struct match_names *names, struct slice text, uint32_t owner,
                           bool is_common_name) {
    const uint8_t *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
    if (slash)
        add_form(names, slice_first(text, (size_t)(slash - text.ptr)), owner, is_common_name);
    add_form(names, text, owner, is_common_name);
}

void names_add_odd(struct match_names *names, struct slice raw, uint32_t owner,
                   bool is_common_name) {
    raw = without_scheme(raw);
    const uint8_t *nul = raw.len ? memchr(raw.ptr, 0, raw.len) : NULL;
    if (nul)
        add_with_slash(names, slice_first(raw, (size_t)(nul - raw.ptr)), owner, is_common_name);
    add_with_slash(names, raw, owner, is_common_name);
}
