#include "support/deceived.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "dist/codec.h"

struct fake_cluster *cluster;
troupe_node *node;
uint64_t node_id;
struct rogue rogue;
static struct tr_pool pool;
struct tr_pool_cache cache;
struct deceived_seen seen;

/* ---- the actors of the honest node ---- */

typedef struct number {
    int64_t value;
} number;
TROUPE_TYPE(number, "test.number", TROUPE_FIELD(number, value, 1));
typedef struct pass_on {
    const char *name;
    troupe_pid to;
    int64_t value;
} pass_on;
TROUPE_TYPE(pass_on, "test.pass_on", TROUPE_FIELD(pass_on, name, 1), TROUPE_FIELD(pass_on, to, 2),
            TROUPE_FIELD(pass_on, value, 3));
typedef struct start_on {
    const char *member;
    uint32_t timeout_ms;
} start_on;
TROUPE_TYPE(start_on, "test.start_on", TROUPE_FIELD(start_on, member, 1),
            TROUPE_FIELD(start_on, timeout_ms, 2));
TROUPE_TYPE_EMPTY(withhold, "test.withhold");
TROUPE_TYPE_EMPTY(speak, "test.speak");
TROUPE_TYPE_EMPTY(fall, "test.fall");

void seen_changed(void)
{
    tr_cond_broadcast(&seen.changed);
    tr_mutex_unlock(&seen.mutex);
}

static int on_number(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    tr_mutex_lock(&seen.mutex);
    seen.numbers++;
    seen.last = ((const number *)message)->value;
    seen.sum += seen.last;
    seen_changed();
    return TROUPE_OK;
}

static int on_news(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)message;
    tr_mutex_lock(&seen.mutex);
    seen.news++;
    seen_changed();
    return TROUPE_OK;
}

static int on_exit_message(troupe_self *self, void *state, const void *message)
{
    return troupe_pid_is_none(((const troupe_exit_message *)message)->from)
               ? TROUPE_STOP /* the node ends */
               : on_news(self, state, message);
}

static int on_result(troupe_self *self, void *state, const troupe_result *result)
{
    (void)self;
    (void)state;
    tr_mutex_lock(&seen.mutex);
    seen.results++;
    seen.status = result->status;
    seen.pid = result->pid;
    seen.value = result->type == &number_type ? ((const number *)result->value)->value : -1;
    seen_changed();
    return TROUPE_OK;
}

/* Sends a number to a name, or calls a pid. */
static int on_pass_on(troupe_self *self, void *state, const void *message)
{
    const pass_on *order = message;

    (void)state;
    if (order->name[0] != '\0' && order->value < 0) {
        return troupe_call_name(self, order->name, &number_type, &(number){order->value}, 0,
                                on_result, 0);
    }
    return order->name[0] != '\0'
               ? (int)troupe_send_name(self, order->name, &number_type, &(number){order->value})
               : (int)troupe_call(self, order->to, &withhold_type, NULL, 0, on_result, 0);
}

static int on_start_on(troupe_self *self, void *state, const void *message)
{
    const troupe_spawn_options options = {.flags = TROUPE_SPAWN_LINK | TROUPE_SPAWN_MONITOR};
    const start_on *order = message;

    (void)state;
    return (int)troupe_spawn_on(self, order->member, "test.victim", NULL, NULL, &options,
                                order->timeout_ms, on_result, 0);
}

/* The one request that is not answered yet. */
typedef struct keeper {
    troupe_from from;
} keeper;

static int on_withhold(troupe_self *self, void *state, const void *message)
{
    (void)message;
    ((keeper *)state)->from = troupe_take_from(self);
    return on_number(self, state, &(number){0});
}

static int on_speak(troupe_self *self, void *state, const void *message)
{
    (void)message;
    return troupe_reply_to(self, &((keeper *)state)->from, &number_type, &(number){4711});
}

static int on_fall(troupe_self *self, void *state, const void *message)
{
    (void)state;
    (void)message;
    return troupe_fail(self, "fell");
}

static int victim_init(troupe_self *self, void *state, const void *args)
{
    (void)state;
    (void)args;
    troupe_trap_exit(self, true);
    return TROUPE_OK;
}

static const troupe_handler handlers[] = {{&number_type, on_number},
                                          {&pass_on_type, on_pass_on},
                                          {&start_on_type, on_start_on},
                                          {&withhold_type, on_withhold},
                                          {&speak_type, on_speak},
                                          {&fall_type, on_fall},
                                          {&troupe_exit_type, on_exit_message},
                                          {&troupe_down_type, on_news},
                                          {&troupe_node_type, on_news},
                                          {&troupe_timeout_type, on_news},
                                          {&troupe_group_type, on_news},
                                          {0}};
static const troupe_behavior victim = {
    .name = "test.victim", .state_size = sizeof(keeper), .init = victim_init, .handlers = handlers};

troupe_pid spawn(const char *name)
{
    const troupe_spawn_options options = {.name = name};
    troupe_pid pid = {0};

    assert_int_equal(troupe_node_spawn(node, &victim, NULL, &options, &pid), TROUPE_OK);
    return pid;
}

