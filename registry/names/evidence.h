/* names/evidence.h - when to accuse which unreachable member: a table of suspects, no SQL.
 *
 *     report(node, refused, now) -> next() -> take(now, &look) -> [ask the database] -> answer(...)
 *
 * A report is evidence only while it is fresh: who dialled and failed a while ago may reach the
 * member again by now, so old reports fade and the peer layer reports each new failure. Between
 * looks the delay doubles, from short (a killed process's session lock is gone within a few
 * milliseconds) to long (a member that is cut off from us but not from the database stays one).
 *
 * Threads: the owner's. Memory: the caller's; nothing is allocated.
 */
#ifndef REG_NAMES_EVIDENCE_H
#define REG_NAMES_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REG_SUSPECTS_MAX = 256, /* more members than this at once are left to their leases */
    REG_EVIDENCE_FRESH_MS = 1500,
    REG_LOST_GRACE_MS = 300,  /* between the two looks of `lost` */
    REG_LOOK_SILENCE_MS = 10, /* before the first of them: a dial that is refused says more */
    REG_LOOK_DELAY_MIN_MS = 2,
    REG_LOOK_DELAY_MAX_MS = 500
};

enum reg_look_kind {
    REG_LOOK_GONE, /* dialling was refused: the process does not listen any more */
    REG_LOOK_LOST, /* only silence */
};

struct reg_look {
    uint64_t node_id;
    enum reg_look_kind kind;
};

/* What the database said to an accusation. */
enum reg_verdict {
    REG_VERDICT_DEAD,        /* declared now or before: its event is on the way, then forget */
    REG_VERDICT_ALIVE,       /* it has a session or a lease: ask again later */
    REG_VERDICT_FIRST_LOOK,  /* of `lost`: ask again after the grace */
    REG_VERDICT_NOT_ALLOWED, /* we may not accuse now; or the question got lost */
};

struct reg_suspect {
    uint64_t node_id;
    bool refused;
    bool asking;              /* the database has been asked and has not answered */
    enum reg_look_kind asked; /* what, the last time */
    int64_t reported_ns;
    int64_t next_ns;
    int64_t delay_ns;
};

struct reg_evidence {
    size_t count;
    struct reg_suspect suspects[REG_SUSPECTS_MAX];
};

void reg_evidence_init(struct reg_evidence *evidence);

/* The session with a member broke, or a dial failed. Answers false when the table is full. */
bool reg_evidence_report(struct reg_evidence *evidence, uint64_t node_id, bool refused,
                         int64_t now_ns);

/* The member is dead, or there is nothing to ask any more. */
void reg_evidence_forget(struct reg_evidence *evidence, uint64_t node_id);

/* Answers when take will have something, INT64_MAX for never. */
int64_t reg_evidence_next(const struct reg_evidence *evidence);

/* Gives the next accusation that is due and marks it as asked; false when there is none. */
bool reg_evidence_take(struct reg_evidence *evidence, int64_t now_ns, struct reg_look *out);

/* What became of an accusation that take gave. */
void reg_evidence_answer(struct reg_evidence *evidence, uint64_t node_id, enum reg_verdict verdict,
                         int64_t now_ns);

#endif
