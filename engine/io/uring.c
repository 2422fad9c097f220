#include "engine/base/clock.h"
#include "engine/io/io.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SQ_ENTRIES_MIN = 64,
    SQ_ENTRIES_MAX = 4096,
    CQ_ENTRIES_MAX = 65536,
    BUFFER_BYTES = 8192,
    BUFFERS_MIN = 64,
    BUFFERS_MAX = 4096,
    BUFFER_GROUP = 0,
    SEND_ARENA_BYTES = 256 * 1024,
    CQE_BATCH = 64,
    SUBMIT_TRIES = 1000,
};

/* What a completion belongs to: the top 8 bits of its user_data. Then come 24 bits of generation
 * and 32 of index. */
enum kind {
    KIND_SOCKET = 1,
    KIND_CONNECT,
    KIND_RECEIVE,
    KIND_SEND,
    KIND_CLOSE,
    KIND_CANCEL,
    KIND_WATCH,
    KIND_WAKE,
};

static const uint32_t GENERATION_MASK = 0xffffff;

enum state { STATE_FREE, STATE_CONNECTING, STATE_CONNECTED, STATE_CLOSING };

struct uring_socket {
    uint32_t generation;
    uint8_t state;
    uint8_t in_flight; /* the kind the kernel works on, KIND_CONNECT or KIND_RECEIVE, or 0 */
    bool wants_buffer; /* a receive that found no buffer, to be queued again */
    int pending_error; /* why SOCKET failed; the CONNECT behind it only says EBADF */
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } peer; /* the kernel reads it when CONNECT is submitted */
};

struct uring_watch {
    uint32_t generation;
    int fd;
    bool active, armed;
    bool readable, writable;
};

struct retry {
    uint32_t index, generation;
};

struct uring {
    struct io io; /* first: backends are cast from it */
    struct io_uring ring;
    bool ring_made, enabled;
    uint32_t ops; /* connects and receives in the kernel */
    struct uring_socket *sockets;
    struct uring_watch *watches;

    struct io_uring_buf_ring *buffer_ring;
    uint8_t *buffers;
    uint32_t buffer_count;
    struct retry *retries; /* receives without a buffer; at most one a socket */
    uint32_t retry_count;

    uint8_t *arena; /* bytes to send, until they are submitted: sends never outlive their submit */
    size_t arena_used;

    int wake_fd;
    uint64_t wake_value;
};

static struct uring *uring_of(struct io *io) {
    return (struct uring *)io;
}

static uint64_t user_data(enum kind kind, uint32_t generation, uint32_t index) {
    return (uint64_t)kind << 56 | (uint64_t)(generation & GENERATION_MASK) << 32 | index;
}

static uint32_t power_of_two(uint64_t at_least, uint32_t min, uint32_t max) {
    uint32_t n = min;
    while (n < at_least && n < max)
        n *= 2;
    return n;
}

/* ---------------------------------------------------------------------------------------------
 * Submitting
 * ------------------------------------------------------------------------------------------ */

/* The ring belongs to the thread that enables it, so that is left to the first step. The system
 * call itself: the shared library of liburing 2.3 does not export io_uring_enable_rings. */
static int enable(struct uring *uring) {
    if (uring->enabled)
        return 0;
    if (syscall(SYS_io_uring_register, uring->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) <
        0)
        return -errno;
    uring->enabled = true;
    return 0;
}

/* Hands all that is queued to the kernel, for room in the queue or in the arena. Short of memory
 * the kernel may refuse for a while; a queue that never moves again is past repair. */
static void flush(struct uring *uring) {
    if (enable(uring) != 0)
        abort();
    for (int i = 0; i < SUBMIT_TRIES && io_uring_sq_ready(&uring->ring) > 0; i++)
        if (io_uring_submit(&uring->ring) < 0)
            io_uring_get_events(&uring->ring);
    if (io_uring_sq_ready(&uring->ring) > 0)
        abort();
    uring->arena_used = 0;
}

static struct io_uring_sqe *sqe_get(struct uring *uring) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    if (!sqe) {
        flush(uring);
        sqe = io_uring_get_sqe(&uring->ring);
        assert(sqe);
    }
    return sqe;
}

