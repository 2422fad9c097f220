#include "engine/base/clock.h"
#include "engine/nats/publisher.h"
#include "tools/fleet/run_internal.h"

#include <stdlib.h>

enum {
    WINDOW = 256, /* messages under way: some thousand a second, also to a cluster far away; … */
    WINDOW_BYTES = 32 << 20, /* … but not more than that of them */
    ACK_TIMEOUT_MS = 5000,
    IDLE_WAIT_MS = 20,
    BUSY_WAIT_MS = 5, /* while acknowledgements are to come */
    BATCHES_AT_ONCE = 16,
    TROUBLE_MS = 3000,    /* an election, say, is not worth a word when it is over so soon */
    HEADERS_BYTES = 1024, /* of a message, which count for what the server takes */
    MESSAGE_BYTES_MAX = 8 << 20,
};

struct courier {
    struct run *run;
    struct nats_publisher *publisher;
    struct piece *pieces[RUN_SHARDS_MAX];
    uint32_t count, last; /* last: where a parcel was for */
    uint32_t under_way;
    size_t bytes_under_way;
    bool closed;         /* the pool is through */
    uint64_t trouble_ns; /* since when nothing is stored; 0 when all is well */
    bool told;
    char stream[FLEET_SUBJECT_MAX], subject[FLEET_SUBJECT_MAX];
};

/* A page on its way. */
struct outgoing {
    struct piece *piece;
    struct buffer body;
};

/* --- Pieces --- */

/* NULL: it was given up. */
static struct piece *piece_of(struct courier *courier, uint64_t number) {
    for (uint32_t i = 0; i < courier->count; i++) {
        uint32_t at = courier->last + i < courier->count ? courier->last + i
                                                         : courier->last + i - courier->count;
        struct piece *piece = courier->pieces[at];
        if (number - piece->first < piece->count) {
            courier->last = at;
            return piece;
        }
    }
    return NULL;
}

static void adopt(struct courier *courier, struct piece *piece) {
    const struct run *run = courier->run;
    size_t payload = fleet_payload_max(run->fleet);
    struct assembly_config config = {
        .job = run->config.job->id,
        .worker = run->config.worker,
        .first = piece->first,
        .count = piece->count,
        .renderings = run->encoding.count,
        .message_max = (payload < MESSAGE_BYTES_MAX ? payload : MESSAGE_BYTES_MAX) - HEADERS_BYTES,
        .attempt = piece->attempt,
    };

    courier->pieces[courier->count++] = piece;
    piece->assembly = assembly_new(&config);
    if (!piece->assembly) {
        piece->given_up = true;
        run_fail_memory(courier->run);
    }
}

static void done(struct courier *courier, struct piece *piece, uint64_t number,
                 enum page_fate fate) {
    if (number - piece->first >= piece->count || !piece->assembly)
        return;
    assembly_done(piece->assembly, number, fate);
    atomic_fetch_add_explicit(&courier->run->targets_done, 1, memory_order_relaxed);
}

static void take_fates(struct courier *courier, struct fates *fates) {
    for (uint32_t i = 0; i < fates->count; i++) {
        struct piece *piece = piece_of(courier, fates->spans[i].first);
        if (!piece)
            continue;
        if (fates->spans[i].fate == FATE_GIVEN_UP) {
            piece->given_up = true;
            continue;
        }
        for (uint32_t j = 0; j < fates->spans[i].count; j++)
            done(courier, piece, fates->spans[i].first + j, (enum page_fate)fates->spans[i].fate);
    }
    free(fates);
}

/* A shard comes before anything of it does. */
static bool take_letters(struct courier *courier) {
    struct mailbox_entry *entries = mailbox_take_all(&courier->run->letters);
    bool any = entries;

    while (entries) {
        struct letter *letter = (struct letter *)entries;
        entries = entries->next;
        if (letter->kind == LETTER_PIECE)
            adopt(courier, (struct piece *)letter);
        else
            take_fates(courier, (struct fates *)letter);
    }
    return any;
}

