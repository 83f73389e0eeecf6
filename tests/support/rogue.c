#include "support/rogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static void changed(struct rogue *rogue)
{
    tr_cond_broadcast(&rogue->changed);
    tr_mutex_unlock(&rogue->lock);
}

/* ---- what the peers tell ---- */

static void on_up(void *context, uint64_t node_id, uint32_t session)
{
    struct rogue *rogue = context;

    tr_mutex_lock(&rogue->lock);
    rogue->sessions[node_id % ROGUE_NODES] = session;
    changed(rogue);
}

static void on_lost(void *context, uint64_t node_id, uint32_t session, int reason)
{
    struct rogue *rogue = context;

    (void)session;
    (void)reason;
    tr_mutex_lock(&rogue->lock);
    rogue->sessions[node_id % ROGUE_NODES] = 0;
    changed(rogue);
}

static void on_message(void *context, uint64_t node_id, uint32_t session, const uint8_t *bytes,
                       size_t size)
{
    struct rogue *rogue = context;

    (void)session;
    tr_mutex_lock(&rogue->lock);
    if (rogue->heard_count < ROGUE_HEARD_MAX && size <= ROGUE_PACKET_MAX) {
        struct rogue_packet *packet = &rogue->heard[rogue->heard_count++];

        packet->from = node_id;
        packet->size = size;
        memcpy(packet->bytes, bytes, size);
    }
    changed(rogue);
}

static void on_unreachable(void *context, uint64_t node_id, bool refused)
{
    (void)context;
    (void)node_id;
    (void)refused;
}

static void on_refused(void *context, const char *address, troupe_status why)
{
    (void)context;
    (void)address;
    (void)why;
}

/* ---- what the registry tells ---- */

static void on_joined(void *context, uint64_t node_id, const uint8_t cluster_id[16],
                      uint64_t system_id)
{
    struct rogue *rogue = context;

    tr_peers_set_identity(rogue->peers, node_id, cluster_id, system_id);
    tr_mutex_lock(&rogue->lock);
    rogue->node_id = node_id;
    changed(rogue);
}

static bool on_member_up(void *context, const struct tr_member *member)
{
    struct rogue *rogue = context;

    assert_int_equal(
        tr_peers_want(rogue->peers, member->node_id, member->name, member->host, member->port),
        TROUPE_OK);
    return true;
}

static void on_member_down(void *context, uint64_t node_id, const char *name, const char *why)
{
    struct rogue *rogue = context;

    (void)name;
    (void)why;
    if (rogue->peers != NULL) {
        tr_peers_forget(rogue->peers, node_id);
    }
}

static void on_lease(void *context, int64_t deadline_ns)
{
    (void)context;
    (void)deadline_ns;
}

static void on_text(void *context, const char *why)
{
    (void)context;
    (void)why;
}

static void on_failed(void *context, troupe_status status, const char *text)
{
    (void)context;
    fail_msg("the rogue cannot join: %d %s", (int)status, text);
}

static void join_on_loop(void *context)
{
    struct rogue *rogue = context;
    const struct tr_registry_join join = {.loop = rogue->loop,
                                          .name = rogue->name,
                                          .host = "127.0.0.1",
                                          .port = rogue->port,
                                          .ttl_ms = 5000,
                                          .roles = "",
                                          .version = "rogue",
                                          .seed = 1,
                                          .events = {.context = rogue,
                                                     .on_joined = on_joined,
                                                     .on_failed = on_failed,
                                                     .on_member_up = on_member_up,
                                                     .on_member_down = on_member_down,
                                                     .on_lease = on_lease,
                                                     .on_fenced = on_text}};

    assert_int_equal(rogue->registry->port.start(rogue->registry->port.context, &join), TROUPE_OK);
}

/* ---- life ---- */

