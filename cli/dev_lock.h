/* cli/dev_lock.h - one `dev` command at a time changes a folder.
 *
 * Threads: one. Memory: none. A process that ends lets go.
 */
#ifndef CLI_DEV_LOCK_H
#define CLI_DEV_LOCK_H

#include "cli/cli.h"

/* Waits for the lock of DIR, which exists. Gives *lock, to be ended by dev_unlock. */
int dev_lock(struct cli *cli, const char *dir, int *lock);

/* Reads dev.json under the lock; it is a problem when there is none. */
int dev_lock_state(struct cli *cli, int *lock);

/* -1 is allowed. */
void dev_unlock(int lock);

#endif
