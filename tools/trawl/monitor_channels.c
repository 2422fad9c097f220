#include "tools/trawl/monitor_channels.h"

#include <stdio.h>
#include <string.h>

static bool severity_of(const char *name, enum severity *out) {
    for (int i = 0; i < SEVERITIES; i++)
        if (strcmp(severity_name((enum severity)i), name) == 0) {
            *out = (enum severity)i;
            return true;
        }
    return false;
}

static enum error add_channel(struct monitor_channels *channels,
                              const struct channel_config *channel, const char *name,
                              const char *at, struct failure *failure) {
    uint32_t index = channels->count, same = 1;
    enum severity least;

    if (!severity_of(at, &least))
        return failure_set(failure, ERROR_USAGE,
                           "--%s-at: there is no severity %s: info, warning or critical", name, at);
    if (index == LEDGER_CHANNELS)
        return failure_set(failure, ERROR_USAGE, "at most %d channels", LEDGER_CHANNELS);
    for (uint32_t i = 0; i < index; i++)
        same += channels->items[i].kind == channel->kind;
    char *text = channels->names[index];
    snprintf(text, sizeof channels->names[0], same > 1 ? "%s:%u" : "%s", name, same);
    channels->items[index] = *channel;
    channels->items[index].name = text;
    channels->subscriptions[index] = (struct ledger_channel){.name = text, .least = least};
    channels->count++;
    return ERROR_NONE;
}

static enum error add_webhooks(struct monitor_channels *channels,
                               const struct monitor_settings *settings, struct failure *failure) {
    enum error error = ERROR_NONE;

    for (uint32_t i = 0; i < settings->webhooks.count && !error; i++) {
        struct channel_config webhook = {
            .kind = &channel_webhook,
            .url = settings->webhooks.items[i],
            .user_agent = "trawl/" TRAWL_VERSION,
            .secret_file = settings->webhook_secret_file,
            .headers = settings->webhook_headers.items,
        };
        error = add_channel(channels, &webhook, "webhook", settings->webhook_at, failure);
    }
    return error;
}

static enum error add_email(struct monitor_channels *channels,
                            const struct monitor_settings *settings, struct failure *failure) {
    struct channel_config email = {
        .kind = &channel_email,
        .url = settings->smtp,
        .from = settings->email_from,
        .to = settings->email_to.items,
        .user = settings->smtp_user,
        .secret_file = settings->smtp_password_file,
        .linger_ms = (uint32_t)settings->digest_ms,
    };
    if (!settings->email_to.count)
        return ERROR_NONE;
    return add_channel(channels, &email, "email", settings->email_at, failure);
}

enum error monitor_channels_init(struct monitor_channels *channels,
                                 struct monitor_settings *settings, struct failure *failure) {
    enum error error;

    *channels = (struct monitor_channels){0};
    if ((error = option_list_terminate(&settings->webhook_headers, failure)) ||
        (error = option_list_terminate(&settings->email_to, failure)) ||
        (error = add_webhooks(channels, settings, failure)))
        return error;
    return add_email(channels, settings, failure);
}
