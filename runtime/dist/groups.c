#include "dist/groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "dist/groups_inside.h"

troupe_status tr_groups_create(const struct tr_groups_port *port, struct tr_groups **out)
{
    struct tr_groups *groups = calloc(1, sizeof(*groups));

    if (groups == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    groups->port = *port;
    tr_mutex_init(&groups->mutex);
    *out = groups;
    return TROUPE_OK;
}

static void list_drop_locked(struct tr_group_list *list)
{
    if (list != NULL && --list->holders == 0) {
        free(list);
    }
}

static void group_free(struct group *group)
{
    list_drop_locked(group->list);
    free(group->members.seats);
    free(group->watchers.seats);
    free(group);
}

void tr_groups_destroy(struct tr_groups *groups)
{
    struct group *group = NULL;

    if (groups == NULL) {
        return;
    }
    while ((group = tr_map_take_any(&groups->groups)) != NULL) {
        while (group != NULL) {
            struct group *next = group->next;

            group_free(group);
            group = next;
        }
    }
    tr_map_fini(&groups->groups);
    groups_peers_fini(groups);
    tr_mutex_fini(&groups->mutex);
    free(groups);
}

/* ---- groups by name; under the lock, as everything down to the public functions ---- */

static struct group *find(const struct tr_groups *groups, const char *name)
{
    struct group *group = tr_map_get(&groups->groups, tr_hash_text(name));

    while (group != NULL && strcmp(group->name, name) != 0) {
        group = group->next;
    }
    return group;
}

static struct group *find_or_make(struct tr_groups *groups, const char *name)
{
    struct group *group = find(groups, name);
    const size_t size = strlen(name) + 1;

    if (group != NULL) {
        return group;
    }
    group = malloc(sizeof(*group) + size);
    if (group == NULL) {
        return NULL;
    }
    *group = (struct group){.next = tr_map_get(&groups->groups, tr_hash_text(name))};
    memcpy(group->name, name, size);
    if (tr_map_put(&groups->groups, tr_hash_text(name), group) != TROUPE_OK) {
        free(group);
        return NULL;
    }
    return group;
}

/* Takes out a group that nobody sits in any more. */
static void release_if_empty(struct tr_groups *groups, struct group *group)
{
    const uint64_t hash = tr_hash_text(group->name);
    struct group *first = tr_map_get(&groups->groups, hash);

    if (group->members.count > 0 || group->watchers.count > 0) {
        return;
    }
    if (first != group) {
        while (first->next != group) {
            first = first->next;
        }
        first->next = group->next;
    } else if (group->next == NULL) {
        (void)tr_map_take(&groups->groups, hash);
    } else {
        first = group->next;
        /* The key is there already: nothing has to be allocated. */
        const troupe_status status = tr_map_put(&groups->groups, hash, first);

        (void)status;
    }
    group_free(group);
}

/* ---- seats ---- */

static bool make_room(struct seat_array *array)
{
    const uint32_t capacity = array->capacity == 0 ? 4 : array->capacity * 2;

    if (array->count < array->capacity) {
        return true;
    }
    struct tr_group_seat **seats =
        (struct tr_group_seat **)realloc((void *)array->seats, capacity * sizeof(*seats));

    if (seats == NULL) {
        return false;
    }
    array->seats = seats;
    array->capacity = capacity;
    return true;
}

static struct tr_group_seat **link_to(struct tr_group_seat **seats, const struct group *group,
                                      uint32_t *passed)
{
    *passed = 0;
    while (*seats != NULL && (*seats)->group != group) {
        seats = &(*seats)->next;
        (*passed)++;
    }
    return seats;
}

/* The actor's seat in a group, with room in both arrays for it; NULL with *status. */
static struct tr_group_seat *take_seat(struct tr_groups *groups, const struct group_place *place,
                                       troupe_status *status)
{
    struct group *group = find_or_make(groups, place->name);
    uint32_t passed = 0;

    *status = TROUPE_E_NO_MEMORY;
    if (group == NULL) {
        return NULL;
    }
    struct tr_group_seat **link = link_to(place->seats, group, &passed);
    struct tr_group_seat *seat = *link;

    if (!make_room(&group->members) || !make_room(&group->watchers)) {
        seat = NULL;
    } else if (seat == NULL && passed >= TR_ACTOR_GROUPS_MAX) {
        *status = TROUPE_E_LIMIT;
    } else if (seat == NULL) {
        seat = calloc(1, sizeof(*seat));
        if (seat != NULL) {
            *seat =
                (struct tr_group_seat){.group = group, .pid = place->pid, .remote = place->remote};
            *link = seat;
        }
    }
    if (seat == NULL) {
        release_if_empty(groups, group);
    }
    return seat;
}

static void tell_all(struct tr_groups *groups, const struct tr_group_seat *member, bool joined)
{
    const struct tr_groups_port *port = &groups->port;
    const struct group *group = member->group;

    if (!member->remote) {
        port->changed(port->context, group->name, member->pid, joined);
        groups_tell_peers(groups, group->name, member->pid.id, joined);
    }
    for (uint32_t i = 0; i < group->watchers.count; i++) {
        port->tell(port->context, group->watchers.seats[i]->pid, group->name, member->pid, joined);
    }
}

static void add_member(struct tr_groups *groups, struct tr_group_seat *seat)
{
    struct group *group = seat->group;

    seat->member_index = group->members.count;
    group->members.seats[group->members.count++] = seat;
    list_drop_locked(group->list);
    group->list = NULL;
    tell_all(groups, seat, true);
}

static void remove_member(struct tr_groups *groups, struct tr_group_seat *seat)
{
    struct group *group = seat->group;
    struct tr_group_seat *last = group->members.seats[--group->members.count];

    group->members.seats[seat->member_index] = last;
    last->member_index = seat->member_index;
    seat->joins = 0;
    list_drop_locked(group->list);
    group->list = NULL;
    tell_all(groups, seat, false);
}

static void remove_watcher(struct tr_group_seat *seat)
{
    struct group *group = seat->group;
    struct tr_group_seat *last = group->watchers.seats[--group->watchers.count];

    group->watchers.seats[seat->watcher_index] = last;
    last->watcher_index = seat->watcher_index;
    seat->watches = false;
}

/* Frees the seat that link leads to when it serves nothing any more. */
static void give_seat(struct tr_groups *groups, struct tr_group_seat **link)
{
    struct tr_group_seat *seat = *link;

    if (seat->joins == 0 && !seat->watches) {
        *link = seat->next;
        release_if_empty(groups, seat->group);
        free(seat);
    }
}

/* ---- what actors do ---- */

troupe_status groups_join(struct tr_groups *groups, const struct group_place *place,
                          uint32_t *joins)
{
    troupe_status status = TROUPE_OK;
    struct tr_group_seat *seat = take_seat(groups, place, &status);

    if (seat == NULL) {
        return status;
    }
    if (seat->joins == UINT32_MAX) {
        return TROUPE_E_LIMIT;
    }
    *joins = ++seat->joins;
    if (seat->joins == 1) {
        add_member(groups, seat);
    }
    return TROUPE_OK;
}

troupe_status tr_groups_join(struct tr_groups *groups, struct tr_group_seat **seats, troupe_pid pid,
                             const char *name)
{
    const struct group_place place = {.seats = seats, .pid = pid, .name = name};
    uint32_t joins = 0;

    tr_mutex_lock(&groups->mutex);
    const troupe_status status = groups_join(groups, &place, &joins);

    tr_mutex_unlock(&groups->mutex);
    return status;
}

troupe_status tr_groups_watch(struct tr_groups *groups, struct tr_group_seat **seats,
                              troupe_pid pid, const char *name)
{
    const struct tr_groups_port *port = &groups->port;
    const struct group_place place = {.seats = seats, .pid = pid, .name = name};
    troupe_status status = TROUPE_OK;

    tr_mutex_lock(&groups->mutex);
    struct tr_group_seat *seat = take_seat(groups, &place, &status);

    if (seat != NULL) {
        status = TROUPE_OK;
    }
    if (seat != NULL && !seat->watches) {
        struct group *group = seat->group;

        seat->watches = true;
        seat->watcher_index = group->watchers.count;
        group->watchers.seats[group->watchers.count++] = seat;
        for (uint32_t i = 0; i < group->members.count; i++) {
            port->tell(port->context, pid, group->name, group->members.seats[i]->pid, true);
        }
    }
    tr_mutex_unlock(&groups->mutex);
    return status;
}

troupe_status groups_leave(struct tr_groups *groups, struct tr_group_seat **seats, const char *name)
{
    uint32_t passed = 0;
    const struct group *group = find(groups, name);
    struct tr_group_seat **link = group == NULL ? NULL : link_to(seats, group, &passed);

    if (link == NULL || *link == NULL || (*link)->joins == 0) {
        return TROUPE_E_NOT_FOUND;
    }
    if (--(*link)->joins == 0) {
        remove_member(groups, *link);
        give_seat(groups, link);
    }
    return TROUPE_OK;
}

troupe_status tr_groups_leave(struct tr_groups *groups, struct tr_group_seat **seats,
                              const char *name)
{
    tr_mutex_lock(&groups->mutex);
    const troupe_status status = groups_leave(groups, seats, name);

    tr_mutex_unlock(&groups->mutex);
    return status;
}

void tr_groups_unwatch(struct tr_groups *groups, struct tr_group_seat **seats, const char *name)
{
    uint32_t passed = 0;

    tr_mutex_lock(&groups->mutex);
    const struct group *group = find(groups, name);
    struct tr_group_seat **link = group == NULL ? NULL : link_to(seats, group, &passed);

    if (link != NULL && *link != NULL && (*link)->watches) {
        remove_watcher(*link);
        give_seat(groups, link);
    }
    tr_mutex_unlock(&groups->mutex);
}

void groups_leave_all(struct tr_groups *groups, struct tr_group_seat **seats)
{
    while (*seats != NULL) {
        /* It ends: it is not told of itself any more. */
        if ((*seats)->watches) {
            remove_watcher(*seats);
        }
        if ((*seats)->joins > 0) {
            remove_member(groups, *seats);
        }
        give_seat(groups, seats);
    }
}

void tr_groups_leave_all(struct tr_groups *groups, struct tr_group_seat **seats)
{
    if (*seats == NULL) {
        return;
    }
    tr_mutex_lock(&groups->mutex);
    groups_leave_all(groups, seats);
    tr_mutex_unlock(&groups->mutex);
}

/* ---- what others look at ---- */

static int by_node(const void *a, const void *b)
{
    const troupe_pid *left = a;
    const troupe_pid *right = b;

    if (left->node != right->node) {
        return left->node < right->node ? -1 : 1;
    }
    return (left->id > right->id) - (left->id < right->id);
}

/* Those of this node first, then the others, node by node. */
static struct tr_group_list *make_list(const struct group *group)
{
    const uint32_t count = group->members.count;
    struct tr_group_list *list = malloc(sizeof(*list) + (count * sizeof(list->pids[0])));
    uint32_t last = count;

    if (list == NULL) {
        return NULL;
    }
    list->holders = 1;
    list->count = count;
    list->local = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct tr_group_seat *seat = group->members.seats[i];

        list->pids[seat->remote ? --last : list->local++] = seat->pid;
    }
    qsort(&list->pids[last], count - last, sizeof(list->pids[0]), by_node);
    return list;
}

