/* Which message is in which lane. Messages are taken longest first. Each is up to three segments of
 * blocks that follow one another in memory:
 *
 *     head   the prefix and the first bytes of the message, copied together (none without a prefix)
 *     body   whole blocks of the message, where they lie
 *     tail   the rest, the padding and the length, copied together
 *
 * All lanes go on until the shortest of their segments ends. A lane whose message is done takes the
 * next one. When messages run out, the last few are finished one after another. */
#include "engine/hash/sha256_backends.h"

#include <assert.h>
#include <endian.h>
#include <openssl/sha.h>

enum {
    SEGMENTS = 3,
    PADDING_BYTES = 1 + 8,
    SORTED_AT_ONCE = 512,
    LENGTHS = 256, /* told apart by the sort, in blocks; it need not be exact */
};

/* FIPS 180-4 sections 5.3.3 and 4.2.2 */
static const uint32_t INITIAL[SHA256_WORDS] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

_Alignas(16) const uint32_t sha256_constants[SHA256_ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

struct segment {
    const uint8_t *at;
    size_t blocks;
};

struct lane {
    const struct sha256_job *job;
    struct segment segments[SEGMENTS];
    uint32_t segment_count, segment;
    uint8_t head[SHA256_BLOCK_BYTES];
    uint8_t tail[2 * SHA256_BLOCK_BYTES];
};

struct run {
    const struct sha256_kernel *kernel;
    struct sha256_lanes_state state;
    const uint8_t *at[SHA256_LANES_MAX]; /* the next block of each lane */
    size_t left[SHA256_LANES_MAX];       /* blocks of its segment; 0 for an idle lane */
    uint32_t active;                     /* lanes with a message; the others are idle */
    struct lane lanes[SHA256_LANES_MAX];
};

/* The rest of a message behind `done` bytes of it (its prefix included), padded. Returns its
 * blocks. */
static size_t write_tail(const struct sha256_job *job, size_t done, uint8_t *tail) {
    size_t total = job->prefix_len + job->message.len, used = total - done;
    size_t blocks = used + PADDING_BYTES <= SHA256_BLOCK_BYTES ? 1 : 2;
    uint64_t bits = htobe64((uint64_t)total * 8);
    size_t prefix = done ? 0u : job->prefix_len;
    struct slice rest = slice_from(job->message, done ? done - job->prefix_len : 0);

    memset(tail, 0, blocks * SHA256_BLOCK_BYTES);
    memcpy(tail, job->prefix, prefix);
    if (rest.len)
        memcpy(tail + prefix, rest.ptr, rest.len);
    tail[used] = 0x80;
    memcpy(tail + blocks * SHA256_BLOCK_BYTES - sizeof bits, &bits, sizeof bits);
    return blocks;
}

static void add_segment(struct lane *lane, const uint8_t *at, size_t blocks) {
    if (blocks)
        lane->segments[lane->segment_count++] = (struct segment){at, blocks};
}

static void cut_into_segments(struct lane *lane, const struct sha256_job *job) {
    size_t done = 0; /* of prefix and message */

    assert(job->prefix_len <= SHA256_PREFIX_MAX);
    lane->job = job;
    lane->segment_count = lane->segment = 0;
    if (job->prefix_len && job->prefix_len + job->message.len >= SHA256_BLOCK_BYTES) {
        memcpy(lane->head, job->prefix, job->prefix_len);
        memcpy(lane->head + job->prefix_len, job->message.ptr,
               SHA256_BLOCK_BYTES - job->prefix_len);
        add_segment(lane, lane->head, 1);
        done = SHA256_BLOCK_BYTES;
    }
    if (!job->prefix_len || done) {
        size_t blocks = (job->prefix_len + job->message.len - done) / SHA256_BLOCK_BYTES;
        if (blocks)
            add_segment(lane, job->message.ptr + (done ? done - job->prefix_len : 0), blocks);
        done += blocks * SHA256_BLOCK_BYTES;
    }
    add_segment(lane, lane->tail, write_tail(job, done, lane->tail));
}

static void enter_segment(struct run *run, uint32_t i) {
    const struct lane *lane = &run->lanes[i];

    run->at[i] = lane->segments[lane->segment].at;
    run->left[i] = lane->segments[lane->segment].blocks;
}

static void begin(struct run *run, uint32_t i, const struct sha256_job *job) {
    for (uint32_t word = 0; word < SHA256_WORDS; word++)
        run->state.words[word][i] = INITIAL[word];
    cut_into_segments(&run->lanes[i], job);
    enter_segment(run, i);
    run->active++;
}

/* Compresses until the first segment ends. Idle lanes repeat what another one does. */
static void advance(struct run *run) {
    uint32_t lanes = run->kernel->lanes, shortest = 0;
    size_t blocks = SIZE_MAX;

    for (uint32_t i = 0; i < lanes; i++) {
        if (run->left[i] && run->left[i] < blocks) {
            blocks = run->left[i];
            shortest = i;
        }
    }
    for (uint32_t i = 0; run->active < lanes && i < lanes; i++)
        if (!run->left[i])
            run->at[i] = run->at[shortest];
    run->kernel->compress(&run->state, run->at, blocks);
    for (uint32_t i = 0; i < lanes; i++)
        run->left[i] -= run->left[i] ? blocks : 0;
}

static void get_state(const struct sha256_lanes_state *state, uint32_t i,
                      uint32_t words[SHA256_WORDS]) {
    for (uint32_t word = 0; word < SHA256_WORDS; word++)
        words[word] = state->words[word][i];
}

static void write_hash(const uint32_t words[SHA256_WORDS], uint8_t *out) {
    for (uint32_t word = 0; word < SHA256_WORDS; word++) {
        uint32_t big = htobe32(words[word]);
        memcpy(out + word * sizeof big, &big, sizeof big);
    }
}

/* All segments that are left of lane i, one message alone. */
static void finish(struct run *run, uint32_t i) {
    const struct lane *lane = &run->lanes[i];
    uint32_t words[SHA256_WORDS];

    get_state(&run->state, i, words);
    if (run->left[i])
        SHA256_TransformBlocks(words, run->at[i], run->left[i]);
    for (uint32_t s = lane->segment + 1; s < lane->segment_count; s++)
        SHA256_TransformBlocks(words, lane->segments[s].at, lane->segments[s].blocks);
    write_hash(words, lane->job->out);
}

/* To be called when the segment of a lane has ended. False when it was the last: the lane is idle.
 */
static bool next_segment(struct run *run, uint32_t i) {
    struct lane *lane = &run->lanes[i];

    if (lane->segment + 1 < lane->segment_count) {
        lane->segment++;
        enter_segment(run, i);
        return true;
    }
    finish(run, i);
    lane->job = NULL;
    run->active--;
    return false;
}

static uint32_t length_class(const struct sha256_job *job) {
    size_t blocks = (job->prefix_len + job->message.len + PADDING_BYTES) / SHA256_BLOCK_BYTES;
    return (uint32_t)(blocks < LENGTHS ? LENGTHS - 1 - blocks : 0);
}

/* Longest first: a counting sort. */
static void sort(const struct sha256_job *jobs, size_t count, uint16_t *order) {
    uint16_t starts[LENGTHS + 1] = {0};

    for (size_t i = 0; i < count; i++)
        starts[length_class(&jobs[i]) + 1]++;
    for (size_t length = 1; length <= LENGTHS; length++)
        starts[length] = (uint16_t)(starts[length] + starts[length - 1]);
    for (size_t i = 0; i < count; i++)
        order[starts[length_class(&jobs[i])]++] = (uint16_t)i;
}

static void run_jobs(struct run *run, const struct sha256_job *jobs, size_t count) {
    uint32_t lanes = run->kernel->lanes;
    uint16_t order[SORTED_AT_ONCE];
    size_t next = 0;

    sort(jobs, count, order);
    run->active = 0;
    for (uint32_t i = 0; i < lanes; i++) {
        run->left[i] = 0;
        run->lanes[i].job = NULL;
        if (next < count)
            begin(run, i, &jobs[order[next++]]);
    }
    while (run->active >= run->kernel->lanes_pays) {
        advance(run);
        for (uint32_t i = 0; i < lanes; i++)
            if (!run->left[i] && run->lanes[i].job && !next_segment(run, i) && next < count)
                begin(run, i, &jobs[order[next++]]);
    }
    for (uint32_t i = 0; i < lanes; i++)
        if (run->lanes[i].job)
            finish(run, i);
}

void sha256_lanes_many(const struct sha256_kernel *kernel, const struct sha256_job *jobs,
                       size_t count) {
    struct run run;

    run.kernel = kernel;
    while (count >= kernel->lanes_pays) {
        size_t now = count < SORTED_AT_ONCE ? count : SORTED_AT_ONCE;
        run_jobs(&run, jobs, now);
        jobs += now;
        count -= now;
    }
    sha256_plain_many(jobs, count);
}

void sha256_lanes_nodes(const struct sha256_kernel *kernel, const uint8_t *children, size_t count,
                        uint8_t *nodes) {
    enum { PAIR_BYTES = 2 * SHA256_BYTES, BITS = 8 * (1 + PAIR_BYTES) };
    uint8_t inputs[SHA256_LANES_MAX][2 * SHA256_BLOCK_BYTES] = {{0}};
    const uint32_t lanes = kernel->lanes;

    for (uint32_t i = 0; i < lanes; i++) {
        inputs[i][0] = 1;
        inputs[i][1 + PAIR_BYTES] = 0x80;
        inputs[i][sizeof inputs[i] - 2] = BITS >> 8;
        inputs[i][sizeof inputs[i] - 1] = BITS & 0xff;
    }
    while (count >= kernel->lanes_pays) {
        uint32_t now = count < lanes ? (uint32_t)count : lanes, words[SHA256_WORDS];
        struct sha256_lanes_state state;
        const uint8_t *at[SHA256_LANES_MAX];
        for (uint32_t i = 0; i < lanes; i++) {
            if (i < now)
                memcpy(inputs[i] + 1, children + i * PAIR_BYTES, PAIR_BYTES);
            at[i] = inputs[i];
            for (uint32_t word = 0; word < SHA256_WORDS; word++)
                state.words[word][i] = INITIAL[word];
        }
        kernel->compress(&state, at, 2);
        for (uint32_t i = 0; i < now; i++) {
            get_state(&state, i, words);
            write_hash(words, nodes + i * SHA256_BYTES);
        }
        children += now * PAIR_BYTES;
        nodes += now * SHA256_BYTES;
        count -= now;
    }
    sha256_plain_nodes(children, count, nodes);
}
