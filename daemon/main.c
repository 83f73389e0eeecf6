/* trouped - one Troupe node as a program. See trouped --help and docs/cli.md. */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/options.h"
#include "daemon/run.h"
#include "daemon/settings.h"
#include "troupe/node.h"

enum { DAY_SECONDS = 86400 };

static int fail(const struct problem *problem)
{
    problem_print(stderr, "trouped", problem);
    return problem_exit_status(problem->code);
}

/* Reads certificate, key and authorities as the start would, and says how long they are good. */
static int check_tls(const struct options *options, struct problem *problem)
{
    char error[512] = "";
    int64_t expires = 0;
    int status = 0;

    if (options->tls_cert == NULL) {
        return 0;
    }
    if (troupe_tls_check(options->name, options->tls_cert, options->tls_key, options->tls_ca,
                         &expires, error, sizeof(error)) != TROUPE_OK) {
        status = problem_set(problem, PROBLEM_CONFIG,
                             "certificate, key and authorities are of no "
                             "use for node %s",
                             options->name);
        problem_detail(problem, "%s", error);
        return status;
    }
    (void)printf("trouped: the certificate %s is valid for %" PRId64 " days\n", options->tls_cert,
                 (expires - (int64_t)time(NULL)) / DAY_SECONDS);
    return 0;
}

static int check(const struct options *options, struct problem *problem)
{
    const int status = check_tls(options, problem);

    if (status != 0) {
        return fail(problem);
    }
    (void)printf("trouped: the settings are good\n");
    return 0;
}

static int run_with(const struct settings *settings, int argc, char **argv)
{
    struct problem problem = {.code = PROBLEM_NONE};
    struct options options = {.modules = NULL};
    struct log log;
    int status = options_build(settings, &options, &problem);

    if (status != 0) {
        return fail(&problem);
    }
    if (settings->action == ACTION_CHECK) {
        status = check(&options, &problem);
    } else {
        (void)prctl(PR_SET_DUMPABLE, options.core_dumps ? 1 : 0);
        log_init(&log, STDERR_FILENO, options.log_format, options.name, options.log_level);
        status = run(&(struct run_input){settings, &options, &log, argc, argv});
    }
    options_fini(&options);
    return status;
}

/* A peer, or a reader of our log, that goes away must not end the node; and SIGHUP means "read the
 * settings again", also before there is somebody to do it. */
static void ignore_signals(void)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t hangup;

    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigemptyset(&hangup);
    (void)sigaddset(&hangup, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &hangup, NULL);
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct problem problem = {.code = PROBLEM_NONE};
    int status = 0;

    /* Before a secret is in memory: no core file, and nobody but root looks into this process. */
    (void)prctl(PR_SET_DUMPABLE, 0);
    ignore_signals();
    settings_init(&settings);
    status = settings_load(&settings, argc, argv, &problem);
    if (status != 0) {
        settings_fini(&settings);
        return fail(&problem);
    }
    switch (settings.action) {
    case ACTION_HELP:
        settings_help(stdout);
        break;
    case ACTION_VERSION:
        (void)printf("trouped %s\n", TROUPE_VERSION);
        break;
    case ACTION_PRINT:
        settings_print(&settings, stdout);
        break;
    case ACTION_CHECK:
    case ACTION_RUN:
        status = run_with(&settings, argc, argv);
        break;
    }
    settings_fini(&settings);
    return status;
}
