/* Whether the node is well: the operation "health" of the administration protocol.
 *
 * It is answered on the asker's own thread and waits for nobody longer than TR_HEALTH_MS, so it has
 * an answer also when every worker is stuck in a handler, and when the loop is. Nothing in it asks
 * PostgreSQL: whether the database is there is what the registry knows by itself.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/loop.h"
#include "node/admin.h"
#include "node/secrets.h"
#include "node/tls.h"

enum { LOOK_MS = 1, LOOK_MS_MAX = 50 };

/* What the loop is asked. The loop may come back to it long after the asker has given up, so the
 * last of the two releases it. */
struct question {
    struct tr_mutex mutex;
    struct tr_cond answered;
    struct troupe_node *node;
    unsigned holders;
    bool done;
    bool fenced;
    struct tr_registry_health health;
};

static void drop(struct question *question)
{
    tr_mutex_lock(&question->mutex);
    const bool last = --question->holders == 0;

    tr_mutex_unlock(&question->mutex);
    if (last) {
        tr_cond_fini(&question->answered);
        tr_mutex_fini(&question->mutex);
        free(question);
    }
}

static void answer_on_loop(void *context)
{
    struct question *question = context;
    struct troupe_node *node = question->node;
    struct tr_registry_health health = {0};

    node->registry->port.health(node->registry->port.context, &health);
    tr_mutex_lock(&question->mutex);
    question->health = health;
    question->fenced = node->fenced;
    question->done = true;
    tr_cond_signal(&question->answered);
    tr_mutex_unlock(&question->mutex);
    drop(question);
}

/* Asks the loop; NULL when there is none, or no memory. */
static struct question *ask_loop(struct troupe_node *node)
{
    struct question *question = node->loop_runs ? calloc(1, sizeof(*question)) : NULL;

    if (question == NULL) {
        return NULL;
    }
    tr_mutex_init(&question->mutex);
    tr_cond_init(&question->answered);
    question->node = node;
    question->holders = 2;
    if (tr_loop_post(node->loop, answer_on_loop, question) != TROUPE_OK) {
        question->holders = 1; /* The loop will not come. */
    }
    return question;
}

/* Waits until all have answered, or the time is over. Answers the workers that have not. */
static uint64_t wait_for_all(struct troupe_node *node, struct question *question, uint64_t pulse,
                             int64_t until_ns)
{
    const struct tr_clock *clock = node->sched->options.clock;
    int64_t look_ms = LOOK_MS;
    uint64_t silent = 0;

    tr_mutex_lock(&question->mutex);
    for (;;) {
        const int64_t left_ns = until_ns - tr_clock_now(clock);

        silent = tr_sched_silent(node->sched, pulse);
        if ((question->done && silent == 0) || left_ns <= 0) {
            break;
        }
        /* Workers tell nobody when they answer, so this looks again, and less and less often. */
        tr_node_wait(node, &question->answered, &question->mutex,
                     left_ns < look_ms * TR_NS_PER_MS ? left_ns : look_ms * TR_NS_PER_MS);
        look_ms = look_ms * 2 > LOOK_MS_MAX ? LOOK_MS_MAX : look_ms * 2;
    }
    tr_mutex_unlock(&question->mutex);
    return silent;
}

/* ---- the reply ---- */

struct report {
    cJSON *checks;
    bool live;
    bool ready;
};

__attribute__((format(printf, 5, 6))) static void
check(struct report *report, const char *name, bool of_live, bool ok, const char *format, ...)
{
    cJSON *item = cJSON_CreateObject();
    char detail[256];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    tr_admin_add_text(item, "check", name);
    tr_admin_add_text(item, "probe", of_live ? "live" : "ready");
    (void)cJSON_AddBoolToObject(item, "ok", ok);
    tr_admin_add_text(item, "detail", detail);
    (void)cJSON_AddItemToArray(report->checks, item);
    report->live = report->live && (ok || !of_live);
    report->ready = report->ready && ok;
}

static void check_workers(struct report *report, const struct troupe_node *node, uint64_t silent,
                          uint32_t waited_ms)
{
    const uint32_t count = node->sched->options.workers;

    if (silent == 0) {
        check(report, "workers", true, true, "all %" PRIu32 " turn", count);
    } else {
        check(report, "workers", true, false,
              "%d of %" PRIu32 " did not turn for %" PRIu32 " ms: a handler does not return",
              __builtin_popcountll(silent), count, waited_ms);
    }
}

static void check_lease(struct report *report, const struct troupe_node *node)
{
    const struct tr_sched *sched = node->sched;
    const uint64_t deadline = tr_load_relaxed(&sched->lease_deadline_ns);
    const long long left_ms =
        ((int64_t)deadline - tr_clock_now(sched->options.clock)) / TR_NS_PER_MS;

    /* INT64_MAX stands for "no lease": before the first one, and after being fenced. */
    if (deadline == INT64_MAX) {
        check(report, "lease", false, false, "none is held");
    } else if (left_ms <= 0) {
        check(report, "lease", false, false, "it ran out %lld ms ago", -left_ms);
    } else {
        check(report, "lease", false, true, "valid for %lld ms", left_ms);
    }
}

