/* RFC 6962 section 4: what monitors ask. */
#include "bench/ctfarm/ctfarm_server.h"

#include "engine/base/text.h"

#include <openssl/base64.h>

enum { STALE_MS = 48 * 3600 * 1000 };

/* --- Heads --- */

struct ctfarm_published ctfarm_head_shown(struct ctfarm *server,
                                          const struct ctfarm_occasion *occasion,
                                          bool *bad_signature) {
    struct ctfarm_published head = server->head;
    struct ctfarm_faults *faults = &server->faults;
    if (ctfarm_fault_happens(faults, CTFARM_FAULT_STALE, occasion)) {
        if (server->frozen.timestamp_ms == 0) {
            server->frozen = head;
            server->frozen.timestamp_ms -= STALE_MS;
        }
        head = server->frozen;
    }
    if (ctfarm_fault_happens(faults, CTFARM_FAULT_SHRINK, occasion)) {
        head.size -= head.size / 10 + (head.size > 0);
        ctfarm_root(server->log, head.size, head.root);
    }
    if (ctfarm_fault_happens(faults, CTFARM_FAULT_EQUIVOCATE, occasion))
        head.root[0] ^= 1;
    *bad_signature = ctfarm_fault_happens(faults, CTFARM_FAULT_BAD_SIGNATURE, occasion);
    return head;
}

static void answer_head(struct ctfarm *server, const struct ctfarm_occasion *occasion,
                        struct ctfarm_reply *reply) {
    bool bad_signature;
    struct ctfarm_published head = ctfarm_head_shown(server, occasion, &bad_signature);
    struct buffer signature;
    buffer_init(&signature);
    ctfarm_sign_head(server->log, CTFARM_RFC6962, (uint64_t)head.timestamp_ms, head.size, head.root,
                     &signature);
    if (bad_signature && signature.len)
        signature.ptr[signature.len - 1] ^= 1;
    reply->cache = "no-store";
    buffer_add_format(&reply->body,
                      "{\"tree_size\":%llu,\"timestamp\":%lld,\"sha256_root_hash\":\"",
                      (unsigned long long)head.size, (long long)head.timestamp_ms);
    text_add_base64(&reply->body, (struct slice){head.root, sizeof head.root});
    buffer_add_text(&reply->body, "\",\"tree_head_signature\":\"");
    text_add_base64(&reply->body, buffer_slice(&signature));
    buffer_add_text(&reply->body, "\"}");
    buffer_deinit(&signature);
}

/* --- Entries --- */

static void answer_entries(struct ctfarm *server, const struct ctfarm_request *request,
                           const struct ctfarm_occasion *occasion, struct ctfarm_reply *reply) {
    uint64_t start, last, size = server->head.size;
    if (!ctfarm_query_number(request, "start", &start) ||
        !ctfarm_query_number(request, "end", &last) || start > last)
        return ctfarm_reply_error(reply, 400, "start and end are needed");
    if (start >= size)
        return ctfarm_reply_error(reply, 400, "need tree size to be larger than start");
    uint64_t end = last < size ? last + 1 : size;
    if (end - start > server->options.page_max)
        end = start + server->options.page_max;
    if (end - start > 1 && ctfarm_fault_happens(&server->faults, CTFARM_FAULT_SHORT_PAGE, occasion))
        end = start + 1 + random_below(&server->faults.random, end - start - 1);
    bool broken = ctfarm_fault_happens(&server->faults, CTFARM_FAULT_BAD_FRAMING, occasion);
    buffer_add_text(&reply->body, broken ? "{\"entries\":[{\"leaf_input\":\"AAA*\",\"extra_data\":"
                                           "\"\"},"
                                         : "{\"entries\":[");
    for (uint64_t at = start; at < end;) {
        uint64_t next = at - at % CTFARM_TILE + CTFARM_TILE;
        next = next < end ? next : end;
        if (!ctfarm_reply_page(server, reply, CTFARM_FORM_ENTRIES, at, next, occasion))
            return;
        at = next;
    }
    reply->parts[reply->part_count - 1].to--; /* the last comma */
    reply->tail = "]}";
}

static void answer_roots(struct ctfarm *server, const struct ctfarm_occasion *occasion,
                         struct ctfarm_reply *reply) {
    bool is_root, first = true;
    struct slice der;
    bool wrong = ctfarm_fault_happens(&server->faults, CTFARM_FAULT_WRONG_ISSUER, occasion);
    buffer_add_text(&reply->body, "{\"certificates\":[");
    for (uint32_t i = 0; (der = ctfarm_authority(server->log, i, &is_root)).len; i++) {
        if (is_root == wrong)
            continue;
        buffer_add_text(&reply->body, first ? "\"" : ",\"");
        text_add_base64(&reply->body, der);
        buffer_add_byte(&reply->body, '"');
        first = false;
    }
    buffer_add_text(&reply->body, "]}");
}

/* --- Proofs --- */

