/* tests/support/peers_rig.h - nodes made of nothing but a loop and peers, in one process: over
 * loopback with a thread for each loop, or in memory (support/rig_stage.h).
 *
 * Each rig node has a loop and notes what its peers report. Every message
 * carries its sender and a number, so that loss, doubling and a wrong order are all seen.
 */
#ifndef TESTS_SUPPORT_PEERS_RIG_H
#define TESTS_SUPPORT_PEERS_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dist/peers.h"
#include "io/loop.h"
#include "sync/thread.h"

enum {
    RIG_SENDERS = 16,   /* per sending node */
    RIG_NODES = 8,      /* ids 1 to 7 */
    RIG_WAIT_MS = 20000 /* the deadline of every wait */
};

struct rig_pair { /* what a node knows of another */
    uint32_t ups;
    uint32_t losts;
    uint32_t session; /* of the last on_up */
    int reason;       /* of the last on_lost */
    uint32_t unreachable;
    uint32_t refused_dials;
    uint32_t errors; /* of the order of events, of sessions, of contents */
    uint64_t messages;
    uint64_t bytes;
    uint64_t next[RIG_SENDERS]; /* the number that the next message of a sender has to have */
};

struct rig_options {
    uint64_t node_id;
    const char *secret;         /* NULL without tls = plain */
    struct tr_tls_context *tls; /* taken by rig_start; NULL = no TLS */
    uint8_t cluster;
    uint32_t heartbeat_ms; /* 0 = the default, as for the next three */
    uint32_t silence_ms;
    uint32_t resume_window_ms;
    uint32_t handshake_ms;
    size_t send_queue_bytes_max;
    bool no_identity;   /* to be set later */
    const char *listen; /* NULL: 127.0.0.1 */
};

struct rig_node {
    struct rig_options options;
    char name[16]; /* "n<id>" */
    const char *host;
    uint16_t port;
    struct tr_loop *loop;
    struct tr_peers *peers; /* NULL once closed */

    struct tr_mutex lock;
    struct tr_cond changed;
    struct rig_pair pairs[RIG_NODES];
    uint32_t refusals;
    troupe_status refusal;  /* the last */
    char refusal_line[256]; /* of the log, the first */
    char dial_line[256];    /* why somebody cannot be dialled, the first */
    uint32_t dial_lines;
    uint32_t requests;
    bool hold_replies;
    bool closed;
};

/* A cluster secret for tests. */
extern const char rig_secret[];

/* Options of a node of cluster 1 that knows rig_secret. */
struct rig_options rig_defaults(uint64_t node_id);

/* Starts a node that listens. */
void rig_start(struct rig_node *node, const struct rig_options *options);

/* Closes it in order, if it is not closed yet, and ends its loop. */
void rig_stop(struct rig_node *node);

/* Closes the peers in order and waits for it; the loop goes on until rig_stop. */
void rig_close(struct rig_node *node);

/* Waits until `closed`, which tr_peers_close has told of. */
void rig_wait_closed(struct rig_node *node);

/* Runs fn(context) on the node's loop and waits for it. */
void rig_call(struct rig_node *node, void (*fn)(void *context), void *context);

void rig_want(struct rig_node *node, const struct rig_node *other);
void rig_want_at(struct rig_node *node, const struct rig_node *other, uint16_t port);
void rig_forget(struct rig_node *node, uint64_t other_id);
void rig_cut(struct rig_node *node, uint64_t other_id);
void rig_set_identity(struct rig_node *node);

/* Gives the node another certificate; takes it. */
void rig_set_tls(struct rig_node *node, struct tr_tls_context *tls);

/* Gives the node other secrets; accepted may be NULL. */
void rig_set_secrets(struct rig_node *node, const char *secret, const char *accepted);

/* Copies the counters. */
struct tr_peers_counters;
void rig_counters(struct rig_node *node, struct tr_peers_counters *out);

/* Sends message `number` of `sender` with a body of at least 16 bytes. */
troupe_status rig_send(struct rig_node *node, uint64_t to, uint32_t sender, uint64_t number,
                       size_t size, unsigned flags);

/* Waits until the condition holds over `pair`, what `node` knows of `other`; false after
 * RIG_WAIT_MS. */
bool rig_wait(struct rig_node *node, uint64_t other, bool (*holds)(const struct rig_pair *pair));
bool rig_wait_messages(struct rig_node *node, uint64_t other, uint64_t count);
bool rig_wait_ups(struct rig_node *node, uint64_t other, uint32_t count);
bool rig_wait_losts(struct rig_node *node, uint64_t other, uint32_t count);
bool rig_wait_refusals(struct rig_node *node, uint32_t count);

/* Starts two nodes that want each other, with ids 1 and 2, and waits until both are up. */
void rig_start_pair(struct rig_node *one, const struct rig_options *first, struct rig_node *two,
                    const struct rig_options *second);

/* Sends message *number, which it counts up, from one to two of such a pair: it arrives, and their
 * session has never been lost or disturbed. */
void rig_assert_unharmed(struct rig_node *one, struct rig_node *two, uint64_t *number);

/* Copies what `node` knows of `other`. */
struct rig_pair rig_pair(struct rig_node *node, uint64_t other);

uint32_t rig_requests(struct rig_node *node);
troupe_status rig_refusal(struct rig_node *node); /* the last */

/* Whether the first refusal was logged with these words in it. */
bool rig_refusal_says(struct rig_node *node, const char *words);
void rig_hold_replies(struct rig_node *node);

/* A gate in which a node's loop stands still, as a process that was stopped does. */
struct rig_gate {
    struct tr_mutex lock;
    struct tr_cond opened;
    bool open;
    bool entered;
};

/* Answers when the loop has come to stand. */
void rig_gate_shut(struct rig_gate *gate, struct rig_node *node);

/* Answers when it goes on. */
void rig_gate_open(struct rig_gate *gate, struct rig_node *node);

/* Milliseconds of a monotonic clock; in memory, of the time there. */
uint64_t rig_now_ms(void);

#endif
