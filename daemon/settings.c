#include "daemon/settings.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/mask.h"
#include "daemon/secret.h"
#include "daemon/text.h"

#define DEFAULT_FILE "/etc/troupe/trouped.conf"

static const struct setting_spec specs[SETTING_COUNT] = {
#define SETTING_SPEC(id, key, fallback, argument, flags, help)                                     \
    {(key), (fallback), (argument), (flags), (help)},
    SETTINGS_MAP(SETTING_SPEC)
#undef SETTING_SPEC
};

const struct setting_spec *setting_spec(enum setting_id id)
{
    return &specs[id];
}

void settings_init(struct settings *settings)
{
    *settings = (struct settings){.action = ACTION_RUN};
    for (int id = 0; id < SETTING_COUNT; id++) {
        (void)snprintf(settings->all[id].origin, sizeof(settings->all[id].origin), "default");
    }
}

static void setting_clear(struct setting *setting)
{
    for (size_t i = 0; i < setting->values_count; i++) {
        explicit_bzero(setting->values[i], strlen(setting->values[i])); /* it may be a password */
        free(setting->values[i]);
    }
    free(setting->values);
    setting->values = NULL;
    setting->values_count = 0;
}

void settings_fini(struct settings *settings)
{
    for (int id = 0; id < SETTING_COUNT; id++) {
        setting_clear(&settings->all[id]);
    }
    free(settings->file);
    settings->file = NULL;
}

static int memory_problem(struct problem *problem)
{
    return problem_set(problem, PROBLEM_MEMORY, "out of memory");
}

static bool setting_add(struct setting *setting, const char *value)
{
    char **grown = realloc(setting->values, (setting->values_count + 1) * sizeof(*grown));

    if (grown == NULL) {
        return false;
    }
    setting->values = grown;
    grown[setting->values_count] = strdup(value);
    if (grown[setting->values_count] == NULL) {
        return false;
    }
    setting->values_count++;
    return true;
}

int settings_put(struct settings *settings, enum setting_id id, enum setting_source source,
                 const char *value, const char *origin, struct problem *problem)
{
    struct setting *setting = &settings->all[id];

    if (source < setting->source) {
        return 0;
    }
    if (source > setting->source || (specs[id].flags & SETTING_REPEATABLE) == 0) {
        setting_clear(setting);
    }
    if (!setting_add(setting, value)) {
        return memory_problem(problem);
    }
    setting->source = source;
    (void)snprintf(setting->origin, sizeof(setting->origin), "%s", origin);
    return 0;
}

const char *settings_get(const struct settings *settings, enum setting_id id)
{
    const struct setting *setting = &settings->all[id];

    return setting->values_count > 0 ? setting->values[setting->values_count - 1]
                                     : specs[id].fallback;
}

const char *settings_origin(const struct settings *settings, enum setting_id id)
{
    return settings->all[id].origin;
}

enum setting_id settings_find(const char *key, size_t key_size)
{
    for (int id = 0; id < SETTING_COUNT; id++) {
        size_t at = 0;

        while (at < key_size && specs[id].key[at] != '\0' &&
               (key[at] == specs[id].key[at] || (key[at] == '-' && specs[id].key[at] == '_'))) {
            at++;
        }
        if (at == key_size && specs[id].key[at] == '\0') {
            return (enum setting_id)id;
        }
    }
    return SETTING_COUNT;
}

/* ---- flags ---- */

static int usage(struct problem *problem, const char *what, const char *argument)
{
    const int status = problem_set(problem, PROBLEM_USAGE, "%s: %s", what, argument);

    problem_hint(problem, "trouped --help lists the options");
    return status;
}

static int action_flag(struct settings *settings, const char *flag)
{
    static const struct {
        const char *flag;
        enum settings_action action;
    } actions[] = {{"--help", ACTION_HELP},
                   {"-h", ACTION_HELP},
                   {"--version", ACTION_VERSION},
                   {"--check-config", ACTION_CHECK},
                   {"--print-config", ACTION_PRINT}};

    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(flag, actions[i].flag) == 0) {
            settings->action = actions[i].action;
            return 1;
        }
    }
    return 0;
}

static int keep_file(struct settings *settings, const char *path, struct problem *problem)
{
    free(settings->file);
    settings->file = strdup(path);
    return settings->file == NULL ? memory_problem(problem) : 0;
}

