/* troupe/test.h - a node for tests: its clock stands still, its scheduler is played from a seed.
 *
 *     troupe_test_options options;
 *     troupe_test_options_init(&options);
 *     troupe_test *test = NULL;
 *     if (troupe_test_create(&options, &test) != TROUPE_OK) ...
 *     troupe_probe *client = troupe_probe_start(test, "client");
 *     troupe_node_spawn(troupe_test_node(test), &account_behavior, NULL, NULL, &pid);
 *     troupe_probe_call(client, pid, &deposit_type, &(deposit){.cents = 5}, 1000, 1);
 *     const troupe_seen *seen = troupe_expect(client, &balance_type, 1000);
 *     ... ((const balance *)seen->value)->cents ...
 *     troupe_test_destroy(test);
 *
 * Everything runs on the caller's thread, inside the functions of this header and the blocking ones
 * of node.h: nothing happens between them. Which of the played workers runs next, how many messages
 * it handles and what it steals come from the seed: the same seed gives the same run, byte for
 * byte. Time passes only in troupe_test_advance, and while something waits (an expectation, a
 * blocking call) and nobody has anything to do: then the clock jumps to the next timer.
 *
 * An expectation that fails reports what was expected, what came, the seed and the trace, and does
 * not return. Not part of <troupe/troupe.h>; docs/testing.md has examples.
 * Threads: everything about one troupe_test on one thread. Memory: what is lent lives as long as
 * the test.
 */
#ifndef TROUPE_TEST_H
#define TROUPE_TEST_H

#include "troupe/node.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct troupe_test troupe_test;
typedef struct troupe_probe troupe_probe;

/* Fill it with troupe_test_options_init, then change what you need. */
typedef struct troupe_test_options {
    uint32_t struct_size; /* set by troupe_test_options_init */
    uint64_t seed;        /* of every choice; 0: by chance, and told when the test fails */
    uint32_t workers;     /* played, 1 to 4; default 2 */
    uint32_t batch_max;   /* messages that one run handles, 1 to 64; the seed chooses; default 64 */
    uint32_t trace_lines; /* the last ones are kept, 1 to 1,000,000; default 4,096 */
    const troupe_config *config; /* limits, default timeouts and log; NULL: the defaults */
    /* Gets the report of a failure and must not return (it may longjmp, as cmocka does). NULL:
     * writes it to standard error and aborts. */
    void (*fail)(void *context, const char *report);
    void *fail_context;
} troupe_test_options;

TROUPE_API void troupe_test_options_init(troupe_test_options *options);

/* Gives a local node that is played. TROUPE_E_INVALID, TROUPE_E_NO_MEMORY. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_test_create(const troupe_test_options *options,
                                                            troupe_test **test);
/* Stops the node, as troupe_node_stop does, and frees everything. After a failure that came out of
 * the middle of a handler it does nothing. NULL is allowed. */
TROUPE_API void troupe_test_destroy(troupe_test *test);

/* For the functions of node.h; those that block play the node meanwhile. Not for troupe_node_stop.
 */
TROUPE_API troupe_node *troupe_test_node(troupe_test *test);
TROUPE_API uint64_t troupe_test_seed(const troupe_test *test);

/* ---- time and turns ---- */

/* Milliseconds of virtual time; a test begins at 1,000,000. What troupe_now_ms answers. */
TROUPE_API int64_t troupe_test_now_ms(const troupe_test *test);
/* Runs one actor, or answers false when nobody has anything to do. Time stands. */
TROUPE_API bool troupe_test_step(troupe_test *test);
/* Runs until nobody has anything to do. Time stands. */
TROUPE_API void troupe_test_settle(troupe_test *test);
/* Lets ms milliseconds pass: every timer that runs out within them does so at its own time, and
 * everything settles in between and at the end. */
TROUPE_API void troupe_test_advance(troupe_test *test, uint64_t ms);
/* Moves the clock without running anybody: timers that ran out meanwhile race with everything. */
TROUPE_API void troupe_test_jump(troupe_test *test, uint64_t ms);
/* Milliseconds until the clock has to be looked at again; UINT64_MAX when no timer waits. */
TROUPE_API uint64_t troupe_test_next_timer_ms(const troupe_test *test);

/* ---- memory ---- */

/* From now on the allocation number n (counted from 0) that the library makes on this thread fails,
 * and with `onwards` all that follow. What the test itself and the kit allocate does not count. A
 * program linked with the archive libtroupe.a sees only blocks of messages refused. */
TROUPE_API void troupe_test_fail_memory(troupe_test *test, uint64_t n, bool onwards);
/* Each allocation fails with that chance, chosen by the seed. */
TROUPE_API void troupe_test_fail_memory_by_chance(troupe_test *test, uint32_t per_million);
/* No more fail. Answers how many did since it was asked for; *asked (may be NULL) how many were
 * counted. */
TROUPE_API uint64_t troupe_test_heal_memory(troupe_test *test, uint64_t *asked);

/* ---- the trace ---- */

