/* A DNS server for tests, fast and as ill-behaved as its zone says:
 *
 *     tool_dns_server --zone FILE [--address A] [--port P] [--log]
 *
 * Serves UDP and TCP. Each line of the zone is a rule, `NAME[/TYPE] WORD...`; the first that fits
 * answers, and a name without a rule does not exist. NAME may be `*` for all names, or `*.example`
 * for all below one; TYPE is a, aaaa or tlsa. The words:
 *
 *     a ADDRESS, aaaa ADDRESS   a record; any number of them
 *     tlsa U S M HEX            a TLSA record: usage, selector, matching type, data
 *     stub                      a TLSA record that ends before its data
 *     ad                        the AD flag, for those who set it in the question
 *     cname NAME                an alias; the records after it belong to NAME
 *     many NUMBER               so many A records from 127.1.0.0 on
 *     ttl SECONDS               of the records after it; 60 unless given
 *     rcode NUMBER              an empty answer with this code: 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED
 *     delay MS                  answers later
 *     lose NUMBER               does not answer the first so many questions
 *     truncate                  the answer comes over TCP alone
 *     silent                    no answer; with `udp` or `tcp` after it, none over this
 *     wrong id|port|name        an answer with another id, from another port, to another question
 *     garbage                   the right id and question, then what no records are
 *     loop                      a record whose name points to itself
 *     noise                     bytes at random instead of a message
 *
 * Prints its port, then with --log every question as `udp|tcp a|aaaa|tlsa NAME ID`, where one that
 * is repeated has the id it had, and serves until standard input ends and nothing is left that was
 * asked before. Ends with 0, with 1 when it cannot run, with 2 for wrong usage. */
#include "engine/base/address.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/random.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RULES_MAX = 4096,
    WORDS_MAX = 64,
    CONNECTIONS_MAX = 256,
    BATCH = 64,
    DELAYED_MAX = 4096,
    QUESTION_MAX = 512,
    REPLY_MAX = 65535,
    HEADER = 12,
    TYPE_A = 1,
    TYPE_CNAME = 5,
    TYPE_AAAA = 28,
    TYPE_TLSA = 52,
    FLAG_AD = 0x20, /* in the fourth byte of a message */
};

struct rule {
    char text[LIMIT_LINE_BYTES];
    char *words[WORDS_MAX];
    uint32_t word_count, lose;
    uint16_t type; /* 0 for all */
};

struct question {
    const uint8_t *bytes;
    size_t len, end;                      /* of the message, and where the question ends */
    char name[LIMIT_HOST_NAME_BYTES * 4]; /* lower case, no dot at the end */
    uint16_t type;
    bool tcp;
};

struct reply {
    uint8_t *bytes;
    size_t len;     /* 0: no answer */
    size_t name_at; /* of the records: an alias moves it */
    uint32_t ttl, delay_ms;
    bool wrong_port;
};

struct delayed {
    uint64_t due_ns;
    struct sockaddr_storage peer;
    socklen_t peer_len;
    int connection; /* or -1 for UDP */
    uint8_t *bytes;
    size_t len;
};

struct connection {
    int fd; /* -1 when free */
    uint8_t in[2 + QUESTION_MAX];
    size_t in_len;
};

struct server {
    int udp, other_udp, listener;
    bool log;
    struct rule *rules;
    uint32_t rule_count;
    struct connection connections[CONNECTIONS_MAX];
    struct delayed delayed[DELAYED_MAX];
    uint32_t delayed_count;
    struct random random;
};

/* --- Zone --- */

static const struct {
    const char *name;
    uint16_t number;
} types[] = {{"a", TYPE_A}, {"aaaa", TYPE_AAAA}, {"tlsa", TYPE_TLSA}};

static uint16_t type_by_name(const char *name) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].number;
    return 0;
}

static const char *type_name(uint16_t number) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].number == number)
            return types[i].name;
    return "other";
}

static bool add_rule(struct server *server, const char *line) {
    struct rule *rule = &server->rules[server->rule_count];
    char *rest;

    if (server->rule_count == RULES_MAX)
        return false;
    snprintf(rule->text, sizeof rule->text, "%s", line);
    for (char *word = strtok_r(rule->text, " \t\r\n", &rest); word && *word != '#';
         word = strtok_r(NULL, " \t\r\n", &rest)) {
        if (rule->word_count == WORDS_MAX)
            return false;
        rule->words[rule->word_count++] = word;
    }
    if (rule->word_count == 0)
        return true;
    char *type = strchr(rule->words[0], '/');
    if (type) {
        *type++ = 0;
        rule->type = type_by_name(type);
    }
    server->rule_count++;
    return true;
}

