/* cli/ca_files.h - files that hold keys: written whole or not at all, and readable by us alone.
 *
 * Threads: one.
 */
#ifndef CLI_CA_FILES_H
#define CLI_CA_FILES_H

#include <limits.h>
#include <stdbool.h>

#include "cli/cli.h"
#include "wire/ca.h"

/* A path that is made of a folder and a name. */
struct ca_path {
    char text[PATH_MAX];
};

/* 0 or an exit status: the path may be too long. */
int ca_path_make(struct cli *cli, const char *folder, const char *name, struct ca_path *path);

/* A problem when the file is there already. */
int ca_file_refuse_present(struct cli *cli, const struct ca_path *path);

/* Gives what is in the file, with a bound on its size, to be ended by tr_pem_fini. */
int ca_file_read(struct cli *cli, const struct ca_path *path, struct tr_pem *out);

/* Writes a file of mode 0600, beside its place first and then at it in one step. Unless it may
 * replace one, a file that is there meanwhile stays and is a problem. */
int ca_file_write(struct cli *cli, const struct ca_path *path, const struct tr_pem *pem,
                  bool replaces);

#endif
