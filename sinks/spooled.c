#include "sinks/spooled_internal.h"

#include "engine/base/clock.h"
#include "engine/base/spec_options.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ROUNDS_MAX = 64,       /* of a sink that writes, in one call */
    FAREWELL_MS = 3000,    /* at the end, for a sink that has failed before */
    SPOOL_MAX_DEFAULT = 1, /* GB */
};

static struct spooled *spooled_of(struct sink *sink) {
    return (struct spooled *)sink;
}

static void set(uint64_t *number, uint64_t value) {
    __atomic_store_n(number, value, __ATOMIC_RELAXED);
}

/* ---------------------------------------------------------------------------------------------
 * Options
 * ------------------------------------------------------------------------------------------- */

struct settings {
    const char *folder;
    uint64_t max_bytes;
};

const struct option_spec spooled_options[] = {
    {.name = "spool",
     .kind = OPTION_TEXT,
     .argument = "DIR",
     .summary = "where to keep what it cannot be given now; off: nowhere, it holds back instead",
     .offset = offsetof(struct settings, folder)},
    {.name = "spool-max",
     .kind = OPTION_BYTES,
     .argument = "SIZE",
     .summary = "of what waits there, and of dead letters (1G); when full, it holds back",
     .offset = offsetof(struct settings, max_bytes),
     .minimum = 64 * 1024},
    {.name = NULL},
};

static bool is_ours(const char *option) {
    size_t len = strcspn(option, "=,");

    for (const struct option_spec *spec = spooled_options; spec->name; spec++)
        if (strlen(spec->name) == len && memcmp(spec->name, option, len) == 0)
            return true;
    return false;
}

/* Parts a spec into the rest, for the kind, and our options; both are freed by the caller. */
static bool part(const char *spec, char **rest, char **ours) {
    const char *fragment = strchr(spec, '#');
    struct buffer theirs_text, ours_text;

    buffer_init(&theirs_text);
    buffer_init(&ours_text);
    buffer_add(&theirs_text, spec, fragment ? (size_t)(fragment - spec) : strlen(spec));
    for (bool first = true; fragment && *fragment;) {
        const char *option = fragment + 1;
        size_t len = strcspn(option, ",");
        struct buffer *to = is_ours(option) ? &ours_text : &theirs_text;
        if (to == &theirs_text)
            buffer_add_byte(to, first ? '#' : ',');
        else if (to->len)
            buffer_add_byte(to, ',');
        first &= to != &theirs_text;
        buffer_add(to, option, len);
        fragment = option[len] ? option + len : NULL;
    }
    buffer_add_byte(&theirs_text, 0);
    buffer_add_byte(&ours_text, 0);
    *rest = (char *)theirs_text.ptr;
    *ours = (char *)ours_text.ptr;
    return !theirs_text.failed && !ours_text.failed;
}

/* ---------------------------------------------------------------------------------------------
 * The calls of a kind
 * ------------------------------------------------------------------------------------------- */

static void take(struct sink *sink, struct sink_delivery *delivery) {
    struct spooled *spooled = spooled_of(sink);

    delivery->taken_ns = clock_monotonic_ns();
    delivery->next = NULL;
    *spooled->inbox_end = delivery;
    spooled->inbox_end = &delivery->next;
    spooled->inbox_count++;
}

static void publish(struct spooled *spooled) {
    struct sink_statistics *statistics = spooled->config.statistics;

    spooled->head.busy = !spooled_is_paused(spooled) && !spooled_is_blocked(spooled, READ) &&
                         !spooled_is_blocked(spooled, BURY) &&
                         (spooled->flights || spooled->spooling);
    if (!statistics)
        return;
    struct spool_statistics of_spool = spool_statistics(spooled->spool);
    set(&statistics->waiting, of_spool.waiting.records);
    set(&statistics->waiting_bytes, of_spool.waiting.bytes);
    set(&statistics->dead_waiting, of_spool.dead.records);
    set(&statistics->oldest_ms, (uint64_t)of_spool.waiting.oldest_ms);
}

/* What is wrong at the moment, in words that say where the records are. */
static enum error tell_trouble(const struct spooled *spooled, struct failure *failure) {
    const struct failure *of_spool = spooled_spool_trouble(spooled);

    if (of_spool) {
        *failure = *of_spool;
        return failure->code;
    }
    if (!spooled->inner_trouble.code)
        return ERROR_NONE;
    return failure_set(failure, spooled->inner_trouble.code,
                       "%.300s; what it does not take now is kept in the spool %s",
                       spooled->inner_trouble.text, spool_meta(spooled->spool)->name);
}