/* Adds a line. */
TROUPE_API void troupe_test_note(troupe_test *test, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What has happened, a line each: who ran, what probes saw, what time it was. Lent until the next
 * call for this test. */
TROUPE_API const char *troupe_test_trace(troupe_test *test);
/* Reports a failure: these words, the seed and the trace. Does not return. */
TROUPE_API void troupe_test_fail(troupe_test *test, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- probes: actors that note everything and do what the test says ---- */

typedef enum troupe_seen_kind {
    TROUPE_SEEN_MESSAGE = 0, /* also the library's: troupe_timeout_type, troupe_node_type */
    TROUPE_SEEN_REQUEST = 1, /* to be answered with troupe_probe_reply */
    TROUPE_SEEN_EXIT = 2,    /* an exit signal, trapped */
    TROUPE_SEEN_DOWN = 3,
    TROUPE_SEEN_RESULT = 4, /* of a call of this probe */
    TROUPE_SEEN_END = 5     /* its own */
} troupe_seen_kind;

/* One thing that a probe saw. */
typedef struct troupe_seen {
    int32_t kind; /* troupe_seen_kind */
    int64_t at_ms;
    troupe_pid from;         /* none for timers and the like */
    const troupe_type *type; /* of value; NULL when there is none */
    const void *value;       /* a copy */
    uint64_t ref;            /* DOWN: the monitor; RESULT: the tag */
    troupe_status status;    /* RESULT */
    troupe_reason reason;    /* EXIT, DOWN, END, and a RESULT that is an error */
    troupe_from request;     /* REQUEST */
} troupe_seen;

/* Starts a probe, called so in the trace. It does not trap exits until told to. Fails the test
 * when there is no memory. */
TROUPE_API troupe_probe *troupe_probe_start(troupe_test *test, const char *name);
TROUPE_API troupe_pid troupe_probe_pid(const troupe_probe *probe);
TROUPE_API bool troupe_probe_is_alive(const troupe_probe *probe);
/* What it has seen so far, also before the present expectation. */
TROUPE_API size_t troupe_probe_count(const troupe_probe *probe);
TROUPE_API const troupe_seen *troupe_probe_seen(const troupe_probe *probe, size_t index);
/* seen->value when it is of that type, else NULL. */
TROUPE_API const void *troupe_seen_as(const troupe_seen *seen, const troupe_type *type);

/* Has the probe run function, with everything that an actor can do, and waits for it. What it
 * answers is a handler's answer, and is given back. The probe must be alive, else the test fails.
 */
TROUPE_API int troupe_probe_do(troupe_probe *probe,
                               int (*function)(troupe_self *self, void *context), void *context);
/* The same without waiting: function runs when its turn comes, or never when the probe ends before;
 * context must live so long. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_probe_post(
    troupe_probe *probe, int (*function)(troupe_self *self, void *context), void *context);

/* What troupe_send, troupe_call ... do, done by the probe; they wait until it has done so. */
TROUPE_API troupe_status troupe_probe_send(troupe_probe *probe, troupe_pid to,
                                           const troupe_type *type, const void *message);
/* Its result is seen as TROUPE_SEEN_RESULT with the tag. */
TROUPE_API troupe_status troupe_probe_call(troupe_probe *probe, troupe_pid to,
                                           const troupe_type *type, const void *message,
                                           uint32_t timeout_ms, uint64_t tag);
TROUPE_API troupe_status troupe_probe_reply(troupe_probe *probe, const troupe_seen *request,
                                            const troupe_type *type, const void *message);
TROUPE_API troupe_status troupe_probe_link(troupe_probe *probe, troupe_pid other);
TROUPE_API troupe_status troupe_probe_unlink(troupe_probe *probe, troupe_pid other);
/* Answers the reference; fails the test when there is no memory. */
TROUPE_API uint64_t troupe_probe_monitor(troupe_probe *probe, troupe_pid other);
TROUPE_API troupe_status troupe_probe_demonitor(troupe_probe *probe, uint64_t monitor);
TROUPE_API void troupe_probe_trap_exit(troupe_probe *probe, bool trap);
TROUPE_API troupe_status troupe_probe_exit(troupe_probe *probe, troupe_pid to, int32_t kind,
                                           const char *text);
TROUPE_API void troupe_probe_stop(troupe_probe *probe, int32_t kind, const char *text);

/* ---- expectations: each looks at what the probe saw after the one before ---- */

/* The next thing is a message, request, signal or reply of that type (troupe_exit_type,
 * troupe_down_type ... too) and comes within that much virtual time. */
TROUPE_API const troupe_seen *troupe_expect(troupe_probe *probe, const troupe_type *type,
                                            uint64_t within_ms);
/* Something comes of which accepts is true; what comes before it is passed over. `what` is for the
 * report. */
TROUPE_API const troupe_seen *
troupe_expect_where(troupe_probe *probe, bool (*accepts)(const troupe_seen *seen, void *context),
                    void *context, uint64_t within_ms, const char *what);
/* The next thing is the trapped exit of that actor with a reason of that kind. */
TROUPE_API const troupe_seen *troupe_expect_exit(troupe_probe *probe, troupe_pid from, int32_t kind,
                                                 uint64_t within_ms);
/* The next thing is the DOWN of that monitor. */
TROUPE_API const troupe_seen *troupe_expect_down(troupe_probe *probe, uint64_t monitor,
                                                 int32_t kind, uint64_t within_ms);
/* The next thing is how the call with that tag ended. */
TROUPE_API const troupe_seen *troupe_expect_result(troupe_probe *probe, uint64_t tag,
                                                   troupe_status status, uint64_t within_ms);
/* The next thing is the probe's own end. */
TROUPE_API const troupe_seen *troupe_expect_end(troupe_probe *probe, int32_t kind,
                                                uint64_t within_ms);
/* Everything settles, then a marker is sent to the probe, and nothing came before the marker. Time
 * stands. */
TROUPE_API void troupe_expect_nothing(troupe_probe *probe);
/* The same for what accepts is true of; the rest is passed over. */
TROUPE_API void troupe_expect_none_where(troupe_probe *probe,
                                         bool (*accepts)(const troupe_seen *seen, void *context),
                                         void *context, const char *what);
/* That actor, of whatever kind, has ended or ends within that much virtual time, with a reason of
 * that kind. */
TROUPE_API void troupe_expect_exited(troupe_test *test, troupe_pid pid, int32_t kind,
                                     uint64_t within_ms);

#ifdef __cplusplus
}
#endif

#endif
