/* What is tested: names on a node without a registry, through the public API. */
#include <string.h>

#include "support/actors.h"

static struct stage *stage;
static struct probe *a, *b, *c;

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(2);
    a = probe_spawn(stage, &(troupe_spawn_options){.name = "alpha"});
    b = probe_spawn(stage, NULL);
    c = probe_spawn(stage, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

/* ---- what actors ask for ---- */

struct wish {
    const char *name;
    troupe_status at_once;
    troupe_status status;
    troupe_pid pid;
    struct gate done;
};

static int on_wish(troupe_self *self, void *state, const troupe_result *result)
{
    struct wish *wish = (struct wish *)(uintptr_t)result->tag;

    (void)self;
    (void)state;
    wish->status = result->status;
    wish->pid = result->pid;
    gate_open(&wish->done);
    return TROUPE_OK;
}

static int do_register(troupe_self *self, struct probe *probe, void *context)
{
    struct wish *wish = context;

    (void)probe;
    wish->at_once = troupe_register(self, wish->name, 5000, on_wish, (uint64_t)(uintptr_t)wish);
    return TROUPE_OK;
}

static int do_unregister(troupe_self *self, struct probe *probe, void *context)
{
    struct wish *wish = context;

    (void)probe;
    wish->at_once = troupe_unregister(self, wish->name, 5000, on_wish, (uint64_t)(uintptr_t)wish);
    return TROUPE_OK;
}

static int do_whereis(troupe_self *self, struct probe *probe, void *context)
{
    struct wish *wish = context;

    (void)probe;
    wish->at_once = troupe_whereis(self, wish->name, 5000, on_wish, (uint64_t)(uintptr_t)wish);
    return TROUPE_OK;
}

static bool is_done(void *context)
{
    struct gate *gate = context;

    (void)pthread_mutex_lock(&gate->mutex);
    const bool open = gate->open;

    (void)pthread_mutex_unlock(&gate->mutex);
    return open;
}

static troupe_status ask_for(struct probe *probe, probe_fn fn, const char *name, troupe_pid *pid)
{
    struct wish wish = {.name = name};

    gate_init(&wish.done);
    assert_int_equal(probe_do(probe, fn, &wish), TROUPE_OK);
    if (wish.at_once == TROUPE_OK) {
        assert_true(wait_until(is_done, &wish.done));
        wish.at_once = wish.status;
    }
    gate_fini(&wish.done);
    if (pid != NULL) {
        *pid = wish.pid;
    }
    return wish.at_once;
}

static troupe_pid holder_of(const char *name)
{
    troupe_pid pid = {0};
    const troupe_status status = troupe_node_whereis(stage->node, name, 1000, &pid);

    assert_true(status == TROUPE_OK || status == TROUPE_E_NOT_FOUND);
    return pid;
}

/* ---- tests ---- */

static void a_name_leads_to_its_actor(void **state)
{
    troupe_pid pid = {0};

    (void)state;
    assert_true(troupe_pid_equal(holder_of("alpha"), a->pid));
    assert_int_equal(ask_for(b, do_whereis, "alpha", &pid), TROUPE_OK);
    assert_true(troupe_pid_equal(pid, a->pid));
    assert_int_equal(ask_for(b, do_whereis, "beta", NULL), TROUPE_E_NOT_FOUND);
}

static void a_taken_name_is_refused_and_nothing_is_left(void **state)
{
    struct probe *late = probe_create(stage);
    const troupe_spawn_options options = {.name = "alpha"};
    troupe_pid pid = {0};

    (void)state;
    assert_int_equal(troupe_node_spawn(stage->node, &probe_behavior, &late, &options, &pid),
                     TROUPE_E_EXISTS);
    assert_true(troupe_pid_is_none(pid));
    stage_wait_actors(stage, 3);
    assert_true(troupe_pid_equal(holder_of("alpha"), a->pid));
    probe_send(b, a->pid, 5);
    assert_int_equal(probe_wait(a, 0)->number, 5);
}

static void registering_a_taken_name_tells_who_holds_it(void **state)
{
    troupe_pid pid = {0};

    (void)state;
    assert_int_equal(ask_for(b, do_register, "alpha", &pid), TROUPE_E_EXISTS);
    assert_true(troupe_pid_equal(pid, a->pid));
    /* It has no name now and can get another. */
    assert_int_equal(ask_for(b, do_register, "beta", &pid), TROUPE_OK);
    assert_true(troupe_pid_equal(pid, b->pid));
    assert_true(troupe_pid_equal(holder_of("beta"), b->pid));
}

static void an_actor_has_one_name(void **state)
{
    (void)state;
    assert_int_equal(ask_for(a, do_register, "beta", NULL), TROUPE_E_INVALID);
    assert_true(troupe_pid_is_none(holder_of("beta")));
}

static void a_name_given_up_is_free(void **state)
{
    (void)state;
    assert_int_equal(ask_for(b, do_unregister, "alpha", NULL), TROUPE_E_NOT_FOUND);
    assert_int_equal(ask_for(a, do_unregister, "beta", NULL), TROUPE_E_NOT_FOUND);
    assert_int_equal(ask_for(a, do_unregister, "alpha", NULL), TROUPE_OK);
    assert_true(troupe_pid_is_none(holder_of("alpha")));
    assert_int_equal(ask_for(b, do_register, "alpha", NULL), TROUPE_OK);
    assert_int_equal(ask_for(a, do_unregister, "alpha", NULL), TROUPE_E_NOT_FOUND);
    assert_true(troupe_pid_equal(holder_of("alpha"), b->pid));
    /* The first holder's end must not take it from the second. */
    probe_stop(a, TROUPE_REASON_SHUTDOWN, NULL);
    stage_wait_actors(stage, 2);
    assert_true(troupe_pid_equal(holder_of("alpha"), b->pid));
}

/* On a DOWN, looks the name up at once. */
static int take_over(troupe_self *self, struct probe *probe, void *context)
{
    uint64_t monitor = 0;

    (void)probe;
    (void)context;
    return troupe_monitor(self, a->pid, &monitor);
}

static void a_name_is_free_before_the_end_is_told(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        troupe_pid pid = {0};
        struct probe *next = NULL;
        const size_t seen = probe_count(b);

        assert_int_equal(probe_do(b, take_over, NULL), TROUPE_OK);
        probe_exit(c, a->pid, TROUPE_REASON_KILL, NULL);
        assert_int_equal(probe_wait(b, seen)->what, SAW_DOWN);
        next = probe_create(stage);
        assert_int_equal(troupe_node_spawn(stage->node, &probe_behavior, &next,
                                           &(troupe_spawn_options){.name = "alpha"}, &pid),
                         TROUPE_OK);
        a = next;
    }
}

