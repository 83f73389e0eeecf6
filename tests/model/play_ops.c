/* Operations: made by chance, printed, and left out until what is left is needed. */
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "model/model.h"
#include "model/play.h"
#include "troupe/actor.h"

static const struct {
    uint8_t kind;
    uint8_t weight;
} weights[] = {{OP_SPAWN, 7},   {OP_SEND, 12},   {OP_CALL, 9},      {OP_REPLY, 4},  {OP_LINK, 12},
               {OP_UNLINK, 9},  {OP_MONITOR, 9}, {OP_DEMONITOR, 7}, {OP_EXIT, 6},   {OP_TRAP, 7},
               {OP_STOP, 2},    {OP_FAIL, 1},    {OP_TIMER, 4},     {OP_CANCEL, 2}, {OP_SETTLE, 4},
               {OP_ADVANCE, 2}, {OP_JUMP, 3}};

enum { WEIGHTS_SUM = 100 };

static uint8_t choose_kind(struct tr_rng *rng)
{
    uint64_t left = tr_rng_below(rng, WEIGHTS_SUM);

    for (size_t i = 0; i < sizeof(weights) / sizeof(weights[0]); i++) {
        if (left < weights[i].weight) {
            return weights[i].kind;
        }
        left -= weights[i].weight;
    }
    return OP_SETTLE;
}

static uint8_t choose_arg(struct tr_rng *rng, uint8_t kind)
{
    static const uint8_t kinds[] = {TROUPE_REASON_NORMAL, TROUPE_REASON_SHUTDOWN,
                                    TROUPE_REASON_ERROR, TROUPE_REASON_KILL};

    switch ((enum op_kind)kind) {
    case OP_SPAWN:
        return (uint8_t)(tr_rng_below(rng, 4) | (tr_rng_below(rng, 4) != 0   ? INIT_OK
                                                 : tr_rng_below(rng, 2) == 0 ? INIT_FAILS
                                                                             : INIT_STOPS));
    case OP_EXIT:
    case OP_STOP:
        return kinds[tr_rng_below(rng, kind == OP_EXIT ? 4 : 3)];
    case OP_CALL:
        return (uint8_t)(tr_rng_below(rng, 4) == 0 ? tr_rng_below(rng, CALL_HOWS) : CALL_REPLY);
    case OP_TRAP:
        return (uint8_t)(tr_rng_below(rng, 4) != 0);
    case OP_SEND:
    case OP_REPLY:
    case OP_LINK:
    case OP_UNLINK:
    case OP_MONITOR:
    case OP_DEMONITOR:
    case OP_FAIL:
    case OP_TIMER:
    case OP_CANCEL:
    case OP_SETTLE:
    case OP_ADVANCE:
    case OP_JUMP:
    case OP_COUNT:
        break;
    }
    return (uint8_t)tr_rng_below(rng, 256);
}

void play_generate(uint64_t seed, struct op *ops, size_t *count)
{
    struct tr_rng rng = {.state = seed ^ 0x6f707320u};
    /* Few actors meet often, many are many pairs; hasty worlds have more in flight. */
    const uint64_t actors = tr_rng_below(&rng, 3) == 0 ? ACTORS_MAX : 2 + tr_rng_below(&rng, 3);
    const uint64_t haste = 1 + tr_rng_below(&rng, 6);

    *count = 8 + tr_rng_below(&rng, OPS_MAX - 7);
    for (size_t i = 0; i < *count; i++) {
        struct op *op = &ops[i];

        op->kind = choose_kind(&rng);
        op->actor = (uint8_t)tr_rng_below(&rng, actors);
        op->target = (uint8_t)tr_rng_below(&rng, actors);
        op->arg = choose_arg(&rng, op->kind);
        op->ms = (uint16_t)(1 + tr_rng_below(&rng, 40));
        op->number = (uint16_t)(i + 1);
        op->steps = (uint8_t)tr_rng_below(&rng, haste);
    }
}

/* ---- leaving out ---- */

