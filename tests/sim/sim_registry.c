/* The fake registry, with the manners of a real one: what happens to members is told late, when a
 * node polls, or twice; and who is gone is declared dead a while after somebody has noticed. */
#include <stdlib.h>
#include <string.h>

#include "io/loop.h"
#include "io/timer.h"
#include "sim/sim_more.h"
#include "support/fake_cluster.h"

enum { LATE_MS = 1500, POLL_MS = 1000, SOON_MS = 3, VERDICT_MS = 400, LEASE_SLACK_MS = 1000 };

enum news_kind { NEWS_UP, NEWS_DOWN, NEWS_FENCED };

/* Something that a node has not been told yet. */
struct news {
    struct news *next;
    int64_t at_ns;
    enum news_kind kind;
    uint64_t node_id;
    uint16_t port;
    char name[16];
    char host[16];
    char why[64];
};

/* A name that is to be given up when the database is back. */
struct giving_up {
    struct giving_up *next;
    uint64_t epoch;
    tr_name_done done;
    void *done_context;
    char name[32];
};

struct sim_registry {
    struct giving_up *names;
    struct sim_registry *next;    /* of the world */
    struct tr_registry_port real; /* the fake registry's */
    struct sim_slot *slot;
    struct tr_registry_join join;
    struct tr_timer *timer;
    struct news *first;
    struct news **last;
    uint64_t node_id;
    char name[16];
    bool crashed;
    bool destroyed;      /* by its node, which did not wait for its own death */
    int64_t death_at_ns; /* of one that has crashed */
};

static struct sim_registry *by_fake(const void *context)
{
    struct sim_registry *registry = sim->registries;

    while (registry->real.context != context) {
        registry = registry->next;
    }
    return registry;
}

static struct sim_registry *by_node(const void *context)
{
    struct sim_registry *registry = sim->registries;

    while (registry->destroyed || registry->join.events.context != context) {
        registry = registry->next;
    }
    return registry;
}

/* ---- news ---- */

/* False: the node has no memory for that now. */
static bool tell(struct sim_registry *registry, const struct news *news)
{
    const struct tr_registry_events *events = &registry->join.events;
    const struct tr_member member = {
        .node_id = news->node_id, .name = news->name, .host = news->host, .port = news->port};

    sim_note("%s hears: %s %llu %s", registry->slot->name,
             news->kind == NEWS_UP     ? "up"
             : news->kind == NEWS_DOWN ? "down"
                                       : "fenced",
             (unsigned long long)news->node_id, news->name);
    if (news->kind == NEWS_UP) {
        return events->on_member_up(events->context, &member);
    }
    if (news->kind == NEWS_DOWN) {
        events->on_member_down(events->context, news->node_id, news->name, news->why);
    } else {
        sim_count(SIM_COUNT_FENCED, 1);
        events->on_fenced(events->context, news->why);
    }
    return true;
}

static void arm(struct sim_registry *registry)
{
    if (registry->first != NULL) {
        const int64_t now_ns = (int64_t)tr_loop_now(registry->join.loop);
        const int64_t at_ns = registry->first->at_ns;

        tr_timer_start(registry->timer, at_ns > now_ns ? (uint64_t)(at_ns - now_ns) : 0, 0);
    }
}

static void drop_first(struct sim_registry *registry)
{
    struct news *news = registry->first;

    registry->first = news->next;
    if (registry->first == NULL) {
        registry->last = &registry->first;
    }
    free(news);
}

static void on_timer(void *context)
{
    struct sim_registry *registry = context;

    while (registry->first != NULL &&
           registry->first->at_ns <= (int64_t)tr_loop_now(registry->join.loop)) {
        const struct news news = *registry->first;

        if (!tell(registry, &news)) {
            registry->first->at_ns += LATE_MS * TR_NS_PER_MS;
            sim_count(SIM_COUNT_NEWS_AGAIN, 1);
            break;
        }
        drop_first(registry);
        if (sim->shape.news == SIM_NEWS_TWICE && news.kind != NEWS_FENCED && sim_one_in(2)) {
            sim_count(SIM_COUNT_NEWS_TWICE, 1);
            (void)tell(registry, &news);
        }
    }
    if (registry->timer != NULL) {
        arm(registry);
    }
}

static int64_t told_at_ns(void)
{
    const int64_t now_ns = sim->now_ns + sim->ahead_ns;
    const int64_t poll_ns = POLL_MS * TR_NS_PER_MS;

    switch ((enum sim_news)sim->shape.news) {
    case SIM_NEWS_LATE:
        return now_ns + (int64_t)sim_chance(LATE_MS) * TR_NS_PER_MS;
    case SIM_NEWS_BY_POLL:
        return (now_ns / poll_ns + 1) * poll_ns;
    case SIM_NEWS_AT_ONCE:
    case SIM_NEWS_TWICE:
    case SIM_NEWS_COUNT:
        break;
    }
    return now_ns + (int64_t)sim_chance(SOON_MS) * TR_NS_PER_MS;
}

