#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "tools/monitor/fleet_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LINGER_MS = 50,       /* for more targets of a shard */
    RETRY_MS = 5000,      /* a job that could not be made */
    DRAIN_MS = 10 * 1000, /* between two looks for answers that nobody waits for */
    PUBLISH_TIMEOUT_MS = 5000,
    DESCRIBE_MS = 60 * 1000, /* between two changes of the descriptor, which is for people … */
    WINDOW = 16,             /* shards that are being stored; pages that are taken at once */
    BUFFER_BYTES = 16 * 1024 * 1024, /* of results that wait for this monitor */
};

static uint64_t after(uint64_t since_ns, uint64_t ms) {
    return since_ns + ms * UINT64_C(1000000);
}

/* --- The job --- */

static enum error add_rendering(struct job_options *options, struct failure *failure) {
    struct field_selection fields;
    const struct encoding encoding = {&json_encoder, &fields, 0, false};
    enum error error = fleet_select_fields(&fields, failure);

    if (error)
        return error;
    if (job_options_add_rendering(options, &encoding, NULL) != 0)
        error = failure_set(failure, ERROR_MEMORY, "no memory for a job");
    field_selection_deinit(&fields);
    return error;
}

static enum error submit(struct fleet_site *site, struct failure *failure) {
    struct fleet_probes *fleet = site->fleet;
    bool is_any = strcmp(site->label, "*") == 0;
    struct job_options options;

    site->job = (struct job){.run = random_seed() | 1,
                             .state = JOB_CUTTING,
                             .created_ms = clock_unix_ms(),
                             .seed = 1,
                             .lease_ms = fleet->config.lease_ms};
    snprintf(site->job.id, sizeof site->job.id, "%016" PRIx64, site->job.run);
    snprintf(site->job.by, sizeof site->job.by, "%s", fleet->by);
    snprintf(site->job.title, sizeof site->job.title, "%.60s: %.60s", fleet->title,
             is_any ? "any worker" : site->label);
    snprintf(site->job.label, sizeof site->job.label, "%.*s", (int)sizeof site->job.label - 1,
             is_any ? "" : site->label);
    job_options_init(&options);
    enum error error = fleet->config.options(fleet->config.owner, site->ca_file, &options, failure);
    if (!error)
        error = add_rendering(&options, failure);
    if (!error)
        error = jobs_submit(fleet->jobs, &site->job, &options, BUFFER_BYTES, failure);
    job_options_deinit(&options);
    return error;
}

/* On the fleet's thread, in nats_publisher_step. */
static void on_stored(void *context, void *item, struct slice body, const struct failure *refusal) {
    struct fleet_site *site = context;
    struct fleet_shard *shard = item;

    (void)body;
    shard->state = refusal ? SHARD_MADE : SHARD_STORED;
    if (refusal) {
        fleet_trouble(site->fleet, refusal->code, refusal);
        return;
    }
    site->targets += shard->count;
    site->stored++;
    fleet_count(site->fleet, &site->fleet->statistics.shards, 1);
}

static bool describe(void *owner, struct job *job) {
    const struct fleet_site *site = owner;

    job->targets = site->targets;
    job->shards = job->pages = site->stored; /* each is a page */
    return job->state == JOB_CUTTING;
}

/* … and then what is done goes: the job has no end. */
static void describe_if_due(struct fleet_site *site, uint64_t now_ns) {
    struct failure failure = {0};

    if (site->job.shards == site->stored || now_ns < after(site->described_ns, DESCRIBE_MS))
        return;
    enum error error =
        jobs_change(site->fleet->jobs, site->job.id, describe, site, &site->job, &failure);
    if (!error)
        error = jobs_drop_done(site->fleet->jobs, site->job.id, &failure);
    site->described_ns = now_ns;
    if (error != (enum error)ENOENT)
        fleet_trouble(site->fleet, error, &failure);
}

static enum error open_queues(struct fleet_site *site, struct failure *failure) {
    struct fleet *link = site->fleet->link;
    const struct nats_publisher_config publisher = {
        .link = fleet_link(link),
        .subject = site->subject,
        .stream = site->stream,
        .window = WINDOW,
        .timeout_ms = PUBLISH_TIMEOUT_MS,
        .done = on_stored,
        .context = site,
    };

    fleet_work_subject(link, site->job.id, site->subject);
    fleet_work_stream(link, site->stream);
    enum error error = nats_publisher_open(&site->publisher, &publisher, failure);
    return error ? error : jobs_open_results(site->fleet->jobs, site->job.id, &site->pull, failure);
}

/* Its job is somebody else's affair from here on; shards that are not answered go to the next. */
static void let_go(struct fleet_site *site) {
    nats_publisher_close(site->publisher);
    nats_pull_close(site->pull);
    site->publisher = NULL;
    site->pull = NULL;
    site->is_open = false;
    for (struct fleet_shard *shard = site->shards; shard; shard = shard->next)
        shard->state = SHARD_MADE;
}

