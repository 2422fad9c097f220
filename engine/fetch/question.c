#include "engine/fetch/question.h"

#include <stdlib.h>

/* Servers choose the certificates that name the URLs; real ones name one or two. */
enum { URLS_MAX = 4 };

struct fetch_question *fetch_question_new(enum fetch_kind kind, struct slice certificate,
                                          struct slice issuer) {
    struct fetch_question *question = calloc(1, sizeof *question + certificate.len + issuer.len);

    if (!question)
        return NULL;
    memcpy(question->bytes, certificate.ptr, certificate.len);
    if (issuer.len)
        memcpy(question->bytes + certificate.len, issuer.ptr, issuer.len);
    question->kind = (uint8_t)kind;
    bool readable =
        certificate_decode((struct slice){question->bytes, certificate.len},
                           &question->certificate) == CERTIFICATE_OK &&
        (kind == FETCH_ISSUERS ||
         certificate_decode((struct slice){question->bytes + certificate.len, issuer.len},
                            &question->issuer) == CERTIFICATE_OK);
    if (!readable) {
        free(question);
        return NULL;
    }
    question->urls = kind == FETCH_ISSUERS ? question->certificate.authority_info
                                           : question->certificate.crl_points;
    return question;
}

void fetch_question_free(struct fetch_question *question) {
    if (!question)
        return;
    buffer_deinit(&question->issuers);
    free(question);
}

static bool begins_with(struct slice url, const char *scheme) {
    return url.len > strlen(scheme) &&
           slice_equal_nocase(slice_first(url, strlen(scheme)), slice_of(scheme));
}

static bool may_be_fetched(struct slice url) {
    if (url.len > LIMIT_FETCH_URL_BYTES ||
        (!begins_with(url, "http://") && !begins_with(url, "https://")))
        return false;
    for (size_t i = 0; i < url.len; i++)
        if (url.ptr[i] <= ' ' || url.ptr[i] >= 0x7f)
            return false;
    return true;
}

bool fetch_question_url_next(struct fetch_question *question, struct slice *url) {
    bool (*next)(struct slice *, struct slice *) = question->kind == FETCH_ISSUERS
                                                       ? certificate_ca_issuers_url_next
                                                       : certificate_crl_url_next;

    while (question->urls_tried < URLS_MAX && next(&question->urls, url))
        if (may_be_fetched(*url)) {
            question->urls_tried++;
            return true;
        }
    return false;
}
