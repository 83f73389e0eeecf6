/* tests/demo/fake_runtime.h - the part of the library that the bank uses, played in one thread.
 *
 * Time is virtual; a seeded dice decides what is lost, doubled, late or killed, within what the
 * library promises: a call ends once, a step is committed or not, a stored message takes effect
 * once. Links real teller and account code; tests look at what they did.
 */
#ifndef TESTS_DEMO_FAKE_RUNTIME_H
#define TESTS_DEMO_FAKE_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bank.h"
#include "teller_messages.h"

enum { FAKE_ACCOUNTS_MAX = 300, FAKE_EVENTS_MAX = 4096 };

/* How likely each fault is, in percent. */
struct fake_faults {
    unsigned unreachable;   /* the request does not arrive; the caller learns that */
    unsigned killed_before; /* the step is not committed */
    unsigned killed_after;  /* the step is committed, the reply is not sent */
    unsigned late;          /* the request arrives after the caller's timeout */
    unsigned full;          /* the credit cannot be stored */
};

enum fake_event_kind { FAKE_FREE, FAKE_MESSAGE, FAKE_REQUEST, FAKE_RESULT, FAKE_CREDIT };

struct fake_event {
    enum fake_event_kind kind;
    int64_t at_ms;
    uint64_t order; /* the dice's: events of one moment come in any order */
    size_t account;
    const troupe_type *type;
    uint64_t number; /* of a message with one number in it */
    int64_t every_ms;
    bank_transfer transfer;
    char name[104];
    bank_credit credit;
    bool reply_dropped; /* the caller has given up */
    troupe_then then;
    uint64_t tag;
    troupe_status status;
    const troupe_type *reply_type;
    bank_receipt receipt;
    bank_balance balance;
};

struct fake_account {
    bool open;
    bank_balance committed;
};

struct fake_world {
    uint64_t dice;
    int64_t now_ms;
    struct fake_faults faults;
    bool nodes_unknown; /* every spawn ends with TROUPE_E_NOT_FOUND */
    const char *prefix; /* what every name has to begin with; NULL: nothing */
    struct fake_account accounts[FAKE_ACCOUNTS_MAX];
    struct fake_event events[FAKE_EVENTS_MAX];
    size_t event_count;
    size_t event_top; /* no event lies at or above this place */
    void *teller;     /* its state */
    uint64_t lost_steps;
    uint64_t late_requests;
    uint64_t lost_replies;
    size_t calls;
    size_t calls_max; /* at a time */
};

/* Begins with a teller that has these arguments. Answers what its init answers. */
int fake_begin(struct fake_world *world, const bank_teller *args);

/* Ends the teller; accounts stay, so that fake_begin can start another one. */
void fake_end(struct fake_world *world);

/* Runs events until nothing but a repeating timer is left, or so much time has passed. */
void fake_run(struct fake_world *world, int64_t ms_max);

/* Gives a message to the teller, as somebody outside would. */
int fake_tell(struct fake_world *world, const troupe_type *type, const void *message);

/* What the teller answers to bank.get_progress and to bank.get_report; lent until the next call.
 * Of the report's arrays only the counts can be used. */
bank_progress fake_progress(struct fake_world *world);
bank_report fake_report(struct fake_world *world);

#endif
