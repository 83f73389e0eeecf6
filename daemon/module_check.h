/* daemon/module_check.h - whether a shared object may be loaded into the node.
 *
 * A module is code that runs as the node, so whoever can change it is the node. It has to be a
 * regular file, owned by root or by us, and neither it nor a folder above it may be writable by
 * group or others (a sticky folder such as /tmp is fine). With module_dir it has to lie there.
 */
#ifndef DAEMON_MODULE_CHECK_H
#define DAEMON_MODULE_CHECK_H

#include "daemon/problem.h"

/* Gives *resolved, the absolute path without symbolic links, to be freed. module_dir "" allows any
 * folder; with a folder, a bare name `bank` or `bank.so` is looked for there. Answers 0 or the exit
 * status of PROBLEM_MODULE. */
int module_check(const char *path, const char *module_dir, char **resolved,
                 struct problem *problem);

#endif
