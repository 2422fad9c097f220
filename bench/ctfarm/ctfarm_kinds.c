#include "bench/ctfarm/ctfarm_log.h"

static const struct {
    const char *name, *summary;
} KINDS[CTFARM_KIND_COUNT] = {
    [CTFARM_NORMAL] = {"normal", "nothing is wrong with it"},
    [CTFARM_UNPARSABLE] = {"unparsable", "the certificate ends too early"},
    [CTFARM_GARBAGE] = {"garbage", "in place of the certificate random bytes"},
    [CTFARM_UNBOUND] = {"unbound", "the submitted precertificate has other names than the TBS"},
    [CTFARM_NO_POISON] = {"no-poison", "the submitted precertificate has no poison"},
    [CTFARM_EXPIRED] = {"expired", "over when it was logged"},
    [CTFARM_BAD_DATES] = {"bad-dates", "the validity cannot be read"},
    [CTFARM_LONG_SERIAL] = {"long-serial", "a serial number of 33 bytes"},
    [CTFARM_ZERO_SERIAL] = {"zero-serial", "the serial number 0"},
    [CTFARM_NEGATIVE_SERIAL] = {"negative-serial", "a serial number below 0"},
    [CTFARM_NO_SAN] = {"no-san", "a common name only"},
    [CTFARM_TWO_SANS] = {"two-sans", "subjectAltName twice"},
    [CTFARM_SAN_TRAILING_ZERO] = {"san-trailing-zero", "a zero byte behind subjectAltName's value"},
    [CTFARM_SAN_OTHER_NAMES] = {"san-other-names", "addresses, URIs, emails among the names"},
    [CTFARM_TWO_CNS] = {"two-cns", "two common names, the second in no subjectAltName"},
    [CTFARM_NAME_NUL] = {"name-nul", "a NUL inside a name"},
    [CTFARM_NAME_SPACES] = {"name-spaces", "spaces around a name, and a dot behind it"},
    [CTFARM_NAME_UPPER] = {"name-upper", "a name in capitals"},
    [CTFARM_NAME_ADDRESS] = {"name-address", "an IP address as a dNSName"},
    [CTFARM_NAME_UTF8] = {"name-utf8", "an international name in UTF-8"},
    [CTFARM_NAME_LATIN1] = {"name-latin1", "an international name in Latin-1"},
    [CTFARM_NAME_PARTIAL_WILDCARD] = {"name-partial-wildcard", "a wildcard within a label"},
    [CTFARM_NAME_EMPTY_LABELS] = {"name-empty-labels", "empty labels within a name"},
    [CTFARM_NAMES_100] = {"names-100", "a hundred names"},
    [CTFARM_NAMES_2000] = {"names-2000", "two thousand names"},
};

const char *ctfarm_kind_name(enum ctfarm_kind kind) {
    return KINDS[kind].name;
}

const char *ctfarm_kind_summary(enum ctfarm_kind kind) {
    return KINDS[kind].summary;
}

bool ctfarm_kind_find(struct slice name, enum ctfarm_kind *out) {
    for (int kind = 0; kind < CTFARM_KIND_COUNT; kind++) {
        if (slice_is(name, KINDS[kind].name)) {
            *out = (enum ctfarm_kind)kind;
            return true;
        }
    }
    return false;
}
