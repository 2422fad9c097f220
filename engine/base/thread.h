/* Threads of the program. All of them are started with every signal blocked but those of a fault,
 * which end the program where they are raised, and are reported: others are for the main thread,
 * and a blocking call of another thread must not be cut short by one. */
#ifndef ENGINE_BASE_THREAD_H
#define ENGINE_BASE_THREAD_H

#include "engine/base/error.h"

#include <pthread.h>
#include <signal.h>

/* For the calling thread, and threads that it starts. */
void thread_block_signals(sigset_t *before);

/* `name` shows in the system's tools; at most 15 characters. The failure says what could not be
 * started, and why. */
enum error thread_start(pthread_t *out, const char *name, void *(*run)(void *context),
                        void *context, struct failure *failure) __attribute__((warn_unused_result));

#endif