/* Takes `--key value` or `--key=value` at argv[*at]. */
static int take_flag(struct settings *settings, int argc, char **argv, int *at,
                     struct problem *problem)
{
    const char *flag = argv[*at];
    const char *equals = strchr(flag, '=');
    const size_t key_size = equals != NULL ? (size_t)(equals - flag) - 2 : strlen(flag) - 2;
    const bool is_file = key_size == 6 && strncmp(flag + 2, "config", 6) == 0;
    const enum setting_id id = settings_find(flag + 2, key_size);
    const char *value = equals != NULL ? equals + 1 : NULL;
    char origin[128];

    if (id == SETTING_COUNT && !is_file) {
        return usage(problem, "unknown option", flag);
    }
    if (value == NULL) {
        if (*at + 1 >= argc) {
            return usage(problem, "this option needs a value", flag);
        }
        value = argv[++*at];
    }
    if (is_file) {
        return keep_file(settings, value, problem);
    }
    if (id == SETTING_DB && mask_has_password(value)) {
        const int status =
            problem_set(problem, PROBLEM_USAGE, "--db holds a password, which `ps` would show");

        problem_hint(problem, "use TROUPE_DB_FILE, PGPASSFILE or a service file");
        return status;
    }
    (void)snprintf(origin, sizeof(origin), "%.*s", (int)key_size + 2, flag);
    return settings_put(settings, id, SOURCE_FLAG, value, origin, problem);
}

