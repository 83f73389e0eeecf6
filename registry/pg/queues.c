#include "pg/queues.h"

#include <stdlib.h>
#include <string.h>

void reg_name_queue_push(struct reg_name_queue *queue, struct reg_name_op *op)
{
    op->next = NULL;
    if (queue->tail == NULL) {
        queue->head = op;
    } else {
        queue->tail->next = op;
    }
    queue->tail = op;
    queue->count++;
}

void reg_name_queue_push_front(struct reg_name_queue *queue, struct reg_name_op *op)
{
    op->next = queue->head;
    queue->head = op;
    if (queue->tail == NULL) {
        queue->tail = op;
    }
    queue->count++;
}

size_t reg_name_queue_send(struct reg_name_queue *queue, size_t max)
{
    struct reg_name_op **end = &queue->sent;
    size_t count = 0;

    while (queue->head != NULL && count < max && !(queue->head->alone && count > 0)) {
        struct reg_name_op *op = queue->head;

        queue->head = op->next;
        queue->count--;
        op->next = NULL;
        *end = op;
        end = &op->next;
        count++;
        max = op->alone ? 1 : max;
    }
    if (queue->head == NULL) {
        queue->tail = NULL;
    }
    return count;
}

struct reg_name_op *reg_name_queue_take_sent(struct reg_name_queue *queue)
{
    struct reg_name_op *batch = queue->sent;

    queue->sent = NULL;
    return batch;
}

void reg_name_queue_return(struct reg_name_queue *queue, struct reg_name_op *batch)
{
    struct reg_name_op *last = batch;
    size_t count = 1;

    if (batch == NULL) {
        return;
    }
    while (last->next != NULL) {
        last = last->next;
        count++;
    }
    last->next = queue->head;
    queue->head = batch;
    if (queue->tail == NULL) {
        queue->tail = last;
    }
    queue->count += count;
}

void reg_name_op_free(struct reg_name_op *op)
{
    free(op->own_name);
    free(op);
}

void reg_name_op_answer(struct reg_name_op *op, const struct tr_name_result *result)
{
    if (!op->answered) {
        op->answered = true;
        if (op->request.done != NULL) {
            op->request.done(op->request.context, result);
        }
    }
}

/* ---- steps ---- */

void reg_step_queue_push(struct reg_step_queue *queue, struct tr_step *step)
{
    step->next = NULL;
    if (queue->tail == NULL) {
        queue->head = step;
    } else {
        queue->tail->next = step;
    }
    queue->tail = step;
    queue->count++;
}

size_t reg_step_size(const struct tr_step *step)
{
    size_t size = 64 + strlen(step->name) + 8 * step->handled_count;

    if (step->state_json != NULL) {
        size += strlen(step->state_json);
    }
    for (size_t index = 0; index < step->outgoing_count; index++) {
        const struct tr_outgoing *outgoing = &step->outgoing[index];

        size += 16 + strlen(outgoing->to) + strlen(outgoing->type) + strlen(outgoing->payload_json);
    }
    return size;
}

size_t reg_step_queue_send(struct reg_step_queue *queue, size_t max, size_t bytes_max)
{
    struct tr_step **end = &queue->sent;
    size_t count = 0;
    size_t bytes = 0;

    if (queue->suspects != NULL) {
        queue->sent = queue->suspects;
        queue->suspects = queue->sent->next;
        queue->sent->next = NULL;
        queue->count--;
        return 1;
    }
    while (queue->head != NULL && count < max) {
        struct tr_step *step = queue->head;

        bytes += reg_step_size(step);
        if (count > 0 && bytes > bytes_max) {
            break;
        }
        queue->head = step->next;
        queue->count--;
        step->next = NULL;
        *end = step;
        end = &step->next;
        count++;
    }
    if (queue->head == NULL) {
        queue->tail = NULL;
    }
    return count;
}

struct tr_step *reg_step_queue_take_sent(struct reg_step_queue *queue)
{
    struct tr_step *batch = queue->sent;

    queue->sent = NULL;
    return batch;
}

void reg_step_queue_return(struct reg_step_queue *queue, struct tr_step *batch, bool suspects)
{
    struct tr_step *last = batch;
    size_t count = 1;

    if (batch == NULL) {
        return;
    }
    while (last->next != NULL) {
        last = last->next;
        count++;
    }
    queue->count += count;
    if (suspects) {
        last->next = queue->suspects;
        queue->suspects = batch;
        return;
    }
    last->next = queue->head;
    queue->head = batch;
    if (queue->tail == NULL) {
        queue->tail = last;
    }
}

/* ---- failed messages ---- */

void reg_fail_queue_push(struct reg_fail_queue *queue, struct reg_fail *fail)
{
    fail->next = NULL;
    if (queue->tail == NULL) {
        queue->head = fail;
    } else {
        queue->tail->next = fail;
    }
    queue->tail = fail;
}

void reg_fail_queue_push_front(struct reg_fail_queue *queue, struct reg_fail *fail)
{
    fail->next = queue->head;
    queue->head = fail;
    if (queue->tail == NULL) {
        queue->tail = fail;
    }
}

struct reg_fail *reg_fail_queue_pop(struct reg_fail_queue *queue)
{
    struct reg_fail *fail = queue->head;

    if (fail != NULL) {
        queue->head = fail->next;
        if (queue->head == NULL) {
            queue->tail = NULL;
        }
    }
    return fail;
}

void reg_fail_free(struct reg_fail *fail)
{
    free(fail->name);
    free(fail->error);
    free(fail);
}