static bool read_zone(struct server *server, const char *path) {
    char line[LIMIT_LINE_BYTES];
    FILE *file = fopen(path, "re");
    bool read = file != NULL;

    while (read && fgets(line, sizeof line, file))
        read = add_rule(server, line);
    if (file)
        fclose(file);
    return read;
}

static bool fits(const struct rule *rule, const struct question *question) {
    const char *pattern = rule->words[0];
    size_t name_len = strlen(question->name), len = strlen(pattern);

    if (rule->type && rule->type != question->type)
        return false;
    if (*pattern != '*')
        return strcmp(pattern, question->name) == 0;
    return name_len >= len - 1 && strcmp(question->name + name_len - (len - 1), pattern + 1) == 0;
}

static struct rule *find_rule(struct server *server, const struct question *question) {
    for (uint32_t i = 0; i < server->rule_count; i++)
        if (fits(&server->rules[i], question))
            return &server->rules[i];
    return NULL;
}

/* --- Messages --- */

static bool read_question(const uint8_t *bytes, size_t len, bool tcp, struct question *out) {
    size_t at = HEADER, name_len = 0;

    *out = (struct question){.bytes = bytes, .len = len, .tcp = tcp};
    while (at < len && bytes[at]) {
        size_t label = bytes[at++];
        if (label > 63 || at + label >= len || name_len + label + 2 > sizeof out->name)
            return false;
        if (name_len)
            out->name[name_len++] = '.';
        for (size_t i = 0; i < label; i++, at++)
            out->name[name_len++] =
                (char)(bytes[at] >= 'A' && bytes[at] <= 'Z' ? bytes[at] + 32 : bytes[at]);
    }
    out->end = at + 5;
    if (out->end > len)
        return false;
    out->type = (uint16_t)(bytes[at + 1] << 8 | bytes[at + 2]);
    return true;
}

static void put_bytes(struct reply *reply, const void *bytes, size_t len) {
    if (reply->len + len > REPLY_MAX)
        return;
    memcpy(reply->bytes + reply->len, bytes, len);
    reply->len += len;
}

static void put_number(struct reply *reply, uint32_t number, int size) {
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8)
        put_bytes(reply, &(uint8_t){(uint8_t)(number >> shift)}, 1);
}

static void put_record(struct reply *reply, uint16_t type, const void *data, size_t len) {
    if (reply->len + 12 + len > REPLY_MAX)
        return;
    put_number(reply, 0xc000 | (uint32_t)reply->name_at, 2);
    put_number(reply, type, 2);
    put_number(reply, 1, 2);
    put_number(reply, reply->ttl, 4);
    put_number(reply, (uint32_t)len, 2);
    put_bytes(reply, data, len);
    uint32_t count = (uint32_t)(reply->bytes[6] << 8 | reply->bytes[7]) + 1;
    reply->bytes[6] = (uint8_t)(count >> 8);
    reply->bytes[7] = (uint8_t)count;
}

static void put_address(struct reply *reply, const struct question *question, const char *text) {
    struct address address;

    if (address_parse(slice_of(text), &address) &&
        question->type == (address.family == ADDRESS_V4 ? TYPE_A : TYPE_AAAA))
        put_record(reply, question->type, address.bytes, address_length(&address));
}

static void put_alias(struct reply *reply, const char *name) {
    uint8_t wire[256];
    size_t len = 0;

    while (*name && len + 64 < sizeof wire) {
        size_t label = strcspn(name, ".");
        wire[len++] = (uint8_t)label;
        memcpy(wire + len, name, label);
        len += label;
        name += label + (name[label] == '.');
    }
    wire[len++] = 0;
    put_record(reply, TYPE_CNAME, wire, len);
    reply->name_at = reply->len - len;
}

/* `words` are those of the record: three numbers and the data. */
static void put_tlsa(struct reply *reply, char *const *words) {
    uint8_t data[LIMIT_LINE_BYTES / 2];
    size_t len = 0;

    for (; len < 3; len++)
        data[len] = (uint8_t)strtoul(words[len], NULL, 10);
    for (const char *hex = words[3]; hex[0] && hex[1]; hex += 2)
        data[len++] = (uint8_t)strtoul((char[]){hex[0], hex[1], 0}, NULL, 16);
    put_record(reply, TYPE_TLSA, data, len);
}

static void put_many(struct reply *reply, const struct question *question, uint32_t count) {
    for (uint32_t i = 0; i < count && question->type == TYPE_A; i++)
        put_record(reply, TYPE_A, (uint8_t[]){127, 1, (uint8_t)(i >> 8), (uint8_t)i}, 4);
}

