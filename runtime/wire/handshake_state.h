/* wire/handshake_state.h - which states a handshake has, and what moves it.
 *
 * The table in handshake_state.c is the only place that knows the transitions; whatever is not in
 * it is refused. docs/protocol.md shows it, and a test fails when the two differ.
 */
#ifndef TR_WIRE_HANDSHAKE_STATE_H
#define TR_WIRE_HANDSHAKE_STATE_H

#include "troupe/status.h"

enum tr_handshake_state {
    TR_HANDSHAKE_REST, /* a dialer before its start; first, so that a zeroed one rests */
    TR_HANDSHAKE_AWAIT_HELLO,
    TR_HANDSHAKE_OFFER, /* a dialer whose owner has to say what to resume */
    TR_HANDSHAKE_AWAIT_PROOF,
    TR_HANDSHAKE_JUDGE, /* a listener whose owner has to accept or refuse */
    TR_HANDSHAKE_DONE,
    TR_HANDSHAKE_FAILED,
    TR_HANDSHAKE_STATE_COUNT
};

enum tr_handshake_event {
    TR_HANDSHAKE_START,    /* our hello goes first, or we wait for theirs */
    TR_HANDSHAKE_ANSWERED, /* dialer: their hello is good */
    TR_HANDSHAKE_GREETED,  /* listener: their hello is good, ours is sent */
    TR_HANDSHAKE_OFFERED,  /* dialer: our proof is sent */
    TR_HANDSHAKE_CLAIMED,  /* listener: their proof is good */
    TR_HANDSHAKE_PROVEN,   /* dialer: their proof is good */
    TR_HANDSHAKE_ACCEPTED, /* listener: our proof is sent */
    TR_HANDSHAKE_REFUSED,  /* either side has given up */
    TR_HANDSHAKE_EVENT_COUNT
};

/* Moves *state, or answers TROUPE_E_PROTOCOL when the event has no place in the state. */
TROUPE_MUST_USE troupe_status tr_handshake_move(enum tr_handshake_state *state,
                                                enum tr_handshake_event event);

/* Where the event leads from the state, or -1. For printing the table. */
int tr_handshake_target(enum tr_handshake_state state, enum tr_handshake_event event);

const char *tr_handshake_state_text(enum tr_handshake_state state);
const char *tr_handshake_event_text(enum tr_handshake_event event);

#endif