/* As long as nothing can be done: until the pause is over, or `until_ns`. */
static void wait_a_moment(const struct spooled *spooled, uint64_t until_ns) {
    uint64_t now_ns = clock_monotonic_ns();

    if (spooled_is_paused(spooled) && spooled->paused_ns < until_ns)
        until_ns = spooled->paused_ns;
    if (now_ns < until_ns)
        usleep((useconds_t)((until_ns - now_ns) / 1000));
}

static enum error settle(struct sink *sink, uint32_t wait_ms, struct failure *failure) {
    struct spooled *spooled = spooled_of(sink);
    uint64_t until_ns = clock_monotonic_ns() + wait_ms * MS_NS;
    uint32_t rounds = 0;
    bool again;

    do {
        spooled_keep_if_due(spooled, wait_ms == 0);
        spooled_offer(spooled);
        again = spooled_work(spooled, wait_ms);
        spooled_land(spooled);
    } while (again && ++rounds < ROUNDS_MAX && clock_monotonic_ns() < until_ns);
    spooled_keep_if_due(spooled, wait_ms == 0);
    bool waits = spooled->inbox || (spooled->flights && spooled->flights->outer);
    if (waits && (spooled_is_paused(spooled) || spooled_spool_trouble(spooled)))
        wait_a_moment(spooled, until_ns);
    publish(spooled);
    return tell_trouble(spooled, failure);
}

static bool is_through(const struct spooled *spooled) {
    return !spooled->flights && !spooled->inbox && !spooled->spooling;
}

/* Whether there is no use in going on: there is no time, or the other side takes nothing; one that
 * has failed is asked once more, and again as long as the pauses are short. Some kinds give back
 * what they could not bring, others keep it and only say what is wrong. */
static bool gives_up(struct spooled *spooled) {
    uint64_t now_ns = clock_monotonic_ns();
    bool fails = spooled->streak > 0 || spooled->inner_trouble.code != ERROR_NONE;

    if (spooled->head.hurry || spooled_spool_trouble(spooled))
        return true;
    if (!spooled->farewell_ns || !fails) {
        if (!spooled->farewell_ns)
            spooled->paused_ns = 0;
        spooled->farewell_ns = now_ns + FAREWELL_MS * MS_NS;
        return false;
    }
    return now_ns > spooled->farewell_ns || spooled->paused_ns > spooled->farewell_ns;
}

static enum error finish_inner(struct spooled *spooled, struct failure *failure) {
    struct sink *inner = spooled->inner;
    enum error error = inner ? inner->kind->finish(inner, failure) : ERROR_NONE;

    if (sink_error_passes(error) || error == (enum error)EAGAIN)
        return error;
    sink_close(inner);
    spooled->inner = NULL;
    publish(spooled);
    return error;
}

/* Goes on while the other side takes; what is left stays where it is, on disk. */
static enum error finish(struct sink *sink, struct failure *failure) {
    struct spooled *spooled = spooled_of(sink);
    struct failure trouble = {0};

    if (is_through(spooled))
        return finish_inner(spooled, failure);
    if (!gives_up(spooled)) {
        uint64_t until_ns = clock_monotonic_ns() + SINK_PATIENCE_MS * MS_NS;
        (void)settle(sink, SINK_PATIENCE_MS, &trouble);
        if (is_through(spooled))
            return finish_inner(spooled, failure);
        if (spooled_is_paused(spooled) || spooled_spool_trouble(spooled))
            wait_a_moment(spooled, until_ns);
        return (enum error)EAGAIN;
    }
    spooled_keep_all(spooled);
    if (spooled_count_unkept(spooled)) {
        *failure = spooled->spool_troubles[KEEP].failure;
        return failure->code;
    }
    spooled_close_inner(spooled);
    publish(spooled);
    if (!spooled->replays)
        return ERROR_NONE;
    const struct failure *of_spool = spooled_spool_trouble(spooled);
    *failure = of_spool ? *of_spool : spooled->inner_trouble;
    return failure->code = (enum error)ENOTCONN;
}

static void close_spooled(struct sink *sink) {
    struct spooled *spooled = spooled_of(sink);

    if (spooled->inner)
        sink_close(spooled->inner);
    while (spooled->flights)
        spooled_drop_first_flight(spooled);
    spool_close(spooled->spool);
    free(spooled->name);
    free(spooled->spec);
}

/* ---------------------------------------------------------------------------------------------
 * Opening
 * ------------------------------------------------------------------------------------------- */

