/* What stands in for runtime/io/stream.c: connections between the hosts of the world. Bytes arrive
 * in pieces, late, and not at all while a wire is cut; connections end half, or with their tails
 * lost; dials are refused, or heard by nobody. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_stream.h"

static const struct tr_stream_events no_events;

/* ---- wires ---- */

static const struct sim_wire *wire_of(uint32_t from, uint32_t to)
{
    return &sim->wires[from][to];
}

bool wire_is_open(uint32_t from, uint32_t to)
{
    const struct sim_wire *wire = wire_of(from, to);

    return wire->cuts == 0 && sim->now_ns >= wire->open_at_ns;
}

/* When something of that time gets through; INT64_MAX while the wire is cut. */
int64_t wire_through_ns(uint32_t from, uint32_t to, int64_t at_ns)
{
    const struct sim_wire *wire = wire_of(from, to);

    if (wire->cuts > 0) {
        return INT64_MAX;
    }
    return at_ns > wire->open_at_ns ? at_ns : wire->open_at_ns;
}

/* When what is sent now, that large, arrives. */
int64_t wire_arrival_ns(uint32_t from, uint32_t to, size_t size)
{
    struct sim_wire *wire = &sim->wires[from][to];
    int64_t at_ns = sim->now_ns;

    if (wire->ns_per_byte > 0) {
        at_ns = wire->busy_at_ns > at_ns ? wire->busy_at_ns : at_ns;
        at_ns += (int64_t)size * wire->ns_per_byte;
        wire->busy_at_ns = at_ns;
    }
    at_ns += wire->delay_ns;
    return wire->jitter_ns == 0 ? at_ns : at_ns + (int64_t)sim_chance((uint64_t)wire->jitter_ns);
}

/* ---- life ---- */

uint32_t slot_of_host(const char *host)
{
    for (uint32_t i = 0; i < sim->shape.slots; i++) {
        if (strcmp(sim->slots[i].host, host) == 0) {
            return i;
        }
    }
    return SIM_SLOTS_MAX;
}

uint32_t slot_of_loop(const struct tr_loop *loop)
{
    for (uint32_t i = 0; i < sim->shape.slots; i++) {
        if (sim->slots[i].loop == loop) {
            return i;
        }
    }
    sim_fail("a loop that is nobody's");
}

struct tr_stream *stream_create(struct tr_loop *loop, uint32_t here, uint32_t there,
                                enum phase phase)
{
    struct sim_handles *handles = sim_loop_handles(loop);
    struct tr_stream *stream = sim_alloc(NULL, sizeof(*stream));

    *stream = (struct tr_stream){.next = handles->streams,
                                 .loop = loop,
                                 .here = here,
                                 .there = there,
                                 .events = &no_events,
                                 .phase = phase};
    handles->streams = stream;
    return stream;
}

static void drop_pieces(struct tr_stream *stream)
{
    while (stream->head != NULL) {
        struct piece *next = stream->head->next;

        free(stream->head);
        stream->head = next;
    }
    stream->tail = NULL;
}

/* The other end hears of an end, unless it has heard of one. */
void stream_tell_end(struct tr_stream *stream, enum end end, int64_t at_ns)
{
    if (stream->end == END_NONE || (end == END_RESET && stream->end == END_FIN)) {
        stream->end = end;
        stream->end_ns = at_ns > stream->last_ns ? at_ns : stream->last_ns;
    }
}

/* Cuts the two ends apart; this one's says goodbye as a kernel does. */
void stream_part(struct tr_stream *stream, enum end end)
{
    struct tr_stream *peer = stream->peer;

    stream->peer = NULL;
    if (peer == NULL) {
        return;
    }
    peer->peer = NULL;
    const bool lost =
        !wire_is_open(stream->here, stream->there) && (end == END_RESET || sim_one_in(4));

    /* A reset is sent once; the end of a stream is repeated for a while only. */
    if (end == END_NONE || lost) {
        sim_count(SIM_COUNT_HALF_OPEN, 1);
        return;
    }
    stream_tell_end(peer, end, wire_arrival_ns(stream->here, stream->there, 0));
}

void tr_stream_close(struct tr_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    if (stream->closed) {
        sim_fail("a stream is closed twice");
    }
    stream->closed = true;
    stream->ended = true;
    stream->writing = false;
    stream_part(stream, stream->head != NULL ? END_RESET : END_FIN);
    drop_pieces(stream);
}

void sim_net_reap(struct sim_handles *handles)
{
    struct tr_stream **stream = &handles->streams;
    struct tr_listener **listener = &handles->listeners;

    while (*stream != NULL) {
        struct tr_stream *one = *stream;

        if (one->closed) {
            *stream = one->next;
            dial_unlink(one);
            free(one);
        } else {
            stream = &one->next;
        }
    }
    while (*listener != NULL) {
        struct tr_listener *one = *listener;

        if (one->closed) {
            *listener = one->next;
            free(one);
        } else {
            listener = &one->next;
        }
    }
}

bool sim_net_is_empty(const struct sim_handles *handles)
{
    return handles->streams == NULL && handles->listeners == NULL;
}

