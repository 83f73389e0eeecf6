/* What is tested: sched/emit.h, by what the ports to other nodes are given when an actor sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sched/emit.h"
#include "troupe/mailbox.h"

enum { FAR_NODE = 99, FAR_ACTOR = 7, NEAR_NODE = 1, FAR_SESSION = 3 };

typedef struct words {
    int64_t number;
    const char *text;
} words;
TROUPE_TYPE(words, "test.words", TROUPE_FIELD(words, number, 1), TROUPE_FIELD(words, text, 2));

TROUPE_TYPE_EMPTY(nothing, "test.nothing");

/* What the ports answer and were given. */
static struct {
    struct tr_sched *sched;
    troupe_status answer;
    bool crowded;
    int values;   /* that send_value was given */
    struct head { /* of the last of them */
        uint8_t signal;
        uint8_t flags;
        troupe_pid to;
        troupe_pid from;
        uint64_t ref;
        uint32_t session;
        const troupe_type *type;
    } head;
    const void *value; /* with that */
    int posted;        /* messages */
    int awaits;
} world;

static const words sent_words = {.number = 5, .text = "far"};

static troupe_status port_send_value(void *context, struct tr_message *head, const void *value,
                                     bool *crowded)
{
    (void)context;
    world.values++;
    world.head = (struct head){.signal = head->signal,
                               .flags = head->flags,
                               .to = head->to,
                               .from = head->from,
                               .ref = head->ref,
                               .session = head->session,
                               .type = head->type};
    world.value = value;
    *crowded = world.answer == TROUPE_OK && world.crowded;
    return world.answer;
}

static troupe_status port_post(void *context, struct tr_message *message, bool *crowded)
{
    (void)context;
    (void)crowded;
    world.posted++;
    if (message->value_size > 0) {
        const words *copy = (const words *)(const void *)message->payload;

        assert_string_equal(copy->text, sent_words.text);
        assert_ptr_not_equal(copy->text, sent_words.text);
    }
    tr_message_destroy(&world.sched->shared_cache, message);
    return world.answer;
}

static void port_await(void *context, struct tr_message *await)
{
    (void)context;
    world.awaits++;
    tr_pool_put(&world.sched->shared_cache, await, sizeof(*await) + await->block_size);
}

static void port_ended(void *context, struct tr_actor *actor, int32_t reason_kind)
{
    (void)context;
    (void)actor;
    (void)reason_kind;
}

static void port_traced(void *context, troupe_self *self, enum tr_traced what,
                        const struct tr_message *message)
{
    (void)context;
    (void)self;
    (void)what;
    (void)message;
}

static void port_log(void *context, int32_t level, troupe_pid pid, const char *text)
{
    (void)context;
    (void)level;
    (void)pid;
    (void)text;
}

static int on_words(troupe_self *self, void *state, const void *message)
{
    (void)state;
    return troupe_reply(self, &words_type, message);
}

static const troupe_handler handlers[] = {{&words_type, on_words}, {0}};
static const troupe_behavior behavior = {.name = "test.actor", .handlers = handlers};

static int begin(void **state)
{
    const struct tr_sched_options options = {.workers = 1,
                                             .actors_max = 100,
                                             .mailbox_messages = 1000,
                                             .mailbox_bytes = 1U << 20,
                                             .call_timeout_ms = 1000,
                                             .clock = &tr_clock_system,
                                             .outward = {.post = port_post,
                                                         .send_value = port_send_value,
                                                         .await = port_await,
                                                         .traced = port_traced,
                                                         .ended = port_ended,
                                                         .log = port_log}};

    (void)state;
    memset(&world, 0, sizeof(world));
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
    for (int idle = 0; idle < 2;) {
        idle = tr_worker_step(&world.sched->workers[0]) ? 0 : idle + 1;
    }
}

static troupe_pid spawn(uint16_t actor_flags)
{
    const struct tr_spawn request = {.behavior = &behavior, .actor_flags = actor_flags};
    troupe_pid pid = {0};

    assert_int_equal(tr_actor_spawn(world.sched, &world.sched->workers[0], &request, &pid, NULL, 0),
                     TROUPE_OK);
    run();
    return pid;
}

/* What an actor is to send, and what it was answered. */
struct order {
    const troupe_type *type;
    const void *value;
    bool nosuspend;
    bool traced;
    troupe_status status;
    int posted; /* by then */
};

static void obey(troupe_self *self, void *context)
{
    struct order *order = context;

    troupe_set_nosuspend(self, order->nosuspend);
    self->watched |= order->traced ? TR_WATCHED_TRACE : 0;
    order->status = troupe_send(self, (troupe_pid){.node = FAR_NODE, .id = FAR_ACTOR}, order->type,
                                order->value);
    order->posted = world.posted;
    tr_self_release_outgoing(self); /* As after a commit. */
}

