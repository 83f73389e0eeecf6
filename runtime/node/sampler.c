#include "node/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "io/timer.h"
#include "node/portrait.h"

enum {
    SAMPLES_MAX = 2 * TR_SAMPLE_ACTORS, /* the largest and the oldest may be others */
    SHOWN_MAX = 2 * SAMPLES_MAX         /* with those of a write whose fate is not known */
};

struct tally {
    uint64_t behavior; /* its address, to be compared only; 0: all beyond the bound */
    uint64_t actors;
};

struct tallies {
    struct tally entries[TR_SAMPLE_BEHAVIORS];
    uint32_t count;
};

struct tr_sampler {
    struct troupe_node *node;
    struct tr_timer *timer;
    uint64_t node_id; /* that all below is about */

    /* the present walk */
    uint32_t slot;
    int64_t spent_ns;
    struct tr_top largest;
    struct tr_top oldest;
    struct tallies now;

    /* what the database has */
    bool knows; /* `written` is there */
    struct tallies written;
    uint64_t shown[SHOWN_MAX];
    uint32_t shown_count;

    /* what is on its way there */
    bool sending;
    bool sends_census;
    struct tallies sent;
    struct tr_sample samples[SAMPLES_MAX];
    uint32_t sample_count;
    struct tr_census census[TR_SAMPLE_BEHAVIORS];
};

static void begin_walk(struct tr_sampler *sampler)
{
    sampler->slot = 0;
    sampler->spent_ns = 0;
    sampler->largest.count = 0;
    sampler->oldest.count = 0;
    sampler->now.count = 0;
}

static void count_actor(struct tallies *tallies, uint64_t behavior)
{
    uint32_t i = 0;

    while (i < tallies->count && tallies->entries[i].behavior != behavior) {
        i++;
    }
    if (i == tallies->count && i == TR_SAMPLE_BEHAVIORS) {
        i--; /* The last one stands for the rest. */
        tallies->entries[i].behavior = 0;
    } else if (i == tallies->count) {
        tallies->entries[i] = (struct tally){.behavior = behavior};
        tallies->count++;
    }
    tallies->entries[i].actors++;
}

/* Looks at some actors; answers whether there are more. */
static bool walk(struct tr_sampler *sampler)
{
    const struct tr_sched *sched = sampler->node->sched;
    const uint32_t end = sampler->slot + TR_SAMPLE_SLICE;

    for (; sampler->slot < end; sampler->slot++) {
        const struct tr_actor *actor = tr_table_slot(&sched->table, sampler->slot);
        uint32_t waiting = 0;
        int64_t oldest_ms = 0;

        if (actor == NULL) {
            return false;
        }
        const uint64_t id = tr_load_acquire(&actor->id);

        if (id == 0 || id == sampler->node->agent) {
            continue;
        }
        count_actor(&sampler->now, tr_load_relaxed(&actor->shown_behavior));
        tr_actor_look(sched, actor, &waiting, &oldest_ms);
        if (waiting > 0) {
            tr_top_offer(&sampler->largest, id, waiting);
            tr_top_offer(&sampler->oldest, id, oldest_ms);
        }
    }
    return true;
}

/* ---- what there is to write ---- */

static int by_behavior(const void *a, const void *b)
{
    const struct tally *x = a;
    const struct tally *y = b;

    return (x->behavior > y->behavior) - (x->behavior < y->behavior);
}

static bool is_sampled(const struct tr_sampler *sampler, uint64_t id)
{
    for (uint32_t i = 0; i < sampler->sample_count; i++) {
        if (sampler->samples[i].actor_id == id) {
            return true;
        }
    }
    return false;
}

static void sample_all(struct tr_sampler *sampler, const struct tr_top *top)
{
    struct troupe_node *node = sampler->node;

    for (uint32_t i = 0; i < top->count; i++) {
        const uint64_t id = top->entries[i].id;
        const struct tr_actor *actor = tr_table_find(&node->sched->table, id);
        struct tr_sample *sample = &sampler->samples[sampler->sample_count];
        uint32_t waiting = 0;
        int64_t oldest_ms = 0;

        if (actor == NULL || is_sampled(sampler, id)) {
            continue;
        }
        tr_actor_look(node->sched, actor, &waiting, &oldest_ms);
        if (waiting == 0) {
            continue;
        }
        sample->actor_id = id;
        sample->messages = waiting;
        sample->oldest_ms = oldest_ms < 0 ? 0 : (uint64_t)oldest_ms;
        tr_catalog_behavior_name(node, tr_load_relaxed(&actor->shown_behavior), sample->behavior,
                                 sizeof(sample->behavior));
        sampler->sample_count++;
    }
}

static bool is_same(const struct tallies *a, const struct tallies *b)
{
    return a->count == b->count &&
           memcmp(a->entries, b->entries, a->count * sizeof(a->entries[0])) == 0;
}

