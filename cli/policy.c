/* policy list, set and unset: what nodes let others do, by the role that they proved. */
#include <stdbool.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/database.h"
#include "cli/print.h"

enum { RIGHTS_COUNT = 3, ROLES_COUNT = 2 };

static const char *const rights[RIGHTS_COUNT] = {"may_spawn", "may_exit", "may_register"};
static const char *const roles[ROLES_COUNT] = {"client", "node"};
static const char *const columns[] = {"role", "may_spawn", "may_exit", "may_register", NULL};

static int find(const char *const *words, int count, const char *word, size_t size)
{
    for (int i = 0; i < count; i++) {
        if (strlen(words[i]) == size && memcmp(words[i], word, size) == 0) {
            return i;
        }
    }
    return -1;
}

/* The words of the table, which says yes and no, and those of JSON and SQL. */
static bool is_boolean(const char *word)
{
    return strcmp(word, "true") == 0 || strcmp(word, "false") == 0 || strcmp(word, "yes") == 0 ||
           strcmp(word, "no") == 0;
}

static int check_role(struct cli *cli)
{
    const char *role = cli->arguments[0];
    int status = 0;

    if (find(roles, ROLES_COUNT, role, strlen(role)) < 0) {
        status = problem_set(&cli->problem, PROBLEM_USAGE, "no such role: \"%.60s\"", role);
        problem_hint(&cli->problem, "it is client, who is let in from outside, or node, for other "
                                    "nodes; the roles of `trouped` give no rights");
    }
    return status;
}

/* Which right the first size bytes of word name; below 0: none, and cli has the problem. */
static int find_right(struct cli *cli, const char *word, size_t size)
{
    const int right = find(rights, RIGHTS_COUNT, word, size);

    if (right < 0) {
        (void)problem_set(&cli->problem, PROBLEM_USAGE, "no such right: \"%.*s\"",
                          (int)(size < 60 ? size : 60), word);
        problem_hint(&cli->problem, "there are may_spawn, may_exit and may_register");
    }
    return right;
}

/* Takes "may_spawn=false" into values, of which each right may be given once. */
static int take_setting(struct cli *cli, const char *word, const char **values)
{
    const size_t size = strcspn(word, "=");
    const char *value = word[size] == '=' ? word + size + 1 : "";
    const int right = find_right(cli, word, size);

    if (right < 0) {
        return problem_exit_status(cli->problem.code);
    }
    if (!is_boolean(value)) {
        return problem_set(&cli->problem, PROBLEM_USAGE,
                           "%s is true (yes) or false (no), as in %s=false: %s", rights[right],
                           rights[right], word);
    }
    if (values[right] != NULL) {
        return problem_set(&cli->problem, PROBLEM_USAGE, "%s is given twice", rights[right]);
    }
    values[right] = value;
    return 0;
}

/* A role without a row may do nothing: so do nodes take it (registry/pg/events.c). */
static int list_policies(struct cli *cli, struct reg_sync *sync)
{
    return database_query(
        cli, sync,
        "SELECT r.role, coalesce(p.may_spawn, false) AS may_spawn, coalesce(p.may_exit, false) AS "
        "may_exit, coalesce(p.may_register, false) AS may_register FROM (VALUES ('client'), "
        "('node')) r(role) LEFT JOIN troupe.policies p ON p.role = r.role ORDER BY r.role",
        0, NULL);
}

int command_policy_list(struct cli *cli)
{
    struct reg_sync *sync = NULL;
    int status = database_open(cli, &sync);

    if (status == 0) {
        status = list_policies(cli, sync);
    }
    if (status == 0) {
        status = print_rows(cli, sync, columns);
    }
    reg_sync_close(sync);
    return status;
}

/* Writes the rights that have a value and leaves the others as they are, then shows the role. */
static int write_policy(struct cli *cli, const char *const *values)
{
    const char *parameters[] = {cli->arguments[0], values[0], values[1], values[2]};
    struct reg_sync *sync = NULL;
    int status = database_open(cli, &sync);

    if (status != 0) {
        return status;
    }
    status = database_query(
        cli, sync,
        "INSERT INTO troupe.policy AS p (role, may_spawn, may_exit, may_register) VALUES ($1, "
        "coalesce($2::boolean, false), coalesce($3::boolean, false), coalesce($4::boolean, false)) "
        "ON CONFLICT (role) DO UPDATE SET may_spawn = coalesce($2::boolean, p.may_spawn), may_exit "
        "= coalesce($3::boolean, p.may_exit), may_register = coalesce($4::boolean, p.may_register) "
        "RETURNING p.role, p.may_spawn, p.may_exit, p.may_register",
        4, parameters);
    if (status == 0) {
        status = cli->format == CLI_JSON ? print_record(cli, sync) : print_rows(cli, sync, columns);
    } else if (cli->problem.code == PROBLEM_PERMISSION) {
        problem_hint(&cli->problem, "connect as a superuser, or as a member of troupe_owner");
    }
    reg_sync_close(sync);
    return status;
}

int command_policy_set(struct cli *cli)
{
    const char *values[RIGHTS_COUNT] = {NULL};
    int status = check_role(cli);

    for (int i = 1; status == 0 && i < cli->arguments_count; i++) {
        status = take_setting(cli, cli->arguments[i], values);
    }
    return status == 0 ? write_policy(cli, values) : status;
}

/* What nobody has changed is true (migration 0010). */
int command_policy_unset(struct cli *cli)
{
    const char *values[RIGHTS_COUNT] = {NULL};
    int status = check_role(cli);

    for (int i = 1; status == 0 && i < cli->arguments_count; i++) {
        const int right = find_right(cli, cli->arguments[i], strlen(cli->arguments[i]));

        status = right < 0 ? problem_exit_status(cli->problem.code) : 0;
        values[right < 0 ? 0 : right] = "true";
    }
    for (int right = 0; cli->arguments_count == 1 && right < RIGHTS_COUNT; right++) {
        values[right] = "true";
    }
    return status == 0 ? write_policy(cli, values) : status;
}
