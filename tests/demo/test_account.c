/* What is tested: examples/bank/account, by what it answers and keeps. Method: the library's
 * functions that it calls are played by this file, which commits a step or loses it, loses replies,
 * and delivers requests late and twice, by a seeded dice; in the end the books and the accounts
 * have to agree to the cent. What the real library does to the same code is the demo's business. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "books.h"
#include "ledger.h"

enum { ACCOUNTS = 6, TRANSFERS = 300, NET_MAX = 64, INBOX_MAX = TRANSFERS + 1, SEEDS = 200 };

/* What a step of an actor wants to leave behind. */
struct troupe_self {
    bool replied;
    bank_receipt receipt;
    char outcome[16];
    bool stored;
    size_t payee;
    bank_credit credit;
    bool refuse_to_store;
};

struct request {
    size_t account;
    uint64_t attempt;
    bank_transfer transfer;
    char to[32];
};

struct world {
    uint64_t dice;
    struct ledger *ledger;
    struct books *books;
    bank_balance accounts[ACCOUNTS]; /* as committed */
    bank_credit inbox[ACCOUNTS][INBOX_MAX];
    size_t inbox_count[ACCOUNTS];
    struct request net[NET_MAX];
    size_t net_count;
    uint64_t attempt[ACCOUNTS]; /* the one whose reply still counts */
    uint64_t attempts;
    uint64_t lost_steps;
    uint64_t late_requests;
};

int troupe_reply(troupe_self *self, const troupe_type *type, const void *message)
{
    assert_string_equal(type->name, "bank.receipt");
    assert_false(self->replied);
    self->replied = true;
    self->receipt = *(const bank_receipt *)message;
    (void)snprintf(self->outcome, sizeof(self->outcome), "%s", self->receipt.outcome);
    self->receipt.outcome = self->outcome;
    return TROUPE_OK;
}

troupe_status troupe_send_durable(troupe_self *self, const char *name, const troupe_type *type,
                                  const void *message)
{
    assert_string_equal(type->name, "bank.credit");
    assert_false(self->stored);
    if (self->refuse_to_store) {
        return TROUPE_E_NO_MEMORY;
    }
    self->stored = true;
    self->payee = (size_t)strtoul(name + strlen("account/"), NULL, 10) - 1;
    self->credit = *(const bank_credit *)message;
    return TROUPE_OK;
}

int troupe_fail(troupe_self *self, const char *format, ...)
{
    (void)self;
    (void)format;
    return TROUPE_E_FAILED;
}

troupe_status troupe_set_string(troupe_self *self, const char **slot, const char *value)
{
    (void)self;
    *slot = value; /* constant in these tests */
    return TROUPE_OK;
}

static uint64_t roll(struct world *world, uint64_t sides)
{
    world->dice = bank_mix(world->dice);
    return world->dice % sides;
}

static int handle(const char *type, struct troupe_self *self, bank_balance *state,
                  const void *message)
{
    const troupe_handler *handler = bank_account_behavior.handlers;
    while (strcmp(handler->type->name, type) != 0) {
        handler++;
    }
    return handler->handle(self, state, message);
}

static void setup_world(struct world *world, uint64_t seed)
{
    char text[16384];
    int size = 0;
    *world = (struct world){.dice = bank_mix(seed)};
    for (int i = 1; i <= ACCOUNTS; i++) {
        size += snprintf(text + size, sizeof(text) - (size_t)size, "open %d Ada 500\n", i);
    }
    for (int i = 1; i <= TRANSFERS; i++) {
        uint64_t from = roll(world, ACCOUNTS);
        uint64_t to = (from + 1 + roll(world, ACCOUNTS - 1)) % ACCOUNTS;
        size += snprintf(text + size, sizeof(text) - (size_t)size,
                         "transfer %d %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", i, from + 1, to + 1,
                         1 + roll(world, 120));
    }
    assert_true(ledger_read(text, (size_t)size, &world->ledger));
    assert_int_equal(world->ledger->transfer_count, TRANSFERS);
    assert_true(books_create(world->ledger, &world->books));
    for (size_t i = 0; i < ACCOUNTS; i++) {
        struct troupe_self self = {0};
        const bank_open open = {.owner = "Ada", .cents = 500};
        assert_int_equal(bank_account_behavior.init(&self, &world->accounts[i], &open), TROUPE_OK);
        books_begin(world->books, i, &world->accounts[i]);
    }
}

static void clear_world(struct world *world)
{
    books_destroy(world->books);
    ledger_destroy(world->ledger);
}

