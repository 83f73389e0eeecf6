/* base/bugs.h - deliberate bugs, one at a time, to prove that a test notices each.
 *
 *     if (!TR_BUG(DROP_UNLINK_ACK)) ...
 *
 * cmake -DTROUPE_BUG=N builds number N in; by default there is none and every such condition is a
 * constant. tests/bugs/run builds each of them and runs the test that has to fail.
 */
#ifndef TR_BASE_BUGS_H
#define TR_BASE_BUGS_H

#ifndef TROUPE_BUG
#define TROUPE_BUG 0
#endif

enum tr_bug {
    TR_BUG_NONE,
    TR_BUG_DROP_UNLINK_ACK,      /* an unlink is not acknowledged */
    TR_BUG_PARK_TOO_EARLY,       /* an actor parks before it has popped its last message */
    TR_BUG_DOWN_TWICE,           /* one end is told twice to one monitor */
    TR_BUG_TRAP_KILL,            /* `kill` can be trapped */
    TR_BUG_LOSE_DOWN_OF_DEAD,    /* the monitor of a dead pid yields nothing */
    TR_BUG_LATE_REPLY,           /* a reply that comes after the timeout is handed out too */
    TR_BUG_OLD_PID_REACHES,      /* a message to the dead reaches who has the slot now */
    TR_BUG_CANCEL_IN_WORDS,      /* a cancelled timer fires */
    TR_BUG_NORMAL_EXIT_KILLS,    /* a linked actor that does not trap dies of `normal` */
    TR_BUG_UNLINK_ONE_SIDE,      /* the other side of an unlink keeps its link */
    TR_BUG_RUN_TWICE,            /* a stolen actor stays with its old worker too */
    TR_BUG_COUNT_SIGNALS,        /* system signals count against the mailbox's bound */
    TR_BUG_UNLINKED_EXIT_HURTS,  /* an exit that was under way when the link ended is taken in */
    TR_BUG_SPAWN_LINK_ONE_SIDE,  /* the child of a spawn with a link knows nothing of it */
    TR_BUG_NO_FLUSH,             /* a demonitor leaves a DOWN in the mailbox */
    TR_BUG_LIFO,                 /* the newest message is handled first */
    TR_BUG_CALL_WITHOUT_END,     /* a call does not time out */
    TR_BUG_BOX_OF_THE_DEAD,      /* requests in the mailbox of one that ends hear `noproc` */
    TR_BUG_COUNT_PER_CHILD,      /* restarts are counted per child, not per supervisor */
    TR_BUG_RESTART_ORDER,        /* children are started again in the wrong order */
    TR_BUG_FAREWELL_NOT_PAID,    /* an EXIT or a DOWN is lost when there is no memory for it */
    TR_BUG_SPAWN_NOT_WATCHED,    /* a child of a parent elsewhere does not hear of a lost session */
    TR_BUG_SPAWN_WITHOUT_PARENT, /* a child whose parent ended meanwhile keeps its link */
    TR_BUG_NOT_SENT_AGAIN,       /* a resumed session does not repeat what was under way */
    TR_BUG_RESUME_TOO_FAR,       /* a resume claims a record that has not come */
    TR_BUG_SAME_SESSION,         /* the next session has the number of the one before */
    TR_BUG_STALE_RELATION,       /* a link that came by a session which is over is made */
    TR_BUG_OVERTAKES_LARGE,      /* a message overtakes a large one of its sender */
    TR_BUG_WATCHES_FOR_EVER,     /* an actor that has ended is still to be told of lost sessions */
    TR_BUG_TWICE_TAKEN,          /* a record that came before is taken in again */
    TR_BUG_NAME_LEFT_BEHIND,     /* a name of one that ended while the database was away stays */
    TR_BUG_NAME_KEPT,            /* so does one that was given up meanwhile */
    TR_BUG_FENCED_KEEPS_NAME,    /* so does that of one linked to an actor of a fenced node */
    TR_BUG_NAME_OF_THE_DEAD,     /* nor is one given up that came when its actor had ended */
    TR_BUG_GROUPS_NOT_TOLD,      /* groups are not told again in a session after the first */
    TR_BUG_GROUPS_OF_THE_LOST,   /* members of a node whose session is lost stay members */
    TR_BUG_HANDLED_TWICE,        /* a step does not name the message that it comes from */
    TR_BUG_REPLY_TOO_EARLY,      /* what a durable actor says leaves before its checkpoint */
    TR_BUG_COUNT
};

#define TR_BUG(name) (TROUPE_BUG == TR_BUG_##name)

#endif
