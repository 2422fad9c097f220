/* What can go wrong on our side. What a peer does is an outcome (engine/record/outcome.h), never an
 * error.
 *
 * Hot paths return `enum error` alone. Set-up, input and sinks, whose errors a person will read,
 * also fill a `struct failure` with a sentence that names the cause and the cure. Functions that
 * return an error do not log it. */
#ifndef ENGINE_BASE_ERROR_H
#define ENGINE_BASE_ERROR_H

enum error {
    ERROR_NONE = 0,
    /* 1 to 4095: errno values, as they are */
    ERROR_USAGE = 5000, /* the caller's words are off: option, target, file name */
    ERROR_INPUT,        /* the content of a file or stream is not what it should be */
    ERROR_LIMIT,        /* a limit of engine/base/limits.h or of the machine is reached */
    ERROR_UNSUPPORTED,  /* this kernel or this build cannot do it */
    ERROR_MEMORY,       /* no memory */
    ERROR_STOPPED,      /* asked to stop while waiting */
    ERROR_GONE,         /* the reader of our output went away; nothing to report */
    ERROR_REFUSED,      /* the other side does not want it, and never will */
    ERROR_INTERNAL,     /* a library failed where it never should */
};

enum { FAILURE_TEXT_MAX = 512 };

struct failure {
    enum error code;
    char text[FAILURE_TEXT_MAX]; /* one sentence, no newline; cut when too long */
};

/* A short name for a code: strerror's words for errno values. */
const char *error_text(enum error code);

/* Fills `failure` (which may be NULL) and returns `code`, so that callers can write `return
 * failure_set(...)`. */
enum error failure_set(struct failure *failure, enum error code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
