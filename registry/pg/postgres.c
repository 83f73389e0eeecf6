/* The port over PostgreSQL: start, stop, fencing, and the timer that all parts share. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"
#include "pg/conninfo.h"
#include "pg/parts.h"
#include "troupe/registry.h"

/* ---- what all parts use ---- */

int64_t reg_now(const struct node_registry *registry)
{
    return (int64_t)tr_loop_now(registry->loop);
}

struct reg_clock reg_clock_now(const struct node_registry *registry)
{
    return (struct reg_clock){.loop_ns = reg_now(registry),
                              .boot_ns = tr_clock_now(&tr_clock_system)};
}

void reg_wake_at(struct node_registry *registry, int64_t at_ns)
{
    const int64_t now_ns = reg_now(registry);

    if (at_ns < registry->armed_ns && registry->timer != NULL) {
        registry->armed_ns = at_ns;
        tr_timer_start(registry->timer, at_ns > now_ns ? (uint64_t)(at_ns - now_ns) : 0, 0);
    }
}

void reg_log(struct node_registry *registry, int level, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    if (registry->join.events.log == NULL) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    registry->join.events.log(registry->join.events.context, level, text);
}

static void close_connections(struct node_registry *registry)
{
    registry->control_ready = false;
    registry->listening = false;
    registry->writer.ready = false;
    registry->reader.ready = false;
    reg_connection_close(registry->control);
    reg_connection_close(registry->writer.connection);
    reg_connection_close(registry->reader.connection);
    registry->reading_events = false;
    registry->read_again = false;
    registry->scanning = false;
    registry->writer.busy = false;
    registry->reader.busy = false;
}

/* Ends all that waits for the database. The connections are closed, so nothing is under way. */
static void end_everything(struct node_registry *registry, troupe_status status, const char *text)
{
    struct reg_fail *fail = reg_fail_queue_pop(&registry->fails);

    while (fail != NULL) {
        reg_fail_free(fail);
        fail = reg_fail_queue_pop(&registry->fails);
    }
    reg_link_window_fini(&registry->links);
    registry->links_due_ns = INT64_MAX;
    registry->links_sent_count = 0;
    reg_recovery_reset(registry);
    reg_held_clear(&registry->held);
    reg_cache_clear(registry->cache);
    reg_evidence_init(&registry->evidence);
    registry->scan_ns = INT64_MAX;
    registry->inbox_poll = false;
    reg_members_fini(&registry->members);
    reg_steps_end(registry);
    reg_names_end(registry, status, text);
}

void reg_fail_join(struct node_registry *registry, troupe_status status, const char *text)
{
    char words[512];

    if (registry->phase != REG_PHASE_JOINING) {
        reg_log(registry, TROUPE_LOG_ERROR, "the database cannot be used: %s", text);
        return;
    }
    (void)snprintf(words, sizeof(words), "%s", text); /* may belong to a connection that ends */
    registry->phase = REG_PHASE_FAILED;
    close_connections(registry);
    end_everything(registry, TROUPE_E_REGISTRY, "the node could not join");
    registry->join.events.on_failed(registry->join.events.context, status, words);
}

void reg_fence(struct node_registry *registry, const char *why)
{
    char words[256];

    if (registry->phase != REG_PHASE_JOINING && !reg_is_joined(registry)) {
        return;
    }
    (void)snprintf(words, sizeof(words), "%s", why);
    reg_log(registry, TROUPE_LOG_ERROR, "node %llu is fenced: %s",
            (unsigned long long)registry->node_id, words);
    registry->phase = REG_PHASE_FENCED;
    reg_lease_lost(&registry->lease);
    close_connections(registry);
    end_everything(registry, TROUPE_E_FENCED, "this node was declared dead");
    registry->join.events.on_fenced(registry->join.events.context, words);
}

/* ---- ends ---- */

