/* What stands in for runtime/io/stream.c, the other half: how connections begin, and how they end
 * when nobody has asked for it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_stream.h"

/* ---- listening ---- */

troupe_status tr_listener_open_tcp(struct tr_loop *loop, const char *host, uint16_t port,
                                   const struct tr_listener_events *events,
                                   struct tr_listener **out, uint16_t *port_out)
{
    struct sim_handles *handles = sim_loop_handles(loop);

    if (slot_of_host(host) != slot_of_loop(loop)) {
        return TROUPE_E_INVALID;
    }
    for (const struct tr_listener *other = handles->listeners; other != NULL; other = other->next) {
        if (other->port == port && !other->closed) {
            return TROUPE_E_EXISTS;
        }
    }
    struct tr_listener *listener = calloc(1, sizeof(*listener));

    if (listener == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    *listener = (struct tr_listener){.next = handles->listeners,
                                     .loop = loop,
                                     .events = *events,
                                     .here = slot_of_loop(loop),
                                     .port = port};
    handles->listeners = listener;
    *port_out = port;
    *out = listener;
    return TROUPE_OK;
}

/* The hosts of the world have no file system. */
troupe_status tr_listener_open_unix(struct tr_loop *loop, const char *path, uint32_t mode,
                                    const struct tr_listener_events *events,
                                    struct tr_listener **out, char *why, size_t why_size)
{
    (void)loop;
    (void)mode;
    (void)events;
    (void)out;
    (void)snprintf(why, why_size, "there is no directory for %s", path);
    return TROUPE_E_NOT_FOUND;
}

void tr_listener_close(struct tr_listener *listener)
{
    if (listener == NULL) {
        return;
    }
    listener->closed = true;
    /* Who knocks and was not let in is turned away. */
    for (struct tr_stream *stream = sim_loop_handles(listener->loop)->streams; stream != NULL;
         stream = stream->next) {
        if (stream->phase == PHASE_KNOCKING && stream->listener == listener && !stream->closed) {
            tr_stream_close(stream);
        }
    }
}

static struct tr_listener *listener_at(uint32_t slot, uint16_t port)
{
    struct tr_loop *loop = sim->slots[slot].loop;

    if (loop == NULL || sim->slots[slot].zombie) {
        return NULL;
    }
    for (struct tr_listener *one = sim_loop_handles(loop)->listeners; one != NULL;
         one = one->next) {
        if (one->port == port && !one->closed) {
            return one;
        }
    }
    return NULL;
}

/* ---- dialling ---- */

void dial_unlink(const struct tr_stream *stream)
{
    struct tr_stream **link = &sim->connecting;

    while (*link != NULL && *link != stream) {
        link = &(*link)->next_dial;
    }
    if (*link != NULL) {
        *link = stream->next_dial;
    }
}

troupe_status tr_stream_connect(struct tr_loop *loop, const char *host, uint16_t port,
                                const struct tr_stream_events *events, void *context,
                                struct tr_stream **out)
{
    const uint32_t here = slot_of_loop(loop);
    const uint32_t there = slot_of_host(host);

    if (there == SIM_SLOTS_MAX) {
        return TROUPE_E_INVALID;
    }
    struct tr_stream *stream = stream_create(loop, here, there, PHASE_DIALLING);

