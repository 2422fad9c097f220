/* NATS: each record a message in a stream of JetStream, under an id by which the server removes
 * what it has already.
 *
 *     nats://USER:PASSWORD@HOST:PORT,HOST:PORT/SUBJECT#OPTION=VALUE,OPTION=VALUE
 *
 * A record counts as written when the stream has it, on as many servers as it is replicated to. */
#include "engine/base/clock.h"
#include "engine/base/spec_options.h"
#include "engine/nats/login_options.h"
#include "engine/nats/publisher.h"
#include "engine/nats/stream.h"
#include "engine/record/msgpack_token.h"
#include "sinks/record_id.h"
#include "sinks/sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MS UINT64_C(1000000)

enum {
    WINDOW_USUAL = 4096,
    WINDOW_MAX = 65536,
    TIMEOUT_USUAL_MS = 5000,
    TIMEOUT_MAX_MS = 10 * 60 * 1000,
    PREPARE_PAUSE_MS = 1000,
    GIVE_UP_MS = 1500, /* of trouble, where somebody keeps what is given back */
    IDLE_MS = 20,
    REPLICAS_MAX = 5, /* JetStream's own bound */
};

_Static_assert((int)RECORD_ID_MAX <= (int)NATS_ID_MAX, "ids fit");

struct settings {
    struct nats_login login;
    const char *stream;
    bool create;
    uint64_t replicas, max_age_ms, max_bytes, dedupe_ms, window, timeout_ms;
};

struct nats {
    struct sink head;
    struct nats_url url;
    struct settings settings; /* points into the URL's options */
    struct nats_stream_wish wish;
    struct nats_link *link;
    struct nats_publisher *publisher;
    bool prepared; /* the stream was found to be there */
    uint64_t next_prepare_ns;
    struct failure trouble; /* of preparing */
    /* Deliveries of which records are still to be added, and the records of the first. */
    struct sink_delivery *first, **end;
    struct slice records;
    bool settled;         /* something was, in this call */
    bool kept;            /* what is given back is not lost */
    uint64_t troubled_ns; /* since when; 0: all is well */
};

#define FIELD(name) offsetof(struct settings, name)
static const struct option_spec options[] = {
    {.name = "stream",
     .kind = OPTION_TEXT,
     .argument = "NAME",
     .summary = "that must take the records; any that takes the subject, otherwise",
     .offset = FIELD(stream)},
    {.name = "create",
     .kind = OPTION_FLAG,
     .summary = "make the stream when there is none of that name",
     .offset = FIELD(create)},
    {.name = "replicas",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .summary = "of a stream that is made: on how many servers (1)",
     .offset = FIELD(replicas),
     .minimum = 1,
     .maximum = REPLICAS_MAX},
    {.name = "max-age",
     .kind = OPTION_SECONDS,
     .argument = "T",
     .summary = "likewise: how long it keeps records (for ever)",
     .offset = FIELD(max_age_ms),
     .minimum = 1000,
     .maximum = UINT64_C(100) * 366 * 86400 * 1000},
    {.name = "max-bytes",
     .kind = OPTION_BYTES,
     .argument = "SIZE",
     .summary = "likewise: how much, before the oldest go (no limit)",
     .offset = FIELD(max_bytes),
     .minimum = 1,
     .maximum = INT64_MAX},
    {.name = "dedupe",
     .kind = OPTION_SECONDS,
     .argument = "T",
     .summary = "likewise: how long the server remembers ids (2m)",
     .offset = FIELD(dedupe_ms),
     .minimum = 100,
     .maximum = UINT64_C(366) * 86400 * 1000},
    NATS_LOGIN_OPTIONS(struct settings),
    {.name = "window",
     .kind = OPTION_NUMBER,
     .argument = "N",
     .summary = "records under way (4096)",
     .offset = FIELD(window),
     .minimum = 1,
     .maximum = WINDOW_MAX},
    {.name = "timeout",
     .kind = OPTION_SECONDS,
     .argument = "T",
     .summary = "for an answer, before a record is sent again (5s)",
     .offset = FIELD(timeout_ms),
     .minimum = 100,
     .maximum = TIMEOUT_MAX_MS},
    {.name = NULL},
};
#undef FIELD

static struct nats *nats_of(struct sink *sink) {
    return (struct nats *)sink;
}

static bool takes(struct slice spec) {
    return nats_url_takes(spec);
}

/* ---------------------------------------------------------------------------------------------
 * Opening
 * ------------------------------------------------------------------------------------------- */

static enum error read_spec(struct nats *nats, const char *spec, struct failure *failure) {
    struct settings *settings = &nats->settings;
    enum error error;

