/* What is tested: sched, one step at a time in one thread, with a clock and ports of the test: what
 * threads, other nodes and registries bring about only now and then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sched/self.h"

enum { FAR_NODE = 99, FAR_SESSION = 3, POSTED_MAX = 64 };

/* What went to the other node, and what the ports were told. */
struct posted {
    uint8_t signal;
    troupe_pid to;
    uint64_t ref;
};

static struct {
    struct tr_sched *sched;
    int64_t now_ns;
    struct posted posted[POSTED_MAX];
    size_t posted_count;
    char unnamed[64];
    uint64_t unnamed_epoch;
    uint32_t unwatched;
    int rows; /* added and not removed */
} world;

/* What an actor of the tests has seen. */
struct log {
    int numbers;
    int exits;
    int downs;
    int32_t kind;
    int results;
    troupe_status status;
};

typedef struct number {
    int64_t value;
} number;
TROUPE_TYPE(number, "test.number", TROUPE_FIELD(number, value, 1));

static struct log *log_of(void *state)
{
    return *(struct log **)state;
}

static int init(troupe_self *self, void *state, const void *args)
{
    *(struct log **)state = *(struct log *const *)args;
    troupe_trap_exit(self, true);
    return TROUPE_OK;
}

static int on_number(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)message;
    log_of(state)->numbers++;
    return TROUPE_OK;
}

static int on_exit_message(troupe_self *self, void *state, const void *message)
{
    (void)self;
    log_of(state)->exits++;
    log_of(state)->kind = ((const troupe_exit_message *)message)->kind;
    return TROUPE_OK;
}

static int on_down(troupe_self *self, void *state, const void *message)
{
    (void)self;
    log_of(state)->downs++;
    log_of(state)->kind = ((const troupe_down_message *)message)->kind;
    return TROUPE_OK;
}

static const troupe_handler handlers[] = {{&number_type, on_number},
                                          {&troupe_exit_type, on_exit_message},
                                          {&troupe_down_type, on_down},
                                          {0}};
static const troupe_behavior behavior = {
    .name = "test.actor", .state_size = sizeof(struct log *), .init = init, .handlers = handlers};

/* ---- ports ---- */

static troupe_status port_post(void *context, struct tr_message *message, bool *crowded)
{
    (void)crowded;
    (void)context;
    assert_int_equal(message->to.node, FAR_NODE);
    assert_true(world.posted_count < POSTED_MAX);
    world.posted[world.posted_count++] =
        (struct posted){.signal = message->signal, .to = message->to, .ref = message->ref};
    tr_message_destroy(&world.sched->shared_cache, message);
    return TROUPE_OK;
}

static uint32_t port_watch(void *context, uint64_t node_id, uint64_t actor_id)
{
    (void)context;
    (void)actor_id;
    return node_id == FAR_NODE ? FAR_SESSION : 0;
}

static void port_unwatch(void *context, uint64_t node_id, uint64_t actor_id)
{
    (void)context;
    (void)node_id;
    (void)actor_id;
    world.unwatched++;
}

static void port_relation(void *context, bool made, const struct tr_relation *relation,
                          troupe_pid self)
{
    (void)context;
    (void)self;
    assert_true(relation->row);
    world.rows += made ? 1 : -1;
}

static void port_unnamed(void *context, uint64_t actor_id, const char *name, uint64_t epoch)
{
    (void)context;
    (void)actor_id;
    (void)snprintf(world.unnamed, sizeof(world.unnamed), "%s", name);
    world.unnamed_epoch = epoch;
}

static void port_ended(void *context, struct tr_actor *actor, int32_t reason_kind)
{
    (void)context;
    (void)actor;
    (void)reason_kind;
}

static void port_log(void *context, int32_t level, troupe_pid pid, const char *text)
{
    (void)context;
    (void)level;
    (void)pid;
    (void)text;
}

static int64_t now(void *context)
{
    (void)context;
    return world.now_ns;
}

