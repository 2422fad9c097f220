#include "engine/dns/resolver.h"

#include "engine/dns/hosts.h"
#include "engine/dns/name.h"
#include "engine/dns/servers.h"
#include "engine/dns/upstream.h"
#include "engine/io/wheel.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    ATTEMPTS_MIN = 2,      /* a server that fails once is asked again */
    BUCKETS = 2048,        /* of the table of questions */
    KEPT_MAX = 1024,       /* answers that are remembered */
    KEPT_S_MAX = 60,       /* for so long at most, whatever their TTL */
    KEPT_FAILURE_S = 5,    /* RFC 9520 section 3.2: failures for 1 to 300 s */
    OTHER_FAMILY_PART = 4, /* of the timeout, for the family that is late */
    TICK_MS = 100,
};

_Static_assert(DNS_SERVERS_MAX *UPSTREAM_WATCHES <= RESOLVER_WATCHES, "each has its own");

static const uint64_t MS = 1000000, SECOND = 1000000000;

enum question_state {
    QUESTION_ASKING,
    QUESTION_READY, /* in the list `ready`: has an answer, which somebody waits for */
    QUESTION_KEPT,  /* in the list `kept`, oldest first */
    QUESTION_GONE,  /* in no list or table; freed with its last inquiry */
};

/* One call of resolver_start. */
struct lookup {
    struct lookup *next;
    uint64_t cookie;
};

/* What is known about one type of records. */
struct part {
    enum dns_type type;
    bool settled;    /* `result` is what it says; else the best failure so far */
    bool authentic;  /* when settled */
    uint8_t pending; /* inquiries that are not answered */
    enum dns_result result;
    uint32_t count, ttl_s;
    struct address addresses[LIMIT_ADDRESSES];
};

/* Addresses have two parts, TLSA records one. */
enum { V4 = 0, V6 = 1, TLSA = 0, PARTS_MAX = 2 };

/* A name that is, or was, asked for: its addresses, or its TLSA records. */
struct question {
    struct wheel_timer timer; /* first: questions are cast from it */
    struct resolver *resolver;
    struct question *bucket_next;
    struct question *previous, *next; /* in `ready` or `kept` */
    struct question *due_next;
    struct lookup *waiters, **waiters_end;
    struct part parts[PARTS_MAX];
    struct tlsa_set *tlsa; /* when these were found */
    uint64_t deadline_ns, expires_ns;
    uint32_t hash, held; /* inquiries that will be answered */
    uint8_t state;       /* enum question_state */
    uint8_t first;       /* the upstream that was asked first */
    uint8_t asked;       /* how many were asked since */
    uint8_t failures;    /* how many of these failed */
    uint8_t part_count;
    bool due, failed; /* in the list `due`; the last one asked has failed */
    uint8_t name_len; /* without the dot at the end */
    char name[];      /* lower case, with a dot at the end, terminated */
};

/* An inquiry of ours. */
struct asked {
    struct inquiry inquiry; /* first: cast from it */
    struct question *question;
    struct part *part;
    uint8_t number; /* the how manieth of the question */
};

struct question_list {
    struct question *first, *last;
    uint32_t count;
};

struct resolver {
    struct resolver_config config;
    struct upstream *upstreams[DNS_SERVERS_MAX];
    uint32_t upstream_count;
    uint32_t preferred; /* the upstream to ask first: the last that stood in for another */
    uint32_t open_count;
    bool closing;
    struct question *due; /* news about them is to be looked at */
    struct question_list ready, kept;
    struct question *buckets[BUCKETS];
    struct wheel wheel;
    uint64_t ticked_ns;
};

static void list_append(struct question_list *list, struct question *question) {
    question->previous = list->last;
    question->next = NULL;
    *(list->last ? &list->last->next : &list->first) = question;
    list->last = question;
    list->count++;
}

