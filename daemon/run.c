#include "daemon/run.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/host.h"
#include "daemon/admin_server.h"
#include "daemon/secret_reload.h"
#include "daemon/state_files.h"
#include "daemon/tls_reload.h"
#include "sync/thread.h"
#include "troupe/node.h"

struct daemon {
    const struct run_input *input;
    const struct options *options;
    struct log *log;
    troupe_node *node;
    int signals; /* a signalfd; -1 before start */
    int fenced;  /* an eventfd, written by the node's thread */
    struct admin_server admin;
    uint64_t node_id; /* as announced last */
    bool has_secret;
    int exit_status;
    int64_t stop_until_ms; /* on the monotonic clock, once stopping */
};

#define LOOK_MS 1000
/* Past stop_timeout: for killing what did not end (1 s), for leaving, and for requests that end. */
#define STOP_GRACE_MS 5000
/* To leave the cluster in order there is always so much time. */
#define STOP_LEAST_MS 1000

/* ---- starting ---- */

static enum problem_code schema_code(const char *text)
{
    if (strstr(text, "newer") != NULL) {
        return PROBLEM_SCHEMA_NEW;
    }
    return strstr(text, "older") != NULL ? PROBLEM_SCHEMA_OLD : PROBLEM_NO_SCHEMA;
}

static enum problem_code start_code(troupe_status status, const char *text)
{
    static const struct {
        troupe_status status;
        enum problem_code code;
    } codes[] = {
        {TROUPE_E_REGISTRY, PROBLEM_NO_POSTGRES},  {TROUPE_E_TIMEOUT, PROBLEM_NO_POSTGRES},
        {TROUPE_E_AUTH, PROBLEM_PASSWORD},         {TROUPE_E_DENIED, PROBLEM_PERMISSION},
        {TROUPE_E_NOT_FOUND, PROBLEM_NO_DATABASE}, {TROUPE_E_EXISTS, PROBLEM_NAME_TAKEN},
        {TROUPE_E_SYSTEM, PROBLEM_ADDRESS},        {TROUPE_E_INVALID, PROBLEM_CONFIG},
        {TROUPE_E_MODULE, PROBLEM_MODULE},         {TROUPE_E_NO_MEMORY, PROBLEM_MEMORY},
        {TROUPE_E_FENCED, PROBLEM_FENCED},
    };

    if (status == TROUPE_E_SCHEMA) {
        return schema_code(text);
    }
    /* What is wrong with a path has many statuses, each of which means something else elsewhere. */
    if (strncmp(text, "cannot listen", strlen("cannot listen")) == 0 &&
        (status == TROUPE_E_EXISTS || strstr(text, " " TR_UNIX_PREFIX) != NULL)) {
        return PROBLEM_ADDRESS;
    }
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].status == status) {
            return codes[i].code;
        }
    }
    return PROBLEM_SYSTEM;
}

static void start_hint(struct problem *problem)
{
    switch ((int)problem->code) {
    case PROBLEM_NO_POSTGRES:
        problem_hint(problem, "is PostgreSQL running, and are --db or PGHOST, PGPORT right?");
        break;
    case PROBLEM_PASSWORD:
        problem_hint(problem, "the user and the password come from db, TROUPE_DB_FILE, PGUSER, "
                              "PGPASSFILE or a service file");
        break;
    case PROBLEM_NO_DATABASE:
        problem_hint(problem, "create it, or name another in db or PGDATABASE");
        break;
    case PROBLEM_NO_SCHEMA:
    case PROBLEM_SCHEMA_OLD:
        problem_hint(problem, "troupe db migrate  brings the database up to this version");
        break;
    case PROBLEM_SCHEMA_NEW:
        problem_hint(problem, "install the newer Troupe that migrated this database");
        break;
    case PROBLEM_ADDRESS:
        problem_hint(problem,
                     "another program may listen there; --listen HOST:0 takes a free port, and "
                     "--listen unix:/PATH a socket of the file system");
        break;
    case PROBLEM_NAME_TAKEN:
        problem_hint(problem, "give this node another --name, or stop the other one");
        break;
    default:
        break;
    }
}

