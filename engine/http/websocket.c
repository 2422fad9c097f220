#include "engine/http/websocket.h"

#include "engine/base/base64.h"
#include "engine/base/random.h"
#include "engine/http/frames.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

enum {
    KEY_BYTES = 16,
    KEY_TEXT = 24,    /* in base64 */
    ACCEPT_TEXT = 28, /* a SHA-1 in base64 */
    HEAD_MAX = 16 * 1024,
    URL_MAX = 2048,
    INPUT_BYTES = 128 * 1024,          /* read at a time; what is handed on from there is warm */
    GATHERED_BYTES = 64 * 1024,        /* what a poll waits for, if it does not take too long */
    OUTPUT_BYTES = 4 * FRAME_SENT_MAX, /* a server that takes nothing gets no further pongs */
};

struct websocket {
    struct websocket_config config;
    CURL *curl;
    curl_socket_t fd;
    struct frames frames;
    struct frames_reader reader;
    struct random random;
    uint8_t head[HEAD_MAX]; /* what came with the answer, not yet framed */
    size_t head_len, head_at;
    uint8_t output[OUTPUT_BYTES];
    size_t output_len;
    char curl_words[CURL_ERROR_SIZE];
    char ended[80]; /* why; empty as long as it is not */
    uint8_t input[INPUT_BYTES];
};

/* --- Waiting --- */

/* False when stop_fd ended it. */
static bool wait_for(const struct websocket *websocket, short events, uint32_t wait_ms,
                     bool *ready) {
    struct pollfd polled[2] = {
        {.fd = websocket->fd, .events = events},
        {.fd = websocket->config.stop_fd, .events = POLLIN},
    };

    *ready = poll(polled, 2, (int)wait_ms) > 0 && polled[0].revents != 0;
    return !(polled[1].revents & POLLIN);
}

static bool is_stopped(const struct websocket *websocket) {
    struct pollfd polled = {.fd = websocket->config.stop_fd, .events = POLLIN};
    return poll(&polled, 1, 0) > 0;
}

/* --- Connecting --- */

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    (void)a, (void)b, (void)c, (void)d;
    return is_stopped(context); /* libcurl then gives up */
}

static enum error connect_with_curl(struct websocket *websocket, struct failure *failure) {
    const struct websocket_config *config = &websocket->config;
    char url[URL_MAX];

