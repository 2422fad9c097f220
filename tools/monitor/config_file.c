#include "tools/monitor/config_file.h"

#include "engine/base/quote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONFIG_BYTES_MAX = 64 << 20, PLACE_BYTES = 300 };

/* The file while it is read. Strings of the document point into `bytes`, so that whatever is wrong
 * can be found again in `original`: a string may be shorter in `bytes`, its beginning is the same.
 */
struct config {
    const char *path;
    struct monitor_settings *settings;
    char *bytes, *original;
    size_t len;
    yyjson_doc *document;
    struct failure *failure;
};

/* Other names of members: SSL Scout's. */
static const struct {
    const char *member, *option;
} aliases[] = {{"api_endpoint", "report-to"}};

/* What makes no sense in a file. */
static const char *const not_in_files[] = {
    "config", "generate-config", "once", "ask-health", "scan-host", "port", NULL};

/* --- Where it is wrong --- */

static void place_of(const struct config *config, size_t at, char out[PLACE_BYTES]) {
    size_t line = 1, column = 1;

    for (size_t i = 0; i < at && i < config->len; i++)
        if (config->original[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)config->original[i] & 0xc0) != 0x80) {
            column++;
        }
    snprintf(out, PLACE_BYTES, "%.200s:%zu:%zu", config->path, line, column);
}

static size_t offset_of(const struct config *config, yyjson_val *text) {
    const char *at = yyjson_get_str(text);

    return at >= config->bytes && at < config->bytes + config->len ? (size_t)(at - config->bytes)
                                                                   : 0;
}

/* `near` is a string of the document: the member's name, or an item. */
static enum error refuse(const struct config *config, yyjson_val *near, const char *words) {
    char place[PLACE_BYTES];
    size_t at = offset_of(config, near);

    place_of(config, at ? at - 1 : 0, place); /* at its quote */
    return failure_set(config->failure, ERROR_USAGE, "%s: %s", place, words);
}

/* --- Options --- */

void config_member_name(const char *option, char *out, size_t size) {
    size_t i = 0;

    for (; option[i] && i + 1 < size; i++)
        out[i] = option[i] == '-' ? '_' : option[i];
    out[i] = '\0';
}

static const struct option_spec *option_of(const char *member) {
    char name[64];

    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(member, aliases[i].member) == 0)
            member = aliases[i].option;
    for (const struct option_spec *option = monitor_options; option->name; option++) {
        config_member_name(option->name, name, sizeof name);
        if (strcmp(name, member) == 0 || strcmp(option->name, member) == 0)
            return option;
    }
    return NULL;
}

static bool is_for_files(const struct option_spec *option) {
    for (size_t i = 0; not_in_files[i]; i++)
        if (strcmp(option->name, not_in_files[i]) == 0)
            return false;
    return true;
}

/* A value as the command line would say it; NULL for an object or a list, or without memory. */
static const char *text_of(struct config *config, yyjson_val *value) {
    char number[64];

    if (yyjson_is_str(value)) {
        size_t len = yyjson_get_len(value);
        if (memchr(yyjson_get_str(value), 0, len))
            return NULL;
        return (const char *)arena_copy(
                   &config->settings->texts,
                   (struct slice){(const uint8_t *)yyjson_get_str(value), len + 1})
            .ptr;
    }
    if (yyjson_is_bool(value))
        return yyjson_get_bool(value) ? "true" : "false";
    if (yyjson_is_uint(value))
        snprintf(number, sizeof number, "%ju", (uintmax_t)yyjson_get_uint(value));
    else if (yyjson_is_num(value))
        snprintf(number, sizeof number, "%g", yyjson_get_num(value));
    else
        return NULL;
    return (const char *)arena_copy(&config->settings->texts,
                                    (struct slice){(const uint8_t *)number, strlen(number) + 1})
        .ptr;
}

