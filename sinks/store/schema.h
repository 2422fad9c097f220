/* The tables of the store: what sweeps and logs have shown, each thing once.
 *
 *     certificates ◀── certificate_names
 *       ▲   ▲  ▲
 *       │   │  └── chain_links ──▶ chains
 *       │   └── endpoints (the newest state) ◀── observations (every probe) ──▶ details
 *       └── ct_hits
 *
 * An observation is a row of numbers. What of a record stays the same from probe to probe stands in
 * `details`, once for all observations that share it. Times are milliseconds since 1970, but for
 * not_before and not_after, which are seconds. */
#ifndef SINKS_STORE_SCHEMA_H
#define SINKS_STORE_SCHEMA_H

#include "sinks/store/migrations.h"

extern const struct migrated_part store_schema;

/* "www.Example.org" as "org.example.www", which certificate_names.reversed holds: names of a domain
 * stand together. Writes name.len bytes. */
void store_reverse_name(struct slice name, uint8_t *out);

#endif
