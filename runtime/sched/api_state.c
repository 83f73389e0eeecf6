/* What an actor does with its own state, and its log. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/self.h"

troupe_status troupe_set_string(troupe_self *self, const char **slot, const char *value)
{
    char *copy = NULL;

    (void)self;
    if (value != NULL) {
        copy = strdup(value);
        if (copy == NULL) {
            return TROUPE_E_NO_MEMORY;
        }
    }
    free((void *)(uintptr_t)*slot);
    *slot = copy;
    return TROUPE_OK;
}

troupe_status troupe_set_bytes(troupe_self *self, troupe_bytes *slot, const void *data, size_t size)
{
    uint8_t *copy = NULL;

    (void)self;
    if (size > 0) {
        copy = malloc(size);
        if (copy == NULL) {
            return TROUPE_E_NO_MEMORY;
        }
        memcpy(copy, data, size);
    }
    free((void *)(uintptr_t)slot->data);
    *slot = (troupe_bytes){.data = copy, .size = size};
    return TROUPE_OK;
}

troupe_status troupe_resize_array(troupe_self *self, void *slot, size_t *count_slot, size_t count,
                                  size_t size)
{
    uint8_t *elements = NULL;

    (void)self;
    memcpy(&elements, slot, sizeof(elements));
    if (size == 0 || count > SIZE_MAX / size) {
        return TROUPE_E_INVALID;
    }
    if (count == 0) {
        free(elements);
        elements = NULL;
    } else {
        uint8_t *resized = realloc(elements, count * size);

        if (resized == NULL) {
            return TROUPE_E_NO_MEMORY;
        }
        elements = resized;
        if (count > *count_slot) {
            memset(elements + *count_slot * size, 0, (count - *count_slot) * size);
        }
    }
    memcpy(slot, &elements, sizeof(elements));
    *count_slot = count;
    return TROUPE_OK;
}

void troupe_log(troupe_self *self, int32_t level, const char *format, ...)
{
    const struct tr_outward *outward = &self->sched->options.outward;
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    outward->log(outward->context, level, tr_self_pid(self), text);
}
