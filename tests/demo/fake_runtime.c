#include "fake_runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Whoever runs: the teller, or an account in one step. */
struct troupe_self {
    struct fake_world *world;
    const troupe_type *reply_type;
    bank_receipt receipt;
    bank_balance balance;
    bank_progress progress;
    bank_report report;
    bool stored;
    bank_credit credit;
    size_t payee;
};

static uint64_t roll(struct fake_world *world, uint64_t sides)
{
    world->dice = bank_mix(world->dice);
    return world->dice % sides;
}

static bool strikes(struct fake_world *world, unsigned percent)
{
    return roll(world, 100) < percent;
}

static struct fake_event *add_event(struct fake_world *world, enum fake_event_kind kind,
                                    int64_t delay_ms)
{
    size_t place = 0;
    while (place < FAKE_EVENTS_MAX && world->events[place].kind != FAKE_FREE) {
        place++;
    }
    assert_true(place < FAKE_EVENTS_MAX);
    world->event_count++;
    world->event_top = place < world->event_top ? world->event_top : place + 1;
    struct fake_event *event = &world->events[place];
    *event = (struct fake_event){
        .kind = kind, .at_ms = world->now_ms + delay_ms, .order = roll(world, 1u << 30)};
    return event;
}

static size_t account_of(const struct fake_world *world, const char *name)
{
    const char *prefix = world->prefix == NULL ? "" : world->prefix;
    assert_true(strncmp(name, prefix, strlen(prefix)) == 0);
    name += strlen(prefix);
    assert_memory_equal(name, "account/", 8);
    size_t account = (size_t)strtoul(name + 8, NULL, 10) - 1;
    assert_true(account < FAKE_ACCOUNTS_MAX);
    return account;
}

/* ---- what the library does for any actor ---- */

troupe_pid troupe_self_pid(const troupe_self *self)
{
    (void)self;
    return (troupe_pid){.node = 1, .id = 77};
}

int64_t troupe_now_ms(const troupe_self *self)
{
    return self->world->now_ms;
}

void troupe_log(troupe_self *self, int32_t level, const char *format, ...)
{
    (void)self;
    (void)level;
    (void)format;
}

int troupe_fail(troupe_self *self, const char *format, ...)
{
    (void)self;
    (void)format;
    return TROUPE_E_FAILED;
}

const char *troupe_status_text(troupe_status status)
{
    return status == TROUPE_OK ? "ok" : "not ok";
}

const void *troupe_result_as(const troupe_result *result, const troupe_type *type)
{
    bool fits = result->type != NULL && strcmp(result->type->name, type->name) == 0;
    return fits ? result->value : NULL;
}

troupe_status troupe_set_string(troupe_self *self, const char **slot, const char *value)
{
    (void)self;
    *slot = value == NULL ? NULL : "somebody";
    return TROUPE_OK;
}

int troupe_reply(troupe_self *self, const troupe_type *type, const void *message)
{
    assert_null(self->reply_type);
    self->reply_type = type;
    if (strcmp(type->name, "bank.receipt") == 0) {
        self->receipt = *(const bank_receipt *)message;
    } else if (strcmp(type->name, "bank.balance") == 0) {
        self->balance = *(const bank_balance *)message;
    } else if (strcmp(type->name, "bank.progress") == 0) {
        self->progress = *(const bank_progress *)message;
    } else {
        assert_string_equal(type->name, "bank.report");
        self->report = *(const bank_report *)message;
    }
    return TROUPE_OK;
}

troupe_status troupe_send_durable(troupe_self *self, const char *name, const troupe_type *type,
                                  const void *message)
{
    assert_string_equal(type->name, "bank.credit");
    assert_false(self->stored);
    if (strikes(self->world, self->world->faults.full)) {
        return TROUPE_E_NO_MEMORY;
    }
    self->stored = true;
    self->payee = account_of(self->world, name);
    self->credit = *(const bank_credit *)message;
    return TROUPE_OK;
}

/* ---- what it does for the teller ---- */

static void add_message(struct fake_world *world, int64_t delay_ms, int64_t every_ms,
                        const troupe_type *type, const void *message)
{
    struct fake_event *event = add_event(world, FAKE_MESSAGE, delay_ms);
    event->type = type;
    event->every_ms = every_ms;
    if (type->size == sizeof(uint64_t)) {
        memcpy(&event->number, message, sizeof(event->number));
    }
}

troupe_status troupe_send(troupe_self *self, troupe_pid to, const troupe_type *type,
                          const void *message)
{
    assert_true(troupe_pid_equal(to, troupe_self_pid(self)));
    add_message(self->world, 0, 0, type, message);
    return TROUPE_OK;
}

troupe_status troupe_send_after(troupe_self *self, uint64_t delay_ms, troupe_pid to,
                                const troupe_type *type, const void *message, uint64_t *timer)
{
    assert_null(timer);
    assert_true(troupe_pid_equal(to, troupe_self_pid(self)));
    add_message(self->world, (int64_t)delay_ms, 0, type, message);
    return TROUPE_OK;
}

