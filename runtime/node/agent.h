/* node/agent.h - other threads act through a system actor, the agent.
 *
 *     struct my_ask { struct tr_ask ask; ... } ask = {.ask = {.function = run}};
 *     tr_agent_ask(node, &ask.ask)       run(self, &ask.ask) in the agent ... tr_ask_done(&ask.ask)
 *
 * Threads: asks from any thread but an actor's; functions run in the agent.
 * Memory: an ask lives on the asker's stack.
 */
#ifndef TR_NODE_AGENT_H
#define TR_NODE_AGENT_H

#include "node/node.h"

/* The head of what an asking thread keeps on its stack. */
struct tr_ask {
    struct tr_mutex mutex;
    struct tr_cond cond;
    void (*function)(troupe_self *self, struct tr_ask *ask);
    troupe_status status; /* what became of it, and of which actor it tells, where it does */
    troupe_pid pid;
    bool done;
    bool refused; /* the agent has ended: the function was not run */
};

troupe_status tr_agent_start(struct troupe_node *node);
/* Runs ask->function in the agent and waits until tr_ask_done was called for it, which what the
 * function starts must bring about in bounded time. Answers ask->status; NO_MEMORY or CLOSED when
 * the function was not run. Not from an actor. */
TROUPE_MUST_USE troupe_status tr_agent_ask(struct troupe_node *node, struct tr_ask *ask);
/* Ends the asks under way with TROUPE_E_CLOSED and refuses further ones. Does not block. */
void tr_agent_close(struct troupe_node *node);
/* Sends a message in the name of the agent. Takes it; NULL is TROUPE_E_NO_MEMORY. */
troupe_status tr_agent_post(struct troupe_node *node, troupe_pid to, struct tr_message *message);
/* Ends the wait; the ask must not be touched afterwards. */
void tr_ask_done(struct tr_ask *ask);
/* A continuation whose tag is the address of an ask: keeps status and pid in it and ends it. */
int tr_ask_then(troupe_self *self, void *state, const troupe_result *result);
/* Starts an asynchronous operation of the agent whose continuation is then with tag. */
typedef troupe_status (*tr_agent_begin)(troupe_self *self, troupe_then then, uint64_t tag,
                                        const void *context);
/* Runs begin in the agent and waits for the operation, as troupe_node_call does. Not from an actor.
 */
TROUPE_MUST_USE troupe_status tr_agent_call(struct troupe_node *node, tr_agent_begin begin,
                                            const void *context, troupe_result *result);

#endif
