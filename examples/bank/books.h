/* bank/books.h - what the teller knows: what is left to play, and what has been acknowledged.
 *
 *     books_create(ledger, &books);
 *     books_begin(books, account, &balance);     for each account: as it is before we play
 *     while ((transfer = books_next(books, account)) != NULL) {
 *         ... ask until there is an answer ...
 *         books_acknowledge(books, account, refused);
 *     }
 *     books_agree(books, account, &balance)      does the account say what was acknowledged?
 *
 * Transfers of one account come in the order of the ledger, one at a time. Threads: none of this is
 * thread-safe. Memory: the books own all they point to but the ledger, which is lent.
 */
#ifndef BANK_BOOKS_H
#define BANK_BOOKS_H

#include <stdbool.h>
#include <stddef.h>

#include "bank.h"
#include "ledger.h"

/* One account as it has to be once every credit has arrived; the strings are not used. */
struct books_account {
    bank_balance expected;
    size_t next; /* index of the transfer to play next; the ledger's count: none */
};

struct books {
    const struct ledger *ledger;
    struct books_account *accounts; /* as many as the ledger has */
    size_t *next_of;                /* by transfer: the next one of the same payer */
    size_t left;                    /* transfers that are not decided */
    size_t acknowledged;
    size_t refused;
    size_t skipped;   /* decided before we came */
    size_t abandoned; /* given up, with all later ones of their payers */
};

/* Makes the books of a ledger, which is lent until destroy. Gives *books. Answers false when
 * memory is out. */
bool books_create(const struct ledger *ledger, struct books **books);

/* Takes the books, which may be NULL. */
void books_destroy(struct books *books);

/* Writes down what the account is before the first transfer is played: new, or with what earlier
 * plays left. Transfers that it has decided already are skipped. Once per account. */
void books_begin(struct books *books, size_t account, const bank_balance *balance);

/* Answers the transfer of this account that is to be played now; NULL: all are decided. */
const struct ledger_transfer *books_next(const struct books *books, size_t account);

/* The transfer that books_next answers was decided: paid, or refused. */
void books_acknowledge(struct books *books, size_t account, bool refused);

/* The outcome of what books_next answers cannot be learnt: neither it nor what follows from this
 * account is played. */
void books_abandon(struct books *books, size_t account);

/* Answers whether the account is exactly as the acknowledgements make it. */
bool books_agree(const struct books *books, size_t account, const bank_balance *balance);

/* Answers how many transfers of the ledger ask for more than all the money there is: whatever the
 * order, they are refused. */
size_t books_certain_overdrafts(const struct ledger *ledger);

#endif
