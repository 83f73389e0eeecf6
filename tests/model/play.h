/* model/play.h - a list of operations, played on a node of the test kit and compared with the
 * model.
 *
 *     play_generate(seed, ops, &count); play_run(seed, ops, count, &scarcity, &outcome)
 *     play_shrink(seed, ops, &count, &scarcity, &outcome); play_print(stdout, ops, count)
 *
 * Threads: one. Memory: each run frees what it made.
 */
#ifndef TEST_MODEL_PLAY_H
#define TEST_MODEL_PLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum op_kind {
    OP_SPAWN, /* arg: link, monitor, and how init ends */
    OP_SEND,
    OP_CALL, /* arg: what the callee does; ms: the timeout */
    OP_REPLY,
    OP_LINK,
    OP_UNLINK,
    OP_MONITOR,
    OP_DEMONITOR, /* arg: which of its monitors */
    OP_EXIT,      /* arg: kind of reason */
    OP_TRAP,      /* arg: on or off */
    OP_STOP,      /* arg: kind of reason */
    OP_FAIL,
    OP_TIMER,  /* ms */
    OP_CANCEL, /* arg: which of its timers */
    /* The world's. */
    OP_SETTLE,
    OP_ADVANCE, /* ms */
    OP_JUMP,    /* ms */
    OP_COUNT
};

enum { FIRST_ACTORS = 4, OPS_MAX = 64, INIT_OK = 0, INIT_FAILS = 4, INIT_STOPS = 8 };
enum call_how { CALL_REPLY, CALL_SILENT, CALL_TAKE, CALL_DIE, CALL_HOWS };

struct op {
    uint8_t kind; /* enum op_kind */
    uint8_t actor;
    uint8_t target;
    uint8_t arg;
    uint16_t ms;
    uint16_t
        number;    /* the name of what it makes, and of its reason; kept when others are left out */
    uint8_t steps; /* turns after it */
};

/* Which allocations fail, from the first operation to the first rest. */
struct scarcity {
    bool counts;  /* they are counted, and those said here fail */
    uint64_t n;   /* this one; UINT64_MAX: none */
    bool onwards; /* and all that follow */
};

struct outcome {
    char problem[256]; /* empty: no difference */
    uint64_t events;   /* that were compared */
    uint64_t ends;
    uint64_t asked;   /* allocations that were counted */
    uint64_t refused; /* of them */
    bool overflow;    /* some pair had more states than the model holds */
};

void play_generate(uint64_t seed, struct op *ops, size_t *count);
void play_run(uint64_t seed, const struct op *ops, size_t count, const struct scarcity *scarcity,
              struct outcome *outcome);
/* Leaves out what is not needed for the difference. */
void play_shrink(uint64_t seed, struct op *ops, size_t *count, const struct scarcity *scarcity,
                 struct outcome *outcome);
void play_print(FILE *out, const struct op *ops, size_t count);

#endif
