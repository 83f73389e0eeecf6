/* What is tested: troupe/cluster.h - what members know of each other, and waiting for them. */
#include <stdio.h>
#include <string.h>

#include "node/members.h"
#include "support/nodes.h"

static int begin(void **state)
{
    (void)state;
    nodes_begin(0, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    nodes_end();
    return 0;
}

static void as_worker(troupe_config *config)
{
    config->roles = " worker , gate,worker,";
    config->metadata = "zone=a, rack=7 ,note=\xc3\xa4 b=c";
}

static void as_gate(troupe_config *config)
{
    config->roles = "gate";
}

static void rejoins(troupe_config *config)
{
    config->exit_when_fenced = false;
}

/* ---- lists ---- */

static void roles_are_read_without_blanks_doubles_and_gaps(void **state)
{
    char out[16];

    (void)state;
    assert_null(tr_roles_read(NULL, out, sizeof(out)));
    assert_string_equal(out, "");
    assert_null(tr_roles_read(" b ,a,,b, a.c ", out, sizeof(out)));
    assert_string_equal(out, "b,a,a.c");
    assert_null(tr_roles_read("12345678,abcdef", out, sizeof(out)));
    assert_non_null(tr_roles_read("12345678,abcdefg", out, sizeof(out)));
    assert_non_null(tr_roles_read("a b", out, sizeof(out)));
    assert_non_null(tr_roles_read("a,\xc3\xa4", out, sizeof(out)));
    assert_non_null(tr_roles_read("a=b", out, sizeof(out)));
}

static void metadata_is_read_and_what_is_none_is_refused(void **state)
{
    static const char *const wrong[] = {"a",      "=a",     "a b=c",    "a=1,a=2",
                                        "a=\x7f", "a=\xff", "a=b\nc=d", "a:1=2"};
    char out[300];
    char text[300] = "k=";

    (void)state;
    assert_null(tr_metadata_read("b=2, a=,c=x=y ,", out, sizeof(out)));
    assert_string_equal(out, "b=2,a=,c=x=y");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_non_null(tr_metadata_read(wrong[i], out, sizeof(out)));
    }
    memset(text + 2, 'v', 255);
    assert_null(tr_metadata_read(text, out, sizeof(out)));
    text[257] = 'v';
    assert_non_null(tr_metadata_read(text, out, sizeof(out)));
}

static void a_node_with_bad_labels_does_not_start(void **state)
{
    troupe_config config;
    troupe_node *node = NULL;
    char error[256] = "";

    (void)state;
    troupe_config_init(&config);
    config.roles = "a b";
    assert_int_equal(troupe_node_start(&config, &node, error, sizeof(error)), TROUPE_E_INVALID);
    assert_non_null(strstr(error, "roles"));
    config.roles = NULL;
    config.metadata = "zone";
    assert_int_equal(troupe_node_start(&config, &node, error, sizeof(error)), TROUPE_E_INVALID);
    assert_non_null(strstr(error, "metadata"));
}

/* ---- who is there ---- */

static void is_worker(const troupe_member *member, const char *name)
{
    char value[8] = "";

    assert_string_equal(member->name, name);
    assert_string_equal(member->roles, "worker,gate");
    assert_true(troupe_member_has_role(member, "worker"));
    assert_true(troupe_member_has_role(member, "gate"));
    assert_false(troupe_member_has_role(member, "work"));
    assert_false(troupe_member_has_role(member, "worker,gate"));
    assert_false(troupe_member_has_role(member, ""));
    assert_true(troupe_member_get(member, "zone", value, sizeof(value)));
    assert_string_equal(value, "a");
    assert_true(troupe_member_get(member, "rack", value, sizeof(value)));
    assert_string_equal(value, "7");
    assert_true(troupe_member_get(member, "note", value, sizeof(value)));
    assert_string_equal(value, "\xc3\xa4 b=c");
    assert_true(troupe_member_get(member, "note", value, 2)); /* Half a character is none. */
    assert_string_equal(value, "");
    assert_false(troupe_member_get(member, "one", value, sizeof(value)));
    assert_false(troupe_member_get(member, "note=\xc3\xa4 b", value, sizeof(value)));
    assert_false(troupe_member_get(member, "", value, sizeof(value)));
}

