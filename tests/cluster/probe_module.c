/* A module for tests of whole clusters: actors that live and die on request, one that records every
 * signal, a durable counter, and a load on such counters whose acknowledgements are counted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <troupe/troupe.h>

/* ---- a target: works, dies, links as it is told ---- */

typedef struct text {
    const char *text;
} text;
TROUPE_TYPE(text, "probe.text", TROUPE_FIELD(text, text, 1));

typedef struct die {
    const char *text; /* "" ends it normally */
} die;
TROUPE_TYPE(die, "probe.die", TROUPE_FIELD(die, text, 1));

TROUPE_TYPE_EMPTY(work, "probe.work");

static int target_on_work(troupe_self *self, void *state, const void *message)
{
    (void)state;
    (void)message;
    return troupe_reply(self, &text_type, &(text){.text = "done"});
}

static int target_on_die(troupe_self *self, void *state, const void *message)
{
    const die *order = message;

    (void)state;
    if (order->text == NULL || order->text[0] == '\0') {
        return TROUPE_STOP;
    }
    return troupe_fail(self, "%s", order->text);
}

static const troupe_handler target_handlers[] = {
    {&work_type, target_on_work}, {&die_type, target_on_die}, {0}};
static const troupe_behavior target = {.name = "probe.target", .handlers = target_handlers};

/* ---- a watcher: traps exits and records what it is sent ---- */

enum { LINES_MAX = 200 };

typedef struct watch {
    const char *name;
    bool link;
    bool monitor;
    bool end; /* unlink and demonitor instead */
} watch;
TROUPE_TYPE(watch, "probe.watch", TROUPE_FIELD(watch, name, 1), TROUPE_FIELD(watch, link, 2),
            TROUPE_FIELD(watch, monitor, 3), TROUPE_FIELD(watch, end, 4));

/* An array of texts, as the type system has it: an array of structs. */
typedef struct seen {
    const text *lines;
    size_t lines_count;
} seen;
TROUPE_TYPE(seen, "probe.seen", TROUPE_FIELD_STRUCT_ARRAY(seen, lines, lines_count, 1, &text_type));

TROUPE_TYPE_EMPTY(look, "probe.look");

struct watcher {
    char *lines[LINES_MAX];
    size_t count;
    troupe_pid pid; /* of the last one watched */
    uint64_t monitor;
};

static void note(struct watcher *watcher, const char *line)
{
    if (watcher->count < LINES_MAX) {
        watcher->lines[watcher->count++] = strdup(line);
    }
}

static int watcher_init(troupe_self *self, void *state, const void *args)
{
    (void)state;
    (void)args;
    troupe_trap_exit(self, true);
    return troupe_monitor_node(self, true);
}

static int on_found(troupe_self *self, void *state, const troupe_result *result)
{
    struct watcher *watcher = state;
    troupe_status status = result->status;

    if (status == TROUPE_OK) {
        watcher->pid = result->pid;
    }
    if (status == TROUPE_OK && (result->tag & 1u) != 0) {
        status = troupe_link(self, result->pid);
    }
    if (status == TROUPE_OK && (result->tag & 2u) != 0) {
        status = troupe_monitor(self, result->pid, &watcher->monitor);
    }
    if (status != TROUPE_OK) {
        char line[128];

        (void)snprintf(line, sizeof(line), "watch %s", troupe_status_text(status));
        note(watcher, line);
    }
    return TROUPE_OK;
}

static int watcher_on_watch(troupe_self *self, void *state, const void *message)
{
    struct watcher *watcher = state;
    const watch *order = message;
    troupe_pid pid = {0};

    if (order->end) {
        const troupe_status status = troupe_unlink(self, watcher->pid);

        return status != TROUPE_OK ? (int)status : (int)troupe_demonitor(self, watcher->monitor);
    }
    if (troupe_pid_parse(order->name, &pid) == TROUPE_OK) {
        return on_found(
            self, state,
            &(troupe_result){.pid = pid,
                             .tag = (order->link ? 1u : 0u) | (order->monitor ? 2u : 0u)});
    }
    return troupe_whereis(self, order->name, 0, on_found,
                          (order->link ? 1u : 0u) | (order->monitor ? 2u : 0u));
}

static int watcher_on_exit(troupe_self *self, void *state, const void *message)
{
    const troupe_exit_message *exit = message;
    char line[320];

    (void)self;
    (void)snprintf(line, sizeof(line), "EXIT %s %s", troupe_reason_name(exit->kind), exit->text);
    note(state, line);
    return TROUPE_OK;
}