static void names_have_rules(void **state)
{
    static char longest[256];
    static char too_long[257];
    static const char *const bad[] = {"", "a\nb", "\x7f", "\xff\xfe", too_long};
    troupe_pid pid = {0};
    struct probe *probe = probe_create(stage);

    (void)state;
    memset(longest, 'n', sizeof(longest) - 1);
    memset(too_long, 'n', sizeof(too_long) - 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(ask_for(b, do_register, bad[i], NULL), TROUPE_E_INVALID);
        assert_int_equal(ask_for(b, do_whereis, bad[i], NULL), TROUPE_E_INVALID);
        if (bad[i][0] != '\0') {
            assert_int_equal(troupe_node_spawn(stage->node, &probe_behavior, &probe,
                                               &(troupe_spawn_options){.name = bad[i]}, &pid),
                             TROUPE_E_INVALID);
        }
    }
    assert_int_equal(ask_for(b, do_register, NULL, NULL), TROUPE_E_INVALID);
    assert_int_equal(ask_for(b, do_unregister, NULL, NULL), TROUPE_E_INVALID);
    assert_int_equal(ask_for(b, do_register, longest, NULL), TROUPE_OK);
    assert_int_equal(ask_for(c, do_register, "G\xc3\xb6the 7", NULL), TROUPE_OK);
    stage_wait_actors(stage, 3);
}

/* ---- messages to names ---- */

