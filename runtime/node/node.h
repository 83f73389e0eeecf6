/* node/node.h - what a node is made of, for the files of this folder.
 *
 *     troupe_node = scheduler + agent (a system actor through which other threads act)
 *                 + with a registry: loop, peers, router, registry port, names, durable actors
 * Threads: said with each group of fields.
 */
#ifndef TR_NODE_NODE_H
#define TR_NODE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/host.h"
#include "base/limits.h"
#include "base/map.h"
#include "dist/names.h"
#include "dist/router.h"
#include "node/guard.h"
#include "sched/self.h"
#include "troupe/node.h"
#include "troupe/supervisor.h"
#include "type/types.h"

struct tr_groups;
struct tr_loop;
struct tr_peers;
struct tr_timer;
struct tr_traces;

struct tr_member_info {
    uint64_t node_id;
    int64_t since_ms;
    const char *roles; /* in texts, as the next */
    const char *metadata;
    bool connected; /* it has a session with this node */
    bool draining;
    bool up; /* a session has begun, and those who want to hear of nodes were told */
    char name[TR_NODE_NAME_SIZE_MAX + 1];
    char texts[];
};

#define TR_VERSION "0.1.0"

enum tr_node_state { TR_NODE_STARTING, TR_NODE_UP, TR_NODE_FAILED, TR_NODE_STOPPING };

/* What stands in the place of time and threads in a node that is played by its caller's thread. */
struct tr_driver {
    const struct tr_clock *clock;
    /* Runs some actor, or lets time pass. Called instead of waiting, without any lock held. */
    void (*step)(void *context);
    void *context;
};

struct troupe_node {
    /* Constant once started. */
    char name[TR_NODE_NAME_SIZE_MAX + 1];
    troupe_config config; /* strings inside it are gone after start */
    char listen_host[TR_LISTEN_HOST_SIZE_MAX + 1];
    char advertise_host[256]; /* written by the loop under state_mutex when the node finds it */
    bool finds_address;
    char roles[256];
    char metadata[TR_METADATA_SIZE];
    const struct tr_driver *driver; /* lent; NULL: the node has threads of its own */
    struct tr_sched *sched;
    uint64_t agent;       /* id of the system actor that acts for other threads */
    bool agent_is_closed; /* the agent's own */
    struct tr_loop *loop; /* NULL: a local node, without everything below */
    struct tr_peers *peers;
    struct tr_router *router;
    troupe_registry *registry;
    uint16_t port;
    struct tr_guard guard;
    struct tr_node_secrets *secrets; /* owned; NULL: none */
    struct tr_node_tls *tls;         /* owned; NULL: none */
    bool loop_runs;
    bool leaves_in_order; /* written before stop is posted to the loop */
    uint32_t leave_timeout_ms;

    struct tr_groups *groups; /* has a lock of its own, as traces */
    struct tr_traces *traces;
    struct tr_mutex log_mutex;

    struct tr_mutex catalog_mutex; /* types, behaviors */
    struct tr_types *types;
    const troupe_behavior **behaviors;
    size_t behaviors_count;
    void **modules; /* handles of loaded shared objects; never closed while the node lives */
    const troupe_module **module_entries;
    size_t modules_count;

    struct tr_mutex names_mutex;
    struct tr_map names;             /* hash of name -> struct tr_held_name list */
    struct tr_inbox strays;          /* messages to names on their way to the loop */
    struct tr_atomic_u64 unresolved; /* messages to names that wait for a look-up */

    struct tr_mutex state_mutex; /* state, failure, members */
    struct tr_cond state_changed;
    enum tr_node_state state;
    troupe_status failure;
    char failure_text[512];
    struct tr_map members;          /* node id -> struct tr_member_info */
    struct troupe_cluster *cluster; /* them and this node, for who asks; NULL: to be made */
    int64_t since_ms;               /* when this node joined */
    struct tr_map node_watchers;    /* actor id -> struct tr_node_watcher */
    uint32_t clients;               /* requests under way; under state_mutex */
    uint32_t asks;                  /* the same of other nodes; under state_mutex */
    struct tr_map neighbours;       /* node id -> struct tr_neighbour, of places.c */
    uint64_t turns[TR_PLACE_TURNS];
    uint64_t drained[TR_PLACE_DRAINED]; /* nodes that drain, or did; a ring */
    uint32_t drained_at;
    struct tr_atomic_u32 draining; /* nothing is placed here from elsewhere */
    struct tr_atomic_u32 news_due; /* some peer may not know all of this node */