/* The teller asks, or asks again because no answer came. */
static void ask(struct world *world, size_t account)
{
    const struct ledger_transfer *transfer = books_next(world->books, account);
    if (transfer == NULL || world->net_count == NET_MAX) {
        return;
    }
    struct request *request = &world->net[world->net_count++];
    request->account = account;
    request->attempt = ++world->attempts;
    request->transfer = (bank_transfer){.id = transfer->id, .cents = transfer->cents};
    (void)snprintf(request->to, sizeof(request->to), "account/%zu", transfer->to + 1);
    world->attempt[account] = request->attempt;
}

/* A receipt arrives; like the library, drops what answers an attempt that was given up. */
static void hear(struct world *world, const struct request *request, const bank_receipt *receipt)
{
    if (request->attempt != world->attempt[request->account]) {
        return;
    }
    world->attempt[request->account] = 0;
    assert_int_equal(receipt->id, request->transfer.id);
    if (strcmp(receipt->outcome, BANK_AGAIN) == 0) {
        return;
    }
    bool refused = strcmp(receipt->outcome, BANK_OVERDRAFT) == 0;
    assert_true(refused || strcmp(receipt->outcome, BANK_OK) == 0);
    books_acknowledge(world->books, request->account, refused);
}

static void deliver_request(struct world *world)
{
    if (world->net_count == 0) {
        return;
    }
    size_t place = roll(world, world->net_count);
    struct request request = world->net[place];
    world->net[place] = world->net[--world->net_count];
    request.transfer.to = request.to;
    world->late_requests += request.attempt != world->attempt[request.account] ? 1 : 0;

    struct troupe_self self = {.refuse_to_store = roll(world, 20) == 0};
    bank_balance state = world->accounts[request.account];
    assert_int_equal(handle("bank.transfer", &self, &state, &request.transfer), TROUPE_OK);
    if (roll(world, 5) == 0) {
        world->lost_steps++; /* killed before the commit: nothing of this step was */
        return;
    }
    world->accounts[request.account] = state;
    if (self.stored) {
        world->inbox[self.payee][world->inbox_count[self.payee]++] = self.credit;
    }
    if (roll(world, 4) != 0) { /* else killed right after the commit */
        hear(world, &request, &self.receipt);
    }
}

static void deliver_credit(struct world *world, size_t account)
{
    if (world->inbox_count[account] == 0) {
        return;
    }
    struct troupe_self self = {0};
    bank_balance state = world->accounts[account];
    bank_credit credit = world->inbox[account][0];
    assert_int_equal(handle("bank.credit", &self, &state, &credit), TROUPE_OK);
    if (roll(world, 5) == 0) {
        return; /* killed before the commit: the row stays */
    }
    world->accounts[account] = state;
    world->inbox[account][0] = world->inbox[account][--world->inbox_count[account]];
}

static size_t undelivered(const struct world *world)
{
    size_t count = 0;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        count += world->inbox_count[i];
    }
    return count;
}

/* Plays until nothing is left, in an order that the dice chooses. */
static void play(struct world *world)
{
    while (world->books->left > 0 || undelivered(world) > 0 || world->net_count > 0) {
        ask(world, roll(world, ACCOUNTS));
        if (world->net_count > NET_MAX / 2 || roll(world, 2) == 0) {
            deliver_request(world);
        }
        deliver_credit(world, roll(world, ACCOUNTS));
    }
}

static void assert_exact(const struct world *world, uint64_t seed)
{
    int64_t total = 0;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        if (!books_agree(world->books, i, &world->accounts[i])) {
            fail_msg("seed %" PRIu64 ": account %zu does not agree", seed, i + 1);
        }
        total += world->accounts[i].cents;
    }
    assert_int_equal(total, 500 * ACCOUNTS);
    assert_int_equal(world->books->acknowledged + world->books->refused, TRANSFERS);
}

static void accounts_are_exact_whatever_is_lost_and_when(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world world;
        setup_world(&world, seed);
        play(&world);
        assert_exact(&world, seed);
        /* A fault that did not bite proves nothing. */
        assert_true(world.lost_steps > 0 && world.late_requests > 0);
        assert_true(world.books->refused > 0);
        clear_world(&world);
    }
}

static bank_receipt transfer(bank_balance *state, struct troupe_self *self, uint64_t id,
                             const char *to, int64_t cents)
{
    *self = (struct troupe_self){.refuse_to_store = self->refuse_to_store};
    const bank_transfer message = {.id = id, .to = to, .cents = cents};
    assert_int_equal(handle("bank.transfer", self, state, &message), TROUPE_OK);
    assert_true(self->replied);
    return self->receipt;
}

