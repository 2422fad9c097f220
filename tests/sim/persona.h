/* How one address behaves towards one target, and what a record about it may therefore say. Drawn
 * from the scenario's seed, the target and the address: the same at every connection. */
#ifndef TESTS_SIM_PERSONA_H
#define TESTS_SIM_PERSONA_H

#include "tests/sim/scenario.h"
#include "tests/sim/sim_dialogue.h"
#include "tests/sim/sim_pki.h"

/* What is said to a ClientHello. */
enum service {
    SERVICE_REAL,  /* a handshake by BoringSSL: persona.server */
    SERVICE_SSL30, /* made flights, which end before the handshake does: */
    SERVICE_TLS10,
    SERVICE_TLS12,
    SERVICE_TLS13,         /* that only a grab can read */
    SERVICE_SMALL_RECORDS, /* of a few bytes each */
    SERVICE_LONG_CHAIN,    /* of more certificates than are kept */
    SERVICE_HUGE_CHAIN,    /* of more bytes than are read */
    SERVICE_UNPARSABLE,    /* a certificate that is none */
    SERVICE_ALERT,
    SERVICE_NO_PROTOCOL, /* an alert about ALPN: handshakes try again without */
    SERVICE_CLOSE_NOTIFY,
    SERVICE_HTTP,     /* not TLS: */
    SERVICE_GREETING, /* before the hello */
    SERVICE_NOISE,    /* TLS at the first look: */
    SERVICE_ECHO,
    SERVICE_WARNINGS, /* without an end: */
    SERVICE_CIPHER_CHANGES,
    SERVICE_DATA,
    SERVICE_EMPTY_RECORDS,
    SERVICE_HELLO_REQUESTS,
    SERVICE_GIANT_MESSAGE,
    SERVICE_RETRIES,     /* HelloRetryRequest after HelloRetryRequest */
    SERVICE_LONG_COOKIE, /* in a HelloRetryRequest: the second hello is as long */
    SERVICE_SILENCE,
    SERVICE_COUNT,
};

enum fault { FAULT_NONE, FAULT_END, FAULT_RESET, FAULT_STALL, FAULT_DAMAGE };

struct persona {
    int connect_error;   /* errno; 0: it accepts */
    bool never_answers;  /* not even with an error */
    uint64_t connect_ns; /* until it does */
    uint32_t welcomes;   /* connections that it accepts before it refuses; 0: any number */
    const struct sim_dialogue *dialogue; /* before it; NULL for none */
    bool refuses;                        /* it ends there */
    uint8_t service;                     /* enum service */
    uint8_t server;                      /* enum sim_server */
    uint8_t leaf;                        /* which of the pki's */
    uint64_t think_ns;                   /* before the first bytes of an answer */
    uint64_t gap_ns;                     /* between two pieces */
    uint32_t piece;                      /* bytes that arrive at once at most … */
    bool even;                           /* … or always */
    uint32_t dribble;                    /* so many at the beginning come one by one */
    uint8_t fault;                       /* enum fault */
    uint32_t fault_at;                   /* bytes that it has sent by then */
    uint8_t damage;                      /* flipped bits, never 0 */
    bool unbidden;                       /* the fault does not wait for the hello */
    int fault_error;                     /* errno of FAULT_RESET */
    uint32_t send_fails;                 /* the how manieth send fails; 0: none */
    int send_error;

    uint32_t expected; /* bits 1 << enum outcome that come of it when all else goes well … */
    uint32_t outcomes; /* … and that may come of it in any case, but for TIMEOUT in its time */
    bool has_leaf;     /* the certificate it shows, if any, is `leaf` */
    bool brisk;        /* it does what is expected, and in time by any clock */
};

/* `handshakes`: how many may still be real; counted down. */
void persona_draw(struct persona *persona, const struct scenario *scenario, uint32_t target,
                  const struct address *address, uint32_t *handshakes);

#endif
