#include "sinks/msgpack_socket_acks.h"

#include "engine/record/msgpack_token.h"

static bool number_of(const struct msgpack_token *token, uint64_t *number) {
    if (token->kind == MSGPACK_TOKEN_NATURAL)
        *number = token->natural;
    else if (token->kind == MSGPACK_TOKEN_INTEGER && token->integer >= 0)
        *number = (uint64_t)token->integer;
    else
        return false;
    return true;
}

static enum error take_number(struct msgpack_acks *acks, const struct msgpack_token *token,
                              uint64_t handed, struct failure *failure) {
    uint64_t number;

    if (!number_of(token, &number))
        return failure_set(failure, ERROR_INPUT, "sent what is no acknowledgement");
    if (number > handed)
        return failure_set(failure, ERROR_INPUT, "acknowledged %llu of %llu records",
                           (unsigned long long)number, (unsigned long long)handed);
    if (number < acks->count)
        return failure_set(failure, ERROR_INPUT, "acknowledged %llu records after %llu",
                           (unsigned long long)number, (unsigned long long)acks->count);
    acks->count = number;
    return ERROR_NONE;
}

enum error msgpack_acks_take(struct msgpack_acks *acks, struct slice bytes, uint64_t handed,
                             struct failure *failure) {
    struct msgpack_token token;

    for (size_t i = 0; i < bytes.len; i++) {
        acks->held[acks->held_len++] = bytes.ptr[i];
        if (!msgpack_token_read((struct slice){acks->held, acks->held_len}, &token))
            continue; /* no head is longer than what is held */
        acks->held_len = 0;
        enum error error = take_number(acks, &token, handed, failure);
        if (error)
            return error;
    }
    return ERROR_NONE;
}
