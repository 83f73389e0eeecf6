/* node/supervisor.h - what a supervisor is made of, for its files.
 *
 *     supervisor.c         its life: init, signals, end
 *     supervisor_child.c   the children: one record each, in order, found by id and by pid
 *     supervisor_task.c    starting, restarting, stopping
 *     supervisor_ask.c     requests of others: the message side
 *     supervisor_api.c     the functions of troupe/supervisor.h
 *     supervisor_types.c   descriptions of the messages
 *
 * A supervisor does one task at a time: it stops a range of children, the last one first, and then
 * starts them, answers, or ends. Ends of children and requests that come meanwhile queue up.
 * Everything waits by messages, nothing blocks.
 *
 * Threads: the worker that runs the supervisor, but for tr_child_create and tr_child_destroy.
 */
#ifndef TR_NODE_SUPERVISOR_H
#define TR_NODE_SUPERVISOR_H

#include "node/node.h"

enum tr_child_state {
    TR_CHILD_DOWN,
    TR_CHILD_UP,
    TR_CHILD_STOPPING,   /* it was asked */
    TR_CHILD_ENDED,      /* by itself; what follows from it waits in the queue */
    TR_CHILD_AGAIN,      /* its start failed; the next try waits */
    TR_CHILD_RECOVERING, /* durable: it comes back from its row */
    TR_CHILD_ELSEWHERE   /* durable: its name is held by an actor that is not ours; it is watched */
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
    troupe_pid pid;                  /* UP, STOPPING, ELSEWHERE */
    uint64_t restarts;
    uint64_t timer;   /* STOPPING: ends the patience. RECOVERING: the next look. 0: none */
    uint64_t monitor; /* STOPPING, ELSEWHERE; 0: none */
    int32_t ended_kind;
    uint32_t looks; /* RECOVERING: in a row */
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
    TR_TASK_RESTART,   /* stops from the last child back to `first`, then starts them in order */
    TR_TASK_TERMINATE, /* stops one child and answers */
    TR_TASK_END        /* stops all and ends */
};

struct tr_task {
    uint8_t kind; /* enum tr_task_kind */
    bool asked;   /* END, all at once: they were */
    struct tr_child *first;
    struct tr_child *at; /* whose stop is under way or next; NULL: all are stopped */
    troupe_from from;    /* TERMINATE: who is answered */
    int32_t reason;      /* END: the supervisor's own */
    char text[TR_REASON_TEXT_SIZE];
};

struct tr_supervisor {
    struct tr_child *head; /* in the order of starting */
    struct tr_child *tail;
    struct tr_child *template; /* SIMPLE_ONE_FOR_ONE */
    struct tr_map by_id;       /* hash of id -> children by same_id */
    struct tr_map by_pid;      /* id of the actor -> child; UP and STOPPING, all of this node */
    struct tr_map by_monitor;  /* ref -> child; ELSEWHERE */
    uint64_t count;
    uint64_t active;      /* UP and STOPPING */
    uint64_t significant; /* that are not DOWN */
    uint64_t supervisors; /* children that are */
    uint64_t restarts;    /* ever */
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

/* ---- supervisor_child.c ---- */

/* Makes a record from a specification, which it copies. *why gets words when it makes no sense.
 * INVALID, NO_MEMORY, or what copying args answers. Any thread. */
TROUPE_MUST_USE troupe_status tr_child_create(const troupe_child *spec, struct tr_child **out,
                                              const char **why);
/* Any thread. */
void tr_child_destroy(struct tr_child *child);
/* Puts it behind the others; with a template, which it has to fit, it becomes one like that.
 * EXISTS, LIMIT, INVALID, NO_MEMORY; *why, NULL before, gets words. Takes it when OK. */
TROUPE_MUST_USE troupe_status tr_child_add(struct tr_supervisor *supervisor, struct tr_child *child,
                                           const char **why);
/* Takes it out of everything and destroys it. */
void tr_child_forget(struct tr_supervisor *supervisor, struct tr_child *child);
struct tr_child *tr_child_by_id(const struct tr_supervisor *supervisor, const char *id);
struct tr_child *tr_child_by_pid(const struct tr_supervisor *supervisor, troupe_pid pid);
/* The one function that changes a child's state. */
void tr_child_move(struct tr_supervisor *supervisor, struct tr_child *child,
                   enum tr_child_state state);
/* It runs by that pid. NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_child_up(struct tr_supervisor *supervisor, struct tr_child *child,
                                          troupe_pid pid);
/* It does not run any more. */
void tr_child_gone(struct tr_supervisor *supervisor, struct tr_child *child,
                   enum tr_child_state state);
void tr_child_push(struct tr_child_queue *queue, struct tr_child *child);
void tr_child_unqueue(struct tr_child *child);
/* What it looks like to others; strings are lent. */
void tr_child_show(const struct tr_child *child, troupe_child_state *shown);
static inline bool tr_child_is_supervisor(const struct tr_child *child)
{
    return child->spec.supervisor != NULL;
}

/* ---- supervisor_task.c ---- */

/* Starts a child; answers what its init did. The words are in self->fail_text. */
troupe_status tr_child_start(troupe_self *self, struct tr_supervisor *supervisor,
                             struct tr_child *child);
/* It has ended, for whatever reason; what follows from it is left to tr_supervisor_proceed. */
void tr_child_ended(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                    int32_t kind, const char *text);
/* Stops a child on request, then answers. */
void tr_supervisor_terminate(struct tr_supervisor *supervisor, struct tr_child *child,
                             const troupe_from *from);
/* Stops all children, then the supervisor. The first reason counts. */
void tr_supervisor_end(struct tr_supervisor *supervisor, int32_t kind, const char *text);
/* Does what can be done now; answers what a handler does. */
int tr_supervisor_proceed(troupe_self *self, struct tr_supervisor *supervisor);
int tr_supervisor_on_late(troupe_self *self, void *state, const void *message);
int tr_supervisor_on_again(troupe_self *self, void *state, const void *message);

/* ---- supervisor_ask.c ---- */
void tr_child_ask_free(struct tr_child_ask *ask);
/* Handles the request that waits longest. */
void tr_child_ask_handle(troupe_self *self, struct tr_supervisor *supervisor,
                         struct tr_child_ask *ask);
/* Answers a request with a child as it is, or with why not. */
void tr_child_answer(troupe_self *self, const troupe_from *from, const struct tr_child *child);
void tr_child_refuse(troupe_self *self, const troupe_from *from, troupe_status status,
                     const char *text);
/* Starts a child when its turn comes. Takes child. */
void tr_child_ask_start(troupe_self *self, struct tr_supervisor *supervisor,
                        const troupe_from *from, struct tr_child *child);
int tr_supervisor_on_start(troupe_self *self, void *state, const void *message);
int tr_supervisor_on_terminate(troupe_self *self, void *state, const void *message);
int tr_supervisor_on_restart(troupe_self *self, void *state, const void *message);
int tr_supervisor_on_delete(troupe_self *self, void *state, const void *message);
int tr_supervisor_on_list(troupe_self *self, void *state, const void *message);
int tr_supervisor_on_count(troupe_self *self, void *state, const void *message);

extern const troupe_behavior tr_supervisor_behavior; /* supervisor.c */

/* ---- supervisor_types.c ---- */

/* The timer that ends a child's patience: which one; 0: of all. */
typedef struct tr_child_late {
    uint64_t actor_id;
} tr_child_late;
extern const troupe_type tr_child_late_type;
/* The timer that tries to start again those whose start failed. */
extern const troupe_type tr_child_again_type;

#endif
