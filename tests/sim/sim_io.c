#include "tests/sim/sim_io.h"

#include "tests/sim/check.h"
#include "tests/sim/sim_events.h"
#include "tests/sim/sim_memory.h"
#include "tests/sim/sim_peer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { POISON = 0xdb };

enum socket_state {
    SOCKET_FREE,
    SOCKET_CONNECTING,
    SOCKET_CONNECTED,
    SOCKET_FAILED,
    SOCKET_CLOSING
};

struct sim_socket {
    uint8_t state; /* enum socket_state */
    bool receiving;
    bool due;     /* what answers the receive is on its way */
    bool lacking; /* the machine had not what the connection takes */
    uint32_t generation, target;
    const struct persona *persona;
    struct sim_peer *peer; /* of a connected one */
};

struct sim_network {
    struct io io; /* first: backends are cast from it */
    struct sim_world *world;
    struct sim_socket *sockets;
    uint32_t open_count; /* that are not free */
    struct sim_events events;
    bool stepping;
};

/* --- The world ------------------------------------------------------------------------------ */

void sim_world_init(struct sim_world *world, const struct scenario *scenario,
                    const struct sim_pki *pki, struct check *check, bool print) {
    *world = (struct sim_world){
        .scenario = scenario, .pki = pki, .check = check, .print = print, .trace = scenario->seed};
    random_init(&world->random, scenario->seed ^ 0x776f726c64);
}

void sim_note(struct sim_world *world, const char *what, uint64_t a, uint64_t b, uint64_t c) {
    const uint64_t words[] = {world->now_ns, a, b, c};
    uint64_t hash = world->trace;

    for (const char *at = what; *at; at++)
        hash = (hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9fb21c651e98df25);
        hash ^= hash >> 29;
    }
    world->trace = hash;
    if (world->print)
        printf("%13.6f  %-12s %6" PRIu64 " %6" PRIu64 " %6" PRIu64 "\n",
               (double)world->now_ns / 1e6, what, a, b, c);
}

void sim_fail(const struct sim_world *world, const char *format, ...) {
    va_list arguments;

    fflush(stdout);
    fprintf(stderr, "seed %" PRIu64 " at %.3f ms: ", world->scenario->seed,
            (double)world->now_ns / 1e6);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nagain: %s --seed %" PRIu64 " --trace\n", program_invocation_short_name,
            world->scenario->seed);
    exit(1);
}

static struct sim_network *network_of(struct io *io) {
    return (struct sim_network *)io;
}

static const struct scenario_trouble *trouble_of(const struct sim_network *network) {
    return &network->world->scenario->trouble;
}

static uint64_t up_to(struct sim_network *network, uint64_t most_ns) {
    return most_ns ? random_below(&network->world->random, most_ns + 1) : 0;
}

/* Every call from the prober begins and ends with these. */
static struct sim_world *enter(struct sim_network *network, bool *charged) {
    *charged = sim_memory_charge(false);
    return network->world;
}

static void leave(bool charged) {
    sim_memory_charge(charged);
}

static void schedule(struct sim_network *network, enum io_event_kind kind, uint32_t index,
                     int error, uint64_t delay_ns) {
    struct sim_event event = {
        .time_ns = network->world->now_ns + delay_ns,
        .order = random_u64(&network->world->random),
        .kind = kind,
        .index = index,
        .generation = network->sockets[index].generation,
        .error = error,
    };
    sim_events_add(&network->events, &event);
}

/* --- In place of the kernel --- */

static const struct sim_world *current; /* whose network was opened last */

/* What shares a cell of the caps must not be a matter of chance. */
uint64_t __wrap_random_seed(void);
uint64_t __wrap_random_seed(void) {
    return 1;
}

uint64_t __wrap_clock_monotonic_ns(void);
uint64_t __wrap_clock_monotonic_ns(void) {
    return current->now_ns;
}

/* --- Sockets -------------------------------------------------------------------------------- */

static struct sim_socket *socket_at(struct sim_network *network, uint32_t index) {
    SIM_MUST(network->world, index < network->io.config.sockets, "socket %u is out of range",
             index);
    return &network->sockets[index];
}

