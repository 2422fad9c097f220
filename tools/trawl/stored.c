#include "tools/trawl/stored.h"

#include "engine/base/option.h"
#include "engine/base/quote.h"
#include "sinks/store/record_view.h"
#include "sinks/store/schema.h"

#include <stdio.h>
#include <stdlib.h>

enum { PATIENCE_MS = 120000 };

enum error stored_open(struct database **out, const char *given, const char *application,
                       struct failure *failure) {
    const char *named = given ? given : getenv("TRAWL_STORE");
    struct database_config config = {
        .application = application, .patience_ms = PATIENCE_MS, .existing = true};
    char *url;

    *out = NULL;
    if (named && !*named)
        named = NULL;
    const char *store = named ? named : STORED_USUAL;
    if (asprintf(&url, "%s%s", database_takes(slice_of(store)) ? "" : "sqlite:", store) < 0)
        return failure_set(failure, ERROR_MEMORY, "no memory for the name of the store");
    config.url = url;
    enum error error = database_open(out, &config, failure);
    free(url);
    if (error && !named) {
        struct failure why = *failure;
        return failure_set(failure, error,
                           "%.300s; --store names a store, and `trawl scan ... -o sqlite:trawl.db` "
                           "makes this one",
                           why.text);
    }
    return error ? error : migrations_check(*out, &store_schema, failure);
}

enum error when_read(const char *option, const char *text, int64_t now_ms, int64_t *out,
                     struct failure *failure) {
    static const struct option_spec ago = {.name = "", .kind = OPTION_SECONDS};
    char day[32];
    uint64_t ms;

    snprintf(day, sizeof day, "%.10sT00:00:00Z", text);
    if (text_to_time_ms(slice_of(text), out) ||
        (strlen(text) == strlen("2026-11-01") && text_to_time_ms(slice_of(day), out)))
        return ERROR_NONE;
    if (option_set(&ago, option, text, &ms, NULL) != ERROR_NONE || ms > (uint64_t)now_ms)
        return failure_set(failure, ERROR_USAGE,
                           "%s wants a day (2026-11-01), a time (2026-11-01T12:00:00Z) or how long "
                           "ago (7d), not %s",
                           option, quote_of(slice_of(text)).text);
    *out = now_ms - (int64_t)ms;
    return ERROR_NONE;
}
