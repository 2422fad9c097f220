#include "engine/base/text.h"
#include "engine/match/lookalike_internal.h"

/* What Unicode takes apart into a Latin letter and marks, and letters of other shapes and scripts
 * that pass for a Latin one (Unicode Technical Standard 39 has the idea and most of them). Upper
 * case and compatibility forms do not get through IDNA. */
static const struct {
    uint16_t first, last;
    char like;
} CONFUSABLES[] = {
    {0x00df, 0x00df, 'b'}, {0x00e0, 0x00e5, 'a'}, {0x00e7, 0x00e7, 'c'}, {0x00e8, 0x00eb, 'e'},
    {0x00ec, 0x00ef, 'i'}, {0x00f0, 0x00f0, 'd'}, {0x00f1, 0x00f1, 'n'}, {0x00f2, 0x00f6, 'o'},
    {0x00f8, 0x00f8, 'o'}, {0x00f9, 0x00fc, 'u'}, {0x00fd, 0x00fd, 'y'}, {0x00fe, 0x00fe, 'p'},
    {0x00ff, 0x00ff, 'y'}, {0x0101, 0x0105, 'a'}, {0x0107, 0x010d, 'c'}, {0x010f, 0x0111, 'd'},
    {0x0113, 0x011b, 'e'}, {0x011d, 0x0123, 'g'}, {0x0125, 0x0127, 'h'}, {0x0129, 0x0131, 'i'},
    {0x0135, 0x0135, 'j'}, {0x0137, 0x0138, 'k'}, {0x013a, 0x013e, 'l'}, {0x0142, 0x0142, 'l'},
    {0x0144, 0x0148, 'n'}, {0x014b, 0x014b, 'n'}, {0x014d, 0x0151, 'o'}, {0x0155, 0x0159, 'r'},
    {0x015b, 0x0161, 's'}, {0x0163, 0x0167, 't'}, {0x0169, 0x0173, 'u'}, {0x0175, 0x0175, 'w'},
    {0x0177, 0x0177, 'y'}, {0x017a, 0x017e, 'z'}, {0x017f, 0x017f, 'f'}, {0x0180, 0x0185, 'b'},
    {0x0188, 0x0188, 'c'}, {0x018c, 0x018c, 'd'}, {0x0192, 0x0192, 'f'}, {0x0199, 0x0199, 'k'},
    {0x019a, 0x019a, 'l'}, {0x019e, 0x019e, 'n'}, {0x01a1, 0x01a1, 'o'}, {0x01a5, 0x01a5, 'p'},
    {0x01ab, 0x01ad, 't'}, {0x01b0, 0x01b0, 'u'}, {0x01b4, 0x01b4, 'y'}, {0x01b6, 0x01b6, 'z'},
    {0x01bd, 0x01bd, 's'}, {0x01ce, 0x01ce, 'a'}, {0x01d0, 0x01d0, 'i'}, {0x01d2, 0x01d2, 'o'},
    {0x01d4, 0x01dc, 'u'}, {0x01dd, 0x01dd, 'e'}, {0x01df, 0x01e1, 'a'}, {0x01e5, 0x01e7, 'g'},
    {0x01e9, 0x01e9, 'k'}, {0x01eb, 0x01ed, 'o'}, {0x01f0, 0x01f0, 'j'}, {0x01f5, 0x01f5, 'g'},
    {0x01f9, 0x01f9, 'n'}, {0x01fb, 0x01fb, 'a'}, {0x0201, 0x0203, 'a'}, {0x0205, 0x0207, 'e'},
    {0x0209, 0x020b, 'i'}, {0x020d, 0x020f, 'o'}, {0x0211, 0x0213, 'r'}, {0x0215, 0x0217, 'u'},
    {0x0219, 0x0219, 's'}, {0x021b, 0x021b, 't'}, {0x021f, 0x021f, 'h'}, {0x0221, 0x0221, 'd'},
    {0x0227, 0x0227, 'a'}, {0x0229, 0x0229, 'e'}, {0x022b, 0x0231, 'o'}, {0x0233, 0x0233, 'y'},
    {0x0234, 0x0234, 'l'}, {0x0235, 0x0235, 'n'}, {0x0236, 0x0236, 't'}, {0x0237, 0x0237, 'j'},
    {0x023c, 0x023c, 'c'}, {0x023f, 0x023f, 's'}, {0x0240, 0x0240, 'z'}, {0x0247, 0x0247, 'e'},
    {0x0249, 0x0249, 'j'}, {0x024b, 0x024b, 'q'}, {0x024d, 0x024d, 'r'}, {0x024f, 0x024f, 'y'},
    {0x0250, 0x0251, 'a'}, {0x0253, 0x0253, 'b'}, {0x0255, 0x0255, 'c'}, {0x0256, 0x0257, 'd'},
    {0x0258, 0x0259, 'e'}, {0x025b, 0x025c, 'e'}, {0x0260, 0x0262, 'g'}, {0x0263, 0x0263, 'y'},
    {0x0266, 0x0266, 'h'}, {0x0268, 0x026a, 'i'}, {0x026b, 0x026d, 'l'}, {0x026f, 0x0270, 'w'},
    {0x0271, 0x0271, 'm'}, {0x0272, 0x0274, 'n'}, {0x0275, 0x0275, 'o'}, {0x027c, 0x027e, 'r'},
    {0x0280, 0x0280, 'r'}, {0x0282, 0x0282, 's'}, {0x0288, 0x0288, 't'}, {0x0289, 0x0289, 'u'},
    {0x028b, 0x028b, 'u'}, {0x028c, 0x028c, 'v'}, {0x028d, 0x028d, 'w'}, {0x028f, 0x028f, 'y'},
    {0x0290, 0x0290, 'z'}, {0x0299, 0x0299, 'b'}, {0x029c, 0x029c, 'h'}, {0x029d, 0x029d, 'j'},
    {0x029f, 0x029f, 'l'}, {0x02a0, 0x02a0, 'q'}, {0x0390, 0x0390, 'i'}, {0x03ac, 0x03ac, 'a'},
    {0x03ad, 0x03ad, 'e'}, {0x03ae, 0x03ae, 'n'}, {0x03af, 0x03af, 'i'}, {0x03b0, 0x03b0, 'u'},
    {0x03b1, 0x03b1, 'a'}, {0x03b2, 0x03b2, 'b'}, {0x03b3, 0x03b3, 'y'}, {0x03b5, 0x03b5, 'e'},
    {0x03b7, 0x03b7, 'n'}, {0x03b9, 0x03b9, 'i'}, {0x03ba, 0x03ba, 'k'}, {0x03bc, 0x03bc, 'u'},
    {0x03bd, 0x03bd, 'v'}, {0x03bf, 0x03bf, 'o'}, {0x03c0, 0x03c0, 'n'}, {0x03c1, 0x03c1, 'p'},
    {0x03c2, 0x03c2, 'c'}, {0x03c3, 0x03c3, 'o'}, {0x03c4, 0x03c4, 't'}, {0x03c5, 0x03c5, 'u'},
    {0x03c7, 0x03c7, 'x'}, {0x03c9, 0x03c9, 'w'}, {0x03ca, 0x03ca, 'i'}, {0x03cb, 0x03cb, 'u'},
    {0x03cc, 0x03cc, 'o'}, {0x03cd, 0x03cd, 'u'}, {0x03ce, 0x03ce, 'w'}, {0x03f1, 0x03f1, 'p'},
    {0x03f2, 0x03f2, 'c'}, {0x03f3, 0x03f3, 'j'}, {0x03f5, 0x03f5, 'e'}, {0x0430, 0x0430, 'a'},
    {0x0431, 0x0432, 'b'}, {0x0433, 0x0433, 'r'}, {0x0435, 0x0435, 'e'}, {0x0437, 0x0437, 'e'},
    {0x0438, 0x0439, 'u'}, {0x043a, 0x043a, 'k'}, {0x043c, 0x043c, 'm'}, {0x043d, 0x043d, 'h'},
    {0x043e, 0x043e, 'o'}, {0x043f, 0x043f, 'n'}, {0x0440, 0x0440, 'p'}, {0x0441, 0x0441, 'c'},
    {0x0442, 0x0442, 't'}, {0x0443, 0x0443, 'y'}, {0x0445, 0x0445, 'x'}, {0x0446, 0x0446, 'u'},
    {0x0448, 0x0449, 'w'}, {0x044a, 0x044a, 'b'}, {0x044c, 0x044c, 'b'}, {0x044d, 0x044d, 'e'},
    {0x044f, 0x044f, 'r'}, {0x0450, 0x0451, 'e'}, {0x0452, 0x0452, 'h'}, {0x0453, 0x0453, 'r'},
    {0x0454, 0x0454, 'e'}, {0x0455, 0x0455, 's'}, {0x0456, 0x0457, 'i'}, {0x0458, 0x0458, 'j'},
    {0x045b, 0x045b, 'h'}, {0x045c, 0x045c, 'k'}, {0x045d, 0x045d, 'u'}, {0x045e, 0x045e, 'y'},
    {0x045f, 0x045f, 'u'}, {0x0461, 0x0461, 'w'}, {0x0475, 0x0477, 'v'}, {0x048f, 0x048f, 'p'},
    {0x0491, 0x0491, 'r'}, {0x0493, 0x0493, 'f'}, {0x0497, 0x0497, 'x'}, {0x049b, 0x04a1, 'k'},
    {0x04a3, 0x04a5, 'h'}, {0x04ab, 0x04ab, 'c'}, {0x04ad, 0x04ad, 't'}, {0x04af, 0x04b1, 'y'},
    {0x04b3, 0x04b3, 'x'}, {0x04bb, 0x04bb, 'h'}, {0x04bd, 0x04bf, 'e'}, {0x04c4, 0x04c4, 'k'},
    {0x04c8, 0x04ca, 'h'}, {0x04ce, 0x04ce, 'm'}, {0x04cf, 0x04cf, 'l'}, {0x04d1, 0x04d3, 'a'},
    {0x04d7, 0x04db, 'e'}, {0x04e3, 0x04e5, 'u'}, {0x04e7, 0x04eb, 'o'}, {0x04ef, 0x04f3, 'y'},
    {0x04fd, 0x04ff, 'x'}, {0x0501, 0x0501, 'd'}, {0x050d, 0x050d, 'g'}, {0x051b, 0x051b, 'q'},
    {0x051d, 0x051d, 'w'}, {0x0561, 0x0561, 'w'}, {0x0563, 0x0563, 'q'}, {0x0566, 0x0566, 'q'},
    {0x056c, 0x056c, 'l'}, {0x0570, 0x0570, 'h'}, {0x0575, 0x0575, 'j'}, {0x0578, 0x0578, 'n'},
    {0x057c, 0x057c, 'n'}, {0x057d, 0x057d, 'u'}, {0x0581, 0x0581, 'g'}, {0x0582, 0x0582, 'l'},
    {0x0584, 0x0584, 'p'}, {0x0585, 0x0585, 'o'}, {0x1d00, 0x1d00, 'a'}, {0x1d04, 0x1d04, 'c'},
    {0x1d05, 0x1d05, 'd'}, {0x1d07, 0x1d07, 'e'}, {0x1d0a, 0x1d0a, 'j'}, {0x1d0b, 0x1d0b, 'k'},
    {0x1d0d, 0x1d0d, 'm'}, {0x1d0f, 0x1d0f, 'o'}, {0x1d18, 0x1d18, 'p'}, {0x1d1b, 0x1d1b, 't'},
    {0x1d1c, 0x1d1c, 'u'}, {0x1d20, 0x1d20, 'v'}, {0x1d21, 0x1d21, 'w'}, {0x1d22, 0x1d22, 'z'},
    {0x1e01, 0x1e01, 'a'}, {0x1e03, 0x1e07, 'b'}, {0x1e09, 0x1e09, 'c'}, {0x1e0b, 0x1e13, 'd'},
    {0x1e15, 0x1e1d, 'e'}, {0x1e1f, 0x1e1f, 'f'}, {0x1e21, 0x1e21, 'g'}, {0x1e23, 0x1e2b, 'h'},
    {0x1e2d, 0x1e2f, 'i'}, {0x1e31, 0x1e35, 'k'}, {0x1e37, 0x1e3d, 'l'}, {0x1e3f, 0x1e43, 'm'},
    {0x1e45, 0x1e4b, 'n'}, {0x1e4d, 0x1e53, 'o'}, {0x1e55, 0x1e57, 'p'}, {0x1e59, 0x1e5f, 'r'},
    {0x1e61, 0x1e69, 's'}, {0x1e6b, 0x1e71, 't'}, {0x1e73, 0x1e7b, 'u'}, {0x1e7d, 0x1e7f, 'v'},
    {0x1e81, 0x1e89, 'w'}, {0x1e8b, 0x1e8d, 'x'}, {0x1e8f, 0x1e8f, 'y'}, {0x1e91, 0x1e95, 'z'},
    {0x1e96, 0x1e96, 'h'}, {0x1e97, 0x1e97, 't'}, {0x1e98, 0x1e98, 'w'}, {0x1e99, 0x1e99, 'y'},
    {0x1ea1, 0x1eb7, 'a'}, {0x1eb9, 0x1ec7, 'e'}, {0x1ec9, 0x1ecb, 'i'}, {0x1ecd, 0x1ee3, 'o'},
    {0x1ee5, 0x1ef1, 'u'}, {0x1ef3, 0x1ef9, 'y'}, {0x1efd, 0x1efd, 'v'}, {0xa731, 0xa731, 's'},
    {0xa781, 0xa781, 'l'}, {0xa787, 0xa787, 't'},
};

