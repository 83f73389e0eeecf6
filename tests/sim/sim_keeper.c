/* Durable actors, who keep something and give of it to each other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_memory.h"
#include "sim/sim_more.h"
#include "support/fake_registry.h"

enum { KEEPERS = 4, BEGIN_CENTS = 1000, MOVE_MS = 4000, STATE_MAX = 256, ACKED_MAX = 4096 };

typedef struct kept {
    uint32_t keeper;
    uint32_t steps; /* that have changed it */
    int64_t cents;
} kept;
TROUPE_TYPE(kept, "sim.kept", TROUPE_FIELD(kept, keeper, 1), TROUPE_FIELD(kept, steps, 2),
            TROUPE_FIELD(kept, cents, 3));

typedef struct move {
    uint32_t to;
    int64_t cents;
} move;
TROUPE_TYPE(move, "sim.move", TROUPE_FIELD(move, to, 1), TROUPE_FIELD(move, cents, 2));

typedef struct credit {
    int64_t cents;
} credit;
TROUPE_TYPE(credit, "sim.credit", TROUPE_FIELD(credit, cents, 1));

static const char *const keepers[KEEPERS] = {"keeper/a", "keeper/b", "keeper/c", "keeper/d"};

/* What others were told of each of them. */
static struct {
    uint32_t steps;           /* the most */
    uint8_t acked[ACKED_MAX]; /* whether that number was answered */
    bool failed;              /* it had no memory to go on: nobody starts it again */
} told[KEEPERS];

void keeper_begin(void)
{
    memset(told, 0, sizeof(told));
}

/* ---- the keepers ---- */

static int keeper_init(troupe_self *self, void *state, const void *args)
{
    (void)self;
    *(kept *)state = (kept){.keeper = ((const kept *)args)->keeper, .cents = BEGIN_CENTS};
    return TROUPE_OK;
}

static int keeper_recover(troupe_self *self, void *state)
{
    const kept *mine = state;

    (void)self;
    sim_trace("%s is there again: %u steps", keepers[mine->keeper], mine->steps);
    sim_count(SIM_COUNT_RECOVERED, 1);
    told[mine->keeper].failed = false;
    if (mine->steps < told[mine->keeper].steps) {
        sim_fail("%s goes on from step %u, and step %u was answered", keepers[mine->keeper],
                 mine->steps, told[mine->keeper].steps);
    }
    return TROUPE_OK;
}

static int on_move(troupe_self *self, void *state, const void *message)
{
    kept *mine = state;
    const move *wanted = message;

    mine->cents -= wanted->cents;
    mine->steps++;
    sim_trace("%s makes step %u", keepers[mine->keeper], mine->steps);
    const troupe_status status = troupe_send_durable(self, keepers[wanted->to], &credit_type,
                                                     &(credit){.cents = wanted->cents});

    return status == TROUPE_OK ? troupe_reply(self, &kept_type, mine) : (int)status;
}

static int on_credit(troupe_self *self, void *state, const void *message)
{
    kept *mine = state;

    (void)self;
    mine->cents += ((const credit *)message)->cents;
    mine->steps++;
    sim_trace("%s makes step %u by a credit", keepers[mine->keeper], mine->steps);
    return TROUPE_OK;
}

static int on_close(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)message;
    return TROUPE_STOP;
}

TROUPE_TYPE_EMPTY(closing, "sim.closing");

static const troupe_handler handlers[] = {
    {&move_type, on_move}, {&credit_type, on_credit}, {&closing_type, on_close}, {0}};
static const troupe_behavior keeper_behavior = {.name = "sim.keeper",
                                                .version = 1,
                                                .state = &kept_type,
                                                .args = &kept_type,
                                                .init = keeper_init,
                                                .recover = keeper_recover,
                                                .handlers = handlers};

void keeper_introduce(struct troupe_node *node)
{
    if (troupe_node_add_type(node, &credit_type, NULL, 0) != TROUPE_OK ||
        troupe_node_add_behavior(node, &keeper_behavior, NULL, 0) != TROUPE_OK) {
        sim_fail("a node does not take the behavior of durable actors");
    }
}

void keeper_ended(troupe_pid pid, int32_t kind)
{
    for (uint32_t i = 0; i < KEEPERS; i++) {
        troupe_pid holder = {0};

        if (sim_registry_holder(keepers[i], &holder) && troupe_pid_equal(holder, pid) &&
            (kind == TROUPE_REASON_KILLED || kind == TROUPE_REASON_ERROR)) {
            if (sim_slot_of(pid.node)->leaving) {
                return; /* It goes on elsewhere. */
            }
            if (!sim_slot_of(pid.node)->was_scarce) {
                sim_fail("%s has failed, and its node had memory", keepers[i]);
            }
            sim_trace("%s has failed", keepers[i]);
            sim_count(SIM_COUNT_KEEPERS_FAILED, 1);
            told[i].failed = true;
        }
    }
}

