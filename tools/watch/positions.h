/* Where each log was left, as the state had it when the run began. It is kept beside the state, for
 * that is the ledger's while logs still come with newer log lists.
 *
 * Does not change; any thread. */
#ifndef TOOLS_WATCH_POSITIONS_H
#define TOOLS_WATCH_POSITIONS_H

#include "tools/watch/state.h"

struct positions;

enum error positions_read(struct positions **out, struct watch_state *state,
                          struct failure *failure) __attribute__((warn_unused_result));
/* NULL is fine. */
void positions_free(struct positions *positions);

/* What log_position.saved was; empty when there is none. */
struct slice positions_find(const struct positions *positions, const uint8_t log_id[32]);

#endif
