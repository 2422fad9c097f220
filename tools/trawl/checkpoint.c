#include "tools/trawl/checkpoint.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TICKETS_A_WORD = 32, WORDS = CHECKPOINT_WINDOW / TICKETS_A_WORD, VERSION = 2 };

enum { MAGIC_BYTES = 8 };
static const char BEGUN[] = "TRAWLNEW", FINISHED[] = "TRAWLCKP";
static const uint32_t ALL_DONE = UINT32_MAX;

struct stored_position {
    _Atomic uint64_t file, bytes;
};

/* The file, in this machine's byte order: it is of no use elsewhere. */
struct stored {
    char magic[MAGIC_BYTES]; /* FINISHED is written last: before, nothing was marked */
    uint32_t version, sinks;
    uint8_t digest[CHECKPOINT_DIGEST_BYTES];
    uint64_t seed, run;
    struct stored_position positions[CHECKPOINT_SINKS_MAX];
    uint8_t reserved[4096 - 64 - 16 * CHECKPOINT_SINKS_MAX];
    _Atomic uint64_t words[]; /* WORDS of the first sink, then of the second ... */
};

struct checkpoint {
    char *path;
    int fd;
    size_t size;
    struct stored *stored;
    uint32_t sinks;
    uint64_t done_before;
};

/* --- Words --- */

static uint64_t word_of(uint64_t generation, uint32_t done) {
    return generation << 32 | done;
}

struct place {
    uint32_t word;
    uint64_t generation;
    uint32_t bit;
};

static struct place place_of(uint64_t ticket) {
    uint64_t number = ticket - 1;
    return (struct place){
        .word = (uint32_t)(number / TICKETS_A_WORD % WORDS),
        .generation = number / CHECKPOINT_WINDOW,
        .bit = UINT32_C(1) << number % TICKETS_A_WORD,
    };
}

static uint64_t load(const struct checkpoint *checkpoint, uint32_t sink, uint32_t word) {
    return atomic_load_explicit(&checkpoint->stored->words[(size_t)sink * WORDS + word],
                                memory_order_relaxed);
}

bool checkpoint_is_written(const struct checkpoint *checkpoint, uint32_t sink, uint64_t ticket) {
    struct place place = place_of(ticket);
    uint64_t word = load(checkpoint, sink, place.word), generation = word >> 32;

    return generation > place.generation ||
           (generation == place.generation && (uint32_t)word & place.bit);
}

bool checkpoint_is_done(const struct checkpoint *checkpoint, uint64_t ticket) {
    for (uint32_t sink = 0; sink < checkpoint->sinks; sink++)
        if (!checkpoint_is_written(checkpoint, sink, ticket))
            return false;
    return true;
}

bool checkpoint_has_room(const struct checkpoint *checkpoint, uint64_t ticket) {
    struct place place = place_of(ticket);

    for (uint32_t sink = 0; sink < checkpoint->sinks; sink++) {
        uint64_t word = load(checkpoint, sink, place.word);
        if (word >> 32 < place.generation && word != word_of(place.generation - 1, ALL_DONE))
            return false;
    }
    return true;
}

static void mark(struct checkpoint *checkpoint, uint32_t sink, uint64_t ticket) {
    struct place place = place_of(ticket);
    uint64_t word = load(checkpoint, sink, place.word);

    if (word >> 32 > place.generation)
        return; /* this sink has had it long ago, another one had not */
    if (word >> 32 < place.generation)
        word = word_of(place.generation, 0);
    atomic_store_explicit(&checkpoint->stored->words[(size_t)sink * WORDS + place.word],
                          word | place.bit, memory_order_relaxed);
}

/* The position first: killed in between, the records up to it are written once more. A new file is
 * entered with nothing in it. */
void checkpoint_mark(struct checkpoint *checkpoint, uint32_t sink, const uint64_t *tickets,
                     size_t count, struct sink_position position) {
    struct stored_position *stored = &checkpoint->stored->positions[sink];

    assert(sink < checkpoint->sinks);
    if (atomic_load(&stored->file) != position.file) {
        atomic_store(&stored->bytes, 0);
        atomic_store(&stored->file, position.file);
    }
    atomic_store(&stored->bytes, position.bytes);
    for (size_t i = 0; i < count; i++)
        mark(checkpoint, sink, tickets[i]);
}

struct sink_position checkpoint_position(const struct checkpoint *checkpoint, uint32_t sink) {
    const struct stored_position *stored = &checkpoint->stored->positions[sink];
    return (struct sink_position){atomic_load(&stored->file), atomic_load(&stored->bytes)};
}

/* Of the sinks that are in a word's lowest generation, all must have a ticket; the others had it.
 */
static uint64_t count_done_of_word(const struct checkpoint *checkpoint, uint32_t word) {
    uint64_t generation = UINT64_MAX;
    uint32_t done = ALL_DONE;

    for (uint32_t sink = 0; sink < checkpoint->sinks; sink++) {
        uint64_t stored = load(checkpoint, sink, word);
        if (stored >> 32 < generation) {
            generation = stored >> 32;
            done = ALL_DONE;
        }
        if (stored >> 32 == generation)
            done &= (uint32_t)stored;
    }
    return generation * TICKETS_A_WORD + (uint64_t)__builtin_popcount(done);
}

static uint64_t count_done(const struct checkpoint *checkpoint) {
    uint64_t done = 0;

    for (uint32_t word = 0; word < WORDS; word++)
        done += count_done_of_word(checkpoint, word);
    return done;
}

/* --- The file --- */

static enum error refuse(const struct checkpoint *checkpoint, enum error error,
                         struct failure *failure) {
    return failure_set(failure, error, "the checkpoint %.200s cannot be used: %s", checkpoint->path,
                       error_text(error));
}

