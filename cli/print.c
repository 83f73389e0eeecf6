#include "cli/print.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "daemon/text.h"

#define COLUMN_GAP 2u
#define INTEGER_EXACT_MAX 9007199254740992ull /* 2^53: what a double holds exactly */

static int memory_problem(struct cli *cli)
{
    return problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
}

/* ---- JSON ---- */

static bool is_id(const char *column)
{
    const size_t size = strlen(column);

    return strcmp(column, "epoch") == 0 || strcmp(column, "seq") == 0 ||
           strcmp(column, "id") == 0 || (size > 3 && strcmp(column + size - 3, "_id") == 0);
}

/* Whether the text is a number as JSON writes it; `NaN` and `Infinity` of SQL are not. */
static bool is_json_number(const char *text)
{
    const size_t size = strlen(text);

    return size > 0 && strspn(text, "0123456789+-.eE") == size && text[0] != '.' && text[0] != '+';
}

static bool is_exact(const char *text)
{
    const char *digits = text[0] == '-' ? text + 1 : text;

    return strtoull(digits, NULL, 10) <= INTEGER_EXACT_MAX;
}

static cJSON *cell_json(const struct reg_sync *sync, int row, int column)
{
    const char *text = reg_result_text(reg_sync_result(sync), row, column);

    if (text == NULL) {
        return cJSON_CreateNull();
    }
    switch (reg_sync_column_kind(sync, column)) {
    case REG_COLUMN_BOOL:
        return cJSON_CreateBool(text[0] == 't');
    case REG_COLUMN_JSON:
        return cJSON_CreateRaw(text);
    case REG_COLUMN_NUMBER:
        return is_json_number(text) ? cJSON_CreateRaw(text) : cJSON_CreateString(text);
    case REG_COLUMN_BIGINT:
        return is_id(reg_sync_column_name(sync, column)) || !is_exact(text)
                   ? cJSON_CreateString(text)
                   : cJSON_CreateRaw(text);
    case REG_COLUMN_TEXT:
        break;
    }
    return cJSON_CreateString(text);
}

cJSON *print_row_object(const struct reg_sync *sync, int row)
{
    cJSON *object = cJSON_CreateObject();

    for (int column = 0; column < reg_sync_column_count(sync); column++) {
        cJSON *cell = cell_json(sync, row, column);

        if (!cJSON_AddItemToObject(object, reg_sync_column_name(sync, column), cell)) {
            cJSON_Delete(cell);
            cJSON_Delete(object);
            return NULL;
        }
    }
    return object;
}

static int print_json_text(struct cli *cli, char *text)
{
    if (text == NULL) {
        return memory_problem(cli);
    }
    text_print_json(stdout, text);
    (void)fputc('\n', stdout);
    cJSON_free(text);
    return 0;
}

int print_json(struct cli *cli, const struct cJSON *json)
{
    return print_json_text(cli, cJSON_Print(json));
}

int print_row_line(struct cli *cli, const struct reg_sync *sync, int row)
{
    cJSON *object = print_row_object(sync, row);
    const int status = print_json_text(cli, object != NULL ? cJSON_PrintUnformatted(object) : NULL);

    cJSON_Delete(object);
    return status;
}

static int print_rows_json(struct cli *cli, const struct reg_sync *sync)
{
    const int count = reg_result_count(reg_sync_result(sync));
    cJSON *array = cJSON_CreateArray();
    int status = 0;

    for (int row = 0; row < count && array != NULL; row++) {
        cJSON *object = print_row_object(sync, row);

        if (object == NULL || !cJSON_AddItemToArray(array, object)) {
            cJSON_Delete(object);
            cJSON_Delete(array);
            array = NULL;
        }
    }
    status = array != NULL ? print_json(cli, array) : memory_problem(cli);
    cJSON_Delete(array);
    return status;
}

