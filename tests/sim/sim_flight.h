/* What the simulated servers say that need no private key: flights made by hand, right and wrong.
 */
#ifndef TESTS_SIM_SIM_FLIGHT_H
#define TESTS_SIM_SIM_FLIGHT_H

#include "engine/base/buffer.h"
#include "tests/sim/persona.h"

/* Appends the answer of `persona`'s service to what a client has sent at once, a ClientHello if all
 * is well; nothing for SERVICE_REAL. */
void sim_flight_answer(const struct sim_pki *pki, const struct persona *persona, struct slice sent,
                       struct buffer *out);

/* What follows without an end; empty for most services. Static. */
struct slice sim_flight_forever(enum service service);

#endif
