#include "tests/sim/sim_dialogue.h"

#include "engine/starttls/dialogue.h"

const struct sim_dialogue sim_dialogues[SIM_DIALOGUES] = {
    {"smtp",
     3,
     {"220-mail.sim.test\r\n220 at your service\r\n", "250-mail.sim.test\r\n250 STARTTLS\r\n",
      "220 go ahead\r\n"},
     "454 not now\r\n"},
    {"imap",
     3,
     {"* OK ready\r\n", "* CAPABILITY IMAP4rev1 STARTTLS\r\na OK done\r\n", "b OK go ahead\r\n"},
     "b NO\r\n"},
    {"pop3", 3, {"+OK\r\n", "+OK\r\nSTLS\r\n.\r\n", "+OK\r\n"}, "-ERR\r\n"},
    {"postgres", 2, {"", "S"}, "N"},
};

const struct sim_dialogue *sim_dialogue_of(uint8_t protocol) {
    for (int i = 0; protocol && i < SIM_DIALOGUES; i++)
        if (slice_is(slice_of(dialogues[protocol]->name), sim_dialogues[i].name))
            return &sim_dialogues[i];
    return NULL;
}
