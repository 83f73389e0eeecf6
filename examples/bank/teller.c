/* bank/teller.c - plays a ledger: opens its accounts, then lets them pay each other.
 *
 * An answer can stay out for many reasons: a node died, a name moved, PostgreSQL was away. Then the
 * teller cannot know whether the transfer was made, and asks for it again, with the same id, until
 * it has a receipt. The account answers a transfer that it has decided before as it did then; so a
 * transfer is made once, however often it is asked for. For that the teller lets each account have
 * one transfer under way at a time, in the order of the ledger.
 *
 *     opening -> counting -> ready -> (bank.play) playing -> settling -> finished
 *
 * In each phase every account is queued, asked, and asked again after a pause when the answer says
 * that this may help; a phase ends when all accounts are through with it.
 */
#include "teller.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    IN_FLIGHT_DEFAULT = 64,
    IN_FLIGHT_MAX = 4096,     /* well below the bound of the teller's mailbox */
    PER_SECOND_MAX = 1000000, /* above what any cluster does, below any overflow */
    PATIENCE_DEFAULT_S = 60,  /* many leases: whatever died has been recovered long before */
    PATIENCE_MAX_S = 86400,   /* a day */
    TICK_MS = 10,             /* how often the pace allows more */
    LOOK_AGAIN_MS = 50,       /* between two rounds of asking all accounts */
};

TROUPE_TYPE_EMPTY(teller_round, "bank.teller_round");
TROUPE_TYPE_EMPTY(teller_tick, "bank.teller_tick");

/* ---- start and end ---- */

static void clear(struct teller *teller)
{
    books_destroy(teller->books);
    ledger_destroy(teller->ledger);
    free(teller->customers);
    free(teller->queue);
    *teller = (struct teller){0};
}

static bool take_nodes(struct teller *teller, const bank_teller *args)
{
    if (args->nodes_count == 0 || args->nodes_count > TELLER_NODES_MAX) {
        return false;
    }
    for (size_t i = 0; i < args->nodes_count; i++) {
        const char *name = args->nodes[i];
        int size = snprintf(teller->nodes[i], TELLER_NODE_SIZE, "%s", name == NULL ? "" : name);
        if (size < 0 || (size_t)size >= TELLER_NODE_SIZE) {
            return false;
        }
    }
    teller->nodes_count = args->nodes_count;
    return true;
}

static bool prepare(struct teller *teller, const char *prefix)
{
    size_t count = teller->ledger->account_count;
    teller->customers = calloc(count + 1, sizeof(*teller->customers));
    teller->queue = calloc(count + 1, sizeof(*teller->queue));
    if (teller->customers == NULL || teller->queue == NULL ||
        !books_create(teller->ledger, &teller->books)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(teller->customers[i].name, TELLER_NAME_SIZE, "%saccount/%" PRIu64,
                       prefix == NULL ? "" : prefix, teller->ledger->accounts[i].id);
    }
    return true;
}

static void log_problems(troupe_self *self, const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->problem_count; i++) {
        troupe_log(self, TROUPE_LOG_WARNING, "ledger line %zu skipped: %s",
                   ledger->problems[i].line, ledger->problems[i].reason);
    }
}

static int start(troupe_self *self, void *state, const void *message)
{
    struct teller *teller = state;
    const bank_teller *args = message;
    char error[TELLER_ERROR_SIZE];
    if (args == NULL || args->ledger == NULL) {
        return troupe_fail(self, "a teller needs the path of a ledger");
    }
    if (args->in_flight > IN_FLIGHT_MAX || args->per_second > PER_SECOND_MAX ||
        args->patience_s > PATIENCE_MAX_S) {
        return troupe_fail(self, "in_flight is at most %d, per_second %d, patience_s %d",
                           IN_FLIGHT_MAX, PER_SECOND_MAX, PATIENCE_MAX_S);
    }
    if (args->prefix != NULL && strlen(args->prefix) >= TELLER_PREFIX_SIZE) {
        return troupe_fail(self, "a prefix has at most %u bytes", TELLER_PREFIX_SIZE - 1);
    }
    if (!take_nodes(teller, args)) {
        return troupe_fail(self, "a teller needs the names of 1 to %u nodes", TELLER_NODES_MAX);
    }
    if (!ledger_load(args->ledger, &teller->ledger, error, sizeof(error))) {
        return troupe_fail(self, "%s", error);
    }
    if (!prepare(teller, args->prefix)) {
        clear(teller);
        return TROUPE_E_NO_MEMORY;
    }
    log_problems(self, teller->ledger);
    teller->in_flight_max = args->in_flight == 0 ? IN_FLIGHT_DEFAULT : args->in_flight;
    teller->per_second = args->per_second;
    teller->pending = 1; /* the first round, which begins with the first message ... */
    teller->round_due = true;
    teller->patience_ms = (args->patience_s == 0 ? PATIENCE_DEFAULT_S : args->patience_s) * 1000LL;
    teller->jitter = bank_mix(troupe_self_pid(self).id) | 1;
    /* ... because only then this actor's own name is settled. */
    troupe_status status = troupe_send(self, troupe_self_pid(self), &teller_round_type, NULL);
    if (status != TROUPE_OK) {
        clear(teller);
    }
    return status;
}

