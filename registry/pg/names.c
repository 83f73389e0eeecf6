/* Operations on names: taking them in, answering them in time, ending them. name_batches.c sends
 * them. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "pg/parts.h"

static struct reg_name_queue *queue_of(struct node_registry *registry, enum reg_name_kind kind)
{
    switch (kind) {
    case REG_NAME_REGISTER:
        return &registry->registers;
    case REG_NAME_UNREGISTER:
        return &registry->unregisters;
    case REG_NAME_STARTED:
        return &registry->starteds;
    case REG_NAME_LOOKUP:
        break;
    }
    return &registry->lookups;
}

/* Has the operation answered at the next tick: never inside the call that brought it. */
static void answer_later(struct node_registry *registry, struct reg_name_op *op,
                         troupe_status status, const char *text)
{
    op->late = (struct tr_name_result){.status = status, .text = text};
    reg_name_queue_push(&registry->late, op);
    reg_wake_at(registry, reg_now(registry));
}

static bool is_text(const char *text)
{
    return text == NULL || tr_utf8_is_valid(text, strlen(text));
}

/* Answers why the request cannot be sent at all, or NULL. A text that is not UTF-8 would make the
 * server refuse everybody else's in the same batch. */
static const char *find_fault(const struct reg_name_op *op)
{
    const struct tr_name_register *request = &op->request;

    if (request->name == NULL || request->name[0] == '\0' || !is_text(request->name)) {
        return "the name is empty or not UTF-8";
    }
    if (!is_text(request->behavior) || !is_text(request->checkpoint) ||
        !is_text(request->state_json) || !is_text(request->options_json)) {
        return "a text is not UTF-8";
    }
    return NULL;
}

static void take_in(struct node_registry *registry, struct reg_name_op *op)
{
    struct reg_name_queue *queue = queue_of(registry, op->kind);
    const char *fault = find_fault(op);

    if (fault != NULL) {
        answer_later(registry, op, TROUPE_E_INVALID, fault);
    } else if (registry->phase == REG_PHASE_FENCED) {
        answer_later(registry, op, TROUPE_E_FENCED, "this node was declared dead");
    } else if (registry->phase == REG_PHASE_STOPPED || registry->phase == REG_PHASE_FAILED) {
        answer_later(registry, op, TROUPE_E_REGISTRY, "the registry has stopped");
    } else if (queue->count >= REG_QUEUE_MAX) {
        answer_later(registry, op, TROUPE_E_REGISTRY, "too many operations wait for the database");
    } else {
        reg_name_queue_push(queue, op);
        if (op->request.deadline_ns < registry->op_deadline_ns) {
            registry->op_deadline_ns = op->request.deadline_ns;
            reg_wake_at(registry, op->request.deadline_ns);
        }
        if (op->kind == REG_NAME_LOOKUP) {
            reg_reader_pump(registry);
        } else {
            reg_writer_pump(registry);
        }
    }
}

void reg_names_submit(struct node_registry *registry, enum reg_name_kind kind,
                      const struct tr_name_register *request, uint64_t epoch)
{
    struct reg_name_op *op = calloc(1, sizeof(*op));

    if (op == NULL) {
        /* There is nothing left to remember it by: the one answer that comes inside the call. */
        const struct tr_name_result result = {.status = TROUPE_E_NO_MEMORY, .text = ""};

        request->done(request->context, &result);
        return;
    }
    op->kind = kind;
    op->request = *request;
    op->epoch = epoch;
    take_in(registry, op);
}

/* ---- our own operations, whose callers have been answered ---- */

/* An operation that nobody waits for. */
static struct reg_name_op *make_silent(enum reg_name_kind kind, const char *name, uint64_t actor_id)
{
    struct reg_name_op *op = calloc(1, sizeof(*op));

    if (op == NULL) {
        return NULL;
    }
    op->own_name = strdup(name);
    if (op->own_name == NULL) {
        free(op);
        return NULL;
    }
    op->kind = kind;
    op->request.name = op->own_name;
    op->request.actor_id = actor_id;
    op->request.deadline_ns = INT64_MAX;
    op->answered = true;
    return op;
}

void reg_names_release(struct node_registry *registry, const char *name, uint64_t epoch)
{
    struct reg_name_op *op = make_silent(REG_NAME_UNREGISTER, name, 0);

    if (op == NULL) {
        reg_log(registry, TROUPE_LOG_ERROR, "out of memory: a name stays registered by mistake");
        return;
    }
    op->epoch = epoch;
    reg_name_queue_push_front(&registry->unregisters, op);
}

void reg_names_settle(struct node_registry *registry, const struct reg_name_op *op)
{
    struct reg_name_op *look = make_silent(REG_NAME_LOOKUP, op->request.name, op->request.actor_id);

    if (look == NULL) {
        reg_log(registry, TROUPE_LOG_ERROR, "out of memory: a name may stay registered by mistake");
        return;
    }
    look->settles = true;
    reg_name_queue_push(&registry->lookups, look);
}

/* ---- deadlines ---- */

