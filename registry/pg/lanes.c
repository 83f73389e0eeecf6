/* Which batch a lane sends next. */
#include "pg/parts.h"

typedef bool (*send_fn)(struct node_registry *registry);

/* Unregistering comes before registering, so that a name given up can be taken again at once. */
static const send_fn writer_kinds[] = {
    reg_names_send_unregisters,
    reg_names_send_registers,
    reg_names_send_starteds,
    reg_steps_send,
    reg_fails_send,
    reg_links_send,
};

enum { WRITER_KINDS = sizeof(writer_kinds) / sizeof(writer_kinds[0]) };

bool reg_lane_is_free(const struct reg_lane *lane)
{
    return lane->ready && !lane->busy && reg_is_joined(lane->registry) &&
           reg_connection_is_up(lane->connection) && reg_now(lane->registry) >= lane->retry_ns;
}

void reg_writer_pump(struct node_registry *registry)
{
    struct reg_lane *lane = &registry->writer;

    for (unsigned turn = 1; turn <= WRITER_KINDS && reg_lane_is_free(lane); turn++) {
        const unsigned kind = (lane->last_kind + turn) % WRITER_KINDS;

        if (writer_kinds[kind](registry)) {
            lane->busy = true;
            lane->last_kind = kind;
            registry->health.batches++;
        }
    }
}

void reg_lane_done(struct reg_lane *lane, bool again)
{
    lane->busy = false;
    if (again) {
        lane->retry_ns = reg_now(lane->registry) + REG_RETRY_MS * REG_MS;
        reg_wake_at(lane->registry, lane->retry_ns);
    }
}

bool reg_writer_is_idle(const struct node_registry *registry)
{
    return registry->registers.head == NULL && registry->registers.sent == NULL &&
           registry->unregisters.head == NULL && registry->unregisters.sent == NULL &&
           registry->starteds.head == NULL && registry->starteds.sent == NULL &&
           registry->steps.count == 0 && registry->steps.sent == NULL &&
           registry->fails.head == NULL && registry->links.count == 0;
}

/* ---- reading ---- */

static const send_fn reader_kinds[] = {reg_names_send_lookups, reg_recovery_send, reg_inbox_send};

enum { READER_KINDS = sizeof(reader_kinds) / sizeof(reader_kinds[0]) };

void reg_reader_pump(struct node_registry *registry)
{
    struct reg_lane *lane = &registry->reader;

    for (unsigned turn = 1; turn <= READER_KINDS && reg_lane_is_free(lane); turn++) {
        const unsigned kind = (lane->last_kind + turn) % READER_KINDS;

        if (reader_kinds[kind](registry)) {
            lane->busy = true;
            lane->last_kind = kind;
        }
    }
}
