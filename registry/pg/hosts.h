/* pg/hosts.h - which hosts a connection will try, with their names looked up beforehand.
 *
 *     reg_hosts_read(&hosts, conninfo)
 *     -> while (name = reg_hosts_unknown(&hosts)): look it up, reg_hosts_found(..)
 *     -> reg_hosts_format(&hosts, tries, &lists) -> give the lists to libpq
 *
 * libpq would look names up by itself and block meanwhile. Given both host and hostaddr it does
 * not, and still checks certificates against the name. Folders of unix sockets and numeric
 * addresses need nothing. Of several hosts another one comes first at each try: libpq goes on to
 * the next one only when one refuses, so a host that swallows our packets would use up every try.
 * Hosts from a service file that the conninfo names are not seen here: those are libpq's.
 *
 * Threads: the owner's. Memory: freed by fini.
 */
#ifndef REG_PG_HOSTS_H
#define REG_PG_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "io/resolve.h"
#include "troupe/status.h"

enum { REG_HOSTS_MAX = 16 };

struct reg_host {
    const char *name; /* "" for libpq's default */
    const char *port; /* "" likewise */
    bool known;       /* no look-up is needed, or it was made */
    bool is_name;     /* it was looked up */
    size_t address_count;
    struct tr_address addresses[TR_ADDRESSES_MAX];
};

struct reg_hosts {
    size_t count; /* 0: there is nothing to say, and libpq is left alone */
    char *names;  /* what the hosts point into */
    char *ports;
    struct reg_host hosts[REG_HOSTS_MAX];
};

/* Comma lists as libpq wants them; NULL: libpq is left alone. */
struct reg_host_lists {
    char *host;
    char *hostaddr;
    char *port;
};

/* Reads what the conninfo and libpq's environment name. TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status reg_hosts_read(struct reg_hosts *hosts, const char *conninfo);
void reg_hosts_fini(struct reg_hosts *hosts);

/* Answers a name that has to be looked up, or NULL when there is none left. */
const char *reg_hosts_unknown(const struct reg_hosts *hosts);

/* The look-up of the name that reg_hosts_unknown answered has ended; count is 0 when it failed. */
void reg_hosts_found(struct reg_hosts *hosts, const struct tr_address *addresses, size_t count);

/* Gives the lists, each host once per address, beginning at the place that the number of tries
 * says. TROUPE_E_NOT_FOUND when no host has an address, TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status reg_hosts_format(const struct reg_hosts *hosts, size_t tries,
                                               struct reg_host_lists *out);
void reg_host_lists_fini(struct reg_host_lists *lists);

#endif
