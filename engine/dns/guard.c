#include "engine/dns/guard.h"

#if ARES_VERSION >= 0x012200

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEADER_BYTES = 12,
    DROPPED_MAX = 64, /* of a flood, before the loop has its turn again */
};

static bool is_sound(const uint8_t *message, size_t len) {
    ares_dns_record_t *record = NULL;
    bool sound = ares_dns_parse(message, len, 0, &record) == ARES_SUCCESS;

    ares_dns_record_destroy(record);
    return sound;
}

/* Where the one question ends; 0 when there is none. */
static size_t question_end(const uint8_t *message, size_t len) {
    size_t at = HEADER_BYTES;

    if (len < HEADER_BYTES || message[4] != 0 || message[5] != 1)
        return 0;
    while (at < len && message[at] > 0 && message[at] < 64)
        at += message[at] + 1U;
    return at + 5 <= len && message[at] == 0 ? at + 5 : 0;
}

/* Makes FORMERR of an unsound answer to one question, so that this question alone fails. Returns
 * the length of a sound message, or 0. */
static size_t repair(uint8_t *message, size_t len) {
    if (is_sound(message, len))
        return len;
    len = question_end(message, len);
    if (len == 0)
        return 0;
    message[2] &= (uint8_t)~2U; /* not truncated */
    message[3] = ARES_RCODE_FORMERR;
    memset(message + 6, 0, 6); /* no records */
    return is_sound(message, len) ? len : 0;
}

/* For UDP `address` is given; for TCP it is not, and there is nothing to guard: a stream is cut off
 * rightly, and few questions go that way. */
static ares_ssize_t guarded_receive(ares_socket_t fd, void *buffer, size_t size, int flags,
                                    struct sockaddr *address, ares_socklen_t *address_len,
                                    void *owner) {
    (void)owner;
    for (int dropped = 0; dropped < DROPPED_MAX; dropped++) {
        ares_socklen_t len = address ? *address_len : 0;
        ares_ssize_t got = recvfrom(fd, buffer, size, flags, address, address ? &len : NULL);
        if (got > 0 && address)
            got = (ares_ssize_t)repair(buffer, (size_t)got);
        if (got == 0 && address)
            continue;
        if (address)
            *address_len = len;
        return got;
    }
    errno = EAGAIN;
    return -1;
}

/* The others do as those of c-ares. */

static ares_socket_t plain_socket(int domain, int type, int protocol, void *owner) {
    int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol), on = 1;

    (void)owner;
    if (fd >= 0 && type == SOCK_STREAM)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static int plain_close(ares_socket_t fd, void *owner) {
    (void)owner;
    return close(fd);
}

static int plain_setsockopt(ares_socket_t fd, ares_socket_opt_t option, const void *value,
                            ares_socklen_t len, void *owner) {
    (void)owner;
    if (option == ARES_SOCKET_OPT_RECVBUF_SIZE)
        return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, value, len);
    errno = ENOSYS;
    return -1;
}

static int plain_connect(ares_socket_t fd, const struct sockaddr *address, ares_socklen_t len,
                         unsigned flags, void *owner) {
    (void)flags;
    (void)owner;
    return connect(fd, address, len);
}

static ares_ssize_t plain_send(ares_socket_t fd, const void *bytes, size_t len, int flags,
                               const struct sockaddr *address, ares_socklen_t address_len,
                               void *owner) {
    (void)owner;
    return sendto(fd, bytes, len, flags | MSG_NOSIGNAL, address, address_len);
}

void guard_channel(ares_channel channel) {
    static const struct ares_socket_functions_ex FUNCTIONS = {
        .version = 1,
        .flags = ARES_SOCKFUNC_FLAG_NONBLOCKING,
        .asocket = plain_socket,
        .aclose = plain_close,
        .asetsockopt = plain_setsockopt,
        .aconnect = plain_connect,
        .arecvfrom = guarded_receive,
        .asendto = plain_send,
    };

    (void)ares_set_socket_functions_ex(channel, &FUNCTIONS, NULL);
}

#else

void guard_channel(ares_channel channel) {
    (void)channel;
}

#endif
