/* bank/teller_ask.c - one operation of the teller: ask, understand the answer, ask again.
 *
 * Which answers mean "ask again" is decided here and nowhere else.
 */
#include <inttypes.h>
#include <string.h>

#include "teller.h"

enum {
    CALL_TIMEOUT_MS = 2000, /* then the name is looked up anew */
    PAUSE_FIRST_MS = 10,    /* before an operation is tried again; doubles ... */
    PAUSE_DOUBLINGS = 5,    /* ... so often */
    OPEN_TRIES_PER_NODE = 2 /* a node that nobody knows may have died a moment ago, once */
};

static bool is_one_of(troupe_status status, const troupe_status *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == status) {
            return true;
        }
    }
    return false;
}

/* Answers whether the same operation may end otherwise when it is tried again: because somebody
 * died, or was too busy, or could not be reached, with or without having done it. */
static bool may_pass(const struct teller *teller, size_t account, troupe_status status)
{
    static const troupe_status passing[] = {
        TROUPE_E_NOCONNECTION, TROUPE_E_TIMEOUT,  TROUPE_E_NOPROC, TROUPE_E_EXITED, TROUPE_E_AGAIN,
        TROUPE_E_UNKNOWN,      TROUPE_E_REGISTRY, TROUPE_E_BUSY,   TROUPE_E_FENCED, TROUPE_E_CLOSED,
    };
    if (is_one_of(status, passing, sizeof(passing) / sizeof(passing[0]))) {
        return true;
    }
    if (teller->phase == TELLER_OPENING) {
        return status == TROUPE_E_NOT_FOUND &&
               teller->customers[account].attempts < OPEN_TRIES_PER_NODE * teller->nodes_count;
    }
    /* The account exists: that it is not found, or failed, is the passing state of its recovery. */
    return status == TROUPE_E_NOT_FOUND || status == TROUPE_E_FAILED || status == TROUPE_E_NO_REPLY;
}

/* The account is through with its operation; in the phase of playing there may be a next one. */
static void through(struct teller *teller, size_t account)
{
    teller->customers[account].attempts = 0;
    teller->customers[account].turn = TELLER_RESTING;
    if (teller->phase == TELLER_PLAYING && books_next(teller->books, account) != NULL) {
        teller_enqueue(teller, account);
    } else {
        teller->pending--;
    }
}

/* Half of the pause is by chance, so that those who failed together do not come back together. */
static uint64_t pause_ms(struct teller *teller, uint32_t attempts)
{
    uint32_t doublings = attempts < PAUSE_DOUBLINGS ? attempts : PAUSE_DOUBLINGS;
    uint64_t pause = (uint64_t)PAUSE_FIRST_MS << doublings;
    teller->jitter = bank_mix(teller->jitter);
    return pause / 2 + teller->jitter % (pause / 2 + 1);
}

static int abandon(troupe_self *self, struct teller *teller, size_t account, const char *why)
{
    const char *name = teller->customers[account].name;
    if (teller->phase != TELLER_PLAYING) {
        return teller_give_up(self, teller, "%s cannot be %s: %s", name,
                              teller->phase == TELLER_OPENING ? "opened" : "asked", why);
    }
    troupe_log(self, TROUPE_LOG_ERROR, "transfer %" PRIu64 " of %s is abandoned: %s",
               books_next(teller->books, account)->id, name, why);
    books_abandon(teller->books, account);
    through(teller, account);
    return TROUPE_OK;
}

/* Tries the operation again after a pause; status says why, TROUPE_OK that the account wished it.
 */
int teller_try_again(troupe_self *self, struct teller *teller, size_t account, troupe_status status)
{
    struct teller_customer *customer = &teller->customers[account];
    if (teller_out_of_patience(self, teller, customer->since_ms)) {
        return abandon(self, teller, account, troupe_status_text(status));
    }
    customer->attempts++;
    customer->turn = TELLER_PAUSING;
    teller->retries++;
    teller->retries_by[(uint32_t)-status % TELLER_STATUSES]++;
    const teller_retry retry = {.account = account};
    troupe_status timer =
        troupe_send_after(self, pause_ms(teller, customer->attempts), troupe_self_pid(self),
                          &teller_retry_type, &retry, NULL);
    if (timer != TROUPE_OK) {
        return abandon(self, teller, account, troupe_status_text(timer));
    }
    return TROUPE_OK;
}

