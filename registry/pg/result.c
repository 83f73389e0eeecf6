#include "pg/result.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "pg/sqlstate.h"

int reg_result_count(const struct reg_result *result)
{
    return result->rows == NULL ? 0 : PQntuples(result->rows);
}

const char *reg_result_text(const struct reg_result *result, int row, int column)
{
    if (result->rows == NULL || row < 0 || row >= PQntuples(result->rows) || column < 0 ||
        column >= PQnfields(result->rows) || PQgetisnull(result->rows, row, column)) {
        return NULL;
    }
    return PQgetvalue(result->rows, row, column);
}

bool reg_result_is_null(const struct reg_result *result, int row, int column)
{
    return reg_result_text(result, row, column) == NULL;
}

bool reg_result_u64(const struct reg_result *result, int row, int column, uint64_t *out)
{
    const char *text = reg_result_text(result, row, column);
    char *end = NULL;
    uint64_t value = 0;

    if (text == NULL || text[0] < '0' || text[0] > '9') {
        return false;
    }
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0') {
        return false;
    }
    *out = value;
    return true;
}

bool reg_result_i64(const struct reg_result *result, int row, int column, int64_t *out)
{
    const char *text = reg_result_text(result, row, column);
    char *end = NULL;
    int64_t value = 0;

    if (text == NULL || text[0] == '\0') {
        return false;
    }
    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0') {
        return false;
    }
    *out = value;
    return true;
}

bool reg_result_bool(const struct reg_result *result, int row, int column, bool *out)
{
    const char *text = reg_result_text(result, row, column);

    if (text == NULL || (strcmp(text, "t") != 0 && strcmp(text, "f") != 0)) {
        return false;
    }
    *out = text[0] == 't';
    return true;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return -1;
}

bool reg_result_uuid(const struct reg_result *result, int row, int column, uint8_t out[16])
{
    const char *text = reg_result_text(result, row, column);
    uint8_t bytes[16] = {0};
    size_t digits = 0;

    for (; text != NULL && *text != '\0' && digits < 32; text++) {
        const int value = hex_value(*text);

        if (*text == '-') {
            continue;
        }
        if (value < 0) {
            return false;
        }
        bytes[digits / 2] = (uint8_t)(bytes[digits / 2] << 4 | value);
        digits++;
    }
    if (text == NULL || digits != 32 || *text != '\0') {
        return false;
    }
    memcpy(out, bytes, sizeof(bytes));
    return true;
}

void reg_line_copy(char *out, size_t size, const char *text)
{
    size_t length = 0;

    for (; *text != '\0' && length + 1 < size; text++) {
        const bool is_space = strchr(" \t\r\n", *text) != NULL;

        if (!is_space) {
            out[length++] = *text;
        } else if (length > 0 && out[length - 1] != ' ') {
            out[length++] = ' ';
        }
    }
    while (length > 0 && out[length - 1] == ' ') {
        length--;
    }
    out[length] = '\0';
}

void reg_result_describe(const struct pg_result *rows, char *words, size_t words_size,
                         struct reg_result *out)
{
    const ExecStatusType kind = PQresultStatus(rows);
    const char *sqlstate = NULL;

    if (kind == PGRES_TUPLES_OK || kind == PGRES_COMMAND_OK) {
        *out = (struct reg_result){.status = TROUPE_OK, .text = "", .rows = rows};
        return;
    }
    sqlstate = PQresultErrorField(rows, PG_DIAG_SQLSTATE);
    reg_line_copy(words, words_size, PQresultErrorMessage(rows));
    *out = (struct reg_result){.text = words};
    if (sqlstate == NULL) {
        out->status = TROUPE_E_UNKNOWN; /* libpq's own words: the connection broke */
        return;
    }
    out->status = reg_sqlstate_status(sqlstate);
    (void)snprintf(out->sqlstate, sizeof(out->sqlstate), "%s", sqlstate);
}
