#include "tools/web/assets.h"

#include <stddef.h>
#include <string.h>

/* The bytes of a file of this folder, between two symbols. The assembler reads it, so that no tool
 * has to turn it into C. */
#define FILE_BYTES(name, path)                                                                     \
    __asm__(".pushsection .rodata\n"                                                               \
            "web_" #name "_begin:\n"                                                               \
            ".incbin \"" WEB_FOLDER "/" path "\"\n"                                                \
            "web_" #name "_end:\n"                                                                 \
            ".byte 0\n"                                                                            \
            ".popsection\n");                                                                      \
    extern const uint8_t web_##name##_begin[], web_##name##_end[]

#define ASSETS(ASSET)                                                                              \
    ASSET(page, "index.html", "/", "text/html; charset=utf-8")                                     \
    ASSET(icon, "icon.svg", "/icon.svg", "image/svg+xml")                                          \
    ASSET(style, "style.css", "/style.css", "text/css; charset=utf-8")                             \
    ASSET(app, "app.js", "/app.js", SCRIPT)                                                        \
    ASSET(api, "api.js", "/api.js", SCRIPT)                                                        \
    ASSET(dom, "dom.js", "/dom.js", SCRIPT)                                                        \
    ASSET(format, "format.js", "/format.js", SCRIPT)                                               \
    ASSET(listing, "listing.js", "/listing.js", SCRIPT)                                            \
    ASSET(agents, "views/agents.js", "/views/agents.js", SCRIPT)                                   \
    ASSET(alerts, "views/alerts.js", "/views/alerts.js", SCRIPT)                                   \
    ASSET(certificates, "views/certificates.js", "/views/certificates.js", SCRIPT)                 \
    ASSET(ct, "views/ct.js", "/views/ct.js", SCRIPT)                                               \
    ASSET(expiry, "views/expiry.js", "/views/expiry.js", SCRIPT)                                   \
    ASSET(health, "views/health.js", "/views/health.js", SCRIPT)                                   \
    ASSET(target, "views/target.js", "/views/target.js", SCRIPT)                                   \
    ASSET(targets, "views/targets.js", "/views/targets.js", SCRIPT)

#define SCRIPT "text/javascript; charset=utf-8"

#define DECLARE(name, file, path, type) FILE_BYTES(name, file);
ASSETS(DECLARE)

/* A slice's length is known when all is linked, which is too late for a constant. */
static const struct {
    const char *path, *content_type;
    const uint8_t *begin, *end;
} files[] = {
#define ROW(name, file, path, type) {path, type, web_##name##_begin, web_##name##_end},
    ASSETS(ROW)
#undef ROW
};

bool web_asset_find(const char *path, struct web_asset *out) {
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(files[i].path, path) == 0) {
            *out = (struct web_asset){
                .content_type = files[i].content_type,
                .content = {files[i].begin, (size_t)(files[i].end - files[i].begin)},
            };
            return true;
        }
    return false;
}
