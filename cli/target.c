#include "cli/target.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/dev_state.h"
#include "cli/remote.h"
#include "daemon/admin_io.h"
#include "daemon/settings.h"

/* The node bounds a request by its own deadline; we wait this much longer for its answer. */
#define ANSWER_GRACE_MS 2000

struct target {
    int socket;            /* -1 when remote */
    struct remote *remote; /* NULL when by socket */
    char words[200];       /* what it is, for errors */
};

void target_close(struct target *target)
{
    if (target == NULL) {
        return;
    }
    if (target->socket >= 0) {
        (void)close(target->socket);
    }
    remote_close(target->remote);
    free(target);
}

/* NULL when there is no memory, which cli's problem then says. */
static struct target *make(struct cli *cli)
{
    struct target *target = calloc(1, sizeof(*target));

    if (target == NULL) {
        (void)problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
        return NULL;
    }
    target->socket = -1;
    return target;
}

static int socket_problem(struct cli *cli, const char *path, troupe_status status, int error)
{
    int result = 0;

    if (error == EACCES || error == EPERM) {
        result = problem_set(&cli->problem, PROBLEM_PERMISSION,
                             "the admin socket \"%s\" may not be used", path);
        problem_hint(&cli->problem, "run this as the user of the node");
        return result;
    }
    result = problem_set(&cli->problem, PROBLEM_UNREACHABLE,
                         "no node answers at the admin socket \"%s\"", path);
    problem_detail(&cli->problem, "%s",
                   status == TROUPE_E_INVALID ? "the path has more than 107 bytes"
                                              : strerror(error));
    return result;
}

int target_open_socket(struct cli *cli, const char *path, struct target **out)
{
    struct target *target = make(cli);
    troupe_status status = TROUPE_OK;
    int result = 0;

    if (target == NULL) {
        return problem_exit_status(PROBLEM_MEMORY);
    }
    status = admin_io_connect(path, &target->socket);
    if (status != TROUPE_OK) {
        result = socket_problem(cli, path, status, errno);
        target_close(target);
        return result;
    }
    (void)snprintf(target->words, sizeof(target->words), "the node at \"%.150s\"", path);
    *out = target;
    return 0;
}

/* The first node of dev.json that answers. */
static int open_dev(struct cli *cli, struct target **out)
{
    int status = 0;

    for (int i = 0; i < cli->dev->nodes_count; i++) {
        status = target_open_socket(cli, cli->dev->nodes[i].admin_socket, out);
        if (status == 0) {
            return 0;
        }
    }
    status = problem_set(&cli->problem, PROBLEM_UNREACHABLE, "no node of \"%.200s\" answers",
                         cli->dev->dir);
    problem_hint(&cli->problem, "troupe dev up  starts those that are down");
    return status;
}

static const char *secret_file(const struct cli *cli)
{
    const char *variable = getenv("TROUPE_CLUSTER_SECRET_FILE");

    if (cli_has(cli, OPTION_SECRET_FILE)) {
        return cli->options[OPTION_SECRET_FILE];
    }
    return variable != NULL && variable[0] != '\0' ? variable : NULL;
}

