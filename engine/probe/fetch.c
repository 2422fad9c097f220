/* What is fetched for a record, once its connection is closed: the slot waits for the fetcher, for
 * no longer than settings->fetch_timeout_ms in all. */
#include "engine/probe/slot.h"

static struct fetching *try_new(struct prober *prober, const struct target *target,
                                struct probe_record *record) {
    const struct prober_settings *settings = prober->settings;

    if (!settings->fetcher || prober->cancelling)
        return NULL;
    struct trust_checker *checker = attempt_checker(prober, target);
    return checker ? fetching_new(record, settings, checker, prober->io->unix_ms / 1000) : NULL;
}

bool fetch_begin(struct prober *prober, struct slot *slot, struct probe_record *record) {
    slot->fetching = try_new(prober, &slot->target, record);
    return slot->fetching != NULL;
}

bool fetch_local(struct prober *prober, const struct target *target, struct probe_record *record) {
    struct fetching *fetching = try_new(prober, target, record);

    if (!fetching)
        return false;
    struct slot *slot = prober_take_slot(prober, target);
    slot->target.local = NULL; /* the record has what is needed of it */
    slot->fetching = fetching;
    fetch_start(prober, slot);
    return true;
}

static struct probe_record *take_record(struct slot *slot) {
    struct probe_record *record = fetching_end(slot->fetching);

    slot->fetching = NULL;
    return record;
}

struct probe_record *fetch_end(struct slot *slot, const char *why) {
    fetching_give_up(slot->fetching, why);
    return take_record(slot);
}

/* The next question, or the record. */
static void go_on(struct prober *prober, struct slot *slot) {
    struct trust_checker *checker = slot->fetching->checker;
    struct trust_statistics before = trust_checker_statistics(checker);
    struct fetch_question *question = fetching_next(slot->fetching);
    struct trust_statistics after = trust_checker_statistics(checker);

    attempt_count_trust(prober, &before, &after);
    if (!question) {
        attempt_deliver(prober, slot, take_record(slot), !prober->cancelling);
        return;
    }
    question->asker = &prober->answers;
    question->cookie = (uint64_t)slot->lookup << 32 | slot_index(prober, slot);
    slot->fetching->question = question;
    fetcher_ask(prober->settings->fetcher, question);
}

void fetch_start(struct prober *prober, struct slot *slot) {
    uint32_t timeout_ms = prober->settings->fetch_timeout_ms;

    slot_enter(prober, slot, SLOT_FETCHING);
    slot->hard_ns = prober->io->now_ns + timeout_ms * UINT64_C(1000000);
    slot_arm(prober, slot, timeout_ms);
    go_on(prober, slot);
}

void fetch_give_up(struct prober *prober, struct slot *slot, const char *why) {
    attempt_deliver(prober, slot, fetch_end(slot, why), !prober->cancelling);
}

/* A slot that gave up may have got another target, or another question, meanwhile. */
static bool is_waited_for(const struct slot *slot, const struct fetch_question *question) {
    return slot->lookup == (uint32_t)(question->cookie >> 32) && slot->state == SLOT_FETCHING &&
           slot->fetching->question == question;
}

void fetch_take_answers(struct prober *prober) {
    struct mailbox_entry *entry = mailbox_take_all(&prober->answers);

    while (entry) {
        struct fetch_question *question = (struct fetch_question *)entry; /* its first member */
        struct slot *slot = &prober->slots[question->cookie & UINT32_MAX];
        entry = entry->next;
        if (is_waited_for(slot, question)) {
            struct trust_checker *checker = slot->fetching->checker;
            struct trust_statistics before = trust_checker_statistics(checker);
            fetching_take(slot->fetching, question);
            struct trust_statistics after = trust_checker_statistics(checker);
            attempt_count_trust(prober, &before, &after);
            go_on(prober, slot);
        } else {
            fetch_question_free(question);
        }
    }
}

void fetch_leave(struct prober *prober) {
    if (!prober->settings->fetcher)
        return;
    fetcher_leave(prober->settings->fetcher, &prober->answers);
    struct mailbox_entry *entry = mailbox_take_all(&prober->answers);
    while (entry) {
        struct fetch_question *question = (struct fetch_question *)entry;
        entry = entry->next;
        fetch_question_free(question);
    }
}
