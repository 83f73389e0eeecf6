/* node/names.h - names that actors of this node hold, messages to names, and actors that are saved.
 *
 * names.c reserves names here, registering.c has the registry confirm them; lookup.c finds who
 * holds others; durable.c writes checkpoints behind the signals of durable actors; recovery.c
 * starts what the registry hands over and delivers what waits in the inbox table.
 *
 * Threads: functions that take a troupe_self: the worker that runs it. Others: any, unless said.
 */
#ifndef TR_NODE_NAMES_H
#define TR_NODE_NAMES_H

#include "node/node.h"

/* ---- names.c ---- */
troupe_status tr_names_init(struct troupe_node *node);
void tr_names_fini(struct troupe_node *node);
/* Reserves a name for an actor of this node; *holder is who has it otherwise. OK too while another
 * one is being registered: then it is the actor's by tr_names_turn only. EXISTS, NO_MEMORY. */
troupe_status tr_names_reserve(struct troupe_node *node, const char *name, uint64_t actor_id,
                               bool durable, uint64_t *holder);
/* Takes a name that the registry has given to this node, also from an actor whose own registration
 * is under way: that one will be refused. EXISTS when another actor holds it, NO_MEMORY. */
troupe_status tr_names_claim(struct troupe_node *node, const char *name, uint64_t actor_id);
void tr_names_confirm(struct troupe_node *node, const char *name, uint64_t actor_id,
                      uint64_t epoch);
/* Forgets the name if actor_id holds it; answers its epoch, or 0. */
uint64_t tr_names_release(struct troupe_node *node, const char *name, uint64_t actor_id);
/* A registration that waits for another one of the same name. */
struct tr_rival {
    struct tr_rival *next;
};
/* Whose turn it is to be registered. */
enum tr_name_turn {
    TR_NAME_MINE,
    TR_NAME_TAKEN, /* the registry has given it to the holder */
    TR_NAME_LATER, /* the rival is kept until the present one is decided */
    TR_NAME_NO_MEMORY
};
enum tr_name_turn tr_names_turn(struct troupe_node *node, const char *name, uint64_t actor_id,
                                bool durable, struct tr_rival *rival,
                                struct tr_name_result *holder);

/* The actor has ended: its name goes, or stays as the row of a durable actor. */
void tr_names_ended(void *context, struct tr_actor *actor, int32_t reason_kind);
void tr_names_unnamed(void *context, uint64_t actor_id, const char *name, uint64_t epoch);
/* What gives a name up in the registry. It is made with the name, so that no want of memory leaves
 * the name with an actor that has ended. NULL: no memory. destroy(NULL) is allowed. unregister.c.
 */
struct tr_farewell;
struct tr_farewell *tr_farewell_create(struct troupe_node *node, const char *name);
void tr_farewell_destroy(struct tr_farewell *farewell);
/* Gives the name of that epoch up, whoever waits for that: the actor is answered by ref, 0 is
 * nobody, and then it takes as long as the database is away. Takes the farewell. CLOSED. Any
 * thread. */
troupe_status tr_farewell_say(struct tr_farewell *farewell, uint64_t epoch, uint64_t actor_id,
                              uint64_t ref);
/* Who of this node holds the name; 0: nobody. */
uint64_t tr_names_local(struct troupe_node *node, const char *name);
/* The name of an actor of this node, "" when it has none, and whether it is durable by it. Looks
 * through all names. */
void tr_names_of(struct troupe_node *node, uint64_t actor_id, char name[TR_NAME_SIZE_MAX + 1],
                 bool *durable);
/* The epoch by which this node holds the name; 0: it does not. */
uint64_t tr_names_epoch(struct troupe_node *node, const char *name);
bool tr_names_resolve(void *context, struct tr_message *message);
void tr_names_stray(void *context, struct tr_message *message);
void tr_names_returned(struct troupe_node *node, struct tr_message *message);
/* A wait of the actor for an operation of the node. NULL: no memory. */
struct tr_wait *tr_names_wait(troupe_self *self, uint32_t timeout_ms, troupe_then then,
                              uint64_t tag);
/* Looks the paused names up again after a while. Loop thread. */
void tr_lookup_pause(struct troupe_node *node);
void tr_lookup_on_pause_over(void *context);
/* Tells an actor how its operation ended, from the loop thread. */
void tr_names_answer(struct troupe_node *node, uint64_t actor_id, uint64_t ref,
                     troupe_status status, troupe_pid pid, const char *text);
