/* bench/troupe/remote.h - the benchmarks of two processes: what the server and the client parts
 * share.
 *
 * The server spawns a sink and an echo under names that end with the run's tag; the client looks
 * them up and runs one benchmark against one of them.
 */
#ifndef BENCH_REMOTE_H
#define BENCH_REMOTE_H

#include "stream.h"

#define REQUEST_BYTES 64u

/* A run of the client: count times, against peer; figures are printed when report is set. */
typedef struct remote_run {
    troupe_node *node;
    troupe_pid peer;
    uint64_t count;
    size_t size; /* bytes of a payload */
    bool report;
} remote_run;

/* Starts a node of this run whose name begins with the role. */
troupe_node *remote_start_node(const char *role, uint32_t workers);

/* Adds the types that travel to the node. */
void remote_oneway_add_types(troupe_node *node);
void remote_request_add_types(troupe_node *node);
void remote_links_add_types(troupe_node *node);
void remote_idle_add_types(troupe_node *node);

/* Counts and checks what comes. */
extern const troupe_behavior remote_sink_behavior;
/* Sends back what comes. */
extern const troupe_behavior remote_echo_behavior;
/* Starts actors that others link to. */
extern const troupe_behavior remote_garden_behavior;
/* Starts more nodes in the server's process. */
extern const troupe_behavior remote_crowd_behavior;

/* count messages of size bytes, from the first send until the sink's answer that it has them all.
 */
void remote_oneway(const remote_run *r);
/* There and back by two plain messages: one at a time, then with 64 under way. */
void remote_request_reply(const remote_run *r);
/* troupe_call, one at a time. */
void remote_call(const remote_run *r);
/* count actors are linked to one each of the server's, whose process is then killed: until the last
 * EXIT was handled. Once, since there is no server any more. */
void remote_links(const remote_run *r);
/* What a session with each of count more nodes costs the client's process while nothing is said.
 * Once, since memory is touched once. */
void remote_idle(const remote_run *r);

/* Stops what the crowd has started. */
void remote_idle_stop(void);

#endif