static const struct tr_clock clock_of_test = {.now = now, .coarse = now};

static int begin(void **state)
{
    const struct tr_sched_options options = {.workers = 1,
                                             .actors_max = 100,
                                             .mailbox_messages = 1000,
                                             .mailbox_bytes = 1u << 20,
                                             .call_timeout_ms = 1000,
                                             .clock = &clock_of_test,
                                             .outward = {.post = port_post,
                                                         .watch = port_watch,
                                                         .unwatch = port_unwatch,
                                                         .relation = port_relation,
                                                         .unnamed = port_unnamed,
                                                         .ended = port_ended,
                                                         .log = port_log}};

    (void)state;
    memset(&world, 0, sizeof(world));
    world.now_ns = 1000 * TR_NS_PER_MS;
    return tr_sched_create(&options, &world.sched) == TROUPE_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    tr_sched_destroy(world.sched);
    return 0;
}

static void run(void)
{
    /* A step without an actor may still have found that a time has come. */
    for (int idle = 0; idle < 2;) {
        idle = tr_worker_step(&world.sched->workers[0]) ? 0 : idle + 1;
    }
}

static void pass(int64_t milliseconds)
{
    world.now_ns += milliseconds * TR_NS_PER_MS;
    run();
}

static troupe_pid spawn(struct log *log)
{
    const struct tr_spawn request = {.behavior = &behavior, .args = &log};
    troupe_pid pid = {0};

    assert_int_equal(tr_actor_spawn(world.sched, &world.sched->workers[0], &request, &pid, NULL, 0),
                     TROUPE_OK);
    run();
    return pid;
}

static struct tr_message *create(enum tr_signal_kind signal, size_t size, troupe_pid to)
{
    struct tr_message *message = tr_message_create(&world.sched->shared_cache, signal, size);

    assert_non_null(message);
    message->to = to;
    return message;
}

static void post(struct tr_message *message)
{
    (void)tr_sched_post(world.sched, NULL, message);
}

static void post_kill(troupe_pid to)
{
    struct tr_message *message = tr_message_create_reason(&world.sched->shared_cache,
                                                          TR_SIGNAL_EXIT, TROUPE_REASON_KILL, NULL);

    assert_non_null(message);
    message->to = to;
    post(message);
}

/* Runs a function in an actor, now. */
static void in_actor(troupe_pid pid, void (*function)(troupe_self *self, void *context),
                     void *context)
{
    assert_int_equal(tr_sched_run_in(world.sched, pid.id, function, context), TROUPE_OK);
    run();
}

static size_t count_posted(enum tr_signal_kind signal)
{
    size_t count = 0;

    for (size_t i = 0; i < world.posted_count; i++) {
        count += world.posted[i].signal == signal ? 1 : 0;
    }
    return count;
}

static void a_message_for_who_had_the_slot_before_goes_back(void **state)
{
    struct log first = {0};
    struct log second = {0};
    const troupe_pid old = spawn(&first);
    struct tr_actor *slot = tr_table_find(&world.sched->table, old.id);

    (void)state;
    post_kill(old);
    run();
    const troupe_pid young = spawn(&second);

    assert_ptr_equal(tr_table_find(&world.sched->table, young.id), slot);
    /* As a pusher does that looked the old actor up before it ended. */
    struct tr_message *call = tr_message_create_value(&world.sched->shared_cache, TR_SIGNAL_CALL,
                                                      &number_type, &(number){.value = 1}, 0);

    assert_non_null(call);
    call->to = old;
    call->from = (troupe_pid){.node = FAR_NODE, .id = 7};
    call->ref = 5;
    assert_int_equal(tr_inbox_push(&slot->inbox, &call->item, true, 0, 100), TR_INBOX_WAKE);
    tr_sched_enqueue(world.sched, NULL, slot);
    run();
    assert_int_equal(second.numbers, 0);
    assert_int_equal(world.posted_count, 1);
    assert_int_equal(world.posted[0].signal, TR_SIGNAL_CALL_FAILED);
    assert_int_equal(world.posted[0].ref, 5);
    assert_int_equal(tr_load32_relaxed(&slot->waiting), 0);
}

