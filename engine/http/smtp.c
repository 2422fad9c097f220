#include "engine/http/smtp.h"

#include "engine/base/quote.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/mem.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TIMEOUT_MS = 30 * 1000,
    REPLY_BYTES = 160,
    HOST_BYTES = 256,
    PASSWORD_MAX = 1024,
};

struct smtp {
    struct smtp_config config;
    char name[HOST_BYTES]; /* "mail.example.org:25", for messages */
    bool is_local;         /* the server is on this machine */
    CURL *curl;
    atomic_bool is_stopping;
    /* The transaction at hand. */
    struct slice rest;       /* what is left of the message */
    bool has_begun;          /* something of it was asked for */
    char reply[REPLY_BYTES]; /* the server's last one that refuses something */
};

/* --- What libcurl calls --- */

static size_t give_text(char *out, size_t size, size_t count, void *owner) {
    struct smtp *smtp = owner;
    struct slice part = slice_first(smtp->rest, size * count);

    smtp->has_begun = true;
    if (part.len)
        memcpy(out, part.ptr, part.len);
    smtp->rest = slice_from(smtp->rest, part.len);
    return part.len;
}

static size_t take_reply(char *line, size_t size, size_t count, void *owner) {
    struct smtp *smtp = owner;
    struct slice text = slice_trim((struct slice){(const uint8_t *)line, size * count});

    if (text.len && (text.ptr[0] == '4' || text.ptr[0] == '5'))
        quote_bare(smtp->reply, sizeof smtp->reply, text);
    return size * count;
}

static int look_whether_to_go_on(void *owner, curl_off_t total, curl_off_t now,
                                 curl_off_t upload_total, curl_off_t upload_now) {
    (void)total, (void)now, (void)upload_total, (void)upload_now;
    return atomic_load(&((struct smtp *)owner)->is_stopping);
}

/* --- A transaction --- */

