#include "engine/fetch/fetcher.h"

#include "engine/base/clock.h"
#include "engine/base/thread.h"
#include "engine/fetch/resource.h"
#include "engine/queue/wake.h"
#include "engine/x509/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CONNECTIONS = 64,
    CONNECTIONS_PER_HOST = 4,
    CRLS_AT_ONCE = 8, /* with LIMIT_CRL_BYTES, what answers that are still coming may take */
    REDIRECTS_MAX = 3,
    CRL_TIMEOUT_MS = 60 * 1000,
    CERTIFICATES_MAX = 8, /* of one answer */
    WAIT_MS = 1000,

    /* What is remembered for how long, in seconds. A CRL holds until its next update. */
    ISSUERS_S = 86400,
    CRL_MAX_S = 86400,
    CRL_WITHOUT_END_S = 3600,
    FAILURE_S = 300,
};

struct fetcher {
    struct fetcher_config config;
    struct address_set *refused;
    struct known_crl *local_crls;
    uint32_t local_crl_count;
    struct http_client *http;
    struct resources resources;
    struct resource *queue, **queue_end; /* CRLs, until fewer are under way */
    uint32_t crls_under_way;
    struct mailbox inbox;
    struct wake left; /* some asker is through with us: see fetcher_leave */
    bool stopped;     /* atomic */
    bool started;
    pthread_t thread;
    struct fetcher_statistics statistics; /* written by the thread, read by all */
};

