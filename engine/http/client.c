#include "engine/http/client.h"

#include "engine/base/clock.h"
#include "engine/http/answer.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    /* Header lines of one request, those of its redirects included: libcurl bounds each line, but
       not how many there are. */
    HEADERS_BYTES_MAX = 256 * 1024,
    RECEIVE_BYTES = 64 * 1024, /* at a time, of one connection */
    /* Of a body, on the server's word that it is so long: more is taken as it comes. */
    EXPECTED_BYTES_MAX = 16 * 1024 * 1024,
};

/* A request under way, or one that is over and waits to be used again with its handle, which keeps
 * TLS sessions. */
struct request {
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    uint32_t index, generation;
    bool under_way, refused, too_long;
    http_done *done;
    void *context;
    uint64_t tag;
    uint64_t started_ns, deadline_ns;
    size_t header_bytes, body_max;
    struct http_answer answer;
    char message[CURL_ERROR_SIZE];
    struct request *next_free;
};

struct http_client {
    struct http_client_config config;
    char *user_agent, *ca_file;
    bool without_ca_folder;
    CURLM *multi;
    struct request **requests;
    uint32_t count, capacity, under_way;
    struct request *free_requests;
    uint64_t next_deadline_ns; /* no request under way is due earlier */
};

enum error http_global_init(struct failure *failure) {
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);

    if (code != CURLE_OK)
        return failure_set(failure, ERROR_INTERNAL, "libcurl cannot start: %s",
                           curl_easy_strerror(code));
    return ERROR_NONE;
}

void http_global_deinit(void) {
    curl_global_cleanup();
}

/* ---------------------------------------------------------------------------------------------
 * What libcurl calls
 * ------------------------------------------------------------------------------------------- */

/* Room for all of it at once: a buffer that grows copies megabytes again and again. */
static void expect_body(struct request *request) {
    curl_off_t length = -1;

    curl_easy_getinfo(request->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length > 0 && length <= EXPECTED_BYTES_MAX && (size_t)length <= request->body_max)
        buffer_reserve(&request->answer.body, (size_t)length);
}

static size_t take_body(char *bytes, size_t one, size_t len, void *user) {
    struct request *request = user;
    struct buffer *body = &request->answer.body;

    (void)one;
    if (len > request->body_max - body->len) {
        request->too_long = true;
        return CURL_WRITEFUNC_ERROR;
    }
    if (!body->ptr)
        expect_body(request);
    buffer_add(body, bytes, len);
    return body->failed ? CURL_WRITEFUNC_ERROR : len;
}

static size_t take_header(char *bytes, size_t one, size_t len, void *user) {
    struct request *request = user;

    (void)one;
    request->header_bytes += len;
    if (request->header_bytes > HEADERS_BYTES_MAX) {
        request->too_long = true;
        return CURL_WRITEFUNC_ERROR;
    }
    answer_take_header(&request->answer, (struct slice){(const uint8_t *)bytes, len});
    return len;
}

/* Every connection begins here, so that no name and no redirect leads to an address which is not
 * allowed. */
static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *to) {
    struct request *request = user;
    const struct http_client_config *config = &request->client->config;
    struct address address;

    (void)purpose;
    if (config->allowed && (!address_from_sockaddr(&to->addr, &address) ||
                            !config->allowed(config->context, &address))) {
        request->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* ---------------------------------------------------------------------------------------------
 * The client
 * ------------------------------------------------------------------------------------------- */

/* The roots of libcurl are a file and a folder. With a folder it reads the file anew for each
 * connection, hundreds of roots; with the file alone it reads it once. */
static bool has_ca_bundle(void) {
    const char *file = curl_version_info(CURLVERSION_NOW)->cainfo;
    return file && access(file, R_OK) == 0;
}

enum error http_client_open(struct http_client **out, const struct http_client_config *config,
                            struct failure *failure) {
    struct http_client *client = calloc(1, sizeof *client);

    if (!client)
        return failure_set(failure, ERROR_MEMORY, "no memory for an HTTP client");
    client->config = *config;
    client->next_deadline_ns = UINT64_MAX;
    client->without_ca_folder = config->ca_file || has_ca_bundle();
    client->user_agent = strdup(config->user_agent ? config->user_agent : "trawl");
    client->ca_file = config->ca_file ? strdup(config->ca_file) : NULL;
    client->multi = curl_multi_init();
    if (!client->user_agent || (config->ca_file && !client->ca_file) || !client->multi ||
        curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX) ||
        curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)config->connections) ||
        curl_multi_setopt(client->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                          (long)config->connections) ||
        curl_multi_setopt(client->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)config->per_host)) {
        http_client_close(client);
        return failure_set(failure, ERROR_MEMORY, "no memory for an HTTP client");
    }
    *out = client;
    return ERROR_NONE;
}