static enum error set(struct config *config, const struct option_spec *option, yyjson_val *name,
                      yyjson_val *value) {
    const char *text = text_of(config, value);
    struct failure why = {0};

    if (!text)
        return refuse(config, name, "a text, a number, true or false is expected here");
    if (!option_set(option, yyjson_get_str(name), text, config->settings, &why))
        return ERROR_NONE;
    return refuse(config, yyjson_is_str(value) ? value : name, why.text);
}

static enum error set_option(struct config *config, const struct option_spec *option,
                             yyjson_val *name, yyjson_val *value) {
    yyjson_arr_iter items;
    yyjson_val *item;
    enum error error = ERROR_NONE;

    if (yyjson_is_null(value))
        return ERROR_NONE;
    if (option->kind != OPTION_LIST || !yyjson_is_arr(value))
        return set(config, option, name, value);
    yyjson_arr_iter_init(value, &items);
    while (!error && (item = yyjson_arr_iter_next(&items)) != NULL)
        error = set(config, option, name, item);
    return error;
}

/* --- Targets and tokens --- */

/* A member's name within an object, to point at; else the name of the list. */
static yyjson_val *first_name(yyjson_val *object, yyjson_val *otherwise) {
    yyjson_obj_iter members;

    if (!yyjson_is_obj(object) || !yyjson_obj_size(object))
        return yyjson_is_str(object) ? object : otherwise;
    yyjson_obj_iter_init(object, &members);
    return yyjson_obj_iter_next(&members);
}

static enum error add_target(struct config *config, yyjson_val *name, yyjson_val *value) {
    struct monitor_target target;
    struct failure why = {0};

    target_init(&target, TARGET_FROM_CONFIG);
    target.warn_days = (int32_t)config->settings->warn_days;
    target.crit_days = (int32_t)config->settings->crit_days;
    if (!yyjson_is_obj(value))
        return refuse(config, first_name(value, name),
                      "a target is an object: {\"host\": \"www.example.org\", \"port\": 443}");
    if (target_read(&target, value, &why))
        return refuse(config, first_name(value, name), why.text);
    if (settings_add_target(config->settings, &target, &why))
        return refuse(config, name, why.text);
    return ERROR_NONE;
}

static enum role role_of(const char *name) {
    static const char *const names[ROLE_COUNT] = {"none", "read", "operate", "admin"};

    for (int i = ROLE_READ; name && i < ROLE_COUNT; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum role)i;
    return ROLE_NONE;
}

/* The member that no token has, or that is no text; NULL when all is well. */
static yyjson_val *stray_member(yyjson_val *token) {
    static const char *const known[] = {"name", "role", "token_file", "sha256",
                                        "report_secret_file"};
    size_t index, count;
    yyjson_val *name, *value;

    yyjson_obj_foreach(token, index, count, name, value) {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && !yyjson_equals_str(name, known[i]))
            i++;
        if (i == sizeof known / sizeof *known || !yyjson_is_str(value))
            return name;
    }
    return NULL;
}

static enum error add_token(struct config *config, yyjson_val *name, yyjson_val *value) {
    struct monitor_settings *settings = config->settings;
    yyjson_val *stray = stray_member(value), *hash = yyjson_obj_get(value, "sha256");
    const char *who = yyjson_get_str(yyjson_obj_get(value, "name")),
               *file = yyjson_get_str(yyjson_obj_get(value, "token_file")),
               *secret = yyjson_get_str(yyjson_obj_get(value, "report_secret_file"));
    enum role role = role_of(yyjson_get_str(yyjson_obj_get(value, "role")));
    struct failure why = {0};
    enum error error;