static int watcher_on_down(troupe_self *self, void *state, const void *message)
{
    const troupe_down_message *down = message;
    char line[320];

    (void)self;
    (void)snprintf(line, sizeof(line), "DOWN %s %s", troupe_reason_name(down->kind), down->text);
    note(state, line);
    return TROUPE_OK;
}

static int watcher_on_node(troupe_self *self, void *state, const void *message)
{
    const troupe_node_message *news = message;
    char line[128];

    (void)self;
    (void)snprintf(line, sizeof(line), "%s %s %llu", news->up ? "nodeup" : "nodedown", news->name,
                   (unsigned long long)news->node);
    note(state, line);
    return TROUPE_OK;
}

static int watcher_on_look(troupe_self *self, void *state, const void *message)
{
    const struct watcher *watcher = state;
    text lines[LINES_MAX];

    (void)message;
    for (size_t i = 0; i < watcher->count; i++) {
        lines[i].text = watcher->lines[i];
    }
    return troupe_reply(self, &seen_type, &(seen){.lines = lines, .lines_count = watcher->count});
}

static void watcher_release(void *state)
{
    const struct watcher *watcher = state;

    for (size_t i = 0; i < watcher->count; i++) {
        free(watcher->lines[i]);
    }
}

static const troupe_handler watcher_handlers[] = {
    {&watch_type, watcher_on_watch},      {&look_type, watcher_on_look},
    {&troupe_exit_type, watcher_on_exit}, {&troupe_down_type, watcher_on_down},
    {&troupe_node_type, watcher_on_node}, {0}};
static const troupe_behavior watcher_behavior = {.name = "probe.watcher",
                                                 .state_size = sizeof(struct watcher),
                                                 .init = watcher_init,
                                                 .release = watcher_release,
                                                 .handlers = watcher_handlers};

/* ---- a durable counter ---- */

typedef struct total {
    int64_t total;
} total;
TROUPE_TYPE(total, "probe.total", TROUPE_FIELD(total, total, 1));

typedef struct add {
    int64_t by;
} add;
TROUPE_TYPE(add, "probe.add", TROUPE_FIELD(add, by, 1));

TROUPE_TYPE_EMPTY(get, "probe.get");

static int counter_on_add(troupe_self *self, void *state, const void *message)
{
    total *counted = state;

    counted->total += ((const add *)message)->by;
    return troupe_reply(self, &total_type, counted);
}

static int counter_on_get(troupe_self *self, void *state, const void *message)
{
    (void)message;
    return troupe_reply(self, &total_type, state);
}

static const troupe_handler counter_handlers[] = {
    {&add_type, counter_on_add}, {&get_type, counter_on_get}, {&die_type, target_on_die}, {0}};
static const troupe_behavior counter = {
    .name = "probe.counter", .version = 1, .state = &total_type, .handlers = counter_handlers};

/* ---- a load: adds one to `count` counters in turn, one request under way for each ---- */

typedef struct load_args {
    const char *prefix; /* counters are prefix/0 ... prefix/count-1 */
    int64_t count;
} load_args;
TROUPE_TYPE(load_args, "probe.load_args", TROUPE_FIELD(load_args, prefix, 1),
            TROUPE_FIELD(load_args, count, 2));

/* What is known of the requests so far. An unknown one may have been handled or not. */
typedef struct tally {
    int64_t acknowledged;
    int64_t refused; /* certainly not handled */
    int64_t unknown;
    int64_t under_way;
} tally;
TROUPE_TYPE(tally, "probe.tally", TROUPE_FIELD(tally, acknowledged, 1),
            TROUPE_FIELD(tally, refused, 2), TROUPE_FIELD(tally, unknown, 3),
            TROUPE_FIELD(tally, under_way, 4));

TROUPE_TYPE_EMPTY(tally_get, "probe.tally_get");
TROUPE_TYPE_EMPTY(halt, "probe.halt");
typedef struct again {
    uint64_t index;
} again;
TROUPE_TYPE(again, "probe.again", TROUPE_FIELD(again, index, 1));

struct load {
    char prefix[64];
    tally tally;
    bool halted;
};

static int request(troupe_self *self, struct load *load, uint64_t index);

static int on_answer(troupe_self *self, void *state, const troupe_result *result)
{
    struct load *load = state;

    load->tally.under_way--;
    if (result->status == TROUPE_OK) {
        load->tally.acknowledged++;
        return load->halted ? TROUPE_OK : request(self, load, result->tag);
    }
    if (result->status == TROUPE_E_NOPROC || result->status == TROUPE_E_BUSY) {
        load->tally.refused++;
    } else {
        load->tally.unknown++;
    }
    return load->halted ? TROUPE_OK
                        : (int)troupe_send_after(self, 20, troupe_self_pid(self), &again_type,
                                                 &(again){.index = result->tag}, NULL);
}

