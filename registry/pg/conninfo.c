#include "pg/conninfo.h"

#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

struct reg_conninfo {
    char *text;
    char *printable;
    bool has_secret;
};

/* libpq marks what must not be shown with a `*`, but not the files and phrases around keys. */
static bool is_secret(const PQconninfoOption *option)
{
    return option->dispchar[0] == '*' || strcmp(option->keyword, "sslpassword") == 0 ||
           strcmp(option->keyword, "passfile") == 0;
}

static bool needs_quotes(const char *value)
{
    return value[0] == '\0' || strpbrk(value, " '\\\t\r\n") != NULL;
}

/* Writes keyword=value, quoted as libpq reads it; answers where it ended. */
static char *print_option(char *end, const PQconninfoOption *option)
{
    const bool quoted = needs_quotes(option->val);

    end = stpcpy(end, option->keyword);
    *end++ = '=';
    if (quoted) {
        *end++ = '\'';
    }
    for (const char *from = option->val; *from != '\0'; from++) {
        if (*from == '\'' || *from == '\\') {
            *end++ = '\\';
        }
        *end++ = *from;
    }
    if (quoted) {
        *end++ = '\'';
    }
    return end;
}

static troupe_status print_options(const PQconninfoOption *options, struct reg_conninfo *conninfo)
{
    size_t size = 1;
    char *end = NULL;

    for (const PQconninfoOption *option = options; option->keyword != NULL; option++) {
        if (option->val != NULL) {
            /* Every character escaped, "=", two quotes and the space before it. */
            size += strlen(option->keyword) + 2 * strlen(option->val) + 4;
        }
    }
    conninfo->printable = malloc(size);
    if (conninfo->printable == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    end = conninfo->printable;
    for (const PQconninfoOption *option = options; option->keyword != NULL; option++) {
        if (option->val == NULL) {
            continue;
        }
        if (is_secret(option)) {
            conninfo->has_secret = conninfo->has_secret || strcmp(option->keyword, "passfile") != 0;
            continue;
        }
        if (end != conninfo->printable) {
            *end++ = ' ';
        }
        end = print_option(end, option);
    }
    *end = '\0';
    return TROUPE_OK;
}

static void wipe_options(PQconninfoOption *options)
{
    for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++) {
        if (option->val != NULL && is_secret(option)) {
            explicit_bzero(option->val, strlen(option->val));
        }
    }
    PQconninfoFree(options);
}

/* A word without "=" is the name of a database, as for every client of libpq. */
static troupe_status print_database(const char *name, struct reg_conninfo *conninfo)
{
    char keyword[] = "dbname";
    char none[] = "";
    char *value = strdup(name);
    troupe_status status = TROUPE_E_NO_MEMORY;

    if (value != NULL) {
        const PQconninfoOption options[] = {
            {.keyword = keyword, .val = value, .dispchar = none},
            {0},
        };

        status = print_options(options, conninfo);
        free(value);
    }
    return status;
}

static troupe_status print_text(const char *text, struct reg_conninfo *conninfo)
{
    PQconninfoOption *options = NULL;
    char *words = NULL;
    troupe_status status = TROUPE_OK;

    if (text[0] != '\0' && strchr(text, '=') == NULL && strstr(text, "://") == NULL) {
        if (strpbrk(text, " '\"\\\t\r\n") != NULL) {
            return TROUPE_E_INVALID;
        }
        return print_database(text, conninfo);
    }
    options = PQconninfoParse(text, &words);
    if (options == NULL) {
        /* The words repeat pieces of the text, so nobody sees them. */
        status = words == NULL ? TROUPE_E_NO_MEMORY : TROUPE_E_INVALID;
        PQfreemem(words);
        return status;
    }
    status = print_options(options, conninfo);
    wipe_options(options);
    return status;
}

troupe_status reg_conninfo_create(const char *text, struct reg_conninfo **out)
{
    struct reg_conninfo *conninfo = calloc(1, sizeof(*conninfo));
    troupe_status status = TROUPE_E_NO_MEMORY;

    if (conninfo == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    conninfo->text = strdup(text == NULL ? "" : text);
    if (conninfo->text != NULL) {
        status = print_text(conninfo->text, conninfo);
    }
    if (status != TROUPE_OK) {
        reg_conninfo_destroy(conninfo);
        return status;
    }
    *out = conninfo;
    return TROUPE_OK;
}

void reg_conninfo_destroy(struct reg_conninfo *conninfo)
{
    if (conninfo == NULL) {
        return;
    }
    if (conninfo->text != NULL) {
        explicit_bzero(conninfo->text, strlen(conninfo->text));
    }
    free(conninfo->text);
    free(conninfo->printable);
    free(conninfo);
}

const char *reg_conninfo_text(const struct reg_conninfo *conninfo)
{
    return conninfo->text;
}

const char *reg_conninfo_printable(const struct reg_conninfo *conninfo)
{
    return conninfo->printable;
}

bool reg_conninfo_has_secret(const struct reg_conninfo *conninfo)
{
    return conninfo->has_secret;
}

void reg_conninfo_wipe(char *conninfo)
{
    if (conninfo != NULL) {
        explicit_bzero(conninfo, strlen(conninfo));
    }
    free(conninfo);
}
