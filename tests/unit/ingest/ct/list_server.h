/* A server, and a signer, of log lists that a test makes. */
#ifndef TESTS_UNIT_INGEST_CT_LIST_SERVER_H
#define TESTS_UNIT_INGEST_CT_LIST_SERVER_H

#include "tests/unit/http/test_server.h"

#include "bench/ctfarm/ctfarm_log.h"

/* Of one test at a time. */
static struct {
    pthread_mutex_t lock;
    struct buffer json, signature;         /* an empty signature: there is none */
    char etag[64];                         /* "" for none */
    unsigned status;                       /* of all answers, when it is not 0 */
    unsigned whole, unchanged, signatures; /* answers */
} list_server = {.lock = PTHREAD_MUTEX_INITIALIZER};

static inline bool list_server_send(struct test_connection *connection, struct slice body,
                                    const char *etag) {
    char head[256];

    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s%s%s\r\n", body.len,
             *etag ? "ETag: " : "", etag, *etag ? "\r\n" : "");
    return test_say(connection, head) && test_write(connection, body.ptr, body.len);
}

static inline bool list_server_answer(struct test_connection *connection, const char *path) {
    char refusal[96];

    if (list_server.status) {
        snprintf(refusal, sizeof refusal, "HTTP/1.1 %u Sorry\r\nContent-Length: 0\r\n\r\n",
                 list_server.status);
        return test_say(connection, refusal);
    }
    if (strcmp(path, "/log_list.sig") == 0 && list_server.signature.len) {
        list_server.signatures++;
        return list_server_send(connection, buffer_slice(&list_server.signature), "");
    }
    if (strcmp(path, "/log_list.json") != 0)
        return test_say(connection, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    const char *condition = strcasestr(connection->request, "if-none-match: ");
    if (list_server.etag[0] && condition &&
        strncmp(condition + 15, list_server.etag, strlen(list_server.etag)) == 0) {
        list_server.unchanged++;
        return test_say(connection, "HTTP/1.1 304 Not Modified\r\n\r\n");
    }
    list_server.whole++;
    return list_server_send(connection, buffer_slice(&list_server.json), list_server.etag);
}

static inline bool list_server_handle(struct test_connection *connection, const char *path) {
    pthread_mutex_lock(&list_server.lock);
    bool again = list_server_answer(connection, path);
    pthread_mutex_unlock(&list_server.lock);
    return again;
}

/* What it serves from now on: signed by the farm's key for lists, or of another list. */
static inline void list_server_set(const struct ctfarm_log *signer, struct slice json,
                                   const char *etag, bool rightly) {
    pthread_mutex_lock(&list_server.lock);
    list_server.json.len = list_server.signature.len = 0;
    buffer_add_slice(&list_server.json, json);
    ctfarm_sign_list(signer, rightly ? json : slice_from(json, 1), &list_server.signature);
    snprintf(list_server.etag, sizeof list_server.etag, "%s", etag);
    pthread_mutex_unlock(&list_server.lock);
}

static inline void list_server_clear(void) {
    buffer_deinit(&list_server.json);
    buffer_deinit(&list_server.signature);
    list_server.etag[0] = 0;
    list_server.status = list_server.whole = list_server.unchanged = list_server.signatures = 0;
}

/* A copy of a text with the first `from` behind `behind` replaced; both must be there. */
static inline struct buffer text_with(struct slice text, const char *behind, const char *from,
                                      const char *to) {
    const char *start = memmem(text.ptr, text.len, behind, strlen(behind));
    struct buffer out;

    assert_non_null(start);
    size_t passed = (size_t)(start - (const char *)text.ptr);
    const char *at = memmem(start, text.len - passed, from, strlen(from));
    assert_non_null(at);
    size_t before = (size_t)(at - (const char *)text.ptr);
    buffer_init(&out);
    buffer_add(&out, text.ptr, before);
    buffer_add_text(&out, to);
    buffer_add_slice(&out, slice_from(text, before + strlen(from)));
    assert_false(out.failed);
    return out;
}

#endif
