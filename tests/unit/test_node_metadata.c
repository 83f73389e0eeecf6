/* What is tested: metadata of a node that changes while it runs (troupe/cluster.h), over the fake
 * registry. */
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
    config->metadata = "zone=a,rack=7";
}

static void changed_metadata_keeps_what_is_not_named(void **state)
{
    char out[64];
    char small[12];

    (void)state;
    assert_null(tr_metadata_change("a=1,b=2,c=3", "b=x, d=4", "c,none", out, sizeof(out)));
    assert_string_equal(out, "a=1,b=x,d=4");
    assert_null(tr_metadata_change("a=1", NULL, NULL, out, sizeof(out)));
    assert_string_equal(out, "a=1");
    assert_null(tr_metadata_change("", "a=1", "a", out, sizeof(out))); /* put wins */
    assert_string_equal(out, "a=1");
    assert_null(tr_metadata_change("a=1,ab=2", "", "a", out, sizeof(out)));
    assert_string_equal(out, "ab=2");
    assert_non_null(tr_metadata_change("a=1", "b", "", out, sizeof(out)));
    assert_non_null(tr_metadata_change("a=1", "", "b c", out, sizeof(out)));
    assert_non_null(tr_metadata_change("a=1234", "b=5678", "", small, sizeof(small)));
}

struct metadata_view {
    struct stage *stage;
    uint64_t node;
    const char *metadata;
};

static bool knows_metadata(void *context)
{
    const struct metadata_view *wanted = context;
    const troupe_cluster *view = NULL;
    bool same = false;

    assert_int_equal(troupe_node_cluster(wanted->stage->node, &view), TROUPE_OK);
    for (size_t i = 0; i < troupe_cluster_count(view); i++) {
        const troupe_member *member = troupe_cluster_member(view, i);

        same = same ||
               (member->node == wanted->node && strcmp(member->metadata, wanted->metadata) == 0);
    }
    troupe_cluster_drop(wanted->stage->node, view);
    return same;
}

static void a_change_of_metadata_is_known_here_at_once_and_to_others_soon(void **state)
{
    struct stage *n1 = node_start(0, as_worker);
    struct stage *n2 = node_start(1, NULL);
    const troupe_cluster *before = NULL;
    char error[160] = "";

    (void)state;
    nodes_wait(2);
    struct metadata_view own = {n1, node_id_of(0), "zone=b"};
    struct metadata_view other = {n2, node_id_of(0), "zone=b"};

    assert_int_equal(troupe_node_cluster(n2->node, &before), TROUPE_OK);
    assert_int_equal(troupe_node_set_metadata(n1->node, " zone=b,", error, sizeof(error)),
                     TROUPE_OK);
    assert_true(knows_metadata(&own));
    assert_true(wait_until(knows_metadata, &other));
    /* Who holds a list keeps it. */
    assert_string_equal(troupe_cluster_member(before, 0)->metadata, "zone=a,rack=7");
    troupe_cluster_drop(n2->node, before);
    assert_int_equal(troupe_node_put_metadata(n1->node, "rack", "7 = x", NULL, 0), TROUPE_OK);
    other.metadata = "zone=b,rack=7 = x";
    assert_true(wait_until(knows_metadata, &other));
    assert_int_equal(troupe_node_put_metadata(n1->node, "zone", NULL, NULL, 0), TROUPE_OK);
    own.metadata = other.metadata = "rack=7 = x";
    assert_true(knows_metadata(&own));
    assert_true(wait_until(knows_metadata, &other));
    assert_int_equal(troupe_node_set_metadata(n1->node, "zone", error, sizeof(error)),
                     TROUPE_E_INVALID);
    assert_non_null(strstr(error, "key=value"));
    assert_int_equal(troupe_node_put_metadata(n1->node, "a,b", "c", error, sizeof(error)),
                     TROUPE_E_INVALID);
    assert_int_equal(troupe_node_put_metadata(n1->node, "a", "b,c=d", error, sizeof(error)),
                     TROUPE_E_INVALID);
    assert_int_equal(troupe_node_put_metadata(n1->node, "\xc3\xa4", "b", error, sizeof(error)),
                     TROUPE_E_INVALID);
    assert_true(knows_metadata(&own)); /* What was refused has changed nothing. */
    /* Who comes later knows it too, and the others stay connected. */
    struct metadata_view late = {node_start(2, NULL), node_id_of(0), own.metadata};

    nodes_wait(3);
    assert_true(knows_metadata(&late));
    assert_int_equal(troupe_node_set_metadata(n1->node, NULL, NULL, 0), TROUPE_OK);
    late.metadata = "";
    assert_true(wait_until(knows_metadata, &late));
}

static void metadata_of_a_node_without_a_registry_changes_too(void **state)
{
    struct stage *stage = stage_begin(1);
    struct metadata_view own = {stage, 0, "a=1"};
    const troupe_cluster *view = NULL;

    (void)state;
    assert_int_equal(troupe_node_cluster(stage->node, &view), TROUPE_OK);
    own.node = troupe_cluster_member(view, 0)->node;
    troupe_cluster_drop(stage->node, view);
    assert_int_equal(troupe_node_put_metadata(stage->node, "a", "1", NULL, 0), TROUPE_OK);
    assert_true(knows_metadata(&own));
    stage_end(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changed_metadata_keeps_what_is_not_named),
        cmocka_unit_test_setup_teardown(
            a_change_of_metadata_is_known_here_at_once_and_to_others_soon, begin, end),
        cmocka_unit_test(metadata_of_a_node_without_a_registry_changes_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
