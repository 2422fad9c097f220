/* What was probed, as "host:port" for a person. For encoders alone. Pure, safe on every thread. */
#ifndef ENGINE_RECORD_ENDPOINT_H
#define ENGINE_RECORD_ENDPOINT_H

#include "engine/base/buffer.h"
#include "engine/record/record.h"

/* Appends "www.example.org:443", "192.0.2.1:443" or "[2001:db8::1]:443": one word of safe text
 * (text_add_safe_word). */
void endpoint_add(const struct probe_record *probe, struct buffer *out);

/* The host part alone, with brackets around an IPv6 address. */
void endpoint_add_host(const struct probe_record *probe, struct buffer *out);

#endif
