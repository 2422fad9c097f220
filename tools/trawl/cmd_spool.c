/* `trawl spool`: what waits on disk for outputs that could not be given it, and what they refused.
 */
#include "engine/base/clock.h"
#include "engine/base/option.h"
#include "engine/base/text.h"
#include "engine/record/json.h"
#include "sinks/spooled.h"
#include "tools/trawl/command.h"
#include "tools/trawl/output_settings.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    bool json, dead;
    const char *folder, *to;
};

static const char group[] = "Options";

#define FIELD(name) offsetof(struct settings, name)
static const struct option_spec options[] = {
    {"json", 0, OPTION_FLAG, NULL, "list: a JSON object a line", group, FIELD(json), 0, 0, NULL,
     NULL},
    {"dead", 0, OPTION_FLAG, NULL, "show, replay, drop: the dead letters", group, FIELD(dead), 0, 0,
     NULL, NULL},
    {"output", 'o', OPTION_TEXT, "WHERE", "replay: send it there instead", group, FIELD(to), 0, 0,
     NULL, "where it was meant to go"},
    {"spool", 0, OPTION_TEXT, "DIR", "the folder with the spools", group, FIELD(folder), 0, 0, NULL,
     "$TRAWL_SPOOL, or ~/.local/state/trawl/spool"},
    {.name = NULL},
};
#undef FIELD

static const char usage[] =
    "trawl spool list [--json] | show NAME | replay [NAME ...] | drop NAME ...\n\n"
    "What an output that promises to lose nothing (webhook, nats, sqlite, postgresql) could not "
    "be\n"
    "given is kept on disk, in order, until it can; what it refuses for good becomes a dead "
    "letter.\n"
    "The next run with the same output sends what an earlier one left. This command shows what is\n"
    "there, sends it without a run, and throws it away.\n\n"
    "  list     each spool: records that wait, since when, dead letters, whether a trawl has it\n"
    "  show     the records of one as they would be sent; with --dead the dead letters, each with\n"
    "           the time and the reason before it\n"
    "  replay   send what waits, in order; with --dead the dead letters again. Without a name, "
    "all\n"
    "           that no other trawl has\n"
    "  drop     throw away what waits and the dead letters; with --dead only those\n\n"
    "A spool that a running trawl has is left alone: it sends what is there by itself. When one "
    "is\n"
    "full (#spool-max=SIZE), its output holds the run back; nothing is dropped. A password in the\n"
    "URL of an output is not kept: replay then needs -o.\n\n";

static const char more[] =
    "\nExit status: 0 done, 1 failure, or not all could be sent, 2 wrong usage, 130 interrupted. "
    "Of\n"
    "commands with outputs: that records wait is no failure (0), dead letters are (1).\n\n"
    "Examples:\n"
    "  trawl spool list\n"
    "  trawl spool show --dead webhook-hooks.example.org-0123456789ab | grep '^#'\n"
    "  trawl spool replay\n"
    "  trawl spool replay webhook-hooks.example.org-0123456789ab -o kept.jsonl\n"
    "  trawl spool drop --dead webhook-hooks.example.org-0123456789ab\n";

static void help(struct buffer *out) {
    struct settings settings = {0};

    buffer_add_text(out, usage);
    option_help(options, &settings, 100, out);
    buffer_add_text(out, more);
}

/* --- list --- */

struct listing {
    struct buffer *out;
    bool json;
    uint32_t count;
};

static void add_since(int64_t oldest_ms, struct buffer *out) {
    if (!oldest_ms) {
        buffer_add_text(out, "-");
        return;
    }
    text_add_time(out, oldest_ms / 1000);
}

static void list_json(const struct spool_view *view, struct buffer *out) {
    const struct spool_log_statistics *waiting = &view->statistics.waiting;
    int64_t age_ms = waiting->oldest_ms ? clock_unix_ms() - waiting->oldest_ms : 0;

    buffer_add_text(out, "{\"name\": ");
    json_add_text(slice_of(view->meta.name), out);
    buffer_add_text(out, ", \"kind\": ");
    json_add_text(slice_of(view->meta.kind), out);
    buffer_add_text(out, ", \"format\": ");
    json_add_text(slice_of(view->meta.format), out);
    buffer_add_format(out,
                      ", \"in_use\": %s, \"waiting\": %llu, \"bytes\": %llu, "
                      "\"oldest_seconds\": %.3f, \"dead\": %llu, \"dead_bytes\": %llu}\n",
                      view->is_held ? "true" : "false", (unsigned long long)waiting->records,
                      (unsigned long long)waiting->bytes, (double)(age_ms > 0 ? age_ms : 0) / 1e3,
                      (unsigned long long)view->statistics.dead.records,
                      (unsigned long long)view->statistics.dead.bytes);
}

