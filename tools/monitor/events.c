#include "tools/monitor/events.h"

#include "engine/base/clock.h"
#include "sinks/store/database.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct event_cell {
    struct event event; /* first */
    _Atomic uint32_t references;
    uint64_t before; /* the last number that was published before it */
    uint8_t bytes[]; /* kind, body */
};

struct event_reader {
    struct event_hub *hub;
    void (*wake)(void *owner);
    void *owner;
    struct event_reader *next;
    uint64_t place; /* the next cell, counted from the hub's first */
    uint64_t seq;   /* the last number that it has, or was told to have missed */
    bool is_behind; /* numbers up to that before its place are missing */
    bool is_idle;   /* found nothing: to be woken */
};

struct event_hub {
    pthread_mutex_t mutex; /* all that follows */
    struct event_cell *ring[EVENT_RING];
    uint64_t place; /* of the next cell */
    uint64_t seq;
    struct event_reader *readers;
    struct event_statistics statistics;
};

enum error event_hub_open(struct event_hub **out, uint64_t seq, struct failure *failure) {
    struct event_hub *hub = calloc(1, sizeof *hub);

    *out = hub;
    if (!hub)
        return failure_set(failure, ERROR_MEMORY, "no memory for events");
    pthread_mutex_init(&hub->mutex, NULL);
    hub->seq = seq;
    return ERROR_NONE;
}

void event_put(const struct event *event) {
    struct event_cell *cell = (struct event_cell *)(uintptr_t)event;

    if (cell && atomic_fetch_sub(&cell->references, 1) == 1)
        free(cell);
}

static void put_cell(struct event_cell *cell) {
    if (cell)
        event_put(&cell->event);
}

void event_hub_close(struct event_hub *hub) {
    if (!hub)
        return;
    for (size_t i = 0; i < EVENT_RING; i++)
        put_cell(hub->ring[i]);
    pthread_mutex_destroy(&hub->mutex);
    free(hub);
}

static pthread_mutex_t *mutex_of(const struct event_hub *hub) {
    return (pthread_mutex_t *)(uintptr_t)&hub->mutex;
}

uint64_t event_hub_seq(const struct event_hub *hub) {
    pthread_mutex_lock(mutex_of(hub));
    uint64_t seq = hub->seq;
    pthread_mutex_unlock(mutex_of(hub));
    return seq;
}

void event_statistics(const struct event_hub *hub, struct event_statistics *out) {
    pthread_mutex_lock(mutex_of(hub));
    *out = hub->statistics;
    pthread_mutex_unlock(mutex_of(hub));
}

/* --- Publishing --- */

static struct event_cell *make_cell(uint64_t seq, int64_t at_ms, const char *kind,
                                    struct slice body) {
    size_t kind_len = strlen(kind);
    struct event_cell *cell = malloc(sizeof *cell + kind_len + body.len);

    if (!cell)
        return NULL;
    memcpy(cell->bytes, kind, kind_len);
    if (body.len)
        memcpy(cell->bytes + kind_len, body.ptr, body.len);
    cell->event = (struct event){.seq = seq,
                                 .at_ms = at_ms,
                                 .kind = {cell->bytes, kind_len},
                                 .body = {cell->bytes + kind_len, body.len}};
    atomic_init(&cell->references, 1);
    return cell;
}

/* With the mutex. Without memory a numbered event leaves a hole, which readers are told of. */
static void put_into_ring(struct event_hub *hub, struct event_cell *cell) {
    struct event_cell **at = &hub->ring[hub->place % EVENT_RING];

    cell->before = hub->seq;
    put_cell(*at);
    *at = cell;
    hub->place++;
    for (struct event_reader *reader = hub->readers; reader; reader = reader->next)
        if (reader->is_idle) {
            reader->is_idle = false;
            if (reader->wake)
                reader->wake(reader->owner);
        }
}

static void publish(struct event_hub *hub, uint64_t seq, int64_t at_ms, const char *kind,
                    struct slice body) {
    struct event_cell *cell = make_cell(seq, at_ms, kind, body);

    pthread_mutex_lock(&hub->mutex);
    if (cell)
        put_into_ring(hub, cell);
    if (seq)
        hub->seq = seq;
    *(cell ? seq ? &hub->statistics.published : &hub->statistics.live : &hub->statistics.dropped) +=
        1;
    pthread_mutex_unlock(&hub->mutex);
}

void events_publish_live(struct event_hub *hub, const char *kind, struct slice body) {
    publish(hub, 0, clock_unix_ms(), kind, body);
}

void events_publish(struct event_hub *hub, uint64_t seq, int64_t at_ms, const char *kind,
                    struct slice body) {
    publish(hub, seq, at_ms, kind, body);
}

/* --- Reading --- */

