/* What is tested: examples/bank/ledger and books, by their contracts. Method: each kind of line
 * that is not one, with the words that a person gets; limits at their edges; the ledger that ships;
 * books played to the end, and what they notice when an account says something else. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "books.h"
#include "ledger.h"

static struct ledger *read_text(const char *text)
{
    struct ledger *ledger = NULL;
    assert_true(ledger_read(text, strlen(text), &ledger));
    return ledger;
}

static void assert_problem(const char *line, const char *expected)
{
    struct ledger_line parsed;
    char reason[LEDGER_REASON_SIZE] = "";
    assert_false(ledger_parse_line(line, strlen(line), &parsed, reason, sizeof(reason)));
    assert_string_equal(reason, expected);
}

static void a_line_opens_an_account(void **state)
{
    struct ledger_line line;
    char reason[LEDGER_REASON_SIZE];
    (void)state;
    assert_true(ledger_parse_line(" open\t7 Ada.B 250 \r", 18, &line, reason, sizeof(reason)));
    assert_int_equal(line.kind, LEDGER_OPEN);
    assert_int_equal(line.id, 7);
    assert_int_equal(line.cents, 250);
    assert_string_equal(line.owner, "Ada.B");
}

static void a_line_is_a_transfer(void **state)
{
    const char *text = "transfer 11 7 9 1000000000000";
    struct ledger_line line;
    char reason[LEDGER_REASON_SIZE];
    (void)state;
    assert_true(ledger_parse_line(text, strlen(text), &line, reason, sizeof(reason)));
    assert_int_equal(line.kind, LEDGER_TRANSFER);
    assert_int_equal(line.id, 11);
    assert_int_equal(line.from, 7);
    assert_int_equal(line.to, 9);
    assert_int_equal(line.cents, LEDGER_CENTS_MAX);
}

static void blank_lines_and_comments_say_nothing(void **state)
{
    static const char *const lines[] = {"", "   \t\r", "# open 1 Ada 5", "  #", "# \xc3\xa4"};
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct ledger_line line;
        char reason[LEDGER_REASON_SIZE];
        assert_true(ledger_parse_line(lines[i], strlen(lines[i]), &line, reason, sizeof(reason)));
        assert_int_equal(line.kind, LEDGER_BLANK);
    }
}

static void a_malformed_line_is_refused_with_the_reason(void **state)
{
    (void)state;
    assert_problem("opne 1 Ada 5", "neither 'open' nor 'transfer' but 'opne'");
    assert_problem("open 1 Ada", "expected: open ACCOUNT OWNER CENTS");
    assert_problem("open 1 Ada Lovelace 5", "expected: open ACCOUNT OWNER CENTS");
    assert_problem("open 0 Ada 5", "an account has to be a whole number from 1, not '0'");
    assert_problem("open 1 Ada -5",
                   "cents have to be a whole number from 0 to 1000000000000, not '-5'");
    assert_problem("open 1 \xc3\x84"
                   "da 5",
                   "the line holds a byte that is not printable ASCII");
    assert_problem("open 1 12345678901234567890123456789012345678901234567x 5",
                   "the owner's name is longer than 47 bytes");
    assert_problem("transfer 1 2 3", "expected: transfer ID FROM TO CENTS");
    assert_problem("transfer 1 2 3 4 5", "expected: transfer ID FROM TO CENTS");
    assert_problem("transfer 1 2 3 4 5 6 7 8", "expected: transfer ID FROM TO CENTS");
    assert_problem("transfer x 2 3 4", "a transfer has to be a whole number from 1, not 'x'");
    assert_problem("transfer 1 2 3 0",
                   "cents have to be a whole number from 1 to 1000000000000, not '0'");
    assert_problem("transfer 1 2 3 12.50",
                   "cents have to be a whole number from 1 to 1000000000000, not '12.50'");
    assert_problem("transfer 1 2 3 1000000000001",
                   "cents have to be a whole number from 1 to 1000000000000, not '1000000000001'");
    assert_problem("transfer 1 2 2 5", "transfer 1 goes from account 2 to itself");
    assert_problem("transfer 99999999999999999999999999 2 3 5",
                   "a transfer has to be a whole number from 1, not '99999999999999999999999999'");
}

static void a_line_may_have_200_bytes_and_no_more(void **state)
{
    char text[LEDGER_LINE_SIZE_MAX + 1];
    struct ledger_line line;
    char reason[LEDGER_REASON_SIZE];
    (void)state;
    memset(text, ' ', sizeof(text));
    memcpy(text, "open 1 Ada 5", 12);
    assert_true(ledger_parse_line(text, LEDGER_LINE_SIZE_MAX, &line, reason, sizeof(reason)));
    assert_false(ledger_parse_line(text, LEDGER_LINE_SIZE_MAX + 1, &line, reason, sizeof(reason)));
    assert_string_equal(reason, "the line is longer than 200 bytes");
}

static void a_byte_of_zero_is_no_part_of_a_line(void **state)
{
    struct ledger_line line;
    char reason[LEDGER_REASON_SIZE];
    (void)state;
    assert_false(ledger_parse_line("open 1 A\0a 5", 12, &line, reason, sizeof(reason)));
}

static void lines_that_do_not_fit_the_others_are_skipped(void **state)
{
    struct ledger *ledger = read_text("open 1 Ada 5\n"
                                      "open 3 Alan 6\n"
                                      "open 3 Bob 7\n"     /* 3: twice */
                                      "open 2 Bob 7\n"     /* 4: shrinks */
                                      "transfer 4 1 2 1\n" /* 5: payee unknown */
                                      "transfer 4 9 1 1\n" /* 6: payer unknown */
                                      "transfer 4 1 3 1\n"
                                      "transfer 4 3 1 1\n" /* 8: twice */
                                      "transfer 5 3 1 2"); /* the last line needs no end */
    (void)state;
    assert_int_equal(ledger->account_count, 2);
    assert_int_equal(ledger->transfer_count, 2);
    assert_int_equal(ledger->malformed, 5);
    assert_int_equal(ledger->problem_count, 5);
    assert_int_equal(ledger->problems[0].line, 3);
    assert_string_equal(ledger->problems[0].reason,
                        "account 3 does not follow account 3: ids grow");
    assert_int_equal(ledger->problems[2].line, 5);
    assert_string_equal(ledger->problems[2].reason, "transfer 4: account 2 was not opened before");
    assert_string_equal(ledger->problems[3].reason, "transfer 4: account 9 was not opened before");
    assert_int_equal(ledger->problems[4].line, 8);
    assert_int_equal(ledger->transfers[1].from, 1);
    assert_int_equal(ledger->transfers[1].to, 0);
    assert_int_equal(ledger->total_cents, 11);
    ledger_destroy(ledger);
}