/* ---- arriving ---- */

static bool piece_is_here(const struct tr_stream *stream)
{
    return stream->head != NULL &&
           wire_through_ns(stream->there, stream->here, stream->head->at_ns) <= sim->now_ns;
}

static bool end_is_here(const struct tr_stream *stream)
{
    return stream->end != END_NONE && (stream->end == END_RESET || stream->head == NULL) &&
           wire_through_ns(stream->there, stream->here, stream->end_ns) <= sim->now_ns;
}

static bool can_read(const struct tr_stream *stream)
{
    return stream->reading && !stream->ended && stream->phase == PHASE_OPEN;
}

/* Takes what has arrived, up to size bytes. */
static size_t take(struct tr_stream *stream, uint8_t *space, size_t size)
{
    size_t got = 0;

    while (got < size && piece_is_here(stream)) {
        struct piece *piece = stream->head;
        const size_t left = piece->size - piece->used;
        const size_t part_size = left < size - got ? left : size - got;

        memcpy(space + got, piece->bytes + piece->used, part_size);
        piece->used += part_size;
        got += part_size;
        if (piece->used == piece->size) {
            stream->head = piece->next;
            stream->tail = stream->head == NULL ? NULL : stream->tail;
            free(piece);
            if (sim_one_in(4)) {
                break;
            }
        }
    }
    if (stream->peer != NULL) {
        stream->peer->unacked += got;
    }
    return got;
}

static void read_some(struct tr_stream *stream)
{
    uint8_t *space = NULL;
    size_t size = stream->events->space(stream->context, &space);

    if (size == 0) {
        stream->reading = false;
        return;
    }
    if (size > 1 && sim_one_in(8)) {
        size = 1 + sim_chance(size < 64 ? size : 64);
    }
    stream->events->on_read(stream->context, take(stream, space, size));
}

static void end_stream(struct tr_stream *stream)
{
    if (stream->end == END_RESET && stream->head != NULL) {
        sim_count(SIM_COUNT_LOST_TAILS, 1);
        drop_pieces(stream);
    }
    stream->ended = true;
    stream->reading = false;
    stream->writing = false;
    stream->events->on_end(stream->context,
                           stream->end == END_FIN ? TROUPE_E_CLOSED : TROUPE_E_NOCONNECTION);
}

troupe_status tr_stream_read_start(struct tr_stream *stream)
{
    stream->reading = !stream->ended;
    return TROUPE_OK;
}

void tr_stream_read_stop(struct tr_stream *stream)
{
    stream->reading = false;
}

void tr_stream_set_events(struct tr_stream *stream, const struct tr_stream_events *events,
                          void *context)
{
    stream->events = events;
    stream->context = context;
}

/* ---- writing ---- */

static void hear_acks(struct tr_stream *stream)
{
    if (stream->unacked > 0 && wire_is_open(stream->there, stream->here)) {
        stream->in_flight -= stream->unacked;
        stream->unacked = 0;
    }
}

/* Nobody is there any more: its host says so when it hears of bytes, if it says anything. */
static void hear_reset(struct tr_stream *stream)
{
    if (stream->peer == NULL && stream->phase == PHASE_OPEN && stream->in_flight > 0 &&
        stream->end == END_NONE && !sim->slots[stream->there].off &&
        wire_is_open(stream->here, stream->there)) {
        stream_tell_end(stream, END_RESET,
                        wire_arrival_ns(stream->here, stream->there, 0) +
                            wire_of(stream->there, stream->here)->delay_ns);
    }
}

static size_t piece_size(size_t room)
{
    const size_t largest = sim_one_in(6) ? 64 : sim->shape.piece_max;
    const size_t size = 1 + sim_chance(largest);

    return size < room ? size : room;
}

static void send_piece(struct tr_stream *stream, const uint8_t *bytes, size_t size)
{
    struct tr_stream *peer = stream->peer;

    stream->in_flight += size;
    if (peer == NULL) {
        return; /* into the void */
    }
    struct piece *piece = sim_alloc(NULL, sizeof(*piece) + size);

    *piece =
        (struct piece){.at_ns = wire_arrival_ns(stream->here, stream->there, size), .size = size};
    memcpy(piece->bytes, bytes, size);
    piece->at_ns = piece->at_ns > peer->last_ns ? piece->at_ns : peer->last_ns;
    peer->last_ns = piece->at_ns;
    if (peer->tail == NULL) {
        peer->head = piece;
    } else {
        peer->tail->next = piece;
    }
    peer->tail = piece;
}

/* Sends what there is room for. */
static void push(struct tr_stream *stream)
{
    while (stream->queued > 0 && stream->in_flight < sim->shape.buffer_max) {
        struct tr_slice *slice = &stream->slices[stream->slice_first];
        const size_t room = sim->shape.buffer_max - stream->in_flight;

        if (slice->size == 0) {
            stream->slice_first++;
            continue;
        }
        const size_t size = piece_size(slice->size < room ? slice->size : room);

        send_piece(stream, slice->bytes, size);
        slice->bytes += size;
        slice->size -= size;
        stream->queued -= size;
    }
}

