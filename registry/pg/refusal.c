#include "pg/refusal.h"

#include <stdio.h>
#include <string.h>

#include <libpq-fe.h>

#include "pg/result.h"

enum { CODE_SIZE = 5 };

void reg_refusal_watch(struct pg_conn *pg, bool on)
{
    (void)PQsetErrorVerbosity(pg, on ? PQERRORS_VERBOSE : PQERRORS_DEFAULT);
}

/* Verbose words are "FATAL:  28P01: words", where the first part is in the server's language. */
static bool is_code(const char *at)
{
    return strspn(at, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == CODE_SIZE &&
           strncmp(at + CODE_SIZE, ": ", 2) == 0;
}

/* The code of the last server that was tried; NULL when none answered. */
static const char *find_code(const char *words)
{
    const char *found = NULL;

    for (const char *at = strstr(words, ":  "); at != NULL; at = strstr(at + 1, ":  ")) {
        if (is_code(at + 3)) {
            found = at + 3;
        }
    }
    return found;
}

void reg_refusal_parse(const char *words, struct reg_refusal *out)
{
    const char *code = find_code(words);
    const char *place = NULL;
    char raw[2 * REG_REFUSAL_TEXT_SIZE];

    *out = (struct reg_refusal){.sqlstate = ""};
    if (code == NULL) {
        reg_line_copy(out->text, sizeof(out->text), words);
        return;
    }
    memcpy(out->sqlstate, code, CODE_SIZE);
    place = strstr(code, "\nLOCATION:");
    (void)snprintf(raw, sizeof(raw), "%.*s%.*s", (int)(code - words), words,
                   place == NULL ? (int)strlen(code + CODE_SIZE + 2)
                                 : (int)(place - code) - CODE_SIZE - 2,
                   code + CODE_SIZE + 2);
    reg_line_copy(out->text, sizeof(out->text), raw);
}

void reg_refusal_read(const struct pg_conn *pg, struct reg_refusal *out)
{
    reg_refusal_parse(PQerrorMessage(pg), out);
    if (out->sqlstate[0] == '\0' && PQconnectionNeedsPassword(pg) != 0) {
        memcpy(out->sqlstate, "28P01", sizeof("28P01"));
    }
}

troupe_status reg_refusal_status(const char *sqlstate)
{
    if (strncmp(sqlstate, "28", 2) == 0 || strcmp(sqlstate, "42501") == 0) {
        return TROUPE_E_AUTH;
    }
    return strcmp(sqlstate, "3D000") == 0 ? TROUPE_E_NOT_FOUND : TROUPE_E_REGISTRY;
}