/* 0: the machine has all that a connection takes. */
static int lacking(const struct sim_network *network) {
    const struct scenario_trouble *trouble = trouble_of(network);
    uint64_t now_ns = network->world->now_ns;

    if (trouble->lack_error && now_ns >= trouble->lack_from_ns && now_ns < trouble->lack_to_ns)
        return trouble->lack_error;
    if (trouble->descriptors && network->open_count > trouble->descriptors)
        return EMFILE;
    return 0;
}

static void sim_connect(struct io *io, uint32_t index, const struct address *address,
                        uint16_t port) {
    struct sim_network *network = network_of(io);
    bool charged;
    struct sim_world *world = enter(network, &charged);
    struct sim_socket *socket = socket_at(network, index);
    uint32_t target = (uint32_t)port - SCENARIO_PORT_FIRST;

    SIM_MUST(world, socket->state == SOCKET_FREE, "connect on socket %u in state %d", index,
             socket->state);
    SIM_MUST(world, target < world->scenario->target_count, "connect to the strange port %u", port);
    sim_note(world, "connect", index, target, address->bytes[address_length(address) - 1]);
    socket->state = SOCKET_CONNECTING;
    socket->target = target;
    struct met *met = check_connecting(world->check, target, address);
    const struct persona *persona = socket->persona = &met->persona;
    network->open_count++;
    world->submitted++;
    int error = lacking(network);
    socket->lacking = error != 0;
    if (!error && persona->welcomes && ++met->visits > persona->welcomes)
        schedule(network, IO_CONNECTED, index, ECONNREFUSED, persona->connect_ns);
    else if (error)
        schedule(network, IO_CONNECTED, index, error, up_to(network, 20000));
    else if (!persona->never_answers)
        schedule(network, IO_CONNECTED, index, persona->connect_error, persona->connect_ns);
    leave(charged);
}

/* Lets a receive that waits know of what has become readable. */
static void look_for_news(struct sim_network *network, uint32_t index) {
    struct sim_socket *socket = &network->sockets[index];
    uint64_t delay_ns;

    if (!socket->receiving || socket->due || !sim_peer_has_news(socket->peer, &delay_ns))
        return;
    socket->due = true;
    schedule(network, IO_RECEIVED, index, 0,
             delay_ns + up_to(network, trouble_of(network)->receive_ns));
}

static void sim_send(struct io *io, uint32_t index, struct slice bytes) {
    struct sim_network *network = network_of(io);
    bool charged;
    struct sim_world *world = enter(network, &charged);
    struct sim_socket *socket = socket_at(network, index);

    SIM_MUST(world, socket->state == SOCKET_CONNECTED, "send on socket %u in state %d", index,
             socket->state);
    SIM_MUST(world, bytes.len <= IO_SEND_MAX, "send of %zu bytes", bytes.len);
    sim_note(world, "send", index, bytes.len, 0);
    check_conversing(world->check, socket->target);
    if (!sim_peer_is_clear(socket->peer))
        check_greeted(world->check, socket->target);
    if (sim_peer_take(socket->peer, bytes))
        look_for_news(network, index);
    else
        schedule(network, IO_SEND_FAILED, index, socket->persona->send_error,
                 up_to(network, SIM_MS));
    leave(charged);
}

static void sim_receive(struct io *io, uint32_t index) {
    struct sim_network *network = network_of(io);
    bool charged;
    struct sim_world *world = enter(network, &charged);
    struct sim_socket *socket = socket_at(network, index);

    SIM_MUST(world, socket->state == SOCKET_CONNECTED && !socket->receiving,
             "receive on socket %u in state %d%s", index, socket->state,
             socket->receiving ? ", which receives" : "");
    sim_note(world, "receive", index, 0, 0);
    check_conversing(world->check, socket->target);
    socket->receiving = true;
    world->submitted++;
    look_for_news(network, index);
    leave(charged);
}

/* Events of its past no longer match its generation. */
static void set_free(struct sim_network *network, struct sim_socket *socket) {
    sim_peer_free(socket->peer);
    *socket = (struct sim_socket){.generation = socket->generation + 1};
    network->open_count--;
}