static void list_remove(struct question_list *list, struct question *question) {
    *(question->previous ? &question->previous->next : &list->first) = question->next;
    *(question->next ? &question->next->previous : &list->last) = question->previous;
    list->count--;
}

static bool is_for_tlsa(const struct question *question) {
    return question->parts[0].type == DNS_TLSA;
}

/* --- The table --- */

static struct question **bucket_of(struct resolver *resolver, uint32_t hash) {
    return &resolver->buckets[hash % BUCKETS];
}

static struct question *find(struct resolver *resolver, struct slice name, uint32_t hash,
                             bool for_tlsa) {
    struct question *question = *bucket_of(resolver, hash);

    for (; question; question = question->bucket_next) {
        struct slice own = {(const uint8_t *)question->name, question->name_len};
        if (question->hash == hash && is_for_tlsa(question) == for_tlsa &&
            slice_equal_nocase(own, name))
            return question;
    }
    return NULL;
}

static void question_free(struct question *question) {
    for (struct lookup *waiter = question->waiters, *next; waiter; waiter = next) {
        next = waiter->next;
        free(waiter);
    }
    free(question->tlsa);
    free(question);
}

/* Out of the table; the caller has taken it out of its list. */
static void forget(struct question *question) {
    struct question **at = bucket_of(question->resolver, question->hash);

    while (*at != question)
        at = &(*at)->bucket_next;
    *at = question->bucket_next;
    question->state = QUESTION_GONE;
    if (question->held == 0)
        question_free(question);
}

static struct question *question_new(struct resolver *resolver, struct slice name, uint32_t hash,
                                     bool for_tlsa) {
    struct question *question = calloc(1, sizeof *question + name.len + 2);

    if (!question)
        return NULL;
    question->resolver = resolver;
    question->waiters_end = &question->waiters;
    question->hash = hash;
    question->name_len = (uint8_t)name.len;
    for (size_t i = 0; i < name.len; i++)
        question->name[i] = (char)name_lower(name.ptr[i]);
    question->name[name.len] = '.';
    question->part_count = for_tlsa ? 1 : 2;
    question->parts[0] = (struct part){.type = for_tlsa ? DNS_TLSA : DNS_A, .result = DNS_SILENT};
    question->parts[1] = (struct part){.type = DNS_AAAA, .result = DNS_SILENT};
    question->bucket_next = *bucket_of(resolver, hash);
    *bucket_of(resolver, hash) = question;
    return question;
}

/* --- Asking --- */

static enum dns_result better(enum dns_result a, enum dns_result b) {
    return a < b ? a : b;
}

static bool is_final(enum dns_result result) {
    return result == DNS_FOUND || result == DNS_NO_NAME || result == DNS_NO_RECORD ||
           result == DNS_TOO_LARGE;
}

/* The best result of all parts. */
static enum dns_result result_of(const struct question *question) {
    enum dns_result result = question->parts[0].result;

    for (int i = 1; i < question->part_count; i++)
        result = better(result, question->parts[i].result);
    return result;
}

static bool is_known(const struct question *question) {
    return question->parts[V4].count || question->parts[V6].count;
}

/* Nothing more will come. */
static bool is_complete(const struct question *question) {
    for (int i = 0; i < question->part_count; i++)
        if (!question->parts[i].settled && question->parts[i].pending)
            return false;
    return true;
}

/* For how long the answer may be used again; RFC 2308 would allow longer for failures. */
static uint32_t seconds_to_keep(const struct question *question) {
    uint32_t seconds = KEPT_S_MAX;

    if (!is_known(question))
        return KEPT_FAILURE_S;
    for (int i = 0; i < question->part_count; i++)
        if (question->parts[i].count && question->parts[i].ttl_s < seconds)
            seconds = question->parts[i].ttl_s;
    return seconds;
}

