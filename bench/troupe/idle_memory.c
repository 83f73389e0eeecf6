/* Resident memory of COUNT actors without state that have handled one message and wait for the
 * next. */
#include "births.h"

static void run(troupe_node *node, uint64_t count, bool report)
{
    troupe_node_info before = {.struct_size = sizeof(before)};
    troupe_node_get_info(node, &before);
    const uint64_t bytes = measure_resident_bytes();
    const int64_t ns = births_run(node, count, true);
    bench_wait_actors(node, before.actors + count);
    const double each = (double)(measure_resident_bytes() - bytes) / (double)count;
    if (report) {
        measure_figure("idle-memory", each, "B");
        measure_rate("idle-spawn", count, ns, "actors/s");
    }
}

int main(int argc, char **argv)
{
    return bench_main_cold(argc, argv, run);
}
