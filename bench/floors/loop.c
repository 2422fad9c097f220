#include "bench/floors/floors.h"

#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { SQ_ENTRIES = 4096, CQ_ENTRIES = 16384, STRIDE = 1000003 };
enum operation { CONNECT = 1, RECEIVE, OTHER };

struct loop {
    const struct floor_kind *kind;
    const struct floor_config *config;
    struct floor_result *result;
    void *state;
    struct floor_slot *slots;
    struct sockaddr_in *peers; /* of the slots; the kernel reads them when they are submitted */
    struct io_uring ring;
    uint64_t started, finished;
};

static struct io_uring_sqe *sqe_get(struct loop *loop) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);
    while (!sqe) {
        io_uring_submit(&loop->ring);
        sqe = io_uring_get_sqe(&loop->ring);
    }
    return sqe;
}

/* Behind io_uring_prep_*, which clears user_data in some versions of liburing. */
static void mark(struct io_uring_sqe *sqe, enum operation operation, uint32_t slot,
                 unsigned flags) {
    io_uring_sqe_set_data64(sqe, (uint64_t)operation << 32 | slot);
    sqe->flags |= (uint8_t)flags;
}

static void start(struct loop *loop, uint32_t slot) {
    const struct floor_config *config = loop->config;
    struct sockaddr_in *peer = &loop->peers[slot];

    if (loop->started == config->total)
        return;
    uint64_t at = loop->started++ % config->count * STRIDE % config->count;
    *peer = (struct sockaddr_in){.sin_family = AF_INET,
                                 .sin_port = htons(config->port),
                                 .sin_addr.s_addr = htonl(config->first + (uint32_t)at)};
    struct io_uring_sqe *sqe = sqe_get(loop);
    io_uring_prep_socket_direct(sqe, AF_INET, SOCK_STREAM, 0, slot, 0);
    mark(sqe, OTHER, slot, IOSQE_CQE_SKIP_SUCCESS);
    sqe = sqe_get(loop);
    io_uring_prep_connect(sqe, (int)slot, (struct sockaddr *)peer, sizeof *peer);
    mark(sqe, CONNECT, slot, IOSQE_FIXED_FILE);
}

static void send_output(struct loop *loop, uint32_t slot) {
    struct slice output = loop->slots[slot].output;
    if (!output.len)
        return;
    struct io_uring_sqe *sqe = sqe_get(loop);
    io_uring_prep_send(sqe, (int)slot, output.ptr, output.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    mark(sqe, OTHER, slot, IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS);
    loop->slots[slot].output.len = 0;
}

static void receive(struct loop *loop, uint32_t slot) {
    struct io_uring_sqe *sqe = sqe_get(loop);
    io_uring_prep_recv(sqe, (int)slot, loop->slots[slot].input, FLOOR_INPUT_BYTES, 0);
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    mark(sqe, RECEIVE, slot, IOSQE_FIXED_FILE);
}

static void go_on(struct loop *loop, uint32_t slot, enum floor_step step) {
    send_output(loop, slot);
    if (step == FLOOR_RECEIVE) {
        receive(loop, slot);
        return;
    }
    loop->result->ended[step]++;
    loop->finished++;
    struct io_uring_sqe *sqe = sqe_get(loop);
    io_uring_prep_close_direct(sqe, slot);
    mark(sqe, OTHER, slot, IOSQE_CQE_SKIP_SUCCESS);
    start(loop, slot);
}

static void on_connected(struct loop *loop, uint32_t slot, int result) {
    struct floor_slot *one = &loop->slots[slot];
    enum floor_step step = result == -ECONNREFUSED ? FLOOR_REFUSED : FLOOR_FAILED;

    one->received = 0;
    if (result >= 0)
        step = loop->kind->connected(loop->state, one);
    go_on(loop, slot, step);
}

static void on_received(struct loop *loop, uint32_t slot, int result) {
    struct floor_slot *one = &loop->slots[slot];
    enum floor_step step = FLOOR_FAILED;

    if (result > 0 || one->ssl) /* what holds an SSL must see the end, to free it */
        step = loop->kind->received(loop->state, one, result > 0 ? (size_t)result : 0);
    go_on(loop, slot, step);
}

static int turn(struct loop *loop) {
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    int result = io_uring_submit_and_wait(&loop->ring, 1);

    if (result < 0 && result != -EINTR && result != -EBUSY && result != -EAGAIN)
        return result;
    io_uring_for_each_cqe(&loop->ring, head, cqe) {
        uint32_t slot = (uint32_t)cqe->user_data;
        enum operation operation = (enum operation)(cqe->user_data >> 32);
        if (operation == CONNECT)
            on_connected(loop, slot, cqe->res);
        else if (operation == RECEIVE)
            on_received(loop, slot, cqe->res);
        count++;
    }
    io_uring_cq_advance(&loop->ring, count);
    return 0;
}

static int run(struct loop *loop) {
    const unsigned in_flight = loop->config->in_flight;
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
        .cq_entries = CQ_ENTRIES};
    int result = io_uring_queue_init_params(SQ_ENTRIES, &loop->ring, &params);

    if (result < 0)
        return result;
    result = io_uring_register_files_sparse(&loop->ring, in_flight);
    for (uint32_t slot = 0; result == 0 && slot < in_flight; slot++)
        start(loop, slot);
    while (result == 0 && loop->finished < loop->config->total)
        result = turn(loop);
    io_uring_submit(&loop->ring); /* the last closes */
    io_uring_queue_exit(&loop->ring);
    return result;
}

enum error floor_run(const struct floor_kind *kind, const struct floor_config *config,
                     struct floor_result *result, struct failure *failure) {
    struct loop loop = {.kind = kind, .config = config, .result = result};

    *result = (struct floor_result){0};
    loop.state = kind->open ? kind->open(config) : NULL;
    loop.slots = calloc(config->in_flight, sizeof *loop.slots);
    loop.peers = calloc(config->in_flight, sizeof *loop.peers);
    enum error error = ERROR_NONE;
    if ((kind->open && !loop.state) || !loop.slots || !loop.peers)
        error = failure_set(failure, ERROR_MEMORY, "no memory for the floor '%s'", kind->name);
    if (!error) {
        int reason = -run(&loop);
        if (reason)
            error = failure_set(failure, (enum error)reason,
                                "io_uring: %s; the floors need it, and Linux 6.1",
                                error_text((enum error)reason));
    }
    if (loop.state)
        kind->close(loop.state);
    free(loop.slots);
    free(loop.peers);
    return error;
}
