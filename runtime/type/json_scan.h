/* type/json_scan.h - whether a text is JSON, to the letter of RFC 8259, before cJSON sees it.
 *
 * cJSON recurses as deep as the text nests, cuts strings at \u0000, takes numbers like 01 and says
 * only that something is wrong. After this scan none of that can happen.
 */
#ifndef TR_TYPE_JSON_SCAN_H
#define TR_TYPE_JSON_SCAN_H

#include <stddef.h>

#include "troupe/status.h"

/* TROUPE_E_TYPE: not JSON (error says where and why), not UTF-8, or a string holds \u0000.
 * TROUPE_E_LIMIT: it nests deeper than TR_TYPE_DEPTH_MAX, or a number is longer than
 * TR_JSON_NUMBER_SIZE_MAX. */
TROUPE_MUST_USE troupe_status tr_json_scan(const char *text, size_t size, char *error,
                                           size_t error_size);

/* Answers the size of the JSON number at the front of text, 0 when there is none. */
size_t tr_json_scan_number(const char *text, size_t size);

#endif