    if (stray || !who || !role || !file == !hash)
        return refuse(
            config, stray ? stray : first_name(value, name),
            "a token is {\"name\": ..., \"role\": \"read\", \"operate\" or \"admin\", and "
            "\"token_file\" or \"sha256\"}, perhaps with \"report_secret_file\"");
    if (settings->token_count == AUTH_TOKENS_MAX)
        return refuse(config, name, "too many tokens");
    struct auth_token *token = &settings->tokens[settings->token_count];
    if (file)
        error = auth_token_from_file(token, who, role, file, &why);
    else
        error = auth_token_from_sha256(
            token, who, role,
            (struct slice){(const uint8_t *)yyjson_get_str(hash), yyjson_get_len(hash)}, &why);
    if (!error && secret)
        error = webhook_secret_read(&token->report_secret, secret, NULL, &why);
    if (error)
        return refuse(config, first_name(value, name), why.text);
    settings->token_count++;
    return ERROR_NONE;
}

static enum error each(struct config *config, yyjson_val *name, yyjson_val *list,
                       enum error (*add)(struct config *config, yyjson_val *name,
                                         yyjson_val *value)) {
    yyjson_arr_iter items;
    yyjson_val *item;
    enum error error = ERROR_NONE;

    if (!yyjson_is_arr(list))
        return refuse(config, name, "a list is expected here");
    yyjson_arr_iter_init(list, &items);
    while (!error && (item = yyjson_arr_iter_next(&items)) != NULL)
        error = add(config, name, item);
    return error;
}

/* --- The whole --- */

static enum error read_member(struct config *config, yyjson_val *name, yyjson_val *value) {
    const char *member = yyjson_get_str(name);
    char words[200];

    if (strcmp(member, "tokens") == 0)
        return each(config, name, value, add_token);
    const struct option_spec *option = option_of(member);
    if (option && is_for_files(option))
        return set_option(config, option, name, value);
    snprintf(words, sizeof words, "there is no member %s: --generate-config shows them all",
             quote_of(slice_of(member)).text);
    return refuse(config, name, words);
}

/* Targets last: what stands for those without thresholds may come behind them. */
static enum error read_members(struct config *config) {
    yyjson_val *root = yyjson_doc_get_root(config->document), *name, *targets = NULL;
    yyjson_obj_iter members;
    enum error error = ERROR_NONE;

    if (!yyjson_is_obj(root))
        return failure_set(config->failure, ERROR_USAGE, "%.200s:1:1: an object is expected: { }",
                           config->path);
    yyjson_obj_iter_init(root, &members);
    while (!error && (name = yyjson_obj_iter_next(&members)) != NULL) {
        if (strcmp(yyjson_get_str(name), "targets") == 0)
            targets = name;
        else
            error = read_member(config, name, yyjson_obj_iter_get_val(name));
    }
    if (!error && targets)
        error = each(config, targets, yyjson_obj_iter_get_val(targets), add_target);
    return error;
}

static enum error parse(struct config *config) {
    yyjson_read_err why;
    char place[PLACE_BYTES];

    config->document = yyjson_read_opts(config->bytes, config->len,
                                        YYJSON_READ_INSITU | YYJSON_READ_ALLOW_COMMENTS |
                                            YYJSON_READ_ALLOW_TRAILING_COMMAS,
                                        NULL, &why);
    if (config->document)
        return read_members(config);
    place_of(config, why.pos, place);
    return failure_set(config->failure, ERROR_USAGE, "%s: %.200s", place, why.msg);
}

static enum error load(struct config *config) {
    int fd = open(config->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat status;
    enum error error = ERROR_NONE;

    if (fd < 0 || fstat(fd, &status) != 0)
        error = (enum error)errno;
    else if (!S_ISREG(status.st_mode))
        error = (enum error)(S_ISDIR(status.st_mode) ? EISDIR : EINVAL);
    else if (status.st_size > CONFIG_BYTES_MAX)
        error = (enum error)EFBIG;
    if (!error) {
        config->len = (size_t)status.st_size;
        config->bytes = calloc(1, config->len + YYJSON_PADDING_SIZE);
        config->original = malloc(config->len + 1);
        ssize_t len = config->bytes && config->original ? read(fd, config->bytes, config->len) : -1;
        if (len != (ssize_t)config->len)
            error = len < 0 ? (enum error)errno : (enum error)EIO;
        else
            memcpy(config->original, config->bytes, config->len);
    }
    if (fd >= 0)
        close(fd);
    if (error)
        return failure_set(config->failure, ERROR_USAGE, "cannot read the config %.200s: %s",
                           config->path, error_text(error));
    return ERROR_NONE;
}

enum error config_file_read(const char *path, struct monitor_settings *settings,
                            struct failure *failure) {
    struct config config = {.path = path, .settings = settings, .failure = failure};
    enum error error = load(&config);

