/* bench/ctfarm as a program, for tests in other languages, benchmarks, and people:
 *
 *     bench-ctserver --entries 100000 --seed 7 --rate 500 --fault http-429,p=0.1,retry=1
 *
 * Prints a JSON object in one line when it is ready, and serves until standard input ends.
 *
 * An entry that is wished for: INDEX:precert or INDEX:x509, then any of
 *
 *     ,names=www.example.org+example.org   ,kind=unbound   ,ca=5
 *     ,partner=100   the x509 entry belongs to the precertificate wished for there
 *     ,key=100       it has the key of the entry wished for there */
#include "bench/ctfarm/ctfarm.h"
#include "bench/ctfarm/ctfarm_fault.h"
#include "engine/base/option.h"
#include "engine/base/text.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

struct settings {
    uint64_t entries, start, seed, rate, distinct, odd, port, page_max, queue, time_ms, step_us;
    uint64_t head_every_ms, heartbeat_ms, ping_ms, idle_ms, cache_bytes;
    bool signed_fully, no_leaf_index, rsa, tls, gzip, tiled_feed, list_faults, list_kinds;
    bool warm_entries, warm_tiles, warm_feed, help;
    int dialect;
    const char *state, *folder;
    struct option_list faults, wishes;
};

static const char *const DIALECTS[] = {"go", "calidog", "rust", NULL};

#define FIELD(name) offsetof(struct settings, name)
static const struct option_spec OPTIONS[] = {
    {"entries", 'n', OPTION_NUMBER, "N", "entries of the log, in the end", "Log", FIELD(entries), 1,
     UINT64_C(1) << 40, NULL, NULL},
    {"start", 0, OPTION_NUMBER, "N", "entries there are at the start", "Log", FIELD(start), 0, 0,
     NULL, "all without --rate"},
    {"rate", 0, OPTION_NUMBER, "N", "entries that come each second", "Log", FIELD(rate), 0, 0, NULL,
     "none"},
    {"seed", 0, OPTION_NUMBER, "N", "what everything follows from", "Log", FIELD(seed), 0, 0, NULL,
     NULL},
    {"time", 0, OPTION_NUMBER, "MS", "timestamp of the first entry", "Log", FIELD(time_ms), 0, 0,
     NULL, "the newest is from now"},
    {"step", 0, OPTION_NUMBER, "US", "from one timestamp to the next", "Log", FIELD(step_us), 0, 0,
     NULL, "by the rate"},
    {"distinct", 0, OPTION_NUMBER, "N", "different entries, a power of two; then they come again",
     "Log", FIELD(distinct), 0, 0, NULL, "all"},
    {"odd", 0, OPTION_NUMBER, "N", "one in N entries is odd", "Log", FIELD(odd), 0, UINT32_MAX,
     NULL, "none"},
    {"wish", 0, OPTION_LIST, "WISH", "an entry wanted at a place: 7:precert,names=a.test+b.test",
     "Log", FIELD(wishes), 0, 0, NULL, "none"},
    {"signed", 0, OPTION_FLAG, NULL, "right signatures in certificates and SCTs", "Log",
     FIELD(signed_fully), 0, 0, NULL, NULL},
    {"no-leaf-index", 0, OPTION_FLAG, NULL, "without the leaf_index extension", "Log",
     FIELD(no_leaf_index), 0, 0, NULL, NULL},
    {"rsa", 0, OPTION_FLAG, NULL, "the RFC 6962 side signs with RSA", "Log", FIELD(rsa), 0, 0, NULL,
     NULL},
    {"list-kinds", 0, OPTION_FLAG, NULL, "name the kinds of odd entries", "Log", FIELD(list_kinds),
     0, 0, NULL, NULL},
    {"port", 'p', OPTION_NUMBER, "N", "on 127.0.0.1", "Servers", FIELD(port), 0, 65535, NULL,
     "any"},
    {"tls", 0, OPTION_FLAG, NULL, "https and wss", "Servers", FIELD(tls), 0, 0, NULL, NULL},
    {"gzip", 0, OPTION_FLAG, NULL, "data tiles are compressed", "Servers", FIELD(gzip), 0, 0, NULL,
     NULL},
    {"page", 0, OPTION_NUMBER, "N", "entries of a get-entries page", "Servers", FIELD(page_max), 1,
     1024, NULL, NULL},
    {"head-every", 0, OPTION_SECONDS, "TIME", "between heads", "Servers", FIELD(head_every_ms), 0,
     0, NULL, NULL},
    {"state", 0, OPTION_TEXT, "NAME", "of both logs in the list", "Servers", FIELD(state), 0, 0,
     NULL, NULL},
    {"cache", 0, OPTION_BYTES, "SIZE", "what is kept ready", "Servers", FIELD(cache_bytes), 0, 0,
     NULL, NULL},
    {"warm-entries", 0, OPTION_FLAG, NULL, "make get-entries pages at the start", "Servers",
     FIELD(warm_entries), 0, 0, NULL, NULL},
    {"warm-tiles", 0, OPTION_FLAG, NULL, "make data tiles at the start", "Servers",
     FIELD(warm_tiles), 0, 0, NULL, NULL},
    {"warm-feed", 0, OPTION_FLAG, NULL, "make messages at the start", "Servers", FIELD(warm_feed),
     0, 0, NULL, NULL},
    {"dir", 0, OPTION_TEXT, "PATH",
     "write log_list.json, .sig, .pem, ca.pem and authorities.pem there", "Servers", FIELD(folder),
     0, 0, NULL, "nowhere"},
    {"dialect", 0, OPTION_CHOICE, "NAME", "of the feeds", "Feeds", FIELD(dialect), 0, 0, DIALECTS,
     NULL},
    {"tiled-feed", 0, OPTION_FLAG, NULL, "feeds as from a static-ct log", "Feeds",
     FIELD(tiled_feed), 0, 0, NULL, NULL},
    {"heartbeat", 0, OPTION_SECONDS, "TIME", "between heartbeats", "Feeds", FIELD(heartbeat_ms), 0,
     0, NULL, "none"},
    {"ping", 0, OPTION_SECONDS, "TIME", "between pings to clients", "Feeds", FIELD(ping_ms), 0, 0,
     NULL, "none"},
    {"idle", 0, OPTION_SECONDS, "TIME", "a client that is silent so long is dropped", "Feeds",
     FIELD(idle_ms), 0, 0, NULL, "never"},
    {"queue", 0, OPTION_NUMBER, "N", "a client so many messages behind misses some", "Feeds",
     FIELD(queue), 0, UINT32_MAX, NULL, "none"},
    {"fault", 0, OPTION_LIST, "RULE", "such as wrong-leaf,at=12 or http-429,p=0.1,retry=2",
     "Faults", FIELD(faults), 0, 0, NULL, "none"},
    {"list-faults", 0, OPTION_FLAG, NULL, "name them", "Faults", FIELD(list_faults), 0, 0, NULL,
     NULL},
    {"help", 'h', OPTION_FLAG, NULL, "this text", "Help", FIELD(help), 0, 0, NULL, NULL},
    {0},
};

