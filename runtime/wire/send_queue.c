#include "wire/send_queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/bugs.h"
#include "base/check.h"

enum {
    /* Records of each size kept for reuse: a whole queue of 64 MiB, since fresh memory costs more
     * than copying into it (2 us a page on some machines). Trimmed when the session is quiet. */
    SPARE_MAX = 1024
};

struct tr_large {
    struct tr_large *next;          /* in `waiting` or among the followers of another */
    struct tr_large_list followers; /* of the same order, pushed later */
    uint32_t order;
    uint64_t after; /* the record that was the last when this one was pushed: it goes first */
    size_t size;
    struct tr_record *pieces; /* to be sent; NULL for a message that is whole, see bytes */
    uint8_t bytes[];          /* of one that is whole: goes into a record once it may */
};

/* ---- lists ---- */

static void list_init(struct tr_large_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static void list_append(struct tr_large_list *list, struct tr_large *large)
{
    large->next = NULL;
    *list->last = large;
    list->last = &large->next;
}

static struct tr_large *list_pop(struct tr_large_list *list)
{
    struct tr_large *large = list->first;

    if (large != NULL) {
        list->first = large->next;
        if (list->first == NULL) {
            list->last = &list->first;
        }
    }
    return large;
}

/* Moves everything of `from` to the end of the list. */
static void list_take(struct tr_large_list *list, struct tr_large_list *from)
{
    if (from->first != NULL) {
        *list->last = from->first;
        list->last = from->last;
        list_init(from);
    }
}

void tr_large_destroy(struct tr_large *large)
{
    if (large != NULL) {
        tr_record_destroy_all(large->pieces);
        free(large);
    }
}

/* Followers have none of their own, so one level is put at the end of the list and freed with it.
 */
static void list_free(struct tr_large_list *list)
{
    for (struct tr_large *large = list_pop(list); large != NULL; large = list_pop(list)) {
        list_take(list, &large->followers);
        tr_large_destroy(large);
    }
}

static struct tr_large *large_alloc(size_t size, size_t bytes_size)
{
    struct tr_large *large = malloc(sizeof(*large) + bytes_size);

    if (large != NULL) {
        *large = (struct tr_large){.size = size};
        list_init(&large->followers);
    }
    return large;
}

/* Where a copy stands within the parts of a message. */
struct cursor {
    const struct tr_slice *parts;
    size_t part;
    size_t at; /* within the part */
};

static void cursor_copy(struct cursor *cursor, uint8_t *to, size_t size)
{
    while (size > 0) {
        const struct tr_slice *part = &cursor->parts[cursor->part];
        const size_t left = part->size - cursor->at;
        const size_t now = left < size ? left : size;

        if (now > 0) {
            memcpy(to, part->bytes + cursor->at, now);
        }
        to += now;
        size -= now;
        cursor->at += now;
        if (cursor->at == part->size) {
            cursor->part++;
            cursor->at = 0;
        }
    }
}

troupe_status tr_parts_size(const struct tr_slice *parts, size_t count, size_t *size)
{
    size_t total = 0;

    for (size_t index = 0; index < count; index++) {
        if (parts[index].size > TR_MESSAGE_SIZE_MAX - total) {
            return TROUPE_E_LIMIT;
        }
        total += parts[index].size;
    }
    *size = total;
    return TROUPE_OK;
}

static size_t pieces_of(size_t size)
{
    return (size + TR_FRAGMENT_SIZE - 1) / TR_FRAGMENT_SIZE;
}

/* Fills one record with the next piece. The stream is not known yet. */
static void piece_fill(struct tr_record *record, struct cursor *cursor, size_t total, size_t done)
{
    const size_t left = total - done;
    const size_t size = left < TR_FRAGMENT_SIZE ? left : TR_FRAGMENT_SIZE;
    unsigned flags = 0;

    flags |= done == 0 ? (unsigned)TR_FRAGMENT_FIRST : 0U;
    flags |= left == size ? (unsigned)TR_FRAGMENT_LAST : 0U;
    cursor_copy(cursor, tr_record_fragment(record, (uint32_t)size, (uint32_t)total, (uint8_t)flags),
                size);
}

troupe_status tr_large_create(struct tr_record *spares, const struct tr_slice *parts, size_t count,
                              size_t size, struct tr_large **out)
{
    struct tr_large *large = large_alloc(size, 0);
    struct tr_record **last = large == NULL ? NULL : &large->pieces;
    struct cursor cursor = {.parts = parts};

    (void)count;
    for (size_t done = 0; large != NULL && done < size; done += TR_FRAGMENT_SIZE) {
        struct tr_record *record = spares;

        if (record != NULL) {
            spares = record->next;
            tr_record_reset(record);
        } else {
            record = tr_record_create(true);
        }
        if (record == NULL) {
            tr_large_destroy(large);
            large = NULL;
            break;
        }
        piece_fill(record, &cursor, size, done);
        *last = record;
        last = &record->next;
    }
    tr_record_destroy_all(spares);
    if (large == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    *out = large;
    return TROUPE_OK;
}

/* ---- records ---- */

static struct tr_record *record_get(struct tr_send_queue *queue, bool large)
{
    struct tr_record *record = queue->spare[large];

    if (record == NULL) {
        return tr_record_create(large);
    }
    queue->spare[large] = record->next;
    queue->spare_count[large]--;
    tr_record_reset(record);
    return record;
}

void tr_send_queue_recycle(struct tr_send_queue *queue, struct tr_record *first)
{
    while (first != NULL) {
        struct tr_record *next = first->next;
        const bool large = tr_record_is_large(first);

        if (queue->spare_count[large] < SPARE_MAX) {
            first->next = queue->spare[large];
            queue->spare[large] = first;
            queue->spare_count[large]++;
        } else {
            free(first);
        }
        first = next;
    }
}

void tr_send_queue_trim(struct tr_send_queue *queue)
{
    for (size_t index = 0; index < 2; index++) {
        tr_record_destroy_all(queue->spare[index]);
        queue->spare[index] = NULL;
        queue->spare_count[index] = 0;
    }
}

struct tr_record *tr_send_queue_grab(struct tr_send_queue *queue, size_t size)
{
    struct tr_record *grabbed = NULL;

    for (size_t count = pieces_of(size); count > 0 && queue->spare[1] != NULL; count--) {
        struct tr_record *record = queue->spare[1];

        queue->spare[1] = record->next;
        queue->spare_count[1]--;
        record->next = grabbed;
        grabbed = record;
    }
    return grabbed;
}

/* Finds or makes a record at the end of the queue that a message of this size fits in. */
static struct tr_record *record_for(struct tr_send_queue *queue, size_t size)
{
    struct tr_record *record = queue->last;
    bool large = false;

    if (record != NULL && tr_record_fits(record, size)) {
        return record;
    }
    /* The first record of a quiet queue is a small one; once it is full there is a batch. */
    large = record != NULL || size > TR_RECORD_SMALL_SIZE - TR_RECORD_PREFIX_SIZE -
                                         TR_SEGMENT_HEAD_SIZE - TR_FRAME_TAG_SIZE;
    record = record_get(queue, large);
    if (record == NULL) {
        return NULL;
    }
    if (queue->last == NULL) {
        queue->first = record;
    } else {
        queue->last->next = record;
    }
    queue->last = record;
    record->sequence = ++queue->records;
    return record;
}

static troupe_status push_whole(struct tr_send_queue *queue, const struct tr_slice *parts,
                                size_t count, size_t size)
{
    struct tr_record *record = record_for(queue, size);

    if (record == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    tr_record_put(record, parts, count, size);
    return TROUPE_OK;
}

/* ---- large messages ---- */

/* The large message of this order that is not through yet, or NULL. A message of its order has to
 * wait behind it. */
static struct tr_large *large_of(const struct tr_send_queue *queue, uint32_t order)
{
    if (TR_BUG(OVERTAKES_LARGE)) {
        return NULL;
    }
    for (size_t stream = 0; stream < TR_FRAGMENT_STREAMS_MAX; stream++) {
        if (queue->active[stream] != NULL && queue->active[stream]->order == order) {
            return queue->active[stream];
        }
    }
    for (struct tr_large *large = queue->waiting.first; large != NULL; large = large->next) {
        if (large->order == order) {
            return large;
        }
    }
    return NULL;
}

/* Begins with the next waiting large message if a stream is free and the other side has memory. */
static void large_activate(struct tr_send_queue *queue)
{
    for (size_t stream = 0; stream < TR_FRAGMENT_STREAMS_MAX; stream++) {
        const struct tr_large *next = queue->waiting.first;

        if (next == NULL || queue->active_bytes + next->size > TR_REASSEMBLY_BYTES_MAX) {
            return;
        }
        if (queue->active[stream] == NULL) {
            queue->active[stream] = list_pop(&queue->waiting);
            queue->active_count++;
            queue->active_bytes += queue->active[stream]->size;
        }
    }
}

/* Lets what waited behind a finished message go: whole ones into records, up to the next large one,
 * which takes over those behind it. Answers false without memory; then the rest waits on. */
static bool followers_release(struct tr_send_queue *queue, struct tr_large *finished)
{
    while (finished->followers.first != NULL) {
        struct tr_large *follower = finished->followers.first;

        if (follower->pieces != NULL) {
            (void)list_pop(&finished->followers);
            list_take(&follower->followers, &finished->followers);
            follower->after = queue->records;
            list_append(&queue->waiting, follower);
            return true;
        }
        if (push_whole(queue, &(struct tr_slice){follower->bytes, follower->size}, 1,
                       follower->size) != TROUPE_OK) {
            return false;
        }
        (void)list_pop(&finished->followers);
        free(follower);
    }
    return true;
}

/* Retires the large message of a stream when its last piece is out. */
static void stream_finish(struct tr_send_queue *queue, size_t stream)
{
    struct tr_large *large = queue->active[stream];

    if (large->pieces == NULL && followers_release(queue, large)) {
        queue->active[stream] = NULL;
        queue->active_count--;
        queue->active_bytes -= large->size;
        tr_large_destroy(large);
        large_activate(queue);
    }
}

/* A large message may go once the records are out that were there before it: they may hold messages
 * of its order. */
static bool large_may_go(const struct tr_send_queue *queue, const struct tr_large *large)
{
    return queue->first == NULL || queue->first->sequence > large->after;
}

/* Finds the stream whose turn it is. False when none may go yet. */
static bool next_stream(struct tr_send_queue *queue)
{
    for (size_t tries = 0; tries < TR_FRAGMENT_STREAMS_MAX; tries++) {
        const struct tr_large *large = queue->active[queue->turn];

        if (large != NULL && large_may_go(queue, large)) {
            return true;
        }
        queue->turn = (queue->turn + 1) % TR_FRAGMENT_STREAMS_MAX;
    }
    return false;
}

/* Gives the next piece of the large message of the stream `turn`. NULL when it is through, and only
 * its followers could not go for want of memory: they have been tried again. */
static struct tr_record *take_piece(struct tr_send_queue *queue)
{
    struct tr_large *large = queue->active[queue->turn];
    struct tr_record *record = large->pieces;

    if (record != NULL) {
        large->pieces = record->next;
        record->next = NULL;
        tr_record_set_stream(record, (uint8_t)queue->turn);
        const size_t gone = record->size - TR_RECORD_PREFIX_SIZE - TR_FRAGMENT_HEAD_SIZE +
                            (large->pieces == NULL ? (size_t)TR_SEGMENT_HEAD_SIZE : 0);

        queue->bytes -= gone;
        queue->bytes_large -= gone;
    }
    stream_finish(queue, queue->turn);
    queue->turn = (queue->turn + 1) % TR_FRAGMENT_STREAMS_MAX;
    return record;
}

/* ---- the interface ---- */

void tr_send_queue_init(struct tr_send_queue *queue, size_t bytes_low, size_t bytes_high,
                        size_t bytes_max)
{
    TR_CHECK(bytes_low <= bytes_high && bytes_high <= bytes_max);
    *queue = (struct tr_send_queue){
        .bytes_max = bytes_max, .bytes_high = bytes_high, .bytes_low = bytes_low};
    list_init(&queue->waiting);
}

void tr_send_queue_fini(struct tr_send_queue *queue)
{
    tr_send_queue_clear(queue);
    tr_send_queue_trim(queue);
}

bool tr_send_queue_is_crowded(const struct tr_send_queue *queue, size_t size)
{
    return size > TR_SEGMENT_SIZE_MAX ? queue->crowded : queue->crowded_small;
}

troupe_status tr_send_queue_admit(const struct tr_send_queue *queue, size_t size,
                                  enum tr_send_patience patience)
{
    /* One of the largest messages is as much as may wait, and small ones pass it. */
    const size_t waiting =
        size > TR_SEGMENT_SIZE_MAX ? queue->bytes : queue->bytes - queue->bytes_large;

    if (size > TR_MESSAGE_SIZE_MAX) {
        return TROUPE_E_LIMIT;
    }
    if (patience == TR_SEND_TOLD && tr_send_queue_is_crowded(queue, size)) {
        return TROUPE_E_BUSY;
    }
    if (waiting < queue->bytes_max) {
        return TROUPE_OK;
    }
    if (patience != TR_SEND_SYSTEM) {
        return TROUPE_E_BUSY;
    }
    return waiting - queue->bytes_max < TR_SEND_RESERVE_BYTES ? TROUPE_OK : TROUPE_E_LIMIT;
}

static void bytes_add(struct tr_send_queue *queue, size_t bytes)
{
    queue->bytes += bytes;
    queue->crowded = queue->crowded || queue->bytes >= queue->bytes_high;
    queue->crowded_small =
        queue->crowded_small || queue->bytes - queue->bytes_large >= queue->bytes_high;
}

/* Keeps a whole message until the large one before it is through. */
static troupe_status push_behind(struct tr_large *behind, uint32_t order,
                                 const struct tr_slice *parts, size_t size)
{
    struct tr_large *follower = large_alloc(size, size);
    struct cursor cursor = {.parts = parts};

    if (follower == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    follower->order = order;
    cursor_copy(&cursor, follower->bytes, size);
    list_append(&behind->followers, follower);
    return TROUPE_OK;
}

troupe_status tr_send_queue_push(struct tr_send_queue *queue, uint32_t order,
                                 const struct tr_slice *parts, size_t count, size_t size)
{
    struct tr_large *behind = queue->active_count > 0 ? large_of(queue, order) : NULL;
    troupe_status status = TROUPE_OK;

    TR_CHECK(size <= TR_SEGMENT_SIZE_MAX);
    status = behind != NULL ? push_behind(behind, order, parts, size)
                            : push_whole(queue, parts, count, size);
    if (status == TROUPE_OK) {
        bytes_add(queue, size + TR_SEGMENT_HEAD_SIZE);
    }
    return status;
}

void tr_send_queue_push_large(struct tr_send_queue *queue, uint32_t order, struct tr_large *large)
{
    struct tr_large *behind = queue->active_count > 0 ? large_of(queue, order) : NULL;

    large->order = order;
    queue->bytes_large += large->size + TR_SEGMENT_HEAD_SIZE;
    bytes_add(queue, large->size + TR_SEGMENT_HEAD_SIZE);
    if (behind != NULL) {
        list_append(&behind->followers, large);
        return;
    }
    large->after = queue->records;
    list_append(&queue->waiting, large);
    large_activate(queue);
}

static struct tr_record *take(struct tr_send_queue *queue)
{
    struct tr_record *record = queue->first;

    if (queue->active_count > 0 && (queue->piece_next || record == NULL) && next_stream(queue)) {
        queue->piece_next = false;
        return take_piece(queue);
    }
    queue->piece_next = true;
    if (record == NULL) {
        return NULL;
    }
    queue->first = record->next;
    if (queue->first == NULL) {
        queue->last = NULL;
    }
    record->next = NULL;
    queue->bytes -= record->size - TR_RECORD_PREFIX_SIZE;
    return record;
}

struct tr_record *tr_send_queue_take(struct tr_send_queue *queue)
{
    struct tr_record *record = take(queue);

    queue->crowded = queue->crowded && queue->bytes > queue->bytes_low;
    queue->crowded_small =
        queue->crowded_small && queue->bytes - queue->bytes_large > queue->bytes_low;
    return record;
}

bool tr_send_queue_is_empty(const struct tr_send_queue *queue)
{
    return queue->first == NULL && queue->active_count == 0;
}

void tr_send_queue_clear(struct tr_send_queue *queue)
{
    tr_record_destroy_all(queue->first);
    queue->first = NULL;
    queue->last = NULL;
    for (size_t stream = 0; stream < TR_FRAGMENT_STREAMS_MAX; stream++) {
        if (queue->active[stream] != NULL) {
            list_append(&queue->waiting, queue->active[stream]);
            queue->active[stream] = NULL;
        }
    }
    list_free(&queue->waiting);
    queue->active_count = 0;
    queue->active_bytes = 0;
    queue->bytes = 0;
    queue->bytes_large = 0;
    queue->crowded = false;
    queue->crowded_small = false;
    queue->piece_next = false;
}
