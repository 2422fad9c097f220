#include "bench/ctfarm/ctfarm_issuance.h"

#include "engine/base/random.h"

#include <stdio.h>

enum { DAY_SECONDS = 24 * 3600, HOUR_SECONDS = 3600, SHORT_LIFE_SECONDS = 160 * 3600 };

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* --- Words --- */

static const char *const WORDS[] = {
    "amber",   "anchor", "apple",  "arctic",  "aurora", "autumn", "bamboo",  "beacon", "birch",
    "blue",    "bold",   "bridge", "bright",  "canyon", "cedar",  "cinder",  "clear",  "cloud",
    "cobalt",  "copper", "coral",  "craft",   "crown",  "dawn",   "delta",   "dental", "digital",
    "echo",    "ember",  "falcon", "fern",    "field",  "fjord",  "forest",  "fox",    "garden",
    "glass",   "global", "gold",   "green",   "harbor", "hazel",  "health",  "home",   "indigo",
    "iron",    "island", "jade",   "kitchen", "lake",   "lemon",  "light",   "linen",  "lotus",
    "maple",   "market", "media",  "metro",   "mint",   "moon",   "nordic",  "north",  "oak",
    "ocean",   "olive",  "onyx",   "orbit",   "paper",  "pearl",  "pine",    "pixel",  "plum",
    "polar",   "prime",  "quartz", "rapid",   "raven",  "red",    "river",   "robin",  "ruby",
    "saffron", "sage",   "school", "shop",    "silver", "sky",    "solar",   "spark",  "spring",
    "star",    "stone",  "studio", "summit",  "swift",  "tech",   "thunder", "tiger",  "travel",
    "valley",  "velvet", "violet", "west",    "willow", "wind",   "wolf",    "wood",   "zen"};
static const char *const INTERNATIONAL[] = {
    "xn--mnchen-3ya", "xn--bcher-kva",  "xn--caf-dma",    "xn--e1afmkfd",
    "xn--r8jz45g",    "xn--80ak6aa92e", "xn--fiqs8s",     "xn--nxasmq6b",
    "xn--mgbh0fb",    "xn--strae-oqa",  "xn--wgv71a119e", "xn--hxajbheg2az3al"};
static const char *const ENDS[] = {"com",    "com",   "com", "com",  "net",    "org",  "de",
                                   "co.uk",  "nl",    "fr",  "io",   "com.br", "ru",   "app",
                                   "online", "cloud", "dev", "info", "com.au", "co.jp"};
static const char *const HOSTS[] = {
    "www",    "mail",    "api",    "cdn",     "shop",        "dev",          "staging", "app",
    "portal", "webmail", "cpanel", "webdisk", "cpcalendars", "autodiscover", "vpn",     "login",
    "static", "img",     "admin",  "test",    "status",      "blog",         "docs",    "support"};
static const char *const ORGANISATIONS[] = {
    "Northwind Logistics GmbH",           "Bluefjord Shipping AS",
    "Cedar Valley Health Partners, Inc.", "Onyx Payments Ltd",
    "Universit\xc3\xa9 de Beaulieu",      "Riverstone County Council"};

#define PICK(random, array) ((array)[random_below(random, COUNT_OF(array))])

/* --- Names --- */

static void add_name(struct ctfarm_issuance *out, struct slice name) {
    if (out->name_count == CTFARM_NAMES_MAX || sizeof out->text - out->text_len < name.len)
        return;
    uint8_t *at = out->text + out->text_len;
    memcpy(at, name.ptr, name.len);
    out->text_len += name.len;
    out->names[out->name_count++] = (struct slice){at, name.len};
}

struct name {
    char text[CTFARM_NAME_MAX + 1];
    size_t len;
};

static void name_add(struct name *name, const char *text) {
    size_t len = strlen(text);
    if (len > sizeof name->text - name->len)
        len = sizeof name->text - name->len;
    memcpy(name->text + name->len, text, len);
    name->len += len;
}

