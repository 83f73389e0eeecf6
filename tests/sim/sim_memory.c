/* What the linker puts in the place of malloc and its kin: it counts, and refuses the runtime when
 * it is told to. */
#include "sim/sim_memory.h"

#include <stddef.h>

#include "sim/sim.h"

static int64_t blocks;
static uint32_t odds;
static bool refused;

int64_t memory_blocks(void)
{
    return blocks;
}

uint32_t memory_refuse(uint32_t one_in)
{
    const uint32_t before = odds;

    odds = one_in;
    refused = false;
    return before;
}

bool memory_was_refused(void)
{
    return refused;
}

void memory_go_on(uint32_t one_in, bool was_refused)
{
    odds = one_in;
    refused = was_refused;
}

static bool refuses(void)
{
    if (odds == 0 || !sim_one_in(odds)) {
        return false;
    }
    refused = true;
    sim_count(SIM_COUNT_REFUSALS, 1);
    return true;
}

/* The names are the linker's. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming,readability-inconsistent-declaration-parameter-name)
 */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size_max);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size_max);
void __wrap_free(void *block);
void *sim_malloc(size_t size);
void *sim_calloc(size_t count, size_t size);
void *sim_realloc(void *block, size_t size);
char *sim_strdup(const char *text);
char *sim_strndup(const char *text, size_t size_max);

static void *counted(void *block)
{
    blocks += block != NULL ? 1 : 0;
    return block;
}

/* The world's own, which is never refused: see CMakeLists.txt. */
void *sim_malloc(size_t size)
{
    return counted(__real_malloc(size));
}

void *sim_calloc(size_t count, size_t size)
{
    return counted(__real_calloc(count, size));
}

void *sim_realloc(void *block, size_t size)
{
    void *grown = __real_realloc(block, size);

    return block == NULL ? counted(grown) : grown;
}

char *sim_strdup(const char *text)
{
    return counted(__real_strdup(text));
}

char *sim_strndup(const char *text, size_t size_max)
{
    return counted(__real_strndup(text, size_max));
}

/* The runtime's. */
void *__wrap_malloc(size_t size)
{
    return refuses() ? NULL : sim_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refuses() ? NULL : sim_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return refuses() ? NULL : sim_realloc(block, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refuses() ? NULL : counted(__real_aligned_alloc(alignment, size));
}

char *__wrap_strdup(const char *text)
{
    return refuses() ? NULL : sim_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size_max)
{
    return refuses() ? NULL : sim_strndup(text, size_max);
}

void __wrap_free(void *block)
{
    blocks -= block != NULL ? 1 : 0;
    __real_free(block);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming,readability-inconsistent-declaration-parameter-name)
 */