    *settings = (struct settings){.window = WINDOW_USUAL, .timeout_ms = TIMEOUT_USUAL_MS};
    /* No message may show the spec itself: it may hold a password. */
    nats->head.spec = "nats";
    if ((error = nats_url_init(&nats->url, spec, failure)))
        return error;
    nats->head.spec = nats->url.name;
    if ((error = spec_options_parse(options, nats->url.options, settings, failure)))
        return error;
    if (!nats->url.path || !nats_subject_is_valid(slice_of(nats->url.path)))
        return failure_set(failure, ERROR_USAGE,
                           "%.200s: behind the servers stands the subject, as in "
                           "nats://127.0.0.1/trawl.records, without wildcards and blanks",
                           nats->url.name);
    if (settings->stream && !nats_stream_name_is_valid(slice_of(settings->stream)))
        return failure_set(failure, ERROR_USAGE,
                           "#stream: a name without dots, wildcards, slashes and blanks");
    if (settings->create && !settings->stream)
        return failure_set(failure, ERROR_USAGE, "#create needs a #stream=NAME");
    if (!settings->create &&
        (settings->replicas || settings->max_age_ms || settings->max_bytes || settings->dedupe_ms))
        return failure_set(failure, ERROR_USAGE,
                           "#replicas, #max-age, #max-bytes and #dedupe come with #create");
    return ERROR_NONE;
}

static enum error choose_encoder(struct sink *sink, struct failure *failure) {
    const struct encoder *encoder = sink->encoding.encoder;

    if (!encoder)
        sink->encoding.encoder = &json_encoder;
    else if (encoder != &json_encoder && encoder != &msgpack_encoder)
        return failure_set(failure, ERROR_USAGE,
                           "%.200s takes --format json or msgpack, not %s or --print", sink->spec,
                           encoder->name);
    return ERROR_NONE;
}

/* Finds or makes the stream, once there is a connection. */
static enum error prepare(struct nats *nats, uint32_t patience_ms, struct failure *failure) {
    enum error error = nats_stream_prepare(nats->link, &nats->wish, patience_ms, NULL, failure);

    nats->prepared = error == ERROR_NONE;
    nats->next_prepare_ns = clock_monotonic_ns() + PREPARE_PAUSE_MS * MS;
    return error;
}

static void be_done(void *context, void *item, struct slice body, const struct failure *refusal);

static enum error open_nats(struct sink *sink, const struct sink_config *config,
                            struct failure *failure) {
    struct nats *nats = nats_of(sink);
    const struct settings *settings = &nats->settings;
    enum error error;

    nats->end = &nats->first;
    if ((error = read_spec(nats, config->spec, failure)) || (error = choose_encoder(sink, failure)))
        return error;
    sink->window = (uint32_t)settings->window;
    nats->wish = (struct nats_stream_wish){
        .subject = nats->url.path,
        .name = settings->stream,
        .create = settings->create,
        .replicas = settings->replicas,
        .max_age_ms = settings->max_age_ms,
        .max_bytes = settings->max_bytes,
        .dedupe_ms = settings->dedupe_ms,
    };
    struct nats_link_config link = {
        .url = &nats->url,
        .login = &settings->login,
        .client = config->user_agent ? config->user_agent : "trawl",
        .timeout_ms = settings->timeout_ms,
    };
    if ((error = nats_link_open(&nats->link, &link, failure)))
        return error;
    struct nats_publisher_config publisher = {
        .link = nats->link,
        .subject = nats->url.path,
        .stream = settings->stream,
        .window = (uint32_t)settings->window,
        .timeout_ms = settings->timeout_ms,
        .done = be_done,
        .context = nats,
    };
    if ((error = nats_publisher_open(&nats->publisher, &publisher, failure)))
        return error;
    /* A server that is away now is waited for when there is something to say. */
    if (nats_link_ready(nats->link, failure) == ERROR_NONE)
        error = prepare(nats, NATS_LINK_PATIENCE_MS, failure);
    return error == (enum error)ENOTCONN ? ERROR_NONE : error;
}

/* ---------------------------------------------------------------------------------------------
 * Deliveries
 * ------------------------------------------------------------------------------------------- */

static void settle_if_done(struct nats *nats, struct sink_delivery *delivery) {
    if (delivery->taken_apart && !delivery->under_way)
        delivery->settled = nats->settled = true;
}

/* Drops deliveries from the front that have no more records. */
static void advance(struct nats *nats) {
    while (nats->first && nats->records.len == 0) {
        struct sink_delivery *done = nats->first;
        nats->first = done->next;
        if (nats->first)
            nats->records = nats->first->bytes;
        else
            nats->end = &nats->first;
        done->taken_apart = true;
        settle_if_done(nats, done);
    }
}

static void take(struct sink *sink, struct sink_delivery *delivery) {
    struct nats *nats = nats_of(sink);

    delivery->next = NULL;
    nats->kept = delivery->leftovers != NULL;
    if (!nats->first)
        nats->records = delivery->bytes;
    *nats->end = delivery;
    nats->end = &delivery->next;
    advance(nats);
}

