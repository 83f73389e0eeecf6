/* What is tested: mailboxes without room whose policy is to suspend the sender or to drop, through
 * the public API, with one worker, two and four. */
#include <stdlib.h>
#include <string.h>

#include "support/actors.h"

enum { BOUND = 10, LARGE = 100000, FLOOD = 2000 };

static uint32_t workers;
static struct stage *stage;

/* ---- actors that send as much as they can ---- */

struct tally {
    atomic_llong got;      /* numbers */
    atomic_llong last;     /* the last one */
    atomic_llong disorder; /* numbers that did not come after the last one */
    atomic_llong refused;  /* sends that were answered with TROUPE_E_BUSY */
};

typedef struct plan {
    uint64_t tally;
    troupe_pid to;
    int64_t count; /* numbers to send: 1, 2, 3 ... */
    bool passes_on;
} plan;
TROUPE_TYPE(plan, "test.plan", TROUPE_FIELD(plan, tally, 1), TROUPE_FIELD(plan, to, 2),
            TROUPE_FIELD(plan, count, 3), TROUPE_FIELD(plan, passes_on, 4));

typedef struct tick {
    int64_t at;
} tick;
TROUPE_TYPE(tick, "test.tick", TROUPE_FIELD(tick, at, 1));

struct flooder {
    struct tally *tally;
    plan plan;
};

static int on_tick(troupe_self *self, void *state, const void *message)
{
    struct flooder *f = state;
    const int64_t at = ((const tick *)message)->at;
    const troupe_status status =
        troupe_send(self, f->plan.to, &number_type, &(number){.value = at});

    if (status == TROUPE_E_BUSY) {
        (void)atomic_fetch_add(&f->tally->refused, 1);
        /* Behind what waits, so that a full mailbox of one's own is emptied meanwhile. */
        return troupe_send_after(self, 1, troupe_self_pid(self), &tick_type, message, NULL);
    }
    return status != TROUPE_OK || at == f->plan.count
               ? (int)status
               : troupe_continue(self, &tick_type, &(tick){.at = at + 1});
}

static int on_plan(troupe_self *self, void *state, const void *message)
{
    struct flooder *f = state;

    f->plan = *(const plan *)message;
    f->tally = (struct tally *)(uintptr_t)f->plan.tally;
    return f->plan.count == 0 ? TROUPE_OK : troupe_continue(self, &tick_type, &(tick){.at = 1});
}

static int on_number(troupe_self *self, void *state, const void *message)
{
    const struct flooder *f = state;
    const int64_t value = ((const number *)message)->value;

    if (f->plan.passes_on) {
        const troupe_status status = troupe_send(self, f->plan.to, &number_type, message);

        return status == TROUPE_E_BUSY ? troupe_fail(self, "a stage was refused") : (int)status;
    }
    if (atomic_exchange(&f->tally->last, value) != value - 1) {
        (void)atomic_fetch_add(&f->tally->disorder, 1);
    }
    (void)atomic_fetch_add(&f->tally->got, 1);
    return TROUPE_OK;
}

static const troupe_handler flooder_handlers[] = {
    {&number_type, on_number}, {&tick_type, on_tick}, {&plan_type, on_plan}, {0}};
static const troupe_behavior flooder_behavior = {
    .name = "test.flooder", .state_size = sizeof(struct flooder), .handlers = flooder_handlers};

static troupe_pid spawn_flooder(int32_t policy, uint32_t bound)
{
    troupe_pid pid = {0};

    assert_int_equal(troupe_node_spawn(stage->node, &flooder_behavior, NULL,
                                       &(troupe_spawn_options){.mailbox_messages = bound,
                                                               .mailbox_policy = policy},
                                       &pid),
                     TROUPE_OK);
    return pid;
}

struct telling {
    troupe_pid pid;
    const plan *plan;
    troupe_status status;
};

static bool is_told(void *context)
{
    struct telling *telling = context;

    telling->status = troupe_node_send(stage->node, telling->pid, &plan_type, telling->plan);
    return telling->status != TROUPE_E_BUSY;
}

