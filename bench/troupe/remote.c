/* remote server WORKERS CONNINFO SECRET TAG       prints "ready"; ends at the end of its input
 * remote client WORKERS CONNINFO SECRET TAG oneway COUNT SIZE
 * remote client WORKERS CONNINFO SECRET TAG request-reply|call|links|idle COUNT
 *
 * SECRET is a file with the cluster secret, "-" for none, or tls:FOLDER, where `troupe ca` has put
 * certificates of both nodes. TAG keeps the names of one run apart from others.
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
enum { EXIT_USAGE = 64, NAME_SIZE = 64, SECRET_SIZE_MAX = 256, PATH_SIZE = 1024 };

static int usage(const char *program)
{
    (void)fprintf(
        stderr,
        "usage: %s server WORKERS CONNINFO SECRET TAG\n"
        "       %s client WORKERS CONNINFO SECRET TAG oneway|request-reply|call|links|idle "
        "COUNT [SIZE]\n",
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

/* Where the certificates are when SECRET is tls:FOLDER, as `troupe ca` names them. */
typedef struct certificates {
    char cert[PATH_SIZE];
    char key[PATH_SIZE];
    char ca[PATH_SIZE];
} certificates;

static void use_tls(troupe_config *config, certificates *c, const char *folder)
{
    (void)snprintf(c->cert, sizeof(c->cert), "%s/node-%s.pem", folder, config->name);
    (void)snprintf(c->key, sizeof(c->key), "%s/node-%s.key", folder, config->name);
    (void)snprintf(c->ca, sizeof(c->ca), "%s/ca.pem", folder);
    config->tls_cert = c->cert;
    config->tls_key = c->key;
    config->tls_ca = c->ca;
}

/* Of main. */
static char **arguments;

troupe_node *remote_start_node(const char *role, uint32_t workers)
{
    char **argv = arguments;
    char name[NAME_SIZE];
    char error[512] = "";
    uint8_t secret[SECRET_SIZE_MAX];
    certificates tls;
    (void)snprintf(name, sizeof(name), "%s-%s", role, argv[ARG_TAG]);
    troupe_config config;
    troupe_config_init(&config);
    config.name = name;
    config.workers = workers;
    if (strncmp(argv[ARG_SECRET], "tls:", 4) == 0) {
        use_tls(&config, &tls, argv[ARG_SECRET] + 4);
    } else {
        config.secret = read_secret(argv[ARG_SECRET], secret);
    }
    config.log = bench_log;
    bench_must(troupe_registry_postgres(argv[ARG_CONNINFO], &config.registry, error, sizeof(error)),
               "registry");
    troupe_node *node = NULL;
    const troupe_status status = troupe_node_start(&config, &node, error, sizeof(error));
    bench_must(status, error[0] != '\0' ? error : "start");
    remote_oneway_add_types(node);
    remote_request_add_types(node);
    remote_links_add_types(node);
    remote_idle_add_types(node);
    return node;
}

static troupe_node *start_own_node(void)
{
    return remote_start_node(arguments[ARG_ROLE], (uint32_t)measure_number(arguments[ARG_WORKERS]));
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
    troupe_node *node = start_own_node();
    spawn_named(node, &remote_sink_behavior, argv[ARG_TAG]);
    spawn_named(node, &remote_echo_behavior, argv[ARG_TAG]);
    spawn_named(node, &remote_garden_behavior, argv[ARG_TAG]);
    spawn_named(node, &remote_crowd_behavior, argv[ARG_TAG]);
    const double cpu = measure_cpu_s();
    (void)printf("ready\n");
    (void)fflush(stdout);
    while (getchar() != EOF) {
    }
    measure_usage(cpu);
    remote_idle_stop();
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
    {"idle", &remote_crowd_behavior, remote_idle, true},
};

static int be_client(char **argv, const kind *k, uint64_t count, size_t size)
{
    stream_init();
    troupe_node *node = start_own_node();
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
    arguments = argv;
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