troupe_status troupe_send_interval(troupe_self *self, uint64_t interval_ms, troupe_pid to,
                                   const troupe_type *type, const void *message, uint64_t *timer)
{
    assert_true(troupe_pid_equal(to, troupe_self_pid(self)));
    add_message(self->world, (int64_t)interval_ms, (int64_t)interval_ms, type, message);
    *timer = 1;
    return TROUPE_OK;
}

bool troupe_cancel_timer(troupe_self *self, uint64_t timer)
{
    for (size_t i = 0; i < FAKE_EVENTS_MAX; i++) {
        struct fake_event *event = &self->world->events[i];
        if (timer == 1 && event->kind == FAKE_MESSAGE && event->every_ms > 0) {
            event->kind = FAKE_FREE;
            self->world->event_count--;
            return true;
        }
    }
    return false;
}

static struct fake_event *add_result(struct fake_world *world, int64_t delay_ms, troupe_then then,
                                     uint64_t tag, troupe_status status)
{
    struct fake_event *event = add_event(world, FAKE_RESULT, delay_ms);
    event->then = then;
    event->tag = tag;
    event->status = status;
    return event;
}

static void count_call(struct fake_world *world)
{
    world->calls++;
    world->calls_max = world->calls > world->calls_max ? world->calls : world->calls_max;
}

/* NOLINTNEXTLINE(readability-function-size): the library's own signature */
troupe_status troupe_call_name(troupe_self *self, const char *name, const troupe_type *type,
                               const void *message, uint32_t timeout_ms, troupe_then then,
                               uint64_t tag)
{
    struct fake_world *world = self->world;
    count_call(world);
    if (strikes(world, world->faults.unreachable)) {
        (void)add_result(world, 1, then, tag, TROUPE_E_NOCONNECTION);
        return TROUPE_OK;
    }
    bool late = strikes(world, world->faults.late);
    struct fake_event *event =
        add_event(world, FAKE_REQUEST,
                  late ? timeout_ms + (int64_t)roll(world, 200) : (int64_t)roll(world, 4));
    event->type = type;
    event->account = account_of(world, name);
    event->then = then;
    event->tag = tag;
    event->reply_dropped = late;
    if (strcmp(type->name, "bank.transfer") == 0) {
        event->transfer = *(const bank_transfer *)message;
        (void)snprintf(event->name, sizeof(event->name), "%s", event->transfer.to);
        event->transfer.to = NULL; /* was lent */
    }
    if (late) {
        world->late_requests++;
        (void)add_result(world, timeout_ms, then, tag, TROUPE_E_TIMEOUT);
    }
    return TROUPE_OK;
}

/* NOLINTNEXTLINE(readability-function-size): the library's own signature */
troupe_status troupe_spawn_on(troupe_self *self, const char *node, const char *behavior,
                              const void *args, const troupe_type *args_type,
                              const troupe_spawn_options *options, uint32_t timeout_ms,
                              troupe_then then, uint64_t tag)
{
    struct fake_world *world = self->world;
    struct fake_account *account = &world->accounts[account_of(world, options->name)];
    (void)timeout_ms;
    assert_string_equal(behavior, "bank.account");
    assert_string_equal(args_type->name, "bank.open");
    assert_int_equal(options->flags, TROUPE_SPAWN_DURABLE);
    assert_true(strcmp(node, "n1") == 0 || strcmp(node, "n2") == 0);
    count_call(world);
    troupe_status status = TROUPE_OK;
    if (world->nodes_unknown) {
        status = TROUPE_E_NOT_FOUND;
    } else if (strikes(world, world->faults.unreachable)) {
        status = TROUPE_E_NOCONNECTION;
    } else if (account->open) {
        status = TROUPE_E_EXISTS;
    } else {
        account->open = true;
        struct troupe_self actor = {.world = world};
        assert_int_equal(bank_account_behavior.init(&actor, &account->committed, args), TROUPE_OK);
        status = strikes(world, world->faults.killed_after) ? TROUPE_E_UNKNOWN : TROUPE_OK;
    }
    (void)add_result(world, (int64_t)roll(world, 4), then, tag, status);
    return TROUPE_OK;
}

/* ---- events ---- */

static int handle(const troupe_behavior *behavior, struct troupe_self *self, void *state,
                  const troupe_type *type, const void *message)
{
    const troupe_handler *handler = behavior->handlers;
    while (handler->type != NULL && strcmp(handler->type->name, type->name) != 0) {
        handler++;
    }
    assert_non_null(handler->type);
    return handler->handle(self, state, message);
}