static void a_local_node_is_a_cluster_of_one(void **state)
{
    troupe_config config;
    const troupe_cluster *view = NULL;

    (void)state;
    troupe_config_init(&config);
    as_worker(&config);
    struct stage *stage = stage_begin_with(&config);

    assert_int_equal(troupe_node_cluster(stage->node, &view), TROUPE_OK);
    assert_int_equal(troupe_cluster_count(view), 1);
    assert_null(troupe_cluster_member(view, 1));
    is_worker(troupe_cluster_member(view, 0), "local");
    assert_true(troupe_cluster_member(view, 0)->self);
    assert_true(troupe_cluster_member(view, 0)->connected);
    troupe_cluster_drop(stage->node, view);
    stage_end(stage);
}

static void members_know_each_others_roles_and_metadata(void **state)
{
    struct stage *n1 = node_start(0, as_worker);
    struct stage *n2 = node_start(1, as_gate);
    const troupe_cluster *first = NULL;
    const troupe_cluster *second = NULL;

    (void)state;
    nodes_wait(2);
    assert_int_equal(troupe_node_cluster(n1->node, &first), TROUPE_OK);
    assert_int_equal(troupe_node_cluster(n2->node, &second), TROUPE_OK);
    assert_int_equal(troupe_cluster_count(first), 2);
    assert_int_equal(troupe_cluster_count(second), 2);
    for (size_t i = 0; i < 2; i++) {
        const troupe_member *a = troupe_cluster_member(first, i);
        const troupe_member *b = troupe_cluster_member(second, i);

        assert_int_equal(a->node, b->node); /* Both in the order of their ids. */
        assert_string_equal(a->roles, b->roles);
        assert_string_equal(a->metadata, b->metadata);
        assert_int_equal(a->since_ms, b->since_ms);
        assert_int_equal(a->since_ms, (int64_t)a->node * 1000);
        assert_true(a->connected && b->connected && !a->draining && !b->draining);
        assert_true(a->self == (a->node == node_id_of(0)));
        assert_true(b->self == (b->node == node_id_of(1)));
    }
    is_worker(troupe_cluster_member(second, 0), "n1");
    assert_string_equal(troupe_cluster_member(first, 1)->roles, "gate");
    troupe_cluster_drop(n2->node, second);

    /* Who holds a list keeps it, whatever changes; without a change it is the same one. */
    const troupe_cluster *again = NULL;

    assert_int_equal(troupe_node_cluster(n1->node, &again), TROUPE_OK);
    assert_ptr_equal(again, first);
    troupe_cluster_drop(n1->node, again);
    node_end(1);
    assert_string_equal(troupe_cluster_member(first, 1)->name, "n2");
    troupe_cluster_drop(n1->node, first);
}

static bool has_one_member(void *context)
{
    struct stage *stage = context;
    const troupe_cluster *view = NULL;

    assert_int_equal(troupe_node_cluster(stage->node, &view), TROUPE_OK);
    const size_t count = troupe_cluster_count(view);

    troupe_cluster_drop(stage->node, view);
    return count == 1;
}

static void who_leaves_is_no_member_any_more(void **state)
{
    struct stage *n1 = node_start(0, NULL);
    (void)node_start(1, NULL);

    (void)state;
    nodes_wait(2);
    node_end(1);
    assert_true(wait_until(has_one_member, n1));
    (void)node_start(2, rejoins);

    nodes_wait(2);
    fake_cluster_kill(cluster, node_id_of(2));
    assert_int_equal(troupe_node_wait_cluster(n1->node, 2, DEADLINE_MS), TROUPE_OK); /* n3 again */
}

