/* Bounded lock-free rings over Concurrency Kit, typed by macro: RING_DEFINE(target) makes `struct
 * target_ring` with functions for values of `struct target`, which are copied in and out.
 *
 * Flavours by the push and pop that are used: *_push is for one producer, with *_pop_one for one
 * consumer or *_pop_shared for several; *_push_any and *_pop_any are for several of both. Nothing
 * here blocks; waiting is the matter of wake.h.
 *
 * A ring of capacity n (a power of two) holds n - 1 values. */
#ifndef ENGINE_QUEUE_RING_H
#define ENGINE_QUEUE_RING_H

#include <ck_ring.h>
#include <stdbool.h>
#include <stdlib.h>

/* Concurrency Kit orders memory with inline assembly, which ThreadSanitizer cannot see: tell it
 * that a pop happens after the push of the same value. */
#if defined(__SANITIZE_THREAD__)
#define RING_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RING_TSAN 1
#endif
#endif
#ifdef RING_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#define RING_BEGIN(ring)                                                                           \
    (__tsan_release(ring), AnnotateIgnoreReadsBegin(__FILE__, __LINE__),                           \
     AnnotateIgnoreWritesBegin(__FILE__, __LINE__))
#define RING_END(ring)                                                                             \
    (AnnotateIgnoreWritesEnd(__FILE__, __LINE__), AnnotateIgnoreReadsEnd(__FILE__, __LINE__),      \
     __tsan_acquire(ring))
#else
#define RING_BEGIN(ring) ((void)(ring))
#define RING_END(ring)   ((void)(ring))
#endif

#define RING_DEFINE(type)                                                                          \
    CK_RING_PROTOTYPE(type, type)                                                                  \
                                                                                                   \
    struct type##_ring {                                                                           \
        struct ck_ring ring;                                                                       \
        struct type *slots;                                                                        \
    };                                                                                             \
                                                                                                   \
    /* `capacity`: a power of two, at least 4. False when there is no memory. */                   \
    static inline bool type##_ring_init(struct type##_ring *ring, unsigned capacity) {             \
        ck_ring_init(&ring->ring, capacity);                                                       \
        ring->slots = calloc(capacity, sizeof *ring->slots);                                       \
        return ring->slots != NULL;                                                                \
    }                                                                                              \
                                                                                                   \
    static inline void type##_ring_deinit(struct type##_ring *ring) {                              \
        free(ring->slots);                                                                         \
        ring->slots = NULL;                                                                        \
    }                                                                                              \
                                                                                                   \
    /* False when the ring is full. */                                                             \
    static inline __attribute__((unused)) bool type##_ring_push(struct type##_ring *ring,          \
                                                                struct type *value) {              \
        RING_BEGIN(ring);                                                                          \
        bool pushed = ck_ring_enqueue_spmc_##type(&ring->ring, ring->slots, value);                \
        RING_END(ring);                                                                            \
        return pushed;                                                                             \
    }                                                                                              \
                                                                                                   \
    /* False when the ring is empty. */                                                            \
    static inline __attribute__((unused)) bool type##_ring_pop_one(struct type##_ring *ring,       \
                                                                   struct type *out) {             \
        RING_BEGIN(ring);                                                                          \
        bool popped = ck_ring_dequeue_spsc_##type(&ring->ring, ring->slots, out);                  \
        RING_END(ring);                                                                            \
        return popped;                                                                             \
    }                                                                                              \
                                                                                                   \
    static inline __attribute__((unused)) bool type##_ring_pop_shared(struct type##_ring *ring,    \
                                                                      struct type *out) {          \
        RING_BEGIN(ring);                                                                          \
        bool popped = ck_ring_dequeue_spmc_##type(&ring->ring, ring->slots, out);                  \
        RING_END(ring);                                                                            \
        return popped;                                                                             \
    }                                                                                              \
                                                                                                   \
    /* For several producers; at the other side stands *_pop_any. */                               \
    static inline __attribute__((unused)) bool type##_ring_push_any(struct type##_ring *ring,      \
                                                                    struct type *value) {          \
        RING_BEGIN(ring);                                                                          \
        bool pushed = ck_ring_enqueue_mpmc_##type(&ring->ring, ring->slots, value);                \
        RING_END(ring);                                                                            \
        return pushed;                                                                             \
    }                                                                                              \
                                                                                                   \
    static inline __attribute__((unused)) bool type##_ring_pop_any(struct type##_ring *ring,       \
                                                                   struct type *out) {             \
        RING_BEGIN(ring);                                                                          \
        bool popped = ck_ring_dequeue_mpmc_##type(&ring->ring, ring->slots, out);                  \
        RING_END(ring);                                                                            \
        return popped;                                                                             \
    }                                                                                              \
                                                                                                   \
    /* How many values wait in it; out of date as soon as it is read. */                           \
    static inline                                                                                  \
        __attribute__((unused)) unsigned type##_ring_size(const struct type##_ring *ring) {        \
        return ck_ring_size(&ring->ring);                                                          \
    }

#endif
