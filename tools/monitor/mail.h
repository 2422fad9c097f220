/* Notices as a mail: RFC 5322 headers, RFC 2047 words where a header is not ASCII, a body of UTF-8
 * text in quoted-printable (RFC 2045), so that any server takes it. Whatever a title or a host name
 * holds, it cannot end a header: control characters are escaped before.
 *
 * Pure, safe on every thread. */
#ifndef TOOLS_MONITOR_MAIL_H
#define TOOLS_MONITOR_MAIL_H

#include "engine/base/buffer.h"
#include "tools/monitor/channel.h"

enum {
    MAIL_ADDRESS_BYTES = 254, /* RFC 5321 section 4.5.3.1.3, without brackets */
    MAIL_SUBJECT_BYTES = 200, /* of a subject, before it is encoded */
    MAIL_LINE_BYTES = 76,     /* of the body, and of a header that is folded */
};

struct mail {
    const char *from, *const *to; /* checked; `to` NULL-terminated */
    const char *host;             /* behind the @ of the Message-ID; the sender's */
    int64_t now_ms;
    const struct channel_message *const *messages;
    uint32_t count; /* 1 or more: a digest */
};

/* "name@example.org": ASCII, no blanks, quotes, brackets or lists. */
bool mail_address_is_fine(const char *address);

/* Appends the message, lines ended by CR LF. The same messages have the same Message-ID, whenever
 * they are sent. */
void mail_add(const struct mail *mail, struct buffer *out);

#endif