static int complain(const char *text) {
    fprintf(stderr, "bench-ctserver: %s\n", text);
    return EXIT_FAILURE;
}

/* --- Wishes --- */

static struct slice take_until(struct slice *rest, uint8_t separator) {
    const uint8_t *at = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
    struct slice part = at ? slice_first(*rest, (size_t)(at - rest->ptr)) : *rest;
    *rest = at ? slice_from(*rest, part.len + 1) : (struct slice){0};
    return part;
}

static bool parse_pair(struct slice pair, struct ctfarm_wish *wish) {
    struct slice key = take_until(&pair, '=');
    uint64_t number;
    if (slice_is(key, "kind"))
        return ctfarm_kind_find(pair, &wish->kind);
    if (slice_is(key, "names")) {
        char *names = strndup((const char *)pair.ptr, pair.len);
        for (char *plus = names; plus && (plus = strchr(plus, '+'));)
            *plus = ',';
        wish->names = names;
        return names && *names;
    }
    if (!slice_to_u64(pair, CTFARM_NO_PARTNER - 1, &number))
        return false;
    if (slice_is(key, "partner"))
        wish->partner = number;
    else if (slice_is(key, "key"))
        wish->same_key = number;
    else if (slice_is(key, "ca") && number < CTFARM_CA_COUNT)
        wish->ca = (int)number;
    else
        return false;
    return true;
}

