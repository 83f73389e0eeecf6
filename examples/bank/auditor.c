/* bank/auditor.c - links to accounts and monitors them, and writes down when and how they end.
 *
 * It traps exits, so that the death of an account is a message and not its own end.
 */
#include <stdio.h>
#include <time.h>

#include "auditor_messages.h"

enum {
    WATCHED_MAX = 64,
    SIGNALS_MAX = 512, /* an EXIT and a DOWN per account, and nodes that come and go */
    ABOUT_SIZE = 64,
    REASON_SIZE = 64,
    FIND_TIMEOUT_MS = 5000
};

struct watched {
    char name[ABOUT_SIZE];
    troupe_pid pid; /* none until it is found */
};

struct written {
    const char *signal; /* constant */
    char about[ABOUT_SIZE];
    char reason[REASON_SIZE];
    troupe_pid pid;
    int64_t at_ms;
};

struct auditor {
    struct watched watched[WATCHED_MAX];
    size_t watched_count;
    uint64_t watching;
    uint64_t failed;
    struct written written[SIGNALS_MAX];
    size_t written_count;
};

static int64_t wall_clock_ms(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void write_down(struct auditor *auditor, const char *signal, troupe_pid pid,
                       const char *about, const char *reason)
{
    if (auditor->written_count == SIGNALS_MAX) {
        return;
    }
    struct written *entry = &auditor->written[auditor->written_count++];
    entry->signal = signal;
    entry->pid = pid;
    entry->at_ms = wall_clock_ms();
    (void)snprintf(entry->about, sizeof(entry->about), "%s", about == NULL ? "" : about);
    (void)snprintf(entry->reason, sizeof(entry->reason), "%s", reason == NULL ? "" : reason);
}

static const struct watched *find(const struct auditor *auditor, troupe_pid pid)
{
    for (size_t i = 0; i < auditor->watched_count; i++) {
        if (troupe_pid_equal(auditor->watched[i].pid, pid)) {
            return &auditor->watched[i];
        }
    }
    return NULL;
}

/* An account was found, or not; the tag is its place among the watched. */
static int on_found(troupe_self *self, void *state, const troupe_result *result)
{
    struct auditor *auditor = state;
    struct watched *watched = &auditor->watched[result->tag];
    if (result->status != TROUPE_OK) {
        troupe_log(self, TROUPE_LOG_WARNING, "%s is not watched: %s", watched->name,
                   troupe_status_text(result->status));
        auditor->failed++;
        return TROUPE_OK;
    }
    uint64_t monitor = 0;
    watched->pid = result->pid;
    troupe_status status = troupe_link(self, watched->pid);
    if (status == TROUPE_OK) {
        status = troupe_monitor(self, watched->pid, &monitor);
    }
    auditor->watching += status == TROUPE_OK ? 1 : 0;
    return status;
}

static int start(troupe_self *self, void *state, const void *message)
{
    struct auditor *auditor = state;
    const bank_auditor *args = message;
    if (args == NULL || args->names_count > WATCHED_MAX) {
        return troupe_fail(self, "an auditor watches at most %d accounts", WATCHED_MAX);
    }
    troupe_trap_exit(self, true);
    troupe_status status = troupe_monitor_node(self, true);
    for (size_t i = 0; i < args->names_count && status == TROUPE_OK; i++) {
        struct watched *watched = &auditor->watched[i];
        const char *name = args->names[i];
        int size = snprintf(watched->name, sizeof(watched->name), "%s", name == NULL ? "" : name);
        if (size <= 0 || (size_t)size >= sizeof(watched->name)) {
            return troupe_fail(self, "the name of an account has 1 to %d bytes", ABOUT_SIZE - 1);
        }
        auditor->watched_count++;
        status = troupe_whereis(self, watched->name, FIND_TIMEOUT_MS, on_found, i);
    }
    return status;
}

static int on_exit_signal(troupe_self *self, void *state, const void *message)
{
    const troupe_exit_message *signal = message;
    const struct watched *watched = find(state, signal->from);
    if (watched == NULL) {
        /* From whoever started this actor, or stops it: not an account's end but an order. */
        return troupe_stop(self, signal->kind, signal->text);
    }
    write_down(state, "EXIT", signal->from, watched->name, troupe_reason_name(signal->kind));
    return TROUPE_OK;
}

static int on_down(troupe_self *self, void *state, const void *message)
{
    const troupe_down_message *signal = message;
    const struct watched *watched = find(state, signal->from);
    (void)self;
    write_down(state, "DOWN", signal->from, watched == NULL ? NULL : watched->name,
               troupe_reason_name(signal->kind));
    return TROUPE_OK;
}

static int on_node(troupe_self *self, void *state, const void *message)
{
    const troupe_node_message *news = message;
    (void)self;
    write_down(state, news->up ? "nodeup" : "nodedown", (troupe_pid){.node = news->node},
               news->name, news->why);
    return TROUPE_OK;
}

static int on_get_audit(troupe_self *self, void *state, const void *message)
{
    const struct auditor *auditor = state;
    bank_signal signals[SIGNALS_MAX];
    (void)message;
    for (size_t i = 0; i < auditor->written_count; i++) {
        const struct written *entry = &auditor->written[i];
        signals[i] = (bank_signal){.signal = entry->signal,
                                   .about = entry->about,
                                   .pid = entry->pid,
                                   .reason = entry->reason,
                                   .at_ms = entry->at_ms};
    }
    const bank_audit audit = {.node = troupe_node_name(troupe_self_node(self)),
                              .watching = auditor->watching,
                              .failed = auditor->failed,
                              .signals = signals,
                              .signals_count = auditor->written_count};
    return troupe_reply(self, &bank_audit_type, &audit);
}

static const troupe_handler auditor_handlers[] = {
    {&troupe_exit_type, on_exit_signal},
    {&troupe_down_type, on_down},
    {&troupe_node_type, on_node},
    {&bank_get_audit_type, on_get_audit},
    {0},
};

const troupe_behavior bank_auditor_behavior = {
    .name = "bank.auditor",
    .version = 1,
    .state_size = sizeof(struct auditor),
    .args = &bank_auditor_type,
    .init = start,
    .handlers = auditor_handlers,
};
