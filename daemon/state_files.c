#include "daemon/state_files.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "daemon/write_all.h"

int state_write_text(const char *path, const char *text, unsigned mode, struct problem *problem)
{
    char beside[PATH_MAX];
    const int written = snprintf(beside, sizeof(beside), "%s.new", path);
    int file = -1;
    bool done = false;

    if (written < 0 || (size_t)written >= sizeof(beside)) {
        return problem_set(problem, PROBLEM_SYSTEM, "the path \"%.80s...\" is too long", path);
    }
    (void)unlink(beside);
    file = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    if (file >= 0) {
        done = write_all(file, text, strlen(text));
        done = close(file) == 0 && done;
        done = done && rename(beside, path) == 0;
    }
    if (!done) {
        const int status =
            problem_set(problem, PROBLEM_SYSTEM, "cannot write \"%s\": %s", path, strerror(errno));

        if (file >= 0) {
            (void)unlink(beside);
        }
        return status;
    }
    return 0;
}

int state_write_pid(const char *path, struct problem *problem)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    return state_write_text(path, text, 0644, problem);
}

/* Answers the facts as JSON, to be freed by cJSON_free, or NULL. */
static char *ready_json(const struct ready_facts *facts)
{
    cJSON *object = cJSON_CreateObject();
    char node_id[24];
    char *text = NULL;

    (void)snprintf(node_id, sizeof(node_id), "%" PRIu64, facts->node_id);
    if (cJSON_AddStringToObject(object, "name", facts->name) != NULL &&
        cJSON_AddStringToObject(object, "node_id", node_id) != NULL &&
        cJSON_AddNumberToObject(object, "pid", (double)getpid()) != NULL &&
        cJSON_AddStringToObject(object, "host", facts->host) != NULL &&
        cJSON_AddNumberToObject(object, "port", facts->port) != NULL &&
        cJSON_AddStringToObject(object, "version", TROUPE_VERSION) != NULL &&
        (facts->admin_socket == NULL ||
         cJSON_AddStringToObject(object, "admin_socket", facts->admin_socket) != NULL)) {
        text = cJSON_PrintUnformatted(object);
    }
    cJSON_Delete(object);
    return text;
}

int state_write_ready(const char *path, const struct ready_facts *facts, struct problem *problem)
{
    char *json = ready_json(facts);
    int status = 0;

    if (json == NULL) {
        return problem_set(problem, PROBLEM_MEMORY, "out of memory");
    }
    status = state_write_text(path, json, 0644, problem);
    cJSON_free(json);
    return status;
}

void state_remove(const char *path)
{
    if (path != NULL) {
        (void)unlink(path);
    }
}
