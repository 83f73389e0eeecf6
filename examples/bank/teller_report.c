/* bank/teller_report.c - what the teller tells people. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "teller.h"

static const char *const phase_names[] = {
    [TELLER_OPENING] = "opening", [TELLER_COUNTING] = "counting", [TELLER_READY] = "ready",
    [TELLER_PLAYING] = "playing", [TELLER_SETTLING] = "settling", [TELLER_FINISHED] = "finished",
    [TELLER_FAILED] = "failed",
};

bank_progress teller_progress(const struct teller *teller)
{
    return (bank_progress){
        .phase = phase_names[teller->phase],
        .error = teller->error,
        .accounts = teller->ledger->account_count,
        .existed = teller->existed,
        .transfers = teller->ledger->transfer_count,
        .acknowledged = teller->books->acknowledged,
        .refused = teller->books->refused,
        .skipped = teller->books->skipped,
        .abandoned = teller->books->abandoned,
        .retries = teller->retries,
        .in_flight = teller->in_flight,
        .malformed = teller->ledger->malformed,
    };
}

int teller_on_get_progress(troupe_self *self, void *state, const void *message)
{
    (void)message;
    const bank_progress progress = teller_progress(state);
    return troupe_reply(self, &bank_progress_type, &progress);
}

static void fill_problems(const struct ledger *ledger, bank_problem *problems)
{
    for (size_t i = 0; i < ledger->problem_count; i++) {
        problems[i] =
            (bank_problem){.line = ledger->problems[i].line, .reason = ledger->problems[i].reason};
    }
}

static size_t fill_retry_reasons(const struct teller *teller, bank_retry_reason *reasons)
{
    size_t count = 0;
    for (size_t i = 0; i < TELLER_STATUSES; i++) {
        const char *why =
            i == 0 ? "asked to come again" : troupe_status_text((troupe_status) - (int)i);
        if (teller->retries_by[i] > 0) {
            reasons[count] = (bank_retry_reason){.why = why, .count = teller->retries_by[i]};
            count++;
        }
    }
    return count;
}

static void fill_accounts(const struct teller *teller, bank_account_report *accounts)
{
    for (size_t i = 0; i < teller->ledger->account_count; i++) {
        const bank_balance *expected = &teller->books->accounts[i].expected;
        accounts[i] = (bank_account_report){
            .name = teller->customers[i].name,
            .cents = expected->cents,
            .sent = expected->sent,
            .received = expected->received,
            .refused_count = expected->refused_count,
            .told_cents = teller->customers[i].told.cents,
        };
    }
}

int teller_on_get_report(troupe_self *self, void *state, const void *message)
{
    (void)message;
    const struct teller *teller = state;
    const struct ledger *ledger = teller->ledger;
    bank_retry_reason reasons[TELLER_STATUSES];
    /* One more than needed: calloc of nothing may answer NULL. */
    bank_problem *problems = calloc(ledger->problem_count + 1, sizeof(*problems));
    bank_account_report *accounts = calloc(ledger->account_count + 1, sizeof(*accounts));
    int status = TROUPE_E_NO_MEMORY;
    if (problems != NULL && accounts != NULL) {
        fill_problems(ledger, problems);
        fill_accounts(teller, accounts);
        const bank_report report = {
            .progress = teller_progress(teller),
            .total_cents = ledger->total_cents,
            .overdrafts = books_certain_overdrafts(ledger),
            .settled = teller->settled,
            .problems = problems,
            .problems_count = ledger->problem_count,
            .retry_reasons = reasons,
            .retry_reasons_count = fill_retry_reasons(teller, reasons),
            .accounts = accounts,
            .accounts_count = ledger->account_count,
        };
        status = troupe_reply(self, &bank_report_type, &report);
    }
    free(problems);
    free(accounts);
    return status;
}

int teller_give_up(troupe_self *self, struct teller *teller, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(teller->error, sizeof(teller->error), format, arguments);
    va_end(arguments);
    teller->phase = TELLER_FAILED;
    troupe_log(self, TROUPE_LOG_ERROR, "the ledger is not played: %s", teller->error);
    return TROUPE_OK;
}