/* An option, or the variable that stands for it, or NULL. */
static const char *option_or_variable(const struct cli *cli, enum option_id id,
                                      const char *variable)
{
    const char *value = cli_has(cli, id) ? cli->options[id] : getenv(variable);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* What we have to prove who we are by. A certificate, its key and the authorities come together. */
static int find_proof(struct cli *cli, struct remote_proof *proof)
{
    *proof = (struct remote_proof){
        .secret = secret_file(cli),
        .tls_cert = option_or_variable(cli, OPTION_TLS_CERT, "TROUPE_TLS_CERT"),
        .tls_key = option_or_variable(cli, OPTION_TLS_KEY, "TROUPE_TLS_KEY"),
        .tls_ca = option_or_variable(cli, OPTION_TLS_CA, "TROUPE_TLS_CA"),
    };
    if ((proof->tls_cert == NULL) != (proof->tls_key == NULL) ||
        (proof->tls_cert == NULL) != (proof->tls_ca == NULL)) {
        return problem_set(&cli->problem, PROBLEM_USAGE,
                           "--tls-cert, --tls-key and --tls-ca come together");
    }
    return 0;
}

static bool is_proof(const struct remote_proof *proof)
{
    return proof->secret != NULL || proof->tls_cert != NULL;
}

/* Whether the command line itself says that a node is to be reached over TCP. */
static bool wants_remote(const struct cli *cli)
{
    return cli_has(cli, OPTION_SECRET_FILE) || cli_has(cli, OPTION_TLS_CERT);
}

static int open_remote(struct cli *cli, const struct remote_proof *proof, const char *name,
                       uint64_t node_id, struct target **out)
{
    struct target *target = make(cli);
    int status = 0;

    if (target == NULL) {
        return problem_exit_status(PROBLEM_MEMORY);
    }
    status = remote_open_node(cli, proof, name, node_id, &target->remote);
    if (status != 0) {
        target_close(target);
        return status;
    }
    (void)snprintf(target->words, sizeof(target->words), "node %.100s",
                   remote_name(target->remote));
    *out = target;
    return 0;
}

/* Copies where trouped would have its admin socket; "" when nothing says. */
static int find_socket(struct cli *cli, char *path, size_t size)
{
    struct settings settings;
    int status = 0;

    settings_init(&settings);
    status = settings_load_one(&settings, SETTING_ADMIN_SOCKET, &cli->problem);
    (void)snprintf(path, size, "%s", settings_get(&settings, SETTING_ADMIN_SOCKET));
    settings_fini(&settings);
    return status;
}

int target_open_here(struct cli *cli, struct target **out)
{
    char path[PATH_MAX] = "";
    int status = 0;

    if (cli_has(cli, OPTION_ADMIN)) {
        return target_open_socket(cli, cli->options[OPTION_ADMIN], out);
    }
    status = find_socket(cli, path, sizeof(path));
    if (status == 0 && path[0] != '\0') {
        return target_open_socket(cli, path, out);
    }
    status = status != 0 ? status : dev_state_find(cli);
    if (status != 0) {
        return status;
    }
    if (cli->dev != NULL) {
        return open_dev(cli, out);
    }
    status = problem_set(&cli->problem, PROBLEM_NO_WAY, "nothing says where the node is");
    problem_hint(&cli->problem, "--admin PATH, or TROUPE_ADMIN_SOCKET, as the node has it");
    return status;
}

/* The socket that TROUPE_ADMIN_SOCKET names, when somebody is there. */
static bool open_variable(struct cli *cli, struct target **out)
{
    const char *path = getenv("TROUPE_ADMIN_SOCKET");

    return path != NULL && path[0] != '\0' && access(path, F_OK) == 0 &&
           target_open_socket(cli, path, out) == 0;
}

int target_open(struct cli *cli, struct target **out)
{
    struct remote_proof proof;
    int status = find_proof(cli, &proof);

    if (status != 0) {
        return status;
    }
    if (cli_has(cli, OPTION_ADMIN)) {
        return target_open_socket(cli, cli->options[OPTION_ADMIN], out);
    }
    if (wants_remote(cli)) {
        return open_remote(cli, &proof, NULL, 0, out);
    }
    if (!cli_has(cli, OPTION_DB) && open_variable(cli, out)) {
        return 0;
    }
    status = cli_has(cli, OPTION_DB) ? 0 : dev_state_find(cli);
    if (status != 0) {
        return status;
    }
    if (cli->dev != NULL && !cli_has(cli, OPTION_DB)) {
        return open_dev(cli, out);
    }
    if (is_proof(&proof)) {
        return open_remote(cli, &proof, NULL, 0, out);
    }
    status = problem_set(&cli->problem, PROBLEM_NO_WAY, "%s", problem_meaning(PROBLEM_NO_WAY));
    problem_hint(&cli->problem,
                 "--admin PATH on the host of a node, or --secret-file FILE or --tls-cert FILE to "
                 "reach one over TCP, or `troupe dev up` for a private cluster");
    return status;
}

/* ---- requests ---- */

static int answer_problem(struct cli *cli, const struct target *target, troupe_status status)
{
    int result = 0;

    if (status == TROUPE_E_TIMEOUT) {
        result =
            problem_set(&cli->problem, PROBLEM_TIMEOUT, "%s did not answer in time", target->words);
    } else if (status == TROUPE_E_LIMIT) {
        result = problem_set(&cli->problem, PROBLEM_REFUSED, "the request or reply is too long");
    } else {
        result = problem_set(&cli->problem, PROBLEM_UNREACHABLE, "%s broke the connection",
                             target->words);
    }
    problem_detail(&cli->problem, "%s", troupe_status_text(status));
    return result;
}

/* Gives *text, to be freed. */
static troupe_status exchange(struct cli *cli, struct target *target, const char *request,
                              char **text)
{
    const int wait_ms = (int)cli->timeout_ms + ANSWER_GRACE_MS;
    troupe_status status = TROUPE_OK;

    if (target->remote != NULL) {
        return remote_exchange(target->remote, request, (uint32_t)wait_ms, text);
    }
    status = admin_io_write(target->socket, request, wait_ms);
    /* A server that refuses us closes after it said why; so we read even when writing failed. */
    if (status != TROUPE_OK && status != TROUPE_E_CLOSED) {
        return status;
    }
    return admin_io_read(target->socket, wait_ms, wait_ms, text);
}

int target_request(struct cli *cli, struct target *target, const struct cJSON *request,
                   struct cJSON **reply)
{
    char *sent = cJSON_PrintUnformatted(request);
    char *text = NULL;
    cJSON *parsed = NULL;
    troupe_status status = TROUPE_OK;

    if (sent == NULL) {
        return problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    }
    status = exchange(cli, target, sent, &text);
    cJSON_free(sent);
    if (status != TROUPE_OK) {
        return answer_problem(cli, target, status);
    }
    parsed = cJSON_Parse(text);
    free(text);
    if (!cJSON_IsObject(parsed)) {
        cJSON_Delete(parsed);
        return problem_set(&cli->problem, PROBLEM_ADMIN, "%s answered something else than JSON",
                           target->words);
    }
    *reply = parsed;
    return 0;
}

static const char *field(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

    return text != NULL ? text : "";
}

/* What was not found: the words before the name tell. */
static enum problem_code not_found_code(const cJSON *reply)
{
    static const struct {
        const char *word;
        enum problem_code code;
    } words[] = {{"behavior", PROBLEM_NO_BEHAVIOR},
                 {"type", PROBLEM_NO_TYPE},
                 {"node", PROBLEM_NO_NODE},
                 {"actor", PROBLEM_NO_ACTOR},
                 {"name", PROBLEM_NO_NAME}};
    const char *error = field(reply, "error");
    const size_t head = strcspn(error, ":\""); /* what follows is a name that somebody chose */

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const char *found = strstr(error, words[i].word);

        if (found != NULL && found < error + head) {
            return words[i].code;
        }
    }
    return PROBLEM_NO_NAME;
}

