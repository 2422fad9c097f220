/* What is true about an entry, from what it was made of. */
#include "bench/ctfarm/ctfarm_entry.h"
#include "bench/ctfarm/ctfarm_json.h"

#include <openssl/sha.h>

static void add_sha256(struct buffer *out, const char *key, struct slice bytes) {
    uint8_t hash[SHA256_DIGEST_LENGTH];
    SHA256(bytes.ptr, bytes.len, hash);
    buffer_add_text(out, key);
    ctfarm_json_hex(out, (struct slice){hash, sizeof hash});
}

static void add_leaf_hash(struct buffer *out, struct slice leaf) {
    uint8_t hash[SHA256_DIGEST_LENGTH];
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, "", 1);
    SHA256_Update(&context, leaf.ptr, leaf.len);
    SHA256_Final(hash, &context);
    buffer_add_text(out, ",\"leaf_hash\":");
    ctfarm_json_hex(out, (struct slice){hash, sizeof hash});
}

static void add_names(struct buffer *out, const char *key, const struct slice *names,
                      uint32_t count) {
    buffer_add_text(out, key);
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buffer_add_byte(out, ',');
        ctfarm_json_bytes(out, names[i]);
    }
    buffer_add_byte(out, ']');
}

static void add_issuance(struct buffer *out, const struct ctfarm_entry *entry) {
    const struct ctfarm_issuance *issuance = &entry->issuance;
    add_sha256(out, ",\"tbs_sha256\":", entry->tbs);
    add_sha256(out, ",\"spki_sha256\":", issuance->spki);
    buffer_add_format(out, ",\"key\":\"%s\",\"serial\":", ctfarm_key_name(issuance->key_type));
    ctfarm_json_hex(out, issuance->serial);
    if (issuance->kind == CTFARM_BAD_DATES)
        buffer_add_text(out, ",\"not_before\":null,\"not_after\":null");
    else
        buffer_add_format(out, ",\"not_before\":%lld,\"not_after\":%lld",
                          (long long)issuance->not_before, (long long)issuance->not_after);
    buffer_add_text(out, ",\"issuer_cn\":");
    ctfarm_json_bytes(out, slice_of(issuance->ca->name));
    buffer_add_text(out, ",\"issuer_key_hash\":");
    ctfarm_json_hex(out, (struct slice){issuance->ca->signer.spki_sha256, CTFARM_HASH_BYTES});
    buffer_add_text(out, ",\"organization\":");
    if (issuance->organisation)
        ctfarm_json_bytes(out, slice_of(issuance->organisation));
    else
        buffer_add_text(out, "null");
    add_names(out, ",\"common_names\":[", issuance->common_names, issuance->common_name_count);
    add_names(out, ",\"names\":[", issuance->names,
              issuance->kind == CTFARM_NO_SAN ? 0 : issuance->name_count);
    buffer_add_text(out, ",\"chain\":[");
    for (uint32_t i = 0; i < entry->chain_count; i++) {
        if (i)
            buffer_add_byte(out, ',');
        ctfarm_json_hex(out, (struct slice){entry->chain[i]->fingerprint, CTFARM_HASH_BYTES});
    }
    buffer_add_byte(out, ']');
}

static bool is_bound(const struct ctfarm_entry *entry) {
    return !entry->precert ||
           (entry->issuance.kind != CTFARM_UNBOUND && entry->issuance.kind != CTFARM_NO_POISON);
}

void ctfarm_entry_add_truth(const struct ctfarm_entry *entry, struct buffer *out) {
    uint8_t sha1[SHA_DIGEST_LENGTH];
    bool parsable = ctfarm_entry_is_parsable(entry);
    SHA1(entry->certificate.ptr, entry->certificate.len, sha1);
    buffer_add_format(out,
                      "{\"index\":%llu,\"type\":\"%s\",\"kind\":\"%s\",\"timestamp\":%lld,"
                      "\"issuance\":%llu,\"parsable\":%s,\"bound\":%s",
                      (unsigned long long)entry->index, entry->precert ? "precert" : "x509",
                      ctfarm_kind_name(entry->issuance.kind), (long long)entry->timestamp_ms,
                      (unsigned long long)entry->issuance.id, parsable ? "true" : "false",
                      is_bound(entry) ? "true" : "false");
    add_leaf_hash(out, entry->leaf);
    add_sha256(out, ",\"fingerprint_sha256\":", entry->certificate);
    buffer_add_text(out, ",\"fingerprint_sha1\":");
    ctfarm_json_hex(out, (struct slice){sha1, sizeof sha1});
    if (parsable)
        add_issuance(out, entry);
    buffer_add_text(out, "}\n");
}
