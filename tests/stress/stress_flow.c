/* What is tested: that no message is lost, doubled or out of order between actors on four workers,
 * with mailboxes that run full. Every number is counted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/actors.h"

enum { SENDERS = 8, RECEIVERS = 8, BATCH = 50, WORKERS = 4 };
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { EACH = 10000 };
#else
enum { EACH = 100000 };
#endif

typedef struct item {
    int32_t sender;
    int64_t number;
} item;
TROUPE_TYPE(item, "test.item", TROUPE_FIELD(item, sender, 1), TROUPE_FIELD(item, number, 2));
TROUPE_TYPE_EMPTY(go, "test.go");

static troupe_pid receivers[RECEIVERS];
static atomic_int finished; /* receivers that have everything */
static atomic_int wrong;
static int64_t each; /* messages of one sender to one receiver */
static atomic_ullong refused;

/* ---- receivers: check ---- */

struct receiver {
    int64_t next[SENDERS];
    int64_t count;
};

static int on_item(troupe_self *self, void *state, const void *message)
{
    struct receiver *receiver = state;
    const item *i = message;

    (void)self;
    if (i->number != receiver->next[i->sender]++) {
        (void)atomic_fetch_add(&wrong, 1);
    }
    if (++receiver->count == SENDERS * each) {
        (void)atomic_fetch_add(&finished, 1);
    }
    return TROUPE_OK;
}

static const troupe_handler receiver_handlers[] = {{&item_type, on_item}, {0}};
static const troupe_behavior receiver_behavior = {
    .name = "test.receiver", .state_size = sizeof(struct receiver), .handlers = receiver_handlers};

/* ---- senders: a batch to each receiver, then once more, until all are sent ---- */

struct sender {
    int32_t index;
    int64_t next[RECEIVERS];
};

static int sender_init(troupe_self *self, void *state, const void *args)
{
    (void)self;
    ((struct sender *)state)->index = *(const int32_t *)args;
    return TROUPE_OK;
}

static int on_go(troupe_self *self, void *state, const void *message)
{
    struct sender *sender = state;
    bool done = true;
    bool full = false;

    (void)message;
    for (int r = 0; r < RECEIVERS; r++) {
        for (int i = 0; i < BATCH && sender->next[r] < each; i++) {
            const item next = {.sender = sender->index, .number = sender->next[r]};

            if (troupe_send(self, receivers[r], &item_type, &next) != TROUPE_OK) {
                (void)atomic_fetch_add(&refused, 1);
                full = true;
                break; /* Full: the same number again, later. */
            }
            sender->next[r]++;
        }
        done = done && sender->next[r] == each;
    }
    if (done) {
        return TROUPE_STOP;
    }
    const troupe_pid pid = troupe_self_pid(self);

    return full ? (int)troupe_send_after(self, 1, pid, &go_type, NULL, NULL)
                : (int)troupe_send(self, pid, &go_type, NULL);
}

static const troupe_handler sender_handlers[] = {{&go_type, on_go}, {0}};
static const troupe_behavior sender_behavior = {.name = "test.sender",
                                                .state_size = sizeof(struct sender),
                                                .init = sender_init,
                                                .handlers = sender_handlers};

static bool all_finished(void *context)
{
    (void)context;
    return atomic_load(&finished) == RECEIVERS || atomic_load(&wrong) > 0;
}

static void run_flow(uint32_t mailbox, int64_t messages)
{
    struct stage *stage = stage_begin(WORKERS);
    const troupe_spawn_options options = {.mailbox_messages = mailbox};

    each = messages;
    atomic_store(&finished, 0);
    atomic_store(&wrong, 0);
    atomic_store(&refused, 0);
    for (int r = 0; r < RECEIVERS; r++) {
        assert_int_equal(
            troupe_node_spawn(stage->node, &receiver_behavior, NULL, &options, &receivers[r]),
            TROUPE_OK);
    }
    for (int32_t s = 0; s < SENDERS; s++) {
        troupe_pid pid = {0};

        assert_int_equal(troupe_node_spawn(stage->node, &sender_behavior, &s, NULL, &pid),
                         TROUPE_OK);
        assert_int_equal(troupe_node_send(stage->node, pid, &go_type, NULL), TROUPE_OK);
    }
    assert_true(wait_until(all_finished, NULL));
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(atomic_load(&finished), RECEIVERS);
    stage_wait_actors(stage, RECEIVERS);
    assert_int_equal(stage_info(stage).messages_dropped, atomic_load(&refused));
    (void)printf("refused %llu times\n", (unsigned long long)atomic_load(&refused));
    stage_end(stage);
}