static void tell(troupe_pid pid, struct tally *tally, troupe_pid to, int64_t count, bool passes_on)
{
    const plan p = {
        .tally = (uint64_t)(uintptr_t)tally, .to = to, .count = count, .passes_on = passes_on};

    struct telling telling = {.pid = pid, .plan = &p};

    /* A mailbox that is flooded already has no room now and then. */
    assert_true(wait_until(is_told, &telling));
    assert_int_equal(telling.status, TROUPE_OK);
}

static bool got_all(void *context)
{
    return atomic_load(&((struct tally *)context)->got) >= FLOOD;
}

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(workers);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

static void a_fast_sender_goes_at_its_receiver_s_pace(void **state)
{
    struct tally tally = {0};
    const troupe_pid to = spawn_flooder(TROUPE_MAILBOX_BLOCK, BOUND);
    const troupe_pid from = spawn_flooder(0, 0);

    (void)state;
    tell(to, &tally, to, 0, false);
    tell(from, &tally, to, FLOOD, false);
    assert_true(wait_until(got_all, &tally));
    assert_int_equal(tally.got, FLOOD);
    assert_int_equal(tally.disorder, 0);
    assert_int_equal(tally.refused, 0);
    assert_true(stage_info(stage).senders_suspended > 0);
    assert_int_equal(stage_info(stage).mailbox_overflows, stage_info(stage).senders_suspended);
    assert_int_equal(stage_info(stage).messages_dropped, 0);
}

static void a_row_of_stages_goes_at_the_pace_of_the_last(void **state)
{
    enum { STAGES = 5 };
    struct tally tally = {0};
    troupe_pid stages[STAGES];

    (void)state;
    for (int i = 0; i < STAGES; i++) {
        stages[i] = spawn_flooder(TROUPE_MAILBOX_BLOCK, 2);
    }
    for (int i = 1; i < STAGES; i++) {
        tell(stages[i], &tally, stages[(i + 1) % STAGES], 0, i + 1 < STAGES);
    }
    tell(stages[0], &tally, stages[1], FLOOD, false);
    assert_true(wait_until(got_all, &tally));
    assert_int_equal(tally.disorder, 0);
    assert_int_equal(tally.refused, 0);
    assert_int_equal(stage_info(stage).actors, STAGES);
}

/* Each floods the next one in a ring of so many. */
static void flood_ring(size_t size)
{
    struct tally tallies[4] = {0};
    troupe_pid ring[4];

    for (size_t i = 0; i < size; i++) {
        ring[i] = spawn_flooder(TROUPE_MAILBOX_BLOCK, 3);
    }
    for (size_t i = 0; i < size; i++) {
        tell(ring[i], &tallies[i], ring[i], 0, false); /* Before the first number comes. */
    }
    for (size_t i = 0; i < size; i++) {
        tell(ring[i], &tallies[i], ring[(i + 1) % size], FLOOD, false);
    }
    for (size_t i = 0; i < size; i++) {
        assert_true(wait_until(got_all, &tallies[i]));
        assert_int_equal(tallies[i].got, FLOOD);
    }
}

static void actors_that_flood_each_other_go_on(void **state)
{
    (void)state;
    flood_ring(2);
    flood_ring(4);
}

static void who_floods_itself_is_refused(void **state)
{
    (void)state;
    flood_ring(1);
    assert_int_equal(stage_info(stage).senders_suspended, 0);
    assert_true(stage_info(stage).mailbox_overflows > 0);
}

static void the_node_s_policy_holds_where_none_is_asked_for(void **state)
{
    struct tally tally = {0};
    troupe_config config;

    (void)state;
    stage_end(stage);
    troupe_config_init(&config);
    config.workers = workers;
    config.mailbox_policy = TROUPE_MAILBOX_BLOCK;
    config.mailbox_messages = BOUND;
    stage = stage_begin_with(&config);
    const troupe_pid to = spawn_flooder(0, 0);
    const troupe_pid from = spawn_flooder(0, 0);

    tell(to, &tally, to, 0, false);
    tell(from, &tally, to, FLOOD, false);
    assert_true(wait_until(got_all, &tally));
    assert_int_equal(tally.refused, 0);
}