void rogue_start(struct rogue *rogue, struct fake_cluster *cluster, const char *name)
{
    const struct tr_peers_events events = {.context = rogue,
                                           .on_up = on_up,
                                           .on_message = on_message,
                                           .on_lost = on_lost,
                                           .on_unreachable = on_unreachable,
                                           .on_refused = on_refused};
    char why[256] = "";
    struct tr_peers_config config = {.node_name = name, .listen_host = "127.0.0.1", .seed = 1};

    memset(rogue, 0, sizeof(*rogue));
    rogue->name = name;
    tr_mutex_init(&rogue->lock);
    tr_cond_init(&rogue->changed);
    rogue->registry = fake_registry_create(cluster);
    assert_int_equal(tr_loop_create(&rogue->loop), TROUPE_OK);
    config.loop = rogue->loop;
    assert_int_equal(tr_peers_create(&config, &events, &rogue->peers), TROUPE_OK);
    assert_int_equal(tr_peers_listen(rogue->peers, &rogue->port, why, sizeof(why)), TROUPE_OK);
    assert_int_equal(tr_loop_start(rogue->loop), TROUPE_OK);
    assert_int_equal(tr_loop_post(rogue->loop, join_on_loop, rogue), TROUPE_OK);
}

static bool wait_more(struct rogue *rogue)
{
    return tr_cond_wait_for(&rogue->changed, &rogue->lock, (int64_t)ROGUE_WAIT_MS * TR_NS_PER_MS);
}

void rogue_wait_up(struct rogue *rogue, uint64_t node_id)
{
    bool in_time = true;

    tr_mutex_lock(&rogue->lock);
    while (rogue->sessions[node_id % ROGUE_NODES] == 0 && in_time) {
        in_time = wait_more(rogue);
    }
    tr_mutex_unlock(&rogue->lock);
    assert_true(in_time);
}

void rogue_say(struct rogue *rogue, uint64_t node_id, const uint8_t *bytes, size_t size)
{
    const struct tr_slice part = {.bytes = bytes, .size = size};
    const struct tr_peers_target target = {.node_id = node_id, .flags = TR_PEERS_SYSTEM};

    assert_int_equal(tr_peers_send(rogue->peers, &target, &part, 1), TROUPE_OK);
}

void rogue_hear(struct rogue *rogue, uint64_t node_id, uint8_t kind, struct rogue_packet *packet)
{
    bool in_time = true;
    bool found = false;

    tr_mutex_lock(&rogue->lock);
    while (!found && in_time) {
        while (!found && rogue->heard_used < rogue->heard_count) {
            *packet = rogue->heard[rogue->heard_used++];
            found = packet->from == node_id && packet->size > 0 && packet->bytes[0] == kind;
        }
        in_time = found || wait_more(rogue);
    }
    tr_mutex_unlock(&rogue->lock);
    if (!found) {
        fail_msg("node %u has not said %u", (unsigned)node_id, (unsigned)kind);
    }
}

static void on_stopped(void *context)
{
    struct rogue *rogue = context;

    tr_mutex_lock(&rogue->lock);
    rogue->ended = true;
    changed(rogue);
}

static void on_closed(void *context)
{
    struct rogue *rogue = context;

    rogue->peers = NULL;
    rogue->registry->port.stop(rogue->registry->port.context, true, 1000, on_stopped, rogue);
}

static void close_on_loop(void *context)
{
    struct rogue *rogue = context;

    tr_peers_close(rogue->peers, on_closed, rogue);
}

void rogue_stop(struct rogue *rogue)
{
    bool in_time = true;

    assert_int_equal(tr_loop_post(rogue->loop, close_on_loop, rogue), TROUPE_OK);
    tr_mutex_lock(&rogue->lock);
    while (!rogue->ended && in_time) {
        in_time = wait_more(rogue);
    }
    tr_mutex_unlock(&rogue->lock);
    assert_true(in_time);
    tr_loop_stop(rogue->loop);
    tr_loop_join(rogue->loop);
    rogue->registry->port.destroy(rogue->registry->port.context);
    tr_loop_destroy(rogue->loop);
    tr_cond_fini(&rogue->changed);
    tr_mutex_fini(&rogue->lock);
}
