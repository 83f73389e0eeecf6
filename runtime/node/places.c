/* What this node knows of the others as places for actors, and choosing among them. */
#include "node/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dist/news.h"
#include "io/timer.h"
#include "node/members.h"

/* What another node has said of itself. Under the node's state_mutex. */
struct tr_neighbour {
    uint64_t node_id;
    bool draining;
    bool truncated;
    uint64_t actors;
    uint64_t placed; /* from here, since it has told its actors */
    uint32_t behaviors_count;
    uint64_t *behaviors; /* hashes of the names, sorted; owned */
};

static void neighbour_free(struct tr_neighbour *neighbour)
{
    if (neighbour != NULL) {
        free(neighbour->behaviors);
        free(neighbour);
    }
}

static struct tr_neighbour *find(const struct troupe_node *node, uint64_t node_id)
{
    return tr_map_get(&node->neighbours, node_id);
}

/* ---- telling ---- */

/* The names of the behaviors, lent by the catalog, whose lock is held. NULL: no memory. */
static const char **list_behaviors(const struct troupe_node *node, struct tr_news *news)
{
    const char **names = calloc(node->behaviors_count + 1, sizeof(*names));

    news->truncated = node->behaviors_count > TR_NEWS_BEHAVIORS_MAX;
    news->behaviors_count =
        news->truncated ? TR_NEWS_BEHAVIORS_MAX : (uint32_t)node->behaviors_count;
    for (uint32_t i = 0; names != NULL && i < news->behaviors_count; i++) {
        names[i] = node->behaviors[i]->name;
    }
    return names;
}

/* Gives the packet about this node; NULL: no memory. */
static uint8_t *describe(struct troupe_node *node, bool full, size_t *size)
{
    struct tr_news news = {.draining = tr_load32_relaxed(&node->draining) != 0,
                           .full = full,
                           .actors = tr_node_user_actors(node)};
    uint8_t *bytes = NULL;

    if (!full) {
        return tr_news_encode(&news, NULL, size);
    }
    tr_mutex_lock(&node->catalog_mutex);
    const char **names = list_behaviors(node, &news);

    if (names != NULL) {
        bytes = tr_news_encode(&news, names, size);
    }
    tr_mutex_unlock(&node->catalog_mutex);
    free((void *)names);
    return bytes;
}

/* What could not be told is told by the next look. */
static void send(struct troupe_node *node, uint64_t node_id, const uint8_t *bytes, size_t size)
{
    if (bytes == NULL || (tr_router_session(node->router, node_id) != 0 &&
                          tr_router_send(node->router, node_id, 0, bytes, size) == TROUPE_E_BUSY)) {
        tr_store32_relaxed(&node->news_due, 1);
    }
}

/* The ids of all members; NULL: no memory. */
static uint64_t *list_members(struct troupe_node *node, uint32_t *count)
{
    const struct tr_member_info *member = NULL;
    uint32_t position = 0;

    *count = 0;
    tr_mutex_lock(&node->state_mutex);
    uint64_t *ids = calloc((size_t)node->members.count + 1, sizeof(*ids));

    while (ids != NULL && (member = tr_map_next(&node->members, &position)) != NULL) {
        ids[(*count)++] = member->node_id;
    }
    tr_mutex_unlock(&node->state_mutex);
    return ids;
}

void tr_places_tell(struct troupe_node *node, bool full)
{
    uint32_t count = 0;
    size_t size = 0;

    if (node->router == NULL) {
        return;
    }
    uint64_t *ids = list_members(node, &count);
    uint8_t *bytes = describe(node, full, &size);

    for (uint32_t i = 0; i < count; i++) {
        send(node, ids[i], bytes, size);
    }
    if (ids == NULL) {
        tr_store32_relaxed(&node->news_due, 1);
    }
    free(bytes);
    free(ids);
}

void tr_places_tell_one(struct troupe_node *node, uint64_t node_id)
{
    size_t size = 0;
    uint8_t *bytes = describe(node, true, &size);

    send(node, node_id, bytes, size);
    free(bytes);
}

/* Tells of the number of actors when it has changed much. */
static void look(void *context)
{
    struct troupe_node *node = context;
    const uint64_t actors = tr_node_user_actors(node);
    const uint64_t told = node->actors_told;
    const uint64_t change = actors > told ? actors - told : told - actors;
    const bool due = tr_load32_relaxed(&node->news_due) != 0;

    if (due || (change > 0 && change >= told / TR_NEWS_CHANGE_PART)) {
        node->actors_told = actors;
        tr_store32_relaxed(&node->news_due, 0);
        tr_places_tell(node, due);
    }
}

