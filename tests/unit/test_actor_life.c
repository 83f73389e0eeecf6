/* What is tested: how actors begin, run and end on one node, through the public API. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/actors.h"

static struct stage *stage;
static struct probe *a, *b;

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(2);
    a = probe_spawn(stage, NULL);
    b = probe_spawn(stage, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

/* ---- an actor whose init does what its arguments say ---- */

enum in_init { INIT_OK, INIT_FAIL, INIT_STATUS, INIT_STOP, INIT_STOP_WITH, INIT_LINK_AND_FAIL };

typedef struct orders {
    int32_t in_init;
    uint64_t address; /* of a struct trace */
    troupe_pid pid;
} orders;
TROUPE_TYPE(orders, "test.orders", TROUPE_FIELD(orders, in_init, 1),
            TROUPE_FIELD(orders, address, 2), TROUPE_FIELD(orders, pid, 3));

struct trace {
    atomic_int terminated;
    atomic_int released;
    atomic_int handled;
};

struct novice {
    struct trace *trace;
};

static int novice_init(troupe_self *self, void *state, const void *args)
{
    const orders *o = args;

    ((struct novice *)state)->trace = (struct trace *)(uintptr_t)o->address;
    switch ((enum in_init)o->in_init) {
    case INIT_OK:
        break;
    case INIT_FAIL:
        return troupe_fail(self, "not today");
    case INIT_STATUS:
        return TROUPE_E_DENIED;
    case INIT_STOP:
        return TROUPE_STOP;
    case INIT_STOP_WITH:
        return troupe_stop(self, TROUPE_REASON_ERROR, "enough");
    case INIT_LINK_AND_FAIL:
        return troupe_link(self, o->pid) == TROUPE_OK ? troupe_fail(self, "not today") : TROUPE_OK;
    }
    return TROUPE_OK;
}

static void novice_terminate(troupe_self *self, void *state, const troupe_reason *reason)
{
    (void)self;
    (void)reason;
    (void)atomic_fetch_add(&((struct novice *)state)->trace->terminated, 1);
}

static void novice_release(void *state)
{
    if (((struct novice *)state)->trace != NULL) {
        (void)atomic_fetch_add(&((struct novice *)state)->trace->released, 1);
    }
}

static int novice_on_number(troupe_self *self, void *state, const void *message)
{
    const number *n = message;

    (void)atomic_fetch_add(&((struct novice *)state)->trace->handled, 1);
    switch (n->value) {
    case 1:
        return TROUPE_STOP;
    case 2:
        return TROUPE_E_DENIED;
    case 3:
        return troupe_fail(self, "number %d", 3);
    case 4:
        return troupe_stop(self, TROUPE_REASON_SHUTDOWN, "four");
    case 5:
        return 12345; /* Nothing that a handler may answer. */
    case 6:
        return troupe_stop(self, 4711, "no such kind");
    case 7: /* The first reason counts. */
        (void)troupe_stop(self, TROUPE_REASON_SHUTDOWN, "first");
        (void)troupe_stop(self, TROUPE_REASON_ERROR, "second");
        return TROUPE_E_FAILED;
    default:
        return TROUPE_OK;
    }
}

static const troupe_handler novice_handlers[] = {{&number_type, novice_on_number}, {0}};
static const troupe_behavior novice_behavior = {.name = "test.novice",
                                                .state_size = sizeof(struct novice),
                                                .args = &orders_type,
                                                .init = novice_init,
                                                .terminate = novice_terminate,
                                                .release = novice_release,
                                                .handlers = novice_handlers};

struct request {
    const troupe_behavior *behavior;
    const void *args;
    troupe_spawn_options options;
    troupe_status status;
    troupe_pid pid;
};

static int do_spawn(troupe_self *self, struct probe *probe, void *context)
{
    struct request *request = context;

    (void)probe;
    request->status =
        troupe_spawn(self, request->behavior, request->args, &request->options, &request->pid);
    return TROUPE_OK;
}

static troupe_status spawn_novice(enum in_init what, uint32_t flags, struct trace *trace,
                                  troupe_pid *pid)
{
    const orders o = {
        .in_init = (int32_t)what, .address = (uint64_t)(uintptr_t)trace, .pid = b->pid};
    struct request request = {.behavior = &novice_behavior, .args = &o, .options.flags = flags};

    assert_int_equal(probe_do(a, do_spawn, &request), TROUPE_OK);
    if (pid != NULL) {
        *pid = request.pid;
    }
    return request.status;
}