static void request_free(struct request *request) {
    if (request->under_way)
        curl_multi_remove_handle(request->client->multi, request->easy);
    curl_easy_cleanup(request->easy);
    curl_slist_free_all(request->headers);
    buffer_deinit(&request->answer.body);
    free(request);
}

void http_client_close(struct http_client *client) {
    if (!client)
        return;
    for (uint32_t i = 0; i < client->count; i++)
        request_free(client->requests[i]);
    free(client->requests);
    if (client->multi)
        curl_multi_cleanup(client->multi);
    free(client->user_agent);
    free(client->ca_file);
    free(client);
}

static struct request *request_new(struct http_client *client) {
    if (client->count == client->capacity) {
        uint32_t capacity = client->capacity ? 2 * client->capacity : 16;
        struct request **grown = realloc(client->requests, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        client->requests = grown;
        client->capacity = capacity;
    }
    struct request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    request->easy = curl_easy_init();
    if (!request->easy) {
        free(request);
        return NULL;
    }
    request->client = client;
    request->index = client->count;
    client->requests[client->count++] = request;
    return request;
}

static struct request *request_take(struct http_client *client) {
    struct request *request = client->free_requests;

    if (!request)
        return request_new(client);
    client->free_requests = request->next_free;
    return request;
}

/* It is out of libcurl's hands. A handle to it means nothing from now on. */
static void request_give_back(struct request *request) {
    curl_easy_reset(request->easy);
    curl_slist_free_all(request->headers);
    request->headers = NULL;
    buffer_deinit(&request->answer.body);
    request->next_free = request->client->free_requests;
    request->client->free_requests = request;
}

/* ---------------------------------------------------------------------------------------------
 * Requests
 * ------------------------------------------------------------------------------------------- */

/* Sets one option, unless one before it failed. */
#define SET(option, value) (code = code ? code : curl_easy_setopt(easy, option, value))

static CURLcode set_ends(struct request *request, const struct http_request *wanted) {
    const struct http_client *client = request->client;
    CURL *easy = request->easy;
    CURLcode code = CURLE_OK;

    SET(CURLOPT_PRIVATE, request);
    SET(CURLOPT_ERRORBUFFER, request->message);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, request);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, request);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, request);
    /* Refused when the handle kept its buffer from a request that never got a connection. */
    (void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* or ending a request waits for the resolver's thread */
    SET(CURLOPT_USERAGENT, client->user_agent);
    if (client->ca_file)
        SET(CURLOPT_CAINFO, client->ca_file);
    if (client->without_ca_folder)
        SET(CURLOPT_CAPATH, NULL);
    if (wanted->method == HTTP_POST) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, wanted->body.len ? (const char *)wanted->body.ptr : "");
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)wanted->body.len);
    }
    if (request->headers)
        SET(CURLOPT_HTTPHEADER, request->headers);
    return code;
}

static CURLcode set_bounds(struct request *request, const struct http_request *wanted) {
    CURL *easy = request->easy;
    CURLcode code = CURLE_OK;

    SET(CURLOPT_URL, wanted->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, wanted->redirects_max ? 1L : 0L);
    SET(CURLOPT_MAXREDIRS, (long)wanted->redirects_max);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)wanted->connect_timeout_ms);
    SET(CURLOPT_TIMEOUT_MS, (long)wanted->timeout_ms);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)wanted->body_max);
    /* Rather a stream of the connection that is being made than a connection more. Over plain HTTP
       there are no streams to wait for. */
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    SET(CURLOPT_PIPEWAIT, strncasecmp(wanted->url, "https:", 6) == 0 ? 1L : 0L);
    return code;
}

#undef SET

static bool add_header(struct request *request, const char *line) {
    struct curl_slist *longer = curl_slist_append(request->headers, line);

    if (longer)
        request->headers = longer;
    return longer != NULL;
}

static bool copy_headers(struct request *request, const struct http_request *wanted) {
    /* A server that asked for it would be waited for a second before a body is sent. */
    if (wanted->method == HTTP_POST && !add_header(request, "Expect:"))
        return false;
    for (const char *const *line = wanted->headers; line && *line; line++)
        if (!add_header(request, *line))
            return false;
    return true;
}

enum error http_check_url(const char *url, struct failure *failure) {
    CURLU *parsed = curl_url();
    char *scheme = NULL;

    if (!parsed)
        return failure_set(failure, ERROR_MEMORY, "no memory for a URL");
    CURLUcode code = curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
    bool http = !code && !curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) &&
                (strcasecmp(scheme, "http") == 0 || strcasecmp(scheme, "https") == 0);
    curl_free(scheme);
    curl_url_cleanup(parsed);
    if (code)
        return failure_set(failure, ERROR_USAGE, "not a URL: %.200s", url);
    if (!http)
        return failure_set(failure, ERROR_USAGE, "neither http:// nor https://: %.200s", url);
    return ERROR_NONE;
}

