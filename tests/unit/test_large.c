/* What is tested: messages up to 64 MiB between nodes, beside small ones and in their order, plain
 * and compressed; and what is too large. Nodes of this process with the registry in memory. */
#include <stdlib.h>
#include <string.h>

#include "support/streams.h"

enum {
    LARGEST = 64 * 1024 * 1024 - 200, /* of a block's pad: its other fields take the rest */
    MEDIUM = 300000,
    SMALL = 100,
    FEW = 300,
    LARGE_COUNT = 2
};

static struct tally tally[3];
static struct source_seen seen[6];
static struct tr_atomic_u64 nodes_down;

static void hear(void *context, const troupe_event *event)
{
    (void)context;
    (void)event;
    (void)tr_add_relaxed(&nodes_down, 1);
}

static int begin_with(int32_t compression, size_t nodes)
{
    troupe_config config;

    troupe_config_init(&config);
    config.resume_window_ms = 30000;
    config.compression = compression;
    config.telemetry = hear;
    config.telemetry_events = TROUPE_EVENT_BIT(NODE_DOWN);
    (void)tr_exchange_seq(&nodes_down, 0);
    memset(tally, 0, sizeof(tally));
    memset(seen, 0, sizeof(seen));
    streams_begin();
    for (size_t index = 0; index < nodes; index++) {
        streams_start(index, &config);
    }
    streams_wait((uint32_t)nodes);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    return begin_with(TROUPE_COMPRESSION_OFF, 3);
}

static int begin_compressing(void **state)
{
    (void)state;
    return begin_with(TROUPE_COMPRESSION_ZSTD, 2);
}

static int end(void **state)
{
    (void)state;
    streams_end();
    return 0;
}

static void start(size_t index, size_t source, const struct order *order)
{
    source_tell(index, source_spawn(index, 0, &seen[source]), order);
}

static void expect(size_t index, uint64_t count, uint64_t bytes)
{
    tally[index].wanted = count;
    assert_true(streams_until(tally_is_full, &tally[index]));
    assert_int_equal(tr_load_seq(&tally[index].got), count);
    assert_int_equal(tr_load_seq(&tally[index].bytes), bytes);
    assert_int_equal(tr_load_seq(&tally[index].wrong), 0);
}

static void the_largest_arrive_whole_beside_small_ones_of_others(void **state)
{
    (void)state;
    const troupe_pid there = sink_spawn(1, &tally[1]);
    const troupe_pid here = sink_spawn(0, &tally[0]);

    start(0, 0, &(struct order){.to = there, .count = LARGE_COUNT, .size = LARGEST, .lane = 0});
    start(0, 1, &(struct order){.to = there, .count = FEW, .size = SMALL, .lane = 1});
    start(2, 2, &(struct order){.to = there, .count = FEW, .size = MEDIUM, .lane = 2});
    start(1, 3, &(struct order){.to = here, .count = 1, .size = LARGEST, .lane = 0});
    start(1, 4, &(struct order){.to = here, .count = FEW, .size = SMALL, .lane = 1});
    expect(1, LARGE_COUNT + FEW + FEW,
           (uint64_t)LARGE_COUNT * LARGEST + (uint64_t)FEW * (SMALL + MEDIUM));
    expect(0, 1 + FEW, (uint64_t)LARGEST + (uint64_t)FEW * SMALL);
    assert_int_equal(tr_load_seq(&nodes_down), 0);
    assert_int_equal(streams_info(0).messages_compressed, 0);
}

static bool both_are_refused(void *context)
{
    (void)context;
    return tr_load_seq(&seen[0].limited) == 2;
}

static void what_is_too_large_is_refused_and_nothing_suffers(void **state)
{
    const size_t size = (size_t)64 * 1024 * 1024 + 1;
    uint8_t *bytes = calloc(1, size);
    const block b = {.pad = {.data = bytes, .size = size}};
    troupe_result result = {0};

    (void)state;
    const troupe_pid there = sink_spawn(1, &tally[1]);

    assert_int_equal(troupe_node_send(streams_nodes[0], there, &block_type, &b), TROUPE_E_LIMIT);
    assert_int_equal(
        troupe_node_call(streams_nodes[0], there, &block_type, &b, STREAMS_DEADLINE_MS, &result),
        TROUPE_E_LIMIT);
    troupe_result_clear(&result);
    free(bytes);
    start(0, 0, &(struct order){.to = there, .count = 2, .size = size});
    start(0, 1, &(struct order){.to = there, .count = FEW, .size = SMALL, .lane = 1});
    expect(1, FEW, (uint64_t)FEW * SMALL);
    assert_true(streams_until(both_are_refused, NULL));
    assert_int_equal(tr_load_seq(&seen[0].sent), 0);
    assert_int_equal(tr_load_seq(&nodes_down), 0);
}

static void compressed_messages_keep_their_order_and_content(void **state)
{
    (void)state;
    const troupe_pid there = sink_spawn(1, &tally[1]);
    const troupe_pid here = sink_spawn(0, &tally[0]);

    start(0, 0, &(struct order){.to = there, .count = FEW, .size = MEDIUM, .lane = 0});
    start(0, 1, &(struct order){.to = there, .count = FEW, .size = SMALL, .lane = 1});
    start(0, 2, &(struct order){.to = there, .count = 1, .size = LARGEST, .lane = 2});
    start(1, 3, &(struct order){.to = here, .count = FEW, .size = 5000, .lane = 0});
    expect(1, FEW + FEW + 1, (uint64_t)FEW * (MEDIUM + SMALL) + LARGEST);
    expect(0, FEW, (uint64_t)FEW * 5000);
    const troupe_node_info info = streams_info(0);

    assert_int_equal(info.messages_compressed, FEW + 1);
    assert_true(info.bytes_saved > (uint64_t)FEW * MEDIUM);
    assert_int_equal(streams_info(1).messages_compressed, FEW);
}

/* One that compresses and one that does not. */
static void nothing_is_compressed_for_a_node_that_does_not(void **state)
{
    troupe_config config;

    (void)state;
    troupe_config_init(&config);
    streams_start(2, &config);
    streams_wait(3);
    start(0, 0,
          &(struct order){.to = sink_spawn(2, &tally[2]), .count = FEW, .size = MEDIUM, .lane = 0});
    expect(2, FEW, (uint64_t)FEW * MEDIUM);
    assert_int_equal(streams_info(0).messages_compressed, 0);
}

static void a_compression_that_does_not_exist_is_refused(void **state)
{
    troupe_config config;
    troupe_node *node = NULL;

    (void)state;
    troupe_config_init(&config);
    config.compression = 7;
    assert_int_equal(troupe_node_start(&config, &node, NULL, 0), TROUPE_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_largest_arrive_whole_beside_small_ones_of_others, begin,
                                        end),
        cmocka_unit_test_setup_teardown(what_is_too_large_is_refused_and_nothing_suffers, begin,
                                        end),
        cmocka_unit_test_setup_teardown(compressed_messages_keep_their_order_and_content,
                                        begin_compressing, end),
        cmocka_unit_test_setup_teardown(nothing_is_compressed_for_a_node_that_does_not,
                                        begin_compressing, end),
        cmocka_unit_test(a_compression_that_does_not_exist_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
