/* core/wheel.h - when things run out: a hierarchical timing wheel with a bitmap per level.
 *
 * Start and cancel cost the same whatever the number of entries (Varghese and Lauck 1987). Six
 * levels of 64 slots with a tick of one millisecond reach two years; what is later waits there and
 * is looked at again. Entries run out in the order of their times, those of one time in the order
 * in which they were started.
 *
 *     tr_wheel_start(&wheel, &entry, now_ms + 50);  ...  tr_wheel_cancel(&wheel, &entry);
 *     while ((entry = tr_wheel_expired(&wheel, now_ms)) != NULL) ...
 *
 * Threads: the owner's lock. Memory: entries are the caller's and lie in its structs.
 */
#ifndef TR_CORE_WHEEL_H
#define TR_CORE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

enum { TR_WHEEL_LEVELS = 6, TR_WHEEL_SLOTS = 64 };

struct tr_wheel_entry {
    struct tr_wheel_entry *next;
    struct tr_wheel_entry *previous; /* of the first of a list: the last */
    uint64_t at_ms;                  /* when it runs out */
    uint16_t place;                  /* level * 64 + slot, plus one; 0: not waiting */
};

struct tr_wheel {
    uint64_t now_ms; /* everything before it has been given out */
    uint64_t bitmaps[TR_WHEEL_LEVELS];
    struct tr_wheel_entry *slots[TR_WHEEL_LEVELS][TR_WHEEL_SLOTS];
    struct tr_wheel_entry *due; /* ran out, not given out yet */
    uint64_t count;             /* entries waiting, due ones included */
};

void tr_wheel_init(struct tr_wheel *wheel, uint64_t now_ms);

/* at_ms in the past runs out at the next look. The entry must not be waiting. */
void tr_wheel_start(struct tr_wheel *wheel, struct tr_wheel_entry *entry, uint64_t at_ms);

/* Answers whether it was waiting. */
bool tr_wheel_cancel(struct tr_wheel *wheel, struct tr_wheel_entry *entry);

/* Moves the wheel on and gives the next entry that has run out, or NULL. */
struct tr_wheel_entry *tr_wheel_expired(struct tr_wheel *wheel, uint64_t now_ms);

/* When to look again: not later than the first entry runs out, UINT64_MAX when there is none. It
 * may be earlier, when far entries have to come down a level. */
uint64_t tr_wheel_next_ms(const struct tr_wheel *wheel);

#endif