static int request(troupe_self *self, struct load *load, uint64_t index)
{
    char name[96];

    (void)snprintf(name, sizeof(name), "%s/%llu", load->prefix, (unsigned long long)index);
    load->tally.under_way++;
    return troupe_call_name(self, name, &add_type, &(add){.by = 1}, 2000, on_answer, index);
}

static int load_init(troupe_self *self, void *state, const void *args)
{
    struct load *load = state;
    const load_args *wanted = args;
    int answer = TROUPE_OK;

    (void)snprintf(load->prefix, sizeof(load->prefix), "%s", wanted->prefix);
    for (int64_t i = 0; i < wanted->count && answer == TROUPE_OK; i++) {
        answer = request(self, load, (uint64_t)i);
    }
    return answer;
}

static int load_on_again(troupe_self *self, void *state, const void *message)
{
    struct load *load = state;

    return load->halted ? TROUPE_OK : request(self, load, ((const again *)message)->index);
}

static int load_on_tally(troupe_self *self, void *state, const void *message)
{
    (void)message;
    return troupe_reply(self, &tally_type, &((struct load *)state)->tally);
}

static int load_on_halt(troupe_self *self, void *state, const void *message)
{
    struct load *load = state;

    (void)message;
    load->halted = true;
    return troupe_reply(self, &tally_type, &load->tally);
}

static const troupe_handler load_handlers[] = {{&again_type, load_on_again},
                                               {&tally_get_type, load_on_tally},
                                               {&halt_type, load_on_halt},
                                               {0}};
static const troupe_behavior load_behavior = {.name = "probe.load",
                                              .state_size = sizeof(struct load),
                                              .args = &load_args_type,
                                              .init = load_init,
                                              .handlers = load_handlers};

/* ---- a boss: a supervisor whose children, targets or durable counters, are placed as it is told
 * ---- */

enum { BOSS_CHILDREN_MAX = 100, NAME_SIZE = 32 };

typedef struct boss_args {
    const char *placement;
    const char *prefix; /* of their names: "s/" makes s/0, s/1 ... */
    int32_t count;
    int32_t intensity;
    bool durable;      /* counters */
    const char *below; /* where a supervisor is placed that has them as its children; "": none */
} boss_args;
TROUPE_TYPE(boss_args, "probe.boss_args", TROUPE_FIELD(boss_args, placement, 1),
            TROUPE_FIELD(boss_args, prefix, 2), TROUPE_FIELD(boss_args, count, 3),
            TROUPE_FIELD(boss_args, intensity, 4), TROUPE_FIELD(boss_args, durable, 5),
            TROUPE_FIELD(boss_args, below, 6));

static int boss_init(troupe_self *self, void *state, const void *args)
{
    const boss_args *wanted = args;
    troupe_child children[BOSS_CHILDREN_MAX] = {{0}};
    char names[BOSS_CHILDREN_MAX][NAME_SIZE];
    const bool deep = wanted->below != NULL && wanted->below[0] != '\0';
    troupe_supervisor tree = {.children = children,
                              .children_count = (size_t)wanted->count,
                              .intensity = (uint32_t)wanted->intensity,
                              .period_ms = wanted->intensity == 0 ? 0 : 5000};
    troupe_pid pid = {0};

    (void)state;
    if (wanted->count < 0 || wanted->count > BOSS_CHILDREN_MAX) {
        return troupe_fail(self, "at most %d children", BOSS_CHILDREN_MAX);
    }
    for (int32_t i = 0; i < wanted->count; i++) {
        (void)snprintf(names[i], NAME_SIZE, "%.16s%d", wanted->prefix, (int)i);
        children[i] = (troupe_child){.id = names[i],
                                     .name = names[i],
                                     .behavior = wanted->durable ? &counter : &target,
                                     .flags = wanted->durable ? TROUPE_SPAWN_DURABLE : 0,
                                     .placement = wanted->placement};
    }
    const troupe_supervisor below = tree;
    const troupe_child middle = {.id = "middle", .supervisor = &below, .placement = wanted->below};

    if (deep) {
        tree.children = &middle; /* What is placed is copied. */
        tree.children_count = 1;
    }
    return (int)troupe_spawn_supervisor(self, &tree, NULL, &pid);
}

static const troupe_behavior boss = {
    .name = "probe.boss", .args = &boss_args_type, .init = boss_init};

/* ---- a source of numbered blocks, and the sink on another node that it starts for them ---- */

