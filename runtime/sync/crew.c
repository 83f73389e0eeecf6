#include "sync/crew.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "sync/thread.h"

struct member {
    struct tr_crew *crew;
    struct tr_thread thread;
    struct tr_job *job; /* that is in run */
};

struct tr_crew {
    struct tr_mutex mutex; /* everything below */
    struct tr_cond work;   /* something waits, or the crew closes */
    struct tr_cond rest;   /* a job has come back */
    struct tr_job *head;   /* oldest first */
    struct tr_job *tail;
    uint32_t waiting;
    uint32_t queue_max;
    uint32_t running;   /* jobs in run */
    uint32_t finishing; /* jobs in finish */
    uint32_t alive;     /* threads */
    uint32_t idle;      /* those that wait for work and have not been promised any */
    bool closed;
    bool left; /* nobody waits for the threads: the last one frees all */
    uint32_t members_max;
    uint32_t members_count;
    struct member members[];
};

troupe_status tr_crew_create(uint32_t threads_max, uint32_t queue_max, struct tr_crew **out)
{
    struct tr_crew *crew = calloc(1, sizeof(*crew) + threads_max * sizeof(crew->members[0]));

    if (crew == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    tr_mutex_init(&crew->mutex);
    tr_cond_init(&crew->work);
    tr_cond_init(&crew->rest);
    crew->queue_max = queue_max;
    crew->members_max = threads_max;
    *out = crew;
    return TROUPE_OK;
}

static void crew_free(struct tr_crew *crew)
{
    tr_cond_fini(&crew->rest);
    tr_cond_fini(&crew->work);
    tr_mutex_fini(&crew->mutex);
    free(crew);
}

static struct tr_job *pop(struct tr_crew *crew)
{
    struct tr_job *job = crew->head;

    if (job != NULL) {
        crew->head = job->next;
        crew->tail = crew->head == NULL ? NULL : crew->tail;
        crew->waiting--;
    }
    return job;
}

/* Runs one job and gives it back. With the mutex, which is free meanwhile. */
static void work_off(struct tr_crew *crew, struct member *member, struct tr_job *job)
{
    member->job = job;
    crew->running++;
    tr_mutex_unlock(&crew->mutex);
    job->run(job);
    tr_mutex_lock(&crew->mutex);
    member->job = NULL;
    crew->running--;
    const bool left = crew->left;

    crew->finishing++; /* Until this is over the crew's owner stays. */
    tr_mutex_unlock(&crew->mutex);
    if (left) {
        job->drop(job);
    } else {
        job->finish(job);
    }
    tr_mutex_lock(&crew->mutex);
    crew->finishing--;
    tr_cond_broadcast(&crew->rest);
}

static void member_main(void *context)
{
    struct member *member = context;
    struct tr_crew *crew = member->crew;

    tr_mutex_lock(&crew->mutex);
    while (!crew->closed) {
        struct tr_job *job = pop(crew);

        if (job != NULL) {
            work_off(crew, member, job);
            continue;
        }
        crew->idle++;
        tr_cond_wait(&crew->work, &crew->mutex);
        crew->idle--;
    }
    crew->alive--;
    const bool last = crew->left && crew->alive == 0;

    tr_mutex_unlock(&crew->mutex);
    if (last) {
        crew_free(crew);
    }
}

/* Starts one more thread when none has time. With the mutex. */
static troupe_status reinforce(struct tr_crew *crew)
{
    if (crew->idle > crew->waiting || crew->members_count == crew->members_max) {
        return TROUPE_OK;
    }
    struct member *member = &crew->members[crew->members_count];

    member->crew = crew;
    const troupe_status status =
        tr_thread_start(&member->thread, "troupe-blocking", member_main, member);

    if (status == TROUPE_OK) {
        crew->members_count++;
        crew->alive++;
    }
    /* With some threads the job has its turn all the same. */
    return crew->members_count > 0 ? TROUPE_OK : status;
}

troupe_status tr_crew_submit(struct tr_crew *crew, struct tr_job *job)
{
    tr_mutex_lock(&crew->mutex);
    troupe_status status = crew->closed                       ? TROUPE_E_CLOSED
                           : crew->waiting >= crew->queue_max ? TROUPE_E_BUSY
                                                              : reinforce(crew);

    if (status == TROUPE_OK) {
        job->next = NULL;
        if (crew->tail == NULL) {
            crew->head = job;
        } else {
            crew->tail->next = job;
        }
        crew->tail = job;
        crew->waiting++;
        tr_cond_signal(&crew->work);
    }
    tr_mutex_unlock(&crew->mutex);
    return status;
}

/* Waits for what runs. With the mutex. */
static void wait_for_rest(struct tr_crew *crew, uint32_t timeout_ms)
{
    const struct tr_clock *clock = &tr_clock_system;
    const int64_t until = tr_clock_now(clock) + (int64_t)timeout_ms * TR_NS_PER_MS;

    while (crew->running > 0) {
        const int64_t left_ns = until - tr_clock_now(clock);

        if (left_ns <= 0) {
            break;
        }
        (void)tr_cond_wait_for(&crew->rest, &crew->mutex, left_ns);
    }
    /* Those that have come back are about to tell: that is short. */
    while (crew->finishing > 0) {
        tr_cond_wait(&crew->rest, &crew->mutex);
    }
}

/* Leaves those alone that still run. With the mutex. */
static void leave(struct tr_crew *crew)
{
    crew->left = true;
    for (uint32_t i = 0; i < crew->members_count; i++) {
        if (crew->members[i].job != NULL) {
            crew->members[i].job->leave(crew->members[i].job);
        }
        tr_thread_detach(&crew->members[i].thread);
    }
}

uint32_t tr_crew_close(struct tr_crew *crew, uint32_t timeout_ms)
{
    struct tr_job *job = NULL;

    tr_mutex_lock(&crew->mutex);
    crew->closed = true;
    while ((job = pop(crew)) != NULL) {
        job->drop(job);
    }
    tr_cond_broadcast(&crew->work);
    wait_for_rest(crew, timeout_ms);
    const uint32_t left = crew->running;

    tr_mutex_unlock(&crew->mutex);
    return left;
}

void tr_crew_destroy(struct tr_crew *crew)
{
    if (crew == NULL) {
        return;
    }
    (void)tr_crew_close(crew, 0);
    tr_mutex_lock(&crew->mutex);
    /* One may have come back since: it finishes while its owner is still here. */
    wait_for_rest(crew, 0);
    const bool left = crew->running > 0;

    if (left) {
        leave(crew);
    }
    tr_mutex_unlock(&crew->mutex);
    if (left) {
        return;
    }
    for (uint32_t i = 0; i < crew->members_count; i++) {
        tr_thread_join(&crew->members[i].thread);
    }
    crew_free(crew);
}
