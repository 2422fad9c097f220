/* What the processor can do beyond the baseline of its architecture, so that the few places that
 * have a faster way choose it at run time. Found out once; read-only after, safe on every thread.
 */
#ifndef ENGINE_BASE_CPU_H
#define ENGINE_BASE_CPU_H

#include <stdbool.h>

struct cpu {
    bool avx2;        /* with BMI1, BMI2 */
    bool sha;         /* SHA-NI, with SSE 4.1 */
    bool avx512;      /* F, BW, VL, and avx2 */
    bool avx512_vbmi; /* VBMI, VBMI2, and avx512 */
};

const struct cpu *cpu_get(void);

#endif
