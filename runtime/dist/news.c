#include "dist/news.h"

#include <stdlib.h>
#include <string.h>

#include "base/be.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/utf8.h"

/* kind, flags, actors; then, when full: count, behaviors */
enum { HEAD_SIZE = 1 + 1 + 8, FULL_SIZE = 2, NAME_SIZE_MAX = 127 };

enum { DRAINING = 1, FULL = 2, TRUNCATED = 4 };

static size_t name_size(const char *name)
{
    return strnlen(name, NAME_SIZE_MAX);
}

static size_t size_of(const struct tr_news *news, const char *const *behaviors)
{
    size_t size = HEAD_SIZE;

    if (news->full) {
        size += FULL_SIZE;
        for (uint32_t i = 0; i < news->behaviors_count; i++) {
            size += 1 + name_size(behaviors[i]);
        }
    }
    return size;
}

static uint8_t *put_text(uint8_t *at, const char *text, size_t size)
{
    *at = (uint8_t)size;
    if (size > 0) {
        memcpy(at + 1, text, size);
    }
    return at + 1 + size;
}

uint8_t *tr_news_encode(const struct tr_news *news, const char *const *behaviors, size_t *size)
{
    const size_t bytes_size = size_of(news, behaviors);
    uint8_t *bytes = malloc(bytes_size);
    uint8_t *at = bytes;

    if (bytes == NULL) {
        return NULL;
    }
    at[0] = TR_PACKET_NEWS;
    at[1] = (uint8_t)((news->draining ? DRAINING : 0) | (news->full ? FULL : 0) |
                      (news->truncated ? TRUNCATED : 0));
    tr_be64_put(at + 2, news->actors);
    at += HEAD_SIZE;
    if (news->full) {
        tr_be16_put(at, (uint16_t)news->behaviors_count);
        at += FULL_SIZE;
        for (uint32_t i = 0; i < news->behaviors_count; i++) {
            at = put_text(at, behaviors[i], name_size(behaviors[i]));
        }
    }
    *size = bytes_size;
    return bytes;
}

static bool is_text(const uint8_t *bytes, size_t size)
{
    return size == 0 || (tr_utf8_is_valid(bytes, size) && memchr(bytes, '\0', size) == NULL);
}

/* Whether the names of the behaviors are whole. */
static bool check_behaviors(const struct tr_news *news)
{
    size_t at = 0;

    for (uint32_t i = 0; i < news->behaviors_count; i++) {
        const size_t left = news->behaviors_size - at;
        const size_t size = left == 0 ? 0 : news->behaviors[at];

        if (size == 0 || size > NAME_SIZE_MAX || size >= left ||
            !is_text(news->behaviors + at + 1, size)) {
            return false;
        }
        at += 1 + size;
    }
    return at == news->behaviors_size;
}

static bool get_full(const uint8_t *bytes, size_t size, struct tr_news *news)
{
    if (size < FULL_SIZE) {
        return false;
    }
    news->behaviors_count = tr_be16_get(bytes);
    news->behaviors = bytes + FULL_SIZE;
    news->behaviors_size = size - FULL_SIZE;
    return news->behaviors_count <= TR_NEWS_BEHAVIORS_MAX && check_behaviors(news);
}

troupe_status tr_news_decode(const uint8_t *bytes, size_t size, struct tr_news *out)
{
    if (size < HEAD_SIZE || bytes[0] != TR_PACKET_NEWS) {
        return TROUPE_E_PROTOCOL;
    }
    struct tr_news news = {.draining = (bytes[1] & DRAINING) != 0,
                           .full = (bytes[1] & FULL) != 0,
                           .truncated = (bytes[1] & TRUNCATED) != 0,
                           .actors = (uint64_t)tr_be64_get(bytes + 2)};

    if (news.full ? !get_full(bytes + HEAD_SIZE, size - HEAD_SIZE, &news) : size != HEAD_SIZE) {
        return TROUPE_E_PROTOCOL;
    }
    *out = news;
    return TROUPE_OK;
}

uint64_t tr_news_behavior(const struct tr_news *news, size_t *at)
{
    char name[NAME_SIZE_MAX + 1];

    if (*at >= news->behaviors_size) {
        return 0;
    }
    const size_t size = news->behaviors[*at];

    memcpy(name, news->behaviors + *at + 1, size);
    name[size] = '\0';
    *at += 1 + size;
    return tr_hash_text(name);
}
