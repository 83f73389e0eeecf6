#include "ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 6, FIRST_ROOM = 64 };

/* A word of a line, not ended by NUL. */
struct word {
    const char *text;
    size_t size;
};

struct words {
    struct word word[WORDS_MAX];
    size_t count;
};

/* The words of a problem, wherever they go. */
struct reason {
    char *text;
    size_t size;
};

static bool refuse(const struct reason *reason, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(const struct reason *reason, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(reason->text, reason->size, format, arguments);
    va_end(arguments);
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts a line into words; those beyond WORDS_MAX only count as one more. */
static struct words split(const char *text, size_t size)
{
    struct words words = {0};
    size_t at = 0;
    for (;;) {
        while (at < size && is_space(text[at])) {
            at++;
        }
        if (at == size || words.count == WORDS_MAX) {
            return words;
        }
        size_t start = at;
        while (at < size && !is_space(text[at])) {
            at++;
        }
        words.word[words.count++] = (struct word){text + start, at - start};
    }
}

static bool word_is(const struct word *word, const char *text)
{
    return word->size == strlen(text) && memcmp(word->text, text, word->size) == 0;
}

/* Reads a whole number from 1 (or 0) to max; digits only, so that "1e9" and "-5" are no numbers. */
static bool number(const struct word *word, uint64_t min, uint64_t max, uint64_t *value)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < word->size; i++) {
        if (word->text[i] < '0' || word->text[i] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(word->text[i] - '0');
        if (sum > (max - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    if (word->size == 0 || sum < min) {
        return false;
    }
    *value = sum;
    return true;
}

static bool read_id(const struct word *word, const char *what, uint64_t *id,
                    const struct reason *reason)
{
    if (!number(word, 1, INT64_MAX / 10, id)) {
        return refuse(reason, "%s has to be a whole number from 1, not '%.*s'", what,
                      (int)word->size, word->text);
    }
    return true;
}

static bool read_cents(const struct word *word, uint64_t min, int64_t *cents,
                       const struct reason *reason)
{
    uint64_t value = 0;
    if (!number(word, min, LEDGER_CENTS_MAX, &value)) {
        return refuse(reason,
                      "cents have to be a whole number from %" PRIu64 " to %lld, not '%.*s'", min,
                      LEDGER_CENTS_MAX, (int)word->size, word->text);
    }
    *cents = (int64_t)value;
    return true;
}

static bool read_open(const struct words *words, struct ledger_line *line,
                      const struct reason *reason)
{
    if (words->count != 4) {
        return refuse(reason, "expected: open ACCOUNT OWNER CENTS");
    }
    const struct word *owner = &words->word[2];
    if (owner->size >= LEDGER_OWNER_SIZE) {
        return refuse(reason, "the owner's name is longer than %d bytes", LEDGER_OWNER_SIZE - 1);
    }
    if (!read_id(&words->word[1], "an account", &line->id, reason) ||
        !read_cents(&words->word[3], 0, &line->cents, reason)) {
        return false;
    }
    memcpy(line->owner, owner->text, owner->size);
    line->kind = LEDGER_OPEN;
    return true;
}

static bool read_transfer(const struct words *words, struct ledger_line *line,
                          const struct reason *reason)
{
    if (words->count != 5) {
        return refuse(reason, "expected: transfer ID FROM TO CENTS");
    }
    if (!read_id(&words->word[1], "a transfer", &line->id, reason) ||
        !read_id(&words->word[2], "an account", &line->from, reason) ||
        !read_id(&words->word[3], "an account", &line->to, reason) ||
        !read_cents(&words->word[4], 1, &line->cents, reason)) {
        return false;
    }
    if (line->from == line->to) {
        return refuse(reason, "transfer %" PRIu64 " goes from account %" PRIu64 " to itself",
                      line->id, line->from);
    }
    line->kind = LEDGER_TRANSFER;
    return true;
}

/* Owners go into messages and rows as UTF-8 text; plain printable ASCII is that in any case. */
static bool printable(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!is_space(text[i]) && (text[i] < 0x21 || text[i] > 0x7e)) {
            return false;
        }
    }
    return true;
}

bool ledger_parse_line(const char *text, size_t size, struct ledger_line *line, char *reason,
                       size_t reason_size)
{
    const struct reason why = {reason, reason_size};
    *line = (struct ledger_line){.kind = LEDGER_BLANK};
    if (size > LEDGER_LINE_SIZE_MAX) {
        return refuse(&why, "the line is longer than %u bytes", LEDGER_LINE_SIZE_MAX);
    }
    struct words words = split(text, size);
    if (words.count == 0 || words.word[0].text[0] == '#') {
        return true;
    }
    if (!printable(text, size)) {
        return refuse(&why, "the line holds a byte that is not printable ASCII");
    }
    if (word_is(&words.word[0], "open")) {
        return read_open(&words, line, &why);
    }
    if (word_is(&words.word[0], "transfer")) {
        return read_transfer(&words, line, &why);
    }
    return refuse(&why, "neither 'open' nor 'transfer' but '%.*s'",
                  (int)(words.word[0].size < 32 ? words.word[0].size : 32), words.word[0].text);
}

/* Makes room for the element number `count` of an array of elements of `size` bytes. The room is
 * FIRST_ROOM, doubled whenever it is full. Answers the array, or NULL with the old one untouched.
 */
static void *grow(void *array, size_t count, size_t size)
{
    if (count == 0) {
        return reallocarray(array, FIRST_ROOM, size);
    }
    bool full = count >= FIRST_ROOM && (count & (count - 1)) == 0;
    return full ? reallocarray(array, count * 2, size) : array;
}

static bool find_account(const struct ledger *ledger, uint64_t id, size_t *index)
{
    size_t low = 0;
    size_t high = ledger->account_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ledger->accounts[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == ledger->account_count || ledger->accounts[low].id != id) {
        return false;
    }
    *index = low;
    return true;
}

enum outcome { ADDED, REFUSED, NO_MEMORY };

static enum outcome add_account(struct ledger *ledger, const struct ledger_line *line,
                                const struct reason *reason)
{
    size_t count = ledger->account_count;
    if (count == LEDGER_ACCOUNTS_MAX) {
        (void)refuse(reason, "more than %u accounts", LEDGER_ACCOUNTS_MAX);
        return REFUSED;
    }
    if (count > 0 && line->id <= ledger->accounts[count - 1].id) {
        (void)refuse(reason, "account %" PRIu64 " does not follow account %" PRIu64 ": ids grow",
                     line->id, ledger->accounts[count - 1].id);
        return REFUSED;
    }
    struct ledger_account *accounts = grow(ledger->accounts, count, sizeof(*accounts));
    if (accounts == NULL) {
        return NO_MEMORY;
    }
    ledger->accounts = accounts;
    struct ledger_account *account = &accounts[ledger->account_count++];
    account->id = line->id;
    account->cents = line->cents;
    memcpy(account->owner, line->owner, sizeof(account->owner));
    ledger->total_cents += line->cents; /* at most 10^5 times 10^12 */
    return ADDED;
}

static enum outcome add_transfer(struct ledger *ledger, const struct ledger_line *line,
                                 const struct reason *reason)
{
    struct ledger_transfer transfer = {.id = line->id, .cents = line->cents};
    size_t count = ledger->transfer_count;
    if (count == LEDGER_TRANSFERS_MAX) {
        (void)refuse(reason, "more than %u transfers", LEDGER_TRANSFERS_MAX);
        return REFUSED;
    }
    if (count > 0 && line->id <= ledger->transfers[count - 1].id) {
        (void)refuse(reason, "transfer %" PRIu64 " does not follow transfer %" PRIu64 ": ids grow",
                     line->id, ledger->transfers[count - 1].id);
        return REFUSED;
    }
    bool payer_known = find_account(ledger, line->from, &transfer.from);
    if (!payer_known || !find_account(ledger, line->to, &transfer.to)) {
        (void)refuse(reason, "transfer %" PRIu64 ": account %" PRIu64 " was not opened before",
                     line->id, payer_known ? line->to : line->from);
        return REFUSED;
    }
    struct ledger_transfer *transfers = grow(ledger->transfers, count, sizeof(*transfers));
    if (transfers == NULL) {
        return NO_MEMORY;
    }
    ledger->transfers = transfers;
    transfers[ledger->transfer_count++] = transfer;
    return ADDED;
}

static enum outcome add_problem(struct ledger *ledger, size_t line, const char *reason)
{
    ledger->malformed++;
    if (ledger->problem_count == LEDGER_PROBLEMS_MAX) {
        return REFUSED;
    }
    struct ledger_problem *problems =
        grow(ledger->problems, ledger->problem_count, sizeof(*problems));
    if (problems == NULL) {
        return NO_MEMORY;
    }
    ledger->problems = problems;
    struct ledger_problem *problem = &problems[ledger->problem_count++];
    problem->line = line;
    (void)snprintf(problem->reason, sizeof(problem->reason), "%s", reason);
    return REFUSED;
}

static enum outcome add_line(struct ledger *ledger, size_t line_number, const char *text,
                             size_t size)
{
    char words[LEDGER_REASON_SIZE] = "";
    const struct reason reason = {words, sizeof(words)};
    struct ledger_line line;
    enum outcome outcome = REFUSED;
    if (ledger_parse_line(text, size, &line, words, sizeof(words))) {
        if (line.kind == LEDGER_BLANK) {
            return ADDED;
        }
        outcome = line.kind == LEDGER_OPEN ? add_account(ledger, &line, &reason)
                                           : add_transfer(ledger, &line, &reason);
    }
    return outcome == REFUSED ? add_problem(ledger, line_number, words) : outcome;
}

bool ledger_read(const char *text, size_t size, struct ledger **ledger)
{
    struct ledger *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return false;
    }
    size_t line_number = 1;
    for (size_t at = 0; at < size; line_number++) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t line_size = end == NULL ? size - at : (size_t)(end - (text + at));
        if (add_line(made, line_number, text + at, line_size) == NO_MEMORY) {
            ledger_destroy(made);
            return false;
        }
        at += line_size + 1;
    }
    *ledger = made;
    return true;
}

