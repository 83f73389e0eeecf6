/* What is tested: examples/bank/teller with accounts, over a library that loses what it may lose
 * (fake_runtime). Method: many seeds; then one thing at a time that a teller may meet. */
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
#include "fake_runtime.h"

enum { SEEDS = 40, LONG_MS = 3600 * 1000 };

static const char *node_names[] = {"n1", "n2"};
static const struct fake_faults no_faults;
static const struct fake_faults all_faults = {
    .unreachable = 8, .killed_before = 8, .killed_after = 8, .late = 4, .full = 5};

static char ledger_path[] = "/tmp/troupe-teller-test.XXXXXX";

/* Thirty accounts, half of whose transfers are more than they have at some moment. */
static int write_ledger(void **state)
{
    int descriptor = mkstemp(ledger_path);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    uint64_t dice = 4711;
    (void)state;
    if (file == NULL) {
        return -1;
    }
    for (int i = 1; i <= 30; i++) {
        (void)fprintf(file, "open %d Ada 500\n", i);
    }
    for (int i = 1; i <= 600; i++) {
        dice = bank_mix(dice);
        unsigned from = (unsigned)(dice % 30);
        unsigned to = (from + 1 + (unsigned)(dice >> 32) % 29) % 30;
        (void)fprintf(file, "transfer %d %u %u %u\n", i, from + 1, to + 1,
                      1 + (unsigned)(dice >> 20) % 200);
    }
    (void)fprintf(file, "nonsense\n");
    return fclose(file);
}

static int remove_ledger(void **state)
{
    (void)state;
    return unlink(ledger_path);
}

static struct fake_world *new_world(uint64_t seed, struct fake_faults faults)
{
    struct fake_world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world->dice = bank_mix(seed);
    world->faults = faults;
    return world;
}

static void begin(struct fake_world *world, uint32_t in_flight, uint32_t per_second)
{
    const bank_teller args = {.ledger = ledger_path,
                              .nodes = node_names,
                              .nodes_count = 2,
                              .in_flight = in_flight,
                              .per_second = per_second};
    assert_int_equal(fake_begin(world, &args), TROUPE_OK);
}

static int64_t all_money(const struct fake_world *world)
{
    int64_t total = 0;
    for (size_t i = 0; i < FAKE_ACCOUNTS_MAX; i++) {
        total += world->accounts[i].committed.cents;
    }
    return total;
}

static uint64_t all_sent(const struct fake_world *world)
{
    uint64_t total = 0;
    for (size_t i = 0; i < FAKE_ACCOUNTS_MAX; i++) {
        total += world->accounts[i].committed.sent.count;
    }
    return total;
}

static void play(struct fake_world *world)
{
    fake_run(world, LONG_MS);
    assert_string_equal(fake_progress(world).phase, "ready");
    assert_int_equal(fake_tell(world, &bank_play_type, NULL), TROUPE_OK);
    fake_run(world, LONG_MS);
}

static void every_transfer_is_in_once_whatever_is_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct fake_world *world = new_world(seed, all_faults);
        begin(world, 8, 0);
        play(world);
        bank_progress progress = fake_progress(world);
        if (strcmp(progress.phase, "finished") != 0 || !fake_report(world).settled) {
            fail_msg("seed %llu: %s, %s", (unsigned long long)seed, progress.phase, progress.error);
        }
        assert_int_equal(progress.acknowledged + progress.refused, 600);
        assert_int_equal(progress.abandoned, 0);
        assert_int_equal(progress.malformed, 1);
        assert_int_equal(all_money(world), 30 * 500);
        assert_int_equal(all_sent(world), progress.acknowledged);
        /* A fault that did not bite proves nothing. */
        assert_true(world->lost_steps > 0 && world->late_requests > 0 && world->lost_replies > 0);
        assert_true(progress.refused > 0 && progress.retries > 0);
        assert_int_equal(world->calls_max, 8);
        fake_end(world);
        free(world);
    }
}