static bool differs(uint64_t seed, const struct op *ops, size_t count,
                    const struct scarcity *scarcity, struct outcome *outcome)
{
    struct outcome now;

    play_run(seed, ops, count, scarcity, &now);
    if (now.problem[0] != '\0') {
        *outcome = now;
    }
    return now.problem[0] != '\0';
}

void play_shrink(uint64_t seed, struct op *ops, size_t *count, const struct scarcity *scarcity,
                 struct outcome *outcome)
{
    struct op fewer[OPS_MAX];

    for (size_t size = *count / 2; size > 0; size /= 2) {
        for (size_t at = 0; at + size <= *count;) {
            memcpy(fewer, ops, at * sizeof(*ops));
            memcpy(fewer + at, ops + at + size, (*count - at - size) * sizeof(*ops));
            if (differs(seed, fewer, *count - size, scarcity, outcome)) {
                *count -= size;
                memcpy(ops, fewer, *count * sizeof(*ops));
            } else {
                at += size;
            }
        }
    }
    /* A turn that is not needed, or everything at rest, says more than some turns. */
    for (size_t i = 0; i < *count; i++) {
        const uint8_t steps = ops[i].steps;

        ops[i].steps = 0;
        if (steps > 0 && !differs(seed, ops, *count, scarcity, outcome)) {
            ops[i].steps = steps;
        }
    }
}

/* ---- printing ---- */

static void print_op(FILE *out, const struct op *op)
{
    static const char *const hows[] = {"reply", "say nothing", "answer later", "die"};
    const unsigned a = op->actor;
    const unsigned t = op->target;

    switch ((enum op_kind)op->kind) {
    case OP_SPAWN:
        (void)fprintf(out, "%u spawns%s%s%s", a,
                      (op->arg & TROUPE_SPAWN_LINK) != 0 ? " and links" : "",
                      (op->arg & TROUPE_SPAWN_MONITOR) != 0 ? " and monitors" : "",
                      (op->arg & INIT_FAILS) != 0   ? ", init fails"
                      : (op->arg & INIT_STOPS) != 0 ? ", init stops"
                                                    : "");
        break;
    case OP_SEND:
        (void)fprintf(out, "%u sends to %u", a, t);
        break;
    case OP_CALL:
        (void)fprintf(out, "%u calls %u within %u ms, which is to %s", a, t, op->ms,
                      hows[op->arg % CALL_HOWS]);
        break;
    case OP_REPLY:
        (void)fprintf(out, "%u answers the oldest request it took", a);
        break;
    case OP_LINK:
        (void)fprintf(out, "%u links %u", a, t);
        break;
    case OP_UNLINK:
        (void)fprintf(out, "%u unlinks %u", a, t);
        break;
    case OP_MONITOR:
        (void)fprintf(out, "%u monitors %u", a, t);
        break;
    case OP_DEMONITOR:
        (void)fprintf(out, "%u demonitors its monitor %u (modulo)", a, op->arg);
        break;
    case OP_EXIT:
        (void)fprintf(out, "%u sends the exit %s to %u", a, troupe_reason_name(op->arg), t);
        break;
    case OP_TRAP:
        (void)fprintf(out, "%u %s exits", a, op->arg != 0 ? "traps" : "does not trap");
        break;
    case OP_STOP:
        (void)fprintf(out, "%u stops: %s", a, troupe_reason_name(op->arg));
        break;
    case OP_FAIL:
        (void)fprintf(out, "%u fails", a);
        break;
    case OP_TIMER:
        (void)fprintf(out, "%u starts a timer of %u ms", a, op->ms);
        break;
    case OP_CANCEL:
        (void)fprintf(out, "%u cancels its timer %u (modulo)", a, op->arg);
        break;
    case OP_SETTLE:
        (void)fprintf(out, "everything settles");
        break;
    case OP_ADVANCE:
        (void)fprintf(out, "%u ms pass", op->ms);
        break;
    case OP_JUMP:
        (void)fprintf(out, "the clock jumps %u ms", op->ms);
        break;
    case OP_COUNT:
        break;
    }
}

void play_print(FILE *out, const struct op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(out, "  %2u. ", (unsigned)ops[i].number);
        print_op(out, &ops[i]);
        (void)fprintf(out, "; %u turns\n", ops[i].steps);
    }
}
