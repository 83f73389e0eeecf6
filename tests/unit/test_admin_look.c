/* What is tested: the operations of the administration protocol that look into a running node, on a
 * local node, through troupe_node_admin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/asking.h"

static void has_number(const cJSON *object, const char *key, int64_t value)
{
    assert_int_equal((int64_t)number_of(object, key), value);
}

static const cJSON *list_of(const char *key)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(reply, key);

    assert_true(cJSON_IsArray(list));
    return list;
}

static void is_pid_of(const cJSON *object, const char *key, troupe_pid pid)
{
    char text[TROUPE_PID_TEXT_SIZE];

    assert_string_equal(text_of(object, key), troupe_pid_print(pid, text));
}

/* ---- groups ---- */

static int join(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    return troupe_join(self, context);
}

static void groups_are_listed_with_their_members(void **state)
{
    struct probe *a = probe_spawn(stage, NULL);
    struct probe *b = probe_spawn(stage, NULL);
    static char hall[] = "hall";

    (void)state;
    assert_true(ask_node("{\"op\":\"groups\"}"));
    assert_int_equal(cJSON_GetArraySize(list_of("groups")), 0);
    (void)probe_do(a, join, hall);
    (void)probe_do(b, join, hall);
    assert_true(ask_node("{\"op\":\"groups\"}"));
    const cJSON *first = cJSON_GetArrayItem(list_of("groups"), 0);

    assert_string_equal(text_of(first, "group"), "hall");
    has_number(first, "members", 2);
    has_number(first, "watchers", 0);
    assert_true(ask_node("{\"op\":\"group\",\"group\":\"hall\"}"));
    assert_int_equal(cJSON_GetArraySize(list_of("members")), 2);
    is_pid_of(cJSON_GetArrayItem(list_of("members"), 0), "pid", a->pid);
    assert_true(ask_node("{\"op\":\"group\",\"group\":\"hall\",\"limit\":1}"));
    assert_int_equal(cJSON_GetArraySize(list_of("members")), 1);
    has_number(reply, "total", 2);
    assert_true(ask_node("{\"op\":\"group\",\"group\":\"empty\"}"));
    has_number(reply, "total", 0);
    assert_false(ask_node("{\"op\":\"group\"}"));
    assert_false(ask_node("{\"op\":\"group\",\"group\":\"\\u0007\"}"));
    probe_stop(a, TROUPE_REASON_NORMAL, NULL);
    (void)probe_end(a);
    assert_true(ask_node("{\"op\":\"groups\"}"));
    has_number(cJSON_GetArrayItem(list_of("groups"), 0), "members", 1);
}

static void a_name_is_resolved(void **state)
{
    struct probe *a = probe_spawn(stage, &(troupe_spawn_options){.name = "ada"});

    (void)state;
    assert_true(ask_node("{\"op\":\"whereis\",\"to\":\"ada\"}"));
    is_pid_of(reply, "pid", a->pid);
    assert_string_equal(text_of(reply, "node_id"), "1");
    assert_false(ask_node("{\"op\":\"whereis\",\"to\":\"nobody\"}"));
    assert_string_equal(text_of(reply, "status"), "TROUPE_E_NOT_FOUND");
}

/* ---- actors ---- */

/* The first actor of the list. */
static const cJSON *first_of(const char *request)
{
    assert_true(ask_node(request));
    const cJSON *first = cJSON_GetArrayItem(list_of("actors"), 0);

    assert_non_null(first);
    return first;
}

static void fill(troupe_pid pid, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(troupe_node_send(stage->node, pid, &number_type, &(number){i}), TROUPE_OK);
    }
}

/* Who is first is seen from outside, what stands there may come from the actor a moment later: one
 * that has not quite gone to sleep may be first, and has no message any more when it tells. */
static bool is_old_enough(void *context)
{
    (void)context;
    const cJSON *first = first_of("{\"op\":\"actors\",\"sort\":\"-oldest\",\"timeout_ms\":20}");
    const cJSON *oldest = cJSON_GetObjectItemCaseSensitive(first, "oldest_message_seconds");

    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(first, "name"));

    return name != NULL && strcmp(name, "stuck") == 0 && cJSON_IsNumber(oldest) &&
           oldest->valuedouble >= 0.15;
}

