/* An HTTP server of a test: a thread that accepts, and one a connection. The test's function is
 * called with the path of each request and writes what it likes. */
#ifndef TESTS_UNIT_HTTP_TEST_SERVER_H
#define TESTS_UNIT_HTTP_TEST_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "engine/http/client.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVER_CONNECTIONS_MAX = 64, SERVER_REQUEST_MAX = 8192 };

struct test_server;

struct test_connection {
    struct test_server *server;
    int fd;
    SSL *ssl;
    pthread_t thread;
    char request[SERVER_REQUEST_MAX]; /* all that came, its body included */
    size_t len;
};

/* Answers one request. False: the connection is closed then. */
typedef bool test_handler(struct test_connection *connection, const char *path);

struct test_server {
    int fd;
    uint16_t port;
    pthread_t thread;
    test_handler *handler;
    SSL_CTX *tls; /* NULL: plain */
    struct test_connection connections[SERVER_CONNECTIONS_MAX];
    atomic_uint connections_total, requests_total;
};

/* False when the peer is gone. */
static inline bool test_write(struct test_connection *connection, const void *bytes, size_t len) {
    const uint8_t *at = bytes;

    while (len) {
        ssize_t wrote = connection->ssl ? SSL_write(connection->ssl, at, (int)len)
                                        : send(connection->fd, at, len, MSG_NOSIGNAL);
        if (wrote <= 0)
            return false;
        at += wrote;
        len -= (size_t)wrote;
    }
    return true;
}

static inline bool test_say(struct test_connection *connection, const char *text) {
    return test_write(connection, text, strlen(text));
}

/* Waits until the client has gone away. */
static inline bool test_hold(struct test_connection *connection) {
    char sink[256];

    while (connection->ssl ? SSL_read(connection->ssl, sink, sizeof sink) > 0
                           : recv(connection->fd, sink, sizeof sink, 0) > 0)
        ;
    return false;
}

/* True when the client has gone away. */
static inline bool test_is_gone(struct test_connection *connection, int wait_ms) {
    struct pollfd poll_fd = {.fd = connection->fd, .events = POLLIN};
    return poll(&poll_fd, 1, wait_ms) > 0;
}

static inline bool test_read_request(struct test_connection *connection) {
    connection->len = 0;
    for (;;) {
        char *at = connection->request + connection->len;
        size_t room = sizeof connection->request - 1 - connection->len;
        ssize_t got = connection->ssl ? SSL_read(connection->ssl, at, (int)room)
                                      : recv(connection->fd, at, room, 0);
        if (got <= 0)
            return false;
        connection->len += (size_t)got;
        connection->request[connection->len] = 0;
        const char *end = strstr(connection->request, "\r\n\r\n");
        const char *length = strcasestr(connection->request, "content-length:");
        size_t body = length && end && length < end ? (size_t)atoi(length + 15) : 0;
        if (end && connection->len >= (size_t)(end + 4 - connection->request) + body)
            return true;
    }
}

static inline void *test_connection_run(void *argument) {
    struct test_connection *connection = argument;
    struct test_server *server = connection->server;
    char path[512];
    bool again = true;

    if (server->tls) {
        connection->ssl = SSL_new(server->tls);
        SSL_set_fd(connection->ssl, connection->fd);
        again = SSL_accept(connection->ssl) == 1;
    }
    while (again && test_read_request(connection)) {
        atomic_fetch_add(&server->requests_total, 1);
        again = sscanf(connection->request, "%*s %511s", path) == 1 &&
                server->handler(connection, path);
    }
    if (again && connection->ssl)
        SSL_shutdown(connection->ssl);
    SSL_free(connection->ssl);
    connection->ssl = NULL;
    shutdown(connection->fd, SHUT_RDWR);
    return NULL;
}

static inline void *test_server_run(void *argument) {
    struct test_server *server = argument;

    for (;;) {
        int fd = accept(server->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        unsigned place = atomic_load(&server->connections_total);
        assert_true(place < SERVER_CONNECTIONS_MAX);
        struct test_connection *connection = &server->connections[place];
        connection->server = server;
        connection->fd = fd;
        atomic_fetch_add(&server->connections_total, 1); /* before anything is answered */
        pthread_create(&connection->thread, NULL, test_connection_run, connection);
    }
}

static inline int test_listen(const char *address, uint16_t *port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t len = sizeof to;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, address, &to.sin_addr);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
    *port = ntohs(to.sin_port);
    return fd;
}

/* On every loopback address. */
static inline struct test_server *test_server_start(test_handler *handler, SSL_CTX *tls) {
    struct test_server *server = calloc(1, sizeof *server);

    assert_non_null(server);
    server->handler = handler;
    server->tls = tls;
    server->fd = test_listen("0.0.0.0", &server->port);
    assert_int_equal(listen(server->fd, 64), 0);
    pthread_create(&server->thread, NULL, test_server_run, server);
    return server;
}

/* The clients must have closed their connections, or be about to. */
static inline void test_server_stop(struct test_server *server) {
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    for (unsigned i = 0; i < atomic_load(&server->connections_total); i++) {
        shutdown(server->connections[i].fd, SHUT_RDWR);
        pthread_join(server->connections[i].thread, NULL);
        close(server->connections[i].fd);
    }
    close(server->fd);
    free(server);
}

/* ---------------------------------------------------------------------------------------------
 * The client's side
 * ------------------------------------------------------------------------------------------- */

struct got {
    unsigned answers;
    uint64_t tag;
    struct http_answer answer; /* `body` is taken */
    char message[256];
};

static inline void keep_answer(void *context, uint64_t tag, struct http_answer *answer) {
    struct got *got = context;

    buffer_deinit(&got->answer.body);
    got->answers++;
    got->tag = tag;
    got->answer = *answer;
    snprintf(got->message, sizeof got->message, "%s", answer->message);
    answer->body = (struct buffer){0};
}

static inline struct http_client *open_client(const struct http_client_config *config) {
    struct http_client_config copy = *config;
    struct http_client *client;

    copy.connections = copy.connections ? copy.connections : 16;
    copy.per_host = copy.per_host ? copy.per_host : 8;
    assert_int_equal(http_client_open(&client, &copy, NULL), ERROR_NONE);
    return client;
}

static inline const char *url_of(const struct test_server *server, const char *path) {
    static _Thread_local char url[4][512];
    static _Thread_local unsigned next;
    char *out = url[next++ % 4];

    snprintf(out, sizeof url[0], "%s://127.0.0.1:%u%s", server->tls ? "https" : "http",
             server->port, path);
    return out;
}

static inline http_handle start(struct http_client *client, const struct http_request *request,
                                struct got *got) {
    struct http_request copy = *request;
    struct failure failure = {.text = ""};
    http_handle handle = 0;

    copy.body_max = copy.body_max ? copy.body_max : 4096;
    copy.connect_timeout_ms = copy.connect_timeout_ms ? copy.connect_timeout_ms : 60000;
    copy.timeout_ms = copy.timeout_ms ? copy.timeout_ms : 60000;
    if (http_start(client, &copy, keep_answer, got, 7, &handle, &failure))
        fail_msg("%s", failure.text);
    assert_int_not_equal(handle, 0);
    return handle;
}

static inline struct got fetch(struct http_client *client, const struct http_request *request) {
    struct got got = {0};

    start(client, request, &got);
    while (http_client_step(client, 1000))
        ;
    assert_int_equal(got.answers, 1);
    assert_int_equal(got.tag, 7);
    return got;
}

#endif
