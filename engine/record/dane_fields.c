#include "engine/record/dane_fields.h"

const char *dane_status_name(enum dane_status status) {
    switch (status) {
    case DANE_STATUS_OPEN:
        break;
    case DANE_STATUS_FAILED:
        return "failed";
    case DANE_STATUS_ABSENT:
        return "absent";
    case DANE_STATUS_INSECURE:
        return "insecure";
    case DANE_STATUS_UNUSABLE:
        return "unusable";
    case DANE_STATUS_MISMATCHED:
        return "mismatched";
    case DANE_STATUS_MATCHED:
        return "matched";
    }
    return NULL;
}
