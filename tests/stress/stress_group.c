/* What is tested: groups while actors of all workers join, leave, end, broadcast and watch. What a
 * watcher was told adds up to the members there are, and every copy that was taken in is handled.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/actors.h"

enum { WORKERS = 4, ACTORS = 40, STEPS = 400, GROUPS = 5 };

static struct stage *stage;
static atomic_ullong copies_sent;
static atomic_ullong copies_handled;
static atomic_int balance[GROUPS]; /* by what the watcher was told */

typedef struct step {
    int32_t left;
    uint64_t random;
} step;
TROUPE_TYPE(step, "stress.step", TROUPE_FIELD(step, left, 1), TROUPE_FIELD(step, random, 2));

static const char *const names[GROUPS] = {"a", "b", "c", "d", "e"};

static uint64_t next_random(uint64_t x)
{
    x ^= x << 13;
    x ^= x >> 7;
    return x ^ x << 17;
}

static int on_step(troupe_self *self, void *state, const void *message)
{
    const step *s = message;
    const uint64_t random = next_random(s->random);
    const char *group = names[random % GROUPS];
    troupe_status status = TROUPE_OK;
    size_t count = 0;

    (void)state;
    switch (random / GROUPS % 4) {
    case 0:
    case 1:
        status = troupe_join(self, group);
        break;
    case 2:
        status = troupe_leave(self, group);
        assert_true(status == TROUPE_OK || status == TROUPE_E_NOT_FOUND);
        status = TROUPE_OK;
        break;
    default:
        status = troupe_broadcast(self, group, &number_type, &(number){.value = 1}, &count);
        (void)atomic_fetch_add(&copies_sent, count);
        break;
    }
    assert_int_equal(status, TROUPE_OK);
    if (s->left == 0) {
        return random % 2 == 0 ? TROUPE_OK : TROUPE_STOP;
    }
    return troupe_send(self, troupe_self_pid(self), &step_type,
                       &(step){.left = s->left - 1, .random = random});
}

static int on_number(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)message;
    (void)atomic_fetch_add(&copies_handled, 1);
    return TROUPE_OK;
}

static const troupe_handler stepper_handlers[] = {
    {&step_type, on_step}, {&number_type, on_number}, {0}};
static const troupe_behavior stepper_behavior = {.name = "stress.stepper",
                                                 .handlers = stepper_handlers};

static int watcher_init(troupe_self *self, void *state, const void *args)
{
    (void)state;
    (void)args;
    for (int i = 0; i < GROUPS; i++) {
        assert_int_equal(troupe_monitor_group(self, names[i], true), TROUPE_OK);
    }
    return TROUPE_OK;
}

static int watcher_on_group(troupe_self *self, void *state, const void *message)
{
    const troupe_group_message *news = message;
    const int before = atomic_fetch_add(&balance[news->group[0] - 'a'], news->joined ? 1 : -1);

    (void)self;
    (void)state;
    assert_true(before + (news->joined ? 1 : -1) >= 0); /* In the order of the changes. */
    return TROUPE_OK;
}

static const troupe_handler watcher_handlers[] = {{&troupe_group_type, watcher_on_group}, {0}};
static const troupe_behavior watcher_behavior = {
    .name = "stress.watcher", .init = watcher_init, .handlers = watcher_handlers};

static bool watcher_agrees(void *context)
{
    (void)context;
    for (int i = 0; i < GROUPS; i++) {
        size_t count = 0;

        assert_int_equal(troupe_node_members(stage->node, names[i], NULL, 0, &count), TROUPE_OK);
        if (atomic_load(&balance[i]) != (int)count) {
            return false;
        }
    }
    return true;
}

static void kill_one(troupe_pid pid)
{
    const troupe_status status = troupe_node_exit(stage->node, pid, TROUPE_REASON_KILL, NULL);

    assert_true(status == TROUPE_OK || status == TROUPE_E_NOPROC);
}

static void watchers_and_members_agree_after_a_storm(void **state)
{
    troupe_pid pids[ACTORS];
    troupe_pid watcher = {0};
    int32_t kind = 0;

    (void)state;
    stage = stage_begin(WORKERS);
    assert_int_equal(troupe_node_spawn(stage->node, &watcher_behavior, NULL, NULL, &watcher),
                     TROUPE_OK);
    for (int i = 0; i < ACTORS; i++) {
        assert_int_equal(troupe_node_spawn(stage->node, &stepper_behavior, NULL, NULL, &pids[i]),
                         TROUPE_OK);
        assert_int_equal(troupe_node_send(stage->node, pids[i], &step_type,
                                          &(step){.left = STEPS, .random = (uint64_t)i * 7919 + 1}),
                         TROUPE_OK);
    }
    for (int i = 0; i < ACTORS; i += 4) {
        kill_one(pids[i]);
    }
    /* When all have ended nobody is left anywhere, and the watcher knows. */
    for (int i = 0; i < ACTORS; i++) {
        const troupe_status status = troupe_node_call(
            stage->node, pids[i], &number_type, &(number){0}, DEADLINE_MS, &(troupe_result){0});

        (void)status; /* No reply or no actor: either way its steps before that are over. */
    }
    assert_true(wait_until(watcher_agrees, NULL));
    for (int i = 0; i < ACTORS; i++) {
        kill_one(pids[i]);
        assert_int_equal(troupe_node_join(stage->node, pids[i], DEADLINE_MS, &kind), TROUPE_OK);
    }
    assert_true(wait_until(watcher_agrees, NULL));
    for (int i = 0; i < GROUPS; i++) {
        assert_int_equal(atomic_load(&balance[i]), 0);
    }
    assert_true(atomic_load(&copies_handled) > 0);
    assert_true(atomic_load(&copies_handled) <= atomic_load(&copies_sent) + ACTORS);
    stage_end(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watchers_and_members_agree_after_a_storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
