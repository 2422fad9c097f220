/* Reads trawl's records from a socket with msgpack-c and prints a line for each.
 *
 *     read_records PATH             trawl scan ... -o 'msgpack+unix://PATH#listen'
 *     read_records HOST PORT        trawl scan ... -o 'msgpack+tcp://HOST:PORT#listen'
 *
 * With --ack first it says how many records it has printed, for '#listen,ack': what it has not said
 * is sent again to the next reader, so that nothing is lost when this one is killed. */
#include <msgpack.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024 };

static int connect_path(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

static int connect_host(const char *host, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int connected = -1;

    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    for (struct addrinfo *info = found; info && connected < 0; info = info->ai_next) {
        int fd = socket(info->ai_family, info->ai_socktype, info->ai_protocol);
        if (connect(fd, info->ai_addr, info->ai_addrlen) == 0)
            connected = fd;
        else
            close(fd);
    }
    freeaddrinfo(found);
    return connected;
}

static const msgpack_object *member(const msgpack_object *record, const char *name) {
    for (uint32_t i = 0; i < record->via.map.size; i++) {
        const msgpack_object_kv *pair = &record->via.map.ptr[i];
        if (pair->key.type == MSGPACK_OBJECT_STR && pair->key.via.str.size == strlen(name) &&
            memcmp(pair->key.via.str.ptr, name, strlen(name)) == 0)
            return &pair->val;
    }
    return NULL;
}

static void print_text(const msgpack_object *text) {
    if (text && text->type == MSGPACK_OBJECT_STR)
        fwrite(text->via.str.ptr, 1, text->via.str.size, stdout);
    else
        fputs("None", stdout);
}

static void print_record(const msgpack_object *record) {
    const msgpack_object *port = member(record, "port");
    bool numbered = port && port->type == MSGPACK_OBJECT_POSITIVE_INTEGER;

    print_text(member(record, "host"));
    printf(" %llu ", numbered ? (unsigned long long)port->via.u64 : 0);
    print_text(member(record, "outcome"));
    putchar('\n');
}

/* A MessagePack unsigned integer: how many records of this connection are done with. */
static bool acknowledge(int fd, uint64_t count) {
    uint8_t ack[9] = {0xcf};

    for (int i = 8; i > 0; i--, count >>= 8)
        ack[i] = (uint8_t)count;
    return write(fd, ack, sizeof ack) == sizeof ack;
}

/* Returns the exit status. */
static int read_all(int fd, bool acknowledges) {
    msgpack_unpacker unpacker;
    msgpack_unpacked unpacked;
    msgpack_unpack_return result = MSGPACK_UNPACK_CONTINUE;
    uint64_t count = 0;
    ssize_t got = 0;

    if (!msgpack_unpacker_init(&unpacker, READ_BYTES))
        return 1;
    msgpack_unpacked_init(&unpacked);
    while (result == MSGPACK_UNPACK_CONTINUE &&
           msgpack_unpacker_reserve_buffer(&unpacker, READ_BYTES) &&
           (got = read(fd, msgpack_unpacker_buffer(&unpacker), READ_BYTES)) > 0) {
        msgpack_unpacker_buffer_consumed(&unpacker, (size_t)got);
        while ((result = msgpack_unpacker_next(&unpacker, &unpacked)) == MSGPACK_UNPACK_SUCCESS) {
            if (unpacked.data.type == MSGPACK_OBJECT_MAP)
                print_record(&unpacked.data);
            count++;
        }
        /* Only what is on its way to the disk is done with. */
        if (fflush(stdout) != 0 || (acknowledges && !acknowledge(fd, count)))
            break;
    }
    bool whole = got == 0 && msgpack_unpacker_message_size(&unpacker) == 0;
    msgpack_unpacked_destroy(&unpacked);
    msgpack_unpacker_destroy(&unpacker);
    if (!whole)
        fputs("the stream ends within a record\n", stderr);
    return whole ? 0 : 1;
}

int main(int argc, char **argv) {
    bool acknowledges = argc > 1 && strcmp(argv[1], "--ack") == 0;
    char **where = argv + 1 + acknowledges;
    int words = argc - 1 - acknowledges;

    if (words != 1 && words != 2) {
        fputs("usage: read_records [--ack] PATH | HOST PORT\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* a trawl that is gone is an error of write */
    int fd = words == 1 ? connect_path(where[0]) : connect_host(where[0], where[1]);
    if (fd < 0) {
        perror(where[0]);
        return 1;
    }
    int status = read_all(fd, acknowledges);
    close(fd);
    return status;
}
