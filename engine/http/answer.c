#include "engine/http/answer.h"

#include <errno.h>
#include <time.h>

/* A server's wish to be left alone for longer than a year means no more than a year. */
static const int64_t RETRY_AFTER_MAX_S = 366 * 86400;

/* Empty rather than cut: half an ETag would never match. */
static void copy_value(char *out, size_t size, struct slice value) {
    size_t len = value.len < size && !memchr(value.ptr, 0, value.len) ? value.len : 0;

    memcpy(out, value.ptr, len);
    out[len] = 0;
}

/* RFC 9110 10.2.3: seconds, or a date. */
static int64_t retry_after_ms(struct slice value) {
    char date[64];
    uint64_t seconds;

    if (value.len && value.ptr[0] >= '0' && value.ptr[0] <= '9')
        return slice_to_u64(value, (uint64_t)RETRY_AFTER_MAX_S, &seconds) ? (int64_t)seconds * 1000
                                                                          : -1;
    copy_value(date, sizeof date, value);
    time_t at = date[0] ? curl_getdate(date, NULL) : -1, now = time(NULL);
    if (at < 0)
        return -1;
    int64_t wait_s = (int64_t)at - (int64_t)now;
    if (wait_s > RETRY_AFTER_MAX_S)
        wait_s = RETRY_AFTER_MAX_S;
    return wait_s > 0 ? wait_s * 1000 : 0;
}

void answer_take_header(struct http_answer *answer, struct slice line) {
    const uint8_t *colon = memchr(line.ptr, ':', line.len);

    if (line.len >= 5 && memcmp(line.ptr, "HTTP/", 5) == 0) {
        answer->etag[0] = answer->last_modified[0] = answer->content_type[0] = 0;
        answer->retry_after_ms = -1;
        return;
    }
    if (!colon)
        return;
    struct slice name = {line.ptr, (size_t)(colon - line.ptr)};
    struct slice value = slice_trim(slice_from(line, name.len + 1));
    if (!value.len)
        return;
    if (slice_equal_nocase(name, slice_of("etag")))
        copy_value(answer->etag, sizeof answer->etag, value);
    else if (slice_equal_nocase(name, slice_of("last-modified")))
        copy_value(answer->last_modified, sizeof answer->last_modified, value);
    else if (slice_equal_nocase(name, slice_of("content-type")))
        copy_value(answer->content_type, sizeof answer->content_type, value);
    else if (slice_equal_nocase(name, slice_of("retry-after")))
        answer->retry_after_ms = retry_after_ms(value);
}

struct meaning {
    enum error error;
    const char *message; /* NULL: what libcurl says */
};

enum { CODE_TOO_LARGE = 100 }; /* CURLE_TOO_LARGE of libcurl 8.6 and later */

static struct meaning meaning_of(const struct answer_end *end) {
    if (end->no_memory)
        return (struct meaning){ERROR_MEMORY, "out of memory"};
    if (end->too_long || (int)end->code == CODE_TOO_LARGE)
        return (struct meaning){ERROR_LIMIT, "the answer is too long"};
    switch (end->code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return (struct meaning){(enum error)EHOSTUNREACH, "no address for the host"};
    case CURLE_COULDNT_CONNECT:
        if (end->refused)
            return (struct meaning){(enum error)EACCES, "the address is not allowed"};
        if (end->system_error)
            return (struct meaning){(enum error)end->system_error,
                                    error_text((enum error)end->system_error)};
        return (struct meaning){(enum error)ECONNREFUSED, NULL};
    case CURLE_OPERATION_TIMEDOUT:
        return (struct meaning){(enum error)ETIMEDOUT, "timed out"};
    case CURLE_FILESIZE_EXCEEDED:
        return (struct meaning){ERROR_LIMIT, "the answer is too long"};
    case CURLE_TOO_MANY_REDIRECTS:
        return (struct meaning){ERROR_LIMIT, "too many redirects"};
    case CURLE_UNSUPPORTED_PROTOCOL:
        return (struct meaning){ERROR_UNSUPPORTED, NULL};
    case CURLE_OUT_OF_MEMORY:
        return (struct meaning){ERROR_MEMORY, "out of memory"};
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return (struct meaning){(enum error)ECONNRESET, "the connection ended too early"};
    default:
        return (struct meaning){(enum error)EPROTO, NULL};
    }
}

void answer_fail(struct http_answer *answer, const struct answer_end *end) {
    struct meaning meaning = meaning_of(end);

    answer->error = meaning.error;
    answer->message = meaning.message ? meaning.message
                      : end->words[0] ? end->words
                                      : curl_easy_strerror(end->code);
}
