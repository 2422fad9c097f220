#include "sinks/spooled_internal.h"

#include "engine/base/clock.h"

#include <stdlib.h>

enum {
    INBOX_MAX = 128,  /* batches that wait for their turn; more go to the spool */
    INBOX_GROUP = 16, /* batches that go to disk at once while more are coming */
    RETRY_MS = 1000,  /* after an error of the spool */
};

/* ---------------------------------------------------------------------------------------------
 * Flights
 * ------------------------------------------------------------------------------------------- */

static void flight_free(struct flight *flight) {
    buffer_deinit(&flight->bytes);
    buffer_deinit(&flight->leftovers.again);
    buffer_deinit(&flight->leftovers.dead);
    buffer_deinit(&flight->leftovers.notes);
    free(flight);
}

struct flight *spooled_add_flight(struct spooled *spooled, struct slice bytes, uint32_t records) {
    struct flight *flight = calloc(1, sizeof *flight);

    if (!flight)
        abort();
    buffer_init(&flight->bytes);
    buffer_init(&flight->leftovers.again);
    buffer_init(&flight->leftovers.dead);
    buffer_init(&flight->leftovers.notes);
    buffer_add_slice(&flight->bytes, bytes);
    if (flight->bytes.failed)
        abort();
    flight->records = records;
    *spooled->flights_end = flight;
    spooled->flights_end = &flight->next;
    spooled->flight_count++;
    spooled->flight_records += records;
    return flight;
}

void spooled_drop_first_flight(struct spooled *spooled) {
    struct flight *flight = spooled->flights;

    spooled->flights = flight->next;
    if (!spooled->flights)
        spooled->flights_end = &spooled->flights;
    spooled->flight_count--;
    spooled->flight_records -= flight->records;
    flight_free(flight);
}

void spooled_settle_outer(struct sink_delivery **outer) {
    if (!*outer)
        return;
    (*outer)->written = (*outer)->records;
    (*outer)->settled = true;
    *outer = NULL;
}

/* ---------------------------------------------------------------------------------------------
 * Trouble
 * ------------------------------------------------------------------------------------------- */

bool spooled_is_paused(const struct spooled *spooled) {
    return clock_monotonic_ns() < spooled->paused_ns;
}

void spooled_pause_offers(struct spooled *spooled, const struct failure *cause) {
    static const uint32_t pauses_s[] = {1, 4, 16, 60};
    uint32_t most = sizeof pauses_s / sizeof pauses_s[0] - 1;

    spooled->inner_trouble = *cause;
    if (spooled_is_paused(spooled))
        return;
    uint32_t pause_s = pauses_s[spooled->streak < most ? spooled->streak : most];
    spooled->streak++;
    spooled->paused_ns = clock_monotonic_ns() + pause_s * 1000 * MS_NS;
}

void spooled_succeed(struct spooled *spooled) {
    spooled->streak = 0;
    spooled->inner_trouble.code = ERROR_NONE;
}

bool spooled_spool_failed(struct spooled *spooled, enum spool_call call, enum error error,
                          const struct failure *cause) {
    struct spool_trouble *trouble = &spooled->spool_troubles[call];

    if (error) {
        trouble->failure = *cause;
        trouble->retry_ns = clock_monotonic_ns() + RETRY_MS * MS_NS;
    }
    trouble->failure.code = error;
    return error != ERROR_NONE;
}

bool spooled_is_blocked(const struct spooled *spooled, enum spool_call call) {
    const struct spool_trouble *trouble = &spooled->spool_troubles[call];
    return trouble->failure.code && clock_monotonic_ns() < trouble->retry_ns;
}

const struct failure *spooled_spool_trouble(const struct spooled *spooled) {
    for (enum spool_call call = KEEP; call < SPOOL_CALLS; call++)
        if (spooled->spool_troubles[call].failure.code)
            return &spooled->spool_troubles[call].failure;
    return NULL;
}

/* ---------------------------------------------------------------------------------------------
 * Into the spool
 * ------------------------------------------------------------------------------------------- */

static bool is_slow(const struct spooled *spooled) {
    const struct sink_delivery *oldest =
        spooled->flights && spooled->flights->outer ? spooled->flights->outer : spooled->inbox;

    return spooled->inbox_count >= INBOX_MAX ||
           (oldest && clock_monotonic_ns() - oldest->taken_ns > SPOOLED_SLOW_MS * MS_NS);
}

size_t spooled_count_unkept(const struct spooled *spooled) {
    size_t count = spooled->inbox_count;

    for (const struct flight *flight = spooled->flights; flight; flight = flight->next)
        count += !flight->kept && !flight->done;
    return count;
}

/* What the spool already gave us in memory need not be read again. */
static void skip_flights(struct spooled *spooled, size_t count) {
    struct spool_frame frame;
    struct failure ignored;
    struct buffer bytes;

    buffer_init(&bytes);
    while (count-- && spool_next(spooled->spool, &frame, &bytes, &ignored) == ERROR_NONE)
        ;
    buffer_deinit(&bytes);
}

static void tell_kept(struct spooled *spooled, struct spool_frame *frames) {
    size_t in_memory = 0, at = 0;
    uint64_t records = 0;

    for (struct flight *flight = spooled->flights; flight; flight = flight->next) {
        if (flight->kept || flight->done)
            continue;
        flight->kept = true;
        flight->sequence = frames[at++].sequence;
        records += flight->records;
        spooled_settle_outer(&flight->outer);
        in_memory++;
    }
    while (spooled->inbox) {
        struct sink_delivery *delivery = spooled->inbox;
        spooled->inbox = delivery->next;
        records += delivery->records;
        spooled_settle_outer(&delivery);
    }
    spooled->inbox_end = &spooled->inbox;
    spooled->inbox_count = 0;
    skip_flights(spooled, in_memory);
    if (spooled->config.statistics)
        __atomic_fetch_add(&spooled->config.statistics->spooled, records, __ATOMIC_RELAXED);
}

void spooled_keep_all(struct spooled *spooled) {
    int64_t now_ms = clock_unix_ms();
    size_t count = spooled_count_unkept(spooled), at = 0;
    struct failure failure = {0};

    if (count == 0 || spooled_is_blocked(spooled, KEEP))
        return;
    struct spool_frame *frames = calloc(count, sizeof *frames);
    if (!frames)
        abort();
    for (struct flight *flight = spooled->flights; flight; flight = flight->next)
        if (!flight->kept && !flight->done)
            frames[at++] = (struct spool_frame){.time_ms = now_ms,
                                                .records = flight->records,
                                                .bytes = buffer_slice(&flight->bytes)};
    for (const struct sink_delivery *one = spooled->inbox; one; one = one->next)
        frames[at++] =
            (struct spool_frame){.time_ms = now_ms, .records = one->records, .bytes = one->bytes};
    enum error error = spool_keep(spooled->spool, frames, count, &failure);
    if (!spooled_spool_failed(spooled, KEEP, error, &failure)) {
        tell_kept(spooled, frames);
        spooled->spooling = true;
    }
    free(frames);
}

void spooled_keep_if_due(struct spooled *spooled, bool more_comes) {
    bool can_be_given = spooled->inner && !spooled_is_paused(spooled) && !spooled->head.hurry;

    if (more_comes && spooled->inbox_count < INBOX_GROUP && !spooled->head.hurry)
        return;
    if ((spooled->spooling && spooled->inbox) || !can_be_given || is_slow(spooled))
        spooled_keep_all(spooled);
}
