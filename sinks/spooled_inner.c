#include "sinks/spooled_internal.h"

#include "engine/base/clock.h"

#include <errno.h>
#include <stdlib.h>

enum { FLIGHTS_MAX = 64 /* batches in memory that the sink has, or is given next */ };

static void add(uint64_t *number, uint64_t more) {
    __atomic_fetch_add(number, more, __ATOMIC_RELAXED);
}

/* ---------------------------------------------------------------------------------------------
 * To the sink
 * ------------------------------------------------------------------------------------------- */

enum error spooled_open_inner(struct spooled *spooled, struct failure *failure) {
    struct sink *inner = sink_new(spooled->inner_kind, &spooled->config);

    if (!inner)
        return failure_set(failure, ERROR_MEMORY, "no memory for an output");
    enum error error = spooled->inner_kind->open(inner, &spooled->config, failure);
    /* What workers see is settled once. */
    if (!spooled->head.encoding.encoder)
        spooled->head.encoding = inner->encoding;
    if (!spooled->name && inner->spec != spooled->spec)
        spooled->name = strdup(inner->spec);
    if (spooled->name)
        spooled->head.spec = spooled->name;
    if (error)
        sink_close(inner);
    else
        spooled->inner = inner;
    return error;
}

void spooled_close_inner(struct spooled *spooled) {
    struct failure ignored;

    if (!spooled->inner)
        return;
    (void)spooled->inner->kind->finish(spooled->inner, &ignored);
    sink_close(spooled->inner);
    spooled->inner = NULL;
    spooled->writing = spooled->ticking = false;
}

static bool has_inner(struct spooled *spooled) {
    struct failure failure = {0};

    if (spooled_is_paused(spooled))
        return false;
    if (!spooled->inner && (failure.code = spooled_open_inner(spooled, &failure)) != ERROR_NONE)
        spooled_pause_offers(spooled, &failure);
    return spooled->inner != NULL;
}

/* What cannot be understood any more goes to the dead letters, in its turn. */
static void refuse_damaged(struct flight *flight, const struct spool_frame *frame) {
    struct failure why;

    failure_set(&why, ERROR_REFUSED, "%.*s", (int)frame->reason.len,
                (const char *)frame->reason.ptr);
    flight->delivery.leftovers = &flight->leftovers;
    sink_delivery_refuse(&flight->delivery, buffer_slice(&flight->bytes), flight->records, &why);
    flight->damaged = flight->given = flight->delivery.settled = true;
}

/* Reads the next batch of the spool into memory. False when there is none now. */
static bool read_flight(struct spooled *spooled) {
    struct failure failure = {0};
    struct spool_frame frame;
    struct buffer bytes;

    if (spooled_is_blocked(spooled, READ))
        return false;
    buffer_init(&bytes);
    enum error error = spool_next(spooled->spool, &frame, &bytes, &failure);
    if (error != ERROR_GONE)
        (void)spooled_spool_failed(spooled, READ, error, &failure);
    if (!error) {
        struct flight *flight = spooled_add_flight(spooled, frame.bytes, frame.records);
        flight->kept = true;
        flight->sequence = frame.sequence;
        if (frame.flags & SPOOL_DAMAGED)
            refuse_damaged(flight, &frame);
    }
    buffer_deinit(&bytes);
    return !error;
}

/* The next batch, of the spool or, when nothing waits there, of those that came. */
static bool next_flight(struct spooled *spooled) {
    struct sink_delivery *delivery = spooled->inbox;

    if (spooled->flight_count >= FLIGHTS_MAX ||
        (spooled->flights &&
         (!spooled->inner_kind->take || spooled->flight_records >= spooled->inner->window)))
        return false;
    if (spooled->spooling)
        return read_flight(spooled);
    if (!delivery)
        return false;
    spooled->inbox = delivery->next;
    if (!spooled->inbox)
        spooled->inbox_end = &spooled->inbox;
    spooled->inbox_count--;
    spooled_add_flight(spooled, delivery->bytes, delivery->records)->outer = delivery;
    return true;
}