static void name_add_number(struct name *name, uint64_t number) {
    static const char DIGITS[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    char text[16];
    size_t at = sizeof text;
    text[--at] = 0;
    do
        text[--at] = DIGITS[number % 36];
    while ((number /= 36) && at);
    name_add(name, text + at);
}

static void pick_domain(struct random *random, struct name *out) {
    uint64_t dice = random_below(random, 100);
    out->len = 0;
    if (dice < 2) {
        name_add(out, PICK(random, INTERNATIONAL));
    } else {
        name_add(out, PICK(random, WORDS));
        name_add(out, dice % 4 ? "" : "-");
        name_add(out, PICK(random, WORDS));
        if (dice % 2)
            name_add_number(out, random_below(random, 46656));
    }
    name_add(out, ".");
    name_add(out, PICK(random, ENDS));
}

static void add_host(struct random *random, struct ctfarm_issuance *out,
                     const struct name *domain) {
    struct name name = {.len = 0};
    uint64_t dice = random_below(random, 100);
    if (dice < 6) {
        name_add(&name, "*.");
    } else if (dice < 40) {
        name_add(&name, PICK(random, WORDS));
        name_add(&name, "-");
        name_add_number(&name, random_below(random, 1000000));
        name_add(&name, ".");
    } else {
        name_add(&name, PICK(random, HOSTS));
        name_add(&name, ".");
    }
    memcpy(name.text + name.len, domain->text, domain->len);
    add_name(out, (struct slice){(const uint8_t *)name.text, name.len + domain->len});
}

static uint32_t pick_count(struct random *random, enum ctfarm_kind kind) {
    if (kind == CTFARM_NAMES_100)
        return 100;
    if (kind == CTFARM_NAMES_2000)
        return 2000;
    uint64_t dice = random_below(random, 1000);
    return dice < 330   ? 1
           : dice < 780 ? 2
           : dice < 930 ? 3 + (uint32_t)random_below(random, 4)
           : dice < 990 ? 7 + (uint32_t)random_below(random, 14)
                        : 21 + (uint32_t)random_below(random, 80);
}

static struct slice name_slice(const struct name *name) {
    return (struct slice){(const uint8_t *)name->text, name->len};
}

static void pick_names(struct random *random, enum ctfarm_kind kind, struct ctfarm_issuance *out) {
    struct name domain;
    uint32_t count = pick_count(random, kind);
    pick_domain(random, &domain);
    if (count == 1 && random_below(random, 3)) {
        add_host(random, out, &domain);
        return;
    }
    add_name(out, name_slice(&domain));
    if (count > 1) {
        struct name www = {.len = 0};
        name_add(&www, random_below(random, 7) ? "www." : "*.");
        memcpy(www.text + www.len, domain.text, domain.len);
        www.len += domain.len;
        add_name(out, name_slice(&www));
    }
    while (out->name_count < count) {
        if (random_below(random, 4) == 0) {
            pick_domain(random, &domain);
            add_name(out, name_slice(&domain));
        } else {
            add_host(random, out, &domain);
        }
    }
}

static void take_names(const char *text, struct ctfarm_issuance *out) {
    for (struct slice rest = slice_of(text);;) {
        const uint8_t *comma = rest.len ? memchr(rest.ptr, ',', rest.len) : NULL;
        add_name(out, comma ? slice_first(rest, (size_t)(comma - rest.ptr)) : rest);
        if (!comma)
            return;
        rest = slice_from(rest, (size_t)(comma - rest.ptr) + 1);
    }
}

/* Puts something odd in place of the first name. */
static void twist_name(struct ctfarm_issuance *out) {
    static const struct {
        enum ctfarm_kind kind;
        const char *before, *after;
        uint8_t after_len;
    } TWISTS[] = {
        {CTFARM_NAME_NUL, "", "\0.example.net", 13},
        {CTFARM_NAME_SPACES, "  ", ". ", 2},
        {CTFARM_NAME_UTF8,
         "b\xc3\xbc"
         "cher.",
         "", 0},
        {CTFARM_NAME_LATIN1,
         "b\xfc"
         "cher.",
         "", 0},
        {CTFARM_NAME_PARTIAL_WILDCARD, "w*w.", "", 0},
        {CTFARM_NAME_EMPTY_LABELS, "a..b.", "", 0},
    };
    uint8_t text[CTFARM_NAME_MAX + 32];
    struct slice plain = slice_first(out->names[0], CTFARM_NAME_MAX), twisted = {text, 0};
    for (size_t i = 0; i < COUNT_OF(TWISTS); i++) {
        if (TWISTS[i].kind != out->kind)
            continue;
        size_t before = strlen(TWISTS[i].before);
        memcpy(text, TWISTS[i].before, before);
        memcpy(text + before, plain.ptr, plain.len);
        memcpy(text + before + plain.len, TWISTS[i].after, TWISTS[i].after_len);
        twisted.len = before + plain.len + TWISTS[i].after_len;
    }
    if (out->kind == CTFARM_NAME_ADDRESS) {
        twisted.len =
            (size_t)snprintf((char *)text, sizeof text, "192.0.2.%u", (unsigned)(out->id % 256));
    } else if (out->kind == CTFARM_NAME_UPPER) {
        for (; twisted.len < plain.len; twisted.len++) {
            uint8_t c = plain.ptr[twisted.len];
            text[twisted.len] = c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
        }
    }
    if (twisted.len) {
        add_name(out, twisted);
        out->names[0] = out->names[--out->name_count];
    }
}

static void choose_common_names(struct ctfarm_issuance *out) {
    static const char SECOND[] = "second-cn.example.net";
    /* The plain name, also where the list has it twisted; an upper bound of X.520. */
    if (out->name_count && out->names[0].len <= 64)
        out->common_names[out->common_name_count++] = out->names[0];
    if (out->kind == CTFARM_TWO_CNS)
        out->common_names[out->common_name_count++] = slice_of(SECOND);
}

/* --- DER --- */

static void write_general_names(struct ctfarm_der *room, const struct slice *names, uint32_t count,
                                const struct ctfarm_issuance *issuance) {
    size_t mark = ctfarm_der_mark(room);
    if (issuance->kind == CTFARM_SAN_OTHER_NAMES) {
        static const uint8_t ADDRESS_4[] = {192, 0, 2, 1}, ADDRESS_6[16] = {0x20, 1, 0x0d, 0xb8};
        ctfarm_der_value(room, 0x86, slice_of("https://example.net/a"));
        ctfarm_der_value(room, 0x81, slice_of("hostmaster@example.net"));
        ctfarm_der_value(room, 0x87, (struct slice){ADDRESS_6, sizeof ADDRESS_6});
        ctfarm_der_value(room, 0x87, (struct slice){ADDRESS_4, sizeof ADDRESS_4});
    }
    for (uint32_t i = count; i-- > 0;)
        ctfarm_der_value(room, 0x82, names[i]);
    ctfarm_der_wrap(room, CTFARM_DER_SEQUENCE, mark);
}

static void write_san(struct ctfarm_der *room, const struct slice *names, uint32_t count,
                      const struct ctfarm_issuance *issuance) {
    size_t mark = ctfarm_der_mark(room);
    if (issuance->kind == CTFARM_SAN_TRAILING_ZERO)
        ctfarm_der_byte(room, 0);
    write_general_names(room, names, count, issuance);
    ctfarm_write_extension(room, mark, ctfarm_oid_names, false);
}

static struct slice make_san(struct ctfarm_der *room, const struct ctfarm_issuance *issuance) {
    size_t mark = ctfarm_der_mark(room);
    uint32_t first = issuance->name_count;
    if (issuance->kind == CTFARM_NO_SAN)
        return (struct slice){0};
    if (issuance->kind == CTFARM_TWO_SANS) {
        first = (first + 1) / 2;
        write_san(room, issuance->names + first, issuance->name_count - first, issuance);
    }
    write_san(room, issuance->names, first, issuance);
    return ctfarm_der_since(room, mark);
}

static struct slice make_subject(struct ctfarm_der *room, const struct ctfarm_issuance *issuance) {
    size_t mark = ctfarm_der_mark(room);
    for (uint32_t i = issuance->common_name_count; i-- > 0;)
        ctfarm_write_rdn(room, CTFARM_RDN_CN, issuance->common_names[i]);
    if (issuance->organisation) {
        ctfarm_write_rdn(room, CTFARM_RDN_O, slice_of(issuance->organisation));
        ctfarm_write_rdn(room, CTFARM_RDN_L, slice_of("Beaulieu"));
        ctfarm_write_rdn(room, CTFARM_RDN_C, slice_of("FR"));
    }
    ctfarm_der_wrap(room, CTFARM_DER_SEQUENCE, mark);
    return ctfarm_der_since(room, mark);
}

static struct slice make_validity(struct ctfarm_der *room, const struct ctfarm_issuance *issuance) {
    size_t mark = ctfarm_der_mark(room);
    if (issuance->kind == CTFARM_BAD_DATES) {
        ctfarm_der_value(room, CTFARM_DER_UTC_TIME, slice_of("261332256199Z"));
        ctfarm_der_value(room, CTFARM_DER_UTC_TIME, slice_of("never"));
        ctfarm_der_wrap(room, CTFARM_DER_SEQUENCE, mark);
    } else {
        ctfarm_write_validity(room, issuance->not_before, issuance->not_after);
    }
    return ctfarm_der_since(room, mark);
}

/* --- Decisions --- */

static const struct ctfarm_ca *pick_ca(struct random *random, const struct ctfarm_pki *pki,
                                       const struct ctfarm_wish *wish) {
    static const uint8_t PERCENT[CTFARM_ISSUERS] = {[CTFARM_HARBOUR_E] = 45,
                                                    [CTFARM_HARBOUR_R] = 20,
                                                    [CTFARM_MERIDIAN] = 12,
                                                    [CTFARM_QUAY] = 15,
                                                    [CTFARM_ORCHARD] = 8};
    uint64_t dice = random_below(random, 100);
    if (wish && wish->ca >= 0)
        return &pki->cas[wish->ca];
    int ca = 0;
    while (dice >= PERCENT[ca])
        dice -= PERCENT[ca++];
    return &pki->cas[ca];
}

static enum ctfarm_key_type pick_key_type(struct random *random) {
    uint64_t dice = random_below(random, 100);
    return dice < 55   ? CTFARM_KEY_P256
           : dice < 93 ? CTFARM_KEY_RSA_2048
           : dice < 97 ? CTFARM_KEY_P384
           : dice < 99 ? CTFARM_KEY_RSA_4096
                       : CTFARM_KEY_ED25519;
}

static void pick_dates(struct random *random, int64_t now, struct ctfarm_issuance *out) {
    int64_t life = (int64_t)out->ca->lifetime_days * DAY_SECONDS;
    if (life == 90 * DAY_SECONDS && random_below(random, 20) == 0)
        life = SHORT_LIFE_SECONDS;
    out->not_before = now - HOUR_SECONDS;
    if (out->ca->lifetime_days > 300)
        out->not_before = now - now % DAY_SECONDS;
    if (out->kind == CTFARM_EXPIRED)
        out->not_before = now - life - (1 + (int64_t)random_below(random, 400)) * DAY_SECONDS;
    out->not_after = out->not_before + life - 1;
}

static void pick_serial(struct random *random, struct ctfarm_issuance *out) {
    size_t len = out->kind == CTFARM_LONG_SERIAL   ? 33
                 : out->kind == CTFARM_ZERO_SERIAL ? 1
                                                   : 16 + 2 * (size_t)(out->ca->name[0] % 3);
    random_fill(random, out->serial_bytes, len);
    out->serial_bytes[0] = (out->serial_bytes[0] & 0x7f) | 1; /* positive, and of this length */
    if (out->kind == CTFARM_ZERO_SERIAL)
        out->serial_bytes[0] = 0;
    if (out->kind == CTFARM_NEGATIVE_SERIAL)
        out->serial_bytes[0] |= 0x80;
    out->serial = (struct slice){out->serial_bytes, len};
}

static enum ctfarm_kind pick_kind(struct random *random, uint32_t odd,
                                  const struct ctfarm_wish *wish) {
    bool is_odd = odd && random_below(random, odd) == 0;
    uint64_t kind = 1 + random_below(random, CTFARM_KIND_COUNT - 1);
    return wish ? wish->kind : is_odd ? (enum ctfarm_kind)kind : CTFARM_NORMAL;
}

static struct slice make_key(const struct ctfarm_issuer_view *view, const struct ctfarm_wish *wish,
                             struct random *random, struct ctfarm_issuance *out,
                             struct ctfarm_der *room) {
    size_t mark = ctfarm_der_mark(room);
    uint64_t number = random_u64(random);
    out->key_type = pick_key_type(random);
    if (wish) {
        out->key_type = CTFARM_KEY_P256;
        number = wish->same_key == CTFARM_NO_PARTNER ? out->id : wish->same_key;
        if (!ctfarm_key_write_own(view->seed, number, room))
            room->failed = true;
    } else {
        ctfarm_key_write(view->keys, out->key_type, number, room);
    }
    return ctfarm_der_since(room, mark);
}

/* Of the names that a lying submitter shows: all the same, but the first is another's. */
static struct slice make_other_san(struct ctfarm_der *room, struct ctfarm_issuance *issuance) {
    if (issuance->kind != CTFARM_UNBOUND)
        return (struct slice){0};
    struct slice first = issuance->names[0];
    issuance->names[0] = slice_of("innocent.example.net");
    struct slice san = make_san(room, issuance);
    issuance->names[0] = first;
    return san;
}

void ctfarm_issuance_make(const struct ctfarm_issuer_view *view, uint64_t id,
                          const struct ctfarm_wish *wish, struct ctfarm_issuance *out,
                          struct ctfarm_der *room) {
    struct random random;
    random_init(&random, view->seed * UINT64_C(0x9e3779b97f4a7c15) + id);
    out->id = id;
    out->kind = pick_kind(&random, view->odd, wish);
    out->ca = pick_ca(&random, view->pki, wish);
    out->by_precert_signer = out->ca->precert_signer;
    out->organisation = out->ca->lifetime_days > 300 ? PICK(&random, ORGANISATIONS) : NULL;
    out->name_count = out->common_name_count = 0;
    out->text_len = 0;
    pick_dates(&random, view->timestamp_ms / 1000, out);
    pick_serial(&random, out);
    random_fill(&random, out->key_id, sizeof out->key_id);
    out->spki = make_key(view, wish, &random, out, room);
    if (wish && wish->names)
        take_names(wish->names, out);
    else
        pick_names(&random, out->kind, out);
    choose_common_names(out);
    twist_name(out);
    out->subject = make_subject(room, out);
    out->validity = make_validity(room, out);
    out->san = make_san(room, out);
    out->other_san = make_other_san(room, out);
}