static void a_stuck_actor_is_the_first_by_mailbox_and_by_age(void **state)
{
    struct probe *idle = probe_spawn(stage, NULL);
    struct probe *stuck = probe_spawn(stage, &(troupe_spawn_options){.name = "stuck"});
    struct probe *late = probe_spawn(stage, NULL);
    struct gate gate;
    struct gate late_gate;

    (void)state;
    gate_init(&gate);
    gate_init(&late_gate);
    probe_block(stuck, &gate);
    fill(stuck->pid, 3);
    assert_true(wait_until(is_old_enough, NULL));
    is_pid_of(first_of("{\"op\":\"actors\",\"sort\":\"-oldest\",\"timeout_ms\":20}"), "pid",
              stuck->pid);
    probe_block(late, &late_gate);
    fill(late->pid, 5);
    const cJSON *first = first_of("{\"op\":\"actors\",\"sort\":\"-mailbox\",\"timeout_ms\":20}");

    is_pid_of(first, "pid", late->pid);
    has_number(first, "mailbox_messages", 5);
    assert_true(number_of(first, "oldest_message_seconds") <
                number_of(cJSON_GetArrayItem(list_of("actors"), 1), "oldest_message_seconds"));
    first = first_of("{\"op\":\"actors\",\"sort\":\"-oldest\",\"limit\":1,\"timeout_ms\":20}");
    is_pid_of(first, "pid", stuck->pid);
    assert_string_equal(text_of(first, "name"), "stuck");
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(first, "busy")));
    assert_int_equal(cJSON_GetArraySize(list_of("actors")), 1);
    has_number(reply, "total", 3);
    gate_open(&gate);
    gate_open(&late_gate);
    assert_int_equal(probe_seen(stuck), 3);
    assert_int_equal(probe_seen(late), 5);
    /* Nothing waits any more: there is no oldest message. */
    assert_true(ask_node("{\"op\":\"actor\",\"to\":\"stuck\"}"));
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(reply, "oldest_message_seconds")));
    has_number(reply, "mailbox_messages", 0);
    gate_fini(&gate);
    gate_fini(&late_gate);
    assert_int_equal(probe_seen(idle), 0);
}

static void relations_groups_and_sizes_are_shown(void **state)
{
    struct probe *a = probe_spawn(stage, &(troupe_spawn_options){.name = "ada"});
    struct probe *b = probe_spawn(stage, NULL);
    uint64_t monitor = 0;
    struct probe *child = probe_spawn_child(a, TROUPE_SPAWN_LINK, &monitor);
    static char room[] = "room";

    (void)state;
    (void)probe_do(a, join, room);
    (void)probe_do(a, join, room);
    probe_trap(a, true);
    (void)probe_monitor(a, b->pid);
    (void)probe_monitor(a, b->pid);
    (void)probe_monitor(b, a->pid);
    assert_int_equal(probe_seen(b), 0);
    assert_true(ask_node("{\"op\":\"actor\",\"to\":\"ada\"}"));
    is_pid_of(reply, "pid", a->pid);
    has_number(reply, "links", 1);
    has_number(reply, "monitors", 2);
    has_number(reply, "monitored_by", 1);
    has_number(reply, "groups", 1);
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(reply, "parent")));
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, "traps_exits")));
    assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(reply, "busy")));
    assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(reply, "suspended")));
    assert_string_equal(cJSON_GetStringValue(cJSON_GetArrayItem(list_of("member_of"), 0)), "room");
    assert_int_equal(cJSON_GetArraySize(list_of("watches")), 2);
    assert_int_equal(cJSON_GetArraySize(list_of("watched_by")), 1);
    char text[TROUPE_PID_TEXT_SIZE];

    assert_string_equal(cJSON_GetStringValue(cJSON_GetArrayItem(list_of("linked_to"), 0)),
                        troupe_pid_print(child->pid, text));
    assert_true(number_of(reply, "block_bytes") >= 100);
    assert_true(number_of(reply, "memory_bytes") >=
                number_of(reply, "block_bytes") + number_of(reply, "state_bytes"));
    char request[128];

    (void)snprintf(request, sizeof(request), "{\"op\":\"actor\",\"to\":\"%s\"}",
                   troupe_pid_print(child->pid, text));
    assert_true(ask_node(request));
    is_pid_of(reply, "parent", a->pid);
}

typedef struct hoard {
    const char *words;
} hoard;
TROUPE_TYPE(hoard, "test.hoard", TROUPE_FIELD(hoard, words, 1));

static int hoard_init(troupe_self *self, void *state, const void *args)
{
    return troupe_set_string(self, &((hoard *)state)->words, ((const hoard *)args)->words);
}

static const troupe_behavior hoard_behavior = {
    .name = "test.hoarder", .state = &hoard_type, .args = &hoard_type, .init = hoard_init};