static void the_shipped_ledger_is_played(void **state)
{
    struct fake_world *world = new_world(1, all_faults);
    const bank_teller args = {.ledger = TROUPE_SOURCE_DIR "/examples/bank/ledger.txt",
                              .nodes = node_names,
                              .nodes_count = 2};
    (void)state;
    assert_int_equal(fake_begin(world, &args), TROUPE_OK);
    play(world);
    bank_report report = fake_report(world);
    assert_string_equal(report.progress.phase, "finished");
    assert_true(report.settled);
    assert_int_equal(report.progress.refused, report.overdrafts);
    assert_int_equal(report.problems_count, 7);
    assert_int_equal(all_money(world), report.total_cents);
    fake_end(world);
    free(world);
}

static void a_prefix_is_before_every_name(void **state)
{
    /* The longest that there may be. */
    static const char prefix[] = "a-bank/0123456789012345678901234567890123456789012345678901234/";
    struct fake_world *world = new_world(2, all_faults);
    const bank_teller args = {
        .ledger = ledger_path, .nodes = node_names, .nodes_count = 2, .prefix = prefix};
    (void)state;
    assert_int_equal(sizeof(prefix), 64);
    world->prefix = prefix;
    assert_int_equal(fake_begin(world, &args), TROUPE_OK);
    play(world);
    assert_string_equal(fake_progress(world).phase, "finished");
    assert_true(fake_report(world).settled);
    assert_int_equal(all_money(world), 30 * 500);
    fake_end(world);
    free(world);
}

static void the_pace_is_kept(void **state)
{
    struct fake_world *world = new_world(1, no_faults);
    (void)state;
    begin(world, 64, 100);
    fake_run(world, LONG_MS);
    assert_int_equal(fake_tell(world, &bank_play_type, NULL), TROUPE_OK);
    fake_run(world, 3000);
    bank_progress progress = fake_progress(world);
    assert_in_range(progress.acknowledged + progress.refused, 290, 300);
    fake_run(world, LONG_MS);
    assert_string_equal(fake_progress(world).phase, "finished");
    assert_int_equal(world->event_count, 0); /* its ticker is off */
    fake_end(world);
    free(world);
}

static void a_second_teller_goes_on_where_the_first_was_killed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS / 4; seed++) {
        struct fake_world *world = new_world(seed, all_faults);
        begin(world, 16, 200);
        fake_run(world, LONG_MS);
        assert_int_equal(fake_tell(world, &bank_play_type, NULL), TROUPE_OK);
        fake_run(world, 1000);
        uint64_t decided = fake_progress(world).acknowledged + fake_progress(world).refused;
        assert_in_range(decided, 1, 599);
        fake_end(world);
        begin(world, 16, 0);
        play(world);
        bank_progress progress = fake_progress(world);
        assert_true(progress.existed >= 30);
        assert_true(progress.skipped >= decided);
        assert_int_equal(progress.acknowledged + progress.refused + progress.skipped, 600);
        assert_true(fake_report(world).settled);
        assert_int_equal(all_money(world), 30 * 500);
        fake_end(world);
        free(world);
    }
}

static void what_cannot_be_learnt_is_abandoned_and_said(void **state)
{
    struct fake_world *world = new_world(1, no_faults);
    (void)state;
    begin(world, 64, 0);
    fake_run(world, LONG_MS);
    world->faults.unreachable = 100;
    assert_int_equal(fake_tell(world, &bank_play_type, NULL), TROUPE_OK);
    fake_run(world, 59000);
    assert_int_equal(fake_progress(world).abandoned, 0);
    fake_run(world, 62000);
    assert_int_equal(fake_progress(world).abandoned, 600);
    assert_int_equal(fake_progress(world).acknowledged, 0);
    fake_run(world, LONG_MS);
    assert_string_equal(fake_progress(world).phase, "failed"); /* accounts cannot be asked either */
    fake_end(world);
    free(world);
}

