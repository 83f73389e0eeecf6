/* sim/sim_count.h - the interesting things that have happened in all worlds of this program.
 *
 * One that never happens in a run of thousands of worlds means that the worlds are too tame.
 */
#ifndef SIM_SIM_COUNT_H
#define SIM_SIM_COUNT_H

#include <stdint.h>

#define SIM_COUNT_MAP(X)                                                                           \
    X(WORLDS, "worlds")                                                                            \
    X(MESSAGES, "messages")                                                                        \
    X(LARGE, "large messages")                                                                     \
    X(CALLS, "calls")                                                                              \
    X(DOWNS, "downs")                                                                              \
    X(EXITS, "exits trapped")                                                                      \
    X(LINKED_DEATHS, "deaths by link")                                                             \
    X(KILLS, "kills")                                                                              \
    X(UNLINK_RACES, "unlinks of the dying")                                                        \
    X(FLUSHES, "downs flushed")                                                                    \
    X(REMOTE_SPAWNS, "remote spawns")                                                              \
    X(SPAWNS_LOST, "remote spawns with an unknown end")                                            \
    X(SESSIONS, "sessions")                                                                        \
    X(RESUMED, "resumed")                                                                          \
    X(RESENT, "resumed with records to send again")                                                \
    X(REPLACED, "replaced")                                                                        \
    X(EXPIRED, "expired")                                                                          \
    X(FORGOTTEN, "forgotten")                                                                      \
    X(OVERLOADS, "given up for want of memory")                                                    \
    X(GOODBYES, "goodbyes")                                                                        \
    X(SILENCES, "silent peers")                                                                    \
    X(CROSSED, "simultaneous dials")                                                               \
    X(REFUSED_DIALS, "refused dials")                                                              \
    X(HALF_OPEN, "half-open connections")                                                          \
    X(LOST_TAILS, "tails lost with a connection")                                                  \
    X(CRASHES, "crashes")                                                                          \
    X(RESTARTS, "restarts under the same name")                                                    \
    X(PAUSES, "pauses")                                                                            \
    X(NAMES, "names taken")                                                                        \
    X(NAMES_REFUSED, "names refused")                                                              \
    X(NAMES_GIVEN_UP, "names given up")                                                            \
    X(NAMES_FOUND, "names found")                                                                  \
    X(NAMES_CALLED, "calls by name")                                                               \
    X(JOINS, "joins")                                                                              \
    X(SHOUTS, "shouts")                                                                            \
    X(MOVES, "moves of durable actors")                                                            \
    X(RECOVERED, "recoveries")                                                                     \
    X(KEEPERS_FAILED, "durable actors that had no memory")                                         \
    X(AWAY, "databases away")                                                                      \
    X(FENCED, "fenced")                                                                            \
    X(NEWS_AGAIN, "news told again")                                                               \
    X(NEWS_TWICE, "news told twice")                                                               \
    X(REFUSALS, "allocations refused")                                                             \
    X(ACTS_REFUSED, "acts refused for that")                                                       \
    X(STEPS, "steps")

enum sim_counter {
#define SIM_COUNT_ENUM(name, text) SIM_COUNT_##name,
    SIM_COUNT_MAP(SIM_COUNT_ENUM)
#undef SIM_COUNT_ENUM
        SIM_COUNTERS
};

/* Of this process; sim_main.c adds them up. */
extern uint64_t *sim_counts;

static inline void sim_count(enum sim_counter counter, uint64_t by)
{
    sim_counts[counter] += by;
}

#endif