troupe_status tr_groups_list(struct tr_groups *groups, const char *name, struct tr_group_list **out)
{
    struct tr_group_list *list = NULL;
    troupe_status status = TROUPE_OK;

    tr_mutex_lock(&groups->mutex);
    struct group *group = find(groups, name);

    if (group != NULL && group->members.count > 0) {
        if (group->list == NULL) {
            group->list = make_list(group);
        }
        list = group->list;
        status = list == NULL ? TROUPE_E_NO_MEMORY : TROUPE_OK;
    }
    if (list != NULL) {
        list->holders++;
    }
    tr_mutex_unlock(&groups->mutex);
    *out = list;
    return status;
}

void tr_groups_list_drop(struct tr_groups *groups, struct tr_group_list *list)
{
    if (list != NULL) {
        tr_mutex_lock(&groups->mutex);
        list_drop_locked(list);
        tr_mutex_unlock(&groups->mutex);
    }
}

static struct tr_group_counts counts_of(const struct group *group)
{
    struct tr_group_counts counts = {.members = group->members.count,
                                     .watchers = group->watchers.count};

    for (uint32_t i = 0; i < counts.members; i++) {
        counts.local += group->members.seats[i]->remote ? 0 : 1;
    }
    return counts;
}

void tr_groups_each(struct tr_groups *groups, tr_groups_visit visit, void *context)
{
    const struct group *group = NULL;
    uint32_t position = 0;

    tr_mutex_lock(&groups->mutex);
    while ((group = tr_map_next(&groups->groups, &position)) != NULL) {
        for (; group != NULL; group = group->next) {
            if (group->members.count > 0) {
                const struct tr_group_counts counts = counts_of(group);

                visit(context, group->name, &counts);
            }
        }
    }
    tr_mutex_unlock(&groups->mutex);
}

void tr_groups_each_seat(struct tr_groups *groups, const struct tr_group_seat *seats,
                         tr_seats_visit visit, void *context)
{
    tr_mutex_lock(&groups->mutex);
    for (; seats != NULL; seats = seats->next) {
        visit(context, seats->group->name, seats->joins, seats->watches);
    }
    tr_mutex_unlock(&groups->mutex);
}