/* A node whose certificate has expired keeps its connections and gets no new ones. */
static void check_certificate(struct report *report, struct troupe_node *node)
{
    const int64_t expires = tr_node_tls_expires(node);
    const int64_t days = tr_node_tls_days_left(expires);

    if (expires == 0) {
        return;
    }
    if (days < 0) {
        check(report, "certificate", false, false, "it has expired");
    } else {
        check(report, "certificate", false, true, "valid for %" PRId64 " days", days);
    }
}

/* Who gives a cluster another secret has to know that a node uses what it was given. */
static void check_secret(struct report *report, struct troupe_node *node)
{
    bool two = false;
    uint64_t changes = 0;

    if (tr_node_secrets_state(node, &two, &changes)) {
        check(report, "secret", false, true, "%s accepted, changed %" PRIu64 " times",
              two ? "two are" : "one is", changes);
    }
}

/* What only a member of a cluster has. */
static void check_member(struct report *report, struct troupe_node *node,
                         const struct question *question, bool up)
{
    const bool member = up && !question->fenced;

    if (member) {
        check(report, "member", false, true, "up as node %" PRIu64, tr_sched_node_id(node->sched));
    } else {
        check(report, "member", false, false, "%s",
              question->fenced ? "the others declared this node dead; it joins again"
                               : "the node is not up");
    }
    check_lease(report, node);
    check(report, "listen", false, question->health.listening, "%s",
          question->health.listening ? "the connection for notifications is alive"
                                     : "no connection to PostgreSQL that listens");
    check(report, "schema", false, question->health.greeted == TROUPE_OK, "%s",
          question->health.greeted == TROUPE_OK ? "as this program needs it"
                                                : troupe_status_text(question->health.greeted));
}

static void fill(struct report *report, struct troupe_node *node, struct question *question,
                 uint64_t silent, uint32_t waited_ms)
{
    tr_mutex_lock(&node->state_mutex);
    const enum tr_node_state state = node->state;

    tr_mutex_unlock(&node->state_mutex);
    if (question != NULL) {
        tr_mutex_lock(&question->mutex);
        check(report, "loop", true, question->done, "%s",
              question->done ? "it turns" : "it does not turn");
    }
    check_workers(report, node, silent, waited_ms);
    if (question != NULL) {
        check_member(report, node, question, state == TR_NODE_UP || state == TR_NODE_STOPPING);
        tr_mutex_unlock(&question->mutex);
        check_certificate(report, node);
        check_secret(report, node);
    }
    const bool drains = tr_load32_relaxed(&node->draining) != 0;

    check(report, "serving", false, !drains && state != TR_NODE_STOPPING, "%s",
          state == TR_NODE_STOPPING ? "the node is stopping"
          : drains                  ? "the node drains"
                                    : "the node is not stopping");
}

void tr_admin_health(struct tr_admin *admin)
{
    struct troupe_node *node = admin->node;
    const uint32_t wait_ms = admin->timeout_ms < TR_HEALTH_MS ? admin->timeout_ms : TR_HEALTH_MS;
    const int64_t until_ns =
        tr_clock_now(node->sched->options.clock) + (int64_t)wait_ms * TR_NS_PER_MS;
    const uint64_t pulse = tr_sched_pulse(node->sched);
    struct report report = {.live = true, .ready = true};
    struct question *question = ask_loop(node);
    /* A local node has no loop; who waits for its workers needs a condition all the same. */
    struct question alone = {.done = true};
    uint64_t silent = 0;

    if (question == NULL && node->loop_runs) {
        (void)tr_admin_fail(admin, TROUPE_E_NO_MEMORY, "out of memory");
        return;
    }
    tr_mutex_init(&alone.mutex);
    tr_cond_init(&alone.answered);
    silent = wait_for_all(node, question != NULL ? question : &alone, pulse, until_ns);
    tr_cond_fini(&alone.answered);
    tr_mutex_fini(&alone.mutex);
    report.checks = cJSON_CreateArray();
    fill(&report, node, question, silent, wait_ms);
    (void)cJSON_AddBoolToObject(admin->reply, "live", report.live);
    (void)cJSON_AddBoolToObject(admin->reply, "ready", report.ready);
    (void)cJSON_AddItemToObject(admin->reply, "checks", report.checks);
    tr_admin_add_text(admin->reply, "name", node->name);
    tr_admin_add_id(admin->reply, "node_id", tr_sched_node_id(node->sched));
    if (question != NULL) {
        drop(question);
    }
}