static bool list_one(void *context, const struct spool_view *view) {
    struct listing *listing = context;
    struct buffer *out = listing->out;

    if (listing->json) {
        list_json(view, out);
        return true;
    }
    if (listing->count++ == 0)
        buffer_add_format(out, "%-10s %-12s %-21s %-8s %-7s %s\n", "WAITING", "BYTES", "SINCE",
                          "DEAD", "IN USE", "NAME");
    buffer_add_format(out, "%-10llu %-12llu ", (unsigned long long)view->statistics.waiting.records,
                      (unsigned long long)view->statistics.waiting.bytes);
    size_t at = out->len;
    add_since(view->statistics.waiting.oldest_ms, out);
    buffer_add_format(out, "%*s %-8llu %-7s %s\n", (int)(21 - (out->len - at)), "",
                      (unsigned long long)view->statistics.dead.records,
                      view->is_held ? "yes" : "no", view->meta.name);
    return true;
}

static enum error list(const char *root, const struct settings *settings, struct failure *failure) {
    struct buffer text;
    struct listing listing = {&text, settings->json, 0};

    buffer_init(&text);
    enum error error = spool_list(root, list_one, &listing, failure);
    command_print(&text);
    return error;
}

/* --- show --- */

struct showing {
    bool dead, failed;
};

static bool show_one(void *context, const struct spool_frame *frame) {
    struct showing *showing = context;
    struct buffer head;

    buffer_init(&head);
    if (showing->dead) {
        buffer_add_text(&head, "# ");
        text_add_time_ms(&head, frame->time_ms);
        buffer_add_format(&head, " %u records: ", frame->records);
        text_add_safe(&head, frame->reason);
        buffer_add_byte(&head, '\n');
    }
    showing->failed |= fwrite(head.ptr, 1, head.len, stdout) != head.len ||
                       fwrite(frame->bytes.ptr, 1, frame->bytes.len, stdout) != frame->bytes.len;
    buffer_deinit(&head);
    return !showing->failed;
}

static enum error show(const char *root, const char *name, const struct settings *settings,
                       struct failure *failure) {
    struct showing showing = {.dead = settings->dead};
    enum error error = spool_show(root, name, settings->dead, show_one, &showing, failure);

    if (!error && (fflush(stdout) != 0 || showing.failed) && errno != EPIPE)
        error = failure_set(failure, (enum error)errno, "cannot write to standard output: %s",
                            error_text((enum error)errno));
    return error;
}

/* --- replay --- */

/* Signals are blocked, and looked at between two steps. */
static bool was_interrupted(void) {
    sigset_t signals;
    return sigpending(&signals) == 0 &&
           (sigismember(&signals, SIGINT) || sigismember(&signals, SIGTERM));
}

/* Until the other side has all, or takes no more. */
static enum error drain(struct sink *sink, struct failure *failure) {
    enum error error = (enum error)EAGAIN;

    while (error == (enum error)EAGAIN) {
        if (was_interrupted())
            return ERROR_STOPPED;
        error = sink->kind->finish(sink, failure);
    }
    return error;
}

static enum error send_to(struct spool *spool, const char *spec, struct failure *failure) {
    const struct spool_meta *meta = spool_meta(spool);
    struct sink_statistics statistics = {0};
    struct field_selection fields;
    struct sink *sink;
    char name[SPOOL_NAME_MAX];

    snprintf(name, sizeof name, "%s", meta->name);
    enum error error = field_selection_init(&fields, &probe_record_kind, NULL, failure);
    if (error) {
        spool_close(spool);
        return error;
    }
    struct sink_config config = {
        .spec = spec,
        .encoder = encoder_by_name(slice_of(meta->format)),
        .fields = &fields,
        .append = true,
        .user_agent = "trawl/" TRAWL_VERSION,
        .statistics = &statistics,
    };
    error = spooled_replay(&sink, spool, &config, failure);
    if (!error) {
        error = drain(sink, failure);
        sink_close(sink);
        fprintf(stderr, "%s: %llu sent, %llu dead, %llu left\n", name,
                (unsigned long long)statistics.delivered, (unsigned long long)statistics.dead,
                (unsigned long long)statistics.waiting);
        if (!error && statistics.dead)
            error = failure_set(failure, ERROR_REFUSED,
                                "%llu records were refused; trawl spool show --dead %s",
                                (unsigned long long)statistics.dead, name);
    }
    field_selection_deinit(&fields);
    return error;
}

