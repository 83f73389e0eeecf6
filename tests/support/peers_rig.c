#include "support/peers_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/be.h"
#include "support/rig_stage.h"

enum { HEAD_SIZE = 16 };

/* ---- what a node hears ---- */

static void changed(struct rig_node *node)
{
    tr_cond_broadcast(&node->changed);
    tr_mutex_unlock(&node->lock);
}

static struct rig_pair *pair_of(struct rig_node *node, uint64_t other)
{
    tr_mutex_lock(&node->lock);
    return &node->pairs[other % RIG_NODES];
}

static void on_up(void *context, uint64_t node_id, uint32_t session)
{
    struct rig_node *node = context;
    struct rig_pair *pair = pair_of(node, node_id);

    /* One at a time, and numbers grow. */
    pair->errors += pair->ups != pair->losts || session <= pair->session ? 1 : 0;
    pair->ups++;
    pair->session = session;
    memset(pair->next, 0, sizeof(pair->next));
    changed(node);
}

static void on_lost(void *context, uint64_t node_id, uint32_t session, int reason)
{
    struct rig_node *node = context;
    struct rig_pair *pair = pair_of(node, node_id);

    pair->errors += pair->ups != pair->losts + 1 || session != pair->session ? 1 : 0;
    pair->losts++;
    pair->reason = reason;
    changed(node);
}

static uint8_t filler(uint64_t number)
{
    return (uint8_t)(number * 7 + 3);
}

static void on_message(void *context, uint64_t node_id, uint32_t session, const uint8_t *bytes,
                       size_t size)
{
    struct rig_node *node = context;
    struct rig_pair *pair = pair_of(node, node_id);
    bool good = pair->ups == pair->losts + 1 && session == pair->session && size >= HEAD_SIZE;

    if (good) {
        const uint64_t sender = tr_be64_get(bytes) % RIG_SENDERS;
        const uint64_t number = tr_be64_get(bytes + 8);

        good = number == pair->next[sender] &&
               (size == HEAD_SIZE ||
                (bytes[HEAD_SIZE] == filler(number) && bytes[size - 1] == filler(number)));
        pair->next[sender] = number + 1;
    }
    pair->errors += good ? 0 : 1;
    pair->messages++;
    pair->bytes += size;
    changed(node);
}

static void on_unreachable(void *context, uint64_t node_id, bool refused)
{
    struct rig_node *node = context;
    struct rig_pair *pair = pair_of(node, node_id);

    pair->unreachable++;
    pair->refused_dials += refused ? 1 : 0;
    changed(node);
}

/* Answers with the request doubled. */
static void on_client(void *context, uint64_t client, uint64_t request, const uint8_t *bytes,
                      size_t size)
{
    struct rig_node *node = context;
    uint8_t *reply = malloc(2 * size + 1);
    bool hold = false;

    tr_mutex_lock(&node->lock);
    node->requests++;
    hold = node->hold_replies;
    changed(node);
    if (size > 0) {
        memcpy(reply, bytes, size);
        memcpy(reply + size, bytes, size);
    }
    if (!hold) {
        tr_peers_client_reply(node->peers, client, request, reply, 2 * size);
    }
    free(reply);
}

static void on_refused(void *context, const char *address, troupe_status why)
{
    struct rig_node *node = context;

    (void)address;
    tr_mutex_lock(&node->lock);
    node->refusals++;
    node->refusal = why;
    changed(node);
}

static void log_line(void *context, int level, const char *text)
{
    struct rig_node *node = context;

    tr_mutex_lock(&node->lock);
    if (strstr(text, "refused") != NULL && node->refusal_line[0] == '\0') {
        (void)snprintf(node->refusal_line, sizeof(node->refusal_line), "%s", text);
    }
    if (strstr(text, "cannot be dialled") != NULL && node->dial_lines++ == 0) {
        (void)snprintf(node->dial_line, sizeof(node->dial_line), "%s", text);
    }
    changed(node);
    if (getenv("RIG_LOG") != NULL) {
        (void)fprintf(stderr, "%s %d %s\n", node->name, level, text);
    }
}

/* ---- life ---- */

