/* A probe on its way to a worker of the fleet and back: targets as lines of a list, records of
 * theirs as the JSON in which workers write them. What comes back is a stranger's: bounded,
 * checked. Pure, safe on every thread. */
#ifndef TOOLS_MONITOR_FLEET_RECORD_H
#define TOOLS_MONITOR_FLEET_RECORD_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "engine/probe/target.h"
#include "engine/record/fields.h"

enum { FLEET_SPEC_BYTES = LIMIT_HOST_NAME_BYTES + ADDRESS_TEXT_MAX + 64 };

/* "smtp://mail.example.org@192.0.2.7:25": read again, it gives the same target. */
void fleet_spec(const struct target *target, char out[FLEET_SPEC_BYTES]);

/* The fields of records that travel: all, and of the certificate its bytes. */
enum error fleet_select_fields(struct field_selection *out, struct failure *failure)
    __attribute__((warn_unused_result));

/* Of which target a record must be, and between which times. */
struct fleet_expectation {
    uint64_t run, number;
    int64_t sent_ms, now_ms;
};

/* ERROR_INPUT: it is none, or of another target. The times of a worker whose clock is wrong are
 * moved in between. */
enum error fleet_record_read(struct slice json, const struct fleet_expectation *expected,
                             struct probe_record **out, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
