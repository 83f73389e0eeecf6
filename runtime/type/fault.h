/* type/fault.h - says which field of a value is wrong, and why.
 *
 *     type "bank.batch" field "transfers[3].cents" (1): expected int64, got string
 *
 * A reader of values keeps the way to where it is as a chain on its own stack, which costs two
 * stores for each field; the text is made only when something is wrong.
 */
#ifndef TR_TYPE_FAULT_H
#define TR_TYPE_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "troupe/type.h"

/* One step of the way from the outermost struct. */
struct tr_path {
    const struct tr_path *parent;
    const troupe_field *field; /* NULL: in the struct, at no field yet */
    size_t index;
    bool indexed; /* at element `index` of the field */
};

struct tr_fault {
    const troupe_type *type; /* the outermost */
    char *error;             /* may be NULL */
    size_t error_size;
    bool numbers; /* whether the number of the field is said, too */
};

/* Writes the text and answers status. path may be NULL. */
__attribute__((format(printf, 4, 5))) troupe_status tr_fault(const struct tr_fault *fault,
                                                             const struct tr_path *path,
                                                             troupe_status status,
                                                             const char *format, ...);

/* As snprintf, for an error that may be NULL; never ends inside a character. */
__attribute__((format(printf, 3, 4))) void tr_error_print(char *error, size_t error_size,
                                                          const char *format, ...);

/* Writes at most 60 bytes of text, which others gave us, so that it can stand in an error: ends it
 * with NUL, cuts it at a character, and puts ? for control characters. quoted has TR_QUOTED_SIZE
 * bytes. Answers quoted. */
#define TR_QUOTED_SIZE 64u
const char *tr_error_quote(const char *text, size_t size, char *quoted);

#endif