    if (!error)
        error = parse(&config);
    yyjson_doc_free(config.document);
    free(config.bytes);
    free(config.original);
    return error;
}

/* ---------------------------------------------------------------------------------------------
 * A sample
 * ------------------------------------------------------------------------------------------- */

static const char sample_head[] =
    "// trawl monitor --config THIS-FILE. Lines that begin with // are comments: take them away "
    "to\n"
    "// set something. `trawl help monitor` explains each; on the command line scan_interval is\n"
    "// --scan-interval, in the environment TRAWL_SCAN_INTERVAL. SIGHUP reads the file again.\n"
    "{\n"
    "  // What is watched: names, addresses and blocks. More can be added in the dashboard.\n"
    "  \"targets\": [\n"
    "    // {\"host\": \"www.example.org\", \"port\": 443, \"label\": \"shop\", \"tags\": "
    "[\"web\"]},\n"
    "    // {\"host\": \"mail.example.org\", \"port\": 25, \"warn_days\": 20, \"crit_days\": 7},\n"
    "    // {\"host\": \"192.0.2.0/24\", \"port\": 8443},\n"
    "    // {\"host\": \"10.1.0.0/24\", \"via\": \"berlin\"}, // by trawl worker --label berlin\n"
    "  ],\n"
    "  \"scan_interval\": 3600,\n"
    "  \"timeout\": 10,\n"
    "  \"alert_days_before_expiry\": [30, 14, 7, 1],\n"
    "  \"warn_days\": 14,\n"
    "  \"crit_days\": 3,\n"
    "\n"
    "  // Who may use dashboard and API, beside who holds the first token: read, operate or "
    "admin.\n"
    "  // \"tokens\": [{\"name\": \"grafana\", \"role\": \"read\", \"token_file\": "
    "\"/etc/trawl/grafana\"},\n"
    "  //   {\"name\": \"branch\", \"role\": \"operate\", \"token_file\": "
    "\"/etc/trawl/branch\",\n"
    "  //    \"report_secret_file\": \"/etc/trawl/branch.key\"}], // its reports must be signed\n";

static bool is_in_head(const char *member) {
    char quoted[80];

    snprintf(quoted, sizeof quoted, "\n  \"%s\":", member);
    return strstr(sample_head, quoted);
}

static const char *sample_value(const struct option_spec *option) {
    switch (option->kind) {
    case OPTION_FLAG:
        return "true";
    case OPTION_LIST:
        return "[]";
    case OPTION_NUMBER:
    case OPTION_SECONDS:
    case OPTION_BYTES:
        return "0";
    default:
        return "\"\"";
    }
}

void settings_add_sample(struct buffer *out) {
    const char *group = NULL;
    char member[64];

    buffer_add_text(out, sample_head);
    for (const struct option_spec *option = monitor_options; option->name; option++) {
        config_member_name(option->name, member, sizeof member);
        if (!is_for_files(option) || is_in_head(member))
            continue;
        if (option->group != group)
            buffer_add_format(out, "\n  // --- %s ---\n", option->group);
        group = option->group;
        buffer_add_format(out, "  // %s\n  // \"%s\": %s,\n", option->summary, member,
                          sample_value(option));
    }
    buffer_add_text(out, "}\n");
}