static int load_flags(struct settings *settings, int argc, char **argv, struct problem *problem)
{
    for (int at = 1; at < argc; at++) {
        int status = 0;

        if (action_flag(settings, argv[at])) {
            continue;
        }
        if (strncmp(argv[at], "--", 2) != 0 || argv[at][2] == '\0') {
            return usage(problem, "unexpected argument", argv[at]);
        }
        status = take_flag(settings, argc, argv, &at, problem);
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

/* ---- environment ---- */

/* Reads a value from a file that a variable names, without the line break at its end. */
static int read_value_file(const char *variable, const char *path, char *value, size_t capacity,
                           struct problem *problem)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = -1;
    int status = 0;

    if (file >= 0) {
        size = read(file, value, capacity - 1);
        value[size > 0 ? size : 0] = '\0';
        status = size > 0 && mask_has_password(value) ? secret_check_file(file, path, problem) : 0;
        (void)close(file);
    }
    if (status != 0) {
        return status;
    }
    if (size < 0) {
        return problem_set(problem, PROBLEM_CONFIG, "%s: cannot read \"%s\": %s", variable, path,
                           strerror(errno));
    }
    if ((size_t)size == capacity - 1) {
        return problem_set(problem, PROBLEM_CONFIG, "%s: \"%s\" is too long", variable, path);
    }
    while (size > 0 && isspace((unsigned char)value[size - 1])) {
        size--;
    }
    value[size] = '\0';
    return 0;
}

static int load_secret_variable(struct settings *settings, enum setting_id id, const char *variable,
                                struct problem *problem)
{
    char name[80];
    char value[4096];
    const char *path = NULL;
    int status = 0;

    (void)snprintf(name, sizeof(name), "%s_FILE", variable);
    path = getenv(name);
    if (path == NULL || path[0] == '\0') {
        return 0;
    }
    if (getenv(variable) != NULL) {
        return problem_set(problem, PROBLEM_CONFIG, "%s and %s are both set", variable, name);
    }
    status = read_value_file(name, path, value, sizeof(value), problem);
    if (status == 0) {
        status = settings_put(settings, id, SOURCE_ENVIRONMENT, value, name, problem);
    }
    explicit_bzero(value, sizeof(value));
    return status;
}

static int load_variable(struct settings *settings, enum setting_id id, struct problem *problem)
{
    char variable[64] = "TROUPE_";
    const char *value = NULL;
    size_t size = strlen(variable);

    for (const char *at = specs[id].key; *at != '\0' && size + 1 < sizeof(variable); at++) {
        variable[size++] = (char)(toupper)((unsigned char)*at); /* the function; the macro nests */
    }
    variable[size] = '\0';
    if ((specs[id].flags & SETTING_SECRET) != 0) {
        const int status = load_secret_variable(settings, id, variable, problem);

        if (status != 0) {
            return status;
        }
    }
    value = getenv(variable);
    if (value == NULL && id == SETTING_SECRET_FILE) {
        (void)snprintf(variable, sizeof(variable), "TROUPE_CLUSTER_SECRET_FILE");
        value = getenv(variable);
    }
    /* An empty variable is how compose files say "not set". */
    if (value == NULL || value[0] == '\0') {
        return 0;
    }
    return settings_put(settings, id, SOURCE_ENVIRONMENT, value, variable, problem);
}

/* TROUPE_MODULE may name several, separated by colons as in PATH. */
static int load_module_variable(struct settings *settings, struct problem *problem)
{
    const char *value = getenv("TROUPE_MODULE");

    while (value != NULL && *value != '\0') {
        const size_t size = strcspn(value, ":");
        char *one = strndup(value, size);
        int status = 0;

        if (one == NULL) {
            return memory_problem(problem);
        }
        if (size > 0) {
            status = settings_put(settings, SETTING_MODULE, SOURCE_ENVIRONMENT, one,
                                  "TROUPE_MODULE", problem);
        }
        free(one);
        if (status != 0) {
            return status;
        }
        value += size + (value[size] == ':' ? 1 : 0);
    }
    return 0;
}

static int load_environment(struct settings *settings, struct problem *problem)
{
    for (int id = 0; id < SETTING_COUNT; id++) {
        const int status = id == SETTING_MODULE
                               ? load_module_variable(settings, problem)
                               : load_variable(settings, (enum setting_id)id, problem);

        if (status != 0) {
            return status;
        }
    }
    return 0;
}

/* ---- all of it ---- */

/* The file of --config or TROUPE_CONFIG, which has to be there, or the usual one. */
static int load_file(struct settings *settings, struct problem *problem)
{
    const char *variable = getenv("TROUPE_CONFIG");
    bool required = true;
    int status = 0;

    if (settings->file == NULL && variable != NULL && variable[0] != '\0') {
        status = keep_file(settings, variable, problem);
    } else if (settings->file == NULL) {
        required = false;
        status = keep_file(settings, DEFAULT_FILE, problem);
    }
    return status != 0 ? status : settings_load_file(settings, settings->file, required, problem);
}

int settings_load(struct settings *settings, int argc, char **argv, struct problem *problem)
{
    int status = load_flags(settings, argc, argv, problem);

    if (status == 0) {
        status = load_environment(settings, problem);
    }
    if (status != 0 || settings->action == ACTION_HELP || settings->action == ACTION_VERSION) {
        return status;
    }
    return load_file(settings, problem);
}

int settings_load_one(struct settings *settings, enum setting_id id, struct problem *problem)
{
    const int status = load_variable(settings, id, problem);

    return status != 0 || settings->all[id].source == SOURCE_ENVIRONMENT
               ? status
               : load_file(settings, problem);
}

static void print_value(FILE *out, enum setting_id id, const char *value, const char *origin)
{
    char masked[1024];

    if ((specs[id].flags & SETTING_SECRET) != 0) {
        mask_conninfo(value, masked, sizeof(masked));
        value = masked;
    }
    (void)fprintf(out, "%s = ", specs[id].key);
    text_print(out, value, strlen(value));
    (void)fprintf(out, "  # ");
    text_print(out, origin, strlen(origin));
    (void)fputc('\n', out);
}

void settings_print(const struct settings *settings, FILE *out)
{
    for (int id = 0; id < SETTING_COUNT; id++) {
        const struct setting *setting = &settings->all[id];

        if (setting->values_count == 0) {
            print_value(out, (enum setting_id)id, specs[id].fallback, setting->origin);
        }
        for (size_t i = 0; i < setting->values_count; i++) {
            print_value(out, (enum setting_id)id, setting->values[i], setting->origin);
        }
    }
}

void settings_help(FILE *out)
{
    (void)fprintf(out, "trouped runs one Troupe node.\n\nUsage: trouped [--KEY VALUE]...\n\n");
    for (int id = 0; id < SETTING_COUNT; id++) {
        char flag[64];

        (void)snprintf(flag, sizeof(flag), "--%s %s", specs[id].key, specs[id].argument);
        for (char *at = flag + 2; *at != ' '; at++) {
            if (*at == '_') {
                *at = '-';
            }
        }
        (void)fprintf(out, "  %-30s %s", flag, specs[id].help);
        if (specs[id].fallback[0] != '\0') {
            (void)fprintf(out, " (%s)", specs[id].fallback);
        }
        (void)fputc('\n', out);
    }
    (void)fprintf(out,
                  "  %-30s file of `key = value` lines; default: TROUPE_CONFIG, else %s\n"
                  "  %-30s check all settings, then exit (0 or 78)\n"
                  "  %-30s print every setting and where it came from\n"
                  "  %-30s print the version\n\n"
                  "Each setting is also a variable (TROUPE_LEASE_TTL) and a line of the file\n"
                  "(lease_ttl = 5s). A flag beats a variable, a variable beats the file.\n",
                  "--config FILE", DEFAULT_FILE, "--check-config", "--print-config", "--version");
}