/* ---- beginning ---- */

static void a_failed_init_is_the_spawner_s_error_and_leaves_nothing(void **state)
{
    struct trace trace = {0};
    troupe_pid pid = {0};

    (void)state;
    assert_int_equal(
        spawn_novice(INIT_FAIL, TROUPE_SPAWN_LINK | TROUPE_SPAWN_MONITOR, &trace, &pid),
        TROUPE_E_FAILED);
    assert_int_equal(spawn_novice(INIT_STATUS, TROUPE_SPAWN_LINK, &trace, &pid), TROUPE_E_DENIED);
    assert_true(troupe_pid_is_none(pid));
    stage_wait_actors(stage, 2);
    assert_int_equal(probe_seen(a), 0);
    assert_int_equal(atomic_load(&trace.terminated), 0);
    assert_int_equal(atomic_load(&trace.released), 2);
}

static void whom_a_failed_init_had_linked_sees_the_reason(void **state)
{
    struct trace trace = {0};

    (void)state;
    probe_trap(b, true);
    assert_int_equal(spawn_novice(INIT_LINK_AND_FAIL, 0, &trace, NULL), TROUPE_E_FAILED);
    assert_int_equal(probe_wait(b, 0)->what, SAW_EXIT);
    /* The link may have come too late for the reason. */
    assert_true(b->seen[0].kind == TROUPE_REASON_NOPROC ||
                strcmp(b->seen[0].text, "not today") == 0);
    assert_int_equal(probe_seen(b), 1);
}

static void stopping_in_init_is_an_orderly_end(void **state)
{
    struct trace trace = {0};

    (void)state;
    assert_int_equal(spawn_novice(INIT_STOP, TROUPE_SPAWN_MONITOR, &trace, NULL), TROUPE_OK);
    assert_int_equal(probe_wait(a, 0)->kind, TROUPE_REASON_NORMAL);
    assert_int_equal(spawn_novice(INIT_STOP_WITH, TROUPE_SPAWN_MONITOR, &trace, NULL), TROUPE_OK);
    assert_string_equal(probe_wait(a, 1)->text, "enough");
    stage_wait_actors(stage, 2);
    assert_int_equal(atomic_load(&trace.terminated), 2);
}

static void a_linked_child_takes_its_parent_along(void **state)
{
    struct probe *child = probe_spawn_child(a, TROUPE_SPAWN_LINK, NULL);

    (void)state;
    probe_stop(child, TROUPE_REASON_ERROR, "young");
    assert_string_equal(probe_wait(a, 0)->text, "young");
    stage_wait_actors(stage, 1);
}

static void a_monitored_child_is_told_of(void **state)
{
    uint64_t monitor = 0;
    struct probe *child = probe_spawn_child(a, TROUPE_SPAWN_MONITOR, &monitor);

    (void)state;
    assert_int_not_equal(monitor, 0);
    probe_stop(child, TROUPE_REASON_ERROR, "young");
    assert_int_equal(probe_wait(a, 0)->ref, monitor);
    assert_int_equal(a->seen[0].what, SAW_DOWN);
    assert_int_equal(probe_seen(a), 1);
}

static void a_child_without_flags_is_on_its_own(void **state)
{
    struct probe *child = probe_spawn_child(a, 0, NULL);

    (void)state;
    probe_stop(a, TROUPE_REASON_ERROR, "parent");
    stage_wait_actors(stage, 2);
    assert_int_equal(probe_seen(child), 0);
}

static void bad_options_are_refused(void **state)
{
    struct trace trace = {0};
    const orders o = {.address = (uint64_t)(uintptr_t)&trace};
    const troupe_spawn_options bad[] = {
        {.flags = TROUPE_SPAWN_DURABLE},
        {.flags = TROUPE_SPAWN_DURABLE, .name = "n"},
        {.flags = TROUPE_SPAWN_STRICT, .name = "n"},
        {.name = "\xff"},
        {.checkpoint = 99, .name = "n"},
        {.mailbox_messages = 1000001},
    };
    troupe_pid pid = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(troupe_node_spawn(stage->node, &novice_behavior, &o, &bad[i], &pid),
                         TROUPE_E_INVALID);
    }
    stage_wait_actors(stage, 2);
}

