#include "cli/remote.h"

#include <stdlib.h>
#include <string.h>

#include "base/host.h"
#include "cli/database.h"
#include "daemon/secret.h"
#include "daemon/units.h"
#include "dist/client.h"
#include "wire/tls_context.h"

#define PING "{\"op\":\"ping\"}"
#define CONNECT_MS 3000u /* for each node that is tried */

struct remote {
    struct secret secret;
    struct tr_tls_context *tls; /* owned; NULL = none */
    char why[200];              /* TLS was refused */
    char name[80];
    char host[256];
    uint16_t port;
};

const char *remote_name(const struct remote *remote)
{
    return remote->name;
}

void remote_close(struct remote *remote)
{
    if (remote == NULL) {
        return;
    }
    secret_wipe(&remote->secret);
    tr_tls_context_destroy(remote->tls);
    free(remote);
}

troupe_status remote_exchange(struct remote *remote, const char *request, uint32_t timeout_ms,
                              char **reply)
{
    const struct tr_client_config config = {.host = remote->host,
                                            .port = remote->port,
                                            .secret = remote->secret.bytes,
                                            .secret_size = remote->secret.size,
                                            .tls = remote->tls,
                                            .node_name = remote->name,
                                            .why = remote->why,
                                            .why_size = sizeof(remote->why),
                                            .timeout_ms = timeout_ms};
    uint8_t *response = NULL;
    size_t size = 0;
    const troupe_status status =
        tr_client_call(&config, (const uint8_t *)request, strlen(request), &response, &size);

    if (status != TROUPE_OK) {
        return status;
    }
    if (strlen((const char *)response) != size) {
        free(response);
        return TROUPE_E_PROTOCOL;
    }
    *reply = (char *)response;
    return TROUPE_OK;
}

static int refused(struct cli *cli, const struct remote *remote)
{
    char address[sizeof(remote->host) + 16];
    int status = 0;

    tr_address_print(remote->host, remote->port, address, sizeof(address));
    if (remote->why[0] != '\0') {
        status = problem_set(&cli->problem, PROBLEM_AUTH, "no TLS with node %s at %s", remote->name,
                             address);
        problem_detail(&cli->problem, "%s", remote->why);
        return status;
    }
    status = problem_set(&cli->problem, PROBLEM_AUTH,
                         "node %s at %s does not accept our cluster secret", remote->name, address);

    problem_hint(&cli->problem, "--secret-file names the file that the nodes were started with");
    return status;
}

/* Asks node after node until one answers. */
static int try_nodes(struct cli *cli, const struct reg_sync *sync, struct remote *remote,
                     const char *nobody)
{
    const struct reg_result *rows = reg_sync_result(sync);
    const int count = reg_result_count(rows);
    char tried[400] = "";
    int status = 0;

    for (int row = 0; row < count; row++) {
        const char *name = reg_result_text(rows, row, 0);
        const char *address = reg_result_text(rows, row, 1);
        const size_t used = strlen(tried);
        char *reply = NULL;
        troupe_status result = TROUPE_E_INVALID;

        if (name == NULL || address == NULL ||
            !unit_address(address, remote->host, sizeof(remote->host), &remote->port)) {
            continue;
        }
        (void)snprintf(remote->name, sizeof(remote->name), "%s", name);
        result = remote_exchange(
            remote, PING, cli->timeout_ms < CONNECT_MS ? cli->timeout_ms : CONNECT_MS, &reply);
        free(reply);
        if (result == TROUPE_OK) {
            return 0;
        }
        if (result == TROUPE_E_AUTH) {
            return refused(cli, remote);
        }
        (void)snprintf(tried + used, sizeof(tried) - used, "%s%.60s at %.80s: %s%s%s",
                       used > 0 ? "\n" : "", name, address, troupe_status_text(result),
                       remote->why[0] != '\0' ? ": " : "", remote->why);
    }
    status = count == 0
                 ? problem_set(&cli->problem, PROBLEM_NO_NODE, "%s", nobody)
                 : problem_set(&cli->problem, PROBLEM_UNREACHABLE, "no node answers over TCP");
    problem_detail(&cli->problem, "%s", tried);
    return status;
}

static int choose_node(struct cli *cli, const char *name, uint64_t node_id, struct remote *remote)
{
    char id[24];
    const char *values[] = {name, node_id == 0 ? NULL : id};
    struct reg_sync *sync = NULL;
    int status = database_open(cli, &sync);

    if (status != 0) {
        return status;
    }
    (void)snprintf(id, sizeof(id), "%llu", (unsigned long long)node_id);
    status = database_query(cli, sync,
                            "SELECT n.name, n.address FROM troupe.nodes n WHERE n.state = 'up' "
                            "AND ($1::text IS NULL OR n.name = $1) "
                            "AND ($2::bigint IS NULL OR n.node_id = $2::bigint) "
                            "ORDER BY n.lease_left_seconds DESC NULLS LAST LIMIT 20",
                            2, values);
    if (status == 0) {
        status = try_nodes(cli, sync, remote,
                           name == NULL && node_id == 0 ? "no node of this cluster is up"
                                                        : "this node is not up");
    }
    reg_sync_close(sync);
    return status;
}

static int read_proof(struct cli *cli, const struct remote_proof *proof, struct remote *remote)
{
    const struct tr_tls_files files = {proof->tls_cert, proof->tls_key, proof->tls_ca};
    char error[400] = "";
    int status =
        proof->secret == NULL ? 0 : secret_read(proof->secret, &remote->secret, &cli->problem);

    if (status != 0 || proof->tls_cert == NULL) {
        return status;
    }
    if (tr_tls_context_load(&files, &remote->tls, error, sizeof(error)) == TROUPE_OK) {
        if (tr_tls_context_name(remote->tls)->role == TR_TLS_CLIENT) {
            return 0;
        }
        (void)snprintf(error, sizeof(error), "%.300s: it is the certificate of a node",
                       proof->tls_cert);
    }
    status = problem_set(&cli->problem, PROBLEM_CONFIG, "the TLS certificate cannot be used");
    problem_detail(&cli->problem, "%s", error);
    problem_hint(&cli->problem, "troupe ca issue client NAME  makes one");
    return status;
}

int remote_open_node(struct cli *cli, const struct remote_proof *proof, const char *name,
                     uint64_t node_id, struct remote **out)
{
    struct remote *remote = calloc(1, sizeof(*remote));
    int status = 0;

    if (remote == NULL) {
        return problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    }
    status = read_proof(cli, proof, remote);
    if (status == 0) {
        status = choose_node(cli, name, node_id, remote);
    }
    if (status != 0) {
        remote_close(remote);
        return status;
    }
    *out = remote;
    return 0;
}
