/* One module in two versions, for nodes that were not upgraded together: built with VERSION 1
 * and 2. An actor of it does what it is ordered and notes what it was sent, as its own version
 * reads it. */
#include <stdio.h>
#include <string.h>

#include <troupe/troupe.h>

enum { LINE_SIZE = 256, NOTES_SIZE = 4096 };

/* ---- types that differ ---- */

/* Two fields more in version 2. */
typedef struct grown {
    int64_t amount;
#if VERSION == 2
    const char *memo;
    int64_t rate;
#endif
} grown;

/* A field less in version 2. */
typedef struct shrunk {
    int64_t amount;
#if VERSION == 1
    const char *memo;
#endif
} shrunk;

/* Another kind in version 2. */
typedef struct turned {
#if VERSION == 1
    int64_t amount;
#else
    const char *amount;
#endif
} turned;
TROUPE_TYPE(turned, "versions.turned", TROUPE_FIELD(turned, amount, 1));

#if VERSION == 1
TROUPE_TYPE(grown, "versions.grown", TROUPE_FIELD(grown, amount, 1));
TROUPE_TYPE(shrunk, "versions.shrunk", TROUPE_FIELD(shrunk, amount, 1),
            TROUPE_FIELD(shrunk, memo, 2));
#else
TROUPE_TYPE(grown, "versions.grown", TROUPE_FIELD(grown, amount, 1), TROUPE_FIELD(grown, memo, 2),
            TROUPE_FIELD(grown, rate, 3));
TROUPE_TYPE(shrunk, "versions.shrunk", TROUPE_FIELD(shrunk, amount, 1));

/* Version 1 knows nothing of it. */
typedef struct fresh {
    int64_t amount;
} fresh;
TROUPE_TYPE(fresh, "versions.fresh", TROUPE_FIELD(fresh, amount, 1));
#endif

/* ---- types that both have ---- */

typedef struct order {
    const char *op;   /* send, call, want or spawn */
    const char *to;   /* a pid as text, or a name; spawn: a node */
    const char *type; /* which of the types that differ */
    int64_t n;        /* what stands in it */
    const char *text;
} order;
TROUPE_TYPE(order, "versions.order", TROUPE_FIELD(order, op, 1), TROUPE_FIELD(order, to, 2),
            TROUPE_FIELD(order, type, 3), TROUPE_FIELD(order, n, 4), TROUPE_FIELD(order, text, 5));

/* What became of an order: of a call and a spawn what they ended with. */
typedef struct outcome {
    const char *status;
    const char *text;
    troupe_pid pid;
} outcome;
TROUPE_TYPE(outcome, "versions.outcome", TROUPE_FIELD(outcome, status, 1),
            TROUPE_FIELD(outcome, text, 2), TROUPE_FIELD(outcome, pid, 3));

/* A request for a value of a type that differs. */
typedef struct want {
    const char *type;
} want;
TROUPE_TYPE(want, "versions.want", TROUPE_FIELD(want, type, 1));

typedef struct told {
    const char *text;
} told;
TROUPE_TYPE(told, "versions.told", TROUPE_FIELD(told, text, 1));

TROUPE_TYPE_EMPTY(look, "versions.look");

/* ---- values of the types that differ ---- */

union value {
    grown grown;
    shrunk shrunk;
    turned turned;
#if VERSION == 2
    fresh fresh;
#endif
};

static const char *shown(const char *text)
{
    return text == NULL ? "none" : text;
}

static void fill_grown(union value *value, const order *wanted)
{
#if VERSION == 1
    value->grown = (grown){.amount = wanted->n};
#else
    value->grown = (grown){.amount = wanted->n, .memo = wanted->text, .rate = wanted->n + 1};
#endif
}

static void print_grown(const void *value, char *line)
{
    const grown *got = value;

#if VERSION == 1
    (void)snprintf(line, LINE_SIZE, "grown %lld", (long long)got->amount);
#else
    (void)snprintf(line, LINE_SIZE, "grown %lld %s %lld", (long long)got->amount, shown(got->memo),
                   (long long)got->rate);
#endif
}

static void fill_shrunk(union value *value, const order *wanted)
{
#if VERSION == 1
    value->shrunk = (shrunk){.amount = wanted->n, .memo = wanted->text};
#else
    value->shrunk = (shrunk){.amount = wanted->n};
#endif
}

static void print_shrunk(const void *value, char *line)
{
    const shrunk *got = value;

#if VERSION == 1
    (void)snprintf(line, LINE_SIZE, "shrunk %lld %s", (long long)got->amount, shown(got->memo));
#else
    (void)snprintf(line, LINE_SIZE, "shrunk %lld", (long long)got->amount);
#endif
}

static void fill_turned(union value *value, const order *wanted)
{
#if VERSION == 1
    value->turned = (turned){.amount = wanted->n};
#else
    value->turned = (turned){.amount = wanted->text};
#endif
}

static void print_turned(const void *value, char *line)
{
    const turned *got = value;

#if VERSION == 1
    (void)snprintf(line, LINE_SIZE, "turned %lld", (long long)got->amount);
#else
    (void)snprintf(line, LINE_SIZE, "turned %s", shown(got->amount));
#endif
}

#if VERSION == 2
static void fill_fresh(union value *value, const order *wanted)
{
    value->fresh = (fresh){.amount = wanted->n};
}

static void print_fresh(const void *value, char *line)
{
    (void)snprintf(line, LINE_SIZE, "fresh %lld", (long long)((const fresh *)value)->amount);
}
#endif

struct kind {
    const troupe_type *type;
    void (*fill)(union value *value, const order *wanted);
    void (*print)(const void *value, char *line);
};

