/* daemon/secret.h - reading the cluster secret, and making one.
 *
 * A secret file holds at least 32 bytes of any kind; one line break at the end is not part of it.
 * Nobody but its owner, and at most its group, may read it, and nobody but its owner write it.
 * Threads: any. Memory: the caller's; wipe it with secret_wipe.
 */
#ifndef DAEMON_SECRET_H
#define DAEMON_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/problem.h"

#define SECRET_SIZE_MIN 32u
#define SECRET_SIZE_MAX 4096u

struct secret {
    uint8_t bytes[SECRET_SIZE_MAX];
    size_t size;
};

/* Reads the file. Answers 0, or the exit status of PROBLEM_SECRET_FILE with the reason. */
int secret_read(const char *path, struct secret *secret, struct problem *problem);

/* The same, but a file that does not exist is a secret of size 0. */
int secret_read_if_there(const char *path, struct secret *secret, struct problem *problem);

/* Writes 32 bytes of chance as 64 hexadecimal digits into a new file that only we can read. A file
 * that is there is left alone, and that is no problem. */
int secret_make(const char *path, struct problem *problem);

/* Whether a value may come from this open file: one that holds a password must be a file that other
 * users can neither read nor change. Answers 0, or an exit status. */
int secret_check_file(int file, const char *path, struct problem *problem);

void secret_wipe(struct secret *secret);

#endif