static void a_transfer_asked_for_again_is_answered_as_before(void **unused)
{
    bank_balance state = {.cents = 100, .opened_cents = 100};
    struct troupe_self self = {0};
    (void)unused;
    assert_int_equal(transfer(&state, &self, 5, "account/2", 30).balance, 70);
    assert_true(self.stored);
    state.cents += 1000; /* a credit came in between */
    bank_receipt again = transfer(&state, &self, 5, "account/2", 30);
    assert_string_equal(again.outcome, BANK_OK);
    assert_int_equal(again.balance, 70);
    assert_false(self.stored);
    assert_int_equal(state.sent.count, 1);
}

static void an_overdraft_stays_refused_when_money_comes(void **unused)
{
    bank_balance state = {.cents = 100, .opened_cents = 100};
    struct troupe_self self = {0};
    (void)unused;
    assert_string_equal(transfer(&state, &self, 5, "account/2", 101).outcome, BANK_OVERDRAFT);
    assert_int_equal(state.cents, 100);
    state.cents += 1000;
    assert_string_equal(transfer(&state, &self, 5, "account/2", 101).outcome, BANK_OVERDRAFT);
    assert_false(self.stored);
    assert_int_equal(state.refused_count, 1);
    assert_string_equal(transfer(&state, &self, 4, "account/2", 1).outcome, BANK_STALE);
    assert_int_equal(state.cents, 1100);
}

static void what_is_no_transfer_changes_nothing(void **unused)
{
    bank_balance state = {.cents = 100, .opened_cents = 100};
    struct troupe_self self = {0};
    (void)unused;
    assert_string_equal(transfer(&state, &self, 0, "account/2", 1).outcome, BANK_INVALID);
    assert_string_equal(transfer(&state, &self, 1, NULL, 1).outcome, BANK_INVALID);
    assert_string_equal(transfer(&state, &self, 1, "", 1).outcome, BANK_INVALID);
    assert_string_equal(transfer(&state, &self, 1, "account/2", 0).outcome, BANK_INVALID);
    assert_string_equal(transfer(&state, &self, 1, "account/2", INT64_MIN).outcome, BANK_INVALID);
    assert_int_equal(state.cents, 100);
    assert_int_equal(state.last_transfer, 0);
}

static void an_account_that_is_closed_exits_normally(void **unused)
{
    bank_balance state = {.cents = 100};
    struct troupe_self self = {0};
    (void)unused;
    assert_int_equal(handle("bank.close", &self, &state, NULL), TROUPE_STOP);
    assert_int_equal(state.cents, 100);
}

static void a_credit_that_cannot_be_stored_leaves_the_payer_as_he_was(void **unused)
{
    bank_balance state = {.cents = 100, .opened_cents = 100};
    const bank_balance before = state;
    struct troupe_self self = {.refuse_to_store = true};
    (void)unused;
    assert_string_equal(transfer(&state, &self, 5, "account/2", 30).outcome, BANK_AGAIN);
    assert_memory_equal(&state, &before, sizeof(state));
}

static void a_credit_that_no_account_can_hold_fails(void **unused)
{
    bank_balance state = {.cents = 100};
    struct troupe_self self = {0};
    (void)unused;
    assert_int_equal(handle("bank.credit", &self, &state, &(bank_credit){.id = 1, .cents = 0}),
                     TROUPE_E_FAILED);
    assert_int_equal(
        handle("bank.credit", &self, &state, &(bank_credit){.id = 1, .cents = INT64_MAX}),
        TROUPE_E_FAILED);
    assert_int_equal(state.cents, 100);
}

static void an_account_opens_with_an_owner_and_an_amount(void **unused)
{
    bank_balance state = {0};
    struct troupe_self self = {0};
    (void)unused;
    assert_int_equal(bank_account_behavior.init(&self, &state, NULL), TROUPE_E_FAILED);
    assert_int_equal(bank_account_behavior.init(&self, &state, &(bank_open){.cents = 1}),
                     TROUPE_E_FAILED);
    assert_int_equal(
        bank_account_behavior.init(&self, &state, &(bank_open){.owner = "Ada", .cents = -1}),
        TROUPE_E_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_are_exact_whatever_is_lost_and_when),
        cmocka_unit_test(a_transfer_asked_for_again_is_answered_as_before),
        cmocka_unit_test(an_overdraft_stays_refused_when_money_comes),
        cmocka_unit_test(what_is_no_transfer_changes_nothing),
        cmocka_unit_test(an_account_that_is_closed_exits_normally),
        cmocka_unit_test(a_credit_that_cannot_be_stored_leaves_the_payer_as_he_was),
        cmocka_unit_test(a_credit_that_no_account_can_hold_fails),
        cmocka_unit_test(an_account_opens_with_an_owner_and_an_amount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