static void pids_are_never_used_again(void **state)
{
    struct trace trace = {0};
    const orders o = {.address = (uint64_t)(uintptr_t)&trace};
    troupe_pid before = {0};

    (void)state;
    for (int i = 0; i < 2000; i++) {
        troupe_pid pid = {0};

        assert_int_equal(troupe_node_spawn(stage->node, &novice_behavior, &o, NULL, &pid),
                         TROUPE_OK);
        assert_false(troupe_pid_equal(pid, before));
        assert_int_equal(troupe_node_exit(stage->node, pid, TROUPE_REASON_SHUTDOWN, NULL),
                         TROUPE_OK);
        /* What is sent to the old pid never reaches the new actor. */
        assert_int_equal(troupe_node_send(stage->node, before, &number_type, &(number){.value = 3}),
                         TROUPE_OK);
        before = pid;
    }
    stage_wait_actors(stage, 2);
    assert_int_equal(atomic_load(&trace.handled), 0);
    assert_int_equal(atomic_load(&trace.released), 2000);
}

/* ---- what handlers answer ---- */

struct answer {
    int64_t value;
    int32_t kind;
    const char *text;
};

static void what_a_handler_answers_is_how_it_goes_on(void **state)
{
    static const struct answer answers[] = {
        {1, TROUPE_REASON_NORMAL, ""},
        {2, TROUPE_REASON_ERROR, "not permitted"},
        {3, TROUPE_REASON_ERROR, "number 3"},
        {4, TROUPE_REASON_SHUTDOWN, "four"},
        {6, TROUPE_REASON_ERROR, "no such kind"},
        {7, TROUPE_REASON_SHUTDOWN, "first"},
    };
    struct trace trace = {0};
    size_t seen = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        troupe_pid pid = {0};

        assert_int_equal(spawn_novice(INIT_OK, TROUPE_SPAWN_MONITOR, &trace, &pid), TROUPE_OK);
        probe_send(a, pid, 0);
        probe_send(a, pid, answers[i].value);
        probe_send(a, pid, 0);
        const struct seen *down = probe_wait(a, seen++);

        assert_int_equal(down->kind, answers[i].kind);
        assert_string_equal(down->text, answers[i].text);
        assert_int_equal(atomic_load(&trace.handled), 2 * (i + 1));
    }
}

static void an_answer_that_is_none_ends_the_actor(void **state)
{
    struct trace trace = {0};
    troupe_pid pid = {0};

    (void)state;
    assert_int_equal(spawn_novice(INIT_OK, TROUPE_SPAWN_MONITOR, &trace, &pid), TROUPE_OK);
    probe_send(a, pid, 5);
    assert_int_equal(probe_wait(a, 0)->kind, TROUPE_REASON_ERROR);
}

static void messages_of_unknown_types_are_counted_and_harmless(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(troupe_node_send(stage->node, a->pid, &oddity_type, &(oddity){.value = i}),
                         TROUPE_OK);
    }
    assert_int_equal(probe_seen(a), 0);
    assert_int_equal(stage_info(stage).messages_unknown, 10);
    assert_int_equal(atomic_load(&stage->log_lines), 1);
}

static void messages_to_the_dead_are_counted(void **state)
{
    (void)state;
    probe_stop(b, TROUPE_REASON_NORMAL, NULL);
    stage_wait_actors(stage, 1);
    probe_send(a, b->pid, 1);
    assert_int_equal(stage_info(stage).messages_dropped, 1);
}

/* ---- state ---- */

typedef struct item {
    const char *label;
} item;
TROUPE_TYPE(item, "test.item", TROUPE_FIELD(item, label, 1));

typedef struct shelf {
    const char *name;
    troupe_bytes blob;
    item *items;
    size_t items_count;
} shelf;
TROUPE_TYPE(shelf, "test.shelf", TROUPE_FIELD(shelf, name, 1), TROUPE_FIELD(shelf, blob, 2),
            TROUPE_FIELD_STRUCT_ARRAY(shelf, items, items_count, 3, &item_type));

