#include "cli/dev_folders.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* As root, PostgreSQL runs as another user, who has to pass through these folders. */
static mode_t passage_mode(void)
{
    return geteuid() == 0 ? 0711 : 0700;
}

static int cannot(struct cli *cli, const char *what, const char *path)
{
    return problem_set(&cli->problem, PROBLEM_SYSTEM, "cannot %s \"%s\": %s", what, path,
                       strerror(errno));
}

static int make_folder(struct cli *cli, const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0) {
        return chmod(path, mode) == 0 ? 0 : cannot(cli, "set the mode of", path);
    }
    return errno == EEXIST ? 0 : cannot(cli, "create", path);
}

int dev_folders_make(struct cli *cli, char *dir)
{
    const char *given = dev_state_dir(cli);
    char log[PATH_MAX + 8];
    int status = make_folder(cli, given, passage_mode());

    if (status != 0) {
        return status;
    }
    if (realpath(given, dir) == NULL) {
        return cannot(cli, "enter", given);
    }
    (void)snprintf(log, sizeof(log), "%s/log", dir);
    return make_folder(cli, log, 0700);
}

/* FNV-1a: the same folder gets the same name, on every run. */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = 14695981039346656037ull;

    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 1099511628211ull;
    }
    return hash;
}

void dev_folders_run_name(const char *dir, char *run, size_t size)
{
    (void)snprintf(run, size, "/tmp/troupe-%lu-%08llx", (unsigned long)geteuid(),
                   (unsigned long long)(hash_of(dir) & 0xffffffffu));
}

int dev_folders_make_run(struct cli *cli, const char *dir, char *run, size_t size)
{
    struct stat status;
    int result = 0;

    dev_folders_run_name(dir, run, size);
    result = make_folder(cli, run, passage_mode());
    if (result != 0) {
        return result;
    }
    /* /tmp is everybody's: somebody may have made this folder before us, to read our sockets. */
    if (lstat(run, &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid() ||
        (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        result = problem_set(&cli->problem, PROBLEM_DEV, "\"%s\" belongs to somebody else", run);
        problem_hint(&cli->problem, "use another --dir");
    }
    return result;
}

int dev_folders_make_for(struct cli *cli, const char *path, const struct process_user *user)
{
    int status = make_folder(cli, path, 0700);

    if (status == 0 && user->drop && chown(path, user->uid, user->gid) != 0) {
        status = cannot(cli, "give away", path);
    }
    return status;
}

bool dev_folders_reachable(const char *path, const struct process_user *user)
{
    pid_t child = -1;
    int state = 0;

    if (!user->drop) {
        return access(path, R_OK | W_OK | X_OK) == 0;
    }
    /* Only the kernel knows all the rules, so a child with that user's rights asks it. */
    child = fork();
    if (child == 0) {
        const bool gone = setgid(user->gid) == 0 && setuid(user->uid) == 0;

        _exit(gone && access(path, R_OK | W_OK | X_OK) == 0 ? 0 : 1);
    }
    return child > 0 && waitpid(child, &state, 0) == child && WIFEXITED(state) &&
           WEXITSTATUS(state) == 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    (void)remove(path);
    return 0;
}

void dev_folders_remove(const char *path)
{
    (void)nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