/* ---- functions ---- */

struct told {
    int with_self;
    int without;
};

static void count_call(troupe_self *self, void *context)
{
    struct told *told = context;

    told->with_self += self != NULL ? 1 : 0;
    told->without += self == NULL ? 1 : 0;
}

static void a_function_is_run_exactly_once_whoever_ends(void **state)
{
    struct log log = {0};
    struct told told = {0};
    const troupe_pid pid = spawn(&log);

    (void)state;
    in_actor(pid, count_call, &told);
    assert_int_equal(told.with_self, 1);
    post_kill(pid);
    assert_int_equal(tr_sched_run_in(world.sched, pid.id, count_call, &told), TROUPE_OK);
    run();
    assert_int_equal(told.without, 1);
    assert_int_equal(tr_sched_run_in(world.sched, pid.id, count_call, &told), TROUPE_OK);
    assert_int_equal(told.without, 2);
    assert_int_equal(tr_sched_inspect(world.sched, pid.id, count_call, &told), TROUPE_OK);
    assert_int_equal(told.without, 3);
    assert_int_equal(told.with_self, 1);
}

static void post_named(troupe_pid to, troupe_status status, uint64_t epoch)
{
    struct tr_message *message = create(TR_SIGNAL_NAMED, sizeof(struct tr_named) + 8, to);
    struct tr_named *named = (struct tr_named *)(void *)message->payload;

    named->epoch = epoch;
    named->status = status;
    memcpy(named->text, "ada", 4);
    post(message);
}

static void a_name_given_to_the_dead_is_given_back_with_its_epoch(void **state)
{
    struct log log = {0};
    const troupe_pid pid = spawn(&log);

    (void)state;
    post_kill(pid);
    run();
    post_named(pid, TROUPE_OK, 42);
    assert_string_equal(world.unnamed, "ada");
    assert_int_equal(world.unnamed_epoch, 42);
    world.unnamed[0] = '\0';
    post_named(pid, TROUPE_E_EXISTS, 0);
    assert_string_equal(world.unnamed, ""); /* A refused one was never its own. */
}

static void a_refused_name_ends_only_who_was_started_with_it(void **state)
{
    struct log log = {0};
    const troupe_pid pid = spawn(&log);

    (void)state;
    post_named(pid, TROUPE_E_EXISTS, 0);
    run();
    assert_non_null(tr_table_find(&world.sched->table, pid.id));
    tr_table_find(&world.sched->table, pid.id)->flags |= TR_ACTOR_HELD;
    post_named(pid, TROUPE_E_EXISTS, 0);
    run();
    assert_null(tr_table_find(&world.sched->table, pid.id));
}

/* ---- answers to spawns ---- */

static int on_spawned(troupe_self *self, void *state, const troupe_result *result)
{
    (void)self;
    log_of(state)->results++;
    log_of(state)->status = result->status;
    return TROUPE_OK;
}

static void wait_for_spawn(troupe_self *self, void *context)
{
    struct tr_wait *wait = tr_wait_start(self, TR_WAIT_OPERATION, 20);

    assert_non_null(wait);
    wait->then = on_spawned;
    wait->peer = (troupe_pid){.node = FAR_NODE};
    *(uint64_t *)context = wait->ref;
}

static const troupe_pid child = {.node = FAR_NODE, .id = 1234};

static void post_of_child(troupe_pid to, uint64_t ref, struct tr_message *message)
{
    assert_non_null(message);
    message->to = to;
    message->from = child;
    message->ref = ref;
    message->session = FAR_SESSION;
    post(message);
}

static void post_spawned(troupe_pid to, uint64_t ref)
{
    post_of_child(to, ref,
                  tr_message_create_result(&world.sched->shared_cache, ref, TROUPE_OK, child,
                                           TROUPE_SPAWN_LINK | TROUPE_SPAWN_MONITOR, ""));
}

