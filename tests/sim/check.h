/* The oracles: what must hold whatever the peers and the machine do. The simulated wire and the
 * sweep report what they see; what must not be ends the program (sim_fail). */
#ifndef TESTS_SIM_CHECK_H
#define TESTS_SIM_CHECK_H

#include "tests/sim/persona.h"
#include "tests/sim/sim_io.h"

struct address_set;

/* Who was met at an address. */
struct met {
    struct met *next;
    struct address address;
    struct persona persona;
    bool told;       /* in a record */
    uint32_t visits; /* connections that the machine could make */
};

/* What is known of one target. */
struct fate {
    uint32_t records;
    bool ended;           /* its last record is out */
    bool send_failed;     /* on its last connection */
    bool lacked;          /* the machine could not make its last connection */
    uint32_t lacks;       /* how often that was so */
    uint64_t clock_ns;    /* when its time began to run, the last time */
    uint64_t connect_ns;  /* when its last connection was begun … */
    uint64_t converse_ns; /* … when it was first used, 0 for not yet … */
    uint64_t hello_ns;    /* … and when TLS began on it; likewise */
    struct met *met;
};

struct open_connection {
    uint32_t target;
    struct address address;
    uint64_t number; /* in the order of those that came about; 0 for not yet */
    bool converses;
};

struct check {
    struct sim_world *world;
    const struct address_set *excluded; /* NULL for none */
    const struct prober *prober;        /* NULL until it is open */
    bool cancelled;                     /* records may say so … */
    bool over;                          /* … and nobody connects any more */
    bool starts_unseen; /* check_started is not called: how long a target takes is not known */
    struct fate fates[SCENARIO_TARGETS_MAX];
    struct open_connection open[SCENARIO_SLOTS_MAX];
    uint32_t open_count;
    uint64_t connected;           /* so far */
    uint64_t spoilt;              /* records by a lack of memory */
    uint32_t handshakes;          /* real ones that may still be had */
    uint64_t level_ns, filled_ns; /* of the leaky bucket that every connection fills a bit */
    struct prober_statistics counts;
};

void check_init(struct check *check, struct sim_world *world, const struct address_set *excluded);
void check_deinit(struct check *check);

static inline uint64_t check_slack_ns(const struct check *check) {
    return scenario_slack_ns(check->world->scenario);
}

/* Who is at the address, for the target. */
struct met *check_meet(struct check *check, uint32_t target, const struct address *address);

/* --- From the sweep --- */

void check_started(struct check *check, uint32_t target);
void check_stepped(struct check *check);
void check_record(struct check *check, const struct probe_record *record);
void check_ended(struct check *check); /* all is done, and nothing closed yet */

/* --- From the wire --- */

/* Returns who is there. */
struct met *check_connecting(struct check *check, uint32_t target, const struct address *address);
void check_connected(struct check *check, uint32_t target, int error, bool lacking);
void check_conversing(struct check *check, uint32_t target);
void check_greeted(struct check *check, uint32_t target);
void check_send_failed(struct check *check, uint32_t target);
void check_received(struct check *check, size_t len);
void check_closing(struct check *check, uint32_t target, bool connecting);

#define CHECK(condition, ...) SIM_MUST(check->world, condition, __VA_ARGS__)

#endif
