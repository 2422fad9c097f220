/* Who reports from other networks. Their reports come in as SSL Scout's (routes_sslscout.c). */
#include "tools/monitor/routes.h"

static const struct sql_statement LIST = {
    .text = "SELECT a.name, a.first_seen, a.last_seen, a.version, a.address, a.silent,"
            " (SELECT COUNT(DISTINCT r.target) FROM monitor_results r WHERE r.agent = a.name)"
            " FROM monitor_agents a ORDER BY a.name LIMIT 10000"};

static enum error add_agent(void *context, const struct sql_value *row, uint32_t count,
                            struct failure *failure) {
    struct buffer *out = context;

    (void)count, (void)failure;
    json_open(out, NULL, '{');
    json_text(out, "name", row_bytes(&row[0]));
    json_time_ms(out, "first_seen", row_integer(&row[1]));
    json_time_ms(out, "last_seen", row_integer(&row[2]));
    json_text(out, "version", row_bytes(&row[3]));
    json_text(out, "address", row_bytes(&row[4]));
    json_flag(out, "silent", row_integer(&row[5]));
    json_integer(out, "targets", row_integer(&row[6]));
    json_close(out, '}');
    return ERROR_NONE;
}

static void list_agents(struct call *call) {
    struct buffer *out = &call->answer->body;

    json_open(out, NULL, '{');
    json_open(out, "agents", '[');
    if (!call_query(call, &LIST, NULL, add_agent, out))
        return;
    json_close(out, ']');
    json_close(out, '}');
}

#define REQUIRED .flags = SCHEMA_REQUIRED
#define NULLABLE .flags = SCHEMA_REQUIRED | SCHEMA_NULLABLE

static const struct schema agent_schema = {
    .name = "Agent",
    .fields =
        (const struct schema_field[]){
            {.name = "name", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "first_seen", .type = SCHEMA_TIME, NULLABLE},
            {.name = "last_seen", .type = SCHEMA_TIME, NULLABLE},
            {.name = "version", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "address", .type = SCHEMA_TEXT, REQUIRED},
            {.name = "silent", .type = SCHEMA_FLAG, REQUIRED, .summary = "It is overdue."},
            {.name = "targets", .type = SCHEMA_INTEGER, REQUIRED, .summary = "That it has seen."},
            {0}},
};
static const struct schema list_schema = {
    .name = "Agents",
    .fields =
        (const struct schema_field[]){
            {.name = "agents", .type = SCHEMA_LIST, REQUIRED, .of = &agent_schema}, {0}},
};

static const struct route routes[] = {
    {METHOD_GET, "/api/agents", ROLE_READ, list_agents, "Agents by name.", "listAgents",
     .response = &list_schema},
    {0},
};

const struct route_group routes_agents = {
    .name = "agents", .summary = "Who reports from other networks.", .routes = routes};
