/* support/failing_alloc.h - an allocation that fails when a test says so.
 *
 * A program that links failing_alloc.c with the linker's --wrap for malloc, calloc, realloc,
 * aligned_alloc and strdup (see tests/actors.cmake) has every such call of our own code counted.
 *
 *     for (long n = 0; fail_at(n), scenario(), was_failed(); n++) ...
 *
 * Threads: any; the count is one for all.
 */
#ifndef TEST_SUPPORT_FAILING_ALLOC_H
#define TEST_SUPPORT_FAILING_ALLOC_H

#include <stdbool.h>

/* The allocation number n from now on, counted from 0, fails; below 0: none. */
void fail_at(long n);
/* That one and all after it fail. */
void fail_from(long n);
/* Whether one has failed since. No more fail from here on. */
bool was_failed(void);

#endif
