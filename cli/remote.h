/* cli/remote.h - a node reached over TCP, as a client: a certificate, or the cluster secret, proves
 * who we are.
 *
 * A client has no node id, holds no lease and writes no rows: it asks, and goes.
 * Threads: one. Memory: one heap object.
 */
#ifndef CLI_REMOTE_H
#define CLI_REMOTE_H

#include "cli/cli.h"
#include "troupe/status.h"

struct remote;

/* Files by which we prove who we are: a secret, a certificate with what belongs to it, or both. */
struct remote_proof {
    const char *secret; /* NULL = none */
    const char *tls_cert;
    const char *tls_key;
    const char *tls_ca;
};

/* Connects to the first node of troupe.nodes that is up and answers, of all, or (name not NULL, or
 * node_id not 0) the one that is meant. 0 or an exit status. */
int remote_open_node(struct cli *cli, const struct remote_proof *proof, const char *name,
                     uint64_t node_id, struct remote **out);
void remote_close(struct remote *remote);

/* The name of the node. */
const char *remote_name(const struct remote *remote);

/* One request of the administration protocol. Gives *reply, to be freed. */
TROUPE_MUST_USE troupe_status remote_exchange(struct remote *remote, const char *request,
                                              uint32_t timeout_ms, char **reply);

#endif
