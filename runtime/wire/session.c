#include "wire/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/be.h"
#include "base/bugs.h"
#include "base/check.h"
#include "wire/reassembly.h"
#include "wire/segments.h"

enum {
    ACK_BODY_SIZE = 8,
    CONTROL_SIZE = TR_FRAME_HEADER_SIZE + ACK_BODY_SIZE + TR_FRAME_TAG_SIZE,
    WAITING_BYTES_MAX = 512 * 1024 /* submitted and not written: two writes' worth */
};

struct tr_session {
    struct tr_session_config config;
    enum tr_session_state state;
    struct tr_seal *sending; /* of the connection; NULL without one or without a secret */
    struct tr_seal *receiving;

    /* Records in order of sequence: acknowledged ones leave at the front, new ones join at the
     * back, `next` is the first that was not yet lent on this connection. */
    struct tr_record *first;
    struct tr_record *last;
    struct tr_record *next;
    struct tr_record *lent_first; /* of those lent, which reach up to `next`; NULL = none */
    struct tr_record *limbo;      /* acknowledged while still lent */
    struct tr_record *done;
    uint64_t submitted;   /* sequence of the last one submitted */
    uint64_t sent;        /* highest sequence ever lent: what may be acknowledged */
    size_t bytes;         /* of the list */
    size_t count;         /* of the list */
    size_t waiting_bytes; /* of the list from `next` on */

    uint8_t control[CONTROL_SIZE]; /* a heartbeat, acknowledgement or goodbye, lent by output */
    bool lent;                     /* output has lent something */
    bool leaving_sent;             /* the goodbye is in control */
    bool left;

    uint64_t received;     /* sequence of the last record that arrived */
    uint64_t acknowledged; /* of what arrived, told to the peer */
    size_t unacknowledged; /* bytes since then */
    uint64_t ack_at;       /* when to tell it; UINT64_MAX = nothing to tell */
    struct tr_reassembly reassembly;

    uint64_t heard_at;
    uint64_t sent_at;
    uint64_t ticked_at;
    uint64_t broken_at;
    struct tr_session_counters counters;
};

troupe_status tr_session_create(const struct tr_session_config *config, uint64_t now_ns,
                                struct tr_session **out)
{
    struct tr_session *session = calloc(1, sizeof(*session));

