/* support/actors.h - a local node with actors that do what a test says and write down what they
 * see.
 *
 *     struct stage *stage = stage_begin(2);
 *     struct probe *a = probe_spawn(stage, NULL), *b = probe_spawn(stage, NULL);
 *     probe_link(a, b->pid);
 *     probe_stop(b, TROUPE_REASON_ERROR, "why");
 *     assert_int_equal(probe_end(a), TROUPE_REASON_ERROR);
 *     stage_end(stage);
 *
 * Only the public API is used. Whatever is waited for has a deadline; after it the test fails.
 *
 * Threads: the functions here are for the test's threads; a probe_fn runs in its actor.
 */
#ifndef TEST_SUPPORT_ACTORS_H
#define TEST_SUPPORT_ACTORS_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "troupe/troupe.h"

enum { STAGE_PROBES_MAX = 64, PROBE_SEEN_MAX = 2048, DEADLINE_MS = 20000 };

enum what { SAW_NUMBER, SAW_EXIT, SAW_DOWN, SAW_TIMEOUT, SAW_RESULT, SAW_TERMINATE };

/* One thing that a probe saw. */
struct seen {
    enum what what;
    int64_t number; /* of a message; of a result: the value of the reply */
    troupe_pid from;
    uint64_t ref; /* of a DOWN: the monitor; of a result: the tag */
    int32_t kind; /* troupe_reason_kind */
    int32_t status;
    char text[320];
};

struct stage;

struct probe {
    struct stage *stage;
    troupe_pid pid;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    size_t count;
    struct seen seen[PROBE_SEEN_MAX];
    int released;
    troupe_from from; /* what the last ASK_TAKE took; the actor's own */
};

struct stage {
    troupe_node *node;
    struct probe *probes[STAGE_PROBES_MAX];
    size_t count;
    atomic_int log_lines;
};

/* A whole main: runs these tests with 1, 2 and 4 workers, which they read there. */
int stage_run_tests(const struct CMUnitTest *tests, size_t count, uint32_t *workers);
/* Starts a local node. workers 0: one per core. */
struct stage *stage_begin(uint32_t workers);
struct stage *stage_begin_with(troupe_config *config);
/* Stops it and frees everything. */
void stage_end(struct stage *stage);
/* Waits until so many actors of users are alive. */
void stage_wait_actors(struct stage *stage, uint64_t count);
troupe_node_info stage_info(struct stage *stage);

/* ---- messages that probes know ---- */

typedef struct number {
    int64_t value;
} number;
TROUPE_TYPE(number, "test.number", TROUPE_FIELD(number, value, 1));

enum how {
    ASK_REPLY,      /* replies the value */
    ASK_TWICE,      /* replies the value, then value + 1 */
    ASK_SILENT,     /* handles it without a reply */
    ASK_STOP,       /* replies and stops normally */
    ASK_DIE,        /* stops with the error "asked to" instead of a reply */
    ASK_TAKE,       /* keeps the request in probe->from */
    ASK_TAKE_REPLY, /* takes the request, and tries to reply as usual too */
    ASK_FAIL        /* answers TROUPE_E_FAILED with the words "no <value>" */
};
typedef struct ask {
    int32_t how;
    int64_t value;
} ask;
TROUPE_TYPE(ask, "test.ask", TROUPE_FIELD(ask, how, 1), TROUPE_FIELD(ask, value, 2));

/* Nobody handles this one. */
typedef struct oddity {
    int32_t value;
} oddity;
TROUPE_TYPE(oddity, "test.oddity", TROUPE_FIELD(oddity, value, 1));

extern const troupe_behavior probe_behavior;

/* ---- probes ---- */

/* A probe that is not running yet: its address is the argument of probe_behavior. */
struct probe *probe_create(struct stage *stage);
/* Starts one from outside. options may be NULL. */
struct probe *probe_spawn(struct stage *stage, const troupe_spawn_options *options);

/* Runs in the actor; what it answers is the handler's answer. */
typedef int (*probe_fn)(troupe_self *self, struct probe *probe, void *context);

/* Runs a function in the actor and waits for it; gives what it answered. */
int probe_do(struct probe *probe, probe_fn fn, void *context);
/* The same without waiting. */
void probe_post(struct probe *probe, probe_fn fn, void *context);

void probe_link(struct probe *probe, troupe_pid other);
void probe_unlink(struct probe *probe, troupe_pid other);
uint64_t probe_monitor(struct probe *probe, troupe_pid other);
void probe_demonitor(struct probe *probe, uint64_t monitor);
void probe_trap(struct probe *probe, bool trap);
void probe_exit(struct probe *probe, troupe_pid to, int32_t kind, const char *text);
void probe_send(struct probe *probe, troupe_pid to, int64_t value);
void probe_call(struct probe *probe, troupe_pid to, enum how how, int64_t value,
                uint32_t timeout_ms, uint64_t tag);
/* Makes the probe end. */
void probe_stop(struct probe *probe, int32_t kind, const char *text);
/* A probe that this one starts, with flags TROUPE_SPAWN_*; *monitor may be NULL. */
struct probe *probe_spawn_child(struct probe *parent, uint32_t flags, uint64_t *monitor);

/* Waits until the probe has seen more than index things; lends that one. */
const struct seen *probe_wait(struct probe *probe, size_t index);
/* Has the probe see a last number and answers how many things it saw before that one. */
size_t probe_seen(struct probe *probe);
/* What it has seen so far, its end included, and how often its state was freed. */
size_t probe_count(struct probe *probe);
int probe_released(struct probe *probe);
/* Waits for its end; answers the kind of its reason, NOPROC when it had ended before. */
int32_t probe_end(struct probe *probe);

/* ---- a handler that stays busy until the test says so ---- */

struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool entered;
    bool open;
    int inside;
};

void gate_init(struct gate *gate);
/* Waits until nobody is inside any more. */
void gate_fini(struct gate *gate);
/* Keeps the probe's handler busy; answers when it is. */
void probe_block(struct probe *probe, struct gate *gate);
void gate_open(struct gate *gate);

/* ---- conditions ---- */

/* Looks again and again until the condition holds or the deadline has passed; answers whether it
 * holds. */
bool wait_until(bool (*condition)(void *context), void *context);
int64_t clock_ms(void);

/* What the functions that have a probe do something take with them; for the files of this folder.
 */
struct action {
    troupe_pid pid;
    uint64_t ref;
    int32_t kind;
    const char *text;
    bool flag;
    ask ask;
    uint32_t timeout_ms;
    struct probe *child;
};

#endif
