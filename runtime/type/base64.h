/* type/base64.h - base64 as of RFC 4648: the standard alphabet, padded, no line breaks. */
#ifndef TR_TYPE_BASE64_H
#define TR_TYPE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters that size bytes become. */
#define TR_BASE64_SIZE(size) (((size) + 2u) / 3u * 4u)

/* Writes TR_BASE64_SIZE(size) characters, no NUL. */
void tr_base64_encode(const uint8_t *data, size_t size, char *text);

/* Checks text and answers through *size how many bytes it stands for. Only the one canonical text
 * of some bytes is valid: full padding, no spaces, no bits left over. */
bool tr_base64_decoded_size(const char *text, size_t text_size, size_t *size);

/* Decodes what tr_base64_decoded_size accepted into as many bytes as it answered. */
void tr_base64_decode(const char *text, size_t text_size, uint8_t *data);

#endif
