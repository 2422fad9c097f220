/* Records of probes from what others tell of them in JSON: agents in their reports (report_read.c),
 * workers of a fleet (fleet_record.c). Pure, safe on every thread. */
#ifndef TOOLS_MONITOR_REPORT_RECORD_H
#define TOOLS_MONITOR_REPORT_RECORD_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"
#include "engine/record/record.h"

#include <yyjson.h>

/* The members of our own agents' `record`, as engine/record/fields.c names them; NULL: none. What
 * the certificate says is not among them. ERROR_INPUT names what makes no sense. */
enum error report_fill_record(yyjson_val *object, struct probe_record *record,
                              struct failure *failure) __attribute__((warn_unused_result));

/* Base64 as `size` bytes at most; false when it is none. */
bool report_read_base64(struct slice text, size_t size, struct buffer *out);

/* Hexadecimal digits, with colons between the bytes or without; false unless they are `size` bytes.
 */
bool report_read_hex(struct slice text, uint8_t *out, size_t size);

/* A certificate by its bytes, which are copied. */
enum error report_fill_der(struct slice der, struct probe_record *record, struct failure *failure)
    __attribute__((warn_unused_result));

/* A certificate without its bytes, by what SSL Scout tells of it: at least a SHA-256 fingerprint
 * and the dates. */
enum error report_fill_told(yyjson_val *object, struct probe_record *record,
                            struct failure *failure) __attribute__((warn_unused_result));

#endif