static const struct kind kinds[] = {
    {&grown_type, fill_grown, print_grown},
    {&shrunk_type, fill_shrunk, print_shrunk},
    {&turned_type, fill_turned, print_turned},
#if VERSION == 2
    {&fresh_type, fill_fresh, print_fresh},
#endif
};

static const struct kind *kind_named(const char *name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (name != NULL && strcmp(kinds[i].type->name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* ---- the actor ---- */

struct actor {
    char notes[NOTES_SIZE]; /* a line for each message */
    troupe_from from;       /* who waits for the outcome of the order under way */
};

static void note(struct actor *actor, const char *line)
{
    const size_t size = strlen(actor->notes);

    (void)snprintf(actor->notes + size, sizeof(actor->notes) - size, "%s\n", line);
}

static int on_value(troupe_self *self, void *state, const void *message)
{
    char line[LINE_SIZE] = "";

    kind_named(troupe_message_type(self)->name)->print(message, line);
    note(state, line);
    return troupe_reply(self, &told_type, &(told){.text = line});
}

static int on_want(troupe_self *self, void *state, const void *message)
{
    const struct kind *kind = kind_named(((const want *)message)->type);
    union value value = {.grown = {0}};

    (void)state;
    if (kind == NULL) {
        return troupe_reply(self, &told_type, &(told){.text = "no such type"});
    }
    kind->fill(&value, &(order){.n = 7, .text = "seven"});
    return troupe_reply(self, kind->type, &value);
}

static int on_look(troupe_self *self, void *state, const void *message)
{
    (void)message;
    return troupe_reply(self, &told_type, &(told){.text = ((struct actor *)state)->notes});
}

static int on_result(troupe_self *self, void *state, const troupe_result *result)
{
    const struct actor *actor = state;
    const told *said = troupe_result_as(result, &told_type);
    const struct kind *kind = result->type == NULL ? NULL : kind_named(result->type->name);
    char line[LINE_SIZE] = "";

    if (kind != NULL) {
        kind->print(result->value, line);
    } else {
        (void)snprintf(line, sizeof(line), "%s",
                       said != NULL ? said->text : shown(result->reason.text));
    }
    return (int)troupe_reply_to(
        self, &actor->from, &outcome_type,
        &(outcome){.status = troupe_status_name(result->status), .text = line, .pid = result->pid});
}

static troupe_status send_to(troupe_self *self, const char *to, const troupe_type *type,
                             const void *message)
{
    troupe_pid pid = {0};

    return troupe_pid_parse(to, &pid) == TROUPE_OK ? troupe_send(self, pid, type, message)
                                                   : troupe_send_name(self, to, type, message);
}

static troupe_status call_to(troupe_self *self, const char *to, const troupe_type *type,
                             const void *message)
{
    troupe_pid pid = {0};

    return troupe_pid_parse(to, &pid) == TROUPE_OK
               ? troupe_call(self, pid, type, message, 0, on_result, 0)
               : troupe_call_name(self, to, type, message, 0, on_result, 0);
}

static troupe_status obey(troupe_self *self, const order *wanted)
{
    const struct kind *kind = kind_named(wanted->type);
    union value value = {.grown = {0}};

    if (strcmp(wanted->op, "want") == 0) {
        return call_to(self, wanted->to, &want_type, &(want){.type = wanted->type});
    }
    if (kind == NULL) {
        return TROUPE_E_NOT_FOUND;
    }
    kind->fill(&value, wanted);
    if (strcmp(wanted->op, "spawn") == 0) {
        return troupe_spawn_on(self, wanted->to, "versions.born", &value, kind->type, NULL, 0,
                               on_result, 0);
    }
    return strcmp(wanted->op, "send") == 0 ? send_to(self, wanted->to, kind->type, &value)
                                           : call_to(self, wanted->to, kind->type, &value);
}

static int on_order(troupe_self *self, void *state, const void *message)
{
    struct actor *actor = state;
    const order *wanted = message;
    const troupe_status status = obey(self, wanted);

    if (status == TROUPE_OK && strcmp(wanted->op, "send") != 0) {
        actor->from = troupe_take_from(self);
        return TROUPE_OK;
    }
    return troupe_reply(
        self, &outcome_type,
        &(outcome){.status = troupe_status_name(status), .text = troupe_status_text(status)});
}

/* One that is born with a value whose kind differs. */
static int born_init(troupe_self *self, void *state, const void *args)
{
    char line[LINE_SIZE] = "no args";

    (void)self;
    if (args != NULL) {
        print_turned(args, line);
    }
    note(state, line);
    return TROUPE_OK;
}

static const troupe_handler handlers[] = {{&order_type, on_order},
                                          {&want_type, on_want},
                                          {&look_type, on_look},
                                          {&grown_type, on_value},
                                          {&shrunk_type, on_value},
                                          {&turned_type, on_value},
#if VERSION == 2
                                          {&fresh_type, on_value},
#endif
                                          {0}};

static const troupe_behavior versions = {
    .name = "versions", .state_size = sizeof(struct actor), .handlers = handlers};
static const troupe_behavior born = {.name = "versions.born",
                                     .state_size = sizeof(struct actor),
                                     .args = &turned_type,
                                     .init = born_init,
                                     .handlers = handlers};

static const troupe_type *const types[] = {&outcome_type, &told_type, NULL};
static const troupe_behavior *const behaviors[] = {&versions, &born, NULL};

TROUPE_API extern const troupe_module troupe_module_entry;
const troupe_module troupe_module_entry = {
    .abi = TROUPE_MODULE_ABI, .name = "versions", .types = types, .behaviors = behaviors};