static int look_around(troupe_self *self, struct probe *probe, void *context)
{
    const troupe_cluster *view = NULL;

    (void)probe;
    (void)context;
    assert_int_equal(troupe_node_cluster(troupe_self_node(self), &view), TROUPE_OK);
    const int count = (int)troupe_cluster_count(view);

    troupe_cluster_drop(troupe_self_node(self), view);
    return count == 2 ? TROUPE_OK : TROUPE_E_FAILED;
}

static void an_actor_asks_too(void **state)
{
    struct stage *n1 = node_start(0, NULL);

    (void)state;
    (void)node_start(1, NULL);
    nodes_wait(2);
    assert_int_equal(probe_do(probe_spawn(n1, NULL), look_around, NULL), TROUPE_OK);
}

struct placeable {
    struct stage *stage;
    const char *role;
    size_t count;
};

static bool so_many_placeable(void *context)
{
    const struct placeable *want = context;
    const troupe_cluster *view = NULL;
    const troupe_member *found[1] = {NULL};

    assert_int_equal(troupe_node_cluster(want->stage->node, &view), TROUPE_OK);
    const size_t count = tr_members_placeable(view, want->role, found, 1);

    assert_true(count == 0 || want->role[0] == '\0' ||
                troupe_member_has_role(found[0], want->role));
    troupe_cluster_drop(want->stage->node, view);
    return count == want->count;
}

static void nothing_is_placed_on_who_drains(void **state)
{
    struct stage *n1 = node_start(0, as_gate);
    struct stage *n2 = node_start(1, as_worker);
    struct placeable gates = {.stage = n1, .role = "gate", .count = 2};
    struct placeable workers = {.stage = n1, .role = "worker", .count = 1};
    struct placeable all = {.stage = n1, .role = "", .count = 2};

    (void)state;
    nodes_wait(2);
    assert_true(so_many_placeable(&gates));
    assert_true(so_many_placeable(&workers));
    assert_true(so_many_placeable(&all));
    tr_cluster_drain(n2->node, true);
    gates.count = all.count = 1;
    workers.count = 0;
    assert_true(wait_until(so_many_placeable, &gates));
    assert_true(so_many_placeable(&workers));
    assert_true(so_many_placeable(&all));
    /* Who comes later hears of it as well. */
    struct stage *n3 = node_start(2, NULL);

    all.stage = n3;
    all.count = 2;
    assert_int_equal(troupe_node_wait_cluster(n3->node, 2, DEADLINE_MS), TROUPE_OK);
    assert_true(wait_until(so_many_placeable, &all));
}

/* ---- waiting ---- */

static troupe_status wait_for(struct stage *stage, uint32_t nodes_min, const char *names,
                              const char *roles, uint32_t timeout_ms, char missing[200])
{
    const troupe_cluster_need need = {.struct_size = sizeof(need),
                                      .nodes_min = nodes_min,
                                      .names = names,
                                      .roles = roles,
                                      .timeout_ms = timeout_ms};

    return troupe_node_wait_cluster_for(stage->node, &need, missing, 200);
}

