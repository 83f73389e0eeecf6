/* cli/dev_folders.h - the folders of `dev up`, and who may enter them.
 *
 * Threads: one. Memory: none kept.
 */
#ifndef CLI_DEV_FOLDERS_H
#define CLI_DEV_FOLDERS_H

#include "cli/cli.h"
#include "cli/dev_state.h"
#include "cli/process.h"

/* Makes DIR with its folder log, and gives its absolute path (PATH_MAX bytes). */
int dev_folders_make(struct cli *cli, char *dir);

/* Makes /tmp/troupe-UID-HASH for DIR; refuses one that somebody else made. */
int dev_folders_make_run(struct cli *cli, const char *dir, char *run, size_t size);
/* Its name only. */
void dev_folders_run_name(const char *dir, char *run, size_t size);

/* Makes a folder that belongs to user and that nobody else may enter. */
int dev_folders_make_for(struct cli *cli, const char *path, const struct process_user *user);

/* Whether the user can enter the folder and write there. */
bool dev_folders_reachable(const char *path, const struct process_user *user);

/* Removes a folder and what is in it, never following links; stays on one file system. */
void dev_folders_remove(const char *path);

#endif
