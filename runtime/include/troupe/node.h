/* troupe/node.h - a node: the runtime of one process, seen from outside its actors.
 *
 *     troupe_config config;
 *     troupe_config_init(&config);
 *     troupe_node *node = NULL;
 *     if (troupe_node_start(&config, &node, error, sizeof(error)) != TROUPE_OK) ...
 *     troupe_node_spawn(node, &counter_behavior, NULL, NULL, &pid);
 *     troupe_node_call(node, pid, &add_type, &(add){.by = 1}, 1000, &result);
 *     troupe_result_clear(&result);
 *     troupe_node_stop(node, 5000);
 *
 * There is no global state: several nodes may live in one process.
 * Threads: every function here may be called from any thread but an actor's; those that block say
 * so.
 */
#ifndef TROUPE_NODE_H
#define TROUPE_NODE_H

#include "troupe/actor.h"
#include "troupe/mailbox.h"
#include "troupe/module.h"
#include "troupe/registry.h"
#include "troupe/telemetry.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct troupe_node troupe_node;

/* Writes one log line. node is the node's name, text has no line break. Called from any thread of
 * the node, one at a time. */
typedef void (*troupe_log_fn)(void *context, int32_t level, const char *node, const char *text);

/* Whether messages above 4 KiB to other nodes are compressed, by the thread that sends, and kept so
 * when they become smaller by an eighth: between two nodes that both do. Worth it where the network
 * is slower than some 2 Gbit/s; on one host or in one rack it costs more time than it saves. */
typedef enum troupe_compression {
    TROUPE_COMPRESSION_OFF = 0,
    TROUPE_COMPRESSION_ZSTD = 1
} troupe_compression;

/* Fill it with troupe_config_init, then change what you need. Strings are copied at start. */
typedef struct troupe_config {
    uint32_t struct_size; /* set by troupe_config_init, so that the struct can grow */
    const char *name;     /* node name, 1 to 63 of [A-Za-z0-9_.-]; default "local" */
    uint32_t workers;     /* threads that run actors; 0: one per core */

    troupe_registry *registry; /* NULL: a local node, without network. Taken, whatever the answer */
    const char *listen_host;   /* address to listen on; default "127.0.0.1". Or "unix:/path" of at
                                  most 107 bytes: nodes of this host connect by the file system. A
                                  socket there that a dead process has left is replaced */
    uint16_t listen_port;      /* 0: any free port; 0 for a unix socket */
    const char *advertise_host; /* what others dial. NULL or "auto": listen_host, unless that is
                                   0.0.0.0 or ::, when the node finds an address of its own at each
                                   join: the one by which it reaches the registry, else that of its
                                   first interface. With a unix socket: its path as others see it */
    troupe_bytes secret; /* cluster secret, at least 32 bytes. Empty without TLS: loopback and unix
                            sockets only, nothing is authenticated */
    troupe_bytes secret_accepted; /* a second secret that others may prove instead, and this node
                                     never does: see troupe_node_set_secrets. Empty: none */
    /* Files in PEM; all three, or none. With them every connection is TLS 1.3, both ends show a
       certificate, and both have to know the secret too if there is one. NULL: no TLS */
    const char *tls_cert; /* of this node: its name is the URI troupe://CLUSTER/node/NAME */
    const char *tls_key;  /* its private key; nobody else may read the file */
    const char *tls_ca;   /* the authorities that certificates of others have to come from */
    /* What all members and troupe.nodes know of this node; may be NULL. Roles are a comma list,
     * each of 1 to 63 of [A-Za-z0-9_.-], 255 bytes together. Metadata is a comma list of key=value:
     * keys as roles, values up to 255 bytes of UTF-8 without commas and control characters, 2,047
     * bytes together. */
    const char *roles;
    const char *metadata;

    uint32_t lease_ttl_ms;     /* default 5,000; at least 500 */
    uint32_t heartbeat_ms;     /* default 500 */
    uint32_t silence_ms;       /* a peer silent for so long is cut off; default 3,000 */
    uint32_t resume_window_ms; /* a broken connection is resumed this long; default 3,000 */
    bool exit_when_fenced;   /* false: rejoin as a new node; true: on_fenced is called once and the
                                node stays empty */
    bool allow_unsafe_fsync; /* accept a database with fsync=off */

    uint32_t actors_max;       /* default 4,000,000 */
    uint32_t mailbox_messages; /* default 10,000 */
    uint64_t mailbox_bytes;    /* default 16 MiB */
    int32_t mailbox_policy;    /* troupe_mailbox_policy; default TROUPE_MAILBOX_REJECT */
    /* Bytes that wait to be sent to one other node. From the high mark on (default 16 MiB) a
     * sending actor is suspended until no more than the low mark (8 MiB) wait, and threads are told
     * TROUPE_E_BUSY; at the bound (64 MiB) everybody is. low <= high <= bound. */
    uint64_t send_queue_bytes;
    uint64_t send_queue_high_bytes;
    uint64_t send_queue_low_bytes;
    int32_t compression;       /* troupe_compression; default TROUPE_COMPRESSION_OFF */
    uint32_t call_timeout_ms;  /* default 5,000 */
    uint32_t blocking_threads; /* for troupe_blocking; 1 to 256, default 16 */
    uint32_t blocking_queue;   /* functions that may wait for one of them; default 1,000 */
    uint64_t seed;             /* of every choice by chance; 0: from the system */

    troupe_log_fn log; /* NULL: no log */
    void *log_context;
    troupe_telemetry_fn telemetry; /* NULL: nobody is told; see telemetry.h for where it runs */
    void *telemetry_context;
    uint64_t telemetry_events; /* TROUPE_EVENT_BIT of what it is told; default all but HANDLED */
    uint32_t telemetry_sample; /* HANDLED tells of one of so many messages; default 1,000 */
    void (*on_fenced)(void *context); /* with exit_when_fenced */
    void *on_fenced_context;
    uint32_t listen_mode; /* of a unix socket, as of a file; default 0600: nodes of the same user */
    /* What the node knows before it is a member, so that others can place actors here from the
     * first moment; NULL at the end, or NULL. See troupe_node_add_behavior. */
    const troupe_behavior *const *behaviors;
} troupe_config;

