/* wire/tls_name.h - who a certificate is for: one URI among its subject alternative names.
 *
 *     troupe://bank/node/n1        node n1 of the cluster whose authority calls it bank
 *     troupe://bank/client/admin   a caller that is no node, such as the command line
 *
 * The common name is never looked at. A name is 1 to 63 of A-Z a-z 0-9 _ . - and nothing is
 * escaped, so that two names are the same when their bytes are.
 *
 * Threads: any.
 */
#ifndef TR_WIRE_TLS_NAME_H
#define TR_WIRE_TLS_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"

enum tr_tls_role { TR_TLS_NODE = 1, TR_TLS_CLIENT = 2 };

struct tr_tls_name {
    enum tr_tls_role role;
    char cluster[TR_NODE_NAME_SIZE_MAX + 1];
    char name[TR_NODE_NAME_SIZE_MAX + 1]; /* of the node, or the client's role */
};

enum { TR_TLS_URI_SIZE = 9 + 7 + 2 * (int)TR_NODE_NAME_SIZE_MAX + 2 }; /* with its NUL */

/* Whether the text can be the name of a cluster, of a node or of a client in a certificate. */
bool tr_tls_name_is_valid(const char *text);

/* Reads a URI of `size` bytes, which may hold anything. False, and *name as it was, when it is none
 * of the two above. */
bool tr_tls_name_parse(const char *uri, size_t size, struct tr_tls_name *name);

/* Writes the URI of a valid name. */
void tr_tls_name_print(const struct tr_tls_name *name, char uri[static TR_TLS_URI_SIZE]);

#endif