static enum problem_code reply_code(const cJSON *reply)
{
    static const struct {
        const char *status;
        enum problem_code code;
    } codes[] = {
        {"TROUPE_E_TYPE", PROBLEM_BAD_JSON},
        {"TROUPE_E_NOPROC", PROBLEM_NO_ACTOR},
        {"TROUPE_E_TIMEOUT", PROBLEM_TIMEOUT},
        {"TROUPE_E_EXISTS", PROBLEM_NAME_HELD},
        {"TROUPE_E_EXITED", PROBLEM_FAILED},
        {"TROUPE_E_FAILED", PROBLEM_FAILED},
        {"TROUPE_E_NO_REPLY", PROBLEM_FAILED},
        {"TROUPE_E_BUSY", PROBLEM_BUSY},
        {"TROUPE_E_NOCONNECTION", PROBLEM_UNREACHABLE},
        {"TROUPE_E_REGISTRY", PROBLEM_NO_POSTGRES},
        {"TROUPE_E_DENIED", PROBLEM_PERMISSION},
        {"TROUPE_E_FENCED", PROBLEM_FENCED},
        {"TROUPE_E_AUTH", PROBLEM_AUTH},
    };
    const char *status = field(reply, "status");

    if (strcmp(status, "TROUPE_E_NOT_FOUND") == 0) {
        return not_found_code(reply);
    }
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(status, codes[i].status) == 0) {
            return codes[i].code;
        }
    }
    return PROBLEM_REFUSED;
}

static const char *default_hint(enum problem_code code)
{
    switch ((int)code) {
    case PROBLEM_NO_NAME:
        return "troupe name list  shows the names there are";
    case PROBLEM_NO_BEHAVIOR:
    case PROBLEM_NO_TYPE:
        return "is the module that defines it loaded on that node?";
    case PROBLEM_NO_NODE:
        return "troupe node list  shows the nodes there are";
    case PROBLEM_TIMEOUT:
        return "--timeout gives it longer";
    default:
        return "";
    }
}

