/* cli/command.h - the one table of commands and options: parser, help and suggestions read it.
 *
 * Threads: one. Memory: all constant.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cli;

/* id, long name, short letter or 0, argument or NULL for a switch, help */
#define OPTIONS_MAP(X)                                                                             \
    X(OUTPUT, "output", 'o', "table|json", "how to print; JSON keys are the columns of the views") \
    X(DB, "db", 0, "CONNINFO", "PostgreSQL; default: TROUPE_DB, DIR/dev.json, libpq's PG*")        \
    X(DIR, "dir", 0, "DIR", "where `dev up` keeps its files; default: TROUPE_DIR, ./.troupe")      \
    X(ADMIN, "admin", 0, "PATH", "admin socket of the node to ask; default: DIR/dev.json")         \
    X(SECRET_FILE, "secret-file", 0, "FILE",                                                       \
      "cluster secret, to reach a node over TCP; default: TROUPE_CLUSTER_SECRET_FILE")             \
    X(TLS_CERT, "tls-cert", 0, "FILE",                                                             \
      "certificate of a client, to reach a node over TLS; default: TROUPE_TLS_CERT")               \
    X(TLS_KEY, "tls-key", 0, "FILE", "its private key; default: TROUPE_TLS_KEY")                   \
    X(TLS_CA, "tls-ca", 0, "FILE", "authorities of the nodes; default: TROUPE_TLS_CA")             \
    X(TIMEOUT, "timeout", 0, "TIME", "give up after so long (5s)")                                 \
    X(HELP, "help", 'h', NULL, "describe the command")                                             \
    X(VERSION, "version", 0, NULL, "print the version")                                            \
    X(NAME, "name", 0, "NAME", "register the actor under this name")                               \
    X(DURABLE, "durable", 0, NULL, "save the actor's state, recover it when its node dies")        \
    X(STRICT, "strict", 0, NULL, "freeze it at its node's lease end in any case")                  \
    X(CHECKPOINT, "checkpoint", 0, "POLICY", "each, every, on_stop or explicit")                   \
    X(CHECKPOINT_MS, "checkpoint-ms", 0, "MS", "for --checkpoint every")                           \
    X(NODE, "node", 0, "NODE", "only, or on, this node")                                           \
    X(LOCAL, "local", 0, NULL, "only actors of the node that is asked")                            \
    X(ROLE, "role", 0, "ROLE", "only nodes that have this role")                                   \
    X(REMOVE, "remove", 0, "KEY,...", "keys that the node shall not have any more")                \
    X(BEHAVIOR, "behavior", 0, "BEHAVIOR", "only actors of this behavior")                         \
    X(VALUES, "values", 0, NULL, "with the content of messages")                                   \
    X(SECONDS, "seconds", 0, "COUNT", "end after so long (60)")                                    \
    X(SORT, "sort", 0, "[-]KEY",                                                                   \
      "ask the node for those that come first by mailbox, oldest, memory or handled; - largest "   \
      "first")                                                                                     \
    X(ALL, "all", 0, NULL, "also ended starts of nodes")                                           \
    X(LIMIT, "limit", 0, "COUNT", "at most so many rows (1000)")                                   \
    X(EVENTS, "count", 0, "COUNT", "end after so many events")                                     \
    X(AFTER, "after", 0, "EPOCH", "only events after this epoch")                                  \
    X(NODES, "nodes", 0, "COUNT", "how many nodes (3)")                                            \
    X(MODULE, "module", 0, "FILE.so", "module of behaviors for every node; may be repeated")       \
    X(NAME_PREFIX, "name-prefix", 0, "PREFIX", "nodes are called PREFIX1, PREFIX2 ... (n)")        \
    X(LEASE_TTL, "lease-ttl", 0, "TIME", "lease of the nodes (5s)")                                \
    X(NO_FSYNC, "no-fsync", 0, NULL, "faster; commits may be lost in a power cut")                 \
    X(SIGNAL, "signal", 0, "NUMBER", "signal to send (9)")                                         \
    X(PURGE, "purge", 0, NULL, "also remove the data and logs")                                    \
    X(LIVE, "live", 0, NULL, "does it still turn? Never a matter of PostgreSQL")                   \
    X(READY, "ready", 0, NULL, "is it live, and a member that can do its work?")                   \
    X(CA_DIR, "ca-dir", 0, "DIR", "folder of the authority; default: TROUPE_CA_DIR, ./troupe-ca")  \
    X(OUT, "out", 0, "DIR",                                                                        \
      "write certificate and key here; default: the folder of the authority")                      \
    X(DAYS, "days", 0, "COUNT", "valid for so long (an authority 3650, a certificate 365)")        \
    X(FORCE, "force", 0, NULL, "replace what is there")                                            \
    X(FINISH, "finish", 0, NULL, "trust the authority from before no longer")                      \
    X(QUIET, "quiet", 'q', NULL, "print nothing; the exit status says it")

enum option_id {
#define OPTION_ENUM(id, name, letter, argument, help) OPTION_##id,
    OPTIONS_MAP(OPTION_ENUM)
#undef OPTION_ENUM
        OPTION_COUNT
};

struct option_spec {
    const char *name;
    char letter;
    const char *argument; /* NULL: a switch */
    const char *help;
};

#define OPTION_BIT(id) (1ull << OPTION_##id)

struct command {
    const char *noun;
    const char *verb;     /* NULL: the noun alone is the command */
    const char *synopsis; /* its arguments, as help shows them */
    const char *summary;  /* one line */
    const char *details;  /* a few more, or NULL */
    int arguments_min;
    int arguments_max;
    uint64_t options; /* OPTION_BIT of those it takes, besides the ones all take */
    int (*run)(struct cli *cli);
};

/* Options that every command takes. */
#define OPTIONS_GLOBAL                                                                             \
    (OPTION_BIT(OUTPUT) | OPTION_BIT(DB) | OPTION_BIT(DIR) | OPTION_BIT(ADMIN) |                   \
     OPTION_BIT(SECRET_FILE) | OPTION_BIT(TLS_CERT) | OPTION_BIT(TLS_KEY) | OPTION_BIT(TLS_CA) |   \
     OPTION_BIT(TIMEOUT) | OPTION_BIT(HELP) | OPTION_BIT(VERSION))

extern const struct command commands[];
extern const size_t commands_count;

const struct option_spec *option_spec(enum option_id id);
/* By long name of the given size; OPTION_COUNT when there is none. */
enum option_id option_find(const char *name, size_t size);
enum option_id option_find_letter(char letter);

/* The command that the words name, NULL when none; *words_used is 1 or 2. */
const struct command *command_find(const char *const *words, int count, int *words_used);
/* Whether any command has this noun. */
bool command_has_noun(const char *noun);
/* The full name, "node list", into text. */
void command_name(const struct command *command, char *text, size_t size);
/* Writes the command or option nearest to what was typed, "" when nothing is near. */
void command_suggest(const char *typed, char *text, size_t size);
void option_suggest(const char *typed, char *text, size_t size);

/* How many single-letter changes, swaps of neighbours included, turn a into b. */
unsigned edit_distance(const char *a, const char *b);

#endif