    /* Loop thread. */
    bool fenced;
    struct tr_map lookups;  /* hash of name -> struct tr_lookup list */
    struct tr_map adopters; /* hash of name -> struct tr_adopter: rows that come for supervisors */
    struct tr_timer *lookup_timer;
    struct tr_timer *fence_timer;
    struct tr_sampler *sampler;
    struct tr_timer *news_timer;
    uint64_t actors_told;
    bool leaving;
    bool registry_over; /* stopped: nothing is asked of it any more */

    struct tr_atomic_u64 refused; /* handshakes */
};

/* ---- node.c ---- */
/* What troupe_node_start does. driver may be NULL; its owner plays the loop too (tests/sim). */
TROUPE_MUST_USE troupe_status tr_node_start(const troupe_config *config,
                                            const struct tr_driver *driver, troupe_node **out,
                                            char *error, size_t error_size);
/* Waits with the mutex held, at most timeout_ns (negative: without end), as a condition does; a
 * node that is played goes on meanwhile. May return without a reason. */
void tr_node_wait(struct troupe_node *node, struct tr_cond *cond, struct tr_mutex *mutex,
                  int64_t timeout_ns);
/* Ends what a node is made of, whatever of it is there, and frees it. */
void tr_node_take_down(struct troupe_node *node, bool leave, uint32_t timeout_ms);

/* ---- log.c ---- */
void tr_node_log(struct troupe_node *node, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same as peers and registries say it. */
void tr_node_log_text(void *node, int level, const char *text);

/* ---- catalog.c: types and behaviors by name ---- */
troupe_status tr_catalog_init(struct troupe_node *node);
void tr_catalog_fini(struct troupe_node *node);
/* Adds behaviors, up to NULL; and tells registry and peers of what the catalog has. */
troupe_status tr_catalog_add(struct troupe_node *node, const troupe_behavior *const *behaviors,
                             char *error, size_t error_size);
void tr_catalog_publish(struct troupe_node *node);
const troupe_behavior *tr_catalog_behavior(struct troupe_node *node, const char *name);
const troupe_type *tr_catalog_type(struct troupe_node *node, const char *name, size_t size);
/* Copies the name of the behavior at an address, "" when it was not made known by name. */
void tr_catalog_behavior_name(struct troupe_node *node, uint64_t address, char *name, size_t size);

/* ---- spawn.c ---- */
/* Sends a request to a node; the caller's operation ends with its answer, or when the node is lost.
 */
void tr_spawn_send(troupe_self *self, uint64_t node_id, const struct tr_spawn_request *request);
/* Answers the caller of a request, wherever it is. */
void tr_spawn_answer(struct troupe_node *node, struct tr_worker *worker, troupe_pid caller,
                     uint64_t ref, uint32_t session, troupe_status status, troupe_pid pid,
                     uint32_t flags, const char *text);
void tr_spawn_remote_request(struct troupe_node *node, const struct tr_spawn_request *request,
                             uint32_t session);

/* ---- cluster.c: events of registry and peers ---- */
troupe_status tr_cluster_start(struct troupe_node *node, char *error, size_t error_size);
void tr_cluster_stop(struct troupe_node *node, bool leave, uint32_t timeout_ms);
/* The loop's clock in timeout_ms from now. Any thread. */
int64_t tr_node_loop_deadline(struct troupe_node *node, uint32_t timeout_ms);
void tr_cluster_drain(struct troupe_node *node, bool drain);

/* ---- clients.c: requests of the administration protocol that come over TCP ---- */
void tr_clients_request(struct troupe_node *node, uint64_t client, uint64_t request,
                        const uint8_t *bytes, size_t size);
void tr_clients_drain(struct troupe_node *node); /* waits for those under way */

/* ---- stop.c ---- */
/* Ends every actor of users, trapping or not; kind FENCED or KILL. Any thread. */
void tr_node_signal_all(struct troupe_node *node, int32_t kind, const char *text);
void tr_node_signal_one(struct troupe_node *node, uint64_t actor_id, int32_t kind,
                        const char *text);
/* Asks all actors to end in order and waits; then kills what is left. */
void tr_node_end_actors(struct troupe_node *node, uint32_t timeout_ms, int32_t kind);
void tr_node_end_blocking(struct troupe_node *node, int64_t until_ns); /* waits until then */
uint64_t tr_node_user_actors(struct troupe_node *node);

#endif