static void only_so_many_problems_are_kept_and_all_are_counted(void **state)
{
    enum { LINES = LEDGER_PROBLEMS_MAX + 50 };
    char *text = calloc(LINES, 4);
    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < LINES; i++) {
        memcpy(text + i * 4, "no \n", 4);
    }
    struct ledger *ledger = NULL;
    assert_true(ledger_read(text, (size_t)LINES * 4, &ledger));
    assert_int_equal(ledger->problem_count, LEDGER_PROBLEMS_MAX);
    assert_int_equal(ledger->malformed, LINES);
    ledger_destroy(ledger);
    free(text);
}

static void a_file_that_cannot_be_read_says_why(void **state)
{
    struct ledger *ledger = NULL;
    char error[200];
    (void)state;
    assert_false(ledger_load("/nonexistent/ledger", &ledger, error, sizeof(error)));
    assert_string_equal(
        error, "the ledger /nonexistent/ledger cannot be opened: No such file or directory");
    assert_false(ledger_load("/tmp", &ledger, error, sizeof(error)));
    assert_string_equal(error, "the ledger cannot be read: Is a directory");
    assert_null(ledger);
}

static struct ledger *load_shipped(void)
{
    struct ledger *ledger = NULL;
    char error[200] = "";
    if (!ledger_load(TROUPE_SOURCE_DIR "/examples/bank/ledger.txt", &ledger, error,
                     sizeof(error))) {
        fail_msg("%s", error);
    }
    return ledger;
}

static void the_shipped_ledger_is_what_the_demo_promises(void **state)
{
    struct ledger *ledger = load_shipped();
    (void)state;
    assert_true(ledger->account_count >= 200);
    assert_true(ledger->transfer_count >= 5000);
    assert_int_equal(ledger->malformed, 7);
    assert_true(books_certain_overdrafts(ledger) >= 20);
    ledger_destroy(ledger);
}

/* Whatever the order: what one pays in all is no more than he opened with. */
static void the_shipped_ledger_has_the_same_outcome_in_any_order(void **state)
{
    struct ledger *ledger = load_shipped();
    (void)state;
    int64_t *left = calloc(ledger->account_count, sizeof(*left));
    assert_non_null(left);
    for (size_t i = 0; i < ledger->account_count; i++) {
        left[i] = ledger->accounts[i].cents;
    }
    for (size_t i = 0; i < ledger->transfer_count; i++) {
        const struct ledger_transfer *transfer = &ledger->transfers[i];
        if (transfer->cents <= ledger->total_cents) {
            left[transfer->from] -= transfer->cents;
            assert_true(left[transfer->from] >= 0);
        }
    }
    free(left);
    ledger_destroy(ledger);
}

static const char three[] = "open 1 Ada 100\nopen 2 Alan 50\nopen 3 Bob 0\n"
                            "transfer 10 1 2 30\ntransfer 11 2 3 20\ntransfer 12 1 3 5\n"
                            "transfer 13 1 2 9999\n";

