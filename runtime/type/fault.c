#include "type/fault.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "type/limits.h"

enum { QUOTED_TEXT_MAX = 60 };

/* A text that grows to the end of its memory and is cut there. */
struct text {
    char *data;
    size_t size;
    size_t capacity;
};

__attribute__((format(printf, 2, 0))) static void text_add_list(struct text *text,
                                                                const char *format, va_list list)
{
    const size_t room = text->capacity - text->size;
    const int size = vsnprintf(text->data + text->size, room, format, list);

    if (size < 0) {
        text->data[text->size] = '\0';
    } else if ((size_t)size < room) {
        text->size += (size_t)size;
    } else {
        text->size = tr_utf8_cut(text->data, text->capacity - 1);
        text->data[text->size] = '\0';
        text->capacity = text->size + 1; /* what follows is dropped, too */
    }
}

__attribute__((format(printf, 2, 3))) static void text_add(struct text *text, const char *format,
                                                           ...)
{
    va_list list;

    va_start(list, format);
    text_add_list(text, format, list);
    va_end(list);
}

void tr_error_print(char *error, size_t error_size, const char *format, ...)
{
    struct text text = {.data = error, .capacity = error_size};
    va_list list;

    if (error == NULL || error_size == 0) {
        return;
    }
    va_start(list, format);
    text_add_list(&text, format, list);
    va_end(list);
}

static void text_add_path(struct text *text, const struct tr_path *path)
{
    const struct tr_path *steps[TR_TYPE_DEPTH_MAX + 1u];
    size_t count = 0;

    for (; path != NULL && count < sizeof(steps) / sizeof(steps[0]); path = path->parent) {
        if (path->field != NULL) {
            steps[count++] = path;
        }
    }
    for (size_t left = count; left > 0; left--) {
        const struct tr_path *step = steps[left - 1];

        text_add(text, "%s%s", left == count ? "" : ".", step->field->name);
        if (step->indexed) {
            text_add(text, "[%zu]", step->index);
        }
    }
}

static const troupe_field *last_field(const struct tr_path *path)
{
    while (path != NULL && path->field == NULL) {
        path = path->parent;
    }
    return path == NULL ? NULL : path->field;
}

troupe_status tr_fault(const struct tr_fault *fault, const struct tr_path *path,
                       troupe_status status, const char *format, ...)
{
    struct text text = {.data = fault->error, .capacity = fault->error_size};
    const troupe_field *field = last_field(path);
    va_list list;

    if (fault->error == NULL || fault->error_size == 0) {
        return status;
    }
    text_add(&text, "type \"%s\"", fault->type->name);
    if (field != NULL) {
        text_add(&text, " field \"");
        text_add_path(&text, path);
        text_add(&text, "\"");
        if (fault->numbers) {
            text_add(&text, " (%u)", (unsigned)field->number);
        }
    }
    text_add(&text, ": ");
    va_start(list, format);
    text_add_list(&text, format, list);
    va_end(list);
    return status;
}

const char *tr_error_quote(const char *text, size_t size, char *quoted)
{
    size_t taken = size;

    if (size > QUOTED_TEXT_MAX) {
        taken = tr_utf8_cut(text, QUOTED_TEXT_MAX);
    }
    for (size_t index = 0; index < taken; index++) {
        const unsigned char byte = (unsigned char)text[index];

        quoted[index] = text[index];
        if (byte < 0x20u || byte == 0x7fu) {
            quoted[index] = '?';
        }
    }
    memcpy(quoted + taken, taken < size ? "..." : "", taken < size ? 4 : 1);
    return quoted;
}
