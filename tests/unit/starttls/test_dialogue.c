/* The table of protocols, limits, and TLS inside packets. */
#include "engine/starttls/dialogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct dialogue *find(const char *name) {
    uint16_t port;
    int index = dialogue_by_name(slice_of(name), &port);
    assert_true(index >= 0);
    return dialogues[index];
}

static void assert_name(const char *name, const char *protocol, uint16_t expected) {
    uint16_t port = 0;
    int index = dialogue_by_name(slice_of(name), &port);
    assert_true(index >= 0);
    assert_string_equal(dialogues[index]->name, protocol);
    assert_int_equal(port, expected);
}

static void test_names(void **state) {
    (void)state;
    uint16_t port;

    for (uint32_t i = 0; i < dialogue_count; i++) {
        assert_name(dialogues[i]->name, dialogues[i]->name, dialogues[i]->port);
        assert_true(dialogues[i]->summary[0] && dialogues[i]->port);
        assert_true(dialogue_is_direct(dialogues[i]) == (i == 0));
    }
    assert_name("SMTP", "smtp", 25);
    assert_name("submission", "smtp", 587);
    assert_name("pop", "pop3", 110);
    assert_name("postgresql", "postgres", 5432);
    assert_name("tds", "mssql", 1433);
    assert_name("xmpp-client", "xmpp", 5222);
    assert_name("managesieve", "sieve", 4190);
    assert_name("MariaDB", "mysql", 3306);
    assert_name("ms-wbt-server", "rdp", 3389);
    assert_name("imaps", "tls", 993);
    assert_name("ircs", "tls", 6697); /* the last of the longest list */
    assert_int_equal(dialogue_by_name(slice_of("gopher"), &port), -1);
    assert_int_equal(dialogue_by_name(slice_of(""), &port), -1);
    assert_int_equal(dialogue_by_name((struct slice){NULL, 0}, &port), -1);
    assert_int_equal(dialogue_by_name(slice_of("smt"), &port), -1);
}

static void test_ports(void **state) {
    (void)state;
    static const struct {
        uint16_t port;
        const char *name;
    } PORTS[] = {
        {25, "smtp"},          {587, "smtp"},   {2525, "smtp"},  {24, "lmtp"},    {143, "imap"},
        {110, "pop3"},         {21, "ftp"},     {389, "ldap"},   {3268, "ldap"},  {5222, "xmpp"},
        {5269, "xmpp-server"}, {119, "nntp"},   {433, "nntp"},   {4190, "sieve"}, {6667, "irc"},
        {5432, "postgres"},    {3306, "mysql"}, {1433, "mssql"}, {3389, "rdp"},   {23, "telnet"},
        {5900, "vnc"},         {443, "tls"},    {465, "tls"},    {993, "tls"},    {995, "tls"},
        {636, "tls"},          {990, "tls"},    {853, "tls"},    {6697, "tls"},   {5671, "tls"},
        {8883, "tls"},         {0, "tls"},      {65535, "tls"},
    };

    for (size_t i = 0; i < sizeof PORTS / sizeof PORTS[0]; i++)
        assert_string_equal(dialogues[dialogue_by_port(PORTS[i].port)]->name, PORTS[i].name);
}

/* A name or a port means one protocol, whoever comes first in the table. */
static void test_no_ambiguity(void **state) {
    (void)state;
    uint16_t port;

    for (uint32_t i = 0; i < dialogue_count; i++) {
        const struct dialogue *dialogue = dialogues[i];
        for (size_t k = 0; k < DIALOGUE_ALIASES && dialogue->aliases[k].name; k++)
            assert_int_equal(dialogue_by_name(slice_of(dialogue->aliases[k].name), &port), (int)i);
        if (i)
            assert_int_equal(dialogue_by_port(dialogue->port), i);
        for (size_t k = 0; k < DIALOGUE_PORTS && dialogue->ports[k]; k++)
            assert_int_equal(dialogue_by_port(dialogue->ports[k]), i);
    }
}

/* One dialogue with a server that says `bytes` again and again. */
struct talk {
    struct dialogue_state state;
    struct buffer out;
    enum dialogue_status status;
};

static void talk_init(struct talk *talk, const char *protocol) {
    buffer_init(&talk->out);
    dialogue_start(&talk->state, find(protocol), slice_of("example.org"), &talk->out);
    talk->status = DIALOGUE_MORE;
}

