/* type/limits.h - what described types and their values may be at most, and why. */
#ifndef TR_TYPE_LIMITS_H
#define TR_TYPE_LIMITS_H

#include <stddef.h>

/* Bytes; the name travels with each message. */
#define TR_TYPE_NAME_SIZE_MAX 127u
/* Of a field: three bytes on the wire. */
#define TR_TYPE_NUMBER_MAX 65535u
/* A decoder marks the fields it has seen in a bitmap on the stack. */
#define TR_TYPE_FIELD_COUNT_MAX 256u

/* A struct is one level, an array is one, so an array of structs is two: the containers of
 * MessagePack and JSON are counted alike, and what one of them can hold the others can. */
#define TR_TYPE_DEPTH_MAX 32u

/* Bytes of a block decoded from input. */
#define TR_VALUE_SIZE_MAX ((size_t)64 * 1024 * 1024)

/* Bytes of JSON that people type. */
#define TR_JSON_INPUT_SIZE_MAX ((size_t)1024 * 1024)
/* Bytes of JSON that a state is saved as. */
#define TR_JSON_STATE_SIZE_MAX ((size_t)16 * 1024 * 1024)
/* jsonb gives a text back with spaces, and 1e+39 with all its digits: ten times as long covers
 * both. */
#define TR_JSON_STORED_SIZE_MAX (10 * TR_JSON_STATE_SIZE_MAX)
/* Bytes of JSON written for anybody else; jsonb itself holds less. */
#define TR_JSON_OUTPUT_SIZE_MAX ((size_t)1024 * 1024 * 1024)
/* Characters; cJSON's own buffer has 63. */
#define TR_JSON_NUMBER_SIZE_MAX 62u

/* Integers up to here are exact as double, which is what JSON numbers are to most readers. */
#define TR_JSON_INTEGER_MAX UINT64_C(9007199254740991) /* 2^53 - 1 */

#endif
