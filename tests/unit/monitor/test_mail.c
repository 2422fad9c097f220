/* Mails, read back by rules of their own: headers unfolded, words and body decoded. */
#include "engine/base/base64.h"
#include "engine/base/text.h"
#include "tools/monitor/mail.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const recipients[] = {"ops@example.org", "second@example.org", NULL};

static struct channel_message message_of(const char *id, const char *title, const char *text) {
    return (struct channel_message){.event_id = slice_of(id),
                                    .event = slice_of("tls_expiry"),
                                    .severity = SEVERITY_WARNING,
                                    .title = slice_of(title),
                                    .message = slice_of(text),
                                    .created_ms = INT64_C(1795229802000)};
}

static struct buffer make(const struct channel_message *messages, uint32_t count) {
    const struct channel_message *list[64];
    struct mail mail = {.from = "trawl@example.org",
                        .to = recipients,
                        .host = "monitor.example.org",
                        .now_ms = INT64_C(1795229802000),
                        .messages = list,
                        .count = count};
    struct buffer out;

    for (uint32_t i = 0; i < count; i++)
        list[i] = &messages[i];
    buffer_init(&out);
    mail_add(&mail, &out);
    assert_false(out.failed);
    buffer_add_byte(&out, 0);
    return out;
}

/* Every line is short, ASCII, and ends with CR LF, of which there are no halves. */
static void assert_lines(const struct buffer *mail) {
    size_t line = 0;

    for (size_t i = 0; i + 1 < mail->len; i++) {
        uint8_t c = mail->ptr[i];
        if (c == '\r') {
            assert_int_equal(mail->ptr[i + 1], '\n');
            assert_true(line <= 78);
            line = 0;
            i++;
            continue;
        }
        assert_true(c >= ' ' && c <= '~');
        line++;
    }
    assert_int_equal(line, 0);
}

/* The value of the only header of that name, unfolded, its words decoded; NULL: there is none. */
static char *header(const struct buffer *mail, const char *name) {
    char *text = strdup((const char *)mail->ptr), *found = NULL;
    *strstr(text, "\r\n\r\n") = '\0';

    for (char *line = text, *next; line; line = next) {
        for (next = strstr(line, "\r\n"); next && next[2] == ' '; next = strstr(next, "\r\n"))
            memmove(next, next + 2, strlen(next + 2) + 1);
        if (next) {
            *next = '\0';
            next += 2;
        }
        size_t len = strlen(name);
        assert_non_null(strchr(line, ':'));
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            assert_null(found);
            found = strdup(line + len + 2);
        }
    }
    free(text);
    return found;
}

static char *decoded(const char *value) {
    static const char begin[] = "=?UTF-8?B?";
    char *out = calloc(1, strlen(value) + 1);
    size_t written, at = 0;

    if (strncmp(value, begin, strlen(begin)) != 0)
        return strcpy(out, value);
    while (*value) {
        assert_memory_equal(value, begin, strlen(begin));
        const char *end = strstr(value, "?=");
        assert_true(end + 2 - value <= 75);
        value += strlen(begin);
        struct slice word = {(const uint8_t *)value, (size_t)(end - value)};
        assert_true(base64_decode(word, (uint8_t *)out + at, &written, NULL));
        /* no rune is cut */
        for (struct slice rest = {(uint8_t *)out + at, written}; rest.len;) {
            struct text_rune rune = text_rune_first(rest);
            assert_true(rune.valid);
            rest = slice_from(rest, rune.len);
        }
        at += written;
        value = end + 2 + (end[2] == ' ');
    }
    return out;
}

static void assert_subject(const char *title, const char *expected) {
    struct channel_message message = message_of("evt_1", title, "text");
    struct buffer mail = make(&message, 1);
    char *value = header(&mail, "Subject"), *text = decoded(value);

    assert_lines(&mail);
    assert_string_equal(text, expected);
    assert_null(header(&mail, "Bcc"));
    free(value);
    free(text);
    buffer_deinit(&mail);
}

static void test_subjects(void **state) {
    (void)state;
    assert_subject("www.example.org: certificate expires in 6 days",
                   "[warning] www.example.org: certificate expires in 6 days");
    assert_subject("Caf\u00e9", "[warning] Caf\u00e9");
    assert_subject("a\r\nBcc: thief@example.org", "[warning] a\\u{d}\\u{a}Bcc: thief@example.org");
    assert_subject("a\nBcc: thief\n\nbody", "[warning] a\\u{a}Bcc: thief\\u{a}\\u{a}body");
    assert_subject("\xff\xfe", "[warning] \\xff\\xfe");
    assert_subject("\u202ehidden", "[warning] \\u{202e}hidden");
    assert_subject("=?UTF-8?B?aGlkZGVu?=", "[warning] =?UTF-8?B?aGlkZGVu?=");
    assert_subject(
        "\U0001F512\U0001F512\U0001F512\U0001F512\U0001F512\U0001F512\U0001F512\U0001F512"
        "\U0001F512\U0001F512\U0001F512\U0001F512\U0001F512\U0001F512\U0001F512\U0001F512",
        "[warning] "
        "\U0001F512\U0001F512\U0001F512\U0001F512\U0001F512\U0001F512\U0001F512\U0001F512"
        "\U0001F512\U0001F512\U0001F512\U0001F512\U0001F512\U0001F512\U0001F512"
        "\U0001F512");
}