enum error fleet_site_end(struct fleet_site *site) {
    struct failure failure = {0};
    bool was_open = site->is_open;

    let_go(site);
    if (!was_open)
        return ERROR_NONE;
    enum error error = jobs_end(site->fleet->jobs, site->job.id, JOB_DONE, &failure);
    if (error == (enum error)ENOENT)
        error = ERROR_NONE;
    fleet_trouble(site->fleet, error, &failure);
    return error;
}

static void open_if_due(struct fleet_site *site, uint64_t now_ns) {
    struct failure failure = {0};

    if (site->is_open || !site->fleet->jobs || !site->fleet->is_clean || now_ns < site->retry_ns)
        return;
    enum error error = submit(site, &failure);
    if (!error)
        error = open_queues(site, &failure);
    if (error)
        let_go(site);
    site->is_open = !error;
    site->retry_ns = after(now_ns, RETRY_MS);
    site->drained_ns = now_ns;
    site->targets = site->stored = site->described_ns = 0;
    fleet_trouble(site->fleet, error, &failure);
}

/* --- Targets on their way --- */

static struct fleet_waiting *take_waiting(struct fleet_site *site, uint64_t now_ns) {
    struct fleet_waiting *taken = NULL, **end = &taken;

    pthread_mutex_lock(&site->fleet->lock);
    bool is_due = site->waiting_count >= PAGE_TARGETS ||
                  (site->waiting_count && now_ns >= after(site->waiting_ns, LINGER_MS));
    for (uint32_t i = 0; is_due && i < PAGE_TARGETS && site->waiting; i++) {
        *end = site->waiting;
        site->waiting = site->waiting->next;
        site->waiting_count--;
        end = &(*end)->next;
    }
    *end = NULL;
    if (!site->waiting)
        site->waiting_end = &site->waiting;
    pthread_mutex_unlock(&site->fleet->lock);
    return taken;
}

static void give_back(struct fleet_site *site, uint64_t number, struct probe_record *record,
                      bool is_last) {
    struct fleet_probes *fleet = site->fleet;

    if (is_last) {
        pthread_mutex_lock(&fleet->lock);
        site->under_way--;
        fleet->statistics.under_way--;
        pthread_mutex_unlock(&fleet->lock);
    }
    fleet->owner.see(fleet->owner.owner, number, record, is_last);
}

/* Numbers of a job grow with the time, so that they need not be kept anywhere. */
static uint64_t next_first(struct fleet_site *site) {
    uint64_t first = (uint64_t)clock_unix_ms() * PAGE_TARGETS + 1;

    if (first <= site->last_first)
        first = site->last_first + PAGE_TARGETS;
    return site->last_first = first;
}

static void free_shard(struct fleet_shard *shard) {
    buffer_deinit(&shard->body);
    free(shard);
}

/* Without memory its targets are given back, and due again. */
static void make_shard(struct fleet_site *site, struct fleet_waiting *list, uint64_t now_ns) {
    struct fleet_shard *shard = calloc(1, sizeof *shard);
    struct shard_writer writer;

    shard_writer_init(&writer, next_first(site));
    for (struct fleet_waiting *next; list; list = next) {
        next = list->next;
        if (shard) {
            shard_writer_add(&writer, slice_of(list->spec), 0, 1);
            shard->numbers[shard->count++] = list->number;
        } else {
            give_back(site, list->number, NULL, true);
        }
        free(list);
    }
    if (shard) {
        buffer_init(&shard->body);
        shard_writer_finish(&writer, &shard->body);
        shard->first = writer.first;
        shard->left = shard->count;
        shard->made_ns = now_ns;
        shard->made_ms = clock_unix_ms();
        *site->shards_end = shard;
        site->shards_end = &shard->next;
    }
    shard_writer_deinit(&writer);
}

static void drop_answered(struct fleet_site *site) {
    struct fleet_shard **at = &site->shards;

    while (*at) {
        struct fleet_shard *shard = *at;
        if (shard->left || shard->state == SHARD_OFFERED) {
            at = &shard->next;
            continue;
        }
        *at = shard->next;
        free_shard(shard);
    }
    site->shards_end = at;
}

