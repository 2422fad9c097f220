/* The ground of a fleet, at the word of a script: buckets, leases, queues and jobs. A command a
 * line on standard input, an answer a line on standard output, which begins with "ok" or with the
 * error's words.
 *
 *     tool_fleet_ground nats://127.0.0.1:4222/NAME */
#include "engine/nats/kv.h"
#include "engine/nats/publisher.h"
#include "engine/nats/pull.h"
#include "engine/nats/stream.h"
#include "tools/fleet/jobs.h"
#include "tools/fleet/lease.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORDS_MAX = 8, LINE_MAX_BYTES = 4096, HELD_MAX = 64, WINDOW = 256, SLOTS = 4 };

struct tool {
    struct fleet *fleet;
    struct nats_kv *bucket;
    struct lease *lease;
    struct nats_pull *pull;
    struct nats_pulled *held[HELD_MAX];
    uint32_t held_count;
    struct jobs *jobs;
    uint64_t stored, refused; /* of messages that are published */
    struct buffer said;       /* behind "ok" */
    struct failure failure;
};

static enum error open_bucket(struct tool *tool, char *words[]) {
    struct nats_kv_wish wish = {.bucket = words[1], .replicas = fleet_replicas(tool->fleet)};

    nats_kv_close(tool->bucket);
    return nats_kv_open(&tool->bucket, fleet_link(tool->fleet), &wish, &tool->failure);
}

static enum error put(struct tool *tool, char *words[]) {
    return nats_kv_put(tool->bucket, words[1], slice_of(words[2]), &tool->failure);
}

static enum error get(struct tool *tool, char *words[]) {
    struct buffer value;
    uint64_t revision = 0;

    buffer_init(&value);
    enum error error = nats_kv_get(tool->bucket, words[1], &value, &revision, &tool->failure);
    if (!error)
        buffer_add_format(&tool->said, " %" PRIu64 " %.*s", revision, (int)value.len,
                          (const char *)value.ptr);
    buffer_deinit(&value);
    return error;
}

static enum error swap(struct tool *tool, char *words[]) {
    uint64_t revision = strtoull(words[2], NULL, 10);
    enum error error =
        nats_kv_swap(tool->bucket, words[1], slice_of(words[3]), &revision, &tool->failure);

    if (!error)
        buffer_add_format(&tool->said, " %" PRIu64, revision);
    return error;
}

static enum error delete(struct tool *tool, char *words[]) {
    return nats_kv_delete(tool->bucket, words[1], strtoull(words[2], NULL, 10), &tool->failure);
}

static void show_key(void *owner, const char *key) {
    struct tool *tool = owner;

    buffer_add_format(&tool->said, " %s", key);
}

static enum error keys(struct tool *tool, char *words[]) {
    (void)words;
    return nats_kv_keys(tool->bucket, show_key, tool, &tool->failure);
}

/* A key with a number for each of SLOTS processes. */
static enum error read_slots(struct tool *tool, const char *key, uint64_t slots[SLOTS],
                             uint64_t *revision) {
    struct buffer value;

    buffer_init(&value);
    *revision = 0;
    memset(slots, 0, SLOTS * sizeof *slots);
    enum error error = nats_kv_get(tool->bucket, key, &value, revision, &tool->failure);
    buffer_add_byte(&value, 0);
    if (!error)
        sscanf((const char *)value.ptr, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &slots[0],
               &slots[1], &slots[2], &slots[3]);
    buffer_deinit(&value);
    return error == (enum error)ENOENT ? ERROR_NONE : error;
}

/* Makes the number of a slot one more. What others overwrote unseen would be missed. */
static enum error add_one(struct tool *tool, const char *key, uint64_t slot, uint64_t *own) {
    uint64_t slots[SLOTS], revision;
    enum error error;
    char text[128];