/* What is known now is the answer. */
static void finish(struct question *question) {
    struct resolver *resolver = question->resolver;

    wheel_disarm(&question->timer);
    question->expires_ns = resolver->config.io->now_ns + seconds_to_keep(question) * SECOND;
    question->state = QUESTION_READY;
    list_append(&resolver->ready, question);
    resolver->open_count--;
}

/* The time until the next server is asked too; the last one has the time that is left. */
static void arm(struct question *question) {
    struct resolver *resolver = question->resolver;
    uint64_t slice_ns = resolver->config.timeout_ms * MS / resolver->upstream_count;
    uint64_t when_ns = resolver->config.io->now_ns + slice_ns;

    if (question->asked >= resolver->upstream_count || when_ns > question->deadline_ns)
        when_ns = question->deadline_ns;
    wheel_arm(&resolver->wheel, &question->timer, when_ns);
}

/* Asks the next server for the parts that are not settled. */
static void ask(struct question *question) {
    struct resolver *resolver = question->resolver;
    uint32_t index = (question->first + question->asked) % resolver->upstream_count;

    question->asked++;
    question->failed = false;
    for (int i = 0; i < question->part_count; i++) {
        struct part *part = &question->parts[i];
        if (part->settled)
            continue;
        struct asked *asked = malloc(sizeof *asked);
        if (!asked) {
            part->result = better(part->result, DNS_NO_MEMORY);
            continue;
        }
        *asked = (struct asked){.question = question, .part = part, .number = question->asked};
        part->pending++;
        question->held++;
        upstream_ask(resolver->upstreams[index], question->name, part->type, &asked->inquiry);
    }
    arm(question);
}

static void settle(struct resolver *resolver, const struct asked *asked,
                   const struct dns_answer *answer) {
    struct question *question = asked->question;
    struct part *part = asked->part;

    part->settled = true;
    part->result = answer->result;
    part->authentic = answer->authentic;
    part->count = answer->count;
    part->ttl_s = answer->ttl_s;
    if (part->type != DNS_TLSA) {
        memcpy(part->addresses, answer->addresses, answer->count * sizeof *answer->addresses);
    } else if (answer->count) {
        question->tlsa = tlsa_set_new(answer->tlsa, answer->count);
        if (!question->tlsa) {
            part->result = DNS_NO_MEMORY;
            part->count = 0;
        }
    }
    if (asked->number > 1 && resolver->preferred == question->first)
        resolver->preferred = (question->first + asked->number - 1u) % resolver->upstream_count;
}

/* Only notes the news: c-ares is at work still. */
static void on_answered(void *owner, struct inquiry *inquiry, const struct dns_answer *answer) {
    struct resolver *resolver = owner;
    struct asked *asked = (struct asked *)inquiry;
    struct question *question = asked->question;
    struct part *part = asked->part;

    question->held--;
    part->pending--;
    if (question->state == QUESTION_GONE && question->held == 0) {
        question_free(question);
    } else if (question->state == QUESTION_ASKING && !resolver->closing) {
        if (!part->settled && is_final(answer->result)) {
            settle(resolver, asked, answer);
        } else if (!part->settled) {
            part->result = better(part->result, answer->result);
            question->failed = question->failed || asked->number == question->asked;
        }
        if (!question->due) {
            question->due = true;
            question->due_next = resolver->due;
            resolver->due = question;
        }
    }
    free(asked);
}

static bool may_ask_again(const struct question *question) {
    uint32_t upstreams = question->resolver->upstream_count;
    uint32_t attempts = upstreams > ATTEMPTS_MIN ? upstreams : ATTEMPTS_MIN;

    return question->failures < attempts && question->asked < UINT8_MAX;
}

