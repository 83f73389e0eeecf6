/* remote server WORKERS CONNINFO SECRET TAG                      prints "ready"; ends at the end of
 * its input remote client WORKERS CONNINFO SECRET TAG oneway COUNT SIZE remote client WORKERS
 * CONNINFO SECRET TAG request-reply|call COUNT
 *
 * SECRET is a file with the cluster secret, or "-" for none. TAG keeps the names of one run apart
 * from others.
 */
#include "remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ARG_ROLE = 1,
    ARG_WORKERS,
    ARG_CONNINFO,
    ARG_SECRET,
    ARG_TAG,
    ARG_KIND,
    ARG_COUNT,
    ARG_SIZE
};
enum { EXIT_USAGE = 64, NAME_SIZE = 64, SECRET_SIZE_MAX = 256 };

static int usage(const char *program)
{
    (void)fprintf(
        stderr,
        "usage: %s server WORKERS CONNINFO SECRET TAG\n"
        "       %s client WORKERS CONNINFO SECRET TAG oneway|request-reply|call COUNT [SIZE]\n",
        program, program);
    return EXIT_USAGE;
}

/* Reads the secret into buffer, of SECRET_SIZE_MAX bytes. */
static troupe_bytes read_secret(const char *path, uint8_t *buffer)
{
    if (strcmp(path, "-") == 0) {
        return (troupe_bytes){0};
    }
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        bench_must(TROUPE_E_SYSTEM, path);
        return (troupe_bytes){0};
    }
    const size_t size = fread(buffer, 1, SECRET_SIZE_MAX, file);
    (void)fclose(file);
    return (troupe_bytes){.data = buffer, .size = size};
}

static troupe_node *start_node(char **argv)
{
    char name[NAME_SIZE];
    char error[512] = "";
    uint8_t secret[SECRET_SIZE_MAX];
    (void)snprintf(name, sizeof(name), "%s-%s", argv[ARG_ROLE], argv[ARG_TAG]);
    troupe_config config;
    troupe_config_init(&config);
    config.name = name;
    config.workers = (uint32_t)measure_number(argv[ARG_WORKERS]);
    config.secret = read_secret(argv[ARG_SECRET], secret);
    config.log = bench_log;
    bench_must(troupe_registry_postgres(argv[ARG_CONNINFO], &config.registry, error, sizeof(error)),
               "registry");
    troupe_node *node = NULL;
    const troupe_status status = troupe_node_start(&config, &node, error, sizeof(error));
    bench_must(status, error[0] != '\0' ? error : "start");
    remote_oneway_add_types(node);
    remote_request_add_types(node);
    remote_links_add_types(node);
    return node;
}

static void spawn_named(troupe_node *node, const troupe_behavior *behavior, const char *tag)
{
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof(name), "%s.%s", behavior->name, tag);
    const troupe_spawn_options options = {.name = name};
    (void)bench_spawn(node, behavior, &options);
}

static int serve(char **argv)
{
    troupe_node *node = start_node(argv);
    spawn_named(node, &remote_sink_behavior, argv[ARG_TAG]);
    spawn_named(node, &remote_echo_behavior, argv[ARG_TAG]);
    spawn_named(node, &remote_garden_behavior, argv[ARG_TAG]);
    const double cpu = measure_cpu_s();
    (void)printf("ready\n");
    (void)fflush(stdout);
    while (getchar() != EOF) {
    }
    measure_usage(cpu);
    troupe_node_stop(node, 20000);
    return 0;
}

static troupe_pid find(troupe_node *node, const troupe_behavior *behavior, const char *tag)
{
    char name[NAME_SIZE];
    troupe_pid pid = {0};
    (void)snprintf(name, sizeof(name), "%s.%s", behavior->name, tag);
    bench_must(troupe_node_whereis(node, name, 10000, &pid), name);
    return pid;
}

typedef struct kind {
    const char *name;
    const troupe_behavior *peer;
    void (*run)(const remote_run *r);
    bool once; /* without a warm-up */
} kind;

static const kind kinds[] = {
    {"oneway", &remote_sink_behavior, remote_oneway, false},
    {"request-reply", &remote_echo_behavior, remote_request_reply, false},
    {"call", &remote_echo_behavior, remote_call, false},
    {"links", &remote_garden_behavior, remote_links, true},
};

static int be_client(char **argv, const kind *k, uint64_t count, size_t size)
{
    stream_init();
    troupe_node *node = start_node(argv);
    bench_must(troupe_node_wait_cluster(node, 2, 30000), "cluster of two");
    remote_run r = {.node = node, .peer = find(node, k->peer, argv[ARG_TAG]), .size = size};
    r.count = count / 10 > 0 ? count / 10 : 1;
    if (!k->once) {
        k->run(&r);
    }
    r.count = count;
    r.report = true;
    const double cpu = measure_cpu_s();
    k->run(&r);
    measure_usage(cpu);
    troupe_node_stop(node, 20000);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == ARG_TAG + 1 && strcmp(argv[ARG_ROLE], "server") == 0) {
        return serve(argv);
    }
    if (argc <= ARG_COUNT || argc > ARG_SIZE + 1 || strcmp(argv[ARG_ROLE], "client") != 0) {
        return usage(argv[0]);
    }
    const size_t size = argc > ARG_SIZE ? measure_number(argv[ARG_SIZE]) : REQUEST_BYTES;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(argv[ARG_KIND], kinds[i].name) == 0 && size <= STREAM_SIZE_MAX) {
            return be_client(argv, &kinds[i], measure_number(argv[ARG_COUNT]), size);
        }
    }
    return usage(argv[0]);
}