void fleet_site_give_up(struct fleet_site *site) {
    pthread_mutex_lock(&site->fleet->lock);
    struct fleet_waiting *waiting = site->waiting;
    site->waiting = NULL;
    site->waiting_end = &site->waiting;
    site->waiting_count = 0;
    pthread_mutex_unlock(&site->fleet->lock);
    for (struct fleet_waiting *next; waiting; waiting = next) {
        next = waiting->next;
        give_back(site, waiting->number, NULL, true);
        free(waiting);
    }
    for (struct fleet_shard *shard = site->shards; shard; shard = shard->next)
        for (uint32_t i = 0; i < shard->count; i++)
            if (shard->numbers[i])
                give_back(site, shard->numbers[i], NULL, true);
    for (struct fleet_shard *next; site->shards; site->shards = next) {
        next = site->shards->next;
        free_shard(site->shards);
    }
    site->shards_end = &site->shards;
}

static void publish(struct fleet_site *site) {
    struct failure failure = {0};
    bool any = false;

    for (struct fleet_shard *shard = site->shards; shard; shard = shard->next) {
        char id[NATS_ID_MAX];
        if (shard->state == SHARD_MADE && nats_publisher_has_room(site->publisher)) {
            snprintf(id, sizeof id, "%s.s%" PRIu64, site->job.id, shard->first);
            shard->state = SHARD_OFFERED;
            nats_publisher_add(site->publisher, buffer_slice(&shard->body), id, shard);
        }
        any |= shard->state == SHARD_OFFERED;
    }
    if (!any)
        return;
    enum error error = nats_publisher_step(site->publisher, LINGER_MS, &failure);
    fleet_trouble(site->fleet, error, &failure);
}

/* --- Answers --- */

static void reject(struct fleet_site *site, const struct page_message *page,
                   const struct failure *why) {
    struct failure failure;

    fleet_count(site->fleet, &site->fleet->statistics.rejected, 1);
    failure_set(&failure, ERROR_INPUT, "worker %.*s: a record that is none: %.200s",
                (int)page->worker.len, (const char *)page->worker.ptr, why->text);
    fleet_trouble(site->fleet, failure.code, &failure);
}

/* Lines of JSON; the last of them that can be read comes last. */
static void see_records(struct fleet_site *site, const struct fleet_shard *shard,
                        const struct page_message *page, uint32_t index, struct slice lines) {
    const struct fleet_expectation expected = {.run = site->job.run,
                                               .number = shard->first + index,
                                               .sent_ms = shard->made_ms,
                                               .now_ms = clock_unix_ms()};
    struct probe_record *record = NULL, *next;
    struct failure failure;

    while (lines.len) {
        const uint8_t *end = memchr(lines.ptr, '\n', lines.len);
        size_t len = end ? (size_t)(end - lines.ptr) : lines.len;
        if (fleet_record_read(slice_first(lines, len), &expected, &next, &failure)) {
            reject(site, page, &failure);
        } else {
            if (record) {
                give_back(site, shard->numbers[index], record, false);
                record_put(&record->head);
            }
            record = next;
        }
        lines = slice_from(lines, len + (end != NULL));
    }
    give_back(site, shard->numbers[index], record, true);
    if (record)
        record_put(&record->head);
}

static void see_refusal(struct fleet_site *site, const struct fleet_shard *shard,
                        const struct page_message *page, uint32_t index, enum page_fate fate) {
    static const char *const words[PAGE_FATES] = {
        [PAGE_EXCLUDED] = "may not connect there",
        [PAGE_UNREADABLE] = "cannot make sense of this target",
        [PAGE_OVERSIZE] = "has a record that is too large for the cluster"};
    struct fleet_owner *owner = &site->fleet->owner;
    char why[PAGE_WORKER_BYTES + 64];

    snprintf(why, sizeof why, "worker %.*s %s", (int)page->worker.len,
             (const char *)page->worker.ptr, words[fate]);
    (void)owner->unanswered(owner->owner, &shard->numbers[index], 1, why, NULL, NULL);
    give_back(site, shard->numbers[index], NULL, true);
}

static struct fleet_shard *find_shard(const struct fleet_site *site, uint64_t number) {
    struct fleet_shard *shard = site->shards;

    while (shard && (number < shard->first || number >= shard->first + shard->count))
        shard = shard->next;
    return shard;
}

static void take_page(struct fleet_site *site, struct slice body) {
    struct fleet_probes *fleet = site->fleet;
    struct page_message *page = &fleet->page;
    struct failure failure;

    if (page_read(page, body, 1, &failure)) {
        fleet_count(fleet, &fleet->statistics.rejected, 1);
        fleet_trouble(fleet, failure.code, &failure);
        return;
    }
    fleet_count(fleet, &fleet->statistics.pages, 1);
    site->heard_ns = clock_monotonic_ns();
    struct fleet_shard *shard = find_shard(site, page->span.first);
    for (uint32_t i = 0; i < page->span.count; i++) {
        uint64_t index = shard ? page->span.first - shard->first + i : UINT64_MAX;
        if (!shard || index >= shard->count || !shard->numbers[index]) {
            fleet_count(fleet, &fleet->statistics.passed_over, 1);
            continue;
        }
        if (page->targets[i].fate == PAGE_PROBED)
            see_records(site, shard, page, (uint32_t)index, page->targets[i].renderings[0].bytes);
        else
            see_refusal(site, shard, page, (uint32_t)index, page->targets[i].fate);
        fleet_count(fleet, &fleet->statistics.answered, 1);
        shard->numbers[index] = 0;
        shard->left--;
    }
}

