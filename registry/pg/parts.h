/* pg/parts.h - the parts of a node's registry, and what each offers the others.
 *
 *     postgres.c   the port: start, stop, fencing, the timer that all parts use
 *     greeting.c   what is asked first on each connection
 *     control.c    joining, renewing, leaving                   on the connection `control`
 *     events.c     members and what happens to them             control
 *     death.c      accusations                                  control
 *     lanes.c      which batch is sent next
 *     names.c      register, unregister, started, look-ups      writer and reader
 *     steps.c      transactional steps                          writer
 *     links.c      links written behind, failed messages        writer
 *     samples.c    what people may see of actors                writer
 *     recovery.c   orphans of dead nodes, and sweeping          reader
 *     inbox.c      messages that wait in the database           reader
 *
 * Threads: loop thread, all of it. Memory: what is shared is in pg/node_registry.h.
 */
#ifndef REG_PG_PARTS_H
#define REG_PG_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pg/node_registry.h"
#include "pg/statements_sql.h"
#include "troupe/actor.h"

/* ---- postgres.c ---- */

int64_t reg_now(const struct node_registry *registry);
struct reg_clock reg_clock_now(const struct node_registry *registry);

/* Has the parts' ticks called at this time at the latest. */
void reg_wake_at(struct node_registry *registry, int64_t at_ns);

void reg_log(struct node_registry *registry, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The first join cannot succeed. */
void reg_fail_join(struct node_registry *registry, troupe_status status, const char *text);

/* This node id is dead: ends everything that was done in its name. */
void reg_fence(struct node_registry *registry, const char *why);

static inline const char *reg_sql(enum reg_sql_statements_index index)
{
    return reg_sql_statements[index].text;
}

static inline bool reg_is_joined(const struct node_registry *registry)
{
    return registry->phase == REG_PHASE_JOINED || registry->phase == REG_PHASE_LEAVING;
}

/* ---- greeting.c ---- */

/* Opens a lane after the join. */
troupe_status reg_lane_create(struct node_registry *registry, struct reg_lane *lane);
void reg_lane_open(struct reg_lane *lane);

/* Has a connection carry the name of this node id from its next start on. */
void reg_name_connection(struct node_registry *registry, struct reg_connection *connection);

/* Sends the first statement on a connection. */
troupe_status reg_greet(struct node_registry *registry, struct reg_connection *connection,
                        reg_query_done done, void *context);

/* Judges its answer: OK, or why this server cannot be used, in words. */
troupe_status reg_greeting_judge(struct node_registry *registry, const struct reg_result *result,
                                 char *words, size_t words_size);

/* ---- control.c ---- */

troupe_status reg_control_create(struct node_registry *registry);
void reg_control_join(struct node_registry *registry);

/* Sends a statement on the connection; false when it was not sent, then done is not called. */
bool reg_control_ask(struct node_registry *registry, enum reg_sql_statements_index statement,
                     struct reg_params *params, reg_query_done done);
void reg_control_drain(struct node_registry *registry, bool drain);
/* Takes other metadata into the join, and writes it as soon as that is possible. */
void reg_control_set_metadata(struct node_registry *registry, const char *metadata);
void reg_control_leave(struct node_registry *registry);
int64_t reg_control_tick(struct node_registry *registry, int64_t now_ns);

/* ---- events.c ---- */

/* Reads what happened since the last event read; or all members. */
void reg_control_read_events(struct node_registry *registry);
void reg_control_read_members(struct node_registry *registry);

/* ---- death.c ---- */

void reg_death_unreachable(struct node_registry *registry, uint64_t node_id, bool refused);

/* A renewal told when the next lease of another node runs out. */
void reg_death_expires_in(struct node_registry *registry, int64_t expires_in_ms);
int64_t reg_death_tick(struct node_registry *registry, int64_t now_ns);

/* ---- lanes.c ---- */

/* Sends the next batch when the lane is free. */
void reg_writer_pump(struct node_registry *registry);

/* True when a batch could be sent now. */
bool reg_lane_is_free(const struct reg_lane *lane);

/* A batch has ended. again: wait a moment before the next. */
void reg_lane_done(struct reg_lane *lane, bool again);

/* True when nothing that was promised is unfinished. */
bool reg_writer_is_idle(const struct node_registry *registry);

/* ---- names.c and name_batches.c ---- */

/* Takes an operation in; request has name, deadline, done and context for every kind. */
void reg_names_submit(struct node_registry *registry, enum reg_name_kind kind,
                      const struct tr_name_register *request, uint64_t epoch);

/* Gives a name back whose caller was told UNKNOWN and does not know that it has it. */
void reg_names_release(struct node_registry *registry, const char *name, uint64_t epoch);

/* Finds out whether such a registration was granted, to give it back then. */
void reg_names_settle(struct node_registry *registry, const struct reg_name_op *op);

bool reg_names_send_registers(struct node_registry *registry);
bool reg_names_send_unregisters(struct node_registry *registry);
bool reg_names_send_starteds(struct node_registry *registry);
bool reg_names_send_lookups(struct node_registry *registry);

/* Answers what waits beyond its deadline; when the next one is. */
int64_t reg_names_tick(struct node_registry *registry, int64_t now_ns);

/* Answers everything that waits. */
void reg_names_end(struct node_registry *registry, troupe_status status, const char *text);

/* ---- steps.c ---- */

bool reg_steps_send(struct node_registry *registry);
void reg_steps_end(struct node_registry *registry);

/* ---- links.c ---- */

bool reg_links_send(struct node_registry *registry);
bool reg_fails_send(struct node_registry *registry);
void reg_links_note(struct node_registry *registry, const struct tr_link_row *row, bool add);
void reg_fails_note(struct node_registry *registry, const char *name, uint64_t epoch, uint64_t id,
                    const char *error);

/* ---- samples.c ---- */

bool reg_samples_send(struct node_registry *registry, const struct tr_samples *samples,
                      tr_samples_done done, void *context);

void reg_reader_pump(struct node_registry *registry);

/* ---- recovery.c ---- */

/* A member has died, or this node has just joined. */
void reg_recovery_want(struct node_registry *registry);

/* Reads a name that this node holds from its row again; on_orphan follows. */
void reg_recovery_load(struct node_registry *registry, const char *name);
bool reg_recovery_send(struct node_registry *registry);
int64_t reg_recovery_tick(struct node_registry *registry, int64_t now_ns);
void reg_recovery_reset(struct node_registry *registry);

/* ---- inbox.c ---- */

bool reg_inbox_send(struct node_registry *registry);
void reg_inbox_hint(struct node_registry *registry, const char *name);

#endif
