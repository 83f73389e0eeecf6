/* sim/sim_stream.h - a connection's end, for the two files that stand in for runtime/io/stream.c.
 *
 *   sim_net.c   wires, what arrives, what is written, turns
 *   sim_dial.c  listening, dialling, and ends that nobody asked for
 */
#ifndef SIM_SIM_STREAM_H
#define SIM_SIM_STREAM_H

#include "io/loop.h"
#include "io/stream.h"
#include "sim/sim.h"

/* Bytes that arrive together. */
struct piece {
    struct piece *next;
    int64_t at_ns;
    size_t size;
    size_t used;
    uint8_t bytes[];
};

enum end { END_NONE, END_FIN, END_RESET };
enum phase {
    PHASE_DIALLING, /* on its way to the other host */
    PHASE_ANSWERED, /* the outcome is on its way back */
    PHASE_KNOCKING, /* accepted by the host, not by its process yet */
    PHASE_OPEN
};

struct tr_stream {
    struct tr_stream *next; /* of its loop */
    struct tr_stream *next_dial;
    struct tr_loop *loop;
    struct tr_listener *listener; /* PHASE_KNOCKING */
    struct tr_stream *peer;       /* the other end; NULL: not there yet, or gone */
    uint32_t here;                /* slots */
    uint32_t there;
    uint16_t port;
    const struct tr_stream_events *events;
    void *context;
    enum phase phase;
    int64_t dial_at_ns; /* when the dial or its outcome arrives */
    bool refused;
    bool reading;
    bool ended;
    bool severed; /* its process is gone */
    bool closed;
    /* What arrives. */
    struct piece *head;
    struct piece *tail;
    int64_t last_ns; /* nothing that is sent later arrives before it */
    enum end end;
    int64_t end_ns;
    /* What is written. */
    size_t in_flight; /* and not known to be read there */
    size_t unacked;   /* read there, and not known yet */
    struct tr_slice slices[TR_STREAM_SLICES_MAX];
    size_t slice_count;
    size_t slice_first;
    size_t queued;
    bool writing;
};

struct tr_listener {
    struct tr_listener *next;
    struct tr_loop *loop;
    struct tr_listener_events events;
    uint32_t here;
    uint16_t port;
    bool closed;
};

/* ---- sim_net.c ---- */

/* Whether something gets through now. */
bool wire_is_open(uint32_t from, uint32_t to);
/* When something of that time gets through; INT64_MAX while the wire is cut. */
int64_t wire_through_ns(uint32_t from, uint32_t to, int64_t at_ns);
/* When what is sent now, that large, arrives. */
int64_t wire_arrival_ns(uint32_t from, uint32_t to, size_t size);

uint32_t slot_of_host(const char *host);
uint32_t slot_of_loop(const struct tr_loop *loop);
struct tr_stream *stream_create(struct tr_loop *loop, uint32_t here, uint32_t there,
                                enum phase phase);
/* The other end hears of an end, unless it has heard of one. */
void stream_tell_end(struct tr_stream *stream, enum end end, int64_t at_ns);
/* Cuts the two ends apart; this one's says goodbye as a kernel does. */
void stream_part(struct tr_stream *stream, enum end end);

/* ---- sim_dial.c ---- */

/* It is no dial any more. */
void dial_unlink(const struct tr_stream *stream);
bool dial_outcome_is_here(const struct tr_stream *stream);
void dial_report(struct tr_stream *stream);

#endif
