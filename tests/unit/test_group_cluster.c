/* What is tested: groups of several nodes (troupe/group.h) over real sessions: who is known where,
 * and in which order.
 */
#include <stdio.h>
#include <string.h>

#include "support/members.h"
#include "support/nodes.h"

static int begin(void **state)
{
    (void)state;
    nodes_begin(3, NULL);
    return 0;
}

static int begin_none(void **state)
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

/* ---- conditions ---- */

struct view {
    size_t node;
    const char *group;
    size_t count;
    bool local;
};

static size_t count_at(size_t node, const char *group, bool local)
{
    size_t count = 9999;

    assert_int_equal(local ? troupe_node_local_members(stages[node]->node, group, NULL, 0, &count)
                           : troupe_node_members(stages[node]->node, group, NULL, 0, &count),
                     TROUPE_OK);
    return count;
}

static bool has_so_many(void *context)
{
    const struct view *view = context;

    return count_at(view->node, view->group, view->local) == view->count;
}

static void wait_members(size_t node, const char *group, size_t count)
{
    struct view view = {.node = node, .group = group, .count = count};

    if (!wait_until(has_so_many, &view)) {
        fail_msg("n%zu knows %zu members of %s, not %zu", node + 1, count_at(node, group, false),
                 group, count);
    }
}

static void wait_members_everywhere(const char *group, size_t count)
{
    for (size_t i = 0; i < NODES_MAX; i++) {
        if (stages[i] != NULL) {
            wait_members(i, group, count);
        }
    }
}

static bool is_member_at(size_t node, const char *group, troupe_pid pid)
{
    troupe_pid pids[64];
    size_t count = 0;

    assert_int_equal(troupe_node_members(stages[node]->node, group, pids, 64, &count), TROUPE_OK);
    for (size_t i = 0; i < count && i < 64; i++) {
        if (troupe_pid_equal(pids[i], pid)) {
            return true;
        }
    }
    return false;
}

/* ---- who is known where ---- */

static void members_of_all_nodes_are_known_on_all(void **state)
{
    struct probe *a = probe_spawn(stages[0], NULL);
    struct probe *b = probe_spawn(stages[1], NULL);
    struct probe *c = probe_spawn(stages[2], NULL);

    (void)state;
    probe_join(a, "room");
    probe_join(b, "room");
    probe_join(c, "room");
    probe_join(c, "other");
    wait_members_everywhere("room", 3);
    wait_members_everywhere("other", 1);
    for (size_t i = 0; i < 3; i++) {
        assert_true(is_member_at(i, "room", a->pid));
        assert_true(is_member_at(i, "room", b->pid));
        assert_true(is_member_at(i, "room", c->pid));
        assert_int_equal(count_at(i, "room", true), 1);
        assert_int_equal(count_at(i, "other", true), i == 2 ? 1 : 0);
    }
    probe_leave(b, "room");
    wait_members_everywhere("room", 2);
    assert_false(is_member_at(0, "room", b->pid));
    probe_stop(c, TROUPE_REASON_ERROR, "why");
    wait_members_everywhere("room", 1);
    wait_members_everywhere("other", 0);
}

static void joins_are_counted_across_nodes_too(void **state)
{
    struct probe *a = probe_spawn(stages[0], NULL);
    struct probe *mark = probe_spawn(stages[0], NULL);

    (void)state;
    probe_join(a, "room");
    probe_join(a, "room");
    wait_members(1, "room", 1);
    probe_leave(a, "room");
    probe_join(mark, "mark"); /* Who knows of this knows of all before it. */
    wait_members(1, "mark", 1);
    assert_int_equal(count_at(1, "room", false), 1);
    probe_leave(a, "room");
    wait_members_everywhere("room", 0);
}