static void a_wait_ends_when_all_conditions_hold(void **state)
{
    static const struct {
        uint32_t nodes_min;
        const char *names;
        const char *roles;
        const char *missing; /* NULL: nothing */
    } cases[] = {
        {0, NULL, NULL, NULL},
        {0, "", "", NULL},
        {2, NULL, NULL, NULL},
        {3, NULL, NULL, "2 of 3 nodes"},
        {0, "n2", NULL, NULL},
        {0, "n1, n2", NULL, NULL},
        {0, "n3", NULL, "node n3"},
        {2, "n2", NULL, NULL},
        {2, "n3", NULL, "node n3"},
        {3, "n2", NULL, "2 of 3 nodes"},
        {3, "n3", NULL, "2 of 3 nodes; node n3"},
        {0, NULL, "worker", NULL},
        {0, NULL, "gate:2", NULL},
        {0, NULL, "gate:2,worker:2", "role worker: 1 of 2"},
        {0, NULL, "gate:0,nobody", "role nobody: 0 of 1"},
        {2, "n1,n2", "gate:2,worker:1", NULL},
        {3, "n1,n4", "gate:3", "2 of 3 nodes; node n4; role gate: 2 of 3"},
    };
    struct stage *n1 = node_start(0, as_worker);
    char missing[200];

    (void)state;
    (void)node_start(1, as_gate);
    nodes_wait(2);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const bool holds = cases[i].missing == NULL;
        const troupe_status status = wait_for(n1, cases[i].nodes_min, cases[i].names,
                                              cases[i].roles, holds ? DEADLINE_MS : 1, missing);

        assert_int_equal(status, holds ? TROUPE_OK : TROUPE_E_TIMEOUT);
        assert_string_equal(missing, holds ? "" : cases[i].missing);
    }
}

static void a_need_that_is_none_is_refused(void **state)
{
    static const char *const wrong[] = {":", "a:", "a:b", ":2", "a:-1", "a:99999999999"};
    struct stage *n1 = node_start(0, NULL);
    char missing[200];
    const troupe_cluster_need unsized = {.nodes_min = 1};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(wait_for(n1, 0, NULL, wrong[i], 1, missing), TROUPE_E_INVALID);
    }
    assert_int_equal(troupe_node_wait_cluster_for(n1->node, &unsized, NULL, 0), TROUPE_E_INVALID);
}

static void what_is_missing_is_cut_to_its_room(void **state)
{
    const troupe_cluster_need need = {.struct_size = sizeof(need),
                                      .nodes_min = 3,
                                      .names = "n7,n8",
                                      .roles = "gate",
                                      .timeout_ms = 1};
    struct stage *n1 = node_start(0, NULL);

    (void)state;
    for (size_t size = 1; size < 40; size++) {
        char missing[48];
        static const char whole[] = "1 of 3 nodes; node n7; node n8; role gate: 0 of 1";

        memset(missing, '#', sizeof(missing));
        assert_int_equal(troupe_node_wait_cluster_for(n1->node, &need, missing, size),
                         TROUPE_E_TIMEOUT);
        assert_int_equal(strlen(missing), size - 1);
        assert_memory_equal(missing, whole, size - 1);
        assert_int_equal(missing[size], '#');
    }
    assert_int_equal(troupe_node_wait_cluster_for(n1->node, &need, NULL, 0), TROUPE_E_TIMEOUT);
}

static void a_local_node_does_not_wait_for_who_cannot_come(void **state)
{
    struct stage *stage = stage_begin(1);
    char missing[200];
    const int64_t before = clock_ms();

    (void)state;
    assert_int_equal(wait_for(stage, 1, "local", NULL, DEADLINE_MS, missing), TROUPE_OK);
    assert_int_equal(wait_for(stage, 2, NULL, NULL, DEADLINE_MS, missing), TROUPE_E_TIMEOUT);
    assert_string_equal(missing, "1 of 2 nodes");
    assert_true(clock_ms() - before < DEADLINE_MS / 2);
    stage_end(stage);
}

struct waiter {
    pthread_t thread;
    struct stage *stage;
    const char *names;
    const char *roles;
    uint32_t nodes_min;
    uint32_t timeout_ms;
    troupe_status status;
    char missing[200];
    atomic_bool done;
};

static void *wait_in_thread(void *context)
{
    struct waiter *waiter = context;

    waiter->status = wait_for(waiter->stage, waiter->nodes_min, waiter->names, waiter->roles,
                              waiter->timeout_ms, waiter->missing);
    atomic_store(&waiter->done, true);
    return NULL;
}

