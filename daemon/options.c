#include "daemon/options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/host.h"
#include "daemon/units.h"
#include "troupe/actor.h"

#define WORKERS_MAX 1024u
#define LEASE_TTL_MS_MIN 500u
#define TIME_MS_MAX (3600u * 1000u)
/* One fragment; and what no machine of today has to spare for one peer. */
#define SEND_QUEUE_MIN (64ull << 10)
#define SEND_QUEUE_MAX (64ull << 30)

struct builder {
    const struct settings *settings;
    struct options *options;
    struct problem *problem;
};

static const char *get(const struct builder *builder, enum setting_id id)
{
    return settings_get(builder->settings, id);
}

static const char *get_or_null(const struct builder *builder, enum setting_id id)
{
    const char *value = get(builder, id);

    return value[0] == '\0' ? NULL : value;
}

static int wrong_value(const struct settings *settings, enum setting_id id, const char *expected,
                       struct problem *problem)
{
    const int status = problem_set(problem, PROBLEM_CONFIG, "%s: %s = \"%.200s\" is not valid",
                                   settings_origin(settings, id), setting_spec(id)->key,
                                   settings_get(settings, id));

    problem_detail(problem, "expected %s", expected);
    return status;
}

static int wrong(const struct builder *builder, enum setting_id id, const char *expected)
{
    return wrong_value(builder->settings, id, expected, builder->problem);
}

static bool is_node_name(const char *name)
{
    const size_t size = strlen(name);

    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)name[i]) && strchr("_.-", name[i]) == NULL) {
            return false;
        }
    }
    return size >= 1 && size <= 63;
}

/* The name given, or the host's name up to its first dot. */
static int build_name(const struct builder *builder)
{
    const char *given = get(builder, SETTING_NAME);
    char host[64] = "";

    if (given[0] == '\0') {
        if (gethostname(host, sizeof(host) - 1) != 0) {
            host[0] = '\0';
        }
        host[strcspn(host, ".")] = '\0';
        given = host;
    }
    if (!is_node_name(given)) {
        return wrong(builder, SETTING_NAME, "1 to 63 of A-Z a-z 0-9 _ . -");
    }
    (void)snprintf(builder->options->name, sizeof(builder->options->name), "%s", given);
    return 0;
}

/* Nobody on another host reaches it. */
static bool is_of_this_host(const char *host)
{
    return tr_host_unix_path(host) != NULL || strcmp(host, "localhost") == 0 ||
           strcmp(host, "::1") == 0 || strncmp(host, "127.", 4) == 0;
}

static bool file_mode(const char *text, mode_t *mode)
{
    static const struct {
        const char *text;
        mode_t mode;
    } modes[] = {{"0600", 0600}, {"0660", 0660}, {"0666", 0666}};

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(text, modes[i].text) == 0) {
            *mode = modes[i].mode;
            return true;
        }
    }
    return false;
}

/* A node has one address: a unix socket is advertised as one, under a path of others perhaps. */
static int check_advertised(const struct builder *builder, bool is_unix)
{
    const char *advertised = builder->options->advertise;
    const char *path = tr_host_unix_path(advertised);

    if (strcmp(advertised, "auto") == 0) {
        return 0;
    }
    if (is_unix != (path != NULL)) {
        return wrong(builder, SETTING_ADVERTISE,
                     is_unix ? "auto or unix:/PATH, as listen is one"
                             : "a host or auto, as listen is no unix:/PATH");
    }
    return path == NULL || tr_unix_path_fault(path) == NULL
               ? 0
               : wrong(builder, SETTING_ADVERTISE, tr_unix_path_fault(path));
}

static int build_address(const struct builder *builder)
{
    struct options *options = builder->options;

    if (!unit_address(get(builder, SETTING_LISTEN), options->listen_host,
                      sizeof(options->listen_host), &options->listen_port)) {
        return wrong(builder, SETTING_LISTEN,
                     "HOST:PORT, [IPV6]:PORT or unix:/PATH of at most 107 bytes");
    }
    if (!file_mode(get(builder, SETTING_LISTEN_MODE), &options->listen_mode)) {
        return wrong(builder, SETTING_LISTEN_MODE, "0600, 0660 or 0666");
    }
    options->advertise = get(builder, SETTING_ADVERTISE);
    if (options->advertise[0] == '\0') {
        options->advertise = "auto";
    }
    if (strcmp(options->advertise, "0.0.0.0") == 0 || strcmp(options->advertise, "::") == 0 ||
        strlen(options->advertise) > 255) {
        return wrong(builder, SETTING_ADVERTISE, "a host that others can dial, or auto");
    }
    return check_advertised(builder, tr_host_unix_path(options->listen_host) != NULL);
}

