#include "engine/base/cpu.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <pthread.h>
#include <stdint.h>

static struct cpu found;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Not every compiler that we support knows SHA-NI by name. It uses SSE registers only, which the
 * kernel always keeps. */
static bool has_sha(void) {
    enum { LEAF = 7, EBX_SHA = 1 << 29 };
    uint32_t eax, ebx, ecx, edx;
    return __get_cpuid_count(LEAF, 0, &eax, &ebx, &ecx, &edx) && (ebx & EBX_SHA);
}

/* The compiler's functions also ask whether the kernel keeps the wide registers. */
static void find(void) {
    __builtin_cpu_init();
    found.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                 __builtin_cpu_supports("bmi2");
    found.sha = has_sha() && __builtin_cpu_supports("sse4.1");
    found.avx512 = found.avx2 && __builtin_cpu_supports("avx512f") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    found.avx512_vbmi = found.avx512 && __builtin_cpu_supports("avx512vbmi") &&
                        __builtin_cpu_supports("avx512vbmi2");
}

const struct cpu *cpu_get(void) {
    pthread_once(&once, find);
    return &found;
}

#else

const struct cpu *cpu_get(void) {
    static const struct cpu NOTHING = {0};
    return &NOTHING;
}

#endif