enum error event_reader_open(struct event_reader **out, struct event_hub *hub,
                             void (*wake)(void *owner), void *owner, struct failure *failure) {
    struct event_reader *reader = calloc(1, sizeof *reader);

    *out = NULL;
    if (!reader)
        return failure_set(failure, ERROR_MEMORY, "no memory for a reader of events");
    *reader = (struct event_reader){.hub = hub, .wake = wake, .owner = owner};
    pthread_mutex_lock(&hub->mutex);
    bool has_room = hub->statistics.readers < EVENT_READERS;
    if (has_room) {
        reader->place = hub->place;
        reader->seq = hub->seq;
        reader->next = hub->readers;
        hub->readers = reader;
        hub->statistics.readers++;
    }
    pthread_mutex_unlock(&hub->mutex);
    if (!has_room) {
        free(reader);
        return failure_set(failure, ERROR_LIMIT, "%d read the events already", EVENT_READERS);
    }
    *out = reader;
    return ERROR_NONE;
}

void event_reader_close(struct event_reader *reader) {
    if (!reader)
        return;
    struct event_hub *hub = reader->hub;
    pthread_mutex_lock(&hub->mutex);
    struct event_reader **at = &hub->readers;
    while (*at != reader)
        at = &(*at)->next;
    *at = reader->next;
    hub->statistics.readers--;
    pthread_mutex_unlock(&hub->mutex);
    free(reader);
}

static uint64_t oldest_place(const struct event_hub *hub) {
    return hub->place > EVENT_RING ? hub->place - EVENT_RING : 0;
}

static struct event_cell *cell_at(const struct event_hub *hub, uint64_t place) {
    return hub->ring[place % EVENT_RING];
}

/* The last number that was published before a place. */
static uint64_t seq_before(const struct event_hub *hub, uint64_t place) {
    return place < hub->place ? cell_at(hub, place)->before : hub->seq;
}

void event_reader_seek(struct event_reader *reader, uint64_t since) {
    struct event_hub *hub = reader->hub;

    pthread_mutex_lock(&hub->mutex);
    if (since <= hub->seq) {
        uint64_t place = oldest_place(hub);
        while (place < hub->place && seq_before(hub, place) < since)
            place++;
        reader->place = place;
        reader->seq = since;
        reader->is_behind = seq_before(hub, place) > since;
    }
    pthread_mutex_unlock(&hub->mutex);
}

/* With the mutex. True: the reader is told what it missed. */
static bool tell_gap(struct event_reader *reader, struct event_gap *gap) {
    struct event_hub *hub = reader->hub;
    uint64_t oldest = oldest_place(hub);

    *gap = (struct event_gap){.from = reader->seq + 1};
    if (reader->place < oldest) {
        gap->lost = oldest - reader->place;
        hub->statistics.missed += gap->lost;
        reader->place = oldest;
    } else if (!reader->is_behind && seq_before(hub, reader->place) == reader->seq) {
        return false;
    }
    gap->to = seq_before(hub, reader->place);
    if (gap->lost == 0)
        gap->lost = gap->to - reader->seq;
    reader->seq = gap->to;
    reader->is_behind = false;
    return true;
}

enum event_next event_reader_next(struct event_reader *reader, const struct event **out,
                                  struct event_gap *gap) {
    struct event_hub *hub = reader->hub;
    enum event_next next = EVENT_NONE;

    *out = NULL;
    pthread_mutex_lock(&hub->mutex);
    if (tell_gap(reader, gap)) {
        next = EVENT_GAP;
    } else if (reader->place < hub->place) {
        struct event_cell *cell = cell_at(hub, reader->place++);
        atomic_fetch_add(&cell->references, 1);
        if (cell->event.seq)
            reader->seq = cell->event.seq;
        *out = &cell->event;
        next = EVENT_TAKEN;
    } else {
        reader->is_idle = true;
    }
    pthread_mutex_unlock(&hub->mutex);
    return next;
}

/* --- The table --- */

struct replay {
    event_visit *visit;
    void *context;
};

static enum error replay_row(void *context, const struct sql_value *values, uint32_t count,
                             struct failure *failure) {
    const struct replay *replay = context;
    const struct event event = {.seq = (uint64_t)values[0].integer,
                                .at_ms = values[1].integer,
                                .kind = values[2].bytes,
                                .body = values[3].bytes};

    (void)count;
    return replay->visit(replay->context, &event, failure);
}

enum error events_replay(struct database *database, uint64_t from, uint64_t to, uint32_t limit,
                         event_visit *visit, void *context, struct failure *failure) {
    static const struct sql_statement statement = {
        .types = "iii",
        .text = "SELECT seq, at, kind, body FROM monitor_events WHERE seq >= $1 AND seq <= $2"
                " ORDER BY seq LIMIT $3",
    };
    const struct sql_value values[] = {sql_integer((int64_t)from), sql_integer((int64_t)to),
                                       sql_integer(limit)};
    struct replay replay = {visit, context};

    return from > INT64_MAX || to > INT64_MAX
               ? ERROR_NONE
               : database_query(database, &statement, values, replay_row, &replay, failure);
}