/* What is taken and not yet in the store is asked for again after a crash: targets are due by the
 * store. */
static void pull(struct fleet_site *site, uint32_t wait_ms) {
    struct nats_pulled *messages[WINDOW];
    struct failure failure = {0};
    uint32_t count = 0;

    enum error error = nats_pull_take(site->pull, messages, WINDOW, &count, wait_ms, &failure);
    for (uint32_t i = 0; i < count; i++) {
        struct failure ignored;
        take_page(site, nats_pulled_body(messages[i]));
        if (nats_pulled_done(messages[i], false, &ignored))
            nats_pulled_forget(messages[i]);
    }
    if (count)
        site->fleet->owner.on_room(site->fleet->owner.owner);
    if (error == (enum error)ENOENT) {
        failure_set(&failure, ENOENT, "job %s (%s) was ended by somebody: another is made",
                    site->job.id, site->job.title);
        (void)!fleet_site_end(site); /* with what was put into its queue meanwhile */
        site->retry_ns = 0;
    }
    fleet_trouble(site->fleet, error, &failure);
}

/* --- Silence --- */

static bool tell_shard(struct fleet_site *site, struct fleet_shard *shard, const char *silence) {
    struct fleet_owner *owner = &site->fleet->owner;
    uint64_t numbers[PAGE_TARGETS];
    char why[TARGET_VIA_BYTES + 64];
    uint32_t count = 0;

    for (uint32_t i = 0; i < shard->count; i++)
        if (shard->numbers[i])
            numbers[count++] = shard->numbers[i];
    snprintf(why, sizeof why,
             strcmp(site->label, "*") ? "no worker with the label %s answers" : "no worker answers",
             site->label);
    return owner->unanswered(owner->owner, numbers, count, why, site->label, silence);
}

static void tell_silence(struct fleet_site *site, uint64_t now_ns, uint64_t since_ns) {
    const struct fleet *link = site->fleet->link;
    const char *label = strcmp(site->label, "*") ? site->label : NULL;
    char silence[512];

    snprintf(silence, sizeof silence,
             "Nobody has answered for %" PRIu64 " seconds%s. To have one: trawl worker %.200s%s%s",
             (now_ns - since_ns) / UINT64_C(1000000000),
             site->fleet->is_failing ? ", and the cluster is not well" : "",
             link ? fleet_shown(link) : "nats://...", label ? " --label " : "", label ? label : "");
    for (struct fleet_shard *shard = site->shards; shard; shard = shard->next)
        if (!shard->is_told && now_ns >= after(shard->made_ns, site->fleet->config.patience_ms)) {
            shard->is_told = tell_shard(site, shard, silence);
            site->is_silent |= shard->is_told;
        }
}

static void forget_silence(struct fleet_site *site) {
    site->is_silent = false;
    for (struct fleet_shard *shard = site->shards; shard; shard = shard->next)
        shard->is_told = false;
}

static void mind_silence(struct fleet_site *site, uint64_t now_ns) {
    struct fleet_owner *owner = &site->fleet->owner;
    uint64_t since_ns = site->shards ? site->shards->made_ns : now_ns;

    if (since_ns < site->heard_ns)
        since_ns = site->heard_ns;
    if (site->shards && now_ns >= after(since_ns, site->fleet->config.patience_ms)) {
        site->is_answered = false;
        tell_silence(site, now_ns, since_ns);
    } else if (site->heard_ns && !site->is_answered) {
        site->is_answered = owner->answered(owner->owner, site->label);
        if (site->is_answered)
            forget_silence(site);
    }
}

/* --- A round --- */

bool fleet_site_step(struct fleet_site *site, uint32_t wait_ms) {
    struct fleet_waiting *waiting;
    uint64_t now_ns = clock_monotonic_ns();

    open_if_due(site, now_ns);
    while ((waiting = take_waiting(site, now_ns)) != NULL)
        make_shard(site, waiting, now_ns);
    if (site->is_open) {
        publish(site);
        describe_if_due(site, now_ns);
    }
    if (site->is_open && (site->shards || now_ns >= after(site->drained_ns, DRAIN_MS))) {
        site->drained_ns = now_ns;
        pull(site, site->shards ? wait_ms : 0);
    }
    drop_answered(site);
    mind_silence(site, clock_monotonic_ns());
    return site->is_open && site->shards;
}