struct call {
    struct rig_node *node;
    void (*fn)(void *context);
    void *context;
    bool done;
};

static void run_call(void *context)
{
    struct call *call = context;

    call->fn(call->context);
    tr_mutex_lock(&call->node->lock);
    call->done = true;
    changed(call->node);
}

void rig_call(struct rig_node *node, void (*fn)(void *context), void *context)
{
    struct call call = {.node = node, .fn = fn, .context = context};

    assert_int_equal(tr_loop_post(node->loop, run_call, &call), TROUPE_OK);
    tr_mutex_lock(&node->lock);
    while (!call.done) {
        rig_stage_wait(node);
    }
    tr_mutex_unlock(&node->lock);
}

static void identity(void *context)
{
    const struct rig_node *node = context;
    uint8_t cluster[16] = {0};

    cluster[0] = node->options.cluster;
    tr_peers_set_identity(node->peers, node->options.node_id, cluster, 77);
}

void rig_set_identity(struct rig_node *node)
{
    rig_call(node, identity, node);
}

void rig_start(struct rig_node *node, const struct rig_options *options)
{
    const struct tr_peers_events events = {
        .context = node,
        .on_up = on_up,
        .on_message = on_message,
        .on_lost = on_lost,
        .on_unreachable = on_unreachable,
        .on_client = on_client,
        .on_refused = on_refused,
    };
    struct tr_peers_config config = {
        .heartbeat_ms = options->heartbeat_ms,
        .silence_ms = options->silence_ms,
        .resume_window_ms = options->resume_window_ms,
        .handshake_ms = options->handshake_ms,
        .send_queue_bytes_max = options->send_queue_bytes_max,
        .seed = options->node_id,
        .log = log_line,
        .log_context = node,
    };

    char why[256] = "";

    *node = (struct rig_node){.options = *options};
    (void)snprintf(node->name, sizeof(node->name), "n%u", (unsigned)options->node_id);
    config.node_name = node->name;
    rig_stage_enter(options->node_id, &config.listen_host, &config.listen_port);
    if (options->listen != NULL) {
        config.listen_host = options->listen;
        config.listen_port = 0;
    }
    node->host = config.listen_host;
    tr_mutex_init(&node->lock);
    tr_cond_init(&node->changed);
    assert_int_equal(tr_loop_create(&node->loop), TROUPE_OK);
    config.loop = node->loop;
    assert_int_equal(tr_peers_create(&config, &events, &node->peers), TROUPE_OK);
    if (options->secret != NULL) {
        assert_int_equal(tr_peers_set_secrets(node->peers,
                                              (struct tr_slice){(const uint8_t *)options->secret,
                                                                strlen(options->secret)},
                                              (struct tr_slice){0}),
                         TROUPE_OK);
    }
    if (options->tls != NULL) {
        tr_peers_set_tls(node->peers, options->tls);
    }
    assert_int_equal(tr_peers_listen(node->peers, &node->port, why, sizeof(why)), TROUPE_OK);
    if (!options->no_identity) {
        identity(node);
    }
    assert_int_equal(tr_loop_start(node->loop), TROUPE_OK);
}

static void on_closed(void *context)
{
    struct rig_node *node = context;

    tr_mutex_lock(&node->lock);
    node->closed = true;
    changed(node);
}

static void close_peers(void *context)
{
    struct rig_node *node = context;

    tr_peers_close(node->peers, on_closed, node);
}

void rig_wait_closed(struct rig_node *node)
{
    tr_mutex_lock(&node->lock);
    while (!node->closed) {
        rig_stage_wait(node);
    }
    tr_mutex_unlock(&node->lock);
}

void rig_close(struct rig_node *node)
{
    if (node->peers == NULL) {
        return;
    }
    rig_call(node, close_peers, node);
    rig_wait_closed(node);
    node->peers = NULL;
}

void rig_stop(struct rig_node *node)
{
    rig_close(node);
    tr_loop_stop(node->loop);
    tr_loop_join(node->loop);
    tr_loop_destroy(node->loop);
    rig_stage_leave(node->options.node_id);
    tr_cond_fini(&node->changed);
    tr_mutex_fini(&node->lock);
}

/* ---- orders ---- */

