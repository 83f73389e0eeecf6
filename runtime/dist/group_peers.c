/* The copies of groups that nodes keep of each other. */
#include <stdlib.h>
#include <string.h>

#include "base/be.h"
#include "base/bugs.h"
#include "base/limits.h"
#include "dist/codec.h"
#include "dist/groups_inside.h"
#include "sched/sched.h"

/* A packet: kind, flags, entries. An entry: joined (1) or left (0), id of the actor, size and bytes
 * of the group's name. */
enum { HEAD_SIZE = 2, ENTRY_HEAD_SIZE = 10, WHOLE = 1 };

/* A packet that is being made. */
struct packet {
    const struct tr_groups *groups;
    const struct group_peer *peer; /* who gets it when it is full */
    size_t size;
    uint8_t bytes[TR_GROUPS_PACKET_SIZE];
};

static void begin(struct packet *packet, uint8_t flags)
{
    packet->bytes[0] = TR_PACKET_GROUPS;
    packet->bytes[1] = flags;
    packet->size = HEAD_SIZE;
}

static void send(const struct packet *packet, const struct group_peer *peer)
{
    const struct tr_groups_port *port = &packet->groups->port;

    port->send(port->context, peer->node_id, peer->session, packet->bytes, packet->size);
}

static void put_entry(struct packet *packet, const char *group, uint64_t actor_id, bool joined)
{
    uint8_t *at = packet->bytes + packet->size;
    const size_t size = strlen(group);

    at[0] = joined ? 1 : 0;
    tr_be64_put(at + 1, actor_id);
    at[9] = (uint8_t)size; /* A valid name has at most 255 bytes. */
    memcpy(at + ENTRY_HEAD_SIZE, group, size);
    packet->size += ENTRY_HEAD_SIZE + size;
}

/* ---- telling ---- */

void groups_tell_peers(struct tr_groups *groups, const char *group, uint64_t actor_id, bool joined)
{
    const struct group_peer *peer = NULL;
    uint32_t position = 0;
    struct packet packet __attribute__((uninitialized)); /* Written before it is read. */

    if (groups->peers.count == 0) {
        return;
    }
    packet.groups = groups;
    begin(&packet, 0);
    put_entry(&packet, group, actor_id, joined);
    while ((peer = tr_map_next(&groups->peers, &position)) != NULL) {
        if (peer->session != 0) {
            send(&packet, peer);
        }
    }
}

static void tell_group(struct packet *packet, const struct group *group)
{
    for (uint32_t i = 0; i < group->members.count; i++) {
        const struct tr_group_seat *seat = group->members.seats[i];

        if (seat->remote) {
            continue;
        }
        if (packet->size + ENTRY_HEAD_SIZE + strlen(group->name) > sizeof(packet->bytes)) {
            send(packet, packet->peer);
            begin(packet, 0);
        }
        put_entry(packet, group->name, seat->pid.id, true);
    }
}

/* The first packet says that it is about everything: it is sent when there is no member, too. */
static void tell_all(const struct tr_groups *groups, const struct group_peer *peer)
{
    const struct group *group = NULL;
    uint32_t position = 0;
    struct packet packet __attribute__((uninitialized)); /* Written before it is read. */

    packet.groups = groups;
    packet.peer = peer;
    begin(&packet, WHOLE);
    while ((group = tr_map_next(&groups->groups, &position)) != NULL) {
        for (; group != NULL; group = group->next) {
            tell_group(&packet, group);
        }
    }
    send(&packet, peer);
}

static struct group_peer *find_or_add(struct tr_groups *groups, uint64_t node_id)
{
    struct group_peer *peer = tr_map_get(&groups->peers, node_id);

    if (peer != NULL) {
        return peer;
    }
    peer = calloc(1, sizeof(*peer));
    if (peer == NULL) {
        return NULL;
    }
    peer->node_id = node_id;
    if (tr_map_put(&groups->peers, node_id, peer) != TROUPE_OK) {
        free(peer);
        return NULL;
    }
    return peer;
}

troupe_status tr_groups_peer_up(struct tr_groups *groups, uint64_t node_id, uint32_t session)
{
    tr_mutex_lock(&groups->mutex);
    struct group_peer *peer = find_or_add(groups, node_id);

    if (peer != NULL) {
        peer->session = session;
        if (!TR_BUG(GROUPS_NOT_TOLD) || session == 1) {
            tell_all(groups, peer);
        }
    }
    tr_mutex_unlock(&groups->mutex);
    return peer == NULL ? TROUPE_E_NO_MEMORY : TROUPE_OK;
}

/* ---- hearing ---- */

