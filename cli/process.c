#include "cli/process.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CANNOT_EXEC 127

int64_t process_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void process_pause(uint32_t milliseconds)
{
    (void)poll(NULL, 0, (int)milliseconds);
}

/* Reads /proc/PID/stat from the state on: what stands before it is a name that may hold anything.
 * Answers where the state is, NULL when there is no such process. */
static char *read_stat(pid_t pid, char *text, size_t size)
{
    char path[64];
    int file = -1;
    ssize_t got = 0;
    char *bracket = NULL;

    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    file = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) {
        return NULL;
    }
    got = read(file, text, size - 1);
    (void)close(file);
    text[got > 0 ? got : 0] = '\0';
    bracket = strrchr(text, ')');
    return bracket != NULL && strlen(bracket) > 3 ? bracket + 2 : NULL;
}

uint64_t process_started(pid_t pid)
{
    char text[1024];
    const char *at = read_stat(pid, text, sizeof(text));

    if (at == NULL || *at == 'Z' || *at == 'X') {
        return 0;
    }
    /* The state is field 3, the start time field 22. */
    for (int field = 3; field < 22 && at != NULL; field++) {
        at = strchr(at + 1, ' ');
    }
    return at != NULL ? strtoull(at, NULL, 10) : 0;
}

bool process_is_zombie(pid_t pid)
{
    char text[1024];
    const char *state = read_stat(pid, text, sizeof(text));

    return state != NULL && *state == 'Z';
}

bool process_works_in(const char *folder)
{
    const size_t size = strlen(folder);
    glob_t found;
    bool works = false;

    if (glob("/proc/[0-9]*/cwd", 0, NULL, &found) != 0) {
        return false;
    }
    for (size_t i = 0; i < found.gl_pathc && !works; i++) {
        char target[PATH_MAX];
        const ssize_t length = readlink(found.gl_pathv[i], target, sizeof(target));

        works = length == (ssize_t)size && memcmp(target, folder, size) == 0;
    }
    globfree(&found);
    return works;
}

bool process_lives(pid_t pid, uint64_t started)
{
    const uint64_t found = process_started(pid);

    return found != 0 && found == started;
}

/* Turns the child into the user; only when all rights are gone does it go on. */
static bool become(const struct process_user *user)
{
    return initgroups(user->name, user->gid) == 0 && setgid(user->gid) == 0 &&
           setuid(user->uid) == 0 && setuid(0) != 0;
}

static int open_log(const char *path)
{
    return open(path != NULL ? path : "/dev/null", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static void restore_signals(void)
{
    const struct sigaction defaults = {.sa_handler = SIG_DFL};
    sigset_t none;

    (void)sigaction(SIGINT, &defaults, NULL);
    (void)sigaction(SIGTERM, &defaults, NULL);
    (void)sigaction(SIGHUP, &defaults, NULL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What the child does; it never returns to the caller. */
static _Noreturn void child_main(const struct process_spec *spec)
{
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int log = -1;

    restore_signals();
    if (spec->detach) {
        (void)setsid();
    }
    if (spec->user != NULL && spec->user->drop && (!become(spec->user) || chdir("/") != 0)) {
        _exit(CANNOT_EXEC);
    }
    /* Only now: the log is to belong to whoever writes it. */
    log = open_log(spec->log);
    (void)dup2(nothing, STDIN_FILENO);
    (void)dup2(log, STDOUT_FILENO);
    (void)dup2(log, STDERR_FILENO);
    /* execv takes pointers to what it does not change; the cast only says so. */
    (void)execv(spec->arguments[0], (char *const *)(uintptr_t)spec->arguments);
    _exit(CANNOT_EXEC);
}

int process_start(const struct process_spec *spec, pid_t *pid, struct problem *problem)
{
    pid_t child = -1;

    (void)fflush(NULL);
    child = fork();
    if (child == 0) {
        child_main(spec);
    }
    if (child < 0) {
        return problem_set(problem, PROBLEM_SYSTEM, "cannot start a process: %s", strerror(errno));
    }
    *pid = child;
    return 0;
}

int process_run(const struct process_spec *spec, uint32_t timeout_ms, int *result,
                struct problem *problem)
{
    const int64_t deadline = process_now_ms() + timeout_ms;
    pid_t pid = -1;
    int state = 0;
    int status = process_start(spec, &pid, problem);

    if (status != 0) {
        return status;
    }
    while (waitpid(pid, &state, WNOHANG) == 0) {
        if (process_now_ms() >= deadline) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &state, 0);
            break;
        }
        process_pause(10);
    }
    *result = WIFEXITED(state) ? WEXITSTATUS(state) : -1;
    return 0;
}

bool process_ended(pid_t pid, int *result)
{
    int state = 0;

    if (waitpid(pid, &state, WNOHANG) != pid) {
        return false;
    }
    *result = WIFEXITED(state) ? WEXITSTATUS(state) : -1;
    return true;
}

bool process_wait(pid_t pid, uint64_t started, uint32_t milliseconds)
{
    const int64_t deadline = process_now_ms() + milliseconds;

    for (;;) {
        (void)waitpid(pid, NULL, WNOHANG); /* if it is our child, its entry goes */
        if (!process_lives(pid, started)) {
            return false;
        }
        if (process_now_ms() >= deadline) {
            return true;
        }
        process_pause(10);
    }
}

bool process_stop(pid_t pid, uint64_t started, int signal_number, uint32_t timeout_ms)
{
    if (!process_lives(pid, started)) {
        return true;
    }
    (void)kill(pid, signal_number);
    /* A stopped process takes no other signal. */
    if (signal_number != SIGSTOP) {
        (void)kill(pid, SIGCONT);
    }
    if (!process_wait(pid, started, timeout_ms)) {
        return true;
    }
    (void)kill(pid, SIGKILL);
    return !process_wait(pid, started, 5000);
}

void process_log_head(const char *path, char *text, size_t size)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t got = file >= 0 ? read(file, text, size - 1) : 0;

    text[got > 0 ? got : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (file >= 0) {
        (void)close(file);
    }
}

void process_log_tail(const char *path, char *text, size_t size)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    const off_t end = file >= 0 ? lseek(file, 0, SEEK_END) : 0;
    const off_t from = end > (off_t)(size - 1) ? end - (off_t)(size - 1) : 0;
    ssize_t got = 0;

    text[0] = '\0';
    if (file < 0) {
        return;
    }
    got = pread(file, text, size - 1, from);
    (void)close(file);
    text[got > 0 ? got : 0] = '\0';
    while (got > 0 && text[got - 1] == '\n') {
        text[--got] = '\0';
    }
    if (from > 0) {
        const char *line = strchr(text, '\n');

        if (line != NULL) {
            memmove(text, line + 1, strlen(line));
        }
    }
}
