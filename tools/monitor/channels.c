#include "tools/monitor/channel.h"

#include <stddef.h>

const struct channel_kind *const channel_kinds[] = {&channel_webhook, &channel_email, NULL};
