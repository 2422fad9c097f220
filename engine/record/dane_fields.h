/* What DANE says of a server, as records show it. All of it lies in the record's arena. */
#ifndef ENGINE_RECORD_DANE_FIELDS_H
#define ENGINE_RECORD_DANE_FIELDS_H

#include "engine/base/limits.h"
#include "engine/x509/dane.h"

enum dane_status {
    DANE_STATUS_OPEN,     /* there are records, and no certificate to compare them with */
    DANE_STATUS_FAILED,   /* nothing is known: `error` says why */
    DANE_STATUS_ABSENT,   /* there are no records */
    DANE_STATUS_INSECURE, /* there are, but nobody has validated them */
    DANE_STATUS_UNUSABLE,
    DANE_STATUS_MISMATCHED,
    DANE_STATUS_MATCHED,
};

/* Bytes of a record's data that are shown: the longest digest. */
enum { DANE_DATA_SHOWN_BYTES = 64 };

struct dane_fields {
    enum dane_status status;
    bool secure;               /* the resolver has validated the answer */
    bool compared;             /* the certificate was compared with the records: */
    enum dane_verdict verdict; /* whatever `secure` is */
    struct slice error;        /* static words; empty when there is nothing to say */
    uint32_t count;
    struct tlsa records[LIMIT_TLSA_RECORDS]; /* their data cut to what is shown */
    enum dane_match matches[LIMIT_TLSA_RECORDS];
};

/* "matched", "mismatched", "insecure", "absent", "unusable", "failed"; NULL when it is open. */
const char *dane_status_name(enum dane_status status);

#endif