static struct books *begin_three(struct ledger **ledger)
{
    struct books *books = NULL;
    *ledger = read_text(three);
    assert_true(books_create(*ledger, &books));
    for (size_t i = 0; i < 3; i++) {
        int64_t cents = (*ledger)->accounts[i].cents;
        books_begin(books, i, &(bank_balance){.cents = cents, .opened_cents = cents});
    }
    return books;
}

static void books_play_each_payers_transfers_in_order(void **state)
{
    struct ledger *ledger = NULL;
    struct books *books = begin_three(&ledger);
    (void)state;
    assert_int_equal(books->left, 4);
    assert_int_equal(books_next(books, 0)->id, 10);
    assert_int_equal(books_next(books, 1)->id, 11);
    assert_null(books_next(books, 2));
    books_acknowledge(books, 0, false);
    assert_int_equal(books_next(books, 0)->id, 12);
    books_acknowledge(books, 0, false);
    assert_int_equal(books_next(books, 0)->id, 13);
    books_acknowledge(books, 0, true);
    assert_null(books_next(books, 0));
    books_acknowledge(books, 1, false);
    assert_int_equal(books->left, 0);
    assert_int_equal(books->acknowledged, 3);
    assert_int_equal(books->refused, 1);
    assert_int_equal(books->accounts[0].expected.cents, 65);
    assert_int_equal(books->accounts[1].expected.cents, 60);
    assert_int_equal(books->accounts[2].expected.cents, 25);
    books_destroy(books);
    ledger_destroy(ledger);
}

static void books_notice_what_differs(void **state)
{
    struct ledger *ledger = NULL;
    struct books *books = begin_three(&ledger);
    (void)state;
    books_acknowledge(books, 0, false);
    bank_balance payee = {.cents = 80, .opened_cents = 50};
    bank_sums_add(&payee.received, 10, 30);
    assert_true(books_agree(books, 1, &payee));
    bank_balance other = payee;
    other.cents++;
    assert_false(books_agree(books, 1, &other));
    other = payee;
    other.received = (bank_sums){0};
    bank_sums_add(&other.received, 11, 30); /* as much money, from another transfer */
    assert_false(books_agree(books, 1, &other));
    other = payee;
    bank_sums_add(&other.received, 10, 0); /* twice */
    assert_false(books_agree(books, 1, &other));
    other = payee;
    other.refused_count = 1;
    assert_false(books_agree(books, 1, &other));
    books_destroy(books);
    ledger_destroy(ledger);
}

static void books_skip_what_was_decided_before(void **state)
{
    struct ledger *ledger = read_text(three);
    struct books *books = NULL;
    (void)state;
    assert_true(books_create(ledger, &books));
    books_begin(books, 0, &(bank_balance){.cents = 65, .last_transfer = 12});
    assert_int_equal(books->skipped, 2);
    assert_int_equal(books->left, 2);
    assert_int_equal(books_next(books, 0)->id, 13);
    books_destroy(books);
    ledger_destroy(ledger);
}

static void books_abandon_all_that_follows(void **state)
{
    struct ledger *ledger = NULL;
    struct books *books = begin_three(&ledger);
    (void)state;
    books_abandon(books, 0);
    assert_null(books_next(books, 0));
    assert_int_equal(books->abandoned, 3);
    assert_int_equal(books->left, 1);
    books_destroy(books);
    ledger_destroy(ledger);
}

static void a_ledger_without_lines_has_books_too(void **state)
{
    struct ledger *ledger = read_text("");
    struct books *books = NULL;
    (void)state;
    assert_true(books_create(ledger, &books));
    assert_int_equal(books->left, 0);
    books_destroy(books);
    ledger_destroy(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_opens_an_account),
        cmocka_unit_test(a_line_is_a_transfer),
        cmocka_unit_test(blank_lines_and_comments_say_nothing),
        cmocka_unit_test(a_malformed_line_is_refused_with_the_reason),
        cmocka_unit_test(a_line_may_have_200_bytes_and_no_more),
        cmocka_unit_test(a_byte_of_zero_is_no_part_of_a_line),
        cmocka_unit_test(lines_that_do_not_fit_the_others_are_skipped),
        cmocka_unit_test(only_so_many_problems_are_kept_and_all_are_counted),
        cmocka_unit_test(a_file_that_cannot_be_read_says_why),
        cmocka_unit_test(the_shipped_ledger_is_what_the_demo_promises),
        cmocka_unit_test(the_shipped_ledger_has_the_same_outcome_in_any_order),
        cmocka_unit_test(books_play_each_payers_transfers_in_order),
        cmocka_unit_test(books_notice_what_differs),
        cmocka_unit_test(books_skip_what_was_decided_before),
        cmocka_unit_test(books_abandon_all_that_follows),
        cmocka_unit_test(a_ledger_without_lines_has_books_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