/* 0 and o, 1 and i and l, and digits that stand for letters. */
#define BOTH(lower, upper, class) [lower] = class, [upper] = class
const uint8_t lookalike_classes[256] = {
    BOTH('a', '4', 1),  BOTH('b', '8', 2), ['c'] = 3,  ['d'] = 4,          BOTH('e', '3', 5),
    ['f'] = 6,          BOTH('g', '9', 7), ['h'] = 8,  BOTH('i', '1', 9),  ['l'] = 9,
    ['j'] = 10,         ['k'] = 11,        ['m'] = 13, ['n'] = 14,         BOTH('o', '0', 15),
    ['p'] = 16,         ['q'] = 17,        ['r'] = 18, BOTH('s', '5', 19), BOTH('t', '7', 20),
    ['u'] = 21,         ['v'] = 22,        ['w'] = 23, ['x'] = 24,         ['y'] = 25,
    BOTH('z', '2', 26), ['6'] = 2,
};

static char letter_like(uint32_t code) {
    size_t from = 0, end = sizeof CONFUSABLES / sizeof *CONFUSABLES;
    while (from < end) {
        size_t middle = from + (end - from) / 2;
        if (CONFUSABLES[middle].last < code)
            from = middle + 1;
        else
            end = middle;
    }
    bool found = from < sizeof CONFUSABLES / sizeof *CONFUSABLES && CONFUSABLES[from].first <= code;
    return found ? CONFUSABLES[from].like : 0;
}