static void the_largest_come_first(void **state)
{
    static const size_t sizes[] = {100, 30000, 2000, 9};
    static char words[30001];
    troupe_pid pids[4];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        memset(words, 'w', sizes[i]);
        words[sizes[i]] = '\0';
        assert_int_equal(
            troupe_node_spawn(stage->node, &hoard_behavior, &(hoard){words}, NULL, &pids[i]),
            TROUPE_OK);
    }
    const cJSON *first = first_of("{\"op\":\"actors\",\"sort\":\"-memory\",\"limit\":2}");

    is_pid_of(first, "pid", pids[1]);
    assert_true(number_of(first, "state_bytes") >= 30000);
    is_pid_of(cJSON_GetArrayItem(list_of("actors"), 1), "pid", pids[2]);
    assert_int_equal(cJSON_GetArraySize(list_of("actors")), 2);
    first = first_of("{\"op\":\"actors\",\"sort\":\"memory\",\"limit\":1}");
    is_pid_of(first, "pid", pids[3]);
    assert_true(ask_node("{\"op\":\"actors\",\"behavior\":\"test.hoarder\",\"limit\":3}"));
    assert_int_equal(cJSON_GetArraySize(list_of("actors")), 3);
    assert_false(ask_node("{\"op\":\"actors\",\"sort\":\"-beauty\"}"));
    assert_string_equal(text_of(reply, "status"), "TROUPE_E_INVALID");
}

static void a_reply_that_would_be_too_long_is_cut(void **state)
{
    troupe_pid pid = {0};

    (void)state;
    for (int i = 0; i < 4000; i++) {
        assert_int_equal(troupe_node_spawn(stage->node, &hoard_behavior, &(hoard){"w"}, NULL, &pid),
                         TROUPE_OK);
    }
    assert_true(ask_node("{\"op\":\"actors\",\"limit\":10000}"));
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, "truncated")));
    assert_in_range(cJSON_GetArraySize(list_of("actors")), 1000, 3999);
    has_number(reply, "total", 4000);
}

/* ---- the tree ---- */

static const troupe_behavior leaf_behavior = {.name = "test.leaf"};

static int grow(troupe_self *self, struct probe *probe, void *context)
{
    static const troupe_child children[] = {
        {.id = "one", .behavior = &leaf_behavior, .restart = TROUPE_RESTART_PERMANENT},
    };
    const troupe_supervisor tree = {.children = children, .children_count = 1};

    (void)probe;
    return troupe_spawn_supervisor(self, &tree, NULL, context);
}

static const cJSON *in_tree(const char *list, const char *key, const char *value)
{
    const cJSON *item = NULL;

    cJSON_ArrayForEach(item, list_of(list))
    {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, key));

        if (text != NULL && strcmp(text, value) == 0) {
            return item;
        }
    }
    return NULL;
}

static bool child_is_back(void *context)
{
    assert_true(ask_node("{\"op\":\"tree\"}"));
    const cJSON *child = in_tree("children", "id", "one");

    return child != NULL && number_of(child, "restarts") >= 1 &&
           strcmp(text_of(child, "pid"), context) != 0;
}

static void a_tree_has_parents_children_and_restarts(void **state)
{
    struct probe *root = probe_spawn(stage, &(troupe_spawn_options){.name = "root"});
    troupe_pid supervisor = {0};
    troupe_pid child = {0};
    char text[TROUPE_PID_TEXT_SIZE];
    char before[TROUPE_PID_TEXT_SIZE];

    (void)state;
    assert_int_equal(probe_do(root, grow, &supervisor), TROUPE_OK);
    assert_true(ask_node("{\"op\":\"tree\"}"));
    assert_int_equal(cJSON_GetArraySize(list_of("actors")), 3);
    const cJSON *top = in_tree("actors", "name", "root");

    assert_non_null(top);
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(top, "parent")));
    const cJSON *middle = in_tree("actors", "parent", troupe_pid_print(root->pid, text));

    assert_non_null(middle);
    is_pid_of(middle, "pid", supervisor);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(middle, "supervisor")));
    const cJSON *leaf = in_tree("actors", "behavior", "test.leaf");

    assert_non_null(leaf);
    is_pid_of(leaf, "parent", supervisor);
    (void)snprintf(before, sizeof(before), "%s", text_of(leaf, "pid"));
    const cJSON *listed = in_tree("children", "id", "one");

    assert_string_equal(text_of(listed, "pid"), before);
    is_pid_of(listed, "supervisor", supervisor);
    has_number(listed, "restarts", 0);
    assert_int_equal(troupe_pid_parse(before, &child), TROUPE_OK);
    assert_int_equal(troupe_node_exit(stage->node, child, TROUPE_REASON_KILL, NULL), TROUPE_OK);
    assert_true(wait_until(child_is_back, before));
    assert_true(ask_node("{\"op\":\"tree\",\"limit\":1}"));
    assert_int_equal(cJSON_GetArraySize(list_of("actors")), 1);
    has_number(reply, "total", 3);
}

#define LOOK_TEST(name) cmocka_unit_test_setup_teardown(name, asking_begin, asking_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOK_TEST(groups_are_listed_with_their_members),
        LOOK_TEST(a_name_is_resolved),
        LOOK_TEST(a_stuck_actor_is_the_first_by_mailbox_and_by_age),
        LOOK_TEST(relations_groups_and_sizes_are_shown),
        LOOK_TEST(the_largest_come_first),
        LOOK_TEST(a_reply_that_would_be_too_long_is_cut),
        LOOK_TEST(a_tree_has_parents_children_and_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
