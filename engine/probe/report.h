/* From what a probe saw to its record. One thread; the record is complete and judged when it comes
 * back. */
#ifndef ENGINE_PROBE_REPORT_H
#define ENGINE_PROBE_REPORT_H

#include "engine/probe/dane_report.h"
#include "engine/probe/link_cache.h"
#include "engine/probe/prober.h"
#include "engine/tls/session.h"

struct trust_checker;

/* Everything there is to say; slices need only live for the call. */
struct report {
    const struct prober_settings *settings;
    const struct target *target;
    struct slice path; /* of a certificate that was read from a file, not from a server: what is in
                          `target` is then only checked, and may be empty; else empty */
    struct address address; /* connected to, or ADDRESS_NONE */
    const struct address *addresses;
    uint32_t address_count;
    enum plan plan;
    uint16_t attempt;
    enum outcome outcome;
    enum stage stage;
    struct slice error;
    struct probe_timing timing;
    const struct tls_observation *seen; /* NULL when no conversation began */
    struct link_cache *links;           /* never NULL where certificates were seen */
    const struct tlsa_answer *tlsa;     /* NULL when nobody asked for TLSA records */
    bool fallback;                      /* the handshake failed, this is the grab after it */
    int64_t started_ms, now_ms;
};

/* NULL when there is no memory. `trust` may be NULL, or without roots: no verification. TLSA
 * records need one. */
struct probe_record *report_record(const struct report *report, struct trust_checker *trust);

#endif
