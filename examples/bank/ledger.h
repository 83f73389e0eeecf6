/* bank/ledger.h - reads a ledger: who opens an account, and who pays whom how much.
 *
 *     # a comment
 *     open     17 Ada 250000            account 17 of Ada, with 2,500.00
 *     transfer 4711 17 23 1999          transfer 4711: 19.99 from account 17 to account 23
 *
 *     struct ledger *ledger = NULL;
 *     if (ledger_load(path, &ledger, error, sizeof(error))) { ... ledger_destroy(ledger); }
 *
 * A line that is no such thing is a problem: it is kept with its number and its reason, and
 * skipped. Ids grow from line to line, so none comes twice; the bank relies on it to recognise a
 * transfer that is asked for again. Threads: none of this is thread-safe. Memory: the ledger owns
 * all it points to.
 */
#ifndef BANK_LEDGER_H
#define BANK_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_OWNER_SIZE 48             /* bytes of a name with its NUL */
#define LEDGER_LINE_SIZE_MAX 200u        /* bytes of a line; a longer one is no line of ours */
#define LEDGER_REASON_SIZE 120           /* bytes of a problem's words with their NUL */
#define LEDGER_CENTS_MAX 1000000000000LL /* per line: 64 bits hold the sum of nine million such */
#define LEDGER_ACCOUNTS_MAX 100000u      /* an actor each */
#define LEDGER_TRANSFERS_MAX 1000000u    /* 48 bytes each while the ledger is played */
#define LEDGER_PROBLEMS_MAX 100u         /* kept with their words; the rest is only counted */
#define LEDGER_FILE_SIZE_MAX 67108864u   /* bytes, 64 MiB: a million transfers in long lines */

enum ledger_kind { LEDGER_BLANK, LEDGER_OPEN, LEDGER_TRANSFER };

/* What one line says, before anything is known of the other lines. */
struct ledger_line {
    enum ledger_kind kind;
    uint64_t id; /* of the account, or of the transfer */
    uint64_t from;
    uint64_t to;
    int64_t cents;
    char owner[LEDGER_OWNER_SIZE];
};

struct ledger_account {
    uint64_t id;
    int64_t cents;
    char owner[LEDGER_OWNER_SIZE];
};

struct ledger_transfer {
    uint64_t id;
    size_t from; /* index of the account */
    size_t to;
    int64_t cents;
};

struct ledger_problem {
    size_t line; /* the first line is 1 */
    char reason[LEDGER_REASON_SIZE];
};

struct ledger {
    struct ledger_account *accounts; /* ids grow */
    size_t account_count;
    struct ledger_transfer *transfers; /* ids grow */
    size_t transfer_count;
    struct ledger_problem *problems; /* the first LEDGER_PROBLEMS_MAX */
    size_t problem_count;            /* of those kept */
    size_t malformed;                /* all lines that were skipped */
    int64_t total_cents;             /* with which all accounts open */
};

/* Reads one line of `size` bytes without its line end. Answers false with the reason when it is
 * not one; a blank line and a comment are LEDGER_BLANK. */
bool ledger_parse_line(const char *text, size_t size, struct ledger_line *line, char *reason,
                       size_t reason_size);

/* Reads a whole ledger from memory. Gives *ledger. Answers false only when memory is out. */
bool ledger_read(const char *text, size_t size, struct ledger **ledger);

/* Reads the file at path. Gives *ledger, or answers false with the reason: the file cannot be
 * read, is too big, or memory is out. Blocks for as long as the disk does. */
bool ledger_load(const char *path, struct ledger **ledger, char *error, size_t error_size);

/* Takes the ledger, which may be NULL. */
void ledger_destroy(struct ledger *ledger);

#endif