static void put_noise(struct server *server, struct reply *reply, size_t len) {
    uint8_t bytes[512];
    random_fill(&server->random, bytes, len);
    put_bytes(reply, bytes, len);
}

/* Words that say how the answer is wrong or missing; true when `word` was one of them. */
static bool misbehave(struct server *server, struct reply *reply, const struct question *question,
                      const char *word, const char *value) {
    if (strcmp(word, "truncate") == 0) {
        reply->bytes[2] |= question->tcp ? 0 : 2;
    } else if (strcmp(word, "garbage") == 0) {
        reply->bytes[7] = 200;
        put_noise(server, reply, 64);
    } else if (strcmp(word, "loop") == 0) {
        reply->name_at = reply->len;
        put_record(reply, TYPE_A, "\x7f\0\0\1", 4);
    } else if (strcmp(word, "noise") == 0) {
        reply->len = 0;
        put_noise(server, reply, 100);
    } else if (strcmp(word, "silent") == 0) {
        bool all = strcmp(value, "udp") != 0 && strcmp(value, "tcp") != 0;
        if (all || (value[0] == 't') == question->tcp)
            reply->len = 0;
    } else if (strcmp(word, "wrong") == 0 && strcmp(value, "id") == 0) {
        reply->bytes[0] ^= 0x55;
    } else if (strcmp(word, "wrong") == 0 && strcmp(value, "name") == 0) {
        reply->bytes[HEADER + 1] ^= 1;
    } else if (strcmp(word, "wrong") == 0) {
        reply->wrong_port = true;
    } else {
        return false;
    }
    return true;
}

static void apply(struct server *server, struct rule *rule, const struct question *question,
                  struct reply *reply) {
    for (uint32_t i = 1; i < rule->word_count && reply->len; i++) {
        const char *word = rule->words[i],
                   *value = i + 1 < rule->word_count ? rule->words[i + 1] : "";
        uint32_t number = (uint32_t)strtoul(value, NULL, 10);
        if (strcmp(word, "a") == 0 || strcmp(word, "aaaa") == 0)
            put_address(reply, question, value);
        else if (strcmp(word, "tlsa") == 0 && i + 4 < rule->word_count)
            put_tlsa(reply, &rule->words[i + 1]);
        else if (strcmp(word, "stub") == 0)
            put_record(reply, TYPE_TLSA, "\3\1\1", 3);
        else if (strcmp(word, "ad") == 0)
            reply->bytes[3] |= question->bytes[3] & FLAG_AD;
        else if (strcmp(word, "cname") == 0)
            put_alias(reply, value);
        else if (strcmp(word, "many") == 0)
            put_many(reply, question, number);
        else if (strcmp(word, "ttl") == 0)
            reply->ttl = number;
        else if (strcmp(word, "rcode") == 0)
            reply->bytes[3] = (uint8_t)((reply->bytes[3] & 0xf0) | (number & 15));
        else if (strcmp(word, "delay") == 0)
            reply->delay_ms = number;
        else if (strcmp(word, "lose") == 0)
            reply->len = rule->lose++ < number ? 0 : reply->len;
        else
            misbehave(server, reply, question, word, value);
    }
}

static void make_reply(struct server *server, const struct question *question,
                       struct reply *reply) {
    struct rule *rule = find_rule(server, question);

    if (server->log)
        printf("%s %s %s %02x%02x\n", question->tcp ? "tcp" : "udp", type_name(question->type),
               question->name, question->bytes[0], question->bytes[1]);
    *reply = (struct reply){.bytes = reply->bytes, .name_at = HEADER, .ttl = 60};
    put_bytes(reply, question->bytes, question->end);
    reply->bytes[2] = 0x81; /* an answer, recursion desired */
    reply->bytes[3] = rule ? 0x80 : 0x83;
    memset(reply->bytes + 6, 0, 6);
    if (rule)
        apply(server, rule, question, reply);
    if (reply->len && (reply->bytes[2] & 2)) { /* truncated to the question */
        reply->len = question->end;
        reply->bytes[6] = reply->bytes[7] = 0;
    }
}

/* --- Later answers --- */

static void delay(struct server *server, const struct reply *reply, struct delayed what) {
    if (server->delayed_count == DELAYED_MAX)
        return;
    what.due_ns = clock_monotonic_ns() + reply->delay_ms * UINT64_C(1000000);
    what.bytes = malloc(reply->len);
    what.len = reply->len;
    if (!what.bytes)
        return;
    memcpy(what.bytes, reply->bytes, reply->len);
    server->delayed[server->delayed_count++] = what;
}

