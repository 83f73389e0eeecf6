/* pg/queues.h - what waits to be written or read: operations on names, steps, failed messages.
 *
 * Threads: loop thread. Memory: operations and failures are the queue's; steps are lent.
 */
#ifndef REG_PG_QUEUES_H
#define REG_PG_QUEUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dist/names.h"

/* More than this waiting is answered at once: the database is far behind or away. */
enum { REG_QUEUE_MAX = 200 * 1000 };

enum reg_name_kind { REG_NAME_REGISTER, REG_NAME_UNREGISTER, REG_NAME_STARTED, REG_NAME_LOOKUP };

struct reg_name_op {
    enum reg_name_kind kind;
    struct tr_name_register request; /* name, actor_id, deadline_ns, done, context for every kind */
    uint64_t epoch;                  /* of UNREGISTER and STARTED */
    char *own_name;                  /* a copy, once the request's strings are no longer ours */
    bool answered;                   /* at its deadline; the true outcome is still to come */
    bool tried;                      /* sent before, and the answer got lost */
    bool alone;                      /* send it by itself: something in its batch was refused */
    bool settles;                    /* a look-up of ours, see reg_names_settle */
    struct tr_name_result late;      /* what to answer at the next tick */
    struct reg_name_op *next;
};

struct reg_name_queue {
    struct reg_name_op *head;
    struct reg_name_op *tail;
    size_t count;
    struct reg_name_op *sent; /* the batch under way, in order */
};

void reg_name_queue_push(struct reg_name_queue *queue, struct reg_name_op *op);
void reg_name_queue_push_front(struct reg_name_queue *queue, struct reg_name_op *op);

/* Moves up to max operations to `sent`, one that must go alone by itself; answers how many. */
size_t reg_name_queue_send(struct reg_name_queue *queue, size_t max);

/* Takes the batch under way. */
struct reg_name_op *reg_name_queue_take_sent(struct reg_name_queue *queue);

/* Puts a batch back to the front, in its order. */
void reg_name_queue_return(struct reg_name_queue *queue, struct reg_name_op *batch);

void reg_name_op_free(struct reg_name_op *op);

/* Calls the operation's done, if it was not called yet. */
void reg_name_op_answer(struct reg_name_op *op, const struct tr_name_result *result);

struct reg_step_queue {
    struct tr_step *head;
    struct tr_step *tail;
    size_t count;
    struct tr_step *suspects; /* from a batch that was refused as a whole: sent one by one */
    struct tr_step *sent;
};

void reg_step_queue_push(struct reg_step_queue *queue, struct tr_step *step);

/* Moves the next batch to `sent`: one suspect, or steps up to both bounds, at least one. */
size_t reg_step_queue_send(struct reg_step_queue *queue, size_t max, size_t bytes_max);
struct tr_step *reg_step_queue_take_sent(struct reg_step_queue *queue);

/* Puts a batch back to the front; as suspects when one of them may be bad. */
void reg_step_queue_return(struct reg_step_queue *queue, struct tr_step *batch, bool suspects);

/* What the step takes on the wire, about. */
size_t reg_step_size(const struct tr_step *step);

struct reg_fail {
    uint64_t epoch;
    uint64_t id;
    char *name;
    char *error;
    struct reg_fail *next;
};

struct reg_fail_queue {
    struct reg_fail *head;
    struct reg_fail *tail;
};

void reg_fail_queue_push(struct reg_fail_queue *queue, struct reg_fail *fail);
struct reg_fail *reg_fail_queue_pop(struct reg_fail_queue *queue);
void reg_fail_queue_push_front(struct reg_fail_queue *queue, struct reg_fail *fail);
void reg_fail_free(struct reg_fail *fail);

#endif
