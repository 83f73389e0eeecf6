/* The foremost of many actors, and asking many actors at a time. */
#include <stdlib.h>

#include "node/portrait.h"

/* ---- the foremost ---- */

troupe_status tr_top_init(struct tr_top *top, uint32_t capacity, bool largest)
{
    *top = (struct tr_top){.capacity = capacity, .largest = largest};
    top->entries = calloc(capacity, sizeof(*top->entries));
    return top->entries == NULL ? TROUPE_E_NO_MEMORY : TROUPE_OK;
}

void tr_top_fini(struct tr_top *top)
{
    free(top->entries);
    *top = (struct tr_top){0};
}

/* Whether a stands before b in the answer; the smaller id when they are equal. */
static bool is_before(const struct tr_top *top, const struct tr_top_entry *a,
                      const struct tr_top_entry *b)
{
    if (a->value != b->value) {
        return top->largest ? a->value > b->value : a->value < b->value;
    }
    return a->id < b->id;
}

static void swap(struct tr_top *top, uint32_t a, uint32_t b)
{
    const struct tr_top_entry entry = top->entries[a];

    top->entries[a] = top->entries[b];
    top->entries[b] = entry;
}

/* Lets the entry at index sink until none below it stands after it. */
static void sink(struct tr_top *top, uint32_t index, uint32_t count)
{
    for (;;) {
        uint32_t last = index;

        for (uint32_t child = (2 * index) + 1; child <= (2 * index) + 2 && child < count; child++) {
            if (is_before(top, &top->entries[last], &top->entries[child])) {
                last = child;
            }
        }
        if (last == index) {
            return;
        }
        swap(top, index, last);
        index = last;
    }
}

void tr_top_offer(struct tr_top *top, uint64_t id, int64_t value)
{
    const struct tr_top_entry entry = {.id = id, .value = value};
    uint32_t index = top->count;

    if (top->count == top->capacity) {
        if (top->capacity > 0 && is_before(top, &entry, &top->entries[0])) {
            top->entries[0] = entry;
            sink(top, 0, top->count);
        }
        return;
    }
    top->entries[top->count++] = entry;
    while (index > 0 && is_before(top, &top->entries[(index - 1) / 2], &top->entries[index])) {
        swap(top, index, (index - 1) / 2);
        index = (index - 1) / 2;
    }
}

void tr_top_sort(struct tr_top *top)
{
    for (uint32_t count = top->count; count > 1; count--) {
        swap(top, 0, count - 1);
        sink(top, 0, count - 1);
    }
}

/* ---- asking ---- */

struct tr_gallery {
    struct tr_mutex mutex;
    struct tr_cond cond;
    uint32_t holders; /* the asker and those who have not answered */
    uint32_t asked;
    uint32_t answered;
    tr_gallery_visit visit;
    void (*release)(void *context);
    void *context;
};

struct tr_gallery *tr_gallery_create(tr_gallery_visit visit, void (*release)(void *context),
                                     void *context)
{
    struct tr_gallery *gallery = calloc(1, sizeof(*gallery));

    if (gallery == NULL) {
        release(context);
        return NULL;
    }
    *gallery =
        (struct tr_gallery){.holders = 1, .visit = visit, .release = release, .context = context};
    tr_mutex_init(&gallery->mutex);
    tr_cond_init(&gallery->cond);
    return gallery;
}

void tr_gallery_drop_locked(struct tr_gallery *gallery)
{
    const bool last = --gallery->holders == 0;

    tr_mutex_unlock(&gallery->mutex);
    if (last) {
        gallery->release(gallery->context);
        tr_cond_fini(&gallery->cond);
        tr_mutex_fini(&gallery->mutex);
        free(gallery);
    }
}

static void on_inspect(troupe_self *self, void *context)
{
    struct tr_gallery *gallery = context;

    tr_mutex_lock(&gallery->mutex);
    gallery->visit(gallery->context, self);
    gallery->answered++;
    tr_cond_signal(&gallery->cond);
    tr_gallery_drop_locked(gallery);
}

void tr_gallery_ask(struct troupe_node *node, struct tr_gallery *gallery, uint64_t actor_id)
{
    tr_mutex_lock(&gallery->mutex);
    gallery->holders++;
    gallery->asked++;
    tr_mutex_unlock(&gallery->mutex);
    if (tr_sched_inspect(node->sched, actor_id, on_inspect, gallery) != TROUPE_OK) {
        /* Nobody will answer; the asker still holds the gallery. */
        tr_mutex_lock(&gallery->mutex);
        gallery->holders--;
        gallery->answered++;
        tr_mutex_unlock(&gallery->mutex);
    }
}

uint32_t tr_gallery_wait_locked(struct troupe_node *node, struct tr_gallery *gallery,
                                uint32_t timeout_ms)
{
    const struct tr_clock *clock = node->sched->options.clock;
    const int64_t until = tr_clock_now(clock) + (int64_t)timeout_ms * TR_NS_PER_MS;

    tr_mutex_lock(&gallery->mutex);
    while (gallery->answered < gallery->asked && tr_clock_now(clock) < until) {
        tr_node_wait(node, &gallery->cond, &gallery->mutex, until - tr_clock_now(clock));
    }
    return gallery->asked - gallery->answered;
}