static void a_policy_that_does_not_exist_is_refused(void **state)
{
    troupe_config config;
    troupe_node *node = NULL;
    troupe_pid pid = {0};

    (void)state;
    for (int32_t policy = -1; policy <= 4; policy += 5) {
        assert_int_equal(troupe_node_spawn(stage->node, &flooder_behavior, NULL,
                                           &(troupe_spawn_options){.mailbox_policy = policy}, &pid),
                         TROUPE_E_INVALID);
        troupe_config_init(&config);
        config.mailbox_policy = policy;
        assert_int_equal(troupe_node_start(&config, &node, NULL, 0), TROUPE_E_INVALID);
    }
}

typedef struct note_bytes {
    troupe_bytes bytes;
} note_bytes;
TROUPE_TYPE(note_bytes, "test.note_bytes", TROUPE_FIELD(note_bytes, bytes, 1));

/* ---- one step at a time; the receiver's handler stays busy, so two workers at least ---- */

static struct probe *a, *b;
static struct gate gate;

static int begin_gated_with(int32_t policy)
{
    stage = stage_begin(workers < 2 ? 2 : workers);
    a = probe_spawn(stage, NULL);
    b = probe_spawn(stage, &(troupe_spawn_options){.mailbox_messages = BOUND,
                                                   .mailbox_bytes = 3 * LARGE,
                                                   .mailbox_policy = policy});
    gate_init(&gate);
    return 0;
}

static int begin_gated(void **state)
{
    (void)state;
    return begin_gated_with(TROUPE_MAILBOX_BLOCK);
}

static int begin_dropping(void **state)
{
    (void)state;
    return begin_gated_with(TROUPE_MAILBOX_DROP_NEW);
}

static int end_gated(void **state)
{
    (void)state;
    gate_open(&gate);
    gate_fini(&gate);
    stage_end(stage);
    return 0;
}

static troupe_status send(struct probe *to, int64_t value)
{
    return troupe_node_send(stage->node, to->pid, &number_type, &(number){.value = value});
}

static void fill(void)
{
    probe_block(b, &gate);
    for (int64_t i = 0; i < BOUND; i++) {
        assert_int_equal(send(b, i), TROUPE_OK);
    }
}

struct tries {
    troupe_status first;
    troupe_status second;
};

static int send_twice(troupe_self *self, struct probe *probe, void *context)
{
    struct tries *tries = context;

    (void)probe;
    tries->first = troupe_send(self, b->pid, &number_type, &(number){.value = 100});
    tries->second = troupe_send(self, b->pid, &number_type, &(number){.value = 101});
    return TROUPE_OK;
}

static bool is_suspended(void *context)
{
    return stage_info(stage).senders_suspended >= *(const uint64_t *)context;
}

static void wait_suspended(uint64_t count)
{
    assert_true(wait_until(is_suspended, &count));
}

static void one_message_gets_in_and_the_next_is_refused(void **state)
{
    struct tries tries = {0};

    (void)state;
    fill();
    /* The reply leaves before the suspension takes hold. */
    assert_int_equal(probe_do(a, send_twice, &tries), TROUPE_OK);
    assert_int_equal(tries.first, TROUPE_OK);
    assert_int_equal(tries.second, TROUPE_E_BUSY);
    assert_int_equal(send(a, 7), TROUPE_OK);      /* It waits: a handles nothing now. */
    assert_int_equal(send(b, 99), TROUPE_E_BUSY); /* A thread is refused. */
    assert_int_equal(probe_count(a), 0);
    gate_open(&gate);
    assert_int_equal(probe_wait(b, BOUND)->number, 100);
    assert_int_equal(probe_wait(a, 0)->number, 7);
    assert_int_equal(probe_seen(b), BOUND + 1);
    assert_int_equal(stage_info(stage).senders_suspended, 1);
}

static int do_not_suspend(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    troupe_set_nosuspend(self, *(const bool *)context);
    return TROUPE_OK;
}

