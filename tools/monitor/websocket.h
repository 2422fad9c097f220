/* WebSockets of those who look on (RFC 6455, the server's side): one thread for all of them. Each
 * has a reader of the hub; what it reads goes out as one text message an event:
 *
 *     {"seq":17,"at":"2026-11-21T03:56:45Z","kind":"alert", … the event's own members}
 *     {"gap":{"from":18,"to":40}}       these were missed; 0 and 0: live ones only
 *
 * Who is slow holds nobody else back: what is waiting for it is bounded, and the hub drops the rest
 * and says so. Pings go out when nothing else does; who does not answer is gone.
 *
 *     worker ── api_websocket_new ──▶ answer 101 ──▶ server's loop ── upgrade ──▶ this thread
 *
 * What clients send is read for pongs and farewells; messages are dropped. */
#ifndef TOOLS_MONITOR_WEBSOCKET_H
#define TOOLS_MONITOR_WEBSOCKET_H

#include "engine/base/buffer.h"
#include "engine/base/error.h"
#include "tools/monitor/events.h"

#include <microhttpd.h>

struct websocket_loop;
struct api_websocket;

struct websocket_loop_config {
    uint32_t sockets_max; /* 0: 128 */
    uint32_t
        ping_ms; /* without traffic; twice as long without an answer is the end. 0: 20 seconds */
};

enum error websocket_loop_start(struct websocket_loop **out,
                                const struct websocket_loop_config *config, struct failure *failure)
    __attribute__((warn_unused_result));
/* Says farewell (1001) to all and closes them; those that are upgraded after that are closed at
 * once. The listener must still run: it takes the sockets back. NULL is fine. */
void websocket_loop_stop(struct websocket_loop *loop);
/* When it is stopped, and no socket is left. NULL is fine. */
void websocket_loop_free(struct websocket_loop *loop);
/* How many are open. Any thread. */
uint32_t websocket_loop_count(const struct websocket_loop *loop);

/* --- One of them --- */

/* A reader of `hub`, from here on. ERROR_LIMIT: there are too many. Belongs to the caller until it
 * is upgraded. */
enum error api_websocket_new(struct api_websocket **out, struct websocket_loop *loop,
                             struct event_hub *hub, struct failure *failure)
    __attribute__((warn_unused_result));
/* One that was not upgraded. NULL is fine. */
void api_websocket_free(struct api_websocket *socket);

/* Goes on behind `since`: what the hub has no more is read in the table, as far as it stands there
 * and is not too much; what is not is told as a gap. Blocks on the database; while it is the
 * caller's. */
enum error api_websocket_resume(struct api_websocket *socket, uint64_t since,
                                struct database *database, struct failure *failure)
    __attribute__((warn_unused_result));

/* The value of Sec-WebSocket-Accept (section 4.2.2); false for a key that is none. */
bool websocket_accept(struct slice key, struct buffer *out);

/* For MHD_create_response_for_upgrade: the socket is the loop's from here on. */
void api_websocket_upgrade(void *socket, struct MHD_Connection *connection, void *request,
                           const char *extra, size_t extra_len, MHD_socket fd,
                           struct MHD_UpgradeResponseHandle *handle);

#endif
