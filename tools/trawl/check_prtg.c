/* PRTG's two script sensors, with channels, units, limits, lookups and ids of the STARTTLS sensors
 * that were written for them:
 *
 *     prtg       Python Script Advanced: {"prtg": {"text", "result": [{"Channel", "Value", ...}]}}
 *     prtg-v2    Script v2: {"version": 2, "status", "message", "channels": [{"id", "name", ...}]}
 *
 * Whatever happens, one JSON object comes out and the exit status is 0: PRTG shows what is in it,
 * and nothing else. Trust and name are channels of their own, so the status and the text are of the
 * dates, as a record's own status is. */
#include "tools/trawl/check_verdict.h"

#include "engine/base/text.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

enum {
    MESSAGE_BYTES_MAX = 2000, /* PRTG takes no more */
};

#define LOOKUP(name) "prtg.standardlookups.sslcertificatesensor." name

enum channel { DAYS, CN_CHECK, KEY_LENGTH, TRUSTED, SELF_SIGNED, CHANNEL_COUNT };

/* Ids are those of PRTG's own SSL certificate sensor and ten. */
static const struct {
    const char *name;
    uint8_t id;
    const char *lookup; /* NULL for none */
} channels[CHANNEL_COUNT] = {
    [DAYS] = {"Days to Expiration", 12, NULL},
    [CN_CHECK] = {"Common Name Check", 17, LOOKUP("cncheck")},
    [KEY_LENGTH] = {"Public Key Length", 15, LOOKUP("publickey")},
    [TRUSTED] = {"Root Authority Trusted", 13, LOOKUP("trustedroot")},
    [SELF_SIGNED] = {"Self-Signed", 16, LOOKUP("selfsigned")},
};

/* In which each form shows them; the first is the primary channel. */
static const uint8_t advanced_order[] = {DAYS, CN_CHECK, KEY_LENGTH, TRUSTED, SELF_SIGNED};
static const uint8_t v2_order[] = {DAYS, TRUSTED, KEY_LENGTH, SELF_SIGNED, CN_CHECK};

/* --- Values --- */

static bool matches_wildcard(struct slice pattern, struct slice host) {
    const uint8_t *dot = host.len ? memchr(host.ptr, '.', host.len) : NULL;

    if (pattern.len < 3 || memcmp(pattern.ptr, "*.", 2) != 0 || !dot || dot == host.ptr)
        return false;
    struct slice rest = slice_from(host, (size_t)(dot - host.ptr) + 1);
    return memchr(rest.ptr, '.', rest.len) && slice_equal_nocase(slice_from(pattern, 2), rest);
}

static bool common_name_matches(const struct probe_record *record) {
    struct slice name = slice_trim(record->certificate.subject_cn);

    return name.len &&
           (slice_equal_nocase(name, record->host) || matches_wildcard(name, record->host));
}

enum { CN_OK = 0, CN_ERROR = 1, CN_DISABLED = 2, CN_SAN_OK = 5, CN_SAN_ERROR = 6 };

static int64_t common_name_check(const struct check_answer *answer,
                                 const struct probe_record *record) {
    bool alternative = record->has_trust && record->trust.name_matches;

    switch (answer->validation) {
    case VALIDATE_CN:
        return common_name_matches(record) ? CN_OK : CN_ERROR;
    case VALIDATE_CN_SAN:
        return alternative || common_name_matches(record) ? CN_SAN_OK : CN_SAN_ERROR;
    case VALIDATE_NONE:
        break;
    }
    return CN_DISABLED;
}

static bool key_is_elliptic(const struct certificate_fields *certificate) {
    struct slice type = certificate->key_type;

    return type.len >= 2 && (memcmp(type.ptr, "ec", 2) == 0 || memcmp(type.ptr, "ed", 2) == 0);
}

static int64_t value_of(enum channel channel, const struct check_answer *answer,
                        const struct probe_record *record) {
    switch (channel) {
    case DAYS:
        return check_days(record->days_left);
    case CN_CHECK:
        return common_name_check(answer, record);
    case KEY_LENGTH:
        return record->certificate.key_bits;
    case TRUSTED: /* 0 is yes */
        return !(record->has_trust && record->trust.chain_checked && record->trust.trusted);
    case SELF_SIGNED:
        return record->certificate.self_signed;
    case CHANNEL_COUNT:
        break;
    }
    return 0;
}