static void who_is_not_to_be_suspended_is_told(void **state)
{
    struct tries tries = {0};
    bool on = true;

    (void)state;
    fill();
    assert_int_equal(probe_do(a, do_not_suspend, &on), TROUPE_OK);
    assert_int_equal(probe_do(a, send_twice, &tries), TROUPE_OK);
    assert_int_equal(tries.first, TROUPE_E_BUSY);
    assert_int_equal(tries.second, TROUPE_E_BUSY);
    assert_int_equal(stage_info(stage).senders_suspended, 0);
    on = false;
    assert_int_equal(probe_do(a, do_not_suspend, &on), TROUPE_OK);
    assert_int_equal(probe_do(a, send_twice, &tries), TROUPE_OK);
    assert_int_equal(tries.first, TROUPE_OK);
    wait_suspended(1);
    assert_int_equal(stage_info(stage).senders_waiting, 1);
    gate_open(&gate);
    assert_int_equal(probe_wait(b, BOUND)->number, 100);
    assert_int_equal(probe_seen(b), BOUND + 1);
    assert_int_equal(probe_seen(a), 0); /* it goes on */
    assert_int_equal(stage_info(stage).senders_waiting, 0);
}

static void a_suspended_sender_can_be_killed(void **state)
{
    struct tries tries = {0};

    (void)state;
    fill();
    assert_int_equal(probe_do(a, send_twice, &tries), TROUPE_OK);
    assert_int_equal(troupe_node_exit(stage->node, a->pid, TROUPE_REASON_KILL, NULL), TROUPE_OK);
    stage_wait_actors(stage, 1);
    gate_open(&gate);
    assert_int_equal(probe_wait(b, BOUND)->number, 100); /* What it sent is sent. */
}

static void the_receiver_s_end_releases_its_senders(void **state)
{
    struct tries tries = {0};

    (void)state;
    fill();
    assert_int_equal(probe_do(a, send_twice, &tries), TROUPE_OK);
    assert_int_equal(send(a, 7), TROUPE_OK);
    assert_int_equal(troupe_node_exit(stage->node, b->pid, TROUPE_REASON_KILL, NULL), TROUPE_OK);
    gate_open(&gate);
    assert_int_equal(probe_wait(a, 0)->number, 7);
    stage_wait_actors(stage, 1);
}

static int send_then_die(troupe_self *self, struct probe *probe, void *context)
{
    (void)send_twice(self, probe, context);
    return troupe_fail(self, "after sending");
}

static void who_ends_in_the_same_callback_ends(void **state)
{
    static struct tries tries;

    (void)state;
    fill();
    probe_post(a, send_then_die, &tries);
    stage_wait_actors(stage, 1);
    gate_open(&gate);
    assert_int_equal(probe_wait(b, BOUND)->number, 100);
}

static void signals_of_a_suspended_sender_s_friends_arrive(void **state)
{
    struct tries tries = {0};
    struct probe *c = probe_spawn(stage, NULL);

    (void)state;
    probe_trap(a, true);
    fill();
    assert_int_equal(probe_do(a, send_twice, &tries), TROUPE_OK);
    probe_link(c, a->pid);
    probe_exit(c, a->pid, TROUPE_REASON_ERROR, "trapped");
    gate_open(&gate);
    assert_int_equal(probe_wait(a, 0)->what, SAW_EXIT);
    assert_string_equal(a->seen[0].text, "trapped");
    probe_stop(c, TROUPE_REASON_ERROR, "linked"); /* The link was made though a was suspended. */
    assert_string_equal(probe_wait(a, 1)->text, "linked");
}

static void a_call_to_a_full_mailbox_is_answered_in_its_turn(void **state)
{
    (void)state;
    fill();
    probe_call(a, b->pid, ASK_REPLY, 5, DEADLINE_MS, 1);
    wait_suspended(1);
    gate_open(&gate);
    assert_int_equal(probe_wait(a, 0)->number, 5);
    assert_int_equal(a->seen[0].status, TROUPE_OK);
}

static int send_parcel(troupe_self *self, struct probe *probe, void *context)
{
    static uint8_t bytes[LARGE];
    struct tries *tries = context;
    const note_bytes parcel = {.bytes = {.data = bytes, .size = sizeof(bytes)}};

    (void)probe;
    tries->first = troupe_send(self, b->pid, &note_bytes_type, &parcel);
    return TROUPE_OK;
}

