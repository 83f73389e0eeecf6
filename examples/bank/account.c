/* bank/account.c - a durable account: each step of it is one transaction in PostgreSQL.
 *
 * A transfer debits the payer, stores the credit for the payee and answers the teller. The debited
 * state and the stored credit are committed together, and the receipt leaves after that: so a
 * receipt means that the money has left for good, and no receipt means that the teller has to ask
 * again. Asking again is safe: the account remembers the last transfer that it decided.
 */
#include <string.h>

#include "bank.h"
#include "ledger.h"

static int open_account(troupe_self *self, void *state, const void *args)
{
    bank_balance *account = state;
    const bank_open *open = args;
    if (open == NULL || open->owner == NULL || open->cents < 0 || open->cents > LEDGER_CENTS_MAX) {
        return troupe_fail(self, "an account needs an owner and 0 to %lld cents", LEDGER_CENTS_MAX);
    }
    account->cents = open->cents;
    account->opened_cents = open->cents;
    return troupe_set_string(self, &account->owner, open->owner);
}

static int answer(troupe_self *self, uint64_t id, const char *outcome, int64_t balance)
{
    const bank_receipt receipt = {.id = id, .outcome = outcome, .balance = balance};
    return troupe_reply(self, &bank_receipt_type, &receipt);
}

/* Writes down what was decided, so that the same request gets the same answer ever after. */
static void decide(bank_balance *account, uint64_t id, bool refused)
{
    account->last_transfer = id;
    account->last_refused = refused;
    account->last_balance = account->cents;
}

static int pay(troupe_self *self, bank_balance *account, const bank_transfer *transfer)
{
    const bank_credit credit = {
        .id = transfer->id, .from = account->owner, .cents = transfer->cents};
    /* First what can fail: when the credit cannot be stored the account is as it was. */
    if (troupe_send_durable(self, transfer->to, &bank_credit_type, &credit) != TROUPE_OK) {
        return answer(self, transfer->id, BANK_AGAIN, account->cents);
    }
    account->cents -= transfer->cents;
    bank_sums_add(&account->sent, transfer->id, transfer->cents);
    decide(account, transfer->id, false);
    return answer(self, transfer->id, BANK_OK, account->cents);
}

static int on_transfer(troupe_self *self, void *state, const void *message)
{
    bank_balance *account = state;
    const bank_transfer *transfer = message;
    if (transfer->id == 0 || transfer->to == NULL || transfer->to[0] == '\0' ||
        transfer->cents <= 0) {
        return answer(self, transfer->id, BANK_INVALID, account->cents);
    }
    if (transfer->id == account->last_transfer) {
        return answer(self, transfer->id, account->last_refused ? BANK_OVERDRAFT : BANK_OK,
                      account->last_balance);
    }
    if (transfer->id < account->last_transfer) {
        return answer(self, transfer->id, BANK_STALE, account->cents);
    }
    if (transfer->cents > account->cents) {
        account->refused_count++;
        decide(account, transfer->id, true);
        return answer(self, transfer->id, BANK_OVERDRAFT, account->cents);
    }
    return pay(self, account, transfer);
}

static int on_credit(troupe_self *self, void *state, const void *message)
{
    bank_balance *account = state;
    const bank_credit *credit = message;
    if (credit->cents <= 0 || credit->cents > INT64_MAX - account->cents) {
        return troupe_fail(self, "a credit of %lld cents is not possible",
                           (long long)credit->cents);
    }
    account->cents += credit->cents;
    bank_sums_add(&account->received, credit->id, credit->cents);
    return TROUPE_OK;
}

static int on_get(troupe_self *self, void *state, const void *message)
{
    (void)message;
    return troupe_reply(self, &bank_balance_type, state);
}

static int on_close(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)message;
    return TROUPE_STOP;
}

static const troupe_handler account_handlers[] = {
    {&bank_transfer_type, on_transfer},
    {&bank_credit_type, on_credit},
    {&bank_get_type, on_get},
    {&bank_close_type, on_close},
    {0},
};

const troupe_behavior bank_account_behavior = {
    .name = "bank.account",
    .version = 1,
    .state = &bank_balance_type,
    .args = &bank_open_type,
    .init = open_account,
    .handlers = account_handlers,
};
