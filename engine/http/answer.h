/* What a server's header lines and libcurl's end of a request mean, in our words. Part of client.c;
 * nobody else needs it. */
#ifndef ENGINE_HTTP_ANSWER_H
#define ENGINE_HTTP_ANSWER_H

#include "engine/http/client.h"

#include <curl/curl.h>

/* One line as libcurl hands it over. A status line begins anew: what the answer before a redirect
 * said is gone. */
void answer_take_header(struct http_answer *answer, struct slice line);

struct answer_end {
    CURLcode code;    /* but CURLE_OK */
    int system_error; /* errno, or 0 */
    bool refused;     /* an address was not allowed */
    bool too_long;    /* the body, or the header lines */
    bool no_memory;
    const char *words; /* libcurl's, or "" */
};

/* Sets `error` and `message`, which lives as long as `end->words`. */
void answer_fail(struct http_answer *answer, const struct answer_end *end);

#endif
