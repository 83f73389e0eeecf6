/* daemon/settings.h - what trouped can be told, and where each value came from.
 *
 * One table (SETTINGS_MAP) is the single source: `lease_ttl` is the flag --lease-ttl, the variable
 * TROUPE_LEASE_TTL and the line `lease_ttl = 5s` of the file. A flag beats a variable, that beats
 * the file, that beats the default. TROUPE_DB_FILE names a file that holds the value of db.
 *
 *     settings_init(&settings);
 *     status = settings_load(&settings, argc, argv, &problem);     flags, environment, file
 *     status = options_build(&settings, &options, &problem);       daemon/options.h
 *     settings_fini(&settings);
 *
 * Threads: one. Memory: values are copied in and freed by fini.
 */
#ifndef DAEMON_SETTINGS_H
#define DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "daemon/problem.h"

#define SETTING_REPEATABLE 1u /* may be given several times; all values of one source count */
#define SETTING_SECRET 2u     /* may hold a password: masked in print, and NAME_FILE is read */

/* id, key, default ("" = none), argument shown in help, flags, help */
#define SETTINGS_MAP(X)                                                                            \
    X(NAME, "name", "", "NAME", 0, "node name, unique in the cluster; default: the host's name")   \
    X(DB, "db", "", "CONNINFO", SETTING_SECRET,                                                    \
      "PostgreSQL: a libpq connection string or URI; default: libpq's PG* variables")              \
    X(LISTEN, "listen", "127.0.0.1:0", "HOST:PORT|unix:/PATH", 0,                                  \
      "address for other nodes; port 0 takes any free one")                                        \
    X(LISTEN_MODE, "listen_mode", "0600", "OCTAL", 0,                                              \
      "mode of the unix socket of listen: 0600, 0660 or 0666")                                     \
    X(ADVERTISE, "advertise", "auto", "HOST", 0,                                                   \
      "what other nodes dial; auto: the host of listen, or found when that is 0.0.0.0")            \
    X(SECRET_FILE, "secret_file", "", "FILE", 0, "cluster secret, at least 32 bytes")              \
    X(SECRET_ACCEPTED_FILE, "secret_accepted_file", "", "FILE", 0,                                 \
      "a second secret, accepted and not used, to change the first; may be missing")               \
    X(TLS_CERT, "tls_cert", "", "FILE", 0,                                                         \
      "certificate of this node, for TLS between nodes; with tls_key and tls_ca")                  \
    X(TLS_KEY, "tls_key", "", "FILE", 0, "its private key, which nobody else may read")            \
    X(TLS_CA, "tls_ca", "", "FILE", 0, "authorities that sign the certificates of others")         \
    X(MODULE, "module", "", "FILE.so", SETTING_REPEATABLE, "module of behaviors to load")          \
    X(MODULE_DIR, "module_dir", "", "DIR", 0,                                                      \
      "load modules only from here; without module: all of them")                                  \
    X(ADMIN_SOCKET, "admin_socket", "", "PATH", 0, "unix socket for the command line")             \
    X(ADMIN_MODE, "admin_mode", "0660", "OCTAL", 0, "mode of the admin socket: 0600 or 0660")      \
    X(WORKERS, "workers", "0", "COUNT", 0, "threads that run actors; 0: one per core")             \
    X(ROLES, "roles", "", "LIST", 0, "comma list that all nodes know: what this one is for")       \
    X(METADATA, "metadata", "", "LIST", 0, "comma list of key=value that all nodes know")          \
    X(LEASE_TTL, "lease_ttl", "5s", "TIME", 0, "a silent node is dead after so long")              \
    X(HEARTBEAT, "heartbeat", "500ms", "TIME", 0, "how often nodes greet each other")              \
    X(SILENCE, "silence", "3s", "TIME", 0, "a connection silent for so long is cut")               \
    X(RESUME_WINDOW, "resume_window", "3s", "TIME", 0, "a broken connection is resumed so long")   \
    X(SEND_QUEUE, "send_queue", "64MiB", "SIZE", 0,                                                \
      "bytes that may wait to be sent to one other node")                                          \
    X(SEND_QUEUE_HIGH, "send_queue_high", "16MiB", "SIZE", 0,                                      \
      "with so many waiting, senders to that node are suspended")                                  \
    X(SEND_QUEUE_LOW, "send_queue_low", "8MiB", "SIZE", 0, "with no more waiting, they go on")     \
    X(COMPRESSION, "compression", "off", "off|zstd", 0,                                            \
      "of messages above 4 KiB to nodes that do so too")                                           \
    X(STOP_TIMEOUT, "stop_timeout", "10s", "TIME", 0, "how long SIGTERM lets actors end")          \
    X(ON_FENCED, "on_fenced", "rejoin", "rejoin|exit", 0,                                          \
      "when the others declared this node dead; exit ends with status 75")                         \
    X(ALLOW_UNSAFE_FSYNC, "allow_unsafe_fsync", "off", "BOOL", 0,                                  \
      "accept a database that may lose commits")                                                   \
    X(LOG_LEVEL, "log_level", "info", "LEVEL", 0, "debug, info, warning or error")                 \
    X(LOG_FORMAT, "log_format", "auto", "FORMAT", 0,                                               \
      "logfmt, json, or auto: logfmt on a terminal")                                               \
    X(CORE_DUMPS, "core_dumps", "off", "BOOL", 0,                                                  \
      "allow core dumps and debuggers, which see the secrets")                                     \
    X(PID_FILE, "pid_file", "", "FILE", 0, "write the process id here")                            \
    X(READY_FILE, "ready_file", "", "FILE", 0, "write node id, port and socket here when up")

