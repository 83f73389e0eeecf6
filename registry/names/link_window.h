/* names/link_window.h - link rows that wait to be written, where an add and a remove cancel.
 *
 *     put(row, add) ... count() >= limit or the window is over -> take(rows, max) -> written
 *
 * The window holds for each link what has still to be done to the table, at most one thing: to add
 * it or to remove it. The ends of a link are put in canonical order first, since a link has no
 * direction; those of a monitor are not.
 *
 * Threads: the owner's. Memory: freed by fini; bounded by REG_LINK_WINDOW_MAX rows.
 */
#ifndef REG_NAMES_LINK_WINDOW_H
#define REG_NAMES_LINK_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dist/names.h"
#include "troupe/status.h"

/* While the database is away rows gather here: 256 Ki rows of 64 bytes and their index, 20 MiB. */
enum { REG_LINK_WINDOW_MAX = 256 * 1024 };

struct reg_link_change {
    struct tr_link_row row; /* in canonical order */
    bool add;
};

struct reg_link_entry;

struct reg_link_window {
    struct reg_link_entry *entries; /* a ring in order of arrival; dead ones are skipped */
    size_t *buckets;                /* heads of chains: index into entries + 1; 0 = empty */
    size_t capacity;                /* of both */
    size_t used;                    /* entries made, dead ones included */
    size_t first;                   /* the oldest that was not taken */
    size_t count;                   /* live ones */
    uint64_t cancelled;
};

void reg_link_window_init(struct reg_link_window *window);
void reg_link_window_fini(struct reg_link_window *window);

/* Notes that the row is to be added or removed. TROUPE_E_LIMIT, TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status reg_link_window_put(struct reg_link_window *window,
                                                  const struct tr_link_row *row, bool add);

static inline size_t reg_link_window_count(const struct reg_link_window *window)
{
    return window->count;
}

/* Moves up to max changes out, oldest first, and answers how many. */
size_t reg_link_window_take(struct reg_link_window *window, struct reg_link_change *out,
                            size_t max);

#endif