troupe_status tr_stream_write(struct tr_stream *stream, const struct tr_slice *slices, size_t count,
                              bool *done)
{
    if (count > TR_STREAM_SLICES_MAX || stream->writing) {
        sim_fail("a write while another is under way, or of too many slices");
    }
    if (stream->severed || stream->ended || (stream->end == END_RESET && end_is_here(stream))) {
        return TROUPE_E_NOCONNECTION;
    }
    hear_acks(stream);
    stream->slice_count = count;
    stream->slice_first = 0;
    stream->queued = 0;
    for (size_t i = 0; i < count; i++) {
        stream->slices[i] = slices[i];
        stream->queued += slices[i].size;
    }
    push(stream);
    hear_reset(stream);
    stream->writing = stream->queued > 0;
    *done = !stream->writing;
    return TROUPE_OK;
}

bool tr_stream_is_writing(const struct tr_stream *stream)
{
    return stream->writing;
}

/* What is on its way here is not kept by a kernel. */
void tr_stream_set_unsent_max(struct tr_stream *stream, size_t bytes)
{
    (void)stream;
    (void)bytes;
}

size_t tr_stream_queued(const struct tr_stream *stream)
{
    return stream->queued;
}

static bool can_push(const struct tr_stream *stream)
{
    return stream->writing && stream->in_flight < sim->shape.buffer_max;
}

static void go_on_writing(struct tr_stream *stream)
{
    push(stream);
    if (stream->queued == 0) {
        stream->writing = false;
        stream->events->on_written(stream->context);
    }
}

/* ---- who is there ---- */

void tr_stream_peer(const struct tr_stream *stream, char *text, size_t size)
{
    (void)snprintf(text, size, "%s:%u", sim->slots[stream->there].host, (unsigned)SIM_PORT);
}

bool tr_stream_is_local(const struct tr_stream *stream)
{
    return strncmp(sim->slots[stream->there].host, "127.", 4) == 0;
}

bool tr_host_is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0;
}

/* ---- turns ---- */

static bool stream_is_ready(struct tr_stream *stream)
{
    if (stream->closed || stream->severed) {
        return false;
    }
    hear_acks(stream);
    hear_reset(stream);
    return stream->phase == PHASE_KNOCKING || dial_outcome_is_here(stream) || can_push(stream) ||
           (can_read(stream) && (piece_is_here(stream) || end_is_here(stream)));
}

bool sim_net_ready(const struct sim_handles *handles)
{
    for (struct tr_stream *stream = handles->streams; stream != NULL; stream = stream->next) {
        if (stream_is_ready(stream)) {
            return true;
        }
    }
    return false;
}

static void stream_turn(struct tr_stream *stream)
{
    if (stream->phase == PHASE_KNOCKING) {
        stream->phase = PHASE_OPEN;
        stream->listener->events.on_accept(stream->listener->events.context, stream);
    } else if (dial_outcome_is_here(stream)) {
        dial_report(stream);
    } else if (can_read(stream) && end_is_here(stream)) {
        end_stream(stream);
    } else if (can_push(stream) && sim_one_in(2)) {
        go_on_writing(stream);
    } else if (can_read(stream) && piece_is_here(stream)) {
        read_some(stream);
    }
}

/* What is ready has its turn, some of it: a loop that is told of much is told of it in any order,
 * and may be told of the rest later. Streams come in front of the list, and none leaves it now. */
void sim_net_turn(const struct sim_handles *handles)
{
    for (uint32_t rounds = 2; rounds > 0; rounds--) {
        for (struct tr_stream *stream = handles->streams; stream != NULL; stream = stream->next) {
            if (!sim_one_in(3) && stream_is_ready(stream)) {
                stream_turn(stream);
            }
        }
    }
}

static int64_t stream_next_ns(const struct tr_stream *stream)
{
    int64_t next_ns = INT64_MAX;

    if (stream->closed || stream->severed) {
        return INT64_MAX;
    }
    if (stream->phase == PHASE_ANSWERED) {
        return wire_through_ns(stream->there, stream->here, stream->dial_at_ns);
    }
    if (can_read(stream) && stream->head != NULL) {
        next_ns = wire_through_ns(stream->there, stream->here, stream->head->at_ns);
    }
    if (can_read(stream) && stream->end != END_NONE &&
        (stream->head == NULL || stream->end == END_RESET)) {
        const int64_t end_ns = wire_through_ns(stream->there, stream->here, stream->end_ns);

        next_ns = end_ns < next_ns ? end_ns : next_ns;
    }
    if (stream->unacked > 0 && stream->writing) {
        const int64_t open_ns = wire_through_ns(stream->there, stream->here, sim->now_ns);

        next_ns = open_ns < next_ns ? open_ns : next_ns;
    }
    return next_ns;
}

int64_t sim_net_next_ns(const struct sim_handles *handles)
{
    int64_t next_ns = INT64_MAX;

    for (const struct tr_stream *stream = handles->streams; stream != NULL; stream = stream->next) {
        const int64_t one_ns = stream_next_ns(stream);

        next_ns = one_ns < next_ns ? one_ns : next_ns;
    }
    return next_ns;
}
