/* node/supervisor_state.h - the state of a supervisor: its children, what it is about, who waits.
 *
 * Children are a list in the order of starting; tables find them by id, by pid, and by what is
 * waited for; queues hold those for whom something is due. All of it is moved as it is to the actor
 * that buries the children of a supervisor that did not start.
 *
 * Threads: the worker that runs the supervisor.
 */
#ifndef TR_NODE_SUPERVISOR_STATE_H
#define TR_NODE_SUPERVISOR_STATE_H

#include "dist/placement.h"
#include "node/node.h"

struct tr_spec;
struct tr_packed_spec;

enum tr_child_state {
    TR_CHILD_DOWN,
    TR_CHILD_UP,
    TR_CHILD_STOPPING,   /* it was asked */
    TR_CHILD_ENDED,      /* by itself; what follows from it waits in the queue */
    TR_CHILD_AGAIN,      /* its start failed; the next try waits */
    TR_CHILD_RECOVERING, /* durable: it comes back from its row */
    TR_CHILD_ELSEWHERE,  /* durable: its name is held by an actor that is not ours; it is watched */
    TR_CHILD_STARTING,   /* placed: another node was asked to start it */
    TR_CHILD_WAITING     /* placed: there is no place for it; the next try waits */
};

/* A node that children were placed on. */
struct tr_child_node {
    struct tr_child_node *next;
    uint64_t node_id;
    uint64_t lost_at; /* the last start when children were first heard to have ended with it */
    uint32_t children;
    char name[TR_NODE_NAME_SIZE_MAX + 1];
};

/* What a child with a placement has. */
struct tr_child_far {
    const struct tr_placement *rule;     /* the template's, or own_rule */
    struct tr_placement *own_rule;       /* owned */
    const struct tr_packed_spec *packed; /* of a supervisor: the template's, or own_packed */
    struct tr_packed_spec *own_packed;   /* owned */
    struct tr_child_node *node; /* where it runs, is being started, or ran; NULL: nowhere yet */
    uint64_t started;           /* the number of its last start among all of the supervisor's */
    uint64_t refused_by;        /* a node that did not take it; 0: none */
    troupe_from from;           /* STARTING: who is answered; ref 0: nobody */
    uint32_t refusals;          /* in a row */
    bool displaced;             /* it ended because its node went */
    bool moved;                 /* its last end was of that kind; unlike displaced while it runs */
    bool patient;               /* WAITING: for the registry, which is nobody's failure */
    bool counted;               /* its restart has been */
    bool fresh;                 /* new: forgotten when it does not start */
    bool forced;                /* STOPPING: it was killed, and does not answer */
};

struct tr_child {
    struct tr_child *previous; /* in the order of starting */
    struct tr_child *next;
    struct tr_child *same_id; /* of the same hash */
    struct tr_child_queue *queue;
    struct tr_child *queue_previous;
    struct tr_child *queue_next;
    troupe_child spec; /* id and name are owned, but for what is the template's */
    troupe_spawn_options options;
    const struct tr_child *template; /* whose id it lends; NULL: its own */
    void *args;                      /* the copy of described arguments; owned */
    struct tr_child_far *far;        /* placed: owned; NULL: it runs here */
    troupe_pid pid;                  /* UP, STOPPING, ELSEWHERE */
    troupe_pid ended;                /* the last one elsewhere whose end was counted */
    uint64_t restarts;
    uint64_t timer;   /* STOPPING: ends the patience. RECOVERING: until the next look. 0: none */
    uint64_t key;     /* in by_key; 0: none */
    uint64_t monitor; /* STOPPING, ELSEWHERE; 0: none */
    int32_t ended_kind;
    uint32_t looks; /* RECOVERING: in a row */
    bool known;     /* durable: it was started once */
    uint8_t state;  /* enum tr_child_state; moved by tr_child_move */
};

/* Children in the order in which something is due for them. Zero is empty. */
struct tr_child_queue {
    struct tr_child *head;
    struct tr_child *tail;
};

enum tr_ask_kind { TR_ASK_START, TR_ASK_TERMINATE, TR_ASK_RESTART, TR_ASK_DELETE };

/* A request that waits for its turn. */
struct tr_child_ask {
    struct tr_child_ask *next;
    troupe_from from;
    uint8_t kind;          /* enum tr_ask_kind */
    struct tr_child *made; /* START: owned */
    troupe_pid pid;
    bool by_pid;
    char id[];
};

enum tr_task_kind {
    TR_TASK_NONE,
    TR_TASK_RESTART,   /* stops from the last child back to `first`, then goes on with START */
    TR_TASK_START,     /* starts from `at` on in order, each when the one before it is up */
    TR_TASK_TERMINATE, /* stops one child and answers */
    TR_TASK_END        /* stops all and ends */
};

struct tr_task {
    uint8_t kind; /* enum tr_task_kind */
    bool asked;   /* END, all at once: they were */
    struct tr_child *first;
    struct tr_child *at; /* whose stop or start is under way or next; NULL: that of all is over */
    troupe_from from;    /* TERMINATE: who is answered */
    int32_t reason;      /* END: the supervisor's own */
    char text[TR_REASON_TEXT_SIZE];
};

struct tr_supervisor {
    struct tr_spec *spec;  /* in which its children's supervisors lie; held. NULL: they are lent */
    struct tr_child *head; /* in the order of starting */
    struct tr_child *tail;
    struct tr_child *template; /* SIMPLE_ONE_FOR_ONE */
    struct tr_map by_id;       /* hash of id -> children by same_id */
    struct tr_map by_pid;      /* tr_child_key of the pid -> child; UP and STOPPING */
    struct tr_map by_key; /* of a look (RECOVERING), a start, or a monitor (ELSEWHERE) -> child */
    uint64_t count;
    uint64_t active;      /* UP and STOPPING */
    uint64_t significant; /* that are not DOWN */
    uint64_t supervisors; /* children that are */
    uint64_t restarts;    /* ever */
    uint64_t finding;     /* looks and starts elsewhere under way */
    uint64_t looks;       /* and starts elsewhere, ever */
    struct tr_child_node *nodes;
    uint64_t starts;               /* of placed children, ever */
    uint64_t turn;                 /* of round_robin */
    struct tr_child_queue waiting; /* for a place */
    uint64_t waiting_timer;        /* 0: none */
    uint32_t waits;                /* in a row */
    struct tr_child_queue ended;
    struct tr_child_queue again;
    uint64_t again_timer;      /* 0: none */
    struct tr_child_ask *asks; /* oldest first */
    struct tr_child_ask *asks_tail;
    uint32_t asks_count;
    struct tr_task task;
    int64_t *restarts_ms; /* ring of the last intensity + 1 restarts; -1: none */
    uint32_t restarts_at;
    uint32_t intensity;
    uint32_t period_ms;
    uint32_t max_children;
    int32_t strategy;
    int32_t auto_shutdown;
    troupe_pid parent;
    troupe_pid speaks_for; /* in whose name children are told to exit; none: its own */
};

#endif
