#include "engine/pool/worker.h"

#include "engine/base/clock.h"

#include <stdlib.h>

enum {
    STEP_WAIT_MS = 8,    /* while there is work: deadlines and paces are looked at that often */
    IDLE_WAIT_MS = 100,  /* a submit wakes an idle worker */
    BLOCKED_WAIT_MS = 2, /* a sink is behind: look again soon */
    TAKEN_AT_ONCE = 256, /* targets between two looks at the loop … */
    LOCAL_WEIGHT = 16,   /* … and one from a file, which is verified on the spot, is like so many */
};

/* --- Output --- */

static void keep_blocked(struct output *output, struct batch *batch) {
    if (output->blocked_count == output->blocked_capacity) {
        uint32_t capacity = output->blocked_capacity ? output->blocked_capacity * 2 : 8;
        struct batch **blocked = realloc(output->blocked, capacity * sizeof(struct batch *));
        if (!blocked) /* records cannot be dropped, and without memory nothing can go on */
            abort();
        output->blocked = blocked;
        output->blocked_capacity = capacity;
    }
    output->blocked[output->blocked_count++] = batch;
}

static void hand_on(struct worker *worker, uint32_t outlet) {
    struct output *output = &worker->outputs[outlet];
    struct batch *batch = output->open;

    if (!batch)
        return;
    output->open = NULL;
    if (output->blocked_count ||
        !batch_queue_push(worker->outlets[outlet].queue, worker->number, batch))
        keep_blocked(output, batch);
}

/* Tries again what found its queue full; true when nothing is left. */
static bool unblock(struct worker *worker) {
    bool clear = true;

    for (uint32_t i = 0; i < worker->outlet_count; i++) {
        struct output *output = &worker->outputs[i];
        uint32_t pushed = 0;
        while (pushed < output->blocked_count &&
               batch_queue_push(worker->outlets[i].queue, worker->number, output->blocked[pushed]))
            pushed++;
        clear = clear && pushed == output->blocked_count;
        if (pushed == 0)
            continue;
        output->blocked_count -= pushed;
        memmove(output->blocked, output->blocked + pushed,
                output->blocked_count * sizeof(struct batch *));
    }
    return clear;
}

static void flush(struct worker *worker) {
    for (uint32_t i = 0; i < worker->outlet_count; i++)
        hand_on(worker, i);
    worker->flushed_ns = clock_monotonic_ns();
}

void worker_publish(void *owner, struct probe_record *record) {
    struct worker *worker = owner;

    if (worker->observer.see)
        worker->observer.see(worker->observer.owner, worker->number, record);
    for (uint32_t i = 0; i < worker->outlet_count; i++) {
        struct output *output = &worker->outputs[i];
        const struct pool_outlet *outlet = &worker->outlets[i];
        bool wanted = !outlet->filter || filter_matches(outlet->filter, &record->head);
        if (!output->open && !(output->open = batch_new()))
            abort();
        if (wanted && outlet->encoding->encoder)
            outlet->encoding->encoder->encode(outlet->encoding, &record->head,
                                              &output->open->bytes);
        /* Also of what is left out: its work is done when all before it is written. */
        batch_add_ticket(output->open, record->head.ticket);
        if (output->open->bytes.failed || output->open->tickets.failed)
            abort();
        output->open->records += wanted;
        output->open->left_out += !wanted;
        if (output->open->bytes.len >= BATCH_BYTES)
            hand_on(worker, i);
    }
    record_put(&record->head);
}

/* --- Input --- */

static bool take_work(struct worker *worker) {
    struct target target;
    uint32_t taken = 0;

    while (taken < TAKEN_AT_ONCE && prober_has_room(worker->prober) &&
           target_ring_pop_shared(&worker->work->ring, &target)) {
        taken += target.local ? LOCAL_WEIGHT : 1;
        prober_start(worker->prober, &target);
    }
    if (taken)
        wake_signal(&worker->work->room);
    return taken > 0;
}

static void refuse_work(struct worker *worker) {
    struct target target;

    while (target_ring_pop_shared(&worker->work->ring, &target))
        prober_refuse(worker->prober, &target);
    wake_signal(&worker->work->room);
}

/* True when nothing will come any more: nobody submits, or a submit would see the stop. The flags
 * are read before the ring. */
static bool exhausted(struct worker *worker, bool cancelled) {
    bool finished = atomic_load(&worker->work->finished);
    bool submitting = atomic_load(&worker->work->submitting);
    return (cancelled ? !submitting : finished) && target_ring_size(&worker->work->ring) == 0;
}

/* --- Loop --- */

/* How long to sleep; announces idleness first, so that a submit in between wakes us. */
static uint32_t wait_for(struct worker *worker, bool clear) {
    if (!clear)
        return BLOCKED_WAIT_MS;
    bool room = prober_has_room(worker->prober);
    atomic_store(&worker->idle, room);
    bool work = target_ring_size(&worker->work->ring) > 0;
    if (room && work)
        return 0;
    return work || prober_busy(worker->prober) ? STEP_WAIT_MS : IDLE_WAIT_MS;
}

static void step(struct worker *worker, bool clear) {
    uint32_t wait_ms = wait_for(worker, clear);

    if (atomic_load(&worker->work->stopped))
        wait_ms = wait_ms < STEP_WAIT_MS ? wait_ms : STEP_WAIT_MS;
    if (prober_step(worker->prober, wait_ms) != ERROR_NONE)
        abort(); /* the kernel refuses to run a ring that it has opened */
    atomic_store(&worker->idle, false);
    bool idle = prober_busy(worker->prober) == 0;
    if (idle || clock_monotonic_ns() - worker->flushed_ns > BATCH_AGE_MS * UINT64_C(1000000))
        flush(worker);
}

void *worker_run(void *owner) {
    struct worker *worker = owner;
    bool cancelled = false;

    for (;;) {
        bool clear = unblock(worker);
        if (atomic_load(&worker->work->stopped)) {
            if (!cancelled)
                prober_cancel(worker->prober);
            cancelled = true;
            refuse_work(worker);
        } else if (clear) {
            take_work(worker);
        }
        if (prober_busy(worker->prober) == 0 && exhausted(worker, cancelled)) {
            flush(worker);
            if (unblock(worker))
                break;
        }
        step(worker, clear);
    }
    /* The last bytes and closes are only queued; servers must not wait for them until others end.
     */
    if (prober_step(worker->prober, 0) != ERROR_NONE)
        abort();
    for (uint32_t i = 0; i < worker->outlet_count; i++) {
        batch_queue_close(worker->outlets[i].queue, worker->number);
        free(worker->outputs[i].blocked);
    }
    return NULL;
}