static void destroy_io(struct node_registry *registry)
{
    reg_connection_destroy(registry->control);
    reg_connection_destroy(registry->writer.connection);
    reg_connection_destroy(registry->reader.connection);
    tr_timer_close(registry->timer);
    registry->control = NULL;
    registry->writer.connection = NULL;
    registry->reader.connection = NULL;
    registry->timer = NULL;
}

static void finish_stop(struct node_registry *registry)
{
    void (*stopped)(void *) = registry->stopped;

    registry->phase = REG_PHASE_STOPPED;
    registry->stop_ns = INT64_MAX;
    registry->stopped = NULL;
    close_connections(registry);
    end_everything(registry, TROUPE_E_REGISTRY, "the registry has stopped");
    destroy_io(registry);
    if (stopped != NULL) {
        stopped(registry->stopped_context);
    }
}

/* Stopping: what was promised is written first, then the node leaves. Answers when to look again;
 * a time that has passed means that the end has come. */
static int64_t stop_tick(struct node_registry *registry, int64_t now_ns)
{
    if (registry->stop_ns == INT64_MAX) {
        return INT64_MAX;
    }
    if (registry->phase == REG_PHASE_JOINED && registry->leave) {
        registry->phase = REG_PHASE_LEAVING;
    }
    if (registry->phase != REG_PHASE_LEAVING || now_ns >= registry->stop_ns) {
        return now_ns;
    }
    registry->links_due_ns = now_ns < registry->links_due_ns ? now_ns : registry->links_due_ns;
    reg_writer_pump(registry);
    if (reg_writer_is_idle(registry)) {
        reg_control_leave(registry);
    }
    return now_ns + 10 * REG_MS < registry->stop_ns ? now_ns + 10 * REG_MS : registry->stop_ns;
}

/* ---- the timer ---- */