static void queue_cancel(struct uring *uring, uint64_t target) {
    struct io_uring_sqe *sqe = sqe_get(uring);
    io_uring_prep_cancel64(sqe, target, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = user_data(KIND_CANCEL, 0, 0);
}

static void queue_receive(struct uring *uring, uint32_t index) {
    struct uring_socket *socket = &uring->sockets[index];
    struct io_uring_sqe *sqe = sqe_get(uring);

    io_uring_prep_recv(sqe, (int)index, NULL, BUFFER_BYTES, 0);
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    sqe->user_data = user_data(KIND_RECEIVE, socket->generation, index);
    socket->in_flight = KIND_RECEIVE;
    uring->ops++;
}

static void queue_watch(struct uring *uring, uint32_t index) {
    struct uring_watch *watch = &uring->watches[index];
    struct io_uring_sqe *sqe = sqe_get(uring);
    unsigned events = (watch->readable ? POLLIN : 0U) | (watch->writable ? POLLOUT : 0U);

    io_uring_prep_poll_add(sqe, watch->fd, events);
    sqe->user_data = user_data(KIND_WATCH, watch->generation, index);
    watch->armed = true;
}

static void queue_wake(struct uring *uring) {
    struct io_uring_sqe *sqe = sqe_get(uring);
    io_uring_prep_read(sqe, uring->wake_fd, &uring->wake_value, sizeof uring->wake_value, 0);
    sqe->user_data = user_data(KIND_WAKE, 0, 0);
}

/* Closes the descriptor and frees the socket; completions of its past no longer match. */
static void release(struct uring *uring, uint32_t index) {
    struct uring_socket *socket = &uring->sockets[index];
    struct io_uring_sqe *sqe = sqe_get(uring);

    io_uring_prep_close_direct(sqe, index);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = user_data(KIND_CLOSE, 0, index);
    socket->generation = (socket->generation + 1) & GENERATION_MASK;
    socket->state = STATE_FREE;
    socket->wants_buffer = false;
}

/* ---------------------------------------------------------------------------------------------
 * Sockets
 * ------------------------------------------------------------------------------------------ */

static struct uring_socket *socket_at(struct uring *uring, uint32_t index) {
    assert(index < uring->io.config.sockets);
    return &uring->sockets[index];
}

static void uring_connect(struct io *io, uint32_t index, const struct address *address,
                          uint16_t port) {
    struct uring *uring = uring_of(io);
    struct uring_socket *socket = socket_at(uring, index);
    struct sockaddr_storage peer;
    uint32_t len = address_to_sockaddr(address, port, &peer);

    assert(socket->state == STATE_FREE && !socket->in_flight);
    assert(len <= sizeof socket->peer);
    memcpy(&socket->peer, &peer, len);
    socket->state = STATE_CONNECTING;
    socket->pending_error = 0;

    /* Both run in order when submitted, and without a link: linked steps run later and cost more.
     */
    struct io_uring_sqe *sqe = sqe_get(uring);
    io_uring_prep_socket_direct(sqe, peer.ss_family, SOCK_STREAM, 0, index, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = user_data(KIND_SOCKET, socket->generation, index);

    sqe = sqe_get(uring);
    io_uring_prep_connect(sqe, (int)index, &socket->peer.any, len);
    sqe->flags |= IOSQE_FIXED_FILE;
    sqe->user_data = user_data(KIND_CONNECT, socket->generation, index);
    socket->in_flight = KIND_CONNECT;
    uring->ops++;
}

/* MSG_DONTWAIT: done when submitted, whole or not; only a failure posts a completion. */
static void uring_send(struct io *io, uint32_t index, struct slice bytes) {
    struct uring *uring = uring_of(io);
    struct uring_socket *socket = socket_at(uring, index);

    assert(socket->state == STATE_CONNECTED && bytes.len <= IO_SEND_MAX);
    if (bytes.len == 0)
        return;
    if (SEND_ARENA_BYTES - uring->arena_used < bytes.len)
        flush(uring);
    struct io_uring_sqe *sqe = sqe_get(uring); /* may empty the arena: before the copy */
    uint8_t *copy = uring->arena + uring->arena_used;
    memcpy(copy, bytes.ptr, bytes.len);
    uring->arena_used += bytes.len;

    io_uring_prep_send(sqe, (int)index, copy, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = user_data(KIND_SEND, socket->generation, index);
}

static void uring_receive(struct io *io, uint32_t index) {
    struct uring *uring = uring_of(io);
    struct uring_socket *socket = socket_at(uring, index);

    assert(socket->state == STATE_CONNECTED && !socket->in_flight && !socket->wants_buffer);
    queue_receive(uring, index);
}

static bool uring_close_socket(struct io *io, uint32_t index) {
    struct uring *uring = uring_of(io);
    struct uring_socket *socket = socket_at(uring, index);

    assert(socket->state == STATE_CONNECTING || socket->state == STATE_CONNECTED);
    if (!socket->in_flight) {
        release(uring, index);
        return true;
    }
    queue_cancel(uring, user_data(socket->in_flight, socket->generation, index));
    socket->state = STATE_CLOSING;
    return false;
}

static void emit(struct uring *uring, const struct io_event *event) {
    uring->io.config.handle(uring->io.config.owner, event);
}

/* The operation in flight has ended: true when that ends a close, too. */
static bool finish(struct uring *uring, uint32_t index) {
    struct uring_socket *socket = &uring->sockets[index];

    socket->in_flight = 0;
    uring->ops--;
    if (socket->state != STATE_CLOSING)
        return false;
    release(uring, index);
    emit(uring, &(struct io_event){.kind = IO_CLOSED, .index = index});
    return true;
}

static void connect_done(struct uring *uring, uint32_t index, int result) {
    struct uring_socket *socket = &uring->sockets[index];
    int error = socket->pending_error ? socket->pending_error : result < 0 ? -result : 0;

    assert(socket->in_flight == KIND_CONNECT);
    if (finish(uring, index))
        return;
    socket->state = STATE_CONNECTED;
    emit(uring, &(struct io_event){.kind = IO_CONNECTED, .index = index, .error = error});
}

static uint8_t *buffer_at(struct uring *uring, uint32_t id) {
    return uring->buffers + (size_t)id * BUFFER_BYTES;
}

static void buffer_give(struct uring *uring, uint32_t id) {
    io_uring_buf_ring_add(uring->buffer_ring, buffer_at(uring, id), BUFFER_BYTES,
                          (unsigned short)id, io_uring_buf_ring_mask(uring->buffer_count), 0);
    io_uring_buf_ring_advance(uring->buffer_ring, 1);
}

/* No buffer was left: those of this pass come back, so ask again after it. */
static void retry_later(struct uring *uring, uint32_t index) {
    struct uring_socket *socket = &uring->sockets[index];

    if (uring->retry_count == uring->io.config.sockets) {
        queue_receive(uring, index);
        return;
    }
    socket->wants_buffer = true;
    uring->retries[uring->retry_count++] = (struct retry){index, socket->generation};
}

static void retry_all(struct uring *uring) {
    for (uint32_t i = 0; i < uring->retry_count; i++) {
        struct retry retry = uring->retries[i];
        struct uring_socket *socket = &uring->sockets[retry.index];
        if (socket->generation != retry.generation || !socket->wants_buffer)
            continue;
        socket->wants_buffer = false;
        queue_receive(uring, retry.index);
    }
    uring->retry_count = 0;
}

static void receive_done(struct uring *uring, uint32_t index, int result, uint32_t flags) {
    bool buffered = flags & IORING_CQE_F_BUFFER;
    uint32_t id = flags >> IORING_CQE_BUFFER_SHIFT;
    struct io_event event = {.kind = IO_RECEIVED, .index = index};

    assert(uring->sockets[index].in_flight == KIND_RECEIVE);
    assert(!buffered || id < uring->buffer_count);
    if (!finish(uring, index)) {
        if (result == -ENOBUFS) {
            retry_later(uring, index);
        } else {
            if (result < 0)
                event.error = -result;
            else if (result > 0 && buffered)
                event.bytes = (struct slice){buffer_at(uring, id), (size_t)result};
            emit(uring, &event);
        }
    }
    if (buffered)
        buffer_give(uring, id);
}

static void send_done(struct uring *uring, uint32_t index, int result) {
    if (uring->sockets[index].state != STATE_CONNECTED)
        return;
    emit(uring, &(struct io_event){.kind = IO_SEND_FAILED,
                                   .index = index,
                                   .error = result < 0 ? -result : EAGAIN});
}

static void socket_done(struct uring *uring, enum kind kind, uint32_t generation, uint32_t index,
                        const struct io_uring_cqe *cqe) {
    struct uring_socket *socket = socket_at(uring, index);

    if (socket->generation != generation)
        return;
    if (kind == KIND_SOCKET)
        socket->pending_error = cqe->res < 0 ? -cqe->res : 0;
    else if (kind == KIND_CONNECT)
        connect_done(uring, index, cqe->res);
    else if (kind == KIND_RECEIVE)
        receive_done(uring, index, cqe->res, cqe->flags);
    else
        send_done(uring, index, cqe->res);
}

/* ---------------------------------------------------------------------------------------------
 * Watches and waking
 * ------------------------------------------------------------------------------------------ */

static void uring_unwatch(struct io *io, uint32_t index) {
    struct uring *uring = uring_of(io);

    assert(index < io->config.watches);
    struct uring_watch *watch = &uring->watches[index];
    if (watch->armed)
        queue_cancel(uring, user_data(KIND_WATCH, watch->generation, index));
    watch->generation = (watch->generation + 1) & GENERATION_MASK;
    watch->active = watch->armed = false;
}

static void uring_watch(struct io *io, uint32_t index, int fd, bool readable, bool writable) {
    struct uring *uring = uring_of(io);

    uring_unwatch(io, index);
    struct uring_watch *watch = &uring->watches[index];
    watch->fd = fd;
    watch->readable = readable;
    watch->writable = writable;
    watch->active = true;
    queue_watch(uring, index);
}

/* One-shot and armed again after the handler, so that what is still ready is told again. A
 * descriptor that cannot be polled is told once. */
static void watch_done(struct uring *uring, uint32_t generation, uint32_t index, int result) {
    assert(index < uring->io.config.watches);
    struct uring_watch *watch = &uring->watches[index];
    bool failed = result < 0 || (result & (POLLERR | POLLHUP | POLLNVAL));

    if (watch->generation != generation || !watch->active)
        return;
    watch->armed = false;
    emit(uring, &(struct io_event){.kind = IO_READY,
                                   .index = index,
                                   .error = result < 0 ? -result : 0,
                                   .readable = watch->readable && (failed || (result & POLLIN)),
                                   .writable = watch->writable && (failed || (result & POLLOUT))});
    if (watch->generation == generation && watch->active && result >= 0)
        queue_watch(uring, index);
}

static void uring_wake(struct io *io) {
    uint64_t one = 1;
    while (write(uring_of(io)->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

/* ---------------------------------------------------------------------------------------------
 * The step
 * ------------------------------------------------------------------------------------------ */

static void dispatch(struct uring *uring, const struct io_uring_cqe *cqe) {
    enum kind kind = (enum kind)(cqe->user_data >> 56);
    uint32_t generation = (uint32_t)(cqe->user_data >> 32) & GENERATION_MASK;
    uint32_t index = (uint32_t)cqe->user_data;

    switch (kind) {
    case KIND_SOCKET:
    case KIND_CONNECT:
    case KIND_RECEIVE:
    case KIND_SEND:
        socket_done(uring, kind, generation, index, cqe);
        return;
    case KIND_WATCH:
        watch_done(uring, generation, index, cqe->res);
        return;
    case KIND_WAKE:
        queue_wake(uring);
        return;
    case KIND_CLOSE:  /* the slot was empty: SOCKET had failed */
    case KIND_CANCEL: /* it had ended already: its own completion tells */
        return;
    }
    assert(false && "a completion of nobody's");
}

/* Hands out what is there now; what handlers cause meanwhile waits for the next step. */
static void drain(struct uring *uring) {
    unsigned ready = io_uring_cq_ready(&uring->ring);

    while (ready > 0) {
        struct io_uring_cqe *cqes[CQE_BATCH], copies[CQE_BATCH];
        unsigned want = ready < CQE_BATCH ? ready : CQE_BATCH;
        unsigned count = io_uring_peek_batch_cqe(&uring->ring, cqes, want);
        if (count == 0)
            return;
        for (unsigned i = 0; i < count; i++)
            copies[i] = *cqes[i];
        io_uring_cq_advance(&uring->ring, count);
        for (unsigned i = 0; i < count; i++)
            dispatch(uring, &copies[i]);
        ready -= count;
    }
}

static enum error uring_step(struct io *io, uint32_t wait_ms) {
    struct uring *uring = uring_of(io);
    struct __kernel_timespec timeout = {.tv_sec = wait_ms / 1000,
                                        .tv_nsec = wait_ms % 1000 * 1000000LL};
    struct io_uring_cqe *cqe;
    int result = enable(uring);

    if (result < 0)
        return (enum error) - result;
    if (wait_ms)
        result = io_uring_submit_and_wait_timeout(&uring->ring, &cqe, 1, &timeout, NULL);
    else /* asks for events, too: with DEFER_TASKRUN nothing completes otherwise */
        result = io_uring_submit_and_get_events(&uring->ring);
    if (io_uring_sq_ready(&uring->ring) == 0)
        uring->arena_used = 0;
    io->now_ns = clock_monotonic_ns();
    io->unix_ms = clock_unix_ms();
    if (result < 0 && result != -ETIME && result != -EINTR && result != -EAGAIN && result != -EBUSY)
        return (enum error) - result;
    drain(uring);
    retry_all(uring);
    return ERROR_NONE;
}

/* ---------------------------------------------------------------------------------------------
 * Opening and closing
 * ------------------------------------------------------------------------------------------ */

static enum error refuse(struct failure *failure, int error, const char *what) {
    if (error == EPERM || error == EACCES)
        return failure_set(failure, ERROR_UNSUPPORTED,
                           "io_uring is refused here (%s: %s): the seccomp profile of a container "
                           "or the sysctl kernel.io_uring_disabled forbids it",
                           what, error_text((enum error)error));
    if (error == ENOSYS)
        return failure_set(failure, ERROR_UNSUPPORTED,
                           "this kernel has no io_uring (%s): Linux 6.1 or later has it", what);
    if (error == EINVAL)
        return failure_set(failure, ERROR_UNSUPPORTED,
                           "this kernel's io_uring cannot do what is needed (%s): use Linux 6.1 "
                           "or later",
                           what);
    if (error == EMFILE || error == ENFILE)
        return failure_set(failure, ERROR_LIMIT,
                           "too few file descriptors (%s: %s): raise the limit with ulimit -n or "
                           "lower the number of connections",
                           what, error_text((enum error)error));
    if (error == ENOMEM)
        return failure_set(failure, ERROR_MEMORY,
                           "not enough memory for io_uring (%s): free some, raise ulimit -l or "
                           "lower the number of connections",
                           what);
    return failure_set(failure, (enum error)error, "io_uring cannot be set up (%s): %s", what,
                       error_text((enum error)error));
}

/* Asks for all that makes it fast, then for less. */
static int make_ring(struct uring *uring) {
    static const unsigned FLAGS[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
            IORING_SETUP_SUBMIT_ALL,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
        IORING_SETUP_SUBMIT_ALL,
    };
    uint64_t slots = (uint64_t)uring->io.config.sockets + uring->io.config.watches;
    uint32_t sq = power_of_two(4 * slots, SQ_ENTRIES_MIN, SQ_ENTRIES_MAX);
    int result = -EINVAL;

    for (size_t i = 0; i < sizeof FLAGS / sizeof FLAGS[0] && result == -EINVAL; i++) {
        struct io_uring_params params = {
            .flags = FLAGS[i] | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
            .cq_entries = power_of_two(4 * slots, 2 * sq, CQ_ENTRIES_MAX)};
        result = io_uring_queue_init_params(sq, &uring->ring, &params);
    }
    uring->ring_made = result == 0;
    return -result;
}

/* By hand and not with io_uring_setup_buf_ring, which liburing 2.3 does not have. */
static int make_buffers(struct uring *uring) {
    /* Flights seldom come all at once; a receive that finds no buffer is queued again. Fewer
     * buffers also mean fewer pages, and warmer ones. */
    uint32_t count = power_of_two(uring->io.config.receives / 4, BUFFERS_MIN, BUFFERS_MAX);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    void *ring =
        mmap(NULL, count * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE, flags, -1, 0);

    if (ring == MAP_FAILED)
        return ENOMEM;
    uring->buffer_ring = ring;
    uring->buffer_count = count;
    void *buffers = mmap(NULL, (size_t)count * BUFFER_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (buffers == MAP_FAILED)
        return ENOMEM;
    uring->buffers = buffers;

    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)ring, .ring_entries = count, .bgid = BUFFER_GROUP};
    int result = io_uring_register_buf_ring(&uring->ring, &registration, 0);
    if (result < 0)
        return -result;
    io_uring_buf_ring_init(uring->buffer_ring);
    for (uint32_t id = 0; id < count; id++)
        buffer_give(uring, id);
    return 0;
}

/* Frees what there is; the ring first, which ends the kernel's use of the rest. */
static void destroy(struct uring *uring) {
    if (uring->ring_made)
        io_uring_queue_exit(&uring->ring);
    if (uring->buffers)
        munmap(uring->buffers, (size_t)uring->buffer_count * BUFFER_BYTES);
    if (uring->buffer_ring)
        munmap(uring->buffer_ring, uring->buffer_count * sizeof(struct io_uring_buf));
    if (uring->wake_fd >= 0)
        close(uring->wake_fd);
    free(uring->arena);
    free(uring->retries);
    free(uring->watches);
    free(uring->sockets);
    free(uring);
}

static bool make_memory(struct uring *uring) {
    uint32_t sockets = uring->io.config.sockets, watches = uring->io.config.watches;

    uring->sockets = calloc(sockets ? sockets : 1, sizeof *uring->sockets);
    uring->watches = calloc(watches ? watches : 1, sizeof *uring->watches);
    uring->retries = calloc(sockets ? sockets : 1, sizeof *uring->retries);
    uring->arena = malloc(SEND_ARENA_BYTES);
    return uring->sockets && uring->watches && uring->retries && uring->arena;
}

static enum error make(struct uring *uring, struct failure *failure) {
    uint32_t sockets = uring->io.config.sockets;
    int error;

    if (!make_memory(uring))
        return failure_set(failure, ERROR_MEMORY, "no memory for %u sockets", sockets);
    error = make_ring(uring);
    if (error)
        return refuse(failure, error, "io_uring_setup");
    error = -io_uring_register_files_sparse(&uring->ring, sockets ? sockets : 1);
    if (error)
        return refuse(failure, error, "registering descriptors");
    error = make_buffers(uring);
    if (error)
        return refuse(failure, error, "registering buffers");
    uring->wake_fd = eventfd(0, EFD_CLOEXEC); /* blocking: else the read would not wait */
    if (uring->wake_fd < 0)
        return refuse(failure, errno, "eventfd");
    queue_wake(uring);
    return ERROR_NONE;
}

static enum error uring_open(struct io **out, const struct io_config *config,
                             struct failure *failure) {
    struct uring *uring = calloc(1, sizeof *uring);

    *out = NULL;
    if (!uring)
        return failure_set(failure, ERROR_MEMORY, "no memory for io_uring");
    uring->io.backend = &io_uring_backend;
    uring->io.config = *config;
    uring->io.now_ns = clock_monotonic_ns();
    uring->io.unix_ms = clock_unix_ms();
    uring->wake_fd = -1;
    enum error error = make(uring, failure);
    if (error) {
        destroy(uring);
        return error;
    }
    *out = &uring->io;
    return ERROR_NONE;
}

static void uring_close(struct io *io) {
    struct uring *uring = uring_of(io);

    assert(uring->ops == 0);
    for (uint32_t i = 0; i < io->config.sockets; i++)
        assert(uring->sockets[i].state == STATE_FREE);
    destroy(uring);
}

const struct io_backend io_uring_backend = {
    .name = "io_uring",
    .open = uring_open,
    .close = uring_close,
    .connect = uring_connect,
    .send = uring_send,
    .receive = uring_receive,
    .close_socket = uring_close_socket,
    .watch = uring_watch,
    .unwatch = uring_unwatch,
    .wake = uring_wake,
    .step = uring_step,
};
