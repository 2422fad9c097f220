#include "engine/io/io.h"

const struct io_backend *const io_backends[] = {
    &io_uring_backend,
    &io_epoll_backend,
    NULL,
};

static void ignore(void *owner, const struct io_event *event) {
    (void)owner;
    (void)event;
}

/* Steps, too: a filter of system calls may forbid one and allow the other. */
static enum error try(const struct io_backend *backend, struct failure *failure) {
    struct io_config config = {.sockets = 1, .watches = 1, .receives = 1, .handle = ignore};
    struct io *io;
    enum error error = io_open(&io, backend, &config, failure);

    if (error)
        return error;
    error = io_step(io, 0);
    io_close(io);
    if (error)
        return failure_set(failure, error, "%s does not work here: %s", backend->name,
                           error_text(error));
    return ERROR_NONE;
}

const struct io_backend *io_backend_choose(struct failure *why) {
    why->code = ERROR_NONE;
    why->text[0] = '\0';
    for (const struct io_backend *const *backend = io_backends; *backend; backend++) {
        struct failure failure;
        if (try(*backend, &failure) == ERROR_NONE)
            return *backend;
        if (why->code == ERROR_NONE)
            *why = failure;
    }
    return NULL;
}