typedef struct piece {
    int64_t number;
    troupe_bytes pad;
} piece;
TROUPE_TYPE(piece, "probe.piece", TROUPE_FIELD(piece, number, 1), TROUPE_FIELD(piece, pad, 2));

typedef struct sunk {
    int64_t got;
    int64_t wrong; /* lost, doubled, or out of order */
} sunk;
TROUPE_TYPE(sunk, "probe.sunk", TROUPE_FIELD(sunk, got, 1), TROUPE_FIELD(sunk, wrong, 2));

TROUPE_TYPE_EMPTY(sunk_get, "probe.sunk_get");

static int sink_on_piece(troupe_self *self, void *state, const void *message)
{
    sunk *counted = state;

    (void)self;
    counted->wrong += ((const piece *)message)->number != counted->got ? 1 : 0;
    counted->got++;
    return TROUPE_OK;
}

static int sink_on_get(troupe_self *self, void *state, const void *message)
{
    (void)message;
    return troupe_reply(self, &sunk_type, state);
}

static const troupe_handler sink_handlers[] = {
    {&piece_type, sink_on_piece}, {&sunk_get_type, sink_on_get}, {0}};
static const troupe_behavior sink_behavior = {
    .name = "probe.sink", .state = &sunk_type, .handlers = sink_handlers};

typedef struct source_args {
    const char *node; /* where the sink is started, by the name `sink` */
} source_args;
TROUPE_TYPE(source_args, "probe.source_args", TROUPE_FIELD(source_args, node, 1));

typedef struct flood {
    int64_t count;
    int64_t size;
} flood;
TROUPE_TYPE(flood, "probe.flood", TROUPE_FIELD(flood, count, 1), TROUPE_FIELD(flood, size, 2));

TROUPE_TYPE_EMPTY(flow_on, "probe.flow_on");

struct source {
    troupe_pid sink;
    int64_t number;
    flood left;
    uint8_t *pad;
};

static int on_sink(troupe_self *self, void *state, const troupe_result *result)
{
    ((struct source *)state)->sink = result->pid;
    return result->status == TROUPE_OK
               ? TROUPE_OK
               : troupe_fail(self, "no sink: %s", troupe_status_text(result->status));
}

static int source_init(troupe_self *self, void *state, const void *args)
{
    /* Nothing is refused there: what is lost is lost on the way. */
    const troupe_spawn_options options = {
        .name = "sink", .mailbox_messages = 1000000, .mailbox_bytes = (uint64_t)1 << 40};

    (void)state;
    return (int)troupe_spawn_on(self, ((const source_args *)args)->node, "probe.sink", NULL, NULL,
                                &options, 10000, on_sink, 0);
}

/* One piece in each turn. */
static int source_on_flow(troupe_self *self, void *state, const void *message)
{
    struct source *source = state;
    const piece next = {.number = source->number,
                        .pad = {.data = source->pad, .size = (size_t)source->left.size}};

    (void)message;
    if (source->left.count == 0) {
        return TROUPE_OK;
    }
    const troupe_status status = troupe_send(self, source->sink, &piece_type, &next);

    if (status != TROUPE_OK) {
        return troupe_fail(self, "refused: %s", troupe_status_text(status));
    }
    source->number++;
    source->left.count--;
    return (int)troupe_continue(self, &flow_on_type, NULL);
}

static int source_on_flood(troupe_self *self, void *state, const void *message)
{
    struct source *source = state;

    source->left = *(const flood *)message;
    free(source->pad);
    source->pad = calloc(1, (size_t)source->left.size + 1);
    return source->pad == NULL ? (int)TROUPE_E_NO_MEMORY : source_on_flow(self, state, NULL);
}

static void source_release(void *state)
{
    free(((struct source *)state)->pad);
}

static const troupe_handler source_handlers[] = {
    {&flood_type, source_on_flood}, {&flow_on_type, source_on_flow}, {0}};
static const troupe_behavior source_behavior = {.name = "probe.source",
                                                .state_size = sizeof(struct source),
                                                .args = &source_args_type,
                                                .init = source_init,
                                                .release = source_release,
                                                .handlers = source_handlers};

static const troupe_type *const types[] = {&text_type,  &seen_type, &total_type,
                                           &tally_type, &sunk_type, NULL};
static const troupe_behavior *const behaviors[] = {
    &target,        &watcher_behavior, &counter, &load_behavior,
    &sink_behavior, &source_behavior,  &boss,    NULL};

TROUPE_API extern const troupe_module troupe_module_entry;
const troupe_module troupe_module_entry = {
    .abi = TROUPE_MODULE_ABI, .name = "probe", .types = types, .behaviors = behaviors};
