/* cli/print.h - rows as a table for people or as JSON for programs.
 *
 * JSON has every column of the view under its own name: ids, epochs and sequence numbers as
 * strings, as are all integers beyond 2^53; other numbers as numbers; jsonb as JSON. A table has
 * the columns that were chosen, aligned, with control characters escaped. Threads: one. Memory:
 * none kept.
 */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <stddef.h>

#include "cli/cli.h"
#include "pg/pg_sync.h"

/* The rows of the last statement. columns: names for the table, ended by NULL; NULL means all. */
int print_rows(struct cli *cli, const struct reg_sync *sync, const char *const *columns);

/* The first row, one line per column, or one JSON object. */
int print_record(struct cli *cli, const struct reg_sync *sync);

/* One row as an object, to be deleted; NULL: no memory. */
struct cJSON;
struct cJSON *print_row_object(const struct reg_sync *sync, int row);

/* One row as a JSON object on one line. */
int print_row_line(struct cli *cli, const struct reg_sync *sync, int row);

/* Cells of our own instead of rows of a statement: the first line has the titles. */
struct print_cells {
    const char *const *cells; /* rows * columns texts, NULL for an empty one */
    size_t rows;
    size_t columns;
};
void print_table(const struct print_cells *cells);

/* The objects of a JSON array: as a table of the keys in columns (ended by NULL), or as JSON. */
int print_items(struct cli *cli, struct cJSON *array, const char *const *columns);

/* A JSON document, indented, safe for a terminal; takes nothing. */
int print_json(struct cli *cli, const struct cJSON *json);

/* Makes every number below json print with all its digits; cJSON prints 15. */
void print_exact_numbers(struct cJSON *json);

#endif
