#include "wire/session_state.h"

#include <stdbool.h>

#include "base/check.h"

struct move {
    bool legal; /* absent entries are zero, which makes them illegal */
    enum tr_session_state to;
};

static const struct move moves[TR_SESSION_STATE_COUNT][TR_SESSION_EVENT_COUNT] = {
    [TR_SESSION_NEW] =
        {
            [TR_SESSION_ATTACH] = {true, TR_SESSION_UP},
            [TR_SESSION_FORGET] = {true, TR_SESSION_ENDED},
        },
    [TR_SESSION_UP] =
        {
            [TR_SESSION_ATTACH] = {true, TR_SESSION_UP}, /* the peer saw a break that we did not */
            [TR_SESSION_BREAK] = {true, TR_SESSION_BROKEN},
            [TR_SESSION_LEAVE] = {true, TR_SESSION_LEAVING},
            [TR_SESSION_GOODBYE] = {true, TR_SESSION_ENDED},
            [TR_SESSION_VIOLATE] = {true, TR_SESSION_ENDED},
            [TR_SESSION_FORGET] = {true, TR_SESSION_ENDED},
        },
    [TR_SESSION_BROKEN] =
        {
            [TR_SESSION_ATTACH] = {true, TR_SESSION_UP},
            [TR_SESSION_EXPIRE] = {true, TR_SESSION_ENDED},
            [TR_SESSION_LEAVE] = {true, TR_SESSION_ENDED}, /* nobody there to say goodbye to */
            [TR_SESSION_FORGET] = {true, TR_SESSION_ENDED},
        },
    [TR_SESSION_LEAVING] =
        {
            [TR_SESSION_BREAK] = {true, TR_SESSION_ENDED},
            [TR_SESSION_GOODBYE] = {true, TR_SESSION_ENDED},
            [TR_SESSION_VIOLATE] = {true, TR_SESSION_ENDED},
            [TR_SESSION_FORGET] = {true, TR_SESSION_ENDED},
        },
};

int tr_session_target(enum tr_session_state state, enum tr_session_event event)
{
    TR_CHECK(state < TR_SESSION_STATE_COUNT);
    TR_CHECK(event < TR_SESSION_EVENT_COUNT);
    return moves[state][event].legal ? (int)moves[state][event].to : -1;
}

troupe_status tr_session_move(enum tr_session_state *state, enum tr_session_event event)
{
    const int to = tr_session_target(*state, event);

    if (to < 0) {
        return TROUPE_E_PROTOCOL;
    }
    *state = (enum tr_session_state)to;
    return TROUPE_OK;
}

const char *tr_session_state_text(enum tr_session_state state)
{
    static const char *const texts[TR_SESSION_STATE_COUNT] = {
        [TR_SESSION_NEW] = "new",       [TR_SESSION_UP] = "up",
        [TR_SESSION_BROKEN] = "broken", [TR_SESSION_LEAVING] = "leaving",
        [TR_SESSION_ENDED] = "ended",
    };

    TR_CHECK(state < TR_SESSION_STATE_COUNT);
    return texts[state];
}

const char *tr_session_event_text(enum tr_session_event event)
{
    static const char *const texts[TR_SESSION_EVENT_COUNT] = {
        [TR_SESSION_ATTACH] = "attach",   [TR_SESSION_BREAK] = "break",
        [TR_SESSION_EXPIRE] = "expire",   [TR_SESSION_LEAVE] = "leave",
        [TR_SESSION_GOODBYE] = "goodbye", [TR_SESSION_VIOLATE] = "violate",
        [TR_SESSION_FORGET] = "forget",
    };

    TR_CHECK(event < TR_SESSION_EVENT_COUNT);
    return texts[event];
}