static int shelf_on_number(troupe_self *self, void *state, const void *message)
{
    shelf *s = state;
    const number *n = message;
    troupe_status status = troupe_set_string(self, &s->name, n->value < 0 ? NULL : "a name");

    if (status == TROUPE_OK) {
        status = troupe_set_bytes(self, &s->blob, "bytes", 5);
    }
    for (size_t i = 0; n->value >= 0 && i < s->items_count && status == TROUPE_OK; i++) {
        if (i >= (size_t)n->value) {
            status = troupe_set_string(self, &s->items[i].label, NULL);
        }
    }
    const size_t before = s->items_count;

    if (status == TROUPE_OK && n->value >= 0) {
        status = troupe_resize_array(self, &s->items, &s->items_count, (size_t)n->value,
                                     sizeof(s->items[0]));
    }
    for (size_t i = before; status == TROUPE_OK && i < s->items_count; i++) {
        if (s->items[i].label != NULL) {
            return troupe_fail(self, "new elements are not zero");
        }
        status = troupe_set_string(self, &s->items[i].label, "label");
    }
    return status;
}

static int shelf_on_ask(troupe_self *self, void *state, const void *message)
{
    (void)message;
    return troupe_reply(self, &shelf_type, state);
}

static const troupe_handler shelf_handlers[] = {
    {&number_type, shelf_on_number}, {&ask_type, shelf_on_ask}, {0}};
static const troupe_behavior shelf_behavior = {
    .name = "test.shelf", .state = &shelf_type, .handlers = shelf_handlers};

/* What is left unfreed, or freed twice, AddressSanitizer tells. */
static void what_a_state_owns_is_freed_with_it(void **state)
{
    static const int64_t sizes[] = {3, 10, 2, 0, 7, -1, 5};
    troupe_result result = {0};
    troupe_pid pid = {0};

    (void)state;
    assert_int_equal(troupe_node_spawn(stage->node, &shelf_behavior, NULL, NULL, &pid), TROUPE_OK);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(
            troupe_node_send(stage->node, pid, &number_type, &(number){.value = sizes[i]}),
            TROUPE_OK);
    }
    assert_int_equal(troupe_node_call(stage->node, pid, &ask_type, &(ask){0}, DEADLINE_MS, &result),
                     TROUPE_OK);
    const shelf *s = troupe_result_as(&result, &shelf_type);

    assert_non_null(s);
    assert_string_equal(s->name, "a name");
    assert_int_equal(s->blob.size, 5);
    assert_int_equal(s->items_count, 5);
    assert_string_equal(s->items[4].label, "label");
    troupe_result_clear(&result);
    assert_int_equal(troupe_node_exit(stage->node, pid, TROUPE_REASON_KILL, NULL), TROUPE_OK);
    stage_wait_actors(stage, 2);
}

/* ---- spawn_on, which on one node is the same by message ---- */

struct placed {
    const char *node;
    const char *behavior;
    const troupe_type *args_type;
    orders orders;
    uint32_t flags;
    troupe_status at_once;
    troupe_result result;
    char text[256];
    struct gate done;
};

static int on_placed(troupe_self *self, void *state, const troupe_result *result)
{
    struct placed *placed = (struct placed *)(uintptr_t)result->tag;

    (void)self;
    (void)state;
    placed->result = *result;
    (void)snprintf(placed->text, sizeof(placed->text), "%s", result->reason.text);
    gate_open(&placed->done);
    return TROUPE_OK;
}

static int do_place(troupe_self *self, struct probe *probe, void *context)
{
    struct placed *placed = context;
    const troupe_spawn_options options = {.flags = placed->flags};

    (void)probe;
    placed->at_once =
        troupe_spawn_on(self, placed->node, placed->behavior, &placed->orders, placed->args_type,
                        &options, 5000, on_placed, (uint64_t)(uintptr_t)placed);
    return TROUPE_OK;
}

static bool is_open(void *context)
{
    struct gate *gate = context;

    (void)pthread_mutex_lock(&gate->mutex);
    const bool open = gate->open;

    (void)pthread_mutex_unlock(&gate->mutex);
    return open;
}

static troupe_status place(struct placed *placed)
{
    gate_init(&placed->done);
    assert_int_equal(probe_do(a, do_place, placed), TROUPE_OK);
    assert_int_equal(placed->at_once, TROUPE_OK);
    assert_true(wait_until(is_open, &placed->done));
    gate_fini(&placed->done);
    return placed->result.status;
}

