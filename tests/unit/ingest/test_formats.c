/* Every format by itself, without descriptors: rows out of bytes, however these are split. */
#include "engine/base/buffer.h"
#include "ingest/format.h"
#include "ingest/json_values.h"
#include "ingest/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct port_choice choices[] = {{1, 0}};
static const struct port_list ports = {choices, 1};

static int by_name(struct slice name, uint16_t *default_port) {
    bool smtp = slice_is(name, "smtp");
    *default_port = smtp ? 25 : 443;
    return smtp ? 1 : slice_is(name, "tls") ? 0 : -1;
}
static const struct protocol_lookup protocols = {.by_name = by_name};
static const struct source_context context = {
    .ports = &ports, .protocols = &protocols, .seed = 1, .stop_fd = -1};

static void add_target(struct buffer *out, const struct target *target) {
    char address[ADDRESS_TEXT_MAX] = "";
    if (target->address.family != ADDRESS_NONE)
        address_format(&target->address, address);
    bool v6 = target->address.family == ADDRESS_V6;
    buffer_add_format(out, "%s%s%s%s%s:%u", target->name, target->name_len && *address ? "@" : "",
                      v6 ? "[" : "", address, v6 ? "]" : "", target->port);
    if (target->protocol)
        buffer_add_format(out, "/%u", target->protocol);
    buffer_add_byte(out, '\n');
}

static void add_row(struct buffer *out, const struct row *row) {
    struct spec spec;
    struct target target;
    struct failure reason;
    if (row_to_spec(row, &context, &spec, &reason)) {
        buffer_add_format(out, "%u? %s\n", (unsigned)row->line, reason.text);
        return;
    }
    while (spec_next(&spec, &target))
        add_target(out, &target);
}

/* What is wrong, without the JSON library's words, which change with its versions. */
static void add_reason(struct buffer *out, const struct row *row, char mark,
                       const struct failure *reason) {
    static const char not_json[] = "not JSON";
    bool cut = strncmp(reason->text, not_json, sizeof not_json - 1) == 0;
    buffer_add_format(out, "%u%c %s\n", (unsigned)row->line, mark, cut ? not_json : reason->text);
}

/* All that a format makes of `text`, `step` bytes at a time: targets, "LINE? REASON" for a bad row,
 * "LINE! REASON" for the end of what can be understood. */
static void run(const struct format *format, struct slice text, size_t step, struct buffer *out) {
    struct input input;
    void *state = calloc(1, format->size ? format->size : 1);
    assert_non_null(state);
    assert_true(input_init(&input));
    for (bool ended = false; !ended;) {
        struct row row = {0};
        struct failure reason = {.text = ""};
        switch (format->next(state, &input, &row, &reason)) {
        case ROW_GIVEN:
            add_row(out, &row);
            break;
        case ROW_BAD:
            add_reason(out, &row, '?', &reason);
            break;
        case ROW_BROKEN:
            add_reason(out, &row, '!', &reason);
            ended = true;
            break;
        case ROW_MORE: {
            size_t space;
            assert_false(input.finished);
            uint8_t *to = input_space(&input, &space);
            struct slice part = slice_first(slice_first(text, step), space);
            if (!part.len)
                input_finish(&input);
            else
                memcpy(to, part.ptr, part.len);
            input_add(&input, part.len);
            text = slice_from(text, part.len);
            break;
        }
        case ROW_END:
            ended = true;
            break;
        }
    }
    if (format->deinit)
        format->deinit(state);
    free(state);
    input_deinit(&input);
}

static void assert_bytes(const struct format *format, struct slice text, const char *expected) {
    static const size_t steps[] = {1, 2, 3, 7, 64, SIZE_MAX};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct buffer out;
        buffer_init(&out);
        run(format, text, steps[i], &out);
        if (!slice_equal(buffer_slice(&out), slice_of(expected)))
            fail_msg("%s, %zu bytes at a time, got:\n%.*s\nexpected:\n%s", format->name, steps[i],
                     (int)out.len, (const char *)out.ptr, expected);
        buffer_deinit(&out);
    }
}

