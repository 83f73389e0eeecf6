/* What is tested: dist/groups - the copies that nodes keep of each other's groups: equal after each
 * packet, gone with the session, and safe from packets that cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/be.h"
#include "base/rng.h"
#include "dist/codec.h"
#include "dist/groups.h"

enum { ACTORS = 20, GROUPS = 6, STEPS = 4000, PACKETS_MAX = 4096 };

/* Two nodes: what the first sends waits until the second takes it. */
struct side {
    struct tr_groups *groups;
    struct tr_group_seat *seats[ACTORS];
    bool in[ACTORS][GROUPS];
};

static struct side one;
static struct side two;
static struct {
    uint8_t *bytes;
    size_t size;
} queue[PACKETS_MAX];
static size_t queued;
static size_t taken;
static size_t told_joined;
static size_t told_left;

static void changed(void *context, const char *group, troupe_pid member, bool joined)
{
    (void)context;
    (void)group;
    (void)joined;
    assert_int_equal(member.node, 1); /* Never of others. */
}

static void send(void *context, uint64_t node_id, uint32_t session, const uint8_t *bytes,
                 size_t size)
{
    (void)context;
    assert_int_equal(node_id, 2);
    assert_int_equal(session, 5);
    assert_true(queued < PACKETS_MAX);
    queue[queued].bytes = malloc(size);
    assert_non_null(queue[queued].bytes);
    memcpy(queue[queued].bytes, bytes, size);
    queue[queued++].size = size;
}

static void no_send(void *context, uint64_t node_id, uint32_t session, const uint8_t *bytes,
                    size_t size)
{
    (void)context;
    (void)node_id;
    (void)session;
    (void)bytes;
    (void)size;
    fail_msg("%s", "the second node has no member of its own");
}

static void tell(void *context, troupe_pid watcher, const char *group, troupe_pid member,
                 bool joined)
{
    (void)context;
    (void)group;
    assert_int_equal(watcher.node, 2);
    assert_int_equal(member.node, 1);
    told_joined += joined ? 1 : 0;
    told_left += joined ? 0 : 1;
}

static int begin(void **state)
{
    const struct tr_groups_port first = {.changed = changed, .send = send, .tell = tell};
    const struct tr_groups_port second = {.changed = changed, .send = no_send, .tell = tell};

    (void)state;
    one = (struct side){0};
    two = (struct side){0};
    queued = taken = told_joined = told_left = 0;
    assert_int_equal(tr_groups_create(&first, &one.groups), TROUPE_OK);
    assert_int_equal(tr_groups_create(&second, &two.groups), TROUPE_OK);
    return 0;
}

static void drop_queue(void)
{
    while (taken < queued) {
        free(queue[taken++].bytes);
    }
    queued = taken = 0;
}

static int end(void **state)
{
    (void)state;
    drop_queue();
    for (size_t i = 0; i < ACTORS; i++) {
        tr_groups_leave_all(one.groups, &one.seats[i]);
        tr_groups_leave_all(two.groups, &two.seats[i]);
    }
    drop_queue();
    tr_groups_destroy(one.groups);
    tr_groups_destroy(two.groups);
    return 0;
}

static const char *name_of(size_t group)
{
    static char name[32];

    (void)snprintf(name, sizeof(name), "group %zu", group);
    return name;
}

static void step(struct tr_rng *rng)
{
    const size_t actor = tr_rng_next(rng) % ACTORS;
    const size_t group = tr_rng_next(rng) % GROUPS;
    const troupe_pid pid = {.node = 1, .id = actor + 1};
    const uint64_t what = tr_rng_next(rng) % 20;

    if (what == 0) {
        tr_groups_leave_all(one.groups, &one.seats[actor]);
        memset(one.in[actor], 0, sizeof(one.in[actor]));
    } else if (one.in[actor][group]) {
        assert_int_equal(tr_groups_leave(one.groups, &one.seats[actor], name_of(group)), TROUPE_OK);
        one.in[actor][group] = false;
    } else {
        assert_int_equal(tr_groups_join(one.groups, &one.seats[actor], pid, name_of(group)),
                         TROUPE_OK);
        one.in[actor][group] = true;
    }
}

static void take_all(void)
{
    for (; taken < queued; taken++) {
        assert_int_equal(tr_groups_heard(two.groups, 1, queue[taken].bytes, queue[taken].size),
                         TROUPE_OK);
        free(queue[taken].bytes);
    }
    queued = taken = 0;
}

static bool knows(const struct tr_group_list *list, uint64_t id)
{
    for (uint32_t i = 0; list != NULL && i < list->count; i++) {
        if (list->pids[i].id == id) {
            assert_int_equal(list->pids[i].node, 1);
            return true;
        }
    }
    return false;
}

static void second_knows_the_same(bool connected)
{
    for (size_t group = 0; group < GROUPS; group++) {
        struct tr_group_list *list = NULL;
        uint32_t count = 0;

        assert_int_equal(tr_groups_list(two.groups, name_of(group), &list), TROUPE_OK);
        for (size_t actor = 0; actor < ACTORS; actor++) {
            const bool wanted = connected && one.in[actor][group];

            assert_int_equal(knows(list, actor + 1), wanted);
            count += wanted ? 1 : 0;
        }
        assert_int_equal(list == NULL ? 0 : list->count, count);
        assert_int_equal(list == NULL ? 0 : list->local, 0);
        tr_groups_list_drop(two.groups, list);
    }
}