static troupe_pid send_from(uint16_t actor_flags, struct order *order)
{
    const troupe_pid pid = spawn(actor_flags);

    assert_int_equal(tr_sched_run_in(world.sched, pid.id, obey, order), TROUPE_OK);
    run();
    return pid;
}

static void a_value_goes_to_another_node_as_its_sender_has_it(void **state)
{
    struct order order = {.type = &words_type, .value = &sent_words, .status = TROUPE_E_SYSTEM};
    const troupe_pid pid = send_from(0, &order);

    (void)state;
    assert_int_equal(order.status, TROUPE_OK);
    assert_int_equal(world.values, 1);
    assert_int_equal(world.posted, 0);
    assert_ptr_equal(world.value, &sent_words);
    assert_ptr_equal(world.head.type, &words_type);
    assert_int_equal(world.head.signal, TR_SIGNAL_MESSAGE);
    assert_int_equal(world.head.flags, 0);
    assert_int_equal(world.head.to.id, FAR_ACTOR);
    assert_true(troupe_pid_equal(world.head.from, pid));
}

static void a_type_without_content_goes_without_a_value(void **state)
{
    struct order order = {.type = &nothing_type, .value = &sent_words};

    (void)state;
    (void)send_from(0, &order);
    assert_int_equal(world.values, 1);
    assert_null(world.value);
}

static void what_is_refused_is_posted_as_a_message(void **state)
{
    struct order order = {.type = &words_type, .value = &sent_words};

    (void)state;
    world.answer = TROUPE_E_BUSY;
    (void)send_from(0, &order);
    assert_int_equal(order.status, TROUPE_E_BUSY);
    assert_int_equal(world.values, 1);
    assert_int_equal(world.posted, 1);
}

static void no_value_for_a_type_with_content_is_refused_before_anybody_is_asked(void **state)
{
    struct order order = {.type = &words_type};

    (void)state;
    (void)send_from(0, &order);
    assert_int_equal(order.status, TROUPE_E_INVALID);
    assert_int_equal(world.values + world.posted, 0);
}

static void a_crowded_node_suspends_who_sends_and_tells_who_wants_to_be_told(void **state)
{
    struct order patient = {.type = &words_type, .value = &sent_words};
    struct order told = {.type = &words_type, .value = &sent_words, .nosuspend = true};

    (void)state;
    world.crowded = true;
    (void)send_from(0, &told);
    assert_int_equal(world.awaits, 0);
    assert_int_equal(world.head.flags, TR_MESSAGE_TOLD);
    (void)send_from(0, &patient);
    assert_int_equal(world.awaits, 1);
    assert_int_equal(world.head.flags, 0);
}

static void what_is_held_back_or_traced_becomes_a_message(void **state)
{
    struct order held = {.type = &words_type, .value = &sent_words};
    struct order traced = {.type = &words_type, .value = &sent_words, .traced = true};

    (void)state;
    (void)send_from(TR_ACTOR_HOLDS, &held);
    assert_int_equal(held.status, TROUPE_OK);
    assert_int_equal(held.posted, 0);
    assert_int_equal(world.posted, 1);
    (void)send_from(0, &traced);
    assert_int_equal(world.values, 0);
    assert_int_equal(world.posted, 2);
}

static void an_answer_carries_what_its_request_came_with(void **state)
{
    const troupe_pid pid = spawn(0);
    struct tr_message *call = tr_message_create_value(&world.sched->shared_cache, TR_SIGNAL_CALL,
                                                      &words_type, &sent_words, 0);

    (void)state;
    assert_non_null(call);
    call->to = pid;
    call->from = (troupe_pid){.node = FAR_NODE, .id = FAR_ACTOR};
    call->ref = 12;
    call->session = FAR_SESSION;
    (void)tr_sched_post(world.sched, NULL, call);
    run();
    assert_int_equal(world.values, 1);
    assert_int_equal(world.posted, 0); /* No second answer, and no word that none came. */
    assert_int_equal(world.head.signal, TR_SIGNAL_REPLY);
    assert_int_equal(world.head.ref, 12);
    assert_int_equal(world.head.session, FAR_SESSION);
    assert_int_equal(world.head.to.node, FAR_NODE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_value_goes_to_another_node_as_its_sender_has_it, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_type_without_content_goes_without_a_value, begin, end),
        cmocka_unit_test_setup_teardown(what_is_refused_is_posted_as_a_message, begin, end),
        cmocka_unit_test_setup_teardown(
            no_value_for_a_type_with_content_is_refused_before_anybody_is_asked, begin, end),
        cmocka_unit_test_setup_teardown(
            a_crowded_node_suspends_who_sends_and_tells_who_wants_to_be_told, begin, end),
        cmocka_unit_test_setup_teardown(what_is_held_back_or_traced_becomes_a_message, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_carries_what_its_request_came_with, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
