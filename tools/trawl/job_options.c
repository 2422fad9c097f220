#include "tools/trawl/job_options.h"

#include "engine/base/quote.h"
#include "engine/x509/trust.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_BYTES = 64, STEP_BYTES = 64 * 1024 };

static const struct {
    const char *name;
    enum job_option_travel travel;
} travels[] = {
    {"ports", TRAVEL_VALUE},
    {"addresses", TRAVEL_VALUE},
    {"resolver", TRAVEL_VALUE},
    {"exclude", TRAVEL_EXCLUDE},
    {"plan", TRAVEL_VALUE},
    {"rate", TRAVEL_VALUE},
    {"max-per-host", TRAVEL_VALUE},
    {"max-per-network", TRAVEL_VALUE},
    {"timeout", TRAVEL_VALUE},
    {"dns-timeout", TRAVEL_VALUE},
    {"connect-timeout", TRAVEL_VALUE},
    {"starttls-timeout", TRAVEL_VALUE},
    {"handshake-timeout", TRAVEL_VALUE},
    {"ca-file", TRAVEL_ROOTS},
    {"ca-add", TRAVEL_ROOTS},
    {"no-verify", TRAVEL_VALUE},
    {"fetch-issuers", TRAVEL_VALUE},
    {"crl", TRAVEL_VALUE},
    {"crl-file", TRAVEL_FILE},
    {"fetch-timeout", TRAVEL_VALUE},
    {"allow-cn", TRAVEL_VALUE},
    {"dane", TRAVEL_VALUE},
    {"log-list", TRAVEL_FILE},
    {"log-list-signature", TRAVEL_FILE},
    {"log-list-key", TRAVEL_FILE},
    {"tls-min", TRAVEL_VALUE},
    {"tls-max", TRAVEL_VALUE},
    {"groups", TRAVEL_VALUE},
    {"alpn", TRAVEL_VALUE},
    {"sigalgs", TRAVEL_VALUE},
    {"grab-share", TRAVEL_VALUE},
    {"warn", TRAVEL_VALUE},
    {"critical", TRAVEL_VALUE},

    /* What is read where it lies, and how it is cut. Seed, label and
     * lease are part of the descriptor. */
    {"input-format", TRAVEL_NOT},
    {"password-file", TRAVEL_NOT},
    {"shard", TRAVEL_NOT},
    {"checkpoint", TRAVEL_NOT},
    {"seed", TRAVEL_NOT},
    {"via", TRAVEL_NOT},
    {"attach", TRAVEL_NOT},
    {"label", TRAVEL_NOT},
    {"lease", TRAVEL_NOT},
    {"buffer", TRAVEL_NOT},
    /* Each machine's own affair. */
    {"concurrency", TRAVEL_NOT},
    {"workers", TRAVEL_NOT},
    {"io", TRAVEL_NOT},
    {"quiet", TRAVEL_NOT},
    {"stats", TRAVEL_NOT},
    /* Where records go. How they are encoded travels as a rendering. */
    {"output", TRAVEL_NOT},
    {"format", TRAVEL_NOT},
    {"fields", TRAVEL_NOT},
    {"print", TRAVEL_NOT},
    {"gzip", TRAVEL_NOT},
    {"append", TRAVEL_NOT},
    {"rotate-size", TRAVEL_NOT},
    {"rotate-time", TRAVEL_NOT},
    {"spool", TRAVEL_NOT},
};

enum job_option_travel job_option_travel(const char *name) {
    for (size_t i = 0; i < sizeof travels / sizeof travels[0]; i++)
        if (strcmp(travels[i].name, name) == 0)
            return travels[i].travel;
    return TRAVEL_UNKNOWN;
}

/* ---------------------------------------------------------------------------------------------
 * Away
 * ------------------------------------------------------------------------------------------- */

static enum error read_file(const char *path, struct buffer *out, struct failure *failure) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : 1;
    int cause = errno;

    while (got > 0 && out->len <= JOB_OPTIONS_BYTES_MAX) {
        uint8_t *to = buffer_reserve(out, STEP_BYTES);
        got = to ? read(fd, to, STEP_BYTES) : 0;
        cause = errno;
        out->len += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0)
        close(fd);
    if (got < 0)
        return failure_set(failure, (enum error)cause, "%s cannot be read: %s",
                           quote_of(slice_of(path)).text, error_text((enum error)cause));
    if (out->failed)
        return failure_set(failure, ERROR_MEMORY, "no memory to read %s",
                           quote_of(slice_of(path)).text);
    if (out->len > JOB_OPTIONS_BYTES_MAX)
        return failure_set(failure, ERROR_LIMIT, "%s is too large to travel with a job (%d MB)",
                           quote_of(slice_of(path)).text, JOB_OPTIONS_BYTES_MAX >> 20);
    return ERROR_NONE;
}

