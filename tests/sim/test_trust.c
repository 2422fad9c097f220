/* The trust checker whose memory runs out at every allocation in turn: then it says that it does
 * not know, and remembers nothing of it. */
#include "engine/x509/trust.h"
#include "tests/sim/sim_memory.h"
#include "tests/sim/sim_pki.h"

#include <stdio.h>
#include <stdlib.h>

enum { ALLOCATIONS_MIN = 20, ALLOCATIONS_MAX = 100000 };

struct chain {
    const char *name;
    struct slice certificates[3];
    size_t count;
    enum trust_error expected;
};

static enum trust_error ask(struct trust_checker *checker, const struct chain *chain) {
    return trust_check(checker, chain->certificates, chain->count, SIM_EPOCH_SECONDS).error;
}

static void require(bool condition, const struct chain *chain, uint64_t refused_at,
                    enum trust_error found) {
    if (condition)
        return;
    printf("%s: without allocation %llu: %s\n", chain->name, (unsigned long long)refused_at,
           trust_error_name(found));
    exit(1);
}

/* Refuses one allocation, or with `step` 1 that one and all after it; false when it took fewer. */
static bool refuse_at(const struct sim_pki *pki, const struct chain *chain, uint64_t number,
                      uint64_t step) {
    struct trust_checker *checker = trust_checker_new(pki->roots);

    require(checker != NULL, chain, number, TRUST_NO_MEMORY);
    sim_memory_reset();
    sim_memory.refuse_at = number;
    sim_memory.refuse_step = step;
    sim_memory_charge(true);
    enum trust_error without = ask(checker, chain);
    sim_memory_charge(false);
    bool refused = sim_memory.refused > 0;
    require(without == chain->expected || (refused && without == TRUST_NO_MEMORY), chain, number,
            without);
    enum trust_error with = ask(checker, chain), remembered = ask(checker, chain);
    require(with == chain->expected && remembered == with, chain, number, with);
    trust_checker_free(checker);
    return refused;
}

static void try(const struct sim_pki *pki, const struct chain *chain) {
    for (uint64_t step = 0; step < 2; step++) {
        uint64_t number = 1;
        while (number < ALLOCATIONS_MAX && refuse_at(pki, chain, number, step))
            number++;
        require(number > ALLOCATIONS_MIN && number < ALLOCATIONS_MAX, chain, number, TRUST_OK);
        printf("%s: %llu allocations refused%s\n", chain->name, (unsigned long long)number - 1,
               step ? ", each with all after it" : ", one at a time");
    }
}

int main(void) {
    static struct sim_pki pki;

    sim_pki_init(&pki);
    struct slice leaf = sim_der(pki.leaves[0]), issuer = sim_der(pki.issuer),
                 root = sim_der(pki.root), filler = sim_der(pki.fillers[0]);
    const struct chain chains[] = {
        {"good", {leaf, issuer}, 2, TRUST_OK},
        {"with its root", {leaf, root, issuer}, 3, TRUST_OK},
        {"without its issuer", {leaf}, 1, TRUST_UNKNOWN_ISSUER},
        {"a stranger between", {leaf, filler}, 2, TRUST_UNKNOWN_ISSUER},
        {"an authority", {issuer}, 1, TRUST_WRONG_PURPOSE},
    };
    for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++)
        try(&pki, &chains[i]);
    sim_pki_deinit(&pki);
    return 0;
}
