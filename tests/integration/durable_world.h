/* durable_world.h - three nodes on a private PostgreSQL, for tests of durable actors.
 *
 * n1 and n2 know the behavior "account", n3 does not. All rejoin when fenced.
 *
 * Threads: the test's. Memory: everything is static; setup and teardown make and end it.
 */
#ifndef INTEGRATION_DURABLE_WORLD_H
#define INTEGRATION_DURABLE_WORLD_H

#include <stdint.h>

#include "support/pg_group.h"
#include "support/registry_world.h"

extern struct reg_sync *admin; /* a superuser's connection */
extern struct world world;     /* too large for a stack */
extern struct world_node *n1;
extern struct world_node *n2;
extern struct world_node *n3;

/* Of a group and of each test. */
int start_durable(void **state);
int stop_durable(void **state);
int join_three(void **state);
int leave_all(void **state);

/* Registers a durable account with no cents; answers its epoch. */
uint64_t register_account(struct world_node *node, const char *name);
int64_t cents_of(const char *name);

/* Waits until the statement answers this number. */
void wait_for_number(const char *sql, int64_t number);

/* Runs one step to its outcome. */
enum tr_step_outcome run_step(struct world_node *node, struct tr_step step);

#endif