/* All nodes hear of everything in one order, each at its own time. */
static void queue(struct sim_registry *registry, const struct news *news)
{
    struct news *copy = sim_alloc(NULL, sizeof(*copy));

    *copy = *news;
    copy->next = NULL;
    copy->at_ns = told_at_ns();
    *registry->last = copy;
    registry->last = &copy->next;
    if (registry->first == copy) {
        arm(registry);
    }
}

static void copy_text(char *out, size_t size, const char *text)
{
    const size_t length = strnlen(text, size - 1);

    memcpy(out, text, length);
    out[length] = '\0';
}

static bool on_member_up(void *context, const struct tr_member *member)
{
    struct news news = {.kind = NEWS_UP, .node_id = member->node_id, .port = member->port};

    copy_text(news.name, sizeof(news.name), member->name);
    copy_text(news.host, sizeof(news.host), member->host);
    queue(by_node(context), &news);
    return true;
}

static void on_member_down(void *context, uint64_t node_id, const char *name, const char *why)
{
    struct news news = {.kind = NEWS_DOWN, .node_id = node_id};

    copy_text(news.name, sizeof(news.name), name);
    copy_text(news.why, sizeof(news.why), why);
    queue(by_node(context), &news);
}

static void on_fenced(void *context, const char *why)
{
    struct news news = {.kind = NEWS_FENCED};

    copy_text(news.why, sizeof(news.why), why);
    queue(by_node(context), &news);
}

static void on_joined(void *context, uint64_t node_id, const uint8_t cluster_id[16],
                      uint64_t system_id)
{
    struct sim_registry *registry = by_node(context);

    registry->node_id = node_id;
    registry->slot->node_id = node_id;
    sim_note("%s is node %llu", registry->slot->name, (unsigned long long)node_id);
    registry->join.events.on_joined(context, node_id, cluster_id, system_id);
}

/* ---- the port ---- */

static troupe_status start(void *context, const struct tr_registry_join *join)
{
    struct sim_registry *registry = by_fake(context);
    struct tr_registry_join ours = *join;
    const troupe_status status = tr_timer_create(join->loop, on_timer, registry, &registry->timer);

    if (status != TROUPE_OK) {
        return status;
    }
    /* What is lent is gone when the process is; the table keeps it. */
    ours.roles = "";
    ours.metadata = "";
    ours.name = registry->name;
    ours.host = registry->slot->host;
    registry->join = *join;
    registry->slot->node = join->events.context;
    ours.events.on_joined = on_joined;
    ours.events.on_member_up = on_member_up;
    ours.events.on_member_down = on_member_down;
    ours.events.on_fenced = on_fenced;
    return registry->real.start(context, &ours);
}

/* What has no deadline waits for the database. */
static void unregister(void *context, const char *name, uint64_t epoch, int64_t deadline_ns,
                       tr_name_done done, void *done_context)
{
    struct sim_registry *registry = by_fake(context);
    struct giving_up *waits = NULL;

    if (sim->away == 0 || deadline_ns != INT64_MAX) {
        registry->real.unregister(context, name, epoch, deadline_ns, done, done_context);
        return;
    }
    waits = sim_alloc(NULL, sizeof(*waits));
    *waits = (struct giving_up){
        .next = registry->names, .epoch = epoch, .done = done, .done_context = done_context};
    copy_text(waits->name, sizeof(waits->name), name);
    registry->names = waits;
}

/* The database is back, or the node stops. */
static void give_up_names(struct sim_registry *registry)
{
    while (registry->names != NULL) {
        struct giving_up *waits = registry->names;

        registry->names = waits->next;
        registry->real.unregister(registry->real.context, waits->name, waits->epoch, INT64_MAX,
                                  waits->done, waits->done_context);
        free(waits);
    }
}

static void stop(void *context, bool leave, uint32_t timeout_ms, void (*done)(void *),
                 void *done_context)
{
    struct sim_registry *registry = by_fake(context);

    while (registry->first != NULL) {
        drop_first(registry);
    }
    tr_timer_close(registry->timer);
    registry->timer = NULL;
    give_up_names(registry);
    registry->real.stop(context, leave, timeout_ms, done, done_context);
}

static void registry_free(struct sim_registry *registry)
{
    struct sim_registry **link = &sim->registries;

    while (*link != registry) {
        link = &(*link)->next;
    }
    *link = registry->next;
    while (registry->first != NULL) {
        drop_first(registry);
    }
    registry->real.destroy(registry->real.context);
    free(registry);
}

/* A member that has gone without a word stays one until it is declared dead. */
static void destroy(void *context)
{
    struct sim_registry *registry = by_fake(context);

    if (registry->crashed) {
        registry->destroyed = true;
        registry->slot = NULL;
    } else {
        registry_free(registry);
    }
}

static void unreachable(void *context, uint64_t node_id, bool refused)
{
    const uint64_t wait_ms = refused ? SOON_MS : VERDICT_MS;
    const int64_t at_ns = sim->now_ns + (int64_t)sim_chance(wait_ms) * TR_NS_PER_MS;

    (void)context;
    for (struct sim_registry *registry = sim->registries; registry != NULL;
         registry = registry->next) {
        if (registry->crashed && registry->node_id == node_id && at_ns < registry->death_at_ns) {
            registry->death_at_ns = at_ns;
        }
    }
}

