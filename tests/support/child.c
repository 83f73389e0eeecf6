#include "support/child.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { LINE_WAIT_MS = 30000 };

void child_start(struct child *child, char *const argv[])
{
    int ends[2] = {-1, -1};

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    child->pid = fork();
    assert_true(child->pid >= 0);
    if (child->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)execv(argv[0], argv);
        _exit(127);
    }
    (void)close(ends[1]);
    child->output = ends[0];
}

void child_line(struct child *child, char *line, size_t size)
{
    size_t length = 0;

    for (;;) {
        struct pollfd wait = {.fd = child->output, .events = POLLIN};
        char letter = '\0';

        assert_true(poll(&wait, 1, LINE_WAIT_MS) > 0);
        assert_int_equal(read(child->output, &letter, 1), 1);
        if (letter == '\n') {
            break;
        }
        if (length + 1 < size) {
            line[length++] = letter;
        }
    }
    line[length] = '\0';
}

void child_signal(const struct child *child, int signal_number)
{
    assert_int_equal(kill(child->pid, signal_number), 0);
}

void child_end(struct child *child)
{
    if (child->pid != 0) {
        (void)kill(child->pid, SIGKILL);
        (void)waitpid(child->pid, NULL, 0);
        (void)close(child->output);
        child->pid = 0;
    }
}
