/* JSON documents of a bucket, which anybody may have written: of bounded size and number of values,
 * with a version. Pure. */
#ifndef TOOLS_FLEET_JSON_DOCUMENT_H
#define TOOLS_FLEET_JSON_DOCUMENT_H

#include "engine/base/error.h"
#include "engine/base/slice.h"

#include <yyjson.h>

/* An object whose member "version" is this one. ERROR_UNSUPPORTED for a later version; ERROR_INPUT
 * for what is no such document; `what` is for the failure: "job". *out is to be freed with
 * yyjson_doc_free; NULL after an error. */
enum error json_document_read(yyjson_doc **out, struct slice bytes, size_t bytes_max,
                              uint64_t version, const char *what, struct failure *failure)
    __attribute__((warn_unused_result));

/* ERROR_INPUT, for what is not as it should be. */
enum error json_document_refuse(const char *what, struct failure *failure);

/* A text without a zero byte; `ptr` is NULL for anything else, terminated else. */
struct slice json_document_text(yyjson_val *value);

/* False when there is no such member, or no such number. */
bool json_document_number(yyjson_val *object, const char *name, uint64_t minimum, uint64_t maximum,
                          uint64_t *out);

#endif
