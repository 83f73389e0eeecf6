/* daemon/write_all.h - writing everything that there is to write.
 *
 * Threads: any.
 */
#ifndef DAEMON_WRITE_ALL_H
#define DAEMON_WRITE_ALL_H

#include <stdbool.h>
#include <stddef.h>

/* Writes all the bytes, however many calls that takes. False when one of them failed; errno says
 * why. */
bool write_all(int file, const void *bytes, size_t size);

#endif