int options_tls(const struct settings *settings, struct options *options, struct problem *problem)
{
    const struct builder builder = {settings, options, problem};

    options->tls_cert = get_or_null(&builder, SETTING_TLS_CERT);
    options->tls_key = get_or_null(&builder, SETTING_TLS_KEY);
    options->tls_ca = get_or_null(&builder, SETTING_TLS_CA);
    if ((options->tls_cert == NULL) != (options->tls_key == NULL) ||
        (options->tls_cert == NULL) != (options->tls_ca == NULL)) {
        const int status =
            problem_set(problem, PROBLEM_CONFIG, "tls_cert, tls_key and tls_ca come together");

        problem_detail(
            problem, "there is only: %s%s%s", options->tls_cert != NULL ? "tls_cert " : "",
            options->tls_key != NULL ? "tls_key " : "", options->tls_ca != NULL ? "tls_ca" : "");
        return status;
    }
    return 0;
}

static int build_tls(const struct builder *builder)
{
    return options_tls(builder->settings, builder->options, builder->problem);
}

int options_secrets(const struct settings *settings, struct options *options,
                    struct problem *problem)
{
    const char *path = settings_get(settings, SETTING_SECRET_FILE);
    const char *accepted = settings_get(settings, SETTING_SECRET_ACCEPTED_FILE);
    int status = 0;

    if (path[0] == '\0' && accepted[0] != '\0') {
        return wrong_value(settings, SETTING_SECRET_ACCEPTED_FILE, "used with secret_file only",
                           problem);
    }
    if (path[0] != '\0') {
        status = secret_read(path, &options->secret, problem);
    }
    if (status == 0 && accepted[0] != '\0') {
        status = secret_read_if_there(accepted, &options->accepted, problem);
    }
    return status;
}

static int build_secret(const struct builder *builder)
{
    const int status = options_secrets(builder->settings, builder->options, builder->problem);

    if (status != 0 || builder->options->secret.size > 0) {
        return status;
    }
    if (builder->options->tls_cert == NULL && !is_of_this_host(builder->options->listen_host)) {
        const int refused = wrong(builder, SETTING_LISTEN,
                                  "a loopback address, as there is no secret_file and no tls_cert");

        problem_hint(builder->problem, "set secret_file, or tls_cert, tls_key and tls_ca: without "
                                       "them nodes trust anybody");
        return refused;
    }
    return 0;
}

struct time_setting {
    enum setting_id id;
    uint32_t min_ms;
    const char *expected;
    uint32_t *out;
};

static int build_times(const struct builder *builder)
{
    struct options *options = builder->options;
    const struct time_setting times[] = {
        {SETTING_LEASE_TTL, LEASE_TTL_MS_MIN, "a time from 500ms to 1h", &options->lease_ttl_ms},
        {SETTING_HEARTBEAT, 10, "a time from 10ms to 1h", &options->heartbeat_ms},
        {SETTING_SILENCE, 100, "a time from 100ms to 1h", &options->silence_ms},
        {SETTING_RESUME_WINDOW, 0, "a time up to 1h", &options->resume_window_ms},
        {SETTING_STOP_TIMEOUT, 0, "a time up to 1h", &options->stop_timeout_ms},
    };

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if (!unit_milliseconds(get(builder, times[i].id), times[i].out) ||
            *times[i].out < times[i].min_ms || *times[i].out > TIME_MS_MAX) {
            return wrong(builder, times[i].id, times[i].expected);
        }
    }
    if (options->silence_ms <= options->heartbeat_ms) {
        return wrong(builder, SETTING_SILENCE, "more than heartbeat");
    }
    return 0;
}

static int build_sizes(const struct builder *builder)
{
    struct options *options = builder->options;
    const struct {
        enum setting_id id;
        uint64_t *out;
    } sizes[] = {
        {SETTING_SEND_QUEUE, &options->send_queue},
        {SETTING_SEND_QUEUE_HIGH, &options->send_queue_high},
        {SETTING_SEND_QUEUE_LOW, &options->send_queue_low},
    };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (!unit_bytes(get(builder, sizes[i].id), sizes[i].out) ||
            *sizes[i].out < SEND_QUEUE_MIN || *sizes[i].out > SEND_QUEUE_MAX) {
            return wrong(builder, sizes[i].id, "a size from 64KiB to 64GiB");
        }
    }
    if (strcmp(get(builder, SETTING_COMPRESSION), "off") != 0 &&
        strcmp(get(builder, SETTING_COMPRESSION), "zstd") != 0) {
        return wrong(builder, SETTING_COMPRESSION, "off or zstd");
    }
    options->compression = strcmp(get(builder, SETTING_COMPRESSION), "zstd") == 0;
    if (options->send_queue_high > options->send_queue) {
        return wrong(builder, SETTING_SEND_QUEUE_HIGH, "at most send_queue");
    }
    if (options->send_queue_low > options->send_queue_high) {
        return wrong(builder, SETTING_SEND_QUEUE_LOW, "at most send_queue_high");
    }
    return 0;
}

