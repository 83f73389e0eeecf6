/* The set of states that a pair may be in. */
#include <stdlib.h>
#include <string.h>

#include "model/pair.h"

struct pair_state *pair_states_create(size_t count)
{
    void *states = NULL;

    if (posix_memalign(&states, 16, count * sizeof(struct pair_state)) != 0) {
        abort();
    }
    memset(states, 0, count * sizeof(struct pair_state));
    return states;
}

void pair_init(struct pair *pair, bool self)
{
    *pair = (struct pair){.capacity = 4, .count = 1, .self = self, .alive = {true, true}};
    pair->states = pair_states_create(pair->capacity);
}

void pair_fini(struct pair *pair)
{
    free(pair->states);
}

static bool is_same_signals(const struct signal *a, const struct signal *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (a[i].kind != b[i].kind || a[i].arg != b[i].arg || a[i].farewell != b[i].farewell ||
            a[i].ref != b[i].ref || a[i].id != b[i].id) {
            return false;
        }
    }
    return true;
}

static bool is_same_half(const struct half *a, const struct half *b)
{
    return a->link == b->link && a->fatal == b->fatal && a->why.kind == b->why.kind &&
           a->why.id == b->why.id && a->unlink_ref == b->unlink_ref &&
           a->watching_count == b->watching_count && a->watched_count == b->watched_count &&
           a->in_count == b->in_count && a->box_count == b->box_count &&
           memcmp(a->watching, b->watching, a->watching_count * sizeof(uint16_t)) == 0 &&
           memcmp(a->watched, b->watched, a->watched_count * sizeof(uint16_t)) == 0 &&
           is_same_signals(a->in, b->in, a->in_count) &&
           is_same_signals(a->box, b->box, a->box_count);
}

void pair_add(struct pair *pair, const struct pair_state *state)
{
    for (size_t i = 0; i < pair->count; i++) {
        if (is_same_half(&pair->states[i].halves[0], &state->halves[0]) &&
            is_same_half(&pair->states[i].halves[1], &state->halves[1])) {
            return;
        }
    }
    if (pair->count == STATES_MAX) {
        pair->overflow = true;
        return;
    }
    if (pair->count == pair->capacity) {
        const struct pair_state copy = *state;
        struct pair_state *larger = pair_states_create(pair->capacity * 2);

        memcpy(larger, pair->states, pair->count * sizeof(*larger));
        free(pair->states);
        pair->states = larger;
        pair->capacity *= 2;
        pair->states[pair->count++] = copy;
        return;
    }
    pair->states[pair->count++] = *state;
}
