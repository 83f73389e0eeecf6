/* A module for the tests of the command line: an actor that counts, fails and never answers. */
#include <unistd.h>

#include <troupe/troupe.h>

typedef struct counter {
    int64_t total;
} counter;
TROUPE_TYPE(counter, "cli.counter_state", TROUPE_FIELD(counter, total, 1));

typedef struct add {
    int64_t by;
    const char *memo;
} add;
TROUPE_TYPE(add, "cli.add", TROUPE_FIELD(add, by, 1), TROUPE_FIELD(add, memo, 2));

typedef struct total {
    int64_t total;
    const char *memo;
} total;
TROUPE_TYPE(total, "cli.total", TROUPE_FIELD(total, total, 1), TROUPE_FIELD(total, memo, 2));

typedef struct join {
    const char *group;
} join;
TROUPE_TYPE(join, "cli.join", TROUPE_FIELD(join, group, 1));

TROUPE_TYPE_EMPTY(get, "cli.get");
TROUPE_TYPE_EMPTY(grow, "cli.grow");
TROUPE_TYPE_EMPTY(fail, "cli.fail");
TROUPE_TYPE_EMPTY(silence, "cli.silence");
TROUPE_TYPE_EMPTY(hang, "cli.hang");

static int init(troupe_self *self, void *state, const void *args)
{
    const add *first = args;

    if (first != NULL && first->by < 0) {
        return troupe_fail(self, "a counter cannot begin at %lld", (long long)first->by);
    }
    ((counter *)state)->total = first != NULL ? first->by : 0;
    return TROUPE_OK;
}

static int on_add(troupe_self *self, void *state, const void *message)
{
    counter *counted = state;
    const add *request = message;

    counted->total += request->by;
    return troupe_reply(self, &total_type, &(total){counted->total, request->memo});
}

static int on_get(troupe_self *self, void *state, const void *message)
{
    const counter *counted = state;

    (void)message;
    return troupe_reply(self, &total_type, &(total){counted->total, NULL});
}

static int on_fail(troupe_self *self, void *state, const void *message)
{
    (void)state;
    (void)message;
    return troupe_fail(self, "told to fail");
}

/* Takes the request and never answers it; that it came can be seen in the total. */
static int on_silence(troupe_self *self, void *state, const void *message)
{
    (void)message;
    (void)troupe_take_from(self);
    ((counter *)state)->total++;
    return TROUPE_OK;
}

/* A handler that does not return, which no handler should be. */
static int on_hang(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)message;
    for (;;) {
        (void)pause();
    }
    return TROUPE_OK;
}

static int on_join(troupe_self *self, void *state, const void *message)
{
    const troupe_status status = troupe_join(self, ((const join *)message)->group);

    return status != TROUPE_OK ? status : on_get(self, state, message);
}

static const troupe_behavior counter_behavior;

/* Starts a supervisor with one child. */
static int on_grow(troupe_self *self, void *state, const void *message)
{
    static const add first = {.by = 9};
    static const troupe_child children[] = {
        {.id = "leaf", .behavior = &counter_behavior, .args = &first}};
    static const troupe_supervisor tree = {.children = children, .children_count = 1};
    troupe_pid pid = {0};
    const troupe_status status = troupe_spawn_supervisor(self, &tree, NULL, &pid);

    return status != TROUPE_OK ? status : on_get(self, state, message);
}

static const troupe_handler handlers[] = {{&add_type, on_add},   {&get_type, on_get},
                                          {&grow_type, on_grow}, {&join_type, on_join},
                                          {&fail_type, on_fail}, {&silence_type, on_silence},
                                          {&hang_type, on_hang}, {0}};

static const troupe_behavior counter_behavior = {.name = "cli.counter",
                                                 .version = 1,
                                                 .state = &counter_type,
                                                 .args = &add_type,
                                                 .init = init,
                                                 .handlers = handlers};

static const troupe_behavior *const behaviors[] = {&counter_behavior, NULL};
static const troupe_type *const types[] = {&total_type, NULL};

TROUPE_API const troupe_module troupe_module_entry;
const troupe_module troupe_module_entry = {
    .abi = TROUPE_MODULE_ABI, .name = "cli_counter", .types = types, .behaviors = behaviors};