static int send_to_name(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    for (int i = 0; i < 100; i++) {
        const troupe_status status =
            troupe_send_name(self, context, &number_type, &(number){.value = i});

        if (status != TROUPE_OK) {
            return status;
        }
    }
    return TROUPE_OK;
}

static void messages_to_a_name_arrive_in_order(void **state)
{
    (void)state;
    assert_int_equal(probe_do(b, send_to_name, (void *)(uintptr_t) "alpha"), TROUPE_OK);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(probe_wait(a, i)->number, i);
        assert_true(troupe_pid_equal(a->seen[i].from, b->pid));
    }
}

static void messages_to_nobody_are_lost_and_counted(void **state)
{
    (void)state;
    assert_int_equal(probe_do(b, send_to_name, (void *)(uintptr_t) "nobody"), TROUPE_OK);
    assert_int_equal(stage_info(stage).messages_dropped, 100);
}

static void calls_to_a_name_are_answered(void **state)
{
    troupe_result result = {0};

    (void)state;
    assert_int_equal(troupe_node_call_name(stage->node, "alpha", &ask_type,
                                           &(ask){.how = ASK_REPLY, .value = 8}, 5000, &result),
                     TROUPE_OK);
    const number *value = troupe_result_as(&result, &number_type);

    assert_non_null(value);
    assert_int_equal(value->value, 8);
    troupe_result_clear(&result);
    assert_int_equal(troupe_node_call_name(stage->node, "nobody", &ask_type,
                                           &(ask){.how = ASK_REPLY}, 5000, &result),
                     TROUPE_E_NOPROC);
    troupe_result_clear(&result);
    assert_int_equal(
        troupe_node_call_name(stage->node, "", &ask_type, &(ask){.how = ASK_REPLY}, 5000, &result),
        TROUPE_E_INVALID);
    troupe_result_clear(&result);
}

static void a_callee_by_name_that_dies_gives_its_reason(void **state)
{
    troupe_result result = {0};

    (void)state;
    assert_int_equal(troupe_node_call_name(stage->node, "alpha", &ask_type, &(ask){.how = ASK_DIE},
                                           5000, &result),
                     TROUPE_E_EXITED);
    assert_string_equal(result.reason.text, "asked to");
    troupe_result_clear(&result);
}

enum { CONTENDERS = 8 };

struct contender {
    pthread_t thread;
    troupe_status status;
};

static void *contend(void *context)
{
    struct contender *contender = context;
    static const troupe_behavior plain = {.name = "test.plain"};
    troupe_pid pid = {0};

    contender->status = troupe_node_spawn(stage->node, &plain, NULL,
                                          &(troupe_spawn_options){.name = "prize"}, &pid);
    return NULL;
}

static void of_many_that_want_a_name_one_gets_it(void **state)
{
    struct contender contenders[CONTENDERS] = {0};
    int won = 0;

    (void)state;
    for (int i = 0; i < CONTENDERS; i++) {
        assert_int_equal(pthread_create(&contenders[i].thread, NULL, contend, &contenders[i]), 0);
    }
    for (int i = 0; i < CONTENDERS; i++) {
        assert_int_equal(pthread_join(contenders[i].thread, NULL), 0);
        won += contenders[i].status == TROUPE_OK ? 1 : 0;
        assert_true(contenders[i].status == TROUPE_OK || contenders[i].status == TROUPE_E_EXISTS);
    }
    assert_int_equal(won, 1);
    stage_wait_actors(stage, 4);
}

#define NAME_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAME_TEST(a_name_leads_to_its_actor),
        NAME_TEST(a_taken_name_is_refused_and_nothing_is_left),
        NAME_TEST(registering_a_taken_name_tells_who_holds_it),
        NAME_TEST(an_actor_has_one_name),
        NAME_TEST(a_name_given_up_is_free),
        NAME_TEST(a_name_is_free_before_the_end_is_told),
        NAME_TEST(names_have_rules),
        NAME_TEST(messages_to_a_name_arrive_in_order),
        NAME_TEST(messages_to_nobody_are_lost_and_counted),
        NAME_TEST(calls_to_a_name_are_answered),
        NAME_TEST(a_callee_by_name_that_dies_gives_its_reason),
        NAME_TEST(of_many_that_want_a_name_one_gets_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
