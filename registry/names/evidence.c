#include "names/evidence.h"

#include "base/check.h"

static const int64_t ms = 1000000;

void reg_evidence_init(struct reg_evidence *evidence)
{
    evidence->count = 0;
}

static struct reg_suspect *find(struct reg_evidence *evidence, uint64_t node_id)
{
    for (size_t index = 0; index < evidence->count; index++) {
        if (evidence->suspects[index].node_id == node_id) {
            return &evidence->suspects[index];
        }
    }
    return NULL;
}

static void remove_suspect(struct reg_evidence *evidence, struct reg_suspect *suspect)
{
    TR_CHECK(evidence->count > 0);
    evidence->count--;
    *suspect = evidence->suspects[evidence->count];
}

bool reg_evidence_report(struct reg_evidence *evidence, uint64_t node_id, bool refused,
                         int64_t now_ns)
{
    struct reg_suspect *suspect = find(evidence, node_id);

    if (suspect == NULL) {
        if (evidence->count == REG_SUSPECTS_MAX) {
            return false;
        }
        suspect = &evidence->suspects[evidence->count++];
        *suspect = (struct reg_suspect){.node_id = node_id,
                                        .next_ns = now_ns + REG_LOOK_SILENCE_MS * ms,
                                        .delay_ns = REG_LOOK_DELAY_MIN_MS * ms};
    }
    if (refused && !suspect->refused) {
        /* News of a stronger kind: whatever the silence had led to, ask at once. */
        suspect->delay_ns = REG_LOOK_DELAY_MIN_MS * ms;
        suspect->next_ns = now_ns;
    }
    suspect->refused = refused;
    suspect->reported_ns = now_ns;
    return true;
}

void reg_evidence_forget(struct reg_evidence *evidence, uint64_t node_id)
{
    struct reg_suspect *suspect = find(evidence, node_id);

    if (suspect != NULL) {
        remove_suspect(evidence, suspect);
    }
}

int64_t reg_evidence_next(const struct reg_evidence *evidence)
{
    int64_t next_ns = INT64_MAX;

    for (size_t index = 0; index < evidence->count; index++) {
        const struct reg_suspect *suspect = &evidence->suspects[index];

        if (!suspect->asking && suspect->next_ns < next_ns) {
            next_ns = suspect->next_ns;
        }
    }
    return next_ns;
}

static bool is_stale(const struct reg_suspect *suspect, int64_t now_ns)
{
    return now_ns - suspect->reported_ns > REG_EVIDENCE_FRESH_MS * ms;
}

bool reg_evidence_take(struct reg_evidence *evidence, int64_t now_ns, struct reg_look *out)
{
    size_t index = 0;

    while (index < evidence->count) {
        struct reg_suspect *suspect = &evidence->suspects[index];

        if (suspect->asking || suspect->next_ns > now_ns) {
            index++;
        } else if (is_stale(suspect, now_ns)) {
            remove_suspect(evidence, suspect);
        } else {
            suspect->asking = true;
            suspect->asked = suspect->refused ? REG_LOOK_GONE : REG_LOOK_LOST;
            out->node_id = suspect->node_id;
            out->kind = suspect->asked;
            return true;
        }
    }
    return false;
}

/* Asks again after the present delay, and doubles it for the time after. */
static void back_off(struct reg_suspect *suspect, int64_t now_ns)
{
    suspect->next_ns = now_ns + suspect->delay_ns;
    suspect->delay_ns *= 2;
    if (suspect->delay_ns > REG_LOOK_DELAY_MAX_MS * ms) {
        suspect->delay_ns = REG_LOOK_DELAY_MAX_MS * ms;
    }
}

void reg_evidence_answer(struct reg_evidence *evidence, uint64_t node_id, enum reg_verdict verdict,
                         int64_t now_ns)
{
    struct reg_suspect *suspect = find(evidence, node_id);

    if (suspect == NULL) {
        return; /* its death came by an event meanwhile */
    }
    suspect->asking = false;
    if (suspect->refused && suspect->asked == REG_LOOK_LOST &&
        (verdict == REG_VERDICT_FIRST_LOOK || verdict == REG_VERDICT_ALIVE)) {
        suspect->next_ns = now_ns; /* the dial was refused meanwhile, which is more than silence */
        return;
    }
    switch (verdict) {
    case REG_VERDICT_FIRST_LOOK:
        suspect->next_ns = now_ns + (REG_LOST_GRACE_MS + REG_LOOK_DELAY_MIN_MS) * ms;
        break;
    case REG_VERDICT_ALIVE:
        back_off(suspect, now_ns);
        break;
    case REG_VERDICT_DEAD: /* Dials go on failing until its event is here. */
    case REG_VERDICT_NOT_ALLOWED:
        suspect->delay_ns = REG_LOOK_DELAY_MAX_MS * ms;
        back_off(suspect, now_ns);
        break;
    }
}
