/* daemon/secret_reload.h - what SIGHUP does about the cluster secret and the one accepted beside
 * it.
 *
 * Threads: one.
 */
#ifndef DAEMON_SECRET_RELOAD_H
#define DAEMON_SECRET_RELOAD_H

#include <stdbool.h>

#include "daemon/log.h"
#include "daemon/settings.h"
#include "troupe/node.h"

/* Reads both files again, from wherever the settings say now, gives them to the node and logs how
 * that went: if one is wrong, both stay as they were. has_secret: whether the node was started with
 * one; no-op if it was not and is told of none. */
void secret_reload(troupe_node *node, bool has_secret, const struct settings *settings,
                   struct log *log);

#endif
