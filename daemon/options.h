/* daemon/options.h - the settings of trouped, checked and in their own types.
 *
 * Threads: one. Memory: texts are lent by the settings they were built from; modules are owned.
 */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/log.h"
#include "daemon/module_check.h"
#include "daemon/secret.h"
#include "daemon/settings.h"

struct options {
    char name[64];
    char listen_host[256];
    uint16_t listen_port;
    mode_t listen_mode;    /* of a unix socket */
    const char *advertise; /* "auto": the node knows or finds it */
    const char *db;
    const char *roles;        /* NULL: none */
    const char *metadata;     /* NULL: none */
    const char *admin_socket; /* NULL: none */
    mode_t admin_mode;
    const char *pid_file;   /* NULL: none */
    const char *ready_file; /* NULL: none */
    uint32_t workers;
    uint32_t lease_ttl_ms;
    uint32_t heartbeat_ms;
    uint32_t silence_ms;
    uint32_t resume_window_ms;
    uint64_t send_queue; /* bytes, as the marks */
    uint64_t send_queue_high;
    uint64_t send_queue_low;
    bool compression;
    uint32_t stop_timeout_ms;
    bool exit_when_fenced;
    bool allow_unsafe_fsync;
    bool core_dumps;
    int32_t log_level;
    enum log_format log_format;
    const char *tls_cert; /* NULL: no TLS; with the next two */
    const char *tls_key;
    const char *tls_ca;
    struct secret accepted;      /* size 0: none */
    struct secret secret;        /* size 0: none; without TLS listen has to be loopback then */
    struct module_file *modules; /* owned: opened and checked, in the order to load them */
    size_t modules_count;
};

/* Builds options from settings, reading the secret and checking modules. Answers 0 or an exit
 * status; the problem names where the wrong value came from. To be ended by options_fini. */
int options_build(const struct settings *settings, struct options *options,
                  struct problem *problem);
void options_fini(struct options *options);

/* Only what SIGHUP can change: the log level. */
int options_log_level(const struct settings *settings, int32_t *level, struct problem *problem);

/* And both secrets, read anew; other fields are left alone. To be wiped in any case. */
int options_secrets(const struct settings *settings, struct options *options,
                    struct problem *problem);

/* And where the files of TLS are; other fields are left alone. */
int options_tls(const struct settings *settings, struct options *options, struct problem *problem);

#endif
