/* support/fake_cluster.h - what the two files of the fake registry share: the tables in memory.
 *
 * Functions whose name begins with fake_ are called with the cluster's mutex held, unless said
 * otherwise.
 */
#ifndef SUPPORT_FAKE_CLUSTER_H
#define SUPPORT_FAKE_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dist/names.h"
#include "io/loop.h"
#include "io/timer.h"
#include "names/link_window.h"
#include "support/fake_registry.h"
#include "sync/thread.h"

enum { NODES_MAX = 64, BEHAVIORS_MAX = 64, ATTEMPTS_MAX = 5 };

struct fake_node;

enum node_state { NODE_NEW, NODE_UP, NODE_FENCED, NODE_STOPPED };

/* Something to tell a node on its own loop; strings are copies. */
struct fake_item {
    void (*run)(struct fake_node *node, const struct fake_item *item);
    struct fake_item *next;
    uint64_t node_id;
    uint64_t id;
    uint64_t epoch;
    uint64_t seq;
    uint16_t port;
    int32_t version;
    bool strict;
    char *a;
    char *b;
    char *c;
    char *d;
    char *e;
    int64_t since_ms;
    struct tr_name_result result;
    tr_name_done done;
    tr_samples_done samples_done;
    void *done_context;
    struct tr_step *step;
    enum tr_step_outcome outcome;
};

struct fake_name {
    struct fake_name *next;
    char *name;
    uint64_t node_id;
    uint64_t actor_id;
    uint64_t epoch;
    bool durable;
    bool strict;
    bool stopped; /* its actor has ended, the row stays */
    char *behavior;
    char *checkpoint;
    char *state;
    char *options;
    int32_t version;
    uint64_t seq;
};

struct fake_message {
    struct fake_message *next;
    uint64_t id;
    char *to;
    char *from;
    char *type;
    char *payload;
    uint64_t in_hand; /* the epoch of the holder that has it; 0 = nobody */
    unsigned attempts;
};

struct fake_node {
    struct troupe_registry box; /* first */
    struct fake_cluster *cluster;
    struct tr_registry_join join;
    char name[64];
    char host[128];
    char metadata[2048];
    struct tr_timer *timer; /* renews the lease; the loop's thread */
    uint64_t node_id;
    int64_t since_ms;
    enum node_state state;
    bool crashed;
    bool draining;
    bool deaf; /* stopped: nothing is told any more */
    char *behaviors[BEHAVIORS_MAX];
    size_t behavior_count;
    struct fake_item *head;
    struct fake_item *tail;
    bool posted;
    struct tr_step *held_steps; /* while the database is away */
    struct tr_registry_health health;
};

struct fake_cluster {
    struct tr_mutex mutex; /* owns everything below, and the nodes but for their timers */
    struct fake_node *nodes[NODES_MAX];
    size_t node_count;
    uint64_t last_node_id;
    uint64_t last_epoch;
    uint64_t last_message;
    struct fake_name *names;
    struct fake_message *inbox;
    struct reg_link_window links; /* never emptied: what is in it is the table */
    bool away;
    bool loses_samples;
    struct fake_samples samples;
    size_t turn; /* who gets the next orphan */
};

/* fake_registry.c */
char *fake_copy(const char *text);

/* Functions of the port. */
void fake_drain(void *context, bool on);
void fake_set_metadata(void *context, const char *metadata);
bool fake_is_up(struct fake_node *node); /* takes the mutex */
struct fake_item *fake_tell(struct fake_node *node,
                            void (*run)(struct fake_node *node, const struct fake_item *item));
void fake_tell_up(struct fake_node *node, const struct fake_node *other);
void fake_tell_answer(struct fake_node *node, tr_name_done done, void *context,
                      struct tr_name_result result, const char *text);
void fake_tell_outcome(struct fake_node *node, struct tr_step *step, enum tr_step_outcome outcome);
void fake_tell_orphan(struct fake_node *node, const struct fake_name *name);
struct fake_node *fake_find_node(struct fake_cluster *cluster, uint64_t node_id);
struct fake_name *fake_find_name(struct fake_cluster *cluster, const char *text);
void fake_remove_name(struct fake_cluster *cluster, struct fake_name *name);
struct fake_message **fake_find_message(struct fake_cluster *cluster, uint64_t id, const char *to);
void fake_remove_message(struct fake_message **place);
uint64_t fake_add_message(struct fake_cluster *cluster, const char *to, const char *from,
                          const char *type, const char *payload);
void fake_deliver(struct fake_cluster *cluster, const char *to);
void fake_recover(struct fake_cluster *cluster);
void fake_end_held_steps(struct fake_node *node);
void fake_end_node(struct fake_cluster *cluster, struct fake_node *node, const char *why);
void fake_free_item(struct fake_item *item);

/* The port's; without the mutex. */
bool fake_sample(void *context, const struct tr_samples *samples, tr_samples_done done,
                 void *done_context);

/* fake_port.c */
void fake_decide_step(struct fake_node *node, struct tr_step *step);
struct tr_registry_port fake_port(struct fake_node *node); /* without the mutex */

#endif
