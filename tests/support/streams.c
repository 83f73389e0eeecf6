#include "support/streams.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "io/loop.h"

enum { SETTLED_LOOKS = 10 };

troupe_node *streams_nodes[STREAMS_NODES];
struct fake_cluster *streams_cluster;

/* Waits for a condition that does not come: the time is what is asked for. */
static void pass_ms(uint32_t ms)
{
    struct tr_mutex mutex;
    struct tr_cond cond;

    tr_mutex_init(&mutex);
    tr_cond_init(&cond);
    tr_mutex_lock(&mutex);
    (void)tr_cond_wait_for(&cond, &mutex, (int64_t)ms * TR_NS_PER_MS);
    tr_mutex_unlock(&mutex);
    tr_cond_fini(&cond);
    tr_mutex_fini(&mutex);
}

bool streams_until(bool (*holds)(void *context), void *context)
{
    const int64_t until =
        tr_clock_now(&tr_clock_system) + (int64_t)STREAMS_DEADLINE_MS * TR_NS_PER_MS;

    while (!holds(context)) {
        if (tr_clock_now(&tr_clock_system) > until) {
            return false;
        }
        pass_ms(1);
    }
    return true;
}

struct settling {
    size_t index;
    uint64_t waiting;
    uint64_t bytes;
    uint32_t looks;
};

static void on_loop_once(void *context)
{
    (void)tr_add32_seq(context, 1);
}

/* One turn of that node's loop, in which it writes what can be written. */
static void turn_loop(size_t index)
{
    static struct tr_atomic_u32 turned;
    const uint32_t before = tr_load32_seq(&turned);

    assert_int_equal(tr_loop_post(streams_nodes[index]->loop, on_loop_once, &turned), TROUPE_OK);
    while (tr_load32_seq(&turned) == before) {
        pass_ms(1);
    }
}

static bool is_settled(void *context)
{
    struct settling *settling = context;
    const troupe_node_info info = streams_info(settling->index);

    settling->looks =
        info.senders_waiting == settling->waiting && info.send_queue_bytes == settling->bytes
            ? settling->looks + 1
            : 0;
    settling->bytes = info.send_queue_bytes;
    turn_loop(settling->index);
    pass_ms(10);
    return settling->looks >= SETTLED_LOOKS;
}

void streams_settle(size_t index, uint64_t waiting)
{
    struct settling settling = {.index = index, .waiting = waiting};

    assert_true(streams_until(is_settled, &settling));
}

/* ---- sinks ---- */

typedef struct sink {
    struct tally *tally;
} sink;

static int sink_init(troupe_self *self, void *state, const void *args)
{
    (void)self;
    ((sink *)state)->tally = *(struct tally *const *)args;
    return TROUPE_OK;
}

/* What stands in the pad of a block. */
static uint8_t filling(uint64_t lane, uint64_t number)
{
    return (uint8_t)(lane * 31 + number);
}

static int on_block(troupe_self *self, void *state, const void *message)
{
    struct tally *tally = ((const sink *)state)->tally;
    const block *b = message;
    const size_t last = b->pad.size > 0 ? b->pad.size - 1 : 0;
    bool right = b->lane < STREAMS_LANES && b->number == tally->next[b->lane];

    (void)self;
    if (b->lane < STREAMS_LANES) {
        tally->next[b->lane] = b->number + 1;
    }
    for (size_t at = 0; at < b->pad.size; at += at + 1 < last ? 1021 : 1) {
        right = right && b->pad.data[at] == filling(b->lane, b->number);
    }
    if (!right) {
        (void)tr_add_relaxed(&tally->wrong, 1);
    }
    (void)tr_add_relaxed(&tally->bytes, b->pad.size);
    (void)tr_add_relaxed(&tally->got, 1);
    return TROUPE_OK;
}

static const troupe_handler sink_handlers[] = {{&block_type, on_block}, {0}};
static const troupe_behavior sink_behavior = {
    .name = "test.sink", .state_size = sizeof(sink), .init = sink_init, .handlers = sink_handlers};

