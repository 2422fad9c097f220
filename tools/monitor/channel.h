/* How notices leave: one kind of channel a file (channel_webhook.c, channel_email.c), one line in
 * channels.c. The outbox (outbox.h) has a thread for each channel that is configured, so a channel
 * may block in `send`, within its own time limits. */
#ifndef TOOLS_MONITOR_CHANNEL_H
#define TOOLS_MONITOR_CHANNEL_H

#include "engine/base/error.h"
#include "engine/base/slice.h"
#include "tools/monitor/alerts.h"

struct channel;
struct channel_config;

/* A row of monitor_outbox. Texts are valid until `send` returns. */
struct channel_message {
    int64_t id, alert;
    struct slice event_id; /* the same at each attempt: who gets it twice knows it */
    struct slice event;    /* "tls_expiry" */
    enum severity severity;
    struct slice title, message; /* for a person */
    struct slice body;           /* RemotePower's envelope, a JSON object */
    int64_t created_ms;
    uint32_t attempts; /* before this one */
};

enum channel_verdict {
    CHANNEL_DELIVERED,
    CHANNEL_LATER, /* may pass: again, after a pause */
    CHANNEL_NEVER, /* the other side does not want it: a dead letter, until it is replayed */
};

struct channel_outcome {
    enum channel_verdict verdict; /* CHANNEL_LATER before `send` */
    int64_t retry_after_ms;       /* of CHANNEL_LATER, as the other side asked; 0: as usual */
    struct failure failure;       /* why, unless it is delivered; shows nothing secret */
};

struct channel_kind {
    const char *name, *summary;
    uint32_t batch_max; /* messages of one call */
    /* `config` outlives the channel. Sets `*out` to what the kind allocates; its first member is a
     * struct channel. Connects nowhere. */
    enum error (*open)(struct channel **out, const struct channel_config *config,
                       struct failure *failure);
    /* Delivers `count` messages, in their order where one depends on the other, and fills an
     * outcome for each. On the channel's thread. */
    void (*send)(struct channel *channel, const struct channel_message *messages, uint32_t count,
                 struct channel_outcome *outcomes);
    /* From any thread: a `send` under way ends soon, what is not delivered is CHANNEL_LATER. */
    void (*stop)(struct channel *channel);
    void (*close)(struct channel *channel);
};

struct channel {
    const struct channel_kind *kind;
};

/* Of one channel as it is configured; texts outlive the outbox. */
struct channel_config {
    const struct channel_kind *kind;
    const char *name;                          /* as in struct ledger_channel */
    const char *url;                           /* https://…, smtp://…, smtps://… */
    const char *user_agent, *ca_file;          /* NULL: the usual */
    const char *secret_file, *secret_variable; /* of signatures, or a password; at most one */
    const char *const *headers;   /* of a webhook: "Name: value", NULL-terminated; NULL for none */
    const char *from, *const *to; /* of email; `to` NULL-terminated */
    const char *user;
    bool deny_private;   /* connect to public addresses only */
    uint32_t timeout_ms; /* of an attempt; 0: 10 seconds */
    uint32_t linger_ms;  /* after the first message, wait for others: a digest; 0: at once */
    uint32_t batch;      /* messages of one call; 0: kind->batch_max */
};

/* NULL-terminated. */
extern const struct channel_kind *const channel_kinds[];
extern const struct channel_kind channel_webhook, channel_email;

#endif
