/* A processor with nothing beyond the baseline: in the place of engine/base/cpu.c, it makes a
 * program that takes the plain way everywhere. BoringSSL chooses its own ways all the same. */
#include "engine/base/cpu.h"

const struct cpu *cpu_get(void) {
    static const struct cpu nothing = {0};
    return &nothing;
}
