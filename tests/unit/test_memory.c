/* What is tested: that base, core and sched answer clearly, and lose and leak nothing of their own,
 * when there is no memory: each allocation of a scenario fails once, and then each with all after
 * it. What leaks, LeakSanitizer tells at the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"
#include "core/relations.h"
#include "sched/self.h"
#include "support/failing_alloc.h"

static void a_map_that_cannot_grow_keeps_what_it_has(void **state)
{
    static char values[64];

    (void)state;
    for (long n = 0;; n++) {
        struct tr_map map = {0};
        uint64_t put = 0;

        fail_at(n);
        for (uint64_t key = 0; key < 64; key++) {
            const troupe_status status = tr_map_put(&map, key, &values[key]);

            assert_true(status == TROUPE_OK || status == TROUPE_E_NO_MEMORY);
            put |= status == TROUPE_OK ? 1ull << key : 0;
        }
        const bool failed = was_failed();

        for (uint64_t key = 0; key < 64; key++) {
            assert_ptr_equal(tr_map_get(&map, key), (put >> key & 1) != 0 ? &values[key] : NULL);
        }
        tr_map_fini(&map);
        if (!failed) {
            break;
        }
    }
}

static void relations_that_cannot_grow_keep_what_they_have(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        struct tr_relations relations = {0};
        uint64_t added = 0;

        fail_at(n);
        for (uint64_t ref = 0; ref < 64; ref++) {
            const struct tr_relation relation = {.ref = ref, .kind = TR_RELATION_WATCHING};
            const troupe_status status = tr_relations_add(&relations, &relation);

            assert_true(status == TROUPE_OK || status == TROUPE_E_NO_MEMORY);
            added |= status == TROUPE_OK ? 1ull << ref : 0;
        }
        const bool failed = was_failed();

        for (uint64_t ref = 0; ref < 64; ref++) {
            assert_int_equal(tr_relations_watching(&relations, ref) != NULL, added >> ref & 1);
        }
        tr_relations_fini(&relations);
        if (!failed) {
            break;
        }
    }
}

static void a_table_without_memory_gives_nobody(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        struct tr_table table;
        int taken = 0;

        fail_at(n);
        if (tr_table_init(&table, 2500) == TROUPE_OK) {
            for (int i = 0; i < 2500; i++) {
                taken += tr_table_take(&table) != NULL ? 1 : 0;
            }
        }
        const bool failed = was_failed();

        assert_true(failed || taken == 2500);
        assert_int_equal(tr_load_relaxed(&table.alive), taken);
        tr_table_fini(&table);
        if (!failed) {
            break;
        }
    }
}

/* ---- actors ---- */

typedef struct note {
    const char *text;
} note;
TROUPE_TYPE(note, "test.note", TROUPE_FIELD(note, text, 1));
TROUPE_TYPE_EMPTY(go, "test.go");

static int64_t now_ns;

static int64_t now(void *context)
{
    (void)context;
    return now_ns;
}

static const struct tr_clock clock_of_test = {.now = now, .coarse = now};

static int keep(troupe_self *self, void *state, const void *message)
{
    return troupe_set_string(self, &((note *)state)->text, ((const note *)message)->text);
}

static int answer(troupe_self *self, void *state, const void *message)
{
    const troupe_from from = troupe_take_from(self);

    (void)message;
    if (from.ref == 0) {
        return TROUPE_OK;
    }
    const troupe_status status = troupe_reply_to(self, &from, &note_type, state);

    return status == TROUPE_OK ? TROUPE_OK : troupe_reply_to(self, &from, &note_type, state);
}

static int ignore(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)message;
    return TROUPE_OK;
}

static const troupe_handler worker_handlers[] = {{&note_type, keep}, {&go_type, answer}, {0}};
static const troupe_behavior worker_behavior = {
    .name = "test.worker", .state = &note_type, .handlers = worker_handlers};

static int on_answer(troupe_self *self, void *state, const troupe_result *result)
{
    (void)self;
    (void)state;
    assert_true(result->status <= TROUPE_OK);
    return TROUPE_OK;
}