/* Replaces a number by its text: whole ones without an exponent, others so that they read back. */
static void make_exact(cJSON *item)
{
    char text[64];
    char *copy = NULL;

    if (!cJSON_IsNumber(item)) {
        return;
    }
    (void)snprintf(text, sizeof(text),
                   fabs(item->valuedouble) <= 9007199254740992.0 &&
                           floor(item->valuedouble) == item->valuedouble
                       ? "%.0f"
                       : "%.17g",
                   item->valuedouble);
    copy = cJSON_malloc(strlen(text) + 1);
    if (copy != NULL) {
        memcpy(copy, text, strlen(text) + 1);
        item->type = cJSON_Raw;
        item->valuestring = copy;
    }
}

void print_exact_numbers(struct cJSON *json)
{
    cJSON *later[128]; /* where to go on after each level; deeper levels stay as they are */
    size_t depth = 0;
    cJSON *item = json->child;

    while (item != NULL || depth > 0) {
        if (item == NULL) {
            item = later[--depth];
            continue;
        }
        make_exact(item);
        if (item->child != NULL && depth < sizeof(later) / sizeof(later[0])) {
            later[depth++] = item->next;
            item = item->child;
        } else {
            item = item->next;
        }
    }
}

/* ---- tables ---- */

/* Columns of the terminal; 0 when stdout is none: then nothing is cut. */
static size_t terminal_width(void)
{
    struct winsize size;

    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static const char *cell_text(const struct print_cells *cells, size_t row, size_t column)
{
    const char *text = cells->cells[row * cells->columns + column];

    return text != NULL ? text : "";
}

static size_t column_width(const struct print_cells *cells, size_t column)
{
    size_t width = 0;

    for (size_t row = 0; row < cells->rows; row++) {
        const char *text = cell_text(cells, row, column);
        const size_t columns = text_columns(text, strlen(text));

        width = columns > width ? columns : width;
    }
    return width;
}

/* Prints one cell, cut to room columns when it is longer; answers the columns used. */
static size_t print_cell(const char *text, size_t room)
{
    size_t size = strlen(text);
    size_t columns = text_columns(text, size);

    while (columns > room && size > 0) {
        do {
            size--;
        } while (size > 0 && ((unsigned char)text[size] & 0xc0u) == 0x80u);
        columns = text_columns(text, size);
    }
    text_print(stdout, text, size);
    return columns;
}

void print_table(const struct print_cells *cells)
{
    const size_t terminal = terminal_width();

    for (size_t row = 0; row < cells->rows; row++) {
        size_t at = 0;
        size_t due = 0; /* blanks before the next cell; not printed at the end of a line */

        for (size_t column = 0; column < cells->columns; column++) {
            const char *text = cell_text(cells, row, column);
            const size_t room =
                terminal == 0 ? SIZE_MAX : terminal - (at < terminal ? at : terminal);
            size_t used = 0;

            if (text[0] != '\0' && room > due) {
                (void)printf("%*s", (int)due, "");
                used = print_cell(text, room - due);
                at += due + used;
                due = 0;
            }
            due += column_width(cells, column) - used + COLUMN_GAP;
        }
        (void)fputc('\n', stdout);
    }
}

static int find_column(const struct reg_sync *sync, const char *name)
{
    for (int column = 0; column < reg_sync_column_count(sync); column++) {
        if (strcmp(reg_sync_column_name(sync, column), name) == 0) {
            return column;
        }
    }
    return -1;
}

/* "t" and "f" as people say it. */
static const char *table_text(const struct reg_sync *sync, int row, int column)
{
    const char *text = reg_result_text(reg_sync_result(sync), row, column);

    if (text != NULL && reg_sync_column_kind(sync, column) == REG_COLUMN_BOOL) {
        return text[0] == 't' ? "yes" : "no";
    }
    return text;
}

static size_t choose_columns(const struct reg_sync *sync, const char *const *columns, int *chosen,
                             size_t capacity)
{
    size_t count = 0;

    for (size_t i = 0; columns != NULL && columns[i] != NULL && count < capacity; i++) {
        const int column = find_column(sync, columns[i]);

        if (column >= 0) {
            chosen[count++] = column;
        }
    }
    for (int i = 0; columns == NULL && i < reg_sync_column_count(sync) && count < capacity; i++) {
        chosen[count++] = i;
    }
    return count;
}

int print_rows(struct cli *cli, const struct reg_sync *sync, const char *const *columns)
{
    const size_t rows = (size_t)reg_result_count(reg_sync_result(sync));
    int chosen[32];
    struct print_cells cells = {.rows = rows + 1};
    const char **texts = NULL;

    if (cli->format == CLI_JSON) {
        return print_rows_json(cli, sync);
    }
    cells.columns = choose_columns(sync, columns, chosen, sizeof(chosen) / sizeof(chosen[0]));
    texts = calloc(cells.rows * cells.columns + 1, sizeof(*texts));
    if (texts == NULL) {
        return memory_problem(cli);
    }
    for (size_t i = 0; i < cells.columns; i++) {
        texts[i] = reg_sync_column_name(sync, chosen[i]);
        for (size_t row = 0; row < rows; row++) {
            texts[(row + 1) * cells.columns + i] = table_text(sync, (int)row, chosen[i]);
        }
    }
    cells.cells = texts;
    print_table(&cells);
    free(texts);
    return 0;
}

int print_record(struct cli *cli, const struct reg_sync *sync)
{
    if (cli->format == CLI_JSON) {
        cJSON *object = print_row_object(sync, 0);
        const int status = object != NULL ? print_json(cli, object) : memory_problem(cli);

        cJSON_Delete(object);
        return status;
    }
    for (int column = 0; column < reg_sync_column_count(sync); column++) {
        const char *text = table_text(sync, 0, column);

        (void)printf("%-24s", reg_sync_column_name(sync, column));
        text_print(stdout, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
        (void)fputc('\n', stdout);
    }
    return 0;
}

/* One value of a reply as a cell; gives a text to be freed with cJSON_free. */
static char *item_text(const cJSON *item)
{
    char *text = NULL;

    if (cJSON_IsString(item)) {
        text = cJSON_malloc(strlen(item->valuestring) + 1);
        if (text != NULL) {
            memcpy(text, item->valuestring, strlen(item->valuestring) + 1);
        }
        return text;
    }
    if (cJSON_IsBool(item)) {
        text = cJSON_malloc(4);
        if (text != NULL) {
            memcpy(text, cJSON_IsTrue(item) ? "yes" : "no", cJSON_IsTrue(item) ? 4 : 3);
        }
        return text;
    }
    return item == NULL || cJSON_IsNull(item) ? NULL : cJSON_PrintUnformatted(item);
}

int print_items(struct cli *cli, cJSON *array, const char *const *columns)
{
    const size_t rows = (size_t)cJSON_GetArraySize(array);
    struct print_cells cells = {.rows = rows + 1};
    const cJSON *item = NULL;
    char **texts = NULL;
    size_t at = 0;

    print_exact_numbers(array);
    if (cli->format == CLI_JSON) {
        return print_json(cli, array);
    }
    while (columns[cells.columns] != NULL) {
        cells.columns++;
    }
    texts = calloc((rows * cells.columns) + 1, sizeof(*texts));
    const char **shown =
        (const char **)calloc((cells.rows * cells.columns) + 1, sizeof(*cells.cells));

    if (texts == NULL || shown == NULL) {
        free((void *)texts);
        free((void *)shown);
        return memory_problem(cli);
    }
    for (size_t i = 0; i < cells.columns; i++) {
        shown[i] = columns[i];
    }
    cJSON_ArrayForEach(item, array)
    {
        for (size_t i = 0; i < cells.columns; i++, at++) {
            texts[at] = item_text(cJSON_GetObjectItemCaseSensitive(item, columns[i]));
            shown[cells.columns + at] = texts[at];
        }
    }
    cells.cells = shown;
    print_table(&cells);
    for (size_t i = 0; i < at; i++) {
        cJSON_free(texts[i]);
    }
    free((void *)texts);
    free((void *)shown);
    return 0;
}
