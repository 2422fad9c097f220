#include "engine/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *error_text(enum error code) {
    switch (code) {
    case ERROR_NONE:
        return "no error";
    case ERROR_USAGE:
        return "wrong usage";
    case ERROR_INPUT:
        return "bad input";
    case ERROR_LIMIT:
        return "limit reached";
    case ERROR_UNSUPPORTED:
        return "not supported here";
    case ERROR_MEMORY:
        return "out of memory";
    case ERROR_STOPPED:
        return "stopped";
    case ERROR_GONE:
        return "reader went away";
    case ERROR_REFUSED:
        return "refused by the other side";
    case ERROR_INTERNAL:
        return "internal error";
    }
    const char *description = strerrordesc_np((int)code);
    return description ? description : "unknown error";
}

enum error failure_set(struct failure *failure, enum error code, const char *format, ...) {
    if (failure) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(failure->text, sizeof failure->text, format, arguments);
        va_end(arguments);
        failure->code = code;
    }
    return code;
}