/* Looks at the news: done, or on to the next server, or to wait for what is still open. */
static void advance(struct question *question) {
    struct resolver *resolver = question->resolver;
    bool known = is_known(question);

    if (question->failed && !known) {
        enum dns_result result = result_of(question);
        question->failed = false;
        if (result != DNS_SILENT) /* which ends with the deadline */
            question->failures++;
        if (may_ask_again(question)) {
            ask(question);
            return;
        }
        if (result == DNS_UNREACHABLE) { /* the kernel tells so of one of two messages */
            finish(question);
            return;
        }
    }
    if (is_complete(question)) {
        finish(question);
        return;
    }
    uint64_t late_ns =
        resolver->config.io->now_ns + resolver->config.timeout_ms * MS / OTHER_FAMILY_PART;
    if (known && question->deadline_ns > late_ns) {
        question->deadline_ns = late_ns;
        arm(question);
    }
}

static void advance_due(struct resolver *resolver) {
    while (resolver->due) {
        struct question *question = resolver->due;
        resolver->due = question->due_next;
        question->due = false;
        if (question->state == QUESTION_ASKING)
            advance(question);
    }
}

static void on_expired(void *owner, struct wheel_timer *timer) {
    struct resolver *resolver = owner;
    struct question *question = (struct question *)timer;

    if (resolver->config.io->now_ns >= question->deadline_ns)
        finish(question);
    else
        ask(question);
}

/* --- Look-ups --- */

/* RFC 1035 section 3.1: labels of 1 to 63 bytes; anything may stand in them but a zero, which
 * c-ares would stop at. */
static bool is_name(struct slice name) {
    size_t label = 0;

    if (name.len == 0 || name.len > LIMIT_HOST_NAME_BYTES)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == 0 || (name.ptr[i] == '.' && label == 0) || label > 63)
            return false;
        label = name.ptr[i] == '.' ? 0 : label + 1;
    }
    return label > 0 && label <= 63;
}

/* Whether no server need be asked: an address, a name of /etc/hosts, or nothing that can be one. */
static bool answer_at_once(struct question *question, struct slice name) {
    const struct resolver_config *config = &question->resolver->config;
    struct address found[LIMIT_ADDRESSES];
    uint32_t count = 0;

    if (!is_for_tlsa(question)) {
        count = config->hosts ? hosts_find(config->hosts, name, found) : 0;
        if (address_parse(name, &found[0]))
            count = 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct part *part = &question->parts[found[i].family == ADDRESS_V4 ? V4 : V6];
        part->addresses[part->count++] = found[i];
        part->result = DNS_FOUND;
    }
    if (count == 0 && !is_name(name)) {
        question->parts[0].result = DNS_NO_NAME;
        return true;
    }
    return count > 0;
}

static struct question *question_start(struct resolver *resolver, struct slice name, uint32_t hash,
                                       bool for_tlsa) {
    struct question *question = question_new(resolver, name, hash, for_tlsa);

    if (!question)
        return NULL;
    resolver->open_count++;
    question->state = QUESTION_ASKING;
    if (answer_at_once(question, name)) {
        finish(question);
        return question;
    }
    question->first = (uint8_t)resolver->preferred;
    question->deadline_ns = resolver->config.io->now_ns + resolver->config.timeout_ms * MS;
    ask(question);
    return question;
}

static void forget_kept(struct question *question) {
    list_remove(&question->resolver->kept, question);
    forget(question);
}

/* The question for the name, with its answer if that is fresh, else newly asked. */
static struct question *question_for(struct resolver *resolver, struct slice name, bool for_tlsa) {
    uint32_t hash = name_hash(name);
    struct question *question = find(resolver, name, hash, for_tlsa);

    if (question && question->state == QUESTION_KEPT) {
        if (question->expires_ns > resolver->config.io->now_ns) {
            list_remove(&resolver->kept, question);
            question->state = QUESTION_READY;
            list_append(&resolver->ready, question);
            return question;
        }
        forget_kept(question);
        question = NULL;
    }
    return question ? question : question_start(resolver, name, hash, for_tlsa);
}

