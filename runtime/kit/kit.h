/* kit/kit.h - what a test world is made of, for the files of this folder; see troupe/test.h.
 *
 * Threads: one for all of a world. Memory: what the kit itself needs is never refused: its
 * functions put the plan of refusals aside while they run (tr_kit_pause).
 */
#ifndef TR_KIT_KIT_H
#define TR_KIT_KIT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "node/node.h"
#include "troupe/test.h"

enum tr_trace_what { TR_TRACE_RUN, TR_TRACE_TIME, TR_TRACE_SEEN, TR_TRACE_END, TR_TRACE_TEXT };

/* One line of the trace, written out only when somebody reads it. */
struct tr_trace_line {
    int64_t at_ms;
    uint64_t actor_id;       /* RUN, END */
    const char *words;       /* RUN, END: the behavior's name; SEEN: the probe's; lent */
    const troupe_seen *seen; /* SEEN; lent */
    char *text;              /* TEXT; owned */
    uint32_t worker;
    uint32_t batch;
    int32_t reason_kind; /* END */
    uint8_t what;        /* enum tr_trace_what */
};

struct tr_trace {
    struct tr_trace_line *lines;
    uint32_t capacity;
    uint32_t lines_max;
    uint64_t total; /* ever; the last lines_max are there */
    char *text;     /* what was written out last */
};

/* An actor that has ended. */
struct tr_ended {
    uint64_t id;
    int32_t kind;
};

struct troupe_probe {
    struct troupe_probe *next; /* of the same world */
    struct troupe_test *test;
    char *name;
    troupe_pid pid;
    bool alive;
    troupe_seen **seen;
    size_t count;
    size_t capacity;
    size_t looked;  /* what expectations have been through */
    size_t marker;  /* count when the last marker came */
    uint64_t marks; /* markers that came */
};

struct troupe_test {
    uint64_t seed;
    struct tr_rng rng;
    uint32_t batch_max;
    int64_t now_ns;
    uint64_t fruitless; /* looks in a row at which nobody had anything to do */
    bool inside;        /* an actor, or a blocking call of the node, is under way */
    bool broken; /* a failure came out of such a one: the node cannot be taken down any more */
    struct tr_clock clock;
    struct tr_driver driver;
    troupe_node *node;
    struct troupe_probe *probes;
    struct tr_memory_plan plan;
    struct tr_trace trace;
    struct tr_ended *ended;
    size_t ended_count;
    size_t ended_capacity;
    void (*outward_ended)(void *context, struct tr_actor *actor, int32_t reason_kind);
    troupe_log_fn log; /* the user's */
    void *log_context;
    void (*fail)(void *context, const char *report);
    void *fail_context;
    char *report; /* of the failure; freed with the test, since whoever gets it does not return */
};

static inline struct tr_memory_plan *tr_kit_pause(void)
{
    struct tr_memory_plan *plan = tr_memory_plan;

    tr_memory_plan = NULL;
    return plan;
}

static inline void tr_kit_resume(struct tr_memory_plan *plan)
{
    tr_memory_plan = plan;
}

/* ---- world.c ---- */
/* Runs one actor, or goes to the next timer that is not later than until_ns; answers false when
 * there is neither. */
bool tr_kit_go_on(struct troupe_test *test, int64_t until_ns);
/* Whether the actor has ended; then *kind is why. */
bool tr_kit_ended(const struct troupe_test *test, uint64_t actor_id, int32_t *kind);

/* ---- trace.c; all with the plan paused ---- */
struct tr_trace_line *tr_trace_add(struct troupe_test *test, enum tr_trace_what what);
void tr_trace_text(struct troupe_test *test, const char *format, va_list arguments);
void tr_trace_fini(struct tr_trace *trace);

/* ---- probe.c ---- */
void tr_probes_free(struct troupe_test *test);
/* Everything settles, and a marker goes through the mailbox: what was seen before it is all. */
void tr_probe_mark(struct troupe_probe *probe);

/* ---- fail.c ---- */
_Noreturn void tr_kit_fail(struct troupe_test *test, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What the kit itself needs; fails the test when there is none. */
void *tr_kit_alloc(struct troupe_test *test, void *block, size_t size);

#endif