static void assert_rows(const struct format *format, const char *text, const char *expected) {
    assert_bytes(format, slice_of(text), expected);
}

static void csv(void **state) {
    (void)state;
    const struct format *f = &format_csv;
    assert_rows(f, "", "");
    assert_rows(f, "host,port\n", "");
    assert_rows(f, "host,port", "");
    assert_rows(f, "host,port\na.example,25\nb.example\n\nc.example,\r\n",
                "a.example:25\nb.example:1\nc.example:1\n");
    assert_rows(f, " \"Host\" ; IP;sni\na.example;192.0.2.1;\n;192.0.2.2;b.example",
                "a.example@192.0.2.1:1\nb.example@192.0.2.2:1\n");
    assert_rows(f, "x\tdomain\n1\ta.example\n", "a.example:1\n");
    /* RFC 4180: quotes double, and line breaks stand within them */
    assert_rows(
        f, "note,\"host\",port\n\"a \"\"quoted\"\",\nnote\",\"a.example\",\"8\"\nx,b.example\n",
        "a.example:8\nb.example:1\n");
    assert_rows(f, "host,note\nbad host,1\n\"two\nlines\",2\n\nb.example,3\n",
                "2? \" \" cannot be in a host name\n3? \"\\u{a}\" cannot be in a host name\n"
                "b.example:1\n");
    assert_rows(f, "host,port\n,443\na.example,0\na.example,x\n",
                "2? the host is missing\n3? port \"0\" is not between 1 and 65535\n"
                "4? port \"x\" is not between 1 and 65535\n");
    assert_rows(f, "host,port\na.example,1\nb.example,\"2\nc.example,3\n",
                "a.example:1\n3! a quote of this row is never closed\n");
    assert_rows(f, "name,value\na,b\n",
                "1! no column of the first row names a host (host, ip, saddr, domain ...)\n");
    /* blocks keep the port and the name of their row */
    assert_rows(f, "ip,port,sni\n192.0.2.8/31,99,a.example\n",
                "a.example@192.0.2.9:99\na.example@192.0.2.8:99\n");
    /* the first column of a kind that has something counts */
    assert_rows(f, "hostname,domain\n,a.example\nb.example,c.example\n",
                "a.example:1\nb.example:1\n");
    assert_rows(f,
                "host,protocol,port\na.example,smtp,\nb.example,smtp,2525\nc.example,tcp,\n"
                "d.example,https,\ne.example,gopher,\n",
                "a.example:25/1\nb.example:2525/1\nc.example:1\nd.example:443\n"
                "6? unknown protocol \"gopher\"\n");
}

static void zmap(void **state) {
    (void)state;
    assert_rows(&format_csv,
                "saddr,daddr,sport,dport,classification,success,repeat\n"
                "192.0.2.1,198.51.100.1,443,40000,synack,1,0\n"
                "192.0.2.2,198.51.100.1,443,40000,rst,0,0\n"
                "192.0.2.3,198.51.100.1,443,40000,synack,1,1\n",
                "192.0.2.1:443\n");
    assert_rows(&format_csv, "saddr,dport\n192.0.2.1,40000\n", "192.0.2.1:1\n");
    assert_rows(&format_csv, "daddr,dport\n192.0.2.1,8443\n", "192.0.2.1:8443\n");
    assert_rows(&format_csv, "saddr\n192.0.2.1\n192.0.2.2\n", "192.0.2.1:1\n192.0.2.2:1\n");
    assert_rows(&format_json,
                "{\"saddr\":\"192.0.2.1\",\"sport\":443,\"success\":true,\"repeat\":false}\n"
                "{\"saddr\":\"192.0.2.2\",\"sport\":443,\"success\":false}\n",
                "192.0.2.1:443\n");
    /* a member of that name means nothing elsewhere */
    assert_rows(&format_json, "{\"host\":\"a.example\",\"success\":false}", "a.example:1\n");
}