static bool start(struct resolver *resolver, struct slice name, bool for_tlsa, uint64_t cookie) {
    struct lookup *lookup = malloc(sizeof *lookup);

    name = slice_first(name_without_dot(name), LIMIT_HOST_NAME_BYTES + 1); /* too long is enough */
    struct question *question = lookup ? question_for(resolver, name, for_tlsa) : NULL;
    if (!question) {
        free(lookup);
        return false;
    }
    *lookup = (struct lookup){.cookie = cookie};
    *question->waiters_end = lookup;
    question->waiters_end = &lookup->next;
    return true;
}

bool resolver_start(struct resolver *resolver, struct slice name, uint64_t cookie) {
    return start(resolver, name, false, cookie);
}

bool resolver_start_tlsa(struct resolver *resolver, struct slice name, uint16_t port,
                         uint64_t cookie) {
    char text[sizeof "_65535._tcp." + LIMIT_HOST_NAME_BYTES + 1];
    int len = snprintf(text, sizeof text, "_%u._tcp.", port);

    name = slice_first(name, LIMIT_HOST_NAME_BYTES + 1);
    memcpy(text + len, name.ptr, name.len);
    name = (struct slice){(const uint8_t *)text, (size_t)len + name.len};
    return start(resolver, name, true, cookie);
}

uint32_t resolver_open_count(const struct resolver *resolver) {
    return resolver->open_count;
}

/* --- Answers --- */

static const char *words_of(enum dns_result result) {
    switch (result) {
    case DNS_FOUND:
        return NULL;
    case DNS_NO_NAME:
        return "no such name";
    case DNS_FAILED:
        return "the DNS server failed";
    case DNS_REFUSED:
        return "the DNS server refused";
    case DNS_NONSENSE:
        return "the DNS server's answer makes no sense";
    case DNS_TOO_LARGE:
        return "the name has more records than any real one";
    case DNS_UNREACHABLE:
        return "cannot reach the DNS server";
    case DNS_SILENT:
        return "no answer from the DNS server in time";
    case DNS_NO_MEMORY:
        return "no memory for the look-up";
    case DNS_NO_RECORD:
        return "the name has no address";
    }
    return "DNS failed";
}

/* Tells all who wait; they may start look-ups from there. */
static void tell_addresses(struct resolver *resolver, struct lookup *waiter,
                           const struct question *question) {
    const struct part *families = question->parts;
    bool prefer_v4 = resolver->config.prefer_v4;
    uint32_t at[PARTS_MAX] = {0};
    struct resolver_answer answer = {.error = words_of(result_of(question))};

    for (int turn = prefer_v4 ? V4 : V6; answer.count < LIMIT_ADDRESSES;) {
        if (at[turn] == families[turn].count)
            turn = !turn;
        if (at[turn] == families[turn].count)
            break;
        answer.addresses[answer.count++] = families[turn].addresses[at[turn]++];
        turn = prefer_v4 ? V4 : !turn;
    }
    for (struct lookup *next; waiter; waiter = next) {
        next = waiter->next;
        resolver->config.answered(resolver->config.owner, waiter->cookie, &answer);
        free(waiter);
    }
}

static void tell_tlsa(struct resolver *resolver, struct lookup *waiter,
                      const struct question *question) {
    const struct part *part = &question->parts[TLSA];
    bool absent = part->result == DNS_NO_NAME || part->result == DNS_NO_RECORD;
    struct resolver_tlsa answer = {
        .records = part->count ? question->tlsa->records : NULL,
        .count = part->count,
        .authentic = part->authentic,
        .error = absent ? NULL : words_of(part->result),
    };

    for (struct lookup *next; waiter; waiter = next) {
        next = waiter->next;
        resolver->config.tlsa_answered(resolver->config.owner, waiter->cookie, &answer);
        free(waiter);
    }
}