/* The files that a trust store reads of a folder, one behind the other. */
static enum error read_folder(const char *path, struct buffer *out, struct failure *failure) {
    DIR *folder = opendir(path);
    enum error error = ERROR_NONE;
    struct dirent *entry;

    if (!folder)
        return failure_set(failure, (enum error)errno, "%s cannot be read: %s",
                           quote_of(slice_of(path)).text, error_text((enum error)errno));
    while (!error && (entry = readdir(folder))) {
        struct stat status;
        char *file = NULL;
        if (!trust_folder_takes(entry->d_name))
            continue;
        if (asprintf(&file, "%s/%s", path, entry->d_name) < 0) {
            error = failure_set(failure, ERROR_MEMORY, "no memory to read %s",
                                quote_of(slice_of(path)).text);
            break;
        }
        if (stat(file, &status) == 0 && S_ISREG(status.st_mode)) {
            error = read_file(file, out, failure);
            buffer_add_byte(out, '\n');
        }
        free(file);
    }
    closedir(folder);
    return error;
}

static enum error no_room(const struct option_spec *spec, struct failure *failure) {
    return failure_set(failure, ERROR_LIMIT, "--%s: no memory, or too much to travel with a job",
                       spec->name);
}

/* What is in the file travels, under a name that says nothing of this machine. */
static enum error add_file(struct job_options *out, const struct option_spec *spec,
                           const char *path, struct failure *failure) {
    struct stat status;
    struct buffer bytes;
    char name[NAME_BYTES];

    buffer_init(&bytes);
    snprintf(name, sizeof name, "%s/%u", spec->name, out->file_count);
    bool is_folder = job_option_travel(spec->name) == TRAVEL_ROOTS && stat(path, &status) == 0 &&
                     S_ISDIR(status.st_mode);
    enum error error =
        is_folder ? read_folder(path, &bytes, failure) : read_file(path, &bytes, failure);
    if (!error && (!job_options_add_file(out, name, buffer_slice(&bytes)) ||
                   !job_options_add(out, spec->name, name, true)))
        error = no_room(spec, failure);
    buffer_deinit(&bytes);
    return error;
}

static enum error add_value(struct job_options *out, const struct option_spec *spec,
                            const char *value, struct failure *failure) {
    enum job_option_travel travel = job_option_travel(spec->name);

    if (travel == TRAVEL_FILE || travel == TRAVEL_ROOTS)
        return add_file(out, spec, value, failure);
    if (travel == TRAVEL_EXCLUDE && value[0] == '@')
        return add_file(out, spec, value + 1, failure);
    return job_options_add(out, spec->name, value, false) ? ERROR_NONE : no_room(spec, failure);
}

static enum error add_number(struct job_options *out, const struct option_spec *spec,
                             uint64_t value, struct failure *failure) {
    char text[32];

    snprintf(text, sizeof text, "%llu%s", (unsigned long long)value,
             spec->kind == OPTION_SECONDS ? "ms" : "");
    return add_value(out, spec, text, failure);
}

/* One option as it stands in `settings`. */
static enum error collect_option(const struct option_spec *spec,
                                 const struct scan_settings *settings, struct job_options *out,
                                 struct failure *failure) {
    const void *field = (const char *)settings + spec->offset;

    switch (spec->kind) {
    case OPTION_FLAG:
        return add_value(out, spec, *(const bool *)field ? "true" : "false", failure);
    case OPTION_NUMBER:
    case OPTION_SECONDS:
    case OPTION_BYTES:
        return add_number(out, spec, *(const uint64_t *)field, failure);
    case OPTION_TEXT:
        return add_value(out, spec, *(const char *const *)field, failure);
    case OPTION_CHOICE:
        return add_value(out, spec, spec->choices[*(const int *)field], failure);
    case OPTION_LIST: {
        const struct option_list *list = field;
        enum error error = ERROR_NONE;
        for (uint32_t i = 0; !error && i < list->count; i++)
            error = add_value(out, spec, list->items[i], failure);
        return error;
    }
    }
    return ERROR_INTERNAL;
}

