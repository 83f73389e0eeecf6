/* What is tested: bounds of mailboxes, and that what keeps promises is above them, through the
 * public API. */
#include <stdlib.h>
#include <string.h>

#include "support/actors.h"

enum { BOUND = 10, LARGE = 100000 };

typedef struct parcel {
    troupe_bytes bytes;
} parcel;
TROUPE_TYPE(parcel, "test.parcel", TROUPE_FIELD(parcel, bytes, 1));

static struct stage *stage;
static struct probe *a, *b;
static struct gate gate;

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(2);
    a = probe_spawn(stage, NULL);
    b = probe_spawn(stage,
                    &(troupe_spawn_options){.mailbox_messages = BOUND, .mailbox_bytes = 3 * LARGE});
    gate_init(&gate);
    return 0;
}

static int end(void **state)
{
    (void)state;
    gate_open(&gate);
    gate_fini(&gate);
    stage_end(stage);
    return 0;
}

static troupe_status send(int64_t value)
{
    return troupe_node_send(stage->node, b->pid, &number_type, &(number){.value = value});
}

static void fill(void)
{
    for (int64_t i = 0; i < BOUND; i++) {
        assert_int_equal(send(i), TROUPE_OK);
    }
}

static void a_full_mailbox_refuses_exactly_what_is_too_much(void **state)
{
    (void)state;
    probe_block(b, &gate);
    fill();
    assert_int_equal(send(99), TROUPE_E_BUSY);
    assert_int_equal(send(99), TROUPE_E_BUSY);
    assert_int_equal(stage_info(stage).messages_dropped, 2);
    gate_open(&gate);
    for (size_t i = 0; i < BOUND; i++) {
        assert_int_equal(probe_wait(b, i)->number, i);
    }
    assert_int_equal(send(100), TROUPE_OK);
    assert_int_equal(probe_wait(b, BOUND)->number, 100);
    assert_int_equal(probe_seen(b), BOUND + 1);
}

static void an_actor_that_sends_to_a_full_mailbox_is_told(void **state)
{
    (void)state;
    probe_block(b, &gate);
    fill();
    probe_call(a, b->pid, ASK_REPLY, 1, DEADLINE_MS, 1);
    assert_int_equal(probe_wait(a, 0)->status, TROUPE_E_BUSY);
    assert_int_equal(probe_seen(a), 1);
}

static void signals_get_into_a_full_mailbox_and_keep_their_place(void **state)
{
    (void)state;
    probe_trap(b, true);
    const uint64_t monitor = probe_monitor(b, a->pid);

    probe_link(b, a->pid);
    probe_block(b, &gate);
    fill();
    probe_stop(a, TROUPE_REASON_ERROR, "boom");
    stage_wait_actors(stage, 1);
    assert_int_equal(send(99), TROUPE_E_BUSY); /* They do not count either. */
    gate_open(&gate);
    (void)probe_wait(b, BOUND + 1);
    for (size_t i = 0; i < BOUND; i++) {
        assert_int_equal(b->seen[i].number, i);
    }
    const bool down_first = b->seen[BOUND].what == SAW_DOWN;

    assert_int_equal(b->seen[BOUND + (down_first ? 0 : 1)].ref, monitor);
    assert_int_equal(b->seen[BOUND + (down_first ? 1 : 0)].what, SAW_EXIT);
    assert_int_equal(probe_seen(b), BOUND + 2);
}

static void a_full_mailbox_does_not_protect_from_an_exit(void **state)
{
    (void)state;
    probe_block(b, &gate);
    fill();
    assert_int_equal(troupe_node_exit(stage->node, b->pid, TROUPE_REASON_SHUTDOWN, NULL),
                     TROUPE_OK);
    gate_open(&gate);
    stage_wait_actors(stage, 1);
}

static int on_reply(troupe_self *self, void *state, const troupe_result *result)
{
    const number *value = troupe_result_as(result, &number_type);

    (void)state;
    /* Written down as a message to itself, which has room by then. */
    return troupe_send(self, troupe_self_pid(self), &number_type,
                       &(number){.value = value == NULL ? -1 : value->value});
}

static int call_a(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    (void)context;
    return troupe_call(self, a->pid, &ask_type, &(ask){.how = ASK_REPLY, .value = 77}, DEADLINE_MS,
                       on_reply, 0);
}

static void replies_get_into_a_full_mailbox(void **state)
{
    struct gate other;

    (void)state;
    gate_init(&other);
    probe_block(a, &other); /* So that the reply comes when the mailbox is full. */
    assert_int_equal(probe_do(b, call_a, NULL), TROUPE_OK);
    probe_block(b, &gate);
    fill();
    gate_open(&other);
    assert_int_equal(probe_seen(a), 0);
    gate_open(&gate);
    assert_int_equal(probe_wait(b, BOUND)->number, 77);
    gate_fini(&other);
}

static troupe_status send_parcel(const void *data, size_t size)
{
    return troupe_node_send(stage->node, b->pid, &parcel_type,
                            &(parcel){.bytes = {.data = data, .size = size}});
}

static void large_messages_are_bounded_by_their_bytes(void **state)
{
    uint8_t *data = calloc(1, 10 * LARGE);

    (void)state;
    assert_non_null(data);
    probe_block(b, &gate);
    assert_int_equal(send_parcel(data, LARGE), TROUPE_OK);
    assert_int_equal(send_parcel(data, LARGE), TROUPE_OK);
    assert_int_equal(send_parcel(data, LARGE), TROUPE_E_BUSY);
    assert_int_equal(send(1), TROUPE_OK); /* Small ones are bounded by their number. */
    gate_open(&gate);
    assert_int_equal(probe_wait(b, 0)->number, 1);
    assert_int_equal(send_parcel(data, LARGE), TROUPE_OK);
    assert_int_equal(probe_seen(b), 1);
    free(data);
}