static void a_node_that_comes_later_knows_who_was_there_before(void **state)
{
    char name[40];

    (void)state;
    node_begin(0, "");
    struct probe *a = probe_spawn(stages[0], NULL);

    for (int i = 0; i < 700; i++) { /* More than fits one packet. */
        (void)snprintf(name, sizeof(name), "a group with some long name %d", i);
        probe_join(a, name);
    }
    node_begin(1, "");
    nodes_wait(2);
    for (int i = 0; i < 700; i++) {
        (void)snprintf(name, sizeof(name), "a group with some long name %d", i);
        wait_members(1, name, 1);
    }
    struct probe *b = probe_spawn(stages[1], NULL);

    probe_join(b, name);
    wait_members(0, name, 2);
    probe_stop(a, TROUPE_REASON_NORMAL, NULL);
    wait_members(1, name, 1);
    wait_members(1, "a group with some long name 0", 0);
}

static void a_cut_that_is_mended_changes_nothing(void **state)
{
    struct probe *a = probe_spawn(stages[0], NULL);
    struct probe *watcher = probe_spawn(stages[1], NULL);

    (void)state;
    probe_join(a, "room");
    wait_members_everywhere("room", 1);
    for (int64_t i = 0; i < 10; i++) {
        node_cut(1, 0);
        probe_join(watcher, "there");
        wait_members(0, "there", 1);
        probe_leave(watcher, "there");
        wait_members(0, "there", 0);
        assert_int_equal(count_at(1, "room", false), 1);
    }
}

static void members_of_a_dead_node_are_gone(void **state)
{
    struct probe *a = probe_spawn(stages[0], NULL);
    struct probe *b = probe_spawn(stages[1], NULL);

    (void)state;
    probe_join(a, "room");
    probe_join(b, "room");
    wait_members_everywhere("room", 2);
    node_kill(1);
    wait_members(0, "room", 1);
    wait_members(2, "room", 1);
    assert_false(is_member_at(2, "room", b->pid));
}

static void members_of_a_node_that_leaves_are_gone(void **state)
{
    struct probe *b = probe_spawn(stages[1], NULL);

    (void)state;
    probe_join(b, "room");
    wait_members_everywhere("room", 1);
    node_end(1);
    wait_members_everywhere("room", 0);
}

/* ---- broadcasts ---- */

static void has_number(struct probe *probe, size_t index, int64_t value)
{
    const struct seen *seen = probe_wait(probe, index);

    assert_int_equal(seen->what, SAW_NUMBER);
    assert_int_equal(seen->number, value);
}

static void a_broadcast_reaches_the_members_of_all_nodes_once(void **state)
{
    struct probe *probes[9];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < 9; i++) {
        probes[i] = probe_spawn(stages[i % 3], NULL);
        if (i < 8) {
            probe_join(probes[i], "room");
        }
    }
    wait_members_everywhere("room", 8);
    assert_int_equal(probe_broadcast(probes[0], "room", 7), 8);
    assert_int_equal(
        troupe_node_broadcast(stages[1]->node, "room", &number_type, &(number){.value = 8}, &count),
        TROUPE_OK);
    assert_int_equal(count, 8);
    for (size_t i = 0; i < 8; i++) {
        const int64_t first = probe_wait(probes[i], 0)->number;

        assert_true(first == 7 || first == 8);
        has_number(probes[i], 1, 15 - first);
        assert_int_equal(probe_seen(probes[i]), 2);
    }
    assert_int_equal(probe_seen(probes[8]), 0);
    const struct seen *seen = probe_wait(probes[7], 0);

    if (seen->number == 7) {
        assert_true(troupe_pid_equal(seen->from, probes[0]->pid));
    }
}

/* What is said to all afterwards is a barrier: it would come after a copy for other nodes. */
static void a_local_broadcast_reaches_the_members_of_its_node_alone(void **state)
{
    struct probe *probes[6];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        probes[i] = probe_spawn(stages[i % 3], NULL);
        probe_join(probes[i], "room");
    }
    wait_members_everywhere("room", 6);
    assert_int_equal(troupe_node_local_broadcast(stages[1]->node, "room", &number_type,
                                                 &(number){.value = 1}, &count),
                     TROUPE_OK);
    assert_int_equal(count, 2);
    assert_int_equal(
        troupe_node_broadcast(stages[1]->node, "room", &number_type, &(number){.value = 2}, &count),
        TROUPE_OK);
    assert_int_equal(count, 6);
    for (size_t i = 0; i < 6; i++) {
        const bool here = i % 3 == 1;

        if (here) {
            has_number(probes[i], 0, 1);
        }
        has_number(probes[i], here ? 1 : 0, 2);
        assert_int_equal(probe_seen(probes[i]), here ? 2 : 1);
    }
}

