/* io/acceptor.h - takes connections from a listening socket, also when descriptors run out; used
 * by listener.c alone.
 *
 * Out of descriptors a connection can neither be taken nor refused, and the socket stays readable:
 * whoever tries again at once does nothing else any more. So an acceptor keeps a descriptor in
 * reserve, gives it away to close those who knock, and rests for a while when even that, or
 * something else that the kernel lacks, does not work. It goes on by itself.
 *
 * Threads: loop thread only.
 * Memory: freed by the loop after close. No callback comes after close.
 */
#ifndef TR_IO_ACCEPTOR_H
#define TR_IO_ACCEPTOR_H

#include <stdint.h>

#include <uv.h>

struct tr_acceptor;

struct tr_acceptor_events {
    void *context;
    /* Gives a connected socket that does not block. The acceptor may be closed in it. */
    void (*on_socket)(void *context, int fd);
    /* What the kernel lacks, as an error of libuv, and how many connections were closed for it
     * since this was said last: at once, then every ten seconds as long as it lasts. */
    void (*on_shortage)(void *context, int why, uint64_t closed);
};

/* Listens on a bound socket, which stays the caller's, and accepts. Gives the acceptor. Zero, or an
 * error of libuv. */
int tr_acceptor_create(uv_loop_t *uv, int fd, const struct tr_acceptor_events *events,
                       struct tr_acceptor **out);

/* Takes the acceptor, which may be NULL. The socket may be closed afterwards. */
void tr_acceptor_close(struct tr_acceptor *acceptor);

#endif
