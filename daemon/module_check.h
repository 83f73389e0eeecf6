/* daemon/module_check.h - files of behaviors: opened where only the administrator can put them.
 *
 *     module_open("bank", "/usr/lib/troupe/modules", &file, &problem)
 *     troupe_node_load_module(node, file.fd_path, ...)
 *     module_close(&file)                                          when the process ends
 *
 * A module runs with all rights of the node. So its folder is walked from the root, each element
 * without following links, and has to belong to root or to the user of the node and be writable by
 * nobody else; the file in it is opened by openat2 beneath the folder, checked through its
 * descriptor, and loaded through that descriptor: what was checked is what is loaded, whatever is
 * renamed meanwhile. Names of modules are [a-z0-9_]+.so. They come from the settings only.
 *
 * Threads: one. Memory: a module_file owns its descriptor and text. The descriptor stays open while
 * the module is in use: the loader knows the module by the name fd_path, which must not come again.
 */
#ifndef DAEMON_MODULE_CHECK_H
#define DAEMON_MODULE_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/problem.h"

#define MODULES_MAX 64 /* of one node; each keeps a descriptor */

struct module_file {
    int file;         /* -1: closed */
    char fd_path[32]; /* for the loader */
    char *path;       /* for people */
};

/* Opens one module. With a module_dir it is a name in it, `bank` or `bank.so`, or a path whose
 * folder it is; without one it is a path, whose folder is held to the same rules. Answers 0 or the
 * exit status of PROBLEM_MODULE. */
int module_open(const char *module, const char *module_dir, struct module_file *out,
                struct problem *problem);

/* Opens every *.so of module_dir, in the order of their names. Gives *files, to be freed, also when
 * there is none. One that may not be loaded is a problem: nothing is left out in silence. */
int module_open_all(const char *module_dir, struct module_file **files, size_t *count,
                    struct problem *problem);

void module_close(struct module_file *file);

/* Opens name in a folder without following a link; without_openat2 as on a kernel that does not
 * have it. Answers the descriptor, or -1 and errno. */
int module_open_beneath(int folder, const char *name, bool without_openat2);

#endif