static void rows_agree(void **state) {
    (void)state;
    const struct format *f = &format_csv;
    assert_rows(f,
                "host,ip\na.example,192.0.2.1\n192.0.2.1,192.0.2.1\n192.0.2.1,192.0.2.2\n"
                "192.0.2.0/24,192.0.2.2\na.example,b.example\na.example,192.0.2.0/24\n",
                "a.example@192.0.2.1:1\n192.0.2.1:1\n"
                "4? the host and the IP address \"192.0.2.2\" differ\n"
                "5? the host and the IP address \"192.0.2.2\" differ\n"
                "6? \"b.example\" is not an IP address\n"
                "7? \"192.0.2.0/24\" is not an IP address\n");
    assert_rows(f,
                "host,ip,sni\na.example,,A.Example.\na.example,,b.example\n"
                "a.example,192.0.2.1,b.example\n,,c.example\n192.0.2.1,,192.0.2.1\n",
                "a.example:1\n"
                "3? the server name \"b.example\" is not the host; with an IP address it can be\n"
                "b.example@192.0.2.1:1\n5? the host is missing\n"
                "6? \"192.0.2.1\" is neither a host name nor an IPv4 address\n");
    assert_rows(f, "url,port\nhttps://a.example/x,443\nb.example:25,443\n@list,\n-,\n",
                "a.example:443\n3? port 25 and port 443\n4? a list cannot name another list\n"
                "5? a list cannot name another list\n");
}

static void json(void **state) {
    (void)state;
    const struct format *f = &format_json;
    assert_rows(f, "", "");
    assert_rows(f,
                "{\"host\":\"a.example\"}\n{\"Port\":\"25\",\"HOST\":\"b.example\"}{\"ip\":"
                "\"192.0.2.1\",\"port\":8443,\"sni\":null}",
                "a.example:1\nb.example:25\n192.0.2.1:8443\n");
    assert_rows(f,
                "[\n  {\n \"host\": \"a\\u002eexample\",\n \"x\": [1, {\"host\": \"no\"}, "
                "\"\\\"]}\\\\\"]\n },\n]\n",
                "a.example:1\n");
    assert_rows(f, "[\"a.example\", \"b.example:25\"]\n\"c.example\"",
                "a.example:1\nb.example:25\nc.example:1\n");
    assert_rows(f, "[]\n[ ]{\"host\":\"a\"}[{\"host\":\"b\"}]", "a:1\nb:1\n");
    assert_rows(f, "{\"ip\":3221225985,\"ip_str\":\"192.0.2.1\",\"port\":443}", "192.0.2.1:443\n");
    assert_rows(f, "{\"host\":\"a\",\"port\":443.0}\n{\"host\":\"b\",\"port\":-1}\n{\"port\":1}\n",
                "1? port \"443.0\" is not between 1 and 65535\n"
                "2? port \"-1\" is not between 1 and 65535\n3? the host is missing\n");
    assert_rows(f, "1 null\n[[\"a\"],{\"host\":\"b\"}]",
                "1? not an object\n1? not an object\n2? not an object\nb:1\n");
    assert_rows(f, "{\"host\":\"a\\u0000b\"}", "1? \"\\u{0}\" cannot be in a host name\n");
}

static void json_of_masscan(void **state) {
    (void)state;
    static const char text[] =
        "[\n{ \"ip\": \"192.0.2.1\", \"ports\": [ {\"port\": 443, \"proto\": \"tcp\", "
        "\"status\": \"open\", \"ttl\": 64}, {\"port\": 8443, \"proto\": \"tcp\"} ] },\n"
        "{ \"ip\": \"192.0.2.2\", \"ports\": [ {\"port\": 53, \"proto\": \"udp\", \"status\": "
        "\"open\"} ] }\n,\n"
        "{ \"ip\": \"192.0.2.3\", \"ports\": [ {\"port\": 80, \"proto\": \"tcp\", \"status\": "
        "\"closed\"}, {\"port\": 81, \"proto\": \"tcp\", \"service\": {\"name\": \"ssl\"}} ] },\n"
        "{ \"ip\": \"192.0.2.4\", \"ports\": [ 1, \"2\" ] },\n{finished: 1}\n]\n";
    assert_rows(&format_json, text, "192.0.2.1:443\n192.0.2.1:8443\n192.0.2.4:1\n192.0.2.4:2\n");
}

