/* The commands that make certificates. Nothing of them needs a node or the database: the authority
 * is two files, which may be kept on a machine that is otherwise off.
 *
 *   DIR/ca.key   key and certificate that sign from now on; never leaves this folder
 *   DIR/ca.pem   what everybody trusts: that certificate, and while rotating the one before it
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/ca_files.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "wire/ca.h"

enum {
    DAY_SECONDS = 86400,
    CA_DAYS = 3650,
    LEAF_DAYS = 365,
    DAYS_MAX = 36500,
    SKEW_SECONDS = 300 /* clocks of other machines may be so much behind ours */
};

static const char default_folder[] = "./troupe-ca";

static const char *folder_of(const struct cli *cli)
{
    const char *variable = getenv("TROUPE_CA_DIR");

    if (cli_has(cli, OPTION_CA_DIR)) {
        return cli->options[OPTION_CA_DIR];
    }
    return variable != NULL && variable[0] != '\0' ? variable : default_folder;
}

static int validity_of(struct cli *cli, uint32_t days_default, struct tr_validity *validity)
{
    const int64_t now = (int64_t)time(NULL);
    uint32_t days = 0;
    const int status = cli_count(cli, OPTION_DAYS, DAYS_MAX, days_default, &days);

    *validity = (struct tr_validity){now - SKEW_SECONDS, now + (int64_t)days * DAY_SECONDS};
    return status;
}

static int made(struct cli *cli, troupe_status status)
{
    if (status == TROUPE_E_INVALID) {
        return problem_set(&cli->problem, PROBLEM_USAGE,
                           "a name is 1 to 63 of A-Z a-z 0-9 _ . -: %s",
                           cli->arguments[cli->arguments_count - 1]);
    }
    return status == TROUPE_OK ? 0 : problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
}

/* Says which files were written, and until when what is in them is valid. */
static int report(struct cli *cli, const struct ca_path *const *paths, size_t count,
                  int64_t expires)
{
    cJSON *object = NULL;
    cJSON *files = NULL;
    const time_t seconds = (time_t)expires;
    struct tm parts;
    char until[32] = "";
    int status = 0;

    (void)gmtime_r(&seconds, &parts);
    (void)strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (cli->format != CLI_JSON) {
        for (size_t index = 0; index < count; index++) {
            (void)printf("%s\n", paths[index]->text);
        }
        (void)printf("valid until %s\n", until);
        return 0;
    }
    object = cJSON_CreateObject();
    files = cJSON_AddArrayToObject(object, "files");
    for (size_t index = 0; index < count; index++) {
        (void)cJSON_AddItemToArray(files, cJSON_CreateString(paths[index]->text));
    }
    status = cJSON_AddStringToObject(object, "valid_until", until) == NULL
                 ? problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory")
                 : print_json(cli, object);
    cJSON_Delete(object);
    return status;
}

/* ---- the authority's files ---- */

struct authority {
    struct ca_path key;
    struct ca_path trusted;
    struct tr_ca *ca;
};

static int authority_paths(struct cli *cli, struct authority *authority)
{
    const int status = ca_path_make(cli, folder_of(cli), "ca.key", &authority->key);

    return status != 0 ? status : ca_path_make(cli, folder_of(cli), "ca.pem", &authority->trusted);
}

static int authority_open(struct cli *cli, struct authority *authority)
{
    struct tr_pem pem = {0};
    int status = authority_paths(cli, authority);

    if (status == 0) {
        status = ca_file_read(cli, &authority->key, &pem);
    }
    if (status != 0) {
        problem_hint(&cli->problem, "--ca-dir names the folder that `troupe ca init` has made");
        return status;
    }
    if (tr_ca_read((struct tr_slice){pem.bytes, pem.size}, &authority->ca) != TROUPE_OK) {
        status = problem_set(&cli->problem, PROBLEM_CONFIG,
                             "\"%.400s\" holds no authority that `troupe ca init` has made",
                             authority->key.text);
    }
    tr_pem_fini(&pem);
    return status;
}

/* Writes what everybody trusts before what signs: a certificate that nobody trusts yet is of no
 * use, one that is trusted and never signs does no harm. */
