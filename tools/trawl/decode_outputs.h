/* `trawl decode -o`: records that were read are handed on to sinks, each with a thread of its own.
 *
 *     input ─▶ records ─▶ a batch an output ─▶ queue ─▶ runner ─▶ sink
 *       ◀── acknowledged: what every output has written ◀── tickets
 *
 * Memory is bounded: nothing is read while a queue is full, or while too much is under way. */
#ifndef TOOLS_TRAWL_DECODE_OUTPUTS_H
#define TOOLS_TRAWL_DECODE_OUTPUTS_H

#include "tools/trawl/command.h"
#include "tools/trawl/decode_input.h"
#include "tools/trawl/output_settings.h"

/* Until the input ends, a signal comes or an output dies. What is wrong is printed; so is a
 * summary, unless `quiet`. `input` is open. */
enum exit_code decode_outputs_run(struct decode_input *input,
                                  const struct output_settings *settings, bool quiet);

#endif