/* Answers an operation whose time is up. False: nothing more is to be done with it. */
static bool expire(struct reg_name_op *op, bool sent)
{
    const bool may_be_done = (sent || op->tried) && op->kind != REG_NAME_LOOKUP;
    const struct tr_name_result result = {
        .status = may_be_done ? TROUPE_E_UNKNOWN : TROUPE_E_REGISTRY,
        .text = "the database did not answer in time",
    };

    if (may_be_done) {
        /* The caller takes its strings back, and we still need the name. */
        op->own_name = strdup(op->request.name);
    }
    op->request.name = op->own_name == NULL ? "" : op->own_name;
    reg_name_op_answer(op, &result);
    return may_be_done && op->own_name != NULL;
}

static int64_t expire_sent(struct reg_name_queue *queue, int64_t now_ns)
{
    int64_t next_ns = INT64_MAX;

    for (struct reg_name_op *op = queue->sent; op != NULL; op = op->next) {
        if (op->answered) {
            continue;
        }
        if (op->request.deadline_ns <= now_ns) {
            (void)expire(op, true);
        } else if (op->request.deadline_ns < next_ns) {
            next_ns = op->request.deadline_ns;
        }
    }
    return next_ns;
}

/* Registrations that were tried are settled by a look at the name; everything else that may be
 * half done goes on without a caller. */
static void expire_waiting_one(struct node_registry *registry, struct reg_name_queue *queue,
                               struct reg_name_op *op)
{
    const bool goes_on = expire(op, false);

    if (goes_on && op->kind != REG_NAME_REGISTER) {
        reg_name_queue_push(queue, op);
        return;
    }
    if (goes_on) {
        reg_names_settle(registry, op);
    }
    reg_name_op_free(op);
}

static int64_t expire_waiting(struct node_registry *registry, struct reg_name_queue *queue,
                              int64_t now_ns)
{
    struct reg_name_op *op = queue->head;
    int64_t next_ns = INT64_MAX;

    queue->head = NULL;
    queue->tail = NULL;
    queue->count = 0;
    while (op != NULL) {
        struct reg_name_op *next = op->next;

        if (!op->answered && op->request.deadline_ns <= now_ns) {
            expire_waiting_one(registry, queue, op);
        } else {
            reg_name_queue_push(queue, op);
            if (!op->answered && op->request.deadline_ns < next_ns) {
                next_ns = op->request.deadline_ns;
            }
        }
        op = next;
    }
    return next_ns;
}

static void answer_late(struct node_registry *registry)
{
    struct reg_name_op *op = registry->late.head;

    registry->late = (struct reg_name_queue){0};
    while (op != NULL) {
        struct reg_name_op *next = op->next;

        reg_name_op_answer(op, &op->late);
        reg_name_op_free(op);
        op = next;
    }
}

int64_t reg_names_tick(struct node_registry *registry, int64_t now_ns)
{
    static const enum reg_name_kind kinds[] = {REG_NAME_REGISTER, REG_NAME_UNREGISTER,
                                               REG_NAME_STARTED, REG_NAME_LOOKUP};
    int64_t next_ns = INT64_MAX;

    answer_late(registry);
    if (now_ns < registry->op_deadline_ns) {
        return registry->op_deadline_ns;
    }
    /* Answers may bring new operations, which lower op_deadline_ns again by themselves. */
    registry->op_deadline_ns = INT64_MAX;
    for (size_t index = 0; index < sizeof(kinds) / sizeof(kinds[0]); index++) {
        struct reg_name_queue *queue = queue_of(registry, kinds[index]);
        const int64_t sent_ns = expire_sent(queue, now_ns);
        const int64_t waiting_ns = expire_waiting(registry, queue, now_ns);

        next_ns = sent_ns < next_ns ? sent_ns : next_ns;
        next_ns = waiting_ns < next_ns ? waiting_ns : next_ns;
    }
    if (next_ns < registry->op_deadline_ns) {
        registry->op_deadline_ns = next_ns;
    }
    return registry->op_deadline_ns;
}

/* ---- the end ---- */

static void end_list(struct reg_name_op *op, troupe_status status, const char *text)
{
    while (op != NULL) {
        struct reg_name_op *next = op->next;
        const struct tr_name_result result = {
            .status = status == TROUPE_E_REGISTRY && op->tried && op->kind != REG_NAME_LOOKUP
                          ? TROUPE_E_UNKNOWN
                          : status,
            .text = text,
        };

        reg_name_op_answer(op, &result);
        reg_name_op_free(op);
        op = next;
    }
}

void reg_names_end(struct node_registry *registry, troupe_status status, const char *text)
{
    struct reg_name_queue *queues[] = {&registry->registers, &registry->unregisters,
                                       &registry->starteds, &registry->lookups, &registry->late};

    for (size_t index = 0; index < sizeof(queues) / sizeof(queues[0]); index++) {
        struct reg_name_op *sent = reg_name_queue_take_sent(queues[index]);
        struct reg_name_op *waiting = queues[index]->head;

        *queues[index] = (struct reg_name_queue){0};
        end_list(sent, status, text);
        end_list(waiting, status, text);
    }
}
