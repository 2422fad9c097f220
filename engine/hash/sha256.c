#include "engine/base/cpu.h"
#include "engine/hash/sha256_backends.h"

#include <openssl/sha.h>

void sha256_plain_many(const struct sha256_job *jobs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        SHA256_CTX context;
        SHA256_Init(&context);
        SHA256_Update(&context, jobs[i].prefix, jobs[i].prefix_len);
        SHA256_Update(&context, jobs[i].message.ptr, jobs[i].message.len);
        SHA256_Final(jobs[i].out, &context);
    }
}

void sha256_plain_nodes(const uint8_t *children, size_t count, uint8_t *nodes) {
    for (size_t i = 0; i < count; i++) {
        uint8_t input[1 + 2 * SHA256_BYTES] = {1};
        memcpy(input + 1, children + i * 2 * SHA256_BYTES, 2 * SHA256_BYTES);
        SHA256(input, sizeof input, nodes + i * SHA256_BYTES);
    }
}

static const struct sha256_backend PLAIN = {"plain", sha256_plain_many, sha256_plain_nodes};

#if defined(__x86_64__)

static void shani_many(const struct sha256_job *jobs, size_t count) {
    sha256_lanes_many(&sha256_kernel_shani, jobs, count);
}

static void shani_nodes(const uint8_t *children, size_t count, uint8_t *nodes) {
    sha256_lanes_nodes(&sha256_kernel_shani, children, count, nodes);
}

static void avx512_many(const struct sha256_job *jobs, size_t count) {
    sha256_lanes_many(&sha256_kernel_avx512, jobs, count);
}

static void avx512_nodes(const uint8_t *children, size_t count, uint8_t *nodes) {
    sha256_lanes_nodes(&sha256_kernel_avx512, children, count, nodes);
}

static const struct sha256_backend SHANI = {"sha-ni", shani_many, shani_nodes};
static const struct sha256_backend AVX512 = {"avx512", avx512_many, avx512_nodes};

/* Those that this processor has, the fastest last, after the plain one. */
const struct sha256_backend *sha256_backend_at(uint32_t index) {
    const struct sha256_backend *have[4] = {&PLAIN};
    const struct cpu *cpu = cpu_get();
    uint32_t count = 1;

    if (cpu->sha)
        have[count++] = &SHANI;
    if (cpu->avx512)
        have[count++] = &AVX512;
    return index < count ? have[index] : NULL;
}

const struct sha256_backend *sha256_backend_best(void) {
    const struct cpu *cpu = cpu_get();
    return cpu->avx512 ? &AVX512 : cpu->sha ? &SHANI : &PLAIN;
}

#else

const struct sha256_backend *sha256_backend_at(uint32_t index) {
    return index == 0 ? &PLAIN : NULL;
}

const struct sha256_backend *sha256_backend_best(void) {
    return &PLAIN;
}

#endif

void sha256_one(struct slice message, uint8_t out[SHA256_BYTES]) {
    SHA256(message.ptr, message.len, out);
}
