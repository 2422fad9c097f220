#include "engine/probe/auditing.h"

#include "engine/probe/evidence.h"
#include "engine/probe/judge.h"
#include "engine/probe/prober.h"
#include "engine/record/audit_fields.h"
#include "engine/tls/handshake.h"

#include <stdlib.h>

enum { RANDOM_BYTES = 32 };

struct auditing *auditing_new(struct probe_record *record, struct slice sni,
                              const struct prober_settings *settings) {
    struct auditing *auditing = calloc(1, sizeof *auditing);
    struct tls_audit_options options = {
        .client = tls_client_without_alpn(settings->client),
        .jarm_name = record->host,
    };

    if (auditing)
        auditing->audit = tls_audit_new(sni, &options);
    if (!auditing || !auditing->audit) {
        free(auditing);
        record->plan = PLAN_AUDIT;
        record->audit = &audit_fields_out_of_memory;
        return NULL;
    }
    buffer_init(&auditing->hello);
    auditing->record = record;
    auditing->settings = settings;
    return auditing;
}

bool auditing_next(struct auditing *auditing, struct random *random) {
    uint8_t bytes[RANDOM_BYTES];

    random_fill(random, bytes, sizeof bytes);
    auditing->hello.len = 0;
    return tls_audit_next(auditing->audit, bytes, &auditing->hello) && !auditing->hello.failed;
}

struct probe_record *auditing_end(struct auditing *auditing) {
    struct probe_record *record = auditing->record;
    const struct tls_audit_result *result = tls_audit_result(auditing->audit);
    const struct evidence evidence = {result->ocsp_response, result->sct_list};

    record->plan = PLAN_AUDIT;
    if (!evidence_fill(record, &evidence, auditing->settings))
        tls_audit_stop(auditing->audit, TLS_AUDIT_OUT_OF_MEMORY);
    record->audit = audit_fields_new(result, &record->head.memory);
    judge_audit(record);
    tls_audit_free(auditing->audit);
    buffer_deinit(&auditing->hello);
    free(auditing);
    return record;
}
