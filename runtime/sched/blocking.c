/* Functions of actors that block, on threads beside the workers. */
#include <stdlib.h>

#include "sched/self.h"
#include "sync/crew.h"
#include "troupe/blocking.h"

struct blocking {
    struct tr_job job; /* first */
    struct tr_sched *sched;
    struct tr_message *message; /* by which it comes back; made at the start, so that it does */
    uint64_t actor_id;
    troupe_blocking_fn function;
    void *context;
    troupe_blocking_release release;
    troupe_then then;
    uint64_t tag;
    int answer;
};

static void blocking_free(struct blocking *blocking)
{
    if (blocking->release != NULL) {
        blocking->release(blocking->context);
    }
    free(blocking);
}

static void run(struct tr_job *job)
{
    struct blocking *blocking = (struct blocking *)job;

    blocking->answer = blocking->function(blocking->context);
}

/* In the actor, or with NULL when it has ended. */
static void come_back(troupe_self *self, void *context)
{
    struct blocking *blocking = context;

    if (self != NULL && blocking->then != NULL) {
        const troupe_result result = {
            .status = blocking->answer < 0 ? (troupe_status)blocking->answer : TROUPE_OK,
            .tag = blocking->tag,
            .pid = tr_self_pid(self),
            .value = blocking->context,
            .reason = {.kind = TROUPE_REASON_NORMAL, .text = ""}};

        self->actor->flags |= TR_ACTOR_DIRTY;
        tr_self_answer(self, blocking->then(self, self->actor->state, &result));
    }
    blocking_free(blocking);
}

static void finish(struct tr_job *job)
{
    struct blocking *blocking = (struct blocking *)job;
    struct tr_sched *sched = blocking->sched;
    struct tr_message *message = blocking->message;

    *(struct tr_run *)(void *)message->payload =
        (struct tr_run){.function = come_back, .context = blocking};
    message->to = (troupe_pid){.node = tr_sched_node_id(sched), .id = blocking->actor_id};
    (void)tr_sched_post(sched, NULL, message); /* An actor that has ended: come_back is told. */
}

static void leave(struct tr_job *job)
{
    struct blocking *blocking = (struct blocking *)job;

    tr_message_destroy(&blocking->sched->shared_cache, blocking->message);
    blocking->message = NULL;
    blocking->sched = NULL;
}

static void drop(struct tr_job *job)
{
    struct blocking *blocking = (struct blocking *)job;

    if (blocking->message != NULL) {
        leave(job);
    }
    blocking_free(blocking);
}

/* Runs it here, where there are no threads: whoever plays the workers wants one order. */
static troupe_status run_here(struct blocking *blocking)
{
    run(&blocking->job);
    finish(&blocking->job);
    return TROUPE_OK;
}

troupe_status troupe_blocking(troupe_self *self, troupe_blocking_fn function, void *context,
                              troupe_blocking_release release, troupe_then then, uint64_t tag)
{
    struct tr_sched *sched = self->sched;

    if (function == NULL) {
        return TROUPE_E_INVALID;
    }
    struct blocking *blocking = malloc(sizeof(*blocking));
    struct tr_message *message =
        tr_message_create(&self->worker->cache, TR_SIGNAL_RUN, sizeof(struct tr_run));
    troupe_status status = TROUPE_E_NO_MEMORY;

    if (blocking != NULL && message != NULL) {
        *blocking =
            (struct blocking){.job = {.run = run, .finish = finish, .drop = drop, .leave = leave},
                              .sched = sched,
                              .message = message,
                              .actor_id = self->id,
                              .function = function,
                              .context = context,
                              .release = release,
                              .then = then,
                              .tag = tag};
        status =
            sched->crew == NULL ? run_here(blocking) : tr_crew_submit(sched->crew, &blocking->job);
    }
    if (status != TROUPE_OK) {
        if (message != NULL) {
            tr_message_destroy(&self->worker->cache, message);
        }
        free(blocking);
    }
    return status;
}
