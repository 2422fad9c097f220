/* Messages of a certstream feed: each with its length before it. */
#include "engine/base/base64.h"
#include "engine/decode/worker.h"

static bool next_message(struct slice *rest, struct slice *message) {
    uint32_t len;

    if (rest->len < sizeof len)
        return false;
    memcpy(&len, rest->ptr, sizeof len);
    if (rest->len - sizeof len < len)
        return false;
    *message = slice_first(slice_from(*rest, sizeof len), len);
    *rest = slice_from(*rest, sizeof len + len);
    return true;
}

/* What the server sent as the certificate; what is no base64 is a certificate that cannot be read.
 */
static void take_certificate(struct decode_worker *worker, struct item *item) {
    struct slice text = item->message->leaf.as_der;
    uint8_t *bytes;
    size_t len;

    if (text.len == 0)
        return;
    bytes = arena_take(&worker->window_memory, base64_decoded_max(text.len) + 1);
    if (!bytes)
        return; /* the page is broken then */
    if (base64_decode(text, bytes, &len, NULL) && len) {
        item->der = (struct slice){bytes, len};
        return;
    }
    item->error = "as_der is not base64";
    item->is_malformed = item->keeps_raw = true;
}

static void note_index(struct page *page, const struct feed_message *message) {
    struct feed_index *indices = (struct feed_index *)page->feed_indices;

    if (!message->has_cert_index || message->source_url.len == 0)
        return;
    indices[page->feed_index_count++] =
        (struct feed_index){arena_copy(&page->memory, message->source_url), message->cert_index};
}

static void add_entry(struct decode_worker *worker, struct page *page, struct slice text,
                      const struct feed_message *message) {
    struct item *item = &worker->items[worker->count++];

    *item = (struct item){
        .raw = text,
        .message = message,
        .is_precertificate = message->update_type == FEED_UPDATE_PRECERT,
    };
    if (message->has_seen && message->seen_ms > page->newest_ms)
        page->newest_ms = message->seen_ms;
    note_index(page, message);
    take_certificate(worker, item);
}

/* What is no message is a malformed entry: the feed has no other copy of it. */
static void add_malformed(struct decode_worker *worker, struct slice text,
                          const struct feed_message *message, enum feed_message_result result) {
    worker->items[worker->count++] = (struct item){
        .raw = text,
        .message = message,
        .error = feed_message_result_text(result),
        .is_malformed = true,
        .keeps_raw = true,
    };
}

/* False when there is no memory. */
static bool add_message(struct decode_worker *worker, struct page *page, struct slice text) {
    struct feed_message *message = arena_take(&worker->window_memory, sizeof *message);

    if (!message)
        return false;
    enum feed_message_result result = feed_message_parse(text, &worker->window_memory, message);
    if (result == FEED_MESSAGE_NO_MEMORY)
        return false;
    if (result != FEED_MESSAGE_OK)
        add_malformed(worker, text, message, result);
    else if (message->type == FEED_MESSAGE_HEARTBEAT)
        page->counts.heartbeats++;
    else if (message->type != FEED_MESSAGE_OTHER)
        add_entry(worker, page, text, message);
    return true;
}

bool read_feed_begin(struct decode_worker *worker, struct page *page) {
    worker->rest = buffer_slice(&page->body);
    worker->messages_left = page->wanted;
    page->feed_indices =
        arena_take(&page->memory, ((size_t)page->wanted + 1) * sizeof *page->feed_indices);
    return (page->feed_indices && !page->body.failed) || page_is_broken(page, "no memory");
}

bool read_feed_next(struct decode_worker *worker, struct page *page) {
    struct slice text;

    for (; worker->count < WINDOW_ITEMS && worker->messages_left; worker->messages_left--) {
        if (!next_message(&worker->rest, &text))
            return page_is_broken(page, "a message is cut short");
        if (!add_message(worker, page, text))
            return page_is_broken(page, "no memory");
    }
    return !page->memory.failed || page_is_broken(page, "no memory");
}