static bool parse_wish(const char *text, struct ctfarm_wish *wish) {
    struct slice rest = slice_of(text), index = take_until(&rest, ':');
    struct slice type = take_until(&rest, ',');
    *wish =
        (struct ctfarm_wish){.partner = CTFARM_NO_PARTNER, .same_key = CTFARM_NO_PARTNER, .ca = -1};
    wish->precert = slice_is(type, "precert");
    bool good =
        slice_to_u64(index, UINT64_MAX, &wish->index) && (wish->precert || slice_is(type, "x509"));
    while (good && rest.len)
        good = parse_pair(take_until(&rest, ','), wish);
    return good;
}

static bool parse_wishes(const struct option_list *texts, struct ctfarm_wish *wishes) {
    for (uint32_t i = 0; i < texts->count; i++) {
        if (!parse_wish(texts->items[i], &wishes[i])) {
            fprintf(stderr, "bench-ctserver: wish %s cannot be understood\n", texts->items[i]);
            return false;
        }
    }
    return true;
}

static void free_wishes(struct ctfarm_wish *wishes, size_t count) {
    for (size_t i = 0; wishes && i < count; i++)
        free((void *)(uintptr_t)wishes[i].names);
    free(wishes);
}

/* --- Serving --- */

static bool write_file(const char *folder, const char *name, struct buffer *bytes) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    bool written = file && !bytes->failed && fwrite(bytes->ptr, 1, bytes->len, file) == bytes->len;
    bytes->len = 0;
    return file && fclose(file) == 0 && written;
}

static bool write_files(const struct ctfarm *farm, const char *folder) {
    struct buffer bytes;
    bool is_root;
    struct slice der;
    buffer_init(&bytes);
    buffer_add_slice(&bytes, ctfarm_list(farm));
    bool written = write_file(folder, "log_list.json", &bytes);
    ctfarm_sign_list(ctfarm_log(farm), ctfarm_list(farm), &bytes);
    written = write_file(folder, "log_list.sig", &bytes) && written;
    ctfarm_add_list_key(ctfarm_log(farm), &bytes);
    written = write_file(folder, "log_list.pem", &bytes) && written;
    ctfarm_add_ca_pem(farm, &bytes);
    written = write_file(folder, "ca.pem", &bytes) && written;
    for (uint32_t i = 0; (der = ctfarm_authority(ctfarm_log(farm), i, &is_root)).len; i++)
        ctfarm_add_pem(der, &bytes);
    written = write_file(folder, "authorities.pem", &bytes) && written;
    buffer_deinit(&bytes);
    return written;
}

static void describe(const struct ctfarm *farm, const struct ctfarm_options *options) {
    struct buffer out;
    buffer_init(&out);
    buffer_add_format(
        &out,
        "{\"port\":%u,\"url\":\"%s\",\"feed\":\"%s\",\"log_list\":\"%s/log_list.json\","
        "\"entries\":%llu,\"start\":%llu,\"origin\":\"%s\"",
        (unsigned)ctfarm_port(farm), ctfarm_url(farm), ctfarm_feed_url(farm), ctfarm_url(farm),
        (unsigned long long)options->log.entries, (unsigned long long)options->start,
        ctfarm_origin(farm));
    for (int side = 0; side < CTFARM_SIDES; side++) {
        buffer_add_format(&out, ",\"%s\":{\"url\":\"%s\",\"log_id\":\"",
                          side == CTFARM_STATIC ? "static" : "rfc6962",
                          ctfarm_log_url(farm, (enum ctfarm_side)side));
        text_add_base64(&out,
                        (struct slice){ctfarm_log_id(ctfarm_log(farm), (enum ctfarm_side)side),
                                       CTFARM_TREE_HASH});
        buffer_add_text(&out, "\",\"key\":\"");
        text_add_base64(&out, ctfarm_log_key(ctfarm_log(farm), (enum ctfarm_side)side));
        buffer_add_text(&out, "\"}");
    }
    printf("%.*s}\n", (int)out.len, (const char *)out.ptr);
    fflush(stdout);
    buffer_deinit(&out);
}

static int serve(const struct ctfarm_options *options, const char *folder) {
    struct ctfarm *farm;
    struct failure failure = {0};
    char line[256];
    if (ctfarm_start(&farm, options, &failure))
        return complain(failure.text);
    int status = EXIT_SUCCESS;
    if (folder && !write_files(farm, folder)) {
        status = complain("the files cannot be written");
    } else {
        describe(farm, options);
        while (fgets(line, sizeof line, stdin))
            continue;
    }
    ctfarm_stop(farm);
    return status;
}