static void copies_are_the_same_whenever_all_was_heard(void **state)
{
    struct tr_rng rng = {.state = 7};
    bool connected = false;

    (void)state;
    for (int i = 0; i < STEPS; i++) {
        step(&rng);
        if (tr_rng_next(&rng) % 50 != 0) {
            continue;
        }
        if (!connected) {
            assert_int_equal(queued, 0); /* Nothing is told to whom nobody is connected with. */
            assert_int_equal(tr_groups_peer_up(one.groups, 2, 5), TROUPE_OK);
            connected = true;
        } else if (tr_rng_next(&rng) % 4 == 0) {
            tr_groups_peer_lost(one.groups, 2);
            tr_groups_peer_lost(two.groups, 1);
            drop_queue(); /* What was on its way is lost with the session. */
            connected = false;
        }
        take_all();
        second_knows_the_same(connected);
    }
}

static void who_watches_is_told_of_each_change_once(void **state)
{
    struct tr_group_seat *watcher = NULL;
    const troupe_pid pid = {.node = 2, .id = 9};

    (void)state;
    assert_int_equal(tr_groups_watch(two.groups, &watcher, pid, "group 0"), TROUPE_OK);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(tr_groups_join(one.groups, &one.seats[i],
                                        (troupe_pid){.node = 1, .id = i + 1}, "group 0"),
                         TROUPE_OK);
    }
    assert_int_equal(tr_groups_peer_up(one.groups, 2, 5), TROUPE_OK);
    tr_groups_leave_all(one.groups, &one.seats[3]);
    take_all();
    assert_int_equal(told_joined, 10);
    assert_int_equal(told_left, 1);
    tr_groups_peer_lost(two.groups, 1);
    assert_int_equal(told_left, 10);
    tr_groups_peer_lost(two.groups, 1);
    assert_int_equal(told_left, 10);
    tr_groups_leave_all(two.groups, &watcher);
}

static size_t entry(uint8_t *bytes, uint8_t joined, uint64_t id, const char *name)
{
    bytes[0] = joined;
    tr_be64_put(bytes + 1, id);
    bytes[9] = (uint8_t)strlen(name);
    memcpy(bytes + 10, name, strlen(name));
    return 10 + strlen(name);
}

static troupe_status hear(const char *name, uint8_t joined, uint64_t id, uint8_t flags, size_t cut)
{
    uint8_t bytes[300] = {TR_PACKET_GROUPS, flags};
    const size_t size = 2 + entry(bytes + 2, joined, id, name);

    return tr_groups_heard(two.groups, 1, bytes, size - cut);
}

static void packets_that_cannot_be_are_refused(void **state)
{
    (void)state;
    assert_int_equal(hear("a", 1, 7, 1, 0), TROUPE_OK);
    assert_int_equal(hear("a", 1, 7, 0, 0), TROUPE_E_PROTOCOL); /* joined twice */
    assert_int_equal(hear("b", 0, 7, 0, 0), TROUPE_E_PROTOCOL); /* is no member */
    assert_int_equal(hear("a", 0, 8, 0, 0), TROUPE_E_PROTOCOL); /* nobody */
    assert_int_equal(hear("a", 1, 0, 0, 0), TROUPE_E_PROTOCOL); /* no actor */
    assert_int_equal(hear("a", 2, 9, 0, 0), TROUPE_E_PROTOCOL); /* neither */
    assert_int_equal(hear("", 1, 9, 0, 0), TROUPE_E_PROTOCOL);  /* no name */
    assert_int_equal(hear("\xff", 1, 9, 0, 0), TROUPE_E_PROTOCOL);
    assert_int_equal(hear("a\n", 1, 9, 0, 0), TROUPE_E_PROTOCOL);
    assert_int_equal(hear("a", 1, 9, 2, 0), TROUPE_E_PROTOCOL); /* no such flag */
    for (size_t cut = 1; cut < 13; cut++) {
        assert_int_equal(hear("a", 1, 9, 0, cut), cut == 11 ? TROUPE_OK : TROUPE_E_PROTOCOL);
    }
    assert_int_equal(hear("a", 1, 9, 1, 11), TROUPE_OK); /* The whole list is: nobody. */
    assert_int_equal(hear("a", 0, 7, 0, 0), TROUPE_E_PROTOCOL);
}

static void noise_does_no_harm(void **state)
{
    struct tr_rng rng = {.state = 11};
    uint8_t bytes[64];

    (void)state;
    for (int i = 0; i < 20000; i++) {
        const size_t size = tr_rng_next(&rng) % sizeof(bytes);

        for (size_t at = 0; at < size; at++) {
            bytes[at] = (uint8_t)(tr_rng_next(&rng) % 3 == 0 ? tr_rng_next(&rng) : 1);
        }
        if (size > 1) {
            bytes[0] = TR_PACKET_GROUPS;
            bytes[1] &= 1;
        }
        const troupe_status status = tr_groups_heard(two.groups, 1, bytes, size);

        assert_true(status == TROUPE_OK || status == TROUPE_E_PROTOCOL);
    }
    tr_groups_peer_lost(two.groups, 1);
}

#define PEERS_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PEERS_TEST(copies_are_the_same_whenever_all_was_heard),
        PEERS_TEST(who_watches_is_told_of_each_change_once),
        PEERS_TEST(packets_that_cannot_be_are_refused),
        PEERS_TEST(noise_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
