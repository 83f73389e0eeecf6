/* spin/link.pml - links between two actors of two nodes: the protocol of runtime/core/relations.h and
 * runtime/sched/signals.c, with a session that is lost and begun again at any time.
 *
 *     tests/spin/run    looks at every state, and sees that each broken variant (BROKEN) fails
 *
 * What stands for what:
 *
 *     actor 0, actor 1      two actors, one on each node; nobody else
 *     wire[i]               what node i has sent in the present session and node 1-i has not taken in: a
 *                           session gives it in order, or loses all that is left (wire/session.c)
 *     session, known[i]     the session there is, and the one that actor i last heard of (tr_self_watch);
 *                           lost[i]: NODE_LOST of it waits in the mailbox of i, and is acted on before
 *                           anything of the next session (dist/router.c, tr_router_on_lost)
 *     rel[i], by[i], ref[i] the relation in actor i: kind, session, id of the unlink
 *                           (struct tr_relation: NONE, LINK, UNLINKING)
 *     LINK UNLINK UNLINK_ACK LINK_EXIT   the signals (core/message.h); each carries its session, and a
 *                           link that comes by another session than the present one makes nothing
 *                           (session_holds)
 *     do_link               troupe_link        on_link        on_link
 *     do_unlink             troupe_unlink      on_unlink      on_unlink
 *     on_ack                on_unlink_ack      on_exit        on_link_exit
 *     on_node_lost          on_node_lost, lose_relation
 *     die                   tr_actor_end: tell_relations
 *     bounce                tr_sched_bounce: what finds nobody
 *
 * What must hold:
 *
 *     safe     after unlink has returned no exit comes by that link, unless a new one was made since
 *     at rest  both have the link, or none has; nobody waits for an acknowledgement
 *     lost     when a session is over and both have heard it, no link of it is left on either side
 *
 * Both actors are taken to trap: an exit that arrives is seen and lived through.
 */
#ifndef BROKEN
/* 1: unlinks are not acknowledged
 * 2: signals of an old session count in the next one
 * 3: an exit hurts whoever waits for the acknowledgement of an unlink
 * 4: one side is not told that a session is lost */
#define BROKEN 0
#endif
#define ACTS 6     /* links and unlinks of both together */
#define SESSIONS 3 /* that are begun */
#define ROOM 8     /* signals under way in one direction */

mtype = { NONE, LINKED, UNLINKING };               /* relations */
mtype = { LINK, UNLINK, UNLINK_ACK, LINK_EXIT };   /* signals */

/* Signal, id, session it was sent by. */
chan wire[2] = [ROOM] of { mtype, byte, byte };
chan old[2] = [ROOM] of { mtype, byte, byte }; /* BROKEN 2: what a session has lost comes all the same */

byte session = 1; /* 0: there is none */
byte begun = 1;
byte known[2];
bool lost[2];
bool dead[2];
mtype rel[2] = NONE;
byte by[2];
byte ref[2];
byte next_ref[2];
byte acts;

/* An exit by the link may hurt: there has been no unlink since a link was made by either. */
bool may_hurt[2];

#define OTHER (1 - me)
/* Nobody acts before it has heard what is lost: tr_self_watch gives the session it knows. */
#define CURRENT (known[me] != 0 && known[me] == session && !lost[me])

/* Sent by a session that is over it goes nowhere; the sender's end of the session tells it. */
inline send(signal, id, by_session) {
    if
    :: by_session == session && session != 0 -> wire[me]!signal, id, by_session
    :: else -> skip
    fi
}

/* The link has told this one of an end. */
inline hurt() {
    assert(may_hurt[me]);
    may_hurt[me] = false
}

inline do_link() {
    if
    :: rel[me] == LINKED -> skip
    :: rel[me] != LINKED && !CURRENT ->
        /* unreachable: an exit noconnection of its own */
        rel[me] = NONE
    :: rel[me] != LINKED && CURRENT ->
        rel[me] = LINKED; by[me] = session; ref[me] = 0;
        may_hurt[me] = true;
        send(LINK, 0, session)
    fi
}

inline do_unlink() {
    if
    :: rel[me] == LINKED ->
        rel[me] = UNLINKING;
        next_ref[me]++;
        ref[me] = next_ref[me];
        may_hurt[me] = false;
        send(UNLINK, ref[me], by[me])
    :: else -> skip
    fi
}

inline on_link(by_session) {
    if
    :: rel[me] == NONE && (by_session == session || BROKEN == 2) && CURRENT ->
        rel[me] = LINKED; by[me] = session; ref[me] = 0;
        may_hurt[me] = true
    :: else -> skip /* there is one; or it crossed our unlink; or its session is over */
    fi
}

inline on_unlink(id, by_session) {
    if
    :: rel[me] == LINKED -> rel[me] = NONE; by[me] = 0; may_hurt[me] = false
    :: else -> skip
    fi;
    if
    :: BROKEN == 1 -> skip
    :: else -> send(UNLINK_ACK, id, by_session)
    fi
}