static void hear(struct talk *talk, const char *bytes, size_t len, uint32_t times) {
    size_t used;

    for (; times && talk->status == DIALOGUE_MORE; times--)
        talk->status = dialogue_feed(&talk->state, (struct slice){(const uint8_t *)bytes, len},
                                     &used, &talk->out);
}

static void hear_text(struct talk *talk, const char *text, uint32_t times) {
    hear(talk, text, strlen(text), times);
}

static void test_line_limit(void **state) {
    (void)state;
    struct talk talk;

    talk_init(&talk, "smtp");
    hear_text(&talk, "220 ", 1);
    hear_text(&talk, "x", DIALOGUE_LINE_BYTES - 5);
    hear_text(&talk, "\r\n", 1);
    assert_int_equal(talk.status, DIALOGUE_MORE);
    assert_true(talk.out.len > 0);
    hear_text(&talk, "x", DIALOGUE_LINE_BYTES);
    assert_int_equal(talk.status, DIALOGUE_MORE);
    hear_text(&talk, "x", 1);
    assert_int_equal(talk.status, DIALOGUE_TOO_LARGE);
    buffer_deinit(&talk.out);
}

static void test_lines_limit(void **state) {
    (void)state;
    struct talk talk;

    talk_init(&talk, "ftp");
    hear_text(&talk, "220-\r\n", DIALOGUE_LINES_MAX);
    assert_int_equal(talk.status, DIALOGUE_MORE);
    hear_text(&talk, "220 \r\n", 1);
    assert_int_equal(talk.status, DIALOGUE_TOO_LARGE);
    buffer_deinit(&talk.out);
}

/* Texts without end in protocols that have no lines, and a literal that is never complete. */
static void test_bytes_limit(void **state) {
    (void)state;
    static const struct {
        const char *protocol, *first, *then;
    } ENDLESS[] = {
        {"telnet", "", "login: "},
        {"telnet", "", "\xff\xfd\x18"},
        {"xmpp", "", "\n"},
        {"xmpp", "<stream:stream version='1.0'><stream:features>", "<a>"},
        {"sieve", "\"SIEVE\" {4294967295}\r\n", "x"},
        {"irc", "",
         "PING :12345678901234567890123456789012345678901234567890"
         "12345678901234567890123456789012345678901234567890"
         "12345678901234567890123456789012345678901234567890\r\n"},
    };

    for (size_t i = 0; i < sizeof ENDLESS / sizeof ENDLESS[0]; i++) {
        struct talk talk;
        talk_init(&talk, ENDLESS[i].protocol);
        hear_text(&talk, ENDLESS[i].first, 1);
        hear_text(&talk, ENDLESS[i].then, DIALOGUE_BYTES_MAX + 1);
        assert_int_equal(talk.status, DIALOGUE_TOO_LARGE);
        assert_int_equal(talk.state.bytes_in, DIALOGUE_BYTES_MAX + 1);
        assert_true(talk.out.len <= DIALOGUE_BYTES_MAX + 256);
        buffer_deinit(&talk.out);
    }
}

/* A message that never ends: a tag, its quoted attribute, a subnegotiation, an error's text. */
static void test_message_limit(void **state) {
    (void)state;
    static const struct {
        const char *protocol, *first, *then;
    } ENDLESS[] = {
        {"xmpp", "<", "a"},          {"xmpp", "<a b='", ">"},
        {"telnet", "\xff\xfa", "x"}, {"telnet", "\xff\xfa\x2e", "\xff\xff\xff\xff"},
        {"postgres", "E", "x"},
    };

    for (size_t i = 0; i < sizeof ENDLESS / sizeof ENDLESS[0]; i++) {
        struct talk talk;
        talk_init(&talk, ENDLESS[i].protocol);
        hear_text(&talk, ENDLESS[i].first, 1);
        hear_text(&talk, ENDLESS[i].then, DIALOGUE_LINE_BYTES);
        assert_int_equal(talk.status, DIALOGUE_TOO_LARGE);
        assert_true(talk.state.bytes_in <= DIALOGUE_LINE_BYTES);
        buffer_deinit(&talk.out);
    }
}

static void test_words_are_cut(void **state) {
    (void)state;
    struct talk talk;

    talk_init(&talk, "smtp");
    hear_text(&talk, "554 ", 1);
    hear_text(&talk, "x", 1000);
    hear_text(&talk, "\r\n", 1);
    assert_int_equal(talk.status, DIALOGUE_REFUSED);
    assert_int_equal(talk.state.words_len, DIALOGUE_WORDS_BYTES);
    buffer_deinit(&talk.out);

    talk_init(&talk, "mysql");
    hear(&talk, "\xff\x03\x00\x00\xff\x10\x04", 7, 1);
    hear_text(&talk, "x", 0x3ff - 3);
    assert_int_equal(talk.status, DIALOGUE_REFUSED);
    assert_int_equal(talk.state.words_len, DIALOGUE_WORDS_BYTES);
    assert_memory_equal(talk.state.words, "error 1040: xx", 14);
    buffer_deinit(&talk.out);
}

