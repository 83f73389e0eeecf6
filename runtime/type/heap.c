#include "type/heap.h"

#include <stdlib.h>

static void *heap_allocate(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static void heap_release(void *context, void *block)
{
    (void)context;
    free(block);
}

const struct tr_allocator tr_heap = {.allocate = heap_allocate, .release = heap_release};