/* Whatever bytes a title and a text hold. */
static void test_any_bytes(void **state) {
    uint8_t bytes[600];

    (void)state;
    for (unsigned seed = 0; seed < 200; seed++) {
        srand(seed);
        size_t len = (size_t)rand() % sizeof bytes;
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(seed % 2 ? rand() : "\r\n.=? aB\xc3\xa9"[rand() % 11]);
        struct channel_message message = message_of("evt_1", "", "");
        message.title = message.message = (struct slice){bytes, len};
        struct buffer mail = make(&message, 1);
        /* a subject alone may be a line of 200 characters, where it cannot be folded */
        char *end = strstr((char *)mail.ptr, "\r\n\r\n"), *subject = header(&mail, "Subject");
        assert_non_null(subject);
        assert_true(strlen(subject) < 998);
        struct slice body = slice_of(end + 4);
        struct buffer rest = {(uint8_t *)(uintptr_t)body.ptr, body.len + 1, 0, false};
        assert_lines(&rest);
        assert_null(header(&mail, "a"));
        free(subject);
        buffer_deinit(&mail);
    }
}

static int hex(char c) {
    return isdigit((unsigned char)c) ? c - '0' : c - 'A' + 10;
}

static void test_digest(void **state) {
    const struct channel_message messages[] = {
        message_of("evt_1", "first = one", "A long text: na\u00efve, with a blank at its end "),
        message_of("evt_2", "second", "")};
    struct buffer mail = make(messages, 2), again = make(messages, 2), one = make(messages, 1);
    struct buffer text;

    (void)state;
    assert_lines(&mail);
    assert_string_equal((const char *)mail.ptr, (const char *)again.ptr);
    char *id = header(&mail, "Message-ID"), *single = header(&one, "Message-ID");
    assert_string_equal(single, "<evt_1@monitor.example.org>");
    assert_int_equal(strlen(id), strlen("<@monitor.example.org>") + 32);
    char *subject = header(&mail, "Subject"), *date = header(&mail, "Date"),
         *to = header(&mail, "To");
    assert_string_equal(subject, "[warning] 2 notices: first = one");
    assert_string_equal(date, "Sat, 21 Nov 2026 02:56:42 +0000");
    assert_string_equal(to, "ops@example.org, second@example.org");
    buffer_init(&text);
    for (const char *c = strstr((char *)mail.ptr, "\r\n\r\n") + 4; *c; c++) {
        if (*c == '=' && c[1] == '\r')
            c += 2;
        else if (*c == '=') {
            buffer_add_byte(&text, (uint8_t)(hex(c[1]) << 4 | hex(c[2])));
            c += 2;
        } else if (*c != '\r')
            buffer_add_byte(&text, (uint8_t)*c);
    }
    buffer_add_byte(&text, 0);
    assert_string_equal((const char *)text.ptr,
                        "[warning] first = one\n\n"
                        "A long text: na\u00efve, with a blank at its end \n\n"
                        "tls_expiry, 2026-11-21T02:56:42Z\n"
                        "\n----\n\n[warning] second\n\n"
                        "tls_expiry, 2026-11-21T02:56:42Z\n");
    free(id);
    free(single);
    free(subject);
    free(date);
    free(to);
    buffer_deinit(&text);
    buffer_deinit(&mail);
    buffer_deinit(&again);
    buffer_deinit(&one);
}

static void test_addresses(void **state) {
    static const char *const fine[] = {"a@b", "first.last+tag@mail.example.org", "trawl@vm"},
                             *const odd[] = {"",
                                             "@",
                                             "a@",
                                             "@b",
                                             "a b@c",
                                             "a@b\r\nRCPT",
                                             "a@b,c@d",
                                             "<a@b>",
                                             "a@b@c",
                                             "\"a\"@b",
                                             "caf\u00e9@example.org",
                                             "-oQ@b",
                                             "a@.b",
                                             "a@b.",
                                             "a;b@c"};

    (void)state;
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        assert_true(mail_address_is_fine(fine[i]));
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        assert_false(mail_address_is_fine(odd[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subjects),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
