/* daemon/tls_reload.h - what SIGHUP does about certificate, key and authorities.
 *
 * Threads: one.
 */
#ifndef DAEMON_TLS_RELOAD_H
#define DAEMON_TLS_RELOAD_H

#include "daemon/log.h"
#include "daemon/settings.h"
#include "troupe/node.h"

/* Has the node read them again, from wherever the settings say now, and logs how that went: what is
 * wrong leaves those in use that the node has. No-op for a node that was started without TLS and is
 * told of none. */
void tls_reload(troupe_node *node, const struct settings *settings, struct log *log);

#endif