static int64_t min_ns(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

static int64_t lanes_tick(struct node_registry *registry, int64_t now_ns)
{
    int64_t next_ns = registry->links_due_ns > now_ns ? registry->links_due_ns : INT64_MAX;

    reg_writer_pump(registry);
    reg_reader_pump(registry);
    if (registry->writer.retry_ns > now_ns) {
        next_ns = min_ns(next_ns, registry->writer.retry_ns);
    }
    if (registry->reader.retry_ns > now_ns) {
        next_ns = min_ns(next_ns, registry->reader.retry_ns);
    }
    return next_ns;
}

static void on_timer(void *context)
{
    struct node_registry *registry = context;
    const int64_t now_ns = reg_now(registry);
    int64_t next_ns = INT64_MAX;
    int64_t stop_ns = INT64_MAX;

    registry->armed_ns = INT64_MAX;
    if (!reg_is_joined(registry) && registry->phase != REG_PHASE_JOINING) {
        reg_steps_end(registry); /* they came after the end of this incarnation */
    }
    next_ns = min_ns(next_ns, reg_names_tick(registry, now_ns));
    next_ns = min_ns(next_ns, reg_control_tick(registry, now_ns));
    next_ns = min_ns(next_ns, reg_death_tick(registry, now_ns));
    next_ns = min_ns(next_ns, reg_recovery_tick(registry, now_ns));
    next_ns = min_ns(next_ns, lanes_tick(registry, now_ns));
    stop_ns = stop_tick(registry, now_ns);
    if (stop_ns <= now_ns) {
        finish_stop(registry); /* whose callback may destroy the registry */
        return;
    }
    next_ns = min_ns(next_ns, stop_ns);
    if (next_ns != INT64_MAX) {
        reg_wake_at(registry, next_ns);
    }
}

/* ---- the port: starting ---- */

static void free_behaviors(struct node_registry *registry)
{
    for (size_t index = 0; index < registry->behavior_count; index++) {
        free(registry->behaviors[index]);
    }
    free(registry->behaviors);
    registry->behaviors = NULL;
    registry->behavior_count = 0;
}

static void free_join(struct tr_registry_join *join)
{
    /* All five are copies that copy_join made. */
    free((void *)(uintptr_t)join->name);
    free((void *)(uintptr_t)join->host);
    free((void *)(uintptr_t)join->roles);
    free((void *)(uintptr_t)join->metadata);
    free((void *)(uintptr_t)join->version);
}

static troupe_status copy_join(struct node_registry *registry, const struct tr_registry_join *join)
{
    struct tr_registry_join copy = *join;

    copy.name = strdup(join->name);
    copy.host = strdup(join->host);
    copy.roles = strdup(join->roles == NULL ? "" : join->roles);
    copy.metadata = strdup(join->metadata == NULL ? "" : join->metadata);
    copy.version = strdup(join->version == NULL ? "" : join->version);
    if (copy.name == NULL || copy.host == NULL || copy.roles == NULL || copy.metadata == NULL ||
        copy.version == NULL) {
        free_join(&copy);
        return TROUPE_E_NO_MEMORY;
    }
    registry->join = copy;
    return TROUPE_OK;
}

/* A boot id proves who this is and must never come again, so it does not come from the seed alone.
 */
static void make_boot(struct node_registry *registry)
{
    if (getrandom(registry->boot, sizeof(registry->boot), GRND_NONBLOCK) !=
        (ssize_t)sizeof(registry->boot)) {
        for (size_t index = 0; index < sizeof(registry->boot); index++) {
            registry->boot[index] = (uint8_t)tr_rng_next(&registry->rng);
        }
    }
}

static void begin_to_join(struct node_registry *registry)
{
    make_boot(registry);
    registry->node_id = 0;
    registry->phase = REG_PHASE_JOINING;
    registry->join_retry_ns = 0;
    registry->join_give_up_ns = 0;
    registry->drain_due = false;
    registry->metadata_due = false;
    reg_lease_init(&registry->lease, (int64_t)registry->join.ttl_ms * REG_MS);
    registry->recovery.next_ns = reg_now(registry) + registry->lease.ttl_ns;
    if (reg_connection_set_name(registry->control, "troupe/joining") != TROUPE_OK) {
        reg_log(registry, TROUPE_LOG_WARNING, "out of memory for a connection's name");
    }
    reg_connection_open(registry->control);
}

static troupe_status start(void *context, const struct tr_registry_join *join)
{
    struct node_registry *registry = context;
    troupe_status status = TROUPE_OK;

    TR_CHECK(registry->phase == REG_PHASE_NEW);
    TR_CHECK(join->ttl_ms > 0);
    status = copy_join(registry, join);
    if (status != TROUPE_OK) {
        return status;
    }
    registry->loop = join->loop;
    registry->rng.state = join->seed;
    reg_held_init(&registry->held, tr_rng_next(&registry->rng));
    status = reg_cache_create(REG_CACHE_COUNT_MAX, tr_rng_next(&registry->rng), &registry->cache);
    if (status == TROUPE_OK) {
        status = tr_timer_create(registry->loop, on_timer, registry, &registry->timer);
    }
    if (status == TROUPE_OK) {
        status = reg_control_create(registry);
    }
    if (status == TROUPE_OK) {
        status = reg_lane_create(registry, &registry->writer);
    }
    if (status == TROUPE_OK) {
        status = reg_lane_create(registry, &registry->reader);
    }
    if (status != TROUPE_OK) {
        destroy_io(registry);
        reg_cache_destroy(registry->cache);
        registry->cache = NULL;
        free_join(&registry->join);
        registry->join = (struct tr_registry_join){0};
        return TROUPE_E_NO_MEMORY;
    }
    begin_to_join(registry);
    return TROUPE_OK;
}

static void stop(void *context, bool leave, uint32_t timeout_ms, void (*done)(void *),
                 void *done_context)
{
    struct node_registry *registry = context;
    const int64_t now_ns = registry->loop == NULL ? 0 : reg_now(registry);

    TR_CHECK(registry->phase != REG_PHASE_NEW && registry->phase != REG_PHASE_STOPPED);
    TR_CHECK(registry->stop_ns == INT64_MAX);
    registry->stopped = done;
    registry->stopped_context = done_context;
    registry->leave = leave;
    registry->stop_ns = leave ? now_ns + (int64_t)timeout_ms * REG_MS : now_ns;
    reg_wake_at(registry, now_ns);
}

static void drain(void *context, bool on)
{
    reg_control_drain(context, on);
}

static void set_metadata(void *context, const char *metadata)
{
    reg_control_set_metadata(context, metadata);
}

static void rejoin(void *context)
{
    struct node_registry *registry = context;

    TR_CHECK(registry->phase == REG_PHASE_FENCED);
    if (registry->stop_ns == INT64_MAX) {
        begin_to_join(registry);
    }
}

static void destroy(void *context)
{
    struct node_registry *registry = context;

    if (registry == NULL) {
        return;
    }
    if (registry->phase != REG_PHASE_NEW && registry->phase != REG_PHASE_STOPPED) {
        finish_stop(registry);
    }
    reg_recovery_reset(registry);
    reg_members_fini(&registry->members);
    reg_held_fini(&registry->held);
    reg_link_window_fini(&registry->links);
    reg_cache_destroy(registry->cache);
    free_behaviors(registry);
    free_join(&registry->join);
    reg_conninfo_wipe(registry->conninfo);
    free(registry);
}

static void set_behaviors(void *context, const char *const *names, size_t count)
{
    struct node_registry *registry = context;
    char **copies = count == 0 ? NULL : calloc(count, sizeof(*copies));

    free_behaviors(registry);
    for (size_t index = 0; copies != NULL && index < count; index++) {
        copies[registry->behavior_count] = strdup(names[index]);
        registry->behavior_count += copies[registry->behavior_count] != NULL ? 1 : 0;
    }
    registry->behaviors = copies;
    if (registry->behavior_count < count) {
        reg_log(registry, TROUPE_LOG_ERROR, "out of memory: some behaviors are not recovered here");
    }
    if (reg_is_joined(registry)) {
        reg_recovery_want(registry);
    }
}

/* ---- the port: names and the rest ---- */

static void register_name(void *context, const struct tr_name_register *request)
{
    reg_names_submit(context, REG_NAME_REGISTER, request, 0);
}

static void unregister(void *context, const char *name, uint64_t epoch, int64_t deadline_ns,
                       tr_name_done done, void *done_context)
{
    const struct tr_name_register request = {
        .name = name, .deadline_ns = deadline_ns, .done = done, .context = done_context};

    reg_names_submit(context, REG_NAME_UNREGISTER, &request, epoch);
}

static void lookup(void *context, const char *name, int64_t deadline_ns, tr_name_done done,
                   void *done_context)
{
    const struct tr_name_register request = {
        .name = name, .deadline_ns = deadline_ns, .done = done, .context = done_context};

    reg_names_submit(context, REG_NAME_LOOKUP, &request, 0);
}

static void started(void *context, const char *name, uint64_t epoch, uint64_t actor_id,
                    tr_name_done done, void *done_context)
{
    /* Without a deadline of its own: it is repeated until the database has answered or this node
     * is dead. */
    const struct tr_name_register request = {.name = name,
                                             .actor_id = actor_id,
                                             .deadline_ns = INT64_MAX,
                                             .done = done,
                                             .context = done_context};

    reg_names_submit(context, REG_NAME_STARTED, &request, epoch);
}

static bool cached(void *context, const char *name, troupe_pid *pid, uint64_t *epoch)
{
    const struct node_registry *registry = context;

    return registry->cache != NULL && reg_cache_get(registry->cache, name, pid, epoch);
}

static void invalidate(void *context, const char *name, uint64_t epoch)
{
    const struct node_registry *registry = context;

    if (registry->cache != NULL) {
        reg_cache_drop(registry->cache, name, epoch);
    }
}

static void step(void *context, struct tr_step *one)
{
    struct node_registry *registry = context;

    reg_step_queue_push(&registry->steps, one);
    if (registry->phase == REG_PHASE_JOINED || registry->phase == REG_PHASE_LEAVING) {
        reg_writer_pump(registry);
    } else if (registry->phase != REG_PHASE_JOINING) {
        reg_wake_at(registry, reg_now(registry));
    }
}

static void inbox_hint(void *context, const char *name)
{
    reg_inbox_hint(context, name);
}

static void inbox_failed(void *context, const char *name, uint64_t epoch, uint64_t id,
                         const char *error)
{
    reg_fails_note(context, name, epoch, id, error);
}

static void reload(void *context, const char *name, uint64_t epoch)
{
    struct node_registry *registry = context;
    const struct reg_held_name *held = reg_held_get(&registry->held, name);

    if (held != NULL && held->epoch == epoch) {
        reg_held_drop(&registry->held, name, epoch); /* What was in its hands comes again. */
        reg_recovery_load(registry, name);
        reg_reader_pump(registry);
    }
}

static void link_add(void *context, const struct tr_link_row *row)
{
    reg_links_note(context, row, true);
}

static void link_remove(void *context, const struct tr_link_row *row)
{
    reg_links_note(context, row, false);
}

static bool sample(void *context, const struct tr_samples *samples, tr_samples_done done,
                   void *done_context)
{
    return reg_samples_send(context, samples, done, done_context);
}

static void unreachable(void *context, uint64_t node_id, bool refused)
{
    reg_death_unreachable(context, node_id, refused);
}

static void health(void *context, struct tr_registry_health *out)
{
    const struct node_registry *registry = context;

    *out = registry->health;
    out->connected = registry->control_ready && registry->writer.ready && registry->reader.ready;
    out->listening = registry->listening;
    out->fenced = registry->phase == REG_PHASE_FENCED;
    out->lease_deadline_ns = registry->published_ns;
    out->statements = 0;
    if (registry->control != NULL) {
        out->statements = reg_connection_statements(registry->control) +
                          reg_connection_statements(registry->writer.connection) +
                          reg_connection_statements(registry->reader.connection);
    }
}

/* ---- making one ---- */

troupe_status troupe_registry_postgres(const char *conninfo, troupe_registry **out, char *error,
                                       size_t error_size)
{
    struct node_registry *registry = NULL;
    struct reg_conninfo *parsed = NULL;
    troupe_status status = reg_conninfo_create(conninfo, &parsed);

    if (status != TROUPE_OK) {
        if (error_size > 0) {
            (void)snprintf(error, error_size, "%s",
                           status == TROUPE_E_INVALID
                               ? "this is no connection string of libpq's (key=value pairs or "
                                 "postgres://...)"
                               : troupe_status_text(status));
        }
        return status;
    }
    reg_conninfo_destroy(parsed);
    registry = calloc(1, sizeof(*registry));
    if (registry == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    registry->conninfo = strdup(conninfo == NULL ? "" : conninfo);
    if (registry->conninfo == NULL) {
        free(registry);
        return TROUPE_E_NO_MEMORY;
    }
    registry->armed_ns = INT64_MAX;
    registry->stop_ns = INT64_MAX;
    registry->scan_ns = INT64_MAX;
    registry->links_due_ns = INT64_MAX;
    registry->op_deadline_ns = INT64_MAX;
    registry->box.port = (struct tr_registry_port){
        .context = registry,
        .start = start,
        .stop = stop,
        .drain = drain,
        .set_metadata = set_metadata,
        .rejoin = rejoin,
        .destroy = destroy,
        .set_behaviors = set_behaviors,
        .register_name = register_name,
        .unregister = unregister,
        .lookup = lookup,
        .cached = cached,
        .invalidate = invalidate,
        .started = started,
        .step = step,
        .inbox_hint = inbox_hint,
        .inbox_failed = inbox_failed,
        .reload = reload,
        .link_add = link_add,
        .link_remove = link_remove,
        .sample = sample,
        .unreachable = unreachable,
        .health = health,
    };
    *out = &registry->box;
    return TROUPE_OK;
}

void troupe_registry_destroy(troupe_registry *registry)
{
    if (registry != NULL) {
        registry->port.destroy(registry->port.context);
    }
}