static void wait_begins(struct waiter *waiter)
{
    assert_int_equal(pthread_create(&waiter->thread, NULL, wait_in_thread, waiter), 0);
}

static void wait_ends(struct waiter *waiter, troupe_status status)
{
    assert_int_equal(pthread_join(waiter->thread, NULL), 0);
    assert_int_equal(waiter->status, status);
}

static void waits_at_one_time_end_each_by_its_own_conditions(void **state)
{
    struct stage *n1 = node_start(0, NULL);
    struct waiter two = {.stage = n1, .nodes_min = 2, .timeout_ms = DEADLINE_MS};
    struct waiter named = {.stage = n1, .names = "n3", .timeout_ms = DEADLINE_MS};
    struct waiter role = {.stage = n1, .roles = "worker", .timeout_ms = DEADLINE_MS};
    struct waiter never = {.stage = n1, .roles = "nobody", .timeout_ms = 300};

    (void)state;
    wait_begins(&two);
    wait_begins(&named);
    wait_begins(&role);
    wait_begins(&never);
    (void)node_start(1, as_gate);
    wait_ends(&two, TROUPE_OK);
    assert_false(atomic_load(&named.done) || atomic_load(&role.done));
    (void)node_start(2, as_gate);
    wait_ends(&named, TROUPE_OK);
    assert_false(atomic_load(&role.done));
    (void)node_start(3, as_worker);
    wait_ends(&role, TROUPE_OK);
    wait_ends(&never, TROUPE_E_TIMEOUT);
    assert_string_equal(never.missing, "role nobody: 0 of 1");
}

static void who_leaves_during_a_wait_does_not_count(void **state)
{
    struct stage *n1 = node_start(0, NULL);
    (void)node_start(1, as_worker);
    struct waiter waiter = {.stage = n1, .roles = "worker:2", .timeout_ms = DEADLINE_MS};

    (void)state;
    nodes_wait(2);
    wait_begins(&waiter);
    node_end(1);
    assert_true(wait_until(has_one_member, n1));
    (void)node_start(2, as_worker);

    nodes_wait(2);
    assert_false(atomic_load(&waiter.done)); /* n2 and n3 were two, but never at one time. */
    (void)node_start(3, as_worker);
    wait_ends(&waiter, TROUPE_OK);
    assert_int_not_equal(node_id_of(2), 0);
}

static void a_wait_ends_when_the_node_stops(void **state)
{
    struct stage *n1 = node_start(0, NULL);
    struct waiter waiter = {.stage = n1, .nodes_min = 9, .timeout_ms = DEADLINE_MS};

    (void)state;
    wait_begins(&waiter);
    troupe_node_shutdown(n1->node, 1000);
    wait_ends(&waiter, TROUPE_E_CLOSED);
}

#define CLUSTER_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_are_read_without_blanks_doubles_and_gaps),
        cmocka_unit_test(metadata_is_read_and_what_is_none_is_refused),
        cmocka_unit_test(a_node_with_bad_labels_does_not_start),
        cmocka_unit_test(a_local_node_is_a_cluster_of_one),
        CLUSTER_TEST(members_know_each_others_roles_and_metadata),
        CLUSTER_TEST(who_leaves_is_no_member_any_more),
        CLUSTER_TEST(an_actor_asks_too),
        CLUSTER_TEST(nothing_is_placed_on_who_drains),
        CLUSTER_TEST(a_wait_ends_when_all_conditions_hold),
        CLUSTER_TEST(a_need_that_is_none_is_refused),
        CLUSTER_TEST(what_is_missing_is_cut_to_its_room),
        cmocka_unit_test(a_local_node_does_not_wait_for_who_cannot_come),
        CLUSTER_TEST(waits_at_one_time_end_each_by_its_own_conditions),
        CLUSTER_TEST(who_leaves_during_a_wait_does_not_count),
        CLUSTER_TEST(a_wait_ends_when_the_node_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
