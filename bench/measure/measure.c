#include "measure.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

int64_t measure_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

double measure_cpu_s(void)
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

uint64_t measure_resident_bytes(void)
{
    return status_kib("VmRSS:") * 1024;
}

void measure_figure(const char *name, double value, const char *unit)
{
    (void)printf("%s %.3f %s\n", name, value, unit);
}

void measure_rate(const char *name, uint64_t count, int64_t ns, const char *unit)
{
    measure_figure(name, (double)count * 1e9 / (double)ns, unit);
}

static int compare_samples(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left;
    const int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* The value below which percent of the sorted samples lie. */
static double percentile(const int64_t *samples, uint64_t count, uint64_t percent)
{
    const uint64_t index = (count * percent + 99) / 100;
    return (double)samples[index > 0 ? index - 1 : 0];
}

void measure_percentiles(const char *name, int64_t *samples, uint64_t count)
{
    char figure[64];
    qsort(samples, count, sizeof(*samples), compare_samples);
    (void)snprintf(figure, sizeof(figure), "%s-p50", name);
    measure_figure(figure, percentile(samples, count, 50), "ns");
    (void)snprintf(figure, sizeof(figure), "%s-p99", name);
    measure_figure(figure, percentile(samples, count, 99), "ns");
}

void measure_oneway(size_t size, uint64_t count, int64_t ns)
{
    char name[64];
    const bool kib = size >= 1024;
    (void)snprintf(name, sizeof(name), "remote-oneway-%zu%s", kib ? size / 1024 : size,
                   kib ? "KiB" : "B");
    measure_rate(name, count, ns, "msgs/s");
}

void measure_usage(double cpu_before)
{
    measure_figure("cpu", measure_cpu_s() - cpu_before, "s");
    measure_figure("peak", (double)status_kib("VmHWM:") / 1024, "MiB");
}

void measure_expect(const char *what, uint64_t wanted, uint64_t got)
{
    if (wanted != got) {
        (void)fprintf(stderr, "%s: %llu wanted, %llu found\n", what, (unsigned long long)wanted,
                      (unsigned long long)got);
        _Exit(MEASURE_EXIT_WRONG);
    }
}

void measure_pause(int64_t ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigtimedwait(&none, NULL, &pause);
}

void measure_settle(void)
{
    const int64_t deadline = measure_now_ns() + 10000000000;
    double before = measure_cpu_s();
    for (;;) {
        measure_pause(200);
        const double now = measure_cpu_s();
        if (now - before < 0.01 || measure_now_ns() > deadline) {
            return;
        }
        before = now;
    }
}

uint64_t measure_number(const char *text)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        (void)fprintf(stderr, "not a number: %s\n", text);
        _Exit(MEASURE_EXIT_USAGE);
    }
    return value;
}
