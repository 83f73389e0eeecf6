/* bank/teller.h - inside the teller: its state, shared by what plays (teller.c) and what tells
 * (teller_report.c). All of it belongs to the teller's actor. */
#ifndef BANK_TELLER_H
#define BANK_TELLER_H

#include "books.h"
#include "ledger.h"
#include "teller_messages.h"

#define TELLER_STATUSES 64u    /* counters of retries by status; more than there are statuses */
#define TELLER_NODES_MAX 64u   /* nodes to spread accounts over */
#define TELLER_NODE_SIZE 64u   /* bytes of a node's name with its NUL */
#define TELLER_PREFIX_SIZE 64u /* bytes before the names of the accounts, with a NUL */
#define TELLER_NAME_SIZE (TELLER_PREFIX_SIZE + 32u) /* then "account/" and 20 digits */
#define TELLER_ERROR_SIZE 256u

enum teller_phase {
    TELLER_OPENING,  /* each account is opened, or found to be open */
    TELLER_COUNTING, /* each account is asked what it has, until nothing is on its way */
    TELLER_READY,
    TELLER_PLAYING,
    TELLER_SETTLING, /* each account is asked again, until all say what was acknowledged */
    TELLER_FINISHED,
    TELLER_FAILED
};

enum teller_turn {
    TELLER_RESTING, /* nothing to do in this phase, or not any more */
    TELLER_QUEUED,
    TELLER_ASKED,  /* the answer is out */
    TELLER_PAUSING /* until teller_retry comes, from a timer */
};

/* The one operation that is under way for an account: to open it, to ask it, to let it pay. */
struct teller_customer {
    enum teller_turn turn;
    char name[TELLER_NAME_SIZE];
    uint32_t attempts; /* of this operation, failed ones */
    int64_t since_ms;  /* when it was tried first */
    bank_balance told; /* what the account said last; without its strings */
};

struct teller {
    struct ledger *ledger;
    struct books *books;
    struct teller_customer *customers; /* as many as accounts */
    size_t *queue;                     /* ring of accounts whose operation has to be tried now */
    size_t queue_head;
    size_t queue_count;
    size_t pending;   /* accounts that are not through with this phase */
    bool round_due;   /* teller_round is to come, and begins another round of this phase */
    size_t in_flight; /* operations that were asked for and not answered */

    enum teller_phase phase;
    int64_t phase_since_ms;
    char error[TELLER_ERROR_SIZE];
    bool settled;

    char nodes[TELLER_NODES_MAX][TELLER_NODE_SIZE];
    size_t nodes_count;
    size_t in_flight_max;
    uint64_t per_second; /* 0: no pace */
    uint64_t allowance;  /* thousandths of transfers that may begin */
    uint64_t ticker;
    int64_t patience_ms;
    uint64_t jitter; /* of the back-off: state of a small generator */

    size_t existed;
    uint64_t retries;
    uint64_t retries_by[TELLER_STATUSES]; /* by status without its sign */
};

/* What the teller's timers send to itself. */
typedef struct teller_retry {
    uint64_t account; /* index */
} teller_retry;
TROUPE_TYPE(teller_retry, "bank.teller_retry", TROUPE_FIELD(teller_retry, account, 1));

/* ---- teller.c: the flow ---- */

/* Goes on, through as many phases as have nothing to wait for. Every callback ends with it. */
int teller_drive(troupe_self *self, struct teller *teller);

/* Queues an account that is not queued: its operation is asked for as soon as may be. */
void teller_enqueue(struct teller *teller, size_t account);

/* Answers whether something that began at since_ms has been tried for long enough. */
bool teller_out_of_patience(troupe_self *self, const struct teller *teller, int64_t since_ms);

/* ---- teller_ask.c: one operation ---- */

/* Asks for the operation that this account has to do in this phase; its end drives the teller. */
TROUPE_MUST_USE troupe_status teller_ask(troupe_self *self, struct teller *teller, size_t account);

/* Has the operation tried again after a pause, or abandons it when patience is out. status says
 * why, TROUPE_OK that the account wished it. */
int teller_try_again(troupe_self *self, struct teller *teller, size_t account,
                     troupe_status status);

/* ---- teller_report.c: what people are told ---- */

/* Ends the whole play; the error is told to people. Answers TROUPE_OK: the teller stays, to tell.
 */
int teller_give_up(troupe_self *self, struct teller *teller, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Answers bank.progress, filled from the teller; its strings are lent by the teller. */
bank_progress teller_progress(const struct teller *teller);

/* Handlers of bank.get_progress and bank.get_report. */
int teller_on_get_progress(troupe_self *self, void *state, const void *message);
int teller_on_get_report(troupe_self *self, void *state, const void *message);

#endif