static void send_tcp(struct server *server, int connection, const uint8_t *bytes, size_t len) {
    uint8_t head[] = {(uint8_t)(len >> 8), (uint8_t)len};
    int fd = server->connections[connection].fd;

    if (fd >= 0 && send(fd, head, sizeof head, MSG_NOSIGNAL | MSG_MORE) == sizeof head)
        for (ssize_t sent; len && (sent = send(fd, bytes, len, MSG_NOSIGNAL)) > 0; bytes += sent)
            len -= (size_t)sent;
}

/* Returns how many milliseconds to wait for the next. */
static int send_delayed(struct server *server) {
    uint64_t now_ns = clock_monotonic_ns(), next_ns = UINT64_MAX;

    for (uint32_t i = server->delayed_count; i-- > 0;) {
        struct delayed *what = &server->delayed[i];
        if (what->due_ns > now_ns) {
            next_ns = what->due_ns < next_ns ? what->due_ns : next_ns;
            continue;
        }
        if (what->connection >= 0)
            send_tcp(server, what->connection, what->bytes, what->len);
        else
            sendto(server->udp, what->bytes, what->len, 0, (struct sockaddr *)&what->peer,
                   what->peer_len);
        free(what->bytes);
        *what = server->delayed[--server->delayed_count];
    }
    return next_ns == UINT64_MAX ? -1 : (int)((next_ns - now_ns) / 1000000 + 1);
}

/* --- Transport --- */

struct batch {
    struct mmsghdr in[BATCH], out[BATCH];
    struct iovec in_vectors[BATCH], out_vectors[BATCH];
    struct sockaddr_storage peers[BATCH];
    uint8_t questions[BATCH][QUESTION_MAX];
    uint8_t replies[BATCH][REPLY_MAX];
};

static void serve_udp(struct server *server, struct batch *batch) {
    unsigned out = 0;

    for (unsigned i = 0; i < BATCH; i++) {
        batch->in_vectors[i] = (struct iovec){batch->questions[i], QUESTION_MAX};
        batch->in[i].msg_hdr = (struct msghdr){.msg_name = &batch->peers[i],
                                               .msg_namelen = sizeof batch->peers[i],
                                               .msg_iov = &batch->in_vectors[i],
                                               .msg_iovlen = 1};
    }
    int count = recvmmsg(server->udp, batch->in, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        struct question question;
        struct reply reply = {.bytes = batch->replies[i]};
        struct msghdr *head = &batch->in[i].msg_hdr;
        if (!read_question(batch->questions[i], batch->in[i].msg_len, false, &question))
            continue;
        make_reply(server, &question, &reply);
        if (reply.len && reply.delay_ms) {
            delay(server, &reply,
                  (struct delayed){
                      .peer = batch->peers[i], .peer_len = head->msg_namelen, .connection = -1});
        } else if (reply.len && reply.wrong_port) {
            sendto(server->other_udp, reply.bytes, reply.len, 0, head->msg_name, head->msg_namelen);
        } else if (reply.len) {
            batch->out_vectors[out] = (struct iovec){reply.bytes, reply.len};
            batch->out[out].msg_hdr = *head;
            batch->out[out].msg_hdr.msg_iov = &batch->out_vectors[out];
            out++;
        }
    }
    for (unsigned sent = 0; sent < out;) {
        int more = sendmmsg(server->udp, batch->out + sent, out - sent, 0);
        sent += more > 0 ? (unsigned)more : 1; /* passes over what cannot be sent */
    }
}

static void serve_tcp(struct server *server, int index, uint8_t *scratch) {
    struct connection *connection = &server->connections[index];
    ssize_t got = recv(connection->fd, connection->in + connection->in_len,
                       sizeof connection->in - connection->in_len, MSG_DONTWAIT);

    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) {
            close(connection->fd);
            connection->fd = -1;
        }
        return;
    }
    connection->in_len += (size_t)got;
    while (connection->in_len >= 2) {
        size_t len = (size_t)(connection->in[0] << 8 | connection->in[1]);
        struct question question;
        struct reply reply = {.bytes = scratch};
        if (len > QUESTION_MAX || connection->in_len < 2 + len)
            break;
        if (read_question(connection->in + 2, len, true, &question)) {
            make_reply(server, &question, &reply);
            if (reply.len && reply.delay_ms)
                delay(server, &reply, (struct delayed){.connection = index});
            else if (reply.len)
                send_tcp(server, index, reply.bytes, reply.len);
        }
        connection->in_len -= 2 + len;
        memmove(connection->in, connection->in + 2 + len, connection->in_len);
    }
}

