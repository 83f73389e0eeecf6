/* support/asking.h - a stage whose node answers administration requests, for tests of what it says.
 * One stage and the latest reply at a time. */
#ifndef TESTS_SUPPORT_ASKING_H
#define TESTS_SUPPORT_ASKING_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "support/actors.h"

extern struct stage *stage;
extern cJSON *reply; /* to the latest request; owned here */

/* The set-up and tear-down of a test. */
int asking_begin(void **state);
int asking_end(void **state);

/* Asks the node; the reply is in `reply`. Answers whether it says "ok". */
bool ask_node(const char *request);

/* What an object says under a key; fails the test when there is no such thing. */
const char *text_of(const cJSON *object, const char *key);
double number_of(const cJSON *object, const char *key);

#endif