/* Does something of everything with the worker; goes on whatever fails. */
static int act(troupe_self *self, void *state, const void *message)
{
    const troupe_pid other = *(const troupe_pid *)state;
    const troupe_pid pid = troupe_self_pid(self);
    uint64_t monitor = 0;
    uint64_t timer = 0;
    troupe_status statuses[12];
    size_t count = 0;

    (void)message;
    statuses[count++] = troupe_link(self, other);
    statuses[count++] = troupe_monitor(self, other, &monitor);
    statuses[count++] = troupe_send(self, other, &note_type, &(note){.text = "words"});
    statuses[count++] = troupe_call(self, other, &go_type, NULL, 50, on_answer, 1);
    statuses[count++] = troupe_call(self, pid, &note_type, &(note){0}, 50, on_answer, 2);
    statuses[count++] = troupe_send_after(self, 5, other, &note_type, &(note){.text = "x"}, &timer);
    statuses[count++] =
        troupe_send_interval(self, 7, other, &note_type, &(note){.text = "y"}, NULL);
    statuses[count++] = troupe_idle_timeout(self, 30);
    statuses[count++] = troupe_demonitor(self, monitor);
    statuses[count++] = troupe_unlink(self, other);
    statuses[count++] = troupe_link(self, other);
    statuses[count++] = troupe_monitor(self, other, &monitor);
    for (size_t i = 0; i < count; i++) {
        assert_true(statuses[i] == TROUPE_OK || statuses[i] == TROUPE_E_NO_MEMORY);
    }
    return TROUPE_OK;
}

static int boss_init(troupe_self *self, void *state, const void *args)
{
    *(troupe_pid *)state = *(const troupe_pid *)args;
    troupe_trap_exit(self, true);
    return TROUPE_OK;
}

static const troupe_handler boss_handlers[] = {{&go_type, act},
                                               {&troupe_exit_type, ignore},
                                               {&troupe_down_type, ignore},
                                               {&troupe_timeout_type, ignore},
                                               {0}};
static const troupe_behavior boss_behavior = {.name = "test.boss",
                                              .state_size = sizeof(troupe_pid),
                                              .init = boss_init,
                                              .handlers = boss_handlers};

static troupe_status nobody_post(void *context, struct tr_message *message, bool *crowded)
{
    (void)crowded;
    struct tr_sched *const *sched = context;

    tr_message_destroy(&(*sched)->shared_cache, message);
    return TROUPE_E_NOCONNECTION;
}

static void nothing_ended(void *context, struct tr_actor *actor, int32_t reason_kind)
{
    (void)context;
    (void)actor;
    (void)reason_kind;
}

static void no_log(void *context, int32_t level, troupe_pid pid, const char *text)
{
    (void)context;
    (void)level;
    (void)pid;
    (void)text;
}

static void run_for(struct tr_sched *sched, int milliseconds)
{
    for (int i = 0; i < milliseconds; i++) {
        now_ns += TR_NS_PER_MS;
        while (tr_worker_step(&sched->workers[0])) {
        }
    }
}

static void post(struct tr_sched *sched, troupe_pid to, struct tr_message *message)
{
    if (message != NULL) {
        message->to = to;
        (void)tr_sched_post(sched, NULL, message);
    }
}

static void play(void)
{
    static struct tr_sched *sched;
    const struct tr_sched_options options = {
        .workers = 1,
        .actors_max = 100,
        .mailbox_messages = 100,
        .mailbox_bytes = 1u << 20,
        .call_timeout_ms = 1000,
        .clock = &clock_of_test,
        .outward = {
            .context = (void *)&sched, .post = nobody_post, .ended = nothing_ended, .log = no_log}};
    troupe_pid worker = {0};
    troupe_pid boss = {0};

    if (tr_sched_create(&options, &sched) != TROUPE_OK) {
        return;
    }
    const struct tr_spawn spawn_worker = {.behavior = &worker_behavior};
    const struct tr_spawn spawn_boss = {.behavior = &boss_behavior, .args = &worker};

    if (tr_actor_spawn(sched, &sched->workers[0], &spawn_worker, &worker, NULL, 0) == TROUPE_OK &&
        tr_actor_spawn(sched, &sched->workers[0], &spawn_boss, &boss, NULL, 0) == TROUPE_OK) {
        post(sched, boss,
             tr_message_create_value(&sched->shared_cache, TR_SIGNAL_MESSAGE, &go_type, NULL, 0));
        run_for(sched, 40);
        post(sched, worker,
             tr_message_create_reason(&sched->shared_cache, TR_SIGNAL_EXIT, TROUPE_REASON_KILL,
                                      "enough"));
        run_for(sched, 40);
    }
    tr_sched_destroy(sched); /* Also what a failure has left waiting. */
}

static void actors_live_without_memory(void **state)
{
    long n = 0;

    (void)state;
    for (bool failed = true; failed; n++) {
        fail_at(n);
        play();
        failed = was_failed();
    }
    assert_true(n > 5);
    for (long from = 0; from < n; from++) {
        fail_from(from);
        play();
        (void)was_failed();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_that_cannot_grow_keeps_what_it_has),
        cmocka_unit_test(relations_that_cannot_grow_keep_what_they_have),
        cmocka_unit_test(a_table_without_memory_gives_nobody),
        cmocka_unit_test(actors_live_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
