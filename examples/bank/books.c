#include "books.h"

#include <stdlib.h>

/* Chains the transfers of each payer, in the order of the ledger. */
static void chain(struct books *books)
{
    const struct ledger *ledger = books->ledger;
    size_t none = ledger->transfer_count;
    for (size_t i = 0; i < ledger->account_count; i++) {
        books->accounts[i].next = none;
    }
    /* From the end, so that each one goes in front of those that follow it. */
    for (size_t i = ledger->transfer_count; i > 0; i--) {
        struct books_account *payer = &books->accounts[ledger->transfers[i - 1].from];
        books->next_of[i - 1] = payer->next;
        payer->next = i - 1;
    }
}

bool books_create(const struct ledger *ledger, struct books **books)
{
    struct books *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return false;
    }
    made->ledger = ledger;
    made->left = ledger->transfer_count;
    /* One more than needed: calloc of nothing may answer NULL. */
    made->accounts = calloc(ledger->account_count + 1, sizeof(*made->accounts));
    made->next_of = calloc(ledger->transfer_count + 1, sizeof(*made->next_of));
    if (made->accounts == NULL || made->next_of == NULL) {
        books_destroy(made);
        return false;
    }
    chain(made);
    *books = made;
    return true;
}

void books_destroy(struct books *books)
{
    if (books == NULL) {
        return;
    }
    free(books->accounts);
    free(books->next_of);
    free(books);
}

static void move_on(struct books *books, struct books_account *account)
{
    account->next = books->next_of[account->next];
    books->left--;
}

void books_begin(struct books *books, size_t account, const bank_balance *balance)
{
    struct books_account *entry = &books->accounts[account];
    entry->expected = *balance;
    entry->expected.owner = NULL;
    const struct ledger_transfer *transfer = books_next(books, account);
    while (transfer != NULL && transfer->id <= balance->last_transfer) {
        books->skipped++;
        move_on(books, entry);
        transfer = books_next(books, account);
    }
}

const struct ledger_transfer *books_next(const struct books *books, size_t account)
{
    size_t next = books->accounts[account].next;
    return next == books->ledger->transfer_count ? NULL : &books->ledger->transfers[next];
}

void books_acknowledge(struct books *books, size_t account, bool refused)
{
    struct books_account *entry = &books->accounts[account];
    const struct ledger_transfer *transfer = books_next(books, account);
    if (refused) {
        entry->expected.refused_count++;
        books->refused++;
    } else {
        bank_balance *payee = &books->accounts[transfer->to].expected;
        entry->expected.cents -= transfer->cents;
        bank_sums_add(&entry->expected.sent, transfer->id, transfer->cents);
        payee->cents += transfer->cents;
        bank_sums_add(&payee->received, transfer->id, transfer->cents);
        books->acknowledged++;
    }
    entry->expected.last_transfer = transfer->id;
    move_on(books, entry);
}

void books_abandon(struct books *books, size_t account)
{
    while (books_next(books, account) != NULL) {
        books->abandoned++;
        move_on(books, &books->accounts[account]);
    }
}

static bool sums_agree(const bank_sums *a, const bank_sums *b)
{
    return a->count == b->count && a->cents == b->cents && a->fingerprint == b->fingerprint;
}

bool books_agree(const struct books *books, size_t account, const bank_balance *balance)
{
    const bank_balance *expected = &books->accounts[account].expected;
    return balance->cents == expected->cents && balance->opened_cents == expected->opened_cents &&
           balance->refused_count == expected->refused_count &&
           balance->last_transfer == expected->last_transfer &&
           sums_agree(&balance->sent, &expected->sent) &&
           sums_agree(&balance->received, &expected->received);
}

size_t books_certain_overdrafts(const struct ledger *ledger)
{
    size_t count = 0;
    for (size_t i = 0; i < ledger->transfer_count; i++) {
        count += ledger->transfers[i].cents > ledger->total_cents ? 1 : 0;
    }
    return count;
}