/* Reads what the file holds. Gives *text, which free releases. */
static bool slurp(FILE *file, char **text, size_t *size, const struct reason *reason)
{
    size_t room = (size_t)64 * 1024;
    size_t used = 0;
    char *bytes = malloc(room);
    while (bytes != NULL) {
        used += fread(bytes + used, 1, room - used, file);
        if (used < room) {
            break;
        }
        if (room >= LEDGER_FILE_SIZE_MAX) {
            free(bytes);
            return refuse(reason, "the ledger is larger than %u bytes", LEDGER_FILE_SIZE_MAX);
        }
        char *bigger = realloc(bytes, room * 2);
        if (bigger == NULL) {
            free(bytes);
        }
        bytes = bigger;
        room *= 2;
    }
    if (bytes == NULL) {
        return refuse(reason, "out of memory");
    }
    if (ferror(file) != 0) {
        free(bytes);
        return refuse(reason, "the ledger cannot be read: %s", strerrordesc_np(errno));
    }
    *text = bytes;
    *size = used;
    return true;
}

bool ledger_load(const char *path, struct ledger **ledger, char *error, size_t error_size)
{
    const struct reason reason = {error, error_size};
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return refuse(&reason, "the ledger %s cannot be opened: %s", path, strerrordesc_np(errno));
    }
    char *text = NULL;
    size_t size = 0;
    bool loaded = slurp(file, &text, &size, &reason);
    (void)fclose(file);
    if (loaded && !ledger_read(text, size, ledger)) {
        loaded = refuse(&reason, "out of memory");
    }
    free(text);
    return loaded;
}

void ledger_destroy(struct ledger *ledger)
{
    if (ledger == NULL) {
        return;
    }
    free(ledger->accounts);
    free(ledger->transfers);
    free(ledger->problems);
    free(ledger);
}