static void note_told(struct teller_customer *customer, const bank_balance *balance)
{
    customer->told = *balance;
    customer->told.owner = NULL; /* was lent */
}

static int on_receipt(troupe_self *self, struct teller *teller, size_t account,
                      const bank_receipt *receipt)
{
    const char *outcome = receipt->outcome == NULL ? "" : receipt->outcome;
    bool refused = strcmp(outcome, BANK_OVERDRAFT) == 0;
    if (strcmp(outcome, BANK_AGAIN) == 0) {
        return teller_try_again(self, teller, account, TROUPE_OK);
    }
    if (receipt->id != books_next(teller->books, account)->id ||
        (!refused && strcmp(outcome, BANK_OK) != 0)) {
        return abandon(self, teller, account, outcome);
    }
    books_acknowledge(teller->books, account, refused);
    through(teller, account);
    return TROUPE_OK;
}

static int on_done(troupe_self *self, struct teller *teller, size_t account,
                   const troupe_result *result)
{
    const bank_balance *balance = troupe_result_as(result, &bank_balance_type);
    const bank_receipt *receipt = troupe_result_as(result, &bank_receipt_type);
    if (teller->phase == TELLER_OPENING) {
        through(teller, account);
    } else if (teller->phase == TELLER_PLAYING && receipt != NULL) {
        return on_receipt(self, teller, account, receipt);
    } else if (teller->phase != TELLER_PLAYING && balance != NULL) {
        note_told(&teller->customers[account], balance);
        through(teller, account);
    } else {
        return abandon(self, teller, account, "the answer is of another type");
    }
    return TROUPE_OK;
}

/* How an operation ended; the tag is the account. */
static int on_result(troupe_self *self, void *state, const troupe_result *result)
{
    struct teller *teller = state;
    size_t account = (size_t)result->tag;
    int status = TROUPE_OK;
    teller->in_flight--;
    if (teller->phase == TELLER_FAILED) {
        return TROUPE_OK;
    }
    if (teller->phase == TELLER_OPENING && result->status == TROUPE_E_EXISTS) {
        teller->existed++;
        through(teller, account);
    } else if (result->status == TROUPE_OK) {
        status = on_done(self, teller, account, result);
    } else if (may_pass(teller, account, result->status)) {
        status = teller_try_again(self, teller, account, result->status);
    } else {
        status = abandon(self, teller, account,
                         result->reason.text != NULL && result->reason.text[0] != '\0'
                             ? result->reason.text
                             : troupe_status_text(result->status));
    }
    return status == TROUPE_OK ? teller_drive(self, teller) : status;
}

static troupe_status ask_to_open(troupe_self *self, struct teller *teller, size_t account)
{
    const struct ledger_account *entry = &teller->ledger->accounts[account];
    const struct teller_customer *customer = &teller->customers[account];
    const bank_open open = {.owner = entry->owner, .cents = entry->cents};
    const troupe_spawn_options options = {.flags = TROUPE_SPAWN_DURABLE,
                                          .name = customer->name,
                                          .checkpoint = TROUPE_CHECKPOINT_EACH};
    /* The next node each time: the one that failed may be dead. */
    size_t node = (account + customer->attempts) % teller->nodes_count;
    return troupe_spawn_on(self, teller->nodes[node], bank_account_behavior.name, &open,
                           &bank_open_type, &options, CALL_TIMEOUT_MS, on_result, account);
}

troupe_status teller_ask(troupe_self *self, struct teller *teller, size_t account)
{
    struct teller_customer *customer = &teller->customers[account];
    if (customer->attempts == 0) {
        customer->since_ms = troupe_now_ms(self);
    }
    if (teller->phase == TELLER_OPENING) {
        return ask_to_open(self, teller, account);
    }
    if (teller->phase != TELLER_PLAYING) {
        return troupe_call_name(self, customer->name, &bank_get_type, NULL, CALL_TIMEOUT_MS,
                                on_result, account);
    }
    const struct ledger_transfer *entry = books_next(teller->books, account);
    const bank_transfer transfer = {
        .id = entry->id, .to = teller->customers[entry->to].name, .cents = entry->cents};
    return troupe_call_name(self, customer->name, &bank_transfer_type, &transfer, CALL_TIMEOUT_MS,
                            on_result, account);
}
