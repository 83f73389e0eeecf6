/* dist/peers_config.h - what peers are made with, and what they count. Part of dist/peers.h. */
#ifndef TR_DIST_PEERS_CONFIG_H
#define TR_DIST_PEERS_CONFIG_H

#include <stddef.h>
#include <stdint.h>

struct tr_loop;

enum { TR_PEERS_LOG_DEBUG, TR_PEERS_LOG_INFO, TR_PEERS_LOG_WARNING, TR_PEERS_LOG_ERROR };

struct tr_peers_config {
    struct tr_loop *loop;
    const char *node_name;   /* 1 to TR_NODE_NAME_SIZE_MAX printable characters */
    const char *listen_host; /* a numeric address, or "unix:" and a path */
    uint16_t listen_port;    /* 0 = let the system choose, and for a unix socket */
    uint32_t listen_mode;    /* of a unix socket: 0 = 0600 */
    uint32_t heartbeat_ms;   /* 0 in this group = the default of base/limits.h */
    uint32_t silence_ms;
    uint32_t resume_window_ms;
    uint32_t handshake_ms; /* deadline of a connection that has not proven itself */
    uint64_t features;     /* TR_FEATURE_* of wire/hello.h that we offer */
    size_t send_queue_bytes_max;
    size_t queue_high; /* not above that; 0: the default, or that if it is less */
    size_t queue_low;  /* not above high; 0: the default, or half of high */
    uint64_t seed;     /* of the jitter */
    void (*log)(void *context, int level, const char *text); /* may be NULL */
    void *log_context;
};

struct tr_peers_counters {
    uint64_t accepted; /* connections */
    uint64_t dialled;
    uint64_t dial_failures;
    uint64_t refused;      /* handshakes, for whatever reason */
    uint64_t refused_auth; /* of these: wrong secret, mode or certificate */
    uint64_t turned_away;  /* connections closed because too many were unproven */
    uint64_t handshake_timeouts;
    uint64_t garbage; /* connections closed for frames that cannot be */
    uint64_t bad_tags;
    uint64_t sessions; /* begun */
    uint64_t resumes;
    uint64_t lost;
    uint64_t messages_received;
    uint64_t clients;
};

#endif