static void deliver_one(struct resolver *resolver, struct question *question) {
    struct lookup *waiters = question->waiters;

    list_remove(&resolver->ready, question);
    question->waiters = NULL;
    question->waiters_end = &question->waiters;
    question->held++; /* by the answer, until all have been told */
    if (question->expires_ns > resolver->config.io->now_ns) {
        question->state = QUESTION_KEPT;
        list_append(&resolver->kept, question);
    } else {
        forget(question);
    }
    if (is_for_tlsa(question))
        tell_tlsa(resolver, waiters, question);
    else
        tell_addresses(resolver, waiters, question);
    if (--question->held == 0 && question->state == QUESTION_GONE)
        question_free(question);
    while (resolver->kept.count > KEPT_MAX)
        forget_kept(resolver->kept.first);
}

/* Those ready now; what becomes ready meanwhile has its turn in the next call. */
static void deliver(struct resolver *resolver) {
    advance_due(resolver);
    for (uint32_t left = resolver->ready.count; left; left--)
        deliver_one(resolver, resolver->ready.first);
}

void resolver_ready(struct resolver *resolver, const struct io_event *event) {
    uint32_t index = (event->index - resolver->config.first_watch) / UPSTREAM_WATCHES;

    if (index >= resolver->upstream_count)
        return;
    upstream_ready(resolver->upstreams[index], event);
    deliver(resolver);
}

void resolver_tick(struct resolver *resolver) {
    uint64_t now_ns = resolver->config.io->now_ns;

    if (now_ns - resolver->ticked_ns >= TICK_MS * MS) {
        resolver->ticked_ns = now_ns;
        for (uint32_t i = 0; i < resolver->upstream_count; i++)
            upstream_tick(resolver->upstreams[i]);
    }
    advance_due(resolver);
    wheel_advance(&resolver->wheel, now_ns, on_expired, resolver);
    deliver(resolver);
}

/* --- Open and close --- */

static enum error open_upstreams(struct resolver *resolver, struct failure *failure) {
    const struct resolver_config *config = &resolver->config;
    struct dns_servers servers;
    enum error error = ERROR_NONE;

    if (config->servers)
        error = dns_servers_parse(slice_of(config->servers), &servers, failure);
    else
        dns_servers_read(config->resolv_conf, &servers);
    if (error != ERROR_NONE)
        return error;
    for (uint32_t i = 0; i < servers.count; i++) {
        uint32_t index = resolver->upstream_count;
        struct upstream_config upstream = {
            .io = config->io,
            .first_watch = config->first_watch + index * UPSTREAM_WATCHES,
            .server = servers.items[i],
            .patience_ms = config->timeout_ms,
            .answered = on_answered,
            .owner = resolver,
        };
        error = upstream_open(&resolver->upstreams[index], &upstream, failure);
        if (error == ERROR_NONE)
            resolver->upstream_count++;
        else if (error != ERROR_UNSUPPORTED || config->servers)
            return error;
    }
    return resolver->upstream_count ? ERROR_NONE : error;
}

enum error resolver_open(struct resolver **out, const struct resolver_config *config,
                         struct failure *failure) {
    struct resolver *resolver = calloc(1, sizeof *resolver);

    *out = NULL;
    if (!resolver)
        return failure_set(failure, ERROR_MEMORY, "no memory for the DNS resolver");
    resolver->config = *config;
    resolver->ticked_ns = config->io->now_ns;
    wheel_init(&resolver->wheel, config->io->now_ns);
    enum error error = open_upstreams(resolver, failure);
    if (error != ERROR_NONE) {
        resolver_close(resolver);
        return error;
    }
    *out = resolver;
    return ERROR_NONE;
}

void resolver_close(struct resolver *resolver) {
    if (!resolver)
        return;
    resolver->closing = true;
    for (uint32_t i = 0; i < resolver->upstream_count; i++)
        upstream_close(resolver->upstreams[i]); /* answers all inquiries */
    for (uint32_t i = 0; i < BUCKETS; i++) {
        for (struct question *question = resolver->buckets[i], *next; question; question = next) {
            next = question->bucket_next;
            question_free(question);
        }
    }
    free(resolver);
}
