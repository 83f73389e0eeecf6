/* node/supervisor.h - what a supervisor is made of, for its files.
 *
 *     supervisor.c         its life: init, signals, end
 *     supervisor_child.c   the children: one record each, in order, found by id and by pid
 *     supervisor_task.c    starting, restarting, stopping
 *     supervisor_durable.c what is different for durable children
 *     supervisor_far.c     what is different for children with a placement
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

#include "node/supervisor_state.h"

/* ---- supervisor_child.c ---- */

/* Makes a record from a specification, which it copies. *why gets words when it makes no sense,
 * which may lie in words. INVALID, NO_MEMORY, or what copying args answers. Any thread. */
TROUPE_MUST_USE troupe_status tr_child_create(const troupe_child *spec, struct tr_child **out,
                                              const char **why, char words[TR_REASON_TEXT_SIZE]);
void tr_child_destroy(struct tr_child *child);
/* Puts it behind the others; with a template, which it has to fit, it becomes one like that.
 * EXISTS, LIMIT, INVALID, NO_MEMORY; *why, NULL before, gets words. Takes it when OK. */
TROUPE_MUST_USE troupe_status tr_child_add(struct tr_supervisor *supervisor, struct tr_child *child,
                                           const char **why);
/* Takes it out of everything and destroys it. */
void tr_child_forget(struct tr_supervisor *supervisor, struct tr_child *child);
struct tr_child *tr_child_by_id(const struct tr_supervisor *supervisor, const char *id);
struct tr_child *tr_child_by_pid(const struct tr_supervisor *supervisor, troupe_pid pid);
uint64_t tr_child_key(troupe_pid pid);
/* A key for by_key that no monitor has; by it the child is found when the answer comes. */
uint64_t tr_child_new_key(struct tr_supervisor *supervisor);
TROUPE_MUST_USE troupe_status tr_child_note_key(struct tr_supervisor *supervisor,
                                                struct tr_child *child, uint64_t key);
/* The one function that changes a child's state. */
void tr_child_move(struct tr_supervisor *supervisor, struct tr_child *child,
                   enum tr_child_state state);
/* It runs by that pid. NO_MEMORY; AGAIN when another one has its key. */
TROUPE_MUST_USE troupe_status tr_child_up(struct tr_supervisor *supervisor, struct tr_child *child,
                                          troupe_pid pid);
/* It does not run any more. */
void tr_child_gone(struct tr_supervisor *supervisor, struct tr_child *child,
                   enum tr_child_state state);
void tr_child_push(struct tr_child_queue *queue, struct tr_child *child);
void tr_child_unqueue(struct tr_child *child);
/* What it looks like to others; strings are lent. */
void tr_child_show(const struct troupe_node *node, const struct tr_child *child,
                   troupe_child_state *shown);
static inline bool tr_child_is_supervisor(const struct tr_child *child)
{
    return child->spec.supervisor != NULL;
}

/* ---- supervisor_task.c ---- */

/* Starts a child; answers what its init did. The words are in self->fail_text. */
troupe_status tr_child_start(troupe_self *self, struct tr_supervisor *supervisor,
                             struct tr_child *child);
/* The same on this node, whatever its placement. */
troupe_status tr_child_start_here(troupe_self *self, struct tr_supervisor *supervisor,
                                  struct tr_child *child);
/* An actor that cannot be a child of ours: it is unlinked and killed. */
void tr_child_drop(troupe_self *self, troupe_pid pid);
/* Starts the children from this one on in their order, as the first thing that a supervisor does.
 */
void tr_supervisor_start_on(struct tr_supervisor *supervisor, struct tr_child *child);
/* Notes a restart; when that is one too many the supervisor ends. */
bool tr_supervisor_counts_too_many(troupe_self *self, struct tr_supervisor *supervisor,
                                   const struct tr_child *child);
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

/* The same; when it does not start that is tried again. */
bool tr_child_start_or_again(troupe_self *self, struct tr_supervisor *supervisor,
                             struct tr_child *child);
void tr_child_again(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                    const char *why);
/* It did not start: tried again at once, or when there may be a place for it. */
void tr_child_not_started(troupe_self *self, struct tr_supervisor *supervisor,
                          struct tr_child *child, troupe_status status, const char *why);