enum setting_id {
#define SETTING_ENUM(id, key, fallback, argument, flags, help) SETTING_##id,
    SETTINGS_MAP(SETTING_ENUM)
#undef SETTING_ENUM
        SETTING_COUNT
};

struct setting_spec {
    const char *key;
    const char *fallback;
    const char *argument;
    unsigned flags;
    const char *help;
};

/* Later sources beat earlier ones. */
enum setting_source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_FLAG };

struct setting {
    enum setting_source source;
    char **values; /* owned; values_count is 1 unless repeatable; 0 means the default */
    size_t values_count;
    char origin[300]; /* "--lease-ttl", "TROUPE_LEASE_TTL", "trouped.conf:12", "default" */
};

enum settings_action { ACTION_RUN, ACTION_HELP, ACTION_VERSION, ACTION_CHECK, ACTION_PRINT };

struct settings {
    enum settings_action action;
    struct setting all[SETTING_COUNT];
    char *file; /* owned; NULL: no configuration file */
};

const struct setting_spec *setting_spec(enum setting_id id);

void settings_init(struct settings *settings);
void settings_fini(struct settings *settings);

/* Reads flags, then the environment, then the file. Answers 0 or an exit status with the problem,
 * which names the flag, the variable or file and line. */
int settings_load(struct settings *settings, int argc, char **argv, struct problem *problem);

/* Reads one setting as trouped without flags would find it: the environment, then the file. */
int settings_load_one(struct settings *settings, enum setting_id id, struct problem *problem);

/* Reads one file; a file that is not there is a problem only when required. */
int settings_load_file(struct settings *settings, const char *path, bool required,
                       struct problem *problem);

/* The value, or the default; never NULL. */
const char *settings_get(const struct settings *settings, enum setting_id id);
/* Where it came from, for an error. */
const char *settings_origin(const struct settings *settings, enum setting_id id);

/* Keeps a value of a source unless a better source gave one; the same source replaces, or adds when
 * the setting is repeatable. */
int settings_put(struct settings *settings, enum setting_id id, enum setting_source source,
                 const char *value, const char *origin, struct problem *problem);

/* `key = value   # where it came from`, secrets masked. */
void settings_print(const struct settings *settings, FILE *out);
void settings_help(FILE *out);

/* Finds a key, with - and _ alike; SETTING_COUNT when there is none. */
enum setting_id settings_find(const char *key, size_t key_size);

#endif
