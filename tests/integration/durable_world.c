#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "durable_world.h"

struct reg_sync *admin;
struct world world;
struct world_node *n1;
struct world_node *n2;
struct world_node *n3;

static const char *const behaviors[] = {"account"};

int start_durable(void **state)
{
    (void)start_server(state);
    admin = connect_as_admin();
    return 0;
}

int stop_durable(void **state)
{
    reg_sync_close(admin);
    return stop_server(state);
}

/* n1 and n2 know the behavior, n3 does not. */
int join_three(void **state)
{
    const struct world_options options = {
        .ttl_ms = 5000, .rejoin = true, .behaviors = behaviors, .behavior_count = 1};
    struct world_node *nodes[3] = {NULL};

    (void)state;
    world_init(&world);
    pg_run(admin, "DELETE FROM troupe.name", PG_NONE);
    pg_run(admin, "DELETE FROM troupe.inbox", PG_NONE);
    pg_run(admin, "DELETE FROM troupe.link", PG_NONE);
    n1 = world_join(&world, pg_server_conninfo(server), "n1", &options);
    n2 = world_join(&world, pg_server_conninfo(server), "n2", &options);
    n3 = world_join(&world, pg_server_conninfo(server), "n3", NULL);
    nodes[0] = n1;
    nodes[1] = n2;
    nodes[2] = n3;
    for (size_t index = 0; index < 9; index++) {
        struct world_seen seen = {.node = nodes[index / 3], .node_id = nodes[index % 3]->node_id};

        if (index / 3 != index % 3) {
            world_wait(&world, node_sees_up, &seen);
        }
    }
    return 0;
}

int leave_all(void **state)
{
    (void)state;
    world_fini(&world);
    return 0;
}

uint64_t register_account(struct world_node *node, const char *name)
{
    const struct world_answer answer =
        world_register(node, name, 7, "account", "{\"cents\":0}", 20000);

    assert_int_equal(answer.status, TROUPE_OK);
    return answer.epoch;
}

int64_t cents_of(const char *name)
{
    return pg_number(admin, "SELECT (state->>'cents')::bigint FROM troupe.actors WHERE name = $1",
                     PG_VALUES(name));
}

/* Waits until the statement answers this number. */
void wait_for_number(const char *sql, int64_t number)
{
    const int64_t deadline_ns = world_now(&world) + (int64_t)WORLD_WAIT_MS * 1000000;

    while (pg_number(admin, sql, PG_NONE) != number) {
        assert_true(world_now(&world) < deadline_ns);
    }
}

/* Runs one step to its outcome. */
enum tr_step_outcome run_step(struct world_node *node, struct tr_step step)
{
    struct world_step one = {.step = step};

    world_step(node, &one);
    world_wait(&world, step_is_done, &one);
    assert_int_equal(one.calls, 1);
    return one.outcome;
}