    do {
        if ((error = read_slots(tool, key, slots, &revision)))
            continue;
        if (slots[slot] == *own + 1) /* taken, though the answer was lost */
            break;
        if (slots[slot] != *own)
            return failure_set(&tool->failure, ERROR_INTERNAL, "a write was lost");
        slots[slot]++;
        snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, slots[0],
                 slots[1], slots[2], slots[3]);
        error = nats_kv_swap(tool->bucket, key, slice_of(text), &revision, &tool->failure);
    } while (error == (enum error)EEXIST || error == (enum error)ENOTCONN);
    if (!error)
        ++*own;
    return error;
}

static enum error add(struct tool *tool, char *words[]) {
    uint64_t slot = strtoull(words[3], NULL, 10), own = 0;
    enum error error = ERROR_NONE;

    for (uint64_t left = strtoull(words[2], NULL, 10); left && !error; left--)
        error = add_one(tool, words[1], slot, &own);
    return error;
}

/* --- Leases --- */

static enum error new_lease(struct tool *tool, char *words[]) {
    struct lease_config config = {.bucket = tool->bucket,
                                  .key = words[1],
                                  .holder = words[2],
                                  .time_ms = strtoull(words[3], NULL, 10),
                                  .identity = strtoull(words[4], NULL, 10)};

    lease_free(tool->lease);
    return lease_new(&tool->lease, &config, &tool->failure);
}

static enum error try_lease(struct tool *tool, char *words[]) {
    struct buffer value;

    (void)words;
    buffer_init(&value);
    enum error error = lease_try(tool->lease, &value, &tool->failure);
    if (!error)
        buffer_add_format(&tool->said, " %.*s", (int)value.len, (const char *)value.ptr);
    buffer_deinit(&value);
    return error;
}

static enum error keep(struct tool *tool, char *words[]) {
    return lease_keep(tool->lease, slice_of(words[1]), &tool->failure);
}

static enum error give_back(struct tool *tool, char *words[]) {
    return lease_give_back(tool->lease, slice_of(words[1]), &tool->failure);
}

static enum error is_held(struct tool *tool, char *words[]) {
    (void)words;
    buffer_add_format(&tool->said, " %d", lease_is_held(tool->lease));
    return ERROR_NONE;
}

/* --- Queues --- */

static void leave_queue(struct tool *tool) {
    for (uint32_t i = 0; i < tool->held_count; i++)
        nats_pulled_forget(tool->held[i]);
    tool->held_count = 0;
    nats_pull_close(tool->pull);
    tool->pull = NULL;
}

static enum error open_queue(struct tool *tool, char *words[]) {
    struct nats_link *link = fleet_link(tool->fleet);
    struct nats_stream_wish stream = {.name = words[1],
                                      .subject = words[2],
                                      .create = true,
                                      .work_queue = true,
                                      .refuse_when_full = true,
                                      .max_bytes = strtoull(words[4], NULL, 10),
                                      .replicas = fleet_replicas(tool->fleet)};
    struct nats_pull_wish wish = {.stream = words[1],
                                  .durable = "all",
                                  .ack_wait_ms = strtoull(words[3], NULL, 10),
                                  .max_under_way = 1000,
                                  .create = true};
    enum error error =
        nats_stream_prepare(link, &stream, NATS_LINK_PATIENCE_MS, NULL, &tool->failure);

    leave_queue(tool);
    return error ? error : nats_pull_open(&tool->pull, link, &wish, &tool->failure);
}

static void be_done(void *context, void *item, struct slice body, const struct failure *refusal) {
    struct tool *tool = context;

    (void)body;
    free(item);
    *(refusal ? &tool->refused : &tool->stored) += 1;
}

/* Publishes PREFIX.0 to PREFIX.COUNT-1, each `bytes` long, until all are stored, but no more at
 * once than the last word says; tells why they must wait, each time that it is something else. */
static enum error publish(struct tool *tool, char *words[]) {
    uint64_t count = strtoull(words[4], NULL, 10), added = 0, bytes = strtoull(words[5], NULL, 10);
    struct nats_publisher_config config = {.link = fleet_link(tool->fleet),
                                           .stream = words[1],
                                           .subject = words[2],
                                           .window = WINDOW,
                                           .timeout_ms = 2000,
                                           .backlog_max = strtoull(words[6], NULL, 10),
                                           .done = be_done,
                                           .context = tool};
    struct nats_publisher *publisher;
    enum error error = nats_publisher_open(&publisher, &config, &tool->failure);
    char told[FAILURE_TEXT_MAX] = "";