static void a_message_larger_than_the_bound_comes_alone(void **state)
{
    uint8_t *data = calloc(1, 10 * LARGE);

    (void)state;
    assert_non_null(data);
    probe_block(b, &gate);
    assert_int_equal(send_parcel(data, 10 * LARGE), TROUPE_OK);
    assert_int_equal(send_parcel(data, LARGE), TROUPE_E_BUSY);
    gate_open(&gate);
    assert_int_equal(probe_seen(b), 0);
    assert_int_equal(stage_info(stage).messages_unknown, 1);
    free(data);
}

static void bytes_of_messages_to_who_ended_are_forgotten(void **state)
{
    uint8_t *data = calloc(1, LARGE);

    (void)state;
    assert_non_null(data);
    for (int i = 0; i < 200; i++) {
        /* Each takes the slot of the one before, with what that one's end left. */
        probe_block(b, &gate);
        assert_int_equal(send_parcel(data, LARGE), TROUPE_OK);
        assert_int_equal(send_parcel(data, LARGE), TROUPE_OK);
        assert_int_equal(troupe_node_exit(stage->node, b->pid, TROUPE_REASON_KILL, NULL),
                         TROUPE_OK);
        gate_open(&gate);
        stage_wait_actors(stage, 1);
        troupe_pid pid = {0};
        const troupe_spawn_options options = {.mailbox_bytes = 3 * LARGE};

        assert_int_equal(troupe_node_spawn(stage->node, &probe_behavior, &b, &options, &pid),
                         TROUPE_OK);
    }
    free(data);
}

static int send_too_much(troupe_self *self, struct probe *probe, void *context)
{
    const parcel *p = context;
    const troupe_status after = troupe_send_after(self, 1, probe->pid, &parcel_type, p, NULL);
    const troupe_status named = troupe_send_name(self, "nobody", &parcel_type, p);
    const troupe_status called = troupe_call(self, probe->pid, &parcel_type, p, 0, NULL, 0);
    const troupe_status by_name = troupe_call_name(self, "nobody", &parcel_type, p, 0, NULL, 0);

    return troupe_send(self, probe->pid, &parcel_type, p) == TROUPE_E_LIMIT &&
                   after == TROUPE_E_LIMIT && named == TROUPE_E_LIMIT && called == TROUPE_E_LIMIT &&
                   by_name == TROUPE_E_LIMIT
               ? TROUPE_OK
               : TROUPE_E_FAILED;
}

static void a_value_above_64_mib_is_refused_everywhere(void **state)
{
    /* It is measured, not read. */
    static uint8_t byte;
    parcel p = {.bytes = {.data = &byte, .size = (size_t)65 << 20}};

    (void)state;
    assert_int_equal(probe_do(a, send_too_much, &p), TROUPE_OK);
    assert_int_equal(troupe_node_send(stage->node, a->pid, &parcel_type, &p), TROUPE_E_LIMIT);
    p.bytes.size = (size_t)5 << 32;
    assert_int_equal(troupe_node_send(stage->node, a->pid, &parcel_type, &p), TROUPE_E_LIMIT);
}

/* ---- the default bound, and several senders ---- */

enum { SENDERS = 4 };

struct sender {
    pthread_t thread;
    uint64_t sent;
    uint64_t refused;
};

static void *flood(void *context)
{
    struct sender *sender = context;

    while (sender->refused < 100) {
        if (troupe_node_send(stage->node, a->pid, &oddity_type, &(oddity){0}) == TROUPE_OK) {
            sender->sent++;
        } else {
            sender->refused++;
        }
    }
    return NULL;
}

static bool all_were_handled(void *context)
{
    (void)context;
    return stage_info(stage).messages_unknown >= 10000;
}

static void the_bound_is_exact_with_several_senders(void **state)
{
    struct sender senders[SENDERS] = {0};
    uint64_t sent = 0;

    (void)state;
    probe_block(a, &gate);
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_create(&senders[i].thread, NULL, flood, &senders[i]), 0);
    }
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
        sent += senders[i].sent;
    }
    assert_int_equal(sent, 10000);
    gate_open(&gate);
    assert_true(wait_until(all_were_handled, NULL));
    assert_int_equal(probe_seen(a), 0);
    assert_int_equal(stage_info(stage).messages_unknown, 10000);
}

#define MAILBOX_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MAILBOX_TEST(a_full_mailbox_refuses_exactly_what_is_too_much),
        MAILBOX_TEST(an_actor_that_sends_to_a_full_mailbox_is_told),
        MAILBOX_TEST(signals_get_into_a_full_mailbox_and_keep_their_place),
        MAILBOX_TEST(a_full_mailbox_does_not_protect_from_an_exit),
        MAILBOX_TEST(replies_get_into_a_full_mailbox),
        MAILBOX_TEST(large_messages_are_bounded_by_their_bytes),
        MAILBOX_TEST(a_message_larger_than_the_bound_comes_alone),
        MAILBOX_TEST(bytes_of_messages_to_who_ended_are_forgotten),
        MAILBOX_TEST(a_value_above_64_mib_is_refused_everywhere),
        MAILBOX_TEST(the_bound_is_exact_with_several_senders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