static bool sim_close_socket(struct io *io, uint32_t index) {
    struct sim_network *network = network_of(io);
    bool charged;
    struct sim_world *world = enter(network, &charged);
    struct sim_socket *socket = socket_at(network, index);
    bool in_flight = socket->state == SOCKET_CONNECTING || socket->receiving;
    bool at_once = !in_flight || trouble_of(network)->closes_at_once;

    SIM_MUST(world, socket->state != SOCKET_FREE && socket->state != SOCKET_CLOSING,
             "close of socket %u in state %d", index, socket->state);
    sim_note(world, "close", index, in_flight, at_once);
    check_closing(world->check, socket->target, socket->state == SOCKET_CONNECTING);
    world->completed += in_flight;
    if (at_once) {
        set_free(network, socket);
    } else {
        socket->state = SOCKET_CLOSING;
        socket->generation++;
        schedule(network, IO_CLOSED, index, 0, up_to(network, trouble_of(network)->close_ns));
    }
    leave(charged);
    return at_once;
}

/* --- Events --------------------------------------------------------------------------------- */

static void emit(struct sim_network *network, const struct io_event *event) {
    sim_note(network->world, "event", event->index, event->kind,
             event->bytes.len << 16 | (uint64_t)event->error);
    sim_memory_charge(true);
    network->io.config.handle(network->io.config.owner, event);
    sim_memory_charge(false);
}

static void tell_connected(struct sim_network *network, const struct sim_event *event) {
    struct sim_world *world = network->world;
    struct sim_socket *socket = &network->sockets[event->index];

    socket->state = event->error ? SOCKET_FAILED : SOCKET_CONNECTED;
    if (!event->error)
        socket->peer = sim_peer_new(socket->persona, world->pki, random_u64(&world->random));
    world->completed++;
    check_connected(world->check, socket->target, event->error, socket->lacking);
    emit(network,
         &(struct io_event){.kind = IO_CONNECTED, .index = event->index, .error = event->error});
}

/* The bytes are gone when the handler returns. */
static void tell_received(struct sim_network *network, const struct sim_event *event) {
    struct sim_socket *socket = &network->sockets[event->index];
    struct io_event received = {.kind = IO_RECEIVED, .index = event->index};
    uint8_t piece[SIM_PIECE_MAX];
    size_t len = sim_peer_tell(socket->peer, piece, &received.error);
    uint8_t *bytes = malloc(len ? len : 1);

    memcpy(bytes, piece, len);
    if (len)
        received.bytes = (struct slice){bytes, len};
    socket->receiving = socket->due = false;
    network->world->completed++;
    check_received(network->world->check, len);
    emit(network, &received);
    memset(bytes, POISON, len);
    free(bytes);
}

static void deliver(struct sim_network *network, const struct sim_event *event) {
    struct sim_socket *socket = &network->sockets[event->index];

    if (socket->generation != event->generation)
        return;
    switch (event->kind) {
    case IO_CONNECTED:
        tell_connected(network, event);
        break;
    case IO_RECEIVED:
        tell_received(network, event);
        break;
    case IO_SEND_FAILED:
        check_send_failed(network->world->check, socket->target);
        emit(network, &(struct io_event){
                          .kind = IO_SEND_FAILED, .index = event->index, .error = event->error});
        break;
    case IO_CLOSED:
        set_free(network, socket);
        emit(network, &(struct io_event){.kind = IO_CLOSED, .index = event->index});
        break;
    case IO_READY:
        break;
    }
}

static void shuffle(struct random *random, struct sim_event *events, size_t count) {
    for (size_t i = count; i > 1; i--) {
        size_t other = random_below(random, i);
        struct sim_event event = events[i - 1];
        events[i - 1] = events[other];
        events[other] = event;
    }
}

/* The clock goes on to the first event or to the end of the wait, and as much further as the
 * machine is late. */