static void give(struct spooled *spooled, struct flight *flight) {
    flight->delivery = (struct sink_delivery){
        .bytes = buffer_slice(&flight->bytes),
        .records = flight->records,
        .leftovers = &flight->leftovers,
    };
    flight->given = true;
    if (spooled->inner_kind->take)
        spooled->inner_kind->take(spooled->inner, &flight->delivery);
}

void spooled_offer(struct spooled *spooled) {
    if (!has_inner(spooled))
        return;
    while (next_flight(spooled))
        ;
    for (struct flight *flight = spooled->flights; flight; flight = flight->next)
        if (!flight->given && !flight->done)
            give(spooled, flight);
}

/* Of an inner sink that writes: what became of a call. True when it is done. */
static bool judge(struct spooled *spooled, enum error error, const struct failure *failure) {
    spooled->writing = error != ERROR_NONE && error != ERROR_REFUSED;
    if (!spooled->writing || error == (enum error)EAGAIN)
        return !spooled->writing;
    struct failure cause = *failure;
    if (error == ERROR_GONE)
        (void)failure_set(&cause, error, "%.200s: the other side has left", spooled->head.spec);
    cause.code = error;
    spooled_pause_offers(spooled, &cause);
    if (!sink_error_passes(error))
        spooled_close_inner(spooled);
    return false;
}

static void write_flight(struct spooled *spooled, struct flight *flight) {
    struct sink_delivery *delivery = &flight->delivery;
    struct failure failure = {0};
    enum error error =
        spooled->inner_kind->write(spooled->inner, delivery->bytes, delivery->records, &failure);

    failure.code = error;
    if (!judge(spooled, error, &failure))
        return;
    if (error == ERROR_REFUSED)
        sink_delivery_refuse(delivery, delivery->bytes, delivery->records, &failure);
    else
        delivery->written = delivery->records;
    delivery->settled = true;
}

static bool is_under_way(const struct spooled *spooled) {
    for (const struct flight *flight = spooled->flights; flight; flight = flight->next)
        if (flight->given && !flight->delivery.settled)
            return true;
    return false;
}

/* What was given before a pause goes on in it. */
static void settle_inner(struct spooled *spooled, uint32_t wait_ms) {
    struct failure failure = {0};

    if (!is_under_way(spooled))
        return;
    if (spooled->inner_kind->settle(spooled->inner, wait_ms, &failure) != ERROR_NONE)
        spooled->inner_trouble = failure;
    else if (spooled->streak == 0)
        spooled->inner_trouble.code = ERROR_NONE;
}

/* True when there may be more to do at once. */
static bool write_inner(struct spooled *spooled) {
    struct flight *flight = spooled->flights;
    struct failure failure = {0};
    uint64_t now_ns = clock_monotonic_ns();

    if (spooled_is_paused(spooled))
        return false;
    if (spooled->ticking || (!spooled->writing && now_ns >= spooled->tick_ns)) {
        spooled->tick_ns = now_ns + 1000 * MS_NS;
        spooled->ticking = true;
        if (!judge(spooled, spooled->inner_kind->tick(spooled->inner, &failure), &failure))
            return false;
        spooled->ticking = false;
    }
    if (flight && flight->given && !flight->delivery.settled)
        write_flight(spooled, flight);
    return flight && flight->delivery.settled;
}

bool spooled_work(struct spooled *spooled, uint32_t wait_ms) {
    if (!spooled->inner)
        return false;
    if (!spooled->inner_kind->take)
        return write_inner(spooled);
    settle_inner(spooled, wait_ms);
    return false;
}

/* ---------------------------------------------------------------------------------------------
 * What became of it
 * ------------------------------------------------------------------------------------------- */