static void a_behavior_that_no_node_knows_ends_the_play_at_once(void **state)
{
    struct fake_world *world = new_world(1, no_faults);
    (void)state;
    world->nodes_unknown = true;
    begin(world, 64, 0);
    fake_run(world, 2000);
    assert_string_equal(fake_progress(world).phase, "failed");
    assert_memory_equal(fake_progress(world).error, "account/", 8);
    assert_non_null(strstr(fake_progress(world).error, "cannot be opened"));
    fake_run(world, LONG_MS);
    assert_int_equal(world->event_count, 0);
    fake_end(world);
    free(world);
}

static void an_account_that_says_something_else_is_noticed(void **state)
{
    struct fake_world *world = new_world(1, no_faults);
    (void)state;
    begin(world, 64, 0);
    fake_run(world, LONG_MS);
    assert_int_equal(fake_tell(world, &bank_play_type, NULL), TROUPE_OK);
    fake_run(world, 5);
    world->accounts[4].committed.cents++;
    fake_run(world, LONG_MS);
    assert_string_equal(fake_progress(world).phase, "finished");
    assert_false(fake_report(world).settled);
    fake_end(world);
    free(world);
}

static void messages_that_only_the_teller_should_send_do_no_harm(void **state)
{
    static const troupe_type retry = {.name = "bank.teller_retry"};
    static const troupe_type round = {.name = "bank.teller_round"};
    static const troupe_type tick = {.name = "bank.teller_tick"};
    struct fake_world *world = new_world(1, all_faults);
    (void)state;
    begin(world, 8, 0);
    fake_run(world, LONG_MS);
    assert_int_equal(fake_tell(world, &bank_play_type, NULL), TROUPE_OK);
    for (int i = 0; i < 200; i++) {
        uint64_t account = i % 3 == 0 ? UINT64_MAX : (uint64_t)i % 30;
        assert_int_equal(fake_tell(world, &retry, &account), TROUPE_OK);
        assert_int_equal(fake_tell(world, &round, NULL), TROUPE_OK);
        assert_int_equal(fake_tell(world, &tick, NULL), TROUPE_OK);
        assert_int_equal(fake_tell(world, &bank_play_type, NULL), TROUPE_OK);
        fake_run(world, 2);
    }
    fake_run(world, LONG_MS);
    assert_string_equal(fake_progress(world).phase, "finished");
    assert_true(fake_report(world).settled);
    assert_int_equal(world->calls_max, 8);
    fake_end(world);
    free(world);
}

static void arguments_that_make_no_sense_are_refused(void **state)
{
    struct fake_world *world = new_world(1, no_faults);
    const bank_teller wrong[] = {
        {.nodes = node_names, .nodes_count = 2},
        {.ledger = ledger_path},
        {.ledger = "/nonexistent", .nodes = node_names, .nodes_count = 2},
        {.ledger = ledger_path, .nodes = node_names, .nodes_count = 2, .in_flight = 4097},
        {.ledger = ledger_path, .nodes = node_names, .nodes_count = 2, .per_second = 1000001},
        {.ledger = ledger_path, .nodes = node_names, .nodes_count = 2, .patience_s = 86401},
        {.ledger = ledger_path,
         .nodes = node_names,
         .nodes_count = 2,
         .prefix = "0123456789012345678901234567890123456789012345678901234567890123"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(fake_begin(world, &wrong[i]), TROUPE_E_FAILED);
        free(world->teller);
    }
    assert_int_equal(fake_begin(world, NULL), TROUPE_E_FAILED);
    free(world->teller);
    assert_int_equal(world->event_count, 0);
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_transfer_is_in_once_whatever_is_lost),
        cmocka_unit_test(the_shipped_ledger_is_played),
        cmocka_unit_test(a_prefix_is_before_every_name),
        cmocka_unit_test(the_pace_is_kept),
        cmocka_unit_test(a_second_teller_goes_on_where_the_first_was_killed),
        cmocka_unit_test(what_cannot_be_learnt_is_abandoned_and_said),
        cmocka_unit_test(a_behavior_that_no_node_knows_ends_the_play_at_once),
        cmocka_unit_test(an_account_that_says_something_else_is_noticed),
        cmocka_unit_test(messages_that_only_the_teller_should_send_do_no_harm),
        cmocka_unit_test(arguments_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, write_ledger, remove_ledger);
}