    stream->events = events;
    stream->context = context;
    stream->port = port;
    stream->dial_at_ns = wire_arrival_ns(here, there, 0);
    for (const struct tr_stream *other = sim->connecting; other != NULL; other = other->next_dial) {
        if (other->here == there && other->there == here && !other->closed) {
            sim_count(SIM_COUNT_CROSSED, 1);
        }
    }
    stream->next_dial = sim->connecting;
    sim->connecting = stream;
    *out = stream;
    return TROUPE_OK;
}

/* A dial has arrived at a host that answers. */
static void answer_dial(struct tr_stream *stream)
{
    struct tr_listener *listener = listener_at(stream->there, stream->port);

    if (listener == NULL || sim_chance(1000) < sim->shape.refuse_per_mille) {
        stream->refused = true;
        sim_count(SIM_COUNT_REFUSED_DIALS, 1);
    } else {
        struct tr_stream *other =
            stream_create(listener->loop, stream->there, stream->here, PHASE_KNOCKING);

        other->listener = listener;
        other->peer = stream;
        stream->peer = other;
    }
    stream->phase = PHASE_ANSWERED;
    stream->dial_at_ns = wire_arrival_ns(stream->there, stream->here, 0);
}

void sim_net_dials(void)
{
    for (struct tr_stream *stream = sim->connecting; stream != NULL; stream = stream->next_dial) {
        if (stream->phase == PHASE_DIALLING && !stream->closed && !stream->severed &&
            !sim->slots[stream->there].off &&
            wire_through_ns(stream->here, stream->there, stream->dial_at_ns) <= sim->now_ns) {
            answer_dial(stream);
        }
    }
}

int64_t sim_net_dials_next_ns(void)
{
    int64_t next_ns = INT64_MAX;

    for (const struct tr_stream *stream = sim->connecting; stream != NULL;
         stream = stream->next_dial) {
        if (stream->phase == PHASE_DIALLING && !stream->closed && !stream->severed &&
            !sim->slots[stream->there].off) {
            const int64_t at_ns = wire_through_ns(stream->here, stream->there, stream->dial_at_ns);

            next_ns = at_ns < next_ns ? at_ns : next_ns;
        }
    }
    return next_ns;
}

bool dial_outcome_is_here(const struct tr_stream *stream)
{
    return stream->phase == PHASE_ANSWERED &&
           wire_through_ns(stream->there, stream->here, stream->dial_at_ns) <= sim->now_ns;
}

void dial_report(struct tr_stream *stream)
{
    dial_unlink(stream);
    stream->phase = PHASE_OPEN;
    stream->events->on_connect(stream->context, stream->refused ? TROUPE_E_NOCONNECTION : TROUPE_OK,
                               stream->refused);
}

/* ---- faults ---- */

/* What has not arrived yet is lost from some piece on. */
static void lose_tail(struct tr_stream *stream)
{
    struct piece **link = &stream->head;
    struct piece *last = NULL;

    while (*link != NULL && ((*link)->at_ns <= sim->now_ns || !sim_one_in(3))) {
        last = *link;
        link = &(*link)->next;
    }
    if (*link != NULL) {
        sim_count(SIM_COUNT_LOST_TAILS, 1);
    }
    while (*link != NULL) {
        struct piece *next = (*link)->next;

        free(*link);
        *link = next;
    }
    stream->tail = last;
}

void sim_net_sever(const struct sim_handles *handles, enum sim_crash how)
{
    for (struct tr_stream *stream = handles->streams; stream != NULL; stream = stream->next) {
        struct tr_stream *peer = stream->peer;
        const bool reset = sim_one_in(2);

        stream->severed = true;
        if (stream->closed) {
            continue;
        }
        if (peer != NULL && (reset || how == SIM_VANISHED)) {
            lose_tail(peer);
        }
        stream_part(stream, how == SIM_VANISHED ? END_NONE : reset ? END_RESET : END_FIN);
    }
}

/* The nth connection that is open, of those only that have something under way if busy is true. */
static struct tr_stream *nth(const struct sim_handles *handles, bool busy, uint64_t *n)
{
    for (struct tr_stream *stream = handles->streams; stream != NULL; stream = stream->next) {
        const bool fits = stream->peer != NULL && !stream->closed &&
                          (!busy || stream->head != NULL || stream->peer->head != NULL);

        if (fits && (*n)-- == 0) {
            return stream;
        }
    }
    return NULL;
}

bool sim_net_reset(const struct sim_handles *handles)
{
    uint64_t n = UINT64_MAX;
    bool busy = sim_one_in(2);

    (void)nth(handles, busy, &n);
    if (n == UINT64_MAX && busy) {
        busy = false;
        (void)nth(handles, busy, &n);
    }
    if (n == UINT64_MAX) {
        return false;
    }
    n = sim_chance(UINT64_MAX - n);
    struct tr_stream *stream = nth(handles, busy, &n);
    struct tr_stream *peer = stream->peer;

    lose_tail(stream);
    lose_tail(peer);
    /* One end hears of it from the other only when it says something itself. */
    stream_tell_end(stream, END_RESET, sim->now_ns);
    stream_part(stream, sim_one_in(4) ? END_NONE : END_RESET);
    return true;
}
