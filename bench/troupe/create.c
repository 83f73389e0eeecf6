/* Start an actor, send it one message, let it end; COUNT times. */
#include "births.h"

static void run(troupe_node *node, uint64_t count, bool report)
{
    troupe_node_info before = {.struct_size = sizeof(before)};
    troupe_node_get_info(node, &before);
    const int64_t ns = births_run(node, count, false);
    bench_wait_actors(node, before.actors);
    troupe_node_info after = {.struct_size = sizeof(after)};
    troupe_node_get_info(node, &after);
    measure_expect("actors started", count + 1, after.actors_started - before.actors_started);
    if (report) {
        measure_rate("create", count, ns, "actors/s");
    }
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, run);
}
