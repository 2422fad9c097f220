#include "engine/record/ct_record.h"

struct ct_record *ct_record_new(size_t bytes) {
    struct arena memory;

    if (bytes > SIZE_MAX - sizeof(struct ct_record) ||
        !arena_init(&memory, sizeof(struct ct_record) + bytes))
        return NULL;
    struct ct_record *record = arena_take(&memory, sizeof *record);
    if (!record) {
        arena_deinit(&memory);
        return NULL;
    }
    *record = (struct ct_record){.head = {.kind = &ct_record_kind, .memory = memory}};
    atomic_init(&record->head.references, 1);
    return record;
}

const char *ct_update_name(enum ct_update update) {
    static const char *const names[CT_UPDATES] = {
        [CT_UPDATE_UNKNOWN] = "",
        [CT_UPDATE_X509] = "X509LogEntry",
        [CT_UPDATE_PRECERT] = "PrecertLogEntry",
    };
    return names[update];
}

static const struct {
    const char *name, *severity;
} VERDICTS[CT_VERDICTS] = {
    [CT_VERDICT_NONE] = {"", ""},
    [CT_VERDICT_INFO] = {"info", "info"},
    [CT_VERDICT_SUSPICIOUS] = {"suspicious", "suspicious"},
    [CT_VERDICT_MALFORMED] = {"malformed", "warning"},
    [CT_VERDICT_LOOKALIKE] = {"lookalike", "warning"},
};

const char *ct_verdict_name(enum ct_verdict verdict) {
    return VERDICTS[verdict].name;
}

const char *ct_verdict_severity(enum ct_verdict verdict) {
    return VERDICTS[verdict].severity;
}

const char *ct_known_by_name(enum ct_known_by known_by) {
    static const char *const names[] = {
        [CT_KNOWN_NOT] = "",
        [CT_KNOWN_TBS] = "tbs_sha256",
        [CT_KNOWN_FINGERPRINT] = "fingerprint",
        [CT_KNOWN_SERIAL] = "serial",
        [CT_KNOWN_KEY] = "spki_sha256",
    };
    return names[known_by];
}
