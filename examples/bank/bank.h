/* bank/bank.h - the types that the bank's actors speak, in C, on the wire, in JSON and in SQL.
 *
 *     teller --bank.transfer--> account/1 --bank.credit (durable)--> account/2
 *            <--bank.receipt--           ^ debit and credit leave in one transaction
 *
 * Each file that includes this gets its own copy of the descriptions; types are the same when their
 * names are.
 */
#ifndef BANK_BANK_H
#define BANK_BANK_H

#include <troupe/troupe.h>

/* ---- accounts: behavior bank.account, named account/<id> ---- */

/* What went one way. The fingerprint is the sum of bank_mix(id) over the transfers: two sides
 * that agree in all three have the same transfers, each as often. */
typedef struct bank_sums {
    uint64_t count;
    int64_t cents;
    uint64_t fingerprint;
} bank_sums;
TROUPE_TYPE(bank_sums, "bank.sums", TROUPE_FIELD(bank_sums, count, 1),
            TROUPE_FIELD(bank_sums, cents, 2), TROUPE_FIELD(bank_sums, fingerprint, 3));

/* How an account opens: the arguments of bank.account. */
typedef struct bank_open {
    const char *owner;
    int64_t cents;
} bank_open;
TROUPE_TYPE(bank_open, "bank.open", TROUPE_FIELD(bank_open, owner, 1),
            TROUPE_FIELD(bank_open, cents, 2));

/* The state of an account, and the answer to bank.get. cents = opened_cents + received.cents -
 * sent.cents at any time. last_* is the transfer from here that was decided last: one that is asked
 * for again is answered from it. */
typedef struct bank_balance {
    const char *owner;
    int64_t cents;
    int64_t opened_cents;
    bank_sums sent;
    bank_sums received;
    uint64_t refused_count;
    uint64_t last_transfer; /* 0: none yet */
    bool last_refused;
    int64_t last_balance; /* right after it */
} bank_balance;
TROUPE_TYPE(bank_balance, "bank.balance", TROUPE_FIELD(bank_balance, owner, 1),
            TROUPE_FIELD(bank_balance, cents, 2), TROUPE_FIELD(bank_balance, opened_cents, 3),
            TROUPE_FIELD_STRUCT(bank_balance, sent, 4, &bank_sums_type),
            TROUPE_FIELD_STRUCT(bank_balance, received, 5, &bank_sums_type),
            TROUPE_FIELD(bank_balance, refused_count, 6),
            TROUPE_FIELD(bank_balance, last_transfer, 7),
            TROUPE_FIELD(bank_balance, last_refused, 8),
            TROUPE_FIELD(bank_balance, last_balance, 9));

/* Request: pay cents to the account named `to`. Ids of one payer grow. */
typedef struct bank_transfer {
    uint64_t id;
    const char *to;
    int64_t cents;
} bank_transfer;
TROUPE_TYPE(bank_transfer, "bank.transfer", TROUPE_FIELD(bank_transfer, id, 1),
            TROUPE_FIELD(bank_transfer, to, 2), TROUPE_FIELD(bank_transfer, cents, 3));

#define BANK_OK "ok"               /* decided: paid */
#define BANK_OVERDRAFT "overdraft" /* decided: refused, nothing was paid */
#define BANK_STALE "stale"         /* a later transfer from here was decided before */
#define BANK_INVALID "invalid"     /* no such amount, or nobody to pay it to */
#define BANK_AGAIN "again"         /* not decided: ask again */

typedef struct bank_receipt {
    uint64_t id;
    const char *outcome;
    int64_t balance; /* of the payer, right after it */
} bank_receipt;
TROUPE_TYPE(bank_receipt, "bank.receipt", TROUPE_FIELD(bank_receipt, id, 1),
            TROUPE_FIELD(bank_receipt, outcome, 2), TROUPE_FIELD(bank_receipt, balance, 3));