struct troupe_registry *sim_registry_create(struct sim_slot *slot)
{
    struct sim_registry *registry = sim_alloc(NULL, sizeof(*registry));
    struct troupe_registry *fake = fake_registry_create(sim->cluster);

    *registry = (struct sim_registry){
        .next = sim->registries, .real = fake->port, .slot = slot, .death_at_ns = INT64_MAX};
    copy_text(registry->name, sizeof(registry->name), slot->name);
    registry->last = &registry->first;
    sim->registries = registry;
    slot->registry = registry;
    fake->port.start = start;
    fake->port.stop = stop;
    fake->port.unregister = unregister;
    fake->port.destroy = destroy;
    fake->port.unreachable = unreachable;
    return fake;
}

/* ---- deaths ---- */

void sim_registry_crashed(struct sim_slot *slot)
{
    struct sim_registry *registry = slot->registry;

    registry->crashed = true;
    registry->death_at_ns =
        sim->now_ns + (int64_t)(sim->shape.ttl_ms + LEASE_SLACK_MS) * TR_NS_PER_MS;
}

void sim_registry_expire(uint64_t node_id)
{
    sim_note("node %llu is declared dead", (unsigned long long)node_id);
    fake_cluster_kill(sim->cluster, node_id);
    for (struct sim_registry *registry = sim->registries; registry != NULL;
         registry = registry->next) {
        if (registry->destroyed && registry->node_id == node_id) {
            registry_free(registry);
            return;
        }
    }
}

static struct sim_registry *first_death(void)
{
    struct sim_registry *first = NULL;

    for (struct sim_registry *registry = sim->registries; registry != NULL;
         registry = registry->next) {
        if (registry->destroyed && (first == NULL || registry->death_at_ns < first->death_at_ns)) {
            first = registry;
        }
    }
    return first;
}

void sim_registry_expire_all(void)
{
    struct sim_registry *registry = NULL;

    while ((registry = first_death()) != NULL) {
        sim_registry_expire(registry->node_id);
    }
}

void sim_registry_expire_name(const char *name)
{
    for (const struct sim_registry *registry = sim->registries; registry != NULL;
         registry = registry->next) {
        if (registry->destroyed && strcmp(registry->name, name) == 0) {
            sim_registry_expire(registry->node_id);
            return;
        }
    }
}

int64_t sim_registry_next_ns(void)
{
    const struct sim_registry *registry = first_death();

    return registry == NULL ? INT64_MAX : registry->death_at_ns;
}

bool sim_registry_is_quiet(void)
{
    for (const struct sim_registry *registry = sim->registries; registry != NULL;
         registry = registry->next) {
        if (registry->destroyed || registry->first != NULL || registry->slot->node->fenced) {
            return false;
        }
    }
    return true;
}

void sim_registry_step(void)
{
    const struct sim_registry *registry = first_death();

    if (registry != NULL && registry->death_at_ns <= sim->now_ns) {
        sim_registry_expire(registry->node_id);
    }
}

/* ---- looking into the database ---- */

void sim_registry_set_away(bool away)
{
    sim->away += away ? 1U : -1U;
    sim_count(SIM_COUNT_AWAY, away ? 1 : 0);
    fake_cluster_set_away(sim->cluster, sim->away > 0);
    for (struct sim_registry *registry = sim->registries; sim->away == 0 && registry != NULL;
         registry = registry->next) {
        if (!registry->crashed) {
            give_up_names(registry);
        }
    }
    /* Holders look for what came meanwhile. */
    for (const struct fake_name *name = sim->cluster->names; sim->away == 0 && name != NULL;
         name = name->next) {
        fake_deliver(sim->cluster, name->name);
    }
}

void sim_registry_poll(void)
{
    fake_cluster_poll(sim->cluster);
}

bool sim_registry_is_member(uint64_t node_id)
{
    return fake_find_node(sim->cluster, node_id) != NULL;
}

bool sim_registry_holder(const char *name, troupe_pid *pid)
{
    const struct fake_name *found = fake_find_name(sim->cluster, name);

    if (found == NULL || found->actor_id == 0 || !sim_registry_is_member(found->node_id)) {
        return false;
    }
    *pid = (troupe_pid){.node = found->node_id, .id = found->actor_id};
    return true;
}

int64_t sim_registry_waiting(const char *const *names, size_t count, bool (*may_wait)(size_t name))
{
    int64_t cents = 0;

    for (const struct fake_message *message = sim->cluster->inbox; message != NULL;
         message = message->next) {
        const char *number = strpbrk(message->payload, "0123456789");

        for (size_t i = 0; i < count; i++) {
            if (strcmp(names[i], message->to) == 0 && !may_wait(i) &&
                fake_find_name(sim->cluster, names[i]) != NULL) {
                sim_fail("message %llu to %s waits, who is there", (unsigned long long)message->id,
                         names[i]);
            }
        }
        cents += number == NULL ? 0 : strtoll(number, NULL, 10);
    }
    return cents;
}