static void broken_json(void **state) {
    (void)state;
    const struct format *f = &format_json;
    /* lines are on their own */
    assert_rows(
        f, "{\"host\":\"a\"}\n{\"host\":\"b\",}{\"host\":\"no\"}\nrubbish here\n{\"host\":\"c\"}\n",
        "a:1\n2? not JSON\n"
        "3? not JSON\nc:1\n");
    /* a bracket or a quote too few swallows what follows */
    assert_rows(f, "{\"host\":\"a\"}\n{\"host\":\"b\"\n{\"host\":\"c\"}\n",
                "a:1\n2! the JSON that begins here is never closed\n");
    assert_rows(f, "{\"host\":\"a\"}\n{\"host\":\"b}\n{\"host\":\"c\"}\n\"}", "a:1\n2! not JSON\n");
    assert_rows(f, "[{\"host\":\"a\"},\n{\"host\":\"b\",},{\"host\":\"c\"}]", "a:1\n2! not JSON\n");
    assert_rows(f, "\n[{\"host\":\"a\"},", "a:1\n2! the JSON that begins here is never closed\n");
    assert_rows(f, "{\"host\":\"a\"", "1! the JSON that begins here is never closed\n");
    assert_rows(f, "{\"host\":\"a\"}\n\xff\xfe\n", "a:1\n2? not JSON\n");
}

static void deep_and_long_json(void **state) {
    (void)state;
    struct buffer text;
    buffer_init(&text);
    buffer_add_text(&text, "{\"host\":\"a\",\"x\":");
    for (int i = 0; i < 100000; i++)
        buffer_add_byte(&text, '[');
    for (int i = 0; i < 100000; i++)
        buffer_add_byte(&text, ']');
    buffer_add_text(&text, "}\n{\"host\":\"b\",\"x\":\"");
    struct buffer out;
    buffer_init(&out);
    for (int i = 0; i < 1000000; i++)
        buffer_add_byte(&text, 'x');
    buffer_add_text(&text, "\"}\n{\"host\":\"c\",\"x\":\"");
    for (int i = 0; i < JSON_VALUE_BYTES_MAX + 1; i++)
        buffer_add_byte(&text, 'x');
    run(&format_json, buffer_slice(&text), 100000, &out);
    buffer_add_byte(&out, '\0');
    assert_string_equal((const char *)out.ptr,
                        "a:1\nb:1\n3! a JSON value of more than 2097152 bytes begins here\n");
    buffer_deinit(&out);
    buffer_deinit(&text);
}

static void masscan(void **state) {
    (void)state;
    assert_rows(&format_masscan,
                "#masscan\nopen tcp 443 192.0.2.1 1700000000\r\nopen udp 53 192.0.2.2 1700000000\n"
                "banner tcp 443 192.0.2.1 1700000000 ssl x\nclosed tcp 80 192.0.2.3 1700000000\n\n"
                "open tcp 443 2001:db8::1 1700000000\nopen tcp 0 192.0.2.4 1\n# end\n",
                "192.0.2.1:443\n[2001:db8::1]:443\n8? port \"0\" is not between 1 and 65535\n");
    assert_rows(
        &format_masscan, "[\n",
        "1? not a line of masscan's list, such as \"open tcp 443 192.0.2.1 1700000000\" (its "
        "JSON and XML are the formats json and nmap)\n");
}

