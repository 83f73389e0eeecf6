#include "daemon/secret_reload.h"

#include "daemon/options.h"

static int give(troupe_node *node, const struct options *options, struct problem *problem)
{
    char error[256] = "";
    const troupe_status status = troupe_node_set_secrets(
        node, (troupe_bytes){options->secret.bytes, options->secret.size},
        (troupe_bytes){options->accepted.bytes, options->accepted.size}, error, sizeof(error));
    int result = 0;

    if (status != TROUPE_OK) {
        result = problem_set(problem, PROBLEM_CONFIG, "the cluster secrets stay as they were");
        problem_detail(problem, "%s", error);
    }
    return result;
}

void secret_reload(troupe_node *node, bool has_secret, const struct settings *settings,
                   struct log *log)
{
    struct options options = {.secret = {.size = 0}};
    struct problem problem;
    int status = options_secrets(settings, &options, &problem);

    if (status == 0 && (has_secret || options.secret.size > 0)) {
        status = give(node, &options, &problem);
        if (status == 0) {
            log_printf(log, TROUPE_LOG_INFO, "cluster secret read again from %s%s%s",
                       settings_get(settings, SETTING_SECRET_FILE),
                       options.accepted.size > 0 ? ", and accepted beside it: " : "",
                       options.accepted.size > 0
                           ? settings_get(settings, SETTING_SECRET_ACCEPTED_FILE)
                           : "");
        }
    }
    if (status != 0) {
        log_problem(log, &problem);
    }
    secret_wipe(&options.secret);
    secret_wipe(&options.accepted);
}