static const char *lookup_of(enum channel channel, const struct probe_record *record) {
    return channel == KEY_LENGTH && key_is_elliptic(&record->certificate)
               ? LOOKUP("publickeyecc")
               : channels[channel].lookup;
}

/* --- Words --- */

/* "OK. Certificate Common Name: X - Certificate Thumbprint: SHA1HEX - STARTTLS Protocol: SMTP" */
static void add_message(const struct probe_record *record, struct buffer *out) {
    const struct certificate_fields *certificate = &record->certificate;

    if (record->status == STATUS_OK) {
        buffer_add_text(out, "OK. ");
    } else {
        buffer_add_text(out, record->status == STATUS_WARNING ? "Warning: " : "Error: ");
        check_add_reason(record, ~UINT64_C(0), out); /* the dates alone */
        buffer_add_text(out, ". ");
    }
    buffer_add_text(out, "Certificate Common Name: ");
    if (certificate->subject_cn.len)
        check_add_cut(certificate->subject_cn, out);
    else
        buffer_add_text(out, "(none)");
    buffer_add_text(out, " - Certificate Thumbprint: ");
    size_t start = out->len;
    text_add_hex(
        out, (struct slice){certificate->fingerprint_sha1, sizeof certificate->fingerprint_sha1});
    buffer_add_text(out, slice_is(record->protocol, "tls") || check_is_file(record)
                             ? " - Protocol: "
                             : " - STARTTLS Protocol: ");
    size_t name = out->len;
    buffer_add_slice(out, record->protocol);
    for (size_t i = start; i < out->len; i++)
        if (i < start + 2 * sizeof certificate->fingerprint_sha1 || i >= name)
            out->ptr[i] = (uint8_t)toupper(out->ptr[i]);
}

/* Where there is no certificate, words for what came instead. */
static void add_problem(const struct check_answer *answer, const struct probe_record *record,
                        struct buffer *out) {
    check_add_subject(record, out);
    buffer_add_text(out, ": ");
    check_add_reason(record, answer->ignored, out);
}

/* --- JSON --- */

/* How much of a text PRTG takes, cut between characters. */
static size_t message_length(struct slice text) {
    size_t at = 0;

    while (at < text.len) {
        size_t next = at + text_rune_first(slice_from(text, at)).len;
        if (next > MESSAGE_BYTES_MAX)
            break;
        at = next;
    }
    return at;
}

static void add_string(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key,
                       const struct buffer *text) {
    yyjson_mut_obj_add_strncpy(doc, object, key, text->ptr ? (const char *)text->ptr : "",
                               message_length(buffer_slice(text)));
}

static void print(yyjson_mut_doc *doc, struct buffer *out) {
    size_t len = 0;
    char *text = doc ? yyjson_mut_write(doc, 0, &len) : NULL;

    if (!text)
        abort(); /* no memory for a few hundred bytes */
    buffer_add(out, text, len);
    buffer_add_byte(out, '\n');
    free(text);
    yyjson_mut_doc_free(doc);
}

static yyjson_mut_doc *new_document(yyjson_mut_val **root) {
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

    if (!doc)
        abort();
    *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, *root);
    return doc;
}

/* --- Python Script Advanced --- */

static void advanced_failure(const char *words, struct buffer *out) {
    yyjson_mut_val *root;
    yyjson_mut_doc *doc = new_document(&root);
    yyjson_mut_val *prtg = yyjson_mut_obj_add_obj(doc, root, "prtg");
    struct buffer text;

    buffer_init(&text);
    text_add_safe(&text, slice_of(words));
    yyjson_mut_obj_add_int(doc, prtg, "Error", 1);
    add_string(doc, prtg, "Text", &text);
    buffer_deinit(&text);
    print(doc, out);
}

static void add_limits(const struct check_answer *answer, const struct probe_record *record,
                       yyjson_mut_doc *doc, yyjson_mut_val *object) {
    double warning, critical;
    char words[96];

    check_thresholds(answer, record, &warning, &critical);
    snprintf(words, sizeof words, "Certificate will expire in less than %.0f days.",
             ceil(critical));
    yyjson_mut_obj_add_int(doc, object, "LimitMode", 1);
    yyjson_mut_obj_add_int(doc, object, "LimitMinError", (int64_t)ceil(critical));
    yyjson_mut_obj_add_int(doc, object, "LimitMinWarning", (int64_t)ceil(warning));
    yyjson_mut_obj_add_strcpy(doc, object, "LimitErrorMsg", words);
    yyjson_mut_obj_add_str(doc, object, "LimitWarningMsg", "Certificate will expire soon.");
}

