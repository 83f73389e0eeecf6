/* What puppets are told and answer, and what one keeps: see puppet_module.c. */
#ifndef TEST_PUPPET_H
#define TEST_PUPPET_H

#include <stdint.h>

#include <troupe/troupe.h>

enum { LINE_SIZE = 512, STREAMS_MAX = 32, PIECE_LINES = 2000 };

/* ---- types ---- */

typedef struct order {
    const char *op;
    const char *to; /* a pid as text, or a name */
    const char *text;
    int64_t n;
    int64_t m;
    int64_t size;
} order;
TROUPE_TYPE(order, "puppet.order", TROUPE_FIELD(order, op, 1), TROUPE_FIELD(order, to, 2),
            TROUPE_FIELD(order, text, 3), TROUPE_FIELD(order, n, 4), TROUPE_FIELD(order, m, 5),
            TROUPE_FIELD(order, size, 6));

typedef struct answer {
    const char *status;
    const char *text;
    int64_t n;
    troupe_pid pid;
} answer;
TROUPE_TYPE(answer, "puppet.answer", TROUPE_FIELD(answer, status, 1), TROUPE_FIELD(answer, text, 2),
            TROUPE_FIELD(answer, n, 3), TROUPE_FIELD(answer, pid, 4));

typedef struct words {
    const char *text;
} words;
TROUPE_TYPE(words, "puppet.words", TROUPE_FIELD(words, text, 1));

/* A request: what becomes of it is in mode. */
typedef struct ask {
    const char *mode;
    const char *text;
} ask;
TROUPE_TYPE(ask, "puppet.ask", TROUPE_FIELD(ask, mode, 1), TROUPE_FIELD(ask, text, 2));

/* A pid on its way: who gets it writes to it. */
typedef struct token {
    troupe_pid pid;
} token;
TROUPE_TYPE(token, "puppet.token", TROUPE_FIELD(token, pid, 1));

typedef struct number {
    int64_t stream;
    int64_t n; /* from 1 */
    troupe_bytes pad;
} number;
TROUPE_TYPE(number, "puppet.number", TROUPE_FIELD(number, stream, 1), TROUPE_FIELD(number, n, 2),
            TROUPE_FIELD(number, pad, 3));

typedef struct tick {
    int64_t stream;
} tick;
TROUPE_TYPE(tick, "puppet.tick", TROUPE_FIELD(tick, stream, 1));

typedef struct look {
    int64_t from;
} look;
TROUPE_TYPE(look, "puppet.look", TROUPE_FIELD(look, from, 1));

typedef struct seen {
    const words *lines;
    size_t lines_count;
    int64_t count; /* of all lines */
} seen;
TROUPE_TYPE(seen, "puppet.seen",
            TROUPE_FIELD_STRUCT_ARRAY(seen, lines, lines_count, 1, &words_type),
            TROUPE_FIELD(seen, count, 2));

/* What is known of one stream, at its sender (sent, refused) or at its receiver (the others). */
typedef struct ledger {
    int64_t stream;
    int64_t sent;
    int64_t refused; /* tries that were answered with an error; each number is tried until it is
                        taken */
    int64_t got;
    int64_t last;
    int64_t missing; /* numbers that were jumped over */
    int64_t again;   /* numbers that came though they, or later ones, had come */
    int64_t bad;     /* contents that are not what was sent */
} ledger;
TROUPE_TYPE(ledger, "puppet.ledger", TROUPE_FIELD(ledger, stream, 1), TROUPE_FIELD(ledger, sent, 2),
            TROUPE_FIELD(ledger, refused, 3), TROUPE_FIELD(ledger, got, 4),
            TROUPE_FIELD(ledger, last, 5), TROUPE_FIELD(ledger, missing, 6),
            TROUPE_FIELD(ledger, again, 7), TROUPE_FIELD(ledger, bad, 8));

typedef struct ledger_get {
    int64_t stream;
} ledger_get;
TROUPE_TYPE(ledger_get, "puppet.ledger_get", TROUPE_FIELD(ledger_get, stream, 1));

struct stream {
    ledger ledger;
    troupe_pid to;
    int64_t until; /* numbers to send; 0 while it does not send */
    int64_t each;  /* in one tick */
    size_t size;   /* bytes of the padding */
    uint64_t timer;
};

struct puppet {
    char **lines;
    size_t count, room;
    int64_t asked;
    troupe_from held; /* a request that nobody answers */
    struct stream streams[STREAMS_MAX];
    troupe_pid parent; /* of a child: who is told of its start and its end */
};

/* ---- puppet_module.c ---- */

extern const troupe_handler puppet_handlers[];
extern const troupe_behavior puppet_behavior;
void puppet_release(void *state);
int puppet_on_result(troupe_self *self, void *state, const troupe_result *result);

/* ---- puppet_family.c ---- */

extern const troupe_behavior puppet_parent;
extern const troupe_behavior puppet_child;

/* Starts a supervisor of n children c1, c2 ... that run where `to` says. text is the number of its
 * strategy, m how many restarts are allowed within a minute. The caller hears from each child when
 * it starts and when it ends. */
troupe_status puppet_supervise(troupe_self *self, const order *wanted, troupe_pid *pid);

/* Waits, on a thread for blocking work, for n nodes, for those that `to` lists and the roles that
 * text lists, size milliseconds at most; the result has the tag m. */
troupe_status puppet_wait(troupe_self *self, const order *wanted);

#endif
