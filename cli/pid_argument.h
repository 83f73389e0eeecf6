/* cli/pid_argument.h - an actor as it is named on a command line: by name, or by pid.
 *
 * A pid is written <7.42>, or 7.42, since a shell takes the brackets for itself. Threads: any.
 */
#ifndef CLI_PID_ARGUMENT_H
#define CLI_PID_ARGUMENT_H

#include <stdbool.h>

#include "troupe/pid.h"

/* Reads a pid in either form; false when the text is a name. */
bool pid_argument(const char *text, troupe_pid *pid);

/* What the administration protocol calls `to`: the pid with its brackets, written into buffer, or
 * the name as it is. */
const char *pid_argument_target(const char *text, char buffer[static TROUPE_PID_TEXT_SIZE]);

#endif