static void advanced_write(const struct check_answer *answer, struct buffer *out) {
    enum status verdict;
    const struct probe_record *record = check_worst(answer, &verdict);
    struct buffer text;

    buffer_init(&text);
    if (!record->has_certificate) {
        add_problem(answer, record, &text);
        buffer_add_byte(&text, 0);
        advanced_failure(text.failed ? "no memory" : (const char *)text.ptr, out);
        buffer_deinit(&text);
        return;
    }
    yyjson_mut_val *root;
    yyjson_mut_doc *doc = new_document(&root);
    yyjson_mut_val *prtg = yyjson_mut_obj_add_obj(doc, root, "prtg");
    add_message(record, &text);
    add_string(doc, prtg, "text", &text);
    yyjson_mut_val *result = yyjson_mut_obj_add_arr(doc, prtg, "result");
    for (size_t i = 0; i < CHANNEL_COUNT; i++) {
        enum channel channel = advanced_order[i];
        const char *lookup = lookup_of(channel, record);
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(doc, result);
        yyjson_mut_obj_add_str(doc, object, "Channel", channels[channel].name);
        yyjson_mut_obj_add_int(doc, object, "Value", value_of(channel, answer, record));
        yyjson_mut_obj_add_str(doc, object, "Unit", lookup ? "Custom" : "Count");
        yyjson_mut_obj_add_int(doc, object, "Float", 0);
        if (lookup) {
            yyjson_mut_obj_add_str(doc, object, "ValueLookup", lookup);
            yyjson_mut_obj_add_int(doc, object, "LimitMode", 0);
        } else {
            add_limits(answer, record, doc, object);
        }
    }
    buffer_deinit(&text);
    print(doc, out);
}

const struct check_form check_prtg = {
    .name = "prtg",
    .write = advanced_write,
    .write_failure = advanced_failure,
};

/* --- Script v2 --- */

static yyjson_mut_doc *v2_document(const char *status, const struct buffer *message,
                                   yyjson_mut_val **root) {
    yyjson_mut_doc *doc = new_document(root);

    yyjson_mut_obj_add_int(doc, *root, "version", 2);
    yyjson_mut_obj_add_str(doc, *root, "status", status);
    add_string(doc, *root, "message", message);
    return doc;
}

static void v2_failure(const char *words, struct buffer *out) {
    yyjson_mut_val *root;
    struct buffer text;

    buffer_init(&text);
    text_add_safe(&text, slice_of(words));
    print(v2_document("error", &text, &root), out);
    buffer_deinit(&text);
}

static const char *v2_status(const struct probe_record *record) {
    return record->status == STATUS_OK        ? "ok"
           : record->status == STATUS_WARNING ? "warning"
                                              : "error";
}

static void v2_write(const struct check_answer *answer, struct buffer *out) {
    enum status verdict;
    const struct probe_record *record = check_worst(answer, &verdict);
    yyjson_mut_val *root;
    struct buffer text;

    buffer_init(&text);
    if (!record->has_certificate) {
        add_problem(answer, record, &text);
        print(v2_document("error", &text, &root), out);
        buffer_deinit(&text);
        return;
    }
    add_message(record, &text);
    yyjson_mut_doc *doc = v2_document(v2_status(record), &text, &root);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "channels");
    for (size_t i = 0; i < CHANNEL_COUNT; i++) {
        enum channel channel = v2_order[i];
        const char *lookup = lookup_of(channel, record);
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(doc, list);
        yyjson_mut_obj_add_int(doc, object, "id", channels[channel].id);
        yyjson_mut_obj_add_str(doc, object, "name", channels[channel].name);
        yyjson_mut_obj_add_str(doc, object, "type", lookup ? "lookup" : "integer");
        yyjson_mut_obj_add_int(doc, object, "value", value_of(channel, answer, record));
        if (lookup)
            yyjson_mut_obj_add_str(doc, object, "lookup_name", lookup);
        else
            yyjson_mut_obj_add_str(doc, object, "kind", "count");
    }
    buffer_deinit(&text);
    print(doc, out);
}

const struct check_form check_prtg_v2 = {
    .name = "prtg-v2",
    .write = v2_write,
    .write_failure = v2_failure,
};