enum error job_options_collect(const struct scan_settings *settings, struct job_options *out,
                               struct failure *failure) {
    struct scan_settings defaults;
    enum error error = ERROR_NONE;

    scan_settings_init(&defaults);
    for (const struct option_spec *spec = scan_options; !error && spec->name; spec++)
        if (job_option_travel(spec->name) != TRAVEL_NOT &&
            !option_is_default(spec, settings, &defaults))
            error = collect_option(spec, settings, out, failure);
    scan_settings_deinit(&defaults);
    return error;
}

/* ---------------------------------------------------------------------------------------------
 * And back
 * ------------------------------------------------------------------------------------------- */

static enum error open_file(struct slice bytes, int *out, struct failure *failure) {
    int fd = *out = memfd_create("trawl-job", MFD_CLOEXEC);
    ssize_t written = fd < 0 ? -1 : 0;

    while (written >= 0 && bytes.len) {
        written = write(fd, bytes.ptr, bytes.len);
        bytes = slice_from(bytes, written > 0 ? (size_t)written : 0);
    }
    return written < 0 ? failure_set(failure, (enum error)errno,
                                     "no room in memory for a file of the job: %s",
                                     error_text((enum error)errno))
                       : ERROR_NONE;
}

static enum error open_files(const struct job_options *options, struct job_files *files,
                             struct failure *failure) {
    enum error error = ERROR_NONE;

    files->items = calloc(options->file_count + 1, sizeof *files->items);
    if (!files->items)
        return failure_set(failure, ERROR_MEMORY, "no memory for the files of a job");
    for (uint32_t i = 0; !error && i < options->file_count; i++) {
        int *fd = &files->items[i].fd;
        error = open_file(buffer_slice(&options->files[i].bytes), fd, failure);
        files->count++;
        snprintf(files->items[i].path, sizeof files->items[i].path, "@/proc/self/fd/%d", *fd);
    }
    return error;
}

void job_files_deinit(struct job_files *files) {
    for (uint32_t i = 0; i < files->count; i++)
        if (files->items[i].fd >= 0)
            close(files->items[i].fd);
    free(files->items);
    *files = (struct job_files){0};
}

/* NULL when there is none of that name. */
static const char *path_of(const struct job_options *options, const struct job_files *files,
                           const char *name) {
    const struct job_file *file = job_options_file(options, name);

    return file ? files->items[file - options->files].path : NULL;
}

/* What the option is set to; never a path of this machine that somebody else has named. */
static enum error value_of(const struct job_option *option, const struct job_options *options,
                           const struct job_files *files, const char **out,
                           struct failure *failure) {
    enum job_option_travel travel = job_option_travel(option->name);

    *out = option->value;
    if (travel == TRAVEL_NOT || travel == TRAVEL_UNKNOWN)
        return failure_set(failure, ERROR_UNSUPPORTED, "it needs a newer trawl: option %s",
                           quote_of(slice_of(option->name)).text);
    if (option->is_file) {
        const char *path = option->value ? path_of(options, files, option->value) : NULL;
        *out = path && travel != TRAVEL_EXCLUDE ? path + 1 : path;
        if (path && travel != TRAVEL_VALUE)
            return ERROR_NONE;
    } else if (travel == TRAVEL_VALUE) {
        return ERROR_NONE;
    } else if (travel == TRAVEL_EXCLUDE && option->value && option->value[0] != '@') {
        return ERROR_NONE;
    }
    return failure_set(failure, ERROR_INPUT, "its option %s is none", option->name);
}

static const struct option_spec *spec_of(const char *name) {
    for (const struct option_spec *spec = scan_options; spec->name; spec++)
        if (strcmp(spec->name, name) == 0)
            return spec;
    return NULL;
}

enum error job_options_apply(const struct job_options *options, struct scan_settings *settings,
                             struct job_files *files, struct failure *failure) {
    enum error error = open_files(options, files, failure);
    struct failure why;

    for (uint32_t i = 0; !error && i < options->option_count; i++) {
        const struct job_option *option = &options->options[i];
        const char *value;
        error = value_of(option, options, files, &value, failure);
        if (error)
            break;
        const struct option_spec *spec = spec_of(option->name);
        if (!spec || (!value && spec->kind != OPTION_FLAG))
            error = failure_set(failure, ERROR_INPUT, "its option %s has no value", option->name);
        else if (option_set(spec, option->name, value, settings, &why) != ERROR_NONE)
            error = failure_set(failure, why.code == ERROR_MEMORY ? ERROR_MEMORY : ERROR_INPUT,
                                "its option %.480s", why.text);
    }
    return error;
}
