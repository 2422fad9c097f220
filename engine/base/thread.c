#include "engine/base/thread.h"

#include <signal.h>

enum error thread_start(pthread_t *out, const char *name, void *(*run)(void *context),
                        void *context, struct failure *failure) {
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(out, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return failure_set(failure, (enum error)error, "the thread '%s' cannot be started: %s",
                           name, error_text((enum error)error));
    pthread_setname_np(*out, name);
    return ERROR_NONE;
}
