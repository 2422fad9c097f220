/* What a report tells of a probe beside the certificate's bytes. Part of report_read.c. */
#ifndef TOOLS_MONITOR_REPORT_RECORD_H
#define TOOLS_MONITOR_REPORT_RECORD_H

#include "engine/base/error.h"
#include "engine/record/record.h"

#include <yyjson.h>

/* The members of our own agents' `record`, as engine/record/fields.c names them; NULL: none. What
 * the certificate says is not among them. ERROR_INPUT names what makes no sense. */
enum error report_fill_record(yyjson_val *object, struct probe_record *record,
                              struct failure *failure) __attribute__((warn_unused_result));

/* A certificate without its bytes, by what SSL Scout tells of it: at least a SHA-256 fingerprint
 * and the dates. */
enum error report_fill_told(yyjson_val *object, struct probe_record *record,
                            struct failure *failure) __attribute__((warn_unused_result));

#endif