/* ---- the others ---- */

void keeper_start(troupe_self *self)
{
    const uint32_t keeper = (uint32_t)sim_chance(KEEPERS);
    const kept args = {.keeper = keeper};
    troupe_spawn_options options = {.flags = TROUPE_SPAWN_DURABLE, .name = keepers[keeper]};
    char state[STATE_MAX];
    troupe_pid pid = {0};

    if (fake_cluster_state(sim->cluster, keepers[keeper], state, sizeof(state))) {
        return;
    }
    const troupe_status status = troupe_spawn(self, &keeper_behavior, &args, &options, &pid);

    /* It may be here already, and wait for the registry. */
    if (status != TROUPE_OK && status != TROUPE_E_EXISTS &&
        !(status == TROUPE_E_NO_MEMORY && memory_was_refused())) {
        sim_fail("a durable actor does not start: %s", troupe_status_text(status));
    }
}

static int on_moved(troupe_self *self, void *state, const troupe_result *result)
{
    const struct mind *mind = state;
    const kept *mine = troupe_result_as(result, &kept_type);

    (void)self;
    ledger_answered(mind->record, result->tag);
    if (mine == NULL || result->status != TROUPE_OK) {
        return TROUPE_OK;
    }
    sim_trace("%u hears of step %u of %s", mind->record->index, mine->steps, keepers[mine->keeper]);
    if (mine->steps < ACKED_MAX && told[mine->keeper].acked[mine->steps]++ != 0) {
        sim_fail("%s answers twice that it has made step %u", keepers[mine->keeper], mine->steps);
    }
    if (mine->steps > told[mine->keeper].steps) {
        told[mine->keeper].steps = mine->steps;
    }
    sim_count(SIM_COUNT_MOVES, 1);
    return TROUPE_OK;
}

void keeper_act(troupe_self *self, struct record *from)
{
    const uint32_t keeper = (uint32_t)sim_chance(KEEPERS);
    const move wanted = {.to = (uint32_t)sim_chance(KEEPERS), .cents = 1 + (int64_t)sim_chance(9)};

    const troupe_status status =
        troupe_call_name(self, keepers[keeper], &move_type, &wanted,
                         1 + (uint32_t)sim_chance(MOVE_MS), on_moved, ledger_asked(from));

    if (status == TROUPE_E_NO_MEMORY && memory_was_refused()) {
        ledger_not_asked(from);
    } else if (status != TROUPE_OK) {
        sim_fail("call_name fails");
    }
}

void keeper_stop_all(void)
{
    for (uint32_t i = 0; i < KEEPERS; i++) {
        troupe_pid pid = {0};

        if (!told[i].failed && sim_registry_holder(keepers[i], &pid) &&
            troupe_node_send(sim_slot_of(pid.node)->node, pid, &closing_type, NULL) != TROUPE_OK) {
            sim_fail("%s cannot be told to end", keepers[i]);
        }
    }
}

/* ---- rest ---- */

static int64_t number_of(const char *json, const char *key)
{
    const char *at = strstr(json, key);

    if (at == NULL) {
        sim_fail("a saved state without %s: %s", key, json);
    }
    at += strlen(key);
    at += *at == '"' ? 1 : 0;
    return strtoll(at, NULL, 10);
}

static bool waits_for_nobody(size_t keeper)
{
    return told[keeper].failed;
}

void keeper_check_rest(void)
{
    char state[STATE_MAX];
    int64_t cents = 0;

    for (uint32_t i = 0; i < KEEPERS; i++) {
        troupe_pid pid = {0};

        if (!fake_cluster_state(sim->cluster, keepers[i], state, sizeof(state))) {
            continue;
        }
        cents += number_of(state, "\"cents\":") - BEGIN_CENTS;
        if (!told[i].failed && !sim_registry_holder(keepers[i], &pid)) {
            sim_fail("at rest %s is saved, and runs nowhere", keepers[i]);
        }
        if (number_of(state, "\"steps\":") < (int64_t)told[i].steps) {
            sim_fail("at rest %s is saved as %s, and step %u was answered", keepers[i], state,
                     told[i].steps);
        }
    }
    /* Who never was has got nothing either, as its messages wait. */
    cents += sim_registry_waiting(keepers, KEEPERS, waits_for_nobody);
    if (cents != 0) {
        sim_fail("at rest there are %lld cents too many with the durable actors", (long long)cents);
    }
}

void keeper_check_empty(void)
{
    char state[STATE_MAX];

    for (uint32_t i = 0; i < KEEPERS; i++) {
        if (!told[i].failed && fake_cluster_state(sim->cluster, keepers[i], state, sizeof(state))) {
            sim_fail("%s has ended for good, and is saved", keepers[i]);
        }
    }
}