/* `spec` is the sink's from then on. */
static struct spooled *spooled_new(const struct sink_kind *kind, const struct sink_config *config,
                                   char *spec) {
    struct spooled *spooled = calloc(1, sizeof *spooled);

    if (!spooled) {
        free(spec);
        return NULL;
    }
    spooled->inner_kind = kind;
    spooled->kind = (struct sink_kind){
        .name = kind->name,
        .summary = kind->summary,
        .size = sizeof *spooled,
        .take = take,
        .settle = settle,
        .finish = finish,
        .close = close_spooled,
    };
    spooled->config = *config;
    spooled->config.spec = spooled->spec = spec;
    spooled->config.resume = NULL;
    spooled->flights_end = &spooled->flights;
    spooled->inbox_end = &spooled->inbox;
    spooled->head.kind = &spooled->kind;
    spooled->head.spec = spec;
    spooled->head.window = UINT32_MAX; /* what waits for its turn is ours to bound */
    return spooled;
}

/* Opens the sink, or finds that it is away. */
static enum error try_inner(struct spooled *spooled, struct failure *failure) {
    enum error error = spooled_open_inner(spooled, failure);

    if (!error || !sink_error_passes(error) || !spooled->head.encoding.encoder)
        return error;
    failure->code = error;
    spooled_pause_offers(spooled, failure);
    return ERROR_NONE;
}

static enum error open_spool(struct spooled *spooled, const char *root, uint64_t max_bytes,
                             struct failure *failure) {
    struct spool_config config = {
        .root = root,
        .spec = spooled->spec,
        .kind = spooled->inner_kind->name,
        .format = spooled->head.encoding.encoder->name,
        .max_bytes = max_bytes,
    };
    return spool_open(&spooled->spool, &config, failure);
}

static void begin(struct spooled *spooled) {
    struct spool_statistics statistics = spool_statistics(spooled->spool);

    spooled->spooling = statistics.waiting.disk_bytes != 0;
    spooled->head.spool = spool_meta(spooled->spool)->name;
    publish(spooled);
}

static enum error open_plain(struct sink **out, const struct sink_kind *kind,
                             const struct sink_config *config, char *spec,
                             struct failure *failure) {
    struct sink_config own = *config;

    own.spec = spec;
    struct sink *sink = sink_new(kind, &own);
    if (!sink) {
        free(spec);
        return failure_set(failure, ERROR_MEMORY, "no memory for an output");
    }
    sink->own_spec = spec;
    enum error error = kind->open(sink, &own, failure);
    if (error)
        sink_close(sink);
    else
        *out = sink;
    return error;
}

enum error spooled_open(struct sink **out, const struct sink_kind *kind,
                        const struct sink_config *config, struct failure *failure) {
    struct settings settings = {.folder = config->spool,
                                .max_bytes = (uint64_t)SPOOL_MAX_DEFAULT << 30};
    char *spec = NULL, *ours = NULL;
    enum error error = part(config->spec, &spec, &ours)
                           ? spec_options_parse(spooled_options, ours, &settings, failure)
                           : failure_set(failure, ERROR_MEMORY, "no memory for an output");

    if (error) {
        free(spec);
        free(ours);
        return error;
    }
    if (!settings.folder || strcmp(settings.folder, "off") == 0) {
        free(ours);
        return open_plain(out, kind, config, spec, failure);
    }
    struct spooled *spooled = spooled_new(kind, config, spec);
    error = spooled ? try_inner(spooled, failure)
                    : failure_set(failure, ERROR_MEMORY, "no memory for an output");
    if (!error)
        error = open_spool(spooled, settings.folder, settings.max_bytes, failure);
    free(ours);
    if (error) {
        if (spooled)
            sink_close(&spooled->head);
        return error;
    }
    begin(spooled);
    *out = &spooled->head;
    return ERROR_NONE;
}

enum error spooled_replay(struct sink **out, struct spool *spool, const struct sink_config *config,
                          struct failure *failure) {
    const struct sink_kind *kind = sink_kind_of(config->spec);
    char *spec = NULL, *ours = NULL;
    bool parted = kind && kind->spools ? part(config->spec, &spec, &ours)
                                       : (spec = strdup(config->spec)) != NULL;
    struct spooled *spooled = kind && parted ? spooled_new(kind, config, spec) : NULL;

    free(ours);
    if (!spooled) {
        spool_close(spool);
        return failure_set(failure, kind ? ERROR_MEMORY : ERROR_USAGE, "no sink takes %.200s",
                           config->spec);
    }
    spooled->spool = spool;
    spooled->replays = true;
    enum error error = spooled_open_inner(spooled, failure);
    if (error) {
        sink_close(&spooled->head);
        return error;
    }
    begin(spooled);
    *out = &spooled->head;
    return ERROR_NONE;
}