static void grepable(void **state) {
    (void)state;
    const struct format *f = &format_grepable;
    assert_rows(f,
                "# Nmap 7.93 scan initiated, as: nmap\nHost: 192.0.2.1 (a.example)\tStatus: Up\n"
                "Host: 192.0.2.1 (a.example)\tPorts: 80/open/tcp//http//x 1, 2/, "
                "81/closed/tcp/////, 53/open/udp/////, 443/open/tcp//https///\tIgnored State: "
                "closed (1), 9/open/tcp\r\n# Nmap done\n",
                "192.0.2.1:80\n192.0.2.1:443\n");
    /* hosts without ports: not when all of them are closed, or the host is down */
    assert_rows(f,
                "Host: 192.0.2.1 ()\tStatus: Up\nHost: 192.0.2.2 ()\tStatus: Up\n"
                "Host: 192.0.2.2 ()\tPorts: \tIgnored State: closed (1)\n"
                "Host: 192.0.2.3 ()\tStatus: Down\nHost: 192.0.2.10 ()\tStatus: Up\n"
                "Host: 192.0.2.1 ()\tPorts: 5/open/tcp\nHost: 192.0.2.4 ()\tStatus: Unknown",
                "192.0.2.1:1\n192.0.2.10:1\n192.0.2.4:1\n");
    assert_rows(f,
                "Timestamp: 1700000000\tHost: 2001:db8::1 ()\tPorts: 443/open/tcp//https//\n"
                "Host: 192.0.2.1 ()\tPort: 443\tService: ssl\tBanner: x, 444/open/tcp/\n",
                "[2001:db8::1]:443\n");
    assert_rows(f, "rubbish, 443/open/tcp//\t443/open/tcp//\n\nHost: x ()\tPorts: 1/open/tcp//\n",
                "1? not a line of grepable output\n3? \"x\" is not an IP address\n");
    assert_rows(f, "# Nmap 7.93 scan initiated\nNmap scan report for a.example (192.0.2.1)\n",
                "2! this is what nmap writes for people (-oN): let it write XML (-oX)\n");
}

static void all_ports_on_one_line(void **state) {
    (void)state;
    struct buffer text, out;
    buffer_init(&text);
    buffer_init(&out);
    buffer_add_text(&text, "Host: 192.0.2.1 ()\tPorts: ");
    for (int port = 1; port < 65536; port++)
        buffer_add_format(&text, "%d/open/tcp//unknown///, ", port);
    run(&format_grepable, buffer_slice(&text), 4096, &out);
    size_t rows = 0;
    for (size_t i = 0; i < out.len; i++)
        rows += out.ptr[i] == '\n';
    assert_int_equal(rows, 65535);
    buffer_deinit(&text);
    buffer_deinit(&out);
}

static void nmap(void **state) {
    (void)state;
    const struct format *f = &format_nmap;
    static const char text[] =
        "<?xml version=\"1.0\"?>\n<!DOCTYPE nmaprun>\n<!-- Nmap -- > -->\n<nmaprun>\n"
        "<host><status state='up' /><address addr=\"00:00:5E:00:53:01\" addrtype=\"mac\"/>\n"
        "<address addr=\"192.0.2.1\" addrtype=\"ipv4\"/><hostnames>"
        "<hostname name=\"ptr.example\" type=\"PTR\"/><hostname type=\"user\" name=\"a&#46;"
        "ex&#x61;mple\"/></hostnames><ports><extraports state=\"open\" count=\"3\"/>"
        "<port protocol=\"tcp\" portid=\"443\"><state state=\"open\"/><script id=\"x\" "
        "output=\"&lt;port&gt;\n&quot;\"><elem>443 &amp; <![CDATA[</port>]]></elem></script></port>"
        "<port protocol=\"tcp\" portid=\"80\"><state state=\"closed\"/></port>"
        "<port protocol=\"udp\" portid=\"53\"><state state=\"open\"/></port>"
        "<port protocol=\"tcp\" portid=\"8443\"><state reason=\"syn-ack\" state=\"open\"/></port>"
        "</ports></host>\n"
        "<hosthint><address addr=\"192.0.2.9\" addrtype=\"ipv4\"/></hosthint>"
        "<host><status state=\"up\"/><address addr=\"2001:db8::1\" addrtype=\"ipv6\"/></host>"
        "<host><status state=\"down\"/><address addr=\"192.0.2.3\" addrtype=\"ipv4\"/></host>"
        "<host><status state=\"up\"/><address addr=\"192.0.2.4\" addrtype=\"ipv4\"/><ports/></host>"
        "</nmaprun>\n";
    assert_rows(f, text, "a.example@192.0.2.1:443\na.example@192.0.2.1:8443\n[2001:db8::1]:1\n");
    assert_rows(f,
                "<nmaprun>\n<host><address addr='192.0.2.1'/>\n<ports><port portid='9' "
                "protocol='tcp'><state state='open'/></port></ports></host>",
                "192.0.2.1:9\n3! broken XML: the XML ends within an element\n");
    assert_rows(f, "<nmaprun>\n<host><address addr='x'/></host><host></host></nmaprun>",
                "2? \"x\" is not an IP address\n2? the host is missing\n");
    assert_rows(f, "<html><body>", "1! not nmap's XML: its root element is \"html\"\n");
}

