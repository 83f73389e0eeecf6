/* daemon/text.h - texts of others, made harmless before they reach a terminal, a log or JSON.
 *
 * Names of actors, reasons, database messages: whoever chose them may have put an escape sequence
 * or a line break in. Control characters, characters that turn the direction of writing, and bytes
 * that are not UTF-8 come out as \xNN (or \uNNNN in JSON); everything else stays as it is.
 *
 * Threads: any. Memory: the caller's.
 */
#ifndef DAEMON_TEXT_H
#define DAEMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A bounded line under construction. What does not fit is cut, never half a character. */
struct text_line {
    char *bytes;     /* the caller's; always ends with NUL */
    size_t size;     /* without the NUL */
    size_t capacity; /* with the NUL; at least 1 */
};

void text_line_init(struct text_line *line, char *bytes, size_t capacity);
/* Adds a literal of ours, unchanged. */
void text_line_add(struct text_line *line, const char *literal);
/* Adds at most `limit` bytes of a foreign text, escaped for a terminal. */
void text_line_add_printable(struct text_line *line, const char *text, size_t limit);
/* Adds "text" as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void text_line_add_json(struct text_line *line, const char *text, size_t limit);
/* Adds a logfmt value: bare when it is a plain word, else quoted and escaped. */
void text_line_add_logfmt(struct text_line *line, const char *text, size_t limit);

/* Prints size bytes of a foreign text, escaped for a terminal. */
void text_print(FILE *out, const char *text, size_t size);

/* Prints a JSON text, with what could harm a terminal inside its strings as \uNNNN. */
void text_print_json(FILE *out, const char *json);

/* How many columns text_print takes on a terminal (one per character). */
size_t text_columns(const char *text, size_t size);

#endif