TROUPE_API void troupe_config_init(troupe_config *config);

/* Starts a node. With a registry this blocks until it is a member (at most 30 s). On failure error
 * (may be NULL) says what was wrong. Gives *node, which troupe_node_stop ends. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_start(const troupe_config *config,
                                                           troupe_node **node, char *error,
                                                           size_t error_size);

/* The first half of troupe_node_stop, for a program that goes on answering meanwhile: nothing new
 * is placed here, actors exit `shutdown` in order, links and monitors elsewhere fire; after
 * timeout_ms what is left is killed. Then blocking calls of other threads end with TROUPE_E_CLOSED,
 * those under way too. Until troupe_node_stop, troupe_node_admin goes on telling about the node.
 * Blocks. */
TROUPE_API void troupe_node_shutdown(troupe_node *node, uint32_t timeout_ms);

/* Stops in order: actors exit `shutdown`, links and monitors elsewhere fire, the row becomes
 * `left`. After timeout_ms what is left is killed. Blocks. Takes the node. */
TROUPE_API void troupe_node_stop(troupe_node *node, uint32_t timeout_ms);

/* Nothing is placed here any more (drain), or again: spawns of other nodes are refused with
 * TROUPE_E_CLOSED, rules of placement pass it over, names are neither taken nor recovered here.
 * What runs goes on, and what it spawns here does too. The row says `draining`. troupe_node_stop
 * does this first. Does not block. */
TROUPE_API void troupe_node_drain(troupe_node *node, bool drain);

/* Makes types and behaviors known, so that other nodes can send and spawn them here. Descriptions
 * are lent as long as the node lives. TROUPE_E_INVALID or TROUPE_E_EXISTS; error says which. Blocks
 * briefly. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_add_type(troupe_node *node,
                                                              const troupe_type *type, char *error,
                                                              size_t error_size);
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_add_behavior(troupe_node *node,
                                                                  const troupe_behavior *behavior,
                                                                  char *error, size_t error_size);
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_add_module(troupe_node *node,
                                                                const troupe_module *module,
                                                                char *error, size_t error_size);
/* Loads the shared object at path. TROUPE_E_MODULE; error says why. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_load_module(troupe_node *node,
                                                                 const char *path, char *error,
                                                                 size_t error_size);

/* What troupe_spawn does, from outside. Blocks until init has run and the name, if any, is
 * registered. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_spawn(troupe_node *node,
                                                           const troupe_behavior *behavior,
                                                           const void *args,
                                                           const troupe_spawn_options *options,
                                                           troupe_pid *pid);

/* Sends; does not block. TROUPE_E_BUSY: the mailbox has no room, or too much waits to be sent to
 * that node. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_send(troupe_node *node, troupe_pid to,
                                                          const troupe_type *type,
                                                          const void *message);

/* Calls and blocks until the reply. On TROUPE_OK *result owns a copy of the reply; release it with
 * troupe_result_clear. Otherwise result->status and result->reason say why (also to be cleared). */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_call(troupe_node *node, troupe_pid to,
                                                          const troupe_type *type,
                                                          const void *message, uint32_t timeout_ms,
                                                          troupe_result *result);
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_call_name(troupe_node *node, const char *name,
                                                               const troupe_type *type,
                                                               const void *message,
                                                               uint32_t timeout_ms,
                                                               troupe_result *result);
/* Answers a request that an actor has taken (troupe_take_from) and handed to this thread. At most
 * once: what comes later the caller drops, counted as replies_late. Does not block.
 * TROUPE_E_INVALID, TROUPE_E_LIMIT and TROUPE_E_NO_MEMORY leave the request open. Erlang:
 * gen_server:reply/2. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_reply_to(troupe_node *node,
                                                              const troupe_from *from,
                                                              const troupe_type *type,
                                                              const void *message);
/* Releases what a result of the blocking calls owns. NULL fields are fine. */
TROUPE_API void troupe_result_clear(troupe_result *result);

