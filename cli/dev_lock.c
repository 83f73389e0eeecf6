#include "cli/dev_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli/dev_state.h"
#include "cli/process.h"

#define LOCK_MS 120000

int dev_lock(struct cli *cli, const char *dir, int *lock)
{
    const int64_t deadline = process_now_ms() + LOCK_MS;
    char path[PATH_MAX + 8];
    int file = -1;
    int status = 0;

    (void)snprintf(path, sizeof(path), "%s/lock", dir);
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
        return problem_set(&cli->problem, PROBLEM_SYSTEM, "cannot open \"%s\": %s", path,
                           strerror(errno));
    }
    while (flock(file, LOCK_EX | LOCK_NB) != 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || process_now_ms() >= deadline) {
            status = problem_set(&cli->problem, PROBLEM_DEV,
                                 "another `troupe dev` command holds \"%s\"", path);
            (void)close(file);
            return status;
        }
        process_pause(50);
    }
    *lock = file;
    return 0;
}

int dev_lock_state(struct cli *cli, int *lock)
{
    char dir[PATH_MAX];
    int status = 0;

    if (realpath(dev_state_dir(cli), dir) == NULL) {
        return dev_state_require(cli);
    }
    status = dev_lock(cli, dir, lock);
    if (status == 0) {
        status = dev_state_require(cli);
        if (status != 0) {
            dev_unlock(*lock);
            *lock = -1;
        }
    }
    return status;
}

void dev_unlock(int lock)
{
    if (lock >= 0) {
        (void)close(lock);
    }
}