static void end(troupe_self *self, void *state, const troupe_reason *reason)
{
    (void)self;
    (void)reason;
    clear(state);
}

/* ---- phases ---- */

void teller_enqueue(struct teller *teller, size_t account)
{
    size_t room = teller->ledger->account_count;
    teller->queue[(teller->queue_head + teller->queue_count) % room] = account;
    teller->queue_count++;
    teller->customers[account].turn = TELLER_QUEUED;
}

static size_t dequeue(struct teller *teller)
{
    size_t account = teller->queue[teller->queue_head];
    teller->queue_head = (teller->queue_head + 1) % teller->ledger->account_count;
    teller->queue_count--;
    teller->customers[account].turn = TELLER_ASKED;
    return account;
}

/* Queues every account that has something to do in this phase. */
static void begin_round(struct teller *teller)
{
    teller->pending = 0;
    for (size_t i = 0; i < teller->ledger->account_count; i++) {
        if (teller->phase != TELLER_PLAYING || books_next(teller->books, i) != NULL) {
            teller_enqueue(teller, i);
            teller->pending++;
        }
    }
}

static int enter(troupe_self *self, struct teller *teller, enum teller_phase phase)
{
    teller->phase = phase;
    teller->phase_since_ms = troupe_now_ms(self);
    begin_round(teller);
    return TROUPE_OK;
}

/* Begins another round after a moment; that moment is what the phase waits for. */
static int look_again_later(troupe_self *self, struct teller *teller)
{
    teller->pending = 1;
    teller->round_due = true;
    return troupe_send_after(self, LOOK_AGAIN_MS, troupe_self_pid(self), &teller_round_type, NULL,
                             NULL);
}

bool teller_out_of_patience(troupe_self *self, const struct teller *teller, int64_t since_ms)
{
    return troupe_now_ms(self) - since_ms >= teller->patience_ms;
}

/* Answers whether no credit of an earlier play is on its way: all that was sent has arrived. */
static bool quiet(const struct teller *teller)
{
    bank_sums sent = {0};
    bank_sums received = {0};
    for (size_t i = 0; i < teller->ledger->account_count; i++) {
        const bank_balance *told = &teller->customers[i].told;
        sent.count += told->sent.count;
        sent.fingerprint += told->sent.fingerprint;
        received.count += told->received.count;
        received.fingerprint += told->received.fingerprint;
    }
    return sent.count == received.count && sent.fingerprint == received.fingerprint;
}

static int counted(troupe_self *self, struct teller *teller)
{
    if (!quiet(teller)) {
        if (teller_out_of_patience(self, teller, teller->phase_since_ms)) {
            return teller_give_up(self, teller, "credits of an earlier play do not arrive");
        }
        return look_again_later(self, teller);
    }
    for (size_t i = 0; i < teller->ledger->account_count; i++) {
        books_begin(teller->books, i, &teller->customers[i].told);
    }
    teller->phase = TELLER_READY;
    troupe_log(self, TROUPE_LOG_INFO, "%zu accounts are open", teller->ledger->account_count);
    return TROUPE_OK;
}

static int asked_all(troupe_self *self, struct teller *teller)
{
    bool agree = true;
    for (size_t i = 0; i < teller->ledger->account_count; i++) {
        agree = agree && books_agree(teller->books, i, &teller->customers[i].told);
    }
    if (!agree && !teller_out_of_patience(self, teller, teller->phase_since_ms)) {
        return look_again_later(self, teller);
    }
    teller->settled = agree;
    teller->phase = TELLER_FINISHED;
    troupe_log(self, agree ? TROUPE_LOG_INFO : TROUPE_LOG_ERROR,
               "%zu transfers acknowledged, %zu refused; the accounts %s",
               teller->books->acknowledged, teller->books->refused,
               agree ? "agree" : "do NOT agree");
    return TROUPE_OK;
}

