#include "bench/micro/samples.h"

#include "engine/base/clock.h"
#include "engine/probe/report.h"
#include "engine/tls/wire.h"

struct tls_observation sample_observation(const struct farm_chain *chain) {
    struct tls_observation seen = {.version = TLS_VERSION_TLS13,
                                   .cipher = 0x1301,
                                   .group = TLS_GROUP_X25519,
                                   .certificate_count = (uint16_t)chain->count,
                                   .certificates_sent = (uint16_t)chain->count};
    for (uint32_t i = 0; i < chain->count; i++)
        seen.certificates[i] = chain->certificates[i];
    return seen;
}

struct probe_record *sample_record(const struct farm_chain *chain, struct link_cache *links) {
    struct prober_settings settings = {.plan = PLAN_GRAB, .policy = judge_policy_default()};
    struct tls_observation seen = sample_observation(chain);
    struct target target = {.address = {.family = ADDRESS_V4, .bytes = {127, 0, 0, 1}},
                            .port = 443};
    int64_t now_ms = clock_unix_ms();
    struct report report = {
        .settings = &settings,
        .target = &target,
        .address = target.address,
        .plan = PLAN_GRAB,
        .attempt = 1,
        .outcome = OUTCOME_OK,
        .stage = STAGE_DONE,
        .timing = {.dns_us = -1,
                   .connect_us = 11250,
                   .starttls_us = -1,
                   .handshake_us = 30001,
                   .total_us = 41251},
        .seen = &seen,
        .links = links,
        .started_ms = now_ms,
        .now_ms = now_ms,
    };
    return report_record(&report, NULL);
}
