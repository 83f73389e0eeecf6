#include "daemon/module_check.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(struct problem *problem, const char *path, const char *why)
{
    const int status =
        problem_set(problem, PROBLEM_MODULE, "the module \"%s\" cannot be loaded", path);

    problem_detail(problem, "%s", why);
    return status;
}

static bool owner_is_trusted(const struct stat *status)
{
    return status->st_uid == 0 || status->st_uid == geteuid();
}

static bool others_may_write(const struct stat *status)
{
    return (status->st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

static int check_file(const char *path, struct problem *problem)
{
    struct stat status;

    if (stat(path, &status) != 0) {
        return refuse(problem, path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return refuse(problem, path, "it is not a regular file");
    }
    if (!owner_is_trusted(&status)) {
        return refuse(problem, path, "it belongs neither to root nor to the user of this node");
    }
    if (others_may_write(&status)) {
        const int result = refuse(problem, path, "its group or others can change it");

        problem_hint(problem, "chmod go-w %s", path);
        return result;
    }
    return 0;
}

/* Checks every folder above an absolute path without links. */
static int check_folders(const char *path, struct problem *problem)
{
    char folder[PATH_MAX];
    char *slash = NULL;

    (void)snprintf(folder, sizeof(folder), "%s", path);
    while ((slash = strrchr(folder, '/')) != NULL) {
        struct stat status;
        const bool is_root = slash == folder;

        slash[is_root ? 1 : 0] = '\0';
        if (stat(folder, &status) != 0) {
            return refuse(problem, path, strerror(errno));
        }
        /* In a sticky folder others can add files, yet not replace ours. */
        if (others_may_write(&status) && (status.st_mode & S_ISVTX) == 0) {
            const int result = refuse(problem, path, "");

            problem_detail(problem, "the group of the folder \"%s\" or others can change it",
                           folder);
            problem_hint(problem, "chmod go-w %s", folder);
            return result;
        }
        if (is_root) {
            break;
        }
    }
    return 0;
}

static bool lies_in(const char *path, const char *folder)
{
    const size_t size = strlen(folder);

    return strncmp(path, folder, size) == 0 && path[size] == '/' &&
           strchr(path + size + 1, '/') == NULL;
}

/* With a module folder a bare name means a file in it. */
static bool full_path(const char *path, const char *module_dir, char *out, size_t size)
{
    const size_t length = strlen(path);
    const bool is_bare = strchr(path, '/') == NULL && module_dir[0] != '\0';
    const bool has_end = length > 3 && strcmp(path + length - 3, ".so") == 0;
    const int written = is_bare
                            ? snprintf(out, size, "%s/%s%s", module_dir, path, has_end ? "" : ".so")
                            : snprintf(out, size, "%s", path);

    return written > 0 && (size_t)written < size;
}

/* Answers whether the module lies in module_dir, links followed on both sides. */
static int check_place(const char *path, const char *module_dir, struct problem *problem)
{
    char *folder = NULL;
    int result = 0;

    if (module_dir[0] == '\0') {
        return 0;
    }
    folder = realpath(module_dir, NULL);
    if (folder == NULL) {
        return problem_set(problem, PROBLEM_CONFIG, "module_dir \"%s\": %s", module_dir,
                           strerror(errno));
    }
    if (!lies_in(path, folder)) {
        result = refuse(problem, path, "");
        problem_detail(problem, "it does not lie in module_dir, \"%s\"", folder);
    }
    free(folder);
    return result;
}

int module_check(const char *path, const char *module_dir, char **resolved, struct problem *problem)
{
    char full[PATH_MAX];
    char *real = NULL;
    int result = 0;

    if (!full_path(path, module_dir, full, sizeof(full))) {
        return refuse(problem, path, "the path is too long");
    }
    real = realpath(full, NULL);
    if (real == NULL) {
        return refuse(problem, full, strerror(errno));
    }
    result = check_place(real, module_dir, problem);
    if (result == 0) {
        result = check_file(real, problem);
    }
    if (result == 0) {
        result = check_folders(real, problem);
    }
    if (result != 0) {
        free(real);
        return result;
    }
    *resolved = real;
    return 0;
}
