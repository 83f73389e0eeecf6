/* A node's registry as a process of its own, so that it can be killed or stopped:
 * registry_child CONNINFO NAME TTL_MS says "joined ID" and "fenced" on its output, as they happen.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dist/names.h"
#include "io/loop.h"
#include "troupe/registry.h"

static void on_joined(void *context, uint64_t node_id, const uint8_t cluster_id[16],
                      uint64_t system_id)
{
    (void)context;
    (void)cluster_id;
    (void)system_id;
    (void)printf("joined %" PRIu64 "\n", node_id);
    (void)fflush(stdout);
}

static void on_failed(void *context, troupe_status status, const char *text)
{
    (void)context;
    (void)printf("failed %d %s\n", (int)status, text);
    (void)fflush(stdout);
}

static bool on_member_up(void *context, const struct tr_member *member)
{
    (void)context;
    (void)member;
    return true;
}

static void on_member_down(void *context, uint64_t node_id, const char *name, const char *why)
{
    (void)context;
    (void)node_id;
    (void)name;
    (void)why;
}

static void on_lease(void *context, int64_t deadline_ns)
{
    (void)context;
    (void)deadline_ns;
}

static void on_fenced(void *context, const char *why)
{
    troupe_registry *const *box = context;

    (void)why;
    (void)printf("fenced\n");
    (void)fflush(stdout);
    (*box)->port.rejoin((*box)->port.context);
}

static void on_orphan(void *context, const struct tr_orphan *orphan)
{
    (void)context;
    (void)orphan;
}

static void on_inbox(void *context, const struct tr_inbox_row *rows, size_t count)
{
    (void)context;
    (void)rows;
    (void)count;
}

int main(int argc, char **argv)
{
    troupe_registry *box = NULL;
    struct tr_loop *loop = NULL;
    char error[256] = "";
    struct tr_registry_join join = {
        .host = "127.0.0.1",
        .port = 4001,
        .version = "0.1.0",
        .events = {.context = &box,
                   .on_joined = on_joined,
                   .on_failed = on_failed,
                   .on_member_up = on_member_up,
                   .on_member_down = on_member_down,
                   .on_lease = on_lease,
                   .on_fenced = on_fenced,
                   .on_orphan = on_orphan,
                   .on_inbox = on_inbox},
    };

    if (argc != 4 || troupe_registry_postgres(argv[1], &box, error, sizeof(error)) != TROUPE_OK ||
        tr_loop_create(&loop) != TROUPE_OK) {
        (void)fprintf(stderr, "registry_child: %s\n", error);
        return 2;
    }
    join.loop = loop;
    join.name = argv[2];
    join.ttl_ms = (uint32_t)strtoul(argv[3], NULL, 10);
    join.seed = (uint64_t)getpid();
    if (box->port.start(box->port.context, &join) != TROUPE_OK) {
        return 2;
    }
    tr_loop_run(loop);
    return 0;
}
