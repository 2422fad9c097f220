#include "engine/base/thread.h"

void thread_block_signals(sigset_t *before) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    sigset_t others;

    sigfillset(&others);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&others, faults[i]);
    pthread_sigmask(SIG_SETMASK, &others, before);
}

enum error thread_start(pthread_t *out, const char *name, void *(*run)(void *context),
                        void *context, struct failure *failure) {
    sigset_t before;

    thread_block_signals(&before);
    int error = pthread_create(out, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return failure_set(failure, (enum error)error, "the thread '%s' cannot be started: %s",
                           name, error_text((enum error)error));
    pthread_setname_np(*out, name);
    return ERROR_NONE;
}
