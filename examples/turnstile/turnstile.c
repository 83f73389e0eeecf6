/* turnstile.c - a state machine: coins open the gate, people pass, and it locks itself again when
 * nobody does. Shows enter hooks, a state timeout and a request that is postponed. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <troupe/troupe.h>

enum { LOCKED, UNLOCKED, STATES };

typedef struct turnstile {
    int32_t state;
    int64_t passed;
    int64_t cents;
} turnstile;
TROUPE_TYPE(turnstile, "example.turnstile", TROUPE_FIELD(turnstile, state, 1),
            TROUPE_FIELD(turnstile, passed, 2), TROUPE_FIELD(turnstile, cents, 3));

typedef struct coin {
    int64_t cents;
} coin;
TROUPE_TYPE(coin, "example.coin", TROUPE_FIELD(coin, cents, 1));
TROUPE_TYPE_EMPTY(push, "example.push");
TROUPE_TYPE_EMPTY(count, "example.count"); /* answered while the gate is locked */

static int enter(troupe_self *self, void *data, int32_t from)
{
    const turnstile *t = data;

    (void)self;
    (void)from;
    printf("  the gate is %s\n", t->state == LOCKED ? "locked" : "open");
    return TROUPE_OK;
}

static int on_coin(troupe_self *self, void *data, const void *message)
{
    turnstile *t = data;
    const coin *c = message;

    t->cents += c->cents;
    return troupe_reply(self, &turnstile_type, t);
}

static int on_push(troupe_self *self, void *data, const void *message)
{
    turnstile *t = data;

    (void)message;
    t->passed++;
    return troupe_reply(self, &turnstile_type, t);
}

static int answer(troupe_self *self, void *data, const void *message)
{
    (void)message;
    return troupe_reply(self, &turnstile_type, data);
}

static const troupe_state states[STATES] = {
    {.name = "locked", .enter = enter},
    {.name = "unlocked", .enter = enter, .timeout_ms = 100},
};
static const troupe_transition rows[] = {
    {.from = LOCKED, .on = &coin_type, .to = UNLOCKED, .action = on_coin},
    {.from = LOCKED, .on = &push_type, .to = TROUPE_STATE_KEEP, .action = answer},
    {.from = LOCKED, .on = &count_type, .to = TROUPE_STATE_KEEP, .action = answer},
    {.from = UNLOCKED, .on = &coin_type, .to = TROUPE_STATE_KEEP, .action = on_coin},
    {.from = UNLOCKED, .on = &push_type, .to = LOCKED, .action = on_push},
    {.from = UNLOCKED, .on = &count_type, .to = TROUPE_STATE_KEEP, .postpone = true},
    {.from = UNLOCKED, .on = &troupe_state_timeout_type, .to = LOCKED},
};
static const troupe_statem machine = {.states = states,
                                      .states_count = STATES,
                                      .transitions = rows,
                                      .transitions_count = sizeof(rows) / sizeof(rows[0]),
                                      .state_offset = offsetof(turnstile, state)};
static const troupe_behavior turnstile_behavior = {
    .name = "example.turnstile", .version = 1, .state = &turnstile_type, .machine = &machine};

static troupe_node *node;
static troupe_pid pid;

/* Calls the turnstile and prints what it says. */
static void call(const char *what, const troupe_type *type, const void *message)
{
    troupe_result result = {0};

    printf("%s\n", what);
    if (troupe_node_call(node, pid, type, message, 5000, &result) == TROUPE_OK) {
        const turnstile *t = result.value;

        printf("  %" PRId64 " passed, %" PRId64 " cents\n", t->passed, t->cents);
    } else {
        printf("  %s\n", troupe_status_text(result.status));
    }
    troupe_result_clear(&result);
}

int main(void)
{
    troupe_config config;
    char diagram[1024];

    (void)troupe_statem_print(&machine, diagram, sizeof(diagram));
    printf("%s", diagram);
    troupe_config_init(&config);
    troupe_status status = troupe_node_start(&config, &node, NULL, 0);

    if (status == TROUPE_OK) {
        status = troupe_node_spawn(node, &turnstile_behavior, NULL, NULL, &pid);
    }
    if (status == TROUPE_OK) {
        call("push", &push_type, NULL);
        call("coin", &coin_type, &(coin){.cents = 50});
        call("push", &push_type, NULL);
        call("coin", &coin_type, &(coin){.cents = 50});
        call("coin", &coin_type, &(coin){.cents = 20});
        call("count, when nobody has passed", &count_type, NULL);
        call("push", &push_type, NULL);
        troupe_node_stop(node, 5000);
    }
    printf("%s\n", troupe_status_text(status));
    return status == TROUPE_OK ? 0 : 1;
}