static void take_parcels(struct courier *courier, struct batch *batch) {
    struct slice bytes = buffer_slice(&batch->bytes);
    struct parcel parcel;
    size_t count;
    const uint64_t *tickets = batch_tickets(batch, &count);

    while (parcel_next(&bytes, courier->run->encoding.count, &parcel)) {
        struct piece *piece = piece_of(courier, parcel.number);
        if (piece && piece->assembly)
            assembly_add(piece->assembly, &parcel);
    }
    for (size_t i = 0; i < count; i++) {
        struct piece *piece = piece_of(courier, tickets[i]);
        if (piece)
            done(courier, piece, tickets[i], PAGE_PROBED);
    }
    batch_free(batch);
}

/* Hands it back to whoever gave it. */
static void let_go(struct courier *courier, uint32_t at, bool stored) {
    struct piece *piece = courier->pieces[at];
    struct run *run = courier->run;

    courier->pieces[at] = courier->pieces[--courier->count];
    courier->last = 0;
    assembly_free(piece->assembly);
    piece->assembly = NULL;
    piece->stored = stored;
    mailbox_put(&run->done, &piece->letter.entry);
    run->config.on_news(run->config.owner);
}

static void settle(struct courier *courier) {
    for (uint32_t i = courier->count; i-- > 0;) {
        struct piece *piece = courier->pieces[i];
        if (piece->assembly && assembly_failed(piece->assembly)) {
            piece->given_up = true;
            run_fail_memory(courier->run);
        }
        if (piece->under_way)
            continue;
        if (piece->given_up)
            let_go(courier, i, false);
        else if (assembly_is_complete(piece->assembly))
            let_go(courier, i, true);
    }
}

/* --- Pages --- */

static void on_stored(void *owner, void *item, struct slice body, const struct failure *refusal) {
    struct courier *courier = owner;
    struct outgoing *outgoing = item;
    struct run *run = courier->run;

    courier->under_way--;
    courier->bytes_under_way -= body.len;
    outgoing->piece->under_way--;
    if (refusal) {
        outgoing->piece->given_up = true;
        if (refusal->code == ERROR_REFUSED)
            run_fail(run, refusal);
    } else {
        atomic_fetch_add_explicit(&run->pages_stored, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&run->bytes_stored, body.len, memory_order_relaxed);
    }
    buffer_deinit(&outgoing->body);
    free(outgoing);
}

/* False when there is no page, or no memory for it. */
static bool send_page(struct courier *courier, struct piece *piece) {
    struct outgoing *outgoing = calloc(1, sizeof *outgoing);
    char id[PAGE_ID_BYTES];

    if (!outgoing) {
        run_fail_memory(courier->run);
        return false;
    }
    buffer_init(&outgoing->body);
    if (!assembly_take(piece->assembly, &outgoing->body, id)) {
        buffer_deinit(&outgoing->body);
        free(outgoing);
        return false;
    }
    outgoing->piece = piece;
    piece->under_way++;
    courier->under_way++;
    courier->bytes_under_way += outgoing->body.len;
    nats_publisher_add(courier->publisher, buffer_slice(&outgoing->body), id, outgoing);
    return true;
}

static bool has_room(const struct courier *courier) {
    return courier->bytes_under_way < WINDOW_BYTES && nats_publisher_has_room(courier->publisher);
}

/* As many pages as may be under way. */
static void send_pages(struct courier *courier) {
    for (uint32_t i = 0; i < courier->count; i++) {
        struct piece *piece = courier->pieces[i];
        while (!piece->given_up && has_room(courier) && send_page(courier, piece))
            ;
    }
}