static void add_path(struct buffer *out, uint8_t path[][CTFARM_TREE_HASH], uint32_t count) {
    buffer_add_byte(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        buffer_add_text(out, i ? ",\"" : "\"");
        text_add_base64(out, (struct slice){path[i], CTFARM_TREE_HASH});
        buffer_add_byte(out, '"');
    }
    buffer_add_byte(out, ']');
}

static void answer_consistency(struct ctfarm *server, const struct ctfarm_request *request,
                               struct ctfarm_reply *reply) {
    uint64_t first, second;
    uint8_t path[CTFARM_PROOF_MAX][CTFARM_TREE_HASH];
    if (!ctfarm_query_number(request, "first", &first) ||
        !ctfarm_query_number(request, "second", &second) || first > second ||
        second > server->head.size)
        return ctfarm_reply_error(reply, 400, "first and second are needed");
    uint32_t count = first ? ctfarm_consistency(server->log, first, second, path) : 0;
    buffer_add_text(&reply->body, "{\"consistency\":");
    add_path(&reply->body, path, count);
    buffer_add_byte(&reply->body, '}');
}

static void answer_proof_by_hash(struct ctfarm *server, const struct ctfarm_request *request,
                                 struct ctfarm_reply *reply) {
    uint64_t size, index;
    uint8_t room[64], hash[48], path[CTFARM_PROOF_MAX][CTFARM_TREE_HASH];
    size_t len;
    struct slice text = ctfarm_query(request, "hash", room, sizeof room);
    if (!ctfarm_query_number(request, "tree_size", &size) || size > server->head.size ||
        !EVP_DecodeBase64(hash, &len, sizeof hash, text.ptr, text.len) || len != CTFARM_TREE_HASH)
        return ctfarm_reply_error(reply, 400, "hash and tree_size are needed");
    if (!ctfarm_find_leaf(server->log, hash, &index) || index >= size)
        return ctfarm_reply_error(reply, 404, "no such leaf");
    buffer_add_format(&reply->body,
                      "{\"leaf_index\":%llu,\"audit_path\":", (unsigned long long)index);
    add_path(&reply->body, path, ctfarm_inclusion(server->log, index, size, path));
    buffer_add_byte(&reply->body, '}');
}

static void answer_entry_and_proof(struct ctfarm *server, const struct ctfarm_request *request,
                                   struct ctfarm_reply *reply) {
    uint64_t size, index;
    uint8_t path[CTFARM_PROOF_MAX][CTFARM_TREE_HASH];
    struct ctfarm_entry *entry = ctfarm_pages_entry(server->pages);
    struct buffer extra;
    if (!ctfarm_query_number(request, "tree_size", &size) || size > server->head.size ||
        !ctfarm_query_number(request, "leaf_index", &index) || index >= size)
        return ctfarm_reply_error(reply, 400, "leaf_index and tree_size are needed");
    buffer_init(&extra);
    ctfarm_entry_make(server->log, index, false, entry);
    ctfarm_entry_add_extra(entry, &extra);
    buffer_add_text(&reply->body, "{\"leaf_input\":\"");
    text_add_base64(&reply->body, ctfarm_entry_leaf(entry));
    buffer_add_text(&reply->body, "\",\"extra_data\":\"");
    text_add_base64(&reply->body, buffer_slice(&extra));
    buffer_add_text(&reply->body, "\",\"audit_path\":");
    add_path(&reply->body, path, ctfarm_inclusion(server->log, index, size, path));
    buffer_add_byte(&reply->body, '}');
    reply->body.failed |= extra.failed;
    buffer_deinit(&extra);
}

/* --- Dispatch --- */

void ctfarm_rfc6962_occasion(const struct ctfarm_request *request, struct slice path,
                             struct ctfarm_occasion *out) {
    out->class = CTFARM_CLASS_PROOFS;
    if (slice_is(path, "get-sth"))
        out->class = CTFARM_CLASS_HEADS;
    if (slice_is(path, "get-roots"))
        out->class = CTFARM_CLASS_ISSUERS;
    if (slice_is(path, "get-entries")) {
        out->class = CTFARM_CLASS_ENTRIES;
        out->has_entries = ctfarm_query_number(request, "start", &out->first) &&
                           ctfarm_query_number(request, "end", &out->last);
    }
}

void ctfarm_rfc6962_answer(struct ctfarm *server, const struct ctfarm_request *request,
                           struct slice path, const struct ctfarm_occasion *occasion,
                           struct ctfarm_reply *reply) {
    reply->type = "application/json";
    if (slice_is(path, "get-sth"))
        answer_head(server, occasion, reply);
    else if (slice_is(path, "get-entries"))
        answer_entries(server, request, occasion, reply);
    else if (slice_is(path, "get-roots"))
        answer_roots(server, occasion, reply);
    else if (slice_is(path, "get-sth-consistency"))
        answer_consistency(server, request, reply);
    else if (slice_is(path, "get-proof-by-hash"))
        answer_proof_by_hash(server, request, reply);
    else if (slice_is(path, "get-entry-and-proof"))
        answer_entry_and_proof(server, request, reply);
    else
        ctfarm_reply_error(reply, 404, "no such call");
}