/* One state serves one dialogue after another. */
static void test_start_forgets(void **state) {
    (void)state;
    struct talk talk;
    size_t used;

    talk_init(&talk, "sieve");
    hear_text(&talk, "\"STARTTLS\"\r\n\"SIEVE\" {9}\r\nabc", 1);
    dialogue_start(&talk.state, find("sieve"), slice_of(""), &talk.out);
    talk.status = dialogue_feed(&talk.state, slice_of("OK\r\n"), &used, &talk.out);
    assert_int_equal(talk.status, DIALOGUE_REFUSED);
    buffer_deinit(&talk.out);
}

static struct slice repeated(struct buffer *buffer, size_t len) {
    for (size_t i = 0; i < len; i++)
        buffer_add_byte(buffer, (uint8_t)(i % 251));
    return buffer_slice(buffer);
}

/* What is wrapped is packets of at most 4096 bytes, the last marked, and unwraps to the same. */
static void test_tds_round_trip(void **state) {
    (void)state;
    const struct dialogue *mssql = find("mssql");
    static const size_t LENGTHS[] = {1, 300, 4088, 4089, 20000};

    for (size_t i = 0; i < sizeof LENGTHS / sizeof LENGTHS[0]; i++)
        for (size_t piece = 1; piece < 9000; piece = piece * 3 + 1) {
            struct buffer tls, packets, back;
            struct dialogue_state dialogue = {.dialogue = mssql};
            buffer_init(&tls);
            buffer_init(&packets);
            buffer_init(&back);
            mssql->wrap(repeated(&tls, LENGTHS[i]), &packets);
            size_t count = (LENGTHS[i] + 4087) / 4088;
            assert_int_equal(packets.len, LENGTHS[i] + 8 * count);
            for (size_t k = 0; k < count; k++) {
                const uint8_t *header = packets.ptr + k * 4096;
                size_t len = k + 1 < count ? 4096 : packets.len - k * 4096;
                assert_int_equal(header[0], 0x12);
                assert_int_equal(header[1], k + 1 == count);
                assert_int_equal(header[2] << 8 | header[3], len);
                assert_int_equal(header[6], k);
            }
            for (struct slice rest = buffer_slice(&packets); rest.len;
                 rest = slice_from(rest, piece))
                assert_true(mssql->unwrap(&dialogue, slice_first(rest, piece), &back));
            assert_true(slice_equal(buffer_slice(&tls), buffer_slice(&back)));
            buffer_deinit(&tls);
            buffer_deinit(&packets);
            buffer_deinit(&back);
        }
}

static void test_tds_bare_and_broken(void **state) {
    (void)state;
    const struct dialogue *mssql = find("mssql");
    struct dialogue_state dialogue = {.dialogue = mssql};
    struct buffer tls;

    buffer_init(&tls);
    /* a packet, then a record without one, then nothing is a packet any more */
    assert_true(mssql->unwrap(
        &dialogue, (struct slice){(const uint8_t *)"\x12\x01\x00\x0a\0\0\0\0ab\x17\x03\x03", 13},
        &tls));
    assert_true(mssql->unwrap(&dialogue, slice_of("\x12"), &tls));
    assert_true(slice_is(buffer_slice(&tls), "ab\x17\x03\x03\x12"));
    dialogue = (struct dialogue_state){.dialogue = mssql};
    assert_false(mssql->unwrap(&dialogue, slice_of("HTTP"), &tls));
    dialogue = (struct dialogue_state){.dialogue = mssql};
    assert_false(mssql->unwrap(
        &dialogue, (struct slice){(const uint8_t *)"\x12\x01\x00\x07\0\0\0\0", 8}, &tls));
    buffer_deinit(&tls);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_no_ambiguity),
        cmocka_unit_test(test_line_limit),
        cmocka_unit_test(test_lines_limit),
        cmocka_unit_test(test_bytes_limit),
        cmocka_unit_test(test_message_limit),
        cmocka_unit_test(test_words_are_cut),
        cmocka_unit_test(test_start_forgets),
        cmocka_unit_test(test_tds_round_trip),
        cmocka_unit_test(test_tds_bare_and_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