static void tell_trouble(struct courier *courier, enum error error, const struct failure *failure) {
    const struct run_config *config = &courier->run->config;
    uint64_t now_ns = clock_monotonic_ns();

    if (error == ERROR_NONE) {
        courier->trouble_ns = 0;
        courier->told = false;
    } else if (!courier->trouble_ns) {
        courier->trouble_ns = now_ns;
    } else if (!courier->told && now_ns - courier->trouble_ns > TROUBLE_MS * UINT64_C(1000000)) {
        courier->told = true;
        config->on_trouble(config->owner, failure, false);
    }
}

/* --- The thread --- */

/* What has come, and what comes within `wait_ms`. True when there was any. */
static bool take_batches(struct courier *courier, uint32_t wait_ms) {
    struct batch *batch;
    uint32_t taken = 0;

    while (taken < BATCHES_AT_ONCE && !courier->closed) {
        enum batch_pop popped = batch_queue_pop(courier->run->parcels, taken ? 0 : wait_ms, &batch);
        if (popped == BATCH_TIMEOUT)
            break;
        courier->closed = popped == BATCH_CLOSED;
        if (courier->closed)
            break;
        (void)take_letters(courier);
        take_parcels(courier, batch);
        taken++;
    }
    return taken;
}

/* A round: parcels in while pages get out. False when there was nothing of either. It sleeps where
 * parcels come, as long as pages may go; what is acknowledged meanwhile can wait. */
static bool step(struct courier *courier) {
    bool any = take_letters(courier), stopped = atomic_load(&courier->run->stopped);
    struct failure failure;

    send_pages(courier);
    bool room = has_room(courier), sending = courier->under_way;
    bool takes = !courier->closed && (room || stopped);
    if (takes)
        any |= take_batches(courier, any ? 0 : sending || stopped ? BUSY_WAIT_MS : IDLE_WAIT_MS);
    if (sending && !stopped)
        tell_trouble(courier,
                     nats_publisher_step(courier->publisher, takes ? 0 : IDLE_WAIT_MS, &failure),
                     &failure);
    settle(courier);
    return any || sending;
}

static void give_up_all(struct courier *courier) {
    struct failure cause;

    (void)take_letters(courier);
    (void)failure_set(&cause, ERROR_STOPPED, "given up");
    nats_publisher_give_back(courier->publisher, &cause);
    while (courier->count)
        let_go(courier, courier->count - 1, false);
}

/* What is begun is done and stored; when asked to stop, what is not stored is given up, and so is
 * what can never be whole. */
static void serve(struct courier *courier) {
    for (;;) {
        bool any = step(courier);
        if (courier->closed && (!any || atomic_load(&courier->run->stopped)))
            break;
    }
    give_up_all(courier);
}

/* What nobody will publish must leave the pool all the same. */
static void drain(struct courier *courier) {
    struct batch *batch;
    enum batch_pop popped;

    while ((popped = batch_queue_pop(courier->run->parcels, IDLE_WAIT_MS, &batch)) != BATCH_CLOSED)
        if (popped == BATCH_POPPED)
            batch_free(batch);
}

void *run_courier(void *owner) {
    struct run *run = owner;
    struct courier courier = {.run = run};
    struct failure failure;

    fleet_results_stream(run->fleet, run->config.job->id, courier.stream);
    fleet_results_subject(run->fleet, run->config.job->id, courier.subject);
    struct nats_publisher_config config = {
        .link = fleet_link(run->fleet),
        .subject = courier.subject,
        .stream = courier.stream,
        .window = WINDOW,
        .timeout_ms = ACK_TIMEOUT_MS,
        .backlog_max = run->config.job->buffer_bytes,
        .done = on_stored,
        .context = &courier,
    };
    if (nats_publisher_open(&courier.publisher, &config, &failure) == ERROR_NONE) {
        serve(&courier);
    } else {
        run_fail(run, &failure);
        drain(&courier);
    }
    nats_publisher_close(courier.publisher);
    atomic_store(&run->over, true);
    run->config.on_news(run->config.owner);
    return NULL;
}