/* Called by the publisher. */
static void be_done(void *context, void *item, struct slice body, const struct failure *refusal) {
    struct nats *nats = context;
    struct sink_delivery *delivery = item;

    delivery->under_way--;
    body.len += nats->head.encoding.encoder == &json_encoder; /* the end of its line */
    if (refusal)
        sink_delivery_refuse(delivery, body, 1, refusal);
    else
        delivery->written++;
    settle_if_done(nats, delivery);
}

/* Hands the record at the front to the publisher. */
static void add_record(struct nats *nats) {
    struct slice rest = nats->records, record;
    char id[RECORD_ID_MAX];
    size_t len;

    if (nats->head.encoding.encoder == &msgpack_encoder) {
        len = msgpack_value_length(rest);
        record = slice_first(rest, len ? len : rest.len);
        len = record.len;
        record_id_of_msgpack(record, id);
    } else {
        const uint8_t *end = memchr(rest.ptr, '\n', rest.len);
        record = slice_first(rest, end ? (size_t)(end - rest.ptr) : rest.len);
        len = record.len + 1;
        record_id_of_json(record, id);
    }
    nats->first->under_way++;
    nats_publisher_add(nats->publisher, record, id, nats->first);
    nats->records = slice_from(rest, len);
    advance(nats);
}

/* All that is not stored, in order. */
static void give_back(struct nats *nats, const struct failure *cause) {
    nats_publisher_give_back(nats->publisher, cause);
    while (nats->first) {
        struct sink_delivery *of = nats->first;
        sink_delivery_refuse(of, nats->records, of->records - of->written - of->refused, cause);
        nats->records = (struct slice){0};
        advance(nats);
    }
}

/* Without somebody who keeps it, records wait here as long as the trouble lasts. */
static void give_up_in_time(struct nats *nats, enum error error, struct failure *failure) {
    uint64_t now_ns = clock_monotonic_ns();

    if (!error) {
        nats->troubled_ns = 0;
    } else if (!nats->troubled_ns) {
        nats->troubled_ns = now_ns;
    } else if (nats->kept && now_ns - nats->troubled_ns > GIVE_UP_MS * MS) {
        struct failure cause = *failure;
        if (!sink_error_passes(error)) /* what is wrong there can be mended */
            cause.code = (enum error)ENOTCONN;
        give_back(nats, &cause);
        nats->troubled_ns = 0;
    }
}

/* Waits no longer than a bit: whoever calls comes again. */
static enum error be_in_trouble(const struct failure *trouble, uint32_t wait_ms,
                                struct failure *failure) {
    struct timespec span = {.tv_nsec = (long)((wait_ms < IDLE_MS ? wait_ms : IDLE_MS) * MS)};

    (void)nanosleep(&span, NULL);
    *failure = *trouble;
    return failure->code;
}

static enum error publish(struct nats *nats, uint32_t wait_ms, struct failure *failure) {
    enum error error;

    if (!nats->prepared) {
        bool due = clock_monotonic_ns() >= nats->next_prepare_ns;
        if (!due || (error = prepare(nats, 0, &nats->trouble)))
            return be_in_trouble(&nats->trouble, wait_ms, failure);
    }
    nats->settled = false;
    do {
        while (nats->first && nats_publisher_has_room(nats->publisher))
            add_record(nats);
        uint64_t begun_ns = clock_monotonic_ns();
        error = nats_publisher_step(nats->publisher, wait_ms, failure);
        uint64_t took_ms = (clock_monotonic_ns() - begun_ns) / MS;
        wait_ms = took_ms < wait_ms ? wait_ms - (uint32_t)took_ms : 0;
    } while (!nats->settled && wait_ms);
    return error;
}

static enum error settle(struct sink *sink, uint32_t wait_ms, struct failure *failure) {
    struct nats *nats = nats_of(sink);
    enum error error = publish(nats, wait_ms, failure);

    give_up_in_time(nats, error, failure);
    return error;
}

/* What is not settled is not waited for. */
static enum error finish(struct sink *sink, struct failure *failure) {
    (void)sink, (void)failure;
    return ERROR_NONE;
}

static void close_nats(struct sink *sink) {
    struct nats *nats = nats_of(sink);

    nats_publisher_close(nats->publisher);
    nats_link_close(nats->link);
    nats_url_deinit(&nats->url);
}

const struct sink_kind nats_sink = {
    .name = "nats",
    .summary = "messages in a stream of NATS JetStream, each record once",
    .example = "-o 'nats://127.0.0.1:4222/trawl.records#stream=TRAWL,create'",
    .options = options,
    .size = sizeof(struct nats),
    .spools = true,
    .takes = takes,
    .open = open_nats,
    .take = take,
    .settle = settle,
    .finish = finish,
    .close = close_nats,
};