static void post_end_of_child(troupe_pid to, enum tr_signal_kind signal, uint64_t ref)
{
    post_of_child(
        to, ref,
        tr_message_create_reason(&world.sched->shared_cache, signal, TROUPE_REASON_SHUTDOWN, NULL));
}

static void an_end_right_behind_the_answer_is_seen(void **state)
{
    struct log log = {0};
    uint64_t ref = 0;
    const troupe_pid pid = spawn(&log);

    (void)state;
    in_actor(pid, wait_for_spawn, &ref);
    post_spawned(pid, ref);
    post_end_of_child(pid, TR_SIGNAL_LINK_EXIT, 0);
    post_end_of_child(pid, TR_SIGNAL_DOWN, ref);
    run();
    assert_int_equal(log.results, 1);
    assert_int_equal(log.exits, 1);
    assert_int_equal(log.downs, 1);
    assert_int_equal(log.kind, TROUPE_REASON_SHUTDOWN);
    /* The child was asked again, in case that its end had come before the answer. */
    assert_int_equal(count_posted(TR_SIGNAL_LINK), 1);
    assert_int_equal(count_posted(TR_SIGNAL_MONITOR), 1);
    /* What comes back for that is not a second end. */
    post_end_of_child(pid, TR_SIGNAL_LINK_EXIT, 0);
    post_end_of_child(pid, TR_SIGNAL_DOWN, ref);
    run();
    assert_int_equal(log.exits + log.downs, 2);
}

static void an_answer_that_is_late_leaves_no_half_of_a_link(void **state)
{
    struct log log = {0};
    uint64_t ref = 0;
    const troupe_pid pid = spawn(&log);

    (void)state;
    in_actor(pid, wait_for_spawn, &ref);
    pass(30);
    assert_int_equal(log.status, TROUPE_E_TIMEOUT);
    post_spawned(pid, ref);
    run();
    assert_int_equal(log.results, 1);
    assert_int_equal(count_posted(TR_SIGNAL_UNLINK), 1);
    assert_int_equal(count_posted(TR_SIGNAL_DEMONITOR), 1);
    assert_true(troupe_pid_equal(world.posted[0].to, child));
    post_end_of_child(pid, TR_SIGNAL_UNLINK_ACK, world.posted[0].ref);
    run();
    assert_int_equal(tr_table_find(&world.sched->table, pid.id)->relations.count, 0);
}

/* ---- the loss of a node ---- */

static void relate_far(troupe_self *self, void *context)
{
    uint64_t *monitor = context;

    assert_int_equal(troupe_link(self, child), TROUPE_OK);
    assert_int_equal(troupe_monitor(self, child, monitor), TROUPE_OK);
    assert_int_equal(troupe_call(self, child, &number_type, &(number){0}, 0, on_spawned, 0),
                     TROUPE_OK);
}

static void post_lost(troupe_pid to, uint32_t session, troupe_status status)
{
    struct tr_message *message = create(TR_SIGNAL_NODE_LOST, 0, to);

    message->ref = FAR_NODE;
    message->session = session;
    message->status = (int16_t)status;
    post(message);
    run();
}

static void a_lost_node_ends_each_relation_once(void **state)
{
    struct log log = {0};
    uint64_t monitor = 0;
    const troupe_pid pid = spawn(&log);

    (void)state;
    in_actor(pid, relate_far, &monitor);
    assert_int_equal(count_posted(TR_SIGNAL_LINK), 1);
    post_lost(pid, FAR_SESSION - 1, TROUPE_OK); /* An older session: nothing of this one. */
    assert_int_equal(log.exits + log.downs, 0);
    post_lost(pid, FAR_SESSION, TROUPE_OK);
    post_lost(pid, FAR_SESSION, TROUPE_OK);
    assert_int_equal(log.exits, 1);
    assert_int_equal(log.downs, 1);
    assert_int_equal(log.results, 1);
    assert_int_equal(log.status, TROUPE_E_NOCONNECTION);
    assert_int_equal(log.kind, TROUPE_REASON_NOCONNECTION);
    /* What comes late from there does nothing any more. */
    post_end_of_child(pid, TR_SIGNAL_LINK_EXIT, 0);
    post_end_of_child(pid, TR_SIGNAL_DOWN, monitor);
    run();
    assert_int_equal(log.exits + log.downs, 2);
    /* Their rows are gone, but those of a node that is down are left to who sweeps them. */
    in_actor(pid, relate_far, &monitor);
    post_lost(pid, FAR_SESSION, TROUPE_E_FENCED);
    assert_int_equal(log.exits + log.downs, 4);
    assert_int_equal(world.rows, 2);
}