static enum error map(struct checkpoint *checkpoint, struct failure *failure) {
    void *map = mmap(NULL, checkpoint->size, PROT_READ | PROT_WRITE, MAP_SHARED, checkpoint->fd, 0);

    if (map == MAP_FAILED)
        return refuse(checkpoint, (enum error)errno, failure);
    checkpoint->stored = map;
    return ERROR_NONE;
}

/* Every block now: a mapped file must not find the disk full later. */
static enum error make_room(const struct checkpoint *checkpoint) {
    if (ftruncate(checkpoint->fd, 0) != 0)
        return (enum error)errno;
    ssize_t written = pwrite(checkpoint->fd, BEGUN, MAGIC_BYTES, 0);
    enum error error = written < 0              ? (enum error)errno
                       : written != MAGIC_BYTES ? (enum error)ENOSPC
                                                : ERROR_NONE;
    if (error == ERROR_NONE)
        error = (enum error)posix_fallocate(checkpoint->fd, 0, (off_t)checkpoint->size);
    if (error != ERROR_NONE && ftruncate(checkpoint->fd, 0) != 0)
        return (enum error)errno;
    return error;
}

static enum error begin(struct checkpoint *checkpoint, const struct checkpoint_identity *identity,
                        struct failure *failure) {
    enum error error = make_room(checkpoint);

    if (error != ERROR_NONE)
        return refuse(checkpoint, error, failure);
    if (map(checkpoint, failure) != ERROR_NONE)
        return failure->code;
    struct stored *stored = checkpoint->stored;
    stored->version = VERSION;
    stored->sinks = identity->sinks;
    stored->seed = identity->seed;
    stored->run = identity->run;
    memcpy(stored->digest, identity->digest, sizeof stored->digest);
    atomic_thread_fence(memory_order_release);
    memcpy(stored->magic, FINISHED, MAGIC_BYTES);
    return ERROR_NONE;
}

static enum error take_up(struct checkpoint *checkpoint, struct checkpoint_identity *identity,
                          struct failure *failure) {
    if (map(checkpoint, failure) != ERROR_NONE)
        return failure->code;
    const struct stored *stored = checkpoint->stored;
    if (stored->version != VERSION || stored->sinks != identity->sinks ||
        memcmp(stored->digest, identity->digest, sizeof stored->digest) != 0)
        return failure_set(failure, ERROR_USAGE, "the checkpoint %.200s is of %s", checkpoint->path,
                           identity->otherwise
                               ? identity->otherwise
                               : "a sweep with other targets, ports, shard, exclusions or outputs, "
                                 "or one of its lists has changed: give the same ones, or remove "
                                 "it to begin anew");
    identity->seed = stored->seed;
    identity->run = stored->run;
    checkpoint->done_before = count_done(checkpoint);
    return ERROR_NONE;
}

static enum error open_file(struct checkpoint *checkpoint, struct checkpoint_identity *identity,
                            struct failure *failure) {
    char magic[MAGIC_BYTES] = "";
    struct stat status;

    checkpoint->fd = open(checkpoint->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
    if (checkpoint->fd < 0)
        return refuse(checkpoint, (enum error)errno, failure);
    if (flock(checkpoint->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return failure_set(failure, ERROR_USAGE, "the checkpoint %.200s is in use by another trawl",
                           checkpoint->path);
    if (fstat(checkpoint->fd, &status) != 0)
        return refuse(checkpoint, (enum error)errno, failure);
    ssize_t len = pread(checkpoint->fd, magic, sizeof magic, 0);
    if (len < 0)
        return refuse(checkpoint, (enum error)errno, failure);
    if (len == 0 || memcmp(magic, BEGUN, MAGIC_BYTES) == 0)
        return begin(checkpoint, identity, failure);
    if (memcmp(magic, FINISHED, MAGIC_BYTES) != 0 || (size_t)status.st_size != checkpoint->size)
        return failure_set(failure, ERROR_USAGE,
                           "%.200s is no checkpoint of this sweep: name another file for "
                           "--checkpoint",
                           checkpoint->path);
    return take_up(checkpoint, identity, failure);
}

enum error checkpoint_open(struct checkpoint **out, const char *path,
                           struct checkpoint_identity *identity, struct failure *failure) {
    struct checkpoint *checkpoint = calloc(1, sizeof *checkpoint);

    assert(identity->sinks > 0 && identity->sinks <= CHECKPOINT_SINKS_MAX);
    *out = NULL;
    if (checkpoint)
        checkpoint->path = strdup(path);
    if (!checkpoint || !checkpoint->path) {
        free(checkpoint);
        return failure_set(failure, ERROR_MEMORY, "no memory for a checkpoint");
    }
    checkpoint->fd = -1;
    checkpoint->sinks = identity->sinks;
    checkpoint->size =
        sizeof(struct stored) + (size_t)identity->sinks * WORDS * sizeof(_Atomic uint64_t);
    enum error error = open_file(checkpoint, identity, failure);
    if (error != ERROR_NONE) {
        checkpoint_close(checkpoint);
        return error;
    }
    *out = checkpoint;
    return ERROR_NONE;
}

void checkpoint_close(struct checkpoint *checkpoint) {
    if (!checkpoint)
        return;
    if (checkpoint->stored)
        munmap(checkpoint->stored, checkpoint->size);
    if (checkpoint->fd >= 0)
        close(checkpoint->fd);
    free(checkpoint->path);
    free(checkpoint);
}

void checkpoint_remove(struct checkpoint *checkpoint) {
    unlink(checkpoint->path);
}

uint64_t checkpoint_done_before(const struct checkpoint *checkpoint) {
    return checkpoint->done_before;
}
