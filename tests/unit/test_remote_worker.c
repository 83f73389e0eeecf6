/* What is tested: signals between nodes whose workers read and write the sockets themselves:
 * nothing waits for a handler that does not end, and every message comes once and in order. Method:
 * two nodes of this process, TCP between them, a registry in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "support/fake_registry.h"
#include "sync/thread.h"
#include "troupe/troupe.h"

enum {
    DEADLINE_MS = 20000,
    SENDERS = 8,
    EACH = 4000,
    ROUNDS = 2000,
    TRIES = 100,
    ENOUGH = 5,
    SOON_MS = 8
};

static struct fake_cluster *cluster;
static troupe_node *n1;
static troupe_node *n2;
static struct tr_atomic_u32 noted;    /* messages that the note has got */
static struct tr_atomic_u32 released; /* so many handlers that wait may go on */
static struct tr_atomic_u32 waits;    /* so many have begun to */

static int64_t now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Answers whether the counter has reached a value in time. */
static bool reaches(struct tr_atomic_u32 *counter, uint32_t value)
{
    const int64_t until = now_ms() + DEADLINE_MS;

    while (tr_load32_acquire(counter) < value) {
        if (now_ms() > until) {
            return false;
        }
        tr_thread_yield();
    }
    return true;
}

/* ---- actors ---- */

typedef struct work {
    troupe_pid to;
    uint32_t count;
    uint32_t from;
    uint32_t number;
} work;
TROUPE_TYPE(work, "test.work", TROUPE_FIELD(work, to, 1), TROUPE_FIELD(work, count, 2),
            TROUPE_FIELD(work, from, 3), TROUPE_FIELD(work, number, 4));
typedef struct item {
    uint32_t from;
    uint32_t number;
} item;
TROUPE_TYPE(item, "test.item", TROUPE_FIELD(item, from, 1), TROUPE_FIELD(item, number, 2));

typedef struct note {
    uint32_t seen[SENDERS];
} note;

/* Counts items, in order from each sender. */
static int note_on_item(troupe_self *self, void *state, const void *message)
{
    note *n = state;
    const item *i = message;

    if (i->from >= SENDERS || i->number != n->seen[i->from]) {
        return troupe_fail(self, "%u of %u", i->number, i->from);
    }
    n->seen[i->from]++;
    (void)tr_add32_seq(&noted, 1);
    return TROUPE_OK;
}

/* Counts items. */
static int count_on_item(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)message;
    (void)tr_add32_seq(&noted, 1);
    return TROUPE_OK;
}

static const troupe_handler count_handlers[] = {{&item_type, count_on_item}, {0}};
static const troupe_behavior count_behavior = {.name = "test.count", .handlers = count_handlers};

static const troupe_handler note_handlers[] = {{&item_type, note_on_item}, {0}};
static const troupe_behavior note_behavior = {
    .name = "test.note", .state_size = sizeof(note), .handlers = note_handlers};

/* Sends one, and then does not return until it is released. */
static int slow_on_work(troupe_self *self, void *state, const void *message)
{
    const work *w = message;
    const troupe_status status = troupe_send(self, w->to, &item_type, &(item){.number = 0});

    (void)state;
    if (!reaches(&released, tr_add32_seq(&waits, 1) + 1)) {
        return troupe_fail(self, "not released");
    }
    return (int)status;
}

static const troupe_handler slow_handlers[] = {{&work_type, slow_on_work}, {0}};
static const troupe_behavior slow_behavior = {.name = "test.slow", .handlers = slow_handlers};

/* Sends so many, a few in each run. */
static int sender_on_work(troupe_self *self, void *state, const void *message)
{
    work w = *(const work *)message;
    troupe_status status = TROUPE_OK;

    (void)state;
    for (uint32_t i = 0; i < 10 && w.number < w.count && status == TROUPE_OK; i++) {
        status = troupe_send(self, w.to, &item_type, &(item){.from = w.from, .number = w.number});
        w.number += status == TROUPE_OK ? 1 : 0;
    }
    if (w.number < w.count && (status == TROUPE_OK || status == TROUPE_E_BUSY)) {
        return troupe_send(self, troupe_self_pid(self), &work_type, &w);
    }
    return status != TROUPE_OK ? (int)status : TROUPE_STOP;
}

