#include "engine/decode/decoder.h"

#include "engine/base/thread.h"
#include "engine/decode/worker.h"
#include "engine/queue/ring.h"
#include "engine/queue/wake.h"

#include <stdlib.h>

enum { IDLE_MS = 1000 };

struct page_slot {
    struct page *page;
};

RING_DEFINE(page_slot)

/* Where pages wait for a worker. */
struct page_queue {
    struct page_slot_ring ring;
    struct wake wake;
    atomic_bool closed;
};

/* --- A worker --- */

static void decode_and_return(struct decode_worker *worker, struct page *page) {
    worker_decode(worker, page);
    mailbox_put(page->back, &page->entry); /* now it is the feed's */
}

static void *run(void *context) {
    struct decode_worker *worker = context;
    struct page_queue *queue = worker->decoder->queue;
    struct page_slot slot;

    for (;;) {
        uint32_t ticket = wake_ticket(&queue->wake);
        if (page_slot_ring_pop_any(&queue->ring, &slot))
            decode_and_return(worker, slot.page);
        else if (atomic_load(&queue->closed))
            return NULL;
        else
            wake_wait(&queue->wake, ticket, IDLE_MS);
    }
}

/* --- Opening and closing --- */

static struct page_queue *queue_new(uint32_t capacity) {
    struct page_queue *queue = calloc(1, sizeof *queue);

    if (queue && !page_slot_ring_init(&queue->ring, capacity)) {
        free(queue);
        queue = NULL;
    }
    return queue;
}

/* Nothing is watched to begin with. */
static struct watch_current *watch_nothing(void) {
    struct watch_list_builder *builder = watch_list_builder_new();
    struct watch_list *list = builder ? watch_list_builder_finish(builder) : NULL;

    return list ? watch_current_new(list) : NULL;
}

static bool set_up(struct decoder *decoder) {
    bool ok = true;

    decoder->issuers = issuers_new();
    decoder->queue = queue_new(decoder->config.capacity);
    decoder->watched = watch_nothing();
    for (uint32_t i = 0; i < decoder->config.outlet_count; i++) {
        const struct filter *filter = decoder_filter(decoder, i);
        decoder->parts |= encoding_parts(decoder->config.outlets[i]);
        decoder->parts |= filter ? filter_parts(filter) : 0;
    }
    for (uint32_t i = 0; i < decoder->worker_count; i++)
        ok &= worker_init(&decoder->workers[i], decoder);
    return ok && decoder->issuers && decoder->queue && decoder->watched;
}

static enum error start(struct decoder *decoder, struct failure *failure) {
    enum error error = ERROR_NONE;

    for (uint32_t i = 0; i < decoder->worker_count && !error; i++) {
        struct decode_worker *worker = &decoder->workers[i];
        error = thread_start(&worker->thread, "decoder", run, worker, failure);
        worker->started = !error;
    }
    return error;
}

enum error decoder_open(struct decoder **out, const struct decoder_config *config,
                        struct failure *failure) {
    struct decoder *decoder =
        calloc(1, sizeof *decoder + config->workers * sizeof decoder->workers[0]);
    enum error error = ERROR_MEMORY;

    if (!decoder)
        return failure_set(failure, ERROR_MEMORY, "no memory for the decoder");
    decoder->config = *config;
    decoder->worker_count = config->workers;
    if (set_up(decoder))
        error = start(decoder, failure);
    else
        failure_set(failure, ERROR_MEMORY, "no memory for the decoder");
    if (error != ERROR_NONE) {
        decoder_close(decoder);
        return error;
    }
    *out = decoder;
    return ERROR_NONE;
}

void decoder_close(struct decoder *decoder) {
    if (!decoder)
        return;
    if (decoder->queue) {
        atomic_store(&decoder->queue->closed, true);
        wake_signal(&decoder->queue->wake);
    }
    for (uint32_t i = 0; i < decoder->worker_count; i++) {
        if (decoder->workers[i].started)
            pthread_join(decoder->workers[i].thread, NULL);
        worker_deinit(&decoder->workers[i]);
    }
    if (decoder->queue)
        page_slot_ring_deinit(&decoder->queue->ring);
    free(decoder->queue);
    watch_current_free(decoder->watched);
    issuers_free(decoder->issuers);
    free(decoder);
}

/* --- From other threads --- */

bool decoder_submit(struct decoder *decoder, struct page *page) {
    struct page_slot slot = {page};

    if (!page_slot_ring_push_any(&decoder->queue->ring, &slot))
        return false;
    wake_signal(&decoder->queue->wake);
    return true;
}

void decoder_watch(struct decoder *decoder, struct watch_list *list) {
    watch_current_set(decoder->watched, list);
}

bool decoder_add_issuer(struct decoder *decoder, const uint8_t fingerprint[32], struct slice der) {
    const struct chain_link *link;
    uint8_t sha256[32];

    certificate_sha256(der, sha256);
    if (memcmp(sha256, fingerprint, sizeof sha256) != 0)
        return false;
    link = issuers_of(decoder->issuers, der);
    (void)link; /* when the table is full, records do without it */
    return true;
}

void decoder_no_issuer(struct decoder *decoder, const uint8_t fingerprint[32]) {
    issuers_add_missing(decoder->issuers, fingerprint);
}

bool decoder_has_issuer(const struct decoder *decoder, const uint8_t fingerprint[32]) {
    return issuers_find(decoder->issuers, fingerprint) != NULL;
}

void decoder_statistics(const struct decoder *decoder, struct decoder_statistics *out) {
    *out = (struct decoder_statistics){0};
    for (uint32_t i = 0; i < decoder->worker_count; i++) {
        const struct worker_counts *counts = &decoder->workers[i].counts;
        out->pages += __atomic_load_n(&counts->pages, __ATOMIC_RELAXED);
        out->bytes += __atomic_load_n(&counts->bytes, __ATOMIC_RELAXED);
        out->entries += __atomic_load_n(&counts->entries, __ATOMIC_RELAXED);
        out->certificates += __atomic_load_n(&counts->certificates, __ATOMIC_RELAXED);
        out->precertificates += __atomic_load_n(&counts->precertificates, __ATOMIC_RELAXED);
        out->malformed += __atomic_load_n(&counts->malformed, __ATOMIC_RELAXED);
        out->unbound += __atomic_load_n(&counts->unbound, __ATOMIC_RELAXED);
        out->misplaced += __atomic_load_n(&counts->misplaced, __ATOMIC_RELAXED);
        out->names += __atomic_load_n(&counts->names, __ATOMIC_RELAXED);
        out->matched += __atomic_load_n(&counts->matched, __ATOMIC_RELAXED);
        out->heartbeats += __atomic_load_n(&counts->heartbeats, __ATOMIC_RELAXED);
    }
}