/* It runs after a look; when all are being stopped, so is it. */
void tr_supervisor_joined(troupe_self *self, struct tr_supervisor *supervisor,
                          struct tr_child *child);
/* Whether this child is being stopped, or all are. */
bool tr_supervisor_stops(const struct tr_supervisor *supervisor, const struct tr_child *child);

/* The child that a look or a start elsewhere was for, which is over now; NULL when it is gone. */
struct tr_child *tr_child_answered(struct tr_supervisor *supervisor, const troupe_result *result);

/* ---- supervisor_durable.c ---- */
bool tr_child_is_durable(const struct tr_child *child);
/* Begins to look for the actor behind its name. */
troupe_status tr_child_find(troupe_self *self, struct tr_supervisor *supervisor,
                            struct tr_child *child);
/* The same; when that cannot begin, it is tried again. */
void tr_child_find_or_later(troupe_self *self, struct tr_supervisor *supervisor,
                            struct tr_child *child);
/* Whether a look is under way: what it finds must be waited for. */
bool tr_child_is_found(const struct tr_child *child);
/* It has ended since its name was refused; answers whether it is looked for now. */
bool tr_child_refused(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                      troupe_status status);
/* One that was ELSEWHERE has ended. */
void tr_child_lost(troupe_self *self, struct tr_supervisor *supervisor, uint64_t monitor,
                   int32_t kind, const char *text);
/* It is nobody's concern any more: DOWN, whatever it waited for. */
void tr_child_let_go(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child);
int tr_supervisor_on_look(troupe_self *self, void *state, const void *message);

/* ---- supervisor_far.c ---- */

/* What a placement needs; child->far stays NULL when there is none. As tr_child_create. */
TROUPE_MUST_USE troupe_status tr_far_create(struct tr_child *child, const troupe_child *spec,
                                            const char **why, char words[TR_REASON_TEXT_SIZE]);
/* That of a child like the template. */
TROUPE_MUST_USE troupe_status tr_far_resemble(struct tr_child *child,
                                              const struct tr_child *template, const char **why);
void tr_far_destroy(struct tr_child *child);
void tr_far_free_nodes(struct tr_supervisor *supervisor);
/* Starts the child where its rule says: it is UP, or STARTING. */
TROUPE_MUST_USE troupe_status tr_far_start(troupe_self *self, struct tr_supervisor *supervisor,
                                           struct tr_child *child);
int tr_far_on_started(troupe_self *self, void *state, const troupe_result *result);
/* It runs on that node, which its rule did not choose. NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_far_note(const troupe_self *self, struct tr_supervisor *supervisor,
                                          struct tr_child *child, uint64_t node_id);
void tr_far_up(struct tr_supervisor *supervisor, struct tr_child *child);
/* Whether it may start elsewhere, or later. */
bool tr_far_has_no_place(troupe_status status);
/* Tries all that have no place after a while. */
void tr_far_wait(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                 troupe_status status, const char *why);
/* One on this node has ended since its name was refused; answers whether it waits now. */
bool tr_far_refused(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                    troupe_status status);
int tr_supervisor_on_place(troupe_self *self, void *state, const void *message);
/* It has ended by itself: because its node went? */
void tr_far_ended(const troupe_self *self, struct tr_child *child, int32_t kind);
bool tr_far_is_displaced(const struct tr_child *child);
/* Whether the restart of this child was counted with another's. */
bool tr_far_is_counted(struct tr_supervisor *supervisor, struct tr_child *child);
bool tr_far_is_remote(const troupe_self *self, const struct tr_child *child);

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

/* The timer that ends a child's patience: whose, by tr_child_key; 0: of all. */
typedef struct tr_child_late {
    uint64_t key;
} tr_child_late;
extern const troupe_type tr_child_late_type;
/* The timer after which a durable child is looked for again. */
typedef struct tr_child_look {
    uint64_t key;
} tr_child_look;
extern const troupe_type tr_child_look_type;
/* The timer that tries to start again those whose start failed. */
extern const troupe_type tr_child_again_type;
/* The one that tries those that have no place. */
extern const troupe_type tr_child_place_type;

#endif
