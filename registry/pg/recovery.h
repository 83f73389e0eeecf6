/* pg/recovery.h - how far the recovery of orphans has come; recovery.c moves it.
 *
 * Threads: loop thread. Memory: freed by reg_recovery_reset.
 */
#ifndef REG_PG_RECOVERY_H
#define REG_PG_RECOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REG_TODO_MAX = 64 };

enum reg_pass {
    REG_PASS_PLAN,  /* how many names there are, and where to begin */
    REG_PASS_SHARE, /* from our own place, our share */
    REG_PASS_REST   /* from the beginning, whatever the others left */
};

struct reg_dead_node {
    uint64_t node_id; /* 0: none */
    bool own;         /* it had our name: everything is for us */
};

struct reg_name_item {
    struct reg_name_item *next;
    char name[];
};

struct reg_recovery {
    /* what to ask when the reader is free */
    bool wanted;      /* which dead nodes have orphans */
    bool starting;    /* which names were claimed and not started */
    bool sweeping;    /* which dead nodes have rows left */
    int64_t sweep_ns; /* not before that is asked */
    bool pruning;
    int64_t next_ns; /* the slow poll */
    unsigned polls;

    /* claiming */
    struct reg_dead_node claiming;
    struct reg_dead_node todo[REG_TODO_MAX];
    size_t todo_count;
    enum reg_pass pass;
    int64_t share; /* names that are still ours to take */
    unsigned empty;
    char *after;       /* the next claim takes names after this one */
    int64_t resume_ns; /* not before */
    struct reg_name_item *load;
    struct reg_name_item *loading;

    /* sweeping */
    uint64_t sweep[REG_TODO_MAX];
    size_t sweep_count;
};

#endif