/* Durable message from payer to payee. */
typedef struct bank_credit {
    uint64_t id;
    const char *from; /* the payer's owner */
    int64_t cents;
} bank_credit;
TROUPE_TYPE(bank_credit, "bank.credit", TROUPE_FIELD(bank_credit, id, 1),
            TROUPE_FIELD(bank_credit, from, 2), TROUPE_FIELD(bank_credit, cents, 3));

TROUPE_TYPE_EMPTY(bank_get, "bank.get");

/* ---- the teller: behavior bank.teller, plays a ledger ---- */

typedef struct bank_teller {
    const char *ledger; /* path of the file, on the teller's node */
    const char **nodes; /* names of the nodes to open accounts on, in turn */
    size_t nodes_count;
    uint32_t in_flight;  /* transfers under way at a time; 0: 64 */
    uint32_t per_second; /* transfers begun per second; 0: as many as it can */
    uint32_t patience_s; /* how long one operation is tried again; 0: 60 */
} bank_teller;
TROUPE_TYPE(bank_teller, "bank.teller", TROUPE_FIELD(bank_teller, ledger, 1),
            TROUPE_FIELD_ARRAY(bank_teller, nodes, nodes_count, 2),
            TROUPE_FIELD(bank_teller, in_flight, 3), TROUPE_FIELD(bank_teller, per_second, 4),
            TROUPE_FIELD(bank_teller, patience_s, 5));

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

/* ---- the auditor: behavior bank.auditor, watches accounts and writes down how they end ---- */

typedef struct bank_auditor {
    const char **names; /* of the accounts to link to and to monitor; 64 at most */
    size_t names_count;
} bank_auditor;
TROUPE_TYPE(bank_auditor, "bank.auditor", TROUPE_FIELD_ARRAY(bank_auditor, names, names_count, 1));

TROUPE_TYPE_EMPTY(bank_get_audit, "bank.get_audit");

typedef struct bank_signal {
    const char *signal; /* EXIT, DOWN, nodeup, nodedown */
    const char *about;  /* name of the account or of the node */
    troupe_pid pid;
    const char *reason;
    int64_t at_ms; /* when it was handled, in milliseconds since 1970 */
} bank_signal;
TROUPE_TYPE(bank_signal, "bank.signal", TROUPE_FIELD(bank_signal, signal, 1),
            TROUPE_FIELD(bank_signal, about, 2), TROUPE_FIELD(bank_signal, pid, 3),
            TROUPE_FIELD(bank_signal, reason, 4), TROUPE_FIELD(bank_signal, at_ms, 5));

typedef struct bank_audit {
    const char *node; /* where this auditor runs */
    uint64_t watching;
    uint64_t failed; /* accounts that could not be found */
    const bank_signal *signals;
    size_t signals_count;
} bank_audit;
TROUPE_TYPE(bank_audit, "bank.audit", TROUPE_FIELD(bank_audit, node, 1),
            TROUPE_FIELD(bank_audit, watching, 2), TROUPE_FIELD(bank_audit, failed, 3),
            TROUPE_FIELD_STRUCT_ARRAY(bank_audit, signals, signals_count, 4, &bank_signal_type));

/* ---- shared ---- */

/* Spreads the bits of a transfer id, so that a sum of them tells sets of ids apart (the finalizer
 * of splitmix64). */
static inline uint64_t bank_mix(uint64_t id)
{
    uint64_t mixed = id + 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

static inline void bank_sums_add(bank_sums *sums, uint64_t id, int64_t cents)
{
    sums->count++;
    /* Wraps like the fingerprint does, should anybody move that much money in circles. */
    sums->cents = (int64_t)((uint64_t)sums->cents + (uint64_t)cents);
    sums->fingerprint += bank_mix(id);
}

extern const troupe_behavior bank_account_behavior;
extern const troupe_behavior bank_teller_behavior;
extern const troupe_behavior bank_auditor_behavior;

#endif
