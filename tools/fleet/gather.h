/* Pages that are put together of the messages in which they travel, whole or in parts, in any
 * order, some of them more than once. Pure; one thread. */
#ifndef TOOLS_FLEET_GATHER_H
#define TOOLS_FLEET_GATHER_H

#include "tools/fleet/page.h"

enum {
    GATHER_PAGES_MAX = 1024,
    GATHER_BYTES_MAX = 256 * 1024 * 1024, /* of their messages */
};

struct gather;

struct gather *gather_new(void); /* NULL: no memory */
/* Messages are the owner's: gather_each first. NULL is fine. */
void gather_free(struct gather *gather);

/* A page that is held. */
struct gathered {
    uint64_t page;
    uint32_t count; /* targets of the whole page */
    uint32_t message_count;
    size_t bytes;                 /* of its messages */
    uint64_t touched_ns;          /* the owner's: 0 at first */
    uint32_t worker;              /* likewise, of its first message */
    bool is_out;                  /* gather_take has given it */
    void *messages[PAGE_TARGETS]; /* each has a target that no other of them has */
    uint64_t sequences[PAGE_TARGETS];
    struct page_target targets[PAGE_TARGETS]; /* of a whole page: all of them, in order */
};

enum gathering {
    GATHER_KEPT,     /* the message stays until gather_remove; what `page` points into with it */
    GATHER_KNOWN,    /* all that it has is held already, or it is not of the same page */
    GATHER_THE_SAME, /* it is held itself, and was sent again */
    GATHER_FULL,     /* no room */
};
/* `message` is the owner's name of it; `bytes` its length. *out (may be NULL) is its page when it
 * is held. */
enum gathering gather_add(struct gather *gather, const struct page_message *page, void *message,
                          uint64_t sequence, size_t bytes, struct gathered **out);

/* The next page that is whole, in the order in which they became so; NULL when there is none. */
struct gathered *gather_take(struct gather *gather);

/* Its messages are let go by the owner. */
void gather_remove(struct gather *gather, struct gathered *page);

/* All that are held; `each` may remove its page. */
void gather_each(struct gather *gather, void (*each)(void *owner, struct gathered *page),
                 void *owner);

bool gather_is_full(const struct gather *gather);
/* Messages of pages that are not whole. */
uint32_t gather_partial(const struct gather *gather);

#endif