    if (error)
        return error;
    tool->stored = tool->refused = 0;
    while (tool->stored + tool->refused < count) {
        while (added < count && nats_publisher_has_room(publisher)) {
            char id[NATS_ID_MAX], *body = calloc(1, bytes + NATS_ID_MAX);
            snprintf(id, sizeof id, "%s.%" PRIu64, words[3], added++);
            snprintf(body, NATS_ID_MAX, "%s", id);
            struct slice text = {(const uint8_t *)body, bytes > strlen(id) ? bytes : strlen(id)};
            nats_publisher_add(publisher, text, id, body);
        }
        error = nats_publisher_step(publisher, 100, &tool->failure);
        if ((error == (enum error)EIO || error == (enum error)EAGAIN) &&
            strcmp(told, tool->failure.text) != 0) {
            printf("trouble %s\n", tool->failure.text);
            fflush(stdout);
            snprintf(told, sizeof told, "%s", tool->failure.text);
        }
    }
    nats_publisher_close(publisher);
    buffer_add_format(&tool->said, " %" PRIu64 " %" PRIu64, tool->stored, tool->refused);
    return ERROR_NONE;
}

/* Publishers, one after the other, that are closed while their answers are on the way. */
static enum error abandon(struct tool *tool, char *words[]) {
    struct nats_publisher_config config = {.link = fleet_link(tool->fleet),
                                           .stream = words[1],
                                           .subject = words[2],
                                           .window = WINDOW,
                                           .timeout_ms = 2000,
                                           .done = be_done,
                                           .context = tool};
    enum error error = ERROR_NONE;

    for (uint64_t i = strtoull(words[3], NULL, 10); i && !error; i--) {
        struct nats_publisher *publisher;
        char id[NATS_ID_MAX];
        if ((error = nats_publisher_open(&publisher, &config, &tool->failure)))
            return error;
        for (int number = 0; nats_publisher_has_room(publisher); number++) {
            snprintf(id, sizeof id, "%" PRIu64 ".%d", i, number);
            nats_publisher_add(publisher, slice_of("left"), id, NULL);
        }
        error = nats_publisher_step(publisher, 1, &tool->failure);
        nats_publisher_close(publisher);
    }
    return error;
}

static void show_message(struct tool *tool, const struct nats_pulled *message, uint64_t number) {
    struct slice body = nats_pulled_body(message);

    buffer_add_format(&tool->said, " %.*s:%" PRIu64, (int)strnlen((const char *)body.ptr, body.len),
                      (const char *)body.ptr, number);
}

static enum error take(struct tool *tool, char *words[]) {
    uint32_t count = 0;
    enum error error = nats_pull_take(tool->pull, tool->held + tool->held_count,
                                      (uint32_t)strtoul(words[1], NULL, 10), &count,
                                      (uint32_t)strtoul(words[2], NULL, 10), &tool->failure);

    if (error)
        return error;
    for (uint32_t i = tool->held_count; i < tool->held_count + count; i++)
        show_message(tool, tool->held[i], nats_pulled_deliveries(tool->held[i]));
    tool->held_count += count;
    return ERROR_NONE;
}

/* What is done with all that are held. */
static enum error settle(struct tool *tool, char *words[]) {
    enum error error = ERROR_NONE;

    for (uint32_t i = 0; i < tool->held_count; i++) {
        if (strcmp(words[0], "done") == 0)
            error = nats_pulled_done(tool->held[i], true, &tool->failure);
        else if (strcmp(words[0], "return") == 0)
            nats_pulled_return(tool->held[i], strtoull(words[1], NULL, 10));
        if (error || strcmp(words[0], "forget") == 0)
            nats_pulled_forget(tool->held[i]);
    }
    tool->held_count = 0;
    return error;
}

static enum error extend(struct tool *tool, char *words[]) {
    enum error error = ERROR_NONE;