static void name_census(struct tr_sampler *sampler)
{
    for (uint32_t i = 0; i < sampler->sent.count; i++) {
        sampler->census[i].actors = sampler->sent.entries[i].actors;
        tr_catalog_behavior_name(sampler->node, sampler->sent.entries[i].behavior,
                                 sampler->census[i].behavior, sizeof(sampler->census[i].behavior));
    }
}

/* ---- writing ---- */

static void on_written(void *context, bool written)
{
    struct tr_sampler *sampler = context;

    sampler->sending = false;
    if (written) {
        sampler->shown_count = 0;
        if (sampler->sends_census) {
            sampler->written = sampler->sent;
            sampler->knows = true;
        }
    } else {
        sampler->knows = false; /* It may have been written all the same. */
    }
    for (uint32_t i = 0; i < sampler->sample_count && sampler->shown_count < SHOWN_MAX; i++) {
        sampler->shown[sampler->shown_count++] = sampler->samples[i].actor_id;
    }
}

static uint32_t find_gone(const struct tr_sampler *sampler, uint64_t gone[SHOWN_MAX])
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < sampler->shown_count; i++) {
        if (!is_sampled(sampler, sampler->shown[i])) {
            gone[count++] = sampler->shown[i];
        }
    }
    return count;
}

static void write_down(struct tr_sampler *sampler)
{
    struct tr_registry_port *port = &sampler->node->registry->port;
    uint64_t gone[SHOWN_MAX];

    qsort(sampler->now.entries, sampler->now.count, sizeof(sampler->now.entries[0]), by_behavior);
    sampler->sample_count = 0;
    sample_all(sampler, &sampler->largest);
    sample_all(sampler, &sampler->oldest);
    sampler->sends_census = !sampler->knows || !is_same(&sampler->now, &sampler->written);
    if (sampler->sample_count == 0 && sampler->shown_count == 0 && !sampler->sends_census) {
        return;
    }
    sampler->sent = sampler->now;
    name_census(sampler);
    const struct tr_samples samples = {.actors = sampler->samples,
                                       .actor_count = sampler->sample_count,
                                       .gone = gone,
                                       .gone_count = find_gone(sampler, gone),
                                       .census = sampler->sends_census ? sampler->census : NULL,
                                       .census_count =
                                           sampler->sends_census ? sampler->sent.count : 0};

    sampler->sending = port->sample(port->context, &samples, on_written, sampler);
}

/* A new id begins without rows. */
static void look_at_id(struct tr_sampler *sampler)
{
    const uint64_t node_id = tr_sched_node_id(sampler->node->sched);

    if (node_id != sampler->node_id) {
        sampler->node_id = node_id;
        sampler->knows = false;
        sampler->shown_count = 0;
    }
}

static void on_time(void *context)
{
    struct tr_sampler *sampler = context;
    const struct tr_clock *clock = sampler->node->sched->options.clock;
    const int64_t began_ns = tr_clock_now(clock);
    int64_t pause_ns = (int64_t)TR_SAMPLE_MS * TR_NS_PER_MS;

    if (sampler->node->leaving) {
        return;
    }
    if (!sampler->sending) {
        const bool more = walk(sampler);

        sampler->spent_ns += tr_clock_now(clock) - began_ns;
        if (more) {
            tr_timer_start(sampler->timer, TR_SAMPLE_SLICE_MS * TR_NS_PER_MS, 0);
            return;
        }
        look_at_id(sampler);
        write_down(sampler);
        if (sampler->spent_ns * TR_SAMPLE_SHARE > pause_ns) {
            pause_ns = sampler->spent_ns * TR_SAMPLE_SHARE;
        }
        begin_walk(sampler);
    }
    tr_timer_start(sampler->timer, (uint64_t)pause_ns, 0);
}

troupe_status tr_sampler_create(struct troupe_node *node, struct tr_sampler **out)
{
    struct tr_sampler *sampler = calloc(1, sizeof(*sampler));
    troupe_status status = TROUPE_E_NO_MEMORY;

    if (sampler == NULL) {
        return status;
    }
    sampler->node = node;
    status = tr_top_init(&sampler->largest, TR_SAMPLE_ACTORS, true);
    if (status == TROUPE_OK) {
        status = tr_top_init(&sampler->oldest, TR_SAMPLE_ACTORS, true);
    }
    if (status == TROUPE_OK) {
        status = tr_timer_create(node->loop, on_time, sampler, &sampler->timer);
    }
    if (status != TROUPE_OK) {
        tr_sampler_destroy(sampler);
        return status;
    }
    tr_timer_start(sampler->timer, TR_SAMPLE_MS * TR_NS_PER_MS, 0);
    *out = sampler;
    return TROUPE_OK;
}

void tr_sampler_destroy(struct tr_sampler *sampler)
{
    if (sampler != NULL) {
        tr_timer_close(sampler->timer);
        tr_top_fini(&sampler->largest);
        tr_top_fini(&sampler->oldest);
        free(sampler);
    }
}