static int authority_write(struct cli *cli, const struct authority *authority,
                           const struct tr_pem *trusted, bool replaces)
{
    struct tr_pem key = {0};
    int status = made(cli, tr_ca_private(authority->ca, &key));

    if (status == 0) {
        status = ca_file_write(cli, &authority->trusted, trusted, replaces);
    }
    if (status == 0) {
        status = ca_file_write(cli, &authority->key, &key, replaces);
    }
    tr_pem_fini(&key);
    return status;
}

/* ---- init ---- */

static int make_folder(struct cli *cli, const char *folder)
{
    struct stat status;

    if (mkdir(folder, 0700) == 0 || (stat(folder, &status) == 0 && S_ISDIR(status.st_mode))) {
        return 0;
    }
    return problem_set(&cli->problem, PROBLEM_SYSTEM, "cannot make the folder \"%.400s\"", folder);
}

int command_ca_init(struct cli *cli)
{
    const bool force = cli_has(cli, OPTION_FORCE);
    struct authority authority = {.ca = NULL};
    const struct ca_path *const paths[] = {&authority.key, &authority.trusted};
    struct tr_validity validity;
    struct tr_pem trusted = {0};
    int status = validity_of(cli, CA_DAYS, &validity);

    if (status == 0) {
        status = authority_paths(cli, &authority);
    }
    if (status == 0 && !force) {
        status = ca_file_refuse_present(cli, &authority.key);
    }
    if (status == 0) {
        status = made(cli, tr_ca_create(cli->arguments[0], &validity, &authority.ca));
    }
    if (status == 0) {
        status = make_folder(cli, folder_of(cli));
    }
    if (status == 0) {
        status = made(cli, tr_ca_public(authority.ca, &trusted));
    }
    if (status == 0) {
        status = authority_write(cli, &authority, &trusted, force);
    }
    if (status == 0) {
        status = report(cli, paths, 2, validity.not_after);
    }
    tr_pem_fini(&trusted);
    tr_ca_destroy(authority.ca);
    return status;
}

/* ---- issue ---- */

struct issue {
    struct tr_tls_name name;
    struct ca_path certificate_path;
    struct ca_path key_path;
    struct tr_pem certificate;
    struct tr_pem key;
};

static int issue_paths(struct cli *cli, struct issue *issue)
{
    const char *folder = cli_has(cli, OPTION_OUT) ? cli->options[OPTION_OUT] : folder_of(cli);
    char file[TR_NODE_NAME_SIZE_MAX + 16];
    int status = 0;

    if (!tr_tls_name_is_valid(cli->arguments[1])) {
        return made(cli, TROUPE_E_INVALID);
    }
    if (strcmp(cli->arguments[0], "client") == 0) {
        issue->name.role = TR_TLS_CLIENT;
    } else if (strcmp(cli->arguments[0], "node") != 0) {
        return problem_set(&cli->problem, PROBLEM_USAGE,
                           "a certificate is for a node or for a client: %s", cli->arguments[0]);
    }
    (void)snprintf(issue->name.name, sizeof(issue->name.name), "%s", cli->arguments[1]);
    (void)snprintf(file, sizeof(file), "%s-%s.pem", cli->arguments[0], issue->name.name);
    status = ca_path_make(cli, folder, file, &issue->certificate_path);
    if (status == 0) {
        (void)snprintf(file, sizeof(file), "%s-%s.key", cli->arguments[0], issue->name.name);
        status = ca_path_make(cli, folder, file, &issue->key_path);
    }
    if (status == 0 && !cli_has(cli, OPTION_FORCE)) {
        status = ca_file_refuse_present(cli, &issue->certificate_path);
    }
    return status;
}