struct order {
    struct rig_node *node;
    const char *name;
    uint64_t other;
    const char *host;
    uint16_t port;
};

static void order_want(void *context)
{
    const struct order *order = context;

    assert_int_equal(
        tr_peers_want(order->node->peers, order->other, order->name, order->host, order->port),
        TROUPE_OK);
}

void rig_want_at(struct rig_node *node, const struct rig_node *other, uint16_t port)
{
    const char *host = other->host != NULL ? other->host : "127.0.0.1"; /* of a stand-in */
    struct order order = {node, other->name, other->options.node_id, host, port};

    rig_call(node, order_want, &order);
}

void rig_want(struct rig_node *node, const struct rig_node *other)
{
    rig_want_at(node, other, other->port);
}

static void order_forget(void *context)
{
    const struct order *order = context;

    tr_peers_forget(order->node->peers, order->other);
}

void rig_forget(struct rig_node *node, uint64_t other_id)
{
    struct order order = {node, NULL, other_id, NULL, 0};

    rig_call(node, order_forget, &order);
}

static void order_cut(void *context)
{
    const struct order *order = context;

    tr_peers_cut(order->node->peers, order->other);
}

void rig_cut(struct rig_node *node, uint64_t other_id)
{
    struct order order = {node, NULL, other_id, NULL, 0};

    rig_call(node, order_cut, &order);
}

struct tls_order {
    struct rig_node *node;
    struct tr_tls_context *tls;
};

static void order_tls(void *context)
{
    const struct tls_order *order = context;

    tr_peers_set_tls(order->node->peers, order->tls);
}

void rig_set_tls(struct rig_node *node, struct tr_tls_context *tls)
{
    struct tls_order order = {node, tls};

    rig_call(node, order_tls, &order);
}

struct secrets_order {
    struct rig_node *node;
    struct tr_slice secret;
    struct tr_slice accepted;
    troupe_status status;
};

static void order_secrets(void *context)
{
    struct secrets_order *order = context;

    order->status = tr_peers_set_secrets(order->node->peers, order->secret, order->accepted);
}

void rig_set_secrets(struct rig_node *node, const char *secret, const char *accepted)
{
    struct secrets_order order = {
        .node = node,
        .secret = {(const uint8_t *)secret, strlen(secret)},
        .accepted = {(const uint8_t *)accepted, accepted != NULL ? strlen(accepted) : 0}};

    rig_call(node, order_secrets, &order);
    assert_int_equal(order.status, TROUPE_OK);
}

bool rig_refusal_says(struct rig_node *node, const char *words)
{
    bool says = false;

    tr_mutex_lock(&node->lock);
    says = strstr(node->refusal_line, words) != NULL;
    if (!says) {
        (void)fprintf(stderr, "%s logged \"%s\", not \"%s\"\n", node->name, node->refusal_line,
                      words);
    }
    tr_mutex_unlock(&node->lock);
    return says;
}

struct counters_order {
    struct rig_node *node;
    struct tr_peers_counters *out;
};

static void order_counters(void *context)
{
    const struct counters_order *order = context;

    *order->out = *tr_peers_counters(order->node->peers);
}

void rig_counters(struct rig_node *node, struct tr_peers_counters *out)
{
    struct counters_order order = {node, out};

    rig_call(node, order_counters, &order);
}

troupe_status rig_send(struct rig_node *node, uint64_t to, uint32_t sender, uint64_t number,
                       size_t size, unsigned flags)
{
    const struct tr_peers_target target = {.node_id = to, .order = sender, .flags = flags};
    uint8_t head[HEAD_SIZE];
    uint8_t small[4096];
    uint8_t *body = size <= sizeof(small) ? small : malloc(size);
    const struct tr_slice parts[] = {{head, HEAD_SIZE}, {body, size - HEAD_SIZE}};
    troupe_status status = TROUPE_OK;

    memset(body, filler(number), size);
    tr_be64_put(head, sender);
    tr_be64_put(head + 8, number);
    status = tr_peers_send(node->peers, &target, parts, 2);
    if (body != small) {
        free(body);
    }
    return status;
}

/* ---- waiting ---- */

