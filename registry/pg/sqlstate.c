#include "pg/sqlstate.h"

#include <stddef.h>
#include <string.h>

struct code {
    const char *prefix; /* of two to five characters; the first match counts */
    troupe_status status;
    bool ends_connection;
};

static const struct code codes[] = {
    {"40", TROUPE_E_AGAIN, false},      /* serialization failure, deadlock */
    {"55P03", TROUPE_E_AGAIN, false},   /* lock timeout */
    {"57014", TROUPE_E_AGAIN, false},   /* statement timeout */
    {"57P", TROUPE_E_REGISTRY, true},   /* shutdown, crash, not started yet */
    {"08", TROUPE_E_REGISTRY, true},    /* connection */
    {"25006", TROUPE_E_REGISTRY, true}, /* read-only: a standby */
    {"25P03", TROUPE_E_REGISTRY, true}, /* idle in transaction too long */
    {"23505", TROUPE_E_EXISTS, false},  /* unique key */
    {"22", TROUPE_E_INVALID, false},    /* data: too long, not UTF-8, not JSON */
    {"23", TROUPE_E_INVALID, false},    /* constraints */
    {"28", TROUPE_E_AUTH, false},       /* login */
    {"42501", TROUPE_E_DENIED, false},  /* rights */
    {"3F000", TROUPE_E_SCHEMA, false},  /* no such schema */
    {"42", TROUPE_E_SCHEMA, false},     /* no such table, function, column */
    {"53", TROUPE_E_LIMIT, false},      /* memory, disk, connections */
    {"54", TROUPE_E_INVALID, false},    /* too large for the server */
};

static const struct code *find(const char *sqlstate)
{
    for (size_t index = 0; index < sizeof(codes) / sizeof(codes[0]); index++) {
        if (strncmp(sqlstate, codes[index].prefix, strlen(codes[index].prefix)) == 0) {
            return &codes[index];
        }
    }
    return NULL;
}

troupe_status reg_sqlstate_status(const char *sqlstate)
{
    const struct code *code = NULL;

    if (sqlstate == NULL || sqlstate[0] == '\0') {
        return TROUPE_E_REGISTRY;
    }
    code = find(sqlstate);
    return code == NULL ? TROUPE_E_FAILED : code->status;
}

bool reg_sqlstate_ends_connection(const char *sqlstate)
{
    const struct code *code = sqlstate == NULL || sqlstate[0] == '\0' ? NULL : find(sqlstate);

    return code != NULL && code->ends_connection;
}