static void take_settings(const struct settings *settings, struct ctfarm_options *options) {
    options->log.entries = settings->entries;
    options->log.seed = settings->seed;
    options->log.distinct = settings->distinct;
    options->log.first_ms = (int64_t)settings->time_ms;
    options->log.step_us = settings->step_us;
    options->log.signed_fully = settings->signed_fully;
    options->log.no_leaf_index = settings->no_leaf_index;
    options->log.rsa = settings->rsa;
    options->log.odd = (uint32_t)settings->odd;
    options->start = settings->start || settings->rate ? settings->start : settings->entries;
    options->rate = (double)settings->rate;
    options->port = (uint16_t)settings->port;
    options->tls = settings->tls;
    options->gzip = settings->gzip;
    options->page_max = (uint32_t)settings->page_max;
    options->head_every_ms = (uint32_t)settings->head_every_ms;
    options->dialect = (enum ctfarm_dialect)settings->dialect;
    options->tiled_feed = settings->tiled_feed;
    options->heartbeat_ms = (uint32_t)settings->heartbeat_ms;
    options->ping_ms = (uint32_t)settings->ping_ms;
    options->idle_ms = (uint32_t)settings->idle_ms;
    options->queue = (uint32_t)settings->queue;
    options->cache_bytes = settings->cache_bytes;
    options->warm_entries = settings->warm_entries;
    options->warm_tiles = settings->warm_tiles;
    options->warm_feed = settings->warm_feed;
    options->state = settings->state;
    options->faults = settings->faults.items;
    options->fault_count = settings->faults.count;
}

static int list(bool faults) {
    for (int i = 0; i < (faults ? (int)CTFARM_FAULT_COUNT : (int)CTFARM_KIND_COUNT); i++)
        printf("%-24s %s\n",
               faults ? ctfarm_fault_name((enum ctfarm_fault)i)
                      : ctfarm_kind_name((enum ctfarm_kind)i),
               faults ? ctfarm_fault_summary((enum ctfarm_fault)i)
                      : ctfarm_kind_summary((enum ctfarm_kind)i));
    return EXIT_SUCCESS;
}

static int help(const struct settings *settings) {
    struct buffer out;
    buffer_init(&out);
    option_help(OPTIONS, settings, 100, &out);
    fwrite(out.ptr, 1, out.len, stdout);
    buffer_deinit(&out);
    return EXIT_SUCCESS;
}

static int run(const struct settings *settings, struct ctfarm_options *options) {
    if (settings->help)
        return help(settings);
    if (settings->list_faults || settings->list_kinds)
        return list(settings->list_faults);
    size_t count = settings->wishes.count;
    struct ctfarm_wish *wishes = calloc(count + 1, sizeof *wishes);
    int status = EXIT_FAILURE;
    if (wishes && parse_wishes(&settings->wishes, wishes)) {
        take_settings(settings, options);
        options->log.wishes = wishes;
        options->log.wish_count = count;
        status = serve(options, settings->folder);
    }
    free_wishes(wishes, count);
    return status;
}

static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv) {
    struct ctfarm_options options;
    struct option_list words;
    struct failure failure = {0};
    int status;

    ctfarm_options_init(&options);
    struct settings settings = {
        .entries = options.log.entries,
        .seed = options.log.seed,
        .page_max = options.page_max,
        .head_every_ms = options.head_every_ms,
        .heartbeat_ms = options.heartbeat_ms,
        .ping_ms = options.ping_ms,
        .idle_ms = options.idle_ms,
        .cache_bytes = options.cache_bytes,
        .state = options.state,
    };
    option_list_init(&words);
    option_list_init(&settings.faults);
    option_list_init(&settings.wishes);
    raise_descriptor_limit();
    if (option_parse(OPTIONS, argc - 1, argv + 1, &settings, &words, &failure))
        status = complain(failure.text);
    else if (words.count)
        status = complain("there are options only");
    else
        status = run(&settings, &options);
    option_list_deinit(&words);
    option_list_deinit(&settings.faults);
    option_list_deinit(&settings.wishes);
    return status;
}
