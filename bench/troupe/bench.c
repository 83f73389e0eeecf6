#include "bench.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* Programs end by _Exit when something is wrong: the node's threads still run. */
enum { EXIT_WRONG = 5, EXIT_USAGE = 64 };

int64_t bench_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

double bench_cpu_s(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Reads a line like "VmRSS:   1234 kB" of /proc/self/status. getrusage would also count what our
 * parent had. */
static uint64_t status_kib(const char *key)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    uint64_t kib = 0;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            kib = strtoull(line + strlen(key), NULL, 10);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kib;
}

uint64_t bench_resident_bytes(void)
{
    return status_kib("VmRSS:") * 1024;
}

void bench_figure(const char *name, double value, const char *unit)
{
    (void)printf("%s %.3f %s\n", name, value, unit);
}

void bench_rate(const char *name, uint64_t count, int64_t ns, const char *unit)
{
    bench_figure(name, (double)count * 1e9 / (double)ns, unit);
}

void bench_usage(double cpu_before)
{
    bench_figure("cpu", bench_cpu_s() - cpu_before, "s");
    bench_figure("peak", (double)status_kib("VmHWM:") / 1024, "MiB");
}

void bench_must(troupe_status status, const char *what)
{
    if (status != TROUPE_OK) {
        (void)fprintf(stderr, "%s: %s\n", what, troupe_status_text(status));
        _Exit(EXIT_WRONG);
    }
}

void bench_expect(const char *what, uint64_t wanted, uint64_t got)
{
    if (wanted != got) {
        (void)fprintf(stderr, "%s: %llu wanted, %llu found\n", what, (unsigned long long)wanted,
                      (unsigned long long)got);
        _Exit(EXIT_WRONG);
    }
}

uint64_t bench_number(const char *text)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        (void)fprintf(stderr, "not a number: %s\n", text);
        _Exit(EXIT_USAGE);
    }
    return value;
}

troupe_pid bench_spawn(troupe_node *node, const troupe_behavior *behavior,
                       const troupe_spawn_options *options)
{
    troupe_pid pid = {0};
    bench_must(troupe_node_spawn(node, behavior, NULL, options, &pid), behavior->name);
    return pid;
}

uint64_t bench_ask(troupe_node *node, troupe_pid to, const troupe_type *type, const void *message)
{
    troupe_result result = {0};
    const troupe_status status =
        troupe_node_call(node, to, type, message, BENCH_TIMEOUT_MS, &result);
    if (status != TROUPE_OK && result.reason.text != NULL) {
        (void)fprintf(stderr, "%s: %s\n", type->name, result.reason.text);
    }
    bench_must(status, type->name);
    const number *answer = troupe_result_as(&result, &number_type);
    if (answer == NULL) {
        bench_must(TROUPE_E_TYPE, type->name);
        return 0;
    }
    const uint64_t value = (uint64_t)answer->value;
    troupe_result_clear(&result);
    return value;
}

void bench_wait_actors(troupe_node *node, uint64_t actors)
{
    const int64_t deadline = bench_now_ns() + 20000000000;
    troupe_node_info info = {.struct_size = sizeof(info)};
    for (;;) {
        troupe_node_get_info(node, &info);
        if (info.actors == actors) {
            return;
        }
        if (bench_now_ns() > deadline) {
            bench_expect("actors alive", actors, info.actors);
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
        return EXIT_USAGE;
    }
    const uint64_t count = bench_number(argv[2]);
    troupe_config config;
    troupe_config_init(&config);
    config.workers = (uint32_t)bench_number(argv[1]);
    config.log = bench_log;
    troupe_node *node = NULL;
    char error[256] = "";
    const troupe_status status = troupe_node_start(&config, &node, error, sizeof(error));
    bench_must(status, error[0] != '\0' ? error : "start");
    if (warm_up) {
        run(node, count / 10 > 0 ? count / 10 : 1, false);
    }
    const double cpu = bench_cpu_s();
    run(node, count, true);
    bench_usage(cpu);
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