static void count(uint64_t *counter, uint64_t more) {
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

/* --- Questions come back --- */

static void give_back(struct fetch_question *question) {
    mailbox_put(question->asker, &question->entry);
}

static void give_back_all(struct fetch_question *question, const char *error) {
    while (question) {
        struct fetch_question *next = question->next;
        snprintf(question->error, sizeof question->error, "%s", error);
        question->revocation =
            (struct revocation){.status = REVOCATION_UNKNOWN, .error = question->error};
        give_back(question);
        question = next;
    }
}

/* --- What a question makes of what came --- */

/* Whether the answer is complete with it; else the next URL may do better. What a stale list says
 * is better than nothing. */
static bool use_crl(struct fetch_question *question, struct known_crl *known, const char *url) {
    const struct certificate *certificate = &question->certificate;
    bool is_signed =
        crl_covers(known->crl, certificate) && known_crl_is_signed_by(known, &question->issuer);
    struct revocation found =
        revocation_of(known->crl, is_signed, certificate, clock_unix_ms() / 1000);

    if (question->revocation.status != REVOCATION_STALE || found.status != REVOCATION_UNKNOWN) {
        question->revocation = found;
        snprintf(question->url, sizeof question->url, "%s", url);
    }
    return found.status == REVOCATION_GOOD || found.status == REVOCATION_REVOKED;
}

static void use_error(struct fetch_question *question, const struct resource *resource) {
    memcpy(question->error, resource->error, sizeof question->error);
    if (question->revocation.status == REVOCATION_STALE)
        return;
    snprintf(question->url, sizeof question->url, "%s", resource->url);
    question->revocation =
        (struct revocation){.status = REVOCATION_UNKNOWN, .error = question->error};
}

static bool use_resource(struct fetch_question *question, struct resource *resource) {
    if (resource->error[0]) {
        use_error(question, resource);
        return false;
    }
    if (question->kind == FETCH_REVOCATION)
        return use_crl(question, &resource->crl, resource->url);
    buffer_add_slice(&question->issuers, buffer_slice(&resource->issuers));
    snprintf(question->url, sizeof question->url, "%s", resource->url);
    return !question->issuers.failed;
}

/* Those of this machine come first, and count alone where they tell. */
static bool use_local_crls(struct fetcher *fetcher, struct fetch_question *question) {
    for (uint32_t i = 0; i < fetcher->local_crl_count; i++) {
        struct known_crl *known = &fetcher->local_crls[i];
        if (crl_covers(known->crl, &question->certificate) && use_crl(question, known, ""))
            return true;
    }
    return false;
}

/* --- Resources come --- */

static void go_on(struct fetcher *fetcher, struct fetch_question *question);

/* All that waited for it are answered, or go on with their next URL: those last, for what they find
 * there may put the resource out of memory. */
static void serve_waiting(struct fetcher *fetcher, struct resource *resource) {
    struct fetch_question *question = resource->waiting, *unserved = NULL;

    resource->waiting = NULL;
    while (question) {
        struct fetch_question *next = question->next;
        if (use_resource(question, resource)) {
            give_back(question);
        } else {
            question->next = unserved;
            unserved = question;
        }
        question = next;
    }
    while (unserved) {
        struct fetch_question *next = unserved->next;
        go_on(fetcher, unserved);
        unserved = next;
    }
}

static void set_error(struct resource *resource, const char *error) {
    snprintf(resource->error, sizeof resource->error, "%.*s", FETCH_ERROR_BYTES - 1, error);
}

/* How long it may be remembered, in seconds. */
static int64_t read_crl(struct resource *resource, struct slice body) {
    enum crl_error error = crl_read(body, &resource->crl.crl);

    if (error != CRL_OK) {
        set_error(resource, crl_error_text(error));
        return FAILURE_S;
    }
    int64_t next_update = resource->crl.crl->next_update;
    int64_t left_s = next_update ? next_update - clock_unix_ms() / 1000 : CRL_WITHOUT_END_S;
    return left_s < FAILURE_S ? FAILURE_S : left_s > CRL_MAX_S ? CRL_MAX_S : left_s;
}

static int64_t read_issuers(struct resource *resource, struct slice body) {
    if (bundle_read(body, CERTIFICATES_MAX, &resource->issuers) > 0)
        return ISSUERS_S;
    set_error(resource, "there is no certificate at this address");
    return FAILURE_S;
}

static int64_t read_answer(struct resource *resource, const struct http_answer *answer) {
    if (answer->error) {
        set_error(resource, answer->message);
        return FAILURE_S;
    }
    if (answer->status != 200) {
        snprintf(resource->error, sizeof resource->error, "HTTP status %u", answer->status);
        return FAILURE_S;
    }
    return resource->kind == FETCH_REVOCATION ? read_crl(resource, buffer_slice(&answer->body))
                                              : read_issuers(resource, buffer_slice(&answer->body));
}

static void make_ready(struct fetcher *fetcher, struct resource *resource, int64_t seconds) {
    uint64_t expires_ns = clock_monotonic_ns() + (uint64_t)seconds * UINT64_C(1000000000);

    resources_ready(&fetcher->resources, resource, expires_ns);
    __atomic_store_n(&fetcher->statistics.memory_bytes, fetcher->resources.memory_bytes,
                     __ATOMIC_RELAXED);
    serve_waiting(fetcher, resource);
}

static void start_queued(struct fetcher *fetcher);

static void on_answer(void *context, uint64_t tag, struct http_answer *answer) {
    struct resource *resource = context;
    struct fetcher *fetcher = resource->owner;

    (void)tag;
    int64_t seconds = read_answer(resource, answer);
    count(&fetcher->statistics.requests, 1);
    count(&fetcher->statistics.failures, resource->error[0] != 0);
    count(&fetcher->statistics.bytes, answer->body.len);
    if (resource->kind == FETCH_REVOCATION)
        fetcher->crls_under_way--;
    make_ready(fetcher, resource, seconds);
    start_queued(fetcher);
}

/* False when the request cannot be made; the resource then says why. */
static bool start(struct fetcher *fetcher, struct resource *resource) {
    bool crl = resource->kind == FETCH_REVOCATION;
    uint32_t timeout_ms = fetcher->config.timeout_ms;
    struct http_request request = {
        .url = resource->url,
        .body_max = crl ? LIMIT_CRL_BYTES : LIMIT_ISSUERS_BYTES,
        .connect_timeout_ms = timeout_ms,
        .timeout_ms = crl && timeout_ms < CRL_TIMEOUT_MS ? CRL_TIMEOUT_MS : timeout_ms,
        .redirects_max = REDIRECTS_MAX,
    };
    struct failure failure = {.text = ""};
    http_handle handle;

    if (http_start(fetcher->http, &request, on_answer, resource, 0, &handle, &failure)) {
        set_error(resource, failure.text);
        return false;
    }
    resource->state = RESOURCE_FETCHING;
    fetcher->crls_under_way += crl;
    return true;
}

static void start_queued(struct fetcher *fetcher) {
    while (fetcher->queue && fetcher->crls_under_way < CRLS_AT_ONCE) {
        struct resource *resource = fetcher->queue;
        fetcher->queue = resource->queue_next;
        if (!fetcher->queue)
            fetcher->queue_end = &fetcher->queue;
        if (!start(fetcher, resource))
            make_ready(fetcher, resource, FAILURE_S);
    }
}

static struct resource *get_resource(struct fetcher *fetcher, enum fetch_kind kind,
                                     struct slice url) {
    struct resource *resource =
        resources_find(&fetcher->resources, kind, url, clock_monotonic_ns());

    if (resource) {
        count(&fetcher->statistics.remembered, 1);
        return resource;
    }
    resource = resources_add(&fetcher->resources, kind, url);
    if (!resource)
        return NULL;
    resource->owner = fetcher;
    if (kind == FETCH_REVOCATION && fetcher->crls_under_way >= CRLS_AT_ONCE) {
        *fetcher->queue_end = resource;
        fetcher->queue_end = &resource->queue_next;
    } else if (!start(fetcher, resource)) {
        make_ready(fetcher, resource, FAILURE_S);
    }
    return resource;
}

/* --- Questions come --- */

/* The next URL of the question, or its end. */
static void go_on(struct fetcher *fetcher, struct fetch_question *question) {
    bool may_fetch = question->kind == FETCH_ISSUERS || fetcher->config.fetch_crls;
    struct slice url;

    while (may_fetch && fetch_question_url_next(question, &url)) {
        struct resource *resource = get_resource(fetcher, (enum fetch_kind)question->kind, url);
        if (!resource) {
            give_back_all(question, "no memory");
            return;
        }
        if (resource->state != RESOURCE_READY) {
            question->next = resource->waiting;
            resource->waiting = question;
            return;
        }
        if (use_resource(question, resource))
            break;
    }
    if (question->kind == FETCH_REVOCATION && question->revocation.status == REVOCATION_UNCHECKED)
        question->revocation = (struct revocation){
            .status = REVOCATION_UNKNOWN,
            .error = may_fetch ? "the certificate names no CRL that can be fetched"
                               : "no CRL is for this certificate"};
    give_back(question);
}

/* All that this asker waits for was asked before: the inbox keeps the order. What wakes the asker
 * is ours, for `question` may be gone as soon as it says so. */
static void let_leave(struct fetcher *fetcher, struct fetch_question *question) {
    give_back_all(resources_take_waiting(&fetcher->resources, question->asker), "stopped");
    __atomic_store_n(&question->has_left, true, __ATOMIC_RELEASE);
    wake_signal(&fetcher->left);
}

static void accept_question(struct fetcher *fetcher, struct fetch_question *question) {
    if (question->kind == FETCH_LEAVE) {
        let_leave(fetcher, question);
        return;
    }
    count(&fetcher->statistics.questions, 1);
    question->next = NULL;
    if (question->kind == FETCH_REVOCATION && use_local_crls(fetcher, question))
        give_back(question);
    else
        go_on(fetcher, question);
}

/* --- The thread --- */

static void *run(void *owner) {
    struct fetcher *fetcher = owner;

    while (!__atomic_load_n(&fetcher->stopped, __ATOMIC_ACQUIRE)) {
        struct mailbox_entry *entry = mailbox_take_all(&fetcher->inbox);
        while (entry) {
            struct mailbox_entry *next = entry->next;
            accept_question(fetcher, (struct fetch_question *)entry);
            entry = next;
        }
        http_client_step(fetcher->http, WAIT_MS);
    }
    return NULL;
}

static void wake(void *owner) {
    http_client_wake(((struct fetcher *)owner)->http);
}

void fetcher_ask(struct fetcher *fetcher, struct fetch_question *question) {
    mailbox_put(&fetcher->inbox, &question->entry);
}

void fetcher_leave(struct fetcher *fetcher, struct mailbox *asker) {
    struct fetch_question question = {.kind = FETCH_LEAVE, .asker = asker};

    fetcher_ask(fetcher, &question);
    for (;;) {
        uint32_t ticket = wake_ticket(&fetcher->left);
        if (__atomic_load_n(&question.has_left, __ATOMIC_ACQUIRE))
            return;
        wake_wait(&fetcher->left, ticket, WAIT_MS);
    }
}

struct fetcher_statistics fetcher_statistics(const struct fetcher *fetcher) {
    struct fetcher_statistics copy;
    const uint64_t *from = (const uint64_t *)&fetcher->statistics;
    uint64_t *to = (uint64_t *)&copy;

    for (size_t i = 0; i < sizeof copy / sizeof *to; i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    return copy;
}

/* --- Open and close --- */

/* RFC 6890's "this network", link-local, multicast and reserved blocks, and where clouds tell a
 * machine its secrets. */
static enum error refuse_addresses(struct fetcher *fetcher, struct failure *failure) {
    static const char *const blocks[] = {"0.0.0.0/8",     "169.254.0.0/16", "224.0.0.0/3",
                                         "::/128",        "fe80::/10",      "ff00::/8",
                                         "fd00:ec2::254", "100.100.100.200"};
    enum error error = address_set_open(&fetcher->refused, NULL, failure);

    for (size_t i = 0; error == ERROR_NONE && i < sizeof blocks / sizeof blocks[0]; i++)
        error = address_set_add_text(fetcher->refused, slice_of(blocks[i]), failure);
    return error;
}

static bool is_in(const struct address_set *set, const struct address *address) {
    return set && address_set_contains(set, address);
}

static bool is_allowed(void *context, const struct address *address) {
    const struct fetcher *fetcher = context;

    return !address_set_contains(fetcher->refused, address) &&
           !is_in(fetcher->config.excluded, address) && !is_in(fetcher->config.forbidden, address);
}

static enum error read_file(const char *path, struct buffer *out, struct failure *failure) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : 0;
    struct stat status;

    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        got = -1;
    }
    while (got >= 0 && out->len <= LIMIT_CRL_BYTES) {
        uint8_t *at = buffer_reserve(out, 64 * 1024);
        got = at ? read(fd, at, 64 * 1024) : 0;
        if (got <= 0)
            break;
        out->len += (size_t)got;
    }
    int cause = errno;
    if (fd >= 0)
        close(fd);
    if (got < 0)
        return failure_set(failure, (enum error)cause, "%s: %s", path,
                           error_text((enum error)cause));
    return out->failed ? failure_set(failure, ERROR_MEMORY, "%s: no memory", path) : ERROR_NONE;
}

