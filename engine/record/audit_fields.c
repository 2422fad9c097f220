#include "engine/record/audit_fields.h"

/* The names of the CAs as texts; those that there is no memory for are empty. */
static bool name_texts(const struct tls_audit_result *result, struct arena *arena,
                       struct slice_list *out) {
    struct slice *texts = arena_take(arena, result->ca_name_count * sizeof *texts);
    struct buffer text;

    if (!texts)
        return false;
    buffer_init(&text);
    for (size_t i = 0; i < result->ca_name_count; i++) {
        text.len = 0;
        certificate_name_text(result->ca_names[i], &text);
        texts[i] = arena_copy(arena, buffer_slice(&text));
    }
    bool ok = !text.failed;
    buffer_deinit(&text);
    *out = (struct slice_list){texts, result->ca_name_count};
    return ok;
}

const struct audit_fields audit_fields_out_of_memory = {.found.stop = TLS_AUDIT_OUT_OF_MEMORY};

const struct audit_fields *audit_fields_new(const struct tls_audit_result *result,
                                            struct arena *arena) {
    static const struct slice nothing = {NULL, 0};
    struct audit_fields *out = arena_take(arena, sizeof *out);

    if (!out)
        return &audit_fields_out_of_memory;
    *out = (struct audit_fields){.found = *result};
    memset(out->found.ca_names, 0, sizeof out->found.ca_names);
    out->found.ocsp_response = out->found.sct_list = nothing;
    if (result->ca_name_count && !name_texts(result, arena, &out->ca_names))
        out->found.stop = TLS_AUDIT_OUT_OF_MEMORY;
    return out;
}

bool sct_fields_fill(const struct sct_sources *sources, const struct sct_log *logs,
                     size_t log_count, struct arena *arena, struct sct_fields_list *out) {
    struct slice lists[] = {[SCT_EMBEDDED] = sources->leaf->sct_list,
                            [SCT_IN_OCSP] = sources->in_ocsp,
                            [SCT_IN_TLS] = sources->in_tls};
    static const struct slice nothing = {NULL, 0};
    struct sct_fields found[SCT_FIELDS_MAX];
    uint32_t count = 0;
    struct sct sct;

    for (unsigned source = 0; source < sizeof lists / sizeof *lists; source++) {
        if (!lists[source].len || !sct_list_open(&lists[source]))
            continue;
        while (count < SCT_FIELDS_MAX && sct_next(&lists[source], &sct)) {
            if (sct.version != 0)
                continue;
            const struct sct_log *log = sct_find_log(&sct, logs, log_count);
            struct sct_fields *fields = &found[count++];
            fields->source = (uint8_t)source;
            fields->log = log ? arena_copy(arena, log->name) : nothing;
            fields->verdict = (uint8_t)sct_verify(&sct, (enum sct_source)source, sources->leaf,
                                                  sources->issuer, logs, log_count);
            memcpy(fields->log_id, sct.log_id.ptr, sizeof fields->log_id);
            fields->time_ms = sct.timestamp_ms < INT64_MAX ? (int64_t)sct.timestamp_ms : INT64_MAX;
        }
    }
    struct sct_fields *kept = count ? arena_take(arena, count * sizeof *kept) : NULL;
    if (kept)
        memcpy(kept, found, count * sizeof *kept);
    *out = (struct sct_fields_list){kept, kept ? count : 0};
    return kept || !count;
}

const struct ocsp_fields *ocsp_fields_new(struct slice response, const struct certificate *leaf,
                                          const struct certificate *issuer, int64_t now,
                                          struct arena *arena) {
    static const struct slice nothing = {NULL, 0};
    struct ocsp_fields *out = arena_take(arena, sizeof *out);

    if (!out)
        return NULL;
    out->result = ocsp_read(response, leaf, issuer, now, &out->answer);
    out->answer.sct_list = nothing;
    return out;
}