/* A kind that does not say which records it did not take gives back all of them. */
static void complete_leftovers(struct flight *flight) {
    struct sink_delivery *delivery = &flight->delivery;
    const struct sink_leftovers *leftovers = &flight->leftovers;
    bool is_told = leftovers->again_records || leftovers->notes.len;

    if (delivery->refused && !is_told) {
        delivery->refused = delivery->written = 0;
        struct failure failure = delivery->failure;
        sink_delivery_refuse(delivery, delivery->bytes, delivery->records, &failure);
    }
    if (leftovers->again.failed || leftovers->dead.failed || leftovers->notes.failed)
        abort();
}

static bool bury(struct spooled *spooled, struct flight *flight) {
    struct sink_leftovers *leftovers = &flight->leftovers;
    const struct sink_note *notes = (const struct sink_note *)(const void *)leftovers->notes.ptr;
    size_t count = leftovers->notes.len / sizeof *notes;
    struct slice bytes = buffer_slice(&leftovers->dead);
    struct failure failure = {0};
    uint64_t records = 0;

    if (count == 0)
        return true;
    if (spooled_is_blocked(spooled, BURY))
        return false;
    struct spool_frame *frames = calloc(count, sizeof *frames);
    if (!frames)
        abort();
    for (size_t i = 0; i < count; i++) {
        frames[i] = (struct spool_frame){.records = notes[i].records,
                                         .flags = flight->damaged ? SPOOL_DAMAGED : 0,
                                         .reason = slice_of(notes[i].failure.text),
                                         .bytes = slice_first(bytes, notes[i].bytes)};
        bytes = slice_from(bytes, notes[i].bytes);
        records += notes[i].records;
    }
    enum error error = spool_bury(spooled->spool, frames, count, &failure);
    free(frames);
    if (spooled_spool_failed(spooled, BURY, error, &failure))
        return false;
    leftovers->notes.len = leftovers->dead.len = 0;
    if (spooled->config.statistics)
        add(&spooled->config.statistics->dead, records);
    return true;
}

/* False when it cannot be put in order now. */
static bool conclude(struct spooled *spooled, struct flight *flight) {
    struct sink_leftovers *leftovers = &flight->leftovers;

    complete_leftovers(flight);
    if (!bury(spooled, flight))
        return false;
    if (flight->delivery.written) {
        if (spooled->config.statistics)
            add(&spooled->config.statistics->delivered, flight->delivery.written);
        spooled_succeed(spooled);
    }
    if (leftovers->again_records == 0) {
        flight->done = true;
        return true;
    }
    struct buffer before = flight->bytes;
    flight->bytes = leftovers->again;
    leftovers->again = before;
    leftovers->again.len = 0;
    spooled->flight_records -= flight->records - leftovers->again_records;
    flight->records = leftovers->again_records;
    leftovers->again_records = 0;
    flight->given = false;
    spooled_pause_offers(spooled, &flight->delivery.failure);
    return true;
}

void spooled_land(struct spooled *spooled) {
    struct failure failure = {0};
    uint64_t dropped = 0;
    bool drops = false;

    for (struct flight *flight = spooled->flights; flight; flight = flight->next)
        if (flight->given && !flight->done && flight->delivery.settled &&
            !conclude(spooled, flight))
            break;
    for (struct flight *flight = spooled->flights; flight; flight = flight->next)
        if (flight->done)
            spooled_settle_outer(&flight->outer);
    while (spooled->flights && spooled->flights->done) {
        drops |= spooled->flights->kept;
        dropped = spooled->flights->kept ? spooled->flights->sequence : dropped;
        spooled_drop_first_flight(spooled);
    }
    if (drops)
        (void)spooled_spool_failed(spooled, READ, spool_done(spooled->spool, dropped, &failure),
                                   &failure);
    if (spooled->spooling && !spooled->flights &&
        spool_statistics(spooled->spool).waiting.disk_bytes == 0)
        spooled->spooling = false;
}
