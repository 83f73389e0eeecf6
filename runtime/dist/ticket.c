#include "dist/ticket.h"

#include <string.h>

#include "base/be.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/limits.h"
#include "dist/codec.h"

enum { NUMBER_BITS = 24, HEAD_ROOM = 1024, PEER_AND_VALUE = 16 };

uint64_t tr_ticket_make(int64_t deadline_ns, uint32_t number)
{
    const uint64_t deadline_ms = deadline_ns < 0 ? 0 : (uint64_t)(deadline_ns / TR_NS_PER_MS);

    return deadline_ms << NUMBER_BITS | (number & ((1U << NUMBER_BITS) - 1U));
}

int64_t tr_ticket_deadline_ns(uint64_t ticket)
{
    return (int64_t)(ticket >> NUMBER_BITS) * TR_NS_PER_MS;
}

/* What the proof covers: the head without what may change on the way there and back (flags but
 * NAMED, status, receiver, what is left of the time), the peer, and a hash of the value. */
static uint64_t proof_of(const struct tr_siphash_key *key, uint64_t node_id, const uint8_t *bytes,
                         size_t size, const struct tr_codec_tail *tail)
{
    uint8_t head[HEAD_ROOM + PEER_AND_VALUE];
    const size_t value_at = tail->proof_at + 8;

    TR_CHECK(tail->proof_at <= HEAD_ROOM);
    memcpy(head, bytes, tail->proof_at);
    head[TR_CODEC_FLAGS_AT] &= (uint8_t)~TR_MESSAGE_RETURNED;
    memset(head + TR_CODEC_STATUS_AT, 0, 2);
    memset(head + TR_CODEC_TO_AT, 0, 8);
    memset(head + tail->left_at, 0, 4);
    tr_be64_put(head + tail->proof_at, node_id);
    tr_be64_put(head + tail->proof_at + 8, tr_siphash(key, bytes + value_at, size - value_at));
    return tr_siphash(key, head, tail->proof_at + PEER_AND_VALUE);
}

void tr_ticket_put(const struct tr_siphash_key *key, uint64_t node_id, uint64_t ticket,
                   uint8_t *bytes, size_t size)
{
    struct tr_codec_tail tail;

    TR_CHECK(tr_codec_find_tail(bytes, size, &tail));
    tr_be64_put(bytes + tail.ticket_at, ticket);
    tr_be64_put(bytes + tail.proof_at, proof_of(key, node_id, bytes, size, &tail));
}

bool tr_ticket_is_ours(const struct tr_siphash_key *key, uint64_t node_id, const uint8_t *bytes,
                       size_t size)
{
    struct tr_codec_tail tail;

    return tr_codec_find_tail(bytes, size, &tail) &&
           tr_be64_get(bytes + tail.proof_at) == proof_of(key, node_id, bytes, size, &tail);
}

/* ---- what came back ---- */

void tr_tickets_spent_fini(struct tr_tickets_spent *spent)
{
    tr_map_fini(&spent->proofs);
}

/* Forgets those whose messages nobody would send on any more. */
static void forget_past(struct tr_tickets_spent *spent, uint64_t now_ms)
{
    struct tr_map kept = {0};
    uint32_t position = 0;

    for (; position < spent->proofs.capacity; position++) {
        const struct tr_map_entry *entry = &spent->proofs.entries[position];

        if (entry->value != NULL && (uint64_t)(uintptr_t)entry->value > now_ms &&
            tr_map_put(&kept, entry->key, entry->value) != TROUPE_OK) {
            tr_map_fini(&kept);
            return;
        }
    }
    tr_map_fini(&spent->proofs);
    spent->proofs = kept;
}

troupe_status tr_ticket_spend(struct tr_tickets_spent *spent, uint64_t proof, int64_t deadline_ns,
                              int64_t now_ns)
{
    const uint64_t deadline_ms = (uint64_t)(deadline_ns / TR_NS_PER_MS) + 1;

    if (tr_map_get(&spent->proofs, proof) != NULL) {
        return TROUPE_E_EXISTS;
    }
    if (spent->proofs.count >= TR_RETURNS_MAX) {
        forget_past(spent, (uint64_t)(now_ns / TR_NS_PER_MS));
    }
    if (spent->proofs.count >= TR_RETURNS_MAX) {
        return TROUPE_E_LIMIT;
    }
    return tr_map_put(&spent->proofs, proof, (void *)(uintptr_t)deadline_ms);
}
