/* support/deceived.h - a real node with actors that note what they are told, and a member that
 * deceives it: its packets are written by the test, byte by byte.
 *
 * Behind each forgery the test says something honest (mark): when that was handled, the forgery was
 * judged. Threads: the test's.
 */
#ifndef TESTS_SUPPORT_DECEIVED_H
#define TESTS_SUPPORT_DECEIVED_H

#include <stdint.h>

#include "core/message.h"
#include "support/fake_registry.h"
#include "support/rogue.h"
#include "sync/thread.h"
#include "troupe/troupe.h"

enum { DEADLINE_MS = 20000, EVIL_ACTOR = 5 };

/* What the actors have seen, all together. */
struct deceived_seen {
    struct tr_mutex mutex;
    struct tr_cond changed;
    int64_t numbers;
    int64_t sum;
    int64_t last;
    int64_t news; /* exits, downs, nodes, time-outs, groups */
    int64_t results;
    troupe_status status; /* of the last result */
    troupe_pid pid;
    int64_t value;
};

extern struct fake_cluster *cluster;
extern troupe_node *node;
extern uint64_t node_id;
extern struct rogue rogue;
extern struct tr_pool_cache cache;
extern struct deceived_seen seen;

/* cmocka's setup and teardown of a test. */
int deceived_begin(void **state);
int deceived_end(void **state);

/* ---- the honest node ---- */
troupe_pid spawn(const char *name);
/* The actor sends the number to the name; a negative one it calls with. */
void order_to_name(troupe_pid actor, const char *name, int64_t value);
/* The caller asks the callee, which says nothing; waits until it has been asked. */
void order_request(troupe_pid caller, troupe_pid callee);
/* The caller asks an actor of another node. */
void order_call(troupe_pid caller, troupe_pid callee);
/* The callee answers with 4711, or fails. */
void order_answer(troupe_pid callee);
void order_fall(troupe_pid callee);
/* The actor has another started on the member of that name, and linked to it. */
void order_spawn(troupe_pid actor, const char *member, uint32_t timeout_ms);
/* Waits until a count of `seen` has come so far. */
void await(const int64_t *count, int64_t least);
void seen_changed(void); /* with its lock, which it gives back */
uint64_t refused(void);

/* ---- the rogue ---- */
troupe_pid evil(void);
struct tr_message *number_in(enum tr_signal_kind signal, int64_t value);
struct tr_message *value_in(enum tr_signal_kind signal, const troupe_type *type,
                            const void *content);
struct tr_message *reason_in(enum tr_signal_kind signal);
void say_by(struct rogue *who, struct tr_message *message, troupe_pid from, troupe_pid to,
            uint64_t ref);
void say(struct tr_message *message, troupe_pid from, troupe_pid to, uint64_t ref);
void mark(troupe_pid to);

#endif
