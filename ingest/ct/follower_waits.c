/* When things are asked for again, and what an operator hears of it.
 *
 * A want that fails waits on its own, twice as long each time. A log that does not answer, or says
 * that it is asked too much, is left alone as a whole; after the latter it is asked more slowly,
 * and a little faster again with each answer, so that its limit is found without being told. */
#include "ingest/ct/follower_internal.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    RETRY_MOST_MS = 5 * 60 * 1000,
    RETRY_AFTER_MOST_MS = 3600 * 1000, /* of what a log tells */
    PACE_FIRST_PART = 5,               /* of the first wait */
    PACE_MOST_MS = 60 * 1000,
    PACE_EASES = 32, /* by so great a part with each answer; below so many it is over */
};

/* --- One want --- */

bool asking_is_due(const struct asking *asking, int64_t now_ms, int64_t *wake_ms) {
    if (asking->asked)
        return false;
    if (asking->due_ms <= now_ms)
        return true;
    if (asking->due_ms < *wake_ms)
        *wake_ms = asking->due_ms;
    return false;
}

void asking_reset(struct asking *asking) {
    *asking = (struct asking){.due_ms = INT64_MIN};
}

int64_t follower_jittered(struct follower *follower, int64_t wait_ms) {
    return wait_ms * 3 / 4 + (int64_t)random_below(&follower->random, (uint64_t)wait_ms / 2 + 1);
}

int64_t follower_backoff(struct follower *follower, uint32_t times, uint32_t tries) {
    uint32_t doublings = tries < 1 ? 0 : tries - 1 < 16 ? tries - 1 : 16;
    int64_t wait_ms = ((int64_t)follower->config.retry_ms * times) << doublings;

    return follower_jittered(follower, wait_ms < RETRY_MOST_MS ? wait_ms : RETRY_MOST_MS);
}

/* --- The log as a whole --- */

bool follower_is_quiet(const struct follower *follower, int64_t now_ms, int64_t *wake_ms) {
    int64_t until_ms = follower->quiet_until_ms > follower->next_ask_ms ? follower->quiet_until_ms
                                                                        : follower->next_ask_ms;
    if (until_ms <= now_ms)
        return false;
    *wake_ms = until_ms;
    return true;
}

/* Wants that were under way then fail together: that is one silence. */
static void leave_alone(struct follower *follower, int64_t now_ms, const struct follower_want *want,
                        bool throttled, int64_t retry_after_ms) {
    if (want->number > follower->quiet_number) {
        follower->silences++;
        follower->quiet_number = follower->number;
        if (throttled) {
            int64_t pace_ms = follower->pace_ms * 2;
            if (pace_ms == 0)
                pace_ms = follower->config.retry_ms / PACE_FIRST_PART;
            follower->pace_ms = pace_ms < PACE_MOST_MS ? pace_ms : PACE_MOST_MS;
        }
    }
    int64_t until_ms =
        now_ms +
        (retry_after_ms >= 0 ? retry_after_ms : follower_backoff(follower, 1, follower->silences));
    if (until_ms > follower->quiet_until_ms)
        follower->quiet_until_ms = until_ms;
}

/* --- What an operator hears --- */

void follower_tell(struct follower *follower, enum feed_incident incident, const char *format,
                   ...) {
    char words[256];
    va_list arguments;

    if (!follower->config.incident)
        return;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    follower->config.incident(follower->config.owner, incident, words);
}

static void tell_once(struct follower *follower, bool *told, enum feed_incident incident,
                      const char *words) {
    if (!*told)
        follower_tell(follower, incident, "%s", words);
    *told = true;
}

/* Nothing that is waited for has failed for long. */
static bool is_well(const struct follower *follower) {
    if (follower->silences >= TOLD_AFTER || follower->head.tries >= TOLD_AFTER ||
        follower->proof.tries >= TOLD_AFTER || follower->tail.tries >= TOLD_AFTER)
        return false;
    for (uint32_t i = 0; i < follower->segment_count; i++)
        if (follower->segments[i].asking.tries >= TOLD_AFTER)
            return false;
    return true;
}

/* --- Answers and troubles --- */

void follower_note_answer(struct follower *follower, const struct follower_want *want,
                          struct asking *asking) {
    if (asking)
        asking_reset(asking);
    if (want->number > follower->quiet_number)
        follower->silences = 0;
    follower->pace_ms -= follower->pace_ms / PACE_EASES;
    if (follower->pace_ms < PACE_EASES)
        follower->pace_ms = 0;
    if (follower->told_unreachable && is_well(follower)) {
        follower->told_unreachable = false;
        follower_tell(follower, FEED_RECOVERED, "the log answers again");
    }
}

void follower_note_trouble(struct follower *follower, int64_t now_ms,
                           const struct follower_want *want, struct asking *asking,
                           enum want_trouble trouble, int64_t retry_after_ms, const char *words) {
    uint32_t tries = 0;

    if (retry_after_ms > RETRY_AFTER_MOST_MS)
        retry_after_ms = RETRY_AFTER_MOST_MS;
    if (retry_after_ms >= 0 && retry_after_ms < follower->config.retry_ms)
        retry_after_ms = follower->config.retry_ms;
    if (trouble == WANT_UNANSWERED || trouble == WANT_THROTTLED)
        leave_alone(follower, now_ms, want, trouble == WANT_THROTTLED, retry_after_ms);
    if (asking) {
        tries = ++asking->tries;
        asking->asked = false;
        asking->due_ms =
            now_ms + (retry_after_ms >= 0 ? retry_after_ms : follower_backoff(follower, 1, tries));
    }
    if (trouble == WANT_BROKEN)
        tell_once(follower, &follower->told_broken, FEED_PAGE_BROKEN, words);
    else if (trouble == WANT_FORGED)
        tell_once(follower, &follower->told_forged, FEED_BAD_SIGNATURE, words);
    else if (follower->silences >= TOLD_AFTER || tries >= TOLD_AFTER)
        tell_once(follower, &follower->told_unreachable, FEED_UNREACHABLE, words);
}
