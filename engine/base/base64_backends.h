/* The ways to do base64.h, internal to engine/base. */
#ifndef ENGINE_BASE_BASE64_BACKENDS_H
#define ENGINE_BASE_BASE64_BACKENDS_H

#include "engine/base/base64.h"

/* For all processors: four characters are looked up in four tables. */
struct base64_run base64_table_decode_run(struct slice text, uint8_t *out);
void base64_table_encode(struct slice bytes, uint8_t *out);

#if defined(__x86_64__)
/* 64 characters at a time; for cpu.avx512_vbmi only. */
extern const struct base64_backend base64_avx512;
#endif

#endif