enum error http_start(struct http_client *client, const struct http_request *wanted,
                      http_done *done, void *context, uint64_t tag, http_handle *handle,
                      struct failure *failure) {
    enum error error = http_check_url(wanted->url, failure);
    if (error)
        return error;
    struct request *request = request_take(client);
    if (!request)
        return failure_set(failure, ERROR_MEMORY, "no memory for a request");
    request->generation++;
    request->refused = request->too_long = false;
    request->done = done;
    request->context = context;
    request->tag = tag;
    request->header_bytes = 0;
    request->body_max = wanted->body_max;
    request->answer = (struct http_answer){.message = "", .retry_after_ms = -1};
    request->message[0] = 0;
    request->started_ns = clock_monotonic_ns();
    request->deadline_ns = wanted->timeout_ms
                               ? request->started_ns + wanted->timeout_ms * UINT64_C(1000000)
                               : UINT64_MAX;
    if (!copy_headers(request, wanted) || set_ends(request, wanted) ||
        set_bounds(request, wanted) || curl_multi_add_handle(client->multi, request->easy)) {
        request_give_back(request);
        return failure_set(failure, ERROR_MEMORY, "no memory for a request");
    }
    request->under_way = true;
    client->under_way++;
    if (request->deadline_ns < client->next_deadline_ns)
        client->next_deadline_ns = request->deadline_ns;
    *handle = (uint64_t)request->generation << 32 | (request->index + 1);
    return ERROR_NONE;
}

static void request_stop(struct request *request) {
    curl_multi_remove_handle(request->client->multi, request->easy);
    request->under_way = false;
    request->client->under_way--;
}

void http_cancel(struct http_client *client, http_handle handle) {
    uint32_t place = (uint32_t)handle;

    if (place == 0 || place > client->count)
        return;
    struct request *request = client->requests[place - 1];
    if (!request->under_way || request->generation != (uint32_t)(handle >> 32))
        return;
    request_stop(request);
    request_give_back(request);
}

/* ---------------------------------------------------------------------------------------------
 * Steps
 * ------------------------------------------------------------------------------------------- */

static void request_finish(struct request *request, CURLcode code) {
    struct http_answer *answer = &request->answer;
    long status = 0, system_error = 0;

    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &system_error);
    request_stop(request);
    answer->total_us = (clock_monotonic_ns() - request->started_ns) / 1000;
    answer->status = code == CURLE_OK ? (uint16_t)status : 0;
    if (code != CURLE_OK) {
        struct answer_end end = {.code = code,
                                 .system_error = (int)system_error,
                                 .refused = request->refused,
                                 .too_long = request->too_long,
                                 .no_memory = answer->body.failed,
                                 .words = request->message};
        answer_fail(answer, &end);
    }
    request->done(request->context, request->tag, answer);
    request_give_back(request);
}

/* libcurl does not look at the clock for requests that still wait for a connection of their host.
 */
static void end_overdue(struct http_client *client, uint64_t now_ns) {
    uint64_t next_ns = UINT64_MAX;

    if (now_ns < client->next_deadline_ns)
        return;
    client->next_deadline_ns = UINT64_MAX;
    for (uint32_t i = 0; i < client->count; i++) {
        struct request *request = client->requests[i];
        if (request->under_way && request->deadline_ns <= now_ns)
            request_finish(request, CURLE_OPERATION_TIMEDOUT);
        else if (request->under_way && request->deadline_ns < next_ns)
            next_ns = request->deadline_ns;
    }
    if (next_ns < client->next_deadline_ns) /* what a callback started may be due earlier */
        client->next_deadline_ns = next_ns;
}

uint32_t http_client_step(struct http_client *client, uint32_t wait_ms) {
    uint64_t now_ns = clock_monotonic_ns();
    int running, left;

    if (client->next_deadline_ns <= now_ns)
        wait_ms = 0;
    else if ((client->next_deadline_ns - now_ns) / 1000000 < wait_ms)
        wait_ms = (uint32_t)((client->next_deadline_ns - now_ns) / 1000000) + 1;
    curl_multi_poll(client->multi, NULL, 0, wait_ms > INT32_MAX ? INT32_MAX : (int)wait_ms, NULL);
    curl_multi_perform(client->multi, &running);
    for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &left)) != NULL;) {
        struct request *request = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        request_finish(request, code);
    }
    end_overdue(client, clock_monotonic_ns());
    return client->under_way;
}

void http_client_wake(struct http_client *client) {
    curl_multi_wakeup(client->multi);
}