static void pass_time(struct sim_network *network, uint32_t wait_ms) {
    struct sim_world *world = network->world;
    const struct scenario_trouble *trouble = trouble_of(network);
    uint64_t end_ns = world->now_ns + wait_ms * SIM_MS;
    uint64_t next_ns = sim_events_next_ns(&network->events);

    world->now_ns += sim_between(&world->random, 500, 20000);
    if (!world->woken && next_ns > world->now_ns)
        world->now_ns = next_ns < end_ns         ? next_ns
                        : world->now_ns > end_ns ? world->now_ns
                                                 : end_ns;
    if (trouble->gathers && world->now_ns < end_ns)
        world->now_ns += up_to(network, end_ns - world->now_ns);
    if (sim_chance(&world->random, trouble->stall_permille))
        world->now_ns += up_to(network, trouble->stall_ns);
    world->woken = false;
    network->io.now_ns = world->now_ns;
    network->io.unix_ms = SIM_EPOCH_SECONDS * 1000 + (int64_t)(world->now_ns / SIM_MS);
    if (trouble->jump_ms && world->now_ns >= trouble->jump_at_ns)
        network->io.unix_ms += trouble->jump_ms;
}

/* What handlers cause meanwhile waits for the next step. */
static enum error sim_step(struct io *io, uint32_t wait_ms) {
    struct sim_network *network = network_of(io);
    bool charged;
    struct sim_world *world = enter(network, &charged);
    size_t count;

    SIM_MUST(world, !network->stepping, "a step within a step");
    network->stepping = true;
    world->steps++;
    pass_time(network, wait_ms);
    struct sim_event *due = sim_events_take(&network->events, world->now_ns, &count);
    if (trouble_of(network)->shuffles)
        shuffle(&world->random, due, count);
    for (size_t i = 0; i < count; i++)
        deliver(network, &due[i]);
    free(due);
    if (world->stepped)
        world->stepped(world->owner);
    network->stepping = false;
    leave(charged);
    return ERROR_NONE;
}

/* --- The rest ------------------------------------------------------------------------------- */

static void sim_watch(struct io *io, uint32_t watch, int fd, bool readable, bool writable) {
    (void)readable;
    (void)writable;
    sim_fail(network_of(io)->world, "watch %u of descriptor %d: somebody has opened a real socket",
             watch, fd);
}

static void sim_unwatch(struct io *io, uint32_t watch) {
    SIM_MUST(network_of(io)->world, watch < io->config.watches, "watch %u is out of range", watch);
}

static void sim_wake(struct io *io) {
    network_of(io)->world->woken = true;
}

static enum error sim_open(struct io **out, const struct io_config *config,
                           struct failure *failure) {
    bool charged = sim_memory_charge(false);
    struct sim_network *network = calloc(1, sizeof *network);

    (void)failure;
    network->io = (struct io){.backend = &sim_io_backend, .config = *config};
    network->io.unix_ms = SIM_EPOCH_SECONDS * 1000;
    network->world = config->context;
    network->world->network = network;
    current = network->world;
    network->sockets = calloc(config->sockets, sizeof *network->sockets);
    *out = &network->io;
    sim_memory_charge(charged);
    return ERROR_NONE;
}

static void sim_close(struct io *io) {
    struct sim_network *network = network_of(io);
    bool charged;
    struct sim_world *world = enter(network, &charged);

    for (uint32_t i = 0; i < io->config.sockets; i++)
        SIM_MUST(world, network->sockets[i].state == SOCKET_FREE, "socket %u is open at the end",
                 i);
    SIM_MUST(world, world->submitted == world->completed,
             "%" PRIu64 " operations submitted, %" PRIu64 " completed", world->submitted,
             world->completed);
    sim_events_deinit(&network->events);
    free(network->sockets);
    free(network);
    world->network = NULL;
    leave(charged);
}

const struct io_backend sim_io_backend = {
    .name = "simulation",
    .open = sim_open,
    .close = sim_close,
    .connect = sim_connect,
    .send = sim_send,
    .receive = sim_receive,
    .close_socket = sim_close_socket,
    .watch = sim_watch,
    .unwatch = sim_unwatch,
    .wake = sim_wake,
    .step = sim_step,
};
