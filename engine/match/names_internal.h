/* What the files of engine/match share about names. */
#ifndef ENGINE_MATCH_NAMES_INTERNAL_H
#define ENGINE_MATCH_NAMES_INTERNAL_H

#include "engine/base/address.h"
#include "engine/match/names.h"

#include <endian.h>

enum {
    NAMES_SLACK = 64, /* bytes that may be read and written behind the last name */
    NAMES_DOTS = 64,  /* bytes of a name whose dots `dots` knows */
};

/* Eight bytes, the first one lowest. */
static inline uint64_t names_load8(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

/* The label that ends before `*end`, which moves to before its dot; SIZE_MAX when it was the first.
 */
static inline struct slice names_label_before(struct slice name, size_t *end) {
    size_t start = *end;
    while (start && name.ptr[start - 1] != '.')
        start--;
    struct slice label = {name.ptr + start, *end - start};
    *end = start ? start - 1 : SIZE_MAX;
    return label;
}

/* Whether a label is no text at all, so that it must be taken to mean anything. "?" is how names
 * were once hidden in logs. */
bool names_label_is_senseless(struct slice label);

/* Room for a name of `len` bytes; NULL when there is none. names_commit makes it a name. */
uint8_t *names_reserve(struct match_names *names, size_t len);
void names_commit(struct match_names *names, struct match_name name);

/* What is not a plain host name at first sight: of any length and content. */
void names_add_odd(struct match_names *names, struct slice raw, uint32_t owner,
                   bool is_common_name);

/* Whether the owner of the last names has this one. */
bool names_has(const struct match_names *names, uint32_t owner, struct slice text, bool is_address);

/* Unicode as A-labels: libidn2's result into `out`, or 0. `text` is valid UTF-8. */
enum { NAMES_IDNA_BYTES = 1024 };
size_t names_to_ascii(struct slice text, uint8_t out[NAMES_IDNA_BYTES], const char **why);

#endif