/* The flags of an actor that is spawned so. */
uint16_t tr_spawn_actor_flags(const struct tr_spawn_request *request);
const char *tr_checkpoint_name(int32_t checkpoint);
int32_t tr_checkpoint_of(const char *name);

/* ---- registering.c ---- */
/* What waited for a name that is decided, or free, takes its turn. Takes the list. Any thread. */
void tr_rivals_go_on(struct tr_rival *rivals);
void tr_rivals_free(struct tr_rival *rivals);
/* Registers the actor that runs. NO_MEMORY. */
troupe_status tr_names_register_self(troupe_self *self, const char *name, uint32_t timeout_ms,
                                     uint64_t ref);
/* Registers a new actor's name, which it reserved; the actor is held until that is decided, and the
 * request's caller, if any, is answered then. */
troupe_status tr_names_register_spawned(struct troupe_node *node, struct tr_actor *actor,
                                        const struct tr_spawn_request *request);

/* ---- durable.c ---- */
troupe_status tr_durable_attach(struct troupe_node *node, struct tr_actor *actor,
                                int32_t checkpoint, uint32_t checkpoint_ms, bool strict,
                                uint64_t seq);
bool tr_durable_checkpoint(void *context, troupe_self *self, bool ending);
bool tr_durable_committed(void *context, troupe_self *self, uint64_t outcome);
void tr_durable_inbox_handled(void *context, troupe_self *self, uint64_t row_id);
/* ---- recovery.c ---- */
/* Tells the holder of a name that rows wait in its inbox. Loop thread. */
void tr_durable_hint(struct troupe_node *node, const char *name);
void tr_durable_on_orphan(struct troupe_node *node, const struct tr_orphan *row);
void tr_durable_inbox_failed(void *context, troupe_self *self, uint64_t row_id, const char *why);
void tr_durable_on_inbox(struct troupe_node *node, const struct tr_inbox_row *rows, size_t count);
/* The first state of a durable actor as JSON; gives *json (malloc). */
troupe_status tr_durable_state_json(const struct tr_actor *actor, char **json, char *error,
                                    size_t error_size);
void tr_durable_free(void *record);

/* ---- adopt.c ---- */
/* Set in the flags of a spawn by who looks itself for the actor behind a name that is refused. */
#define TR_SPAWN_LOOKS (1U << 27)
/* Set in the flags of a request to another node: not to start an actor but to find the one behind
 * the durable name there, as tr_adopt_find does, and link it to the caller. */
#define TR_SPAWN_ADOPTS (1U << 26)
struct tr_adopter;
/* Looks for the actor behind a durable name, for a supervisor. then gets its pid; NOT_FOUND: nobody
 * has the name; AGAIN and what look-ups end with: look again later; FAILED: its row is ours and it
 * does not start. One that has failed on this node is started from its row; it, and one that runs
 * here without a supervisor, is linked to the caller when then runs. NO_MEMORY. Actor only. */
TROUPE_MUST_USE troupe_status tr_adopt_find(troupe_self *self, const char *name, troupe_then then,
                                            uint64_t tag);
/* Who waits for this row; NULL: nobody. Loop thread. */
struct tr_adopter *tr_adopt_take(struct troupe_node *node, const char *name);
troupe_pid tr_adopter_pid(const struct tr_adopter *adopter);
uint32_t tr_adopter_session(const struct tr_adopter *adopter);
/* A request of another node's supervisor with TR_SPAWN_ADOPTS. It is answered as a spawn is: OK,
 * with a link; EXISTS: somebody else runs it, its pid says who; FAILED: its row is here and it does
 * not start; AGAIN and others: look again later. */
void tr_adopt_serve(struct troupe_node *node, const struct tr_spawn_request *request,
                    uint32_t session);
/* The actor runs, linked to the supervisor. Takes the adopter. In the agent. */
void tr_adopted(troupe_self *self, struct tr_adopter *adopter, troupe_pid pid);
/* It does not. Takes the adopter. Any thread. */
void tr_adopter_answer(struct tr_adopter *adopter, troupe_status status, troupe_pid pid,
                       const char *text);
/* A durable actor has ended and its row stays: nobody may read there that it runs. Any thread. */
void tr_adopt_stopped(struct troupe_node *node, const char *name, uint64_t epoch);
void tr_adopt_fini(struct troupe_node *node);

#endif