static void every_message_comes_once_and_in_order(void **state)
{
    (void)state;
    run_flow(0, EACH);
}

static void small_mailboxes_lose_nothing_that_was_accepted(void **state)
{
    (void)state;
    run_flow(200, EACH / 10);
    assert_true(atomic_load(&refused) > 0);
}

/* ---- a ring: one message, many hops, all workers asleep again and again ---- */

enum { RING = 64, HOPS = 100000 };

static troupe_pid ring[RING];
static atomic_int arrived;

static int on_hop(troupe_self *self, void *state, const void *message)
{
    const item *i = message;
    const item next = {.sender = (i->sender + 1) % RING, .number = i->number - 1};

    (void)state;
    if (i->number == 0) {
        (void)atomic_fetch_add(&arrived, 1);
        return TROUPE_OK;
    }
    return troupe_send(self, ring[next.sender], &item_type, &next);
}

static const troupe_handler hop_handlers[] = {{&item_type, on_hop}, {0}};
static const troupe_behavior hop_behavior = {.name = "test.hop", .handlers = hop_handlers};

static bool has_arrived(void *context)
{
    return atomic_load(&arrived) == *(const int *)context;
}

static void a_ring_hands_its_messages_on(void **state)
{
    struct stage *stage = stage_begin(WORKERS);
    int expected = 0;

    (void)state;
    atomic_store(&arrived, 0);
    for (int i = 0; i < RING; i++) {
        assert_int_equal(troupe_node_spawn(stage->node, &hop_behavior, NULL, NULL, &ring[i]),
                         TROUPE_OK);
    }
    /* Few at a time: who has nothing to do sleeps, and has to be woken. */
    for (int tokens = 1; tokens <= 4; tokens++) {
        for (int i = 0; i < tokens; i++) {
            const item start = {.sender = i * 7, .number = HOPS / 10 * tokens};

            assert_int_equal(troupe_node_send(stage->node, ring[i * 7], &item_type, &start),
                             TROUPE_OK);
        }
        expected += tokens;
        assert_true(wait_until(has_arrived, &expected));
    }
    stage_end(stage);
}

/* ---- from other threads: each message wakes a node that sleeps ---- */

enum { ASKERS = 4, QUESTIONS = 1500 };

struct asker {
    pthread_t thread;
    struct stage *stage;
    struct probe *probe;
    int wrong;
};

static void *ask_many(void *context)
{
    struct asker *asker = context;

    for (int64_t i = 0; i < QUESTIONS; i++) {
        troupe_result result = {0};
        const ask question = {.how = ASK_REPLY, .value = i};
        const troupe_status status = troupe_node_call(asker->stage->node, asker->probe->pid,
                                                      &ask_type, &question, DEADLINE_MS, &result);
        const number *value = troupe_result_as(&result, &number_type);

        asker->wrong += status != TROUPE_OK || value == NULL || value->value != i ? 1 : 0;
        troupe_result_clear(&result);
    }
    return NULL;
}

static void calls_of_several_threads_are_all_answered(void **state)
{
    struct stage *stage = stage_begin(WORKERS);
    struct asker askers[ASKERS] = {0};

    (void)state;
    for (int i = 0; i < ASKERS; i++) {
        askers[i].stage = stage;
        askers[i].probe = probe_spawn(stage, NULL);
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_many, &askers[i]), 0);
    }
    for (int i = 0; i < ASKERS; i++) {
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
        assert_int_equal(askers[i].wrong, 0);
    }
    assert_int_equal(stage_info(stage).messages_dropped, 0);
    stage_end(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_comes_once_and_in_order),
        cmocka_unit_test(small_mailboxes_lose_nothing_that_was_accepted),
        cmocka_unit_test(a_ring_hands_its_messages_on),
        cmocka_unit_test(calls_of_several_threads_are_all_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
