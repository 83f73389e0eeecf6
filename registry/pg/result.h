/* pg/result.h - what a statement answered: typed reading that never trusts the rows.
 *
 * A getter answers false for NULL, for text that is not such a value and for rows and columns that
 * are not there: an evil row ends in an error of its reader, never in a crash.
 *
 * Threads: the owner's. Memory: lent for the call that hands the result over; texts point into it.
 */
#ifndef REG_PG_RESULT_H
#define REG_PG_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "troupe/status.h"

struct pg_result; /* libpq's */

struct reg_result {
    /* OK; else as reg_sqlstate_status, REGISTRY when it was certainly not done, and UNKNOWN when
     * the connection broke before the answer came. */
    troupe_status status;
    char sqlstate[6];
    const char *text; /* the server's or libpq's words, "" when there are none; one line */
    const struct pg_result *rows;
};

static inline bool reg_result_ok(const struct reg_result *result)
{
    return result->status == TROUPE_OK;
}

int reg_result_count(const struct reg_result *result);
bool reg_result_is_null(const struct reg_result *result, int row, int column);

/* NULL for SQL's NULL. */
const char *reg_result_text(const struct reg_result *result, int row, int column);

bool reg_result_u64(const struct reg_result *result, int row, int column, uint64_t *out);
bool reg_result_i64(const struct reg_result *result, int row, int column, int64_t *out);
bool reg_result_bool(const struct reg_result *result, int row, int column, bool *out);
bool reg_result_uuid(const struct reg_result *result, int row, int column, uint8_t out[16]);

/* Copies libpq's words as one line, without the newline at the end. */
void reg_line_copy(char *out, size_t size, const char *text);

/* Says what libpq's result means; out lends words, which get the server's text. */
void reg_result_describe(const struct pg_result *rows, char *words, size_t words_size,
                         struct reg_result *out);

#endif
