/* node/trace.h - what one actor receives, sends and ends with, written down while somebody reads
 * it.
 *
 * The actor writes records into a bounded ring; a reader takes them out. A trace ends when its time
 * is over, when nobody has read it for a while, or with its actor. Only the traced actor pays.
 *
 * Threads: said with each function; one lock for the table, and one for each trace.
 * Memory: traces are counted; held by the node's table and by the actor.
 */
#ifndef TR_NODE_TRACE_H
#define TR_NODE_TRACE_H

#include "node/node.h"

struct tr_trace;

/* The traces of a node. */
struct tr_traces {
    struct tr_mutex mutex;
    struct tr_trace *traces[TR_TRACES_MAX];
    uint64_t next_id;
};

TROUPE_MUST_USE troupe_status tr_traces_create(struct tr_traces **out);
/* After the scheduler has ended. NULL is fine. */
void tr_traces_destroy(struct tr_traces *traces);

/* The port of the scheduler: a traced actor has received, acted on or sent a message, or (message
 * NULL) ends. In the actor. */
void tr_trace_note(void *context, troupe_self *self, enum tr_traced what,
                   const struct tr_message *message);

#endif
