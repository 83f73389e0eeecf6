#include "bench.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

void bench_must(troupe_status status, const char *what)
{
    if (status != TROUPE_OK) {
        (void)fprintf(stderr, "%s: %s\n", what, troupe_status_text(status));
        _Exit(MEASURE_EXIT_WRONG);
    }
}

troupe_pid bench_spawn(troupe_node *node, const troupe_behavior *behavior,
                       const troupe_spawn_options *options)
{
    troupe_pid pid = {0};
    bench_must(troupe_node_spawn(node, behavior, NULL, options, &pid), behavior->name);
    return pid;
}

tally bench_ask_tally(troupe_node *node, troupe_pid to, const troupe_type *type,
                      const void *message)
{
    troupe_result result = {0};
    const troupe_status status =
        troupe_node_call(node, to, type, message, BENCH_TIMEOUT_MS, &result);
    if (status != TROUPE_OK && result.reason.text != NULL) {
        (void)fprintf(stderr, "%s: %s\n", type->name, result.reason.text);
    }
    bench_must(status, type->name);
    const tally *answer = troupe_result_as(&result, &tally_type);
    bench_must(answer == NULL ? TROUPE_E_TYPE : TROUPE_OK, type->name);
    tally copy = {0};
    if (answer != NULL) {
        copy = *answer;
    }
    troupe_result_clear(&result);
    return copy;
}

uint64_t bench_ask(troupe_node *node, troupe_pid to, const troupe_type *type, const void *message)
{
    return bench_ask_tally(node, to, type, message).count;
}

void bench_end(troupe_node *node, troupe_pid pid)
{
    int32_t kind = 0;
    bench_must(troupe_node_exit(node, pid, TROUPE_REASON_SHUTDOWN, NULL), "exit");
    const troupe_status status = troupe_node_join(node, pid, BENCH_TIMEOUT_MS, &kind);
    bench_must(status == TROUPE_E_NOPROC ? TROUPE_OK : status,
               "join"); /* It may be gone already. */
}

void bench_wait_actors(troupe_node *node, uint64_t actors)
{
    const int64_t deadline = measure_now_ns() + 20000000000;
    troupe_node_info info = {.struct_size = sizeof(info)};
    for (;;) {
        troupe_node_get_info(node, &info);
        if (info.actors == actors) {
            return;
        }
        if (measure_now_ns() > deadline) {
            measure_expect("actors alive", actors, info.actors);
        }
        (void)sched_yield();
    }
}

void bench_log(void *context, int32_t level, const char *node, const char *text)
{
    (void)context;
    if (level >= TROUPE_LOG_WARNING) {
        (void)fprintf(stderr, "%s: %s\n", node, text);
    }
}

static int bench_main_with(int argc, char **argv, bench_run_fn run, bool warm_up)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s WORKERS COUNT\n", argv[0]);
        return MEASURE_EXIT_USAGE;
    }
    const uint64_t count = measure_number(argv[2]);
    troupe_config config;
    troupe_config_init(&config);
    config.workers = (uint32_t)measure_number(argv[1]);
    config.log = bench_log;
    troupe_node *node = NULL;
    char error[256] = "";
    const troupe_status status = troupe_node_start(&config, &node, error, sizeof(error));
    bench_must(status, error[0] != '\0' ? error : "start");
    if (warm_up) {
        run(node, count / 10 > 0 ? count / 10 : 1, false);
    }
    const double cpu = measure_cpu_s();
    run(node, count, true);
    measure_usage(cpu);
    troupe_node_stop(node, 20000);
    return 0;
}

int bench_main(int argc, char **argv, bench_run_fn run)
{
    return bench_main_with(argc, argv, run, true);
}

int bench_main_cold(int argc, char **argv, bench_run_fn run)
{
    return bench_main_with(argc, argv, run, false);
}
