#include "wire/send_queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum {
    SPARE_MAX = 32 /* records of each size: 2.3 MiB, more than a busy loopback session cycles */
};

struct tr_large {
    struct tr_large *next;          /* in `waiting` or among the followers of another */
    struct tr_large_list followers; /* of the same order, pushed later */
    uint32_t order;
    uint64_t after; /* the record that was the last when this one was pushed: it goes first */
    bool is_whole;  /* not above TR_SEGMENT_SIZE_MAX: goes into a record once it may */
    size_t size;
    size_t sent;
    uint8_t bytes[];
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

/* Followers have none of their own, so this frees one level below each. */
static void list_free(struct tr_large_list *list)
{
    for (struct tr_large *large = list_pop(list); large != NULL; large = list_pop(list)) {
        list_take(list, &large->followers);
        free(large);
    }
}

static struct tr_large *large_create(uint32_t order, const struct tr_slice *parts, size_t count,
                                     size_t size)
{
    struct tr_large *large = malloc(sizeof(*large) + size);
    size_t at = 0;

    if (large == NULL) {
        return NULL;
    }
    list_init(&large->followers);
    large->next = NULL;
    large->order = order;
    large->after = 0;
    large->is_whole = size <= TR_SEGMENT_SIZE_MAX;
    large->size = size;
    large->sent = 0;
    for (size_t index = 0; index < count; index++) {
        if (parts[index].size > 0) {
            memcpy(large->bytes + at, parts[index].bytes, parts[index].size);
            at += parts[index].size;
        }
    }
    return large;
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

        if (!follower->is_whole) {
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

    if (large->sent == large->size && followers_release(queue, large)) {
        queue->active[stream] = NULL;
        queue->active_count--;
        queue->active_bytes -= large->size;
        free(large);
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

/* Puts the next piece of the large message of the stream `turn` into a record of its own. */
static struct tr_record *take_piece(struct tr_send_queue *queue)
{
    struct tr_large *large = queue->active[queue->turn];
    const size_t left = large->size - large->sent;
    const size_t size = left < TR_FRAGMENT_SIZE ? left : TR_FRAGMENT_SIZE;
    struct tr_record *record = NULL;
    unsigned flags = 0;

    if (left > 0) { /* else its followers could not go for want of memory, and may now */
        record = record_get(queue, true);
        if (record == NULL) {
            return NULL;
        }
        flags |= large->sent == 0 ? (unsigned)TR_FRAGMENT_FIRST : 0U;
        flags |= left == size ? (unsigned)TR_FRAGMENT_LAST : 0U;
        tr_record_put_fragment(record, &(struct tr_fragment){
                                           .bytes = large->bytes + large->sent,
                                           .size = (uint32_t)size,
                                           .total = (uint32_t)large->size,
                                           .stream = (uint8_t)queue->turn,
                                           .flags = (uint8_t)flags,
                                       });
        large->sent += size;
        queue->bytes -= size + (left == size ? (size_t)TR_SEGMENT_HEAD_SIZE : 0);
    }
    stream_finish(queue, queue->turn);
    queue->turn = (queue->turn + 1) % TR_FRAGMENT_STREAMS_MAX;
    return record;
}

/* ---- the interface ---- */

void tr_send_queue_init(struct tr_send_queue *queue, size_t bytes_max)
{
    *queue = (struct tr_send_queue){.bytes_max = bytes_max};
    list_init(&queue->waiting);
}

void tr_send_queue_fini(struct tr_send_queue *queue)
{
    tr_send_queue_clear(queue);
    tr_send_queue_trim(queue);
}

static troupe_status push_large(struct tr_send_queue *queue, struct tr_large *behind,
                                struct tr_large *large)
{
    if (large == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    if (behind != NULL) {
        list_append(&behind->followers, large);
    } else {
        large->after = queue->records;
        list_append(&queue->waiting, large);
        large_activate(queue);
    }
    return TROUPE_OK;
}

/* Adds up the parts. False when the message is too large. */
static bool parts_size(const struct tr_slice *parts, size_t count, size_t *size)
{
    size_t total = 0;

    for (size_t index = 0; index < count; index++) {
        if (parts[index].size > TR_MESSAGE_SIZE_MAX - total) {
            return false;
        }
        total += parts[index].size;
    }
    *size = total;
    return true;
}

troupe_status tr_send_queue_push(struct tr_send_queue *queue, uint32_t order, bool system,
                                 const struct tr_slice *parts, size_t count)
{
    struct tr_large *behind = NULL;
    size_t size = 0;
    troupe_status status = TROUPE_OK;

    if (!parts_size(parts, count, &size)) {
        return TROUPE_E_LIMIT;
    }
    if (queue->bytes >= queue->bytes_max) {
        if (!system) {
            return TROUPE_E_BUSY;
        }
        if (queue->bytes - queue->bytes_max >= TR_SEND_RESERVE_BYTES) {
            return TROUPE_E_LIMIT;
        }
    }
    if (queue->active_count > 0) {
        behind = large_of(queue, order);
    }
    if (behind == NULL && size <= TR_SEGMENT_SIZE_MAX) {
        status = push_whole(queue, parts, count, size);
    } else {
        status = push_large(queue, behind, large_create(order, parts, count, size));
    }
    if (status == TROUPE_OK) {
        queue->bytes += size + TR_SEGMENT_HEAD_SIZE;
    }
    return status;
}

struct tr_record *tr_send_queue_take(struct tr_send_queue *queue)
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
    queue->piece_next = false;
}
