/* daemon/units.h - numbers, times and addresses as people write them in settings and options.
 *
 * Each answers false when the text is not one, or is out of range. Threads: any.
 */
#ifndef DAEMON_UNITS_H
#define DAEMON_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A time as PostgreSQL writes them: 250ms, 5s, 2min, 1h; a bare number counts milliseconds. */
bool unit_milliseconds(const char *text, uint32_t *milliseconds);

/* Bytes: 64MiB, 512KiB, 1GiB, 100kB (1,000 each); a bare number counts bytes. */
bool unit_bytes(const char *text, uint64_t *bytes);

/* A whole number without sign, at most max. */
bool unit_count(const char *text, uint32_t max, uint32_t *count);

/* on off true false yes no 1 0 */
bool unit_bool(const char *text, bool *value);

/* HOST:PORT, [IPV6]:PORT or unix:/PATH. The host is copied without brackets, a path with what
 * stands before it and port 0 (base/host.h). */
bool unit_address(const char *text, char *host, size_t host_size, uint16_t *port);

#endif
