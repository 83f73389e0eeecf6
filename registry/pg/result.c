#include "pg/result.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

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
