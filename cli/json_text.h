/* cli/json_text.h - JSON that people type, looked at before it travels.
 *
 * Threads: any. Memory: none kept.
 */
#ifndef CLI_JSON_TEXT_H
#define CLI_JSON_TEXT_H

#include "daemon/problem.h"

#define JSON_NESTING_MAX 32u
#define JSON_SIZE_MAX (512u * 1024u)

/* Checks that text is one JSON object, neither too long nor too deep. Answers 0, or the exit status
 * of PROBLEM_BAD_JSON, which says where it goes wrong. */
int json_text_check(const char *text, struct problem *problem);

#endif
