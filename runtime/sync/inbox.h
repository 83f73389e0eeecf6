/* sync/inbox.h - the lock-free front of a mailbox: many pushers, one taker, one word.
 *
 * The word holds a pointer to the newest item and, beside it, how many counted items have been
 * pushed since the last take; or one of three marks. Pushers put their item in front (one
 * compare-and-swap), the taker takes all at once and turns the list round.
 *
 *     push -> TR_INBOX_WAKE   the box was idle: the pusher, and nobody else, schedules the owner
 *     take -> newest first, or NULL;   park -> idle, or false because something came
 *
 * Threads: push from any; take, park and close only by the owner.
 * Memory: items are the caller's; they are aligned to 16 bytes and lie below 2^48.
 */
#ifndef TR_SYNC_INBOX_H
#define TR_SYNC_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/atomic.h"

/* The first member of whatever is pushed. */
struct tr_inbox_item {
    struct tr_inbox_item *next;
};

struct tr_inbox {
    struct tr_atomic_u64 word;
};

enum tr_inbox_answer { TR_INBOX_QUEUED, TR_INBOX_WAKE, TR_INBOX_FULL, TR_INBOX_CLOSED };

/* Counted items in one box before a take, at most: what fits beside the pointer. */
#define TR_INBOX_COUNT_MAX 0xfffffu

/* The marks: words without a pointer. */
#define TR_INBOX_EMPTY 0u /* the owner is scheduled or runs */
#define TR_INBOX_IDLE 1u  /* the owner sleeps */
#define TR_INBOX_CLOSED_MARK 2u

#define TR_INBOX_POINTER_SHIFT 16
#define TR_INBOX_COUNT_MASK 0xfffffu

static inline struct tr_inbox_item *tr_inbox_item_of(uint64_t word)
{
    return (struct tr_inbox_item *)(uintptr_t)((word & ~(uint64_t)TR_INBOX_COUNT_MASK) >>
                                               TR_INBOX_POINTER_SHIFT);
}

static inline uint32_t tr_inbox_count_of(uint64_t word)
{
    return word <= TR_INBOX_CLOSED_MARK ? 0 : (uint32_t)(word & TR_INBOX_COUNT_MASK);
}

/* Pushes. counted items are refused when `waiting` (what the owner has taken but not handled) and
 * those in the box reach limit; others are never refused for that. */
static inline enum tr_inbox_answer tr_inbox_push(struct tr_inbox *inbox, struct tr_inbox_item *item,
                                                 bool counted, uint32_t waiting, uint32_t limit)
{
    uint64_t word = tr_load_acquire(&inbox->word);

    for (;;) {
        if (word == TR_INBOX_CLOSED_MARK) {
            return TR_INBOX_CLOSED;
        }
        const uint32_t count = tr_inbox_count_of(word);

        if (counted && (waiting + count >= limit || count == TR_INBOX_COUNT_MAX)) {
            return TR_INBOX_FULL;
        }
        item->next = tr_inbox_item_of(word);
        const uint64_t next =
            (uint64_t)(uintptr_t)item << TR_INBOX_POINTER_SHIFT | (counted ? count + 1 : count);

        /* Releases the item's content to the take that acquires it; acquires what a park released.
         */
        if (tr_compare_exchange(&inbox->word, &word, next)) {
            return word == TR_INBOX_IDLE ? TR_INBOX_WAKE : TR_INBOX_QUEUED;
        }
    }
}

/* Whether there is nothing to take. Only the owner's question: others push at any moment. */
static inline bool tr_inbox_is_empty(const struct tr_inbox *inbox)
{
    return tr_load_relaxed(&inbox->word) == TR_INBOX_EMPTY;
}

/* Takes everything, oldest first; *count is how many of them were counted. Leaves the box empty,
 * not idle. */
static inline struct tr_inbox_item *tr_inbox_take(struct tr_inbox *inbox, uint32_t *count)
{
    struct tr_inbox_item *oldest = NULL;

    *count = 0;
    if (tr_inbox_is_empty(inbox)) {
        return NULL;
    }
    const uint64_t word = tr_exchange(&inbox->word, TR_INBOX_EMPTY);
    struct tr_inbox_item *item = tr_inbox_item_of(word);

    *count = tr_inbox_count_of(word);
    while (item != NULL) {
        struct tr_inbox_item *next = item->next;

        item->next = oldest;
        oldest = item;
        item = next;
    }
    return oldest;
}

/* Whether the owner has closed it. Who was told of that by a message sees it. */
static inline bool tr_inbox_is_closed(const struct tr_inbox *inbox)
{
    return tr_load_acquire(&inbox->word) == TR_INBOX_CLOSED_MARK;
}

/* How many counted items are in the box now. */
static inline uint32_t tr_inbox_count(const struct tr_inbox *inbox)
{
    return tr_inbox_count_of(tr_load_relaxed(&inbox->word));
}

/* Marks the box idle and answers true, or answers false because something was pushed. After true
 * the owner must not touch what the box belongs to: another thread may run it already. */
static inline bool tr_inbox_park(struct tr_inbox *inbox)
{
    uint64_t expected = TR_INBOX_EMPTY;

    while (!tr_compare_exchange(&inbox->word, &expected, TR_INBOX_IDLE)) {
        if (expected != TR_INBOX_EMPTY) {
            return false;
        }
    }
    return true;
}

/* Opens a box that nobody pushes to yet: empty, its owner runs. */
static inline void tr_inbox_open(struct tr_inbox *inbox)
{
    tr_store_release(&inbox->word, TR_INBOX_EMPTY);
}

/* Closes the box and answers what was in it, newest first. */
static inline struct tr_inbox_item *tr_inbox_close(struct tr_inbox *inbox)
{
    return tr_inbox_item_of(tr_exchange(&inbox->word, TR_INBOX_CLOSED_MARK));
}

#endif