static void start_interval(troupe_self *self, void *context)
{
    assert_int_equal(troupe_send_interval(self, 10, tr_self_pid(self), &number_type,
                                          &(number){.value = 1}, context),
                     TROUPE_OK);
}

static void an_interval_does_not_drift_however_late_it_is_handled(void **state)
{
    struct log log = {0};
    uint64_t timer = 0;
    const troupe_pid pid = spawn(&log);

    (void)state;
    in_actor(pid, start_interval, &timer);
    pass(11);
    assert_int_equal(log.numbers, 1);
    for (int i = 0; i < 20; i++) {
        pass(13); /* Three late; */
        assert_int_equal(log.numbers, 2 * i + 2);
        pass(7); /* in time again. */
        assert_int_equal(log.numbers, 2 * i + 3);
    }
    /* After a long time without a processor the missed ones do not all come at once. */
    pass(1000);
    assert_int_equal(log.numbers, 42);
}

/* ---- turns ---- */

static int send_again(troupe_self *self, void *state, const void *message)
{
    (void)state;
    return troupe_send(self, tr_self_pid(self), &number_type, message);
}

static const troupe_handler restless_handlers[] = {{&number_type, send_again}, {0}};
static const troupe_behavior restless = {.name = "test.restless", .handlers = restless_handlers};

static void who_always_has_something_to_do_leaves_turns_to_others(void **state)
{
    const struct tr_spawn request = {.behavior = &restless};
    struct log log = {0};
    troupe_pid pid = {0};
    const troupe_pid other = spawn(&log);

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            tr_actor_spawn(world.sched, &world.sched->workers[0], &request, &pid, NULL, 0),
            TROUPE_OK);
        struct tr_message *first = tr_message_create_value(
            &world.sched->shared_cache, TR_SIGNAL_MESSAGE, &number_type, &(number){0}, 0);

        assert_non_null(first);
        first->to = pid;
        post(first);
    }
    for (int round = 1; round <= 10; round++) {
        struct tr_message *message = tr_message_create_value(
            &world.sched->shared_cache, TR_SIGNAL_MESSAGE, &number_type, &(number){0}, 0);

        assert_non_null(message);
        message->to = other;
        post(message);
        /* Sixty-odd turns until somebody looks at what other threads have sent. */
        for (int i = 0; i < 200 && log.numbers < round; i++) {
            assert_true(tr_worker_step(&world.sched->workers[0]));
        }
        assert_int_equal(log.numbers, round);
    }
}

#define SCHED_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCHED_TEST(a_message_for_who_had_the_slot_before_goes_back),
        SCHED_TEST(a_function_is_run_exactly_once_whoever_ends),
        SCHED_TEST(a_name_given_to_the_dead_is_given_back_with_its_epoch),
        SCHED_TEST(a_refused_name_ends_only_who_was_started_with_it),
        SCHED_TEST(an_end_right_behind_the_answer_is_seen),
        SCHED_TEST(an_answer_that_is_late_leaves_no_half_of_a_link),
        SCHED_TEST(a_lost_node_ends_each_relation_once),
        SCHED_TEST(an_interval_does_not_drift_however_late_it_is_handled),
        SCHED_TEST(who_always_has_something_to_do_leaves_turns_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
