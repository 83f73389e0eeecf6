/* base/utf8.h - whether bytes are UTF-8, as strict as RFC 3629: no overlong forms, no surrogates.
 *
 * Threads: any.
 */
#ifndef TR_BASE_UTF8_H
#define TR_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* NUL is a character like any other here. Zero bytes are valid. */
bool tr_utf8_is_valid(const void *bytes, size_t size);

/* The same without control characters: what may stand in a line of a log. */
bool tr_utf8_is_line(const void *bytes, size_t size);

/* Answers the largest size up to `size` that does not end inside a character. `bytes` is valid
 * UTF-8 which somebody cut at `size`. */
size_t tr_utf8_cut(const void *bytes, size_t size);

#endif
