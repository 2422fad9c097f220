/* Any bytes as a message of a feed: what is read by hand is what the JSON parser reads, and slices
 * lie where they may. */
#include "engine/ct/feed_message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition)
        abort();
}

static void require_lists(struct slice_list a, struct slice_list b) {
    require(a.count == b.count);
    for (uint32_t i = 0; i < a.count; i++)
        require(slice_equal(a.items[i], b.items[i]));
}

static void require_names(const struct feed_name *a, const struct feed_name *b) {
    require(slice_equal(a->country, b->country) && slice_equal(a->common_name, b->common_name));
    require(slice_equal(a->locality, b->locality) && slice_equal(a->organization, b->organization));
    require(slice_equal(a->organizational_unit, b->organizational_unit));
    require(slice_equal(a->state, b->state) && slice_equal(a->email, b->email));
    require(slice_equal(a->aggregated, b->aggregated));
}

static void require_certificates(const struct feed_certificate *a,
                                 const struct feed_certificate *b) {
    require_lists(a->all_domains, b->all_domains);
    require(slice_equal(a->as_der, b->as_der) && slice_equal(a->serial, b->serial));
    require(slice_equal(a->signature_algorithm, b->signature_algorithm));
    require(a->has_sha1 == b->has_sha1 && memcmp(a->sha1, b->sha1, sizeof a->sha1) == 0);
    require(a->has_sha256 == b->has_sha256 && memcmp(a->sha256, b->sha256, sizeof a->sha256) == 0);
    require_names(&a->subject, &b->subject);
    require_names(&a->issuer, &b->issuer);
    require(a->has_not_before == b->has_not_before && a->not_before == b->not_before);
    require(a->has_not_after == b->has_not_after && a->not_after == b->not_after);
    require(a->has_is_ca == b->has_is_ca && a->is_ca == b->is_ca);
}

static void require_same(const struct feed_message *a, const struct feed_message *b) {
    require(a->type == b->type && a->update_type == b->update_type);
    require(a->has_cert_index == b->has_cert_index && a->cert_index == b->cert_index);
    require(slice_equal(a->cert_link, b->cert_link) && slice_equal(a->source_url, b->source_url));
    require(slice_equal(a->source_name, b->source_name));
    require(a->source_is_tiled == b->source_is_tiled);
    require(a->has_seen == b->has_seen && a->seen_ms == b->seen_ms);
    require_lists(a->chain, b->chain);
    require_certificates(&a->leaf, &b->leaf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = {data, size};
    struct feed_message quick, any, out;
    struct arena arena;

    require(arena_init(&arena, 1024));
    enum feed_message_result quick_result = feed_message_parse_quick(text, &arena, &quick);
    enum feed_message_result any_result = feed_message_parse_any(text, &arena, &any);
    if (quick_result != FEED_MESSAGE_NOT_JSON) {
        require(quick_result == any_result);
        require_same(&quick, &any);
    }
    require(feed_message_parse(text, &arena, &out) == any_result);
    require_same(&out, &any);
    arena_deinit(&arena);
    return 0;
}
