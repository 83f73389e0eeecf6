/* bank/bank.h - the types that accounts speak, in C, on the wire, in JSON and in SQL.
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

/* ---- accounts: behavior bank.account, named account/<id>, after the teller's prefix ---- */

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

/* Message: the account exits `normal`, which gives its name up and removes its row. */
TROUPE_TYPE_EMPTY(bank_close, "bank.close");

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
