/* bank/teller_messages.h - what people say to a teller, and what it tells them.
 *
 *     troupe spawn bank.teller --name teller --node n1 '{"ledger": "/path", "nodes": ["n1", "n2"]}'
 *     troupe call teller bank.get_progress '{}'        until the phase is ready
 *     troupe call teller bank.play '{}'
 *     troupe call teller bank.get_report '{}'          when the phase is finished
 */
#ifndef BANK_TELLER_MESSAGES_H
#define BANK_TELLER_MESSAGES_H

#include "bank.h"

typedef struct bank_teller {
    const char *ledger; /* path of the file, on the teller's node */
    const char **nodes; /* names of the nodes to open accounts on, in turn */
    size_t nodes_count;
    uint32_t in_flight;  /* transfers under way at a time; 0: 64 */
    uint32_t per_second; /* transfers begun per second; 0: as many as it can */
    uint32_t patience_s; /* how long one operation is tried again; 0: 60 */
    const char *prefix;  /* before the names of the accounts, so that banks do not meet; or NULL */
} bank_teller;
TROUPE_TYPE(bank_teller, "bank.teller", TROUPE_FIELD(bank_teller, ledger, 1),
            TROUPE_FIELD_ARRAY(bank_teller, nodes, nodes_count, 2),
            TROUPE_FIELD(bank_teller, in_flight, 3), TROUPE_FIELD(bank_teller, per_second, 4),
            TROUPE_FIELD(bank_teller, patience_s, 5), TROUPE_FIELD(bank_teller, prefix, 6));

TROUPE_TYPE_EMPTY(bank_play, "bank.play"); /* request: begin; the answer is bank.progress */
TROUPE_TYPE_EMPTY(bank_get_progress, "bank.get_progress");
TROUPE_TYPE_EMPTY(bank_get_report, "bank.get_report");

typedef struct bank_progress {
    const char *phase; /* opening counting ready playing settling finished failed */
    const char *error; /* failed: why */
    uint64_t accounts;
    uint64_t existed; /* of them, before this teller came */
    uint64_t transfers;
    uint64_t acknowledged; /* paid */
    uint64_t refused;      /* overdrafts */
    uint64_t skipped;      /* decided before this teller came */
    uint64_t abandoned;    /* whose outcome stayed unknown until patience ran out */
    uint64_t retries;
    uint64_t in_flight;
    uint64_t malformed; /* lines of the ledger that were skipped */
} bank_progress;
TROUPE_TYPE(bank_progress, "bank.progress", TROUPE_FIELD(bank_progress, phase, 1),
            TROUPE_FIELD(bank_progress, error, 2), TROUPE_FIELD(bank_progress, accounts, 3),
            TROUPE_FIELD(bank_progress, existed, 4), TROUPE_FIELD(bank_progress, transfers, 5),
            TROUPE_FIELD(bank_progress, acknowledged, 6), TROUPE_FIELD(bank_progress, refused, 7),
            TROUPE_FIELD(bank_progress, skipped, 8), TROUPE_FIELD(bank_progress, abandoned, 9),
            TROUPE_FIELD(bank_progress, retries, 10), TROUPE_FIELD(bank_progress, in_flight, 11),
            TROUPE_FIELD(bank_progress, malformed, 12));

/* A line of the ledger that was skipped. */
typedef struct bank_problem {
    uint64_t line;
    const char *reason;
} bank_problem;
TROUPE_TYPE(bank_problem, "bank.problem", TROUPE_FIELD(bank_problem, line, 1),
            TROUPE_FIELD(bank_problem, reason, 2));

/* Why operations were tried again, and how often. */
typedef struct bank_retry_reason {
    const char *why;
    uint64_t count;
} bank_retry_reason;
TROUPE_TYPE(bank_retry_reason, "bank.retry_reason", TROUPE_FIELD(bank_retry_reason, why, 1),
            TROUPE_FIELD(bank_retry_reason, count, 2));

/* What the acknowledgements say about one account, and what it said last itself. */
typedef struct bank_account_report {
    const char *name;
    int64_t cents;
    bank_sums sent;
    bank_sums received;
    uint64_t refused_count;
    int64_t told_cents;
} bank_account_report;
TROUPE_TYPE(bank_account_report, "bank.account_report", TROUPE_FIELD(bank_account_report, name, 1),
            TROUPE_FIELD(bank_account_report, cents, 2),
            TROUPE_FIELD_STRUCT(bank_account_report, sent, 3, &bank_sums_type),
            TROUPE_FIELD_STRUCT(bank_account_report, received, 4, &bank_sums_type),
            TROUPE_FIELD(bank_account_report, refused_count, 5),
            TROUPE_FIELD(bank_account_report, told_cents, 6));

typedef struct bank_report {
    bank_progress progress;
    int64_t total_cents; /* all the money, as the ledger opens it */
    uint64_t overdrafts; /* transfers of the ledger that ask for more than all the money */
    bool settled;        /* all accounts came to say what the acknowledgements say */
    const bank_problem *problems;
    size_t problems_count;
    const bank_retry_reason *retry_reasons;
    size_t retry_reasons_count;
    const bank_account_report *accounts;
    size_t accounts_count;
} bank_report;
TROUPE_TYPE(bank_report, "bank.report",
            TROUPE_FIELD_STRUCT(bank_report, progress, 1, &bank_progress_type),
            TROUPE_FIELD(bank_report, total_cents, 2), TROUPE_FIELD(bank_report, overdrafts, 3),
            TROUPE_FIELD(bank_report, settled, 4),
            TROUPE_FIELD_STRUCT_ARRAY(bank_report, problems, problems_count, 5, &bank_problem_type),
            TROUPE_FIELD_STRUCT_ARRAY(bank_report, retry_reasons, retry_reasons_count, 6,
                                      &bank_retry_reason_type),
            TROUPE_FIELD_STRUCT_ARRAY(bank_report, accounts, accounts_count, 7,
                                      &bank_account_report_type));

#endif
