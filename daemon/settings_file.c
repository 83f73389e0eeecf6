/* The configuration file: `key = value` lines as in postgresql.conf. `#` begins a comment, values
 * with spaces or # stand in single quotes, in which '' is a quote. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/mask.h"
#include "daemon/secret.h"
#include "daemon/settings.h"

struct file_line {
    const char *path;
    unsigned number;
    char *text; /* changed while it is cut */
    int file;
};

static int line_problem(struct problem *problem, const struct file_line *line, const char *what)
{
    return problem_set(problem, PROBLEM_CONFIG, "%s:%u: %s", line->path, line->number, what);
}

static char *skip_space(char *text)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    return text;
}

/* Cuts a quoted value in place. Answers what follows it, or NULL when no quote ends it. */
static char *cut_quoted(char *text, char **value)
{
    char *out = text;
    char *in = text + 1;

    *value = text;
    for (;;) {
        if (*in == '\0') {
            return NULL;
        }
        if (*in == '\'' && in[1] != '\'') {
            break;
        }
        in += *in == '\'' ? 1 : 0;
        *out++ = *in++;
    }
    *out = '\0';
    return in + 1;
}

/* Ends a bare value before its comment and trailing space. */
static void cut_bare(char *text)
{
    size_t size = strcspn(text, "#");

    while (size > 0 && isspace((unsigned char)text[size - 1])) {
        size--;
    }
    text[size] = '\0';
}

static int unknown_key(struct problem *problem, const struct file_line *line, const char *key)
{
    char what[160];
    int status = 0;

    (void)snprintf(what, sizeof(what), "unknown setting \"%.100s\"", key);
    status = line_problem(problem, line, what);
    problem_hint(problem, "trouped --help lists the settings");
    return status;
}

static int read_value(struct settings *settings, enum setting_id id, char *text,
                      const struct file_line *line, struct problem *problem)
{
    char origin[280];
    char *value = text;

    if (text[0] == '\'') {
        char *rest = cut_quoted(text, &value);

        if (rest == NULL) {
            return line_problem(problem, line, "the quote does not end");
        }
        rest = skip_space(rest);
        if (*rest != '\0' && *rest != '#') {
            return line_problem(problem, line, "nothing may follow the closing quote");
        }
    } else {
        cut_bare(text);
    }
    if ((setting_spec(id)->flags & SETTING_SECRET) != 0 && mask_has_password(value)) {
        const int status = secret_check_file(line->file, line->path, problem);

        if (status != 0) {
            return status;
        }
    }
    (void)snprintf(origin, sizeof(origin), "%.240s:%u", line->path, line->number);
    return settings_put(settings, id, SOURCE_FILE, value, origin, problem);
}

/* Takes one line of the file. */
static int read_line(struct settings *settings, const struct file_line *line,
                     bool seen[static SETTING_COUNT], struct problem *problem)
{
    char *key = skip_space(line->text);
    char *end = NULL;
    enum setting_id id = SETTING_COUNT;

    if (*key == '\0' || *key == '#') {
        return 0;
    }
    end = key + strcspn(key, " \t\r\n=#");
    id = settings_find(key, (size_t)(end - key));
    if (id == SETTING_COUNT) {
        *end = '\0';
        return unknown_key(problem, line, key);
    }
    end = skip_space(end);
    if (*end != '=') {
        return line_problem(problem, line, "expected `key = value`");
    }
    if (seen[id] && (setting_spec(id)->flags & SETTING_REPEATABLE) == 0) {
        return line_problem(problem, line, "this setting stands in the file twice");
    }
    seen[id] = true;
    return read_value(settings, id, skip_space(end + 1), line, problem);
}

int settings_load_file(struct settings *settings, const char *path, bool required,
                       struct problem *problem)
{
    FILE *file = fopen(path, "re");
    struct file_line line = {.path = path};
    bool seen[SETTING_COUNT] = {false};
    size_t capacity = 0;
    int status = 0;

    if (file == NULL && !required && errno == ENOENT) {
        return 0;
    }
    if (file == NULL) {
        return problem_set(problem, PROBLEM_CONFIG, "cannot read \"%s\": %s", path,
                           strerror(errno));
    }
    line.file = fileno(file);
    while (status == 0) {
        const ssize_t size = getline(&line.text, &capacity, file);

        if (size < 0) {
            break;
        }
        line.number++;
        status = strlen(line.text) != (size_t)size
                     ? line_problem(problem, &line, "the line holds a zero byte")
                     : read_line(settings, &line, seen, problem);
    }
    if (status == 0 && ferror(file)) {
        status =
            problem_set(problem, PROBLEM_CONFIG, "cannot read \"%s\": %s", path, strerror(errno));
    }
    if (line.text != NULL) {
        explicit_bzero(line.text, capacity);
    }
    free(line.text);
    (void)fclose(file);
    return status;
}
