/* What is tested: what an actor has itself handle before its next message, through the public API,
 * with one worker, two and four. */
#include "support/actors.h"

static uint32_t workers;
static struct stage *stage;
static struct probe *log_probe, *sender;

typedef struct go_on {
    int64_t value;
} go_on;
TROUPE_TYPE(go_on, "test.go_on", TROUPE_FIELD(go_on, value, 1));

enum order {
    SHUT,     /* numbers are put away */
    CONTINUE, /* with 3000, then 3001, which continues with 3002 */
    MIXED     /* with 1, then what was put away, then 2 */
};
typedef struct order_message {
    int32_t order;
} order_message;
TROUPE_TYPE(order_message, "test.order", TROUPE_FIELD(order_message, order, 1));

struct goer {
    bool shut;
};

static int go(troupe_self *self, int64_t value)
{
    return troupe_continue(self, &go_on_type, &(go_on){.value = value});
}

static int report(troupe_self *self, int64_t value)
{
    return troupe_send(self, log_probe->pid, &number_type, &(number){.value = value});
}

static int on_number(troupe_self *self, void *state, const void *message)
{
    return ((struct goer *)state)->shut ? (int)troupe_stash(self)
                                        : report(self, ((const number *)message)->value);
}

static int on_go_on(troupe_self *self, void *state, const void *message)
{
    const int64_t value = ((const go_on *)message)->value;
    int status = TROUPE_OK;

    (void)state;
    if (value == -7) {
        return troupe_fail(self, "cannot go on");
    }
    if (value == 3001) {
        status = go(self, 3002);
    }
    return status != TROUPE_OK ? status : report(self, value);
}

static int on_order(troupe_self *self, void *state, const void *message)
{
    struct goer *goer = state;
    int status = TROUPE_OK;

    switch ((enum order)((const order_message *)message)->order) {
    case SHUT:
        goer->shut = true;
        break;
    case CONTINUE:
        status = go(self, 3000);
        return status != TROUPE_OK ? status : go(self, 3001);
    case MIXED:
        goer->shut = false;
        status = go(self, 1);
        (void)troupe_unstash_all(self);
        return status != TROUPE_OK ? status : go(self, 2);
    }
    return TROUPE_OK;
}

static const troupe_handler handlers[] = {
    {&number_type, on_number}, {&go_on_type, on_go_on}, {&order_message_type, on_order}, {0}};

static int init_three(troupe_self *self, void *state, const void *args)
{
    int status = go(self, 5000);

    (void)state;
    (void)args;
    status = status != TROUPE_OK ? status : go(self, 5001);
    return status != TROUPE_OK ? status : go(self, 5002);
}

static int init_bad(troupe_self *self, void *state, const void *args)
{
    (void)state;
    (void)args;
    return go(self, -7);
}

static int init_stop(troupe_self *self, void *state, const void *args)
{
    const int status = go(self, 1);

    (void)state;
    (void)args;
    return status == TROUPE_OK ? TROUPE_STOP : status;
}

static troupe_pid spawn(int (*init)(troupe_self *self, void *state, const void *args))
{
    static troupe_behavior behavior;
    troupe_pid pid = {0};

    behavior = (troupe_behavior){
        .name = "test.goer", .state_size = sizeof(struct goer), .init = init, .handlers = handlers};
    assert_int_equal(troupe_node_spawn(stage->node, &behavior, NULL, NULL, &pid), TROUPE_OK);
    return pid;
}

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(workers);
    log_probe = probe_spawn(stage, NULL);
    sender = probe_spawn(stage, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

static void expect(size_t index, int64_t value)
{
    assert_int_equal(probe_wait(log_probe, index)->number, value);
}

static void send(troupe_pid to, int64_t value)
{
    assert_int_equal(troupe_node_send(stage->node, to, &number_type, &(number){.value = value}),
                     TROUPE_OK);
}

static void tell(troupe_pid to, enum order order)
{
    assert_int_equal(troupe_node_send(stage->node, to, &order_message_type,
                                      &(order_message){.order = (int32_t)order}),
                     TROUPE_OK);
}

static void what_init_continues_with_comes_before_every_message(void **state)
{
    (void)state;
    send(spawn(init_three), 1);
    expect(0, 5000);
    expect(1, 5001);
    expect(2, 5002);
    expect(3, 1);
}

static int post_all(troupe_self *self, struct probe *probe, void *context)
{
    const troupe_pid to = *(const troupe_pid *)context;
    const troupe_status status =
        troupe_send(self, to, &order_message_type, &(order_message){.order = CONTINUE});

    (void)probe;
    return status != TROUPE_OK ? (int)status
                               : troupe_send(self, to, &number_type, &(number){.value = 1});
}

static void continuing_comes_before_what_waits_and_in_order(void **state)
{
    troupe_pid goer = spawn(NULL);

    (void)state;
    for (size_t i = 0; i < 40; i += 4) {
        assert_int_equal(probe_do(sender, post_all, &goer), TROUPE_OK);
        expect(i, 3000);
        expect(i + 1, 3001);
        expect(i + 2, 3002);
        expect(i + 3, 1);
    }
}

static void continuing_comes_before_what_was_brought_back(void **state)
{
    const int64_t wanted[] = {1, 2, 10, 11, 12};
    const troupe_pid goer = spawn(NULL);

    (void)state;
    tell(goer, SHUT);
    send(goer, 10);
    send(goer, 11);
    tell(goer, MIXED);
    send(goer, 12);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        expect(i, wanted[i]);
    }
}

static void a_failure_there_ends_the_actor_as_any_other(void **state)
{
    (void)state;
    (void)spawn(init_bad); /* The spawn succeeds: init did. */
    stage_wait_actors(stage, 2);
}

static void what_is_left_at_the_end_is_freed(void **state)
{
    (void)state;
    (void)spawn(init_stop);
    stage_wait_actors(stage, 2);
    assert_int_equal(probe_seen(log_probe), 0);
}

#define CONTINUE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTINUE_TEST(what_init_continues_with_comes_before_every_message),
        CONTINUE_TEST(continuing_comes_before_what_waits_and_in_order),
        CONTINUE_TEST(continuing_comes_before_what_was_brought_back),
        CONTINUE_TEST(a_failure_there_ends_the_actor_as_any_other),
        CONTINUE_TEST(what_is_left_at_the_end_is_freed),
    };

    return stage_run_tests(tests, sizeof(tests) / sizeof(tests[0]), &workers);
}
