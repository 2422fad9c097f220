/* What `trawl check` can be told, and its option table. */
#ifndef TOOLS_TRAWL_CHECK_SETTINGS_H
#define TOOLS_TRAWL_CHECK_SETTINGS_H

#include "tools/trawl/check_form.h"
#include "tools/trawl/command.h"
#include "tools/trawl/scan_settings.h"

struct check_settings {
    struct scan_settings scan; /* of the probe */
    int form;                  /* index into check_forms */
    uint64_t port;             /* 0: by the target or the protocol */
    const char *protocol, *name;
    struct option_list ignore;
    int validation;       /* enum name_validation */
    bool system_ca_trust; /* the system's roots too, where others are named */
};

void check_settings_init(struct check_settings *settings);
void check_settings_deinit(struct check_settings *settings);

/* Those of its own, and those of a scan that make sense for one target. */
void check_options(struct option_spec out[COMMAND_OPTIONS_MAX]);

/* The findings named by --ignore, as bits. */
enum error check_ignored(const struct check_settings *settings, uint64_t *out,
                         struct failure *failure) __attribute__((warn_unused_result));

#endif