static void an_actor_is_started_by_the_name_of_its_behavior(void **state)
{
    struct trace trace = {0};
    struct placed placed = {.behavior = "test.novice",
                            .args_type = &orders_type,
                            .orders.address = (uint64_t)(uintptr_t)&trace};

    (void)state;
    assert_int_equal(place(&placed), TROUPE_E_NOT_FOUND);
    assert_non_null(strstr(placed.text, "test.novice"));
    assert_int_equal(troupe_node_add_behavior(stage->node, &novice_behavior, NULL, 0), TROUPE_OK);
    assert_int_equal(place(&placed), TROUPE_OK);
    probe_send(a, placed.result.pid, 1);
    stage_wait_actors(stage, 2);
    assert_int_equal(atomic_load(&trace.handled), 1);
    placed.node = "nowhere";
    assert_int_equal(place(&placed), TROUPE_E_NOT_FOUND);
    assert_non_null(strstr(placed.text, "nowhere"));
    placed.node = "local";
    placed.args_type = &number_type;
    assert_int_equal(place(&placed), TROUPE_E_TYPE);
    placed.args_type = &orders_type;
    placed.orders.in_init = INIT_FAIL;
    assert_int_equal(place(&placed), TROUPE_E_FAILED);
    assert_string_equal(placed.text, "not today");
    stage_wait_actors(stage, 2);
}

static void a_link_is_whole_though_the_placed_actor_ends_at_once(void **state)
{
    struct trace trace = {0};

    (void)state;
    probe_trap(a, true);
    assert_int_equal(troupe_node_add_behavior(stage->node, &novice_behavior, NULL, 0), TROUPE_OK);
    for (size_t i = 0; i < 200; i++) {
        struct placed placed = {.behavior = "test.novice",
                                .args_type = &orders_type,
                                .flags = TROUPE_SPAWN_LINK | TROUPE_SPAWN_MONITOR,
                                .orders = {.address = (uint64_t)(uintptr_t)&trace,
                                           .in_init = i % 2 == 0 ? INIT_STOP : INIT_STOP_WITH}};

        assert_int_equal(place(&placed), TROUPE_OK);
        (void)probe_wait(a, 2 * i + 1);
        /* One of each, in any order, with the true reason. */
        const struct seen *exit =
            a->seen[2 * i].what == SAW_EXIT ? &a->seen[2 * i] : &a->seen[2 * i + 1];
        const struct seen *down =
            a->seen[2 * i].what == SAW_EXIT ? &a->seen[2 * i + 1] : &a->seen[2 * i];

        assert_int_equal(exit->what, SAW_EXIT);
        assert_int_equal(down->what, SAW_DOWN);
        assert_int_equal(exit->kind, i % 2 == 0 ? TROUPE_REASON_NORMAL : TROUPE_REASON_ERROR);
        assert_int_equal(down->kind, exit->kind);
        assert_true(troupe_pid_equal(down->from, placed.result.pid));
    }
    assert_int_equal(probe_seen(a), 400);
}

#define LIFE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE_TEST(a_failed_init_is_the_spawner_s_error_and_leaves_nothing),
        LIFE_TEST(whom_a_failed_init_had_linked_sees_the_reason),
        LIFE_TEST(stopping_in_init_is_an_orderly_end),
        LIFE_TEST(a_linked_child_takes_its_parent_along),
        LIFE_TEST(a_monitored_child_is_told_of),
        LIFE_TEST(a_child_without_flags_is_on_its_own),
        LIFE_TEST(bad_options_are_refused),
        LIFE_TEST(pids_are_never_used_again),
        LIFE_TEST(what_a_handler_answers_is_how_it_goes_on),
        LIFE_TEST(an_answer_that_is_none_ends_the_actor),
        LIFE_TEST(messages_of_unknown_types_are_counted_and_harmless),
        LIFE_TEST(messages_to_the_dead_are_counted),
        LIFE_TEST(what_a_state_owns_is_freed_with_it),
        LIFE_TEST(an_actor_is_started_by_the_name_of_its_behavior),
        LIFE_TEST(a_link_is_whole_though_the_placed_actor_ends_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