    (void)words;
    for (uint32_t i = 0; i < tool->held_count && !error; i++)
        error = nats_pulled_extend(tool->held[i]);
    return error ? failure_set(&tool->failure, error, "not extended") : error;
}

/* Takes and acknowledges until there has been nothing for `wait_ms`; tells where in the stream each
 * was. */
static enum error drain(struct tool *tool, char *words[]) {
    uint32_t count = 0, wait_ms = (uint32_t)strtoul(words[1], NULL, 10);
    enum error error;

    do {
        error = nats_pull_take(tool->pull, tool->held, HELD_MAX, &count, wait_ms, &tool->failure);
        for (uint32_t i = 0; i < count; i++) {
            show_message(tool, tool->held[i], nats_pulled_sequence(tool->held[i]));
            if (nats_pulled_done(tool->held[i], true, &tool->failure))
                nats_pulled_forget(tool->held[i]);
        }
    } while (error == (enum error)ENOTCONN || (!error && count));
    return error;
}

/* --- Jobs --- */

static enum error open_jobs(struct tool *tool, char *words[]) {
    (void)words;
    return jobs_open(&tool->jobs, tool->fleet, &tool->failure);
}

static enum error submit(struct tool *tool, char *words[]) {
    struct job job = {.created_ms = strtoll(words[2], NULL, 10), .lease_ms = 60000, .seed = 7};
    uint64_t option_bytes = strtoull(words[3], NULL, 10);
    struct job_options options;
    char *value = calloc(1, option_bytes + 1);

    snprintf(job.id, sizeof job.id, "%s", words[1]);
    snprintf(job.by, sizeof job.by, "tool");
    snprintf(job.title, sizeof job.title, "a test");
    if (!job_id_read(slice_of(job.id), &job.run))
        abort();
    memset(value, 'x', option_bytes);
    job_options_init(&options);
    if (!job_options_add(&options, "contact", value, false))
        abort();
    free(value);
    enum error error = jobs_submit(tool->jobs, &job, &options, 1 << 20, &tool->failure);
    if (!error)
        buffer_add_format(&tool->said, " %u", job.option_pieces);
    job_options_deinit(&options);
    return error;
}

/* How long the value of the first option is. */
static enum error get_options(struct tool *tool, char *words[]) {
    struct job job;
    struct job_options options;
    enum error error = jobs_get(tool->jobs, words[1], &job, &tool->failure);

    job_options_init(&options);
    if (!error)
        error = jobs_get_options(tool->jobs, &job, &options, &tool->failure);
    if (!error)
        buffer_add_format(&tool->said, " %s %zu", job_state_name(job.state),
                          strlen(options.options[0].value));
    job_options_deinit(&options);
    return error;
}

static bool count_shard(void *owner, struct job *job) {
    (void)owner;
    job->shards++;
    return true;
}

static enum error change(struct tool *tool, char *words[]) {
    enum error error = ERROR_NONE;
    struct job job;

    for (uint64_t left = strtoull(words[2], NULL, 10); left && !error; left--)
        error = jobs_change(tool->jobs, words[1], count_shard, NULL, &job, &tool->failure);
    if (!error)
        buffer_add_format(&tool->said, " %" PRIu64, job.shards);
    return error;
}

static void show_odd(void *owner, const char *id, const struct failure *failure) {
    struct tool *tool = owner;

    (void)failure;
    buffer_add_format(&tool->said, " %s:odd", id);
}

static enum error list(struct tool *tool, char *words[]) {
    struct job *jobs;
    uint32_t count;
    enum error error = jobs_list(tool->jobs, &jobs, &count, show_odd, tool, &tool->failure);

    (void)words;
    for (uint32_t i = 0; i < count; i++)
        buffer_add_format(&tool->said, " %s:%s", jobs[i].id, job_state_name(jobs[i].state));
    free(jobs);
    return error;
}

static enum error progress(struct tool *tool, char *words[]) {
    struct job_progress now;
    enum error error = jobs_progress(tool->jobs, words[1], &now, &tool->failure);

