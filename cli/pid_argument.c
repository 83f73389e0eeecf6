#include "cli/pid_argument.h"

#include <stdio.h>
#include <string.h>

bool pid_argument(const char *text, troupe_pid *pid)
{
    char bracketed[TROUPE_PID_TEXT_SIZE];

    if (troupe_pid_parse(text, pid) == TROUPE_OK) {
        return true;
    }
    if (strlen(text) + 3 > sizeof(bracketed)) {
        return false;
    }
    (void)snprintf(bracketed, sizeof(bracketed), "<%s>", text);
    return troupe_pid_parse(bracketed, pid) == TROUPE_OK;
}

const char *pid_argument_target(const char *text, char buffer[static TROUPE_PID_TEXT_SIZE])
{
    troupe_pid pid = {0};

    return pid_argument(text, &pid) ? troupe_pid_print(pid, buffer) : text;
}
