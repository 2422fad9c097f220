/* Audits one server with blocking sockets and prints what was found as a JSON object.
 *
 *     tool_audit ADDRESS PORT [SNI [CONNECTIONS [SECONDS [LEAF ISSUER]]]]
 *
 * ADDRESS is IPv4; SNI may be empty; 0 connections mean the default; SECONDS are for what comes
 * behind a handshake, if it comes: 2 unless given; LEAF and ISSUER are files with DER, by which a
 * stapled OCSP response is read. */
#include "engine/tls/audit.h"
#include "engine/tls/handshake.h"
#include "engine/x509/ocsp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { HANG_SECONDS = 120, LINGER_SECONDS = 2 };

static void be_patient(int fd, int seconds) {
    struct timeval patience = {.tv_sec = seconds};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

/* Sends what `out` holds, which is empty then; -1 when that fails. */
static ssize_t send_all(int fd, struct buffer *out) {
    ssize_t len = out->len ? send(fd, out->ptr, out->len, MSG_NOSIGNAL) : 0;

    out->len = 0;
    return len;
}

/* How a connection ended, if it was not the audit that had enough. `out` holds the hello. */
static void converse(struct tls_audit *audit, const struct sockaddr_in *address, int linger_s,
                     struct buffer *out) {
    uint8_t bytes[4096];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    be_patient(fd, HANG_SECONDS);
    if (connect(fd, (const struct sockaddr *)address, sizeof *address)) {
        tls_audit_ended(audit, TLS_AUDIT_NOT_CONNECTED);
        close(fd);
        return;
    }
    enum tls_status status = TLS_MORE;
    ssize_t len = send_all(fd, out);
    /* With a deadline it is interrupted when the program was stopped and goes on. */
    while (len >= 0 && (len = TEMP_FAILURE_RETRY(recv(fd, bytes, sizeof bytes, 0))) > 0) {
        status = tls_audit_feed(audit, (struct slice){bytes, (size_t)len}, out);
        len = send_all(fd, out);
        if (status != TLS_MORE) {
            close(fd);
            return;
        }
        if (tls_audit_lingers(audit))
            be_patient(fd, linger_s);
    }
    tls_audit_ended(audit, len < 0 && errno == EAGAIN ? TLS_AUDIT_TIMED_OUT : TLS_AUDIT_CLOSED);
    close(fd);
}

static const char *fact(uint8_t value) {
    static const char *const names[] = {"null", "false", "true"};
    return names[value];
}

static void print_names(const uint16_t *list, size_t count,
                        const char *(*name_of)(uint16_t number)) {
    printf("[");
    for (size_t i = 0; i < count; i++) {
        const char *name = name_of(list[i]);
        if (name)
            printf("%s\"%s\"", i ? ", " : "", name);
        else
            printf("%s\"0x%04x\"", i ? ", " : "", list[i]);
    }
    printf("]");
}

static void print_numbers(const uint16_t *list, size_t count) {
    printf(", \"numbers\": [");
    for (size_t i = 0; i < count; i++)
        printf("%s%u", i ? ", " : "", list[i]);
    printf("]");
}

static void print_versions(const struct tls_audit_result *result) {
    static const char *const orders[] = {"null", "\"server\"", "\"client\""};
    printf("\"versions\": {");
    for (size_t i = 0; i < TLS_AUDIT_VERSIONS; i++) {
        const struct tls_audit_version *version = &result->versions[i];
        printf("%s\"%s\": {\"offered\": %s, \"order\": %s, \"complete\": %s, \"suites\": ",
               i ? ", " : "", tls_version_name(version->version), fact(version->offered),
               orders[version->order], version->suites_complete ? "true" : "false");
        print_names(version->suites, version->suite_count, tls_cipher_name);
        print_numbers(version->suites, version->suite_count);
        printf("}");
    }
    printf("}");
}

static void print_groups(const char *name, const struct tls_audit_groups *groups) {
    printf(", \"%s\": {\"complete\": %s, \"names\": ", name, groups->complete ? "true" : "false");
    print_names(groups->ids, groups->count, tls_group_name);
    print_numbers(groups->ids, groups->count);
    printf("}");
}

struct file {
    uint8_t bytes[16384];
    struct certificate certificate;
};

static void read_certificate(const char *path, struct file *out) {
    FILE *file = fopen(path, "re");
    size_t len = file ? fread(out->bytes, 1, sizeof out->bytes, file) : 0;
    if (file)
        fclose(file);
    if (certificate_decode((struct slice){out->bytes, len}, &out->certificate) != CERTIFICATE_OK) {
        fprintf(stderr, "%s is no certificate\n", path);
        exit(2);
    }
}

static void print_ocsp(struct slice response, const char *leaf_path, const char *issuer_path) {
    static struct file leaf, issuer;
    struct ocsp_answer answer;

    read_certificate(leaf_path, &leaf);
    read_certificate(issuer_path, &issuer);
    enum ocsp_result result =
        ocsp_read(response, &leaf.certificate, &issuer.certificate, time(NULL), &answer);
    printf(", \"ocsp\": {\"result\": \"%s\", \"status\": \"%s\", \"signature\": \"%s\", "
           "\"this_update\": %lld, \"next_update\": %lld}",
           ocsp_result_name(result), ocsp_status_name((enum ocsp_status)answer.status),
           ocsp_signature_name((enum ocsp_signature)answer.signature),
           (long long)answer.this_update, (long long)answer.next_update);
}

static void print_result(const struct tls_audit_result *result) {
    static const char *const stops[] = {"finished",      "out_of_connections", "unreachable",
                                        "out_of_memory", "out_of_time",        "cancelled"};
    struct buffer text;

    buffer_init(&text);
    print_versions(result);
    print_groups("groups13", &result->groups13);
    print_groups("groups12", &result->groups12);
    printf(", \"protocols_complete\": %s, \"protocols\": [",
           result->protocols_complete ? "true" : "false");
    for (size_t i = 0; i < result->protocol_count; i++)
        printf("%s\"%.*s\"", i ? ", " : "", (int)result->protocols[i].len,
               (const char *)result->protocols[i].ptr);
    printf("], \"dh_bits\": %u", result->dh_bits);
    printf(", \"secure_renegotiation\": %s, \"compression\": %s, \"session_tickets\": %s",
           fact(result->secure_renegotiation), fact(result->compression),
           fact(result->session_tickets));
    printf(", \"session_ids\": %s, \"extended_master_secret\": %s, \"encrypt_then_mac\": %s",
           fact(result->session_ids), fact(result->extended_master_secret),
           fact(result->encrypt_then_mac));
    printf(", \"heartbeat\": %s, \"fallback_scsv\": %s, \"client_certificate\": %s",
           fact(result->heartbeat), fact(result->fallback_scsv), fact(result->client_certificate));
    printf(", \"resumes_id\": %s, \"resumes_ticket\": %s, \"resumes_tls13\": %s",
           fact(result->resumes_id), fact(result->resumes_ticket), fact(result->resumes_tls13));
    printf(", \"ca_names\": [");
    for (size_t i = 0; i < result->ca_name_count; i++) {
        text.len = 0;
        certificate_name_text(result->ca_names[i], &text);
        printf("%s\"%.*s\"", i ? ", " : "", (int)text.len, (const char *)text.ptr);
    }
    printf("], \"ocsp_bytes\": %zu, \"sct_bytes\": %zu", result->ocsp_response.len,
           result->sct_list.len);
    printf(", \"jarm\": \"%s\", \"connections\": %u, \"stop\": \"%s\"", result->jarm,
           result->connections, stops[result->stop]);
    buffer_deinit(&text);
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct tls_audit_options options = {0};
    uint8_t random[32];
    struct buffer hello;

    if (argc < 3 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1)
        return 2;
    address.sin_port = htons((uint16_t)atoi(argv[2]));
    options.connections_max = (uint16_t)(argc > 4 ? atoi(argv[4]) : 0);
    int linger_s = argc > 5 ? atoi(argv[5]) : LINGER_SECONDS;
    options.jarm_name = slice_of(argv[1]);
    struct tls_client *client = tls_client_new(NULL);
    if (!client)
        return 1;
    options.client = tls_client_without_alpn(client);
    struct tls_audit *audit = tls_audit_new(slice_of(argc > 3 ? argv[3] : ""), &options);
    if (!audit)
        return 1;
    buffer_init(&hello);
    while (getrandom(random, sizeof random, 0) == sizeof random &&
           tls_audit_next(audit, random, &hello)) {
        converse(audit, &address, linger_s, &hello);
        hello.len = 0;
    }
    const struct tls_audit_result *result = tls_audit_result(audit);
    printf("{");
    print_result(result);
    if (argc > 7 && result->ocsp_response.len)
        print_ocsp(result->ocsp_response, argv[6], argv[7]);
    printf("}\n");
    buffer_deinit(&hello);
    tls_audit_free(audit);
    tls_client_free(client);
    return 0;
}
