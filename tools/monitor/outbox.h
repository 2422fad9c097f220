/* The outbox: takes notices from monitor_outbox to their channels, at least once.
 *
 *     monitor_outbox ── due ──▶ channel (thread) ── send ──▶ delivered
 *           ▲                         ├── later ──▶ again after 1, 4, 16, 60, 300, 900 s, then
 *           │                         │             hourly, or as late as the other side asks
 *           └── by monitor_ledger_call┴── never, or a day old ──▶ dead, until it is replayed
 *
 * Notices of one alert reach a channel in order; one that is stuck holds back only what belongs to
 * its own alert. A channel has a thread and a database of its own for reading; what became of a
 * notice is written by the ledger. Rows of a channel that is configured no more stay where they
 * are. */
#ifndef TOOLS_MONITOR_OUTBOX_H
#define TOOLS_MONITOR_OUTBOX_H

#include "tools/monitor/channel.h"
#include "tools/monitor/ledger.h"

struct outbox;

struct outbox_config {
    const char *url; /* of the store */
    struct monitor_ledger *ledger;
    const struct channel_config *channels;
    uint32_t channel_count;  /* at most LEDGER_CHANNELS */
    int64_t give_up_ms;      /* a notice this old is dead; 0: a day */
    uint32_t first_pause_ms; /* 0: a second */
    /* On a channel's thread: it begins to fail, or works again (`failure` NULL). */
    void (*on_trouble)(void *owner, const char *channel, const struct failure *failure);
    void *owner;
};

enum error outbox_open(struct outbox **out, const struct outbox_config *config,
                       struct failure *failure) __attribute__((warn_unused_result));
/* Before the ledger. What is under way ends soon; what is not delivered waits in the table. NULL is
 * fine. */
void outbox_close(struct outbox *outbox);

/* There is something new, or something was replayed; for ledger_config.on_notice. Any thread. */
void outbox_wake(struct outbox *outbox);

struct outbox_statistics {
    const char *channel;
    uint64_t delivered, failed, dead; /* failed: attempts */
    bool failing;
};
/* For any thread; returns how many there are. */
uint32_t outbox_statistics(const struct outbox *outbox,
                           struct outbox_statistics out[LEDGER_CHANNELS]);

#endif