static void set_login(struct smtp *smtp) {
    const struct smtp_config *config = &smtp->config;
    char password[PASSWORD_MAX + 1];
    bool is_strict = config->user && !smtp->is_local,
         is_checked = (is_strict || strncmp(config->url, "smtps", 5) == 0) && !smtp->is_local;

    curl_easy_setopt(smtp->curl, CURLOPT_USE_SSL,
                     (long)(is_strict ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    curl_easy_setopt(smtp->curl, CURLOPT_SSL_VERIFYPEER, is_checked ? 1L : 0L);
    curl_easy_setopt(smtp->curl, CURLOPT_SSL_VERIFYHOST, is_checked ? 2L : 0L);
    if (!config->user)
        return;
    memcpy(password, config->password.ptr, config->password.len);
    password[config->password.len] = '\0';
    curl_easy_setopt(smtp->curl, CURLOPT_USERNAME, config->user);
    curl_easy_setopt(smtp->curl, CURLOPT_PASSWORD, password);
    OPENSSL_cleanse(password, sizeof password);
}

static void set_transaction(struct smtp *smtp, const char *from, struct curl_slist *to) {
    const struct smtp_config *config = &smtp->config;
    long timeout_ms = config->timeout_ms ? (long)config->timeout_ms : TIMEOUT_MS;

    curl_easy_reset(smtp->curl); /* keeps the connection */
    curl_easy_setopt(smtp->curl, CURLOPT_URL, config->url);
    curl_easy_setopt(smtp->curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(smtp->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(smtp->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(smtp->curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(smtp->curl, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
    curl_easy_setopt(smtp->curl, CURLOPT_MAIL_FROM, from);
    curl_easy_setopt(smtp->curl, CURLOPT_MAIL_RCPT, to);
    curl_easy_setopt(smtp->curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(smtp->curl, CURLOPT_READFUNCTION, give_text);
    curl_easy_setopt(smtp->curl, CURLOPT_READDATA, smtp);
    curl_easy_setopt(smtp->curl, CURLOPT_HEADERFUNCTION, take_reply);
    curl_easy_setopt(smtp->curl, CURLOPT_HEADERDATA, smtp);
    curl_easy_setopt(smtp->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(smtp->curl, CURLOPT_XFERINFOFUNCTION, look_whether_to_go_on);
    curl_easy_setopt(smtp->curl, CURLOPT_XFERINFODATA, smtp);
    if (config->ca_file)
        curl_easy_setopt(smtp->curl, CURLOPT_CAINFO, config->ca_file);
    set_login(smtp);
}

/* A reply of 5xx to the envelope or the message is for good; one to anything before, such as a
 * login, is for somebody here to mend. */
static enum smtp_result judge(const struct smtp *smtp, CURLcode code, const char *to,
                              const char *words, struct failure *failure) {
    bool is_about_mail = code == CURLE_SEND_ERROR || smtp->has_begun;

    if (code == CURLE_OK)
        return SMTP_TAKEN;
    enum smtp_result result = !is_about_mail || !smtp->reply[0] ? SMTP_AWAY
                              : smtp->reply[0] == '5'           ? SMTP_REFUSED
                                                                : SMTP_LATER;
    (void)failure_set(failure, result == SMTP_REFUSED ? ERROR_REFUSED : (enum error)EAGAIN,
                      "%s: mail to %s: %s", smtp->name, to,
                      smtp->reply[0] ? smtp->reply
                      : *words       ? words
                                     : curl_easy_strerror(code));
    return result;
}

enum smtp_result smtp_send(struct smtp *smtp, const char *from, const char *to, struct slice text,
                           struct failure *failure) {
    char words[CURL_ERROR_SIZE] = "";
    struct curl_slist *list = curl_slist_append(NULL, to);

    if (!list) {
        (void)failure_set(failure, ERROR_MEMORY, "no memory for a mail");
        return SMTP_AWAY;
    }
    set_transaction(smtp, from, list);
    curl_easy_setopt(smtp->curl, CURLOPT_ERRORBUFFER, words);
    smtp->rest = text;
    smtp->has_begun = false;
    smtp->reply[0] = '\0';
    CURLcode code = curl_easy_perform(smtp->curl);
    enum smtp_result result = judge(smtp, code, to, words, failure);
    curl_easy_setopt(smtp->curl, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(smtp->curl, CURLOPT_MAIL_RCPT, NULL);
    curl_slist_free_all(list);
    return result;
}

/* --- Opening and closing --- */

/* Host and port of the URL, in which no login may stand: it would be shown with it. */
static enum error set_name(struct smtp *smtp, const char *url, struct failure *failure) {
    CURLU *parts = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL;
    bool ok = parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
              (strcmp(scheme, "smtp") == 0 || strcmp(scheme, "smtps") == 0);
    bool has_login = ok && curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK;

    if (ok) {
        snprintf(smtp->name, sizeof smtp->name, "%.200s:%s", host, port);
        smtp->is_local = strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
                         strncmp(host, "127.", 4) == 0;
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(user);
    curl_url_cleanup(parts);
    if (!ok)
        return failure_set(failure, ERROR_USAGE, "mail: no URL like smtp://HOST:PORT or smtps://");
    return has_login ? failure_set(failure, ERROR_USAGE,
                                   "mail: name and password do not belong into the URL")
                     : ERROR_NONE;
}

enum error smtp_open(struct smtp **out, const struct smtp_config *config, struct failure *failure) {
    struct smtp *smtp = calloc(1, sizeof *smtp);
    enum error error;

    *out = NULL;
    if (!smtp)
        return failure_set(failure, ERROR_MEMORY, "no memory for mail");
    smtp->config = *config;
    error = set_name(smtp, config->url, failure);
    if (!error && (config->password.len > PASSWORD_MAX ||
                   (config->password.len && memchr(config->password.ptr, 0, config->password.len))))
        error = failure_set(failure, ERROR_USAGE, "mail: the password is none");
    if (!error && !(smtp->curl = curl_easy_init()))
        error = failure_set(failure, ERROR_MEMORY, "no memory for mail");
    if (error) {
        smtp_close(smtp);
        return error;
    }
    *out = smtp;
    return ERROR_NONE;
}

void smtp_close(struct smtp *smtp) {
    if (!smtp)
        return;
    curl_easy_cleanup(smtp->curl);
    free(smtp);
}

void smtp_stop(struct smtp *smtp) {
    atomic_store(&smtp->is_stopping, true);
}