int options_log_level(const struct settings *settings, int32_t *level, struct problem *problem)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};

    for (int32_t i = 0; i < 4; i++) {
        if (strcmp(settings_get(settings, SETTING_LOG_LEVEL), names[i]) == 0) {
            *level = TROUPE_LOG_DEBUG + i;
            return 0;
        }
    }
    return wrong_value(settings, SETTING_LOG_LEVEL, "debug, info, warning or error", problem);
}

static int build_log(const struct builder *builder)
{
    struct options *options = builder->options;
    const char *format = get(builder, SETTING_LOG_FORMAT);

    if (strcmp(format, "auto") == 0) {
        options->log_format = isatty(STDERR_FILENO) ? LOG_FORMAT_LOGFMT : LOG_FORMAT_JSON;
    } else if (strcmp(format, "json") == 0) {
        options->log_format = LOG_FORMAT_JSON;
    } else if (strcmp(format, "logfmt") == 0) {
        options->log_format = LOG_FORMAT_LOGFMT;
    } else {
        return wrong(builder, SETTING_LOG_FORMAT, "auto, logfmt or json");
    }
    return options_log_level(builder->settings, &options->log_level, builder->problem);
}

static int build_admin(const struct builder *builder)
{
    const char *path = get(builder, SETTING_ADMIN_SOCKET);
    const char *mode = get(builder, SETTING_ADMIN_MODE);

    if (strlen(path) > TR_UNIX_PATH_SIZE_MAX) {
        return wrong(builder, SETTING_ADMIN_SOCKET, "a path of at most 107 bytes");
    }
    if (strcmp(mode, "0660") != 0 && strcmp(mode, "0600") != 0) {
        return wrong(builder, SETTING_ADMIN_MODE, "0600 or 0660");
    }
    builder->options->admin_mode = strcmp(mode, "0660") == 0 ? 0660 : 0600;
    builder->options->admin_socket = get_or_null(builder, SETTING_ADMIN_SOCKET);
    return 0;
}

static int build_choices(const struct builder *builder)
{
    struct options *options = builder->options;
    const char *fenced = get(builder, SETTING_ON_FENCED);

    if (strcmp(fenced, "rejoin") != 0 && strcmp(fenced, "exit") != 0) {
        return wrong(builder, SETTING_ON_FENCED, "rejoin or exit");
    }
    options->exit_when_fenced = strcmp(fenced, "exit") == 0;
    if (!unit_bool(get(builder, SETTING_ALLOW_UNSAFE_FSYNC), &options->allow_unsafe_fsync)) {
        return wrong(builder, SETTING_ALLOW_UNSAFE_FSYNC, "on or off");
    }
    if (!unit_bool(get(builder, SETTING_CORE_DUMPS), &options->core_dumps)) {
        return wrong(builder, SETTING_CORE_DUMPS, "on or off");
    }
    if (!unit_count(get(builder, SETTING_WORKERS), WORKERS_MAX, &options->workers)) {
        return wrong(builder, SETTING_WORKERS, "a count from 0 to 1024");
    }
    options->db = get(builder, SETTING_DB);
    options->roles = get_or_null(builder, SETTING_ROLES);
    options->metadata = get_or_null(builder, SETTING_METADATA);
    options->pid_file = get_or_null(builder, SETTING_PID_FILE);
    options->ready_file = get_or_null(builder, SETTING_READY_FILE);
    return 0;
}

static int build_modules(const struct builder *builder)
{
    const struct setting *setting = &builder->settings->all[SETTING_MODULE];
    const char *module_dir = get(builder, SETTING_MODULE_DIR);
    struct options *options = builder->options;

    if (setting->values_count == 0) {
        return module_dir[0] == '\0' ? 0
                                     : module_open_all(module_dir, &options->modules,
                                                       &options->modules_count, builder->problem);
    }
    if (setting->values_count > MODULES_MAX) {
        return problem_set(builder->problem, PROBLEM_MODULE, "more than %d modules", MODULES_MAX);
    }
    options->modules = calloc(setting->values_count, sizeof(*options->modules));
    if (options->modules == NULL) {
        return problem_set(builder->problem, PROBLEM_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < setting->values_count; i++) {
        const int status =
            module_open(setting->values[i], module_dir, &options->modules[i], builder->problem);

        if (status != 0) {
            return status;
        }
        options->modules_count++;
    }
    return 0;
}

int options_build(const struct settings *settings, struct options *options, struct problem *problem)
{
    static int (*const steps[])(const struct builder *) = {
        build_name,  build_address, build_times, build_sizes,  build_log,
        build_admin, build_choices, build_tls,   build_secret, build_modules};
    const struct builder builder = {settings, options, problem};

    memset(options, 0, sizeof(*options));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        const int status = steps[i](&builder);

        if (status != 0) {
            options_fini(options);
            return status;
        }
    }
    return 0;
}

void options_fini(struct options *options)
{
    for (size_t i = 0; i < options->modules_count; i++) {
        module_close(&options->modules[i]);
    }
    free(options->modules);
    options->modules = NULL;
    options->modules_count = 0;
    secret_wipe(&options->secret);
    secret_wipe(&options->accepted);
}