static void broken_xml(void **state) {
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "the XML has no element"},
        {"<nmaprun/>\n<nmaprun/>", "2! a second root element"},
        {"x<nmaprun/>", "text outside of the root element"},
        {"<nmaprun>&lol;</nmaprun>x", "text outside of the root element"},
        {"<nmaprun></nmaprum>", "a tag closes an element that is not open"},
        {"<nmaprun><a></nmaprun>", "a tag closes an element that is not open"},
        {"</nmaprun>", "a tag closes an element that is not open"},
        {"<nmaprun a=1>", "an attribute without quotes"},
        {"<nmaprun a>", "an attribute without \"=\""},
        {"<nmaprun a b='1'>", "an attribute without \"=\""},
        {"<nmaprun a='1'b='2'>", "no attribute in a tag"},
        {"<nmaprun a='<'>", "\"<\" in the value of an attribute"},
        {"<nmaprun a='&lol;'>", "an unknown entity"},
        {"<nmaprun a='&#0;'>", "an unknown entity"},
        {"<nmaprun a='&#xd800;'>", "an unknown entity"},
        {"<nmaprun a='&#99999999999;'>", "an unknown entity"},
        {"<nmaprun a='&amp'>", "an unknown entity"},
        {"<nmaprun /a>", "\"/\" in a tag"},
        {"<nmaprun></nmaprun x>", "a closing tag is not closed"},
        {"<nmaprun>< a/>", "no tag after \"<\""},
        {"<nmaprun><!ELEMENT>", "\"<!\" begins nothing that is known here"},
        {"<nmaprun><!DOCTYPE x>", "\"<!\" begins nothing that is known here"},
        {"<![CDATA[x]]><nmaprun/>", "\"<!\" begins nothing that is known here"},
        {"<!DOCTYPE x SYSTEM \"a>[\"><nmaprun", "the XML ends within a tag or a comment"},
        {"<!DOCTYPE lolz [<!ENTITY lol \"lol\">]><nmaprun/>", "the DOCTYPE declares something"},
        {"<nmaprun><!-- -- -></nmaprun>", "the XML ends within a tag or a comment"},
        {"<nmaprun a='", "the XML ends within a tag or a comment"},
        {"<nmaprun>", "the XML ends within an element"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[256];
        const char *mark = strchr(cases[i].reason, '!');
        bool numbered = mark && mark == cases[i].reason + 1;
        snprintf(expected, sizeof expected, "%c! broken XML: %s\n",
                 numbered ? cases[i].reason[0] : '1', numbered ? mark + 2 : cases[i].reason);
        assert_rows(&format_nmap, cases[i].text, expected);
    }
    struct buffer text;
    buffer_init(&text);
    buffer_add_text(&text, "<nmaprun>");
    for (int i = 0; i < 100000; i++)
        buffer_add_text(&text, "<a>");
    assert_bytes(&format_nmap, buffer_slice(&text),
                 "1! broken XML: elements are nested too deep\n");
    buffer_deinit(&text);
}