static void a_mailbox_can_be_full_of_bytes(void **state)
{
    struct tries tries = {0};

    (void)state;
    probe_block(b, &gate);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(probe_do(a, send_parcel, &tries), TROUPE_OK);
        assert_int_equal(stage_info(stage).senders_suspended, 0);
    }
    assert_int_equal(probe_do(a, send_parcel, &tries), TROUPE_OK);
    assert_int_equal(tries.first, TROUPE_OK);
    assert_int_equal(stage_info(stage).senders_suspended, 1);
    assert_int_equal(send(a, 7), TROUPE_OK);
    gate_open(&gate);
    assert_int_equal(probe_wait(a, 0)->number, 7);
    assert_int_equal(probe_seen(b), 0);
    assert_int_equal(stage_info(stage).messages_unknown, 3);
}

static int probe_send_soon(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    return troupe_send_after(self, 1, ((const struct action *)context)->pid, &number_type,
                             &(number){.value = 8}, NULL);
}

static void a_timer_does_not_suspend_its_actor(void **state)
{
    (void)state;
    fill();
    struct action action = {.pid = b->pid};

    assert_int_equal(probe_do(a, probe_send_soon, &action), TROUPE_OK);
    while (stage_info(stage).mailbox_overflows == 0) {
        assert_int_equal(probe_seen(a), 0); /* It handles what comes. */
    }
    assert_int_equal(stage_info(stage).senders_suspended, 0);
}

/* ---- dropping ---- */

static void what_does_not_fit_is_dropped_and_counted(void **state)
{
    struct tries tries = {0};

    (void)state;
    fill();
    assert_int_equal(probe_do(a, send_twice, &tries), TROUPE_OK);
    assert_int_equal(tries.first, TROUPE_OK);
    assert_int_equal(tries.second, TROUPE_OK);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(send(b, 99), TROUPE_OK);
    }
    assert_int_equal(stage_info(stage).messages_dropped, 1002);
    assert_int_equal(stage_info(stage).mailbox_overflows, 1002);
    assert_int_equal(atomic_load(&stage->log_lines), 2); /* Of the first, and of the thousandth. */
    probe_call(a, b->pid, ASK_REPLY, 1, DEADLINE_MS, 1);
    assert_int_equal(probe_wait(a, 0)->status, TROUPE_E_BUSY);
    gate_open(&gate);
    assert_int_equal(probe_wait(b, BOUND - 1)->number, BOUND - 1);
    assert_int_equal(probe_seen(b), BOUND);
}

#define PRESSURE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define GATED_TEST(name) cmocka_unit_test_setup_teardown(name, begin_gated, end_gated)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PRESSURE_TEST(a_fast_sender_goes_at_its_receiver_s_pace),
        PRESSURE_TEST(a_row_of_stages_goes_at_the_pace_of_the_last),
        PRESSURE_TEST(actors_that_flood_each_other_go_on),
        PRESSURE_TEST(who_floods_itself_is_refused),
        PRESSURE_TEST(the_node_s_policy_holds_where_none_is_asked_for),
        PRESSURE_TEST(a_policy_that_does_not_exist_is_refused),
        GATED_TEST(one_message_gets_in_and_the_next_is_refused),
        GATED_TEST(who_is_not_to_be_suspended_is_told),
        GATED_TEST(a_suspended_sender_can_be_killed),
        GATED_TEST(the_receiver_s_end_releases_its_senders),
        GATED_TEST(who_ends_in_the_same_callback_ends),
        GATED_TEST(signals_of_a_suspended_sender_s_friends_arrive),
        GATED_TEST(a_call_to_a_full_mailbox_is_answered_in_its_turn),
        GATED_TEST(a_mailbox_can_be_full_of_bytes),
        GATED_TEST(a_timer_does_not_suspend_its_actor),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_dropped_and_counted, begin_dropping,
                                        end_gated),
    };

    return stage_run_tests(tests, sizeof(tests) / sizeof(tests[0]), &workers);
}
