/* The other side of some of engine/starttls's dialogues: what a server says before TLS, turn by
 * turn, to a client that it does not listen to. Constant tables. */
#ifndef TESTS_SIM_SIM_DIALOGUE_H
#define TESTS_SIM_SIM_DIALOGUE_H

#include <stdint.h>

enum { SIM_DIALOGUES = 4, SIM_DIALOGUE_TURNS_MAX = 3 };

struct sim_dialogue {
    const char *name; /* of engine/starttls */
    uint8_t turns;
    const char
        *says[SIM_DIALOGUE_TURNS_MAX]; /* the first at once, the others when it is spoken to */
    const char *refuses;               /* in place of the last */
};

extern const struct sim_dialogue sim_dialogues[SIM_DIALOGUES];

/* Of a target's protocol; NULL for plain TLS. */
const struct sim_dialogue *sim_dialogue_of(uint8_t protocol);

#endif