static void forget_guests(struct tr_groups *groups, struct group_peer *peer)
{
    struct group_guest *guest = NULL;

    while ((guest = tr_map_take_any(&peer->actors)) != NULL) {
        groups_leave_all(groups, &guest->seats);
        free(guest);
    }
    tr_map_fini(&peer->actors);
    peer->actors = (struct tr_map){0};
    peer->seats = 0;
}

static troupe_status hear_join(struct tr_groups *groups, struct group_peer *peer, uint64_t id,
                               const char *name)
{
    struct group_guest *guest = tr_map_get(&peer->actors, id);
    uint32_t joins = 0;

    if (peer->seats >= TR_GROUPS_REMOTE_SEATS_MAX) {
        return TROUPE_E_LIMIT;
    }
    if (guest == NULL) {
        guest = calloc(1, sizeof(*guest));
        if (guest == NULL || tr_map_put(&peer->actors, id, guest) != TROUPE_OK) {
            free(guest);
            return TROUPE_E_NO_MEMORY;
        }
        guest->id = id;
    }
    const struct group_place place = {.seats = &guest->seats,
                                      .pid = {.node = peer->node_id, .id = id},
                                      .name = name,
                                      .remote = true};
    const troupe_status status = groups_join(groups, &place, &joins);

    peer->seats += joins == 1 ? 1 : 0;
    /* Nodes tell of first joins only. */
    return status == TROUPE_OK && joins != 1 ? TROUPE_E_PROTOCOL : status;
}

static troupe_status hear_leave(struct tr_groups *groups, struct group_peer *peer, uint64_t id,
                                const char *name)
{
    struct group_guest *guest = tr_map_get(&peer->actors, id);

    if (guest == NULL || groups_leave(groups, &guest->seats, name) != TROUPE_OK) {
        return TROUPE_E_PROTOCOL;
    }
    peer->seats--;
    if (guest->seats == NULL) {
        (void)tr_map_take(&peer->actors, id);
        free(guest);
    }
    return TROUPE_OK;
}

/* Takes in the entries from at to end. */
static troupe_status hear_entries(struct tr_groups *groups, struct group_peer *peer,
                                  const uint8_t *at, const uint8_t *end)
{
    troupe_status status = TROUPE_OK;

    while (at < end && status == TROUPE_OK) {
        char name[TR_NAME_SIZE_MAX + 1];

        if (end - at < ENTRY_HEAD_SIZE || end - at - ENTRY_HEAD_SIZE < at[9] || at[0] > 1) {
            return TROUPE_E_PROTOCOL;
        }
        const uint64_t id = tr_be64_get(at + 1);

        memcpy(name, at + ENTRY_HEAD_SIZE, at[9]);
        name[at[9]] = '\0';
        if (id == 0 || strlen(name) != at[9] || !tr_name_is_valid(name)) {
            return TROUPE_E_PROTOCOL;
        }
        status =
            at[0] == 1 ? hear_join(groups, peer, id, name) : hear_leave(groups, peer, id, name);
        at += ENTRY_HEAD_SIZE + at[9];
    }
    return status;
}

troupe_status tr_groups_heard(struct tr_groups *groups, uint64_t node_id, const uint8_t *bytes,
                              size_t size)
{
    troupe_status status = TROUPE_E_PROTOCOL;

    if (size < HEAD_SIZE || bytes[0] != TR_PACKET_GROUPS || (bytes[1] & ~WHOLE) != 0) {
        return status;
    }
    tr_mutex_lock(&groups->mutex);
    struct group_peer *peer = find_or_add(groups, node_id);

    if (peer == NULL) {
        status = TROUPE_E_NO_MEMORY;
    } else {
        if ((bytes[1] & WHOLE) != 0) {
            forget_guests(groups, peer);
        }
        status = hear_entries(groups, peer, bytes + HEAD_SIZE, bytes + size);
    }
    tr_mutex_unlock(&groups->mutex);
    return status;
}

void tr_groups_peer_lost(struct tr_groups *groups, uint64_t node_id)
{
    tr_mutex_lock(&groups->mutex);
    struct group_peer *peer =
        TR_BUG(GROUPS_OF_THE_LOST) ? NULL : tr_map_take(&groups->peers, node_id);

    if (peer != NULL) {
        forget_guests(groups, peer);
        free(peer);
    }
    tr_mutex_unlock(&groups->mutex);
}

void groups_peers_fini(struct tr_groups *groups)
{
    struct group_peer *peer = NULL;
    struct group_guest *guest = NULL;

    while ((peer = tr_map_take_any(&groups->peers)) != NULL) {
        while ((guest = tr_map_take_any(&peer->actors)) != NULL) {
            struct tr_group_seat *seat = guest->seats;

            while (seat != NULL) {
                struct tr_group_seat *next = seat->next;

                free(seat);
                seat = next;
            }
            free(guest);
        }
        tr_map_fini(&peer->actors);
        free(peer);
    }
    tr_map_fini(&groups->peers);
}
