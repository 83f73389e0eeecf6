/* scenarios/world.h - what the scenarios share: a played node per seed, and two kinds of messages.
 *
 *     static void play(troupe_test *test) { ... }
 *     world_play(200, play);
 *
 * A failure ends the test with the kit's report, which has the seed and the trace.
 */
#ifndef TEST_SCENARIOS_WORLD_H
#define TEST_SCENARIOS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "troupe/test.h"
#include "troupe/troupe.h"

typedef struct number {
    int64_t value;
} number;
TROUPE_TYPE(number, "test.number", TROUPE_FIELD(number, value, 1));

typedef struct letter {
    troupe_pid answer_to;
    int64_t value;
} letter;
TROUPE_TYPE(letter, "test.letter", TROUPE_FIELD(letter, answer_to, 1),
            TROUPE_FIELD(letter, value, 2));

/* Plays once for each of that many seeds, on one to four workers. */
void world_play(uint64_t seeds, void (*play)(troupe_test *test));

/* Starts one from outside; name may be NULL. */
troupe_pid world_spawn(troupe_test *test, const troupe_behavior *behavior, const char *name);

/* What a message of numbers says. */
int64_t number_in(const troupe_seen *seen);

/* Whether the pid is that of somebody alive, by asking the node about it. */
bool world_lives(troupe_test *test, troupe_pid pid);

#endif