static const troupe_handler sender_handlers[] = {{&work_type, sender_on_work}, {0}};
static const troupe_behavior sender_behavior = {.name = "test.sender", .handlers = sender_handlers};

/* Sends back what it gets. */
static int echo_on_item(troupe_self *self, void *state, const void *message)
{
    (void)state;
    return troupe_send(self, troupe_sender(self), &item_type, message);
}

static const troupe_handler echo_handlers[] = {{&item_type, echo_on_item}, {0}};
static const troupe_behavior echo_behavior = {.name = "test.echo", .handlers = echo_handlers};

typedef struct player {
    troupe_pid to;
    uint32_t round;
} player;

static int player_on_work(troupe_self *self, void *state, const void *message)
{
    player *p = state;

    p->to = ((const work *)message)->to;
    return troupe_send(self, p->to, &item_type, &(item){.number = p->round});
}

static int player_on_item(troupe_self *self, void *state, const void *message)
{
    player *p = state;

    if (((const item *)message)->number != p->round) {
        return troupe_fail(self, "not %u", p->round);
    }
    (void)tr_add32_seq(&noted, 1);
    p->round++;
    return p->round == ROUNDS
               ? TROUPE_STOP
               : (int)troupe_send(self, p->to, &item_type, &(item){.number = p->round});
}

static const troupe_handler player_handlers[] = {
    {&work_type, player_on_work}, {&item_type, player_on_item}, {0}};
static const troupe_behavior player_behavior = {
    .name = "test.player", .state_size = sizeof(player), .handlers = player_handlers};

/* ---- the stage ---- */

static troupe_node *start_node(const char *name, uint32_t workers)
{
    troupe_config config;
    troupe_node *node = NULL;
    char error[256] = "";

    troupe_config_init(&config);
    config.name = name;
    config.workers = workers;
    config.mailbox_messages = SENDERS * EACH;
    config.registry = fake_registry_create(cluster);
    if (troupe_node_start(&config, &node, error, sizeof(error)) != TROUPE_OK) {
        fail_msg("%s", error);
    }
    assert_int_equal(troupe_node_add_type(node, &item_type, error, sizeof(error)), TROUPE_OK);
    assert_int_equal(troupe_node_add_type(node, &work_type, error, sizeof(error)), TROUPE_OK);
    return node;
}

static int begin(uint32_t workers)
{
    tr_store32_relaxed(&noted, 0);
    tr_store32_relaxed(&released, 0);
    tr_store32_relaxed(&waits, 0);
    cluster = fake_cluster_create();
    n1 = start_node("n1", workers);
    n2 = start_node("n2", workers);
    assert_int_equal(troupe_node_wait_cluster(n1, 2, DEADLINE_MS), TROUPE_OK);
    assert_int_equal(troupe_node_wait_cluster(n2, 2, DEADLINE_MS), TROUPE_OK);
    return 0;
}

static int begin_one(void **state)
{
    (void)state;
    return begin(1);
}

static int begin_three(void **state)
{
    (void)state;
    return begin(3);
}

static int end(void **state)
{
    (void)state;
    troupe_node_stop(n1, 5000);
    troupe_node_stop(n2, 5000);
    fake_cluster_destroy(cluster);
    return 0;
}

static troupe_pid spawn(troupe_node *node, const troupe_behavior *behavior)
{
    troupe_pid pid = {0};

    assert_int_equal(troupe_node_spawn(node, behavior, NULL, NULL, &pid), TROUPE_OK);
    return pid;
}

static void give(troupe_node *node, troupe_pid to, const work *w)
{
    assert_int_equal(troupe_node_send(node, to, &work_type, w), TROUPE_OK);
}

/* ---- the tests ---- */

static void what_a_handler_sent_leaves_while_it_runs(void **state)
{
    (void)state;
    give(n1, spawn(n1, &slow_behavior), &(work){.to = spawn(n2, &note_behavior)});
    assert_true(reaches(&noted, 1));
    tr_store32_release(&released, 1);
}

/* The actor that it woke is its worker's next one; somebody has to notice, and take it. */
static void what_a_handler_woke_runs_while_it_runs(void **state)
{
    const troupe_pid woken = spawn(n1, &note_behavior);
    const troupe_pid slow = spawn(n1, &slow_behavior);

    (void)state;
    give(n1, slow, &(work){.to = woken});
    assert_true(reaches(&noted, 1));
    tr_store32_release(&released, 1);
}

