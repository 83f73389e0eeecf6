/* daemon/mask.h - connection strings without what is secret in them.
 *
 * Threads: any. Memory: the caller's.
 */
#ifndef DAEMON_MASK_H
#define DAEMON_MASK_H

#include <stdbool.h>
#include <stddef.h>

/* Writes a form that may be shown; a text that is no connection string is not repeated at all. */
void mask_conninfo(const char *conninfo, char *out, size_t size);

/* Whether the text itself holds a password, which does not belong on a command line. */
bool mask_has_password(const char *conninfo);

#endif
