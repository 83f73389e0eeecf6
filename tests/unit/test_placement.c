/* What is tested: rules of placement (troupe/placement.h): their grammar, what they choose among
 * given nodes, and the packet by which nodes tell of themselves (dist/news.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"
#include "base/rng.h"
#include "dist/news.h"
#include "dist/placement.h"
#include "troupe/placement.h"

/* ---- reading ---- */

static void reads(const char *text, enum tr_placement_kind kind, const char *node, const char *role)
{
    struct tr_placement rule;
    char error[200] = "";

    if (tr_placement_read(text, &rule, error, sizeof(error)) != TROUPE_OK) {
        fail_msg("%s", error);
    }
    assert_int_equal(rule.kind, kind);
    assert_string_equal(rule.node, node);
    assert_string_equal(rule.role, role);
}

static void every_rule_is_read(void **state)
{
    (void)state;
    reads(NULL, TR_PLACE_LOCAL, "", "");
    reads("", TR_PLACE_LOCAL, "", "");
    reads("  ", TR_PLACE_LOCAL, "", "");
    reads("local", TR_PLACE_LOCAL, "", "");
    reads("local role:x", TR_PLACE_LOCAL, "", "x");
    reads("n2", TR_PLACE_NODE, "n2", "");
    reads("node:hash", TR_PLACE_NODE, "hash", "");
    reads("role:db-1.a_B  n2", TR_PLACE_NODE, "n2", "db-1.a_B");
    reads("role:x", TR_PLACE_LEAST_LOADED, "", "x");
    reads("least_loaded", TR_PLACE_LEAST_LOADED, "", "");
    reads("round_robin role:x", TR_PLACE_ROUND_ROBIN, "", "x");
    reads(" role:x round_robin ", TR_PLACE_ROUND_ROBIN, "", "x");
    reads("hash", TR_PLACE_HASH, "", "");
    reads("rolex", TR_PLACE_NODE, "rolex", "");
    reads("a123456789a123456789a123456789a123456789a123456789a123456789abc", TR_PLACE_NODE,
          "a123456789a123456789a123456789a123456789a123456789a123456789abc", "");
}

static void refuses(const char *text, const char *words)
{
    struct tr_placement rule = {.kind = 99};
    char error[320] = "";

    assert_int_equal(tr_placement_read(text, &rule, error, sizeof(error)), TROUPE_E_INVALID);
    assert_int_equal(rule.kind, 99);
    if (strstr(error, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error, words);
    }
    assert_int_equal(troupe_placement_check(text, NULL, 0), TROUPE_E_INVALID);
}

static void a_bad_rule_is_refused_with_what_and_where(void **state)
{
    (void)state;
    refuses("round_robin hash",
            "placement \"round_robin hash\", column 13: \"hash\" comes after \"round_robin\"");
    refuses("n1 n2", "column 4: \"n2\" comes after \"n1\"");
    refuses("role:x role:y", "column 8: there is a role already");
    refuses("role:", "column 6: the name of a role has 1 to 63 characters");
    refuses("node:", "column 6: the name of a node has 1 to 63 characters");
    refuses("hash rol:x", "column 6: \"rol:x\" comes after");
    refuses("rol:x", "column 4: ':' cannot be in the name of a node");
    refuses("n%d", "column 2: '%' cannot be in the name of a node");
    refuses("role:a,b", "column 7: ',' cannot be in the name of a role");
    refuses("n1\t", "column 3: '?' cannot be");
    refuses("a123456789a123456789a123456789a123456789a123456789a123456789abcd", "1 to 63");
    refuses("\xc3\xa9", "column 1");
}

static void roles_are_whole_words_of_a_list(void **state)
{
    (void)state;
    assert_true(tr_placement_has_role("a", "a"));
    assert_true(tr_placement_has_role("a, b ,c", "b"));
    assert_true(tr_placement_has_role(",,c", "c"));
    assert_false(tr_placement_has_role("", "a"));
    assert_false(tr_placement_has_role("ab", "a"));
    assert_false(tr_placement_has_role("a", "ab"));
    assert_false(tr_placement_has_role("a,b", ""));
}

/* ---- choosing ---- */

static const char *const names[] = {"n1", "n2", "n3", "n4", "n5"};

static size_t fill(struct tr_candidate *candidates, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        /* The order in which they are given does not matter. */
        candidates[i] = (struct tr_candidate){.node_id = 100 + (i * 3 + 1) % count,
                                              .name = names[(i * 3 + 1) % count]};
    }
    return count;
}