static int start_problem(struct daemon *daemon, troupe_status status, const char *what,
                         const char *error)
{
    struct problem problem;
    int result = problem_set(&problem, start_code(status, error), "%s: %s", what,
                             troupe_status_text(status));

    problem_detail(&problem, "%s", error);
    start_hint(&problem);
    log_problem(daemon->log, &problem);
    return result;
}

static void on_fenced(void *context)
{
    const struct daemon *daemon = context;
    const uint64_t one = 1;

    while (write(daemon->fenced, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

static void fill_config(struct daemon *daemon, troupe_config *config)
{
    const struct options *options = daemon->options;

    troupe_config_init(config);
    config->name = options->name;
    config->workers = options->workers;
    config->listen_host = options->listen_host;
    config->listen_port = options->listen_port;
    config->listen_mode = options->listen_mode;
    config->advertise_host = options->advertise;
    config->secret = (troupe_bytes){options->secret.bytes, options->secret.size};
    config->secret_accepted = (troupe_bytes){options->accepted.bytes, options->accepted.size};
    config->tls_cert = options->tls_cert;
    config->tls_key = options->tls_key;
    config->tls_ca = options->tls_ca;
    config->roles = options->roles;
    config->metadata = options->metadata;
    config->lease_ttl_ms = options->lease_ttl_ms;
    config->heartbeat_ms = options->heartbeat_ms;
    config->silence_ms = options->silence_ms;
    config->resume_window_ms = options->resume_window_ms;
    config->send_queue_bytes = options->send_queue;
    config->send_queue_high_bytes = options->send_queue_high;
    config->send_queue_low_bytes = options->send_queue_low;
    config->compression = options->compression ? TROUPE_COMPRESSION_ZSTD : TROUPE_COMPRESSION_OFF;
    config->exit_when_fenced = options->exit_when_fenced;
    config->allow_unsafe_fsync = options->allow_unsafe_fsync;
    config->log = log_write;
    config->log_context = daemon->log;
    config->on_fenced = on_fenced;
    config->on_fenced_context = daemon;
}

static int start_node(struct daemon *daemon)
{
    troupe_config config;
    char error[512] = "";
    troupe_status status = TROUPE_OK;

    fill_config(daemon, &config);
    status = troupe_registry_postgres(daemon->options->db, &config.registry, error, sizeof(error));
    if (status == TROUPE_OK) {
        status = troupe_node_start(&config, &daemon->node, error, sizeof(error));
    }
    daemon->has_secret = daemon->options->secret.size > 0;
    secret_wipe(&daemon->input->options->secret); /* the node has its own */
    secret_wipe(&daemon->input->options->accepted);
    return status == TROUPE_OK ? 0 : start_problem(daemon, status, "the node cannot start", error);
}

static int load_modules(struct daemon *daemon)
{
    for (size_t i = 0; i < daemon->options->modules_count; i++) {
        const struct module_file *module = &daemon->options->modules[i];
        const char *path = module->path;
        char error[512] = "";
        troupe_status status =
            troupe_node_load_module(daemon->node, module->fd_path, error, sizeof(error));

        if (status != TROUPE_OK) {
            return start_problem(daemon, TROUPE_E_MODULE, path, error);
        }
        log_printf(daemon->log, TROUPE_LOG_INFO, "loaded module %s", path);
    }
    return 0;
}

static bool handle_request(void *context, const char *request, char **reply)
{
    struct daemon *daemon = context;
    troupe_status status = troupe_node_admin(daemon->node, request, ADMIN_REQUEST_MS, reply);

    return status == TROUPE_OK;
}

/* What is answered without any actor: the server keeps room for these. */
static bool is_brief(const char *request)
{
    static const char *const ops[] = {"health", "ping", "info"};
    cJSON *parsed = cJSON_Parse(request);
    const char *op = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(parsed, "op"));
    bool brief = false;

    for (size_t i = 0; op != NULL && i < sizeof(ops) / sizeof(ops[0]); i++) {
        brief = brief || strcmp(ops[i], op) == 0;
    }
    cJSON_Delete(parsed);
    return brief;
}

static int start_admin(struct daemon *daemon)
{
    const struct admin_handler handler = {daemon, handle_request, is_brief, troupe_json_free};
    struct problem problem;
    int status = 0;

    daemon->admin.listener = -1;
    daemon->admin.ended_read = -1;
    if (daemon->options->admin_socket == NULL) {
        return 0;
    }
    status = admin_server_start(&daemon->admin, daemon->options->admin_socket,
                                daemon->options->admin_mode, &handler, daemon->log, &problem);
    if (status != 0) {
        log_problem(daemon->log, &problem);
    }
    return status;
}

/* Writes where the node is, once it serves, and again after it has joined anew. */
static int announce(struct daemon *daemon)
{
    const struct options *options = daemon->options;
    troupe_node_info info = {.struct_size = sizeof(info)};
    char address[sizeof(info.advertise_host) + 32];
    struct ready_facts facts = {.name = options->name, .admin_socket = options->admin_socket};
    struct problem problem;
    int status = 0;

    troupe_node_get_info(daemon->node, &info);
    facts.node_id = info.node_id;
    facts.host = info.advertise_host;
    facts.port = info.port;
    if (options->ready_file != NULL) {
        status = state_write_ready(options->ready_file, &facts, &problem);
    }
    if (status != 0) {
        log_problem(daemon->log, &problem);
        return status;
    }
    daemon->node_id = info.node_id;
    tr_address_print(facts.host, facts.port, address, sizeof(address));
    log_printf(daemon->log, TROUPE_LOG_INFO,
               "ready: node %" PRIu64 " at %s, admin socket %s, version %s", info.node_id, address,
               facts.admin_socket != NULL ? facts.admin_socket : "none", TROUPE_VERSION);
    return 0;
}

static int write_pid(struct daemon *daemon)
{
    struct problem problem;
    const int status = daemon->options->pid_file != NULL
                           ? state_write_pid(daemon->options->pid_file, &problem)
                           : 0;

    if (status != 0) {
        log_problem(daemon->log, &problem);
    }
    return status;
}

static int no_descriptor(const struct daemon *daemon)
{
    struct problem problem;
    const int status =
        problem_set(&problem, PROBLEM_SYSTEM, "no descriptors left: %s", strerror(errno));

    log_problem(daemon->log, &problem);
    return status;
}

/* Before the node starts: it may be fenced at any moment after. */
static int make_fenced(struct daemon *daemon)
{
    daemon->fenced = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return daemon->fenced < 0 ? no_descriptor(daemon) : 0;
}

/* From here on signals are read from a descriptor. Before, they end the process as usual: a node
 * that is killed while it starts is found dead like any other. */
static int take_signals(struct daemon *daemon)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    daemon->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return daemon->signals < 0 ? no_descriptor(daemon) : 0;
}

/* ---- serving ---- */

/* Says which settings differ from those the node runs with and cannot be changed in flight. */
static void log_changes(const struct daemon *daemon, const struct settings *fresh)
{
    for (int id = 0; id < SETTING_COUNT; id++) {
        if (id == SETTING_LOG_LEVEL || id == SETTING_TLS_CERT || id == SETTING_TLS_KEY ||
            id == SETTING_TLS_CA || id == SETTING_SECRET_FILE ||
            id == SETTING_SECRET_ACCEPTED_FILE ||
            strcmp(settings_get(daemon->input->settings, (enum setting_id)id),
                   settings_get(fresh, (enum setting_id)id)) == 0) {
            continue;
        }
        log_printf(
            daemon->log, TROUPE_LOG_WARNING, "%s has changed (%s): effective after a restart",
            setting_spec((enum setting_id)id)->key, settings_origin(fresh, (enum setting_id)id));
    }
}

static void reload(struct daemon *daemon)
{
    struct settings fresh;
    struct problem problem;
    int32_t level = TROUPE_LOG_INFO;
    int status = 0;

    settings_init(&fresh);
    status = settings_load(&fresh, daemon->input->argc, daemon->input->argv, &problem);
    if (status == 0) {
        status = options_log_level(&fresh, &level, &problem);
    }
    if (status != 0) {
        log_problem(daemon->log, &problem);
    } else {
        log_set_level(daemon->log, level);
        log_printf(daemon->log, TROUPE_LOG_INFO, "settings read again");
        secret_reload(daemon->node, daemon->has_secret, &fresh, daemon->log);
        tls_reload(daemon->node, &fresh, daemon->log);
        log_changes(daemon, &fresh);
    }
    settings_fini(&fresh);
}

/* Answers whether to go on. */
static bool on_signal(struct daemon *daemon)
{
    struct signalfd_siginfo info;

    if (read(daemon->signals, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
        return true;
    }
    if (info.ssi_signo == SIGHUP) {
        reload(daemon);
        return true;
    }
    log_printf(daemon->log, TROUPE_LOG_INFO, "%s: stopping, at most %" PRIu32 " ms",
               info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM", daemon->options->stop_timeout_ms);
    return false;
}

/* A node that was fenced and has joined again has another id, and perhaps another port. */
static void look(struct daemon *daemon)
{
    troupe_node_info info = {.struct_size = sizeof(info)};

    troupe_node_get_info(daemon->node, &info);
    if (info.node_id != daemon->node_id && info.node_id != 0) {
        (void)announce(daemon);
    }
}

static void serve(struct daemon *daemon)
{
    struct pollfd entries[] = {{.fd = daemon->signals, .events = POLLIN},
                               {.fd = daemon->fenced, .events = POLLIN},
                               {.fd = daemon->admin.listener, .events = POLLIN},
                               {.fd = daemon->admin.ended_read, .events = POLLIN}};

    for (;;) {
        const int ready = poll(entries, sizeof(entries) / sizeof(entries[0]), LOOK_MS);

        if (ready < 0) {
            continue; /* interrupted */
        }
        if (ready == 0) {
            look(daemon);
            continue;
        }
        if (entries[1].revents != 0) {
            log_printf(daemon->log, TROUPE_LOG_ERROR, "fenced: the others declared this node dead");
            daemon->exit_status = EX_TROUPE_FENCED;
            return;
        }
        if (entries[0].revents != 0 && !on_signal(daemon)) {
            return;
        }
        if (entries[3].revents != 0) {
            admin_server_reap(&daemon->admin);
        }
        if (entries[2].revents != 0) {
            admin_server_accept(&daemon->admin);
        }
    }
}

/* ---- stopping ---- */

/* A second SIGTERM or SIGINT ends the process where it stands. */
static void release_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* What stops the node blocks, while the admin socket goes on saying how the node is; so it runs on
 * a thread of its own. */
struct stopper {
    struct daemon *daemon;
    struct tr_thread thread;
    int done; /* an eventfd */
    void (*step)(struct daemon *daemon);
};

static void tell_done(int done)
{
    const uint64_t one = 1;

    while (write(done, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

static void stopper_main(void *context)
{
    const struct stopper *stopper = context;

    stopper->step(stopper->daemon);
    tell_done(stopper->done);
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint32_t left_ms(const struct daemon *daemon)
{
    const int64_t left = daemon->stop_until_ms - now_ms();

    return left < STOP_LEAST_MS ? STOP_LEAST_MS : (uint32_t)left;
}

static void shutdown_node(struct daemon *daemon)
{
    troupe_node_shutdown(daemon->node, left_ms(daemon));
}

static void stop_node(struct daemon *daemon)
{
    troupe_node_stop(daemon->node, left_ms(daemon));
    daemon->node = NULL;
}

/* A handler that does not return, or a request that does not end, holds up its thread: nothing of
 * the node can be released then. The process ends, which the others see at once. */
static void give_up(struct daemon *daemon, const char *why)
{
    log_printf(daemon->log, TROUPE_LOG_WARNING, "%s; ending all the same", why);
    state_remove(daemon->options->admin_socket);
    state_remove(daemon->options->pid_file);
    _exit(daemon->exit_status != 0 ? daemon->exit_status : EX_TEMPFAIL);
}

/* Waits for the step and serves the admin socket meanwhile. */
static void wait_for_step(struct daemon *daemon, const struct stopper *stopper)
{
    struct pollfd entries[] = {{.fd = stopper->done, .events = POLLIN},
                               {.fd = daemon->admin.listener, .events = POLLIN},
                               {.fd = daemon->admin.ended_read, .events = POLLIN}};

    while (entries[0].revents == 0) {
        const int64_t left = daemon->stop_until_ms + STOP_GRACE_MS - now_ms();

        if (left <= 0) {
            give_up(daemon, "the node does not stop");
        }
        if (poll(entries, sizeof(entries) / sizeof(entries[0]), (int)left) <= 0) {
            continue;
        }
        if (entries[2].revents != 0) {
            admin_server_reap(&daemon->admin);
        }
        if (entries[1].revents != 0) {
            admin_server_accept(&daemon->admin);
        }
    }
}

static void do_step(struct daemon *daemon, void (*step)(struct daemon *daemon))
{
    struct stopper stopper = {
        .daemon = daemon, .done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .step = step};

    if (stopper.done < 0 ||
        tr_thread_start(&stopper.thread, "stop", stopper_main, &stopper) != TROUPE_OK) {
        step(daemon);
    } else {
        wait_for_step(daemon, &stopper);
        tr_thread_join(&stopper.thread);
    }
    if (stopper.done >= 0) {
        (void)close(stopper.done);
    }
}

static void stop(struct daemon *daemon)
{
    release_signals();
    state_remove(daemon->options->ready_file);
    daemon->stop_until_ms = now_ms() + daemon->options->stop_timeout_ms;
    do_step(daemon, shutdown_node);
    if (!admin_server_stop(&daemon->admin, STOP_GRACE_MS)) {
        give_up(daemon, "requests still run");
    }
    daemon->admin.ended_read = -1;
    do_step(daemon, stop_node);
    state_remove(daemon->options->pid_file);
    log_printf(daemon->log, TROUPE_LOG_INFO, "stopped");
}

static void close_descriptors(const struct daemon *daemon)
{
    if (daemon->signals >= 0) {
        (void)close(daemon->signals);
    }
    if (daemon->fenced >= 0) {
        (void)close(daemon->fenced);
    }
}

int run(const struct run_input *input)
{
    static int (*const steps[])(struct daemon *) = {take_signals, load_modules, start_admin,
                                                    write_pid, announce};
    struct daemon daemon = {
        .input = input, .options = input->options, .log = input->log, .signals = -1, .fenced = -1};

    daemon.admin.listener = -1;
    daemon.exit_status = make_fenced(&daemon);
    if (daemon.exit_status == 0) {
        daemon.exit_status = start_node(&daemon);
    }
    if (daemon.exit_status != 0) {
        close_descriptors(&daemon);
        return daemon.exit_status;
    }
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && daemon.exit_status == 0; i++) {
        daemon.exit_status = steps[i](&daemon);
    }
    if (daemon.exit_status == 0) {
        serve(&daemon);
    }
    stop(&daemon);
    close_descriptors(&daemon);
    return daemon.exit_status;
}
