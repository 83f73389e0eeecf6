/* sync/crew.h - threads for work that blocks: started on demand, bounded in number, with a bounded
 * queue.
 *
 *     tr_crew_create(threads_max, queue_max, &crew);
 *     tr_crew_submit(crew, &work->job);  // run(job) on one of its threads, then finish(job)
 *     left = tr_crew_close(crew, 5000);  // waits for those that run
 *     tr_crew_destroy(crew);
 *
 * A thread that is still in run when tr_crew_destroy comes is left alone: it ends when
 * its work does, and the last one frees the crew.
 *
 * Threads: submit from any; close and destroy by one; nobody submits when it is destroyed.
 * Memory: jobs are the caller's; each comes back by exactly one of finish and drop.
 */
#ifndef TR_SYNC_CREW_H
#define TR_SYNC_CREW_H

#include <stdint.h>

#include "troupe/status.h"

struct tr_crew;

/* The first member of what is to be done. Its functions run on threads of the crew, or in close. */
struct tr_job {
    struct tr_job *next;
    void (*run)(struct tr_job *job);    /* may block as long as it wants */
    void (*finish)(struct tr_job *job); /* after run; takes the job */
    void (*drop)(struct tr_job *job);   /* instead of finish, when the crew closes; takes the job */
    void (*leave)(struct tr_job *job);  /* while run goes on: nobody waits for it any longer, and
                                           nothing of the crew's owner may be touched from now on;
                                           drop follows */
};

/* TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_crew_create(uint32_t threads_max, uint32_t queue_max,
                                             struct tr_crew **out);

/* Takes the job when it answers TROUPE_OK. TROUPE_E_BUSY when the queue is full; TROUPE_E_CLOSED;
 * TROUPE_E_SYSTEM or TROUPE_E_NO_MEMORY when there is no thread and none can be started. */
TROUPE_MUST_USE troupe_status tr_crew_submit(struct tr_crew *crew, struct tr_job *job);

/* Drops what waits, takes no more, and waits at most timeout_ms for what runs. Answers how many
 * jobs still run. */
uint32_t tr_crew_close(struct tr_crew *crew, uint32_t timeout_ms);

/* Closes it and leaves alone what still runs. Takes the crew; NULL is fine. */
void tr_crew_destroy(struct tr_crew *crew);

#endif
