#include "tools/monitor/mail.h"

#include "engine/base/text.h"
#include "engine/hash/sha256.h"

#include <ctype.h>
#include <time.h>

bool mail_address_is_fine(const char *address) {
    const char *at = strchr(address, '@');
    size_t len = strlen(address);

    if (!at || at == address || !at[1] || strchr(at + 1, '@') || len > MAIL_ADDRESS_BYTES)
        return false;
    for (const char *c = address; *c; c++)
        if (*c <= ' ' || *c > '~' || strchr("<>()[]\\,;:\"", *c))
            return false;
    return address[0] != '-' && at[1] != '.' && address[len - 1] != '.';
}

/* --- Headers --- */

/* "Sat, 21 Nov 2026 14:16:42 +0000", whatever the locale. */
static void add_date(struct buffer *out, int64_t now_ms) {
    static const char days[] = "SunMonTueWedThuFriSat",
                      months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    buffer_add_format(out, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000\r\n", days + 3 * tm.tm_wday,
                      tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                      tm.tm_sec);
}

/* Of the ids of all events; as it is where there is one. */
static void add_message_id(struct buffer *out, const struct mail *mail) {
    uint8_t hash[SHA256_BYTES];
    struct buffer ids;

    buffer_init(&ids);
    for (uint32_t i = 0; i < mail->count; i++) {
        buffer_add_slice(&ids, mail->messages[i]->event_id);
        buffer_add_byte(&ids, '\n');
    }
    sha256_one(buffer_slice(&ids), hash);
    buffer_add_text(out, "Message-ID: <");
    struct slice id = mail->messages[0]->event_id;
    bool plain = mail->count == 1 && id.len > 0 && id.len <= 64;
    for (size_t i = 0; plain && i < id.len; i++)
        plain = isalnum(id.ptr[i]) || id.ptr[i] == '-' || id.ptr[i] == '_';
    if (plain)
        buffer_add_slice(out, id);
    else
        text_add_hex(out, (struct slice){hash, 16});
    buffer_add_format(out, "@%s>\r\n", mail->host);
    out->failed |= ids.failed;
    buffer_deinit(&ids);
}

static void add_recipients(struct buffer *out, const char *const *to) {
    size_t line = strlen("To: ");

    buffer_add_text(out, "To: ");
    for (size_t i = 0; to[i]; i++) {
        size_t len = strlen(to[i]);
        if (i > 0) {
            buffer_add_byte(out, ',');
            bool folds = line + len + 2 > MAIL_LINE_BYTES;
            buffer_add_text(out, folds ? "\r\n " : " ");
            line = folds ? 1 : line + 2;
        }
        buffer_add_text(out, to[i]);
        line += len;
    }
    buffer_add_text(out, "\r\n");
}

/* Whole runes of at most `most` bytes. */
static struct slice first_runes(struct slice text, size_t most) {
    size_t len = 0;

    while (len < text.len) {
        size_t rune = text_rune_first(slice_from(text, len)).len;
        if (len + rune > most)
            break;
        len += rune;
    }
    return slice_first(text, len);
}

/* What is printable ASCII stands as it is, unless it looks encoded. */
static bool needs_encoding(struct slice text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~' ||
            (text.ptr[i] == '=' && i + 1 < text.len && text.ptr[i + 1] == '?'))
            return true;
    return false;
}

/* RFC 2047 section 2: words of at most 75 characters, no rune in two of them. */
static void add_encoded(struct buffer *out, struct slice text) {
    enum { WORD_BYTES = 39 }; /* 52 characters of base64: a line with "Subject: " too */

    for (bool first = true; text.len; first = false) {
        struct slice part = first_runes(text, WORD_BYTES);
        buffer_add_text(out, first ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
        text_add_base64(out, part);
        buffer_add_text(out, "?=");
        text = slice_from(text, part.len);
    }
}

static enum severity worst(const struct mail *mail) {
    enum severity severity = SEVERITY_INFO;

    for (uint32_t i = 0; i < mail->count; i++)
        if (mail->messages[i]->severity > severity)
            severity = mail->messages[i]->severity;
    return severity;
}

static void add_subject(struct buffer *out, const struct mail *mail) {
    struct buffer text;

    buffer_init(&text);
    buffer_add_format(&text, "[%s] ", severity_name(worst(mail)));
    if (mail->count > 1)
        buffer_add_format(&text, "%u notices: ", mail->count);
    text_add_safe(&text, mail->messages[0]->title);
    struct slice subject = first_runes(buffer_slice(&text), MAIL_SUBJECT_BYTES);
    buffer_add_text(out, "Subject: ");
    if (needs_encoding(subject))
        add_encoded(out, subject);
    else
        buffer_add_slice(out, subject);
    buffer_add_text(out, "\r\n");
    out->failed |= text.failed;
    buffer_deinit(&text);
}

/* --- The body --- */

/* RFC 2045 section 6.7: soft line ends, no blanks before a line's end. */
static void add_quoted_printable(struct buffer *out, struct slice text) {
    static const char digits[] = "0123456789ABCDEF";
    size_t line = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '\n') {
            buffer_add_text(out, "\r\n");
            line = 0;
            continue;
        }
        bool ends = i + 1 == text.len || text.ptr[i + 1] == '\n';
        bool plain = c >= ' ' && c <= '~' && c != '=' && !(c == ' ' && ends);
        size_t needs = plain ? 1 : 3;
        if (line + needs > MAIL_LINE_BYTES - 1) {
            buffer_add_text(out, "=\r\n");
            line = 0;
        }
        if (plain) {
            buffer_add_byte(out, c);
        } else {
            buffer_add_byte(out, '=');
            buffer_add_byte(out, (uint8_t)digits[c >> 4]);
            buffer_add_byte(out, (uint8_t)digits[c & 15]);
        }
        line += needs;
    }
}

static void add_notice(struct buffer *out, const struct channel_message *message) {
    buffer_add_format(out, "[%s] ", severity_name(message->severity));
    text_add_safe(out, message->title);
    buffer_add_text(out, "\n\n");
    if (message->message.len) {
        text_add_safe(out, message->message);
        buffer_add_text(out, "\n\n");
    }
    text_add_safe(out, message->event);
    buffer_add_text(out, ", ");
    text_add_time(out, message->created_ms / 1000);
    buffer_add_byte(out, '\n');
}

void mail_add(const struct mail *mail, struct buffer *out) {
    struct buffer text;

    add_date(out, mail->now_ms);
    buffer_add_format(out, "From: %s\r\n", mail->from);
    add_recipients(out, mail->to);
    add_message_id(out, mail);
    add_subject(out, mail);
    buffer_add_text(out, "MIME-Version: 1.0\r\n"
                         "Content-Type: text/plain; charset=utf-8\r\n"
                         "Content-Transfer-Encoding: quoted-printable\r\n"
                         "Auto-Submitted: auto-generated\r\n\r\n");
    buffer_init(&text);
    for (uint32_t i = 0; i < mail->count; i++) {
        if (i > 0)
            buffer_add_text(&text, "\n----\n\n");
        add_notice(&text, mail->messages[i]);
    }
    add_quoted_printable(out, buffer_slice(&text));
    out->failed |= text.failed;
    buffer_deinit(&text);
}
