#include "daemon/module_check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789_"

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

/* ---- the folder ---- */

struct walk {
    const char *module;    /* for the problem */
    char so_far[PATH_MAX]; /* the element reached, for the problem */
    struct problem *problem;
};

static int walk_refuse(const struct walk *walk, const char *why)
{
    const int status = refuse(walk->problem, walk->module, "");

    problem_detail(walk->problem, "the folder \"%s\": %s", walk->so_far, why);
    return status;
}

/* Checks one element of the way. In a sticky folder on the way others can add files, yet not
 * replace what is ours; in the last one nobody may add any. */
static int check_folder(const struct walk *walk, int folder, bool is_last)
{
    struct stat status;

    if (fstat(folder, &status) != 0) {
        return walk_refuse(walk, strerror(errno));
    }
    if (!owner_is_trusted(&status)) {
        return walk_refuse(walk, "it belongs neither to root nor to the user of this node");
    }
    if (others_may_write(&status) && (is_last || (status.st_mode & S_ISVTX) == 0)) {
        const int result = walk_refuse(walk, "its group or others can change it");

        problem_hint(walk->problem, "chmod go-w %s", walk->so_far);
        return result;
    }
    return 0;
}

/* Opens the next element in place of *folder, which is closed. */
static int walk_step(struct walk *walk, int *folder, const char *element)
{
    const size_t size = strlen(walk->so_far);
    const int next = openat(*folder, element, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const int error = errno;

    (void)snprintf(walk->so_far + size, sizeof(walk->so_far) - size, "%s%s", size > 1 ? "/" : "",
                   element);
    (void)close(*folder);
    *folder = next;
    if (next >= 0) {
        return 0;
    }
    return walk_refuse(walk, error == ENOTDIR || error == ELOOP
                                 ? "it is no folder, or a symbolic link: write where that points to"
                                 : strerror(error));
}

/* Opens an absolute path element by element. Gives *out, an O_PATH descriptor. */
static int open_folder(const char *module, const char *path, int *out, struct problem *problem)
{
    struct walk walk = {.module = module, .so_far = "/", .problem = problem};
    char rest[PATH_MAX];
    char *state = NULL;
    char *element = NULL;
    int folder = -1;
    int result = 0;

    if (path[0] != '/' || strlen(path) >= sizeof(rest)) {
        return problem_set(problem, PROBLEM_CONFIG,
                           "module_dir has to be an absolute path, not \"%.200s\"", path);
    }
    (void)snprintf(rest, sizeof(rest), "%s", path);
    folder = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (element = strtok_r(rest, "/", &state); element != NULL && result == 0;) {
        char *next = strtok_r(NULL, "/", &state);

        if (strcmp(element, "..") == 0) {
            result = walk_refuse(&walk, "the path may not lead back by \"..\"");
        } else if (strcmp(element, ".") != 0) {
            result = check_folder(&walk, folder, false);
            result = result != 0 ? result : walk_step(&walk, &folder, element);
        }
        element = next;
    }
    result = result != 0 ? result : check_folder(&walk, folder, true);
    if (result != 0) {
        if (folder >= 0) {
            (void)close(folder);
        }
        return result;
    }
    *out = folder;
    return 0;
}

/* ---- the file ---- */

static bool name_is_valid(const char *name)
{
    const size_t size = strspn(name, NAME_CHARACTERS);

    return size > 0 && strcmp(name + size, ".so") == 0;
}

int module_open_beneath(int folder, const char *name, bool without_openat2)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    const struct open_how how = {.flags = (unsigned)flags,
                                 .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    int file = -1;

    if (!without_openat2) {
        file = (int)syscall(SYS_openat2, folder, name, &how, sizeof(how));
        /* ENOSYS: an older kernel. EPERM: an older filter of calls around a container. */
        if (file >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return file;
        }
    }
    /* A name without a slash cannot leave the folder but by a link. */
    if (strchr(name, '/') != NULL) {
        errno = EXDEV;
        return -1;
    }
    return openat(folder, name, flags | O_NOFOLLOW);
}

static int check_file(int file, const char *path, struct problem *problem)
{
    struct stat status;

    if (fstat(file, &status) != 0) {
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

/* Opens name in the folder, whose path is for people. */
static int open_in(int folder, const char *folder_path, const char *name, struct module_file *out,
                   struct problem *problem)
{
    char path[PATH_MAX];
    int result = 0;

    (void)snprintf(path, sizeof(path), "%.3000s/%.255s", folder_path, name);
    if (!name_is_valid(name)) {
        return refuse(problem, path, "the name of a module is [a-z0-9_]+.so");
    }
    *out = (struct module_file){.file = module_open_beneath(folder, name, false)};
    if (out->file < 0) {
        return refuse(problem, path, errno == ELOOP ? "it is a symbolic link" : strerror(errno));
    }
    result = check_file(out->file, path, problem);
    out->path = result == 0 ? strdup(path) : NULL;
    if (result == 0 && out->path == NULL) {
        result = problem_set(problem, PROBLEM_MEMORY, "out of memory");
    }
    if (result != 0) {
        module_close(out);
        return result;
    }
    (void)snprintf(out->fd_path, sizeof(out->fd_path), "/proc/self/fd/%d", out->file);
    return 0;
}

void module_close(struct module_file *file)
{
    if (file->file >= 0) {
        (void)close(file->file);
    }
    file->file = -1;
    free(file->path);
    file->path = NULL;
}

/* ---- one by its name or path ---- */

struct place {
    char folder[PATH_MAX];
    char name[NAME_MAX + 1];
};

/* Splits what was asked for. A path's folder is taken as it really is, links followed. */
static int find_place(const char *module, const char *module_dir, struct place *place,
                      struct problem *problem)
{
    const char *slash = strrchr(module, '/');
    const char *name = slash == NULL ? module : slash + 1;
    const size_t size = strlen(name);
    const char *end = size > 3 && strcmp(name + size - 3, ".so") == 0 ? "" : ".so";
    char given[PATH_MAX];

    if (size + strlen(end) >= sizeof(place->name) || strlen(module) >= sizeof(given)) {
        return refuse(problem, module, "the path is too long");
    }
    (void)snprintf(place->name, sizeof(place->name), "%s%s", name, end);
    if (slash == NULL && module_dir[0] != '\0') {
        (void)snprintf(place->folder, sizeof(place->folder), "%s", module_dir);
        return 0;
    }
    (void)snprintf(given, sizeof(given), "%.*s", slash == NULL ? 1 : (int)(slash - module) + 1,
                   slash == NULL ? "." : module);
    if (realpath(given, place->folder) == NULL) {
        return refuse(problem, module, strerror(errno));
    }
    return 0;
}

static bool is_same_folder(int a, int b)
{
    struct stat one;
    struct stat other;

    return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

/* Whether the folder is the one that module_dir says; without one every folder is. */
static int check_place(int folder, const char *module, const char *module_dir,
                       struct problem *problem)
{
    int allowed = -1;
    int result = 0;

    if (module_dir[0] == '\0') {
        return 0;
    }
    result = open_folder(module, module_dir, &allowed, problem);
    if (result == 0 && !is_same_folder(folder, allowed)) {
        result = refuse(problem, module, "");
        problem_detail(problem, "it does not lie in module_dir, \"%s\"", module_dir);
    }
    if (allowed >= 0) {
        (void)close(allowed);
    }
    return result;
}

int module_open(const char *module, const char *module_dir, struct module_file *out,
                struct problem *problem)
{
    struct place place;
    int folder = -1;
    int result = find_place(module, module_dir, &place, problem);

    if (result == 0) {
        result = open_folder(module, place.folder, &folder, problem);
    }
    if (result == 0) {
        result = check_place(folder, module, module_dir, problem);
    }
    if (result == 0) {
        result = open_in(folder, place.folder, place.name, out, problem);
    }
    if (folder >= 0) {
        (void)close(folder);
    }
    return result;
}

/* ---- all of a folder ---- */

static int is_module(const struct dirent *entry)
{
    const size_t size = strlen(entry->d_name);

    return size > 3 && strcmp(entry->d_name + size - 3, ".so") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int open_entries(int folder, const char *module_dir, struct dirent **entries, int found,
                        struct module_file **files, size_t *count, struct problem *problem)
{
    int result = 0;

    if (found > MODULES_MAX) {
        return problem_set(problem, PROBLEM_MODULE, "module_dir \"%s\" holds more than %d modules",
                           module_dir, MODULES_MAX);
    }
    *files = calloc((size_t)found + 1, sizeof(**files));
    if (*files == NULL) {
        return problem_set(problem, PROBLEM_MEMORY, "out of memory");
    }
    *count = 0;
    for (int i = 0; i < found && result == 0; i++) {
        result = open_in(folder, module_dir, entries[i]->d_name, &(*files)[*count], problem);
        *count += result == 0 ? 1 : 0;
    }
    return result;
}

int module_open_all(const char *module_dir, struct module_file **files, size_t *count,
                    struct problem *problem)
{
    struct dirent **entries = NULL;
    char listed[32];
    int folder = -1;
    int found = 0;
    int result = open_folder(module_dir, module_dir, &folder, problem);

    if (result != 0) {
        return result;
    }
    /* Through the descriptor: the folder that was checked is the one that is read. */
    (void)snprintf(listed, sizeof(listed), "/proc/self/fd/%d", folder);
    found = scandir(listed, &entries, is_module, by_name);
    result = found < 0 ? refuse(problem, module_dir, strerror(errno))
                       : open_entries(folder, module_dir, entries, found, files, count, problem);
    for (int i = 0; i < found; i++) {
        free(entries[i]);
    }
    free(entries);
    (void)close(folder);
    return result;
}