static void accept_one(struct server *server) {
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

    for (int i = 0; i < CONNECTIONS_MAX && fd >= 0; i++) {
        struct connection *connection = &server->connections[i];
        if (connection->fd < 0) {
            connection->fd = fd;
            connection->in_len = 0;
            return;
        }
    }
    if (fd >= 0)
        close(fd);
}

static void serve(struct server *server, struct batch *batch) {
    struct pollfd polled[3 + CONNECTIONS_MAX] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                                 {.fd = server->udp, .events = POLLIN},
                                                 {.fd = server->listener, .events = POLLIN}};
    char ignored[256];
    bool ended = false;

    for (;;) {
        for (int i = 0; i < CONNECTIONS_MAX; i++)
            polled[3 + i] = (struct pollfd){.fd = server->connections[i].fd, .events = POLLIN};
        int wait_ms = send_delayed(server);
        fflush(stdout);
        int count = poll(polled, 3 + CONNECTIONS_MAX, ended ? 0 : wait_ms);
        if (count == 0 && ended)
            return;
        if (count < 0)
            continue;
        if (polled[0].revents && read(STDIN_FILENO, ignored, sizeof ignored) <= 0) {
            ended = true;
            polled[0].fd = -1;
        }
        if (polled[1].revents)
            serve_udp(server, batch);
        for (int i = 0; i < CONNECTIONS_MAX; i++)
            if (polled[3 + i].revents)
                serve_tcp(server, i, batch->replies[0]);
        if (polled[2].revents)
            accept_one(server);
    }
}

/* --- Set-up --- */

static int bound_socket(int type, const struct address *address, uint16_t *port) {
    struct sockaddr_storage own;
    socklen_t len = address_to_sockaddr(address, *port, &own);
    int fd = socket(own.ss_family, type | SOCK_CLOEXEC, 0), on = 1, size = 8 << 20;

    if (type == SOCK_STREAM) /* two sockets for UDP would share a port */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (fd < 0 || bind(fd, (struct sockaddr *)&own, len) != 0 ||
        (type == SOCK_STREAM && listen(fd, 64) != 0) ||
        getsockname(fd, (struct sockaddr *)&own, &len) != 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *port = ntohs(((struct sockaddr_in *)&own)->sin_port); /* at the same place for IPv6 */
    return fd;
}

/* The same port for UDP and TCP; a free one for both may need some tries. */
static bool open_sockets(struct server *server, const struct address *address, uint16_t port) {
    uint16_t any = 0;

    for (int tries = 0; tries < 100; tries++) {
        uint16_t chosen = port;
        server->udp = bound_socket(SOCK_DGRAM, address, &chosen);
        server->listener = server->udp >= 0 ? bound_socket(SOCK_STREAM, address, &chosen) : -1;
        if (server->listener >= 0) {
            server->other_udp = bound_socket(SOCK_DGRAM, address, &any);
            printf("%u\n", (unsigned)chosen);
            fflush(stdout);
            return server->other_udp >= 0;
        }
        if (server->udp >= 0)
            close(server->udp);
    }
    return false;
}

int main(int argc, char **argv) {
    static const struct option OPTIONS[] = {{"zone", required_argument, NULL, 'z'},
                                            {"address", required_argument, NULL, 'a'},
                                            {"port", required_argument, NULL, 'p'},
                                            {"log", no_argument, NULL, 'l'},
                                            {NULL, 0, NULL, 0}};
    struct address address = {.family = ADDRESS_V4, .bytes = {127, 0, 0, 1}};
    struct server *server = calloc(1, sizeof *server);
    struct batch *batch = calloc(1, sizeof *batch);
    const char *zone = NULL;
    uint64_t port = 0;
    bool right = true;

    for (int option; (option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        if (option == 'z')
            zone = optarg;
        else if (option == 'l')
            server->log = true;
        else if (option == 'a')
            right = right && address_parse(slice_of(optarg), &address);
        else
            right = right && option == 'p' && slice_to_u64(slice_of(optarg), UINT16_MAX, &port);
    }
    if (!right || !zone || optind != argc) {
        fprintf(stderr, "usage: tool_dns_server --zone FILE [--address A] [--port P] [--log]\n");
        return 2;
    }
    server->rules = calloc(RULES_MAX, sizeof *server->rules);
    random_init(&server->random, 1);
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        server->connections[i].fd = -1;
    if (!read_zone(server, zone) || !open_sockets(server, &address, (uint16_t)port)) {
        perror("tool_dns_server");
        return EXIT_FAILURE;
    }
    serve(server, batch);
    free(server->rules);
    free(batch);
    free(server);
    return EXIT_SUCCESS;
}
