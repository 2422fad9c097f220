/* Buckets of JetStream's key-value store. On the thread of the link, which waits; each call is
 * repeated through an election, as nats_link_call. ENOTCONN: it may have been done all the same, or
 * be done soon. */
#ifndef ENGINE_NATS_KV_H
#define ENGINE_NATS_KV_H

#include "engine/base/buffer.h"
#include "engine/nats/link.h"

enum {
    NATS_BUCKET_MAX = 64, /* letters, digits, "-" and "_" */
    NATS_KEY_MAX = 128,   /* the same, and dots between them */
};

struct nats_kv;

struct nats_kv_wish {
    const char *bucket;
    uint64_t replicas;        /* 0 for 1; this and the next two only when it is made */
    uint64_t max_value_bytes; /* 0 for the server's bound */
    uint64_t max_age_ms;      /* of a value; 0 for ever */
};

/* Finds or makes the bucket. */
enum error nats_kv_open(struct nats_kv **out, struct nats_link *link,
                        const struct nats_kv_wish *wish, struct failure *failure)
    __attribute__((warn_unused_result));
/* NULL is fine. */
void nats_kv_close(struct nats_kv *kv);

/* Appends the value. ENOENT: there is no such key, or it was deleted. */
enum error nats_kv_get(struct nats_kv *kv, const char *key, struct buffer *value,
                       uint64_t *revision, struct failure *failure)
    __attribute__((warn_unused_result));

enum error nats_kv_put(struct nats_kv *kv, const char *key, struct slice value,
                       struct failure *failure) __attribute__((warn_unused_result));

/* Compare and swap: only while the key's revision is *revision (0: there is no such key, or it was
 * deleted), which becomes the new one. EEXIST: somebody was sooner. An attempt whose answer was
 * lost in an election is told from somebody else's, unless that has replaced it in the meantime:
 * then it is EEXIST, too. */
enum error nats_kv_swap(struct nats_kv *kv, const char *key, struct slice value, uint64_t *revision,
                        struct failure *failure) __attribute__((warn_unused_result));

/* Leaves nothing behind. `revision` 0: whatever is there. EEXIST as above. */
enum error nats_kv_delete(struct nats_kv *kv, const char *key, uint64_t revision,
                          struct failure *failure) __attribute__((warn_unused_result));

/* All keys that begin with `prefix` and a dot. */
enum error nats_kv_delete_below(struct nats_kv *kv, const char *prefix, struct failure *failure)
    __attribute__((warn_unused_result));

/* Another whenever any key has another value, or is gone. */
struct nats_kv_version {
    uint64_t written, there;
};
enum error nats_kv_version(struct nats_kv *kv, struct nats_kv_version *out, struct failure *failure)
    __attribute__((warn_unused_result));

/* A key of a bucket that is not open; one that is not there is fine. */
enum error nats_kv_delete_in(struct nats_link *link, const char *bucket, const char *key,
                             struct failure *failure) __attribute__((warn_unused_result));

/* Calls `each` for every key, in no order; one that was deleted just now may be among them. */
enum error nats_kv_keys(struct nats_kv *kv, void (*each)(void *owner, const char *key), void *owner,
                        struct failure *failure) __attribute__((warn_unused_result));

#endif
