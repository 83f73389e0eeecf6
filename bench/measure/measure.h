/* bench/measure/measure.h - clock, CPU, memory and output of every benchmark program in C.
 *
 * A program prints one figure a line, "name value unit". When a count is wrong it ends at once.
 * Threads: everything here may be called from any thread.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

/* Exit statuses. Programs end by _Exit when something is wrong, since other threads still run. */
#define MEASURE_EXIT_WRONG 5
#define MEASURE_EXIT_USAGE 64

/* Monotonic nanoseconds. */
int64_t measure_now_ns(void);

/* Seconds of CPU of this process so far. */
double measure_cpu_s(void);

/* Bytes of this process in memory now. */
uint64_t measure_resident_bytes(void);

void measure_figure(const char *name, double value, const char *unit);
void measure_rate(const char *name, uint64_t count, int64_t ns, const char *unit);

/* Prints NAME-p50 and NAME-p99 of samples in nanoseconds, which it sorts. */
void measure_percentiles(const char *name, int64_t *samples, uint64_t count);

/* Prints remote-oneway-SIZE: so many messages of size bytes each went to another process. */
void measure_oneway(size_t size, uint64_t count, int64_t ns);

/* Prints the CPU time since cpu_before, and the peak memory of the process. */
void measure_usage(double cpu_before);

/* Ends the program, with MEASURE_EXIT_WRONG and a line that says what, unless the two are equal. */
void measure_expect(const char *what, uint64_t wanted, uint64_t got);

/* Does nothing for so long. */
void measure_pause(int64_t ms);

/* Waits until this process has used next to no CPU for a fifth of a second; ten seconds at the
 * most.
 */
void measure_settle(void);

/* Reads a decimal number; ends the program when text is none. */
uint64_t measure_number(const char *text);

#endif
