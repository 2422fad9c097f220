/* How a protocol in the clear is asked to go on in TLS: what the client says, what the server must
 * answer. Sans-I/O: bytes in, bytes out, split anywhere.
 *
 *     dialogue_start ─▶ bytes to send
 *     dialogue_feed  ◀─ bytes received    MORE … then TLS, REFUSED or BROKEN
 *                    ─▶ bytes to send     also with TLS: they go before it (MySQL)
 *
 * A dialogue ends with the byte after which TLS begins. What a server has sent behind it (some do
 * so by mistake, some to inject commands) belongs to TLS, through `unwrap` where there is one, and
 * breaks it there.
 *
 * Adding a protocol: one file with a `const struct dialogue`, one line in dialogues.c. */
#ifndef ENGINE_STARTTLS_DIALOGUE_H
#define ENGINE_STARTTLS_DIALOGUE_H

#include "engine/base/buffer.h"

enum {
    /* A line of a text protocol, or one message of another. RFC 5321 allows 512 octets a reply
       line, RFC 3501 no limit; capability lists of real servers are under 1 KB. */
    DIALOGUE_LINE_BYTES = 4096,
    /* Lines of all replies together: banners of some FTP servers have about a hundred. */
    DIALOGUE_LINES_MAX = 512,
    /* All that a server says before TLS; the longest banners and lists are a tenth of it. */
    DIALOGUE_BYTES_MAX = 64 * 1024,
    /* Enough of a refusal for its reason to be in it. */
    DIALOGUE_WORDS_BYTES = 192,
    DIALOGUE_ALIASES = 9,
    DIALOGUE_PORTS = 3,
};

enum dialogue_status {
    DIALOGUE_MORE,      /* read on */
    DIALOGUE_TLS,       /* TLS may begin */
    DIALOGUE_REFUSED,   /* the server said no, or does not offer it: `words` has the reason */
    DIALOGUE_BROKEN,    /* what it said is not this protocol */
    DIALOGUE_TOO_LARGE, /* more than any real server says */
};

struct dialogue;

/* One dialogue; owned by its caller, no memory of its own. */
struct dialogue_state {
    const struct dialogue *dialogue;
    struct slice host; /* as the server is called: for XMPP's `to`; outlives the dialogue */
    uint8_t step;      /* the protocol's own, 0 at the beginning */
    bool seen;         /* the protocol's own: something was offered */
    uint8_t mark;      /* the protocol's own within a message, 0 at its first byte */
    uint16_t code;     /* the protocol's own: what a reply began with */
    uint32_t skip;     /* the protocol's own: bytes to pass over before the next line begins */
    uint16_t lines;
    uint32_t bytes_in;
    uint16_t line_len;
    uint16_t words_len;
    uint8_t line[DIALOGUE_LINE_BYTES];   /* the unfinished line or message */
    uint8_t words[DIALOGUE_WORDS_BYTES]; /* the reason, mostly the server's: cut, not made safe */
};

/* A name that people type besides the protocol's own. */
struct dialogue_alias {
    const char *name; /* "submission" */
    uint16_t port;    /* where that is; 0 for the protocol's own port */
};

/* One protocol: a row of the table in dialogues.c. Its functions are called with a state that they
 * keep no pointer to. */
struct dialogue {
    const char *name; /* "smtp" */
    const char *summary;
    uint16_t port;                  /* where it usually listens */
    uint16_t ports[DIALOGUE_PORTS]; /* others that mean it, 0 for none */
    struct dialogue_alias aliases[DIALOGUE_ALIASES];
    /* Appends what the client says first; NULL when the server speaks first. */
    void (*start)(struct dialogue_state *state, struct buffer *out);
    /* A text protocol: one line, without its end (CR LF, or LF alone). NULL for others. */
    enum dialogue_status (*line)(struct dialogue_state *state, struct slice line,
                                 struct buffer *out);
    /* Any other protocol is cut into messages, and so are streams without lines: an element's tag,
     * a single byte of text. Asked after each byte: how many bytes the message at the beginning of
     * `bytes` has, once that can be told, else 0. At most DIALOGUE_LINE_BYTES; more is too large.
     * A beginning that is not this protocol is a message too, for `message` to say so. */
    size_t (*length)(struct dialogue_state *state, struct slice bytes);
    enum dialogue_status (*message)(struct dialogue_state *state, struct slice message,
                                    struct buffer *out);
    /* Where TLS travels inside the protocol's own packets (TDS): wraps what is to be sent, and
     * takes what came, split anywhere, appending the TLS bytes; false when it is not this protocol.
     * Only after DIALOGUE_TLS. NULL where TLS follows bare. */
    void (*wrap)(struct slice tls, struct buffer *out);
    bool (*unwrap)(struct dialogue_state *state, struct slice bytes, struct buffer *tls);
};

/* Index 0 is plain TLS, which has no dialogue: neither start, line nor message. */
extern const struct dialogue *const dialogues[];
extern const uint32_t dialogue_count;

/* The index of a protocol by its name or an alias, in any case, or -1. `port` gets where that name
 * usually listens. */
int dialogue_by_name(struct slice name, uint16_t *port);
/* The protocol that usually listens on a port; 0 for plain TLS. */
uint8_t dialogue_by_port(uint16_t port);

/* True for plain TLS: nothing is to be said before. */
static inline bool dialogue_is_direct(const struct dialogue *dialogue) {
    return !dialogue->line && !dialogue->message;
}

/* `out` takes what is to be sent first, if anything. */
void dialogue_start(struct dialogue_state *state, const struct dialogue *dialogue,
                    struct slice host, struct buffer *out);

/* Takes bytes as they came; appends what is to be sent, at most a few times as much as came in.
 * `used` is how many belonged to the dialogue: less than all only when it is over, which it is
 * after any other answer than DIALOGUE_MORE. However the bytes are split, the same comes out. */
enum dialogue_status dialogue_feed(struct dialogue_state *state, struct slice bytes, size_t *used,
                                   struct buffer *out);

/* For protocols: keeps the reason, for REFUSED, and returns that. */
enum dialogue_status dialogue_refused(struct dialogue_state *state, struct slice words);
/* The same with a reason of ours before what the server said, if it said anything: "reason: words".
 */
enum dialogue_status dialogue_refused_with(struct dialogue_state *state, struct slice words,
                                           const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