struct scene {
    troupe_pid to;
    int64_t first;
};

static int send_shout_send(troupe_self *self, struct probe *probe, void *context)
{
    const struct scene *scene = context;

    (void)probe;
    for (int64_t i = 0; i < 3; i++) {
        const number value = {.value = scene->first + i};

        assert_int_equal(i == 1 ? troupe_broadcast(self, "room", &number_type, &value, NULL)
                                : troupe_send(self, scene->to, &number_type, &value),
                         TROUPE_OK);
    }
    return TROUPE_OK;
}

static void a_broadcast_keeps_its_place_between_nodes(void **state)
{
    struct probe *sender = probe_spawn(stages[0], NULL);
    struct probe *member = probe_spawn(stages[1], NULL);

    (void)state;
    probe_join(member, "room");
    wait_members(0, "room", 1);
    for (int64_t i = 0; i < 300; i += 3) {
        (void)probe_do(sender, send_shout_send, &(struct scene){.to = member->pid, .first = i});
        if (i % 60 == 0) {
            node_cut(0, 1);
        }
    }
    for (size_t i = 0; i < 300; i++) {
        has_number(member, i, (int64_t)i);
    }
}

static void who_hears_of_a_member_by_its_message_finds_it_in_the_group(void **state)
{
    struct probe *receiver = probe_spawn(stages[1], NULL);

    (void)state;
    for (size_t i = 0; i < 40; i++) {
        struct probe *member = probe_spawn(stages[0], NULL);

        probe_join(member, "room");
        probe_send(member, receiver->pid, (int64_t)i);
        has_number(receiver, 2 * i, (int64_t)i);
        assert_true(is_member_at(1, "room", member->pid));
        (void)probe_monitor(receiver, member->pid);
        probe_stop(member, TROUPE_REASON_NORMAL, NULL);
        assert_int_equal(probe_wait(receiver, 2 * i + 1)->what, SAW_DOWN);
        assert_false(is_member_at(1, "room", member->pid));
    }
}

/* ---- monitors of groups ---- */

enum { NEWS_MAX = 64 };

/* What a watcher was told, in order. */
static struct news {
    pthread_mutex_t mutex;
    size_t count;
    struct {
        char what; /* 'j', 'l', 'd'own of a monitored actor, 'n'odedown, 'u'p */
        troupe_pid pid;
    } seen[NEWS_MAX];
} news = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void note(char what, troupe_pid pid)
{
    (void)pthread_mutex_lock(&news.mutex);
    if (news.count < NEWS_MAX) {
        news.seen[news.count].what = what;
        news.seen[news.count++].pid = pid;
    }
    (void)pthread_mutex_unlock(&news.mutex);
}

static int watcher_init(troupe_self *self, void *state, const void *args)
{
    const troupe_pid *other = args;
    uint64_t monitor = 0;

    (void)state;
    news.count = 0;
    assert_int_equal(troupe_monitor_node(self, true), TROUPE_OK);
    assert_int_equal(troupe_monitor_group(self, "room", true), TROUPE_OK);
    assert_int_equal(troupe_monitor(self, *other, &monitor), TROUPE_OK);
    return TROUPE_OK;
}

static int watcher_on_group(troupe_self *self, void *state, const void *message)
{
    const troupe_group_message *change = message;

    (void)self;
    (void)state;
    note(change->joined ? 'j' : 'l', change->member);
    return TROUPE_OK;
}

static int watcher_on_down(troupe_self *self, void *state, const void *message)
{
    const troupe_down_message *down = message;

    (void)self;
    (void)state;
    note('d', down->from);
    return TROUPE_OK;
}