int command_ca_issue(struct cli *cli)
{
    const bool force = cli_has(cli, OPTION_FORCE);
    struct authority authority = {.ca = NULL};
    struct issue issue = {.name.role = TR_TLS_NODE};
    const struct ca_path *const paths[] = {&issue.certificate_path, &issue.key_path};
    struct tr_validity validity;
    int status = validity_of(cli, LEAF_DAYS, &validity);

    if (status == 0) {
        status = issue_paths(cli, &issue);
    }
    if (status == 0) {
        status = authority_open(cli, &authority);
    }
    if (status == 0) {
        const int64_t last = tr_ca_expires(authority.ca); /* nobody accepts it for longer */

        validity.not_after = validity.not_after < last ? validity.not_after : last;
        status = made(
            cli, tr_ca_issue(authority.ca, &issue.name, &validity, &issue.certificate, &issue.key));
    }
    if (status == 0) {
        status = ca_file_write(cli, &issue.key_path, &issue.key, force);
    }
    if (status == 0) {
        status = ca_file_write(cli, &issue.certificate_path, &issue.certificate, force);
    }
    if (status == 0) {
        status = report(cli, paths, 2, validity.not_after);
    }
    tr_pem_fini(&issue.certificate);
    tr_pem_fini(&issue.key);
    tr_ca_destroy(authority.ca);
    return status;
}

/* ---- rotate ---- */

/* Whether others than the one that signs are trusted. */
static bool is_rotating(const struct tr_pem *trusted, const struct tr_pem *own)
{
    return trusted->size != own->size || memcmp(trusted->bytes, own->bytes, own->size) != 0;
}

static troupe_status join(const struct tr_pem *first, const struct tr_pem *second,
                          struct tr_pem *both)
{
    both->bytes = malloc(first->size + second->size);
    if (both->bytes == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    memcpy(both->bytes, first->bytes, first->size);
    memcpy(both->bytes + first->size, second->bytes, second->size);
    both->size = first->size + second->size;
    return TROUPE_OK;
}

/* A new authority in the place of the old one, which stays trusted. */
static int rotate_begin(struct cli *cli, struct authority *authority, const struct tr_pem *trusted,
                        const struct tr_validity *validity)
{
    struct authority fresh = *authority;
    struct tr_pem own = {0};
    struct tr_pem both = {0};
    int status = 0;

    fresh.ca = NULL;
    status = made(cli, tr_ca_create(tr_ca_cluster(authority->ca), validity, &fresh.ca));
    if (status == 0) {
        status = made(cli, tr_ca_public(fresh.ca, &own));
    }
    if (status == 0) {
        status = made(cli, join(&own, trusted, &both));
    }
    if (status == 0) {
        status = authority_write(cli, &fresh, &both, true);
    }
    tr_pem_fini(&own);
    tr_pem_fini(&both);
    tr_ca_destroy(fresh.ca);
    return status;
}

static int rotate(struct cli *cli, struct authority *authority, struct tr_validity *validity)
{
    const bool finish = cli_has(cli, OPTION_FINISH);
    struct tr_pem trusted = {0};
    struct tr_pem own = {0};
    int status = ca_file_read(cli, &authority->trusted, &trusted);

    if (status == 0) {
        status = made(cli, tr_ca_public(authority->ca, &own));
    }
    if (status == 0 && finish) {
        validity->not_after = tr_ca_expires(authority->ca);
        status = ca_file_write(cli, &authority->trusted, &own, true);
    } else if (status == 0 && is_rotating(&trusted, &own) && !cli_has(cli, OPTION_FORCE)) {
        status =
            problem_set(&cli->problem, PROBLEM_CONFIG,
                        "\"%.400s\" has an authority from before already", authority->trusted.text);
        problem_hint(&cli->problem, "end that rotation first: troupe ca rotate --finish");
    } else if (status == 0) {
        status = rotate_begin(cli, authority, &trusted, validity);
    }
    tr_pem_fini(&trusted);
    tr_pem_fini(&own);
    return status;
}

int command_ca_rotate(struct cli *cli)
{
    struct authority authority = {.ca = NULL};
    const struct ca_path *const paths[] = {&authority.trusted, &authority.key};
    struct tr_validity validity;
    int status = validity_of(cli, CA_DAYS, &validity);

    if (status == 0) {
        status = authority_open(cli, &authority);
    }
    if (status == 0) {
        status = rotate(cli, &authority, &validity);
    }
    if (status == 0) {
        status = report(cli, paths, cli_has(cli, OPTION_FINISH) ? 1 : 2, validity.not_after);
    }
    tr_ca_destroy(authority.ca);
    return status;
}
