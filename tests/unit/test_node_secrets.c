/* What is tested: troupe_node_set_secrets, by which a cluster changes its secret while it works.
 * Method: three nodes over real sockets that go through the three steps, each node at another time
 * and with connections that are cut between, under numbered messages of each to each. */
#include <stdio.h>
#include <string.h>

#include "support/nodes.h"

enum { NODES = 3, PAST = 1000 };

static const char old_secret[] = "the secret of before, of 32 bytes or more";
static const char new_secret[] = "the secret of afterwards, which is another";

static const char *configured; /* the secret that a node is started with */
static struct probe *probes[NODES];
static int64_t sent; /* by each to each */

static troupe_bytes bytes_of(const char *text)
{
    return (troupe_bytes){(const uint8_t *)text, text != NULL ? strlen(text) : 0};
}

static void configure(troupe_config *config)
{
    config->secret = bytes_of(configured);
}

static int begin(void **state)
{
    (void)state;
    configured = old_secret;
    sent = 0;
    nodes_begin(0, NULL);
    for (size_t i = 0; i < NODES; i++) {
        (void)node_start(i, configure);
    }
    nodes_wait(NODES);
    for (size_t i = 0; i < NODES; i++) {
        probes[i] = probe_spawn(stages[i], NULL);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    nodes_end();
    return 0;
}

static void send_all(size_t count)
{
    for (size_t k = 0; k < count; k++, sent++) {
        for (size_t i = 0; i < NODES * NODES; i++) {
            if (i / NODES != i % NODES) {
                probe_send(probes[i / NODES], probes[i % NODES]->pid,
                           (int64_t)(i / NODES) * PAST + sent);
            }
        }
    }
}

/* Waits until everybody has everything, and looks whether it was in order, all of it, once. */
static void assert_all_arrived(void)
{
    for (size_t i = 0; i < NODES; i++) {
        int64_t next[NODES] = {0};
        const size_t count = (size_t)sent * (NODES - 1);

        for (size_t k = 0; k < count; k++) {
            const struct seen *seen = probe_wait(probes[i], k);

            assert_int_equal(seen->what, SAW_NUMBER); /* a DOWN would be a session that was lost */
            assert_int_equal(seen->number % PAST, next[seen->number / PAST]++);
        }
        assert_int_equal(probe_count(probes[i]), count);
    }
}

static void cut_all(void)
{
    for (size_t i = 0; i < NODES; i++) {
        node_cut(i, (i + 1) % NODES);
    }
}

static void set(size_t i, const char *secret, const char *accepted)
{
    char error[128] = "";

    if (troupe_node_set_secrets(stages[i]->node, bytes_of(secret), bytes_of(accepted), error,
                                sizeof(error)) != TROUPE_OK) {
        fail_msg("%s", error);
    }
}

/* One step, on one node after the other; each time all connections are made anew. */
static void step(const char *secret, const char *accepted)
{
    for (size_t i = 0; i < NODES; i++) {
        send_all(4);
        set(i, secret, accepted);
        send_all(4);
        cut_all();
        send_all(4);
        assert_all_arrived();
    }
}

static bool is_refused(void *context)
{
    return stage_info(stages[*(const size_t *)context]).peers_refused > 0;
}

static bool has_three_peers(void *context)
{
    return stage_info(stages[*(const size_t *)context]).peers == NODES;
}

static void secret_is_changed_without_a_lost_message(void **state)
{
    size_t late = NODES;
    size_t right = NODES + 1;

    (void)state;
    for (size_t i = 0; i < NODES; i++) {
        (void)probe_monitor(probes[i], probes[(i + 1) % NODES]->pid);
    }
    step(old_secret, new_secret);
    step(new_secret, old_secret);
    step(new_secret, NULL);
    for (size_t i = 0; i < NODES; i++) {
        assert_int_equal(stage_info(stages[i]).peers_refused, 0);
    }
    configured = old_secret;
    (void)node_start(late, configure);
    assert_true(wait_until(is_refused, &late));
    configured = new_secret;
    (void)node_start(right, configure);
    assert_true(wait_until(has_three_peers, &right));
    assert_int_equal(stage_info(stages[late]).peers, 0);
    cut_all();
    send_all(4);
    assert_all_arrived();
}

static void wrong_secrets_change_nothing(void **state)
{
    static const struct {
        const char *secret;
        const char *accepted;
        const char *says;
    } wrong[] = {{"short", NULL, "fewer than 32 bytes"},
                 {new_secret, "short", "accepted secret has fewer than 32 bytes"},
                 {NULL, NULL, "by a restart only"},
                 {NULL, new_secret, "none to use"}};

    (void)state;
    for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++) {
        char error[128] = "";

        assert_int_equal(troupe_node_set_secrets(stages[0]->node, bytes_of(wrong[k].secret),
                                                 bytes_of(wrong[k].accepted), error, sizeof(error)),
                         TROUPE_E_INVALID);
        assert_non_null(strstr(error, wrong[k].says));
        assert_int_equal(troupe_node_set_secrets(stages[0]->node, bytes_of(wrong[k].secret),
                                                 bytes_of(wrong[k].accepted), NULL, 0),
                         TROUPE_E_INVALID);
    }
    cut_all();
    send_all(4);
    assert_all_arrived();
}

/* The last of many calls is the one that counts. */
static void secrets_are_set_many_times_at_once(void **state)
{
    (void)state;
    for (size_t k = 0; k < 100; k++) {
        for (size_t i = 0; i < NODES; i++) {
            set(i, k % 2 == 0 ? new_secret : old_secret, k % 2 == 0 ? old_secret : new_secret);
        }
    }
    for (size_t i = 0; i < NODES; i++) {
        set(i, new_secret, NULL);
    }
    cut_all();
    send_all(4);
    assert_all_arrived();
}

static void local_node_has_no_secret(void **state)
{
    struct stage *stage = stage_begin(1);

    (void)state;
    assert_int_equal(
        troupe_node_set_secrets(stage->node, bytes_of(new_secret), bytes_of(NULL), NULL, 0),
        TROUPE_E_INVALID);
    stage_end(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(secret_is_changed_without_a_lost_message, begin, end),
        cmocka_unit_test_setup_teardown(wrong_secrets_change_nothing, begin, end),
        cmocka_unit_test_setup_teardown(secrets_are_set_many_times_at_once, begin, end),
        cmocka_unit_test(local_node_has_no_secret),
    };

    return cmocka_run_group_tests_name("node/secrets", tests, NULL, NULL);
}