int target_ask(struct cli *cli, struct target *target, const struct cJSON *request,
               struct cJSON **reply)
{
    cJSON *answer = NULL;
    int status = target_request(cli, target, request, &answer);

    if (status != 0) {
        return status;
    }
    if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "ok"))) {
        const enum problem_code code = reply_code(answer);
        const char *hint = field(answer, "hint");

        status = problem_set(&cli->problem, code, "%s",
                             field(answer, "error")[0] != '\0' ? field(answer, "error")
                                                               : problem_meaning(code));
        problem_detail(&cli->problem, "%s", field(answer, "detail"));
        problem_hint(&cli->problem, "%s", hint[0] != '\0' ? hint : default_hint(code));
        cJSON_Delete(answer);
        return status;
    }
    *reply = answer;
    return 0;
}

cJSON *target_begin(const struct cli *cli, const char *op)
{
    cJSON *request = cJSON_CreateObject();

    if (cJSON_AddStringToObject(request, "op", op) == NULL ||
        cJSON_AddNumberToObject(request, "timeout_ms", cli->timeout_ms) == NULL) {
        cJSON_Delete(request);
        return NULL;
    }
    return request;
}

int target_exchange(struct cli *cli, cJSON *request, cJSON **reply)
{
    struct target *target = NULL;
    int status = request != NULL ? target_open(cli, &target)
                                 : problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");

    if (status == 0 && target != NULL) {
        status = target_ask(cli, target, request, reply);
    }
    target_close(target);
    cJSON_Delete(request);
    return status;
}

/* Whether the node at the target is the one that is looked for. */
static bool is_node(struct cli *cli, struct target *target, const char *name, uint64_t node_id)
{
    cJSON *request = target_begin(cli, "ping");
    cJSON *reply = NULL;
    char id[24];
    const bool answered = request != NULL && target_ask(cli, target, request, &reply) == 0;
    (void)snprintf(id, sizeof(id), "%llu", (unsigned long long)node_id);
    const bool is = answered && (name != NULL ? strcmp(field(reply, "name"), name) == 0
                                              : strcmp(field(reply, "node_id"), id) == 0);

    cJSON_Delete(reply);
    cJSON_Delete(request);
    return is;
}

/* A node of dev.json. Its id may have changed since, so each is asked. */
static int open_dev_node(struct cli *cli, const char *name, uint64_t node_id, struct target **out)
{
    struct target *target = NULL;
    int status = 0;

    for (int i = 0; i < cli->dev->nodes_count; i++) {
        if (name != NULL && strcmp(cli->dev->nodes[i].name, name) != 0) {
            continue;
        }
        if (target_open_socket(cli, cli->dev->nodes[i].admin_socket, &target) == 0 &&
            is_node(cli, target, name, node_id)) {
            cli->problem.code = PROBLEM_NONE;
            *out = target;
            return 0;
        }
        target_close(target);
        target = NULL;
    }
    status = name != NULL
                 ? problem_set(&cli->problem, PROBLEM_NO_NODE,
                               "node \"%.100s\" does not run here, or does not answer", name)
                 : problem_set(&cli->problem, PROBLEM_NO_NODE,
                               "no node that answers has the id %llu", (unsigned long long)node_id);
    problem_detail(&cli->problem, "%s", "");
    problem_hint(&cli->problem, "troupe node list  shows the nodes there are");
    return status;
}

int target_open_node(struct cli *cli, const char *name, uint64_t node_id, struct target **out)
{
    struct remote_proof proof;
    int status = find_proof(cli, &proof);

    if (status != 0) {
        return status;
    }
    if (cli_has(cli, OPTION_ADMIN) || (name == NULL && node_id == 0)) {
        return target_open(cli, out);
    }
    status = cli_has(cli, OPTION_DB) || wants_remote(cli) ? 0 : dev_state_find(cli);
    if (status != 0) {
        return status;
    }
    if (cli->dev != NULL && !cli_has(cli, OPTION_DB) && !wants_remote(cli)) {
        return open_dev_node(cli, name, node_id, out);
    }
    if (!is_proof(&proof)) {
        return target_open(cli, out); /* It says what is missing. */
    }
    return open_remote(cli, &proof, name, node_id, out);
}
