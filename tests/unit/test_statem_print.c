/* What is tested: state machines as data - which tables are refused, and what a machine looks like
 * when it is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "troupe/troupe.h"

enum { CLOSED, OPEN, LOCKED, STATES };

TROUPE_TYPE_EMPTY(push, "test.push");
TROUPE_TYPE_EMPTY(ring, "test.ring");
TROUPE_TYPE_EMPTY(burn, "test.burn");

typedef struct door {
    int32_t state;
} door;
TROUPE_TYPE(door, "test.door", TROUPE_FIELD(door, state, 1));

static const troupe_state states[STATES] = {
    {.name = "closed"}, {.name = "open", .timeout_ms = 100}, {.name = "locked"}};
static const troupe_transition rows[] = {
    {.from = CLOSED, .on = &push_type, .to = OPEN},
    {.from = OPEN, .on = &push_type, .to = LOCKED},
};
static const troupe_statem machine = {
    .states = states, .states_count = STATES, .transitions = rows, .transitions_count = 2};

static void nonsense_is_refused(void **state)
{
    const troupe_transition twice[] = {{.from = OPEN, .on = &push_type, .to = CLOSED},
                                       {.from = OPEN, .on = &push_type, .to = LOCKED}};
    const troupe_transition nowhere = {.from = OPEN, .on = &push_type, .to = 3};
    troupe_statem bad = machine;
    troupe_behavior behavior = {.name = "test.door", .state = &door_type, .machine = &bad};
    troupe_config config;
    troupe_node *node = NULL;
    troupe_pid other = {0};
    char error[128] = "";

    (void)state;
    assert_int_equal(troupe_statem_check(&machine, error, sizeof(error)), TROUPE_OK);
    bad.transitions = twice;
    bad.transitions_count = 2;
    assert_int_equal(troupe_statem_check(&bad, error, sizeof(error)), TROUPE_E_INVALID);
    assert_string_equal(error, "row 2 of the machine is for the same message in the same state as "
                               "one before");
    bad.transitions = &nowhere;
    bad.transitions_count = 1;
    assert_int_equal(troupe_statem_check(&bad, error, sizeof(error)), TROUPE_E_INVALID);
    troupe_config_init(&config);
    assert_int_equal(troupe_node_start(&config, &node, NULL, 0), TROUPE_OK);
    assert_int_equal(troupe_node_spawn(node, &behavior, NULL, NULL, &other), TROUPE_E_INVALID);
    troupe_node_stop(node, 1000);
    bad = machine;
    bad.initial = STATES;
    assert_int_equal(troupe_statem_check(&bad, NULL, 0), TROUPE_E_INVALID);
}

static void a_machine_is_printed_as_a_diagram(void **state)
{
    static const troupe_transition few[] = {
        {.from = CLOSED, .on = &push_type, .to = OPEN},
        {.from = OPEN, .on = &troupe_state_timeout_type, .to = CLOSED},
        {.from = OPEN, .on = &ring_type, .to = TROUPE_STATE_KEEP, .postpone = true},
        {.from = OPEN, .on = &burn_type, .to = TROUPE_STATE_KEEP},
        {.from = TROUPE_STATE_ANY, .on = &burn_type, .to = TROUPE_STATE_STOP},
        {.from = OPEN, .to = CLOSED},
    };
    const troupe_statem small = {
        .states = states, .states_count = 2, .transitions = few, .transitions_count = 6};
    const char *const expected = "stateDiagram-v2\n"
                                 "    [*] --> closed\n"
                                 "    closed --> open : test.push\n"
                                 "    closed --> [*] : test.burn\n"
                                 "    open --> closed : after 100 ms\n"
                                 "    open --> open : test.ring (postponed)\n"
                                 "    open --> open : test.burn\n"
                                 "    open --> closed : anything else\n";
    char text[512];
    char cut[20];

    (void)state;
    assert_int_equal(troupe_statem_print(&small, text, sizeof(text)), strlen(expected));
    assert_string_equal(text, expected);
    assert_int_equal(troupe_statem_print(&small, cut, sizeof(cut)), strlen(expected));
    assert_memory_equal(cut, expected, sizeof(cut) - 1);
    assert_int_equal(cut[sizeof(cut) - 1], '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(a_machine_is_printed_as_a_diagram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