static void round_robin_takes_one_after_the_other(void **state)
{
    struct tr_candidate candidates[5];

    (void)state;
    for (uint64_t turn = 0; turn < 20; turn++) {
        const size_t count = fill(candidates, 5);
        const size_t at = tr_placement_choose(TR_PLACE_ROUND_ROBIN, candidates, count, turn, "");

        assert_int_equal(candidates[at].node_id, 100 + turn % 5);
    }
}

static void the_least_loaded_is_the_one_with_the_fewest_actors(void **state)
{
    struct tr_candidate candidates[5];
    const size_t count = fill(candidates, 5);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        candidates[i].load = candidates[i].node_id == 103 ? 6 : 7;
    }
    assert_int_equal(
        candidates[tr_placement_choose(TR_PLACE_LEAST_LOADED, candidates, count, 0, "")].node_id,
        103);
}

static const char *hashed(size_t count, int key)
{
    struct tr_candidate candidates[5];
    char text[32];

    (void)snprintf(text, sizeof(text), "account:%d", key);
    (void)fill(candidates, count);
    return candidates[tr_placement_choose(TR_PLACE_HASH, candidates, count, 0, text)].name;
}

static void hash_spreads_names_and_moves_few_of_them(void **state)
{
    int held[5] = {0};
    int moved = 0;

    (void)state;
    for (int key = 0; key < 10000; key++) {
        const char *five = hashed(5, key);
        const char *four = hashed(4, key);

        held[five[1] - '1']++;
        if (five != four) {
            /* Only those of the node that has gone move. */
            assert_string_equal(five, "n5");
            moved++;
        }
    }
    for (int i = 0; i < 5; i++) {
        assert_in_range(held[i], 1700, 2300);
    }
    assert_int_equal(moved, held[4]);
}

/* ---- news ---- */

static void news_arrive_as_they_were_told(void **state)
{
    static const char *const behaviors[] = {"bank.account", "b", "c.d"};
    struct tr_news news = {
        .draining = true, .full = true, .actors = UINT64_C(1) << 40, .behaviors_count = 3};
    struct tr_news heard;
    size_t size = 0;
    size_t at = 0;
    uint8_t *bytes = tr_news_encode(&news, behaviors, &size);

    (void)state;
    assert_non_null(bytes);
    assert_int_equal(tr_news_decode(bytes, size, &heard), TROUPE_OK);
    assert_true(heard.draining && heard.full && !heard.truncated);
    assert_true(heard.actors == UINT64_C(1) << 40);
    for (int i = 0; i < 3; i++) {
        assert_true(tr_news_behavior(&heard, &at) == tr_hash_text(behaviors[i]));
    }
    assert_true(tr_news_behavior(&heard, &at) == 0);
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(tr_news_decode(bytes, cut, &heard), TROUPE_E_PROTOCOL);
    }
    free(bytes);
    news.full = false;
    news.draining = false;
    bytes = tr_news_encode(&news, NULL, &size);
    assert_non_null(bytes);
    assert_int_equal(size, 10);
    assert_int_equal(tr_news_decode(bytes, size, &heard), TROUPE_OK);
    assert_true(!heard.draining && !heard.full && heard.actors == UINT64_C(1) << 40);
    free(bytes);
}

static void broken_news_are_refused(void **state)
{
    static const char *const behaviors[] = {"bank.account", "b"};
    const struct tr_news news = {.full = true, .behaviors_count = 2};
    struct tr_rng rng = {.state = 7};
    struct tr_news heard;
    size_t size = 0;
    uint8_t *bytes = tr_news_encode(&news, behaviors, &size);
    uint8_t *copy = malloc(size);
    int refused = 0;

    (void)state;
    assert_non_null(bytes);
    assert_non_null(copy);
    for (int i = 0; i < 20000; i++) {
        size_t at = 0;

        memcpy(copy, bytes, size);
        copy[tr_rng_below(&rng, size)] = (uint8_t)tr_rng_next(&rng);
        copy[tr_rng_below(&rng, size)] = (uint8_t)tr_rng_next(&rng);
        if (tr_news_decode(copy, size, &heard) != TROUPE_OK) {
            refused++;
            continue;
        }
        while (tr_news_behavior(&heard, &at) != 0) {
            assert_true(at <= size);
        }
    }
    assert_true(refused > 1000);
    free(copy);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_is_read),
        cmocka_unit_test(a_bad_rule_is_refused_with_what_and_where),
        cmocka_unit_test(roles_are_whole_words_of_a_list),
        cmocka_unit_test(round_robin_takes_one_after_the_other),
        cmocka_unit_test(the_least_loaded_is_the_one_with_the_fewest_actors),
        cmocka_unit_test(hash_spreads_names_and_moves_few_of_them),
        cmocka_unit_test(news_arrive_as_they_were_told),
        cmocka_unit_test(broken_news_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
