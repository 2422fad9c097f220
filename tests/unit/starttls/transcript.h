/* Dialogues as tests/golden/starttls/README.md describes them, read into memory. For tests only:
 * whatever is wrong with a file ends the program. */
#ifndef TESTS_UNIT_STARTTLS_TRANSCRIPT_H
#define TESTS_UNIT_STARTTLS_TRANSCRIPT_H

#include "engine/starttls/dialogue.h"

#include <stdio.h>
#include <stdlib.h>

#define TRANSCRIPTS "tests/golden/starttls"

enum { TRANSCRIPT_TURNS = 16 };

struct transcript {
    char name[80], host[80];
    /* What the client says first, and then in answer to each turn of the server. */
    struct buffer client[TRANSCRIPT_TURNS + 1];
    struct buffer server[TRANSCRIPT_TURNS];
    uint32_t turns;
    struct buffer behind; /* what comes behind the end */
    enum dialogue_status end;
    char words[DIALOGUE_WORDS_BYTES + 1];
};

static inline void transcript_fail(const char *why, const char *line) {
    fprintf(stderr, "%s: %s\n", why, line);
    exit(1);
}

/* "text\n" */
static inline void transcript_add_text(struct buffer *out, const char *text) {
    for (; *text; text++) {
        bool escaped = *text == '\\' && (text[1] == 'n' || text[1] == 'r');
        if (escaped)
            text++;
        buffer_add_byte(out, (uint8_t)(escaped ? (*text == 'n' ? '\n' : '\r') : *text));
    }
}

/* 0a 0b "text" */
static inline void transcript_add_bytes(struct buffer *out, const char *text) {
    while (*text) {
        unsigned int byte;
        if (*text == ' ') {
            text++;
        } else if (*text == '"') {
            const char *end = strchr(text + 1, '"');
            if (!end)
                transcript_fail("a quote is open", text);
            buffer_add(out, text + 1, (size_t)(end - text) - 1);
            text = end + 1;
        } else if (sscanf(text, "%2x", &byte) == 1) {
            buffer_add_byte(out, (uint8_t)byte);
            text += 2;
        } else {
            transcript_fail("not hexadecimal", text);
        }
    }
}

static inline void transcript_add(struct buffer *out, const char *line) {
    const char *text = line + (line[1] && line[2] == ' ' ? 3 : 2);

    if (line[1] == '#')
        transcript_add_bytes(out, text);
    else
        transcript_add_text(out, text);
    if (line[1] == ':')
        buffer_add_text(out, "\r\n");
}

static inline void transcript_end(struct transcript *out, const char *how) {
    static const char *const NAMES[] = {
        [DIALOGUE_TLS] = "tls",
        [DIALOGUE_REFUSED] = "refused ",
        [DIALOGUE_BROKEN] = "broken",
        [DIALOGUE_TOO_LARGE] = "too_large",
    };

    for (int i = DIALOGUE_TLS; i <= DIALOGUE_TOO_LARGE; i++) {
        if (strncmp(how, NAMES[i], strlen(NAMES[i])) != 0)
            continue;
        out->end = (enum dialogue_status)i;
        snprintf(out->words, sizeof out->words, "%s", how + strlen(NAMES[i]));
        return;
    }
    transcript_fail("no such end", how);
}

static inline void transcript_init(struct transcript *out, const char *name) {
    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, "%s", name);
    snprintf(out->host, sizeof out->host, "example.org");
    for (uint32_t i = 0; i < TRANSCRIPT_TURNS; i++) {
        buffer_init(&out->client[i]);
        buffer_init(&out->server[i]);
    }
    buffer_init(&out->client[TRANSCRIPT_TURNS]);
    buffer_init(&out->behind);
}

static inline void transcript_deinit(struct transcript *transcript) {
    for (uint32_t i = 0; i < TRANSCRIPT_TURNS; i++) {
        buffer_deinit(&transcript->client[i]);
        buffer_deinit(&transcript->server[i]);
    }
    buffer_deinit(&transcript->client[TRANSCRIPT_TURNS]);
    buffer_deinit(&transcript->behind);
}

static inline void transcript_line(struct transcript *out, const char *line) {
    switch (line[0]) {
    case 'S':
        /* A new turn, unless the client had nothing to say since. */
        if (out->turns == 0 || out->client[out->turns].len)
            out->turns++;
        if (out->turns > TRANSCRIPT_TURNS)
            transcript_fail("too many turns", line);
        transcript_add(&out->server[out->turns - 1], line);
        break;
    case 'C':
        transcript_add(&out->client[out->turns], line);
        break;
    case 'X':
        transcript_add(&out->behind, line);
        break;
    case 'h':
        snprintf(out->host, sizeof out->host, "%s", line + strlen("host: "));
        break;
    case '=':
        transcript_end(out, line + 2);
        break;
    default:
        transcript_fail("no such line", line);
    }
}

/* Calls `found` with each dialogue of a protocol's file; returns how many. */
static inline uint32_t transcripts_read(const char *protocol,
                                        void (*found)(const struct transcript *transcript,
                                                      void *context),
                                        void *context) {
    static struct transcript transcript;
    char path[256], line[1024];
    uint32_t count = 0;
    bool open = false;

    snprintf(path, sizeof path, TRANSCRIPTS "/%s.txt", protocol);
    FILE *file = fopen(path, "r");
    if (!file)
        transcript_fail("cannot open", path);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '[') {
            line[strcspn(line, "]")] = 0;
            transcript_init(&transcript, line + 1);
            open = true;
        } else if (open && line[0]) {
            transcript_line(&transcript, line);
            if (line[0] != '=')
                continue;
            found(&transcript, context);
            transcript_deinit(&transcript);
            open = false;
            count++;
        } else if (line[0] && line[0] != '#') {
            transcript_fail("outside of a dialogue", line);
        }
    }
    fclose(file);
    if (open)
        transcript_fail("without an end", transcript.name);
    return count;
}

#endif