static enum error read_local_crl(struct fetcher *fetcher, const char *path,
                                 struct failure *failure) {
    struct buffer bytes;
    struct known_crl known = {0};

    buffer_init(&bytes);
    enum error error = read_file(path, &bytes, failure);
    if (error == ERROR_NONE) {
        enum crl_error fault = crl_read(buffer_slice(&bytes), &known.crl);
        if (fault != CRL_OK)
            error = failure_set(failure, ERROR_INPUT, "%s: %s", path, crl_error_text(fault));
        else
            fetcher->local_crls[fetcher->local_crl_count++] = known;
    }
    buffer_deinit(&bytes);
    return error;
}

static enum error read_local_crls(struct fetcher *fetcher, struct failure *failure) {
    const struct fetcher_config *config = &fetcher->config;
    enum error error = ERROR_NONE;

    fetcher->local_crls = calloc(config->crl_file_count + 1, sizeof *fetcher->local_crls);
    if (!fetcher->local_crls)
        return failure_set(failure, ERROR_MEMORY, "no memory for CRLs");
    for (uint32_t i = 0; error == ERROR_NONE && i < config->crl_file_count; i++)
        error = read_local_crl(fetcher, config->crl_files[i], failure);
    return error;
}

static enum error open_http(struct fetcher *fetcher, struct failure *failure) {
    struct http_client_config http = {
        .user_agent = fetcher->config.user_agent,
        .connections = CONNECTIONS,
        .per_host = CONNECTIONS_PER_HOST,
        .allowed = is_allowed,
        .context = fetcher,
    };
    return http_client_open(&fetcher->http, &http, failure);
}

