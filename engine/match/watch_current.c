#include "engine/match/watch_internal.h"

#include <pthread.h>
#include <stdlib.h>

struct watch_current {
    _Atomic uint64_t generation; /* counts the lists; from 1 */
    pthread_mutex_t lock;        /* over `list` */
    struct watch_list *list;
};

struct watch_current *watch_current_new(struct watch_list *list) {
    struct watch_current *current = calloc(1, sizeof *current);
    if (!current) {
        watch_list_put(list);
        return NULL;
    }
    pthread_mutex_init(&current->lock, NULL);
    current->list = list;
    current->generation = 1;
    return current;
}

void watch_current_free(struct watch_current *current) {
    if (!current)
        return;
    watch_list_put(current->list);
    pthread_mutex_destroy(&current->lock);
    free(current);
}

void watch_current_set(struct watch_current *current, struct watch_list *list) {
    pthread_mutex_lock(&current->lock);
    struct watch_list *old = current->list;
    current->list = list;
    atomic_fetch_add_explicit(&current->generation, 1, memory_order_release);
    pthread_mutex_unlock(&current->lock);
    watch_list_put(old);
}

struct watch_list *watch_reader_list(struct watch_reader *reader, struct watch_current *current) {
    if (atomic_load_explicit(&current->generation, memory_order_acquire) == reader->generation)
        return reader->list;
    struct watch_list *old = reader->list;
    pthread_mutex_lock(&current->lock);
    reader->generation = atomic_load_explicit(&current->generation, memory_order_relaxed);
    reader->list = watch_list_get(current->list);
    pthread_mutex_unlock(&current->lock);
    watch_list_put(old);
    return reader->list;
}

void watch_reader_deinit(struct watch_reader *reader) {
    watch_list_put(reader->list);
    *reader = (struct watch_reader){0};
}