static void run_request(struct fake_world *world, struct fake_event request)
{
    struct fake_account *account = &world->accounts[request.account];
    struct troupe_self self = {.world = world};
    bank_balance state = account->committed;
    request.transfer.to = request.name;
    assert_true(account->open);
    assert_int_equal(handle(&bank_account_behavior, &self, &state, request.type, &request.transfer),
                     TROUPE_OK);
    bool lost = strikes(world, world->faults.killed_before);
    world->lost_steps += lost ? 1 : 0;
    if (!lost) {
        account->committed = state;
        if (self.stored) {
            struct fake_event *credit = add_event(world, FAKE_CREDIT, (int64_t)roll(world, 30));
            credit->account = self.payee;
            credit->credit = self.credit;
            credit->credit.from = NULL;
        }
    }
    if (request.reply_dropped) {
        return;
    }
    bool silent = lost || strikes(world, world->faults.killed_after);
    world->lost_replies += silent && !lost ? 1 : 0;
    struct fake_event *result = add_result(world, (int64_t)roll(world, 3), request.then,
                                           request.tag, silent ? TROUPE_E_EXITED : TROUPE_OK);
    if (!silent) {
        result->reply_type = self.reply_type;
        result->receipt = self.receipt;
        result->balance = self.balance;
    }
}

static void run_credit(struct fake_world *world, const struct fake_event *event)
{
    struct fake_account *account = &world->accounts[event->account];
    struct troupe_self self = {.world = world};
    bank_balance state = account->committed;
    assert_int_equal(
        handle(&bank_account_behavior, &self, &state, &bank_credit_type, &event->credit),
        TROUPE_OK);
    if (strikes(world, world->faults.killed_before)) {
        struct fake_event *again = add_event(world, FAKE_CREDIT, (int64_t)roll(world, 100));
        again->account = event->account; /* the row stays */
        again->credit = event->credit;
        return;
    }
    account->committed = state;
}

static void run_result(struct fake_world *world, const struct fake_event *event)
{
    struct troupe_self self = {.world = world};
    troupe_result result = {.status = event->status, .tag = event->tag, .type = event->reply_type};
    result.reason.text = "";
    if (event->reply_type != NULL) {
        result.value = strcmp(event->reply_type->name, "bank.receipt") == 0
                           ? (const void *)&event->receipt
                           : (const void *)&event->balance;
    }
    world->calls--;
    assert_int_equal(event->then(&self, world->teller, &result), TROUPE_OK);
}

/* Takes the next event; its place is free before it runs. */
static bool take(struct fake_world *world, int64_t until_ms, struct fake_event *event)
{
    struct fake_event *first = NULL;
    for (size_t i = 0; i < world->event_top; i++) {
        struct fake_event *other = &world->events[i];
        if (other->kind != FAKE_FREE &&
            (first == NULL || other->at_ms < first->at_ms ||
             (other->at_ms == first->at_ms && other->order < first->order))) {
            first = other;
        }
    }
    if (first == NULL || first->at_ms > until_ms) {
        return false;
    }
    *event = *first;
    if (event->every_ms > 0) {
        first->at_ms += event->every_ms;
    } else {
        first->kind = FAKE_FREE;
        world->event_count--;
    }
    world->now_ms = event->at_ms > world->now_ms ? event->at_ms : world->now_ms;
    return true;
}

void fake_run(struct fake_world *world, int64_t ms_max)
{
    int64_t until_ms = world->now_ms + ms_max;
    struct fake_event event;
    while (take(world, until_ms, &event)) {
        if (event.kind == FAKE_MESSAGE) {
            assert_int_equal(fake_tell(world, event.type, &event.number), TROUPE_OK);
        } else if (event.kind == FAKE_REQUEST) {
            run_request(world, event);
        } else if (event.kind == FAKE_RESULT) {
            run_result(world, &event);
        } else {
            run_credit(world, &event);
        }
    }
}

/* ---- what a test does ---- */

int fake_begin(struct fake_world *world, const bank_teller *args)
{
    struct troupe_self self = {.world = world};
    world->teller = calloc(1, bank_teller_behavior.state_size);
    assert_non_null(world->teller);
    return bank_teller_behavior.init(&self, world->teller, args);
}

void fake_end(struct fake_world *world)
{
    struct troupe_self self = {.world = world};
    bank_teller_behavior.terminate(&self, world->teller, &(troupe_reason){.text = ""});
    free(world->teller);
    world->teller = NULL;
    for (size_t i = 0; i < FAKE_EVENTS_MAX; i++) {
        if (world->events[i].kind == FAKE_MESSAGE || world->events[i].kind == FAKE_RESULT) {
            world->events[i].kind = FAKE_FREE;
            world->event_count--;
        }
        world->events[i].reply_dropped = true;
    }
    world->calls = 0;
}

int fake_tell(struct fake_world *world, const troupe_type *type, const void *message)
{
    struct troupe_self self = {.world = world};
    return handle(&bank_teller_behavior, &self, world->teller, type, message);
}

bank_progress fake_progress(struct fake_world *world)
{
    struct troupe_self self = {.world = world};
    assert_int_equal(
        handle(&bank_teller_behavior, &self, world->teller, &bank_get_progress_type, NULL),
        TROUPE_OK);
    return self.progress;
}

bank_report fake_report(struct fake_world *world)
{
    struct troupe_self self = {.world = world};
    assert_int_equal(
        handle(&bank_teller_behavior, &self, world->teller, &bank_get_report_type, NULL),
        TROUPE_OK);
    return self.report;
}