    if (session == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    session->config = *config;
    session->ack_at = UINT64_MAX;
    session->ticked_at = now_ns;
    *out = session;
    return TROUPE_OK;
}

static void seals_set(struct tr_session *session, struct tr_seal *sending,
                      struct tr_seal *receiving)
{
    tr_seal_destroy(session->sending);
    tr_seal_destroy(session->receiving);
    session->sending = sending;
    session->receiving = receiving;
}

void tr_session_destroy(struct tr_session *session)
{
    if (session == NULL) {
        return;
    }
    seals_set(session, NULL, NULL);
    tr_reassembly_clear(&session->reassembly);
    tr_record_destroy_all(session->first);
    tr_record_destroy_all(session->limbo);
    tr_record_destroy_all(session->done);
    free(session);
}

static bool has_connection(const struct tr_session *session)
{
    return session->state == TR_SESSION_UP || session->state == TR_SESSION_LEAVING;
}

/* Moves where the caller has made sure that it may. */
static void move(struct tr_session *session, enum tr_session_event event)
{
    const troupe_status status = tr_session_move(&session->state, event);

    TR_CHECK(status == TROUPE_OK);
}

/* ---- acknowledged records ---- */

static void record_done(struct tr_session *session, struct tr_record *record)
{
    struct tr_record **list = record->lent ? &session->limbo : &session->done;

    record->next = *list;
    *list = record;
}

/* Drops what the peer has, up to and with `sequence`. Before anything was written on a fresh
 * connection the cursor may stand on what is dropped. */
static void drop_acknowledged(struct tr_session *session, uint64_t sequence)
{
    while (session->first != NULL && session->first->sequence <= sequence) {
        struct tr_record *record = session->first;

        if (session->next == record) {
            session->next = record->next;
            session->waiting_bytes -= record->size;
        }
        if (session->lent_first == record) {
            session->lent_first = record->next != session->next ? record->next : NULL;
        }
        session->first = record->next;
        session->bytes -= record->size;
        session->count--;
        record_done(session, record);
    }
    if (session->first == NULL) {
        session->last = NULL;
    }
}

/* A write is over, in whatever way: nothing is lent any more. */
static void lending_ends(struct tr_session *session)
{
    if (!session->lent) {
        return;
    }
    session->lent = false;
    if (session->lent_first != NULL) {
        for (struct tr_record *record = session->lent_first; record != session->next;
             record = record->next) {
            record->lent = false;
        }
        session->lent_first = NULL;
    }
    while (session->limbo != NULL) {
        struct tr_record *record = session->limbo;

        session->limbo = record->next;
        record->lent = false;
        record_done(session, record);
    }
}

/* ---- connections ---- */

troupe_status tr_session_attach(struct tr_session *session, uint64_t now_ns,
                                struct tr_seal *sending, struct tr_seal *receiving,
                                uint64_t peer_received)
{
    const troupe_status status = tr_session_move(&session->state, TR_SESSION_ATTACH);

    lending_ends(session);
    seals_set(session, sending, receiving);
    if (status != TROUPE_OK) {
        return status;
    }
    if (peer_received > session->sent || peer_received < tr_session_confirmed(session)) {
        move(session, TR_SESSION_VIOLATE);
        return TROUPE_E_PROTOCOL;
    }
    session->next = TR_BUG(NOT_SENT_AGAIN) ? NULL : session->first;
    session->waiting_bytes = session->bytes;
    drop_acknowledged(session, peer_received);
    session->ack_at = UINT64_MAX; /* the handshake has told the peer what arrived */
    session->acknowledged = session->received;
    session->unacknowledged = 0;
    session->heard_at = now_ns;
    session->sent_at = now_ns;
    session->ticked_at = now_ns;
    session->counters.attachments++;
    return TROUPE_OK;
}

void tr_session_detach(struct tr_session *session, uint64_t now_ns)
{
    lending_ends(session);
    if (has_connection(session)) {
        move(session, TR_SESSION_BREAK);
        session->broken_at = now_ns;
        seals_set(session, NULL, NULL);
    }
}

/* ---- output ---- */

size_t tr_session_room(const struct tr_session *session)
{
    const size_t window = session->config.resend_bytes_max;

    if (!has_connection(session) || session->leaving_sent || session->bytes >= window ||
        session->count >= TR_RESEND_RECORDS_MAX || session->waiting_bytes >= WAITING_BYTES_MAX) {
        return 0;
    }
    if (WAITING_BYTES_MAX - session->waiting_bytes < window - session->bytes) {
        return WAITING_BYTES_MAX - session->waiting_bytes;
    }
    return window - session->bytes;
}

size_t tr_session_waiting(const struct tr_session *session)
{
    return session->waiting_bytes;
}

void tr_session_submit(struct tr_session *session, struct tr_record *record)
{
    record->sequence = ++session->submitted;
    record->next = NULL;
    if (session->last == NULL) {
        session->first = record;
    } else {
        session->last->next = record;
    }
    session->last = record;
    if (session->next == NULL) {
        session->next = record;
    }
    session->bytes += record->size;
    session->count++;
    session->waiting_bytes += record->size;
}

static void acknowledged_now(struct tr_session *session)
{
    session->acknowledged = session->received;
    session->unacknowledged = 0;
    session->ack_at = UINT64_MAX;
}

/* Makes a frame of the control lane; answers its size. */
static size_t control_make(struct tr_session *session, enum tr_frame_kind kind)
{
    const size_t tag = tr_seal_size(session->sending);
    const size_t size = TR_FRAME_HEADER_SIZE + ACK_BODY_SIZE;

    tr_frame_header_put(session->control, kind, ACK_BODY_SIZE + tag);
    tr_be64_put(session->control + TR_FRAME_HEADER_SIZE, session->received);
    if (tr_seal_put(session->sending, session->control, size) != TROUPE_OK) {
        return 0; /* the peer will find the connection broken and so shall we */
    }
    acknowledged_now(session);
    return size + tag;
}

static bool heartbeat_is_due(const struct tr_session *session, uint64_t now_ns)
{
    return now_ns - session->sent_at >= session->config.heartbeat_ns;
}

/* What the control lane has to say now: 0 when nothing. Data carry acknowledgements themselves, so
 * with data to write only a heartbeat that is due goes before them. */
static enum tr_frame_kind control_kind(const struct tr_session *session, uint64_t now_ns)
{
    if (heartbeat_is_due(session, now_ns)) {
        return TR_FRAME_HEARTBEAT;
    }
    if (session->next != NULL) {
        return (enum tr_frame_kind)0;
    }
    if (session->state == TR_SESSION_LEAVING && !session->leaving_sent) {
        return TR_FRAME_GOODBYE;
    }
    return session->ack_at <= now_ns ? TR_FRAME_ACK : (enum tr_frame_kind)0;
}

bool tr_session_wants_output(const struct tr_session *session, uint64_t now_ns)
{
    return has_connection(session) && !session->lent && !session->left &&
           (session->next != NULL || (int)control_kind(session, now_ns) != 0);
}

/* Completes the frame in place. The bytes change when a record is sent again: sequence stays,
 * acknowledgement and tag are new. */
static troupe_status record_seal(struct tr_session *session, struct tr_record *record)
{
    const size_t tag = tr_seal_size(session->sending);
    uint8_t *body = record->bytes + TR_FRAME_HEADER_SIZE;

    tr_frame_header_put(record->bytes, TR_FRAME_DATA, record->size - TR_FRAME_HEADER_SIZE + tag);
    tr_be64_put(body, record->sequence);
    tr_be64_put(body + 8, session->received);
    record->sealed_size = record->size + tag;
    return tr_seal_put(session->sending, record->bytes, record->size);
}

static void record_lend(struct tr_session *session, struct tr_record *record)
{
    record->lent = true;
    if (session->lent_first == NULL) {
        session->lent_first = record;
    }
    session->next = record->next;
    session->waiting_bytes -= record->size;
    if (record->sequence > session->sent) {
        session->sent = record->sequence;
        session->counters.records_sent++;
    } else {
        session->counters.records_resent++;
    }
}

size_t tr_session_output(struct tr_session *session, uint64_t now_ns, struct tr_slice *slices,
                         size_t count, size_t bytes_max)
{
    size_t used = 0;
    size_t bytes = 0;
    enum tr_frame_kind kind = (enum tr_frame_kind)0;

    if (!tr_session_wants_output(session, now_ns)) {
        return 0;
    }
    kind = control_kind(session, now_ns);
    if ((int)kind != 0) {
        bytes = control_make(session, kind);
        slices[used++] = (struct tr_slice){session->control, bytes};
        session->leaving_sent = kind == TR_FRAME_GOODBYE;
    }
    while (session->next != NULL && used < count && bytes < bytes_max) {
        struct tr_record *record = session->next;

        if (record_seal(session, record) != TROUPE_OK) {
            break;
        }
        acknowledged_now(session);
        record_lend(session, record);
        slices[used++] = (struct tr_slice){record->bytes, record->sealed_size};
        bytes += record->sealed_size;
    }
    session->lent = used > 0;
    session->sent_at = now_ns;
    return used;
}

void tr_session_written(struct tr_session *session)
{
    lending_ends(session);
    session->left = session->leaving_sent;
}

/* ---- input ---- */

/* Notes what the peer has got. False when it cannot be. */
static bool on_acknowledgement(struct tr_session *session, uint64_t sequence)
{
    if (sequence > session->sent) {
        return false;
    }
    drop_acknowledged(session, sequence);
    return true;
}

/* A message may end the session: what comes behind it is not delivered then. */
static bool deliver(void *context, const uint8_t *bytes, size_t size)
{
    struct tr_session *session = context;

    session->counters.messages_received++;
    session->config.on_message(session->config.context, bytes, size);
    return has_connection(session);
}

static troupe_status on_data(struct tr_session *session, uint64_t now_ns,
                             const struct tr_frame *frame)
{
    uint64_t sequence = 0;

    if (frame->body_size < 16) {
        return TROUPE_E_PROTOCOL;
    }
    sequence = tr_be64_get(frame->body);
    if (!on_acknowledgement(session, tr_be64_get(frame->body + 8))) {
        return TROUPE_E_PROTOCOL;
    }
    if (sequence <= session->received && !TR_BUG(TWICE_TAKEN)) {
        session->counters.records_doubled++;
        return TROUPE_OK;
    }
    if (sequence != session->received + 1 && !TR_BUG(TWICE_TAKEN)) {
        return TROUPE_E_PROTOCOL;
    }
    session->received = sequence;
    session->counters.records_received++;
    session->unacknowledged += frame->size;
    if (session->unacknowledged >= TR_ACK_BYTES ||
        session->received - session->acknowledged >= TR_ACK_RECORDS) {
        session->ack_at = now_ns;
    } else if (session->ack_at == UINT64_MAX) {
        session->ack_at = now_ns + session->config.ack_delay_ns;
    }
    return tr_segments_read(&session->reassembly,
                            (struct tr_slice){frame->body + 16, frame->body_size - 16}, deliver,
                            session);
}

static troupe_status on_frame(struct tr_session *session, uint64_t now_ns,
                              const struct tr_frame *frame)
{
    if (frame->kind == TR_FRAME_DATA) {
        return on_data(session, now_ns, frame);
    }
    if ((frame->kind != TR_FRAME_ACK && frame->kind != TR_FRAME_HEARTBEAT &&
         frame->kind != TR_FRAME_GOODBYE) ||
        frame->body_size != ACK_BODY_SIZE ||
        !on_acknowledgement(session, tr_be64_get(frame->body))) {
        return TROUPE_E_PROTOCOL;
    }
    return frame->kind == TR_FRAME_GOODBYE ? TROUPE_E_CLOSED : TROUPE_OK;
}

troupe_status tr_session_input(struct tr_session *session, uint64_t now_ns, struct tr_frame *frame)
{
    troupe_status status = TROUPE_OK;

    if (!has_connection(session)) {
        return TROUPE_E_PROTOCOL;
    }
    status = tr_seal_open(session->receiving, frame);
    if (status != TROUPE_OK) {
        return status;
    }
    session->heard_at = now_ns;
    status = on_frame(session, now_ns, frame);
    if (status == TROUPE_OK || !has_connection(session)) {
        return TROUPE_OK; /* right, or the owner has ended the session meanwhile */
    }
    move(session, status == TROUPE_E_CLOSED ? TR_SESSION_GOODBYE : TR_SESSION_VIOLATE);
    if (status != TROUPE_E_CLOSED && status != TROUPE_E_NO_MEMORY) {
        status = TROUPE_E_PROTOCOL;
    }
    return status;
}

/* ---- time ---- */

static uint64_t earlier(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

uint64_t tr_session_wake(const struct tr_session *session)
{
    if (session->state == TR_SESSION_BROKEN) {
        return session->broken_at + session->config.resume_window_ns;
    }
    if (!has_connection(session)) {
        return UINT64_MAX;
    }
    /* Nothing can be said before the present write is over, see the tick; nor after a goodbye. */
    if (session->lent || session->left) {
        return earlier(session->ticked_at + session->config.heartbeat_ns,
                       session->heard_at + session->config.silence_ns);
    }
    return earlier(earlier(session->sent_at + session->config.heartbeat_ns, session->ack_at),
                   session->heard_at + session->config.silence_ns);
}

enum tr_session_verdict tr_session_tick(struct tr_session *session, uint64_t now_ns)
{
    const struct tr_session_config *config = &session->config;

    /* We tick at least once per heartbeat. A longer gap means that this process was stopped or
     * starved, and what the peer sent meanwhile is still to be read: it gets a full term. */
    if (now_ns - session->ticked_at > config->heartbeat_ns + config->silence_ns / 2) {
        session->heard_at = now_ns;
    }
    session->ticked_at = now_ns;
    if (session->state == TR_SESSION_BROKEN &&
        now_ns - session->broken_at >= config->resume_window_ns) {
        move(session, TR_SESSION_EXPIRE);
        return TR_SESSION_EXPIRED;
    }
    if (has_connection(session) && now_ns - session->heard_at >= config->silence_ns) {
        return TR_SESSION_SILENT;
    }
    return TR_SESSION_FINE;
}

/* ---- endings ---- */

void tr_session_leave(struct tr_session *session)
{
    /* Without a connection the table ends it at once; when it has ended there is nothing to do. */
    if (tr_session_target(session->state, TR_SESSION_LEAVE) >= 0) {
        move(session, TR_SESSION_LEAVE);
    } else {
        tr_session_forget(session);
    }
}

bool tr_session_has_left(const struct tr_session *session)
{
    return session->left || session->state == TR_SESSION_ENDED;
}

void tr_session_forget(struct tr_session *session)
{
    if (tr_session_target(session->state, TR_SESSION_FORGET) >= 0) {
        move(session, TR_SESSION_FORGET);
    }
}

/* ---- what the owner reads ---- */

struct tr_record *tr_session_take_done(struct tr_session *session)
{
    struct tr_record *done = session->done;

    session->done = NULL;
    return done;
}

enum tr_session_state tr_session_state(const struct tr_session *session)
{
    return session->state;
}

uint32_t tr_session_number(const struct tr_session *session)
{
    return session->config.number;
}

uint64_t tr_session_received(const struct tr_session *session)
{
    return session->received;
}

uint64_t tr_session_confirmed(const struct tr_session *session)
{
    return session->first != NULL ? session->first->sequence - 1 : session->submitted;
}

bool tr_session_is_idle(const struct tr_session *session)
{
    return session->first == NULL;
}

const struct tr_session_counters *tr_session_counters(const struct tr_session *session)
{
    return &session->counters;
}