void order_to_name(troupe_pid actor, const char *name, int64_t value)
{
    assert_int_equal(
        troupe_node_send(node, actor, &pass_on_type, &(pass_on){.name = name, .value = value}),
        TROUPE_OK);
}

void order_call(troupe_pid caller, troupe_pid callee)
{
    assert_int_equal(
        troupe_node_send(node, caller, &pass_on_type, &(pass_on){.name = "", .to = callee}),
        TROUPE_OK);
}

void order_request(troupe_pid caller, troupe_pid callee)
{
    const int64_t before = seen.numbers;

    order_call(caller, callee);
    await(&seen.numbers, before + 1);
}

void order_answer(troupe_pid callee)
{
    assert_int_equal(troupe_node_send(node, callee, &speak_type, NULL), TROUPE_OK);
}

void order_fall(troupe_pid callee)
{
    assert_int_equal(troupe_node_send(node, callee, &fall_type, NULL), TROUPE_OK);
}

void order_spawn(troupe_pid actor, const char *member, uint32_t timeout_ms)
{
    assert_int_equal(troupe_node_send(node, actor, &start_on_type, &(start_on){member, timeout_ms}),
                     TROUPE_OK);
}

void await(const int64_t *count, int64_t least)
{
    bool in_time = true;

    tr_mutex_lock(&seen.mutex);
    while (*count < least && in_time) {
        in_time = tr_cond_wait_for(&seen.changed, &seen.mutex, (int64_t)DEADLINE_MS * TR_NS_PER_MS);
    }
    tr_mutex_unlock(&seen.mutex);
    assert_true(in_time);
}

uint64_t refused(void)
{
    troupe_node_info info = {.struct_size = sizeof(info)};

    troupe_node_get_info(node, &info);
    return info.signals_refused;
}

/* ---- what the rogue says ---- */

troupe_pid evil(void)
{
    return (troupe_pid){.node = rogue.node_id, .id = EVIL_ACTOR};
}

void say_by(struct rogue *who, struct tr_message *message, troupe_pid from, troupe_pid to,
            uint64_t ref)
{
    uint8_t bytes[ROGUE_PACKET_MAX];

    assert_non_null(message);
    message->from = from;
    message->to = to;
    message->ref = ref;
    const size_t size = tr_codec_encode(message, 0, bytes, sizeof(bytes));

    tr_message_destroy(&cache, message);
    rogue_say(who, node_id, bytes, size);
}

void say(struct tr_message *message, troupe_pid from, troupe_pid to, uint64_t ref)
{
    say_by(&rogue, message, from, to, ref);
}

struct tr_message *value_in(enum tr_signal_kind signal, const troupe_type *type,
                            const void *content)
{
    return tr_message_create_value(&cache, signal, type, content, 0);
}

struct tr_message *number_in(enum tr_signal_kind signal, int64_t value)
{
    return value_in(signal, &number_type, &(number){value});
}

struct tr_message *reason_in(enum tr_signal_kind signal)
{
    return tr_message_create_reason(&cache, signal, TROUPE_REASON_KILL, "forged");
}

/* Says something honest and waits for it. */
void mark(troupe_pid to)
{
    static int64_t marks = 1000000;

    marks++;
    say(number_in(TR_SIGNAL_MESSAGE, marks), evil(), to, 0);
    tr_mutex_lock(&seen.mutex);
    bool in_time = true;

    while (seen.last != marks && in_time) {
        in_time = tr_cond_wait_for(&seen.changed, &seen.mutex, (int64_t)DEADLINE_MS * TR_NS_PER_MS);
    }
    seen.numbers--;
    seen.sum -= marks;
    tr_mutex_unlock(&seen.mutex);
    assert_true(in_time);
}

/* ---- the stage ---- */

int deceived_begin(void **state)
{
    troupe_config config;
    char error[256] = "";
    troupe_node_info info = {.struct_size = sizeof(info)};

    (void)state;
    memset(&seen, 0, sizeof(seen));
    tr_mutex_init(&seen.mutex);
    tr_cond_init(&seen.changed);
    tr_pool_init(&pool);
    tr_pool_cache_init(&cache, &pool, false);
    cluster = fake_cluster_create();
    troupe_config_init(&config);
    config.name = "n1";
    config.workers = 2;
    config.registry = fake_registry_create(cluster);
    if (troupe_node_start(&config, &node, error, sizeof(error)) != TROUPE_OK) {
        fail_msg("%s", error);
    }
    assert_int_equal(troupe_node_add_behavior(node, &victim, error, sizeof(error)), TROUPE_OK);
    troupe_node_get_info(node, &info);
    node_id = info.node_id;
    rogue_start(&rogue, cluster, "evil");
    rogue_wait_up(&rogue, node_id);
    mark(spawn(NULL)); /* the session is up on that side too */
    return 0;
}

int deceived_end(void **state)
{
    (void)state;
    rogue_stop(&rogue);
    troupe_node_stop(node, DEADLINE_MS);
    fake_cluster_destroy(cluster);
    tr_pool_fini(&pool);
    return 0;
}
