/* dist/stranger.h - what is counted as one stranger: whoever has one address mostly has those
 * beside it too.
 *
 *     "10.0.0.7:52044", "::ffff:10.0.0.7:52044"  the IPv4 address
 *     "2001:db8:1:2:a::b:52044"                  its /64, of which a host takes what it likes
 *     "unix:uid=1000:pid=77"                     the user of this host
 *     "unix:/run/troupe/n1"                      the path
 *
 * Threads: any. Memory: text is lent from the address.
 */
#ifndef TR_DIST_STRANGER_H
#define TR_DIST_STRANGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TR_STRANGER_NET_SIZE = 8 }; /* bytes of a /64 */

struct tr_stranger {
    const char *text; /* does not end with NUL; NULL: it is the net that counts */
    size_t size;
    uint8_t net[TR_STRANGER_NET_SIZE];
};

/* Takes an address as tr_stream_peer writes it; any other text counts as itself. */
struct tr_stranger tr_stranger_of(const char *address);
bool tr_stranger_equal(const struct tr_stranger *one, const struct tr_stranger *other);
uint64_t tr_stranger_hash(const struct tr_stranger *stranger);

/* Writes "10.0.0.7", "2001:db8:1:2::/64", "unix:uid=1000", cut to size. */
void tr_stranger_print(const struct tr_stranger *stranger, char *text, size_t size);

#endif
