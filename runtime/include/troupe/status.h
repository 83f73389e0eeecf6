/* troupe/status.h - the one set of results that every call which can fail answers with.
 *
 * TROUPE_OK is zero and everything else is negative. A call that does not answer TROUPE_OK has
 * changed nothing: neither its arguments nor its out-parameters. Where a call breaks that
 * rule, its own comment says so.
 */
#ifndef TROUPE_STATUS_H
#define TROUPE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#define TROUPE_STATUS_MAP(X)                                                                       \
    X(TROUPE_OK, 0, "ok")                                                                          \
    X(TROUPE_E_AGAIN, -1, "not ready; more has to arrive first")                                   \
    X(TROUPE_E_NO_MEMORY, -2, "out of memory")                                                     \
    X(TROUPE_E_LIMIT, -3, "a configured limit was reached")                                        \
    X(TROUPE_E_PROTOCOL, -4, "the peer broke the protocol")                                        \
    X(TROUPE_E_NOT_FOUND, -5, "no such thing")                                                     \
    X(TROUPE_E_CLOSED, -6, "already closed")                                                       \
    X(TROUPE_E_INVALID, -7, "an argument is not valid")                                            \
    X(TROUPE_E_EXISTS, -8, "it exists already")                                                    \
    X(TROUPE_E_TIMEOUT, -9, "the deadline passed")                                                 \
    X(TROUPE_E_NOPROC, -10, "no such actor")                                                       \
    X(TROUPE_E_NOCONNECTION, -11, "the node cannot be reached")                                    \
    X(TROUPE_E_EXITED, -12, "the actor exited before it answered")                                 \
    X(TROUPE_E_REGISTRY, -13, "the registry cannot be reached")                                    \
    X(TROUPE_E_UNKNOWN, -14, "the outcome is not known; look it up by its operation id")           \
    X(TROUPE_E_TYPE, -15, "the value does not fit the type")                                       \
    X(TROUPE_E_AUTH, -16, "the peer could not prove who it is")                                    \
    X(TROUPE_E_FENCED, -17, "this node or name has been taken over")                               \
    X(TROUPE_E_DENIED, -18, "not permitted")                                                       \
    X(TROUPE_E_SYSTEM, -19, "the operating system refused")                                        \
    X(TROUPE_E_SCHEMA, -20, "the database schema does not fit this version")                       \
    X(TROUPE_E_BUSY, -21, "too busy; the mailbox or queue is full")                                \
    X(TROUPE_E_FAILED, -22, "the handler failed")                                                  \
    X(TROUPE_E_MODULE, -23, "the module cannot be loaded")                                         \
    X(TROUPE_E_NO_REPLY, -24, "the handler returned without a reply")

typedef enum troupe_status {
#define TROUPE_STATUS_ENUM(name, value, text) name = (value),
    TROUPE_STATUS_MAP(TROUPE_STATUS_ENUM)
#undef TROUPE_STATUS_ENUM
} troupe_status;

/* What a handler answers, beside TROUPE_OK and the negative statuses above, to stop its actor with
 * the reason `normal`. Not a status: it is never answered by a call. */
#define TROUPE_STOP 1

#define TROUPE_MUST_USE __attribute__((warn_unused_result))

/* Marks what the shared library exports. */
#define TROUPE_API __attribute__((visibility("default")))

/* Answers the words for a status, never NULL. The text is static. Any thread. */
TROUPE_API const char *troupe_status_text(troupe_status status);

/* Returns the name of a status, as it stands above: "TROUPE_E_AGAIN". Never NULL; a number without
 * a name is "TROUPE_E_?". (libuv: uv_err_name.) */
TROUPE_API const char *troupe_status_name(troupe_status status);

#ifdef __cplusplus
}
#endif

#endif