/* Every account is through with this phase. */
static int end_round(troupe_self *self, struct teller *teller)
{
    switch (teller->phase) {
    case TELLER_OPENING:
        return enter(self, teller, TELLER_COUNTING);
    case TELLER_COUNTING:
        return counted(self, teller);
    case TELLER_PLAYING:
        (void)troupe_cancel_timer(self, teller->ticker);
        return enter(self, teller, TELLER_SETTLING);
    case TELLER_SETTLING:
        return asked_all(self, teller);
    case TELLER_READY:
    case TELLER_FINISHED:
    case TELLER_FAILED:
    default:
        return TROUPE_OK;
    }
}

/* ---- the flow ---- */

static bool is_busy(enum teller_phase phase)
{
    return phase == TELLER_OPENING || phase == TELLER_COUNTING || phase == TELLER_PLAYING ||
           phase == TELLER_SETTLING;
}

/* Answers whether the pace allows the next operation, and takes it from the allowance. What is
 * tried again has been paid for. */
static bool take_allowance(struct teller *teller)
{
    size_t account = teller->queue[teller->queue_head];
    if (teller->phase != TELLER_PLAYING || teller->per_second == 0 ||
        teller->customers[account].attempts > 0) {
        return true;
    }
    if (teller->allowance < 1000) {
        return false;
    }
    teller->allowance -= 1000;
    return true;
}

/* Asks as many accounts as may be asked at a time. */
static int pump(troupe_self *self, struct teller *teller)
{
    while (is_busy(teller->phase) && teller->queue_count > 0 &&
           teller->in_flight < teller->in_flight_max && take_allowance(teller)) {
        size_t account = dequeue(teller);
        troupe_status status = teller_ask(self, teller, account);
        if (status == TROUPE_OK) {
            teller->in_flight++;
            continue;
        }
        /* Out of memory or of room: both pass. */
        int outcome = teller_try_again(self, teller, account, status);
        if (outcome != TROUPE_OK) {
            return outcome;
        }
    }
    return TROUPE_OK;
}

/* Goes on, through as many phases as have nothing to wait for. Every callback ends with it. */
int teller_drive(troupe_self *self, struct teller *teller)
{
    int status = pump(self, teller);
    while (status == TROUPE_OK && is_busy(teller->phase) && teller->pending == 0) {
        status = end_round(self, teller);
        if (status == TROUPE_OK) {
            status = pump(self, teller);
        }
    }
    return status;
}

static int on_retry(troupe_self *self, void *state, const void *message)
{
    struct teller *teller = state;
    const teller_retry *retry = message;
    /* Anybody can send this type: only who waits for it gets it. */
    if (retry->account < teller->ledger->account_count &&
        teller->customers[retry->account].turn == TELLER_PAUSING) {
        teller_enqueue(teller, (size_t)retry->account);
    }
    return teller_drive(self, teller);
}

static int on_round(troupe_self *self, void *state, const void *message)
{
    struct teller *teller = state;
    (void)message;
    if (teller->round_due) {
        teller->round_due = false;
        begin_round(teller);
    }
    return teller_drive(self, teller);
}

static int on_tick(troupe_self *self, void *state, const void *message)
{
    struct teller *teller = state;
    (void)message;
    uint64_t most = (uint64_t)teller->in_flight_max * 1000;
    teller->allowance += teller->per_second * TICK_MS;
    teller->allowance = teller->allowance < most ? teller->allowance : most;
    return teller_drive(self, teller);
}

static int on_play(troupe_self *self, void *state, const void *message)
{
    struct teller *teller = state;
    (void)message;
    int status = TROUPE_OK;
    if (teller->phase == TELLER_READY) {
        if (teller->per_second > 0) {
            status = troupe_send_interval(self, TICK_MS, troupe_self_pid(self), &teller_tick_type,
                                          NULL, &teller->ticker);
        }
        if (status == TROUPE_OK) {
            status = enter(self, teller, TELLER_PLAYING);
        }
        if (status == TROUPE_OK) {
            status = teller_drive(self, teller);
        }
    }
    if (status != TROUPE_OK) {
        return status;
    }
    return teller_on_get_progress(self, state, message);
}

static const troupe_handler teller_handlers[] = {
    {&bank_play_type, on_play},
    {&bank_get_progress_type, teller_on_get_progress},
    {&bank_get_report_type, teller_on_get_report},
    {&teller_retry_type, on_retry},
    {&teller_round_type, on_round},
    {&teller_tick_type, on_tick},
    {0},
};

const troupe_behavior bank_teller_behavior = {
    .name = "bank.teller",
    .version = 1,
    .state_size = sizeof(struct teller),
    .args = &bank_teller_type,
    .init = start,
    .terminate = end,
    .handlers = teller_handlers,
};
