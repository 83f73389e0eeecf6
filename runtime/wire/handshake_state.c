#include "wire/handshake_state.h"

#include <stdbool.h>

#include "base/check.h"

struct move {
    bool legal; /* absent entries are zero, which makes them illegal */
    enum tr_handshake_state to;
};

#define REFUSAL [TR_HANDSHAKE_REFUSED] = {true, TR_HANDSHAKE_FAILED}

static const struct move moves[TR_HANDSHAKE_STATE_COUNT][TR_HANDSHAKE_EVENT_COUNT] = {
    [TR_HANDSHAKE_REST] =
        {
            [TR_HANDSHAKE_START] = {true, TR_HANDSHAKE_AWAIT_HELLO},
            REFUSAL,
        },
    [TR_HANDSHAKE_AWAIT_HELLO] =
        {
            [TR_HANDSHAKE_ANSWERED] = {true, TR_HANDSHAKE_OFFER},
            [TR_HANDSHAKE_GREETED] = {true, TR_HANDSHAKE_AWAIT_PROOF},
            REFUSAL,
        },
    [TR_HANDSHAKE_OFFER] =
        {
            [TR_HANDSHAKE_OFFERED] = {true, TR_HANDSHAKE_AWAIT_PROOF},
            REFUSAL,
        },
    [TR_HANDSHAKE_AWAIT_PROOF] =
        {
            [TR_HANDSHAKE_CLAIMED] = {true, TR_HANDSHAKE_JUDGE},
            [TR_HANDSHAKE_PROVEN] = {true, TR_HANDSHAKE_DONE},
            REFUSAL,
        },
    [TR_HANDSHAKE_JUDGE] =
        {
            [TR_HANDSHAKE_ACCEPTED] = {true, TR_HANDSHAKE_DONE},
            REFUSAL,
        },
};

int tr_handshake_target(enum tr_handshake_state state, enum tr_handshake_event event)
{
    TR_CHECK(state < TR_HANDSHAKE_STATE_COUNT);
    TR_CHECK(event < TR_HANDSHAKE_EVENT_COUNT);
    return moves[state][event].legal ? (int)moves[state][event].to : -1;
}

troupe_status tr_handshake_move(enum tr_handshake_state *state, enum tr_handshake_event event)
{
    const int to = tr_handshake_target(*state, event);

    if (to < 0) {
        return TROUPE_E_PROTOCOL;
    }
    *state = (enum tr_handshake_state)to;
    return TROUPE_OK;
}

const char *tr_handshake_state_text(enum tr_handshake_state state)
{
    static const char *const texts[TR_HANDSHAKE_STATE_COUNT] = {
        [TR_HANDSHAKE_REST] = "rest",     [TR_HANDSHAKE_AWAIT_HELLO] = "await_hello",
        [TR_HANDSHAKE_OFFER] = "offer",   [TR_HANDSHAKE_AWAIT_PROOF] = "await_proof",
        [TR_HANDSHAKE_JUDGE] = "judge",   [TR_HANDSHAKE_DONE] = "done",
        [TR_HANDSHAKE_FAILED] = "failed",
    };

    TR_CHECK(state < TR_HANDSHAKE_STATE_COUNT);
    return texts[state];
}

const char *tr_handshake_event_text(enum tr_handshake_event event)
{
    static const char *const texts[TR_HANDSHAKE_EVENT_COUNT] = {
        [TR_HANDSHAKE_START] = "start",       [TR_HANDSHAKE_ANSWERED] = "answered",
        [TR_HANDSHAKE_GREETED] = "greeted",   [TR_HANDSHAKE_OFFERED] = "offered",
        [TR_HANDSHAKE_CLAIMED] = "claimed",   [TR_HANDSHAKE_PROVEN] = "proven",
        [TR_HANDSHAKE_ACCEPTED] = "accepted", [TR_HANDSHAKE_REFUSED] = "refused",
    };

    TR_CHECK(event < TR_HANDSHAKE_EVENT_COUNT);
    return texts[event];
}