static void fold(struct view *view) {
    static const char letters[CLASSES] = "-abcdefghijk_mnopqrstuvwxyz";
    view->folded_len = 0;
    for (uint8_t i = 0; i < view->len; i++) {
        uint8_t byte = view->text[i], next = i + 1 < view->len ? view->text[i + 1] : 0, like = 0;
        view->origin[view->folded_len] = i;
        if (byte == 'r' && next == 'n')
            like = 'm';
        else if (byte == 'v' && next == 'v')
            like = 'w';
        else if (byte == 'c' && next == 'l')
            like = 'd';
        i = (uint8_t)(i + (like != 0));
        view->folded[view->folded_len++] = (uint8_t)letters[lookalike_classes[like ? like : byte]];
    }
    view->origin[view->folded_len] = view->len;
}

/* --- Punycode, RFC 3492 section 6.2 --- */

enum { BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, BIAS_FIRST = 72, CODE_FIRST = 128 };

static uint32_t adapt(uint32_t delta, uint32_t points, bool is_first) {
    uint32_t k = 0;
    delta = is_first ? delta / DAMP : delta / 2;
    delta += delta / points;
    for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
        delta /= BASE - T_MIN;
    return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static uint32_t digit_of(uint8_t byte) {
    if (byte >= 'a' && byte <= 'z')
        return (uint32_t)(byte - 'a');
    return byte >= '0' && byte <= '9' ? byte - '0' + 26u : BASE;
}

/* One number of variable length; false when it ends early or grows too large. */
static bool read_delta(struct slice *text, uint32_t bias, uint32_t *delta) {
    uint64_t weight = 1, sum = *delta;
    for (uint32_t k = BASE;; k += BASE) {
        uint32_t digit = text->len ? digit_of(text->ptr[0]) : BASE;
        if (digit == BASE)
            return false;
        *text = slice_from(*text, 1);
        sum += digit * weight;
        if (sum > UINT32_MAX)
            return false;
        uint32_t threshold = k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
        if (digit < threshold) {
            *delta = (uint32_t)sum;
            return true;
        }
        weight *= BASE - threshold;
        if (weight > UINT32_MAX)
            return false;
    }
}

/* What stands behind "xn--"; the number of code points, 0 when it is no Punycode. */
static size_t decode(struct slice text, uint32_t out[LABEL_BYTES_MAX]) {
    uint32_t code = CODE_FIRST, bias = BIAS_FIRST, at = 0;
    size_t count = 0;
    for (size_t i = text.len; i; i--)
        if (text.ptr[i - 1] == '-') {
            for (; count + 1 < i; count++)
                out[count] = text.ptr[count];
            text = slice_from(text, i);
            break;
        }
    while (text.len) {
        uint32_t before = at;
        if (count == LABEL_BYTES_MAX || !read_delta(&text, bias, &at))
            return 0;
        uint32_t points = (uint32_t)count + 1;
        bias = adapt(at - before, points, before == 0);
        code += at / points;
        at %= points;
        if (code > 0x10ffff)
            return 0;
        memmove(out + at + 1, out + at, (count - at) * sizeof *out);
        out[at++] = code;
        count++;
    }
    return count;
}

static void see_unicode(struct slice label, struct view *view) {
    uint32_t codes[LABEL_BYTES_MAX];
    size_t count = decode(slice_from(label, 4), codes);
    view->is_unicode = true;
    for (size_t i = 0; i < count; i++) {
        bool is_mark = codes[i] >= 0x300 && codes[i] <= 0x36f;
        char like = codes[i] < 0x80 ? (char)codes[i] : letter_like(codes[i]);
        if (!is_mark)
            view->text[view->len++] = like ? (uint8_t)like : 0xff;
    }
}

bool lookalike_see(struct slice label, struct view *view) {
    view->len = 0;
    view->is_unicode = false;
    if (!label.len || label.len > LABEL_BYTES_MAX)
        return false;
    if (slice_is(slice_first(label, 4), "xn--")) {
        see_unicode(label, view);
    } else {
        memcpy(view->text, label.ptr, label.len);
        view->len = (uint8_t)label.len;
    }
    fold(view);
    return true;
}
