/* wire/session_state.h - which states a session has, and what moves it.
 *
 * The table in session_state.c is the only place that knows the transitions. docs/protocol.md shows
 * it, and a test fails when the two differ.
 */
#ifndef TR_WIRE_SESSION_STATE_H
#define TR_WIRE_SESSION_STATE_H

#include "troupe/status.h"

enum tr_session_state {
    TR_SESSION_NEW,     /* no connection yet; first, so that a zeroed session is new */
    TR_SESSION_UP,      /* has a connection */
    TR_SESSION_BROKEN,  /* lost it, and may get another within the resume window */
    TR_SESSION_LEAVING, /* says goodbye after what is queued */
    TR_SESSION_ENDED,
    TR_SESSION_STATE_COUNT
};

enum tr_session_event {
    TR_SESSION_ATTACH,  /* a handshake has given it a connection */
    TR_SESSION_BREAK,   /* the connection is gone or silent */
    TR_SESSION_EXPIRE,  /* the resume window is over */
    TR_SESSION_LEAVE,   /* we want to end it in order */
    TR_SESSION_GOODBYE, /* the peer ends it in order */
    TR_SESSION_VIOLATE, /* the peer sent what cannot be */
    TR_SESSION_FORGET,  /* we end it at once: the peer is dead, or has begun another session */
    TR_SESSION_EVENT_COUNT
};

/* Moves *state, or answers TROUPE_E_PROTOCOL when the event has no place in the state. */
TROUPE_MUST_USE troupe_status tr_session_move(enum tr_session_state *state,
                                              enum tr_session_event event);

/* Where the event leads from the state, or -1. For printing the table. */
int tr_session_target(enum tr_session_state state, enum tr_session_event event);

const char *tr_session_state_text(enum tr_session_state state);
const char *tr_session_event_text(enum tr_session_event event);

#endif