static int watcher_on_node(troupe_self *self, void *state, const void *message)
{
    const troupe_node_message *change = message;

    (void)self;
    (void)state;
    note(change->up ? 'u' : 'n', (troupe_pid){.node = change->node});
    return TROUPE_OK;
}

static const troupe_handler watcher_handlers[] = {{&troupe_group_type, watcher_on_group},
                                                  {&troupe_down_type, watcher_on_down},
                                                  {&troupe_node_type, watcher_on_node},
                                                  {0}};
static const troupe_behavior watcher_behavior = {
    .name = "test.watcher", .init = watcher_init, .handlers = watcher_handlers};

static bool has_news(void *context)
{
    (void)pthread_mutex_lock(&news.mutex);
    const bool has = news.count >= *(const size_t *)context;

    (void)pthread_mutex_unlock(&news.mutex);
    return has;
}

static void wait_news(size_t count)
{
    assert_true(wait_until(has_news, &count));
}

static size_t news_of(char what, troupe_pid pid)
{
    size_t index = NEWS_MAX;

    for (size_t i = 0; i < news.count; i++) {
        if (news.seen[i].what == what && (pid.id == 0 ? news.seen[i].pid.node == pid.node
                                                      : troupe_pid_equal(news.seen[i].pid, pid))) {
            assert_int_equal(index, NEWS_MAX); /* Once. */
            index = i;
        }
    }
    assert_int_not_equal(index, NEWS_MAX);
    return index;
}

static void a_watcher_is_told_of_a_lost_node_in_order(void **state)
{
    struct probe *a = probe_spawn(stages[1], NULL);
    struct probe *b = probe_spawn(stages[1], NULL);
    const troupe_pid lost = {.node = node_id_of(1)};
    troupe_pid watcher = {0};

    (void)state;
    probe_join(a, "room");
    wait_members(0, "room", 1);
    assert_int_equal(troupe_node_spawn(stages[0]->node, &watcher_behavior, &a->pid, NULL, &watcher),
                     TROUPE_OK);
    wait_news(1);
    probe_join(b, "room");
    wait_news(2);
    node_kill(1);
    wait_news(6); /* joined, joined, left, left, DOWN, nodedown */
    assert_int_equal(news_of('j', a->pid), 0);
    assert_int_equal(news_of('j', b->pid), 1);
    const size_t down = news_of('d', a->pid);
    const size_t gone = news_of('n', lost);

    assert_true(news_of('l', a->pid) < down);
    assert_true(news_of('l', b->pid) < down);
    assert_true(down < gone);
    /* The next incarnation of the name comes after all that. */
    node_end(1);
    node_begin(1, "");
    nodes_wait(3);
    struct probe *c = probe_spawn(stages[1], NULL);

    probe_join(c, "room");
    wait_news(8);
    assert_true(gone < news_of('u', (troupe_pid){.node = node_id_of(1)}));
    assert_true(news_of('u', (troupe_pid){.node = node_id_of(1)}) < news_of('j', c->pid));
}

#define GROUP_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GROUP_TEST(members_of_all_nodes_are_known_on_all),
        GROUP_TEST(joins_are_counted_across_nodes_too),
        cmocka_unit_test_setup_teardown(a_node_that_comes_later_knows_who_was_there_before,
                                        begin_none, end),
        GROUP_TEST(a_cut_that_is_mended_changes_nothing),
        GROUP_TEST(members_of_a_dead_node_are_gone),
        GROUP_TEST(members_of_a_node_that_leaves_are_gone),
        GROUP_TEST(a_broadcast_reaches_the_members_of_all_nodes_once),
        GROUP_TEST(a_local_broadcast_reaches_the_members_of_its_node_alone),
        GROUP_TEST(a_broadcast_keeps_its_place_between_nodes),
        GROUP_TEST(who_hears_of_a_member_by_its_message_finds_it_in_the_group),
        GROUP_TEST(a_watcher_is_told_of_a_lost_node_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
