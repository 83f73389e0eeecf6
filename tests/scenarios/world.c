#include "scenarios/world.h"

#include <stdio.h>

static void on_fail(void *context, const char *report)
{
    (void)context;
    (void)fputs(report, stderr); /* Whole: cmocka cuts what it prints. */
    fail();
}

void world_play(uint64_t seeds, void (*play)(troupe_test *test))
{
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        troupe_test_options options;
        troupe_test *test = NULL;

        troupe_test_options_init(&options);
        options.seed = seed;
        options.workers = (uint32_t)(1 + seed % 4);
        options.fail = on_fail;
        assert_int_equal(troupe_test_create(&options, &test), TROUPE_OK);
        play(test);
        troupe_test_destroy(test);
    }
}

troupe_pid world_spawn(troupe_test *test, const troupe_behavior *behavior, const char *name)
{
    const troupe_spawn_options options = {.name = name};
    troupe_pid pid = {0};

    assert_int_equal(troupe_node_spawn(troupe_test_node(test), behavior, NULL, &options, &pid),
                     TROUPE_OK);
    return pid;
}

int64_t number_in(const troupe_seen *seen)
{
    const number *n = troupe_seen_as(seen, &number_type);

    assert_non_null(n);
    return n->value;
}

bool world_lives(troupe_test *test, troupe_pid pid)
{
    int32_t kind = 0;

    /* No time to wait: who lives is not over by then. */
    return troupe_node_join(troupe_test_node(test), pid, 1, &kind) == TROUPE_E_TIMEOUT;
}