static enum error replay(const char *root, const char *name, const struct settings *settings,
                         struct failure *failure) {
    struct spool *spool;
    char spec[SPOOL_SPEC_MAX];
    enum error error = spool_open_named(&spool, root, name, failure);

    if (error)
        return error;
    const struct spool_meta *meta = spool_meta(spool);
    snprintf(spec, sizeof spec, "%s", settings->to ? settings->to : meta->spec);
    if (!settings->to && (meta->spec_is_cut || !meta->spec[0]))
        error = failure_set(failure, ERROR_USAGE,
                            "the password in the URL of %s was not kept: say -o URL", name);
    if (!error && settings->dead)
        error = spool_revive(spool, failure);
    if (error) {
        spool_close(spool);
        return error;
    }
    return send_to(spool, spec, failure);
}

struct names {
    struct option_list list;
};

static bool collect(void *context, const struct spool_view *view) {
    const struct spool_log_statistics *waiting = &view->statistics.waiting;
    struct names *names = context;

    if (!view->is_held && (waiting->disk_bytes || view->statistics.dead.disk_bytes)) {
        char *name = strdup(view->meta.name);
        if (!name || !option_list_add(&names->list, name))
            free(name);
    }
    return true;
}

static enum error replay_all(const char *root, const struct settings *settings,
                             struct failure *failure) {
    struct names names;
    struct failure one = {0};

    option_list_init(&names.list);
    enum error error = spool_list(root, collect, &names, failure);
    for (uint32_t i = 0; i < names.list.count; i++) {
        enum error bad =
            was_interrupted() ? ERROR_STOPPED : replay(root, names.list.items[i], settings, &one);
        if (bad) {
            if (error && error != ERROR_STOPPED)
                fprintf(stderr, "trawl: %s\n", failure->text);
            *failure = one;
            error = bad;
        }
        free((char *)(uintptr_t)names.list.items[i]);
    }
    option_list_deinit(&names.list);
    return error;
}

/* --- drop --- */

static enum error drop(const char *root, const char *name, const struct settings *settings,
                       struct failure *failure) {
    struct spool *spool;
    enum error error = spool_open_named(&spool, root, name, failure);

    if (error)
        return error;
    error = spool_discard(spool, settings->dead, failure);
    spool_close(spool);
    return error;
}

/* --- The command --- */

static enum error for_each(const char *root, const struct option_list *words,
                           const struct settings *settings,
                           enum error (*act)(const char *root, const char *name,
                                             const struct settings *settings,
                                             struct failure *failure),
                           struct failure *failure) {
    enum error error = ERROR_NONE;

    for (uint32_t i = 1; i < words->count && !error; i++)
        error = act(root, words->items[i], settings, failure);
    return error;
}

static enum error act_on(const char *root, const struct option_list *words,
                         const struct settings *settings, struct failure *failure) {
    struct slice verb = slice_of(words->count ? words->items[0] : "");
    bool named = words->count > 1;

    if (slice_is(verb, "list") && !named)
        return list(root, settings, failure);
    if (slice_is(verb, "show") && words->count == 2)
        return show(root, words->items[1], settings, failure);
    if (slice_is(verb, "replay") && named)
        return for_each(root, words, settings, replay, failure);
    if (slice_is(verb, "replay") && !settings->to)
        return replay_all(root, settings, failure);
    if (slice_is(verb, "drop") && named)
        return for_each(root, words, settings, drop, failure);
    return failure_set(failure, ERROR_USAGE,
                       "say list, show NAME, replay [NAME ...] (-o with a name), or drop NAME; "
                       "`trawl help spool` tells more");
}

static enum exit_code exit_code(enum error error, const struct failure *failure) {
    if (error == ERROR_STOPPED)
        return EXIT_INTERRUPTED;
    return error ? command_failed(failure) : EXIT_DONE;
}

static enum exit_code run(int argc, char *const argv[]) {
    sigset_t signals;
    struct settings settings = {0};
    struct option_list words;
    struct failure failure = {0};
    bool chosen;

    option_list_init(&words);
    enum error error = option_parse(options, argc, argv, &settings, &words, &failure);
    char *root = output_spool_folder(settings.folder, &chosen);
    if (!error && !root)
        error =
            failure_set(&failure, ERROR_USAGE, "there is no folder for spools: say --spool DIR");
    if (!error) {
        if (words.count && strcmp(words.items[0], "replay") == 0) {
            sigemptyset(&signals);
            sigaddset(&signals, SIGINT);
            sigaddset(&signals, SIGTERM);
            sigprocmask(SIG_BLOCK, &signals, NULL);
        }
        error = act_on(root, &words, &settings, &failure);
    }
    free(root);
    option_list_deinit(&words);
    return exit_code(error, &failure);
}

static void copy_options(struct option_spec out[COMMAND_OPTIONS_MAX]) {
    command_copy_options(options, out);
}

static const char *const verbs[] = {"list", "show", "replay", "drop", NULL};

const struct command command_spool = {
    .name = "spool",
    .summary = "what waits on disk for outputs that were away",
    .run = run,
    .help = help,
    .options = copy_options,
    .words = verbs,
};
