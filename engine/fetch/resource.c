#include "engine/fetch/resource.h"

#include "engine/base/limits.h"

#include <stdlib.h>

enum {
    BUCKETS = 4096,
    RESOURCES_MAX = 16384, /* most of them issuers and failures, of 2 KB */
};

/* Under a constant basis (FNV-1a): who aims at one bucket slows down a table that holds no more
 * than RESOURCES_MAX. */
static uint32_t hash_of(enum fetch_kind kind, struct slice url) {
    uint32_t hash = 2166136261u ^ (uint32_t)kind;

    for (size_t i = 0; i < url.len; i++)
        hash = (hash ^ url.ptr[i]) * 16777619u;
    return hash;
}

bool known_crl_is_signed_by(struct known_crl *known, const struct certificate *issuer) {
    struct known_signer asked;

    certificate_sha256(issuer->der, asked.sha256);
    for (uint32_t i = 0; i < known->signer_count && i < SIGNERS_KNOWN; i++)
        if (memcmp(known->signers[i].sha256, asked.sha256, sizeof asked.sha256) == 0)
            return known->signers[i].is_signed;
    asked.is_signed = crl_is_signed_by(known->crl, issuer);
    known->signers[known->signer_count++ % SIGNERS_KNOWN] = asked;
    return asked.is_signed;
}

static void resource_free(struct resource *resource) {
    buffer_deinit(&resource->issuers);
    crl_free(resource->crl.crl);
    free(resource);
}

bool resources_init(struct resources *resources) {
    *resources = (struct resources){.buckets = calloc(BUCKETS, sizeof(struct resource *))};
    return resources->buckets != NULL;
}

void resources_deinit(struct resources *resources) {
    for (size_t i = 0; resources->buckets && i < BUCKETS; i++)
        while (resources->buckets[i]) {
            struct resource *resource = resources->buckets[i];
            resources->buckets[i] = resource->next;
            resource_free(resource);
        }
    free(resources->buckets);
}

/* --- By use --- */

static void unlink_used(struct resources *resources, struct resource *resource) {
    *(resource->newer ? &resource->newer->older : &resources->newest) = resource->older;
    *(resource->older ? &resource->older->newer : &resources->oldest) = resource->newer;
}

static void link_newest(struct resources *resources, struct resource *resource) {
    resource->newer = NULL;
    resource->older = resources->newest;
    *(resource->older ? &resource->older->newer : &resources->oldest) = resource;
    resources->newest = resource;
}

static void drop(struct resources *resources, struct resource *resource) {
    struct resource **at = &resources->buckets[resource->hash % BUCKETS];

    while (*at != resource)
        at = &(*at)->next;
    *at = resource->next;
    unlink_used(resources, resource);
    resources->count--;
    resources->memory_bytes -= resource->memory_bytes;
    resource_free(resource);
}

/* --- By URL --- */

struct resource *resources_find(struct resources *resources, enum fetch_kind kind, struct slice url,
                                uint64_t now_ns) {
    uint32_t hash = hash_of(kind, url);
    struct resource *resource = resources->buckets[hash % BUCKETS];

    while (resource &&
           (resource->hash != hash || resource->kind != kind || !slice_is(url, resource->url)))
        resource = resource->next;
    if (!resource || resource->state != RESOURCE_READY)
        return resource;
    if (now_ns >= resource->expires_ns) {
        drop(resources, resource);
        return NULL;
    }
    unlink_used(resources, resource);
    link_newest(resources, resource);
    return resource;
}

struct resource *resources_add(struct resources *resources, enum fetch_kind kind,
                               struct slice url) {
    struct resource *resource = calloc(1, sizeof *resource + url.len + 1);

    if (!resource)
        return NULL;
    resource->kind = (uint8_t)kind;
    resource->state = RESOURCE_QUEUED;
    resource->hash = hash_of(kind, url);
    memcpy(resource->url, url.ptr, url.len);
    resource->memory_bytes = sizeof *resource + url.len + 1;
    resource->next = resources->buckets[resource->hash % BUCKETS];
    resources->buckets[resource->hash % BUCKETS] = resource;
    resources->count++;
    resources->memory_bytes += resource->memory_bytes;
    return resource;
}

void resources_ready(struct resources *resources, struct resource *resource, uint64_t expires_ns) {
    size_t more =
        resource->issuers.capacity + (resource->crl.crl ? resource->crl.crl->memory_bytes : 0);

    resource->state = RESOURCE_READY;
    resource->expires_ns = expires_ns;
    resource->memory_bytes += more;
    resources->memory_bytes += more;
    link_newest(resources, resource);
    while (resources->oldest != resource &&
           (resources->memory_bytes > LIMIT_CRLS_BYTES || resources->count > RESOURCES_MAX))
        drop(resources, resources->oldest);
}

/* --- Who waits --- */

struct fetch_question *resources_take_waiting(struct resources *resources,
                                              const struct mailbox *asker) {
    struct fetch_question *taken = NULL;

    for (size_t i = 0; i < BUCKETS; i++)
        for (struct resource *r = resources->buckets[i]; r; r = r->next)
            for (struct fetch_question **at = &r->waiting; *at;) {
                struct fetch_question *question = *at;
                if (question->asker != asker) {
                    at = &question->next;
                    continue;
                }
                *at = question->next;
                question->next = taken;
                taken = question;
            }
    return taken;
}
