/* One target as people write it:
 *
 *      host   host:port   IP   IPv4:port   [v6]:port   v6
 *      host@ADDRESS            connect to ADDRESS (any of the forms above), ask for `host`
 *      proto://any of these    the protocol, and its usual port unless one is written
 *      https://user@host:port/path?query#fragment     only host and port count
 *
 * Names become lower-case A-labels (IDNA 2008 with UTS 46 mapping, nontransitional) without the
 * trailing dot. Underscores are allowed, for DNS has them. Pure, safe on every thread; a name
 * outside ASCII takes memory from the heap for the time of the call. */
#ifndef INGEST_TARGET_PARSE_H
#define INGEST_TARGET_PARSE_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"
#include "engine/probe/target.h"
#include "ingest/ports.h"

/* True for "file:PATH" and "file:///PATH": certificates to be read there. `path` is then what
 * stands behind. */
bool target_is_file(struct slice text, struct slice *path);

/* Reads `text`, which must have no blanks at its ends. A target that names neither port nor
 * protocol gets port 0: it stands for every port of the sweep. ERROR_USAGE says what is wrong with
 * which part; the caller adds which target it was. */
enum error target_parse(struct slice text, const struct protocol_lookup *protocols,
                        struct target *out, struct failure *failure)
    __attribute__((warn_unused_result));

/* Appends the text that target_parse, or spec_read, reads as this target, with the same
 * `protocols`: its name, address, port and protocol. */
void target_write(const struct target *target, const struct protocol_lookup *protocols,
                  struct buffer *out);

/* Sets the name alone, in the form described above. */
enum error target_set_name(struct target *target, struct slice name, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
