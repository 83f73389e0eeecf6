#include "names/members.h"

#include <stdlib.h>
#include <string.h>

void reg_members_init(struct reg_members *members)
{
    *members = (struct reg_members){0};
}

void reg_member_fini(struct reg_member *member)
{
    free(member->name);
    free(member->host);
    *member = (struct reg_member){0};
}

void reg_members_fini(struct reg_members *members)
{
    for (size_t index = 0; index < members->count; index++) {
        reg_member_fini(&members->rows[index]);
    }
    free(members->rows);
    reg_members_init(members);
}

/* Answers the first row whose node id is not smaller. */
size_t reg_members_rank(const struct reg_members *members, uint64_t node_id)
{
    size_t low = 0;
    size_t high = members->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (members->rows[middle].node_id < node_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct reg_member *find(const struct reg_members *members, uint64_t node_id)
{
    const size_t index = reg_members_rank(members, node_id);

    if (index < members->count && members->rows[index].node_id == node_id) {
        return &members->rows[index];
    }
    return NULL;
}

const struct reg_member *reg_members_find(const struct reg_members *members, uint64_t node_id)
{
    return find(members, node_id);
}

static troupe_status make_room(struct reg_members *members)
{
    size_t capacity = members->capacity * 2;
    struct reg_member *rows = NULL;

    if (members->count < members->capacity) {
        return TROUPE_OK;
    }
    if (members->count >= REG_MEMBERS_MAX) {
        return TROUPE_E_LIMIT;
    }
    capacity = capacity == 0 ? 8 : capacity;
    rows = realloc(members->rows, capacity * sizeof(*rows));
    if (rows == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    members->rows = rows;
    members->capacity = capacity;
    return TROUPE_OK;
}

troupe_status reg_members_up(struct reg_members *members, const struct tr_member *member)
{
    const size_t index = reg_members_rank(members, member->node_id);
    struct reg_member row = {.node_id = member->node_id, .port = member->port, .marked = true};
    troupe_status status = TROUPE_OK;

    const struct reg_member *known = find(members, member->node_id);

    if (known != NULL) {
        return known->untold ? TROUPE_OK : TROUPE_E_EXISTS;
    }
    status = make_room(members);
    if (status != TROUPE_OK) {
        return status;
    }
    row.name = strdup(member->name);
    row.host = strdup(member->host);
    if (row.name == NULL || row.host == NULL) {
        reg_member_fini(&row);
        return TROUPE_E_NO_MEMORY;
    }
    memmove(&members->rows[index + 1], &members->rows[index],
            (members->count - index) * sizeof(row));
    members->rows[index] = row;
    members->count++;
    return TROUPE_OK;
}

void reg_members_told(struct reg_members *members, uint64_t node_id, bool told)
{
    struct reg_member *row = find(members, node_id);

    if (row != NULL) {
        row->untold = !told;
    }
}

bool reg_members_down(struct reg_members *members, uint64_t node_id, struct reg_member *out)
{
    struct reg_member *row = find(members, node_id);

    if (row == NULL) {
        return false;
    }
    *out = *row;
    members->count--;
    memmove(row, row + 1, (size_t)(&members->rows[members->count] - row) * sizeof(*row));
    return true;
}

void reg_members_mark_begin(struct reg_members *members)
{
    for (size_t index = 0; index < members->count; index++) {
        members->rows[index].marked = false;
    }
}

bool reg_members_keep(struct reg_members *members, uint64_t node_id)
{
    struct reg_member *row = find(members, node_id);

    if (row != NULL) {
        row->marked = true;
    }
    return row != NULL;
}

const struct reg_member *reg_members_unmarked(const struct reg_members *members)
{
    for (size_t index = 0; index < members->count; index++) {
        if (!members->rows[index].marked) {
            return &members->rows[index];
        }
    }
    return NULL;
}