    /* libcurl's own WebSockets are not in all versions; it connects as for HTTP. */
    int len = snprintf(url, sizeof url, "http%s", config->url + strlen("ws"));
    if (len < 0 || (size_t)len >= sizeof url)
        return failure_set(failure, ERROR_USAGE, "the URL is too long");
    curl_easy_setopt(websocket->curl, CURLOPT_URL, url);
    curl_easy_setopt(websocket->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(websocket->curl, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(websocket->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(websocket->curl, CURLOPT_SSL_ENABLE_ALPN, 0L);
    curl_easy_setopt(websocket->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
    curl_easy_setopt(websocket->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(websocket->curl, CURLOPT_BUFFERSIZE, (long)INPUT_BYTES); /* of one receive */
    curl_easy_setopt(websocket->curl, CURLOPT_ERRORBUFFER, websocket->curl_words);
    curl_easy_setopt(websocket->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(websocket->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(websocket->curl, CURLOPT_XFERINFODATA, websocket);
    if (config->ca_file)
        curl_easy_setopt(websocket->curl, CURLOPT_CAINFO, config->ca_file);
    CURLcode code = curl_easy_perform(websocket->curl);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return failure_set(failure, ERROR_STOPPED, "stopped");
    if (code != CURLE_OK)
        return failure_set(failure, ECONNREFUSED, "%s",
                           websocket->curl_words[0] ? websocket->curl_words
                                                    : curl_easy_strerror(code));
    if (curl_easy_getinfo(websocket->curl, CURLINFO_ACTIVESOCKET, &websocket->fd) != CURLE_OK)
        return failure_set(failure, ERROR_INTERNAL, "libcurl has no socket");
    return ERROR_NONE;
}

/* --- Shaking hands (RFC 6455 section 4.1) --- */

static enum error send_all(struct websocket *websocket, const char *text, struct failure *failure) {
    size_t len = strlen(text), sent = 0;
    bool ready;

    while (sent < len) {
        size_t more = 0;
        CURLcode code = curl_easy_send(websocket->curl, text + sent, len - sent, &more);
        sent += more;
        if (code == CURLE_AGAIN) {
            if (!wait_for(websocket, POLLOUT, websocket->config.connect_timeout_ms, &ready) ||
                !ready)
                return failure_set(failure, ETIMEDOUT, "the server takes no request");
        } else if (code != CURLE_OK) {
            return failure_set(failure, EPIPE, "%s", curl_easy_strerror(code));
        }
    }
    return ERROR_NONE;
}

static enum error send_request(struct websocket *websocket, const char key[KEY_TEXT + 1],
                               struct failure *failure) {
    const char *host = strstr(websocket->config.url, "://") + 3;
    size_t host_len = strcspn(host, "/?#");
    const char *path = host + host_len;
    char request[URL_MAX + 512];

    int len = snprintf(request, sizeof request,
                       "GET %s%s HTTP/1.1\r\nHost: %.*s\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                       "Sec-WebSocket-Version: 13\r\nUser-Agent: %s\r\n\r\n",
                       *path == '/' ? "" : "/", path, (int)host_len, host, key,
                       websocket->config.user_agent ? websocket->config.user_agent : "trawl");
    if (len < 0 || (size_t)len >= sizeof request)
        return failure_set(failure, ERROR_USAGE, "the URL is too long");
    return send_all(websocket, request, failure);
}

/* Reads until the empty line; what comes behind it is left for the frames. */
static enum error read_answer(struct websocket *websocket, struct failure *failure) {
    for (;;) {
        size_t more = 0;
        bool ready;
        CURLcode code = curl_easy_recv(websocket->curl, websocket->head + websocket->head_len,
                                       sizeof websocket->head - 1 - websocket->head_len, &more);
        websocket->head_len += more;
        websocket->head[websocket->head_len] = 0;
        const char *end = strstr((const char *)websocket->head, "\r\n\r\n");
        if (end) {
            websocket->head_at = (size_t)(end + 4 - (const char *)websocket->head);
            return ERROR_NONE;
        }
        if (code == CURLE_AGAIN) {
            if (!wait_for(websocket, POLLIN, websocket->config.connect_timeout_ms, &ready))
                return failure_set(failure, ERROR_STOPPED, "stopped");
            if (!ready)
                return failure_set(failure, ETIMEDOUT, "the server does not answer the request");
        } else if (code != CURLE_OK || more == 0) {
            return failure_set(failure, ECONNRESET, "the server closed the connection");
        }
        if (websocket->head_len == sizeof websocket->head - 1)
            return failure_set(failure, ERROR_LIMIT, "the server's answer has no end");
    }
}

/* The value of a header line; NULL when there is none. */
static const char *header_value(const char *head, const char *name, size_t *len) {
    for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r';
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, strlen(name)) != 0 || line[2 + strlen(name)] != ':')
            continue;
        const char *value = line + 3 + strlen(name);
        value += strspn(value, " \t");
        *len = strcspn(value, " \t\r");
        return value;
    }
    return NULL;
}

static enum error check_answer(const struct websocket *websocket, const char key[KEY_TEXT + 1],
                               struct failure *failure) {
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const char *head = (const char *)websocket->head;
    char both[KEY_TEXT + sizeof magic];
    uint8_t digest[SHA_DIGEST_LENGTH], expected[ACCEPT_TEXT];
    size_t len;

    if (strncmp(head, "HTTP/1.1 101", 12) != 0)
        return failure_set(failure, ERROR_INPUT, "the server answers \"%.*s\" instead of 101",
                           (int)strcspn(head, "\r\n") < 80 ? (int)strcspn(head, "\r\n") : 80, head);
    snprintf(both, sizeof both, "%s%s", key, magic);
    SHA1((const uint8_t *)both, strlen(both), digest);
    base64_encode((struct slice){digest, sizeof digest}, expected);
    const char *accept = header_value(head, "Sec-WebSocket-Accept", &len);
    if (!accept || len != ACCEPT_TEXT || memcmp(accept, expected, ACCEPT_TEXT) != 0)
        return failure_set(failure, ERROR_INPUT, "the server's answer is no WebSocket handshake");
    return ERROR_NONE;
}

static enum error shake_hands(struct websocket *websocket, struct failure *failure) {
    uint8_t random[KEY_BYTES];
    char key[KEY_TEXT + 1] = {0};
    enum error error;

    random_fill(&websocket->random, random, sizeof random);
    base64_encode((struct slice){random, sizeof random}, (uint8_t *)key);
    if ((error = send_request(websocket, key, failure)) ||
        (error = read_answer(websocket, failure)))
        return error;
    return check_answer(websocket, key, failure);
}

/* --- Frames --- */

static void send_frame(struct websocket *websocket, enum frame_opcode opcode,
                       struct slice payload) {
    uint8_t mask[FRAME_MASK_BYTES];

    if (OUTPUT_BYTES - websocket->output_len < FRAME_SENT_MAX)
        return;
    random_fill(&websocket->random, mask, sizeof mask);
    websocket->output_len +=
        frame_write(opcode, payload, mask, websocket->output + websocket->output_len);
}

/* As much of the output as the server takes. */
static void flush(struct websocket *websocket) {
    size_t sent = 0;

    if (websocket->output_len == 0)
        return;
    CURLcode code =
        curl_easy_send(websocket->curl, websocket->output, websocket->output_len, &sent);
    if (code != CURLE_OK && code != CURLE_AGAIN) {
        snprintf(websocket->ended, sizeof websocket->ended, "the server closed the connection");
        return;
    }
    websocket->output_len -= sent;
    memmove(websocket->output, websocket->output + sent, websocket->output_len);
}

static void on_piece(void *owner, struct slice piece, bool end) {
    struct websocket *websocket = owner;
    websocket->config.on_piece(websocket->config.owner, piece, end);
}

static void on_control(void *owner, enum frame_opcode opcode, struct slice payload) {
    struct websocket *websocket = owner;

    if (opcode == FRAME_PING)
        send_frame(websocket, FRAME_PONG, payload);
    if (opcode != FRAME_CLOSE)
        return;
    send_frame(websocket, FRAME_CLOSE, payload);
    unsigned status = payload.len < 2 ? 1005 : (unsigned)payload.ptr[0] << 8 | payload.ptr[1];
    snprintf(websocket->ended, sizeof websocket->ended, "the server said goodbye (%u)", status);
}

static void take(struct websocket *websocket, struct slice bytes) {
    const char *wrong = frames_read(&websocket->frames, bytes, &websocket->reader);

    if (wrong && !websocket->ended[0])
        snprintf(websocket->ended, sizeof websocket->ended, "%s", wrong);
}

/* What is there, up to a part that is worth while. False when there is nothing. */
static bool receive(struct websocket *websocket) {
    struct slice rest = {websocket->head + websocket->head_at,
                         websocket->head_len - websocket->head_at};
    CURLcode code = CURLE_OK;
    size_t len = 0;

    websocket->head_at = websocket->head_len;
    if (rest.len) {
        take(websocket, rest);
        return true;
    }
    while (code == CURLE_OK && len < INPUT_BYTES) {
        size_t more = 0;
        code = curl_easy_recv(websocket->curl, websocket->input + len, INPUT_BYTES - len, &more);
        if (code == CURLE_OK && more == 0)
            code = CURLE_RECV_ERROR;
        len += more;
    }
    if (len)
        take(websocket, (struct slice){websocket->input, len});
    if (code != CURLE_OK && code != CURLE_AGAIN && !websocket->ended[0])
        snprintf(websocket->ended, sizeof websocket->ended, "the server closed the connection");
    return len != 0;
}

/* Waking up for each message costs more than reading it. */
static void gather(const struct websocket *websocket) {
    const int bytes = GATHERED_BYTES;
    (void)setsockopt(websocket->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

/* --- Opening and closing --- */

enum error websocket_open(struct websocket **out, const struct websocket_config *config,
                          struct failure *failure) {
    struct websocket *websocket;
    enum error error;

    if (strncmp(config->url, "ws://", 5) != 0 && strncmp(config->url, "wss://", 6) != 0)
        return failure_set(failure, ERROR_USAGE, "\"%.200s\" is no ws:// or wss:// URL",
                           config->url);
    if (strpbrk(config->url, " \t\r\n"))
        return failure_set(failure, ERROR_USAGE, "the URL has a blank in it");
    websocket = calloc(1, sizeof *websocket);
    if (!websocket || !(websocket->curl = curl_easy_init())) {
        websocket_close(websocket);
        return failure_set(failure, ERROR_MEMORY, "no memory for a WebSocket");
    }
    websocket->config = *config;
    websocket->reader =
        (struct frames_reader){websocket, config->message_max, on_piece, on_control};
    random_init(&websocket->random, random_seed());
    if ((error = connect_with_curl(websocket, failure)) ||
        (error = shake_hands(websocket, failure))) {
        websocket_close(websocket);
        return error;
    }
    gather(websocket);
    *out = websocket;
    return ERROR_NONE;
}

void websocket_close(struct websocket *websocket) {
    if (!websocket)
        return;
    curl_easy_cleanup(websocket->curl);
    free(websocket);
}

/* --- Reading --- */

enum websocket_result websocket_read(struct websocket *websocket, uint32_t wait_ms,
                                     struct failure *failure) {
    bool received = receive(websocket), ready = false; /* TLS may hold what no poll shows */

    flush(websocket);
    if (!received && !websocket->ended[0]) {
        short events = websocket->output_len ? POLLIN | POLLOUT : POLLIN;
        if (!wait_for(websocket, events, wait_ms, &ready))
            return WEBSOCKET_STOPPED;
        received = receive(websocket); /* also when it is less than a poll shows */
        flush(websocket);
    }
    if (websocket->ended[0]) {
        failure_set(failure, ECONNRESET, "%s", websocket->ended);
        return WEBSOCKET_ENDED;
    }
    if (is_stopped(websocket))
        return WEBSOCKET_STOPPED;
    return received ? WEBSOCKET_READ : WEBSOCKET_IDLE;
}

void websocket_ping(struct websocket *websocket) {
    send_frame(websocket, FRAME_PING, slice_of(""));
    flush(websocket);
}