troupe_status tr_places_start(struct troupe_node *node)
{
    const troupe_status status = tr_timer_create(node->loop, look, node, &node->news_timer);

    if (status == TROUPE_OK) {
        tr_timer_start(node->news_timer, TR_NEWS_LOOK_MS * TR_NS_PER_MS,
                       TR_NEWS_LOOK_MS * TR_NS_PER_MS);
    }
    return status;
}

void tr_places_stop(struct troupe_node *node)
{
    tr_timer_close(node->news_timer);
    node->news_timer = NULL;
}

/* ---- hearing ---- */

static int by_hash(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return (*x > *y) - (*x < *y);
}

/* Takes over what a full packet tells. */
static troupe_status learn(struct tr_neighbour *neighbour, const struct tr_news *news)
{
    uint64_t *behaviors = calloc((size_t)news->behaviors_count + 1, sizeof(*behaviors));
    uint32_t count = 0;
    uint64_t hash = 0;
    size_t at = 0;

    if (behaviors == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    while ((hash = tr_news_behavior(news, &at)) != 0) {
        behaviors[count++] = hash;
    }
    qsort(behaviors, count, sizeof(*behaviors), by_hash);
    free(neighbour->behaviors);
    neighbour->behaviors = behaviors;
    neighbour->behaviors_count = count;
    neighbour->truncated = news->truncated;
    return TROUPE_OK;
}

/* With the lock. NULL: no memory, or nothing full was heard yet. */
static struct tr_neighbour *find_or_add(struct troupe_node *node, uint64_t node_id, bool full)
{
    struct tr_neighbour *neighbour = find(node, node_id);

    if (neighbour != NULL || !full) {
        return neighbour;
    }
    neighbour = calloc(1, sizeof(*neighbour));
    if (neighbour != NULL) {
        neighbour->node_id = node_id;
        if (tr_map_put(&node->neighbours, node_id, neighbour) != TROUPE_OK) {
            free(neighbour);
            return NULL;
        }
    }
    return neighbour;
}

/* Notes whether a node drains, so that it is still known when the node has gone: the ends of its
 * actors may be looked at later. With the lock. */
static void note_draining(struct troupe_node *node, struct tr_neighbour *neighbour, bool draining)
{
    if (draining && !neighbour->draining) {
        node->drained[node->drained_at++ % TR_PLACE_DRAINED] = neighbour->node_id;
    }
    for (uint32_t i = 0; !draining && neighbour->draining && i < TR_PLACE_DRAINED; i++) {
        if (node->drained[i] == neighbour->node_id) {
            node->drained[i] = 0;
        }
    }
    neighbour->draining = draining;
}

void tr_places_heard(void *context, uint64_t node_id, const uint8_t *bytes, size_t size)
{
    struct troupe_node *node = context;
    struct tr_news news;
    troupe_status status = tr_news_decode(bytes, size, &news);
    bool known = false;

    if (status == TROUPE_OK) {
        tr_mutex_lock(&node->state_mutex);
        struct tr_neighbour *neighbour = find_or_add(node, node_id, news.full);

        known = neighbour != NULL;
        if (neighbour != NULL) {
            status = news.full ? learn(neighbour, &news) : TROUPE_OK;
            note_draining(node, neighbour, news.draining);
            neighbour->actors = news.actors;
            neighbour->placed = 0;
        }
        tr_mutex_unlock(&node->state_mutex);
    }
    if (known) {
        tr_members_connected(node, node_id, true);
    }
    if (known) {
        tr_members_draining(node, node_id, news.draining);
    }
    if (status != TROUPE_OK) {
        tr_node_log(node, TROUPE_LOG_WARNING, "what node %llu tells of itself is lost: %s",
                    (unsigned long long)node_id, troupe_status_text(status));
    }
}

void tr_places_lost(struct troupe_node *node, uint64_t node_id)
{
    tr_mutex_lock(&node->state_mutex);
    neighbour_free(tr_map_take(&node->neighbours, node_id));
    tr_mutex_unlock(&node->state_mutex);
}

void tr_places_free(struct troupe_node *node)
{
    struct tr_neighbour *neighbour = NULL;

    while ((neighbour = tr_map_take_any(&node->neighbours)) != NULL) {
        neighbour_free(neighbour);
    }
    tr_map_fini(&node->neighbours);
}

uint32_t tr_places_count(const struct troupe_node *node)
{
    return node->neighbours.count;
}

bool tr_places_drains(struct troupe_node *node, uint64_t node_id)
{
    bool drains = false;

    tr_mutex_lock(&node->state_mutex);
    for (uint32_t i = 0; i < TR_PLACE_DRAINED && !drains; i++) {
        drains = node->drained[i] == node_id;
    }
    tr_mutex_unlock(&node->state_mutex);
    return drains;
}

/* ---- choosing ---- */

/* Who comes into question, and why others do not. */
struct round {
    struct tr_candidate *candidates;
    size_t count;
    size_t with_role;
    size_t knowing; /* of those */
};

static bool knows(const struct tr_neighbour *neighbour, const char *behavior)
{
    const uint64_t hash = tr_hash_text(behavior);

    return neighbour->truncated || (neighbour->behaviors_count > 0 &&
                                    bsearch(&hash, neighbour->behaviors, neighbour->behaviors_count,
                                            sizeof(hash), by_hash) != NULL);
}

static bool knows_all(const struct tr_neighbour *neighbour, const struct tr_place_ask *ask)
{
    for (size_t i = 0; i < ask->all_count; i++) {
        if (!knows(neighbour, ask->all[i]->name)) {
            return false;
        }
    }
    return ask->all != NULL || knows(neighbour, ask->behavior);
}

static bool has_role(const char *roles, const struct tr_placement *rule)
{
    return rule->role[0] == '\0' || tr_placement_has_role(roles, rule->role);
}

static void consider(struct round *round, bool role, bool known, bool draining,
                     const struct tr_candidate *candidate)
{
    round->with_role += role ? 1 : 0;
    round->knowing += role && known ? 1 : 0;
    if (role && known && !draining) {
        round->candidates[round->count++] = *candidate;
    }
}

static void consider_all(struct troupe_node *node, const struct tr_place_ask *ask, bool known_here,
                         struct round *round)
{
    const uint64_t own = tr_sched_node_id(node->sched);
    const struct tr_neighbour *neighbour = NULL;
    uint32_t position = 0;

    consider(round, has_role(node->roles, ask->rule), known_here,
             tr_load32_relaxed(&node->draining) != 0 || (own != 0 && ask->avoid == own),
             &(struct tr_candidate){
                 .node_id = own, .name = node->name, .load = tr_node_user_actors(node)});
    while ((neighbour = tr_map_next(&node->neighbours, &position)) != NULL) {
        const struct tr_member_info *member = tr_map_get(&node->members, neighbour->node_id);

        if (member != NULL) {
            consider(round, has_role(member->roles, ask->rule), knows_all(neighbour, ask),
                     neighbour->draining || neighbour->node_id == ask->avoid,
                     &(struct tr_candidate){.node_id = neighbour->node_id,
                                            .name = member->name,
                                            .load = neighbour->actors + neighbour->placed});
        }
    }
}

static void say_none(const struct tr_place_ask *ask, const struct round *round, char *error,
                     size_t error_size)
{
    const char *role = ask->rule->role;

    if (round->with_role == 0) {
        (void)snprintf(error, error_size, "no node that is up has the role \"%s\"", role);
    } else if (round->knowing == 0 && ask->all != NULL) {
        (void)snprintf(error, error_size, "no node%s%s%s knows all behaviors of the supervisor",
                       role[0] == '\0' ? "" : " with the role \"", role,
                       role[0] == '\0' ? "" : "\"");
    } else if (round->knowing == 0) {
        (void)snprintf(error, error_size, "no node%s%s%s knows the behavior \"%.100s\"",
                       role[0] == '\0' ? "" : " with the role \"", role,
                       role[0] == '\0' ? "" : "\"", ask->behavior);
    } else {
        (void)snprintf(error, error_size, "all nodes%s%s%s that know \"%.100s\" drain",
                       role[0] == '\0' ? "" : " with the role \"", role,
                       role[0] == '\0' ? "" : "\"", ask->behavior);
    }
}

/* With the lock. */
static size_t take(struct troupe_node *node, const struct tr_place_ask *ask,
                   const struct round *round)
{
    const enum tr_placement_kind kind = (enum tr_placement_kind)ask->rule->kind;
    uint64_t turn = 0;

    for (size_t i = 0; ask->prefer != 0 && kind != TR_PLACE_HASH && i < round->count; i++) {
        if (round->candidates[i].node_id == ask->prefer) {
            return i;
        }
    }
    if (kind == TR_PLACE_ROUND_ROBIN) {
        turn = ask->turn != NULL ? *ask->turn
                                 : node->turns[tr_hash_text(ask->rule->role) % TR_PLACE_TURNS]++;
    }
    return tr_placement_choose(kind, round->candidates, round->count, turn, ask->key);
}

static troupe_status choose_among(struct troupe_node *node, const struct tr_place_ask *ask,
                                  struct tr_place *place, char *error, size_t error_size)
{
    const bool known_here = ask->known_here || tr_catalog_behavior(node, ask->behavior) != NULL;
    struct round round = {0};
    troupe_status status = TROUPE_OK;

    tr_mutex_lock(&node->state_mutex);
    round.candidates = calloc((size_t)node->neighbours.count + 1, sizeof(*round.candidates));
    if (round.candidates == NULL) {
        status = TROUPE_E_NO_MEMORY;
    } else {
        consider_all(node, ask, known_here, &round);
        if (round.count == 0) {
            say_none(ask, &round, error, error_size);
            status = TROUPE_E_NOT_FOUND;
        }
    }
    if (status == TROUPE_OK) {
        const struct tr_candidate *chosen = &round.candidates[take(node, ask, &round)];
        struct tr_neighbour *neighbour = find(node, chosen->node_id);

        place->node_id = chosen->node_id;
        place->local = neighbour == NULL;
        (void)snprintf(place->name, sizeof(place->name), "%s", chosen->name);
        if (neighbour != NULL) {
            neighbour->placed++;
        }
    }
    tr_mutex_unlock(&node->state_mutex);
    free(round.candidates);
    return status;
}

static troupe_status choose_here(const struct troupe_node *node, const struct tr_placement *rule,
                                 struct tr_place *place, char *error, size_t error_size)
{
    if (!has_role(node->roles, rule)) {
        (void)snprintf(error, error_size, "node \"%s\" does not have the role \"%s\"", node->name,
                       rule->role);
        return TROUPE_E_NOT_FOUND;
    }
    place->node_id = tr_sched_node_id(node->sched);
    place->local = true;
    (void)snprintf(place->name, sizeof(place->name), "%s", node->name);
    return TROUPE_OK;
}

/* The live member of that name; NULL: none. With the lock. */
static const struct tr_member_info *member_by_name(const struct troupe_node *node, const char *name)
{
    const struct tr_member_info *found = NULL;
    const struct tr_member_info *member = NULL;
    uint32_t position = 0;

    while ((member = tr_map_next(&node->members, &position)) != NULL) {
        if (strcmp(member->name, name) == 0) {
            found = member;
        }
    }
    return found;
}

static troupe_status choose_named(struct troupe_node *node, const struct tr_placement *rule,
                                  struct tr_place *place, char *error, size_t error_size)
{
    troupe_status status = TROUPE_OK;

    tr_mutex_lock(&node->state_mutex);
    const struct tr_member_info *member = member_by_name(node, rule->node);
    const struct tr_neighbour *neighbour = member == NULL ? NULL : find(node, member->node_id);

    if (member == NULL) {
        (void)snprintf(error, error_size, "no such node: \"%s\"", rule->node);
        status = TROUPE_E_NOT_FOUND;
    } else if (!has_role(member->roles, rule)) {
        (void)snprintf(error, error_size, "node \"%s\" does not have the role \"%s\"", rule->node,
                       rule->role);
        status = TROUPE_E_NOT_FOUND;
    } else if (neighbour != NULL && neighbour->draining) {
        (void)snprintf(error, error_size, "node \"%s\" drains and starts nothing for others",
                       rule->node);
        status = TROUPE_E_CLOSED;
    } else {
        place->node_id = member->node_id;
        place->local = false;
        (void)snprintf(place->name, sizeof(place->name), "%s", member->name);
    }
    tr_mutex_unlock(&node->state_mutex);
    return status;
}

troupe_status tr_places_choose(struct troupe_node *node, const struct tr_place_ask *ask,
                               struct tr_place *place, char *error, size_t error_size)
{
    const struct tr_placement *rule = ask->rule;

    if (rule->kind == TR_PLACE_LOCAL ||
        (rule->kind == TR_PLACE_NODE && strcmp(rule->node, node->name) == 0)) {
        return choose_here(node, rule, place, error, error_size);
    }
    if (rule->kind == TR_PLACE_NODE) {
        return choose_named(node, rule, place, error, error_size);
    }
    if (rule->kind == TR_PLACE_HASH && (ask->key == NULL || ask->key[0] == '\0')) {
        (void)snprintf(error, error_size, "the placement \"hash\" is for actors with a name");
        return TROUPE_E_INVALID;
    }
    return choose_among(node, ask, place, error, error_size);
}
