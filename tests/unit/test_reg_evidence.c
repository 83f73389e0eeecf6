/* What is tested: names/evidence: when a suspect is looked at, and when it is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "names/evidence.h"

static const int64_t ms = 1000000;
static struct reg_evidence evidence;

static int begin(void **state)
{
    (void)state;
    reg_evidence_init(&evidence);
    return 0;
}

static void a_refused_dial_is_asked_about_at_once_as_gone(void **state)
{
    struct reg_look look = {0};

    (void)state;
    assert_int_equal(reg_evidence_next(&evidence), INT64_MAX);
    assert_true(reg_evidence_report(&evidence, 7, true, 100));
    assert_int_equal(reg_evidence_next(&evidence), 100);
    assert_true(reg_evidence_take(&evidence, 100, &look));
    assert_int_equal(look.node_id, 7);
    assert_int_equal(look.kind, REG_LOOK_GONE);
    assert_false(reg_evidence_take(&evidence, 100, &look)); /* one question at a time */
    assert_int_equal(reg_evidence_next(&evidence), INT64_MAX);
}

static void silence_is_looked_at_twice_a_grace_apart(void **state)
{
    struct reg_look look = {0};

    (void)state;
    assert_true(reg_evidence_report(&evidence, 7, false, 0));
    assert_false(reg_evidence_take(&evidence, 0, &look)); /* the dial may still be refused */
    assert_true(reg_evidence_take(&evidence, REG_LOOK_SILENCE_MS * ms, &look));
    assert_int_equal(look.kind, REG_LOOK_LOST);
    reg_evidence_answer(&evidence, 7, REG_VERDICT_FIRST_LOOK, 20 * ms);
    assert_false(reg_evidence_take(&evidence, 20 * ms + REG_LOST_GRACE_MS * ms, &look));
    assert_true(reg_evidence_take(&evidence, 30 * ms + REG_LOST_GRACE_MS * ms, &look));
    assert_int_equal(look.kind, REG_LOOK_LOST);
}

static void a_session_that_still_lives_is_asked_about_ever_more_seldom(void **state)
{
    struct reg_look look = {0};
    int64_t now_ns = 0;
    int64_t delay_ns = 0;
    int looks = 0;

    (void)state;
    assert_true(reg_evidence_report(&evidence, 7, true, 0));
    while (now_ns < 20000 * ms) {
        (void)reg_evidence_report(&evidence, 7, true, now_ns); /* the dials go on failing */
        assert_true(reg_evidence_take(&evidence, now_ns, &look));
        reg_evidence_answer(&evidence, 7, REG_VERDICT_ALIVE, now_ns);
        assert_true(reg_evidence_next(&evidence) - now_ns >= delay_ns);
        delay_ns = reg_evidence_next(&evidence) - now_ns;
        assert_true(delay_ns <= REG_LOOK_DELAY_MAX_MS * ms);
        now_ns += delay_ns;
        looks++;
    }
    assert_true(looks >= 40 && looks <= 60);
}

static void old_news_is_no_evidence(void **state)
{
    struct reg_look look = {0};

    (void)state;
    assert_true(reg_evidence_report(&evidence, 7, true, 0));
    assert_true(reg_evidence_take(&evidence, 0, &look));
    reg_evidence_answer(&evidence, 7, REG_VERDICT_ALIVE, 0);
    assert_false(reg_evidence_take(&evidence, (REG_EVIDENCE_FRESH_MS + 1) * ms, &look));
    assert_int_equal(evidence.count, 0);
}

static void a_refusal_after_silence_is_asked_about_at_once(void **state)
{
    struct reg_look look = {0};

    (void)state;
    assert_true(reg_evidence_report(&evidence, 7, false, 0));
    assert_true(reg_evidence_take(&evidence, 10 * ms, &look));
    reg_evidence_answer(&evidence, 7, REG_VERDICT_FIRST_LOOK, 10 * ms);
    assert_true(reg_evidence_report(&evidence, 7, true, 15 * ms));
    assert_true(reg_evidence_take(&evidence, 15 * ms, &look));
    assert_int_equal(look.kind, REG_LOOK_GONE);
}

/* The database judges the silence while the dial is refused. */
static void a_refusal_while_silence_is_asked_about_comes_next(void **state)
{
    const enum reg_verdict verdicts[] = {REG_VERDICT_FIRST_LOOK, REG_VERDICT_ALIVE};
    struct reg_look look = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        reg_evidence_init(&evidence);
        assert_true(reg_evidence_report(&evidence, 7, false, 0));
        assert_true(reg_evidence_take(&evidence, 10 * ms, &look));
        assert_int_equal(look.kind, REG_LOOK_LOST);
        assert_true(reg_evidence_report(&evidence, 7, true, 11 * ms));
        assert_false(reg_evidence_take(&evidence, 11 * ms, &look)); /* one question at a time */
        reg_evidence_answer(&evidence, 7, verdicts[i], 12 * ms);
        assert_true(reg_evidence_take(&evidence, 12 * ms, &look));
        assert_int_equal(look.kind, REG_LOOK_GONE);
    }
}

static void the_dead_and_the_forgotten_are_not_asked_about(void **state)
{
    struct reg_look look = {0};

    (void)state;
    assert_true(reg_evidence_report(&evidence, 7, true, 0));
    assert_true(reg_evidence_report(&evidence, 8, true, 0));
    assert_true(reg_evidence_take(&evidence, 0, &look));
    const uint64_t dead = look.node_id;

    reg_evidence_answer(&evidence, dead, REG_VERDICT_DEAD, 0);
    /* Until its event is here the dials go on failing: it is not accused again. */
    assert_true(reg_evidence_report(&evidence, dead, true, 1 * ms));
    assert_true(reg_evidence_take(&evidence, 1 * ms, &look));
    assert_int_not_equal(look.node_id, dead);
    assert_false(reg_evidence_take(&evidence, 100 * ms, &look));
    reg_evidence_forget(&evidence, dead);
    assert_int_equal(evidence.count, 1);
    reg_evidence_forget(&evidence, 8);
    reg_evidence_forget(&evidence, 8);
    reg_evidence_answer(&evidence, 8, REG_VERDICT_ALIVE, 0); /* the answer comes too late */
    assert_int_equal(evidence.count, 0);
}

static void the_table_is_bounded(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= REG_SUSPECTS_MAX; id++) {
        assert_true(reg_evidence_report(&evidence, id, true, 0));
    }
    assert_false(reg_evidence_report(&evidence, REG_SUSPECTS_MAX + 1, true, 0));
    assert_true(reg_evidence_report(&evidence, 5, true, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_refused_dial_is_asked_about_at_once_as_gone, begin),
        cmocka_unit_test_setup(silence_is_looked_at_twice_a_grace_apart, begin),
        cmocka_unit_test_setup(a_session_that_still_lives_is_asked_about_ever_more_seldom, begin),
        cmocka_unit_test_setup(old_news_is_no_evidence, begin),
        cmocka_unit_test_setup(a_refusal_after_silence_is_asked_about_at_once, begin),
        cmocka_unit_test_setup(a_refusal_while_silence_is_asked_about_comes_next, begin),
        cmocka_unit_test_setup(the_dead_and_the_forgotten_are_not_asked_about, begin),
        cmocka_unit_test_setup(the_table_is_bounded, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
