/* What a record says of a certificate that a feed has told of without sending it; and which
 * issuance an entry belongs to, which takes more care there. */
#include "engine/base/limits.h"
#include "engine/decode/worker.h"
#include "engine/hash/sha256.h"

#include <inttypes.h>

enum { SECONDS_PER_DAY = 86400 };

static int hex_digit(uint8_t byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The bytes of a number in hexadecimal, of which a server may leave out the first zero; empty when
 * it is none. */
static struct slice hex_bytes(struct arena *memory, struct slice text) {
    uint8_t *bytes = arena_take(memory, text.len / 2 + 1);
    size_t len = 0;

    for (size_t i = 0; bytes && i < text.len; i++) {
        int digit = hex_digit(text.ptr[i]);
        bool high = (text.len - i) % 2 == 0;
        if (digit < 0)
            return (struct slice){NULL, 0};
        if (high)
            bytes[len++] = (uint8_t)(digit << 4);
        else if (i == 0)
            bytes[len++] = (uint8_t)digit;
        else
            bytes[len - 1] |= (uint8_t)digit;
    }
    return (struct slice){bytes, bytes ? len : 0};
}

static struct slice_list keep_list(const struct draft *draft, struct slice_list list) {
    uint32_t count = list.count < LIMIT_CERTIFICATE_NAMES ? list.count : LIMIT_CERTIFICATE_NAMES;
    struct slice *items = arena_take(draft->memory, count * sizeof *items);

    for (uint32_t i = 0; items && i < count; i++)
        items[i] = draft_keep(draft, list.items[i]);
    return (struct slice_list){items, items ? count : 0};
}

/* Dates are any numbers here. */
static void fill_validity(struct certificate_fields *fields, const struct feed_certificate *leaf) {
    const int64_t most = CT_RECORD_TIME_MAX;
    bool sensible = leaf->not_before >= -most && leaf->not_before <= most &&
                    leaf->not_after >= -most && leaf->not_after <= most;

    if (!leaf->has_not_before || !leaf->has_not_after || !sensible)
        return;
    int64_t days = (leaf->not_after - leaf->not_before + 1) / SECONDS_PER_DAY;
    fields->has_validity = true;
    fields->not_before = leaf->not_before;
    fields->not_after = leaf->not_after;
    fields->lifetime_days = days > INT32_MAX   ? INT32_MAX
                            : days < INT32_MIN ? INT32_MIN
                                               : (int32_t)days;
}

void fill_told(const struct draft *draft) {
    const struct feed_message *message = draft->item->message;
    const struct feed_certificate *leaf = &message->leaf;
    struct certificate_fields *fields = &draft->record->certificate;

    if (message->type == FEED_MESSAGE_OTHER)
        return; /* it is no message */
    *fields = (struct certificate_fields){
        .told = true,
        .subject_cn = draft_keep(draft, leaf->subject.common_name),
        .issuer_cn = draft_keep(draft, leaf->issuer.common_name),
        .issuer_o = draft_keep(draft, leaf->issuer.organization),
        .serial = hex_bytes(draft->memory, leaf->serial),
        .dns_names = keep_list(draft, leaf->all_domains),
        .names_total = leaf->all_domains.count,
        .signature_algorithm = draft_keep(draft, leaf->signature_algorithm),
        .has_fingerprint_sha256 = leaf->has_sha256,
        .has_fingerprint_sha1 = leaf->has_sha1,
    };
    fill_validity(fields, leaf);
    memcpy(fields->fingerprint_sha256, leaf->sha256, sizeof fields->fingerprint_sha256);
    memcpy(fields->fingerprint_sha1, leaf->sha1, sizeof fields->fingerprint_sha1);
    draft->record->has_certificate = true;
    draft->record->has_fingerprint = leaf->has_sha256 || leaf->has_sha1;
}

/* --- The issuance --- */

static struct slice without_zeros(struct slice number) {
    while (number.len && number.ptr[0] == 0)
        number = slice_from(number, 1);
    return number;
}

static void add_part(struct buffer *out, struct slice part) {
    buffer_add_format(out, "%zu:", part.len);
    buffer_add_slice(out, part);
}

/* What is the same for a precertificate and its certificate, of what a feed tells of them. Another
 * issuer's serial numbers are others. */
static void add_told(const struct certificate_fields *fields, struct buffer *out) {
    add_part(out, without_zeros(fields->serial));
    add_part(out, fields->issuer_cn);
    add_part(out, fields->issuer_o);
    buffer_add_format(out, "%" PRId64 "-%" PRId64, fields->not_before, fields->not_after);
    for (uint32_t i = 0; i < fields->dns_names.count; i++)
        add_part(out, fields->dns_names.items[i]);
}

/* The hash that joins precertificate and certificate says it, where there is one. */
void fill_issuance_id(struct decode_worker *worker, const struct draft *draft) {
    struct ct_record *record = draft->record;
    const struct ct_entry *entry = draft->item->entry;
    uint8_t sha256[SHA256_BYTES];

    if (record->certificate.has_tbs_sha256) {
        memcpy(record->issuance_id, record->certificate.tbs_sha256, sizeof record->issuance_id);
        return;
    }
    if (!(draft->parts & PART_TBS_SHA256))
        return;
    worker->text.len = 0;
    if (record->has_certificate)
        add_told(&record->certificate, &worker->text);
    else /* the same bytes in another log are the same issuance */
        buffer_add_slice(&worker->text,
                         entry && entry->signed_entry.len ? entry->signed_entry : record->entry);
    sha256_one(buffer_slice(&worker->text), sha256);
    memcpy(record->issuance_id, sha256, sizeof record->issuance_id);
}