struct wait {
    uint64_t other;
    uint64_t messages;
    uint32_t ups;
    uint32_t losts;
    uint32_t refusals;
    bool (*holds)(const struct rig_pair *pair);
};

static bool is_met(const struct rig_node *node, const struct wait *wait)
{
    const struct rig_pair *pair = &node->pairs[wait->other % RIG_NODES];

    return pair->messages >= wait->messages && pair->ups >= wait->ups &&
           pair->losts >= wait->losts && node->refusals >= wait->refusals &&
           (wait->holds == NULL || wait->holds(pair));
}

static bool wait_for(struct rig_node *node, const struct wait *wait)
{
    const uint64_t by = rig_now_ms() + RIG_WAIT_MS;
    bool met = false;

    tr_mutex_lock(&node->lock);
    met = is_met(node, wait);
    while (!met && rig_now_ms() < by) {
        rig_stage_wait(node);
        met = is_met(node, wait);
    }
    tr_mutex_unlock(&node->lock);
    return met;
}

bool rig_wait(struct rig_node *node, uint64_t other, bool (*holds)(const struct rig_pair *pair))
{
    return wait_for(node, &(struct wait){.other = other, .holds = holds});
}

bool rig_wait_messages(struct rig_node *node, uint64_t other, uint64_t count)
{
    return wait_for(node, &(struct wait){.other = other, .messages = count});
}

void rig_assert_unharmed(struct rig_node *one, struct rig_node *two, uint64_t *number)
{
    assert_int_equal(rig_send(one, 2, 0, *number, 100, 0), TROUPE_OK);
    ++*number;
    assert_true(rig_wait_messages(two, 1, *number));
    assert_int_equal(rig_pair(one, 2).losts, 0);
    assert_int_equal(rig_pair(one, 2).unreachable, 0);
    assert_int_equal(rig_pair(two, 1).errors, 0);
}

bool rig_wait_ups(struct rig_node *node, uint64_t other, uint32_t count)
{
    return wait_for(node, &(struct wait){.other = other, .ups = count});
}

bool rig_wait_losts(struct rig_node *node, uint64_t other, uint32_t count)
{
    return wait_for(node, &(struct wait){.other = other, .losts = count});
}

bool rig_wait_refusals(struct rig_node *node, uint32_t count)
{
    return wait_for(node, &(struct wait){.refusals = count});
}

struct rig_pair rig_pair(struct rig_node *node, uint64_t other)
{
    struct rig_pair copy;

    tr_mutex_lock(&node->lock);
    copy = node->pairs[other % RIG_NODES];
    tr_mutex_unlock(&node->lock);
    return copy;
}

uint32_t rig_requests(struct rig_node *node)
{
    uint32_t requests = 0;

    tr_mutex_lock(&node->lock);
    requests = node->requests;
    tr_mutex_unlock(&node->lock);
    return requests;
}

troupe_status rig_refusal(struct rig_node *node)
{
    troupe_status refusal = TROUPE_OK;

    tr_mutex_lock(&node->lock);
    refusal = node->refusal;
    tr_mutex_unlock(&node->lock);
    return refusal;
}

void rig_hold_replies(struct rig_node *node)
{
    tr_mutex_lock(&node->lock);
    node->hold_replies = true;
    tr_mutex_unlock(&node->lock);
}

/* ---- gates ---- */

void rig_gate_shut(struct rig_gate *gate, struct rig_node *node)
{
    rig_stage_gate_shut(gate, node);
}

void rig_gate_open(struct rig_gate *gate, struct rig_node *node)
{
    rig_stage_gate_open(gate, node);
}

const char rig_secret[] = "0123456789abcdef0123456789abcdef";

struct rig_options rig_defaults(uint64_t node_id)
{
    return (struct rig_options){.node_id = node_id, .secret = rig_secret, .cluster = 1};
}

void rig_start_pair(struct rig_node *one, const struct rig_options *first, struct rig_node *two,
                    const struct rig_options *second)
{
    rig_start(one, first);
    rig_start(two, second);
    rig_want(one, two);
    rig_want(two, one);
    assert_true(rig_wait_ups(one, second->node_id, 1));
    assert_true(rig_wait_ups(two, first->node_id, 1));
}