troupe_pid sink_spawn(size_t index, struct tally *tally)
{
    troupe_pid pid = {0};

    assert_int_equal(troupe_node_spawn(streams_nodes[index], &sink_behavior, &tally,
                                       &(troupe_spawn_options){.mailbox_messages = 1000000,
                                                               .mailbox_bytes = (uint64_t)1 << 40},
                                       &pid),
                     TROUPE_OK);
    return pid;
}

bool tally_is_full(void *context)
{
    struct tally *tally = context;

    return tr_load_seq(&tally->got) >= tally->wanted;
}

/* ---- sources ---- */

typedef struct start {
    troupe_pid to;
    uint64_t count;
    uint64_t size;
    uint64_t lane;
    uint64_t turns;
} start;
TROUPE_TYPE(start, "test.start", TROUPE_FIELD(start, to, 1), TROUPE_FIELD(start, count, 2),
            TROUPE_FIELD(start, size, 3), TROUPE_FIELD(start, lane, 4),
            TROUPE_FIELD(start, turns, 5));
TROUPE_TYPE_EMPTY(next, "test.next");

struct source {
    struct source_seen *seen;
    start order;
    uint64_t number;
    uint8_t *pad;
};

static int source_init(troupe_self *self, void *state, const void *args)
{
    ((struct source *)state)->seen = *(struct source_seen *const *)args;
    troupe_trap_exit(self, true);
    return TROUPE_OK;
}

static void source_release(void *state)
{
    free(((struct source *)state)->pad);
}

static int send_one(troupe_self *self, struct source *source)
{
    const start *order = &source->order;
    const block b = {.lane = order->lane,
                     .number = source->number,
                     .pad = {.data = source->pad, .size = order->size}};

    memset(source->pad, filling(b.lane, b.number), order->size);
    const troupe_status status = troupe_send(self, order->to, &block_type, &b);

    if (status == TROUPE_OK) {
        source->number++;
        (void)tr_add_relaxed(&source->seen->sent, 1);
        return TROUPE_OK;
    }
    (void)tr_add_relaxed(status == TROUPE_E_BUSY ? &source->seen->refused : &source->seen->limited,
                         1);
    return status == TROUPE_E_BUSY || status == TROUPE_E_LIMIT ? TROUPE_OK : (int)status;
}

static int on_next(troupe_self *self, void *state, const void *message)
{
    struct source *source = state;
    const uint64_t turns = source->order.turns == 0 ? 1 : source->order.turns;
    int answer = TROUPE_OK;

    (void)message;
    for (uint64_t i = 0; i < turns && source->order.count > 0 && answer == TROUPE_OK; i++) {
        source->order.count--;
        answer = send_one(self, source);
    }
    if (answer != TROUPE_OK || source->order.count == 0) {
        return answer;
    }
    return (int)troupe_continue(self, &next_type, NULL);
}

static int on_start(troupe_self *self, void *state, const void *message)
{
    struct source *source = state;

    source->order = *(const start *)message;
    source->number = 0;
    free(source->pad);
    source->pad = malloc(source->order.size + 1);
    return source->pad == NULL ? (int)TROUPE_E_NO_MEMORY : on_next(self, state, NULL);
}

static int on_exit_signal(troupe_self *self, void *state, const void *message)
{
    const struct source *source = state;
    const troupe_exit_message *signal = message;

    (void)tr_add_relaxed(&source->seen->asked, 1);
    return troupe_stop(self, signal->kind, signal->text);
}

static const troupe_handler source_handlers[] = {
    {&start_type, on_start}, {&next_type, on_next}, {&troupe_exit_type, on_exit_signal}, {0}};
static const troupe_behavior source_behavior = {.name = "test.source",
                                                .state_size = sizeof(struct source),
                                                .init = source_init,
                                                .release = source_release,
                                                .handlers = source_handlers};

