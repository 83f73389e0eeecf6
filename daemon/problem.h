/* daemon/problem.h - an error as people get it: code, text, DETAIL and HINT, and an exit status.
 *
 *     return problem_set(problem, PROBLEM_NO_POSTGRES, "cannot connect to PostgreSQL");
 *     ...
 *     problem_print(stderr, "troupe", problem);
 *
 *     troupe: error TRP-2001: cannot connect to PostgreSQL
 *       DETAIL: connection to server on socket ... failed
 *       HINT:   is it running?  troupe dev up  starts a private one
 *
 * Both programs use it. Codes are stable: scripts may match on them. Threads: a problem belongs to
 * whoever made it. Memory: fixed size; longer texts are cut.
 */
#ifndef DAEMON_PROBLEM_H
#define DAEMON_PROBLEM_H

#include <stdio.h>
#include <sysexits.h>

#define EX_TROUPE_FENCED EX_TEMPFAIL /* 75: this node was taken over; start it again */

/* code, number, exit status, what it means (docs/cli.md has the same list) */
#define PROBLEM_MAP(X)                                                                             \
    X(PROBLEM_USAGE, 1001, EX_USAGE, "the command line is wrong")                                  \
    X(PROBLEM_UNKNOWN_COMMAND, 1002, EX_USAGE, "there is no such command")                         \
    X(PROBLEM_CONFIG, 1003, EX_CONFIG, "a setting is wrong")                                       \
    X(PROBLEM_SECRET_FILE, 1004, EX_CONFIG, "the secret file is missing, too open or too short")   \
    X(PROBLEM_MODULE, 1005, EX_CONFIG, "a module cannot be loaded")                                \
    X(PROBLEM_NO_POSTGRES, 2001, EX_UNAVAILABLE, "PostgreSQL cannot be reached")                   \
    X(PROBLEM_PASSWORD, 2002, EX_NOPERM, "PostgreSQL refused the user or the password")            \
    X(PROBLEM_NO_SCHEMA, 2003, EX_CONFIG, "the database has no Troupe schema")                     \
    X(PROBLEM_SCHEMA_OLD, 2004, EX_CONFIG, "the schema is older than this program")                \
    X(PROBLEM_SCHEMA_NEW, 2005, EX_CONFIG, "the schema is newer than this program")                \
    X(PROBLEM_NO_DATABASE, 2006, EX_UNAVAILABLE, "the database does not exist")                    \
    X(PROBLEM_PERMISSION, 2007, EX_NOPERM, "the database role may not do this")                    \
    X(PROBLEM_SQL, 2008, EX_SOFTWARE, "PostgreSQL answered with an error")                         \
    X(PROBLEM_NO_NODE, 3001, EX_UNAVAILABLE, "there is no such node, or it is not up")             \
    X(PROBLEM_UNREACHABLE, 3002, EX_UNAVAILABLE, "the node does not answer")                       \
    X(PROBLEM_AUTH, 3003, EX_NOPERM, "the cluster secret or certificate is not accepted")          \
    X(PROBLEM_NO_WAY, 3004, EX_CONFIG,                                                             \
      "neither an admin socket nor a secret or certificate to reach a node by")                    \
    X(PROBLEM_ADMIN, 3005, EX_PROTOCOL, "the node's answer makes no sense")                        \
    X(PROBLEM_NAME_TAKEN, 3006, EX_TEMPFAIL, "a live node has this node name")                     \
    X(PROBLEM_ADDRESS, 3007, EX_UNAVAILABLE, "the address to listen on cannot be used")            \
    X(PROBLEM_FENCED, 3008, EX_TEMPFAIL, "this node was declared dead by the others")              \
    X(PROBLEM_NO_NAME, 4001, EX_DATAERR, "nobody holds this name")                                 \
    X(PROBLEM_NO_BEHAVIOR, 4002, EX_DATAERR, "the node does not know this behavior")               \
    X(PROBLEM_NO_TYPE, 4003, EX_DATAERR, "the node does not know this type")                       \
    X(PROBLEM_NO_ACTOR, 4004, EX_DATAERR, "there is no such actor")                                \
    X(PROBLEM_BAD_JSON, 4005, EX_DATAERR, "the JSON does not fit the type")                        \
    X(PROBLEM_NAME_HELD, 4006, EX_DATAERR, "another actor holds this name")                        \
    X(PROBLEM_TIMEOUT, 4007, EX_TEMPFAIL, "no answer before the deadline")                         \
    X(PROBLEM_FAILED, 4008, EX_SOFTWARE, "the actor failed or exited instead of answering")        \
    X(PROBLEM_BUSY, 4009, EX_TEMPFAIL, "a mailbox or queue is full")                               \
    X(PROBLEM_REFUSED, 4010, EX_DATAERR, "the node refused the request")                           \
    X(PROBLEM_NO_SERVER, 5001, EX_UNAVAILABLE, "PostgreSQL's server programs are not installed")   \
    X(PROBLEM_DEV, 5002, EX_UNAVAILABLE, "the private cluster could not be started")               \
    X(PROBLEM_NO_DEV, 5003, EX_UNAVAILABLE, "there is no private cluster here")                    \
    X(PROBLEM_SYSTEM, 7001, EX_OSERR, "the operating system refused")                              \
    X(PROBLEM_MEMORY, 7002, EX_OSERR, "out of memory")

enum problem_code {
    PROBLEM_NONE = 0,
#define PROBLEM_ENUM(name, number, exit_status, meaning) name = (number),
    PROBLEM_MAP(PROBLEM_ENUM)
#undef PROBLEM_ENUM
};

struct problem {
    enum problem_code code;
    char text[600];
    char detail[900];
    char hint[400];
};

/* Sets code and text, clears detail and hint, and answers the exit status of the code, so that
 * `return problem_set(...)` ends a command. */
int problem_set(struct problem *problem, enum problem_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void problem_detail(struct problem *problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void problem_hint(struct problem *problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The exit status that belongs to a code; 0 for PROBLEM_NONE. */
int problem_exit_status(enum problem_code code);
/* The meaning in a few words, never NULL. */
const char *problem_meaning(enum problem_code code);

/* Writes the four parts; control characters of names and database texts come out escaped. */
void problem_print(FILE *out, const char *program, const struct problem *problem);

#endif