    if (!error)
        buffer_add_format(&tool->said, " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
                          now.shards_waiting, now.shards_under_way, now.pages_waiting,
                          now.pages_under_way);
    return error;
}

static enum error drop_done(struct tool *tool, char *words[]) {
    return jobs_drop_done(tool->jobs, words[1], &tool->failure);
}

static enum error open_work(struct tool *tool, char *words[]) {
    leave_queue(tool);
    return jobs_open_work(tool->jobs, words[1], &tool->pull, &tool->failure);
}

static enum error end(struct tool *tool, char *words[]) {
    enum job_state state = strcmp(words[2], "done") == 0 ? JOB_DONE : JOB_CANCELLED;

    return jobs_end(tool->jobs, words[1], state, &tool->failure);
}

/* As if its submit had been killed before its end. */
static enum error delete_descriptor(struct tool *tool, char *words[]) {
    char bucket[FLEET_SUBJECT_MAX], stream[FLEET_SUBJECT_MAX + 4], subject[FLEET_SUBJECT_MAX + 64];

    fleet_jobs_bucket(tool->fleet, bucket);
    snprintf(stream, sizeof stream, "KV_%s", bucket);
    snprintf(subject, sizeof subject, "$KV.%s.%.32s", bucket, words[1]);
    return nats_stream_purge(fleet_link(tool->fleet), stream, subject, 0, &tool->failure);
}

static enum error forget_jobs(struct tool *tool, char *words[]) {
    return jobs_forget(tool->jobs, strtoll(words[1], NULL, 10), &tool->failure);
}

/* --- The way in --- */

static const struct command {
    const char *name;
    enum error (*run)(struct tool *tool, char *words[]);
} commands[] = {
    {"bucket", open_bucket},
    {"put", put},
    {"get", get},
    {"swap", swap},
    {"delete", delete},
    {"keys", keys},
    {"add", add},
    {"lease", new_lease},
    {"try", try_lease},
    {"keep", keep},
    {"give", give_back},
    {"held", is_held},
    {"queue", open_queue},
    {"publish", publish},
    {"abandon", abandon},
    {"take", take},
    {"done", settle},
    {"return", settle},
    {"forget", settle},
    {"extend", extend},
    {"drain", drain},
    {"jobs", open_jobs},
    {"submit", submit},
    {"options", get_options},
    {"change", change},
    {"list", list},
    {"progress", progress},
    {"drop-done", drop_done},
    {"work", open_work},
    {"end", end},
    {"forget-jobs", forget_jobs},
    {"delete-descriptor", delete_descriptor},
};

static void obey(struct tool *tool, char *line) {
    char *words[WORDS_MAX + 1] = {0}, *at = line;
    uint32_t count = 0;

    for (char *word; count < WORDS_MAX && (word = strsep(&at, " \n"));)
        if (*word)
            words[count++] = word;
    for (uint32_t i = count; i < WORDS_MAX; i++)
        words[i] = "";
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(words[0], commands[i].name) != 0)
            continue;
        tool->said.len = 0;
        enum error error = commands[i].run(tool, words);
        if (error)
            printf("%s: %s\n", error_text(error), tool->failure.text);
        else
            printf("ok%.*s\n", (int)tool->said.len, (const char *)tool->said.ptr);
        fflush(stdout);
        return;
    }
    abort();
}

int main(int argc, char **argv) {
    struct tool tool = {0};
    char line[LINE_MAX_BYTES];

    signal(SIGPIPE, SIG_IGN);
    buffer_init(&tool.said);
    enum error error =
        argc == 2 ? fleet_open(&tool.fleet, argv[1], "tool", &tool.failure) : ERROR_USAGE;
    if (error) {
        printf("%s: %s\n", error_text(error), tool.failure.text);
        return 1;
    }
    printf("ok %u %zu\n", fleet_replicas(tool.fleet), fleet_payload_max(tool.fleet));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        obey(&tool, line);
    leave_queue(&tool);
    lease_free(tool.lease);
    nats_kv_close(tool.bucket);
    jobs_close(tool.jobs);
    buffer_deinit(&tool.said);
    fleet_close(tool.fleet);
    return 0;
}