/* How long a message took, in ms, that a handler sent which did not return before it had come. */
static int64_t time_beside_slow(troupe_pid slow, troupe_pid to)
{
    const uint32_t before = tr_load32_acquire(&noted);
    const uint32_t waited = tr_load32_acquire(&waits);
    int64_t began = 0;

    give(n2, slow, &(work){.to = to, .number = before});
    assert_true(reaches(&waits, waited + 1));
    began = now_ms();
    assert_true(reaches(&noted, before + 1));
    tr_store32_release(&released, waited + 1);
    return now_ms() - began;
}

/* After much to and fro a worker waits for the loop, and the loop's own thread looks after it:
 * every millisecond, not only when the next heartbeat is due. */
static void what_a_handler_sent_leaves_soon_while_it_runs(void **state)
{
    const troupe_pid to = spawn(n2, &echo_behavior);
    const troupe_pid slow = spawn(n1, &slow_behavior);
    const troupe_pid sink = spawn(n2, &count_behavior);
    uint32_t soon = 0;

    (void)state;
    give(n1, spawn(n1, &player_behavior), &(work){.to = to});
    assert_true(reaches(&noted, ROUNDS));
    for (uint32_t i = 0; i < TRIES && soon < ENOUGH; i++) {
        soon += time_beside_slow(slow, sink) <= SOON_MS ? 1 : 0;
    }
    assert_int_equal(soon, ENOUGH);
}

static void a_handler_that_does_not_end_keeps_no_session_from_living(void **state)
{
    troupe_node_info info = {.struct_size = sizeof(info)};
    const troupe_pid note_pid = spawn(n2, &note_behavior);
    const int64_t until = now_ms() + 4500; /* longer than a silence that ends a connection */

    (void)state;
    give(n1, spawn(n1, &slow_behavior), &(work){.to = note_pid});
    assert_true(reaches(&waits, 1));
    while (now_ms() < until) {
        troupe_node_get_info(n2, &info);
        assert_int_equal(info.peers, 1);
        tr_thread_yield();
    }
    troupe_node_get_info(n1, &info);
    assert_int_equal(info.peers, 1);
    tr_store32_release(&released, 1);
    assert_true(reaches(&noted, 1));
}

static void every_message_comes_once_and_in_order(void **state)
{
    const troupe_pid to = spawn(n2, &note_behavior);
    const troupe_pid back = spawn(n1, &note_behavior);

    (void)state;
    for (uint32_t i = 0; i < SENDERS; i++) {
        give(n1, spawn(n1, &sender_behavior), &(work){.to = to, .count = EACH, .from = i});
        give(n2, spawn(n2, &sender_behavior), &(work){.to = back, .count = EACH, .from = i});
    }
    assert_true(reaches(&noted, 2 * SENDERS * EACH));
    assert_int_equal(tr_load32_relaxed(&noted), 2 * SENDERS * EACH);
}

static void no_answer_is_left_lying(void **state)
{
    const troupe_pid echo_pid = spawn(n2, &echo_behavior);

    (void)state;
    for (uint32_t i = 0; i < SENDERS; i++) {
        give(n1, spawn(n1, &player_behavior), &(work){.to = echo_pid});
    }
    assert_true(reaches(&noted, SENDERS * ROUNDS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_handler_sent_leaves_while_it_runs, begin_one, end),
        cmocka_unit_test_setup_teardown(what_a_handler_woke_runs_while_it_runs, begin_three, end),
        cmocka_unit_test_setup_teardown(what_a_handler_sent_leaves_soon_while_it_runs, begin_one,
                                        end),
        cmocka_unit_test_setup_teardown(what_a_handler_sent_leaves_soon_while_it_runs, begin_three,
                                        end),
        cmocka_unit_test_setup_teardown(a_handler_that_does_not_end_keeps_no_session_from_living,
                                        begin_one, end),
        cmocka_unit_test_setup_teardown(every_message_comes_once_and_in_order, begin_one, end),
        cmocka_unit_test_setup_teardown(every_message_comes_once_and_in_order, begin_three, end),
        cmocka_unit_test_setup_teardown(no_answer_is_left_lying, begin_one, end),
        cmocka_unit_test_setup_teardown(no_answer_is_left_lying, begin_three, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
