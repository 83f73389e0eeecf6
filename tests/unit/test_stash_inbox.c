/* What is tested: what becomes of a durable message's row when its message is put away, one step at
 * a time in one thread, with ports of the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sched/self.h"
#include "troupe/mailbox.h"

enum { ROW = 77 };

enum order { STASH, OPEN, CLEAR, STASH_AND_FAIL };

typedef struct order_message {
    int32_t order;
} order_message;
TROUPE_TYPE(order_message, "test.order", TROUPE_FIELD(order_message, order, 1));

static struct {
    struct tr_sched *sched;
    int64_t now_ns;
    bool open; /* handle what comes, whatever it orders */
    uint64_t handled;
    uint64_t failed;
    int handled_count;
} world;

static int on_order(troupe_self *self, void *state, const void *message)
{
    (void)state;
    if (world.open) {
        return TROUPE_OK;
    }
    switch ((enum order)((const order_message *)message)->order) {
    case STASH:
        return troupe_stash(self);
    case OPEN:
        world.open = true;
        (void)troupe_unstash_all(self);
        break;
    case CLEAR:
        (void)troupe_clear_stash(self);
        break;
    case STASH_AND_FAIL:
        return troupe_stash(self) == TROUPE_OK ? troupe_fail(self, "no") : TROUPE_OK;
    }
    return TROUPE_OK;
}

static const troupe_handler handlers[] = {{&order_message_type, on_order}, {0}};
static const troupe_behavior behavior = {.name = "test.durable", .handlers = handlers};

static void port_handled(void *context, troupe_self *self, uint64_t row_id)
{
    (void)context;
    (void)self;
    world.handled = row_id;
    world.handled_count++;
}

static void port_failed(void *context, troupe_self *self, uint64_t row_id, const char *why)
{
    (void)context;
    (void)self;
    (void)why;
    world.failed = row_id;
}

static void port_ended(void *context, struct tr_actor *actor, int32_t reason_kind)
{
    (void)context;
    (void)actor;
    (void)reason_kind;
}

static int64_t port_now(void *context)
{
    (void)context;
    return world.now_ns;
}

static const struct tr_clock test_clock = {.now = port_now, .coarse = port_now};
static uint64_t actor;

static int begin(void **state)
{
    const struct tr_sched_options options = {.workers = 1,
                                             .actors_max = 1024,
                                             .mailbox_messages = 10,
                                             .mailbox_bytes = 1000000,
                                             .call_timeout_ms = 1000,
                                             .seed = 1,
                                             .clock = &test_clock,
                                             .outward = {.ended = port_ended,
                                                         .inbox_handled = port_handled,
                                                         .inbox_failed = port_failed}};
    const struct tr_spawn spawn = {.behavior = &behavior};
    troupe_pid pid = {0};

    (void)state;
    memset(&world, 0, sizeof(world));
    assert_int_equal(tr_sched_create(&options, &world.sched), TROUPE_OK);
    assert_int_equal(tr_actor_spawn(world.sched, &world.sched->workers[0], &spawn, &pid, NULL, 0),
                     TROUPE_OK);
    actor = pid.id;
    return 0;
}

static int end(void **state)
{
    (void)state;
    tr_sched_destroy(world.sched);
    return 0;
}

/* Sends an order, from the inbox table or as anybody would, and has it handled. */
static void order(enum order order, bool from_inbox)
{
    struct tr_message *message =
        tr_message_create_value(&world.sched->shared_cache, TR_SIGNAL_MESSAGE, &order_message_type,
                                &(order_message){.order = (int32_t)order}, 0);

    assert_non_null(message);
    message->to = (troupe_pid){.node = tr_sched_node_id(world.sched), .id = actor};
    message->ref = from_inbox ? ROW : 0;
    message->flags = from_inbox ? TR_MESSAGE_INBOX : 0;
    assert_int_equal(tr_sched_post(world.sched, NULL, message), TROUPE_OK);
    while (tr_worker_step(&world.sched->workers[0])) {
    }
}

static void a_row_stays_until_its_message_is_handled(void **state)
{
    (void)state;
    order(STASH, true);
    assert_int_equal(world.handled, 0);
    assert_int_equal(world.failed, 0);
    order(OPEN, false);
    assert_int_equal(world.handled, ROW);
    assert_int_equal(world.handled_count, 1);
}

static void a_row_whose_message_is_dropped_is_done_with(void **state)
{
    (void)state;
    order(STASH, true);
    order(CLEAR, false);
    assert_int_equal(world.handled, ROW);
}

static void a_handler_that_fails_has_failed_though_it_put_away(void **state)
{
    (void)state;
    order(STASH_AND_FAIL, true);
    assert_int_equal(world.handled, 0);
    assert_int_equal(world.failed, ROW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_row_stays_until_its_message_is_handled, begin, end),
        cmocka_unit_test_setup_teardown(a_row_whose_message_is_dropped_is_done_with, begin, end),
        cmocka_unit_test_setup_teardown(a_handler_that_fails_has_failed_though_it_put_away, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
