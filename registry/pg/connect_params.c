#include "pg/connect_params.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <libpq-fe.h>

#include "pg/hosts.h"

struct fallback {
    const char *keyword;
    const char *value;
};

/* Used when neither the conninfo nor the environment says otherwise. A server that is gone without
 * a word is noticed after ten seconds on an idle connection; the lease notices it sooner. */
static const struct fallback fallbacks[] = {
    {"target_session_attrs", "read-write"},
    {"connect_timeout", "3"},
    {"keepalives_idle", "5"},
    {"keepalives_interval", "2"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "10000"},
};

enum { FALLBACK_COUNT = sizeof(fallbacks) / sizeof(fallbacks[0]), PARAM_MAX = FALLBACK_COUNT + 7 };

/* True when the environment or a service file sets the keyword: its value differs from the one that
 * is compiled in. */
static bool is_set(const PQconninfoOption *defaults, const char *keyword)
{
    for (const PQconninfoOption *option = defaults; option->keyword != NULL; option++) {
        if (strcmp(option->keyword, keyword) == 0) {
            return option->val != NULL &&
                   (option->compiled == NULL || strcmp(option->val, option->compiled) != 0);
        }
    }
    return true; /* a keyword that this libpq does not know must not be given */
}

/* What overrides the conninfo; answers the new count. */
static size_t add_overrides(const char **keywords, const char **values, size_t count,
                            const char *application_name, const struct reg_host_lists *lists)
{
    if (application_name != NULL) {
        keywords[count] = "application_name";
        values[count++] = application_name;
    }
    if (lists != NULL && lists->host != NULL) {
        keywords[count] = "host";
        values[count++] = lists->host;
        keywords[count] = "hostaddr";
        values[count++] = lists->hostaddr;
        keywords[count] = "port";
        values[count++] = lists->port;
    }
    keywords[count] = "client_encoding";
    values[count++] = "UTF8";
    return count;
}

struct pg_conn *reg_connect_start(const char *conninfo, const char *application_name,
                                  const struct reg_host_lists *lists)
{
    PQconninfoOption *defaults = PQconndefaults();
    const char *keywords[PARAM_MAX] = {0};
    const char *values[PARAM_MAX] = {0};
    size_t count = 0;
    PGconn *pg = NULL;

    if (defaults == NULL) {
        return NULL;
    }
    /* Earlier entries are overridden by what the conninfo in dbname says, later ones override it.
     */
    for (size_t index = 0; index < FALLBACK_COUNT; index++) {
        if (!is_set(defaults, fallbacks[index].keyword)) {
            keywords[count] = fallbacks[index].keyword;
            values[count++] = fallbacks[index].value;
        }
    }
    PQconninfoFree(defaults);
    keywords[count] = "dbname";
    values[count++] = conninfo;
    (void)add_overrides(keywords, values, count, application_name, lists);
    pg = PQconnectStartParams(keywords, values, 1);
    return pg;
}

troupe_status reg_connect_check(const char *conninfo, char *error, size_t error_size)
{
    char *words = NULL;
    PQconninfoOption *options = NULL;

    /* A name without "=" is a database's name, as for every client of libpq. */
    if (strchr(conninfo, '=') == NULL && strstr(conninfo, "://") == NULL) {
        return TROUPE_OK;
    }
    options = PQconninfoParse(conninfo, &words);
    if (options == NULL) {
        (void)snprintf(error, error_size, "%s", words == NULL ? "out of memory" : words);
        PQfreemem(words);
        return TROUPE_E_INVALID;
    }
    PQconninfoFree(options);
    return TROUPE_OK;
}
