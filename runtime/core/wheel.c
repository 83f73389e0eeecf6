#include "core/wheel.h"

#include <stddef.h>

#include "base/check.h"

enum { SLOT_BITS = 6, SLOT_MASK = TR_WHEEL_SLOTS - 1, DUE_PLACE = UINT16_MAX };

#define SPAN_MS(level) (1ull << (SLOT_BITS * (level)))

void tr_wheel_init(struct tr_wheel *wheel, uint64_t now_ms)
{
    *wheel = (struct tr_wheel){.now_ms = now_ms};
}

/* Lists are in the order of arrival: the first entry's `previous` is the last one. */
static void push(struct tr_wheel_entry **list, struct tr_wheel_entry *entry)
{
    struct tr_wheel_entry *first = *list;

    entry->next = NULL;
    if (first == NULL) {
        entry->previous = entry;
        *list = entry;
        return;
    }
    entry->previous = first->previous;
    first->previous->next = entry;
    first->previous = entry;
}

static void unlink_from(struct tr_wheel_entry **list, struct tr_wheel_entry *entry)
{
    if (*list == entry) {
        *list = entry->next;
    } else {
        entry->previous->next = entry->next;
    }
    if (entry->next != NULL) {
        entry->next->previous = entry->previous;
    } else if (*list != NULL) {
        (*list)->previous = entry->previous;
    }
}

/* Puts an entry where its distance from now belongs. */
static void place(struct tr_wheel *wheel, struct tr_wheel_entry *entry)
{
    const uint64_t reach = SPAN_MS(TR_WHEEL_LEVELS) - 1;
    uint64_t at = entry->at_ms;
    unsigned level = 0;

    if (at <= wheel->now_ms) {
        entry->place = DUE_PLACE;
        push(&wheel->due, entry);
        return;
    }
    if (at - wheel->now_ms > reach) {
        at = wheel->now_ms + reach;
    }
    /* The highest group of bits in which `at` differs from now is its level: there its slot lies
     * ahead. */
    while (level + 1 < TR_WHEEL_LEVELS && (at ^ wheel->now_ms) >= SPAN_MS(level + 1)) {
        level++;
    }
    const unsigned slot = (unsigned)(at >> (SLOT_BITS * level)) & SLOT_MASK;

    entry->place = (uint16_t)(level * TR_WHEEL_SLOTS + slot + 1);
    push(&wheel->slots[level][slot], entry);
    wheel->bitmaps[level] |= 1ull << slot;
}

void tr_wheel_start(struct tr_wheel *wheel, struct tr_wheel_entry *entry, uint64_t at_ms)
{
    TR_CHECK(entry->place == 0);
    entry->at_ms = at_ms;
    place(wheel, entry);
    wheel->count++;
}

bool tr_wheel_cancel(struct tr_wheel *wheel, struct tr_wheel_entry *entry)
{
    if (entry->place == 0) {
        return false;
    }
    if (entry->place == DUE_PLACE) {
        unlink_from(&wheel->due, entry);
    } else {
        const unsigned level = (entry->place - 1u) / TR_WHEEL_SLOTS;
        const unsigned slot = (entry->place - 1u) % TR_WHEEL_SLOTS;

        unlink_from(&wheel->slots[level][slot], entry);
        if (wheel->slots[level][slot] == NULL) {
            wheel->bitmaps[level] &= ~(1ull << slot);
        }
    }
    entry->place = 0;
    wheel->count--;
    return true;
}

/* Empties one slot: its entries run out or come down. */
static void cascade(struct tr_wheel *wheel, unsigned level, unsigned slot)
{
    struct tr_wheel_entry *entry = wheel->slots[level][slot];

    wheel->slots[level][slot] = NULL;
    wheel->bitmaps[level] &= ~(1ull << slot);
    while (entry != NULL) {
        struct tr_wheel_entry *next = entry->next;

        place(wheel, entry);
        entry = next;
    }
}

/* The next time, after now, at which some slot's turn comes. */
static uint64_t next_turn(const struct tr_wheel *wheel)
{
    uint64_t next = UINT64_MAX;

    for (unsigned level = 0; level < TR_WHEEL_LEVELS; level++) {
        const unsigned shift = SLOT_BITS * level;
        const unsigned slot = (unsigned)(wheel->now_ms >> shift) & SLOT_MASK;
        /* Slots up to the present one are empty: place() puts entries only ahead of it. */
        const uint64_t ahead =
            slot == SLOT_MASK ? 0 : wheel->bitmaps[level] & (UINT64_MAX << (slot + 1));

        /* On the top level the slots behind are those of the next turn of the wheel. */
        const uint64_t behind = level + 1 == TR_WHEEL_LEVELS ? wheel->bitmaps[level] & ~ahead : 0;
        const uint64_t base = wheel->now_ms >> shift >> SLOT_BITS;
        uint64_t turn = UINT64_MAX;

        if (ahead != 0) {
            turn = ((base << SLOT_BITS) + (unsigned)__builtin_ctzll(ahead)) << shift;
        } else if (behind != 0) {
            turn = (((base + 1) << SLOT_BITS) + (unsigned)__builtin_ctzll(behind)) << shift;
        }
        if (turn < next) {
            next = turn;
        }
    }
    return next;
}

/* Moves on to the first time at which something runs out, or to now_ms: so a late look gives what
 * ran out in the order of its time. */
static void advance(struct tr_wheel *wheel, uint64_t now_ms)
{
    while (wheel->count > 0 && wheel->due == NULL) {
        const uint64_t turn = next_turn(wheel);

        if (turn > now_ms) {
            break;
        }
        wheel->now_ms = turn;
        for (unsigned level = TR_WHEEL_LEVELS; level-- > 0;) {
            if ((turn & (SPAN_MS(level) - 1)) == 0) {
                cascade(wheel, level, (unsigned)(turn >> (SLOT_BITS * level)) & SLOT_MASK);
            }
        }
    }
    if (wheel->due == NULL && now_ms > wheel->now_ms) {
        wheel->now_ms = now_ms;
    }
}

struct tr_wheel_entry *tr_wheel_expired(struct tr_wheel *wheel, uint64_t now_ms)
{
    if (wheel->due == NULL) {
        advance(wheel, now_ms);
    }
    struct tr_wheel_entry *entry = wheel->due;

    if (entry != NULL) {
        unlink_from(&wheel->due, entry);
        entry->place = 0;
        wheel->count--;
    }
    return entry;
}

uint64_t tr_wheel_next_ms(const struct tr_wheel *wheel)
{
    return wheel->due != NULL ? wheel->now_ms : next_turn(wheel);
}
