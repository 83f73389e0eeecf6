/* db migrate and db status. */
#include <cjson/cJSON.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/database.h"
#include "cli/print.h"
#include "pg/migrate.h"

#define MIGRATE_MS 120000u /* one migration may wait for locks of a busy cluster */

static void on_file(void *context, const char *name)
{
    const struct cli *cli = context;

    if (cli->format == CLI_TABLE) {
        (void)fprintf(stderr, "troupe: %s\n", name);
    }
}

static int migrate_problem(struct cli *cli, const struct reg_migrate_report *report,
                           troupe_status status)
{
    enum problem_code code = PROBLEM_SQL;
    int result = 0;

    if (status == TROUPE_E_SCHEMA) {
        code = PROBLEM_SCHEMA_NEW;
    } else if (status == TROUPE_E_DENIED) {
        code = PROBLEM_PERMISSION;
    } else if (status == TROUPE_E_TIMEOUT) {
        code = PROBLEM_TIMEOUT;
    } else if (status == TROUPE_E_REGISTRY || status == TROUPE_E_CLOSED ||
               status == TROUPE_E_UNKNOWN) {
        code = PROBLEM_NO_POSTGRES;
    }
    if (code == PROBLEM_SCHEMA_NEW && report->version <= report->latest) {
        result = problem_set(&cli->problem, code, "a migration has changed since it was applied");
    } else {
        result = problem_set(&cli->problem, code, "%s", problem_meaning(code));
    }
    problem_detail(&cli->problem, "%s", report->error);
    if (code == PROBLEM_PERMISSION) {
        problem_hint(&cli->problem, "migrate as a superuser, or as a member of troupe_migrate");
    } else if (code == PROBLEM_SCHEMA_NEW) {
        problem_hint(&cli->problem, "use the version of Troupe that migrated this database");
    }
    return result;
}

static int print_report(struct cli *cli, const struct reg_migrate_report *report)
{
    cJSON *object = NULL;
    int status = 0;

    if (cli->format == CLI_TABLE) {
        (void)printf("schema troupe: migration %d of %d, %d applied now\n", report->version,
                     report->latest, report->applied);
        return 0;
    }
    object = cJSON_CreateObject();
    (void)cJSON_AddNumberToObject(object, "version", report->version);
    (void)cJSON_AddNumberToObject(object, "latest", report->latest);
    (void)cJSON_AddNumberToObject(object, "applied", report->applied);
    status = print_json(cli, object);
    cJSON_Delete(object);
    return status;
}

int command_db_migrate(struct cli *cli)
{
    struct reg_migrate_report report = {.on_file = on_file, .context = cli};
    struct reg_sync *sync = NULL;
    troupe_status result = TROUPE_OK;
    int status = database_connect(cli, &sync);

    if (status != 0) {
        return status;
    }
    result = reg_migrate_apply(sync, &reg_migrations_builtin, MIGRATE_MS, &report);
    status =
        result == TROUPE_OK ? print_report(cli, &report) : migrate_problem(cli, &report, result);
    reg_sync_close(sync);
    return status;
}

int command_db_status(struct cli *cli)
{
    static const char *const columns[] = {"id", "name", "applied_at", "applied_by", NULL};
    struct reg_sync *sync = NULL;
    int status = database_open(cli, &sync);

    if (status != 0) {
        return status;
    }
    status =
        database_query(cli, sync, "SELECT m.* FROM troupe.migrations m ORDER BY m.id", 0, NULL);
    if (status == 0) {
        status = print_rows(cli, sync, columns);
    }
    reg_sync_close(sync);
    return status;
}