static enum error start_thread(struct fetcher *fetcher, struct failure *failure) {
    enum error error = thread_start(&fetcher->thread, "fetcher", run, fetcher, failure);

    fetcher->started = error == ERROR_NONE;
    return error;
}

enum error fetcher_open(struct fetcher **out, const struct fetcher_config *config,
                        struct failure *failure) {
    struct fetcher *fetcher = calloc(1, sizeof *fetcher);
    enum error error;

    if (!fetcher)
        return failure_set(failure, ERROR_MEMORY, "no memory for the fetcher");
    fetcher->config = *config;
    fetcher->queue_end = &fetcher->queue;
    mailbox_init(&fetcher->inbox, wake, fetcher);
    if (!resources_init(&fetcher->resources))
        error = failure_set(failure, ERROR_MEMORY, "no memory for the fetcher");
    else if ((error = refuse_addresses(fetcher, failure)) == ERROR_NONE &&
             (error = read_local_crls(fetcher, failure)) == ERROR_NONE &&
             (error = open_http(fetcher, failure)) == ERROR_NONE)
        error = start_thread(fetcher, failure);
    if (error != ERROR_NONE) {
        fetcher_close(fetcher);
        return error;
    }
    *out = fetcher;
    return ERROR_NONE;
}

void fetcher_close(struct fetcher *fetcher) {
    if (!fetcher)
        return;
    if (fetcher->started) {
        __atomic_store_n(&fetcher->stopped, true, __ATOMIC_RELEASE);
        wake(fetcher);
        pthread_join(fetcher->thread, NULL);
    }
    http_client_close(fetcher->http);
    resources_deinit(&fetcher->resources);
    for (uint32_t i = 0; i < fetcher->local_crl_count; i++)
        crl_free(fetcher->local_crls[i].crl);
    free(fetcher->local_crls);
    address_set_free(fetcher->refused);
    free(fetcher);
}
