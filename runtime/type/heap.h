/* type/heap.h - malloc and free as an allocator, for where no node and so no node's allocator is.
 */
#ifndef TR_TYPE_HEAP_H
#define TR_TYPE_HEAP_H

#include "type/value.h"

extern const struct tr_allocator tr_heap;

#endif
