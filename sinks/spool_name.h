/* The name and the meta file of a spool's folder: pure text. Part of spool.c. */
#ifndef SINKS_SPOOL_NAME_H
#define SINKS_SPOOL_NAME_H

#include "sinks/spool.h"

/* `spec` without passwords: of the user before a host, of a query (password=...), and of nats://
 * the whole user, which may be a token. Sets `cut` when there was one. False when it is too long.
 */
bool spool_spec_without_secret(const char *spec, char out[SPOOL_SPEC_MAX], bool *cut);

/* "NAME" or "NAME-2": what a folder of a spool may be called. */
bool spool_name_is_good(const char *name);

void spool_meta_write(const struct spool_meta *meta, struct buffer *out);
/* All but the name. False when it is no such text. */
bool spool_meta_read(struct slice text, struct spool_meta *out);

#endif