inline on_ack(id) {
    if
    :: rel[me] == UNLINKING && ref[me] == id -> rel[me] = NONE; by[me] = 0; ref[me] = 0
    :: else -> skip
    fi
}

inline on_exit() {
    if
    :: rel[me] == LINKED || (BROKEN == 3 && rel[me] == UNLINKING) -> rel[me] = NONE; by[me] = 0; hurt()
    :: else -> skip /* unlinked meanwhile: it cannot hurt any more */
    fi
}

/* Everything by that session ends, an unlink that waits for its acknowledgement too. */
inline on_node_lost() {
    if
    :: rel[me] == LINKED && by[me] == known[me] -> rel[me] = NONE; by[me] = 0; hurt()
    :: rel[me] == UNLINKING && by[me] == known[me] -> rel[me] = NONE; by[me] = 0; ref[me] = 0
    :: else -> skip
    fi;
    lost[me] = false;
    known[me] = 0
}

inline die() {
    if
    :: rel[me] == LINKED -> send(LINK_EXIT, 0, by[me])
    :: else -> skip
    fi;
    rel[me] = NONE; by[me] = 0; ref[me] = 0;
    may_hurt[me] = false;
    dead[me] = true
}

/* A signal to the dead comes back as its answer. */
inline bounce(signal, id, by_session) {
    if
    :: signal == LINK -> send(LINK_EXIT, 0, by_session)
    :: signal == UNLINK -> send(UNLINK_ACK, id, by_session)
    :: else -> skip
    fi
}

inline take_in(signal, id, by_session) {
    if
    :: dead[me] -> bounce(signal, id, by_session)
    :: !dead[me] && signal == LINK -> on_link(by_session)
    :: !dead[me] && signal == UNLINK -> on_unlink(id, by_session)
    :: !dead[me] && signal == UNLINK_ACK -> on_ack(id)
    :: !dead[me] && signal == LINK_EXIT -> on_exit()
    fi
}

proctype actor(byte me) {
    mtype signal;
    byte id;
    byte by_session;

    known[me] = 1;
end:
    do
    :: atomic { lost[me] && !dead[me] -> on_node_lost() }
    :: atomic { lost[me] && dead[me] -> lost[me] = false; known[me] = 0 }
    /* The first thing done with a node learns its session. */
    :: atomic { !lost[me] && known[me] != session && session != 0 -> known[me] = session }
    /* Nothing of a session is taken in before the end of the one before it. */
    :: atomic { !lost[me] && known[me] == session && wire[OTHER]?[signal, id, by_session] ->
                wire[OTHER]?signal, id, by_session; take_in(signal, id, by_session) }
    :: atomic { BROKEN == 2 && !lost[me] && session != 0 && known[me] == session &&
                old[OTHER]?[signal, id, by_session] ->
                old[OTHER]?signal, id, by_session; take_in(signal, id, by_session) }
    :: atomic { !dead[me] && acts < ACTS && len(wire[me]) < ROOM - 1 -> acts++; do_link() }
    :: atomic { !dead[me] && acts < ACTS && len(wire[me]) < ROOM - 1 -> acts++; do_unlink() }
    :: atomic { !dead[me] && len(wire[me]) < ROOM - 1 -> die() }
    od
}

/* The session is lost with all that is under way, and another one begins when both know. */
proctype network() {
    mtype signal;
    byte id;
    byte by_session;
    byte i;

end:
    do
    :: atomic { session != 0 ->
        session = 0;
        i = 0;
        do
        :: i < 2 ->
            do
            :: wire[i]?signal, id, by_session ->
                if
                :: BROKEN == 2 && len(old[i]) < ROOM -> old[i]!signal, id, by_session
                :: else -> skip
                fi
            :: empty(wire[i]) -> break
            od;
            lost[i] = !(BROKEN == 4 && i == 1);
            i++
        :: else -> break
        od;
        i = 0 }
    /* The actors hear of the end in their own time, and before anything of the next session. */
    :: atomic { session == 0 && begun < SESSIONS -> begun++; session = begun }
    od
}

#define QUIET (empty(wire[0]) && empty(wire[1]) && empty(old[0]) && empty(old[1]) && !lost[0] && !lost[1])
#define ALIVE (!dead[0] && !dead[1])

/* At rest, whenever that is: looked at in every state in which nothing is under way. */
proctype watcher() {
end:
    do
    :: atomic { QUIET && ALIVE ->
        assert((rel[0] == LINKED) == (rel[1] == LINKED));
        assert(rel[0] != UNLINKING && rel[1] != UNLINKING);
        assert(rel[0] != LINKED || (by[0] == by[1] && by[0] == session)) }
    /* The other end of the dead has heard of it. */
    :: atomic { QUIET && dead[0] && !dead[1] -> assert(rel[1] == NONE) }
    :: atomic { QUIET && dead[1] && !dead[0] -> assert(rel[0] == NONE) }
    od
}

init {
    atomic {
        run actor(0);
        run actor(1);
        run network();
        run watcher()
    }
}