/* Asks the registry who holds a name. Blocks. TROUPE_E_NOT_FOUND. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_whereis(troupe_node *node, const char *name,
                                                             uint32_t timeout_ms, troupe_pid *pid);

/* Sends an exit signal. Does not block. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_exit(troupe_node *node, troupe_pid to,
                                                          int32_t kind, const char *text);

/* Blocks until the actor has ended and gives its reason's kind, which is TROUPE_REASON_NOPROC when
 * it had ended before. TROUPE_E_TIMEOUT after timeout_ms. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_join(troupe_node *node, troupe_pid pid,
                                                          uint32_t timeout_ms, int32_t *kind);

/* The same, and gives the words of the reason, cut to text_size bytes with their NUL; "" when there
 * are none. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_join_reason(troupe_node *node, troupe_pid pid,
                                                                 uint32_t timeout_ms, int32_t *kind,
                                                                 char *text, size_t text_size);

/* Blocks until so many nodes, this one included, are up and connected, and do not drain.
 * TROUPE_E_TIMEOUT, TROUPE_E_CLOSED. More conditions: troupe_node_wait_cluster_for (cluster.h). */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_wait_cluster(troupe_node *node,
                                                                  uint32_t nodes_min,
                                                                  uint32_t timeout_ms);

/* Numbers about a node, exact when it is quiet. */
typedef struct troupe_node_info {
    uint32_t struct_size; /* set by the caller to sizeof(troupe_node_info) */
    uint64_t node_id;
    uint16_t port;
    uint64_t actors;            /* alive now */
    uint64_t actors_started;    /* ever */
    uint64_t messages_dropped;  /* to the dead, refused by a full mailbox, or of an unknown name */
    uint64_t messages_unknown;  /* of a type that the behavior does not handle */
    uint64_t runs_slow;         /* batches of one actor that kept a worker for more than 50 ms */
    uint64_t peers;             /* connected nodes */
    uint64_t peers_refused;     /* handshakes refused */
    uint64_t lease_left_ms;     /* 0: none */
    uint64_t mailbox_overflows; /* messages for which a mailbox had no room */
    uint64_t senders_suspended; /* how often a full mailbox or send queue suspended a sender */
    uint64_t replies_late;      /* that nobody waited for any more, or that came twice */
    int64_t tls_expires;        /* its certificate: seconds since 1970; 0: no TLS */
    char advertise_host[256];   /* what others are told to dial, "" before it was found */
    uint64_t senders_waiting;   /* actors that are suspended so now */
    uint64_t send_queue_bytes;  /* that wait to be sent to other nodes */
    uint64_t signals_refused;   /* from other nodes: unreadable, or more than a node may say */
    uint64_t messages_compressed; /* sent so */
    uint64_t bytes_saved;         /* by that */
} troupe_node_info;
TROUPE_API void troupe_node_get_info(troupe_node *node, troupe_node_info *info);

/* Reads the files of a node that runs with TLS again, from the same paths or others: for
 * connections from now on; those there are go on. On failure, TROUPE_E_INVALID mostly, the node
 * goes on with what it has, and error (may be NULL) names the file and what is wrong with it.
 * Blocks briefly. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_reload_tls(troupe_node *node,
                                                                const char *tls_cert,
                                                                const char *tls_key,
                                                                const char *tls_ca, char *error,
                                                                size_t error_size);

/* Reads the three files as the start of node `name` with TLS would, and looks whether they are that
 * node's, fit together, are signed and valid today. Gives in *expires (may be NULL) when the
 * certificate, or the first it depends on, expires: seconds since 1970. On failure,
 * TROUPE_E_INVALID mostly, error (may be NULL) names the file and what is wrong with it. Any
 * thread; needs no node. Blocks briefly. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_tls_check(const char *name, const char *tls_cert,
                                                          const char *tls_key, const char *tls_ca,
                                                          int64_t *expires, char *error,
                                                          size_t error_size);

/* Replaces the cluster secret, and the one that is accepted beside it (empty: none), in a node that
 * has one: for connections from now on; those there are go on, and sessions are resumed with the
 * new ones. A cluster changes its secret without a lost message when first all nodes accept the new
 * one, then all use it and accept the old one, then all accept none. Both are copied. On failure,
 * TROUPE_E_INVALID (size, or a node that begins or ends to have a secret) or TROUPE_E_NO_MEMORY,
 * the node goes on with what it has, and error (may be NULL) says what is wrong. Any thread, not
 * blocking. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_set_secrets(troupe_node *node,
                                                                 troupe_bytes secret,
                                                                 troupe_bytes accepted, char *error,
                                                                 size_t error_size);

TROUPE_API const char *troupe_node_name(const troupe_node *node);

/* ---- by name of type and in JSON: what the command line and other languages use ---- */

/* Handles one request of the administration protocol (docs/admin.md): a JSON object with "op" and
 * its arguments. Gives *reply, a JSON object, always; release it with troupe_json_free. Blocks at
 * most timeout_ms, which the request may shorten. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_admin(troupe_node *node, const char *request,
                                                           uint32_t timeout_ms, char **reply);

#ifdef __cplusplus
}
#endif

#endif
