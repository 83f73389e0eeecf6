#include "support/failing_alloc.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

/* The names are the linker's: --wrap=malloc makes every call of malloc one of __wrap_malloc. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)
 */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size_max);

static atomic_long left = -1; /* allocations until one fails; below 0: none does */
static atomic_bool failed;
static atomic_bool all;

void fail_at(long n)
{
    atomic_store(&failed, false);
    atomic_store(&all, false);
    atomic_store(&left, n);
}

void fail_from(long n)
{
    fail_at(n);
    atomic_store(&all, true);
}

bool was_failed(void)
{
    atomic_store(&left, -1);
    atomic_store(&all, false);
    return atomic_load(&failed);
}

static bool fails(void)
{
    if (atomic_load(&all) && atomic_load(&failed)) {
        return true;
    }
    if (atomic_load(&left) < 0 || atomic_fetch_sub(&left, 1) != 0) {
        return false;
    }
    atomic_store(&failed, true);
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails() ? NULL : __real_realloc(block, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

char *__wrap_strndup(const char *text, size_t size_max)
{
    const size_t size = strnlen(text, size_max);
    char *copy = fails() ? NULL : __real_malloc(size + 1);

    if (copy != NULL) {
        memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}

char *__wrap_strdup(const char *text)
{
    return __wrap_strndup(text, strlen(text));
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)
 */
