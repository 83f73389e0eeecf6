/* support/members.h - probes that are members of groups.
 *
 * Threads: the test's; each waits until the probe has done it.
 */
#ifndef TESTS_SUPPORT_MEMBERS_H
#define TESTS_SUPPORT_MEMBERS_H

#include "support/actors.h"

/* Each fails the test when it does not succeed. */
void probe_join(struct probe *probe, const char *group);
void probe_leave(struct probe *probe, const char *group);

/* Sends a number to the members; answers to how many. */
size_t probe_broadcast(struct probe *probe, const char *group, int64_t value);

#endif