/* Long names and values are compared as a whole, though only their beginning is kept. */
static void long_names_in_xml(void **state) {
    (void)state;
    struct buffer text;
    buffer_init(&text);
    buffer_add_text(&text, "<nmaprun><host><address addr='192.0.2.1'/><hostnames><hostname "
                           "type='user' name='");
    for (int i = 0; i < 600; i++)
        buffer_add_text(&text, "a&amp;");
    buffer_add_text(&text, "'/></hostnames><ports><port portid='1' protocol='tcp'><state "
                           "state='open'/></port></ports>");
    for (int tag = 0; tag < 2; tag++) {
        buffer_add_text(&text, tag ? "</" : "<");
        for (int i = 0; i < 100; i++)
            buffer_add_byte(&text, 'x');
        buffer_add_text(&text, tag ? "y>" : "z>");
    }
    assert_bytes(&format_nmap, buffer_slice(&text),
                 "1? a host name of more than 253 bytes\n"
                 "1! broken XML: a tag closes an element that is not open\n");
    buffer_deinit(&text);
}

static void recognized(void **state) {
    (void)state;
    static const struct {
        const char *line, *format;
    } cases[] = {
        {"example.com", "lines"},
        {"host", "lines"},
        {"192.0.2.1,", "lines"},
        {"a,b", "lines"},
        {"[2001:db8::1]:443", "lines"},
        {"open.example", "lines"},
        {"saddr", "csv"},
        {"saddr,sport,classification,success", "csv"},
        {"record;schema;Host ;x", "csv"},
        {"\"ip\"", "csv"},
        {"ip\tport", "csv"},
        {"{\"host\":\"a\"}", "json"},
        {"[", "json"},
        {"[ {", "json"},
        {"[\"a\"", "json"},
        {"[]", "json"},
        {"<?xml version=\"1.0\"?>", "nmap"},
        {"<nmaprun>", "nmap"},
        {"#masscan", "masscan"},
        {"open tcp 443 192.0.2.1 1700000000", "masscan"},
        {"# Nmap 7.93 scan initiated", "grepable"},
        {"# Masscan 1.3.2 scan initiated", "grepable"},
        {"Host: 192.0.2.1 ()\tStatus: Up", "grepable"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct format *const *format = formats;
        while (!(*format)->recognizes(slice_of(cases[i].line)))
            format++;
        if (strcmp((*format)->name, cases[i].format) != 0)
            fail_msg("%s: %s", cases[i].line, (*format)->name);
    }
}

/* The names that an option offers are those of the table, and each example is of its format. */
static void tables(void **state) {
    (void)state;
    assert_string_equal(source_formats[0], "auto");
    size_t count = 0;
    for (; formats[count]; count++) {
        const struct format *const *format = formats;
        assert_string_equal(source_formats[count + 1], formats[count]->name);
        while (!(*format)->recognizes(slice_of(formats[count]->example)))
            format++;
        assert_ptr_equal(*format, formats[count]);
    }
    assert_null(source_formats[count + 1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv),
        cmocka_unit_test(zmap),
        cmocka_unit_test(rows_agree),
        cmocka_unit_test(json),
        cmocka_unit_test(json_of_masscan),
        cmocka_unit_test(broken_json),
        cmocka_unit_test(deep_and_long_json),
        cmocka_unit_test(masscan),
        cmocka_unit_test(grepable),
        cmocka_unit_test(all_ports_on_one_line),
        cmocka_unit_test(nmap),
        cmocka_unit_test(broken_xml),
        cmocka_unit_test(long_names_in_xml),
        cmocka_unit_test(recognized),
        cmocka_unit_test(tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