troupe_pid source_spawn(size_t index, uint32_t flags, struct source_seen *seen)
{
    troupe_pid pid = {0};

    assert_int_equal(troupe_node_spawn(streams_nodes[index], &source_behavior, &seen,
                                       &(troupe_spawn_options){.flags = flags}, &pid),
                     TROUPE_OK);
    return pid;
}

void source_tell(size_t index, troupe_pid source, const struct order *order)
{
    const start s = {.to = order->to,
                     .count = order->count,
                     .size = order->size,
                     .lane = order->lane,
                     .turns = order->turns};

    assert_int_equal(troupe_node_send(streams_nodes[index], source, &start_type, &s), TROUPE_OK);
}

/* ---- nodes ---- */

void streams_begin(void)
{
    streams_cluster = fake_cluster_create();
    memset(streams_nodes, 0, sizeof(streams_nodes));
}

void streams_stop(size_t index)
{
    troupe_node_stop(streams_nodes[index], STREAMS_DEADLINE_MS);
    streams_nodes[index] = NULL;
}

void streams_end(void)
{
    for (size_t index = 0; index < STREAMS_NODES; index++) {
        streams_stop(index);
    }
    fake_cluster_destroy(streams_cluster);
}

void streams_start(size_t index, const troupe_config *config)
{
    troupe_config own;
    char name[8];
    char error[256] = "";

    troupe_config_init(&own);
    if (config != NULL) {
        own = *config;
    }
    (void)snprintf(name, sizeof(name), "n%u", (unsigned)(index + 1) % 10);
    own.name = name;
    own.workers = 2;
    own.exit_when_fenced = true;
    own.registry = fake_registry_create(streams_cluster);
    if (troupe_node_start(&own, &streams_nodes[index], error, sizeof(error)) != TROUPE_OK) {
        fail_msg("%s", error);
    }
    assert_int_equal(
        troupe_node_add_behavior(streams_nodes[index], &sink_behavior, error, sizeof(error)),
        TROUPE_OK);
}

void streams_wait(uint32_t nodes)
{
    for (size_t index = 0; index < STREAMS_NODES; index++) {
        if (streams_nodes[index] != NULL) {
            assert_int_equal(
                troupe_node_wait_cluster(streams_nodes[index], nodes, STREAMS_DEADLINE_MS),
                TROUPE_OK);
        }
    }
}

troupe_node_info streams_info(size_t index)
{
    troupe_node_info info = {.struct_size = sizeof(info)};

    troupe_node_get_info(streams_nodes[index], &info);
    return info;
}

/* ---- standing still ---- */

static void stand_on_loop(void *context)
{
    struct stand *stand = context;

    tr_mutex_lock(&stand->mutex);
    stand->stands = true;
    tr_cond_broadcast(&stand->changed);
    while (!stand->open) {
        tr_cond_wait(&stand->changed, &stand->mutex);
    }
    stand->stands = false;
    tr_cond_broadcast(&stand->changed);
    tr_mutex_unlock(&stand->mutex);
}

void stand_begin(struct stand *stand, size_t index)
{
    *stand = (struct stand){.begun = true};
    tr_mutex_init(&stand->mutex);
    tr_cond_init(&stand->changed);
    assert_int_equal(tr_loop_post(streams_nodes[index]->loop, stand_on_loop, stand), TROUPE_OK);
    tr_mutex_lock(&stand->mutex);
    while (!stand->stands) {
        tr_cond_wait(&stand->changed, &stand->mutex);
    }
    tr_mutex_unlock(&stand->mutex);
}

void stand_end(struct stand *stand)
{
    if (!stand->begun) {
        return;
    }
    stand->begun = false;
    tr_mutex_lock(&stand->mutex);
    stand->open = true;
    tr_cond_broadcast(&stand->changed);
    while (stand->stands) {
        tr_cond_wait(&stand->changed, &stand->mutex);
    }
    tr_mutex_unlock(&stand->mutex);
    tr_cond_fini(&stand->changed);
    tr_mutex_fini(&stand->mutex);
}
