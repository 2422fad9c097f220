#include "tools/trawl/watch_settings.h"

#include "engine/match/lookalike.h"

#include <stddef.h>

#define FIELD(name) offsetof(struct watch_settings, name)
static const char what[] = "What is watched", from[] = "Where it is followed",
                  known[] = "What is known, and remembered", out[] = "Output";

const struct option_spec watch_options[] = {
    {"watch", 'w', OPTION_TEXT, "FILE", "names to watch, one a line, or - for standard input", what,
     FIELD(watch), 0, 0, NULL, "none"},
    {"domain", 'd', OPTION_LIST, "NAME", "watch this name and all below it", what, FIELD(domains),
     0, 0, NULL, "none"},
    {"lookalike", 0, OPTION_LIST, "BRAND",
     "names that imitate: paypal, paypal=paypal.com,paypal.me", what, FIELD(brands), 0, 0, NULL,
     "none"},
    {"lookalike-score", 0, OPTION_NUMBER, "N", "how much a name must imitate, of 100", what,
     FIELD(lookalike_score), 1, 100, NULL, NULL},
    {"all", 0, OPTION_FLAG, NULL, "a record of every entry; nothing is matched", what, FIELD(all),
     0, 0, NULL, NULL},
    {"log-list", 0, OPTION_TEXT, "WHERE",
     "log list v3, a path or URL, its signature beside it: current logs", from, FIELD(log_list), 0,
     0, NULL, "none"},
    {"log-list-key", 0, OPTION_TEXT, "FILE", "key of its signature, as PEM", from,
     FIELD(log_list_key), 0, 0, NULL, "Google's"},
    {"log", 0, OPTION_LIST, "WORDS", "of the list, only logs with these words in their names", from,
     FIELD(logs), 0, 0, NULL, "all"},
    {"log-key", 0, OPTION_TEXT, "KEY", "key of a log that no list names: base64, or a PEM file",
     from, FIELD(log_key), 0, 0, NULL, "none"},
    {"tiles", 0, OPTION_FLAG, NULL, "that log is of static-ct-api, not RFC 6962", from,
     FIELD(tiles), 0, 0, NULL, NULL},
    {"from", 0, OPTION_TEXT, "WHERE",
     "saved, now, an index, or saved,INDEX for where none is saved", from, FIELD(from), 0, 0, NULL,
     NULL},
    {"to-the-end", 0, OPTION_FLAG, NULL, "end when each log is read as far as it is now", from,
     FIELD(to_the_end), 0, 0, NULL, NULL},
    {"duration", 0, OPTION_SECONDS, "TIME", "end after so long", from, FIELD(duration_ms), 0, 0,
     NULL, "never"},
    {"per-operator", 0, OPTION_NUMBER, "N", "requests at once to the logs of one operator", from,
     FIELD(per_operator), 1, 64, NULL, NULL},
    {"page", 0, OPTION_NUMBER, "N", "entries to ask RFC 6962 logs for at once", from,
     FIELD(page_entries), 1, 4096, NULL, NULL},
    {"head-interval", 0, OPTION_SECONDS, "TIME", "between two looks for new entries", from,
     FIELD(head_interval_ms), 100, 24 * 3600 * 1000, NULL, NULL},
    {"partial-after", 0, OPTION_SECONDS, "TIME", "wait so long for a tile to become full", from,
     FIELD(partial_after_ms), 0, 24 * 3600 * 1000, NULL, "at once"},
    {"retry", 0, OPTION_SECONDS, "TIME",
     "try again what fails after so long, then after twice as long", from, FIELD(retry_ms), 20,
     3600 * 1000, NULL, NULL},
    {"contact", 0, OPTION_TEXT, "TEXT", "address or URL for the User-Agent, as operators ask for",
     from, FIELD(contact), 0, 0, NULL, "none"},
    {"ca-file", 0, OPTION_TEXT, "PATH", "trust these roots for https:// and wss://", from,
     FIELD(ca_file), 0, 0, NULL, "the system's"},
    {"via", 0, OPTION_TEXT, "URL", "share the logs with the watchers that do so, too: nats://HOST",
     from, FIELD(via), 0, 0, NULL, "nobody"},
    {"watch-group", 0, OPTION_TEXT, "NAME", "only with those of this name", from,
     FIELD(watch_group), 0, 0, NULL, NULL},
    {"lease", 0, OPTION_SECONDS, "TIME",
     "a watcher that is silent for so long loses its logs; others have them in twice the time",
     from, FIELD(lease_ms), 500, 3600 * 1000, NULL, NULL},
    {"workers", 0, OPTION_NUMBER, "N", "threads that decode", from, FIELD(workers), 0, 1024, NULL,
     "all cores"},
    {"inventory", 'i', OPTION_LIST, "PATH", "known certificates: files, folders, records of a scan",
     known, FIELD(inventory), 0, 0, NULL, "none"},
    {"known-keys", 0, OPTION_FLAG, NULL, "a new certificate for a known key is known", known,
     FIELD(known_keys), 0, 0, NULL, NULL},
    {"grace", 0, OPTION_SECONDS, "TIME", "wait so long for the inventory to learn of it", known,
     FIELD(grace_ms), 0, 7 * 24 * 3600 * 1000, NULL, "not at all"},
    {"state", 0, OPTION_TEXT, "FILE", "remembers positions and what was told, over restarts", known,
     FIELD(state), 0, 0, NULL, "nothing is remembered"},
    {"postgres", 0, OPTION_TEXT, "DSN",
     "certwatch's tables: names to watch, known certificates, alerts", known, FIELD(postgres), 0, 0,
     NULL, "none; or $POSTGRES_DSN"},
    {"retention", 0, OPTION_SECONDS, "TIME",
     "forget what was told after so long, not before its certificate expires", known,
     FIELD(retention_ms), 0, 0, NULL, "never"},
    {"cleanup", 0, OPTION_SECONDS, "TIME", "between two rounds of forgetting", known,
     FIELD(cleanup_ms), 1000, 0, NULL, NULL},
    {"refresh", 0, OPTION_SECONDS, "TIME", "look for changes of lists and inventory", known,
     FIELD(refresh_ms), 100, 24 * 3600 * 1000, NULL, NULL},
    OUTPUT_OPTIONS(struct watch_settings, out),
    {"listen", 0, OPTION_TEXT, "ADDRESS", "/healthz and /metrics at 127.0.0.1:8765", out,
     FIELD(listen), 0, 0, NULL, "nowhere"},
    {"quiet", 'q', OPTION_FLAG, NULL, "no progress and no summary", out, FIELD(quiet), 0, 0, NULL,
     NULL},
    {"stats", 0, OPTION_TEXT, "FILE", "write the figures as JSON at the end", out, FIELD(stats), 0,
     0, NULL, "none"},
    {0},
};

void watch_settings_init(struct watch_settings *settings) {
    *settings = (struct watch_settings){
        .from = "saved",
        .lookalike_score = LOOKALIKE_SCORE_DEFAULT,
        .per_operator = 8,
        .page_entries = 512,
        .grace_ms = 10 * 1000,
        .retention_ms = 30ull * 24 * 3600 * 1000,
        .cleanup_ms = 3600 * 1000,
        .refresh_ms = 10 * 1000,
        .head_interval_ms = 15 * 1000,
        .partial_after_ms = 60 * 1000,
        .retry_ms = 1000,
        .watch_group = "watch",
        .lease_ms = 30 * 1000,
    };
    option_list_init(&settings->domains);
    option_list_init(&settings->brands);
    option_list_init(&settings->inventory);
    option_list_init(&settings->logs);
    output_settings_init(&settings->output);
}

void watch_settings_deinit(struct watch_settings *settings) {
    option_list_deinit(&settings->domains);
    option_list_deinit(&settings->brands);
    option_list_deinit(&settings->inventory);
    option_list_deinit(&settings->logs);
    output_settings_deinit(&settings->output);
}
