/* dist/name_types.h - what is said through the registry port (dist/names.h): members, requests,
 * results, steps.
 *
 * Memory: strings in requests and steps are lent until their `done`; those in results and rows for
 * the call.
 */
#ifndef TR_DIST_NAME_TYPES_H
#define TR_DIST_NAME_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "troupe/pid.h"
#include "troupe/status.h"

struct tr_member {
    uint64_t node_id;
    const char *name;
    const char *host;
    uint16_t port;
    bool draining;
    /* Comma lists, "a,b" and "key=value,..."; NULL is "". */
    const char *roles;
    const char *metadata;
    int64_t since_ms; /* when it joined: since 1970, on the registry's clock */
};

/* How an operation on a name ended. */
struct tr_name_result {
    troupe_status
        status; /* OK; NOT_FOUND; EXISTS (pid holds it); AGAIN (durable, its node is dead, not
                   recovered yet); FENCED; REGISTRY (not done); UNKNOWN (may be done) */
    troupe_pid pid;
    uint64_t epoch;
    const char *text; /* words for people, "" when there are none */
};

typedef void (*tr_name_done)(void *context, const struct tr_name_result *result);

struct tr_name_register {
    const char *name;
    uint64_t actor_id;
    bool durable;
    bool strict;
    const char *behavior;     /* NULL for an actor without one to recover by */
    int32_t version;          /* of the state */
    const char *checkpoint;   /* "each", "every", "on_stop", "explicit" */
    const char *state_json;   /* first checkpoint; NULL when not durable */
    const char *options_json; /* of the spawn (node/birth.h); NULL: all are the node's defaults */
    int64_t deadline_ns;      /* on the loop's clock */
    tr_name_done done;
    void *context;
};

/* A message of the inbox, as stored; payload_json fits the type called type. */
struct tr_inbox_row {
    uint64_t id;
    const char *to;
    const char *from;
    const char *type;
    const char *payload_json;
};

/* An actor claimed from a dead node: this node holds its name now and has to start it. */
struct tr_orphan {
    const char *name;
    uint64_t epoch;
    bool strict;
    const char *behavior;
    int32_t version;
    const char *checkpoint;
    uint64_t seq;
    const char *state_json;   /* "{}" when nothing was ever saved */
    const char *options_json; /* as it was registered; NULL: none */
};

struct tr_outgoing {
    const char *to;
    const char *type;
    const char *payload_json;
};

enum tr_step_outcome {
    TR_STEP_COMMITTED,
    TR_STEP_FENCED,  /* the epoch is not ours any more: nothing was written; the actor must die */
    TR_STEP_REPLAYED /* a handled inbox row was gone already: nothing was written; reload from the
                        row */
};

/* One transactional step of one durable actor: state, consumed inbox rows and outgoing messages
 * together. It is retried until the database has decided, across reconnects; the sequence number
 * makes that safe. At most one step per name is under way at a time. Lent to the registry until
 * done. */
struct tr_step {
    const char *name;
    uint64_t epoch;
    uint64_t seq; /* grows by one at each step */
    int32_t version;
    const char *state_json; /* NULL: unchanged */
    const uint64_t *handled;
    size_t handled_count;
    const struct tr_outgoing *outgoing;
    size_t outgoing_count;
    void (*done)(void *context, enum tr_step_outcome outcome);
    void *context;
    struct tr_step *next; /* the registry's own, while it holds the step */
};

enum tr_link_kind { TR_LINK_ROW_LINK, TR_LINK_ROW_MONITOR };

/* A link or monitor that crosses nodes, for the table `link`; a watches or is linked to b. */
struct tr_link_row {
    enum tr_link_kind kind;
    troupe_pid a;
    troupe_pid b;
    uint64_t ref; /* of a monitor; 0 for links */
};

/* What somebody may have a node do who is not on it. */
enum tr_may {
    TR_MAY_SPAWN = 1,
    TR_MAY_EXIT = 2, /* send exit signals to actors that its own are not linked to */
    TR_MAY_REGISTER = 4,
    TR_MAY_ALL = 7
};

/* Bits of enum tr_may, by the role that was proven in the handshake. */
struct tr_policy {
    uint32_t node;
    uint32_t client;
};

#endif
