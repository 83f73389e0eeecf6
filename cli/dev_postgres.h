/* cli/dev_postgres.h - the private PostgreSQL of `dev up`: never the system's cluster.
 *
 * Its own data folder, a unix socket only (no TCP), trust inside a folder that nobody else can
 * enter. initdb and postgres refuse root: as root we give our rights up to `postgres`, or `nobody`.
 * A socket path has at most 107 bytes, however long the project's path is: sockets live in
 * /tmp/troupe-UID-HASH, the data in DIR/pg, or beside the sockets when that user cannot reach DIR.
 * Threads: one. Memory: none kept.
 */
#ifndef CLI_DEV_POSTGRES_H
#define CLI_DEV_POSTGRES_H

#include "cli/cli.h"
#include "cli/dev_state.h"

/* Makes the folders and fills the paths of state; state->dir is set. */
int dev_postgres_prepare(struct cli *cli, struct dev_state *state);

/* Starts it unless it runs. *started says whether this call did, *created whether the data folder
 * is new. */
int dev_postgres_start(struct cli *cli, struct dev_state *state, bool *started, bool *created);

/* The version, "15.20", into text. */
void dev_postgres_version(struct cli *cli, const struct dev_state *state, char *text, size_t size);

bool dev_postgres_runs(const struct dev_state *state);

/* Stops it when it runs: sessions are ended, all is written. */
int dev_postgres_stop(struct cli *cli, const struct dev_state *state);

/* Removes data and sockets; it must not run. */
void dev_postgres_purge(const struct dev_state *state);

#endif
