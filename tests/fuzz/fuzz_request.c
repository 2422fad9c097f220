/* Requests of strangers, a line each: the path with its query, header lines up to an empty one,
 * then a body; found in the table of routes, looked at as the server does, and read as JSON and as
 * a report. */
#include "tools/monitor/report.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next line, terminated; false at the end. */
static bool next_line(struct slice *rest, char *out, size_t size) {
    const uint8_t *end = rest->len ? memchr(rest->ptr, '\n', rest->len) : NULL;
    struct slice line = slice_first(*rest, end ? (size_t)(end - rest->ptr) : rest->len);

    *rest = slice_from(*rest, line.len + 1);
    line = slice_first(line, size - 1);
    if (line.len)
        memcpy(out, line.ptr, line.len);
    out[line.len] = 0;
    return line.len > 0;
}

static void look_at_body(struct request *request) {
    struct report report = {0};
    struct failure failure;

    if (request_read_json(request, &failure))
        return;
    struct monitor_target target;
    target_init(&target, TARGET_FROM_API);
    (void)!target_read(&target, yyjson_doc_get_root(request->json), &failure);
    (void)!report_read(&report, yyjson_doc_get_root(request->json), "agent", 1700000000000,
                       &failure);
    report_deinit(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = {data, size}, parts[REQUEST_PARTS_MAX];
    struct request request;
    struct failure failure;
    char line[REQUEST_URI_MAX + 2];
    uint32_t allowed;

    request_init(&request);
    next_line(&rest, line, sizeof line);
    bool ok = request_take_uri(&request, line);
    while (next_line(&rest, line, sizeof line)) {
        char *value = strchr(line, ':');
        if (value)
            *value++ = 0;
        ok = request_take_header(&request, line, value ? value : "") && ok;
    }
    request_end_headers(&request);
    host_is_ours(request.headers[HEADER_HOST], NULL, 0);
    origin_is_ours(request.headers[HEADER_ORIGIN], request.headers[HEADER_HOST]);
    request_cookie(&request, "trawl_token");
    for (int method = 0; method < METHOD_COUNT && ok; method++) {
        const struct route *route =
            route_find((enum request_method)method, request.path, parts, &allowed);
        if (route)
            (void)!route_check_query(route, &request, &failure);
    }
    buffer_add_slice(&request.body, rest);
    look_at_body(&request);
    request_deinit(&request);
    return 0;
}
